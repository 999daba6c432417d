"""Memory of one resting order with everything that belongs to it: what the process grows by.

Client order ids, indexes, levels and collateral are included, and so is what the allocator keeps.
"""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from augury.core import commands as c
from bench.flow import MARKETS, MEMBERS, START_NS, listed_engine, ticker
from scripts import compile_core

ORDERS = 300_000
GOAL = 1024


def measure() -> float:
    """Bytes per order, in this process."""
    gc.disable()
    engine = listed_engine()
    sequence = engine.state.sequence
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(ORDERS):
        sequence += 1
        buys = number % 2 == 0
        price = 1 + number // 100 % 49
        command = c.PlaceOrder(
            1 + number % MEMBERS,
            0,
            ticker(number // 2 % MARKETS),
            f"order-{sequence:030}",
            "buy" if buys else "sell",
            "yes",
            100 * (price if buys else 100 - price),
            100 * (1 + number % 1_000),
            expiration_ns=START_NS + 10**15 + number,
        )
        engine.apply(sequence, START_NS, command)
    if len(engine.state.orders) != ORDERS:
        raise AssertionError("not every order rests")
    return (process.memory_info().rss - before) / ORDERS


def measure_in(source: Path) -> float:
    """In a fresh process that imports the package from ``source``."""
    result = subprocess.run(
        [sys.executable, "-m", "bench.memory"],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        check=True,
    )
    size: float = json.loads(result.stdout)
    return size


def rows() -> list[dict[str, Any]]:
    sources = [("interpreted", compile_core.interpreted_source())]
    if compile_core.missing_for_compilation() is None:
        sources.insert(0, ("compiled", compile_core.compiled_source()))
    measured = []
    for form, source in sources:
        size = measure_in(source)
        measured.append(
            {
                "name": f"memory per resting order, everything included, {form}",
                "value": round(size),
                "unit": "bytes",
                "against": f"{GOAL} bytes",
                "ratio": round(size / GOAL, 2),
                "goal": "<= 1",
                "holds": size <= GOAL,
            }
        )
    return measured


if __name__ == "__main__":
    print(json.dumps(measure()))
