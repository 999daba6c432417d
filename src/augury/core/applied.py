"""The outcome of one record: what the sequencer hands to everyone who waits or listens."""

from mypy_extensions import mypyc_attr

from augury.core.commands import Command
from augury.core.events import CommandRejected, Event


@mypyc_attr(acyclic=True, free_list_len=1)
class Applied:
    """One record of the log and what it did.

    ``events[:own_from]`` come from timers that were due at the record's time; the rest is the
    answer to the command itself.
    """

    __slots__ = ("command", "events", "own_from", "sequence", "time_ns")

    def __init__(
        self, sequence: int, time_ns: int, command: Command, events: list[Event], own_from: int
    ) -> None:
        self.sequence = sequence
        self.time_ns = time_ns
        self.command = command
        self.events = events
        self.own_from = own_from

    @property
    def rejection(self) -> CommandRejected | None:
        """Why the command was refused, or None when it was carried out."""
        if len(self.events) > self.own_from:
            event = self.events[self.own_from]
            if isinstance(event, CommandRejected):
                return event
        return None
