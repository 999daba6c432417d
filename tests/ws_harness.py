"""What the tests of the WebSocket gateway share: an exchange, a server, and clients of both kinds.

``DirectGate`` is the real engine without a log, applied in one step, so that a test decides
what happens between two frames. ``serve`` puts the gateway behind a real uvicorn on a free port.
``MemorySocket`` stands where a socket would, for tests that need a reader who stops reading at
an exact moment.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from functools import cache
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from augury.client.signing import KeyPair, Signer, generate_key_pair
from augury.codec.ids import format_id
from augury.core.applied import Applied
from augury.core.commands import (
    AddApiKey,
    Command,
    CreateEvent,
    CreateMarket,
    CreateMember,
    CreateSeries,
    Deposit,
    PlaceOrder,
)
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.state import Exchange, Market
from augury.gateways.auth import Authenticator
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.app import PATH, WebSocketGateway
from augury.gateways.ws.connection import Connection, Outbox
from augury.gateways.ws.protocol import WebSocketProtocol
from augury.gateways.ws.publisher import Publisher
from augury.gateways.ws.registry import Registry
from augury.gateways.ws.session import Session
from tests.ws_schemas import check_shape

SECOND = 1_000_000_000
START_NS = 1_772_373_600 * SECOND
"""2026-03-01T14:00:00Z."""

RAIN = "RAIN-26MAR01-T1"
SNOW = "SNOW-26MAR01-T1"
FINE = "FINE-26MAR01-T1"
"""A market with prices of a tenth of a cent and fractional quantities."""


@cache
def key_pair() -> KeyPair:
    """One key for all members of a test run; making one takes a tenth of a second."""
    return generate_key_pair()


class DirectGate:
    """The exchange gate over a bare engine: a command is applied when it is submitted."""

    storage_failed = False

    def __init__(self) -> None:
        self.engine = Engine()
        self.time_ns = START_NS
        self._listeners: list[Callable[[Applied], None]] = []

    @property
    def state(self) -> Exchange:
        return self.engine.state

    def now_ns(self) -> int:
        return self.time_ns

    def apply(self, command: Command) -> Applied:
        """Apply one command a millisecond after the last, and tell the listeners."""
        self.time_ns += 1_000_000
        applied = self.engine.apply(self.state.sequence + 1, self.time_ns, command)
        for listener in self._listeners:
            listener(applied)
        return applied

    def must(self, command: Command) -> Applied:
        """Apply a command that the test relies on."""
        applied = self.apply(command)
        assert applied.rejection is None, applied.rejection
        return applied

    async def submit(self, command: Command) -> Applied:
        return self.apply(command)

    async def submit_all(self, commands: Sequence[Command]) -> list[Applied]:
        return [self.apply(command) for command in commands]

    def listen(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- what tests list and trade -----------------------------------------------------------

    def add_member(self, email: str) -> tuple[int, Signer]:
        """A member with $10,000 and a key."""
        member_id = self.must(CreateMember(email)).sequence
        self.must(Deposit(member_id, 0, 10_000_000_000))
        return member_id, self.add_key(member_id)

    def add_key(self, member_id: int, scopes: tuple[str, ...] = ("read", "write")) -> Signer:
        command = AddApiKey(member_id, "test", key_pair().public_pem, scopes)
        key_id = self.must(command).sequence
        return Signer(format_id("api_key", key_id), key_pair().private_pem)

    def add_market(
        self, ticker: str, structure: str = "linear_cent", fractional: bool = False, **changes: Any
    ) -> None:
        """An open market, with a series and an event of its own."""
        event = ticker.rpartition("-")[0]
        series = ticker.partition("-")[0]
        if series not in self.state.series:
            self.must(CreateSeries(series, "quadratic", 1_000_000, '{"title":"Weather"}'))
        if event not in self.state.events:
            details = '{"title":"Weather tomorrow","sub_title":"On Mar 1"}'
            self.must(CreateEvent(event, series, False, "", details))
        command = CreateMarket(
            ticker=ticker,
            event_ticker=event,
            market_type="binary",
            open_ns=START_NS,
            close_ns=START_NS + 86_400 * SECOND,
            expected_expiration_ns=0,
            latest_expiration_ns=START_NS + 10 * 86_400 * SECOND,
            settlement_timer_seconds=60,
            can_close_early=True,
            price_level_structure=structure,
            price_ranges=PRICE_LEVEL_STRUCTURES[structure],
            fractional_trading_enabled=fractional,
            is_provisional=False,
            fee_waiver_expiration_ns=0,
            details='{"title":"Rain","yes_sub_title":"Rain","no_sub_title":"No rain"}',
        )
        for name, value in changes.items():
            setattr(command, name, value)
        self.must(command)

    def order(
        self,
        member_id: int,
        ticker: str,
        action: str,
        side: str,
        cents: float,
        contracts: float,
        **changes: Any,
    ) -> Applied:
        """Place an order at a price of its own side, in cents."""
        price = round(cents * 100)
        command = PlaceOrder(
            member_id,
            changes.pop("subaccount", 0),
            ticker,
            changes.pop("client_order_id", f"order-{self.state.sequence + 1}"),
            action,
            side,
            price if side == "yes" else 10_000 - price,
            round(contracts * 100),
            **changes,
        )
        return self.apply(command)


def weather_gate() -> DirectGate:
    """An exchange with three open markets."""
    gate = DirectGate()
    gate.add_market(RAIN)
    gate.add_market(SNOW)
    gate.add_market(FINE, "deci_cent", fractional=True)
    return gate


# --- the client's side of a book -------------------------------------------------------------


class ClientBooks:
    """Books rebuilt from one connection's messages alone, as the documentation tells clients to.

    Any gap in ``seq``, a delta without a snapshot, or a level below zero fails the test.
    """

    def __init__(self) -> None:
        self.seq: dict[int, int] = {}
        self.exact: dict[str, dict[tuple[str, str], Decimal]] = {}
        """Ticker -> (side, dollar price) -> contracts, from the fixed-point fields."""
        self.whole: dict[str, dict[tuple[str, int], int]] = {}
        """Ticker -> (side, cents) -> contracts, from the integer fields."""

    def read(self, message: dict[str, Any]) -> None:
        seq = message.get("seq")
        if seq is not None:
            assert seq == self.seq.get(message["sid"], 0) + 1, message
            self.seq[message["sid"]] = seq
        if message["type"] == "orderbook_snapshot":
            self._snapshot(message["msg"])
        elif message["type"] == "orderbook_delta":
            self._delta(message["msg"])

    def _snapshot(self, msg: dict[str, Any]) -> None:
        exact = self.exact[msg["market_ticker"]] = {}
        whole = self.whole[msg["market_ticker"]] = {}
        for side in ("yes", "no"):
            levels = msg.get(f"{side}_dollars_fp", [])
            assert levels or f"{side}_dollars_fp" not in msg, "an empty side has no key"
            assert levels == sorted(levels), "levels ascend"
            for price, count in levels:
                exact[side, price] = Decimal(count)
            for cents, contracts in msg.get(side, []):
                whole[side, cents] = contracts

    def _delta(self, msg: dict[str, Any]) -> None:
        exact = self.exact[msg["market_ticker"]]
        change = Decimal(msg["delta_fp"])
        assert change != 0
        _change(exact, (msg["side"], msg["price_dollars"]), change)
        _change(self.whole[msg["market_ticker"]], (msg["side"], msg["price"]), msg["delta"])


def _change(levels: dict[Any, Any], key: Any, change: Any) -> None:
    total = levels.get(key, 0) + change
    assert total >= 0, (key, total)
    if total:
        levels[key] = total
    else:
        levels.pop(key, None)


def engine_book(market: Market) -> dict[tuple[str, str], Decimal]:
    """The book as the engine has it, in the terms of the stream."""
    found = {}
    for price, quantity in market.bids.depth():
        found["yes", f"0.{price:04d}"] = Decimal(quantity) / 100
    for price, quantity in market.asks.depth():
        found["no", f"0.{10_000 - price:04d}"] = Decimal(quantity) / 100
    return found


def engine_whole_book(market: Market) -> dict[tuple[str, int], int]:
    """The same in cents and contracts: each level rounded down, then equal cents merged."""
    found: dict[tuple[str, int], int] = {}
    for (side, price), contracts in engine_book(market).items():
        key = (side, int(Decimal(price) * 100))
        if int(contracts):
            found[key] = found.get(key, 0) + int(contracts)
    return found


# --- in memory -------------------------------------------------------------------------------


def parse_frames(data: bytes) -> list[dict[str, Any]]:
    """The JSON messages in a run of unmasked text frames."""
    messages = []
    start = 0
    while start < len(data):
        assert data[start] == 0x81
        size = data[start + 1]
        start += 2
        if size == 126:
            size = int.from_bytes(data[start : start + 2], "big")
            start += 2
        elif size == 127:
            size = int.from_bytes(data[start : start + 8], "big")
            start += 8
        messages.append(json.loads(data[start : start + size]))
        start += size
    return messages


class MemorySocket:
    """A socket whose reader can stop and go on."""

    def __init__(self) -> None:
        self.paused = False
        self.closed: tuple[int, str] | None = None
        self.messages: list[dict[str, Any]] = []
        self.writes = 0
        self.on_writable: Callable[[], None] = lambda: None
        self.write: Callable[[bytes], None] = self.read

    def open(
        self,
        on_writable: Callable[[], None],
        ping_interval: float,
        idle_timeout: float,
        close_timeout: float,
    ) -> None:
        self.on_writable = on_writable

    def read(self, frames: bytes) -> None:
        if self.closed is None:
            self.writes += 1
            self.messages.extend(parse_frames(frames))

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)

    def resume(self) -> None:
        self.paused = False
        self.on_writable()

    def take(self) -> list[dict[str, Any]]:
        """What has arrived since the last call."""
        taken, self.messages = self.messages, []
        return taken


class MemoryClient:
    """One connection of a ``MemoryGateway``: send a command, then look at what arrived."""

    def __init__(self, gateway: "MemoryGateway", member_id: int, profile: str) -> None:
        self.gateway = gateway
        self.socket = MemorySocket()
        self.connection = Connection(
            self.socket, gateway.outbox, member_id, 1000 + member_id if member_id else 0, profile
        )
        self.socket.open(lambda: gateway.publisher.flush(self.connection), 0, 0, 0)
        self.session = Session(
            self.connection,
            gateway.registry,
            gateway.publisher,
            gateway.settings,
            gateway.outbox.counters,
            lambda: gateway.clock,
        )

    def send(self, command: object) -> None:
        """Hand over a command without giving the queues a chance to be written."""
        self.session.handle(command if isinstance(command, str) else json.dumps(command))

    async def ask(self, command: object) -> list[dict[str, Any]]:
        """Hand over a command and return everything that arrives because of it."""
        self.send(command)
        return await self.receive()

    async def subscribe(self, *channels: str, **params: Any) -> list[dict[str, Any]]:
        params["channels"] = list(channels)
        return await self.ask({"id": 1, "cmd": "subscribe", "params": params})

    async def receive(self) -> list[dict[str, Any]]:
        await settle()
        messages = self.socket.take()
        # A test that makes thousands of messages does not make thousands of shapes.
        for message in messages[:100]:
            check_shape(message)
        return messages

    def disconnect(self) -> None:
        self.connection.discard()
        for subscription in self.connection.subscriptions.values():
            self.gateway.registry.index(subscription).remove(subscription)


class MemoryGateway:
    """Everything of the gateway but handshake and sockets."""

    def __init__(self, gate: DirectGate, settings: WebSocketSettings | None = None) -> None:
        self.gate = gate
        self.settings = settings or WebSocketSettings()
        self.registry = Registry()
        self.outbox = Outbox(self.settings)
        self.clock = 1000.0
        self.keys_removed: list[int] = []
        self.failures = 0
        self.publisher = Publisher(
            gate, self.registry, self.outbox, self.keys_removed.append, self._failed
        )
        gate.listen(self.publisher.publish)

    def _failed(self) -> None:
        self.failures += 1

    def connect(self, member_id: int = 0, profile: str = "3.6") -> MemoryClient:
        return MemoryClient(self, member_id, profile)


async def settle() -> None:
    """Let everything happen that was scheduled for the loop's next turns."""
    for _ in range(50):
        await asyncio.sleep(0)


# --- over a real socket ----------------------------------------------------------------------


class Server(uvicorn.Server):
    """Signals belong to the test run, not to a server inside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(
    gate: Any, settings: WebSocketSettings | None = None
) -> AsyncIterator["RunningGateway"]:
    """The gateway behind uvicorn, as the server configures it, on a free port."""
    gateway = WebSocketGateway(gate, Authenticator(gate), settings)
    config = uvicorn.Config(
        gateway,
        ws=WebSocketProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)
    # Clients that come before the server is ready wait in the listening socket's queue.
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield RunningGateway(gateway, f"ws://127.0.0.1:{port}{PATH}", port)
    finally:
        server.should_exit = True
        await task
        gateway.stop()


class RunningGateway:
    def __init__(self, gateway: WebSocketGateway, url: str, port: int) -> None:
        self.gateway = gateway
        self.url = url
        self.port = port

    @asynccontextmanager
    async def connect(
        self, signer: Signer | None = None, **options: Any
    ) -> AsyncIterator["NetworkClient"]:
        headers = signer.headers("GET", PATH) if signer else {}
        async with connect(self.url, additional_headers=headers, **options) as socket:
            yield NetworkClient(socket)


class NetworkClient:
    """The ``websockets`` client library with commands and bounded waits."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, command: object) -> None:
        await self.socket.send(command if isinstance(command, str) else json.dumps(command))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return json.loads(await self.socket.recv())

    async def ask(self, command: object) -> dict[str, Any]:
        await self.send(command)
        return await self.receive()

    async def subscribe(self, *channels: str, **params: Any) -> dict[str, Any]:
        params["channels"] = list(channels)
        return await self.ask({"id": 1, "cmd": "subscribe", "params": params})
