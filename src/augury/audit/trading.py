"""Orders and trades, once more: docs/rules.md "Orders", "Order groups" and "Money".

The book is two sorted lists. Functions take the books and change them; what an order may cost is
asked of ``fees``, after every change anew.
"""

from heapq import heappush

from augury.audit.fees import available, certain, direction_of, trade_fee
from augury.audit.ledger import (
    CENT,
    CONTRACT,
    DOLLAR,
    SECOND,
    YES,
    Account,
    Books,
    Group,
    Market,
    Movement,
    Order,
    Position,
    Refused,
    on_grid,
    same_owner,
)
from augury.audit.reading import Entry

OPEN_ORDERS_LIMIT = 200_000
NAMES_REMEMBERED = 100_000
NAMES_FORGOTTEN_AT_ONCE = 1_000

EXPIRE_ORDER = 2


# --- commands --------------------------------------------------------------------------------


def place(books: Books, entry: Entry) -> None:
    enter(
        books,
        entry.sequence,
        books.account(entry.member_id, entry.subaccount),
        books.market(entry.market_ticker),
        name=entry.client_order_id,
        action=entry.action,
        side=entry.side,
        price=entry.price,
        quantity=entry.quantity,
        lifetime=entry.time_in_force,
        expiration_ns=entry.expiration_ns,
        post_only=entry.post_only,
        reduce_only=entry.reduce_only,
        max_cost=entry.buy_max_cost,
        self_trade=entry.self_trade_prevention,
        group_id=entry.order_group_id,
        cancel_on_pause=entry.cancel_on_pause,
    )


def enter(
    books: Books,
    order_id: int,
    account: Account,
    market: Market,
    *,
    name: str,
    action: str,
    side: str,
    price: int,
    quantity: int,
    lifetime: str = "good_till_canceled",
    expiration_ns: int = 0,
    post_only: bool = False,
    reduce_only: bool = False,
    max_cost: int = 0,
    self_trade: str = "taker_at_cross",
    group_id: int = 0,
    cancel_on_pause: bool = False,
) -> Order:
    """Check an order, trade it, and let the rest stand or go."""
    member = account.member
    check_trading(books)
    refuse_if(member.suspended, "member suspended")
    refuse_if(market.status != "active", "market does not trade")
    refuse_if(action not in ("buy", "sell") or side not in ("yes", "no"), "action or side")
    rests = lifetime == "good_till_canceled"
    refuse_if(
        not rests and lifetime not in ("immediate_or_cancel", "fill_or_kill"), "time in force"
    )
    refuse_if(self_trade not in ("taker_at_cross", "maker"), "self-trade prevention")
    refuse_if(not rests and (expiration_ns != 0 or post_only), "only what rests")
    refuse_if(max_cost < 0, "maximal cost")
    refuse_if(max_cost > 0 and (action != "buy" or post_only), "a maximal cost is for buys")
    refuse_if(quantity <= 0 or quantity % market.lot != 0, "size")
    refuse_if(not on_grid(market.bands, price), "price")
    refuse_if(expiration_ns != 0 and expiration_ns <= books.time_ns, "expired already")
    refuse_if(name != "" and name in member.names, "duplicate")
    group = None
    if group_id:
        group = books.groups.get(group_id)
        if group is None or group.account is not account or group.triggered:
            raise Refused("order group")
    refuse_if(member.resting >= OPEN_ORDERS_LIMIT, "too many orders")
    direction = direction_of(action, side)
    if reduce_only:
        quantity = min(quantity, closable(account, market, direction))
        refuse_if(quantity == 0, "nothing to reduce")
    order = Order(
        order_id,
        account,
        market,
        name,
        action,
        side,
        direction,
        price,
        quantity,
        expiration_ns,
        post_only,
        reduce_only,
        self_trade == "maker",
        group,
        cancel_on_pause,
    )
    crossing = best_opposite(order) is not None
    refuse_if(post_only and crossing, "post-only would trade")
    whole = lifetime == "fill_or_kill" or max_cost > 0
    if whole:
        found, cost, _ = preview(books, order)
        refuse_if(found < quantity or 0 < max_cost < cost, "cannot be filled")
    reserve(books, order)

    account.positions.setdefault(market.ticker, Position())
    market.holders[account.key] = account
    market.ever_used = True
    if name:
        member.names.add(name)
    must_go = match(books, order)
    if order.remaining == 0:
        finish(books, order)
    elif must_go or not rests or whole:
        drop(books, order)
    else:
        books.orders[order.id] = order
        member.resting += 1
        if group is not None:
            group.orders[order.id] = order
        if expiration_ns:
            heappush(books.alarms, (expiration_ns, EXPIRE_ORDER, order.id, ""))
        rest(order)
    return order


def cancel(books: Books, entry: Entry) -> None:
    drop(books, own_order(books, entry))


def decrease(books: Books, entry: Entry) -> None:
    order = own_order(books, entry)
    refuse_if((entry.reduce_by < 0) == (entry.reduce_to < 0), "by or to")
    if entry.reduce_by >= 0:
        refuse_if(entry.reduce_by == 0, "by nothing")
        left = max(0, order.remaining - entry.reduce_by)
    else:
        left = entry.reduce_to
        refuse_if(left >= order.remaining, "to more than there is")
    refuse_if(left % order.market.lot != 0, "size")
    if left == 0:
        drop(books, order)
    else:
        order.remaining = left
        changed(order.account, order.market)


def amend(books: Books, entry: Entry) -> None:
    order = own_order(books, entry)
    member, market = order.account.member, order.market
    refuse_if(entry.market_ticker not in ("", market.ticker), "another market")
    refuse_if(entry.action not in ("", order.action), "another action")
    refuse_if(entry.side not in ("", order.side), "another side")
    refuse_if(entry.client_order_id not in ("", order.name), "another client order id")
    check_trading(books)
    refuse_if(member.suspended, "member suspended")
    refuse_if(market.status != "active", "market does not trade")
    price = entry.price or order.price
    remaining = entry.quantity - order.filled if entry.quantity else order.remaining
    refuse_if(remaining <= 0 or remaining % market.lot != 0, "size")
    refuse_if(not on_grid(market.bands, price), "price")
    new_name = entry.updated_client_order_id
    if new_name == order.name:
        new_name = ""
    refuse_if(new_name != "" and new_name in member.names, "duplicate")
    if price == order.price and remaining <= order.remaining:
        # What only shrinks keeps its place.
        rename(order, new_name)
        order.remaining = remaining
        changed(order.account, market)
        return
    had = available(books, order.account)
    old = order.price, order.remaining
    order.price, order.remaining = price, remaining
    changed(order.account, market)
    try:
        if best_opposite(order) is not None:
            refuse_if(order.post_only, "post-only would trade")
            if not order.cancels_resting:
                refuse_if(preview(books, order)[2], "would meet an own order")
        refuse_if(available(books, order.account) < min(0, had), "too expensive")
    except Refused:
        order.price, order.remaining = old
        changed(order.account, market)
        raise
    side_of(order).remove(order)
    order.in_book = False
    rename(order, new_name)
    must_go = match(books, order)
    if order.remaining == 0:
        finish(books, order)
    elif must_go:
        drop(books, order)
    else:
        rest(order)


def create_group(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    check_group_limit(entry.contracts_limit)
    refuse_if(account.member.groups >= 25_000, "too many groups")
    books.groups[entry.sequence] = Group(entry.sequence, account, entry.contracts_limit)
    account.member.groups += 1


def reset_group(books: Books, entry: Entry) -> None:
    group = own_group(books, entry)
    group.fills.clear()
    group.triggered = False


def trigger_group(books: Books, entry: Entry) -> None:
    trigger(books, own_group(books, entry))


def limit_group(books: Books, entry: Entry) -> None:
    group = own_group(books, entry)
    check_group_limit(entry.contracts_limit)
    group.limit = entry.contracts_limit
    if not group.triggered and group.room(books.time_ns) <= 0:
        trigger(books, group)


def delete_group(books: Books, entry: Entry) -> None:
    group = own_group(books, entry)
    for order in list(group.orders.values()):
        drop(books, order)
    del books.groups[group.id]
    group.account.member.groups -= 1


# --- matching --------------------------------------------------------------------------------


def match(books: Books, order: Order) -> bool:
    """Trade an order that is not in the book; True when what remains must not rest."""
    while order.remaining:
        maker = best_opposite(order)
        if maker is None:
            return False
        if same_owner(maker.account, order.account):
            if not order.cancels_resting:
                return True
            drop(books, maker)
            continue
        quantity = min(order.remaining, maker.remaining)
        if maker.reduce_only:
            quantity = min(quantity, closable(maker.account, maker.market, maker.direction))
            if quantity == 0:
                drop(books, maker)
                continue
        if order.reduce_only:
            quantity = min(quantity, closable(order.account, order.market, order.direction))
            if quantity == 0:
                return True
        if maker.group is not None:
            quantity = min(quantity, whole_lots(maker.group, maker.market, books.time_ns))
            if quantity == 0:
                trigger(books, maker.group)
                continue
        if order.group is not None:
            quantity = min(quantity, whole_lots(order.group, order.market, books.time_ns))
            if quantity == 0:
                trigger(books, order.group)
                return True
        trade(books, order, maker, quantity)
        if order.group is not None and order.group.triggered:
            return True
    return False


def trade(books: Books, taker: Order, maker: Order, quantity: int) -> None:
    """One match at the maker's price."""
    price = maker.price
    for order in (maker, taker):
        settle(books, order, price, quantity, order is taker)
    for order in (maker, taker):
        order.remaining -= quantity
        changed(order.account, order.market)
    if maker.remaining == 0:
        finish(books, maker)
    elif maker.reduce_only and closable(maker.account, maker.market, maker.direction) == 0:
        drop(books, maker)
    for order in (maker, taker):
        group = order.group
        if group is not None and not group.triggered:
            group.fills = [f for f in group.fills if f[0] > books.time_ns - 15 * SECOND]
            group.fills.append((books.time_ns, quantity))
            if group.room(books.time_ns) <= 0:
                trigger(books, group)


def settle(books: Books, order: Order, price: int, quantity: int, is_taker: bool) -> None:
    """Money and position of one side of a match."""
    account, market = order.account, order.market
    own_price = price if order.direction == YES else DOLLAR - price
    closing = min(quantity, closable(account, market, order.direction))
    revenue = move(account, market, order.direction, quantity, closing, own_price)
    if books.time_ns < market.waiver_ns:
        fee = 0
    else:
        fee = trade_fee(market.event.series.fees, quantity, price, is_taker)
    rounding = (revenue - fee) % account.member.precision
    back = 0
    if rounding:
        if order.rounding + rounding > CENT:
            back = min(CENT, fee + rounding)
        order.rounding += rounding - back
    net = fee + rounding - back
    account.cash += revenue - net
    market.escrow -= revenue
    books.fees += net
    order.filled += quantity
    position = account.positions[market.ticker]
    position.fees += net
    books.unsettled[(*account.key, market.ticker)] = None
    books.movements.append(
        Movement(
            "fill",
            *account.key,
            market.ticker,
            revenue - net,
            net,
            price,
            quantity,
            position.quantity,
        )
    )


def move(
    account: Account, market: Market, direction: int, quantity: int, closing: int, own_price: int
) -> int:
    """Buy at the price of the own side, ``closing`` of it out of a position; what cash gets."""
    position = account.positions[market.ticker]
    opening = quantity - closing
    if closing:
        # At average cost, rounded down.
        released = position.cost * closing // abs(position.quantity)
        position.cost -= released
        position.realized += closing * (DOLLAR - own_price) - released
    position.cost += opening * own_price
    position.quantity += direction * quantity
    changed(account, market)
    return closing * (DOLLAR - own_price) - opening * own_price


def preview(books: Books, order: Order) -> tuple[int, int, bool]:
    """What an order would find: (quantity, cost without fees, whether an own order is met).

    Own orders count as volume; makers that share a position or a group share what it allows.
    """
    left = order.remaining
    if order.reduce_only:
        left = min(left, closable(order.account, order.market, order.direction))
    if order.group is not None:
        left = min(left, whole_lots(order.group, order.market, books.time_ns))
    found = cost = 0
    meets_own = False
    to_close: dict[tuple[int, int], int] = {}
    rooms: dict[int, int] = {}
    for maker in opposite_of(order):
        if left <= 0 or not crosses(order, maker):
            break
        quantity = min(left, maker.remaining)
        if same_owner(maker.account, order.account):
            meets_own = True
        else:
            key = maker.account.key
            can_close = to_close.get(key, closable(maker.account, maker.market, maker.direction))
            if maker.reduce_only:
                quantity = min(quantity, can_close)
            if maker.group is not None:
                room = rooms.get(
                    maker.group.id, whole_lots(maker.group, maker.market, books.time_ns)
                )
                quantity = min(quantity, room)
                rooms[maker.group.id] = room - quantity
            to_close[key] = max(0, can_close - quantity)
        left -= quantity
        found += quantity
        cost += quantity * (maker.price if order.side == "yes" else DOLLAR - maker.price)
    return found, cost, meets_own


# --- small parts -----------------------------------------------------------------------------


def refuse_if(wrong: bool, why: str) -> None:
    if wrong:
        raise Refused(why)


def check_trading(books: Books) -> None:
    refuse_if(books.exchange_paused or books.trading_paused, "paused")


def check_group_limit(limit: int) -> None:
    refuse_if(not 0 < limit <= 1_000_000 * CONTRACT or limit % CONTRACT != 0, "limit")


def own_order(books: Books, entry: Entry) -> Order:
    order = books.orders.get(entry.order_id)
    if (
        order is None
        or order.account.member.id != entry.member_id
        or entry.subaccount not in (-1, order.account.number)
    ):
        raise Refused("no such order")
    return order


def own_group(books: Books, entry: Entry) -> Group:
    group = books.groups.get(entry.order_group_id)
    if group is None or group.account.member.id != entry.member_id:
        raise Refused("no such group")
    return group


def closable(account: Account, market: Market, direction: int) -> int:
    """How much of the position an order in ``direction`` can close."""
    position = account.positions.get(market.ticker)
    return max(0, -direction * position.quantity) if position else 0


def whole_lots(group: Group, market: Market, time_ns: int) -> int:
    """What the group has room for in the market's lots."""
    return group.room(time_ns) // market.lot * market.lot


def side_of(order: Order) -> list[Order]:
    return order.market.bids if order.direction == YES else order.market.asks


def opposite_of(order: Order) -> list[Order]:
    return order.market.asks if order.direction == YES else order.market.bids


def crosses(order: Order, maker: Order) -> bool:
    return (order.price - maker.price) * order.direction >= 0


def best_opposite(order: Order) -> Order | None:
    """The resting order that ``order`` would meet first."""
    makers = opposite_of(order)
    return makers[0] if makers and crosses(order, makers[0]) else None


def changed(account: Account, market: Market) -> None:
    """The account's orders or position in a market are others now."""
    account.costs.pop((market.ticker, YES), None)
    account.costs.pop((market.ticker, -YES), None)


def reserve(books: Books, order: Order) -> None:
    """Count an order; refused when it costs what is not there. What costs nothing may enter."""
    before = available(books, order.account)
    count(order)
    after = available(books, order.account)
    if after < 0 and after < before:
        uncount(order)
        raise Refused("available balance too low")


def count(order: Order) -> None:
    key = (order.market.ticker, order.direction)
    order.account.sides.setdefault(key, {})[order.id] = order
    changed(order.account, order.market)


def uncount(order: Order) -> None:
    key = (order.market.ticker, order.direction)
    side = order.account.sides[key]
    del side[order.id]
    if not side:
        del order.account.sides[key]
    changed(order.account, order.market)


def check_affordable(
    books: Books, account: Account, market: Market, price: int, quantity: int, direction: int
) -> None:
    """Refuse what ``enter`` would refuse for want of money."""
    order = Order(
        0,
        account,
        market,
        "",
        "buy",
        "",
        direction,
        price,
        quantity,
        0,
        False,
        False,
        False,
        None,
        False,
    )
    reserve(books, order)
    uncount(order)


def rest(order: Order) -> None:
    """Behind everything at the same or a better price."""
    side = side_of(order)
    place = len(side)
    while place and (order.price - side[place - 1].price) * order.direction > 0:
        place -= 1
    side.insert(place, order)
    order.in_book = True


def drop(books: Books, order: Order) -> None:
    """Cancel what remains of an order."""
    order.remaining = 0
    finish(books, order)


def finish(books: Books, order: Order) -> None:
    """Forget an order that is filled or canceled."""
    if order.in_book:
        side_of(order).remove(order)
        order.in_book = False
    uncount(order)
    if books.orders.pop(order.id, None) is not None:
        order.account.member.resting -= 1
    if order.name:
        remember(order, order.name)
    if order.group is not None:
        order.group.orders.pop(order.id, None)


def remember(order: Order, name: str) -> None:
    """A closed order's client id stays taken until many more have closed."""
    member = order.account.member
    member.old_names.append(name)
    if len(member.old_names) >= NAMES_REMEMBERED + NAMES_FORGOTTEN_AT_ONCE:
        member.names.difference_update(member.old_names[:NAMES_FORGOTTEN_AT_ONCE])
        del member.old_names[:NAMES_FORGOTTEN_AT_ONCE]


def rename(order: Order, name: str) -> None:
    if name:
        if order.name:
            remember(order, order.name)
        order.account.member.names.add(name)
        order.name = name


def trigger(books: Books, group: Group) -> None:
    """Cancel what the group has resting; nothing enters until it is reset."""
    group.triggered = True
    for order in list(group.orders.values()):
        if order.in_book:
            drop(books, order)


def empty_book(books: Books, market: Market) -> None:
    for order in market.bids + market.asks:
        drop(books, order)


def return_collateral(books: Books) -> None:
    """Bring what was returned in line with the positions that have moved."""
    while books.unsettled:
        member_id, number, ticker = next(iter(books.unsettled))
        del books.unsettled[(member_id, number, ticker)]
        account = books.members[member_id].accounts[number]
        event = books.markets[ticker].event
        if account.netting and event.returns:
            adjust(books, account, event.ticker)


def adjust(books: Books, account: Account, event_ticker: str) -> None:
    """What is certain comes back, what no longer is goes; the house bears what is missing."""
    due = certain(account, books.events[event_ticker])
    change = due - account.returned.get(event_ticker, 0)
    if change == 0:
        return
    account.returned[event_ticker] = due
    if due == 0:
        del account.returned[event_ticker]
    missing = max(0, -(account.cash + change))
    account.cash += change + missing
    books.house -= missing
    books.movements.append(Movement("collateral", *account.key, event_ticker, change + missing))


def cancel_until_affordable(books: Books, account: Account) -> None:
    """Cancel the newest orders until the balance covers what the others need."""
    mine = [order for order in books.orders.values() if order.account is account]
    for order in sorted(mine, key=lambda order: -order.id):
        if available(books, account) >= 0:
            return
        drop(books, order)
