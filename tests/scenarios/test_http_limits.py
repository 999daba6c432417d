"""What a stranger can take of the server: sizes, times, connections. On real sockets.

One exchange whose limits are small enough to be met in a second.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from websockets.sync.client import connect

from augury.testing import RunningExchange, running_exchange, wait_until

GET = b"GET /trade-api/v2/exchange/status HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(
        request_timeout_seconds=1, connections=30, connections_per_address=20
    ) as running:
        running.list_market("KXHTTP-1-T1", series="KXHTTP")
        yield running


def dial(exchange: RunningExchange) -> socket.socket:
    host, port = exchange.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def to_the_end(connection: socket.socket) -> bytes:
    """Everything until the server hangs up; fails when it does not."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def answer_to(exchange: RunningExchange, request: bytes) -> bytes:
    """What comes back on a connection of its own; the server must answer and hang up."""
    with dial(exchange) as connection:
        connection.sendall(request)
        return to_the_end(connection)


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])


# --- slow requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"GET /trade-api/v2/exch",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /trade-api/v2/portfolio/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        b"POST /operator/v1/members HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    ],
    ids=["nothing", "an empty line", "half a line", "half a head", "half a body", "half a chunk"],
)
def test_who_sends_half_a_request_is_told_and_cut_off(
    exchange: RunningExchange, sent: bytes
) -> None:
    answer = answer_to(exchange, sent)
    # Without a signature the body is not waited for: 401 says so at once, then comes the end.
    assert status_of(answer) == (401 if b"POST" in sent else 408)


def test_a_byte_now_and_then_does_not_count_as_progress(exchange: RunningExchange) -> None:
    """Slowloris: the head as a whole has its time, however lively its bytes arrive."""
    with dial(exchange) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        connection.settimeout(0.1)
        answer = b""
        for _ in range(200):
            try:
                connection.sendall(b"X-A: b\r\n")
                piece = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if not piece:
                break
            answer += piece
        else:
            pytest.fail("the server still waits")
    assert status_of(answer) == 408


def test_who_is_quick_may_stay_connected(exchange: RunningExchange) -> None:
    """Longer than the limit, request after request, and idle in between."""
    with dial(exchange) as connection:
        for _ in range(4):
            connection.sendall(GET)
            assert status_of(connection.recv(65_536)) == 200
            connection.settimeout(0.5)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(20)


def test_an_answer_that_nobody_reads_does_not_stay_for_ever(exchange: RunningExchange) -> None:
    request = b"GET /trade-api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with dial(exchange) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        try:
            for _ in range(200):
                connection.sendall(request)
        except OSError:
            pass  # the server takes no more, which is the point

        def is_cut_off() -> bool:
            try:
                connection.sendall(b"x")
            except TimeoutError:
                return False
            except OSError:
                return True
            return False

        connection.settimeout(0.05)
        wait_until(is_cut_off, seconds=20, what="the server keeps the answer")


# --- too many --------------------------------------------------------------------------------


def test_connections_beyond_the_limit_are_refused_and_their_places_come_back(
    exchange: RunningExchange,
) -> None:
    held: list[socket.socket] = []
    try:
        while len(held) < 40:
            connection = dial(exchange)
            connection.sendall(GET)
            if status_of(connection.recv(65_536)) == 503:
                connection.close()
                break
            held.append(connection)
        else:
            pytest.fail("nobody was refused")
        assert len(held) <= 20
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: status_of(answer_to(exchange, CLOSING)) == 200, what="no place came back")


CLOSING = GET[:-2] + b"Connection: close\r\n\r\n"


def test_a_stream_counts_until_it_ends(exchange: RunningExchange) -> None:
    with ExitStack() as streams:
        for _ in range(15):
            streams.enter_context(connect(exchange.websocket_url))
        with dial(exchange) as last:
            last.sendall(GET)
            assert status_of(last.recv(65_536)) == 200

    def all_at_once() -> bool:
        connections = [dial(exchange) for _ in range(15)]
        try:
            for connection in connections:
                connection.sendall(GET)
            return all(status_of(connection.recv(65_536)) == 200 for connection in connections)
        finally:
            for connection in connections:
                connection.close()

    wait_until(all_at_once, what="streams that ended still count")


# --- sizes and smuggling ---------------------------------------------------------------------


def test_a_head_or_body_beyond_the_limit_is_refused(exchange: RunningExchange) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 70_000
    assert status_of(answer_to(exchange, head)) == 431


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(exchange: RunningExchange) -> None:
    member = exchange.add_member()
    operator = exchange.settings.token_path.read_text(encoding="utf-8").strip()
    bearer = {"authorization": f"Bearer {operator}"}
    large = b" " * 1_100_000

    def parts() -> Iterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    for content in (large, parts()):
        path = "/trade-api/v2/portfolio/orders"
        signed = member.signer.headers("POST", path)
        answer = exchange.http.post(path, content=content, headers=signed)
        assert answer.status_code == 413, answer.text
        assert answer.json()["code"] == "request_too_large"
    for content in (large, parts()):
        answer = exchange.http.post("/operator/v1/members", content=content, headers=bearer)
        assert answer.status_code == 413, answer.text


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3",
        b"Content-Length: 2\r\nContent-Length: 2",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: \x0bchunked",
        b"Content-Length: +2",
        b"Content-Length: 0x2",
        b"Content-Length: 2,2",
        b"Content-Length : 2",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999999",
    ],
)
def test_a_request_that_two_servers_could_read_differently_is_refused(
    exchange: RunningExchange, head: bytes
) -> None:
    """Else whoever stands in front would let a second request pass inside the first."""
    request = b"POST /trade-api/v2/portfolio/orders HTTP/1.1\r\nHost: x\r\n" + head
    answer = answer_to(exchange, request + b"\r\n\r\n{}GET /smuggled HTTP/1.1\r\n\r\n")
    assert status_of(answer) in {400, 408}
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_folded_header_is_one_value_or_refused(exchange: RunningExchange) -> None:
    """What is folded must not become a header of its own."""
    folded = b"X-A: b\r\n Content-Length: 5\r\nConnection: close\r\n\r\n"
    answer = answer_to(exchange, b"GET / HTTP/1.1\r\nHost: x\r\n" + folded)
    assert status_of(answer) in {200, 400}
    assert answer.count(b"HTTP/1.1 ") == 1
