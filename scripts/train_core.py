"""Lets an exchange be busy, so that an instrumented core learns which of its code is used often.

Mostly the everyday mix of orders, cancels and amends; beside it everything else that members and
operators do, so that no command is taken for something that never happens.
"""

import random

from augury.core.snapshot import dump_state, load_state
from bench.flow import MixedFlow, listed_engine, run
from tests.core_flow import WIDTH, Flow

COMMANDS = 60_000
EXCHANGES = 30
COMMANDS_OF_EACH = 400
SEED = 2


def main() -> None:
    engine = listed_engine()
    run(engine, MixedFlow(engine, SEED), COMMANDS)
    chance = random.Random(SEED)
    for _ in range(EXCHANGES):
        flow = Flow.listed()
        for _ in flow.run(chance.randbytes(WIDTH * COMMANDS_OF_EACH)):
            pass
        load_state(dump_state(flow.engine.state))


if __name__ == "__main__":
    main()
