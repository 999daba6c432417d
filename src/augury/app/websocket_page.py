"""The page at ``/docs/websocket``: the AsyncAPI document for people.

Everything on it comes from the document and the tables behind it; nothing is said here that tools
cannot read there.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from typing import Any

from augury import __version__
from augury.app.reference_page import anchor, asset
from augury.gateways.ws.app import PATH
from augury.gateways.ws.asyncapi import COMMANDS, CONTENTS, INTRODUCTION, document, markets, who
from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.errors import CAUSES, TEXTS

Json = dict[str, Any]


@cache
def websocket_page() -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury: the stream</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{asset("reference_page.css")}
pre code {{ white-space: pre-wrap; overflow-wrap: anywhere }}</style></head><body>
<nav aria-label="Messages"><details open><summary>Menu</summary>{_menu()}</details></nav>
<main>{_introduction()}
<section data-group><h2 id="commands">Commands{anchor("commands")}</h2>
{"".join(_command(name) for name in COMMANDS)}</section>
{_errors()}
{"".join(_channel(name) for name in CHANNELS)}</main>
<script>{asset("reference_page.js")}</script></body></html>
"""


def _menu() -> str:
    parts = [
        '<a href="/"><b>Augury</b></a> the stream',
        '<input type="search" placeholder="Search ( / )" aria-label="Search">',
        _entries("commands", "Commands", COMMANDS),
        '<a class="group" href="#errors">Errors</a>',
        *(_entries(name, name, CONTENTS[name].messages) for name in CHANNELS),
        '<a class="group" href="/docs">The trading API</a>',
    ]
    return "".join(parts)


def _entries(group: str, title: str, names: Iterable[str]) -> str:
    rows = "".join(
        f'<li data-find="{_words(name, group)}"><a href="#{_slug(name)}">'
        f"<span>{name}</span></a></li>"
        for name in names
    )
    return f'<div data-group><a class="group" href="#{group}">{title}</a><ul>{rows}</ul></div>'


def _introduction() -> str:
    text = "".join(f"<p>{_marked(paragraph)}</p>" for paragraph in INTRODUCTION.split("\n\n"))
    return f"""<h1>The stream</h1>
<p class="facts"><span>Version {escape(__version__)}</span><span>Address
<code>{PATH}</code></span><span>For tools: <a href="/asyncapi.yaml">asyncapi.yaml</a>,
<a href="/asyncapi.json">asyncapi.json</a></span>
<span><a href="/docs">The trading API</a></span></p>
{text}<p>The examples were sent by an exchange.</p>
"""


def _command(name: str) -> str:
    operation = document()["operations"][name]
    message = document()["components"]["messages"][name]
    asked = message["examples"][0]["payload"]
    replies = [reply["$ref"].rpartition("/")[2] for reply in operation["reply"]["messages"]]
    answers = [_example(kind) for kind in replies]
    shown = [asked, *(answer for answer in answers if answer["id"] == asked["id"])]
    return _section(
        name,
        "commands",
        f"<p>{_marked(operation['summary'])}</p>"
        f"{_fields(message['payload']['properties'].get('params', {}))}{_examples(shown)}",
    )


def _errors() -> str:
    rows = "".join(
        f"<tr><td>{code}</td><td>{escape(text)}</td><td>{_marked(CAUSES[code])}</td></tr>"
        for code, text in TEXTS.items()
    )
    return f"""<h2 id="errors">Errors{anchor("errors")}</h2>
<p>A command that cannot be done is answered with <code>error</code> and changes nothing.</p>
<div class="table"><table>{rows}</table></div>{_examples([_example("error")])}"""


def _channel(name: str) -> str:
    channel, content = CHANNELS[name], CONTENTS[name]
    actions = ", ".join(f"`{action}`" for action in channel.actions) or "nothing"
    facts = [who(channel), markets(channel), f"`update_subscription` can do {actions}."]
    if channel.sequenced:
        facts.append("Messages are numbered: `seq`.")
    shown = "".join(f"<span>{_marked(fact)}</span>" for fact in facts)
    sections = []
    for kind in content.messages:
        message = document()["components"]["messages"][kind]
        body = _resolved(message["payload"]["properties"]["msg"])
        sections.append(
            _section(
                kind,
                name,
                f"<p>{_marked(message['summary'])}</p>{_fields(body)}{_examples([_example(kind)])}",
            )
        )
    return f"""<section data-group><h2 id="{name}">{name}{anchor(name)}</h2>
<p>{_marked(content.summary)}</p><p class="facts">{shown}</p>
{"".join(sections)}</section>"""


def _section(name: str, group: str, body: str) -> str:
    return (
        f'<section class="operation" id="{_slug(name)}" data-find="{_words(name, group)}">'
        f"<h3>{name}{anchor(_slug(name))}</h3>{body}</section>"
    )


def _slug(name: str) -> str:
    """Where a message is on the page; channels, which may have the same name, go by it alone."""
    return f"message-{name}"


def _words(name: str, group: str) -> str:
    """What a search for a message finds it by: its name, its channel and its fields."""
    payload = document()["components"]["messages"][name]["payload"]["properties"]
    body = _resolved(payload.get("msg", payload.get("params", {})))
    return escape(" ".join((name, group, *body.get("properties", {}))))


def _fields(schema: Json) -> str:
    """A table of an object's fields: name, type, whether it is always there, meaning."""
    if not schema.get("properties"):
        return ""
    required = schema.get("required", ())
    rows = []
    for name, field in schema["properties"].items():
        optional = "" if name in required else ", optional"
        rows.append(
            f"<tr><td><code>{name}</code></td>"
            f'<td><span class="kind">{_type(field)}{optional}</span></td>'
            f"<td>{_marked(_resolved(field).get('description', ''))}</td></tr>"
        )
    return f'<div class="table"><table>{"".join(rows)}</table></div>'


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
    return f"<pre><code>{escape(lines)}</code></pre>"


def _marked(text: str) -> str:
    """Text with its only mark, code between backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
