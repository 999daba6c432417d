"""Orders as clients see them, from the live state, from events and from history."""

from functools import lru_cache

from msgspec import UNSET

from augury.codec.ids import format_id
from augury.codec.text import (
    cents_ceil,
    cents_floor,
    count_fp,
    dollars,
    price_dollars,
    rfc3339,
)
from augury.core.events import OrderUpdated
from augury.core.state import RESTING
from augury.core.state import Order as LiveOrder
from augury.core.step import order_updated
from augury.core.units import BID, PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE, direction_of
from augury.gateways.rest.answers import Order
from augury.projections.rows import OrderRow


@lru_cache(maxsize=65_536)
def user_id(member_id: int) -> str:
    """A member's public id; a member has many orders."""
    return format_id("member", member_id)


def order_row(order: OrderUpdated | OrderRow) -> Order:
    """An order after a command, or a finished one from history.

    Integer prices, counts and costs are rounded down, fees up (compat.md, section 1). Orders share
    most of what is written about them, and what is shared is written once. The fields are in the
    order of ``Order``, because naming all of them would cost a third of a row.
    """
    filled = order.filled_quantity
    changed = order.updated_ns != order.created_ns or filled or order.status != RESTING
    return Order(
        format_id("order", order.order_id),
        user_id(order.member_id),
        order.client_order_id,
        order.market_ticker,
        *_direction(order.side, order.action),
        "limit",
        order.status,
        *_prices(order.price),
        *_counts(filled, order.remaining_quantity, order.initial_quantity),
        *_costs(order.taker_fees, order.maker_fees, order.taker_cost, order.maker_cost),
        queue_position=0,
        self_trade_prevention_type=order.self_trade_prevention,
        cancel_order_on_pause=order.cancel_on_pause,
        subaccount_number=order.subaccount,
        created_time=rfc3339(order.created_ns),
        last_update_time=rfc3339(order.updated_ns) if changed else UNSET,
        expiration_time=rfc3339(order.expiration_ns) if order.expiration_ns else UNSET,
        order_group_id=format_id("group", order.order_group_id) if order.order_group_id else UNSET,
    )


@lru_cache(maxsize=16)
def _direction(side: str, action: str) -> tuple[str, str, str, str]:
    """From ``side`` to ``book_side``."""
    bid = direction_of(action, side) == BID
    return side, action, "yes" if bid else "no", "bid" if bid else "ask"


@lru_cache(maxsize=PRICE_ONE)
def _prices(price: int) -> tuple[int, int, str, str]:
    """From ``yes_price`` to ``no_price_dollars``."""
    no_price = PRICE_ONE - price
    return (
        price // PRICES_PER_CENT,
        no_price // PRICES_PER_CENT,
        price_dollars(price),
        price_dollars(no_price),
    )


@lru_cache(maxsize=8192)
def _counts(filled: int, remaining: int, initial: int) -> tuple[int, str, int, str, int, str]:
    """From ``fill_count`` to ``initial_count_fp``."""
    return (
        filled // QUANTITY_ONE,
        count_fp(filled),
        remaining // QUANTITY_ONE,
        count_fp(remaining),
        initial // QUANTITY_ONE,
        count_fp(initial),
    )


@lru_cache(maxsize=8192)
def _costs(
    taker_fees: int, maker_fees: int, taker_cost: int, maker_cost: int
) -> tuple[int, str, int, str, int, str, int, str]:
    """From ``taker_fees`` to ``maker_fill_cost_dollars``; most orders have none yet."""
    return (
        cents_ceil(taker_fees),
        dollars(taker_fees),
        cents_ceil(maker_fees),
        dollars(maker_fees),
        cents_floor(taker_cost),
        dollars(taker_cost),
        cents_floor(maker_cost),
        dollars(maker_cost),
    )


def live_order_row(order: LiveOrder) -> Order:
    """An open order."""
    return order_row(order_updated(order))
