"""The arithmetic of fees (rules, section 10)."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.core.fees import (
    COMBO_MAKER_PPM,
    FEE_STEP,
    FEE_TYPES,
    FLAT,
    MAKER_PPM,
    QUADRATIC,
    QUADRATIC_WITH_COMBO_MAKER_FEES,
    QUADRATIC_WITH_MAKER_FEES,
    TAKER_PPM,
    FeeSchedule,
)
from augury.core.units import PPM, PRICE_ONE, QUANTITY_ONE

quantities = st.integers(1, 1_000 * QUANTITY_ONE)
prices = st.integers(1, PRICE_ONE - 1)
multipliers = st.integers(0, 10 * PPM)


def documented(rate_ppm: int, multiplier_ppm: int, quantity: int, price: int) -> int:
    """Rate x multiplier x C x P x (1 - P), up to $0.0001, but never above the cheaper side."""
    contracts, dollars = Fraction(quantity, QUANTITY_ONE), Fraction(price, PRICE_ONE)
    fee = Fraction(rate_ppm, PPM) * Fraction(multiplier_ppm, PPM) * contracts
    fee *= dollars * (1 - dollars)
    steps = ceil(fee * PPM / FEE_STEP)
    return min(steps * FEE_STEP, quantity * min(price, PRICE_ONE - price))


@given(quantity=quantities, price=prices, multiplier=multipliers)
def test_fees_follow_the_documented_formula(quantity: int, price: int, multiplier: int) -> None:
    makers = {
        QUADRATIC: 0,
        QUADRATIC_WITH_MAKER_FEES: MAKER_PPM,
        QUADRATIC_WITH_COMBO_MAKER_FEES: COMBO_MAKER_PPM,
    }
    for fee_type, maker_ppm in makers.items():
        fees = FeeSchedule(fee_type, multiplier)
        assert fees.taker(quantity, price) == documented(TAKER_PPM, multiplier, quantity, price)
        assert fees.maker(quantity, price) == documented(maker_ppm, multiplier, quantity, price)


@given(quantity=quantities, price=prices, multiplier=multipliers)
def test_a_flat_fee_is_a_cent_per_contract_for_the_taker(
    quantity: int, price: int, multiplier: int
) -> None:
    fees = FeeSchedule(FLAT, multiplier)
    cents = Fraction(multiplier, PPM) * Fraction(quantity, QUANTITY_ONE)
    expected = ceil(cents * 10_000 / FEE_STEP) * FEE_STEP
    cheaper_side = quantity * min(price, PRICE_ONE - price)
    assert fees.taker(quantity, price) == min(expected, cheaper_side)
    assert fees.maker(quantity, price) == 0


@pytest.mark.parametrize(
    "contracts, dollars, fee",
    [
        (1, 0.50, 0.0175),
        (100, 0.50, 1.75),
        (1, 0.01, 0.0007),
        (1, 0.99, 0.0007),
        (10, 0.33, 0.1548),
    ],
)
def test_takers_pay_seven_percent_of_the_variance(
    contracts: int, dollars: float, fee: float
) -> None:
    schedule = FeeSchedule(QUADRATIC, PPM)
    paid = schedule.taker(contracts * QUANTITY_ONE, round(dollars * PRICE_ONE))
    assert paid == round(fee * PPM)


@given(
    fee_type=st.sampled_from(FEE_TYPES),
    multiplier=multipliers,
    lot=st.sampled_from((1, QUANTITY_ONE)),
    own_price=prices,
    better_by=st.integers(0, PRICE_ONE),
    lots=st.integers(1, 500),
)
def test_no_fill_at_the_price_or_a_better_one_costs_more_than_the_worst_case(
    fee_type: str, multiplier: int, lot: int, own_price: int, better_by: int, lots: int
) -> None:
    """Price and fee together, because a better price may cost more in fees than the worse one."""
    fees = FeeSchedule(fee_type, multiplier)
    worst = lots * (own_price * lot + fees.worst_case(lot, own_price))
    price = max(1, own_price - better_by)
    assert lots * lot * price + fees.taker(lots * lot, price) <= worst
    assert lots * lot * price + fees.maker(lots * lot, price) <= worst
    assert lots * (lot * price + fees.taker(lot, price)) <= worst
