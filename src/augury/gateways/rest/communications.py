"""Requests for quotes and quotes (rest.md, section 8; rules, section 11).

Requests are visible to every member, quotes to their two parties. Who somebody is stays hidden:
others see a communications id, and that of a requester only when all is over. Commands go to the
core. What is asked for by id comes from memory while it lives; lists, and what is over, come from
history, which waits for the caller's own writes.
"""

from typing import Any, Final

from msgspec import UNSET, UnsetType

from augury.codec.ids import format_id, parse_id
from augury.codec.text import (
    centicents,
    count_floor,
    count_fp,
    dollars,
    parse_dollars,
    parse_price,
    price_cents,
    price_dollars,
    rfc3339,
)
from augury.core import rejections
from augury.core.applied import Applied
from augury.core.commands import (
    AcceptQuote,
    Command,
    ConfirmQuote,
    CreateQuote,
    CreateRfq,
    DeleteQuote,
    DeleteRfq,
)
from augury.core.communications import CANCELLED, EXECUTED, OPEN, offered
from augury.core.negotiation import Quote as LiveQuote
from augury.core.negotiation import Rfq as LiveRfq
from augury.core.state import FIRST_SUBTRADER, Exchange
from augury.core.units import (
    MICROS_PER_CENTICENT,
    MICROS_PER_DOLLAR,
    NANOS_PER_SECOND,
    PRICE_ONE,
    PRICES_PER_CENT,
)
from augury.gateways.profiles import accepted_side
from augury.gateways.quoting import (
    INSUFFICIENT_BALANCE,
    cancellation_reason,
    communications_id,
    maker_client_order_id,
)
from augury.gateways.rest.answers import (
    RFQ,
    CreateQuoteResponse,
    CreateRFQResponse,
    GetCommunicationsIDResponse,
    GetQuoteResponse,
    GetQuotesResponse,
    GetRFQResponse,
    GetRFQsResponse,
    MveSelectedLeg,
    Quote,
)
from augury.gateways.rest.bodies import (
    ACCEPT_QUOTE,
    CREATE_QUOTE,
    CREATE_RFQ,
    EMPTY,
    CreateQuoteRequest,
    CreateRFQRequest,
)
from augury.gateways.rest.errors import ApiError, invalid, not_found, refusal
from augury.gateways.rest.markets import time_range
from augury.gateways.rest.order_entry import TICKER_LENGTH_LIMIT, quantity_of
from augury.gateways.rest.parameters import (
    CURSOR,
    EVENT_TICKERS,
    MAX_TS,
    MIN_TS,
    SUBACCOUNT,
    Parameter,
    choice,
    limit,
    text,
)
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.subtraders import chosen_account, subtrader_account
from augury.projections.rows import QuoteRow, RfqRow

KEPT_NS: Final = 14 * 24 * 3600 * NANOS_PER_SECOND
"""Closed requests and cancelled quotes are shown for so long."""

LARGEST_TARGET_COST: Final = 10_000_000_000 * MICROS_PER_DOLLAR
"""Beyond it an amount is a mistake, and the log has 64 bits."""

SELF: Final = "self"

RFQS_LIMIT: Final = limit(100)
QUOTES_LIMIT: Final = limit(500, 500)
MARKET_TICKER: Final = text("market_ticker", "Only this market.")
RFQ_STATUS: Final = choice("status", ("open", "closed"), "Only requests of this status.")
QUOTE_STATUS: Final = choice(
    "status",
    ("open", "accepted", "confirmed", "executed", "cancelled"),
    "Only quotes of this status.",
)
CREATOR_USER_ID: Final = text(
    "creator_user_id", "Only requests of this user; of others than the caller, nothing is told."
)
QUOTE_CREATOR_USER_ID: Final = text(
    "quote_creator_user_id", "Only quotes by this user, which has to be the caller."
)
RFQ_CREATOR_USER_ID: Final = text(
    "rfq_creator_user_id", "Only quotes on requests of this user, which has to be the caller."
)
RFQ_CREATOR_SUBTRADER_ID: Final = text(
    "rfq_creator_subtrader_id",
    "Only quotes on requests of this customer of the caller, a clearing member.",
)
RFQ_ID: Final = text("rfq_id", "Only quotes that answer this request.")
USER_FILTER: Final = choice("user_filter", (SELF,), "Only what the caller created.")
RFQ_USER_FILTER: Final = choice(
    "rfq_user_filter", (SELF,), "Only quotes on requests that the caller created."
)

RFQS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    CURSOR,
    EVENT_TICKERS,
    MARKET_TICKER,
    RFQS_LIMIT,
    RFQ_STATUS,
    CREATOR_USER_ID,
    USER_FILTER,
    SUBACCOUNT,
)
QUOTES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    CURSOR,
    EVENT_TICKERS,
    MARKET_TICKER,
    QUOTES_LIMIT,
    QUOTE_STATUS,
    QUOTE_CREATOR_USER_ID,
    RFQ_CREATOR_USER_ID,
    RFQ_CREATOR_SUBTRADER_ID,
    RFQ_ID,
    USER_FILTER,
    RFQ_USER_FILTER,
    MIN_TS,
    MAX_TS,
    SUBACCOUNT,
)


async def get_communications_id(
    services: Services, request: Request
) -> GetCommunicationsIDResponse:
    return GetCommunicationsIDResponse(communications_id(request.member_id))


# --- requests for quotes ---------------------------------------------------------------------


async def create_rfq(services: Services, request: Request) -> CreateRFQResponse:
    body = request.read(CREATE_RFQ)
    if not 0 < len(body.market_ticker) <= TICKER_LENGTH_LIMIT:
        raise ApiError(404, rejections.MARKET_NOT_FOUND, "market not found")
    # Clients that cannot leave a number out send 0 for the size that they do not mean.
    quantity = quantity_of("contracts", body.contracts, body.contracts_fp) or 0
    target_cost = _target_cost(body)
    if quantity < 0:
        raise invalid("contracts must be positive", rejections.INVALID_ORDER_SIZE)
    if (quantity > 0) == (target_cost > 0):
        raise invalid("exactly one of contracts and target cost is required")
    applied = await _submit(
        services,
        CreateRfq(
            request.member_id,
            _account(services, request, body.subaccount, body.subtrader_id),
            body.market_ticker,
            quantity,
            target_cost,
            body.rest_remainder,
            body.replace_existing is True,
        ),
    )
    return CreateRFQResponse(format_id("rfq", applied.sequence))


async def delete_rfq(services: Services, request: Request) -> None:
    rfq_id = _rfq_id(request)
    live = services.state.rfqs.get(rfq_id)
    if live is not None and not request.may_see(live.account.number):
        raise not_found("request for quotes")
    await services.submit(DeleteRfq(request.member_id, rfq_id))


async def get_rfq(services: Services, request: Request) -> GetRFQResponse:
    rfq_id = _rfq_id(request)
    live = services.state.rfqs.get(rfq_id)
    row: RfqRow | None
    if live is not None:
        row = _live_rfq(live)
    else:
        await services.catch_up()
        row = await services.queries.rfq(rfq_id, _kept_since_ns(services))
    if row is None:
        raise not_found("request for quotes")
    return GetRFQResponse(_rfq(row, request, services.state))


async def get_rfqs(services: Services, request: Request) -> GetRFQsResponse:
    """Everybody's requests, newest first. A subaccount can only be one of the caller's own.

    A key for one subaccount sees everybody's, too, unless it asks for its own.
    """
    creator = request.value(CREATOR_USER_ID)
    if creator and not _is_caller(request, creator):
        # To answer would tell whose requests these are.
        return GetRFQsResponse([], "")
    subaccount = request.value(SUBACCOUNT)
    named = any(request.query.get(SUBACCOUNT.name, ()))
    own = bool(creator) or request.value(USER_FILTER) == SELF or named
    event_tickers = request.value(EVENT_TICKERS)
    page = request.value(RFQS_LIMIT)
    position = services.position(request, tuple[int])
    await services.catch_up()
    rows = await services.queries.rfqs(
        limit=page + 1,
        before_id=0 if position is None else position[0],
        member_id=request.member_id if own else 0,
        subaccount=subaccount if own else None,
        market_ticker=request.value(MARKET_TICKER),
        event_tickers=event_tickers,
        status=request.value(RFQ_STATUS),
        kept_since_ns=_kept_since_ns(services),
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].rfq_id,))
    state = services.state
    return GetRFQsResponse([_rfq(row, request, state) for row in rows], cursor)


# --- quotes ----------------------------------------------------------------------------------


async def create_quote(services: Services, request: Request) -> CreateQuoteResponse:
    body = request.read(CREATE_QUOTE)
    rfq_id = parse_id("rfq", body.rfq_id)
    if rfq_id is None:
        raise not_found("request for quotes")
    yes_bid, no_bid = _bids(body)
    applied = await _submit(
        services,
        CreateQuote(
            request.member_id,
            _account(services, request, body.subaccount, body.subtrader_id),
            rfq_id,
            yes_bid,
            no_bid,
            body.rest_remainder,
            body.post_only is True,
        ),
    )
    return CreateQuoteResponse(format_id("quote", applied.sequence))


async def delete_quote(services: Services, request: Request) -> None:
    quote_id = await _quote_id(services, request)
    _check_key(services, request, quote_id)
    try:
        await services.submit(DeleteQuote(request.member_id, quote_id))
    except ApiError as error:
        if error.code != rejections.NOT_FOUND:
            raise
        # In the words for a quote that never was: nobody learns that somebody else's exists.
        raise not_found("quote") from None


async def accept_quote(services: Services, request: Request) -> None:
    side = request.read(ACCEPT_QUOTE).accepted_side
    side = "yes" if side in ("yes", "true", True) else "no"
    quote_id = await _quote_id(services, request)
    await _decide(services, request, AcceptQuote(request.member_id, quote_id, side), quote_id)


async def confirm_quote(services: Services, request: Request) -> None:
    request.read(EMPTY)
    quote_id = await _quote_id(services, request)
    command = ConfirmQuote(request.member_id, quote_id, maker_client_order_id(quote_id))
    await _decide(services, request, command, quote_id)


async def get_quote(services: Services, request: Request) -> GetQuoteResponse:
    """One quote, for its two parties only."""
    quote_id = await _quote_id(services, request)
    row = await _find_quote(services, quote_id)
    if row is None or not (_made(row, request) or _received(row, request)):
        raise not_found("quote")
    return GetQuoteResponse(_quote(row, request))


async def get_quotes(services: Services, request: Request) -> GetQuotesResponse:
    """Quotes to which the caller is party, newest first.

    They are found in two ways, as maker and as requester, and joined; a clearing member may be
    both for two of its customers.
    """
    member_id = request.member_id
    maker, requester = _sides(request)
    rfq_subaccount = request.value(SUBACCOUNT)
    subtrader = request.value(RFQ_CREATOR_SUBTRADER_ID)
    if subtrader:
        maker, rfq_subaccount = False, subtrader_account(services, request, subtrader)
        request.check_subaccount(rfq_subaccount)
    rfq_id = 0
    if request.value(RFQ_ID):
        rfq_id = parse_id("rfq", request.value(RFQ_ID)) or -1
    page = request.value(QUOTES_LIMIT)
    min_ns, max_ns = time_range(request)
    position = services.position(request, tuple[int])
    filters: dict[str, Any] = {
        "limit": page + 1,
        "before_id": 0 if position is None else position[0],
        "rfq_id": rfq_id,
        "market_ticker": request.value(MARKET_TICKER),
        "event_tickers": request.value(EVENT_TICKERS),
        "status": request.value(QUOTE_STATUS),
        "min_updated_ns": min_ns,
        "max_updated_ns": max_ns,
        "kept_since_ns": _kept_since_ns(services),
    }
    await services.catch_up()
    queries = services.queries
    found: dict[int, QuoteRow] = {}
    if maker:
        subaccount = request.value(SUBACCOUNT)
        for row in await queries.quotes(member_id=member_id, subaccount=subaccount, **filters):
            found[row.quote_id] = row
    if requester:
        for row in await queries.quotes(
            rfq_member_id=member_id, rfq_subaccount=rfq_subaccount, **filters
        ):
            found[row.quote_id] = row
    newest_first = sorted(found, reverse=True)
    cursor = ""
    if len(newest_first) > page:
        del newest_first[page:]
        cursor = services.next_cursor(request, (newest_first[-1],))
    rows = [_quote(found[quote_id], request) for quote_id in newest_first]
    return GetQuotesResponse(rows, cursor)


def _sides(request: Request) -> tuple[bool, bool]:
    """Whether quotes are wanted that the caller made, and quotes that the caller was made.

    Users are hidden from each other, so a filter for somebody else finds nothing.
    """
    maker = requester = True
    quote_creator = request.value(QUOTE_CREATOR_USER_ID)
    rfq_creator = request.value(RFQ_CREATOR_USER_ID)
    if quote_creator or request.value(USER_FILTER):
        requester = False
    if rfq_creator or request.value(RFQ_USER_FILTER):
        maker = False
    if quote_creator and not _is_caller(request, quote_creator):
        maker = False
    if rfq_creator and not _is_caller(request, rfq_creator):
        requester = False
    return maker, requester


# --- from requests to commands ---------------------------------------------------------------


async def _submit(services: Services, command: Command) -> Applied:
    """``Services.submit`` with the name that lack of money has here."""
    try:
        return await services.submit(command)
    except ApiError as error:
        if error.code != rejections.AVAILABLE_BALANCE_TOO_LOW:
            raise
        raise ApiError(error.status, INSUFFICIENT_BALANCE, error.message, error.details) from None


async def _decide(services: Services, request: Request, command: Command, quote_id: int) -> None:
    """Accept or confirm. The core forgets quotes that have ended; their parties are told so."""
    accepts = isinstance(command, AcceptQuote)
    _check_key(services, request, quote_id, accepts=accepts)
    try:
        await _submit(services, command)
    except ApiError as error:
        if error.code != rejections.NOT_FOUND:
            raise
        row = await _find_quote(services, quote_id)
        if row is not None and (_received if accepts else _made)(row, request):
            raise refusal(rejections.INVALID_STATE, row.status) from None
        raise not_found("quote") from None


def _check_key(
    services: Services, request: Request, quote_id: int, *, accepts: bool = False
) -> None:
    """A key for one subaccount does nothing for the others; the core knows only members."""
    live = services.state.quotes.get(quote_id)
    if live is not None:
        account = live.rfq.account if accepts else live.account
        if not request.may_see(account.number):
            raise not_found("quote")


async def _find_quote(services: Services, quote_id: int) -> QuoteRow | None:
    live = services.state.quotes.get(quote_id)
    if live is not None:
        return _live_quote(live)
    await services.catch_up()
    return await services.queries.quote(quote_id, _kept_since_ns(services))


def _rfq_id(request: Request) -> int:
    rfq_id = parse_id("rfq", request.path_values[0])
    if rfq_id is None:
        raise not_found("request for quotes")
    return rfq_id


async def _quote_id(services: Services, request: Request) -> int:
    """The quote that the path names; where it names a request as well, they belong together."""
    quote_id = parse_id("quote", request.path_values[-1])
    if quote_id is None:
        raise not_found("quote")
    if len(request.path_values) > 1:
        rfq_id = _rfq_id(request)
        row = await _find_quote(services, quote_id)
        if row is None or row.rfq_id != rfq_id:
            raise not_found("quote")
    return quote_id


def _account(
    services: Services, request: Request, subaccount: int | None, subtrader: str | None
) -> int:
    """The account a request or quote is for: numbered, or that of a clearing member's customer."""
    if subaccount is None:
        subaccount = request.value(SUBACCOUNT)
    return chosen_account(services, request, subaccount, subtrader)


def _target_cost(body: CreateRFQRequest) -> int:
    """Micro-dollars, 0 for none. Both forms have to agree."""
    found = (body.target_cost_centi_cents or 0) * MICROS_PER_CENTICENT
    if body.target_cost_dollars is not None:
        try:
            exact = parse_dollars(body.target_cost_dollars)
        except ValueError as error:
            raise invalid(f"target_cost_dollars: {error}") from None
        if body.target_cost_centi_cents is not None and exact != found:
            raise invalid("target_cost_centi_cents and target_cost_dollars differ")
        found = exact
    if not 0 <= found <= LARGEST_TARGET_COST:
        raise invalid("the target cost must be positive and is limited to 10 billion dollars")
    return found


def _bids(body: CreateQuoteRequest) -> tuple[int, int]:
    return _bid("yes_bid", body.yes_bid), _bid("no_bid", body.no_bid)


def _bid(name: str, given: str | int) -> int:
    """A price of the bid's own side. 1 could be a cent or a dollar, so it is neither."""
    if isinstance(given, int):
        if given != 0 and not 1 < given < 100:
            raise invalid(f"{name} must be a dollar string, 0, or cents from 2 to 99")
        return given * PRICES_PER_CENT
    try:
        price = parse_price(given)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None
    if not 0 <= price < PRICE_ONE:
        raise invalid(f"{name} must be at least 0 and below 1")
    return price


# --- rows ------------------------------------------------------------------------------------


def _live_rfq(rfq: LiveRfq) -> RfqRow:
    """An open request as history has it, or soon will."""
    market = rfq.market
    return RfqRow(
        rfq.id,
        rfq.account.member.id,
        rfq.account.number,
        market.ticker,
        market.event.ticker,
        rfq.quantity,
        rfq.target_cost,
        rfq.rest_remainder,
        OPEN,
        "",
        rfq.created_ns,
        rfq.created_ns,
    )


def _live_quote(quote: LiveQuote) -> QuoteRow:
    """A quote that is not over as history has it, or soon will."""
    rfq = quote.rfq
    return QuoteRow(
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
        "",
        quote.accepted_side,
        quote.accepted_quantity,
        quote.created_ns,
        quote.confirmed_ns or quote.accepted_ns or quote.created_ns,
        quote.accepted_ns,
        quote.confirmed_ns,
        quote.executed_ns,
        quote.maker_order_id,
        quote.rfq_order_id,
    )


def _kept_since_ns(services: Services) -> int:
    return max(1, services.gate.now_ns() - KEPT_NS)


def _is_caller(request: Request, user: str) -> bool:
    """Whether ``user`` is the caller, by user id or by pseudonym."""
    own = request.member_id
    return own in (parse_id("member", user), parse_id("communications", user))


def _made(row: QuoteRow, request: Request) -> bool:
    """Whether the quote is the caller's own."""
    return row.member_id == request.member_id and request.may_see(row.subaccount)


def _received(row: QuoteRow, request: Request) -> bool:
    """Whether the quote answers a request of the caller's."""
    return row.rfq_member_id == request.member_id and request.may_see(row.rfq_subaccount)


def _rfq(row: RfqRow, request: Request, state: Exchange) -> RFQ:
    own = row.member_id == request.member_id and request.may_see(row.subaccount)
    is_open = row.status == OPEN
    rfq = RFQ(
        id=format_id("rfq", row.rfq_id),
        creator_id="" if is_open else communications_id(row.member_id),
        market_ticker=row.market_ticker,
        contracts=count_floor(row.quantity),
        contracts_fp=count_fp(row.quantity),
        status=row.status,
        created_ts=rfc3339(row.created_ns),
        updated_ts=rfc3339(row.updated_ns),
        rest_remainder=row.rest_remainder,
    )
    if row.target_cost:
        rfq.target_cost_centi_cents = centicents(row.target_cost)
        rfq.target_cost_dollars = dollars(row.target_cost)
    if not is_open:
        rfq.cancellation_reason = cancellation_reason(row.reason)
        if row.reason != EXECUTED:
            rfq.cancelled_ts = rfc3339(row.updated_ns)
    if own:
        rfq.creator_user_id = format_id("member", row.member_id)
        rfq.creator_subaccount = _shown(row.subaccount)
    market = state.markets.get(row.market_ticker)
    if market is not None and market.collection_ticker:
        rfq.mve_collection_ticker = market.collection_ticker
        rfq.mve_selected_legs = [MveSelectedLeg(*leg) for leg in market.legs]
    return rfq


def _quote(row: QuoteRow, request: Request) -> Quote:
    profile = request.profile
    executed = row.status == EXECUTED
    quantity = row.rfq_quantity or row.accepted_quantity
    quote = Quote(
        id=format_id("quote", row.quote_id),
        rfq_id=format_id("rfq", row.rfq_id),
        creator_id=communications_id(row.member_id),
        rfq_creator_id=communications_id(row.rfq_member_id) if executed else "",
        market_ticker=row.market_ticker,
        contracts=count_floor(quantity),
        contracts_fp=count_fp(quantity),
        yes_contracts_fp=count_fp(row.yes_quantity),
        no_contracts_fp=count_fp(row.no_quantity),
        yes_bid=price_cents(row.yes_bid),
        no_bid=price_cents(row.no_bid),
        yes_bid_dollars=price_dollars(row.yes_bid),
        no_bid_dollars=price_dollars(row.no_bid),
        created_ts=rfc3339(row.created_ns),
        updated_ts=rfc3339(row.updated_ns),
        status=row.status,
        rest_remainder=row.rest_remainder,
        post_only=row.post_only,
        accepted_side=accepted_side(row.accepted_side, profile) if row.accepted_side else UNSET,
        accepted_ts=rfc3339(row.accepted_ns) if row.accepted_ns else UNSET,
        confirmed_ts=rfc3339(row.confirmed_ns) if row.confirmed_ns else UNSET,
        executed_ts=rfc3339(row.executed_ns) if executed else UNSET,
    )
    if row.status == CANCELLED:
        quote.cancelled_ts = rfc3339(row.updated_ns)
        quote.cancellation_reason = cancellation_reason(row.reason)
    if row.rfq_target_cost:
        quote.rfq_target_cost_centi_cents = centicents(row.rfq_target_cost)
        quote.rfq_target_cost_dollars = dollars(row.rfq_target_cost)
    if _made(row, request):
        quote.creator_user_id = format_id("member", row.member_id)
        quote.creator_subaccount = _shown(row.subaccount)
        if executed:
            quote.creator_order_id = format_id("order", row.maker_order_id)
    if _received(row, request):
        quote.rfq_creator_user_id = format_id("member", row.rfq_member_id)
        quote.rfq_creator_subaccount = _shown(row.rfq_subaccount)
        if executed:
            quote.rfq_creator_order_id = format_id("order", row.rfq_order_id)
    return quote


def _shown(subaccount: int) -> int | UnsetType:
    """The account of a clearing member's customer does not go by a number."""
    return subaccount if subaccount < FIRST_SUBTRADER else UNSET
