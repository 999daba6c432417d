"""Collateral return across the markets of an event (rules, section 9).

What a subaccount's positions in one event pay at least, over every outcome that is still possible,
cannot be lost, and is returned to its cash while netting is on. It is taken back as positions
close or are paid, so nobody ever holds more than the worst outcome leaves.

The possible outcomes: of a mutually exclusive event (MECNET), that none of its markets is YES or
exactly one is; of a directional one (DIRECNET), the intervals between its strikes. Markets that
are finalized narrow them. Closing a position takes back up to a dollar per contract, which the
orders of an account that nets hold back; see ``collateral``.
"""

from augury.core import collateral
from augury.core.events import CollateralReturned, Event
from augury.core.state import FINALIZED, Account, Exchange, ListedEvent
from augury.core.units import PRICE_ONE


def accounts_in(state: Exchange, event: ListedEvent) -> list[Account]:
    """The accounts that net and hold anything in ``event``, in the order of their holdings.

    A result in one market changes what is certain for positions in all the others.
    """
    found: dict[tuple[int, int], Account] = {}
    if event.collateral_return_type:
        for ticker in event.market_tickers:
            for key, holding in state.markets[ticker].holdings.items():
                if holding.account.netting:
                    found[key] = holding.account
    return list(found.values())


def change_due(state: Exchange, account: Account, event: ListedEvent) -> int:
    """What ``adjust`` would move into the account's cash now, or out of it."""
    due = guaranteed(state, account, event) if account.netting else 0
    return due - account.returned.get(event.ticker, 0)


def adjust(state: Exchange, account: Account, event: ListedEvent, events: list[Event]) -> None:
    """Bring what was returned in line with the account's positions in ``event``."""
    due = guaranteed(state, account, event) if account.netting else 0
    had = account.returned.get(event.ticker, 0)
    if due == had:
        return
    if due:
        account.returned[event.ticker] = due
    else:
        del account.returned[event.ticker]
    collateral.hold(account, event.ticker)
    change = due - had
    # Only results that contradict the event's own rules, or a void market, can leave too little
    # to take back; the exchange's house account then bears it, not another member.
    missing = max(0, -(account.cash + change))
    account.cash += change + missing
    state.ledger.cash += change + missing
    state.ledger.returned -= change
    state.ledger.house -= missing
    events.append(
        CollateralReturned(
            account.member.id, account.number, event.ticker, change + missing, due, missing
        )
    )


def guaranteed(state: Exchange, account: Account, event: ListedEvent) -> int:
    """The least that the account's unsettled positions in ``event`` can pay, micro-dollars."""
    if event.collateral_return_type == "MECNET":
        return _of_exclusive(state, account, event) if event.mutually_exclusive else 0
    if event.collateral_return_type == "DIRECNET":
        return _of_directional(state, account, event)
    return 0


def _of_exclusive(state: Exchange, account: Account, event: ListedEvent) -> int:
    total = 0
    largest = 0
    decided = False
    for ticker in event.market_tickers:
        market = state.markets[ticker]
        if market.status == FINALIZED:
            decided = decided or market.result == "yes"
            continue
        holding = account.holdings.get(ticker)
        if holding is None or holding.quantity >= 0 or market.market_type != "binary":
            continue
        total -= holding.quantity
        largest = max(largest, -holding.quantity)
    # Once one market is YES, no other can be: every NO that is left will be paid.
    return (total if decided else total - largest) * PRICE_ONE


def _of_directional(state: Exchange, account: Account, event: ListedEvent) -> int:
    """Walk the intervals from below the lowest strike to above the highest.

    Interval k lies above the first k strikes; there the first k markets are "over".
    """
    order = event.strike_order
    lowest, highest = 0, len(order)
    over_pays: list[int] = []
    under_pays: list[int] = []
    for position, ticker in enumerate(order):
        market = state.markets.get(ticker)
        over = under = 0
        if market is not None and market.status == FINALIZED:
            if market.result in ("yes", "no"):
                is_over = (market.result == "yes") != event.below
                if is_over:
                    lowest = max(lowest, position + 1)
                else:
                    highest = min(highest, position)
        elif market is not None and market.market_type == "binary":
            holding = account.holdings.get(ticker)
            quantity = 0 if holding is None else holding.quantity
            yes, no = max(0, quantity), max(0, -quantity)
            over, under = (no, yes) if event.below else (yes, no)
        over_pays.append(over)
        under_pays.append(under)
    if lowest > highest:
        return 0
    paid = sum(over_pays[:lowest]) + sum(under_pays[lowest:])
    least = paid
    for position in range(lowest, highest):
        paid += over_pays[position] - under_pays[position]
        least = min(least, paid)
    return least * PRICE_ONE
