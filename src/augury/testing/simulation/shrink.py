"""From a plan that fails to a short one that fails in the same way, by leaving actions out."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from augury.testing.simulation.plan import Action

_OWN: Final = str(Path(__file__).resolve().parents[2])


class Failure(NamedTuple):
    """What went wrong. Two failures are the same when ``kind`` is."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """``kind`` is the type of the error and the place in the sources that raised it."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename.startswith(_OWN)]
        place = ""
        if own:
            path = Path(own[-1].filename).relative_to(_OWN)
            place = f"{path}, {own[-1].name}"
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", [])[-1:])
        text = f"{type(error).__name__}: {error}{notes}"
        return cls(f"{type(error).__name__} in {place}", text)


def attempt(run: Callable[[list[Action]], object], plan: list[Action]) -> Failure | None:
    """How ``plan`` fails; None when it does not."""
    try:
        run(plan)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failure.of(error)
    return None


def shrink(
    run: Callable[[list[Action]], object],
    plan: list[Action],
    failure: Failure,
    seconds_limit: float = 120.0,
) -> list[Action]:
    """The shortest plan found within the time: first without its end, then by delta debugging."""
    deadline = time.monotonic() + seconds_limit

    def still_fails(candidate: list[Action]) -> bool:
        found = attempt(run, candidate)
        return found is not None and found.kind == failure.kind

    parts = 2
    while len(plan) > 1 and time.monotonic() < deadline:
        size = -(-len(plan) // parts)
        for start in reversed(range(0, len(plan), size)):
            candidate = plan[:start] + plan[start + size :]
            if still_fails(candidate):
                plan = candidate
                parts = max(2, parts - 1)
                break
            if time.monotonic() >= deadline:
                return plan
        else:
            if size == 1:
                break
            parts = min(len(plan), parts * 2)
    return plan
