"""What is answered when a request is not carried out (rest.md, section 1, "Error body").

Owns the shape of error bodies and the way from a rejection of the core to an HTTP answer.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from augury.core import rejections
from augury.core.events import CommandRejected
from augury.gateways.profiles import LATEST

SERVICE: Final = "augury"

INVALID_CURSOR: Final = "invalid_cursor"
INVALID_ORDER: Final = "invalid_order"
INVALID_PARAMETERS: Final = "invalid_parameters"
NOT_FOUND: Final = "not_found"


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """What went wrong. ``code`` is for programs, ``message`` and ``details`` for people."""

    code: str
    message: str
    details: str | UnsetType = UNSET
    service: str | UnsetType = UNSET


class ErrorAnswer(msgspec.Struct, omit_defaults=True):
    """An error in both shapes that clients know: flat, and inside ``error``."""

    code: str
    message: str
    details: str
    error: ErrorBody
    service: str | UnsetType = UNSET


class ApiError(Exception):
    """Ends a request with ``status`` and an error body."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(status, code, message, details)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def body(self, profile: str) -> ErrorBody:
        """The error as it stands inside an answer, such as that of one item of a batch."""
        service = UNSET if profile == LATEST else SERVICE
        return ErrorBody(self.code, self.message, self.details, service)

    def answer(self, profile: str) -> ErrorAnswer:
        """The error as the body of an answer."""
        body = self.body(profile)
        return ErrorAnswer(self.code, self.message, self.details, body, body.service)


def invalid(message: str, code: str = INVALID_PARAMETERS) -> ApiError:
    """The request is wrong in a way that needs no look at the exchange."""
    return ApiError(400, code, message)


def not_found(what: str) -> ApiError:
    """Unknown, or somebody else's: callers must not be able to tell the difference."""
    return ApiError(404, NOT_FOUND, f"{what} not found")


_STATUS: Final = {
    rejections.ALREADY_EXISTS: 409,
    rejections.DUPLICATE_TRANSFER: 409,
    rejections.EXCHANGE_PAUSED: 503,
    rejections.FOK_INSUFFICIENT_VOLUME: 409,
    rejections.MEMBER_SUSPENDED: 403,
    rejections.ORDER_ALREADY_EXISTS: 409,
    rejections.QUOTE_CONFLICT: 409,
    rejections.RFQ_ALREADY_EXISTS: 409,
    rejections.TOO_MANY_COMBOS: 429,
    rejections.TRADING_PAUSED: 503,
}

_TEXTS: Final = {
    rejections.ACCOUNT_NOT_FOUND: "the subaccount does not exist",
    rejections.ALREADY_EXISTS: "it exists already",
    rejections.AVAILABLE_BALANCE_TOO_LOW: "the available balance is too low",
    rejections.CANNOT_UPDATE_FILLED_ORDER: "a filled order cannot be changed",
    rejections.CLIENT_ORDER_ID_MISMATCH: "the order has another client_order_id",
    rejections.DUPLICATE_TRANSFER: "a transfer with this client_transfer_id was made already",
    rejections.EXCEEDED_ORDER_GROUP_LIMIT: "the order group has reached its contracts limit",
    rejections.EXCEEDED_ORDER_LIMIT: "too many open orders",
    rejections.EXCEEDED_SELL_POSITION_FLOOR: "the order would sell more than the position",
    rejections.EXCHANGE_PAUSED: "the exchange is paused",
    rejections.EXPIRATION_IN_PAST: "Expiration timestamp must be in the future",
    rejections.FOK_INSUFFICIENT_VOLUME: "not enough resting volume to fill the order at once",
    rejections.INVALID_AMEND_QUANTITY: "the new size is not above what is filled already",
    rejections.INVALID_ORDER: "the order is not valid",
    rejections.INVALID_ORDER_SIZE: "the size of the order is not valid",
    rejections.INVALID_PARAMETERS: "the parameters are not valid",
    rejections.INVALID_PRICE: "the price is not on the market's price grid",
    rejections.INVALID_STATE: "this is not possible in the present state",
    rejections.MARKET_ALREADY_CLOSED: "the market is closed",
    rejections.MARKET_INACTIVE: "the market is not active",
    rejections.MARKET_NOT_FOUND: "market not found",
    rejections.MEMBER_SUSPENDED: "the member is suspended",
    rejections.NOT_FOUND: "not found",
    rejections.ORDER_ALREADY_EXISTS: "an order with this client_order_id exists already",
    rejections.ORDER_GROUP_NOT_FOUND: "order group not found",
    rejections.ORDER_SIDE_MISMATCH: "the order has another side or action",
    rejections.ORDER_TICKER_MISMATCH: "the order is in another market",
    rejections.POST_ONLY_CROSS: "a post-only order must not trade on entry",
    rejections.QUOTE_CONFLICT: "a quote on this request is on its way into the book",
    rejections.RFQ_ALREADY_EXISTS: "there is an open request for quotes on this market already",
    rejections.RFQ_CLOSED: "the request for quotes is closed",
    rejections.SELF_CROSS_ATTEMPT: "the order would trade with an order of the same member",
    rejections.TOO_MANY_COMBOS: "too many requests",
    rejections.TRADING_PAUSED: "trading is paused",
}

# Codes that the API has another name for.
_CODES: Final = {
    rejections.EXPIRATION_IN_PAST: INVALID_ORDER,
    rejections.INVALID_PRICE: INVALID_PARAMETERS,
    rejections.RFQ_CLOSED: "RFQ_CLOSED",
}


def from_rejection(rejection: CommandRejected) -> ApiError:
    """The answer to a command that the core refused."""
    return refusal(rejection.code, rejection.detail)


def refusal(code: str, detail: str = "") -> ApiError:
    """The answer that belongs to a code of ``rejections``."""
    if code == rejections.POST_ONLY_CROSS:
        # The documented answer has a space in the code and says why in the details.
        return ApiError(400, "invalid order", _TEXTS[code], "post only cross")
    status = _STATUS.get(code)
    if status is None:
        status = 404 if code.endswith("not_found") else 400
    message = _TEXTS.get(code) or code.replace("_", " ")
    return ApiError(status, _CODES.get(code, code), message, detail)


_ELSEWHERE: Final = {
    "unauthorized": (401, "the headers of a signed request are missing, or the key is unknown"),
    "invalid_signature": (401, "the signature does not match timestamp, method and path"),
    "header_timestamp_expired": (401, "the timestamp is too far from the server's time"),
    "insufficient_scope": (403, "the API key lacks the scope of this operation"),
    "forbidden": (403, "the API key is restricted to one subaccount"),
    "fcm_only": (403, "only clearing members have customers"),
    "too_many_requests": (429, "too many requests"),
    "request_too_large": (413, "the body is too large"),
    "malformed_request": (400, "this is not a request of HTTP/1.1"),
    "method_not_allowed": (405, "the path exists, the method does not"),
    "request_timeout": (408, "the request did not arrive in time"),
    "request_head_too_large": (431, "the request line and the headers are too large"),
    "too_many_connections": (503, "too many connections are open; try again"),
    "exchange_unavailable": (503, "commands cannot be stored, or history cannot be read"),
    "outcome_unknown": (503, "storing failed half-way; after a restart the command may be there"),
    "exchange_overloaded": (503, "too many requests are waiting; try again"),
    "INSUFFICIENT_BALANCE": (400, "the available balance is too low"),
    "invalid order": (400, "a post-only order would trade on entry"),
    "RFQ_CLOSED": (400, "the request for quotes is closed"),
    INVALID_CURSOR: (400, "the cursor does not belong to this list and these filters"),
}


def documented(code: str) -> tuple[int, str]:
    """Status and meaning of a code, for whoever describes the API."""
    found = _ELSEWHERE.get(code)
    if found is not None:
        return found
    error = refusal(code)
    if error.code != code:
        raise ValueError(f"{code} is answered as {error.code}")
    return error.status, error.message


def locked_out() -> ApiError:
    """The key is for one subaccount, and the request goes beyond it."""
    return ApiError(403, "forbidden", "the API key is restricted to one subaccount")


def rate_limited() -> ApiError:
    return ApiError(429, "too_many_requests", "too many requests")
