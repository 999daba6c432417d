"""One process of the exchange, from its start to its end: the production parts, put together as
the server does it, on a simulated loop and disk.

What is simulated: the event loop, the turns of the two worker threads, the disk below SQLite, the
clock, and the signatures of WebSocket clients. Everything else is what runs in production.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from augury.app.data_directory import history_path, log_path
from augury.app.recovering import CatchUp, bring_back, open_history
from augury.core.engine import Engine
from augury.gateways.auth import Principal
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.app import WebSocketGateway
from augury.log.sqlite import SqliteLog
from augury.ports.log import Log
from augury.projections.history import History
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries, HistoryUnavailable
from augury.sequencer import Sequencer
from augury.sequencer.appender import Appender
from augury.sequencer.clocks import RealClock
from augury.testing.simulation.disk import SYNC, Disk
from augury.testing.simulation.loop import (
    SimulatedEvent,
    SimulatedLoop,
    SimulatedQueue,
    SimulatedThread,
)


class SimulatedAppender(Appender):
    """The production appender; its thread runs in turns."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        assert isinstance(loop, SimulatedLoop)
        self._log = log
        self._loop = loop
        queue = SimulatedQueue()
        self._jobs: Any = queue
        self.thread = SimulatedThread(loop, self._run, "log")
        queue.filled.thread = self.thread
        self._thread: Any = self.thread
        self.thread.start()


class SimulatedHistory(History):
    """The production history; its thread runs in turns."""

    def __init__(self, loop: SimulatedLoop, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.thread = SimulatedThread(loop, self._run, "history")
        for name in ("_wake", "_urgent", "_halt"):
            event = SimulatedEvent()
            event.thread = self.thread
            setattr(self, name, event)

    def start(self) -> None:
        self._thread: Any = self.thread
        self.thread.start()


class _Introduced:
    """Lets clients in by the member that they name: there is nobody here to deceive."""

    def authenticate(self, headers: dict[bytes, bytes], method: str, path: str) -> Principal:
        return Principal(int(headers[b"member"]), 0, frozenset({"read", "write"}), "")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node is made of. Tests put in a part that is broken and see that it is found out."""

    log: Callable[[Path], SqliteLog] = SqliteLog
    appender: Callable[[Log, asyncio.AbstractEventLoop], Appender] = SimulatedAppender
    history: Callable[..., SimulatedHistory] = SimulatedHistory
    engine: Callable[[Engine], Any] = lambda engine: engine
    """Given the recovered engine, what is to apply commands."""
    websocket: Callable[..., WebSocketGateway] = WebSocketGateway


@dataclass(frozen=True, slots=True)
class Sizes:
    """Limits small enough to be reached."""

    batch: int
    waiting: int
    history_queue: int
    history_batch: int
    history_check: float
    """An idle history that looks after its file each second is most of what happens otherwise."""
    socket_queue: int

    @classmethod
    def chosen(cls, chance: Random) -> "Sizes":
        return cls(
            batch=chance.choice((1, 3, 1000)),
            waiting=chance.choice((4, 30, 1000)),
            history_queue=chance.choice((5, 50, 50_000)),
            history_batch=chance.choice((1, 7, 2000)),
            history_check=chance.choice((1.0, 20.0, 60.0, 60.0)),
            socket_queue=chance.choice((20_000, 1 << 20)),
        )


class Node:
    """A process. ``start``; then ``stop``, or ``die`` at any moment."""

    def __init__(
        self,
        data: Path,
        loop: SimulatedLoop,
        disk: Disk,
        wall_ns: Callable[[], int],
        parts: Parts,
        sizes: Sizes,
    ) -> None:
        self.data = data
        self.loop = loop
        self.disk = disk
        self.defects: list[BaseException] = []
        self._wall_ns = wall_ns
        self._parts = parts
        self._sizes = sizes
        self._closing: list[Callable[[], None]] = []
        self._threads: list[SimulatedThread] = []
        self.gate: Sequencer

    async def start(self) -> None:
        """Raises ``LogError`` or ``RecoveryError`` as the server's start does."""
        sizes = self._sizes
        self.log = self._parts.log(log_path(self.data))
        self._closing.append(self.log.close)
        self.history = self._parts.history(
            self.loop,
            f"sqlite:///{history_path(self.data)}",
            catch_up=CatchUp(self.data),
            queue_limit=sizes.history_queue,
            batch_limit=sizes.history_batch,
            check_seconds=sizes.history_check,
        )
        self._closing.append(self.history._writer.close)
        open_history(self.history, self.log)
        engine, self.recovered_from = bring_back(self.data, self.log, self.history)
        self.gate = gate = Sequencer(
            self._parts.engine(engine),
            self.log,
            RealClock(self._wall_ns),
            batch_limit=sizes.batch,
            waiting_limit=sizes.waiting,
            on_defect=self.defects.append,
            appender=self._make_appender,
        )
        self.queries = HistoryQueries(self.history.database)
        self._closing.append(self.queries.close)
        self.statistics = MarketStats()
        await self.history.wait_for(gate.state.sequence, 0.0)
        try:
            await self.statistics.load(self.queries, gate.now_ns())
        except HistoryUnavailable:
            pass
        authenticator: Any = _Introduced()
        self.websocket = self._parts.websocket(
            gate, authenticator, WebSocketSettings(queue_bytes=sizes.socket_queue)
        )
        gate.listen(self.history.feed)
        gate.listen(self.statistics.observe)
        self.disk.slow = self._take_time
        self.history.start()
        self._threads.append(self.history.thread)
        await gate.start()
        if self.history.position < gate.state.sequence:
            later = self.statistics.load_later(
                self.queries, self.history, gate.state.sequence, gate.now_ns
            )
            self.loop.create_task(later)

    async def stop(self) -> None:
        """The way the server stops: the sequencer, then readers, then history."""
        self.websocket.stop()
        await self.gate.stop()
        self.queries.close()
        self.history.close()

    def die(self) -> None:
        """From one moment to the next nothing of the process is there any more."""
        self.disk.freeze()
        self.disk.slow = lambda kind, name: None
        self.loop.abandon()
        for thread in self._threads:
            thread.abandon()
        # The kernel closes what the process had open; with the disk frozen nothing is written.
        for close in reversed(self._closing):
            close()

    def _make_appender(self, log: Log, loop: asyncio.AbstractEventLoop) -> Appender:
        appender = self._parts.appender(log, loop)
        thread = getattr(appender, "thread", None)
        if thread is not None:
            self._threads.append(thread)
        return appender

    def _take_time(self, kind: str, name: str) -> None:
        """The disk is slow, and whoever waits for it in a thread of its own holds up nobody."""
        me = threading.current_thread()
        for thread in self._threads:
            if thread.is_thread(me):
                chance = self.loop.chance
                if kind == SYNC:
                    thread.pause(chance.choice((0.0, 0.0002, 0.001, 0.02)))
                elif chance.random() < 0.03:
                    thread.pause(0.0005)
