"""The outgoing queue: one write per turn, pressure, conflation of tickers, and overflow.

The reader is in memory and stops reading exactly when told to.
"""

from typing import Any

import pytest

from augury.core.commands import CancelOrder, CreateOrderGroup, TriggerOrderGroup
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws import books, messages
from augury.gateways.ws.frames import text_frame
from tests.ws_harness import (
    RAIN,
    SNOW,
    ClientBooks,
    DirectGate,
    MemoryClient,
    MemoryGateway,
    engine_book,
    parse_frames,
    settle,
    weather_gate,
)


@pytest.fixture
def gate() -> DirectGate:
    return weather_gate()


@pytest.fixture
def maker(gate: DirectGate) -> int:
    return gate.add_member("maker@example.com")[0]


def make_noise(gate: DirectGate, maker: int, times: int) -> None:
    """Each round is two deltas, two tickers, two user_orders."""
    for _ in range(times):
        order = gate.order(maker, RAIN, "buy", "yes", 41, 1).sequence
        gate.must(CancelOrder(maker, order))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_carry_their_length_in_one_three_or_nine_bytes(size: int) -> None:
    payload = b'"' + b"x" * (size - 2) + b'"' if size > 1 else b"7" * size
    frame = text_frame(payload)
    assert frame.endswith(payload)
    assert frame[0] == 0x81
    assert len(frame) - len(payload) == (2 if size < 126 else 4 if size < 65_536 else 10)
    if size:
        assert len(parse_frames(frame)) == 1


async def test_what_comes_together_leaves_in_one_write(gate: DirectGate, maker: int) -> None:
    client = MemoryGateway(gate).connect(maker)
    await client.subscribe("orderbook_delta", "user_orders", "ticker", market_ticker=RAIN)
    before = client.socket.writes
    make_noise(gate, maker, 10)
    assert len(await client.receive()) == 60
    assert client.socket.writes == before + 1


async def test_a_reader_who_comes_back_in_time_misses_nothing(gate: DirectGate, maker: int) -> None:
    client = MemoryGateway(gate).connect(maker)
    books = ClientBooks()
    for message in await client.subscribe("orderbook_delta", market_ticker=RAIN):
        books.read(message)
    client.socket.paused = True
    make_noise(gate, maker, 50)
    gate.order(maker, RAIN, "buy", "yes", 30, 5)
    assert await client.receive() == []
    client.socket.resume()
    messages = await client.receive()
    assert len(messages) == 101
    for message in messages:
        books.read(message)
    assert books.exact[RAIN] == engine_book(gate.state.markets[RAIN])


async def test_under_pressure_only_the_newest_ticker_of_each_market_waits(
    gate: DirectGate, maker: int
) -> None:
    client = MemoryGateway(gate).connect(maker)
    await client.subscribe("ticker", "trade")
    client.socket.paused = True
    make_noise(gate, maker, 50)
    gate.order(maker, SNOW, "buy", "yes", 30, 5)
    gate.order(maker, RAIN, "buy", "yes", 30, 5)
    assert len(client.connection.late_tickers) == 2
    client.socket.resume()
    messages = await client.receive()
    assert [(m["msg"]["market_ticker"], m["msg"]["yes_bid"]) for m in messages] == [
        (RAIN, 30),
        (SNOW, 30),
    ]


async def test_a_ticker_held_back_dies_with_its_subscription(gate: DirectGate, maker: int) -> None:
    client = MemoryGateway(gate).connect(maker)
    await client.subscribe("ticker", market_tickers=[RAIN, SNOW])
    client.socket.paused = True
    for ticker in (RAIN, SNOW):
        gate.order(maker, ticker, "buy", "yes", 30, 5)
    client.send(
        {
            "id": 1,
            "cmd": "update_subscription",
            "params": {"sid": 1, "action": "delete_markets", "market_ticker": RAIN},
        }
    )
    client.send({"id": 2, "cmd": "unsubscribe", "params": {"sids": [1]}})
    client.socket.resume()
    assert [m["type"] for m in await client.receive()] == ["ok", "unsubscribed"]


@pytest.mark.parametrize(
    "limits", [{"queue_messages": 100}, {"queue_bytes": 10_000}], ids=["messages", "bytes"]
)
async def test_a_slow_reader_is_told_and_closed_and_nobody_else_notices(
    gate: DirectGate, maker: int, limits: dict[str, Any]
) -> None:
    gateway = MemoryGateway(gate, WebSocketSettings(**limits))
    slow, fast = gateway.connect(maker), gateway.connect(maker)
    for client in (slow, fast):
        await client.subscribe("orderbook_delta", market_ticker=RAIN)
    slow.socket.paused = True
    received = 0
    for _ in range(100):
        make_noise(gate, maker, 2)
        received += len(await fast.receive())
    assert slow.socket.take() == [
        {"type": "error", "msg": {"code": 25, "msg": "Subscription buffer overflow"}}
    ]
    assert slow.socket.closed == (1008, "Subscription buffer overflow")
    assert slow.connection.pending == []
    assert gateway.outbox.counters.overflows == 1
    assert received == 400
    assert fast.socket.closed is None


async def test_a_burst_is_no_reason_to_close_a_reader_who_keeps_up(
    gate: DirectGate, maker: int
) -> None:
    """More than the whole queue within one turn of the loop, but the socket takes it all."""
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=100))
    client = gateway.connect(maker)
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    make_noise(gate, maker, 500)
    assert len(await client.receive()) == 1000
    assert client.socket.closed is None


async def test_an_event_that_is_more_than_the_queue_holds_is_let_in_once(
    gate: DirectGate, maker: int
) -> None:
    """A group of orders is canceled at once: more messages than may wait, and no time to read."""
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=100))
    client = gateway.connect(maker)
    await client.subscribe("user_orders")
    group = gate.must(CreateOrderGroup(maker, 0, 1_000_000)).sequence
    for _ in range(300):
        gate.order(maker, RAIN, "buy", "yes", 30, 1, order_group_id=group)
        await client.receive()
    client.socket.paused = True
    gate.must(TriggerOrderGroup(maker, group))
    await settle()
    # The reader is about to read; meanwhile trading goes on.
    make_noise(gate, maker, 20)
    await settle()
    assert client.socket.closed is None
    client.socket.resume()
    assert len(await client.receive()) == 300 + 40
    # What was let in once is not let in for good: the bound is what it was.
    client.socket.paused = True
    for _ in range(60):
        make_noise(gate, maker, 1)
        await settle()
    assert client.socket.closed == (1008, "Subscription buffer overflow")


async def test_who_does_not_read_is_not_let_off_by_event_after_event(
    gate: DirectGate, maker: int
) -> None:
    """Each turn brings more than the queue holds; only the first of them is let in."""
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=100))
    client = gateway.connect(maker)
    await client.subscribe("user_orders")
    client.socket.paused = True
    for turn in range(3):
        make_noise(gate, maker, 100)
        await settle()
        assert (client.socket.closed is None) == (turn == 0)
    assert client.connection.pending == []


class ShortSocketClient:
    """A reader whose operating system takes a number of bytes and then no more."""

    def __init__(self, client: MemoryClient, room: int) -> None:
        self.client = client
        self.room = room
        self.write = client.socket.write
        client.socket.write = self.limited_write

    def limited_write(self, frames: bytes) -> None:
        self.write(frames)
        self.room -= len(frames)
        if self.room <= 0:
            self.client.socket.paused = True


async def test_a_long_backlog_leaves_in_pieces_as_there_is_room(
    gate: DirectGate, maker: int
) -> None:
    client = MemoryGateway(gate).connect(maker)
    books = ClientBooks()
    for message in await client.subscribe("orderbook_delta", market_ticker=RAIN):
        books.read(message)
    client.socket.paused = True
    make_noise(gate, maker, 2000)
    waiting = client.connection.pending_bytes
    assert waiting > 1_000_000
    short = ShortSocketClient(client, room=300_000)
    client.socket.resume()
    first = await client.receive()
    assert 0 < len(first) < 4000
    assert 0 < client.connection.pending_bytes < waiting
    assert client.socket.paused
    short.room = 10_000_000
    client.socket.resume()
    rest = await client.receive()
    assert len(first) + len(rest) == 4000
    for message in first + rest:
        books.read(message)
    assert client.connection.pending_bytes == 0


async def test_snapshots_wait_for_room_and_are_still_seamless(gate: DirectGate, maker: int) -> None:
    """A hundred deep books do not fit at once; trading goes on while they are being sent."""
    tickers = [f"MANY-{number:03d}-M" for number in range(100)]
    for ticker in tickers:
        gate.add_market(ticker)
        for cents in range(1, 100, 4):
            gate.order(maker, ticker, "buy", "yes" if cents < 50 else "no", cents % 50 + 1, 1)
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=50, queue_bytes=150_000))
    client = gateway.connect(maker)
    short = ShortSocketClient(client, room=20_000)
    books = ClientBooks()
    client.send(
        {
            "id": 1,
            "cmd": "subscribe",
            "params": {"channels": ["orderbook_delta"], "market_tickers": tickers},
        }
    )
    for turn in range(200):
        for message in await client.receive():
            books.read(message)
        gate.order(maker, tickers[turn % 100], "buy", "yes", 2, 1)
        if client.socket.paused:
            short.room = 20_000
            client.socket.resume()
    for message in await client.receive():
        books.read(message)
    assert client.socket.closed is None
    assert set(books.exact) == set(tickers)
    for ticker in tickers:
        assert books.exact[ticker] == engine_book(gate.state.markets[ticker])


async def test_after_the_end_nothing_is_kept(gate: DirectGate, maker: int) -> None:
    gateway = MemoryGateway(gate)
    client = gateway.connect(maker)
    await client.subscribe("orderbook_delta", "fill", "ticker", "trade", market_ticker=RAIN)
    client.disconnect()
    make_noise(gate, maker, 5)
    assert client.connection.pending == []
    assert not any(gateway.registry.by_channel.values())


async def test_a_peer_who_has_just_gone_disturbs_nobody(gate: DirectGate, maker: int) -> None:
    """uvloop raises when a connection is written to between its end and the news of it."""
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=100))
    gone, there = gateway.connect(maker), gateway.connect(maker)
    for client in (gone, there):
        await client.subscribe("orderbook_delta", market_ticker=RAIN)

    def fail(frames: bytes) -> None:
        raise RuntimeError("unable to perform operation: the handler is closed")

    gone.socket.write = fail
    make_noise(gate, maker, 3)
    assert len(await there.receive()) == 6
    # Also when the queue is emptied in the middle of an event.
    gone.connection.closed = False
    make_noise(gate, maker, 200)
    assert len(await there.receive()) == 400
    assert gateway.failures == 0


async def test_whoever_is_gone_while_their_queue_overflows_disturbs_nobody(
    gate: DirectGate, maker: int
) -> None:
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=100))
    gone = gateway.connect(maker)
    await gone.subscribe("orderbook_delta", market_ticker=RAIN)
    gone.socket.paused = True

    def fail(frames: bytes) -> None:
        raise RuntimeError("unable to perform operation: the handler is closed")

    gone.socket.write = fail
    for _ in range(3):
        make_noise(gate, maker, 60)
        await settle()
    assert gateway.failures == 0
    assert gateway.outbox.counters.overflows == 1


async def test_a_snapshot_that_fails_ends_one_connection_only(
    gate: DirectGate, maker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = MemoryGateway(gate)
    unlucky, other = gateway.connect(maker), gateway.connect(maker)
    await other.subscribe("trade", "user_orders")
    unlucky.socket.paused = True
    unlucky.send(
        {
            "id": 1,
            "cmd": "subscribe",
            "params": {"channels": ["orderbook_delta"], "market_ticker": RAIN},
        }
    )
    monkeypatch.setattr("augury.gateways.ws.books.snapshot", lambda *_: 1 / 0)
    unlucky.socket.paused = False
    gate.order(maker, RAIN, "buy", "yes", 41, 1)
    assert [m["type"] for m in await other.receive()] == ["user_order"]
    assert unlucky.socket.closed == (1011, "Internal error")


async def test_what_is_held_back_counts_against_the_bound(gate: DirectGate, maker: int) -> None:
    """Tickers of very many markets would be a queue without end, each replaced or not."""
    tickers = [f"MANY-{number:03d}-M" for number in range(60)]
    for ticker in tickers:
        gate.add_market(ticker)
    gateway = MemoryGateway(gate, WebSocketSettings(queue_messages=50))
    client = gateway.connect(maker)
    await client.subscribe("ticker")
    client.socket.paused = True
    for cents in range(1, 40):
        for ticker in tickers[:40]:
            gate.order(maker, ticker, "buy", "yes", cents, 1)
    assert client.socket.closed is None
    held = client.connection.late_tickers
    assert client.connection.late_bytes == sum(map(len, held.values())) > 0
    for ticker in tickers[40:]:
        gate.order(maker, ticker, "buy", "yes", 40, 1)
        await settle()
    assert client.socket.closed == (1008, "Subscription buffer overflow")
    assert client.connection.late_bytes == 0


async def test_pressure_merges_tickers_and_nothing_else(gate: DirectGate, maker: int) -> None:
    """Deltas, trades, fills, orders and positions arrive one by one, however long they waited."""
    taker, _ = gate.add_member("taker@example.com")
    client = MemoryGateway(gate).connect(maker)
    channels = ("orderbook_delta", "ticker", "trade", "fill", "user_orders", "market_positions")
    await client.subscribe(*channels, market_ticker=RAIN)
    client.socket.paused = True
    for _ in range(30):
        gate.order(maker, RAIN, "buy", "yes", 45, 1)
        gate.order(taker, RAIN, "sell", "yes", 45, 1)
    client.socket.resume()
    kinds = [message["type"] for message in await client.receive()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "orderbook_delta": 60,
        "trade": 30,
        "fill": 30,
        "user_order": 60,
        "market_position": 30,
        "ticker": 1,
    }


async def test_a_message_is_encoded_once_however_many_receive_it(
    gate: DirectGate, maker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []

    def count(module: Any, name: str) -> None:
        real = getattr(module, name)

        def counting(*arguments: Any) -> Any:
            encoded.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, counting)

    for name in ("ticker", "ticker_v2", "trade", "fill", "user_order", "market_position"):
        count(messages, name)
    count(books, "delta")
    count(books, "with_owner")
    gateway = MemoryGateway(gate)
    channels = ("ticker", "ticker_v2", "trade", "orderbook_delta", "fill", "user_orders")
    clients = [gateway.connect(maker) for _ in range(50)]
    for client in clients:
        await client.subscribe(*channels, market_ticker=RAIN)
    taker, _ = gate.add_member("taker@example.com")
    gate.order(maker, RAIN, "buy", "yes", 45, 1)
    gate.order(taker, RAIN, "sell", "yes", 45, 1)
    received = [[message["type"] for message in await client.receive()] for client in clients]
    assert {tuple(sorted(kinds)) for kinds in received} == {tuple(sorted(received[0]))}
    # The same work as for one receiver: two deltas, two changes of the quote, one trade...
    assert {name: encoded.count(name) for name in encoded} == {
        "delta": 2,
        "with_owner": 2,
        "ticker": 2,
        "ticker_v2": 2,
        "trade": 1,
        "fill": 1,
        "user_order": 2,
    }
    # ... and where nothing in the frame is the receiver's own, the frame itself is one object.
    for client in clients:
        client.socket.paused = True
    gate.order(maker, RAIN, "buy", "yes", 44, 1)
    gate.order(taker, RAIN, "sell", "yes", 44, 1)
    trades = {
        id(frame)
        for client in clients
        for frame in client.connection.pending
        if b'"type":"trade"' in frame
    }
    assert len(trades) == 1


async def test_messages_are_not_made_when_nobody_listens(
    gate: DirectGate, maker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*arguments: Any) -> bytes:
        raise AssertionError("nobody asked for this message")

    for name in ("ticker", "ticker_v2", "trade", "fill", "user_order", "market_position"):
        monkeypatch.setattr(messages, name, unwanted)
    monkeypatch.setattr(books, "delta", unwanted)
    gateway = MemoryGateway(gate)
    client = gateway.connect(maker)
    channels = ("ticker", "ticker_v2", "trade", "orderbook_delta")
    await client.subscribe(*channels, market_ticker=SNOW)
    taker, _ = gate.add_member("taker@example.com")
    gate.order(maker, RAIN, "buy", "yes", 45, 1)
    gate.order(taker, RAIN, "sell", "yes", 45, 1)
    assert gateway.failures == 0
    assert await client.receive() == []
