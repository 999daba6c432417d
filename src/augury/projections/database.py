"""Where history is stored: connections, schema, and the file when there is one.

Knows the differences between the databases so that nobody else has to: SQLite's pragmas and
files here, the way parameters are written in ``statements``. History is never the truth; what is
missing, foreign or damaged is replaced by empty tables, and the position in them says so.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, PoolProxiedConnection

from augury.files import write_again
from augury.projections.ledger import VIEW_NAME, view_statements
from augury.projections.migrations import HEAD, KNOWN
from augury.projections.tables import metadata

log = logging.getLogger(__name__)

VERSION_TABLE: Final = "alembic_version"

# Synchronous NORMAL never damages the file as long as flushes do what they say (for when they do
# not, see ``_make_durable``); after a power cut the newest transactions may be missing, which the
# position in the same file tells, and they are projected again.
SQLITE_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "busy_timeout=2000",
    # The newest pages of every index stay in memory, in some megabytes: more makes writing no
    # faster, as the other pages are in the system's memory. A checkpoint writes each page once.
    "cache_size=-8192",
    "wal_autocheckpoint=8192",
    "journal_size_limit=67108864",
    "temp_store=MEMORY",
)
SQLITE_READER_PRAGMAS: Final = ("query_only=1", "busy_timeout=2000", "cache_size=-4096")
SQLITE_LEFTOVERS: Final = ("-wal", "-shm", "-journal")


class HistoryUnavailable(Exception):
    """The history database cannot be read or written at the moment; trading goes on."""


class HistoryDatabase:
    """One history database. May be used from any thread; connections may not be shared."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.generation = 0
        """Grows whenever the tables are made anew; readers then connect again."""
        self.path: Path | None = None
        self._file: tuple[int, int] | None = None
        self._damage = ""
        if self.is_sqlite:
            if not self.url.database or self.url.database == ":memory:":
                raise ValueError("history in SQLite needs a file")
            self.path = Path(self.url.database).absolute()
            self._engine = create_engine(
                "sqlite://", creator=self._connect_sqlite, poolclass=NullPool
            )
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            # Positional parameters, so that one tuple of values serves every database. No pool:
            # each user keeps its connection, and a reader's must never become the writer's.
            self._engine = create_engine(self.url, paramstyle="format", poolclass=NullPool)
        driver_errors: Any = self._engine.dialect.loaded_dbapi.Error
        self.errors: tuple[type[Exception], ...] = (
            driver_errors,
            SQLAlchemyError,
            HistoryUnavailable,
            OSError,
            # The driver cannot even describe some kinds of damage, or the text in a row is none.
            UnicodeDecodeError,
        )
        """What a database that is away, locked, full or damaged raises."""

    @property
    def engine(self) -> Engine:
        return self._engine

    # --- connections -----------------------------------------------------------------------------

    def connect(self) -> PoolProxiedConnection:
        """A connection that writes. Call ``prepare`` first."""
        return self._engine.raw_connection()

    def connect_reader(self) -> Any:
        """A DBAPI connection that only reads; never creates a file."""
        if self.path is None:
            connection = self._engine.raw_connection()
            driver: Any = connection.driver_connection
            connection.detach()
            # Each page is one statement; nothing may stay open between two of them.
            driver.autocommit = True
            return driver
        reader = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in SQLITE_READER_PRAGMAS:
            reader.execute(f"PRAGMA {pragma}")
        return reader

    def _connect_sqlite(self) -> sqlite3.Connection:
        assert self.path is not None
        # Transactions are begun explicitly: the driver's own rules leave DDL outside of them.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def stored_position(self) -> tuple[int, int]:
        """(sequence, time) of the newest stored record, without touching anything.

        Raises one of ``errors`` when there is no history.
        """
        reader = self.connect_reader()
        try:
            cursor = reader.cursor()
            cursor.execute("SELECT sequence, time_ns FROM position")
            sequence, time_ns = cursor.fetchone() or (0, 0)
        finally:
            reader.close()
        return sequence, time_ns

    # --- schema ----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the tables what this version of Augury expects, keeping what fits.

        Raises one of ``errors`` when the database is away.
        """
        if self._damage:
            self._set_aside()
        try:
            self._migrate()
        except self.errors as error:
            self.report(error)
            if not self._damage:
                raise
            self._set_aside()
            self._migrate()

    def recreate(self) -> None:
        """Drop everything and begin with empty tables at position 0."""
        self._drop()
        self._migrate()

    def is_present(self) -> bool:
        """False when the database file was removed, replaced, or found to be damaged."""
        return self.path is None or (not self._damage and self._file == self._identify())

    def report(self, error: BaseException) -> None:
        """Tell of an error; the next ``prepare`` replaces a file that turned out to be damaged."""
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, UnicodeDecodeError) and self.is_sqlite:
            self._damage = str(cause)
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._damage = str(cause)

    def _migrate(self) -> None:
        if self.path is not None and not self.path.exists():
            # What a removed file left beside itself must not be taken for its continuation.
            self._remove_file()
            self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = self._complete()
        if is_new is None:
            self._drop()
            is_new = self._complete()
        file = self._identify()
        if is_new or file != self._file:
            self._file = file
            # Only now: a reader that connects again must find the tables.
            self.generation += 1

    def _complete(self) -> bool | None:
        """Add what is missing to what is there. Whether that changed the tables; None, and nothing
        is changed, when this version cannot go on with what is there.
        """
        with self._engine.begin() as connection:
            self._make_durable()
            names = set(inspect(connection).get_table_names())
            revision = _revision(connection, names)
            if not self._is_usable(connection, names, revision):
                return None
            if revision != HEAD:
                _upgrade(connection)
            for statement in view_statements(connection.dialect):
                connection.exec_driver_sql(statement)
        return revision != HEAD

    def _make_durable(self) -> None:
        """Make sure of what earlier connections left in the write-ahead file, before it is used.

        Where a flush failed, parts of it may be in the machine's memory only, and no later flush
        would care. SQLite would then write newer pages over older ones, and a loss of power in the
        middle of that leaves a mixture of both: rows beyond the position, which are written twice.
        Only within a transaction, while nobody else can write.
        """
        if self.path is not None:
            write_again(self.path.with_name(self.path.name + "-wal"))

    def _is_usable(self, connection: Connection, names: set[str], revision: str | None) -> bool:
        """Whether what is there is nothing, or tables that this version can use or migrate."""
        ours = names & set(metadata.tables)
        if revision == HEAD:
            missing = set(metadata.tables) - names
            if not missing and _has_position(connection):
                return True
            log.warning("history is incomplete", extra={"missing": sorted(missing)})
            return False
        if revision in KNOWN or (revision is None and not ours):
            return True
        if self.path is None:
            # It may belong to another application, or to a newer node that is using it.
            raise HistoryUnavailable(f"foreign tables at revision {revision}: {sorted(ours)}")
        log.warning("history is of an unknown version", extra={"revision": revision})
        return False

    def _drop(self) -> None:
        if self.path is None:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(f"DROP VIEW IF EXISTS {VIEW_NAME}")
                metadata.drop_all(connection)
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {VERSION_TABLE}")
        else:
            self._remove_file()

    def _identify(self) -> tuple[int, int] | None:
        """What tells this file from another of the same name."""
        if self.path is None:
            return None
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return (status.st_dev, status.st_ino)

    def _set_aside(self) -> None:
        assert self.path is not None
        kept = self.path.with_name(self.path.name + ".damaged")
        log.warning(
            "the history file is damaged and is made anew",
            extra={"error": self._damage, "kept_as": str(kept)},
        )
        if self.path.exists():
            self.path.replace(kept)
        self._remove_file()
        self._damage = ""

    def _remove_file(self) -> None:
        assert self.path is not None
        for suffix in ("", *SQLITE_LEFTOVERS):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision(connection: Connection, names: set[str]) -> str | None:
    if VERSION_TABLE not in names:
        return None
    statement = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a name of our own
    revision: str | None = connection.exec_driver_sql(statement).scalar()
    return revision


def _has_position(connection: Connection) -> bool:
    return connection.exec_driver_sql("SELECT sequence FROM position").first() is not None


def _upgrade(connection: Connection) -> None:
    # Alembic is loaded only when there is something to migrate.
    from alembic import command
    from alembic.config import Config

    # The view is made anew afterwards and must not stand in the way of a changed table.
    connection.exec_driver_sql(f"DROP VIEW IF EXISTS {VIEW_NAME}")
    config = Config()
    location = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.attributes["connection"] = connection
    with _quiet_alembic():
        command.upgrade(config, "head")


@contextlib.contextmanager
def _quiet_alembic() -> Iterator[None]:
    """Alembic reports its plans at level INFO on the root logger's terms; a start is no news."""
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
