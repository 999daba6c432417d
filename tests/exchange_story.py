"""A random but repeatable life of an exchange, with money in, out and across, and every ending.

For tests that follow the money through a whole market: it trades in plain, fee-bearing, scalar
and fractional markets, closes them, pays them, voids one, and disputes one.
"""

import random
from collections.abc import Iterator
from typing import Final

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.units import NANOS_PER_SECOND

START_NS: Final = 1_772_373_600_000_000_000
HOUR_NS: Final = 3_600 * NANOS_PER_SECOND
CLOSE_NS: Final = START_NS + 30 * HOUR_NS

MEMBERS: Final = (1, 2, 3, 4)
MARKETS: Final = {
    "SKY-YES": "linear_cent",
    "SKY-NO": "linear_cent",
    "SKY-VOID": "tapered_deci_cent",
    "SKY-SCALAR": "deci_cent",
}


class Story:
    """An engine and everything it did; time passes with ``wait``."""

    def __init__(self, seed: int) -> None:
        self.engine = Engine()
        self.applied: list[Applied] = []
        self.now_ns = START_NS
        self.chance = random.Random(seed)
        self._orders: list[tuple[int, int]] = []

    def do(self, command: Command) -> Applied:
        applied = self.engine.apply(len(self.applied) + 1, self.now_ns, command)
        self.applied.append(applied)
        return applied

    def wait(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds

    def list_everything(self) -> None:
        for number in MEMBERS:
            # One of them has the finer balances of a direct member.
            precision = 100 if number == MEMBERS[-1] else 10_000
            created = self.do(c.CreateMember(f"m{number}@example.com", "basic", precision))
            assert created.sequence == number
        for number in MEMBERS:
            self.do(c.Deposit(number, 0, 5_000_000_000, f"cheque {number}"))
        self.do(c.CreateSubaccount(1))
        self.do(c.TransferBetweenSubaccounts(1, 0, 1, 1_000_000_000, "first transfer"))
        self.do(c.CreateSeries("SKY", "quadratic_with_maker_fees", 1_000_000, "{}"))
        self.do(c.CreateEvent("SKY-DAY", "SKY", True, "MECNET", "{}"))
        for member_id, subaccount in ((1, 1), (2, 0), (3, 0)):
            self.do(c.SetNetting(member_id, subaccount, enabled=True))
        for ticker, structure in MARKETS.items():
            scalar = ticker == "SKY-SCALAR"
            self.do(
                c.CreateMarket(
                    ticker=ticker,
                    event_ticker="SKY-DAY",
                    market_type="scalar" if scalar else "binary",
                    open_ns=self.now_ns,
                    close_ns=CLOSE_NS,
                    expected_expiration_ns=0,
                    latest_expiration_ns=CLOSE_NS + 240 * HOUR_NS,
                    settlement_timer_seconds=60,
                    can_close_early=True,
                    price_level_structure=structure,
                    price_ranges=PRICE_LEVEL_STRUCTURES[structure],
                    fractional_trading_enabled=scalar,
                    is_provisional=False,
                    fee_waiver_expiration_ns=0,
                    details="{}",
                )
            )

    def trade(self, steps: int) -> None:
        """``steps`` random commands; some are refused, as in life."""
        for _ in range(steps):
            # Often within one minute, now and then hours later.
            pause = self.chance.choice((0, 0, 0, 1, 7, 7, 20, 40, 100, 900))
            self.wait(min(pause * NANOS_PER_SECOND, CLOSE_NS - self.now_ns))
            self.do(self._random_command())

    def _random_command(self) -> Command:
        chance = self.chance
        kind = chance.random()
        if kind < 0.5 and any(q.status == "accepted" for q in self.engine.state.quotes.values()):
            return self._next_of_a_request()
        if kind < 0.62 or not self._orders:
            return self._random_order()
        if kind < 0.66:
            return c.Deposit(chance.choice(MEMBERS), 0, chance.randint(1, 10**7))
        if kind < 0.70:
            return c.Withdraw(chance.choice(MEMBERS), 0, chance.randint(1, 10**7), "rent")
        if kind < 0.74:
            source = chance.choice((0, 1))
            return c.TransferBetweenSubaccounts(
                1, source, 1 - source, chance.randint(1, 10**6), f"t{len(self.applied)}"
            )
        if kind < 0.78:
            return self._random_position_transfer()
        if kind < 0.84:
            return self._next_of_a_request()
        order_id, member_id = chance.choice(self._orders)
        if kind < 0.88:
            return c.CancelOrder(member_id, order_id)
        if kind < 0.94:
            return c.DecreaseOrder(member_id, order_id, reduce_by=100)
        return c.AmendOrder(member_id, order_id, price=100 * chance.randint(30, 70))

    def _random_order(self) -> Command:
        chance = self.chance
        member_id = chance.choice(MEMBERS)
        ticker = chance.choice(tuple(MARKETS))
        self._orders = [*self._orders[-40:], (len(self.applied) + 1, member_id)]
        fractional = ticker == "SKY-SCALAR"
        return c.PlaceOrder(
            member_id,
            chance.choice((0, 1)) if member_id == 1 else 0,
            ticker,
            f"order-{len(self.applied)}",
            chance.choice(("buy", "sell")),
            chance.choice(("yes", "no")),
            (10 if fractional else 100) * chance.randint(*((400, 600) if fractional else (40, 60))),
            (1 if fractional else 100) * chance.randint(1, 900 if fractional else 9),
            chance.choice(("good_till_canceled",) * 4 + ("immediate_or_cancel",)),
            self_trade_prevention=chance.choice(("taker_at_cross", "maker")),
        )

    def _next_of_a_request(self) -> Command:
        """Ask, answer, accept or confirm, whatever comes next; now and then take it back."""
        chance, state = self.chance, self.engine.state
        rfqs, quotes = list(state.rfqs.values()), list(state.quotes.values())
        accepted = [quote for quote in quotes if quote.status == "accepted"]
        if accepted:
            # At once, because time passes quickly here and the window is short.
            return c.ConfirmQuote(accepted[0].account.member.id, accepted[0].id, "")
        if not rfqs or chance.random() < 0.2:
            ticker = chance.choice(tuple(MARKETS))
            return c.CreateRfq(chance.choice(MEMBERS), 0, ticker, 300, 0, chance.random() < 0.5)
        rfq = chance.choice(rfqs)
        if not quotes or chance.random() < 0.3:
            member_id = chance.choice([one for one in MEMBERS if one != rfq.account.member.id])
            yes_bid = 100 * chance.randint(30, 60)
            return c.CreateQuote(member_id, 0, rfq.id, yes_bid, 9_800 - yes_bid, True)
        quote = chance.choice(quotes)
        if chance.random() < 0.1:
            return c.DeleteRfq(rfq.account.member.id, rfq.id)
        if chance.random() < 0.1:
            return c.DeleteQuote(quote.account.member.id, quote.id)
        side = chance.choice(("yes", "no"))
        return c.AcceptQuote(quote.rfq.account.member.id, quote.id, side)

    def _random_position_transfer(self) -> Command:
        """Between the two subaccounts of the first member, who often holds both sides."""
        chance = self.chance
        accounts = self.engine.state.members[1].accounts
        source = chance.choice((0, 1))
        held = [h for h in accounts[source].holdings.values() if h.quantity]
        if not held:
            return c.Tick()
        holding = chance.choice(held)
        lots = abs(holding.quantity) // holding.market.lot
        quantity = chance.randint(1, lots) * holding.market.lot
        return c.TransferPosition(
            1,
            source,
            1 - source,
            holding.market.ticker,
            quantity,
            chance.choice((0, 4_000, 10_000)),
            f"p{len(self.applied)}",
        )

    def close_and_pay(self) -> None:
        """Every market ends in its own way, and everybody is paid."""
        self.now_ns = max(self.now_ns, CLOSE_NS)
        self.do(c.Tick())
        self.do(c.DetermineMarket("SKY-YES", "yes", expiration_value="sunny"))
        self.do(c.DetermineMarket("SKY-NO", "yes"))
        self.do(c.DisputeMarket("SKY-NO"))
        self.do(c.DetermineMarket("SKY-NO", "no"))
        self.do(c.DetermineMarket("SKY-VOID", "void"))
        self.do(c.DetermineMarket("SKY-SCALAR", "scalar", 3_337))
        self.wait(90 * NANOS_PER_SECOND)
        self.do(c.Tick())


def whole_life(seed: int, steps: int = 150) -> Story:
    story = Story(seed)
    story.list_everything()
    story.trade(steps)
    story.close_and_pay()
    return story


def batches(applied: list[Applied], chance: random.Random) -> Iterator[list[Applied]]:
    """The same records cut into random runs."""
    start = 0
    while start < len(applied):
        end = start + chance.randint(1, 40)
        yield applied[start:end]
        start = end
