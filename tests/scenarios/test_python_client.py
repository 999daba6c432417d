"""The Python client against the real server: it comes back, asks again, notices what is lost."""

import asyncio
import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from augury.client import (
    Books,
    Connected,
    Disconnected,
    Received,
    Signer,
    Stream,
    StreamEvent,
    StreamRefused,
    count_units,
    price_units,
)
from augury.client import stream as stream_module
from augury.testing import Member, RunningExchange, running_exchange
from augury.testing.exchange import shared_key_pair


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    """In a process of its own, which can be killed."""
    with running_exchange(own_process=True, clock="real", maintenance=False) as exchange:
        yield exchange


@pytest.fixture
def member(exchange: RunningExchange) -> Member:
    return exchange.add_member()


class Listener:
    """Reads a stream beside the test, keeps its books, and lets the test wait for things."""

    def __init__(self, stream: Stream, tickers: list[str]) -> None:
        self.stream = stream
        self.books = Books(stream, tickers)
        self.events: list[StreamEvent] = []
        self.stale_after_loss: list[bool] = []
        self._changed = asyncio.Event()

    async def run(self) -> None:
        await self.books.start()
        async with contextlib.aclosing(self.stream.events()) as events:
            async for event in events:
                await self.books.feed(event)
                if isinstance(event, Disconnected):
                    self.stale_after_loss += [b.stale for b in self.books.books.values()]
                self.events.append(event)
                self._changed.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_book(self, ticker: str, levels: tuple[dict[int, int], dict[int, int]]) -> None:
        await self.until(lambda: self.levels(ticker) == levels)

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def of(self, kind: str) -> list[Received]:
        return [e for e in self.events if isinstance(e, Received) and e.type == kind]

    def levels(self, ticker: str) -> tuple[dict[int, int], dict[int, int]]:
        book = self.books.books[ticker]
        return (book.yes, book.no) if not book.stale else ({}, {})


@contextlib.asynccontextmanager
async def listening(stream: Stream, tickers: list[str]) -> AsyncIterator[Listener]:
    listener = Listener(stream, tickers)
    task = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.wait([task])


def true_levels(exchange: RunningExchange, ticker: str) -> tuple[dict[int, int], dict[int, int]]:
    answer = exchange.http.get(f"/trade-api/v2/markets/{ticker}/orderbook").json()["orderbook_fp"]
    yes, no = (
        {price_units(price): count_units(count) for price, count in answer[f"{side}_dollars"] or []}
        for side in ("yes", "no")
    )
    return yes, no


# --- coming back -------------------------------------------------------------------------------


@pytest.mark.serial
async def test_a_killed_server_costs_a_moment_and_no_book_is_ever_wrong(
    exchange: RunningExchange, member: Member
) -> None:
    other = exchange.add_member()
    tickers = [exchange.list_market(), exchange.list_market()]
    member.place(tickers[0], "buy", "yes", 5, 40)
    stream = member.stream(proxy=False)
    await stream.subscribe("fill", "user_orders")
    async with listening(stream, tickers) as listener:
        await listener.until(lambda: listener.levels(tickers[0]) == ({4000: 500}, {}))
        exchange.kill()
        await listener.until(lambda: listener.count(Disconnected) >= 2)
        assert all(listener.stale_after_loss)
        exchange.restart()
        # Missed while the client waits before it tries again, or seen: the book shows it.
        member.place(tickers[0], "buy", "yes", 7, 41)
        member.place(tickers[1], "buy", "no", 3, 30)
        await listener.until(lambda: listener.count(Connected) == 2)
        for ticker in tickers:
            await listener.until_book(ticker, true_levels(exchange, ticker))
        # Private channels are back as well, under the signature of now.
        other.place(tickers[0], "sell", "yes", 2, 41)
        await listener.until(lambda: listener.of("fill"))
        assert listener.of("fill")[0].msg["count"] == 2
        assert listener.books.gaps == 0


async def test_a_key_that_is_not_known_ends_the_stream(exchange: RunningExchange) -> None:
    stranger = Signer("6d7a0d0e-6c0a-4e0f-9a50-0a8a6a1c7d11", shared_key_pair().private_pem)
    stream = Stream(exchange.url, stranger, proxy=False)
    with pytest.raises(StreamRefused, match="401"):
        async with asyncio.timeout(20):
            await anext(stream.events())


def test_pauses_grow_to_a_bound_and_are_never_the_same_for_all() -> None:
    some = [stream_module.GrowingPauses(0.2, 5.0) for _ in range(50)]
    for expected in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        pauses = [one.next() for one in some]
        assert all(expected * 0.7 <= pause <= expected * 1.3 for pause in pauses)
        assert len(set(pauses)) > 40
    for one in some:
        one.reset()
    assert max(one.next() for one in some) <= 0.26


# --- losing a message --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def losing(url: str, signer: Signer, lose: Callable[[str], bool]) -> AsyncIterator[str]:
    """A proxy before the exchange that loses what ``lose`` says."""

    async def pass_on(client: ServerConnection) -> None:
        headers = signer.headers("GET", "/trade-api/ws/v2")
        async with connect(url, additional_headers=headers, proxy=None) as server:

            async def down() -> None:
                async for text in server:
                    assert isinstance(text, str)
                    if not lose(text):
                        await client.send(text)

            task = asyncio.create_task(down())
            with contextlib.suppress(ConnectionClosed):
                async for text in client:
                    await server.send(text)
            task.cancel()
            await asyncio.wait([task])

    async with serve(pass_on, "127.0.0.1", 0) as proxy:
        port = next(iter(proxy.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/trade-api/ws/v2"


async def test_a_lost_message_is_noticed_and_the_book_taken_anew(
    exchange: RunningExchange, member: Member
) -> None:
    tickers = [exchange.list_market(), exchange.list_market()]
    lost: list[str] = []

    def lose_one(text: str) -> bool:
        if '"orderbook_delta"' in text and '"0.4200"' in text and not lost:
            lost.append(text)
            return True
        return False

    async with (
        losing(exchange.websocket_url, member.signer, lose_one) as url,
        listening(Stream(url, proxy=False), tickers) as listener,
    ):
        await listener.until(lambda: len(listener.of("orderbook_snapshot")) == 2)
        member.place(tickers[0], "buy", "yes", 1, 41)
        member.place(tickers[0], "buy", "yes", 1, 42)
        # Nobody can know yet; the next message of either market tells.
        member.place(tickers[1], "buy", "yes", 1, 43)
        await listener.until(lambda: listener.books.gaps == 1)
        for ticker in tickers:
            await listener.until_book(ticker, true_levels(exchange, ticker))
        member.place(tickers[0], "buy", "yes", 1, 44)
        await listener.until(lambda: 4400 in listener.levels(tickers[0])[0])
        assert len(lost) == 1
        assert listener.books.gaps == 1
        assert listener.count(Disconnected) == 0


# --- which markets -----------------------------------------------------------------------------


async def test_long_lists_are_asked_for_in_parts_and_can_change_at_any_time(
    exchange: RunningExchange, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "MARKETS_PER_COMMAND", 2)
    tickers = [exchange.list_market() for _ in range(7)]
    stream = member.stream(proxy=False)
    subscription = await stream.subscribe("orderbook_delta", market_tickers=tickers[:5])
    async with listening(stream, []) as listener:
        await listener.until(lambda: listener.of("subscribed"))
        # Some may have been asked for, some not.
        await stream.add_markets(subscription, tickers[4:])
        await stream.remove_markets(subscription, tickers[:1])
        number = await stream.send("list_subscriptions")
        await listener.until(lambda: any(e.raw.get("id") == number for e in listener.of("ok")))
        confirmed = [
            e.raw["market_tickers"] for e in listener.of("ok") if "market_tickers" in e.raw
        ]
        assert sorted(confirmed[-1]) == sorted(tickers[1:])
    assert subscription.market_tickers == tickers[1:]


async def test_more_markets_than_may_be_named_at_once_take_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "MARKETS_PER_COMMAND", 2)
    monkeypatch.setattr(stream_module, "PATIENCE", 0.3)
    with running_exchange(
        clock="real", maintenance=False, websocket_commands_per_second=5
    ) as narrow:
        tickers = [narrow.list_market() for _ in range(9)]
        stream = narrow.add_member().stream(proxy=False)
        async with listening(stream, tickers) as listener:
            await listener.until(lambda: len(listener.of("orderbook_snapshot")) == len(tickers))
            assert {event.msg["code"] for event in listener.of("error")} == {27}
            assert not any(book.stale for book in listener.books.books.values())


async def test_two_subscriptions_may_share_a_channel(
    exchange: RunningExchange, member: Member
) -> None:
    first, second, third = (exchange.list_market() for _ in range(3))
    stream = member.stream(proxy=False)
    one = await stream.subscribe("trade", market_tickers=[first])
    other = await stream.subscribe("trade", market_tickers=[second])
    async with listening(stream, []) as listener:
        await listener.until(lambda: one.answered and other.answered)
        assert one.sids == other.sids
        await stream.add_markets(other, [third])
        await listener.until(lambda: len(listener.of("ok")) == 2)
        assert listener.of("ok")[-1].raw["market_tickers"] == [first, second, third]


async def test_a_market_that_is_unknown_does_not_cost_the_others(
    exchange: RunningExchange, member: Member
) -> None:
    """After a reconnect nobody would be there to ask for the others."""
    known = [exchange.list_market(), exchange.list_market()]
    tickers = [known[0], "GONE-1", known[1], "GONE-2"]
    async with listening(member.stream(proxy=False), tickers) as listener:
        await listener.until(lambda: len(listener.of("orderbook_snapshot")) == 2)
        assert [e.msg["market_ticker"] for e in listener.of("error")] == ["GONE-1", "GONE-2"]
        assert listener.books.books["GONE-1"].stale


# --- the documentation -------------------------------------------------------------------------


@pytest.mark.serial
def test_the_first_program_runs_as_it_is_written_and_survives_a_kill(
    repository: Path, tmp_path: Path, exchange: RunningExchange, member: Member
) -> None:
    page = (repository / "docs" / "api" / "python-client.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    (tmp_path / "key.pem").write_text(member.private_key_pem)
    ticker = exchange.list_market()
    environment = {
        **os.environ,
        "AUGURY_URL": exchange.url,
        "AUGURY_KEY_ID": member.api_key_id,
        "AUGURY_KEY_FILE": str(tmp_path / "key.pem"),
        "NO_PROXY": "127.0.0.1",
    }
    lines: queue.Queue[str] = queue.Queue()

    def wait_for(text: str) -> str:
        while True:
            line = lines.get(timeout=30)
            if text in line:
                return line

    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        threading.Thread(target=collect, args=(process.stdout, lines), daemon=True).start()
        try:
            wait_for("connected")
            wait_for(f"{ticker} 0 10000")
            member.place(ticker, "buy", "yes", 1, 40)
            wait_for(f"{ticker} 4000 10000")
            exchange.kill()
            wait_for("disconnected")
            exchange.restart()
            wait_for("connected")
            wait_for(f"{ticker} 4000 10000")
            exchange.add_member().place(ticker, "sell", "yes", 1, 40)
            assert json.loads(f'"{wait_for("fill").strip()}"') == f"fill {ticker} 1.00"
        finally:
            process.terminate()


def collect(output: IO[str], lines: "queue.Queue[str]") -> None:
    for line in output:
        lines.put(line)
