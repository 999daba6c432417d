"""The page at ``/docs/websocket``: the AsyncAPI document for people.

Everything on it comes from the document and the tables behind it; nothing is said here that tools
cannot read there.
"""

import json
import re
from functools import cache
from html import escape
from typing import Any

from augury.app.pages import whole_page
from augury.gateways.ws.app import PATH
from augury.gateways.ws.asyncapi import CONTENTS, INTRODUCTION, document, markets, who
from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.errors import CAUSES, TEXTS

Json = dict[str, Any]


@cache
def websocket_page() -> str:
    parts = [
        "<h1>WebSocket</h1>",
        *(f"<p>{_marked(paragraph)}</p>" for paragraph in INTRODUCTION.split("\n\n")),
        (
            f"<p>Streams are at <code>{PATH}</code>. For tools there is the same as an AsyncAPI"
            ' document: <a href="/asyncapi.yaml">asyncapi.yaml</a>,'
            ' <a href="/asyncapi.json">asyncapi.json</a>.</p>'
        ),
        _contents(),
        '<h2 id="commands">Commands</h2>',
        *(_command(name) for name in _operations("receive")),
        '<h2 id="errors">Errors</h2>',
        (
            "<p>A command that cannot be done is answered with <code>error</code> and changes"
            " nothing.</p>"
        ),
        _errors(),
        *(_channel(name) for name in CHANNELS),
    ]
    return whole_page("WebSocket", "\n".join(parts))


def _operations(action: str) -> list[str]:
    found = document()["operations"]
    return [name for name, operation in found.items() if operation["action"] == action]


def _contents() -> str:
    links = [("commands", "Commands"), ("errors", "Errors"), *((name, name) for name in CHANNELS)]
    return "<p>" + " · ".join(f'<a href="#{to}">{text}</a>' for to, text in links) + "</p>"


def _command(name: str) -> str:
    operation = document()["operations"][name]
    message = document()["components"]["messages"][name]
    params = message["payload"]["properties"].get("params", {})
    asked = message["examples"][0]["payload"]
    replies = [reply["$ref"].rpartition("/")[2] for reply in operation["reply"]["messages"]]
    answers = [_example(kind) for kind in replies]
    shown = [asked, *(answer for answer in answers if answer["id"] == asked["id"])]
    return (
        f"<h3>{name}</h3><p>{_marked(operation['summary'])}</p>{_fields(params)}{_examples(shown)}"
    )


def _errors() -> str:
    rows = "".join(
        f"<tr><td>{code}</td><td>{escape(text)}</td><td>{_marked(CAUSES[code])}</td></tr>"
        for code, text in TEXTS.items()
    )
    return f"<table>{rows}</table>{_examples([_example('error')])}"


def _channel(name: str) -> str:
    channel, content = CHANNELS[name], CONTENTS[name]
    actions = ", ".join(f"`{action}`" for action in channel.actions) or "nothing"
    facts = [who(channel), markets(channel), f"`update_subscription` can do {actions}."]
    if channel.sequenced:
        facts.append("Messages are numbered: `seq`.")
    parts = [
        f'<h2 id="{name}">{name}</h2><p>{_marked(content.summary)}</p>',
        f"<p>{_marked(' '.join(facts))}</p>",
    ]
    for kind in content.messages:
        message = document()["components"]["messages"][kind]
        body = message["payload"]["properties"]["msg"]
        parts.append(
            f"<h3>{kind}</h3><p>{_marked(message['summary'])}</p>"
            f"{_fields(_resolved(body))}{_examples([_example(kind)])}"
        )
    return "\n".join(parts)


def _fields(schema: Json) -> str:
    """A table of an object's fields: name, type, whether it is always there, meaning."""
    if not schema.get("properties"):
        return ""
    required = schema.get("required", ())
    rows = []
    for name, field in schema["properties"].items():
        optional = "" if name in required else ", optional"
        rows.append(
            f"<tr><td><code>{name}</code></td><td>{_type(field)}{optional}</td>"
            f"<td>{_marked(_resolved(field).get('description', ''))}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def _type(field: Json) -> str:
    field = _resolved(field)
    if "enum" in field:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in field["enum"])
    if "anyOf" in field:
        # Integers are numbers.
        return "number" if any(one["type"] == "number" for one in field["anyOf"]) else "any"
    if field.get("type") == "array":
        items = field["items"]
        if isinstance(items, list):
            return f"[{', '.join(map(_type, items))}]"
        return f"list of {_type(items)}"
    return str(field.get("type", "any"))


def _resolved(schema: Json) -> Json:
    """The schema with what it refers to; its own words come first."""
    found: Json = {}
    for one in (*schema.get("allOf", ()), schema):
        if "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            one = {**_resolved(document()["components"]["schemas"][name]), **one}
        if "required" in one and "required" in found:
            one = {**one, "required": [*found["required"], *one["required"]]}
        found.update(one)
    return found


def _example(kind: str) -> Json:
    found: Json = document()["components"]["messages"][kind]["examples"][0]["payload"]
    return found


def _examples(shown: list[Json]) -> str:
    lines = "\n".join(json.dumps(message, ensure_ascii=False) for message in shown)
    return f"<pre>{escape(lines)}</pre>"


def _marked(text: str) -> str:
    """Text with its only mark, code between backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
