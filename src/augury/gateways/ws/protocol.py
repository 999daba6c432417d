"""The socket itself: uvicorn's WebSocket protocol with our heartbeat and direct writes.

Pass ``WebSocketProtocol`` to ``uvicorn.Config(ws=...)``. Handshake, parsing and closing are
uvicorn's and the ``websockets`` library's. Added here:

- messages go to the transport as ready frames that connections share, because an ASGI ``send``
  per message costs twice as much and waits for the slowest reader;
- the Ping with the body ``heartbeat``, and the end of connections that have gone silent;
- a limit to everything that a peer who does not read could make us keep.

Compression is not negotiated: it would need other bytes, and memory, for every connection.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import OPEN

from augury.gateways.ws.frames import PING

EXTENSION: Final = "augury.socket"
"""Where the ASGI scope's ``extensions`` hold the ``Socket`` of a connection."""

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""A longer message from a client closes its connection with 1009."""

CLOSE_TIMEOUT: Final = 5.0


class Socket(Protocol):
    """What the gateway asks of a connection once the handshake is accepted."""

    paused: bool
    """True while the operating system takes no more; what is written meanwhile piles up."""

    write: Callable[[bytes], None]
    """Send whole frames. Never waits; after the end of the connection does nothing."""

    def open(
        self,
        on_writable: Callable[[], None],
        ping_interval: float,
        idle_timeout: float,
        close_timeout: float,
    ) -> None:
        """Start the heartbeat. ``on_writable`` is called whenever ``paused`` ends."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; the connection is cut when the peer does not answer."""
        ...


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection, seen by uvicorn as a protocol and by the gateway as a ``Socket``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn.available_extensions = None
        self.conn.max_message_size = MAX_MESSAGE_BYTES
        self.paused = False
        self.write: Callable[[bytes], None] = _drop
        self.close_timeout = CLOSE_TIMEOUT
        self.leave: Callable[[], None] = _nothing
        """Gives back the connection's place with the doorkeeper."""
        self._on_writable: Callable[[], None] | None = None
        self._heartbeat: TimerHandle | None = None
        self._ping_interval = 0.0
        self._next_ping = 0.0
        self._idle_timeout = 0.0
        self._last_frame = 0.0

    # --- what the gateway uses ---------------------------------------------------------------

    def open(
        self,
        on_writable: Callable[[], None],
        ping_interval: float,
        idle_timeout: float,
        close_timeout: float,
    ) -> None:
        if self.disconnected or self.close_sent:
            return
        # The transport's own method: here even a method that only forwards can be measured.
        self.write = self.transport.write
        self._on_writable = on_writable
        self._ping_interval = ping_interval
        self._idle_timeout = idle_timeout
        self.close_timeout = close_timeout
        self._last_frame = self.loop.time()
        self._next_ping = self._last_frame + ping_interval
        self._schedule_heartbeat()

    def close(self, code: int, reason: str) -> None:
        self._end()
        if self.conn.state is not OPEN or self.transport.is_closing():
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._cut_later()

    def _end(self) -> None:
        """From here on only closing matters."""
        self.write = _drop
        self._on_writable = None
        self.stop_keepalive()

    # --- heartbeat ---------------------------------------------------------------------------

    def start_keepalive(self) -> None:
        """uvicorn's own pings have a random body; ours begin with ``open``."""

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def _schedule_heartbeat(self) -> None:
        due = min(self._next_ping, self._last_frame + self._idle_timeout)
        self._heartbeat = self.loop.call_at(due, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        if self.close_sent or self.transport.is_closing():
            return
        now = self.loop.time()
        if now >= self._last_frame + self._idle_timeout:
            self.close(1001, "no frame received in time")
            return
        if now >= self._next_ping:
            self._next_ping = now + self._ping_interval
            # A peer that does not read will not see a ping either; piling them up helps nobody.
            if not self.paused:
                self.write(PING)
        self._schedule_heartbeat()

    # --- what uvicorn calls ------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[EXTENSION] = self

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        # An answer in place of a handshake completes it; uvicorn would log an error otherwise.
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def handle_events(self) -> None:
        if self.conn.events:
            self._last_frame = self.loop.time()
        super().handle_events()

    def send_receive_event_to_app(self) -> None:
        # Text that is no UTF-8 is the client's mistake: 1007 for the client, and not a trace of
        # the decoder for our log, which anybody could fill that way.
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        # Pongs for a peer that pings without reading would fill our memory; RFC 6455, 5.5.3,
        # lets us answer only the latest, and the latest will find the line free again.
        if self.paused:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Any frame counts as a sign of life, so there is nothing to match."""

    def handle_close(self, event: Frame) -> None:
        self._end()
        super().handle_close(event)
        if self.transport.is_closing():
            self._cut_later()

    def handle_parser_exception(self) -> None:
        self._end()
        super().handle_parser_exception()
        self._cut_later()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.paused = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.paused = False
        if self._on_writable is not None:
            self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self.leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: say so (1012), but wait for no slow reader."""
        if self.handshake_complete and not self.close_sent:
            self.close(1012, "service restart")
        else:
            super().shutdown()
        self._cut_later()

    def _cut_later(self) -> None:
        """Closing a transport waits until its buffer is sent, which may be never."""
        if self.disconnected:
            return
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def _nothing() -> None:
    """Nobody counts this connection."""


def _drop(frames: bytes) -> None:
    """What ``write`` does before a connection is open and after it has ended."""
