"""History on a disk whose flush fails: what comes after must not build on what was lost.

The story that once went wrong: a flush of the write-ahead file fails while a history closes. The
next start folds that file into the database, and its flush succeeds, though the kernel has long
forgotten what it lost. The machine dies between two pages. What is found then is older pages among
newer ones: a broken file at best, at worst candles and trades that lie beyond the position and
are written once more.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from random import Random

import pytest

from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.units import NANOS_PER_SECOND
from augury.projections.history import History
from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.disk import SYNC, Crashed, Disk, Fault
from augury.testing.simulation.tables import copy_empty_history, make_empty_history, tables
from tests.conftest import require_external
from tests.flow import START_NS, listing, trading

pytestmark = [pytest.mark.external]

RECORDS = 200


@pytest.fixture(scope="module")
def records() -> list[Applied]:
    """Some minutes of trading."""
    engine, chance, time_ns = Engine(), Random(1), START_NS
    applied: list[Applied] = []
    first = listing()
    for command in islice(chain(first, trading(1, len(first) + 1)), RECORDS):
        time_ns += chance.randint(0, 8) * NANOS_PER_SECOND
        applied.append(engine.apply(len(applied) + 1, time_ns, command))
    return applied


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    reason = sqlite_vfs.missing()
    require_external(f"a disk that can be simulated ({reason})", reason is None)
    make_empty_history()
    root = tmp_path.resolve() / "disk"
    root.mkdir()
    chance = Random(1)
    disk = Disk(root, chance)
    copy_empty_history(root / "history.sqlite")
    with disk.system_calls(), sqlite_vfs.on(disk, chance):
        yield disk


def load(disk: Disk, records: list[Applied], *, flushes: bool = True) -> None:
    """One life of a history; ``flushes`` is false when flushes fail from its last record on."""
    history = History(f"sqlite:///{disk.root / 'history.sqlite'}", batch_limit=20)
    if history.open():
        history.load(records)
    if not flushes:
        disk.fail(Fault(SYNC, "history", 1.0, 1.0))
    history.close()
    disk.repair()


@pytest.mark.parametrize("operations", range(1, 41, 3))
def test_a_lost_flush_and_a_lost_machine_leave_what_the_records_say(
    disk: Disk, records: list[Applied], tmp_path: Path, operations: int
) -> None:
    calm = tmp_path / "calm.sqlite"
    copy_empty_history(calm)
    history = History(f"sqlite:///{calm}")
    assert history.open()
    history.load(records)
    history.close()

    load(disk, records[:80])
    load(disk, records[:140], flushes=False)
    assert disk.injected == {SYNC: 1}
    disk.crash_at = disk.operations + operations
    try:
        load(disk, records[:160])
    except Crashed:
        pass
    disk.freeze()
    disk.lose_power()
    disk.thaw()
    load(disk, records)

    damaged = disk.root / "history.sqlite.damaged"
    assert not damaged.exists(), "the file was broken and had to be made anew"
    found, expected = tables(disk.root / "history.sqlite"), tables(calm)
    assert [name for name in expected if found[name] != expected[name]] == []
