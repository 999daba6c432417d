"""Trading fees: how much, how rounded, how much to hold back (rules, section 10).

Owns the arithmetic only; ``settle_fill`` in ``matching`` moves the money. A fee schedule belongs
to a series and is expressed as reduced fractions so that the usual products stay small.
"""

from math import gcd
from typing import Final

from augury.core.units import MICROS_PER_CENT, PPM, PRICE_ONE, QUANTITY_ONE

FEE_STEP: Final = 100
"""Every trade fee is rounded up to $0.0001."""

REBATE_STEP: Final = MICROS_PER_CENT
"""Once an order's rounding fees exceed one cent, one cent is given back."""

TAKER_PPM: Final = 70_000
MAKER_PPM: Final = 17_500
COMBO_MAKER_PPM: Final = 35_000

QUADRATIC: Final = "quadratic"
QUADRATIC_WITH_MAKER_FEES: Final = "quadratic_with_maker_fees"
QUADRATIC_WITH_COMBO_MAKER_FEES: Final = "quadratic_with_combo_maker_fees"
FLAT: Final = "flat"
FEE_TYPES: Final = (
    QUADRATIC,
    QUADRATIC_WITH_MAKER_FEES,
    QUADRATIC_WITH_COMBO_MAKER_FEES,
    FLAT,
)


MAX_MULTIPLIER_PPM: Final = 10 * PPM
"""Below this a better price never costs more in total, on which collateral relies."""


class FeeSchedule:
    """The fees of one series: ``taker`` and ``maker`` in micro-dollars for one fill.

    A fee never exceeds the cheaper side of the contracts traded, so closing a position never
    costs cash.
    """

    __slots__ = (
        "fee_type",
        "flat_numerator",
        "maker_denominator",
        "maker_numerator",
        "multiplier_ppm",
        "taker_denominator",
        "taker_numerator",
    )

    def __init__(self, fee_type: str, multiplier_ppm: int) -> None:
        self.fee_type = fee_type
        self.multiplier_ppm = multiplier_ppm
        taker_ppm = 0 if fee_type == FLAT else TAKER_PPM
        maker_ppm = 0
        if fee_type == QUADRATIC_WITH_MAKER_FEES:
            maker_ppm = MAKER_PPM
        elif fee_type == QUADRATIC_WITH_COMBO_MAKER_FEES:
            maker_ppm = COMBO_MAKER_PPM
        self.taker_numerator, self.taker_denominator = _quadratic(taker_ppm, multiplier_ppm)
        self.maker_numerator, self.maker_denominator = _quadratic(maker_ppm, multiplier_ppm)
        self.flat_numerator = multiplier_ppm * MICROS_PER_CENT if fee_type == FLAT else 0

    def taker(self, quantity: int, price: int) -> int:
        """Taker fee of ``quantity`` at YES price ``price``, rounded up to $0.0001."""
        cheaper_side = quantity * (min(PRICE_ONE - price, price))
        if self.flat_numerator:
            weight = self.flat_numerator * quantity
            fee = -(-weight // (QUANTITY_ONE * PPM * FEE_STEP)) * FEE_STEP
        else:
            weight = self.taker_numerator * quantity * price * (PRICE_ONE - price)
            fee = -(-weight // self.taker_denominator) * FEE_STEP
        return min(cheaper_side, fee)

    def maker(self, quantity: int, price: int) -> int:
        """Maker fee of ``quantity`` at YES price ``price``, rounded up to $0.0001."""
        if not self.maker_numerator:
            return 0
        cheaper_side = quantity * (min(PRICE_ONE - price, price))
        weight = self.maker_numerator * quantity * price * (PRICE_ONE - price)
        fee = -(-weight // self.maker_denominator) * FEE_STEP
        return min(cheaper_side, fee)

    def worst_case(self, lot: int, own_price: int) -> int:
        """What one lot bought at ``own_price`` or better can cost in fees, however it is split.

        Each fill of an order is a whole number of lots, so the fees of its fills never add up
        to more than this times the lots. Fees are highest at half a dollar: above it a better
        price may cost a step more in fees, and for less than a whole contract that step may be
        more than the price improved.
        """
        fee = self.taker(lot, own_price)
        if fee and lot < QUANTITY_ONE and own_price > PRICE_ONE // 2:
            fee += FEE_STEP
        return fee


def _quadratic(rate_ppm: int, multiplier_ppm: int) -> tuple[int, int]:
    """Fraction f with fee = ceil(f.num * quantity * p * (1 - p) / f.den) * FEE_STEP."""
    numerator = rate_ppm * multiplier_ppm
    denominator = PPM * PPM * PRICE_ONE * FEE_STEP
    divisor = gcd(numerator, denominator)
    return numerator // divisor, denominator // divisor
