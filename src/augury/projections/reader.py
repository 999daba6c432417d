"""Runs prepared reads of history without holding up the event loop.

On SQLite a page found by an index takes a fraction of a millisecond, less than handing it to a
thread and back, so it runs on the loop's own thread. A read that turns out longer is interrupted
after ``INLINE_SECONDS`` and begun again in a thread: the rare filter that has to look at a
member's whole past costs that member time, and nobody else. On PostgreSQL every read waits for
the network, so all of them run in threads.
"""

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from augury.projections.database import HistoryDatabase, HistoryUnavailable
from augury.projections.statements import Parameters

INLINE_SECONDS: Final = 0.002
INSTRUCTIONS_PER_CHECK: Final = 2_000
"""SQLite instructions between two looks at the clock; a row of a page takes about thirty."""

THREADS: Final = 2

Rows = list[tuple[Any, ...]]


class HistoryReader:
    """Reads rows. ``read`` belongs to the event loop's thread."""

    def __init__(self, database: HistoryDatabase) -> None:
        self.database = database
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="augury-history-read")
        self._inline = _Connection(database)
        self._per_thread = threading.local()
        self._threaded: list[_Connection] = []
        self._deadline = 0.0

    async def read(self, sql: str, parameters: Parameters, *, long: bool = False) -> Rows:
        """All rows of a statement; ``long`` ones go to a thread at once.

        Raises ``HistoryUnavailable``.
        """
        if self.database.is_sqlite and not long:
            rows = self._read_inline(sql, parameters)
            if rows is not None:
                return rows
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._read_in_thread, sql, parameters)

    def close(self) -> None:
        """Wait for reads that are under way, then disconnect."""
        self._pool.shutdown()
        self._inline.close()
        for connection in self._threaded:
            connection.close()

    def _read_inline(self, sql: str, parameters: Parameters) -> Rows | None:
        """None when it takes too long."""
        connection = self._inline
        try:
            driver = connection.driver()
            if connection.is_new:
                connection.is_new = False
                driver.set_progress_handler(self._is_late, INSTRUCTIONS_PER_CHECK)
            self._deadline = time.perf_counter() + INLINE_SECONDS
            rows: Rows = driver.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return None
            raise self._unavailable(connection, error) from error
        except self.database.errors as error:
            raise self._unavailable(connection, error) from error
        return rows

    def _is_late(self) -> bool:
        return time.perf_counter() > self._deadline

    def _read_in_thread(self, sql: str, parameters: Parameters) -> Rows:
        connection: _Connection | None = getattr(self._per_thread, "connection", None)
        if connection is None:
            connection = self._per_thread.connection = _Connection(self.database)
            self._threaded.append(connection)
        try:
            cursor = connection.driver().cursor()
            try:
                cursor.execute(sql, parameters)
                rows: Rows = cursor.fetchall()
            finally:
                cursor.close()
        except self.database.errors as error:
            raise self._unavailable(connection, error) from error
        return rows

    def _unavailable(self, connection: "_Connection", error: Exception) -> HistoryUnavailable:
        connection.close()
        self.database.report(error)
        return HistoryUnavailable(str(error))


class _Connection:
    """A reading connection, made when it is needed and again when the tables are new ones."""

    def __init__(self, database: HistoryDatabase) -> None:
        self.is_new = True
        self._database = database
        self._generation = -1
        self._driver: Any = None

    def driver(self) -> Any:
        if self._driver is None or self._generation != self._database.generation:
            self.close()
            self._generation = self._database.generation
            self._driver = self._database.connect_reader()
            self.is_new = True
        return self._driver

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()
