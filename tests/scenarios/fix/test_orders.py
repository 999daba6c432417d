"""Orders over FIX as a trader sees them: what is sent, what is heard (fix.md, section 8)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from augury.testing import RunningExchange, running_exchange
from tests.fix_desk import Floor


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


@pytest.fixture
def floor(exchange: RunningExchange) -> Iterator[Floor]:
    with Floor(exchange) as found:
        yield found


def test_an_order_rests_trades_is_replaced_and_canceled(floor: Floor) -> None:
    floor.join("maya")
    floor.play(
        """
        maya: buy 10 @ 41 a1                  -> pending a1 [0/10]; new a1 [0/10]
        theo: sell 4 @ 40 b1                  -> fill b1 4 @ 41 [4/0]
        maya:                                 -> fill a1 4 @ 41 [4/6]
        maya: replace a1 by a2 buy 12 @ 42    -> pending replace a2 was a1 [4/6]
        maya:                                 -> replaced a2 was a1 [4/8]
        maya: cancel a2 by a3 buy             -> pending cancel a3 was a2 [4/8]
        maya:                                 -> canceled a3 was a2 [4/0]
        """
    )
    taken = floor.traders["theo"].heard[-1]
    assert [taken.get(tag) for tag in (37, 38, 39, 6, 54, 1057)] == [
        taken.get(37),
        "4",
        "2",
        "41",
        "2",
        "Y",
    ]
    assert [taken.get(tag) for tag in (704, 705, 136, 137, 138, 139, 891)] == [
        "0",
        "4",
        "1",
        "0.07",
        "USD",
        "4",
        "0",
    ]
    assert [(entry.get(1704), entry.get(1705)) for entry in taken.groups(1703)] == [
        ("-2.43", "BALANCE"),
        ("4.00", "PAYOUT"),
    ]
    made = floor.traders["maya"].heard[2]
    assert made.get(880) == taken.get(880)
    assert made.get(1057) == "N"
    sequence = (made.get(17) or "").split(";")[0]
    assert (taken.get(17) or "").startswith(f"{sequence};")
    assert taken.get(17) != made.get(17)
    assert floor.member("maya").position(floor.market) == 4


@pytest.mark.parametrize(
    "words,theo_hears",
    [
        ("5 @ 40 b1", "fill b1 4 @ 41 [4/1]"),
        ("4 @ 40 b1 ioc", "fill b1 4 @ 41 [4/0]"),
        ("5 @ 40 b1 ioc", "fill b1 4 @ 41 [4/1]"),
        ("5 @ 42 b1 ioc", "canceled b1 [0/0] IMMEDIATE_OR_CANCELLED"),
        ("5 @ 40 b1 fok", "canceled b1 [0/0] FOK_INSUFFICIENT_VOLUME"),
        ("4 @ 40 b1 fok", "fill b1 4 @ 41 [4/0]"),
        ("4 @ 41 b1 post", "rejected b1 99 POST_ONLY_CROSS"),
        ("4 @ 42 b1 post", "new b1 [0/4]"),
        ("4 @ 40 b1 21009=2.36", "fill b1 4 @ 41 [4/0]"),
        ("4 @ 40 b1 21009=2.35", "canceled b1 [0/0] FOK_INSUFFICIENT_VOLUME"),
    ],
)
def test_an_order_that_meets_four_at_41(floor: Floor, words: str, theo_hears: str) -> None:
    floor.play(f"maya: buy 4 @ 41 a1 -> new a1 [0/4]\ntheo: sell {words} -> {theo_hears}", False)
    assert floor.traders["theo"].quiet() == []
    filled = theo_hears.startswith("fill")
    assert floor.traders["maya"].quiet() == (["fill a1 4 @ 41 [4/0]"] if filled else [])


def test_what_a_session_asked_for_at_logon(floor: Floor) -> None:
    floor.join("theo", t21011="Y", t21007="Y", t21026="Y", t21008="Y", t21027="Y", t21005="Y")
    floor.play(
        """
        maya: buy 4 @ 41 a1         -> new a1 [0/4]
        theo: sell 5 @ 0.40 b1 ioc  -> new b1 [0/5]; fill b1 4 @ 0.4100 [4/1]
        theo:                       -> canceled b1 [4/0] IMMEDIATE_OR_CANCELLED
        maya:                       -> fill a1 4 @ 41 [4/0]
        maya: sell 4 @ 30 a2        -> new a2 [0/4]
        theo: buy 2 @ 0.3 b2        -> new b2 [0/2]; fill b2 2 @ 0.3000 [2/0]
        maya:                       -> fill a2 2 @ 30 [2/2]
        """
    )
    new, fill, canceled, _, closing = floor.traders["theo"].heard
    assert [message.get(38) for message in (new, fill, canceled)] == ["5", "5", "5"]
    assert fill.get(6) == "0.4100"
    assert fill.get(21030) is None
    # Two pairs of YES and NO give two dollars back; they cost 60 cents.
    assert closing.get(21030) == "2.00"
    balance, payout = [entry.get(1704) for entry in closing.groups(1703)]
    assert payout == "-2.00"
    assert float(balance or 0) == pytest.approx(2.00 - 0.60 - float(closing.get(137) or 0))


def test_reports_of_sizes_and_average_prices(floor: Floor) -> None:
    floor.play(
        """
        maya: buy 1 @ 41 a1   -> new a1 [0/1]
        maya: buy 2 @ 40 a2   -> new a2 [0/2]
        theo: sell 5 @ 39 b1  -> fill b1 1 @ 41 [1/4]; fill b1 2 @ 40 [3/2]
        maya:                 -> fill a1 1 @ 41 [1/0]; fill a2 2 @ 40 [2/0]
        theo: cancel b1 by b2 sell -> canceled b2 was b1 [3/0]
        """
    )
    first, second, canceled = floor.traders["theo"].heard
    assert [(m.get(38), m.get(39), m.get(6)) for m in (first, second, canceled)] == [
        ("5", "1", "41"),
        ("5", "1", "40.33"),
        ("3", "4", "40.33"),
    ]


@pytest.mark.parametrize(
    "action,heard",
    [
        ("buy 10 @ 0 a1", "rejected a1 99 INVALID_PRICE"),
        ("buy 10 @ 100 a1", "rejected a1 99 INVALID_PRICE"),
        ("buy 10 @ 41.5 a1", "rejected a1 99 INVALID_PRICE"),
        ("buy 10 @ 41.0 a1", "new a1 [0/10]"),
        ("buy 0 @ 41 a1", "rejected a1 13 INVALID_ORDER"),
        ("buy 1.5 @ 41 a1", "rejected a1 13 INVALID_ORDER"),
        ("buy 10 @ 41 a1 post ioc", "rejected a1 11 INVALID_ORDER"),
        ("buy 1000000 @ 41 a1", "rejected a1 99 INSUFFICIENT_BALANCE"),
        ("buy 1 @ 41 a1 79=9", "rejected a1 15 CUSTOMER_ACCOUNT_NOT_FOUND"),
        (
            "buy 1 @ 41 a1 453=1 448=joe 452=24",
            "rejected a1 15 PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT",
        ),
        (
            "buy 1 @ 41 a1 526=2f3c0d6b-9a5e-4c6c-8d1a-6f0b1e2d3c4b",
            "rejected a1 11 ORDER_GROUP_NOT_FOUND",
        ),
        ("|D|11=a1|38=1|40=2|44=41|54=1|55=NOSUCH", "rejected a1 1 MARKET_NOT_FOUND"),
        (f"|D|11=a1|38=1|40=2|44=41|54=1|55={'X' * 201}", "rejected a1 1 MARKET_NOT_FOUND"),
        ("|D|11=a1|38=1|40=1|44=41|54=1|55={market}", "malformed 5 tag 40"),
        ("|D|11=a 1|38=1|40=2|44=41|54=1|55={market}", "malformed 5 tag 11"),
        ("|D|11=a1|38=1|40=2|54=1|55={market}", "malformed 1 tag 44"),
        ("buy 1 @ 41 a1 gtd", "malformed 1 tag 126"),
        ("buy 1 @ 41 a1 18=7", "malformed 5 tag 18"),
        ("buy 1 @ 41 a1 100=1", "rejected a1 11 INVALID_ORDER"),
        ("buy 1 @ 41 a1 117=some-quote", "rejected a1 8 EXPIRED"),
        ("buy 1 @ 41 a1 60=20260301-14:00:00 21=1 15=USD", "new a1 [0/1]"),
    ],
)
def test_orders_that_are_not_accepted(floor: Floor, action: str, heard: str) -> None:
    floor.play(f"maya: {action} -> {heard}")


def test_a_rejected_order_is_pending_first_and_leaves_no_trace(floor: Floor) -> None:
    floor.join("maya")
    floor.play(
        """
        maya: buy 1000000 @ 41 a1 -> pending a1 [0/1000000]; rejected a1 99 INSUFFICIENT_BALANCE
        maya: buy 10 @ 0 a1       -> pending a1 [0/10]; rejected a1 99 INVALID_PRICE
        maya: buy 1 @ 41 a1       -> pending a1 [0/1]; new a1 [0/1]
        maya: buy 1 @ 41 a1       -> pending a1 [0/1]; rejected a1 6 ORDER_ALREADY_EXISTS
        """
    )
    rejected = floor.traders["maya"].heard[1]
    assert [rejected.get(tag) for tag in (17, 37, 38, 39, 151)] == [
        "-1;-1",
        "NONE",
        "1000000",
        "8",
        "0.00",
    ]


def test_the_latest_profile_has_a_number_of_its_own_for_too_little_money(
    exchange: RunningExchange, floor: Floor
) -> None:
    floor.members["maya"] = exchange.add_member(profile="latest")
    floor.play("maya: buy 1000000 @ 41 a1 -> rejected a1 3 INSUFFICIENT_BALANCE")


@pytest.mark.parametrize(
    "action,heard",
    [
        ("replace a1 by a2 buy 4 @ 41", "canceled a2 was a1 [4/0]"),
        ("replace a1 by a2 buy 3 @ 41", "refused a2 2 INVALID_AMEND_QTY_FOR_ORDER"),
        ("replace a1 by a2 buy 6 @ 41", "replaced a2 was a1 [4/2]"),
        ("replace a1 by a2 buy 20 @ -", "replaced a2 was a1 [4/16]"),
        ("replace a1 by a2 buy 10 @ 50", "replaced a2 was a1 [4/6]; fill a2 3 @ 45 [7/3]"),
        ("replace a1 by a2 buy 10 @ 0", "refused a2 99 INVALID_PRICE"),
        ("replace a1 by a2 buy 10 @ 41.5", "refused a2 99 INVALID_PRICE"),
        ("replace a1 by a1 buy 10 @ 42", "refused a1 6 ORDER_ALREADY_EXISTS"),
        ("replace a1 by a2 buy 1000000 @ 41", "refused a2 99 INSUFFICIENT_BALANCE"),
        ("replace a1 by a2 sell 10 @ 42", "refused a2 1 NOT_FOUND"),
        ("replace a9 by a2 buy 10 @ 42", "refused a2 1 NOT_FOUND"),
        ("replace a1 by a2 buy 10 @ 42 79=7", "refused a2 99 CUSTOMER_ACCOUNT_NOT_FOUND"),
        ("replace a1 by a2 buy 10 @ 42 37=nonsense", "refused a2 1 NOT_FOUND"),
        ("|G|11=a2|41=a1|38=9|40=2|54=1|55=OTHER", "refused a2 1 NOT_FOUND"),
        ("cancel a1 by a2 buy", "canceled a2 was a1 [4/0]"),
        ("cancel a1 by a1 buy", "refused a1 6 ORDER_ALREADY_EXISTS"),
        ("cancel a1 by a2 sell", "refused a2 1 NOT_FOUND"),
        ("cancel a9 by a2 buy", "refused a2 1 NOT_FOUND"),
        ("cancel a1 by a2 buy 38=10", "canceled a2 was a1 [4/0]"),
    ],
)
def test_changes_of_an_order_of_ten_with_four_filled(floor: Floor, action: str, heard: str) -> None:
    floor.play(
        f"""
        maya: buy 10 @ 41 a1   -> new a1 [0/10]
        theo: sell 4 @ 41 b1   -> fill b1 4 @ 41 [4/0]
        theo: sell 3 @ 45 b2   -> new b2 [0/3]
        maya:                  -> fill a1 4 @ 41 [4/6]
        maya: {action}         -> {heard}
        theo:                  -> {"fill b2 3 @ 45 [3/0]" if "fill" in heard else ""}
        """
    )


def test_it_is_too_late_for_what_is_filled(floor: Floor) -> None:
    floor.play(
        """
        maya: buy 4 @ 41 a1                -> new a1 [0/4]
        theo: sell 4 @ 41 b1               -> fill b1 4 @ 41 [4/0]
        maya:                              -> fill a1 4 @ 41 [4/0]
        maya: cancel a1 by a2 buy          -> refused a2 0 CANNOT_UPDATE_FILLED_ORDER
        maya: replace a1 by a3 buy 9 @ 41  -> refused a3 2 CANNOT_UPDATE_FILLED_ORDER
        """
    )
    refusal = floor.traders["maya"].heard[-1]
    assert [refusal.get(tag) for tag in (39, 41, 434)] == ["2", "a1", "2"]
    assert refusal.get(37) == floor.traders["maya"].heard[0].get(37)


def test_own_orders_do_not_trade_with_each_other(floor: Floor) -> None:
    taker = "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
    maker = "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
    floor.play(
        f"""
        maya: buy 4 @ 41 a1                 -> new a1 [0/4]
        maya: sell 4 @ 41 a2                -> canceled a2 [0/0] {taker}
        maya: sell 4 @ 41 a3 2964=2         -> new a3 [0/4]; canceled a1 [0/0] {maker}
        maya: buy 4 @ 40 a4                 -> new a4 [0/4]
        maya: replace a4 by a5 buy 4 @ 41   -> refused a5 18 SELF_CROSS_ATTEMPT
        """
    )


def test_messages_sent_in_one_breath_keep_their_order(floor: Floor) -> None:
    maya = floor.join("maya", t21011="Y")
    maya.do("buy 10 @ 41 a1")
    maya.do("replace a1 by a2 buy 12 @ 42")
    maya.do("cancel a2 by a3 buy")
    maya.do("buy 1 @ 40 a4")
    maya.do("cancel all as q1")
    maya.do("buy 2 @ 40 a5")
    heard = [maya.hear() for _ in range(7)]
    found = {message.get(11): message for message in heard}
    assert (found["a3"].get(150), found["a3"].get(41)) == ("4", "a2")
    by_kind = [(message.type, message.get(11), message.get(150)) for message in heard]
    assert by_kind.index(("r", "q1", None)) < by_kind.index(("8", "a4", "4"))
    assert by_kind[-1] == ("8", "a5", "0")
    assert maya.quiet() == []


def test_a_day_order_ends_with_the_day_in_new_york(exchange: RunningExchange) -> None:
    with Floor(exchange) as floor:
        floor.join("theo", t21011="Y", t21012="Y")
        tomorrow = exchange.now() + timedelta(days=3)
        date = tomorrow.strftime("%Y%m%d-%H:%M:%S")
        ioc = "IMMEDIATE_OR_CANCELLED"
        floor.play(
            f"""
            maya: buy 4 @ 41 a1 day                       -> new a1 [0/4]
            theo: buy 4 @ 40 b1 gtd 126={date}            -> new b1 [0/4]
            theo: buy 4 @ 40 b2 gtd 126=20200101-00:00:00 -> canceled b2 [0/0] {ioc}
            """
        )
        ends = floor.traders["maya"].heard[0].get(126) or ""
        assert ends.endswith(":59:59.999")
        moment = datetime.strptime(ends, "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC)
        exchange.advance_to(moment + timedelta(milliseconds=1))
        floor.play("maya: -> canceled a1 [0/0]")
        exchange.advance_to(tomorrow + timedelta(seconds=1))
        floor.play("theo: -> expired b1 [0/0]")


def test_pauses_and_the_close(exchange: RunningExchange) -> None:
    with Floor(exchange) as floor:
        floor.join("theo", t21011="Y", t21012="Y")
        floor.play(
            """
            maya: buy 4 @ 41 a1 21006=Y -> new a1 [0/4]
            maya: buy 4 @ 41 a2         -> new a2 [0/4]
            theo: buy 4 @ 40 b1         -> new b1 [0/4]
            """
        )
        exchange.operator.post("trading", "pause")
        floor.play(
            """
            maya:                              -> canceled a1 [0/0] TRADING_PAUSED
            maya: buy 4 @ 41 a3                -> rejected a3 2 TRADING_PAUSED
            maya: replace a2 by a4 buy 5 @ 41  -> refused a4 99 TRADING_PAUSED
            """
        )
        exchange.operator.post("trading", "resume")
        exchange.operator.post("exchange", "pause")
        floor.play(
            """
            maya: buy 4 @ 41 a5        -> rejected a5 2 EXCHANGE_PAUSED
            maya: cancel a2 by a6 buy  -> refused a6 99 EXCHANGE_PAUSED
            maya: cancel all as q1     -> mass q1 refused 99
            """
        )
        exchange.operator.post("exchange", "resume")
        exchange.operator.post("markets", floor.market, "pause")
        floor.play("maya: buy 4 @ 41 a7 -> rejected a7 2 MARKET_INACTIVE")
        exchange.operator.post("markets", floor.market, "resume")
        floor.play(
            """
            maya:                -> canceled a2 [0/0] MARKET_INACTIVE
            theo:                -> canceled b1 [0/0] MARKET_INACTIVE
            maya: buy 4 @ 41 a2b -> new a2b [0/4]
            theo: buy 4 @ 41 b2  -> new b2 [0/4]
            """
        )
        exchange.operator.post(
            "markets",
            floor.market,
            "close-time",
            body={"close_time": (exchange.now() + timedelta(seconds=1)).isoformat()},
        )
        exchange.advance(seconds=1)
        floor.play(
            """
            maya:                      -> canceled a2b [0/0] MARKET_ALREADY_CLOSED
            theo:                      -> expired b2 [0/0] MARKET_ALREADY_CLOSED
            maya: buy 4 @ 41 a8        -> rejected a8 2 MARKET_ALREADY_CLOSED
            """
        )
