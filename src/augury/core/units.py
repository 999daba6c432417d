"""Integer units of the core. Owns the constants; conversions to text live in ``codec``.

Money is counted in micro-dollars, a price in ten-thousandths of a dollar (1..9999), a quantity
in hundredths of a contract, time in nanoseconds since the Unix epoch. The units are chosen so
that ``price * quantity`` is exactly micro-dollars: nothing is rounded except where a fee or
settlement rule says so.
"""

from typing import Final

MICROS_PER_DOLLAR: Final = 1_000_000
MICROS_PER_CENT: Final = 10_000
MICROS_PER_CENTICENT: Final = 100

PRICE_ONE: Final = 10_000
"""The price of one dollar: a YES price p has the NO price ``PRICE_ONE - p``."""

PRICES_PER_CENT: Final = 100

QUANTITY_ONE: Final = 100
"""One whole contract."""

NANOS_PER_SECOND: Final = 1_000_000_000
NANOS_PER_MILLISECOND: Final = 1_000_000

PPM: Final = 1_000_000
"""Scale of fee multipliers: a multiplier of 1 is stored as ``PPM``."""

BID: Final = 1
"""Direction of an order that gains when YES happens (buy yes, sell no)."""

ASK: Final = -1
"""Direction of an order that gains when NO happens (buy no, sell yes)."""


def floor_to(value: int, step: int) -> int:
    """The largest multiple of ``step`` not above ``value``, also for negative values."""
    return value // step * step


def ceil_to(value: int, step: int) -> int:
    """The smallest multiple of ``step`` not below ``value``, also for negative values."""
    return -(-value // step) * step


def direction_of(action: str, side: str) -> int:
    """BID for buy yes and sell no, ASK for buy no and sell yes (rules, section 4)."""
    return BID if (action == "buy") == (side == "yes") else ASK
