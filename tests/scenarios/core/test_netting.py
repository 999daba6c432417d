"""Collateral return as a trader sees it (section 9); the proof is in the properties."""

import pytest

from augury.core import commands as c
from augury.core.units import MICROS_PER_DOLLAR
from tests.core_stage import Stage

MARKETS = ("A", "B", "C")

EXCLUSIVE = {
    "one NO of each pays all but one": """
        trader  netting on                      ->
        maker   buy yes 10 40 in A              -> maker rests 10
        maker   buy yes 10 30 in B              -> maker rests 10
        maker   buy yes 10 20 in C              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        trader  buy no 10 70 in B     -> 10 at 30: maker from trader; trader gets back $10
        trader  buy no 4 80 in C      -> 4 at 20: maker from trader; trader gets back $4
        exchange determine B yes -> B closed; B determined; B is yes; maker is paid $10; \
                                    trader is paid $0; B settled
        exchange determine A no -> A closed; A determined; A is no; maker is paid $0; \
                                   trader is paid $10; trader gets back $-10; A settled
        exchange determine C no -> C closed; maker order canceled market_closed; \
                  C determined; C is no; maker is paid $0; trader is paid $4; \
                  trader gets back $-4; C settled
    """,
    "closing takes back what it was given for": """
        trader  netting on                      ->
        maker   buy yes 10 40 in A              -> maker rests 10
        maker   buy yes 10 30 in B              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        trader  buy no 10 70 in B     -> 10 at 30: maker from trader; trader gets back $10
        maker   sell yes 10 45 in A             -> maker rests 10
        trader  sell no 3 55 in A     -> 3 at 45: trader from maker; trader gets back $-3
    """,
    "YES positions return nothing": """
        trader  netting on                      ->
        maker   buy no 10 60 in A               -> maker rests 10
        maker   buy no 10 70 in B               -> maker rests 10
        trader  buy yes 10 40 in A              -> 10 at 40: trader from maker
        trader  buy yes 10 30 in B              -> 10 at 30: trader from maker
    """,
    "switched on late, it returns at once; switched off, it takes back": """
        maker   buy yes 10 40 in A              -> maker rests 10
        maker   buy yes 10 30 in B              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        trader  buy no 10 70 in B               -> 10 at 30: maker from trader
        trader  netting on                      -> trader gets back $10
        trader  netting on                      ->
        trader  netting off                     -> trader gets back $-10
        trader  netting on                      -> trader gets back $10
        trader  withdraw $90                    ->
        trader  netting off                     -> refused available_balance_too_low
    """,
    "what is spent on orders cannot be taken back by switching off": """
        maker   buy yes 10 40 in A              -> maker rests 10
        maker   buy yes 10 30 in B              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        trader  buy no 10 70 in B               -> 10 at 30: maker from trader
        trader  netting on                      -> trader gets back $10
        trader  withdraw $87                    ->
        trader  buy no 10 1 in C                -> trader rests 10
        trader  netting off                     -> refused available_balance_too_low
        trader  cancel                          -> trader order canceled canceled
        trader  deposit $7                      ->
        trader  netting off                     -> trader gets back $-10
    """,
    "an order to close waits for the money it would take back": """
        trader  netting on                      ->
        maker   buy yes 10 40 in A              -> maker rests 10
        maker   buy yes 10 30 in B              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        trader  buy no 10 70 in B     -> 10 at 30: maker from trader; trader gets back $10
        trader  withdraw $97                    ->
        trader  sell no 10 30 in A              -> refused available_balance_too_low
        trader  deposit $7                      ->
        trader  sell no 10 30 in A              -> trader rests 10
        trader  withdraw $0.01                  -> refused available_balance_too_low
        maker   sell yes 10 70 in A   -> 10 at 70: trader from maker; trader gets back $-10
        trader  withdraw $0.01                  -> refused available_balance_too_low
    """,
    "a void market may leave the house to pay, and takes the orders it cannot hold for": """
        trader  netting on                      ->
        maker   buy yes 10 90 in A              -> maker rests 10
        maker   buy yes 10 90 in B              -> maker rests 10
        trader  buy no 10 10 in A               -> 10 at 90: maker from trader
        trader  buy no 10 10 in B     -> 10 at 90: maker from trader; trader gets back $10
        trader  buy no 10 10 in C               -> trader rests 10
        trader  withdraw $107                   ->
        exchange determine A void -> A closed; A determined; A is void; maker is paid $9; \
             trader is paid $1; trader gets back $-2; trader order canceled insufficient_balance; \
             A settled
    """,
}


@pytest.mark.parametrize("table", EXCLUSIVE.values(), ids=list(EXCLUSIVE))
def test_mutually_exclusive_markets(table: str) -> None:
    stage = Stage({"maker": 100, "trader": 100}, events={"E": MARKETS}, returns="MECNET")
    stage.play(table)


def test_a_winner_that_nobody_traded_is_remembered() -> None:
    """A provisional market without an order vanishes elsewhere; here its result decides others."""
    stage = Stage({"maker": 100, "trader": 100}, events={"E": ("A", "B")}, returns="MECNET")
    stage.list_market("E", "C", is_provisional=True)
    stage.play("""
        trader  netting on                      ->
        maker   buy yes 10 40 in A              -> maker rests 10
        trader  buy no 10 60 in A               -> 10 at 40: maker from trader
        exchange determine C yes -> C closed; C determined; C is yes; trader gets back $10; ...
        maker   buy yes 10 40 in B              -> maker rests 10
        trader  buy no 1 60 in B      -> 1 at 40: maker from trader; trader gets back $1
    """)


DIRECTIONAL = {
    "YES low and NO high always pay one dollar": """
        trader  netting on                      ->
        maker   buy no 10 40 in A               -> maker rests 10
        maker   buy yes 10 20 in C              -> maker rests 10
        trader  buy yes 10 60 in A              -> 10 at 60: trader from maker
        trader  buy no 7 80 in C      -> 7 at 20: maker from trader; trader gets back $7
        exchange determine B yes  -> B closed; B determined; B is yes; trader gets back $3; ...
        exchange determine A yes  -> A closed; A determined; A is yes; maker is paid $0; \
                                     trader is paid $10; trader gets back $-10; A settled
        exchange determine C yes  -> C closed; maker order canceled market_closed; \
                C determined; C is yes; maker is paid $7; trader is paid $0; C settled
    """,
    "NO low and YES high may both lose": """
        trader  netting on                      ->
        maker   buy yes 10 60 in A              -> maker rests 10
        maker   buy no 10 80 in C               -> maker rests 10
        trader  buy no 10 40 in A               -> 10 at 60: maker from trader
        trader  buy yes 10 20 in C              -> 10 at 20: trader from maker
    """,
    "a result makes certain what it leaves no other outcome for": """
        trader  netting on                      ->
        maker   buy yes 10 20 in C              -> maker rests 10
        trader  buy no 10 80 in C               -> 10 at 20: maker from trader
        exchange determine A no -> A closed; A determined; A is no; trader gets back $10; A settled
    """,
}


@pytest.mark.parametrize("table", DIRECTIONAL.values(), ids=list(DIRECTIONAL))
def test_directional_markets(table: str) -> None:
    stage = Stage({"maker": 100, "trader": 100}, events={"E": MARKETS}, returns="DIRECNET")
    stage.play(table)


def test_new_subaccounts_take_over_the_primary_s_setting() -> None:
    stage = Stage({"trader": 10})
    trader = stage.members["trader"]
    stage.do(c.CreateSubaccount(trader))
    stage.line("trader netting on")
    stage.do(c.CreateSubaccount(trader))
    member = stage.engine.state.members[trader]
    assert [account.netting for account in member.accounts.values()] == [True, False, True]


def test_subaccounts_net_apart() -> None:
    stage = Stage({"maker": 100, "trader": 10}, events={"E": MARKETS}, returns="MECNET")
    trader = stage.members["trader"]
    stage.line("trader netting on")
    stage.do(c.CreateSubaccount(trader))
    stage.do(c.TransferBetweenSubaccounts(trader, 0, 1, 5 * MICROS_PER_DOLLAR, ""))
    stage.play("""
        maker   buy yes 5 40 in A               -> maker rests 5
        maker   buy yes 5 40 in B               -> maker rests 5
        trader  buy no 5 60 in A sub 0          -> 5 at 40: maker from trader
        trader  buy no 5 60 in B sub 1          -> 5 at 40: maker from trader
    """)


ORDERS = {
    "as it is": (("A", "B", "C"), ""),
    "a part of it": (("C", "A"), ""),
    "none": ((), ""),
    "a market twice": (("A", "A"), "invalid_parameters"),
    "a market of nowhere": (("A", "Q"), "invalid_parameters"),
}


@pytest.mark.parametrize("tickers, code", ORDERS.values(), ids=list(ORDERS))
def test_what_a_strike_order_may_be(tickers: tuple[str, ...], code: str) -> None:
    stage = Stage({"maker": 100, "trader": 10}, events={"E": MARKETS}, returns="DIRECNET")
    applied = stage.do(c.SetStrikeOrder("E", tickers, True))
    assert (applied.rejection.code if applied.rejection else "") == code


def test_the_strike_order_stands_while_anybody_holds_a_position() -> None:
    stage = Stage({"maker": 100, "trader": 10}, events={"E": MARKETS}, returns="DIRECNET")
    stage.play("""
        maker   buy yes 5 40 in A               -> maker rests 5
        trader  buy no 5 60 in A                -> 5 at 40: maker from trader
    """)
    applied = stage.do(c.SetStrikeOrder("E", ("B", "A", "C"), False))
    assert applied.rejection is not None
    assert applied.rejection.code == "invalid_state"
    stage.line("exchange determine A no")
    assert stage.do(c.SetStrikeOrder("E", ("B", "A", "C"), False)).rejection is None


def test_only_a_directional_event_has_a_strike_order() -> None:
    stage = Stage({"maker": 100}, events={"E": MARKETS}, returns="MECNET")
    applied = stage.do(c.SetStrikeOrder("E", MARKETS, False))
    assert applied.rejection is not None
    assert applied.rejection.code == "invalid_state"
    unknown = stage.do(c.SetStrikeOrder("Q", MARKETS, False))
    assert unknown.rejection is not None
    assert unknown.rejection.code == "not_found"
