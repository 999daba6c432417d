"""What strangers and broken programs send, and what is answered when a part of the house is out.

Nothing here may be answered with 5xx except what really is out of order, and nothing that is
refused may leave a trace.
"""

import json
import random
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from augury.gateways.rest.operations import BUILT, Operation
from augury.gateways.settings import BASE_PATH
from augury.log.memory import MemoryLog
from augury.ports.log import LogUnavailable, Record
from tests.rest_harness import RAIN, Caller, RestExchange, order, running

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_bad_input")) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def caller(exchange: RestExchange) -> Caller:
    return exchange.member("tester")


def raw(exchange: RestExchange, request: bytes) -> tuple[int, str]:
    """Send bytes as they are; the status and the rest of the answer."""
    address = urlsplit(exchange.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), (head + b"\n" + body).decode("latin-1")


def raw_get(exchange: RestExchange, target: bytes, method: bytes = b"GET") -> tuple[int, str]:
    return raw(
        exchange, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )


# --- paths and methods -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, status",
    [
        (b"/trade-api/v2/exchange/status", 200),
        (b"/trade-api/v2/exchange/%73tatus", 200),
        (b"/trade-api/v2/exchange%2Fstatus", 400),
        (b"/trade-api/v2/exchange%2fstatus", 400),
        (b"/trade-api/v2/markets/../exchange/status", 400),
        (b"/trade-api/v2/markets/%2e%2e/exchange/status", 400),
        (b"/trade-api/v2/./exchange/status", 400),
        (b"/trade-api/v2//exchange/status", 404),
        (b"//trade-api/v2/exchange/status", 404),
        (b"/trade-api/v2/exchange//status", 404),
        (b"/trade-api/v2/exchange/status//", 404),
        (b"/trade-api/v2/exchange/status%00", 400),
        (b"/trade-api/v2/markets/%0d%0aSet-Cookie:x", 400),
        (b"/trade-api/v2/markets/%ff%fe", 400),
        (b"/trade-api/v2/markets/\xff\xfe", 400),
        (b"/trade-api/v2/markets/%zz", 404),
        (b"/trade-api/v2/markets/%", 404),
        (b"/trade-api/v2/markets/%F0%9F%8C%A7", 404),
        (b"/trade-api/v2/EXCHANGE/STATUS", 404),
        (b"/trade-api/v2/markets/" + b"A" * 5000, 404),
        (b"/trade-api/v2?x=/exchange/status", 404),
        (b"/trade-api/v1/exchange/status", 404),
        (b"/", 404),
        (b"/trade-api/v2/series/../../../../etc/passwd", 400),
        (b"/trade-api/v2/markets?limit=%", 400),
        (b"/trade-api/v2/markets?limit=%ff", 400),
        (b"/trade-api/v2/markets?tickers=%00", 400),
    ],
)
def test_path_tricks(exchange: RestExchange, target: bytes, status: int) -> None:
    answered, text = raw_get(exchange, target)
    assert answered == status
    assert "set-cookie" not in text.lower()


def test_a_trailing_slash_is_redirected(exchange: RestExchange, caller: Caller) -> None:
    response = caller.send("GET", "/markets/", params={"limit": 1})
    assert response.status_code == 301
    assert response.headers["location"] == BASE_PATH + "/markets?limit=1"
    assert caller.send("POST", "/portfolio/orders/", {}).status_code == 301


def test_methods(caller: Caller) -> None:
    for method, path, allow in (
        ("PATCH", "/markets", "GET, HEAD, OPTIONS"),
        ("PUT", "/portfolio/orders", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/portfolio/orders/x", "DELETE, GET, HEAD, OPTIONS"),
        ("POST", "/multivariate_event_collections/X/lookup", "GET, HEAD, OPTIONS, PUT"),
    ):
        response = caller.send(method, path, {})
        assert (response.status_code, response.headers["allow"]) == (405, allow)
        assert response.json()["code"] == "method_not_allowed"
    response = caller.send("OPTIONS", "/portfolio/orders")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    response = caller.send("HEAD", "/portfolio/balance")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 2


def test_request_ids(caller: Caller) -> None:
    first, second = (caller.send("GET", "/exchange/status").headers["x-request-id"] for _ in "12")
    assert first != second
    echoed = caller.send("GET", "/markets/NO", headers={"X-Request-Id": "mine-7"})
    assert echoed.headers["x-request-id"] == "mine-7"
    strange = caller.send("GET", "/exchange/status", headers={"X-Request-Id": "<script>"})
    assert strange.headers["x-request-id"] != "<script>"


# --- bodies ----------------------------------------------------------------------------------

HOSTILE: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("null", b"null"),
    ("list", b"[]"),
    ("text", b'"x"'),
    ("nan", b'{"ticker": "T", "count": NaN}'),
    ("infinity", b'{"ticker": "T", "count": -Infinity}'),
    (
        "huge number",
        b'{"ticker": "T", "side": "yes", "action": "buy", "count": ' + b"9" * 400 + b"}",
    ),
    ("huge exponent", b'{"ticker": "T", "side": "yes", "action": "buy", "count": 1e999}'),
    ("wrong types", b'{"ticker": {}, "side": [], "action": 1, "count": "one"}'),
    ("truth as number", b'{"ticker": "T", "side": "yes", "action": "buy", "count": true}'),
    ("deep lists", b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    ("deep objects", b'{"x": ' + b'{"x": ' * 100_000),
    ("not text", b"\xff\xfe\x00"),
    ("broken text", b'{"ticker": "\xc3\x28"}'),
    ("lone surrogate", b'{"ticker": "\\udfff"}'),
    ("cut off", b'{"ticker": "T", "side'),
    ("two values", b"{}{}"),
    ("form", b"ticker=T&side=yes"),
]

WITH_BODY = [operation for operation in BUILT if operation.body is not None]


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.id)
def test_hostile_bodies_on_every_operation(caller: Caller, operation: Operation) -> None:
    path = operation.path.replace("{", "").replace("}", "")
    for name, body in HOSTILE:
        response = caller.send(operation.method, path, content=body)
        assert response.status_code < 500, f"{name}: {response.text}"
        assert response.status_code >= 400 or operation.body.optional, name  # type: ignore[union-attr]
    assert caller.get("/portfolio/orders")["orders"] == []


def test_a_body_of_ten_megabytes(exchange: RestExchange, caller: Caller) -> None:
    body = json.dumps({**order("buy", "yes", 1, 1), "padding": "x" * 10 * MEBIBYTE}).encode()
    response = caller.send("POST", "/portfolio/orders", content=body)
    assert (response.status_code, response.json()["code"]) == (413, "request_too_large")

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    path = BASE_PATH + "/portfolio/orders"
    signed = caller.signer.headers("POST", path) if caller.signer else {}
    response = caller.client.post(path, content=chunks(), headers=signed)
    assert response.status_code == 413
    just_fits = json.dumps({**order("buy", "yes", 1, 1), "padding": ""})
    padding = "x" * (MEBIBYTE - len(just_fits))
    body = just_fits.replace('"padding": ""', f'"padding": "{padding}"').encode()
    assert len(body) == MEBIBYTE
    placed = caller.send("POST", "/portfolio/orders", content=body)
    assert placed.status_code == 201
    caller.expect(200, "DELETE", f"/portfolio/orders/{placed.json()['order']['order_id']}")


def test_a_client_that_goes_away_in_the_middle(exchange: RestExchange, caller: Caller) -> None:
    path = BASE_PATH + "/portfolio/orders"
    signed = caller.signer.headers("POST", path) if caller.signer else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    address = urlsplit(exchange.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 500\r\n\r\n{{".encode()
        )
    assert caller.get("/portfolio/orders", status="resting")["orders"] == []


def test_random_requests_are_never_a_fault(caller: Caller, seed: int) -> None:
    """Operations with random values in every place, signed, so that they get as far as can be."""
    chance = random.Random(seed)
    values: Sequence[object] = (
        None, True, 0, -1, 1, 5, 99, 10**19, 2**63, 2**64, -(2**63), 10**40, 0.5, "", "yes", "no",
        "buy", "sell", RAIN, "x" * 300, "0.5000", "1.00", "-1", "1e5", "\u0000",
        "\ud83c", "\U0001f327",        [], {}, [1], [{}], [None], {"a": 1}, str(uuid4()),
    )  # fmt: skip
    texts = [value for value in values if isinstance(value, str) and value != "\ud83c"]
    texts += ["1772373600", "true", "%", "&"]
    for _ in range(400):
        operation = chance.choice(BUILT)
        if operation.id in {"GenerateApiKey", "DeleteApiKey", "CreateSubaccount"}:
            continue
        path = "/".join(
            str(uuid4()) if part.startswith("{") else part for part in operation.path.split("/")
        )
        body = None
        if operation.body is not None:
            names = operation.body.documented.__struct_fields__
            body = {name: chance.choice(values) for name in names if chance.random() < 0.7}
            if operation.id == "CreateOrder" and chance.random() < 0.5:
                body = {**order("buy", "yes", 1, 1), chance.choice(names): chance.choice(values)}
        params = {
            parameter.name: chance.choice(texts)
            for parameter in operation.parameters
            if chance.random() < 0.4
        }
        # Written by `json`, which sends odd characters as escapes.
        content = None if body is None else json.dumps(body).encode()
        response = caller.send(operation.method, path, content=content, params=params)
        assert response.status_code < 500, (operation.id, path, params, body, response.text)


# --- parts that are out ----------------------------------------------------------------------


class FullDisk(MemoryLog):
    """A log that refuses to be written while ``full``."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def append(self, records: Sequence[Record]) -> None:
        if self.full:
            raise LogUnavailable("no space left on device")
        super().append(records)


def test_while_the_log_cannot_be_written(tmp_path: Path) -> None:
    log = FullDisk()
    with running(tmp_path, log=log) as exchange:
        caller = exchange.member("somebody")
        placed = caller.order("buy", "yes", 40, 5)
        log.full = True
        body = order("buy", "yes", 41, 1)
        for _ in range(3):
            assert caller.order_refused(503, body) == "exchange_unavailable"
        path = f"/portfolio/orders/{placed['order_id']}"
        assert caller.refused(503, "DELETE", path) == "exchange_unavailable"
        status = caller.get("/exchange/status")
        assert (status["exchange_active"], status["trading_active"]) == (False, False)
        assert caller.get(path)["order"] == placed
        assert caller.get("/portfolio/orders")["orders"] == [placed]
        log.full = False
        exchange.wait_until(lambda: not exchange.gate.storage_failed)
        assert caller.get("/exchange/status")["trading_active"]
        caller.expect(200, "DELETE", path)
        assert caller.get("/portfolio/orders", status="resting")["orders"] == []


def test_while_history_is_away(tmp_path: Path) -> None:
    """Trading and everything that lives in memory goes on; the rest says that it cannot."""
    with running(tmp_path) as exchange:
        caller = exchange.member("somebody")
        caller.order("buy", "yes", 40, 5)
        for leftover in tmp_path.glob("history.db*"):
            leftover.unlink()
        placed = caller.order("buy", "yes", 41, 5)
        assert caller.get(f"/portfolio/orders/{placed['order_id']}")["order"] == placed
        assert len(caller.get("/portfolio/orders", status="resting")["orders"]) == 2
        assert caller.get("/portfolio/balance")["balance"] < 1_000_000
        response = caller.send("GET", "/portfolio/fills")
        assert response.status_code in {200, 503}
        if response.status_code == 503:
            assert response.json()["code"] == "exchange_unavailable"


def test_a_signature_does_not_outlive_its_half_minute(
    exchange: RestExchange, caller: Caller
) -> None:
    assert caller.signer is not None
    path = BASE_PATH + "/portfolio/balance"
    old = caller.signer.headers("GET", path, now_ms=1_772_373_600_000)
    stranger = exchange.stranger()
    refused = stranger.refused(401, "GET", "/portfolio/balance", headers=old)
    assert refused == "header_timestamp_expired", "the exchange's own clock does not count"
