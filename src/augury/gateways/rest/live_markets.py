"""The markets that are not settled, so that asking for open ones costs what is open.

An exchange that runs for months knows a hundred times as many markets that are settled, and whoever
polls the open ones should not make it look through all of them.
"""

from collections.abc import Callable, Iterator

from augury.core.state import FINALIZED, Exchange, ListedEvent, Market


class LiveMarkets:
    """Reads the state when it is asked; between two questions it costs nothing."""

    def __init__(self, state: Callable[[], Exchange]) -> None:
        self._state = state
        self._markets: list[Market] = []
        """In the order of their creation."""
        self._newest = 0
        """The id of the newest market that was ever taken in."""

    def newest_first(self) -> Iterator[Market]:
        """Valid until the next await."""
        self._refresh()
        return reversed(self._markets)

    def events(self) -> list[ListedEvent]:
        """The events with such a market, each once."""
        self._refresh()
        return list({market.event.ticker: market.event for market in self._markets}.values())

    def _refresh(self) -> None:
        new = []
        # The state keeps markets in the order of their creation, too.
        for market in reversed(self._state().markets.values()):
            if market.id <= self._newest:
                break
            new.append(market)
        if new:
            self._newest = new[0].id
            self._markets.extend(reversed(new))
        # A provisional market that vanishes is settled as well.
        self._markets = [market for market in self._markets if market.status != FINALIZED]
