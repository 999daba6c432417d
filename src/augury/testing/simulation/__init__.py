"""A deterministic simulator of the whole exchange. See docs/simulation.md.

from augury.testing.simulation import draw, simulate

figures = simulate(7, draw(7))     # raises what is wrong
"""

from augury.testing.simulation.figures import Figures
from augury.testing.simulation.node import Parts
from augury.testing.simulation.plan import Action, draw
from augury.testing.simulation.world import simulate

__all__ = ["Action", "Figures", "Parts", "draw", "simulate"]
