"""The bots' process: ``python -m augury.app.bots CONFIG``. Ends when its standard input does."""

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import Final

from augury.app.bots.board import Board
from augury.app.bots.config import BotConfig, BotsConfig
from augury.app.bots.traders import Maker, Rest, Taker, Trader
from augury.app.logs import configure_logging
from augury.client import (
    ApiError,
    Client,
    Connected,
    ConnectionFailed,
    Received,
    Signer,
    Stream,
    StreamRefused,
)

log = logging.getLogger("augury.bots")

_LOOK_SECONDS: Final = 0.5
_LOWER_PRIORITY: Final = 5
_REFUSED_PAUSE: Final = 5.0


class Crowd:
    """All bots of one configuration, on one board."""

    def __init__(self, config: BotsConfig) -> None:
        self._config = config
        self._ssl = ssl.create_default_context(cafile=config.ca_file) if config.ca_file else None
        self._rest = Rest()

    async def run(self) -> None:
        """Trade until cancelled."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            first = self._signer(self._config.bots[0])
            client = await stack.enter_async_context(self._client(first))
            board = Board(client, self._config.outlook, virtual_clock=self._config.virtual_clock)
            tasks.create_task(self._look(board))
            tasks.create_task(self._listen(board, first))
            for bot in self._config.bots:
                signer = self._signer(bot)
                own = await stack.enter_async_context(self._client(signer))
                trader: Trader
                if bot.kind == "maker":
                    stream = self._stream(signer)
                    await stream.subscribe("user_orders", "market_positions")
                    trader = maker = Maker(bot, board, own, stream)
                    tasks.create_task(_again(maker.follow_account, bot.name))
                else:
                    trader = Taker(bot, board, own)
                tasks.create_task(trader.run())

    async def _look(self, board: Board) -> None:
        """Keep the board's lists fresh."""
        while True:
            if self._rest.over:
                try:
                    await board.refresh()
                except (ApiError, ConnectionFailed, KeyError, TypeError, ValueError) as error:
                    log.debug("cannot look at the markets", extra={"reason": str(error)})
                    self._rest.take(0.5)
                else:
                    self._rest.wake()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _listen(self, board: Board, signer: Signer) -> None:
        """Follow the public channels."""
        stream = self._stream(signer)
        await stream.subscribe("ticker", "market_lifecycle_v2")

        async def follow() -> None:
            async with aclosing(stream.events()) as events:
                async for event in events:
                    if isinstance(event, Received):
                        board.feed(event)
                    elif isinstance(event, Connected):
                        board.expire()

        await _again(follow, "board")

    def _signer(self, bot: BotConfig) -> Signer:
        return Signer.from_file(bot.api_key_id, bot.private_key_file)

    def _client(self, signer: Signer) -> Client:
        # A proxy from the environment has no business between the bots and their exchange.
        return Client(
            self._config.url,
            signer,
            verify=self._ssl if self._ssl is not None else True,
            trust_env=False,
        )

    def _stream(self, signer: Signer) -> Stream:
        return Stream(self._config.url, signer, ssl_context=self._ssl, proxy=False)


async def _again(work: Callable[[], Awaitable[None]], name: str) -> None:
    """A refused handshake may be a server that is not ready yet: try again, quietly."""
    while True:
        try:
            await work()
        except (StreamRefused, KeyError, TypeError, ValueError) as error:
            log.warning("stream lost", extra={"bot": name, "reason": repr(error)})
        await asyncio.sleep(_REFUSED_PAUSE)


async def _until_parent_ends() -> None:
    """Returns when standard input does: the parent closed it, or is no more."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass


async def _main(config: BotsConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    crowd = asyncio.create_task(Crowd(config).run())
    parent = asyncio.create_task(_until_parent_ends())
    asked = asyncio.create_task(stop.wait())
    done, waiting = await asyncio.wait({crowd, parent, asked}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if crowd in done:
        crowd.result()


def main() -> None:
    parser = argparse.ArgumentParser(prog="augury-bots", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--log-level", default="warning")
    parser.add_argument("--log-format", default="json")
    arguments = parser.parse_args()
    configure_logging(arguments.log_level, arguments.log_format)
    with suppress(OSError):
        # On a busy machine the exchange goes first.
        os.nice(_LOWER_PRIORITY)
    asyncio.run(_main(BotsConfig.load(arguments.config)))


if __name__ == "__main__":
    main()
