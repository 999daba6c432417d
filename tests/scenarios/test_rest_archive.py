"""The archive and its cutoff, payments, netting, moved positions, several books, token costs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from augury.codec.text import rfc3339
from augury.core import commands as c
from augury.gateways.documents import problems
from tests.rest_harness import (
    HOUR,
    RAIN,
    RAIN_MORE,
    SCORE,
    SECOND,
    START_NS,
    SUN,
    Caller,
    RestExchange,
    running,
)

START = START_NS // SECOND


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    with running(tmp_path) as exchange:
        yield exchange


class Past:
    """Two members; a market that traded and was settled, and one that goes on."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.public = exchange.stranger()
        self.one, self.two = exchange.member("one"), exchange.member("two")
        self.early = self.trade(SCORE, 30, 3)
        exchange.advance(HOUR)
        exchange.do(c.DetermineMarket(SCORE, "scalar", 4250))
        exchange.advance(2 * HOUR)
        assert exchange.state.markets[SCORE].status == "finalized"
        self.middle_ns = exchange.gate.now_ns()
        exchange.advance(HOUR)
        self.late = self.trade(RAIN, 40, 2)

    def trade(self, ticker: str, price: int, count: int) -> Any:
        self.one.order("buy", "yes", price, count, ticker)
        return self.two.order("sell", "yes", price, count, ticker)["order_id"]

    def archive(self, until_ns: int) -> None:
        until = rfc3339(until_ns)
        names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts")
        details = json.dumps(dict.fromkeys(names, until))
        self.exchange.do(c.PutDocument("historical_cutoff", "all", details))


@pytest.fixture
def past(exchange: RestExchange) -> Past:
    return Past(exchange)


def test_without_a_cutoff_everything_is_live(past: Past) -> None:
    cutoff = past.public.get("/historical/cutoff")

    assert set(cutoff.values()) == {"1970-01-01T00:00:00Z"}
    assert past.public.get("/historical/markets") == {"markets": [], "cursor": ""}
    assert past.public.get("/historical/trades") == {"trades": [], "cursor": ""}
    assert past.one.get("/historical/fills") == {"fills": [], "cursor": ""}
    assert past.one.get("/historical/orders") == {"orders": [], "cursor": ""}
    assert past.one.get("/historical/positions")["market_positions"] == []
    past.public.refused(404, "GET", f"/historical/markets/{SCORE}")
    assert len(past.public.get("/markets/trades")["trades"]) == 2


def test_each_thing_is_on_one_side_of_the_cutoff(past: Past) -> None:
    both = {
        "trades": past.public.get("/markets/trades")["trades"],
        "fills": past.one.get("/portfolio/fills")["fills"],
        "orders": past.two.get("/portfolio/orders")["orders"],
        "markets": past.public.get("/markets")["markets"],
    }
    past.archive(past.middle_ns)
    live = {
        "trades": past.public.get("/markets/trades")["trades"],
        "fills": past.one.get("/portfolio/fills")["fills"],
        "orders": past.two.get("/portfolio/orders")["orders"],
        "markets": past.public.get("/markets")["markets"],
    }
    archived = {
        "trades": past.public.get("/historical/trades")["trades"],
        "fills": past.one.get("/historical/fills")["fills"],
        "orders": past.two.get("/historical/orders")["orders"],
        "markets": past.public.get("/historical/markets")["markets"],
    }

    # Newest first: what is live comes before what is archived.
    for name in ("trades", "fills", "orders"):
        assert live[name] + archived[name] == both[name], name
        assert len(live[name]) == len(archived[name]) == 1
    assert [market["ticker"] for market in archived["markets"]] == [SCORE]
    assert [one["ticker"] for one in both["markets"] if one["ticker"] != SCORE] == [
        one["ticker"] for one in live["markets"]
    ]
    cutoff = past.public.get("/historical/cutoff")
    assert set(cutoff.values()) == {rfc3339(past.middle_ns)}


def test_an_archived_market_is_found_in_the_archive_only(past: Past) -> None:
    past.archive(past.middle_ns)
    query = {"start_ts": START, "end_ts": START + 3600, "period_interval": 60}

    past.public.refused(404, "GET", f"/markets/{SCORE}")
    live = f"/series/SCORE/markets/{SCORE}/candlesticks"
    past.public.refused(404, "GET", live, params=query)
    past.public.refused(404, "GET", f"/historical/markets/{RAIN}")
    market = past.public.get(f"/historical/markets/{SCORE}")["market"]
    assert (market["ticker"], market["status"]) == (SCORE, "finalized")
    answer = past.public.get(f"/historical/markets/{SCORE}/candlesticks", **query)
    first, second = answer["candlesticks"]
    assert first["price"] == {
        **dict.fromkeys(("open", "high", "low", "close", "mean"), "0.3000"),
        "previous": None,
    }
    assert first["yes_ask"] == {"open": "1.0000", "high": "1.0000", "low": "1.0000"} | {
        "close": "1.0000"
    }
    assert (first["volume"], first["open_interest"]) == ("3.00", "3.00")
    assert second["price"] == {
        **dict.fromkeys(("open", "high", "low", "close", "mean")),
        "previous": "0.3000",
    }


def test_an_event_is_archived_as_a_whole(past: Past) -> None:
    past.exchange.do(c.DetermineMarket(RAIN, "yes"))
    past.exchange.advance(2 * HOUR)
    past.archive(past.exchange.gate.now_ns())
    shown = past.one.get("/historical/positions")
    # The other market of the event is still open.
    assert [row["ticker"] for row in shown["market_positions"]] == [SCORE]

    past.exchange.do(c.DetermineMarket(RAIN_MORE, "no"))
    past.exchange.advance(2 * HOUR)
    past.archive(past.exchange.gate.now_ns())
    shown = past.one.get("/historical/positions")
    assert [row["ticker"] for row in shown["market_positions"]] == [RAIN, SCORE]
    # Two contracts at 40 cents paid a dollar each.
    assert shown["market_positions"][0]["realized_pnl_dollars"] == "1.2000"
    by_event = past.one.get("/historical/positions", event_ticker="RAIN-26MAR01")
    assert [row["ticker"] for row in by_event["market_positions"]] == [RAIN]


def test_the_archive_is_paged(past: Past) -> None:
    for _ in range(4):
        past.trade(RAIN, 40, 1)
    past.exchange.advance(SECOND)
    past.archive(past.exchange.gate.now_ns())
    for caller, path, name in (
        (past.public, "/historical/trades", "trades"),
        (past.one, "/historical/fills", "fills"),
        (past.one, "/historical/orders", "orders"),
    ):
        everything = caller.get(path)[name]
        found: list[Any] = []
        cursor = ""
        while True:
            page = caller.get(path, limit=2, cursor=cursor)
            found += page[name]
            cursor = page["cursor"]
            if not cursor:
                break
        assert found == everything
        assert len(found) == 6
        assert caller.get(path, ticker=SCORE)[name] == everything[-1:]
        assert caller.get(path, max_ts=START + 60)[name] == everything[-1:]
        caller.refused(400, "GET", path, params={"cursor": "tampered"})


def test_archived_markets_take_one_kind_of_ticker(past: Past) -> None:
    past.archive(past.middle_ns)
    for query in (
        {"tickers": SCORE},
        {"event_ticker": "SCORE-26MAR01-E"},
        {"series_ticker": "SCORE"},
    ):
        assert len(past.public.get("/historical/markets", **query)["markets"]) == 1
    assert past.public.get("/historical/markets", series_ticker="RAIN")["markets"] == []
    two = {"tickers": SCORE, "series_ticker": "SCORE"}
    past.public.refused(400, "GET", "/historical/markets", params=two)


def test_a_cutoff_without_times_is_not_kept() -> None:
    good = dict.fromkeys(
        ("market_settled_ts", "trades_created_ts", "orders_updated_ts"), "2026-03-01T00:00:00Z"
    )
    assert problems("historical_cutoff", "all", good, None) == {}
    assert set(problems("historical_cutoff", "some", {}, None)) == {"key", *good}
    assert set(
        problems("historical_cutoff", "all", {**good, "orders_updated_ts": "soon"}, None)
    ) == {"orders_updated_ts"}


# --- payments --------------------------------------------------------------------------------


def test_deposits_and_withdrawals_newest_first(exchange: RestExchange) -> None:
    caller = exchange.member("payer", 50_000)
    exchange.advance(SECOND)
    exchange.do(c.Deposit(caller.member_id, 0, 7_500_000))
    exchange.do(c.Withdraw(caller.member_id, 0, 2_500_000))
    exchange.member("somebody-else")
    second, first = caller.get("/portfolio/deposits")["deposits"]

    assert (second["amount_cents"], first["amount_cents"]) == (750, 50_000)
    assert (second["created_ts"], second["finalized_ts"]) == (START + 1, START + 1)
    assert (second["status"], second["type"], second["fee_cents"]) == ("applied", "wire", 0)
    page = caller.get("/portfolio/deposits", limit=1)
    rest = caller.get("/portfolio/deposits", limit=1, cursor=page["cursor"])
    assert page["deposits"] + rest["deposits"] == [second, first]
    (withdrawal,) = caller.get("/portfolio/withdrawals")["withdrawals"]
    assert withdrawal["amount_cents"] == 250
    caller.refused(400, "GET", "/portfolio/deposits", params={"limit": 501})


# --- netting and moved positions -------------------------------------------------------------


def test_netting_is_switched_per_subaccount(exchange: RestExchange) -> None:
    caller = exchange.member("netter")
    caller.post("/portfolio/subaccounts")
    path = "/portfolio/subaccounts/netting"
    assert caller.get(path)["netting_configs"] == [
        {"subaccount_number": 0, "enabled": False},
        {"subaccount_number": 1, "enabled": False},
    ]
    assert caller.expect(200, "PUT", path, {"subaccount_number": 1, "enabled": True}) == {}
    assert [one["enabled"] for one in caller.get(path)["netting_configs"]] == [False, True]
    caller.refused(400, "PUT", path, {"subaccount_number": 2, "enabled": True})
    caller.refused(400, "PUT", path, {"subaccount_number": 0, "enabled": "yes"})


def move(caller: Caller, status: int, **change: Any) -> Any:
    body = {
        "client_transfer_id": str(uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "market_ticker": RAIN,
        "side": "yes",
        "count": 2,
        "price": "0.5000",
        **change,
    }
    return caller.expect(status, "POST", "/portfolio/subaccounts/positions/transfer", body)


def position(caller: Caller, subaccount: int) -> tuple[int, str]:
    rows = caller.get("/portfolio/positions", subaccount=subaccount)["market_positions"]
    return (rows[0]["position"], rows[0]["market_exposure_dollars"]) if rows else (0, "0.0000")


def test_a_position_moves_between_subaccounts_at_the_yes_price(past: Past) -> None:
    """Two YES bought at 40 cents are given at 50: the one earns, the other pays."""
    caller = past.one
    caller.post("/portfolio/subaccounts")
    transfer = {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1}
    caller.post("/portfolio/subaccounts/transfer", {**transfer, "amount_cents": 500}, 200)
    moved = str(uuid4())

    assert move(caller, 200, client_transfer_id=moved)["position_transfer_id"]
    assert position(caller, 1) == (2, "1.0000")
    assert position(caller, 0)[0] == 0
    balances = caller.get("/portfolio/subaccounts/balances")["subaccount_balances"]
    assert balances[1]["balance_dollars"] == "4.0000"
    # The same id again does nothing, although the position is elsewhere by now.
    assert move(caller, 409, client_transfer_id=moved)["code"] == "duplicate_transfer"


def test_a_no_position_moves_at_what_yes_costs(past: Past) -> None:
    caller = past.two
    caller.post("/portfolio/subaccounts")
    transfer = {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1}
    caller.post("/portfolio/subaccounts/transfer", {**transfer, "amount_cents": 500}, 200)
    move(caller, 200, side="no", price="0.3000", count_fp="2.00", count=None)

    assert position(caller, 1) == (-2, "1.4000")


@pytest.mark.parametrize(
    "change, status",
    [
        ({"side": "no"}, 400),
        ({"count": 3}, 400),
        ({"count": 0}, 400),
        ({"count": None}, 400),
        ({"count": 10**30}, 400),
        ({"count_fp": "1.00"}, 400),
        ({"price": "1.0001"}, 400),
        ({"price": None}, 400),
        ({"price": "cheap"}, 400),
        ({"price_cents": 49}, 400),
        ({"client_transfer_id": "again"}, 400),
        ({"to_subaccount": 0}, 400),
        ({"to_subaccount": 7}, 400),
        ({"market_ticker": "NOWHERE"}, 404),
        ({"market_ticker": SUN}, 400),
    ],
)
def test_positions_that_cannot_be_moved_stay(
    past: Past, change: dict[str, Any], status: int
) -> None:
    past.one.post("/portfolio/subaccounts")
    before = position(past.one, 0)
    move(past.one, status, **change)
    assert position(past.one, 0) == before


# --- books and costs -------------------------------------------------------------------------


def test_several_books_at_once(exchange: RestExchange) -> None:
    caller = exchange.member("maker")
    caller.order("buy", "yes", 40, 3)
    caller.order("buy", "yes", 41, 1)
    caller.order("buy", "no", 50, 2)
    public = exchange.stranger()
    answer = public.get("/markets/orderbooks", tickers=[RAIN_MORE, RAIN, "NOWHERE"])

    empty, full = answer["orderbooks"]
    assert empty == {"ticker": RAIN_MORE, "orderbook_fp": {"yes_dollars": [], "no_dollars": []}}
    assert full["ticker"] == RAIN
    assert full["orderbook_fp"] == public.get(f"/markets/{RAIN}/orderbook")["orderbook_fp"]
    assert full["orderbook_fp"]["yes_dollars"] == [["0.4000", "3.00"], ["0.4100", "1.00"]]
    public.refused(400, "GET", "/markets/orderbooks")
    many = [f"M{number}" for number in range(101)]
    public.refused(400, "GET", "/markets/orderbooks", params={"tickers": many})


def test_costs_list_what_is_not_usual(exchange: RestExchange) -> None:
    answer = exchange.stranger().get("/account/endpoint_costs")

    assert answer["default_cost"] == 10
    costs = {(one["method"], one["path"]): one["cost"] for one in answer["endpoint_costs"]}
    # A batched cancel is a fifth of a request; a batched order is one.
    assert costs["DELETE", "/trade-api/v2/portfolio/orders/batched"] == 2
    assert ("POST", "/trade-api/v2/portfolio/orders/batched") not in costs
    assert all(cost != 10 for cost in costs.values())
