"""Months of fast markets: what settled ones leave behind outside of the exchange's state."""

import contextlib
import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from augury.codec.text import rfc3339
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.state import FINALIZED
from augury.gateways.auth import Authenticator
from augury.gateways.rest.market_rows import MarketRows
from augury.gateways.ws.app import WebSocketGateway
from augury.projections.database import HistoryDatabase
from augury.projections.market_stats import MarketStats
from augury.projections.writer import HistoryWriter
from tests.ws_harness import SECOND, DirectGate

MINUTE_NS = 60 * SECOND
DAY_NS = 1440 * MINUTE_NS
DETAILS = '{"title": "Above?", "rules_primary": "' + 40 * "It resolves to Yes. " + '"}'
BATCH = 50


def open_series(gate: DirectGate) -> tuple[int, int]:
    """A series for fast markets, and two members who trade in it."""
    maker, _ = gate.add_member("maker@example.com")
    taker, _ = gate.add_member("taker@example.com")
    gate.must(c.CreateSeries("FAST", "quadratic", 1_000_000, "{}"))
    gate.must(c.CreateEvent("FAST-E", "FAST", False, "", "{}"))
    return maker, taker


def lives(gate: DirectGate, maker: int, taker: int) -> Iterator[str]:
    """Markets of two minutes, one after the other; each is traded in when it is yielded."""
    while True:
        ticker = f"FAST-E-{gate.state.sequence}"
        now = gate.now_ns()
        gate.must(
            c.CreateMarket(
                *(ticker, "FAST-E", "binary", now, now + DAY_NS, 0, 0, 0, True, "linear_cent"),
                *(PRICE_LEVEL_STRUCTURES["linear_cent"], False, False, 0, DETAILS),
            )
        )
        for member_id, side in ((maker, "yes"), (taker, "no")):
            gate.must(c.PlaceOrder(member_id, 0, ticker, "", "buy", side, 5_000, 100))
        yield ticker
        gate.time_ns += 2 * MINUTE_NS
        gate.must(c.DetermineMarket(ticker, "yes"))
        assert gate.state.markets[ticker].status == FINALIZED


def growth_of_the_state() -> float:
    """Bytes per market where nobody listens."""
    gate = DirectGate()
    markets = lives(gate, *open_series(gate))
    with traced():
        for _ in range(BATCH):
            next(markets)
        before = traced_bytes()
        for _ in range(2_000):
            next(markets)
        return (traced_bytes() - before) / 2_000


def growth_of_everything(folder: Path) -> float:
    """Bytes per market with history, statistics, streams, and somebody who reads every market."""
    gate = DirectGate()
    waiting: list[Applied] = []
    gate.listen(waiting.append)
    statistics = MarketStats()
    gate.listen(statistics.observe)
    gateway = WebSocketGateway(gate, Authenticator(gate))
    rows = MarketRows(statistics, gate.now_ns, lambda: gate.state.markets)
    writer = HistoryWriter(HistoryDatabase(f"sqlite:///{folder / 'history.sqlite'}"))
    writer.open()
    markets = lives(gate, *open_series(gate))
    sizes = []
    with traced():
        for second in range(10_000):
            rfc3339(second * SECOND)  # or the times of the markets would fill that cache meanwhile
        # Rows are swept out every 2,000 markets: it is measured shortly after, both times.
        for count in (2_000 + BATCH, 2_000):
            for _ in range(count // BATCH):
                for _ in range(BATCH):
                    rows.row(gate.state.markets[next(markets)], "3.6")
                writer.write(waiting)
                waiting.clear()
            sizes.append(traced_bytes())
    gateway.stop()
    writer.close()
    return (sizes[1] - sizes[0]) / 2_000


@contextlib.contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def traced_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_settled_markets_leave_next_to_nothing_outside_of_the_state(tmp_path: Path) -> None:
    """The state knows them for good; their candles, statistics, rows and quotes go."""
    state = growth_of_the_state()
    assert state > 500, "the state does not know its markets"
    assert growth_of_everything(tmp_path) - state < 150
