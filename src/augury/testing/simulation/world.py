"""The simulated world: an exchange, its clients, and everything that can happen to them.

``run`` does one plan and raises at the first thing that must not be. All chance comes from the
seed, so the same seed does the same again, to the last byte on the disk.
"""

import contextlib
import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from augury.app.auditing import audit, replayed
from augury.app.data_directory import history_path, log_path, snapshots_path
from augury.core.snapshot import state_hash
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.projections.history import History
from augury.sequencer.recovery import recover
from augury.testing.invariants import check
from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.figures import Figures
from augury.testing.simulation.happenings import Happenings
from augury.testing.simulation.lives import Wrong
from augury.testing.simulation.loop import on_one_core
from augury.testing.simulation.node import Node, Parts
from augury.testing.simulation.plan import Action
from augury.testing.simulation.tables import copy_empty_history, make_empty_history, tables


class World(Happenings):
    """One run of one plan."""

    def __init__(self, seed: int, root: Path, parts: Parts | None = None) -> None:
        super().__init__(seed, root, parts)
        self._handlers: dict[str, Callable[[Random, str], None]] = {
            "members": self._members,
            "operator": self._operator,
            "evening": self._evening,
            "deal": self._deal,
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

    def run(self, plan: list[Action]) -> None:
        """Do the plan, then bring everything to rest and look at all of it once more."""
        if self.chance.random() < 0.9:
            copy_empty_history(history_path(self.data))
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

    # --- checkpoints -------------------------------------------------------------------------

    def _check(self, chance: Random, name: str) -> None:
        """Repair the disk, let everything come to rest, and compare all there is."""
        while True:
            self.disk.repair()
            self.disk.crash_at = 0
            node = self.node
            assert node is not None
            if self.history_rotten:
                self.history_rotten = False
                self.disk.remove(history_path(self.data).name, for_good=True)
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
        self._look_for_broken_history()

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
            copy_empty_history(place)
            self.calm_history = History(f"sqlite:///{place}", batch_limit=10_000)
            assert self.calm_history.open()
        self.calm_history.load(self.reference.applied[self.calm_history.position :])
        self._compare_tables(self.aside / "history.sqlite")

    def _look_for_broken_history(self) -> None:
        """Crashes may cost history its newest rows, but never leave a broken file."""
        broken = history_path(self.data).with_name("history.sqlite.damaged")
        if broken.exists() and not self.history_meddled_with:
            raise Wrong("history was found broken, though nobody had touched its file")

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
        copy_empty_history(place)
        history = History(f"sqlite:///{place}", batch_limit=10_000)
        assert history.open()
        history.load(applied)
        history.close()
        self._compare_tables(place)


# --- one run -------------------------------------------------------------------------------------


@contextlib.contextmanager
def world(seed: int, parts: Parts | None = None) -> Iterator[World]:
    """A world on a simulated disk, in memory where the machine has such a place."""
    make_empty_history()
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
            with (
                on_one_core(os.getpid()),
                _one_collection_at_the_end(),
                made.disk.system_calls(),
                sqlite_vfs.on(made.disk, Random(f"sqlite {seed}")),
            ):
                yield made
        finally:
            logger.removeHandler(made.complaints)
            logger.setLevel(level)
            logger.propagate = propagate
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _one_collection_at_the_end() -> Iterator[None]:
    """A run makes a lot and is short: looking for garbage meanwhile is a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


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
