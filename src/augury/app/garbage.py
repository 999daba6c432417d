"""Collecting garbage when it hurts nobody.

The state of the exchange is millions of objects that live on; walking them over and over is what
the automatic collector would do, in the middle of somebody's order. So what the start has built is
set aside for good, the automatic collector is off, and this part collects: young objects often,
because that is short, everything only in a quiet moment.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Final

YOUNG_SECONDS: Final = 1.0
WHOLE_SECONDS: Final = 300.0
"""At least so long between two collections of everything."""
WHOLE_AT_LAST_SECONDS: Final = 3600.0
"""After so long everything is collected even when it is never quiet."""


class Collector:
    """Runs for as long as the server does. ``progress`` changes whenever work is done."""

    def __init__(
        self, progress: Callable[[], int], on_pause: Callable[[float], None] = lambda _: None
    ) -> None:
        self._progress = progress
        self._on_pause = on_pause

    def take_over(self) -> None:
        """Set aside everything that lives now and switch the automatic collector off.

        Without collecting first: what the start has left behind is little, and looking for it
        would delay every start by a tenth of a second.
        """
        gc.freeze()
        gc.disable()

    def give_back(self) -> None:
        gc.enable()
        gc.unfreeze()

    async def run(self) -> None:
        last_whole = time.monotonic()
        last_progress = self._progress()
        while True:
            await asyncio.sleep(YOUNG_SECONDS)
            self._collect(1)
            progress = self._progress()
            quiet = progress == last_progress
            last_progress = progress
            waited = time.monotonic() - last_whole
            if (quiet and waited > WHOLE_SECONDS) or waited > WHOLE_AT_LAST_SECONDS:
                self._collect(2)
                last_whole = time.monotonic()

    def _collect(self, generation: int) -> None:
        started = time.perf_counter()
        gc.collect(generation)
        self._on_pause(time.perf_counter() - started)
