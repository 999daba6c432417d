"""The auditor's own reading of the log: the same facts as the exchange's, and no mercy."""

import inspect
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from augury.audit.auditor import HANDLERS
from augury.audit.reading import TABLE, Unreadable, decode, read_log
from augury.codec.commands import FIELDS, encode_command
from augury.core import commands as c
from augury.log.sqlite import SqliteLog
from augury.ports.log import Record


def encode_row(row: list[Any]) -> bytes:
    return msgspec.msgpack.encode(row)


def described(tag: int) -> dict[str, Any]:
    """A command's fields in the auditor's table, with their defaults; ``...`` without one."""
    _, text = TABLE[tag]
    found: dict[str, Any] = {}
    for field in text.split():
        name, has_default, default = field.partition("=")
        value: Any = default if has_default else ...
        if default == "no":
            value = False
        elif default.lstrip("-").isdecimal():
            value = int(default)
        found[name] = value
    return found


def test_the_auditor_knows_every_command_of_the_log_under_its_own_tag() -> None:
    """A new command needs the auditor's opinion: in its table, and in what it carries out."""
    assert {tag: name for tag, (name, _) in TABLE.items()} == {
        tag: cls.__name__ for tag, (cls, _) in FIELDS.items()
    }
    assert set(HANDLERS) == {name for name, _ in TABLE.values()}


@pytest.mark.parametrize("tag", sorted(FIELDS))
def test_the_auditor_knows_every_field_and_what_older_rows_leave_out(tag: int) -> None:
    cls, names = FIELDS[tag]
    parameters = inspect.signature(cls).parameters if names else {}
    assert described(tag) == {
        name: ...
        if parameters[name].default is inspect.Parameter.empty
        else parameters[name].default
        for name in names
    }


def test_a_row_of_an_earlier_version_gets_the_defaults() -> None:
    entry = decode(1, 5, 1, 1, encode_row([105, 7, 9]))
    assert entry.command == "ConfirmQuote"
    assert entry.fields == {"member_id": 7, "quote_id": 9, "client_order_id": ""}


@pytest.mark.parametrize(
    "row, schema, rules",
    [
        ([999, 1], 1, 1),
        ([2, 7], 1, 1),
        ([67, "later"], 1, 1),
        ([67], 2, 1),
        ([67], 1, 2),
    ],
)
def test_what_it_does_not_know_it_does_not_guess(row: list[Any], schema: int, rules: int) -> None:
    with pytest.raises(Unreadable):
        decode(1, 5, schema, rules, encode_row(row))


def test_a_flipped_bit_is_named_by_its_record(tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"
    commands = [c.CreateMember(f"m{number}@example.com") for number in range(5)]
    with closing(SqliteLog(file)) as log:
        log.append([Record(n, n, 1, 1, encode_command(x)) for n, x in enumerate(commands, 1)])
    assert [entry.email for entry in read_log(file)] == [x.email for x in commands]
    with closing(sqlite3.connect(file)) as db, db:
        (data,) = db.execute("SELECT records FROM batches").fetchone()
        place = data.index(b"m3@example")
        db.execute("UPDATE batches SET records = ?", (data[:place] + b"x" + data[place + 1 :],))
    with pytest.raises(Unreadable, match="record 4 does not match"):
        list(read_log(file))
