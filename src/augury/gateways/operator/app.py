"""The operator API as an ASGI application: token, dispatch, decoding, errors.

Nothing is answered without the token except the documentation, which holds no secrets.
"""

import hmac
import logging
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from augury.gateways.operator import openapi
from augury.gateways.operator.context import Call, Operator
from augury.gateways.operator.errors import OperatorError, body_of, from_validation, invalid
from augury.gateways.operator.operations import OPERATIONS, PREFIX, Operation
from augury.ports.exchange import Unavailable
from augury.ports.log import LogError
from augury.projections.queries import HistoryUnavailable

LARGEST_BODY: Final = 1_000_000

logger = logging.getLogger(__name__)


def operator_app(operator: Operator, token: str) -> Starlette:
    """Build the application. Raises ``ValueError`` without a token: there is no open operator."""
    if not token:
        raise ValueError("the operator API is not served without a token")
    routes = [
        Route(PREFIX, _page(operator)),
        Route(PREFIX + "/", _page(operator)),
        Route(PREFIX + "/openapi.json", _document(operator)),
    ]
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    for path, methods in by_path.items():
        endpoint = _endpoint(operator, token, methods)
        routes.append(Route(PREFIX + path, endpoint, methods=[*methods, "HEAD", *OTHERS]))
    return Starlette(routes=routes, exception_handlers={404: _nothing_here})


# Every method reaches the endpoint, which answers an unknown one after the token was checked.
OTHERS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _endpoint(operator: Operator, token: str, methods: dict[str, Operation]) -> Any:
    expected = token.encode()

    async def endpoint(request: Request) -> Response:
        try:
            _authenticate(request, expected)
            operation = methods.get(request.method)
            if operation is None:
                allowed = ", ".join(methods)
                raise OperatorError(405, "method_not_allowed", f"use {allowed}")
            call = await _decode(operation, request)
            return _json(await operation.handler(operator, call), operation.status)
        except OperatorError as error:
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
            return _json(body_of(error), error.status, headers)
        except Unavailable as error:
            return _refused(503, error.reason, "the log cannot take commands now")
        except HistoryUnavailable as error:
            return _refused(503, "history_unavailable", str(error))
        except LogError as error:
            logger.error("the log could not be read", exc_info=error)
            return _refused(503, "storage", str(error))
        except ClientDisconnect:
            return Response(status_code=499)

    return endpoint


def _authenticate(request: Request, expected: bytes) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # The comparison takes the same time however much of a guess is right.
    right = hmac.compare_digest(given.strip().encode(), expected)
    if scheme.lower() != "bearer" or not right:
        raise OperatorError(401, "unauthorized", "the operator's token is missing or wrong")


async def _decode(operation: Operation, request: Request) -> Call[Any, Any]:
    body: Any = None
    query: Any = None
    try:
        if operation.query is not None:
            query = msgspec.convert(dict(request.query_params), operation.query, strict=False)
        if operation.body is not None:
            body = msgspec.json.decode(await _read(request) or b"{}", type=operation.body)
    except msgspec.ValidationError as error:
        raise from_validation(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid({"body": f"not JSON: {error}"}) from None
    return Call(path=request.path_params, body=body, query=query)


async def _read(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST_BODY:
            raise OperatorError(413, "body_too_large", f"at most {LARGEST_BODY} bytes are accepted")
    return bytes(received)


def _json(content: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def _refused(status: int, code: str, message: str) -> Response:
    return _json({"code": code, "message": message}, status)


async def _nothing_here(request: Request, error: Exception) -> Response:
    return _refused(404, "not_found", f"there is nothing at {request.url.path}")


def _page(operator: Operator) -> Any:
    async def endpoint(request: Request) -> Response:
        return HTMLResponse(openapi.page(operator.facts.version))

    return endpoint


def _document(operator: Operator) -> Any:
    async def endpoint(request: Request) -> Response:
        return _json(openapi.document(operator.facts.version), 200)

    return endpoint
