"""FIX connections of a running exchange: who gets in, who does not, and what happens to others."""

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from augury.app.tls import own_certificate
from augury.gateways.fix import connection
from augury.gateways.fix.codec import Message, frame, timestamp
from augury.testing import Member, RunningExchange, Stopped, running_exchange, wait_until
from tests.fix_harness import FixClient, connect, logon_fields, private_key

ORDER = "11={}|38=10|40=2|44=41|54=1|55={}"


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True, fix_sending_time_tolerance=30) as found:
        yield found


@pytest.fixture
def member(exchange: RunningExchange) -> Member:
    return exchange.add_member()


@pytest.mark.parametrize(
    "target, changed, text",
    [
        ("KalshiNR", {"t141": "N"}, "RESET_SEQ_NUM_REQUIRED"),
        ("KalshiDC", {"t141": None}, "RESET_SEQ_NUM_REQUIRED"),
        ("KalshiNR", {"t108": "3"}, "HeartBtInt out of range"),
        ("KalshiNR", {"t108": None}, "Required tag missing (108)"),
        ("KalshiNR", {"t98": "1"}, "Value is incorrect for this tag (98)"),
        ("KalshiNR", {"t1137": "8"}, "DefaultApplVerID must be 9"),
        ("KalshiNR", {"t96": "c2lnbmF0dXJl"}, "INVALID_SIGNATURE"),
        ("KalshiNR", {"t96": None}, "INVALID_SIGNATURE"),
        ("KalshiNR", {"t95": "7"}, "RawDataLength is not the length of RawData"),
        ("KalshiRT", {"t20200": "73"}, "MessageRetentionPeriod out of range"),
        ("KalshiNR", {"t20126": "Y"}, "LISTENER_REQUIRES_SKIP_PENDING"),
        ("KalshiRFQ", {"t20126": "Y", "t21011": "Y"}, "LISTENER_NOT_SUPPORTED"),
        (
            "KalshiRT",
            {"t20126": "Y", "t21011": "Y", "t8013": "Y"},
            "LISTENER_CANNOT_CANCEL_ON_DISCONNECT",
        ),
    ],
)
def test_a_logon_that_breaks_a_rule_is_answered_with_its_reason(
    exchange: RunningExchange,
    member: Member,
    target: str,
    changed: dict[str, str | None],
    text: str,
) -> None:
    with connect(exchange, member, target) as client:
        answer = client.log_on(**changed)
        assert (answer.type, answer.get(58)) == ("5", text)
        assert (answer.get(49), answer.get(56)) == (target, member.api_key_id)
        assert client.is_closed()
    # It has left nothing behind that would keep the key from logging on.
    with connect(exchange, member, target) as client:
        assert client.log_on().type == "A"


@pytest.mark.parametrize(
    "name, target, sender, seconds, text",
    [
        (
            "an unknown key",
            "KalshiNR",
            "7a1f8a8e-59a0-4c49-8a2f-1d5a0d1f9b11",
            0,
            "INVALID_API_KEY",
        ),
        ("another port", "KalshiRT", "", 0, "TargetCompID does not match port"),
        ("no such target", "KalshiMD", "", 0, "unknown TargetCompID"),
        ("a slow clock", "KalshiNR", "", -31, "SENDING_TIME_ACCURACY"),
        ("a fast clock", "KalshiNR", "", 40, "SENDING_TIME_ACCURACY"),
    ],
)
def test_who_and_when_is_checked_before_anything_else(
    exchange: RunningExchange,
    member: Member,
    name: str,
    target: str,
    sender: str,
    seconds: int,
    text: str,
) -> None:
    key = private_key(member.private_key_pem)
    sender = sender or member.api_key_id
    with FixClient(exchange.fix_ports["KalshiNR"], target, sender, key) as client:
        moment = timestamp(time.time_ns() + seconds * 1_000_000_000)
        body = logon_fields(key, moment, 1, sender, target)
        client.send_bytes(frame("A", 1, sender, target, moment, body))
        answer = client.next()
        assert (answer.type, answer.get(58)) == ("5", text), name
        assert client.is_closed()


def test_microseconds_are_signed_as_they_are_written(
    exchange: RunningExchange, member: Member
) -> None:
    key, target = private_key(member.private_key_pem), "KalshiNR"
    with connect(exchange, member) as client:
        moment = timestamp(time.time_ns()) + "123"
        body = logon_fields(key, moment, 1, member.api_key_id, target)
        client.send_bytes(frame("A", 1, member.api_key_id, target, moment, body))
        assert client.next().type == "A"


def test_whoever_does_not_log_on_first_is_cut_off(
    exchange: RunningExchange, member: Member
) -> None:
    with connect(exchange, member) as client:
        client.send("0")
        assert client.is_closed()
        assert client.received == []
    with connect(exchange, member) as client:
        client.send_bytes(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 10_000)
        assert client.is_closed()


def test_a_key_has_one_connection_of_any_kind(exchange: RunningExchange, member: Member) -> None:
    with connect(exchange, member, "KalshiNR") as first:
        assert first.log_on().type == "A"
        with connect(exchange, member, "KalshiRT") as second:
            assert second.log_on().get(58) == "already exists"
            assert second.is_closed()
        first.send("1", "112=still there")
        assert first.next().get(112) == "still there"
    with connect(exchange, member, "KalshiRT") as third:
        assert third.log_on().type == "A"


def test_a_key_for_reading_listens_but_gives_no_orders(
    exchange: RunningExchange,
) -> None:
    reader = exchange.add_member(scopes=("read",))
    ticker = exchange.list_market()
    with connect(exchange, reader) as client:
        assert client.log_on().type == "A"
        client.send("D", ORDER.format("a", ticker))
        refused = client.next()
        assert (refused.type, refused.get(380)) == ("j", "6")
    with connect(exchange, reader) as client:
        assert client.log_on(t20126="Y", t21011="Y").type == "A"
        client.send("D", ORDER.format("a", ticker))
        refused = client.next()
        assert (refused.type, refused.get(380), refused.get(58)) == ("j", "6", "LISTENER_SESSION")


def test_a_key_that_is_removed_loses_its_session(exchange: RunningExchange) -> None:
    member = exchange.add_member()
    with connect(exchange, member) as client:
        assert client.log_on().type == "A"
        member.request("DELETE", f"/api_keys/{member.api_key_id}").raise_for_status()
        assert client.next("5").get(58) == "the API key was removed"
        assert client.is_closed()


def test_orders_count_against_the_same_limit_as_those_of_rest() -> None:
    with running_exchange(fix=True, fix_plain=True, rate_limits=True) as exchange:
        member = exchange.add_member(tier="basic")
        ticker = exchange.list_market()
        with connect(exchange, member) as client:
            assert client.log_on(t21011="Y").type == "A"
            for number in range(30):
                client.send("D", ORDER.format(number, ticker))
            answers = [client.next("8", "j") for _ in range(30)]
            limited = [answer for answer in answers if answer.type == "j"]
            assert limited
            assert {(a.get(380), a.get(58)) for a in limited} == {("8", "RATE_LIMIT_EXCEEDED")}
            placed = [answer for answer in answers if answer.type == "8"]
            assert len(placed) >= 10
            # Session messages cost nothing.
            client.send("1", "112=free")
            assert client.next("0").get(112) == "free"
            assert len(placed) == len(member.get("/portfolio/orders", limit=100)["orders"])


def test_a_slow_reader_is_closed_alone(exchange: RunningExchange) -> None:
    slow, other = exchange.add_member(), exchange.add_member()
    with connect(exchange, slow) as lazy, connect(exchange, other) as quick:
        assert lazy.log_on().type == "A"
        assert quick.log_on().type == "A"
        text = "x" * 4000
        probes = b"".join(_probe(lazy, text) for _ in range(5_000))
        lazy.socket.settimeout(20)
        with pytest.raises(OSError, match=r"reset|pipe|Connection"):
            lazy.send_bytes(probes * 20)
        quick.send("1", "112=fine")
        assert quick.next("0").get(112) == "fine"


def test_a_reader_who_stops_before_the_last_words_does_not_keep_its_key(
    exchange: RunningExchange, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LAST_WORDS_SECONDS", 0.5)
    with connect(exchange, member) as lazy:
        assert lazy.log_on().type == "A"
        # More than two operating systems buffer, and less than a slow reader may leave.
        lazy.send_bytes(b"".join(_probe(lazy, "x" * 4000) for _ in range(1_800)))
        lazy.send("5")

        def is_back() -> bool:
            with connect(exchange, member) as again:
                return again.log_on().type == "A"

        wait_until(is_back)


def _probe(client: FixClient, text: str) -> bytes:
    number = client.next_out
    client.next_out += 1
    now = timestamp(time.time_ns())
    return frame("1", number, client.sender, client.target, now, f"112={text}\x01")


def test_a_replay_and_what_happens_meanwhile_do_not_mix(
    exchange: RunningExchange, member: Member
) -> None:
    ticker = exchange.list_market()
    with connect(exchange, member, "KalshiRT") as client:
        assert client.log_on(t21011="Y").type == "A"
        for round_number in range(3):
            for number in range(10):
                client.send("D", ORDER.format(f"{round_number}-{number}", ticker))
            client.send("2", "7=1|16=0")
        while len({m.get(37) for m in client.received if m.type == "8"}) < 30:
            client.next()
        client.send("1", "112=end")
        while client.next().get(112) != "end":
            pass
        fresh = [m.sequence for m in client.received if not m.is_possible_duplicate]
        again = [m for m in client.received if m.is_possible_duplicate]
    # New messages come in their order, and none of them twice; what is sent again says so.
    assert fresh == sorted(set(fresh))
    reports = {m.sequence: m.get(37) for m in client.received if m.type == "8"}
    assert len(set(reports.values())) == len(reports) == 30
    for message in again:
        assert message.get(122) is not None
        if message.type == "8":
            assert message.get(37) == reports[message.sequence]
    numbers = set(fresh)
    for message in again:
        end = int(message.get(36) or 0) or message.sequence + 1
        numbers.update(range(message.sequence, end))
    assert numbers == set(range(1, max(numbers) + 1))


def test_no_report_is_lost_between_a_replay_and_the_disk(
    exchange: RunningExchange, member: Member
) -> None:
    ticker = exchange.list_market()
    with connect(exchange, member, "KalshiRT") as client:
        assert client.log_on().type == "A"
        for number in range(150):
            client.send("D", ORDER.format(number, ticker))
            if number % 3 == 0:
                # Some reports are on their way to the disk by now, others wait for it.
                client.next()
                client.send("2", "7=2|16=0")
        wait_until(lambda: len(member.get("/portfolio/orders", limit=200)["orders"]) == 150)
        client.send("1", "112=end")
        while client.next().get(112) != "end":
            pass
        heard = [m.get(11) for m in taken(client.received) if m.get(150) == "0"]
    assert heard == [str(number) for number in range(150)]


def taken(messages: list[Message]) -> list[Message]:
    """What an engine makes of messages: each number once, in order, and no gap among them."""
    found, expected = [], 1
    for message in messages:
        if message.sequence < expected:
            assert message.is_possible_duplicate, message
            continue
        assert message.sequence == expected, message
        expected = int(message.get(36) or 0) or expected + 1
        found.append(message)
    return found


def test_a_session_that_may_keep_its_orders_keeps_them(exchange: RunningExchange) -> None:
    member = exchange.add_member()
    ticker = exchange.list_market()
    for name, wish, left in (("a", "N", 1), ("b", "Y", 0), ("c", None, 1)):
        with connect(exchange, member) as client:
            assert client.log_on(t8013=wish).type == "A"
            client.send("D", ORDER.format(name, ticker))
            while client.next("8").get(150) != "0":
                pass
        # The next Logon of the key waits for what the last connection leaves behind.
        with connect(exchange, member, "KalshiPT") as witness:
            assert witness.log_on().type == "A"
        rows = member.get("/portfolio/orders", status="resting")["orders"]
        assert len(rows) == left
        for row in rows:
            member.delete(f"/portfolio/orders/{row['order_id']}")


def test_orders_on_their_way_when_the_connection_breaks_are_canceled_too(
    exchange: RunningExchange, member: Member
) -> None:
    ticker = exchange.list_market()
    with connect(exchange, member) as client:
        assert client.log_on(t8013="Y").type == "A"
        for number in range(40):
            client.send("D", ORDER.format(number, ticker))
        client.send("1", "112=all taken in")
        assert client.next("0").get(112) == "all taken in"
    with connect(exchange, member) as client:
        assert client.log_on().type == "A"
    rows = member.get("/portfolio/orders", ticker=ticker, limit=100)["orders"]
    assert {row["status"] for row in rows} == {"canceled"}
    assert len(rows) == 40


def test_tls_is_what_is_spoken_unless_asked_otherwise() -> None:
    with running_exchange(fix=True) as exchange:
        member = exchange.add_member()
        with connect(exchange, member) as client:
            assert isinstance(client.socket, ssl.SSLSocket)
            assert client.socket.version() in ("TLSv1.2", "TLSv1.3")
            assert client.log_on().type == "A"
        key = private_key(member.private_key_pem)
        port = exchange.fix_ports["KalshiNR"]
        plain = FixClient(port, "KalshiNR", member.api_key_id, key)
        with plain, pytest.raises(ConnectionError):
            plain.log_on()
        status = exchange.operator.get("status")
        assert list(status["fix_ports"]) == [
            *("KalshiNR", "KalshiDC", "KalshiRT", "KalshiPT", "KalshiRFQ")
        ]
        assert Path(status["fix_certificate"]) == exchange.settings.data.absolute() / "tls/ca.pem"


def test_a_certificate_of_ones_own_and_the_later_sender(tmp_path: Path) -> None:
    given = own_certificate(tmp_path / "given", ["127.0.0.1"])
    options: dict[str, Any] = {
        "fix_certificate": given.chain,
        "fix_key": given.key,
        "fix_sender": "Kalshi",
    }
    with running_exchange(fix=True, **options) as exchange:
        member = exchange.add_member()
        assert exchange.operator.get("status")["fix_certificate"] == str(given.chain)
        key, port = private_key(member.private_key_pem), exchange.fix_ports["KalshiNR"]
        client = FixClient(port, "KalshiNR", member.api_key_id, key, authority=given.authority)
        with client:
            answer = client.log_on()
            assert (answer.type, answer.get(49)) == ("A", "Kalshi")
            assert answer.get(56) == member.api_key_id


def test_ports_that_were_asked_for_and_are_taken_stop_the_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        exchange = running_exchange(fix=True, fix_port=taken.getsockname()[1] - 2)
        with pytest.raises(Stopped, match="FIX: cannot listen"), exchange:
            pass


def test_everybody_is_told_when_the_exchange_stops() -> None:
    with running_exchange(fix=True, fix_plain=True) as exchange:
        client = connect(exchange, exchange.add_member())
        assert client.log_on().type == "A"
    with client:
        assert client.next("5").get(58) == "the exchange is stopping"
        assert client.is_closed()


def test_maintenance_ends_sessions_and_only_kalshi_rt_keeps_its_numbers() -> None:
    with running_exchange(fix=True, fix_plain=True) as exchange:
        member = exchange.add_member()
        ticker = exchange.list_market()
        for target in ("KalshiRT", "KalshiRFQ"):
            with connect(exchange, member, target) as client:
                assert client.log_on().type == "A"
                client.send("1", "112=x")
                assert client.next("0").sequence == 2
        client = connect(exchange, member, "KalshiRT", first_number=3)
        assert client.log_on(t141="N").sequence == 3
        client.send("D", ORDER.format("a", ticker))
        assert client.next("8").get(150) == "A"
        exchange.operator.put(
            "maintenance",
            body={
                "windows": [
                    {
                        "start_datetime": _later(exchange, minutes=5),
                        "end_datetime": _later(exchange, minutes=10),
                    }
                ]
            },
        )
        exchange.advance(minutes=6)
        assert client.next("5").get(58) == "MAINTENANCE"
        client.close()
        with connect(exchange, member, "KalshiRT", first_number=client.next_out) as back:
            assert back.log_on(t141="N").sequence > 3
        with connect(exchange, member, "KalshiRFQ") as fresh:
            assert fresh.log_on(t141="N").sequence == 1


def _later(exchange: RunningExchange, **span: int) -> str:
    return (exchange.now() + timedelta(**span)).isoformat()
