"""FIX and a server that is killed: what clients were promised is there afterwards."""

import random
from collections.abc import Iterator

import pytest

from augury.gateways.fix.codec import Message
from augury.testing import RunningExchange, running_exchange, wait_until
from tests.fix_harness import FixClient, connect

pytestmark = pytest.mark.serial

ORDER = "11={}|38=10|40=2|44=41|54=1|55={}"
CONTENT = (11, 14, 17, 31, 32, 37, 38, 39, 44, 54, 55, 60, 150, 151, 704, 705, 880, 1704)


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(forked=True, fix=True, fix_plain=True) as found:
        yield found


def content(message: Message) -> tuple[str | None, ...]:
    return (message.type, *(message.get(tag) for tag in CONTENT))


def get_in_step(client: FixClient) -> None:
    """What the killed server had not taken in is asked for, and sent again."""
    client.send("1", "112=in step")
    answer = client.next("0", "2")
    if answer.type == "2":
        client.resend(int(answer.get(7) or 0))
        client.send("1", "112=in step")
        answer = client.next("0")
    assert answer.get(112) == "in step"


def until_quiet(client: FixClient) -> list[Message]:
    """Everything up to the answer to a TestRequest."""
    client.send("1", "112=quiet")
    found: list[Message] = []
    while True:
        message = client.next()
        if message.type == "0" and message.get(112) == "quiet":
            return found
        found.append(message)


def test_what_was_sent_before_a_kill_is_sent_again_the_same(
    exchange: RunningExchange, seed: int
) -> None:
    choose = random.Random(seed)
    trader, other = exchange.add_member(), exchange.add_member()
    ticker = exchange.list_market()
    seen: dict[int, tuple[str | None, ...]] = {}
    number, placed = 1, 0
    sent: dict[int, tuple[str, str, str]] = {}
    for round_number in range(3):
        with connect(exchange, trader, "KalshiRT", first_number=number) as client:
            client.sent = sent
            answer = client.log_on(t141="Y" if round_number == 0 else "N")
            assert answer.type == "A", answer
            get_in_step(client)
            for _ in range(choose.randrange(5, 15)):
                client.send("D", ORDER.format(f"order-{placed}", ticker))
                placed += 1
            other.place(ticker, "buy", "no", 3, 59)
            for _ in range(choose.randrange(1, 12)):
                message = client.next("8")
                assert seen.setdefault(message.sequence, content(message)) == content(message)
            exchange.kill()
            number = client.next_out
            # What had left by then counts as well.
            for message in client.received:
                if message.type == "8":
                    seen[message.sequence] = content(message)
        exchange.restart()
    with connect(exchange, trader, "KalshiRT", first_number=number) as client:
        client.sent = sent
        assert client.log_on(t141="N").type == "A"
        get_in_step(client)
        until_quiet(client)
        client.send("2", "7=1|16=0")
        again = {m.sequence: content(m) for m in until_quiet(client) if m.type == "8"}
    assert {sequence: again.get(sequence) for sequence in seen} == seen
    # Each order is there once, whatever the kills made of its message.
    orders = trader.get("/portfolio/orders", ticker=ticker, limit=1000)["orders"]
    assert sorted(order["client_order_id"] for order in orders) == sorted(
        f"order-{number}" for number in range(placed)
    )
    # Each execution was reported once, over all kills: those of the exchange and nothing else.
    trades = [row for row in again.values() if row[CONTENT.index(150) + 1] == "F"]
    fills = trader.get("/portfolio/fills", limit=1000)["fills"]
    assert sorted(str(row[CONTENT.index(880) + 1]) for row in trades) == sorted(
        fill["trade_id"] for fill in fills
    )
    executions = [row[CONTENT.index(17) + 1] for row in again.values()]
    real = [execution for execution in executions if execution != "-1;-1"]
    assert len(real) == len(set(real))


def test_orders_of_a_session_with_cancel_on_disconnect_do_not_outlive_a_kill(
    exchange: RunningExchange,
) -> None:
    careful, bold = exchange.add_member(), exchange.add_member()
    ticker = exchange.list_market()
    with connect(exchange, careful) as first, connect(exchange, bold) as second:
        assert first.log_on(t8013="Y").type == "A"
        assert second.log_on().type == "A"
        for client in (first, second):
            client.send("D", ORDER.format("a", ticker))
            assert [client.next("8").get(150) for _ in range(2)] == ["A", "0"]
        by_rest = careful.place(ticker, "buy", "yes", 1, 5)["order_id"]
        exchange.kill()
    exchange.restart()

    def resting() -> list[str]:
        rows = careful.get("/portfolio/orders", status="resting")["orders"]
        return [row["order_id"] for row in rows]

    wait_until(lambda: resting() == [by_rest])
    assert len(bold.get("/portfolio/orders", status="resting")["orders"]) == 1
    # The key is free again.
    with connect(exchange, careful) as client:
        assert client.log_on().type == "A"
