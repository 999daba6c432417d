"""The life of a socket, over real sockets: who gets in, who is kept, and how it ends.

websocket.md, section 1, and the row of the failure table about slow readers. Everything runs on
asyncio's own loop and on uvloop, whose flow control differs.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from augury.client.signing import Signer
from augury.core.commands import CancelOrder, RemoveApiKey
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.app import PATH
from tests.ws_harness import (
    RAIN,
    DirectGate,
    NetworkClient,
    RunningGateway,
    serve,
    weather_gate,
)


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def gate() -> DirectGate:
    return weather_gate()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something is true that nobody tells us about; fail when it takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- getting in --------------------------------------------------------------------------------


async def refusal(
    server: RunningGateway, headers: dict[str, str], query: str = ""
) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{server.url}?{query}", additional_headers=headers):
            pass
    response = refused.value.response
    assert response.headers["content-type"] == "application/json"
    return response.status_code, json.loads(bytes(response.body or b""))


async def test_signed_and_anonymous_handshakes_are_let_in(gate: DirectGate) -> None:
    _, signer = gate.add_member("trader@example.com")
    async with serve(gate) as server:
        async with server.connect(signer) as client:
            assert (await client.subscribe("fill"))["type"] == "subscribed"
        async with server.connect() as client:
            assert (await client.subscribe("ticker"))["type"] == "subscribed"
            assert (await client.subscribe("fill"))["msg"]["code"] == 9


async def test_a_key_that_may_only_read_opens_sockets(gate: DirectGate) -> None:
    member, _ = gate.add_member("trader@example.com")
    reader = gate.add_key(member, scopes=("read",))
    async with serve(gate) as server, server.connect(reader) as client:
        assert (await client.subscribe("fill"))["type"] == "subscribed"


async def test_bad_credentials_are_answered_with_401_before_the_socket_opens(
    gate: DirectGate, caplog: pytest.LogCaptureFixture
) -> None:
    _, signer = gate.add_member("trader@example.com")
    good = signer.headers("GET", PATH)
    wrong_path = signer.headers("GET", "/trade-api/v2/markets")
    old = signer.headers("GET", PATH, now_ms=1_600_000_000_000)
    unknown = {**good, "KALSHI-ACCESS-KEY": "6d7a0d0e-6c0a-4e0f-9a50-0a8a6a1c7d11"}
    garbled = {**good, "KALSHI-ACCESS-SIGNATURE": "not base64!"}
    half = {"KALSHI-ACCESS-KEY": good["KALSHI-ACCESS-KEY"]}
    caplog.set_level(logging.WARNING)
    async with serve(gate) as server:
        for headers, code in (
            (wrong_path, "invalid_signature"),
            (garbled, "invalid_signature"),
            (old, "header_timestamp_expired"),
            (unknown, "unauthorized"),
            (half, "unauthorized"),
        ):
            status, body = await refusal(server, headers)
            assert (status, body["code"], body["error"]["code"]) == (401, code, code)
        assert server.gateway.connections == 0
    # A refusal is the client's fault; it must not look like one of the server.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_browser_puts_its_credentials_into_the_query(gate: DirectGate) -> None:
    """Pages cannot give their sockets headers; what is signed stays the same."""
    _, signer = gate.add_member("trader@example.com")
    headers = signer.headers("GET", PATH)
    query = urlencode(headers)
    unescaped = "&".join(f"{name}={value}" for name, value in headers.items())
    small = urlencode({name.lower(): value for name, value in headers.items()})
    legacy = urlencode({**headers, "KALSHI-API-PROFILE": "legacy"})
    async with serve(gate, WebSocketSettings(anonymous=False)) as server:
        for given in (query, unescaped, small, legacy):
            async with connect(f"{server.url}?{given}") as socket:
                client = NetworkClient(socket)
                assert (await client.subscribe("fill"))["type"] == "subscribed"
                (connection,) = server.gateway._connections
                assert connection.profile == ("legacy" if given is legacy else "3.6")
            await until(lambda: server.gateway.connections == 0)


async def test_wrong_credentials_in_the_query_are_refused_as_in_headers(gate: DirectGate) -> None:
    _, signer = gate.add_member("trader@example.com")
    good = signer.headers("GET", PATH)
    # The signature does not cover the query, here as everywhere.
    wrong = signer.headers("GET", f"{PATH}/{urlencode(good)}")
    key = "KALSHI-ACCESS-KEY"
    async with serve(gate) as server:
        for query, headers, code in (
            (urlencode(wrong), {}, "invalid_signature"),
            (urlencode({key: good[key]}), {}, "unauthorized"),
            (urlencode({**good, key: "\u20ac"}), {}, "unauthorized"),
            # Whoever sends a header means it: the query does not fill in what is missing.
            (urlencode(good), {key: good[key]}, "unauthorized"),
            (urlencode(good), wrong, "invalid_signature"),
        ):
            status, body = await refusal(server, headers, query)
            assert (status, body["code"]) == (401, code)
        async with connect(f"{server.url}?unknown=1&kalshi=2") as socket:
            assert (await NetworkClient(socket).subscribe("fill"))["msg"]["code"] == 9


async def test_a_setting_demands_authentication_always(gate: DirectGate) -> None:
    async with serve(gate, WebSocketSettings(anonymous=False)) as server:
        assert (await refusal(server, {}))[0] == 401


async def test_a_member_has_a_limited_number_of_connections(gate: DirectGate) -> None:
    _, first = gate.add_member("first@example.com")
    _, second = gate.add_member("second@example.com")
    settings = WebSocketSettings(connections_per_member=2, connections_per_address=1)
    async with serve(gate, settings) as server:
        async with server.connect(first), server.connect(first):
            status, body = await refusal(server, first.headers("GET", PATH))
            assert (status, body["code"]) == (429, "too_many_requests")
            async with server.connect(second), server.connect():
                assert (await refusal(server, {}))[0] == 429
        await until(lambda: server.gateway.connections == 0)
        # Places are free again, and refusals have taken none.
        async with server.connect(first), server.connect(first):
            pass


async def test_compression_is_not_negotiated(gate: DirectGate) -> None:
    """Frames are shared between connections, so they must not depend on one."""
    async with serve(gate) as server, server.connect(compression="deflate") as client:
        assert client.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in client.socket.response.headers
        assert (await client.subscribe("ticker"))["type"] == "subscribed"


# --- a client of which every frame is under control ----------------------------------------------


class RawClient:
    """A client that sends and answers only what the test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str):
        self.reader = reader
        self.writer = writer
        self.protocol = ClientProtocol(parse_uri(url), max_size=None)
        self.frames: list[Frame] = []

    async def handshake(self, signer: Signer | None) -> None:
        request = self.protocol.connect()
        for name, value in (signer.headers("GET", PATH) if signer else {}).items():
            request.headers[name] = value
        self.protocol.send_request(request)
        self.send_out()
        while self.protocol.state.name == "CONNECTING":
            await self.read_some()

    def send_out(self) -> None:
        """Send what the protocol has prepared, such as a text or a Pong."""
        self.writer.write(b"".join(self.protocol.data_to_send()))

    def send_text(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        self.send_out()

    async def read_some(self) -> bool:
        """Read once without answering; False at the end of the stream."""
        async with asyncio.timeout(10):
            try:
                data = await self.reader.read(1 << 20)
            except ConnectionError:
                data = b""
        if not data:
            self.protocol.receive_eof()
            return False
        self.protocol.receive_data(data)
        events = self.protocol.events_received()
        self.frames += [event for event in events if isinstance(event, Frame)]
        return True

    async def next_frame(self, opcode: Opcode) -> Frame:
        while True:
            for frame in self.frames:
                if frame.opcode is opcode:
                    self.frames.remove(frame)
                    return frame
            assert await self.read_some(), "the connection ended"

    async def close_code(self) -> tuple[int, str]:
        """Read everything, and return the code and the reason of the Close."""
        while await self.read_some():
            if self.protocol.close_rcvd is not None:
                self.protocol.data_to_send()
                break
        assert self.protocol.close_rcvd is not None, "no Close arrived"
        return self.protocol.close_rcvd.code, self.protocol.close_rcvd.reason


@asynccontextmanager
async def raw_client(
    server: RunningGateway, signer: Signer | None = None, buffer: int | None = None
) -> AsyncIterator[RawClient]:
    """``buffer`` bounds what the operating system takes for us while we do not read."""
    connection = socket.socket()
    connection.setblocking(False)
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", server.port))
    # A small limit keeps asyncio itself from reading ahead.
    reader, writer = await asyncio.open_connection(sock=connection, limit=buffer or 65_536)
    client = RawClient(reader, writer, server.url)
    try:
        await client.handshake(signer)
        yield client
    finally:
        writer.transport.abort()


# --- keep-alive ----------------------------------------------------------------------------------


async def test_the_server_pings_with_the_body_heartbeat(gate: DirectGate) -> None:
    settings = WebSocketSettings(ping_interval=0.05, idle_timeout=10)
    async with serve(gate, settings) as server, raw_client(server) as client:
        for _ in range(3):
            ping = await client.next_frame(Opcode.PING)
            assert bytes(ping.data) == b"heartbeat"
        client.send_out()  # the Pongs


async def test_a_ping_of_the_client_is_echoed(gate: DirectGate) -> None:
    async with serve(gate) as server, raw_client(server) as client:
        client.protocol.send_ping(b"are you there")
        client.send_out()
        assert bytes((await client.next_frame(Opcode.PONG)).data) == b"are you there"


async def test_a_silent_client_is_closed_with_1001(gate: DirectGate) -> None:
    settings = WebSocketSettings(ping_interval=0.05, idle_timeout=0.4)
    async with serve(gate, settings) as server, raw_client(server) as client:
        started = asyncio.get_running_loop().time()
        assert (await client.close_code())[0] == 1001
        assert asyncio.get_running_loop().time() - started >= 0.35


async def test_pongs_or_any_other_frame_keep_a_connection(gate: DirectGate) -> None:
    settings = WebSocketSettings(ping_interval=0.05, idle_timeout=0.4)
    async with serve(gate, settings) as server, server.connect() as pongs:
        async with raw_client(server) as talks:
            async with asyncio.timeout(10):
                deadline = asyncio.get_running_loop().time() + 1.2
                while asyncio.get_running_loop().time() < deadline:
                    await talks.next_frame(Opcode.PING)
                    # The Pong that the protocol prepared is thrown away.
                    talks.protocol.data_to_send()
                    talks.send_text('{"id":1,"cmd":"list_subscriptions"}')
            assert talks.protocol.close_rcvd is None
        assert (await pongs.subscribe("ticker"))["type"] == "subscribed"


SILENT_PEER = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as socket:
    socket.send('{"id":1,"cmd":"subscribe","params":{"channels":["ticker"]}}')
    print(socket.recv(), flush=True)
    for message in socket:
        pass
"""


@pytest.mark.parametrize("trading", [False, True], ids=["quiet", "with messages under way"])
async def test_a_peer_that_vanishes_without_a_word_is_dropped(
    gate: DirectGate, trading: bool
) -> None:
    """A stopped process: its system acknowledges everything and nobody answers, as when a machine
    is cut off behind a proxy. It can answer neither the Ping nor the Close."""
    member, _ = gate.add_member("trader@example.com")
    settings = WebSocketSettings(ping_interval=0.2, idle_timeout=2, close_timeout=0.2)
    async with serve(gate, settings) as server, server.connect() as other:
        await other.subscribe("trade")
        peer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SILENT_PEER, server.url, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert peer.stdout is not None
            assert b'"subscribed"' in await peer.stdout.readline()
            assert server.gateway.connections == 2
            peer.send_signal(signal.SIGSTOP)
            if trading:
                make_noise(gate, member, 2000)
            await until(lambda: server.gateway.connections == 1, seconds=20)
            assert server.gateway.subscriptions == 1
            # Who answers Pings stays.
            assert (await other.ask({"id": 2, "cmd": "list_subscriptions"}))["type"] == "ok"
        finally:
            peer.kill()
            await peer.wait()


def test_the_real_intervals_are_those_of_the_public_api() -> None:
    settings = WebSocketSettings()
    assert (settings.ping_interval, settings.idle_timeout) == (10.0, 30.0)


# --- how it ends ---------------------------------------------------------------------------------


async def test_deleting_a_key_closes_its_sockets_and_no_others(gate: DirectGate) -> None:
    member, signer = gate.add_member("trader@example.com")
    other = gate.add_key(member)
    async with serve(gate) as server:
        async with server.connect(signer) as doomed, server.connect(other) as spared:
            for client in (doomed, spared):
                await client.subscribe("user_orders")
            gate.order(member, RAIN, "buy", "yes", 40, 1)
            key_id = min(gate.state.api_keys)
            gate.must(RemoveApiKey(member, key_id))
            # What happened before the end still arrives.
            assert (await doomed.receive())["type"] == "user_order"
            with pytest.raises(ConnectionClosed) as closed:
                await doomed.receive()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "API key deleted")
            assert (await spared.receive())["type"] == "user_order"
        assert (await refusal(server, signer.headers("GET", PATH)))[0] == 401


async def test_a_stopping_server_says_so(gate: DirectGate) -> None:
    async with serve(gate) as server:
        socket = await connect(server.url)
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_connection_that_ends_leaves_nothing_behind(gate: DirectGate) -> None:
    member, signer = gate.add_member("trader@example.com")
    async with serve(gate) as server:
        async with server.connect(signer) as polite:
            await polite.subscribe("orderbook_delta", "fill", "ticker", market_ticker=RAIN)
        async with raw_client(server, signer) as rude:
            rude.send_text(
                '{"id":1,"cmd":"subscribe","params":{"channels":["user_orders","trade"]}}'
            )
            await rude.next_frame(Opcode.TEXT)
        await until(lambda: server.gateway.connections == 0)
        assert server.gateway.subscriptions == 0
        gate.order(member, RAIN, "buy", "yes", 40, 1)
        assert server.gateway.counters.overflows == 0


HOSTILE = {
    "invalid UTF-8": (Frame(Opcode.TEXT, b"\xff\xfe{"), 1007),
    "a message of two megabytes": (Frame(Opcode.TEXT, b" " * (2 << 20)), 1009),
    "a continuation of nothing": (Frame(Opcode.CONT, b"{}"), 1002),
    "reserved bits": (Frame(Opcode.TEXT, b"{}", rsv1=True), 1002),
    "a fragmented ping": (Frame(Opcode.PING, b"", fin=False), 1002),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_broken_frames_end_their_own_connection_only(gate: DirectGate, name: str) -> None:
    frame, code = HOSTILE[name]
    async with serve(gate) as server, server.connect() as bystander:
        async with raw_client(server) as hostile:
            # serialize() refuses to build some of these, so the header is written by hand.
            head = bytes([frame.fin << 7 | frame.rsv1 << 6 | frame.opcode])
            size = len(frame.data)
            length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8, "big")
            hostile.writer.write(head + length + b"\0\0\0\0" + bytes(frame.data))
            assert (await hostile.close_code())[0] == code
        assert (await bystander.subscribe("ticker"))["type"] == "subscribed"
        await until(lambda: server.gateway.connections == 1)


async def test_an_unmasked_frame_is_a_protocol_error(gate: DirectGate) -> None:
    async with serve(gate) as server, raw_client(server) as hostile:
        hostile.writer.write(b"\x81\x02{}")
        assert (await hostile.close_code())[0] == 1002


async def test_commands_may_come_in_fragments_or_many_at_once(gate: DirectGate) -> None:
    async with serve(gate) as server, server.connect() as client:
        await client.socket.send(['{"id":1,"cmd":"li', "st_subscript", 'ions"}'])
        assert (await client.receive())["id"] == 1
        for number in range(1, 501):
            await client.send({"id": number, "cmd": "list_subscriptions"})
        assert [(await client.receive())["id"] for _ in range(500)] == list(range(1, 501))


async def test_binary_and_hostile_json_are_errors_and_the_connection_lives(
    gate: DirectGate,
) -> None:
    async with serve(gate) as server, server.connect() as client:
        await client.socket.send(b"\x00\x01")
        assert (await client.receive())["msg"]["code"] == 1
        for text in ("[" * 500_000, '{"id":1e999}', '{"a":"' + "x" * 900_000 + '"}', "\u0000"):
            await client.socket.send(text)
            assert (await client.receive())["msg"]["code"] in {1, 5}
        assert (await client.subscribe("ticker"))["type"] == "subscribed"


# --- slow readers --------------------------------------------------------------------------------


def make_noise(gate: DirectGate, member: int, times: int) -> None:
    for _ in range(times):
        order = gate.order(member, RAIN, "buy", "yes", 41, 1).sequence
        gate.must(CancelOrder(member, order))


async def overflow(
    server: RunningGateway, gate: DirectGate, member: int, done: asyncio.Event
) -> None:
    """Trade until somebody's queue has overflowed."""
    async with asyncio.timeout(60):
        while not server.gateway.counters.overflows:
            make_noise(gate, member, 50)
            await asyncio.sleep(0)
    done.set()


async def test_a_slow_reader_is_closed_and_nobody_else_notices(gate: DirectGate) -> None:
    """It finds error 25 and a Close with a reason at the end of what it has not read."""
    member, signer = gate.add_member("trader@example.com")
    settings = WebSocketSettings(queue_bytes=200_000, close_timeout=30)
    async with serve(gate, settings) as server, server.connect(signer) as fast:
        await fast.subscribe("orderbook_delta", market_ticker=RAIN)
        assert (await fast.receive())["seq"] == 1
        async with raw_client(server, signer, buffer=4096) as slow:
            slow.send_text(
                '{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"],'
                f'"market_ticker":"{RAIN}"}}}}'
            )
            await slow.next_frame(Opcode.TEXT)
            done = asyncio.Event()
            task = asyncio.create_task(overflow(server, gate, member, done))
            expected = 2
            while not done.is_set():
                assert (await fast.receive())["seq"] == expected
                expected += 1
            await task
            code, reason = await slow.close_code()
            assert (code, reason) == (1008, "Subscription buffer overflow")
            last = [frame for frame in slow.frames if frame.opcode is Opcode.TEXT][-1]
            assert bytes(last.data) == (
                b'{"type":"error","msg":{"code":25,"msg":"Subscription buffer overflow"}}'
            )
        while expected <= gate.state.sequence:
            message = await fast.receive()
            assert message["seq"] == expected
            expected += 1
            if message["msg"]["ts_ms"] == gate.time_ns // 1_000_000:
                break


async def test_a_reader_who_never_reads_is_cut_off(gate: DirectGate) -> None:
    """The Close cannot be delivered, so the connection is cut after the timeout."""
    member, signer = gate.add_member("trader@example.com")
    settings = WebSocketSettings(queue_bytes=200_000, close_timeout=0.3)
    async with serve(gate, settings) as server, raw_client(server, signer, buffer=4096) as stuck:
        stuck.send_text('{"id":1,"cmd":"subscribe","params":{"channels":["user_orders"]}}')
        await stuck.next_frame(Opcode.TEXT)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await overflow(server, gate, member, asyncio.Event())
        await until(lambda: server.gateway.connections == 0)


async def test_pings_of_somebody_who_never_reads_fill_no_memory(gate: DirectGate) -> None:
    async with serve(gate) as server, raw_client(server, buffer=4096) as rude:
        rude.writer.transport.pause_reading()  # type: ignore[attr-defined]
        ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
        (connection,) = server.gateway._connections
        transport = connection.socket.transport  # type: ignore[attr-defined]
        for _ in range(200):
            rude.writer.write(ping * 500)
            async with asyncio.timeout(10):
                await rude.writer.drain()
        assert transport.get_write_buffer_size() < 1_000_000
        assert server.gateway.connections == 1
