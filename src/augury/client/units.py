"""Prices and counts as whole numbers: ten-thousandths of a dollar, hundredths of a contract.

The API writes both as decimal strings. Binary floating point cannot hold most of them, so a book
kept in floats drifts; these four functions are the only place where text becomes a number.
"""

from decimal import Decimal, InvalidOperation


def price_units(dollars: str) -> int:
    """``"0.4150"`` -> 4150. Raises ``ValueError`` for text that is no such price."""
    return _scaled(dollars, 4)


def dollars_text(price: int) -> str:
    """4150 -> ``"0.4150"``."""
    sign = "-" if price < 0 else ""
    whole, rest = divmod(abs(price), 10_000)
    return f"{sign}{whole}.{rest:04d}"


def count_units(count: str) -> int:
    """``"25.50"`` -> 2550. Raises ``ValueError`` for text that is no such count."""
    return _scaled(count, 2)


def count_text(count: int) -> str:
    """2550 -> ``"25.50"``."""
    sign = "-" if count < 0 else ""
    whole, rest = divmod(abs(count), 100)
    return f"{sign}{whole}.{rest:02d}"


def _scaled(text: str, decimals: int) -> int:
    # The usual shape is read without Decimal, which costs ten times as much.
    whole, point, fraction = text.partition(".")
    if point and len(fraction) == decimals and fraction.isdigit() and whole.isdigit():
        return int(whole + fraction)
    try:
        value = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        raise ValueError(f"not a number: {text!r}") from None
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"{text!r} has more than {decimals} decimals")
    return int(value)
