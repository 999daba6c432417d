"""The last 24 hours of a market, against a plain look back over everything that happened."""

import asyncio
import random
from pathlib import Path

import pytest

from augury.core.applied import Applied
from augury.core.commands import Tick
from augury.core.events import (
    Event,
    MarketCreated,
    MarketSettled,
    TickerChanged,
    TradeExecuted,
)
from augury.projections.history import History
from augury.projections.market_stats import NOTHING, WINDOW_MINUTES, DayStats, MarketStats
from augury.projections.queries import HistoryQueries
from tests.exchange_story import MARKETS, START_NS, whole_life

MINUTE_NS = 60_000_000_000
DAY_NS = WINDOW_MINUTES * MINUTE_NS


def at(time_ns: int, *events: Event) -> Applied:
    return Applied(1, time_ns, Tick(), list(events), 0)


def traded(price: int, quantity: int, ticker: str = "M") -> TradeExecuted:
    return TradeExecuted(1, ticker, price, quantity, 1, 1, 2, 0, 0)


def quoted(bid: int, ask: int, ticker: str = "M") -> TickerChanged:
    return TickerChanged(ticker, bid, 100, ask, 100, 0, 0, 0, 0)


def plainly(applied: list[Applied], ticker: str, now_ns: int) -> DayStats:
    """The same by going through all events, at the resolution of a minute."""
    cut = (now_ns // MINUTE_NS - WINDOW_MINUTES) * MINUTE_NS
    volume, known = 0, False
    bid, ask, price = 0, 10_000, 0
    for record in applied:
        for event in record.events:
            if getattr(event, "market_ticker", "") != ticker:
                continue
            if isinstance(event, TradeExecuted):
                if record.time_ns > cut:
                    volume += event.quantity
                else:
                    known, price = True, event.price
            elif isinstance(event, TickerChanged) and record.time_ns <= cut:
                if (bid, ask) != (event.bid_price, event.ask_price):
                    known = True
                bid, ask = event.bid_price, event.ask_price
    return DayStats(volume, price, bid, ask) if known else DayStats(volume, 0, 0, 0)


def test_a_market_that_nobody_touched_has_nothing() -> None:
    assert MarketStats().of("M", START_NS) == (0, 0, 0, 0)


def test_the_volume_leaves_after_a_day_and_the_price_becomes_the_previous_one() -> None:
    stats = MarketStats()
    stats.observe(at(START_NS, quoted(4_000, 6_000), traded(6_000, 700)))
    stats.observe(at(START_NS + 3 * MINUTE_NS, traded(6_100, 50)))

    assert stats.of("M", START_NS + DAY_NS - 1) == (750, 0, 0, 0)
    assert stats.of("M", START_NS + DAY_NS) == (50, 6_000, 4_000, 6_000)
    assert stats.of("M", START_NS + DAY_NS + 3 * MINUTE_NS) == (0, 6_100, 4_000, 6_000)


def test_a_clock_that_jumps_finds_the_window_empty() -> None:
    stats = MarketStats()
    stats.observe(at(START_NS, traded(6_000, 700)))

    assert stats.of("M", START_NS + 400 * DAY_NS) == (0, 6_000, 0, 10_000)
    stats.observe(at(START_NS + 401 * DAY_NS, traded(2_000, 10)))
    assert stats.of("M", START_NS + 401 * DAY_NS) == (10, 6_000, 0, 10_000)


def settled(ticker: str) -> MarketSettled:
    return MarketSettled(ticker, "E", "yes", 10_000, False)


def test_a_market_is_forgotten_a_day_after_it_was_settled() -> None:
    stats = MarketStats()
    stats.observe(at(START_NS, traded(6_000, 700), settled("M")))
    stats.observe(at(START_NS + DAY_NS, settled("OTHER")))
    assert stats.of("M", START_NS + DAY_NS) == (0, 6_000, 0, 10_000)
    stats.observe(at(START_NS + DAY_NS + 2 * MINUTE_NS, settled("ANOTHER")))

    assert stats.of("M", START_NS + DAY_NS + 2 * MINUTE_NS) is NOTHING


def test_a_market_that_was_listed_again_is_not_forgotten() -> None:
    stats = MarketStats()
    stats.observe(at(START_NS, settled("M")))
    stats.observe(at(START_NS + MINUTE_NS, traded(6_000, 700)))
    stats.observe(at(START_NS + DAY_NS + MINUTE_NS, settled("OTHER")))

    assert stats.of("M", START_NS + DAY_NS) == (700, 0, 0, 0)


async def test_a_start_reads_no_markets_that_were_settled_before_its_day(tmp_path: Path) -> None:
    """A provisional market that vanished and was listed again is none of them."""
    story = whole_life(seed=5, steps=400)
    again = [
        MarketCreated("AGAIN", "SKY-DAY", 0, 0, "{}"),
        settled("AGAIN"),
        MarketCreated("AGAIN", "SKY-DAY", 0, 0, "{}"),
        traded(6_000, 700, "AGAIN"),
    ]
    last = story.applied[-1]
    story.applied.append(Applied(last.sequence + 1, story.now_ns, Tick(), list(again), 0))
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    history.load(story.applied)
    queries = HistoryQueries(history.database)
    known: dict[int, set[str]] = {}
    for days in (0, 2):
        start_ts = (story.now_ns - DAY_NS + days * DAY_NS) // 1_000_000_000
        known[days] = {candle.market_ticker for candle in await queries.candles_since(start_ts)}
    queries.close()
    history.close()

    assert known == {0: {*MARKETS, "AGAIN"}, 2: {"AGAIN"}}


@pytest.mark.parametrize("case", range(5))
def test_it_agrees_with_a_plain_look_back(case: int, seed: int) -> None:
    chance = random.Random(seed + case)
    stats = MarketStats()
    applied: list[Applied] = []
    now_ns = START_NS
    for _ in range(400):
        now_ns += chance.choice((0, 1, MINUTE_NS // 3, MINUTE_NS, 50 * MINUTE_NS, DAY_NS // 4))
        event = (
            traded(chance.randint(1, 9_999), chance.randint(1, 500))
            if chance.random() < 0.5
            else quoted(chance.randint(0, 3), chance.randint(9_997, 10_000))
        )
        applied.append(at(now_ns, event))
        stats.observe(applied[-1])
        if chance.random() < 0.3:
            now_ns += chance.choice((0, MINUTE_NS, DAY_NS))
            assert stats.of("M", now_ns) == plainly(applied, "M", now_ns)


@pytest.mark.parametrize("split", [0, 150, 300, 424])
async def test_after_a_restart_it_goes_on_from_history(tmp_path: Path, split: int) -> None:
    story = whole_life(seed=5, steps=400)
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    history.load(story.applied[:split])
    queries = HistoryQueries(history.database)
    stats = MarketStats()
    now_ns = story.applied[split - 1].time_ns if split else START_NS
    await stats.load(queries, now_ns)
    queries.close()
    history.close()
    for applied in story.applied[split:]:
        stats.observe(applied)

    for later in range(0, 40 * 60, 7):
        now_ns = max(story.now_ns, START_NS + later * MINUTE_NS)
        for ticker in MARKETS:
            assert stats.of(ticker, now_ns) == plainly(story.applied, ticker, now_ns)


@pytest.mark.parametrize("known", [200, 260, 424])
async def test_statistics_that_began_before_history_was_whole_take_it_in_later(
    tmp_path: Path, known: int
) -> None:
    """An exchange that starts while its history catches up must not forget its day for good."""
    story = whole_life(seed=5, steps=400)
    stats = MarketStats()
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    queries = HistoryQueries(history.database)
    history.load(story.applied[:90])
    await stats.load(queries, story.applied[199].time_ns)
    for applied in story.applied[200:]:
        stats.observe(applied)
    # Some of what was observed is in there, and some is not yet.
    history.load(story.applied[:known])
    await stats.load(queries, story.now_ns)
    queries.close()
    history.close()

    for ticker in MARKETS:
        now_ns = story.now_ns
        assert stats.of(ticker, now_ns) == plainly(story.applied, ticker, now_ns)


async def test_statistics_wait_for_a_history_that_is_behind(tmp_path: Path) -> None:
    story = whole_life(seed=5, steps=400)
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    history.start()
    queries = HistoryQueries(history.database)
    stats = MarketStats()
    end = story.applied[-1].sequence
    loading = asyncio.ensure_future(stats.load_later(queries, history, end, lambda: story.now_ns))
    await asyncio.sleep(0)
    for applied in story.applied:
        history.feed(applied)
    await asyncio.wait_for(loading, 20)
    queries.close()
    history.close()

    for ticker in MARKETS:
        assert stats.of(ticker, story.now_ns) == plainly(story.applied, ticker, story.now_ns)
