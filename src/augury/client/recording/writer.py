"""Writes a recording. Owns the directory while it is open; a second writer is refused.

What has been handed over is in memory until ``flush``, which writes it as one block, makes it
durable, and only then enters it into the index. A process that is killed at any moment leaves
every flushed block readable; at most one incomplete block follows, which readers pass over.
"""

import fcntl
import os
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from augury.client.recording.format import (
    CLOSED,
    FILE,
    GAP,
    MESSAGE,
    OPENED,
    STATE,
    VERSION,
    Entry,
    Record,
    RecordingError,
    data_files,
    data_name,
    index_path,
    pack_block,
    pack_record,
)
from augury.client.recording.reader import Recording
from augury.client.recording.state import FeedState, Seen

BLOCK_BYTES: Final = 256 * 1024
"""How much of a busy stream is compressed together."""

_encode: Final = msgspec.json.Encoder().encode


class RecordingWriter:
    """Appends to the recording in ``directory``, which is made when it is missing.

    A new file is begun whenever the writer is opened, and when the present one has
    ``rotate_bytes`` (compressed) or is ``rotate_seconds`` old. Raises ``RecordingError`` when the
    directory belongs to another writer, holds a damaged recording, or cannot be written.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        block_bytes: int = BLOCK_BYTES,
        rotate_bytes: int | None = None,
        rotate_seconds: float | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.directory = Path(directory)
        self.state = FeedState()
        self.messages = 0
        """How many messages this writer has taken."""
        self._block_bytes = block_bytes
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._now_ns = now_ns
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._file: FileIO | None = None
        self._index: FileIO | None = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = (self.directory / "lock").open("ab")
        except OSError as error:
            raise RecordingError(f"{self.directory}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise RecordingError(f"{self.directory}: another recorder writes here") from None
        try:
            self._continue()
        except BaseException:
            self._lock.close()
            raise

    def _continue(self) -> None:
        """Find out where the recording ends."""
        self._number = 0
        self._blocks = 0
        self._last_ns = 0
        self._connection = 0
        self._previous: dict[str, Any] | None = None
        earlier = Recording(self.directory)
        # Including one that a recorder left behind when it was killed as it began a file.
        for number, _ in data_files(self.directory):
            self._number = number
        if earlier.files:
            newest = earlier.files[-1]
            self._previous = {"file": newest.path.name, "blocks": len(newest.entries)}
            self._last_ns = earlier.last_ns
            # The number is in every record, and the newest file has at least its head.
            self._connection = earlier.last_connection
        self._begin_file()

    # --- what is recorded --------------------------------------------------------------------

    def opened(self, details: dict[str, Any]) -> int:
        """A connection is open; returns its number, which counts through the whole recording."""
        self._connection += 1
        self.state.opened(self._connection)
        self._note(OPENED, details)
        return self._connection

    def closed(self, reason: str) -> None:
        """The connection is gone; until the next one nothing is known."""
        self.state.closed()
        self._note(CLOSED, {"reason": reason})

    def message(self, data: bytes, received_ns: int | None = None) -> Seen:
        """One message exactly as it was received; a ``seq`` that is missing is noted."""
        # First, because a new file begins with the state before this message.
        if self._pending_bytes >= self._block_bytes:
            self.flush()
        seen = self.state.apply(data)
        if seen.expected_seq is not None:
            self._note(
                GAP,
                {"sid": seen.sid, "expected_seq": seen.expected_seq, "received_seq": seen.seq},
                received_ns,
            )
        self._add(MESSAGE, data, received_ns)
        self.messages += 1
        entry = self._entry
        entry.messages += 1
        if seen.market:
            self._markets[seen.market] = None
        if seen.sid is not None and seen.seq is not None:
            key = f"{self._connection}/{seen.sid}"
            entry.seqs[key] = (entry.seqs.get(key, (seen.seq, 0))[0], seen.seq)
        return seen

    def _note(self, kind: str, content: Any, received_ns: int | None = None) -> None:
        self._add(kind, _encode(content), received_ns)
        self._entry.notes += 1

    def _add(self, kind: str, data: bytes, received_ns: int | None) -> None:
        # Clocks are set back; the order of a recording is that of arrival.
        now = self._now_ns() if received_ns is None else received_ns
        self._last_ns = now = max(now, self._last_ns)
        if not self._pending:
            self._new_entry(now)
        self._entry.last_ns = now
        line = pack_record(Record(kind, now, self._connection, data))
        self._pending.append(line)
        self._pending_bytes += len(line)

    def _new_entry(self, now: int) -> None:
        self._markets: dict[str, None] = {}
        self._entry = Entry(self._blocks + 1, self._offset, 0, now, now, seqs={})

    # --- files -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what has come since the last time, durably. Raises ``RecordingError``."""
        if self._pending:
            self._write_block()
            self._rotate_if_due()

    def _rotate_if_due(self) -> None:
        begun = self._file_began_ns
        if (self._rotate_bytes is not None and self._offset >= self._rotate_bytes) or (
            self._rotate_seconds is not None
            and self._last_ns - begun >= self._rotate_seconds * 1_000_000_000
        ):
            self._end_file()
            self._begin_file()

    def _write_block(self) -> None:
        assert self._file is not None
        assert self._index is not None
        block = pack_block(self._blocks + 1, b"".join(self._pending))
        entry = self._entry
        entry.size = len(block)
        entry.markets = list(self._markets)
        try:
            _write_whole(self._file, block)
            os.fdatasync(self._file.fileno())
            _write_whole(self._index, _encode(entry) + b"\n")
        except OSError as error:
            self._pending.clear()
            self._pending_bytes = 0
            raise RecordingError(
                f"{self.path}: block {entry.block} cannot be written: {error.strerror}"
            ) from None
        self._blocks += 1
        self._offset += len(block)
        self._pending.clear()
        self._pending_bytes = 0

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self.directory / data_name(self._number)

    def _begin_file(self) -> None:
        self._number += 1
        head: dict[str, Any] = {"version": VERSION, "number": self._number}
        if self._previous is not None:
            head["previous"] = self._previous
        self._blocks = 0
        self._offset = 0
        try:
            # Unbuffered: a block is one write, which is there or not.
            self._file = FileIO(self.path, "x")
            self._index = FileIO(index_path(self.path), "w")
        except OSError as error:
            raise RecordingError(f"{self.path}: {error.strerror}") from None
        self._note(FILE, head)
        self._file_began_ns = self._last_ns
        self._add(STATE, self.state.to_json(), None)
        self._entry.notes += 1
        self._write_block()

    def _end_file(self) -> None:
        self._previous = {"file": self.path.name, "blocks": self._blocks}
        for file in (self._file, self._index):
            if file is not None:
                file.close()
        self._file = self._index = None

    def close(self) -> None:
        """Flush and let others write. Does nothing the second time."""
        if self._lock.closed:
            return
        try:
            if self._pending:
                self._write_block()
        finally:
            self._end_file()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _write_whole(file: FileIO, data: bytes) -> None:
    """A full disk takes a part first and refuses only the rest."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) or 0 :]
