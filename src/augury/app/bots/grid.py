"""The prices a market accepts, as the public API describes them in ``price_ranges``."""

from collections.abc import Sequence
from typing import Any, Final

from augury.client.units import price_units

ONE_DOLLAR: Final = 10_000
"""Prices are ten-thousandths of a dollar here."""


class Grid:
    """Rounds to valid prices of one market."""

    __slots__ = ("_bands",)

    def __init__(self, bands: Sequence[tuple[int, int, int]]) -> None:
        self._bands = tuple(bands) or ((0, ONE_DOLLAR, 100),)

    @classmethod
    def from_api(cls, ranges: Sequence[dict[str, Any]] | None) -> "Grid":
        """Read ``price_ranges``; a market without them has steps of one cent."""
        return cls(
            [
                (price_units(band["start"]), price_units(band["end"]), price_units(band["step"]))
                for band in ranges or []
            ]
        )

    @property
    def lowest(self) -> int:
        return self._bands[0][0] + self._bands[0][2]

    @property
    def highest(self) -> int:
        return self._bands[-1][1] - self._bands[-1][2]

    def step_at(self, price: int) -> int:
        """The distance between neighbouring prices around ``price``."""
        for start, end, step in self._bands:
            if start <= price < end:
                return step
        return self._bands[-1][2]

    def down(self, price: int) -> int:
        """The highest valid price not above ``price``; 0 when there is none."""
        if price < self.lowest:
            return 0
        if price >= self.highest:
            return self.highest
        for start, end, step in self._bands:
            if start <= price < end:
                return start + (price - start) // step * step
        return 0

    def up(self, price: int) -> int:
        """The lowest valid price not below ``price``; one dollar when there is none."""
        # Every grid mirrors itself, because YES and NO are priced on the same one.
        below = self.down(ONE_DOLLAR - price)
        return ONE_DOLLAR - below
