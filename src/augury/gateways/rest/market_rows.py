"""Markets as clients see them (rest.md, section 3, "Market fields that are computed").

Owns the computed fields and a cache of encoded markets: between two changes of a market its row
is the same bytes, so a list of a hundred markets costs little more than joining them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from augury.codec.text import count_fp, price_dollars, rfc3339
from augury.core.state import AMENDED, DETERMINED, DISPUTED, FINALIZED
from augury.core.state import Market as LiveMarket
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE
from augury.gateways import combos
from augury.gateways.profiles import market_result, market_status
from augury.gateways.rest.answers import Market, MveSelectedLeg, Number, PriceRange
from augury.gateways.rest.descriptions import (
    Description,
    description,
    integer,
    mapping,
    mappings,
    optional_number,
    optional_text,
    text,
)
from augury.projections.market_stats import DayStats, MarketStats

STRIKE_TYPES: Final = frozenset(
    {
        "greater",
        "greater_or_equal",
        "less",
        "less_or_equal",
        "between",
        "functional",
        "custom",
        "structured",
    }
)

_RESULT_KNOWN: Final = frozenset({DETERMINED, DISPUTED, AMENDED, FINALIZED})
_CACHED_ROWS: Final = 50_000


def cents(price: int) -> Number:
    """A price in cents, with a fraction only where the price has one."""
    whole, rest = divmod(price, PRICES_PER_CENT)
    return price / PRICES_PER_CENT if rest else whole


def price_number(price: int) -> Number:
    """A price in dollars as a JSON number."""
    return price / PRICE_ONE


def is_multivariate(market: LiveMarket) -> bool:
    """Whether the market is a combination of others."""
    return (
        bool(market.legs)
        or combos.is_combo(market.event.ticker)
        or bool(text(description(market.details), "mve_collection_ticker"))
    )


class _Row:
    """A market's row: what describes it, what trading changes, and both together as bytes."""

    __slots__ = ("described", "market", "quoted", "raw")

    def __init__(self, described: object, quoted: object, market: Market, raw: msgspec.Raw) -> None:
        self.described = described
        self.quoted = quoted
        self.market = market
        self.raw = raw


class MarketRows:
    """Builds market rows and keeps them encoded, per profile, until something in them changes.

    Trading changes a third of a row's fields; the others are built once.
    """

    def __init__(
        self,
        statistics: MarketStats,
        now_ns: Callable[[], int],
        markets: Callable[[], Mapping[str, LiveMarket]],
    ) -> None:
        """``markets`` returns all markets by ticker; combos tell of their legs."""
        self._statistics = statistics
        self._markets = markets
        self._now_ns = now_ns
        self._encoder = msgspec.json.Encoder()
        self._rows: dict[str, dict[int, _Row]] = {}

    def row(self, market: LiveMarket, profile: str) -> Market:
        """The market, encoded already. Reads as a ``Market`` in answers only."""
        rows = self._rows.get(profile)
        if rows is None:
            rows = self._rows[profile] = {}
        bid = market.bids.best
        ask = market.asks.best
        day = self._statistics.of(market.ticker, self._now_ns())
        # Times alone would not do: a virtual clock may stand still between two changes.
        described = (
            market.updated_ns,
            market.status,
            market.close_ns,
            market.result,
            market.settlement_value,
            market.expiration_value,
            market.price_ranges,
            market.details,
            market.event.details,
            _leg_values(market, self._markets()) if market.legs else None,
        )
        quoted = (
            0 if bid is None else bid.price,
            0 if bid is None else bid.quantity,
            PRICE_ONE if ask is None else ask.price,
            0 if ask is None else ask.quantity,
            market.last_price,
            market.volume,
            market.open_interest,
            day,
        )
        row = rows.get(market.id)
        if row is None or row.described != described:
            built = build(market, profile, day, self._markets())
            if len(rows) >= _CACHED_ROWS:
                rows.clear()
            row = _Row(described, quoted, built, msgspec.Raw(self._encoder.encode(built)))
            rows[market.id] = row
        elif row.quoted != quoted:
            for name, value in quotes(market, day).items():
                setattr(row.market, name, value)
            row.quoted = quoted
            row.raw = msgspec.Raw(self._encoder.encode(row.market))
        return cast(Market, row.raw)


def quotes(market: LiveMarket, day: DayStats) -> dict[str, Any]:
    """The fields of a row that trading changes. An empty side shows as bid 0 and ask $1."""
    bid, ask = market.bids.best, market.asks.best
    yes_bid, bid_size = (0, 0) if bid is None else (bid.price, bid.quantity)
    yes_ask, ask_size = (PRICE_ONE, 0) if ask is None else (ask.price, ask.quantity)
    no_bid, no_ask = PRICE_ONE - yes_ask, PRICE_ONE - yes_bid
    return {
        "yes_bid": cents(yes_bid),
        "yes_bid_dollars": price_dollars(yes_bid),
        "yes_bid_size_fp": count_fp(bid_size),
        "yes_ask": cents(yes_ask),
        "yes_ask_dollars": price_dollars(yes_ask),
        "yes_ask_size_fp": count_fp(ask_size),
        "no_bid": cents(no_bid),
        "no_bid_dollars": price_dollars(no_bid),
        "no_ask": cents(no_ask),
        "no_ask_dollars": price_dollars(no_ask),
        "last_price": cents(market.last_price),
        "last_price_dollars": price_dollars(market.last_price),
        "previous_yes_bid": day.previous_yes_bid // PRICES_PER_CENT,
        "previous_yes_bid_dollars": price_dollars(day.previous_yes_bid),
        "previous_yes_ask": day.previous_yes_ask // PRICES_PER_CENT,
        "previous_yes_ask_dollars": price_dollars(day.previous_yes_ask),
        "previous_price": day.previous_price // PRICES_PER_CENT,
        "previous_price_dollars": price_dollars(day.previous_price),
        "volume": market.volume // QUANTITY_ONE,
        "volume_fp": count_fp(market.volume),
        "volume_24h": day.volume_24h // QUANTITY_ONE,
        "volume_24h_fp": count_fp(day.volume_24h),
        "open_interest": market.open_interest // QUANTITY_ONE,
        "open_interest_fp": count_fp(market.open_interest),
    }


def build(
    market: LiveMarket, profile: str, day: DayStats, markets: Mapping[str, LiveMarket]
) -> Market:
    """The whole row of one market."""
    found = description(market.details)
    collection = optional_text(found, "mve_collection_ticker")
    legs = UNSET if collection is UNSET else _described_legs(found)
    category = text(found, "category") or text(description(market.event.details), "category")
    if market.legs:
        found = {**combos.details(market, markets), **found}
        collection = market.collection_ticker
        legs = _legs(market, markets)
        category = category or text(description(market.event.series.details), "category")
    expiration = rfc3339(market.latest_expiration_ns or market.close_ns)
    settlement_value: int | UnsetType = UNSET
    settlement_value_dollars: str | UnsetType = UNSET
    if market.status in _RESULT_KNOWN and market.result != "void":
        settlement_value = market.settlement_value // PRICES_PER_CENT
        settlement_value_dollars = price_dollars(market.settlement_value)
    strike_type = text(found, "strike_type")
    return Market(
        ticker=market.ticker,
        event_ticker=market.event.ticker,
        market_type=market.market_type,
        title=text(found, "title"),
        subtitle=text(found, "subtitle"),
        yes_sub_title=text(found, "yes_sub_title"),
        no_sub_title=text(found, "no_sub_title"),
        created_time=rfc3339(market.created_ns),
        updated_time=rfc3339(market.updated_ns),
        open_time=rfc3339(market.open_ns),
        close_time=rfc3339(market.close_ns),
        expiration_time=expiration,
        latest_expiration_time=expiration,
        settlement_timer_seconds=market.settlement_timer_ns // NANOS_PER_SECOND,
        status=market_status(market.status, profile),
        response_price_units="usd_cent",
        notional_value=100,
        notional_value_dollars="1.0000",
        liquidity=0,
        liquidity_dollars="0.0000",
        result=market_result(market.result, profile),
        can_close_early=market.can_close_early,
        expiration_value=market.expiration_value,
        category=category,
        risk_limit_cents=integer(found, "risk_limit_cents"),
        rules_primary=text(found, "rules_primary"),
        rules_secondary=text(found, "rules_secondary"),
        tick_size=1,
        price_level_structure=market.price_level_structure,
        price_ranges=[
            PriceRange(price_dollars(start), price_dollars(end), price_dollars(step))
            for start, end, step in market.price_ranges
        ],
        fractional_trading_enabled=market.fractional_trading_enabled,
        expected_expiration_time=_time(market.expected_expiration_ns),
        settlement_value=settlement_value,
        settlement_value_dollars=settlement_value_dollars,
        settlement_ts=_time(market.settled_ns) if market.status == FINALIZED else UNSET,
        fee_waiver_expiration_time=_time(market.fee_waiver_expiration_ns),
        early_close_condition=optional_text(found, "early_close_condition"),
        strike_type=strike_type if strike_type in STRIKE_TYPES else UNSET,
        floor_strike=optional_number(found, "floor_strike"),
        cap_strike=optional_number(found, "cap_strike"),
        functional_strike=optional_text(found, "functional_strike"),
        custom_strike=mapping(found, "custom_strike") or UNSET,
        mve_collection_ticker=collection,
        mve_selected_legs=legs,
        primary_participant_key=optional_text(found, "primary_participant_key"),
        is_provisional=True if market.is_provisional else UNSET,
        **quotes(market, day),
    )


def _time(ns: int) -> str | UnsetType:
    return rfc3339(ns) if ns else UNSET


def _legs(market: LiveMarket, markets: Mapping[str, LiveMarket]) -> list[MveSelectedLeg]:
    values = _leg_values(market, markets)
    return [
        MveSelectedLeg(*leg, UNSET if value is None else price_dollars(value))
        for leg, value in zip(market.legs, values, strict=True)
    ]


def _leg_values(market: LiveMarket, markets: Mapping[str, LiveMarket]) -> tuple[int | None, ...]:
    """What a YES contract of each leg pays; None while that is not known."""
    found: list[int | None] = []
    for _, ticker, _ in market.legs:
        leg = markets.get(ticker)
        known = leg is not None and leg.status in _RESULT_KNOWN and leg.result != "void"
        found.append(leg.settlement_value if leg is not None and known else None)
    return tuple(found)


def _described_legs(found: Description) -> list[MveSelectedLeg]:
    """Of a combo that was imported: its legs are only told about."""
    legs: list[dict[str, Any]] = mappings(found, "mve_selected_legs")
    return [
        MveSelectedLeg(
            text(leg, "event_ticker"),
            text(leg, "market_ticker"),
            text(leg, "side"),
            optional_text(leg, "yes_settlement_value_dollars"),
        )
        for leg in legs
    ]
