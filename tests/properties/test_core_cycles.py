"""The core leaves no cycles behind, because the server runs without the cycle collector."""

import gc
import random

from augury.core import commands as c
from augury.core.units import NANOS_PER_SECOND
from tests.core_flow import WIDTH, Flow


def trade_and_settle(seed: int) -> Flow:
    """Everything a market can go through, until it is paid and its positions are gone."""
    chance = random.Random(seed)
    flow = Flow.listed()
    for _ in range(10):
        for _ in flow.run(chance.randbytes(WIDTH * 100)):
            pass
        flow.applied.clear()
    flow.apply(c.SetExchangePause(False))
    for ticker in flow.tickers:
        flow.apply(c.DetermineMarket(ticker, "yes"))
    flow.apply(c.Tick(), after_ns=120 * NANOS_PER_SECOND)
    flow.applied.clear()
    return flow


def test_what_the_core_lets_go_is_freed_without_a_collector(seed: int) -> None:
    kept = [trade_and_settle(seed)]
    # What an earlier test left may take several rounds, where finalizers keep it for the next.
    for _ in range(10):
        if not gc.collect():
            break
    gc.disable()
    try:
        kept.append(trade_and_settle(seed))
        assert gc.collect() == 0
    finally:
        gc.enable()
