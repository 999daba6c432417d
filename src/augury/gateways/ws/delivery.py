"""From messages to queues, and from queues to sockets: what does not care where messages are from.

``Delivery`` empties the queues of connections and gives every subscription the snapshots it is
owed. ``Publisher`` is one for a live exchange; a recording that is played back is another.

A subscription joins a market's deltas in the very step that takes the snapshot, between two
events, so that nothing is missing between the two and nothing is in both. Snapshots are taken
when the connection has room for them: a thousand books that nobody reads yet would fill the
queue of a healthy client.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from augury.gateways.ws.connection import (
    CLOSE_INTERNAL_ERROR,
    Connection,
    Outbox,
    Subscription,
)
from augury.gateways.ws.errors import INTERNAL_ERROR, TEXTS
from augury.gateways.ws.frames import text_frame

SNAPSHOT_BYTES_PER_TURN: Final = 64 * 1024
"""How much of one connection's snapshots is made before others get their turn."""

_log: Final = logging.getLogger("augury.gateways.ws")


class Delivery(ABC):
    """Empties the queues of connections. Belongs to the event loop's thread; nothing waits."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._publishing = False
        """Whether an event is being published: the state is then ahead of what is queued."""

    @abstractmethod
    def knows(self, ticker: str) -> bool:
        """Whether there is such a market."""

    @abstractmethod
    def ticker_of(self, market_id: str) -> str | None:
        """The ticker behind a public id; None when there is no such market (any more)."""

    @abstractmethod
    def _send_snapshot(self, subscription: Subscription, ticker: str) -> None:
        """Queue the present of one market, and enter the subscription for its changes. Nothing
        happens when the market is gone."""

    # --- emptying the queues -----------------------------------------------------------------

    def schedule(self) -> None:
        """Flush at the end of the loop's turn, so that frames that come together leave so."""
        if not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush_all)

    def flush(self, connection: Connection) -> None:
        """Write what is queued for one connection, then snapshots it is waiting for.

        Later, when an event is being published: the state is ahead of what has been queued.
        """
        if connection.closed:
            return
        if self._publishing:
            self._mark(connection)
            return
        if connection.write_pending() and connection.waiting:
            try:
                self._send_snapshots(connection)
            except Exception:
                # A defect; what one connection asked for must not cost the others theirs.
                _log.exception("a snapshot could not be made")
                connection.close(CLOSE_INTERNAL_ERROR, TEXTS[INTERNAL_ERROR])
                return
            connection.write_pending()
            if connection.waiting and not connection.socket.paused:
                self._mark(connection)
        if self._outbox.dirty:
            self.schedule()

    def _flush_all(self) -> None:
        self._scheduled = False
        dirty = self._outbox.dirty
        self._outbox.dirty = []
        for connection in dirty:
            connection.dirty = False
            if connection.waiting:
                self.flush(connection)
            elif not connection.closed:
                connection.write_pending()
        if self._outbox.dirty:
            self.schedule()

    def _mark(self, connection: Connection) -> None:
        if not connection.dirty:
            connection.dirty = True
            self._outbox.dirty.append(connection)

    # --- snapshots ---------------------------------------------------------------------------

    def request_snapshots(self, subscription: Subscription, tickers: Iterable[str]) -> None:
        """Send a snapshot of each market as soon as there is room; deltas follow it."""
        known = set(subscription.awaiting)
        subscription.awaiting.extend(ticker for ticker in tickers if ticker not in known)
        if subscription.awaiting:
            subscription.connection.waiting[subscription] = None
            self._mark(subscription.connection)

    def _send_snapshots(self, connection: Connection) -> None:
        while connection.waiting and connection.pending_bytes < SNAPSHOT_BYTES_PER_TURN:
            subscription = next(iter(connection.waiting))
            if not subscription.awaiting:
                del connection.waiting[subscription]
                continue
            self._send_snapshot(subscription, subscription.awaiting.popleft())


def send(kind: bytes, message: bytes, subscriptions: Iterable[Subscription]) -> None:
    """Queue one message; connections whose sid is the same share the frame."""
    frames: dict[int, bytes] = {}
    for subscription in subscriptions:
        sid = subscription.sid
        frame = frames.get(sid)
        if frame is None:
            frame = frames[sid] = unsequenced(kind, sid, message)
        subscription.connection.enqueue(frame)


def send_ticker(
    kind: bytes, ticker: str, message: bytes, subscriptions: Iterable[Subscription]
) -> None:
    """The same for the newest state of a market, which makes an older one superfluous."""
    frames: dict[int, bytes] = {}
    for subscription in subscriptions:
        sid = subscription.sid
        frame = frames.get(sid)
        if frame is None:
            frame = frames[sid] = unsequenced(kind, sid, message)
        subscription.connection.enqueue_ticker(sid, ticker, frame)


def wanting(subscriptions: Iterable[Subscription], ticker: str) -> list[Subscription]:
    """Those of some subscriptions that want to hear about a market."""
    return [subscription for subscription in subscriptions if subscription.wants(ticker)]


def unsequenced(kind: bytes, sid: int, message: bytes) -> bytes:
    """The frame of a message without ``seq``."""
    return text_frame(b'{"type":"%b","sid":%d,"msg":%b}' % (kind, sid, message))


def sequenced(kind: bytes, subscription: Subscription, message: bytes) -> bytes:
    """The frame of a message that takes the subscription's next ``seq``."""
    return text_frame(
        b'{"type":"%b",%b%d,"msg":%b}' % (kind, subscription.head, subscription.next_seq(), message)
    )
