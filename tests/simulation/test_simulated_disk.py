"""The production log on a disk that forgets, lies and tears, one situation at a time.

What is tried here by hand is what the simulator tries by chance; each of these was found by it.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from augury.log.sqlite import SqliteLog
from augury.ports.log import LogError, LogUnavailable, Record
from augury.projections.history import History
from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.disk import SYNC, Disk, Fault
from tests.conftest import require_external

pytestmark = pytest.mark.external


@pytest.fixture(params=range(6))
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Six disks, of which not all are kind to what was not flushed."""
    reason = sqlite_vfs.missing()
    require_external(f"a disk that can be simulated ({reason})", reason is None)
    made = Disk(tmp_path.resolve(), Random(request.param))
    with made.system_calls(), sqlite_vfs.on(made, Random(request.param)):
        yield made


def record(sequence: int) -> Record:
    return Record(sequence, sequence, 1, 1, b"x" * 300)


def killed(disk: Disk, log: SqliteLog) -> None:
    disk.freeze()
    log.close()
    disk.thaw()


def killed_in_its_last_flush(disk: Disk) -> None:
    """Two records; the flush of the second fails, and then the process dies."""
    log = SqliteLog(disk.root / "log.sqlite")
    log.append([record(1)])
    disk.fail(Fault(SYNC, "log.sqlite-wal", 1.0, 1.0))
    with pytest.raises(LogUnavailable) as refused:
        log.append([record(2)])
    assert refused.value.in_doubt
    disk.repair()
    killed(disk, log)


def test_what_a_start_has_found_survives_a_loss_of_power(disk: Disk) -> None:
    killed_in_its_last_flush(disk)
    log = SqliteLog(disk.root / "log.sqlite")
    assert log.last_sequence == 2
    log.append([record(3)])
    killed(disk, log)
    disk.lose_power()
    with closing(SqliteLog(disk.root / "log.sqlite")) as again:
        assert again.last_sequence == 3


def test_after_the_next_success_a_failed_flush_never_comes_back(disk: Disk) -> None:
    log = SqliteLog(disk.root / "log.sqlite")
    log.append([record(1)])
    disk.fail(Fault(SYNC, "log.sqlite-wal", 1.0, 1.0))
    with pytest.raises(LogUnavailable):
        log.append([record(2)])
    disk.repair()
    log.append([Record(2, 9, 1, 1, b"another")])
    killed(disk, log)
    disk.lose_power()
    with closing(SqliteLog(disk.root / "log.sqlite")) as again:
        assert [entry.payload for entry in again.read(1)] == [b"another"]


@pytest.mark.parametrize("kind", ["write", "full"])
def test_a_batch_that_could_not_be_written_is_not_in_doubt(disk: Disk, kind: str) -> None:
    log = SqliteLog(disk.root / "log.sqlite")
    log.append([record(1)])
    disk.fail(Fault(kind, "log.sqlite", 1.0, 1.0))
    with pytest.raises(LogUnavailable) as refused:
        log.append([record(2)])
    assert not refused.value.in_doubt
    disk.repair()
    killed(disk, log)
    with closing(SqliteLog(disk.root / "log.sqlite")) as again:
        assert again.last_sequence == 1


# --- damage that SQLite cannot even describe in UTF-8 --------------------------------------------


def with_a_foreign_letter(path: Path) -> None:
    """Damage the statement that made the table, and the name in it with a byte that is no text."""
    data = bytearray(path.read_bytes())
    place = data.index(b"CREATE TABLE ") + len(b"CREATE TABLE ")
    data[place - 6] = 0xCE
    data[place] = 0xCE
    path.write_bytes(data)


def test_a_log_that_cannot_be_described_is_refused_with_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.append([record(1)])
    with_a_foreign_letter(path)
    with pytest.raises(LogError):
        SqliteLog(path)


def test_a_history_that_cannot_be_described_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(f"sqlite:///{path}")
    assert history.open()
    history.close()
    with_a_foreign_letter(path)
    again = History(f"sqlite:///{path}")
    assert again.open()
    assert again.position == 0
    assert path.with_name("history.sqlite.damaged").exists()
    again.close()
