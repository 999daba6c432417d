"""Compatibility profiles: each row of docs/api/compatibility.md, asked for in all three ways."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.core import commands as c
from augury.gateways.settings import RestSettings
from tests.rest_harness import HOUR, RAIN, RAIN_MORE, SCORE, SECOND, Caller, RestExchange, running

PROFILES = ("legacy", "3.6", "latest")
LEGS = [
    {"event_ticker": "RAIN-26MAR01", "market_ticker": RAIN, "side": "yes"},
    {"event_ticker": "SCORE-26MAR01-E", "market_ticker": SCORE, "side": "no"},
]


class World:
    """An exchange with somebody in it, and somebody else."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.caller = exchange.member("somebody")
        self.other = exchange.member("other")

    def ask(self, path: str, profile: str, method: str = "GET") -> Any:
        header = {"KALSHI-API-PROFILE": profile}
        return self.caller.send(method, path, headers=header).json()

    def of_all(self, path: str, read: Callable[[Any], Any]) -> list[Any]:
        """The same thing in each profile."""
        return [read(self.ask(path, profile)) for profile in PROFILES]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("profiles")) as exchange:
        yield World(exchange)


def statuses(world: World, ticker: str) -> list[Any]:
    one = world.of_all(f"/markets/{ticker}", lambda answer: answer["market"]["status"])
    listed = world.of_all(f"/markets?tickers={ticker}", lambda found: found["markets"][0]["status"])
    assert listed == one
    return one


def finalized(world: World) -> None:
    world.exchange.list_market("DONE", "SUN-26MAR01-E")
    world.exchange.do(c.DetermineMarket("DONE", "yes"))
    world.exchange.advance(2 * HOUR)
    assert statuses(world, "DONE") == ["settled", "finalized", "finalized"]


def inactive(world: World) -> None:
    world.exchange.do(c.PauseMarket(RAIN_MORE))
    assert statuses(world, RAIN_MORE) == ["active", "inactive", "inactive"]
    world.exchange.do(c.ReactivateMarket(RAIN_MORE))


def disputed_and_amended(world: World) -> None:
    world.exchange.list_market("DOUBT", "SUN-26MAR01-E")
    world.exchange.do(c.DetermineMarket("DOUBT", "yes"))
    world.exchange.do(c.DisputeMarket("DOUBT"))
    assert statuses(world, "DOUBT") == ["determined", "disputed", "disputed"]
    world.exchange.do(c.DetermineMarket("DOUBT", "no"))
    assert statuses(world, "DOUBT") == ["determined", "amended", "amended"]


def scalar_result(world: World) -> None:
    world.exchange.list_market("HALF", "SUN-26MAR01-E", market_type="scalar")
    world.exchange.do(c.DetermineMarket("HALF", "scalar", 5000))
    found = world.of_all("/markets/HALF", lambda answer: answer["market"]["result"])
    assert found == ["", "scalar", "scalar"]


def books_in_dollars(world: World) -> None:
    world.caller.order("buy", "yes", 40, 3)
    world.caller.order("buy", "no", 30, 2)
    path = f"/markets/{RAIN}/orderbook"
    for side, row in (("yes", ["0.4000", 3]), ("no", ["0.3000", 2])):
        name = f"{side}_dollars"
        found = [world.ask(path, one)["orderbook"].get(name) for one in PROFILES]
        assert found == [[[row[0], str(row[1])]], [row], None]
        exact = [world.ask(path, one)["orderbook_fp"][name] for one in PROFILES]
        assert exact == [[[row[0], f"{row[1]}.00"]]] * 3


def sides(world: World) -> None:
    exchange, caller, other = world.exchange, world.caller, world.other
    body = {"market_ticker": RAIN, "contracts": 3, "rest_remainder": False}
    rfq = caller.post("/communications/rfqs", body)["id"]
    bids = {"yes_bid": "0.3000", "no_bid": "0.6000", "rest_remainder": False}
    quote = other.post("/communications/quotes", {"rfq_id": rfq, **bids})["id"]
    path = f"/communications/quotes/{quote}"
    caller.expect(204, "PUT", f"{path}/accept", {"accepted_side": "no"})
    found = world.of_all(path, lambda answer: answer["quote"]["accepted_side"])
    assert found == ["false", "no", "no"]
    exchange.advance(60 * SECOND)

    now = exchange.gate.now_ns()
    events = tuple((leg["event_ticker"], False, 0, 1) for leg in LEGS)
    exchange.do(c.CreateSeries("KXMVE", "quadratic", 1_000_000, "{}"))
    exchange.do(c.CreateCollection("KXMVE-R", "KXMVE", now, now + HOUR, 2, 0, False, events, "{}"))
    collection = "/multivariate_event_collections/KXMVE-R"
    caller.post(collection, {"selected_markets": LEGS}, status=200)
    found = world.of_all(
        f"{collection}/lookup?lookback_seconds=10",
        lambda answer: [leg["side"] for leg in answer["lookup_points"][0]["selected_markets"]],
    )
    assert [sorted(one) for one in found] == [["false", "true"], ["no", "yes"], ["no", "yes"]]


def balances(world: World) -> None:
    found = world.of_all(
        "/portfolio/subaccounts/balances", lambda answer: answer["subaccount_balances"][0]
    )
    dollars = found[0]["balance_dollars"]
    ten_thousandths = int(dollars.replace(".", ""))
    assert [row["balance"] for row in found] == [ten_thousandths, ten_thousandths, dollars]


def limits(world: World) -> None:
    def there(answer: Any) -> set[str]:
        return set(answer) & {"read_limit", "write_limit", "read", "write"}

    numbers, buckets = {"read_limit", "write_limit"}, {"read", "write"}
    assert world.of_all("/account/limits", there) == [numbers, numbers | buckets, buckets]


def errors(world: World) -> None:
    answers = world.of_all("/markets/NOWHERE", lambda answer: answer)
    for answer in answers:
        assert answer["code"] == answer["error"]["code"] == "not_found"
    assert [("service" in answer, "service" in answer["error"]) for answer in answers] == [
        (True, True),
        (True, True),
        (False, False),
    ]


def whose_order(world: World) -> None:
    caller = world.caller
    caller.post("/portfolio/subaccounts")
    transfer = {
        "client_transfer_id": "2f6d1b1e-7a4c-4b6e-8a57-5d9a3c1e0f42",
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 5000,
    }
    caller.post("/portfolio/subaccounts/transfer", transfer, status=200)

    def cancelled(profile: str) -> bool:
        order = caller.order("buy", "yes", 5, 1, subaccount=1)["order_id"]
        answer = world.ask(f"/portfolio/orders/{order}", profile, "DELETE")
        if "code" in answer:
            assert answer["code"] == "not_found"
            caller.expect(200, "DELETE", f"/portfolio/orders/{order}?subaccount=1")
        return "code" not in answer

    assert [cancelled(profile) for profile in PROFILES] == [True, True, False]


def most_subaccounts(world: World) -> None:
    owner = world.exchange.member("owner")

    def opened(profile: str) -> int:
        header = {"KALSHI-API-PROFILE": profile}
        while True:
            answer = owner.send("POST", "/portfolio/subaccounts", headers=header)
            if answer.status_code != 201:
                assert answer.json()["code"] == "invalid_parameters"
                return len(owner.get("/portfolio/subaccounts/balances")["subaccount_balances"]) - 1

    assert [opened(profile) for profile in PROFILES] == [32, 32, 63]


ROWS: dict[str, Callable[[World], None]] = {
    "market status `finalized`": finalized,
    "market status `inactive`": inactive,
    "market status `disputed`, `amended`": disputed_and_amended,
    "market result `scalar`": scalar_result,
    "`orderbook.yes_dollars`, `no_dollars`": books_in_dollars,
    "sides of quotes and combos in answers": sides,
    "`balance` of a subaccount": balances,
    "`/account/limits`": limits,
    "errors": errors,
    "`subaccount` left out when an order is changed": whose_order,
    "most subaccounts that can be opened": most_subaccounts,
}


@pytest.mark.parametrize("row", ROWS)
def test_a_difference_between_profiles(world: World, row: str) -> None:
    ROWS[row](world)


def test_the_page_on_compatibility_has_no_other_rows(repository: Path) -> None:
    page = (repository / "docs/api/compatibility.md").read_text(encoding="utf-8")
    table = page.partition("## What the profiles change\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!\|)([^|]+?) \|", table, re.MULTILINE)
    assert [row for row in rows if row.strip("- ")] == list(ROWS)


def test_the_request_chooses_before_the_key_and_the_key_before_the_client(tmp_path: Path) -> None:
    """In the order that the page names; whoever says nothing has the server's profile."""
    with running(tmp_path, RestSettings(rate_limits=False, profile="latest")) as exchange:
        caller = exchange.member("somebody")
        keyed = exchange.caller(caller.member_id, profile="3.6")
        agent = {"User-Agent": "OpenAPI-Generator/3.2.0/python"}
        header = {"KALSHI-API-PROFILE": "legacy"}

        def chosen(who: Caller, **headers: str) -> str:
            answer = who.expect(200, "GET", "/account/limits", headers=headers)
            return {(True, False): "legacy", (True, True): "3.6", (False, True): "latest"}[
                ("read_limit" in answer, "read" in answer)
            ]

        assert chosen(caller) == "latest"
        assert chosen(caller, **agent) == "legacy"
        assert chosen(keyed) == "3.6"
        assert chosen(keyed, **agent) == "3.6"
        assert chosen(keyed, **header, **agent) == "legacy"
        made = keyed.post("/api_keys/generate", {"name": "child"})["api_key_id"]
        assert made in {key["api_key_id"] for key in keyed.get("/api_keys")["api_keys"]}
        keys = sorted(exchange.state.api_keys.values(), key=lambda key: key.id)
        assert [key.profile for key in keys] == ["", "3.6", "3.6"]
