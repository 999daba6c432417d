"""uvicorn's HTTP protocol with two differences: the trading API has a short way, and an ordinary
answer leaves in one piece.

Requests of the trading API go straight to its gateway (see ``direct``); all others go through
ASGI, as uvicorn does it.

uvicorn writes the head of an answer and its body one after the other, and each write is a system
call, a packet and a wake-up of the client. For the small answers of an exchange that is a good
part of what they cost. Here the head waits for the body. Whatever is not ordinary, such as
answers in several parts, goes uvicorn's own way.

What uvicorn leaves unbounded is bounded: the size of a request's head, how long its head and body
may take to arrive, how long an answer may wait for its reader, and how many connections there are.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from augury.gateways.direct import DirectRequest
from augury.gateways.messages import Answer, Door
from augury.gateways.profiles import CURRENT
from augury.gateways.rest.errors import ApiError
from augury.gateways.settings import BASE_PATH

_COPY_UP_TO: Final = 65_536
"""A larger body is not worth copying: head and body then go out side by side."""


class OneWriteCycle(RequestResponseCycle):
    """One request and its answer, which leaves in one piece if it is an ordinary one."""

    _start: Any = None
    """The head of an answer whose body has not come yet."""

    async def send(self, message: Any) -> None:
        start = self._start
        if start is None:
            if message["type"] == "http.response.start" and not self.response_started:
                self._start = message
                return
            await super().send(message)
            return
        self._start = None
        if message["type"] == "http.response.start":
            # The application failed after its head was taken, before anything was sent.
            self._start = message
            return
        head = None if message.get("more_body", False) else self._head(start, message)
        if head is None:
            await super().send(start)
            await super().send(message)
            return
        self.response_started = True
        self.response_complete = True
        self.waiting_for_100_continue = False
        body = message.get("body", b"")
        if len(body) > _COPY_UP_TO:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head + body)
        self.message_event.set()
        self.on_response()

    def _head(self, start: Any, message: Any) -> bytes | None:
        """The head of an ordinary answer, as bytes; None when the answer is not one.

        Ordinary: a whole body of the announced length, on a connection that stays open and has
        room. Names of headers are in lower case, as ASGI demands.
        """
        body = message.get("body", b"")
        if (
            self.disconnected
            or not self.keep_alive
            or self.access_log
            or self.flow.write_paused
            or self.scope["method"] == "HEAD"
        ):
            return None
        content = [STATUS_LINE[start["status"]]]
        announced = -1
        for name, value in (*self.default_headers, *start.get("headers", ())):
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


_DIRECT: Final = BASE_PATH.encode() + b"/"

_HEAD_LIMIT: Final = 65_536
"""More bytes of request line and headers than this are nobody's honest request."""


def _refusal(status_line: bytes, code: str, message: str, *headers: bytes) -> bytes:
    """The answer to what never became a request; its body is that of any other refusal."""
    body = msgspec.json.encode(ApiError(0, code, message).answer(CURRENT))
    head = (
        b"HTTP/1.1 " + status_line,
        *headers,
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
    )
    return b"\r\n".join((*head, b"", body))


_MALFORMED: Final = _refusal(
    b"400 Bad Request", "malformed_request", "this is not a request of HTTP/1.1"
)
_HEAD_TOO_LARGE: Final = _refusal(
    b"431 Request Header Fields Too Large",
    "request_head_too_large",
    f"the request line and the headers have more than {_HEAD_LIMIT} bytes",
)
_TOO_SLOW: Final = _refusal(
    b"408 Request Timeout", "request_timeout", "the request did not arrive in time"
)
_TOO_MANY: Final = _refusal(
    b"503 Service Unavailable",
    "too_many_connections",
    "too many connections are open; try again",
    b"retry-after: 1",
)


# Where in a message the bytes are.
_NO_MESSAGE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What a stranger may take of the server."""

    request_seconds: float = 30.0
    """How long the head of a request, and then its body, may take to arrive; and how long an
    answer may wait without its reader taking anything."""
    idle_seconds: float = 75.0
    """How long a connection may stay open between two requests: longer than the minute for which
    clients keep theirs, since who closes first may lose a request."""
    connections: int = 20_000
    """Open at once, streams included."""
    connections_per_address: int = 10_000


class Doorkeeper:
    """Counts the connections of a server and cuts off those that only keep it waiting.

    ``watch`` looks at all of them once a second, so that an honest request costs nothing more.
    """

    def __init__(self, limits: HttpLimits | None = None) -> None:
        self.limits = limits or HttpLimits()
        self._by_address: Counter[str] = Counter()
        self._open = 0
        self._watched: dict[OneWriteProtocol, tuple[Any, float]] = {}
        """What each connection waits for, and since when; None while we are at work for it."""

    @property
    def connections(self) -> int:
        return self._open

    def enter(self, protocol: "OneWriteProtocol", address: str) -> bool:
        """Whether one more connection from ``address`` is let in; if so, ``leave`` must follow."""
        limits = self.limits
        if (
            self._open >= limits.connections
            or self._by_address[address] >= limits.connections_per_address
        ):
            return False
        self._open += 1
        self._by_address[address] += 1
        self._watched[protocol] = (None, 0.0)
        return True

    def leave(self, address: str) -> None:
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def forget(self, protocol: "OneWriteProtocol") -> None:
        """The connection is gone, or speaks another protocol from now on."""
        self._watched.pop(protocol, None)

    async def watch(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self.limits.request_seconds / 4))
            self.look(loop.time())

    def look(self, now: float) -> None:
        """Cut off whoever still keeps us waiting for what we waited for so long ago."""
        for protocol, (waiting_for, since) in list(self._watched.items()):
            present = protocol.waits_for()
            if present is None or present != waiting_for:
                self._watched[protocol] = (present, now)
            elif now - since >= (
                self.limits.idle_seconds if protocol.is_idle else self.limits.request_seconds
            ):
                self._watched[protocol] = (present, now)
                protocol.give_up()


class OneWriteProtocol(HttpToolsProtocol):
    """For ``http=`` of uvicorn's configuration; see ``of_server``."""

    doorkeeper: ClassVar[Doorkeeper] = Doorkeeper()
    trading_api: ClassVar[tuple[Door, ...]] = ()
    """Who answers requests of the trading API; without one they go through ASGI as well."""
    _stage = 0
    _head_bytes = 0
    _begun = 0
    """Messages that began in the bytes at hand."""
    _address = ""
    _let_in = False
    _last_words = b""
    """What is said before hanging up, once all that was asked before is answered."""
    _default_headers: list[tuple[bytes, bytes]] | None = None
    _default_lines = b""

    @classmethod
    def of_server(
        cls, doorkeeper: Doorkeeper, trading_api: Door | None = None
    ) -> "type[OneWriteProtocol]":
        """The protocol of one server."""
        doors = () if trading_api is None else (trading_api,)
        return type(cls.__name__, (cls,), {"doorkeeper": doorkeeper, "trading_api": doors})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._let_in = self.doorkeeper.enter(self, self._address)
        if not self._let_in:
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.doorkeeper.forget(self)
        self._leave()
        cycle = self._last_cycle
        if isinstance(cycle, DirectRequest):
            cycle.lose()
            self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._let_in:
            self._let_in = False
            self.doorkeeper.leave(self._address)

    def handle_websocket_upgrade(self) -> None:
        """The connection keeps its place, which its new protocol gives back in the end."""
        super().handle_websocket_upgrade()
        self.doorkeeper.forget(self)
        self.transport.get_protocol().leave = self._leave  # type: ignore[attr-defined]

    @property
    def _last_cycle(self) -> RequestResponseCycle | DirectRequest | None:
        """The newest request, if there was any."""
        return self.cycle

    def waits_for(self) -> object:
        """What the client owes us: something that changes when it comes; None for nothing."""
        if self.transport.is_closing():
            return "end"
        if self.flow.write_paused:
            return ("reader", self.transport.get_write_buffer_size())
        cycle = self._last_cycle
        if self.flow.read_paused:
            return None
        if self._stage != _NO_MESSAGE:
            return (self._stage, cycle)
        if cycle is None:
            return "first request"
        if not cycle.response_complete:
            return None
        return ("request", cycle)

    @property
    def is_idle(self) -> bool:
        """Whether all requests so far are answered and no further one has begun."""
        cycle = self._last_cycle
        return cycle is not None and cycle.response_complete and self._stage == _NO_MESSAGE

    def give_up(self) -> None:
        """The client had its time."""
        if self.flow.write_paused or self.transport.is_closing():
            self.transport.abort()
            return
        cycle = self._last_cycle
        if not self.is_idle and (
            cycle is None or cycle.response_complete or not cycle.response_started
        ):
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """A head that goes on beyond the limit ends the connection with 431."""
        if not self._let_in or self._last_words:
            return
        began_idle = self._stage == _NO_MESSAGE
        self._begun = 0
        super().data_received(data)
        if self._stage == _HEAD:
            # Of a head that began behind other requests only what follows is counted.
            if self._begun == 0 or (began_idle and self._begun == 1):
                self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused like everything else; uvicorn would say it in plain text.

        Behind requests that are still to be answered it is the last thing that is said: before
        them it would be taken for the answer of the first.
        """
        cycle = self._last_cycle
        if self._stage == _BODY or cycle is None or cycle.response_complete:
            self.transport.write(_MALFORMED)
            self.transport.close()
        else:
            self._last_words = _MALFORMED

    # --- what the parser finds ---------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._stage = _HEAD
        self._head_bytes = 0
        self._begun += 1
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser tells of what follows a chunked body in the same way. Nobody here wants such
        # trailers: they could replace what the head says, and there may be endlessly many.
        if self._stage == _HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._stage = _BODY
        url = self.url
        if (
            url.startswith(_DIRECT)
            and self.trading_api
            and url.isascii()
            and b"#" not in url
            and not self.parser.should_upgrade()
        ):
            self._begin_direct(url)
            return
        # Only now uvicorn learns of the request.
        headers = self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _begin_direct(self, url: bytes) -> None:
        path, _, query = url.partition(b"?")
        parser = self.parser
        request = DirectRequest(
            self,
            parser.get_method().decode("ascii"),
            path,
            query,
            self.headers,
            parser.should_keep_alive() and parser.get_http_version() != "1.0",
        )
        earlier = self._last_cycle
        self.cycle = request  # type: ignore[assignment]
        if earlier is None or earlier.response_complete:
            self._start(request)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((request, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        cycle = self._last_cycle
        if isinstance(cycle, DirectRequest):
            cycle.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._stage = _NO_MESSAGE
        cycle = self._last_cycle
        if isinstance(cycle, DirectRequest):
            cycle.end()
        else:
            super().on_message_complete()

    # --- what becomes of it ------------------------------------------------------------------

    def _start(self, request: DirectRequest) -> None:
        task = self.loop.create_task(request.serve(self.trading_api[0]))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _start_asgi_task(self, cycle: RequestResponseCycle | DirectRequest, app: Any) -> None:
        if isinstance(cycle, DirectRequest):
            self._start(cycle)
            return
        # uvicorn makes its own kind. Replacing a method of the instance instead would tie it to
        # itself, and every request would leave a knot to the garbage collector.
        cycle.__class__ = OneWriteCycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The next request of a pipeline may start.

        uvicorn would also set a timer for the case that none comes, for every answer. The
        doorkeeper looks after idle connections instead.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words:
            self.transport.write(self._last_words)
            self.transport.close()

    def send_answer(self, request: DirectRequest, answer: Answer) -> None:
        """Answer the request in one piece, as far as there is still somebody to answer."""
        request.response_complete = True
        transport = self.transport
        if not transport.is_closing():
            body = answer.body
            head = b"%b%b%bcontent-length: %d\r\n%b\r\n" % (
                STATUS_LINE[answer.status],
                self._lines_of_all(),
                answer.headers,
                len(body),
                b"" if request.keep_alive else b"connection: close\r\n",
            )
            if request.method == "HEAD":
                transport.write(head)
            elif len(body) > _COPY_UP_TO:
                transport.writelines((head, body))
            else:
                transport.write(head + body)
            if not request.keep_alive:
                transport.close()
        self.on_response_complete()

    def _lines_of_all(self) -> bytes:
        """Headers that all answers have, such as the date; uvicorn renews them every second."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._default_lines

    def caller(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Whose address counts for a request: the peer's, or the one that a trusted proxy names."""
        app: Any = self.app
        if not isinstance(app, ProxyHeadersMiddleware) or self._address not in app.trusted_hosts:
            return self._address
        named = b", ".join(value for name, value in headers if name == b"x-forwarded-for")
        host, _ = app.trusted_hosts.get_trusted_client_address(named.decode("latin-1"))
        return host or self._address
