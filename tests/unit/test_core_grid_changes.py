"""Moving a market to a finer grid (rules, section 3)."""

from augury.core import commands as c
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.testing.invariants import check
from tests.core_stage import Stage


def move_to(structure: str, ticker: str = "M") -> c.SetPriceLevelStructure:
    return c.SetPriceLevelStructure(ticker, structure, PRICE_LEVEL_STRUCTURES[structure])


def code(stage: Stage, command: c.Command) -> str:
    engine = stage.engine
    applied = engine.apply(engine.state.sequence + 1, stage.time_ns, command)
    check(engine.state, fixed_terms=False)
    return "" if applied.rejection is None else applied.rejection.code


def test_resting_orders_stay_and_finer_prices_become_possible() -> None:
    stage = Stage({"ann": 100, "bob": 100}, fee_multiplier=1)
    stage.play("""
        ann   buy yes 10 40         -> ann rests 10
        ann   buy yes 10 40.5       -> refused invalid_parameters
    """)
    assert code(stage, move_to("deci_cent")) == ""
    stage.play("""
        bob   sell yes 5 40         -> 5 at 40: ann from bob
        bob   buy yes 10 40.5       -> bob rests 10
        ann   sell yes 5 40.5       -> 5 at 40.5: bob from ann
    """)


def test_a_coarser_grid_is_refused() -> None:
    stage = Stage({"ann": 100}, structure="deci_cent")
    assert code(stage, move_to("linear_cent")) == "invalid_parameters"
    assert code(stage, move_to("center_half_edge_half_cent")) == "invalid_parameters"
    assert code(stage, move_to("center_centi_edge_centi_cent")) == ""


def test_a_grid_that_is_none_and_a_market_that_is_none_are_refused() -> None:
    stage = Stage({"ann": 100})
    assert code(stage, c.SetPriceLevelStructure("M", "odd", ((0, 10_000, 300),))) == (
        "invalid_parameters"
    )
    assert code(stage, move_to("deci_cent", "NOWHERE")) == "market_not_found"
    stage.play("exchange determine M yes -> M closed; M determined; M is yes; M settled")
    assert code(stage, move_to("deci_cent")) == "invalid_state"


def test_closing_stays_possible_when_the_new_grid_asks_for_a_fraction_of_a_cent_more() -> None:
    """Whole cents never had to hold the fraction; nobody may be locked in by a finer grid."""
    stage = Stage({"ann": 4.17 + 0.83, "bob": 100}, fee_multiplier=1)
    stage.play("""
        bob   sell yes 2 40         -> bob rests 2
        ann   buy yes 2 40          -> 2 at 40: ann from bob
    """)
    ann = stage.members["ann"]
    account = stage.account("ann")
    stage.play("ann buy yes 10 39 -> ann rests 10")
    stage.do(c.Withdraw(ann, 0, account.available))
    assert account.available == 0
    assert code(stage, move_to("deci_cent")) == ""
    assert -10_000 < account.available <= 0
    closing = c.PlaceOrder(ann, 0, "M", "", "sell", "yes", 4500, 200)
    assert code(stage, closing) == ""
    opening = c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 100, 100)
    assert code(stage, opening) == "available_balance_too_low"
