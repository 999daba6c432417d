"""Commands per second of the core, compiled against interpreted, on one fixed mixed flow."""

import gc
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from augury.core.snapshot import state_hash
from bench.flow import apply_all, listed_engine, made_up
from scripts import compile_core

COMMANDS = 500_000
ROUNDS = 3
RUNS = 3
"""In each process; other work on the machine can only make a run slower, so the best counts."""
RATIO_GOAL = 2.0
RATE_GOAL = 500_000


def measure(commands: int) -> dict[str, Any]:
    """In this process, with whichever core it has, as a server runs it: nothing is collected."""
    gc.disable()
    flow = made_up(commands)
    gc.collect()
    gc.freeze()
    rates = []
    for _ in range(RUNS):
        engine = listed_engine()
        rates.append(commands / apply_all(engine, flow))
    return {"rate": max(rates), "state": state_hash(engine.state)}


def measure_in(source: Path, commands: int) -> dict[str, Any]:
    """In a fresh process that imports the package from ``source``."""
    result = subprocess.run(
        [sys.executable, "-m", "bench.core", str(commands)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def rows() -> list[dict[str, Any]]:
    missing = compile_core.missing_for_compilation()
    if missing is not None:
        print(f"the compiled core is NOT MEASURED: {missing}", file=sys.stderr)
        return []
    compiled, interpreted, ratios = [], [], []
    # The interpreted core gets a fifth of the flow: its rate does not change along the way.
    for _ in range(ROUNDS):
        fast = measure_in(compile_core.compiled_source(), COMMANDS)
        slow = measure_in(compile_core.interpreted_source(), COMMANDS // 5)
        compiled.append(fast["rate"])
        interpreted.append(slow["rate"])
        ratios.append(fast["rate"] / slow["rate"])
    same = measure_in(compile_core.compiled_source(), COMMANDS // 5)
    if same["state"] != slow["state"]:
        raise AssertionError("compiled and interpreted core came to different states")
    ratio = statistics.median(ratios)
    rate = max(compiled)
    return [
        {
            "name": "core, compiled, mixed flow",
            "value": round(statistics.median(compiled)),
            "unit": "commands/s",
            "against": f"the same core interpreted: {statistics.median(interpreted):,.0f}",
            "ratio": round(ratio, 2),
            "goal": f">= {RATIO_GOAL:g}",
            "holds": ratio >= RATIO_GOAL,
        },
        {
            "name": "core, compiled, mixed flow, best run",
            "value": round(rate),
            "unit": "commands/s",
            "against": f"{RATE_GOAL:,} commands/s on a quiet machine",
            "ratio": round(rate / RATE_GOAL, 2),
            "goal": ">= 1",
            "holds": rate >= RATE_GOAL,
        },
    ]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
