"""Answers in one piece: the same bytes as uvicorn's, with fewer writes."""

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from augury.gateways.http import Doorkeeper, HttpLimits, OneWriteProtocol

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Pipe(asyncio.Transport):
    """Stands where the socket would be, and keeps every write apart."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

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
    protocol_class = OneWriteProtocol.guarded_by(doorkeeper)
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
