"""Clients that watch: they believe what the WebSocket tells them, and nothing else.

Each connects to the production gateway through a socket in memory, subscribes to books, its
orders and its positions, and keeps what it hears. When everything has been read, what it
believes must be what is.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from augury.client.book import Book
from augury.client.units import count_units
from augury.codec.ids import format_id
from augury.core.state import Exchange, Market
from augury.core.units import PRICE_ONE
from augury.gateways.ws.app import WebSocketGateway
from augury.gateways.ws.protocol import EXTENSION

PRIVATE = ("user_orders", "market_positions")


class MemorySocket:
    """Implements ``gateways.ws.protocol.Socket`` for a reader who can stop and go on."""

    def __init__(self) -> None:
        self.paused = False
        self.closed = False
        self.received: list[dict[str, Any]] = []
        self.write: Callable[[bytes], None] = self._read
        self._on_writable: Callable[[], None] = lambda: None

    def open(
        self,
        on_writable: Callable[[], None],
        ping_interval: float,
        idle_timeout: float,
        close_timeout: float,
    ) -> None:
        self._on_writable = on_writable

    def close(self, code: int, reason: str) -> None:
        self.closed = True

    def resume(self) -> None:
        self.paused = False
        self._on_writable()

    def _read(self, frames: bytes) -> None:
        if not self.closed:
            self.received.extend(messages(frames))


def messages(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON messages in a run of unmasked text frames."""
    start = 0
    while start < len(data):
        size = data[start + 1]
        start += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[start : start + width], "big")
            start += width
        yield json.loads(data[start : start + size])
        start += size


class Watcher:
    """One connection of a member, from the handshake on."""

    def __init__(self, gateway: WebSocketGateway, state: Exchange, member_id: int) -> None:
        self.member_id = member_id
        self.socket = MemorySocket()
        self._gateway = gateway
        self._state = state
        self._commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._commands.put_nowait({"type": "websocket.connect"})
        self._sequence: dict[int, int] = {}
        self._books_sid = 0
        self._named: list[str] = []
        self.books: dict[str, Book] = {}
        self.orders: dict[str, int] = {}
        """Public id -> hundredths of a contract that rest."""
        self.positions: dict[tuple[str, int], int] = {}
        """(ticker, subaccount) -> hundredths of a contract."""
        self.messages = 0
        self._private = False
        self._subscribe("orderbook_delta", market_tickers=list(state.markets))
        self._subscribe(*PRIVATE)

    async def live(self) -> None:
        """The connection, until it is closed."""
        scope = {
            "type": "websocket",
            "path": "/trade-api/ws/v2",
            "headers": [(b"member", b"%d" % self.member_id), (b"kalshi-access-key", b"-")],
            "client": ("127.0.0.1", 1),
            "extensions": {EXTENSION: self.socket},
        }
        await self._gateway(scope, self._receive, self._send)

    def leave(self) -> None:
        self.socket.closed = True
        self._commands.put_nowait({"type": "websocket.disconnect", "code": 1001})

    def watch_more(self, chance_tickers: list[str]) -> None:
        """Add markets to the books, or ask for some of them anew."""
        if not self._books_sid or not chance_tickers:
            return
        known = all(ticker in self._named for ticker in chance_tickers)
        action = "get_snapshot" if known else "add_markets"
        self._send_command(
            "update_subscription",
            sid=self._books_sid,
            action=action,
            market_tickers=chance_tickers,
        )

    # --- the application's side --------------------------------------------------------------

    async def _receive(self) -> dict[str, Any]:
        command = await self._commands.get()
        if "user_orders" in command.get("text", ""):
            # The private channels begin with what is asked over REST in the same moment.
            self._look_up()
        return command

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        """The handshake's answer."""
        assert message["type"] == "websocket.accept", message

    def _subscribe(self, *channels: str, **params: Any) -> None:
        self._send_command("subscribe", channels=list(channels), **params)

    def _send_command(self, cmd: str, **params: Any) -> None:
        text = json.dumps({"id": 1, "cmd": cmd, "params": params})
        self._commands.put_nowait({"type": "websocket.receive", "text": text})

    def _look_up(self) -> None:
        self.orders = dict(open_orders(self._state, self.member_id))
        self.positions = dict(positions(self._state, self.member_id))
        self._private = True

    # --- what arrives ------------------------------------------------------------------------

    def read(self) -> None:
        """Believe everything that has arrived. Raises ``AssertionError`` at a gap."""
        received, self.socket.received = self.socket.received, []
        for message in received:
            self.messages += 1
            sequence = message.get("seq")
            if sequence is not None:
                last = self._sequence.get(message["sid"], 0)
                assert sequence == last + 1, f"message {sequence} came after {last}"
                self._sequence[message["sid"]] = sequence
            self._believe(message["type"], message.get("msg", {}), message)

    def _believe(self, kind: str, body: Any, message: dict[str, Any]) -> None:
        if kind == "subscribed" and body["channel"] == "orderbook_delta":
            self._books_sid = body["sid"]
        elif kind == "ok":
            self._named = message.get("market_tickers", self._named)
        elif kind == "orderbook_snapshot":
            ticker = body["market_ticker"]
            self.books.setdefault(ticker, Book(ticker)).replace(body)
        elif kind == "orderbook_delta":
            self.books[body["market_ticker"]].change(body)
        elif kind == "user_order":
            if body["status"] == "resting":
                self.orders[body["order_id"]] = count_units(body["remaining_count_fp"])
            else:
                self.orders.pop(body["order_id"], None)
        elif kind == "market_position":
            key = (body["market_ticker"], body.get("subaccount", 0))
            self.positions[key] = count_units(body["position_fp"])

    def check(self) -> None:
        """Everything has been read, so nothing may be missing."""
        if self.socket.closed:
            return
        for ticker, book in self.books.items():
            market = self._state.markets.get(ticker)
            if market is not None:
                assert (book.bids(), book.asks()) == depth(market), f"the book of {ticker} differs"
        if not self._private:
            return
        known = dict(open_orders(self._state, self.member_id))
        assert self.orders == known, f"orders of member {self.member_id}: {self.orders} {known}"
        held = dict(positions(self._state, self.member_id))
        found = {
            key: quantity
            for key, quantity in self.positions.items()
            if quantity and key[0] in self._state.markets
        }
        assert found == held, f"positions of member {self.member_id}: {found} {held}"


def depth(market: Market) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(price, quantity) of bids and asks, best first."""
    bids = [(price, quantity) for price, quantity in market.bids.depth() if price]
    asks = [(price, quantity) for price, quantity in market.asks.depth() if price < PRICE_ONE]
    return sorted(bids, reverse=True), sorted(asks)


def open_orders(state: Exchange, member_id: int) -> Iterator[tuple[str, int]]:
    for order in state.orders.values():
        if order.account.member.id == member_id:
            yield format_id("order", order.id), order.remaining


def positions(state: Exchange, member_id: int) -> Iterator[tuple[tuple[str, int], int]]:
    member = state.members.get(member_id)
    for account in member.accounts.values() if member is not None else ():
        for ticker, holding in account.holdings.items():
            if holding.quantity:
                yield (ticker, account.number), holding.quantity
