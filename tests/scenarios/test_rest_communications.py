"""Quotes where they are special: combos with their short windows, clearing members, pauses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from augury.client.signing import Signer
from augury.core import commands as c
from tests.rest_harness import (
    HOUR,
    RAIN,
    SECOND,
    SUN,
    Caller,
    RestExchange,
    key_pair,
    running,
)

RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    with running(tmp_path) as exchange:
        yield exchange


def ask(caller: Caller, ticker: str = RAIN, contracts: int = 10, **more: object) -> str:
    body = {"market_ticker": ticker, "contracts": contracts, "rest_remainder": False, **more}
    rfq_id: str = caller.post(RFQS, body)["id"]
    return rfq_id


def quote(caller: Caller, rfq_id: str, yes: str = "0.4000", **more: object) -> str:
    body = {"rfq_id": rfq_id, "yes_bid": yes, "no_bid": "0", "rest_remainder": False, **more}
    quote_id: str = caller.post(QUOTES, body)["id"]
    return quote_id


def accept(caller: Caller, quote_id: str) -> None:
    caller.expect(204, "PUT", f"{QUOTES}/{quote_id}/accept", {"accepted_side": "yes"})


def confirm(caller: Caller, quote_id: str) -> None:
    caller.expect(204, "PUT", f"{QUOTES}/{quote_id}/confirm")


def status(caller: Caller, quote_id: str) -> str:
    found: str = caller.get(f"{QUOTES}/{quote_id}")["quote"]["status"]
    return found


def combo(exchange: RestExchange, member_id: int) -> str:
    """Rain and sun on one day, as one market."""
    now = exchange.gate.now_ns()
    exchange.do(c.CreateSeries("KXMVE", "quadratic", 1_000_000, "{}"))
    events = (("RAIN-26MAR01", False, 0, 1), ("SUN-26MAR01-E", False, 0, 1))
    exchange.do(
        c.CreateCollection("KXMVE-DAY", "KXMVE", now, now + HOUR, 2, 2, False, events, "{}")
    )
    legs = (("RAIN-26MAR01", RAIN, "yes"), ("SUN-26MAR01-E", SUN, "no"))
    exchange.do(c.CreateCombo(member_id, "KXMVE-DAY", legs))
    (ticker,) = (t for t, m in exchange.state.markets.items() if m.collection_ticker)
    return ticker


def test_a_combo_is_asked_for_with_its_legs_and_in_a_hurry(exchange: RestExchange) -> None:
    asker, maker = exchange.member("asker"), exchange.member("maker")
    ticker = combo(exchange, asker.member_id)
    rfq_id = ask(asker, ticker)
    request = maker.get(f"{RFQS}/{rfq_id}")["rfq"]
    assert request["mve_collection_ticker"] == "KXMVE-DAY"
    assert {(leg["market_ticker"], leg["side"]) for leg in request["mve_selected_legs"]} == {
        (RAIN, "yes"),
        (SUN, "no"),
    }
    slow, quick = quote(maker, rfq_id), quote(maker, ask(asker, ticker, replace_existing=True))
    assert status(maker, slow) == "cancelled"
    accept(asker, quick)
    exchange.advance(3 * SECOND)
    assert status(maker, quick) == "cancelled"
    quick = quote(maker, asker.get(RFQS, status="open")["rfqs"][0]["id"])
    accept(asker, quick)
    exchange.advance(2 * SECOND)
    confirm(maker, quick)
    exchange.advance(SECOND)
    assert status(maker, quick) == "executed"


def test_a_collection_names_who_quotes_its_combos(exchange: RestExchange) -> None:
    asker, maker = exchange.member("asker"), exchange.member("maker")
    ticker = combo(exchange, asker.member_id)

    def quoters() -> list[list[str]]:
        row = asker.get("/multivariate_event_collections/KXMVE-DAY")["multivariate_contract"]
        assert asker.get("/multivariate_event_collections")["multivariate_contracts"] == [row]
        return [event["active_quoters"] for event in row["associated_events"]]

    assert set(map(tuple, quoters())) == {()}
    quote_id = quote(maker, ask(asker, ticker))
    pseudonym = maker.get("/communications/id")["communications_id"]
    assert [pseudonym] in quoters()
    maker.expect(204, "DELETE", f"/communications/quotes/{quote_id}")
    assert set(map(tuple, quoters())) == {()}


def test_a_clearing_member_asks_and_answers_for_its_customers(exchange: RestExchange) -> None:
    house, maker = exchange.member("house"), exchange.member("maker")
    for number, name in enumerate(("ann", "bob")):
        exchange.do(c.CreateSubtrader(house.member_id, name))
        exchange.do(c.Deposit(house.member_id, 1000 + number, 50_000_000))
    for_ann = ask(house, subtrader_id="ann")
    for_bob = ask(house, subtrader_id="bob")
    request = house.get(f"{RFQS}/{for_ann}")["rfq"]
    assert request["creator_user_id"] == house.user_id
    assert "creator_subaccount" not in request

    to_ann, to_bob = quote(maker, for_ann), quote(maker, for_bob)
    found = house.get(QUOTES, rfq_creator_subtrader_id="ann")["quotes"]
    assert [row["id"] for row in found] == [to_ann]
    assert house.refused(404, "GET", f"{QUOTES}?rfq_creator_subtrader_id=eve") == "not_found"
    between = quote(house, for_ann, "0.4500", subtrader_id="bob")
    own = [row["id"] for row in house.get(QUOTES)["quotes"]]
    assert own == [between, to_bob, to_ann]
    both = {"subtrader_id": "ann", "subaccount": 0}
    body = {"market_ticker": SUN, "contracts": 1, "rest_remainder": True, **both}
    assert house.refused(400, "POST", RFQS, body) == "invalid_parameters"

    # Bob buys what Ann sells; both are customers of the same house.
    accept(house, between)
    confirm(house, between)
    exchange.advance(15 * SECOND)
    row = house.get(f"{QUOTES}/{between}")["quote"]
    assert row["status"] == "executed"
    assert {row["creator_user_id"], row["rfq_creator_user_id"]} == {house.user_id}
    accounts = exchange.state.members[house.member_id].accounts
    assert accounts[1000].holdings[RAIN].quantity == -1000
    assert accounts[1001].holdings[RAIN].quantity == 1000


def test_a_pause_voids_what_was_accepted_and_refuses_what_would_trade(
    exchange: RestExchange,
) -> None:
    asker, maker = exchange.member("asker"), exchange.member("maker")
    accepted = quote(maker, ask(asker))
    accept(asker, accepted)
    waiting = quote(maker, ask(asker, SUN))
    exchange.do(c.SetTradingPause(paused=True))
    assert maker.get(f"{QUOTES}/{accepted}")["quote"]["cancellation_reason"] == "paused"
    path = f"{QUOTES}/{waiting}/accept"
    assert asker.refused(503, "PUT", path, {"accepted_side": "yes"}) == "trading_paused"
    exchange.do(c.SetTradingPause(paused=False))
    accept(asker, waiting)
    confirm(maker, waiting)
    exchange.advance(15 * SECOND)
    assert status(asker, waiting) == "executed"


def test_a_hundred_requests_are_open_at_most(exchange: RestExchange) -> None:
    asker = exchange.member("asker")
    for number in range(101):
        exchange.list_market(f"RAIN-26MAR01-N{number}", "RAIN-26MAR01")
    for number in range(100):
        ask(asker, f"RAIN-26MAR01-N{number}")
    body = {"market_ticker": "RAIN-26MAR01-N100", "contracts": 1, "rest_remainder": True}
    assert asker.refused(400, "POST", RFQS, body) == "invalid_parameters"
    first = asker.get(RFQS)
    assert len(first["rfqs"]) == 100
    assert first["cursor"] == ""


def test_history_that_is_away_delays_reading_and_not_trading(
    exchange: RestExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking, answering, accepting and confirming need no database, nor does watching them."""
    asker, maker = exchange.member("asker"), exchange.member("maker")

    def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(exchange.history._writer, "write", away)
    rfq_id = ask(asker)
    quote_id = quote(maker, rfq_id)
    assert maker.get(f"{RFQS}/{rfq_id}")["rfq"]["status"] == "open"
    accept(asker, quote_id)
    confirm(maker, quote_id)
    assert status(asker, quote_id) == "confirmed"
    exchange.advance(15 * SECOND)
    assert exchange.state.members[maker.member_id].accounts[0].holdings[RAIN].quantity == 1000
    assert maker.refused(404, "GET", f"{QUOTES}/{quote_id}") == "not_found"
    monkeypatch.undo()
    exchange.wait_until(lambda: exchange.history.position >= exchange.state.sequence)
    assert status(maker, quote_id) == "executed"


def test_what_lives_reads_the_same_from_memory_and_from_history(exchange: RestExchange) -> None:
    asker, maker = exchange.member("asker"), exchange.member("maker")
    rfq_id = ask(asker, SUN, 0, target_cost_dollars="12.34", rest_remainder=True)
    quote_id = quote(maker, rfq_id, "0.3510", rest_remainder=True, post_only=True)
    for step in (None, accept, confirm):
        if step is not None:
            step(asker if step is accept else maker, quote_id)
        exchange.advance(SECOND)
        for caller in (asker, maker):
            assert caller.get(RFQS)["rfqs"] == [caller.get(f"{RFQS}/{rfq_id}")["rfq"]]
            assert caller.get(QUOTES)["quotes"] == [caller.get(f"{QUOTES}/{quote_id}")["quote"]]


def test_a_key_for_one_subaccount_asks_and_answers_there_only(exchange: RestExchange) -> None:
    """It hears everybody's requests, and knows nothing of what its owner does elsewhere."""
    owner, other = exchange.member("owner"), exchange.member("other")
    owner.post("/portfolio/subaccounts")
    exchange.do(c.Deposit(owner.member_id, 1, 100_000_000))
    key = {"name": "one", "public_key": key_pair().public_pem, "subaccount": 1}
    key_id = owner.post("/api_keys", key)["api_key_id"]
    desk = Caller(exchange.url, Signer(key_id, key_pair().private_pem), owner.member_id)

    elsewhere = ask(owner)
    asked = ask(other, SUN)
    assert [rfq["id"] for rfq in desk.get(RFQS)["rfqs"]] == [asked, elsewhere]
    assert "creator_user_id" not in desk.get(f"{RFQS}/{elsewhere}")["rfq"]
    assert desk.get(RFQS, user_filter="self")["rfqs"] == []
    assert desk.refused(404, "DELETE", f"{RFQS}/{elsewhere}") == "not_found"
    received = quote(other, elsewhere)
    path = f"{QUOTES}/{received}"
    yes = {"accepted_side": "yes"}
    assert desk.refused(404, "PUT", f"{path}/accept", yes) == "not_found"
    assert desk.refused(404, "GET", path) == "not_found"
    assert desk.get(QUOTES)["quotes"] == []
    made = quote(owner, asked)
    for method, action, body in (("DELETE", "", None), ("PUT", "/confirm", {})):
        assert desk.refused(404, method, f"{QUOTES}/{made}{action}", body) == "not_found"

    own = quote(desk, asked)
    assert [row["id"] for row in desk.get(QUOTES)["quotes"]] == [own]
    accept(other, own)
    confirm(desk, own)
    exchange.advance(15 * SECOND)
    assert desk.get(f"{QUOTES}/{own}")["quote"]["creator_subaccount"] == 1
    assert exchange.state.members[owner.member_id].accounts[1].holdings[SUN].quantity == 1000
