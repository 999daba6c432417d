"""Records the stream of any exchange that speaks the public protocol.

It asks only what any client may ask: the channels, and by REST for the list of markets when all
of them are wanted. Lost connections are opened again, every subscription is made again, and a
``seq`` that is missing makes the recorder ask for fresh snapshots. What could not be received is
recorded as such.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from augury.client.recording import RecordingWriter
from augury.client.rest import API_PATH, ApiError, Client, ConnectionFailed
from augury.client.signing import Signer
from augury.client.stream import (
    MARKET_NOT_FOUND,
    TOO_MANY_REQUESTS,
    Connected,
    Disconnected,
    Received,
    Stream,
    StreamEvent,
    StreamRefused,
    Subscription,
)

ORDERBOOK: Final = "orderbook_delta"
TICKER: Final = "ticker"
LIFECYCLE: Final = "market_lifecycle_v2"
LIFECYCLES: Final = frozenset({LIFECYCLE, "multivariate_market_lifecycle"})
"""What tells of new markets; the second, of combos, only when it was asked for."""

PUBLIC_CHANNELS: Final = (TICKER, "trade", LIFECYCLE)
"""What is recorded without a key when nothing is said."""

MARKET_CHANNELS: Final = (ORDERBOOK, *PUBLIC_CHANNELS)
"""The same with a key."""

FILTERED: Final = frozenset(
    {ORDERBOOK, TICKER, "ticker_v2", "trade", "fill", "user_orders", "market_positions"}
)
"""The channels that can be limited to markets."""

ALL: Final = None
"""In place of a list of markets."""

LISTED: Final = ("unopened", "open", "paused")
"""The statuses of markets whose books can change."""

REFUSED_PAUSE: Final = 5.0
"""Seconds before a handshake is tried again that was refused after it had worked before."""


class RecorderRefused(Exception):
    """The exchange does not let us record what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderOptions:
    """What to record, and how the files are cut."""

    channels: tuple[str, ...] = ()
    """Empty: ``MARKET_CHANNELS``, or ``PUBLIC_CHANNELS`` without a key."""
    markets: tuple[str, ...] | None = ALL
    rest_url: str = ""
    """Where to ask for the list of markets; empty: beside the stream."""
    rotate_bytes: int | None = 256 * 1024 * 1024
    rotate_seconds: float | None = None
    flush_seconds: float = 1.0
    """What a recorder that is killed may lose."""


class Recorder:
    """Records ``url`` into ``directory`` from ``run`` until it is cancelled.

    ``tell`` hears what an operator should know, one sentence at a time; ``on_start`` is called
    when the first connection is open.
    """

    def __init__(
        self,
        url: str,
        directory: str | Path,
        options: RecorderOptions | None = None,
        *,
        signer: Signer | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: bool = True,
        tell: Callable[[str], None] = lambda text: None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._options = options or RecorderOptions()
        self._signer = signer
        self._ssl = ssl_context
        self._proxy = proxy
        self._tell = tell
        self._on_start = on_start
        self._url = url
        self._rest_url = self._options.rest_url or _rest_url(url)
        self._directory = directory
        default = PUBLIC_CHANNELS if signer is None else MARKET_CHANNELS
        self.channels = self._options.channels or default
        self._subscriptions: dict[str, Subscription] = {}
        self._taken: set[str] = set()
        """The channels that the exchange has ever let us have."""
        self._listing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Record. Raises ``RecorderRefused`` for what trying again does not change at the start,
        and ``RecordingError`` when the files cannot be written."""
        options = self._options
        writer = RecordingWriter(
            self._directory,
            rotate_bytes=options.rotate_bytes,
            rotate_seconds=options.rotate_seconds,
        )
        with writer:
            flushing = asyncio.create_task(self._flush(writer))
            recording = asyncio.create_task(self._record(writer))
            try:
                await asyncio.wait({flushing, recording}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (flushing, recording):
                    task.cancel()
                await asyncio.wait({flushing, recording})
            for task in (flushing, recording):
                if not task.cancelled():
                    task.result()

    async def _flush(self, writer: RecordingWriter) -> None:
        while True:
            await asyncio.sleep(self._options.flush_seconds)
            writer.flush()

    # --- the stream --------------------------------------------------------------------------

    async def _record(self, writer: RecordingWriter) -> None:
        is_open = trying = False
        try:
            async for event in self._events():
                if isinstance(event, Received):
                    if not is_open:
                        continue
                    seen = writer.message(event.frame)
                    if seen.expected_seq is not None and seen.sid is not None:
                        await self._resync(seen.sid, seen.expected_seq, seen.seq)
                    else:
                        await self._react(event)
                elif isinstance(event, Connected):
                    is_open = True
                    writer.opened({"url": self._url, "channels": list(self.channels)})
                    if self._listing is None:
                        self._on_start()
                    else:
                        self._tell("connected again")
                    trying = False
                    # At the first time too: a market may be listed between our asking for the
                    # list and our hearing of new ones. Beside the stream, which must be read.
                    self._listing = asyncio.create_task(self._list_what_is_new())
                else:
                    if is_open:
                        is_open = False
                        writer.closed(event.reason)
                    if not trying:
                        trying = True
                        self._tell(f"no connection ({event.reason}); trying again")
        finally:
            if self._listing is not None:
                self._listing.cancel()
            writer.closed("the recorder stopped")

    async def _events(self) -> AsyncGenerator[StreamEvent, None]:
        """The stream's events, also after a refusal that comes once it has worked."""
        self._stream = Stream(
            self._url, self._signer, ssl_context=self._ssl, proxy=self._proxy, longest_pause=10.0
        )
        await self._subscribe()
        connected = False
        while True:
            try:
                async with contextlib.aclosing(self._stream.events()) as events:
                    async for event in events:
                        connected = connected or isinstance(event, Connected)
                        yield event
            except StreamRefused as error:
                if not connected:
                    raise RecorderRefused(str(error)) from None
                yield Disconnected(str(error))
                await asyncio.sleep(REFUSED_PAUSE)

    async def _subscribe(self) -> None:
        """Ask for everything; it is sent with every connection."""
        markets = self._options.markets
        listed: list[str] = []
        if markets is ALL and ORDERBOOK in self.channels:
            listed = await self._listed_markets()
            if LIFECYCLE not in self.channels:
                # It tells of markets that are listed later.
                self.channels = (*self.channels, LIFECYCLE)
        for channel in self.channels:
            if channel == ORDERBOOK:
                tickers: Sequence[str] = listed if markets is ALL else markets
                if not tickers:
                    # An empty list would be refused; the first market that is listed begins it.
                    continue
            else:
                tickers = (markets or ()) if channel in FILTERED else ()
            await self._open(channel, tickers)

    async def _open(self, channel: str, tickers: Sequence[str]) -> None:
        # Each channel by itself: the answer to a command tells of the first fault in it only.
        first_state: dict[str, Any] = {}
        if channel == TICKER and tickers:
            first_state["send_initial_snapshot"] = True
        self._subscriptions[channel] = await self._stream.subscribe(
            channel, market_tickers=tickers, **first_state
        )

    async def _react(self, event: Received) -> None:
        if event.type == "subscribed":
            self._taken.add(str(event.msg.get("channel")))
        elif event.type == "error":
            self._refused(event)
        elif event.type in LIFECYCLES and self._options.markets is ALL:
            ticker = event.msg.get("market_ticker")
            kind = event.msg.get("event_type")
            if isinstance(ticker, str) and ORDERBOOK in self.channels:
                if kind == "created":
                    await self._add([ticker])
                elif kind == "settled" and ORDERBOOK in self._subscriptions:
                    books = self._subscriptions[ORDERBOOK]
                    await self._stream.remove_markets(books, [ticker])

    def _refused(self, event: Received) -> None:
        code, text = event.msg.get("code"), event.msg.get("msg")
        subscription = self._stream.subscription_of(event)
        if subscription is None:
            self._tell(f"the exchange reports error {code}: {text}")
            return
        channel = ", ".join(subscription.channels)
        market = event.msg.get("market_ticker")
        told = f"{channel}: the exchange answers error {code}, {text}"
        if market is not None:
            told += f" ({market})"
        if code == MARKET_NOT_FOUND and subscription.market_tickers:
            self._tell(f"{told}; recording the others")
        elif code == TOO_MANY_REQUESTS:
            self._tell(f"{told}; asking again")
        elif self._taken.isdisjoint(subscription.channels):
            raise RecorderRefused(told)
        else:
            self._tell(told)

    async def _resync(self, sid: int, expected: int, received: int | None) -> None:
        self._tell(f"seq {received} came in place of {expected}: asking for fresh snapshots")
        for subscription in self._subscriptions.values():
            if sid in subscription.sids.values():
                await self._stream.renew(subscription)

    # --- all markets -------------------------------------------------------------------------

    async def _add(self, tickers: Sequence[str]) -> None:
        books = self._subscriptions.get(ORDERBOOK)
        if books is None:
            await self._open(ORDERBOOK, tickers)
        else:
            await self._stream.add_markets(books, tickers)

    async def _list_what_is_new(self) -> None:
        """Markets that were created while the connection was away."""
        if self._options.markets is not ALL or ORDERBOOK not in self.channels:
            return
        try:
            listed = await self._listed_markets()
        except RecorderRefused as error:
            self._tell(f"{error}; going on with the markets that are known")
            return
        if listed:
            await self._add(listed)

    async def _listed_markets(self) -> list[str]:
        """The tickers of all markets that trade or will."""
        found: dict[str, None] = {}
        verify: ssl.SSLContext | bool = True if self._ssl is None else self._ssl
        async with Client(
            self._rest_url, self._signer, verify=verify, trust_env=self._proxy
        ) as client:
            for status in LISTED:
                try:
                    async for market in client.markets(status=status, limit=1000):
                        found[str(market["ticker"])] = None
                except ApiError as error:
                    # Not every exchange knows every status.
                    if error.status != 400:
                        raise RecorderRefused(f"no list of markets: {error}") from None
                except ConnectionFailed as error:
                    raise RecorderRefused(f"no list of markets: {error}") from None
        return list(found)


def _rest_url(url: str) -> str:
    """``ws://host/trade-api/ws/v2`` -> ``http://host/trade-api/v2``."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc}{API_PATH}"
