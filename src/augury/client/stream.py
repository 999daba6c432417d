"""The WebSocket half of the client: a socket that stays up.

A lost connection is opened again with growing pauses and every subscription is made again. The
reader is told about both, because what happened in between was missed and must be read by REST
or arrives as a new snapshot.
"""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from augury.client.signing import Signer

WS_PATH = "/trade-api/ws/v2"

MARKETS_PER_COMMAND = 1000
"""A command that names more is sent in parts, because servers bound the size of a message."""

MARKET_NOT_FOUND = 16
TOO_MANY_REQUESTS = 27

PATIENCE = 1.0
"""Seconds before a command is sent again that came too soon after others."""


class Received(NamedTuple):
    """One message of the exchange. ``msg`` is empty when the message has no body."""

    type: str
    sid: int | None
    seq: int | None
    msg: dict[str, Any]
    raw: dict[str, Any]
    frame: bytes = b""
    """Exactly what was received."""


class Connected(NamedTuple):
    """The socket is open and all subscriptions have been asked for. ``attempt`` counts from 1."""

    attempt: int


class Disconnected(NamedTuple):
    """The socket is gone; the stream is about to open it again."""

    reason: str


StreamEvent = Received | Connected | Disconnected


class StreamRefused(Exception):
    """The exchange refused the handshake for a reason that trying again does not change."""


class Subscription:
    """What was asked for; ``sids`` maps each channel to its number on the present connection."""

    unasked: list[str]
    """Markets that are to be added once the exchange has answered on this connection."""

    def __init__(
        self, channels: tuple[str, ...], market_tickers: list[str], options: dict[str, Any]
    ) -> None:
        self.channels = channels
        self.market_tickers = market_tickers
        self.options = options
        self.sids: dict[str, int] = {}
        self.unasked = []

    @property
    def answered(self) -> bool:
        """Whether every channel has its number on the present connection."""
        return len(self.sids) == len(self.channels)

    def params(self) -> dict[str, Any]:
        """Of the command that subscribes; names no more markets than fit into one."""
        params: dict[str, Any] = {"channels": list(self.channels), **self.options}
        if self.market_tickers:
            params["market_tickers"] = self.market_tickers[:MARKETS_PER_COMMAND]
        return params


class _Asked(NamedTuple):
    """A command that is about a subscription, to understand the answer to it."""

    subscription: Subscription
    command: str
    params: dict[str, Any]


class GrowingPauses:
    """Seconds to wait before the next attempt: twice as long each time, up to ``longest``.

    Each is varied by up to 30 %, because many clients lose the same server at once; without
    chance they would all come back at the same moment.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._pause = first

    def next(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, self._longest)
        return pause * random.uniform(0.7, 1.3)

    def reset(self) -> None:
        """The connection works: begin anew after it."""
        self._pause = self._first


class Stream:
    """Iterate over it to receive events; it runs until the iteration is left.

        stream = Stream("http://127.0.0.1:8080", signer)
        await stream.subscribe("ticker", "trade")
        async for event in stream:
            ...

    Subscriptions may be made before the iteration starts and while it runs. One task iterates.
    Raises ``StreamRefused`` when the handshake is answered with 400, 401, 403 or 404.
    """

    def __init__(
        self,
        url: str,
        signer: Signer | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        first_pause: float = 0.2,
        longest_pause: float = 5.0,
        proxy: bool = True,
    ) -> None:
        parts = urlsplit(url)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        path = parts.path if parts.path.endswith("/ws/v2") else WS_PATH
        self._url = f"{scheme}://{parts.netloc}{path}"
        self._path = path
        self._signer = signer
        self._ssl = ssl_context
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._proxy = proxy
        self._socket: ClientConnection | None = None
        self._subscriptions: list[Subscription] = []
        self._asked: dict[int, _Asked] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        """Commands that are sent again in a moment."""
        self._next_id = 0

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def subscribe(
        self, *channels: str, market_tickers: Sequence[str] = (), **options: Any
    ) -> Subscription:
        """Ask for channels now and after every reconnect. ``options`` are further params."""
        subscription = Subscription(channels, list(market_tickers), options)
        self._subscriptions.append(subscription)
        await self._ask(subscription)
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Stop it for good."""
        self._subscriptions.remove(subscription)
        await self._drop(subscription)

    async def renew(self, subscription: Subscription) -> None:
        """Leave and ask again on the same socket, for a fresh snapshot."""
        await self._drop(subscription)
        await self._ask(subscription)

    async def add_markets(self, subscription: Subscription, tickers: Sequence[str]) -> None:
        """Widen a subscription that names its markets."""
        known = set(subscription.market_tickers)
        new = [ticker for ticker in dict.fromkeys(tickers) if ticker not in known]
        subscription.market_tickers.extend(new)
        subscription.unasked.extend(new)
        if subscription.answered:
            await self._ask_for_more(subscription)

    async def remove_markets(self, subscription: Subscription, tickers: Sequence[str]) -> None:
        """Narrow a subscription that names its markets; it lives on when none is left."""
        gone = [ticker for ticker in tickers if ticker in subscription.market_tickers]
        for ticker in gone:
            self._forget_market(subscription, ticker)
        if gone and subscription.answered:
            await self._update(subscription, "delete_markets", gone)

    async def send(self, command: str, params: dict[str, Any] | None = None) -> int:
        """Send a command; returns the id its answer will carry, 0 when there is no socket."""
        if self._socket is None:
            return 0
        self._next_id += 1
        frame: dict[str, Any] = {"id": self._next_id, "cmd": command}
        if params is not None:
            frame["params"] = params
        try:
            await self._socket.send(json.dumps(frame))
        except WebSocketException:
            return 0  # the reading side notices and opens a new socket
        return self._next_id

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self.events()

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """The same as iterating; close it (``contextlib.aclosing``) to close the socket."""
        attempt = 0
        pauses = GrowingPauses(self._first_pause, self._longest_pause)
        while True:
            attempt += 1
            try:
                async with connect(
                    self._url,
                    additional_headers=self._handshake_headers(),
                    ssl=self._ssl,
                    proxy=True if self._proxy else None,
                    compression=None,
                    max_size=None,
                ) as socket:
                    self._socket = socket
                    for subscription in self._subscriptions:
                        await self._ask(subscription)
                    yield Connected(attempt)
                    with contextlib.suppress(ConnectionClosed):
                        while True:
                            event = self._read(await socket.recv(decode=False))
                            pauses.reset()
                            await self._follow_up(event)
                            yield event
                    reason = f"closed: {socket.close_code} {socket.close_reason}".rstrip()
            except InvalidStatus as error:
                status = error.response.status_code
                if status in {400, 401, 403, 404}:
                    text = bytes(error.response.body or b"")[:200].decode(errors="replace")
                    raise StreamRefused(f"handshake answered {status} {text}".rstrip()) from error
                reason = f"handshake answered {status}"
            except (OSError, TimeoutError, WebSocketException) as error:
                reason = f"{type(error).__name__}: {error}"
            finally:
                self._socket = None
                self._asked.clear()
                for task in self._waiting:
                    task.cancel()
                for subscription in self._subscriptions:
                    subscription.sids.clear()
            yield Disconnected(reason)
            await asyncio.sleep(pauses.next())

    def _handshake_headers(self) -> dict[str, str]:
        return self._signer.headers("GET", self._path) if self._signer else {}

    async def _ask(self, subscription: Subscription) -> None:
        subscription.unasked = subscription.market_tickers[MARKETS_PER_COMMAND:]
        await self._send_about(subscription, "subscribe", subscription.params())

    async def _ask_for_more(self, subscription: Subscription) -> None:
        """Add the markets that did not go into the first command, or came after it."""
        more, subscription.unasked = subscription.unasked, []
        for start in range(0, len(more), MARKETS_PER_COMMAND):
            part = more[start : start + MARKETS_PER_COMMAND]
            await self._update(subscription, "add_markets", part)

    async def _update(self, subscription: Subscription, action: str, tickers: list[str]) -> None:
        for sid in list(subscription.sids.values()):
            params = {"sid": sid, "action": action, "market_tickers": tickers}
            await self._send_about(subscription, "update_subscription", params)

    async def _send_about(
        self, subscription: Subscription, command: str, params: dict[str, Any]
    ) -> None:
        number = await self.send(command, params)
        if number:
            self._asked[number] = _Asked(subscription, command, params)

    async def _drop(self, subscription: Subscription) -> None:
        if subscription.sids:
            await self.send("unsubscribe", {"sids": sorted(subscription.sids.values())})
            subscription.sids.clear()

    async def _follow_up(self, event: Received) -> None:
        """What an answer makes necessary."""
        asked = self._asked.get(event.raw.get("id", 0))
        if asked is None:
            return
        if event.type in {"subscribed", "ok"}:
            if asked.subscription.answered:
                await self._ask_for_more(asked.subscription)
            if event.type == "ok":
                # Done with. A stream that lives for months adds many markets.
                self._asked.pop(event.raw["id"], None)
        elif event.type == "error" and event.msg.get("code") == MARKET_NOT_FOUND:
            # One market that has vanished fails the whole command, and after a reconnect nobody
            # would be there to ask for the others.
            unknown = event.msg.get("market_ticker")
            named = asked.params.get("market_tickers") or []
            left = [ticker for ticker in named if ticker != unknown]
            self._forget_market(asked.subscription, unknown)
            if left and len(left) < len(named):
                params = {**asked.params, "market_tickers": left}
                await self._send_about(asked.subscription, asked.command, params)
        elif event.type == "error" and event.msg.get("code") == TOO_MANY_REQUESTS:
            task = asyncio.create_task(self._ask_later(asked))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _ask_later(self, asked: _Asked) -> None:
        await asyncio.sleep(PATIENCE)
        await self._send_about(*asked)

    def _forget_market(self, subscription: Subscription, ticker: Any) -> None:
        for tickers in (subscription.market_tickers, subscription.unasked):
            if ticker in tickers:
                tickers.remove(ticker)

    def _read(self, frame: str | bytes) -> Received:
        data = frame.encode() if isinstance(frame, str) else frame
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            # Not of this protocol; whoever wants to know finds the bytes in ``frame``.
            raw = {}
        msg = raw.get("msg")
        if not isinstance(msg, dict):
            msg = {}
        kind = str(raw.get("type", ""))
        sid = raw.get("sid")
        if kind == "subscribed":
            sid = msg.get("sid")
            asked = self._asked.get(raw.get("id", 0))
            if asked is not None and sid is not None:
                asked.subscription.sids[str(msg.get("channel"))] = sid
        elif kind == "ok" and sid is not None:
            # A channel that another subscription has already: they share the number.
            asked = self._asked.get(raw.get("id", 0))
            if asked is not None and asked.command == "subscribe":
                for channel in asked.subscription.channels[:1]:
                    asked.subscription.sids.setdefault(channel, sid)
        return Received(kind, sid, raw.get("seq"), msg, raw, data)

    def subscription_of(self, event: Received) -> Subscription | None:
        """What an answer, good or bad, is about; None for everything that is no answer."""
        asked = self._asked.get(event.raw.get("id", 0))
        return None if asked is None else asked.subscription
