"""A recording that is played: whoever comes whenever has the book of that moment.

The feed is driven message by message, without a clock and without sockets.
"""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.app.playback.feed import VIEWER, Feed
from augury.client.recording import FeedState, Recording, RecordingWriter
from augury.client.units import dollars_text
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.connection import Connection
from augury.gateways.ws.session import Session
from tests.ws_harness import (
    RAIN,
    SNOW,
    ClientBooks,
    DirectGate,
    MemoryGateway,
    MemorySocket,
    settle,
    weather_gate,
)

TICKERS = [RAIN, SNOW]


class Viewer:
    """A client of a feed, in memory."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.socket = MemorySocket()
        self.connection = Connection(self.socket, feed._outbox, VIEWER, 0, "latest")
        self.session = Session(
            self.connection,
            feed._registry,
            feed,
            WebSocketSettings(public_orderbook=True),
            feed._outbox.counters,
            lambda: 0.0,
        )
        self.socket.open(lambda: feed.flush(self.connection), 0, 0, 0)
        self.books = ClientBooks()

    def ask(self, cmd: str, **params: Any) -> None:
        self.session.handle(json.dumps({"id": 1, "cmd": cmd, "params": params}))

    async def read(self) -> list[dict[str, Any]]:
        await settle()
        return self.take()

    def take(self) -> list[dict[str, Any]]:
        messages = self.socket.take()
        for message in messages:
            self.books.read(message)
        return messages

    def leave(self) -> None:
        self.connection.discard()
        for subscription in self.connection.subscriptions.values():
            self.feed._registry.index(subscription).remove(subscription)


async def record_trading(directory: Path, seed: int, *, gap: bool = False) -> Recording:
    """What one client of the real gateway gets while people trade; optionally it is away once."""
    choice = random.Random(seed)
    gate: DirectGate = weather_gate()
    members = [gate.add_member(f"{name}@example.com")[0] for name in ("maker", "taker")]
    gateway = MemoryGateway(gate)
    with RecordingWriter(directory, block_bytes=4000, rotate_bytes=6000) as writer:
        for part in range(2 if gap else 1):
            client = gateway.connect(members[0])
            writer.opened({})
            for number, channel in enumerate(("orderbook_delta", "ticker", "trade", "fill")):
                client.send(
                    {
                        "id": number,
                        "cmd": "subscribe",
                        "params": {"channels": [channel], "market_tickers": TICKERS},
                    }
                )
            for _ in range(60):
                gate.order(
                    choice.choice(members),
                    choice.choice(TICKERS),
                    choice.choice(["buy", "sell"]),
                    choice.choice(["yes", "no"]),
                    choice.randint(46, 54),
                    choice.randint(1, 9),
                    self_trade_prevention="maker",
                )
                await settle()
                for message in client.socket.take():
                    writer.message(json.dumps(message, separators=(",", ":")).encode())
            client.disconnect()
            if not part:
                writer.closed("gone")
                gate.order(members[0], RAIN, "buy", "yes", 1, 50)
    return Recording(directory)


def levels(state: FeedState, ticker: str) -> dict[tuple[str, str], Any]:
    book = state.books[ticker]
    return {
        (side, dollars_text(price)): count
        for side, held in (("yes", book.yes), ("no", book.no))
        for price, count in held.items()
    }


async def play(recording: Recording, seed: int) -> None:
    """Clients come, go, widen and narrow; after every message their books are the recording's."""
    choice = random.Random(seed)
    feed = Feed(recording, speed=None)
    viewers: list[Viewer] = []
    folded = FeedState()
    for record in recording.records():
        feed._publish(record)
        if record.kind == "message":
            folded.apply(record.data)
        elif record.kind == "opened":
            folded.opened(record.connection)
        elif record.kind == "closed":
            folded.closed()
        if choice.random() < 0.1:
            viewer = Viewer(feed)
            viewer.ask("subscribe", channels=["orderbook_delta"], market_tickers=TICKERS)
            viewers.append(viewer)
        if len(viewers) > 4 and choice.random() < 0.1:
            viewers.pop(0).leave()
        if viewers and choice.random() < 0.1:
            choice.choice(viewers).ask(
                "update_subscription",
                sid=1,
                action=choice.choice(["add_markets", "delete_markets", "get_snapshot"]),
                market_ticker=choice.choice(TICKERS),
            )
        await settle()
        for viewer in viewers:
            viewer.take()
            wanted = viewer.connection.by_channel["orderbook_delta"].tickers
            for ticker in wanted or ():
                if ticker in folded.books and not folded.books[ticker].stale:
                    seen = {
                        key: int(count * 100) for key, count in viewer.books.exact[ticker].items()
                    }
                    assert seen == levels(folded, ticker)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=8)
def test_whoever_comes_whenever_has_the_book_of_that_moment(
    tmp_path_factory: pytest.TempPathFactory, seed: int, gap: bool
) -> None:
    async def run() -> None:
        recording = await record_trading(tmp_path_factory.mktemp("rec"), seed, gap=gap)
        await play(recording, seed)

    asyncio.run(run())


async def test_messages_are_played_as_they_were_received(tmp_path: Path) -> None:
    """Only sid and seq are the client's own; the body is the same bytes."""
    recording = await record_trading(tmp_path, 1)
    feed = Feed(recording)
    viewer, other = Viewer(feed), Viewer(feed)
    viewer.ask("subscribe", channels=["trade", "fill", "orderbook_delta"], market_tickers=TICKERS)
    other.ask("subscribe", channels=["trade"], market_ticker=SNOW)
    for record in recording.records():
        feed._publish(record)
    played = await viewer.read()
    assert [m["msg"]["channel"] for m in played[:3]] == ["trade", "fill", "orderbook_delta"]
    originals = [message.json for message in recording.messages()]
    for kind, sid in (("trade", 1), ("fill", 2)):
        assert [m for m in played if m["type"] == kind] == [
            {**m, "sid": sid} for m in originals if m["type"] == kind
        ]
    books = [m for m in played if m["type"].startswith("orderbook")]
    assert [m["msg"] for m in books] == [
        m["msg"] for m in originals if m["type"].startswith("orderbook")
    ]
    assert {m["sid"] for m in books} == {3}
    snow = [
        m["msg"] for m in originals if m["type"] == "trade" and m["msg"]["market_ticker"] == SNOW
    ]
    assert [m["msg"] for m in (await other.read())[1:]] == snow


async def test_a_client_may_ask_for_yes_prices_and_first_tickers(tmp_path: Path) -> None:
    recording = await record_trading(tmp_path, 2)
    feed = Feed(recording)
    early, late = Viewer(feed), Viewer(feed)
    early.ask("subscribe", channels=["orderbook_delta"], market_ticker=RAIN, use_yes_price=True)
    # Without the last note, after which no book is known any more.
    for record in recording.records(end=recording.last_ns):
        feed._publish(record)
    late.ask(
        "subscribe",
        channels=["orderbook_delta", "ticker"],
        market_ticker=RAIN,
        use_yes_price=True,
        send_initial_snapshot=True,
    )
    await early.read()
    messages = await late.read()
    # Followed from the start or told at the end, in YES prices on both sides.
    assert early.books.exact == late.books.exact
    prices = {key for key in late.books.exact[RAIN] if key[0] == "no"}
    assert prices
    asks = recording.state_at().books[RAIN].asks()
    assert prices == {("no", dollars_text(price)) for price, _ in asks}
    newest = [m.msg for m in recording.messages(markets=[RAIN]) if m.type == "ticker"][-1]
    assert [m["msg"] for m in messages if m["type"] == "ticker"] == [newest]


async def test_commands_are_answered_as_by_the_exchange(tmp_path: Path) -> None:
    recording = await record_trading(tmp_path, 3)
    viewer = Viewer(Feed(recording, markets=frozenset({RAIN})))
    for cmd, params, code in (
        ("subscribe", {"channels": ["orderbook_delta"]}, 14),
        ("subscribe", {"channels": ["nothing"]}, 8),
        ("subscribe", {"channels": ["trade"], "market_ticker": SNOW}, 16),
        ("unsubscribe", {"sids": [9]}, 7),
        ("shout", {}, 5),
    ):
        viewer.ask(cmd, **params)
        (reply,) = await viewer.read()
        assert (reply["type"], reply["msg"]["code"]) == ("error", code)
    # A channel that was not recorded is there, and silent.
    viewer.ask("subscribe", channels=["user_orders"])
    assert [m["type"] for m in await viewer.read()] == ["subscribed"]
