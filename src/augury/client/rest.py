"""The REST half of the client: one method per operation that bots and tests use.

Answers are the JSON objects of the API as they are, unwrapped where an operation wraps a single
thing. Every operation is reachable through ``get``, ``post``, ``put`` and ``delete`` as well.
"""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from augury.client.signing import Signer

API_PATH = "/trade-api/v2"

Json = dict[str, Any]


class ApiError(Exception):
    """The exchange answered and refused. ``code`` and ``message`` are from the body."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(f"{status} {code}: {message}" + (f" ({details})" if details else ""))
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class ConnectionFailed(Exception):
    """No answer: the exchange is away or the connection broke. The request may have arrived."""


class Client:
    """Calls the exchange at ``url``; without a signer only public operations work.

    ``url`` is a host (``http://127.0.0.1:8080``) or a whole base with its path. Safe for many
    tasks at once; use it as an asynchronous context manager, or call ``aclose``.
    """

    def __init__(
        self,
        url: str,
        signer: Signer | None = None,
        *,
        timeout: float = 10.0,
        verify: ssl.SSLContext | bool = True,
        headers: Mapping[str, str] | None = None,
        trust_env: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/") or API_PATH
        self._signer = signer
        self._http = httpx.AsyncClient(
            base_url=f"{parts.scheme}://{parts.netloc}",
            timeout=timeout,
            verify=verify,
            headers=dict(headers or {}),
            trust_env=trust_env,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    # --- any operation ------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Json:
        """Send one request to ``path`` below the base, signed when there is a signer.

        Parameters that are None are left out; a sequence is joined by commas. Raises
        ``ApiError`` for an answer of 400 or above and ``ConnectionFailed`` without an answer.
        """
        whole = self._path + path
        query = {
            name: _query_text(value) for name, value in (params or {}).items() if value is not None
        }
        headers = self._signer.headers(method, whole) if self._signer else None
        try:
            response = await self._http.request(
                method, whole, params=query or None, json=body, headers=headers
            )
        except httpx.HTTPError as error:
            text = f"{method} {whole}: {type(error).__name__} {error}"
            raise ConnectionFailed(text.strip()) from error
        if response.status_code >= 400:
            raise _refusal(response)
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError:
            raise ConnectionFailed(f"{method} {whole}: the answer is not JSON") from None
        return answer if isinstance(answer, dict) else {"": answer}

    async def get(self, path: str, **params: Any) -> Json:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Any = None) -> Json:
        return await self.request("POST", path, body={} if body is None else body)

    async def put(self, path: str, body: Any = None) -> Json:
        return await self.request("PUT", path, body={} if body is None else body)

    async def delete(self, path: str, body: Any = None, **params: Any) -> Json:
        return await self.request("DELETE", path, params=params, body=body)

    async def pages(self, path: str, key: str, **params: Any) -> AsyncIterator[Json]:
        """Every item of a list operation, asking for the next page when one is used up."""
        cursor: str | None = None
        while True:
            answer = await self.get(path, cursor=cursor, **params)
            for item in answer.get(key) or []:
                yield item
            following = answer.get("cursor") or ""
            if not following or following == cursor:
                return
            cursor = following

    # --- the exchange and what it lists -------------------------------------------------------

    async def exchange_status(self) -> Json:
        return await self.get("/exchange/status")

    async def exchange_time(self) -> str:
        """RFC 3339 time up to which the exchange's own data is current."""
        answer = await self.get("/exchange/user_data_timestamp")
        return str(answer["as_of_time"])

    async def series(self, ticker: str) -> Json:
        return _inner(await self.get(f"/series/{ticker}"), "series")

    async def event(self, ticker: str) -> Json:
        return _inner(await self.get(f"/events/{ticker}"), "event")

    def events(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/events", "events", **filters)

    async def market(self, ticker: str) -> Json:
        return _inner(await self.get(f"/markets/{ticker}"), "market")

    def markets(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/markets", "markets", **filters)

    async def orderbook(self, ticker: str, depth: int | None = None) -> Json:
        return await self.get(f"/markets/{ticker}/orderbook", depth=depth)

    def trades(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/markets/trades", "trades", **filters)

    # --- orders -------------------------------------------------------------------------------

    async def place_order(self, **fields: Any) -> Json:
        """Place one order; the fields are those of ``POST /portfolio/orders``."""
        return _inner(await self.post("/portfolio/orders", fields), "order")

    async def place_orders(self, orders: Sequence[Json]) -> list[Json]:
        """Place up to 20 orders; one answer each with either ``order`` or ``error``."""
        answer = await self.post("/portfolio/orders/batched", {"orders": list(orders)})
        return list(answer.get("orders") or [])

    async def order(self, order_id: str) -> Json:
        return _inner(await self.get(f"/portfolio/orders/{order_id}"), "order")

    def orders(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/portfolio/orders", "orders", **filters)

    async def amend_order(self, order_id: str, **fields: Any) -> Json:
        return _inner(await self.post(f"/portfolio/orders/{order_id}/amend", fields), "order")

    async def decrease_order(self, order_id: str, **fields: Any) -> Json:
        return _inner(await self.post(f"/portfolio/orders/{order_id}/decrease", fields), "order")

    async def cancel_order(self, order_id: str) -> Json:
        return _inner(await self.delete(f"/portfolio/orders/{order_id}"), "order")

    async def cancel_orders(self, order_ids: Sequence[str]) -> list[Json]:
        """Cancel up to 20 orders; one answer each."""
        answer = await self.delete("/portfolio/orders/batched", {"ids": list(order_ids)})
        return list(answer.get("orders") or [])

    # --- portfolio ----------------------------------------------------------------------------

    async def balance(self) -> Json:
        return await self.get("/portfolio/balance")

    def positions(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/portfolio/positions", "market_positions", **filters)

    def fills(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/portfolio/fills", "fills", **filters)

    def settlements(self, **filters: Any) -> AsyncIterator[Json]:
        return self.pages("/portfolio/settlements", "settlements", **filters)


def _inner(answer: Json, key: str) -> Json:
    inner = answer.get(key)
    return inner if isinstance(inner, dict) else answer


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def _refusal(response: httpx.Response) -> ApiError:
    """Read the error body, which is flat, nested under ``error``, or not JSON at all."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    nested = body.get("error")
    fields = {**(nested if isinstance(nested, dict) else {}), **body}
    message = fields.get("message") or (nested if isinstance(nested, str) else response.text[:200])
    return ApiError(
        response.status_code,
        str(fields.get("code") or response.reason_phrase),
        str(message),
        str(fields.get("details") or ""),
    )
