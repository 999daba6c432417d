"""Fees and reserves: docs/rules.md "Money", written as fractions and sums over single orders."""

from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from math import ceil, gcd

from augury.audit.ledger import CENT, CONTRACT, DOLLAR, YES, Account, Books, Event, Fees, Market

STEP = 100
"""Trade fees are rounded up to $0.0001."""


@lru_cache(maxsize=100_000)
def trade_fee(fees: Fees, quantity: int, price: int, is_taker: bool) -> int:
    """Of one fill, rounded up; never more than the cheaper side of the contracts is worth."""
    rate = {
        "quadratic": (Fraction(7, 100), Fraction(0)),
        "quadratic_with_maker_fees": (Fraction(7, 100), Fraction(175, 10_000)),
        "quadratic_with_combo_maker_fees": (Fraction(7, 100), Fraction(35, 1_000)),
        "flat": (Fraction(1, 100), Fraction(0)),
    }[fees.kind][0 if is_taker else 1]
    contracts = Fraction(quantity, CONTRACT)
    p = Fraction(price, DOLLAR)
    dollars = rate * Fraction(fees.multiplier_ppm, 1_000_000) * contracts
    if fees.kind != "flat":
        dollars *= p * (1 - p)
    fee = ceil(dollars * 10_000) * STEP
    return min(fee, quantity * min(price, DOLLAR - price))


def cost_of_a_lot(market: Market, own_price: int) -> tuple[int, int]:
    """(price and worst fee of one lot, the worst fee alone), micro-dollars.

    Fees peak at half a dollar, so above it a better price may cost one step more in fees; for
    less than a whole contract that may be more than the price improved.
    """
    fee = trade_fee(market.reserve_fees, market.lot, own_price, True)
    if fee and market.lot < CONTRACT and own_price > DOLLAR // 2:
        fee += STEP
    return own_price * market.lot + fee, fee


def side_costs(account: Account, market: Market, direction: int) -> tuple[int, int]:
    """What the orders of one side can cost: (if those that close come first, if all open).

    What is closed first is free, best price first; reduce-only orders are counted in the second
    figure only. Each order may also pay up to a cent for rounding, once any of its price opens.
    """
    key = (market.ticker, direction)
    if key not in account.costs:
        account.costs[key] = _side_costs(account, market, direction)
    return account.costs[key]


def _side_costs(account: Account, market: Market, direction: int) -> tuple[int, int]:
    orders = account.sides.get((market.ticker, direction), {})
    position = account.positions.get(market.ticker)
    closable = max(0, -direction * position.quantity) if position else 0
    first = everything = 0
    by_price = sorted(orders.values(), key=lambda order: -order.own_price)
    for own_price, same_price in groupby(by_price, key=lambda order: order.own_price):
        level = list(same_price)
        lot_cost, fee = cost_of_a_lot(market, own_price)
        rounds = own_price * market.lot % account.member.precision != 0 or (
            fee > 0 and (account.member.precision > STEP or market.lot < CONTRACT)
        )
        closable -= sum(order.remaining for order in level if order.reduce_only)
        opening = [order for order in level if not order.reduce_only]
        quantity = sum(order.remaining for order in opening)
        closed = min(quantity, max(0, closable))
        closable -= closed
        if closed < quantity:
            first += (quantity - closed) // market.lot * lot_cost
            if rounds:
                first += sum(CENT - order.rounding for order in opening)
        everything += sum(order.remaining for order in level) // market.lot * lot_cost
        if rounds:
            everything += sum(CENT - order.rounding for order in level)
    return first, everything


def reserved(books: Books, account: Account) -> int:
    """What the account's orders hold back, micro-dollars."""
    total = 0
    netted: dict[str, tuple[int, int]] = {}
    exact = False
    for (ticker, direction), orders in account.sides.items():
        if not orders:
            continue
        market = books.markets[ticker]
        step = gcd(*(number for start, _, step in market.bands for number in (start, step)))
        exact = exact or market.lot * step % account.member.precision != 0
        first, everything = side_costs(account, market, direction)
        if account.netting and market.event.returns:
            a, b = netted.get(market.event.ticker, (0, 0))
            netted[market.event.ticker] = (a + first, b + everything)
        else:
            total += first
    for ticker, (first, everything) in netted.items():
        # Closing takes back what was returned; the cheaper of two true bounds is held.
        total += min(everything, first + account.returned.get(ticker, 0))
    # Where cash moves by whole steps, a fraction of a step can never be spent.
    return total if exact else total // account.member.precision * account.member.precision


def available(books: Books, account: Account) -> int:
    return account.cash - reserved(books, account)


def certain(account: Account, event: Event) -> int:
    """What the account's open positions in the event pay at least, in every possible outcome."""
    if not account.netting:
        return 0
    if event.returns == "MECNET":
        return _certain_exclusive(account, event) if event.exclusive else 0
    if event.returns == "DIRECNET":
        return _certain_directional(account, event)
    return 0


def _held(account: Account, market: Market) -> int:
    position = account.positions.get(market.ticker)
    return position.quantity if position else 0


def _certain_exclusive(account: Account, event: Event) -> int:
    """At most one market is YES: all NO positions are paid but the largest."""
    open_ones = [m for m in event.markets if m.status != "finalized" and not m.scalar]
    no = [-_held(account, m) for m in open_ones if _held(account, m) < 0]
    decided = any(m.status == "finalized" and m.result == "yes" for m in event.markets)
    spared = 0 if decided or not no else max(no)
    return (sum(no) - spared) * DOLLAR


def _certain_directional(account: Account, event: Event) -> int:
    """The worst of the intervals between the strikes that finalized markets leave possible."""
    by_ticker = {market.ticker: market for market in event.markets}
    strikes = [by_ticker.get(ticker) for ticker in event.strikes]
    worst: int | None = None
    for passed in range(len(strikes) + 1):
        # In this interval the value lies over the first ``passed`` strikes and under the others.
        possible = True
        pays = 0
        for place, market in enumerate(strikes):
            if market is None:
                continue
            is_yes = (place < passed) != event.below
            if market.status == "finalized":
                if market.result in ("yes", "no"):
                    possible = possible and is_yes == (market.result == "yes")
            elif not market.scalar:
                held = _held(account, market)
                pays += max(0, held) if is_yes else max(0, -held)
        if possible:
            worst = pays if worst is None else min(worst, pays)
    return (worst or 0) * DOLLAR


def direction_of(action: str, side: str) -> int:
    return YES if (action == "buy") == (side == "yes") else -YES
