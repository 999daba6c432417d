"""Order groups, customers of clearing members, keys for one subaccount, and what a market pays."""

from collections.abc import Iterator

import pytest

from augury.gateways.fix.codec import Message
from augury.testing import Member, RunningExchange, running_exchange
from tests.fix_desk import Floor, Trader, another_key, say


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


@pytest.fixture
def floor(exchange: RunningExchange) -> Iterator[Floor]:
    with Floor(exchange) as found:
        yield found


def make_group(trader: Trader, name: str, limit: int) -> Message:
    trader.client.send("UOG", f"20131=1|20132={limit}")
    answer = trader.hear()
    assert answer.type == "UOH", answer
    trader.groups[name] = answer.get(20130) or ""
    return answer


def test_a_group_is_triggered_reset_widened_and_deleted(floor: Floor) -> None:
    maya = floor.join("maya", t21011="Y")
    assert make_group(maya, "g1", 5).get(20132) == "5"
    floor.play(
        """
        maya: buy 3 @ 41 a1 in=g1            -> new a1 [0/3]
        maya: buy 4 @ 40 a2 in=g1            -> new a2 [0/4]
        theo: sell 6 @ 40 b1                 -> fill b1 3 @ 41 [3/3]; fill b1 2 @ 40 [5/1]
        maya:                                -> fill a1 3 @ 41 [3/0]; fill a2 2 @ 40 [2/2]
        maya:                                -> canceled a2 [2/0] ORDER_GROUP_CANCEL
        theo: cancel b1 by b2 sell           -> canceled b2 was b1 [5/0]
        maya: buy 1 @ 30 a3 in=g1            -> rejected a3 3 EXCEEDED_ORDER_GROUP_RISK_LIMIT
        maya: |UOG|20131=2|20130={g1}        -> group
        maya: buy 1 @ 30 a4 in=g1            -> new a4 [0/1]
        maya: |UOG|20131=5|20130={g1}|20132=9 -> group 9
        maya: |UOG|20131=4|20130={g1}        -> canceled a4 [0/0] ORDER_GROUP_CANCEL; group
        maya: |UOG|20131=3|20130={g1}        -> group
        maya: |UOG|20131=3|20130={g1}        -> business 1 ORDER_GROUP_NOT_FOUND
        maya: buy 1 @ 30 a5 in=g1            -> rejected a5 11 ORDER_GROUP_NOT_FOUND
        """
    )
    assert floor.member("maya").get("/portfolio/order_groups")["order_groups"] == []


def test_groups_that_cannot_be(floor: Floor) -> None:
    nobodys = "2f3c0d6b-9a5e-4c6c-8d1a-6f0b1e2d3c4b"
    maya, theo = floor.join("maya", t21011="Y"), floor.join("theo", t21011="Y")
    make_group(theo, "g1", 5)
    maya.groups["g1"] = theo.groups["g1"]
    floor.play(
        f"""
        maya: |UOG|20131=1              -> business 5 OrderGroupContractsLimit is required
        maya: |UOG|20131=1|20132=0                   -> malformed 5 tag 20132
        maya: |UOG|20131=1|20132=1000001             -> malformed 5 tag 20132
        maya: |UOG|20131=1|20132=5|20130={nobodys}   -> malformed 2 tag 20130
        maya: |UOG|20131=6|20132=5                   -> malformed 5 tag 20131
        maya: |UOG|20131=2                           -> business 5 OrderGroupID is required
        maya: |UOG|20131=2|20130=nonsense            -> malformed 5 tag 20130
        maya: |UOG|20131=2|20130={nobodys}           -> business 1 ORDER_GROUP_NOT_FOUND
        maya: |UOG|20131=4|20130={{g1}}              -> business 1 ORDER_GROUP_NOT_FOUND
        maya: buy 1 @ 30 a1 in=g1                    -> rejected a1 11 ORDER_GROUP_NOT_FOUND
        maya: |UOG|20131=1|20132=5|79=7              -> business 1 CUSTOMER_ACCOUNT_NOT_FOUND
        """
    )


def test_a_key_for_one_subaccount_does_nothing_for_the_others(
    exchange: RunningExchange, floor: Floor
) -> None:
    maya = floor.member("maya")
    number = maya.post("/portfolio/subaccounts", {})["subaccount_number"]
    exchange.operator.post(
        "members", maya.user_id, "deposits", body={"amount": "100.00", "subaccount": number}
    )
    key = another_key(exchange, maya, "read", "write", subaccount=number)
    locked = floor.join("locked", member=key, t21011="Y")
    ear = floor.join(
        "ear",
        member=another_key(exchange, maya, "read", subaccount=number),
        t21011="Y",
        t20126="Y",
    )
    denied = "PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT"
    group = make_group(locked, "g1", 5)
    assert group.get(79) == str(number)
    floor.play(
        f"""
        maya: buy 1 @ 41 a1                   -> new a1 [0/1]
        locked: buy 1 @ 40 l1 in=g1           -> new l1 [0/1]
        ear:                                  -> new l1 [0/1]
        locked: buy 1 @ 40 l2 79=0            -> rejected l2 15 {denied}
        locked: cancel a1 by l3 buy           -> refused l3 1 NOT_FOUND
        maya: buy 1 @ 39 a2 79={number}       -> new a2 [0/1]
        ear:                                  -> new a2 [0/1]
        maya: cancel a2 by a3 buy 79=0        -> refused a3 1 NOT_FOUND
        maya: cancel a2 by a3 buy 79={number} -> canceled a3 was a2 [0/0]
        ear:                                  -> canceled a3 was a2 [0/0]
        """
    )
    assert ear.heard[0].get(79) == str(number)
    maya_orders = maya.get("/portfolio/orders", subaccount=number)["orders"]
    assert {row["client_order_id"] for row in maya_orders} == {"l1", "a2"}


def with_customers(exchange: RunningExchange, *names: str) -> Member:
    member = exchange.add_member(deposit="0.00")
    for name in names:
        exchange.operator.post("members", member.user_id, "subtraders", body={"subtrader_id": name})
        exchange.operator.post(
            "members",
            member.user_id,
            "deposits",
            body={"amount": "1000.00", "subtrader_id": name},
        )
    return member


def test_a_clearing_member_trades_for_its_customers(
    exchange: RunningExchange, floor: Floor
) -> None:
    house = with_customers(exchange, "ann", "bob")
    desk = floor.join("desk", member=house, t21011="Y")
    ann, bob = "453=1 448=ann 452=24", "453=1 448=bob 452=24"
    unknown = "CUSTOMER_ACCOUNT_NOT_FOUND"
    floor.play(
        f"""
        desk: buy 5 @ 41 a1 {ann}              -> new a1 [0/5]
        desk: sell 2 @ 41 b1 {bob}             -> fill b1 2 @ 41 [2/0]; fill a1 2 @ 41 [2/3]
        desk: buy 5 @ 41 c1 453=1 448=eve 452=24 -> rejected c1 15 {unknown}
        desk: buy 5 @ 41 c2 453=1 448=ann 452=35 -> malformed 5 tag 453
        desk: cancel a1 by a2 buy {bob}        -> refused a2 1 NOT_FOUND
        desk: cancel a1 by a2 buy {ann}        -> canceled a2 was a1 [2/0]
        """
    )
    parties = [
        [(entry.get(448), entry.get(452)) for entry in message.groups(453)]
        for message in desk.heard[:3]
    ]
    assert parties == [[("ann", "24")], [("bob", "24")], [("ann", "24")]]
    assert desk.heard[1].get(79) is None


def parties_of(message: Message) -> dict[str, tuple[str | None, ...]]:
    """Party -> long, short, paid, fee."""
    found: dict[str, tuple[str | None, ...]] = {}
    for entry in message.groups(20108):
        (paid,), (fee,) = entry.groups(1703), entry.groups(136)
        assert paid.get(1705) == "PAYOUT"
        found[entry.get(20109) or ""] = (
            entry.get(704),
            entry.get(705),
            paid.get(1704),
            fee.get(137),
        )
    return found


@pytest.mark.parametrize(
    "result,value,price,long_paid,long_fee,short_paid,short_fee",
    [
        ("yes", None, "100.00", "3.00", "0.00", "0.00", "0.00"),
        ("no", None, "0.00", "0.00", "0.00", "3.00", "0.00"),
        ("scalar", "0.3060", "30.60", "0.91", "0.008", "2.08", "0.002"),
    ],
)
def test_a_settlement_is_reported_to_those_who_held_something(
    exchange: RunningExchange,
    floor: Floor,
    result: str,
    value: str | None,
    price: str,
    long_paid: str,
    long_fee: str,
    short_paid: str,
    short_fee: str,
) -> None:
    if result == "scalar":
        floor.market = exchange.list_market(market_type="scalar", settlement_timer_seconds=60)
    maya, theo = floor.member("maya"), floor.member("theo")
    post = floor.join("post", "KalshiPT", member=another_key(exchange, maya, "read"))
    other = floor.join("theo", "KalshiRT", t21011="Y", t20127="Y")
    floor.play(
        """
        maya: buy 3 @ 41 a1  -> new a1 [0/3]
        theo: sell 3 @ 41 b1 -> fill b1 3 @ 41 [3/0]
        maya:                -> fill a1 3 @ 41 [3/0]
        """
    )
    exchange.determine(floor.market, result, value)
    exchange.advance(hours=2)
    report = post.hear("UMS")
    assert [report.get(tag) for tag in (55, 20106, 20107, 730, 893)] == [
        floor.market,
        "1",
        result,
        price,
        "Y",
    ]
    assert list(parties_of(report)) == [maya.user_id]
    long, short, paid, fee = parties_of(report)[maya.user_id]
    assert (long, short, paid) == ("3", "0", long_paid)
    assert float(fee or 0) == float(long_fee)
    report = other.hear("UMS")
    long, short, paid, fee = parties_of(report)[theo.user_id]
    assert (long, short, paid) == ("0", "3", short_paid)
    assert float(fee or 0) == float(short_fee)


def test_a_long_settlement_comes_in_pages_of_fifty(exchange: RunningExchange) -> None:
    customers = [f"customer{n:02}" for n in range(51)]
    house = with_customers(exchange, *customers)
    with Floor(exchange) as floor:
        desk = floor.join("desk", member=house, t21011="Y")
        post = floor.join("post", "KalshiPT", member=another_key(exchange, house, "read"))
        market_maker = floor.member("maker")
        market_maker.place(floor.market, "sell", "yes", 51, 41)
        for name in customers:
            desk.do(f"buy 1 @ 41 {name} 453=1 448={name} 452=24")
            assert say(desk.hear()) == f"fill {name} 1 @ 41 [1/0]"
        exchange.determine(floor.market, "yes")
        exchange.advance(hours=2)
        first, last = post.hear("UMS"), post.hear("UMS")
    assert [first.get(20106), last.get(20106)] == ["2", "2"]
    assert [first.get(893), last.get(893)] == [None, "Y"]
    assert first.get(20105) != last.get(20105)
    assert (first.get(20108), last.get(20108)) == ("50", "1")
    assert [*parties_of(first), *parties_of(last)] == customers
