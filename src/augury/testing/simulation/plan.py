"""A plan: what will be done to a simulated exchange, in order, all of it drawn from one seed.

Every action carries chance of its own, so that one may be left out without changing what the others
choose. That is what makes a failing plan shrink: actions are taken away as long as it still fails.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

WEIGHTS: Final = {
    "members": 60,
    "operator": 20,
    "evening": 9,
    "deal": 7,
    "wait": 12,
    "clock": 3,
    "watch": 6,
    "replica": 5,
    "snapshot": 4,
    "check": 5,
    "kill": 3,
    "power": 3,
    "stop": 2,
    "rot": 2,
    "chain": 3,
    "disk": 6,
    "history": 2,
    "backup": 1,
    "intruder": 1,
    "flood": 1,
}
"""How often each kind of action is drawn."""

FAULTS: Final = ("disk", "history", "kill", "power", "rot", "chain", "clock")
"""Kinds that a calm plan leaves out."""

LENGTH: Final = 120


@dataclass(frozen=True, slots=True)
class Action:
    """``index`` is its place in the whole plan, which also seeds its chance."""

    index: int
    kind: str

    def __str__(self) -> str:
        return f"{self.index}:{self.kind}"


def draw(seed: int, length: int = LENGTH) -> list[Action]:
    """The whole plan of a seed. Some are calm, some stormy, some do one thing most of the time."""
    chance = Random(f"plan {seed}")
    weights = dict(WEIGHTS)
    mood = chance.random()
    if mood < 0.15:
        for kind in FAULTS:
            weights[kind] = 0
    elif mood < 0.4:
        for kind in FAULTS:
            weights[kind] *= 4
    elif mood < 0.7:
        weights[chance.choice(list(weights))] *= 10
    kinds = chance.choices(list(weights), list(weights.values()), k=length)
    return [Action(index, kind) for index, kind in enumerate(kinds)]


def only(plan: list[Action], kept: str) -> list[Action]:
    """The actions of ``plan`` that ``kept`` names, such as ``3,17-40``; all when it is empty."""
    if not kept:
        return plan
    indexes: set[int] = set()
    for part in kept.split(","):
        first, _, last = part.partition("-")
        indexes.update(range(int(first), int(last or first) + 1))
    return [action for action in plan if action.index in indexes]


def named(plan: list[Action]) -> str:
    """What ``only`` understands. ``none`` cannot be said, and is never needed."""
    parts: list[str] = []
    indexes = [action.index for action in plan]
    start = 0
    while start < len(indexes):
        end = start
        while end + 1 < len(indexes) and indexes[end + 1] == indexes[end] + 1:
            end += 1
        first, last = indexes[start], indexes[end]
        parts.append(str(first) if first == last else f"{first}-{last}")
        start = end + 1
    return ",".join(parts)
