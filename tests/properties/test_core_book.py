"""The fast book trades exactly as the naive one does."""

import random
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.events import TradeExecuted
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.queries import queue_position
from augury.core.units import ASK, BID, QUANTITY_ONE, direction_of
from augury.testing.naive_book import NaiveBook, Refused, Trade

MEMBERS = 4
TICKER = "RAIN-M"
WIDTH = 5


def listing() -> Iterator[Command]:
    """Members 1 to 4, too rich for money to matter, and one market without fees."""
    for number in range(1, MEMBERS + 1):
        yield c.CreateMember(f"member{number}@example.com")
    for number in range(1, MEMBERS + 1):
        yield c.Deposit(number, 0, 10**13)
    yield c.CreateSeries("RAIN", "quadratic", 0, "{}")
    yield c.CreateEvent("RAIN-E", "RAIN", False, "", "{}")
    yield c.CreateMarket(
        ticker=TICKER,
        event_ticker="RAIN-E",
        market_type="binary",
        open_ns=0,
        close_ns=10**18,
        expected_expiration_ns=0,
        latest_expiration_ns=0,
        settlement_timer_seconds=0,
        can_close_early=True,
        price_level_structure="linear_cent",
        price_ranges=PRICE_LEVEL_STRUCTURES["linear_cent"],
        fractional_trading_enabled=False,
        is_provisional=False,
        fee_waiver_expiration_ns=0,
        details="{}",
    )


class Twins:
    """The engine and the naive book, given the same orders."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.naive = NaiveBook()
        for command in listing():
            self.apply(command)

    def apply(self, command: Command) -> Applied:
        sequence = self.engine.state.sequence + 1
        return self.engine.apply(sequence, sequence, command)

    def run(self, data: bytes) -> None:
        for start in range(0, len(data) - WIDTH + 1, WIDTH):
            self.step(*data[start : start + WIDTH])
            self.compare()

    def step(self, kind: int, who: int, what: int, price_byte: int, quantity_byte: int) -> None:
        sequence = self.engine.state.sequence + 1
        price = (40 + price_byte % 20) * 100
        quantity = (1 + quantity_byte % 15) * QUANTITY_ONE
        orders = self.naive.orders
        chosen = orders[what % len(orders)] if orders else None
        command: Command
        if kind < 150 or chosen is None:
            action, side = ("buy", "sell")[who >> 2 & 1], ("yes", "no")[who >> 3 & 1]
            time_in_force = "good_till_canceled"
            if what < 40:
                time_in_force = "immediate_or_cancel"
            elif what < 80:
                time_in_force = "fill_or_kill"
            post_only = what >= 230
            maker_is_canceled = who >= 128
            command = c.PlaceOrder(
                1 + who % MEMBERS,
                0,
                TICKER,
                "",
                action,
                side,
                price,
                quantity,
                time_in_force,
                post_only=post_only,
                self_trade_prevention="maker" if maker_is_canceled else "taker_at_cross",
            )
            expected = self.expect(
                lambda: self.naive.place(
                    sequence,
                    1 + who % MEMBERS,
                    direction_of(action, side),
                    price,
                    quantity,
                    time_in_force,
                    post_only=post_only,
                    maker_is_canceled=maker_is_canceled,
                )
            )
        elif kind < 190:
            command = c.CancelOrder(chosen.member, chosen.order_id)
            self.naive.cancel(chosen.order_id)
            expected = []
        elif kind < 210:
            command = c.DecreaseOrder(chosen.member, chosen.order_id, reduce_by=quantity)
            self.naive.decrease(chosen.order_id, quantity)
            expected = []
        else:
            new_price = price if price_byte >= 80 else chosen.price
            command = c.AmendOrder(
                chosen.member, chosen.order_id, price=new_price, quantity=quantity
            )
            expected = self.expect(
                lambda: self.naive.amend(chosen.order_id, new_price, quantity, sequence)
            )
        applied = self.apply(command)
        if expected is None:
            assert applied.rejection is not None, "only the naive book refused"
        else:
            assert applied.rejection is None, applied.rejection
            trades = [
                Trade(event.maker_order_id, event.taker_order_id, event.price, event.quantity)
                for event in applied.events
                if isinstance(event, TradeExecuted)
            ]
            assert trades == expected

    def expect(self, attempt) -> list[Trade] | None:
        """The trades of the naive book, or None when it refuses."""
        try:
            trades: list[Trade] = attempt()
        except Refused:
            return None
        return trades

    def compare(self) -> None:
        """Same orders, same depth, same places in the queue."""
        market = self.engine.state.markets[TICKER]
        assert dict(market.bids.depth()) == self.naive.depth(BID)
        assert dict(market.asks.depth()) == self.naive.depth(ASK)
        orders = self.engine.state.orders
        assert sorted(orders) == sorted(order.order_id for order in self.naive.orders)
        for order_id, order in orders.items():
            assert queue_position(order) == self.naive.ahead_of(order_id)


@given(data=st.binary(min_size=WIDTH, max_size=WIDTH * 60))
def test_both_books_trade_alike(data: bytes) -> None:
    Twins().run(data)


def test_both_books_trade_alike_for_long(seed: int) -> None:
    Twins().run(random.Random(seed).randbytes(WIDTH * 1500))
