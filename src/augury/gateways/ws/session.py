"""The command protocol of one connection (websocket.md, section 2).

Owns what commands mean and in which order their faults are looked for. A command either takes
effect as a whole or is answered with one error; only ``unsubscribe`` goes through its list item
by item. Everything happens in one step on the event loop's thread, so no event falls between a
reply and what it promises.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws import replies
from augury.gateways.ws.channels import (
    CHANNELS,
    ORDERBOOK_DELTA,
    TICKER_V2,
    Channel,
)
from augury.gateways.ws.commands import Frame, Params, decode, find_id
from augury.gateways.ws.connection import Connection, Counters, Subscription
from augury.gateways.ws.delivery import Delivery
from augury.gateways.ws.errors import (
    ACTION_REQUIRED,
    AUTHENTICATION_REQUIRED,
    CHANNELS_REQUIRED,
    INTERNAL_ERROR,
    INVALID_PARAMETER,
    MARKET_LIMIT_EXCEEDED,
    MARKET_NOT_FOUND,
    MARKET_TICKER_REQUIRED,
    ONE_SUBSCRIPTION_ID_REQUIRED,
    PARAMS_REQUIRED,
    SHARD_FACTOR_NOT_POSITIVE,
    SHARD_FACTOR_REQUIRED,
    SHARD_FACTOR_TOO_LARGE,
    SHARD_KEY_OUT_OF_RANGE,
    SUBSCRIPTION_IDS_REQUIRED,
    TOO_MANY_REQUESTS,
    UNABLE_TO_PROCESS,
    UNKNOWN_CHANNEL,
    UNKNOWN_COMMAND,
    UNKNOWN_SUBSCRIPTION_ID,
    UNSUPPORTED_ACTION,
    CommandError,
)
from augury.gateways.ws.frames import text_frame
from augury.gateways.ws.registry import Registry
from augury.gateways.ws.sharding import LARGEST_FACTOR, Shard

_log: Final = logging.getLogger("augury.gateways.ws")


class Session:
    """Answers the commands of one connection."""

    def __init__(
        self,
        connection: Connection,
        registry: Registry,
        delivery: Delivery,
        settings: WebSocketSettings,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._delivery = delivery
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._budget = float(settings.commands_per_second)
        self._budget_at = clock()
        self._named_markets = 0

    def handle(self, text: str | None) -> None:
        """Answer one frame; ``None`` stands for a binary one. Never raises."""
        self._counters.commands += 1
        frame = Frame()
        try:
            if text is None:
                raise CommandError(UNABLE_TO_PROCESS)
            frame = decode(text)
            self._spend(frame.params)
            self._dispatch(frame)
        except CommandError as error:
            command_id = frame.id
            if error.code == UNABLE_TO_PROCESS and text is not None:
                command_id = find_id(text)
            self._reply_error(command_id, error)
        except Exception:
            _log.exception("a command failed: %.200s", text)
            self._reply_error(frame.id, CommandError(INTERNAL_ERROR))
        # At once, so that a client which sends its next command without waiting still finds the
        # snapshots numbered before the replies to that command.
        self._delivery.flush(self._connection)

    # --- commands ----------------------------------------------------------------------------

    def _dispatch(self, frame: Frame) -> None:
        if frame.cmd == "list_subscriptions":
            self._list(frame.id)
            return
        if frame.cmd == "subscribe":
            command = self._subscribe
        elif frame.cmd == "unsubscribe":
            command = self._unsubscribe
        elif frame.cmd == "update_subscription":
            command = self._update
        else:
            raise CommandError(UNKNOWN_COMMAND)
        if frame.params is None:
            raise CommandError(PARAMS_REQUIRED)
        command(frame.id, frame.params)

    def _list(self, command_id: int | None) -> None:
        found = [
            replies.SubscribedChannel(subscription.channel.name, subscription.sid)
            for subscription in self._connection.subscriptions.values()
        ]
        self._reply(replies.subscriptions(command_id, found))

    def _subscribe(self, command_id: int | None, params: Params) -> None:
        if not params.channels:
            raise CommandError(CHANNELS_REQUIRED)
        channels = [self._channel(name) for name in dict.fromkeys(params.channels)]
        if self._connection.member_id == 0 and any(self._is_private(c) for c in channels):
            raise CommandError(AUTHENTICATION_REQUIRED)
        filtered = [channel for channel in channels if channel.markets != "ignored"]
        tickers = self._named(params, filtered) if filtered else None
        self._check_yes_price(params, channels)
        shard = _shard(params) if any(channel.sharded for channel in channels) else None
        self._check_market_limit(tickers, filtered)
        # Replies first, snapshots after them: those are sent once this step is over.
        for channel in channels:
            wanted = tickers if channel.markets != "ignored" else None
            subscription = self._connection.by_channel.get(channel.name)
            if subscription is None:
                subscription = self._open(channel, wanted, params)
                self._reply(replies.subscribed(command_id, channel.name, subscription.sid))
            else:
                self._extend(subscription, wanted, params)
                self._reply_ok(command_id, subscription, params)
            if channel.sharded:
                subscription.shard = shard

    def _unsubscribe(self, command_id: int | None, params: Params) -> None:
        if not params.sids:
            raise CommandError(SUBSCRIPTION_IDS_REQUIRED)
        for sid in dict.fromkeys(params.sids):
            subscription = self._connection.subscriptions.get(sid)
            if subscription is None:
                self._reply_error(command_id, CommandError(UNKNOWN_SUBSCRIPTION_ID), sid)
                continue
            self._end(subscription)
            self._reply(replies.unsubscribed(command_id, sid, _next_seq(subscription)))

    def _update(self, command_id: int | None, params: Params) -> None:
        if params.sid is not None and params.sids is not None:
            raise CommandError(ONE_SUBSCRIPTION_ID_REQUIRED)
        sids = [params.sid] if params.sid is not None else params.sids or []
        if len(sids) != 1:
            raise CommandError(ONE_SUBSCRIPTION_ID_REQUIRED)
        subscription = self._connection.subscriptions.get(sids[0])
        if subscription is None:
            raise CommandError(UNKNOWN_SUBSCRIPTION_ID)
        if not params.action:
            raise CommandError(ACTION_REQUIRED)
        channel = subscription.channel
        if params.action not in channel.actions:
            raise CommandError(UNSUPPORTED_ACTION)
        known = subscription.tickers or {}
        tickers = self._named(params, [channel], known)
        if tickers is None:
            raise CommandError(MARKET_TICKER_REQUIRED)
        self._check_yes_price(params, [channel])

        if params.action == "add_markets":
            self._check_market_limit(tickers, [channel])
            self._extend(subscription, tickers, params)
        elif params.action == "delete_markets":
            if subscription.tickers is None:
                raise CommandError(INVALID_PARAMETER)
            self._delete_markets(subscription, tickers)
        else:
            if not all(map(subscription.wants, tickers)):
                raise CommandError(INVALID_PARAMETER)
            self._delivery.request_snapshots(subscription, tickers)
        self._reply_ok(command_id, subscription, params)

    # --- checks ------------------------------------------------------------------------------

    def _channel(self, name: str) -> Channel:
        channel = CHANNELS.get(name)
        if channel is None or (channel is TICKER_V2 and not self._settings.ticker_v2):
            raise CommandError(UNKNOWN_CHANNEL)
        return channel

    def _is_private(self, channel: Channel) -> bool:
        if channel is ORDERBOOK_DELTA:
            return not self._settings.public_orderbook
        return channel.private

    def _named(
        self, params: Params, channels: Sequence[Channel], known: dict[str, None] | None = None
    ) -> list[str] | None:
        """The markets that a command names, without repetitions; None when it names none.

        A market that is gone may still be named where it is ``known`` to the subscription.
        """
        forms = (params.market_ticker, params.market_tickers, params.market_id, params.market_ids)
        given = sum(1 for form in forms if form)
        if given > 1:
            raise CommandError(INVALID_PARAMETER)
        by_ticker = bool(params.market_ticker or params.market_tickers)
        if not by_ticker and any(channel.markets == "required" for channel in channels):
            raise CommandError(MARKET_TICKER_REQUIRED)
        if not given:
            return None
        if by_ticker:
            tickers = [params.market_ticker] if params.market_ticker else params.market_tickers
            for ticker in tickers or ():
                if not self._delivery.knows(ticker) and not (known and ticker in known):
                    raise CommandError(MARKET_NOT_FOUND, market_ticker=ticker)
            return list(dict.fromkeys(tickers or ()))
        if not all(channel.by_id for channel in channels):
            raise CommandError(INVALID_PARAMETER)
        ids = [params.market_id] if params.market_id else params.market_ids
        return list(dict.fromkeys(map(self._ticker_of, ids or ())))

    def _ticker_of(self, market_id: str) -> str:
        ticker = self._delivery.ticker_of(market_id)
        if ticker is None:
            raise CommandError(MARKET_NOT_FOUND, market_id=market_id)
        return ticker

    def _check_yes_price(self, params: Params, channels: Sequence[Channel]) -> None:
        """One sid cannot speak in both prices; whoever wants the other unsubscribes first."""
        book = self._connection.by_channel.get(ORDERBOOK_DELTA.name)
        if (
            book is not None
            and ORDERBOOK_DELTA in channels
            and params.use_yes_price is not None
            and params.use_yes_price != book.use_yes_price
        ):
            raise CommandError(INVALID_PARAMETER)

    def _check_market_limit(self, tickers: list[str] | None, channels: Sequence[Channel]) -> None:
        if not tickers:
            return
        new = 0
        for channel in channels:
            subscription = self._connection.by_channel.get(channel.name)
            if subscription is None:
                new += len(tickers)
            else:
                new += sum(1 for ticker in tickers if not subscription.wants(ticker))
        if self._named_markets + new > self._settings.markets_per_connection:
            raise CommandError(MARKET_LIMIT_EXCEEDED)

    def _spend(self, params: Params | None) -> None:
        """Take a command from the budget, which refills continuously and holds one second's.

        The last command may overdraw it, so that a long list of markets is possible at all.
        """
        now = self._clock()
        rate = self._settings.commands_per_second
        self._budget = min(float(rate), self._budget + (now - self._budget_at) * rate)
        self._budget_at = now
        if self._budget <= 0:
            raise CommandError(TOO_MANY_REQUESTS)
        cost = 1
        if params is not None:
            for names in (params.market_tickers, params.market_ids, params.sids, params.channels):
                cost += len(names or ())
        self._budget -= cost

    # --- subscriptions -----------------------------------------------------------------------

    def _open(self, channel: Channel, tickers: list[str] | None, params: Params) -> Subscription:
        connection = self._connection
        subscription = Subscription(
            connection,
            channel,
            connection.next_sid,
            None if tickers is None else dict.fromkeys(tickers),
            bool(params.skip_ticker_ack),
            bool(params.use_yes_price),
        )
        connection.next_sid += 1
        connection.subscriptions[subscription.sid] = subscription
        connection.by_channel[channel.name] = subscription
        self._named_markets += len(tickers or ())
        if channel is ORDERBOOK_DELTA:
            # The subscription joins each market's deltas together with its snapshot.
            self._delivery.request_snapshots(subscription, tickers or ())
        else:
            self._registry.index(subscription).add(subscription)
            if channel.snapshots and params.send_initial_snapshot and tickers:
                self._delivery.request_snapshots(subscription, tickers)
        return subscription

    def _extend(
        self, subscription: Subscription, tickers: list[str] | None, params: Params
    ) -> None:
        """Add markets; None widens the subscription to all of them."""
        if params.skip_ticker_ack is not None:
            subscription.skip_ticker_ack = params.skip_ticker_ack
        channel = subscription.channel
        index = self._registry.index(subscription)
        new: list[str] = []
        if subscription.tickers is not None and tickers is None:
            index.remove(subscription)
            self._named_markets -= len(subscription.tickers)
            subscription.tickers = None
            index.add(subscription)
        elif subscription.tickers is not None:
            new = [ticker for ticker in tickers or () if ticker not in subscription.tickers]
            self._named_markets += len(new)
            subscription.tickers.update(dict.fromkeys(new))
        if channel is ORDERBOOK_DELTA:
            # As when it was opened, a market's deltas begin together with its snapshot.
            self._delivery.request_snapshots(subscription, new)
            return
        for ticker in new:
            index.add_market(subscription, ticker)
        if channel.snapshots and params.send_initial_snapshot and tickers:
            self._delivery.request_snapshots(subscription, tickers)

    def _delete_markets(self, subscription: Subscription, tickers: list[str]) -> None:
        index = self._registry.index(subscription)
        assert subscription.tickers is not None
        for ticker in tickers:
            if ticker in subscription.tickers:
                del subscription.tickers[ticker]
                index.remove_market(subscription, ticker)
                self._connection.forget_ticker(subscription.sid, ticker)
                self._named_markets -= 1
        gone = set(tickers)
        still = [ticker for ticker in subscription.awaiting if ticker not in gone]
        subscription.awaiting.clear()
        subscription.awaiting.extend(still)

    def _end(self, subscription: Subscription) -> None:
        connection = self._connection
        self._registry.index(subscription).remove(subscription)
        self._named_markets -= len(subscription.tickers or ())
        del connection.subscriptions[subscription.sid]
        del connection.by_channel[subscription.channel.name]
        connection.waiting.pop(subscription, None)
        connection.forget_tickers(subscription.sid)

    # --- replies -----------------------------------------------------------------------------

    def _reply(self, reply: bytes) -> None:
        self._connection.enqueue(text_frame(reply))

    def _reply_ok(self, command_id: int | None, subscription: Subscription, params: Params) -> None:
        skip = subscription.skip_ticker_ack or params.skip_ticker_ack
        tickers = None
        if subscription.tickers is not None and not skip:
            tickers = list(subscription.tickers)
        seq = _next_seq(subscription)
        self._reply(replies.updated(command_id, subscription.sid, seq, tickers))

    def _reply_error(
        self, command_id: int | None, error: CommandError, sid: int | None = None
    ) -> None:
        self._counters.command_errors += 1
        self._reply(replies.refused(command_id, sid, error))


def _next_seq(subscription: Subscription) -> int | None:
    """Replies about a subscription consume a number where its messages are numbered."""
    return subscription.next_seq() if subscription.channel.sequenced else None


def _shard(params: Params) -> Shard | None:
    """The shard that a command asks for; None for everything. A factor alone means shard 0."""
    factor, key = params.shard_factor, params.shard_key
    if factor is None:
        if key is not None:
            raise CommandError(SHARD_FACTOR_REQUIRED)
        return None
    if factor <= 0:
        raise CommandError(SHARD_FACTOR_NOT_POSITIVE)
    if factor > LARGEST_FACTOR:
        raise CommandError(SHARD_FACTOR_TOO_LARGE)
    key = key or 0
    if not 0 <= key < factor:
        raise CommandError(SHARD_KEY_OUT_OF_RANGE)
    return Shard(factor, key)
