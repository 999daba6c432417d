"""Bytes on the wire: text frames as RFC 6455 draws them, server to client.

Frames are built once and shared between the connections that get the same bytes, so nothing
here depends on a connection: no compression, no masking, never fragmented.
"""

from typing import Final

PING: Final = b"\x89\x09heartbeat"
"""The keep-alive of websocket.md, section 1: a Ping whose body is ``heartbeat``."""


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((0x81, size))
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


_HEADS: Final = tuple(_head(size) for size in range(1024))
"""Most messages are short, and looking up is faster than building."""


def text_frame(payload: bytes) -> bytes:
    """One whole text message."""
    size = len(payload)
    return (_HEADS[size] if size < 1024 else _head(size)) + payload
