"""Requests for quotes over FIX: makers on KalshiRFQ, requesters on KalshiRT or by REST."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from augury.gateways.fix.codec import Message
from augury.testing import Member, RunningExchange, running_exchange, wait_until
from tests.fix_desk import Floor, Trader, another_key, say


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


@pytest.fixture
def floor(exchange: RunningExchange) -> Iterator[Floor]:
    with Floor(exchange) as found:
        yield found


def ask(member: Member, ticker: str, contracts: int = 10, **more: object) -> str:
    body = {"market_ticker": ticker, "contracts": contracts, "rest_remainder": False, **more}
    rfq_id: str = member.post("/communications/rfqs", body)["id"]
    return rfq_id


def request_for(maker: Trader, ticker: str) -> Message:
    """The request about ``ticker``; those of other tests are passed over."""
    while True:
        message = maker.client.next("R")
        if message.groups(146)[0].get(55) == ticker:
            return message


def tags(message: Message, *wanted: int) -> list[str | None]:
    return [message.get(tag) for tag in wanted]


def quote(maker: Trader, rfq_id: str | None, bid: str, offer: str, **more: str) -> str:
    """Send a quote; returns its id."""
    quote_id = str(uuid4())
    fields = f"117={quote_id}|131={rfq_id}|55={maker.market}|132={bid}|133={offer}"
    fields += "".join(f"|{tag.removeprefix('t')}={text}" for tag, text in more.items())
    maker.client.send("S", fields)
    return quote_id


def test_a_request_is_quoted_accepted_confirmed_and_executed(
    exchange: RunningExchange, floor: Floor
) -> None:
    requester, maya = floor.member("requester"), floor.member("maya")
    maker = floor.join("maya", "KalshiRFQ", t21011="Y")
    ear = floor.join("ear", member=another_key(exchange, maya, "read"), t21011="Y", t20126="Y")
    rfq_id = ask(requester, floor.market)
    request = request_for(maker, floor.market)
    entry = request.groups(146)[0]
    assert (request.get(131), entry.get(38), entry.get(152)) == (rfq_id, "10", None)
    pseudonym = requester.get("/communications/id")["communications_id"]
    assert entry.groups(453)[0].get(448) == pseudonym

    quote_id = quote(maker, rfq_id, "40", "57")
    pending = maker.hear("AI")
    assert tags(pending, 117, 131, 297, 38, 132, 133) == [quote_id, rfq_id, "10", "10", "40", "57"]
    (shown,) = requester.get(
        "/communications/quotes", rfq_id=rfq_id, rfq_creator_user_id=requester.user_id
    )["quotes"]
    assert (shown["yes_bid_dollars"], shown["no_bid_dollars"]) == ("0.4000", "0.5700")

    requester.put(f"/communications/quotes/{shown['id']}/accept", {"accepted_side": "no"})
    accepted = maker.hear("AI")
    assert tags(accepted, 117, 297, 54, 38) == [quote_id, "0", "2", "10"]
    maker.client.send("U7", f"117={quote_id}")
    assert tags(maker.hear("U8"), 117, 21010, 297) == [quote_id, "0", "0"]
    exchange.advance(seconds=16)
    # The requester bought YES at what is left of the dollar, from the maker's NO.
    assert say(ear.hear()).startswith("new quote:")
    assert "10 @ 43 [10/0]" in say(ear.hear())
    assert requester.position(floor.market) == 10
    assert maya.position(floor.market) == -10


def test_a_quote_is_replaced_canceled_and_outlived(exchange: RunningExchange, floor: Floor) -> None:
    requester = floor.member("requester")
    maker = floor.join("maya", "KalshiRFQ", t21005="Y")
    rfq_id = ask(requester, floor.market)
    first = quote(maker, rfq_id, "0.4000", "0")
    assert tags(maker.hear("AI"), 117, 297, 132, 133) == [first, "10", "0.4000", "0.0000"]
    second = quote(maker, rfq_id, "0.4100", "0.5")
    assert tags(maker.hear("AI"), 117, 297) == [first, "17"]
    assert tags(maker.hear("AI"), 117, 297) == [second, "10"]
    maker.client.send("Z", f"117={first}")
    assert tags(maker.hear("U9"), 117, 298) == [first, "1"]
    maker.client.send("Z", f"117={second}")
    assert tags(maker.hear("AI"), 117, 297) == [second, "17"]
    assert tags(maker.hear("U9"), 117, 298) == [second, "0"]

    third = quote(maker, rfq_id, "0.4100", "0.5")
    assert tags(maker.hear("AI"), 117, 297) == [third, "10"]
    requester.delete(f"/communications/rfqs/{rfq_id}")
    assert tags(maker.hear("AI"), 117, 297) == [third, "17"]
    assert tags(maker.hear("AG"), 131, 658, 58) == [rfq_id, "99", "USER_DELETED"]
    late = quote(maker, rfq_id, "0.4100", "0.5")
    refused = maker.hear("AI")
    assert tags(refused, 117, 131, 297, 58, 38) == [None, rfq_id, "5", "RFQ_NOT_FOUND", None]
    maker.client.send("U7", f"117={late}")
    assert tags(maker.hear("U8"), 21010, 297, 58) == ["1", "1", "QUOTE_NOT_FOUND"]


def test_a_confirmation_that_comes_too_late(exchange: RunningExchange, floor: Floor) -> None:
    requester = floor.member("requester")
    maker = floor.join("maya", "KalshiRFQ")
    rfq_id = ask(requester, floor.market)
    quote_id = quote(maker, rfq_id, "40", "57")
    assert maker.hear("AI").get(297) == "10"
    maker.client.send("U7", f"117={quote_id}")
    assert tags(maker.hear("U8"), 21010, 58) == ["1", "INVALID_STATE"]
    (shown,) = requester.get(
        "/communications/quotes", rfq_id=rfq_id, rfq_creator_user_id=requester.user_id
    )["quotes"]
    requester.put(f"/communications/quotes/{shown['id']}/accept", {"accepted_side": "yes"})
    assert tags(maker.hear("AI"), 297, 54) == ["0", "1"]
    exchange.advance(seconds=31)
    assert tags(maker.hear("AI"), 297, 58) == ["17", "EXPIRED"]
    maker.client.send("U7", f"117={quote_id}")
    assert tags(maker.hear("U8"), 21010, 58) == ["1", "EXPIRED"]


@pytest.mark.parametrize(
    "bid,offer,more,text",
    [
        ("0", "0", {}, "INVALID_QUOTE"),
        ("60", "60", {}, "INVALID_QUOTE"),
        ("40.5", "50", {}, "INVALID_QUOTE"),
        ("100", "0", {}, "INVALID_PRICE"),
        ("40", "50", {"t79": "9"}, "CUSTOMER_ACCOUNT_NOT_FOUND"),
    ],
)
def test_quotes_that_are_refused(
    floor: Floor, bid: str, offer: str, more: dict[str, str], text: str
) -> None:
    maker = floor.join("maya", "KalshiRFQ")
    rfq_id = ask(floor.member("requester"), floor.market)
    quote(maker, rfq_id, bid, offer, **more)
    assert tags(maker.hear("AI"), 131, 297, 58) == [rfq_id, "5", text]


def test_a_maker_who_comes_later_hears_of_what_is_open(floor: Floor) -> None:
    requester = floor.member("requester")
    rfq_id = ask(requester, floor.market, contracts=0, target_cost_centi_cents=1_000_000)
    maker = floor.join("maya", "KalshiRFQ")
    request = request_for(maker, floor.market)
    entry = request.groups(146)[0]
    assert (request.get(131), entry.get(38), entry.get(152)) == (rfq_id, "0", "100.00")
    own = floor.join("own", "KalshiRFQ", member=requester)
    own.client.send("1", "112=quiet?")
    heard: list[Message] = []
    while not heard or heard[-1].type != "0":
        heard.append(own.client.next())
    assert rfq_id not in [message.get(131) for message in heard]


def test_a_requester_on_rt(exchange: RunningExchange, floor: Floor) -> None:
    maker = floor.join("maya", "KalshiRFQ")
    asker = floor.join("asker", "KalshiRT", t21011="Y")
    asker.client.send("R", f"131=ask-1|146=1|55={floor.market}|38=10|21015=N")
    ack = asker.hear("b")
    assert tags(ack, 131, 303) == ["ask-1", "1"]
    rfq_id = ack.get(21023)
    assert request_for(maker, floor.market).get(131) == rfq_id
    quote(maker, rfq_id, "40", "55")
    offered = asker.hear("S")
    assert tags(offered, 131, 55, 132, 133, 38, 134, 135) == [
        rfq_id,
        floor.market,
        "0.4000",
        "0.5500",
        "10",
        "10.00",
        "10.00",
    ]
    assert offered.groups(453)[0].get(452) == "35"
    maker.hear("AI")
    other = floor.join("other maker", "KalshiRFQ")
    better = quote(other, rfq_id, "0", "57")
    best = asker.hear("S").get(117)
    assert other.hear("AI").get(117) == better
    # Buys YES: whoever bids most for NO sells it cheapest.
    asker.client.send("UA", f"117={offered.get(117)}|21023={rfq_id}|54=1|11=o1|21022=Y")
    answer = asker.hear("UC")
    assert tags(answer, 117, 21025, 21024, 11) == [offered.get(117), "0", best, "o1"]
    assert tags(other.hear("AI"), 297, 54) == ["0", "2"]
    other.client.send("U7", f"117={better}")
    assert other.hear("U8").get(21010) == "0"
    exchange.advance(seconds=16)
    assert say(asker.hear()) == "fill o1 10 @ 43 [10/0]"
    assert tags(maker.hear("AI"), 297) == ["17"]
    assert asker.quiet() == []
    asker.client.send("UA", f"117={best}|54=1")
    assert tags(asker.hear("UC"), 21025, 58) == ["1", "QUOTE_NOT_FOUND"]


def test_an_order_accepts_a_quote_and_hears_when_nothing_comes_of_it(
    exchange: RunningExchange, floor: Floor
) -> None:
    maker = floor.join("maya", "KalshiRFQ")
    asker = floor.join("asker", "KalshiRT", t21011="Y")

    def quoted() -> tuple[str, str]:
        """The quote's name and public id, of a new request for ten."""
        asker.client.send("R", f"131=ask|146=1|55={floor.market}|38=10|21016=Y")
        while (ack := asker.hear()).type != "b":
            assert ack.type == "UB"
        name = quote(maker, ack.get(21023), "40", "55")
        assert maker.client.next("AI").get(297) == "10"
        return name, asker.hear("S").get(117) or ""

    name, public = quoted()
    floor.traders["asker"].groups["q"] = public
    floor.play(
        """
        asker: |D|11=o1|38=10|40=2|44=44|54=1|55={market}|117={q} -> rejected o1 99 INVALID_PRICE
        asker: |D|11=o2|38=9|40=2|44=45|54=1|55={market}|117={q}  -> rejected o2 13 INVALID_ORDER
        asker: |D|11=o3|38=10|40=2|44=45|54=1|55=OTHER|117={q}    -> rejected o3 11 INVALID_ORDER
        asker: |D|11=o4|38=10|40=2|44=45|54=1|55={market}|117={q} ->
        """,
        False,
    )
    assert tags(maker.client.next("AI"), 117, 297, 54) == [name, "0", "2"]
    maker.client.send("U7", f"117={name}")
    assert maker.client.next("U8").get(21010) == "0"
    exchange.advance(seconds=16)
    floor.play("asker: -> fill o4 10 @ 45 [10/0]", False)

    name, public = quoted()
    floor.traders["asker"].groups["q"] = public
    floor.play("asker: |D|11=o5|38=10|40=2|44=40|54=2|55={market}|117={q} ->", False)
    assert tags(maker.client.next("AI"), 117, 297, 54) == [name, "0", "1"]
    exchange.advance(seconds=31)
    floor.play(
        """
        asker:                                                    -> rejected o5 8 EXPIRED
        asker: |D|11=o6|38=10|40=2|44=40|54=2|55={market}|117={q} -> rejected o6 8 EXPIRED
        """,
        False,
    )
    assert asker.quiet() == []


def test_requests_that_end_or_never_begin(exchange: RunningExchange, floor: Floor) -> None:
    asker = floor.join("asker", "KalshiRT", t21011="Y")
    market = floor.market

    def answer(kind: str, fields: str) -> list[str | None]:
        asker.client.send(kind, fields)
        message = asker.hear()
        if message.type == "AG":
            return ["AG", *tags(message, 131, 658, 58)]
        return [message.type, *tags(message, 131, 21013, 58)]

    size = "INVALID_ORDER_SIZE"
    assert answer("R", "131=r1|146=1|55=NOSUCH|38=1") == ["AG", "r1", "1", "MARKET_NOT_FOUND"]
    assert answer("R", f"131=r1|146=1|55={market}|38=1|152=5") == ["AG", "r1", "99", size]
    assert answer("R", f"131=r1|146=1|55={market}") == ["AG", "r1", "99", size]
    assert answer("R", f"131=r1|146=1|55={market}|152=5.00")[:2] == ["b", "r1"]
    again = answer("R", f"131=r2|146=1|55={market}|38=1")
    assert again == ["AG", "r2", "99", "RFQ_ALREADY_EXISTS"]
    # The one that is replaced says so first.
    asker.client.send("R", f"131=r3|146=1|55={market}|38=1|21016=Y")
    assert tags(asker.hear("UB"), 131, 21013, 58) == ["r1", "0", "REPLACED"]
    rfq_id = asker.hear("b").get(21023)
    assert answer("UE", "131=r1") == ["UB", "r1", "1", "RFQ_NOT_FOUND"]
    assert answer("UE", f"21023={rfq_id}") == ["UB", "r3", "0", None]
    assert answer("R", f"131=r4|146=1|55={market}|38=1")[:2] == ["b", "r4"]
    assert answer("UE", "131=r4") == ["UB", "r4", "0", None]
    assert answer("R", f"131=r5|146=1|55={market}|38=1")[:2] == ["b", "r5"]
    exchange.advance(minutes=31)
    assert tags(asker.hear("UB"), 131, 21013, 58) == ["r5", "2", "EXPIRED"]
    assert asker.quiet() == []


def test_a_combination_is_asked_for_by_its_legs(exchange: RunningExchange, floor: Floor) -> None:
    one, two = exchange.list_market(), exchange.list_market()
    events = [exchange.market(ticker)["event_ticker"] for ticker in (one, two)]
    exchange.operator.post("series", body={"ticker": "KXMVETEST", "title": "Pairs"})
    exchange.operator.post(
        "collections",
        body={
            "ticker": "KXMVETEST-PAIR",
            "series_ticker": "KXMVETEST",
            "title": "Both",
            "close_date": exchange.market(one)["close_time"],
            "associated_events": [{"ticker": ticker} for ticker in events],
        },
    )
    asker = floor.join("asker", "KalshiRT", t21011="Y")
    legs = f"20182={events[0]}|20183={one}|20184=yes|20182={events[1]}|20183={two}|20184=no"
    asker.client.send("R", f"131=c1|146=1|38=5|20180=KXMVETEST-PAIR|20181=2|{legs}")
    ack = asker.hear()
    assert ack.type == "b", ack
    maker = floor.join("maya", "KalshiRFQ")
    request = request_for(maker, ack.get(55) or "")
    entry = request.groups(146)[0]
    assert entry.get(20180) == "KXMVETEST-PAIR"
    assert [(leg.get(20183), leg.get(20184)) for leg in entry.groups(20181)] == [
        (one, "yes"),
        (two, "no"),
    ]


def test_quotes_keep_their_names_over_a_restart(tmp_path: Path) -> None:
    settings = {"fix": True, "fix_plain": True, "forked": True, "data": tmp_path}
    with running_exchange(**settings, clock="real") as exchange, Floor(exchange) as floor:  # type: ignore[arg-type]
        requester = floor.member("requester")
        maker = floor.join("maya", "KalshiRFQ")
        rfq_id = ask(requester, floor.market)
        request_for(maker, floor.market)
        quote_id = quote(maker, rfq_id, "40", "57")
        assert maker.hear("AI").get(297) == "10"
        maker.client.close()
        exchange.kill()
        exchange.restart()
        (shown,) = wait_until(
            lambda: requester.get(
                "/communications/quotes", rfq_id=rfq_id, rfq_creator_user_id=requester.user_id
            )["quotes"]
        )
        requester.put(f"/communications/quotes/{shown['id']}/accept", {"accepted_side": "yes"})
        maker = floor.rejoin("maya", "KalshiRFQ")
        maker.client.send("2", "7=2|16=0")
        told = [maker.client.next("AI") for _ in range(2)]
        assert [tags(message, 117, 297, 43) for message in told] == [
            [quote_id, "10", "Y"],
            [quote_id, "0", "Y"],
        ]
        maker.client.send("U7", f"117={quote_id}")
        assert maker.client.next("U8").get(21010) == "0"
