"""One account and its sessions: listeners, drop copy, REST, lost connections, a restart."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from augury.client.stream import Received
from augury.gateways.fix import order_entry
from augury.gateways.fix.codec import Message
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogUnavailable, Record
from augury.testing import RunningExchange, running_exchange, wait_until
from tests.fix_desk import Floor, Trader, another_key, say


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


@pytest.fixture
def floor(exchange: RunningExchange) -> Iterator[Floor]:
    with Floor(exchange) as found:
        yield found


def ids_of(messages: list[Message]) -> list[str]:
    """ExecIDs of reports that are executions."""
    return [found for m in messages if m.type == "8" and (found := m.get(17) or "") != "-1;-1"]


def resend(trader: Trader, begin: str, end: str = "") -> list[str]:
    """Ask a drop copy; what is heard, the end included."""
    trader.client.send("U1", f"21001={begin}" + (f"|21002={end}" if end else ""))
    found = []
    while True:
        message = trader.hear()
        found.append(message)
        if message.type in ("U2", "U3", "3", "j"):
            return [told(one) for one in found]


def told(message: Message) -> str:
    if message.type == "U2":
        return f"complete {message.get(21003)}"
    if message.type == "U3":
        return f"no {message.get(21004)}"
    return say(message)


def test_a_listener_and_the_drop_copy_tell_the_whole_account(
    exchange: RunningExchange, floor: Floor
) -> None:
    maya = floor.member("maya")
    ear = floor.join(
        "ear", member=another_key(exchange, maya, "read"), t21011="Y", t20126="Y", t8013=None
    )
    floor.join("maya")
    floor.play(
        """
        maya: buy 10 @ 41 a1   -> pending a1 [0/10]; new a1 [0/10]
        ear:                   -> new a1 [0/10]
        maya: buy 0 @ 41 bad   -> pending bad [0/0]; rejected bad 13 INVALID_ORDER
        """
    )
    by_rest = maya.place(floor.market, "buy", "no", 3, 40, client_order_id="rest")
    floor.play(
        """
        ear:                         -> new rest [0/3]
        theo: sell 4 @ 40 b1         -> fill b1 4 @ 41 [4/0]
        maya:                        -> fill a1 4 @ 41 [4/6]
        ear:                         -> fill a1 4 @ 41 [4/6]
        maya: cancel rest by c1 sell -> pending cancel c1 was rest [0/3]
        ear:                         -> canceled c1 was rest [0/0]
        ear: |D|11=x|38=1|40=2|44=41|54=1|55={market} -> business 6 LISTENER_SESSION
        """
    )
    assert ear.heard[1].get(37) == by_rest["order_id"]
    assert ear.heard[1].get(54) == "2"
    assert ear.heard[1].get(44) == "60"
    session_ids = ids_of(floor.traders["maya"].heard)
    listener_ids = ids_of(ear.heard)
    assert set(session_ids) < set(listener_ids)
    assert listener_ids == sorted(
        listener_ids, key=lambda text: tuple(int(part) for part in text.split(";"))
    )

    copy = floor.join("copy", "KalshiDC", member=another_key(exchange, maya, "read"))
    everything = [
        "new a1 [0/10]",
        "new rest [0/3]",
        "fill a1 4 @ 41 [4/6]",
        "canceled c1 was rest [0/0]",
    ]
    assert resend(copy, listener_ids[0]) == [*everything, "complete 4"]
    assert ids_of(copy.heard) == listener_ids
    assert resend(copy, listener_ids[1], listener_ids[2]) == ["no 1"]
    wait_until(
        lambda: resend(copy, listener_ids[1], listener_ids[2]) == [*everything[1:3], "complete 2"],
        what="one request per second",
        pause=0.3,
    )
    later = f"{int(listener_ids[-1].split(';')[0]) + 100000};0"
    wait_until(lambda: resend(copy, listener_ids[0], later) == ["no 4"], pause=0.3)
    wait_until(lambda: resend(copy, "0;0") == ["no 3"], pause=0.3)
    wait_until(lambda: resend(copy, listener_ids[3], listener_ids[0]) == ["complete 0"], pause=0.3)
    assert resend(copy, "nonsense") == ["malformed 5 tag 21001"]
    exchange.advance(hours=3, minutes=1)
    wait_until(lambda: resend(copy, listener_ids[0]) == ["no 3"], pause=0.3)


def test_keys_that_may_not_trade(exchange: RunningExchange, floor: Floor) -> None:
    maya = floor.member("maya")
    floor.join("reader", member=another_key(exchange, maya, "read"), t21011="Y")
    floor.join("copy", "KalshiDC", member=another_key(exchange, maya, "read"))
    floor.join("post", "KalshiPT", member=another_key(exchange, maya, "read"))
    floor.play(
        """
        reader: buy 1 @ 41 a1                                -> business 6 NOT_AUTHORIZED
        reader: cancel all as q1                             -> business 6 NOT_AUTHORIZED
        copy: |D|11=x|38=1|40=2|44=41|54=1|55={market}       -> business 3 Unsupported message type
        post: |D|11=x|38=1|40=2|44=41|54=1|55={market}       -> business 3 Unsupported message type
        maya: |U1|21001=1;1                                  -> business 3 Unsupported message type
        """
    )


def test_rest_and_fix_change_each_others_orders(floor: Floor) -> None:
    maya = floor.member("maya")
    floor.play("maya: buy 10 @ 41 a1 -> new a1 [0/10]")
    order_id = floor.traders["maya"].heard[-1].get(37)
    shown = maya.get(f"/portfolio/orders/{order_id}")["order"]
    assert (shown["client_order_id"], shown["remaining_count"]) == ("a1", 10)
    maya.post(f"/portfolio/orders/{order_id}/decrease", {"reduce_by": 2})
    floor.play("maya: -> replaced a1 was a1 [0/8]")
    body = {
        "ticker": floor.market,
        "action": "buy",
        "side": "yes",
        "count": 6,
        "yes_price": 42,
        "client_order_id": "a1",
        "updated_client_order_id": "a2",
    }
    maya.post(f"/portfolio/orders/{order_id}/amend", body)
    floor.play("maya: -> replaced a2 was a1 [0/6]")
    maya.delete(f"/portfolio/orders/{order_id}")
    floor.play("maya: -> canceled a2 [0/0]")
    nameless = maya.place(floor.market, "buy", "yes", 3, 40)["order_id"]
    floor.play(f"maya: cancel {nameless} by c1 buy ->")
    assert maya.get(f"/portfolio/orders/{nameless}")["order"]["status"] == "canceled"
    maya.place(floor.market, "buy", "yes", 3, 40, client_order_id="r1")
    floor.play(
        """
        maya: replace r1 by r2 buy 5 @ 41 ->
        maya: buy 5 @ 41 r2               -> rejected r2 6 ORDER_ALREADY_EXISTS
        """
    )
    assert [
        row["client_order_id"] for row in maya.get("/portfolio/orders", status="resting")["orders"]
    ] == ["r2"]


def test_mass_cancel_takes_what_the_session_entered(
    exchange: RunningExchange, floor: Floor
) -> None:
    maya = floor.member("maya")
    floor.join("other", member=another_key(exchange, maya, "read", "write"), t21011="Y")
    maya.place(floor.market, "buy", "yes", 3, 30, client_order_id="rest")
    floor.play(
        """
        maya: buy 1 @ 41 a1                -> new a1 [0/1]
        maya: buy 1 @ 40 a2                -> new a2 [0/1]
        other: buy 1 @ 39 b1               -> new b1 [0/1]
        maya: |q|11=q0|530=7               -> mass q0 refused 0
        maya: cancel all as q1             -> mass q1 done; canceled a2 [0/0]; canceled a1 [0/0]
        maya: cancel all as q2             -> mass q2 done
        """
    )
    left = maya.get("/portfolio/orders", status="resting")["orders"]
    assert {row["client_order_id"] for row in left} == {"rest", "b1"}


def test_orders_end_with_the_connection_where_the_client_asked_for_it(
    exchange: RunningExchange, floor: Floor
) -> None:
    maya = floor.member("maya")
    ear = floor.join("ear", member=another_key(exchange, maya, "read"), t21011="Y", t20126="Y")
    stays = floor.join("stays", member=another_key(exchange, maya, "read", "write"), t21011="Y")
    for leave in ("pulls the cable", "logs out"):
        floor.join("maya", t21011="Y", t8013="Y")
        floor.play(
            """
            maya: buy 1 @ 41 a1  -> new a1 [0/1]
            maya: buy 1 @ 40 a2  -> new a2 [0/1]
            stays: buy 1 @ 39 b1 -> new b1 [0/1]
            ear:                 -> new a1 [0/1]; new a2 [0/1]; new b1 [0/1]
            """.replace("a1", f"a1-{leave[0]}")
            .replace("a2", f"a2-{leave[0]}")
            .replace("b1", f"b1-{leave[0]}")
        )
        order_id = floor.traders["maya"].heard[0].get(37)
        body = {"ticker": floor.market, "action": "buy", "side": "yes", "count": 2, "yes_price": 41}
        maya.post(f"/portfolio/orders/{order_id}/amend", body)
        gone = floor.traders.pop("maya")
        if leave == "logs out":
            gone.client.send("5")
            assert gone.client.next("5").get(58) is None
        gone.client.close()
        name = leave[0]
        assert [say(ear.hear()) for _ in range(3)] == [
            f"replaced a1-{name} was a1-{name} [0/2]",
            f"canceled a2-{name} [0/0]",
            f"canceled a1-{name} [0/0]",
        ]
    assert stays.quiet() == []


def test_a_lost_connection_in_a_pause_costs_its_orders_when_the_pause_ends(
    exchange: RunningExchange, floor: Floor
) -> None:
    maya = floor.member("maya")
    floor.join("maya", t21011="Y", t8013="Y")
    floor.play("maya: buy 1 @ 41 a1 -> new a1 [0/1]")
    exchange.operator.post("exchange", "pause")
    floor.traders.pop("maya").client.close()
    # The key is free again in the middle of the pause, and the order is still there.
    back = wait_until(lambda: log_on_again(floor))
    assert back is not None
    assert back.quiet() == []
    assert len(maya.get("/portfolio/orders", status="resting")["orders"]) == 1
    exchange.operator.post("exchange", "resume")
    assert say(back.hear()) == "canceled a1 [0/0]"


def test_a_connection_lost_while_the_disk_is_full_costs_its_orders_when_there_is_room(
    exchange: RunningExchange, floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    maya = floor.member("maya")
    floor.join("maya", t21011="Y", t8013="Y")
    floor.play("maya: buy 1 @ 41 a1 -> new a1 [0/1]")
    # As if the disk had been full for minutes.
    monkeypatch.setattr(order_entry, "RETRIES", 1)
    with monkeypatch.context() as disk:
        disk.setattr(SqliteLog, "append", no_room)
        floor.traders.pop("maya").client.close()
        assert wait_until(lambda: log_on_again(floor)) is not None
        assert len(maya.get("/portfolio/orders", status="resting")["orders"]) == 1
    wait_until(lambda: maya.get("/exchange/status")["trading_active"])
    # The first thing that the log takes again is an order of the new connection, which stays.
    floor.traders["maya"].do("buy 1 @ 42 a2")
    heard = {say(floor.traders["maya"].hear()) for _ in range(2)}
    assert heard == {"new a2 [0/1]", "canceled a1 [0/0]"}
    (left,) = maya.get("/portfolio/orders", status="resting")["orders"]
    assert left["client_order_id"] == "a2"


def no_room(log: SqliteLog, records: Sequence[Record]) -> None:
    raise LogUnavailable("no space left on device")


def log_on_again(floor: Floor) -> Trader | None:
    try:
        return floor.join("maya", t21011="Y")
    except AssertionError:
        return None


def test_a_stream_shows_what_fix_does(floor: Floor) -> None:
    table = """
        maya: buy 4 @ 41 a1  -> new a1 [0/4]
        theo: sell 4 @ 41 b1 -> fill b1 4 @ 41 [4/0]
        maya:                -> fill a1 4 @ 41 [4/0]
        """
    stream = floor.member("maya").stream()

    async def watch() -> list[tuple[str, str]]:
        shown: list[tuple[str, str]] = []
        answers = 0
        await stream.subscribe("fill", "user_orders")
        async with contextlib.aclosing(stream.events()) as events:
            async for event in events:
                if not isinstance(event, Received):
                    continue
                if event.type == "subscribed":
                    answers += 1
                    if answers == 2:
                        await asyncio.to_thread(floor.play, table)
                elif event.type in ("fill", "user_order"):
                    shown.append((event.type, event.msg["client_order_id"]))
                    if len(shown) == 3:
                        break
        return shown

    shown = asyncio.run(asyncio.wait_for(watch(), 30))
    assert sorted(shown) == [("fill", "a1"), ("user_order", "a1"), ("user_order", "a1")]


def test_fix_and_rest_share_one_budget() -> None:
    with (
        running_exchange(fix=True, fix_plain=True, rate_limits=True) as exchange,
        Floor(exchange) as floor,
    ):
        floor.members["maya"] = maya = exchange.add_member(tier="basic")
        trader = floor.join("maya", t21011="Y")
        limit = 10
        for number in range(2 * limit):
            trader.do(f"buy 1 @ 41 a{number}")
        answers = [trader.hear() for _ in range(2 * limit)]
        refused = [say(answer) for answer in answers if answer.type == "j"]
        assert refused.count("business 8 RATE_LIMIT_EXCEEDED") == len(refused) >= 1
        body = {"ticker": floor.market, "action": "buy", "side": "yes", "count": 1, "yes_price": 9}
        assert maya.request("POST", "/portfolio/orders", body).status_code == 429
        # Session messages are not counted.
        for _ in range(2 * limit):
            trader.client.send("1", "112=there?")
            assert trader.client.next("0").get(112) == "there?"


def test_a_restart_in_the_middle(tmp_path: Path) -> None:
    """The server is killed. Orders with 8013 are canceled by the next start, the others live on;
    what happened meanwhile is there for those whose sessions keep messages, exactly once."""
    settings = {"fix": True, "fix_plain": True, "forked": True, "data": tmp_path}
    with running_exchange(**settings, clock="real") as exchange, Floor(exchange) as floor:  # type: ignore[arg-type]
        theo = floor.member("theo")
        maya = floor.join("maya", "KalshiRT", t21011="Y")
        floor.join("doomed", "KalshiNR", t21011="Y", t8013="Y")
        ear = another_key(exchange, floor.member("doomed"), "read")
        copy_key = another_key(exchange, floor.member("maya"), "read")
        floor.play(
            """
            maya: buy 10 @ 41 a1   -> new a1 [0/10]
            doomed: buy 5 @ 40 d1  -> new d1 [0/5]
            """
        )
        first_id = maya.heard[-1].get(17) or ""
        maya.client.close()
        theo.place(floor.market, "sell", "yes", 4, 41)
        exchange.kill()
        del floor.traders["doomed"]
        exchange.restart()
        wait_until(
            lambda: (
                floor.member("doomed").get("/portfolio/orders", status="resting")["orders"] == []
            ),
            what="orders of a session with cancel on disconnect outlive the server",
        )
        theo.place(floor.market, "sell", "yes", 1, 41)
        maya = floor.rejoin("maya", t21011="Y")
        # Logon, New and Quiet were 1 to 3; the fills and this Logon follow.
        maya.client.send("2", "7=4|16=0")
        again = [maya.hear("8") for _ in range(2)]
        assert [say(message) for message in again] == [
            "fill a1 4 @ 41 [4/6]",
            "fill a1 1 @ 41 [5/5]",
        ]
        assert [message.get(43) for message in again] == ["Y", "Y"]
        copy = floor.join("copy", "KalshiDC", member=copy_key)
        assert resend(copy, first_id) == [
            "new a1 [0/10]",
            "fill a1 4 @ 41 [4/6]",
            "fill a1 1 @ 41 [5/5]",
            "complete 3",
        ]
        assert ids_of(copy.heard)[1:] == ids_of(again)
        dooms = floor.join("dooms copy", "KalshiDC", member=ear)
        canceled = resend(dooms, first_id)
        assert canceled == ["new d1 [0/5]", "canceled d1 [0/0]", "complete 2"]
        # Whose order it is has survived, too.
        floor.play("maya: cancel all as q1 -> mass q1 done; canceled a1 [5/0]")
        exchange.stop()
        exchange.restart()
        maya = floor.rejoin("maya", t21011="Y")
        assert maya.quiet() == []


def test_a_long_drop_copy_comes_whole(exchange: RunningExchange, floor: Floor) -> None:
    """More than the store reads, and more than one cancel of many takes, at once."""
    orders = 600
    maya = floor.join("maya", t21011="Y")
    for number in range(orders):
        maya.do(f"buy 1 @ {1 + number % 40} a{number}")
    news = [maya.hear() for _ in range(orders)]
    maya.do("cancel all as q1")
    assert say(maya.hear()) == "mass q1 done"
    cancels = [maya.hear() for _ in range(orders)]
    copy = floor.join(
        "copy", "KalshiDC", member=another_key(exchange, floor.member("maya"), "read")
    )
    heard = resend(copy, news[0].get(17) or "")
    assert heard[-1] == f"complete {2 * orders}"
    assert ids_of(copy.heard) == ids_of(news + cancels)
