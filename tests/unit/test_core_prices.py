"""Which prices each structure accepts (rules, section 3)."""

import pytest

from augury.core.prices import (
    PRICE_LEVEL_STRUCTURES,
    common_step,
    is_on_grid,
    is_valid_grid,
    refines,
)
from augury.core.units import PRICE_ONE

# structure | number of prices | some that are valid | some that are not; in dollars
TABLE = """
linear_cent                  |   99 | 0.01 0.50 0.99               | 0.005 0.015 0.4999
deci_cent                    |  999 | 0.001 0.123 0.999            | 0.0005 0.1235 0.9995
tapered_deci_cent            |  279 | 0.001 0.099 0.10 0.11 0.901 0.999 | 0.105 0.501 0.895 0.0995
center_whole_edge_half_cent  |  119 | 0.005 0.095 0.10 0.11 0.905 0.995 | 0.105 0.895 0.003 0.997
center_whole_edge_quint_cent |  179 | 0.002 0.098 0.10 0.11 0.902 0.998 | 0.102 0.898 0.001 0.999
center_half_edge_half_cent   |  199 | 0.005 0.105 0.995            | 0.002 0.1025 0.998
center_half_edge_quint_cent  |  259 | 0.002 0.098 0.105 0.895 0.998 | 0.102 0.001 0.899
center_half_edge_deci_cent   |  359 | 0.001 0.099 0.105 0.895 0.999 | 0.101 0.104 0.0005
center_quint_edge_quint_cent |  499 | 0.002 0.502 0.998            | 0.001 0.501 0.999
center_quint_edge_deci_cent  |  599 | 0.001 0.099 0.102 0.898 0.999 | 0.101 0.899 0.0005
center_centi_edge_centi_cent | 9999 | 0.0001 0.5001 0.9999         |
center_deci_edge_centi_cent  | 1179 | 0.0001 0.0099 0.01 0.011 0.99 0.9901 | 0.0105 0.5001 0.9895
"""
ROWS = [
    (cells[0].strip(), int(cells[1]), cells[2].split(), cells[3].split())
    for cells in (line.split("|") for line in TABLE.strip().splitlines())
]


def units(dollars: str) -> int:
    return round(float(dollars) * PRICE_ONE)


def test_every_structure_is_in_the_table() -> None:
    assert {row[0] for row in ROWS} == set(PRICE_LEVEL_STRUCTURES)


@pytest.mark.parametrize("name, count, valid, invalid", ROWS, ids=[row[0] for row in ROWS])
def test_a_structure_accepts_its_prices_and_no_others(
    name: str, count: int, valid: list[str], invalid: list[str]
) -> None:
    bands = PRICE_LEVEL_STRUCTURES[name]
    grid = [price for price in range(-1, PRICE_ONE + 2) if is_on_grid(bands, price)]
    assert len(grid) == count
    assert [price for price in valid if units(price) not in grid] == []
    assert [price for price in invalid if units(price) in grid] == []


@pytest.mark.parametrize("name", PRICE_LEVEL_STRUCTURES)
def test_nothing_and_a_dollar_are_no_prices_and_complements_are(name: str) -> None:
    bands = PRICE_LEVEL_STRUCTURES[name]
    assert is_valid_grid(bands)
    assert not is_on_grid(bands, 0)
    assert not is_on_grid(bands, PRICE_ONE)
    for price in range(1, PRICE_ONE):
        assert is_on_grid(bands, price) == is_on_grid(bands, PRICE_ONE - price)
        if is_on_grid(bands, price):
            assert price % common_step(bands) == 0


@pytest.mark.parametrize(
    "bands",
    [
        (),
        ((0, 9_000, 100),),
        ((100, 10_000, 100),),
        ((0, 5_000, 100), (6_000, 10_000, 100)),
        ((0, 10_000, 0),),
        ((0, 10_000, -100),),
        ((0, 10_000, 300),),
        ((5_000, 10_000, 100), (0, 5_000, 100)),
        ((0, 10**12, 100),),
        # 0.15 would be a price, but its complement 0.85 would not.
        ((0, 2_000, 50), (2_000, 10_000, 100)),
    ],
)
def test_a_grid_with_gaps_or_lopsided_is_none(bands: tuple[tuple[int, int, int], ...]) -> None:
    assert not is_valid_grid(bands)


# Each of these moves keeps every resting order on the grid; the way back does not.
FINER = [
    ("linear_cent", "deci_cent"),
    ("linear_cent", "tapered_deci_cent"),
    ("tapered_deci_cent", "deci_cent"),
    ("center_whole_edge_half_cent", "center_half_edge_half_cent"),
    ("center_half_edge_deci_cent", "deci_cent"),
    ("deci_cent", "center_deci_edge_centi_cent"),
    ("deci_cent", "center_centi_edge_centi_cent"),
]


@pytest.mark.parametrize("coarse, fine", FINER)
def test_a_finer_grid_contains_the_coarser_one(coarse: str, fine: str) -> None:
    old, new = PRICE_LEVEL_STRUCTURES[coarse], PRICE_LEVEL_STRUCTURES[fine]
    assert refines(new, old)
    assert refines(new, new)
    assert not refines(old, new)
