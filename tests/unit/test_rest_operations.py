"""The table of operations and what is derived from it: OpenAPI document and coverage page."""

from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from augury.gateways.auth import READ, WRITE
from augury.gateways.rest.coverage import MISSING, WORKS, coverage, coverage_page
from augury.gateways.rest.openapi import document, document_json, document_yaml
from augury.gateways.rest.operations import BUILT, OPERATIONS, PUBLIC, Operation


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


def test_what_works_has_every_specified_parameter_and_field() -> None:
    for row in coverage():
        absent = (row.missing_parameters, row.missing_request_fields, row.missing_answer_fields)
        assert absent == ((), (), ()), row.id
    assert {row.status for row in coverage()} <= {WORKS, MISSING}


def test_the_coverage_page_in_the_documentation_is_current(repository: Path) -> None:
    page = (repository / "docs/api/coverage.md").read_text(encoding="utf-8")
    assert page == coverage_page(), "`augury coverage` writes it anew"
