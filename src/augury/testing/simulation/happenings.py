"""Everything that can happen in a simulated world, one method for each kind of action.

Each takes the action's own chance and its name, does what it does, and leaves the rest to the
loop. Nothing is judged here except what only the one who did it can know.
"""

import contextlib
import shutil
from contextlib import closing
from random import Random

from augury.app.data_directory import history_path, log_path, snapshots_path
from augury.app.snapshotter import take_snapshot
from augury.codec.snapshots import decode_state
from augury.core.snapshot import state_hash
from augury.core.units import NANOS_PER_SECOND
from augury.log.backup import restore_backup, write_backup
from augury.log.head import LogInUse
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogError, Record
from augury.sequencer.recovery import RecoveryError, recover
from augury.testing.invariants import check
from augury.testing.simulation.disk import SYNC, Crashed, Fault
from augury.testing.simulation.lives import Lives, Replica, Wrong
from augury.testing.simulation.workload import Workload, foundation, new_day


class Happenings(Lives):
    """What clients, operators, disks and clocks do."""

    # --- clients -----------------------------------------------------------------------------

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

    def _evening(self, chance: Random, name: str) -> None:
        """The results of an event come, one after the other, with whatever is about: positions,
        orders, combos with a leg in it, collateral returned. Some are disputed and change.
        """
        workload = self._workload(chance, name)
        if workload.is_idle() and chance.random() < 0.7:
            self._spawn(self._try(new_day(chance, self.wall_ns(), name), 0.0, 2))
        event = workload.event_to_settle()
        for turn in range(chance.randint(1, 5)):
            if self.node is None:
                return
            workload = self._workload(chance, f"{name}.{turn}")
            for market in workload.unfinished(event):
                if chance.random() < 0.6:
                    command = workload.result_of(market)
                    self._spawn(self._try((command,), chance.random() * 0.01, 2))
            if chance.random() < 0.5:
                self._spawn(self._try(workload.member_wants(), chance.random() * 0.01, 1))
            self._pass(chance.choice((0.0, 0.5, 2.0, 10.0)))

    def _deal(self, chance: Random, name: str) -> None:
        """A request, quotes, an acceptance, a confirmation; each in view of what came before."""
        for turn in range(chance.randint(3, 7)):
            if self.node is None:
                return
            workload = self._workload(chance, f"{name}.{turn}")
            wish = chance.choice(
                (workload.next_step,) * 4 + (workload.quote, workload.agree_off_the_book)
            )
            if turn == 0:
                wish = workload.rfq
            elif turn == 1:
                wish = workload.quote
            self._spawn(self._try((wish(),), 0.0, 1))
            self._pass(chance.choice((0.0, 0.1, 0.1, 2.0)))
        self._pass(chance.choice((0.0, 1.0, 16.0)))

    # --- time, disk, crashes -----------------------------------------------------------------

    def _wait(self, chance: Random, name: str) -> None:
        self._pass(chance.choice((0.01, 0.5, 5.0, 40.0, 200.0, 800.0)))

    def _clock(self, chance: Random, name: str) -> None:
        self.figures.faults["clock set"] += 1
        self.clock_offset_ns += chance.choice((-1, 1)) * chance.randint(0, 900 * NANOS_PER_SECOND)

    def _disk(self, chance: Random, name: str) -> None:
        kind = chance.choice((SYNC, SYNC, "write", "full", "read", "truncate"))
        area = chance.choice(("log.sqlite", "log.sqlite", "history", "snapshot", ""))
        until = self.loop.time() + chance.choice((0.01, 0.3, 3.0, 20.0))
        self.disk.fail(Fault(kind, area, until, chance.choice((0.3, 1.0))))

    def _kill(self, chance: Random, name: str) -> None:
        """The process is killed: now, or in the middle of some write to come."""
        if chance.random() < 0.5:
            self.disk.crash_area = chance.choice(("", "", "history"))
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
        if chance.random() < 0.6:
            self._chain_of_history(chance, name)
            return
        self.disk.repair()
        self.disk.fail(Fault(SYNC, "log.sqlite-wal", self.loop.time() + 1.0, 1.0))
        self._members(chance, f"{name}a")
        self._run(30)
        self.disk.repair()
        self._kill_now()
        self._start()
        self._members(chance, f"{name}b")
        self._run(chance.choice((0, 30)))
        if chance.random() < 0.7:
            self._power(chance, name)

    def _chain_of_history(self, chance: Random, name: str) -> None:
        """The same where it is hardest to see: history goes on with what a failed flush lost."""
        self.disk.repair()
        self._members(chance, f"{name}a")
        self._run(chance.choice((30, 100)))
        self._pass(0.3)
        self.disk.fail(Fault(SYNC, "history", self.loop.time() + 900.0, chance.choice((0.5, 1.0))))
        if chance.random() < 0.8:
            self._stop_now()
        else:
            self._kill_now()
        if chance.random() < 0.3:
            # It comes up with the fault, and goes on with what it finds.
            self._start()
            self._members(chance, f"{name}b")
            self._run(30)
            self._kill_now()
        self.disk.repair()
        self.disk.crash_area = "history"
        self.disk.crash_at = self.disk.operations + chance.randint(10, 45)
        self._start()

    def _stop_now(self) -> None:
        """A graceful stop; what the disk refuses meanwhile is lost."""
        node = self.node
        if node is None:
            return
        task = self.loop.create_task(node.stop())
        if self._until(task.done, "the exchange stops"):
            task.result()
            self._end_life(died=False)

    def _stop(self, chance: Random, name: str) -> None:
        """A graceful stop, after which the power may fail all the same."""
        node = self.node
        assert node is not None
        self.disk.repair()
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
            try:
                with contextlib.suppress(OSError):
                    take_snapshot(self.data)
            except (Crashed, LogError):
                # The crash that was planned for an operation of the disk met the snapshotter; where
                # SQLite was opening a file, it takes the crash for a file that cannot be opened.
                if not self.disk.frozen:
                    raise
                self.disk.thaw()
        if chance.random() < 0.3:
            self._lose_power()
            self.disk.thaw()
        self._start()

    def _rot(self, chance: Random, name: str) -> None:
        """Damage on the disk, found at a start: everything is there again, or the start stops."""
        self.disk.repair()
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
            self.history_rotten = self.history_meddled_with = True
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
                self.reference.follow(log, self.claims)
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
            kinds = ("read", "write", SYNC, "create")
            self.disk.fail(*[Fault(kind, "history", until, 1.0) for kind in kinds])
            return
        self.figures.faults["history removed"] += 1
        self.history_meddled_with = True
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
