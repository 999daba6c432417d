"""Announcements, the schedule, and documents: what is told to members and decides nothing."""

import msgspec

from augury.codec.ids import format_id
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core import commands
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator, page
from augury.gateways.operator.errors import FieldErrors, not_found


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
    return answers.Schedule(schedule=answers.details_of(operator.state.schedule))


async def set_schedule(
    operator: Operator, call: Call[requests.SetSchedule, None]
) -> answers.Schedule:
    errors = FieldErrors()
    for number, week in enumerate(call.body.standard_hours):
        _check_range(errors, f"standard_hours[{number}]", "_time", week.start_time, week.end_time)
    for number, window in enumerate(call.body.maintenance_windows):
        _check_range(
            errors,
            f"maintenance_windows[{number}]",
            "_datetime",
            window.start_datetime,
            window.end_datetime,
        )
    errors.check()
    details = msgspec.json.encode(call.body).decode()
    await operator.submit(commands.SetSchedule(details))
    return answers.Schedule(schedule=answers.details_of(operator.state.schedule))


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
    await operator.submit(
        commands.PutDocument(kind, key, msgspec.json.encode(call.body.details).decode())
    )
    return await show_document(operator, Call(call.path, None, None))


async def remove_document(operator: Operator, call: Call[None, None]) -> answers.Nothing:
    kind, key = call.path["kind"], call.path["key"]
    if key not in operator.state.documents.get(kind, {}):
        raise not_found(kind, key)
    await operator.submit(commands.RemoveDocument(kind, key))
    return answers.Nothing()
