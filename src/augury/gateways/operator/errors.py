"""What the operator API answers when it does not do what was asked.

One shape for all: ``{"code", "message", "fields"}``, where ``fields`` names each part of the
request that is wrong and why. A refusal never has a partial effect.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from augury.core import rejections
from augury.core.applied import Applied

T = TypeVar("T")


class OperatorError(Exception):
    """Becomes an answer with ``status``; ``fields`` maps names of the request to messages."""

    def __init__(
        self, status: int, code: str, message: str, fields: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields or {}


def not_found(what: str, name: str) -> OperatorError:
    return OperatorError(404, "not_found", f"there is no {what} {name!r}")


def conflict(code: str, message: str) -> OperatorError:
    return OperatorError(409, code, message)


class FieldErrors:
    """Collects what is wrong with a request, so that one answer names all of it."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    def add(self, field: str, message: str) -> None:
        self.messages.setdefault(field, message)

    def parse(self, field: str, parser: Callable[[str], T], text: str, otherwise: T) -> T:
        """``parser(text)``; when it raises ``ValueError``, note it and go on with a stand-in."""
        try:
            return parser(text)
        except ValueError as error:
            self.add(field, str(error))
            return otherwise

    def require(self, field: str, holds: bool, message: str) -> None:
        if not holds:
            self.add(field, message)

    def check(self) -> None:
        """Raise when anything was noted. Call before the first command is submitted."""
        if self.messages:
            raise invalid(self.messages)


def invalid(fields: dict[str, str]) -> OperatorError:
    message = "; ".join(f"{name}: {text}" for name, text in fields.items())
    return OperatorError(400, "invalid_parameters", message, fields)


def unknown_cursor() -> OperatorError:
    message = "the cursor is not one of this list"
    return OperatorError(400, "invalid_cursor", message, {"cursor": "unknown"})


_AT: Final = re.compile(r"(?P<text>.*) - at `\$\.?(?P<field>[^`]*)`", re.DOTALL)
_NAMED: Final = re.compile(r"(?:missing required|contains unknown) field `(?P<field>[^`]+)`")


def from_validation(error: Exception) -> OperatorError:
    """Translate what msgspec says about a body or query into names of fields."""
    text = str(error)
    field = ""
    at = _AT.fullmatch(text)
    if at is not None:
        text, field = at["text"], at["field"]
    named = _NAMED.search(text)
    if named is not None:
        field = f"{field}.{named['field']}" if field else named["field"]
        text = "required" if "missing" in text else "unknown field"
    return invalid({field or "body": text})


NOT_FOUND: Final = frozenset(
    {
        rejections.ACCOUNT_NOT_FOUND,
        rejections.MARKET_NOT_FOUND,
        rejections.NOT_FOUND,
        rejections.ORDER_GROUP_NOT_FOUND,
    }
)

# The request was understood and is well-formed, but the exchange is not in a state to do it.
CONFLICT: Final = frozenset(
    {
        rejections.ALREADY_EXISTS,
        rejections.AVAILABLE_BALANCE_TOO_LOW,
        rejections.DUPLICATE_TRANSFER,
        rejections.EXCHANGE_PAUSED,
        rejections.INVALID_STATE,
        rejections.MARKET_ALREADY_CLOSED,
        rejections.MARKET_INACTIVE,
        rejections.TRADING_PAUSED,
    }
)


def raise_for_rejection(applied: Applied) -> Applied:
    """Pass on what was carried out; raise for what the core refused."""
    rejection = applied.rejection
    if rejection is None:
        return applied
    if rejection.code in NOT_FOUND:
        status = 404
    elif rejection.code in CONFLICT:
        status = 409
    else:
        status = 400
    message = rejection.detail
    if " " not in message:
        # A name alone, or nothing, does not tell what is wrong with it.
        reason = rejection.code.replace("_", " ")
        message = f"{reason}: {message}" if message else reason
    raise OperatorError(status, rejection.code, message)


def body_of(error: OperatorError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.fields:
        body["fields"] = error.fields
    return body
