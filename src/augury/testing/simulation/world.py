"""The simulated world: an exchange, its clients, and everything that can happen to them.

``run`` does one plan and raises at the first thing that must not be. All chance comes from the
seed, so the same seed does the same again, to the last byte on the disk.
"""

import asyncio
import contextlib
import gc
import logging
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import select

from augury.app.auditing import audit, replayed
from augury.app.data_directory import history_path, log_path, snapshots_path
from augury.app.snapshotter import take_snapshot
from augury.codec.snapshots import decode_state
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.core.state import Exchange
from augury.core.units import NANOS_PER_SECOND
from augury.log.backup import restore_backup, write_backup
from augury.log.head import LogInUse
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.exchange import Unavailable
from augury.ports.log import LogError, Record
from augury.projections.history import History
from augury.projections.tables import metadata
from augury.sequencer.recovery import RecoveryError, recover
from augury.testing.invariants import check, check_book, check_positions
from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.claims import Claim, Claims, Reference
from augury.testing.simulation.disk import SYNC, Crashed, Disk, Fault
from augury.testing.simulation.loop import SimulatedLoop
from augury.testing.simulation.node import Node, Parts, Sizes
from augury.testing.simulation.plan import Action
from augury.testing.simulation.watchers import Watcher
from augury.testing.simulation.workload import Commands, Workload, foundation

START_NS: Final = 1_760_000_000 * NANOS_PER_SECOND

STEPS_AT_REST: Final = 50_000
SECONDS_AT_REST: Final = 900.0
"""Enough steps of the loop, and enough simulated time, for anything to come to rest."""


class Wrong(AssertionError):
    """Something that must not be. The text says what."""


@dataclass(slots=True)
class Figures:
    """What happened in a run, for reports."""

    actions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    records: int = 0
    lives: int = 0
    checks: int = 0
    messages: int = 0
    snapshots_used: int = 0
    refusals_to_start: int = 0
    simulated_seconds: float = 0.0

    def add(self, other: "Figures") -> None:
        for name in ("actions", "faults", "fates"):
            getattr(self, name).update(getattr(other, name))
        for name in (
            "steps",
            "records",
            "lives",
            "checks",
            "messages",
            "snapshots_used",
            "refusals_to_start",
            "simulated_seconds",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class _Complaints(logging.Handler):
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
        from augury.codec.commands import decode_command

        for record in log.read(self.engine.state.sequence):
            command = decode_command(record.payload, record.schema_version)
            self.engine.apply(record.sequence, record.time_ns, command)


class World:
    """One run. ``parts`` replaces production parts by broken ones, to see that it is noticed."""

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
        self.complaints = _Complaints()
        self.figures = Figures()
        self.now = "nothing yet"
        self.calm_history: History | None = None
        self.history_rotten = False
        self._applied = 0
        self._handlers: dict[str, Callable[[Random, str], None]] = {
            "members": self._members,
            "operator": self._operator,
            "flood": self._flood,
            "wait": self._wait,
            "clock": self._clock,
            "watch": self._watch,
            "replica": self._replica,
            "snapshot": self._snapshot,
            "check": self._check,
            "kill": self._kill,
            "power": self._power,
            "stop": self._stop,
            "rot": self._rot,
            "chain": self._chain,
            "disk": self._disk,
            "history": self._history,
            "backup": self._backup,
            "intruder": self._intruder,
        }

    # --- running -----------------------------------------------------------------------------

    def run(self, plan: list[Action]) -> None:
        """Do the plan, then bring everything to rest and look at all of it once more."""
        if self.chance.random() < 0.9:
            _copy_empty_history(history_path(self.data))
        self._start()
        self._found()
        for action in plan:
            self.now = str(action)
            self.chance.seed(f"{self.seed} {action.index}")
            self.figures.actions[action.kind] += 1
            self._handlers[action.kind](Random(f"{self.seed} of {action.index}"), str(action.index))
            self._run(self.chance.choice((0, 1, 3, 10, 40)))
        self.now = "the end"
        self._check(self.chance, "end")
        self._look_at_everything()

    def finish(self) -> Figures:
        """Let go of everything; what happened."""
        self._end_life(died=True)
        if self.calm_history is not None:
            self.calm_history.close()
        figures = self.figures
        figures.fates.update(self.claims.counts)
        figures.faults.update(self.disk.injected)
        figures.records = self.reference.position
        figures.simulated_seconds = self.loop.time()
        return figures

    def wall_ns(self) -> int:
        return START_NS + int(self.loop.time() * NANOS_PER_SECOND) + self.clock_offset_ns

    def _run(self, steps: int) -> None:
        """So many steps of the loop, fewer when nothing is left to do."""
        for _ in range(steps):
            self._step()

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
                    self.disk.faults.clear()
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
        self._end_life(died=True)
        self.complaints.found.clear()
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

    def _found(self) -> None:
        """The first days of the exchange: everything that trading needs."""
        self.now = "foundation"
        for _ in range(1000):
            assert self.node is not None
            commands = foundation(self.node.gate.state, self.chance, self.wall_ns())
            if commands is None:
                return
            self._spawn(self._try(commands, 0.0, 0))
            self._until(lambda: not self.claims.open and not self.loop.is_busy(), "founded")
        raise Wrong("the exchange could not be founded")

    def _workload(self, chance: Random, name: str) -> Workload:
        assert self.node is not None
        return Workload(chance, self.node.gate.state, self.wall_ns(), name)

    def _members(self, chance: Random, name: str) -> None:
        workload = self._workload(chance, name)
        for _ in range(chance.choice((1, 1, 2, 5, 12))):
            self._spawn(self._try(workload.member_wants(), chance.random() * 0.01, 1))

    def _operator(self, chance: Random, name: str) -> None:
        commands = self._workload(chance, name).operator_wants()
        self._spawn(self._try(commands, chance.random() * 0.01, 2))

    def _flood(self, chance: Random, name: str) -> None:
        workload = self._workload(chance, name)
        for _ in range(chance.randint(20, 80)):
            self._spawn(self._try(workload.member_wants(), 0.0, 1))

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

    # --- time, disk, crashes -----------------------------------------------------------------

    def _wait(self, chance: Random, name: str) -> None:
        end = self.loop.time() + chance.choice((0.01, 0.5, 5.0, 40.0, 200.0))
        self._until(lambda: self.loop.time() >= end, "time passes")

    def _clock(self, chance: Random, name: str) -> None:
        self.figures.faults["clock set"] += 1
        self.clock_offset_ns += chance.choice((-1, 1)) * chance.randint(0, 900 * NANOS_PER_SECOND)

    def _disk(self, chance: Random, name: str) -> None:
        kind = chance.choice((SYNC, SYNC, "write", "full", "read", "truncate"))
        area = chance.choice(("log.sqlite", "log.sqlite", "history", "snapshot", ""))
        until = self.loop.time() + chance.choice((0.01, 0.3, 3.0, 20.0))
        self.disk.faults = [fault for fault in self.disk.faults if fault.until > self.loop.time()]
        self.disk.faults.append(Fault(kind, area, until, chance.choice((0.3, 1.0))))

    def _kill(self, chance: Random, name: str) -> None:
        """The process is killed: now, or in the middle of some write to come."""
        if chance.random() < 0.5:
            self.disk.crash_at = self.disk.operations + chance.randint(1, 25)
            return
        self._run(chance.randint(0, 12))
        self._kill_now()
        if chance.random() < 0.3:
            self.disk.crash_at = self.disk.operations + chance.randint(1, 60)
        self._start()

    def _kill_now(self) -> None:
        self.figures.faults["killed"] += 1
        self.disk.freeze()
        self._end_life(died=True)
        self.complaints.found.clear()
        self.disk.thaw()

    def _power(self, chance: Random, name: str) -> None:
        self._run(chance.randint(0, 12))
        self._kill_now()
        self._lose_power()
        self._start()

    def _chain(self, chance: Random, name: str) -> None:
        """One misfortune after another: a flush fails, the process dies, and then the machine."""
        self.disk.crash_at = 0
        self.disk.faults = [Fault(SYNC, "log.sqlite-wal", self.loop.time() + 1.0, 1.0)]
        self._members(chance, f"{name}a")
        self._run(30)
        self.disk.faults.clear()
        self._kill_now()
        self._start()
        self._members(chance, f"{name}b")
        self._run(chance.choice((0, 30)))
        if chance.random() < 0.7:
            self._power(chance, name)

    def _stop(self, chance: Random, name: str) -> None:
        """A graceful stop, after which the power may fail all the same."""
        node = self.node
        assert node is not None
        self.disk.faults.clear()
        self._until(lambda: not node.gate.storage_failed, "the log can be written")
        if self.node is not node:
            return
        task = self.loop.create_task(node.stop())
        if not self._until(task.done, "the exchange stops"):
            return
        task.result()
        self._look_for_problems()
        self._until(self._everybody_knows, "everybody has an answer")
        if self.node is not node:
            return
        self._end_life(died=False)
        if chance.random() < 0.5:
            with contextlib.suppress(OSError):
                take_snapshot(self.data)
        if chance.random() < 0.3:
            self._lose_power()
            self.disk.thaw()
        self._start()

    def _rot(self, chance: Random, name: str) -> None:
        """Damage on the disk, found at a start: everything is there again, or the start stops."""
        self.disk.faults.clear()
        self.disk.crash_at = 0
        self._kill_now()
        damaged = self.disk.rot(chance.choice(("log", "log", "snapshots", "history")))
        if damaged is None:
            self._start()
            return
        path, before = damaged
        self.figures.faults["damaged file"] += 1
        files = {file: file.read_bytes() for file in self.data.iterdir() if file.is_file()}
        files[path] = before
        if path.name.startswith("history"):
            # Its rows have no checksums, so it may say something wrong until it is made anew.
            self.history_rotten = True
        if self._starts_after_all():
            return
        if not path.name.startswith("log"):
            raise Wrong(f"damage in {path.name} kept the exchange from starting")
        self.figures.refusals_to_start += 1
        self._kill_now()
        for file in list(self.data.iterdir()):
            if file.is_file():
                file.unlink()
        for file, content in files.items():
            file.write_bytes(content)
        self.disk.forget()
        self._start()

    def _starts_after_all(self) -> bool:
        """Whether the damage did no harm: then everything is there, also when it is read again."""
        try:
            self._start()
            node = self.node
            assert node is not None
            assert sum(1 for _ in node.log.read()) == node.log.last_sequence
        except (LogError, RecoveryError):
            return False
        return True

    # --- everything else that happens --------------------------------------------------------

    def _watch(self, chance: Random, name: str) -> None:
        node = self.node
        assert node is not None
        kind = chance.random()
        if not self.watchers or kind < 0.3:
            self._connect(chance)
            return
        watcher = chance.choice(self.watchers)
        if kind < 0.5:
            watcher.socket.paused = True
        elif kind < 0.7:
            watcher.socket.resume()
        elif kind < 0.8:
            self.watchers.remove(watcher)
            self.figures.messages += watcher.messages
            watcher.leave()
        else:
            tickers = list(node.gate.state.markets)
            watcher.watch_more(chance.sample(tickers, min(len(tickers), chance.randint(1, 6))))
        watcher.read()

    def _connect(self, chance: Random) -> None:
        node = self.node
        assert node is not None
        members = list(node.gate.state.members)
        watcher = Watcher(node.websocket, node.gate.state, chance.choice(members))
        self.watchers.append(watcher)
        self._spawn(watcher.live())

    def _replica(self, chance: Random, name: str) -> None:
        """One joins, from a snapshot or from the first record; all read on."""
        try:
            with closing(SqliteLog(log_path(self.data), read_only=True)) as log:
                if len(self.replicas) < 4 and chance.random() < 0.5:
                    store = DirectorySnapshots(snapshots_path(self.data))
                    engine, records = recover(
                        log, store if chance.random() < 0.6 else None, verify_all=False
                    )
                    for _ in records:
                        pass
                    self.replicas.append(Replica(engine))
                for replica in self.replicas:
                    replica.follow(log)
                self.reference.follow(log, self._settled_claims())
        except (LogError, RecoveryError):
            if not self._disk_fails():
                raise
            return
        self._compare_replicas()

    def _compare_replicas(self) -> None:
        expected = self.reference.hash()
        for replica in self.replicas:
            if replica.engine.state.sequence == self.reference.position:
                assert state_hash(replica.engine.state) == expected, "replicas differ"

    def _settled_claims(self) -> Claims:
        return self.claims

    def _snapshot(self, chance: Random, name: str) -> None:
        """The snapshotter's child process does its work."""
        try:
            snapshot = take_snapshot(self.data)
        except Crashed:
            return
        except (LogError, RecoveryError, OSError):
            if not self._disk_fails():
                raise
            return
        if snapshot is not None:
            state, _ = decode_state(snapshot.payload, snapshot.state_hash)
            check(state, fixed_terms=False)

    def _history(self, chance: Random, name: str) -> None:
        """The history database fails for a while, or its file vanishes."""
        if chance.random() < 0.8:
            self.figures.faults["history away"] += 1
            until = self.loop.time() + chance.choice((0.3, 3.0, 30.0))
            for kind in ("read", "write", SYNC, "create"):
                self.disk.faults.append(Fault(kind, "history", until, 1.0))
            return
        self.figures.faults["history removed"] += 1
        self.disk.remove(history_path(self.data).name)

    def _backup(self, chance: Random, name: str) -> None:
        """A backup while everything runs; restored elsewhere it gives the same exchange."""
        file, place = self.aside / f"{name}.backup", self.aside / name
        try:
            with closing(SqliteLog(log_path(self.data), read_only=True)) as log:
                end = write_backup(log, file)
        except (LogError, OSError):
            if not self._disk_fails():
                raise
            return
        restore_backup(file, place)
        with closing(SqliteLog(log_path(place))) as log:
            assert log.last_sequence == end.sequence
            assert log.chain_hash(end.sequence) == end.chain
            engine, records = recover(log)
            for _ in records:
                pass
            check(engine.state, fixed_terms=False)
        shutil.rmtree(place)
        file.unlink()

    def _intruder(self, chance: Random, name: str) -> None:
        """A second process tries to write the same log."""
        assert self.node is not None
        try:
            other = SqliteLog(log_path(self.data))
        except LogInUse:
            return
        other.append([Record(other.last_sequence + 1, 0, 1, 1, b"")])
        raise Wrong("two processes wrote the same log")

    def _disk_fails(self) -> bool:
        return self.disk.frozen or any(fault.until > self.loop.time() for fault in self.disk.faults)

    # --- checkpoints -------------------------------------------------------------------------

    def _everybody_knows(self) -> bool:
        return not self.claims.open

    def _check(self, chance: Random, name: str) -> None:
        """Repair the disk, let everything come to rest, and compare all there is."""
        while True:
            self.disk.faults.clear()
            self.disk.crash_at = 0
            node = self.node
            assert node is not None
            if self.history_rotten:
                self.history_rotten = False
                self.disk.remove(history_path(self.data).name)
            for watcher in self.watchers:
                watcher.socket.resume()
            if self._come_to_rest(node):
                break
        self.figures.checks += 1
        state = node.gate.state
        check(state, fixed_terms=False)
        with closing(SqliteLog(log_path(self.data), read_only=True)) as log:
            self.reference.follow(log, self.claims)
            for replica in self.replicas:
                replica.follow(log)
        self.reference.judge(self.claims)
        assert state_hash(state) == self.reference.hash(), "the node's state differs"
        self._compare_replicas()
        for watcher in self.watchers:
            watcher.read()
            watcher.check()
        self._compare_projections(node)

    def _come_to_rest(self, node: Node) -> bool:
        """Everybody has an answer, and everything that follows the log has caught up."""

        def rests() -> bool:
            return (
                not self.claims.open
                and not self.loop.is_busy()
                and node.history.position == node.gate.state.sequence
                and node.log.last_sequence == node.gate.state.sequence
                and not node.gate.storage_failed
                and node.history.database.is_present()
            )

        if not self._until(rests, "everything is at rest"):
            return False
        for watcher in self.watchers:
            watcher.read()
        return True

    def _compare_projections(self, node: Node) -> None:
        """What history holds is what a history that nothing ever happened to holds."""
        if self.calm_history is None:
            place = self.aside / "history.sqlite"
            _copy_empty_history(place)
            self.calm_history = History(f"sqlite:///{place}", batch_limit=10_000)
            assert self.calm_history.open()
        self.calm_history.load(self.reference.applied[self.calm_history.position :])
        self._compare_tables(self.aside / "history.sqlite")

    def _compare_tables(self, place: Path) -> None:
        found, expected = tables(history_path(self.data)), tables(place)
        for table, rows in expected.items():
            assert found[table] == rows, f"history differs in {table}"

    def _look_at_everything(self) -> None:
        """The whole log again, from nothing, in one go; and history from that."""
        with closing(SqliteLog(log_path(self.data), read_only=True)) as log:
            engine, records = recover(log)
            applied = list(records)
        assert state_hash(engine.state) == self.reference.hash(), "a replay leads elsewhere"
        findings = audit(
            replayed(log_path(self.data)),
            DirectorySnapshots(snapshots_path(self.data)),
            checkpoint=50,
        )
        assert findings.difference is None, f"the audit disagrees: {findings.difference}"
        place = self.aside / "fresh.sqlite"
        _copy_empty_history(place)
        history = History(f"sqlite:///{place}", batch_limit=10_000)
        assert history.open()
        history.load(applied)
        history.close()
        self._compare_tables(place)


def check_touched(state: Exchange, applied: Applied) -> None:
    """Money, and the markets that a record is about."""
    assert state.ledger.total() == 0, f"the ledger adds up to {state.ledger.total()}"
    for ticker in {getattr(event, "market_ticker", "") for event in applied.events}:
        market = state.markets.get(ticker)
        if market is not None:
            check_positions(state, market)
            check_book(state, market)


# --- history -------------------------------------------------------------------------------------

_empty_history: bytes = b""


def _make_empty_history() -> None:
    """An empty history costs a tenth of a second to make, so it is made once and copied.

    Before the simulation begins: it must not matter which seed is the first.
    """
    global _empty_history
    if not _empty_history:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "history.sqlite"
            history = History(f"sqlite:///{place}")
            history.open()
            history.close()
            _empty_history = place.read_bytes()


def _copy_empty_history(path: Path) -> None:
    path.write_bytes(_empty_history)


_ALL_ROWS: Final = {
    table.name: str(select(table).order_by(*table.primary_key.columns))
    for table in metadata.sorted_tables
}


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a history, in the order of its key."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
        return {name: connection.execute(sql).fetchall() for name, sql in _ALL_ROWS.items()}


# --- one run -------------------------------------------------------------------------------------


@contextlib.contextmanager
def world(seed: int, parts: Parts | None = None) -> Iterator[World]:
    """A world on a simulated disk, in memory where the machine has such a place."""
    _make_empty_history()
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder = tempfile.mkdtemp(prefix="augury-", dir=memory if memory.is_dir() else None)
    try:
        made = World(seed, Path(folder).resolve(), parts)
        logger = logging.getLogger("augury")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(made.complaints)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        try:
            with made.disk.system_calls(), sqlite_vfs.on(made.disk, Random(f"sqlite {seed}")):
                yield made
        finally:
            logger.removeHandler(made.complaints)
            logger.setLevel(level)
            logger.propagate = propagate
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def simulate(seed: int, plan: list[Action], parts: Parts | None = None) -> Figures:
    """Run ``plan`` under ``seed``. Raises whatever was found to be wrong."""
    with world(seed, parts) as made:
        try:
            made.run(plan)
        except BaseException as error:
            error.add_note(f"while doing {made.now}")
            raise
        finally:
            figures = made.finish()
    return figures


__all__ = ["Claim", "Command", "Figures", "World", "Wrong", "simulate", "tables", "world"]
