"""`augury record` and `augury replay-feed`, as processes, against a real server under trading.

A plain client watches beside the recorder. What was recorded, what is played back to a client of
another make and to ours, and what the exchange says of its books at the end must all agree.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from augury.client import Books, Disconnected, Received, Stream
from augury.client.recorder import Recorder, RecorderOptions, RecorderRefused
from augury.client.recording import Recording, RecordingWriter
from augury.codec.text import rfc3339
from augury.testing import Member, RunningExchange, running_exchange, wait_until
from tests.ws_harness import ClientBooks

MARKETS = [f"KXREC-1-T{number}" for number in range(5)]
CHANNELS = ["orderbook_delta", "ticker", "trade", "fill", "market_lifecycle_v2"]

Levels = dict[str, dict[tuple[str, str], Decimal]]


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(clock="real", maintenance=False) as exchange:
        for ticker in MARKETS:
            exchange.list_market(ticker, event="KXREC-1", series="KXREC")
        yield exchange


@pytest.fixture(scope="module")
def members(exchange: RunningExchange) -> list[Member]:
    return [exchange.add_member(deposit="100000.00") for _ in range(3)]


def trade(members: list[Member], seed: int, times: int) -> None:
    """Orders around the middle, so that books grow, trades happen, and some are taken back."""
    choice = random.Random(seed)
    resting: list[tuple[Member, str]] = []
    for _ in range(times):
        if resting and choice.random() < 0.25:
            member, order_id = resting.pop(choice.randrange(len(resting)))
            member.request("DELETE", f"/portfolio/orders/{order_id}")
            continue
        member = choice.choice(members)
        order = member.place(
            choice.choice(MARKETS),
            choice.choice(["buy", "sell"]),
            choice.choice(["yes", "no"]),
            choice.randint(1, 20),
            choice.randint(44, 56),
            self_trade_prevention_type="maker",
        )
        if order["status"] == "resting":
            resting.append((member, order["order_id"]))


def books_of_the_exchange(exchange: RunningExchange) -> Levels:
    found: Levels = {}
    for ticker in MARKETS:
        answer = exchange.http.get(f"/trade-api/v2/markets/{ticker}/orderbook").json()
        levels = found[ticker] = {}
        for side in ("yes", "no"):
            for price, count in answer["orderbook_fp"][f"{side}_dollars"] or []:
                levels[side, price] = Decimal(count)
    return found


class Watched:
    """Books of one connection after each ``seq``."""

    def __init__(self) -> None:
        self.books = ClientBooks()
        self.at: dict[int, Levels] = {}

    def read(self, message: dict[str, Any]) -> None:
        self.books.read(message)
        if message["type"].startswith("orderbook"):
            self.at[message["seq"]] = {
                ticker: dict(levels) for ticker, levels in self.books.exact.items()
            }


class Watcher(threading.Thread):
    """The `websockets` library, subscribed to the books while the recorder is."""

    def __init__(self, exchange: RunningExchange, member: Member) -> None:
        super().__init__(daemon=True)
        self.watched = Watched()
        self.url = exchange.websocket_url
        self.headers = member.signer.headers("GET", "/trade-api/ws/v2")

    def run(self) -> None:
        with connect(self.url, additional_headers=self.headers, proxy=None) as socket:
            self.stop = socket.close
            params = {"channels": ["orderbook_delta"], "market_tickers": MARKETS}
            socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self.watched.read(json.loads(socket.recv()))


@contextlib.contextmanager
def command(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An `augury` command that runs, with the first line it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "augury", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield process, line
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def recorder(
    exchange: RunningExchange, member: Member, directory: Path, key_file: Path, *options: object
) -> Iterator[subprocess.Popen[str]]:
    before = Recording(directory).message_count if directory.is_dir() else 0
    with command(
        *("record", "--url", exchange.websocket_url, "--out", directory, "--flush", 0.05),
        *("--key-id", member.api_key_id, "--key-file", key_file),
        *options,
    ) as (process, line):
        assert line.startswith("recording ")
        # The replies and the snapshots: from here on nothing escapes it.
        wait_until(
            lambda: Recording(directory).message_count >= before + len(MARKETS) + 2, seconds=30
        )
        yield process


@contextlib.contextmanager
def playing(directory: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with command("replay-feed", directory, "--port", 0, *options) as (process, line):
        assert line.startswith("playing at ws://"), line
        yield process, line.split()[-1]


def watch_playback(url: str, channels: list[str], markets: list[str]) -> list[dict[str, Any]]:
    """Everything that a client of another make receives until it is told that this was all."""
    with connect(url, proxy=None, max_size=None) as socket:
        for number, channel in enumerate(channels, 1):
            params = {"channels": [channel], "market_tickers": markets}
            socket.send(json.dumps({"id": number, "cmd": "subscribe", "params": params}))
        messages = [json.loads(text) for text in socket]
        assert (socket.close_code, socket.close_reason) == (1000, "end of the recording")
        return messages


async def follow_playback(url: str, markets: list[str]) -> tuple[Books, int]:
    """The same with our client."""
    stream = Stream(url, proxy=False)
    books = Books(stream, markets)
    await books.start()
    received = 0
    async with asyncio.timeout(60):
        async for event in stream:
            if isinstance(event, Disconnected):
                return books, received
            if isinstance(event, Received):
                received += 1
            await books.feed(event)
    raise AssertionError("a stream ends only with an event")


def exact(yes: dict[int, int], no: dict[int, int]) -> dict[tuple[str, str], Decimal]:
    return {
        (side, f"0.{price:04d}"): Decimal(count) / 100
        for side, levels in (("yes", yes), ("no", no))
        for price, count in levels.items()
    }


@pytest.mark.serial
def test_what_is_recorded_and_played_back_is_what_was_seen_live(
    exchange: RunningExchange, members: list[Member], tmp_path: Path
) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text(members[0].private_key_pem)
    directory = tmp_path / "recording"
    names = ("--markets", ",".join(MARKETS), "--channels", ",".join(CHANNELS))
    watcher = Watcher(exchange, members[1])
    watcher.start()
    wait_until(lambda: len(watcher.watched.at) >= len(MARKETS))

    # A recorder that is killed in the middle of trading.
    with recorder(exchange, members[0], directory, key_file, *names, "--rotate", "4KB") as process:
        trade(members, seed=1, times=250)
        truth = books_of_the_exchange(exchange)
        wait_until(lambda: exact_books(Recording(directory)) == truth, seconds=20)
        process.kill()
        process.wait()
    live = dict(watcher.watched.at)
    wait_until(lambda: live[max(live)] == truth or live.update(watcher.watched.at))

    recording = Recording(directory)
    recording.check()
    assert len(recording.files) > 2
    kept = Watched()
    for message in recording.messages():
        kept.read(message.json)
    assert kept.at == live
    kinds = {message.type for message in recording.messages()}
    assert kinds >= {"orderbook_snapshot", "orderbook_delta", "ticker", "trade", "fill"}

    # Played to a client of another make.
    with playing(directory, "--speed", "max") as (process, url):
        played = watch_playback(url, CHANNELS, MARKETS)
        assert process.wait(timeout=20) == 0
    seen = Watched()
    for item in played:
        seen.read(item)
    assert seen.at == live
    for kind in ("trade", "fill"):
        originals = [m.msg for m in recording.messages() if m.type == kind]
        assert [m["msg"] for m in played if m["type"] == kind] == originals
    assert originals

    # ... and to ours.
    with playing(directory, "--speed", "max", "--markets", ",".join(MARKETS[:2])) as (_, url):
        books, received = asyncio.run(follow_playback(url, MARKETS[:2]))
    assert received > 50
    for ticker in MARKETS[:2]:
        assert exact(books.books[ticker].yes, books.books[ticker].no) == truth[ticker]

    # The recording goes on where it was; what was missed in between is a gap.
    trade(members, seed=2, times=20)
    before = max(message.received_ns for message in recording.messages())
    with recorder(exchange, members[0], directory, key_file, *names) as process:
        trade(members, seed=3, times=60)
        truth = books_of_the_exchange(exchange)
        wait_until(lambda: exact_books(Recording(directory)) == truth, seconds=20)
        process.terminate()
        assert process.wait(timeout=20) == 0
    watcher.stop()
    recording = Recording(directory)
    recording.check()
    (gap,) = recording.gaps()
    assert gap.reason == "the recorder died"
    assert gap.from_ns == before

    # A client that comes in the middle gets the book of that moment, and then what followed.
    middle = before - (before - recording.first_ns) // 3
    with playing(directory, "--speed", "max", "--from", rfc3339(middle)) as (_, url):
        played = watch_playback(url, ["orderbook_delta"], MARKETS)
    state = recording.state_at(middle)
    first = Watched()
    for item in played[1 : 1 + len(MARKETS)]:
        assert item["type"] == "orderbook_snapshot"
        first.read(item)
    assert first.books.exact == {
        ticker: exact(state.books[ticker].yes, state.books[ticker].no) for ticker in MARKETS
    }
    assert first.books.exact in live.values()
    rest = Watched()
    for item in played:
        rest.read(item)
    assert rest.books.exact == truth


def exact_books(recording: Recording) -> Levels:
    return {ticker: exact(book.yes, book.no) for ticker, book in recording.state_at().books.items()}


# --- the recorder among the troubles of a connection -------------------------------------------


@contextlib.asynccontextmanager
async def recording_to(
    directory: Path, url: str, options: RecorderOptions, **more: Any
) -> AsyncIterator[list[str]]:
    """A recorder in this process; yields what it tells."""
    told: list[str] = []
    recorder = Recorder(url, directory, options, proxy=False, tell=told.append, **more)
    task = asyncio.create_task(recorder.run())
    try:
        yield told
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Any, seconds: float = 20) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


def recorded(directory: Path) -> list[dict[str, Any]]:
    return [message.json for message in Recording(directory).messages()]


@pytest.mark.serial
async def test_all_markets_are_recorded_those_to_come_and_those_missed(
    tmp_path: Path,
) -> None:
    """New ones are heard of, or found in the list after the server was away (killed here)."""
    with running_exchange(own_process=True, clock="real", maintenance=False) as exchange:
        first = exchange.list_market("KXALL-1-T1")
        member = exchange.add_member()
        options = RecorderOptions(flush_seconds=0.05)

        def known() -> set[str]:
            if not tmp_path.joinpath("lock").exists():
                return set()
            books = Recording(tmp_path).state_at().books
            return {ticker for ticker, book in books.items() if not book.stale}

        async with recording_to(tmp_path, exchange.url, options, signer=member.signer) as told:
            await until(lambda: known() == {first})
            second = exchange.list_market("KXALL-1-T2")
            await until(lambda: known() == {first, second})
            exchange.kill()
            await until(lambda: any("no connection" in text for text in told))
            exchange.restart()
            third = exchange.list_market("KXALL-1-T3")
            await until(lambda: known() == {first, second, third})
            member.place(third, "buy", "yes", 3, 40)
            await until(lambda: Recording(tmp_path).state_at().books[third].yes == {4000: 300})
        assert "connected again" in told
    recording = Recording(tmp_path)
    recording.check()
    assert [gap.connection for gap in recording.gaps()] == [1]
    assert {message.connection for message in recording.messages(markets=[first])} == {1, 2}


async def test_what_the_exchange_refuses_is_told_at_the_start(
    exchange: RunningExchange, members: list[Member], tmp_path: Path
) -> None:
    async def refusal(options: RecorderOptions, **more: Any) -> str:
        recorder = Recorder(exchange.url, tmp_path, options, proxy=False, **more)
        with pytest.raises(RecorderRefused) as refused:
            async with asyncio.timeout(20):
                await recorder.run()
        return str(refused.value)

    anonymous = RecorderOptions(channels=("fill",))
    assert await refusal(anonymous) == "fill: the exchange answers error 9, Authentication required"
    unknown = RecorderOptions(channels=("trade",), markets=("NOPE-1",))
    assert "error 16, Market not found (NOPE-1)" in await refusal(unknown)
    other = type(members[0].signer)("nobody", members[0].private_key_pem)
    assert "401" in await refusal(RecorderOptions(), signer=other)


async def test_one_market_that_is_unknown_does_not_cost_the_others(
    exchange: RunningExchange, members: list[Member], tmp_path: Path
) -> None:
    options = RecorderOptions(
        channels=("orderbook_delta",),
        markets=("NOPE-1", MARKETS[0], "NOPE-2", MARKETS[1]),
        flush_seconds=0.05,
    )
    signer = members[0].signer
    async with recording_to(tmp_path, exchange.url, options, signer=signer) as told:
        await until(lambda: tmp_path.joinpath("lock").exists())
        await until(lambda: len(Recording(tmp_path).state_at().books) == 2)
    assert [text.partition("(")[2][:6] for text in told] == ["NOPE-1", "NOPE-2"]


def book_message(kind: str, seq: int, sid: int, **fields: Any) -> str:
    msg = {"market_ticker": "A", **fields}
    return json.dumps({"type": kind, "sid": sid, "seq": seq, "msg": msg})


class FaultyExchange:
    """Speaks the protocol and loses a message of the first subscription it has."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.sid = 0

    async def __call__(self, socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                command = json.loads(text)
                self.commands.append(command)
                if command["cmd"] == "subscribe":
                    await self.subscribed(socket, command["id"])
                elif command["cmd"] == "unsubscribe":
                    sid = command["params"]["sids"][0]
                    reply = {"id": command["id"], "sid": sid, "seq": 6, "type": "unsubscribed"}
                    await socket.send(json.dumps(reply))

    async def subscribed(self, socket: ServerConnection, number: int) -> None:
        self.sid = sid = self.sid + 1
        msg = {"channel": "orderbook_delta", "sid": sid}
        await socket.send(json.dumps({"id": number, "type": "subscribed", "msg": msg}))
        levels = [["0.4000", f"{sid}.00"]]
        await socket.send(book_message("orderbook_snapshot", 1, sid, yes_dollars_fp=levels))
        change = {"side": "yes", "price_dollars": "0.4000", "delta_fp": "1.00"}
        await socket.send(book_message("orderbook_delta", 2, sid, **change))
        if sid == 1:
            for seq in (4, 5):
                await socket.send(book_message("orderbook_delta", seq, sid, **change))


async def test_a_lost_message_is_noted_and_fresh_snapshots_are_asked_for(tmp_path: Path) -> None:
    faulty = FaultyExchange()
    options = RecorderOptions(channels=("orderbook_delta",), markets=("A",), flush_seconds=0.05)
    async with serve(faulty, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/trade-api/ws/v2"
        async with recording_to(tmp_path, url, options) as told:
            await until(lambda: faulty.sid == 2)
            await until(lambda: len(recorded(tmp_path)) == 9)
    assert told == ["seq 4 came in place of 3: asking for fresh snapshots"]
    assert [command["cmd"] for command in faulty.commands] == [
        "subscribe",
        "unsubscribe",
        "subscribe",
    ]
    recording = Recording(tmp_path)
    (gap,) = recording.gaps()
    assert (gap.sid, gap.reason) == (1, "seq 4 came after 2")
    before_the_end = recording.state_at(recording.last_ns)
    assert before_the_end.books["A"].yes == {4000: 300}
    assert not before_the_end.books["A"].stale
    # When nobody listens any more, nothing is known any more.
    assert recording.state_at().books["A"].stale


# --- faults of the command line ----------------------------------------------------------------


def failure(*arguments: object) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-m", "augury", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stderr


def test_a_damaged_recording_is_told_with_file_and_block(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path, block_bytes=200) as writer:
        writer.opened({})
        for number in range(50):
            writer.message(b'{"type":"trade","msg":{"market_ticker":"A","n":%d}}' % number)
    (file,) = Recording(tmp_path).files
    third = file.entries[2]
    with file.path.open("r+b") as opened:
        opened.seek(third.offset + 40)
        opened.write(b"\xff\xff\xff\xff")
    for arguments in (
        ("recording", tmp_path, "--check"),
        ("replay-feed", tmp_path, "--port", 0, "--speed", "max", "--no-wait"),
    ):
        code, said = failure(*arguments)
        assert code == 1
        assert f"error: {file.path}: block 3: its content is damaged" in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["replay-feed", "nowhere"], "nowhere: there is no such directory"),
        (["replay-feed", ".", "--speed", "fast"], "expected as-recorded, max or a factor"),
        (["record", "--url", "ws://x", "--out", "o", "--rotate", "big"], "neither a size"),
        (["record", "--url", "ws://x", "--out", "o", "--key-id", "k"], "belong together"),
        (["record", "--url", "ws://x", "--out", "o", "--markets", ","], "name at least one"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(arguments: list[str], said: str) -> None:
    code, error = failure(*arguments)
    assert code in {1, 2}
    assert said in error
    assert "Traceback" not in error
