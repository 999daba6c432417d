"""Whether the exchange can do its work: the answer behind ``/readyz``."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from augury.ports.exchange import ExchangeGate

PATIENCE_SECONDS: Final = 5.0
"""History that has not reached what was applied so long ago is behind, not merely busy."""


class Health:
    """Notices a history that stays behind. ``sample`` is to be called about once a second."""

    def __init__(
        self,
        gate: ExchangeGate,
        history_position: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate = gate
        self._history_position = history_position
        self._monotonic = monotonic
        self._samples: deque[tuple[float, int]] = deque()
        self._due = 0
        """The sequence that history should have reached by now."""

    def sample(self) -> None:
        now = self._monotonic()
        self._samples.append((now, self._gate.state.sequence))
        while self._samples and self._samples[0][0] <= now - PATIENCE_SECONDS:
            self._due = self._samples.popleft()[1]

    def report(self) -> dict[str, Any]:
        """``ready`` and, in words, what stands in the way."""
        state = self._gate.state
        position = self._history_position()
        problems = []
        if self._gate.storage_failed:
            problems.append("the log cannot be written; nothing is accepted until it can")
        if position < self._due:
            problems.append(f"history is {state.sequence - position} records behind")
        return {
            "ready": not problems,
            "problems": problems,
            "sequence": state.sequence,
            "history_sequence": position,
        }
