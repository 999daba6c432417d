"""Orders as clients see them, from the live state, from events and from history."""

from functools import lru_cache
from typing import Final, cast

import msgspec
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
from augury.core.applied import Applied
from augury.core.events import OrderUpdated
from augury.core.state import RESTING
from augury.core.state import Order as LiveOrder
from augury.core.step import order_updated
from augury.core.units import BID, PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE, direction_of
from augury.gateways.rest.answers import Order
from augury.projections.rows import OrderRow

NO_DOLLARS: Final = dollars(0)
"""Most orders have no fees and no costs yet."""

_CACHED_ROWS: Final = 20_000
"""A row has about a kilobyte."""


@lru_cache(maxsize=65_536)
def user_id(member_id: int) -> str:
    """A member's public id; a member has many orders."""
    return format_id("member", member_id)


def order_row(order: OrderUpdated | OrderRow) -> Order:
    """An order after a command, or a finished one from history.

    Integer prices, counts and costs are rounded down, fees up (compat.md, section 1).
    """
    price = order.price
    no_price = PRICE_ONE - price
    filled = order.filled_quantity
    remaining = order.remaining_quantity
    initial = order.initial_quantity
    bid = direction_of(order.action, order.side) == BID
    changed = order.updated_ns != order.created_ns or filled or order.status != RESTING
    return Order(
        order_id=format_id("order", order.order_id),
        user_id=user_id(order.member_id),
        client_order_id=order.client_order_id,
        ticker=order.market_ticker,
        side=order.side,
        action=order.action,
        outcome_side="yes" if bid else "no",
        book_side="bid" if bid else "ask",
        type="limit",
        status=order.status,
        yes_price=price // PRICES_PER_CENT,
        no_price=no_price // PRICES_PER_CENT,
        yes_price_dollars=price_dollars(price),
        no_price_dollars=price_dollars(no_price),
        fill_count=filled // QUANTITY_ONE,
        fill_count_fp=count_fp(filled),
        remaining_count=remaining // QUANTITY_ONE,
        remaining_count_fp=count_fp(remaining),
        initial_count=initial // QUANTITY_ONE,
        initial_count_fp=count_fp(initial),
        taker_fees=cents_ceil(order.taker_fees),
        taker_fees_dollars=_dollars(order.taker_fees),
        maker_fees=cents_ceil(order.maker_fees),
        maker_fees_dollars=_dollars(order.maker_fees),
        taker_fill_cost=cents_floor(order.taker_cost),
        taker_fill_cost_dollars=_dollars(order.taker_cost),
        maker_fill_cost=cents_floor(order.maker_cost),
        maker_fill_cost_dollars=_dollars(order.maker_cost),
        queue_position=0,
        self_trade_prevention_type=order.self_trade_prevention,
        cancel_order_on_pause=order.cancel_on_pause,
        subaccount_number=order.subaccount,
        created_time=rfc3339(order.created_ns),
        last_update_time=rfc3339(order.updated_ns) if changed else UNSET,
        expiration_time=rfc3339(order.expiration_ns) if order.expiration_ns else UNSET,
        order_group_id=format_id("group", order.order_group_id) if order.order_group_id else UNSET,
    )


def _dollars(micros: int) -> str:
    return dollars(micros) if micros else NO_DOLLARS


def live_order_row(order: LiveOrder) -> Order:
    """An open order."""
    return order_row(order_updated(order))


class OpenOrderRows:
    """Open orders as bytes, kept until something in them changes.

    Whoever polls a list of open orders finds most of them as they were. The cache is bounded; a
    member that walks through hundreds of thousands of orders pays for building their rows.
    """

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._rows: dict[int, msgspec.Raw] = {}

    def row(self, order: LiveOrder) -> Order:
        """An open order, encoded already. Reads as an ``Order`` in answers only."""
        row = self._rows.get(order.id)
        if row is None:
            if len(self._rows) >= _CACHED_ROWS:
                self._rows.clear()
            row = msgspec.Raw(self._encoder.encode(live_order_row(order)))
            self._rows[order.id] = row
        return cast(Order, row)

    def observe(self, applied: Applied) -> None:
        """Forget the orders that a record has changed; every change is an ``OrderUpdated``."""
        if self._rows:
            for event in applied.events:
                if isinstance(event, OrderUpdated):
                    self._rows.pop(event.order_id, None)
