"""One event loop for a whole simulated exchange: virtual time, and turns given out by chance.

Time does not pass while something is ready; then it jumps to the next timer. Callbacks keep the
order in which they were scheduled, as asyncio promises, but tasks that are ready together go on
in an order of chance, and worker threads get their turns when the loop says so. So the whole run
is a function of the chance that it was given.

``SimulatedThread`` is a real thread that never runs beside another: it runs during its turns and
stands still at the points where it waits, or where the disk is slow. The loop's thread waits
meanwhile.
"""

import asyncio
import contextlib
import contextvars
import heapq
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from augury.testing.simulation.disk import Crashed

T = TypeVar("T")

if TYPE_CHECKING:
    # Typed, it would have to implement sockets, signals and child processes as well.
    _AbstractLoop = Any
else:
    _AbstractLoop = asyncio.AbstractEventLoop

LIMIT: Final = 60.0
"""Real seconds that a thread's turn may take before the simulation gives up."""


class SimulatedLoop(_AbstractLoop):  # type: ignore[misc]
    """Implements as much of an event loop as the exchange uses. ``step`` by ``step``."""

    def __init__(self, chance: Random, start: float = 0.0) -> None:
        self.chance = chance
        self.steps = 0
        self.failures: list[dict[str, Any]] = []
        """What asyncio reports about callbacks and tasks that failed."""
        self._now = start
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._closed = False
        self._tasks: dict[asyncio.Task[Any], None] = {}

    # --- running -----------------------------------------------------------------------------

    def step(self) -> bool:
        """Run one callback, moving time when nothing is ready; False when nothing is left."""
        if not self._ready:
            while self._timers and self._timers[0][2].cancelled():
                heapq.heappop(self._timers)
            if not self._timers:
                return False
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                _, _, timer = heapq.heappop(self._timers)
                if not timer.cancelled():
                    self._ready.append(timer)
        self.steps += 1
        handle = self._next()
        if not handle.cancelled():
            asyncio._set_running_loop(self)
            try:
                handle._run()
            finally:
                asyncio._set_running_loop(None)
        return True

    def _next(self) -> asyncio.Handle:
        """The first that is ready; of tasks, any."""
        ready = self._ready
        if len(ready) > 1 and _task_of(ready[0]) is not None:
            others = [index for index, handle in enumerate(ready) if _task_of(handle) is not None]
            index = self.chance.choice(others)
            ready.rotate(-index)
            handle = ready.popleft()
            ready.rotate(index)
            return handle
        return ready.popleft()

    def is_busy(self, within: float = 0.0) -> bool:
        """Whether something is ready now, or will be within so many seconds."""
        if self._ready:
            return True
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return bool(self._timers) and self._timers[0][0] <= self._now + within

    def abandon(self) -> None:
        """The process is gone: nothing that was scheduled will happen."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            # Now, and not whenever the garbage collector finds them.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):
                task.get_coro().close()
        self._tasks.clear()

    # --- what asyncio asks of a loop ---------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._closed:
            # Coroutines of a process that is gone may still say their last words.
            self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        if self._closed:
            raise RuntimeError("the simulated process is gone")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._closed:
            self._count += 1
            heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[T]":
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def run_in_executor(
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """The call is made in one piece, some time from now."""
        future: asyncio.Future[T] = self.create_future()

        def call() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self.chance.random() * 0.002, call)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed


def _task_of(handle: asyncio.Handle) -> "asyncio.Task[Any] | None":
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return owner if isinstance(owner, asyncio.Task) else None


# --- threads -------------------------------------------------------------------------------------


@contextlib.contextmanager
def on_one_core(number: int) -> Iterator[None]:
    """Within this block the process stays on one core, chosen by ``number``, where it may choose.

    Its threads never run side by side, and between two cores a turn takes several times as long
    to hand over.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class SimulatedThread:
    """Runs ``target`` in turns; looks like ``threading.Thread`` to those who start and join it."""

    def __init__(self, loop: SimulatedLoop, target: Callable[[], None], name: str) -> None:
        self._loop = loop
        self._target = target
        # Locks that one side takes and the other gives back: nothing hands over a turn faster.
        self._mine = threading.Lock()
        self._theirs = threading.Lock()
        self._mine.acquire()
        self._theirs.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._abandoned = False
        self._event: SimulatedEvent | None = None
        self._alarm: asyncio.Handle | None = None
        self.done = False
        self.defect: BaseException | None = None

    def start(self) -> None:
        self._thread.start()
        self._alarm = self._loop.call_soon(self._turn)

    def join(self, timeout: float | None = None) -> None:
        """Give it turns until it has ended; whoever joins lets nobody else run meanwhile.

        It may wait for something with a limit of time: that time has then passed.
        """
        for _ in range(100_000):
            if self.done:
                self._thread.join()
                return
            self._turn()
        raise RuntimeError(f"{self._thread.name} does not end")

    def abandon(self) -> None:
        """The process is gone: unwind the thread without letting it do anything more."""
        self._abandoned = True
        if self._thread.ident is not None:
            for _ in range(1000):
                if self.done:
                    break
                self._switch()
            self._thread.join(LIMIT)

    # --- in the loop's thread ----------------------------------------------------------------

    def _turn(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self.done:
            self._event = None
            self._switch()

    def _switch(self) -> None:
        self._mine.release()
        if not self._theirs.acquire(timeout=LIMIT):
            raise RuntimeError(f"{self._thread.name} is stuck")

    def notify(self, event: "SimulatedEvent") -> None:
        """``event`` was set; wake up if that is what is being waited for."""
        if self._event is event and not self._loop.is_closed():
            self._event = None
            if self._alarm is not None:
                self._alarm.cancel()
            delay = self._loop.chance.choice((0.0, 0.0, 0.0005, 0.005))
            self._alarm = self._loop.call_later(delay, self._turn)

    # --- in the thread -----------------------------------------------------------------------

    def is_thread(self, thread: threading.Thread) -> bool:
        return self._thread is thread

    def pause(self, seconds: float | None, event: "SimulatedEvent | None" = None) -> None:
        """Stand still for ``seconds``, or until ``event`` is set; None is for ever."""
        if self._abandoned:
            raise Crashed
        self._event = event
        if seconds is not None:
            self._alarm = self._loop.call_later(seconds, self._turn)
        self._theirs.release()
        self._mine.acquire()
        if self._abandoned:
            raise Crashed

    def _run(self) -> None:
        self._mine.acquire()
        try:
            if not self._abandoned:
                self._target()
        except Crashed:
            pass
        except BaseException as error:
            error.add_note("".join(traceback.format_exception(error)))
            self.defect = error
        self.done = True
        self._theirs.release()


class SimulatedEvent:
    """``threading.Event`` for one simulated thread."""

    def __init__(self) -> None:
        self.thread: SimulatedThread | None = None
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        if self.thread is not None:
            self.thread.notify(self)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set and self.thread is not None:
            self.thread.pause(timeout, self)
        return self._set


class SimulatedQueue:
    """``queue.SimpleQueue`` whose reader is one simulated thread."""

    def __init__(self) -> None:
        self.filled = SimulatedEvent()
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self.filled.set()

    def get(self) -> Any:
        while not self._items:
            self.filled.clear()
            self.filled.wait()
        return self._items.popleft()
