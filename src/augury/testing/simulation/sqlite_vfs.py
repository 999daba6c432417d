"""Real SQLite on a simulated disk: a file system layer for SQLite that reports to a ``Disk``.

SQLite reaches files through a table of functions. This module registers a copy of SQLite's own
table in which the functions that change a file first ask the disk, then do their work, then tell
the disk of it; locks and shared memory stay SQLite's. So the code under test is the production
code down to the last page of the database and its write-ahead file, and only what a disk does
when it fails is simulated.

It needs the SQLite library that Python uses to be reachable with ``ctypes``, as it is wherever
Python was not linked with a private copy; ``missing`` says why it is not.
"""

import _sqlite3
import contextlib
import ctypes
import errno
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from augury.testing.simulation.disk import (
    CREATE,
    DELETE,
    READ,
    SYNC,
    TRUNCATE,
    WRITE,
    Crashed,
    Disk,
    DiskFile,
)

OK: Final = 0
FULL: Final = 13
IOERR_READ: Final = 10 | 1 << 8
IOERR_WRITE: Final = 10 | 3 << 8
IOERR_FSYNC: Final = 10 | 4 << 8
IOERR_TRUNCATE: Final = 10 | 6 << 8
IOERR_DELETE: Final = 10 | 10 << 8
CANTOPEN: Final = 14
OPEN_CREATE: Final = 0x4

_NAME: Final = b"augury-simulated"

_Pointer = ctypes.c_void_p
_XClose = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer)
_XRead = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_XTruncate = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_XSync = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)
_XOpen = ctypes.CFUNCTYPE(
    ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_XDelete = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_int)
_XRandomness = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int, _Pointer)


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods``, version 3; what is not replaced is copied as it stands."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("close", _Pointer),
        ("read", _Pointer),
        ("write", _Pointer),
        ("truncate", _Pointer),
        ("sync", _Pointer),
        ("others", _Pointer * 13),
    ]


class _Originals:
    """SQLite's own functions of one table, to be called from Python."""

    def __init__(self, table: _Methods) -> None:
        self.close = _XClose(table.close)
        self.read = _XRead(table.read)
        self.read_address = table.read
        self.write = _XRead(table.write)
        self.truncate = _XTruncate(table.truncate)


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``, version 3."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", _Pointer),
        ("name", ctypes.c_char_p),
        ("app_data", _Pointer),
        ("open", _Pointer),
        ("delete", _Pointer),
        ("access", _Pointer),
        ("full_path", _Pointer),
        ("dl", _Pointer * 4),
        ("randomness", _Pointer),
        ("others", _Pointer * 7),
    ]


def _library() -> Any:
    # Looking a name up in the module finds it in the library that the module was linked with.
    return ctypes.CDLL(getattr(_sqlite3, "__file__", None))


def missing() -> str | None:
    """Why SQLite cannot be put on a simulated disk here; None when it can."""
    try:
        library = _library()
        library.sqlite3_vfs_register, library.sqlite3_vfs_find  # noqa: B018
    except (OSError, AttributeError) as error:
        return f"Python's SQLite is not within reach of ctypes: {error}"
    return None


class _Layer:
    """The registered table. There is one per process, and it lives as long as that."""

    def __init__(self) -> None:
        self.library = _library()
        self.library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self.library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        self.library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), ctypes.c_int]
        self.library.sqlite3_randomness.argtypes = [ctypes.c_int, _Pointer]
        found = self.library.sqlite3_vfs_find(None)
        self.original = found.contents
        self.disk: Disk | None = None
        self.chance = Random(0)
        self.defect: BaseException | None = None
        """What went wrong in here; SQLite cannot carry an exception."""
        self._files: dict[int, tuple[DiskFile, _Originals]] = {}
        """Address of an open file -> what it is, and SQLite's own functions for it."""
        self._tables: dict[int, tuple[_Methods, _Originals]] = {}
        """Address of a table of SQLite's -> the copy that stands for it."""
        self._reads_can_fail = False
        self._own = _Vfs()
        ctypes.memmove(ctypes.byref(self._own), ctypes.byref(self.original), ctypes.sizeof(_Vfs))
        self._own.name = _NAME
        self._own.next = None
        self._kept: list[Any] = []
        self._own.open = self._function(_XOpen, self._open, CANTOPEN)
        self._own.delete = self._function(_XDelete, self._delete, IOERR_DELETE)
        self._own.randomness = self._function(_XRandomness, self._randomness, 0)
        self._real_open = _XOpen(self.original.open)
        self._real_delete = _XDelete(self.original.delete)
        self._functions = {
            "close": self._function(_XClose, self._close, OK),
            "read": self._function(_XRead, self._read, IOERR_READ),
            "write": self._function(_XRead, self._write, IOERR_WRITE),
            "truncate": self._function(_XTruncate, self._truncate, IOERR_TRUNCATE),
            "sync": self._function(_XSync, self._sync, IOERR_FSYNC),
        }

    def _function(self, kind: Any, python: Callable[..., int], failed: int) -> int:
        def guarded(*arguments: Any) -> int:
            try:
                return python(*arguments)
            except Crashed:
                return failed
            except BaseException as error:
                self.defect = self.defect or error
                return failed

        function = kind(guarded)
        self._kept.append(function)
        return ctypes.cast(function, _Pointer).value or 0

    def register(self, disk: Disk, chance: Random) -> None:
        self.disk = disk
        self.chance = chance
        self.defect = None
        disk.reads_can_fail = self._set_reads
        self._set_reads(False)
        self.library.sqlite3_vfs_register(ctypes.byref(self._own), 1)
        # SQLite's random numbers begin anew, with ours: they get into the write-ahead file.
        self.library.sqlite3_randomness(0, None)

    def unregister(self) -> None:
        self.library.sqlite3_vfs_register(ctypes.byref(self.original), 1)
        self.library.sqlite3_randomness(0, None)
        self.disk = None

    def open_files(self) -> list[str]:
        return [known.name for known, _ in self._files.values()]

    # --- the table of files ------------------------------------------------------------------

    def _open(self, vfs: int, path: int | None, file: int, flags: int, out: Any) -> int:
        disk = self.disk
        name = None
        if disk is not None and path:
            name = disk.name_of(ctypes.string_at(path).decode())
        if disk is None or name is None:
            return int(self._real_open(vfs, path, file, flags, out))
        if flags & OPEN_CREATE and not (disk.root / name).exists():
            if disk.about_to(CREATE, name):
                return CANTOPEN
        result: int = self._real_open(vfs, path, file, flags, out)
        if result == OK:
            self._replace_methods(file, disk.opened(name))
        return result

    def _replace_methods(self, file: int, known: DiskFile) -> None:
        place = ctypes.cast(file, ctypes.POINTER(_Pointer))
        address = place.contents.value
        assert address is not None
        if address not in self._tables:
            table = _Methods()
            ctypes.memmove(ctypes.byref(table), address, ctypes.sizeof(_Methods))
            originals = _Originals(table)
            for field, function in self._functions.items():
                setattr(table, field, function)
            self._tables[address] = table, originals
            self._set_reads(self._reads_can_fail)
        table, originals = self._tables[address]
        self._files[file] = (known, originals)
        place.contents.value = ctypes.addressof(table)

    def _set_reads(self, can_fail: bool) -> None:
        """Reads are most of what SQLite does: as long as none can fail they are SQLite's own."""
        self._reads_can_fail = can_fail
        for table, originals in self._tables.values():
            table.read = self._functions["read"] if can_fail else originals.read_address

    def _delete(self, vfs: int, path: bytes, sync_directory: int) -> int:
        disk = self.disk
        name = None if disk is None else disk.name_of(path.decode())
        if disk is None or name is None:
            return int(self._real_delete(vfs, path, sync_directory))
        if disk.about_to(DELETE, name):
            return IOERR_DELETE
        result: int = self._real_delete(vfs, path, 0)
        if result == OK:
            disk.deleted(name)
        return result

    def _randomness(self, vfs: int, size: int, buffer: int) -> int:
        ctypes.memmove(buffer, self.chance.randbytes(size), size)
        return size

    # --- the functions of one file -----------------------------------------------------------

    def _close(self, file: int) -> int:
        _, original = self._files.pop(file)
        return int(original.close(file))

    def _read(self, file: int, buffer: int, size: int, offset: int) -> int:
        known, original = self._files[file]
        if self.disk is None or self.disk.about_to(READ, known.name):
            return IOERR_READ
        return int(original.read(file, buffer, size, offset))

    def _write(self, file: int, buffer: int, size: int, offset: int) -> int:
        known, original = self._files[file]
        disk = self.disk
        if disk is None:
            return IOERR_WRITE
        was_frozen = disk.frozen
        number = disk.about_to(WRITE, known.name)
        if number:
            if was_frozen:
                return IOERR_WRITE
            # What did not fit, or was under way when the process died, may be there in part; what
            # is there as a whole was not refused.
            most = size if disk.frozen else size - 1
            size = disk.chance.choice((0, most, disk.chance.randint(0, most)))
        if size:
            result: int = original.write(file, buffer, size, offset)
            if result != OK:
                return result
            disk.wrote(known, offset, ctypes.string_at(buffer, size))
        if number:
            return FULL if number == errno.ENOSPC else IOERR_WRITE
        return OK

    def _truncate(self, file: int, size: int) -> int:
        known, original = self._files[file]
        disk = self.disk
        if disk is None or disk.about_to(TRUNCATE, known.name):
            return IOERR_TRUNCATE
        result: int = original.truncate(file, size)
        if result == OK:
            disk.cut(known, size)
        return result

    def _sync(self, file: int, flags: int) -> int:
        known, _ = self._files[file]
        disk = self.disk
        if disk is None:
            return IOERR_FSYNC
        if disk.about_to(SYNC, known.name):
            if not disk.frozen:
                disk.sync_failed(known)
            return IOERR_FSYNC
        disk.synced(known)
        return OK


_layer: _Layer | None = None


def open_files() -> list[str]:
    """The names of the files on the disk that somebody still has open."""
    return [] if _layer is None else _layer.open_files()


@contextlib.contextmanager
def on(disk: Disk, chance: Random) -> Iterator[None]:
    """Within this block all files of SQLite in the disk's directory are on ``disk``.

    ``chance`` also stands behind SQLite's own random numbers. One disk at a time. Raises what went
    wrong inside of the layer, which SQLite itself could only report as an error of the disk.
    """
    global _layer
    if _layer is None:
        _layer = _Layer()
    layer = _layer
    if layer.disk is not None:
        raise RuntimeError("SQLite is on another simulated disk already")
    layer.register(disk, chance)
    try:
        yield
    finally:
        layer.unregister()
    if layer.defect is not None:
        raise layer.defect
