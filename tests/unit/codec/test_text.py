"""Texts of the public API: exact in both directions, and strict with strangers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.codec import text

MICROS = st.integers(min_value=-(10**15), max_value=10**15)


@pytest.mark.parametrize(
    "micros, expected",
    [
        (0, "0.0000"),
        (410_000, "0.4100"),
        (-410_000, "-0.4100"),
        (1_000_000, "1.0000"),
        (68_148_060_000, "68148.0600"),
        (100, "0.0001"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (1_234_567, "1.234567"),
        (1_234_560, "1.234560"),
    ],
)
def test_dollars_have_four_decimals_unless_more_are_needed(micros: int, expected: str) -> None:
    assert text.dollars(micros) == expected


@given(MICROS)
def test_dollars_come_back_exactly(micros: int) -> None:
    assert text.parse_dollars(text.dollars(micros)) == micros


@given(st.integers(0, 10_000))
def test_prices_come_back_exactly(price: int) -> None:
    assert text.parse_price(text.price_dollars(price)) == price
    assert text.price_dollars(price) == text.dollars(price * 100)


@pytest.mark.parametrize("written", ["0.41", "0.410", "0.4100", "0.41000", "0.410000"])
def test_prices_are_accepted_with_any_number_of_decimals(written: str) -> None:
    assert text.parse_price(written) == 4100


def test_whole_dollars_need_no_point() -> None:
    assert text.parse_dollars("12") == 12_000_000


def test_a_price_off_the_finest_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of"):
        text.parse_price("0.41005")


@pytest.mark.parametrize(
    "hostile",
    [
        *("", ".", "-", "1.", ".5", "+1", "1e3", "NaN", "Infinity", "1_000", " 1", "1\n"),
        *("0x10", "１", "1.0000001", "1,5", "--1", "1.-5", "9" * 14, "9" * 5000),
    ],
)
def test_strange_amounts_are_refused(hostile: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        text.parse_dollars(hostile)
    if hostile != "1.0000001":
        with pytest.raises(ValueError, match="expected"):
            text.parse_count(hostile)


@given(st.integers(-(10**14), 10**14))
def test_counts_come_back_exactly(quantity: int) -> None:
    assert text.parse_count(text.count_fp(quantity)) == quantity


@pytest.mark.parametrize("written", ["10", "10.0", "10.00", "10.0000"])
def test_counts_are_accepted_with_trailing_zeros(written: str) -> None:
    assert text.parse_count(written) == 1000


@pytest.mark.parametrize("written", ["10.001", "10.123", "10.0001"])
def test_a_count_finer_than_a_hundredth_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        text.parse_count(written)


def test_legacy_integers_round_the_documented_way() -> None:
    assert text.price_cents(4199) == 41
    assert text.cents_floor(419_999) == 41
    assert text.cents_ceil(410_001) == 42
    assert text.cents_ceil(410_000) == 41
    assert text.centicents(410_099) == 4100
    assert text.count_floor(2599) == 25
    assert text.count_floor(-2599) == -25


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-12T15:00:20.897212Z",
        "2026-01-12T14:59:36.37315Z",
        "2025-08-28T20:45:00Z",
        "2099-08-01T04:59:00Z",
        "2200-12-01T00:00:00Z",
    ],
)
def test_times_are_written_as_the_recorded_answers_have_them(written: str) -> None:
    assert text.rfc3339(text.parse_rfc3339(written)) == written


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_times_agree_with_the_calendar_of_the_standard_library(ns: int) -> None:
    micros = ns // 1000
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    assert datetime.fromisoformat(text.rfc3339(ns)) == moment
    assert text.parse_rfc3339(text.rfc3339(ns)) == micros * 1000


def test_nanoseconds_are_read_and_offsets_applied() -> None:
    assert text.parse_rfc3339("1970-01-01T00:00:00.000000001Z") == 1
    assert text.parse_rfc3339("1970-01-01T01:00:00+01:00") == 0
    assert text.parse_rfc3339("1969-12-31T19:30:00-04:30") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "2026-01-12", "2026-01-12T15:00:20", "2026-13-12T15:00:20Z", "2026-02-30T15:00:20Z"),
        *(
            "2026-01-12T24:00:00Z",
            "2026-01-12T15:00:60Z",
            "20260112T150020Z",
            "2026-W03-1T00:00:00Z",
        ),
        *("2026-01-12T15:00:20+2400", "2026-01-12T15:00:20+24:00", "0000-01-01T00:00:00Z", "now"),
    ],
)
def test_strange_times_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no such"):
        text.parse_rfc3339(wrong)


def test_seconds_and_milliseconds_round_down() -> None:
    assert text.seconds(1_999_999_999) == 1
    assert text.milliseconds(1_999_999_999) == 1999
    assert text.nanos(2) == 2_000_000_000
