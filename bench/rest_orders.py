"""What an order costs the server from the first byte of its request to the last of its answer.

Against an empty raw-ASGI handler on the same uvicorn that verifies one RSA signature and answers
with as many bytes. Ours does everything: signature, scope, rate, parsing, the log on disk with its
flush, matching, history, the answer. Both servers run in processes of their own and in turns, with
the same 32 connections that each send their next request when the answer is there; what counts is
the processor time of the server's process, all threads included.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from augury.app.serve import Server
from augury.app.settings import Settings
from augury.client.signing import Signer, generate_key_pair
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.core.prices import PRICE_LEVEL_STRUCTURES

CONNECTIONS = 32
REQUESTS = 1_500
ROUNDS = 11
GOAL = 2.5
LIGHT_REQUESTS = 500

PATH = "/trade-api/v2/portfolio/orders"
TICKER = "BENCH-1-T1"
MEMBERS = 2


# --- the servers, each in a process of its own -----------------------------------------------


async def serve_orders(directory: str) -> None:
    """The real server, with members whose keys are printed."""
    server = Server(Settings(data=Path(directory), port=0, rate_limits=False, log_level="warning"))
    await server.start()
    gate = server.gate
    now = gate.now_ns()
    day = 86_400 * 1_000_000_000
    structure = "linear_cent"
    await gate.submit(c.CreateSeries("BENCH", "quadratic", 1_000_000, "{}"))
    await gate.submit(c.CreateEvent("BENCH-1", "BENCH", False, "", "{}"))
    await gate.submit(
        c.CreateMarket(
            *(TICKER, "BENCH-1", "binary", now, now + day, 0, now + 2 * day, 0, True, structure),
            *(PRICE_LEVEL_STRUCTURES[structure], False, False, 0, "{}"),
        )
    )
    pair = generate_key_pair()
    keys = []
    for number in range(MEMBERS):
        member = await gate.submit(c.CreateMember(f"bench-{number}@example.com"))
        await gate.submit(c.Deposit(member.sequence, 0, 10**15))
        key = await gate.submit(
            c.AddApiKey(member.sequence, "bench", pair.public_pem, ("read", "write"))
        )
        keys.append(format_id("api_key", key.sequence))
    await _answer_questions({"port": server.port, "keys": keys, "private_key": pair.private_pem})
    await server.stop()


async def serve_floor(size: int) -> None:
    """Read the body, verify one signature, answer with ``size`` bytes."""
    pair = generate_key_pair()
    public_key = serialization.load_pem_public_key(pair.public_pem.encode())
    private_key = serialization.load_pem_private_key(pair.private_pem.encode(), None)
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert isinstance(private_key, rsa.RSAPrivateKey)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    sha256 = hashes.SHA256()
    message = f"1772373600000POST{PATH}".encode()
    signature = private_key.sign(message, scheme, sha256)
    verify = public_key.verify
    answer = b"x" * size
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % size)]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        verify(signature, message, scheme, sha256)
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    config = uvicorn.Config(
        application, http="httptools", lifespan="off", log_config=None, server_header=False
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup([listening])
    ticking = asyncio.create_task(server.main_loop())
    await _answer_questions({"port": listening.getsockname()[1]})
    server.should_exit = True
    await ticking
    await server.shutdown([listening])


async def _answer_questions(facts: dict[str, Any]) -> None:
    """Tell the facts, then the processor time at each line that arrives, until there is none."""
    print(json.dumps(facts), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(time.process_time(), flush=True)


# --- the client ------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """Sends one request after another and waits for each answer."""

    def __init__(self, requests: Iterator[bytes], load: "Load") -> None:
        self.requests = requests
        self.load = load
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send_next()

    def send_next(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            self.load.ended()
        else:
            self.sent = time.perf_counter()
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        body = self.buffer.find(b"\r\n\r\n") + 4
        if body < 4:
            return
        start = self.buffer.index(b"content-length: ") + 16
        length = int(self.buffer[start : self.buffer.index(b"\r", start)])
        if len(self.buffer) < body + length:
            return
        if not self.buffer.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"refused: {self.buffer!r}")
        self.load.answered(time.perf_counter() - self.sent, length)
        self.buffer = b""
        self.send_next()


class Load:
    """All connections of one round."""

    def __init__(self, connections: int) -> None:
        self.left = connections
        self.latencies: list[float] = []
        self.bytes = 0
        self.finished = asyncio.get_running_loop().create_future()

    def answered(self, seconds: float, length: int) -> None:
        self.latencies.append(seconds)
        self.bytes += length

    def ended(self) -> None:
        self.left -= 1
        if not self.left:
            self.finished.set_result(None)


async def send_all(port: int, requests: Iterator[bytes], connections: int) -> Load:
    load = Load(connections)
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(
            lambda: Connection(requests, load), "127.0.0.1", port
        )
    await load.finished
    return load


def order_requests(facts: dict[str, Any], count: int, first: int) -> Iterator[bytes]:
    """Two members quote around 50 cents; one order in ten takes what rests nearest.

    A signature covers time, method and path, so one per key serves a whole round.
    """
    signed = [
        "".join(
            f"{name}: {value}\r\n"
            for name, value in Signer(key, facts["private_key"]).headers("POST", PATH).items()
        )
        for key in facts.get("keys", ())
    ] or ["KALSHI-ACCESS-SIGNATURE: " + "A" * 344 + "\r\n"] * MEMBERS
    for number in range(first, first + count):
        buys = number % 2 == 0
        takes = number % 10 == 0
        cents = (60 if buys else 40) if takes else (30 if buys else 51) + number // 2 % 19
        body = json.dumps(
            {
                "ticker": TICKER,
                "client_order_id": f"bench-{number}",
                "side": "yes",
                "action": "buy" if buys else "sell",
                "count": 1 + number % 7,
                "type": "limit",
                "yes_price": cents,
            }
        )
        yield (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"{signed[not buys]}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


# --- both ------------------------------------------------------------------------------------


class ServerProcess:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.rest_orders", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts: dict[str, Any] = json.loads(self._line())
        self.orders = 0

    def processor_seconds(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return line

    def load(self, count: int, connections: int) -> tuple[float, float, Load]:
        """Processor seconds per request, wall seconds in all, and the load."""
        requests = iter(list(order_requests(self.facts, count, self.orders)))
        self.orders += count
        before = self.processor_seconds()
        began = time.perf_counter()
        load = uvloop.run(send_all(self.facts["port"], requests, connections))
        wall = time.perf_counter() - began
        return (self.processor_seconds() - before) / count, wall, load

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@contextmanager
def server_process(*arguments: str) -> Iterator[ServerProcess]:
    process = ServerProcess(*arguments)
    try:
        yield process
    finally:
        process.stop()


def rows() -> list[dict[str, Any]]:
    costs, floors, ratios, rates = [], [], [], []
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as directory,
        server_process("orders", directory) as ours,
    ):
        _, _, load = ours.load(REQUESTS, CONNECTIONS)
        with server_process("floor", str(load.bytes // len(load.latencies))) as floor:
            floor.load(REQUESTS, CONNECTIONS)
            for _ in range(ROUNDS):
                cost, wall, _ = ours.load(REQUESTS, CONNECTIONS)
                least, _, _ = floor.load(REQUESTS, CONNECTIONS)
                costs.append(cost)
                floors.append(least)
                ratios.append(cost / least)
                rates.append(REQUESTS / wall)
        _, _, light = ours.load(LIGHT_REQUESTS, 1)
    ratio = statistics.median(ratios)
    quantiles = statistics.quantiles(light.latencies, n=100)
    nothing = {"against": "-", "ratio": None, "goal": "-", "holds": True}
    return [
        {
            "name": f"POST /portfolio/orders, signed, durable, {CONNECTIONS} connections,"
            " server CPU",
            "value": round(statistics.median(costs) * 1e6, 1),
            "unit": "us",
            "against": "an empty raw-ASGI handler plus one RSA verify:"
            f" {statistics.median(floors) * 1e6:.1f} us",
            "ratio": round(ratio, 2),
            "goal": f"<= {GOAL}",
            "holds": ratio <= GOAL,
        },
        {
            "name": "acknowledged order at light load, p50",
            "value": round(quantiles[49] * 1e3, 2),
            "unit": "ms",
            **nothing,
        },
        {
            "name": "acknowledged order at light load, p99",
            "value": round(quantiles[98] * 1e3, 2),
            "unit": "ms",
            **nothing,
        },
        {
            "name": "peak durable orders of one process, the client on the same machine",
            "value": round(max(rates)),
            "unit": "orders/s",
            **nothing,
        },
    ]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["orders", directory]:
            uvloop.run(serve_orders(directory))
        case ["floor", size]:
            uvloop.run(serve_floor(int(size)))
        case _:
            for row in rows():
                print(row)
