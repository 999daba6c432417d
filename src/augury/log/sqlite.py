"""The default log: one SQLite database, written by one process, readable by many.

Owns the file's layout: a table of batches, one row for each flush, named by its first sequence.
SQLite makes a row durable as a whole or not at all (write-ahead mode, ``synchronous=FULL``), so a
flush that was torn by a crash leaves no trace. Everything else that can happen to a file is found
by reading: every record is verified against its chain, every gap and every missing end is an error
that names the record. Nothing is ever repaired here.

Beside ``log.sqlite`` stands ``log.head``; see ``head``.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from augury.files import flush_directory, write_again
from augury.log.head import Head, HeadState, read_head
from augury.log.records import (
    GENESIS,
    chain_of,
    chain_of_last,
    decode_batch,
    encode_batch,
    seal_of,
)
from augury.ports.log import LogDamaged, LogError, LogUnavailable, Record

FORMAT_VERSION: Final = 1
_APPLICATION_ID: Final = 0x41554752
"""``AUGR``: lets ``file`` and this module recognise a log."""

_CREATE: Final = """
    CREATE TABLE batches (
        first_sequence INTEGER PRIMARY KEY,
        records BLOB NOT NULL,
        seal BLOB NOT NULL
    ) STRICT
"""
_INSERT: Final = "INSERT INTO batches VALUES (?, ?, ?)"
_NEXT: Final = (
    "SELECT first_sequence, records, seal FROM batches WHERE first_sequence >= ? "
    "ORDER BY first_sequence LIMIT ?"
)
_UP_TO: Final = (
    "SELECT first_sequence, records FROM batches WHERE first_sequence <= ? "
    "ORDER BY first_sequence DESC LIMIT ?"
)
_BATCHES_PER_READ: Final = 64
"""Reads are many short ones: a long one would keep the write-ahead file from being reused."""

_LAST: Final = 2**63 - 1

_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a database raises; the second when a damaged one cannot even be described in UTF-8."""

_BEFORE_THE_FLUSH: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_READONLY,
    }
)
"""Failures after which a batch is not in the file as a whole, so no start can ever find it."""


class SqliteLog:
    """Implements ``ports.log.Log`` in the file ``path``.

    With ``read_only`` it reads beside a running writer and may be opened any number of times;
    ``last_sequence`` then follows the writer. Opening raises ``LogDamaged`` when the end of the
    log is not what was acknowledged, ``LogInUse`` when somebody else writes, ``LogError`` when
    the file is no log. Damage further inside is found by ``read``.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._path = path
        self._head: Head | None = None
        self._last_sequence = 0
        self._chain = GENESIS
        self._doubtful = False
        head_path = path.with_suffix(".head")
        if read_only:
            # The head first: the log may grow between the two, the other way round may not.
            acknowledged = read_head(head_path)
            self._connection = self._open_checked(acknowledged)
            return
        self._head = Head(head_path)
        try:
            acknowledged = self._head.read()
            if self._is_new(acknowledged):
                self._create()
            # To look first without the right to write matters: the last writing connection that
            # closes folds the write-ahead file in and removes it, and of a damaged one that would
            # destroy what an expert might still save.
            self._open_checked(acknowledged).close()
            self._make_durable()
            self._connection = self._connect("rw")
        except BaseException:
            self._head.close()
            raise
        self._head.write(self._last_sequence, self._chain)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def last_sequence(self) -> int:
        if self._head is None:
            self._last_sequence, self._chain = self._find_end(self._connection)
        return self._last_sequence

    def append(self, records: Sequence[Record]) -> None:
        if self._head is None:
            raise LogError("the log was opened for reading only")
        if not records:
            return
        data, chain = encode_batch(records, self._last_sequence, self._chain)
        seal = seal_of(data, self._chain)
        try:
            if self._doubtful:
                self._remove_unacknowledged()
            self._connection.execute(_INSERT, (self._last_sequence + 1, data, seal))
        except sqlite3.OperationalError as error:
            self._doubtful = True
            in_doubt = error.sqlite_errorcode not in _BEFORE_THE_FLUSH
            raise LogUnavailable(f"{self._path}: {error}", in_doubt) from error
        except _ERRORS as error:
            self._doubtful = True
            raise LogError(f"{self._path}: {error}") from error
        self._last_sequence += len(records)
        self._chain = chain
        self._head.write(self._last_sequence, chain)

    def read(self, after: int = 0, *, every_link: bool = False) -> Iterator[Record]:
        """Besides what the port promises: ``every_link`` recomputes each record's own link of the
        chain, where otherwise the seal of its batch vouches for it.
        """
        end = self.last_sequence
        if after >= end:
            return
        with closing(self._connect("ro")) as connection:
            expected, chain = self._batch_holding(connection, after + 1)
            for records, damage in _batches(connection, expected, chain, end, every_link):
                if records and records[0].sequence > after:
                    yield from records
                else:
                    yield from (record for record in records if record.sequence > after)
                if damage is not None:
                    raise damage

    def chain_hash(self, sequence: int) -> bytes:
        if sequence == 0:
            return GENESIS
        if not 0 < sequence <= self.last_sequence:
            raise LogError(f"{self._path}: the log has no record {sequence}")
        with closing(self._connect("ro")) as connection:
            return self._chain_of(connection, sequence)

    def close(self) -> None:
        """Give up the file and the right to write; what SQLite keeps beside it is folded in."""
        self._connection.close()
        if self._head is not None:
            self._head.close()

    # --- opening -----------------------------------------------------------------------------

    def _connect(self, mode: str) -> sqlite3.Connection:
        """A connection without implicit transactions: each statement is one of its own."""
        try:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
        except _ERRORS as error:
            raise LogError(f"{self._path}: {error}") from error
        try:
            connection.execute("PRAGMA synchronous = FULL")
            # After a long reader has kept it growing, the write-ahead file is cut to this again.
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
        except BaseException as error:
            # Where the file can be opened but not read, it would stay open for as long as somebody
            # remembers the error.
            connection.close()
            if isinstance(error, _ERRORS):
                raise LogError(f"{self._path}: {error}") from error
            raise
        return connection

    def _is_new(self, acknowledged: HeadState | None) -> bool:
        """Whether there is nothing yet, or only what a crash left of a log being made."""
        if self._path.exists() and self._path.stat().st_size > 0:
            with closing(self._connect("ro")) as connection:
                try:
                    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
                    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                except _ERRORS as error:
                    raise LogError(f"{self._path}: {error}") from error
            if application_id or tables:
                return False
        if acknowledged is not None and acknowledged.sequence:
            raise LogDamaged(
                1, f"{self._path} is missing, but {acknowledged.sequence} records were acknowledged"
            )
        return True

    def _create(self) -> None:
        try:
            with closing(self._connect("rwc")) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                connection.execute(_CREATE)
                connection.execute("COMMIT")
            # SQLite flushes files; that the file exists at all is for the directory to remember.
            flush_directory(self._path.parent)
        except (OSError, *_ERRORS) as error:
            raise LogError(f"{self._path}: {error}") from error

    def _make_durable(self) -> None:
        """Make sure of what was found, before anybody builds on it.

        A process that was killed in the middle of a flush, or after one that failed, may leave a
        batch that is whole and yet only in the machine's memory. It counts from now on, so it must
        survive what comes next. What is in the database itself was flushed before it was needed.
        """
        try:
            write_again(self._path.with_name(self._path.name + "-wal"))
            flush_directory(self._path.parent)
        except OSError as error:
            raise LogError(f"{self._path}: {error.strerror}") from error

    def _open_checked(self, acknowledged: HeadState | None) -> sqlite3.Connection:
        """A reading connection to a log that ends as it should."""
        if not self._path.exists():
            raise LogError(f"{self._path}: there is no log here")
        connection = self._connect("ro")
        try:
            self._check_format(connection)
            self._last_sequence, self._chain = self._find_end(connection)
            self._compare(connection, acknowledged)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_format(self, connection: sqlite3.Connection) -> None:
        try:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except _ERRORS as error:
            raise LogError(f"{self._path}: {error}") from error
        if application_id != _APPLICATION_ID:
            raise LogError(f"{self._path}: this is not a log of Augury")
        if version != FORMAT_VERSION:
            raise LogError(
                f"{self._path}: log format {version} is not known; "
                f"this version of Augury reads {FORMAT_VERSION}"
            )

    def _compare(self, connection: sqlite3.Connection, acknowledged: HeadState | None) -> None:
        """Raise ``LogDamaged`` when the log lacks, or contradicts, what was acknowledged."""
        if acknowledged is None or acknowledged.sequence == 0:
            return
        if acknowledged.sequence > self._last_sequence:
            raise LogDamaged(
                self._last_sequence + 1,
                f"it is missing, but records up to {acknowledged.sequence} were acknowledged; "
                "restore a backup, or give up what is lost with `augury log cut`",
            )
        if self._chain_of(connection, acknowledged.sequence) != acknowledged.chain:
            raise LogDamaged(acknowledged.sequence, "it is not the record that was acknowledged")

    # --- reading -----------------------------------------------------------------------------

    def _find_end(self, connection: sqlite3.Connection) -> tuple[int, bytes]:
        """The last sequence and its chain, from the last batch, which is verified."""
        try:
            rows = connection.execute(_UP_TO, (_LAST, 2)).fetchall()
            if not rows:
                return 0, GENESIS
            first = rows[0][0]
            chain = chain_of_last(_bytes(rows[1], first - 1)) if len(rows) > 1 else GENESIS
            records, chain, damage = decode_batch(_bytes(rows[0], first), first, chain)
            if damage is not None:
                raise damage
            return records[-1].sequence, chain
        except (*_ERRORS, LogDamaged) as error:
            # The end is not where it was looked for, so even its number cannot be trusted. Reading
            # from the beginning finds the record that is really damaged first.
            for _, damage in _batches(connection, 1, GENESIS, _LAST):
                if damage is not None:
                    raise damage from error
            raise

    def _batch_holding(self, connection: sqlite3.Connection, sequence: int) -> tuple[int, bytes]:
        """The first sequence of the batch with ``sequence``, and the chain before that batch."""
        if sequence == 1:
            return 1, GENESIS
        try:
            rows = connection.execute(_UP_TO, (sequence, 2)).fetchall()
        except _ERRORS as error:
            raise LogDamaged(sequence, str(error)) from error
        if not rows:
            raise LogDamaged(sequence, "it is missing")
        first: int = rows[0][0]
        chain = chain_of_last(_bytes(rows[1], first - 1)) if len(rows) > 1 else GENESIS
        return first, chain

    def _chain_of(self, connection: sqlite3.Connection, sequence: int) -> bytes:
        try:
            row = connection.execute(_UP_TO, (sequence, 1)).fetchone()
        except _ERRORS as error:
            raise LogDamaged(sequence, str(error)) from error
        if row is None:
            raise LogDamaged(sequence, "it is missing")
        return chain_of(_bytes(row, sequence), row[0], sequence)

    # --- writing -----------------------------------------------------------------------------

    def _remove_unacknowledged(self) -> None:
        """After a failed flush: whatever of it may have reached the file is taken back."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._connection.execute(
            "DELETE FROM batches WHERE first_sequence > ?", (self._last_sequence,)
        )
        self._doubtful = False


def _bytes(row: tuple[int, object], sequence: int) -> bytes:
    """The batch in a row, which in a damaged file may hold anything."""
    if not isinstance(row[1], bytes):
        raise LogDamaged(sequence, "it is missing")
    return row[1]


def _batches(
    connection: sqlite3.Connection, expected: int, chain: bytes, end: int, every_link: bool = True
) -> Iterator[tuple[list[Record], LogDamaged | None]]:
    """What verifies from the batch that begins with ``expected``, up to the first damage."""
    while expected <= end:
        rows: list[tuple[int, object, object]] = []
        failure = ""
        try:
            # One by one: what was read before SQLite stumbles still counts.
            for row in connection.execute(_NEXT, (expected, _BATCHES_PER_READ)):
                rows.append(row)  # noqa: PERF402
        except _ERRORS as error:
            failure = str(error)
        for first, data, seal in rows:
            if first != expected or not isinstance(data, bytes):
                yield [], LogDamaged(expected, "it is missing")
                return
            vouching = seal if isinstance(seal, bytes) and not every_link else None
            records, chain, damage = decode_batch(data, expected, chain, vouching)
            yield records, damage
            if damage is not None:
                return
            expected += len(records)
        if failure or not rows:
            yield [], LogDamaged(expected, failure or "it is missing")
            return


def salvage(path: Path) -> Iterator[Record]:
    """What verifies of a damaged log, from the first record to the first that does not.

    Unlike ``SqliteLog`` it does not ask whether the log ends where it was acknowledged to end, and
    it ends silently. Raises ``LogError`` when the file is no log at all.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except _ERRORS as error:
        raise LogError(f"{path}: {error}") from error
    with closing(connection):
        for records, damage in _batches(connection, 1, GENESIS, _LAST):
            yield from records
            if damage is not None:
                return
