"""Order commands: place, cancel, amend, decrease.

Each handler checks everything first, in the order of precedence in which it reads, and raises
``Rejection`` before anything has changed. What passes the checks is carried out whole.
"""

from bisect import insort
from typing import Final

from augury.core import collateral, matching
from augury.core import rejections as reject
from augury.core.commands import AmendOrder, CancelOrder, DecreaseOrder, PlaceOrder
from augury.core.events import OrderAmended
from augury.core.rejections import Rejection
from augury.core.state import (
    ACTIVE,
    MAX_OPEN_ORDERS,
    Account,
    Exchange,
    Holding,
    Market,
    Member,
    Order,
    OrderGroup,
)
from augury.core.step import Step, order_updated
from augury.core.timers import EXPIRE_ORDER, schedule
from augury.core.units import BID, direction_of

GOOD_TILL_CANCELED: Final = "good_till_canceled"
IMMEDIATE_OR_CANCEL: Final = "immediate_or_cancel"
FILL_OR_KILL: Final = "fill_or_kill"
TAKER_AT_CROSS: Final = "taker_at_cross"


def place_order(step: Step, command: PlaceOrder) -> None:
    enter(step, command, step.sequence)


def enter(step: Step, command: PlaceOrder, order_id: int) -> Order:
    """Carry out ``command`` as order ``order_id``: the sequence of a record that made no other."""
    state = step.state
    account = find_account(state, command.member_id, command.subaccount)
    member = account.member
    market = state.markets.get(command.market_ticker)
    if market is None:
        raise Rejection(reject.MARKET_NOT_FOUND, command.market_ticker)
    check_trading(state)
    if member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    check_instructions(command)
    if command.quantity <= 0 or command.quantity % market.lot:
        raise Rejection(reject.INVALID_ORDER_SIZE, "count must be a positive number of lots")
    if not market.has_price(command.price):
        raise Rejection(reject.INVALID_PARAMETERS, "price is not on the market's grid")
    if command.expiration_ns and command.expiration_ns <= step.time_ns:
        raise Rejection(reject.EXPIRATION_IN_PAST)
    client_order_id = command.client_order_id
    if client_order_id and client_order_id in member.client_order_ids:
        raise Rejection(reject.ORDER_ALREADY_EXISTS, client_order_id)
    group = find_group_for_order(state, command.order_group_id, account)
    if member.open_orders >= MAX_OPEN_ORDERS:
        raise Rejection(reject.EXCEEDED_ORDER_LIMIT)

    direction = direction_of(command.action, command.side)
    known_holding = account.holdings.get(market.ticker)
    holding = Holding(account, market) if known_holding is None else known_holding
    quantity = command.quantity
    if command.reduce_only:
        quantity = min(quantity, collateral.closable(holding, direction))
        if quantity == 0:
            raise Rejection(reject.INVALID_ORDER_SIZE, "no position to reduce")
    order = Order(
        order_id,
        account,
        market,
        holding,
        client_order_id,
        command.action,
        command.side,
        direction,
        command.price,
        quantity,
        command.expiration_ns,
        command.post_only,
        command.reduce_only,
        command.self_trade_prevention,
        group,
        command.cancel_on_pause,
        step.time_ns,
    )
    order.origin = command.origin
    may_trade = matching.may_trade(order)
    if command.post_only and may_trade:
        raise Rejection(reject.POST_ONLY_CROSS)
    fill_or_kill = command.time_in_force == FILL_OR_KILL or command.buy_max_cost > 0
    if fill_or_kill:
        found = matching.look_ahead(step, order)
        if found.quantity < quantity or 0 < command.buy_max_cost < found.cost:
            raise Rejection(reject.FOK_INSUFFICIENT_VOLUME)
    if not hold(order):
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)

    if known_holding is None:
        account.holdings[market.ticker] = holding
        market.holdings[(member.id, account.number)] = holding
    market.was_active = True
    if client_order_id:
        member.client_order_ids.add(client_order_id)
    step.touch_order(order, "placed")
    ended = matching.match(step, order) if may_trade else matching.MATCHED
    if order.remaining == 0:
        if client_order_id:
            member.remember_closed(client_order_id)
    elif ended:
        matching.close(step, order, ended)
    elif fill_or_kill:
        matching.close(step, order, FILL_OR_KILL)
    elif command.time_in_force == IMMEDIATE_OR_CANCEL:
        matching.close(step, order, IMMEDIATE_OR_CANCEL)
    else:
        state.orders[order.id] = order
        order.listed = True
        member.open_orders += 1
        ids = member.open_order_ids
        if ids and ids[-1] > order.id:
            # An order of a quote got its id when the quote was accepted or confirmed.
            insort(ids, order.id)
        else:
            ids.append(order.id)
        if group is not None:
            group.orders[order.id] = order
        if order.expiration_ns:
            schedule(state, order.expiration_ns, EXPIRE_ORDER, order.id, "")
        matching.rest(step, order)
    return order


def hold(order: Order) -> bool:
    """Reserve what ``order`` could cost; False, with nothing changed, when it is not there.

    An order that reserves nothing passes even where fees or a finer grid have left less than
    nothing available, so that a position can always be closed.
    """
    account = order.account
    side = collateral.own_side(order.holding, order.direction)
    collateral.add(order)
    collateral.refresh_side(order.holding, side)
    available = account.available
    if available >= 0:
        return True
    release(order)
    if available < account.available:
        return False
    collateral.add(order)
    collateral.refresh_side(order.holding, side)
    return True


def release(order: Order) -> None:
    """Take back what ``hold`` did."""
    collateral.drop(order, order.remaining)
    collateral.refresh(order.holding)


def check_affordable(account: Account, market: Market, price: int, quantity: int, d: int) -> None:
    """Refuse what ``enter`` would refuse for want of money, without entering anything.

    ``d`` is the direction. Raises ``Rejection``; changes nothing that anyone can see.
    """
    holding = account.holdings.get(market.ticker) or Holding(account, market)
    side = "yes" if d == BID else "no"
    order = Order(
        0,
        account,
        market,
        holding,
        "",
        "buy",
        side,
        d,
        price,
        quantity,
        0,
        False,
        False,
        "",
        None,
        False,
        0,
    )
    if not hold(order):
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)
    release(order)


def cancel_order(step: Step, command: CancelOrder) -> None:
    order = find_order(step.state, command.member_id, command.order_id, command.subaccount)
    check_exchange(step.state)
    matching.remove(step, order, "canceled")


def decrease_order(step: Step, command: DecreaseOrder) -> None:
    order = find_order(step.state, command.member_id, command.order_id, command.subaccount)
    check_exchange(step.state)
    if (command.reduce_by < 0) == (command.reduce_to < 0):
        raise Rejection(reject.INVALID_PARAMETERS, "exactly one of reduce_by and reduce_to")
    if command.reduce_by >= 0:
        if command.reduce_by == 0:
            raise Rejection(reject.INVALID_ORDER_SIZE, "reduce_by must be positive")
        left = max(0, order.remaining - command.reduce_by)
    else:
        left = command.reduce_to
        if left >= order.remaining:
            raise Rejection(reject.INVALID_ORDER_SIZE, "reduce_to must be below what remains")
    if left % order.market.lot:
        raise Rejection(reject.INVALID_ORDER_SIZE, "not a whole number of lots")
    if left == 0:
        matching.remove(step, order, "canceled")
    else:
        shrink(step, order, order.remaining - left, "decreased")


def amend_order(step: Step, command: AmendOrder) -> None:
    state = step.state
    order = find_order(state, command.member_id, command.order_id, command.subaccount)
    market = order.market
    member = order.account.member
    if command.market_ticker and command.market_ticker != market.ticker:
        raise Rejection(reject.ORDER_TICKER_MISMATCH)
    if (command.action and command.action != order.action) or (
        command.side and command.side != order.side
    ):
        raise Rejection(reject.ORDER_SIDE_MISMATCH)
    if command.client_order_id and command.client_order_id != order.client_order_id:
        raise Rejection(reject.CLIENT_ORDER_ID_MISMATCH)
    check_trading(state)
    if member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    price = command.price or order.price
    remaining = (command.quantity - order.filled) if command.quantity else order.remaining
    if remaining <= 0 or remaining % market.lot:
        raise Rejection(reject.INVALID_AMEND_QUANTITY)
    if not market.has_price(price):
        raise Rejection(reject.INVALID_PARAMETERS, "price is not on the market's grid")
    new_client_id = command.updated_client_order_id
    renamed = bool(new_client_id) and new_client_id != order.client_order_id
    if renamed and new_client_id in member.client_order_ids:
        raise Rejection(reject.ORDER_ALREADY_EXISTS, new_client_id)

    before = order_updated(order)
    if price == order.price and remaining <= order.remaining:
        step.events.append(OrderAmended(order.id, before))
        if renamed:
            rename(member, order, new_client_id)
        if remaining < order.remaining:
            shrink(step, order, order.remaining - remaining, "amended")
        else:
            step.touch_order(order, "amended")
        order.reduced = 0
        order.initial_quantity = order.filled + remaining
        return
    check_reentry(step, order, price, remaining)
    swap_collateral(order, price, remaining)
    step.events.append(OrderAmended(order.id, before))
    reenter(step, order, price, remaining, new_client_id if renamed else "")


def check_reentry(step: Step, order: Order, price: int, remaining: int) -> None:
    """Refuse an amend that is post-only and would trade, or that would meet an own order."""
    old_price, old_remaining = order.price, order.remaining
    set_terms(order, price, remaining)
    refusal = ""
    if matching.may_trade(order):
        if order.post_only:
            refusal = reject.POST_ONLY_CROSS
        elif (
            order.self_trade_prevention == TAKER_AT_CROSS
            and matching.look_ahead(step, order).meets_own_order
        ):
            refusal = reject.SELF_CROSS_ATTEMPT
    set_terms(order, old_price, old_remaining)
    if refusal:
        raise Rejection(refusal)


def swap_collateral(order: Order, price: int, remaining: int) -> None:
    """Hold back what the amended order could cost instead of what it could cost before.

    Refused, with nothing changed, when the balance does not suffice.
    """
    account = order.account
    available = account.available
    old_price, old_remaining = order.price, order.remaining
    collateral.drop(order, old_remaining)
    set_terms(order, price, remaining)
    collateral.add(order)
    collateral.refresh(order.holding)
    too_low = account.available < min(0, available)
    if too_low:
        collateral.drop(order, remaining)
    set_terms(order, old_price, old_remaining)
    if too_low:
        collateral.add(order)
        collateral.refresh(order.holding)
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)


def reenter(step: Step, order: Order, price: int, remaining: int, new_client_order_id: str) -> None:
    """Take an order out of the book and enter it anew, as a taker where it crosses.

    Its collateral is that of the new terms already.
    """
    level = order.level
    assert level is not None
    step.touch_level(order, level, -order.remaining)
    matching.same_side(order).remove(order)
    set_terms(order, price, remaining)
    order.initial_quantity = order.filled + remaining
    if new_client_order_id:
        rename(order.account.member, order, new_client_order_id)
    step.touch_order(order, "amended")
    ended = matching.match(step, order)
    if order.remaining == 0:
        matching.forget(step, order)
    elif ended:
        matching.close(step, order, ended)
    else:
        matching.rest(step, order)


def set_terms(order: Order, price: int, remaining: int) -> None:
    order.price = price
    order.remaining = remaining


def shrink(step: Step, order: Order, quantity: int, reason: str) -> None:
    """Remove ``quantity`` of a resting order, which keeps its place."""
    level = order.level
    assert level is not None
    level.quantity -= quantity
    order.remaining -= quantity
    order.reduced += quantity
    collateral.take(order, quantity)
    step.touch_side(order)
    step.touch_level(order, level, -quantity)
    step.touch_order(order, reason)


def rename(member: Member, order: Order, client_order_id: str) -> None:
    """Give an order a new client id; the old one stays taken."""
    if order.client_order_id:
        member.remember_closed(order.client_order_id)
    member.client_order_ids.add(client_order_id)
    order.client_order_id = client_order_id


def check_instructions(command: PlaceOrder) -> None:
    """Refuse combinations that contradict each other (rules, section 6)."""
    if command.action not in ("buy", "sell") or command.side not in ("yes", "no"):
        raise Rejection(reject.INVALID_PARAMETERS, "action or side")
    rests = command.time_in_force == GOOD_TILL_CANCELED
    if not rests and command.time_in_force not in (IMMEDIATE_OR_CANCEL, FILL_OR_KILL):
        raise Rejection(reject.INVALID_PARAMETERS, "time_in_force")
    if command.self_trade_prevention not in (TAKER_AT_CROSS, "maker"):
        raise Rejection(reject.INVALID_PARAMETERS, "self_trade_prevention_type")
    if command.expiration_ns and not rests:
        raise Rejection(reject.INVALID_ORDER, "only an order that rests can expire")
    if command.post_only and not rests:
        raise Rejection(reject.INVALID_ORDER, "post_only needs an order that rests")
    if command.buy_max_cost < 0:
        raise Rejection(reject.INVALID_PARAMETERS, "buy_max_cost")
    if command.buy_max_cost and (command.action != "buy" or command.post_only):
        raise Rejection(reject.INVALID_ORDER, "buy_max_cost is for buys that take")


def check_exchange(state: Exchange) -> None:
    if state.exchange_paused:
        raise Rejection(reject.EXCHANGE_PAUSED)


def check_trading(state: Exchange) -> None:
    check_exchange(state)
    if state.trading_paused:
        raise Rejection(reject.TRADING_PAUSED)


def find_account(state: Exchange, member_id: int, subaccount: int) -> Account:
    member = state.members.get(member_id)
    if member is not None:
        account = member.accounts.get(subaccount) if subaccount else member.primary
        if account is not None:
            return account
    raise Rejection(reject.ACCOUNT_NOT_FOUND)


def find_order(state: Exchange, member_id: int, order_id: int, subaccount: int) -> Order:
    """The member's open order. Somebody else's looks like a missing one."""
    order = state.orders.get(order_id)
    if (
        order is None
        or order.account.member.id != member_id
        or subaccount not in (-1, order.account.number)
    ):
        raise Rejection(reject.NOT_FOUND)
    return order


def find_group_for_order(
    state: Exchange, order_group_id: int, account: Account
) -> OrderGroup | None:
    if order_group_id == 0:
        return None
    group = state.groups.get(order_group_id)
    if group is None or group.account is not account:
        raise Rejection(reject.ORDER_GROUP_NOT_FOUND)
    if group.triggered:
        raise Rejection(reject.EXCEEDED_ORDER_GROUP_LIMIT)
    return group
