"""The port through which gateways reach the exchange: submit a command, read, listen."""

from collections.abc import Callable, Sequence
from typing import Protocol

from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.state import Exchange


class Unavailable(Exception):
    """The command was not logged: the log cannot take it, or too many are waiting.

    ``reason`` is ``storage``, ``overloaded`` or ``stopping``: nothing has changed. Or it is
    ``unknown``: the disk failed in the very flush of the command. Nothing has changed so far, but
    if the process ends before the log works again the command may turn out to be in it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExchangeGate(Protocol):
    """What the sequencer offers. All calls belong to the event loop's thread."""

    @property
    def state(self) -> Exchange:
        """The live state. Read it between awaits; never write, never keep parts across one."""
        ...

    @property
    def storage_failed(self) -> bool:
        """True while the log refuses writes; the exchange answers as in an exchange pause."""
        ...

    def now_ns(self) -> int:
        """Exchange time now; not before the time of the last record."""
        ...

    async def submit(self, command: Command) -> Applied:
        """Returns after the command is durable and applied. Raises ``Unavailable``.

        Cancels and decreases are taken before other commands that wait.
        """
        ...

    async def submit_all(self, commands: Sequence[Command]) -> list[Applied]:
        """Submit in this order, adjacent in the log; one answer each. Raises ``Unavailable``."""
        ...

    def listen(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """Call ``listener`` right after each record is applied, in log order, before anyone
        who waits for that record continues. It must not raise or block. Returns an undo."""
        ...


class VirtualTime(Protocol):
    """The extra controls that exist when time is virtual."""

    async def advance_to(self, time_ns: int) -> Applied:
        """Move the clock forward and log a tick; raises ``ValueError`` when it would go back."""
        ...

    def next_timer_ns(self) -> int | None:
        """When the next timer of the core is due; None when there is none."""
        ...
