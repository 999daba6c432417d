"""The thread that waits for the disk, so that the event loop need not.

One job at a time is under way; it belongs to the thread until its result is handed back on the
loop. An executor would do the same at several times the price, which every order at light load
would pay.
"""

import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from augury.ports.log import Log, Record

Finished = Callable[[BaseException | None, float], None]
"""Called on the event loop with the failure, if any, and the seconds that the append took."""


class Appender:
    """Appends to ``log``; closes it at the end, in the same thread."""

    def __init__(self, log: Log, loop: AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Sequence[Record], Finished] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="augury-log", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[Record], finished: Finished) -> None:
        self._jobs.put((records, finished))

    def close(self) -> None:
        """Finish what was given, then close the log. Blocks until that is done."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            records, finished = job
            failure: BaseException | None = None
            began = time.perf_counter()
            try:
                self._log.append(records)
            except BaseException as error:
                failure = error
            seconds = time.perf_counter() - began
            try:
                self._loop.call_soon_threadsafe(finished, failure, seconds)
            except RuntimeError:
                # The loop is gone, and with it everybody who could be told.
                break
        self._log.close()
