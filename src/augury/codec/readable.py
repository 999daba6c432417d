"""Commands, events and records as plain dictionaries for people: the audit trail.

One way only; nothing reads this back. Units are those of the core, so what is shown is exactly what
was logged.
"""

from dataclasses import fields, is_dataclass
from typing import Any, Final

from augury.codec.commands import FIELDS
from augury.codec.text import rfc3339
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.events import Event, LevelChanged

_COMMAND_FIELDS = dict(FIELDS.values())


# An event that keeps something in another form than the one it is told in.
_TOLD: Final[dict[type[Any], tuple[str, ...]]] = {
    LevelChanged: ("delta", "direction", "market_ticker", "owners", "price", "quantity")
}


def _fields_of(cls: type[Any]) -> tuple[str, ...]:
    """The names of the fields of an event class, also when the core is compiled."""
    if cls in _TOLD:
        return _TOLD[cls]
    if is_dataclass(cls):
        return tuple(field.name for field in fields(cls))
    names: tuple[str, ...] = getattr(cls, "__slots__", ()) or getattr(cls, "__mypyc_attrs__", ())
    return tuple(names)


def command_dict(command: Command) -> dict[str, Any]:
    """``{"command": "PlaceOrder", ...}`` with every field by name."""
    names = _COMMAND_FIELDS[type(command)]
    shown: dict[str, Any] = {"command": type(command).__name__}
    shown.update((name, getattr(command, name)) for name in names)
    return shown


def event_dict(event: Event) -> dict[str, Any]:
    """``{"event": "OrderUpdated", ...}`` with every field by name."""
    shown: dict[str, Any] = {"event": type(event).__name__}
    for name in _fields_of(type(event)):
        value = getattr(event, name)
        shown[name] = event_dict(value) if isinstance(value, Event) else value
    return shown


def record_dict(sequence: int, time_ns: int, command: Command) -> dict[str, Any]:
    """A record of the log: what was asked, and when. ``time`` is RFC 3339."""
    return {"sequence": sequence, "time": rfc3339(time_ns), **command_dict(command)}


def applied_dict(applied: Applied) -> dict[str, Any]:
    """A record together with what it did."""
    return {
        **record_dict(applied.sequence, applied.time_ns, applied.command),
        "events": [event_dict(event) for event in applied.events],
    }
