"""A world on a running server: applied before the port answers, alive after it does.

Applying lists what the file describes. A world that lives (by default it does in real time, and not
with a virtual clock; ``--live`` and ``--no-live`` decide) has its bots trade, its rolling events go
on and its known truths come out; otherwise everything after the listing is the operator's.
"""

import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path

from augury.app.settings import Settings
from augury.app.world import World, WorldKeeper, WorldReport, apply_world
from augury.ports.exchange import ExchangeGate

logger = logging.getLogger("augury.world")

Spawn = Callable[[Coroutine[None, None, None], str], None]


def keys_path(data: Path) -> Path:
    """Where private keys of a world's members and bots are kept."""
    return data / "keys"


class WorldInForce:
    """The world of one server."""

    def __init__(self, world: World, report: WorldReport, settings: Settings) -> None:
        self.world = world
        self.report = report
        self._settings = settings

    @classmethod
    async def apply(cls, world: World, settings: Settings, gate: ExchangeGate) -> "WorldInForce":
        """Create what the world describes and the exchange lacks. Raises ``Unavailable``."""
        report = await apply_world(world, gate, keys_directory=keys_path(settings.data))
        logger.info(
            "world applied",
            extra={
                "world": world.name,
                "newly_listed": dict(report.created),
                "existing": dict(report.existing),
                "refused": len(report.refused),
            },
        )
        return cls(world, report, settings)

    async def live(
        self,
        gate: ExchangeGate,
        url: str,
        authority: Path | None,
        closing: contextlib.AsyncExitStack,
        spawn: Spawn,
    ) -> None:
        """Let the world's keeper work and its bots trade until ``closing`` does."""
        from augury.app.bots import start_bots
        from augury.app.bots.config import bots_config

        keeper = WorldKeeper(self.world, gate, self.report.start_ns)
        if keeper.has_work:
            spawn(keeper.run(), "keeper of the world")
        settings = self._settings
        config = bots_config(
            self.world,
            self.report,
            url,
            ca_file=authority,
            virtual_clock=settings.clock == "virtual",
        )
        bots = start_bots(
            config, settings.data, log_level=settings.log_level, log_format=settings.log_format
        )
        if bots is not None:
            closing.push_async_callback(bots.stop)
