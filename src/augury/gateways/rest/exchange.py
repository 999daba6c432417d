"""Exchange operations: status, schedule, announcements, how far history is (rest.md, section 2)."""

from typing import Final

import msgspec

from augury.codec.text import rfc3339
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.maintenance import MAINTENANCE_HOURS, is_weekly
from augury.gateways.rest.answers import (
    Announcement,
    DailySchedule,
    ExchangeIndexStatus,
    ExchangeStatus,
    GetExchangeAnnouncementsResponse,
    GetExchangeScheduleResponse,
    GetUserDataTimestampResponse,
    MaintenanceWindow,
    Schedule,
    WeeklySchedule,
)
from augury.gateways.rest.request import Request, Services

INACTIVE_ANNOUNCEMENTS_NS: Final = 30 * 86_400 * NANOS_PER_SECOND
"""How long after its delivery an inactive announcement is still listed."""


class _Published(msgspec.Struct):
    """What is read of a published schedule; old ones hold windows that paused nothing."""

    standard_hours: list[WeeklySchedule]


async def get_status(services: Services, request: Request) -> ExchangeStatus:
    """Inactive also while the log takes no commands: then nothing can change either."""
    state = services.state
    active = not state.exchange_paused and not services.gate.storage_failed
    resume = None
    if state.exchange_paused and state.estimated_resume_ns:
        resume = rfc3339(state.estimated_resume_ns)
    trading = active and not state.trading_paused
    # With one shard there is nowhere to transfer to.
    shard = ExchangeIndexStatus(0, "All markets", active, trading, False)
    return ExchangeStatus(active, trading, resume, False, [shard])


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
    """Hours as the operator published them, or the usual week. The windows are those in force."""
    state = services.state
    windows = [
        MaintenanceWindow(rfc3339(start), rfc3339(end)) for start, end in state.maintenance_windows
    ]
    weeks = [_usual_week(any(is_weekly(start) for start, _ in state.maintenance_windows))]
    if state.schedule:
        weeks = msgspec.json.decode(state.schedule, type=_Published).standard_hours
    return GetExchangeScheduleResponse(Schedule(weeks, windows))


async def get_user_data_timestamp(
    services: Services, request: Request
) -> GetUserDataTimestampResponse:
    """Now, when reads show every write; else the time that history has reached."""
    gate, history = services.gate, services.history
    reached = history.status()
    caught_up = reached.position >= gate.state.sequence
    return GetUserDataTimestampResponse(rfc3339(gate.now_ns() if caught_up else reached.time_ns))


def _usual_week(weekly_maintenance: bool) -> WeeklySchedule:
    day = [DailySchedule("00:00", "00:00")]
    thursday = day
    if weekly_maintenance:
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
