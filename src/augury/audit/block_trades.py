"""Trades agreed on off the book: docs/api/block-trades.md."""

from augury.audit.ledger import (
    Account,
    Books,
    Market,
    Order,
    Position,
    Proposal,
    Refused,
    on_grid,
    same_owner,
)
from augury.audit.reading import Entry
from augury.audit.trading import changed, check_trading, refuse_if, reserve, settle, uncount


def propose(books: Books, entry: Entry) -> None:
    buyer = books.account(entry.buyer_member_id, entry.buyer_subaccount)
    seller = books.account(entry.seller_member_id, entry.seller_subaccount)
    market = books.market(entry.market_ticker)
    parties = (entry.buyer_member_id, entry.seller_member_id)
    refuse_if(entry.member_id not in parties, "not a party")
    refuse_if(books.members[entry.member_id].suspended, "member suspended")
    refuse_if(same_owner(buyer, seller), "one owner")
    refuse_if(market.status != "active", "market does not trade")
    refuse_if(entry.maker_side not in ("yes", "no"), "maker side")
    refuse_if(entry.quantity <= 0 or entry.quantity % market.lot != 0, "size")
    refuse_if(not on_grid(market.bands, entry.price), "price")
    refuse_if(entry.expiration_ns <= books.time_ns, "expired")
    mine = [one for one in waiting(books) if one.proposer_id == entry.member_id]
    refuse_if(len(mine) >= 100, "too many")
    books.proposals[entry.sequence] = Proposal(
        entry.sequence,
        entry.member_id,
        market,
        {1: buyer, -1: seller},
        -1 if entry.member_id == entry.buyer_member_id else 1,
        entry.price,
        entry.quantity,
        1 if entry.maker_side == "yes" else -1,
        entry.expiration_ns,
    )


def accept(books: Books, entry: Entry) -> None:
    proposal = books.proposals.get(entry.proposal_id)
    if proposal is None or proposal.expiration_ns <= books.time_ns:
        raise Refused("no such proposal")
    direction = proposal.waits_for
    own, other = proposal.sides[direction], proposal.sides[-direction]
    refuse_if(own.member.id != entry.member_id, "not the other side")
    if entry.subaccount >= 0:
        own = books.account(entry.member_id, entry.subaccount)
        refuse_if(same_owner(own, other), "one owner")
    check_trading(books)
    refuse_if(own.member.suspended or other.member.suspended, "member suspended")
    market = proposal.market
    refuse_if(market.status != "active", "market does not trade")
    refuse_if(not on_grid(market.bands, proposal.price), "price")
    orders = {}
    for account, way in ((own, direction), (other, -direction)):
        number = proposal.id if way == proposal.maker else entry.sequence
        orders[way] = order_of(number, account, market, way, proposal)
        try:
            reserve(books, orders[way])
        except Refused:
            if way != direction:
                uncount(orders[direction])
            raise
    for way in (proposal.maker, -proposal.maker):
        order = orders[way]
        order.account.positions.setdefault(market.ticker, Position())
        market.holders[order.account.key] = order.account
        settle(books, order, proposal.price, proposal.quantity, way != proposal.maker)
    for order in orders.values():
        order.remaining = 0
        uncount(order)
        changed(order.account, market)
    market.ever_used = True
    del books.proposals[proposal.id]


def order_of(
    number: int, account: Account, market: Market, direction: int, proposal: Proposal
) -> Order:
    action = "buy" if direction > 0 else "sell"
    return Order(
        *(number, account, market, "", action, "yes", direction, proposal.price),
        *(proposal.quantity, 0, False, False, False, None, False),
    )


def waiting(books: Books) -> list[Proposal]:
    return [one for one in books.proposals.values() if one.expiration_ns > books.time_ns]


def cancel_of_market(books: Books, market: Market) -> None:
    for one in [one for one in books.proposals.values() if one.market is market]:
        del books.proposals[one.id]


def cancel_of_member(books: Books, member_id: int) -> None:
    for one in list(books.proposals.values()):
        if member_id in (one.sides[1].member.id, one.sides[-1].member.id):
            del books.proposals[one.id]
