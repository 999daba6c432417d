"""Markets as clients see them (rest.md, section 3, "Market fields that are computed").

Owns the computed fields and a cache of encoded markets: between two changes of a market its row
is the same bytes, so a list of a hundred markets costs little more than joining them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from augury.codec.text import price_dollars, rfc3339
from augury.core.state import AMENDED, DETERMINED, DISPUTED, FINALIZED
from augury.core.state import Market as LiveMarket
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE
from augury.gateways import combos
from augury.gateways.profiles import market_result, market_status
from augury.gateways.rest.answers import (
    Market,
    MarketDescription,
    MveSelectedLeg,
    Number,
    PriceRange,
)
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
from augury.projections.candles import NANOS_PER_MINUTE
from augury.projections.market_stats import NOTHING, DayStats, MarketStats

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
_SWEEP_ABOVE: Final = 2_000
_KEPT_PAGES: Final = 32
_KEPT_PAGE_BYTES: Final = 1 << 19

Question = tuple[bytes, str]
"""(query string, profile) of a list of markets."""

_PART: Final = tuple(f".{part:02d}" for part in range(QUANTITY_ONE))
"""How the part of a quantity that is no whole contract is written."""


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
        or (
            # Whoever looks through all markets should not have to read all descriptions.
            "mve_collection_ticker" in market.details
            and bool(text(description(market.details), "mve_collection_ticker"))
        )
    )


class _Row:
    """A market's row as bytes, with the values of which they were made."""

    __slots__ = ("described", "head", "market", "quoted", "tail")

    def __init__(self, market: LiveMarket, described: object, head: bytes) -> None:
        self.market = market
        self.described = described
        self.head = head
        """The encoded fields that trading does not change, without the closing brace."""
        self.quoted: object = None
        self.tail = b""
        """The others, and the brace."""


class MarketRows:
    """Builds market rows and keeps them encoded, per profile, until something in them changes.

    Trading changes a third of a row's fields. They are written behind the others, which are
    encoded once; so a list of markets that have all just traded costs hardly more than a list of
    markets at rest. A row has some four kilobytes, so those of settled markets, of which there are
    ever more, are swept out now and then.
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
        self._pages: dict[Question, bytes] = {}
        self._moment = (0, 0, 0)
        """What the pages were made of: the last record, the minute, the history taken in."""
        self._sweep_above: dict[str, int] = {}

    def pages(self, sequence: int) -> dict[Question, bytes]:
        """The pages of this moment, for ``keep``; ``sequence`` is that of the last record.

        Whoever polls a quiet exchange finds everything as it was. Nothing but a record changes
        a market, except that minutes leave the window of the last day.
        """
        minute = self._now_ns() // NANOS_PER_MINUTE
        moment = (sequence, minute, self._statistics.restored)
        if moment != self._moment:
            self._moment = moment
            self._pages = {}
        return self._pages

    def keep(self, pages: dict[Question, bytes], question: Question, page: bytes) -> None:
        if len(page) <= _KEPT_PAGE_BYTES and len(pages) < _KEPT_PAGES:
            pages[question] = page

    def row(self, market: LiveMarket, profile: str) -> Market:
        """The market, encoded already. Reads as a ``Market`` in answers only."""
        return self.rows((market,), profile)[0]

    def rows(self, markets: Iterable[LiveMarket], profile: str) -> list[Market]:
        """Several markets, like ``row``."""
        rows = [msgspec.Raw(row.head + row.tail) for row in self._current(markets, profile)]
        return cast(list[Market], rows)

    def page(self, markets: Iterable[LiveMarket], profile: str, cursor: str) -> bytes:
        """A ``GetMarketsResponse`` with these markets, encoded already."""
        parts = [b'{"markets":[']
        for row in self._current(markets, profile):
            parts += (row.head, row.tail, b",")
        if len(parts) > 1:
            parts.pop()
        parts += (b'],"cursor":', self._encoder.encode(cursor), b"}")
        return b"".join(parts)

    def _current(self, markets: Iterable[LiveMarket], profile: str) -> list[_Row]:
        """The rows of the markets, brought up to date."""
        cached = self._rows.setdefault(profile, {})
        statistics, now_ns = self._statistics.of, self._now_ns()
        found: list[_Row] = []
        for market in markets:
            bid = market.bids.best
            ask = market.asks.best
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
                _day_of(market, statistics(market.ticker, now_ns)),
            )
            row = cached.get(market.id)
            if row is None or row.described != described:
                if len(cached) >= self._sweep_above.get(profile, _SWEEP_ABOVE):
                    self._sweep(profile)
                built = self._encoder.encode(build(market, profile, self._markets()))
                row = cached[market.id] = _Row(market, described, built[:-1])
            if row.quoted != quoted:
                row.quoted = quoted
                row.tail = _quotes(*quoted).encode()
            found.append(row)
        return found

    def _sweep(self, profile: str) -> None:
        """Forget the rows of settled markets; all of them when the others are too many."""
        cached = self._rows[profile]
        for number, row in list(cached.items()):
            if row.market.status == FINALIZED:
                del cached[number]
        if len(cached) >= _CACHED_ROWS:
            cached.clear()
        self._sweep_above[profile] = min(max(_SWEEP_ABOVE, 2 * len(cached)), _CACHED_ROWS)


def _day_of(market: LiveMarket, found: DayStats) -> DayStats:
    """A market that was settled so long ago that it is forgotten was a day ago what it is now."""
    if found is NOTHING and market.status == FINALIZED and market.was_active:
        return DayStats(0, market.last_price, 0, PRICE_ONE)
    return found


def _quotes(
    bid: int,
    bid_quantity: int,
    ask: int,
    ask_quantity: int,
    last: int,
    volume: int,
    open_interest: int,
    day: DayStats,
) -> str:
    """The fields of a row that trading changes, encoded. No bid shows as 0, no offer as $1."""
    # Volumes are written here: they are always new, so a cache would only be in the way.
    day_volume, last_price, last_bid, last_ask = day
    return (
        f"{_bid(bid)}{_ask(ask)}{_last(last)}{_previous(last_bid, last_ask, last_price)}"
        f',"yes_bid_size_fp":"{bid_quantity // QUANTITY_ONE}{_PART[bid_quantity % QUANTITY_ONE]}"'
        f',"yes_ask_size_fp":"{ask_quantity // QUANTITY_ONE}{_PART[ask_quantity % QUANTITY_ONE]}"'
        f',"volume":{(whole := volume // QUANTITY_ONE)}'
        f',"volume_fp":"{whole}{_PART[volume % QUANTITY_ONE]}"'
        f',"volume_24h":{(whole := day_volume // QUANTITY_ONE)}'
        f',"volume_24h_fp":"{whole}{_PART[day_volume % QUANTITY_ONE]}"'
        f',"open_interest":{(whole := open_interest // QUANTITY_ONE)}'
        f',"open_interest_fp":"{whole}{_PART[open_interest % QUANTITY_ONE]}"}}'
    )


@lru_cache(maxsize=PRICE_ONE + 1)
def _bid(price: int) -> str:
    yes, no = _both("yes_bid", price), _both("no_ask", PRICE_ONE - price)
    return f"{yes}{no}"


@lru_cache(maxsize=PRICE_ONE + 1)
def _ask(price: int) -> str:
    yes, no = _both("yes_ask", price), _both("no_bid", PRICE_ONE - price)
    return f"{yes}{no}"


@lru_cache(maxsize=PRICE_ONE + 1)
def _last(price: int) -> str:
    return _both("last_price", price)


def _both(name: str, price: int) -> str:
    return f',"{name}":{cents(price)},"{name}_dollars":"{price_dollars(price)}"'


@lru_cache(maxsize=8192)
def _previous(bid: int, ask: int, price: int) -> str:
    return "".join(
        f',"{name}":{value // PRICES_PER_CENT},"{name}_dollars":"{price_dollars(value)}"'
        for name, value in (
            ("previous_yes_bid", bid),
            ("previous_yes_ask", ask),
            ("previous_price", price),
        )
    )


def build(market: LiveMarket, profile: str, markets: Mapping[str, LiveMarket]) -> MarketDescription:
    """The fields of a row that trading does not change."""
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
    return MarketDescription(
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
