"""Customers of a clearing member: each stands for itself (section 17)."""

from augury.core import commands as c
from augury.core.state import FIRST_SUBTRADER, MAX_SUBACCOUNT
from augury.core.units import MICROS_PER_DOLLAR
from tests.core_stage import Stage

ANN = FIRST_SUBTRADER
BOB = FIRST_SUBTRADER + 1


def stage_of() -> Stage:
    """A clearing member with two customers, A and B, who have ten dollars each."""
    stage = Stage({"firm": 100, "maker": 100})
    firm = stage.members["firm"]
    for customer, number in (("A", ANN), ("B", BOB)):
        assert stage.do(c.CreateSubtrader(firm, customer)).rejection is None
        stage.do(c.Deposit(firm, number, 10 * MICROS_PER_DOLLAR))
    return stage


def test_customers_trade_with_each_other_but_not_with_themselves() -> None:
    stage = stage_of()
    stage.play(f"""
        firm    buy yes 5 40 sub {ANN}          -> firm rests 5
        firm    sell yes 1 40 sub {ANN} -> firm order canceled self_trade_prevention
        firm    sell yes 1 40 sub {BOB}         -> 1 at 40: firm from firm
        firm    sell yes 1 40                   -> 1 at 40: firm from firm
        firm    sell yes 1 40 sub {ANN} stp-maker -> firm rests 1; \
                                              firm order canceled self_trade_prevention
    """)
    assert stage.position("firm", subaccount=ANN) == 2
    assert stage.position("firm", subaccount=BOB) == -1
    assert stage.position("firm", subaccount=0) == -1


def test_numbered_subaccounts_do_not_trade_with_each_other() -> None:
    stage = stage_of()
    stage.do(c.CreateSubaccount(stage.members["firm"]))
    stage.do(c.TransferBetweenSubaccounts(stage.members["firm"], 0, 1, MICROS_PER_DOLLAR, "t"))
    stage.play("""
        firm    buy yes 1 40 sub 1              -> firm rests 1
        firm    sell yes 1 40                   -> firm order canceled self_trade_prevention
    """)


def test_a_fill_or_kill_looks_past_no_order_of_another_customer() -> None:
    stage_of().play(f"""
        firm    buy yes 2 40 sub {ANN}          -> firm rests 2
        firm    sell yes 3 40 fok sub {BOB} -> refused fill_or_kill_insufficient_resting_volume
        firm    sell yes 2 40 fok sub {BOB}     -> 2 at 40: firm from firm
    """)


def test_money_and_positions_of_customers_are_their_own() -> None:
    stage = stage_of()
    firm = stage.members["firm"]
    stage.play(f"""
        firm    buy yes 26 40 sub {ANN}         -> refused available_balance_too_low
        firm    buy yes 25 40 sub {ANN}         -> firm rests 25
        maker   sell yes 5 40                   -> 5 at 40: firm from maker
        firm    sell yes 6 40 reduce sub {BOB}  -> refused invalid_order_size
        firm    move 5 40 from {ANN} to {BOB}   -> refused invalid_parameters
        firm    move 5 40 from {ANN} to 0       -> refused invalid_parameters
    """)
    between = stage.do(c.TransferBetweenSubaccounts(firm, ANN, BOB, 1, "t1"))
    assert between.rejection is not None
    assert between.rejection.code == "invalid_parameters"
    # The firm pays its customers in and out of its own account.
    assert stage.do(c.TransferBetweenSubaccounts(firm, 0, BOB, 1, "t2")).rejection is None
    assert stage.do(c.TransferBetweenSubaccounts(firm, BOB, 0, 1, "t3")).rejection is None


def test_customers_are_numbered_apart_from_subaccounts() -> None:
    stage = stage_of()
    firm = stage.members["firm"]
    for _ in range(MAX_SUBACCOUNT):
        assert stage.do(c.CreateSubaccount(firm, MAX_SUBACCOUNT)).rejection is None
    assert stage.do(c.CreateSubaccount(firm, MAX_SUBACCOUNT)).rejection is not None
    twice = stage.do(c.CreateSubtrader(firm, "A"))
    assert twice.rejection is not None
    assert twice.rejection.code == "already_exists"
    assert stage.do(c.CreateSubtrader(firm, "")).rejection is not None
    assert stage.do(c.CreateSubtrader(10**6, "C")).rejection is not None
    member = stage.engine.state.members[firm]
    assert list(member.subtraders.items()) == [("A", ANN), ("B", BOB)]
    assert len(member.accounts) == 1 + MAX_SUBACCOUNT + 2


def test_requests_and_quotes_of_customers() -> None:
    """A customer may ask where another one does, answer another's request, and not its own."""
    stage = stage_of()
    stage.play(f"""
        firm    rfq 5 sub {ANN}                 -> rfq created
        firm    rfq 5 sub {ANN}                 -> refused rfq_already_exists
        firm    quote 40 55 sub {ANN} to firm   -> refused invalid_parameters
        firm    quote 40 55 sub {BOB} to firm   -> firm quote created
        firm    quote 41 55 to firm -> firm quote created
        firm    quote 42 55 sub {BOB} to firm   -> firm quote cancelled replaced; firm quote created
        firm    accept firm yes                 -> firm quote accepted
        firm    confirm                         -> firm quote confirmed
        wait    15   -> firm rests 5; 5 at 42: firm from firm; firm quote executed; \
                        firm quote cancelled executed; rfq closed executed
    """)
    assert stage.position("firm", subaccount=ANN) == -5
    assert stage.position("firm", subaccount=BOB) == 5
    stage.play(f"""
        firm    rfq 5 sub {ANN}                 -> rfq created
        firm    rfq 5 sub {BOB}                 -> rfq created
        firm    rfq 5                           -> rfq created
    """)
