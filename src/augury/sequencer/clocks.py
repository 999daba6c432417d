"""The clocks of an exchange: the machine's, or one that only moves when it is told to."""

import time
from collections.abc import Callable
from typing import Final

from augury.core.units import NANOS_PER_SECOND

_NANOS: Final = float(NANOS_PER_SECOND)


class RealClock:
    """The machine's time, except that it never goes back.

    When the machine's clock is set back, this one stands still until the other has caught up:
    a due time then means the same instant to everybody, and no two records swap their order.
    """

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._latest = 0

    def now_ns(self) -> int:
        now = self._wall_ns()
        if now < self._latest:
            return self._latest
        self._latest = now
        return now

    def delay_until(self, due_ns: int) -> float | None:
        """Seconds until the machine's clock shows ``due_ns``; 0 when it is past."""
        if self.now_ns() >= due_ns:
            return 0.0
        # Asked of the machine, not of this clock: while this one stands still the other moves on.
        return max(0.0, (due_ns - self._wall_ns()) / _NANOS)


class VirtualClock:
    """Stands still at ``start_ns`` until it is moved forward."""

    def __init__(self, start_ns: int) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        return self._now

    def delay_until(self, due_ns: int) -> float | None:
        return None

    def move_to(self, time_ns: int) -> None:
        """Raises ``ValueError`` when that would be backwards."""
        if time_ns < self._now:
            raise ValueError("the clock cannot go back")
        self._now = time_ns
