"""Matching an incoming order against the book, and what each fill does to money and positions.

Price-time priority; the trade price is the resting order's (rules, section 5). Self-trade
prevention, reduce-only and order-group limits are applied between fills, always against the
best resting order of the moment.
"""

from typing import Final

from augury.core import collateral
from augury.core.book import BookSide, Level
from augury.core.events import OrderFilled, TradeExecuted
from augury.core.fees import REBATE_STEP
from augury.core.groups import capacity, group_updated, record_fill
from augury.core.state import CANCELED, EXECUTED, Account, Holding, Market, Order, OrderGroup
from augury.core.step import Step
from augury.core.units import BID, PRICE_ONE

# How matching ended for the incoming order.
MATCHED: Final = ""
"""Nothing left, or nothing left to match with: the remainder may rest."""
SELF_TRADE: Final = "self_trade_prevention"
REDUCE_ONLY: Final = "reduce_only"
ORDER_GROUP: Final = "order_group"


def opposite(order: Order) -> BookSide:
    return order.market.asks if order.direction == BID else order.market.bids


def same_side(order: Order) -> BookSide:
    return order.market.bids if order.direction == BID else order.market.asks


def crosses(order: Order, price: int) -> bool:
    """Whether ``order`` would trade with an opposite order resting at ``price``."""
    return order.price >= price if order.direction == BID else order.price <= price


def same_owner(one: Account, other: Account) -> bool:
    """Whether two accounts must not trade with each other: those of one member, but each
    customer of a clearing member stands for itself (rules, sections 7 and 17)."""
    return one is other or (one.member is other.member and not (one.subtrader or other.subtrader))


def may_trade(order: Order) -> bool:
    """Whether anything rests on the other side that ``order`` crosses."""
    best = opposite(order).best
    return best is not None and crosses(order, best.price)


def match(step: Step, order: Order) -> str:
    """Fill ``order`` as far as the book allows; returns why its remainder must go, if it must.

    The order must be counted in its holding's collateral already and must not be in the book.
    """
    side = opposite(order)
    while order.remaining > 0:
        level = side.best
        if level is None or not crosses(order, level.price):
            return MATCHED
        maker = level.head
        assert maker is not None
        if same_owner(maker.account, order.account):
            if order.self_trade_prevention == "maker":
                remove(step, maker, SELF_TRADE)
                continue
            return SELF_TRADE
        quantity = min(order.remaining, maker.remaining)
        if maker.reduce_only:
            quantity = min(quantity, collateral.closable(maker.holding, maker.direction))
            if quantity == 0:
                remove(step, maker, REDUCE_ONLY)
                continue
        if order.reduce_only:
            quantity = min(quantity, collateral.closable(order.holding, order.direction))
            if quantity == 0:
                return REDUCE_ONLY
        if maker.group is not None:
            quantity = min(quantity, capacity(maker.group, step.time_ns, order.market.lot))
            if quantity == 0:
                maker.group.triggered = True
                trigger_group(step, maker.group)
                continue
        if order.group is not None:
            quantity = min(quantity, capacity(order.group, step.time_ns, order.market.lot))
            if quantity == 0:
                order.group.triggered = True
                trigger_group(step, order.group)
                return ORDER_GROUP
        execute(step, order, maker, level, quantity)
        if order.group is not None and order.group.triggered:
            return ORDER_GROUP
    return MATCHED


def execute(step: Step, taker: Order, maker: Order, level: Level, quantity: int) -> None:
    """One trade of ``quantity`` at ``level``: book, positions, money, events."""
    market = taker.market
    price = level.price
    step.touch_traded_level(maker, taker, level, quantity)
    taker_closes = min(quantity, collateral.closable(taker.holding, taker.direction))
    maker_closes = min(quantity, collateral.closable(maker.holding, maker.direction))
    market.open_interest += quantity - taker_closes - maker_closes
    market.volume += quantity
    market.last_price = price
    market.last_quantity = quantity
    market.traded = True
    trade_id = step.next_trade_id()
    step.events.append(
        TradeExecuted(
            trade_id,
            market.ticker,
            price,
            quantity,
            taker.direction,
            maker.id,
            taker.id,
            market.volume,
            market.open_interest,
        )
    )
    revenue = settle_fill(step, trade_id, maker, price, quantity, maker_closes, False)
    revenue += settle_fill(step, trade_id, taker, price, quantity, taker_closes, True)
    step.state.ledger.escrow[market.ticker] -= revenue
    # The level's total follows before the order can leave it, so both always agree.
    level.quantity -= quantity
    maker.remaining -= quantity
    taker.remaining -= quantity
    step.touch_order(maker, "filled")
    if maker.remaining == 0:
        collateral.drop(maker, quantity)
        maker.status = EXECUTED
        same_side(maker).remove(maker)
        forget(step, maker)
    else:
        collateral.take(maker, quantity)
        if maker.reduce_only and collateral.closable(maker.holding, maker.direction) == 0:
            remove(step, maker, REDUCE_ONLY)
    if taker.remaining == 0:
        collateral.drop(taker, quantity)
        taker.status = EXECUTED
    else:
        collateral.take(taker, quantity)
    if maker.group is not None:
        count_in_group(step, maker.group, quantity)
    if taker.group is not None:
        count_in_group(step, taker.group, quantity)


def count_in_group(step: Step, group: OrderGroup, quantity: int) -> None:
    """Count a fill of one of the group's orders; reaching the limit triggers the group."""
    if record_fill(group, quantity, step.time_ns):
        trigger_group(step, group)


def settle_fill(
    step: Step,
    trade_id: int,
    order: Order,
    price: int,
    quantity: int,
    closing: int,
    is_taker: bool,
) -> int:
    """Move position and money of one side of a trade (rules, sections 9 and 10).
    Returns what the side takes out of the market's escrow.

    ``closing`` of the ``quantity`` close a position, the rest opens one. The fee is rounded in
    the documented steps: trade fee up to $0.0001, cash change down to the member's precision,
    and a cent back whenever the order's rounding fees exceed one. A rebate above the fill's own
    fee would make it negative; what cannot be given back stays in the accumulator.
    """
    market = order.market
    holding = order.holding
    account = order.account
    direction = order.direction
    own_price = price if direction == BID else PRICE_ONE - price
    revenue = move_position(holding, direction, quantity, closing, own_price)

    if step.time_ns < market.fee_waiver_expiration_ns:
        trade_fee = 0
    elif is_taker:
        trade_fee = market.event.series.fees.taker(quantity, price)
    else:
        trade_fee = market.event.series.fees.maker(quantity, price)
    rounding_fee = (revenue - trade_fee) % account.member.balance_precision
    rebate = 0
    if rounding_fee:
        if order.rounding + rounding_fee > REBATE_STEP:
            rebate = min(REBATE_STEP, trade_fee + rounding_fee)
        collateral.collect_rounding(order, rounding_fee - rebate)
    fee = trade_fee + rounding_fee - rebate
    cash_change = revenue - fee

    ledger = step.state.ledger
    account.cash += cash_change
    ledger.cash += cash_change
    ledger.fees += fee

    shown_cost = quantity * (price if order.side == "yes" else PRICE_ONE - price)
    holding.traded_cost += shown_cost
    holding.traded_quantity += quantity
    holding.fees_paid += fee
    order.filled += quantity
    if is_taker:
        order.taker_cost += shown_cost
        order.taker_fees += fee
    else:
        order.maker_cost += shown_cost
        order.maker_fees += fee
    step.touch_holding(holding)
    step.events.append(
        OrderFilled(
            trade_id,
            order.id,
            account.member.id,
            account.number,
            market.ticker,
            order.client_order_id,
            order.action,
            order.side,
            price,
            quantity,
            is_taker,
            fee,
            trade_fee,
            rounding_fee,
            rebate,
            cash_change,
            holding.quantity,
        )
    )
    return revenue


def move_position(
    holding: Holding, direction: int, quantity: int, closing: int, own_price: int
) -> int:
    """Buy ``quantity`` at ``own_price``, of which ``closing`` close; returns what that does to
    cash before fees."""
    opening = quantity - closing
    if closing:
        held = collateral.closable(holding, direction)
        released = holding.cost if closing == held else holding.cost * closing // held
        holding.cost -= released
        holding.realized_pnl += closing * (PRICE_ONE - own_price) - released
    holding.cost += opening * own_price
    holding.quantity += direction * quantity
    return closing * (PRICE_ONE - own_price) - opening * own_price


def rest(step: Step, order: Order) -> None:
    """Put what remains of ``order`` into the book, behind its price."""
    order.priority = step.next_priority()
    level = same_side(order).append(order)
    if level.head is order:
        step.touch_new_level(order, level)
    else:
        step.touch_level(order, level, order.remaining)


def cancel_remainder(step: Step, order: Order, reason: str) -> None:
    """Cancel an order if anything of it still rests."""
    if order.level is not None:
        remove(step, order, reason)


def remove(step: Step, order: Order, reason: str) -> None:
    """Take a resting order out of the book and close it as canceled."""
    level = order.level
    assert level is not None
    step.touch_level(order, level, -order.remaining)
    same_side(order).remove(order)
    close(step, order, reason)


def close(step: Step, order: Order, reason: str) -> None:
    """Cancel what remains of an order that is not in the book."""
    order.reduced += order.remaining
    collateral.drop(order, order.remaining)
    step.touch_side(order)
    order.remaining = 0
    order.status = CANCELED
    step.touch_order(order, reason)
    forget(step, order)


def forget(step: Step, order: Order) -> None:
    """Drop a closed order from every index; its client order id stays remembered."""
    member = order.account.member
    if order.listed:
        order.listed = False
        live = step.state.orders
        del live[order.id]
        member.open_orders -= 1
        if len(member.open_order_ids) > 2 * member.open_orders + 64:
            member.open_order_ids = [n for n in member.open_order_ids if n in live]
    if order.client_order_id:
        member.remember_closed(order.client_order_id)
    if order.group is not None:
        order.group.orders.pop(order.id, None)


def trigger_group(step: Step, group: OrderGroup) -> None:
    """Cancel every resting order of a group that has just been triggered."""
    step.group_events.append(group_updated("triggered", group))
    for order in list(group.orders.values()):
        if order.level is not None:
            remove(step, order, ORDER_GROUP)


class Prospect:
    """What an order would find if it were matched now."""

    __slots__ = ("cost", "meets_own_order", "quantity")

    def __init__(self) -> None:
        self.quantity = 0
        """How much of the order would be filled, own resting orders counted as if they could."""
        self.cost = 0
        """What that would cost at the order's own-side prices, fees excluded."""
        self.meets_own_order = False
        """Whether a resting order of the same member is among those that it would reach."""


def look_ahead(step: Step, order: Order) -> Prospect:
    """What ``order`` would find, by the same limits that ``match`` applies. Changes nothing.

    Own resting orders count: a fill-or-kill that meets one is stopped there, not refused
    (rules, section 6).
    """
    prospect = Prospect()
    lot = order.market.lot
    left = order.remaining
    if order.reduce_only:
        left = min(left, collateral.closable(order.holding, order.direction))
    if order.group is not None:
        left = min(left, capacity(order.group, step.time_ns, lot))
    # What is left to close or to match, once makers share a position or a group.
    left_to_close: dict[tuple[int, int], int] = {}
    left_in_group: dict[int, int] = {}
    side = opposite(order)
    level = side.best
    while level is not None and left > 0 and crosses(order, level.price):
        own_price = level.price if order.side == "yes" else PRICE_ONE - level.price
        maker = level.head
        while maker is not None and left > 0:
            quantity = min(left, maker.remaining)
            if same_owner(maker.account, order.account):
                prospect.meets_own_order = True
            else:
                key = (maker.account.member.id, maker.account.number)
                closable = left_to_close.get(key)
                if closable is None:
                    closable = collateral.closable(maker.holding, maker.direction)
                if maker.reduce_only:
                    quantity = min(quantity, closable)
                if maker.group is not None:
                    room = left_in_group.get(maker.group.id)
                    if room is None:
                        room = capacity(maker.group, step.time_ns, lot)
                    quantity = min(quantity, room)
                    left_in_group[maker.group.id] = room - quantity
                left_to_close[key] = max(0, closable - quantity)
            left -= quantity
            prospect.quantity += quantity
            prospect.cost += quantity * own_price
            maker = maker.next
        level = side.next_worse(level)
    return prospect


def cancel_all(step: Step, market: Market, reason: str) -> None:
    """Empty the book of a market, best levels first."""
    for side in (market.bids, market.asks):
        while side.best is not None:
            order = side.best.head
            assert order is not None
            remove(step, order, reason)
