"""Snapshots come from a child process, beside a running exchange, and lead to the same state."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from augury.app.data_directory import log_path, snapshots_path
from augury.app.snapshotter import SnapshotError, Snapshotter, take_snapshot
from augury.codec.commands import encode_command
from augury.core.commands import Command
from augury.core.engine import RULES_VERSION, Engine
from augury.core.snapshot import state_hash
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogError, Record
from augury.sequencer.recovery import recover
from tests.flow import START_NS, listing, trading


class Exchange:
    """A log that grows, and the state that it leads to."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = SqliteLog(log_path(data))
        self.engine = Engine()
        start = listing()
        flow = trading(3, len(start) + 1)
        self._commands: Iterator[Command] = iter([*start, *islice(flow, 5000)])

    def grow(self, records: int) -> None:
        batch = []
        for command in islice(self._commands, records):
            sequence = self.engine.state.sequence + 1
            time_ns = START_NS + sequence
            self.engine.apply(sequence, time_ns, command)
            batch.append(Record(sequence, time_ns, 1, RULES_VERSION, encode_command(command)))
        self.log.append(batch)

    @property
    def digest(self) -> str:
        return state_hash(self.engine.state)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path)
    yield exchange
    exchange.log.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the conditions are not events
            await asyncio.sleep(0.02)


def test_a_snapshot_beside_a_running_exchange_is_of_its_state(exchange: Exchange) -> None:
    exchange.grow(400)
    taken = take_snapshot(exchange.data)
    assert taken is not None
    assert (taken.sequence, taken.state_hash) == (400, exchange.digest)
    exchange.grow(300)
    store = DirectorySnapshots(snapshots_path(exchange.data))
    engine, catch_up = recover(exchange.log, store)
    assert next(catch_up).sequence == 401
    assert len(list(catch_up)) == 299
    assert state_hash(engine.state) == exchange.digest


def test_the_next_snapshot_stands_on_the_one_before(exchange: Exchange) -> None:
    exchange.grow(400)
    take_snapshot(exchange.data)
    exchange.grow(200)
    taken = take_snapshot(exchange.data)
    assert taken is not None
    assert (taken.sequence, taken.state_hash) == (600, exchange.digest)


def test_no_second_snapshot_of_the_same_record_is_taken(exchange: Exchange) -> None:
    assert take_snapshot(exchange.data) is None
    exchange.grow(50)
    assert take_snapshot(exchange.data) is not None
    assert take_snapshot(exchange.data) is None


def test_without_a_log_there_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no log here"):
        take_snapshot(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_the_server_has_a_child_take_it(exchange: Exchange) -> None:
    exchange.grow(400)
    snapshotter = Snapshotter(exchange.data, lambda: exchange.log.last_sequence)
    assert await snapshotter.take() == (400, exchange.digest)
    assert snapshotter.newest == 400
    assert await snapshotter.take() == (400, exchange.digest)


async def test_a_snapshot_is_taken_when_enough_has_happened(exchange: Exchange) -> None:
    snapshotter = Snapshotter(
        exchange.data, lambda: exchange.log.last_sequence, every_records=300, every_minutes=0
    )
    running = asyncio.ensure_future(snapshotter.run())
    exchange.grow(300)
    await until(lambda: snapshotter.newest == 300)
    exchange.grow(299)
    exchange.grow(1)
    await until(lambda: snapshotter.newest == 600)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_failed_snapshot_is_told_and_harms_nobody(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.grow(100)
    snapshots_path(exchange.data).write_text("a file where the directory should be")
    snapshotter = Snapshotter(
        exchange.data, lambda: exchange.log.last_sequence, every_records=10, every_minutes=0
    )
    with pytest.raises(SnapshotError, match="snapshots"):
        await snapshotter.take()
    with caplog.at_level(logging.ERROR):
        running = asyncio.ensure_future(snapshotter.run())
        await until(lambda: "no snapshot was taken" in caplog.text)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_stop_does_not_leave_the_child_behind(exchange: Exchange) -> None:
    exchange.grow(3000)
    snapshotter = Snapshotter(exchange.data, lambda: exchange.log.last_sequence)
    taking = asyncio.ensure_future(snapshotter.take())
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await snapshotter.take() == (3000, exchange.digest)
