"""Minutes of a market: which minute a moment belongs to, and what a minute begins with."""

from datetime import UTC, datetime

from augury.projections.candles import (
    DAY,
    HOUR,
    MINUTE,
    CandleBook,
    Resumed,
    minute_end,
    period_end,
    previous_end,
)
from augury.projections.rows import CandleRow

MINUTE_NS = 60_000_000_000


def book(*stored: CandleRow) -> CandleBook:
    """Candles that go on after the stored minutes of one hour."""
    if not stored:
        return CandleBook(lambda ticker: None)
    return CandleBook(lambda ticker: Resumed(stored[-1], list(stored[:-1]), []))


def utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_a_minute_includes_its_end_and_not_its_beginning() -> None:
    assert minute_end(600 * MINUTE_NS) == 36_000
    assert minute_end(600 * MINUTE_NS + 1) == 36_060
    assert minute_end(601 * MINUTE_NS) == 36_060


def test_the_first_minute_begins_with_an_empty_book() -> None:
    candles = book()
    candles.quoted("M", 60, 4_000, 6_000, 0)
    (candle,) = candles.take_changed().minutes

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
    first, second = candles.take_changed().minutes

    assert (first.end_ts, second.end_ts) == (60, 600)
    assert (second.bid_open, second.bid_close) == (4_000, 4_100)
    assert (second.previous_price, second.last_price) == (6_000, 6_000)
    assert (second.volume, second.traded_value, second.open_interest) == (0, 0, 300)


def test_a_change_of_size_only_leaves_no_candle() -> None:
    candles = book()
    candles.quoted("M", 60, 4_000, 6_000, 0)
    candles.take_changed()
    candles.quoted("M", 120, 4_000, 6_000, 0)

    assert candles.take_changed() == ([], [], [])


def test_prices_and_values_of_a_minute() -> None:
    candles = book()
    for price, quantity in ((5_000, 100), (5_300, 200), (4_900, 50), (5_100, 1)):
        candles.traded("M", 60, price, quantity, 7)
    (candle,) = candles.take_changed().minutes

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
    (stored,) = before.take_changed().minutes

    after = book(stored)
    after.traded("M", 60, 5_200, 100, 200)
    (candle,) = after.take_changed().minutes

    assert (candle.price_open, candle.price_close, candle.volume) == (5_000, 5_200, 200)


def test_what_was_not_stored_is_forgotten() -> None:
    candles = book()
    candles.traded("M", 60, 5_000, 100, 100)
    candles.take_changed()
    candles.forget()
    candles.traded("M", 60, 5_200, 100, 200)

    assert candles.take_changed().minutes[0].volume == 100


def test_a_settled_market_is_forgotten_once_what_it_did_is_taken() -> None:
    asked: list[str] = []

    def stored(market_ticker: str) -> Resumed | None:
        asked.append(market_ticker)
        return None

    candles = CandleBook(stored)
    candles.traded("M", 60, 5_000, 100, 100)
    candles.ended("M")
    candles.quoted("M", 60, 0, 10_000, 0)
    (candle,) = candles.take_changed().minutes
    assert (candle.volume, candle.open_interest) == (100, 0)
    assert candles.take_changed() == ([], [], [])
    # A provisional one may be listed again: it goes on where the tables say.
    candles.traded("M", 120, 5_000, 100, 100)

    assert asked == ["M", "M"]


def test_periods_are_named_by_their_end_and_include_it() -> None:
    assert period_end(MINUTE, 3601) == 3660
    assert period_end(HOUR, 3600) == 3600
    assert period_end(HOUR, 3601) == 7200
    assert previous_end(HOUR, 7200) == 3600


def test_days_end_at_midnight_in_new_york() -> None:
    winter, summer = utc(2026, 1, 12, 5), utc(2026, 7, 12, 4)
    assert period_end(DAY, winter) == winter
    assert period_end(DAY, winter + 1) == winter + 86_400
    assert period_end(DAY, summer - 1) == summer
    assert previous_end(DAY, summer) == summer - 86_400


def test_days_of_changed_clocks_have_23_or_25_hours() -> None:
    """March 8 and November 1, 2026."""
    for begin, hours in ((utc(2026, 3, 8, 5), 23), (utc(2026, 11, 1, 4), 25)):
        end = begin + hours * 3600
        assert period_end(DAY, begin) == begin
        assert {period_end(DAY, begin + second) for second in range(1, hours * 3600, 997)} == {end}
        assert period_end(DAY, end) == end
        assert previous_end(DAY, end) == begin
        assert previous_end(DAY, period_end(DAY, end + 1)) == end


def test_an_hour_is_stored_when_its_market_moves_after_it() -> None:
    candles = book()
    candles.traded("M", 60, 5_000, 100, 100)
    candles.traded("M", 3600, 5_500, 300, 400)
    assert candles.take_changed().hours == []
    candles.quoted("M", 3660, 5_100, 5_300, 400)
    (hour,) = candles.take_changed().hours

    assert (hour.end_ts, hour.bid_open, hour.bid_close, hour.ask_close) == (3600, 0, 0, 10_000)
    assert (hour.price_open, hour.price_close, hour.previous_price) == (5_000, 5_500, 0)
    assert (hour.volume, hour.traded_value, hour.open_interest) == (400, 2_150_000, 400)


def test_an_hour_and_a_day_go_on_after_a_restart() -> None:
    before = book()
    before.traded("M", 60, 5_000, 100, 100)
    before.traded("M", 120, 5_100, 100, 200)
    stored = before.take_changed().minutes

    after = book(*stored)
    after.traded("M", 180, 5_200, 100, 300)
    after.traded("M", 86_400, 5_300, 100, 400)
    changed = after.take_changed()

    assert [(hour.end_ts, hour.volume) for hour in changed.hours] == [(3600, 300)]
    # 1970 began at seven in the evening there.
    assert [(day.end_ts, day.volume) for day in changed.days] == [(18_000, 300)]
