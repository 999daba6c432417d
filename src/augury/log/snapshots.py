"""Snapshots as files in a directory. Owns their names, their framing and how many are kept.

A snapshot is written under a temporary name, flushed, then renamed and the directory flushed, so it
is there as a whole or not at all. A file that does not verify is passed over with a warning: an
older snapshot and more of the log lead to the same state.
"""

import contextlib
import logging
import os
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Final

from augury.files import flush_directory
from augury.ports.snapshots import Snapshot

logger = logging.getLogger(__name__)

_HEAD: Final = Struct("<8sQQ64s")
_MAGIC: Final = b"augury s"
_SUFFIX: Final = ".snapshot"
_CHECKSUM_SIZE: Final = 32


class DirectorySnapshots:
    """Implements ``ports.snapshots.SnapshotStore``; keeps the newest ``keep``."""

    def __init__(self, path: Path, keep: int = 3) -> None:
        self._path = path
        self._keep = keep

    def save(self, snapshot: Snapshot) -> None:
        """Raises ``OSError`` when the disk does not take it; what was there stays."""
        self._path.mkdir(parents=True, exist_ok=True)
        final = self._path / f"{snapshot.sequence:016d}{_SUFFIX}"
        temporary = final.with_suffix(f".{os.getpid()}.tmp")
        head = _HEAD.pack(
            _MAGIC, snapshot.sequence, snapshot.time_ns, snapshot.state_hash.encode("ascii")
        )
        checksum = sha256(head)
        checksum.update(snapshot.payload)
        try:
            with temporary.open("wb") as file:
                file.write(head)
                file.write(snapshot.payload)
                file.write(checksum.digest())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_directory(self._path)
        self._tidy()

    def newest(self, not_after: int | None = None) -> Snapshot | None:
        for path in self._files():
            if not_after is not None and int(path.stem) > not_after:
                continue
            snapshot = self._load(path)
            if snapshot is not None:
                return snapshot
        return None

    def _files(self) -> list[Path]:
        """Newest first, by name: nothing is opened that is not asked for."""
        return sorted(
            (path for path in self._path.glob(f"*{_SUFFIX}") if path.stem.isdecimal()),
            key=lambda path: int(path.stem),
            reverse=True,
        )

    def _load(self, path: Path) -> Snapshot | None:
        try:
            data = path.read_bytes()
        except OSError as error:
            logger.warning("snapshot %s is passed over: %s", path, error.strerror)
            return None
        body = memoryview(data)[:-_CHECKSUM_SIZE]
        if len(body) < _HEAD.size or sha256(body).digest() != data[-_CHECKSUM_SIZE:]:
            logger.warning("snapshot %s is passed over: it does not match its checksum", path)
            return None
        magic, sequence, time_ns, state_hash = _HEAD.unpack_from(body)
        if magic != _MAGIC or sequence != int(path.stem):
            logger.warning("snapshot %s is passed over: it is something else", path)
            return None
        return Snapshot(sequence, time_ns, state_hash.decode("ascii"), bytes(body[_HEAD.size :]))

    def _tidy(self) -> None:
        """Remove what is no longer kept, and what a crash left half-written."""
        for path in self._files()[self._keep :]:
            with contextlib.suppress(OSError):
                path.unlink()
        for path in self._path.glob("*.tmp"):
            process_id = path.stem.rpartition(".")[2]
            if not (process_id.isdecimal() and _is_alive(int(process_id))):
                with contextlib.suppress(OSError):
                    path.unlink()


class MemorySnapshots:
    """Snapshots of one process, for tests."""

    def __init__(self, keep: int = 3) -> None:
        self._keep = keep
        self._snapshots: dict[int, Snapshot] = {}

    def save(self, snapshot: Snapshot) -> None:
        self._snapshots[snapshot.sequence] = snapshot
        for sequence in sorted(self._snapshots)[: -self._keep]:
            del self._snapshots[sequence]

    def newest(self, not_after: int | None = None) -> Snapshot | None:
        fitting = [s for s in self._snapshots if not_after is None or s <= not_after]
        return self._snapshots[max(fitting)] if fitting else None


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
