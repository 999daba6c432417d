"""What the description of the API says in words: nothing is missing, nothing is left over."""

from typing import Any

import jsonschema_rs
import pytest

from augury.gateways.rest.errors import documented
from augury.gateways.rest.openapi import document
from augury.gateways.rest.operations import BUILT, PUBLIC, Operation
from augury.gateways.rest.reference import error_codes, examples, fields, reference

SCHEMAS: dict[str, Any] = document()["components"]["schemas"]


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"][operation.path][operation.method.lower()]
    return found


def test_every_operation_tag_and_path_variable_has_its_words() -> None:
    assert set(reference().operations) == {operation.id for operation in BUILT}
    assert set(reference().tags) == {operation.tag for operation in BUILT}
    variables = {
        segment[1:-1]
        for operation in BUILT
        for segment in operation.path.split("/")
        if segment.startswith("{")
    }
    assert set(reference().variables) == variables


def test_every_type_and_field_has_its_words() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
        for field, node in schema.get("properties", {}).items():
            assert node["description"], f"{name}.{field}"
    assert set(reference().types) <= set(SCHEMAS)


def test_no_words_are_about_fields_that_do_not_exist() -> None:
    names = {
        spelling
        for name, schema in SCHEMAS.items()
        for field in schema.get("properties", {})
        for spelling in (field, f"{name}.{field}")
    }
    assert set(fields()) <= names


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_an_operation_is_described_from_its_parameters_to_its_refusals(
    operation: Operation,
) -> None:
    found = described(operation)
    assert len(found["description"]) > 10
    for row in found["parameters"][:-1]:
        assert row["description"], row["name"]
        assert row["schema"]["type"]
    responses = found["responses"]
    assert str(operation.status) in responses
    assert {"400", "401", "429", "503"} <= set(responses)
    assert ("403" in responses) == bool(found["security"]) == (operation.scope != PUBLIC)
    assert ("404" in responses) or "{" not in operation.path
    assert ("requestBody" in found) == ("413" in responses) == (operation.body is not None)
    for status, codes in error_codes(operation).items():
        assert codes
        assert all(documented(code)[0] == status and documented(code)[1] for code in codes)


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_an_operation_has_an_example_of_all_that_it_needs(operation: Operation) -> None:
    """That each was really sent, tests/scenarios/test_rest_examples.py sees."""
    found, example = described(operation), examples()[operation.id]
    for row in found["parameters"][:-1]:
        if row["required"]:
            assert "example" in row, row["name"]
    if operation.body is not None and not operation.body.optional:
        assert found["requestBody"]["content"]["application/json"]["example"] == example.body
    content = found["responses"][str(operation.status)].get("content")
    assert (content is None) == (operation.answer is None)
    if content is not None:
        assert content["application/json"]["example"] == example.answer


def test_requests_in_examples_are_as_described() -> None:
    """Bodies and parameters; answers are checked when they are received."""
    for operation in BUILT:
        found, example = described(operation), examples()[operation.id]
        if operation.body is not None and example.body is not None:
            name = operation.body.documented.__name__
            assert set(example.body) <= set(SCHEMAS[name]["properties"]), operation.id
            check({"$ref": f"#/components/schemas/{name}"}, example.body)
        for row in found["parameters"][:-1]:
            if "example" in row:
                check(row["schema"], row["example"])


def check(schema: dict[str, Any], value: Any) -> None:
    components = {"components": {"schemas": SCHEMAS}}
    jsonschema_rs.Draft202012Validator({**schema, **components}).validate(value)
