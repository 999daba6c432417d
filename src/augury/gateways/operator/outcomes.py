"""Remembers which recent records were refused, because the log holds commands, not results."""

from collections import OrderedDict
from typing import Final

from augury.core.applied import Applied

APPLIED: Final = "applied"


class Outcomes:
    """A listener. Keeps the newest ``limit`` refusals of this process; forgets, never guesses."""

    def __init__(self, after_sequence: int, limit: int = 50_000) -> None:
        self._known_after = after_sequence
        self._limit = limit
        self._refused: OrderedDict[int, str] = OrderedDict()

    def listen(self, applied: Applied) -> None:
        rejection = applied.rejection
        if rejection is None:
            return
        self._refused[applied.sequence] = rejection.code
        if len(self._refused) > self._limit:
            self._known_after, _ = self._refused.popitem(last=False)

    def of(self, sequence: int) -> str | None:
        """``applied``, the code of the refusal, or None when it is not known any more."""
        if sequence <= self._known_after:
            return None
        return self._refused.get(sequence, APPLIED)
