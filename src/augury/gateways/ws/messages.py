"""The ``msg`` objects of trading, but for the book (websocket.md, sections 5 to 9, 13 and 14).

Each function turns an event, or a market as it stands, into the JSON bytes that all receivers
share. Fields come as twins, legacy integers beside dollar and count strings (compat.md,
section 1); integers are rounded as there. Nothing here knows who is subscribed.
"""

from functools import lru_cache
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import UNSET

from augury.codec.ids import format_id
from augury.codec.text import (
    centicents,
    count_floor,
    count_fp,
    dollars,
    milliseconds,
    price_cents,
    price_dollars,
    rfc3339,
    seconds,
)
from augury.core.events import (
    OrderFilled,
    OrderGroupUpdated,
    OrderUpdated,
    PositionChanged,
    TradeExecuted,
)
from augury.core.step import BLOCK_TRADE_BIT
from augury.core.units import BID, PRICE_ONE, direction_of
from augury.gateways.ws.fields import (
    EXCHANGE_INDEX,
    Action,
    BookSide,
    CentiCents,
    Cents,
    ClientOrderId,
    Count,
    CountFp,
    Dollars,
    ExchangeIndex,
    HalfDollars,
    Id,
    MarketId,
    MarketTicker,
    Maybe,
    Milliseconds,
    PriceDollars,
    Seconds,
    Side,
    SignedCount,
    SignedCountFp,
    Subaccount,
    Time,
    UserId,
    about,
    one_of,
)

_encode: Final = msgspec.json.Encoder().encode

_HALF_DOLLAR_LOTS: Final = 200
"""Hundredths of a contract per dollar in the dollar figures, which count a contract as $0.50."""


@lru_cache(maxsize=8_192)
def public_id(kind: str, number: int) -> str:
    """``format_id``, remembered: an order is named in several messages soon after each other."""
    return format_id(kind, number)


def _outcome(direction: int) -> str:
    return "yes" if direction == BID else "no"


def _book_side(direction: int) -> str:
    return "bid" if direction == BID else "ask"


# --- ticker and ticker_v2 ----------------------------------------------------------------------


class Quoted(Protocol):
    """What a ticker message shows: a ``Quote``, or the event that changed it."""

    @property
    def bid_price(self) -> int: ...
    @property
    def bid_quantity(self) -> int: ...
    @property
    def ask_price(self) -> int: ...
    @property
    def ask_quantity(self) -> int: ...
    @property
    def last_price(self) -> int: ...
    @property
    def last_quantity(self) -> int: ...
    @property
    def volume(self) -> int: ...
    @property
    def open_interest(self) -> int: ...


class Quote(msgspec.Struct, frozen=True):
    """A market as the ticker channels see it; units of the core, 0 and $1 for empty sides."""

    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int
    last_price: int
    last_quantity: int
    volume: int
    open_interest: int


class Ticker(msgspec.Struct):
    """The whole quote of a market. A later message makes an earlier one superfluous."""

    market_ticker: MarketTicker
    market_id: MarketId
    price: Annotated[Cents, about("Price of the last trade in cents; 0 before the first.")]
    yes_bid: Annotated[Cents, about("Best YES bid in cents; 0 when there is none.")]
    yes_ask: Annotated[Cents, about("Best YES ask in cents; 100 when there is none.")]
    price_dollars: Annotated[PriceDollars, about("Price of the last trade.")]
    yes_bid_dollars: Annotated[PriceDollars, about("Best YES bid.")]
    yes_ask_dollars: Annotated[PriceDollars, about("Best YES ask.")]
    no_bid_dollars: Annotated[PriceDollars, about("Best NO bid: a dollar less the YES ask.")]
    yes_bid_size_fp: Annotated[CountFp, about("Contracts at the best YES bid.")]
    yes_ask_size_fp: Annotated[CountFp, about("Contracts at the best YES ask.")]
    last_trade_size_fp: Annotated[CountFp, about("Contracts of the last trade.")]
    volume: Annotated[Count, about("Contracts traded so far.")]
    volume_fp: Annotated[CountFp, about("Contracts traded so far.")]
    open_interest: Annotated[Count, about("Contracts that exist: held on either side.")]
    open_interest_fp: Annotated[CountFp, about("Contracts that exist: held on either side.")]
    dollar_volume: Annotated[HalfDollars, about("Volume in half dollars per contract.")]
    dollar_open_interest: Annotated[
        HalfDollars, about("Open interest in half dollars per contract.")
    ]
    ts: Seconds
    ts_ms: Milliseconds
    time: Time


def ticker(market_ticker: str, market_id: str, quote: Quoted, time_ns: int) -> bytes:
    """``ticker``: the whole quote, so that a later message makes an earlier one superfluous."""
    return _encode(
        Ticker(
            market_ticker,
            market_id,
            price_cents(quote.last_price),
            price_cents(quote.bid_price),
            price_cents(quote.ask_price),
            price_dollars(quote.last_price),
            price_dollars(quote.bid_price),
            price_dollars(quote.ask_price),
            price_dollars(PRICE_ONE - quote.ask_price),
            count_fp(quote.bid_quantity),
            count_fp(quote.ask_quantity),
            count_fp(quote.last_quantity),
            count_floor(quote.volume),
            count_fp(quote.volume),
            count_floor(quote.open_interest),
            count_fp(quote.open_interest),
            quote.volume // _HALF_DOLLAR_LOTS,
            quote.open_interest // _HALF_DOLLAR_LOTS,
            seconds(time_ns),
            milliseconds(time_ns),
            rfc3339(time_ns),
        )
    )


class TickerV2(msgspec.Struct, kw_only=True):
    """What has changed: a trade with the volume, or the best prices. The rest is absent."""

    market_ticker: MarketTicker
    market_id: MarketId
    price: Maybe[Annotated[Cents, about("Price of the last trade in cents.")]] = UNSET
    price_dollars: Maybe[Annotated[PriceDollars, about("Price of the last trade.")]] = UNSET
    volume_delta: Maybe[Annotated[Count, about("Contracts traded since the message before.")]] = (
        UNSET
    )
    volume_delta_fp: Maybe[
        Annotated[CountFp, about("Contracts traded since the message before.")]
    ] = UNSET
    open_interest_delta: Maybe[Annotated[SignedCount, about("Change of the open interest.")]] = (
        UNSET
    )
    open_interest_delta_fp: Maybe[
        Annotated[SignedCountFp, about("Change of the open interest.")]
    ] = UNSET
    dollar_volume_delta: Maybe[Annotated[HalfDollars, about("Change of the dollar volume.")]] = (
        UNSET
    )
    dollar_open_interest_delta: Maybe[
        Annotated[int, about("Change of the dollar open interest.")]
    ] = UNSET
    yes_bid: Maybe[Annotated[Cents, about("Best YES bid in cents; 0 for none.")]] = UNSET
    yes_bid_dollars: Maybe[Annotated[PriceDollars, about("Best YES bid.")]] = UNSET
    yes_ask: Maybe[Annotated[Cents, about("Best YES ask in cents; 100 for none.")]] = UNSET
    yes_ask_dollars: Maybe[Annotated[PriceDollars, about("Best YES ask.")]] = UNSET
    ts: Seconds


def ticker_v2(
    market_ticker: str, market_id: str, before: Quoted, after: Quoted, time_ns: int
) -> list[bytes]:
    """``ticker_v2``: what changed, a trade summary before a quote summary; may be nothing.

    Integer deltas are differences of rounded totals, so their sum never drifts from the total.
    """
    found = []
    if after.volume != before.volume:
        message = TickerV2(market_ticker=market_ticker, market_id=market_id, ts=seconds(time_ns))
        message.price = price_cents(after.last_price)
        message.price_dollars = price_dollars(after.last_price)
        _set_volume_deltas(message, before, after)
        found.append(_encode(message))
    if after.bid_price != before.bid_price or after.ask_price != before.ask_price:
        message = TickerV2(market_ticker=market_ticker, market_id=market_id, ts=seconds(time_ns))
        if after.bid_price != before.bid_price:
            message.yes_bid = price_cents(after.bid_price)
            message.yes_bid_dollars = price_dollars(after.bid_price)
        if after.ask_price != before.ask_price:
            message.yes_ask = price_cents(after.ask_price)
            message.yes_ask_dollars = price_dollars(after.ask_price)
        found.append(_encode(message))
    return found


def ticker_v2_snapshot(market_ticker: str, market_id: str, quote: Quoted, time_ns: int) -> bytes:
    """The initial state on request: price, bid and ask with zero deltas."""
    message = TickerV2(market_ticker=market_ticker, market_id=market_id, ts=seconds(time_ns))
    message.price = price_cents(quote.last_price)
    message.price_dollars = price_dollars(quote.last_price)
    _set_volume_deltas(message, quote, quote)
    message.yes_bid = price_cents(quote.bid_price)
    message.yes_bid_dollars = price_dollars(quote.bid_price)
    message.yes_ask = price_cents(quote.ask_price)
    message.yes_ask_dollars = price_dollars(quote.ask_price)
    return _encode(message)


def _set_volume_deltas(message: TickerV2, before: Quoted, after: Quoted) -> None:
    message.volume_delta = count_floor(after.volume) - count_floor(before.volume)
    message.volume_delta_fp = count_fp(after.volume - before.volume)
    message.open_interest_delta = count_floor(after.open_interest) - count_floor(
        before.open_interest
    )
    message.open_interest_delta_fp = count_fp(after.open_interest - before.open_interest)
    message.dollar_volume_delta = (
        after.volume // _HALF_DOLLAR_LOTS - before.volume // _HALF_DOLLAR_LOTS
    )
    message.dollar_open_interest_delta = (
        after.open_interest // _HALF_DOLLAR_LOTS - before.open_interest // _HALF_DOLLAR_LOTS
    )


# --- trade and fill ----------------------------------------------------------------------------


class Trade(msgspec.Struct):
    """One resting order matched. The two prices in cents always add up to 100."""

    trade_id: Annotated[Id, about("The same as over REST, and in the fills of both sides.")]
    market_ticker: MarketTicker
    yes_price: Annotated[Cents, about("Price of YES in cents.")]
    yes_price_dollars: Annotated[PriceDollars, about("Price of YES.")]
    no_price: Annotated[Cents, about("Price of NO in cents: 100 less that of YES.")]
    no_price_dollars: Annotated[PriceDollars, about("Price of NO.")]
    count: Count
    count_fp: CountFp
    taker_side: Annotated[Side, about("The outcome that the taker bought.")]
    taker_outcome_side: Annotated[Side, about("The outcome that the taker bought.")]
    taker_book_side: Annotated[BookSide, about("The taker's direction in terms of YES.")]
    is_block_trade: Annotated[bool, about("Whether it was agreed on outside of the book.")]
    ts: Seconds
    ts_ms: Milliseconds


def trade(event: TradeExecuted, time_ns: int) -> bytes:
    """``trade``: one maker order matched. The two integer prices always add up to 100."""
    yes_cents = price_cents(event.price)
    outcome = _outcome(event.taker_direction)
    return _encode(
        Trade(
            public_id("trade", event.trade_id),
            event.market_ticker,
            yes_cents,
            price_dollars(event.price),
            100 - yes_cents,
            price_dollars(PRICE_ONE - event.price),
            count_floor(event.quantity),
            count_fp(event.quantity),
            outcome,
            outcome,
            _book_side(event.taker_direction),
            bool(event.trade_id & BLOCK_TRADE_BIT),
            seconds(time_ns),
            milliseconds(time_ns),
        )
    )


class Fill(msgspec.Struct):
    """One execution of an own order."""

    trade_id: Annotated[Id, about("The trade that it is a side of.")]
    order_id: Annotated[Id, about("The order that was executed.")]
    market_ticker: MarketTicker
    is_taker: Annotated[bool, about("False when the order was resting.")]
    side: Annotated[Side, about("Side of the order, as it was submitted.")]
    action: Annotated[Action, about("Action of the order, as it was submitted.")]
    yes_price: Annotated[Cents, about("Price of YES in cents.")]
    yes_price_dollars: Annotated[PriceDollars, about("Price of YES.")]
    count: Count
    count_fp: CountFp
    post_position: Annotated[SignedCount, about("Position after it: YES positive, NO negative.")]
    post_position_fp: Annotated[
        SignedCountFp, about("Position after it: YES positive, NO negative.")
    ]
    purchased_side: Annotated[Side, about("What was bought; selling NO buys YES.")]
    outcome_side: Annotated[Side, about("What was bought; selling NO buys YES.")]
    book_side: BookSide
    fee_cost: Annotated[Dollars, about("Fee of this execution.")]
    ts: Seconds
    ts_ms: Milliseconds
    exchange_index: ExchangeIndex
    client_order_id: Maybe[ClientOrderId] = UNSET
    subaccount: Maybe[Subaccount] = UNSET


def fill(event: OrderFilled, time_ns: int) -> bytes:
    """``fill``: side and action are those that the order was submitted with."""
    direction = direction_of(event.action, event.side)
    outcome = _outcome(direction)
    return _encode(
        Fill(
            public_id("trade", event.trade_id),
            public_id("order", event.order_id),
            event.market_ticker,
            event.is_taker,
            event.side,
            event.action,
            price_cents(event.price),
            price_dollars(event.price),
            count_floor(event.quantity),
            count_fp(event.quantity),
            count_floor(event.position),
            count_fp(event.position),
            outcome,
            outcome,
            _book_side(direction),
            dollars(event.fee),
            seconds(time_ns),
            milliseconds(time_ns),
            EXCHANGE_INDEX,
            event.client_order_id or UNSET,
            event.subaccount or UNSET,
        )
    )


# --- user_orders -------------------------------------------------------------------------------


class UserOrder(msgspec.Struct):
    """The whole order after everything that one command did to it."""

    order_id: Annotated[Id, about("The same as over REST.")]
    user_id: UserId
    ticker: MarketTicker
    status: Annotated[
        str, one_of(("resting", "canceled", "executed"), "What has become of the order.")
    ]
    action: Annotated[Action, about("As it was submitted.")]
    side: Annotated[Side, about("As it was submitted.")]
    is_yes: Annotated[bool, about("Whether `side` is `yes`.")]
    outcome_side: Annotated[Side, about("What the order buys; selling NO buys YES.")]
    book_side: BookSide
    yes_price_dollars: Annotated[PriceDollars, about("Limit price, in terms of YES.")]
    fill_count_fp: Annotated[CountFp, about("Contracts executed so far.")]
    remaining_count_fp: Annotated[CountFp, about("Contracts still in the book.")]
    initial_count_fp: Annotated[CountFp, about("Contracts as entered or last amended.")]
    taker_fill_cost_dollars: Annotated[Dollars, about("Paid for executions as taker, no fees.")]
    maker_fill_cost_dollars: Annotated[Dollars, about("Paid for executions as maker, no fees.")]
    taker_fees_dollars: Annotated[Dollars, about("Fees of executions as taker.")]
    maker_fees_dollars: Annotated[Dollars, about("Fees of executions as maker.")]
    client_order_id: ClientOrderId
    self_trade_prevention_type: Annotated[
        str, about("What happens where the order would meet another of its owner's.")
    ]
    subaccount_number: Annotated[int, about("Subaccount of the order; 0 is the primary one.")]
    created_time: Time
    created_ts_ms: Milliseconds
    last_update_time: Maybe[Annotated[Time, about("Absent until something happens to it.")]] = UNSET
    last_updated_ts_ms: Maybe[Milliseconds] = UNSET
    expiration_time: Maybe[Annotated[Time, about("Absent for an order that does not expire.")]] = (
        UNSET
    )
    expiration_ts_ms: Maybe[Milliseconds] = UNSET
    order_group_id: Maybe[Annotated[Id, about("Absent for an order in no group.")]] = UNSET


def user_order(event: OrderUpdated) -> bytes:
    """``user_order``: the whole order after everything that one command did to it."""
    direction = direction_of(event.action, event.side)
    message = UserOrder(
        public_id("order", event.order_id),
        public_id("member", event.member_id),
        event.market_ticker,
        event.status,
        event.action,
        event.side,
        event.side == "yes",
        _outcome(direction),
        _book_side(direction),
        price_dollars(event.price),
        count_fp(event.filled_quantity),
        count_fp(event.remaining_quantity),
        count_fp(event.initial_quantity),
        dollars(event.taker_cost),
        dollars(event.maker_cost),
        dollars(event.taker_fees),
        dollars(event.maker_fees),
        event.client_order_id,
        event.self_trade_prevention,
        event.subaccount,
        rfc3339(event.created_ns),
        milliseconds(event.created_ns),
    )
    # Entering is no update; what happens at the same moment is, as over REST (rest.md, section 4).
    if event.updated_ns != event.created_ns or event.filled_quantity or event.status != "resting":
        message.last_update_time = rfc3339(event.updated_ns)
        message.last_updated_ts_ms = milliseconds(event.updated_ns)
    if event.expiration_ns:
        message.expiration_time = rfc3339(event.expiration_ns)
        message.expiration_ts_ms = milliseconds(event.expiration_ns)
    if event.order_group_id:
        message.order_group_id = public_id("group", event.order_group_id)
    return _encode(message)


# --- market_positions --------------------------------------------------------------------------


class Position(msgspec.Struct):
    """A position after it has changed, by a fill, a transfer or settlement (then it is 0)."""

    user_id: UserId
    market_ticker: MarketTicker
    position: Annotated[SignedCount, about("YES positive, NO negative.")]
    position_fp: Annotated[SignedCountFp, about("YES positive, NO negative.")]
    position_cost: Annotated[CentiCents, about("Cost of what is open, in centi-cents.")]
    position_cost_dollars: Annotated[Dollars, about("Cost of what is open.")]
    realized_pnl: Annotated[CentiCents, about("Realized so far without fees, in centi-cents.")]
    realized_pnl_dollars: Annotated[Dollars, about("Realized so far without fees.")]
    fees_paid: Annotated[CentiCents, about("All fees paid in the market, in centi-cents.")]
    fees_paid_dollars: Annotated[Dollars, about("All fees paid in the market.")]
    position_fee_cost: Annotated[CentiCents, about("The same while a position is open, then 0.")]
    position_fee_cost_dollars: Annotated[
        Dollars, about("The same while a position is open, then 0.")
    ]
    volume: Annotated[Count, about("Contracts traded by the member in this market.")]
    volume_fp: Annotated[CountFp, about("Contracts traded by the member in this market.")]
    subaccount: Maybe[Subaccount] = UNSET


def market_position(event: PositionChanged) -> bytes:
    """``market_position``: money in centi-cents, with dollar twins.

    The fees of what is open now are not kept apart, so ``position_fee_cost`` is all fees paid
    while a position is open and nothing afterwards.
    """
    position_fees = event.fees_paid if event.quantity else 0
    return _encode(
        Position(
            public_id("member", event.member_id),
            event.market_ticker,
            count_floor(event.quantity),
            count_fp(event.quantity),
            centicents(event.cost),
            dollars(event.cost),
            centicents(event.realized_pnl),
            dollars(event.realized_pnl),
            centicents(event.fees_paid),
            dollars(event.fees_paid),
            centicents(position_fees),
            dollars(position_fees),
            count_floor(event.traded_quantity),
            count_fp(event.traded_quantity),
            event.subaccount or UNSET,
        )
    )


# --- order_group_updates -----------------------------------------------------------------------


class OrderGroup(msgspec.Struct):
    """What has happened to an own order group."""

    event_type: Annotated[
        str,
        one_of(
            ("created", "triggered", "reset", "deleted", "limit_updated"),
            "What has happened. The orders that a trigger cancels are on `user_orders`.",
        ),
    ]
    order_group_id: Id
    ts_ms: Milliseconds
    contracts_limit_fp: Maybe[Annotated[CountFp, about("Only when it was given or changed.")]] = (
        UNSET
    )


def order_group(event: OrderGroupUpdated, time_ns: int) -> bytes:
    """``order_group_updates``: the limit only where it was given or changed."""
    has_limit = event.kind in {"created", "limit_updated"}
    return _encode(
        OrderGroup(
            event.kind,
            public_id("group", event.order_group_id),
            milliseconds(time_ns),
            count_fp(event.contracts_limit) if has_limit else UNSET,
        )
    )
