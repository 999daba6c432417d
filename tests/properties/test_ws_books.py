"""Whatever traders do and clients ask for, what a client has rebuilt is what the engine has.

Random orders, cancels, amends, pauses and expiries meet clients that subscribe, unsubscribe, add
and delete markets, ask for snapshots, stop reading, read on, and reconnect. Four things must
hold: ``seq`` has no gap (checked with each message); each delta leads to the level total that the
engine reported with it; the tape and a member's fills are what happened, in this order and once;
and whenever a client has read everything its books, orders and positions are the engine's.

``test_ws_exchange.py`` does the same through a server, compared with what REST answers.
"""

import asyncio
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from augury.codec.ids import format_id
from augury.core.applied import Applied
from augury.core.commands import (
    AmendOrder,
    CancelOrder,
    DecreaseOrder,
    PauseMarket,
    ReactivateMarket,
    Tick,
)
from augury.core.events import LevelChanged, OrderFilled, TradeExecuted
from augury.core.units import BID
from augury.gateways.settings import WebSocketSettings
from tests.ws_harness import (
    FINE,
    RAIN,
    SECOND,
    SNOW,
    ClientBooks,
    DirectGate,
    MemoryClient,
    MemoryGateway,
    engine_book,
    engine_whole_book,
    settle,
    weather_gate,
)

TICKERS = [RAIN, SNOW, FINE]

# How often each thing happens. Pauses are rare, or nobody would get to trade.
WEIGHTS = {
    "place": 60,
    "cancel": 8,
    "decrease": 6,
    "amend": 8,
    "pause market": 1,
    "reactivate market": 3,
    "wait": 2,
    "subscribe": 3,
    "unsubscribe": 1,
    "add_markets": 3,
    "delete_markets": 2,
    "get_snapshot": 2,
    "stop reading": 3,
    "read on": 5,
    "reconnect": 1,
}


class History:
    """What has happened on the exchange, in its order."""

    def __init__(self) -> None:
        self.trades: list[str] = []
        self.fills: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)

    def note(self, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, TradeExecuted):
                self.trades.append(format_id("trade", event.trade_id))
            elif isinstance(event, OrderFilled):
                trade_id = format_id("trade", event.trade_id)
                order_id = format_id("order", event.order_id)
                self.fills[event.member_id].append((trade_id, order_id))


def resting(gate: DirectGate, member_id: int) -> dict[str, tuple[str, str]]:
    """A member's orders in the book: what remains of them, and their price."""
    return {
        format_id("order", order.id): (
            f"{Decimal(order.remaining) / 100:.2f}",
            f"0.{order.price:04d}",
        )
        for order in gate.state.orders.values()
        if order.account.member.id == member_id
    }


def positions(gate: DirectGate, member_id: int) -> dict[str, str]:
    """A member's open positions."""
    member = gate.state.members.get(member_id)
    if member is None:
        return {}
    return {
        ticker: f"{Decimal(holding.quantity) / 100:.2f}"
        for ticker, holding in member.accounts[0].holdings.items()
        if holding.quantity
    }


class Watcher:
    """A client that believes only what it is sent."""

    def __init__(self, gateway: MemoryGateway, member_id: int, history: "History") -> None:
        self.gateway = gateway
        self.member_id = member_id
        self.history = history
        self.connect()

    def connect(self) -> None:
        # Some belong to members who trade, and so see their client order ids.
        self.client: MemoryClient = self.gateway.connect(self.member_id)
        self.books = ClientBooks()
        self.sid: int | None = None
        self.tickers: list[str] = []
        gate = self.gateway.gate
        self.orders = resting(gate, self.member_id)
        self.positions = positions(gate, self.member_id)
        self.tape: list[str] = []
        self.fills: list[tuple[str, str]] = []
        self.since = (len(self.history.trades), len(self.history.fills[self.member_id]))
        self.ask("subscribe", channels=["user_orders", "market_positions", "fill", "trade"])

    def heard_of(self, kind: str, msg: dict[str, Any]) -> None:
        """Anything but the book."""
        if kind == "user_order" and msg["status"] == "resting":
            self.orders[msg["order_id"]] = (msg["remaining_count_fp"], msg["yes_price_dollars"])
        elif kind == "user_order":
            self.orders.pop(msg["order_id"], None)
        elif kind == "market_position":
            self.positions[msg["market_ticker"]] = msg["position_fp"]
        elif kind == "fill":
            self.fills.append((msg["trade_id"], msg["order_id"]))
        elif kind == "trade":
            self.tape.append(msg["trade_id"])

    def ask(self, cmd: str, **params: Any) -> None:
        self.client.send({"id": 1, "cmd": cmd, "params": params})

    def read(self, expected: dict[tuple[int, str, str, str], Decimal]) -> None:
        for message in self.client.socket.take():
            self.books.read(message)
            kind = message["type"]
            if kind == "subscribed" and message["msg"]["channel"] == "orderbook_delta":
                self.sid = message["msg"]["sid"]
            elif kind == "ok":
                self.tickers = message["market_tickers"]
            elif kind == "unsubscribed":
                self.sid = None
                self.tickers = []
                self.books.exact.clear()
                self.books.whole.clear()
            elif kind == "orderbook_snapshot":
                ticker = message["msg"]["market_ticker"]
                if ticker not in self.tickers:
                    self.tickers.append(ticker)
            elif kind == "orderbook_delta":
                msg = message["msg"]
                assert msg["market_ticker"] in self.tickers
                level = (msg["side"], msg["price_dollars"])
                total = self.books.exact[msg["market_ticker"]].get(level, Decimal(0))
                assert total == expected[msg["ts_ms"], msg["market_ticker"], *level]
            else:
                self.heard_of(kind, message.get("msg", {}))

    def check(self, gate: DirectGate) -> None:
        """Everything has been read, so nothing may be missing."""
        assert self.orders == resting(gate, self.member_id)
        held = {ticker: count for ticker, count in self.positions.items() if count != "0.00"}
        assert held == positions(gate, self.member_id)
        assert self.tape == self.history.trades[self.since[0] :]
        assert self.fills == self.history.fills[self.member_id][self.since[1] :]
        subscription = self.client.connection.by_channel.get("orderbook_delta")
        wanted = list(subscription.tickers or ()) if subscription else []
        assert sorted(wanted) == sorted(self.tickers)
        for ticker in wanted:
            market = gate.state.markets[ticker]
            assert self.books.exact[ticker] == engine_book(market)
            assert self.books.whole[ticker] == engine_whole_book(market)


class World:
    def __init__(self) -> None:
        self.gate = weather_gate()
        self.members = [
            self.gate.add_member(f"{name}@example.com")[0] for name in ("maker", "taker")
        ]
        self.expected: dict[tuple[int, str, str, str], Decimal] = {}
        self.gate.listen(self.note)
        history = History()
        self.gate.listen(history.note)
        self.gateway = MemoryGateway(self.gate, WebSocketSettings())
        self.watchers = [
            Watcher(self.gateway, member_id, history) for member_id in (*self.members, 999)
        ]

    def note(self, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, LevelChanged):
                is_bid = event.direction == BID
                price = event.price if is_bid else 10_000 - event.price
                key = (
                    applied.time_ns // 1_000_000,
                    event.market_ticker,
                    "yes" if is_bid else "no",
                    f"0.{price:04d}",
                )
                # Timers and the command of one record may touch the same level; the client has
                # read the last of them when it compares books, and each of them here.
                self.expected[key] = Decimal(event.quantity) / 100

    def do(self, what: str, choice: random.Random) -> None:
        """Do one thing; ``choice`` says to whom and how."""
        gate = self.gate
        watcher = choice.choice(self.watchers)
        ticker = choice.choice(TICKERS)
        tickers = choice.sample(TICKERS, choice.randint(1, 3))
        if what == "place":
            self.place(ticker, choice)
        elif what in {"cancel", "decrease", "amend"}:
            self.change_order(what, choice)
        elif what == "pause market":
            gate.apply(PauseMarket(ticker))
        elif what == "reactivate market":
            gate.apply(ReactivateMarket(ticker))
        elif what == "wait":
            gate.time_ns += choice.randint(1, 3) * SECOND
            gate.apply(Tick())
        elif what == "subscribe":
            watcher.ask("subscribe", channels=["orderbook_delta"], market_tickers=tickers)
        elif what == "unsubscribe" and watcher.sid is not None:
            watcher.ask("unsubscribe", sids=[watcher.sid])
        elif what in {"add_markets", "delete_markets", "get_snapshot"} and watcher.sid is not None:
            watcher.ask("update_subscription", sid=watcher.sid, action=what, market_tickers=tickers)
        elif what == "stop reading":
            watcher.client.socket.paused = True
        elif what == "read on":
            watcher.client.socket.resume()
        elif what == "reconnect":
            watcher.client.disconnect()
            watcher.connect()

    def place(self, ticker: str, choice: random.Random) -> None:
        """Few prices, so that orders meet and levels are shared."""
        changes: dict[str, Any] = {}
        if choice.random() < 0.1:
            changes["time_in_force"] = "immediate_or_cancel"
        elif choice.random() < 0.1:
            changes["expiration_ns"] = self.gate.time_ns + 2 * SECOND
        lots = choice.randint(1, 15)
        self.gate.order(
            choice.choice(self.members),
            ticker,
            choice.choice(["buy", "sell"]),
            choice.choice(["yes", "no"]),
            choice.randint(460, 540) / 10 if ticker == FINE else choice.randint(46, 54),
            lots / 4 if ticker == FINE else lots,
            self_trade_prevention=choice.choice(["taker_at_cross", "maker"]),
            **changes,
        )

    def change_order(self, what: str, choice: random.Random) -> None:
        orders = sorted(self.gate.state.orders)
        if not orders:
            return
        order = self.gate.state.orders[choice.choice(orders)]
        member_id = order.account.member.id
        if what == "cancel":
            self.gate.apply(CancelOrder(member_id, order.id))
        elif what == "decrease":
            self.gate.apply(
                DecreaseOrder(member_id, order.id, reduce_by=choice.randint(1, 8) * 100)
            )
        else:
            self.gate.apply(
                AmendOrder(
                    member_id,
                    order.id,
                    price=choice.randint(46, 54) * 100,
                    quantity=choice.randint(1, 20) * 100,
                )
            )

    def look(self) -> None:
        for watcher in self.watchers:
            watcher.read(self.expected)
            if not watcher.client.socket.paused:
                watcher.check(self.gate)


async def play(seed: int) -> None:
    choice = random.Random(seed)
    world = World()
    for _ in range(40):
        # Several things may happen within one turn of the loop.
        for what in choice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=choice.randint(1, 8)):
            world.do(what, choice)
        await settle()
        world.look()
    for watcher in world.watchers:
        watcher.client.socket.resume()
    await settle()
    world.look()


@given(st.integers(0, 2**32))
def test_what_a_client_rebuilds_is_what_the_engine_has(seed: int) -> None:
    asyncio.run(play(seed))
