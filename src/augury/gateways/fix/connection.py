"""One client's connection: bytes in, bytes out, and what may wait in between.

Knows frames and flow control, nothing of what a session is. A reader that is too slow loses its
connection, and nobody else notices.
"""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from augury.gateways.fix.codec import Framer, Garbled, Message, Overflow, decode
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.session import Session

if TYPE_CHECKING:
    from augury.gateways.fix.gateway import FixGateway

WAITING_MESSAGES: Final = 100
"""Messages that a client may send before its Logon is answered."""
LAST_WORDS_SECONDS: Final = 5.0
"""How long what is written may take to leave once the connection is to be closed."""


class Connection(asyncio.Protocol):
    """``session`` is None until a Logon has passed."""

    def __init__(self, gateway: "FixGateway", kind: Kind) -> None:
        self.kind = kind
        self.session: Session | None = None
        self.under_way: set[int] = set()
        """Numbers of the application messages that are being worked on."""
        self.work: set[asyncio.Task[None]] = set()
        """Who works on those that came by this connection."""
        self.replays: deque[tuple[int, int]] = deque()
        self.replayed: list[tuple[int, int]] = []
        """What was replayed, or will be, since messages are held."""
        self.accepted = False
        """Whether the Logon was answered with a Logon."""
        self.replaying: asyncio.Task[None] | None = None
        self.closing = False
        self.opened_at = 0.0
        self.early: list[Message] | None = None
        """What arrives while a Logon waits for something; None when none does."""
        self._gateway = gateway
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._held: list[tuple[int, bytes]] = []
        self._held_bytes = 0
        self._holds = 0
        self._close_after_hold = False
        self._drained: asyncio.Future[None] | None = None
        self._paused_reading = False
        self._is_fix = False
        self._closing_since = 0.0

    # --- what the loop calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.connected(self)

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        if not self._is_fix and not data.startswith(b"8=") and data != b"8":
            # Somebody is looking what is behind this port.
            self.abort()
            return
        self._is_fix = True
        try:
            for frame in self._framer.feed(data):
                try:
                    message = decode(frame)
                except Garbled:
                    continue
                if self.early is not None:
                    if len(self.early) >= WAITING_MESSAGES:
                        self.abort()
                        return
                    self.early.append(message)
                else:
                    self._gateway.received(self, message)
                if self._has_ended():
                    return
        except Overflow:
            self.abort()

    def _has_ended(self) -> bool:
        return self.closing

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._drained = self._drained or asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        self.closing = True
        self._transport = None
        self.resume_writing()
        if self.replaying is not None:
            self.replaying.cancel()
        self._gateway.lost(self)

    # --- what the gateway calls ------------------------------------------------------------------

    @property
    def address(self) -> str:
        peer = None if self._transport is None else self._transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if peer else ""

    def write(self, data: bytes, number: int = 0) -> None:
        """Send, or keep back while something that must leave first is on its way.

        ``number`` is the message's own where it can be part of a replay.
        """
        if self._transport is None:
            return
        if self._holds:
            self._held.append((number, data))
            self._held_bytes += len(data)
            if self._held_bytes > self._gateway.settings.queue_bytes:
                self.abort()
            return
        self.write_through(data)

    def write_through(self, data: bytes) -> None:
        """Send even while others are held."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._gateway.settings.queue_bytes:
            self.abort()

    async def drained(self) -> None:
        """Until the client has read enough for more."""
        if self._drained is not None:
            await self._drained

    def hold(self) -> None:
        """Keep back everything that ``write`` is given, until as many calls of ``release``."""
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        if self._holds:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        replayed, self.replayed = self.replayed, []
        for number, data in held:
            # What has left in a replay must not leave again as if it were new.
            if not any(begin <= number <= end for begin, end in replayed):
                self.write_through(data)
        if self._close_after_hold:
            self.close()

    def close(self) -> None:
        """Close once everything written has left; nothing more is read."""
        self._closing_since = self._closing_since or time.monotonic()
        if self._holds:
            self._close_after_hold = True
            return
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    def tick(self) -> None:
        """Time has passed: a client that does not read the last words does not keep its key."""
        if self._closing_since and time.monotonic() - self._closing_since > LAST_WORDS_SECONDS:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        self._held.clear()
        if self._transport is not None:
            self._transport.abort()

    def throttle(self) -> None:
        """Read no further while too much is under way."""
        too_many = len(self.under_way) >= self._gateway.settings.messages_under_way
        if self._transport is None or too_many == self._paused_reading:
            return
        if too_many:
            self._paused_reading = True
            self._transport.pause_reading()
        elif len(self.under_way) * 2 <= self._gateway.settings.messages_under_way:
            self._paused_reading = False
            self._transport.resume_reading()
