"""Backups: the whole log in one file, verified record by record as it is copied.

A backup is a log of its own, without a head beside it but with a table inside that says where it
ends, so that one that was cut short is recognised. It may be taken while the exchange runs; it then
ends with the record that was the newest when it began.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from augury.files import flush_directory
from augury.log.sqlite import SqliteLog
from augury.ports.log import Log, LogDamaged, LogError, Record

Progress = Callable[[int, int], None]
"""Called now and then with the records copied so far and their number."""

_RECORDS_PER_BATCH: Final = 1000
_BYTES_PER_BATCH: Final = 4 << 20


class BackupEnd(NamedTuple):
    """Where a backup ends: how many records it has, and the chain after the last."""

    sequence: int
    chain: bytes


def copy_records(
    records: Iterable[Record], target: Log, total: int, progress: Progress | None = None
) -> None:
    """Append ``records`` to ``target`` in large batches."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.payload)
        if len(batch) >= _RECORDS_PER_BATCH or size >= _BYTES_PER_BATCH:
            target.append(batch)
            if progress is not None:
                progress(record.sequence, total)
            batch = []
            size = 0
    target.append(batch)
    if progress is not None:
        progress(total, total)


def write_backup(log: Log, file: Path, progress: Progress | None = None) -> BackupEnd:
    """Copy ``log`` into the new ``file``, which appears only when it is complete and durable.

    Raises ``LogDamaged``, ``LogError``, and ``FileExistsError``: a backup never replaces another.
    """
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as workplace:
        path = Path(workplace) / "log.sqlite"
        with closing(SqliteLog(path)) as copy:
            copy_records(log.read(), copy, log.last_sequence, progress)
            end = BackupEnd(copy.last_sequence, copy.chain_hash(copy.last_sequence))
        if end.chain != log.chain_hash(end.sequence):
            raise LogError(f"{file}: the copy differs from the log")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # One file that any medium can hold and any reader can open, also without writing.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE backup (last_sequence INTEGER, chain BLOB) STRICT")
            connection.execute("INSERT INTO backup VALUES (?, ?)", end)
            connection.execute("COMMIT")
        # Everybody's orders and addresses are in it, so it is as private as the data directory.
        path.chmod(0o600)
        path.rename(file)
    flush_directory(file.parent)
    return end


def read_end(file: Path) -> BackupEnd:
    """Where the backup says that it ends. Raises ``LogError`` when the file is no backup."""
    if not file.is_file():
        raise LogError(f"{file}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT last_sequence, chain FROM backup").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise LogError(f"{file}: this is not a backup of Augury ({error})") from error
    return BackupEnd(*row)


def restore_backup(file: Path, data: Path, progress: Progress | None = None) -> BackupEnd:
    """Make the data directory ``data`` out of a backup; it appears whole or not at all.

    Raises ``LogDamaged`` or ``LogError`` when the backup does not verify, ``FileExistsError``
    when ``data`` holds anything.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise FileExistsError(f"{data} is not an empty directory")
    end = read_end(file)
    data.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{data.name}.", dir=data.parent))
    try:
        with (
            closing(SqliteLog(file, read_only=True)) as backup,
            closing(SqliteLog(workplace / "log.sqlite")) as log,
        ):
            if backup.last_sequence != end.sequence:
                raise LogDamaged(backup.last_sequence + 1, "it is missing from the backup")
            copy_records(backup.read(), log, end.sequence, progress)
            if log.chain_hash(log.last_sequence) != end.chain:
                raise LogDamaged(end.sequence, "it is not the record that was backed up")
        workplace.replace(data)
    except BaseException:
        shutil.rmtree(workplace, ignore_errors=True)
        raise
    flush_directory(data.parent)
    return end
