"""The head of a log on disk: who writes it, and how far it was acknowledged.

A small file beside the log with two duties.

Its lock belongs to the one process that may append. The lock is the kernel's, so it goes away with
the process however that ends.

Its content names the newest record that was acknowledged, with its chain. It is written after each
flush and never flushed itself: after a loss of power it may lag behind the log but never be ahead
of it. So a log that ends before its head has lost something that was promised: the file was cut,
its write-ahead part was removed or damaged in the middle, or an old copy was put in its place. A
database alone cannot notice that; it would start with less and say nothing.
"""

import fcntl
import os
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from augury.ports.log import LogError

_LAYOUT: Final = Struct("<8sQ32sQ")
_MAGIC: Final = b"augury 1"
_SIZE: Final = _LAYOUT.size + 4


class LogInUse(LogError):
    """Another process, or another part of this one, writes to the log."""


class HeadState(NamedTuple):
    """The newest acknowledged record, its chain, and the process that wrote it."""

    sequence: int
    chain: bytes
    process_id: int


def read_head(path: Path) -> HeadState | None:
    """What the head file says; None when there is none or when it is not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return _parse(data)


def _parse(data: bytes) -> HeadState | None:
    if len(data) != _SIZE or crc32(data[: _LAYOUT.size]) != int.from_bytes(data[-4:], "little"):
        return None
    magic, sequence, chain, process_id = _LAYOUT.unpack_from(data)
    return HeadState(sequence, chain, process_id) if magic == _MAGIC else None


class Head:
    """The locked head file of the writing process. Raises ``LogInUse`` when it is taken."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _parse(os.pread(self._file, _SIZE + 1, 0))
            os.close(self._file)
            who = f" (process {holder.process_id})" if holder is not None else ""
            raise LogInUse(f"{path.parent}: another process{who} already writes here") from None

    def read(self) -> HeadState | None:
        return _parse(os.pread(self._file, _SIZE + 1, 0))

    def write(self, sequence: int, chain: bytes) -> None:
        """Note that everything up to ``sequence`` is durable and will be acknowledged.

        Never fails: without it a later loss might go unnoticed, but nothing is lost now.
        """
        data = _LAYOUT.pack(_MAGIC, sequence, chain, os.getpid())
        try:
            os.pwrite(self._file, data + crc32(data).to_bytes(4, "little"), 0)
        except OSError:
            pass

    def close(self) -> None:
        """Give up the lock. May be called again: the number may be another file's by then."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
