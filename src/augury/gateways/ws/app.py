"""The life of a WebSocket connection, as an ASGI application.

Owns the handshake (who may come in, and how many), the loop that feeds commands to a session,
and the list of open connections. It expects ``WebSocketProtocol`` as uvicorn's protocol, which
puts the socket itself into the ASGI scope.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from augury.gateways.auth import (
    KEY_HEADER,
    READ,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    AuthenticationError,
    Authenticator,
    Principal,
)
from augury.gateways.profiles import PROFILE_HEADER, PROFILES
from augury.gateways.rest.errors import ApiError
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.connection import (
    CLOSE_INTERNAL_ERROR,
    CLOSE_POLICY,
    Connection,
    Counters,
    Outbox,
)
from augury.gateways.ws.errors import INTERNAL_ERROR, TEXTS
from augury.gateways.ws.protocol import EXTENSION, Socket
from augury.gateways.ws.publisher import Publisher
from augury.gateways.ws.registry import Registry
from augury.gateways.ws.session import Session
from augury.ports.exchange import ExchangeGate

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH: Final = "/trade-api/ws/v2"

_SIGNED_HEADERS: Final = (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
_IN_QUERY: Final = frozenset((*_SIGNED_HEADERS, PROFILE_HEADER))
_ANONYMOUS: Final = Principal(0, 0, frozenset(), "")
_log: Final = logging.getLogger("augury.gateways.ws")


class WebSocketGateway:
    """Serves ``/trade-api/ws/v2``. Belongs to the event loop's thread, like the gate."""

    def __init__(
        self,
        gate: ExchangeGate,
        authenticator: Authenticator,
        settings: WebSocketSettings | None = None,
    ) -> None:
        self._gate = gate
        self._authenticator = authenticator
        self._settings = settings or WebSocketSettings()
        self._registry = Registry()
        self._outbox = Outbox(self._settings)
        self._publisher = Publisher(
            gate, self._registry, self._outbox, self.close_for_key, self._close_all
        )
        self._connections: dict[Connection, None] = {}
        self._places: dict[int | str, int] = {}
        """How many connections each member, or each address of anonymous ones, has open."""
        self._stop_listening = gate.listen(self._publisher.publish)

    @property
    def counters(self) -> Counters:
        """What has been done since the start."""
        return self._outbox.counters

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions the open connections have."""
        return sum(len(connection.subscriptions) for connection in self._connections)

    def close_for_key(self, api_key_id: int) -> None:
        """Close every socket that an API key has opened (websocket.md, section 1)."""
        for connection in list(self._connections):
            if connection.api_key_id == api_key_id:
                connection.close(CLOSE_POLICY, "API key deleted")

    def _close_all(self) -> None:
        for connection in list(self._connections):
            connection.close(CLOSE_INTERNAL_ERROR, TEXTS[INTERNAL_ERROR])

    def stop(self) -> None:
        """Listen to the exchange no more. Open sockets are closed by the server's shutdown."""
        self._stop_listening()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from the handshake to the end. ``scope`` is of type ``websocket``."""
        await receive()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            principal, profile = self._identify(_with_query(headers, scope), scope)
            place = principal.member_id or _address(scope)
            self._take_place(place, principal.member_id)
        except ApiError as error:
            await _refuse(send, error)
            return
        try:
            await send({"type": "websocket.accept"})
            await self._serve(scope, receive, principal, profile)
        finally:
            self._leave_place(place)

    async def _serve(
        self, scope: Scope, receive: Receive, principal: Principal, profile: str
    ) -> None:
        """The connection until it ends."""
        socket: Socket = scope["extensions"][EXTENSION]
        settings = self._settings
        api_key_id = principal.api_key_id
        connection = Connection(
            socket, self._outbox, principal.member_id, api_key_id, profile, principal.subaccount
        )
        self._connections[connection] = None
        session = Session(
            connection,
            self._registry,
            self._publisher,
            settings,
            self._outbox.counters,
            asyncio.get_running_loop().time,
        )
        try:
            socket.open(
                lambda: self._publisher.flush(connection),
                settings.ping_interval,
                settings.idle_timeout,
                settings.close_timeout,
            )
            if api_key_id and api_key_id not in self._gate.state.api_keys:
                connection.close(CLOSE_POLICY, "API key deleted")
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return
                if not connection.closed:
                    session.handle(message.get("text"))
                # A client that sends without pause must not keep the others waiting.
                await asyncio.sleep(0)
        finally:
            connection.discard()
            for subscription in connection.subscriptions.values():
                self._registry.index(subscription).remove(subscription)
            del self._connections[connection]

    # --- the handshake -----------------------------------------------------------------------

    def _identify(self, headers: dict[bytes, bytes], scope: Scope) -> tuple[Principal, str]:
        """Who connects, and in which profile. Raises ``ApiError``.

        A key that may not read has nothing to hear: the socket carries private channels.
        """
        principal = _ANONYMOUS
        signed = any(name in headers for name in _SIGNED_HEADERS)
        if signed or not self._settings.anonymous:
            path = scope.get("raw_path") or scope["path"].encode()
            try:
                principal = self._authenticator.authenticate(headers, "GET", path.decode("latin-1"))
            except AuthenticationError as error:
                raise ApiError(401, error.code, error.message) from None
            if READ not in principal.scopes:
                raise ApiError(403, "insufficient_scope", f"the API key lacks the scope {READ}")
        asked = headers.get(PROFILE_HEADER, b"").decode("latin-1")
        profile = asked if asked in PROFILES else principal.profile or self._settings.profile
        return principal, profile

    def _take_place(self, place: int | str, member_id: int) -> None:
        settings = self._settings
        limit = settings.connections_per_member if member_id else settings.connections_per_address
        taken = self._places.get(place, 0)
        if taken >= limit:
            raise ApiError(429, "too_many_requests", "too many connections")
        self._places[place] = taken + 1

    def _leave_place(self, place: int | str) -> None:
        left = self._places[place] - 1
        if left:
            self._places[place] = left
        else:
            del self._places[place]


def _with_query(headers: dict[bytes, bytes], scope: Scope) -> dict[bytes, bytes]:
    """The headers, with those of ours that a browser had to put into the query.

    A page cannot give its socket headers. The signature never covers the query, so what is signed
    is the same. A request that brings any signed header is taken at its headers' word.
    """
    query: bytes = scope.get("query_string") or b""
    if not query or any(name in headers for name in _SIGNED_HEADERS):
        return headers
    found: dict[bytes, bytes] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        header = name.lower().encode("latin-1", "replace")
        if header in _IN_QUERY:
            # Base64 has no spaces: there was a + that nobody has escaped.
            found[header] = value.replace(" ", "+").encode("latin-1", "replace")
    return {**found, **headers}


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _refuse(send: Send, error: ApiError) -> None:
    """Answer the handshake with an HTTP error instead of a socket."""
    body = msgspec.json.encode(error.answer(""))
    await send(
        {
            "type": "websocket.http.response.start",
            "status": error.status,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
