"""From disk back to the same exchange, or a clear refusal."""

import logging
from collections.abc import Sequence
from itertools import islice

import msgspec
import pytest

from augury.codec.commands import encode_command
from augury.codec.snapshots import encode_state
from augury.core import commands as c
from augury.core.engine import RULES_VERSION, Engine
from augury.core.snapshot import state_hash
from augury.log.memory import MemoryLog
from augury.log.snapshots import MemorySnapshots
from augury.ports.log import LogDamaged, Record
from augury.ports.snapshots import Snapshot
from augury.sequencer.recovery import RecoveryError, engine_at, recover
from tests.flow import START_NS, listing, trading

RECORDS = 900


def record_of(sequence: int, command: c.Command) -> Record:
    return Record(sequence, START_NS + sequence, 1, RULES_VERSION, encode_command(command))


@pytest.fixture(scope="module")
def commands() -> Sequence[c.Command]:
    start = listing()
    return [*start, *islice(trading(4, len(start) + 1), RECORDS - len(start))]


@pytest.fixture
def log(commands: Sequence[c.Command]) -> MemoryLog:
    log = MemoryLog()
    for first in range(0, RECORDS, 100):
        log.append(
            [
                record_of(n, command)
                for n, command in enumerate(commands[first : first + 100], first + 1)
            ]
        )
    return log


@pytest.fixture(scope="module")
def hashes(commands: Sequence[c.Command]) -> dict[int, str]:
    engine = Engine()
    found = {}
    for sequence, command in enumerate(commands, 1):
        engine.apply(sequence, START_NS + sequence, command)
        if sequence % 100 == 0:
            found[sequence] = state_hash(engine.state)
    return found


def snapshot_at(log: MemoryLog, sequence: int) -> Snapshot:
    state = engine_at(log, None, sequence).state
    return Snapshot(
        sequence, state.time_ns, state_hash(state), encode_state(state, log.chain_hash(sequence))
    )


@pytest.fixture
def snapshots(log: MemoryLog) -> MemorySnapshots:
    store = MemorySnapshots()
    for sequence in (200, 400, 600):
        store.save(snapshot_at(log, sequence))
    return store


def test_an_empty_log_is_an_empty_exchange() -> None:
    engine, catch_up = recover(MemoryLog(), MemorySnapshots(), 0)
    assert list(catch_up) == []
    assert engine.state.sequence == 0


def test_the_whole_log_leads_to_the_same_state(log: MemoryLog, hashes: dict[int, str]) -> None:
    engine, catch_up = recover(log)
    assert [applied.sequence for applied in catch_up] == list(range(1, RECORDS + 1))
    assert state_hash(engine.state) == hashes[RECORDS]


@pytest.mark.parametrize("verify_all", [True, False])
def test_a_snapshot_and_the_rest_lead_to_the_same_state(
    log: MemoryLog, snapshots: MemorySnapshots, hashes: dict[int, str], verify_all: bool
) -> None:
    engine, catch_up = recover(log, snapshots, verify_all=verify_all)
    assert [applied.sequence for applied in catch_up] == list(range(601, RECORDS + 1))
    assert state_hash(engine.state) == hashes[RECORDS]


@pytest.mark.parametrize(
    "position, first", [(0, 1), (199, 1), (200, 201), (599, 401), (600, 601), (900, 601)]
)
def test_history_gets_everything_that_it_does_not_know(
    log: MemoryLog,
    snapshots: MemorySnapshots,
    hashes: dict[int, str],
    position: int,
    first: int,
) -> None:
    engine, catch_up = recover(log, snapshots, position)
    assert next(catch_up).sequence == first <= position + 1
    assert [applied.sequence for applied in catch_up][-1:] == [RECORDS]
    assert state_hash(engine.state) == hashes[RECORDS]


@pytest.mark.parametrize("sequence", [100, 200, 500, 900])
def test_any_earlier_state_can_be_visited(
    log: MemoryLog, snapshots: MemorySnapshots, hashes: dict[int, str], sequence: int
) -> None:
    assert state_hash(engine_at(log, snapshots, sequence).state) == hashes[sequence]
    assert state_hash(engine_at(log, None, sequence).state) == hashes[sequence]


def test_a_history_of_another_log_is_refused(log: MemoryLog) -> None:
    with pytest.raises(RecoveryError, match=r"history knows record 901"):
        recover(log, None, 901)


def test_a_snapshot_beyond_the_log_means_that_the_log_is_not_whole(
    log: MemoryLog, snapshots: MemorySnapshots
) -> None:
    shorter = MemoryLog()
    shorter.append(list(islice(log.read(), 500)))
    with pytest.raises(RecoveryError, match="snapshot of record 600, but the log ends with 500"):
        recover(shorter, snapshots)


def test_a_snapshot_of_another_past_is_passed_over(
    log: MemoryLog, hashes: dict[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    other = MemoryLog()
    other.append([record_of(n, c.CreateMember(f"other{n}@example.com")) for n in range(1, 301)])
    store = MemorySnapshots()
    store.save(snapshot_at(log, 100))
    store.save(snapshot_at(other, 300))
    with caplog.at_level(logging.WARNING):
        engine, catch_up = recover(log, store)
    assert next(catch_up).sequence == 101
    assert len(list(catch_up)) == RECORDS - 101
    assert state_hash(engine.state) == hashes[RECORDS]
    assert "record 300 is passed over: it belongs to another log" in caplog.text


def test_a_snapshot_that_restores_to_something_else_is_passed_over(
    log: MemoryLog, hashes: dict[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    store = MemorySnapshots()
    good = snapshot_at(log, 300)
    store.save(good._replace(state_hash="ab" * 32))
    engine, catch_up = recover(log, store)
    assert len(list(catch_up)) == RECORDS
    assert state_hash(engine.state) == hashes[RECORDS]
    assert "state hash" in caplog.text


def test_damage_under_a_snapshot_still_stops_the_start(
    log: MemoryLog, snapshots: MemorySnapshots
) -> None:
    data = bytearray(log._batches[1])
    data[50] ^= 1
    log._batches[1] = bytes(data)
    _, catch_up = recover(log, snapshots)
    with pytest.raises(LogDamaged, match="record 101 "):
        list(catch_up)
    _, unchecked = recover(log, snapshots, verify_all=False)
    assert len(list(unchecked)) == 300


def test_a_record_of_newer_rules_is_named(log: MemoryLog) -> None:
    log.append([record_of(901, c.Tick())._replace(rules_version=RULES_VERSION + 1)])
    _, catch_up = recover(log)
    with pytest.raises(RecoveryError, match=r"record 901 .*rules version"):
        list(catch_up)


def test_a_record_of_a_newer_encoding_is_named(log: MemoryLog) -> None:
    log.append([record_of(901, c.Tick())._replace(payload=msgspec.msgpack.encode([240, 7]))])
    _, catch_up = recover(log)
    with pytest.raises(RecoveryError, match=r"record 901 .*tag 240"):
        list(catch_up)


def test_progress_is_reported_to_the_end(log: MemoryLog, snapshots: MemorySnapshots) -> None:
    reports: list[tuple[int, int]] = []
    _, catch_up = recover(
        log, snapshots, progress=lambda done, total: reports.append((done, total))
    )
    list(catch_up)
    assert reports[-1] == (RECORDS, RECORDS)
