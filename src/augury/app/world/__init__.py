"""Worlds: files that say what an exchange lists when it starts, and who trades there.

``load_world`` reads and checks a file, ``apply_world`` creates what is missing on an exchange,
and ``WorldKeeper`` keeps rolling events coming and determines those whose truth the world knows.
"""

from augury.app.world.apply import KeyInHand, WorldReport, apply_world
from augury.app.world.keeper import WorldKeeper
from augury.app.world.loading import find_world, load_world, parse_world, shipped_worlds
from augury.app.world.model import World
from augury.app.world.reading import Problem, WorldError

__all__ = [
    "KeyInHand",
    "Problem",
    "World",
    "WorldError",
    "WorldKeeper",
    "WorldReport",
    "apply_world",
    "find_world",
    "load_world",
    "parse_world",
    "shipped_worlds",
]
