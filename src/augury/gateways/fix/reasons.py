"""Why something was refused or ended, in FIX's words: Text (58) with 103 or 102.

The tables are those of fix.md, sections 8.6 and 8.7. Owns nothing but them.
"""

from typing import Final

from augury.core import rejections
from augury.core.state import ACTIVE, INACTIVE, INITIALIZED

IMMEDIATE_OR_CANCELLED: Final = "IMMEDIATE_OR_CANCELLED"
INVALID_ORDER: Final = "INVALID_ORDER"
INVALID_PRICE: Final = "INVALID_PRICE"
NOT_FOUND: Final = "NOT_FOUND"
EXCHANGE_UNAVAILABLE: Final = "EXCHANGE_UNAVAILABLE"
CUSTOMER_ACCOUNT_NOT_FOUND: Final = "CUSTOMER_ACCOUNT_NOT_FOUND"
PERMISSION_DENIED: Final = "PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT"
CANNOT_UPDATE_FILLED_ORDER: Final = "CANNOT_UPDATE_FILLED_ORDER"
INVALID_AMEND_QUANTITY: Final = "INVALID_AMEND_QTY_FOR_ORDER"
ORDER_ALREADY_EXISTS: Final = "ORDER_ALREADY_EXISTS"
ORDER_GROUP_NOT_FOUND: Final = "ORDER_GROUP_NOT_FOUND"
INSUFFICIENT_BALANCE: Final = "INSUFFICIENT_BALANCE"
FOK_INSUFFICIENT_VOLUME: Final = "FOK_INSUFFICIENT_VOLUME"
RATE_LIMIT_EXCEEDED: Final = "RATE_LIMIT_EXCEEDED"
LISTENER_SESSION: Final = "LISTENER_SESSION"
NOT_AUTHORIZED: Final = "NOT_AUTHORIZED"
EXPIRED: Final = "EXPIRED"
TAKER_CANCEL: Final = "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
MAKER_CANCEL: Final = "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"

# OrdRejReason (103).
UNKNOWN_SYMBOL: Final = 1
EXCHANGE_CLOSED: Final = 2
EXCEEDS_LIMIT: Final = 3
DUPLICATE_ORDER: Final = 6
STALE_ORDER: Final = 8
UNSUPPORTED: Final = 11
INCORRECT_QUANTITY: Final = 13
UNKNOWN_ACCOUNT: Final = 15
OTHER: Final = 99

# CxlRejReason (102).
TOO_LATE: Final = 0
UNKNOWN_ORDER: Final = 1
BROKER: Final = 2
DUPLICATE_CLIENT_ID: Final = 6
INVALID_PRICE_INCREMENT: Final = 18

_ORDER: Final = {
    rejections.ACCOUNT_NOT_FOUND: (CUSTOMER_ACCOUNT_NOT_FOUND, UNKNOWN_ACCOUNT),
    rejections.AVAILABLE_BALANCE_TOO_LOW: (INSUFFICIENT_BALANCE, OTHER),
    rejections.EXCEEDED_ORDER_GROUP_LIMIT: ("EXCEEDED_ORDER_GROUP_RISK_LIMIT", EXCEEDS_LIMIT),
    rejections.EXCEEDED_ORDER_LIMIT: ("EXCEEDED_PER_MARKET_RISK_LIMIT", EXCEEDS_LIMIT),
    rejections.EXCEEDED_SELL_POSITION_FLOOR: ("EXCEEDED_SELL_POSITION_FLOOR", EXCEEDS_LIMIT),
    rejections.EXCHANGE_PAUSED: ("EXCHANGE_PAUSED", EXCHANGE_CLOSED),
    rejections.EXPIRATION_IN_PAST: (INVALID_ORDER, UNSUPPORTED),
    # Not a rejection to a FIX client: the order was there and did not find what it wanted.
    rejections.FOK_INSUFFICIENT_VOLUME: (FOK_INSUFFICIENT_VOLUME, 0),
    rejections.INVALID_ORDER: (INVALID_ORDER, UNSUPPORTED),
    rejections.INVALID_ORDER_SIZE: (INVALID_ORDER, INCORRECT_QUANTITY),
    # Of all parameters only the price can be wrong once a message has been read.
    rejections.INVALID_PARAMETERS: (INVALID_PRICE, OTHER),
    rejections.INVALID_PRICE: (INVALID_PRICE, OTHER),
    rejections.MARKET_ALREADY_CLOSED: ("MARKET_ALREADY_CLOSED", EXCHANGE_CLOSED),
    rejections.MARKET_INACTIVE: ("MARKET_INACTIVE", EXCHANGE_CLOSED),
    rejections.MARKET_NOT_FOUND: ("MARKET_NOT_FOUND", UNKNOWN_SYMBOL),
    rejections.MEMBER_SUSPENDED: ("MEMBER_SUSPENDED", OTHER),
    rejections.NOT_FOUND: (NOT_FOUND, UNKNOWN_SYMBOL),
    rejections.ORDER_ALREADY_EXISTS: (ORDER_ALREADY_EXISTS, DUPLICATE_ORDER),
    rejections.ORDER_GROUP_NOT_FOUND: (ORDER_GROUP_NOT_FOUND, UNSUPPORTED),
    rejections.POST_ONLY_CROSS: ("POST_ONLY_CROSS", OTHER),
    rejections.SELF_CROSS_ATTEMPT: ("SELF_CROSS_ATTEMPT", OTHER),
    rejections.TRADING_PAUSED: ("TRADING_PAUSED", EXCHANGE_CLOSED),
}

LATER_ORDER_CODES: Final = {INSUFFICIENT_BALANCE: EXCEEDS_LIMIT}
"""OrdRejReason by Text, where the latest profile has another one."""

_CHANGE: Final = {
    CANNOT_UPDATE_FILLED_ORDER: BROKER,
    INVALID_AMEND_QUANTITY: BROKER,
    NOT_FOUND: UNKNOWN_ORDER,
    ORDER_ALREADY_EXISTS: DUPLICATE_CLIENT_ID,
    "SELF_CROSS_ATTEMPT": INVALID_PRICE_INCREMENT,
}
"""CxlRejReason by Text, where it is not 99."""

_UNKNOWN_TO_THE_CORE: Final = {
    rejections.CANNOT_UPDATE_FILLED_ORDER: CANNOT_UPDATE_FILLED_ORDER,
    rejections.CLIENT_ORDER_ID_MISMATCH: NOT_FOUND,
    rejections.INVALID_AMEND_QUANTITY: INVALID_AMEND_QUANTITY,
    rejections.ORDER_SIDE_MISMATCH: NOT_FOUND,
    rejections.ORDER_TICKER_MISMATCH: NOT_FOUND,
}
"""Texts of refusals that only changes of orders meet."""

_ENDS: Final = {
    "fill_or_kill": FOK_INSUFFICIENT_VOLUME,
    "immediate_or_cancel": IMMEDIATE_OR_CANCELLED,
    "insufficient_balance": INSUFFICIENT_BALANCE,
    "market_closed": "MARKET_ALREADY_CLOSED",
    "market_reactivated": "MARKET_INACTIVE",
    "member_suspended": "MEMBER_SUSPENDED",
    "order_group": "ORDER_GROUP_CANCEL",
    "paused": "TRADING_PAUSED",
    "reduce_only": "EXCEEDED_SELL_POSITION_FLOOR",
    "canceled": "",
    "expired": "",
}

EXPIRING: Final = frozenset({"expired", "market_closed"})
"""Ends by the clock, which some sessions are told as Expired."""


def text_of(code: str, detail: str = "") -> str:
    """The Text of a refusal by the core; ``detail`` is that of the rejection."""
    if code == rejections.MARKET_INACTIVE and detail not in ("", ACTIVE, INACTIVE, INITIALIZED):
        code = rejections.MARKET_ALREADY_CLOSED
    if code in _UNKNOWN_TO_THE_CORE:
        return _UNKNOWN_TO_THE_CORE[code]
    return _ORDER[code][0] if code in _ORDER else code.upper()


def order_refusal(code: str, detail: str = "") -> tuple[str, int]:
    """Text and OrdRejReason of a refused order; 0 means that it counts as canceled."""
    return text_of(code, detail), _ORDER[code][1] if code in _ORDER else OTHER


_QUOTE_ENDS: Final = {
    "market_closed": ("MARKET_ALREADY_CLOSED", EXCHANGE_CLOSED),
    "member_suspended": ("MEMBER_SUSPENDED", OTHER),
    "paused": ("TRADING_PAUSED", EXCHANGE_CLOSED),
}


def quote_refusal(reason: str) -> tuple[str, int]:
    """Text and OrdRejReason of the order that an accepted quote would have become."""
    if reason in _ORDER:
        return order_refusal(reason)
    return _QUOTE_ENDS.get(reason, (EXPIRED, STALE_ORDER))


def change_refusal(text: str) -> int:
    """CxlRejReason of a refused cancel or replace."""
    return _CHANGE.get(text, OTHER)


def end_text(reason: str) -> str:
    """The Text of an order's end, possibly empty."""
    return _ENDS.get(reason, reason.upper())
