"""The OpenAPI document of this server, written from the table of operations.

It describes what is served here, in our own words; it is no copy of anybody's specification.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
import yaml

from augury import __version__
from augury.gateways.auth import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from augury.gateways.profiles import LATEST, PROFILE_HEADER, PROFILES
from augury.gateways.rate_limits import REQUEST
from augury.gateways.rest.errors import (
    INVALID_CURSOR,
    INVALID_PARAMETERS,
    NOT_FOUND,
    SERVICE,
    ErrorAnswer,
    ErrorBody,
    documented,
)
from augury.gateways.rest.operations import BUILT, PUBLIC, Operation
from augury.gateways.rest.reference import (
    FORBIDDEN,
    HEAD_TOO_LARGE,
    MALFORMED,
    OTHER_METHOD,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    UNAUTHORIZED,
    UNAVAILABLE,
    Example,
    error_codes,
    examples,
    field_text,
    reference,
)
from augury.gateways.settings import BASE_PATH

_REFERENCE: Final = "#/components/schemas/{name}"
_VARIABLE: Final = re.compile(r"{(\w+)}")
_SEGMENT: Final = r"^[^\u0000-\u001f\u007f-\u009f/]+$"
_JSON: Final = "application/json"
_REQUEST_ID: Final = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

_DESCRIPTION: Final = (
    "The trading API of an Augury exchange.\n\n"
    "Signed operations need three headers: the key id, the time in milliseconds, and an RSA-PSS"
    " signature (SHA-256, salt of 32 bytes) of time, method and path without query. Public"
    " operations need none, and refuse wrong ones.\n\n"
    "Lists are paged: pass the `cursor` of one answer to get what follows; it is empty at the"
    " end. Fields and parameters that this document does not name are ignored, and an empty"
    " parameter is one that was left out. `exchange_index` is understood everywhere and may be 0"
    " or -1. A path with a slash at its end is redirected to the one without.\n\n"
    "What is refused has no partial effect."
)

_SHARED: Final = {
    "BadRequest": (400, (INVALID_PARAMETERS, MALFORMED)),
    "BadListRequest": (400, (INVALID_PARAMETERS, MALFORMED, INVALID_CURSOR)),
    "Unauthorized": (401, UNAUTHORIZED),
    "Forbidden": (403, FORBIDDEN),
    "NotFound": (404, (NOT_FOUND,)),
    "OtherMethod": (405, OTHER_METHOD),
    "TooSlow": (408, TOO_SLOW),
    "TooLarge": (413, TOO_LARGE),
    "TooManyRequests": (429, TOO_MANY),
    "HeadTooLarge": (431, HEAD_TOO_LARGE),
    "Unavailable": (503, UNAVAILABLE),
}
"""Refusals that many operations have in common."""

_REASONS: Final = {
    400: "The request is wrong, or the exchange refuses it",
    401: "The signature is missing or wrong",
    403: "The key, or the member, may not do this",
    404: "There is no such thing, or it is somebody else's",
    409: "It conflicts with what is there",
    405: "The value makes the path another one, which has no such method",
    408: "The request did not arrive",
    413: "The body is too large",
    429: "The limit of requests per second is reached",
    431: "The head of the request is too large",
    503: "It cannot be done at the moment",
}


@cache
def document() -> dict[str, Any]:
    """The whole document as plain data."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in BUILT:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Augury trading API",
            "version": __version__,
            "summary": "Markets, orders, portfolio and everything else of an exchange.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": BASE_PATH, "description": "This server."}],
        "externalDocs": {"url": "/docs", "description": "The same, to be read."},
        "tags": [{"name": name, "description": text} for name, text in reference().tags.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {
                name: _refusal(status, codes) for name, (status, codes) in _SHARED.items()
            },
            "headers": {
                "RequestId": {
                    "description": "The id of the request: the client's own, or a new one.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                name: {
                    "type": "apiKey",
                    "in": "header",
                    "name": header.decode().upper(),
                    "description": text,
                }
                for name, header, text in (
                    ("key", KEY_HEADER, "Id of the API key."),
                    ("timestamp", TIMESTAMP_HEADER, "Unix time in milliseconds, at most 30 s off."),
                    (
                        "signature",
                        SIGNATURE_HEADER,
                        "Base64 of RSA-PSS with SHA-256 over timestamp, method and path.",
                    ),
                )
            },
            "parameters": {
                "profile": {
                    "name": PROFILE_HEADER.decode().upper(),
                    "in": "header",
                    "description": "Shape the answer for a generation of clients.",
                    "schema": {"type": "string", "enum": list(PROFILES)},
                    "example": LATEST,
                }
            },
        },
    }


@cache
def document_json() -> bytes:
    return msgspec.json.encode(document())


@cache
def document_yaml() -> bytes:
    text: str = yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text.encode()


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Without anchors, which few readers of OpenAPI expect."""

    def ignore_aliases(self, data: object) -> bool:
        return True


# --- operations ------------------------------------------------------------------------------


def _operation(operation: Operation) -> dict[str, Any]:
    example = examples().get(operation.id)
    result: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": reference().operations[operation.id].text,
        "tags": [operation.tag],
        "parameters": [
            *_path_parameters(operation, example),
            *_query_parameters(operation, example),
            {"$ref": "#/components/parameters/profile"},
        ],
        # The lists name the scope that the key needs.
        "security": []
        if operation.scope == PUBLIC
        else [{name: [operation.scope] for name in ("key", "timestamp", "signature")}],
        "x-rate-limit": {
            "bucket": operation.bucket,
            "requests": operation.cost / REQUEST,
            "tokens": operation.tokens,
        },
    }
    if operation.extension:
        result["x-later-addition"] = True
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _reference(operation.body.documented)}
        if example is not None and example.body is not None:
            content["example"] = example.body
        result["requestBody"] = {
            "required": not operation.body.optional,
            "content": {_JSON: content},
        }
    result["responses"] = _responses(operation, example)
    return result


def _path_parameters(operation: Operation, example: Example | None) -> list[dict[str, Any]]:
    rows = []
    for name in _VARIABLE.findall(operation.path):
        row: dict[str, Any] = {
            "name": name,
            "in": "path",
            "required": True,
            "description": reference().variables[name],
            "schema": {"type": "string", "minLength": 1, "pattern": _SEGMENT},
        }
        if example is not None and name in example.path:
            row["example"] = example.path[name]
        rows.append(row)
    return rows


def _query_parameters(operation: Operation, example: Example | None) -> list[dict[str, Any]]:
    rows = []
    for parameter in operation.parameters:
        row: dict[str, Any] = {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.description,
            "schema": dict(parameter.schema),
        }
        if example is not None and parameter.name in example.query:
            row["example"] = example.query[parameter.name]
        rows.append(row)
    return rows


def _responses(operation: Operation, example: Example | None) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done.", "headers": _REQUEST_ID}
    if operation.answer is not None:
        content: dict[str, Any] = {"schema": _reference(operation.answer)}
        if example is not None and example.answer is not None:
            content["example"] = example.answer
        done["content"] = {_JSON: content}
    rows: dict[str, Any] = {str(operation.status): done}
    shared = {known: name for name, known in _SHARED.items()}
    for status, codes in error_codes(operation).items():
        name = shared.get((status, tuple(codes)))
        rows[str(status)] = (
            _refusal(status, codes) if name is None else {"$ref": f"#/components/responses/{name}"}
        )
    return rows


def _refusal(status: int, codes: Sequence[str]) -> dict[str, Any]:
    """An error answer that says which codes it can have."""
    meanings = "".join(f"\n- `{code}`: {documented(code)[1]}" for code in codes)
    code, message = codes[0], documented(codes[0])[1]
    body = ErrorBody(code, message, "", SERVICE)
    return {
        "description": f"{_REASONS[status]}.\n{meanings}",
        "headers": _REQUEST_ID,
        "content": {
            _JSON: {
                "schema": {
                    **_reference(ErrorAnswer),
                    "properties": {"code": {"enum": list(codes)}},
                },
                "example": msgspec.to_builtins(ErrorAnswer(code, message, "", body, SERVICE)),
            }
        },
    }


# --- schemas ---------------------------------------------------------------------------------


def _schemas() -> dict[str, Any]:
    """The types of all bodies and answers, with what their fields mean."""
    types: list[type[msgspec.Struct]] = [ErrorAnswer]
    answers: dict[str, str] = {}
    for operation in BUILT:
        if operation.answer is not None:
            types.append(operation.answer)
            answers.setdefault(operation.answer.__name__, f"What {operation.id} answers with.")
        if operation.body is not None:
            types.append(operation.body.documented)
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    for type_name, schema in components.items():
        text = schema.get("description") or reference().types.get(type_name) or answers[type_name]
        schema["description"] = " ".join(text.replace("``", "`").split())
        for name, node in schema.get("properties", {}).items():
            found = field_text(type_name, name)
            if found is not None:
                schema["properties"][name] = _described(node, found.text, found.schema)
    return components


def _described(node: dict[str, Any], text: str, extra: Any) -> dict[str, Any]:
    """A field with what it means. ``null``, where it may stand, has no format or range."""
    node = dict(node)
    if "anyOf" in node:
        node["anyOf"] = [
            part if part.get("type") == "null" else {**part, **_fitting(part, extra)}
            for part in node["anyOf"]
        ]
    else:
        node.update(_fitting(node, extra))
    node["description"] = text
    return node


_ONLY_FOR: Final = {
    "string": frozenset({"pattern", "format", "minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum"}),
    "array": frozenset({"minItems", "maxItems"}),
}


def _fitting(node: dict[str, Any], extra: Any) -> dict[str, Any]:
    """What of ``extra`` is about values of this type; one that lists its values needs nothing."""
    if "enum" in node or "$ref" in node:
        return {}
    keys = _ONLY_FOR.get(node.get("type", ""), frozenset())
    return {name: value for name, value in extra.items() if name in keys or name == "enum"}


def _reference(type_: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=type_.__name__)}
