"""The SQLite log keeps the promises of every log, and those of a file."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from augury.log.head import LogInUse, read_head
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogDamaged, LogError
from tests.contract.log_contract import LogContract, record, records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, path: Path) -> Iterator[SqliteLog]:
        log = SqliteLog(path)
        yield log
        log.close()

    @pytest.fixture
    def damage(self, path: Path) -> Callable[[bytes], None]:
        def change(text: bytes) -> None:
            with closing(sqlite3.connect(path)) as connection, connection:
                rows = connection.execute("SELECT first_sequence, records FROM batches").fetchall()
                (first, data) = next(row for row in rows if text in row[1])
                connection.execute(
                    "UPDATE batches SET records = ? WHERE first_sequence = ?",
                    (data.replace(text, text.swapcase()), first),
                )

        return change


def test_a_log_goes_on_where_it_was_left(path: Path) -> None:
    for first in range(1, 50, 7):
        with closing(SqliteLog(path)) as log:
            assert log.last_sequence == first - 1
            log.append(records(first, first + 6))
    with closing(SqliteLog(path)) as log:
        assert list(log.read()) == records(1, 49)


def test_a_second_writer_in_this_process_is_refused(path: Path) -> None:
    with closing(SqliteLog(path)), pytest.raises(LogInUse, match="already writes"):
        SqliteLog(path)
    SqliteLog(path).close()


def test_a_second_writing_process_is_refused_and_told_who_writes(path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from augury.log.sqlite import SqliteLog\n"
        "log = SqliteLog(pathlib.Path(sys.argv[1]))\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(LogInUse, match=f"process {other.pid}"):
            SqliteLog(path)
        other.kill()
    SqliteLog(path).close()


def test_a_reader_follows_the_writer_without_disturbing_it(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 10))
        with closing(SqliteLog(path, read_only=True)) as reader:
            assert list(reader.read()) == records(1, 10)
            log.append(records(11, 30))
            assert reader.last_sequence == 30
            assert list(reader.read(9)) == records(10, 30)
            assert reader.chain_hash(17) == log.chain_hash(17)
            with pytest.raises(LogError, match="reading only"):
                reader.append([record(31)])


def test_a_reader_of_nothing_makes_nothing(path: Path) -> None:
    with pytest.raises(LogError, match="no log here"):
        SqliteLog(path, read_only=True)
    assert not path.exists()


def test_a_file_that_is_something_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(LogError, match="not a log of Augury"):
        SqliteLog(path)
    assert path.read_bytes() == before
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(LogError, match="not a database"):
        SqliteLog(path)


def test_a_newer_format_is_refused_by_its_number(path: Path) -> None:
    SqliteLog(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(LogError, match="format 9"):
        SqliteLog(path)


def test_a_start_that_was_interrupted_while_the_file_was_made_is_repeated(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 3))
        assert log.last_sequence == 3


def test_the_head_names_what_was_acknowledged(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 12))
        head = read_head(path.with_suffix(".head"))
        assert head is not None
        assert (head.sequence, head.chain) == (12, log.chain_hash(12))


@pytest.mark.parametrize("content", [b"", b"\0" * 60, b"anything else"])
def test_a_head_that_is_not_whole_is_written_anew(path: Path, content: bytes) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 5))
    head = path.with_suffix(".head")
    head.write_bytes(content)
    SqliteLog(path).close()
    found = read_head(head)
    assert found is not None
    assert found.sequence == 5


def test_a_log_that_vanished_is_not_replaced_by_an_empty_one(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 5))
    path.unlink()
    with pytest.raises(LogDamaged, match=r"record 1 .*5 records were acknowledged"):
        SqliteLog(path)
    assert not path.exists()


def test_an_older_copy_of_the_log_is_recognised(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 5))
    older = path.read_bytes()
    with closing(SqliteLog(path)) as log:
        log.append(records(6, 9))
    path.write_bytes(older)
    with pytest.raises(LogDamaged, match=r"record 6 .*up to 9 were acknowledged"):
        SqliteLog(path)


def test_another_history_of_the_same_length_is_recognised(path: Path, tmp_path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(records(1, 5))
    other = tmp_path / "other" / "log.sqlite"
    other.parent.mkdir()
    with closing(SqliteLog(other)) as log:
        log.append([record(s, b"otherwise") for s in range(1, 6)])
    path.write_bytes(other.read_bytes())
    with pytest.raises(LogDamaged, match=r"record 5 .*not the record that was acknowledged"):
        SqliteLog(path)
