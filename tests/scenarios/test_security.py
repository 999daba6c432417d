"""Who can do what, tried from outside: a test for each row of docs/operate/threat-model.md that no
other test guards. Everything here is what somebody would try who wishes the exchange no good.
"""

import base64
import gzip
import itertools
import json
import re
import signal
import stat
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from augury.app.settings import Settings
from augury.client import Signer, generate_key_pair
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.gateways.rest.operations import OPERATIONS, PUBLIC
from augury.gateways.settings import BASE_PATH
from augury.testing import RunningExchange
from tests.rest_harness import RAIN, RAIN_MORE, Caller, RestExchange, order, running
from tests.scenarios.test_cli_serve import command, served
from tests.ws_harness import RAIN as WS_RAIN
from tests.ws_harness import MemoryGateway, weather_gate

MARK = "annes-own"
"""In every name that Anne gives to something of hers."""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("security")) as exchange:
        yield exchange


# --- signatures ------------------------------------------------------------------------------


def balance_with(caller: Caller, headers: dict[str, str]) -> httpx.Response:
    return caller.client.get(BASE_PATH + "/portfolio/balance", headers=headers)


def signed(caller: Caller, method: str = "GET", path: str = "/portfolio/balance") -> dict[str, str]:
    assert caller.signer is not None
    return dict(caller.signer.headers(method, BASE_PATH + path))


def test_a_signature_has_one_form_and_any_other_is_refused(exchange: RestExchange) -> None:
    """Malleability: bytes that mean the same to a lenient reader are not the same to us."""
    caller = exchange.member("malleable")
    headers = signed(caller)
    name = "KALSHI-ACCESS-SIGNATURE"
    good = headers[name]
    assert balance_with(caller, headers).status_code == 200
    raw = base64.b64decode(good)
    number = int.from_bytes(raw, "big")
    others = [
        good[:-4],
        good.rstrip("="),
        good + "=",
        good[:40] + " " + good[40:],
        base64.b64encode(raw + b"\0").decode(),
        base64.b64encode(b"\0" + raw).decode(),
        base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode(),
        base64.b64encode((number + 1).to_bytes(len(raw), "big")).decode(),
        base64.b64encode(bytes(len(raw))).decode(),
        base64.b64encode(b"\xff" * len(raw)).decode(),
        "A",
    ]
    if "+" in good or "/" in good:
        others.append(good.replace("+", "-").replace("/", "_"))
    for other in others:
        answer = balance_with(caller, {**headers, name: other})
        assert answer.status_code == 401, other


def test_a_signature_opens_one_door_only(exchange: RestExchange) -> None:
    """Seen on the way, it serves for the same request within its half minute, and nothing else."""
    caller, other = exchange.member("doors"), exchange.member("other-doors")
    placed = caller.order("buy", "yes", 3, 1)
    path = f"/portfolio/orders/{placed['order_id']}"
    headers = signed(caller, "GET", path)
    assert caller.client.get(BASE_PATH + path, headers=headers).status_code == 200
    assert caller.client.delete(BASE_PATH + path, headers=headers).status_code == 401
    for elsewhere in ("/portfolio/orders", path + "/", path + "/queue_position", path.upper()):
        answer = caller.client.get(BASE_PATH + elsewhere, headers=headers, follow_redirects=False)
        assert answer.status_code in {301, 401, 404}, elsewhere
    later = {**headers, "KALSHI-ACCESS-TIMESTAMP": str(int(headers["KALSHI-ACCESS-TIMESTAMP"]) + 1)}
    assert caller.client.get(BASE_PATH + path, headers=later).status_code == 401
    # Nor does it speak for another account, unless that has the same key pair, as tests do.
    pair = generate_key_pair()
    key = exchange.do(c.AddApiKey(other.member_id, "own", pair.public_pem, ("read", "write")))
    foreign = {**headers, "KALSHI-ACCESS-KEY": format_id("api_key", key.sequence)}
    assert caller.client.get(BASE_PATH + path, headers=foreign).status_code == 401


def test_a_replayed_order_is_one_order(exchange: RestExchange) -> None:
    """The whole request again, bit by bit: the name of the order is taken."""
    caller = exchange.member("replayed")
    headers = signed(caller, "POST", "/portfolio/orders")
    body = order("buy", "yes", 2, 1, client_order_id="once-and-only")
    url = BASE_PATH + "/portfolio/orders"
    assert caller.client.post(url, json=body, headers=headers).status_code == 201
    assert caller.client.post(url, json=body, headers=headers).status_code == 409
    assert len(caller.get("/portfolio/orders")["orders"]) == 1


def test_knowing_the_id_of_a_key_opens_nothing(exchange: RestExchange) -> None:
    """Ids are no secrets, so how long looking one up takes may be measured by anybody."""
    caller = exchange.member("known")
    assert caller.signer is not None
    headers = {
        "KALSHI-ACCESS-KEY": caller.signer.key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(int(time.time() * 1000)),
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(bytes(256)).decode(),
    }
    for operation in OPERATIONS:
        if operation.scope == PUBLIC or operation.method != "GET":
            continue
        path = BASE_PATH + re.sub(r"\{[^}]*\}", "x", operation.path)
        answer = caller.client.get(path, headers=headers)
        assert answer.status_code == 401, operation.id


# --- one member and another ------------------------------------------------------------------


class Anne:
    """A member with one of everything, all of it named so that it can be recognised."""

    def __init__(self, exchange: RestExchange) -> None:
        self.me = exchange.member("anne-private")
        self.friend = exchange.member("friend-of-anne")
        exchange.do(c.CreateSubaccount(self.me.member_id))
        self.order = self.me.order("buy", "yes", 7, 3, client_order_id=f"{MARK}-order")
        self.friend.order("buy", "no", 80, 2, RAIN_MORE)
        self.me.order("buy", "yes", 20, 2, RAIN_MORE, client_order_id=f"{MARK}-fill")
        group = self.me.post("/portfolio/order_groups/create", {"contracts_limit": 5})
        self.group_id = group["order_group_id"]
        self.transfer_id = "5c5d0c4e-5c52-4c0f-9d5b-7b1f6a9f4242"
        self.me.expect(
            200,
            "POST",
            "/portfolio/subaccounts/transfer",
            {
                "client_transfer_id": self.transfer_id,
                "from_subaccount": 0,
                "to_subaccount": 1,
                "amount_cents": 12_345,
            },
        )
        rfq = {"market_ticker": RAIN, "contracts": 4, "rest_remainder": False}
        self.rfq_id = self.friend.post("/communications/rfqs", rfq)["id"]
        quote = {
            "rfq_id": self.rfq_id,
            "yes_bid": "0.3111",
            "no_bid": "0.5111",
            "rest_remainder": False,
        }
        quote.update(yes_bid="0.31", no_bid="0.51")
        self.quote_id = self.me.post("/communications/quotes", quote)["id"]
        self.key_name = f"{MARK}-key"
        self.me.post(
            "/api_keys", {"name": self.key_name, "public_key": generate_key_pair().public_pem}
        )
        assert self.me.signer is not None
        self.secrets = (
            MARK,
            self.me.user_id,
            self.order["order_id"],
            self.group_id,
            self.transfer_id,
            self.quote_id,
            self.me.signer.key_id,
            "anne-private@example.com",
        )

    def in_path(self, path: str) -> str:
        """A path of Anne's things."""
        names = {
            "order_id": self.order["order_id"],
            "order_group_id": self.group_id,
            "rfq_id": self.rfq_id,
            "quote_id": self.quote_id,
            "api_key": self.me.signer.key_id if self.me.signer else "",
            "ticker": RAIN,
            "market_ticker": RAIN,
            "event_ticker": "RAIN-26MAR01",
            "series_ticker": "RAIN",
        }
        return re.sub(r"\{([^}]*)\}", lambda found: names.get(found[1], "x"), path)


@pytest.fixture(scope="module")
def anne(exchange: RestExchange) -> Anne:
    return Anne(exchange)


FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"limit": 100, "subaccount": 1},
    {"ticker": RAIN_MORE},
    {"market_ticker": RAIN},
    {"event_ticker": "RAIN-26MAR01"},
    {"order_id": "{order}", "order_ids": "{order}", "order_group_id": "{group}"},
    {"creator_user_id": "{user}", "user_id": "{user}", "member_id": "{user}"},
    {"quote_creator_user_id": "{user}", "rfq_creator_user_id": "{user}", "rfq_id": "{rfq}"},
    {"rfq_creator_subtrader_id": "{user}", "client_order_id": f"{MARK}-order"},
)


@pytest.mark.parametrize("who", ["another member", "nobody"])
def test_no_question_makes_the_exchange_tell_what_is_somebody_elses(
    exchange: RestExchange, anne: Anne, who: str
) -> None:
    asker = exchange.member("eve") if who == "another member" else exchange.stranger()
    asked = 0
    for operation, filters in itertools.product(OPERATIONS, FILTERS):
        if operation.method != "GET":
            continue
        values = {
            "{order}": anne.order["order_id"],
            "{group}": anne.group_id,
            "{user}": anne.me.user_id,
            "{rfq}": anne.rfq_id,
        }
        params = {name: values.get(str(value), value) for name, value in filters.items()}
        answer = asker.send("GET", anne.in_path(operation.path), params=params)
        assert answer.status_code < 500 or answer.status_code == 501, operation.id
        for secret in anne.secrets:
            if answer.status_code < 400:
                assert secret not in answer.text, (operation.id, params, secret)
        asked += 1
    assert asked > 200
    # It is not that nobody would see them: Anne does.
    mine = anne.me.send("GET", "/portfolio/orders").text + anne.me.send("GET", "/api_keys").text
    assert f"{MARK}-order" in mine
    assert anne.key_name in mine


def test_nobody_can_touch_what_is_somebody_elses(exchange: RestExchange, anne: Anne) -> None:
    """And what is not mine looks exactly like what is not there."""
    eve = exchange.member("eve-who-writes")
    before = anne.me.get("/portfolio/balance"), anne.me.get("/portfolio/orders")
    bodies: dict[str, dict[str, Any]] = {
        "amend": {
            "ticker": RAIN,
            "action": "buy",
            "side": "yes",
            "count": 1,
            "yes_price": 1,
            "client_order_id": f"{MARK}-order",
            "updated_client_order_id": "x",
        },
        "decrease": {"reduce_by": 1},
        "accept": {"accepted_side": "yes"},
        "limit": {"contracts_limit": 1},
    }
    touched = 0
    for operation in OPERATIONS:
        if operation.method == "GET" or "{" not in operation.path or operation.handler is None:
            continue
        if "multivariate" in operation.path:
            continue  # combinations belong to everybody
        body = next((b for name, b in bodies.items() if operation.path.endswith(name)), {})
        path = anne.in_path(operation.path)
        answer = eve.send(operation.method, path, body if operation.body else None)
        assert answer.status_code in {400, 403, 404}, (operation.id, answer.text)
        nowhere = re.sub(r"\{([^}]*)\}", lambda found: missing_id(found[1]), operation.path)
        missing = eve.send(operation.method, nowhere, body if operation.body else None)
        assert missing.status_code == answer.status_code, operation.id
        touched += 1
    assert touched >= 10
    assert (anne.me.get("/portfolio/balance"), anne.me.get("/portfolio/orders")) == before


def missing_id(name: str) -> str:
    """A well-formed id of something that does not exist."""
    kind = name.removesuffix("_id")
    return format_id(kind, 999_999_999)


async def test_a_stream_tells_each_member_its_own_business_only() -> None:
    """All private channels, with and without naming markets; Anne trades, and Eve listens."""
    gate = weather_gate()
    anne, _ = gate.add_member("anne@example.com")
    ben, _ = gate.add_member("ben@example.com")
    eve, _ = gate.add_member("eve@example.com")
    gateway = MemoryGateway(gate)
    spies = [gateway.connect(eve), gateway.connect(0)]
    channels = ("fill", "user_orders", "market_positions", "order_group_updates", "communications")
    for spy in spies:
        for channel, market in itertools.product(channels, ("", WS_RAIN)):
            spy.send(
                {
                    "id": 1,
                    "cmd": "subscribe",
                    "params": {"channels": [channel]}
                    | ({"market_ticker": market} if market else {}),
                }
            )
    gate.order(anne, WS_RAIN, "buy", "yes", 40, 5, client_order_id=f"{MARK}-1")
    gate.order(ben, WS_RAIN, "buy", "no", 60, 3)
    gate.must(c.CreateOrderGroup(anne, 0, 1000))
    rfq = gate.must(c.CreateRfq(ben, 0, WS_RAIN, 500, 0, False)).sequence
    quote = gate.must(c.CreateQuote(anne, 0, rfq, 3_100, 5_100, False)).sequence
    gate.must(c.AcceptQuote(ben, quote, "yes"))
    for spy in spies:
        told = json.dumps([m for m in await spy.receive() if m["type"] != "error"])
        for secret in (
            MARK,
            format_id("member", anne),
            format_id("quote", quote),
            "0.3100",
            "order_group",
        ):
            assert secret not in told.replace('"channel": "order_group_updates"', ""), secret


# --- the operator's door ---------------------------------------------------------------------


def test_the_operators_token_counts_in_its_header_only(augury_exchange: RunningExchange) -> None:
    """Not in an address, which ends up in logs and histories; not in a cookie, which a browser
    would send along from any page."""
    token = augury_exchange.settings.token_path.read_text(encoding="utf-8").strip()
    http = augury_exchange.http
    path = "/operator/v1/status"
    bearer = {"authorization": f"Bearer {token}"}
    assert http.get(path, headers=bearer).status_code == 200
    refused = [
        http.get(path, params={"token": token}),
        http.get(path, params={"access_token": token, "authorization": f"Bearer {token}"}),
        http.get(path, headers={"cookie": f"token={token}; authorization=Bearer {token}"}),
        http.get(path, headers={"x-operator-token": token}),
        http.get(path, headers={"authorization": f"Basic {token}"}),
        http.get(path, headers={"authorization": f"Bearer {token}x"}),
        http.get(path, headers={"authorization": f"Bearer {token[:-1]}"}),
        http.get(path, headers={"authorization": f"Bearer {token.swapcase()}"}),
        http.get(path, headers={"authorization": "Bearer"}),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.text for answer in refused}) == 1


def test_a_page_of_somebody_else_gets_nothing_from_the_browser(
    augury_exchange: RunningExchange,
) -> None:
    """No answer invites other origins, nothing depends on cookies, and forms change nothing."""
    http = augury_exchange.http
    evil = {"origin": "https://evil.example.com"}
    for path in ("/operator/v1/status", "/trade-api/v2/markets", "/", "/operator/v1", "/metrics"):
        for method in ("GET", "OPTIONS"):
            asks = {**evil, "access-control-request-method": "POST"}
            answer = http.request(method, path, headers=asks)
            invitations = [name for name in answer.headers if name.startswith("access-control")]
            assert not invitations, (method, path)
            assert "set-cookie" not in answer.headers
    members = augury_exchange.operator.get("members")["members"]
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = http.post(
            "/operator/v1/members",
            content=b'{"email":"evil@example.com"}',
            headers={**evil, "content-type": content_type},
        )
        assert answer.status_code == 401
    assert augury_exchange.operator.get("members")["members"] == members


def test_out_of_the_box_only_this_machine_is_let_in() -> None:
    assert Settings().host == "127.0.0.1"
    assert Settings().on_this_machine_only
    assert Settings().rate_limits
    assert not Settings().websocket_public_orderbook


# --- bodies and paths ------------------------------------------------------------------------


def test_a_squeezed_body_is_not_unpacked(augury_exchange: RunningExchange) -> None:
    """A kilobyte that would become a gigabyte is a kilobyte of bad JSON here."""
    member = augury_exchange.add_member()
    token = augury_exchange.settings.token_path.read_text(encoding="utf-8").strip()
    zeros = b" " * 50_000_000
    for encoding, body in (
        ("gzip", gzip.compress(zeros, 1)),
        ("deflate", zlib.compress(zeros, 1)),
        ("gzip, gzip", gzip.compress(gzip.compress(zeros, 1), 1)),
    ):
        path = BASE_PATH + "/portfolio/orders"
        headers = {**member.signer.headers("POST", path), "content-encoding": encoding}
        answer = augury_exchange.http.post(path, content=body, headers=headers)
        assert answer.status_code in {400, 413, 415}, answer.text
        answer = augury_exchange.http.post(
            "/operator/v1/members",
            content=body,
            headers={"authorization": f"Bearer {token}", "content-encoding": encoding},
        )
        assert answer.status_code in {400, 413, 415}, answer.text
    answer = augury_exchange.http.get("/", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers, "secrets beside chosen text must not shrink"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/docs/../../operator.token",
        "/docs/%2e%2e/operator.token",
        "/operator/v1/../../log.sqlite",
        "/operator/v1/..%5c..%5coperator.token",
        "/trade-api/v2/..%c0%af..%c0%afetc/passwd",
        "/trade-api/v2/markets/..%00/orderbook",
        "//etc/passwd",
        "/log.sqlite",
        "/operator.token",
    ],
)
def test_no_path_leads_to_a_file(augury_exchange: RunningExchange, path: str) -> None:
    import socket

    host, port = augury_exchange.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert int(answer[9:12]) in {400, 401, 404}, answer[:200]
    assert b"root:" not in answer
    assert b"SQLite format" not in answer


# --- what is written down --------------------------------------------------------------------


def test_secrets_are_in_no_log_no_record_and_no_command_line(tmp_path: Path) -> None:
    """A member's private key is made on the member's machine or shown once; nowhere is it kept."""
    data, key_file, log = tmp_path / "data", tmp_path / "key.pem", tmp_path / "log"
    with served(
        *("--port", 0, "--data", data, "--access-log", "--log-level", "debug"), log=log
    ) as server:
        url = server.url
        added = subprocess.run(
            command(
                *("member", "add", "a@example.com", "--private-key-file", key_file, "--json"),
                *("--url", url, "--operator-token-file", data / "operator.token"),
            ),
            check=True,
            capture_output=True,
            text=True,
        )
        private_pem = key_file.read_text(encoding="utf-8")
        signer = Signer(json.loads(added.stdout)["api_key_id"], private_pem)
        signatures = []
        with httpx.Client(base_url=url, trust_env=False) as http:
            for path in ("/portfolio/balance", "/portfolio/orders", "/nowhere"):
                headers = dict(signer.headers("GET", BASE_PATH + path))
                signatures.append(headers["KALSHI-ACCESS-SIGNATURE"])
                http.get(BASE_PATH + path, headers={**headers, "user-agent": "odd\tone"})
            path = BASE_PATH + "/api_keys/generate"
            generated = http.post(
                path, json={"name": "made by the exchange"}, headers=signer.headers("POST", path)
            ).json()
            http.get(BASE_PATH + "/markets/%1b%5b31m%0aINFO%20forged")
            http.get("/%1b%5b31m%0aINFO%20forged", headers={"x-request-id": "a b\tc"})
            http.get("/operator/v1/status", headers={"authorization": "Bearer wrong-token-given"})
            wrong = {**signer.headers("GET", path), "KALSHI-ACCESS-SIGNATURE": "c2VjcmV0"}
            http.get(BASE_PATH + "/portfolio/balance", headers=wrong)
        process = psutil.Process(server.process.pid)
        arguments = " ".join(process.cmdline()) + str(process.environ())
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
    token = (data / "operator.token").read_text(encoding="utf-8").strip()
    bodies = [middle_of(private_pem), middle_of(generated["private_key"])]
    written = log.read_text(encoding="utf-8")
    for secret in (*bodies, *signatures, token, "wrong-token-given", "PRIVATE KEY"):
        assert secret not in written
        assert secret not in arguments
    for file in data.rglob("*"):
        if file.is_file() and file.name != "operator.token" and "tls" not in file.parts:
            content = file.read_bytes()
            for secret in (*bodies, *signatures, token):
                assert secret.encode() not in content, file.name
    # One line is one event, whatever was asked for: nobody writes lines of their own.
    lines = [json.loads(line) for line in written.splitlines()]
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    assert "\x1b" not in written
    # What is private is so for other users of the machine, too.
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "operator.token").stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def middle_of(pem: str) -> str:
    """A line that no other key has."""
    return pem.strip().splitlines()[5]
