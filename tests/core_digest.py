"""The events of the core as text that is the same for compiled and interpreted code."""

from hashlib import blake2b
from typing import Any

from augury.codec.readable import event_dict
from augury.core.applied import Applied


class EventDigest:
    """Takes in what records did, in order; ``hexdigest`` names all of it."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=16)

    def add(self, applied: Applied) -> None:
        self._digest.update(f"{applied.sequence} {applied.time_ns} {applied.own_from}\n".encode())
        for event in applied.events:
            self._digest.update(repr(sorted_fields(event_dict(event))).encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def sorted_fields(shown: dict[str, Any]) -> list[tuple[str, Any]]:
    """By name: the order of an event's fields is not the same in both forms."""
    return [
        (name, sorted_fields(value) if isinstance(value, dict) else value)
        for name, value in sorted(shown.items())
    ]


def digest_of(applied: Applied) -> str:
    """One record's events, for comparing two engines step by step."""
    digest = EventDigest()
    digest.add(applied)
    return digest.hexdigest()
