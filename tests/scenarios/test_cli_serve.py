"""``augury serve`` as a process: how it starts, what it says, how it stops, what it leaves."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from augury.client import Signer
from augury.testing import RunningExchange, running_exchange, wait_until

WORLD = """\
world: small
series:
  - ticker: KXRAIN
    title: Rain
    category: Climate and Weather
    events:
      - ticker: KXRAIN-TODAY
        title: Rain today
        close_time: +2d
        markets:
          - ticker: KXRAIN-TODAY-NYC
            title: Will it rain in New York?
"""


FIX_SESSIONS = ("KalshiNR", "KalshiDC", "KalshiRT", "KalshiPT", "KalshiRFQ")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "augury", *map(str, arguments)]


@contextmanager
def served(
    *arguments: object, log: Path | None = None, environment: dict[str, str] | None = None
) -> Iterator["Served"]:
    """``augury serve`` until the end of the block, however that comes."""
    server = Served(command("serve", *arguments), environment or {}, log)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


class Served:
    def __init__(self, line: list[str], environment: dict[str, str], log: Path | None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AUGURY_")}
        self.process = subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if log is None else log.open("w"),
            text=True,
            env={**kept, "AUGURY_FIX": "false", **environment},
        )

    @property
    def url(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"Augury is listening on (\S+)\n", line)
        assert found is not None, line or self.process.communicate()[1]
        return found[1]

    def ended(self) -> tuple[int, str]:
        """Exit code and standard error of a process that ends by itself."""
        _, complaint = self.process.communicate(timeout=30)
        return self.process.returncode, complaint


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send_signal(exchange: RunningExchange, number: signal.Signals) -> None:
    os.kill(exchange.process_id, number)


# --- the way scripts drive it -----------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "given-by-the-operator"])
def test_serve_and_member_add_work_together_to_the_letter(
    tmp_path: Path, token: str | None
) -> None:
    port, data, world = free_port(), tmp_path / "data", tmp_path / "world.yaml"
    token_file, key_file = tmp_path / "token", tmp_path / "key.pem"
    world.write_text(WORLD)
    if token is not None:
        token_file.write_text(token)
    serve = ["--port", port, "--data", data, "--world", world, "--operator-token-file", token_file]
    with served(*serve) as server:
        # As a script would: no look at the output, only at the port.
        wait_until(lambda: answers(port), seconds=30)
        added = subprocess.run(
            command(
                *("member", "add", "trader@example.com", "--deposit", "10000.00"),
                *("--private-key-file", key_file, "--url", f"http://127.0.0.1:{port}"),
                *("--operator-token-file", token_file, "--json"),
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        ids = json.loads(added.stdout)
        assert added.stdout.count("\n") == 1
        assert sorted(ids) == ["api_key_id", "user_id"]
        assert added.stderr == ""
        assert key_file.stat().st_mode & 0o777 == 0o600

        signer = Signer.from_file(ids["api_key_id"], key_file)
        path = "/trade-api/v2/portfolio/balance"
        answer = httpx.get(server.url + path, headers=signer.headers("GET", path))
        assert answer.json()["balance"] == 1_000_000
        market = httpx.get(f"http://127.0.0.1:{port}/trade-api/v2/markets/KXRAIN-TODAY-NYC")
        assert market.json()["market"]["status"] == "active"
    if token is not None:
        assert token_file.read_text() == token


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_port_0_picks_a_free_one_and_the_first_line_says_which(tmp_path: Path) -> None:
    with served("--port", 0, "--data", tmp_path / "d") as server:
        url = server.url
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert url.startswith("http://127.0.0.1:")
        assert (tmp_path / "d" / "operator.token").stat().st_mode & 0o777 == 0o600


def test_settings_come_from_the_environment_and_a_file_as_well(tmp_path: Path) -> None:
    config = tmp_path / "augury.toml"
    config.write_text(f'data = "{tmp_path / "d"}"\nclock = "virtual"\nport = 1\n')
    environment = {
        "AUGURY_CONFIG": str(config),
        "AUGURY_PORT": "0",
        "AUGURY_CLOCK_START": "2030-01-01T00:00:00Z",
    }
    with served(environment=environment) as server:
        text = httpx.get(f"{server.url}/metrics").text
        assert "augury_exchange_time_seconds 1.893456e+09" in text


# --- what stops a start ----------------------------------------------------------------------


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with served("--port", port, "--data", tmp_path / "d") as server:
            code, complaint = server.ended()
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in complaint
    assert "Traceback" not in complaint


def test_a_server_with_fix_says_where_and_whom_to_trust(tmp_path: Path) -> None:
    serve = ["--port", 0, "--data", tmp_path / "d", "--fix", "--fix-port", 0]
    with served(*serve) as server:
        assert server.url
        assert server.process.stdout is not None
        lines = [server.process.stdout.readline() for _ in range(2)]
        kinds = " ".join(rf"{kind} \d+,?" for kind in FIX_SESSIONS)
        trust = re.escape(f"(TLS, clients trust {tmp_path / 'd' / 'tls' / 'ca.pem'})")
        assert re.fullmatch(rf"FIX on 127\.0\.0\.1: {kinds} {trust}\n", lines[1]), lines


def test_default_ports_of_fix_that_are_taken_cost_a_warning_and_not_the_start(
    tmp_path: Path,
) -> None:
    with closing(socket.socket()) as holder:
        # Whoever has the port, it is not free.
        with suppress(OSError):
            holder.bind(("127.0.0.1", 8230))
            holder.listen()
        with served("--port", 0, "--data", tmp_path / "d", "--fix") as server:
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            server.process.terminate()
            code, complaint = server.ended()
    assert code == 0
    warnings = [line for line in complaint.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "FIX is not served: cannot listen on 127.0.0.1:82" in warnings[0]


def test_two_servers_do_not_share_a_directory(tmp_path: Path) -> None:
    with served("--port", 0, "--data", tmp_path / "d") as first:
        assert first.url
        with served("--port", 0, "--data", tmp_path / "d") as second:
            code, complaint = second.ended()
    assert code == 1
    assert "already writes here" in complaint


@pytest.mark.parametrize(
    "arguments, code, complaint",
    [
        (["--world", "nowhere.yaml"], 1, "nowhere.yaml"),
        (["--clock", "sundial"], 2, "expected one of real, virtual"),
        (["--clock", "virtual", "--clock-start", "noon"], 1, "clock_start"),
        (["--config", "nowhere.toml"], 2, "nowhere.toml"),
        (["--host", "203.0.113.1"], 1, "cannot listen on 203.0.113.1"),
        (["--tls", "--tls-cert", "a.pem", "--tls-key", "b.pem"], 1, "a.pem"),
        (["--history-url", "nonsense"], 1, "history cannot be kept"),
    ],
)
def test_a_start_that_cannot_succeed_says_why_and_leaves_nothing_running(
    tmp_path: Path, arguments: list[str], code: int, complaint: str
) -> None:
    with served("--port", 0, "--data", tmp_path / "d", *arguments) as server:
        ended = server.ended()
    assert ended[0] == code, ended[1]
    assert complaint in ended[1]
    assert "Traceback" not in ended[1]


def test_a_world_file_with_mistakes_names_file_line_and_field(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(WORLD.replace("+2d", "someday"))
    with served("--port", 0, "--data", tmp_path / "d", "--world", world) as server:
        code, complaint = server.ended()
    assert code == 1
    assert f"{world}:9" in complaint
    assert "close_time" in complaint
    assert not (tmp_path / "d" / "log.sqlite").exists()


def test_a_short_token_is_refused_where_other_machines_could_guess_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    common = ["--port", 0, "--data", tmp_path / "d", "--operator-token-file", token]
    with served(*common, "--host", "0.0.0.0") as server:
        code, complaint = server.ended()
    assert code == 1
    assert "too short" in complaint
    with served(*common) as server:
        assert server.url


def test_damage_in_the_log_stops_the_start_and_names_the_record(tmp_path: Path) -> None:
    data = tmp_path / "d"
    with running_exchange(data=data, own_process=True) as exchange:
        exchange.list_market()
    log = data / "log.sqlite"
    content = log.read_bytes()
    place = content.index(b"KXTEST-")
    log.write_bytes(content[:place] + b"X" + content[place + 1 :])
    (data / "history.sqlite").unlink()
    for snapshot in (data / "snapshots").glob("*"):
        snapshot.unlink()
    with served("--port", 0, "--data", data) as server:
        code, complaint = server.ended()
    assert code == 1
    assert re.search(r"record \d+ is damaged", complaint)


# --- the front door --------------------------------------------------------------------------


def test_one_port_has_all_doors_and_nothing_else(augury_exchange: RunningExchange) -> None:
    http = augury_exchange.http
    assert http.get("/").headers["content-type"].startswith("text/html")
    assert "operations work" in http.get("/coverage").text
    assert http.get("/operator/v1").status_code == 200
    assert http.get("/trade-api/v2/exchange/status").json()["exchange_active"] is True
    for path in (
        "/trade-api/v20/exchange/status",
        "/operator/v11",
        "/operator",
        "/x",
        "/trade-api/ws/v2",
    ):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert http.post("/healthz").status_code == 405
    assert http.head("/readyz").status_code == 200


def test_every_answer_has_a_request_id_and_a_client_may_choose_it(
    augury_exchange: RunningExchange,
) -> None:
    http = augury_exchange.http
    ids = {
        http.get(path).headers["x-request-id"]
        for path in ("/healthz", "/nowhere", "/trade-api/v2/markets", "/operator/v1/status")
        for _ in range(2)
    }
    assert len(ids) == 8
    for path in ("/healthz", "/trade-api/v2/markets"):
        answer = http.get(path, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        answer = http.get(path, headers={"X-Request-Id": "a b" * 100})
        assert answer.headers["x-request-id"] != "a b" * 100


def test_a_stream_at_the_wrong_address_is_told_the_right_one(
    augury_exchange: RunningExchange,
) -> None:
    with (
        pytest.raises(InvalidStatus) as raised,
        connect(augury_exchange.websocket_url + "/else", proxy=None),
    ):
        pass
    assert raised.value.response.status_code == 404
    assert b"/trade-api/ws/v2" in raised.value.response.body


def test_metrics_count_what_happens(augury_exchange: RunningExchange) -> None:
    ticker = augury_exchange.list_market()
    buyer, seller = augury_exchange.add_member(), augury_exchange.add_member()
    buyer.place(ticker, "buy", "yes", 10, 40)
    seller.place(ticker, "buy", "no", 10, 60)
    augury_exchange.http.get("/trade-api/v2/markets/KXNONE")
    with buyer_stream(augury_exchange):
        text = augury_exchange.http.get("/metrics").text
    assert "augury_trades_total 1.0" in text
    assert 'augury_commands_total{command="PlaceOrder"} 2.0' in text
    assert 'augury_http_requests_total{door="rest",status="404"} 1.0' in text
    assert 'augury_http_request_seconds_count{door="rest"} 3.0' in text
    assert "augury_websocket_connections 1.0" in text
    assert "augury_storage_failed 0.0" in text


@contextmanager
def buyer_stream(exchange: RunningExchange) -> Iterator[None]:
    with connect(exchange.websocket_url, proxy=None):
        yield


# --- logs ------------------------------------------------------------------------------------


def test_logs_are_json_with_request_ids_and_without_secrets(tmp_path: Path) -> None:
    data, key_file, log = tmp_path / "d", tmp_path / "key.pem", tmp_path / "log"
    arguments = ["--port", 0, "--data", data, "--access-log", "--log-level", "debug"]
    with served(*arguments, log=log) as server:
        url = server.url
        subprocess.run(
            command(
                *("member", "add", "a@example.com", "--private-key-file", key_file),
                *("--url", url, "--operator-token-file", data / "operator.token"),
            ),
            check=True,
            capture_output=True,
        )
        httpx.get(f"{url}/trade-api/v2/markets?limit=3", headers={"X-Request-Id": "mine"})
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = {line["path"]: line for line in lines if line["event"] == "request"}
    rest = requests["/trade-api/v2/markets"]
    assert (rest["status"], rest["request_id"], rest["door"]) == (200, "mine", "rest")
    assert requests["/operator/v1/members"]["request_id"]
    assert {line["event"] for line in lines} >= {"serving", "stopping", "stopped"}
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)
    assert (data / "operator.token").read_text().strip() not in text
    assert "PRIVATE KEY" not in text


# --- stopping and coming back ----------------------------------------------------------------


def test_a_graceful_stop_leaves_a_snapshot_and_the_next_start_continues(tmp_path: Path) -> None:
    data = tmp_path / "d"
    with running_exchange(data=data, own_process=True, snapshot_every_minutes=10) as exchange:
        ticker = exchange.list_market()
        member = exchange.add_member()
        order = member.place(ticker, "buy", "yes", 10, 40)
        digest = exchange.operator.get("state-hash")
        url = exchange.url
        exchange.stop()
        assert [int(p.stem) for p in (data / "snapshots").iterdir()] == [digest["sequence"]]
        exchange.restart()
        assert exchange.url == url
        assert exchange.operator.get("state-hash") == digest
        assert member.get(f"/portfolio/orders/{order['order_id']}")["order"] == order


def test_requests_under_way_are_answered_before_the_stop(tmp_path: Path) -> None:
    with running_exchange(data=tmp_path / "d", own_process=True) as exchange:
        ticker = exchange.list_market()
        member = exchange.add_member()
        body = json.dumps({"ticker": ticker, "action": "buy", "side": "yes", "count": 1,
                           "yes_price": 40}).encode()  # fmt: skip
        headers = member.signer.headers("POST", "/trade-api/v2/portfolio/orders")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        host, port = exchange.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(
                f"POST /trade-api/v2/portfolio/orders HTTP/1.1\r\nHost: x\r\n{head}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body[:-1]
            )
            wait_until(lambda: exchange.http.get("/healthz").is_success)
            send_signal(exchange, signal.SIGTERM)
            wait_until(lambda: not answers(int(port)))
            raw.sendall(body[-1:])
            raw.settimeout(10)
            assert raw.recv(100).startswith(b"HTTP/1.1 201")
        assert exchange.wait() == 0


def test_a_second_signal_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    with running_exchange(
        data=tmp_path / "d", own_process=True, stop_timeout_seconds=60
    ) as exchange:
        ticker = exchange.list_market()
        process_id = exchange.process_id
        host, port = exchange.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            # A request that never ends keeps the graceful stop waiting.
            raw.sendall(b"POST /operator/v1/series HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n")
            raw.sendall(b"Authorization: Bearer " + token_of(exchange) + b"\r\n\r\n")
            wait_until(lambda: exchange.http.get("/healthz").is_success)
            os.kill(process_id, signal.SIGINT)
            wait_until(lambda: not answers(int(port)))
            began = time.monotonic()
            os.kill(process_id, signal.SIGINT)
            assert exchange.wait() == 130
            assert time.monotonic() - began < 10
        exchange.restart()
        assert exchange.market(ticker)["status"] == "active"


def token_of(exchange: RunningExchange) -> bytes:
    return exchange.settings.token_path.read_bytes().strip()


def test_a_virtual_clock_stands_where_it_stood(tmp_path: Path) -> None:
    with running_exchange(
        data=tmp_path / "d", own_process=True, clock_start="2030-01-01T00:00:00Z"
    ) as exchange:
        exchange.list_market()
        exchange.advance(hours=5)
        exchange.stop()
        exchange.restart()
        assert exchange.now().isoformat() == "2030-01-01T05:00:00+00:00"


def test_snapshots_are_taken_while_the_exchange_runs(tmp_path: Path) -> None:
    data = tmp_path / "d"
    with running_exchange(data=data, own_process=True, snapshot_every_records=20) as exchange:
        for _ in range(12):
            exchange.add_member()
        wait_until(lambda: list((data / "snapshots").glob("*.snapshot")), seconds=20)
        sequence = exchange.operator.get("status")["sequence"]
        exchange.kill()
        exchange.restart()
        assert exchange.operator.get("status")["sequence"] == sequence


# --- TLS -------------------------------------------------------------------------------------


def test_tls_with_an_own_authority_that_clients_can_trust(tmp_path: Path) -> None:
    with running_exchange(
        data=tmp_path / "d", own_process=True, tls=True, tls_hosts=("api.exchange.example",)
    ) as exchange:
        assert exchange.url.startswith("https://")
        member = exchange.add_member()
        assert member.balance == 1_000_000
        authority = tmp_path / "d" / "tls" / "ca.pem"
        shown = subprocess.run(
            command(
                *("status", "--url", exchange.url, "--ca-file", authority, "--json"),
                *("--operator-token-file", exchange.settings.token_path),
            ),
            check=True,
            capture_output=True,
            text=True,
        )
        assert json.loads(shown.stdout)["members"] == 1
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{exchange.url}/healthz")
        # As a client whose host is hard-wired would find it, once its traffic is redirected here.
        port = int(exchange.url.rpartition(":")[2])
        context = trusting(authority)
        with (
            socket.create_connection(("127.0.0.1", port)) as raw,
            context.wrap_socket(raw, server_hostname="api.exchange.example") as wrapped,
        ):
            wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: api.exchange.example\r\n\r\n")
            assert wrapped.recv(100).startswith(b"HTTP/1.1 200")
        with connect(exchange.websocket_url, ssl=context, proxy=None) as stream:
            stream.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["x"]}}))
            assert json.loads(stream.recv(10))["type"] == "error"


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)
