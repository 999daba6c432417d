"""The process of ``augury replay-feed``: a port, and a feed that is played to whoever comes."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from augury.app.playback.feed import Feed
from augury.client.recording import Recording
from augury.gateways.ws.app import PATH
from augury.gateways.ws.protocol import WebSocketProtocol


class PlaybackServer:
    """Serves ``feed`` until it has been played. ``options`` are those of ``Feed``."""

    def __init__(self, recording: Recording, **options: Any) -> None:
        self.feed = Feed(recording, **options)

    async def serve(self, host: str, port: int, announce: Callable[[str], None]) -> None:
        """``announce`` is told where it answers. Raises ``OSError`` when the port is taken, and
        ``RecordingDamaged`` when the recording turns out to be."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
        config = uvicorn.Config(
            self.feed,
            ws=WebSocketProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listening])
        running = asyncio.create_task(server.main_loop())
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        announce(f"ws://{shown}:{listening.getsockname()[1]}{PATH}")
        try:
            await self.feed.play()
        finally:
            server.should_exit = True
            await running
            await server.shutdown([listening])
