"""Times, durations and texts of a world file, most of which are relative to when it starts.

A demo world must be alive whenever it is started, so its times may be written as ``+2h`` or
``tomorrow 16:00 ET`` and its tickers may carry dates, as in ``KXHIGH-{close:%y%b%d}``. Everything
is resolved against one anchor, the world's start, which the log remembers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo

from augury.codec.text import parse_rfc3339
from augury.core.units import NANOS_PER_SECOND

EASTERN: Final = ZoneInfo("America/New_York")
"""The exchange's own time zone: trading days and dates in tickers follow it."""

_ZONES: Final = {"ET": EASTERN, "UTC": UTC}
_UNIT_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION: Final = re.compile(r"(?:[0-9]{1,6}[wdhms])+")
_DURATION_PART: Final = re.compile(r"([0-9]+)([wdhms])")
_RELATIVE: Final = re.compile(
    r"(?P<base>now|today|tomorrow|(?P<sign>[+-])\s*(?P<length>[0-9wdhms]+))"
    r"(?:\s+(?:at\s+)?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?:\s*(?P<zone>ET|UTC))?)?"
)
_LONGEST: Final = 200 * 365 * 86_400
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_UNPADDED: Final = re.compile(r"%-([dHIjm])")


def parse_duration(text: str) -> int:
    """Whole seconds of ``90s``, ``15m``, ``2h30m``, ``3d`` or ``1w``. Raises ``ValueError``."""
    if _DURATION.fullmatch(text) is None:
        raise ValueError("expected a duration such as 90s, 15m, 2h30m or 3d")
    total = sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if total > _LONGEST:
        raise ValueError("is too long")
    return total


@dataclass(frozen=True, slots=True)
class WorldTime:
    """An instant, absolute (``absolute_ns``) or relative to the start of the world."""

    absolute_ns: int | None = None
    offset_seconds: int = 0
    hour: int = -1
    minute: int = 0
    zone: str = "ET"

    def resolve(self, start_ns: int) -> int:
        """Nanoseconds since the epoch when the world starts at ``start_ns``.

        With a time of day the day is that of start plus offset in the named zone. Relative
        times are cut to whole seconds.
        """
        if self.absolute_ns is not None:
            return self.absolute_ns
        seconds = start_ns // NANOS_PER_SECOND + self.offset_seconds
        if self.hour >= 0:
            zone = _ZONES[self.zone]
            day = datetime.fromtimestamp(seconds, zone)
            moment = datetime(day.year, day.month, day.day, self.hour, self.minute, tzinfo=zone)
            seconds = int(moment.timestamp())
        return seconds * NANOS_PER_SECOND


def parse_time(text: str) -> WorldTime:
    """Read an RFC 3339 time, ``now``, ``+2h``, ``-1d``, ``tomorrow 16:00 ET``, ``+3d 09:30``.

    Raises ``ValueError``.
    """
    text = text.strip()
    match = _RELATIVE.fullmatch(text)
    if match is None:
        try:
            return WorldTime(absolute_ns=parse_rfc3339(text))
        except ValueError:
            raise ValueError(
                "expected a time such as 2026-01-31T12:00:00Z, now, +2h, -1d or tomorrow 16:00 ET"
            ) from None
    offset = 86_400 if match["base"] == "tomorrow" else 0
    if match["length"]:
        offset = parse_duration(match["length"])
        if match["sign"] == "-":
            offset = -offset
    if match["hour"] is None:
        if match["base"] in {"today", "tomorrow"}:
            return WorldTime(offset_seconds=offset, hour=0)
        return WorldTime(offset_seconds=offset)
    hour, minute = int(match["hour"]), int(match["minute"])
    if hour > 23 or minute > 59:
        raise ValueError("there is no such time of day")
    return WorldTime(offset_seconds=offset, hour=hour, minute=minute, zone=match["zone"] or "ET")


def eastern(ns: int) -> datetime:
    """The wall clock of the exchange's time zone."""
    return datetime.fromtimestamp(ns // NANOS_PER_SECOND, EASTERN)


def fill_in(text: str, values: Mapping[str, int | str]) -> str:
    """Replace ``{name}`` and ``{name:%format}``; ``{{`` and ``}}`` stand for braces.

    A number among ``values`` is a time in nanoseconds, written in Eastern Time by a ``strftime``
    format (``%-d`` is the day without a leading zero). Raises ``ValueError`` for an unknown name.
    """
    if "{" not in text and "}" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        inside = match[1]
        if inside is None:
            return match[0][0]
        name, _, form = inside.partition(":")
        value = values.get(name.strip())
        if value is None:
            similar = get_close_matches(name, values, n=1)
            hint = f"; did you mean {{{similar[0]}}}?" if similar else ""
            known = ", ".join(sorted(values))
            raise ValueError(f"nothing is called {{{name}}} here{hint} (known: {known})")
        if isinstance(value, str):
            return value
        return _strftime(eastern(value), form or "%b %-d, %Y")

    return _PLACEHOLDER.sub(one, text)


def _strftime(moment: datetime, form: str) -> str:
    # "%-d" is known to some C libraries only, so it is done here.
    form = _UNPADDED.sub(lambda match: str(int(moment.strftime("%" + match[1]))), form)
    return moment.strftime(form)


def next_close(after_ns: int, every_seconds: int, offset_seconds: int) -> int:
    """The first close after ``after_ns`` of what repeats every ``every_seconds``.

    What repeats within a day is aligned to the hours of the clock; what repeats after whole days
    is aligned to midnight in Eastern Time, so a daily market closes at the same wall-clock time
    all year. The offset comes on top in both cases.
    """
    if every_seconds % 86_400:
        step = every_seconds * NANOS_PER_SECOND
        offset = offset_seconds * NANOS_PER_SECOND
        return (after_ns - offset) // step * step + step + offset
    days = every_seconds // 86_400
    day = eastern(after_ns - offset_seconds * NANOS_PER_SECOND).date()
    back = day.toordinal() % days
    for count in range(3):
        at = _wall_clock(day + timedelta(days=count * days - back), offset_seconds)
        if at > after_ns:
            return at
    raise AssertionError("one of three repetitions lies ahead")


def _wall_clock(day: date, seconds: int) -> int:
    """``seconds`` after midnight of a day as the clock on the wall shows it."""
    moment = datetime(day.year, day.month, day.day, tzinfo=EASTERN)
    # Wall-clock arithmetic on purpose: 16:00 stays 16:00 on the day the clocks change.
    return int((moment + timedelta(seconds=seconds)).timestamp()) * NANOS_PER_SECOND
