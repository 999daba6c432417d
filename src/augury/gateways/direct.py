"""A request that goes from the parser to its gateway, and its answer back, without ASGI between.

Per request, ASGI costs a scope, two closures, an event, and a dictionary for each part of the
answer; that is more than an order costs the core. A gateway that speaks ``messages`` needs none of
it. Everything about connections stays with ``http.OneWriteProtocol``, for which a request of this
kind stands where uvicorn's protocol expects its own.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from augury.gateways.messages import BodyTooLarge, Disconnected, Door, Incoming

if TYPE_CHECKING:
    from augury.gateways.http import OneWriteProtocol

logger = logging.getLogger(__name__)

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class DirectRequest(Incoming):
    """One request of a connection, from its head to its answer."""

    __slots__ = (
        "_all_headers",
        "_arrival",
        "_body",
        "_protocol",
        "_whole",
        "disconnected",
        "keep_alive",
        "response_complete",
    )

    def __init__(
        self,
        protocol: "OneWriteProtocol",
        method: str,
        path: bytes,
        query: bytes,
        headers: list[tuple[bytes, bytes]],
        keep_alive: bool,
    ) -> None:
        super().__init__(method, path, query, dict(headers))
        self._protocol = protocol
        self._all_headers = headers
        """Also those that were sent twice."""
        self._body: bytes | bytearray = b""
        self._whole = False
        self._arrival: asyncio.Future[None] | None = None
        """What the gateway waits for while the body is on its way."""
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    @property
    def response_started(self) -> bool:
        """An answer leaves in one piece, so it has begun when it is complete."""
        return self.response_complete

    @property
    def address(self) -> str:
        return self._protocol.caller(self._all_headers)

    # --- the body ----------------------------------------------------------------------------

    async def body(self, limit: int) -> bytes:
        expects_continue = self.headers.get(b"expect", b"").lower() == b"100-continue"
        while not (self._whole or self.disconnected) and len(self._body) <= limit:
            protocol = self._protocol
            if expects_continue:
                expects_continue = False
                protocol.transport.write(_CONTINUE)
            protocol.flow.resume_reading()
            self._arrival = protocol.loop.create_future()
            await self._arrival
        if self.disconnected:
            raise Disconnected
        if len(self._body) > limit:
            raise BodyTooLarge
        return bytes(self._body)

    def take(self, piece: bytes) -> None:
        """A piece of the body has arrived. When too much waits to be read, no more is received."""
        if self.response_complete:
            return
        if not self._body:
            self._body = piece
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += piece
        if len(self._body) > HIGH_WATER_LIMIT:
            self._protocol.flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self._whole = True
        self._wake()

    def lose(self) -> None:
        """The client is gone."""
        self.disconnected = True
        self._wake()

    def _wake(self) -> None:
        arrival = self._arrival
        if arrival is not None:
            self._arrival = None
            if not arrival.done():
                arrival.set_result(None)

    # --- the answer --------------------------------------------------------------------------

    async def serve(self, door: Door) -> None:
        """Have the request answered. A task of its own."""
        protocol = self._protocol
        try:
            answer = await door(self)
            if protocol.flow.write_paused:
                await protocol.flow.drain()
            protocol.send_answer(self, answer)
        except Disconnected:
            pass
        except Exception:
            # Nothing was sent, so hanging up is the answer.
            logger.exception("a request was not answered")
            protocol.transport.close()
        except BaseException:
            protocol.transport.close()
            raise
