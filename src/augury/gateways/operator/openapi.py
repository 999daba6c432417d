"""The operator API's own OpenAPI document and a page that shows it, made from the table."""

import inspect
from functools import lru_cache
from html import escape
from typing import Any

import msgspec
from msgspec import Struct

from augury.gateways.operator.operations import OPERATIONS, PREFIX, Operation

REFUSALS = {
    "400": "The request is malformed; `fields` names what is wrong.",
    "401": "The operator's token is missing or wrong.",
    "404": "Something the request names does not exist.",
    "409": "The exchange is not in a state to do this.",
    "503": "The log cannot take the command; nothing has changed.",
}


class Refusal(Struct):
    """What every refusal looks like."""

    code: str
    message: str
    fields: dict[str, str] = {}


@lru_cache(maxsize=1)
def document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = _types()
    _, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _describe(
            operation
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Augury operator API",
            "version": version,
            "description": (
                "For whoever runs the exchange. Money and prices are dollar strings, counts are "
                "count strings with two decimals, times are RFC 3339, ids are those members see."
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{"operatorToken": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"operatorToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types() -> list[type[Struct]]:
    found: dict[str, type[Struct]] = {"Refusal": Refusal}
    for operation in OPERATIONS:
        for kind in (operation.body, operation.answer):
            if kind is not None:
                found[kind.__name__] = kind
    return list(found.values())


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": {
            str(operation.status): {
                "description": "Done." if operation.method != "GET" else "Found.",
                "content": _json(operation.answer),
            },
            **{
                status: {"description": text, "content": _json(Refusal)}
                for status, text in REFUSALS.items()
            },
        },
    }
    text = inspect.getdoc(operation.handler)
    if text:
        described["description"] = text
    if operation.body is not None:
        described["requestBody"] = {
            "required": _needs_body(operation.body),
            "content": _json(operation.body),
        }
    return described


def _needs_body(body: type[Struct]) -> bool:
    return any(field.required for field in msgspec.structs.fields(body))


def _json(kind: type[Struct]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"application/json": {"schema": reference}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(query: type[Struct] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schemas = msgspec.json.schema_components([query])[1][query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in schemas.items()
    ]


# --- the page --------------------------------------------------------------------------------

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1d2733; background: #fbfaf8 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
code, pre { font: 0.9em ui-monospace, monospace; background: #efece6; border-radius: 4px }
code { padding: 0.1em 0.3em } pre { padding: 0.8rem; overflow-x: auto }
summary { cursor: pointer; padding: 0.25rem 0 }
summary b { display: inline-block; min-width: 4.2rem }
table { border-collapse: collapse; margin: 0.4rem 0 1rem 1rem; font-size: 0.9rem }
td, th { border-bottom: 1px solid #ddd6ca; padding: 0.2rem 0.8rem 0.2rem 0; text-align: left;
         vertical-align: top }
"""


@lru_cache(maxsize=1)
def page(version: str) -> str:
    """The document as HTML: complete in itself, nothing is fetched from elsewhere."""
    tags: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        tags.setdefault(operation.tag, []).append(operation)
    sections = "".join(
        f"<h2>{escape(tag.capitalize())}</h2>" + "".join(_section(item) for item in items)
        for tag, items in tags.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury operator API</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>
<h1>Augury operator API</h1>
<p>For whoever runs this exchange (version {escape(version)}). Every request carries the token from
the operator's token file. Money and prices are dollar strings, times are RFC 3339. The same things
can be done with the <code>augury</code> command. As a document for tools:
<a href="{PREFIX}/openapi.json">openapi.json</a>.</p>
<pre>curl -H "Authorization: Bearer $(cat operator.token)" http://127.0.0.1:8080{PREFIX}/status</pre>
{sections}</body></html>
"""


def _section(operation: Operation) -> str:
    address = escape(PREFIX + operation.path)
    title = f"<b>{operation.method}</b> <code>{address}</code> {escape(operation.summary)}"
    parts = [f"<details><summary>{title}</summary>"]
    text = inspect.getdoc(operation.handler)
    if text:
        parts.append(f"<p>{escape(text)}</p>")
    for title, kind in (("Body", operation.body), ("Query", operation.query)):
        if kind is not None:
            parts.append(f"<table><tr><th>{title}</th><th>Type</th><th>Default</th></tr>")
            parts.append("".join(_row(field) for field in _fields(kind)))
            parts.append("</table>")
    parts.append(f"<p>Answers {operation.status} with:</p><table>")
    for name, kind_text, _ in _fields(operation.answer):
        parts.append(f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind_text)}</td></tr>")
    parts.append("</table></details>")
    return "".join(parts)


def _row(field: tuple[str, str, str]) -> str:
    name, kind, default = (escape(part) for part in field)
    return f"<tr><td><code>{name}</code></td><td>{kind}</td><td>{default}</td></tr>"


def _fields(kind: type[Struct]) -> list[tuple[str, str, str]]:
    schema = msgspec.json.schema_components([kind])[1][kind.__name__]
    required = set(schema.get("required", ()))
    found = []
    for name, field in schema.get("properties", {}).items():
        default = field.get("default", "")
        default = "required" if name in required else "" if default == "" else str(default)
        found.append((name, _type_text(field), default))
    return found


def _type_text(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join("(empty)" if value == "" else str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_text(part) for part in schema["anyOf"])
    text = str(schema.get("type", "anything"))
    if text == "array" and isinstance(schema.get("items"), dict):
        text = f"list of {_type_text(schema['items'])}"
    description = schema.get("description", "")
    return f"{text}: {description}" if description else text
