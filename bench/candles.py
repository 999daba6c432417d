"""What candlesticks cost the server when a market has traded a hundred times as much.

The same three days, with trades in the same minutes, once with 10,000 trades and once with
1,000,000. What counts is the processor time of the process from the request to the encoded
answer, threads included, so a client's waiting does not hide it.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.events import TickerChanged, TradeExecuted
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.gateways.auth import Authenticator
from augury.gateways.rest.app import RestGateway
from augury.gateways.settings import BASE_PATH, RestSettings
from augury.log.memory import MemoryLog
from augury.projections.history import History
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries
from augury.sequencer import Sequencer
from augury.sequencer.clocks import VirtualClock

FEW = 10_000
MANY = 1_000_000
GOAL = 1.5
ROUNDS = 7

SECOND = 1_000_000_000
START = 1_772_373_600
"""2026-03-01T14:00:00Z."""
MINUTES = 3 * 24 * 60
TICKER = "BENCH-1-T1"

CALLS = {1: ("minutes", 3), 60: ("hours", 40), 1440: ("days", 100)}
"""Period -> its name, and how many requests are timed together."""


def trading(trades: int) -> Iterator[Applied]:
    """Records of ``trades`` matches, spread evenly over the minutes; prices wander."""
    command = c.Tick()
    for number in range(trades):
        minute = number * MINUTES // trades
        time_ns = (START + minute * 60 + 1) * SECOND + number % 50
        price = 4_000 + (number * 7919 // 11) % 20 * 100
        trade = TradeExecuted(
            number << 20, TICKER, price, 100, 1, number, number, 100 * number, 100 * number
        )
        bid = price - 100
        ticker = TickerChanged(
            TICKER, bid, 100, price + 100, 100, price, 100, 100 * number, 100 * number
        )
        yield Applied(number + 1, time_ns, command, [ticker, trade], 0)


async def list_market(gate: Sequencer) -> None:
    await gate.submit(c.CreateSeries("BENCH", "quadratic", 1_000_000, "{}"))
    await gate.submit(c.CreateEvent("BENCH-1", "BENCH", False, "", "{}"))
    close_ns = (START + MINUTES * 60) * SECOND
    structure = "linear_cent"
    await gate.submit(
        c.CreateMarket(
            *(TICKER, "BENCH-1", "binary", START * SECOND, close_ns, 0, close_ns, 0, True),
            *(structure, PRICE_LEVEL_STRUCTURES[structure], False, False, 0, "{}"),
        )
    )
    await gate.advance_to(close_ns)


class Side:
    """A gateway over a history with so many trades."""

    def __init__(self, gate: Sequencer, folder: Path, trades: int) -> None:
        self.history = History(f"sqlite:///{folder / f'{trades}.sqlite'}")
        self.history.open()
        self.history.load(trading(trades))
        self.queries = HistoryQueries(self.history.database)
        self.gateway = RestGateway(
            gate,
            self.history,
            self.queries,
            MarketStats(),
            Authenticator(gate),
            RestSettings(rate_limits=False),
        )

    async def get(self, period: int) -> int:
        """Ask for all three days. The length of the answer."""
        path = f"{BASE_PATH}/series/BENCH/markets/{TICKER}/candlesticks"
        query = f"start_ts={START}&end_ts={START + MINUTES * 60}&period_interval={period}"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.gateway(scope, receive, send)
        if sent[0]["status"] != 200:
            raise SystemExit(sent[1]["body"].decode())
        return len(sent[1]["body"])

    async def cost(self, period: int, calls: int) -> float:
        """Processor seconds per request."""
        began = time.process_time()
        for _ in range(calls):
            await self.get(period)
        return (time.process_time() - began) / calls

    def close(self) -> None:
        self.queries.close()
        self.history.close()


async def measure() -> list[dict[str, Any]]:
    gate = Sequencer(Engine(), MemoryLog(), VirtualClock(START * SECOND))
    await gate.start()
    await list_market(gate)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        few, many = Side(gate, Path(folder), FEW), Side(gate, Path(folder), MANY)
        for period, (name, calls) in CALLS.items():
            sizes = [await side.get(period) for side in (few, many)]
            if not 0.8 < sizes[0] / sizes[1] < 1.25:
                raise SystemExit(f"the answers do not compare: {sizes}")
            costs, ratios = [], []
            for _ in range(ROUNDS):
                least = await few.cost(period, calls)
                cost = await many.cost(period, calls)
                costs.append(cost)
                ratios.append(cost / least)
            ratio = statistics.median(ratios)
            rows.append(
                {
                    "name": f"three days of candlesticks in {name}, {MANY:,} trades, server CPU",
                    "value": round(statistics.median(costs) * 1e3, 2),
                    "unit": "ms",
                    "against": f"the same with {FEW:,} trades",
                    "ratio": round(ratio, 2),
                    "goal": f"<= {GOAL}",
                    "holds": ratio <= GOAL,
                }
            )
        few.close()
        many.close()
    await gate.stop()
    return rows


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    for row in asyncio.run(measure()):
        print(row)
