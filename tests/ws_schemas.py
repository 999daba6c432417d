"""The published shapes of WebSocket messages, with the slips in them that were decided about.

``compat/data/asyncapi_schemas.json`` holds the schemas of spec 3.6.0 as data. Where they
contradict themselves or the service in practice, websocket.md decides; ``DECIDED`` lists every
such place, so that anything else that deviates fails a test.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parent / "compat" / "data" / "asyncapi_schemas.json"

PAYLOADS = {
    "subscribed": "subscribedResponsePayload",
    "unsubscribed": "unsubscribedResponsePayload",
    "ok": "okResponsePayload",
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
    # Codes were added later (section 2).
    (("errorResponsePayload", "msg", "code"), {"maximum": 28}),
    # One is published as a string, the other as a boolean; both are numbers (section 10).
    ((*LIFECYCLE, "floor_strike"), {"type": "number"}),
    ((*LIFECYCLE, "cap_strike"), {"type": "number"}),
]

WITHOUT_SCHEMA = {"ticker_v2", "multivariate_market_lifecycle"}
"""Channels that spec 3.6.0 does not have."""

LATER_EVENT_TYPES = {"price_level_structure_updated", "metadata_updated"}
"""Lifecycle messages for the profile ``latest`` only."""

USER_ORDER_REQUIRED = {
    "order_id": str,
    "user_id": str,
    "ticker": str,
    "status": str,
    "side": str,
    "is_yes": bool,
    "yes_price_dollars": str,
    "fill_count_fp": str,
    "remaining_count_fp": str,
    "initial_count_fp": str,
    "taker_fill_cost_dollars": str,
    "maker_fill_cost_dollars": str,
    "taker_fees_dollars": str,
    "maker_fees_dollars": str,
    "client_order_id": str,
    "created_time": str,
}
"""The channel came after spec 3.6.0; these are the required fields of section 14."""


@cache
def _validators() -> dict[str, Draft202012Validator]:
    document = json.loads(SCHEMAS.read_text(encoding="utf-8"))
    for (name, *path), change in DECIDED:
        schema = document["$defs"][name]
        for step in path:
            schema = schema["properties"][step]
        schema.update(change)
    return {
        kind: Draft202012Validator({**document, "$ref": f"#/$defs/{payload}"})
        for kind, payload in PAYLOADS.items()
    }


def check_shape(message: dict[str, Any]) -> None:
    """Fail when a message of the exchange is not what clients were promised."""
    kind = message["type"]
    if kind == "user_order":
        for name, type_ in USER_ORDER_REQUIRED.items():
            assert type(message["msg"][name]) is type_, (name, message)
        assert message["msg"]["status"] in {"resting", "canceled", "executed"}
        return
    if kind in WITHOUT_SCHEMA or message.get("msg", {}).get("event_type") in LATER_EVENT_TYPES:
        return
    _validators()[kind].validate(message)
