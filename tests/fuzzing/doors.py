"""What comes over the network: HTTP bytes, requests of both APIs, WebSocket frames and commands.

Everything is real but socket and disk: the gateways stand before a bare engine, and the caller is
believed to be who they say, because no fuzzer can sign. A failure is an answer of 5xx, a line in
the error log, an answer that is not what it claims to be, or money that does not add up.
"""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from augury.codec.ids import format_id
from augury.core import commands as c
from augury.gateways.auth import AuthenticationError, Authenticator, Principal
from augury.gateways.http import Doorkeeper, OneWriteProtocol
from augury.gateways.operator.app import operator_app
from augury.gateways.operator.context import Operator, ServerFacts
from augury.gateways.operator.operations import OPERATIONS as OPERATOR_OPERATIONS
from augury.gateways.operator.operations import PREFIX
from augury.gateways.operator.outcomes import Outcomes
from augury.gateways.rest.app import RestGateway
from augury.gateways.rest.operations import OPERATIONS
from augury.gateways.settings import BASE_PATH, RestSettings
from augury.gateways.ws.app import PATH, WebSocketGateway
from augury.gateways.ws.protocol import WebSocketProtocol
from augury.log.memory import MemoryLog
from augury.projections.history import History
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries
from augury.testing.invariants import check
from tests.ws_harness import (
    FINE,
    RAIN,
    SNOW,
    DirectGate,
    MemoryGateway,
    parse_frames,
    settle,
    weather_gate,
)

TOKEN = "the-operator-of-the-fuzzer"
CASES_PER_HOUSE = 3_000
"""Then a new exchange is built, because every accepted order makes the old one slower."""


class Complaints(logging.Handler):
    """Whatever the server would have written to its log as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Trusting(Authenticator):
    """Believes whoever names a key."""

    def authenticate(self, headers: Mapping[bytes, bytes], method: str, path: str) -> Principal:
        key = headers.get(b"kalshi-access-key", b"")
        if not key.isdigit():
            raise AuthenticationError("unauthorized", "no such key")
        scopes = frozenset(
            ("read", "write", "read::portfolio_balance", "write::trade", "write::transfer")
        )
        return Principal(int(key) % 2 + 1, 0, scopes, "")


class House:
    """An exchange with all its doors."""

    def __init__(self, folder: str) -> None:
        self.gate: DirectGate = DirectGate()
        # First of all, so that history knows every record.
        self.history = History(f"sqlite:///{folder}/history.db")
        assert self.history.open()
        self.history.start()
        queries = HistoryQueries(self.history.database)
        statistics = MarketStats()
        outcomes = Outcomes(0)
        for listener in (self.history.feed, statistics.observe, outcomes.listen):
            self.gate.listen(listener)
        for number in (1, 2):
            self.gate.must(c.CreateMember(f"m{number}@example.com"))
        for number in (1, 2):
            self.gate.must(c.Deposit(number, 0, 10_000_000_000))
            self.gate.must(c.CreateSubaccount(number))
        listed = weather_gate()
        for ticker in (RAIN, SNOW, FINE):
            market = listed.state.markets[ticker]
            self.gate.add_market(ticker, market.price_level_structure, market.lot == 1)
        self.gate.must(c.CreateOrderGroup(1, 0, 10_000))
        self.group = self.gate.state.sequence
        self.order = self.gate.order(1, RAIN, "buy", "yes", 20, 5).sequence
        self.gate.order(2, RAIN, "buy", "no", 70, 5)
        self.gate.must(c.CreateRfq(1, 0, SNOW, 500, 0, True))
        self.rfq = self.gate.state.sequence
        self.gate.must(c.CreateQuote(2, 0, self.rfq, 4_000, 5_000, True))
        self.quote = self.gate.state.sequence
        authenticator = Trusting(self.gate)
        settings = RestSettings(rate_limits=False, history_wait_seconds=0.0)
        self.rest = RestGateway(
            self.gate, self.history, queries, statistics, authenticator, settings
        )
        self.websocket = WebSocketGateway(self.gate, authenticator)
        facts = ServerFacts(
            version="fuzz", started_ns=0, profile="3.6", rate_limits=False, core="interpreted"
        )
        self.operator = operator_app(
            Operator(
                gate=self.gate,
                log=MemoryLog(),
                history=self.history,
                queries=queries,
                outcomes=outcomes,
                facts=facts,
                virtual_time=None,
                take_snapshot=_no_snapshot,
            ),
            TOKEN,
        )
        self.closers = (self.history.close, queries.close)

    async def front(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.websocket(scope, receive, send)
        elif scope["path"].startswith(PREFIX):
            await self.operator(scope, receive, send)
        else:
            await self.rest(scope, receive, send)


async def _no_snapshot() -> tuple[int, str]:
    return 0, ""


class Street:
    """Owns the loop and the house of the moment; builds another one now and then."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.complaints = Complaints()
        logging.getLogger().addHandler(self.complaints)
        self.cases = 0
        self.house: House | None = None
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def tear_down(self) -> None:
        if self.house is not None:
            for close in self.house.closers:
                close()
            self.house = None
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None

    def close(self) -> None:
        """Leave nothing behind in the process."""
        self.tear_down()
        logging.getLogger().removeHandler(self.complaints)
        self.loop.close()
        street.cache_clear()

    def visit(self, work: Callable[[House], Awaitable[None]]) -> None:
        """Do ``work`` and look whether everything is still whole."""
        if self.house is None or self.cases % CASES_PER_HOUSE == 0:
            self.tear_down()
            self.folder = tempfile.TemporaryDirectory(
                prefix="augury-fuzz-", dir=_memory(), ignore_cleanup_errors=True
            )
            self.house = House(self.folder.name)
        self.cases += 1
        self.complaints.found.clear()
        house = self.house
        self.loop.run_until_complete(work(house))
        assert not self.complaints.found, self.complaints.found[0]
        ledger = house.gate.state.ledger
        assert ledger.total() == 0
        if self.cases % 100 == 0:
            check(house.gate.state, fixed_terms=False)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@cache
def street() -> Street:
    return Street()


# --- requests --------------------------------------------------------------------------------


async def ask(
    application: Any, method: str, target: bytes, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """One request straight to a gateway; judges the answer."""
    raw_path, _, query = target.partition(b"?")
    sent: list[Any] = []
    bodies = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return bodies.pop(0) if bodies else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    from urllib.parse import unquote

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await application(scope, receive, send)
    judge(sent)


def judge(sent: list[Any]) -> None:
    status = sent[0]["status"]
    assert 200 <= status < 500 or status == 501, (status, sent[1:])
    headers = dict(sent[0]["headers"])
    assert all(b"\n" not in value and b"\r" not in value for value in headers.values())
    body = b"".join(message.get("body", b"") for message in sent[1:])
    if b"json" in headers.get(b"content-type", b"") and body:
        answer = msgspec.json.decode(body)
        if status >= 400:
            assert "code" in answer or "error" in answer, answer


def target_line(data: bytes) -> tuple[str, bytes, bytes]:
    """Input: ``METHOD path?query``, a line break, the body."""
    line, _, body = data.partition(b"\n")
    method, _, target = line.partition(b" ")
    name = method.decode("latin-1").upper()
    if name not in {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}:
        name = "POST"
    # A server's parser lets no other bytes through.
    target = bytes(byte for byte in target if 0x21 <= byte < 0x7F and byte != 0x23)
    return name, target, body


def rest(data: bytes) -> None:
    """A request of the trading API, as its caller."""
    method, target, body = target_line(data)
    if not target.startswith(b"/"):
        target = b"/" + target

    async def work(house: House) -> None:
        headers = [(b"kalshi-access-key", b"0"), (b"content-type", b"application/json")]
        await ask(house.rest, method, BASE_PATH.encode() + target, body, headers)

    street().visit(work)


BODIES: dict[str, bytes] = {
    "/portfolio/orders": (
        b'{"ticker":"RAIN-26MAR01-T1","action":"buy","side":"yes","count":2,"yes_price":41,'
        b'"client_order_id":"a","type":"limit","time_in_force":"good_till_canceled",'
        b'"post_only":false,"reduce_only":false,"buy_max_cost":null}'
    ),
    "/portfolio/orders/batched": (
        b'{"orders":[{"ticker":"FINE-26MAR01-T1","action":"sell","side":"no","count_fp":"1.50",'
        b'"no_price_dollars":"0.5550"},{"ticker":"SNOW-26MAR01-T1","action":"buy","side":"no",'
        b'"count":1,"no_price":9}]}'
    ),
    "amend": (
        b'{"ticker":"RAIN-26MAR01-T1","action":"buy","side":"yes","count":7,"yes_price":30,'
        b'"client_order_id":"a","updated_client_order_id":"b"}'
    ),
    "decrease": b'{"reduce_by":1}',
    "rfqs": (
        b'{"market_ticker":"RAIN-26MAR01-T1","contracts":5,"rest_remainder":true,'
        b'"replace_existing":true}'
    ),
    "quotes": b'{"rfq_id":"x","yes_bid":"0.4000","no_bid":"0.5000","rest_remainder":false}',
    "accept": b'{"accepted_side":"yes"}',
    "transfer": (
        b'{"client_transfer_id":"6f1c0c5e-9a54-4a4c-8f5e-2f0d4b6a7c11","from_subaccount":0,'
        b'"to_subaccount":1,"amount_cents":100}'
    ),
    "order_groups": b'{"contracts_limit":10}',
}
QUERY = (
    b"limit=5&cursor=abc&ticker=RAIN-26MAR01-T1&status=open&min_ts=0&max_ts=1772373700"
    b"&event_ticker=RAIN-26MAR01&subaccount=0&depth=3&period_interval=60"
)


def fill_path(path: str, house: House) -> str:
    """A path with things that exist in place of its names."""
    for name, value in (
        ("order_id", format_id("order", house.order)),
        ("order_group_id", format_id("order_group", house.group)),
        ("rfq_id", format_id("rfq", house.rfq)),
        ("quote_id", format_id("quote", house.quote)),
        ("event_ticker", "RAIN-26MAR01"),
        ("series_ticker", "RAIN"),
        ("user_id", "m1@example.com"),
        ("member", "m1@example.com"),
    ):
        path = path.replace("{" + name + "}", value)
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + RAIN + path[end + 1 :]
    return path


def first_house() -> House:
    async def nothing(house: House) -> None:
        """Only to have it built."""

    street().visit(nothing)
    house = street().house
    assert house is not None
    return house


def rest_seeds() -> list[bytes]:
    house = first_house()
    seeds = []
    for operation in OPERATIONS:
        path = fill_path(operation.path, house)
        body = b""
        if operation.body is not None:
            body = next((b for name, b in BODIES.items() if path.endswith(name)), b"")
            body = body or next((b for name, b in BODIES.items() if name in path), b"{}")
        query = b"?" + QUERY if operation.method == "GET" else b""
        seeds.append(f"{operation.method} {path}".encode() + query + b"\n" + body)
    return seeds


def operator(data: bytes) -> None:
    """A request of the operator API, with the token."""
    method, target, body = target_line(data)
    if b"rebuild" in target:
        return  # there is no log behind this house to rebuild anything from

    async def work(house: House) -> None:
        headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
        await ask(house.operator, method, PREFIX.encode() + b"/" + target, body, headers)

    street().visit(work)


OPERATOR_BODY = (
    b'{"email":"x@example.com","deposit":"10.00","amount":"5.00","ticker":"KXA","title":"A",'
    b'"series_ticker":"RAIN","event_ticker":"RAIN-26MAR01","close_time":"2026-03-02T12:00:00Z",'
    b'"result":"yes","settlement_value":"0.5000","usage_tier":"prime","scopes":["read"],'
    b'"price_ranges":[["0","1","0.01"]],"by_seconds":1,"windows":[],"markets":[]}'
)


def operator_seeds() -> list[bytes]:
    house = first_house()
    seeds = []
    for operation in OPERATOR_OPERATIONS:
        path = fill_path(operation.path.lstrip("/"), house)
        seeds.append(f"{operation.method} {path}?limit=3\n".encode() + OPERATOR_BODY)
        if operation.body is not None:
            names = [f.encode_name for f in msgspec.structs.fields(operation.body)]
            known = msgspec.json.decode(OPERATOR_BODY)
            body = {name: known[name] for name in names if name in known}
            seeds.append(f"{operation.method} {path}\n".encode() + msgspec.json.encode(body))
    return seeds


# --- connections -----------------------------------------------------------------------------


class Pipe(asyncio.Transport):
    """Stands where the socket would be."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.data = bytearray()
        self.closed = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def pause_reading(self) -> None:
        """Nothing is read anyway; the fuzzer pushes."""

    def resume_reading(self) -> None:
        """Likewise."""

    def get_write_buffer_size(self) -> int:
        return 0


async def connect(house: House, pieces: list[bytes]) -> Pipe:
    """A connection on which the pieces arrive one after the other; returns what came back."""
    protocol_class = OneWriteProtocol.of_server(Doorkeeper(), house.rest.answer)
    config = uvicorn.Config(
        house.front,
        interface="asgi3",
        http=protocol_class,
        ws=WebSocketProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    pipe = Pipe()
    protocol = protocol_class(config=config, server_state=server.server_state, app_state={})
    pipe.protocol = protocol
    protocol.connection_made(pipe)
    for piece in pieces:
        if pipe.closed:
            break
        pipe.protocol.data_received(piece)
        await settle()
    pipe.closed = True
    pipe.protocol.connection_lost(None)
    await settle()
    for task in list(server.server_state.tasks):
        task.cancel()
        await asyncio.wait([task])
    return pipe


def http(data: bytes) -> None:
    """A connection's bytes, in two pieces: every answer is one, and none is 5xx."""

    async def work(house: House) -> None:
        middle = data[0] * len(data) // 256 if data else 0
        pipe = await connect(house, [data[1 : middle + 1], data[middle + 1 :]])
        answer = bytes(pipe.data)
        assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:80]
        for line in answer.split(b"\r\n"):
            if line.startswith(b"HTTP/1.1 5"):
                assert line.startswith(b"HTTP/1.1 501"), line

    street().visit(work)


HTTP_SEEDS = [
    b"\x80GET /trade-api/v2/markets?limit=2 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x20GET /trade-api/v2/exchange/status HTTP/1.0\r\n\r\n",
    (
        b"\xf0POST /trade-api/v2/portfolio/orders HTTP/1.1\r\nHost: x\r\nKALSHI-ACCESS-KEY: 0\r\n"
        b"Content-Length: 82\r\n\r\n"
        b'{"ticker":"RAIN-26MAR01-T1","action":"buy","side":"yes","count":1,"yes_price":10}  '
    ),
    (
        b"\x10POST /trade-api/v2/portfolio/orders HTTP/1.1\r\nHost: x\r\nKALSHI-ACCESS-KEY: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    b"\x60GET /operator/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    + TOKEN.encode()
    + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"\x40POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    b"\x40POST /x HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\x40OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nX-A: b\r\n  folded\r\n\r\n",
    (
        b"\x40GET /trade-api/v2/../%2e%2e/x HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
        b"Connection: Upgrade\r\n\r\n"
    ),
]

HANDSHAKE = (
    f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "KALSHI-ACCESS-KEY: 0\r\n\r\n"
).encode()


def websocket_bytes(data: bytes) -> None:
    """Frames after a good handshake, as bytes."""

    async def work(house: House) -> None:
        pipe = await connect(house, [HANDSHAKE, data])
        assert pipe.data.startswith(b"HTTP/1.1 101 "), bytes(pipe.data[:80])

    street().visit(work)


def masked(payload: bytes, opcode: int = 1, final: bool = True) -> bytes:
    """A client's frame with a mask of zeros, so that a fuzzer sees what it changes."""
    head = bytes([opcode | (0x80 if final else 0)])
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return head + length + bytes(4) + payload


WEBSOCKET_COMMANDS = [
    (
        b'{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta","ticker","fill"],'
        b'"market_tickers":["RAIN-26MAR01-T1","SNOW-26MAR01-T1"]}}'
    ),
    (
        b'{"id":2,"cmd":"update_subscription","params":{"sids":[1],"action":"add_markets",'
        b'"market_tickers":["FINE-26MAR01-T1"],"send_initial_snapshot":true}}'
    ),
    b'{"id":3,"cmd":"update_subscription","params":{"sid":1,"action":"get_snapshot"}}',
    b'{"id":4,"cmd":"unsubscribe","params":{"sids":[1,2,3]}}',
    b'{"id":5,"cmd":"list_subscriptions"}',
    (
        b'{"id":6,"cmd":"subscribe","params":{"channels":["communications"],"shard_factor":4,'
        b'"shard_key":1,"use_yes_price":true,"skip_ticker_ack":true}}'
    ),
    (
        b'{"id":7,"cmd":"subscribe","params":{"channels":["user_orders","market_positions",'
        b'"order_group_updates","trade","market_lifecycle_v2","multivariate"]}}'
    ),
]


def websocket_seeds() -> list[bytes]:
    frames = [masked(text) for text in WEBSOCKET_COMMANDS]
    return [
        *frames,
        b"".join(frames),
        masked(b"\x03\xe8bye", 8),
        masked(b"ping", 9),
        masked(b'{"id":1,', 1, final=False) + masked(b'"cmd":"x"}', 0),
    ]


def websocket(data: bytes) -> None:
    """Commands of one connection, a line each, with trades between them: all answers are JSON."""

    async def work(house: House) -> None:
        gateway = MemoryGateway(house.gate)
        client = gateway.connect(1)
        for line in data.split(b"\n")[:12]:
            client.session.handle(line.decode("utf-8", "replace"))
            order = house.gate.order(1, RAIN, "buy", "yes", 12, 1)
            if order.rejection is None:
                house.gate.apply(c.CancelOrder(1, order.sequence))
        await settle()
        for message in client.socket.messages:
            assert "type" in message, message
        assert gateway.failures == 0
        client.disconnect()
        house.gate._listeners.remove(gateway.publisher.publish)

    street().visit(work)


def websocket_command_seeds() -> list[bytes]:
    return [*WEBSOCKET_COMMANDS, b"\n".join(WEBSOCKET_COMMANDS)]


__all__ = ["http", "operator", "parse_frames", "rest", "websocket", "websocket_bytes"]
