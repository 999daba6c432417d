"""Reading the exchange's clock and, when it is virtual, moving it."""

from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.applied import Applied
from augury.core.events import Event
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator
from augury.gateways.operator.errors import FieldErrors, conflict, invalid, raise_for_rejection
from augury.gateways.operator.readable import name_of, readable_event
from augury.ports.exchange import VirtualTime

MOST_EVENTS_SHOWN = 100


def clock_of(operator: Operator) -> answers.Clock:
    time = operator.virtual_time
    return answers.Clock(
        mode="real" if time is None else "virtual",
        time=rfc3339(operator.gate.now_ns()),
        next_timer_time=answers.time_or_none(operator.next_timer_ns() or 0),
    )


async def show_clock(operator: Operator, call: Call[None, None]) -> answers.Clock:
    return clock_of(operator)


async def advance_clock(
    operator: Operator, call: Call[requests.AdvanceClock, None]
) -> answers.ClockMoved:
    """Timers fire in their order, each at its own time, before the answer comes."""
    virtual = _virtual(operator)
    body = call.body
    if (body.by_seconds is None) == (body.to is None):
        raise invalid({"by_seconds": "give exactly one of by_seconds and to"})
    now = operator.gate.now_ns()
    if body.by_seconds is not None:
        target = now + round(body.by_seconds * NANOS_PER_SECOND)
    else:
        errors = FieldErrors()
        target = errors.parse("to", parse_rfc3339, body.to or "", now)
        errors.require("to", target >= now, "the clock never goes back")
        errors.check()
    return await _advance(operator, virtual, target)


async def advance_to_next_timer(operator: Operator, call: Call[None, None]) -> answers.ClockMoved:
    virtual = _virtual(operator)
    target = virtual.next_timer_ns()
    if target is None:
        raise conflict("no_timer", "nothing is waiting for time to pass")
    return await _advance(operator, virtual, max(target, operator.gate.now_ns()))


async def _advance(operator: Operator, virtual: VirtualTime, target: int) -> answers.ClockMoved:
    happened: list[Event] = []

    def note(applied: Applied) -> None:
        # Members may go on meanwhile; what their commands did is not the clock's doing.
        happened.extend(applied.events[: applied.own_from])

    undo = operator.gate.listen(note)
    try:
        raise_for_rejection(await virtual.advance_to(target))
    except ValueError as error:
        # Somebody else moved the clock further in the meantime.
        raise conflict("invalid_state", str(error)) from None
    finally:
        undo()
    clock = clock_of(operator)
    return answers.ClockMoved(
        mode=clock.mode,
        time=clock.time,
        next_timer_time=clock.next_timer_time,
        event_count=len(happened),
        events=[
            answers.Happened(event=name_of(event), fields=readable_event(event))
            for event in happened[:MOST_EVENTS_SHOWN]
        ],
    )


def _virtual(operator: Operator) -> VirtualTime:
    if operator.virtual_time is None:
        raise conflict("real_clock", "this exchange runs by the real clock; see serve --clock")
    return operator.virtual_time
