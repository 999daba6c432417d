"""The AsyncAPI document of the stream, written from the types of its messages.

It describes what is served here, in our own words; it is no copy of anybody's specification. The
examples are messages that an exchange has sent: ``python -m tests.ws_examples --write`` makes it
send them again.
"""

import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
import yaml

from augury import __version__
from augury.gateways.auth import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from augury.gateways.profiles import PROFILE_HEADER, PROFILES
from augury.gateways.ws import books, communications, fields, lifecycle, messages, replies
from augury.gateways.ws.app import PATH
from augury.gateways.ws.channels import CHANNELS, Channel
from augury.gateways.ws.commands import Params
from augury.gateways.ws.errors import CAUSES, TEXTS

Json = dict[str, Any]
Body = type[msgspec.Struct]

_SCHEMA: Final = "#/components/schemas/{name}"

INTRODUCTION: Final = (
    "One socket carries commands up and messages down: JSON text frames, one object per frame."
    " Public channels are open to everybody. Others need the headers of a signed handshake: the"
    " key id, the time in milliseconds, and an RSA-PSS signature (SHA-256) of the time, `GET` and"
    f" `{PATH}`. A browser, which cannot set headers, puts the same names and values into the"
    " query.\n\n"
    "Every 10 seconds the server sends a Ping with the body `heartbeat`; WebSocket libraries answer"
    " by themselves. Fields that this document does not name are to be ignored: more may come."
)


@dataclass(frozen=True, slots=True)
class Command:
    """What a client may send. ``replies`` are kinds of replies, see ``REPLIES``."""

    summary: str
    params: tuple[str, ...]
    required: tuple[str, ...]
    replies: tuple[str, ...]


COMMANDS: Final[dict[str, Command]] = {
    "subscribe": Command(
        "Subscribe to channels: one reply for each, in their order. A channel that is subscribed"
        " to already gets the markets that are new, and is answered with `ok`.",
        (
            "channels",
            "market_ticker",
            "market_tickers",
            "market_id",
            "market_ids",
            "send_initial_snapshot",
            "skip_ticker_ack",
            "use_yes_price",
            "shard_factor",
            "shard_key",
        ),
        ("channels",),
        ("subscribed", "updated", "error"),
    ),
    "unsubscribe": Command(
        "End subscriptions: one reply for each.", ("sids",), ("sids",), ("unsubscribed", "error")
    ),
    "update_subscription": Command(
        "Change the markets of a subscription, or see them again as they stand.",
        (
            "sid",
            "sids",
            "action",
            "market_ticker",
            "market_tickers",
            "market_id",
            "market_ids",
            "send_initial_snapshot",
            "skip_ticker_ack",
            "use_yes_price",
        ),
        ("action",),
        ("updated", "error"),
    ),
    "list_subscriptions": Command(
        "List the subscriptions of the connection.", (), (), ("subscriptions", "error")
    ),
}

REPLIES: Final[dict[str, tuple[str, Body]]] = {
    "subscribed": ("subscribed", replies.Subscribed),
    "unsubscribed": ("unsubscribed", replies.Unsubscribed),
    "updated": ("ok", replies.Updated),
    "subscriptions": ("ok", replies.Subscriptions),
    "error": ("error", replies.Refused),
}
"""Kind of reply -> its ``type`` and its shape."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a channel. ``always`` are fields that are optional in ``body`` and not here."""

    body: Body
    summary: str
    always: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What comes on a channel."""

    summary: str
    messages: dict[str, Message]


CONTENTS: Final[dict[str, Content]] = {
    "orderbook_delta": Content(
        "The book of each market: once whole, then every change, with nothing missing between the"
        " two and nothing twice.",
        {
            "orderbook_snapshot": Message(books.Snapshot, "The whole book, before any change."),
            "orderbook_delta": Message(
                books.Delta, "One price level has changed. Best levels come first."
            ),
        },
    ),
    "ticker": Content(
        "Best prices, last trade, volume and open interest, whenever one of them changes. Who"
        " reads slowly gets the newest message of each market only.",
        {"ticker": Message(messages.Ticker, "A market's quote.")},
    ),
    "ticker_v2": Content(
        "The same as differences.",
        {"ticker_v2": Message(messages.TickerV2, "What has changed about a market's quote.")},
    ),
    "trade": Content(
        "Every trade, one message per resting order matched, in the order of the matches.",
        {"trade": Message(messages.Trade, "A trade.")},
    ),
    "fill": Content(
        "Every execution of an own order.",
        {"fill": Message(messages.Fill, "An execution.")},
    ),
    "user_orders": Content(
        "Every change of an own order. A refused order sends nothing.",
        {"user_order": Message(messages.UserOrder, "An order as it is now.")},
    ),
    "market_positions": Content(
        "Every change of an own position.",
        {"market_position": Message(messages.Position, "A position as it is now.")},
    ),
    "order_group_updates": Content(
        "What happens to own order groups.",
        {"order_group_updates": Message(messages.OrderGroup, "A change of an order group.")},
    ),
    "communications": Content(
        "Requests for quotes, to everybody; quotes, to their maker and to whoever asked. That a"
        " quote is confirmed or cancelled is not announced.",
        {
            "rfq_created": Message(
                communications.Rfq, "Somebody asks for quotes.", ("created_ts",)
            ),
            "rfq_deleted": Message(
                communications.Rfq,
                "A request is over: taken back, replaced, expired, executed, or closed with its"
                " market.",
                ("deleted_ts",),
            ),
            "quote_created": Message(
                communications.Quote,
                "A quote for one's own request, or of one's own.",
                ("created_ts",),
            ),
            "quote_accepted": Message(
                communications.Quote, "A quote was accepted.", ("accepted_side",)
            ),
            "quote_executed": Message(communications.ExecutedQuote, "A quote became a trade."),
        },
    ),
    "market_lifecycle_v2": Content(
        "Markets and events as they are listed, changed, decided and settled. That time opens or"
        " closes a market is not announced.",
        {
            "market_lifecycle_v2": Message(
                lifecycle.MarketLifecycle, "Something has happened to a market."
            ),
            "event_lifecycle": Message(lifecycle.EventLifecycle, "An event was listed."),
        },
    ),
    "multivariate": Content(
        "Combos that are made or looked up.",
        {"multivariate_lookup": Message(lifecycle.ComboLookup, "A combo was asked for.")},
    ),
    "multivariate_market_lifecycle": Content(
        "What `market_lifecycle_v2` is, for combos.",
        {
            "multivariate_market_lifecycle": Message(
                lifecycle.MarketLifecycle, "Something has happened to a combo."
            )
        },
    ),
}


def who(channel: Channel) -> str:
    """Who may subscribe, in a sentence."""
    if channel.own:
        return "Signed connections; everyone hears of what is their own."
    return "Signed connections." if channel.private else "Everybody."


def markets(channel: Channel) -> str:
    """What naming markets does, in a sentence."""
    if channel.markets == "ignored":
        return "Naming markets changes nothing."
    by_id = ", by ticker or by id" if channel.by_id else ""
    if channel.markets == "required":
        return "Markets must be named."
    return f"All markets, or those that are named{by_id}."


# --- the document ------------------------------------------------------------------------------


@cache
def examples() -> Json:
    """Kind of command, reply or message -> what was sent."""
    text = files("augury.gateways.ws").joinpath("examples.json").read_bytes()
    found: Json = msgspec.json.decode(text)
    return found


@cache
def document() -> Json:
    """The whole document as plain data."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Augury stream",
            "version": __version__,
            "description": INTRODUCTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            name: {
                "host": "{host}",
                "protocol": protocol,
                "description": description,
                "variables": {
                    "host": {
                        "description": "Host and port of the exchange.",
                        "default": "127.0.0.1:8080",
                    }
                },
                "security": [{"$ref": "#/components/securitySchemes/key"}],
            }
            for name, protocol, description in (
                ("plain", "ws", "An exchange without TLS."),
                ("encrypted", "wss", "An exchange with TLS."),
            )
        },
        "channels": {
            "commands": _command_channel(),
            **{name: _channel(channel) for name, channel in CHANNELS.items()},
        },
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {
                    "type": "httpApiKey",
                    "in": "header",
                    "name": KEY_HEADER.decode().upper(),
                    "description": (
                        "The key's id; the time and the signature go into the two headers beside"
                        " it. Needed for channels that are not public."
                    ),
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


class _Dumper(yaml.SafeDumper):
    """Writes what is shared once for each place, because not every tool follows aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _command_channel() -> Json:
    properties: Json = {
        header.decode().upper(): {"type": "string", "description": description}
        for header, description in (
            (KEY_HEADER, "Id of the API key."),
            (TIMESTAMP_HEADER, "Unix time in milliseconds, within 30 seconds."),
            (SIGNATURE_HEADER, f"Base64 of the signature of time, `GET` and `{PATH}`."),
        )
    }
    properties[PROFILE_HEADER.decode().upper()] = {
        "type": "string",
        "enum": list(PROFILES),
        "description": "The generation of clients that messages are shaped for.",
    }
    handshake = {"type": "object", "properties": properties}
    return {
        "address": PATH,
        "title": "Commands",
        "description": "What clients send, and what answers it.",
        "messages": {name: _reference("messages", name) for name in (*COMMANDS, *REPLIES)},
        "bindings": {"ws": {"method": "GET", "headers": handshake, "query": handshake}},
    }


def _channel(channel: Channel) -> Json:
    content = CONTENTS[channel.name]
    described = f"{content.summary} {who(channel)} {markets(channel)}"
    if channel.sequenced:
        described += " Messages are numbered (`seq`)."
    return {
        "address": PATH,
        "title": channel.name,
        "description": described,
        "messages": {name: _reference("messages", name) for name in content.messages},
        "x-update-actions": list(channel.actions),
    }


def _operations() -> Json:
    """From the server's point of view, as AsyncAPI wants it: it receives commands."""
    found: Json = {}
    for name, command in COMMANDS.items():
        found[name] = {
            "action": "receive",
            "summary": command.summary,
            "channel": _reference("channels", "commands"),
            "messages": [_reference("channels", "commands", "messages", name)],
            "reply": {
                "channel": _reference("channels", "commands"),
                "messages": [
                    _reference("channels", "commands", "messages", reply)
                    for reply in command.replies
                ],
            },
        }
    for name, content in CONTENTS.items():
        found[f"send_{name}"] = {
            "action": "send",
            "summary": content.summary,
            "channel": _reference("channels", name),
            "messages": [
                _reference("channels", name, "messages", message) for message in content.messages
            ],
        }
    return found


def _messages() -> Json:
    found: Json = {}
    for name, command in COMMANDS.items():
        found[name] = _message(name, command.summary, _command_payload(name, command))
    for name, (_, body) in REPLIES.items():
        found[name] = _message(name, _text(body), _reference("schemas", body.__name__))
    for channel, content in CONTENTS.items():
        for name, message in content.messages.items():
            payload = _payload(name, message, CHANNELS[channel].sequenced)
            found[name] = _message(name, message.summary, payload)
    return found


def _message(name: str, summary: str, payload: Json) -> Json:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "payload": payload,
        "examples": [{"name": name, "payload": examples()[name]}],
    }


def _command_payload(name: str, command: Command) -> Json:
    """The parameters that this command reads; a command is free to send others."""
    known = _components([Params])["Params"]["properties"]
    params: Json = {
        "type": "object",
        "properties": {param: _without_null(known[param]) for param in command.params},
    }
    if command.required:
        params["required"] = list(command.required)
    properties: Json = {
        "id": _reference("schemas", "CommandId"),
        "cmd": {"type": "string", "const": name},
    }
    if command.params:
        properties["params"] = params
    required = ["cmd", "params"] if command.required else ["cmd"]
    return {"type": "object", "required": required, "properties": properties}


def _payload(name: str, message: Message, sequenced: bool) -> Json:
    msg = _reference("schemas", message.body.__name__)
    properties: Json = {
        "type": {"type": "string", "const": name},
        "sid": _reference("schemas", "Sid"),
    }
    if sequenced:
        properties["seq"] = _reference("schemas", "Seq")
    properties["msg"] = (
        {"allOf": [msg, {"required": list(message.always)}]} if message.always else msg
    )
    return {"type": "object", "required": list(properties), "properties": properties}


@cache
def _schemas() -> Json:
    bodies = [body for _, body in REPLIES.values()]
    for content in CONTENTS.values():
        bodies += [message.body for message in content.messages.values()]
    found = _components(list(dict.fromkeys(bodies)))
    for kind, body in REPLIES.values():
        found[body.__name__]["properties"]["type"]["const"] = kind
    found["Fault"]["properties"]["code"]["enum"] = list(TEXTS)
    found["Fault"]["description"] += "".join(
        f"\n\n{code}, {text}: {CAUSES[code]}" for code, text in TEXTS.items()
    )
    for name in ("Sid", "Seq", "CommandId"):
        ((found[name],), _) = msgspec.json.schema_components([getattr(fields, name)])
    return found


def _components(types: list[Body]) -> Json:
    _, found = msgspec.json.schema_components(types, ref_template=_SCHEMA)
    return {name: _draft_7(schema) for name, schema in sorted(found.items())}


def _draft_7(schema: Any) -> Any:
    """AsyncAPI reads draft 7 of JSON Schema, msgspec writes 2020-12."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _draft_7(value) for name, value in schema.items()}
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
        found["additionalItems"] = False
    if "$ref" in found and len(found) > 1:
        # Beside a reference nothing else counts.
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    if isinstance(found.get("description"), str):
        found["description"] = _plain(found["description"])
    return found


def _without_null(schema: Json) -> Json:
    """Null counts as absent and is not worth a word."""
    (kept,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return {"description": schema["description"], **kept}


def _text(body: Body) -> str:
    return _plain(body.__doc__ or "")


def _plain(text: str) -> str:
    """A docstring as Markdown in one line per paragraph."""
    cleaned = inspect.cleandoc(text).replace("``", "`")
    return re.sub(r"(?<!\n)\n(?!\n)", " ", cleaned)


def _reference(*path: str) -> Json:
    if path[0] in ("messages", "schemas"):
        path = ("components", *path)
    return {"$ref": "#/" + "/".join(path)}
