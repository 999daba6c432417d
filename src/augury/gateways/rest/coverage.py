"""The coverage page: what of the specification is there, operation by operation, field by field.

Compares the facts of the specification (names, types, what is required, enumerations) with the
OpenAPI document of this server, and can see nothing else: that an operation works as it should is
what the tests are for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from augury.gateways.rest.openapi import document
from augury.gateways.rest.operations import (
    BUILT,
    OPERATIONS,
    Operation,
    SpecifiedField,
    SpecifiedOperation,
    specification,
)

WORKS: Final = "works"
MISSING: Final = "missing"

_NULL: Final = "null"


@dataclass(frozen=True, slots=True)
class Part:
    """The parameters, the request or the answer of an operation.

    ``differences`` say what is not as specified, one thing each.
    """

    specified: int = 0
    present: int = 0
    beyond: int = 0
    missing: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One operation of the specification."""

    id: str
    method: str
    path: str
    status: str
    parameters: Part = field(default_factory=Part)
    request: Part = field(default_factory=Part)
    answer: Part = field(default_factory=Part)

    @property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        return (
            ("parameters", self.parameters),
            ("request", self.request),
            ("answer", self.answer),
        )


@dataclass(frozen=True, slots=True)
class _Fact:
    """What our document says of a parameter or field."""

    kinds: frozenset[str]
    required: bool
    values: tuple[Any, ...]


def coverage() -> list[CoverageRow]:
    """All operations of the specification, by path and method."""
    by_id = {operation.id: operation for operation in OPERATIONS}
    return [compare(specified, by_id[specified.id]) for specified in specification().operations]


def coverage_page() -> str:
    """The page as Markdown."""
    rows = coverage()
    lines = [
        "# Coverage of the REST API",
        "",
        "<!-- Written by `augury coverage --markdown`; do not edit. -->",
        "",
        *introduction(rows),
        "",
        "| Method | Path | Operation | Status | Parameters | Request | Answer |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(counted(part) for _, part in row.parts)
        lines.append(f"| {row.method} | `{row.path}` | {row.id} | {row.status} | {cells} |")
    lines += [
        "",
        "## Not as specified",
        "",
        "| Operation | In | What |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {place} | {text} |" for name, place, text in differences(rows)]
    lines += [
        "",
        "## Operations beyond the specification",
        "",
        "They came with later versions of the API, or are known to early clients.",
        "",
        "| Method | Path | Operation |",
        "|---|---|---|",
    ]
    lines += [
        f"| {one.method} | `{one.path}` | {one.id} |"
        for one in sorted(BUILT, key=lambda one: (one.path, one.method))
        if one.extension
    ]
    return "\n".join(lines) + "\n"


def introduction(rows: list[CoverageRow]) -> list[str]:
    """What was compared and what came out, in a few sentences."""
    works = sum(row.status == WORKS for row in rows)
    parts = [part for row in rows for _, part in row.parts]
    specified = sum(part.specified for part in parts)
    present = sum(part.present for part in parts)
    beyond = sum(part.beyond for part in parts)
    outcome = (
        f"Compared with version {specification().version} of the published specification: {works}"
        f" of {len(rows)} operations work, with {present} of {specified} parameters and fields;"
        f" {beyond} more are beyond it. Names, types, what is required and the values of"
        " enumerations are compared."
    )
    legend = (
        "A cell such as 5/5 +2 says how many of the specified names are there, and how many more."
        " Fields of later versions stand beside the others; see [compatibility](compatibility.md)."
    )
    return [outcome, "", legend]


def counted(part: Part) -> str:
    if not part.specified and not part.beyond:
        return ""
    more = f" +{part.beyond}" if part.beyond else ""
    return f"{part.present}/{part.specified}{more}"


def differences(rows: Iterable[CoverageRow]) -> Iterator[tuple[str, str, str]]:
    """Operation, part and what is different there."""
    for row in rows:
        for place, part in row.parts:
            for name in part.missing:
                yield row.id, place, f"`{name}` is not there"
            for text in part.differences:
                yield row.id, place, text


def compare(specified: SpecifiedOperation, operation: Operation) -> CoverageRow:
    """What was specified against what our document says of the same operation."""
    head = (specified.id, specified.method, specified.path)
    if operation.handler is None:
        return CoverageRow(*head, MISSING)
    described = document()["paths"][operation.path][operation.method.lower()]
    parameters = {
        row["name"]: _fact(row["schema"], row["required"])
        for row in described["parameters"]
        if row.get("in") == "query"
    }
    body = described.get("requestBody", {})
    answer = described["responses"][str(operation.status)]
    return CoverageRow(
        *head,
        WORKS,
        _part(specified.parameters, parameters, is_answer=False),
        _part(specified.request_fields, _facts(body), is_answer=False),
        _part(specified.answer_fields, _facts(answer), is_answer=True),
    )


def _part(specified: list[SpecifiedField], ours: Mapping[str, _Fact], *, is_answer: bool) -> Part:
    there = [one for one in specified if one.path in ours]
    compare = _answer_differences if is_answer else _request_differences
    return Part(
        len(specified),
        len(there),
        len(ours) - len(there),
        tuple(one.path for one in specified if one.path not in ours),
        tuple(text for one in there for text in compare(one, ours[one.path])),
    )


def _answer_differences(specified: SpecifiedField, ours: _Fact) -> Iterator[str]:
    """An answer may say less than it could, but nothing that clients do not expect."""
    allowed = _kinds(specified)
    more = sorted(ours.kinds - allowed)
    if "number" in allowed and "integer" in more:
        more.remove("integer")
    if more:
        yield f"`{specified.path}` may also be {_either(more)}"
    if not allowed & ours.kinds and "number" not in allowed:
        yield f"`{specified.path}` is never {_either(sorted(allowed))}"
    if specified.required and not ours.required:
        yield f"`{specified.path}` may be left out"
    if specified.values:
        unknown = [value for value in ours.values if value not in specified.values]
        if unknown:
            yield f"`{specified.path}` may also be {_either(_quoted(unknown))}"
        if not ours.values:
            yield f"`{specified.path}` has values that are not listed"
        never = [value for value in specified.values if value not in ours.values]
        if ours.values and never:
            yield f"`{specified.path}` is never {_either(_quoted(never))}"


def _request_differences(specified: SpecifiedField, ours: _Fact) -> Iterator[str]:
    """A request may say more than was specified, but everything that was has to be understood."""
    refused = sorted(_kinds(specified) - ours.kinds - {_NULL})
    if refused:
        yield f"`{specified.path}` cannot be {_either(refused)}"
    if ours.required and not specified.required:
        yield f"`{specified.path}` is required"
    if ours.values:
        unknown = [value for value in specified.values if value not in ours.values]
        if unknown:
            yield f"`{specified.path}` cannot be {_either(_quoted(unknown))}"
        if not specified.values and specified.kind.startswith("string"):
            yield f"`{specified.path}` is one of {_either(_quoted(list(ours.values)))}"


def _kinds(specified: SpecifiedField) -> frozenset[str]:
    kind = specified.kind.removesuffix("?")
    return frozenset({kind, _NULL} if specified.kind.endswith("?") else {kind})


def _either(words: list[str]) -> str:
    return " or ".join(words)


def _quoted(values: list[Any]) -> list[str]:
    return [f"`{value}`" if value != "" else "empty" for value in values]


# --- facts of our document -------------------------------------------------------------------


def _facts(node: Mapping[str, Any]) -> dict[str, _Fact]:
    """The fields of a body or answer, by dotted path."""
    if "content" not in node:
        return {}
    return dict(_walk(node["content"]["application/json"]["schema"], ""))


def _walk(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, _Fact]]:
    for part in _alternatives(schema):
        if part.get("type") == "array":
            if isinstance(part.get("items"), dict):
                yield from _walk(part["items"], prefix + "[]")
            continue
        for name, node in part.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            yield path, _fact(node, name in part.get("required", ()))
            yield from _walk(node, path)


def _fact(schema: Mapping[str, Any], required: bool) -> _Fact:
    kinds: set[str] = set()
    values: list[Any] = []
    for part in _alternatives(schema):
        listed = part.get("enum")
        items = part.get("items")
        if listed is None and isinstance(items, dict):
            listed = next(_alternatives(items)).get("enum")
        if listed is not None:
            values += [value for value in listed if value is not None]
        kinds.add(part.get("type") or _kind_of(part))
    return _Fact(frozenset(kinds), required, tuple(values))


def _kind_of(schema: Mapping[str, Any]) -> str:
    """The type of a schema that lists values instead of naming one."""
    first = schema.get("enum", [""])[0]
    return "integer" if isinstance(first, int) else "string"


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that a schema stands for, with references followed."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        yield from _alternatives(document()["components"]["schemas"][name])
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from _alternatives(part)
    else:
        yield schema
