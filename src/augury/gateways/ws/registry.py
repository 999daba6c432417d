"""Who wants what: the subscriptions of all connections, found by channel, market or member.

Iteration orders here are orders of arrival, so that a run can be repeated.
"""

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import TypeVar

from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.connection import Subscription

_NOBODY: dict[Subscription, None] = {}

K = TypeVar("K")


class ChannelIndex:
    """The subscriptions of one channel.

    Subscriptions to what is a member's own are found by member, others by the markets they name;
    those that name none are in ``everywhere``.
    """

    __slots__ = ("_on_flip", "_wanted", "by_market", "by_member", "everywhere", "own")

    def __init__(self, own: bool, on_flip: Callable[[], None]) -> None:
        """``on_flip`` is called when the first subscription comes and when the last one goes."""
        self._on_flip = on_flip
        self._wanted = False
        self.own = own
        self.everywhere: dict[Subscription, None] = {}
        self.by_market: dict[str, dict[Subscription, None]] = {}
        self.by_member: dict[int, dict[Subscription, None]] = {}

    def for_market(self, ticker: str) -> Iterator[Subscription]:
        return chain(self.everywhere, self.by_market.get(ticker, _NOBODY))

    def is_watched(self, ticker: str) -> bool:
        return bool(self.everywhere) or ticker in self.by_market

    def for_account(self, member_id: int, subaccount: int) -> Collection[Subscription]:
        """The member's subscriptions, without those of keys for other subaccounts."""
        found = self.by_member.get(member_id)
        if found is None:
            return ()
        return [one for one in found if one.connection.may_see(member_id, subaccount)]

    def add(self, subscription: Subscription) -> None:
        """Enter a subscription, with the markets it names now."""
        if self.own:
            self.by_member.setdefault(subscription.connection.member_id, {})[subscription] = None
        elif subscription.tickers is None:
            self.everywhere[subscription] = None
        else:
            for ticker in subscription.tickers:
                self.add_market(subscription, ticker)
        self._look()

    def remove(self, subscription: Subscription) -> None:
        if self.own:
            _take(self.by_member, subscription.connection.member_id, subscription)
        elif subscription.tickers is None:
            self.everywhere.pop(subscription, None)
        else:
            for ticker in subscription.tickers:
                _take(self.by_market, ticker, subscription)
        self._look()

    def add_market(self, subscription: Subscription, ticker: str) -> None:
        if not self.own:
            self.by_market.setdefault(ticker, {})[subscription] = None
            self._look()

    def remove_market(self, subscription: Subscription, ticker: str) -> None:
        if not self.own:
            _take(self.by_market, ticker, subscription)
            self._look()

    def _look(self) -> None:
        if bool(self) != self._wanted:
            self._wanted = not self._wanted
            self._on_flip()

    def __bool__(self) -> bool:
        return bool(self.everywhere or self.by_market or self.by_member)


class Registry:
    """All subscriptions of a gateway."""

    def __init__(self) -> None:
        self.by_channel = {
            name: ChannelIndex(channel.own, self._flipped) for name, channel in CHANNELS.items()
        }
        self.on_flip: Callable[[], None] = lambda: None
        """Called when a channel gets its first subscription or loses its last."""

    def _flipped(self) -> None:
        self.on_flip()

    def index(self, subscription: Subscription) -> ChannelIndex:
        return self.by_channel[subscription.channel.name]


def _take(table: dict[K, dict[Subscription, None]], key: K, subscription: Subscription) -> None:
    found = table.get(key)
    if found is not None:
        found.pop(subscription, None)
        if not found:
            del table[key]
