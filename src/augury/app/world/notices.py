"""What a world file tells members: announcements, the schedule, documents of all kinds, which
events can be combined, and which fees will change.
"""

import re
import uuid
from decimal import Decimal
from typing import Final

from augury.app.world.model import (
    AnnouncementSpec,
    CollectionSpec,
    DocumentSpec,
    FeeChangeSpec,
    Json,
    LiveDataSpec,
)
from augury.app.world.reading import Fields
from augury.app.world.times import WorldTime, parse_time
from augury.core.fees import FEE_TYPES, QUADRATIC
from augury.gateways import documents
from augury.gateways.combos import PREFIX, is_combo


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
    for taken in ("live_data", "related_series"):
        fields.has(taken)
    name = fields.text(title, required=True)
    given = fields.text("id")
    key = given or str(uuid.uuid5(uuid.NAMESPACE_URL, f"augury:{kind}:{name}"))
    times = {
        field: fields.parsed(field, parse_time, WorldTime())
        for field in _DOCUMENT_TIMES
        if fields.has(field)
    }
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


def read_live_data(fields: Fields, milestone: DocumentSpec) -> LiveDataSpec | None:
    """``live_data`` inside a milestone, and which series it goes with."""
    related = fields.texts("related_series")
    inside = fields.mapping("live_data")
    if inside is None:
        if related:
            fields.add("related_series", "needs `live_data`, which keeps it up")
        return None
    follows = inside.raw("follows") or {}
    if not isinstance(follows, dict) or not all(isinstance(to, str) for to in follows.values()):
        inside.add("follows", "expected fields, each with the name of a truth")
        follows = {}
    details = inside.raw("details") or {}
    if not isinstance(details, dict):
        inside.add("details", "expected a mapping")
        details = {}
    spec = LiveDataSpec(
        key=milestone.key,
        type=inside.text("type", str(milestone.details.get("type", ""))),
        details=details,
        every_seconds=inside.duration("every", 60, least=5),
        follows=follows,
        related_series=related,
        starts=milestone.times.get("start_date", WorldTime()),
        ends=milestone.times.get("end_date"),
        source=inside,
    )
    inside.finish()
    return spec


def read_incentive(fields: Fields) -> DocumentSpec:
    """An incentive program. ``period_reward`` is in 1/10,000 dollars, as in the API."""
    times = {
        field: fields.parsed(field, parse_time, WorldTime(), required=True)
        for field in ("start_date", "end_date")
    }
    market = fields.ticker("market_ticker")
    kind = fields.choice("incentive_type", ("liquidity", "volume"), "liquidity")
    name = f"augury:{documents.INCENTIVE_PROGRAM}:{kind}:{market}"
    key = fields.text("id") or str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    details: Json = {"id": key, "market_ticker": market, "incentive_type": kind, **fields.rest()}
    return DocumentSpec(documents.INCENTIVE_PROGRAM, key, details, times, fields)


def read_sports_filters(top: Fields) -> DocumentSpec | None:
    fields = top.mapping("sports_filters")
    if fields is None:
        return None
    return DocumentSpec(documents.SPORTS_FILTERS, documents.EVERY_SPORT, fields.rest(), {}, fields)


def read_collection(fields: Fields) -> CollectionSpec:
    events = []
    for event in fields.each("events"):
        events.append(
            (
                event.ticker(),
                event.flag("is_yes_only"),
                event.whole("size_min", 0, most=100),
                event.whole("size_max", 0, most=100),
            )
        )
        event.finish()
    if not events:
        fields.add("events", "names the events whose markets may be combined")
    series = fields.ticker("series_ticker")
    if series and not is_combo(series):
        fields.add("series_ticker", f"must begin with {PREFIX}, like those of all combos")
    if not fields.has("close_date"):
        fields.problems.add(fields.place(), "`close_date` is missing")
    least, most = fields.whole("size_min", 2, least=2, most=100), fields.whole("size_max", 0)
    if most and most < least:
        fields.add("size_max", "is below size_min; 0 is no limit")
    texts = ("title", "description", "functional_description")
    spec = CollectionSpec(
        ticker=fields.ticker(),
        series_ticker=series,
        open_date=fields.time("open_date") or WorldTime(),
        close_date=fields.time("close_date") or WorldTime(offset_seconds=86_400),
        size_min=least,
        size_max=most,
        is_ordered=fields.flag("is_ordered"),
        events=events,
        combos=[_combo(combo) for combo in fields.each("combos")],
        details={name: text for name in texts if (text := fields.text(name))},
        source=fields,
    )
    fields.finish()
    return spec


def _combo(fields: Fields) -> list[tuple[str, str]]:
    legs = []
    for leg in fields.each("legs"):
        legs.append((leg.ticker("market"), leg.choice("side", ("yes", "no"), "yes")))
        leg.finish()
    if len(legs) < 2:
        fields.add("legs", "a combo has at least two")
    fields.finish()
    return legs


def read_fee_change(fields: Fields) -> FeeChangeSpec:
    multiplier = fields.decimal("fee_multiplier", Decimal(1), least="0", most="10")
    if not fields.has("scheduled_time"):
        fields.problems.add(fields.place(), "`scheduled_time` is missing")
    spec = FeeChangeSpec(
        series_ticker=fields.ticker("series_ticker"),
        fee_type=fields.choice("fee_type", FEE_TYPES, QUADRATIC),
        fee_multiplier_ppm=int((multiplier or Decimal(0)) * 1_000_000),
        scheduled_time=fields.time("scheduled_time") or WorldTime(),
        source=fields,
    )
    fields.finish()
    return spec


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


def read_schedule(top: Fields) -> tuple[Json | None, list[tuple[WorldTime, WorldTime]]]:
    """Standard hours as they are published, if any, and windows in which trading pauses."""
    fields = top.mapping("schedule")
    if fields is None:
        return None, []
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
            (
                window.time("start_datetime") or WorldTime(),
                window.time("end_datetime") or WorldTime(),
            )
        )
        window.finish()
    fields.finish()
    return ({"standard_hours": weeks, "maintenance_windows": []} if weeks else None), windows


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
