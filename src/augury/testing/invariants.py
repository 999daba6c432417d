"""What must be true of the exchange after every record, checked from scratch.

Slow on purpose: nothing here trusts a total that the core keeps. For tests and audits.
"""

from collections import defaultdict

from augury.core.book import BookSide
from augury.core.collateral import ROUNDING_SLACK
from augury.core.fees import FEE_STEP
from augury.core.netting import guaranteed
from augury.core.state import (
    ACTIVE,
    FINALIZED,
    INACTIVE,
    RESTING,
    Account,
    Exchange,
    Holding,
    Market,
    Order,
)
from augury.core.units import BID, PRICE_ONE, QUANTITY_ONE


def check(state: Exchange, *, fixed_terms: bool = True) -> None:
    """Assert everything. ``fixed_terms``: no grid was refined while orders rested.

    A finer grid may add the fraction of a cent that an account of whole cents never had to
    hold, so the promise about available cash is not made across such a change.
    """
    check_money(state)
    check_members(state, fixed_terms=fixed_terms)
    for market in state.markets.values():
        check_positions(state, market)
        check_book(state, market)
    check_groups(state)
    check_communications(state)


def check_money(state: Exchange) -> None:
    """Money is neither made nor lost, and nobody's is negative."""
    ledger = state.ledger
    assert ledger.total() == 0, f"the ledger adds up to {ledger.total()}"
    cash = 0
    for member in state.members.values():
        for account in member.accounts.values():
            assert account.cash >= 0, f"{name(account)} has {account.cash}"
            cash += account.cash
    assert cash == ledger.cash, f"accounts hold {cash}, the ledger says {ledger.cash}"
    assert ledger.fees >= 0, f"{ledger.fees} of fees"
    assert ledger.outside <= 0, "more was withdrawn than deposited"
    returned = 0
    for member in state.members.values():
        for account in member.accounts.values():
            returned += sum(account.returned.values())
            for ticker, amount in account.returned.items():
                due = guaranteed(state, account, state.events[ticker])
                assert amount == due > 0, f"{name(account)}: {amount} returned on {ticker}"
            assert account.netting or not account.returned
    assert ledger.returned == -returned


def check_positions(state: Exchange, market: Market) -> None:
    """Every YES contract has its NO contract and a dollar in escrow."""
    bought = sum(max(0, holding.quantity) for holding in market.holdings.values())
    sold = sum(max(0, -holding.quantity) for holding in market.holdings.values())
    assert bought == sold == market.open_interest, (market.ticker, bought, sold)
    escrow = state.ledger.escrow.get(market.ticker)
    if market.status == FINALIZED:
        assert escrow is None, f"{market.ticker} is finalized with {escrow} in escrow"
        assert not market.holdings, f"{market.ticker} is finalized with holdings"
    else:
        assert escrow == market.open_interest * PRICE_ONE, (market.ticker, escrow)
    for holding in market.holdings.values():
        assert 0 <= holding.cost <= abs(holding.quantity) * PRICE_ONE, (market.ticker, holding.cost)
        assert holding.quantity % market.lot == 0
        assert holding.account.holdings[market.ticker] is holding


def check_book(state: Exchange, market: Market) -> None:
    """The book is sorted, adds up, and is not crossed; nothing rests in a market at rest."""
    bids, asks = market.bids.best, market.asks.best
    assert bids is None or asks is None or bids.price < asks.price, f"{market.ticker} is crossed"
    for side in (market.bids, market.asks):
        orders = check_side(side)
        for order in orders:
            assert state.orders[order.id] is order
            assert order.market is market
            assert order.direction == side.direction
    if market.status not in (ACTIVE, INACTIVE):
        assert bids is None, f"{market.ticker} is {market.status} with bids"
        assert asks is None, f"{market.ticker} is {market.status} with asks"
    assert not market.touched, "a step forgot to report a market"
    assert market.first_changed is None, "a step forgot to report a level"
    best = (0, 0) if bids is None else (bids.price, bids.quantity)
    assert (market.quoted_bid, market.quoted_bid_quantity) == best, "a bid was not told"
    best = (PRICE_ONE, 0) if asks is None else (asks.price, asks.quantity)
    assert (market.quoted_ask, market.quoted_ask_quantity) == best, "an ask was not told"


def check_side(side: BookSide) -> list[Order]:
    """One side's levels and links; returns its orders, first to trade first."""
    assert side.prices == sorted(side.levels), "the sorted prices are not those of the levels"
    best_first = side.prices[::-1] if side.direction == BID else side.prices
    best = side.levels[best_first[0]] if best_first else None
    assert side.best is best, "the best level is not the best"
    orders = []
    for price in best_first:
        level = side.levels[price]
        assert level.price == price
        total = 0
        previous = None
        order = level.head
        assert order is not None, f"the level at {price} is empty"
        while order is not None:
            assert order.price == price
            assert order.level is level
            assert order.previous is previous
            assert order.remaining > 0, f"order {order.id} rests with nothing left"
            assert order.status == RESTING
            if previous is not None:
                assert previous.priority < order.priority, f"order {order.id} jumped the queue"
            total += order.remaining
            orders.append(order)
            previous, order = order, order.next
        assert level.tail is previous
        assert total == level.quantity, f"the level at {price} holds {total}, not {level.quantity}"
    return orders


def check_members(state: Exchange, *, fixed_terms: bool) -> None:
    """Every index of a member's orders agrees, and what is reserved is there."""
    open_orders: dict[int, list[Order]] = defaultdict(list)
    for order in state.orders.values():
        assert order.level is not None, f"order {order.id} is open and in no book"
        assert not order.reason, "a step forgot to report an order"
        open_orders[order.account.member.id].append(order)
    for member in state.members.values():
        orders = open_orders[member.id]
        assert member.open_orders == len(orders)
        live = [order_id for order_id in member.open_order_ids if order_id in state.orders]
        assert live == sorted(order.id for order in orders)
        closed = list(member.closed_client_order_ids)
        named = [order.client_order_id for order in orders if order.client_order_id]
        assert len(set(closed) | set(named)) == len(closed) + len(named)
        assert member.client_order_ids == set(closed) | set(named)
        for account in member.accounts.values():
            mine = [order for order in orders if order.account is account]
            check_reserve(account, mine, fixed_terms=fixed_terms)


def check_reserve(account: Account, orders: list[Order], *, fixed_terms: bool) -> None:
    """What an account holds back is what its orders could cost, and it has that much."""
    sides: dict[tuple[str, int], list[Order]] = defaultdict(list)
    for order in orders:
        sides[(order.market.ticker, order.direction)].append(order)
    expected = 0
    # Per event that nets: as if all orders opened, and as if they closed first.
    netted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (ticker, direction), mine in sides.items():
        holding = account.holdings[ticker]
        side = holding.bids if direction == BID else holding.asks
        assert side.resting_quantity == sum(order.remaining for order in mine)
        reserve = exact_reserve(holding, direction, mine)
        event = holding.market.event
        if account.netting and event.collateral_return_type:
            bounds = netted[event.ticker]
            bounds[0] += exact_reserve(holding, direction, mine, all_open=True)
            bounds[1] += reserve
            reserve = 0
        assert side.reserve == reserve, (name(account), ticker, side.reserve, reserve)
        expected += reserve
    for event_ticker, (full, closing_first) in netted.items():
        expected += min(full, closing_first + account.returned.get(event_ticker, 0))
    assert account.exact_reserve == expected, (name(account), account.exact_reserve, expected)
    for holding in account.holdings.values():
        assert not holding.moved, "a step forgot to report a position"
    if fixed_terms:
        assert 0 <= account.reserved <= account.cash, (name(account), account.reserved)


def exact_reserve(
    holding: Holding, direction: int, orders: list[Order], *, all_open: bool = False
) -> int:
    """What ``orders`` of one side could cost beyond the position that they close first.

    With ``all_open`` as if there were no position, for reduce-only orders as well.
    """
    market = holding.market
    precision = holding.account.member.balance_precision
    lot = market.lot
    left_to_close = max(0, -holding.quantity * direction)
    if all_open:
        left_to_close = 0
    reserve = 0
    levels: dict[int, list[Order]] = defaultdict(list)
    for order in orders:
        levels[order.price].append(order)
    for price in sorted(levels, reverse=direction == BID):
        own_price = price if direction == BID else PRICE_ONE - price
        fee = market.event.series.fees.worst_case(lot, own_price)
        may_round = own_price * lot % precision or (
            fee and (precision > FEE_STEP or lot < QUANTITY_ONE)
        )
        opening = [order for order in levels[price] if all_open or not order.reduce_only]
        quantity = sum(order.remaining for order in opening)
        if not all_open:
            left_to_close -= sum(order.remaining for order in levels[price] if order.reduce_only)
        closing = min(quantity, max(0, left_to_close))
        left_to_close -= closing
        if closing < quantity:
            reserve += (quantity - closing) // lot * (own_price * lot + fee)
            if may_round:
                reserve += sum(ROUNDING_SLACK - order.rounding for order in opening)
    return reserve


def check_groups(state: Exchange) -> None:
    """A group knows its resting orders, and a triggered one has none."""
    members: dict[int, dict[int, Order]] = defaultdict(dict)
    for order in state.orders.values():
        if order.group is not None:
            assert state.groups[order.group.id] is order.group
            members[order.group.id][order.id] = order
    for group in state.groups.values():
        assert group.orders == members[group.id]
        assert group.matched == sum(quantity for _, quantity in group.fills)
        assert not (group.triggered and group.orders), f"group {group.id} left orders behind"
        assert group.triggered or group.matched < group.contracts_limit


def check_communications(state: Exchange) -> None:
    """Open requests and quotes know each other, and at most one quote of each is on its way."""
    for rfq in state.rfqs.values():
        assert rfq.market.status in (ACTIVE, INACTIVE)
        assert rfq.market.rfqs[rfq.id] is rfq
        assert rfq.account.member.rfqs[rfq.id] is rfq
        assert sum(1 for quote in rfq.quotes.values() if quote.status != "open") <= 1
    quotes = {
        quote_id: quote for rfq in state.rfqs.values() for quote_id, quote in rfq.quotes.items()
    }
    assert state.quotes == quotes
    assert sum(len(member.rfqs) for member in state.members.values()) == len(state.rfqs)
    assert sum(len(market.rfqs) for market in state.markets.values()) == len(state.rfqs)


def name(account: Account) -> str:
    return f"{account.member.email}/{account.number}"
