"""Many seeds, one after another; several processes may share them."""

import itertools
import sys
import time

from augury.testing.simulation.figures import Figures
from augury.testing.simulation.loop import on_one_core
from augury.testing.simulation.plan import Action, draw, named
from augury.testing.simulation.shrink import Failure, shrink
from augury.testing.simulation.world import simulate


def share(
    first: int, workers: int, number: int, count: int, seconds: float, shrink_seconds: float
) -> tuple[int, int, Figures]:
    """The seeds of worker ``number``: every so many-th from ``first`` on, until ``count`` seeds
    were tried by all workers together, or for ``seconds`` when that is 0.

    Prints every failure. How many were tried, how many failed, and what happened.
    """
    deadline = time.monotonic() + seconds
    total = Figures()
    tried = failed = 0
    with on_one_core(number):
        for seed in itertools.count(first + number, workers):
            if seed >= first + count if count else time.monotonic() >= deadline:
                break
            plan = draw(seed)
            tried += 1
            try:
                total.add(simulate(seed, plan))
            except Exception as error:
                failed += 1
                told = report(seed, plan, Failure.of(error), shrink_seconds)
                sys.stdout.write("".join(told) + "\n")
                sys.stdout.flush()
    return tried, failed, total


def report(
    seed: int, plan: list[Action], failure: Failure, seconds_limit: float
) -> tuple[str, ...]:
    """The seed, what is wrong, and the one command that shows it again."""
    short = plan
    if seconds_limit:
        short = shrink(lambda kept: simulate(seed, kept), plan, failure, seconds_limit)
    actions = ", ".join(map(str, short)) if len(short) <= 40 else f"{len(short)} actions"
    return (
        f"seed {seed}: {failure.kind}\n",
        f"  {failure.text}\n",
        f"  {len(plan)} actions, shrunk to {len(short)}: {actions}\n",
        f"run it again with: make sim SEED={seed} KEEP={named(short)}",
    )
