"""Minute candles: what quotes, trades and open interest did in each minute with a change.

Owns the open minute of every market in memory and the rule that turns events into it. A minute
is named by its end in Unix seconds, which belongs to it (rest reference, section 3). Memory
only mirrors what is stored: after a failed transaction it is forgotten and read back.
"""

from collections.abc import Callable
from typing import Final

from augury.core.units import NANOS_PER_SECOND, PRICE_ONE
from augury.projections.rows import CandleRow

MINUTE_SECONDS: Final = 60
NANOS_PER_MINUTE: Final = MINUTE_SECONDS * NANOS_PER_SECOND


def minute_end(time_ns: int) -> int:
    """End (Unix seconds) of the minute that holds ``time_ns``; an end belongs to its minute."""
    return -(-time_ns // NANOS_PER_MINUTE) * MINUTE_SECONDS


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


class CandleBook:
    """The open minute of each market. ``stored`` reads a market's newest stored candle."""

    def __init__(self, stored: Callable[[str], CandleRow | None]) -> None:
        self._stored = stored
        self._open: dict[str, CandleRow] = {}
        self._dirty: set[str] = set()
        self._finished: list[CandleRow] = []

    def quoted(
        self, market_ticker: str, end_ts: int, bid: int, ask: int, open_interest: int
    ) -> None:
        """The best prices are now ``bid`` and ``ask``; changes of size leave no candle."""
        candle = self._open.get(market_ticker)
        if candle is None:
            candle = self._load(market_ticker, end_ts)
        if (
            bid == candle.bid_close
            and ask == candle.ask_close
            and open_interest == candle.open_interest
        ):
            return
        if candle.end_ts != end_ts:
            candle = self._turn(candle, end_ts)
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
        candle = self._open.get(market_ticker)
        if candle is None:
            candle = self._load(market_ticker, end_ts)
        if candle.end_ts != end_ts:
            candle = self._turn(candle, end_ts)
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

    def take_changed(self) -> list[CandleRow]:
        """Candles that differ from what is stored. They count as stored from now on."""
        changed = self._finished
        self._finished = []
        changed.extend(self._open[ticker] for ticker in sorted(self._dirty))
        self._dirty.clear()
        return changed

    def forget(self) -> None:
        """What was taken did not get stored: read everything anew."""
        self._open.clear()
        self._dirty.clear()
        self._finished.clear()

    def _load(self, market_ticker: str, end_ts: int) -> CandleRow:
        candle = self._stored(market_ticker) or first_candle(market_ticker, end_ts)
        self._open[market_ticker] = candle
        return candle

    def _turn(self, candle: CandleRow, end_ts: int) -> CandleRow:
        """Begin the minute ``end_ts``; the one before is complete."""
        if candle.market_ticker in self._dirty:
            self._finished.append(candle)
        fresh = next_candle(candle, end_ts)
        self._open[candle.market_ticker] = fresh
        return fresh
