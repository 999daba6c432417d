"""The port of snapshots: states of the exchange from which a start continues."""

from typing import NamedTuple, Protocol


class Snapshot(NamedTuple):
    """``payload`` is the encoded state after ``sequence``; ``state_hash`` its digest."""

    sequence: int
    time_ns: int
    state_hash: str
    payload: bytes


class SnapshotStore(Protocol):
    """Keeps a few snapshots. A damaged one is skipped on read, never half-read."""

    def save(self, snapshot: Snapshot) -> None:
        """Durable and visible as a whole, or not at all."""
        ...

    def newest(self, not_after: int | None = None) -> Snapshot | None:
        """The newest intact snapshot with a sequence at most ``not_after``."""
        ...
