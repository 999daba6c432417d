"""Timers: what becomes due at a time. They fire when a record at or after that time is applied.

A timer is a hint, not a promise: orders close and times move, and nothing is unscheduled then.
``applies`` tells whether a timer still means something. Timers are derived from orders and
markets and are not part of the state's identity, so one that means nothing must have no effect
at all, not even on the events of the step in which it comes up.
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
    Timer,
)

# Kinds, in the order in which timers of the same instant fire.
OPEN_MARKET: Final = 1
EXPIRE_ORDER: Final = 2
CLOSE_MARKET: Final = 3
SETTLE_MARKET: Final = 4
CONFIRM_QUOTE: Final = 5
EXECUTE_QUOTE: Final = 6
EXPIRE_RFQ: Final = 7
CHANGE_FEES: Final = 8
# One window may end where the next begins.
END_MAINTENANCE: Final = 9
BEGIN_MAINTENANCE: Final = 10
END_BLOCK_PROPOSAL: Final = 11


def schedule(state: Exchange, due_ns: int, kind: int, id: int, ticker: str) -> None:
    timers = state.timers
    heappush(timers, (due_ns, kind, id, ticker))
    if len(timers) > 1024 and len(timers) > 4 * (
        len(state.orders)
        + len(state.markets)
        + len(state.rfqs)
        + len(state.quotes)
        + len(state.block_proposals)
        + len(state.fee_changes)
        + len(state.maintenance_windows)
    ):
        rebuild(state)


def applies(state: Exchange, timer: Timer) -> bool:
    """Whether what the timer announces would still happen at its time."""
    due_ns, kind, order_id, ticker = timer
    if kind == EXPIRE_ORDER:
        order = state.orders.get(order_id)
        return order is not None and order.expiration_ns <= due_ns
    if kind in (CONFIRM_QUOTE, EXECUTE_QUOTE):
        quote = state.quotes.get(order_id)
        status = "accepted" if kind == CONFIRM_QUOTE else "confirmed"
        return quote is not None and quote.status == status and quote.due_ns <= due_ns
    if kind == EXPIRE_RFQ:
        rfq = state.rfqs.get(order_id)
        # A request with a quote on its way into the book lives on until that is decided.
        if rfq is None or rfq.expires_ns > due_ns:
            return False
        return all(quote.status == "open" for quote in rfq.quotes.values())
    if kind == END_BLOCK_PROPOSAL:
        proposal = state.block_proposals.get(order_id)
        return proposal is not None and proposal.due_ns <= due_ns
    if kind == CHANGE_FEES:
        return not state.fee_changes[order_id].applied
    if kind == BEGIN_MAINTENANCE:
        return any(window[0] == order_id for window in state.maintenance_windows)
    if kind == END_MAINTENANCE:
        return order_id == 0 or any(window[1] == order_id for window in state.maintenance_windows)
    market = state.markets.get(ticker)
    if market is None:
        return False
    status = market.status
    if kind == OPEN_MARKET:
        return status == INITIALIZED and market.open_ns <= due_ns
    if kind == CLOSE_MARKET:
        return status in (INITIALIZED, ACTIVE, INACTIVE) and market.close_ns <= due_ns
    return status in (DETERMINED, AMENDED) and market.settlement_due_ns <= due_ns


def next_due(state: Exchange) -> int | None:
    """When something happens next; forgets the timers before it that mean nothing any more."""
    timers = state.timers
    while timers:
        if applies(state, timers[0]):
            return timers[0][0]
        heappop(timers)
    return None


def pop_due(state: Exchange, time_ns: int) -> Timer | None:
    """The earliest timer due at ``time_ns`` that still applies, removed; None without one."""
    timers = state.timers
    while timers and timers[0][0] <= time_ns:
        timer = heappop(timers)
        if applies(state, timer):
            return timer
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
    for quote in state.quotes.values():
        if quote.status == "accepted":
            timers.append((quote.due_ns, CONFIRM_QUOTE, quote.id, ""))
        elif quote.status == "confirmed":
            timers.append((quote.due_ns, EXECUTE_QUOTE, quote.id, ""))
    timers.extend(
        (proposal.due_ns, END_BLOCK_PROPOSAL, proposal.id, "")
        for proposal in state.block_proposals.values()
    )
    timers.extend((rfq.expires_ns, EXPIRE_RFQ, rfq.id, "") for rfq in state.rfqs.values())
    timers.extend(
        (change.scheduled_ns, CHANGE_FEES, change.id, "")
        for change in state.fee_changes.values()
        if not change.applied
    )
    windows = state.maintenance_windows
    for start, end in windows:
        if start > state.maintenance_begun_ns:
            timers.append((start, BEGIN_MAINTENANCE, start, ""))
        timers.append((end, END_MAINTENANCE, end, ""))
    if state.in_maintenance and not any(start <= state.time_ns for start, _ in windows):
        timers.append((state.time_ns, END_MAINTENANCE, 0, ""))
    heapify(timers)
    state.timers = timers
