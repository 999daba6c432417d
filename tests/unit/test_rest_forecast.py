"""What strikes and their prices say together about a number."""

from decimal import Decimal

import pytest

from augury.gateways.rest.forecast import Strike, curve, step_of, value_at


def strike(floor: str | None, cap: str | None) -> Strike:
    return Strike(
        f"{floor}-{cap}",
        None if floor is None else Decimal(floor),
        None if cap is None else Decimal(cap),
        0,
    )


def points(*priced: tuple[Strike, float]) -> list[tuple[float, float]]:
    return [(float(value), round(share, 9)) for value, share in curve(priced)]


def test_thresholds_say_how_probable_more_or_less_is() -> None:
    assert points(
        (strike("10", None), 0.9), (strike(None, "20"), 0.4), (strike("30", None), 0.2)
    ) == [
        (10, 0.1),
        (20, 0.4),
        (30, 0.8),
    ]


def test_thresholds_that_contradict_each_other_are_made_ascending() -> None:
    assert points(
        (strike("10", None), 0.5), (strike("20", None), 0.7), (strike("30", None), 0.1)
    ) == [
        (10, 0.5),
        (20, 0.5),
        (30, 0.9),
    ]


def test_ranges_and_tails_are_made_to_add_up_to_one() -> None:
    """Asks above their worth make the sum 1.25."""
    assert points(
        (strike(None, "70"), 0.25),
        (strike("70", "71"), 0.5),
        (strike("72", "73"), 0.25),
        (strike("73", None), 0.25),
    ) == [(70, 0.2), (71, 0.6), (72, 0.6), (73, 0.8)]


def test_ranges_alone_begin_at_nothing() -> None:
    assert points((strike("0", "5"), 0.5), (strike("5", "10"), 0.5)) == [(0, 0), (5, 0.5), (10, 1)]


def test_ranges_that_nobody_believes_in_say_nothing() -> None:
    assert points((strike("0", "5"), 0.0), (strike("5", "10"), 0.0)) == []


@pytest.mark.parametrize(
    "share, value",
    [(0.0, 10), (0.1, 10), (0.25, 15), (0.4, 20), (0.5, 22.5), (0.8, 30), (0.95, 30)],
)
def test_percentiles_lie_on_straight_lines_between_strikes(share: float, value: float) -> None:
    known = [(Decimal(10), 0.1), (Decimal(20), 0.4), (Decimal(30), 0.8)]
    assert value_at(known, share) == pytest.approx(value)


def test_the_step_is_the_distance_between_strikes() -> None:
    assert step_of([strike("0", None), strike("0.25", None), strike("1", None)]) == Decimal("0.25")
    assert step_of([strike("70", "71"), strike("72", "73"), strike("73", None)]) == 1
    assert step_of([strike("70", "71.99"), strike("72", "73.99")]) == 2
    assert step_of([strike("5", None)]) == 1
