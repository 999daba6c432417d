"""Why a command was refused. Owns the codes; gateways translate them to HTTP or FIX.

A rejection is a result like any other: the command stays in the log and changes nothing.
"""

from typing import Final

ACCOUNT_NOT_FOUND: Final = "account_not_found"
ALREADY_EXISTS: Final = "already_exists"
AVAILABLE_BALANCE_TOO_LOW: Final = "available_balance_too_low"
CANNOT_UPDATE_FILLED_ORDER: Final = "cannot_update_filled_order"
CLIENT_ORDER_ID_MISMATCH: Final = "order_id_and_client_order_id_mismatch"
DUPLICATE_TRANSFER: Final = "duplicate_transfer"
CONFLICTING_LEG_OUTCOMES: Final = "conflicting_leg_outcomes"
DUPLICATED_LEGS: Final = "duplicated_legs"
EXCEEDED_ORDER_GROUP_LIMIT: Final = "exceeded_order_group_risk_limit"
EXCEEDED_ORDER_LIMIT: Final = "exceeded_order_limit"
EXCEEDED_SELL_POSITION_FLOOR: Final = "exceeded_sell_position_floor"
EXCHANGE_PAUSED: Final = "exchange_paused"
EXPIRATION_IN_PAST: Final = "expiration_in_past"
FOK_INSUFFICIENT_VOLUME: Final = "fill_or_kill_insufficient_resting_volume"
INVALID_AMEND_QUANTITY: Final = "invalid_amend_qty_for_order"
INVALID_MARKET_COMBINATION: Final = "invalid_market_combination"
INVALID_ORDER: Final = "invalid_order"
INVALID_ORDER_SIZE: Final = "invalid_order_size"
INVALID_PARAMETERS: Final = "invalid_parameters"
INVALID_PRICE: Final = "invalid_price"
INVALID_STATE: Final = "invalid_state"
MARKET_ALREADY_CLOSED: Final = "market_already_closed"
MARKET_INACTIVE: Final = "market_inactive"
MARKET_NOT_FOUND: Final = "market_not_found"
MEMBER_SUSPENDED: Final = "member_suspended"
NOT_FOUND: Final = "not_found"
ORDER_ALREADY_EXISTS: Final = "order_already_exists"
ORDER_GROUP_NOT_FOUND: Final = "order_group_not_found"
ORDER_SIDE_MISMATCH: Final = "order_side_mismatch"
ORDER_TICKER_MISMATCH: Final = "order_ticker_mismatch"
POST_ONLY_CROSS: Final = "post_only_cross"
QUOTE_CONFLICT: Final = "quote_conflict"
RFQ_ALREADY_EXISTS: Final = "rfq_already_exists"
RFQ_CLOSED: Final = "rfq_closed"
SELF_CROSS_ATTEMPT: Final = "self_cross_attempt"
TOO_MANY_COMBOS: Final = "too_many_requests"
TRADING_PAUSED: Final = "trading_paused"


class Rejection(Exception):
    """Raised inside the core before anything has changed; becomes ``CommandRejected``."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
