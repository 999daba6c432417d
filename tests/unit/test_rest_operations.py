"""The table of operations and what is derived from it: OpenAPI document and coverage page."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from augury.gateways.auth import READ, WRITE
from augury.gateways.rest.coverage import WORKS, compare, coverage, coverage_page, differences
from augury.gateways.rest.openapi import document, document_json, document_yaml
from augury.gateways.rest.operations import (
    BUILT,
    OPERATIONS,
    PUBLIC,
    Operation,
    SpecifiedField,
    SpecifiedOperation,
)


def test_identifiers_are_unique() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_whoever_only_reads_cannot_change_anything(operation: Operation) -> None:
    """Only the early form of the queue positions asks with POST."""
    changes = operation.method != "GET" and operation.id != "PostOrderQueuePositions"
    assert operation.scope.startswith(WRITE) == changes
    assert changes or operation.scope == PUBLIC or operation.scope.startswith(READ)


def test_the_write_bucket_is_for_orders_only() -> None:
    assert {operation.id for operation in BUILT if operation.bucket == "write"} == {
        "CreateOrder",
        "CancelOrder",
        "AmendOrder",
        "DecreaseOrder",
        "BatchCreateOrders",
        "BatchCancelOrders",
        "CreateOrderV2",
        "CancelOrderV2",
        "AmendOrderV2",
        "DecreaseOrderV2",
        "BatchCreateOrdersV2",
        "BatchCancelOrdersV2",
    }


def test_the_document_describes_every_operation_once() -> None:
    described = {
        operation["operationId"]
        for methods in document()["paths"].values()
        for operation in methods.values()
    }
    assert described == {operation.id for operation in BUILT}


def test_the_document_is_the_same_in_both_forms() -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read = yaml.load(document_yaml(), loader)
    assert msgspec.json.decode(document_json()) == read


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = document_json().decode()
    schemas = document()["components"]["schemas"]
    for part in text.split('"$ref":"')[1:]:
        kind, name = part.split('"', 1)[0].removeprefix("#/components/").split("/")
        assert name in (schemas if kind == "schemas" else document()["components"][kind])
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


EXPLAINED = {
    "`{}` may be left out": "the profile `latest` has buckets, and books in dollars elsewhere",
    "`{}` may also be `settled`": "the profile `legacy` has this word for finalized",
    "`{}` may also be `true` or `false`": "the profile `legacy` has these words for sides",
    "`{}` may also be string": "the profile `latest` has balances in dollars",
    "`status` is one of": "unknown states are refused rather than found nowhere",
}
"""Why something is not as specified, by what is said about it."""


def test_what_works_has_every_specified_parameter_and_field() -> None:
    for row in coverage():
        assert row.status == WORKS
        for _, part in row.parts:
            assert part.missing == ()
            assert part.present == part.specified


def test_every_difference_from_the_specification_is_explained() -> None:
    found = {re.sub("^`[^`]*` (may)", r"`{}` \1", text) for _, _, text in differences(coverage())}
    unexplained = [text for text in found if not any(text.startswith(known) for known in EXPLAINED)]
    assert unexplained == []
    for known in EXPLAINED:
        assert any(text.startswith(known) for text in found), f"{known!r} is no difference"


def specified(path: str, kind: str = "string", *, required: bool = False, values: Any = ()) -> Any:
    return SpecifiedField(path, kind, required, list(values))


@pytest.mark.parametrize(
    "field, expected",
    [
        (specified("cursor"), []),
        (specified("cursor", "integer"), ["cannot be integer"]),
        (specified("status", values=["open"]), []),
        (specified("status", values=["open", "halted"]), ["cannot be `halted`"]),
        (specified("limit", "integer"), []),
        (specified("nothing"), ["is not there"]),
    ],
)
def test_the_comparison_sees_what_a_request_cannot_say(
    field: SpecifiedField, expected: list[str]
) -> None:
    assert compared("GetMarkets", [field], "parameters") == [
        f"`{field.path}` {text}" for text in expected
    ]


@pytest.mark.parametrize(
    "field, expected",
    [
        (specified("order.status", required=True, values=["resting", "canceled", "executed"]), []),
        (specified("order.status", values=["resting", "executed"]), ["may also be `canceled`"]),
        (specified("order.yes_price", "string"), ["may also be integer", "is never string"]),
        (specified("order.yes_price", "number"), []),
        (specified("order.expiration_time", required=True), ["may be left out"]),
        (specified("order.halted"), ["is not there"]),
    ],
)
def test_the_comparison_sees_what_an_answer_says_otherwise(
    field: SpecifiedField, expected: list[str]
) -> None:
    assert compared("GetOrder", [field], "answer") == [
        f"`{field.path}` {text}" for text in expected
    ]


def compared(operation_id: str, fields: list[SpecifiedField], part: str) -> list[str]:
    """What the comparison says when the specification were this."""
    operation = next(one for one in BUILT if one.id == operation_id)
    chosen: dict[str, list[SpecifiedField]] = {
        "parameters": [],
        "request_fields": [],
        "answer_fields": [],
    }
    chosen["answer_fields" if part == "answer" else part] = fields
    one = SpecifiedOperation(operation_id, operation.method, operation.path, True, **chosen)
    return [text for _, _, text in differences([compare(one, operation)])]


def test_the_coverage_page_in_the_documentation_is_current(repository: Path) -> None:
    page = (repository / "docs/api/coverage.md").read_text(encoding="utf-8")
    assert page == coverage_page(), (
        "`augury coverage --markdown docs/api/coverage.md` writes it anew"
    )
