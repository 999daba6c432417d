"""The commands around the log, called as an operator would, on a real data directory."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from augury.app import log_commands
from augury.app.data_directory import log_path, snapshots_path
from augury.app.snapshotter import take_snapshot
from augury.codec.commands import encode_command
from augury.core.engine import RULES_VERSION, Engine
from augury.core.snapshot import state_hash
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogDamaged, Record
from tests.flow import START_NS, listing, trading

RECORDS = 500

application = typer.Typer()
log_commands.register(application)


def augury(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


def answer_of(*arguments: str | Path) -> dict[str, Any]:
    result = augury(*arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def fill(data: Path, records: int = RECORDS) -> str:
    """A log of a busy exchange in ``data``; its state hash."""
    data.mkdir(parents=True, exist_ok=True)
    start = listing()
    engine = Engine()
    with closing(SqliteLog(log_path(data))) as log:
        entries = []
        for n, command in enumerate([*start, *islice(trading(6, len(start) + 1), records)], 1):
            if n > records:
                break
            engine.apply(n, START_NS + n, command)
            entries.append(Record(n, START_NS + n, 1, RULES_VERSION, encode_command(command)))
        for first in range(0, records, 50):
            log.append(entries[first : first + 50])
    return state_hash(engine.state)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def digest(data: Path) -> str:
    return fill(data)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def flip(data: Path, sequence: int) -> None:
    """Change one bit in the middle of the payload of a record."""
    with closing(sqlite3.connect(log_path(data))) as connection, connection:
        first, found = connection.execute(
            "SELECT first_sequence, records FROM batches WHERE first_sequence <= ? "
            "ORDER BY first_sequence DESC LIMIT 1",
            (sequence,),
        ).fetchone()
        position = 0
        for _ in range(first, sequence):
            position += 28 + int.from_bytes(found[position : position + 4], "little") + 32
        changed = bytearray(found)
        changed[position + 35] ^= 4
        connection.execute(
            "UPDATE batches SET records = ? WHERE first_sequence = ?", (bytes(changed), first)
        )


def test_verify_says_how_much_there_is_and_its_fingerprint(data: Path, digest: str) -> None:
    answer = answer_of("log", "verify", "--data", data)
    assert answer["records"] == RECORDS
    with closing(SqliteLog(log_path(data))) as log:
        assert answer["chain_hash"] == log.chain_hash(RECORDS).hex()


@pytest.mark.parametrize("sequence", [1, 2, 250, RECORDS])
def test_verify_names_the_damaged_record(data: Path, digest: str, sequence: int) -> None:
    flip(data, sequence)
    result = augury("log", "verify", "--data", data)
    assert result.exit_code == 1
    assert f"log record {sequence} is damaged" in result.output


def test_a_directory_without_a_log_is_said_to_be_one(data: Path) -> None:
    data.mkdir()
    for command in (["log", "verify"], ["log", "show"], ["replay"], ["backup", "--to", "x"]):
        result = augury(*command, "--data", data)
        assert result.exit_code == 1
        assert "no log here" in result.output
    assert list(data.iterdir()) == []


def test_show_prints_every_command_on_a_line_of_its_own(data: Path, digest: str) -> None:
    result = augury("log", "show", "--data", data)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, RECORDS + 1))
    assert lines[0] == {
        "sequence": 1,
        "time": "2025-10-09T08:53:20Z",
        "command": "CreateMember",
        "email": "member1@example.com",
        "usage_tier": "basic",
        "balance_precision": 10_000,
    }


def test_show_can_be_narrowed(data: Path, digest: str) -> None:
    result = augury(
        *("log", "show", "--data", data, "--after", "100", "--to", "400"),
        *("--member", "2", "--command", "PlaceOrder", "--limit", "5"),
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 5
    for line in lines:
        assert 100 < line["sequence"] <= 400
        assert (line["command"], line["member_id"]) == ("PlaceOrder", 2)


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_show_tells_what_a_command_did(data: Path, digest: str, with_snapshot: bool) -> None:
    if with_snapshot:
        take_snapshot(data)
    result = augury("log", "show", "--data", data, "--events", "--after", "300")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(301, RECORDS + 1))
    names = {event["event"] for line in lines for event in line["events"]}
    assert {"OrderUpdated", "TradeExecuted", "OrderFilled", "LevelChanged"} <= names


def test_replay_prints_the_state_hash(data: Path, digest: str) -> None:
    assert answer_of("replay", "--data", data)["state_hash"] == digest
    take_snapshot(data)
    for extra in ([], ["--from-snapshot"]):
        answer = answer_of("replay", "--data", data, *extra)
        assert (answer["sequence"], answer["state_hash"]) == (RECORDS, digest)


def test_replay_can_stop_anywhere(data: Path, digest: str, tmp_path: Path) -> None:
    shorter = fill(tmp_path / "shorter", 200)
    take_snapshot(data)
    answer = answer_of("replay", "--data", data, "--to", "200")
    assert (answer["sequence"], answer["state_hash"]) == (200, shorter)
    result = augury("replay", "--data", data, "--to", "501")
    assert result.exit_code == 1
    assert "ends with record 500" in result.output


def test_a_backup_of_a_running_exchange_restores_to_the_same_state(
    data: Path, digest: str, tmp_path: Path
) -> None:
    file = tmp_path / "backups" / "monday.augury"
    with closing(SqliteLog(log_path(data))) as log:
        answer = answer_of("backup", "--data", data, "--to", file)
        log.append([Record(RECORDS + 1, START_NS * 2, 1, 1, b"after the backup")])
    assert answer["records"] == RECORDS
    assert names_in(file.parent) == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    again = tmp_path / "again"
    restored = answer_of("restore", "--from", file, "--data", again)
    assert restored["state_hash"] == digest
    assert restored["chain_hash"] == answer["chain_hash"]
    assert answer_of("replay", "--data", again, "--from-start")["state_hash"] == digest
    assert answer_of("log", "verify", "--data", again)["records"] == RECORDS


def test_an_empty_exchange_can_be_backed_up_and_restored(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    SqliteLog(log_path(data)).close()
    answer_of("backup", "--data", data, "--to", tmp_path / "empty")
    assert (
        answer_of("restore", "--from", tmp_path / "empty", "--data", tmp_path / "again")["records"]
        == 0
    )


def test_a_backup_never_replaces_a_file(data: Path, digest: str, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    result = augury("backup", "--data", data, "--to", file)
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert file.read_text() == "precious"


def test_a_damaged_log_is_not_backed_up(data: Path, digest: str, tmp_path: Path) -> None:
    flip(data, 77)
    result = augury("backup", "--data", data, "--to", tmp_path / "backup")
    assert result.exit_code == 1
    assert "record 77 is damaged" in result.output
    assert not (tmp_path / "backup").exists()
    assert names_in(tmp_path) == ["data"]


def test_nothing_is_restored_over_an_exchange(data: Path, digest: str, tmp_path: Path) -> None:
    answer_of("backup", "--data", data, "--to", tmp_path / "backup")
    result = augury("restore", "--from", tmp_path / "backup", "--data", data)
    assert result.exit_code == 1
    assert "not an empty directory" in result.output


def test_a_backup_that_was_cut_or_changed_is_not_restored(
    data: Path, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augury.log.backup._RECORDS_PER_BATCH", 100)
    file = tmp_path / "backup"
    answer_of("backup", "--data", data, "--to", file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-4096], b"", b"not a backup" * 500):
        file.write_bytes(damaged)
        result = augury("restore", "--from", file, "--data", tmp_path / "again")
        assert result.exit_code == 1, result.output
        assert names_in(tmp_path) == ["backup", "data"]
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM batches WHERE first_sequence > 400")
    result = augury("restore", "--from", file, "--data", tmp_path / "again")
    assert result.exit_code == 1
    assert "record 401 is damaged: it is missing from the backup" in result.output


# --- the last resort -------------------------------------------------------------------------


def files(data: Path) -> Iterator[str]:
    return (path.name for path in sorted(data.rglob("*")) if path.is_file())


def test_a_damaged_log_can_be_cut_before_the_damage(
    data: Path, digest: str, tmp_path: Path
) -> None:
    shorter = fill(tmp_path / "shorter", 320)
    take_snapshot(data)
    flip(data, 321)
    result = augury("log", "cut", "--data", data, "--yes")
    assert result.exit_code == 0, result.output
    assert "ends with record 320" in result.output
    answer = answer_of("replay", "--data", data)
    assert (answer["sequence"], answer["state_hash"]) == (320, shorter)
    assert list(snapshots_path(data).glob("*.snapshot")) == []
    assert f"{RECORDS:016d}.snapshot" in set(files(data))
    with closing(SqliteLog(log_path(data))) as log:
        log.append([Record(321, START_NS * 2, 1, 1, b"and on it goes")])


def test_an_operator_may_accept_that_the_end_was_lost(data: Path, digest: str) -> None:
    with closing(sqlite3.connect(log_path(data))) as connection, connection:
        connection.execute("DELETE FROM batches WHERE first_sequence > 450")
    with pytest.raises(LogDamaged, match=r"record 451 .* up to 500 were acknowledged"):
        SqliteLog(log_path(data))
    result = augury("log", "cut", "--data", data, "--yes")
    assert result.exit_code == 0, result.output
    assert answer_of("log", "verify", "--data", data)["records"] == 450
    SqliteLog(log_path(data)).close()


def test_a_cut_asks_first_and_does_nothing_without_an_answer(data: Path, digest: str) -> None:
    flip(data, 321)
    before = log_path(data).read_bytes()
    result = augury("log", "cut", "--data", data)
    assert result.exit_code == 1
    assert "Records 321 to 500 will be lost" in result.output
    assert log_path(data).read_bytes() == before


def test_an_intact_log_is_not_cut_without_saying_where(data: Path, digest: str) -> None:
    result = augury("log", "cut", "--data", data, "--yes")
    assert result.exit_code == 0
    assert "nothing to cut" in result.output
    assert answer_of("log", "verify", "--data", data)["records"] == RECORDS


def test_the_log_of_a_running_exchange_is_not_cut(data: Path, digest: str) -> None:
    with closing(SqliteLog(log_path(data))):
        result = augury("log", "cut", "--data", data, "--after", "10", "--yes")
    assert result.exit_code == 1
    assert "already writes here" in result.output
    assert answer_of("log", "verify", "--data", data)["records"] == RECORDS
