"""A disk that is really full: nothing is acknowledged, nothing is half there, and it goes on.

Where this user may mount a small file system, that is used. Elsewhere a child process works under a
limit of file size, which makes the kernel refuse writes in the same place.
"""

import asyncio
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from augury.core import commands as c
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.log.sqlite import SqliteLog
from augury.ports.exchange import Unavailable
from augury.ports.log import LogUnavailable, Record
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock
from augury.sequencer.recovery import recover
from tests.conftest import NOT_TESTED

MEBIBYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    mounted = mount is not None and (
        subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    if not mounted:
        # Not a part that could be installed, so CI must do without it too; see the last test.
        pytest.skip(f"{NOT_TESTED}the right to mount a small file system is missing")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(log: SqliteLog) -> None:
    while True:
        log.append(batch(log))


def batch(log: SqliteLog, size: int = 20_000) -> list[Record]:
    first = log.last_sequence + 1
    return [Record(n, n, 1, 1, bytes([n % 256]) * size) for n in range(first, first + 3)]


def test_a_log_on_a_full_disk_refuses_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MEBIBYTE // 2))
    log = SqliteLog(small_disk / "log.sqlite")
    with pytest.raises(LogUnavailable, match="full"):
        fill(log)
    durable = log.last_sequence
    assert durable > 0
    for _ in range(5):
        with pytest.raises(LogUnavailable):
            log.append(batch(log))
    # Reads go on.
    assert [entry.sequence for entry in log.read()] == list(range(1, durable + 1))
    with closing(SqliteLog(small_disk / "log.sqlite", read_only=True)) as reader:
        assert reader.last_sequence == durable
    ballast.unlink()
    log.append(batch(log))
    assert log.last_sequence == durable + 3
    assert [entry.sequence for entry in log.read()] == list(range(1, durable + 4))
    log.close()
    with closing(SqliteLog(small_disk / "log.sqlite")) as again:
        assert again.last_sequence == durable + 3


def test_a_log_that_is_closed_while_the_disk_is_full_opens_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MEBIBYTE // 2))
    log = SqliteLog(small_disk / "log.sqlite")
    with pytest.raises(LogUnavailable):
        fill(log)
    durable = log.last_sequence
    log.close()
    ballast.unlink()
    with closing(SqliteLog(small_disk / "log.sqlite")) as again:
        assert again.last_sequence == durable
        again.append(batch(again))


async def test_an_exchange_on_a_full_disk_pauses_and_goes_on_by_itself(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MEBIBYTE // 2))
    path = small_disk / "log.sqlite"
    exchange = Sequencer(Engine(), SqliteLog(path), RealClock())
    await exchange.start()
    kept: list[str] = []
    refused: list[str] = []
    for number in range(200):
        try:
            await exchange.submit(c.PutDocument("note", str(number), "x" * 20_000))
            kept.append(str(number))
        except Unavailable as unavailable:
            refused.append(unavailable.reason)
            if len(refused) == 3:
                break
    assert refused == ["storage"] * 3
    assert exchange.storage_failed
    assert list(exchange.state.documents["note"]) == kept
    ballast.unlink()
    async with asyncio.timeout(30):
        while exchange.storage_failed:  # noqa: ASYNC110 - there is no event for this
            await asyncio.sleep(0.01)
    await exchange.submit(c.PutDocument("note", "after", "x"))
    digest = state_hash(exchange.state)
    await exchange.stop()
    with closing(SqliteLog(path, read_only=True)) as log:
        engine, catch_up = recover(log)
        assert list(catch_up)
        assert state_hash(engine.state) == digest
        assert list(engine.state.documents["note"]) == [*kept, "after"]


def limited_child(path: Path, report: Path) -> None:
    """Append until a limit of file size stops it, then lift the limit and go on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = 300_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    log = SqliteLog(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        while True:
            log.append(batch(log, 5_000))
    except LogUnavailable:
        durable = log.last_sequence
    refused = 0
    for _ in range(5):
        try:
            log.append(batch(log, 5_000))
        except LogUnavailable:
            refused += 1
    assert [entry.sequence for entry in log.read()] == list(range(1, durable + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    log.append(batch(log, 5_000))
    report.write_text(f"{durable} {refused} {log.last_sequence}")
    log.close()


def test_a_file_that_may_not_grow_is_like_a_full_disk(tmp_path: Path) -> None:
    report = tmp_path / "report"
    program = (
        "import pathlib, sys\n"
        "from tests.simulation.test_disk_full import limited_child\n"
        "limited_child(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log.sqlite"), str(report)],
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        timeout=60,
    )
    durable, refused, last = map(int, report.read_text().split())
    assert durable > 0
    assert refused == 5
    assert last == durable + 3
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        assert [entry.sequence for entry in log.read()] == list(range(1, last + 1))
