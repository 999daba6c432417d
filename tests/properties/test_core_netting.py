"""Collateral return against brute force: exactly what no outcome can take, at every moment.

The outcomes are written down here from the meaning of the events alone, and every payoff is added
up market by market; nothing is taken from the code under test.
"""

import random
from collections.abc import Iterator
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.snapshot import dump_state, load_state
from augury.core.state import Account
from augury.core.units import MICROS_PER_DOLLAR, PRICE_ONE, QUANTITY_ONE
from augury.testing.invariants import check

MARKETS: Final = 4
KINDS: Final = ("MECNET", "DIRECNET over", "DIRECNET below")
TICKERS: Final = tuple([f"M{index}" for index in range(MARKETS)])

Outcome = tuple[bool, ...]
"""For each market whether it is YES."""


def outcomes(kind: str) -> list[Outcome]:
    if kind == "MECNET":
        nobody = [tuple([False] * MARKETS)]
        return nobody + [tuple([i == winner for i in range(MARKETS)]) for winner in range(MARKETS)]
    # The value lies above the first ``level`` strikes.
    over = [tuple([i < level for i in range(MARKETS)]) for level in range(MARKETS + 1)]
    if kind == "DIRECNET over":
        return over
    return [tuple([not yes for yes in outcome]) for outcome in over]


class World:
    """One event of four markets, a bank that nets nothing, and a gambler with two accounts."""

    def __init__(self, kind: str, fee_multiplier: int, precision: int, dollars: int) -> None:
        self.kind = kind
        self.engine = Engine()
        self.time_ns = 1
        self.possible = outcomes(kind)
        self.settled: set[str] = set()
        self.apply(c.CreateMember("bank@example.com"))
        self.bank = 1
        self.apply(c.CreateMember("gambler@example.com", balance_precision=precision))
        self.gambler = 2
        self.apply(c.CreateSubaccount(self.gambler))
        self.apply(c.Deposit(self.bank, 0, 10**12))
        self.apply(c.Deposit(self.gambler, 0, dollars * MICROS_PER_DOLLAR))
        self.apply(c.Deposit(self.gambler, 1, dollars * MICROS_PER_DOLLAR))
        self.apply(c.CreateSeries("S", "quadratic_with_maker_fees", fee_multiplier, "{}"))
        event = "MECNET" if kind == "MECNET" else "DIRECNET"
        self.apply(c.CreateEvent("E", "S", event == "MECNET", event, "{}"))
        for ticker in TICKERS:
            self.apply(
                c.CreateMarket(
                    ticker=ticker,
                    event_ticker="E",
                    market_type="binary",
                    open_ns=0,
                    close_ns=10**15,
                    expected_expiration_ns=0,
                    latest_expiration_ns=0,
                    settlement_timer_seconds=0,
                    can_close_early=True,
                    price_level_structure="linear_cent",
                    price_ranges=PRICE_LEVEL_STRUCTURES["linear_cent"],
                    fractional_trading_enabled=True,
                    is_provisional=False,
                    fee_waiver_expiration_ns=0,
                    details="{}",
                )
            )
        if event == "DIRECNET":
            self.apply(c.SetStrikeOrder("E", TICKERS, kind == "DIRECNET below"))

    def apply(self, command: Command) -> Applied:
        self.time_ns += 1
        return self.engine.apply(self.engine.state.sequence + 1, self.time_ns, command)

    def accounts(self) -> Iterator[Account]:
        for member in self.engine.state.members.values():
            yield from member.accounts.values()

    def least(self, account: Account) -> int:
        """What the account's positions pay at least, over everything still possible."""
        return min(
            sum(
                self.pays(account, ticker, yes)
                for ticker, yes in zip(TICKERS, outcome, strict=True)
            )
            for outcome in self.possible
        )

    def pays(self, account: Account, ticker: str, yes: bool) -> int:
        holding = account.holdings.get(ticker)
        quantity = 0 if holding is None else holding.quantity
        return max(0, quantity if yes else -quantity) * PRICE_ONE

    def check(self) -> None:
        check(self.engine.state)
        for account in self.accounts():
            returned = account.returned.get("E", 0)
            assert returned == (self.least(account) if account.netting else 0)
            # Whatever the outcome: what is owed to the account covers what it was given.
            for outcome in self.possible:
                paid = sum(
                    self.pays(account, t, yes) for t, yes in zip(TICKERS, outcome, strict=True)
                )
                assert account.cash + paid - returned >= 0

    def settle(self, ticker: str, outcome: Outcome) -> None:
        yes = outcome[TICKERS.index(ticker)]
        applied = self.apply(c.DetermineMarket(ticker, "yes" if yes else "no"))
        assert applied.rejection is None
        index = TICKERS.index(ticker)
        self.possible = [other for other in self.possible if other[index] == yes]
        self.settled.add(ticker)

    def act(self, step: tuple[int, ...]) -> None:
        """One action of the gambler, or of the bank against it."""
        kind, market, price, count, flags = step
        trading = [ticker for ticker in TICKERS if ticker not in self.settled]
        if not trading:
            return
        ticker = trading[market % len(trading)]
        subaccount = flags >> 6 & 1
        lot = 1 if flags & 32 else QUANTITY_ONE
        quantity = (1 + count % 12) * lot
        yes_price = 100 * (1 + price % 99)
        # The gambler likes NO, because that is what is returned.
        side, other = ("yes", "no") if flags % 4 == 0 else ("no", "yes")
        reduce_only = flags & 12 == 12
        if kind < 5:
            order = (ticker, "", "buy", side, yes_price, quantity)
            self.apply(c.PlaceOrder(self.gambler, subaccount, *order, reduce_only=reduce_only))
        if kind < 4:
            # Mostly the bank takes it, or part of it.
            taken = quantity if flags & 16 else lot
            order = (ticker, "", "buy", other, yes_price, taken)
            self.apply(c.PlaceOrder(self.bank, 0, *order, "immediate_or_cancel"))
        elif kind == 5:
            order = (ticker, "", "buy", other, yes_price, quantity)
            self.apply(c.PlaceOrder(self.bank, 0, *order))
        elif kind == 6:
            account = self.engine.state.members[self.gambler].accounts[subaccount]
            if flags & 1:
                self.apply(c.Deposit(self.gambler, subaccount, 5 * MICROS_PER_DOLLAR))
            elif account.available > 0:
                # Everything that came back goes out at once: now nothing may be missing later.
                self.apply(c.Withdraw(self.gambler, subaccount, account.available))
        elif kind == 7:
            self.apply(c.SetNetting(self.gambler, subaccount, flags & 3 > 0))
        elif kind == 8:
            mine = self.engine.state.members[self.gambler].open_order_ids
            if mine:
                self.apply(c.CancelOrder(self.gambler, mine[count % len(mine)]))
        else:
            account = self.engine.state.members[self.gambler].accounts[subaccount]
            holding = account.holdings.get(ticker)
            moved = quantity if holding is None else min(abs(holding.quantity), quantity)
            to = 1 - subaccount
            self.apply(
                c.TransferPosition(self.gambler, subaccount, to, ticker, moved, yes_price, "")
            )


steps = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.integers(0, MARKETS - 1),
        st.integers(0, 98),
        st.integers(0, 11),
        st.integers(0, 127),
    ),
    min_size=15,
    max_size=60,
)


@given(
    kind=st.sampled_from(KINDS),
    fees=st.sampled_from((0, 1_000_000, 10_000_000)),
    precision=st.sampled_from((10_000, 100)),
    dollars=st.integers(5, 40),
    actions=steps,
    result=st.integers(0, MARKETS),
    order=st.permutations(TICKERS),
    between=steps,
)
def test_what_no_outcome_can_take_is_returned_and_nothing_else(
    kind: str,
    fees: int,
    precision: int,
    dollars: int,
    actions: list[tuple[int, ...]],
    result: int,
    order: list[str],
    between: list[tuple[int, ...]],
) -> None:
    world = World(kind, fees, precision, dollars)
    world.apply(c.SetNetting(world.gambler, 0, True))
    for step in actions:
        world.act(step)
        world.check()
    # The event ends, market by market and in any order, while trading goes on in the others.
    outcome = world.possible[result % len(world.possible)]
    for index, ticker in enumerate(order):
        world.settle(ticker, outcome)
        world.check()
        for step in between[index::MARKETS]:
            world.act(step)
            world.check()
    state = world.engine.state
    assert state.ledger.house == 0, "the house had to pay"
    assert state.ledger.returned == 0
    assert not any(account.returned for account in world.accounts())


def test_a_thousand_gambles_never_cost_the_house(seed: int) -> None:
    """The same with more markets held at once than Hypothesis likes to try."""
    chance = random.Random(seed)

    def steps_of(count: int) -> list[tuple[int, ...]]:
        limits = (9, MARKETS - 1, 98, 11, 127)
        return [tuple([chance.randint(0, limit) for limit in limits]) for _ in range(count)]

    for number in range(60):
        world = World(KINDS[number % 3], chance.choice((0, 10**6, 10**7)), 10_000, 30)
        for subaccount in (0, 1):
            world.apply(c.SetNetting(world.gambler, subaccount, True))
        for step in steps_of(40):
            world.act(step)
            world.check()
        outcome = chance.choice(world.possible)
        for ticker in chance.sample(TICKERS, MARKETS):
            world.settle(ticker, outcome)
            world.check()
            for step in steps_of(4):
                world.act(step)
                world.check()
        assert world.engine.state.ledger.house == 0
        assert world.engine.state.ledger.returned == 0


@given(
    kind=st.sampled_from(KINDS),
    actions=steps,
    results=st.lists(st.sampled_from(("yes", "no", "void")), min_size=MARKETS, max_size=MARKETS),
    order=st.permutations(TICKERS),
)
def test_results_against_the_rules_of_the_event_leave_nobody_in_debt(
    kind: str, actions: list[tuple[int, ...]], results: list[str], order: list[str]
) -> None:
    """Two winners, or void: the house bears what cannot be taken back, and cash stays cash."""
    world = World(kind, 1_000_000, 10_000, 20)
    world.apply(c.SetNetting(world.gambler, 0, True))
    world.apply(c.SetNetting(world.gambler, 1, True))
    for step in actions:
        world.act(step)
    for ticker, result in zip(order, results, strict=True):
        world.apply(c.DetermineMarket(ticker, result))
        check(world.engine.state)
        world.act((3, TICKERS.index(ticker) + 1, 40, 3, 3))
        check(world.engine.state)
    assert world.engine.state.ledger.returned == 0


@given(kind=st.sampled_from(KINDS), actions=steps, cut=st.integers(0, 60))
def test_a_snapshot_holds_back_the_same(
    kind: str, actions: list[tuple[int, ...]], cut: int
) -> None:
    world = World(kind, 1_000_000, 10_000, 20)
    world.apply(c.SetNetting(world.gambler, 0, True))
    for step in actions[:cut]:
        world.act(step)
    restored = load_state(list(dump_state(world.engine.state)))
    check(restored)
    for member_id, member in world.engine.state.members.items():
        for number, account in member.accounts.items():
            assert restored.members[member_id].accounts[number].available == account.available


def test_netting_lets_a_member_sell_what_it_never_could_have_returned() -> None:
    """A YES of a mutually exclusive event returns nothing, so selling it needs no cash."""
    world = World("MECNET", 0, 10_000, 1)
    world.apply(c.SetNetting(world.gambler, 0, True))
    bank, gambler = world.bank, world.gambler
    world.apply(c.PlaceOrder(bank, 0, "M0", "", "buy", "no", 9_000, QUANTITY_ONE))
    world.apply(c.PlaceOrder(gambler, 0, "M0", "", "buy", "yes", 9_000, QUANTITY_ONE))
    world.apply(c.Withdraw(gambler, 0, MICROS_PER_DOLLAR // 10))
    assert world.engine.state.members[gambler].accounts[0].cash == 0
    sold = world.apply(c.PlaceOrder(gambler, 0, "M0", "", "sell", "yes", 1_000, QUANTITY_ONE))
    assert sold.rejection is None


def test_a_reduce_only_order_holds_back_what_it_would_take_back() -> None:
    """Else a member could withdraw what came back and leave the house to pay for closing."""
    world = World("MECNET", 0, 10_000, 2)
    world.apply(c.SetNetting(world.gambler, 0, True))
    bank, gambler = world.bank, world.gambler
    for ticker in ("M0", "M1"):
        world.apply(c.PlaceOrder(bank, 0, ticker, "", "buy", "yes", 1_000, QUANTITY_ONE))
        world.apply(c.PlaceOrder(gambler, 0, ticker, "", "buy", "no", 1_000, QUANTITY_ONE))
    account = world.engine.state.members[gambler].accounts[0]
    assert account.cash == 2_000_000 - 1_800_000 + 1_000_000
    world.apply(c.Withdraw(gambler, 0, account.cash))
    close = c.PlaceOrder(
        *(gambler, 0, "M0", "", "buy", "yes", 9_000, QUANTITY_ONE), reduce_only=True
    )
    refused = world.apply(close)
    assert refused.rejection is not None
    assert refused.rejection.code == "available_balance_too_low"
    # Fractions trade here, so a cent is held for rounding.
    world.apply(c.Deposit(gambler, 0, 910_000))
    assert world.apply(close).rejection is None
    world.apply(c.PlaceOrder(bank, 0, "M0", "", "sell", "yes", 9_000, QUANTITY_ONE))
    assert account.cash == 10_000
    world.check()
