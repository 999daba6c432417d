"""Asking for quotes over real HTTP, with sockets that listen: one requester and two makers.

The whole exchange runs, with log and history; time is virtual, so a window of thirty seconds ends
when a story says so.
"""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from augury.client.signing import Signer
from augury.gateways.ws.sharding import shard_of
from augury.testing.exchange import Member, RunningExchange, running_exchange
from tests.ws_schemas import check_shape

PATH = "/trade-api/ws/v2"
RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"


class Ears:
    """A socket on the channel ``communications``; every message must have its published shape."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._messages: list[dict[str, Any]] = []

    def command(self, cmd: str, **params: Any) -> None:
        self._socket.send(json.dumps({"id": 7, "cmd": cmd, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=10))
            check_shape(message)
            if message.get("id") == 7:
                assert message["type"] != "error", message
                return
            self._messages.append(message)

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """What has arrived since the last call: types and bodies."""
        self.command("list_subscriptions")
        heard, self._messages = self._messages, []
        return [(message["type"], message["msg"]) for message in heard]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.heard()]


@contextlib.contextmanager
def listening(exchange: RunningExchange, signer: Signer, **params: Any) -> Iterator[Ears]:
    headers = signer.headers("GET", PATH)
    with connect(exchange.websocket_url, additional_headers=headers) as socket:
        ears = Ears(socket)
        ears.command("subscribe", channels=["communications"], **params)
        yield ears


class Desk:
    """A requester, two makers and a market of their own."""

    def __init__(self, exchange: RunningExchange, **market: Any) -> None:
        self.exchange = exchange
        self.asker, self.maker, self.rival = (exchange.add_member() for _ in range(3))
        self.ticker = exchange.list_market(**market)

    def ask(self, contracts: int = 10, by: Member | None = None, **more: Any) -> str:
        body = {"market_ticker": self.ticker, "contracts": contracts, "rest_remainder": False}
        body.update(more)
        rfq_id: str = (by or self.asker).post(RFQS, body)["id"]
        return rfq_id

    def quote(self, maker: Member, rfq_id: str, yes: str, no: str, **more: Any) -> str:
        body = {"rfq_id": rfq_id, "yes_bid": yes, "no_bid": no, "rest_remainder": False, **more}
        quote_id: str = maker.post(QUOTES, body)["id"]
        return quote_id

    def agree(self, maker: Member, quote_id: str, side: str = "yes") -> None:
        """Accepted and confirmed; the execution timer runs."""
        self.asker.put(f"{QUOTES}/{quote_id}/accept", {"accepted_side": side})
        maker.put(f"{QUOTES}/{quote_id}/confirm")


def refused(
    member: Member, status: int, method: str, path: str, body: Any = None, /, **query: Any
) -> str:
    response = member.request(method, path, body, **query)
    assert response.status_code == status, response.text
    code: str = response.json()["code"]
    return code


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as exchange:
        yield exchange


@pytest.fixture
def desk(exchange: RunningExchange) -> Desk:
    return Desk(exchange)


# --- from asking to trading ------------------------------------------------------------------


def test_a_request_becomes_a_trade_and_everybody_hears_what_concerns_them(desk: Desk) -> None:
    exchange, asker, maker, rival = desk.exchange, desk.asker, desk.maker, desk.rival
    pseudonym = {
        member.user_id: member.get("/communications/id")["communications_id"]
        for member in (asker, maker, rival)
    }
    assert len(set(pseudonym.values()) | set(pseudonym)) == 6
    with (
        listening(exchange, asker.signer) as asked,
        listening(exchange, maker.signer) as made,
        listening(exchange, rival.signer) as rivals,
    ):
        rfq_id = desk.ask(10)
        for ears in (asked, made, rivals):
            ((kind, request),) = ears.heard()
            assert (kind, request["id"], request["creator_id"]) == ("rfq_created", rfq_id, "")
            assert (request["contracts"], request["contracts_fp"]) == (10, "10.00")

        first = desk.quote(maker, rfq_id, "0.4000", "0.5000")
        quote_id = desk.quote(maker, rfq_id, "0.4100", "0.5500")
        other = desk.quote(rival, rfq_id, "0.3900", "0.5000")
        assert maker.get(f"{QUOTES}/{first}")["quote"]["cancellation_reason"] == "replaced"
        quotes = [(kind, quote["quote_id"]) for kind, quote in asked.heard()]
        assert quotes == [("quote_created", each) for each in (first, quote_id, other)]
        assert made.kinds() == ["quote_created"] * 2
        ((_, quote),) = rivals.heard()
        assert (quote["quote_id"], quote["rfq_creator_id"]) == (other, "")
        assert quote["quote_creator_id"] == pseudonym[rival.user_id]

        desk.agree(maker, quote_id, "yes")
        assert refused(asker, 409, "PUT", f"{QUOTES}/{other}/accept", {"accepted_side": "no"}) == (
            "quote_conflict"
        )
        for ears in (asked, made):
            ((kind, quote),) = ears.heard()
            assert (kind, quote["accepted_side"]) == ("quote_accepted", "yes")
            assert quote["contracts_accepted_fp"] == "10.00"
        exchange.advance(seconds=14)
        assert maker.get(f"{QUOTES}/{quote_id}")["quote"]["status"] == "confirmed"
        exchange.advance(seconds=1)

        orders = {
            member.user_id: member.get("/portfolio/orders")["orders"][0]
            for member in (asker, maker)
        }
        name = orders[maker.user_id]["client_order_id"]
        assert name.startswith("quote:")
        assert name.endswith(f":{quote_id}")
        for ears, member, client_order_id in ((asked, asker, ""), (made, maker, name)):
            (_, quote), (kind, request) = ears.heard()
            assert quote["order_id"] == orders[member.user_id]["order_id"]
            assert quote["client_order_id"] == client_order_id
            assert quote["quote_creator_id"] == pseudonym[maker.user_id]
            assert quote["rfq_creator_id"] == pseudonym[asker.user_id]
            assert (kind, request["creator_id"]) == ("rfq_deleted", pseudonym[asker.user_id])
        assert rivals.kinds() == ["rfq_deleted"]

    # The maker bought YES at 41 cents, the requester NO at 59.
    assert (maker.position(desk.ticker), asker.position(desk.ticker)) == (10, -10)
    fill = asker.get("/portfolio/fills")["fills"][0]
    assert (fill["yes_price_dollars"], fill["count_fp"], fill["is_taker"]) == (
        "0.4100",
        "10.00",
        True,
    )
    executed = asker.get(f"{QUOTES}/{quote_id}")["quote"]
    assert (executed["status"], executed["rfq_creator_order_id"]) == (
        "executed",
        orders[asker.user_id]["order_id"],
    )
    closed = rival.get(f"{RFQS}/{rfq_id}")["rfq"]
    assert (closed["status"], closed["cancellation_reason"]) == ("closed", "executed")
    assert closed["creator_id"] == pseudonym[asker.user_id]
    assert rival.get(f"{QUOTES}/{other}")["quote"]["cancellation_reason"] == "executed"


def test_the_trade_is_heard_of_before_the_quote_that_caused_it(desk: Desk) -> None:
    quote_id = desk.quote(desk.maker, desk.ask(), "0.4000", "0")
    desk.agree(desk.maker, quote_id)
    with listening(desk.exchange, desk.asker.signer) as asked:
        for channel in ("fill", "user_orders", "trade", "ticker"):
            asked.command("subscribe", channels=[channel])
        desk.exchange.advance(seconds=15)
        heard = asked.heard()
    assert [kind for kind, _ in heard if kind != "ticker"] == [
        "fill",
        "user_order",
        "trade",
        "quote_executed",
        "rfq_deleted",
    ]
    assert heard[-3][0] == "ticker"
    orders = {
        message["order_id"] for kind, message in heard if kind != "trade" and "order_id" in message
    }
    assert len(orders) == 1


def test_what_belongs_to_one_party_is_not_shown_to_the_other(desk: Desk) -> None:
    desk.asker.post("/portfolio/subaccounts")
    desk.asker.post(
        "/portfolio/subaccounts/transfer",
        {
            "client_transfer_id": "5b3c53fc-4f3f-4b1a-8f7c-7c4be38f5f3d",
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 10_000,
        },
    )
    rfq_id = desk.ask(subaccount=1)
    with (
        listening(desk.exchange, desk.asker.signer) as asked,
        listening(desk.exchange, desk.maker.signer) as made,
    ):
        quote_id = desk.quote(desk.maker, rfq_id, "0.4000", "0")
        desk.agree(desk.maker, quote_id)
        desk.exchange.advance(seconds=15)
        assert {quote.get("subaccount") for kind, quote in asked.heard() if "quote" in kind} == {1}
        assert not any("subaccount" in message for _, message in made.heard())

    private = {"creator_user_id", "creator_subaccount", "creator_order_id"}
    own = desk.asker.get(f"{QUOTES}/{quote_id}")["quote"]
    assert own["rfq_creator_user_id"] == desk.asker.user_id
    assert (own["rfq_creator_subaccount"], private & own.keys()) == (1, set())
    made_quote = desk.maker.get(f"{QUOTES}/{quote_id}")["quote"]
    assert made_quote["creator_user_id"] == desk.maker.user_id
    assert {f"rfq_{name}" for name in private} & made_quote.keys() == set()
    assert refused(desk.rival, 404, "GET", f"{QUOTES}/{quote_id}") == "not_found"
    assert desk.rival.get(QUOTES)["quotes"] == []
    shown = desk.rival.get(f"{RFQS}/{rfq_id}")["rfq"]
    assert private & shown.keys() == set()
    assert desk.asker.get(f"{RFQS}/{rfq_id}")["rfq"]["creator_subaccount"] == 1
    # Whose request it is cannot be found out by filtering either.
    for asked_for in (desk.asker.user_id, "nobody"):
        assert desk.maker.get(RFQS, creator_user_id=asked_for)["rfqs"] == []
        assert desk.maker.get(QUOTES, rfq_creator_user_id=asked_for)["quotes"] == []
    assert desk.asker.get("/portfolio/fills", subaccount=1)["fills"][0]["count"] == 10


def test_better_resting_orders_trade_first(desk: Desk) -> None:
    """The maker's 5 contracts that a resting bid took away rest, the requester's are canceled."""
    desk.rival.place(desk.ticker, "buy", "yes", 5, 45)
    quote_id = desk.quote(desk.maker, desk.ask(10), "0.4000", "0", rest_remainder=True)
    desk.agree(desk.maker, quote_id)
    desk.exchange.advance(seconds=15)
    assert [member.position(desk.ticker) for member in (desk.asker, desk.maker, desk.rival)] == [
        -10,
        5,
        5,
    ]
    resting = desk.maker.get("/portfolio/orders", status="resting")["orders"]
    assert [order["remaining_count"] for order in resting] == [5]


def test_a_post_only_quote_never_takes(desk: Desk) -> None:
    quote_id = desk.quote(desk.maker, desk.ask(10), "0.4000", "0", post_only=True)
    assert desk.maker.get(f"{QUOTES}/{quote_id}")["quote"]["post_only"] is True
    desk.rival.place(desk.ticker, "sell", "yes", 5, 40)
    desk.agree(desk.maker, quote_id)
    desk.exchange.advance(seconds=15)
    quote = desk.maker.get(f"{QUOTES}/{quote_id}")["quote"]
    assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "post_only_cross")
    assert desk.asker.position(desk.ticker) == desk.maker.position(desk.ticker) == 0


def test_a_target_cost_buys_what_it_can_on_either_side(desk: Desk) -> None:
    """For $10, against a bid of 37 cents: NO at 63 cents, so 15 contracts."""
    rfq_id = desk.ask(0, target_cost_centi_cents=100_000)
    request = desk.maker.get(f"{RFQS}/{rfq_id}")["rfq"]
    assert (request["contracts"], request["target_cost_dollars"]) == (0, "10.0000")
    with listening(desk.exchange, desk.asker.signer) as asked:
        quote_id = desk.quote(desk.maker, rfq_id, "0.3700", "0.5000")
        ((_, message),) = asked.heard()
        assert (message["yes_contracts_offered"], message["no_contracts_offered"]) == (15, 20)
        assert (message["rfq_target_cost"], message["rfq_target_cost_dollars"]) == (
            100_000,
            "10.0000",
        )
        desk.agree(desk.maker, quote_id)
        ((_, message),) = asked.heard()
        assert "contracts_accepted" not in message
    desk.exchange.advance(seconds=15)
    quote = desk.asker.get(f"{QUOTES}/{quote_id}")["quote"]
    assert (quote["yes_contracts_fp"], quote["contracts"]) == ("15.00", 15)
    assert desk.asker.position(desk.ticker) == -15


# --- windows ---------------------------------------------------------------------------------


def test_who_does_not_confirm_in_time_is_out_and_the_next_may_be_accepted(desk: Desk) -> None:
    rfq_id = desk.ask()
    late = desk.quote(desk.maker, rfq_id, "0.4000", "0")
    other = desk.quote(desk.rival, rfq_id, "0.3900", "0")
    desk.asker.put(f"{QUOTES}/{late}/accept", {"accepted_side": "yes"})
    desk.exchange.advance(seconds=30)
    assert refused(desk.maker, 400, "PUT", f"{QUOTES}/{late}/confirm") == "invalid_state"
    quote = desk.maker.get(f"{QUOTES}/{late}")["quote"]
    assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "expired")
    assert desk.asker.get(f"{RFQS}/{rfq_id}")["rfq"]["status"] == "open"
    desk.agree(desk.rival, other)
    desk.exchange.advance(seconds=15)
    assert desk.rival.position(desk.ticker) == 10


def test_a_request_without_new_quotes_closes_after_half_an_hour(desk: Desk) -> None:
    rfq_id = desk.ask()
    desk.exchange.advance(minutes=29)
    quote_id = desk.quote(desk.maker, rfq_id, "0.4000", "0")
    desk.exchange.advance(minutes=29)
    assert desk.asker.get(f"{RFQS}/{rfq_id}")["rfq"]["status"] == "open"
    with listening(desk.exchange, desk.rival.signer) as rivals:
        desk.exchange.advance(minutes=1)
        assert rivals.kinds() == ["rfq_deleted"]
    request = desk.asker.get(f"{RFQS}/{rfq_id}")["rfq"]
    assert (request["cancellation_reason"], "cancelled_ts" in request) == ("expired", True)
    assert desk.asker.get(f"{QUOTES}/{quote_id}")["quote"]["status"] == "cancelled"
    body = {"rfq_id": rfq_id, "yes_bid": "0.4", "no_bid": "0", "rest_remainder": True}
    assert refused(desk.maker, 400, "POST", QUOTES, body) == "RFQ_CLOSED"


def test_a_market_that_closes_takes_its_requests_with_it(desk: Desk) -> None:
    rfq_id = desk.ask()
    desk.exchange.determine(desk.ticker, "yes")
    assert desk.asker.get(f"{RFQS}/{rfq_id}")["rfq"]["cancellation_reason"] == "market_closed"


def test_money_that_is_gone_at_execution_ends_the_quote(desk: Desk) -> None:
    poor = desk.exchange.add_member(deposit="5.00")
    quote_id = desk.quote(poor, desk.ask(10), "0.4000", "0")
    desk.agree(poor, quote_id)
    poor.place(desk.ticker, "buy", "yes", 10, 40)
    desk.exchange.advance(seconds=15)
    quote = poor.get(f"{QUOTES}/{quote_id}")["quote"]
    assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "INSUFFICIENT_BALANCE")


def test_requests_and_timers_survive_a_restart() -> None:
    with running_exchange() as exchange:
        desk = Desk(exchange)
        quote_id = desk.quote(desk.maker, desk.ask(), "0.4000", "0")
        desk.agree(desk.maker, quote_id)
        page = desk.asker.get(RFQS, limit=1)
        assert page["cursor"] == ""
        exchange.stop()
        exchange.restart()
        assert desk.maker.get(f"{QUOTES}/{quote_id}")["quote"]["status"] == "confirmed"
        exchange.advance(seconds=15)
        assert desk.maker.position(desk.ticker) == 10


# --- refusals --------------------------------------------------------------------------------


def test_one_open_request_per_market_unless_it_replaces(desk: Desk) -> None:
    first = desk.ask(5)
    body = {"market_ticker": desk.ticker, "contracts": 6, "rest_remainder": True}
    assert refused(desk.asker, 409, "POST", RFQS, body) == "rfq_already_exists"
    second = desk.asker.post(RFQS, {**body, "replace_existing": True})["id"]
    assert desk.asker.get(f"{RFQS}/{first}")["rfq"]["cancellation_reason"] == "replaced"
    desk.rival.post(RFQS, body)
    assert desk.asker.request("DELETE", f"{RFQS}/{second}").status_code == 204
    assert refused(desk.asker, 404, "DELETE", f"{RFQS}/{second}") == "not_found"


SIZES: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "invalid_parameters"),
    ({"contracts": 0}, 400, "invalid_parameters"),
    ({"contracts": -1}, 400, "invalid_order_size"),
    ({"contracts_fp": "-2.00", "target_cost_dollars": "5"}, 400, "invalid_order_size"),
    ({"contracts": 1, "contracts_fp": "2.00"}, 400, "invalid_order_size"),
    ({"contracts_fp": "1.50"}, 400, "invalid_order_size"),
    ({"contracts": 1, "target_cost_dollars": "5.00"}, 400, "invalid_parameters"),
    ({"target_cost_dollars": "-5.00"}, 400, "invalid_parameters"),
    ({"target_cost_dollars": "lots"}, 400, "invalid_parameters"),
    ({"target_cost_dollars": "5", "target_cost_centi_cents": 1}, 400, "invalid_parameters"),
    ({"target_cost_centi_cents": 2**63 - 1}, 400, "invalid_parameters"),
    ({"contracts": 1, "subaccount": 3}, 404, "account_not_found"),
    ({"contracts": 1, "subtrader_id": "somebody"}, 403, "fcm_only"),
    ({"contracts": 1, "market_ticker": "NOWHERE"}, 404, "market_not_found"),
    ({"contracts": 1, "market_ticker": ""}, 404, "market_not_found"),
    ({"contracts": 1, "rest_remainder": "yes"}, 400, "invalid_parameters"),
    ({"contracts": 1, "rest_remainder": None}, 400, "invalid_parameters"),
]


@pytest.mark.parametrize("body, status, code", SIZES)
def test_requests_that_cannot_be(desk: Desk, body: dict[str, Any], status: int, code: str) -> None:
    whole = {"market_ticker": desk.ticker, "rest_remainder": False, **body}
    assert refused(desk.asker, status, "POST", RFQS, whole) == code


BIDS: list[tuple[Any, Any, int, str]] = [
    ("0", "0", 400, "invalid_parameters"),
    ("0.0000", 0, 400, "invalid_parameters"),
    ("0.6", "0.5", 400, "invalid_parameters"),
    ("0.405", "0", 400, "invalid_parameters"),
    ("1.0000", "0", 400, "invalid_parameters"),
    ("-0.10", "0", 400, "invalid_parameters"),
    ("40", "0", 400, "invalid_parameters"),
    (1, 0, 400, "invalid_parameters"),
    (100, 0, 400, "invalid_parameters"),
    (0.4, "0", 400, "invalid_parameters"),
    (True, "0", 400, "invalid_parameters"),
    (None, "0", 400, "invalid_parameters"),
]


@pytest.mark.parametrize("yes, no, status, code", BIDS)
def test_bids_that_cannot_be(desk: Desk, yes: Any, no: Any, status: int, code: str) -> None:
    body = {"rfq_id": desk.ask(), "yes_bid": yes, "no_bid": no, "rest_remainder": False}
    assert refused(desk.maker, status, "POST", QUOTES, body) == code


def test_bids_in_cents_and_sides_as_booleans_are_understood(desk: Desk) -> None:
    """As early clients send them."""
    for accepted, side in (("true", "yes"), (True, "yes"), ("false", "no"), (False, "no")):
        rfq_id = desk.ask(1, replace_existing=True)
        quote_id = desk.quote(desk.maker, rfq_id, 40, 55)  # type: ignore[arg-type]
        desk.asker.put(f"{QUOTES}/{quote_id}/accept", {"accepted_side": accepted})
        quote = desk.maker.get(f"{QUOTES}/{quote_id}")["quote"]
        assert (quote["yes_bid"], quote["no_bid_dollars"]) == (40, "0.5500")
        assert quote["accepted_side"] == side
        legacy = desk.maker.request(
            "GET", f"{QUOTES}/{quote_id}", headers={"KALSHI-API-PROFILE": "legacy"}
        ).json()["quote"]
        assert legacy["accepted_side"] == ("true" if side == "yes" else "false")
        desk.exchange.advance(seconds=30)


def test_only_the_right_party_at_the_right_time(desk: Desk) -> None:
    rfq_id = desk.ask()
    body = {"rfq_id": rfq_id, "yes_bid": "0.4", "no_bid": "0", "rest_remainder": False}
    assert refused(desk.asker, 400, "POST", QUOTES, body) == "invalid_parameters"
    assert refused(desk.maker, 404, "POST", QUOTES, {**body, "rfq_id": "x"}) == "not_found"
    quote_id = desk.quote(desk.maker, rfq_id, "0.4", "0")
    quote = f"{QUOTES}/{quote_id}"
    yes = {"accepted_side": "yes"}
    for member in (desk.maker, desk.rival):
        assert refused(member, 404, "PUT", f"{quote}/accept", yes) == "not_found"
        assert refused(member, 404, "DELETE", f"{RFQS}/{rfq_id}") == "not_found"
    for member in (desk.asker, desk.rival):
        assert refused(member, 404, "PUT", f"{quote}/confirm") == "not_found"
        assert refused(member, 404, "DELETE", quote) == "not_found"
    assert refused(desk.maker, 400, "PUT", f"{quote}/confirm") == "invalid_state"
    for side in ("no", "maybe", None, 1):
        wrong = {"accepted_side": side}
        assert refused(desk.asker, 400, "PUT", f"{quote}/accept", wrong) == "invalid_parameters"
    desk.asker.put(f"{quote}/accept", yes)
    assert refused(desk.asker, 400, "PUT", f"{quote}/accept", yes) == "invalid_state"
    assert refused(desk.maker, 409, "DELETE", quote) == "quote_conflict"
    assert refused(desk.asker, 409, "DELETE", f"{RFQS}/{rfq_id}") == "quote_conflict"
    desk.exchange.advance(seconds=30)
    assert refused(desk.asker, 400, "PUT", f"{quote}/accept", yes) == "invalid_state"
    assert refused(desk.rival, 404, "PUT", f"{quote}/accept", yes) == "not_found"
    assert refused(desk.maker, 404, "DELETE", quote) == "not_found"


def test_neither_side_may_promise_more_than_it_has(desk: Desk) -> None:
    poor = desk.exchange.add_member(deposit="1.00")
    rfq_id = desk.ask(10, by=poor)
    quote_id = desk.quote(desk.maker, rfq_id, "0.4", "0")
    path = f"{QUOTES}/{quote_id}/accept"
    assert refused(poor, 400, "PUT", path, {"accepted_side": "yes"}) == "INSUFFICIENT_BALANCE"
    quote_id = desk.quote(poor, desk.ask(10), "0.4", "0")
    desk.asker.put(f"{QUOTES}/{quote_id}/accept", {"accepted_side": "yes"})
    assert refused(poor, 400, "PUT", f"{QUOTES}/{quote_id}/confirm") == "INSUFFICIENT_BALANCE"


def test_a_key_that_only_reads_can_neither_ask_nor_answer(desk: Desk) -> None:
    reader = desk.exchange.add_member(scopes=("read",))
    body = {"market_ticker": desk.ticker, "contracts": 1, "rest_remainder": False}
    assert refused(reader, 403, "POST", RFQS, body) == "insufficient_scope"
    assert len(reader.get(RFQS, limit=1)["rfqs"]) == 1


def test_the_newer_paths_name_the_request_as_well(desk: Desk) -> None:
    rfq_id = desk.ask()
    other = desk.ask(1, by=desk.rival)
    quote_id = desk.quote(desk.maker, rfq_id, "0.4", "0")
    wrong, right = (f"{RFQS}/{one}/quotes/{quote_id}" for one in (other, rfq_id))
    yes = {"accepted_side": "yes"}
    assert refused(desk.asker, 404, "PUT", f"{wrong}/accept", yes) == "not_found"
    assert refused(desk.maker, 404, "GET", wrong) == "not_found"
    assert desk.maker.get(right)["quote"]["id"] == quote_id
    assert desk.maker.request("DELETE", right).status_code == 204
    quote_id = desk.quote(desk.maker, rfq_id, "0.4", "0")
    right = f"{RFQS}/{rfq_id}/quotes/{quote_id}"
    assert desk.asker.request("PUT", f"{right}/accept", yes).status_code == 204
    assert desk.maker.request("PUT", f"{right}/confirm", {}).status_code == 204
    desk.exchange.advance(seconds=15)
    assert desk.asker.get(right)["quote"]["status"] == "executed"


# --- lists -----------------------------------------------------------------------------------


def pages(member: Member, path: str, key: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page = member.get(path, cursor=cursor, **query)
        yield page[key]
        cursor = page["cursor"]
        if not cursor:
            return


def test_pages_go_on_where_they_were_while_new_requests_arrive(exchange: RunningExchange) -> None:
    desk = Desk(exchange, event=f"KXTEST-PAGES-{exchange.now().timestamp():.0f}")
    members = [exchange.add_member() for _ in range(5)]
    asked = [desk.ask(1, by=member) for member in members]
    seen: list[str] = []
    for page in pages(desk.asker, RFQS, "rfqs", market_ticker=desk.ticker, limit=2):
        seen += [request["id"] for request in page]
        desk.ask(1, by=exchange.add_member())
    assert seen == asked[::-1]
    event = exchange.market(desk.ticker)["event_ticker"]
    assert len(desk.asker.get(RFQS, event_ticker=event, status="open")["rfqs"]) == 8
    assert desk.asker.get(RFQS, event_ticker=event, status="closed")["rfqs"] == []
    assert [len(page) for page in pages(members[0], RFQS, "rfqs", user_filter="self")] == [1]
    own = members[0].get(RFQS, creator_user_id=members[0].user_id, subaccount=0)["rfqs"]
    assert [request["id"] for request in own] == asked[:1]
    assert members[0].get(RFQS, subaccount=1)["rfqs"] == []


def test_quotes_are_found_by_either_party_and_by_their_filters(desk: Desk) -> None:
    asker, maker = desk.asker, desk.maker
    start = int(desk.exchange.now().timestamp())
    rfq_id = desk.ask()
    given = desk.quote(maker, rfq_id, "0.4", "0")
    desk.exchange.advance(seconds=10)
    received = desk.quote(asker, desk.ask(2, by=maker), "0.3", "0.5")
    from_rival = desk.quote(desk.rival, rfq_id, "0.2", "0")

    def found(member: Member, **query: Any) -> list[str]:
        return [
            quote["id"]
            for page in pages(member, QUOTES, "quotes", limit=1, **query)
            for quote in page
        ]

    assert found(asker) == [from_rival, received, given]
    assert found(maker) == [received, given]
    assert found(asker, user_filter="self") == [received]
    assert found(asker, rfq_user_filter="self") == [from_rival, given]
    assert found(asker, quote_creator_user_id=asker.user_id) == [received]
    assert found(asker, rfq_creator_user_id=asker.user_id) == [from_rival, given]
    assert found(asker, user_filter="self", rfq_user_filter="self") == []
    assert found(asker, rfq_id=rfq_id) == [from_rival, given]
    assert found(asker, rfq_id="unknown") == []
    assert found(asker, market_ticker=desk.ticker, status="open") == found(asker)
    assert found(asker, status="executed") == []
    assert found(asker, max_ts=start + 5) == [given]
    assert found(asker, min_ts=start + 5) == [from_rival, received]
    # The times are those of the last change.
    maker.request("DELETE", f"{QUOTES}/{given}")
    assert found(asker, min_ts=start + 5, status="cancelled") == [given]
    assert refused(asker, 403, "GET", QUOTES, rfq_creator_subtrader_id="x") == "fcm_only"
    assert refused(asker, 400, "GET", QUOTES, status="lost") == "invalid_parameters"
    assert refused(asker, 400, "GET", QUOTES, limit=501) == "invalid_parameters"
    assert refused(asker, 400, "GET", QUOTES, user_filter="other") == "invalid_parameters"
    cursor = asker.get(QUOTES, limit=1)["cursor"]
    assert refused(maker, 400, "GET", QUOTES, cursor=cursor) == "invalid_cursor"


def test_what_is_over_is_forgotten_after_two_weeks() -> None:
    with running_exchange() as exchange:
        desk = Desk(exchange)
        rfq_id = desk.ask()
        executed = desk.quote(desk.maker, rfq_id, "0.4", "0")
        cancelled = desk.quote(desk.rival, rfq_id, "0.3", "0")
        desk.agree(desk.maker, executed)
        exchange.advance(seconds=15)
        exchange.advance(days=13)
        assert len(desk.asker.get(RFQS)["rfqs"]) == 1
        exchange.advance(days=2)
        assert desk.asker.get(RFQS)["rfqs"] == []
        assert refused(desk.asker, 404, "GET", f"{RFQS}/{rfq_id}") == "not_found"
        assert refused(desk.rival, 404, "GET", f"{QUOTES}/{cancelled}") == "not_found"
        # What was traded is not forgotten.
        assert [quote["id"] for quote in desk.asker.get(QUOTES)["quotes"]] == [executed]


# --- at the same time ------------------------------------------------------------------------


def at_once(exchange: RunningExchange, calls: list[tuple[Member, str, str, Any]]) -> list[int]:
    """Signed requests sent together, each over a connection of its own; the statuses."""

    def send(call: tuple[Member, str, str, Any]) -> int:
        member, method, path, body = call
        path = "/trade-api/v2" + path
        with httpx.Client(base_url=exchange.url, timeout=30, trust_env=False) as client:
            headers = member.signer.headers(method, path)
            return client.request(method, path, json=body, headers=headers).status_code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


@pytest.mark.parametrize("round_number", range(6))
def test_an_accept_that_races_with_a_delete_ends_in_one_of_the_two(
    desk: Desk, round_number: int
) -> None:
    exchange, asker, maker = desk.exchange, desk.asker, desk.maker
    rfq_id = desk.ask()
    quote_id = desk.quote(maker, rfq_id, "0.4", "0.5")
    quote = f"{QUOTES}/{quote_id}"
    takes_back = (maker, "DELETE", quote, None)
    if round_number % 2:
        takes_back = (asker, "DELETE", f"{RFQS}/{rfq_id}", None)
    accepts = (asker, "PUT", f"{quote}/accept", {"accepted_side": "yes"})
    calls = [accepts, takes_back] if round_number % 3 else [takes_back, accepts]
    statuses = dict(zip((call[1] for call in calls), at_once(exchange, calls), strict=True))
    answers = (statuses["PUT"], statuses["DELETE"])
    status = maker.get(quote)["quote"]["status"]
    if answers == (204, 409):
        assert status == "accepted"
        maker.put(f"{quote}/confirm")
        exchange.advance(seconds=15)
        assert (asker.position(desk.ticker), maker.position(desk.ticker)) == (-10, 10)
    else:
        assert answers == (400, 204)
        assert status == "cancelled"
        exchange.advance(seconds=15)
        assert (asker.position(desk.ticker), maker.position(desk.ticker)) == (0, 0)


def test_of_many_accepts_and_confirmations_one_counts(desk: Desk) -> None:
    """Both makers' quotes accepted several times at once: one accept wins, and trades once."""
    exchange, asker = desk.exchange, desk.asker
    rfq_id = desk.ask()
    quotes = {desk.quote(maker, rfq_id, "0.4", "0.5"): maker for maker in (desk.maker, desk.rival)}
    accepts = [
        (asker, "PUT", f"{QUOTES}/{quote_id}/accept", {"accepted_side": side})
        for quote_id in quotes
        for side in ("yes", "no", "yes")
    ]
    statuses = at_once(exchange, accepts)
    assert sorted(statuses) == [204, 400, 400, 409, 409, 409]
    (accepted,) = asker.get(QUOTES, status="accepted")["quotes"]
    confirm = (quotes[accepted["id"]], "PUT", f"{QUOTES}/{accepted['id']}/confirm", None)
    assert sorted(at_once(exchange, [confirm] * 4)) == [204, 400, 400, 400]
    exchange.advance(seconds=15)
    positions = [member.position(desk.ticker) for member in (asker, desk.maker, desk.rival)]
    assert sorted(map(abs, positions)) == [0, 10, 10]
    assert sum(positions) == 0


@pytest.mark.parametrize("round_number", range(4))
def test_a_decision_that_races_with_the_end_of_its_window_counts_or_does_not(
    desk: Desk, round_number: int
) -> None:
    """An accept against the end of the request, a confirmation against its thirty seconds."""
    exchange, asker, maker = desk.exchange, desk.asker, desk.maker
    rfq_id = desk.ask()
    quote_id = desk.quote(maker, rfq_id, "0.4", "0.5")
    accepts = (asker, "PUT", f"{QUOTES}/{quote_id}/accept", {"accepted_side": "yes"})
    confirms = (maker, "PUT", f"{QUOTES}/{quote_id}/confirm", None)
    accepting = round_number % 2 == 0
    if accepting:
        exchange.advance(minutes=29, seconds=59)
    else:
        assert at_once(exchange, [accepts]) == [204]
        exchange.advance(seconds=29)
    with ThreadPoolExecutor(1) as pool:
        passing = pool.submit(exchange.advance, seconds=2)
        (answer,) = at_once(exchange, [accepts if accepting else confirms])
        passing.result(timeout=30)
    quote = maker.get(f"{QUOTES}/{quote_id}")["quote"]
    if answer == 204:
        assert quote["status"] == ("accepted" if accepting else "confirmed")
        if accepting:
            assert at_once(exchange, [confirms]) == [204]
        exchange.advance(seconds=15)
        assert (asker.position(desk.ticker), maker.position(desk.ticker)) == (-10, 10)
    else:
        assert answer == 400
        assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "expired")
        exchange.advance(seconds=15)
        assert (asker.position(desk.ticker), maker.position(desk.ticker)) == (0, 0)


# --- shards ----------------------------------------------------------------------------------


def test_shards_divide_the_markets_between_connections(exchange: RunningExchange) -> None:
    desk = Desk(exchange)
    tickers = [exchange.list_market() for _ in range(12)]
    signer = desk.maker.signer
    with (
        listening(exchange, signer, shard_factor=2, shard_key=0) as evens,
        listening(exchange, signer, shard_factor=2, shard_key=1) as odds,
        listening(exchange, signer) as everything,
    ):
        for ticker in tickers:
            desk.ticker = ticker
            desk.quote(desk.maker, desk.ask(1), "0.4", "0")
        for key, ears in enumerate((evens, odds)):
            own = [ticker for ticker in tickers if shard_of(ticker, 2) == key]
            heard = [message["market_ticker"] for _, message in ears.heard()]
            assert heard == [ticker for ticker in own for _ in range(2)]
            assert own
        assert everything.kinds() == ["rfq_created", "quote_created"] * 12
        # Subscribing again without a shard asks for everything.
        evens.command("subscribe", channels=["communications"])
        desk.asker.request("DELETE", f"{RFQS}/{desk.asker.get(RFQS, limit=1)['rfqs'][0]['id']}")
        assert evens.kinds() == ["rfq_deleted"]
