"""Announcements, the schedule, and documents: what is told to members and decides nothing."""

import msgspec
from msgspec import UNSET

from augury.codec.ids import format_id
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core import commands
from augury.gateways import documents
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator, page
from augury.gateways.operator.errors import FieldErrors, invalid, not_found
from augury.gateways.operator.terms import window_bounds


async def list_announcements(operator: Operator, call: Call[None, None]) -> answers.Announcements:
    found = [
        answers.Announcement(
            id=format_id("announcement", item.id),
            type=item.kind,
            message=item.message,
            status=item.status,
            delivery_time=rfc3339(item.delivery_ns),
        )
        for item in reversed(operator.state.announcements)
    ]
    return answers.Announcements(announcements=found)


async def publish_announcement(
    operator: Operator, call: Call[requests.PublishAnnouncement, None]
) -> answers.Announcement:
    body = call.body
    errors = FieldErrors()
    delivery_ns = operator.gate.now_ns()
    if body.delivery_time is not None:
        delivery_ns = errors.parse("delivery_time", parse_rfc3339, body.delivery_time, 0)
    errors.check()
    applied = await operator.submit(
        commands.PublishAnnouncement(body.type, body.message, body.status, delivery_ns)
    )
    return answers.Announcement(
        id=format_id("announcement", applied.sequence),
        type=body.type,
        message=body.message,
        status=body.status,
        delivery_time=rfc3339(delivery_ns),
    )


async def show_schedule(operator: Operator, call: Call[None, None]) -> answers.Schedule:
    return answers.schedule(operator.state)


async def set_schedule(
    operator: Operator, call: Call[requests.SetSchedule, None]
) -> answers.Schedule:
    errors = FieldErrors()
    for number, week in enumerate(call.body.standard_hours):
        _check_range(errors, f"standard_hours[{number}]", "_time", week.start_time, week.end_time)
    given = call.body.maintenance_windows
    windows = window_bounds(errors, "maintenance_windows", given) if given is not UNSET else None
    errors.check()
    weeks = msgspec.to_builtins(call.body.standard_hours)
    # The windows are those that really pause trading, so the published text holds none.
    await operator.submit(
        commands.SetSchedule(requests.as_json({"standard_hours": weeks, "maintenance_windows": []}))
    )
    if windows is not None:
        await operator.submit(commands.SetMaintenanceWindows(windows))
    return answers.schedule(operator.state)


def _check_range(errors: FieldErrors, place: str, suffix: str, start: str, end: str) -> None:
    start_ns = errors.parse(f"{place}.start{suffix}", parse_rfc3339, start, 0)
    end_ns = errors.parse(f"{place}.end{suffix}", parse_rfc3339, end, start_ns + 1)
    errors.require(f"{place}.end{suffix}", start_ns < end_ns, "must be after the start")


# --- documents -------------------------------------------------------------------------------


async def list_kinds(operator: Operator, call: Call[None, None]) -> answers.Documents:
    kinds = {kind: len(found) for kind, found in sorted(operator.state.documents.items())}
    return answers.Documents(kinds=kinds)


async def list_documents(
    operator: Operator, call: Call[None, requests.Page]
) -> answers.DocumentList:
    kind = call.path["kind"]
    found = operator.state.documents.get(kind, {})
    keys, cursor = page(sorted(found), call.query.cursor, call.query.limit)
    return answers.DocumentList(
        documents=[
            answers.Document(kind=kind, key=key, details=answers.details_of(found[key]))
            for key in keys
        ],
        cursor=cursor,
    )


async def show_document(operator: Operator, call: Call[None, None]) -> answers.Document:
    kind, key = call.path["kind"], call.path["key"]
    text = operator.state.documents.get(kind, {}).get(key)
    if text is None:
        raise not_found(kind, key)
    return answers.Document(kind=kind, key=key, details=answers.details_of(text))


async def put_document(
    operator: Operator, call: Call[requests.PutDocument, None]
) -> answers.Document:
    kind, key = call.path["kind"], call.path["key"]
    details = documents.completed(kind, key, call.body.details, operator.gate.now_ns())
    if found := documents.problems(kind, key, details, operator.state):
        raise invalid(found)
    await operator.submit(commands.PutDocument(kind, key, requests.as_json(details)))
    return await show_document(operator, Call(call.path, None, None))


async def remove_document(operator: Operator, call: Call[None, None]) -> answers.Nothing:
    kind, key = call.path["kind"], call.path["key"]
    if key not in operator.state.documents.get(kind, {}):
        raise not_found(kind, key)
    await operator.submit(commands.RemoveDocument(kind, key))
    return answers.Nothing()
