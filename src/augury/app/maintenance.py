"""Keeps the weekly maintenance windows coming, eight weeks ahead, unless a setting says no.

What the operator changes stays: a window is added once, when its week comes into view, and how far
that has gone is remembered in the log. A window that has begun, or is about to, is never added, so
a new exchange does not pause right after its first start.
"""

import asyncio
import json
import logging
from typing import Final

from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.applied import Applied
from augury.core.commands import Command, PutDocument, SetMaintenanceWindows
from augury.core.state import Exchange
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.maintenance import weekly_windows
from augury.ports.exchange import ExchangeGate, Unavailable

logger = logging.getLogger("augury.maintenance")

WEEKS_AHEAD: Final = 8
WEEK_NS: Final = 7 * 86_400 * NANOS_PER_SECOND
NOTICE_NS: Final = 3600 * NANOS_PER_SECOND
"""So long before it starts a window must be known."""

DOCUMENT_KIND: Final = "maintenance"
DOCUMENT_KEY: Final = "weekly"

_RETRY_SECONDS: Final = 60.0
_LONGEST_WAIT_SECONDS: Final = 3600.0


class WeeklyMaintenance:
    """Runs beside the exchange: ``step`` once before anybody is served, then ``run``.

    With a virtual clock nobody's timer runs out, so it looks at each record's time as well. Who
    never calls ``run`` must call ``close``.
    """

    def __init__(self, gate: ExchangeGate) -> None:
        self._gate = gate
        self._wake = asyncio.Event()
        self._due_ns = 0
        self.close = gate.listen(self._notice)

    def _notice(self, applied: Applied) -> None:
        if applied.time_ns >= self._due_ns:
            self._wake.set()

    async def run(self) -> None:
        """Add what is missing whenever time has come; until cancelled."""
        try:
            while True:
                self._wake.clear()
                wait = _LONGEST_WAIT_SECONDS
                try:
                    await self.step()
                except Unavailable:
                    wait = _RETRY_SECONDS
                try:
                    await asyncio.wait_for(self._wake.wait(), wait)
                except TimeoutError:
                    continue
        finally:
            self.close()

    async def step(self) -> None:
        """Add the windows that have come into view. Raises ``Unavailable``."""
        now_ns = self._gate.now_ns()
        self._due_ns = now_ns + WEEK_NS // 7
        commands = due_commands(self._gate.state, now_ns)
        for applied in await self._gate.submit_all(commands) if commands else []:
            if applied.rejection is not None:
                logger.warning(
                    "the exchange refused the weekly maintenance",
                    extra={"reason": f"{applied.rejection.code} {applied.rejection.detail}"},
                )
                return


def due_commands(state: Exchange, now_ns: int) -> list[Command]:
    """What brings the windows of the next weeks into force; nothing when they are, or when one
    is running, which setting windows would begin anew."""
    if any(start <= now_ns < end for start, end in state.maintenance_windows):
        return []
    known_ns = _known_until(state)
    news = [
        window for window in weekly_windows(now_ns + NOTICE_NS, WEEKS_AHEAD) if window[0] > known_ns
    ]
    if not news:
        return []
    windows = list(state.maintenance_windows)
    for start, end in news:
        if all(end <= other[0] or other[1] <= start for other in windows):
            windows.append((start, end))
    details = json.dumps({"until": rfc3339(news[-1][0])})
    return [
        SetMaintenanceWindows(tuple(sorted(windows))),
        PutDocument(DOCUMENT_KIND, DOCUMENT_KEY, details),
    ]


def _known_until(state: Exchange) -> int:
    """Up to which start windows were added already. The operator can write over any document."""
    try:
        found = json.loads(state.documents[DOCUMENT_KIND][DOCUMENT_KEY])
        return parse_rfc3339(found["until"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return 0
