"""Who may call what, for every operation of the table, so that a new one cannot be forgotten."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from augury.codec.ids import format_id
from augury.core.state import API_KEY_SCOPES
from augury.gateways.rest.operations import BUILT, PUBLIC, Operation
from augury.gateways.rest.reference import examples
from tests.rest_harness import RAIN, Caller, RestExchange, running

SIGNED: Final = [operation for operation in BUILT if operation.scope != PUBLIC]

OWNED: Final = {
    "order_id": "order",
    "order_group_id": "group",
    "quote_id": "quote",
    "api_key": "api_key",
    "block_trade_proposal_id": "block_trade_proposal",
    "rfq_id": "rfq",
}
"""Variables of paths that name something of one member -> kind of the id."""

FOR_EVERYBODY: Final = {"GetRFQ"}
"""Requests for quotes are public among members."""

TAKING_IDS: Final = [
    operation
    for operation in SIGNED
    if any(f"{{{name}}}" in operation.path for name in OWNED) and operation.id not in FOR_EVERYBODY
]


class Estate:
    """One of everything that a member can own, and somebody else who wants it."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.owner = exchange.member("owner")
        self.thief = exchange.member("thief")
        owner, other = self.owner, exchange.member("other")
        self.ids = {
            "order_id": owner.order("buy", "yes", 40, 10)["order_id"],
            "order_group_id": owner.post("/portfolio/order_groups/create", {"contracts_limit": 5})[
                "order_group_id"
            ],
            "api_key": owner.signer.key_id if owner.signer else "",
        }
        wish = {"market_ticker": RAIN, "contracts": 10, "rest_remainder": False}
        self.ids["rfq_id"] = owner.post("/communications/rfqs", wish)["id"]
        self.ids["quote_id"] = other.post(
            "/communications/quotes",
            {
                "rfq_id": self.ids["rfq_id"],
                "yes_bid": "0.4000",
                "no_bid": "0.5500",
                "rest_remainder": False,
            },
        )["id"]
        self.ids["block_trade_proposal_id"] = other.post(
            "/communications/block-trade-proposals",
            {
                "buyer_user_id": owner.user_id,
                "seller_user_id": other.user_id,
                "market_ticker": RAIN,
                "price_centi_cents": 4_100,
                "centicount": 1_000,
                "maker_side": "yes",
                "expiration_ts": "2026-03-01T15:00:00Z",
            },
        )["block_trade_proposal_id"]

    def unknown(self) -> dict[str, str]:
        return {name: format_id(kind, 999_999_999) for name, kind in OWNED.items()}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with running(tmp_path_factory.mktemp("exchange")) as exchange:
        yield Estate(exchange)


def ask(caller: Caller, operation: Operation, ids: dict[str, str]) -> Any:
    """The operation with the body and the query of its example."""
    example = examples()[operation.id]
    path = operation.path.format(**{**example.path, **ids})
    return caller.send(operation.method, path, example.body, params=example.query)


@pytest.mark.parametrize("operation", TAKING_IDS, ids=lambda operation: operation.id)
def test_what_belongs_to_others_looks_like_what_never_was(
    estate: Estate, operation: Operation
) -> None:
    before = estate.exchange.state.orders.copy()
    found = ask(estate.thief, operation, estate.ids)
    missing = ask(estate.thief, operation, estate.unknown())
    assert found.status_code == missing.status_code == 404, found.text
    assert found.json() == missing.json()
    assert found.json()["code"].endswith("not_found")
    assert estate.exchange.state.orders == before
    for name in ("rfq_id", "quote_id"):
        assert estate.ids[name] not in found.text


def test_what_belongs_to_others_is_still_there(estate: Estate) -> None:
    """After everything that the thief has tried."""
    ids, owner = estate.ids, estate.owner
    assert owner.get(f"/portfolio/orders/{ids['order_id']}")["order"]["remaining_count"] == 10
    assert owner.get(f"/portfolio/order_groups/{ids['order_group_id']}")["is_auto_cancel_enabled"]
    assert owner.get(f"/communications/quotes/{ids['quote_id']}")["quote"]["status"] == "open"
    proposals = owner.get("/communications/block-trade-proposals")["block_trade_proposals"]
    assert [row["status"] for row in proposals] == ["pending"]


@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: operation.id)
def test_without_a_signature_there_is_no_answer(estate: Estate, operation: Operation) -> None:
    response = ask(estate.exchange.stranger(), operation, estate.ids)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def lacking(operation: Operation) -> tuple[str, ...]:
    """All scopes that do not contain the one that the operation demands."""
    family = operation.scope.split("::")[0]
    return tuple(
        scope
        for scope in API_KEY_SCOPES
        if scope not in (family, operation.scope) and not (scope == "write" and family == "read")
    )


@pytest.fixture(scope="module")
def keys(estate: Estate) -> dict[tuple[str, ...], Caller]:
    """A key of the owner for each selection of scopes that is one too few."""
    return {
        scopes: estate.exchange.caller(estate.owner.member_id, scopes)
        for scopes in {lacking(operation) for operation in SIGNED}
    }


@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: operation.id)
def test_a_key_without_the_scope_is_refused_whatever_else_it_may_do(
    estate: Estate, keys: dict[tuple[str, ...], Caller], operation: Operation
) -> None:
    scopes = lacking(operation)
    if operation.scope.startswith("write") and "read" in scopes:
        assert "write" not in scopes, "a key that only reads is among those that are refused"
    response = ask(keys[scopes], operation, estate.ids)
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "operation",
    [one for one in BUILT if any(f"{{{name}}}" in one.path for name in ("ticker", "event_ticker"))]
    + [one for one in BUILT if "_id}" in one.path and one.scope == PUBLIC]
    + [one for one in BUILT if "{collection_ticker}" in one.path],
    ids=lambda operation: operation.id,
)
def test_unknown_names_are_not_found(estate: Estate, operation: Operation) -> None:
    example = examples()[operation.id]
    names = {name: "NO-SUCH-THING" for name in example.path if name != "type"}
    response = ask(estate.owner, operation, names)
    assert response.status_code == 404, response.text
    assert response.json()["code"].endswith("not_found")
