"""What bots decide: pure functions of seed, time and view, so the same again every time."""

import random
from dataclasses import dataclass, field
from typing import cast

import pytest

from augury.app.bots.board import Board
from augury.app.bots.grid import ONE_DOLLAR, Grid
from augury.app.bots.making import (
    Action,
    Amend,
    Cancel,
    MakerHabits,
    OwnOrder,
    Place,
    changes,
    follow,
    wanted_quotes,
)
from augury.app.bots.taking import TakerHabits, Touch, noise_choice, slot_at, takers_choice
from augury.app.world.outlook import Outlook
from augury.client import Client

CENT = Grid([(0, ONE_DOLLAR, 100)])
TAPERED = Grid([(0, 1000, 10), (1000, 9000, 100), (9000, ONE_DOLLAR, 10)])
HABITS = MakerHabits(levels=4, size=4000, spread=200, gap=100, max_position=200_000)


# --- grids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grid, price, down, up",
    [
        (CENT, 4150, 4100, 4200),
        (CENT, 4100, 4100, 4100),
        (CENT, 99, 0, 100),
        (CENT, 9_950, 9_900, ONE_DOLLAR),
        (TAPERED, 555, 550, 560),
        (TAPERED, 1050, 1000, 1100),
        (TAPERED, 9_005, 9_000, 9_010),
        (TAPERED, 9_995, 9_990, ONE_DOLLAR),
    ],
)
def test_prices_are_rounded_to_what_the_market_accepts(grid, price, down, up):
    assert grid.down(price) == down
    assert grid.up(price) == up


def test_a_grid_is_read_from_the_public_api():
    grid = Grid.from_api(
        [
            {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
            {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
            {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
        ]
    )
    assert [grid.step_at(price) for price in (0, 999, 1000, 8999, 9000, 9999)] == [
        10, 10, 100, 100, 10, 10,
    ]  # fmt: skip
    assert (grid.lowest, grid.highest) == (10, 9990)
    assert Grid.from_api(None).step_at(5000) == 100


# --- makers --------------------------------------------------------------------------------------


def quotes(center: int, position: int = 0, grid: Grid = CENT, habits: MakerHabits = HABITS):
    return wanted_quotes(11, "KXA-1", habits, grid, 100, center, position)


def prices(found, *, bids: bool) -> list[int]:
    return [quote.price for quote in found if quote.is_bid == bids]


def test_quotes_stand_on_both_sides_of_the_fair_value_best_first():
    found = quotes(5000)
    assert prices(found, bids=True) == [4900, 4800, 4700, 4600]
    assert prices(found, bids=False) == [5100, 5200, 5300, 5400]
    assert all(quote.quantity % 100 == 0 and quote.quantity > 0 for quote in found)


def test_the_same_seed_quotes_the_same_and_another_one_other_sizes():
    assert quotes(5000) == quotes(5000)
    other = wanted_quotes(12, "KXA-1", HABITS, CENT, 100, 5000, 0)
    assert prices(other, bids=True) == prices(quotes(5000), bids=True)
    assert other != quotes(5000)


@pytest.mark.parametrize("center", [-500, 0, 50, 9_990, 10_000, 12_000])
def test_even_a_market_as_good_as_decided_has_a_bid_and_an_offer(center):
    found = quotes(center)
    assert prices(found, bids=True)
    assert prices(found, bids=False)
    assert all(0 < quote.price < ONE_DOLLAR for quote in found)


def test_a_long_position_lowers_all_quotes_and_a_full_one_stops_buying():
    neutral, long_ = quotes(5000), quotes(5000, position=150_000)
    assert max(prices(long_, bids=True)) < max(prices(neutral, bids=True))
    assert min(prices(long_, bids=False)) < min(prices(neutral, bids=False))
    assert prices(quotes(5000, position=200_000), bids=True) == []
    assert prices(quotes(5000, position=-200_000), bids=False) == []


def test_quiet_markets_have_wide_and_thin_books():
    found = quotes(5000, habits=HABITS.adapted("quiet"))
    assert min(prices(found, bids=False)) - max(prices(found, bids=True)) >= 600
    assert len(found) == 4


def test_finer_grids_are_quoted_closer():
    fine = Grid([(0, ONE_DOLLAR, 10)])
    habits = HABITS.on(fine, 5000)
    found = quotes(5000, grid=fine, habits=habits)
    assert min(prices(found, bids=False)) - max(prices(found, bids=True)) == 80
    assert HABITS.on(CENT, 5000) == HABITS


def test_quotes_follow_only_a_clear_move():
    center = follow(None, 0.5, 100)
    assert center == 5000
    assert follow(center, 0.5065, 100) == 5000
    assert follow(center, 0.508, 100) == 5100


@dataclass
class PaperBook:
    """Carries out a maker's actions and refuses what an exchange would refuse."""

    orders: dict[str, OwnOrder] = field(default_factory=dict)
    number: int = 0

    def apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Place():
                    self.number += 1
                    order = OwnOrder(
                        f"o{self.number}", action.is_bid, action.price, action.quantity, 0
                    )
                case Amend():
                    order = action.order._replace(price=action.price, remaining=action.quantity)
                case Cancel():
                    del self.orders[action.order.order_id]
                    continue
            for other in self.orders.values():
                if other.order_id != order.order_id and other.is_bid != order.is_bid:
                    low, high = sorted((order, other), key=lambda o: not o.is_bid)
                    assert low.price < high.price, "a maker met its own order"
            self.orders[order.order_id] = order

    def shape(self) -> set[tuple[bool, int]]:
        return {(order.is_bid, order.price) for order in self.orders.values()}


def test_a_move_by_one_step_moves_one_order_of_each_side():
    book = PaperBook()
    book.apply(changes(quotes(5000), []))
    actions = changes(quotes(5100), list(book.orders.values()))
    assert [type(action) for action in actions] == [Amend, Amend]
    book.apply(actions)
    assert book.shape() == {(quote.is_bid, quote.price) for quote in quotes(5100)}


def test_right_quotes_are_left_alone_until_half_is_traded_away():
    wanted = quotes(5000)
    resting = [OwnOrder(str(n), q.is_bid, q.price, q.quantity, 0) for n, q in enumerate(wanted)]
    assert changes(wanted, resting) == []
    resting[0] = resting[0]._replace(remaining=wanted[0].quantity // 2 + 100, filled=100)
    assert changes(wanted, resting) == []
    resting[0] = resting[0]._replace(remaining=100, filled=3900)
    assert changes(wanted, resting) == [Amend(resting[0], wanted[0].price, wanted[0].quantity)]


def test_after_any_walk_the_book_is_what_was_wanted_and_never_crosses_itself(seed):
    walk = random.Random(seed)
    book = PaperBook()
    center, position = 5000, 0
    for _ in range(300):
        center += walk.choice((-800, -300, -100, 0, 100, 300, 800))
        position += walk.randrange(-40_000, 40_001, 100)
        position = max(-200_000, min(200_000, position))
        wanted = quotes(center, position)
        book.apply(changes(wanted, list(book.orders.values())))
        assert book.shape() == {(quote.is_bid, quote.price) for quote in wanted}
        for order_id in walk.sample(sorted(book.orders), k=min(3, len(book.orders))):
            order = book.orders[order_id]
            if walk.random() < 0.5:
                del book.orders[order_id]  # filled
            else:
                book.orders[order_id] = order._replace(remaining=100)


# --- takers --------------------------------------------------------------------------------------


TAKER = TakerHabits(size=1000, trades_per_minute=30, edge=0.005, error=0.01)


def touch(bid: int, ask: int, fair: float, activity: str = "busy", quantity: int = 5000) -> Touch:
    return Touch(bid, quantity, ask, quantity, fair, activity, 100)


def test_a_bot_acts_once_in_each_slot():
    assert slot_at(TAKER, 1_000_000.0) == slot_at(TAKER, 1_000_001.9)
    assert slot_at(TAKER, 1_000_002.0) == slot_at(TAKER, 1_000_000.0) + 1


def test_takers_buy_what_is_cheap_and_sell_what_is_dear():
    cheap = [takers_choice(1, slot, TAKER, {"A": touch(3000, 3200, 0.50)}) for slot in range(50)]
    assert all(take is not None and take.buy and take.price == 3200 for take in cheap)
    dear = [takers_choice(1, slot, TAKER, {"A": touch(6000, 6200, 0.50)}) for slot in range(50)]
    assert all(take is not None and not take.buy and take.price == 6000 for take in dear)


def test_takers_leave_a_fair_market_mostly_alone():
    takes = [takers_choice(1, slot, TAKER, {"A": touch(4700, 5300, 0.50)}) for slot in range(200)]
    assert sum(take is not None for take in takes) < 10


def test_decisions_depend_on_seed_and_slot_alone():
    markets = {"A": touch(4900, 5100, 0.5), "B": touch(2000, 2200, 0.3)}
    for choose in (takers_choice, noise_choice):
        first = [choose(5, slot, TAKER, markets) for slot in range(100)]
        assert first == [
            choose(5, slot, TAKER, dict(reversed(markets.items()))) for slot in range(100)
        ]
        assert first != [choose(6, slot, TAKER, markets) for slot in range(100)]


def test_noise_goes_both_ways_and_prefers_busy_markets():
    markets = {
        "BUSY": touch(4900, 5100, 0.5),
        "QUIET": touch(4900, 5100, 0.5, "quiet"),
        "OFF": touch(4900, 5100, 0.5, "none"),
        "WIDE": touch(1000, 9000, 0.5),
        "EMPTY": Touch(0, 0, ONE_DOLLAR, 0, 0.5, "busy", 100),
    }
    takes = [noise_choice(1, slot, TAKER, markets) for slot in range(400)]
    named = [take.ticker for take in takes if take is not None]
    assert set(named) <= {"BUSY", "QUIET"}
    assert named.count("BUSY") > 5 * named.count("QUIET")
    buys = sum(take.buy for take in takes if take is not None)
    assert 0.4 < buys / len(named) < 0.6


def test_sizes_fit_the_lot_and_the_book():
    for lot in (1, 100):
        thin = Touch(4900, 300, 5100, 300, 0.5, "busy", lot)
        for slot in range(200):
            take = noise_choice(1, slot, TAKER, {"A": thin})
            assert take is not None
            assert take.quantity % lot == 0
            assert 0 < take.quantity <= 600


# --- combos --------------------------------------------------------------------------------------


class Listing:
    """A client that knows three markets, one of them a combo of the others."""

    def __init__(self) -> None:
        self.value: str | None = None

    def market(self, ticker: str, **more):
        return {
            "ticker": ticker,
            "event_ticker": f"E-{ticker}",
            "status": "active",
            "open_time": "2026-01-01T00:00:00Z",
            "close_time": "2099-01-01T00:00:00Z",
            **more,
        }

    async def events(self, **query):
        for ticker in ("A", "B", "KXMVE"):
            yield {
                "event_ticker": f"E-{ticker}",
                "series_ticker": ticker,
                "mutually_exclusive": False,
            }

    async def markets(self, status: str, limit: int):
        if status == "open":
            legs = [
                {"market_ticker": "A", "side": "yes"},
                {"market_ticker": "B", "side": "no"},
            ]
            if self.value is not None:
                legs[0]["yes_settlement_value_dollars"] = self.value
            else:
                yield self.market("A")
            yield self.market("B")
            yield self.market("KXMVE", mve_selected_legs=legs)


async def test_a_combo_is_worth_what_its_legs_make_together():
    client = Listing()
    board = Board(cast("Client", client), Outlook(seed=1))
    await board.refresh(force=True)
    worth = {ticker: board.fair(market) for ticker, market in board.markets.items()}
    assert 0 < worth["KXMVE"] < min(worth["A"], 1 - worth["B"])
    assert worth["KXMVE"] == pytest.approx(worth["A"] * (1 - worth["B"]), rel=0.05)
    # Once a leg is known, only the others are uncertain.
    client.value = "1.0000"
    await board.refresh(force=True)
    assert board.fair(board.markets["KXMVE"]) == pytest.approx(1 - worth["B"], rel=0.05)
