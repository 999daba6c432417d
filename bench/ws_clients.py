"""The cheapest clients there are, for benchmarks whose server is another process."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, cast

from augury.client.signing import Signer

PATH = "/trade-api/ws/v2"
TEXT = 1
CLOSE = 8


def handshake(signer: Signer | None = None) -> bytes:
    """The request that opens a socket."""
    lines = [
        f"GET {PATH} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if signer is not None:
        lines += [f"{name}: {value}" for name, value in signer.headers("GET", PATH).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame; the mask is zero, so that the payload can be read in a trace."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | (min(126, size))])
    if size >= 126:
        head += struct.pack(">H", size)
    return head + b"\0\0\0\0" + payload


def command(cmd: str, **params: Any) -> bytes:
    return frame(TEXT, json.dumps({"id": 1, "cmd": cmd, "params": params}).encode())


class Socket(asyncio.Protocol):
    """Hands every text to ``on_text`` with the time of its arrival, and answers pings."""

    def __init__(self, on_text: Callable[[bytes, float], None], signer: Signer | None) -> None:
        self.on_text = on_text
        self.signer = signer
        self.rest = b""
        self.opened = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        """The code of the Close, or 1006 when there was none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(handshake(self.signer))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(1006)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self.rest + data
        start = 0
        if not self.opened.done():
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.rest = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self.opened.set_result(None)
            start = end + 4
        while len(data) - start >= 2:
            size, head = data[start + 1], 2
            if size == 126 and len(data) - start >= 4:
                (size,), head = struct.unpack_from(">H", data, start + 2), 4
            elif size == 127 and len(data) - start >= 10:
                (size,), head = struct.unpack_from(">Q", data, start + 2), 10
            if len(data) - start < head + size or (size in (126, 127) and head == 2):
                break
            self.take(data[start] & 15, data[start + head : start + head + size], now)
            start += head + size
        self.rest = data[start:]

    def take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self.on_text(payload, now)
        elif opcode == CLOSE and not self.ended.done():
            self.ended.set_result(int.from_bytes(payload[:2], "big"))
        elif opcode == 9:
            self.transport.write(frame(10, payload))


async def connect(
    port: int,
    on_text: Callable[[bytes, float], None],
    signer: Signer | None = None,
    *,
    receive_buffer: int | None = None,
) -> Socket:
    """An open socket; ``receive_buffer`` bounds what the system takes while we do not read."""
    plain = socket.socket()
    plain.setblocking(False)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, ("127.0.0.1", port))
    _, protocol = await loop.create_connection(lambda: Socket(on_text, signer), sock=plain)
    await protocol.opened
    return protocol
