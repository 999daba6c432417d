"""The weekly maintenance: Thursday 03:00 to 05:00 Eastern Time (rules, section 16)."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from augury.core.units import NANOS_PER_SECOND

EASTERN: Final = ZoneInfo("America/New_York")
MAINTENANCE_WEEKDAY: Final = 3
"""Thursday."""
MAINTENANCE_HOURS: Final = (3, 5)


def is_weekly(start_ns: int) -> bool:
    """Whether a window that starts then is one of the weekly ones."""
    start = datetime.fromtimestamp(start_ns // NANOS_PER_SECOND, EASTERN)
    return (start.weekday(), start.hour, start.minute) == (
        MAINTENANCE_WEEKDAY,
        MAINTENANCE_HOURS[0],
        0,
    )


def weekly_windows(after_ns: int, count: int) -> list[tuple[int, int]]:
    """The next windows that start after a moment; the hours follow daylight saving."""
    day = datetime.fromtimestamp(after_ns // NANOS_PER_SECOND, EASTERN).date()
    windows: list[tuple[int, int]] = []
    while len(windows) < count:
        if day.weekday() == MAINTENANCE_WEEKDAY:
            start, end = (_at(day, hour) for hour in MAINTENANCE_HOURS)
            if start > after_ns:
                windows.append((start, end))
        day += timedelta(days=1)
    return windows


def _at(day: date, hour: int) -> int:
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=EASTERN).astimezone(UTC)
    return int(moment.timestamp()) * NANOS_PER_SECOND
