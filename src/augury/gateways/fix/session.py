"""One FIX session: sequence numbers, gaps, heartbeats, rejects. No sockets, no files, no clock.

Messages and ticks go in; what has to happen outside is asked of ``Surroundings``. A session of a
kind with retransmission lives on while its client is away: what is sent then is numbered and kept,
and the client asks for it when it is back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

from augury.gateways.auth import Principal
from augury.gateways.fix.codec import Message, body_of, frame, parse_timestamp, timestamp
from augury.gateways.fix.dictionary import APPLICATION_VERSION, BEGIN_STRING, MESSAGES, Kind
from augury.gateways.fix.validation import (
    COMP_ID_PROBLEM,
    INCORRECT_VALUE,
    INVALID_MSG_TYPE,
    REQUIRED_TAG_MISSING,
    SENDING_TIME_ACCURACY,
    problem_of,
)

OTHER: Final = 0
UNKNOWN_ID: Final = 1
UNKNOWN_SECURITY: Final = 2
UNSUPPORTED_MESSAGE_TYPE: Final = 3
APPLICATION_NOT_AVAILABLE: Final = 4
CONDITIONALLY_REQUIRED_FIELD_MISSING: Final = 5
NOT_AUTHORIZED: Final = 6
RATE_LIMIT_EXCEEDED: Final = 8
"""BusinessRejectReason (fix.md, section 13)."""

NANOS: Final = 1_000_000_000
LOGOUT_SECONDS: Final = 2
"""How long the client may take to answer a Logout before the connection is closed."""

Fields = Iterable[tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogonOptions:
    """What the client chose in its Logon (fix.md, section 3)."""

    heartbeat_seconds: int = 30
    """108."""
    reset: bool = False
    """141: both sides begin at 1 again."""
    cancel_on_disconnect: bool = False
    """8013."""
    listener: bool = False
    """20126: receives the reports of the whole account, sends nothing."""
    settlement_reports: bool = False
    """20127; on by default on a post-trade session."""
    retention_hours: int = 24
    """20200: how long what was sent can be asked for again."""
    use_dollars: bool = False
    """21005: prices in dollars, not cents."""
    ioc_cancel_report: bool = False
    """21007: a partly filled IOC order also gets a report of its cancel."""
    preserve_quantity: bool = False
    """21008: OrderQty is always the original size."""
    skip_pending: bool = False
    """21011: no Pending New, Pending Replace, Pending Cancel."""
    use_expired_status: bool = False
    """21012: an order that expires is reported as C, not 4."""
    new_before_trade: bool = False
    """21026: New is reported before any Trade."""
    split_collateral: bool = False
    """21027: trades have 21030 and 21031."""


class Sent(NamedTuple):
    """A message as it is kept. ``body`` is what follows the header, None for session messages,
    which are never sent again: a gap fill takes their place."""

    sequence: int
    sent_ns: int
    type: str
    body: str | None


class Surroundings(Protocol):
    """What a session asks of whoever runs it. None of it may call back into the session."""

    def transmit(self, session: "Session", data: bytes, sent: Sent) -> None:
        """Keep ``sent`` where the kind of session retransmits, and only then let ``data`` leave;
        there is none when nobody is connected. Order is kept."""
        ...

    def close(self, session: "Session") -> None:
        """Close the connection once everything transmitted has left."""
        ...

    def replay(self, session: "Session", begin: int, end: int) -> None:
        """Read what was kept of these numbers, inclusive, and send ``session.resent`` of it.

        What is transmitted meanwhile leaves after it."""
        ...

    async def drained(self, session: "Session") -> None:
        """Return when the client has read enough for more, or is gone."""
        ...

    def restarted(self, session: "Session") -> None:
        """The numbers begin again at 1: forget what was kept."""
        ...


class State(Enum):
    """Where a session stands. ``LEAVING``: a Logout was sent and its answer is awaited."""

    OFFLINE = "offline"
    LIVE = "live"
    LEAVING = "leaving"


class Session:
    """One session of one API key. What an application may use is listed first.

    ``kind``, ``principal`` and ``options`` are those of the latest Logon. ``comp_id`` is the API
    key as the client writes it. Nothing here raises for what a client does.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_elapsed",
        "_leaving_since_ns",
        "_out",
        "_sender",
        "_tolerance_ns",
        "application_data",
        "awaited_through",
        "clean",
        "comp_id",
        "kind",
        "last_received_ns",
        "last_sent_ns",
        "next_in",
        "next_out",
        "options",
        "principal",
        "purged_through",
        "state",
        "test_pending",
        "tests",
        "under_way",
    )

    def __init__(
        self,
        kind: Kind,
        comp_id: str,
        principal: Principal,
        options: LogonOptions,
        surroundings: Surroundings,
        *,
        clock: Callable[[], int],
        elapsed: Callable[[], int] | None = None,
        sender: str = "",
        tolerance_seconds: int = 120,
    ) -> None:
        """``clock`` gives nanoseconds of real time; ``elapsed`` those of a clock that nobody sets,
        by which silence is measured (``clock`` unless given). ``sender`` is SenderCompID of the
        server's messages; the TargetCompID that the client uses when empty."""
        self.kind = kind
        self.comp_id = comp_id
        self.principal = principal
        self.options = options
        self.state = State.OFFLINE
        self.application_data: object = None
        """The application's own; gone with the process."""
        self.next_out = 1
        self.next_in = 1
        self.purged_through = 0
        """Up to this number messages were dropped because their retention was over."""
        self.under_way: set[int] = set()
        """Numbers of application messages that are being worked on, also after a disconnect."""
        self.clean = False
        """Whether the last connection ended with an exchange of Logouts."""
        self.awaited_through = 0
        """The highest number that a ResendRequest under way will bring."""
        self.last_received_ns = 0
        self.last_sent_ns = 0
        self.test_pending = False
        self.tests = 0
        self._leaving_since_ns = 0
        self._out = surroundings
        self._clock = clock
        self._elapsed = elapsed or clock
        self._sender = sender or kind.comp_id
        self._tolerance_ns = tolerance_seconds * NANOS

    # --- for applications ------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether a client is logged on."""
        return self.state is State.LIVE

    @property
    def retains(self) -> bool:
        """Whether messages are kept for retransmission, also those sent while nobody listens."""
        return self.kind.retransmission

    def send(self, msg_type: str, fields: Fields) -> int:
        """Send an application message; returns its MsgSeqNum.

        Without retransmission a message to a client that is not connected goes nowhere: 0.
        """
        if not self.retains and self.state is not State.LIVE:
            return 0
        return self._emit(msg_type, body_of(fields), application=True)

    async def drained(self) -> None:
        """Wait until the client has read enough for more; for answers of many messages."""
        await self._out.drained(self)

    def reject(self, message: Message, reason: int, tag: int = 0, text: str = "") -> int:
        """Refuse a message for its form (35=3); ``reason`` is a SessionRejectReason."""
        fields = [(45, str(max(message.sequence, 0)))]
        if tag:
            fields.append((371, str(tag)))
        if message.type in MESSAGES or 0 < len(message.type) <= 8:
            fields.append((372, message.type))
        fields.append((373, str(reason)))
        if text:
            fields.append((58, text))
        return self._emit("3", body_of(fields))

    def business_reject(
        self, message: Message, reason: int, text: str = "", reference: str = ""
    ) -> int:
        """Refuse a message that is well-formed before the exchange has seen it (35=j).

        ``reason`` is a BusinessRejectReason, ``reference`` the id that the client gave to what it
        wanted, which is ClOrdID unless given.
        """
        fields = [(45, str(message.sequence)), (372, message.type)]
        reference = reference or message.get(11) or ""
        if reference:
            fields.append((379, reference))
        fields.append((380, str(reason)))
        if text:
            fields.append((58, text))
        return self.send("j", fields)

    def log_out(self, text: str = "") -> None:
        """Send a Logout and close when the client has answered, or a little later."""
        if self.state is not State.LIVE:
            return
        self._emit("5", body_of([(58, text)] if text else []))
        self.state = State.LEAVING
        self._leaving_since_ns = self._elapsed()

    # --- a connection comes and goes -------------------------------------------------------------

    def log_on(self, message: Message, options: LogonOptions) -> bool:
        """Answer a Logon that passed all checks but that of its number (the last one).

        False when the number was wrong: then a Logout was sent and the connection is to close.
        """
        self.options = options
        self.state = State.LIVE
        self.clean = False
        self.test_pending = False
        self.awaited_through = 0
        self.last_received_ns = self.last_sent_ns = self._elapsed()
        number = message.sequence
        if options.reset and number != 1:
            self._fail(f"MsgSeqNum must be 1 with ResetSeqNumFlag, not {number}")
            return False
        if options.reset:
            self.next_in = self.next_out = 1
            self.purged_through = 0
            # Whoever still works on the old ones keeps them; their numbers mean nothing any more.
            self.under_way = set()
            self._out.restarted(self)
        if number < self.next_in or (number > self.next_in and not self.retains):
            self._fail(self._wrong_number(number))
            return False
        fields = [(98, "0"), (108, str(options.heartbeat_seconds))]
        if options.reset:
            fields.append((141, "Y"))
        fields.append((1137, APPLICATION_VERSION))
        self._emit("A", body_of(fields))
        if number == self.next_in:
            self.next_in += 1
        else:
            self._ask_for_resend(number)
        return True

    def lost(self) -> None:
        """The connection is gone."""
        self.state = State.OFFLINE

    def tick(self) -> None:
        """Time has passed: heartbeats, tests of the connection, and its end."""
        now_ns = self._elapsed()
        if self.state is State.LEAVING:
            if now_ns - self._leaving_since_ns >= LOGOUT_SECONDS * NANOS:
                self._out.close(self)
            return
        if self.state is not State.LIVE:
            return
        interval_ns = self.options.heartbeat_seconds * NANOS
        silence_ns = now_ns - self.last_received_ns
        if silence_ns >= 2 * interval_ns:
            self._out.close(self)
            return
        if not self.test_pending and 5 * silence_ns >= 6 * interval_ns:
            self.test_pending = True
            self.tests += 1
            self._emit("1", f"112=TEST{self.tests}\x01")
        elif now_ns - self.last_sent_ns >= interval_ns:
            self._emit("0", "")

    # --- messages --------------------------------------------------------------------------------

    def receive(self, message: Message) -> Message | None:
        """Take a message that was not garbled; returns it when it is for the application.

        The order of the checks: frame, names, time, number, form, and what the session allows.
        """
        if self.state is State.OFFLINE:
            return None
        now_ns = self._clock()
        if message.begin_string != BEGIN_STRING:
            self._fail("Incorrect BeginString")
            return None
        number = message.sequence
        if number < 0:
            self._fail("MsgSeqNum is missing or not a number")
            return None
        if message.get(49) != self.comp_id or message.get(56) != self.kind.comp_id:
            self._count(number)
            wrong = 49 if message.get(49) != self.comp_id else 56
            self.reject(message, COMP_ID_PROBLEM, wrong, "CompID problem")
            self._fail("CompID problem")
            return None
        self.last_received_ns = self._elapsed()
        self.test_pending = False
        sending_ns = parse_timestamp(message.get(52) or "")
        if sending_ns is not None and abs(now_ns - sending_ns) > self._tolerance_ns:
            self._count(number)
            self.reject(message, SENDING_TIME_ACCURACY, 52, "SendingTime accuracy problem")
            self._fail("SendingTime accuracy problem")
            return None
        kind = message.type
        known = MESSAGES.get(kind)
        if self.state is State.LEAVING and self.retains and not (known and known.is_admin):
            # Nobody would answer it. Its number stays unused, so the next Logon asks for it again.
            return None
        is_reset = kind == "4" and self.retains and not message.is_yes(123)
        if not is_reset and not self._is_next(message, number, sending_ns):
            return None
        if not is_reset:
            self.next_in += 1
        if known is not None and self.kind not in known.from_client:
            if known.is_admin:
                self.reject(message, INVALID_MSG_TYPE, 35, "Not supported on this session")
            else:
                self.business_reject(message, UNSUPPORTED_MESSAGE_TYPE, "Unsupported message type")
            return None
        problem = problem_of(message)
        if problem is not None:
            self.reject(message, problem.reason, problem.tag, problem.text)
            return None
        assert known is not None
        if not known.is_admin:
            return message if self.state is State.LIVE else None
        self._administer(kind, message)
        return None

    def _is_next(self, message: Message, number: int, sending_ns: int | None) -> bool:
        """Whether a message has the number that is expected; deals with it when it has not."""
        if message.is_possible_duplicate and message.type != "4":
            original = message.get(122)
            if original is None:
                self._count(number)
                self.reject(message, REQUIRED_TAG_MISSING, 122, "Required tag missing")
                return False
            original_ns = parse_timestamp(original)
            if original_ns is not None and sending_ns is not None and original_ns > sending_ns:
                self._count(number)
                self.reject(message, SENDING_TIME_ACCURACY, 122, "SendingTime accuracy problem")
                return False
        if number == self.next_in:
            return True
        if number < self.next_in:
            if not message.is_possible_duplicate:
                self._fail(self._wrong_number(number))
            return False
        if not self.retains:
            self._fail(self._wrong_number(number))
            return False
        if message.type == "5" and problem_of(message) is None:
            # Whoever leaves is answered; what is missing shows when they are back.
            self._answer_logout()
            return False
        if message.type == "2" and problem_of(message) is None:
            # Both sides may miss something; each answers before its own gap is closed.
            self._resend(message)
        if number > self.awaited_through and self.state is State.LIVE:
            self._ask_for_resend(number)
        return False

    def _ask_for_resend(self, number: int) -> None:
        self.awaited_through = number
        self._emit("2", f"7={self.next_in}\x0116=0\x01")

    def _count(self, number: int) -> None:
        """A message is refused, and its number is used."""
        if number == self.next_in:
            self.next_in += 1

    def _administer(self, kind: str, message: Message) -> None:
        if kind == "1":
            self._emit("0", f"112={message.get(112)}\x01")
        elif kind == "2":
            self._resend(message)
        elif kind == "4":
            self._reset_sequence(message)
        elif kind == "5":
            self._answer_logout()
        elif kind == "A":
            self._fail("already logged on")
        # A Heartbeat has done its work by arriving, and nothing answers a Reject.

    def _answer_logout(self) -> None:
        if self.state is State.LIVE:
            self._emit("5", "")
            self.state = State.LEAVING
        self.clean = True
        self._out.close(self)

    def _reset_sequence(self, message: Message) -> None:
        new = int(message.get(36) or "0")
        if message.is_yes(123):
            if new > message.sequence:
                self.next_in = new
            else:
                text = f"Attempt to lower sequence number, invalid value NewSeqNo={new}"
                self.reject(message, INCORRECT_VALUE, 36, text)
        elif new >= self.next_in:
            self.next_in = new
        else:
            text = f"Value is incorrect (out of range) for this tag, NewSeqNo={new}"
            self.reject(message, INCORRECT_VALUE, 36, text)

    def _resend(self, message: Message) -> None:
        begin, end = int(message.get(7) or "0"), int(message.get(16) or "0")
        latest = self.next_out - 1
        if begin < 1 or begin > latest or 0 < end < begin:
            self.reject(message, INCORRECT_VALUE, 7, f"there are messages 1 to {latest}")
        elif begin <= self.purged_through:
            text = f"messages up to {self.purged_through} are kept no longer"
            self.reject(message, INCORRECT_VALUE, 7, text)
        else:
            self._out.replay(self, begin, min(end or latest, latest))

    def resent(self, kept: Sequence[Sent], begin: int, end: int) -> list[bytes]:
        """The messages ``begin`` to ``end`` again: what was ``kept`` of them, by number, and gap
        fills for the rest."""
        now = timestamp(self._clock())
        frames = []
        place = begin
        for sent in kept:
            if sent.body is None:
                continue
            if sent.sequence > place:
                frames.append(self._gap_fill(place, sent.sequence, now))
            frames.append(
                frame(
                    sent.type,
                    sent.sequence,
                    self._sender,
                    self.comp_id,
                    now,
                    sent.body,
                    timestamp(sent.sent_ns),
                )
            )
            place = sent.sequence + 1
        if place <= end:
            frames.append(self._gap_fill(place, end + 1, now))
        self.last_sent_ns = self._elapsed()
        return frames

    def _gap_fill(self, begin: int, following: int, now: str) -> bytes:
        body = f"123=Y\x0136={following}\x01"
        return frame("4", begin, self._sender, self.comp_id, now, body, now)

    def _fail(self, text: str) -> None:
        """Say what is wrong and close the connection without waiting for an answer."""
        if self.state is State.LIVE:
            self._emit("5", body_of([(58, text)]))
            self.state = State.LEAVING
            self._leaving_since_ns = self._elapsed()
        self._out.close(self)

    def _wrong_number(self, number: int) -> str:
        problem = "low" if number < self.next_in else "high"
        return f"MsgSeqNum too {problem}, expecting {self.next_in} but received {number}"

    def _emit(self, msg_type: str, body: str, *, application: bool = False) -> int:
        """Number a message and hand it over."""
        now_ns = self._clock()
        number = self.next_out
        self.next_out = number + 1
        data = b""
        if self.state is State.LIVE:
            data = frame(msg_type, number, self._sender, self.comp_id, timestamp(now_ns), body)
            self.last_sent_ns = self._elapsed()
        self._out.transmit(
            self, data, Sent(number, now_ns, msg_type, body if application else None)
        )
        return number
