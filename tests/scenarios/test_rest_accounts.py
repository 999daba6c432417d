"""Money, positions, keys, scopes and limits over REST (rest.md, sections 6 and 7)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from augury.client.signing import Signer
from augury.core import commands as c
from augury.gateways.settings import RestSettings, TierLimits
from tests.rest_harness import (
    HOUR,
    RAIN,
    SCORE,
    Caller,
    RestExchange,
    key_pair,
    order,
    running,
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_accounts")) as exchange:
        yield exchange


@pytest.fixture
def caller(exchange: RestExchange) -> Caller:
    return exchange.member(f"caller-{uuid4()}")


@pytest.fixture
def other(exchange: RestExchange) -> Caller:
    return exchange.member(f"other-{uuid4()}")


# --- money -----------------------------------------------------------------------------------


def test_a_round_trip_to_the_cent(exchange: RestExchange, caller: Caller, other: Caller) -> None:
    """Buy 100 YES at 40, sell 60 at 50, be right about the rest; every cent is accounted for."""
    ticker = f"RAIN-{caller.member_id}"
    exchange.list_market(ticker, "RAIN-26MAR01")
    other.order("sell", "yes", 40, 100, ticker)
    caller.order("buy", "yes", 40, 100, ticker)
    # The taker's fee: 0.07 x 100 x 0.40 x 0.60 = 1.68 dollars.
    assert caller.get("/portfolio/balance")["balance"] == 1_000_000 - 4000 - 168
    position = caller.get("/portfolio/positions", ticker=ticker)["market_positions"][0]
    assert (position["position"], position["market_exposure"]) == (100, 4000)
    assert (position["total_traded"], position["fees_paid"]) == (4000, 168)

    caller.order("sell", "yes", 50, 60, ticker)
    other.order("buy", "yes", 50, 60, ticker)
    balance = caller.get("/portfolio/balance")
    assert balance["balance"] == 1_000_000 - 4000 - 168 + 3000
    # The last price is 50, the quotes are empty: 40 contracts are worth 20 dollars.
    assert balance["portfolio_value"] == 2000
    position = caller.get("/portfolio/positions", ticker=ticker)["market_positions"][0]
    assert (position["position"], position["realized_pnl"]) == (40, 600)

    exchange.do(c.DetermineMarket(ticker, "yes"))
    assert caller.get("/portfolio/balance")["portfolio_value"] == 4000
    exchange.advance(HOUR)
    final = caller.get("/portfolio/balance")
    assert (final["balance"], final["portfolio_value"]) == (1_000_000 - 168 - 1000 + 4000, 0)
    assert caller.get("/portfolio/positions")["market_positions"] == []
    row = caller.get("/portfolio/settlements")["settlements"][0]
    assert (row["market_result"], row["yes_count"], row["no_count"]) == ("yes", 40, 0)
    assert (row["yes_total_cost"], row["revenue"], row["value"]) == (1600, 4000, 100)
    assert row["fee_cost"] == "1.6800"


def test_scalar_and_void_settlements(exchange: RestExchange, caller: Caller, other: Caller) -> None:
    tickers = [f"SCORE-{kind}-{caller.member_id}" for kind in ("SCALAR", "VOID")]
    for ticker, result in zip(tickers, (("scalar", 3250), ("void", 0)), strict=True):
        exchange.list_market(ticker, "SCORE-26MAR01-E", market_type="scalar")
        caller.order("buy", "no", 60, 10, ticker)
        other.order("buy", "yes", 40, 10, ticker)
        exchange.do(c.DetermineMarket(ticker, *result))
    exchange.advance(HOUR)
    void, scalar = caller.get("/portfolio/settlements")["settlements"]
    assert (scalar["market_result"], scalar["no_count"]) == ("scalar", 10)
    assert (scalar["revenue"], scalar["value"], scalar["no_total_cost"]) == (675, 32, 600)
    assert (void["market_result"], void["revenue"]) == ("void", 600)
    market = caller.get(f"/markets/{tickers[0]}")["market"]
    assert (market["result"], market["settlement_value_dollars"]) == ("scalar", "0.3250")
    market = caller.get(f"/markets/{tickers[1]}")["market"]
    assert (market["status"], market["result"]) == ("finalized", "")


def test_resting_orders_hold_money_back(caller: Caller) -> None:
    caller.order("buy", "yes", 20, 10)
    held = caller.get("/portfolio/summary/total_resting_order_value")["total_resting_order_value"]
    assert held == 200 + 12, "the price and the fee at the taker's rate"
    assert caller.get("/portfolio/balance")["balance"] == 1_000_000 - held
    row = caller.get("/portfolio/positions")["market_positions"][0]
    assert (row["position"], row["resting_orders_count"]) == (0, 10)


def test_positions_and_their_filters(caller: Caller, other: Caller) -> None:
    other.order("buy", "yes", 90, 5, SCORE)
    caller.order("sell", "yes", 90, 5, SCORE)
    caller.order("buy", "yes", 3, 1)

    def listed(**params: Any) -> list[str]:
        rows = caller.get("/portfolio/positions", **params)["market_positions"]
        return [row["ticker"] for row in rows]

    assert listed() == [SCORE, RAIN]
    assert listed(count_filter="position") == [SCORE]
    assert listed(count_filter="total_traded,position") == [SCORE]
    assert listed(event_ticker="RAIN-26MAR01") == [RAIN]
    refused = caller.refused(
        400, "GET", "/portfolio/positions", params={"count_filter": "resting_order_count"}
    )
    assert refused == "invalid_parameters"
    answer = caller.get("/portfolio/positions", ticker=SCORE)
    assert answer["market_positions"][0]["position_fp"] == "-5.00"
    event = answer["event_positions"][0]
    assert (event["event_ticker"], event["event_exposure"]) == ("SCORE-26MAR01-E", 50)
    assert event["total_cost_shares_fp"] == "5.00"
    assert caller.refused(400, "GET", "/portfolio/balance", params={"subaccount": 1})


def test_what_a_member_has_just_done_is_in_every_list(caller: Caller, other: Caller) -> None:
    """History is written behind the exchange's back, and yet nobody sees it lag."""
    for number in range(1, 21):
        caller.order("buy", "yes", 45, 1, SCORE)
        taken = other.order("sell", "yes", 45, 1, SCORE)
        assert len(caller.get("/portfolio/fills")["fills"]) == number
        assert other.get(f"/portfolio/orders/{taken['order_id']}")["order"]["fill_count"] == 1
    now = caller.get("/exchange/user_data_timestamp")["as_of_time"]
    assert now.startswith("2026-03-0")


def test_transfers_between_subaccounts(caller: Caller, other: Caller) -> None:
    path = "/portfolio/subaccounts/transfer"
    assert caller.post("/portfolio/subaccounts") == {"subaccount_number": 1}
    transfer_id = str(uuid4())
    body = {
        "client_transfer_id": transfer_id,
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 12_345,
    }
    assert caller.expect(200, "POST", path, body) == {}
    assert caller.refused(409, "POST", path, body) == "duplicate_transfer"
    upper = {**body, "client_transfer_id": transfer_id.upper()}
    assert caller.refused(409, "POST", path, upper) == "duplicate_transfer"
    fresh = {**body, "client_transfer_id": str(uuid4())}
    for wrong, code in (
        ({"client_transfer_id": "mine"}, "invalid_parameters"),
        ({"to_subaccount": 0}, "invalid_parameters"),
        ({"to_subaccount": 2}, "invalid_parameters"),
        ({"amount_cents": 0}, "invalid_parameters"),
        ({"amount_cents": -5}, "invalid_parameters"),
        ({"amount_cents": 10**30}, "invalid_parameters"),
        ({"amount_cents": 99_999_999}, "available_balance_too_low"),
    ):
        assert caller.refused(400, "POST", path, {**fresh, **wrong}) == code
    rows = caller.get("/portfolio/subaccounts/balances")["subaccount_balances"]
    assert [row["balance"] for row in rows] == [98_765_500, 1_234_500]
    latest = caller.expect(
        200, "GET", "/portfolio/subaccounts/balances", headers={"KALSHI-API-PROFILE": "latest"}
    )["subaccount_balances"]
    assert [row["balance"] for row in latest] == ["9876.5500", "123.4500"]
    assert caller.get("/portfolio/balance", subaccount=1)["balance"] == 12_345
    rows = caller.get("/portfolio/subaccounts/transfers")["transfers"]
    assert [(row["amount_cents"], row["to_subaccount"]) for row in rows] == [(12_345, 1)]
    assert other.get("/portfolio/subaccounts/transfers")["transfers"] == []


def test_there_are_thirty_two_subaccounts(caller: Caller) -> None:
    numbers = [caller.post("/portfolio/subaccounts")["subaccount_number"] for _ in range(32)]
    assert numbers == list(range(1, 33))
    assert caller.refused(400, "POST", "/portfolio/subaccounts") == "invalid_parameters"


# --- keys and scopes -------------------------------------------------------------------------


def test_a_key_that_reads_cannot_write(exchange: RestExchange, caller: Caller) -> None:
    reader = exchange.caller(caller.member_id, ("read",))
    assert reader.get("/portfolio/balance")["balance"] == 1_000_000
    for method, path, body in (
        ("POST", "/portfolio/orders", order("buy", "yes", 1, 1)),
        ("DELETE", "/portfolio/orders/anything", None),
        ("POST", "/portfolio/orders/batched", {"orders": []}),
        ("PUT", "/portfolio/order_groups/anything/reset", {}),
        ("POST", "/api_keys/generate", {"name": "k"}),
        ("POST", "/portfolio/subaccounts", None),
    ):
        assert reader.refused(403, method, path, body) == "insufficient_scope"


def test_a_generated_key_signs_until_it_is_deleted(exchange: RestExchange, caller: Caller) -> None:
    made = caller.post("/api_keys/generate", {"name": "robot", "scopes": ["read"]})
    assert made["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    robot = Caller(exchange.url, Signer(made["api_key_id"], made["private_key"]))
    assert robot.get("/portfolio/balance")["balance"] == 1_000_000
    listed = caller.get("/api_keys")["api_keys"]
    assert listed[1] == {"api_key_id": made["api_key_id"], "name": "robot", "scopes": ["read"]}
    assert caller.expect(204, "DELETE", f"/api_keys/{made['api_key_id']}") is None
    assert robot.refused(401, "GET", "/portfolio/balance") == "unauthorized"
    assert caller.refused(404, "DELETE", f"/api_keys/{made['api_key_id']}") == "not_found"


def test_a_key_may_delete_itself_but_no_other_members(caller: Caller, other: Caller) -> None:
    own = caller.get("/api_keys")["api_keys"][0]["api_key_id"]
    assert other.refused(404, "DELETE", f"/api_keys/{own}") == "not_found"
    caller.expect(204, "DELETE", f"/api_keys/{own}")
    assert caller.refused(401, "GET", "/api_keys") == "unauthorized"


def public_pem(key: Any) -> str:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded.decode()


def test_keys_that_are_not_accepted(caller: Caller) -> None:
    good = key_pair().public_pem
    small = public_pem(rsa.generate_private_key(65537, 1024))
    elliptic = public_pem(ec.generate_private_key(ec.SECP256R1()))
    for body in (
        {"name": "k", "public_key": "nonsense"},
        {"name": "k", "public_key": small},
        {"name": "k", "public_key": elliptic},
        {"name": "k", "public_key": key_pair().private_pem},
        {"name": "", "public_key": good},
        {"name": "k" * 201, "public_key": good},
        {"name": "k\u0000", "public_key": good},
        {"public_key": good},
        {"name": "k", "public_key": good, "scopes": ["write"]},
        {"name": "k", "public_key": good, "scopes": []},
        {"name": "k", "public_key": good, "scopes": ["read", "admin"]},
        {"name": "k", "public_key": good, "scopes": "read"},
    ):
        assert caller.refused(400, "POST", "/api_keys", body) == "invalid_parameters"
    assert len(caller.get("/api_keys")["api_keys"]) == 1
    made = caller.post("/api_keys", {"name": "second", "public_key": good})
    assert caller.get("/api_keys")["api_keys"][1]["scopes"] == ["read", "write"]
    assert made["api_key_id"] == caller.get("/api_keys")["api_keys"][1]["api_key_id"]


def test_credentials_are_needed_and_wrong_ones_never_help(
    exchange: RestExchange, caller: Caller
) -> None:
    stranger = exchange.stranger()
    assert stranger.get("/markets")["markets"]
    assert stranger.refused(401, "GET", "/portfolio/balance") == "unauthorized"
    wrong = {"KALSHI-ACCESS-SIGNATURE": "AAAA"}
    for path in ("/portfolio/balance", "/markets"):
        assert caller.refused(401, "GET", path, headers=wrong) == "invalid_signature"
    old = caller.signer.headers("GET", "/trade-api/v2/markets", 1) if caller.signer else {}
    assert stranger.refused(401, "GET", "/markets", headers=old) == "header_timestamp_expired"


# --- profiles --------------------------------------------------------------------------------


def test_the_header_beats_the_key_which_beats_the_server(
    exchange: RestExchange, caller: Caller
) -> None:
    caller.order("buy", "yes", 40, 3)
    legacy = exchange.caller(caller.member_id, profile="legacy")
    path = f"/markets/{RAIN}/orderbook"

    def count(who: Caller, **headers: str) -> Any:
        answer = who.expect(200, "GET", path, headers=headers)
        return answer["orderbook"]["yes_dollars"][-1][1]

    assert isinstance(count(caller), int)
    assert count(legacy) == str(count(caller))
    assert isinstance(count(legacy, **{"KALSHI-API-PROFILE": "3.6"}), int)
    assert isinstance(count(caller, **{"KALSHI-API-PROFILE": "legacy"}), str)
    wrong = {"KALSHI-API-PROFILE": "2.0"}
    assert caller.refused(400, "GET", path, headers=wrong) == "invalid_parameters"


@pytest.mark.parametrize(
    "profile, plain, nested",
    [("legacy", True, False), ("3.6", True, True), ("latest", False, True)],
)
def test_limits_in_the_form_of_each_generation(
    caller: Caller, profile: str, plain: bool, nested: bool
) -> None:
    answer = caller.expect(200, "GET", "/account/limits", headers={"KALSHI-API-PROFILE": profile})
    assert answer["usage_tier"] == "basic"
    assert answer.get("write_limit") == (10 if plain else None)
    assert answer.get("write") == ({"refill_rate": 10, "bucket_capacity": 10} if nested else None)


# --- rate limits -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    """An exchange with limits that a test reaches within a second, whatever the machine."""
    tiers = {"basic": TierLimits(5, 5), "premier": TierLimits(1000, 1000)}
    directory = tmp_path_factory.mktemp("rest_limits")
    with running(directory, RestSettings(tiers=tiers)) as exchange:
        yield exchange


def test_a_batch_beyond_the_limit_is_refused_as_a_whole(strict: RestExchange) -> None:
    caller = strict.member("batcher")
    batch = {"orders": [order("buy", "yes", 1, 1)] * 6}
    assert caller.refused(429, "POST", "/portfolio/orders/batched", batch) == "too_many_requests"
    assert caller.get("/portfolio/orders")["orders"] == []
    assert len(caller.post("/portfolio/orders/batched", {"orders": batch["orders"][:5]})) == 1


def test_cancels_in_a_batch_cost_a_fifth(strict: RestExchange) -> None:
    caller = strict.member("canceler")
    placed = caller.post("/portfolio/orders/batched", {"orders": [order("buy", "yes", 1, 1)] * 4})
    ids = {"ids": [item["order"]["order_id"] for item in placed["orders"]] + ["x"]}
    answer = caller.expect(200, "DELETE", "/portfolio/orders/batched", ids)
    assert [item["reduced_by"] for item in answer["orders"]] == [1, 1, 1, 1, 0]


def test_reads_are_limited_per_account_and_strangers_per_address(strict: RestExchange) -> None:
    """More requests than a second allows, from three callers who do not share a limit."""
    first, second = strict.member("first"), strict.member("second")
    generous = strict.member("generous", tier="premier")
    stranger = strict.stranger()
    for caller in (first, second, stranger):
        statuses = [caller.send("GET", "/exchange/status").status_code for _ in range(40)]
        assert statuses[:5] == [200] * 5
        assert 429 in statuses
    refused = [caller.send("GET", "/markets") for caller in [stranger] * 40]
    body = next(response.json() for response in refused if response.status_code == 429)
    assert (body["code"], body["error"]["code"]) == ("too_many_requests",) * 2
    assert all(generous.send("GET", "/exchange/status").status_code == 200 for _ in range(40))


def test_tokens_instead_of_requests(tmp_path: Path) -> None:
    """Cancels are cheap, order groups are paid from the write bucket, limits come as buckets."""
    # Refilled so slowly that the speed of the machine does not matter.
    tiers = {"basic": TierLimits(1000, 40)}
    settings = RestSettings(rate_limit_model="tokens", token_tiers=tiers)
    with running(tmp_path, settings) as exchange:
        caller = exchange.member("tokens")
        limits = caller.get("/account/limits")
        assert limits["write"] == {"refill_rate": 40, "bucket_capacity": 40}
        assert limits["read"] == {"refill_rate": 1000, "bucket_capacity": 2000}
        assert (limits["read_limit"], limits["write_limit"]) == (100, 4)
        body = {"orders": [order("buy", "yes", 1, 1)] * 5}
        path = "/portfolio/orders/batched"
        assert caller.refused(429, "POST", path, body) == "too_many_requests"
        batch = caller.post(path, {"orders": body["orders"][:3]})
        # Ten tokens are left, which is one group or five cancels.
        for item in batch["orders"]:
            caller.expect(200, "DELETE", f"/portfolio/orders/{item['order']['order_id']}")
        groups = [
            caller.send("POST", "/portfolio/order_groups/create", {}).status_code for _ in range(20)
        ]
        assert 429 in groups
        costs = caller.get("/account/endpoint_costs")
        assert costs["default_cost"] == 10
        cheap = {(row["method"], row["path"]): row["cost"] for row in costs["endpoint_costs"]}
        assert cheap["DELETE", "/trade-api/v2/portfolio/orders/:order_id"] == 2
        assert cheap["POST", "/trade-api/v2/communications/quotes"] == 2
