"""Numbers and times as FIX fields have them (fix.md, section 7)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.gateways.fix import values

NANOS = 1_000_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NANOS


@pytest.mark.parametrize(
    "price,cents,dollars",
    [(4100, "41", "0.4100"), (7250, "72.5", "0.7250"), (123, "1.23", "0.0123"), (0, "0", "0.0000")],
)
def test_a_price_in_both_modes(price: int, cents: str, dollars: str) -> None:
    assert values.price_text(price, False) == cents
    assert values.price_text(price, True) == dollars


@given(st.integers(1, 9999), st.booleans())
def test_a_price_comes_back(price: int, use_dollars: bool) -> None:
    assert values.parse_price(values.price_text(price, use_dollars), use_dollars) == price


@pytest.mark.parametrize("text", ["0", "0.00", "100", "-1", "41.001", "4100"])
def test_what_is_no_price_in_cents(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|decimals"):
        values.parse_price(text, False)


@pytest.mark.parametrize("text", ["0", "1", "1.00", "0.41005", "41", "-0.41"])
def test_what_is_no_price_in_dollars(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|decimals"):
        values.parse_price(text, True)


@given(st.integers(1, 10**11))
def test_a_quantity_comes_back(quantity: int) -> None:
    assert values.parse_quantity(values.quantity_text(quantity)) == quantity
    assert values.parse_quantity(values.size_text(quantity)) == quantity


@pytest.mark.parametrize("text", ["0", "0.00", "1.001", "1000000001", "999999999999999"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantity|decimals"):
        values.parse_quantity(text)


@pytest.mark.parametrize(
    "micros,text",
    [(0, "0.00"), (-4_100_000, "-4.10"), (17_500, "0.0175"), (-5, "-0.000005"), (10_000, "0.01")],
)
def test_an_amount(micros: int, text: str) -> None:
    assert values.amount_text(micros) == text


@pytest.mark.parametrize(
    "value,quantity,cents,dollars",
    [
        (0, 0, "0", "0"),
        (4100 * 100, 100, "41", "0.4100"),
        (4100 * 100 + 4000 * 200, 300, "40.33", "0.4033"),
        (4000 * 100 + 4001 * 100, 200, "40.01", "0.4001"),
    ],
)
def test_an_average(value: int, quantity: int, cents: str, dollars: str) -> None:
    assert values.average_text(value, quantity, False) == cents
    assert values.average_text(value, quantity, True) == dollars


@pytest.mark.parametrize(
    "now,end",
    [
        # Winter: New York is five hours behind. 3 in the morning UTC is still yesterday there.
        ("2026-01-15T12:00:00", "2026-01-16T05:00:00"),
        ("2026-01-15T03:00:00", "2026-01-15T05:00:00"),
        # Summer: four hours.
        ("2026-07-15T12:00:00", "2026-07-16T04:00:00"),
        # Days of 23 and 25 hours: the offset is that of the evening.
        ("2026-03-08T06:30:00", "2026-03-09T04:00:00"),
        ("2026-11-01T05:30:00", "2026-11-02T05:00:00"),
    ],
)
def test_a_day_ends_in_new_york(now: str, end: str) -> None:
    assert values.end_of_day(at(now)) == at(end) - 1_000_000


def test_times() -> None:
    ns = at("2026-03-01T14:00:05") + 120_999_999
    assert values.time_text(ns) == "20260301-14:00:05.120"
    assert values.parse_time("20260301-14:00:05.120") == at("2026-03-01T14:00:05") + 120_000_000
    assert values.parse_time("20260301-14:00:05") == at("2026-03-01T14:00:05")
    assert values.parse_time("20260301-14:00:05.123456789") == ns + 2_456_790
    with pytest.raises(ValueError, match="day"):
        values.parse_time("20260230-14:00:05")
    assert values.business_date(at("2026-03-02T04:00:00")) == "20260301"
