"""How soon a subscriber hears of an order, and whether a slow reader delays it.

A real server in a process of its own; its log lies in memory where the system has such a place,
because a disk's moods are larger than what is looked for. One member sends one order after the
other over one connection and listens to the book on another; what counts is the time from the
first byte of the request to the delta, against the time to the answer of the request itself. Then
the same beside twenty subscribers, in a process of their own, who have stopped reading, against
twenty who read: the queues of the former fill and overflow while it is measured, and each of them
must have been closed.
"""

import asyncio
import contextlib
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop

from augury.testing import Member, RunningExchange, running_exchange
from bench.ws_clients import command, connect

ORDERS = 800
ROUNDS = 3
READERS = 20
QUEUE_BYTES = 200_000
"""Overflows about half way through the orders."""
MEMORY = next((path for path in [Path("/dev/shm")] if path.is_dir()), None)

ORDERS_PATH = "/trade-api/v2/portfolio/orders"


class Trader:
    """Sends orders one at a time and notes when it is answered, and when it hears of them."""

    def __init__(self, port: int, member: Member, ticker: str) -> None:
        self.port = port
        self.member = member
        self.ticker = ticker
        self.deltas: list[float] = []
        self.arrived = asyncio.Event()

    def heard(self, text: bytes, now: float) -> None:
        if b'"orderbook_delta"' in text and b'"subscribed"' not in text:
            self.deltas.append(now)
            self.arrived.set()

    async def run(self, orders: int) -> tuple[list[float], list[float]]:
        """Seconds to the delta and to the answer, of every order."""
        listening = await connect(self.port, self.heard, self.member.signer)
        listening.transport.write(
            command("subscribe", channels=["orderbook_delta"], market_ticker=self.ticker)
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        to_delta, to_answer = [], []
        for number in range(orders):
            request = self.request(1 + number % 40)
            self.arrived.clear()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            to_answer.append(time.perf_counter() - began)
            assert b" 201 " in head.partition(b"\r\n")[0], head
            size = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            await reader.readexactly(size)
            async with asyncio.timeout(10):
                await self.arrived.wait()
            to_delta.append(self.deltas[-1] - began)
        writer.close()
        listening.transport.close()
        return to_delta, to_answer

    def request(self, cents: int) -> bytes:
        body = json.dumps(
            {
                "ticker": self.ticker,
                "action": "buy",
                "side": "yes",
                "type": "limit",
                "count": 1,
                "yes_price": cents,
            }
        ).encode()
        signed = self.member.signer.headers("POST", ORDERS_PATH)
        headers = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        return (
            f"POST {ORDERS_PATH} HTTP/1.1\r\nHost: localhost\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def be_readers(port: int, ticker: str, slow: bool) -> None:
    """Subscribers who, when they are slow, ask for the book again and again and read nothing."""
    again = command("update_subscription", sid=1, action="get_snapshot", market_ticker=ticker)
    held = []
    for _ in range(READERS):
        one = await connect(port, lambda text, now: None, receive_buffer=4096 if slow else None)
        one.transport.write(
            command("subscribe", channels=["orderbook_delta"], market_ticker=ticker)
        )
        if slow:
            one.transport.pause_reading()
            for _ in range(10):
                one.transport.write(again * 100)
                await asyncio.sleep(0.01)
        held.append(one)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def readers(port: int, ticker: str, kind: str) -> AsyncIterator[None]:
    """The subscribers beside the one who is measured: ``none``, ``slow`` or ``fast``."""
    if kind == "none":
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.ws_latency", "readers", str(port), ticker, kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    yield
    process.stdin.close()
    await process.wait()


async def measure_on(exchange: RunningExchange, kind: str) -> dict[str, float]:
    port = int(exchange.url.rpartition(":")[2])
    member = exchange.add_member(deposit="1000000.00")
    ticker = exchange.list_market()
    # A deep book, so that a snapshot is something to send, with a best bid that stays.
    for cents in range(1, 60):
        member.place(ticker, "buy", "yes", 1, cents)
        member.place(ticker, "buy", "no", 1, min(cents, 39))
    before = counted(exchange, "overflows")
    async with readers(port, ticker, kind):
        # What they have asked for is done before it begins.
        asked = -1.0
        while asked != (asked := counted(exchange, "commands")):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        assert counted(exchange, "overflows") == before
        deltas, answers = await Trader(port, member, ticker).run(ORDERS)
        assert counted(exchange, "overflows") - before == (READERS if kind == "slow" else 0)
    return {
        "delta p50": statistics.median(deltas),
        "delta p99": statistics.quantiles(deltas, n=100)[98],
        "answer p50": statistics.median(answers),
        "answer p99": statistics.quantiles(answers, n=100)[98],
    }


def counted(exchange: RunningExchange, what: str) -> float:
    metrics = exchange.http.get("/metrics").text
    (found,) = re.findall(rf"^augury_websocket_{what}_total ([0-9.e+]+)", metrics, re.MULTILINE)
    return float(found)


async def measure() -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, float]]] = {"none": [], "fast": [], "slow": []}
    for _ in range(ROUNDS):
        with (
            tempfile.TemporaryDirectory(dir=MEMORY) as data,
            running_exchange(
                forked=True,
                data=Path(data),
                clock="real",
                maintenance=False,
                websocket_queue_bytes=QUEUE_BYTES,
                websocket_public_orderbook=True,
            ) as exchange,
        ):
            for kind, measured in found.items():
                measured.append(await measure_on(exchange, kind))
    best = {
        kind: {name: min(one[name] for one in measured) for name in measured[0]}
        for kind, measured in found.items()
    }
    alone, fast, slow = best["none"], best["fast"], best["slow"]
    beside = f"Order to delta beside {READERS} readers who stopped"
    readers_who_read = f"beside {READERS} who read"
    return [
        row("Order to delta, p50", alone["delta p50"], "the answer", alone["answer p50"], 1.25),
        row("Order to delta, p99", alone["delta p99"], "the answer", alone["answer p99"], None),
        row(f"{beside}, p50", slow["delta p50"], readers_who_read, fast["delta p50"], 1.5),
        row(f"{beside}, p99", slow["delta p99"], readers_who_read, fast["delta p99"], None),
    ]


def row(name: str, value: float, what: str, against: float, goal: float | None) -> dict[str, Any]:
    ratio = value / against
    return {
        "name": name,
        "value": round(value * 1e6),
        "unit": "us",
        "against": f"{what}: {against * 1e6:.0f} us",
        "ratio": round(ratio, 2),
        "goal": "-" if goal is None else f"<= {goal:g}",
        "holds": goal is None or ratio <= goal,
    }


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    if sys.argv[1:2] == ["readers"]:
        uvloop.run(be_readers(int(sys.argv[2]), sys.argv[3], sys.argv[4] == "slow"))
    else:
        for line in rows():
            print(line)
