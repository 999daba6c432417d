"""Questions about the live state that several gateways ask. Pure; nothing here changes it."""

from bisect import bisect_left
from collections.abc import Iterator

from augury.core.book import BookSide
from augury.core.state import (
    AMENDED,
    DETERMINED,
    DISPUTED,
    FINALIZED,
    Account,
    Exchange,
    Holding,
    Market,
    Member,
    Order,
)
from augury.core.units import BID, PRICE_ONE


def book_side(order: Order) -> BookSide:
    return order.market.bids if order.direction == BID else order.market.asks


def queue_position(order: Order) -> int:
    """Quantity that trades before ``order``, in hundredths; 0 when it is first."""
    return book_side(order).quantity_ahead(order)


def open_orders(state: Exchange, member: Member, before_id: int | None = None) -> Iterator[Order]:
    """The member's open orders, newest first, optionally only those with a smaller id.

    Valid until the next command is applied.
    """
    ids = member.open_order_ids
    index = len(ids) if before_id is None else bisect_left(ids, before_id)
    while index > 0:
        index -= 1
        order = state.orders.get(ids[index])
        if order is not None:
            yield order


def order_collateral(order: Order) -> int:
    """What ``order`` would reserve if it only opened a position, micro-dollars."""
    level = order.own_level
    if order.reduce_only or level is None:
        return 0
    slack = level.slack - order.rounding if level.slack else 0
    return order.remaining // order.market.lot * level.unit + slack


def resting_value(account: Account) -> int:
    """Collateral held for all resting orders of a subaccount, micro-dollars."""
    return account.reserved


def mark_price(market: Market) -> int:
    """YES price at which positions are valued: the settlement value once it is known, else
    the last price clamped into the quotes (rest, section 6)."""
    if market.status in (DETERMINED, DISPUTED, AMENDED, FINALIZED):
        return market.settlement_value
    bid = 0 if market.bids.best is None else market.bids.best.price
    ask = PRICE_ONE if market.asks.best is None else market.asks.best.price
    return min(max(market.last_price, bid), ask)


def position_value(holding: Holding) -> int:
    """Worth of a holding at the mark, micro-dollars; a void result pays back the cost."""
    market = holding.market
    if market.result == "void":
        return holding.cost
    mark = mark_price(market)
    quantity = holding.quantity
    return quantity * mark if quantity >= 0 else -quantity * (PRICE_ONE - mark)


def portfolio_value(account: Account) -> int:
    """Worth of all holdings of a subaccount, micro-dollars."""
    return sum(position_value(holding) for holding in account.holdings.values())
