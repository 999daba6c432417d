"""Trades off the book: both sides agree, and it prints (docs/api/block-trades.md)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from augury.core import commands as c
from augury.core.events import TradeExecuted
from augury.core.state import FIRST_SUBTRADER
from augury.core.step import BLOCK_TRADE_BIT
from augury.gateways.ws import messages
from augury.testing.invariants import check
from tests.rest_harness import RAIN, SECOND, START_NS, Caller, RestExchange, running

PATH = "/communications/block-trade-proposals"
IN_AN_HOUR = "2026-03-01T15:00:00Z"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    with running(tmp_path) as exchange:
        yield exchange
        exchange.call(_checked(exchange))


async def _checked(exchange: RestExchange) -> None:
    check(exchange.state)


def wish(buyer: Caller, seller: Caller, **more: Any) -> dict[str, Any]:
    """100 YES at 41 cents; the buyer pays the fee of a maker."""
    return {
        "buyer_user_id": buyer.user_id,
        "seller_user_id": seller.user_id,
        "market_ticker": RAIN,
        "price_centi_cents": 4_100,
        "centicount": 10_000,
        "maker_side": "yes",
        "expiration_ts": IN_AN_HOUR,
        **more,
    }


def proposed(by: Caller, body: dict[str, Any]) -> str:
    proposal_id: str = by.post(PATH, body)["block_trade_proposal_id"]
    return proposal_id


def only(caller: Caller, **filters: Any) -> dict[str, Any]:
    (row,) = caller.get(PATH, **filters)["block_trade_proposals"]
    return dict(row)


def test_both_agree_and_it_trades_at_their_price_past_a_better_book(
    exchange: RestExchange,
) -> None:
    buyer, seller = exchange.member("buyer"), exchange.member("seller")
    other = exchange.member("other")
    resting = other.order("sell", "yes", 40, 5)
    stream_trades = exchange.stranger()

    proposal = proposed(buyer, wish(buyer, seller))
    row = only(seller)
    assert (row["status"], row["buyer_accepted"], row["seller_accepted"]) == (
        "pending",
        True,
        False,
    )
    assert "buyer_subaccount" not in row
    assert only(buyer)["buyer_subaccount"] == 0
    assert buyer.get("/portfolio/balance")["balance"] == 1_000_000
    seller.expect(204, "POST", f"{PATH}/{proposal}/accept")

    row = only(buyer, status="executed")
    assert row["seller_accepted"]
    assert row["executed_ts"]
    (trade,) = stream_trades.get("/markets/trades")["trades"]
    assert (trade["yes_price"], trade["count"], trade["taker_side"]) == (41, 100, "no")
    assert trade["is_block_trade"] is True
    assert buyer.get("/markets/trades", is_block_trade=True)["trades"] == [trade]
    assert buyer.get("/markets/trades", is_block_trade=0)["trades"] == []
    (bought,) = buyer.get("/portfolio/fills")["fills"]
    (sold,) = seller.get("/portfolio/fills")["fills"]
    assert bought["trade_id"] == sold["trade_id"] == trade["trade_id"]
    assert (bought["is_taker"], sold["is_taker"]) == (False, True)
    assert bought["order_id"] == row["buyer_order_id"]
    finished = buyer.get(f"/portfolio/orders/{row['buyer_order_id']}")["order"]
    assert (finished["status"], finished["fill_count"]) == ("executed", 100)
    assert buyer.get("/portfolio/orders")["orders"] == [finished]
    # 0.07 x 100 x 0.41 x 0.59, rounded up, for the taker; the series has no fee for makers.
    assert (bought["fee_cost"], sold["fee_cost"]) == ("0.0000", "1.7000")
    assert buyer.get("/portfolio/balance")["balance"] == 1_000_000 - 4_100
    assert seller.get("/portfolio/balance")["balance"] == 1_000_000 - 5_900 - 170
    market = buyer.get(f"/markets/{RAIN}")["market"]
    assert (market["volume"], market["open_interest"], market["last_price"]) == (100, 100, 41)
    assert market["yes_ask"] == 40
    assert other.get(f"/portfolio/orders/{resting['order_id']}")["order"]["status"] == "resting"
    buyer_again = buyer.refused(400, "POST", f"{PATH}/{proposal}/accept")
    assert (
        buyer_again == "invalid_state" == seller.refused(400, "POST", f"{PATH}/{proposal}/accept")
    )


def test_a_trade_on_the_book_is_no_block_trade(exchange: RestExchange) -> None:
    exchange.member("maker").order("sell", "yes", 40, 5)
    taker = exchange.member("taker")
    taker.order("buy", "yes", 40, 5)
    assert [t["is_block_trade"] for t in taker.get("/markets/trades")["trades"]] == [False]
    assert taker.get("/markets/trades", is_block_trade=True)["trades"] == []
    assert len(taker.get("/markets/trades", is_block_trade=False)["trades"]) == 1
    assert taker.refused(400, "GET", "/markets/trades", params={"is_block_trade": "maybe"})


def test_what_cannot_be_proposed(exchange: RestExchange) -> None:
    buyer, seller, third = (exchange.member(name) for name in ("buyer", "seller", "third"))
    refusals = [
        (404, "market_not_found", wish(buyer, seller, market_ticker="NOWHERE")),
        (400, "invalid_parameters", wish(buyer, buyer)),
        (400, "invalid_parameters", wish(third, seller)),
        (400, "invalid_parameters", wish(buyer, seller, seller_user_id="nobody")),
        (400, "invalid_parameters", wish(buyer, seller, seller_subaccount=7)),
        (404, "account_not_found", wish(buyer, seller, buyer_subaccount=7)),
        (400, "invalid_parameters", wish(buyer, seller, price_centi_cents=4_150)),
        (400, "invalid_parameters", wish(buyer, seller, price_centi_cents=0)),
        (400, "invalid_order_size", wish(buyer, seller, centicount=150)),
        (400, "invalid_parameters", wish(buyer, seller, maker_side="both")),
        (400, "invalid_parameters", wish(buyer, seller, expiration_ts="tomorrow")),
        (400, "invalid_parameters", wish(buyer, seller, expiration_ts="2026-03-01T13:00:00Z")),
    ]
    for status, code, body in refusals:
        assert buyer.refused(status, "POST", PATH, body) == code, body
    assert buyer.get(PATH) == {"block_trade_proposals": [], "cursor": ""}


def test_only_the_other_side_can_accept_and_only_in_time(exchange: RestExchange) -> None:
    buyer, seller, third = (exchange.member(name) for name in ("buyer", "seller", "third"))
    proposal = proposed(seller, wish(buyer, seller))
    accept = f"{PATH}/{proposal}/accept"
    assert third.refused(404, "POST", accept) == "not_found"
    assert third.get(PATH)["block_trade_proposals"] == []
    assert seller.refused(400, "POST", accept) == "invalid_state"
    assert buyer.refused(404, "POST", f"{PATH}/{buyer.user_id}/accept") == "not_found"
    exchange.advance(3600 * SECOND)
    assert buyer.refused(400, "POST", accept) == "invalid_state"
    assert only(buyer)["status"] == "expired"
    exchange.advance(14 * 24 * 3600 * SECOND)
    assert buyer.get(PATH)["block_trade_proposals"] == []
    assert buyer.refused(404, "POST", accept) == "not_found"


def test_a_side_that_cannot_pay_stops_it_and_nothing_changes(exchange: RestExchange) -> None:
    buyer = exchange.member("buyer", 4_000)
    seller = exchange.member("seller")
    accept = f"{PATH}/{proposed(seller, wish(buyer, seller))}/accept"
    assert buyer.refused(400, "POST", accept) == "available_balance_too_low"
    other_way = f"{PATH}/{proposed(buyer, wish(buyer, seller))}/accept"
    assert seller.refused(400, "POST", other_way) == "invalid_state"
    assert {row["status"] for row in buyer.get(PATH)["block_trade_proposals"]} == {"pending"}
    assert seller.get("/portfolio/balance")["balance"] == 1_000_000
    exchange.do(c.Deposit(buyer.member_id, 0, 400 * 10_000))
    buyer.expect(204, "POST", accept)
    assert buyer.get("/portfolio/positions")["market_positions"][0]["position"] == 100


def test_a_subaccount_can_be_chosen_when_accepting_and_closing_frees_money(
    exchange: RestExchange,
) -> None:
    buyer, seller = exchange.member("buyer"), exchange.member("seller")
    seller.post("/portfolio/subaccounts")
    exchange.do(c.TransferBetweenSubaccounts(seller.member_id, 0, 1, 500_000 * 10_000, ""))
    first = proposed(buyer, wish(buyer, seller))
    seller.expect(204, "POST", f"{PATH}/{first}/accept", {"subaccount": 1})
    assert only(seller)["seller_subaccount"] == 1
    # The other way round: both close, and a dollar per pair goes back.
    back = proposed(seller, wish(seller, buyer, buyer_subaccount=1, price_centi_cents=4_500))
    buyer.expect(204, "POST", f"{PATH}/{back}/accept")
    assert exchange.state.markets[RAIN].open_interest == 0
    assert buyer.get("/portfolio/positions")["market_positions"][0]["realized_pnl"] == 400


def test_the_close_of_the_market_and_pauses_stop_it(exchange: RestExchange) -> None:
    buyer, seller = exchange.member("buyer"), exchange.member("seller")
    accept = f"{PATH}/{proposed(buyer, wish(buyer, seller))}/accept"
    exchange.do(c.SetTradingPause(True))
    assert seller.refused(503, "POST", accept) == "trading_paused"
    exchange.do(c.SetTradingPause(False))
    exchange.do(c.ChangeCloseTime(RAIN, exchange.gate.now_ns() + SECOND))
    exchange.advance(SECOND)
    assert only(seller)["status"] == "cancelled"
    assert seller.refused(400, "POST", accept) == "invalid_state"


def test_scopes_and_restricted_keys(exchange: RestExchange) -> None:
    buyer, seller = exchange.member("buyer"), exchange.member("seller")
    accept = f"{PATH}/{proposed(buyer, wish(buyer, seller))}/accept"
    reader = exchange.caller(seller.member_id, ("read",))
    assert only(reader)["status"] == "pending"
    assert reader.refused(403, "POST", accept) == "insufficient_scope"
    trader = exchange.caller(seller.member_id, ("read", "write::trade"))
    assert trader.refused(403, "POST", accept) == "insufficient_scope"
    accepter = exchange.caller(seller.member_id, ("write::block_trade_accept",))
    assert accepter.refused(403, "GET", PATH) == "insufficient_scope"
    accepter.expect(204, "POST", accept)


def test_a_restricted_key_sees_and_trades_for_its_own_account_only(
    exchange: RestExchange,
) -> None:
    """Even where the other side is another customer of the same clearing member."""
    house, other = exchange.member("house"), exchange.member("other")
    for name in ("ann", "bob"):
        exchange.do(c.CreateSubtrader(house.member_id, name))
    ann, bob = FIRST_SUBTRADER, FIRST_SUBTRADER + 1
    between = wish(house, house, buyer_subtrader_id="ann", seller_subtrader_id="bob")
    accept = f"{PATH}/{proposed(house, between)}/accept"
    for number in (ann, bob):
        exchange.do(c.TransferBetweenSubaccounts(house.member_id, 0, number, 10**9, ""))
    primary, for_ann, for_bob = (
        exchange.caller(house.member_id, subaccount=number) for number in (0, ann, bob)
    )
    assert primary.get(PATH)["block_trade_proposals"] == []
    assert primary.refused(404, "POST", accept) == "not_found"
    assert only(for_ann)["status"] == "pending"
    assert for_ann.refused(400, "POST", accept) == "invalid_parameters"
    of_ann = wish(other, house, seller_subtrader_id="ann")
    assert for_bob.refused(403, "POST", PATH, of_ann) == "forbidden"
    assert for_bob.refused(403, "POST", accept, {"subaccount": 1}) == "forbidden"
    for_bob.expect(204, "POST", accept)
    assert only(for_ann)["status"] == only(for_bob)["status"] == "executed"


def test_the_stream_of_trades_says_which_kind_it_is() -> None:
    def told(trade_id: int) -> Any:
        event = TradeExecuted(trade_id, RAIN, 4_100, 100, 1, 3, 4, 100, 100)
        return msgspec.json.decode(messages.trade(event, START_NS))["is_block_trade"]

    assert told(5 << 20) is False
    assert told(5 << 20 | BLOCK_TRADE_BIT) is True
