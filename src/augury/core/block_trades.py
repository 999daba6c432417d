"""Trades that two members agree on off the book (compat.md, section 5).

One of the two proposes price and size, and has agreed by that; the other accepts, and the trade
happens in the same step, at that price, whatever the book shows. Everything else is as in a match:
collateral, fees of maker and taker, positions, the public tape. Nothing is held while a proposal
waits, so both sides are checked when it trades.
"""

from typing import Final

from augury.core import collateral, matching, orders
from augury.core import rejections as reject
from augury.core.commands import AcceptBlockTrade, ProposeBlockTrade
from augury.core.events import BlockTradeUpdated, TradeExecuted
from augury.core.negotiation import BlockProposal
from augury.core.rejections import Rejection
from augury.core.state import (
    ACTIVE,
    EXECUTED,
    Account,
    Exchange,
    Holding,
    Market,
    Member,
    Order,
)
from augury.core.step import BLOCK_TRADE_BIT, Step
from augury.core.timers import END_BLOCK_PROPOSAL, schedule
from augury.core.units import ASK, BID, NANOS_PER_SECOND

PENDING: Final = "pending"
DONE: Final = "executed"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"

MAX_PENDING: Final = 100
"""Proposals of one member that may wait at a time."""

KEPT_NS: Final = 14 * 24 * 3600 * NANOS_PER_SECOND
"""For so long a proposal that has ended is shown."""

MAX_KEPT: Final = 1_000
"""Proposals of one member that are kept; the oldest that has ended makes room for a new one."""


def propose(step: Step, command: ProposeBlockTrade) -> None:
    state = step.state
    buyer = find_party(state, command.member_id, command.buyer_member_id, command.buyer_subaccount)
    seller = find_party(
        state, command.member_id, command.seller_member_id, command.seller_subaccount
    )
    market = state.markets.get(command.market_ticker)
    if market is None:
        raise Rejection(reject.MARKET_NOT_FOUND, command.market_ticker)
    if command.member_id not in (command.buyer_member_id, command.seller_member_id):
        raise Rejection(reject.INVALID_PARAMETERS, "the proposer must be the buyer or the seller")
    if state.members[command.member_id].suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if matching.same_owner(buyer, seller):
        raise Rejection(reject.INVALID_PARAMETERS, "buyer and seller must not be the same member")
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if command.maker_side not in ("yes", "no"):
        raise Rejection(reject.INVALID_PARAMETERS, "maker_side")
    if command.quantity <= 0 or command.quantity % market.lot:
        raise Rejection(reject.INVALID_ORDER_SIZE, "contracts must be a positive number of lots")
    if not market.has_price(command.price):
        raise Rejection(reject.INVALID_PRICE)
    if command.expiration_ns <= step.time_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "expiration_ts must be in the future")
    make_room(state, state.members[command.member_id])
    proposal = BlockProposal(
        step.sequence,
        command.member_id,
        buyer,
        seller,
        market.ticker,
        command.price,
        command.quantity,
        command.maker_side,
        command.expiration_ns,
        step.time_ns,
    )
    # A clearing member may propose for two of its customers; it then accepts the second itself.
    if buyer.member.id == command.member_id:
        proposal.buyer_accepted_ns = step.time_ns
    else:
        proposal.seller_accepted_ns = step.time_ns
    state.add_proposal(proposal)
    schedule(state, proposal.due_ns, END_BLOCK_PROPOSAL, proposal.id, "")
    report(step, proposal)


def make_room(state: Exchange, proposer: Member) -> None:
    """Refuse one more pending proposal than may be; keep the ended ones within their bound."""
    waiting = 0
    oldest: BlockProposal | None = None
    for other in proposer.block_proposals.values():
        if other.status == PENDING:
            waiting += 1
        elif oldest is None:
            oldest = other
    if waiting >= MAX_PENDING:
        raise Rejection(reject.INVALID_PARAMETERS, "too many pending proposals")
    if oldest is not None and len(proposer.block_proposals) >= MAX_KEPT:
        state.remove_proposal(oldest)


def find_party(state: Exchange, proposer_id: int, member_id: int, subaccount: int) -> Account:
    """One side's account. What is wrong with somebody else's is not told."""
    if member_id == proposer_id:
        return orders.find_account(state, member_id, subaccount)
    member = state.members.get(member_id)
    account = None if member is None else member.accounts.get(subaccount)
    if account is None:
        raise Rejection(reject.INVALID_PARAMETERS, "no such counterparty")
    return account


def accept(step: Step, command: AcceptBlockTrade) -> None:
    """The other side agrees, and the trade happens. A refusal leaves the proposal as it was."""
    state = step.state
    proposal = state.block_proposals.get(command.proposal_id)
    if proposal is None or command.member_id not in (
        proposal.buyer.member.id,
        proposal.seller.member.id,
    ):
        raise Rejection(reject.NOT_FOUND)
    if proposal.status != PENDING:
        raise Rejection(reject.INVALID_STATE, proposal.status)
    buys = proposal.buyer_accepted_ns == 0
    own = proposal.buyer if buys else proposal.seller
    other = proposal.seller if buys else proposal.buyer
    if own.member.id != command.member_id:
        raise Rejection(reject.INVALID_STATE, "accepted already")
    if command.subaccount >= 0:
        own = orders.find_account(state, command.member_id, command.subaccount)
        if matching.same_owner(own, other):
            raise Rejection(reject.INVALID_PARAMETERS, "buyer and seller must not be the same")
    orders.check_trading(state)
    if own.member.suspended or other.member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    market = state.markets[proposal.market_ticker]
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if not market.has_price(proposal.price):
        raise Rejection(reject.INVALID_PRICE)
    maker_buys = proposal.maker_side == "yes"
    # The maker's order counts as entered when it was proposed, the taker's now.
    maker_id, taker_id = proposal.id, step.sequence
    bid = make_order(
        step, proposal, market, own if buys else other, BID, maker_id if maker_buys else taker_id
    )
    ask = make_order(
        step, proposal, market, other if buys else own, ASK, taker_id if maker_buys else maker_id
    )
    mine, theirs = (bid, ask) if buys else (ask, bid)
    if not orders.hold(mine):
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)
    if not orders.hold(theirs):
        orders.release(mine)
        raise Rejection(reject.INVALID_STATE, "the other side cannot pay at the moment")
    proposal.buyer, proposal.seller = bid.account, ask.account
    if maker_buys:
        print_trade(step, market, bid, ask)
    else:
        print_trade(step, market, ask, bid)
    if buys:
        proposal.buyer_accepted_ns = step.time_ns
    else:
        proposal.seller_accepted_ns = step.time_ns
    proposal.executed_ns = step.time_ns
    proposal.buyer_order_id = bid.id
    proposal.seller_order_id = ask.id
    finish(step, proposal, DONE)


def make_order(
    step: Step,
    proposal: BlockProposal,
    market: Market,
    account: Account,
    direction: int,
    order_id: int,
) -> Order:
    """One side as an order that never sees the book."""
    known = account.holdings.get(market.ticker)
    return Order(
        order_id,
        account,
        market,
        Holding(account, market) if known is None else known,
        "",
        "buy" if direction == BID else "sell",
        "yes",
        direction,
        proposal.price,
        proposal.quantity,
        0,
        False,
        False,
        "taker_at_cross",
        None,
        False,
        # An order's id and its time of creation go together.
        proposal.created_ns if order_id == proposal.id else step.time_ns,
    )


def print_trade(step: Step, market: Market, maker: Order, taker: Order) -> None:
    """What ``matching.execute`` does, without a book. Both orders are held already."""
    quantity, price = maker.remaining, maker.price
    for order in (maker, taker):
        account = order.account
        account.holdings[market.ticker] = order.holding
        market.holdings[(account.member.id, account.number)] = order.holding
    taker_closes = min(quantity, collateral.closable(taker.holding, taker.direction))
    maker_closes = min(quantity, collateral.closable(maker.holding, maker.direction))
    market.was_active = True
    market.open_interest += quantity - taker_closes - maker_closes
    market.volume += quantity
    market.last_price = price
    market.last_quantity = quantity
    market.traded = True
    step.touch_market(market)
    trade_id = step.next_trade_id() | BLOCK_TRADE_BIT
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
    revenue = matching.settle_fill(step, trade_id, maker, price, quantity, maker_closes, False)
    revenue += matching.settle_fill(step, trade_id, taker, price, quantity, taker_closes, True)
    step.state.ledger.escrow[market.ticker] -= revenue
    for order in (maker, taker):
        order.remaining = 0
        collateral.drop(order, quantity)
        order.status = EXECUTED
        step.touch_order(order, "filled")


def end(step: Step, proposal_id: int) -> None:
    """Its time is over: a pending proposal expires, one that has ended is forgotten."""
    proposal = step.state.block_proposals[proposal_id]
    if proposal.status == PENDING:
        finish(step, proposal, EXPIRED)
    else:
        step.state.remove_proposal(proposal)


def cancel_of_market(step: Step, market: Market) -> None:
    for proposal in list(market.block_proposals.values()):
        finish(step, proposal, CANCELLED)


def cancel_of_member(step: Step, member: Member) -> None:
    """A suspended member neither proposes nor accepts."""
    for known in (member.block_proposals, member.block_offers):
        for proposal in known.values():
            if proposal.status == PENDING:
                finish(step, proposal, CANCELLED)


def finish(step: Step, proposal: BlockProposal, status: str) -> None:
    proposal.status = status
    proposal.updated_ns = step.time_ns
    proposal.due_ns = step.time_ns + KEPT_NS
    del step.state.markets[proposal.market_ticker].block_proposals[proposal.id]
    schedule(step.state, proposal.due_ns, END_BLOCK_PROPOSAL, proposal.id, "")
    report(step, proposal)


def report(step: Step, proposal: BlockProposal) -> None:
    step.late_events.append(
        BlockTradeUpdated(
            proposal.id,
            proposal.buyer.member.id,
            proposal.seller.member.id,
            proposal.market_ticker,
            proposal.status,
        )
    )
