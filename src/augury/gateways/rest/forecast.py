"""What the markets of an event expected of a number, as it changed (rest.md, section 3).

Every market over a strike says how probable it is that the number ends above, below or between;
together they are a distribution, and a percentile is read off it. Between two strikes the
distribution is taken as straight; beyond the outermost ones nothing is known, so a percentile
there is the outermost strike itself.
"""

import asyncio
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from augury.core.state import ListedEvent, Market
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE
from augury.gateways.rest.candlesticks import END_TS, START_TS, period_interval, required
from augury.gateways.rest.candlesticks_answers import (
    ForecastPercentilesPoint,
    GetEventForecastPercentilesHistoryResponse,
    PercentilePoint,
)
from augury.gateways.rest.descriptions import (
    Description,
    description,
    mapping,
    optional_number,
    text,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.parameters import Parameter
from augury.gateways.rest.request import Request, Services
from augury.projections.candles import MINUTE, PERIODS, period_end, previous_end
from augury.projections.rows import CandleRow

POINTS_LIMIT: Final = 5_000
LARGEST_PERCENTILE: Final = 10_000
MOST_PERCENTILES: Final = 10

SHORTEST: Final = 0
"""The period of five seconds. Its points show what the last whole minute ended with."""
SHORTEST_SECONDS: Final = 5

_POINTS_PER_TURN: Final = 100
_PERCENTILE: Final = re.compile(r"[0-9]{1,5}")

FORECAST_PERIOD: Final = period_interval(
    (SHORTEST, *PERIODS), "Minutes between points; 0 for five seconds."
)


def _percentiles(values: Sequence[str]) -> tuple[int, ...]:
    found: list[int] = []
    for value in ",".join(values).replace(" ", "").split(","):
        if _PERCENTILE.fullmatch(value) is None or int(value) > LARGEST_PERCENTILE:
            raise invalid(f"percentiles must be integers from 0 to {LARGEST_PERCENTILE}")
        if int(value) not in found:
            found.append(int(value))
    if len(found) > MOST_PERCENTILES:
        raise invalid(f"percentiles takes at most {MOST_PERCENTILES} values")
    return tuple(found)


PERCENTILES: Final[Parameter[tuple[int, ...]]] = Parameter(
    "percentiles",
    _percentiles,
    (),
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_PERCENTILE},
        "minItems": 1,
        "maxItems": MOST_PERCENTILES,
    },
    "Which percentiles, in hundredths of a percent: 5000 is the median.",
    required=True,
)

FORECAST_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    PERCENTILES,
    START_TS,
    END_TS,
    FORECAST_PERIOD,
)


# --- the markets as a distribution -----------------------------------------------------------


@dataclass(slots=True)
class Strike:
    """A market over numbers: YES when the outcome is over ``floor`` and under ``cap``.

    Either end may be open. ``opened`` is Unix seconds.
    """

    ticker: str
    floor: Decimal | None
    cap: Decimal | None
    opened: int


def strikes_of(markets: Sequence[Market]) -> list[Strike]:
    """The markets with numeric strikes, from low to high."""
    found = []
    for market in markets:
        details = description(market.details)
        kind = text(details, "strike_type")
        floor = _number(details, "floor_strike")
        cap = _number(details, "cap_strike")
        opened = -(-market.open_ns // NANOS_PER_SECOND)
        if kind.startswith("greater") and floor is not None:
            found.append(Strike(market.ticker, floor, None, opened))
        elif kind.startswith("less") and cap is not None:
            found.append(Strike(market.ticker, None, cap, opened))
        elif kind == "between" and floor is not None and cap is not None and floor < cap:
            found.append(Strike(market.ticker, floor, cap, opened))
    found.sort(key=_order)
    return found


def _order(strike: Strike) -> tuple[Decimal, bool]:
    edge = strike.cap if strike.floor is None else strike.floor
    assert edge is not None
    return edge, strike.floor is not None


def _number(details: Description, name: str) -> Decimal | None:
    value = optional_number(details, name)
    if not isinstance(value, int | float):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


Curve = list[tuple[Decimal, float]]
"""Ascending values with the probability that the outcome is not above them, never descending."""


def curve(priced: Sequence[tuple[Strike, float]]) -> Curve:
    """The distribution that the probabilities of some strikes describe."""
    if any(strike.floor is not None and strike.cap is not None for strike, _ in priced):
        return _curve_of_ranges(priced)
    points: dict[Decimal, float] = {}
    for strike, probability in priced:
        if strike.floor is not None:
            points[strike.floor] = 1 - probability
        elif strike.cap is not None:
            points[strike.cap] = probability
    return _monotone(sorted(points.items()))


def _curve_of_ranges(priced: Sequence[tuple[Strike, float]]) -> Curve:
    """Ranges exclude each other, so their probabilities are made to add up to one."""
    total = sum(probability for _, probability in priced)
    if total <= 0:
        return []
    points: dict[Decimal, float] = {}
    below = 0.0
    for strike, probability in priced:
        if strike.floor is not None:
            points.setdefault(strike.floor, below)
        below += probability / total
        if strike.cap is not None:
            points[strike.cap] = below
    return _monotone(sorted(points.items()))


def _monotone(points: Curve) -> Curve:
    """Prices may contradict each other for a moment; the higher probability counts from then on."""
    highest = 0.0
    found: Curve = []
    for value, probability in points:
        highest = min(1.0, max(highest, probability))
        found.append((value, highest))
    return found


def value_at(points: Curve, probability: float) -> float:
    """Where the curve crosses ``probability``. It must have a point."""
    index = bisect_left(points, probability, key=lambda point: point[1])
    if index == 0:
        return float(points[0][0])
    if index == len(points):
        return float(points[-1][0])
    (low, before), (high, after) = points[index - 1], points[index]
    share = (probability - before) / (after - before)
    return float(low) + share * float(high - low)


def step_of(strikes: Sequence[Strike]) -> Decimal:
    """The smallest distance between two strikes, which is as exact as the event asks."""
    edges = sorted({_order(strike)[0] for strike in strikes})
    gap = min((high - low for low, high in pairwise(edges)), default=Decimal(1))
    widths = [s.cap - s.floor for s in strikes if s.cap is not None and s.floor is not None]
    if not widths:
        return gap
    # A range that ends at 71.99, where the next one begins at 72, is a step of 2 wide.
    width = min(widths)
    return gap if width < gap < width * Decimal("1.1") else width


# --- operation -------------------------------------------------------------------------------


async def get_event_forecast_percentile_history(
    services: Services, request: Request
) -> GetEventForecastPercentilesHistoryResponse:
    """An event without numeric strikes has no forecast, and its history is empty."""
    series_ticker, event_ticker = request.path_values
    percentiles = request.value(PERCENTILES)
    if not percentiles:
        raise invalid("percentiles is required")
    start_ts, end_ts = required(request, START_TS), required(request, END_TS)
    period = required(request, FORECAST_PERIOD)
    if start_ts > end_ts:
        raise invalid("start_ts must not be after end_ts")
    event = services.state.events.get(event_ticker)
    if event is None or event.series.ticker != series_ticker:
        raise not_found("event")
    markets = [services.state.markets[ticker] for ticker in event.market_tickers]
    strikes = strikes_of(markets)
    ends = _ends(services, markets, strikes, start_ts, end_ts, period)
    if not ends:
        return GetEventForecastPercentilesHistoryResponse([])
    await services.catch_up()
    quotes = [await _quotes(services, strike.ticker, ends, period) for strike in strikes]
    writer = _Writer(event, strikes)
    history: list[ForecastPercentilesPoint] = []
    for count, point_ts in enumerate(ends, start=1):
        priced = [
            (strike, probability)
            for strike, quoted in zip(strikes, quotes, strict=True)
            if strike.opened <= point_ts and (probability := quoted.at(point_ts)) is not None
        ]
        points = curve(priced)
        if points:
            history.append(
                ForecastPercentilesPoint(
                    event.ticker,
                    point_ts,
                    period,
                    [writer.point(percentile, points) for percentile in percentiles],
                )
            )
        if count % _POINTS_PER_TURN == 0:
            await asyncio.sleep(0)
    return GetEventForecastPercentilesHistoryResponse(history)


def _ends(
    services: Services,
    markets: Sequence[Market],
    strikes: Sequence[Strike],
    start_ts: int,
    end_ts: int,
    period: int,
) -> list[int]:
    """The ends of the periods asked for, from the first opening to the last close or to now.

    Raises ``ApiError`` when there are too many of them.
    """
    if not strikes:
        return []
    last_ns = min(services.gate.now_ns(), max(market.close_ns for market in markets))
    first = _end(period, max(start_ts, min(strike.opened for strike in strikes)))
    last = min(end_ts, _end(period, -(-last_ns // NANOS_PER_SECOND)))
    seconds = period * 60 or SHORTEST_SECONDS
    if (last - first) // seconds + 1 > POINTS_LIMIT:
        raise invalid(f"the range holds more than {POINTS_LIMIT} points")
    ends = []
    while first <= last:
        ends.append(first)
        first = _end(period, first + 1)
    return ends


def _end(period: int, ts: int) -> int:
    if period == SHORTEST:
        return -(-ts // SHORTEST_SECONDS) * SHORTEST_SECONDS
    return period_end(period, ts)


class _Quotes:
    """What a market's price said at the end of each period with a change, ascending."""

    def __init__(self, candles: Sequence[CandleRow]) -> None:
        self._candles = candles
        self._next = 0

    def at(self, ts: int) -> float | None:
        """The probability at ``ts``, which must ascend from call to call; None when unknown."""
        candles = self._candles
        while self._next < len(candles) and candles[self._next].end_ts <= ts:
            self._next += 1
        return _probability(candles[self._next - 1]) if self._next else None


async def _quotes(services: Services, ticker: str, ends: Sequence[int], period: int) -> _Quotes:
    stored = period or MINUTE
    before_ts = previous_end(stored, period_end(stored, ends[0]))
    before = await services.queries.candle_before(ticker, before_ts + 1)
    candles = await services.queries.candles(ticker, ends[0], ends[-1], stored)
    return _Quotes(candles if before is None else [before, *candles])


def _probability(candle: CandleRow) -> float | None:
    """The middle between the quotes; with none at all, what was paid last."""
    if candle.bid_close == 0 and candle.ask_close == PRICE_ONE:
        return candle.last_price / PRICE_ONE if candle.last_price else None
    return (candle.bid_close + candle.ask_close) / (2 * PRICE_ONE)


class _Writer:
    """Writes values as the event counts them."""

    def __init__(self, event: ListedEvent, strikes: Sequence[Strike]) -> None:
        self._step = step_of(strikes)
        exponent = self._step.normalize().as_tuple().exponent
        self._decimals = max(0, -exponent) if isinstance(exponent, int) else 0
        self._unit = _unit(event)

    def point(self, percentile: int, points: Curve) -> PercentilePoint:
        raw = value_at(points, percentile / LARGEST_PERCENTILE)
        number = round(Decimal(str(raw)) / self._step) * self._step
        shown = f"{number:,.{self._decimals}f}"
        formatted = f"${shown}" if self._unit == "$" else f"{shown}{self._unit}"
        value = float(number)
        return PercentilePoint(
            percentile, raw, int(value) if value.is_integer() else value, formatted
        )


def _unit(event: ListedEvent) -> str:
    """From the description of the series: its own ``unit``, or that of its metadata."""
    details = description(event.series.details)
    return text(details, "unit") or text(mapping(details, "product_metadata") or {}, "unit")
