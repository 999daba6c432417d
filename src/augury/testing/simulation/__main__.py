"""``python -m augury.testing.simulation``: run seeds, shrink what fails, say how to see it again.

--seed 7                 one seed
--seed 7 --keep 3,17-20  only these of its actions
--seconds 120            fresh seeds for so long
--seeds 1000             so many fresh seeds
--workers 2              in so many processes, each on a core of its own
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from augury.testing.simulation import sqlite_vfs
from augury.testing.simulation.figures import Figures
from augury.testing.simulation.plan import draw, only
from augury.testing.simulation.seeds import report, share
from augury.testing.simulation.shrink import Failure
from augury.testing.simulation.world import simulate

RESULTS: Final = Path("results/simulation.json")

SETTLED: Final = {
    "markets settled": "event MarketSettled",
    "positions settled": "event PositionSettled",
    "results disputed": "event MarketStatusChanged disputed",
    "results amended": "event MarketStatusChanged amended",
    "collateral returned or taken back": "event CollateralReturned",
    "quotes executed": "event QuoteUpdated executed",
    "block trades": "event BlockTradeUpdated executed",
    "order groups triggered": "event OrderGroupUpdated triggered",
}
"""In words, and the beginning of its kinds in the census."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    reason = sqlite_vfs.missing()
    if reason is not None:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    if given.seed is not None:
        return _one(given)
    return _many(given)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m augury.testing.simulation",
        description="Run the exchange in a simulated world, with faults, and look for mistakes.",
    )
    parser.add_argument("--seed", type=int, help="run this seed")
    parser.add_argument("--keep", default="", help="of its actions, only these: 3,17-20")
    parser.add_argument("--seconds", type=float, default=60.0, help="fresh seeds for so long")
    parser.add_argument("--seeds", type=int, default=0, help="so many fresh seeds instead")
    parser.add_argument("--first", type=int, help="the first of the fresh seeds")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the seeds")
    parser.add_argument("--census", action="store_true", help="count commands and events")
    parser.add_argument("--shrink", type=float, default=120.0, help="seconds to shrink a failure")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS}")
    parser.add_argument("--results", type=Path, help="write them to this file instead")
    return parser.parse_args(arguments)


def _one(given: argparse.Namespace) -> int:
    plan = only(draw(given.seed), given.keep)
    try:
        figures = simulate(given.seed, plan)
    except Exception as error:
        traceback.print_exception(error)
        print(*report(given.seed, plan, Failure.of(error), 0.0 if given.keep else given.shrink))
        return 1
    print(f"seed {given.seed}: nothing wrong")
    for line in lines(figures, given.census):
        print(f"  {line}")
    return 0


def _many(given: argparse.Namespace) -> int:
    first = random.randrange(1, 2**31) if given.first is None else given.first
    began = time.monotonic()
    if given.workers == 1:
        shares = [share(first, 1, 0, given.seeds, given.seconds, given.shrink)]
    else:
        with multiprocessing.get_context("spawn").Pool(given.workers) as pool:
            arguments = [
                (first, given.workers, number, given.seeds, given.seconds, given.shrink)
                for number in range(given.workers)
            ]
            shares = pool.starmap(share, arguments, chunksize=1)
    seconds = time.monotonic() - began
    count = sum(tried for tried, _, _ in shares)
    failed = sum(wrong for _, wrong, _ in shares)
    total = Figures()
    for _, _, figures in shares:
        total.add(figures)
    print(f"{count} seeds from {first}, {failed} failed, {seconds:.0f} s")
    for line in lines(total, given.census):
        print(f"  {line}")
    results = given.results or (RESULTS if given.record else None)
    if results is not None:
        write_results(results, count, failed, seconds, total)
    return 1 if failed else 0


def lines(figures: Figures, census: bool = False) -> Iterator[str]:
    """The figures for people; with ``census`` also how often everything happened."""
    yield (
        f"{figures.lives} starts ({figures.snapshots_used} from a snapshot, "
        f"{figures.refusals_to_start} refused), {figures.steps} steps, {figures.checks} checkpoints"
    )
    yield (
        f"{figures.records} records, {figures.messages} stream messages, "
        f"{figures.simulated_seconds / 3600:.1f} simulated hours"
    )
    yield "commands: " + ", ".join(f"{n} {fate}" for fate, n in figures.fates.most_common())
    yield "faults: " + ", ".join(f"{n} {kind}" for kind, n in figures.faults.most_common())
    yield "actions: " + ", ".join(f"{n} {kind}" for kind, n in figures.actions.most_common())
    yield "settled: " + ", ".join(f"{n} {what}" for what, n in settled(figures).items())
    if census:
        yield from (f"{number:8} {kind}" for kind, number in sorted(figures.census.items()))


def settled(figures: Figures) -> dict[str, int]:
    """How often what settles, and what makes it hard, occurred."""
    return {
        what: sum(number for kind, number in figures.census.items() if kind.startswith(beginning))
        for what, beginning in SETTLED.items()
    }


def write_results(path: Path, count: int, failed: int, seconds: float, figures: Figures) -> None:
    """The figures in words, for docs/operate/guarantees.md; the file appears whole."""
    words: dict[str, int | float | str] = {
        "seeds": count,
        "seeds that failed": failed,
        "seconds": round(seconds),
        "starts of the exchange": figures.lives,
        "starts from a snapshot": figures.snapshots_used,
        "starts refused because of damage": figures.refusals_to_start,
        "records": figures.records,
        "steps of the event loop": figures.steps,
        "full comparisons": figures.checks,
        "stream messages": figures.messages,
        "simulated hours": round(figures.simulated_seconds / 3600, 1),
    }
    words |= settled(figures)
    words |= {f"commands {fate}": number for fate, number in sorted(figures.fates.items())}
    words |= {f"fault: {kind}": number for kind, number in sorted(figures.faults.items())}
    found = {
        "what": "simulation",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": words,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.tmp")
    new.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main())
