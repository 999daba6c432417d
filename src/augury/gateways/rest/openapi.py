"""The OpenAPI document of this server, written from the table of operations.

It describes what is served here, in our own words; it is no copy of anybody's specification.
"""

import re
from functools import cache
from typing import Any, Final

import msgspec
import yaml

from augury import __version__
from augury.gateways.auth import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from augury.gateways.profiles import PROFILE_HEADER, PROFILES
from augury.gateways.rest.errors import ErrorAnswer
from augury.gateways.rest.operations import BUILT, PUBLIC, Operation
from augury.gateways.settings import BASE_PATH

_REFERENCE: Final = "#/components/schemas/{name}"
_VARIABLE: Final = re.compile(r"{(\w+)}")
_JSON: Final = "application/json"

_DESCRIPTION: Final = (
    "The trading API of an Augury exchange. Signed operations need three headers: the key id, "
    "the time in milliseconds, and an RSA-PSS signature (SHA-256) of time, method and path "
    "without query. Lists are paged: pass the `cursor` of one answer to get what follows; it is "
    "empty at the end. Fields that this document does not name are ignored."
)


@cache
def document() -> dict[str, Any]:
    """The whole document as plain data."""
    types: list[type[msgspec.Struct]] = [ErrorAnswer]
    for operation in BUILT:
        if operation.answer is not None:
            types.append(operation.answer)
        if operation.body is not None:
            types.append(operation.body.documented)
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in BUILT:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Augury trading API",
            "version": __version__,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": BASE_PATH}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": header.decode().upper()}
                for name, header in (
                    ("key", KEY_HEADER),
                    ("timestamp", TIMESTAMP_HEADER),
                    ("signature", SIGNATURE_HEADER),
                )
            },
            "parameters": {
                "profile": {
                    "name": PROFILE_HEADER.decode().upper(),
                    "in": "header",
                    "description": "Shape the answer for a generation of clients.",
                    "schema": {"type": "string", "enum": list(PROFILES)},
                }
            },
        },
    }


@cache
def document_json() -> bytes:
    return msgspec.json.encode(document())


@cache
def document_yaml() -> bytes:
    text: str = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    return text.encode()


def _operation(operation: Operation) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(operation.path)
    ]
    parameters += [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": dict(parameter.schema),
        }
        for parameter in operation.parameters
    ]
    parameters.append({"$ref": "#/components/parameters/profile"})
    success: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        success["content"] = {_JSON: {"schema": _reference(operation.answer)}}
    result: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": {
            str(operation.status): success,
            "default": {
                "description": "Not done; the body says why.",
                "content": {_JSON: {"schema": _reference(ErrorAnswer)}},
            },
        },
    }
    if operation.scope != PUBLIC:
        result["security"] = [{"key": [], "timestamp": [], "signature": []}]
        result["x-scope"] = operation.scope
    result["x-rate-limit"] = operation.bucket
    if operation.body is not None:
        result["requestBody"] = {
            "required": not operation.body.optional,
            "content": {_JSON: {"schema": _reference(operation.body.documented)}},
        }
    return result


def _reference(type_: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=type_.__name__)}
