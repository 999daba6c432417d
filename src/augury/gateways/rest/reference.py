"""What is said about the API beyond its table of operations: texts, error codes, examples.

Three files hold it, so that prose can be read and changed as prose: ``reference.yaml`` (operations,
groups, path variables), ``fields.yaml`` (fields of requests and answers) and ``examples.json``
(requests that were really sent, with what was answered; ``python -m tests.examples --write``).
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
import yaml

from augury.gateways.rest.errors import INVALID_CURSOR, INVALID_PARAMETERS, NOT_FOUND, documented
from augury.gateways.rest.operations import PUBLIC, Operation
from augury.gateways.rest.parameters import CURSOR

UNAUTHORIZED: Final = ("unauthorized", "invalid_signature", "header_timestamp_expired")
FORBIDDEN: Final = ("insufficient_scope", "forbidden")
MALFORMED: Final = "malformed_request"
TOO_LARGE: Final = ("request_too_large",)
OTHER_METHOD: Final = ("method_not_allowed",)
"""Of a path that a value has made another one, such as an empty one."""
TOO_SLOW: Final = ("request_timeout",)
HEAD_TOO_LARGE: Final = ("request_head_too_large",)
TOO_MANY: Final = ("too_many_requests",)
UNAVAILABLE: Final = (
    "exchange_unavailable",
    "outcome_unknown",
    "exchange_overloaded",
    "too_many_connections",
)


class OperationText(msgspec.Struct, forbid_unknown_fields=True):
    """What the summary of an operation leaves open, and the codes of its refusals.

    A code may be the name of a group of codes.
    """

    text: str
    errors: tuple[str, ...] = ()


class Reference(msgspec.Struct, forbid_unknown_fields=True):
    """``reference.yaml``."""

    tags: dict[str, str]
    variables: dict[str, str]
    types: dict[str, str]
    error_groups: dict[str, list[str]]
    operations: dict[str, OperationText]


class FieldText(msgspec.Struct, frozen=True):
    """What a field means, and what its schema says beyond its type."""

    text: str
    schema: Mapping[str, Any]


class Example(msgspec.Struct, omit_defaults=True):
    """A request that was sent to a running exchange, and its answer."""

    status: int
    path: dict[str, str] = {}
    query: dict[str, Any] = {}
    body: Any = None
    answer: Any = None


@cache
def reference() -> Reference:
    return msgspec.convert(_yaml("reference.yaml"), Reference)


@cache
def fields() -> dict[str, FieldText]:
    """By ``name`` or ``Type.name``."""
    found: dict[str, FieldText] = {}
    for name, value in _yaml("fields.yaml").items():
        schema = {"text": value} if isinstance(value, str) else dict(value)
        found[name] = FieldText(schema.pop("text"), schema)
    return found


@cache
def examples() -> dict[str, Example]:
    """By id of the operation."""
    return msgspec.json.decode(_read("examples.json"), type=dict[str, Example])


_TWINS: Final = (
    ("_dollars", ", in cents", "in dollars", r"^-?[0-9]+\.[0-9]{4}([0-9]{2})?$"),
    ("_fp", "", "exact to hundredths of a contract", r"^-?[0-9]+\.[0-9]{2}$"),
)
"""Endings of exact twins, what they replace in the text of the other, how answers write them."""

_PRICE: Final = r"^0\.[0-9]{1,4}$"
_AMOUNT: Final = r"^[0-9]{1,9}(\.[0-9]{1,2})?$"
"""How requests should write prices and other amounts. A few more ways are understood."""


def field_text(type_name: str, name: str) -> FieldText | None:
    """What a field means; a twin is told by the field that it repeats. None when unknown."""
    table = fields()
    found = table.get(f"{type_name}.{name}") or table.get(name)
    is_request = type_name.endswith(("Request", "Item", "ItemV2"))
    for ending, drops, adds, pattern in _TWINS:
        if name.endswith(ending):
            if found is None:
                base = field_text(type_name, name.removesuffix(ending))
                if base is None:
                    return None
                words = base.text.partition(". ")[0].rstrip(".").removesuffix(drops)
                words = words.removesuffix(" in cents")
                found = FieldText(f"{words}, {adds}.", {})
            if is_request:
                pattern = _PRICE if "price" in name else _AMOUNT
            return FieldText(found.text, {"pattern": pattern, **found.schema})
    return found


def error_codes(operation: Operation) -> dict[int, list[str]]:
    """The codes that an operation answers with, by status.

    What follows from the table is added to what the operation itself lists: parameters may be
    malformed, cursors foreign, signatures wrong, bodies too large, and so on.
    """
    codes: dict[int, list[str]] = {}
    for code in dict.fromkeys(_codes(operation)):
        codes.setdefault(documented(code)[0], []).append(code)
    return dict(sorted(codes.items()))


def _codes(operation: Operation) -> Iterator[str]:
    yield INVALID_PARAMETERS
    yield MALFORMED
    if CURSOR in operation.parameters:
        yield INVALID_CURSOR
    yield from UNAUTHORIZED
    if operation.scope != PUBLIC:
        yield from FORBIDDEN
    if "{" in operation.path:
        yield NOT_FOUND
        yield from OTHER_METHOD
    if operation.body is not None:
        yield from TOO_LARGE
    yield from TOO_SLOW
    yield from TOO_MANY
    yield from HEAD_TOO_LARGE
    yield from UNAVAILABLE
    groups = reference().error_groups
    for name in reference().operations[operation.id].errors:
        yield from groups.get(name, (name,))


def _read(name: str) -> bytes:
    return files("augury.gateways.rest").joinpath(name).read_bytes()


def _yaml(name: str) -> Any:
    # The loader in C, where there is one, is ten times as fast.
    return yaml.load(_read(name), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
