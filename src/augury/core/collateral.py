"""What resting orders hold back (rules, section 9).

The part of an order that would open a position reserves its own-side price plus the worst-case
fee; the part that closes one reserves nothing. Several orders of one side share the position
they may close in price-time order. Orders of one price are interchangeable here, so totals per
own price level are enough: reserving costs the same however many orders a member has.

Invariant kept for every subaccount: whatever sequence of fills happens to its resting orders,
cash never goes below zero.
"""

from bisect import bisect_left, insort

from augury.core.state import Holding, Market, Member, Order, OwnLevel, OwnSide
from augury.core.units import BID, MICROS_PER_CENT, PRICE_ONE

ROUNDING_ALLOWANCE = MICROS_PER_CENT
"""An order's rounding fees, less rebates, never exceed one cent."""


def own_side(holding: Holding, direction: int) -> OwnSide:
    return holding.bids if direction == BID else holding.asks


def closable(holding: Holding, direction: int) -> int:
    """How much of the position an order in ``direction`` could close."""
    quantity = -holding.quantity * direction
    return max(0, quantity)


def add(order: Order) -> None:
    """Count an order's remaining quantity; ``refresh`` then applies it to the account."""
    side = own_side(order.holding, order.direction)
    price = order.price
    level = side.levels.get(price)
    if level is None:
        level = _new_level(order.market, order.direction, price, order.account.member)
        side.levels[price] = level
        insort(side.prices, price)
    remaining = order.remaining
    side.resting_quantity += remaining
    if order.reduce_only:
        level.reduce_only_quantity += remaining
    else:
        level.quantity += remaining
        level.orders += 1
        side.gross += remaining // order.market.lot * level.unit + level.allowance


def take(order: Order, quantity: int, *, closed: bool) -> None:
    """Stop counting ``quantity`` of an order; ``closed`` when nothing of it will rest.

    Must be called while ``order.price`` is still the price under which it was added.
    """
    side = own_side(order.holding, order.direction)
    price = order.price
    level = side.levels[price]
    side.resting_quantity -= quantity
    if order.reduce_only:
        level.reduce_only_quantity -= quantity
    else:
        level.quantity -= quantity
        side.gross -= quantity // order.market.lot * level.unit
        if closed:
            level.orders -= 1
            side.gross -= level.allowance
    if level.orders == 0 and level.quantity == 0 and level.reduce_only_quantity == 0:
        del side.levels[price]
        del side.prices[bisect_left(side.prices, price)]


def refresh(holding: Holding) -> None:
    """Bring the account's reserve in line with the holding's orders and position."""
    bids = holding.bids
    reserved = bids.gross
    if holding.quantity < 0 and bids.prices:
        reserved -= _credit(bids, -holding.quantity, holding.market.lot, best_last=True)
    asks = holding.asks
    ask_reserved = asks.gross
    if holding.quantity > 0 and asks.prices:
        ask_reserved -= _credit(asks, holding.quantity, holding.market.lot, best_last=False)
    holding.account.reserved += reserved - bids.reserved + ask_reserved - asks.reserved
    bids.reserved = reserved
    asks.reserved = ask_reserved


def reprice(holding: Holding) -> None:
    """Recompute every level's unit after the series' fees have changed."""
    for direction, side in ((BID, holding.bids), (-BID, holding.asks)):
        side.gross = 0
        for price in side.prices:
            level = side.levels[price]
            fresh = _new_level(holding.market, direction, price, holding.account.member)
            level.unit = fresh.unit
            level.allowance = fresh.allowance
            side.gross += level.quantity // holding.market.lot * level.unit
            side.gross += level.orders * level.allowance
    refresh(holding)


def _credit(side: OwnSide, closable_quantity: int, lot: int, *, best_last: bool) -> int:
    """What need not be held because the best-priced orders close a position first."""
    credit = 0
    left = closable_quantity
    for price in reversed(side.prices) if best_last else side.prices:
        level = side.levels[price]
        left -= level.reduce_only_quantity
        if left <= 0:
            break
        if left < level.quantity:
            return credit + left // lot * level.unit
        credit += level.quantity // lot * level.unit + level.orders * level.allowance
        left -= level.quantity
        if left == 0:
            break
    return credit


def _new_level(market: Market, direction: int, price: int, member: Member) -> OwnLevel:
    own_price = price if direction == BID else PRICE_ONE - price
    lot = market.lot
    fee = market.event.series.fees.worst_case(lot, price)
    rounds = fee != 0 or own_price * lot % member.balance_precision != 0
    return OwnLevel(own_price * lot + fee, ROUNDING_ALLOWANCE if rounds else 0)
