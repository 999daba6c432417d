"""The REST gateway: from a request to its answer.

No framework on purpose: between the protocol and a handler there is one dictionary look-up, the
check of the signature and the count of the rate, and nothing else. Owns what all operations share:
paths, methods, credentials, limits, bodies, errors, request ids. It must not know what any
operation does.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from itertools import count
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from augury.gateways.auth import KEY_HEADER, AuthenticationError, Authenticator, Principal
from augury.gateways.messages import (
    JSON,
    Answer,
    BodyTooLarge,
    Disconnected,
    Incoming,
    header,
)
from augury.gateways.profiles import PROFILE_HEADER, PROFILES, profile_of_agent
from augury.gateways.rate_limits import READ_BUCKET, TOKEN, RateLimiter, TokenLimiter
from augury.gateways.rest.errors import ApiError, invalid, locked_out, rate_limited
from augury.gateways.rest.market_rows import MarketRows
from augury.gateways.rest.openapi import document_json, document_yaml
from augury.gateways.rest.operations import OPERATIONS, PUBLIC, Operation
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.routing import Router
from augury.gateways.settings import BASE_PATH, RestSettings
from augury.ports.exchange import ExchangeGate, Unavailable
from augury.ports.history import HistoryProgress
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries, HistoryUnavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Observer = Callable[[str, int, float], None]
"""Told of every answer: operation id (or empty), status, seconds."""

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_BASE: Final = BASE_PATH.encode()

_UNAVAILABLE: Final = {
    "storage": ("exchange_unavailable", "the exchange cannot store commands at the moment"),
    "unknown": (
        "outcome_unknown",
        "storing failed half-way; if the exchange restarts, the command may turn out to be there",
    ),
    "overloaded": ("exchange_overloaded", "too many requests are waiting; try again"),
    "stopping": ("exchange_unavailable", "the exchange is stopping"),
}


class RestGateway:
    """Answers HTTP requests under ``/trade-api/v2``.

    ``answer`` is the way in; as an ASGI application it serves whoever has no shorter way.
    ``observe`` is called for every answer and must neither block nor raise.
    """

    def __init__(
        self,
        gate: ExchangeGate,
        history: HistoryProgress,
        queries: HistoryQueries,
        statistics: MarketStats,
        authenticator: Authenticator,
        settings: RestSettings | None = None,
        *,
        limiter: RateLimiter | None = None,
        observe: Observer | None = None,
    ) -> None:
        settings = settings or RestSettings()
        in_tokens = settings.rate_limit_model == "tokens"
        self.limiter = limiter or (
            TokenLimiter(settings.token_tiers, enabled=settings.rate_limits)
            if in_tokens
            else RateLimiter(settings.tiers, enabled=settings.rate_limits)
        )
        self._costs = {
            operation.id: (operation.token_bucket, operation.tokens * TOKEN)
            if in_tokens
            else (operation.bucket, operation.cost)
            for operation in OPERATIONS
        }
        self._settings = settings
        self._authenticator = authenticator
        self._observe = observe
        self._services = Services(
            gate,
            history,
            queries,
            MarketRows(statistics, gate.now_ns, lambda: gate.state.markets),
            self.limiter,
            settings,
        )
        self._router = Router(OPERATIONS)
        # Most requests are for a path without variable parts, sent as it should be: for them,
        # one look-up takes the place of everything that is done about paths.
        self._plain_routes = {
            _BASE + path.encode(): route for path, route in self._router.static.items()
        }
        self._parameter_names = {
            operation.id: frozenset(parameter.name for parameter in operation.parameters)
            for operation in OPERATIONS
        }
        self._encoder = msgspec.json.Encoder()
        self._documents: dict[str, Callable[[], tuple[bytes, bytes]]] = {
            "/openapi.json": lambda: (document_json(), b"application/json"),
            "/openapi.yaml": lambda: (document_yaml(), b"application/yaml"),
        }
        # An id is unique within and across processes, and costs next to nothing to make.
        self._request_prefix = secrets.token_hex(6).encode()
        self._request_numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request of ASGI."""
        try:
            answer = await self.answer(_AsgiRequest(scope, receive))
        except Disconnected:
            return
        lines = answer.headers.split(b"\r\n")[:-1]
        headers = [tuple(line.split(b": ", 1)) for line in lines]
        headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def answer(self, incoming: Incoming) -> Answer:
        """The answer to a request, whatever is wrong with it. Raises ``Disconnected`` only."""
        started = time.perf_counter()
        incoming.profile = self._settings.profile
        request_id = self._request_id(incoming.headers)
        try:
            answer = await self._handle(incoming)
        except ApiError as error:
            answer = self._refuse(error, incoming)
        except Unavailable as error:
            code, message = _UNAVAILABLE.get(error.reason, _UNAVAILABLE["storage"])
            answer = self._refuse(ApiError(503, code, message), incoming)
        except HistoryUnavailable:
            message = "history cannot be read at the moment"
            answer = self._refuse(ApiError(503, "exchange_unavailable", message), incoming)
        except Disconnected:
            raise
        except Exception:
            logger.exception(
                "request %s failed: %s", request_id.decode("latin-1"), incoming.operation_id or "?"
            )
            message = "something went wrong on the server"
            answer = self._refuse(ApiError(500, "internal_error", message), incoming)
        answer.headers = b"%bx-request-id: %b\r\n" % (answer.headers, request_id)
        if self._observe is not None:
            self._observe(incoming.operation_id, answer.status, time.perf_counter() - started)
        return answer

    async def _handle(self, incoming: Incoming) -> Answer:
        """Everything up to the finished answer. Raises what ``answer`` translates."""
        headers = incoming.headers
        wanted = headers.get(PROFILE_HEADER)
        if wanted is not None:
            incoming.profile = _known_profile(wanted)
        else:
            incoming.profile = profile_of_agent(headers.get(b"user-agent", b"")) or incoming.profile
        method = incoming.method
        route = self._plain_routes.get(incoming.path)
        if route is None:
            path = _relative_path(incoming.path)
            if path.endswith("/"):
                return _redirect(incoming)
            route = self._router.find(path)
            if route is None:
                return await self._document(path)
        operation = route.methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            return self._other_method(route.methods, incoming)
        incoming.operation_id = operation.id

        principal = self._authenticate(operation, incoming)
        if principal is not None and wanted is None and principal.profile in PROFILES:
            incoming.profile = principal.profile
        if operation.handler is None:
            raise ApiError(501, "not_implemented", f"{operation.id} is not implemented yet")
        request = Request(
            operation.id,
            self._parameter_names[operation.id],
            route.path_values,
            incoming.query,
            principal,
            incoming.profile,
        )
        if operation.body is not None:
            request.body = await self._body(incoming)
        result = await operation.handler(self._services, request)
        if result is None:
            return Answer(operation.status, b"", b"")
        body = result if isinstance(result, bytes) else self._encoder.encode(result)
        return Answer(operation.status, body)

    async def _document(self, path: str) -> Answer:
        """A description of the API, when that is what the path names."""
        document = self._documents.get(path)
        if document is None:
            raise ApiError(404, "not_found", "there is no such path")
        # Writing one takes a part of a second, the first time; nobody else should wait for it.
        body, content_type = await asyncio.to_thread(document)
        return Answer(200, body, header(b"content-type", content_type))

    def _authenticate(self, operation: Operation, incoming: Incoming) -> Principal | None:
        """The caller, when there are credentials or must be; counts the request.

        Wrong credentials are refused on public operations too: whoever sends them believes to
        be known, and would wonder about the limits and the profile of a stranger. A failed
        attempt counts against the address, so that guessing is limited as well.
        """
        if operation.scope == PUBLIC and KEY_HEADER not in incoming.headers:
            self._count_address(incoming)
            return None
        try:
            principal = self._authenticator.authenticate(
                incoming.headers, incoming.method, incoming.path.decode("latin-1")
            )
        except AuthenticationError as error:
            self._count_address(incoming)
            raise ApiError(401, error.code, error.message) from None
        if operation.scope not in principal.scopes and operation.scope != PUBLIC:
            raise ApiError(
                403, "insufficient_scope", f"the API key lacks the scope {operation.scope}"
            )
        if principal.subaccount >= 0 and not operation.for_one_subaccount:
            raise locked_out()
        bucket, cost = self._costs[operation.id]
        if cost:
            tier = self._services.state.members[principal.member_id].usage_tier
            if not self.limiter.take(principal.member_id, tier, bucket, cost):
                raise rate_limited()
        return principal

    def _count_address(self, incoming: Incoming) -> None:
        if not self.limiter.take(("address", incoming.address), "basic", READ_BUCKET):
            raise rate_limited()

    async def _body(self, incoming: Incoming) -> bytes:
        """The whole body. Raises ``ApiError`` as soon as it is known to be too large."""
        limit = self._settings.body_limit_bytes
        announced = incoming.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:20]) > limit:
            raise _too_large(limit)
        try:
            return await incoming.body(limit)
        except BodyTooLarge:
            raise _too_large(limit) from None

    def _other_method(self, methods: dict[str, Operation], incoming: Incoming) -> Answer:
        """A path that exists, asked in a way that does not."""
        allowed = {*methods, "OPTIONS"}
        if "GET" in methods:
            allowed.add("HEAD")
        allow = header(b"allow", ", ".join(sorted(allowed)).encode())
        if incoming.method == "OPTIONS":
            return Answer(204, b"", allow)
        error = ApiError(405, "method_not_allowed", "the path exists, the method does not")
        return Answer(405, self._encoder.encode(error.answer(incoming.profile)), JSON + allow)

    def _refuse(self, error: ApiError, incoming: Incoming) -> Answer:
        return Answer(error.status, self._encoder.encode(error.answer(incoming.profile)))

    def _request_id(self, headers: Mapping[bytes, bytes]) -> bytes:
        """The id that the client chose, if it is a harmless one, or a new one."""
        given = headers.get(REQUEST_ID_HEADER)
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._request_prefix, next(self._request_numbers))


class _AsgiRequest(Incoming):
    """A request of any ASGI server."""

    __slots__ = ("_receive", "_scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(
            scope["method"], scope["raw_path"], scope["query_string"], dict(scope["headers"])
        )
        self._scope = scope
        self._receive = receive

    @property
    def address(self) -> str:
        client = self._scope.get("client")
        return client[0] if client else ""

    async def body(self, limit: int) -> bytes:
        parts = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts += message.get("body", b"")
            if len(parts) > limit:
                raise BodyTooLarge
            more = message.get("more_body", False)
        return bytes(parts)


def _known_profile(wanted: bytes) -> str:
    profile = wanted.decode("latin-1")
    if profile not in PROFILES:
        raise invalid(f"KALSHI-API-PROFILE must be one of {', '.join(PROFILES)}")
    return profile


def _relative_path(raw_path: bytes) -> str:
    """The path below the base path, decoded. Raises ``ApiError`` for tricks.

    Nothing is normalized: a path that means another path is wrong, whatever it was meant for.
    """
    if not raw_path.startswith(_BASE):
        raise ApiError(404, "not_found", "there is no such path")
    relative = raw_path[len(_BASE) :]
    decoded = relative
    if b"%" in relative:
        decoded = unquote_to_bytes(relative)
        if decoded.count(b"/") != relative.count(b"/"):
            raise invalid("the path contains an encoded slash")
    try:
        path = decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise invalid("the path is not valid UTF-8") from None
    if not path.isprintable():
        raise invalid("the path contains a control character")
    if not path.startswith("/") or "//" in path:
        raise ApiError(404, "not_found", "there is no such path")
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise invalid("the path contains a dot segment")
    return path


def _redirect(incoming: Incoming) -> Answer:
    location = incoming.path[:-1]
    if incoming.query:
        location += b"?" + incoming.query
    return Answer(301, b"", header(b"location", location))


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "request_too_large", f"the body has more than {limit} bytes")
