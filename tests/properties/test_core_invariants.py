"""Whatever is asked of the exchange, its money, books and promises stay whole."""

import random

from hypothesis import given
from hypothesis import strategies as st

from augury.core import commands as c
from augury.core.engine import Engine
from augury.core.snapshot import Row, dump_state
from augury.core.units import NANOS_PER_SECOND
from augury.testing.invariants import check
from tests.core_flow import WIDTH, Flow

streams = st.binary(min_size=WIDTH, max_size=WIDTH * 80)


def rows_but_the_clock(engine: Engine) -> list[Row]:
    """The state without its first row's sequence and time, which every record moves, and without
    the maintenance windows, which pass in silence while trading is paused by hand."""
    rows = list(dump_state(engine.state))
    return [[*rows[0][:2], *rows[0][4:14]], *rows[1:]]


@given(data=streams)
def test_every_invariant_holds_after_every_command(data: bytes) -> None:
    flow = Flow.listed()
    for _ in flow.run(data):
        check(flow.engine.state)


@given(data=streams)
def test_a_refused_command_changes_nothing(data: bytes) -> None:
    flow = Flow.listed()
    before = rows_but_the_clock(flow.engine)
    for applied in flow.run(data):
        after = rows_but_the_clock(flow.engine)
        if applied.rejection is not None and applied.own_from == 0:
            assert len(applied.events) == 1
            assert after == before
        before = after


def test_a_long_day_leaves_everything_whole(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(6):
        flow = Flow.listed()
        for _ in flow.run(chance.randbytes(WIDTH * 500)):
            check(flow.engine.state)


@given(data=streams)
def test_money_that_came_in_can_leave_once_every_market_is_settled(data: bytes) -> None:
    """After settlement nothing is in escrow, and what members lost is what others, or fees, got."""
    flow = Flow.listed()
    for _ in flow.run(data):
        pass
    flow.apply(c.SetExchangePause(False))
    state = flow.engine.state
    for index, ticker in enumerate(flow.tickers):
        result = ("yes", "no", "void")[(len(data) // WIDTH + index) % 3]
        flow.apply(c.DetermineMarket(ticker, result))
    # Disputes, and combos that follow their legs, take a second round.
    flow.apply(c.Tick(), after_ns=120 * NANOS_PER_SECOND)
    for ticker in flow.tickers:
        if state.markets[ticker].status == "disputed":
            flow.apply(c.DetermineMarket(ticker, "no"))
    flow.apply(c.Tick(), after_ns=120 * NANOS_PER_SECOND)
    flow.apply(c.Tick(), after_ns=120 * NANOS_PER_SECOND)
    check(state)
    assert not state.orders
    assert not state.ledger.escrow
    for member in state.members.values():
        for account in member.accounts.values():
            assert account.reserved == 0
            if account.cash:
                flow.apply(c.Withdraw(member.id, account.number, account.cash))
    assert state.ledger.cash == 0
    assert state.ledger.returned == 0
    assert state.ledger.fees + state.ledger.house == -state.ledger.outside
