"""Clients that people have, unmodified, rebuild a book from the stream; REST agrees with them.

Each reads the same trading: a few dozen orders, crossing, resting, amended and canceled, in two
markets, one of them with prices of a tenth of a cent. Costs about a second each.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from augury.testing import Member, RunningExchange, running_exchange
from tests.node_programs import PACKAGES, Program, chromium, node, running
from tests.ws_harness import ClientBooks
from tests.ws_schemas import check_shape

Levels = dict[str, dict[tuple[str, str], Decimal]]
"""Ticker -> (side, dollar price) -> contracts."""


class Market:
    """An exchange with two markets and two traders who keep them busy."""

    def __init__(self, exchange: RunningExchange, directory: Path) -> None:
        self.exchange = exchange
        self.traders = [exchange.add_member() for _ in range(2)]
        self.watcher = exchange.add_member()
        self.key_file = directory / "key.pem"
        self.key_file.write_text(self.watcher.private_key_pem)
        self.tickers = [
            exchange.list_market("KXCLIENTS-1-T1"),
            exchange.list_market(
                "KXCLIENTS-2-T1",
                price_level_structure="deci_cent",
                fractional_trading_enabled=True,
            ),
        ]

    def environment(self, member: Member) -> dict[str, str]:
        return {
            "AUGURY_WS": self.exchange.websocket_url,
            "AUGURY_KEY_ID": member.api_key_id,
            "AUGURY_KEY_FILE": str(self.key_file),
        }

    def trade(self, choice: random.Random, orders: int) -> None:
        """Orders at few prices, so that they meet; some are taken back or changed."""
        for _ in range(orders):
            member = choice.choice(self.traders)
            ticker = choice.choice(self.tickers)
            fine = ticker == self.tickers[1]
            side = choice.choice(["yes", "no"])
            price = choice.randint(460, 540) * 10 if fine else choice.randint(46, 54) * 100
            lots = choice.randint(1, 1500) if fine else choice.randint(1, 15) * 100
            order = member.post(
                "/portfolio/orders",
                {
                    "ticker": ticker,
                    "action": choice.choice(["buy", "sell"]),
                    "side": side,
                    "count_fp": f"{lots / 100:.2f}",
                    f"{side}_price_dollars": f"{price / 10_000:.4f}",
                    "self_trade_prevention_type": "maker",
                },
            )["order"]
            if order["status"] == "resting" and choice.random() < 0.3:
                member.delete(f"/portfolio/orders/{order['order_id']}")

    def books(self) -> Levels:
        """What REST says."""
        found: Levels = {}
        for ticker in self.tickers:
            book = self.watcher.get(f"/markets/{ticker}/orderbook")["orderbook_fp"]
            found[ticker] = {
                (side, price): Decimal(count)
                for side in ("yes", "no")
                for price, count in book.get(f"{side}_dollars") or ()
            }
        return found


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with running_exchange() as exchange:
        yield Market(exchange, tmp_path_factory.mktemp("clients"))


def reported(line: str) -> dict[str, Any]:
    """What a client of ours in JavaScript says after one message, which had the right shape."""
    said: dict[str, Any] = json.loads(line)
    if "message" in said:
        check_shape(said["message"])
    return said


def levels(books: dict[str, Any]) -> Levels:
    return {
        ticker: {
            (side, price): Decimal(lots) / 100
            for side in ("yes", "no")
            for price, lots in book[side].items()
        }
        for ticker, book in books.items()
    }


def rebuild(market: Market, client: Program, seed: int) -> None:
    """The story of every JavaScript client: it starts amid trading and ends with REST's books."""
    client.read_until(lambda line: len(reported(line).get("books", {})) == len(market.tickers))
    market.trade(random.Random(seed), 40)
    expected = market.books()
    assert all(expected.values()), "the comparison has something to compare"
    client.read_until(lambda line: levels(reported(line).get("books", {})) == expected)


def test_the_package_ws(market: Market, seed: int) -> None:
    market.trade(random.Random(seed), 20)
    command = (node(), "ws_books.mjs", *market.tickers)
    with running(*command, environment=market.environment(market.watcher)) as client:
        rebuild(market, client, seed + 1)


@contextmanager
def browser(market: Market, environment: dict[str, str], *tickers: str) -> Iterator[Program]:
    """A page in Chromium, of an origin that is not the exchange's."""
    given = {"AUGURY_WS": market.exchange.websocket_url, "CHROMIUM": chromium(), **environment}
    with running(node(), "browser_books.mjs", *tickers, environment=given) as client:
        yield client


def test_a_browsers_own_socket_signed_in_its_query(market: Market, seed: int) -> None:
    market.trade(random.Random(seed), 20)
    with browser(market, market.environment(market.watcher), *market.tickers) as client:
        rebuild(market, client, seed + 1)


def test_a_browser_without_a_key_hears_what_is_public(market: Market) -> None:
    with browser(market, {}) as client:
        channels = [reported(client.line())["message"]["msg"]["channel"] for _ in range(2)]
        assert channels == ["ticker", "trade"]
        ticker = market.exchange.list_market()
        market.traders[0].place(ticker, "buy", "yes", 1, 40)
        market.traders[1].place(ticker, "sell", "yes", 1, 40)
        trade = client.read_until(lambda line: reported(line)["message"]["type"] == "trade")
        assert json.loads(trade)["message"]["msg"]["market_ticker"] == ticker


@contextmanager
def wscat(market: Market, headers: dict[str, str], *commands: dict[str, Any]) -> Iterator[Program]:
    """wscat sends its commands as soon as it is connected and prints each message as a line."""
    given = [f"--header={name}:{value}" for name, value in headers.items()]
    executed = [f"--execute={json.dumps(command)}" for command in commands]
    program = str(PACKAGES / "node_modules" / "wscat" / "bin" / "wscat")
    url = market.exchange.websocket_url
    with running(node(), program, "--connect", url, "--wait=-1", *given, *executed) as client:
        yield client


def test_wscat(market: Market, seed: int) -> None:
    market.trade(random.Random(seed), 20)
    headers = market.watcher.signer.headers("GET", "/trade-api/ws/v2")
    params = {"channels": ["orderbook_delta"], "market_tickers": market.tickers}
    books = ClientBooks()

    def read(line: str) -> Levels:
        message = json.loads(line)
        check_shape(message)
        books.read(message)
        return books.exact

    with wscat(market, headers, {"id": 1, "cmd": "subscribe", "params": params}) as client:
        client.read_until(lambda line: len(read(line)) == len(market.tickers))
        market.trade(random.Random(seed + 1), 40)
        expected = market.books()
        client.read_until(lambda line: read(line) == expected)


def test_wscat_without_headers_hears_what_is_public(market: Market) -> None:
    everything = {"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker", "trade"]}}
    private = {"id": 2, "cmd": "subscribe", "params": {"channels": ["fill"]}}
    with wscat(market, {}, everything, private) as client:
        assert [json.loads(client.line())["msg"]["channel"] for _ in range(2)] == [
            "ticker",
            "trade",
        ]
        assert json.loads(client.line())["msg"]["code"] == 9


def test_wscat_is_told_why_it_may_not_come_in(market: Market) -> None:
    headers = market.watcher.signer.headers("GET", "/somewhere/else")
    with wscat(market, headers) as client, pytest.raises(AssertionError, match="401"):
        client.line()
