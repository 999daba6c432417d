"""What sessions must not forget: numbers, options, and the messages that can be asked for again.

One SQLite file. Writes gather in a batch, and one thread commits a batch at a time, so the event
loop never waits and messages that are sent together share one flush. A batch is taken between two
callbacks of the loop, hence between two records: the messages of a record, the numbers they used
and the record's sequence are stored together or not at all.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from augury.gateways.fix.session import Sent

logger = logging.getLogger("augury.fix")

Result = TypeVar("Result")

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS place (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL,
    time_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS session (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    api_key_id INTEGER NOT NULL,
    comp_id TEXT NOT NULL,
    options TEXT NOT NULL,
    next_out INTEGER NOT NULL,
    next_in INTEGER NOT NULL,
    purged_through INTEGER NOT NULL,
    armed INTEGER NOT NULL,
    UNIQUE (kind, api_key_id)
) STRICT;
CREATE TABLE IF NOT EXISTS message (
    session_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sent_ns INTEGER NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS follower (
    member_id INTEGER PRIMARY KEY,
    floor INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS execution (
    member_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    place INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (member_id, sequence, place)
) STRICT, WITHOUT ROWID;
"""

FORMAT: Final = 1
RETRY_SECONDS: Final = 0.5
ROWS_PER_PURGE: Final = 20_000
WAITING_EXECUTIONS: Final = 1_000
"""Executions are stored without hurry, but not in any number at once."""


class StoredSession(NamedTuple):
    """A session as it is kept. ``armed``: it was connected with cancel on disconnect."""

    id: int
    kind: str
    api_key_id: int
    comp_id: str
    options: str
    next_out: int
    next_in: int
    purged_through: int
    armed: bool


@dataclass(slots=True)
class _Batch:
    """What the next transaction holds. Order within: forget, remove, sessions, messages."""

    forgotten: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    sessions: dict[int, Callable[[], StoredSession]] = field(default_factory=dict)
    messages: list[tuple[int, int, int, str, str]] = field(default_factory=list)
    executions: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    followers: list[tuple[int, int]] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    rows: list[StoredSession] = field(default_factory=list)
    place: tuple[int, int] | None = None

    @property
    def is_empty(self) -> bool:
        return not (
            self.forgotten
            or self.removed
            or self.sessions
            or self.messages
            or self.executions
            or self.followers
            or self.place
        )


class StoreError(Exception):
    """The file cannot be used; the text says why."""


class FixStore:
    """The store at ``path``. ``open`` first; all other calls belong to the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batch = _Batch()
        self._position = (0, 0)
        self._stored_position = 0
        self._committing = False
        self.is_failing = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="augury-fix-store")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_id = 1
        self._idle: list[asyncio.Future[None]] = []

    def open(self) -> list[StoredSession]:
        """The sessions that are known, in the order of their first Logon. Raises ``StoreError``."""
        try:
            self._database = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=5.0
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            # A message that has left must still be there after a power cut.
            self._database.execute("PRAGMA synchronous=FULL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise StoreError(f"{self._path} is of version {version}, which is not known here")
            self._database.executescript(SCHEMA)
            self._database.execute(f"PRAGMA user_version={FORMAT}")
            found = self._database.execute("SELECT position, time_ns FROM place").fetchone()
            rows = self._database.execute("SELECT * FROM session ORDER BY id").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None
        self._position = (found[0], found[1]) if found else (0, 0)
        self._stored_position = self._position[0]
        sessions = [StoredSession._make((*row[:8], bool(row[8]))) for row in rows]
        self._next_id = max((session.id for session in sessions), default=0) + 1
        return sessions

    def forget_everything(self) -> None:
        """For a store that tells of another past than the log. Right after ``open`` only."""
        self._database.executescript(
            "DELETE FROM message; DELETE FROM session; DELETE FROM place;"
            "DELETE FROM execution; DELETE FROM follower;"
        )
        self._position = (0, 0)
        self._stored_position = 0

    # --- how far the log was read ----------------------------------------------------------------

    @property
    def position(self) -> int:
        """Sequence of the last record whose messages are in the store or the present batch."""
        return self._position[0]

    @property
    def time_ns(self) -> int:
        """Exchange time of ``position``."""
        return self._position[1]

    def advance(self, sequence: int, time_ns: int) -> None:
        """The messages of this record were handed over; nothing but ``keep`` came between.

        It is stored with the next messages; by itself only now and then, as reading again a
        record that gave no messages does no harm.
        """
        self._position = (sequence, time_ns)
        if sequence - self._stored_position >= 2_000:
            self._batch.place = self._position
            self._soon()

    # --- writing ---------------------------------------------------------------------------------

    def new_id(self) -> int:
        number = self._next_id
        self._next_id += 1
        return number

    def keep(self, session_id: int, sent: Sent) -> None:
        """Store a message; one without a body only uses its number."""
        if sent.body is not None:
            self._batch.messages.append(
                (session_id, sent.sequence, sent.sent_ns, sent.type, sent.body)
            )

    def note(self, session_id: int, row: Callable[[], StoredSession], *, soon: bool = True) -> None:
        """Store what ``row`` gives when the batch is taken; with the next one when not ``soon``."""
        self._batch.sessions[session_id] = row
        if soon:
            self._soon()

    def restart(self, session_id: int) -> None:
        """Forget the messages of a session; those kept from now on stay."""
        batch = self._batch
        batch.messages = [row for row in batch.messages if row[0] != session_id]
        batch.forgotten.add(session_id)
        self._soon()

    def remove(self, session_id: int) -> None:
        """Forget a session as a whole."""
        self.restart(session_id)
        self._batch.sessions.pop(session_id, None)
        self._batch.removed.add(session_id)

    def when_stored(self, callback: Callable[[], None]) -> None:
        """Call once everything handed over so far is stored; at once when it is."""
        if self._batch.is_empty and not self._committing:
            callback()
            return
        self._batch.waiting.append(callback)
        self._soon()

    def flush(self) -> None:
        """Store what was noted without hurry."""
        if not self._batch.is_empty:
            self._soon()

    def _soon(self) -> None:
        if not self._committing and not self._closed:
            self._committing = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Take the batch and have it committed."""
        batch, self._batch = self._batch, _Batch()
        batch.rows = [row() for row in batch.sessions.values()]
        if self._position[0] != self._stored_position:
            batch.place = self._position
        self._commit(batch)

    def _commit(self, batch: _Batch) -> None:
        assert self._loop is not None
        work = self._loop.run_in_executor(self._thread, self._write, batch)
        work.add_done_callback(lambda done: self._committed(batch, done))

    def _committed(self, batch: _Batch, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None or done.cancelled():
            if not self.is_failing:
                logger.error("FIX messages cannot be stored and have to wait: %s", error)
            self.is_failing = True
            assert self._loop is not None
            if self._closed:
                self._finish()
            else:
                self._loop.call_later(RETRY_SECONDS, self._commit, batch)
            return
        if self.is_failing:
            self.is_failing = False
            logger.warning("FIX messages are stored again")
        if batch.place is not None:
            self._stored_position = max(self._stored_position, batch.place[0])
        for callback in batch.waiting:
            try:
                callback()
            except Exception:
                # One connection's trouble; the others' messages have to leave all the same.
                logger.exception("a FIX message that is stored could not be sent")
        if self._batch.is_empty and not self._batch.waiting:
            self._finish()
        else:
            assert self._loop is not None
            self._loop.call_soon(self._begin)

    def _finish(self) -> None:
        self._committing = False
        for future in self._idle:
            if not future.done():
                future.set_result(None)
        self._idle.clear()

    def _write(self, batch: _Batch) -> None:
        """In the thread: one transaction."""
        execute = self._database.execute
        execute("BEGIN IMMEDIATE")
        try:
            for session_id in batch.forgotten:
                execute("DELETE FROM message WHERE session_id = ?", (session_id,))
            for session_id in batch.removed:
                execute("DELETE FROM session WHERE id = ?", (session_id,))
            self._database.executemany(
                "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", batch.rows
            )
            self._database.executemany(
                "INSERT OR IGNORE INTO follower VALUES (?, ?)", batch.followers
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO execution VALUES (?, ?, ?, ?, ?)", batch.executions
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)", batch.messages
            )
            if batch.place is not None:
                execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?)", batch.place)
            execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                execute("ROLLBACK")
            raise

    # --- reading and cleaning --------------------------------------------------------------------

    async def read(self, session_id: int, begin: int, end: int, limit: int) -> list[Sent]:
        """Kept messages with these numbers, inclusive, at most ``limit`` of them, by number.

        They include everything that was handed over before the call.
        """
        await self._stored()
        return await self._in_thread(self._read, session_id, begin, end, limit)

    def _read(self, session_id: int, begin: int, end: int, limit: int) -> list[Sent]:
        rows = self._database.execute(
            "SELECT sequence, sent_ns, type, body FROM message"
            " WHERE session_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?",
            (session_id, begin, end, limit),
        )
        return [Sent(*row) for row in rows]

    async def purge(self, limits: Sequence[tuple[int, int]]) -> dict[int, int]:
        """Drop what was sent before its session's limit: (session id, nanoseconds).

        Returns the highest number that was dropped of each session that lost any.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._purge, limits)

    def _purge(self, limits: Iterable[tuple[int, int]]) -> dict[int, int]:
        dropped: dict[int, int] = {}
        execute = self._database.execute
        for session_id, before_ns in limits:
            rows = execute(
                "SELECT sequence, sent_ns FROM message WHERE session_id = ?"
                " ORDER BY sequence LIMIT ?",
                (session_id, ROWS_PER_PURGE),
            )
            last = 0
            for sequence, sent_ns in rows:
                if sent_ns >= before_ns:
                    break
                last = sequence
            if not last:
                continue
            execute("BEGIN IMMEDIATE")
            try:
                execute(
                    "DELETE FROM message WHERE session_id = ? AND sequence <= ?",
                    (session_id, last),
                )
                execute(
                    "UPDATE session SET purged_through = max(purged_through, ?) WHERE id = ?",
                    (last, session_id),
                )
                execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    execute("ROLLBACK")
                raise
            dropped[session_id] = last
        return dropped

    # --- the drop copy ---------------------------------------------------------------------------

    def followed(self) -> list[int]:
        """Members whose executions are kept. Right after ``open`` only."""
        return [row[0] for row in self._database.execute("SELECT member_id FROM follower")]

    def follow(self, member_id: int, floor: int) -> None:
        """Executions of a member are kept from the record after ``floor`` on."""
        self._batch.followers.append((member_id, floor))
        self._soon()

    def keep_execution(
        self, member_id: int, sequence: int, place: int, time_ns: int, body: bytes
    ) -> None:
        """Store an execution with the next batch."""
        self._batch.executions.append((member_id, sequence, place, time_ns, body))
        if len(self._batch.executions) >= WAITING_EXECUTIONS:
            self.flush()

    async def executions(
        self, member_id: int, begin: tuple[int, int], end: tuple[int, int], limit: int
    ) -> list[bytes]:
        """Executions of a member from one (sequence, place) to another, inclusive, in order."""
        return await self._in_thread(self._executions, member_id, begin, end, limit)

    def _executions(
        self, member_id: int, begin: tuple[int, int], end: tuple[int, int], limit: int
    ) -> list[bytes]:
        rows = self._database.execute(
            "SELECT body FROM execution WHERE member_id = ?"
            " AND (sequence, place) >= (?, ?) AND (sequence, place) <= (?, ?)"
            " ORDER BY sequence, place LIMIT ?",
            (member_id, *begin, *end, limit),
        )
        return [row[0] for row in rows]

    async def executions_floor(self, member_id: int, since_ns: int) -> int:
        """The last record that is known to lie before ``since_ns``, or before the member was
        followed. Executions that were handed over before the call are stored when it returns."""
        await self._stored()
        return await self._in_thread(self._floor, member_id, since_ns)

    def _floor(self, member_id: int, since_ns: int) -> int:
        """Rows of a member ascend in time, and those that are too old are few."""
        known = self._database.execute(
            "SELECT floor FROM follower WHERE member_id = ?", (member_id,)
        ).fetchone()
        floor: int = known[0] if known else 0
        rows = self._database.execute(
            "SELECT sequence, time_ns FROM execution WHERE member_id = ? ORDER BY sequence, place",
            (member_id,),
        )
        for sequence, time_ns in rows:
            if time_ns >= since_ns:
                break
            floor = sequence
        return floor

    async def purge_executions(self, before_ns: int) -> None:
        """Drop executions that are older."""
        await self._in_thread(self._purge_executions, before_ns)

    def _purge_executions(self, before_ns: int) -> None:
        execute = self._database.execute
        for (member_id,) in execute("SELECT member_id FROM follower").fetchall():
            floor = self._floor(member_id, before_ns)
            execute("BEGIN IMMEDIATE")
            try:
                execute(
                    "DELETE FROM execution WHERE member_id = ? AND sequence <= ?",
                    (member_id, floor),
                )
                execute("UPDATE follower SET floor = ? WHERE member_id = ?", (floor, member_id))
                execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    execute("ROLLBACK")
                raise

    async def _stored(self) -> None:
        """Return once everything handed over so far is stored."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.when_stored(lambda: None if stored.done() else stored.set_result(None))
        await stored

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *arguments))

    # --- the end ---------------------------------------------------------------------------------

    async def close(self) -> None:
        """Store what is left, the position included, and close the file."""
        if self._position[0] != self._stored_position:
            self._batch.place = self._position
        if not self._batch.is_empty:
            self._soon()
        deadline = time.monotonic() + 5.0
        while self._committing and time.monotonic() < deadline:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await asyncio.wait([future], timeout=deadline - time.monotonic())
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown(wait=False)

    def abandon(self) -> None:
        """Close the file of a store that never ran."""
        self._database.close()
        self._thread.shutdown(wait=False)
