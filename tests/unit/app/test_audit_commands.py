"""``augury audit`` on real data directories and backups, as an operator calls it."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner, Result

from augury.app import audit_commands, log_commands
from augury.app.data_directory import log_path, snapshots_path
from augury.app.snapshotter import take_snapshot
from augury.codec.snapshots import decode_state, encode_state
from augury.core.snapshot import state_hash
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.snapshots import Snapshot
from tests.unit.app.test_log_commands import RECORDS, fill, flip

application = typer.Typer()
audit_commands.register(application)
log_commands.register(application)


def augury(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


def answer_of(*arguments: object) -> dict[str, Any]:
    result = augury(*arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_healthy_exchange_agrees_with_its_audit_to_the_last_record(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data)
    take_snapshot(data)
    answer = answer_of("audit", "--data", data)
    assert answer["agrees"]
    assert answer["records"] == RECORDS
    assert answer["snapshots"] == 1
    assert answer["fills"] > 0
    assert answer_of("audit", "--data", data, "--to", 100)["records"] == 100


def test_a_backup_of_an_exchange_that_is_running_can_be_audited(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data)
    with closing(SqliteLog(log_path(data))):
        assert answer_of("audit", "--data", data)["records"] == RECORDS
        answer_of("backup", "--data", data, "--to", tmp_path / "copy")
    assert answer_of("audit", "--from", tmp_path / "copy")["records"] == RECORDS


def test_a_forged_snapshot_is_found_though_its_own_hash_is_right(tmp_path: Path) -> None:
    """A start would believe it: checksum, state hash and chain all fit."""
    data = tmp_path / "data"
    fill(data)
    take_snapshot(data)
    store = DirectorySnapshots(snapshots_path(data))
    honest = store.newest()
    assert honest is not None
    state, chain = decode_state(honest.payload, honest.state_hash)
    state.members[3].primary.cash += 1
    state.ledger.cash += 1
    forged = Snapshot(
        honest.sequence, honest.time_ns, state_hash(state), encode_state(state, chain)
    )
    store.save(forged)

    result = augury("audit", "--data", data, "--json")

    assert result.exit_code == 1
    difference = json.loads(result.stdout)["difference"]
    assert difference["sequence"] == honest.sequence
    assert difference["what"] == "snapshot: member 3, subaccount 0: cash"
    assert difference["reported"] == difference["audited"] + 1
    assert f"record {honest.sequence}: snapshot: member 3" in result.stderr


def test_a_damaged_log_and_a_missing_one_end_with_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data)
    flip(data, 250)
    result = augury("audit", "--data", data)
    assert result.exit_code == 1
    assert "record 250" in result.stderr
    missing = augury("audit", "--data", tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("error: ")
