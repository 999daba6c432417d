"""Holds every answer that a test receives against the server's own OpenAPI document.

Each status, each error code, each field and each value has to be one that is documented, and no
field may be there that is not. So every test that speaks REST also tests the document.
"""

from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from augury.gateways.rest.openapi import document
from augury.gateways.rest.operations import BUILT
from augury.gateways.rest.routing import Router
from augury.gateways.settings import BASE_PATH


def check_answer(method: str, path: str, response: httpx.Response) -> None:
    """Raises ``AssertionError`` when the answer is not as documented.

    Paths and methods that no operation has are nobody's business here.
    """
    operation = _operation(method, path.removeprefix(BASE_PATH).partition("?")[0])
    if operation is None or response.status_code == 301:
        return
    documented = document()["paths"][operation.path][operation.method.lower()]["responses"]
    status = str(response.status_code)
    assert status in documented, (
        f"{operation.id}: status {status} is not documented: {response.text}"
    )
    validator = _validator(operation.id, status)
    if validator is None or method == "HEAD":
        assert response.content == b"", f"{operation.id}: {status} should have no body"
        return
    assert response.headers["content-type"] == "application/json"
    errors = [
        f"{error.message[:300]} at {list(error.instance_path)}"
        for error in validator.iter_errors(response.json())
    ]
    assert not errors, f"{operation.id}: {status} is not as documented: {errors[:5]}"


def _operation(method: str, path: str) -> Any:
    route = _router().find(path)
    return None if route is None else route.methods.get("GET" if method == "HEAD" else method)


@cache
def _router() -> Router:
    return Router(BUILT)


@cache
def _validator(operation_id: str, status: str) -> jsonschema_rs.Draft202012Validator | None:
    """Of the body that goes with a status; None when there is none."""
    operation = next(one for one in BUILT if one.id == operation_id)
    responses = document()["paths"][operation.path][operation.method.lower()]["responses"]
    response = responses[status]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    if "content" not in response:
        return None
    schema = response["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": {"schemas": _closed_schemas()}}, validate_formats=True
    )


@cache
def _closed_schemas() -> dict[str, Any]:
    """The schemas, so that fields which they do not name are errors."""
    return {
        name: {**schema, "additionalProperties": False}
        if "properties" in schema or not schema.get("additionalProperties")
        else schema
        for name, schema in document()["components"]["schemas"].items()
    }
