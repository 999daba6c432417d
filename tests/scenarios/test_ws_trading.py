"""A market from its listing to its settlement, as two members' sockets see it.

The whole exchange runs, with log and history. Every message must have its published shape, and
what the stream said must be what REST says: books, orders, fills, positions, to the cent.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from augury.client.signing import Signer
from augury.testing.exchange import Member, RunningExchange, running_exchange
from tests.ws_harness import ClientBooks
from tests.ws_schemas import check_shape

PATH = "/trade-api/ws/v2"
PRIVATE = ["fill", "user_orders", "market_positions", "order_group_updates"]
PUBLIC = ["orderbook_delta", "ticker", "trade"]


class Listener:
    """A socket whose messages are checked, collected, and turned into books as they arrive."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.books = ClientBooks()
        self._commands = 0

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=10))
        check_shape(message)
        self.books.read(message)
        self.messages.append(message)
        return message

    def command(self, cmd: str, **params: Any) -> None:
        """Send a command and read up to its reply; data that came first is kept."""
        self._commands += 1
        self.socket.send(json.dumps({"id": self._commands, "cmd": cmd, "params": params}))
        replies = len(params.get("channels", [None]))
        while replies:
            message = self.receive()
            assert message["type"] != "error", message
            replies -= message.get("id") == self._commands

    def catch_up(self) -> None:
        """Read everything that was sent before now."""
        self.command("list_subscriptions")

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [message["msg"] for message in self.messages if message["type"] == kind]


@contextmanager
def listening(exchange: RunningExchange, signer: Signer | None) -> Iterator[Listener]:
    headers = signer.headers("GET", PATH) if signer else {}
    with connect(exchange.websocket_url, additional_headers=headers) as socket:
        yield Listener(socket)


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as exchange:
        yield exchange


def rest_book(exchange: RunningExchange, ticker: str) -> dict[tuple[str, str], Decimal]:
    answer = exchange.http.get(f"/trade-api/v2/markets/{ticker}/orderbook").json()
    found = {}
    for side in ("yes", "no"):
        for price, count in answer["orderbook_fp"][f"{side}_dollars"] or []:
            found[side, price] = Decimal(count)
    return found


def trade_a_while(maker: Member, taker: Member, ticker: str) -> None:
    """Every operation on orders at least once."""
    bid = maker.place(ticker, "buy", "yes", 20, 41)
    ask = maker.place(ticker, "sell", "yes", 10, 45)
    maker.place(ticker, "buy", "no", 5, 53)
    taker.place(ticker, "buy", "yes", 4, 45)
    taker.place(ticker, "sell", "yes", 2, 41)
    maker.post(
        f"/portfolio/orders/{ask['order_id']}/amend",
        {
            "ticker": ticker,
            "side": "yes",
            "action": "sell",
            "client_order_id": ask["client_order_id"],
            "updated_client_order_id": "amended",
            "yes_price": 44,
            "count": 9,
        },
    )
    maker.post(f"/portfolio/orders/{bid['order_id']}/decrease", {"reduce_by": 5})
    taker.place(ticker, "buy", "no", 30, 60, time_in_force="immediate_or_cancel")
    batch = [
        {"ticker": ticker, "action": "buy", "side": side, "count": 3, "yes_price": price}
        for side, price in (("yes", 30), ("yes", 31))
    ]
    answers = taker.post("/portfolio/orders/batched", {"orders": batch})["orders"]
    taker.delete(f"/portfolio/orders/{answers[0]['order']['order_id']}")


def test_a_market_from_listing_to_settlement(exchange: RunningExchange) -> None:
    maker, taker = exchange.add_member(), exchange.add_member()
    with (
        listening(exchange, maker.signer) as makers,
        listening(exchange, taker.signer) as takers,
        listening(exchange, None) as public,
    ):
        public.command("subscribe", channels=["market_lifecycle_v2", "ticker", "trade"])
        ticker = exchange.list_market(
            "KXRAIN-26MAR01-T1.5",
            strike_type="greater",
            floor_strike=1.5,
            settlement_timer_seconds=3600,
        )
        for socket in (makers, takers):
            socket.command("subscribe", channels=PRIVATE)
            socket.command("subscribe", channels=PUBLIC, market_ticker=ticker)
        trade_a_while(maker, taker, ticker)
        for socket in (makers, takers, public):
            socket.catch_up()

        for socket, member in ((makers, maker), (takers, taker)):
            assert socket.books.exact[ticker] == rest_book(exchange, ticker)
            check_fills(socket, member)
            check_orders(socket, member)
            check_position(socket, member, ticker)
        check_ticker(public, exchange, ticker)
        trades = exchange.http.get("/trade-api/v2/markets/trades", params={"ticker": ticker})
        assert [t["trade_id"] for t in reversed(public.bodies("trade"))] == [
            t["trade_id"] for t in trades.json()["trades"]
        ]

        exchange.determine(ticker, "no")
        before = {member: member.balance for member in (maker, taker)}
        exchange.advance(days=2)
        for socket in (makers, takers, public):
            socket.catch_up()
        assert [m["event_type"] for m in public.bodies("market_lifecycle_v2")] == [
            "created",
            "close_date_updated",
            "determined",
            "settled",
        ]
        assert [m["event_ticker"] for m in public.bodies("event_lifecycle")] == ["KXRAIN-26MAR01"]
        for socket, member in ((makers, maker), (takers, taker)):
            # What rested was cancelled at the close, and the book is empty.
            assert socket.books.exact[ticker] == {}
            check_orders(socket, member)
            last = socket.bodies("market_position")[-1]
            assert (last["position"], last["position_cost"]) == (0, 0)
            (settlement,) = member.get("/portfolio/settlements")["settlements"]
            assert settlement["ticker"] == ticker
            assert member.balance == before[member] + settlement["revenue"]


def check_fills(socket: Listener, member: Member) -> None:
    streamed = socket.bodies("fill")
    listed = member.get("/portfolio/fills", limit=100)["fills"]
    assert len(streamed) == len(listed) > 0
    names = ["trade_id", "order_id", "is_taker", "side", "action", "count", "count_fp"]
    names += ["yes_price", "fee_cost"]
    assert [[fill[name] for name in names] for fill in reversed(streamed)] == [
        [fill[name] for name in names] for fill in listed
    ]


def check_orders(socket: Listener, member: Member) -> None:
    latest = {order["order_id"]: order for order in socket.bodies("user_order")}
    listed = {
        order["order_id"]: order for order in member.get("/portfolio/orders", limit=100)["orders"]
    }
    assert set(latest) == set(listed)
    same = ["ticker", "status", "side", "action", "client_order_id", "user_id", "created_time"]
    same += ["yes_price_dollars", "fill_count_fp", "remaining_count_fp", "initial_count_fp"]
    same += ["taker_fees_dollars", "maker_fees_dollars"]
    same += ["taker_fill_cost_dollars", "maker_fill_cost_dollars"]
    for order_id, order in latest.items():
        assert {n: order[n] for n in same} == {n: listed[order_id][n] for n in same}


def check_position(socket: Listener, member: Member, ticker: str) -> None:
    last = socket.bodies("market_position")[-1]
    (row,) = member.get("/portfolio/positions", ticker=ticker)["market_positions"]
    assert last["market_ticker"] == ticker
    assert last["position"] == row["position"]
    assert last["position_fp"] == row["position_fp"]
    assert last["realized_pnl_dollars"] == row["realized_pnl_dollars"]
    assert last["fees_paid_dollars"] == row["fees_paid_dollars"]
    assert last["position_cost_dollars"] == row["market_exposure_dollars"]


def check_ticker(socket: Listener, exchange: RunningExchange, ticker: str) -> None:
    last = socket.bodies("ticker")[-1]
    market = exchange.http.get(f"/trade-api/v2/markets/{ticker}").json()["market"]
    for name in ("yes_bid", "yes_ask", "volume", "volume_fp", "open_interest", "yes_bid_dollars"):
        assert last[name] == market[name], name
    assert last["price"] == market["last_price"]


def test_a_socket_opened_again_after_a_crash_starts_from_the_same_book(tmp_path: Path) -> None:
    """SIGKILL, restart, subscribe: the snapshot is what the deltas had led to."""
    with running_exchange(own_process=True, data=tmp_path / "data") as exchange:
        maker, taker = exchange.add_member(), exchange.add_member()
        ticker = exchange.list_market()
        with listening(exchange, maker.signer) as socket:
            socket.command("subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            trade_a_while(maker, taker, ticker)
            socket.catch_up()
            before = socket.books.exact[ticker]
            assert before
            exchange.kill()
        exchange.restart()
        with listening(exchange, maker.signer) as socket:
            socket.command("subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            socket.catch_up()
            assert socket.books.exact[ticker] == before == rest_book(exchange, ticker)
            maker.place(ticker, "buy", "yes", 1, 20)
            socket.catch_up()
            assert socket.books.exact[ticker] == rest_book(exchange, ticker)


def test_in_a_living_world_every_book_stays_true() -> None:
    """Bots trade in all demo markets at once while one socket watches all of their books."""
    with running_exchange(world="demo", clock="real", live=True) as exchange:
        watcher = exchange.add_member()
        markets = exchange.http.get("/trade-api/v2/markets", params={"limit": 1000}).json()
        tickers = [market["ticker"] for market in markets["markets"]]
        with listening(exchange, watcher.signer) as socket:
            socket.command("subscribe", channels=["orderbook_delta"], market_tickers=tickers)
            socket.command("subscribe", channels=["ticker", "ticker_v2", "trade"])
            deadline = time.monotonic() + 60
            while len(socket.bodies("orderbook_delta")) < 300:
                assert time.monotonic() < deadline, "the bots do not trade"
                socket.receive()
            for ticker in tickers:
                assert socket_agrees(socket, exchange, ticker), ticker


def socket_agrees(socket: Listener, exchange: RunningExchange, ticker: str) -> bool:
    """Whether the streamed book is one that REST shows; the market may move between the two."""
    for _ in range(50):
        shown = rest_book(exchange, ticker)
        socket.catch_up()
        if socket.books.exact[ticker] == shown:
            return True
    return False
