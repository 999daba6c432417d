"""How soon a subscriber hears of an order, and whether a slow reader delays it.

A real server in a process of its own; its log lies in memory where the system has such a place,
because a disk's moods are larger than what is looked for. One member sends one order after the
other over one connection and listens to the book on another; what counts is the time from the
first byte of the request to the delta, against the time to the answer of the request itself. Then
the same with twenty subscribers who have stopped reading: their queues fill and overflow while it
is measured, and each of them must have been closed.
"""

import asyncio
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from augury.testing import Member, RunningExchange, running_exchange
from bench.ws_clients import Socket, command, connect

ORDERS = 500
ROUNDS = 4
SLOW_READERS = 20
QUEUE_BYTES = 65_536
MEMORY = next((path for path in [Path("/dev/shm")] if path.is_dir()), None)
ANSWER_GOAL = 1.25
SLOW_GOAL = 1.5

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


async def stop_reading(port: int, member: Member, ticker: str) -> Socket:
    """A subscriber who asks for the book again and again and looks at none of the answers."""
    slow = await connect(port, lambda text, now: None, member.signer, receive_buffer=4096)
    slow.transport.pause_reading()
    slow.transport.write(command("subscribe", channels=["orderbook_delta"], market_ticker=ticker))
    again = command("update_subscription", sid=1, action="get_snapshot", market_ticker=ticker)
    for _ in range(20):
        slow.transport.write(again * 100)
        await asyncio.sleep(0.01)
    return slow


async def measure_on(exchange: RunningExchange, slow_readers: int) -> dict[str, float]:
    port = int(exchange.url.rpartition(":")[2])
    member = exchange.add_member(deposit="1000000.00")
    ticker = exchange.list_market()
    # A deep book, so that a snapshot is something to send, with a best bid that stays.
    for cents in range(1, 60):
        member.place(ticker, "buy", "yes", 1, cents)
        member.place(ticker, "buy", "no", 1, min(cents, 39))
    slow = [await stop_reading(port, member, ticker) for _ in range(slow_readers)]
    deltas, answers = await Trader(port, member, ticker).run(ORDERS)
    metrics = exchange.http.get("/metrics").text
    (closed,) = re.findall(r"^augury_websocket_overflows_total ([0-9]+)", metrics, re.MULTILINE)
    assert int(closed) == slow_readers, closed
    for one in slow:
        one.transport.abort()
    return {
        "delta p50": statistics.median(deltas),
        "delta p99": statistics.quantiles(deltas, n=100)[98],
        "answer p50": statistics.median(answers),
        "answer p99": statistics.quantiles(answers, n=100)[98],
    }


async def measure() -> list[dict[str, Any]]:
    alone: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        with (
            tempfile.TemporaryDirectory(dir=MEMORY) as data,
            running_exchange(
                forked=True,
                data=Path(data),
                clock="real",
                maintenance=False,
                websocket_queue_bytes=QUEUE_BYTES,
            ) as exchange,
        ):
            alone.append(await measure_on(exchange, 0))
            beside.append(await measure_on(exchange, SLOW_READERS))
    best = {name: min(one[name] for one in alone) for name in alone[0]}
    slow = {name: min(one[name] for one in beside) for name in beside[0]}
    return [
        row(
            "Order to delta, p50", best["delta p50"], "the answer", best["answer p50"], ANSWER_GOAL
        ),
        row("Order to delta, p99", best["delta p99"], "the answer", best["answer p99"], None),
        row(
            f"Order to delta beside {SLOW_READERS} readers who stopped, p50",
            slow["delta p50"],
            "without them",
            best["delta p50"],
            SLOW_GOAL,
        ),
        row(
            f"Order to delta beside {SLOW_READERS} readers who stopped, p99",
            slow["delta p99"],
            "without them",
            best["delta p99"],
            None,
        ),
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
    for line in rows():
        print(line)
