"""Price grids: which prices a market accepts (rules, section 3).

A grid is a tuple of bands (start, end, step) in price units. The label of a structure is only a
name; the bands decide.
"""

from math import gcd
from typing import Final

from augury.core.units import PRICE_ONE

Band = tuple[int, int, int]


def _tapered(edge: int, edge_step: int, center_step: int) -> tuple[Band, ...]:
    return (
        (0, edge, edge_step),
        (edge, PRICE_ONE - edge, center_step),
        (PRICE_ONE - edge, PRICE_ONE, edge_step),
    )


PRICE_LEVEL_STRUCTURES: Final[dict[str, tuple[Band, ...]]] = {
    "linear_cent": ((0, PRICE_ONE, 100),),
    "deci_cent": ((0, PRICE_ONE, 10),),
    "tapered_deci_cent": _tapered(1_000, 10, 100),
    "center_whole_edge_half_cent": _tapered(1_000, 50, 100),
    "center_whole_edge_quint_cent": _tapered(1_000, 20, 100),
    "center_half_edge_half_cent": ((0, PRICE_ONE, 50),),
    "center_half_edge_quint_cent": _tapered(1_000, 20, 50),
    "center_half_edge_deci_cent": _tapered(1_000, 10, 50),
    "center_quint_edge_quint_cent": ((0, PRICE_ONE, 20),),
    "center_quint_edge_deci_cent": _tapered(1_000, 10, 20),
    "center_centi_edge_centi_cent": ((0, PRICE_ONE, 1),),
    "center_deci_edge_centi_cent": _tapered(100, 1, 10),
}


def is_on_grid(bands: tuple[Band, ...], price: int) -> bool:
    """Whether ``price`` may be used: strictly inside (0, $1) and on the step of some band."""
    if not 0 < price < PRICE_ONE:
        return False
    for start, end, step in bands:
        if start <= price <= end and (price - start) % step == 0:
            return True
    return False


def is_valid_grid(bands: tuple[Band, ...]) -> bool:
    """Whether the bands are ordered, join without gaps from 0 to $1, and have whole steps.

    The complement of every valid price must be valid too, or a NO order could not be priced.
    """
    expected_start = 0
    for start, end, step in bands:
        if start != expected_start or end <= start or step <= 0 or (end - start) % step:
            return False
        expected_start = end
    if expected_start != PRICE_ONE:
        return False
    return all(
        is_on_grid(bands, PRICE_ONE - price)
        for start, end, step in bands
        for price in range(start, end, step)
        if price
    )


def refines(new: tuple[Band, ...], old: tuple[Band, ...]) -> bool:
    """Whether every valid price of ``old`` is valid in ``new``, so resting orders may stay."""
    return all(
        is_on_grid(new, price)
        for start, end, step in old
        for price in range(start, end + 1, step)
        if 0 < price < PRICE_ONE
    )


def single_step(bands: tuple[Band, ...]) -> int:
    """The step of a valid grid that has one everywhere; 0 where it has several bands."""
    return bands[0][2] if len(bands) == 1 else 0


def common_step(bands: tuple[Band, ...]) -> int:
    """The largest number that divides every price of the grid."""
    step = 0
    for start, _, band_step in bands:
        step = gcd(step, gcd(start, band_step))
    return step
