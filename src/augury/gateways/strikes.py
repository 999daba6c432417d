"""In which order the markets of a directional event are nested, read from their strikes.

The core returns collateral across such an event only when it knows the order (rules, section 9,
DIRECNET); strikes are descriptive data, which the core does not read.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_ABOVE: Final = {"greater_or_equal": 0, "greater": 1}
_BELOW: Final = {"less": 0, "less_or_equal": 1}
"""Of two markets with the same strike, the one that stands first."""


def strike_order(
    markets: Iterable[tuple[str, Mapping[str, Any]]],
) -> tuple[tuple[str, ...], bool] | None:
    """(tickers from the lowest strike to the highest, whether YES means below it).

    ``markets`` are tickers with their descriptive data. None when the strikes are not all on one
    side, or not all numbers: then nothing is nested.
    """
    found = list(markets)
    for sides, field, below in ((_ABOVE, "floor_strike", False), (_BELOW, "cap_strike", True)):
        rows: list[tuple[float, int, str]] = []
        for ticker, details in found:
            side, strike = details.get("strike_type"), details.get(field)
            if side in sides and isinstance(strike, int | float) and not isinstance(strike, bool):
                rows.append((strike, sides[side], ticker))
        if rows and len(rows) == len(found):
            return tuple(row[2] for row in sorted(rows)), below
    return None
