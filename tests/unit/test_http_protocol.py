"""Answers in one piece: the same bytes as uvicorn's, with fewer writes."""

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from augury.gateways.http import Doorkeeper, HttpLimits, OneWriteProtocol
from augury.gateways.messages import Answer, BodyTooLarge, Disconnected, Door, Incoming, header

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Pipe(asyncio.Transport):
    """Stands where the socket would be, and keeps every write apart."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def answer(
    body: bytes = b"hello",
    *,
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
    length: bool = True,
    parts: int = 1,
    fails_before_body: bool = False,
) -> Application:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        given = [*(headers or []), *([(b"content-length", b"%d" % len(body))] if length else [])]
        await send({"type": "http.response.start", "status": status, "headers": given})
        if fails_before_body:
            raise RuntimeError("after the head")
        for part in range(parts):
            more = part < parts - 1
            size = len(body) // parts
            piece = body[part * size : (part + 1) * size if more else None]
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    return application


async def exchange(
    application: Application, request: bytes, protocol_class: type[Any] = OneWriteProtocol
) -> Pipe:
    """Send a request and return when it is dealt with."""
    config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    protocol = protocol_class(config=config, server_state=server.server_state, app_state={})
    pipe = Pipe()
    protocol.connection_made(pipe)
    protocol.data_received(request)
    for _ in range(1000):
        if not protocol.tasks:
            break
        await asyncio.sleep(0)
    assert not protocol.tasks
    if protocol.timeout_keep_alive_task is not None:
        protocol.timeout_keep_alive_task.cancel()
    return pipe


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

CASES: dict[str, tuple[Application, bytes, int]] = {
    "an ordinary answer": (answer(), GET, 1),
    "an empty body": (answer(b"", status=201), GET, 1),
    "no content": (answer(b"", status=204, length=False), GET, 2),
    "several parts": (answer(b"x" * 90, parts=3), GET, 4),
    "unknown length": (answer(length=False), GET, 2),
    "a large body": (answer(b"x" * 100_000), GET, 1),
    "head only": (answer(), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "the last request": (answer(), b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 2),
    "an old client": (answer(), b"GET / HTTP/1.0\r\n\r\n", 2),
    "an application that closes": (answer(headers=[(b"connection", b"close")]), GET, 2),
    "two at once": (answer(), GET + GET, 2),
    "a body that comes late": (
        answer(),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_bytes_are_those_of_uvicorn(name: str) -> None:
    application, request, writes = CASES[name]
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    ours = await exchange(application, request)
    theirs = await exchange(application, request, HttpToolsProtocol)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert ours.closed == theirs.closed
    assert len(ours.writes) == writes


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
async def test_a_header_cannot_smuggle_another(value: bytes) -> None:
    pipe = await exchange(answer(headers=[(b"x-odd", value)]), GET)
    assert value not in b"".join(pipe.writes)


async def test_a_fault_after_the_head_is_a_500_and_not_half_an_answer() -> None:
    pipe = await exchange(answer(fails_before_body=True), GET)
    assert b"".join(pipe.writes).startswith(b"HTTP/1.1 500 ")


async def test_a_head_without_end_closes_the_connection() -> None:
    def parts() -> list[bytes]:
        return [b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", *[b"a" * 10_000] * 10]

    config = uvicorn.Config(answer(), lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    protocol = OneWriteProtocol(config=config, server_state=server.server_state, app_state={})
    pipe = Pipe()
    protocol.connection_made(pipe)
    for part in parts():
        if pipe.is_closing():
            break
        protocol.data_received(part)
    assert pipe.is_closing()
    assert b"".join(pipe.writes).startswith(b"HTTP/1.1 431 ")


async def test_an_answered_request_leaves_nothing_to_the_garbage_collector() -> None:
    """Without the automatic collector a knot per request would be memory, and pauses later."""

    async def finished() -> None:
        await exchange(answer(), GET)

    await finished()
    gc.collect()
    gc.disable()
    try:
        await finished()
        known = gc.collect()
        for _ in range(5):
            await exchange(answer(), GET * 20)
        # The connection itself is a knot of uvicorn's, however many requests it carried.
        assert gc.collect() <= 6 * known
    finally:
        gc.enable()


async def test_an_idle_connection_is_closed_in_silence_and_a_busy_one_is_not() -> None:
    config = uvicorn.Config(answer(), lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    doorkeeper = Doorkeeper(HttpLimits(request_seconds=5, idle_seconds=60))
    protocol_class = OneWriteProtocol.of_server(doorkeeper)
    pipes = []
    for request in (GET, GET + GET[:10]):
        protocol = protocol_class(config=config, server_state=server.server_state, app_state={})
        pipe = Pipe()
        protocol.connection_made(pipe)
        protocol.data_received(request)
        await asyncio.gather(*protocol.tasks)
        pipes.append(pipe)
    idle, half = pipes
    doorkeeper.look(1_000.0)
    doorkeeper.look(1_010.0)
    assert not idle.closed
    assert half.closed
    assert half.writes[-1].startswith(b"HTTP/1.1 408 ")
    doorkeeper.look(1_061.0)
    assert idle.closed
    assert len(idle.writes) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
    ],
    ids=["a TLS hello", "a null in the path"],
)
async def test_what_is_no_request_is_refused_like_everything_else(sent: bytes) -> None:
    pipe = await exchange(answer(), sent)
    head, _, body = b"".join(pipe.writes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/json" in head
    assert f"content-length: {len(body)}".encode() in head
    refusal = json.loads(body)
    assert refusal["code"] == refusal["error"]["code"] == "malformed_request"
    assert pipe.closed


# --- straight to the trading API -------------------------------------------------------------

PATH = b"/trade-api/v2/portfolio/orders"


class Api:
    """Answers with what it understood; holds back answers for ``/wait`` until it is told."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.seen: list[tuple[str, bytes, bytes, bytes]] = []
        self.addresses: list[str] = []
        self.outcomes: list[str] = []
        self.go = asyncio.Event()

    async def answer(self, incoming: Incoming) -> Answer:
        self.addresses.append(incoming.address)
        try:
            body = await incoming.body(self.limit)
        except (BodyTooLarge, Disconnected) as error:
            self.outcomes.append(type(error).__name__)
            if isinstance(error, Disconnected):
                raise
            return Answer(413, b"{}")
        self.seen.append((incoming.method, incoming.path, incoming.query, body))
        if incoming.path.endswith(b"/wait"):
            await self.go.wait()
        return Answer(201, b"<" + body + b">", header(b"x-path", incoming.path))


class Line:
    """A connection to a server whose trading API is ``api`` and whose rest is ASGI."""

    def __init__(self, door: Door, *, trusts: list[str] | None = None) -> None:
        self.config = uvicorn.Config(
            answer(b"from ASGI"),
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=trusts is not None,
            forwarded_allow_ips=trusts,
        )
        self.config.load()
        server = uvicorn.Server(self.config)
        server.server_state.default_headers = [(b"date", b"today")]
        self.doorkeeper = Doorkeeper(HttpLimits(request_seconds=5, idle_seconds=60))
        self.protocol = OneWriteProtocol.of_server(self.doorkeeper, door)(
            config=self.config, server_state=server.server_state, app_state={}
        )
        self.pipe = Pipe()
        self.protocol.connection_made(self.pipe)

    async def send(self, *pieces: bytes) -> bytes:
        """Everything that came back after the pieces have arrived one by one."""
        for piece in pieces:
            self.protocol.data_received(piece)
            for _ in range(10):
                await asyncio.sleep(0)
        return b"".join(self.pipe.writes)


def request_of(
    body: bytes = b"", path: bytes = PATH, method: bytes = b"POST", more: bytes = b""
) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n%b" % (method, path, length, more, body)


def answer_of(body: bytes, path: bytes = PATH, more: bytes = b"", size: int = -1) -> bytes:
    return (
        b"HTTP/1.1 201 Created\r\ndate: today\r\nx-path: %b\r\ncontent-length: %d\r\n%b\r\n%b"
        % (path, len(body) if size < 0 else size, more, body)
    )


async def test_a_request_of_the_trading_api_takes_the_short_way() -> None:
    api = Api()
    line = Line(api.answer)
    assert await line.send(request_of(b"abc", PATH + b"?a=b&c=%20")) == answer_of(b"<abc>")
    assert api.seen == [("POST", PATH, b"a=b&c=%20", b"abc")]
    assert len(line.pipe.writes) == 1
    assert not line.protocol.tasks


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/trade-api/v2",
        b"/trade-api/v22/markets",
        b"/trade-api/v2/markets#a",
        b"http://x/trade-api/v2/markets",
        b"/%74rade-api/v2/markets",
    ],
)
async def test_everything_else_goes_through_asgi(path: bytes) -> None:
    api = Api()
    assert b"from ASGI" in await Line(api.answer).send(request_of(path=path, method=b"GET"))
    assert api.seen == []


async def test_an_upgrade_goes_through_asgi() -> None:
    api = Api()
    upgrade = b"Upgrade: h2c\r\nConnection: Upgrade\r\n"
    assert b"from ASGI" in await Line(api.answer).send(request_of(method=b"GET", more=upgrade))
    assert api.seen == []


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
async def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    api = Api()
    chunked = (
        b"POST /trade-api/v2/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    sent = request_of(b"first one") + chunked + GET + request_of(b"last")
    received = await Line(api.answer).send(
        *(sent[start : start + size] for start in range(0, len(sent), size))
    )
    assert [body for *_, body in api.seen] == [b"first one", b"abcde", b"last"]
    parts = received.split(b"HTTP/1.1 ")[1:]
    assert [part.rpartition(b"\r\n\r\n")[2] for part in parts] == [
        *(b"<first one>", b"<abcde>", b"from ASGI", b"<last>")
    ]


@pytest.mark.parametrize("path", [b"/trade-api/v2/wait", b"/slow"])
async def test_a_refusal_waits_for_the_answers_before_it(path: bytes) -> None:
    """Told at once, it would be taken for the answer to an order that was carried out."""
    api = Api()
    line = Line(api.answer)
    refused = b"malformed_request"
    received = await line.send(request_of(b"1", path) + request_of(b"2") + b"BLA\r\n\r\n", GET)
    assert path == b"/slow" or received == b""
    api.go.set()
    received = await line.send(b"", b"", b"")
    assert [body for *_, body in api.seen][-1] == b"2"
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers][1:] == [b"201", b"400"]
    assert refused in answers[-1]
    assert line.pipe.is_closing()


@pytest.mark.parametrize("path", [PATH, b"/asgi"])
async def test_trailers_are_passed_over(path: bytes) -> None:
    api = Api()
    line = Line(api.answer)
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    await line.send(head + b"1\r\na\r\n0\r\n")
    for number in range(1000):
        line.protocol.data_received(b"Host: %d\r\n" % number)
    assert len(line.protocol.headers) == 2
    received = await line.send(b"\r\n", GET)
    assert received.count(b"HTTP/1.1 2") == 2


async def test_answers_of_a_pipeline_keep_the_order_of_its_requests() -> None:
    api = Api()
    line = Line(api.answer)
    slow = b"/trade-api/v2/wait"
    assert await line.send(request_of(b"1", slow) + request_of(b"2") + GET) == b""
    assert [body for *_, body in api.seen] == [b"1"]
    api.go.set()
    received = await line.send(b"", b"", b"")
    assert received.startswith(answer_of(b"<1>", slow) + answer_of(b"<2>"))
    assert received.endswith(b"from ASGI")


async def test_the_end_of_a_connection_is_announced_and_kept() -> None:
    for request in (
        request_of(b"a", more=b"Connection: close\r\n"),
        request_of(b"a").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request_of(b"a", more=b"Connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        line = Line(Api().answer)
        assert await line.send(request) == answer_of(b"<a>", more=b"connection: close\r\n")
        assert line.pipe.closed


async def test_a_graceful_stop_lets_the_request_under_way_finish() -> None:
    api = Api()
    line = Line(api.answer)
    path = b"/trade-api/v2/wait"
    await line.send(request_of(b"a", path))
    line.protocol.shutdown()
    assert not line.pipe.closed
    api.go.set()
    assert await line.send(b"") == answer_of(b"<a>", path, b"connection: close\r\n")
    assert line.pipe.closed


async def test_head_has_the_length_of_the_body_and_no_body() -> None:
    assert await Line(Api().answer).send(request_of(method=b"HEAD")) == answer_of(b"", size=2)


async def test_who_asks_whether_to_go_on_is_told_when_the_body_is_wanted() -> None:
    line = Line(Api().answer)
    head, body = request_of(b"abc", more=b"Expect: 100-continue\r\n")[:-3], b"abc"
    assert await line.send(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await line.send(body)).endswith(answer_of(b"<abc>"))


async def test_a_body_beyond_the_limit_is_refused_as_soon_as_it_is_too_large() -> None:
    api = Api(limit=10)
    line = Line(api.answer)
    request = request_of(b"x" * 40)
    assert (await line.send(request[:-25])).startswith(b"HTTP/1.1 413 ")
    # What is left of it is received and dropped, and the connection serves on.
    assert (await line.send(request[-25:] + request_of(b"ok"))).endswith(answer_of(b"<ok>"))
    assert len(line.pipe.writes) == 2


async def test_who_hangs_up_in_the_middle_of_a_body_has_asked_nothing() -> None:
    api = Api()
    line = Line(api.answer)
    await line.send(request_of(b"abc")[:-1])
    line.pipe.close()
    line.protocol.connection_lost(None)
    await asyncio.gather(*line.protocol.tasks)
    assert (api.seen, api.outcomes, line.pipe.writes) == ([], ["Disconnected"], [])


async def test_nobody_is_answered_after_hanging_up() -> None:
    api = Api()
    line = Line(api.answer)
    await line.send(request_of(b"a", b"/trade-api/v2/wait") + request_of(b"never begun"))
    line.pipe.close()
    line.protocol.connection_lost(None)
    api.go.set()
    await asyncio.gather(*line.protocol.tasks)
    assert line.pipe.writes == []
    assert [body for *_, body in api.seen] == [b"a"]


async def test_an_answer_waits_until_its_reader_has_room() -> None:
    line = Line(Api().answer)
    line.protocol.pause_writing()
    assert await line.send(request_of(b"a")) == b""
    line.protocol.resume_writing()
    assert await line.send(b"") == answer_of(b"<a>")


async def test_a_large_answer_leaves_in_one_piece_too() -> None:
    body = b"x" * 100_000
    line = Line(Api(limit=len(body)).answer)
    assert await line.send(request_of(body)) == answer_of(b"<" + body + b">")
    assert len(line.pipe.writes) == 1


async def test_a_body_that_does_not_come_ends_the_connection() -> None:
    line = Line(Api().answer)
    await line.send(request_of(b"abc")[:-1])
    line.doorkeeper.look(1_000.0)
    line.doorkeeper.look(1_006.0)
    assert line.pipe.closed
    assert line.pipe.writes[-1].startswith(b"HTTP/1.1 408 ")


async def test_an_answered_connection_is_idle() -> None:
    line = Line(Api().answer)
    await line.send(request_of(b"abc"))
    for now in (1_000.0, 1_006.0):
        line.doorkeeper.look(now)
    assert not line.pipe.closed
    line.doorkeeper.look(1_061.0)
    assert line.pipe.closed
    assert len(line.pipe.writes) == 1


@pytest.mark.parametrize(
    "trusts, address",
    [(None, "127.0.0.1"), (["127.0.0.1", "10.0.0.1"], "203.0.113.9"), (["10.0.0.1"], "127.0.0.1")],
)
async def test_a_caller_is_who_a_trusted_proxy_says(trusts: list[str] | None, address: str) -> None:
    """Also when each proxy adds a line of its own."""
    api = Api()
    named = (
        b"X-Forwarded-For: 198.51.100.7\r\n"
        b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.1\r\n"
    )
    await Line(api.answer, trusts=trusts).send(request_of(b"a", more=named))
    assert api.addresses == [address]


async def test_a_gateway_that_fails_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(incoming: Incoming) -> Answer:
        raise RuntimeError("a defect")

    line = Line(broken)
    assert await line.send(request_of(b"a")) == b""
    assert line.pipe.closed
    assert "a defect" in caplog.text


async def test_a_direct_request_leaves_nothing_to_the_garbage_collector() -> None:
    line = Line(Api().answer)
    await line.send(request_of(b"a"))
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await line.send(request_of(b"a"), *(bytes((byte,)) for byte in request_of(b"bc")))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_header_of_an_answer_cannot_be_two() -> None:
    for value in (b"a\r\nb: c", b"a\nb", b"a\rb"):
        with pytest.raises(ValueError, match="line break"):
            header(b"x-odd", value)
