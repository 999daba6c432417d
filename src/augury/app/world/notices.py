"""What a world file tells members without any rule depending on it.

Announcements, the schedule, milestones, structured targets and other documents.
"""

import re
import uuid
from typing import Final

from augury.app.world.model import AnnouncementSpec, DocumentSpec, Json
from augury.app.world.reading import Fields
from augury.app.world.times import WorldTime, parse_time


def read_announcement(fields: Fields) -> AnnouncementSpec:
    spec = AnnouncementSpec(
        kind=fields.choice("type", ("info", "warning", "error"), "info"),
        message=fields.text("message", required=True),
        status=fields.choice("status", ("active", "inactive"), "active"),
        delivery_time=fields.time("delivery_time") or WorldTime(),
        source=fields,
    )
    fields.finish()
    return spec


_DOCUMENT_TIMES: Final = ("start_date", "end_date", "last_updated_ts")


def read_described(fields: Fields, kind: str, title: str) -> DocumentSpec:
    """A milestone or a structured target: the API's own fields, with times that may be relative."""
    name = fields.text(title, required=True)
    given = fields.text("id")
    key = given or str(uuid.uuid5(uuid.NAMESPACE_URL, f"augury:{kind}:{name}"))
    times = {
        field: fields.parsed(field, parse_time, WorldTime())
        for field in _DOCUMENT_TIMES
        if fields.has(field)
    }
    if kind == "milestone" and "start_date" not in times:
        fields.problems.add(fields.place(), "`start_date` is missing")
    details: Json = {"id": key, title: name, **fields.rest()}
    if kind == "milestone":
        defaults: Json = {
            "category": "Other",
            "type": "event",
            "notification_message": "",
            "details": {},
            "primary_event_tickers": [],
        }
        details = {**defaults, **details}
        details.setdefault("related_event_tickers", details["primary_event_tickers"])
    else:
        details = {"type": "other", "details": {}, **details}
    times.setdefault("last_updated_ts", WorldTime())
    return DocumentSpec(kind, key, details, times, fields)


def read_document(fields: Fields) -> DocumentSpec:
    kind = fields.text("kind", required=True)
    key = fields.text("key", required=True)
    details = fields.raw("details")
    if not isinstance(details, dict):
        fields.add("details", "expected a mapping")
        details = {}
    fields.finish()
    return DocumentSpec(kind, key, details, {}, fields)


_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def read_schedule(top: Fields) -> Json | None:
    fields = top.mapping("schedule")
    if fields is None:
        return None
    weeks = []
    for week in fields.each("standard_hours"):
        start = week.time("start_time", WorldTime())
        end = week.time("end_time", WorldTime(absolute_ns=7_289_568_000 * 10**9))
        entry: Json = {"start_time": start, "end_time": end}
        for day in _DAYS:
            entry[day] = [_session(session) for session in week.each(day)]
        week.finish()
        weeks.append(entry)
    windows = []
    for window in fields.each("maintenance_windows"):
        for name in ("start_datetime", "end_datetime"):
            if not window.has(name):
                window.add("", f"`{name}` is missing")
        windows.append(
            {
                "start_datetime": window.time("start_datetime", WorldTime()),
                "end_datetime": window.time("end_datetime", WorldTime()),
            }
        )
        window.finish()
    fields.finish()
    return {"standard_hours": weeks, "maintenance_windows": windows}


def _session(fields: Fields) -> Json:
    session = {
        name: fields.parsed(name, _clock, "00:00", required=True)
        for name in ("open_time", "close_time")
    }
    fields.finish()
    return session


def _clock(text: str) -> str:
    if _CLOCK.fullmatch(text) is None:
        raise ValueError("expected a time of day such as 08:30")
    return text
