"""A data directory that an earlier version wrote starts under this one, and says the same.

What this version cannot know, because a later one wrote it, is refused with words that say so.
"""

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from augury.app.data_directory import history_path, log_path, snapshots_path
from augury.app.recovering import CatchUp, bring_back, open_history
from augury.codec.commands import encode_command
from augury.core import commands as c
from augury.core.snapshot import state_hash
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogError, Record
from augury.ports.snapshots import Snapshot
from augury.projections.history import History
from augury.projections.migrations import HEAD
from augury.sequencer.recovery import RecoveryError, recover
from augury.testing import running_exchange
from tests.history_tables import stored
from tests.replay.directories import expected, names, summary, unpack

NEWEST = names()[-1]


def start(data: Path) -> tuple[dict[str, object], int, str, int]:
    """Bring a directory back as the server does: what it says, the snapshot it began with, its
    state hash, and history's position."""
    with closing(SqliteLog(log_path(data))) as log:
        history = History(f"sqlite:///{history_path(data)}", catch_up=CatchUp(data))
        open_history(history, log)
        engine, began = bring_back(data, log, history)
        found = {"chain": log.chain_hash(log.last_sequence).hex(), **summary(engine.state)}
        position = history.position
        history.close()
    return found, began, state_hash(engine.state), position


@pytest.mark.parametrize("name", names())
def test_an_old_directory_starts_and_says_the_same(name: str, tmp_path: Path) -> None:
    data = unpack(name, tmp_path)
    found, _, found_hash, position = start(data)
    assert found == expected(name)
    assert position == found["sequence"]
    with closing(SqliteLog(log_path(data), read_only=True)) as log:
        engine, records = recover(log)
        for _ in records:
            pass
    assert state_hash(engine.state) == found_hash


@pytest.mark.parametrize("name", names())
def test_old_history_is_migrated_and_says_what_a_new_one_says(name: str, tmp_path: Path) -> None:
    data = unpack(name, tmp_path / "old")
    start(data)
    with closing(sqlite3.connect(history_path(data))) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    migrated = History(f"sqlite:///{history_path(data)}")
    fresh = History(f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    assert fresh.open()
    with closing(SqliteLog(log_path(data), read_only=True)) as log:
        _, records = recover(log)
        fresh.load(records)
    assert stored(migrated.database) == stored(fresh.database)
    fresh.close()


@pytest.mark.slow
def test_a_server_goes_on_where_the_old_version_stopped(tmp_path: Path) -> None:
    data = unpack(NEWEST, tmp_path)
    before = expected(NEWEST)
    with running_exchange(data=data) as exchange:
        members = {row["email"] for row in exchange.operator.get("members")["members"]}
        assert {name.partition("/")[0] for name in before["money"]} <= members
        maker, taker = exchange.add_member(), exchange.add_member()
        ticker = exchange.list_market()
        maker.place(ticker, "buy", "yes", 5, 40)
        taker.place(ticker, "sell", "yes", 5, 40)
        assert taker.position(ticker) == -5
    with closing(SqliteLog(log_path(data), read_only=True)) as log:
        assert log.last_sequence > before["sequence"]
        assert log.chain_hash(before["sequence"]).hex() == before["chain"]


# --- snapshots -----------------------------------------------------------------------------------


def with_other_head(snapshot: Snapshot, change: Callable[[list[object]], None]) -> Snapshot:
    """The same snapshot with other versions in the first block of its payload."""
    data = zlib.decompress(snapshot.payload)
    size = int.from_bytes(data[:8], "big")
    head = msgspec.msgpack.decode(data[8 : 8 + size])
    change(head)
    block = msgspec.msgpack.encode(head)
    payload = zlib.compress(len(block).to_bytes(8, "big") + block + data[8 + size :])
    return snapshot._replace(payload=payload)


def of_another_format(head: list[object]) -> None:
    head[0] = 0


def of_later_rules(head: list[object]) -> None:
    head[1] = 99


@pytest.mark.parametrize("change", [of_another_format, of_later_rules])
def test_a_snapshot_of_another_version_is_passed_over_for_a_replay(
    change: Callable[[list[object]], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = unpack(NEWEST, tmp_path)
    # History is brought up to date first: behind the snapshot, it would be fed by a replay anyway.
    start(data)
    store = DirectorySnapshots(snapshots_path(data))
    snapshot = store.newest()
    assert snapshot is not None
    assert start(data)[1] == snapshot.sequence
    store.save(with_other_head(snapshot, change))
    found, began, _, _ = start(data)
    assert began == 0
    assert found == expected(NEWEST)
    assert f"the snapshot of record {snapshot.sequence} is passed over" in caplog.text


# --- what a later version wrote ------------------------------------------------------------------


def test_a_log_of_a_later_format_is_refused(tmp_path: Path) -> None:
    data = unpack(NEWEST, tmp_path)
    with closing(sqlite3.connect(log_path(data))) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = log_path(data).read_bytes()
    with pytest.raises(
        LogError, match=r"log format 2 is not known; this version of Augury reads 1"
    ):
        SqliteLog(log_path(data))
    assert log_path(data).read_bytes() == before


def record_after(log: SqliteLog, schema_version: int, rules_version: int, payload: bytes) -> Record:
    last = next(iter(log.read(log.last_sequence - 1)))
    return Record(last.sequence + 1, last.time_ns, schema_version, rules_version, payload)


@pytest.mark.parametrize(
    "schema_version, rules_version, payload, words",
    [
        (99, 1, encode_command(c.Tick()), "schema version 99 of the record is not known"),
        (1, 99, encode_command(c.Tick()), "rules version 99 is not known"),
        (1, 1, msgspec.msgpack.encode([9999]), "command tag 9999 is not known to this version"),
    ],
)
def test_a_record_of_a_later_version_is_refused_by_its_number(
    schema_version: int, rules_version: int, payload: bytes, words: str, tmp_path: Path
) -> None:
    data = unpack(NEWEST, tmp_path)
    with closing(SqliteLog(log_path(data))) as log:
        log.append([record_after(log, schema_version, rules_version, payload)])
    number = expected(NEWEST)["sequence"] + 1
    with pytest.raises(RecoveryError, match=f"record {number} cannot be applied: {words}"):
        start(data)


def test_a_history_of_a_later_version_is_written_anew(tmp_path: Path) -> None:
    data = unpack(NEWEST, tmp_path)
    with closing(sqlite3.connect(history_path(data))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    found, _, _, position = start(data)
    assert position == found["sequence"]
    with closing(sqlite3.connect(history_path(data))) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
