"""The ``msg`` objects of all channels but the book (websocket.md, sections 5 to 14).

Each function turns an event, or a market as it stands, into the JSON bytes that all receivers
share. Fields come as twins, legacy integers beside dollar and count strings (compat.md,
section 1); integers are rounded as there. Nothing here knows who is subscribed.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from augury.codec.ids import format_id
from augury.codec.text import (
    centicents,
    count_floor,
    count_fp,
    dollars,
    milliseconds,
    parse_rfc3339,
    price_cents,
    price_dollars,
    rfc3339,
    seconds,
)
from augury.core.events import (
    ComboLookedUp,
    EventCreated,
    MarketCreated,
    MarketDetermined,
    OrderFilled,
    OrderGroupUpdated,
    OrderUpdated,
    PositionChanged,
    TradeExecuted,
)
from augury.core.state import Exchange
from augury.core.units import BID, PRICE_ONE, direction_of
from augury.gateways import combos
from augury.gateways.profiles import CURRENT, market_result

_encode: Final = msgspec.json.Encoder().encode

_HALF_DOLLAR_LOTS: Final = 200
"""Hundredths of a contract per dollar in the dollar figures, which count a contract as $0.50."""


@lru_cache(maxsize=65_536)
def public_id(kind: str, number: int) -> str:
    """``format_id``, remembered: the same order or member is named in many messages."""
    return format_id(kind, number)


def _outcome(direction: int) -> str:
    return "yes" if direction == BID else "no"


def _book_side(direction: int) -> str:
    return "bid" if direction == BID else "ask"


# --- ticker and ticker_v2 ----------------------------------------------------------------------


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


class _Ticker(msgspec.Struct):
    market_ticker: str
    market_id: str
    price: int
    yes_bid: int
    yes_ask: int
    price_dollars: str
    yes_bid_dollars: str
    yes_ask_dollars: str
    no_bid_dollars: str
    yes_bid_size_fp: str
    yes_ask_size_fp: str
    last_trade_size_fp: str
    volume: int
    volume_fp: str
    open_interest: int
    open_interest_fp: str
    dollar_volume: int
    dollar_open_interest: int
    ts: int
    ts_ms: int
    time: str


def ticker(market_ticker: str, market_id: str, quote: Quote, time_ns: int) -> bytes:
    """``ticker``: the whole quote, so that a later message makes an earlier one superfluous."""
    return _encode(
        _Ticker(
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


class _TickerV2(msgspec.Struct):
    market_ticker: str
    market_id: str
    price: int | UnsetType = UNSET
    price_dollars: str | UnsetType = UNSET
    volume_delta: int | UnsetType = UNSET
    volume_delta_fp: str | UnsetType = UNSET
    open_interest_delta: int | UnsetType = UNSET
    open_interest_delta_fp: str | UnsetType = UNSET
    dollar_volume_delta: int | UnsetType = UNSET
    dollar_open_interest_delta: int | UnsetType = UNSET
    yes_bid: int | UnsetType = UNSET
    yes_bid_dollars: str | UnsetType = UNSET
    yes_ask: int | UnsetType = UNSET
    yes_ask_dollars: str | UnsetType = UNSET
    ts: int = 0


def ticker_v2(
    market_ticker: str, market_id: str, before: Quote, after: Quote, time_ns: int
) -> list[bytes]:
    """``ticker_v2``: what changed, a trade summary before a quote summary; may be nothing.

    Integer deltas are differences of rounded totals, so their sum never drifts from the total.
    """
    found = []
    if after.volume != before.volume:
        message = _TickerV2(market_ticker, market_id, ts=seconds(time_ns))
        message.price = price_cents(after.last_price)
        message.price_dollars = price_dollars(after.last_price)
        _set_volume_deltas(message, before, after)
        found.append(_encode(message))
    if after.bid_price != before.bid_price or after.ask_price != before.ask_price:
        message = _TickerV2(market_ticker, market_id, ts=seconds(time_ns))
        if after.bid_price != before.bid_price:
            message.yes_bid = price_cents(after.bid_price)
            message.yes_bid_dollars = price_dollars(after.bid_price)
        if after.ask_price != before.ask_price:
            message.yes_ask = price_cents(after.ask_price)
            message.yes_ask_dollars = price_dollars(after.ask_price)
        found.append(_encode(message))
    return found


def ticker_v2_snapshot(market_ticker: str, market_id: str, quote: Quote, time_ns: int) -> bytes:
    """The initial state on request: price, bid and ask with zero deltas."""
    message = _TickerV2(market_ticker, market_id, ts=seconds(time_ns))
    message.price = price_cents(quote.last_price)
    message.price_dollars = price_dollars(quote.last_price)
    _set_volume_deltas(message, quote, quote)
    message.yes_bid = price_cents(quote.bid_price)
    message.yes_bid_dollars = price_dollars(quote.bid_price)
    message.yes_ask = price_cents(quote.ask_price)
    message.yes_ask_dollars = price_dollars(quote.ask_price)
    return _encode(message)


def _set_volume_deltas(message: _TickerV2, before: Quote, after: Quote) -> None:
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


class _Trade(msgspec.Struct):
    trade_id: str
    market_ticker: str
    yes_price: int
    yes_price_dollars: str
    no_price: int
    no_price_dollars: str
    count: int
    count_fp: str
    taker_side: str
    taker_outcome_side: str
    taker_book_side: str
    is_block_trade: bool
    ts: int
    ts_ms: int


def trade(event: TradeExecuted, time_ns: int) -> bytes:
    """``trade``: one maker order matched. The two integer prices always add up to 100."""
    yes_cents = price_cents(event.price)
    outcome = _outcome(event.taker_direction)
    return _encode(
        _Trade(
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
            False,
            seconds(time_ns),
            milliseconds(time_ns),
        )
    )


class _Fill(msgspec.Struct):
    trade_id: str
    order_id: str
    market_ticker: str
    is_taker: bool
    side: str
    action: str
    yes_price: int
    yes_price_dollars: str
    count: int
    count_fp: str
    post_position: int
    post_position_fp: str
    purchased_side: str
    outcome_side: str
    book_side: str
    fee_cost: str
    ts: int
    ts_ms: int
    client_order_id: str | UnsetType = UNSET
    subaccount: int | UnsetType = UNSET


def fill(event: OrderFilled, time_ns: int) -> bytes:
    """``fill``: side and action are those that the order was submitted with."""
    direction = direction_of(event.action, event.side)
    outcome = _outcome(direction)
    return _encode(
        _Fill(
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
            event.client_order_id or UNSET,
            event.subaccount or UNSET,
        )
    )


# --- user_orders -------------------------------------------------------------------------------


class _UserOrder(msgspec.Struct):
    order_id: str
    user_id: str
    ticker: str
    status: str
    action: str
    side: str
    is_yes: bool
    outcome_side: str
    book_side: str
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    client_order_id: str
    self_trade_prevention_type: str
    subaccount_number: int
    created_time: str
    created_ts_ms: int
    last_update_time: str | UnsetType = UNSET
    last_updated_ts_ms: int | UnsetType = UNSET
    expiration_time: str | UnsetType = UNSET
    expiration_ts_ms: int | UnsetType = UNSET
    order_group_id: str | UnsetType = UNSET


def user_order(event: OrderUpdated) -> bytes:
    """``user_order``: the whole order after everything that one command did to it."""
    direction = direction_of(event.action, event.side)
    message = _UserOrder(
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
    if event.updated_ns:
        message.last_update_time = rfc3339(event.updated_ns)
        message.last_updated_ts_ms = milliseconds(event.updated_ns)
    if event.expiration_ns:
        message.expiration_time = rfc3339(event.expiration_ns)
        message.expiration_ts_ms = milliseconds(event.expiration_ns)
    if event.order_group_id:
        message.order_group_id = public_id("group", event.order_group_id)
    return _encode(message)


# --- market_positions --------------------------------------------------------------------------


class _Position(msgspec.Struct):
    user_id: str
    market_ticker: str
    position: int
    position_fp: str
    position_cost: int
    position_cost_dollars: str
    realized_pnl: int
    realized_pnl_dollars: str
    fees_paid: int
    fees_paid_dollars: str
    position_fee_cost: int
    position_fee_cost_dollars: str
    volume: int
    volume_fp: str
    subaccount: int | UnsetType = UNSET


def market_position(event: PositionChanged) -> bytes:
    """``market_position``: money in centi-cents, with dollar twins.

    The fees of what is open now are not kept apart, so ``position_fee_cost`` is all fees paid
    while a position is open and nothing afterwards.
    """
    position_fees = event.fees_paid if event.quantity else 0
    return _encode(
        _Position(
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


class _OrderGroup(msgspec.Struct):
    event_type: str
    order_group_id: str
    ts_ms: int
    contracts_limit_fp: str | UnsetType = UNSET


def order_group(event: OrderGroupUpdated, time_ns: int) -> bytes:
    """``order_group_updates``: the limit only where it was given or changed."""
    has_limit = event.kind in {"created", "limit_updated"}
    return _encode(
        _OrderGroup(
            event.kind,
            public_id("group", event.order_group_id),
            milliseconds(time_ns),
            count_fp(event.contracts_limit) if has_limit else UNSET,
        )
    )


# --- lifecycle ---------------------------------------------------------------------------------


def market_created(event: MarketCreated, state: Exchange) -> bytes:
    """``created``, with what a client needs to show the market."""
    details = _object(event.details)
    listed = state.events.get(event.event_ticker)
    market = state.markets.get(event.ticker)
    if market is not None and market.legs:
        details = {**combos.details(market, state.markets), **details}
    metadata: dict[str, Any] = {
        "name": _text(_object(listed.details), "title") if listed is not None else "",
        "title": _text(details, "title"),
        "yes_sub_title": _text(details, "yes_sub_title"),
        "no_sub_title": _text(details, "no_sub_title"),
        "rules_primary": _text(details, "rules_primary"),
        "rules_secondary": _text(details, "rules_secondary"),
        "event_ticker": event.event_ticker,
    }
    message: dict[str, Any] = {
        "event_type": "created",
        "market_ticker": event.ticker,
        "open_ts": seconds(event.open_ns),
        "close_ts": seconds(event.close_ns),
        "additional_metadata": metadata,
    }
    if market is not None:
        metadata["can_close_early"] = market.can_close_early
        if market.expected_expiration_ns:
            metadata["expected_expiration_ts"] = seconds(market.expected_expiration_ns)
        message["price_level_structure"] = market.price_level_structure
        message["price_ranges"] = [
            {"start": price_dollars(start), "end": price_dollars(end), "step": price_dollars(step)}
            for start, end, step in market.price_ranges
        ]
    for name in ("strike_type", "floor_strike", "cap_strike", "custom_strike"):
        if details.get(name) is not None:
            metadata[name] = details[name]
    return _encode(message)


def market_activated(market_ticker: str, deactivated: bool) -> bytes:
    """``activated`` after a pause or a re-opening, ``deactivated`` at a pause."""
    return _encode(
        {
            "event_type": "deactivated" if deactivated else "activated",
            "market_ticker": market_ticker,
            "is_deactivated": deactivated,
        }
    )


def close_date_updated(market_ticker: str, close_ns: int) -> bytes:
    return _encode(
        {
            "event_type": "close_date_updated",
            "market_ticker": market_ticker,
            "close_ts": seconds(close_ns),
        }
    )


def market_determined(event: MarketDetermined) -> bytes:
    """``determined``, and again when a disputed result was amended.

    A void market has no result to show (rules, section 13); the settlement value stays away too.
    """
    message: dict[str, Any] = {
        "event_type": "determined",
        "market_ticker": event.ticker,
        "result": market_result(event.result, CURRENT),
        "determination_ts": seconds(event.determined_ns),
    }
    if event.result != "void":
        message["settlement_value"] = price_dollars(event.settlement_value)
    return _encode(message)


def market_settled(market_ticker: str, time_ns: int) -> bytes:
    return _encode(
        {"event_type": "settled", "market_ticker": market_ticker, "settled_ts": seconds(time_ns)}
    )


def price_level_structure_updated(market_ticker: str, structure: str) -> bytes:
    return _encode(
        {
            "event_type": "price_level_structure_updated",
            "market_ticker": market_ticker,
            "price_level_structure": structure,
        }
    )


def metadata_updated(market_ticker: str) -> bytes:
    return _encode({"event_type": "metadata_updated", "market_ticker": market_ticker})


def event_created(event: EventCreated) -> bytes:
    """``event_lifecycle``, with the subtitle under its old and its new name."""
    details = _object(event.details)
    subtitle = _text(details, "sub_title")
    message: dict[str, Any] = {
        "event_ticker": event.ticker,
        "title": _text(details, "title"),
        "sub_title": subtitle,
        "subtitle": subtitle,
        "collateral_return_type": event.collateral_return_type,
        "series_ticker": event.series_ticker,
    }
    strike_date = details.get("strike_date")
    if isinstance(strike_date, str) and strike_date:
        try:
            message["strike_date"] = seconds(parse_rfc3339(strike_date))
        except ValueError:
            # What the operator wrote is not a time; the rest of the message is still true.
            pass
    strike_period = details.get("strike_period")
    if isinstance(strike_period, str) and strike_period:
        message["strike_period"] = strike_period
    return _encode(message)


# --- combos ------------------------------------------------------------------------------------


def combo_looked_up(event: ComboLookedUp) -> bytes:
    """``multivariate_lookup``, for combos created as well."""
    return _encode(
        {
            "collection_ticker": event.collection_ticker,
            "event_ticker": event.event_ticker,
            "market_ticker": event.market_ticker,
            "selected_markets": [
                {"event_ticker": event_ticker, "market_ticker": market_ticker, "side": side}
                for event_ticker, market_ticker, side in event.legs
            ],
        }
    )


def _text(details: dict[str, Any], name: str) -> str:
    found = details.get(name)
    return "" if found is None else str(found)


def _object(text: str) -> dict[str, Any]:
    """Descriptive data, which the core does not check."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
