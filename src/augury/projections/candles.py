"""Candles: what quotes, trades and open interest did in each period with a change.

Owns the open minute of every market in memory, the rule that turns events into it, and the rules
that put minutes together into hours and days. A period is named by its end in Unix seconds, which
belongs to it (rest reference, section 3). Memory only mirrors what is stored: after a failed
transaction it is forgotten and read back.

A minute is stored with every change. An hour or a day is stored once, when its market moves after
it: so they cost next to nothing to write, and whoever reads hours or days finds at most the one
that is still open among the minutes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from augury.core.units import NANOS_PER_SECOND, PRICE_ONE
from augury.projections.rows import CandleRow

MINUTE_SECONDS: Final = 60
NANOS_PER_MINUTE: Final = MINUTE_SECONDS * NANOS_PER_SECOND
HOUR_SECONDS: Final = 3600

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 1440
PERIODS: Final = (MINUTE, HOUR, DAY)
"""Lengths in minutes. A day is one of the exchange's calendar, so it may have 23 or 25 hours."""

EASTERN: Final = ZoneInfo("America/New_York")


def minute_end(time_ns: int) -> int:
    """End (Unix seconds) of the minute that holds ``time_ns``; an end belongs to its minute."""
    return -(-time_ns // NANOS_PER_MINUTE) * MINUTE_SECONDS


def period_end(period: int, ts: int) -> int:
    """End of the period that holds the second ``ts``; an end belongs to its period."""
    if period == DAY:
        # Hours never straddle midnight there, so that all seconds of one share their day.
        return _day_end(-(-ts // HOUR_SECONDS) * HOUR_SECONDS)
    seconds = period * MINUTE_SECONDS
    return -(-ts // seconds) * seconds


def previous_end(period: int, end_ts: int) -> int:
    """End of the period before the one that ends at ``end_ts``: where that one begins."""
    if period == DAY:
        # A second more than the longest day ago is within the day before, however short it was.
        return period_end(DAY, end_ts - 25 * HOUR_SECONDS - 1)
    return end_ts - period * MINUTE_SECONDS


@lru_cache(maxsize=4096)
def _day_end(hour_end_ts: int) -> int:
    """The first midnight of the exchange's calendar (Eastern Time) at or after ``hour_end_ts``."""
    day = datetime.fromtimestamp(hour_end_ts - 1, EASTERN).date() + timedelta(days=1)
    return int(datetime(day.year, day.month, day.day, tzinfo=EASTERN).timestamp())


def combined(candles: Sequence[CandleRow], end_ts: int) -> CandleRow:
    """One candle that ends at ``end_ts`` from those within it, which must ascend by time."""
    first, last = candles[0], candles[-1]
    traded = [candle for candle in candles if candle.volume]
    return CandleRow(
        first.market_ticker,
        end_ts,
        first.bid_open,
        max(candle.bid_high for candle in candles),
        min(candle.bid_low for candle in candles),
        last.bid_close,
        first.ask_open,
        max(candle.ask_high for candle in candles),
        min(candle.ask_low for candle in candles),
        last.ask_close,
        traded[0].price_open if traded else 0,
        max((candle.price_high for candle in traded), default=0),
        min((candle.price_low for candle in traded), default=0),
        traded[-1].price_close if traded else 0,
        first.previous_price,
        last.last_price,
        sum(candle.volume for candle in traded),
        sum(candle.traded_value for candle in traded),
        last.open_interest,
    )


def grouped(period: int, candles: Iterable[CandleRow]) -> list[CandleRow]:
    """Shorter candles, ascending, put together into those of ``period``."""
    groups: dict[int, list[CandleRow]] = {}
    for candle in candles:
        groups.setdefault(period_end(period, candle.end_ts), []).append(candle)
    return [combined(group, end_ts) for end_ts, group in groups.items()]


def first_candle(market_ticker: str, end_ts: int) -> CandleRow:
    """The minute in which a market first moves: before it, its book was empty."""
    return CandleRow(
        market_ticker, end_ts, *(0,) * 4, *(PRICE_ONE,) * 4, *(0,) * 4, *(0,) * 5
    )  # fmt: skip


def next_candle(last: CandleRow, end_ts: int) -> CandleRow:
    """A later minute begins with the quotes, last price and open interest the last ended with."""
    bid, ask = last.bid_close, last.ask_close
    return CandleRow(
        last.market_ticker,
        end_ts,
        *(bid,) * 4,
        *(ask,) * 4,
        *(0,) * 4,
        last.last_price,
        last.last_price,
        0,
        0,
        last.open_interest,
    )


class Resumed(NamedTuple):
    """What is stored of a market: its newest minute, and of the open hour and day the rest."""

    minute: CandleRow
    minutes: list[CandleRow]
    """Of the same hour, before ``minute``."""
    hours: list[CandleRow]
    """Of the same day, before that hour."""


class StoredCandles(Protocol):
    """Reads back what was stored of a market; None when it never moved."""

    def __call__(self, market_ticker: str) -> Resumed | None: ...


class Changed(NamedTuple):
    """Candles that differ from what is stored."""

    minutes: list[CandleRow]
    hours: list[CandleRow]
    days: list[CandleRow]


class _Open:
    """The open minute of a market, and what its open hour and day hold besides."""

    __slots__ = ("day", "hour", "minute")

    def __init__(self, minute: CandleRow) -> None:
        self.minute = minute
        self.hour: CandleRow | None = None
        self.day: CandleRow | None = None


class CandleBook:
    """The open periods of each market. ``stored`` reads back what was written of one."""

    def __init__(self, stored: StoredCandles) -> None:
        self._stored = stored
        self._open: dict[str, _Open] = {}
        self._dirty: set[str] = set()
        self._ended: list[str] = []
        self._minutes: list[CandleRow] = []
        self._hours: list[CandleRow] = []
        self._days: list[CandleRow] = []

    def quoted(
        self, market_ticker: str, end_ts: int, bid: int, ask: int, open_interest: int
    ) -> None:
        """The best prices are now ``bid`` and ``ask``; changes of size leave no candle."""
        market = self._open.get(market_ticker) or self._load(market_ticker, end_ts)
        candle = market.minute
        if (
            bid == candle.bid_close
            and ask == candle.ask_close
            and open_interest == candle.open_interest
        ):
            return
        if candle.end_ts != end_ts:
            candle = self._turn(market, end_ts)
        self._dirty.add(market_ticker)
        candle.bid_close = bid
        if bid > candle.bid_high:
            candle.bid_high = bid
        elif bid < candle.bid_low:
            candle.bid_low = bid
        candle.ask_close = ask
        if ask > candle.ask_high:
            candle.ask_high = ask
        elif ask < candle.ask_low:
            candle.ask_low = ask
        candle.open_interest = open_interest

    def traded(
        self, market_ticker: str, end_ts: int, price: int, quantity: int, open_interest: int
    ) -> None:
        market = self._open.get(market_ticker) or self._load(market_ticker, end_ts)
        candle = market.minute
        if candle.end_ts != end_ts:
            candle = self._turn(market, end_ts)
        self._dirty.add(market_ticker)
        if candle.volume == 0:
            candle.price_open = candle.price_high = candle.price_low = price
        elif price > candle.price_high:
            candle.price_high = price
        elif price < candle.price_low:
            candle.price_low = price
        candle.price_close = candle.last_price = price
        candle.volume += quantity
        candle.traded_value += price * quantity
        candle.open_interest = open_interest

    def ended(self, market_ticker: str) -> None:
        """The market is settled: forget it once what it has done is taken."""
        self._ended.append(market_ticker)

    def take_changed(self) -> Changed:
        """Candles that differ from what is stored. They count as stored from now on."""
        changed = Changed(self._minutes, self._hours, self._days)
        self._minutes, self._hours, self._days = [], [], []
        changed.minutes.extend(self._open[ticker].minute for ticker in sorted(self._dirty))
        self._dirty.clear()
        for ticker in self._ended:
            self._open.pop(ticker, None)
        self._ended.clear()
        return changed

    def forget(self) -> None:
        """What was taken did not get stored: read everything anew."""
        self._open.clear()
        self._dirty.clear()
        self._ended.clear()
        self._minutes.clear()
        self._hours.clear()
        self._days.clear()

    def _load(self, market_ticker: str, end_ts: int) -> _Open:
        stored = self._stored(market_ticker)
        if stored is None:
            market = _Open(first_candle(market_ticker, end_ts))
        else:
            market = _Open(stored.minute)
            hour_end = period_end(HOUR, stored.minute.end_ts)
            if stored.minutes:
                market.hour = combined(stored.minutes, hour_end)
            if stored.hours:
                market.day = combined(stored.hours, period_end(DAY, hour_end))
        self._open[market_ticker] = market
        return market

    def _turn(self, market: _Open, end_ts: int) -> CandleRow:
        """Begin the minute ``end_ts``; the one before is complete, and so may its hour be."""
        done = market.minute
        market.minute = next_candle(done, end_ts)
        if done.market_ticker in self._dirty:
            self._minutes.append(done)
        elif _is_blank(done):
            # Nothing happened since the market was first looked at.
            return market.minute
        hour_end = period_end(HOUR, done.end_ts)
        parts = [done] if market.hour is None else [market.hour, done]
        market.hour = combined(parts, hour_end)
        if end_ts > hour_end:
            self._finish_hour(market, market.hour, end_ts)
        return market.minute

    def _finish_hour(self, market: _Open, hour: CandleRow, end_ts: int) -> None:
        self._hours.append(hour)
        market.hour = None
        day_end = period_end(DAY, hour.end_ts)
        parts = [hour] if market.day is None else [market.day, hour]
        market.day = combined(parts, day_end)
        if end_ts > day_end:
            self._days.append(market.day)
            market.day = None


def _is_blank(candle: CandleRow) -> bool:
    return candle == first_candle(candle.market_ticker, candle.end_ts)
