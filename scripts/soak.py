"""Endurance: mixed load on all protocols for a long time, and what the server's process grows by.

    python -m scripts.soak [--minutes 60] [--out results/soak.csv]

An exchange runs as its own process with the demo world, and with a series whose markets live for
half a minute and are settled by the hundred. Members trade by REST, listen by WebSocket and
reconnect, trade by FIX, and some misbehave. Every few seconds memory, open files, threads, the
log's length and answer times are written down as a line of CSV. At the end there is a verdict:

- memory may not grow by more than what the log has left in the state (client order ids, settled
  markets, open orders) accounts for, and what caches may still take that are not full yet;
- open files and threads must be back where they were once the load is gone;
- answers may not get slower;
- the audit must agree to the last cent.

Figures go to results/soak.json. The exit code is 1 when the verdict is bad.
"""

import argparse
import contextlib
import csv
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
from websockets.sync.client import connect as open_stream

from augury.app.auditing import audit_log
from augury.app.data_directory import log_path
from augury.app.world import find_world
from augury.client import generate_key_pair
from augury.testing import Member, RunningExchange, running_exchange
from scripts.results import RESULTS, record

SAMPLE_SECONDS = 5.0
WARM_UP = 0.25
"""The part of the run in which caches fill and nothing is judged."""

OWNERS = {"client_order_ids": 200, "settled_markets": 4_000, "open_orders": 1_024}
"""What the log leaves in the state, and the bytes that each may take.

A client order id stays taken, up to 100,000 for each member: 82 for the text, and 60 to 110 in a
set and a list that grow by leaps. A settled market stays for good: 1,900 with a description of 500
letters, a share of its event, and for a day its statistics. An open order has its goal in bench/.
"""

FREE_MEGABYTES = 24
"""What may fill in the judged part of the run and is bounded: the pages of history that SQLite
keeps (20 MB, of which most are there after 60,000 records), refusals (50,000 of 190 bytes), names
of closed orders of FIX (10,000 a member of 250 bytes), ids and texts (5 MB). And what is noise: an
allocator's arenas, of which trimming would give back 2 MB."""

FAST_SERIES = """
  - ticker: KXSOAK
    title: Markets that live for half a minute
    category: Financials
    frequency: custom
    settlement_sources: [{name: The soak, url: "https://augury.example/soak"}]
    activity: busy
    rolling:
      - every: 10s
        open_for: 30s
        event:
          ticker: "KXSOAK-{close:%y%b%d%H%M%S}"
          title: Which lamp burns at {close:%H:%M:%S}?
          mutually_exclusive: true
          settlement_timer_seconds: 1
          determine_after: 1s
          fair_value: {swing: 0.5, pace: 6m}
          markets:
"""
LAMPS = 4
LAMP = """
            - ticker: "{{event}}-L{0}"
              title: Does lamp {0} burn at {{close:%H:%M:%S}}?
              yes_sub_title: Lamp {0}
              rules_primary: If lamp {0} burns then, the market resolves to Yes.
              start_price: 0.25
"""

BASE = "/trade-api/v2"
COLUMNS = (
    "seconds",
    "records",
    "memory_mb",
    *OWNERS,
    "files",
    "threads",
    "requests",
    "median_ms",
    "p99_ms",
    "messages",
    "fix_messages",
    "failures",
)


class Load:
    """What all workers share: the end of the run, and what has happened so far."""

    def __init__(self, exchange: RunningExchange) -> None:
        self.exchange = exchange
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.times: list[float] = []
        self.requests = self.messages = self.fix_messages = 0
        self.failures: list[str] = []
        self.tickers: list[str] = []
        self.look_around()

    def look_around(self) -> None:
        """Which markets are open now: some of the world's, and those that will not live long."""
        listed = self.exchange.http.get(f"{BASE}/markets?status=open&limit=100").json()
        tickers = [market["ticker"] for market in listed["markets"]]
        fast = [ticker for ticker in tickers if ticker.startswith("KXSOAK")]
        self.tickers = [ticker for ticker in reversed(tickers) if ticker not in fast][:20] + fast

    def fail(self, what: str) -> None:
        with self.lock:
            self.failures.append(what)

    def spawn(self, work: Callable[[int], None], number: int) -> threading.Thread:
        def guarded() -> None:
            while not self.stop.is_set():
                try:
                    work(number)
                except Exception as error:
                    if not self.stop.is_set():
                        self.fail(f"{work.__name__}: {type(error).__name__}: {error}")
                        self.stop.wait(1.0)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread


class Traders:
    """The kinds of load."""

    def __init__(self, load: Load, members: list[Member]) -> None:
        self.load = load
        self.members = members

    def rest(self, number: int) -> None:
        """Orders, amends, cancels and reads, one after the other on one connection."""
        load, chance = self.load, random.Random(number)
        member = self.members[number % len(self.members)]
        open_orders: list[str] = []
        with httpx.Client(base_url=load.exchange.url, timeout=30, trust_env=False) as client:
            while not load.stop.is_set():
                kind = chance.random()
                ticker = chance.choice(load.tickers)
                if kind < 0.5 or not open_orders:
                    side = chance.choice(("yes", "no"))
                    body = {
                        "ticker": ticker,
                        "action": "buy",
                        "side": side,
                        "count": chance.randint(1, 5),
                        f"{side}_price": chance.randint(1, 60),
                        "client_order_id": f"{number}-{time.monotonic_ns()}",
                    }
                    answer = self.ask(client, member, "POST", "/portfolio/orders", body)
                    if answer.status_code == 201:
                        order = answer.json()["order"]
                        if order["status"] == "resting":
                            open_orders.append(order["order_id"])
                elif kind < 0.8:
                    order_id = open_orders.pop(chance.randrange(len(open_orders)))
                    self.ask(client, member, "DELETE", f"/portfolio/orders/{order_id}")
                else:
                    path = chance.choice(
                        (
                            f"/markets/{ticker}/orderbook",
                            "/portfolio/balance",
                            "/portfolio/positions",
                            "/portfolio/fills",
                            "/portfolio/orders",
                            "/markets",
                            "/portfolio/settlements",
                        )
                    )
                    self.ask(client, member, "GET", path)
                while len(open_orders) > 40:
                    order_id = open_orders.pop(0)
                    self.ask(client, member, "DELETE", f"/portfolio/orders/{order_id}")
                load.stop.wait(chance.random() * 0.04)

    def ask(
        self, client: httpx.Client, member: Member, method: str, path: str, body: Any = None
    ) -> httpx.Response:
        load = self.load
        headers = member.signer.headers(method, BASE + path)
        began = time.perf_counter()
        answer = client.request(method, BASE + path, json=body, headers=headers)
        with load.lock:
            load.times.append(time.perf_counter() - began)
            load.requests += 1
        if answer.status_code >= 500:
            load.fail(f"{method} {path}: {answer.status_code}")
        return answer

    def stream(self, number: int) -> None:
        """Listens to everything for a while, then hangs up, politely or not, and comes back."""
        load, chance = self.load, random.Random(number)
        member = self.members[number % len(self.members)]
        headers = member.signer.headers("GET", "/trade-api/ws/v2")
        until = time.monotonic() + chance.uniform(5, 40)
        with open_stream(load.exchange.websocket_url, additional_headers=headers) as stream:
            tickers = ",".join(f'"{ticker}"' for ticker in load.tickers)
            stream.send(
                '{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta","ticker",'
                f'"trade","fill","user_orders"],"market_tickers":[{tickers}]}}}}'
            )
            while time.monotonic() < until and not load.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    stream.recv(timeout=1.0)
                    with load.lock:
                        load.messages += 1
            if chance.random() < 0.5:
                # Without a word, as a machine that loses its network.
                stream.socket.shutdown(socket.SHUT_RDWR)

    def fix(self, number: int) -> None:
        """Logs on, enters orders and cancels them, logs out, and comes back."""
        from tests.fix_harness import connect

        load, chance = self.load, random.Random(number)
        member = self.members[number % len(self.members)]
        until = time.monotonic() + chance.uniform(10, 60)
        with connect(load.exchange, member) as client:
            assert client.log_on().type == "A"
            while time.monotonic() < until and not load.stop.is_set():
                name = f"f{number}-{time.monotonic_ns()}"
                ticker = chance.choice(load.tickers)
                client.send("D", f"11={name}|38=1|40=2|54=1|55={ticker}|44={chance.randint(1, 9)}")
                client.next("8", "3", "j")
                client.send("F", f"11={name}c|41={name}|54=1|55={ticker}")
                client.next("8", "9", "3", "j")
                with load.lock:
                    load.fix_messages += 4
                load.stop.wait(0.1)
            client.send("5")

    def nuisance(self, number: int) -> None:
        """Half requests, wrong signatures, connections that say nothing."""
        load = self.load
        host, port = load.exchange.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(random.Random(number).choice((b"", b"GET / HT", b"\x16\x03\x01")))
            load.stop.wait(0.5)
        httpx.get(
            f"{load.exchange.url}{BASE}/portfolio/balance",
            headers={"KALSHI-ACCESS-KEY": "x", "KALSHI-ACCESS-TIMESTAMP": "1"},
            trust_env=False,
        )
        load.stop.wait(0.5)


class Watch:
    """Writes down what the process is like."""

    def __init__(self, load: Load, out: Path) -> None:
        self.load = load
        self.process = psutil.Process(load.exchange.process_id)
        self.rows: list[dict[str, float]] = []
        self.began = time.monotonic()
        out.parent.mkdir(parents=True, exist_ok=True)
        self._file = out.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()

    def sample(self) -> dict[str, float]:
        load = self.load
        load.look_around()
        with load.lock:
            times, load.times = sorted(load.times), []
        row: dict[str, float] = {
            "seconds": round(time.monotonic() - self.began, 1),
            "records": load.exchange.operator.get("status")["sequence"],
            "memory_mb": round(self.process.memory_info().rss / 1e6, 2),
            **self._owners(),
            "files": self.process.num_fds(),
            "threads": self.process.num_threads(),
            "requests": load.requests,
            "median_ms": round(statistics.median(times) * 1000, 2) if times else 0,
            "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2) if times else 0,
            "messages": load.messages,
            "fix_messages": load.fix_messages,
            "failures": len(load.failures),
        }
        self.rows.append(row)
        self._writer.writerow(row)
        self._file.flush()
        return row

    def _owners(self) -> dict[str, float]:
        """How many there are of each kind in ``OWNERS``, as the metrics tell."""
        text = self.load.exchange.http.get("/metrics").text
        found = dict(line.split(" ") for line in text.splitlines() if line.startswith("augury_"))
        return {
            "client_order_ids": float(found["augury_client_order_ids"]),
            "settled_markets": float(found["augury_markets_settled_total"]),
            "open_orders": float(found["augury_open_orders"]),
        }

    def close(self) -> None:
        self._file.close()


class Growth(NamedTuple):
    """What memory grew by between two parts of a run, and what accounts for it."""

    megabytes: float
    records: float
    owners: dict[str, float]
    """How many more there are of each kind in ``OWNERS``."""

    @property
    def allowed(self) -> float:
        return FREE_MEGABYTES + sum(self.megabytes_of(name) for name in OWNERS)

    def megabytes_of(self, name: str) -> float:
        """What those of one kind may take; fewer than before give nothing back."""
        return max(0.0, self.owners[name]) * OWNERS[name] / 1e6

    def table(self) -> str:
        lines = [f"{'grown by, in the judged part':30}{'number':>10}{'bytes each':>12}{'MB':>8}"]
        for name, each in OWNERS.items():
            number, size = self.owners[name], self.megabytes_of(name)
            lines.append(f"{name.replace('_', ' '):30}{number:10.0f}{each:12}{size:8.1f}")
        lines.append(f"{'caches that fill, and noise':52}{FREE_MEGABYTES:8.1f}")
        lines.append(f"{'that may be':52}{self.allowed:8.1f}")
        lines.append(f"{'memory':30}{self.records:10.0f} records{'':4}{self.megabytes:8.1f}")
        return "\n".join(lines)


def growth_of(rows: list[dict[str, float]]) -> Growth:
    """From the first third of the judged part to the last."""
    early, late = judged(rows)
    differences = {
        name: middle(late, name) - middle(early, name) for name in ("memory_mb", "records", *OWNERS)
    }
    owners = {name: differences[name] for name in OWNERS}
    return Growth(differences["memory_mb"], differences["records"], owners)


def judged(rows: list[dict[str, float]]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The first and the last third of what comes after the warm-up."""
    part = rows[int(len(rows) * WARM_UP) :]
    third = max(1, len(part) // 3)
    return part[:third], part[-third:]


def middle(part: list[dict[str, float]], name: str) -> float:
    return statistics.median(row[name] for row in part)


def verdict(
    rows: list[dict[str, float]], idle: dict[str, float], after: dict[str, float]
) -> list[str]:
    """What is wrong, in sentences; empty when nothing is."""
    wrong = []
    early, late = judged(rows)
    growth = growth_of(rows)
    if growth.megabytes > growth.allowed:
        wrong.append(
            f"memory grew by {growth.megabytes:.0f} MB over {growth.records:.0f} records; "
            f"what they left accounts for {growth.allowed:.0f}"
        )
    if not growth.owners["settled_markets"]:
        wrong.append("no market was settled")
    if after["files"] > idle["files"] + 12:
        wrong.append(f"{after['files']:.0f} files are open, {idle['files']:.0f} were before")
    if after["threads"] > idle["threads"] + 8:
        wrong.append(f"{after['threads']:.0f} threads run, {idle['threads']:.0f} did before")
    slower = middle(late, "median_ms") / max(0.1, middle(early, "median_ms"))
    if slower > 3.0:
        wrong.append(f"answers take {slower:.1f} times as long as they did")
    return wrong


def write_world(folder: Path) -> Path:
    """The demo world with a series of markets that are soon over."""
    before, top, after = find_world("demo").read_text(encoding="utf-8").partition("\nseries:\n")
    lamps = "".join(LAMP.format(number).lstrip("\n") for number in range(1, LAMPS + 1))
    path = folder / "soak.yaml"
    path.write_text(before + top + FAST_SERIES.lstrip("\n") + lamps + after, encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "soak.csv")
    parser.add_argument("--rest", type=int, default=6, help="clients that trade by REST")
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--fix", type=int, default=2)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="augury-soak-") as folder,
        running_exchange(
            own_process=True,
            world=str(write_world(Path(folder))),
            clock="real",
            snapshot_every_minutes=2,
            snapshot_every_records=50_000,
            fix=True,
            fix_plain=True,
            fix_port=0,
        ) as exchange,
    ):
        members = [
            exchange.add_member(deposit="100000.00", keys=generate_key_pair())
            for _ in range(max(arguments.rest, arguments.streams, arguments.fix, 1))
        ]
        time.sleep(5)  # the world's first moments: its bots come in
        load = Load(exchange)
        traders = Traders(load, members)
        watch = Watch(load, arguments.out)
        idle = watch.sample()
        workers = [
            *(load.spawn(traders.rest, number) for number in range(arguments.rest)),
            *(load.spawn(traders.stream, 100 + number) for number in range(arguments.streams)),
            *(load.spawn(traders.fix, 200 + number) for number in range(arguments.fix)),
            load.spawn(traders.nuisance, 300),
        ]
        end = time.monotonic() + arguments.minutes * 60
        while time.monotonic() < end:
            time.sleep(min(SAMPLE_SECONDS, max(0.1, end - time.monotonic())))
            row = watch.sample()
            print("  ".join(f"{name} {value:g}" for name, value in row.items()), flush=True)
        load.stop.set()
        for worker in workers:
            worker.join(60)
        time.sleep(12)  # what is going away has to be gone
        after = watch.sample()
        watch.close()
        wrong = verdict(watch.rows[1:-1], idle, after)
        findings = audit_log(log_path(exchange.settings.data))
        if findings.difference is not None:
            wrong.append(f"the audit disagrees: {findings.difference}")
        if load.failures:
            wrong.append(f"{len(load.failures)} failures, the first: {load.failures[0]}")
    rows = watch.rows[1:-1]
    print(f"\n{growth_of(rows).table()}\n")
    for sentence in wrong or [
        "nothing grew that is not the log's, and every cent is accounted for"
    ]:
        print(sentence)
    if not wrong:
        record(
            "soak",
            {
                "minutes": round(arguments.minutes),
                "records": int(after["records"]),
                "markets settled": int(after["settled_markets"]),
                "REST requests": int(after["requests"]),
                "WebSocket messages": int(after["messages"]),
                "FIX messages": int(after["fix_messages"]),
                "memory at a quarter of the time, MB": round(rows[len(rows) // 4]["memory_mb"]),
                "memory at the end, MB": round(rows[-1]["memory_mb"]),
                "of which the log accounts for, MB": round(
                    sum(rows[-1][name] * each for name, each in OWNERS.items()) / 1e6
                ),
                "open files before, after": f"{idle['files']:.0f}, {after['files']:.0f}",
                "median answer, ms": statistics.median(row["median_ms"] for row in rows),
                "99th percentile, ms": statistics.median(row["p99_ms"] for row in rows),
                "fills audited": findings.fills,
            },
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
