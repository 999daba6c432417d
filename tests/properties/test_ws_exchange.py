"""A client that follows the stream knows what REST knows: books, orders, positions, fills, tape.

Two members trade at random over REST, in four subaccounts and three markets, in the book, by
requests for quotes and off the book, and move positions, while clients subscribe, unsubscribe, name
further markets and fewer, ask for snapshots, and reconnect, all at the same time and in no agreed
order. Then trading stops for a moment, so that both sides stand at the same sequence, and all
that a client has rebuilt must be what REST answers: exactly, and with nothing left over. After the
last round the markets are decided and settled, and it must hold once more.

A client begins as clients do: it subscribes, then reads the present over REST, then goes on with
what it is sent. A run costs about three seconds; ``AUGURY_STREAM_RUNS=100`` makes more of them.
"""

import json
import os
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from augury.testing import Member, RunningExchange, running_exchange
from tests.ws_harness import ClientBooks
from tests.ws_schemas import check_shape

PATH = "/trade-api/ws/v2"
RUNS = int(os.environ.get("AUGURY_STREAM_RUNS", "3"))
ROUNDS = 5
SUBACCOUNTS = (0, 1)

Rows = dict[Any, tuple[Any, ...]]
"""What is known of one kind of thing, by whatever names it."""

ORDER = (
    "status",
    "action",
    "side",
    "outcome_side",
    "book_side",
    "yes_price_dollars",
    "fill_count_fp",
    "remaining_count_fp",
    "initial_count_fp",
    "taker_fill_cost_dollars",
    "maker_fill_cost_dollars",
    "taker_fees_dollars",
    "maker_fees_dollars",
    "client_order_id",
    "self_trade_prevention_type",
    "subaccount_number",
    "order_group_id",
    "user_id",
    "created_time",
    "last_update_time",
    "expiration_time",
)
FILL = (
    "order_id",
    "is_taker",
    "side",
    "action",
    "yes_price",
    "yes_price_dollars",
    "count",
    "count_fp",
    "outcome_side",
    "book_side",
    "fee_cost",
    "client_order_id",
    "ts",
)
TRADE = (
    "yes_price",
    "yes_price_dollars",
    # The stream's cents always add up to 100 (websocket.md, section 7), REST rounds both down.
    "no_price_dollars",
    "count",
    "count_fp",
    "taker_side",
    "taker_outcome_side",
    "taker_book_side",
    "is_block_trade",
)
QUOTE = (
    "yes_bid_dollars",
    "yes_ask_dollars",
    "yes_bid_size_fp",
    "yes_ask_size_fp",
    "volume_fp",
    "open_interest_fp",
)


def pick(row: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """An order without a name has an empty one in some places and none in others."""
    return tuple(row.get(name) if row.get(name) != "" else None for name in names)


def ticker_of(row: dict[str, Any]) -> str:
    found: str = row.get("market_ticker") or row["ticker"]
    return found


# --- what REST knows -----------------------------------------------------------------------------


class Rest:
    """The answers that a client compares itself with, as rows of the same kind."""

    def __init__(self, exchange: RunningExchange, member: Member) -> None:
        self.exchange = exchange
        self.member = member

    def pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            answer = self.member.get(path, limit=200, cursor=cursor, **query)
            yield from answer[key]
            cursor = answer["cursor"]
            if not cursor:
                return

    def book(self, ticker: str) -> dict[tuple[str, str], str]:
        shown = self.member.get(f"/markets/{ticker}/orderbook")["orderbook_fp"]
        return {
            (side, price): count
            for side in ("yes", "no")
            for price, count in shown[f"{side}_dollars"] or ()
        }

    def read(self, channel: str, ticker: str) -> Rows:
        """Everything of one channel's kind in one market."""
        if channel == "user_orders":
            rows = self.pages("/portfolio/orders", "orders", ticker=ticker)
            return {row["order_id"]: pick(row, ORDER) for row in rows}
        if channel == "fill":
            rows = self.pages("/portfolio/fills", "fills", ticker=ticker)
            return {(row["trade_id"], row["order_id"]): pick(row, FILL) for row in rows}
        if channel == "trade":
            rows = self.pages("/markets/trades", "trades", ticker=ticker)
            return {row["trade_id"]: pick(row, TRADE) for row in rows}
        assert channel == "market_positions"
        return {
            number: (
                row["position_fp"],
                row["position"],
                row["market_exposure_dollars"],
                row["realized_pnl_dollars"],
                row["fees_paid_dollars"],
            )
            for number in SUBACCOUNTS
            for row in self.pages(
                "/portfolio/positions", "market_positions", ticker=ticker, subaccount=number
            )
        }

    def quote(self, ticker: str) -> tuple[Any, ...]:
        market = self.member.get(f"/markets/{ticker}")["market"]
        return (*pick(market, QUOTE), market["last_price_dollars"])


def entry(channel: str, msg: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """A message as the row that REST has for the same thing."""
    if channel == "user_orders":
        return msg["order_id"], pick(msg, ORDER)
    if channel == "fill":
        return (msg["trade_id"], msg["order_id"]), pick(msg, FILL)
    if channel == "trade":
        return msg["trade_id"], pick(msg, TRADE)
    assert channel == "market_positions"
    return msg.get("subaccount", 0), (
        msg["position_fp"],
        msg["position"],
        msg["position_cost_dollars"],
        msg["realized_pnl_dollars"],
        msg["fees_paid_dollars"],
    )


def without_nothing(rows: Rows) -> Rows:
    """Without positions that are none and have left nothing behind."""
    return {name: row for name, row in rows.items() if any(float(number) for number in row)}


KINDS = {
    "user_order": "user_orders",
    "fill": "fill",
    "trade": "trade",
    "market_position": "market_positions",
}
FOLLOWED = ["orderbook_delta", "ticker", *KINDS.values()]
HAPPEN_ONCE = ("fill", "trade")


# --- the client ----------------------------------------------------------------------------------


class Follower:
    """One client of one member. What it knows of a market, it knows from its stream."""

    def __init__(self, exchange: RunningExchange, member: Member, tickers: list[str]) -> None:
        self.exchange = exchange
        self.rest = Rest(exchange, member)
        self.all_tickers = tickers
        self.connect()

    def connect(self) -> None:
        headers = self.rest.member.signer.headers("GET", PATH)
        self._closing = ExitStack()
        self.socket: ClientConnection = self._closing.enter_context(
            connect(self.exchange.websocket_url, additional_headers=headers, max_queue=None)
        )
        self.books = ClientBooks()
        self.sids: dict[str, int] = {}
        self.tickers: dict[str, set[str]] = {}
        """Channel -> the markets that it covers."""
        self.known: dict[str, dict[str, Rows]] = {channel: {} for channel in KINDS.values()}
        """Channel -> market -> what is there."""
        self.quotes: dict[str, tuple[Any, ...]] = {}
        self.heard: dict[str, set[Any]] = {channel: set() for channel in HAPPEN_ONCE}
        """What must not be told twice."""
        self._last_id = 0

    def close(self) -> None:
        self._closing.close()

    # --- commands ----------------------------------------------------------------------------

    def ask(self, cmd: str, **params: Any) -> list[dict[str, Any]]:
        """Send a command, read everything up to its last reply; returns the replies."""
        self._last_id += 1
        self.socket.send(json.dumps({"id": self._last_id, "cmd": cmd, "params": params}))
        expected = len(params.get("channels", params.get("sids", [None])))
        replies: list[dict[str, Any]] = []
        while len(replies) < expected:
            message = json.loads(self.socket.recv(timeout=20))
            check_shape(message)
            self.books.read(message)
            if message.get("id") == self._last_id:
                assert message["type"] != "error", message
                replies.append(message)
            else:
                self.take(message)
        return replies

    def subscribe(self, channel: str, tickers: list[str] | None) -> None:
        params: dict[str, Any] = {"channels": [channel]}
        if tickers is not None:
            params["market_tickers"] = tickers
        if channel == "ticker":
            params["send_initial_snapshot"] = True
        (reply,) = self.ask("subscribe", **params)
        if reply["type"] == "subscribed":
            self.sids[channel] = reply["msg"]["sid"]
        self.begin(channel, self.all_tickers if tickers is None else tickers)

    def begin(self, channel: str, tickers: list[str]) -> None:
        """The present of markets that are new to a channel; what happens from now on is sent.

        Trading goes on meanwhile, so that REST may be ahead of what has been read so far.
        """
        covered = self.tickers.setdefault(channel, set())
        for ticker in tickers:
            if ticker not in covered and channel in self.known:
                self.known[channel][ticker] = self.rest.read(channel, ticker)
        covered.update(tickers)

    def add(self, channel: str, tickers: list[str]) -> None:
        params = {"send_initial_snapshot": True} if channel == "ticker" else {}
        self.ask(
            "update_subscription",
            sid=self.sids[channel],
            action="add_markets",
            market_tickers=tickers,
            **params,
        )
        self.begin(channel, tickers)

    def delete(self, channel: str, tickers: list[str]) -> None:
        self.ask(
            "update_subscription",
            sid=self.sids[channel],
            action="delete_markets",
            market_tickers=tickers,
        )
        self.forget(channel, tickers)

    def forget(self, channel: str, tickers: list[str]) -> None:
        for ticker in tickers:
            self.tickers[channel].discard(ticker)
            if channel == "orderbook_delta":
                self.books.exact.pop(ticker, None)
            elif channel == "ticker":
                self.quotes.pop(ticker, None)
            else:
                self.known[channel].pop(ticker, None)

    def unsubscribe(self, channel: str) -> None:
        self.ask("unsubscribe", sids=[self.sids.pop(channel)])
        self.forget(channel, self.all_tickers)
        del self.tickers[channel]

    def do_something(self, choice: random.Random) -> None:
        channel = choice.choice(FOLLOWED)
        tickers = choice.sample(self.all_tickers, choice.randint(1, len(self.all_tickers)))
        what = choice.random()
        if what < 0.06:
            self.close()
            self.connect()
        elif channel not in self.sids:
            # What is subscribed to without naming markets covers all of them.
            named = channel in ("orderbook_delta", "ticker") or choice.random() < 0.7
            self.subscribe(channel, tickers if named else None)
        elif what < 0.2:
            self.unsubscribe(channel)
        elif what < 0.35:
            self.subscribe(channel, tickers)
        elif what < 0.6:
            self.add(channel, tickers)
        elif what < 0.75 and self.tickers[channel] != set(self.all_tickers):
            self.delete(channel, tickers)
        elif channel in ("orderbook_delta", "ticker") and self.tickers[channel]:
            self.ask(
                "update_subscription",
                sid=self.sids[channel],
                action="get_snapshot",
                market_tickers=sorted(self.tickers[channel]),
            )

    # --- messages ----------------------------------------------------------------------------

    def take(self, message: dict[str, Any]) -> None:
        kind, msg = message["type"], message["msg"]
        ticker = ticker_of(msg)
        if kind == "ticker":
            self.quotes[ticker] = (*pick(msg, QUOTE), msg["price_dollars"])
        channel = KINDS.get(kind)
        if channel is None:
            return
        name, row = entry(channel, msg)
        # Between a reply that widens a subscription and the reading of the present, things may
        # come about a market that is not known yet; the present will contain them.
        market = self.known[channel].get(ticker)
        if channel in HAPPEN_ONCE:
            assert name not in self.heard[channel], f"told twice: {message}"
            self.heard[channel].add(name)
        if market is not None:
            market[name] = row

    def check(self) -> None:
        """Nobody trades: what was rebuilt is what REST says."""
        self.ask("list_subscriptions")
        for ticker in self.tickers.get("orderbook_delta", ()):
            rebuilt = {key: f"{count:.2f}" for key, count in self.books.exact[ticker].items()}
            assert rebuilt == self.rest.book(ticker), ticker
        for ticker in self.tickers.get("ticker", ()):
            assert self.quotes[ticker] == self.rest.quote(ticker), ticker
        for channel, markets in self.known.items():
            for ticker, rows in markets.items():
                expected = self.rest.read(channel, ticker)
                if channel == "market_positions":
                    # Orders alone make a row there, and no message.
                    rows, expected = without_nothing(rows), without_nothing(expected)
                differing = {
                    name: (rows.get(name), expected.get(name))
                    for name in rows.keys() | expected.keys()
                    if rows.get(name) != expected.get(name)
                }
                assert not differing, f"{channel} in {ticker}, (rebuilt, REST): {differing}"


# --- the traders ---------------------------------------------------------------------------------


class Trader:
    """A member who trades at random. Everything that is refused is part of the game."""

    def __init__(self, member: Member, tickers: list[str], choice: random.Random) -> None:
        self.member = member
        self.tickers = tickers
        self.choice = choice
        self.orders: list[str] = []
        self.groups: list[str] = []
        self.places = 0

    def trade(self, times: int) -> None:
        for _ in range(times):
            what = self.choice.random()
            if what < 0.6 or not self.orders:
                self.place()
            elif what < 0.7:
                self.send("DELETE", f"/portfolio/orders/{self.choice.choice(self.orders)}")
            elif what < 0.8:
                body = {"reduce_by": self.choice.randint(1, 4)}
                order_id = self.choice.choice(self.orders)
                self.send("POST", f"/portfolio/orders/{order_id}/decrease", body)
            elif what < 0.9:
                self.amend()
            elif what < 0.94:
                self.batch()
            else:
                self.use_group()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        response = self.member.request(method, path, body)
        assert response.status_code < 500, response.text
        return response.json() if response.is_success else {}

    def order(self) -> dict[str, Any]:
        choice = self.choice
        ticker = choice.choice(self.tickers)
        fine = ticker == self.tickers[0]
        price = choice.randint(475, 525) * 10 if fine else choice.randint(47, 53) * 100
        side, lots = choice.choice(["yes", "no"]), choice.randint(1, 9)
        self.places += 1
        body: dict[str, Any] = {
            "ticker": ticker,
            "action": choice.choice(["buy", "buy", "sell"]),
            "side": side,
            "count_fp": f"{choice.randint(1, 900) / 100:.2f}" if fine else str(lots),
            f"{side}_price_dollars": f"{price / 10_000:.4f}",
            "self_trade_prevention_type": choice.choice(["maker", "taker_at_cross"]),
            "subaccount": choice.choice(SUBACCOUNTS),
        }
        if choice.random() < 0.5:
            body["client_order_id"] = f"mine-{self.places}"
        kind = choice.random()
        if kind < 0.1:
            body["time_in_force"] = choice.choice(["immediate_or_cancel", "fill_or_kill"])
        elif kind < 0.15:
            body["post_only"] = True
        elif kind < 0.25 and self.groups:
            body["order_group_id"] = choice.choice(self.groups)
        return body

    def keep(self, answer: Any) -> None:
        order = answer.get("order") or {}
        if order.get("status") == "resting":
            self.orders.append(order["order_id"])

    def place(self) -> None:
        self.keep(self.send("POST", "/portfolio/orders", self.order()))

    def batch(self) -> None:
        body = {"orders": [self.order() for _ in range(5)]}
        for answer in self.send("POST", "/portfolio/orders/batched", body).get("orders", ()):
            self.keep(answer)

    def amend(self) -> None:
        order_id = self.choice.choice(self.orders)
        order = self.send("GET", f"/portfolio/orders/{order_id}").get("order")
        if not order or order["status"] != "resting":
            return
        body = {
            "ticker": order["ticker"],
            "side": order["side"],
            "action": order["action"],
            "yes_price": self.choice.randint(46, 54),
            "count": self.choice.randint(1, 12),
            "client_order_id": order["client_order_id"],
            "updated_client_order_id": f"amended-{self.choice.randrange(1 << 30)}",
        }
        self.send("POST", f"/portfolio/orders/{order_id}/amend", body)

    def use_group(self) -> None:
        if len(self.groups) < 2:
            body = {"contracts_limit": self.choice.randint(3, 20)}
            made = self.send("POST", "/portfolio/order_groups/create", body)
            self.groups.append(made["order_group_id"])
        else:
            group = self.choice.choice(self.groups)
            action = self.choice.choice(["reset", "trigger"])
            self.send("PUT", f"/portfolio/order_groups/{group}/{action}")


# --- the story -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as exchange:
        yield exchange


def list_markets(exchange: RunningExchange) -> list[str]:
    """One with fractions and fine prices, two that exclude each other in one event."""
    fine = exchange.list_market(price_level_structure="deci_cent", fractional_trading_enabled=True)
    first = exchange.list_market()
    event = exchange.market(first)["event_ticker"]
    second = exchange.list_market(f"{event}-T2", event=event)
    return [fine, first, second]


@pytest.mark.parametrize("run", range(RUNS))
def test_what_clients_rebuild_is_what_rest_says(
    exchange: RunningExchange, seed: int, run: int
) -> None:
    choice = random.Random(f"{seed}-{run}")
    tickers = list_markets(exchange)
    # The third never trades: everything private stays silent for it.
    members = [exchange.add_member() for _ in range(3)]
    for number, member in enumerate(members):
        member.post("/portfolio/subaccounts")
        body = {
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 200_000,
            "client_transfer_id": f"00000000-0000-4000-8000-00000000000{number}",
        }
        member.post("/portfolio/subaccounts/transfer", body)
    traders = [
        Trader(member, tickers, random.Random(choice.randrange(1 << 32))) for member in members[:2]
    ]
    with ExitStack() as closing, ThreadPoolExecutor(len(traders)) as pool:
        followers = [Follower(exchange, member, tickers) for member in members]
        for follower in followers:
            closing.callback(follower.close)
            for channel in FOLLOWED:
                follower.subscribe(channel, choice.sample(tickers, 2))
        for _ in range(ROUNDS):
            trading = [pool.submit(trader.trade, 25) for trader in traders]
            for _ in range(12):
                choice.choice(followers).do_something(choice)
            for one in trading:
                one.result()
            trade_off_the_book(exchange, members, choice.choice(tickers))
            for follower in followers:
                follower.check()
        assert not any(followers[2].known["fill"].values())
        finish(exchange, tickers, followers)
        # There was something to know.
        for channel in ("user_orders", "fill", "trade"):
            assert any(followers[0].rest.read(channel, ticker) for ticker in tickers)


def trade_off_the_book(exchange: RunningExchange, members: list[Member], ticker: str) -> None:
    """A request for quotes and a block trade, which print without an order in the book."""
    asker, maker, _ = members
    request = {"market_ticker": ticker, "contracts": 3, "rest_remainder": False}
    rfq_id = asker.post("/communications/rfqs", request)["id"]
    quote = {"rfq_id": rfq_id, "yes_bid": "0.4500", "no_bid": "0.5000", "rest_remainder": False}
    quote_id = maker.post("/communications/quotes", quote)["id"]
    asker.put(f"/communications/quotes/{quote_id}/accept", {"accepted_side": "no"})
    maker.put(f"/communications/quotes/{quote_id}/confirm")
    exchange.advance(seconds=20)
    proposal = {
        "buyer_user_id": asker.user_id,
        "seller_user_id": maker.user_id,
        "market_ticker": ticker,
        "price_centi_cents": 5_100,
        "centicount": 200,
        "maker_side": "yes",
        "expiration_ts": (exchange.now() + timedelta(hours=1)).isoformat(),
    }
    path = "/communications/block-trade-proposals"
    proposal_id = asker.post(path, proposal)["block_trade_proposal_id"]
    maker.post(f"{path}/{proposal_id}/accept")
    move_a_position(asker, ticker)


def move_a_position(member: Member, ticker: str) -> None:
    """A contract goes from one subaccount to the other at a price of its own."""
    rows = member.get("/portfolio/positions", ticker=ticker)["market_positions"]
    held = sum(row["position"] for row in rows)
    if held:
        body = {
            "client_transfer_id": str(uuid.uuid4()),
            "from_subaccount": 0,
            "to_subaccount": 1,
            "market_ticker": ticker,
            "side": "yes" if held > 0 else "no",
            "count": 1,
            "price": "0.5000",
        }
        member.post("/portfolio/subaccounts/positions/transfer", body)


def finish(exchange: RunningExchange, tickers: list[str], followers: list[Follower]) -> None:
    """All markets are settled under the clients' eyes."""
    for follower in followers:
        for channel in KINDS.values():
            if channel not in follower.sids:
                follower.subscribe(channel, None)
    for ticker, result in zip(tickers, ("yes", "no", "yes"), strict=True):
        exchange.determine(ticker, result)
    exchange.advance(timedelta(hours=2))
    for follower in followers:
        follower.ask("list_subscriptions")
        positions = follower.known["market_positions"]
        for rows in positions.values():
            assert all(row[:2] == ("0.00", 0) for row in rows.values())
        # REST lists what is not settled; the stream has said that nothing is left.
        positions.clear()
        follower.tickers.pop("orderbook_delta", None)
        follower.tickers.pop("ticker", None)
        follower.check()
