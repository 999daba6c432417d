"""A disk that can fail: what a process sees, what is durable, and what a crash leaves of it.

The files of a ``Disk`` are real ones in one directory, which is what running code sees. Beside them
the disk remembers, for each file, what is durable and which writes still wait for a flush. When
the process is killed the files stay as they are; when the power fails, ``lose_power`` decides
sector by sector which of the waiting writes arrived, and rewrites the files accordingly.

``sqlite_vfs`` tells the disk of every operation of SQLite, ``system_calls`` of what other code
writes and flushes.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

SECTOR: Final = 512

CREATE: Final = "create"
WRITE: Final = "write"
TRUNCATE: Final = "truncate"
SYNC: Final = "sync"
DELETE: Final = "delete"
READ: Final = "read"
CHANGES: Final = frozenset({CREATE, WRITE, TRUNCATE, SYNC, DELETE})


class Crashed(BaseException):
    """The process or the machine ended here. Nothing may catch it but the simulation."""


class Fault:
    """Operations of ``kind`` fail, each with ``probability``, until ``until`` in simulated seconds.

    ``area`` is the beginning of the names of the files concerned.
    """

    def __init__(self, kind: str, area: str, until: float, probability: float) -> None:
        self.kind = kind
        self.area = area
        self.until = until
        self.probability = probability


class DiskFile:
    """What of a file is durable, and what was done to it since its last flush, in order."""

    __slots__ = ("durable", "known_name", "name", "waiting")

    def __init__(self, name: str, durable: bytes, known_name: bool) -> None:
        self.name = name
        self.durable = bytearray(durable)
        self.waiting: list[tuple[int, bytes | None]] = []
        """(offset, data), or (size, None) for a file that was cut."""
        self.known_name = known_name
        """Whether the directory remembers the file after a loss of power."""


class Disk:
    """One directory. ``chance`` makes all choices, ``now`` is the simulated time in seconds."""

    def __init__(self, root: Path, chance: Random) -> None:
        self.root = root
        self.chance = chance
        self.now = 0.0
        self.operations = 0
        self.reads_can_fail: Callable[[bool], None] = lambda can_fail: None
        """Told whether ``about_to`` has anything to say to a read; most of the time it has not."""
        self._frozen = False
        self.slow: Callable[[str, str], None] = lambda kind, name: None
        """Called before each operation that changes something; may let others run meanwhile."""
        self._faults: list[Fault] = []
        self.injected: dict[str, int] = {}
        """Failures that were really reported, by kind."""
        self.crash_at = 0
        """The operation that is to be the last; 0 for none."""
        self.crash_area = ""
        """Only operations on files whose names begin with this count as such."""
        self._files: dict[str, DiskFile] = {}
        self._deleted: dict[str, bytes] = {}
        """Files whose removal the directory may forget when the power fails."""
        self._pwrite = os.pwrite
        self._heads: list[bytes] = []
        self._flushed_inodes: set[int] = set()
        self._flushed_names: set[str] = set()

    @property
    def frozen(self) -> bool:
        """After a crash nothing changes any more, until ``thaw``."""
        return self._frozen

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What fails; those whose time has passed may still be among them."""
        return tuple(self._faults)

    def fail(self, *faults: Fault) -> None:
        """From now on ``faults`` occur as well."""
        self._faults = [fault for fault in self._faults if fault.until > self.now]
        self._faults += faults
        self._tell_reads()

    def repair(self) -> None:
        """Nothing fails any more."""
        self._faults.clear()
        self._tell_reads()

    def _tell_reads(self) -> None:
        self.reads_can_fail(self._frozen or any(fault.kind == READ for fault in self._faults))

    # --- what running code does --------------------------------------------------------------

    def name_of(self, path: str) -> str | None:
        """The name of a file on this disk, None for a file elsewhere."""
        place, _, name = path.rpartition("/")
        return name if place == str(self.root) else None

    def opened(self, name: str) -> DiskFile:
        """A file is there, perhaps since a moment ago."""
        file = self._files.get(name)
        if file is None:
            # A file that is empty was just made; any other was there when the simulation began.
            content = (self.root / name).read_bytes()
            file = self._files[name] = DiskFile(name, content, bool(content))
        return file

    def about_to(self, kind: str, name: str) -> int:
        """The error number with which the operation fails; 0 when it may go on.

        Reaching the operation at which a crash was planned freezes the disk.
        """
        if kind in CHANGES and not self._frozen:
            self.slow(kind, name)
        if self._frozen:
            return errno.EIO
        if kind in CHANGES and name.startswith(self.crash_area):
            self.operations += 1
            if self.operations == self.crash_at:
                self.freeze()
                return errno.EIO
        for fault in self._faults:
            if (
                (fault.kind == kind or (fault.kind == "full" and kind in (CREATE, WRITE)))
                and name.startswith(fault.area)
                and self.now < fault.until
                and self.chance.random() < fault.probability
            ):
                self.injected[fault.kind] = self.injected.get(fault.kind, 0) + 1
                return errno.ENOSPC if fault.kind == "full" else errno.EIO
        return 0

    def wrote(self, file: DiskFile, offset: int, data: bytes) -> None:
        file.waiting.append((offset, data))

    def cut(self, file: DiskFile, size: int) -> None:
        file.waiting.append((size, None))

    def synced(self, file: DiskFile) -> None:
        """A flush of one file. SQLite flushes the directory with a new write-ahead file."""
        for offset, data in file.waiting:
            _put(file.durable, offset, data)
        file.waiting.clear()
        if file.name.endswith(("-wal", "-journal")):
            file.known_name = True
            self._deleted.pop(file.name, None)

    def sync_failed(self, file: DiskFile) -> None:
        """What a failed flush leaves: any part was written, the rest is forgotten by the kernel.

        A later flush that succeeds says nothing about it (as Linux does it).
        """
        for offset, data in file.waiting:
            if self.chance.random() < 0.5:
                _put(file.durable, offset, data)
        file.waiting.clear()

    def deleted(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None and file.known_name:
            self._deleted[name] = bytes(file.durable)

    def _note_head(self) -> None:
        """Remember the head file as it is: it is never flushed, so any of them may be found."""
        path = self.root / "log.head"
        if path.exists():
            data = path.read_bytes()
            if not self._heads or self._heads[-1] != data:
                self._heads.append(data)

    def fsync(self, descriptor: int) -> None:
        """What ``os.fsync`` does on this disk."""
        found = os.fstat(descriptor)
        name = self._name_of_inode(found.st_ino)
        if name is None:
            return
        number = self.about_to(SYNC, name)
        if self.frozen:
            raise Crashed
        known = self._files.get(name)
        if number:
            if known is not None:
                self.sync_failed(known)
            raise OSError(number, os.strerror(number))
        if known is not None:
            self.synced(known)
        elif stat.S_ISDIR(found.st_mode):
            for file_name, file in self._files.items():
                file.known_name = file.known_name or (self.root / file_name).exists()
            self._deleted.clear()
            self._flushed_names = {str(path) for path in self._snapshot_files()}
        else:
            self._flushed_inodes.add(found.st_ino)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """What ``os.pwrite`` does on this disk."""
        name = self._name_of_inode(os.fstat(descriptor).st_ino)
        if name is None:
            return self._pwrite(descriptor, data, offset)
        number = self.about_to(WRITE, name)
        if number:
            raise OSError(number, os.strerror(number))
        written = self._pwrite(descriptor, data, offset)
        known = self._files.get(name)
        if known is not None:
            self.wrote(known, offset, data[:written])
        else:
            self._note_head()
        return written

    def _name_of_inode(self, inode: int) -> str | None:
        """The name of an open file or directory, None for one elsewhere."""
        folder = self.root / "snapshots"
        for path in (self.root, folder, *self.root.iterdir(), *self._snapshot_files()):
            if path.exists() and path.stat().st_ino == inode:
                return path.name if path.parent == self.root else "snapshot"
        return None

    @contextlib.contextmanager
    def system_calls(self) -> Iterator[None]:
        """Within this block ``os.fsync`` and ``os.pwrite`` are the disk's."""
        fsync, pwrite = os.fsync, os.pwrite
        self._pwrite = pwrite
        os.fsync = self.fsync  # type: ignore[assignment]
        os.pwrite = self.pwrite  # type: ignore[assignment]
        try:
            yield
        finally:
            os.fsync = fsync
            os.pwrite = pwrite

    # --- crashes -----------------------------------------------------------------------------

    @property
    def unflushed(self) -> int:
        """Writes that a loss of power could undo."""
        return sum(len(file.waiting) for file in self._files.values())

    def freeze(self) -> None:
        self._frozen = True
        self._tell_reads()

    def thaw(self) -> None:
        """The process may start again. Everybody who used the files must have let go of them."""
        self._frozen = False
        self._tell_reads()
        self.crash_at = 0
        self.crash_area = ""
        # Memory that the processes shared does not outlive them.
        for path in self.root.glob("*-shm"):
            path.unlink()

    def forget(self) -> None:
        """Somebody put other files in place, and flushed them."""
        self._files.clear()
        self._deleted.clear()
        self._heads.clear()

    def remove(self, name: str, for_good: bool = False) -> None:
        """Somebody deletes a database while it is in use; ``for_good`` flushes the directory, too,
        so that it does not come back when the power fails.
        """
        for path in self.root.glob(f"{name}*"):
            path.unlink()
            self.deleted(path.name)
            if for_good:
                self._deleted.pop(path.name, None)

    def lose_power(self) -> None:
        """Turn the files into what the machine finds when it is switched on again."""
        for name, file in list(self._files.items()):
            path = self.root / name
            if file.known_name or self.chance.random() < 0.5:
                path.write_bytes(self._what_arrived(file))
            else:
                path.unlink(missing_ok=True)
        for name, content in self._deleted.items():
            path = self.root / name
            if not path.exists() and self.chance.random() < 0.5:
                path.write_bytes(content)
        self._files.clear()
        self._deleted.clear()
        self._lose_head()
        self._lose_snapshots()

    def _what_arrived(self, file: DiskFile) -> bytes:
        """The durable part and a choice of the rest: a beginning of it, or any of its sectors."""
        content = bytearray(file.durable)
        waiting = file.waiting
        whole = self.chance.randint(0, len(waiting)) if self.chance.random() < 0.5 else 0
        for offset, data in waiting[:whole]:
            _put(content, offset, data)
        share = self.chance.choice((0.0, 0.3, 0.7, 1.0))
        for offset, data in waiting[whole:]:
            if data is None:
                if self.chance.random() < share:
                    _put(content, offset, None)
                continue
            start = 0
            while start < len(data):
                end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
                if self.chance.random() < share:
                    _put(content, offset + start, data[start:end])
                start = end
        return bytes(content)

    def _lose_head(self) -> None:
        self._note_head()
        path = self.root / "log.head"
        if not self._heads:
            return
        newest = self.chance.randint(1, min(len(self._heads), 20))
        data = self._heads[-newest]
        if newest > 1 and self.chance.random() < 0.2:
            # Torn between two versions.
            place = self.chance.randint(0, len(data))
            data = self._heads[1 - newest][:place] + data[place:]
        elif self.chance.random() < 0.05:
            data = b""
        path.write_bytes(data)
        self._heads = [data]

    def _snapshot_files(self) -> list[Path]:
        return sorted(self.root.glob("snapshots/*"))

    def _lose_snapshots(self) -> None:
        for path in self._snapshot_files():
            if path.stat().st_ino not in self._flushed_inodes:
                size = path.stat().st_size
                os.truncate(path, self.chance.randint(0, size))
            if str(path) not in self._flushed_names and self.chance.random() < 0.5:
                path.unlink()
        self._flushed_inodes = {path.stat().st_ino for path in self._snapshot_files()}
        self._flushed_names = {str(path) for path in self._snapshot_files()}

    # --- decay -------------------------------------------------------------------------------

    def rot(self, area: str) -> tuple[Path, bytes] | None:
        """Damage one file whose name begins with ``area``; it and what it held before.

        None when there is nothing to damage. Only while nobody has the files open.
        """
        files = [
            path
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
            and str(path.relative_to(self.root)).startswith(area)
            and not path.name.endswith("-shm")
            and path.stat().st_size > 0
        ]
        if not files:
            return None
        path = self.chance.choice(files)
        before = path.read_bytes()
        data = bytearray(before)
        kind = self.chance.randrange(4)
        if kind < 2:
            for _ in range(self.chance.choice((1, 1, 8))):
                data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        elif kind == 2:
            start = self.chance.randrange(len(data)) // SECTOR * SECTOR
            data[start : start + SECTOR] = bytes(len(data[start : start + SECTOR]))
        else:
            del data[self.chance.randrange(len(data)) :]
        path.write_bytes(data)
        self._files.pop(path.name, None)
        return path, before


def _put(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        if offset < len(content):
            del content[offset:]
        else:
            content.extend(bytes(offset - len(content)))
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
