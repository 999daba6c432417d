"""Keys that may do less: finer scopes, and keys for one subaccount."""

from collections.abc import Iterator
from typing import Any

import pytest

from augury.client.signing import Signer
from augury.core import commands as c
from tests.rest_harness import RAIN, Caller, RestExchange, key_pair, order, running

NEW_KEY = {"name": "new", "public_key": key_pair().public_pem}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("keys")) as exchange:
        yield exchange


@pytest.fixture
def member(exchange: RestExchange, request: pytest.FixtureRequest) -> Caller:
    """A member with two subaccounts of 100 dollars each, beside the primary one."""
    caller = exchange.member(request.node.name)
    for number in (1, 2):
        exchange.do(c.CreateSubaccount(caller.member_id))
        exchange.do(c.Deposit(caller.member_id, number, 100_000_000))
    return caller


def with_key(exchange: RestExchange, owner: Caller, **more: Any) -> Caller:
    """The owner with a key that the API made."""
    key_id = owner.post("/api_keys", {**NEW_KEY, **more})["api_key_id"]
    return Caller(exchange.url, Signer(key_id, key_pair().private_pem), owner.member_id)


def lacks(caller: Caller, method: str, path: str, body: Any = None) -> bool:
    response = caller.send(method, path, body)
    return response.status_code == 403 and response.json()["code"] == "insufficient_scope"


def test_a_key_for_trading_moves_no_money(exchange: RestExchange, member: Caller) -> None:
    trader = with_key(exchange, member, scopes=["read", "write::trade"])
    placed = trader.order("buy", "yes", 5, 1)
    trader.expect(200, "DELETE", f"/portfolio/orders/{placed['order_id']}")
    trader.post("/portfolio/order_groups/create", {"contracts_limit": 5})
    transfer = {
        "client_transfer_id": "0d1b3b0e-6f3f-4b5a-8b0c-0123456789ab",
        "from_subaccount": 1,
        "to_subaccount": 2,
        "amount_cents": 100,
    }
    assert lacks(trader, "POST", "/portfolio/subaccounts/transfer", transfer)
    assert lacks(trader, "POST", "/api_keys", NEW_KEY)
    mover = with_key(exchange, member, scopes=["write::transfer"])
    mover.expect(200, "POST", "/portfolio/subaccounts/transfer", transfer)
    assert lacks(mover, "POST", "/portfolio/orders", order("buy", "yes", 5, 1))
    assert lacks(mover, "GET", "/portfolio/orders")


def test_a_key_for_the_balance_sees_the_balance(exchange: RestExchange, member: Caller) -> None:
    watcher = with_key(exchange, member, scopes=["read::portfolio_balance"])
    assert watcher.get("/portfolio/balance")["balance"] == 1_000_000
    assert len(watcher.get("/portfolio/subaccounts/balances")["subaccount_balances"]) == 3
    assert watcher.get("/markets")["markets"]
    for path in ("/portfolio/positions", "/portfolio/fills", "/api_keys"):
        assert lacks(watcher, "GET", path)


def test_which_scopes_a_key_can_have(exchange: RestExchange, member: Caller) -> None:
    for scopes in (["write"], [], ["read", "admin"], ["write::all"]):
        body = {**NEW_KEY, "scopes": scopes}
        assert member.refused(400, "POST", "/api_keys", body) == "invalid_parameters"
    assert member.refused(400, "POST", "/api_keys", {**NEW_KEY, "subaccount": 7})
    with_key(exchange, member, scopes=["write::trade", "read"], subaccount=2)
    assert [
        (key["scopes"], key.get("subaccount")) for key in member.get("/api_keys")["api_keys"]
    ] == [(["read", "write"], None), (["read", "write::trade"], 2)]


def test_a_key_for_one_subaccount_trades_there_and_nowhere_else(
    exchange: RestExchange, member: Caller
) -> None:
    locked = with_key(exchange, member, subaccount=1)
    elsewhere = member.order("buy", "yes", 4, 1)
    here = locked.order("buy", "yes", 5, 2)
    also = locked.order("buy", "yes", 5, 1, subaccount=1)
    assert here["subaccount_number"] == also["subaccount_number"] == 1

    assert locked.order_refused(403, order("buy", "yes", 5, 1, subaccount=0)) == "forbidden"
    params = {"subaccount": 2}
    body = order("buy", "yes", 5, 1)
    assert locked.refused(403, "POST", "/portfolio/orders", body, params=params) == "forbidden"
    batch = {"orders": [order("buy", "yes", 5, 1), order("buy", "yes", 5, 1, subaccount=2)]}
    rows = locked.post("/portfolio/orders/batched", batch)["orders"]
    assert rows[0]["order"]["subaccount_number"] == 1
    assert rows[1]["error"]["code"] == "forbidden"

    path = f"/portfolio/orders/{elsewhere['order_id']}"
    for method, suffix, change in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/amend", order("buy", "yes", 6, 1)),
        ("POST", "/decrease", {"reduce_by": 1}),
        ("GET", "/queue_position", None),
    ):
        assert locked.refused(404, method, path + suffix, change) == "not_found"
    ids = {"ids": [elsewhere["order_id"], here["order_id"]]}
    rows = locked.expect(200, "DELETE", "/portfolio/orders/batched", ids)["orders"]
    assert [row["reduced_by"] for row in rows] == [0, 2]
    named = {"orders": [{"order_id": also["order_id"], "subaccount": 0}]}
    assert locked.refused(403, "DELETE", "/portfolio/orders/batched", named) == "forbidden"
    later = locked.expect(200, "DELETE", f"/portfolio/events/orders/{also['order_id']}")
    assert later["reduced_by"] == "1.00"
    asked = locked.post(
        "/portfolio/orders/queue_positions", {"order_ids": [elsewhere["order_id"]]}, 200
    )
    assert asked["queue_positions"] == []


def test_a_key_for_one_subaccount_sees_that_one(exchange: RestExchange, member: Caller) -> None:
    locked = with_key(exchange, member, subaccount=2)
    other = exchange.member("counterparty")
    member.order("buy", "yes", 50, 1)
    locked.order("buy", "yes", 50, 2)
    other.order("sell", "yes", 50, 3)
    group = member.post("/portfolio/order_groups/create", {"contracts_limit": 5})
    group_path = f"/portfolio/order_groups/{group['order_group_id']}"

    assert locked.get("/portfolio/balance")["balance"] < 10_000
    assert [row["count"] for row in locked.get("/portfolio/fills")["fills"]] == [2]
    assert [row["fill_count"] for row in locked.get("/portfolio/orders")["orders"]] == [2]
    position = locked.get("/portfolio/positions", ticker=RAIN)["market_positions"]
    assert [row["position"] for row in position] == [2]
    balances = locked.get("/portfolio/subaccounts/balances")["subaccount_balances"]
    assert [row["subaccount_number"] for row in balances] == [2]
    assert locked.get("/portfolio/order_groups")["order_groups"] == []
    assert locked.refused(404, "GET", group_path) == "not_found"
    assert locked.refused(404, "PUT", group_path + "/trigger") == "not_found"
    assert locked.refused(404, "DELETE", group_path) == "not_found"
    for path in ("/portfolio/balance", "/portfolio/fills", "/portfolio/settlements"):
        assert locked.refused(403, "GET", path, params={"subaccount": 0}) == "forbidden"


def test_a_key_for_one_subaccount_does_nothing_for_the_whole_account(
    exchange: RestExchange, member: Caller
) -> None:
    locked = with_key(exchange, member, subaccount=0)
    for method, path, body in (
        ("GET", "/api_keys", None),
        ("POST", "/api_keys", NEW_KEY),
        ("POST", "/portfolio/subaccounts", None),
        ("POST", "/portfolio/subaccounts/transfer", {}),
        ("GET", "/portfolio/subaccounts/transfers", None),
        ("GET", "/fcm/orders", None),
    ):
        assert locked.refused(403, method, path, body) == "forbidden"
    assert locked.get("/account/limits")["usage_tier"] == "basic"
    assert locked.get("/markets")["markets"]
