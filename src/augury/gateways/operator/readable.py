"""Commands and events in words that an operator reads: the audit trail's language.

Works from the names of fields, because the core's vocabulary is strict about them: what ends in
``_ns`` is a time, ``price`` is a price, ``amount`` is money. A new command needs nothing here as
long as it keeps to that.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from augury.codec.ids import format_id
from augury.codec.readable import command_dict, event_dict
from augury.codec.text import count_fp, dollars, price_dollars, rfc3339
from augury.core.commands import Command
from augury.core.events import Event
from augury.core.units import ASK, BID

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_PRICES: Final = frozenset(
    {"ask_price", "bid_price", "last_price", "no_bid", "price", "settlement_value", "yes_bid"}
)
_IDS: Final = {
    "api_key_id": "api_key",
    "buyer_member_id": "member",
    "fee_change_id": "fee_change",
    "maker_order_id": "order",
    "member_id": "member",
    "order_group_id": "group",
    "order_id": "order",
    "proposal_id": "block_trade_proposal",
    "quote_id": "quote",
    "rfq_id": "rfq",
    "rfq_member_id": "member",
    "rfq_order_id": "order",
    "seller_member_id": "member",
    "taker_order_id": "order",
    "trade_id": "trade",
    "transfer_id": "transfer",
}
_MONEY: Final = frozenset(
    {
        "amount", "balance_precision", "buy_max_cost", "cash", "cash_change", "cost", "fee",
        "fees_paid", "from_cash_change", "house", "maker_cost", "maker_fees", "no_cost",
        "realized_pnl", "rebate", "revenue", "rfq_target_cost", "rounding_fee", "taker_cost",
        "taker_fees", "target_cost", "to_cash_change", "total", "trade_fee", "traded_cost",
        "yes_cost",
    }
)  # fmt: skip
_COUNTS: Final = frozenset({"contracts_limit", "delta", "open_interest", "position", "volume"})
PLAIN_NUMBERS: Final = frozenset(
    {
        "buyer_subaccount",
        "from_subaccount",
        "limit",
        "rfq_subaccount",
        "seller_subaccount",
        "settlement_timer_seconds",
        "size_max",
        "size_min",
        "subaccount",
        "to_subaccount",
        "weekly_limit",
    }
)
"""Whole numbers that are shown as they are; every other one has a unit above."""

# Where zero or less means that nothing was given.
_OPTIONAL: Final = frozenset({"buy_max_cost", "reduce_by", "reduce_to"})


def _time(value: int) -> str | None:
    return rfc3339(value) if value else None


def _ranges(value: Any) -> list[dict[str, str]]:
    return [
        {"start": price_dollars(start), "end": price_dollars(end), "step": price_dollars(step)}
        for start, end, step in value
    ]


def _json(value: str) -> Any:
    try:
        return msgspec.json.decode(value) if value else {}
    except msgspec.DecodeError:
        return value


def _direction(value: int) -> str:
    return {BID: "bid", ASK: "ask"}.get(value, str(value))


_SPECIAL: Final[dict[str, Callable[[Any], Any]]] = {
    "price_ranges": _ranges,
    "details": _json,
    "direction": _direction,
    "taker_direction": _direction,
    "windows": lambda value: [{"start": _time(start), "end": _time(end)} for start, end in value],
    "owners": lambda value: [
        {"user_id": format_id("member", member), "subaccount": subaccount, "client_order_id": own}
        for member, subaccount, own in value
    ],
}


def name_of(thing: object) -> str:
    """The name of a command or event: ``PlaceOrder`` is ``place_order``."""
    return _CAPITAL.sub("_", type(thing).__name__).lower()


def readable_command(command: Command) -> dict[str, Any]:
    """The fields of a command. Members are called ``user_id``, as everywhere outside."""
    return _readable(command_dict(command), "command")


def readable_event(event: Event) -> dict[str, Any]:
    """The fields of an event, in the same words."""
    return _readable(event_dict(event), "event")


def _readable(fields: dict[str, Any], name_field: str) -> dict[str, Any]:
    del fields[name_field]
    found: dict[str, Any] = {}
    for field, value in fields.items():
        name = field.replace("member_id", "user_id").removesuffix("_ppm")
        if field.endswith("_ns"):
            name = field.removesuffix("_ns") + "_time"
        found[name] = _value(field, value)
    return found


def has_unit(field: str) -> bool:
    """Whether a whole number of this name is known to be a time, a price, money, or the like."""
    return (
        field in _SPECIAL
        or field in _OPTIONAL
        or field in _IDS
        or field in _PRICES
        or field in _MONEY
        or field in _COUNTS
        or field in PLAIN_NUMBERS
        or field == "fee_multiplier_ppm"
        or field.endswith(("_ns", "quantity"))
    )


def _value(field: str, value: Any) -> Any:
    special = _SPECIAL.get(field)
    if special is not None:
        return special(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return list(value) if isinstance(value, tuple) else value
    if field in _OPTIONAL and value < (1 if field == "buy_max_cost" else 0):
        return None
    kind = _IDS.get(field)
    if kind is not None:
        return format_id(kind, value) if value else None
    if field.endswith("_ns"):
        return _time(value)
    if field in _PRICES:
        return price_dollars(value)
    if field in _MONEY:
        return dollars(value)
    if field in _COUNTS or field.endswith("quantity") or field.startswith("reduce_"):
        return count_fp(value)
    if field == "fee_multiplier_ppm":
        return value / 1_000_000
    return value
