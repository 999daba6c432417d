"""The ``msg`` objects about what is listed: markets, events, combos (websocket.md, 10 and 11).

Each function turns an event into the JSON bytes that all receivers share. Descriptive data is
whatever an operator wrote, so nothing here relies on its shape.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET

from augury.codec.text import parse_rfc3339, price_dollars, seconds
from augury.core.events import ComboLookedUp, EventCreated, MarketCreated, MarketDetermined
from augury.core.state import Exchange
from augury.gateways import combos
from augury.gateways.profiles import CURRENT, market_result
from augury.gateways.ws.fields import (
    EXCHANGE_INDEX,
    CollectionTicker,
    EventTicker,
    ExchangeIndex,
    MarketTicker,
    Maybe,
    PriceDollars,
    Seconds,
    Side,
    about,
    one_of,
)

_encode: Final = msgspec.json.Encoder().encode

LATER_EVENT_TYPES: Final = frozenset({"price_level_structure_updated", "metadata_updated"})
"""Lifecycle messages that clients of 3.6.0 do not know; for the profile ``latest`` only."""


# --- markets -----------------------------------------------------------------------------------


class PriceRange(msgspec.Struct):
    """Prices from ``start`` to ``end`` are multiples of ``step``."""

    start: PriceDollars
    end: PriceDollars
    step: PriceDollars


class Metadata(msgspec.Struct):
    """What a client needs to show a market. Strikes are absent where a market has none."""

    name: Annotated[str, about("Title of the event.")]
    title: str
    yes_sub_title: Annotated[str, about("What YES stands for.")]
    no_sub_title: Annotated[str, about("What NO stands for.")]
    rules_primary: str
    rules_secondary: str
    event_ticker: EventTicker
    can_close_early: Maybe[bool] = UNSET
    expected_expiration_ts: Maybe[Seconds] = UNSET
    strike_type: Maybe[str] = UNSET
    floor_strike: Maybe[float | int] = UNSET
    cap_strike: Maybe[float | int] = UNSET
    custom_strike: Maybe[dict[str, Any]] = UNSET


class MarketLifecycle(msgspec.Struct):
    """Something has happened to a market. Which fields there are depends on ``event_type``."""

    event_type: Annotated[
        str,
        one_of(
            (
                "created",
                "activated",
                "deactivated",
                "close_date_updated",
                "determined",
                "settled",
                *sorted(LATER_EVENT_TYPES),
            ),
            "What has happened. `metadata_updated` and `price_level_structure_updated` are sent"
            " to connections of the profile `latest` only.",
        ),
    ]
    market_ticker: MarketTicker
    open_ts: Maybe[Annotated[Seconds, about("When it opens; on `created`.")]] = UNSET
    close_ts: Maybe[
        Annotated[Seconds, about("When it closes; on `created` and `close_date_updated`.")]
    ] = UNSET
    is_deactivated: Maybe[
        Annotated[bool, about("Whether it is paused; on `activated` and `deactivated`.")]
    ] = UNSET
    result: Maybe[
        Annotated[
            str,
            one_of(("yes", "no", "scalar", ""), "On `determined`; empty for a void market."),
        ]
    ] = UNSET
    determination_ts: Maybe[Annotated[Seconds, about("On `determined`.")]] = UNSET
    settlement_value: Maybe[
        Annotated[PriceDollars, about("What YES pays; on `determined`, unless it is void.")]
    ] = UNSET
    settled_ts: Maybe[Annotated[Seconds, about("On `settled`.")]] = UNSET
    price_level_structure: Maybe[
        Annotated[str, about("On `created` and `price_level_structure_updated`.")]
    ] = UNSET
    price_ranges: Maybe[Annotated[list[PriceRange], about("On `created`.")]] = UNSET
    exchange_index: Maybe[Annotated[ExchangeIndex, about("On `created`.")]] = UNSET
    additional_metadata: Maybe[Annotated[Metadata, about("On `created`.")]] = UNSET


def market_created(event: MarketCreated, state: Exchange) -> bytes:
    """``created``, with what a client needs to show the market."""
    details = _object(event.details)
    listed = state.events.get(event.event_ticker)
    market = state.markets.get(event.ticker)
    if market is not None and market.legs:
        details = {**combos.details(market, state.markets), **details}
    name = _text(_object(listed.details), "title") if listed is not None else ""
    metadata = Metadata(
        name or (combos.EVENT_TITLE if combos.is_combo(event.ticker) else ""),
        _text(details, "title"),
        _text(details, "yes_sub_title"),
        _text(details, "no_sub_title"),
        _text(details, "rules_primary"),
        _text(details, "rules_secondary"),
        event.event_ticker,
        floor_strike=_number(details, "floor_strike"),
        cap_strike=_number(details, "cap_strike"),
    )
    message = MarketLifecycle(
        "created",
        event.ticker,
        open_ts=seconds(event.open_ns),
        close_ts=seconds(event.close_ns),
        exchange_index=EXCHANGE_INDEX,
        additional_metadata=metadata,
    )
    if market is not None:
        metadata.can_close_early = market.can_close_early
        if market.expected_expiration_ns:
            metadata.expected_expiration_ts = seconds(market.expected_expiration_ns)
        message.price_level_structure = market.price_level_structure
        message.price_ranges = [
            PriceRange(price_dollars(start), price_dollars(end), price_dollars(step))
            for start, end, step in market.price_ranges
        ]
    strike_type, custom = details.get("strike_type"), details.get("custom_strike")
    if isinstance(strike_type, str):
        metadata.strike_type = strike_type
    if isinstance(custom, dict):
        metadata.custom_strike = custom
    return _encode(message)


def market_activated(market_ticker: str, deactivated: bool) -> bytes:
    """``activated`` after a pause or a re-opening, ``deactivated`` at a pause."""
    kind = "deactivated" if deactivated else "activated"
    return _encode(MarketLifecycle(kind, market_ticker, is_deactivated=deactivated))


def close_date_updated(market_ticker: str, close_ns: int) -> bytes:
    return _encode(MarketLifecycle("close_date_updated", market_ticker, close_ts=seconds(close_ns)))


def market_determined(event: MarketDetermined) -> bytes:
    """``determined``, and again when a disputed result was amended.

    A void market has no result to show (rules, section 13); the settlement value stays away too.
    """
    message = MarketLifecycle(
        "determined",
        event.ticker,
        result=market_result(event.result, CURRENT),
        determination_ts=seconds(event.determined_ns),
    )
    if event.result != "void":
        message.settlement_value = price_dollars(event.settlement_value)
    return _encode(message)


def market_settled(market_ticker: str, time_ns: int) -> bytes:
    return _encode(MarketLifecycle("settled", market_ticker, settled_ts=seconds(time_ns)))


def price_level_structure_updated(market_ticker: str, structure: str) -> bytes:
    return _encode(
        MarketLifecycle(
            "price_level_structure_updated", market_ticker, price_level_structure=structure
        )
    )


def metadata_updated(market_ticker: str) -> bytes:
    return _encode(MarketLifecycle("metadata_updated", market_ticker))


# --- events ------------------------------------------------------------------------------------


class EventLifecycle(msgspec.Struct):
    """An event was listed."""

    event_ticker: Annotated[str, about("Ticker of the event.")]
    title: str
    sub_title: str
    subtitle: Annotated[str, about("`sub_title` under its later name.")]
    collateral_return_type: Annotated[
        str,
        one_of(
            ("MECNET", "DIRECNET", ""),
            "Whether cash that cannot be lost across the event's markets is returned: they exclude"
            " each other, or they are nested.",
        ),
    ]
    series_ticker: Annotated[str, about("Ticker of its series.")]
    strike_date: Maybe[Annotated[Seconds, about("The moment that the event is about.")]] = UNSET
    strike_period: Maybe[Annotated[str, about("The span that the event is about.")]] = UNSET


def event_created(event: EventCreated) -> bytes:
    """``event_lifecycle``, with the subtitle under its old and its new name."""
    details = _object(event.details)
    subtitle = _text(details, "sub_title")
    message = EventLifecycle(
        event.ticker,
        _text(details, "title"),
        subtitle,
        subtitle,
        event.collateral_return_type,
        event.series_ticker,
    )
    strike_date = details.get("strike_date")
    if isinstance(strike_date, str) and strike_date:
        try:
            message.strike_date = seconds(parse_rfc3339(strike_date))
        except ValueError:
            # What the operator wrote is not a time; the rest of the message is still true.
            pass
    strike_period = details.get("strike_period")
    if isinstance(strike_period, str) and strike_period:
        message.strike_period = strike_period
    return _encode(message)


# --- combos ------------------------------------------------------------------------------------


class Leg(msgspec.Struct):
    """One selected market of a combo."""

    event_ticker: EventTicker
    market_ticker: MarketTicker
    side: Annotated[Side, about("The outcome that was selected.")]


class ComboLookup(msgspec.Struct):
    """Somebody has looked up a combo, or made it."""

    collection_ticker: CollectionTicker
    event_ticker: EventTicker
    market_ticker: Annotated[MarketTicker, about("Ticker of the combo.")]
    selected_markets: list[Leg]


def combo_looked_up(event: ComboLookedUp) -> bytes:
    """``multivariate_lookup``, for combos created as well."""
    return _encode(
        ComboLookup(
            event.collection_ticker,
            event.event_ticker,
            event.market_ticker,
            [Leg(*leg) for leg in event.legs],
        )
    )


def _text(details: dict[str, Any], name: str) -> str:
    found = details.get(name)
    return "" if found is None else str(found)


def _number(details: dict[str, Any], name: str) -> Maybe[float | int]:
    found = details.get(name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else UNSET


def _object(text: str) -> dict[str, Any]:
    """Descriptive data, which the core does not check."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
