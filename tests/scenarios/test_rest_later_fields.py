"""What later clients ask for and read: one shard, what changed since, several tickers."""

from collections.abc import Iterator
from typing import Any

import pytest

from augury.core import commands as c
from tests.rest_harness import RAIN, SECOND, Caller, RestExchange, order, running

MILESTONE = (
    '{"title": "A storm", "category": "Weather", "type": "storm", "start_date":'
    ' "2026-03-02T00:00:00Z", "last_updated_ts": "2026-03-01T15:00:00Z", "details": {},'
    ' "related_event_tickers": [], "primary_event_tickers": [], "notification_message": ""}'
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("later")) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def caller(exchange: RestExchange) -> Caller:
    return exchange.member("somebody")


def test_one_shard_says_that_it_is_the_only_one(exchange: RestExchange, caller: Caller) -> None:
    status = exchange.stranger().get("/exchange/status")
    (shard,) = status["exchange_index_statuses"]
    assert (shard["exchange_index"], shard["exchange_active"], shard["trading_active"]) == (
        0,
        True,
        True,
    )
    assert status["intra_exchange_transfers_active"] is False
    exchange.do(c.SetTradingPause(True))
    (shard,) = exchange.stranger().get("/exchange/status")["exchange_index_statuses"]
    assert (shard["exchange_active"], shard["trading_active"]) == (True, False)
    exchange.do(c.SetTradingPause(False))
    assert caller.get("/portfolio/balance")["balance_breakdown"] == [
        {"exchange_index": 0, "balance": "10000.0000"}
    ]
    assert caller.get(f"/markets/{RAIN}")["market"]["exchange_index"] == 0


@pytest.mark.parametrize("index, status", [(0, 201), (-1, 201), (1, 400), (-2, 400)])
def test_requests_may_name_the_shard(caller: Caller, index: int, status: int) -> None:
    body = order("buy", "yes", 2, 1, exchange_index=index)
    answer = caller.expect(status, "POST", "/portfolio/orders", body)
    query = {"exchange_index": index}
    listed = 200 if status == 201 else 400
    caller.expect(listed, "GET", "/portfolio/orders", params=query)
    caller.expect(listed, "GET", "/markets", params=query)
    if status == 201:
        assert answer["order"]["exchange_index"] == 0
        path = f"/portfolio/orders/{answer['order']['order_id']}"
        assert caller.refused(400, "DELETE", path, params={"exchange_index": 3})
        caller.expect(200, "DELETE", path, params=query)


def test_what_changed_since(exchange: RestExchange) -> None:
    reader = exchange.stranger()
    exchange.advance(10 * SECOND)
    now = exchange.gate.now_ns() // SECOND

    def events(since: int, **more: Any) -> list[str]:
        rows = reader.get("/events", min_updated_ts=since, **more)["events"]
        return [row["event_ticker"] for row in rows]

    def series(since: int, **more: Any) -> list[str]:
        rows = reader.get("/series", min_updated_ts=since, **more)["series"]
        return [row["ticker"] for row in rows]

    assert len(events(now - 3600)) == 3
    assert events(now - 5) == series(now - 5) == []
    exchange.do(c.UpdateEvent("RAIN-26MAR01", '{"title": "Rain, again"}'))
    exchange.do(c.PauseMarket("SCORE-26MAR01"))
    exchange.do(c.UpdateSeries("SUN", '{"title": "The sun"}'))
    assert events(now - 5) == ["SCORE-26MAR01-E", "RAIN-26MAR01"]
    assert events(now - 5, tickers="RAIN-26MAR01,SUN-26MAR01-E") == ["RAIN-26MAR01"]
    assert series(now - 5) == ["SUN"]
    assert series(0, tickers="RAIN,SUN,NOTHING") == ["RAIN", "SUN"]

    exchange.do(c.PutDocument("milestone", "storm", MILESTONE))
    written = 1_772_377_200
    for since, count in ((written - 1, 1), (written, 0)):
        assert len(reader.get("/milestones", min_updated_ts=since)["milestones"]) == count
