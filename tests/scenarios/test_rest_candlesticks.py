"""Candlesticks over HTTP: labels, alignment, gaps, the state before, limits, events, forecasts.

What they should hold is worked out again from the trades and quotes that the exchange published.
"""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from tests.history_tables import expected_candles
from tests.rest_harness import (
    HOUR,
    RAIN,
    RAIN_MORE,
    SECOND,
    START_NS,
    SUN,
    Caller,
    RestExchange,
    running,
)

START = START_NS // SECOND
MINUTE = 60 * SECOND
ONE = f"/series/RAIN/markets/{RAIN}/candlesticks"
BATCH = "/markets/candlesticks"
EVENT = "/series/RAIN/events/RAIN-26MAR01/candlesticks"
FORECAST = "/series/RAIN/events/RAIN-26MAR01/forecast_percentile_history"


class Day:
    """An exchange with two members who trade, and everything that happened there."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.applied: list[Applied] = []
        exchange.gate.listen(self.applied.append)
        self.buyer = exchange.member("buyer", tier="prime")
        self.seller = exchange.member("seller", tier="prime")
        self.public = exchange.stranger()

    def trade(self, price: int, count: int, ticker: str = RAIN) -> None:
        self.seller.order("sell", "yes", price, count, ticker)
        self.buyer.order("buy", "yes", price, count, ticker)

    def candles(self, start: int, end: int, period: int = 1, **more: Any) -> Any:
        """Of the market that this module is about; times are seconds after the start."""
        return self.public.get(
            ONE, start_ts=START + start, end_ts=START + end, period_interval=period, **more
        )["candlesticks"]


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    with running(tmp_path) as exchange:
        yield Day(exchange)


LONG = ("LONG-1-A", "LONG-1-B")
LONG_EVENT = "/series/LONG/events/LONG-1/candlesticks"


def list_long_event(exchange: RestExchange, hours: int) -> None:
    """Two markets that stay open for longer than those of the harness."""
    exchange.do(c.CreateSeries("LONG", "quadratic", 1_000_000, "{}"))
    exchange.do(c.CreateEvent("LONG-1", "LONG", False, "", "{}"))
    close_ns = START_NS + hours * HOUR
    for ticker in LONG:
        exchange.do(
            c.CreateMarket(
                *(ticker, "LONG-1", "binary", START_NS, close_ns, 0, close_ns, 0, True),
                *("linear_cent", PRICE_LEVEL_STRUCTURES["linear_cent"], False, False, 0, "{}"),
            )
        )


def ends(candles: list[Any]) -> list[int]:
    return [candle["end_period_ts"] - START for candle in candles]


def test_a_quiet_market_has_a_candle_for_every_minute_since_it_opened(day: Day) -> None:
    day.exchange.advance(3 * MINUTE)
    candles = day.candles(-600, 600)

    # It opened at the end of a minute, which belongs to that minute.
    assert ends(candles) == [0, 60, 120, 180]
    first = candles[0]
    assert first["yes_bid"] == {
        **dict.fromkeys(("open", "high", "low", "close"), 0),
        **dict.fromkeys((f"{name}_dollars" for name in ("open", "high", "low", "close")), "0.0000"),
    }
    assert (first["yes_ask"]["close"], first["yes_ask"]["close_dollars"]) == (100, "1.0000")
    assert first["price"] == dict.fromkeys(
        ("open", "high", "low", "close", "mean", "previous", "min", "max")
    )
    assert (first["volume"], first["volume_fp"], first["open_interest_fp"]) == (0, "0.00", "0.00")


def test_quotes_and_prices_are_carried_forward(day: Day) -> None:
    day.exchange.advance(30 * SECOND)
    day.trade(40, 3)
    day.trade(45, 1)
    day.buyer.order("buy", "yes", 38, 5)
    day.exchange.advance(2 * MINUTE)
    first, second, third = day.candles(60, 180)

    assert first["price"] == {
        "open": 40,
        "open_dollars": "0.4000",
        "low": 40,
        "low_dollars": "0.4000",
        "high": 45,
        "high_dollars": "0.4500",
        "close": 45,
        "close_dollars": "0.4500",
        # (3 x 40 + 45) / 4 = 41.25
        "mean": 41,
        "mean_dollars": "0.4125",
        "previous": None,
        "min": None,
        "max": None,
    }
    assert (first["volume"], first["open_interest"]) == (4, 4)
    assert (first["yes_bid"]["open"], first["yes_bid"]["close"]) == (0, 38)
    # Each resting offer was the best one for a moment.
    assert (first["yes_ask"]["low"], first["yes_ask"]["close"]) == (40, 100)
    assert (second["yes_bid"]["open"], second["yes_bid"]["close"]) == (38, 38)
    assert (second["price"]["previous"], second["price"]["previous_dollars"]) == (45, "0.4500")
    assert second["price"]["close"] is None
    assert "close_dollars" not in second["price"]
    assert (second["volume"], second["open_interest"]) == (0, 4)
    assert {**third, "end_period_ts": 0} == {**second, "end_period_ts": 0}


def test_fractions_of_a_cent_are_exact_in_dollars_and_rounded_down_in_cents(day: Day) -> None:
    for side, more in (("yes", {"yes_price_dollars": "0.3050"}), ("no", {})):
        more = more or {"no_price_dollars": "0.6950"}
        body = {"ticker": SUN, "side": side, "action": "buy", "count_fp": "2.50", **more}
        (day.buyer if side == "yes" else day.seller).post("/portfolio/orders", body)
    (candle,) = day.public.get(
        f"/series/SUN/markets/{SUN}/candlesticks",
        start_ts=START,
        end_ts=START,
        period_interval=1,
    )["candlesticks"]

    assert (candle["price"]["mean"], candle["price"]["mean_dollars"]) == (30, "0.3050")
    assert (candle["volume"], candle["volume_fp"]) == (2, "2.50")


def test_the_running_period_shows_what_it_has_and_later_ones_are_not_made_up(day: Day) -> None:
    day.trade(40, 2)
    (hour,) = day.candles(-7200, 7200, 60)
    assert (ends([hour]), hour["volume"]) == ([0], 2)
    day.exchange.advance(SECOND)
    day.trade(40, 3)
    assert ends(day.candles(-7200, 7200, 60)) == [0, 3600]
    assert [one["volume"] for one in day.candles(-7200, 7200, 60)] == [2, 3]
    # The day ends at midnight in New York, five hours after midnight in London.
    (whole,) = day.candles(-86_400, 86_400, 1440)
    assert (ends([whole]), whole["volume"]) == ([15 * 3600], 5)
    assert day.candles(0, 14 * 3600, 1440) == []


def test_a_market_that_is_paid_moves_once_more_after_its_close(day: Day) -> None:
    day.trade(40, 4)
    day.exchange.advance(10 * HOUR)
    day.exchange.do(c.DetermineMarket(RAIN, "yes"))
    day.exchange.advance(5 * HOUR)
    candles = day.candles(9 * 3600, 20 * 3600, 60)

    # From nine to ten it was open; an hour after the result it was settled.
    assert ends(candles) == [9 * 3600, 10 * 3600, 11 * 3600]
    assert [candle["open_interest"] for candle in candles] == [4, 4, 0]


def test_the_state_before_the_start_can_come_first(day: Day) -> None:
    day.exchange.advance(30 * SECOND)
    day.trade(40, 3)
    day.buyer.order("buy", "yes", 38, 5)
    day.exchange.advance(20 * HOUR)
    asked = {"include_latest_before_start": "true"}

    (synthetic,) = day.candles(15 * 3600 + 1, 16 * 3600, 60, **asked)
    assert ends([synthetic]) == [16 * 3600]
    assert (synthetic["yes_bid"]["open"], synthetic["yes_bid"]["close"]) == (0, 0)
    assert (synthetic["price"]["close"], synthetic["price"]["previous"]) == (None, 40)
    assert (synthetic["volume"], synthetic["open_interest"]) == (0, 3)

    # A real candle that ends where it would takes its place.
    real = day.candles(2 * 3600 + 1, 4 * 3600, 60)
    assert day.candles(2 * 3600 + 1, 4 * 3600, 60, **asked) == real
    # Before the market there was nothing.
    assert day.candles(-7200, -3600, 60, **asked) == []
    assert ends(day.candles(-7200, 60, 1, **asked)) == [0, 60]


def test_all_periods_are_what_trades_and_quotes_say(day: Day) -> None:
    """Some days of bursts and pauses, across the night in which clocks go forward."""
    chance = random.Random(20260301)
    list_long_event(day.exchange, 40 * 24)
    for _ in range(90):
        pause = chance.choice((1, 20, 61, 600, 3_601, 30_000))
        day.exchange.advance(pause * SECOND)
        ticker = chance.choice(LONG)
        price = chance.randint(20, 80)
        maker, taker = chance.sample((day.buyer, day.seller), 2)
        maker.order("sell", "yes", price, chance.randint(1, 9), ticker)
        taker.order("buy", "yes", chance.choice((price, price - 10)), 3, ticker)
    applied = list(day.applied)
    end = day.exchange.gate.now_ns() // SECOND + 1
    for period in (1, 60, 1440):
        expected = expected_candles(applied, period)
        for ticker in LONG:
            mine = {row[1]: row for row in expected if row[0] == ticker}
            start = START if period != 1 else end - 9_000 * 60
            shown = day.public.get(
                f"/series/LONG/markets/{ticker}/candlesticks",
                start_ts=start,
                end_ts=end + 86_400,
                period_interval=period,
            )["candlesticks"]
            changed = {one["end_period_ts"]: one for one in shown if one["end_period_ts"] in mine}
            assert list(changed) == [at for at in mine if at >= start]
            for at, candle in changed.items():
                check(candle, mine[at])
            # No gaps, and what nobody changed is what it was.
            for before, after in pairwise(shown):
                assert before["end_period_ts"] < after["end_period_ts"]
                assert after["yes_bid"]["open"] == before["yes_bid"]["close"]
                assert after["yes_ask"]["open"] == before["yes_ask"]["close"]
                if after["end_period_ts"] not in mine:
                    assert after["volume"] == 0
                    assert after["open_interest"] == before["open_interest"]


def check(candle: Any, row: tuple[Any, ...]) -> None:
    _, _, bo, bh, bl, bc, ao, ah, al, ac, po, ph, pl, pc, previous, _, volume, value, open_ = row
    for shown, wanted in (
        (candle["yes_bid"], (bo, bh, bl, bc)),
        (candle["yes_ask"], (ao, ah, al, ac)),
    ):
        for name, price in zip(("open", "high", "low", "close"), wanted, strict=True):
            assert (shown[name], shown[f"{name}_dollars"]) == (
                price // 100,
                f"{price / 10_000:.4f}",
            )
    prices = (("open", po), ("high", ph), ("low", pl), ("close", pc))
    for name, price in prices:
        assert candle["price"][name] == (price // 100 if volume else None)
    assert candle["price"]["mean"] == (value // volume // 100 if volume else None)
    assert candle["price"]["previous"] == (previous // 100 if previous else None)
    assert (candle["volume"], candle["open_interest"]) == (volume // 100, open_ // 100)


# --- several markets -------------------------------------------------------------------------


def test_a_batch_has_one_entry_per_known_market(day: Day) -> None:
    day.trade(40, 1)
    day.trade(55, 2, RAIN_MORE)
    found = day.public.get(
        BATCH,
        market_tickers=f"{RAIN_MORE},NOWHERE,{RAIN}",
        start_ts=START,
        end_ts=START,
        period_interval=1,
    )["markets"]

    assert [entry["market_ticker"] for entry in found] == [RAIN_MORE, RAIN]
    assert [entry["candlesticks"][0]["volume"] for entry in found] == [2, 1]


def test_an_event_shows_its_markets_side_by_side(day: Day) -> None:
    day.trade(40, 1)
    day.trade(55, 2, RAIN_MORE)
    day.exchange.advance(MINUTE)
    answer = day.public.get(EVENT, start_ts=START, end_ts=START + 60, period_interval=1)

    assert answer["market_tickers"] == [RAIN, RAIN_MORE]
    assert answer["adjusted_end_ts"] == START + 60
    (first, quiet), (second, _) = answer["market_candlesticks"]
    # The extremes are those of the whole event.
    for candle in (first, second):
        assert (candle["price"]["min"], candle["price"]["max"]) == (40, 55)
        assert (candle["price"]["min_dollars"], candle["price"]["max_dollars"]) == (
            "0.4000",
            "0.5500",
        )
    assert (quiet["price"]["min"], quiet["price"]["max"]) == (None, None)


def test_an_event_that_is_too_long_is_cut_and_continued_without_a_gap(day: Day) -> None:
    list_long_event(day.exchange, 60)
    day.exchange.advance(50 * HOUR)
    start, requested = START, START + 50 * 3600
    seen: list[list[int]] = [[], []]
    pages = 0
    while True:
        answer = day.public.get(LONG_EVENT, start_ts=start, end_ts=requested, period_interval=1)
        rows = answer["market_candlesticks"]
        assert sum(map(len, rows)) <= 5_000
        for ends_seen, row in zip(seen, rows, strict=True):
            ends_seen.extend(ends(row))
        pages += 1
        if answer["adjusted_end_ts"] == requested:
            break
        assert start < answer["adjusted_end_ts"] < requested
        start = answer["adjusted_end_ts"]

    assert pages == 2
    assert seen == [list(range(0, 50 * 3600 + 1, 60))] * 2


def test_too_long_ranges_of_markets_are_refused(day: Day) -> None:
    list_long_event(day.exchange, 400)
    day.exchange.advance(200 * HOUR)
    one = f"/series/LONG/markets/{LONG[0]}/candlesticks"
    query = {"start_ts": START + 60, "end_ts": START + 10_000 * 60, "period_interval": 1}

    assert len(day.public.get(one, **query)["candlesticks"]) == 10_000
    assert day.public.refused(400, "GET", one, params={**query, "start_ts": START})
    both = {**query, "market_tickers": ",".join(LONG)}
    assert day.public.refused(400, "GET", BATCH, params=both) == "invalid_parameters"
    # Far more than there can be is no more than there is.
    whole = {"start_ts": 0, "end_ts": 32_503_680_000, "period_interval": 1440}
    assert len(day.public.get(one, **whole)["candlesticks"]) == 9


@pytest.mark.parametrize(
    "path, change, status",
    [
        (ONE, {"period_interval": 5}, 400),
        (ONE, {"period_interval": "01"}, 400),
        (ONE, {"period_interval": None}, 400),
        (ONE, {"start_ts": None}, 400),
        (ONE, {"end_ts": "soon"}, 400),
        (ONE, {"end_ts": -1}, 400),
        (ONE, {"end_ts": 10**17}, 400),
        (ONE, {"start_ts": START + 1, "end_ts": START}, 400),
        (ONE.replace(RAIN, "NOWHERE"), {}, 404),
        (ONE.replace("RAIN/", "SUN/", 1), {}, 404),
        (EVENT, {"period_interval": 1441}, 400),
        (EVENT.replace("RAIN-26MAR01", "NOWHERE"), {}, 404),
        (EVENT.replace("RAIN/", "SUN/", 1), {}, 404),
        (BATCH, {}, 400),
        (BATCH, {"market_tickers": ",".join(f"M{n}" for n in range(101))}, 400),
        (BATCH, {"market_tickers": RAIN, "period_interval": 2}, 400),
    ],
)
def test_what_cannot_be_answered_is_refused(
    day: Day, path: str, change: dict[str, Any], status: int
) -> None:
    query = {"start_ts": START, "end_ts": START, "period_interval": 1, **change}
    day.public.refused(
        status, "GET", path, params={name: one for name, one in query.items() if one is not None}
    )


# --- forecasts -------------------------------------------------------------------------------


def quote(caller: Caller, ticker: str, bid: int, ask: int) -> None:
    caller.order("buy", "yes", bid, 1, ticker)
    caller.order("sell", "yes", ask, 1, ticker)


def test_a_forecast_reads_percentiles_off_the_prices_of_strikes(day: Day) -> None:
    """More than 1.5 with 70 percent, more than 2.5 with 20."""
    quote(day.buyer, RAIN, 69, 71)
    quote(day.seller, RAIN_MORE, 18, 22)
    day.exchange.advance(MINUTE)
    query = {"start_ts": START, "end_ts": START + 60, "period_interval": 1}
    history = day.buyer.get(FORECAST, percentiles=[5000, 2500, 9900], **query)["forecast_history"]

    assert [point["end_period_ts"] for point in history] == [START, START + 60]
    median, low, high = history[1]["percentile_points"]
    assert median["percentile"] == 5000
    assert median["raw_numerical_forecast"] == pytest.approx(1.9)
    assert median["numerical_forecast"] == 2
    assert median["formatted_forecast"] == "2"
    # Beyond the strikes nothing is known.
    assert (low["raw_numerical_forecast"], high["raw_numerical_forecast"]) == (1.5, 2.5)


def test_a_forecast_of_five_second_steps(day: Day) -> None:
    quote(day.buyer, RAIN, 69, 71)
    quote(day.seller, RAIN_MORE, 18, 22)
    day.exchange.advance(MINUTE)
    query = {"start_ts": START, "end_ts": START + 60, "period_interval": 0, "percentiles": 5000}
    history = day.buyer.get(FORECAST, **query)["forecast_history"]

    assert [point["end_period_ts"] for point in history] == list(range(START, START + 61, 5))
    assert {point["period_interval"] for point in history} == {0}


def test_an_event_without_numbers_has_no_forecast(day: Day) -> None:
    path = "/series/SUN/events/SUN-26MAR01-E/forecast_percentile_history"
    query = {"start_ts": START, "end_ts": START, "period_interval": 1, "percentiles": 5000}
    assert day.buyer.get(path, **query) == {"forecast_history": []}


@pytest.mark.parametrize(
    "change",
    [
        {"percentiles": None},
        {"percentiles": 10_001},
        {"percentiles": "1" * 5000},
        {"percentiles": "half"},
        {"percentiles": list(range(11))},
        {"period_interval": 5},
        {"end_ts": START + 5 * 5001, "period_interval": 0},
        {"start_ts": START + 1},
    ],
)
def test_what_cannot_be_forecast_is_refused(day: Day, change: dict[str, Any]) -> None:
    day.exchange.advance(8 * HOUR)
    query: dict[str, Any] = {"start_ts": START, "end_ts": START, "period_interval": 1}
    query |= {"percentiles": [5000], **change}
    params = {name: one for name, one in query.items() if one is not None}
    assert day.buyer.refused(400, "GET", FORECAST, params=params) == "invalid_parameters"
    assert day.public.refused(401, "GET", FORECAST, params=params)
