"""Numbers and times as FIX fields have them, and back (fix.md, section 7).

Owns the two price modes: whole cents with decimals where needed, or dollars with four. Parsers
take what the dictionary has let through; they raise ``ValueError`` for numbers beyond the
exchange's units.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from augury.codec.text import price_dollars
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

EASTERN: Final = ZoneInfo("America/New_York")
LARGEST_QUANTITY: Final = 1_000_000_000 * QUANTITY_ONE
"""Beyond it a number is a mistake, and the log has 64 bits."""
LARGEST_AMOUNT: Final = 10_000_000_000 * MICROS_PER_DOLLAR

_EPOCH: Final = date(1970, 1, 1).toordinal()


# --- writing ---------------------------------------------------------------------------------


@lru_cache(maxsize=2 * PRICE_ONE)
def price_text(price: int, use_dollars: bool) -> str:
    """A price between 0 and 1: 7250 is ``72.5`` in cents, ``0.7250`` in dollars."""
    if use_dollars:
        return price_dollars(price)
    cents, rest = divmod(price, PRICES_PER_CENT)
    return f"{cents}.{rest:02d}".rstrip("0") if rest else str(cents)


def average_text(value: int, quantity: int, use_dollars: bool) -> str:
    """The mean price of ``quantity`` that cost ``value`` in all; 0 for nothing.

    Rounded half up to what a price can say: four decimals of a dollar, two of a cent.
    """
    if quantity == 0:
        return "0"
    return price_text((2 * value + quantity) // (2 * quantity), use_dollars)


def quantity_text(quantity: int) -> str:
    """Hundredths of a contract with two decimals: ``10.00``."""
    return f"{quantity // QUANTITY_ONE}.{quantity % QUANTITY_ONE:02d}"


def size_text(quantity: int) -> str:
    """Hundredths of a contract, without decimals where there are none: ``10``, ``0.25``."""
    return quantity_text(quantity) if quantity % QUANTITY_ONE else str(quantity // QUANTITY_ONE)


def amount_text(micros: int) -> str:
    """Micro-dollars as dollars: two decimals, four or six where that is needed."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), MICROS_PER_DOLLAR)
    if rest % MICROS_PER_CENT == 0:
        return f"{sign}{whole}.{rest // MICROS_PER_CENT:02d}"
    if rest % MICROS_PER_CENTICENT == 0:
        return f"{sign}{whole}.{rest // MICROS_PER_CENTICENT:04d}"
    return f"{sign}{whole}.{rest:06d}"


def cents_text(price: int) -> str:
    """A settlement price in cents with two decimals: 3060 is ``30.60``."""
    return f"{price // PRICES_PER_CENT}.{price % PRICES_PER_CENT:02d}"


@lru_cache(maxsize=1024)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")


def time_text(ns: int) -> str:
    """A time as ``20260301-14:00:00.000``, rounded down."""
    seconds, rest = divmod(ns, NANOS_PER_SECOND)
    return f"{_second_text(seconds)}.{rest // NANOS_PER_MILLISECOND:03d}"


def business_date(ns: int) -> str:
    """The date in New York."""
    return datetime.fromtimestamp(ns // NANOS_PER_SECOND, EASTERN).strftime("%Y%m%d")


# --- reading ---------------------------------------------------------------------------------


def _scaled(text: str, decimals: int) -> int:
    """A decimal number times 10 to the ``decimals``. Raises ``ValueError`` for finer ones."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-").partition(".")
    kept, rest = fraction[:decimals], fraction[decimals:]
    if rest.strip("0"):
        raise ValueError("too many decimals")
    return sign * int(whole + kept.ljust(decimals, "0"))


def parse_price(text: str, use_dollars: bool) -> int:
    """A price in the session's mode, between 0 and 1, both excluded. Raises ``ValueError``."""
    price = _scaled(text, 4 if use_dollars else 2)
    if not 0 < price < PRICE_ONE:
        raise ValueError("price must be above 0 and below 1 dollar")
    return price


def parse_quantity(text: str) -> int:
    """A positive number of contracts, in hundredths. Raises ``ValueError``."""
    quantity = _scaled(text, 2)
    if not 0 < quantity <= LARGEST_QUANTITY:
        raise ValueError("quantity must be positive")
    return quantity


def parse_amount(text: str) -> int:
    """A positive amount of dollars, in micro-dollars. Raises ``ValueError``."""
    micros = _scaled(text, 6)
    if not 0 < micros <= LARGEST_AMOUNT:
        raise ValueError("amount must be positive")
    return micros


def parse_time(text: str) -> int:
    """Nanoseconds of ``20260301-14:00:00`` with or without decimals. Raises ``ValueError``."""
    day = date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() - _EPOCH
    seconds = int(text[9:11]) * 3600 + int(text[12:14]) * 60 + int(text[15:17])
    fraction = text[18:].ljust(9, "0") if len(text) > 18 else "0"
    return (day * 86_400 + seconds) * NANOS_PER_SECOND + int(fraction)


def end_of_day(ns: int) -> int:
    """23:59:59.999 in New York on the day of ``ns``, whose offset is that of the evening."""
    local = datetime.fromtimestamp(ns // NANOS_PER_SECOND, EASTERN)
    midnight = datetime.combine(local.date() + timedelta(days=1), time.min, EASTERN)
    return int(midnight.timestamp()) * NANOS_PER_SECOND - NANOS_PER_MILLISECOND


def complement(quantity: int, value: int) -> int:
    """What ``quantity`` cost in YES prices when it cost ``value`` in NO prices."""
    return quantity * PRICE_ONE - value
