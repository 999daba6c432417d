"""A session on a stage: a client that is played from a script, and time that moves when told.

The lines of a script, fields written with ``|``:

    case NAME                 begins a case
    on NR RT                  the kinds of session it is played on, each anew
    in TYPE 11=x|34=7         the client sends; header fields that are named replace the usual ones
    raw 8=FIX|9=...|          the client sends exactly these bytes
    out TYPE 58=text          the next thing that leaves is this message, with these fields
    app TYPE                  the application gets this message
    send TYPE 55=x            the application sends
    wait 12                   seconds pass
    clock -60                 somebody sets the server's clock and the client's by seconds
    purged 3                  messages up to this number are kept no longer
    away / back 34=7|141=N    the connection is lost / a new one logs on
    nothing, open, closed     nothing else leaves; the connection stands, or does not
    expects 5                 the number that the session expects next
    clean                     the connection ended with an exchange of Logouts

The session is logged on when a case begins, with number 1 on both sides and a heartbeat of 30
seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augury.gateways.auth import Principal
from augury.gateways.fix.codec import Framer, Garbled, Message, checksum, decode, timestamp
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.session import NANOS, LogonOptions, Sent, Session, State

START_NS = 1_772_373_600 * NANOS
CLIENT = "7a1f8a8e-59a0-4c49-8a2f-1d5a0d1f9b11"
HEADER = ("8", "9", "35", "34", "49", "56", "43", "97", "52", "122", "50", "57", "142")


class Stage:
    """A session and its surroundings, which remember everything."""

    def __init__(self, kind: Kind, **options: object) -> None:
        self.now_ns = START_NS
        self.elapsed_ns = 0
        self.kind = kind
        self.sent: list[Message] = []
        self.kept: list[Sent] = []
        self.handed: list[Message] = []
        self.is_closed = False
        self.framer = Framer()
        self.next_number = 1
        principal = Principal(1, 2, frozenset({"read", "write"}), "")
        self.session = Session(
            kind,
            CLIENT,
            principal,
            LogonOptions(),
            self,
            clock=lambda: self.now_ns,
            elapsed=lambda: self.elapsed_ns,
        )
        self.log_on({"141": "Y"}, **options)

    # --- Surroundings ------------------------------------------------------------------------

    def transmit(self, session: Session, data: bytes, sent: Sent) -> None:
        if session.retains:
            self.kept.append(sent)
        if data and not self.is_closed:
            self.sent.append(decode(data))

    def close(self, session: Session) -> None:
        self.is_closed = True

    def replay(self, session: Session, begin: int, end: int) -> None:
        kept = [sent for sent in self.kept if begin <= sent.sequence <= end]
        self.sent += [decode(data) for data in session.resent(kept, begin, end)]

    def restarted(self, session: Session) -> None:
        self.kept.clear()

    async def drained(self, session: Session) -> None:
        pass

    # --- the client --------------------------------------------------------------------------

    def log_on(self, fields: dict[str, str], **options: object) -> None:
        self.is_closed = False
        if fields.get("141") == "Y":
            self.next_number = 1
        message = self.message("A", {"98": "0", "108": "30", "1137": "9", **fields})
        chosen = LogonOptions(reset=fields.get("141") == "Y", **options)  # type: ignore[arg-type]
        self.session.log_on(decode(message), chosen)

    def message(self, msg_type: str, fields: dict[str, str]) -> bytes:
        fields = dict(fields)
        if "34" not in fields:
            fields["34"] = str(self.next_number)
        if fields["34"] == str(self.next_number):
            self.next_number += 1
        usual = {"35": msg_type, "49": CLIENT, "56": self.kind.comp_id}
        usual["52"] = timestamp(self.now_ns)
        # What is set to "-" is left out.
        whole = {**usual, **fields}
        begin, length = whole.pop("8", "FIXT.1.1"), whole.pop("9", "")
        total = whole.pop("10", "")
        ordered = [tag for tag in HEADER if tag in whole]
        ordered += [tag for tag in whole if tag not in HEADER]
        body = "".join(f"{tag}={whole[tag]}\x01" for tag in ordered if whole[tag] != "-")
        length = f"{len(body):07d}" if length == "padded" else length or str(len(body))
        return self.framed(begin, length, body, total)

    def framed(self, begin: str, length: str, body: str, total: str) -> bytes:
        data = f"8={begin}\x019={length}\x01{body}".encode("latin-1")
        return data + f"10={total or f'{checksum(data):03d}'}\x01".encode()

    def receive(self, data: bytes) -> None:
        for frame in self.framer.feed(data):
            if self.is_closed:
                return
            try:
                message = decode(frame)
            except Garbled:
                continue
            wanted = self.session.receive(message)
            if wanted is not None:
                self.handed.append(wanted)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_ns += NANOS
            self.elapsed_ns += NANOS
            if not self.is_closed:
                self.session.tick()

    def state(self) -> State:
        return self.session.state


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a script. ``lines`` come with their numbers in the file."""

    name: str
    kinds: tuple[Kind, ...]
    lines: tuple[tuple[int, str], ...]


def cases(path: Path) -> Iterator[Case]:
    name = ""
    kinds: tuple[Kind, ...] = ()
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        word, _, rest = text.partition(" ")
        if word == "case":
            if name:
                yield Case(name, kinds, tuple(lines))
            name, kinds, lines = rest, (Kind.NR, Kind.RT), []
        elif word == "on":
            kinds = tuple(Kind[kind] for kind in rest.split())
        else:
            lines.append((number, text))
    yield Case(name, kinds, tuple(lines))


def play(case: Case, kind: Kind) -> None:
    """Raises ``AssertionError`` naming the line that does not hold."""
    stage = Stage(kind)
    logon = stage.sent.pop(0)
    assert logon.type == "A", logon
    for number, line in case.lines:
        try:
            _play_line(stage, line)
        except AssertionError as error:
            raise AssertionError(f"line {number}: {line}\n{error}") from None


def _play_line(stage: Stage, line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == "raw":
        stage.receive(rest.replace("|", "\x01").encode("latin-1"))
    elif word == "in":
        msg_type, _, text = rest.partition(" ")
        stage.receive(stage.message(msg_type, _fields(text, stage)))
    elif word == "group":
        # Fields in the order in which they stand, repeated ones included.
        msg_type, _, text = rest.partition(" ")
        body = f"35={msg_type}|34={stage.next_number}|49={CLIENT}|56={stage.kind.comp_id}|"
        body = f"{body}52={timestamp(stage.now_ns)}|{text}|".replace("|", "\x01")
        stage.next_number += 1
        stage.receive(stage.framed("FIXT.1.1", str(len(body)), body, ""))
    elif word == "out":
        msg_type, _, text = rest.partition(" ")
        assert stage.sent, "nothing has left"
        message = stage.sent.pop(0)
        assert message.type == msg_type, f"it is {message}"
        for tag, value in _fields(text, stage).items():
            found = message.get(int(tag))
            assert found == (None if value == "-" else value), f"{tag}={found} in {message}"
    elif word == "app":
        assert stage.handed, f"the application got nothing; sent: {stage.sent}"
        assert stage.handed.pop(0).type == rest
    elif word == "send":
        msg_type, _, text = rest.partition(" ")
        stage.session.send(msg_type, [(int(t), v) for t, v in _fields(text, stage).items()])
    elif word == "leave":
        stage.session.log_out(rest)
    elif word == "wait":
        stage.wait(int(rest))
    elif word == "clock":
        stage.now_ns += int(rest) * NANOS
    elif word == "purged":
        stage.session.purged_through = int(rest)
    elif word == "away":
        stage.session.lost()
    elif word == "back":
        stage.log_on(_fields(rest, stage))
    elif word == "nothing":
        assert not stage.sent, f"sent: {stage.sent}"
        assert not stage.handed, f"handed over: {stage.handed}"
    elif word == "closed":
        assert stage.is_closed
    elif word == "open":
        assert not stage.is_closed, f"closed; sent: {stage.sent}"
    elif word == "clean":
        assert stage.session.clean
    elif word == "expects":
        assert stage.session.next_in == int(rest), f"expects {stage.session.next_in}"
    else:
        raise AssertionError(f"unknown word {word}")


def _fields(text: str, stage: Stage) -> dict[str, str]:
    """``52=+300`` is a time that is so many seconds away."""
    found = {}
    for field in filter(None, text.split("|")):
        tag, _, value = field.partition("=")
        if tag in ("52", "122") and value[:1] in "+-" and len(value) > 1:
            value = timestamp(stage.now_ns + int(value) * NANOS)
        found[tag] = value
    return found
