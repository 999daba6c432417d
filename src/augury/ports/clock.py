"""The port of time. Only the sequencer asks for it; the core sees the record's time."""

from typing import Protocol


class Clock(Protocol):
    """Nanoseconds since the Unix epoch; never goes back within one process."""

    def now_ns(self) -> int: ...

    def delay_until(self, due_ns: int) -> float | None:
        """Seconds to sleep until ``due_ns``; None when only a command moves this clock."""
        ...
