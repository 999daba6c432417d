"""Orders in their later form: one book seen from the YES side, decimal strings, short answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from augury.core import commands as c
from augury.gateways.settings import RestSettings
from tests.rest_harness import RAIN, SUN, Caller, RestExchange, running

ORDERS = "/portfolio/events/orders"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("v2")) as exchange:
        yield exchange


@pytest.fixture
def maker(exchange: RestExchange, request: pytest.FixtureRequest) -> Iterator[Caller]:
    caller = exchange.member(f"maker-{request.node.name}", profile="latest")
    yield caller
    for row in caller.get("/portfolio/orders", status="resting")["orders"]:
        caller.expect(
            200,
            "DELETE",
            f"{ORDERS}/{row['order_id']}",
            params={"subaccount": row["subaccount_number"]},
        )


@pytest.fixture
def taker(exchange: RestExchange, request: pytest.FixtureRequest) -> Caller:
    return exchange.member(f"taker-{request.node.name}", profile="latest")


def v2(side: str, price: str, count: str, ticker: str = RAIN, **more: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "side": side,
        "price": price,
        "count": count,
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        **more,
    }


def test_an_order_lives_through_all_its_operations(
    exchange: RestExchange, maker: Caller, taker: Caller
) -> None:
    placed = maker.post(ORDERS, v2("bid", "0.40", "10", client_order_id="mine-1"))
    order_id = placed["order_id"]
    assert placed == {
        "order_id": order_id,
        "client_order_id": "mine-1",
        "fill_count": "0.00",
        "remaining_count": "10.00",
        "ts_ms": exchange.gate.now_ns() // 1_000_000,
    }
    shown = maker.get(f"/portfolio/orders/{order_id}")["order"]
    assert (shown["side"], shown["action"], shown["yes_price"]) == ("yes", "buy", 40)
    assert (shown["outcome_side"], shown["book_side"]) == ("yes", "bid")

    renamed = v2("bid", "0.4000", "10.00", updated_client_order_id="mine-2")
    amended = maker.post(f"{ORDERS}/{order_id}/amend", renamed, 200)
    # Nothing was filled and the size is the same: there are no counts to tell.
    assert set(amended) == {"order_id", "client_order_id", "ts_ms"}
    assert amended["client_order_id"] == "mine-2"
    amended = maker.post(f"{ORDERS}/{order_id}/amend", v2("bid", "0.4500", "8"), 200)
    assert (amended["fill_count"], amended["remaining_count"]) == ("0.00", "8.00")

    decreased = maker.post(f"{ORDERS}/{order_id}/decrease", {"reduce_by": "3"}, 200)
    assert (decreased["order_id"], decreased["remaining_count"]) == (order_id, "5.00")

    sold = taker.post(ORDERS, v2("ask", "0.4400", "2"))
    assert (sold["fill_count"], sold["remaining_count"]) == ("2.00", "0.00")
    assert sold["average_fill_price"] == "0.4500"
    # 0.07 x 2 x 0.45 x 0.55 is 0.0347 and with it the change is a whole 0.04.
    assert sold["average_fee_paid"] == "0.0200"

    canceled = maker.expect(200, "DELETE", f"{ORDERS}/{order_id}")
    assert (canceled["reduced_by"], canceled["client_order_id"]) == ("3.00", "mine-2")
    assert maker.refused(404, "DELETE", f"{ORDERS}/{order_id}") == "not_found"


def test_an_amend_that_trades_tells_what_it_cost_in_yes_prices(
    maker: Caller, taker: Caller
) -> None:
    maker.post(ORDERS, v2("bid", "0.6000", "4"))
    # Entered as a purchase of NO at 30 cents, which is an ask at 70.
    order_id = taker.order("buy", "no", 30, 10)["order_id"]
    refused = taker.refused(400, "POST", f"{ORDERS}/{order_id}/amend", v2("bid", "0.6", "10"))
    assert refused == "order_side_mismatch"
    amended = taker.post(f"{ORDERS}/{order_id}/amend", v2("ask", "0.6000", "10"), 200)
    assert (amended["fill_count"], amended["remaining_count"]) == ("4.00", "6.00")
    assert amended["average_fill_price"] == "0.6000"
    assert amended["average_fee_paid"] == "0.0175"
    taker.expect(200, "DELETE", f"{ORDERS}/{order_id}")


def test_prices_and_counts_as_fine_as_the_market(maker: Caller) -> None:
    placed = maker.post(ORDERS, v2("ask", "0.4560", "0.25", SUN))
    assert placed["remaining_count"] == "0.25"
    left = maker.post(f"{ORDERS}/{placed['order_id']}/decrease", {"reduce_to": "0.1"}, 200)
    assert left["remaining_count"] == "0.10"


@pytest.mark.parametrize(
    "change, code",
    [
        ({"side": "yes"}, "invalid_parameters"),
        ({"count": 5}, "invalid_parameters"),
        ({"count": "0"}, "invalid_order_size"),
        ({"count": "-1"}, "invalid_order_size"),
        ({"count": "1.5"}, "invalid_order_size"),
        ({"price": "0.455"}, "invalid_parameters"),
        ({"price": "1.00"}, "invalid_parameters"),
        ({"price": "cheap"}, "invalid_parameters"),
        ({"time_in_force": None}, "invalid_parameters"),
        ({"self_trade_prevention_type": "none"}, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "expiration_time": 4e9}, "invalid_order"),
        ({"time_in_force": "fill_or_kill", "post_only": True}, "invalid_order"),
        ({"exchange_index": 1}, "invalid_parameters"),
        ({"subaccount": 5}, "account_not_found"),
        ({"order_group_id": "nothing"}, "order_group_not_found"),
    ],
    ids=str,
)
def test_what_is_refused(maker: Caller, change: dict[str, Any], code: str) -> None:
    body = {**v2("bid", "0.10", "1"), **change}
    if body.get("expiration_time"):
        body["expiration_time"] = int(body["expiration_time"])
    assert maker.refused(404 if code.endswith("not_found") else 400, "POST", ORDERS, body) == code


def test_one_shard_answers_to_both_its_names(maker: Caller) -> None:
    for index in (0, -1):
        maker.post(ORDERS, v2("bid", "0.0100", "1", exchange_index=index))
    expires = v2("bid", "0.0100", "1", expiration_time=1_772_400_000)
    order_id = maker.post(ORDERS, expires)["order_id"]
    shown = maker.get(f"/portfolio/orders/{order_id}")["order"]
    assert shown["expiration_time"] == "2026-03-01T21:20:00Z"


def test_batches(exchange: RestExchange, maker: Caller) -> None:
    items = [
        v2("bid", "0.05", "1", client_order_id="batch-1"),
        v2("bid", "0.05", "1", "NO-SUCH", client_order_id="batch-2"),
        {"ticker": RAIN},
        v2("ask", "0.94", "2"),
    ]
    rows = maker.post(f"{ORDERS}/batched", {"orders": items})["orders"]
    assert rows[0]["client_order_id"] == "batch-1"
    assert rows[0]["remaining_count"] == "1.00"
    assert (rows[1]["client_order_id"], rows[1]["error"]["code"]) == (
        "batch-2",
        "market_not_found",
    )
    assert rows[2]["error"]["code"] == "invalid_parameters"
    assert "order_id" not in rows[2]
    cancel = {"orders": [{"order_id": rows[0]["order_id"]}, {"order_id": "unknown"}]}
    cancel["orders"].append({"order_id": rows[3]["order_id"], "exchange_index": "0"})
    assert maker.refused(400, "DELETE", f"{ORDERS}/batched", cancel) == "invalid_parameters"
    del cancel["orders"][2]["exchange_index"]
    canceled = maker.expect(200, "DELETE", f"{ORDERS}/batched", cancel)["orders"]
    assert [row["reduced_by"] for row in canceled] == ["1.00", "0.00", "2.00"]
    assert canceled[1]["error"]["code"] == "not_found"


def test_orders_of_subaccounts_are_named_with_them(exchange: RestExchange, maker: Caller) -> None:
    exchange.do(c.CreateSubaccount(maker.member_id))
    exchange.do(c.Deposit(maker.member_id, 1, 100_000_000))
    order_id = maker.post(ORDERS, v2("bid", "0.05", "5", subaccount=1))["order_id"]
    assert maker.refused(404, "DELETE", f"{ORDERS}/{order_id}") == "not_found"
    one = {"subaccount": 1}
    path = f"{ORDERS}/{order_id}"
    maker.expect(200, "POST", f"{path}/amend", v2("bid", "0.05", "4"), params=one)
    maker.expect(200, "POST", f"{path}/decrease", {"reduce_to": "2"}, params=one)
    batch = {"orders": [{"order_id": order_id, "subaccount": 1}]}
    rows = maker.expect(200, "DELETE", f"{ORDERS}/batched", batch)["orders"]
    assert rows[0]["reduced_by"] == "2.00"


def test_a_batch_may_be_as_large_as_the_write_budget(tmp_path: Any) -> None:
    with running(tmp_path, RestSettings()) as exchange:
        basic = exchange.member("basic")
        prime = exchange.member("prime", tier="prime")
        many = {"orders": [v2("bid", "0.01", "1")] * 300}
        assert basic.refused(400, "POST", f"{ORDERS}/batched", many) == "invalid_parameters"
        assert len(prime.post(f"{ORDERS}/batched", many)["orders"]) == 300
        again = prime.refused(429, "POST", f"{ORDERS}/batched", many)
        assert again == "too_many_requests"
