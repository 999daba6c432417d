"""The sequencer: brings all commands into one order and makes them durable before they count.

It owns the numbering and the time of records, the queue in front of the log, and the one place
where the core is changed. It implements ``ports.exchange.ExchangeGate`` and, with a virtual clock,
``VirtualTime``. It must not look into commands beyond their kind, and knows no gateway.

The way of a command: it is encoded and queued; what is queued when the last flush ends, and what
comes in together with it, becomes the next batch, is numbered, stamped and appended by the log's
thread; when the batch is durable its commands are applied in order. Where many wait already, the
next batch is on its way to the disk before that. So a flush is shared by all who wait, and nobody
is answered before theirs.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from augury.codec.commands import SCHEMA_VERSION, encode_command
from augury.core.applied import Applied
from augury.core.commands import (
    CancelOrder,
    Command,
    DecreaseOrder,
    DeleteOrderGroup,
    DeleteQuote,
    Tick,
    TriggerOrderGroup,
)
from augury.core.engine import RULES_VERSION, Engine
from augury.core.state import Exchange
from augury.ports.clock import Clock
from augury.ports.exchange import Unavailable
from augury.ports.log import Log, LogUnavailable, Record
from augury.sequencer.appender import Appender
from augury.sequencer.clocks import VirtualClock

logger = logging.getLogger(__name__)

URGENT: Final[frozenset[type[Command]]] = frozenset(
    {CancelOrder, DecreaseOrder, DeleteOrderGroup, DeleteQuote, TriggerOrderGroup}
)
"""Commands that only take risk away; they overtake the others that wait."""

EXIT_CODE_DEFECT: Final = 70

_APPLY_AT_ONCE: Final = 64
"""Entries applied before the event loop gets a turn, so that a large batch stalls nobody."""

_LONGEST_SLEEP_SECONDS: Final = 30.0
"""Wake up at least so often while a timer is far away: the machine's clock may have been set."""

_QUIET_TURNS: Final = 2
"""Turns of the event loop without a new command that close a batch."""

_LONGEST_GATHERING: Final = 0.005
"""Seconds that a batch may stay open for more, however slow the last flush was."""

_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 5.0

_TICKS_PER_ADVANCE: Final = 10_000


class _Entry:
    """Commands that were submitted together, and who waits for them."""

    __slots__ = ("commands", "future", "move_to_ns", "payloads", "sequence", "single", "time_ns")

    def __init__(
        self,
        commands: Sequence[Command],
        payloads: list[bytes],
        future: "asyncio.Future[Any] | None",
        single: bool,
        move_to_ns: int = 0,
    ) -> None:
        self.commands = commands
        self.payloads = payloads
        self.future = future
        self.single = single
        self.move_to_ns = move_to_ns
        """Where a virtual clock goes right before this entry."""
        self.sequence = 0
        self.time_ns = 0


def _stop_the_process(error: BaseException) -> None:
    logging.shutdown()
    os._exit(EXIT_CODE_DEFECT)


class Sequencer:
    """One writer of one log. All methods belong to the event loop that called ``start``.

    ``engine`` must stand where ``log`` ends. ``batch_limit`` and ``batch_bytes_limit`` bound one
    flush, ``waiting_limit`` what may wait (urgent commands: twice as much). ``on_defect`` is called
    when the core fails to apply a durable record: state and log no longer agree, so the default is
    to end the process at once, with everything acknowledged so far safe in the log. ``appender``
    makes what waits for the disk; it is there for a simulated one.
    """

    def __init__(
        self,
        engine: Engine,
        log: Log,
        clock: Clock,
        *,
        batch_limit: int = 1000,
        batch_bytes_limit: int = 4 << 20,
        waiting_limit: int = 10_000,
        on_defect: Callable[[BaseException], None] = _stop_the_process,
        appender: Callable[[Log, asyncio.AbstractEventLoop], Appender] = Appender,
    ) -> None:
        if log.last_sequence != engine.state.sequence:
            raise ValueError(
                f"the state is at record {engine.state.sequence}, the log at {log.last_sequence}"
            )
        self._engine = engine
        self._log = log
        self._clock = clock
        self._batch_limit = batch_limit
        self._batch_bytes_limit = batch_bytes_limit
        self._waiting_limit = waiting_limit
        self._on_defect = on_defect
        self._make_appender = appender
        self._listeners: list[Callable[[Applied], None]] = []
        self._urgent: deque[_Entry] = deque()
        self._queue: deque[_Entry] = deque()
        self._durable: deque[_Entry] = deque()
        self._waiting = 0
        self._flushing: list[_Entry] = []
        self._pump_scheduled = False
        self._gathered = 0
        self._quiet_turns = 0
        self._gather_until = 0.0
        self._flush_began = 0.0
        self._last_flush_seconds = 0.0
        self._apply_scheduled = False
        self._last_sequence = engine.state.sequence
        self._last_time_ns = engine.state.time_ns
        self._accepting = False
        self._storage_failed = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._retry: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ns: int | None = None
        self._tick_waits = False
        self._drained: asyncio.Future[None] | None = None
        self.flushes = 0
        """Batches made durable since the start."""
        self.flushed_records = 0
        self.flush_seconds = 0.0
        """Time that appends have taken in all."""

    # --- what everybody sees -----------------------------------------------------------------

    @property
    def state(self) -> Exchange:
        return self._engine.state

    @property
    def storage_failed(self) -> bool:
        return self._storage_failed

    @property
    def waiting(self) -> int:
        """Commands that are queued and not yet on their way to the log."""
        return self._waiting

    def now_ns(self) -> int:
        return max(self._clock.now_ns(), self._last_time_ns)

    def next_timer_ns(self) -> int | None:
        return self._engine.next_timer_ns()

    def listen(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        # A new list each time: one that is being walked must not change.
        self._listeners = [*self._listeners, listener]

        def undo() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return undo

    async def submit(self, command: Command) -> Applied:
        self._admit(type(command) in URGENT)
        future: asyncio.Future[Applied] = self._loop.create_future()
        entry = _Entry((command,), [encode_command(command)], future, True)
        self._enqueue(entry, type(command) in URGENT)
        return await future

    async def submit_all(self, commands: Sequence[Command]) -> list[Applied]:
        if not commands:
            return []
        urgent = all(type(command) in URGENT for command in commands)
        self._admit(urgent)
        future: asyncio.Future[list[Applied]] = self._loop.create_future()
        entry = _Entry(
            tuple(commands), [encode_command(command) for command in commands], future, False
        )
        self._enqueue(entry, urgent)
        return await future

    async def advance_to(self, time_ns: int) -> Applied:
        """Move a virtual clock to ``time_ns``, stopping at each timer on the way.

        Timers fire at their own times, as they would if somebody had waited. Raises ``ValueError``
        when the clock would go back, ``RuntimeError`` when it is not virtual.
        """
        if not isinstance(self._clock, VirtualClock):
            raise RuntimeError("the clock of this exchange cannot be moved")
        if time_ns < self.now_ns():
            raise ValueError("the clock cannot go back")
        for _ in range(_TICKS_PER_ADVANCE):
            due = self._engine.next_timer_ns()
            if due is None or due >= time_ns:
                break
            await self._tick_at(due)
        return await self._tick_at(time_ns)

    # --- beginning and end -------------------------------------------------------------------

    async def start(self) -> None:
        """Accept commands from now on, and let time pass."""
        self._loop = asyncio.get_running_loop()
        self._appender = self._make_appender(self._log, self._loop)
        self._accepting = True
        self._schedule_tick()

    async def stop(self) -> None:
        """Refuse new commands, finish those that wait, and close the log."""
        if not self._accepting:
            return
        self._accepting = False
        self._cancel_timers()
        if not self._is_idle():
            self._drained = self._loop.create_future()
            await self._drained
        self._cancel_timers()
        await asyncio.to_thread(self._appender.close)

    def _cancel_timers(self) -> None:
        for handle in (self._retry, self._timer):
            if handle is not None:
                handle.cancel()
        self._retry = self._timer = None
        self._timer_due_ns = None

    def _is_idle(self) -> bool:
        return not (self._flushing or self._durable or self._urgent or self._queue)

    def _note_drained(self) -> None:
        if self._drained is not None and not self._drained.done() and self._is_idle():
            self._drained.set_result(None)

    # --- queue -------------------------------------------------------------------------------

    def _admit(self, urgent: bool) -> None:
        """Raise ``Unavailable`` when no command can be taken now."""
        if not self._accepting:
            raise Unavailable("stopping")
        if self._storage_failed:
            raise Unavailable("storage")
        if self._waiting >= (2 * self._waiting_limit if urgent else self._waiting_limit):
            raise Unavailable("overloaded")

    def _enqueue(self, entry: _Entry, urgent: bool) -> None:
        (self._urgent if urgent else self._queue).append(entry)
        self._waiting += len(entry.commands)
        if not (self._flushing or self._pump_scheduled):
            self._gather()

    def _gather(self) -> None:
        """Flush soon, but not before the commands that come in together are all there.

        Under load every answer brings its caller's next command. If the first of them was flushed
        at once it would go alone, all others would wait for it, and a flush costs as much for one
        as for thirty. So a batch stays open while the turns of the loop add to it, but no longer
        than a flush takes. Who comes alone waits for a few turns of an idle loop.
        """
        self._pump_scheduled = True
        self._gathered = 0
        self._quiet_turns = 0
        self._gather_until = self._loop.time() + min(self._last_flush_seconds, _LONGEST_GATHERING)
        self._loop.call_soon(self._pump_unless_more_come)

    def _pump_unless_more_come(self) -> None:
        if self._waiting > self._gathered:
            self._gathered = self._waiting
            self._quiet_turns = 0
        else:
            self._quiet_turns += 1
        if (
            self._quiet_turns >= _QUIET_TURNS
            or self._waiting >= self._batch_limit
            or self._flushing
            or self._loop.time() >= self._gather_until
        ):
            self._pump()
        else:
            self._loop.call_soon(self._pump_unless_more_come)

    def _pump(self) -> None:
        """Send the next batch to the log, if there is one and the way is free."""
        self._pump_scheduled = False
        if self._flushing or self._storage_failed or len(self._durable) >= self._batch_limit:
            return
        batch = self._take_batch()
        if batch:
            self._flush(batch)

    def _take_batch(self) -> list[_Entry]:
        """Take the next batch from the queues: urgent entries first, each entry whole.

        Urgent ones leave a quarter of the batch to the others, so that a flood of cancels slows
        everybody down but stops nobody.
        """
        batch: list[_Entry] = []
        records = 0
        size = 0
        for queue, limit in (
            (self._urgent, self._batch_limit * 3 // 4 if self._queue else self._batch_limit),
            (self._queue, self._batch_limit),
        ):
            while queue and records < limit and size < self._batch_bytes_limit:
                entry = queue.popleft()
                batch.append(entry)
                records += len(entry.commands)
                for payload in entry.payloads:
                    size += len(payload)
        self._waiting -= records
        return batch

    def _flush(self, batch: list[_Entry]) -> None:
        """Number and stamp the batch, and hand it to the log's thread."""
        sequence = self._last_sequence
        time_ns = max(self._clock.now_ns(), self._last_time_ns)
        records: list[Record] = []
        for entry in batch:
            if entry.move_to_ns:
                time_ns = max(entry.move_to_ns, time_ns)
            entry.sequence = sequence + 1
            entry.time_ns = time_ns
            for payload in entry.payloads:
                sequence += 1
                records.append(Record(sequence, time_ns, SCHEMA_VERSION, RULES_VERSION, payload))
        self._flushing = batch
        self._flush_began = self._loop.time()
        self._appender.append(records, self._flushed)

    def _flushed(self, failure: BaseException | None, seconds: float) -> None:
        batch = self._flushing
        self._flushing = []
        self._last_flush_seconds = self._loop.time() - self._flush_began
        if failure is not None:
            if isinstance(failure, LogUnavailable):
                self._fail_storage(batch, failure)
            else:
                self._end(failure, batch, "the log failed in a way that must not happen")
            return
        last = batch[-1]
        self._last_sequence = last.sequence + len(last.commands) - 1
        self._last_time_ns = last.time_ns
        if isinstance(self._clock, VirtualClock):
            # Only now: a clock that moved for a record that is not there would be a change.
            self._clock.move_to(max(last.time_ns, self._clock.now_ns()))
        records = self._last_sequence - batch[0].sequence + 1
        self.flushes += 1
        self.flushed_records += records
        self.flush_seconds += seconds
        if self._storage_failed:
            self._storage_failed = False
            self._retry_seconds = _FIRST_RETRY_SECONDS
            logger.warning("the log accepts records again; the exchange goes on")
        self._durable.extend(batch)
        if self._waiting >= records:
            # The disk first: the next batch is on its way while this one is applied.
            self._pump()
        elif self._waiting and not self._pump_scheduled:
            # Most of those who have something to say are about to be answered.
            self._gather()
        if not self._apply_scheduled:
            self._apply()

    # --- the core ----------------------------------------------------------------------------

    def _apply(self) -> None:
        """Apply what is durable, tell the listeners, then those who wait."""
        self._apply_scheduled = False
        durable = self._durable
        apply = self._engine.apply
        for _ in range(min(_APPLY_AT_ONCE, len(durable))):
            entry = durable.popleft()
            future = entry.future
            try:
                if entry.single:
                    applied = apply(entry.sequence, entry.time_ns, entry.commands[0])
                    self._tell(applied)
                    if future is not None and not future.done():
                        future.set_result(applied)
                    continue
                results = []
                for sequence, command in enumerate(entry.commands, entry.sequence):
                    applied = apply(sequence, entry.time_ns, command)
                    self._tell(applied)
                    results.append(applied)
            except Exception as error:
                self._end(error, [entry], "the core failed to apply a durable record")
                return
            if future is not None and not future.done():
                future.set_result(results)
        if durable:
            self._apply_scheduled = True
            self._loop.call_soon(self._apply)
        if not self._flushing:
            # Either the queue was held back while this lagged behind, or there is nothing to do.
            if not self._pump_scheduled:
                self._pump()
            if not durable:
                self._note_drained()
        if not durable:
            self._schedule_tick()

    def _tell(self, applied: Applied) -> None:
        for listener in self._listeners:
            try:
                listener(applied)
            except Exception:
                # The record counts whatever a listener makes of it.
                logger.exception("a listener failed at record %d", applied.sequence)

    # --- time --------------------------------------------------------------------------------

    def _schedule_tick(self) -> None:
        """Set the alarm for the core's next timer, unless it is set already."""
        if self._tick_waits or not self._accepting:
            return
        due = self._engine.next_timer_ns()
        if due == self._timer_due_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due_ns = due
        if due is not None:
            delay = self._clock.delay_until(due)
            if delay is not None:
                # Half a millisecond late rather than early: loops round their alarms.
                self._timer = self._loop.call_later(
                    min(delay + 0.0005, _LONGEST_SLEEP_SECONDS), self._alarm
                )

    def _alarm(self) -> None:
        self._timer = None
        due = self._timer_due_ns
        self._timer_due_ns = None
        if due is not None and self.now_ns() >= due and not self._storage_failed:
            self._tick_waits = True
            entry = _Entry((Tick(),), [encode_command(Tick())], None, True)
            entry.future = self._loop.create_future()
            entry.future.add_done_callback(self._tick_done)
            self._enqueue(entry, urgent=True)
        else:
            self._schedule_tick()

    def _tick_done(self, future: "asyncio.Future[Any]") -> None:
        self._tick_waits = False
        if future.exception() is None:
            self._schedule_tick()

    async def _tick_at(self, time_ns: int) -> Applied:
        self._admit(urgent=False)
        future: asyncio.Future[Applied] = self._loop.create_future()
        self._enqueue(_Entry((Tick(),), [encode_command(Tick())], future, True, time_ns), False)
        return await future

    # --- failure -----------------------------------------------------------------------------

    def _fail_storage(self, batch: list[_Entry], failure: LogUnavailable) -> None:
        """``batch`` is not durable: tell all who wait, then try until it works again."""
        if not self._storage_failed:
            self._storage_failed = True
            logger.error("the log cannot be written, commands are refused: %s", failure)
        self._refuse(batch, "unknown" if failure.in_doubt else "storage")
        self._refuse(self._take_queued(), "storage")
        if self._accepting:
            self._retry = self._loop.call_later(self._retry_seconds, self._probe)
            self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        self._note_drained()

    def _probe(self) -> None:
        """Try the log with a record that harms nobody."""
        self._retry = None
        self._flush([_Entry((Tick(),), [encode_command(Tick())], None, True)])

    def _take_queued(self) -> list[_Entry]:
        entries = [*self._urgent, *self._queue]
        self._urgent.clear()
        self._queue.clear()
        self._waiting = 0
        return entries

    def _refuse(self, entries: list[_Entry], reason: str) -> None:
        for entry in entries:
            if entry.future is not None and not entry.future.done():
                entry.future.set_exception(Unavailable(reason))

    def _end(self, error: BaseException, entries: list[_Entry], what: str) -> None:
        """State and log may no longer agree. Answer nobody, accept nothing, say why, and stop."""
        self._accepting = False
        self._storage_failed = True
        self._cancel_timers()
        sequence = entries[0].sequence
        logger.critical("%s (record %d or after)", what, sequence, exc_info=error)
        self._refuse([*entries, *self._durable, *self._take_queued()], "stopping")
        self._durable.clear()
        self._note_drained()
        self._on_defect(error)
