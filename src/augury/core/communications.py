"""Requests for quotes, quotes, and their way into the book (rules, section 11).

A requester asks, makers answer, the requester accepts a side, the maker confirms in time, and
after the execution timer both orders enter the public book: the maker's first, then the
requester's. Better resting orders may therefore trade first. Requests and quotes live here only
while they are open; what became of them is history's to remember.
"""

from typing import Final

from augury.core import orders
from augury.core import rejections as reject
from augury.core.commands import (
    AcceptQuote,
    ConfirmQuote,
    CreateQuote,
    CreateRfq,
    DeleteQuote,
    DeleteRfq,
    PlaceOrder,
)
from augury.core.events import QuoteUpdated, RfqUpdated
from augury.core.matching import cancel_remainder, same_owner
from augury.core.negotiation import Quote, Rfq
from augury.core.rejections import Rejection
from augury.core.state import (
    ACTIVE,
    MAX_OPEN_ORDERS,
    Account,
    Exchange,
    Market,
    Member,
)
from augury.core.step import Step
from augury.core.timers import CONFIRM_QUOTE, EXECUTE_QUOTE, EXPIRE_RFQ, schedule
from augury.core.units import ASK, BID, NANOS_PER_SECOND, PRICE_ONE, floor_to

OPEN: Final = "open"
ACCEPTED: Final = "accepted"
CONFIRMED: Final = "confirmed"
EXECUTED: Final = "executed"
CANCELLED: Final = "cancelled"

MAX_OPEN_RFQS: Final = 100
RFQ_LIFETIME_NS: Final = 30 * 60 * NANOS_PER_SECOND
"""Without a new quote for so long, a request closes by itself."""

CONFIRM_NS: Final = 30 * NANOS_PER_SECOND
EXECUTE_NS: Final = 15 * NANOS_PER_SECOND
FAST_CONFIRM_NS: Final = 3 * NANOS_PER_SECOND
FAST_EXECUTE_NS: Final = 1 * NANOS_PER_SECOND
"""The fast timers are those of high-volatility markets, which all combos are."""


def create_rfq(step: Step, command: CreateRfq) -> None:
    state = step.state
    account = orders.find_account(state, command.member_id, command.subaccount)
    member = account.member
    market = state.markets.get(command.market_ticker)
    if market is None:
        raise Rejection(reject.MARKET_NOT_FOUND, command.market_ticker)
    if member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if (command.quantity > 0) == (command.target_cost > 0):
        raise Rejection(reject.INVALID_PARAMETERS, "exactly one of contracts and target cost")
    if command.quantity < 0 or command.quantity % market.lot:
        raise Rejection(reject.INVALID_ORDER_SIZE, "contracts must be a positive number of lots")
    if command.target_cost < 0:
        raise Rejection(reject.INVALID_PARAMETERS, "target cost must be positive")
    # Each customer of a clearing member may have a request of its own on a market.
    same_market = [rfq for rfq in market.rfqs.values() if same_owner(rfq.account, account)]
    if same_market and not command.replace_existing:
        raise Rejection(reject.RFQ_ALREADY_EXISTS, market.ticker)
    if len(member.rfqs) - len(same_market) >= MAX_OPEN_RFQS:
        raise Rejection(reject.INVALID_PARAMETERS, "too many open requests")
    for rfq in same_market:
        check_undecided(rfq)
    for rfq in same_market:
        close_rfq(step, rfq, "replaced")
    rfq = Rfq(
        step.sequence,
        account,
        market,
        command.quantity,
        command.target_cost,
        command.rest_remainder,
        step.time_ns,
    )
    rfq.client_rfq_id = command.client_rfq_id
    rfq.origin = command.origin
    state.rfqs[rfq.id] = rfq
    member.rfqs[rfq.id] = rfq
    market.rfqs[rfq.id] = rfq
    keep_alive(step, rfq)
    report_rfq(step, rfq, "created", OPEN, "")


def delete_rfq(step: Step, command: DeleteRfq) -> None:
    """Refused while an accepted quote runs: whoever accepted cannot back out of it."""
    rfq = step.state.rfqs.get(command.rfq_id)
    if rfq is None or rfq.account.member.id != command.member_id:
        raise Rejection(reject.NOT_FOUND)
    check_undecided(rfq)
    close_rfq(step, rfq, "user_deleted")


def check_undecided(rfq: Rfq) -> None:
    for quote in rfq.quotes.values():
        if quote.status != OPEN:
            raise Rejection(reject.QUOTE_CONFLICT, f"a quote is {quote.status}")


def create_quote(step: Step, command: CreateQuote) -> None:
    """A new quote of the same maker on the same request replaces the earlier one."""
    state = step.state
    account = orders.find_account(state, command.member_id, command.subaccount)
    rfq = state.rfqs.get(command.rfq_id)
    if rfq is None:
        raise Rejection(reject.RFQ_CLOSED)
    market = rfq.market
    if account.member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if same_owner(rfq.account, account):
        raise Rejection(reject.INVALID_PARAMETERS, "a member cannot quote its own request")
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if command.yes_bid == 0 and command.no_bid == 0:
        raise Rejection(reject.INVALID_PARAMETERS, "one of yes_bid and no_bid must be positive")
    if command.yes_bid + command.no_bid > PRICE_ONE:
        raise Rejection(reject.INVALID_PARAMETERS, "yes_bid and no_bid exceed one dollar")
    for bid in (command.yes_bid, command.no_bid):
        if bid and not market.has_price(bid):
            raise Rejection(reject.INVALID_PARAMETERS, "bid is not on the market's grid")
    for earlier in list(rfq.quotes.values()):
        if same_owner(earlier.account, account):
            if earlier.status != OPEN:
                raise Rejection(reject.QUOTE_CONFLICT, earlier.status)
            cancel_quote(step, earlier, "replaced")
    quote = Quote(
        step.sequence,
        rfq,
        account,
        command.yes_bid,
        command.no_bid,
        command.rest_remainder,
        command.post_only,
        step.time_ns,
    )
    quote.client_quote_id = command.client_quote_id
    quote.origin = command.origin
    rfq.quotes[quote.id] = quote
    state.quotes[quote.id] = quote
    keep_alive(step, rfq)
    report_quote(step, quote, "created", "")


def delete_quote(step: Step, command: DeleteQuote) -> None:
    """Only an open quote can be taken back; an accepted one runs into its timer."""
    quote = step.state.quotes.get(command.quote_id)
    if quote is None or quote.account.member.id != command.member_id:
        raise Rejection(reject.NOT_FOUND)
    if quote.status != OPEN:
        raise Rejection(reject.QUOTE_CONFLICT, quote.status)
    cancel_quote(step, quote, "user_deleted")


def accept_quote(step: Step, command: AcceptQuote) -> None:
    """Starts the confirmation window. Only one quote of a request may be past open."""
    state = step.state
    quote = state.quotes.get(command.quote_id)
    if quote is None or quote.rfq.account.member.id != command.member_id:
        raise Rejection(reject.NOT_FOUND)
    rfq = quote.rfq
    check_party(state, rfq.account, rfq.market)
    if command.accepted_side not in ("yes", "no"):
        raise Rejection(reject.INVALID_PARAMETERS, "accepted_side")
    if quote.status != OPEN:
        raise Rejection(reject.INVALID_STATE, quote.status)
    bid = quote.yes_bid if command.accepted_side == "yes" else quote.no_bid
    if bid == 0:
        raise Rejection(reject.INVALID_PARAMETERS, "the quote has no price on that side")
    if any(other.status != OPEN for other in rfq.quotes.values()):
        raise Rejection(reject.QUOTE_CONFLICT, "another quote is being executed")
    quantity = offered(quote, command.accepted_side)
    if quantity == 0:
        raise Rejection(reject.INVALID_ORDER_SIZE, "the target cost buys less than one lot")
    price = yes_price(quote, command.accepted_side)
    requester_direction = ASK if command.accepted_side == "yes" else BID
    orders.check_affordable(rfq.account, rfq.market, price, quantity, requester_direction)
    quote.status = ACCEPTED
    quote.accepted_side = command.accepted_side
    quote.accepted_quantity = quantity
    quote.accepted_ns = step.time_ns
    quote.rfq_order_id = step.sequence
    quote.rfq_client_order_id = command.client_order_id
    quote.rfq_order_origin = command.origin
    fast = is_high_volatility(rfq.market)
    quote.due_ns = step.time_ns + (FAST_CONFIRM_NS if fast else CONFIRM_NS)
    schedule(state, quote.due_ns, CONFIRM_QUOTE, quote.id, "")
    report_quote(step, quote, "accepted", "")


def confirm_quote(step: Step, command: ConfirmQuote) -> None:
    """The maker stands by the accepted quote; starts the execution timer."""
    state = step.state
    quote = state.quotes.get(command.quote_id)
    if quote is None or quote.account.member.id != command.member_id:
        raise Rejection(reject.NOT_FOUND)
    market = quote.rfq.market
    check_party(state, quote.account, market)
    if quote.status != ACCEPTED:
        raise Rejection(reject.INVALID_STATE, quote.status)
    price = yes_price(quote, quote.accepted_side)
    maker_direction = BID if quote.accepted_side == "yes" else ASK
    orders.check_affordable(quote.account, market, price, quote.accepted_quantity, maker_direction)
    quote.status = CONFIRMED
    quote.confirmed_ns = step.time_ns
    quote.maker_order_id = step.sequence
    quote.maker_client_order_id = command.client_order_id
    quote.due_ns = step.time_ns + (FAST_EXECUTE_NS if is_high_volatility(market) else EXECUTE_NS)
    schedule(state, quote.due_ns, EXECUTE_QUOTE, quote.id, "")
    report_quote(step, quote, "confirmed", "")


def check_party(state: Exchange, account: Account, market: Market) -> None:
    """Refuse what ``orders.enter`` would refuse whatever the order says."""
    orders.check_trading(state)
    if account.member.suspended:
        raise Rejection(reject.MEMBER_SUSPENDED)
    if market.status != ACTIVE:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if account.member.open_orders >= MAX_OPEN_ORDERS:
        raise Rejection(reject.EXCEEDED_ORDER_LIMIT)


def confirmation_missed(step: Step, quote_id: int) -> None:
    """The maker did not confirm in time: the quote is gone, the request stays open."""
    cancel_quote(step, step.state.quotes[quote_id], "expired")


def execute_quote(step: Step, quote_id: int) -> None:
    """Enter both orders. If either is refused now, the quote is cancelled for that reason."""
    quote = step.state.quotes[quote_id]
    rfq = quote.rfq
    market = rfq.market
    side = quote.accepted_side
    price = yes_price(quote, side)
    requester_side = "no" if side == "yes" else "yes"
    requester_direction = ASK if side == "yes" else BID
    try:
        # The requester is looked at before the maker's order can trade with others.
        check_party(step.state, rfq.account, market)
        orders.check_affordable(
            rfq.account, market, price, quote.accepted_quantity, requester_direction
        )
        maker = orders.enter(
            step,
            PlaceOrder(
                quote.account.member.id,
                quote.account.number,
                market.ticker,
                quote.maker_client_order_id,
                "buy",
                side,
                price,
                quote.accepted_quantity,
                post_only=quote.post_only,
            ),
            quote.maker_order_id,
        )
    except Rejection as rejection:
        cancel_quote(step, quote, rejection.code)
        return
    step.flush()
    try:
        orders.enter(
            step,
            PlaceOrder(
                rfq.account.member.id,
                rfq.account.number,
                market.ticker,
                quote.rfq_client_order_id,
                "buy",
                requester_side,
                price,
                quote.accepted_quantity,
                "good_till_canceled" if rfq.rest_remainder else "immediate_or_cancel",
                origin=quote.rfq_order_origin,
            ),
            quote.rfq_order_id,
        )
    except Rejection as rejection:
        cancel_remainder(step, maker, "canceled")
        cancel_quote(step, quote, rejection.code)
        return
    if not quote.rest_remainder:
        cancel_remainder(step, maker, "canceled")
    step.flush()
    quote.status = EXECUTED
    quote.executed_ns = step.time_ns
    forget_quote(step, quote)
    report_quote(step, quote, "executed", "")
    close_rfq(step, rfq, "executed")


def close_rfqs_of_market(step: Step, market: Market) -> None:
    for rfq in list(market.rfqs.values()):
        close_rfq(step, rfq, "market_closed")


def withdraw_member(step: Step, member: Member) -> None:
    """A suspended member neither asks nor answers."""
    state = step.state
    for rfq in list(member.rfqs.values()):
        close_rfq(step, rfq, "member_suspended")
    for quote in [quote for quote in state.quotes.values() if quote.account.member is member]:
        cancel_quote(step, quote, "member_suspended")


def expire_rfq(step: Step, rfq_id: int) -> None:
    close_rfq(step, step.state.rfqs[rfq_id], "expired")


def void_running_quotes(step: Step) -> None:
    """A pause stops the timers, so what was accepted or confirmed does not survive it."""
    for quote in [quote for quote in step.state.quotes.values() if quote.status != OPEN]:
        cancel_quote(step, quote, "paused")


def close_rfq(step: Step, rfq: Rfq, reason: str) -> None:
    """The request is over, and with it every quote that still answers it."""
    for quote in list(rfq.quotes.values()):
        cancel_quote(step, quote, reason)
    del step.state.rfqs[rfq.id]
    del rfq.account.member.rfqs[rfq.id]
    del rfq.market.rfqs[rfq.id]
    report_rfq(step, rfq, "closed", "closed", reason)


def cancel_quote(step: Step, quote: Quote, reason: str) -> None:
    if quote.status != OPEN:
        # While this quote was on its way, the request could not expire; now it can again.
        keep_alive(step, quote.rfq)
    quote.status = CANCELLED
    forget_quote(step, quote)
    report_quote(step, quote, "cancelled", reason)


def forget_quote(step: Step, quote: Quote) -> None:
    del step.state.quotes[quote.id]
    del quote.rfq.quotes[quote.id]


def keep_alive(step: Step, rfq: Rfq) -> None:
    rfq.expires_ns = step.time_ns + RFQ_LIFETIME_NS
    schedule(step.state, rfq.expires_ns, EXPIRE_RFQ, rfq.id, "")


def yes_price(quote: Quote, accepted_side: str) -> int:
    """The YES price at which both orders enter the book."""
    return quote.yes_bid if accepted_side == "yes" else PRICE_ONE - quote.no_bid


def offered(quote: Quote, accepted_side: str) -> int:
    """Quantity that accepting ``accepted_side`` would trade; 0 where there is no bid.

    A target cost buys what it can at the requester's own price, in whole lots.
    """
    rfq = quote.rfq
    bid = quote.yes_bid if accepted_side == "yes" else quote.no_bid
    if bid == 0:
        return 0
    if rfq.quantity:
        return rfq.quantity
    return floor_to(rfq.target_cost // (PRICE_ONE - bid), rfq.market.lot)


def is_high_volatility(market: Market) -> bool:
    return market.collection_ticker != ""


def report_rfq(step: Step, rfq: Rfq, kind: str, status: str, reason: str) -> None:
    step.late_events.append(
        RfqUpdated(
            kind,
            rfq.id,
            rfq.account.member.id,
            rfq.account.number,
            rfq.market.ticker,
            rfq.market.event.ticker,
            rfq.quantity,
            rfq.target_cost,
            rfq.rest_remainder,
            status,
            reason,
            rfq.created_ns,
            step.time_ns,
            rfq.client_rfq_id,
            rfq.origin,
        )
    )


def report_quote(step: Step, quote: Quote, kind: str, reason: str) -> None:
    rfq = quote.rfq
    step.late_events.append(
        QuoteUpdated(
            kind,
            quote.id,
            rfq.id,
            quote.account.member.id,
            quote.account.number,
            rfq.account.member.id,
            rfq.account.number,
            rfq.market.ticker,
            rfq.market.event.ticker,
            quote.yes_bid,
            quote.no_bid,
            offered(quote, "yes"),
            offered(quote, "no"),
            rfq.quantity,
            rfq.target_cost,
            quote.rest_remainder,
            quote.post_only,
            quote.status,
            reason,
            quote.accepted_side,
            quote.accepted_quantity,
            quote.created_ns,
            step.time_ns,
            quote.accepted_ns,
            quote.confirmed_ns,
            quote.executed_ns,
            quote.maker_order_id,
            quote.rfq_order_id,
            quote.client_quote_id,
            quote.origin,
            rfq.origin,
            quote.rfq_client_order_id,
            quote.rfq_order_origin,
        )
    )
