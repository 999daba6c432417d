"""The events of the core as text that is the same for compiled and interpreted code."""

from hashlib import blake2b

from augury.codec.readable import event_dict
from augury.core.applied import Applied


class EventDigest:
    """Takes in what records did, in order; ``hexdigest`` names all of it."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=16)
        self.events = 0

    def add(self, applied: Applied) -> None:
        self._digest.update(f"{applied.sequence} {applied.time_ns} {applied.own_from}\n".encode())
        for event in applied.events:
            self.events += 1
            self._digest.update(repr(sorted(event_dict(event).items())).encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def digest_of(applied: Applied) -> str:
    """One record's events, for comparing two engines step by step."""
    digest = EventDigest()
    digest.add(applied)
    return digest.hexdigest()
