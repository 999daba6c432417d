"""What two everyday lists cost the server, and what a large world costs an order.

``GET /markets`` (100 rows) and ``GET /portfolio/orders`` (100 of a member's 200,000 orders) are
asked of the real server over one connection; what counts is the processor time of its process, all
threads included, from the request to the last byte. Against it stands the bare cost of encoding the
same JSON: the answer, decoded into plain objects, encoded again by the encoder that the server
uses. Markets are measured at rest and, as the worst that really happens, with a trade
and a new best price in every one of them between any two requests. Orders are measured at rest,
where the page is kept; with a change of one of them between any two requests; and page after page,
where nothing is kept yet. The server's process measures both sides, in turns and after the same
work, because a processor that comes from something else is several times as slow at first.

An order is the same flow of orders through the core, in a world of 10 markets and in one of 10,000.
"""

import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from augury.app.serve import Server
from augury.app.settings import Settings
from augury.client.signing import Signer, generate_key_pair
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.ports.exchange import ExchangeGate

ORDERS = 200_000
MARKETS = 1_000
"""Of which a page shows 100."""
PAGE = 100
GOAL = 3.0
ROUNDS = 40
WARM_UP = 5
BATCH = 500

WORLD_GOAL = 1.2
FEW, MANY = 10, 10_000
FLOW = 6_000

BASE = "/trade-api/v2"
DAY = 86_400 * 1_000_000_000
STRUCTURE = "linear_cent"


def listing(number: int, now: int) -> list[Command]:
    """An event with its one market, as long-winded as real ones."""
    event = f"BENCH-{number}"
    details = {
        "title": f"Will the highest temperature in the city be above {number % 90} degrees?",
        "subtitle": f"{number % 90} or above",
        "yes_sub_title": f"{number % 90} or above",
        "no_sub_title": f"below {number % 90}",
        "rules_primary": "If the highest temperature that the weather service records for the day"
        f" is above {number % 90} degrees, then the market resolves to Yes. Revisions that the"
        " service publishes after the expiration are not taken into account.",
        "strike_type": "greater",
        "floor_strike": number % 90,
    }
    return [
        c.CreateEvent(event, "BENCH", False, "", '{"title": "The highest temperature"}'),
        c.CreateMarket(
            *(f"{event}-T1", event, "binary", now, now + DAY, 0, now + 2 * DAY, 0, True),
            *(STRUCTURE, PRICE_LEVEL_STRUCTURES[STRUCTURE], False, False, 0, json.dumps(details)),
        ),
    ]


# --- the server, in a process of its own ------------------------------------------------------


class World:
    """What the server's process does before and between requests."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.gate: ExchangeGate = server.gate
        self.moves = 0

    async def submit(self, commands: list[Command]) -> None:
        for start in range(0, len(commands), BATCH):
            for applied in await self.gate.submit_all(commands[start : start + BATCH]):
                if applied.rejection is not None:
                    raise SystemExit(f"refused: {applied.rejection}")

    async def build(self) -> dict[str, Any]:
        """Everything that is asked for. What the client needs to know."""
        now = self.gate.now_ns()
        await self.submit([c.CreateSeries("BENCH", "quadratic", 1_000_000, "{}")])
        await self.submit([one for number in range(MARKETS) for one in listing(number, now)])
        pair = generate_key_pair()
        self.maker, self.taker, self.holder = [
            (await self.gate.submit(c.CreateMember(f"bench-{number}@example.com"))).sequence
            for number in range(3)
        ]
        await self.submit(
            [c.Deposit(member, 0, 10**15) for member in (self.maker, self.taker, self.holder)]
        )
        key = await self.gate.submit(
            c.AddApiKey(self.holder, "bench", pair.public_pem, ("read", "write"))
        )
        # Bids far from what is traded, so that all of them stay.
        await self.submit(
            [
                c.PlaceOrder(
                    *(self.holder, 0, f"BENCH-{number % MARKETS}-T1", f"bench-{number}"),
                    *("buy", "yes", 100 + number % 19 * 100, 100 + number % 7 * 100),
                )
                for number in range(ORDERS)
            ]
        )
        await self.move_markets()
        return {
            "port": self.server.port,
            "key": format_id("api_key", key.sequence),
            "private_key": pair.private_pem,
        }

    async def change_order(self) -> None:
        """One of the orders on the page is another one than before."""
        self.moves += 1
        newest = self.gate.state.members[self.holder].open_order_ids[-1]
        price = 100 + self.moves % 2 * 100
        await self.submit([c.AmendOrder(self.holder, newest, price=price)])

    async def move_markets(self) -> None:
        """A trade and other best prices in every market that the page shows."""
        self.moves += 1
        price = 4_000 + self.moves % 20 * 100
        commands: list[Command] = []
        for number in range(MARKETS - PAGE, MARKETS):
            ticker = f"BENCH-{number}-T1"
            commands += [
                c.PlaceOrder(self.maker, 0, ticker, "", "buy", "yes", price, 200 + 100 * number),
                c.PlaceOrder(
                    *(self.taker, 0, ticker, "", "sell", "yes", price, 100 * number),
                    "immediate_or_cancel",
                ),
                c.PlaceOrder(self.maker, 0, ticker, "", "sell", "yes", 9_800, 100),
            ]
        await self.submit(commands)


async def serve(directory: str) -> None:
    server = Server(Settings(data=Path(directory), port=0, rate_limits=False, log_level="warning"))
    await server.start()
    world = World(server)
    facts = await world.build()
    await server.history.wait_for(server.gate.state.sequence, 120)
    print(json.dumps(facts), flush=True)
    answer: object = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, _, rest = line.strip().partition(" ")
        if word in ("move", "amend"):
            await (world.move_markets() if word == "move" else world.change_order())
            await server.history.wait_for(server.gate.state.sequence, 120)
        if word == "decode":
            answer = decoded(rest)
        if word == "encode":
            print(encoding_seconds(answer, int(rest)), flush=True)
        else:
            print(time.process_time(), flush=True)
    await server.stop()


def decoded(path: str) -> object:
    return msgspec.json.decode(Path(path).read_bytes())


def encoding_seconds(answer: object, times: int) -> float:
    """Processor seconds for encoding ``answer`` once, as the mean of so many times."""
    encode = msgspec.json.Encoder().encode
    began = time.process_time()
    for _ in range(times):
        encode(answer)
    return (time.process_time() - began) / times


# --- the client -------------------------------------------------------------------------------


class ServerProcess:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.rest_lists", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts: dict[str, Any] = json.loads(self._line())
        self.connection = socket.create_connection(("127.0.0.1", self.facts["port"]))
        self.signer = Signer(self.facts["key"], self.facts["private_key"])

    def ask(self, word: str = "") -> float:
        """The server's processor time after it has done what ``word`` says."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return line

    def get(self, path: str, query: str, *, signed: bool) -> bytes:
        """The body of the answer."""
        headers = self.signer.headers("GET", BASE + path) if signed else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"GET {BASE}{path}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n"
        self.connection.sendall(request.encode())
        buffer = b""
        while (end := buffer.find(b"\r\n\r\n") + 4) < 4:
            buffer += self.connection.recv(1 << 20)
        if not buffer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {buffer!r}")
        start = buffer.index(b"content-length: ") + 16
        length = int(buffer[start : buffer.index(b"\r", start)])
        parts = [buffer[end:]]
        missing = length - len(parts[0])
        while missing:
            parts.append(self.connection.recv(1 << 20))
            missing -= len(parts[-1])
        return b"".join(parts)

    def stop(self) -> None:
        self.connection.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def measure(
    server: ServerProcess,
    name: str,
    path: str,
    queries: list[str],
    *,
    signed: bool = False,
    preparation: str = "",
    goal: bool = True,
) -> dict[str, Any]:
    """Before every request and every encoding the server does what ``preparation`` says."""
    calls = 1 if preparation else 10
    answer = server.directory / "answer.json"
    costs, floors, ratios = [], [], []
    for number in range(ROUNDS + WARM_UP):
        server.ask(preparation)
        idle = server.ask()
        before = server.ask()
        for call in range(calls):
            query = queries[(number * calls + call) % len(queries)]
            body = server.get(path, query, signed=signed)
        # Asking for the time costs something, too.
        cost = (server.ask() - before - (before - idle)) / calls
        if number == 0:
            rows = json.loads(body)
            if len(next(value for value in rows.values() if isinstance(value, list))) != PAGE:
                raise SystemExit(f"{path} did not answer with {PAGE} rows")
            answer.write_bytes(body)
            server.ask(f"decode {answer}")
        server.ask(preparation)
        server.ask()
        floor = server.ask(f"encode {calls}")
        if number >= WARM_UP:
            costs.append(cost)
            floors.append(floor)
            ratios.append(cost / floor)
    ratio = statistics.median(ratios)
    return {
        "name": f"{name}, server CPU",
        "value": round(statistics.median(costs) * 1e6, 1),
        "unit": "us",
        "against": f"encoding the same JSON: {statistics.median(floors) * 1e6:.1f} us",
        "ratio": round(ratio, 2),
        "goal": f"<= {GOAL:g}" if goal else "-",
        "holds": ratio <= GOAL or not goal,
    }


def pages(server: ServerProcess, query: str, *, skip: int, count: int) -> list[str]:
    """Queries for ``count`` pages in a row, after the first ``skip``."""
    path = "/portfolio/orders"
    found, cursor = [], ""
    for number in range(skip + count):
        text = f"{query}&cursor={cursor}" if cursor else query
        if number >= skip:
            found.append(text)
        cursor = json.loads(server.get(path, text, signed=True))["cursor"]
    return found


def lists() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        server = ServerProcess(Path(directory))
        try:
            query = f"limit={PAGE}"
            orders = f"GET /portfolio/orders, {PAGE} of {ORDERS:,}"
            return [
                measure(server, f"GET /markets, {PAGE} rows at rest", "/markets", [query]),
                measure(
                    server,
                    f"GET /markets, {PAGE} rows that have all just traded",
                    "/markets",
                    [query],
                    preparation="move",
                ),
                measure(
                    server,
                    f"{orders}, the newest",
                    "/portfolio/orders",
                    [query],
                    signed=True,
                ),
                measure(
                    server,
                    f"{orders}, resting",
                    "/portfolio/orders",
                    [f"{query}&status=resting"],
                    signed=True,
                ),
                measure(
                    server,
                    f"{orders}, one of which has just changed",
                    "/portfolio/orders",
                    [query],
                    signed=True,
                    preparation="amend",
                    goal=False,
                ),
                measure(
                    server,
                    f"{orders}, page after page",
                    "/portfolio/orders",
                    pages(server, query, skip=10, count=10 * (ROUNDS + WARM_UP)),
                    signed=True,
                    goal=False,
                ),
            ]
        finally:
            server.stop()


# --- the size of the world --------------------------------------------------------------------


class Flow:
    """A core with so many markets, ten of which are traded."""

    def __init__(self, markets: int) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.random = random.Random(7)
        self.apply(c.CreateSeries("BENCH", "quadratic", 1_000_000, "{}"))
        for number in range(markets):
            for command in listing(number, 1):
                self.apply(command)
        self.members = []
        for number in range(20):
            self.apply(c.CreateMember(f"bench-{number}@example.com"))
            self.members.append(self.sequence)
            self.apply(c.Deposit(self.sequence, 0, 10**13))
        step = max(1, markets // FEW)
        self.tickers = [f"BENCH-{number * step}-T1" for number in range(FEW)]

    def apply(self, command: Command) -> None:
        self.sequence += 1
        self.engine.apply(self.sequence, self.sequence * 1_000, command)

    def commands(self) -> list[Command]:
        chance = self.random
        return [
            c.PlaceOrder(
                *(chance.choice(self.members), 0, chance.choice(self.tickers), ""),
                *(chance.choice(("buy", "sell")), "yes", chance.randrange(30, 71) * 100),
                100 * chance.randrange(1, 20),
            )
            for _ in range(FLOW)
        ]

    def seconds(self) -> float:
        """Processor seconds per order."""
        commands = self.commands()
        began = time.process_time()
        for command in commands:
            self.apply(command)
        return (time.process_time() - began) / FLOW


def large_world() -> dict[str, Any]:
    few, many = Flow(FEW), Flow(MANY)
    costs, ratios = [], []
    for number in range(13):
        least, cost = few.seconds(), many.seconds()
        if number >= 2:
            costs.append(cost)
            ratios.append(cost / least)
    ratio = statistics.median(ratios)
    return {
        "name": f"an order in a world of {MANY:,} markets",
        "value": round(statistics.median(costs) * 1e6, 2),
        "unit": "us",
        "against": f"the same order in a world of {FEW} markets",
        "ratio": round(ratio, 2),
        "goal": f"<= {WORLD_GOAL}",
        "holds": ratio <= WORLD_GOAL,
    }


def rows() -> list[dict[str, Any]]:
    return [*lists(), large_world()]


if __name__ == "__main__":
    if sys.argv[1:]:
        uvloop.run(serve(sys.argv[1]))
    else:
        for row in rows():
            print(row)
