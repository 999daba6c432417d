"""Orders over FIX: from NewOrderSingle to ExecutionReport(New), over TLS and durable.

The server is a process of its own; what is measured of it is its processor time. Clients send one
order after another and wait for each report, alone (latency) and all at once (cost). The second
part counts what a session costs in memory.
"""

import asyncio
import os
import ssl
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from augury.gateways.fix.codec import frame, timestamp
from augury.testing import Member, RunningExchange, running_exchange
from tests.fix_harness import logon_fields, private_key

SESSIONS: Final = 16
ORDERS: Final = 200
"""Of each session in each round."""
ROUNDS: Final = 5
ALONE: Final = 500
CROWD: Final = 500
REPORT: Final = b"\x01150=0\x01"
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Client(asyncio.Protocol):
    """Logs on, then sends orders one after another, noting how long each took."""

    def __init__(self, member: Member, key: RSAPrivateKey, target: str, ticker: str) -> None:
        self.member = member
        self.key = key
        self.target = target
        self.ticker = ticker
        self.number = 1
        self.waited: list[float] = []
        self.left = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        now = timestamp(time.time_ns())
        sender = self.member.api_key_id
        body = logon_fields(self.key, now, 1, sender, self.target, t21011="Y", t108="300")
        self.transport.write(frame("A", 1, sender, self.target, now, body))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if b"\x0135=A\x01" in self.buffer:
            self.buffer = b""
            self.done.set_result(None)
        elif REPORT in self.buffer:
            self.waited.append(time.perf_counter() - self.sent_at)
            self.buffer = b""
            self._next()
        elif b"\x0135=5\x01" in self.buffer:
            raise RuntimeError(self.buffer.decode())

    async def place(self, count: int) -> None:
        self.left = count
        self.done = asyncio.get_running_loop().create_future()
        self._next()
        await self.done

    def _next(self) -> None:
        if not self.left:
            self.done.set_result(None)
            return
        self.left -= 1
        self.number += 1
        price = 1 + self.number % 40
        now = timestamp(time.time_ns())
        body = (
            f"11=bench-{self.number}\x0138=1\x0140=2\x0144={price}\x0154=1\x01"
            f"55={self.ticker}\x0159=1\x01"
        )
        data = frame("D", self.number, self.member.api_key_id, self.target, now, body)
        self.sent_at = time.perf_counter()
        self.transport.write(data)


async def connected(
    exchange: RunningExchange, members: list[Member], target: str, ticker: str
) -> list[Client]:
    port = exchange.fix_ports[target]
    context = ssl.create_default_context(cafile=exchange.settings.data / "tls" / "ca.pem")
    key = private_key(members[0].private_key_pem)
    clients = []
    for member in members:
        client = Client(member, key, target, ticker)
        await asyncio.get_running_loop().create_connection(
            lambda client=client: client,  # type: ignore[misc]
            "127.0.0.1",
            port,
            ssl=context,
        )
        await client.done
        clients.append(client)
    return clients


def processor_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(process_id: int) -> int:
    pages = Path(f"/proc/{process_id}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def orders(exchange: RunningExchange, target: str) -> dict[str, float]:
    ticker = exchange.list_market()
    members = [exchange.add_member(deposit="1000000.00") for _ in range(SESSIONS)]
    clients = await connected(exchange, members, target, ticker)
    await clients[0].place(100)
    clients[0].waited.clear()
    await clients[0].place(ALONE)
    alone = sorted(clients[0].waited)
    costs, rates = [], []
    for client in clients:
        client.waited.clear()
    for _ in range(ROUNDS):
        before, began = processor_seconds(exchange.process_id), time.perf_counter()
        await asyncio.gather(*(client.place(ORDERS) for client in clients))
        costs.append((processor_seconds(exchange.process_id) - before) / (ORDERS * SESSIONS))
        rates.append(ORDERS * SESSIONS / (time.perf_counter() - began))
    crowd = sorted(wait for client in clients for wait in client.waited)
    for client in clients:
        client.transport.close()
    return {
        "cpu": statistics.median(costs),
        "rate": statistics.median(rates),
        "p50": alone[len(alone) // 2],
        "p99": alone[len(alone) * 99 // 100],
        "crowd_p50": crowd[len(crowd) // 2],
        "crowd_p99": crowd[len(crowd) * 99 // 100],
    }


async def crowd(exchange: RunningExchange) -> tuple[float, float]:
    """Bytes of memory for each of many sessions, and milliseconds for one more Logon."""
    ticker = exchange.list_market()
    members = [exchange.add_member(deposit="10.00") for _ in range(CROWD)]
    before, began = resident_bytes(exchange.process_id), time.perf_counter()
    clients = await connected(exchange, members, "KalshiNR", ticker)
    seconds = (time.perf_counter() - began) / CROWD
    memory = (resident_bytes(exchange.process_id) - before) / CROWD
    # All of them at once, so that none is only there on paper.
    await asyncio.gather(*(client.place(1) for client in clients))
    for client in clients:
        client.transport.close()
    return memory, seconds * 1000


def rows() -> list[dict[str, Any]]:
    found = []
    with running_exchange(own_process=True, fix=True, clock="real", maintenance=False) as exchange:
        for target, manner in (("KalshiNR", ""), ("KalshiRT", ", kept for retransmission")):
            taken = asyncio.run(orders(exchange, target))
            found += [
                _row(
                    f"FIX order to report{manner}, server CPU",
                    taken["cpu"] * 1e6,
                    "us",
                    f"{SESSIONS} sessions, {taken['rate']:.0f} orders/s",
                ),
                _row(
                    f"FIX order to report{manner}, one session, median",
                    taken["p50"] * 1e3,
                    "ms",
                    f"p99 {taken['p99'] * 1e3:.2f} ms",
                ),
                _row(
                    f"FIX order to report{manner}, {SESSIONS} sessions, median",
                    taken["crowd_p50"] * 1e3,
                    "ms",
                    f"p99 {taken['crowd_p99'] * 1e3:.2f} ms",
                ),
            ]
    with running_exchange(own_process=True, fix=True, clock="real", maintenance=False) as exchange:
        memory, milliseconds = asyncio.run(crowd(exchange))
    found.append(
        _row(
            f"FIX session over TLS, memory, {CROWD} sessions",
            memory / 1024,
            "KiB",
            f"{milliseconds:.1f} ms for a Logon, client's signature included",
        )
    )
    return found


def _row(name: str, value: float, unit: str, against: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "against": against,
        "ratio": None,
        "goal": None,
        "holds": None,
    }


if __name__ == "__main__":
    for row in rows():
        print({name: row[name] for name in ("name", "value", "unit", "against")}, file=sys.stdout)
