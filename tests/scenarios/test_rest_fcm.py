"""A clearing member trades for customers: each has money, orders and positions of its own."""

from collections.abc import Iterator

import pytest

from augury.core import commands as c
from tests.rest_harness import HOUR, RAIN, RAIN_MORE, Caller, RestExchange, order, running

DOLLARS = 1_000_000


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("fcm")) as exchange:
        yield exchange


@pytest.fixture
def clearing(exchange: RestExchange, request: pytest.FixtureRequest) -> Caller:
    """A clearing member with two customers, each with 100 dollars."""
    caller = exchange.member(f"clearing-{request.node.name}")
    for number, name in ((1000, "alpha"), (1001, "beta")):
        exchange.do(c.CreateSubtrader(caller.member_id, name))
        exchange.do(c.Deposit(caller.member_id, number, 100 * DOLLARS))
    return caller


def test_each_customer_sees_its_own_orders_and_positions(
    exchange: RestExchange, clearing: Caller
) -> None:
    other = exchange.member("other-side")
    alpha = clearing.order("buy", "yes", 40, 10, subtrader_id="alpha")
    beta = clearing.order("buy", "yes", 41, 5, subtrader_id="beta")
    own = clearing.order("buy", "yes", 5, 1)
    other.order("sell", "yes", 40, 9)

    def orders(**more: str) -> list[str]:
        return [o["order_id"] for o in clearing.get("/fcm/orders", **more)["orders"]]

    assert orders(subtrader_id="alpha") == [alpha["order_id"]]
    assert orders(subtrader_id="beta") == [beta["order_id"]]
    assert orders(subtrader_id="beta", status="resting") == []
    assert orders(subtrader_id="alpha", status="resting", ticker=RAIN) == [alpha["order_id"]]
    assert orders(subtrader_id="alpha", event_ticker="SUN-26MAR01-E") == []
    everything = clearing.get("/portfolio/orders")["orders"]
    assert [o["order_id"] for o in everything] == [
        own["order_id"],
        beta["order_id"],
        alpha["order_id"],
    ]

    positions = clearing.get("/fcm/positions", subtrader_id="beta")
    assert [p["position"] for p in positions["market_positions"]] == [5]
    positions = clearing.get("/fcm/positions", subtrader_id="alpha")
    assert [p["position"] for p in positions["market_positions"]] == [4]
    assert positions["event_positions"][0]["event_ticker"] == "RAIN-26MAR01"
    # The clearing member's own account holds nothing and paid for nothing but its own order.
    assert [p["position"] for p in clearing.get("/portfolio/positions")["market_positions"]] == [0]
    balances = clearing.get("/portfolio/subaccounts/balances")["subaccount_balances"]
    assert [row["subaccount_number"] for row in balances] == [0]
    for text in (alpha["order_id"], own["order_id"]):
        clearing.expect(200, "DELETE", f"/portfolio/orders/{text}")


def test_a_customers_money_is_not_the_members(exchange: RestExchange, clearing: Caller) -> None:
    refused = clearing.order_refused(400, order("buy", "yes", 50, 300, subtrader_id="alpha"))
    assert refused == "available_balance_too_low"
    batch = clearing.post(
        "/portfolio/orders/batched",
        {
            "orders": [
                order("buy", "yes", 3, 1, subtrader_id="alpha"),
                order("buy", "yes", 3, 1, subtrader_id="nobody"),
            ]
        },
    )["orders"]
    assert batch[1]["error"]["code"] == "not_found"
    canceled = clearing.expect(200, "DELETE", f"/portfolio/orders/{batch[0]['order']['order_id']}")
    assert canceled["reduced_by"] == 1


def test_an_order_cancels_in_the_latest_profile_too(
    exchange: RestExchange, clearing: Caller
) -> None:
    """There a missing subaccount means the primary one, but customers have no such number."""
    placed = clearing.order("buy", "yes", 3, 2, subtrader_id="beta")
    latest = {"KALSHI-API-PROFILE": "latest"}
    path = f"/portfolio/orders/{placed['order_id']}"
    clearing.expect(200, "POST", f"{path}/decrease", {"reduce_by": 1}, headers=latest)
    clearing.expect(200, "DELETE", path, headers=latest)


def test_who_may_ask_and_what_is_refused(exchange: RestExchange, clearing: Caller) -> None:
    ordinary = exchange.member("ordinary")
    for path in ("/fcm/orders", "/fcm/positions"):
        assert ordinary.refused(403, "GET", path, params={"subtrader_id": "alpha"}) == "fcm_only"
        assert clearing.refused(404, "GET", path, params={"subtrader_id": "gamma"}) == "not_found"
        assert clearing.refused(400, "GET", path) == "invalid_parameters"
        assert exchange.stranger().refused(401, "GET", path) == "unauthorized"
    assert ordinary.order_refused(403, order("buy", "yes", 3, 1, subtrader_id="x")) == "fcm_only"
    both = order("buy", "yes", 3, 1, subtrader_id="alpha", subaccount=0)
    assert clearing.order_refused(400, both) == "invalid_parameters"


def test_settled_positions_follow_the_unsettled_ones(
    exchange: RestExchange, clearing: Caller
) -> None:
    other = exchange.member("settles")
    tickers = [f"RAIN-FCM-{number}" for number in range(3)]
    for ticker in tickers:
        exchange.list_market(ticker, "RAIN-26MAR01")
        clearing.order("buy", "yes", 50, 2, ticker, subtrader_id="alpha")
        other.order("sell", "yes", 50, 2, ticker)
    for ticker in tickers[:2]:
        exchange.do(c.DetermineMarket(ticker, "yes"))
    exchange.advance(2 * HOUR)

    def page(**more: object) -> tuple[list[str], str]:
        answer = clearing.get("/fcm/positions", subtrader_id="alpha", **more)
        return [row["ticker"] for row in answer["market_positions"]], answer["cursor"]

    assert page() == ([tickers[2]], "")
    settled, cursor = page(settlement_status="settled")
    assert (sorted(settled), cursor) == (tickers[:2], "")
    assert page(settlement_status="settled", count_filter="position") == ([], "")
    found: list[str] = []
    cursor = ""
    for _ in range(4):
        rows, cursor = page(settlement_status="all", limit=1, cursor=cursor)
        found += rows
        if not cursor:
            break
    assert found == [tickers[2], *settled]
    row = clearing.get(
        "/fcm/positions", subtrader_id="alpha", settlement_status="settled", ticker=tickers[0]
    )["market_positions"][0]
    assert (row["position"], row["total_traded"], row["ticker"]) == (0, 100, tickers[0])
    assert RAIN_MORE not in found
