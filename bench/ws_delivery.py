"""What it costs the server to deliver one WebSocket message to one of 200 subscribers.

Against the cheapest thing that could be done with asyncio: a protocol that writes one ready-made
frame of the same size to each connection, with no exchange behind it. Ours does everything:
command, log in memory, engine, message, sequence number per subscriber, queue. Both run on uvloop
in this process, in turns; the clients run in a process of their own, and only the processor time
of this one counts. Orders come one at a time, so nothing is gained by sending several together.
"""

import asyncio
import socket
import statistics
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

SUBSCRIBERS = 200
MESSAGES = 150
ROUNDS = 5
PAUSE = 0.002
"""Seconds between two messages: long enough that each is sent on its own."""
GOAL = 2.5

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


async def run_clients(port: int, wanted: int) -> None:
    left = SUBSCRIBERS
    finished = asyncio.get_running_loop().create_future()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set_result(None)

    transports = []
    for _ in range(SUBSCRIBERS):
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


async def measure_floor(frame: bytes) -> float:
    transports: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Preframed(transports), "127.0.0.1", 0)
    clients = await start_clients(server.sockets[0].getsockname()[1], MESSAGES)

    async def send() -> None:
        for transport in transports:
            transport.write(frame)

    cost = await time_messages(clients, lambda: len(transports), send)
    server.close()
    return cost


# --- the gateway -----------------------------------------------------------------------------


async def measure_gateway() -> tuple[float, int]:
    """Seconds of processor time per delivered message, and the size of a message."""
    sequencer = Sequencer(Engine(), MemoryLog(), RealClock())
    await sequencer.start()
    member_id = await list_market(sequencer)
    gateway = WebSocketGateway(
        sequencer,
        Authenticator(sequencer),
        WebSocketSettings(public_orderbook=True, connections_per_address=10 * SUBSCRIBERS),
    )
    config = uvicorn.Config(gateway, ws=WebSocketProtocol, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup([listening])
    # Beyond the messages that are measured: the reply and the snapshot.
    clients = await start_clients(listening.getsockname()[1], MESSAGES + 2)
    # A bid that is the best and stays so, so that the others move no ticker.
    await sequencer.submit(bid(member_id, 50))
    orders = iter(range(MESSAGES))

    async def send() -> None:
        await sequencer.submit(bid(member_id, 1 + next(orders) % 40))

    cost = await time_messages(clients, lambda: gateway.subscriptions, send)
    counters = gateway.counters
    size = round(counters.bytes_sent / counters.messages_sent)
    server.should_exit = True
    await server.shutdown([listening])
    gateway.stop()
    await sequencer.stop()
    return cost, size


def bid(member_id: int, cents: int) -> PlaceOrder:
    return PlaceOrder(member_id, 0, TICKER, "", "buy", "yes", cents * 100, 100)


async def list_market(sequencer: Sequencer) -> int:
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
    member = await sequencer.submit(CreateMember("bench@example.com"))
    await sequencer.submit(Deposit(member.sequence, 0, 1_000_000_000_000))
    return member.sequence


# --- both ------------------------------------------------------------------------------------


async def start_clients(port: int, wanted: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ws_delivery", "clients", str(port), str(wanted)
    )


async def time_messages(
    clients: asyncio.subprocess.Process,
    subscribed: Callable[[], int],
    send: Callable[[], Awaitable[None]],
) -> float:
    async with asyncio.timeout(60):
        while subscribed() < SUBSCRIBERS:
            assert clients.returncode is None, "the clients have failed"
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        before = time.process_time()
        for _ in range(MESSAGES):
            await send()
            await asyncio.sleep(PAUSE)
        await clients.wait()
        return (time.process_time() - before) / (MESSAGES * SUBSCRIBERS)


async def measure() -> list[dict[str, Any]]:
    """One row of the table that ``make bench`` prints."""
    floors, costs, ratios = [], [], []
    await measure_gateway()
    for _ in range(ROUNDS):
        cost, size = await measure_gateway()
        floor = await measure_floor(text_frame(b"x" * (size - 4)))
        floors.append(floor)
        costs.append(cost)
        ratios.append(cost / floor)
    ratio = statistics.median(ratios)
    return [
        {
            "name": f"WebSocket delivery, {SUBSCRIBERS} subscribers, server CPU per message",
            "value": round(statistics.median(costs) * 1e6, 2),
            "unit": "us",
            "against": f"a pre-framed asyncio protocol: {statistics.median(floors) * 1e6:.2f} us",
            "ratio": round(ratio, 2),
            "goal": f"<= {GOAL}",
            "holds": ratio <= GOAL,
        }
    ]


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        uvloop.run(run_clients(int(sys.argv[2]), int(sys.argv[3])))
    else:
        for row in rows():
            print(row)
