"""uvicorn's HTTP protocol with one difference: an ordinary answer leaves in one piece.

uvicorn writes the head of an answer and its body one after the other, and each write is a system
call, a packet and a wake-up of the client. For the small answers of an exchange that is a good
part of what they cost. Here the head waits for the body. Whatever is not ordinary, such as
answers in several parts, goes uvicorn's own way.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

_COPY_UP_TO: Final = 65_536
"""A larger body is not worth copying to save a write."""


class OneWrite:
    """Takes the place of a cycle's ``send``."""

    __slots__ = ("_cycle", "_send", "_start")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send: Callable[[Any], Awaitable[None]] = cycle.send
        self._start: Any = None

    async def __call__(self, message: Any) -> None:
        cycle = self._cycle
        start = self._start
        if start is None:
            if message["type"] == "http.response.start" and not cycle.response_started:
                self._start = message
                return
            await self._send(message)
            return
        self._start = None
        if message["type"] == "http.response.start":
            # The application failed after its head was taken, before anything was sent.
            self._start = message
            return
        head = None if message.get("more_body", False) else self._head(start, message)
        if head is None:
            await self._send(start)
            await self._send(message)
            return
        cycle.response_started = True
        cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(head + message.get("body", b""))
        cycle.message_event.set()
        cycle.on_response()

    def _head(self, start: Any, message: Any) -> bytes | None:
        """The head of an ordinary answer, as bytes; None when the answer is not one.

        Ordinary: a whole body of the announced length, on a connection that stays open and has
        room. Names of headers are in lower case, as ASGI demands.
        """
        cycle = self._cycle
        body = message.get("body", b"")
        if (
            cycle.disconnected
            or not cycle.keep_alive
            or cycle.access_log
            or cycle.flow.write_paused
            or len(body) > _COPY_UP_TO
            or cycle.scope["method"] == "HEAD"
        ):
            return None
        content = [STATUS_LINE[start["status"]]]
        announced = -1
        for name, value in (*cycle.default_headers, *start.get("headers", ())):
            if name == b"content-length":
                announced = int(value)
            elif name == b"connection" or name == b"transfer-encoding":
                return None
            content += (name, b": ", value, b"\r\n")
        if announced != len(body):
            return None
        content.append(b"\r\n")
        head = b"".join(content)
        # A line break inside a header would let its author write headers, or whole answers.
        breaks = len(content) // 4 + 2
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            return None
        return head


class OneWriteProtocol(HttpToolsProtocol):
    """For ``http=`` of uvicorn's configuration."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.send = OneWrite(cycle)  # type: ignore[method-assign]
        super()._start_asgi_task(cycle, app)
