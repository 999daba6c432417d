"""Orders over REST, as a trader meets them: what is accepted, what is refused, and how it reads.

The rules themselves are tested on the core; here it is about codes, statuses and fields
(rest.md, section 4).
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from augury.codec.ids import format_id
from augury.core import commands as c
from tests.rest_harness import (
    HOUR,
    RAIN,
    RAIN_MORE,
    START_NS,
    SUN,
    Caller,
    RestExchange,
    order,
    running,
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_trading")) as exchange:
        yield exchange


@pytest.fixture
def maker(exchange: RestExchange) -> Iterator[Caller]:
    """Whoever rests orders; the books are empty afterwards."""
    caller = exchange.member(f"maker-{uuid4()}")
    yield caller
    clear(caller)


@pytest.fixture
def taker(exchange: RestExchange) -> Iterator[Caller]:
    caller = exchange.member(f"taker-{uuid4()}")
    yield caller
    clear(caller)


def clear(caller: Caller) -> None:
    for resting in caller.get("/portfolio/orders", status="resting")["orders"]:
        caller.send("DELETE", f"/portfolio/orders/{resting['order_id']}")


def path(placed: dict[str, Any], rest: str = "") -> str:
    return f"/portfolio/orders/{placed['order_id']}{rest}"


# --- entering --------------------------------------------------------------------------------


def test_an_order_reads_the_same_wherever_it_is_read(maker: Caller) -> None:
    placed = maker.order("buy", "no", 30, 7, client_order_id=str(uuid4()))
    assert (placed["yes_price"], placed["no_price_dollars"]) == (70, "0.3000")
    assert (placed["outcome_side"], placed["book_side"]) == ("no", "ask")
    assert placed["user_id"] == maker.user_id
    assert maker.get(path(placed))["order"] == placed
    assert maker.get("/portfolio/orders")["orders"] == [placed]


@pytest.mark.parametrize(
    "more, status, filled, left",
    [
        ({"count": 3}, "executed", 3, 0),
        ({"count": 9}, "resting", 5, 4),
        ({"count": 9, "time_in_force": "immediate_or_cancel"}, "canceled", 5, 0),
        ({"count": 5, "time_in_force": "fill_or_kill"}, "executed", 5, 0),
        ({"count": 9, "type": "market"}, "canceled", 5, 0),
        ({"count": 5, "type": "market", "no_price": None, "buy_max_cost": 300}, "executed", 5, 0),
        ({"count": 2, "buy_max_cost": 120}, "executed", 2, 0),
    ],
)
def test_how_an_order_ends_up(
    maker: Caller, taker: Caller, more: dict[str, Any], status: str, filled: int, left: int
) -> None:
    """Against five resting contracts that bid 40 cents for YES, and so cost 60 for NO."""
    maker.order("buy", "yes", 40, 5)
    body = {**order("buy", "no", 60, 0), **more}
    placed = taker.post("/portfolio/orders", body)["order"]
    assert (placed["status"], placed["fill_count"], placed["remaining_count"]) == (
        status,
        filled,
        left,
    )
    assert placed["taker_fill_cost"] == 60 * filled
    assert "last_update_time" in placed


FAR = 60
"""Cents for NO that a taker has to pay in the table below."""


@pytest.mark.parametrize(
    "more, status, code",
    [
        ({"post_only": True}, 400, "invalid order"),
        (
            {"count": 6, "time_in_force": "fill_or_kill"},
            409,
            "fill_or_kill_insufficient_resting_volume",
        ),
        ({"count": 5, "buy_max_cost": 299}, 409, "fill_or_kill_insufficient_resting_volume"),
        ({"reduce_only": True}, 400, "invalid_order_size"),
        ({"count": 9_999_999}, 400, "available_balance_too_low"),
        ({"ticker": "NO-SUCH"}, 404, "market_not_found"),
        ({"ticker": "x" * 5000}, 404, "market_not_found"),
        ({"no_price": None, "no_price_dollars": "0.6050"}, 400, "invalid_parameters"),
        ({"count": None, "count_fp": "1.50"}, 400, "invalid_order_size"),
        ({"expiration_ts": START_NS // 10**9 - 1}, 400, "invalid_order"),
        ({"subaccount": 4}, 404, "account_not_found"),
        ({"order_group_id": format_id("group", 3)}, 404, "order_group_not_found"),
        ({"ticker": 5}, 400, "invalid_parameters"),
    ],
)
def test_why_an_order_is_refused(
    maker: Caller, taker: Caller, more: dict[str, Any], status: int, code: str
) -> None:
    maker.order("buy", "yes", 40, 5)
    before = taker.get("/portfolio/balance")
    body = {**order("buy", "no", FAR, 1), **more}
    assert taker.order_refused(status, body) == code
    item = taker.post("/portfolio/orders/batched", {"orders": [body]})["orders"][0]
    assert item["error"]["code"] == code
    assert taker.get("/portfolio/balance")["balance"] == before["balance"]
    assert taker.get("/portfolio/orders")["orders"] == []


def test_the_documented_texts_of_refusals(maker: Caller, taker: Caller) -> None:
    maker.order("buy", "yes", 40, 5)
    crossing = taker.send("POST", "/portfolio/orders", order("buy", "no", 60, 1, post_only=True))
    assert crossing.json()["details"] == "post only cross"
    past = taker.send("POST", "/portfolio/orders", order("buy", "no", 60, 1, expiration_ts=1))
    assert past.json()["message"] == "Expiration timestamp must be in the future"


def test_a_client_order_id_works_once(maker: Caller) -> None:
    placed = maker.order("buy", "yes", 40, 1, client_order_id="once")
    again = order("buy", "yes", 41, 2, client_order_id="once")
    assert maker.order_refused(409, again) == "order_already_exists"
    maker.expect(200, "DELETE", path(placed))
    assert maker.order_refused(409, again) == "order_already_exists"


def test_fractions_of_a_contract_and_of_a_cent(maker: Caller, taker: Caller) -> None:
    fine = {"ticker": SUN, "count_fp": "2.50"}
    body = {**fine, "action": "buy", "side": "yes", "yes_price_dollars": "0.305"}
    placed = maker.post("/portfolio/orders", body)["order"]
    assert (placed["yes_price"], placed["yes_price_dollars"]) == (30, "0.3050")
    assert (placed["remaining_count"], placed["remaining_count_fp"]) == (2, "2.50")
    book = maker.get(f"/markets/{SUN}/orderbook")
    assert book["orderbook"]["yes"] == [[30.5, 2]]
    assert book["orderbook_fp"]["yes_dollars"] == [["0.3050", "2.50"]]
    taker.post(
        "/portfolio/orders",
        {**fine, "action": "buy", "side": "no", "count_fp": "0.75", "no_price_dollars": "0.695"},
    )
    fill = maker.get("/portfolio/fills", ticker=SUN)["fills"][0]
    assert (fill["count"], fill["count_fp"], fill["price"]) == (0, "0.75", 0.305)
    assert (fill["yes_price_fixed"], fill["no_price_dollars"]) == ("0.3050", "0.6950")


# --- changing --------------------------------------------------------------------------------

SAME = {"ticker": RAIN, "side": "yes", "action": "buy"}


def test_an_amend_shows_before_and_after(maker: Caller, taker: Caller) -> None:
    placed = maker.order("buy", "yes", 40, 10, client_order_id="before")
    taker.order("sell", "yes", 40, 4)
    answer = maker.post(
        path(placed, "/amend"),
        {**SAME, "client_order_id": "before", "updated_client_order_id": "after", "count": 20},
        200,
    )
    old, new = answer["old_order"], answer["order"]
    assert (old["remaining_count"], old["initial_count"], old["fill_count"]) == (6, 10, 4)
    assert (new["remaining_count"], new["initial_count"], new["fill_count"]) == (16, 20, 4)
    assert (old["client_order_id"], new["client_order_id"]) == ("before", "after")
    assert old["order_id"] == new["order_id"]
    assert maker.get(path(placed))["order"] == new


def test_an_amend_to_a_crossing_price_trades(maker: Caller, taker: Caller) -> None:
    maker.order("sell", "yes", 60, 3)
    placed = taker.order("buy", "yes", 40, 3)
    answer = taker.post(path(placed, "/amend"), {**SAME, "yes_price": 60}, 200)
    assert answer["old_order"]["status"] == "resting"
    assert answer["old_order"]["fill_count"] == 0
    assert (answer["order"]["status"], answer["order"]["taker_fill_cost"]) == ("executed", 180)


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"ticker": RAIN_MORE}, "order_ticker_mismatch"),
        ({"side": "no"}, "order_side_mismatch"),
        ({"action": "sell"}, "order_side_mismatch"),
        ({"client_order_id": "other"}, "order_id_and_client_order_id_mismatch"),
        ({"count": 4}, "invalid_amend_qty_for_order"),
        ({"yes_price": 0}, "invalid_parameters"),
        ({"yes_price_dollars": "0.4005"}, "invalid_parameters"),
        ({"count": 0}, "invalid_order_size"),
    ],
)
def test_why_an_amend_is_refused(
    maker: Caller, taker: Caller, changes: dict[str, Any], code: str
) -> None:
    placed = maker.order("buy", "yes", 40, 10, client_order_id=str(uuid4()))
    taker.order("sell", "yes", 40, 4)
    before = maker.get(path(placed))
    assert maker.refused(400, "POST", path(placed, "/amend"), {**SAME, **changes}) == code
    assert maker.get(path(placed)) == before


def test_a_filled_order_cannot_be_changed_and_is_not_there_to_cancel(
    maker: Caller, taker: Caller
) -> None:
    placed = maker.order("buy", "yes", 40, 2)
    taker.order("sell", "yes", 40, 2)
    change = {**SAME, "count": 5}
    refused = maker.refused(400, "POST", path(placed, "/amend"), change)
    assert refused == "cannot_update_filled_order"
    refused = maker.refused(400, "POST", path(placed, "/decrease"), {"reduce_by": 1})
    assert refused == "cannot_update_filled_order"
    assert maker.refused(404, "DELETE", path(placed)) == "not_found"
    assert maker.get(path(placed))["order"]["status"] == "executed"


@pytest.mark.parametrize(
    "body, left",
    [
        ({"reduce_by": 3}, 7),
        ({"reduce_by_fp": "3.00"}, 7),
        ({"reduce_to": 2}, 2),
        ({"reduce_to": 0}, 0),
        ({"reduce_by": 10}, 0),
        ({"reduce_by": 999}, 0),
    ],
)
def test_decrease(maker: Caller, body: dict[str, Any], left: int) -> None:
    placed = maker.order("buy", "yes", 40, 10)
    after = maker.post(path(placed, "/decrease"), body, 200)["order"]
    assert after["remaining_count"] == left
    assert after["initial_count"] == 10
    assert after["status"] == ("resting" if left else "canceled")


def test_why_a_decrease_is_refused(maker: Caller) -> None:
    placed = maker.order("buy", "yes", 40, 10)
    for body, code in (
        ({"reduce_to": 10}, "invalid_order_size"),
        ({"reduce_by_fp": "0.50"}, "invalid_order_size"),
        ({}, "invalid_parameters"),
        ({"reduce_by": 1, "reduce_to": 1}, "invalid_parameters"),
    ):
        assert maker.refused(400, "POST", path(placed, "/decrease"), body) == code


def test_the_orders_of_others_look_like_missing_ones(maker: Caller, taker: Caller) -> None:
    resting = maker.order("buy", "yes", 40, 10)
    finished = maker.order("buy", "yes", 10, 10)
    maker.expect(200, "DELETE", path(finished))
    for placed in (resting, finished):
        unknown = {"order_id": format_id("order", 1)}
        for method, rest, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "/amend", {**SAME, "count": 5}),
            ("POST", "/decrease", {"reduce_by": 1}),
            ("GET", "/queue_position", None),
        ):
            theirs = taker.send(method, path(placed, rest), body)
            missing = taker.send(method, path(unknown, rest), body)
            assert theirs.status_code == missing.status_code == 404
            assert theirs.json() == missing.json()
    assert taker.get("/portfolio/fills", order_id=resting["order_id"])["fills"] == []
    assert maker.get(path(resting))["order"]["remaining_count"] == 10


# --- cancelling ------------------------------------------------------------------------------


def test_a_cancel_answers_with_what_was_taken_out(maker: Caller, taker: Caller) -> None:
    placed = maker.order("buy", "yes", 40, 10)
    taker.order("sell", "yes", 40, 4)
    answer = maker.expect(200, "DELETE", path(placed))
    assert (answer["reduced_by"], answer["reduced_by_fp"]) == (6, "6.00")
    canceled = answer["order"]
    assert (canceled["status"], canceled["fill_count"], canceled["remaining_count"]) == (
        "canceled",
        4,
        0,
    )
    assert maker.get(path(placed))["order"] == canceled
    assert maker.refused(404, "DELETE", path(placed)) == "not_found"


def test_after_the_close_a_cancel_is_told_that_the_market_is_inactive(
    exchange: RestExchange, maker: Caller
) -> None:
    exchange.list_market("RAIN-CLOSES", "RAIN-26MAR01")
    placed = maker.order("buy", "yes", 40, 10, "RAIN-CLOSES")
    canceled = maker.order("buy", "yes", 41, 10, "RAIN-CLOSES")
    maker.expect(200, "DELETE", path(canceled))
    exchange.do(c.ChangeCloseTime("RAIN-CLOSES", exchange.gate.now_ns() + 1))
    exchange.advance(1)
    assert maker.refused(400, "DELETE", path(placed)) == "market_inactive"
    assert maker.refused(404, "DELETE", path(canceled)) == "not_found"
    body = order("buy", "yes", 40, 1, "RAIN-CLOSES")
    assert maker.order_refused(400, body) == "market_inactive"
    assert maker.get(path(placed))["order"]["status"] == "canceled"


def test_a_batch_carries_out_each_item_for_itself(maker: Caller) -> None:
    good = order("buy", "yes", 40, 1, client_order_id="batch-1")
    items = [
        good,
        {**good, "count": 2},
        {"ticker": RAIN},
        "nonsense",
        order("buy", "yes", 41, 1, client_order_id="batch-2"),
    ]
    results = maker.post("/portfolio/orders/batched", {"orders": items})["orders"]
    assert [item.get("client_order_id") for item in results] == [
        "batch-1",
        "batch-1",
        None,
        None,
        "batch-2",
    ]
    codes = [item["error"]["code"] if "error" in item else "" for item in results]
    assert codes == ["", "order_already_exists", "invalid_parameters", "invalid_parameters", ""]
    assert ["order" in item for item in results] == [True, False, False, False, True]


@pytest.mark.parametrize("size", [0, 21])
def test_a_batch_has_one_to_twenty_items(maker: Caller, size: int) -> None:
    items = [order("buy", "yes", 1, 1)] * size
    refused = maker.refused(400, "POST", "/portfolio/orders/batched", {"orders": items})
    assert refused == "invalid_parameters"
    ids = {"ids": [format_id("order", 5)] * size}
    assert maker.refused(400, "DELETE", "/portfolio/orders/batched", ids) == "invalid_parameters"
    assert maker.get("/portfolio/orders")["orders"] == []


@pytest.mark.parametrize("form", ["ids", "order_ids", "orders"])
def test_a_batch_of_cancels_in_all_its_forms(maker: Caller, taker: Caller, form: str) -> None:
    mine = [maker.order("buy", "yes", price, 2)["order_id"] for price in (40, 41)]
    theirs = taker.order("buy", "yes", 5, 1)["order_id"]
    ids = [mine[0], theirs, "nothing", mine[1]]
    body = {form: [{"order_id": order_id} for order_id in ids] if form == "orders" else ids}
    results = maker.expect(200, "DELETE", "/portfolio/orders/batched", body)["orders"]
    assert [item["order_id"] for item in results] == ids
    assert [item["reduced_by"] for item in results] == [2, 0, 0, 2]
    assert [item.get("error", {}).get("code") for item in results] == [
        None,
        "not_found",
        "not_found",
        None,
    ]
    assert taker.get(f"/portfolio/orders/{theirs}")["order"]["status"] == "resting"


# --- queue -----------------------------------------------------------------------------------


def test_queue_positions_count_what_trades_before(maker: Caller, taker: Caller) -> None:
    taker.order("buy", "yes", 41, 3)
    first = maker.order("buy", "yes", 40, 5)
    taker.order("buy", "yes", 40, 7)
    second = maker.order("buy", "yes", 40, 2)
    worse = maker.order("buy", "yes", 39, 1)
    other_side = maker.order("sell", "yes", 60, 4)
    expected = {
        first["order_id"]: 3,
        second["order_id"]: 15,
        worse["order_id"]: 17,
        other_side["order_id"]: 0,
    }
    rows = maker.get("/portfolio/orders/queue_positions", event_ticker="RAIN-26MAR01")
    assert {row["order_id"]: row["queue_position"] for row in rows["queue_positions"]} == expected
    for order_id, ahead in expected.items():
        answer = maker.get(f"/portfolio/orders/{order_id}/queue_position")
        assert answer == {"queue_position": ahead, "queue_position_fp": f"{ahead}.00"}
    early_form = maker.post(
        "/portfolio/orders/queue_positions", {"order_ids": [second["order_id"], "nothing"]}, 200
    )
    assert [row["queue_position"] for row in early_form["queue_positions"]] == [15]
    assert maker.refused(400, "GET", "/portfolio/orders/queue_positions") == "invalid_parameters"
    assert maker.get("/portfolio/orders/queue_positions", market_tickers=SUN) == {
        "queue_positions": []
    }


# --- subaccounts -----------------------------------------------------------------------------


def test_orders_of_subaccounts(exchange: RestExchange) -> None:
    caller = exchange.member(f"sub-{uuid4()}")
    number = caller.post("/portfolio/subaccounts")["subaccount_number"]
    assert number == 1
    body = order("buy", "yes", 40, 5, subaccount=1)
    assert caller.order_refused(400, body) == "available_balance_too_low"
    caller.post(
        "/portfolio/subaccounts/transfer",
        {
            "client_transfer_id": str(uuid4()),
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 1000,
        },
        200,
    )
    placed = caller.post("/portfolio/orders", body)["order"]
    assert placed["subaccount_number"] == 1
    by_query = caller.expect(
        201, "POST", "/portfolio/orders", order("buy", "yes", 30, 1), params={"subaccount": 1}
    )["order"]
    assert by_query["subaccount_number"] == 1
    assert caller.get("/portfolio/orders", subaccount=0)["orders"] == []
    assert len(caller.get("/portfolio/orders", subaccount=1)["orders"]) == 2
    assert len(caller.get("/portfolio/orders")["orders"]) == 2

    ids = {"ids": [placed["order_id"]]}
    item = caller.expect(200, "DELETE", "/portfolio/orders/batched", ids)["orders"][0]
    assert item["error"]["code"] == "not_found", "ids alone are of the primary subaccount"
    assert caller.refused(404, "DELETE", path(placed), params={"subaccount": 0}) == "not_found"
    latest = {"KALSHI-API-PROFILE": "latest"}
    assert caller.refused(404, "DELETE", path(placed), headers=latest) == "not_found"
    caller.expect(200, "DELETE", path(by_query), params={"subaccount": 1})
    caller.expect(200, "DELETE", path(placed))


# --- pauses ----------------------------------------------------------------------------------


def test_pauses(exchange: RestExchange, maker: Caller) -> None:
    first, second = (maker.order("buy", "yes", 40, 5) for _ in range(2))
    body = order("buy", "yes", 40, 1)
    exchange.do(c.SetTradingPause(True))
    status = maker.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (True, False)
    assert status["exchange_estimated_resume_time"] is None
    assert maker.order_refused(503, body) == "trading_paused"
    assert maker.post(path(first, "/decrease"), {"reduce_by": 1}, 200)
    maker.expect(200, "DELETE", path(first))
    exchange.do(c.SetTradingPause(False))

    exchange.do(c.SetExchangePause(True, exchange.gate.now_ns() + HOUR))
    status = maker.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (False, False)
    assert status["exchange_estimated_resume_time"] is not None
    assert maker.order_refused(503, body) == "exchange_paused"
    assert maker.refused(503, "DELETE", path(second)) == "exchange_paused"
    assert maker.get("/portfolio/orders", status="resting")["orders"] != []
    exchange.do(c.SetExchangePause(False))
    maker.expect(200, "DELETE", path(second))


# --- order groups ----------------------------------------------------------------------------


def test_an_order_group_from_creation_to_deletion(maker: Caller, taker: Caller) -> None:
    group = maker.post("/portfolio/order_groups/create", {"contracts_limit": 5})["order_group_id"]
    base = f"/portfolio/order_groups/{group}"
    placed = maker.order("buy", "yes", 40, 9, order_group_id=group)
    assert placed["order_group_id"] == group
    assert maker.get(base) == {
        "is_auto_cancel_enabled": True,
        "contracts_limit": 5,
        "contracts_limit_fp": "5.00",
        "orders": [placed["order_id"]],
    }
    taker.order("sell", "yes", 40, 9)
    assert maker.get(path(placed))["order"]["fill_count"] == 5
    assert maker.get(base)["is_auto_cancel_enabled"] is False
    body = order("buy", "yes", 30, 1, order_group_id=group)
    assert maker.order_refused(400, body) == "exceeded_order_group_risk_limit"
    for _ in range(2):
        assert maker.expect(200, "PUT", base + "/reset") == {}
    again = maker.post("/portfolio/orders", body)["order"]
    for _ in range(2):
        assert maker.expect(200, "PUT", base + "/trigger", {}) == {}
    assert maker.get(path(again))["order"]["status"] == "canceled"
    assert maker.post(base + "/reset", None, 200) == {}, "the form of early clients"
    maker.expect(200, "PUT", base + "/limit", {"contracts_limit": 50})
    assert maker.get(base)["contracts_limit"] == 50
    for caller, method, rest, sent in (
        (taker, "GET", "", None),
        (taker, "DELETE", "", None),
        (taker, "PUT", "/reset", {}),
        (taker, "PUT", "/limit", {"contracts_limit": 1}),
        (maker, "GET", "x", None),
    ):
        assert "not_found" in caller.refused(404, method, base + rest, sent)
    assert maker.expect(200, "DELETE", base) == {}
    assert "not_found" in maker.refused(404, "GET", base)
    assert maker.get("/portfolio/order_groups") == {"order_groups": []}
