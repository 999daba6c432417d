"""What resting orders hold back (rules, section 9).

The part of an order that would open a position reserves its own-side price plus the worst-case
fee; the part that closes one reserves nothing. Several orders of one side share the position
they may close in price-time order. Orders of one price are interchangeable here, so totals per
own price level are enough: reserving costs the same however many orders a member has.

Invariant kept for every subaccount: whatever sequence of fills happens to its resting orders,
what is reserved never exceeds its cash, and so cash never goes below zero.

Where an account nets, closing a position may also take back collateral that was returned, up to
a dollar per contract; see ``netting``. What its orders in an event can cost then has two bounds:
every order opens (buying at p costs at most p, whether it opens or closes and takes back), or
orders close first and everything returned for the event is taken back. Both hold after every
fill if they held before it, so the smaller one is reserved.
"""

from typing import Final

from augury.core.fees import FEE_STEP
from augury.core.state import (
    Account,
    EventReserve,
    Holding,
    Market,
    Order,
    OwnLevel,
    OwnSide,
)
from augury.core.units import BID, MICROS_PER_CENT, PRICE_ONE, QUANTITY_ONE

ROUNDING_SLACK: Final = MICROS_PER_CENT
"""An order's rounding fees, less rebates, never exceed one cent."""


def own_side(holding: Holding, direction: int) -> OwnSide:
    return holding.bids if direction == BID else holding.asks


def closable(holding: Holding, direction: int) -> int:
    """How much of the position an order in ``direction`` could close."""
    quantity = holding.quantity
    if direction == BID:
        quantity = -quantity
    return max(0, quantity)


def add(order: Order) -> None:
    """Count an order's remaining quantity; ``refresh`` then applies it to the account."""
    holding = order.holding
    side = own_side(holding, order.direction)
    level = _find_level(holding, side, order.price)
    order.own_level = level
    remaining = order.remaining
    side.resting_quantity += remaining
    if order.reduce_only:
        level.reduce_only_quantity += remaining
        level.reduce_only_orders += 1
        level.reduce_only_rounding += order.rounding
    else:
        level.quantity += remaining
        level.orders += 1
        level.rounding += order.rounding
        side.gross += remaining // order.market.lot * level.unit
        if level.slack:
            side.gross += level.slack - order.rounding


def take(order: Order, quantity: int) -> None:
    """Stop counting ``quantity`` of an order that goes on."""
    level = order.own_level
    assert level is not None
    side = own_side(order.holding, order.direction)
    side.resting_quantity -= quantity
    if order.reduce_only:
        level.reduce_only_quantity -= quantity
    else:
        level.quantity -= quantity
        side.gross -= quantity // order.market.lot * level.unit


def drop(order: Order, quantity: int) -> None:
    """Stop counting an order of which only ``quantity`` was left to count."""
    level = order.own_level
    assert level is not None
    take(order, quantity)
    side = own_side(order.holding, order.direction)
    order.own_level = None
    if order.reduce_only:
        level.reduce_only_orders -= 1
        level.reduce_only_rounding -= order.rounding
    else:
        level.orders -= 1
        level.rounding -= order.rounding
        if level.slack:
            side.gross -= level.slack - order.rounding
    if level.orders == 0 and level.reduce_only_orders == 0:
        side.levels.remove(level)
        if level.ragged:
            order.account.ragged_levels -= 1


def collect_rounding(order: Order, amount: int) -> None:
    """An order paid ``amount`` of rounding fees, less rebates; it can cost that much less."""
    order.rounding += amount
    level = order.own_level
    assert level is not None
    if order.reduce_only:
        level.reduce_only_rounding += amount
    else:
        level.rounding += amount
        if level.slack:
            own_side(order.holding, order.direction).gross -= amount


def refresh(holding: Holding) -> None:
    """Bring the account's reserve in line with the holding's orders and position."""
    refresh_side(holding, holding.bids)
    refresh_side(holding, holding.asks)


def refresh_side(holding: Holding, side: OwnSide) -> None:
    """The same where only the orders of one side have changed."""
    reserve = side.gross
    account = holding.account
    if holding.quantity and reserve:
        left = closable(holding, side.direction)
        if left:
            reserve -= _credit(side, left, holding.market.lot)
    if account.netting or side.full:
        reserve = _refresh_netted(holding, side, reserve)
    account.exact_reserve += reserve - side.reserve
    side.reserve = reserve


def _refresh_netted(holding: Holding, side: OwnSide, closing_first: int) -> int:
    """Count a side in its event, or no longer; returns what the side itself holds back."""
    account = holding.account
    event = holding.market.event
    if account.netting and event.collateral_return_type:
        own = 0
        full = side.gross + _reduce_only_cost(side, holding.market.lot)
    else:
        own = closing_first
        full = closing_first = 0
    if full != side.full or closing_first != side.closing_first:
        totals = account.event_reserves.get(event.ticker)
        if totals is None:
            totals = EventReserve()
            account.event_reserves[event.ticker] = totals
        totals.full += full - side.full
        totals.closing_first += closing_first - side.closing_first
        side.full = full
        side.closing_first = closing_first
        hold(account, event.ticker)
    return own


def hold(account: Account, event_ticker: str) -> None:
    """Bring the reserve of an event that nets in line with its orders and what was returned."""
    totals = account.event_reserves.get(event_ticker)
    if totals is None:
        return
    held = min(totals.full, totals.closing_first + account.returned.get(event_ticker, 0))
    account.exact_reserve += held - totals.held
    totals.held = held
    if not totals.full:
        del account.event_reserves[event_ticker]


def _reduce_only_cost(side: OwnSide, lot: int) -> int:
    """What reduce-only orders could cost if closing took back a dollar per contract."""
    cost = 0
    for level in side.levels:
        if level.reduce_only_orders:
            cost += level.reduce_only_quantity // lot * level.unit
            if level.slack:
                cost += level.reduce_only_orders * level.slack - level.reduce_only_rounding
    return cost


def reprice(market: Market) -> None:
    """Recompute what every order holds back after the market's grid or fees have changed."""
    for holding in market.holdings.values():
        for side in (holding.bids, holding.asks):
            side.gross = 0
            for level in side.levels:
                if level.ragged:
                    holding.account.ragged_levels -= 1
                _set_terms(level, holding, side.direction)
                side.gross += level.quantity // market.lot * level.unit
                if level.slack:
                    side.gross += level.orders * level.slack - level.rounding
        refresh(holding)


def _credit(side: OwnSide, closable_quantity: int, lot: int) -> int:
    """What need not be held because the best-priced orders close a position first."""
    credit = 0
    left = closable_quantity
    for level in side.levels:
        left -= level.reduce_only_quantity
        if left <= 0:
            break
        if left < level.quantity:
            return credit + left // lot * level.unit
        credit += level.quantity // lot * level.unit
        if level.slack:
            credit += level.orders * level.slack - level.rounding
        left -= level.quantity
    return credit


def _find_level(holding: Holding, side: OwnSide, price: int) -> OwnLevel:
    """The level at ``price``, made if need be."""
    levels = side.levels
    descending = side.direction == BID
    low, high = 0, len(levels)
    while low < high:
        middle = (low + high) // 2
        level = levels[middle]
        if level.price == price:
            return level
        if (level.price > price) == descending:
            low = middle + 1
        else:
            high = middle
    level = OwnLevel(price)
    _set_terms(level, holding, side.direction)
    levels.insert(low, level)
    return level


def _set_terms(level: OwnLevel, holding: Holding, direction: int) -> None:
    """What an order at this level may cost under the present fees and grid."""
    market = holding.market
    precision = holding.account.member.balance_precision
    own_price = level.price if direction == BID else PRICE_ONE - level.price
    cost = own_price * market.lot
    fee = market.event.series.fees.worst_case(market.lot, own_price)
    level.unit = cost + fee
    # Fees are whole steps; with whole contracts and a fine precision they never leave a rest.
    fee_rounds = fee > 0 and (precision > FEE_STEP or market.lot < QUANTITY_ONE)
    level.slack = ROUNDING_SLACK if fee_rounds or cost % precision else 0
    level.ragged = market.money_step % precision != 0
    if level.ragged:
        holding.account.ragged_levels += 1
