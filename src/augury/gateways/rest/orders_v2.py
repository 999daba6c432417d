"""Order operations in their later form (compat.md, section 5): one book per market.

Everything is said from the YES side: a bid buys YES, an ask sells it, prices are YES prices in
dollars, counts are decimal strings. Answers hold what the request changed, not the whole order.
The orders are the same as those of ``orders``, and either family works on the other's.
"""

from typing import Final, TypeVar

from msgspec import UNSET

from augury.codec.ids import format_id, parse_id
from augury.codec.text import count_fp, dollars, milliseconds
from augury.core import rejections
from augury.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder
from augury.core.events import OrderAmended, OrderUpdated
from augury.core.units import BID, MICROS_PER_DOLLAR, QUANTITY_ONE
from augury.gateways.rate_limits import REQUEST, WRITE_BUCKET
from augury.gateways.rest import order_entry
from augury.gateways.rest.bodies import (
    AMEND_ORDER_V2,
    BATCH_CANCEL_ORDERS_V2,
    BATCH_CREATE_ORDERS,
    CREATE_ORDER_V2,
    DECREASE_ORDER_V2,
    CreateOrderV2Request,
)
from augury.gateways.rest.errors import ApiError, from_rejection, invalid, not_found, refusal
from augury.gateways.rest.orders import (
    ANY_SUBACCOUNT,
    BATCHED_CANCEL_COST,
    LARGEST_BATCH,
    order_id_of,
    submit_all,
    submit_change,
    update_after,
)
from augury.gateways.rest.orders_v2_answers import (
    AmendOrderV2Response,
    BatchCancelOrdersV2Individual,
    BatchCancelOrdersV2Response,
    BatchCreateOrdersV2Individual,
    BatchCreateOrdersV2Response,
    CancelOrderV2Response,
    CreateOrderV2Response,
    DecreaseOrderV2Response,
)
from augury.gateways.rest.parameters import SUBACCOUNT
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.subtraders import chosen_account

ACTIONS: Final = {"bid": "buy", "ask": "sell"}

Executed = TypeVar(
    "Executed", CreateOrderV2Response, AmendOrderV2Response, BatchCreateOrdersV2Individual
)


async def create_order(services: Services, request: Request) -> CreateOrderV2Response:
    command = _place(services, request, request.read(CREATE_ORDER_V2))
    applied = await services.submit(command)
    update = update_after(applied, applied.sequence)
    answer = CreateOrderV2Response(
        format_id("order", update.order_id),
        count_fp(update.filled_quantity),
        count_fp(update.remaining_quantity),
        milliseconds(applied.time_ns),
        client_order_id=update.client_order_id or UNSET,
    )
    return _with_averages(answer, update, None)


async def cancel_order(services: Services, request: Request) -> CancelOrderV2Response:
    order_id = order_id_of(request)
    command = CancelOrder(request.member_id, order_id, _subaccount(services, request))
    applied = await submit_change(services, request, command, order_id, changing=False)
    update = update_after(applied, order_id)
    return CancelOrderV2Response(
        format_id("order", order_id),
        count_fp(update.reduced_quantity),
        milliseconds(applied.time_ns),
        client_order_id=update.client_order_id or UNSET,
    )


async def amend_order(services: Services, request: Request) -> AmendOrderV2Response:
    """The counts are there when the amend traded or changed the resting size."""
    order_id = order_id_of(request)
    body = request.read(AMEND_ORDER_V2)
    # A bid may have been entered as a sale of NO; the order keeps the words it came with.
    order = services.state.orders.get(order_id)
    if order is not None and (order.direction == BID) != (body.side == "bid"):
        if order.account.member.id == request.member_id:
            raise refusal(rejections.ORDER_SIDE_MISMATCH)
    command = AmendOrder(
        request.member_id,
        order_id,
        order_entry.checked_ticker(body.ticker),
        "",
        "",
        order_entry.price_of("price", body.price),
        order_entry.positive_quantity(body.count),
        order_entry.client_order_id(body.client_order_id),
        order_entry.client_order_id(body.updated_client_order_id),
        _subaccount(services, request),
    )
    applied = await submit_change(services, request, command, order_id, changing=True)
    update = update_after(applied, order_id)
    before = next(
        event.before
        for event in applied.events[applied.own_from :]
        if isinstance(event, OrderAmended) and event.order_id == order_id
    )
    answer = AmendOrderV2Response(
        format_id("order", order_id),
        milliseconds(applied.time_ns),
        client_order_id=update.client_order_id or UNSET,
    )
    filled = update.filled_quantity - before.filled_quantity
    if filled or update.remaining_quantity != before.remaining_quantity:
        answer.fill_count = count_fp(filled)
        answer.remaining_count = count_fp(update.remaining_quantity)
    return _with_averages(answer, update, before)


async def decrease_order(services: Services, request: Request) -> DecreaseOrderV2Response:
    order_id = order_id_of(request)
    command = order_entry.decrease_order_v2(
        request.read(DECREASE_ORDER_V2),
        request.member_id,
        order_id,
        _subaccount(services, request),
    )
    applied = await submit_change(services, request, command, order_id, changing=True)
    update = update_after(applied, order_id)
    return DecreaseOrderV2Response(
        format_id("order", order_id),
        count_fp(update.remaining_quantity),
        milliseconds(applied.time_ns),
        client_order_id=update.client_order_id or UNSET,
    )


async def batch_create_orders(services: Services, request: Request) -> BatchCreateOrdersV2Response:
    """Each item for itself, in the order of the array; the answer is 201 even when all fail."""
    items = request.read(BATCH_CREATE_ORDERS).orders
    _check_batch(services, request, len(items), REQUEST)
    services.charge(request, WRITE_BUCKET, len(items) * REQUEST)
    rows: list[BatchCreateOrdersV2Individual] = []
    commands: list[Command] = []
    places: list[int] = []
    for item in items:
        row = BatchCreateOrdersV2Individual()
        rows.append(row)
        try:
            body = request.read_part(CREATE_ORDER_V2, item)
            if body.client_order_id:
                row.client_order_id = body.client_order_id
            commands.append(_place(services, request, body))
        except ApiError as error:
            row.error = error.body(request.profile)
        else:
            places.append(len(rows) - 1)
    for place, applied in zip(places, await submit_all(services, commands), strict=True):
        row = rows[place]
        if applied.rejection is not None:
            row.error = from_rejection(applied.rejection).body(request.profile)
            continue
        update = update_after(applied, applied.sequence)
        row.order_id = format_id("order", update.order_id)
        row.fill_count = count_fp(update.filled_quantity)
        row.remaining_count = count_fp(update.remaining_quantity)
        row.ts_ms = milliseconds(applied.time_ns)
        _with_averages(row, update, None)
    return BatchCreateOrdersV2Response(rows)


async def batch_cancel_orders(services: Services, request: Request) -> BatchCancelOrdersV2Response:
    """Each item for itself; one that does not say otherwise is of the primary subaccount."""
    items = request.read(BATCH_CANCEL_ORDERS_V2).orders
    _check_batch(services, request, len(items), BATCHED_CANCEL_COST)
    services.charge(request, WRITE_BUCKET, len(items) * BATCHED_CANCEL_COST)
    default = _subaccount(services, request)
    rows: list[BatchCancelOrdersV2Individual] = []
    commands: list[Command] = []
    places: list[tuple[int, int]] = []
    for item in items:
        row = BatchCancelOrdersV2Individual(item.order_id, count_fp(0))
        rows.append(row)
        order_id = parse_id("order", item.order_id)
        try:
            if order_id is None:
                raise not_found("order")
            request.check_subaccount(item.subaccount)
        except ApiError as error:
            row.error = error.body(request.profile)
            continue
        subaccount = default if item.subaccount is None else item.subaccount
        commands.append(CancelOrder(request.member_id, order_id, subaccount))
        places.append((len(rows) - 1, order_id))
    for (place, order_id), applied in zip(
        places, await submit_all(services, commands), strict=True
    ):
        row = rows[place]
        if applied.rejection is not None:
            row.error = from_rejection(applied.rejection).body(request.profile)
            continue
        update = update_after(applied, order_id)
        row.client_order_id = update.client_order_id or UNSET
        row.reduced_by = count_fp(update.reduced_quantity)
        row.ts_ms = milliseconds(applied.time_ns)
    return BatchCancelOrdersV2Response(rows)


def _place(services: Services, request: Request, body: CreateOrderV2Request) -> PlaceOrder:
    subaccount = request.value(SUBACCOUNT) if body.subaccount is None else body.subaccount
    account = chosen_account(services, request, subaccount, body.subtrader_id)
    time_in_force, post_only = body.time_in_force, body.post_only is True
    return PlaceOrder(
        request.member_id,
        account,
        order_entry.checked_ticker(body.ticker),
        order_entry.client_order_id(body.client_order_id),
        ACTIONS[body.side],
        "yes",
        order_entry.price_of("price", body.price),
        order_entry.positive_quantity(body.count),
        time_in_force,
        order_entry.expiration_of("expiration_time", body.expiration_time, time_in_force),
        order_entry.checked_post_only(post_only, time_in_force),
        body.reduce_only is True,
        0,
        body.self_trade_prevention_type,
        order_entry.group_id(body.order_group_id),
        body.cancel_order_on_pause is True,
    )


def _subaccount(services: Services, request: Request) -> int:
    """Whose order it must be: the primary subaccount's unless the query says otherwise.

    The accounts of a clearing member's customers have no number to say, so that there the order
    alone decides.
    """
    chosen = request.value(SUBACCOUNT)
    if chosen is None:
        return ANY_SUBACCOUNT if services.member(request).subtraders else 0
    return chosen


def _check_batch(services: Services, request: Request, size: int, cost: int) -> None:
    """A batch may be as large as a second's write budget pays for, and never below 20."""
    limit = services.limiter.limits(services.member(request).usage_tier).write
    largest = max(LARGEST_BATCH, limit * REQUEST // cost)
    if not 1 <= size <= largest:
        raise invalid(f"a batch has 1 to {largest} orders")


def _with_averages(answer: Executed, after: OrderUpdated, before: OrderUpdated | None) -> Executed:
    """Add what the fills of one command cost on average, per contract.

    A command fills its own order as a taker only. The price is a YES price whatever the side
    of the order, the fee is the net fee.
    """
    cost, fees, filled = after.taker_cost, after.taker_fees, after.filled_quantity
    if before is not None:
        cost -= before.taker_cost
        fees -= before.taker_fees
        filled -= before.filled_quantity
    if filled:
        price = _average(cost, filled)
        if after.side == "no":
            price = MICROS_PER_DOLLAR - price
        answer.average_fill_price = dollars(price)
        answer.average_fee_paid = dollars(_average(fees, filled))
    return answer


def _average(micros: int, quantity: int) -> int:
    """Micro-dollars per contract, rounded to the nearest."""
    return (2 * micros * QUANTITY_ONE + quantity) // (2 * quantity)
