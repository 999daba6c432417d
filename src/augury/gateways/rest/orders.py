"""Order operations (rest.md, section 4)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from augury.codec.ids import format_id, parse_id
from augury.codec.text import count_fp
from augury.core import queries, rejections
from augury.core.applied import Applied
from augury.core.commands import CancelOrder, Command, PlaceOrder
from augury.core.events import OrderAmended, OrderUpdated
from augury.core.state import EXECUTED, RESTING
from augury.core.state import Order as LiveOrder
from augury.core.units import BID, QUANTITY_ONE
from augury.gateways.profiles import LATEST
from augury.gateways.rate_limits import REQUEST, WRITE_BUCKET
from augury.gateways.rest import archive, order_entry
from augury.gateways.rest.answers import (
    AmendOrderResponse,
    BatchCancelOrdersIndividualResponse,
    BatchCancelOrdersResponse,
    BatchCreateOrdersIndividualResponse,
    BatchCreateOrdersResponse,
    CancelOrderResponse,
    GetOrderQueuePositionResponse,
    GetOrderQueuePositionsResponse,
    GetOrdersResponse,
    Order,
    OrderQueuePosition,
    OrderResponse,
)
from augury.gateways.rest.bodies import (
    AMEND_ORDER,
    BATCH_CANCEL_ORDERS,
    BATCH_CREATE_ORDERS,
    CREATE_ORDER,
    DECREASE_ORDER,
    QUEUE_POSITIONS,
    BatchCancelOrdersRequest,
    CreateOrderRequest,
)
from augury.gateways.rest.errors import ApiError, from_rejection, invalid, not_found, refusal
from augury.gateways.rest.markets import time_range
from augury.gateways.rest.order_cache import Question
from augury.gateways.rest.order_rows import live_order_row, order_row
from augury.gateways.rest.parameters import (
    CURSOR,
    EVENT_TICKERS,
    LATEST_NS,
    MAX_TS,
    MIN_TS,
    SUBACCOUNT,
    TICKER,
    Parameter,
    choice,
    limit,
    texts,
)
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.subtraders import chosen_account

LARGEST_BATCH: Final = 20
BATCHED_CANCEL_COST: Final = REQUEST // 5

ORDERS_LIMIT: Final = limit(1000)
ORDER_STATUS: Final = choice(
    "status", ("resting", "canceled", "executed"), "Only orders of this status."
)
MARKET_TICKERS: Final = texts("market_tickers", "Only orders in these markets.")

ORDERS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    EVENT_TICKERS,
    MIN_TS,
    MAX_TS,
    ORDER_STATUS,
    ORDERS_LIMIT,
    CURSOR,
    SUBACCOUNT,
)
QUEUE_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (MARKET_TICKERS, EVENT_TICKERS, SUBACCOUNT)

ANY_SUBACCOUNT: Final = -1


# --- one order -------------------------------------------------------------------------------


async def create_order(services: Services, request: Request) -> OrderResponse:
    command = _place(services, request, request.read(CREATE_ORDER))
    applied = await services.submit(command)
    return OrderResponse(_order_after(applied, applied.sequence))


def _place(services: Services, request: Request, body: CreateOrderRequest) -> PlaceOrder:
    """The order that ``body`` describes, on the account that body or query name."""
    subaccount = request.value(SUBACCOUNT) if body.subaccount is None else body.subaccount
    account = chosen_account(services, request, subaccount, body.subtrader_id)
    return order_entry.place_order(body, request.member_id, account, services.state)


async def get_order(services: Services, request: Request) -> OrderResponse:
    order_id = order_id_of(request)
    order = services.state.orders.get(order_id)
    if order is not None and is_own(request, order):
        return OrderResponse(live_order_row(order))
    await services.catch_up()
    row = await services.queries.order(order_id)
    if row is None or row.member_id != request.member_id or not request.may_see(row.subaccount):
        raise not_found("order")
    return OrderResponse(order_row(row))


async def cancel_order(services: Services, request: Request) -> CancelOrderResponse:
    order_id = order_id_of(request)
    command = CancelOrder(request.member_id, order_id, _subaccount(services, request))
    applied = await submit_change(services, request, command, order_id, changing=False)
    update = update_after(applied, order_id)
    reduced = update.reduced_quantity
    return CancelOrderResponse(order_row(update), reduced // QUANTITY_ONE, count_fp(reduced))


async def amend_order(services: Services, request: Request) -> AmendOrderResponse:
    """Both the order as it was when the amend took effect, and as it is now."""
    order_id = order_id_of(request)
    command = order_entry.amend_order(
        request.read(AMEND_ORDER), request.member_id, order_id, _subaccount(services, request)
    )
    applied = await submit_change(services, request, command, order_id, changing=True)
    before = next(
        event.before
        for event in applied.events[applied.own_from :]
        if isinstance(event, OrderAmended) and event.order_id == order_id
    )
    return AmendOrderResponse(order_row(before), _order_after(applied, order_id))


async def decrease_order(services: Services, request: Request) -> OrderResponse:
    order_id = order_id_of(request)
    command = order_entry.decrease_order(
        request.read(DECREASE_ORDER), request.member_id, order_id, _subaccount(services, request)
    )
    applied = await submit_change(services, request, command, order_id, changing=True)
    return OrderResponse(_order_after(applied, order_id))


def is_own(request: Request, order: LiveOrder) -> bool:
    """Whether the order exists for the caller's key."""
    account = order.account
    return account.member.id == request.member_id and request.may_see(account.number)


def order_id_of(request: Request) -> int:
    order_id = parse_id("order", request.path_values[0])
    if order_id is None:
        raise not_found("order")
    return order_id


def _subaccount(services: Services, request: Request) -> int:
    """Whose order it must be. Clients that know no such parameter name the order alone."""
    chosen = request.value(SUBACCOUNT)
    if chosen is None:
        # Customers of clearing members have no number that could be given.
        if request.profile == LATEST and not services.member(request).subtraders:
            return 0
        return ANY_SUBACCOUNT
    return chosen


def update_after(applied: Applied, order_id: int) -> OrderUpdated:
    """The last thing that the command did to the order."""
    found: OrderUpdated | None = None
    for event in applied.events[applied.own_from :]:
        if isinstance(event, OrderUpdated) and event.order_id == order_id:
            found = event
    assert found is not None
    return found


def _order_after(applied: Applied, order_id: int) -> Order:
    return order_row(update_after(applied, order_id))


async def submit_change(
    services: Services, request: Request, command: Command, order_id: int, *, changing: bool
) -> Applied:
    """Submit a command about one order, and say precisely why an order is not there any more.

    The core only knows open orders. An order that the market's close took away is answered
    with ``market_inactive``, a change of a filled one with ``cannot_update_filled_order``.
    """
    try:
        return await services.submit(command)
    except ApiError as error:
        if error.code != rejections.NOT_FOUND:
            raise
        await services.catch_up()
        row = await services.queries.order(order_id)
        if row is not None and row.member_id == request.member_id:
            if row.reason == "market_closed":
                raise refusal(rejections.MARKET_INACTIVE) from None
            if changing and row.status == EXECUTED:
                raise refusal(rejections.CANNOT_UPDATE_FILLED_ORDER) from None
        raise not_found("order") from None


# --- batches ---------------------------------------------------------------------------------


async def batch_create_orders(services: Services, request: Request) -> BatchCreateOrdersResponse:
    """Each item for itself, in the order of the array; the answer is 201 even when all fail."""
    items = request.read(BATCH_CREATE_ORDERS).orders
    _check_batch(len(items))
    services.charge(request, WRITE_BUCKET, len(items) * REQUEST)
    rows: list[BatchCreateOrdersIndividualResponse] = []
    commands: list[Command] = []
    places: list[int] = []
    for item in items:
        row = BatchCreateOrdersIndividualResponse()
        rows.append(row)
        try:
            body = request.read_part(CREATE_ORDER, item)
            if body.client_order_id:
                row.client_order_id = body.client_order_id
            commands.append(_place(services, request, body))
        except ApiError as error:
            row.error = error.body(request.profile)
        else:
            places.append(len(rows) - 1)
    for place, applied in zip(places, await submit_all(services, commands), strict=True):
        rejection = applied.rejection
        if rejection is None:
            rows[place].order = _order_after(applied, applied.sequence)
        else:
            rows[place].error = from_rejection(rejection).body(request.profile)
    return BatchCreateOrdersResponse(rows)


async def batch_cancel_orders(services: Services, request: Request) -> BatchCancelOrdersResponse:
    """Each item for itself. A cancel in a batch costs a fifth of one on its own."""
    items = _items_to_cancel(request, request.read(BATCH_CANCEL_ORDERS))
    _check_batch(len(items))
    services.charge(request, WRITE_BUCKET, len(items) * BATCHED_CANCEL_COST)
    rows: list[BatchCancelOrdersIndividualResponse] = []
    commands: list[Command] = []
    places: list[tuple[int, int]] = []
    for text, subaccount in items:
        order_id = parse_id("order", text)
        rows.append(BatchCancelOrdersIndividualResponse(text, 0, "0.00"))
        if order_id is None:
            rows[-1].error = not_found("order").body(request.profile)
        else:
            commands.append(CancelOrder(request.member_id, order_id, subaccount))
            places.append((len(rows) - 1, order_id))
    applied_all = await submit_all(services, commands)
    for (place, order_id), applied in zip(places, applied_all, strict=True):
        row = rows[place]
        rejection = applied.rejection
        if rejection is None:
            update = update_after(applied, order_id)
            row.order = order_row(update)
            row.reduced_by = update.reduced_quantity // QUANTITY_ONE
            row.reduced_by_fp = count_fp(update.reduced_quantity)
        else:
            row.error = from_rejection(rejection).body(request.profile)
    return BatchCancelOrdersResponse(rows)


async def submit_all(services: Services, commands: list[Command]) -> list[Applied]:
    return await services.gate.submit_all(commands) if commands else []


def _items_to_cancel(request: Request, body: BatchCancelOrdersRequest) -> list[tuple[str, int]]:
    """(order id, subaccount); ids alone mean orders of the primary subaccount."""
    usual = max(0, request.only_subaccount)
    items = [(text, usual) for text in [*(body.ids or ()), *(body.order_ids or ())]]
    for item in body.orders or ():
        request.check_subaccount(item.subaccount)
        items.append((item.order_id, usual if item.subaccount is None else item.subaccount))
    return items


def _check_batch(size: int) -> None:
    if not 1 <= size <= LARGEST_BATCH:
        raise invalid(f"a batch has 1 to {LARGEST_BATCH} orders")


# --- lists -----------------------------------------------------------------------------------


async def get_orders(services: Services, request: Request) -> bytes:
    """One's own orders, of one subaccount or of all."""
    return await list_orders(services, request, _listed_subaccount)


def _listed_subaccount(_: Services, request: Request) -> int | None:
    return request.value(SUBACCOUNT)


async def list_orders(
    services: Services, request: Request, account_of: Callable[[Services, Request], int | None]
) -> bytes:
    """A page of the member's orders as bytes, found anew unless it is kept.

    ``account_of`` reads from the request whose orders are wanted. A page is kept until an order
    of the member changes. One that history may be missing something in is not kept.
    """
    cache = services.order_cache
    pages = cache.pages(request.member_id)
    question = Question(
        request.operation_id,
        request.query_string,
        request.only_subaccount,
        archive.cutoff(services.state).orders_updated_ns,
    )
    page = pages.get(question)
    if page is None:
        answer, complete = await _find_orders(
            services, request, account_of(services, request), question.archived_ns
        )
        page = cache.encode(answer)
        if complete:
            cache.keep(request.member_id, pages, question, page)
    return page


async def _find_orders(
    services: Services, request: Request, subaccount: int | None, archived_ns: int
) -> tuple[GetOrdersResponse, bool]:
    """Open orders from memory and finished ones from history, newest first.

    The open ones are read first, at once: an order that finishes in between then appears in both,
    and counts once, rather than in neither. Also returns whether history had all that it should.
    """
    page = request.value(ORDERS_LIMIT)
    ticker = request.value(TICKER)
    event_tickers = request.value(EVENT_TICKERS)
    status = request.value(ORDER_STATUS)
    min_ns, max_ns = time_range(request)
    position = services.position(request, tuple[int])
    before_id = LATEST_NS if position is None else position[0]
    found: dict[int, Order] = {}
    after_id = 0
    if status in {"", RESTING}:
        every = not (ticker or event_tickers or min_ns or max_ns) and subaccount is None
        for order in queries.open_orders(services.state, services.member(request), before_id):
            if every or (
                (not ticker or order.market.ticker == ticker)
                and (not event_tickers or order.market.event.ticker in event_tickers)
                and (subaccount is None or order.account.number == subaccount)
                and order.created_ns >= min_ns
                and (not max_ns or order.created_ns < max_ns)
            ):
                found[order.id] = services.order_cache.row(order)
                if len(found) > page:
                    # What has finished and is older than these belongs to later pages.
                    after_id = order.id
                    break
    complete = True
    if status != RESTING:
        complete = await services.catch_up()
        for row in await services.queries.orders(
            request.member_id,
            limit=page + 1,
            before_id=0 if position is None else position[0],
            after_id=after_id,
            subaccount=subaccount,
            market_tickers=(ticker,) if ticker else (),
            event_tickers=event_tickers,
            status=status,
            min_created_ns=min_ns,
            max_created_ns=max_ns,
            min_updated_ns=archived_ns,
        ):
            found[row.order_id] = order_row(row)
    newest_first = sorted(found, reverse=True)
    cursor = ""
    if len(newest_first) > page:
        del newest_first[page:]
        cursor = services.next_cursor(request, (newest_first[-1],))
    return GetOrdersResponse([found[order_id] for order_id in newest_first], cursor), complete


# --- queue positions -------------------------------------------------------------------------


async def get_queue_position(services: Services, request: Request) -> GetOrderQueuePositionResponse:
    order = services.state.orders.get(order_id_of(request))
    if order is None or not is_own(request, order):
        raise not_found("order")
    ahead = queries.queue_position(order)
    return GetOrderQueuePositionResponse(ahead // QUANTITY_ONE, count_fp(ahead))


async def get_queue_positions(
    services: Services, request: Request
) -> GetOrderQueuePositionsResponse:
    """Of all resting orders in the named markets or events, newest first."""
    market_tickers = request.value(MARKET_TICKERS)
    event_tickers = request.value(EVENT_TICKERS)
    if not market_tickers and not event_tickers:
        raise invalid("market_tickers or event_ticker is required")
    subaccount = request.value(SUBACCOUNT)
    orders = [
        order
        for order in queries.open_orders(services.state, services.member(request))
        if (order.market.ticker in market_tickers or order.market.event.ticker in event_tickers)
        and (subaccount is None or order.account.number == subaccount)
    ]
    return GetOrderQueuePositionsResponse(_queue_rows(orders))


async def post_queue_positions(
    services: Services, request: Request
) -> GetOrderQueuePositionsResponse:
    """The early form, which names orders; those that do not rest are left out."""
    state = services.state
    orders = []
    for text in dict.fromkeys(request.read(QUEUE_POSITIONS).order_ids):
        order = state.orders.get(parse_id("order", text) or 0)
        if order is not None and is_own(request, order):
            orders.append(order)
    return GetOrderQueuePositionsResponse(_queue_rows(orders))


def _queue_rows(orders: Iterable[LiveOrder]) -> list[OrderQueuePosition]:
    """Positions of many orders with one walk over each book side, not one per order."""
    wanted: dict[tuple[str, int], dict[int, LiveOrder]] = {}
    for order in orders:
        wanted.setdefault((order.market.ticker, order.direction), {})[order.id] = order
    rows: list[OrderQueuePosition] = []
    for by_id in wanted.values():
        for order, ahead in _walk(by_id):
            rows.append(
                OrderQueuePosition(
                    format_id("order", order.id),
                    order.market.ticker,
                    ahead // QUANTITY_ONE,
                    count_fp(ahead),
                )
            )
    return rows


def _walk(wanted: dict[int, LiveOrder]) -> Iterator[tuple[LiveOrder, int]]:
    """Each of the orders, which share one side of one book, with the quantity ahead of it."""
    side = queries.book_side(next(iter(wanted.values())))
    own_prices = {order.price for order in wanted.values()}
    ahead = 0
    for price in reversed(side.prices) if side.direction == BID else side.prices:
        level = side.levels[price]
        if price not in own_prices:
            ahead += level.quantity
            continue
        order = level.head
        while order is not None:
            if order.id in wanted:
                yield order, ahead
            ahead += order.remaining
            order = order.next
