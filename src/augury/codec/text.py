"""Numbers and times as the public API writes them, and back. Owns every such conversion.

Nothing here uses floats. The formats are those of reference/README.md (units) and compat.md,
section 1: dollar strings with 4 decimals unless the value needs more, then 6; counts with 2
decimals; times in UTC with ``Z`` and at most microseconds, trailing zeros trimmed.

Parsers take text from strangers: they accept plain ASCII digits of bounded length and raise
``ValueError`` with a message fit for an answer for anything else.
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from augury.core.units import (
    MICROS_PER_CENT,
    MICROS_PER_CENTICENT,
    MICROS_PER_DOLLAR,
    NANOS_PER_MILLISECOND,
    NANOS_PER_SECOND,
    PRICE_ONE,
    PRICES_PER_CENT,
    QUANTITY_ONE,
)

_DOLLARS: Final = re.compile(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,6}))?")
_COUNT: Final = re.compile(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,2})0{0,4})?")
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


# --- money -----------------------------------------------------------------------------------


def dollars(micros: int) -> str:
    """Micro-dollars as a dollar string: ``"0.4100"``, ``"-12.3456"``, ``"0.000001"``."""
    sign = ""
    if micros < 0:
        sign = "-"
        micros = -micros
    whole, rest = divmod(micros, MICROS_PER_DOLLAR)
    if rest % MICROS_PER_CENTICENT:
        return f"{sign}{whole}.{rest:06d}"
    return f"{sign}{whole}.{rest // MICROS_PER_CENTICENT:04d}"


@lru_cache(maxsize=2 * PRICE_ONE)
def price_dollars(price: int) -> str:
    """A price (ten-thousandths of a dollar) as a dollar string: 4100 is ``"0.4100"``."""
    if price < 0:
        return "-" + price_dollars(-price)
    return f"{price // PRICE_ONE}.{price % PRICE_ONE:04d}"


def price_cents(price: int) -> int:
    """A price in whole cents, rounded down (compat.md, section 1)."""
    return price // PRICES_PER_CENT


def cents_floor(micros: int) -> int:
    """Micro-dollars in whole cents, rounded down; for costs and balances."""
    return micros // MICROS_PER_CENT


def cents_ceil(micros: int) -> int:
    """Micro-dollars in whole cents, rounded up; for fees (compat.md, section 1)."""
    return -(-micros // MICROS_PER_CENT)


def centicents(micros: int) -> int:
    """Micro-dollars in ten-thousandths of a dollar, rounded down."""
    return micros // MICROS_PER_CENTICENT


def parse_dollars(text: str) -> int:
    """A dollar string with 0 to 6 decimals in micro-dollars; may be negative."""
    match = _DOLLARS.fullmatch(text)
    if match is None:
        raise ValueError("expected a dollar amount such as 0.4100")
    sign, whole, decimals = match.groups()
    micros = int(whole) * MICROS_PER_DOLLAR
    if decimals:
        micros += int(decimals.ljust(6, "0"))
    return -micros if sign else micros


def parse_price(text: str) -> int:
    """A dollar string as a price; refuses what is not a multiple of $0.0001."""
    price, off_grid = divmod(parse_dollars(text), MICROS_PER_CENTICENT)
    if off_grid:
        raise ValueError("price must be a multiple of 0.0001 dollars")
    return price


# --- counts ----------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def count_fp(quantity: int) -> str:
    """Hundredths of a contract as a count string: 2500 is ``"25.00"``."""
    if quantity < 0:
        return "-" + count_fp(-quantity)
    return f"{quantity // QUANTITY_ONE}.{quantity % QUANTITY_ONE:02d}"


def count_floor(quantity: int) -> int:
    """Whole contracts, rounded towards zero, so that a position keeps its sign."""
    if quantity < 0:
        return -(-quantity // QUANTITY_ONE)
    return quantity // QUANTITY_ONE


def parse_count(text: str) -> int:
    """A count string in hundredths of a contract; decimals past the second must be zeros."""
    match = _COUNT.fullmatch(text)
    if match is None:
        raise ValueError("expected a count of contracts such as 10.00")
    sign, whole, decimals = match.groups()
    quantity = int(whole) * QUANTITY_ONE
    if decimals:
        quantity += int(decimals.ljust(2, "0"))
    return -quantity if sign else quantity


# --- times -----------------------------------------------------------------------------------


def seconds(ns: int) -> int:
    """Whole Unix seconds, rounded down."""
    return ns // NANOS_PER_SECOND


def milliseconds(ns: int) -> int:
    """Whole Unix milliseconds, rounded down."""
    return ns // NANOS_PER_MILLISECOND


def nanos(unix_seconds: int) -> int:
    """The core's time for a Unix time in seconds."""
    return unix_seconds * NANOS_PER_SECOND


@lru_cache(maxsize=8192)
def _second_text(unix_seconds: int) -> str:
    """Without the zone. Cached because the times of one answer crowd into few seconds."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat()[:19]


def rfc3339(ns: int) -> str:
    """A time as ``2026-01-12T14:59:36.37315Z``: microseconds, trailing zeros trimmed."""
    whole, rest = divmod(ns, NANOS_PER_SECOND)
    if rest >= 1000:
        return f"{_second_text(whole)}.{rest // 1000:06d}".rstrip("0") + "Z"
    return _second_text(whole) + "Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the Unix epoch of an RFC 3339 time with ``Z`` or an offset."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("expected an RFC 3339 time such as 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, _, sign, offset_hours, offset_minutes = match.groups()[6:]
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError("no such date") from None
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time of day")
    total = days * 86_400 + hour * 3600 + minute * 60 + second
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError("no such offset from UTC")
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        total += -offset if sign == "+" else offset
    return total * NANOS_PER_SECOND + (int(fraction.ljust(9, "0")) if fraction else 0)
