"""Exchange operations: status, schedule, announcements, how far history is (rest.md, section 2)."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from augury.codec.text import rfc3339, seconds
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.rest.answers import (
    Announcement,
    DailySchedule,
    ExchangeStatus,
    GetExchangeAnnouncementsResponse,
    GetExchangeScheduleResponse,
    GetUserDataTimestampResponse,
    MaintenanceWindow,
    Schedule,
    WeeklySchedule,
)
from augury.gateways.rest.request import Request, Services

EASTERN: Final = ZoneInfo("America/New_York")
MAINTENANCE_WEEKDAY: Final = 3
"""Thursday."""
MAINTENANCE_HOURS: Final = (3, 5)
WINDOWS_LISTED: Final = 8

INACTIVE_ANNOUNCEMENTS_NS: Final = 30 * 86_400 * NANOS_PER_SECOND
"""How long after its delivery an inactive announcement is still listed."""


async def get_status(services: Services, request: Request) -> ExchangeStatus:
    """Inactive also while the log takes no commands: then nothing can change either."""
    state = services.state
    active = not state.exchange_paused and not services.gate.storage_failed
    resume = None
    if state.exchange_paused and state.estimated_resume_ns:
        resume = rfc3339(state.estimated_resume_ns)
    return ExchangeStatus(active, active and not state.trading_paused, resume)


async def get_announcements(
    services: Services, request: Request
) -> GetExchangeAnnouncementsResponse:
    """Newest delivery first; inactive ones for another 30 days."""
    oldest_inactive = services.gate.now_ns() - INACTIVE_ANNOUNCEMENTS_NS
    listed = [
        announcement
        for announcement in services.state.announcements
        if announcement.status == "active" or announcement.delivery_ns >= oldest_inactive
    ]
    listed.sort(key=lambda announcement: (announcement.delivery_ns, announcement.id), reverse=True)
    return GetExchangeAnnouncementsResponse(
        [
            Announcement(
                announcement.kind,
                announcement.message,
                rfc3339(announcement.delivery_ns),
                announcement.status,
            )
            for announcement in listed
        ]
    )


async def get_schedule(services: Services, request: Request) -> GetExchangeScheduleResponse:
    """What the operator published; else the usual week with its maintenance on Thursdays."""
    published = services.state.schedule
    if published:
        return GetExchangeScheduleResponse(msgspec.json.decode(published, type=Schedule))
    return GetExchangeScheduleResponse(
        Schedule([_usual_week()], _maintenance_windows(seconds(services.gate.now_ns())))
    )


async def get_user_data_timestamp(
    services: Services, request: Request
) -> GetUserDataTimestampResponse:
    """Now, when reads show every write; else the time that history has reached."""
    gate, history = services.gate, services.history
    reached = history.status()
    caught_up = reached.position >= gate.state.sequence
    return GetUserDataTimestampResponse(rfc3339(gate.now_ns() if caught_up else reached.time_ns))


def _usual_week() -> WeeklySchedule:
    day = [DailySchedule("00:00", "00:00")]
    start, end = (f"{hour:02d}:00" for hour in MAINTENANCE_HOURS)
    thursday = [DailySchedule("00:00", start), DailySchedule(end, "00:00")]
    return WeeklySchedule(
        start_time="2024-01-01T00:00:00Z",
        end_time="2200-01-01T00:00:00Z",
        monday=day,
        tuesday=day,
        wednesday=day,
        thursday=thursday,
        friday=day,
        saturday=day,
        sunday=day,
    )


def _maintenance_windows(now_seconds: int) -> list[MaintenanceWindow]:
    """The next windows that have not ended, in UTC; the hours follow daylight saving."""
    now = datetime.fromtimestamp(now_seconds, UTC)
    day = now.astimezone(EASTERN).date()
    windows: list[MaintenanceWindow] = []
    while len(windows) < WINDOWS_LISTED:
        if day.weekday() == MAINTENANCE_WEEKDAY:
            start, end = (
                datetime(day.year, day.month, day.day, hour, tzinfo=EASTERN).astimezone(UTC)
                for hour in MAINTENANCE_HOURS
            )
            if end > now:
                windows.append(MaintenanceWindow(_utc(start), _utc(end)))
        day += timedelta(days=1)
    return windows


def _utc(time: datetime) -> str:
    return time.isoformat()[:19] + "Z"
