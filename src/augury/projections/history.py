"""History: the thread that follows the exchange and keeps the history database up to date.

The event loop hands over every applied record and never waits. A worker writes them in batches,
each with its position in one transaction, so that every record is projected exactly once,
whatever is killed in between. While the database is away trading goes on; afterwards history
catches up by itself, from the queue or, when that has overflowed, from the log.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from augury.core.applied import Applied
from augury.ports.history import HistoryStatus
from augury.ports.log import Log, LogError
from augury.projections.database import HistoryDatabase
from augury.projections.writer import BREATH_SECONDS, HistoryWriter

log = logging.getLogger(__name__)

CatchUp = Callable[[int], Iterator[Applied]]
"""Given a sequence, replays the log: yields every later record, applied, to the log's end."""

QUEUE_LIMIT: Final = 50_000
"""Records held in memory while the database is away; beyond it they are read from the log."""

BATCH_LIMIT: Final = 2_000
"""Records in one transaction."""

LINGER_SECONDS: Final = 0.1
"""How long the worker lets records gather when nobody waits for them."""

CHECK_SECONDS: Final = 1.0
"""How often an idle worker looks whether its database is still there."""

REPLAYED_PER_BREATH: Final = 10
"""Records applied in a row while catching up from the log beside a running exchange."""

FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 5.0


class History:
    """Projects the exchange into the database at ``url``.

    Order of calls: ``open``, then ``load`` what the log has beyond ``position``, then ``start``;
    from then on ``feed`` every applied record. ``feed``, ``wait_for`` and ``status`` belong to
    the event loop's thread. Without ``catch_up`` the queue is unbounded.
    """

    def __init__(
        self,
        url: str,
        *,
        catch_up: CatchUp | None = None,
        queue_limit: int = QUEUE_LIMIT,
        batch_limit: int = BATCH_LIMIT,
        linger_seconds: float = LINGER_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.database = HistoryDatabase(url)
        self._writer = HistoryWriter(self.database)
        self._catch_up = catch_up
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._linger_seconds = linger_seconds
        self._check_seconds = check_seconds

        self._queue: deque[Applied] = deque()
        self._pending: list[Applied] = []
        """Taken from the queue and not stored yet; the worker's own."""
        self._target = 0
        self._position = 0
        self._time_ns = 0
        self._last_error = ""

        self._thread: threading.Thread | None = None
        self._stopping = False
        self._sleeping = False
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._halt = threading.Event()

        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: list[tuple[int, asyncio.Future[bool]]] = []

    # --- before the exchange runs ----------------------------------------------------------------

    def open(self) -> bool:
        """Prepare the tables and find the position. False when the database is away.

        Being away is no reason not to start: the worker goes on trying.
        """
        try:
            self._writer.open()
        except self.database.errors as error:
            self._failed(error)
            return False
        self._moved()
        return True

    @property
    def is_open(self) -> bool:
        return self._writer.is_open

    def belongs_to(self, exchange_log: Log) -> bool:
        """Whether the position is a record of this log, by its time.

        After a restore from a backup, history may be ahead of the log or tell of another past.
        """
        position = self._position
        if position == 0:
            return True
        if position > exchange_log.last_sequence:
            return False
        try:
            record = next(iter(exchange_log.read(position - 1)), None)
        except LogError:
            # A damaged log is for recovery to tell; history is no reason to stop a start.
            return True
        return record is not None and record.time_ns == self._time_ns

    def reset(self) -> None:
        """Begin anew with empty tables at position 0. Raises ``database.errors``."""
        self._writer.close()
        self.database.recreate()
        self._writer.open()
        self._moved()

    def load(
        self, records: Iterable[Applied], on_progress: Callable[[int], None] | None = None
    ) -> None:
        """Project ``records`` in the calling thread; those at or below the position are skipped.

        Consumes all of them even when the database goes away; ``start`` makes up for it then.
        ``on_progress`` receives the position after every batch.
        """
        away = False
        for batch in _batches(records, self._batch_limit):
            self._target = max(self._target, batch[-1].sequence)
            if not away:
                try:
                    self._store(batch)
                except self.database.errors as error:
                    self._failed(error)
                    away = True
            if on_progress is not None:
                on_progress(self._position)

    def expect(self, sequence: int) -> None:
        """The exchange is at ``sequence``; the worker catches up to it without being fed."""
        self._target = max(self._target, sequence)

    def start(self) -> None:
        """Start the worker."""
        self._thread = threading.Thread(target=self._run, name="augury-history", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Store what was fed, as far as the database allows, and stop. Blocks up to the timeout."""
        self._stopping = True
        self._halt.set()
        self._urgent.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            self._thread = None
        self._writer.close()
        for _, future in self._waiters:
            if not future.done():
                future.cancel()
        self._waiters.clear()

    # --- the event loop's side -------------------------------------------------------------------

    def feed(self, applied: Applied) -> None:
        """Take the next applied record. Never blocks, never raises."""
        queue = self._queue
        if len(queue) >= self._queue_limit and self._catch_up is not None:
            # The worker notices the gap and reads these from the log instead.
            queue.clear()
        queue.append(applied)
        self._target = applied.sequence
        if self._sleeping:
            self._sleeping = False
            self._wake.set()

    @property
    def position(self) -> int:
        """Sequence of the newest record that is stored."""
        return self._position

    @property
    def time_ns(self) -> int:
        """Exchange time of the newest record that is stored; 0 when there is none."""
        return self._time_ns

    def status(self) -> HistoryStatus:
        return HistoryStatus(self._position, self._target, self._time_ns, self._last_error)

    async def wait_for(self, sequence: int, timeout_seconds: float = 1.0) -> bool:
        """True once everything up to ``sequence`` is stored, False after the timeout."""
        if self._position >= sequence:
            return True
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        waiter = (sequence, future)
        self._waiters.append(waiter)
        # Only now: the worker looks for waiters after it has moved the position.
        if self._position >= sequence:
            self._waiters.remove(waiter)
            return True
        self._urgent.set()
        self._wake.set()
        handle = loop.call_later(timeout_seconds, _give_up, future)
        try:
            return await future
        finally:
            handle.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _answer_waiters(self) -> None:
        position = self._position
        waiting = []
        for sequence, future in self._waiters:
            if sequence > position:
                waiting.append((sequence, future))
            elif not future.done():
                future.set_result(True)
        self._waiters = waiting
        if waiting:
            # Somebody came for a later record while the worker was busy with this batch.
            self._urgent.set()
            self._wake.set()

    # --- the worker ------------------------------------------------------------------------------

    def _run(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        self._writer.in_background = True
        while True:
            self._wait_for_work()
            try:
                self._work()
            except Exception as error:
                # A defect must not end the thread: it shows in the status, and the next start,
                # or a repaired database, finds everything in the log.
                self._failed(error)
                if self._stopping:
                    return
                self._halt.wait(retry_seconds)
                retry_seconds = min(retry_seconds * 2, LAST_RETRY_SECONDS)
                continue
            retry_seconds = FIRST_RETRY_SECONDS
            if self._stopping and not self._queue:
                return

    def _wait_for_work(self) -> None:
        """Return when there is something to do, a linger after it began to gather."""
        if self._stopping or self._last_error:
            return
        self._wake.clear()
        self._sleeping = True
        if not self._queue and not self._stopping:
            self._wake.wait(self._check_seconds)
        self._sleeping = False
        if 0 < len(self._queue) < self._batch_limit:
            self._urgent.wait(self._linger_seconds)
        self._urgent.clear()

    def _work(self) -> None:
        """Store everything that is queued. Raises when the database is away."""
        if self._writer.is_open and not self.database.is_present():
            log.warning("the history database is gone or damaged; it is made anew from the log")
            self._writer.close()
            # Whoever waits for a record must not be told that the new tables have it.
            self._position = 0
        if not self._writer.is_open:
            self._writer.open()
            self._moved()
        while True:
            # What was taken stays pending until it is stored, or an error would lose it.
            if not self._pending:
                self._pending = self._take_batch()
            batch = self._pending
            if not batch and (self._position >= self._target or self._stopping):
                self._recovered()
                return
            if not batch or batch[0].sequence > self._position + 1:
                self._read_log()
                if self._stopping:
                    return
            if batch:
                self._store(batch)
                self._pending = []
                if 0 < len(self._queue) < self._batch_limit and not self._stopping:
                    # Records arrive all the time on a busy day: let them gather again, or each
                    # flush of the log would become a transaction of its own here.
                    self._recovered()
                    return

    def _take_batch(self) -> list[Applied]:
        """The next records of the queue, as far as they follow each other."""
        queue = self._queue
        batch: list[Applied] = []
        with contextlib.suppress(IndexError):
            while len(batch) < self._batch_limit:
                applied = queue.popleft()
                if batch and applied.sequence != batch[-1].sequence + 1:
                    queue.appendleft(applied)
                    break
                batch.append(applied)
        return batch

    def _store(self, batch: list[Applied]) -> None:
        """Write the part of ``batch`` that lies beyond the position."""
        if not self._writer.is_open:
            self._writer.open()
            self._moved()
        position = self._position
        if batch[-1].sequence <= position:
            return
        if batch[0].sequence <= position:
            batch = [applied for applied in batch if applied.sequence > position]
        if batch[0].sequence != position + 1:
            raise MissingRecords(f"records {position + 1} to {batch[0].sequence - 1} are missing")
        self._writer.write(batch)
        self._moved()

    def _read_log(self) -> None:
        """Store what the queue no longer has."""
        if self._catch_up is None:
            raise MissingRecords(f"record {self._position + 1} is gone, and there is no log")
        started = self._position
        for batch in _batches(_unhurried(self._catch_up(started)), self._batch_limit):
            self._store(batch)
            if self._stopping:
                # The next start goes on from here.
                return
        if self._position == started:
            raise MissingRecords(f"record {started + 1} is not in the log yet")

    def _moved(self) -> None:
        """The writer stands at a new position."""
        self._time_ns = self._writer.time_ns
        self._position = self._writer.position
        if self._waiters and self._loop is not None:
            # A loop that has closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._answer_waiters)

    def _failed(self, error: Exception) -> None:
        if not self._last_error:
            expected = isinstance(error, (*self.database.errors, MissingRecords, LogError))
            log.warning(
                "history is not moving; trading goes on",
                extra={"error": str(error), "position": self._position},
                exc_info=None if expected else error,
            )
        self._last_error = f"{type(error).__name__}: {error}"
        self.database.report(error)
        self._writer.close()

    def _recovered(self) -> None:
        if self._last_error:
            log.warning("history is moving again", extra={"position": self._position})
            self._last_error = ""


class MissingRecords(Exception):
    """There is a gap between the position and what is known of later records."""


def _give_up(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)


def _unhurried(records: Iterator[Applied]) -> Iterator[Applied]:
    """Replaying is work for the core; let the event loop have its turns meanwhile."""
    for count, applied in enumerate(records, start=1):
        yield applied
        if count % REPLAYED_PER_BREATH == 0:
            time.sleep(BREATH_SECONDS)


def _batches(records: Iterable[Applied], size: int) -> Iterator[list[Applied]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch
