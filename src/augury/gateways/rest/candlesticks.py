"""Candlesticks of markets and events (rest.md, section 3, "Candlesticks").

History stores the periods in which something changed. Here they become what clients expect: an
unbroken row of candles between a market's opening and its close, in which quotes, the last price
and open interest are carried forward. The running period is shown as it stands; no candle is made
for one that has not begun.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from augury.codec.text import count_fp, price_dollars
from augury.core.state import Market
from augury.core.units import NANOS_PER_SECOND, PRICES_PER_CENT, QUANTITY_ONE
from augury.gateways.rest import archive, parameters
from augury.gateways.rest.candlesticks_answers import (
    BatchGetMarketCandlesticksResponse,
    BidAskDistribution,
    GetEventCandlesticksResponse,
    GetMarketCandlesticksResponse,
    MarketCandlestick,
    MarketCandlesticksResponse,
    PriceDistribution,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.parameters import Parameter
from augury.gateways.rest.request import Request, Services
from augury.projections.candles import (
    DAY,
    PERIODS,
    first_candle,
    next_candle,
    period_end,
    previous_end,
)
from augury.projections.rows import CandleRow

CANDLES_LIMIT: Final = 10_000
EVENT_CANDLES_LIMIT: Final = 5_000
MARKETS_LIMIT: Final = 100

LATEST_TS: Final = 32_503_680_000
"""The year 3000: what asks for more has confused seconds with something else."""

_CANDLES_PER_TURN: Final = 500
"""Candles made before others get a turn of the event loop."""

START_TS: Final = parameters.optional_integer(
    "start_ts",
    "Candles that end at this Unix time or later.",
    minimum=0,
    maximum=LATEST_TS,
    required=True,
)
END_TS: Final = parameters.optional_integer(
    "end_ts",
    "Candles that end at this Unix time or before.",
    minimum=0,
    maximum=LATEST_TS,
    required=True,
)
MARKET_TICKERS: Final = parameters.texts(
    "market_tickers", "Of these markets, at most 100.", maximum=MARKETS_LIMIT, required=True
)
INCLUDE_LATEST: Final = parameters.flag(
    "include_latest_before_start",
    "Begin with the state before start_ts, as a candle at the first end of a period after it.",
)


def period_interval(periods: Sequence[int], description: str) -> Parameter[int | None]:
    """Which of the known lengths of periods, in minutes."""
    known = {str(period): period for period in periods}

    def parse(values: Sequence[str]) -> int | None:
        period = known.get(values[0])
        if period is None:
            raise invalid(f"period_interval must be one of {', '.join(known)}")
        return period

    schema = {"type": "integer", "enum": list(periods)}
    return Parameter("period_interval", parse, None, schema, description, required=True)


PERIOD_INTERVAL: Final = period_interval(
    PERIODS, "Minutes per candle; days end at midnight in New York."
)

CANDLESTICKS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    START_TS,
    END_TS,
    PERIOD_INTERVAL,
    INCLUDE_LATEST,
)
BATCH_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (MARKET_TICKERS, *CANDLESTICKS_PARAMETERS)
EVENT_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (START_TS, END_TS, PERIOD_INTERVAL)


def required(request: Request, parameter: Parameter[int | None]) -> int:
    value = request.value(parameter)
    if value is None:
        raise invalid(f"{parameter.name} is required")
    return value


class Wanted(NamedTuple):
    """Candles that end from ``start_ts`` to ``end_ts``, both included."""

    start_ts: int
    end_ts: int
    period: int
    with_latest: bool = False

    @classmethod
    def of(cls, request: Request) -> "Wanted":
        """What a request asks for. Raises ``ApiError``."""
        start_ts = required(request, START_TS)
        end_ts = required(request, END_TS)
        period = required(request, PERIOD_INTERVAL)
        if start_ts > end_ts:
            raise invalid("start_ts must not be after end_ts")
        return cls(start_ts, end_ts, period)


# --- operations ------------------------------------------------------------------------------


async def get_market_candlesticks(
    services: Services, request: Request
) -> GetMarketCandlesticksResponse:
    series_ticker, ticker = request.path_values
    wanted = Wanted.of(request)._replace(with_latest=request.value(INCLUDE_LATEST))
    market = services.state.markets.get(ticker)
    if (
        market is None
        or market.event.series.ticker != series_ticker
        or archive.is_archived(services.state, market)
    ):
        raise not_found("market")
    (candles,) = await read_candles(services, [market], wanted)
    return GetMarketCandlesticksResponse(ticker, await _candlesticks(candles))


async def batch_get_market_candlesticks(
    services: Services, request: Request
) -> BatchGetMarketCandlesticksResponse:
    """One entry per market that is known, in the order of the request."""
    tickers = request.value(MARKET_TICKERS)
    if not tickers:
        raise invalid("market_tickers is required")
    wanted = Wanted.of(request)._replace(with_latest=request.value(INCLUDE_LATEST))
    known = services.state.markets
    markets = [
        known[ticker]
        for ticker in tickers
        if ticker in known and not archive.is_archived(services.state, known[ticker])
    ]
    found = await read_candles(services, markets, wanted)
    return BatchGetMarketCandlesticksResponse(
        [
            MarketCandlesticksResponse(market.ticker, await _candlesticks(candles))
            for market, candles in zip(markets, found, strict=True)
        ]
    )


async def get_event_candlesticks(
    services: Services, request: Request
) -> GetEventCandlesticksResponse:
    """All markets of an event. What is more than the limit is left to the next request."""
    series_ticker, event_ticker = request.path_values
    wanted = Wanted.of(request)
    event = services.state.events.get(event_ticker)
    if event is None or event.series.ticker != series_ticker:
        raise not_found("event")
    known = services.state.markets
    markets = [known[ticker] for ticker in event.market_tickers]
    now_ns = services.gate.now_ns()
    cut = _fitting_end([_span(market, wanted, now_ns) for market in markets], wanted)
    found = await read_candles(services, markets, wanted._replace(end_ts=cut), limit=0)
    # Markets may have moved outside of their trading hours as well, by being settled.
    cut = _cut_to_limit(found, cut)
    rows = []
    for candles in found:
        while candles and candles[-1].end_ts > cut:
            candles.pop()
        rows.append(await _candlesticks(candles))
    _set_extremes(found, rows)
    # One second after the last candle, so that the next request repeats nothing.
    adjusted = wanted.end_ts if cut == wanted.end_ts else cut + 1
    return GetEventCandlesticksResponse([market.ticker for market in markets], rows, adjusted)


# --- reading ---------------------------------------------------------------------------------


async def read_candles(
    services: Services, markets: Sequence[Market], wanted: Wanted, limit: int = CANDLES_LIMIT
) -> list[list[CandleRow]]:
    """The candles of each market, ascending by time. Raises ``ApiError`` beyond ``limit``."""
    now_ns = services.gate.now_ns()
    spans = [_span(market, wanted, now_ns) for market in markets]
    if limit and sum(span.count(wanted.end_ts) for span in spans) > limit:
        raise too_many(limit)
    await services.catch_up()
    found = [
        await _candles_of(services, market.ticker, wanted, span)
        for market, span in zip(markets, spans, strict=True)
    ]
    if limit and sum(map(len, found)) > limit:
        raise too_many(limit)
    return found


def too_many(limit: int) -> Exception:
    return invalid(f"the range holds more than {limit} candlesticks")


class Span(NamedTuple):
    """The periods of a market that have a candle whether something changed or not.

    ``first`` and ``last`` are ends of periods; there are none when ``last`` is before ``first``.
    ``opened`` is the end of the period in which the market opened.
    """

    period: int
    first: int
    last: int
    opened: int

    def count(self, end_ts: int) -> int:
        """How many of them end at ``end_ts`` or before."""
        last = min(self.last, end_ts)
        if last < self.first:
            return 0
        seconds = self.period * 60
        # A few days of a range may be an hour shorter or longer than others.
        slack = 2 * 3600 if self.period == DAY else 0
        return (last - self.first + slack) // seconds + 1


def _span(market: Market, wanted: Wanted, now_ns: int) -> Span:
    """Between opening and close, within what is wanted, and not in the future."""
    period = wanted.period
    opened = period_end(period, _seconds_up(market.open_ns))
    closed = period_end(period, _seconds_up(min(market.close_ns, now_ns)))
    first = max(period_end(period, wanted.start_ts), opened)
    last = min(previous_end(period, period_end(period, wanted.end_ts + 1)), closed)
    return Span(period, first, last, opened)


def _seconds_up(time_ns: int) -> int:
    return -(-time_ns // NANOS_PER_SECOND)


async def _candles_of(
    services: Services, ticker: str, wanted: Wanted, span: Span
) -> list[CandleRow]:
    period = wanted.period
    queries = services.queries
    before_ts = previous_end(period, period_end(period, wanted.start_ts))
    changed = await queries.candles(ticker, wanted.start_ts, wanted.end_ts, period)
    before = await queries.candle_before(ticker, before_ts + 1)
    candles = _continued(changed, before or first_candle(ticker, before_ts), span)
    if wanted.with_latest and (before is not None or span.opened <= before_ts):
        end_ts = period_end(period, wanted.start_ts + 1)
        if not candles or candles[0].end_ts > end_ts:
            candles.insert(0, next_candle(before or first_candle(ticker, before_ts), end_ts))
    return candles


def _continued(changed: list[CandleRow], before: CandleRow, span: Span) -> list[CandleRow]:
    """``changed`` with the periods of ``span`` in which nothing happened filled in."""
    candles: list[CandleRow] = []
    latest, end_ts = before, span.first
    for candle in changed:
        while end_ts <= span.last and end_ts < candle.end_ts:
            candles.append(next_candle(latest, end_ts))
            end_ts = period_end(span.period, end_ts + 1)
        if end_ts == candle.end_ts:
            end_ts = period_end(span.period, end_ts + 1)
        candles.append(candle)
        latest = candle
    while end_ts <= span.last:
        candles.append(next_candle(latest, end_ts))
        end_ts = period_end(span.period, end_ts + 1)
    return candles


# --- cutting the answer about an event -------------------------------------------------------


def _fitting_end(spans: Sequence[Span], wanted: Wanted) -> int:
    """The end of the range, or of the last period up to which the limit is kept."""
    ends = range(wanted.start_ts, wanted.end_ts + 1)
    fitting = bisect_right(
        ends, EVENT_CANDLES_LIMIT, key=lambda end_ts: sum(span.count(end_ts) for span in spans)
    )
    if fitting == len(ends):
        return wanted.end_ts
    last = previous_end(wanted.period, period_end(wanted.period, ends[0] + fitting))
    # At least one period, or nobody would ever get past an event with so many markets.
    return max(last, min(span.first for span in spans if span.count(wanted.end_ts)))


def _cut_to_limit(found: Sequence[Sequence[CandleRow]], end_ts: int) -> int:
    """``end_ts``, or the end of the last period up to which the limit is kept."""
    if sum(map(len, found)) <= EVENT_CANDLES_LIMIT:
        return end_ts
    counts: dict[int, int] = {}
    for candles in found:
        for candle in candles:
            counts[candle.end_ts] = counts.get(candle.end_ts, 0) + 1
    total, last = 0, 0
    for ends in sorted(counts):
        total += counts[ends]
        if last and total > EVENT_CANDLES_LIMIT:
            break
        last = ends
    return last


def _set_extremes(
    found: Sequence[Sequence[CandleRow]], rows: Sequence[Sequence[MarketCandlestick]]
) -> None:
    """The lowest and highest closing price of any market of the event, period by period."""
    closes: dict[int, list[int]] = {}
    for candles in found:
        for candle in candles:
            if candle.volume:
                closes.setdefault(candle.end_ts, []).append(candle.price_close)
    for row in rows:
        for shown in row:
            prices = closes.get(shown.end_period_ts)
            if prices is not None:
                lowest, highest = min(prices), max(prices)
                shown.price.min = lowest // PRICES_PER_CENT
                shown.price.min_dollars = price_dollars(lowest)
                shown.price.max = highest // PRICES_PER_CENT
                shown.price.max_dollars = price_dollars(highest)


# --- rows ------------------------------------------------------------------------------------


async def _candlesticks(candles: Sequence[CandleRow]) -> list[MarketCandlestick]:
    """Thousands of them take a while, so others get their turns in between."""
    rows: list[MarketCandlestick] = []
    for start in range(0, len(candles), _CANDLES_PER_TURN):
        if start:
            await asyncio.sleep(0)
        rows.extend(map(_candlestick, candles[start : start + _CANDLES_PER_TURN]))
    return rows


def _candlestick(candle: CandleRow) -> MarketCandlestick:
    return MarketCandlestick(
        candle.end_ts,
        _quotes(candle.bid_open, candle.bid_low, candle.bid_high, candle.bid_close),
        _quotes(candle.ask_open, candle.ask_low, candle.ask_high, candle.ask_close),
        _prices(candle),
        candle.volume // QUANTITY_ONE,
        count_fp(candle.volume),
        candle.open_interest // QUANTITY_ONE,
        count_fp(candle.open_interest),
    )


@lru_cache(maxsize=16_384)
def _quotes(opened: int, low: int, high: int, close: int) -> BidAskDistribution:
    """Shared between candles: the quotes of most periods are those of the one before."""
    return BidAskDistribution(
        opened // PRICES_PER_CENT,
        price_dollars(opened),
        low // PRICES_PER_CENT,
        price_dollars(low),
        high // PRICES_PER_CENT,
        price_dollars(high),
        close // PRICES_PER_CENT,
        price_dollars(close),
    )


def _prices(candle: CandleRow) -> PriceDistribution:
    prices = PriceDistribution()
    if candle.previous_price:
        prices.previous = candle.previous_price // PRICES_PER_CENT
        prices.previous_dollars = price_dollars(candle.previous_price)
    if candle.volume:
        mean = mean_price(candle)
        prices.open = candle.price_open // PRICES_PER_CENT
        prices.open_dollars = price_dollars(candle.price_open)
        prices.low = candle.price_low // PRICES_PER_CENT
        prices.low_dollars = price_dollars(candle.price_low)
        prices.high = candle.price_high // PRICES_PER_CENT
        prices.high_dollars = price_dollars(candle.price_high)
        prices.close = candle.price_close // PRICES_PER_CENT
        prices.close_dollars = price_dollars(candle.price_close)
        prices.mean = mean // PRICES_PER_CENT
        prices.mean_dollars = price_dollars(mean)
    return prices


def mean_price(candle: CandleRow) -> int:
    """By volume, rounded down to $0.0001. Only for a candle with trades."""
    return candle.traded_value // candle.volume
