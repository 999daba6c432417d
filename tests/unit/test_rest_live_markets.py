"""Asking for open markets costs what is open, and finds what looking through all would find."""

import random
from typing import Any

from augury.core import commands as c
from augury.core.state import FINALIZED, Market
from augury.gateways.rest.live_markets import LiveMarkets
from tests.ws_harness import SECOND, DirectGate


def test_it_knows_what_looking_through_all_markets_would_find(seed: int) -> None:
    """Markets are listed, settled, vanish unused, and are listed again under their tickers."""
    chance = random.Random(seed)
    gate = DirectGate()
    asked_often, asked_once = LiveMarkets(lambda: gate.state), LiveMarkets(lambda: gate.state)
    changes: dict[str, Any] = {"settlement_timer_seconds": 0}
    for _ in range(300):
        ticker = f"RAIN-{chance.randrange(10)}-T{chance.randrange(10)}"
        market = gate.state.markets.get(ticker)
        if market is None:
            provisional = chance.random() < 0.5
            gate.add_market(ticker, is_provisional=provisional, **changes)
        elif market.status != FINALIZED and chance.random() < 0.6:
            gate.must(c.DetermineMarket(ticker, "yes"))
        gate.time_ns += SECOND
        if chance.random() < 0.5:
            assert list(asked_often.newest_first()) == plainly(gate)
    assert list(asked_once.newest_first()) == list(asked_often.newest_first()) == plainly(gate)
    events = {market.event.ticker for market in plainly(gate)}
    assert sorted(event.ticker for event in asked_often.events()) == sorted(events)
    assert 0 < len(plainly(gate)) < len(gate.state.markets)


def plainly(gate: DirectGate) -> list[Market]:
    markets = list(gate.state.markets.values())
    return [market for market in reversed(markets) if market.status != FINALIZED]
