"""Exchange time goes forward, whatever the machine's clock does."""

import pytest

from augury.sequencer.clocks import RealClock, VirtualClock

SECOND = 1_000_000_000


class Wall:
    """A machine's clock that can be set."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def test_a_clock_that_is_set_back_stands_still_until_it_is_caught_up() -> None:
    wall = Wall(100 * SECOND)
    clock = RealClock(wall)
    assert clock.now_ns() == 100 * SECOND
    wall.now_ns = 40 * SECOND
    assert clock.now_ns() == 100 * SECOND
    wall.now_ns = 99 * SECOND
    assert clock.now_ns() == 100 * SECOND
    wall.now_ns = 101 * SECOND
    assert clock.now_ns() == 101 * SECOND


def test_a_delay_is_measured_on_the_machines_clock() -> None:
    wall = Wall(100 * SECOND)
    clock = RealClock(wall)
    assert clock.delay_until(103 * SECOND) == 3.0
    assert clock.delay_until(99 * SECOND) == 0.0
    wall.now_ns = 90 * SECOND
    assert clock.delay_until(103 * SECOND) == 13.0
    assert clock.delay_until(95 * SECOND) == 0.0


def test_a_virtual_clock_moves_only_forward_and_only_when_told() -> None:
    clock = VirtualClock(50 * SECOND)
    assert clock.now_ns() == 50 * SECOND
    assert clock.delay_until(51 * SECOND) is None
    clock.move_to(60 * SECOND)
    assert clock.now_ns() == 60 * SECOND
    with pytest.raises(ValueError, match="back"):
        clock.move_to(59 * SECOND)
