"""The command protocol and the filters of every channel, asked of the real server line by line.

The tables are those of websocket.md, sections 2 and 3. Two members trade; a third connection hears
what everybody hears. Costs about ten seconds.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from augury.client.signing import Signer
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.errors import TEXTS
from augury.testing import RunningExchange, running_exchange
from tests.ws_harness import RAIN, SNOW, serve, weather_gate
from tests.ws_schemas import check_shape

PATH = "/trade-api/ws/v2"

PRIVATE = {
    "orderbook_delta",
    "fill",
    "market_positions",
    "communications",
    "order_group_updates",
    "user_orders",
}
CHANGES = ("add_markets", "delete_markets")
ACTIONS = {
    "orderbook_delta": (*CHANGES, "get_snapshot"),
    "ticker": (*CHANGES, "get_snapshot"),
    "ticker_v2": (*CHANGES, "get_snapshot"),
    "trade": CHANGES,
    "fill": CHANGES,
    "market_positions": CHANGES,
    "user_orders": CHANGES,
    "market_lifecycle_v2": (),
    "multivariate": (),
    "multivariate_market_lifecycle": (),
    "communications": (),
    "order_group_updates": (),
}
SEQUENCED = {"orderbook_delta", "order_group_updates"}
FILTERED = [channel for channel, actions in ACTIONS.items() if actions]


class Line:
    """One connection. ``ask`` returns everything that a command brings, its replies first."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seq: dict[int, int] = {}
        self._last_id = 0
        self._early: list[dict[str, Any]] = []

    def read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=10))
        check_shape(message)
        if "seq" in message:
            sid = message["sid"]
            assert message["seq"] == self.seq.get(sid, 0) + 1, message
            self.seq[sid] = message["seq"]
        return message

    def heard(self) -> list[dict[str, Any]]:
        """What has been sent before now. Commands are answered in order, so this one is last."""
        self._last_id += 1
        self.socket.send(json.dumps({"id": self._last_id, "cmd": "list_subscriptions"}))
        found, self._early = self._early, []
        while True:
            message = self.read()
            if message.get("id") == self._last_id and "subscriptions" in message:
                return found
            found.append(message)

    def ask(self, cmd: str, **params: Any) -> list[dict[str, Any]]:
        self._last_id += 1
        self.socket.send(json.dumps({"id": self._last_id, "cmd": cmd, "params": params}))
        return self.heard()

    def code(self, cmd: str, **params: Any) -> int:
        """The error that answers a command."""
        (reply,) = self.ask(cmd, **params)
        assert reply["type"] == "error", reply
        assert reply["msg"]["msg"] == TEXTS[reply["msg"]["code"]]
        code: int = reply["msg"]["code"]
        return code

    def subscribe(self, *channels: str, **params: Any) -> int:
        """The sid of the (last) channel."""
        self._last_id += 1
        params["channels"] = list(channels)
        self.socket.send(json.dumps({"id": self._last_id, "cmd": "subscribe", "params": params}))
        sid = 0
        for channel in channels:
            reply = self.read()
            while "id" not in reply:
                self._early.append(reply)
                reply = self.read()
            assert (reply["type"], reply["id"]) == ("subscribed", self._last_id)
            assert reply["msg"]["channel"] == channel
            assert reply["msg"]["sid"] > sid
            sid = reply["msg"]["sid"]
        return sid


@contextmanager
def line(exchange: RunningExchange, signer: Signer | None) -> Iterator[Line]:
    headers = signer.headers("GET", PATH) if signer else {}
    with connect(exchange.websocket_url, additional_headers=headers) as socket:
        yield Line(socket)


class Pit:
    """Two markets, and two members who trade in both at once."""

    def __init__(self, exchange: RunningExchange) -> None:
        self.exchange = exchange
        self.maker, self.taker = exchange.add_member(), exchange.add_member()
        self.rain, self.snow = exchange.list_market(), exchange.list_market()

    def trade(self) -> None:
        for ticker in (self.rain, self.snow):
            self.maker.place(ticker, "buy", "yes", 3, 40)
            self.taker.place(ticker, "sell", "yes", 2, 40)

    def id_of(self, ticker: str) -> str:
        with line(self.exchange, None) as client:
            client.subscribe("ticker", market_ticker=ticker, send_initial_snapshot=True)
            (snapshot,) = client.heard()
            market_id: str = snapshot["msg"]["market_id"]
            return market_id


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as exchange:
        yield exchange


@pytest.fixture
def pit(exchange: RunningExchange) -> Pit:
    return Pit(exchange)


def tickers(messages: list[dict[str, Any]]) -> set[str]:
    return {
        message["msg"].get("market_ticker") or message["msg"]["ticker"]
        for message in messages
        if "id" not in message
    }


# --- who may hear what ---------------------------------------------------------------------------


def test_every_channel_is_private_or_public_as_documented(pit: Pit) -> None:
    assert set(ACTIONS) == set(CHANNELS)
    with line(pit.exchange, None) as anonymous:
        for channel in CHANNELS:
            if channel in PRIVATE:
                assert anonymous.code("subscribe", channels=[channel], market_ticker=pit.rain) == 9
            else:
                anonymous.subscribe(channel)
    with line(pit.exchange, pit.taker.signer) as member:
        member.subscribe(*CHANNELS, market_ticker=pit.rain)
        assert [message["type"] for message in member.heard()] == ["orderbook_snapshot"]


@pytest.mark.parametrize("channel", FILTERED)
def test_a_subscription_follows_the_markets_it_names(pit: Pit, channel: str) -> None:
    """Named, added, deleted, deleted down to none, and over: each time only these are heard of."""
    rain, snow = pit.rain, pit.snow
    with line(pit.exchange, pit.taker.signer) as client:
        sid = client.subscribe(channel, market_ticker=rain)
        client.heard()
        pit.trade()
        assert tickers(client.heard()) == {rain}

        def update(action: str, ticker: str) -> list[dict[str, Any]]:
            reply, *others = client.ask(
                "update_subscription", sids=[sid], action=action, market_tickers=[ticker]
            )
            assert (reply["type"], reply["sid"]) == ("ok", sid)
            assert ("seq" in reply) == (channel in SEQUENCED)
            named.append(reply["market_tickers"])
            return others

        named: list[list[str]] = []
        added = update("add_markets", snow)
        # The book of a market that is added is shown; elsewhere only when it is asked for.
        shown = channel == "orderbook_delta"
        assert [message["type"] for message in added] == ["orderbook_snapshot"] * shown
        pit.trade()
        assert tickers(client.heard()) == {rain, snow}
        assert update("delete_markets", rain) == []
        pit.trade()
        assert tickers(client.heard()) == {snow}
        assert update("delete_markets", snow) == []
        pit.trade()
        assert client.heard() == []
        assert named == [[rain, snow], [snow], []]
        update("add_markets", rain)
        (reply,) = client.ask("unsubscribe", sids=[sid])
        assert reply["type"] == "unsubscribed"
        pit.trade()
        assert client.heard() == []


@pytest.mark.parametrize("channel", [name for name in FILTERED if name != "orderbook_delta"])
def test_a_subscription_without_markets_hears_of_all(pit: Pit, channel: str) -> None:
    with line(pit.exchange, pit.taker.signer) as client:
        sid = client.subscribe(channel)
        pit.trade()
        assert tickers(client.heard()) == {pit.rain, pit.snow}
        (reply,) = client.ask(
            "update_subscription", sid=sid, action="add_markets", market_ticker=pit.rain
        )
        assert "market_tickers" not in reply
        pit.trade()
        assert tickers(client.heard()) == {pit.rain, pit.snow}
        deleting = {"sid": sid, "action": "delete_markets", "market_ticker": pit.rain}
        assert client.code("update_subscription", **deleting) == 11


def test_where_filters_are_ignored_everything_is_heard(pit: Pit) -> None:
    """A named market neither limits these channels nor is an error, even when unknown."""
    with line(pit.exchange, pit.taker.signer) as client:
        client.subscribe("order_group_updates", "communications", "market_lifecycle_v2")
        with line(pit.exchange, pit.taker.signer) as other:
            other.subscribe(
                "order_group_updates",
                "communications",
                "market_lifecycle_v2",
                market_ticker="NOWHERE-1",
            )
            pit.taker.post("/portfolio/order_groups/create", {"contracts_limit": 5})
            request = {"market_ticker": pit.snow, "contracts": 3, "rest_remainder": False}
            pit.taker.post("/communications/rfqs", request)
            pit.exchange.list_market()
            heard = client.heard()
            assert [message["type"] for message in heard] == [
                "order_group_updates",
                "rfq_created",
                "event_lifecycle",
                "market_lifecycle_v2",
            ]
            assert other.heard() == heard


@pytest.mark.parametrize("channel", ACTIONS)
def test_each_channel_has_the_actions_of_the_table(pit: Pit, channel: str) -> None:
    with line(pit.exchange, pit.taker.signer) as client:
        sid = client.subscribe(channel, market_ticker=pit.rain)
        client.heard()
        for action in ("add_markets", "get_snapshot", "delete_markets"):
            params = {"sid": sid, "action": action, "market_ticker": pit.rain}
            if action in ACTIONS[channel]:
                reply, *shown = client.ask("update_subscription", **params)
                assert reply["type"] == "ok"
                assert len(shown) == (action == "get_snapshot")
            else:
                assert client.code("update_subscription", **params) == 13
        assert client.code("update_subscription", sid=sid, action="replace") == 13


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["ticker", "ticker_v2"])
def test_initial_snapshots_of_what_is_named(pit: Pit, channel: str) -> None:
    """With every command that names markets, whatever else the subscription covers."""
    rain, snow = pit.rain, pit.snow
    pit.trade()
    with line(pit.exchange, None) as client:
        sid = client.subscribe(channel, market_ticker=rain, send_initial_snapshot=True)
        assert [message["msg"]["market_ticker"] for message in client.heard()] == [rain]
        update: dict[str, Any] = {"sid": sid, "action": "add_markets", "market_ticker": snow}
        reply, shown = client.ask("update_subscription", **update, send_initial_snapshot=True)
        assert (reply["type"], shown["msg"]["market_ticker"]) == ("ok", snow)
        assert [m["type"] for m in client.ask("update_subscription", **update)] == ["ok"]
        # Now all markets, which are not shown, because none is named.
        replies = client.ask("subscribe", channels=[channel], send_initial_snapshot=True)
        assert [message["type"] for message in replies] == ["ok"]
        reply, shown = client.ask(
            "subscribe", channels=[channel], market_tickers=[rain], send_initial_snapshot=True
        )
        assert (reply["type"], shown["msg"]["market_ticker"]) == ("ok", rain)
        reply, shown = client.ask("update_subscription", **update, send_initial_snapshot=True)
        assert (reply["type"], shown["msg"]["market_ticker"]) == ("ok", snow)
        assert shown["msg"]["price_dollars"] == "0.4000"


def test_markets_by_id_where_ids_are_understood(pit: Pit) -> None:
    rain, snow = pit.id_of(pit.rain), pit.id_of(pit.snow)
    for channel in ("ticker", "ticker_v2"):
        with line(pit.exchange, None) as client:
            sid = client.subscribe(channel, market_id=rain)
            pit.trade()
            assert tickers(client.heard()) == {pit.rain}
            (reply,) = client.ask(
                "update_subscription", sid=sid, action="add_markets", market_ids=[snow, rain]
            )
            assert reply["market_tickers"] == [pit.rain, pit.snow]
            pit.trade()
            assert tickers(client.heard()) == {pit.rain, pit.snow}
    with line(pit.exchange, pit.taker.signer) as client:
        assert client.code("subscribe", channels=["trade"], market_id=rain) == 11
        assert client.code("subscribe", channels=["orderbook_delta"], market_ids=[rain]) == 14


def test_the_list_of_markets_can_be_left_out_of_replies(pit: Pit) -> None:
    with line(pit.exchange, None) as client:
        sid = client.subscribe("ticker", market_ticker=pit.rain, skip_ticker_ack=True)
        update = {"sid": sid, "action": "add_markets", "market_ticker": pit.snow}
        (reply,) = client.ask("update_subscription", **update)
        assert reply == {"id": reply["id"], "sid": sid, "type": "ok"}
        pit.trade()
        assert tickers(client.heard()) == {pit.rain, pit.snow}


def test_offers_in_yes_prices_on_request(pit: Pit) -> None:
    """The same offer of YES at 0.47, in both ways of pricing, as snapshot and as change."""
    pit.maker.place(pit.rain, "sell", "yes", 5, 47)
    for yes_price, shown in ((False, "0.5300"), (True, "0.4700")):
        with line(pit.exchange, pit.taker.signer) as client:
            sid = client.subscribe(
                "orderbook_delta", market_ticker=pit.rain, use_yes_price=yes_price
            )
            (snapshot,) = client.heard()
            assert [price for price, _ in snapshot["msg"]["no_dollars_fp"]] == [shown]
            order = pit.maker.place(pit.rain, "buy", "no", 1, 53)
            pit.maker.delete(f"/portfolio/orders/{order['order_id']}")
            for delta, change in zip(client.heard(), ("1.00", "-1.00"), strict=True):
                msg = delta["msg"]
                assert (msg["side"], msg["price_dollars"], msg["delta_fp"]) == ("no", shown, change)
            update = {"sid": sid, "action": "get_snapshot", "market_ticker": pit.rain}
            other = {**update, "use_yes_price": not yes_price}
            assert client.code("update_subscription", **other) == 11
            assert client.ask("update_subscription", **update)[1]["msg"] == snapshot["msg"]


# --- numbers -------------------------------------------------------------------------------------


def test_where_messages_are_numbered_replies_are_too(pit: Pit) -> None:
    """``Line`` fails on any gap; here it is that every kind of reply takes a number."""
    with line(pit.exchange, pit.taker.signer) as client:
        book = client.subscribe("orderbook_delta", market_ticker=pit.rain)
        groups = client.subscribe("order_group_updates")
        fills = client.subscribe("fill")
        client.heard()
        assert client.seq == {book: 1}
        created = pit.taker.post("/portfolio/order_groups/create", {"contracts_limit": 5})
        group = f"/portfolio/order_groups/{created['order_group_id']}"
        pit.taker.put(f"{group}/reset")
        pit.taker.delete(group)
        kinds = [message["msg"]["event_type"] for message in client.heard()]
        assert kinds == ["created", "reset", "deleted"]
        assert client.seq == {book: 1, groups: 3}
        # Subscribing again and getting a snapshot are answered in the same sequence.
        replies = client.ask("subscribe", channels=["orderbook_delta"], market_ticker=pit.rain)
        replies += client.ask("subscribe", channels=["order_group_updates"])
        replies += client.ask("subscribe", channels=["fill"])
        assert [(r["type"], r["sid"], r.get("seq")) for r in replies] == [
            ("ok", book, 2),
            ("ok", groups, 4),
            ("ok", fills, None),
        ]
        replies = client.ask("unsubscribe", sids=[fills, groups, book])
        assert [(r["type"], r["sid"], r.get("seq")) for r in replies] == [
            ("unsubscribed", fills, None),
            ("unsubscribed", groups, 5),
            ("unsubscribed", book, 3),
        ]
        # A number that was given is never given again, and a new subscription counts anew.
        again = client.subscribe("orderbook_delta", market_ticker=pit.rain)
        client.heard()
        assert again == fills + 1
        assert client.seq[again] == 1


# --- every error, by the situation that gives it -------------------------------------------------


def test_every_error_code_in_its_situation(pit: Pit) -> None:
    rain, signer = pit.rain, pit.taker.signer
    seen: set[int] = set()

    def expect(code: int, found: int) -> None:
        assert found == code
        seen.add(code)

    with line(pit.exchange, None) as anonymous:
        expect(9, anonymous.code("subscribe", channels=["ticker", "fill"]))
    with line(pit.exchange, signer) as client:
        book = client.subscribe("orderbook_delta", market_ticker=rain)
        everything = client.subscribe("ticker")
        client.heard()
        for frame in ("{", '{"id":1,"cmd":"subscribe","params":{"channels":"ticker"}}'):
            client.socket.send(frame)
            expect(1, client.read()["msg"]["code"])
        client.socket.send('{"id":1,"cmd":"subscribe"}')
        expect(2, client.read()["msg"]["code"])
        situations: list[tuple[int, str, dict[str, Any]]] = [
            (3, "subscribe", {}),
            (4, "unsubscribe", {}),
            (5, "resubscribe", {}),
            (7, "unsubscribe", {"sids": [99]}),
            (7, "update_subscription", {"sid": 99, "action": "add_markets"}),
            (8, "subscribe", {"channels": ["ticker", "tickers"]}),
            (11, "subscribe", {"channels": ["trade"], "market_ticker": rain, "market_id": "x"}),
            (
                11,
                "update_subscription",
                {"sid": book, "action": "get_snapshot", "market_ticker": pit.snow},
            ),
            (12, "update_subscription", {"action": "add_markets", "market_ticker": rain}),
            (12, "update_subscription", {"sids": [book, everything], "action": "add_markets"}),
            (13, "update_subscription", {"sid": book, "action": "set_markets"}),
            (14, "update_subscription", {"sid": book, "action": "add_markets"}),
            (14, "subscribe", {"channels": ["orderbook_delta"]}),
            (15, "update_subscription", {"sid": book, "market_ticker": rain}),
            (16, "subscribe", {"channels": ["trade"], "market_tickers": [rain, "NOPE-1"]}),
            (19, "subscribe", {"channels": ["communications"], "shard_factor": 0}),
            (20, "subscribe", {"channels": ["communications"], "shard_key": 0}),
            (
                21,
                "subscribe",
                {"channels": ["communications"], "shard_factor": 4, "shard_key": 4},
            ),
            (22, "subscribe", {"channels": ["communications"], "shard_factor": 101}),
        ]
        for code, cmd, params in situations:
            expect(code, client.code(cmd, **params))
        # Nothing of all this has changed anything.
        replies = client.ask("unsubscribe", sids=[book, everything])
        assert [reply["type"] for reply in replies] == ["unsubscribed", "unsubscribed"]

    # A command costs as much as it names markets; the budget of a second holds 10,000.
    with line(pit.exchange, signer) as client:
        params = {"channels": ["trade"], "market_tickers": [rain] * 40_000}
        client.socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
        assert client.read()["type"] == "subscribed"
        client.socket.send(json.dumps({"id": 2, "cmd": "list_subscriptions"}))
        expect(27, client.read()["msg"]["code"])

    # 17 needs a defect (tests/unit/test_ws_commands.py), 25 a reader who stops reading
    # (tests/scenarios/test_ws_connection.py), 26 another limit (below). The codes 6, 10, 18, 23,
    # 24 and 28 belong to situations that do not exist here.
    assert seen | {17, 25, 26} == set(TEXTS)


async def test_a_connection_may_not_name_more_markets_than_its_limit() -> None:
    gate = weather_gate()
    async with (
        serve(gate, WebSocketSettings(markets_per_connection=1)) as server,
        server.connect() as client,
    ):
        await client.subscribe("ticker", market_ticker=RAIN)
        reply = await client.subscribe("trade", market_ticker=SNOW)
        assert reply["msg"]["code"] == 26
