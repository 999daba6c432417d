"""The outgoing side of one connection: a bounded queue, and what happens when it is full.

Nothing here waits. Frames collect in ``pending`` while an engine event is published and leave in
one write at the end of the loop's turn. While the operating system takes no more they stay;
past the bound the connection gets error 25 and is closed, and nobody else notices
(websocket.md, section 2).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from augury.gateways.settings import WebSocketSettings
from augury.gateways.ws.channels import Channel
from augury.gateways.ws.errors import BUFFER_OVERFLOW, TEXTS, CommandError
from augury.gateways.ws.frames import text_frame
from augury.gateways.ws.protocol import Socket
from augury.gateways.ws.replies import refused
from augury.gateways.ws.sharding import Shard

CLOSE_POLICY: Final = 1008
"""The close code for a slow reader and for a key that was deleted."""

CLOSE_INTERNAL_ERROR: Final = 1011

WRITE_SIZE: Final = 128 * 1024
"""How much is handed to the transport before asking whether it has had enough."""

_OVERFLOW: Final = text_frame(refused(None, None, CommandError(BUFFER_OVERFLOW)))


class Subscription:
    """One channel on one connection. ``tickers`` None means all markets.

    The order of ``tickers`` is that in which they were named; the values mean nothing.
    """

    __slots__ = (
        "awaiting",
        "channel",
        "connection",
        "head",
        "seq",
        "shard",
        "sid",
        "skip_ticker_ack",
        "tickers",
        "use_yes_price",
    )

    def __init__(
        self,
        connection: "Connection",
        channel: Channel,
        sid: int,
        tickers: dict[str, None] | None,
        skip_ticker_ack: bool,
        use_yes_price: bool,
    ) -> None:
        self.connection = connection
        self.channel = channel
        self.sid = sid
        self.tickers = tickers
        self.skip_ticker_ack = skip_ticker_ack
        self.use_yes_price = use_yes_price
        self.shard: Shard | None = None
        """The share of the markets that a sharded channel is limited to; None for all."""
        self.seq = 0
        self.head = b'"sid":%d,"seq":' % sid
        """The part of a sequenced message that never changes."""
        self.awaiting: deque[str] = deque()
        """Markets whose snapshot is still to be sent, in order."""

    def wants(self, ticker: str) -> bool:
        return self.tickers is None or ticker in self.tickers

    def next_seq(self) -> int:
        """The number of the next sequenced message; the first is 1."""
        self.seq += 1
        return self.seq


@dataclass(slots=True)
class Counters:
    """What the gateway has done since it started; metrics read it."""

    messages_sent: int = 0
    bytes_sent: int = 0
    commands: int = 0
    command_errors: int = 0
    overflows: int = 0


@dataclass(slots=True)
class Outbox:
    """What all connections of a gateway share: the list of those that have something to send."""

    settings: WebSocketSettings
    counters: Counters = field(default_factory=Counters)
    dirty: "list[Connection]" = field(default_factory=list)


class Connection:
    """One client. ``member_id`` and ``api_key_id`` are 0 when it is anonymous.

    ``subaccount`` is the only one that its key is for, or -1.
    """

    __slots__ = (
        "_bytes_limit",
        "_had_room",
        "_messages_limit",
        "_outbox",
        "_queue_bytes",
        "_queue_messages",
        "_waited",
        "api_key_id",
        "by_channel",
        "closed",
        "dirty",
        "late_bytes",
        "late_tickers",
        "member_id",
        "next_sid",
        "pending",
        "pending_bytes",
        "profile",
        "socket",
        "subaccount",
        "subscriptions",
        "waiting",
    )

    def __init__(
        self,
        socket: Socket,
        outbox: Outbox,
        member_id: int,
        api_key_id: int,
        profile: str,
        subaccount: int = -1,
    ) -> None:
        self.socket = socket
        self.member_id = member_id
        self.subaccount = subaccount
        self.api_key_id = api_key_id
        self.profile = profile
        self.subscriptions: dict[int, Subscription] = {}
        self.by_channel: dict[str, Subscription] = {}
        self.next_sid = 1
        self.pending: list[bytes] = []
        self.pending_bytes = 0
        self.late_tickers: dict[tuple[int, str], bytes] = {}
        """Under pressure only: the newest ticker frame by (sid, market), sent when it is over."""
        self.late_bytes = 0
        """What they hold; it counts against the bound, because there may be very many markets."""
        self.waiting: dict[Subscription, None] = {}
        """Subscriptions that still owe snapshots, in order."""
        self.dirty = False
        self.closed = False
        self._outbox = outbox
        self._queue_messages = outbox.settings.queue_messages
        self._queue_bytes = outbox.settings.queue_bytes
        self._messages_limit = self._queue_messages
        self._bytes_limit = self._queue_bytes
        self._had_room = True
        """Whether the queue was within its bound when this turn of the loop began."""
        self._waited = (0, 0)
        """What waited then: messages and bytes."""

    def may_see(self, member_id: int, subaccount: int) -> bool:
        """Whether what is private to this subaccount is the client's own."""
        return self.member_id == member_id and self.subaccount in (-1, subaccount)

    def enqueue(self, frame: bytes) -> None:
        """Queue a frame behind all others. Safe in the middle of a walk over subscriptions."""
        if self.closed:
            return
        if not self.dirty:
            self._begin_turn()
        pending = self.pending
        pending.append(frame)
        self.pending_bytes += len(frame)
        if (
            self.pending_bytes + self.late_bytes > self._bytes_limit
            or len(pending) + len(self.late_tickers) > self._messages_limit
        ):
            self._relieve()

    def enqueue_ticker(self, sid: int, ticker: str, frame: bytes) -> None:
        """Like ``enqueue``, but under pressure a newer ticker replaces an older one."""
        if self.closed:
            return
        if not self.socket.paused:
            self.enqueue(frame)
            return
        if not self.dirty:
            self._begin_turn()
        older = self.late_tickers.get((sid, ticker))
        self.late_tickers[sid, ticker] = frame
        self.late_bytes += len(frame) - (0 if older is None else len(older))
        if self._is_full():
            self._relieve()

    def _begin_turn(self) -> None:
        """The first message of a turn of the loop: look at what is left of the turns before.

        Nobody can read while the loop is busy with one event, and an event may mean more messages
        than the queue holds (a member who cancels everything). So the bound is for what waits from
        turn to turn; what one turn brings beyond it is let in once, until it has been read.
        """
        self.dirty = True
        self._outbox.dirty.append(self)
        messages = len(self.pending) + len(self.late_tickers)
        size = self.pending_bytes + self.late_bytes
        if messages <= self._queue_messages and size <= self._queue_bytes:
            self._had_room = True
            self._messages_limit = self._queue_messages
            self._bytes_limit = self._queue_bytes
        elif self._had_room:
            self._had_room = False
            messages_before, size_before = self._waited
            self._messages_limit += messages - messages_before
            self._bytes_limit += size - size_before
        self._waited = (messages, size)

    def write_pending(self) -> bool:
        """Hand over what the operating system takes; True when nothing is left."""
        socket = self.socket
        if socket.paused:
            return not (self.pending or self.late_tickers)
        if self.late_tickers:
            self._queue_late_tickers()
        pending = self.pending
        count = len(pending)
        if count == 0:
            return True
        if self.pending_bytes > WRITE_SIZE:
            return self._write_in_pieces()
        counters = self._outbox.counters
        counters.messages_sent += count
        counters.bytes_sent += self.pending_bytes
        self.pending_bytes = 0
        # The list first: writing may find out that the peer takes no more.
        self.pending = []
        try:
            socket.write(pending[0] if count == 1 else b"".join(pending))
        except RuntimeError:
            self._lost()
        return True

    def _write_in_pieces(self) -> bool:
        socket = self.socket
        pending = self.pending
        counters = self._outbox.counters
        start = 0
        while start < len(pending) and not socket.paused:
            end = start
            size = 0
            while end < len(pending) and size < WRITE_SIZE:
                size += len(pending[end])
                end += 1
            counters.messages_sent += end - start
            counters.bytes_sent += size
            self.pending_bytes -= size
            try:
                socket.write(b"".join(pending[start:end]))
            except RuntimeError:
                self._lost()
                return True
            start = end
        del pending[:start]
        return not pending

    def close(self, code: int, reason: str) -> None:
        """Send what can be sent, then close. Later frames are dropped."""
        if self.closed:
            return
        self.write_pending()
        self.discard()
        self.socket.close(code, reason)

    def discard(self) -> None:
        """The connection is over: take nothing more."""
        self.closed = True
        self.pending.clear()
        self.pending_bytes = 0
        self.late_tickers.clear()
        self.late_bytes = 0
        self.waiting.clear()

    def forget_tickers(self, sid: int) -> None:
        """Drop what is held back for a subscription that has ended."""
        if self.late_tickers:
            for key in [key for key in self.late_tickers if key[0] == sid]:
                self._forget(key)

    def forget_ticker(self, sid: int, ticker: str) -> None:
        """Drop what is held back for a market that a subscription no longer names."""
        if (sid, ticker) in self.late_tickers:
            self._forget((sid, ticker))

    def _forget(self, key: tuple[int, str]) -> None:
        self.late_bytes -= len(self.late_tickers.pop(key))

    def _queue_late_tickers(self) -> None:
        self.pending.extend(self.late_tickers.values())
        self.pending_bytes += self.late_bytes
        self.late_tickers.clear()
        self.late_bytes = 0

    def _is_full(self) -> bool:
        return (
            self.pending_bytes + self.late_bytes > self._bytes_limit
            or len(self.pending) + len(self.late_tickers) > self._messages_limit
        )

    def _lost(self) -> None:
        """The peer is gone and we are about to be told. Until then uvloop raises on writes, which
        must not reach whoever is in the middle of serving everybody."""
        self.discard()

    def _relieve(self) -> None:
        """The queue is over its bound. A burst that the peer keeps up with is no reason to end."""
        self.write_pending()
        if not self._had_room and self._is_full():
            self.give_up()

    def give_up(self) -> None:
        """End the connection of a reader that is too slow: error 25, then 1008."""
        if self.closed:
            return
        self._outbox.counters.overflows += 1
        self.discard()
        try:
            self.socket.write(_OVERFLOW)
        except RuntimeError:
            return
        self.socket.close(CLOSE_POLICY, TEXTS[BUFFER_OVERFLOW])
