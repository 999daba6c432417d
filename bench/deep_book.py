"""What a command costs with a million resting orders, against a thousand.

The same mixed flow runs on two exchanges in turns. On one of them a thousand orders lie behind the
market, on the other a million; both books keep their depth while the flow trades at the top.
"""

import gc
import statistics
from typing import Any

from augury.core import commands as c
from augury.core.engine import Engine
from bench.flow import MARKETS, MEMBERS, START_NS, MixedFlow, listed_engine, run, ticker

FEW = 1_000
MANY = 1_000_000
WARM_UP = 20_000
COMMANDS = 20_000
ROUNDS = 9
GOAL = 1.5


def deepen(engine: Engine, orders: int) -> None:
    """Rest orders on both sides of every market, at prices where the flow seldom trades."""
    sequence = engine.state.sequence
    for number in range(orders):
        sequence += 1
        buys = number % 2 == 0
        price = 1 + number // 100 % 9
        command = c.PlaceOrder(
            1 + number % MEMBERS,
            0,
            ticker(number // 2 % MARKETS),
            "",
            "buy" if buys else "sell",
            "yes",
            100 * (price if buys else 100 - price),
            100,
        )
        engine.apply(sequence, START_NS, command)
    if len(engine.state.orders) != orders:
        raise AssertionError("not every order rests")


def rows() -> list[dict[str, Any]]:
    gc.disable()
    engines = []
    for orders in (FEW, MANY):
        engine = listed_engine()
        deepen(engine, orders)
        flow = MixedFlow(engine)
        run(engine, flow, WARM_UP)
        engines.append((engine, flow))
    gc.freeze()
    few, many, ratios = [], [], []
    for _ in range(ROUNDS):
        few.append(run(*engines[0], COMMANDS) / COMMANDS)
        many.append(run(*engines[1], COMMANDS) / COMMANDS)
        ratios.append(many[-1] / few[-1])
    ratio = statistics.median(ratios)
    return [
        {
            "name": f"a command with {MANY:,} resting orders",
            "value": round(statistics.median(many) * 1e6, 2),
            "unit": "us",
            "against": f"with {FEW:,}: {statistics.median(few) * 1e6:.2f} us",
            "ratio": round(ratio, 2),
            "goal": f"<= {GOAL}",
            "holds": ratio <= GOAL,
        }
    ]
