"""Memory of a server with a thousand connections that each follow fifty books.

The server is a process of its own; the connections are this one's. What counts is by how much the
server's resident memory has grown when every connection has its snapshots, and again after trading
that each of them was told about.
"""

import asyncio
from typing import Any

import psutil
import uvloop

from augury.testing import running_exchange
from bench.ws_clients import Socket, command, connect
from bench.ws_delivery import allow_many_connections

CONNECTIONS = 1_000
MARKETS = 100
SUBSCRIPTIONS = 50
"""Books per connection."""
ORDERS = 60
BOUND = 48 * 1024
"""Bytes per connection, which docs/operate/streams.md states."""


class Counting:
    def __init__(self) -> None:
        self.snapshots = 0
        self.deltas = 0

    def take(self, text: bytes, now: float) -> None:
        if text.startswith(b'{"type":"orderbook_snapshot"'):
            self.snapshots += 1
        elif text.startswith(b'{"type":"orderbook_delta"'):
            self.deltas += 1


async def until(condition: Any, what: str) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert condition(), what


async def measure() -> list[dict[str, Any]]:
    allow_many_connections()
    with running_exchange(
        forked=True,
        clock="real",
        maintenance=False,
        websocket_public_orderbook=True,
        websocket_connections=2 * CONNECTIONS,
    ) as exchange:
        tickers = [exchange.list_market(f"KXMEM-1-T{n}", event="KXMEM-1") for n in range(MARKETS)]
        member = exchange.add_member(deposit="1000000.00")
        for ticker in tickers:
            for cents in (20, 30, 40):
                member.place(ticker, "buy", "yes", 5, cents)
        port = int(exchange.url.rpartition(":")[2])
        server = psutil.Process(exchange.process_id)
        counting = Counting()
        # Whatever the first connection of all costs is not a cost of connections.
        await subscribe(port, counting, tickers[:SUBSCRIPTIONS])
        await until(lambda: counting.snapshots == SUBSCRIPTIONS, "first snapshots")
        before = server.memory_info().rss
        held: list[Socket] = []
        for number in range(CONNECTIONS):
            start = number % (MARKETS - SUBSCRIPTIONS)
            held.append(await subscribe(port, counting, tickers[start : start + SUBSCRIPTIONS]))
        wanted = (CONNECTIONS + 1) * SUBSCRIPTIONS
        await until(lambda: counting.snapshots == wanted, "snapshots")
        idle = server.memory_info().rss - before
        # The market in the middle, which is everybody's.
        for number in range(ORDERS):
            member.place(tickers[MARKETS // 2 - 1], "buy", "yes", 1, 1 + number % 19)
        await until(lambda: counting.deltas >= ORDERS * CONNECTIONS, "deltas")
        busy = server.memory_info().rss - before
        assert all(not one.ended.done() for one in held)
    per_connection = max(idle, busy) / CONNECTIONS
    return [
        {
            "name": f"Memory of {CONNECTIONS:,} connections x {SUBSCRIPTIONS} books, each",
            "value": round(per_connection),
            "unit": "B",
            "against": f"{BOUND:,} B; {before / 2**20:.0f} MiB before, {idle / 2**20:.1f} MiB more "
            f"when all are idle, {busy / 2**20:.1f} MiB after trading",
            "ratio": round(per_connection / BOUND, 2),
            "goal": "<= 1",
            "holds": per_connection <= BOUND,
        }
    ]


async def subscribe(port: int, counting: Counting, tickers: list[str]) -> Socket:
    one = await connect(port, counting.take)
    one.transport.write(command("subscribe", channels=["orderbook_delta"], market_tickers=tickers))
    return one


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    for line in rows():
        print(line)
