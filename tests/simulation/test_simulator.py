"""The simulated world: fresh seeds, seeds that once failed, and exchanges that must be found out.

``make sim SEED=n`` runs one seed by hand; docs/simulation.md tells the rest. How long fresh seeds
are tried is set with AUGURY_SIMULATION_SECONDS.
"""

import os
import random
import time
from functools import partial
from pathlib import Path

import pytest

from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.__main__ import main
from augury.testing.simulation.lives import Wrong
from augury.testing.simulation.plan import Action, draw, named, only
from augury.testing.simulation.shrink import attempt, shrink
from augury.testing.simulation.world import simulate, world
from tests.conftest import IN_CI, require_external
from tests.simulation.mutants import MUTANTS, Mutant, loses_a_fee

pytestmark = [pytest.mark.external, pytest.mark.slow]

SECONDS = float(os.environ.get("AUGURY_SIMULATION_SECONDS", "180" if IN_CI else "20"))

SEEDS_PER_MUTANT = 16
"""A mistake that is not found within so many seeds counts as one that is not looked for."""


@pytest.fixture(autouse=True)
def simulated_disk() -> None:
    reason = sqlite_vfs.missing()
    require_external(f"a disk that can be simulated ({reason})", reason is None)


def once_failed() -> list[tuple[int, str]]:
    lines = Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("#")[0].split() for line in lines]
    return [(int(row[0]), row[1] if len(row) > 1 else "") for row in rows if row]


@pytest.mark.parametrize("simulated, kept", once_failed())
def test_a_seed_that_once_failed_does_not_fail_again(simulated: int, kept: str) -> None:
    simulate(simulated, only(draw(simulated), kept))


def test_fresh_seeds_find_nothing() -> None:
    """Fresh ones in CI, too: a build that fails tells the seed and the command to see it again."""
    deadline = time.monotonic() + SECONDS
    chance = random.SystemRandom()
    tried = 0
    while not tried or time.monotonic() < deadline:
        tried += 1
        fresh = chance.randrange(2**31)
        run = partial(simulate, fresh)
        failure = attempt(run, draw(fresh))
        if failure is not None:
            kept = named(shrink(run, draw(fresh), failure, seconds_limit=60))
            again = f"run it again with: make sim SEED={fresh} KEEP={kept}"
            pytest.fail(f"{failure.kind}\n{failure.text}\n{again}", pytrace=False)


def test_the_same_seed_does_the_same_to_the_last_byte() -> None:
    found = []
    for _ in range(2):
        with world(5) as made:
            made.run(draw(5)[:40])
            made.finish()
            files = {path.name: path.read_bytes() for path in made.data.glob("log.sqlite*")}
            found.append((made.figures, made.reference.chain, files))
    assert found[0] == found[1]


# --- it finds what is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mistake_is_found(mutant: Mutant) -> None:
    for number in range(1, 1 + SEEDS_PER_MUTANT):
        with mutant() as parts:
            if attempt(partial(simulate, number, parts=parts), draw(number)) is not None:
                return
    pytest.fail(f"{SEEDS_PER_MUTANT} seeds did not find out")


def test_a_failure_shrinks_to_what_matters_and_can_be_told_in_one_line() -> None:
    def run(seed: int, kept: list[Action]) -> None:
        with loses_a_fee() as parts:
            simulate(seed, kept, parts)

    seeds = range(1, 1 + SEEDS_PER_MUTANT)
    attempts = ((seed, attempt(partial(run, seed), draw(seed))) for seed in seeds)
    seed, failure = next((seed, failure) for seed, failure in attempts if failure is not None)
    assert "ledger" in failure.text
    short = shrink(partial(run, seed), draw(seed), failure, seconds_limit=30)
    assert len(short) <= 6
    again = attempt(partial(run, seed), only(draw(seed), named(short)))
    assert again is not None
    assert again.kind == failure.kind


# --- the parts of it -----------------------------------------------------------------------------


def test_a_plan_is_named_by_its_indexes() -> None:
    plan = draw(7)
    assert only(plan, named(plan)) == plan
    assert named(only(plan, "3,17-20,22")) == "3,17-20,22"
    assert only(plan, "") == plan


def test_shrinking_keeps_only_what_the_failure_needs() -> None:
    def run(kept: list[Action]) -> None:
        if {3, 40} <= {action.index for action in kept}:
            raise Wrong("both are there")

    plan = draw(1)
    failure = attempt(run, plan)
    assert failure is not None
    assert named(shrink(run, plan, failure)) == "3,40"


def test_the_command_tells_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results" / "simulation.json"
    assert main(["--first", "8", "--seeds", "1", "--results", str(results)]) == 0
    assert "1 seeds from 8, 0 failed" in capsys.readouterr().out
    assert '"seeds": 1' in results.read_text(encoding="utf-8")
    assert main(["--seed", "8", "--keep", "0-3"]) == 0
    assert "nothing wrong" in capsys.readouterr().out


def test_workers_share_the_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--first", "8", "--seeds", "2", "--workers", "2", "--census"]) == 0
    told = capsys.readouterr().out
    assert "2 seeds from 8, 0 failed" in told
    assert "event MarketSettled" in told
