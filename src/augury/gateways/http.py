"""uvicorn's HTTP protocol with one difference: an ordinary answer leaves in one piece.

uvicorn writes the head of an answer and its body one after the other, and each write is a system
call, a packet and a wake-up of the client. For the small answers of an exchange that is a good
part of what they cost. Here the head waits for the body. Whatever is not ordinary, such as
answers in several parts, goes uvicorn's own way. A request's head is bounded as well.
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


_HEAD_LIMIT: Final = 65_536
"""More bytes of request line and headers than this are nobody's honest request."""

_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class OneWriteProtocol(HttpToolsProtocol):
    """For ``http=`` of uvicorn's configuration. Also bounds what a request's head may take."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """A head that goes on beyond the limit ends the connection with 431."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT:
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.send = OneWrite(cycle)  # type: ignore[method-assign]
        super()._start_asgi_task(cycle, app)
