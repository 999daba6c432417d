"""``augury history``: rebuilding the past from the log, and seeing how far it is."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from augury.app import history_commands
from augury.app.data_directory import history_path, log_path
from augury.codec.commands import SCHEMA_VERSION, encode_command
from augury.core.engine import RULES_VERSION
from augury.log.sqlite import SqliteLog
from augury.ports.log import Record
from augury.projections.history import History
from tests.exchange_story import Story, whole_life
from tests.history_tables import stored

STORY = whole_life(seed=3, steps=100)
END = len(STORY.applied)

application = typer.Typer()
history_commands.register(application)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of an exchange that has stopped."""
    with exchange_in(tmp_path, STORY):
        return tmp_path


@contextlib.contextmanager
def exchange_in(folder: Path, story: Story) -> Iterator[SqliteLog]:
    with contextlib.closing(SqliteLog(log_path(folder))) as log:
        log.append(
            [
                Record(
                    applied.sequence,
                    applied.time_ns,
                    SCHEMA_VERSION,
                    RULES_VERSION,
                    encode_command(applied.command),
                )
                for applied in story.applied
            ]
        )
        yield log


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(application, ["history", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    history = History(f"sqlite:///{path}")
    assert history.open()
    found = stored(history.database)
    history.close()
    return found


def test_a_rebuilt_history_is_the_one_that_was_written_live(data: Path, tmp_path: Path) -> None:
    live = History(f"sqlite:///{tmp_path / 'live.sqlite'}")
    assert live.open()
    live.load(STORY.applied)
    live.close()

    code, out, _ = run("rebuild", "--data", data, "--json")

    assert code == 0
    assert json.loads(out)["records"] == END
    assert tables(history_path(data)) == tables(tmp_path / "live.sqlite")


def test_a_rebuild_replaces_whatever_was_there(data: Path) -> None:
    run("rebuild", "--data", data)
    good = tables(history_path(data))
    with sqlite3.connect(history_path(data)) as other:
        other.execute("DELETE FROM fills")
        other.execute("UPDATE trades SET price = 1")

    code, out, _ = run("rebuild", "--data", data)

    assert (code, out.strip()) == (0, f"the history is at record {END}")
    assert tables(history_path(data)) == good


def test_status_says_how_far_history_is_behind(data: Path) -> None:
    history = History(f"sqlite:///{history_path(data)}")
    assert history.open()
    history.load(STORY.applied[:60])
    history.close()

    code, out, _ = run("status", "--data", data, "--json")

    assert code == 0
    answer = json.loads(out)
    assert (answer["position"], answer["log"], answer["behind"]) == (60, END, END - 60)


def test_status_does_not_make_a_history(data: Path) -> None:
    code, _, err = run("status", "--data", data)

    assert code == 1
    assert "unable to open" in err
    assert not history_path(data).exists()


def test_a_running_exchange_keeps_its_history(tmp_path: Path) -> None:
    with exchange_in(tmp_path, STORY):
        code, _, err = run("rebuild", "--data", tmp_path)

    assert code == 1
    assert "already writes" in err.replace("\n", " ")
    assert not history_path(tmp_path).exists()


def test_a_directory_without_an_exchange_stays_empty(tmp_path: Path) -> None:
    code, _, err = run("rebuild", "--data", tmp_path)

    assert code == 1
    assert "no exchange" in err
    assert list(tmp_path.iterdir()) == []
