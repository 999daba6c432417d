"""Requests for quotes, as far as they lead to orders: docs/api/quotes.md."""

from heapq import heappush

from augury.audit.fees import direction_of
from augury.audit.ledger import (
    DOLLAR,
    SECOND,
    Account,
    Books,
    Market,
    Quote,
    Refused,
    Rfq,
    on_grid,
    same_owner,
)
from augury.audit.reading import Entry
from augury.audit.trading import (
    OPEN_ORDERS_LIMIT,
    check_affordable,
    check_trading,
    drop,
    enter,
    refuse_if,
    return_collateral,
)

CONFIRM_QUOTE = 5
EXECUTE_QUOTE = 6
EXPIRE_RFQ = 7


def create_rfq(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    market = books.market(entry.market_ticker)
    refuse_if(account.member.suspended, "member suspended")
    refuse_if(market.status != "active", "market does not trade")
    refuse_if((entry.quantity > 0) == (entry.target_cost > 0), "contracts or cost")
    refuse_if(entry.quantity < 0 or entry.quantity % market.lot != 0, "size")
    refuse_if(entry.target_cost < 0, "cost")
    earlier = [rfq for rfq in market.rfqs.values() if same_owner(rfq.account, account)]
    refuse_if(bool(earlier) and not entry.replace_existing, "exists")
    mine = [rfq for rfq in books.rfqs.values() if rfq.account.member is account.member]
    refuse_if(len(mine) - len(earlier) >= 100, "too many")
    for rfq in earlier:
        check_undecided(rfq)
    for rfq in earlier:
        close_rfq(books, rfq)
    rfq = Rfq(
        entry.sequence, account, market, entry.quantity, entry.target_cost, entry.rest_remainder
    )
    books.rfqs[rfq.id] = market.rfqs[rfq.id] = rfq
    keep_alive(books, rfq)


def delete_rfq(books: Books, entry: Entry) -> None:
    rfq = books.rfqs.get(entry.rfq_id)
    if rfq is None or rfq.account.member.id != entry.member_id:
        raise Refused("no such request")
    check_undecided(rfq)
    close_rfq(books, rfq)


def create_quote(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    rfq = books.rfqs.get(entry.rfq_id)
    if rfq is None:
        raise Refused("no such request")
    market = rfq.market
    refuse_if(account.member.suspended, "member suspended")
    refuse_if(same_owner(rfq.account, account), "own request")
    refuse_if(market.status != "active", "market does not trade")
    refuse_if(entry.yes_bid == 0 and entry.no_bid == 0, "no bid")
    refuse_if(entry.yes_bid + entry.no_bid > DOLLAR, "more than a dollar")
    for bid in (entry.yes_bid, entry.no_bid):
        refuse_if(bid != 0 and not on_grid(market.bands, bid), "price")
    for quote in list(rfq.quotes.values()):
        if same_owner(quote.account, account):
            refuse_if(quote.status != "open", "running")
            end(books, quote)
    quote = Quote(
        entry.sequence,
        rfq,
        account,
        entry.yes_bid,
        entry.no_bid,
        entry.rest_remainder,
        entry.post_only,
    )
    books.quotes[quote.id] = rfq.quotes[quote.id] = quote
    keep_alive(books, rfq)


def delete_quote(books: Books, entry: Entry) -> None:
    quote = books.quotes.get(entry.quote_id)
    if quote is None or quote.account.member.id != entry.member_id:
        raise Refused("no such quote")
    refuse_if(quote.status != "open", "running")
    end(books, quote)


def accept(books: Books, entry: Entry) -> None:
    quote = books.quotes.get(entry.quote_id)
    if quote is None or quote.rfq.account.member.id != entry.member_id:
        raise Refused("no such quote")
    rfq = quote.rfq
    check_party(books, rfq.account, rfq.market)
    refuse_if(entry.accepted_side not in ("yes", "no"), "side")
    bid = quote.yes_bid if entry.accepted_side == "yes" else quote.no_bid
    refuse_if(bid == 0, "no bid")
    refuse_if(any(other.status != "open" for other in rfq.quotes.values()), "running")
    # A cost buys whole lots at the requester's own price.
    quantity = rfq.quantity or rfq.target_cost // (DOLLAR - bid) // rfq.market.lot * rfq.market.lot
    refuse_if(quantity == 0, "size")
    quote.accepted_side, quote.quantity = entry.accepted_side, quantity
    check_affordable(
        books,
        rfq.account,
        rfq.market,
        price(quote),
        quantity,
        direction_of("sell", bid_side(quote)),
    )
    quote.status = "accepted"
    quote.taker_id = entry.sequence
    quote.taker_name = entry.client_order_id
    set_alarm(books, quote, CONFIRM_QUOTE, 3 if rfq.market.legs else 30)


def confirm(books: Books, entry: Entry) -> None:
    quote = books.quotes.get(entry.quote_id)
    if quote is None or quote.account.member.id != entry.member_id:
        raise Refused("no such quote")
    market = quote.rfq.market
    check_party(books, quote.account, market)
    refuse_if(quote.status != "accepted", quote.status)
    direction = direction_of("buy", bid_side(quote))
    check_affordable(books, quote.account, market, price(quote), quote.quantity, direction)
    quote.status = "confirmed"
    quote.maker_id = entry.sequence
    quote.maker_name = entry.client_order_id
    set_alarm(books, quote, EXECUTE_QUOTE, 1 if market.legs else 15)


def execute(books: Books, quote: Quote) -> None:
    """The maker's order enters, then the requester's; if either may not, the quote is over."""
    rfq = quote.rfq
    market = rfq.market
    maker_side = bid_side(quote)
    taker_side = "no" if maker_side == "yes" else "yes"
    maker = None
    try:
        check_party(books, rfq.account, market)
        direction = direction_of("buy", taker_side)
        check_affordable(books, rfq.account, market, price(quote), quote.quantity, direction)
        maker = enter(
            books,
            quote.maker_id,
            quote.account,
            market,
            name=quote.maker_name,
            action="buy",
            side=maker_side,
            price=price(quote),
            quantity=quote.quantity,
            post_only=quote.post_only,
        )
        return_collateral(books)
        enter(
            books,
            quote.taker_id,
            rfq.account,
            market,
            name=quote.taker_name,
            action="buy",
            side=taker_side,
            price=price(quote),
            quantity=quote.quantity,
            lifetime="good_till_canceled" if rfq.rest_remainder else "immediate_or_cancel",
        )
    except Refused:
        if maker is not None and maker.in_book:
            drop(books, maker)
        end(books, quote)
        return
    if maker.in_book and not quote.rest_remainder:
        drop(books, maker)
    forget(books, quote)
    close_rfq(books, rfq)


def alarm(books: Books, kind: int, due_ns: int, number: int) -> None:
    """The end of a window; one that was set for something else means nothing."""
    if kind == EXPIRE_RFQ:
        rfq = books.rfqs.get(number)
        if rfq is not None and rfq.expires_ns <= due_ns:
            if all(quote.status == "open" for quote in rfq.quotes.values()):
                close_rfq(books, rfq)
        return
    quote = books.quotes.get(number)
    if quote is None or quote.due_ns > due_ns:
        return
    if kind == CONFIRM_QUOTE and quote.status == "accepted":
        end(books, quote)
    elif kind == EXECUTE_QUOTE and quote.status == "confirmed":
        execute(books, quote)


def void_running(books: Books) -> None:
    """A pause ends what was accepted or confirmed."""
    for quote in [quote for quote in books.quotes.values() if quote.status != "open"]:
        end(books, quote)


def withdraw_member(books: Books, member_id: int) -> None:
    for rfq in list(books.rfqs.values()):
        if rfq.account.member.id == member_id:
            close_rfq(books, rfq)
    for quote in list(books.quotes.values()):
        if quote.account.member.id == member_id:
            end(books, quote)


def close_rfq(books: Books, rfq: Rfq) -> None:
    for quote in list(rfq.quotes.values()):
        end(books, quote)
    del books.rfqs[rfq.id]
    del rfq.market.rfqs[rfq.id]


def end(books: Books, quote: Quote) -> None:
    if quote.status != "open":
        keep_alive(books, quote.rfq)
    forget(books, quote)


def forget(books: Books, quote: Quote) -> None:
    del books.quotes[quote.id]
    del quote.rfq.quotes[quote.id]


def keep_alive(books: Books, rfq: Rfq) -> None:
    """A request lives for half an hour after its last sign of life."""
    rfq.expires_ns = books.time_ns + 1800 * SECOND
    heappush(books.alarms, (rfq.expires_ns, EXPIRE_RFQ, rfq.id, ""))


def set_alarm(books: Books, quote: Quote, kind: int, seconds: int) -> None:
    quote.due_ns = books.time_ns + seconds * SECOND
    heappush(books.alarms, (quote.due_ns, kind, quote.id, ""))


def check_undecided(rfq: Rfq) -> None:
    refuse_if(any(quote.status != "open" for quote in rfq.quotes.values()), "running")


def check_party(books: Books, account: Account, market: Market) -> None:
    check_trading(books)
    refuse_if(account.member.suspended, "member suspended")
    refuse_if(market.status != "active", "market does not trade")
    refuse_if(account.member.resting >= OPEN_ORDERS_LIMIT, "too many orders")


def bid_side(quote: Quote) -> str:
    """The side that the maker buys."""
    return quote.accepted_side


def price(quote: Quote) -> int:
    """The YES price at which both orders enter."""
    return quote.yes_bid if quote.accepted_side == "yes" else DOLLAR - quote.no_bid
