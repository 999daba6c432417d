"""The port of the command log.

A log is a total order of records, durable before anything is acknowledged. Implementations
keep a checksum and a hash chain; one shared suite tests them all.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """One entry. ``sequence`` starts at 1 and has no gaps; ``time_ns`` never goes back."""

    sequence: int
    time_ns: int
    schema_version: int
    """Version of the command encoding in ``payload``."""
    rules_version: int
    """Version of the exchange rules the record was applied under."""
    payload: bytes


class LogError(Exception):
    """The log could not do what was asked."""


class LogUnavailable(LogError):
    """The batch was not made durable (disk full, I/O error); the log may be tried again.

    Nothing of it is there, and nothing will be, unless it is ``in_doubt``: then it was written
    and only the flush failed, so a crash before the next successful append may bring it back.
    """

    def __init__(self, message: str, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class LogDamaged(LogError):
    """A record before the tail fails its checksum or chain; ``sequence`` names it."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"log record {sequence} is damaged: {reason}")
        self.sequence = sequence
        self.reason = reason


class Log(Protocol):
    """Where records live. Calls block; the sequencer makes them off the event loop."""

    def append(self, records: Sequence[Record]) -> None:
        """Make all of ``records`` durable, or none. Returns only after the flush. After a failure
        the next success also makes sure that the failed batch never comes back.

        The first sequence must be ``last_sequence + 1``. Raises ``LogUnavailable``.
        """
        ...

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with a sequence above ``after``, in order, verified as they are read.

        Raises ``LogDamaged`` at the first record that does not verify.
        """
        ...

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest durable record; 0 when the log is empty."""
        ...

    def chain_hash(self, sequence: int) -> bytes:
        """The hash-chain value after ``sequence``; the exchange's fingerprint of its past."""
        ...

    def close(self) -> None: ...
