"""A recording played as fast as it is read, to a client that reads and to one that never does."""

import asyncio
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from augury.app.playback.server import PlaybackServer
from augury.client.recording import Recording, RecordingWriter

MESSAGES = 4_000
SUBSCRIBE = '{"id":1,"cmd":"subscribe","params":{"channels":["trade"]}}'
LIST = b'{"id":2,"cmd":"list_subscriptions"}'


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Ten megabytes of trades: more than the buffers between two sockets hold."""
    with RecordingWriter(tmp_path) as writer:
        writer.opened({})
        writer.message(b'{"type":"subscribed","id":1,"msg":{"channel":"trade","sid":1}}')
        for number in range(MESSAGES):
            body = {"market_ticker": "M", "number": number, "filler": 2_500 * "-"}
            writer.message(json.dumps({"type": "trade", "sid": 1, "msg": body}).encode())
    return Recording(tmp_path)


class Commander:
    """Subscribes, goes on commanding for as long as it can, and reads nothing after the start."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.commands = 0

    async def run(self) -> None:
        """Until the server has cut the connection."""
        parts = urlsplit(self._address)
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, (parts.hostname, parts.port))
        await loop.sock_sendall(
            plain,
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode(),
        )
        assert (await loop.sock_recv(plain, 12)) == b"HTTP/1.1 101"
        try:
            await loop.sock_sendall(plain, _frame(SUBSCRIBE.encode()))
            while True:
                await loop.sock_sendall(plain, _frame(LIST))
                self.commands += 1
                await asyncio.sleep(0.02)  # the pace of its commands, not a wait for anything
        except OSError:
            return
        finally:
            plain.close()


def _frame(text: bytes) -> bytes:
    return Frame(Opcode.TEXT, text).serialize(mask=True)


async def numbers_of(client: ClientConnection) -> tuple[list[int], int | None]:
    """The trades up to the end of the recording, and the code that it ends with."""
    messages = [json.loads(text) async for text in client]
    numbers = [message["msg"]["number"] for message in messages if message["type"] == "trade"]
    return numbers, client.close_code


async def test_who_commands_and_never_reads_holds_up_the_others_for_a_while_only(
    recording: Recording,
) -> None:
    server = PlaybackServer(recording, speed=None, patience_seconds=0.5)
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve("127.0.0.1", 0, announced.set_result))
    address = await announced
    commander = Commander(address)
    async with asyncio.timeout(60), connect(address, max_size=None) as reader:
        commanding = asyncio.create_task(commander.run())
        await reader.send(SUBSCRIBE)
        numbers, code = await numbers_of(reader)
        await serving
        await commanding

    assert (numbers, code) == (list(range(MESSAGES)), 1000)
    assert server.feed._outbox.counters.overflows == 1
    assert commander.commands > 0
