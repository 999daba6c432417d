"""The lives of a simulated process: how it starts, runs step by step, and ends.

Owns the world's parts (disk, loop, claims, reference, replicas, watchers) and what is checked in
every life. What happens to them is for ``happenings``, the looking at all of it for ``world``.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final

from augury.codec.commands import decode_command
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.core.state import Exchange
from augury.core.units import NANOS_PER_SECOND
from augury.log.sqlite import SqliteLog
from augury.ports.exchange import Unavailable
from augury.ports.log import LogError
from augury.projections.history import History
from augury.sequencer.recovery import RecoveryError
from augury.testing.invariants import check, check_book, check_positions
from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.claims import Claims, Reference
from augury.testing.simulation.disk import Crashed, Disk
from augury.testing.simulation.figures import Figures
from augury.testing.simulation.loop import SimulatedLoop
from augury.testing.simulation.node import Node, Parts, Sizes
from augury.testing.simulation.watchers import Watcher
from augury.testing.simulation.workload import Commands

START_NS: Final = 1_760_000_000 * NANOS_PER_SECOND

STEPS_AT_REST: Final = 50_000
SECONDS_AT_REST: Final = 900.0
"""Enough steps of the loop, and enough simulated time, for anything to come to rest."""


NEAR_SECONDS: Final = 5.0
"""How long nothing may happen while something else is done. To let more time pass is to wait."""


class Wrong(AssertionError):
    """Something that must not be. The text says what."""


class Complaints(logging.Handler):
    """Collects what the exchange itself takes for a defect: whatever it logs with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.found.append(record.exc_info[1])


class Replica:
    """Follows the log beside the node, from a snapshot or from the first record."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def follow(self, log: SqliteLog) -> None:
        for record in log.read(self.engine.state.sequence):
            command = decode_command(record.payload, record.schema_version)
            self.engine.apply(record.sequence, record.time_ns, command)


class Lives:
    """The parts of a world. ``parts`` replaces production parts by broken ones, to see that it is
    noticed.
    """

    def __init__(self, seed: int, root: Path, parts: Parts | None = None) -> None:
        self.seed = seed
        self.chance = Random(f"world {seed}")
        self.parts = parts or Parts()
        self.sizes = Sizes.chosen(self.chance)
        self.check_every = self.chance.choice((1, 5, 25))
        self.data = root / "data"
        self.data.mkdir()
        self.aside = root / "aside"
        self.aside.mkdir()
        self.disk = Disk(self.data, self.chance)
        self.loop = SimulatedLoop(self.chance)
        self.clock_offset_ns = 0
        self.claims = Claims()
        self.reference = Reference()
        self.node: Node | None = None
        self.replicas: list[Replica] = []
        self.watchers: list[Watcher] = []
        self.unanswered: list[Commands] = []
        self.problems: list[BaseException] = []
        self.complaints = Complaints()
        self.figures = Figures()
        self.now = "nothing yet"
        self.calm_history: History | None = None
        self.history_rotten = False
        self.history_meddled_with = False
        self._applied = 0

    # --- running -----------------------------------------------------------------------------

    def finish(self) -> Figures:
        """Let go of everything; what happened."""
        self._end_life(died=True)
        if self.calm_history is not None:
            self.calm_history.close()
        figures = self.figures
        figures.fates.update(self.claims.counts)
        figures.faults.update(self.disk.injected)
        figures.records = self.reference.position
        figures.census.update(self.reference.census)
        figures.simulated_seconds = self.loop.time()
        return figures

    def wall_ns(self) -> int:
        return START_NS + int(self.loop.time() * NANOS_PER_SECOND) + self.clock_offset_ns

    def _run(self, steps: int) -> None:
        """So many steps of the loop, fewer when nothing is left to do within ``NEAR_SECONDS``."""
        for _ in range(steps):
            if not self.loop.is_busy(NEAR_SECONDS):
                return
            self._step()

    def _pass(self, seconds: float) -> None:
        """So much time passes, unless the process crashes meanwhile."""
        end = self.loop.time() + seconds
        self.loop.call_at(end, int)
        self._until(lambda: self.loop.time() >= end, "time passes")

    def _step(self) -> None:
        if self.node is None:
            return
        self.loop.step()
        self.figures.steps += 1
        self.disk.now = self.loop.time()
        if self.disk.frozen:
            # The crash that was planned for this operation of the disk.
            self.figures.faults["crash in the middle of a write"] += 1
            self._crash()
            return
        self._look_for_problems()

    def _look_for_problems(self) -> None:
        node = self.node
        problems = [*self.problems, *self.complaints.found, *(node.defects if node else [])]
        problems += [
            context.get("exception") or Wrong(context["message"]) for context in self.loop.failures
        ]
        for problem in problems:
            if not isinstance(problem, Crashed):
                raise problem
        self.complaints.found.clear()

    def _until(self, condition: Callable[[], bool], what: str) -> bool:
        """Run until ``condition`` holds; False when the process crashed on the way."""
        life = self.node
        deadline = self.loop.time() + SECONDS_AT_REST
        for _ in range(STEPS_AT_REST):
            if condition():
                return True
            if self.loop.time() > deadline:
                break
            self._step()
            if self.node is not life:
                return False
        raise Wrong(f"it never came to this: {what}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.create_task(work).add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.problems.append(error)

    # --- lives of the process ----------------------------------------------------------------

    def _start(self) -> None:
        """Start the process, and again when it crashes on its way up."""
        while self.node is None:
            self.figures.lives += 1
            node = Node(self.data, self.loop, self.disk, self.wall_ns, self.parts, self.sizes)
            task = self.loop.create_task(node.start())
            for _ in range(STEPS_AT_REST):
                if task.done() or self.disk.frozen:
                    break
                self.loop.step()
            else:
                raise Wrong("the exchange does not start")
            if not self.disk.frozen:
                error = task.exception()
                faulty = any(fault.until > self.loop.time() for fault in self.disk.faults)
                if error is not None:
                    if not (faulty and isinstance(error, LogError | RecoveryError)):
                        node.die()
                        raise error
                    # A disk that fails may keep it from starting. Somebody repairs the disk.
                    self.figures.faults["no start on a failing disk"] += 1
                    self.disk.repair()
                failed = error is not None
                del error
            else:
                self.figures.faults["crash while starting"] += 1
                failed = True
                if task.done():
                    task.exception()
            # What failed holds on to files, which must be closed before the next start.
            del task
            if failed:
                self.node = node
                del node
                self._bury()
                continue
            self.node = node
            if node.recovered_from:
                self.figures.snapshots_used += 1
            node.gate.listen(self._applied_one)
            self.reference.follow(node.log, self.claims)
            assert state_hash(node.gate.state) == self.reference.hash(), "recovered another state"
            for replica in self.replicas:
                assert replica.engine.state.sequence <= node.log.last_sequence
            if node.gate.state.markets and self.chance.random() < 0.6:
                self._connect(self.chance)
            again, self.unanswered = self.unanswered, []
            for commands in again:
                if self.chance.random() < 0.7:
                    self._spawn(self._try(commands, self.chance.random() * 2, 3))
        self._look_for_problems()

    def _end_life(self, died: bool) -> None:
        node, self.node = self.node, None
        if node is not None and died:
            node.die()
        lost = self.claims.lose()
        self.unanswered.extend(claim.commands for claim in lost)
        self.loop.abandon()
        for watcher in self.watchers:
            self.figures.messages += watcher.messages
        self.watchers.clear()
        self.loop = SimulatedLoop(self.chance, self.loop.time())
        if sqlite_vfs.open_files():
            # Readers that an exception still holds. A process that ends takes them with it.
            del node, lost
            gc.collect()
            left = sqlite_vfs.open_files()
            if left:
                raise Wrong(f"a process that has ended still has {left} open")

    def _bury(self) -> None:
        """It did not come up; when it crashed on its way, perhaps with the machine."""
        crashed = self.disk.frozen
        self._end_life(died=True)
        self.complaints.found.clear()
        if crashed and self.chance.random() < 0.7:
            self._lose_power()
        self.disk.thaw()

    def _crash(self) -> None:
        """The process died a moment ago, and with it perhaps the machine."""
        self.disk.freeze()
        power = self.chance.random() < 0.5
        self._end_life(died=True)
        self.complaints.found.clear()
        if power:
            self._lose_power()
        self.disk.thaw()
        if self.chance.random() < 0.3:
            # It will not even come up.
            self.disk.crash_at = self.disk.operations + self.chance.randint(1, 60)
        self._start()

    def _lose_power(self) -> None:
        self.figures.faults["power lost"] += 1
        self.figures.faults["writes lost or torn"] += self.disk.unflushed
        self.disk.lose_power()

    # --- what clients do ---------------------------------------------------------------------

    async def _try(self, commands: Commands, delay: float, retries: int) -> None:
        """A client: sends, and sends again when it was refused or did not hear the answer."""
        chance = self.chance
        node = self.node
        assert node is not None
        if delay:
            await asyncio.sleep(delay)
        if retries and chance.random() < 0.03:
            # The network delivers it twice.
            self._spawn(self._try(commands, chance.random() * 0.1, 0))
        claim = self.claims.begin(commands)
        try:
            if len(commands) == 1:
                results = [await node.gate.submit(commands[0])]
            else:
                results = await node.gate.submit_all(commands)
        except Unavailable as unavailable:
            if unavailable.reason == "unknown":
                self.claims.doubt(claim)
            else:
                self.claims.refuse(claim)
            if retries:
                await asyncio.sleep(chance.random() * 3)
                await self._try(commands, 0.0, retries - 1)
            return
        self.claims.acknowledge(claim, results)
        if retries and chance.random() < 0.05:
            # The answer is lost on its way; the client asks again.
            await self._try(commands, chance.random() * 5, 0)

    def _applied_one(self, applied: Applied) -> None:
        """After each record: what can be checked at little cost, and now and then everything."""
        node = self.node
        if node is None:
            return
        try:
            self._applied += 1
            if self._applied % self.check_every == 0:
                check(node.gate.state, fixed_terms=False)
            else:
                check_touched(node.gate.state, applied)
        except Exception as error:
            self.problems.append(error)

    def _connect(self, chance: Random) -> None:
        node = self.node
        assert node is not None
        members = list(node.gate.state.members)
        watcher = Watcher(node.websocket, node.gate.state, chance.choice(members))
        self.watchers.append(watcher)
        self._spawn(watcher.live())

    def _everybody_knows(self) -> bool:
        return not self.claims.open


def check_touched(state: Exchange, applied: Applied) -> None:
    """Money, and the markets that a record is about."""
    assert state.ledger.total() == 0, f"the ledger adds up to {state.ledger.total()}"
    for ticker in {getattr(event, "market_ticker", "") for event in applied.events}:
        market = state.markets.get(ticker)
        if market is not None:
            check_positions(state, market)
            check_book(state, market)
