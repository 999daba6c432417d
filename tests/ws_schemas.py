"""What a WebSocket message may look like: ``check_shape``, which every test of the stream calls.

Two descriptions have to agree with each message, and neither leaves room for a field that it does
not name:

- the published one. ``compat/data/asyncapi_schemas.json`` holds the schemas of spec 3.6.0 as data.
  Where they contradict themselves or the service in practice, websocket.md decides; ``DECIDED``
  lists every such place, ``LATER`` every field and ``LATER_MESSAGES`` every message that came
  afterwards;
- our own AsyncAPI document, which is generated from the types that the messages are made of.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator

from augury.gateways.ws import asyncapi

SCHEMAS = Path(__file__).parent / "compat" / "data" / "asyncapi_schemas.json"

PAYLOADS = {
    "subscribed": "subscribedResponsePayload",
    "unsubscribed": "unsubscribedResponsePayload",
    "ok": "okResponsePayload",
    "list": "listSubscriptionsResponsePayload",
    "error": "errorResponsePayload",
    "orderbook_snapshot": "orderbookSnapshotPayload",
    "orderbook_delta": "orderbookDeltaPayload",
    "ticker": "tickerPayload",
    "trade": "tradePayload",
    "fill": "fillPayload",
    "market_position": "marketPositionPayload",
    "market_lifecycle_v2": "marketLifecycleV2Payload",
    "event_lifecycle": "eventLifecyclePayload",
    "order_group_updates": "orderGroupUpdatesPayload",
    "rfq_created": "rfqCreatedPayload",
    "rfq_deleted": "rfqDeletedPayload",
    "quote_created": "quoteCreatedPayload",
    "quote_accepted": "quoteAcceptedPayload",
    "quote_executed": "quoteExecutedPayload",
    "multivariate_lookup": "multivariateLookupPayload",
}

LIFECYCLE = ("marketLifecycleV2Payload", "msg", "additional_metadata")

DECIDED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    # Real tickers have dots (rules, section 1).
    (("marketTicker",), {"pattern": "^[A-Z0-9][A-Z0-9.-]*$"}),
    # 0 for no last trade and no bid, 100 for no ask (section 5).
    (("tickerPayload", "msg", "price"), {"minimum": 0}),
    (("tickerPayload", "msg", "yes_bid"), {"minimum": 0}),
    # An ask below a cent rounds down to 0 as well (compat.md, section 1).
    (("tickerPayload", "msg", "yes_ask"), {"minimum": 0, "maximum": 100}),
    # Less than a whole contract rounds down to none (compat.md, section 1).
    (("tradePayload", "msg", "count"), {"minimum": 0}),
    (("fillPayload", "msg", "count"), {"minimum": 0}),
    # Prices between cents round down (compat.md, section 1), the two of a trade add up to 100.
    (("orderbookDeltaPayload", "msg", "price"), {"minimum": 0}),
    (("fillPayload", "msg", "yes_price"), {"minimum": 0}),
    (("tradePayload", "msg", "yes_price"), {"minimum": 0}),
    (("tradePayload", "msg", "no_price"), {"maximum": 100}),
    # The list of subscriptions is of type ok, as in its own example (section 2).
    (("listSubscriptionsResponsePayload", "type"), {"const": "ok"}),
    # Codes were added later (section 2).
    (("errorResponsePayload", "msg", "code"), {"maximum": 28}),
    # One is published as a string, the other as a boolean; both are numbers (section 10).
    ((*LIFECYCLE, "floor_strike"), {"type": "number"}),
    ((*LIFECYCLE, "cap_strike"), {"type": "number"}),
    # Kinds of changes were added later, for the profile ``latest`` (section 10).
    (
        ("marketLifecycleV2Payload", "msg", "event_type"),
        {
            "enum": [
                "created",
                "activated",
                "deactivated",
                "close_date_updated",
                "determined",
                "settled",
                "price_level_structure_updated",
                "metadata_updated",
            ]
        },
    ),
]

OPTIONAL_ID = {"listSubscriptionsResponsePayload"}
"""A reply to a command without an id has none (section 2)."""

_TEXT: dict[str, Any] = {"type": "string"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_ID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_TICKER = {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9.-]*$"}
_SIDE = {"enum": ["yes", "no"]}
_BOOK_SIDE = {"enum": ["bid", "ask"]}
_DOLLARS = {"type": "string", "pattern": "^-?[0-9]+[.][0-9]{4}([0-9]{2})?$"}
_COUNT_FP = {"type": "string", "pattern": "^-?[0-9]+[.][0-9]{2}$"}
_CENTS = {"type": "integer", "minimum": 0, "maximum": 100}
_WHOLE: dict[str, Any] = {"type": "integer"}
_MILLISECONDS = {"type": "integer", "minimum": 1_000_000_000_000, "maximum": 9_999_999_999_999}
_SECONDS = {"type": "integer", "minimum": 1_000_000_000, "maximum": 9_999_999_999}
_TIME = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([.][0-9]{1,6})?Z$"}
_SUBACCOUNT = {"type": "integer", "minimum": 1}

LATER: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {
    ("errorResponsePayload",): {"sid": _WHOLE},
    # What a reply is about, as in the examples of section 2.
    ("unsubscribedResponsePayload",): {"id": _WHOLE, "seq": {"type": "integer", "minimum": 1}},
    ("orderbookSnapshotPayload", "msg"): {"market_id": _ID},
    ("orderbookDeltaPayload", "msg"): {
        "market_id": _ID,
        "ts": _TIME,
        "ts_ms": _MILLISECONDS,
        "subaccount": _SUBACCOUNT,
    },
    ("tickerPayload", "msg"): {
        "market_id": _ID,
        "yes_ask_dollars": _DOLLARS,
        "yes_bid_size_fp": _COUNT_FP,
        "yes_ask_size_fp": _COUNT_FP,
        "last_trade_size_fp": _COUNT_FP,
        "time": _TIME,
        "ts_ms": _MILLISECONDS,
    },
    ("tradePayload", "msg"): {
        "trade_id": _ID,
        "ts_ms": _MILLISECONDS,
        "taker_outcome_side": _SIDE,
        "taker_book_side": _BOOK_SIDE,
        "is_block_trade": _FLAG,
    },
    ("fillPayload", "msg"): {
        "fee_cost": _DOLLARS,
        "ts_ms": _MILLISECONDS,
        "subaccount": _SUBACCOUNT,
        "outcome_side": _SIDE,
        "book_side": _BOOK_SIDE,
        "exchange_index": {"const": 0},
    },
    ("marketPositionPayload", "msg"): {
        "position_fee_cost": _WHOLE,
        "position_cost_dollars": _DOLLARS,
        "realized_pnl_dollars": _DOLLARS,
        "fees_paid_dollars": _DOLLARS,
        "position_fee_cost_dollars": _DOLLARS,
        "subaccount": _SUBACCOUNT,
    },
    ("orderGroupUpdatesPayload", "msg"): {"ts_ms": _MILLISECONDS},
    ("marketLifecycleV2Payload", "msg"): {
        "settlement_value": _DOLLARS,
        "price_level_structure": _TEXT,
        "price_ranges": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"start": _DOLLARS, "end": _DOLLARS, "step": _DOLLARS},
                "required": ["start", "end", "step"],
                "additionalProperties": False,
            },
        },
        "exchange_index": {"const": 0},
    },
    LIFECYCLE: {"event_ticker": _TICKER},
    ("eventLifecyclePayload", "msg"): {"subtitle": _TEXT},
    ("quoteCreatedPayload", "msg"): {"subaccount": _SUBACCOUNT},
    ("quoteAcceptedPayload", "msg"): {"subaccount": _SUBACCOUNT},
    ("quoteExecutedPayload", "msg"): {"subaccount": _SUBACCOUNT},
}
"""Fields that spec 3.6.0 does not have: websocket.md names each, with the time it came."""


def _later_message(kind: str, required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    msg = {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }
    properties = {"type": {"const": kind}, "sid": {"type": "integer", "minimum": 1}, "msg": msg}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


LATER_MESSAGES = {
    # Section 6.
    "ticker_v2": _later_message(
        "ticker_v2",
        {"market_ticker": _TICKER, "market_id": _ID, "ts": _SECONDS},
        {
            "price": _CENTS,
            "price_dollars": _DOLLARS,
            "volume_delta": {"type": "integer", "minimum": 0},
            "volume_delta_fp": _COUNT_FP,
            "open_interest_delta": _WHOLE,
            "open_interest_delta_fp": _COUNT_FP,
            "dollar_volume_delta": {"type": "integer", "minimum": 0},
            "dollar_open_interest_delta": _WHOLE,
            "yes_bid": _CENTS,
            "yes_bid_dollars": _DOLLARS,
            "yes_ask": _CENTS,
            "yes_ask_dollars": _DOLLARS,
        },
    ),
    # Section 14.
    "user_order": _later_message(
        "user_order",
        {
            "order_id": _ID,
            "user_id": _ID,
            "ticker": _TICKER,
            "status": {"enum": ["resting", "canceled", "executed"]},
            "side": _SIDE,
            "is_yes": _FLAG,
            "yes_price_dollars": _DOLLARS,
            "fill_count_fp": _COUNT_FP,
            "remaining_count_fp": _COUNT_FP,
            "initial_count_fp": _COUNT_FP,
            "taker_fill_cost_dollars": _DOLLARS,
            "maker_fill_cost_dollars": _DOLLARS,
            "taker_fees_dollars": _DOLLARS,
            "maker_fees_dollars": _DOLLARS,
            "client_order_id": _TEXT,
            "created_time": _TIME,
        },
        {
            "order_group_id": _ID,
            "self_trade_prevention_type": {"enum": ["taker_at_cross", "maker"]},
            "last_update_time": _TIME,
            "expiration_time": _TIME,
            "created_ts_ms": _MILLISECONDS,
            "last_updated_ts_ms": _MILLISECONDS,
            "expiration_ts_ms": _MILLISECONDS,
            "subaccount_number": _WHOLE,
            "outcome_side": _SIDE,
            "book_side": _BOOK_SIDE,
            # An extra field of ours.
            "action": {"enum": ["buy", "sell"]},
        },
    ),
}
"""Messages that spec 3.6.0 does not have."""


@cache
def published() -> dict[str, Draft202012Validator]:
    """Kind of message -> a validator of what clients were promised."""
    document = json.loads(SCHEMAS.read_text(encoding="utf-8"))
    payloads = document["$defs"]
    for path, change in DECIDED:
        _at(payloads, path).update(change)
    for path, found in LATER.items():
        properties = _at(payloads, path)["properties"]
        again = properties.keys() & found.keys()
        assert not again, f"{path} had {again} before"
        properties.update(found)
    for payload in PAYLOADS.values():
        _close(payloads[payload])
    for payload in OPTIONAL_ID:
        payloads[payload]["required"].remove("id")
    # The channel for combos came later; its messages are those of the other lifecycle channel.
    combos = json.loads(json.dumps(payloads["marketLifecycleV2Payload"]))
    combos["properties"]["type"]["const"] = "multivariate_market_lifecycle"
    validators = {
        kind: Draft202012Validator({**document, "$ref": f"#/$defs/{payload}"})
        for kind, payload in PAYLOADS.items()
    }
    later = {**LATER_MESSAGES, "multivariate_market_lifecycle": combos}
    for kind, schema in later.items():
        validators[kind] = Draft202012Validator({**document, **schema})
    return validators


@cache
def documented() -> dict[str, Draft7Validator]:
    """Kind of message, reply or command -> a validator of what our own document says."""
    components = json.loads(asyncapi.document_json())["components"]
    for schema in components["schemas"].values():
        _close(schema)
    found = {}
    for kind, message in components["messages"].items():
        payload = message["payload"]
        if kind in asyncapi.REPLIES:
            kind = {"updated": "ok", "subscriptions": "list"}.get(kind, kind)
        else:
            _close(payload)
        found[kind] = Draft7Validator({**payload, "components": components})
    return found


def _at(payloads: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    name, *fields = path
    schema: dict[str, Any] = payloads[name]
    for field in fields:
        schema = schema["properties"][field]
    return schema


def _close(schema: Any) -> None:
    """Let no object have fields that it does not name; those that name none stay as they are."""
    if isinstance(schema, list):
        for one in schema:
            _close(one)
    elif isinstance(schema, dict):
        if schema.get("properties"):
            schema.setdefault("additionalProperties", False)
        for one in schema.values():
            _close(one)


def check_shape(message: dict[str, Any]) -> None:
    """Fail when a message of the exchange is not what clients were promised."""
    kind = "list" if "subscriptions" in message else message["type"]
    published()[kind].validate(message)
    documented()[kind].validate(message)
