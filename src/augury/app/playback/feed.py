"""A recording as a feed: the commands, queues and limits of the gateway, messages of the past.

Every client has subscriptions and numbers of its own, as on an exchange. What it gets is what was
received, the bytes of ``msg`` unchanged; only ``sid`` and ``seq`` are its own. A snapshot for a
client that comes in the middle is made from what the recording has said so far; where that is in
doubt, after a gap, it comes when the recording has one.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from augury.client.book import Book
from augury.client.recording import FeedState, Record, Recording, Seen
from augury.client.recording.format import MESSAGE
from augury.client.recording.reader import advance
from augury.client.units import price_units
from augury.codec.text import price_cents, price_dollars
from augury.core.units import PRICE_ONE
from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.app import PATH
from augury.gateways.ws.books import snapshot_of
from augury.gateways.ws.channels import CHANNELS, ORDERBOOK_DELTA, TICKER
from augury.gateways.ws.connection import Connection, Outbox, Subscription
from augury.gateways.ws.delivery import (
    Delivery,
    send,
    send_ticker,
    sequenced,
    unsequenced,
    wanting,
)
from augury.gateways.ws.protocol import EXTENSION, Socket
from augury.gateways.ws.registry import Registry
from augury.gateways.ws.session import Session

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

VIEWER: Final = 1
"""The member that every client is: a recording is shown whole to whoever may open it."""

QUIET_SECONDS: Final = 0.25
"""The play begins when no command has come for so long, so that a client which subscribes to
several channels one after the other misses nothing of any."""

PATIENCE_SECONDS: Final = 30.0
"""How long the others wait for one client: at the beginning for one that does not stop commanding,
and at full speed for one that takes nothing at all."""

MESSAGES_PER_TURN: Final = 200
DRAIN_SECONDS: Final = 30.0
CLOSE_NORMAL: Final = 1000
END: Final = "end of the recording"

_encode: Final = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct):
    msg: msgspec.Raw = msgspec.Raw(b"{}")


_body: Final = msgspec.json.Decoder(_Envelope)


class Feed(Delivery):
    """Plays ``recording`` once, to everybody who is connected.

    ``speed`` is a factor, or None for as fast as the slowest client reads; one that takes nothing
    for ``patience_seconds`` is closed as a slow reader is. ``markets`` leaves only what is about
    these, and what is about no market.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float | None = 1.0,
        start_ns: int | None = None,
        end_ns: int | None = None,
        markets: frozenset[str] | None = None,
        wait_for_client: bool = True,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        settings = WebSocketSettings(
            public_orderbook=True, connections_per_address=1_000_000, profile="latest"
        )
        super().__init__(Outbox(settings))
        self.played = 0
        """How many messages the play has come to."""
        self._settings = settings
        self._recording = recording
        self._speed = speed
        self._start_ns = max(start_ns or 0, recording.first_ns)
        self._end_ns = end_ns
        known = recording.markets
        self._markets = known if markets is None else known & markets
        self._all_markets = markets is None
        self._state = recording.state_at(self._start_ns) if start_ns else FeedState()
        self._tickers_by_id = {id_: name for name, id_ in self._state.market_ids.items()}
        self._registry = Registry()
        self._connections: dict[Connection, float] = {}
        """The open ones, and when each took something after it had taken no more."""
        self._patience_seconds = patience_seconds
        self._room = asyncio.Event()
        self._wait_for_client = wait_for_client
        self._last_command = 0.0
        self._subscribed = asyncio.Event()

    # --- playing -----------------------------------------------------------------------------

    async def play(self) -> None:
        """From the beginning to the end; returns when the clients have been told."""
        if self._wait_for_client:
            await self._wait_for_subscriptions()
        loop = asyncio.get_running_loop()
        began = loop.time()
        turn = 0
        for record in self._recording.records(self._start_ns, self._end_ns):
            if self._speed is not None:
                due = began + (record.received_ns - self._start_ns) / 1e9 / self._speed
                if due > loop.time():
                    turn = 0
                    await asyncio.sleep(due - loop.time())
            self._publish(record)
            turn += 1
            if turn >= MESSAGES_PER_TURN:
                turn = 0
                await self._give_room()
        await self._end()

    async def _wait_for_subscriptions(self) -> None:
        await self._subscribed.wait()
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._patience_seconds
        while (now := loop.time()) < min(self._last_command + QUIET_SECONDS, latest):  # noqa: ASYNC110
            await asyncio.sleep(min(self._last_command + QUIET_SECONDS, latest) - now)

    async def _give_room(self) -> None:
        """Let the queues be written; at full speed, wait until they are."""
        await asyncio.sleep(0)
        if self._speed is None:
            await self._until_read()

    async def _until_read(self) -> None:
        """Whoever sends commands and never reads is not silent, yet must not hold up the rest."""
        time = asyncio.get_running_loop().time
        began = time()
        while behind := [one for one in self._connections if _is_behind(one)]:
            patient_until = time() - self._patience_seconds
            stuck = [one for one in behind if max(began, self._connections[one]) <= patient_until]
            if stuck:
                for connection in stuck:
                    connection.give_up()
                continue
            oldest = min(max(began, self._connections[one]) for one in behind)
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(oldest + self._patience_seconds):
                    await self._room.wait()

    async def _end(self) -> None:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._until_read()
        except TimeoutError:
            # Whoever has not read by now is closed like the others.
            pass
        for connection in list(self._connections):
            connection.close(CLOSE_NORMAL, END)

    def _publish(self, record: Record) -> None:
        if record.kind != MESSAGE:
            advance(self._state, record)
            return
        self.played += 1
        self._publishing = True
        try:
            seen = self._state.apply(record.data)
            if seen.channel in CHANNELS and (
                self._all_markets or not seen.market or seen.market in self._markets
            ):
                if isinstance(seen.msg.get("market_id"), str):
                    self._tickers_by_id[seen.msg["market_id"]] = seen.market
                self._send(seen, bytes(_body.decode(record.data).msg))
        finally:
            self._publishing = False
        if self._outbox.dirty:
            self.schedule()

    def _send(self, seen: Seen, message: bytes) -> None:
        channel = CHANNELS[seen.channel]
        index = self._registry.by_channel[channel.name]
        kind = _encode(seen.type)[1:-1]
        if channel is ORDERBOOK_DELTA:
            self._send_book(seen, kind, message, index.by_market.get(seen.market, ()))
            return
        receivers: Iterable[Subscription]
        if channel.own:
            receivers = wanting(index.for_account(VIEWER, 0), seen.market)
        elif channel.markets == "ignored":
            receivers = [one for one in index.everywhere if _in_shard(one, seen.market)]
        else:
            receivers = list(index.for_market(seen.market))
        if channel is TICKER:
            send_ticker(kind, seen.market, message, receivers)
        elif channel.sequenced:
            for subscription in receivers:
                subscription.connection.enqueue(sequenced(kind, subscription, message))
        else:
            send(kind, message, receivers)

    def _send_book(
        self, seen: Seen, kind: bytes, message: bytes, receivers: Iterable[Subscription]
    ) -> None:
        book = self._state.books.get(seen.market)
        if book is None or book.stale:
            # Nobody has a book that this could change; the next snapshot tells everything.
            return
        in_yes_price = b""
        for subscription in receivers:
            if subscription.use_yes_price:
                in_yes_price = in_yes_price or (
                    self._snapshot(book, True)
                    if seen.type == "orderbook_snapshot"
                    else _delta_in_yes_price(seen.msg)
                )
                frame = sequenced(kind, subscription, in_yes_price)
            else:
                frame = sequenced(kind, subscription, message)
            subscription.connection.enqueue(frame)

    # --- what the gateway asks of whoever has the messages -------------------------------------

    def knows(self, ticker: str) -> bool:
        return ticker in self._markets

    def ticker_of(self, market_id: str) -> str | None:
        return self._tickers_by_id.get(market_id)

    def flush(self, connection: Connection) -> None:
        super().flush(connection)
        self._room.set()

    def _took(self, connection: Connection) -> None:
        """The client has read something: there is room again."""
        self._connections[connection] = asyncio.get_running_loop().time()
        self.flush(connection)

    def _flush_all(self) -> None:
        super()._flush_all()
        self._room.set()

    def _send_snapshot(self, subscription: Subscription, ticker: str) -> None:
        connection = subscription.connection
        if subscription.channel is ORDERBOOK_DELTA:
            if subscription.wants(ticker):
                self._registry.index(subscription).add_market(subscription, ticker)
            book = self._state.books.get(ticker)
            if book is not None and not book.stale:
                message = self._snapshot(book, subscription.use_yes_price)
                connection.enqueue(sequenced(b"orderbook_snapshot", subscription, message))
        elif subscription.channel is TICKER and ticker in self._state.tickers:
            message = bytes(_body.decode(self._state.tickers[ticker]).msg)
            connection.enqueue(unsequenced(b"ticker", subscription.sid, message))

    def _snapshot(self, book: Book, use_yes_price: bool) -> bytes:
        bids = sorted(book.yes.items())
        asks = sorted((PRICE_ONE - price, quantity) for price, quantity in book.no.items())
        market_id = self._state.market_ids.get(book.ticker, "")
        return snapshot_of(book.ticker, market_id, bids, asks, use_yes_price)

    # --- connections -------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Any client may come in, signed or not."""
        if scope["type"] != "websocket":
            await _answer(send, "http", 404, "only the stream is played")
            return
        await receive()
        if scope["path"] != PATH:
            await _answer(send, "websocket.http", 404, f"the stream is at {PATH}")
            return
        await send({"type": "websocket.accept"})
        socket: Socket = scope["extensions"][EXTENSION]
        settings = self._settings
        connection = Connection(socket, self._outbox, VIEWER, 0, settings.profile)
        loop = asyncio.get_running_loop()
        session = Session(
            connection, self._registry, self, settings, self._outbox.counters, loop.time
        )
        self._connections[connection] = loop.time()
        try:
            socket.open(
                lambda: self._took(connection),
                settings.ping_interval,
                settings.idle_timeout,
                settings.close_timeout,
            )
            while (message := await receive())["type"] == "websocket.receive":
                if not connection.closed:
                    session.handle(message.get("text"))
                    self._last_command = loop.time()
                    if connection.subscriptions:
                        self._subscribed.set()
                await asyncio.sleep(0)
        finally:
            connection.discard()
            for subscription in connection.subscriptions.values():
                self._registry.index(subscription).remove(subscription)
            del self._connections[connection]
            self._room.set()


def _is_behind(connection: Connection) -> bool:
    return not connection.closed and bool(
        connection.socket.paused
        or connection.pending
        or connection.waiting
        or connection.late_tickers
    )


def _in_shard(subscription: Subscription, market: str) -> bool:
    return subscription.shard is None or subscription.shard.holds(market)


def _delta_in_yes_price(msg: Mapping[str, Any]) -> bytes:
    """A recorded delta for somebody who asked for one price on both sides."""
    changed = dict(msg)
    if msg.get("side") == "no":
        price = PRICE_ONE - price_units(str(msg["price_dollars"]))
        changed["price"] = price_cents(price)
        changed["price_dollars"] = price_dollars(price)
    return _encode(changed)


async def _answer(send: Send, kind: str, status: int, text: str) -> None:
    body = _encode({"error": {"code": "not_found", "message": text}})
    headers = [(b"content-type", b"application/json")]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
