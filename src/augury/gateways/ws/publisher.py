"""From applied records to messages: what each event means to whom.

``publish`` is called once per record, in log order, on the event loop's thread, and does not
wait. Each message is encoded once; what differs between connections is a few bytes around it.
For one engine event a connection gets fill, user_order, market_position, order_group_updates,
trade, orderbook_delta, ticker, ticker_v2, communications in this order (websocket.md, section
15). The core reports in the same order, except that it reports trades first.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from augury.codec.ids import format_id, parse_id
from augury.core.applied import Applied
from augury.core.events import (
    ApiKeyRemoved,
    ComboLookedUp,
    Event,
    EventCreated,
    LevelChanged,
    MarketCloseTimeChanged,
    MarketCreated,
    MarketDetermined,
    MarketSettled,
    MarketStatusChanged,
    MarketUpdated,
    OrderFilled,
    OrderGroupUpdated,
    OrderUpdated,
    PositionChanged,
    PriceLevelStructureChanged,
    QuoteUpdated,
    RfqUpdated,
    TickerChanged,
    TradeExecuted,
)
from augury.core.state import FINALIZED, Market
from augury.core.units import PRICE_ONE
from augury.gateways.combos import is_combo
from augury.gateways.ws import books, communications, lifecycle, messages
from augury.gateways.ws.channels import (
    COMMUNICATIONS,
    FILL,
    MARKET_LIFECYCLE,
    MARKET_POSITIONS,
    MULTIVARIATE,
    MULTIVARIATE_LIFECYCLE,
    ORDER_GROUP_UPDATES,
    ORDERBOOK_DELTA,
    TICKER,
    TICKER_V2,
    TRADE,
    USER_ORDERS,
)
from augury.gateways.ws.connection import Connection, Outbox, Subscription
from augury.gateways.ws.delivery import (
    Delivery,
    send,
    send_ticker,
    sequenced,
    unsequenced,
    wanting,
)
from augury.gateways.ws.registry import ChannelIndex, Registry
from augury.ports.exchange import ExchangeGate

_log: Final = logging.getLogger("augury.gateways.ws")

_UNTOUCHED: Final = messages.Quote(0, 0, PRICE_ONE, 0, 0, 0, 0, 0)


_QUOTE_MESSAGES: Final[
    dict[str, tuple[bytes, Callable[[QuoteUpdated], bytes], Callable[[QuoteUpdated], bytes]]]
] = {
    "created": (
        b"quote_created",
        lambda event: communications.quote_created(event, event.subaccount),
        lambda event: communications.quote_created(event, event.rfq_subaccount),
    ),
    "accepted": (
        b"quote_accepted",
        lambda event: communications.quote_accepted(event, event.subaccount),
        lambda event: communications.quote_accepted(event, event.rfq_subaccount),
    ),
    "executed": (
        b"quote_executed",
        communications.quote_executed_for_maker,
        communications.quote_executed_for_requester,
    ),
}
"""What happened to a quote -> the message, and how it reads for its maker and its requester."""


class Publisher(Delivery):
    """Turns events into frames in the queues of connections."""

    def __init__(
        self,
        gate: ExchangeGate,
        registry: Registry,
        outbox: Outbox,
        on_key_removed: Callable[[int], None],
        on_failure: Callable[[], None],
    ) -> None:
        super().__init__(outbox)
        self._gate = gate
        self._on_key_removed = on_key_removed
        self._on_failure = on_failure
        self._time_ns = 0
        self._trades: list[tuple[str, bytes]] = []
        """Trades of the engine event at hand; they go out after what is private about it."""
        self._market_ids: dict[str, str] = {}
        self._tickers_by_id: dict[int, str] = {
            market.id: market.ticker for market in gate.state.markets.values()
        }
        self._quotes: dict[str, messages.Quoted] = {
            market.ticker: quote_of(market)
            for market in gate.state.markets.values()
            if market.status != FINALIZED
        }
        """What ``ticker_v2`` has said so far about each market."""
        self._settled: list[str] = []
        """Markets of which nothing more is to be said after the record at hand."""

        channels = registry.by_channel
        self._books = channels[ORDERBOOK_DELTA.name]
        self._tickers = channels[TICKER.name]
        self._tickers_v2 = channels[TICKER_V2.name]
        self._trade_channel = channels[TRADE.name]
        self._fills = channels[FILL.name]
        self._user_orders = channels[USER_ORDERS.name]
        self._positions = channels[MARKET_POSITIONS.name]
        self._order_groups = channels[ORDER_GROUP_UPDATES.name]
        self._communications = channels[COMMUNICATIONS.name]
        self._lifecycle = channels[MARKET_LIFECYCLE.name]
        self._multivariate = channels[MULTIVARIATE.name]
        self._multivariate_lifecycle = channels[MULTIVARIATE_LIFECYCLE.name]
        self._for_one_channel: dict[type[Event], tuple[ChannelIndex, Callable[[Any], None]]] = {
            TradeExecuted: (self._trade_channel, self._trade_executed),
            OrderFilled: (self._fills, self._order_filled),
            OrderUpdated: (self._user_orders, self._order_updated),
            PositionChanged: (self._positions, self._position_changed),
            OrderGroupUpdated: (self._order_groups, self._order_group_updated),
            LevelChanged: (self._books, self._level_changed),
            RfqUpdated: (self._communications, self._rfq_updated),
            QuoteUpdated: (self._communications, self._quote_updated),
        }
        self._always: dict[type[Event], Callable[[Any], None]] = {
            TickerChanged: self._note_quote,
            MarketCreated: self._market_created,
            MarketStatusChanged: self._market_status_changed,
            MarketCloseTimeChanged: self._market_close_time_changed,
            MarketDetermined: self._market_determined,
            MarketSettled: self._market_settled,
            MarketUpdated: self._market_updated,
            PriceLevelStructureChanged: self._price_level_structure_changed,
            EventCreated: self._event_created,
            ComboLookedUp: self._combo_looked_up,
            ApiKeyRemoved: self._api_key_removed,
        }
        registry.on_flip = self._choose_handlers
        self._choose_handlers()

    def _choose_handlers(self) -> None:
        """What is traded most is looked at only when its channel has a subscription at all."""
        self._handlers = dict(self._always)
        for kind, (index, handler) in self._for_one_channel.items():
            if index:
                self._handlers[kind] = handler
        if self._tickers or self._tickers_v2 or self._trade_channel:
            # Trades have to leave before what follows them, so they count as well.
            self._handlers[TickerChanged] = self._ticker_changed

    def publish(self, applied: Applied) -> None:
        """Queue what ``applied`` means to everybody who is subscribed. Never raises."""
        self._time_ns = applied.time_ns
        handler_of = self._handlers.get
        self._publishing = True
        try:
            for event in applied.events:
                handler = handler_of(type(event))
                if handler is not None:
                    handler(event)
            if self._trades:
                self._send_trades()
            if self._settled:
                self._forget_settled()
        except Exception:
            # A defect. The exchange goes on, and no client may go on with a gap it cannot see.
            _log.exception("record %d could not be published", applied.sequence)
            self._trades.clear()
            self._on_failure()
        finally:
            self._publishing = False
        if self._outbox.dirty:
            self.schedule()

    def _forget_settled(self) -> None:
        for ticker in self._settled:
            self._quotes.pop(ticker, None)
            self._market_ids.pop(ticker, None)
        self._settled.clear()

    # --- snapshots ---------------------------------------------------------------------------

    def knows(self, ticker: str) -> bool:
        return ticker in self._gate.state.markets

    def _send_snapshot(self, subscription: Subscription, ticker: str) -> None:
        market = self._gate.state.markets.get(ticker)
        if market is None:
            # A provisional market may have vanished since it was named.
            return
        market_id = self.market_id(ticker)
        connection = subscription.connection
        if subscription.channel is ORDERBOOK_DELTA:
            if subscription.wants(ticker):
                self._books.add_market(subscription, ticker)
            connection.enqueue(
                sequenced(
                    b"orderbook_snapshot",
                    subscription,
                    books.snapshot(market, market_id, subscription.use_yes_price),
                )
            )
        elif subscription.channel is TICKER:
            message = messages.ticker(ticker, market_id, quote_of(market), self._gate.now_ns())
            connection.enqueue(unsequenced(b"ticker", subscription.sid, message))
        elif subscription.channel is TICKER_V2:
            message = messages.ticker_v2_snapshot(
                ticker, market_id, quote_of(market), self._gate.now_ns()
            )
            connection.enqueue(unsequenced(b"ticker_v2", subscription.sid, message))

    # --- trading -----------------------------------------------------------------------------

    def _order_filled(self, event: OrderFilled) -> None:
        subscriptions = self._fills.for_account(event.member_id, event.subaccount)
        if subscriptions:
            message = messages.fill(event, self._time_ns)
            send(b"fill", message, wanting(subscriptions, event.market_ticker))

    def _order_updated(self, event: OrderUpdated) -> None:
        subscriptions = self._user_orders.for_account(event.member_id, event.subaccount)
        if subscriptions:
            message = messages.user_order(event)
            send(b"user_order", message, wanting(subscriptions, event.market_ticker))

    def _position_changed(self, event: PositionChanged) -> None:
        subscriptions = self._positions.for_account(event.member_id, event.subaccount)
        if subscriptions:
            message = messages.market_position(event)
            send(b"market_position", message, wanting(subscriptions, event.market_ticker))

    def _order_group_updated(self, event: OrderGroupUpdated) -> None:
        subscriptions = self._order_groups.for_account(event.member_id, event.subaccount)
        if subscriptions:
            message = messages.order_group(event, self._time_ns)
            for subscription in subscriptions:
                subscription.connection.enqueue(
                    sequenced(b"order_group_updates", subscription, message)
                )

    def _trade_executed(self, event: TradeExecuted) -> None:
        if self._trade_channel.is_watched(event.market_ticker):
            self._trades.append((event.market_ticker, messages.trade(event, self._time_ns)))

    def _send_trades(self) -> None:
        for ticker, message in self._trades:
            send(b"trade", message, self._trade_channel.for_market(ticker))
        self._trades.clear()

    def _level_changed(self, event: LevelChanged) -> None:
        if self._trades:
            self._send_trades()
        ticker = event.market_ticker
        subscriptions = self._books.by_market.get(ticker)
        if not subscriptions:
            return
        market_id = self.market_id(ticker)
        in_own_price = in_yes_price = b""
        to_owner: dict[tuple[bool, int, str], bytes] = {}
        owners: dict[int, tuple[int, str] | None] = {}
        for member_id, subaccount, client_order_id in event.owners:
            owners.setdefault(member_id, (subaccount, client_order_id))
        for subscription in subscriptions:
            if subscription.use_yes_price:
                message = in_yes_price = in_yes_price or books.delta(
                    event, market_id, self._time_ns, True
                )
            else:
                message = in_own_price = in_own_price or books.delta(
                    event, market_id, self._time_ns, False
                )
            connection = subscription.connection
            if connection.member_id in owners:
                owner = owners[connection.member_id]
                if connection.subaccount >= 0:
                    owner = _owner_in(event, connection)
                if owner is not None:
                    # Once for all the connections that a member has open.
                    key = (subscription.use_yes_price, *owner)
                    own = to_owner.get(key)
                    if own is None:
                        own = to_owner[key] = books.with_owner(message, *owner)
                    message = own
            connection.enqueue(sequenced(b"orderbook_delta", subscription, message))

    def _note_quote(self, event: TickerChanged) -> None:
        self._quotes[event.market_ticker] = event

    def _ticker_changed(self, event: TickerChanged) -> None:
        if self._trades:
            self._send_trades()
        ticker = event.market_ticker
        # Kept as it is: nothing is made for a market that nobody watches.
        before = self._quotes.get(ticker, _UNTOUCHED)
        self._quotes[ticker] = event
        if self._tickers.is_watched(ticker):
            message = messages.ticker(ticker, self.market_id(ticker), event, self._time_ns)
            send_ticker(b"ticker", ticker, message, self._tickers.for_market(ticker))
        if self._tickers_v2.is_watched(ticker):
            for message in messages.ticker_v2(
                ticker, self.market_id(ticker), before, event, self._time_ns
            ):
                send(b"ticker_v2", message, self._tickers_v2.for_market(ticker))

    # --- requests for quotes -----------------------------------------------------------------

    def _rfq_updated(self, event: RfqUpdated) -> None:
        if self._trades:
            self._send_trades()
        ticker = event.market_ticker
        receivers = list(self._asking(ticker))
        if not receivers:
            return
        if event.kind == "created":
            market = self._gate.state.markets.get(ticker)
            send(b"rfq_created", communications.rfq_created(event, market), receivers)
        else:
            send(b"rfq_deleted", communications.rfq_deleted(event), receivers)

    def _quote_updated(self, event: QuoteUpdated) -> None:
        """To the two parties only. That a quote is confirmed or cancelled is not announced."""
        if self._trades:
            self._send_trades()
        encoders = _QUOTE_MESSAGES.get(event.kind)
        if encoders is None:
            return
        kind, for_maker, for_requester = encoders
        receivers = [
            subscription
            for subscription in self._asking(event.market_ticker)
            if subscription.connection.member_id in (event.member_id, event.rfq_member_id)
        ]
        if not receivers:
            return
        # Two customers of one clearing member may trade with each other; it hears of both.
        for member_id, subaccount, encode in (
            (event.member_id, event.subaccount, for_maker),
            (event.rfq_member_id, event.rfq_subaccount, for_requester),
        ):
            own = [one for one in receivers if one.connection.may_see(member_id, subaccount)]
            if own:
                send(kind, encode(event), own)

    def _asking(self, ticker: str) -> Iterator[Subscription]:
        """Who wants to hear about quotes on a market."""
        for subscription in self._communications.everywhere:
            shard = subscription.shard
            if shard is None or shard.holds(ticker):
                yield subscription

    # --- lifecycle ---------------------------------------------------------------------------

    def _market_created(self, event: MarketCreated) -> None:
        market = self._gate.state.markets.get(event.ticker)
        if market is not None:
            self._tickers_by_id[market.id] = event.ticker
        self._send_lifecycle(
            event.ticker, lambda: lifecycle.market_created(event, self._gate.state)
        )

    def _market_status_changed(self, event: MarketStatusChanged) -> None:
        # What happens because time passes is not announced (websocket.md, section 10), and
        # results have events of their own.
        if event.reason in {"paused", "reactivated", "reopened"}:
            self._send_lifecycle(
                event.ticker,
                lambda: lifecycle.market_activated(event.ticker, event.reason == "paused"),
            )

    def _market_close_time_changed(self, event: MarketCloseTimeChanged) -> None:
        self._send_lifecycle(
            event.ticker, lambda: lifecycle.close_date_updated(event.ticker, event.close_ns)
        )

    def _market_determined(self, event: MarketDetermined) -> None:
        self._send_lifecycle(event.ticker, lambda: lifecycle.market_determined(event))

    def _market_settled(self, event: MarketSettled) -> None:
        self._settled.append(event.ticker)
        self._send_lifecycle(
            event.ticker, lambda: lifecycle.market_settled(event.ticker, self._time_ns)
        )

    def _market_updated(self, event: MarketUpdated) -> None:
        self._send_lifecycle(
            event.ticker, lambda: lifecycle.metadata_updated(event.ticker), later=True
        )

    def _price_level_structure_changed(self, event: PriceLevelStructureChanged) -> None:
        self._send_lifecycle(
            event.ticker,
            lambda: lifecycle.price_level_structure_updated(
                event.ticker, event.price_level_structure
            ),
            later=True,
        )

    def _event_created(self, event: EventCreated) -> None:
        if not is_combo(event.ticker) and self._lifecycle.everywhere:
            send(b"event_lifecycle", lifecycle.event_created(event), self._lifecycle.everywhere)

    def _combo_looked_up(self, event: ComboLookedUp) -> None:
        ticker = event.market_ticker
        if self._multivariate.is_watched(ticker):
            send(
                b"multivariate_lookup",
                lifecycle.combo_looked_up(event),
                self._multivariate.for_market(ticker),
            )

    def _send_lifecycle(
        self, ticker: str, encode: Callable[[], bytes], *, later: bool = False
    ) -> None:
        """``later`` messages did not exist in 3.6.0, whose clients may refuse an unknown
        ``event_type``; only connections of the profile ``latest`` get them."""
        index: ChannelIndex
        if is_combo(ticker):
            index, kind = self._multivariate_lifecycle, b"multivariate_market_lifecycle"
        else:
            index, kind = self._lifecycle, b"market_lifecycle_v2"
        receivers = [
            subscription
            for subscription in index.everywhere
            if not later or subscription.connection.profile == "latest"
        ]
        if receivers:
            send(kind, encode(), receivers)

    def _api_key_removed(self, event: ApiKeyRemoved) -> None:
        self._on_key_removed(event.api_key_id)

    # --- ids ---------------------------------------------------------------------------------

    def ticker_of(self, market_id: str) -> str | None:
        """The ticker behind a public id; None when there is no such market (any more)."""
        number = parse_id("market", market_id)
        ticker = None if number is None else self._tickers_by_id.get(number)
        return ticker if ticker in self._gate.state.markets else None

    def market_id(self, ticker: str) -> str:
        """The public id of a market, also of one that has just vanished."""
        found = self._market_ids.get(ticker)
        if found is None:
            market = self._gate.state.markets.get(ticker)
            if market is None:
                return ""
            found = self._market_ids[ticker] = format_id("market", market.id)
        return found


def _owner_in(event: LevelChanged, connection: Connection) -> tuple[int, str] | None:
    """The order behind a change, when it is of the subaccount that a key is for."""
    for member_id, subaccount, client_order_id in event.owners:
        if connection.may_see(member_id, subaccount):
            return subaccount, client_order_id
    return None


def quote_of(market: Market) -> messages.Quote:
    """A market as the last ticker message showed it, or would have."""
    return messages.Quote(
        market.quoted_bid,
        market.quoted_bid_quantity,
        market.quoted_ask,
        market.quoted_ask_quantity,
        market.last_price,
        market.last_quantity,
        market.volume,
        market.open_interest,
    )
