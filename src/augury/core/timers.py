"""Timers: what becomes due at a time. They fire when a record at or after that time is applied.

A timer is a hint, not a promise: whoever handles it checks that it still applies, so nothing
needs to be unscheduled. Timers are derived from orders and markets and are not part of the
state's identity.
"""

from heapq import heapify, heappop, heappush
from typing import Final

from augury.core.state import (
    ACTIVE,
    AMENDED,
    DETERMINED,
    INACTIVE,
    INITIALIZED,
    Exchange,
)

# Kinds, in the order in which timers of the same instant fire.
OPEN_MARKET: Final = 1
EXPIRE_ORDER: Final = 2
CLOSE_MARKET: Final = 3
SETTLE_MARKET: Final = 4


def schedule(state: Exchange, due_ns: int, kind: int, id: int, ticker: str) -> None:
    timers = state.timers
    heappush(timers, (due_ns, kind, id, ticker))
    if len(timers) > 1024 and len(timers) > 4 * (len(state.orders) + len(state.markets)):
        rebuild(state)


def next_due(state: Exchange) -> int | None:
    return state.timers[0][0] if state.timers else None


def pop_due(state: Exchange, time_ns: int) -> tuple[int, int, int, str] | None:
    """The earliest timer due at ``time_ns``, removed; None when nothing is due."""
    timers = state.timers
    if timers and timers[0][0] <= time_ns:
        return heappop(timers)
    return None


def rebuild(state: Exchange) -> None:
    """Derive all timers from the state, dropping those that no longer apply."""
    timers = [
        (order.expiration_ns, EXPIRE_ORDER, order.id, "")
        for order in state.orders.values()
        if order.expiration_ns
    ]
    for market in state.markets.values():
        status = market.status
        if status == INITIALIZED:
            timers.append((market.open_ns, OPEN_MARKET, 0, market.ticker))
            timers.append((market.close_ns, CLOSE_MARKET, 0, market.ticker))
        elif status in (ACTIVE, INACTIVE):
            timers.append((market.close_ns, CLOSE_MARKET, 0, market.ticker))
        elif status in (DETERMINED, AMENDED):
            timers.append((market.settlement_due_ns, SETTLE_MARKET, 0, market.ticker))
    heapify(timers)
    state.timers = timers
