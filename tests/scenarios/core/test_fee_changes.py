"""Fees that change at their time, for fills and for what resting orders hold back (section 10)."""

import pytest

from augury.core.units import MICROS_PER_DOLLAR
from tests.core_stage import Stage

TABLES = {
    "new terms come at their time, in order": """
        exchange fees quadratic 1 10        ->
        exchange fees flat 2 20             ->
        exchange fees quadratic 0.5 20      ->
        wait    9.999                       ->
        wait    0.001                       -> fees quadratic x1
        wait    10                          -> fees flat x2; fees quadratic x0.5
        wait    3600                        ->
    """,
    "now is not too late": """
        exchange fees quadratic 1           -> fees quadratic x1
    """,
    "terms that cannot be": """
        wait    10                          ->
        exchange fees quadratic 1 9.999     -> refused invalid_parameters
        exchange fees generous 1            -> refused invalid_parameters
        exchange fees quadratic 10.000001   -> refused invalid_parameters
        exchange fees quadratic -1          -> refused invalid_parameters
    """,
    "an exchange pause delays them": """
        exchange fees quadratic 1 10        ->
        exchange halt                       -> exchange paused
        wait    20                          ->
        exchange unhalt                     -> exchange resumed; fees quadratic x1
    """,
    "a trading pause does not": """
        exchange fees quadratic 1 10        ->
        exchange pause                      -> trading paused
        wait    20                          -> fees quadratic x1
    """,
    "orders that cannot be paid for any more go, the newest first": """
        poor    buy yes 4 50                -> poor rests 4
        poor    buy yes 4 50                -> poor rests 4
        poor    buy yes 4 50                -> poor rests 4
        rich    buy yes 50 50               -> rich rests 50
        exchange fees quadratic 1 10        ->
        wait    10  -> fees quadratic x1; poor order canceled insufficient_balance
        rich    withdraw $75                -> refused available_balance_too_low
    """,
    "orders in other series count, and may have to go": """
        poor    buy yes 6 50                -> poor rests 6
        poor    buy yes 6 50 in O           -> poor rests 6
        exchange fees quadratic 1 10        ->
        wait    10  -> fees quadratic x1; poor order canceled insufficient_balance
    """,
    "orders that close a position stay": """
        rich    buy no 12 50                -> rich rests 12
        poor    buy yes 12 50               -> 12 at 50: poor from rich
        poor    sell yes 12 60              -> poor rests 12
        exchange fees quadratic 10 10       ->
        wait    10                          -> fees quadratic x10
        rich    buy yes 12 60               -> 12 at 60: rich from poor
    """,
    "cheaper terms free what was held": """
        exchange fees quadratic 10          -> fees quadratic x10
        poor    buy yes 9 50                -> refused available_balance_too_low
        poor    buy yes 8 50                -> poor rests 8
        poor    withdraw $1                 -> refused available_balance_too_low
        exchange fees quadratic 0           -> fees quadratic x0
        poor    withdraw $2                 ->
        poor    withdraw $0.01              -> refused available_balance_too_low
    """,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_terms_change(table: str) -> None:
    stage = Stage({"rich": 100, "poor": 6}, events={"E": ("M",), "F": ("O",)})
    stage.play(table)


def test_fills_are_charged_by_the_terms_of_their_moment() -> None:
    stage = Stage({"maker": 100, "taker": 100})
    stage.play("""
        maker   buy no 100 50               -> maker rests 100
        exchange fees quadratic 2 10        ->
        taker   buy yes 50 50               -> 50 at 50: taker from maker
    """)
    assert stage.cash("taker") == 75
    stage.play("""
        wait    10                          -> fees quadratic x2
        taker   buy yes 40 50               -> 40 at 50: taker from maker
    """)
    assert stage.cash("taker") == 75 - 20 - 1.40
    stage.play("""
        exchange fees quadratic_with_maker_fees 1 -> fees quadratic_with_maker_fees x1
        taker   buy yes 10 50               -> 10 at 50: taker from maker
    """)
    assert stage.cash("maker") == 100 - 45 - 5 - 0.05


def test_a_resting_order_that_paid_rounding_fees_is_held_for_correctly() -> None:
    """The cent that an order may cost in rounding is held once, whatever the terms become."""
    stage = Stage(
        {"maker": 100, "taker": 100}, fee_type="quadratic_with_maker_fees", fee_multiplier=1
    )
    stage.play("""
        maker   buy yes 10 55               -> maker rests 10
        taker   sell yes 1 55               -> 1 at 55: maker from taker
        exchange fees quadratic 0           -> fees quadratic x0
        taker   sell yes 1 55               -> 1 at 55: maker from taker
        exchange fees quadratic_with_maker_fees 3 -> fees quadratic_with_maker_fees x3
        taker   sell yes 7 55               -> 7 at 55: maker from taker
        maker   cancel                      -> maker order canceled canceled
    """)
    account = stage.account("maker")
    assert account.reserved == 0
    assert account.exact_reserve == 0
    assert account.cash < 100 * MICROS_PER_DOLLAR
