"""A FIX engine that somebody else wrote (jspurefix) trades, over TLS, with our dictionary."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from augury.testing import Member, RunningExchange, running_exchange, wait_until
from tests.node_programs import Program, node, running

pytestmark = pytest.mark.external

Fields = dict[str, Any]


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True) as found:
        yield found


class Engine:
    """The program, with what it says sorted out."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.wire: list[str] = []

    def send(self, msg_type: str, **fields: Any) -> None:
        self._program.send(json.dumps({"send": msg_type, "fields": fields}))

    def command(self, name: str) -> None:
        self._program.send(json.dumps({name: True}))

    def _next(self) -> Fields:
        found: Fields = json.loads(self._program.line())
        if "wire" in found:
            self.wire.append(found["wire"])
        return found

    def event(self) -> Fields:
        while True:
            found = self._next()
            if "event" in found:
                return found

    def finish(self) -> None:
        """Until the program has written down where its session stands."""
        while self.event()["event"] != "finished":
            pass

    def report(self) -> Fields:
        """The next application message, as the engine decoded it with the dictionary."""
        while True:
            found = self._next()
            if "fields" in found:
                return {"MsgType": found["type"], **found["fields"]}
            assert "event" not in found, found


@contextmanager
def engine(
    exchange: RunningExchange,
    member: Member,
    directory: Path,
    target: str,
    *,
    store: bool = False,
    **logon: Any,
) -> Iterator[Engine]:
    """Logged on, and ready."""
    dictionary, key = directory / "dictionary.xml", directory / "key.pem"
    dictionary.write_bytes(exchange.http.get("/fix-dictionary.xml").content)
    key.write_text(member.private_key_pem)
    environment = {
        "AUGURY_FIX_PORT": str(exchange.fix_ports[target]),
        "AUGURY_FIX_TARGET": target,
        "AUGURY_FIX_DICTIONARY": str(dictionary),
        "AUGURY_FIX_CA": str(exchange.settings.data / "tls" / "ca.pem"),
        "AUGURY_FIX_LOGON": json.dumps(logon),
        "AUGURY_FIX_STORE": str(directory / "store") if store else "",
        "AUGURY_KEY_ID": member.api_key_id,
        "AUGURY_KEY_FILE": str(key),
    }
    with running(node(), "fix_client.mjs", environment=environment) as program:
        client = Engine(program)
        assert client.event() == {"event": "ready"}, client.wire
        yield client


def order(ticker: str, client_order_id: str, **changed: Any) -> Fields:
    fields = {"ClOrdID": client_order_id, "OrderQty": 10, "OrdType": "2", "Price": 41}
    return {**fields, "Side": "1", "Symbol": ticker, "TimeInForce": "1", **changed}


def in_short(report: Fields) -> tuple[Any, ...]:
    """ExecType, OrdStatus, ClOrdID, CumQty and LeavesQty."""
    names = ("ExecType", "OrdStatus", "ClOrdID", "CumQty", "LeavesQty")
    return tuple(report.get(name) for name in names)


def test_the_whole_life_of_orders(exchange: RunningExchange, tmp_path: Path) -> None:
    trader, other = exchange.add_member(), exchange.add_member()
    ticker = exchange.list_market()
    with engine(exchange, trader, tmp_path, "KalshiNR", CancelOrdersOnDisconnect=True) as client:
        client.send("D", **order(ticker, "first"))
        assert in_short(client.report()) == ("A", "A", "first", 0, 10)
        placed = client.report()
        assert in_short(placed) == ("0", "0", "first", 0, 10)
        # What came by FIX is there by REST, under the same id.
        seen = trader.get(f"/portfolio/orders/{placed['OrderID']}")["order"]
        assert (seen["client_order_id"], seen["yes_price"]) == ("first", 41)

        changed = order(ticker, "second", OrigClOrdID="first", Price=45, OrderQty=8)
        del changed["TimeInForce"]
        client.send("G", **changed)
        assert client.report()["ExecType"] == "E"
        replaced = client.report()
        assert in_short(replaced) == ("5", "0", "second", 0, 8)
        assert replaced["OrigClOrdID"] == "first"

        other.place(ticker, "buy", "no", 3, 55)
        traded = client.report()
        assert in_short(traded) == ("F", "1", "second", 3, 5)
        assert (traded["LastPx"], traded["LastQty"], traded["LongQty"]) == (45, 3, 3)
        assert traded["NoMiscFees"][0]["MiscFeeCurr"] == "USD"
        assert traded["NoCollateralAmountChanges"][0]["CollateralAmountType"] == "BALANCE"

        client.send("F", ClOrdID="third", OrigClOrdID="second", Side="1", Symbol=ticker, OrderQty=8)
        assert client.report()["ExecType"] == "6"
        assert in_short(client.report()) == ("4", "4", "third", 3, 0)

        client.send("D", **order(ticker, "refused", Symbol="NOSUCHMARKET"))
        assert client.report()["ExecType"] == "A"
        refused = client.report()
        assert (refused["ExecType"], refused["Text"]) == ("8", "MARKET_NOT_FOUND")

        client.send("F", ClOrdID="late", OrigClOrdID="second", Side="1", Symbol=ticker)
        assert client.report()["MsgType"] == "9"

        client.send("D", **order(ticker, "resting"))
        assert [client.report()["ExecType"] for _ in range(2)] == ["A", "0"]
        client.command("logout")
        assert client.event() == {"event": "stopped", "error": None}
    # Cancel on disconnect holds after a clean Logout, too.
    wait_until(lambda: not trader.get("/portfolio/orders", status="resting")["orders"])


def test_what_happened_while_the_client_was_away_is_sent_again(
    exchange: RunningExchange, tmp_path: Path
) -> None:
    trader, other = exchange.add_member(), exchange.add_member()
    ticker = exchange.list_market()
    with engine(exchange, trader, tmp_path, "KalshiRT", store=True) as client:
        client.send("D", **order(ticker, "kept"))
        assert [client.report()["ExecType"] for _ in range(2)] == ["A", "0"]
        client.command("drop")
        assert client.event()["event"] == "stopped"
        client.finish()
    other.place(ticker, "buy", "no", 4, 59)
    other.place(ticker, "buy", "no", 6, 59)
    with engine(exchange, trader, tmp_path, "KalshiRT", store=True) as client:
        missed = [client.report() for _ in range(2)]
        assert [in_short(report) for report in missed] == [
            ("F", "1", "kept", 4, 6),
            ("F", "2", "kept", 10, 0),
        ]
        assert all(report["StandardHeader"]["PossDupFlag"] for report in missed)
        # From here on numbers are in step again.
        client.send("D", **order(ticker, "next"))
        assert [client.report()["ExecType"] for _ in range(2)] == ["A", "0"]
        client.command("logout")
        assert client.event() == {"event": "stopped", "error": None}


def test_a_maker_answers_a_request_for_a_quote(exchange: RunningExchange, tmp_path: Path) -> None:
    maker, requester = exchange.add_member(), exchange.add_member()
    ticker = exchange.list_market()
    with engine(exchange, maker, tmp_path, "KalshiRFQ", ResetSeqNumFlag=True) as client:
        body = {"market_ticker": ticker, "contracts": 20, "rest_remainder": False}
        rfq = requester.post("/communications/rfqs", body)["id"]
        asked = client.report()
        assert asked["MsgType"] == "R"
        assert asked["QuoteReqID"] == rfq
        assert asked["NoRelatedSym"][0]["Symbol"] == ticker
        client.send(
            "S",
            QuoteID="11111111-2222-4333-8444-555555555555",
            QuoteReqID=rfq,
            Symbol=ticker,
            BidPx=40,
            OfferPx=57,
        )
        pending = client.report()
        assert (pending["MsgType"], pending["QuoteStatus"]) == ("AI", 10)
        client.command("logout")
        assert client.event() == {"event": "stopped", "error": None}
