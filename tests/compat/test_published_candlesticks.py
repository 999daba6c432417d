"""The published clients 3.2.0 read candlesticks and forecasts, whose types they check strictly.

And the shape of candles is that of recorded answers of the real service.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.published_clients import ASYNC, SYNC, load, published_client
from tests.rest_harness import HOUR, RAIN, RAIN_MORE, SECOND, START_NS, RestExchange, running

START = START_NS // SECOND
RANGE = {"start_ts": START, "end_ts": START + 7200}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    """One market of the event has traded, the other has not."""
    directory: Path = tmp_path_factory.mktemp("published_candlesticks")
    with running(directory) as exchange:
        exchange.advance(60 * SECOND)
        maker, taker = exchange.member("maker"), exchange.member("taker")
        maker.order("buy", "yes", 40, 10)
        maker.order("buy", "no", 55, 10)
        taker.order("sell", "yes", 40, 3)
        exchange.advance(2 * HOUR)
        yield exchange


@pytest.fixture(params=[SYNC, ASYNC])
def client(request: pytest.FixtureRequest, exchange: RestExchange) -> Iterator[Any]:
    load(request.param)
    caller = exchange.member(f"reader-{request.node.name}", profile="legacy")
    with published_client(request.param, caller) as client:
        yield client


def test_candles_of_one_market_and_of_several(client: Any) -> None:
    answer = client.get_market_candlesticks("RAIN", RAIN, period_interval=60, **RANGE)
    first, second, third = answer.candlesticks
    assert [candle.end_period_ts - START for candle in answer.candlesticks] == [0, 3600, 7200]
    assert (second.price.mean, second.price.mean_dollars, second.volume) == (40, "0.4000", 3)
    assert (first.price.previous, third.price.previous) == (None, 40)
    assert (third.yes_bid.close, third.yes_ask.close_dollars) == (40, "0.4500")

    batch = client.batch_get_market_candlesticks(f"{RAIN},{RAIN_MORE}", period_interval=60, **RANGE)
    assert [market.market_ticker for market in batch.markets] == [RAIN, RAIN_MORE]
    assert batch.markets[0].candlesticks == answer.candlesticks


def test_candles_and_forecasts_of_an_event(client: Any) -> None:
    event = client.get_market_candlesticks_by_event(
        "RAIN-26MAR01", "RAIN", period_interval=1440, start_ts=START, end_ts=START + 86_400
    )
    assert event.market_tickers == [RAIN, RAIN_MORE]
    assert event.adjusted_end_ts == START + 86_400
    assert event.market_candlesticks[0][0].price.max == 40
    assert event.market_candlesticks[1][0].volume == 0

    forecast = client.get_event_forecast_percentiles_history(
        "RAIN-26MAR01", "RAIN", percentiles=[1000, 5000], period_interval=60, **RANGE
    )
    points = forecast.forecast_history[-1].percentile_points
    assert [point.percentile for point in points] == [1000, 5000]


def test_candles_have_the_fields_of_recorded_ones(exchange: RestExchange) -> None:
    """Recorded in January 2026, before 3.6.0 added counts as texts; nothing else differs.

    Where nothing was paid the service sends ``null`` for cents and leaves the dollars out.
    """
    quotes = {
        *("open", "high", "low", "close"),
        *("open_dollars", "high_dollars", "low_dollars", "close_dollars"),
    }
    prices = {"open", "high", "low", "close", "mean", "previous", "min", "max"}
    answer = exchange.stranger().get(
        f"/series/RAIN/markets/{RAIN}/candlesticks", period_interval=60, **RANGE
    )
    assert set(answer) == {"ticker", "candlesticks"}
    for candle in answer["candlesticks"]:
        added = {"volume_fp", "open_interest_fp"}
        recorded = {"end_period_ts", "open_interest", "price", "volume", "yes_ask", "yes_bid"}
        assert set(candle) == recorded | added
        assert set(candle["yes_bid"]) == set(candle["yes_ask"]) == quotes
        told = {f"{name}_dollars" for name in prices if candle["price"][name] is not None}
        assert set(candle["price"]) == prices | told
        for name in prices:
            value = candle["price"][name]
            assert value is None or candle["price"][f"{name}_dollars"] == f"{value / 100:.4f}"
