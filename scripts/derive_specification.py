"""Derives what the code and its tests need to know from an OpenAPI description of the API.

    python scripts/derive_specification.py path/to/openapi.yaml

Only facts are taken: ids, methods, paths, names, types, enumerations, what is required. The
description itself, with its texts, is not part of this repository. Two files are written:

- ``src/augury/gateways/rest/specification.json``: the operations, for the coverage page;
- ``tests/compat/data/specification.json``: JSON schemas of the answers, for the tests.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = ROOT / "src/augury/gateways/rest/specification.json"
SCHEMAS = ROOT / "tests/compat/data/specification.json"
KEPT = ("minItems", "maxItems", "minimum", "maximum", "format", "enum", "required")


class Loader(yaml.SafeLoader):
    """YAML 1.2 as OpenAPI means it, where ``yes`` and ``no`` are strings."""


Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def schema(node: dict[str, Any]) -> dict[str, Any]:
    """One schema of OpenAPI 3.0 as a JSON schema without texts."""
    if "$ref" in node:
        result: dict[str, Any] = {"$ref": "#/schemas/" + node["$ref"].rsplit("/", 1)[1]}
    elif "allOf" in node:
        result = {"allOf": [schema(part) for part in node["allOf"]]}
    else:
        result = {name: node[name] for name in KEPT if name in node}
        if "type" in node:
            result["type"] = node["type"]
        if "items" in node:
            result["items"] = schema(node["items"])
        if "properties" in node:
            result["properties"] = {name: schema(part) for name, part in node["properties"].items()}
        extra = node.get("additionalProperties")
        if isinstance(extra, dict):
            result["additionalProperties"] = schema(extra)
    if node.get("nullable"):
        result = {"anyOf": [result, {"type": "null"}]}
    return result


def fact(document: dict[str, Any], path: str, node: dict[str, Any], required: bool) -> list[Any]:
    """One parameter or field: path, type, whether it is required, its values where they are few."""
    nullable = bool(node.get("nullable"))
    node = resolve(document, node)
    for part in node.get("allOf", ()):
        nullable = nullable or bool(node.get("nullable"))
        node = resolve(document, part)
    values = node.get("enum") or resolve(document, node.get("items", {})).get("enum", [])
    kind = node.get("type", "object") + ("?" if nullable or node.get("nullable") else "")
    return [path, kind, required, values]


def fields(document: dict[str, Any], node: dict[str, Any], prefix: str = "") -> list[list[Any]]:
    """Every field inside ``node`` with a dotted path; ``[]`` stands for the items of a list."""
    node = resolve(document, node)
    for part in node.get("allOf", ()):
        return fields(document, part, prefix)
    if node.get("type") == "array":
        return fields(document, node.get("items", {}), prefix + "[]")
    found = []
    for name, part in node.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        found.append(fact(document, path, part, name in node.get("required", ())))
        found.extend(fields(document, part, path))
    return found


def write(path: Path, content: dict[str, Any]) -> None:
    """One entry per line, so that a difference between two versions can be read."""
    parts = []
    for name, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(item) for item in value)
            parts.append(f" {json.dumps(name)}: [\n{lines}\n ]")
        elif isinstance(value, dict):
            lines = ",\n".join(
                f"  {json.dumps(key)}: {json.dumps(value[key], sort_keys=True)}"
                for key in sorted(value)
            )
            parts.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(value)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def main(source: Path) -> None:
    document = yaml.load(source.read_text(encoding="utf-8"), Loader)
    operations = []
    answers: dict[str, dict[str, Any]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict) or "operationId" not in operation:
                continue
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            entry = {
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "signed": bool(operation.get("security")),
                "parameters": [
                    fact(document, one["name"], one["schema"], bool(one.get("required")))
                    for one in (resolve(document, row) for row in operation.get("parameters", ()))
                    if one["in"] == "query"
                ],
                "request_fields": fields(document, body.get("schema", {})),
                "answer_fields": [],
            }
            by_status = answers.setdefault(operation["operationId"], {})
            for status, response in operation["responses"].items():
                if not str(status).startswith("2"):
                    continue
                content = resolve(document, response).get("content", {})
                answer = content.get("application/json", {}).get("schema")
                by_status[str(status)] = None if answer is None else schema(answer)
                if answer is not None:
                    entry["answer_fields"] = fields(document, answer)
            operations.append(entry)
    operations.sort(key=lambda entry: (entry["path"], entry["method"]))
    version = document["info"]["version"]
    write(OPERATIONS, {"version": version, "operations": operations})
    schemas = {name: schema(node) for name, node in document["components"]["schemas"].items()}
    write(SCHEMAS, {"version": version, "answers": answers, "schemas": schemas})
    print(f"{len(operations)} operations of version {version}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: derive_specification.py path/to/openapi.yaml")
    main(Path(sys.argv[1]))
