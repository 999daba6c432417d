"""Query parameters: declared once, read and documented from the same declaration.

A parameter that is absent or empty has its default. Unknown names are ignored, malformed values
of known names are refused (rest.md, section 1). Every list may come as a comma-separated text or
as a repeated name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

from augury.core.state import MAX_SUBACCOUNT
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.rest.errors import invalid

T = TypeVar("T")

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
PRINTABLE: Final = r"^[^\u0000-\u001f\u007f]*$"
"""What is left of texts without control characters, as a pattern for the document."""
_MAXIMUM_PAIRS: Final = 200

LATEST_NS: Final = (1 << 63) - 1
"""Times beyond what 64 bits hold mean the same as the last one that they hold."""


class Parameter(Generic[T]):
    """One query parameter. ``schema`` describes it in the OpenAPI document.

    Whether a ``required`` one is there is for the handler to see, which knows what it means.
    """

    __slots__ = ("default", "description", "name", "parse", "required", "schema")

    def __init__(
        self,
        name: str,
        parse: Callable[[Sequence[str]], T],
        default: T,
        schema: Mapping[str, Any],
        description: str,
        *,
        required: bool = False,
    ) -> None:
        self.name = name
        self.parse = parse
        self.default = default
        self.schema = schema
        self.description = description
        self.required = required


def parse_query(query: bytes) -> dict[str, list[str]]:
    """The values of each name, in the order they came. Raises ``ApiError``."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAXIMUM_PAIRS,
        )
    except ValueError:
        raise invalid("the query string is malformed") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if _CONTROL.search(value):
            raise invalid(f"{name} contains a control character")
        values.setdefault(name, []).append(value)
    return values


def integer(
    name: str,
    description: str,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    default: int,
) -> Parameter[int]:
    def parse(values: Sequence[str]) -> int:
        return _bounded(name, values[0], minimum, maximum)

    schema: dict[str, Any] = {"type": "integer", "default": default}
    if minimum is not None:
        schema["minimum"] = minimum
    if maximum is not None:
        schema["maximum"] = maximum
    return Parameter(name, parse, default, schema, description)


def optional_integer(
    name: str, description: str, *, minimum: int, maximum: int, required: bool = False
) -> Parameter[int | None]:
    def parse(values: Sequence[str]) -> int | None:
        return _bounded(name, values[0], minimum, maximum)

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Parameter(name, parse, None, schema, description, required=required)


def time_seconds(name: str, description: str) -> Parameter[int | None]:
    """Unix seconds in, nanoseconds out."""

    def parse(values: Sequence[str]) -> int | None:
        return min(_bounded(name, values[0], None, None) * NANOS_PER_SECOND, LATEST_NS)

    return Parameter(name, parse, None, {"type": "integer", "format": "int64"}, description)


def text(
    name: str, description: str, *, format: str = "", required: bool = False
) -> Parameter[str]:
    """Any text. ``format`` is what the document calls it; handlers see to it."""
    schema: dict[str, Any] = {"type": "string", "pattern": PRINTABLE}
    if format:
        schema = {"type": "string", "format": format}
    if required:
        schema["minLength"] = 1
    return Parameter(name, lambda values: values[0], "", schema, description, required=required)


def choice(
    name: str, choices: Sequence[str], description: str, default: str = ""
) -> Parameter[str]:
    def parse(values: Sequence[str]) -> str:
        if values[0] not in choices:
            raise invalid(f"{name} must be one of {', '.join(choices)}")
        return values[0]

    return Parameter(name, parse, "", {"type": "string", "enum": list(choices)}, description)


def flag(name: str, description: str) -> Parameter[bool]:
    def parse(values: Sequence[str]) -> bool:
        value = values[0].lower()
        if value in {"true", "1"}:
            return True
        if value in {"false", "0"}:
            return False
        raise invalid(f"{name} must be true or false")

    return Parameter(name, parse, False, {"type": "boolean", "default": False}, description)


def optional_flag(name: str, description: str) -> Parameter[bool | None]:
    """Without it, it does not matter."""
    return Parameter(name, flag(name, description).parse, None, {"type": "boolean"}, description)


def texts(
    name: str,
    description: str,
    *,
    maximum: int = 1000,
    required: bool = False,
    repeated: bool = False,
) -> Parameter[tuple[str, ...]]:
    """Several texts without commas in them; duplicates count once.

    Commas and repeated names are understood in any case; the document shows the usual way.
    """

    def parse(values: Sequence[str]) -> tuple[str, ...]:
        parts = dict.fromkeys(
            part for value in values for piece in value.split(",") if (part := piece.strip())
        )
        if len(parts) > maximum:
            raise invalid(f"{name} takes at most {maximum} values")
        return tuple(parts)

    schema: dict[str, Any] = {"type": "string", "pattern": PRINTABLE}
    if required:
        schema["minLength"] = 1
    if repeated:
        schema = {"type": "array", "items": schema, "maxItems": maximum}
    return Parameter(
        name,
        parse,
        (),
        schema,
        description if repeated else f"{description} Comma-separated, or repeat the name.",
        required=required,
    )


def _bounded(name: str, value: str, minimum: int | None, maximum: int | None) -> int:
    if _INTEGER.fullmatch(value) is None:
        raise invalid(f"{name} must be an integer")
    number = int(value)
    if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
        if minimum is None:
            raise invalid(f"{name} must be at most {maximum}")
        if maximum is None:
            raise invalid(f"{name} must be at least {minimum}")
        raise invalid(f"{name} must be between {minimum} and {maximum}")
    return number


# --- parameters that several operations share ------------------------------------------------


def limit(maximum: int, default: int = 100) -> Parameter[int]:
    return integer(
        "limit", "How many rows one page has at most.", minimum=1, maximum=maximum, default=default
    )


CURSOR: Final = text("cursor", "Continue after the page that answered with this cursor.")
TICKER: Final = text("ticker", "Only this market.")
SERIES_TICKER: Final = text("series_ticker", "Only this series.")
EVENT_TICKERS: Final = texts("event_ticker", "Only these events, at most 10.", maximum=10)
MIN_TS: Final = time_seconds("min_ts", "Not before this Unix time.")
MAX_TS: Final = time_seconds("max_ts", "Before this Unix time.")
SUBACCOUNT: Final = optional_integer(
    "subaccount", "Only this subaccount; without it all of them.", minimum=0, maximum=MAX_SUBACCOUNT
)
NEW_FOR_SUBACCOUNT: Final = optional_integer(
    "subaccount",
    "Whom it is for, unless the body says so; without both, the primary one.",
    minimum=0,
    maximum=MAX_SUBACCOUNT,
)
OWNING_SUBACCOUNT: Final = optional_integer(
    "subaccount",
    "Whose order it has to be. Without it the order decides; in the profile `latest` it has to be"
    " the primary one's.",
    minimum=0,
    maximum=MAX_SUBACCOUNT,
)
OWNING_SUBACCOUNT_V2: Final = optional_integer(
    "subaccount",
    "Whose order it has to be; without it, the primary one's.",
    minimum=0,
    maximum=MAX_SUBACCOUNT,
)
"""The same parameter to those who read it, and something else to those who set it."""

EXCHANGE_INDEX: Final = integer(
    "exchange_index",
    "The shard: 0, or -1 to let the server choose.",
    minimum=-1,
    maximum=0,
    default=0,
)
"""There is one shard. Every operation understands the parameter, so that none documents it."""

SUBACCOUNT_OR_PRIMARY: Final = integer(
    "subaccount",
    "Which subaccount; 0 is the primary one.",
    minimum=0,
    maximum=MAX_SUBACCOUNT,
    default=0,
)
