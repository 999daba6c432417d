"""A FIX client for tests: signs, numbers and keeps what it gets, and sends what it is told.

It is told everything, wrong things included, so it has no rules of its own. The real engine of
``tests/compat`` is what shows that others understand us.
"""

import socket
import ssl
import time
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from augury.gateways.fix.codec import Framer, Message, decode, frame, timestamp
from augury.testing import Member, RunningExchange

PATIENCE = 10.0


def sign(key: RSAPrivateKey, *texts: str) -> str:
    """The signature of a Logon, from its five texts."""
    salted = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    return b64encode(key.sign("\x01".join(texts).encode(), salted, hashes.SHA256())).decode()


def private_key(pem: str) -> RSAPrivateKey:
    found = load_pem_private_key(pem.encode(), None)
    assert isinstance(found, RSAPrivateKey)
    return found


def logon_fields(
    key: RSAPrivateKey,
    sending_time: str,
    number: int,
    sender: str,
    target: str,
    **changed: str | None,
) -> str:
    """The body of a Logon. ``changed`` sets fields by ``t141="N"``; None leaves one out."""
    fields: dict[str, str | None] = {
        "98": "0",
        "108": "30",
        "96": sign(key, sending_time, "A", str(number), sender, target),
        "141": "Y",
        "1137": "9",
        **{name.removeprefix("t"): text for name, text in changed.items()},
    }
    return "".join(f"{tag}={text}\x01" for tag, text in fields.items() if text is not None)


class FixClient:
    """One connection of one API key. Use as a context manager."""

    def __init__(
        self,
        port: int,
        target: str,
        sender: str,
        key: RSAPrivateKey,
        *,
        authority: Path | None = None,
        host: str = "127.0.0.1",
        first_number: int = 1,
    ) -> None:
        self.target = target
        self.sender = sender
        self.key = key
        self.next_out = first_number
        self.received: list[Message] = []
        self.sent: dict[int, tuple[str, str, str]] = {}
        """By number: type, SendingTime and body of what was sent, as an engine keeps it."""
        self._framer = Framer()
        self._fresh: list[Message] = []
        plain = socket.create_connection((host, port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = plain
        if authority is not None:
            context = ssl.create_default_context(cafile=authority)
            self.socket = context.wrap_socket(plain, server_hostname=host)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """As a cable that is pulled: without a word."""
        self.socket.close()

    # --- sending -----------------------------------------------------------------------------

    def send(self, msg_type: str, fields: str = "", *, number: int | None = None) -> int:
        """Send a message; ``fields`` is written with ``|``. Returns its number."""
        if number is None:
            number = self.next_out
            self.next_out += 1
        now = timestamp(time.time_ns())
        body = fields.replace("|", "\x01")
        if body and not body.endswith("\x01"):
            body += "\x01"
        self.sent[number] = (msg_type, now, body)
        self.send_bytes(frame(msg_type, number, self.sender, self.target, now, body))
        return number

    def resend(self, begin: int) -> None:
        """Send again what was sent from ``begin`` on, as a ResendRequest asks: application
        messages as possible duplicates, a gap fill for each of the others."""
        now = timestamp(time.time_ns())
        for number in range(begin, self.next_out):
            msg_type, original, body = self.sent.get(number, ("A", now, ""))
            if msg_type in "0123456A":
                msg_type, body = "4", f"123=Y\x0136={number + 1}\x01"
            self.send_bytes(frame(msg_type, number, self.sender, self.target, now, body, original))

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def log_on(self, **changed: str | None) -> Message:
        """Log on and return the answer, whatever it is."""
        now = timestamp(time.time_ns())
        number = self.next_out
        self.next_out += 1
        body = logon_fields(self.key, now, number, self.sender, self.target, **changed)
        self.send_bytes(frame("A", number, self.sender, self.target, now, body))
        return self.next()

    # --- receiving ---------------------------------------------------------------------------

    def next(self, *types: str) -> Message:
        """The next message, of one of ``types`` if given; others are passed over."""
        while True:
            while self._fresh:
                message = self._fresh.pop(0)
                if not types or message.type in types:
                    return message
            if not self._read():
                raise ConnectionError("the server has closed the connection")

    def is_closed(self) -> bool:
        """Wait until the server closes; False when it does not in time."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if not self._read():
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def rest(self) -> list[Message]:
        """What has come and was not looked at yet."""
        found, self._fresh = self._fresh, []
        return found

    def _read(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        for whole in self._framer.feed(data):
            message = decode(whole)
            self.received.append(message)
            self._fresh.append(message)
        return bool(data)


def connect(
    exchange: RunningExchange, member: Member, target: str = "KalshiNR", **options: int
) -> FixClient:
    """A connection to a running exchange, as ``member``, before any Logon."""
    plain = exchange.settings.fix_plain
    return FixClient(
        exchange.fix_ports[target],
        target,
        member.api_key_id,
        private_key(member.private_key_pem),
        authority=None if plain else exchange.settings.data / "tls" / "ca.pem",
        **options,  # type: ignore[arg-type]
    )
