"""What it costs the server to deliver one WebSocket message to one of 10, 200 or 1,000 subscribers.

Against the cheapest thing that could be done with asyncio: a protocol that writes one ready-made
frame of the same size to each connection, with no exchange behind it. Ours does everything:
command, log in memory, engine, message, sequence number per subscriber, queue. Both run on uvloop
in this process, in turns; the clients run in a process of their own, and only the processor time
of this one counts. Orders come one at a time, so nothing is gained by sending several together.
With ten subscribers the order itself is most of the work, with two hundred the deliveries are.
"""

import asyncio
import resource
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
import uvloop

from augury.core.commands import (
    CreateEvent,
    CreateMarket,
    CreateMember,
    CreateSeries,
    Deposit,
    PlaceOrder,
)
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.gateways.auth import Authenticator
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.app import PATH, WebSocketGateway
from augury.gateways.ws.frames import text_frame
from augury.gateways.ws.protocol import WebSocketProtocol
from augury.log.memory import MemoryLog
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock

MESSAGES = {10: 600, 200: 150, 1000: 40}
"""Subscribers -> how many messages each of them gets in one round."""
ROUNDS = 4
PAUSE = 0.002
"""Seconds between two messages: long enough that each is sent on its own."""
GOALS = {200: 2.0, 1000: 2.0}

TICKER = "BENCH-1-T1"
HANDSHAKE = (
    f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
SUBSCRIBE = (
    b'{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"],'
    b'"market_ticker":"' + TICKER.encode() + b'"}}'
)


# --- the clients, in a process of their own --------------------------------------------------


class Subscriber(asyncio.Protocol):
    """Counts frames; everything else would compete with the server for the machine."""

    def __init__(self, wanted: int, done: Callable[[], None]) -> None:
        self.wanted = wanted
        self.done = done
        self.rest = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(HANDSHAKE)

    def connection_lost(self, error: Exception | None) -> None:
        if self.wanted > 0:
            raise SystemExit("the server closed a connection")

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        start = 0
        if not self.open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.rest = data
                return
            self.open = True
            start = end + 4
            mask = b"\x81" + bytes([0x80 | len(SUBSCRIBE)]) + b"\0\0\0\0"
            self.transport.write(mask + SUBSCRIBE)
        while len(data) - start >= 4:
            size = data[start + 1]
            head = 2
            if size == 126:
                (size,) = struct.unpack_from(">H", data, start + 2)
                head = 4
            if len(data) - start < head + size:
                break
            start += head + size
            self.wanted -= 1
            if self.wanted == 0:
                self.done()
        self.rest = data[start:]


async def run_clients(port: int, subscribers: int, wanted: int) -> None:
    allow_many_connections()
    left = subscribers
    finished = asyncio.get_running_loop().create_future()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set_result(None)

    transports = []
    for _ in range(subscribers):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: Subscriber(wanted, done), "127.0.0.1", port
        )
        transports.append(transport)
    await finished
    for transport in transports:
        transport.close()


# --- the floor -------------------------------------------------------------------------------


class Preframed(asyncio.Protocol):
    """Answers a handshake, and is written to by whoever holds the list."""

    def __init__(self, transports: list[asyncio.Transport]) -> None:
        self.transports = transports
        self.handshake = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.handshake:
            self.handshake = False
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        else:
            self.transports.append(self.transport)


async def measure_floor(frame: bytes, subscribers: int) -> float:
    transports: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Preframed(transports), "127.0.0.1", 0)
    messages = MESSAGES[subscribers]
    clients = await start_clients(server.sockets[0].getsockname()[1], subscribers, messages)

    async def send() -> None:
        for transport in transports:
            transport.write(frame)

    cost = await time_messages(clients, lambda: len(transports), send, subscribers)
    server.close()
    return cost


# --- the gateway -----------------------------------------------------------------------------


async def measure_gateway(subscribers: int) -> tuple[float, int]:
    """Seconds of processor time per delivered message, and the size of a message."""
    sequencer = Sequencer(Engine(), MemoryLog(), RealClock())
    await sequencer.start()
    member_id = await list_market(sequencer)
    gateway = WebSocketGateway(
        sequencer,
        Authenticator(sequencer),
        WebSocketSettings(public_orderbook=True, connections_per_address=10 * subscribers),
    )
    config = uvicorn.Config(gateway, ws=WebSocketProtocol, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup([listening])
    # Beyond the messages that are measured: the reply and the snapshot.
    messages = MESSAGES[subscribers]
    clients = await start_clients(listening.getsockname()[1], subscribers, messages + 2)
    # A bid that is the best and stays so, so that the others move no ticker.
    await sequencer.submit(bid(member_id, 50))
    orders = iter(range(messages))

    async def send() -> None:
        await sequencer.submit(bid(member_id, 1 + next(orders) % 40))

    cost = await time_messages(clients, lambda: gateway.subscriptions, send, subscribers)
    counters = gateway.counters
    size = round(counters.bytes_sent / counters.messages_sent)
    server.should_exit = True
    await server.shutdown([listening])
    gateway.stop()
    await sequencer.stop()
    return cost, size


def bid(member_id: int, cents: int) -> PlaceOrder:
    return PlaceOrder(member_id, 0, TICKER, "", "buy", "yes", cents * 100, 100)


async def list_market(sequencer: Sequencer, email: str = "bench@example.com") -> int:
    """A market, when there is none yet, and a member with money; returns the member's id."""
    if TICKER not in sequencer.state.markets:
        await _list_market(sequencer)
    member = await sequencer.submit(CreateMember(email))
    await sequencer.submit(Deposit(member.sequence, 0, 1_000_000_000_000))
    return member.sequence


async def _list_market(sequencer: Sequencer) -> None:
    now = sequencer.now_ns()
    day = 86_400 * 1_000_000_000
    await sequencer.submit(CreateSeries("BENCH", "quadratic", 1_000_000, "{}"))
    await sequencer.submit(CreateEvent("BENCH-1", "BENCH", False, "", "{}"))
    structure = "linear_cent"
    await sequencer.submit(
        CreateMarket(
            ticker=TICKER,
            event_ticker="BENCH-1",
            market_type="binary",
            open_ns=now,
            close_ns=now + day,
            expected_expiration_ns=0,
            latest_expiration_ns=now + 2 * day,
            settlement_timer_seconds=0,
            can_close_early=True,
            price_level_structure=structure,
            price_ranges=PRICE_LEVEL_STRUCTURES[structure],
            fractional_trading_enabled=False,
            is_provisional=False,
            fee_waiver_expiration_ns=0,
            details="{}",
        )
    )


# --- both ------------------------------------------------------------------------------------


async def start_clients(port: int, subscribers: int, wanted: int) -> asyncio.subprocess.Process:
    arguments = (str(port), str(subscribers), str(wanted))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ws_delivery", "clients", *arguments
    )


def allow_many_connections() -> None:
    """A thousand sockets and what a process has open besides are more than the usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def time_messages(
    clients: asyncio.subprocess.Process,
    subscribed: Callable[[], int],
    send: Callable[[], Awaitable[None]],
    subscribers: int,
) -> float:
    messages = MESSAGES[subscribers]
    async with asyncio.timeout(120):
        while subscribed() < subscribers:
            assert clients.returncode is None, "the clients have failed"
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        before = time.process_time()
        for _ in range(messages):
            await send()
            await asyncio.sleep(PAUSE)
        await clients.wait()
        return (time.process_time() - before) / (messages * subscribers)


async def measure() -> list[dict[str, Any]]:
    """The rows of the table that ``make bench`` prints."""
    allow_many_connections()
    await measure_gateway(10)
    return [await measure_with(subscribers) for subscribers in MESSAGES]


async def measure_with(subscribers: int) -> dict[str, Any]:
    floors, costs = [], []
    for _ in range(ROUNDS):
        cost, size = await measure_gateway(subscribers)
        costs.append(cost)
        floors.append(await measure_floor(text_frame(b"x" * (size - 4)), subscribers))
    # Noise only ever adds, so the best of each is the nearest to the truth.
    cost, floor = min(costs), min(floors)
    goal = GOALS.get(subscribers)
    return {
        "name": f"WebSocket delivery, {subscribers:,} subscribers, server CPU per message",
        "value": round(cost * 1e6, 2),
        "unit": "us",
        "against": f"a pre-framed asyncio protocol: {floor * 1e6:.2f} us",
        "ratio": round(cost / floor, 2),
        "goal": "-" if goal is None else f"<= {goal:g}",
        "holds": goal is None or cost / floor <= goal,
    }


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        uvloop.run(run_clients(*map(int, sys.argv[2:5])))
    else:
        for row in rows():
            print(row)
