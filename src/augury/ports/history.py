"""The port through which gateways learn how far history is."""

from typing import NamedTuple, Protocol


class HistoryStatus(NamedTuple):
    """How far history is behind the exchange."""

    position: int
    """Sequence of the newest record that is stored."""
    target: int
    """Sequence of the newest record that was applied."""
    time_ns: int
    """Exchange time of ``position``; 0 when nothing is stored."""
    last_error: str
    """Why history is not moving, or empty."""

    @property
    def lag(self) -> int:
        """Records applied and not yet stored."""
        return max(0, self.target - self.position)


class HistoryProgress(Protocol):
    """What a reader may ask of a running history. Calls belong to the event loop's thread."""

    @property
    def position(self) -> int:
        """Sequence of the newest record that queries see."""
        ...

    def status(self) -> HistoryStatus: ...

    async def wait_for(self, sequence: int, timeout_seconds: float = 1.0) -> bool:
        """True once queries see everything up to ``sequence``, False after the timeout.

        Members read what they wrote by awaiting the sequence of the state before they query.
        """
        ...
