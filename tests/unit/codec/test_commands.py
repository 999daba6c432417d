"""The log's encoding of commands: complete, stable, and clear about what it cannot read."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.codec.commands import (
    FIELDS,
    SCHEMA_VERSION,
    CodecError,
    decode_command,
    encode_command,
)
from augury.codec.readable import command_dict
from augury.core import commands as c
from augury.core.commands import Command

CLASSES = [cls for cls, _ in FIELDS.values()]
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": INT64,
    "str": st.text(max_size=40),
    "bool": st.booleans(),
    "tuple[str, ...]": st.lists(st.text(max_size=10)).map(tuple),
    "tuple[tuple[int, int], ...]": st.lists(st.tuples(INT64, INT64)).map(tuple),
    "tuple[tuple[str, str, str], ...]": st.lists(st.tuples(*[st.text(max_size=10)] * 3)).map(tuple),
    "tuple[tuple[str, bool, int, int], ...]": st.lists(
        st.tuples(st.text(max_size=10), st.booleans(), INT64, INT64)
    ).map(tuple),
    "tuple[tuple[int, int, int], ...]": st.lists(st.tuples(INT64, INT64, INT64)).map(tuple),
}


def read_parameters() -> dict[str, dict[str, str]]:
    """Class -> constructor parameter -> type, from the source: compiled classes do not tell."""
    source = Path(c.__file__).with_name("commands.py").read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        fields: dict[str, str] = {}
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                fields[item.target.id] = ast.unparse(item.annotation)
            elif isinstance(item, ast.FunctionDef) and item.name == "__init__":
                for argument in item.args.args[1:]:
                    assert argument.annotation is not None
                    fields[argument.arg] = ast.unparse(argument.annotation)
        found[node.name] = fields
    return found


PARAMETERS = read_parameters()


def parameters(cls: type[Any]) -> dict[str, str]:
    return PARAMETERS[cls.__name__]


def commands_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    strategies = [VALUES[annotation] for annotation in parameters(cls).values()]
    return st.tuples(*strategies).map(lambda fields: cls(*fields))


def fields_of(command: Command) -> list[Any]:
    return [getattr(command, name) for name in parameters(type(command))]


def test_every_command_of_the_core_has_a_tag() -> None:
    known = {
        value
        for value in vars(c).values()
        if isinstance(value, type) and issubclass(value, Command) and value is not Command
    }
    assert set(CLASSES) == known


@pytest.mark.parametrize("cls", CLASSES)
def test_rows_are_in_the_order_of_the_constructor(cls: type[Any]) -> None:
    names = next(names for other, names in FIELDS.values() if other is cls)
    assert names == tuple(parameters(cls))


@given(st.one_of([commands_of(cls) for cls in CLASSES]))
def test_a_command_comes_back_as_it_was(command: Command) -> None:
    again = decode_command(encode_command(command))
    assert type(again) is type(command)
    assert fields_of(again) == fields_of(command)
    assert [type(value) for value in fields_of(again)] == [
        type(value) for value in fields_of(command)
    ]


def test_the_bytes_of_the_log_never_change() -> None:
    order = c.PlaceOrder(7, 0, "RAIN-NYC", "mine", "buy", "yes", 4100, 2500)
    assert encode_command(order).hex() == (
        "dc0012010700a85241494e2d4e5943a46d696e65a3627579a3796573cd1004cd09c4b2676f6f"
        "645f74696c6c5f63616e63656c656400c2c200ae74616b65725f61745f63726f737300c2a0"
    )
    # Before orders could name the session that entered them.
    written_then = bytes.fromhex(
        "dc0011010700a85241494e2d4e5943a46d696e65a3627579a3796573cd1004cd09c4b2676f6f"
        "645f74696c6c5f63616e63656c656400c2c200ae74616b65725f61745f63726f737300c2"
    )
    assert fields_of(decode_command(written_then)) == fields_of(order)
    assert encode_command(c.Tick()).hex() == "9143"
    assert encode_command(c.AddApiKey(3, "bot", "PEM", ("read", "write"))).hex() == (
        "971603a3626f74a350454d92a472656164a57772697465a0ff"
    )
    # Before keys could be restricted to a subaccount.
    written_then = bytes.fromhex("961603a3626f74a350454d92a472656164a57772697465a0")
    assert decode_command(written_then) == c.AddApiKey(3, "bot", "PEM", ("read", "write"))


def test_rows_of_an_older_version_get_the_defaults_of_newer_fields() -> None:
    payload = msgspec.msgpack.encode([2, 7, 99])
    cancel = decode_command(payload)
    assert isinstance(cancel, c.CancelOrder)
    assert cancel.subaccount == -1


def test_an_unknown_schema_version_is_named() -> None:
    with pytest.raises(CodecError, match="schema version 2"):
        decode_command(encode_command(c.Tick()), SCHEMA_VERSION + 1)


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(CodecError, match="tag 250"):
        decode_command(msgspec.msgpack.encode([250, 1]))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", msgspec.msgpack.encode([]), msgspec.msgpack.encode(7)]
    + [msgspec.msgpack.encode(row) for row in ({}, {"a": 1}, [[1]], [1], [67, 1], [22, 1], [44])],
)
def test_bytes_that_are_no_command_are_an_error(payload: bytes) -> None:
    with pytest.raises(CodecError):
        decode_command(payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(payload: bytes) -> None:
    try:
        decode_command(payload)
    except CodecError:
        pass


def test_a_number_too_large_for_the_log_is_refused_before_it_is_logged() -> None:
    with pytest.raises(CodecError, match="Deposit"):
        encode_command(c.Deposit(1, 0, 2**64, ""))


def test_a_command_can_be_read_by_people() -> None:
    assert command_dict(c.CancelOrder(7, 99)) == {
        "command": "CancelOrder",
        "member_id": 7,
        "order_id": 99,
        "subaccount": -1,
        "request_id": "",
    }
