"""Moving a position between own subaccounts: no fee, no print, no new money (section 14)."""

import pytest

from augury.core import commands as c
from augury.core import events as e
from augury.core.units import MICROS_PER_DOLLAR
from tests.core_stage import Stage


def stage_of(*, returns: str = "") -> Stage:
    """The mover holds 10 YES at 40 in subaccount 0, and subaccounts 1 and 2 with $20 each."""
    stage = Stage(
        {"mover": 100, "maker": 100},
        fee_type="quadratic",
        fee_multiplier=0,
        events={"E": ("M", "N")},
        returns=returns,
    )
    mover = stage.members["mover"]
    for number in (1, 2):
        stage.do(c.CreateSubaccount(mover))
        stage.do(c.TransferBetweenSubaccounts(mover, 0, number, 20 * MICROS_PER_DOLLAR, ""))
    stage.play("""
        maker   sell yes 10 40                  -> maker rests 10
        mover   buy yes 10 40                   -> 10 at 40: mover from maker
    """)
    return stage


REFUSED = {
    "more than there is": ("10.5", "invalid_order_size"),
    "more than is held": ("11 50", "invalid_order_size"),
    "nothing": ("0 50", "invalid_order_size"),
    "less than nothing": ("-1 50", "invalid_order_size"),
    "part of a contract": ("0.5 50", "invalid_order_size"),
    "above a dollar": ("5 101", "invalid_parameters"),
    "below nothing": ("5 -1", "invalid_parameters"),
    "to itself": ("5 50 to 0", "invalid_parameters"),
    "to nowhere": ("5 50 to 9", "account_not_found"),
    "from where nothing is held": ("5 50 from 1 to 2", "invalid_order_size"),
    "of another market": ("5 50 in N", "invalid_order_size"),
    "of no market": ("5 50 in Q", "market_not_found"),
    "for more than the target has": ("10 100 from 0 to 3", "account_not_found"),
}


@pytest.mark.parametrize("words, code", REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_moved(words: str, code: str) -> None:
    stage = stage_of()
    if " " not in words:
        words += " 50"
    assert stage.line(f"mover move {words}") == f"refused {code}"


def test_the_target_pays_the_source_and_nobody_else() -> None:
    stage = stage_of()
    assert (stage.cash("mover", 0), stage.cash("mover", 1)) == (56, 20)
    applied = stage.do(c.TransferPosition(stage.members["mover"], 0, 1, "M", 400, 5000, "a"))
    (moved,) = [event for event in applied.events if isinstance(event, e.PositionTransferred)]
    assert (moved.quantity, moved.price) == (400, 5000)
    assert not [event for event in applied.events if isinstance(event, e.TradeExecuted)]
    assert (stage.cash("mover", 0), stage.cash("mover", 1)) == (58, 18)
    assert (stage.position("mover", "M", 0), stage.position("mover", "M", 1)) == (6, 4)
    holding = stage.account("mover", 0).holdings["M"]
    assert (holding.cost, holding.realized_pnl) == (2_400_000, 400_000)
    assert stage.account("mover", 1).holdings["M"].cost == 2_000_000
    assert stage.engine.state.markets["M"].volume == 1000, "no print"


def test_a_transfer_id_is_good_once() -> None:
    stage = stage_of()
    stage.play("""
        mover   move 1 50 as x                  ->
        mover   move 1 50 as x                  -> refused duplicate_transfer
        mover   move 1 50                       ->
        mover   move 1 50                       ->
    """)


def test_pairs_are_destroyed_where_the_target_holds_the_other_side() -> None:
    stage = stage_of()
    stage.play("""
        maker   buy yes 4 30 in M               -> maker rests 4
        mover   buy no 4 70 sub 1               -> 4 at 30: maker from mover
    """)
    market = stage.engine.state.markets["M"]
    assert market.open_interest == 1000
    assert stage.line("mover move 6 50") == ""
    assert market.open_interest == 600
    assert stage.position("mover", "M", 1) == 2
    # 20 - 2.80 for the NO; closing 4 pays 0.50 each, opening 2 costs 0.50 each.
    assert stage.cash("mover", 1) == pytest.approx(20 - 2.80 + 2 - 1)


def test_no_positions_move_at_the_price_of_the_yes_side() -> None:
    stage = stage_of()
    stage.play("""
        maker   buy yes 5 40 in N               -> maker rests 5
        mover   buy no 5 60 in N                -> 5 at 40: maker from mover
        mover   move 5 30 in N                  ->
    """)
    assert stage.position("mover", "N", 1) == -5
    assert stage.cash("mover", 1) == 20 - 5 * 0.70


def test_a_target_that_cannot_pay_takes_nothing() -> None:
    stage = stage_of()
    stage.subaccounts["mover"] = 1
    stage.play("""
        mover   withdraw $16                    ->
        mover   move 5 80.01                    -> refused available_balance_too_low
        mover   buy no 1 50 in N sub 1          -> mover rests 1
        mover   move 5 80                       -> refused available_balance_too_low
        mover   cancel                          -> mover order canceled canceled
        mover   move 5 80                       ->
    """)
    assert stage.cash("mover", 1) == 0


def test_orders_that_were_to_close_the_position_must_be_paid_for() -> None:
    stage = stage_of()
    stage.play("""
        mover   sell yes 10 45                  -> mover rests 10
        mover   withdraw $56                    ->
        mover   move 10 50                      -> refused available_balance_too_low
        mover   move 1 55                       ->
    """)
    assert stage.cash("mover", 0) == 0.55


def test_a_reduce_only_order_finds_nothing_left_to_reduce() -> None:
    stage = stage_of()
    stage.play("""
        mover   sell yes 10 45 reduce           -> mover rests 10
        mover   move 10 50                      ->
        maker   buy yes 5 45       -> maker rests 5; mover order canceled reduce_only
    """)


def test_a_settled_market_has_nothing_to_move() -> None:
    stage = stage_of()
    stage.line("exchange determine M yes")
    assert stage.line("mover move 5 50") == "refused market_inactive"


def test_what_was_returned_for_a_position_goes_back_before_it_moves() -> None:
    """Else the house would pay for a position that moved away from its other half."""
    stage = Stage({"mover": 2, "maker": 100}, events={"E": ("M", "N")}, returns="MECNET")
    mover = stage.members["mover"]
    stage.do(c.CreateSubaccount(mover))
    stage.play("""
        mover   netting on                      ->
        maker   buy yes 1 10                    -> maker rests 1
        mover   buy no 1 90                     -> 1 at 10: maker from mover
        maker   buy yes 1 10 in N               -> maker rests 1
        mover   buy no 1 90 in N       -> 1 at 10: maker from mover; mover gets back $1
        mover   withdraw $1.20                  ->
        mover   move 1 100                      -> refused available_balance_too_low
        mover   move 1 1                        -> refused available_balance_too_low
        mover   deposit $1                      ->
        mover   move 1 100                      -> mover gets back $-1
    """)
    assert stage.cash("mover", 0) == 0
    assert stage.position("mover", "M", 1) == -1
