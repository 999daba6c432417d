"""What a market did in the last 24 hours, kept in memory minute by minute.

Owns ``volume_24h`` and the ``previous_*`` fields of the market answers (rest reference, section
3). Time is exchange time, so a virtual clock that jumps a day simply finds the window empty.
Resolution is a minute: the window is 24 hours and up to one minute long.
"""

import asyncio
import contextlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from augury.core.applied import Applied
from augury.core.events import MarketSettled, TickerChanged, TradeExecuted
from augury.core.units import PRICE_ONE
from augury.ports.history import HistoryProgress
from augury.projections.candles import MINUTE_SECONDS, NANOS_PER_MINUTE
from augury.projections.queries import HistoryQueries, HistoryUnavailable
from augury.projections.rows import CandleRow

WINDOW_MINUTES: Final = 24 * 60
PATIENCE_SECONDS: Final = 60.0

COMPACT_AFTER: Final = 256
"""Expired minutes that a window may still carry before it is tidied up."""

_FOREVER: Final = 1 << 62


class DayStats(NamedTuple):
    """Quantity in hundredths of a contract, YES prices; 0 where 24 hours ago is not known."""

    volume_24h: int
    previous_price: int
    previous_yes_bid: int
    previous_yes_ask: int


NOTHING: Final = DayStats(0, 0, 0, 0)


class _Window:
    """One market's minutes with a change, oldest first; ``start`` is the first not expired.

    Columns of numbers, because a busy market has 1,440 minutes and there may be thousands.
    """

    __slots__ = (
        "asks",
        "base",
        "base_minute",
        "bids",
        "day",
        "day_until",
        "minutes",
        "prices",
        "start",
        "total",
        "volumes",
    )

    def __init__(self) -> None:
        self.minutes = array("i")
        """Ends of minutes, in minutes since the epoch."""
        self.bids = array("h")
        self.asks = array("h")
        self.prices = array("h")
        self.volumes = array("q")
        self.start = 0
        self.total = 0
        self.base: tuple[int, int, int] | None = None
        """Bid, ask and last price at the end of the newest expired minute."""
        self.base_minute = 0
        self.day = NOTHING
        """The figures as they were asked for last: good until this minute leaves the window."""
        self.day_until = -_FOREVER

    def latest(self) -> tuple[int, int, int]:
        if len(self.minutes) > self.start:
            return self.bids[-1], self.asks[-1], self.prices[-1]
        return self.base or (0, PRICE_ONE, 0)

    def put(self, minute: int, bid: int, ask: int, price: int, volume: int) -> None:
        """What the minute ends with, and what traded in it besides what was put before."""
        self.day_until = -_FOREVER
        minutes = self.minutes
        if len(minutes) > self.start and minutes[-1] == minute:
            self.bids[-1] = bid
            self.asks[-1] = ask
            self.prices[-1] = price
            self.volumes[-1] += volume
        else:
            self.expire(minute - WINDOW_MINUTES - 1)
            minutes.append(minute)
            self.bids.append(bid)
            self.asks.append(ask)
            self.prices.append(price)
            self.volumes.append(volume)
        self.total += volume

    def append(self, later: "_Window", since: int) -> None:
        """Put what ``later`` has from the minute ``since`` on behind these minutes.

        It knew nothing of them. If both have that minute, each has seen a part of it.
        """
        columns = zip(
            later.minutes, later.bids, later.asks, later.prices, later.volumes, strict=True
        )
        for minute, bid, ask, price, volume in columns:
            if minute >= since:
                shared = len(self.minutes) > self.start and self.minutes[-1] == minute
                seen = self.volumes[-1] if shared else 0
                # No price means that nobody had traded since: the one before is still the last.
                self.put(minute, bid, ask, price or self.latest()[2], max(0, volume - seen))

    def expire(self, minute: int) -> None:
        """Minutes up to ``minute`` have left the window."""
        start, end = self.start, len(self.minutes)
        if start == end or self.minutes[start] > minute:
            return
        while start < end and self.minutes[start] <= minute:
            self.total -= self.volumes[start]
            start += 1
        self.base = (self.bids[start - 1], self.asks[start - 1], self.prices[start - 1])
        self.base_minute = self.minutes[start - 1]
        if start == end or start > COMPACT_AFTER:
            for column in (self.minutes, self.bids, self.asks, self.prices, self.volumes):
                del column[:start]
            start = 0
        self.start = start


class MarketStats:
    """Listens to applied records on the event loop and answers for any market at any time.

    A market is forgotten a day after it was settled: nothing has happened there since.
    """

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}
        self._settled: deque[tuple[int, str]] = deque()
        """(minute, market) of what was settled within a day, oldest first."""
        self._since = 0
        """The minute of the first record observed: later ones are known completely."""
        self.restored = 0
        """How often history was taken in, which changes figures without a record."""

    async def load(self, queries: HistoryQueries, now_ns: int) -> None:
        """Take in the last 24 hours of history. Raises ``HistoryUnavailable``.

        Best before the first record is observed. If history was behind then, again when it has
        caught up: what was observed meanwhile stays.
        """
        start_ts = (now_ns // NANOS_PER_MINUTE - WINDOW_MINUTES) * MINUTE_SECONDS
        self.restore(await queries.candles_since(start_ts))

    async def load_later(
        self,
        queries: HistoryQueries,
        history: HistoryProgress,
        sequence: int,
        now_ns: Callable[[], int],
    ) -> None:
        """Take history in once it has reached ``sequence``, however long that takes."""
        while True:
            if await history.wait_for(sequence, PATIENCE_SECONDS):
                with contextlib.suppress(HistoryUnavailable):
                    await self.load(queries, now_ns())
                    return
                # It went away in between.
                await asyncio.sleep(1.0)

    def restore(self, candles: Iterable[CandleRow]) -> None:
        """Put ``candles``, ascending by time for each market, before what was observed."""
        self.restored += 1
        since = self._since
        known, self._windows = self._windows, {}
        for candle in candles:
            minute = candle.end_ts // MINUTE_SECONDS
            if not since or minute <= since:
                self._window(candle.market_ticker).put(
                    minute, candle.bid_close, candle.ask_close, candle.last_price, candle.volume
                )
        if not since:
            return
        for ticker, window in known.items():
            if window.base_minute >= since:
                # Observed for longer than a day: nothing older is of interest.
                self._windows[ticker] = window
            else:
                self._window(ticker).append(window, since)

    def observe(self, applied: Applied) -> None:
        """Take the next applied record. Cheap: most records change no quote."""
        if not self._since:
            self._since = _minute(applied)
        for event in applied.events:
            if isinstance(event, TickerChanged):
                window = self._window(event.market_ticker)
                bid, ask, price = window.latest()
                if bid != event.bid_price or ask != event.ask_price:
                    window.put(_minute(applied), event.bid_price, event.ask_price, price, 0)
            elif isinstance(event, TradeExecuted):
                window = self._window(event.market_ticker)
                bid, ask, _ = window.latest()
                window.put(_minute(applied), bid, ask, event.price, event.quantity)
            elif isinstance(event, MarketSettled):
                minute = _minute(applied)
                self._settled.append((minute, event.ticker))
                self._forget_settled(minute - WINDOW_MINUTES - 1)

    def _forget_settled(self, until: int) -> None:
        """Markets that were settled in the minute ``until`` or before it have left the window."""
        settled = self._settled
        while settled and settled[0][0] <= until:
            minute, ticker = settled.popleft()
            window = self._windows.get(ticker)
            # A provisional market that had vanished may have been listed again.
            if window is not None and (not window.minutes or window.minutes[-1] <= minute):
                del self._windows[ticker]

    def of(self, market_ticker: str, now_ns: int) -> DayStats:
        """The last 24 hours of a market as of ``now_ns``, which must not go back.

        ``NOTHING`` for a market that never moved, and for one that is forgotten.
        """
        window = self._windows.get(market_ticker)
        if window is None:
            return NOTHING
        minute = now_ns // NANOS_PER_MINUTE - WINDOW_MINUTES
        if minute >= window.day_until:
            window.expire(minute)
            bid, ask, price = window.base or (0, 0, 0)
            window.day = DayStats(window.total, price, bid, ask)
            start = window.start
            window.day_until = window.minutes[start] if start < len(window.minutes) else _FOREVER
        return window.day

    def _window(self, market_ticker: str) -> _Window:
        window = self._windows.get(market_ticker)
        if window is None:
            window = self._windows[market_ticker] = _Window()
        return window


def _minute(applied: Applied) -> int:
    return -(-applied.time_ns // NANOS_PER_MINUTE)
