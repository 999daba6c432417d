"""Rows that are kept as bytes say what is true now, and nothing that no schema knows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from augury.core.commands import DetermineMarket
from augury.gateways.rest import order_cache
from augury.gateways.rest.answers import Market, Order
from augury.gateways.rest.order_cache import OrderCache, Question
from augury.gateways.settings import RestSettings
from tests.rest_harness import HOUR, RAIN, SUN, Caller, RestExchange, running


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    with running(tmp_path) as exchange:
        yield exchange


def strictly(row: dict[str, Any], shape: type[msgspec.Struct]) -> None:
    """Every field of the row is known, has its type, and none that is required is missing."""
    assert set(row) <= {field.encode_name for field in msgspec.structs.fields(shape)}
    msgspec.convert(row, shape)


def market(caller: Caller, ticker: str) -> dict[str, Any]:
    row: dict[str, Any] = caller.get(f"/markets/{ticker}")["market"]
    strictly(row, Market)
    assert caller.get("/markets", tickers=ticker)["markets"] == [row]
    return row


def test_a_markets_row_follows_each_trade_while_the_clock_stands_still(
    exchange: RestExchange,
) -> None:
    maker, taker = exchange.member("maker"), exchange.member("taker")
    row = market(maker, SUN)
    assert (row["yes_bid"], row["yes_ask"], row["no_bid_dollars"]) == (0, 100, "0.0000")
    volume = 0
    for price, cents, quantity in (("0.4150", 41.5, 125), ("0.4200", 42, 225), ("0.9990", 99.9, 7)):
        maker.order("buy", "yes", 0, 10, SUN, yes_price_dollars=price)
        text = f"{quantity // 100}.{quantity % 100:02d}"
        taker.post(
            "/portfolio/orders",
            {
                "ticker": SUN,
                "action": "sell",
                "side": "yes",
                "count_fp": text,
                "yes_price_dollars": price,
            },
        )
        volume += quantity
        row = market(maker, SUN)
        assert (row["yes_bid"], row["yes_bid_dollars"]) == (cents, price)
        assert row["no_ask"] == pytest.approx(100 - cents)
        assert row["yes_bid_size_fp"] == f"{(1000 - quantity) / 100:.2f}"
        assert (row["last_price"], row["last_price_dollars"]) == (cents, price)
        assert row["volume_fp"] == row["volume_24h_fp"] == f"{volume / 100:.2f}"
        assert row["open_interest_fp"] == f"{volume / 100:.2f}"
        assert row["volume"] == row["volume_24h"] == row["open_interest"] == volume // 100


def test_a_kept_list_of_markets_forgets_what_a_day_has_left_behind(
    exchange: RestExchange,
) -> None:
    """Time alone changes the figures of the last day, without any record."""
    maker, taker = exchange.member("maker"), exchange.member("taker")
    maker.order("buy", "yes", 42, 3, SUN)
    taker.order("sell", "yes", 42, 3, SUN)
    shown = maker.get("/markets", tickers=SUN)
    assert maker.get("/markets", tickers=SUN) == shown
    assert shown["markets"][0]["volume_24h"] == 3
    exchange.advance(25 * HOUR)
    assert maker.get("/markets", tickers=SUN)["markets"][0]["volume_24h"] == 0


def test_a_settled_market_that_statistics_have_forgotten_reads_as_before(
    exchange: RestExchange,
) -> None:
    maker, taker = exchange.member("maker"), exchange.member("taker")
    maker.order("buy", "yes", 40, 10, SUN)
    taker.order("sell", "yes", 40, 3, SUN)
    exchange.do(DetermineMarket(SUN, "yes"))
    exchange.advance(HOUR)
    assert market(maker, SUN)["volume_24h"] == 3
    exchange.advance(25 * HOUR)
    row = market(maker, SUN)
    assert (row["status"], row["volume"], row["volume_24h"]) == ("finalized", 3, 0)
    assert (row["previous_price"], row["previous_yes_bid"], row["previous_yes_ask"]) == (40, 0, 100)
    # The next settlement makes statistics forget it.
    exchange.do(DetermineMarket(RAIN, "no"))
    exchange.advance(HOUR)

    assert market(maker, SUN) == row


def test_an_orders_row_follows_each_change_while_the_clock_stands_still(
    exchange: RestExchange,
) -> None:
    maker, taker = exchange.member("maker"), exchange.member("taker")
    path = f"/portfolio/orders/{maker.order('buy', 'yes', 40, 10)['order_id']}"

    def listed() -> dict[str, Any]:
        (row,) = maker.get("/portfolio/orders")["orders"]
        strictly(row, Order)
        assert row == maker.get(path)["order"]
        return dict(row)

    assert listed()["remaining_count"] == 10
    maker.post(f"{path}/decrease", {"reduce_to": 8}, 200)
    assert listed()["remaining_count"] == 8
    amend = {"ticker": RAIN, "side": "yes", "action": "buy", "yes_price": 41}
    maker.post(f"{path}/amend", amend, 200)
    assert listed()["yes_price"] == 41
    taker.order("sell", "yes", 41, 3)
    assert (listed()["remaining_count"], listed()["fill_count"]) == (5, 3)
    maker.expect(200, "DELETE", path)
    assert (listed()["status"], listed()["remaining_count"]) == ("canceled", 0)


def test_a_page_that_history_had_no_time_for_is_not_kept(tmp_path: Path) -> None:
    """While history cannot be written a list may miss what has finished, but not for longer."""
    with running(tmp_path, RestSettings(rate_limits=False, history_wait_seconds=0.01)) as exchange:
        caller = exchange.member("caller")
        path = f"/portfolio/orders/{caller.order('buy', 'yes', 40, 10)['order_id']}"
        exchange.wait_until(lambda: exchange.history.position == exchange.state.sequence)
        with closing(sqlite3.connect(tmp_path / "history.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            caller.expect(200, "DELETE", path)
            for _ in range(2):
                assert caller.get("/portfolio/orders")["orders"] == []
        exchange.wait_until(lambda: exchange.history.position == exchange.state.sequence)
        (row,) = caller.get("/portfolio/orders")["orders"]
        assert row["status"] == "canceled"


@pytest.mark.parametrize("size", [0, 10_000])
def test_pages_of_many_members_are_bounded(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pages, and many small ones, leave when there are too many."""
    monkeypatch.setattr(order_cache, "_CACHED_BYTES", 50_000)
    cache = OrderCache()
    question = Question("GetOrders", b"limit=1", -1, 0)
    most = 0
    for member_id in range(1_000):
        cache.keep(member_id, cache.pages(member_id), question, bytes(size))
        kept = [page for pages in cache._pages.values() for page in pages.values()]
        assert sum(map(len, kept)) <= 50_000
        most = max(most, len(kept))
    assert 4 <= most <= 100
