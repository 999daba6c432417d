"""The reference of the trading API at ``/docs``, written from the document that describes it.

One page that needs nothing but itself: no network, no build, and no script to be read. It may say
nothing of its own about an operation; what it shows is in ``augury.gateways.rest.openapi``.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from importlib.resources import files
from shlex import quote
from typing import Any, Final
from urllib.parse import quote as quote_url
from urllib.parse import urlencode

from augury import __version__
from augury.gateways.profiles import CURRENT, LATEST, LEGACY
from augury.gateways.rest.openapi import document
from augury.gateways.settings import BASE_PATH, TIERS

Node = dict[str, Any]

SIGNED: Final = r"""URL=http://127.0.0.1:8080   # this exchange
KEY_ID=...                  # the id of your key
KEY_FILE=...                # the file with its private half

signed() {  # signed METHOD PATH [further arguments for curl]
  local method=$1 path=$2 now signature
  shift 2
  now=$(date +%s)000
  signature=$(printf '%s' "$now$method/trade-api/v2${path%%\?*}" |
    openssl dgst -sha256 -sign "$KEY_FILE" \
      -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest |
    openssl base64 -A)
  curl -s -X "$method" "$URL/trade-api/v2$path" \
    -H "KALSHI-ACCESS-KEY: $KEY_ID" \
    -H "KALSHI-ACCESS-TIMESTAMP: $now" \
    -H "KALSHI-ACCESS-SIGNATURE: $signature" \
    -H "Content-Type: application/json" "$@"
}
"""
"""What examples of signed operations need. tests/web runs it."""

_PROFILES: Final = (
    (LEGACY, "for clients up to 3.2: fewer states and results, sides of quotes as true and false"),
    (CURRENT, "the default: the published schemas of 3.6"),
    (LATEST, "for clients from 3.10 on: buckets of rates, dollar strings, errors without service"),
)


@lru_cache(maxsize=1)
def reference_page() -> str:
    """The whole page. Takes a part of a second the first time."""
    described = document()
    tags = described["tags"]
    operations: dict[str, list[tuple[str, str, Node]]] = {tag["name"]: [] for tag in tags}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            operations[operation["tags"][0]].append((method, path, operation))
    body = "".join(
        f'<section data-group><h2 id="{_slug(tag["name"])}">{_title(tag["name"])}'
        f"{anchor(_slug(tag['name']))}</h2><p>{_prose(tag['description'])}</p>"
        + "".join(_operation(*one) for one in operations[tag["name"]])
        + "</section>"
        for tag in tags
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury: the trading API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{asset("reference_page.css")}</style></head><body>
<nav aria-label="Operations"><details open><summary>Menu</summary>
{_menu(operations)}</details></nav>
<main>{_introduction(described)}{body}{_types(described)}</main>
<script>{asset("reference_page.js")}</script></body></html>
"""


# --- around the operations -------------------------------------------------------------------


def _menu(operations: dict[str, list[tuple[str, str, Node]]]) -> str:
    parts = [
        '<a href="/"><b>Augury</b></a> the trading API',
        '<input type="search" placeholder="Search ( / )" aria-label="Search">',
        "<ul>",
        *(
            f'<li><a href="#{_slug(name)}">{name}</a></li>'
            for name in ("Signing", "Errors", "Pages", "Limits", "Profiles")
        ),
        "</ul>",
    ]
    for tag, rows in operations.items():
        parts.append(f'<div data-group><a class="group" href="#{_slug(tag)}">{_title(tag)}</a><ul>')
        parts += [
            f'<li data-find="{_words(method, path, operation)}">'
            f'<a href="#{operation["operationId"]}">{_method(method)}'
            f"<span>{escape(operation['operationId'])}</span></a></li>"
            for method, path, operation in rows
        ]
        parts.append("</ul></div>")
    parts.append('<a class="group" href="#types">Types</a>')
    return "".join(parts)


def _introduction(described: Node) -> str:
    limits = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{tier.read}</td><td>{tier.write}</td></tr>"
        for name, tier in TIERS.items()
    )
    profiles = "".join(
        f"<tr><td><code>{name}</code></td><td>{escape(text)}</td></tr>" for name, text in _PROFILES
    )
    shared = "".join(
        f"<tr><td>{status}</td><td>{_prose(response['description'])}</td></tr>"
        for status, response in (
            (401, described["components"]["responses"]["Unauthorized"]),
            (403, described["components"]["responses"]["Forbidden"]),
            (408, described["components"]["responses"]["TooSlow"]),
            (429, described["components"]["responses"]["TooManyRequests"]),
            (431, described["components"]["responses"]["HeadTooLarge"]),
            (503, described["components"]["responses"]["Unavailable"]),
        )
    )
    error = described["components"]["responses"]["NotFound"]["content"]["application/json"]
    return f"""<h1>The trading API</h1>
<p class="facts"><span>Version {escape(__version__)}</span><span>Base path
<code>{BASE_PATH}</code></span><span>For tools: <a href="/openapi.yaml">openapi.yaml</a>,
<a href="/openapi.json">openapi.json</a></span><span><a href="/coverage">Coverage</a></span>
<span><a href="/docs/websocket">The stream</a></span></p>
<p>Bodies are JSON. What this page does not name is ignored, so that clients of later versions work;
what it names has to be of its type. What is refused has no partial effect. The examples were sent
to a demo exchange on its first day; ids and times are those of that day.</p>
<h2 id="signing">Signing{anchor("signing")}</h2>
<p>Public operations need nothing. For all others, take the present Unix time in milliseconds, the
method and the path from <code>{BASE_PATH}</code> up to the <code>?</code>, write them after each
other without anything in between, and sign that with your RSA key: PSS, SHA-256, a salt of 32
bytes. Three headers carry the id of the key, the time and the signature in base64. The time may be
30 seconds off. What a key may do is its scope: <code>read</code> and <code>write</code>, or finer
ones that begin with them.</p>
<p>Paste this into a shell, and the signed examples below work as they are:</p>
<pre><code>{escape(SIGNED)}</code></pre>
<h2 id="errors">Errors{anchor("errors")}</h2>
<p>Every refusal has this body. <code>code</code> is for programs, <code>message</code> for people;
it stands there twice for clients of different generations. Each operation lists the codes it has
beside these:</p>
<div class="table"><table><tr><th>Status</th><th>When</th></tr>{shared}</table></div>
<pre><code>{escape(_json(error["example"]))}</code></pre>
<h2 id="pages">Pages{anchor("pages")}</h2>
<p>A list answers with a <code>cursor</code>. Send it with the same filters to get what follows,
until it is empty. Lists are ordered so that what arrives meanwhile is neither lost nor repeated. A
cursor survives a restart of the server; one that was changed is refused with
<code>invalid_cursor</code>.</p>
<h2 id="limits">Limits{anchor("limits")}</h2>
<p>Requests are counted per account over a sliding second; callers without a key share the lowest
tier per address. Entering, changing and cancelling orders are writes, everything else is a
read.</p>
<div class="table"><table><tr><th>Tier</th><th>Reads per second</th><th>Writes per second</th></tr>
{limits}</table></div>
<h2 id="profiles">Profiles{anchor("profiles")}</h2>
<p>Clients of different generations want different values in the same fields. The header
<code>KALSHI-API-PROFILE</code>, the key, the client's <code>User-Agent</code> or the server says
which, in this order.</p>
<div class="table"><table><tr><th>Profile</th><th>For</th></tr>{profiles}</table></div>
"""


def _types(described: Node) -> str:
    rows = "".join(
        f'<section class="type" id="type-{name}" data-find="{escape(name.lower())}">'
        f"<h3>{name}{anchor('type-' + name)}</h3><p>{_prose(schema['description'])}</p>"
        f"{_fields(schema, nulls=not name.endswith('Request'))}</section>"
        for name, schema in sorted(described["components"]["schemas"].items())
    )
    return f'<section data-group><h2 id="types">Types{anchor("types")}</h2>{rows}</section>'


# --- one operation ---------------------------------------------------------------------------


def _operation(method: str, path: str, operation: Node) -> str:
    name = operation["operationId"]
    scope = next((next(iter(one.values()))[0] for one in operation["security"]), "")
    limit = operation["x-rate-limit"]
    cost = f"{limit['requests']:g}" if limit["requests"] else "each item counts,"
    facts = [
        f"Scope <code>{escape(scope)}</code>" if scope else "Public",
        f"Costs {cost} {limit['bucket']}",
    ]
    if "x-later-addition" in operation:
        facts.append("Came after 3.6")
    return (
        f'<section class="operation" id="{name}" data-find="{_words(method, path, operation)}">'
        f"<h3>{escape(operation['summary'])}{anchor(name)}</h3>"
        f'<p class="route">{_method(method)}<code>{escape(path)}</code></p>'
        f'<p class="facts"><span>{name}</span>'
        + "".join(f"<span>{fact}</span>" for fact in facts)
        + f"</p><p>{_prose(operation['description'])}</p>"
        + _parameters(operation)
        + _body(operation)
        + _answers(operation)
        + f"<h4>Example</h4><pre><code>{escape(curl(method, path, operation))}</code></pre>"
        + _shown(operation)
        + "</section>"
    )


def _parameters(operation: Node) -> str:
    rows = [
        f"<tr><td><code>{row['name']}</code> {_needed(row['required'])}</td>"
        f'<td><span class="kind">{row["in"]}, {_kind(row["schema"])}</span></td>'
        f"<td>{_prose(row['description'])}</td></tr>"
        for row in operation["parameters"]
        if "name" in row
    ]
    if not rows:
        return ""
    return f'<h4>Parameters</h4><div class="table"><table>{"".join(rows)}</table></div>'


def _body(operation: Node) -> str:
    if "requestBody" not in operation:
        return ""
    schema = _content(operation["requestBody"])["schema"]
    optional = "" if operation["requestBody"]["required"] else " (may be left out)"
    return f"<h4>Body{optional}: {_kind(schema)}</h4>{_fields(_resolved(schema), nulls=False)}"


def _answers(operation: Node) -> str:
    """The answer, and the refusals that are not the same for every operation."""
    parts = ["<h4>Answers</h4>"]
    rows = []
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            if "content" not in response:
                parts.append(f"<p><b>{status}</b> without a body</p>")
                continue
            schema = _content(response)["schema"]
            parts.append(
                f"<details><summary><b>{status}</b> {_name(schema)}</summary>"
                f"{_fields(_resolved(schema))}</details>"
            )
            continue
        response = _resolved(response)
        if status in {"400", "404", "409", "413"} or "$ref" not in operation["responses"][status]:
            rows.append(f"<tr><td>{status}</td><td>{_prose(response['description'])}</td></tr>")
    parts.append(
        "<details><summary>Refusals</summary>"
        f'<div class="table"><table>{"".join(rows)}</table></div>'
        '<p>And <a href="#errors">those that all operations have</a>.</p></details>'
    )
    return "".join(parts)


def _shown(operation: Node) -> str:
    for status, response in operation["responses"].items():
        if status.startswith("2") and "content" in response:
            example = _content(response).get("example")
            if example is not None:
                return (
                    f"<details><summary>Its answer, {status}</summary>"
                    f"<pre><code>{escape(_json(example))}</code></pre></details>"
                )
    return ""


def curl(method: str, path: str, operation: Node) -> str:
    """The example of an operation as a command for a shell with ``SIGNED`` in it."""
    query: list[tuple[str, str]] = []
    for row in operation["parameters"]:
        if "example" not in row:
            continue
        value = row["example"]
        if row["in"] == "path":
            path = path.replace("{" + row["name"] + "}", quote_url(str(value), safe=""))
        elif row["in"] == "query":
            items = value if isinstance(value, list) else [value]
            query += [(row["name"], _query_text(item)) for item in items]
    if query:
        path += "?" + urlencode(query)
    body = ""
    if "requestBody" in operation:
        example = _content(operation["requestBody"]).get("example")
        if example is not None:
            body = f" \\\n  -d {quote(_json(example))}"
    if not operation["security"]:
        return f'curl -s "$URL{BASE_PATH}{path}"{body}'
    return f'signed {method.upper()} "{path}"{body}'


def _query_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- schemas ---------------------------------------------------------------------------------


def _fields(schema: Node, *, nulls: bool = True) -> str:
    """A table. In requests ``null`` is the same as nothing, and not worth a word each time."""
    rows = [
        f"<tr><td><code>{escape(name)}</code> {_needed(name in schema.get('required', ()))}</td>"
        f'<td><span class="kind">{_kind(node, nulls=nulls)}</span></td>'
        f"<td>{_prose(node.get('description', ''))}</td></tr>"
        for name, node in schema.get("properties", {}).items()
    ]
    if not rows:
        return "<p>No fields.</p>"
    return f'<div class="table"><table>{"".join(rows)}</table></div>'


def _kind(schema: Node, *, nulls: bool = True) -> str:
    """The type of a value in a few words, with links to the types that it names."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if nulls or part.get("type") != "null"]
        return " or ".join(_kind(part) for part in parts)
    if "enum" in schema:
        return ", ".join(f"<code>{escape(_text(value))}</code>" for value in schema["enum"])
    words = str(schema.get("type", "anything"))
    if words == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(_kind(part) for part in schema['prefixItems'])}]"
        words = f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    elif words == "object":
        extra = schema.get("additionalProperties")
        words = f"object of {_kind(extra)}" if isinstance(extra, dict) and extra else "object"
    if "format" in schema:
        words += f" ({escape(schema['format'])})"
    return words + "".join(_bounds(schema))


def _bounds(schema: Node) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f", {low:,} to {high:,}"
    elif low is not None:
        yield f", from {low:,}"
    elif high is not None:
        yield f", up to {high:,}"
    if "maxLength" in schema:
        yield f", at most {schema['maxLength']} characters"
    if "maxItems" in schema:
        yield f", at most {schema['maxItems']}"
    if "default" in schema and schema["default"] is not None:
        yield f", default {escape(_text(schema['default']))}"


def _name(schema: Node) -> str:
    name = schema["$ref"].rsplit("/", 1)[1]
    return f'<a href="#type-{name}">{name}</a>'


def _resolved(node: Node) -> Node:
    """What a reference leads to."""
    if "$ref" not in node:
        return node
    found: Any = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _content(node: Node) -> Node:
    return dict(node["content"]["application/json"])


# --- small things ----------------------------------------------------------------------------


def _prose(text: str) -> str:
    """Text with ``code`` in backquotes and lists that begin with a dash."""
    lead, *items = escape(text, quote=False).split("\n- ")
    marked = re.sub("`([^`]*)`", r"<code>\1</code>", lead.strip())
    if items:
        rows = "".join(
            "<li>" + re.sub("`([^`]*)`", r"<code>\1</code>", item.strip()) + "</li>"
            for item in items
        )
        marked += f"<ul>{rows}</ul>"
    return marked


def _words(method: str, path: str, operation: Node) -> str:
    """What a search looks in."""
    names = " ".join(row["name"] for row in operation["parameters"] if "name" in row)
    text = f"{method} {path} {operation['operationId']} {operation['summary']} {names}"
    return escape(f"{text} {operation['tags'][0]}".lower())


def _needed(needed: bool) -> str:
    return '<span class="needed">required</span>' if needed else ""


def _method(method: str) -> str:
    return f'<span class="method {method}">{method}</span>'


def anchor(target: str) -> str:
    return f'<a class="anchor" href="#{target}" aria-label="Link">#</a>'


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _title(name: str) -> str:
    return escape(name[:1].upper() + name[1:])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) or value == "" else str(value)


def asset(name: str) -> str:
    return files("augury.app").joinpath(name).read_text(encoding="utf-8")
