"""Live data of milestones: brought up to date while a world lives.

Works from the state alone: a document is due when a whole interval has begun since it was written,
so a restart neither repeats nor forgets anything. What the operator removed stays away.
"""

import json
from typing import Final

from augury.app.world.listing import live_document
from augury.app.world.model import Json, LiveDataSpec, World
from augury.codec.text import rfc3339
from augury.core.commands import Command, PutDocument
from augury.core.state import ACTIVE, Exchange
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.documents import LIVE_DATA, MILESTONE

_NEWEST: Final = 20


def live_commands(world: World, state: Exchange, start_ns: int, now_ns: int) -> list[Command]:
    """What brings the live data of the world's milestones up to ``now_ns``."""
    commands: list[Command] = []
    for spec in world.live_data:
        milestone = _document(state, MILESTONE, spec.key)
        live = _document(state, LIVE_DATA, spec.key)
        if milestone is None or live is None:
            continue
        if _is_due(spec, live, now_ns):
            commands.append(
                PutDocument(LIVE_DATA, spec.key, live_document(world, spec, start_ns, now_ns))
            )
        related = _related(spec, milestone, state)
        if related != milestone.get("related_event_tickers"):
            milestone["related_event_tickers"] = related
            milestone["last_updated_ts"] = rfc3339(now_ns)
            text = json.dumps(milestone, ensure_ascii=False, separators=(",", ":"))
            commands.append(PutDocument(MILESTONE, spec.key, text))
    return commands


def next_due(world: World, now_ns: int) -> int | None:
    """When the next interval begins; None when the world has no live data."""
    dues = []
    for spec in world.live_data:
        every_ns = spec.every_seconds * NANOS_PER_SECOND
        dues.append((now_ns // every_ns + 1) * every_ns)
    return min(dues, default=None)


def _is_due(spec: LiveDataSpec, live: Json, now_ns: int) -> bool:
    details = live.get("details")
    if not isinstance(details, dict):
        return True
    if details.get("status") == "ended":
        return False
    written = details.get("last_updated_ts")
    if not isinstance(written, int):
        return True
    return now_ns // NANOS_PER_SECOND // spec.every_seconds > written // spec.every_seconds


def _related(spec: LiveDataSpec, milestone: Json, state: Exchange) -> list[str]:
    """The events that were named, and those of the series that are open."""
    known = milestone.get("related_event_tickers")
    found = []
    for ticker in known if isinstance(known, list) else []:
        event = state.events.get(ticker)
        if event is None or event.series.ticker not in spec.related_series:
            found.append(ticker)
    for name in spec.related_series:
        series = state.series.get(name)
        # Of a rolling series only the newest events can be open.
        for ticker in series.event_tickers[-_NEWEST:] if series is not None else []:
            tickers = state.events[ticker].market_tickers
            if any(state.markets[market].status == ACTIVE for market in tickers):
                found.append(ticker)
    return found


def _document(state: Exchange, kind: str, key: str) -> Json | None:
    text = state.documents.get(kind, {}).get(key)
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
