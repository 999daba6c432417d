"""Answers have the fields, types and styles of values that the real service was seen to send.

``scripts/derive_recorded_shapes.py`` took these shapes from recorded answers. Ours are those of the
API's examples, which tests/scenarios/test_rest_examples.py sees to be real. The recordings are
older than specification 3.6.0, which wins where the two differ; all else needs a reason here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.gateways.rest.openapi import document
from augury.gateways.rest.operations import OPERATIONS
from augury.gateways.rest.reference import examples
from scripts.derive_recorded_shapes import OPEN, styles

RECORDED: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "data/recorded_shapes.json").read_text(encoding="utf-8")
)

ABSENT = {
    "strike_period": "left out where the operator has told none, sent as an empty text there",
    "source_id": "left out where the operator has told none",
    "mve_collection_ticker": "only combos have it; the examples show other markets",
    "mve_selected_legs": "only combos have it; the examples show other markets",
}
"""Fields that the examples do not have, though the document does."""

OTHERWISE = {
    "price.previous": "null before the first trade; the recorded market had traded before",
    "price.min": "numbers where the event traded in the period; the recorded one did not",
    "price.max": "numbers where the event traded in the period; the recorded one did not",
    "orderbook.yes": "an empty side is an empty list, as specified, and never null",
    "orderbook.no": "an empty side is an empty list, as specified, and never null",
    "orderbook.yes_dollars": "an empty side is an empty list, as specified, and never null",
    "orderbook.no_dollars": "an empty side is an empty list, as specified, and never null",
    "end_date": "left out where there is none, as specified; null there",
    "additional_prohibitions": "an empty list where there are none, as specified; null there",
}
"""Fields whose values look otherwise."""

USED: set[str] = set()


def looks(names: set[str]) -> set[str]:
    """Styles without what is chance: whether a text is empty, or happens to be a UUID."""
    return {"text" if name in {"empty", "uuid"} else name for name in names}


def seen_here(operation_id: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, name in styles(examples()[operation_id].answer):
        found.setdefault(path, set()).add(name)
    return found


def documented(operation_id: str) -> set[str]:
    """Every path that an answer can have."""
    operation = next(one for one in OPERATIONS if one.id == operation_id)
    responses = document()["paths"][operation.path][operation.method.lower()]["responses"]
    schema = responses[str(operation.status)]["content"]["application/json"]["schema"]
    return set(paths(schema, ""))


def paths(schema: Any, prefix: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for part in schema.get("anyOf", ()):
        yield from paths(part, prefix)
    if isinstance(schema.get("items"), dict):
        yield prefix + "[]"
        yield from paths(schema["items"], prefix + "[]")
    for name, node in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        yield path
        if name not in OPEN:
            yield from paths(node, path)


def reason(table: dict[str, str], path: str) -> bool:
    """Whether the field, or one that it is inside of, is explained."""
    bare = path.replace("[]", "")
    for name in table:
        if f".{bare}.".find(f".{name}.") >= 0:
            USED.add(name)
            return True
    return False


@pytest.mark.parametrize("operation_id", RECORDED)
def test_answers_look_like_recorded_ones(operation_id: str) -> None:
    here, known = seen_here(operation_id), documented(operation_id)
    for path, names in RECORDED[operation_id].items():
        assert path in known or path.endswith("[]"), f"{path} is not documented"
        if path not in here:
            assert reason(ABSENT, path), f"{path} is missing"
        elif not looks(here[path]) <= looks(set(names)):
            assert reason(OTHERWISE, path), f"{path} is {here[path]}, recorded as {names}"


def test_every_reason_is_one() -> None:
    """Run after the others: what is explained is really there."""
    for operation_id in RECORDED:
        test_answers_look_like_recorded_ones(operation_id)
    assert {*ABSENT, *OTHERWISE} == USED


def test_recordings_are_of_operations_that_exist() -> None:
    assert set(RECORDED) <= {operation.id for operation in OPERATIONS}
    assert len(RECORDED) == 28
