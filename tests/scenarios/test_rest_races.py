"""Many connections at once want the same thing: one of the allowed ends, and no money lost.

Requests of a race are sent by real connections that all start at the same instant. Which one wins
is left to chance; what must hold afterwards is not.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from augury.core import commands as c
from augury.testing.invariants import check
from tests.rest_harness import RAIN, SECOND, Caller, RestExchange, order, running

ROUNDS: Final = 6
MONEY: Final = 1_000_000
"""Cents that every member begins with."""


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    with running(tmp_path) as exchange:
        yield exchange


def race(*attempts: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """What each is answered when all of them are sent at the same instant."""
    gun = threading.Barrier(len(attempts))

    def run(attempt: Callable[[], httpx.Response]) -> httpx.Response:
        gun.wait(20)
        return attempt()

    with ThreadPoolExecutor(len(attempts)) as pool:
        answers = list(pool.map(run, attempts))
    assert all(answer.status_code < 500 for answer in answers), [a.text for a in answers]
    return answers


def again(exchange: RestExchange, caller: Caller) -> Caller:
    """The same member over a connection of its own."""
    return Caller(exchange.url, caller.signer, caller.member_id)


def verify(exchange: RestExchange) -> None:
    async def look() -> None:
        check(exchange.state)

    exchange.call(look())


def code(answer: httpx.Response) -> str:
    return "ok" if answer.status_code < 300 else str(answer.json()["code"])


def test_an_order_that_is_amended_decreased_cancelled_and_filled_at_once(
    exchange: RestExchange,
) -> None:
    maker, taker = exchange.member("maker"), exchange.member("taker")
    ends = Counter[str]()
    for _ in range(ROUNDS):
        path = f"/portfolio/orders/{maker.order('buy', 'yes', 40, 10)['order_id']}"
        amend = {"ticker": RAIN, "side": "yes", "action": "buy", "yes_price": 41, "count": 12}
        makers = [again(exchange, maker) for _ in range(6)]
        takers = [again(exchange, taker) for _ in range(3)]
        sell = order("sell", "yes", 40, 3, time_in_force="immediate_or_cancel")
        answers = race(
            partial(makers[0].send, "POST", f"{path}/amend", amend),
            partial(makers[1].send, "POST", f"{path}/amend", {**amend, "yes_price": 39}),
            partial(makers[2].send, "POST", f"{path}/decrease", {"reduce_by": 2}),
            partial(makers[3].send, "POST", f"{path}/decrease", {"reduce_to": 4}),
            partial(makers[4].send, "DELETE", path),
            partial(makers[5].send, "DELETE", path),
            *(partial(one.send, "POST", "/portfolio/orders", sell) for one in takers),
        )
        for answer in answers[:4]:
            assert code(answer) in {
                "ok",
                "not_found",
                "cannot_update_filled_order",
                "invalid_order_size",
                "invalid_amend_qty_for_order",
            }, answer.text
        cancels = [code(answer) for answer in answers[4:6]]
        assert sorted(cancels) in (["not_found", "not_found"], ["not_found", "ok"])
        final = maker.get(path)["order"]
        assert final["status"] in {"canceled", "executed"}
        assert final["remaining_count"] == 0
        filled = sum(answer.json()["order"]["fill_count"] for answer in answers[6:])
        assert final["fill_count"] == filled
        ends[final["status"]] += 1
        verify(exchange)
    assert ends
    position = maker.get("/portfolio/positions")["market_positions"]
    bought = sum(fill["count"] for fill in maker.get("/portfolio/fills")["fills"])
    assert (position[0]["position"] if position else 0) == bought
    assert sum(fill["count"] for fill in taker.get("/portfolio/fills")["fills"]) == bought


def quoted(requester: Caller, maker: Caller) -> tuple[str, str]:
    """A request and a quote that answers it."""
    rfq = requester.post(
        "/communications/rfqs",
        {"market_ticker": RAIN, "contracts": 10, "rest_remainder": False},
    )["id"]
    return rfq, quote(maker, rfq)


def quote(maker: Caller, rfq: str) -> str:
    body = {"rfq_id": rfq, "yes_bid": "0.4000", "no_bid": "0.5500", "rest_remainder": False}
    quote_id: str = maker.post("/communications/quotes", body)["id"]
    return quote_id


REFUSED: Final = {"not_found", "invalid_state", "quote_conflict", "RFQ_CLOSED"}


@pytest.mark.parametrize("rival", ["delete rfq", "delete quote", "replace quote", "expire"])
def test_an_acceptance_against_what_would_end_the_quote(exchange: RestExchange, rival: str) -> None:
    requester, maker = exchange.member("requester"), exchange.member("maker")
    for _ in range(ROUNDS):
        rfq, quote_id = quoted(requester, maker)
        path = f"/communications/quotes/{quote_id}"
        clock = again(exchange, requester)
        replacing = {
            "rfq_id": rfq,
            "yes_bid": "0.4100",
            "no_bid": "0.5400",
            "rest_remainder": False,
        }

        def let_it_expire(clock: Caller = clock) -> httpx.Response:
            exchange.advance(1_801 * SECOND)
            return clock.send("GET", "/exchange/status")

        rivals: dict[str, Callable[[], httpx.Response]] = {
            "delete rfq": partial(
                again(exchange, requester).send, "DELETE", f"/communications/rfqs/{rfq}"
            ),
            "delete quote": partial(maker.send, "DELETE", path),
            "replace quote": partial(maker.send, "POST", "/communications/quotes", replacing),
            "expire": let_it_expire,
        }
        accepting = [again(exchange, requester) for _ in range(3)]
        side = {"accepted_side": "yes"}
        answers = race(
            *(partial(one.send, "PUT", f"{path}/accept", side) for one in accepting),
            rivals[rival],
        )
        accepted = [code(answer) for answer in answers[:3]]
        assert accepted.count("ok") <= 1, "a quote is accepted once"
        assert set(accepted) <= REFUSED | {"ok"}
        status = requester.get(path)["quote"]["status"]
        if rival != "expire":
            # Either the acceptance came first, and whoever wants out is refused, or it came last.
            won = "ok" in accepted
            assert (code(answers[3]) == "ok") is not won, [accepted, code(answers[3])]
            assert status == ("accepted" if won else "cancelled")
        verify(exchange)
        exchange.advance(3_700 * SECOND)
        assert not exchange.state.rfqs
        assert not exchange.state.quotes
    for member in (requester, maker):
        assert member.get("/portfolio/balance")["balance"] == MONEY
        assert member.get("/portfolio/fills")["fills"] == []


def test_confirming_at_once_trades_once(exchange: RestExchange) -> None:
    requester, maker = exchange.member("requester"), exchange.member("maker")
    _, quote_id = quoted(requester, maker)
    path = f"/communications/quotes/{quote_id}"
    requester.expect(204, "PUT", f"{path}/accept", {"accepted_side": "yes"})
    callers = [again(exchange, maker) for _ in range(6)]
    answers = race(*(partial(one.send, "PUT", f"{path}/confirm") for one in callers))
    assert sorted(code(answer) for answer in answers) == ["invalid_state"] * 5 + ["ok"]
    exchange.advance(16 * SECOND)
    for member, sign in ((maker, 1), (requester, -1)):
        (row,) = member.get("/portfolio/positions")["market_positions"]
        assert row["position"] == sign * 10
    verify(exchange)


def test_block_trades_are_accepted_once(exchange: RestExchange) -> None:
    buyer, seller = exchange.member("buyer"), exchange.member("seller")
    proposal = buyer.post(
        "/communications/block-trade-proposals",
        {
            "buyer_user_id": buyer.user_id,
            "seller_user_id": seller.user_id,
            "market_ticker": RAIN,
            "price_centi_cents": 4_100,
            "centicount": 1_000,
            "maker_side": "no",
            "expiration_ts": "2026-03-01T15:00:00Z",
        },
    )["block_trade_proposal_id"]
    path = f"/communications/block-trade-proposals/{proposal}/accept"
    callers = [again(exchange, seller) for _ in range(8)]
    answers = race(*(partial(one.send, "POST", path) for one in callers))
    assert sorted(code(answer) for answer in answers) == ["invalid_state"] * 7 + ["ok"]
    assert len(buyer.get("/markets/trades")["trades"]) == 1
    verify(exchange)


def test_retries_with_one_name_have_one_effect(exchange: RestExchange) -> None:
    member = exchange.member("member")
    member.post("/portfolio/subaccounts")
    callers = [again(exchange, member) for _ in range(8)]
    for number in range(ROUNDS):
        body = order("buy", "yes", 10, 2, client_order_id=f"once-{number}")
        answers = race(*(partial(one.send, "POST", "/portfolio/orders", body) for one in callers))
        assert sorted(code(a) for a in answers) == ["ok"] + ["order_already_exists"] * 7
        transfer: dict[str, Any] = {
            "client_transfer_id": str(uuid4()),
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 100,
        }
        path = "/portfolio/subaccounts/transfer"
        answers = race(*(partial(one.send, "POST", path, transfer) for one in callers))
        assert sorted(code(a) for a in answers) == ["duplicate_transfer"] * 7 + ["ok"]
    assert len(member.get("/portfolio/orders", status="resting")["orders"]) == ROUNDS
    assert len(member.get("/portfolio/subaccounts/transfers")["transfers"]) == ROUNDS
    assert member.get("/portfolio/balance", subaccount=1)["balance"] == 100 * ROUNDS
    verify(exchange)


def test_two_orders_that_need_the_same_money_are_not_both_accepted(
    exchange: RestExchange,
) -> None:
    member = exchange.member("member", 1_000)
    callers = [again(exchange, member) for _ in range(6)]
    body = order("buy", "yes", 30, 20)
    answers = race(*(partial(one.send, "POST", "/portfolio/orders", body) for one in callers))
    assert sorted(code(a) for a in answers) == ["available_balance_too_low"] * 5 + ["ok"]
    assert exchange.state.ledger.cash == 1_000 * 10_000
    verify(exchange)


def test_an_order_against_the_close_of_its_market(exchange: RestExchange) -> None:
    member = exchange.member("member")
    callers = [again(exchange, member) for _ in range(6)]

    def close() -> httpx.Response:
        exchange.do(c.ChangeCloseTime(RAIN, exchange.gate.now_ns()))
        return callers[0].send("GET", f"/markets/{RAIN}")

    body = order("buy", "yes", 30, 20)
    answers = race(
        *(partial(one.send, "POST", "/portfolio/orders", body) for one in callers), close
    )
    assert {code(a) for a in answers[:6]} <= {"ok", "market_inactive"}
    assert member.get("/portfolio/orders", status="resting")["orders"] == []
    assert member.get("/portfolio/balance")["balance"] == MONEY
    verify(exchange)
