"""What is reserved for an order suffices, whatever happens to the order, and no less would do."""

from hypothesis import given
from hypothesis import strategies as st

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.events import OrderFilled
from augury.core.fees import FEE_TYPES
from augury.core.prices import PRICE_LEVEL_STRUCTURES, is_on_grid
from augury.core.units import MICROS_PER_CENT, MICROS_PER_CENTICENT, PPM, PRICE_ONE, QUANTITY_ONE
from augury.testing.invariants import check

GRIDS = {
    name: [price for price in range(1, PRICE_ONE) if is_on_grid(bands, price)]
    for name, bands in PRICE_LEVEL_STRUCTURES.items()
}
TICKER = "RAIN-M"
BANK = 1
BOLD = 2


class Terms:
    """A market, a member, and the order into which the member puts everything."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.structure = draw(st.sampled_from(sorted(GRIDS)))
        self.grid = GRIDS[self.structure]
        self.fractional = draw(st.booleans())
        self.lot = 1 if self.fractional else QUANTITY_ONE
        self.fee_type = draw(st.sampled_from(FEE_TYPES))
        self.multiplier = draw(st.integers(0, 10 * PPM))
        self.precision = draw(st.sampled_from((MICROS_PER_CENT, MICROS_PER_CENTICENT)))
        self.buys = draw(st.booleans())
        self.price = draw(st.sampled_from(self.grid))
        self.quantity = draw(st.integers(1, 30)) * self.lot
        # Per fill: lots, and how much better than the order's own price, in steps of the grid.
        self.fills = draw(
            st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40)), min_size=1, max_size=30)
        )
        self.taken_at_once = draw(st.integers(0, 30))
        """How many of the fills happen on entry; later ones find the order resting."""

    def __repr__(self) -> str:
        return repr(vars(self) | {"grid": "..."})


terms_of_orders = st.composite(Terms)()


class Exchange:
    """The market of the terms, a bank with deep pockets, and the bold member."""

    def __init__(self, terms: Terms) -> None:
        self.engine = Engine()
        self.terms = terms
        self.apply(c.CreateMember("bank@example.com"))
        self.apply(c.CreateMember("bold@example.com", balance_precision=terms.precision))
        self.apply(c.Deposit(BANK, 0, 10**13))
        self.apply(c.CreateSeries("RAIN", terms.fee_type, terms.multiplier, "{}"))
        self.apply(c.CreateEvent("RAIN-E", "RAIN", False, "", "{}"))
        self.apply(
            c.CreateMarket(
                ticker=TICKER,
                event_ticker="RAIN-E",
                market_type="binary",
                open_ns=0,
                close_ns=10**18,
                expected_expiration_ns=0,
                latest_expiration_ns=0,
                settlement_timer_seconds=0,
                can_close_early=True,
                price_level_structure=terms.structure,
                price_ranges=PRICE_LEVEL_STRUCTURES[terms.structure],
                fractional_trading_enabled=terms.fractional,
                is_provisional=False,
                fee_waiver_expiration_ns=0,
                details="{}",
            )
        )

    def apply(self, command: Command) -> Applied:
        sequence = self.engine.state.sequence + 1
        return self.engine.apply(sequence, sequence, command)

    def place(self, member: int, buys: bool, price: int, quantity: int) -> Applied:
        action = "buy" if buys else "sell"
        return self.apply(c.PlaceOrder(member, 0, TICKER, "", action, "yes", price, quantity))

    def place_the_order(self) -> Applied:
        return self.place(BOLD, self.terms.buys, self.terms.price, self.terms.quantity)

    def counter(self, lots: int, steps: int) -> None:
        """The bank's side of one fill, ``steps`` better for the bold member than it asked for."""
        grid = self.terms.grid
        index = grid.index(self.terms.price)
        index = max(0, index - steps) if self.terms.buys else min(len(grid) - 1, index + steps)
        self.place(BANK, not self.terms.buys, grid[index], lots * self.terms.lot)


@given(terms=terms_of_orders)
def test_the_least_balance_that_is_accepted_is_never_overdrawn(terms: Terms) -> None:
    rehearsal = Exchange(terms)
    rehearsal.apply(c.Deposit(BOLD, 0, 10**13))
    rehearsal.place_the_order()
    needed = rehearsal.engine.state.members[BOLD].accounts[0].reserved

    exchange = Exchange(terms)
    exchange.apply(c.Deposit(BOLD, 0, needed - 1))
    for lots, steps in terms.fills[: terms.taken_at_once]:
        exchange.counter(lots, steps)
    refused = exchange.place_the_order()
    assert refused.rejection is not None
    assert refused.rejection.code == "available_balance_too_low"

    exchange.apply(c.Deposit(BOLD, 0, 1))
    placed = exchange.place_the_order()
    assert placed.rejection is None
    check(exchange.engine.state)
    account = exchange.engine.state.members[BOLD].accounts[0]
    for lots, _ in terms.fills[terms.taken_at_once :]:
        exchange.counter(lots, 0)
        check(exchange.engine.state)
        assert account.available >= 0


@given(terms=terms_of_orders)
def test_no_fill_that_closes_a_position_costs_cash(terms: Terms) -> None:
    """Closing reserves nothing, so a member without a cent can always leave."""
    exchange = Exchange(terms)
    exchange.apply(c.Deposit(BOLD, 0, 10**13))
    exchange.place_the_order()
    exchange.place(BANK, not terms.buys, terms.price, terms.quantity)
    account = exchange.engine.state.members[BOLD].accounts[0]
    assert abs(account.holdings[TICKER].quantity) == terms.quantity
    exchange.apply(c.Withdraw(BOLD, 0, account.available))
    for lots, steps in terms.fills:
        index = min(len(terms.grid) - 1, steps * len(terms.grid) // 40)
        exchange.place(BANK, terms.buys, terms.grid[index], lots * terms.lot)
        left = abs(account.holdings[TICKER].quantity)
        if left == 0:
            break
        out = exchange.place(BOLD, not terms.buys, terms.grid[index], min(left, lots * terms.lot))
        assert out.rejection is None
        check(exchange.engine.state)
        for event in out.events:
            if isinstance(event, OrderFilled) and event.member_id == BOLD:
                assert event.cash_change >= 0
