"""The coverage page: what of the specification is there, operation by operation.

Compares names only, and only what it can see: that an operation works as it should is what the
tests are for.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from augury.gateways.rest.operations import OPERATIONS, Operation, SpecifiedOperation, specification

WORKS: Final = "works"
MISSING: Final = "missing"


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One operation. The three tuples name what is specified and not there."""

    id: str
    method: str
    path: str
    status: str
    missing_parameters: tuple[str, ...]
    missing_request_fields: tuple[str, ...]
    missing_answer_fields: tuple[str, ...]


def coverage() -> list[CoverageRow]:
    """All operations of the specification, by path and method."""
    by_id = {operation.id: operation for operation in OPERATIONS}
    return [_row(specified, by_id[specified.id]) for specified in specification().operations]


def coverage_page() -> str:
    """The page as Markdown."""
    rows = coverage()
    works = sum(row.status == WORKS for row in rows)
    lines = [
        "# Coverage of the REST API",
        "",
        "<!-- Written by `augury coverage`; do not edit. -->",
        "",
        _introduction(works, len(rows)),
        "",
        "| Method | Path | Operation | Status | Not there |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        absent = [*row.missing_parameters, *row.missing_request_fields, *row.missing_answer_fields]
        note = ", ".join(f"`{name}`" for name in absent) if row.status == WORKS else ""
        lines.append(f"| {row.method} | `{row.path}` | {row.id} | {row.status} | {note} |")
    return "\n".join(lines) + "\n"


def _introduction(works: int, specified: int) -> str:
    return (
        f"Compared with version {specification().version} of the published specification:"
        f" {works} of {specified} operations work. An operation that is missing answers 501 with"
        " the code `not_implemented`. Fields of later versions are added beside these; see"
        " [compatibility](compatibility.md)."
    )


def _row(specified: SpecifiedOperation, operation: Operation) -> CoverageRow:
    if operation.handler is None:
        return CoverageRow(specified.id, specified.method, specified.path, MISSING, (), (), ())
    parameters = {parameter.name for parameter in operation.parameters}
    request_fields = set(_fields(operation.body.documented)) if operation.body else set()
    answer_fields = set(_fields(operation.answer)) if operation.answer else set()
    return CoverageRow(
        specified.id,
        specified.method,
        specified.path,
        WORKS,
        tuple(name for name in specified.parameters if name not in parameters),
        tuple(name for name in specified.request_fields if name not in request_fields),
        tuple(name for name in specified.answer_fields if name not in answer_fields),
    )


def _fields(type_: Any, prefix: str = "") -> Iterator[str]:
    """Every field inside a type as a dotted path; ``[]`` stands for the items of a list."""
    origin = get_origin(type_)
    if origin is list:
        yield from _fields(get_args(type_)[0], prefix + "[]")
    elif origin in (Union, types.UnionType):
        for member in get_args(type_):
            yield from _fields(member, prefix)
    elif isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        for field in msgspec.structs.fields(type_):
            path = f"{prefix}.{field.name}" if prefix else field.name
            yield path
            yield from _fields(field.type, path)
