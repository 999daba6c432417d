"""The front of the house: one port, several doors.

Looks at the path, hands the request to the right door, gives it an id, and notes how it went. It
knows nothing of what happens behind the doors.
"""

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final

import msgspec

from augury.app.health import Health
from augury.app.logs import request_id
from augury.app.metrics import CONTENT_TYPE, Metrics
from augury.app.pages import coverage_html, index_page
from augury.app.reference_page import reference_page
from augury.app.websocket_page import websocket_page
from augury.gateways.fix import dictionary_xml
from augury.gateways.rest.openapi import document_json, document_yaml
from augury.gateways.ws import asyncapi

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Door = Callable[[Scope, Receive, Send], Awaitable[None]]

REST_PREFIX: Final = "/trade-api/v2"
WEBSOCKET_PATH: Final = "/trade-api/ws/v2"
OPERATOR_PREFIX: Final = "/operator/v1"

_HTML: Final = b"text/html; charset=utf-8"
_PAGES: Final[dict[str, tuple[bytes, Callable[[], bytes]]]] = {
    "/": (_HTML, lambda: index_page().encode()),
    "/coverage": (_HTML, lambda: coverage_html().encode()),
    "/docs": (_HTML, lambda: reference_page().encode()),
    "/docs/websocket": (_HTML, lambda: websocket_page().encode()),
    "/openapi.json": (b"application/json", document_json),
    "/openapi.yaml": (b"application/yaml", document_yaml),
    "/asyncapi.json": (b"application/json", asyncapi.document_json),
    "/asyncapi.yaml": (b"application/yaml", asyncapi.document_yaml),
    **{
        path: (b"application/xml", partial(dictionary_xml.document, path))
        for path in dictionary_xml.PATHS
    },
}
"""What never changes while the server runs."""

_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger("augury.requests")


class Front:
    """The ASGI application that uvicorn serves."""

    def __init__(
        self,
        *,
        rest: Door,
        websocket: Door,
        operator: Door,
        health: Health,
        metrics: Metrics,
        access_log: bool,
    ) -> None:
        self._rest = rest
        self._websocket = websocket
        self._operator = operator
        self._health = health
        self._metrics = metrics
        self._access_log = access_log
        # An id is unique over restarts without asking anybody.
        self._id_prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            if not self._access_log and _is_under(scope["path"], REST_PREFIX):
                # Most of them never come here (see gateways/direct.py). The trading API gives its
                # own ids and reports its own figures: nothing to add.
                await self._rest(scope, receive, send)
                return
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._stream(scope, receive, send)

    def _door(self, path: str) -> tuple[str, Door]:
        if _is_under(path, REST_PREFIX):
            return "rest", self._rest
        if _is_under(path, OPERATOR_PREFIX):
            return "operator", self._operator
        return "front", self._own

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, application = self._door(scope["path"])
        started = time.perf_counter()
        number = self._id_of(scope)
        status = 0

        async def noting_send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if door != "rest":
                    own = (b"x-request-id", number)
                    message["headers"] = [*message.get("headers", ()), own]
            await send(message)

        if door == "rest":
            scope["headers"] = [*scope["headers"], (b"x-request-id", number)]
        token = request_id.set(number.decode())
        try:
            await application(scope, receive, noting_send)
        except Exception:
            logger.exception("a request failed", extra={"method": scope["method"], "door": door})
            if status:
                raise  # the answer has begun; only cutting it off tells the client
            await _answer_json(noting_send, 500, _refusal("internal_error", "see the log"))
        finally:
            seconds = time.perf_counter() - started
            if door != "rest":
                self._metrics.requests.observe(door, status, seconds)
            if self._access_log or status >= 500:
                self._log(scope, door, status, seconds)
            request_id.reset(token)

    def _id_of(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
                return bytes(value)
        return f"{self._id_prefix}-{next(self._numbers):x}".encode()

    def _log(self, scope: Scope, door: str, status: int, seconds: float) -> None:
        # The query may carry what is nobody's business, so only the path is written.
        client = scope.get("client")
        logger.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
                "door": door,
                "client": client[0] if client else "",
            },
        )

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") == WEBSOCKET_PATH:
            token = request_id.set(self._id_of(scope).decode())
            try:
                await self._websocket(scope, receive, send)
            finally:
                request_id.reset(token)
            return
        await receive()  # the connect event
        if "websocket.http.response" in scope.get("extensions", {}):
            body = _refusal("not_found", f"streams are at {WEBSOCKET_PATH}")
            await _answer_json(send, 404, body, prefix="websocket.http.response")
        else:
            await send({"type": "websocket.close", "code": 1000})

    # --- the front's own pages ---------------------------------------------------------------

    async def _own(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path in _PAGES and method in {"GET", "HEAD"}:
            content_type, page = _PAGES[path]
            # The first time takes a part of a second, which nobody else should wait for.
            await _answer(send, 200, content_type, await asyncio.to_thread(page))
        elif path not in {*_PAGES, "/healthz", "/readyz", "/metrics", "/favicon.ico"}:
            await _answer_json(send, 404, _refusal("not_found", "there is nothing here"))
        elif method not in {"GET", "HEAD"}:
            await _answer_json(send, 405, _refusal("method_not_allowed", "use GET"))
        elif path == "/healthz":
            await _answer_json(send, 200, {"status": "ok"})
        elif path == "/readyz":
            report = self._health.report()
            await _answer_json(send, 200 if report["ready"] else 503, report)
        elif path == "/metrics":
            await _answer(send, 200, CONTENT_TYPE.encode(), self._metrics.text())
        else:
            await _answer(send, 204, b"text/plain", b"")


def _is_under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")


def _refusal(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


async def _answer_json(
    send: Send, status: int, content: dict[str, Any], prefix: str = "http.response"
) -> None:
    await _answer(send, status, b"application/json", msgspec.json.encode(content), prefix)


async def _answer(
    send: Send, status: int, content_type: bytes, body: bytes, prefix: str = "http.response"
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})
