"""Minutes of a market: which minute a moment belongs to, and what a minute begins with."""

from augury.projections.candles import CandleBook, minute_end
from augury.projections.rows import CandleRow

MINUTE_NS = 60_000_000_000


def book(*stored: CandleRow) -> CandleBook:
    by_ticker = {candle.market_ticker: candle for candle in stored}
    return CandleBook(by_ticker.get)


def test_a_minute_includes_its_end_and_not_its_beginning() -> None:
    assert minute_end(600 * MINUTE_NS) == 36_000
    assert minute_end(600 * MINUTE_NS + 1) == 36_060
    assert minute_end(601 * MINUTE_NS) == 36_060


def test_the_first_minute_begins_with_an_empty_book() -> None:
    candles = book()
    candles.quoted("M", 60, 4_000, 6_000, 0)
    (candle,) = candles.take_changed()

    assert (candle.bid_open, candle.bid_high, candle.bid_low, candle.bid_close) == (
        0,
        4_000,
        0,
        4_000,
    )
    assert (candle.ask_open, candle.ask_high, candle.ask_low, candle.ask_close) == (
        10_000,
        10_000,
        6_000,
        6_000,
    )
    assert candle.price_open == candle.last_price == candle.previous_price == 0


def test_a_later_minute_carries_quotes_prices_and_interest_forward() -> None:
    candles = book()
    candles.quoted("M", 60, 4_000, 6_000, 0)
    candles.traded("M", 60, 6_000, 300, 300)
    candles.quoted("M", 600, 4_100, 6_000, 300)
    first, second = candles.take_changed()

    assert (first.end_ts, second.end_ts) == (60, 600)
    assert (second.bid_open, second.bid_close) == (4_000, 4_100)
    assert (second.previous_price, second.last_price) == (6_000, 6_000)
    assert (second.volume, second.traded_value, second.open_interest) == (0, 0, 300)


def test_a_change_of_size_only_leaves_no_candle() -> None:
    candles = book()
    candles.quoted("M", 60, 4_000, 6_000, 0)
    candles.take_changed()
    candles.quoted("M", 120, 4_000, 6_000, 0)

    assert candles.take_changed() == []


def test_prices_and_values_of_a_minute() -> None:
    candles = book()
    for price, quantity in ((5_000, 100), (5_300, 200), (4_900, 50), (5_100, 1)):
        candles.traded("M", 60, price, quantity, 7)
    (candle,) = candles.take_changed()

    assert (candle.price_open, candle.price_high, candle.price_low, candle.price_close) == (
        5_000,
        5_300,
        4_900,
        5_100,
    )
    assert candle.volume == 351
    assert candle.traded_value == 5_000 * 100 + 5_300 * 200 + 4_900 * 50 + 5_100
    assert candle.last_price == 5_100


def test_the_open_minute_goes_on_after_a_restart() -> None:
    before = book()
    before.traded("M", 60, 5_000, 100, 100)
    (stored,) = before.take_changed()

    after = book(stored)
    after.traded("M", 60, 5_200, 100, 200)
    (candle,) = after.take_changed()

    assert (candle.price_open, candle.price_close, candle.volume) == (5_000, 5_200, 200)


def test_what_was_not_stored_is_forgotten() -> None:
    candles = book()
    candles.traded("M", 60, 5_000, 100, 100)
    candles.take_changed()
    candles.forget()
    candles.traded("M", 60, 5_200, 100, 200)

    assert candles.take_changed()[0].volume == 100
