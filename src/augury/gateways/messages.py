"""One HTTP request and its answer, as gateways see them.

Owns what a protocol hands to a gateway and takes back, so that neither has to know the other. An
answer carries its headers as the bytes that will be sent: they are the same for nearly all.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

JSON: Final = b"content-type: application/json\r\n"


class Disconnected(Exception):
    """The client went away before its request was complete."""


class BodyTooLarge(Exception):
    """The body has more bytes than its reader takes."""


class Incoming:
    """A request whose head has arrived.

    ``headers`` has names in small letters, ``path`` is as it was sent, without the query.
    ``operation_id`` and ``profile`` are for the gateway to note what it finds out.
    """

    __slots__ = ("headers", "method", "operation_id", "path", "profile", "query")

    def __init__(
        self, method: str, path: bytes, query: bytes, headers: Mapping[bytes, bytes]
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.operation_id = ""
        self.profile = ""

    @property
    def address(self) -> str:
        """Where the request comes from; empty when nobody knows."""
        raise NotImplementedError

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises ``BodyTooLarge`` and ``Disconnected``."""
        raise NotImplementedError


class Answer:
    """A finished answer. ``headers`` are whole lines; the length of the body is not among them."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: bytes = JSON) -> None:
        self.status = status
        self.body = body
        self.headers = headers


Door = Callable[[Incoming], Awaitable[Answer]]
"""Answers requests. Raises ``Disconnected`` for those that nobody waits for any more."""


def header(name: bytes, value: bytes) -> bytes:
    """A line of ``Answer.headers``. Raises ``ValueError`` when it would be more than one."""
    if b"\r" in value or b"\n" in value:
        raise ValueError("a line break in a header")
    return name + b": " + value + b"\r\n"
