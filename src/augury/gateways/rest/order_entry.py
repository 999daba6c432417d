"""From the body of an order operation to a command, or a 400 (rest.md, section 4).

Owns the rules of pure form: which fields go together, agree with each other and are within
bounds. Whatever depends on the exchange is the core's business and is not checked here.
"""

import re
from typing import Final

from augury.codec.ids import parse_id
from augury.codec.text import nanos, parse_count, parse_price
from augury.core import rejections
from augury.core.commands import AmendOrder, DecreaseOrder, PlaceOrder
from augury.core.state import Exchange
from augury.core.units import (
    BID,
    MICROS_PER_CENT,
    PRICE_ONE,
    PRICES_PER_CENT,
    QUANTITY_ONE,
    direction_of,
)
from augury.gateways.rest.bodies import (
    AmendOrderRequest,
    CreateOrderGroupRequest,
    CreateOrderRequest,
    DecreaseOrderRequest,
    DecreaseOrderV2Request,
    UpdateOrderGroupLimitRequest,
)
from augury.gateways.rest.errors import INVALID_ORDER, ApiError, invalid

GOOD_TILL_CANCELED: Final = "good_till_canceled"
IMMEDIATE_OR_CANCEL: Final = "immediate_or_cancel"
FILL_OR_KILL: Final = "fill_or_kill"

LARGEST_COUNT: Final = 1_000_000_000
"""Contracts in one order. Beyond it a number is a mistake, and the log has 64 bits."""
LARGEST_CENTS: Final = 1_000_000_000_000
LATEST_SECONDS: Final = 9_000_000_000
"""A time in the 23rd century, which still fits into 64 bits of nanoseconds."""
LARGEST_GROUP_LIMIT: Final = 1_000_000
TICKER_LENGTH_LIMIT: Final = 200

_CLIENT_ORDER_ID: Final = re.compile(r"[-A-Za-z0-9_:+=/]{0,64}")


def place_order(
    body: CreateOrderRequest, member_id: int, subaccount: int, state: Exchange
) -> PlaceOrder:
    """The order that ``body`` describes. ``subaccount`` is used when the body names none.

    ``state`` is needed for orders without a price only. Raises ``ApiError``.
    """
    checked_ticker(body.ticker)
    quantity = quantity_of("count", body.count, body.count_fp)
    if quantity is None:
        raise invalid("count or count_fp is required", rejections.INVALID_ORDER_SIZE)
    if quantity <= 0:
        raise invalid("the count must be positive", rejections.INVALID_ORDER_SIZE)
    post_only = body.post_only is True
    time_in_force = body.time_in_force or GOOD_TILL_CANCELED
    is_market = body.type == "market"
    if is_market and time_in_force == GOOD_TILL_CANCELED:
        time_in_force = IMMEDIATE_OR_CANCEL
    buy_max_cost = 0
    if body.buy_max_cost is not None:
        if not 0 < body.buy_max_cost <= LARGEST_CENTS:
            raise invalid("buy_max_cost must be positive")
        if body.action != "buy":
            raise invalid("buy_max_cost is for buy orders only", INVALID_ORDER)
        if post_only:
            raise invalid("buy_max_cost cannot be combined with post_only", INVALID_ORDER)
        buy_max_cost = body.buy_max_cost * MICROS_PER_CENT
        time_in_force = FILL_OR_KILL
    price = _price(body)
    if price is None:
        if not is_market or not buy_max_cost:
            raise invalid(
                "one of yes_price, no_price, yes_price_dollars and no_price_dollars is required"
            )
        price = _far_price(state, body)
    expiration_ns = expiration_of("expiration_ts", body.expiration_ts, time_in_force)
    checked_post_only(post_only, time_in_force)
    reduce_only = body.reduce_only is True
    if body.sell_position_floor is not None:
        if body.sell_position_floor != 0:
            raise invalid("sell_position_floor can only be 0")
        # For a sell, not to sell below a position of 0 is not to sell more than one has.
        reduce_only = reduce_only or body.action == "sell"
    return PlaceOrder(
        member_id,
        subaccount if body.subaccount is None else body.subaccount,
        body.ticker,
        client_order_id(body.client_order_id),
        body.action,
        body.side,
        price,
        quantity,
        time_in_force,
        expiration_ns,
        post_only,
        reduce_only,
        buy_max_cost,
        body.self_trade_prevention_type or "taker_at_cross",
        group_id(body.order_group_id),
        body.cancel_order_on_pause is True,
    )


def amend_order(
    body: AmendOrderRequest, member_id: int, order_id: int, subaccount: int
) -> AmendOrder:
    """Raises ``ApiError``."""
    checked_ticker(body.ticker)
    quantity = quantity_of("count", body.count, body.count_fp)
    if quantity is not None and quantity <= 0:
        raise invalid("the count must be positive", rejections.INVALID_ORDER_SIZE)
    return AmendOrder(
        member_id,
        order_id,
        body.ticker,
        body.action,
        body.side,
        _price(body) or 0,
        quantity or 0,
        client_order_id(body.client_order_id),
        client_order_id(body.updated_client_order_id),
        subaccount if body.subaccount is None else body.subaccount,
    )


def decrease_order(
    body: DecreaseOrderRequest, member_id: int, order_id: int, subaccount: int
) -> DecreaseOrder:
    """Raises ``ApiError``."""
    return _decrease(
        member_id,
        order_id,
        subaccount if body.subaccount is None else body.subaccount,
        quantity_of("reduce_by", body.reduce_by, body.reduce_by_fp),
        quantity_of("reduce_to", body.reduce_to, body.reduce_to_fp),
    )


def decrease_order_v2(
    body: DecreaseOrderV2Request, member_id: int, order_id: int, subaccount: int
) -> DecreaseOrder:
    """Raises ``ApiError``."""
    return _decrease(
        member_id,
        order_id,
        subaccount,
        quantity_of("reduce_by", None, body.reduce_by),
        quantity_of("reduce_to", None, body.reduce_to),
    )


def _decrease(
    member_id: int, order_id: int, subaccount: int, reduce_by: int | None, reduce_to: int | None
) -> DecreaseOrder:
    if (reduce_by is None) == (reduce_to is None):
        raise invalid("exactly one of reduce_by and reduce_to is required")
    if reduce_by is not None and reduce_by <= 0:
        raise invalid("reduce_by must be positive", rejections.INVALID_ORDER_SIZE)
    if reduce_to is not None and reduce_to < 0:
        raise invalid("reduce_to must not be negative", rejections.INVALID_ORDER_SIZE)
    return DecreaseOrder(
        member_id,
        order_id,
        -1 if reduce_by is None else reduce_by,
        -1 if reduce_to is None else reduce_to,
        subaccount,
    )


def contracts_limit(body: CreateOrderGroupRequest | UpdateOrderGroupLimitRequest) -> int | None:
    """The limit of an order group in hundredths of a contract. Raises ``ApiError``."""
    quantity = quantity_of("contracts_limit", body.contracts_limit, body.contracts_limit_fp)
    if quantity is None:
        return None
    if quantity % QUANTITY_ONE or not 0 < quantity <= LARGEST_GROUP_LIMIT * QUANTITY_ONE:
        raise invalid("contracts_limit must be a whole number from 1 to 1000000")
    return quantity


def client_order_id(text: str | None) -> str:
    """The client's own id, possibly empty. Raises ``ApiError``."""
    if not text:
        return ""
    if _CLIENT_ORDER_ID.fullmatch(text) is None:
        raise invalid(
            "client_order_id takes at most 64 letters, digits and characters of - _ : + = /"
        )
    return text


def checked_ticker(ticker: str) -> str:
    """What cannot be a ticker at all is not worth a record of the log. Raises ``ApiError``."""
    if not 0 < len(ticker) <= TICKER_LENGTH_LIMIT:
        raise ApiError(404, rejections.MARKET_NOT_FOUND, "market not found")
    return ticker


def _price(body: CreateOrderRequest | AmendOrderRequest) -> int | None:
    """The YES price. Several fields are fine as long as they mean the same price."""
    found: int | None = None
    if body.yes_price is not None:
        found = _cents("yes_price", body.yes_price)
    if body.no_price is not None:
        found = _agree(found, PRICE_ONE - _cents("no_price", body.no_price))
    if body.yes_price_dollars is not None:
        found = _agree(found, price_of("yes_price_dollars", body.yes_price_dollars))
    if body.no_price_dollars is not None:
        found = _agree(found, PRICE_ONE - price_of("no_price_dollars", body.no_price_dollars))
    return found


def _agree(found: int | None, price: int) -> int:
    if found is not None and found != price:
        raise invalid("the price fields describe different prices")
    return price


def _cents(name: str, cents: int) -> int:
    if not 1 <= cents <= 99:
        raise invalid(f"{name} must be between 1 and 99")
    return cents * PRICES_PER_CENT


def price_of(name: str, text: str) -> int:
    """A price between 0 and 1 from its dollar string. Raises ``ApiError``."""
    try:
        price = parse_price(text)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None
    if not 0 < price < PRICE_ONE:
        raise invalid(f"{name} must be above 0 and below 1")
    return price


def quantity_of(name: str, whole: int | None, exact: str | None) -> int | None:
    """Hundredths of a contract from an integer and its ``_fp`` twin, which must agree."""
    quantity: int | None = None
    if whole is not None:
        if abs(whole) > LARGEST_COUNT:
            raise invalid(f"{name} is too large", rejections.INVALID_ORDER_SIZE)
        quantity = whole * QUANTITY_ONE
    if exact is not None:
        try:
            parsed = parse_count(exact)
        except ValueError as error:
            raise invalid(f"{name}_fp: {error}", rejections.INVALID_ORDER_SIZE) from None
        if parsed > LARGEST_COUNT * QUANTITY_ONE:
            raise invalid(f"{name}_fp is too large", rejections.INVALID_ORDER_SIZE)
        if quantity is not None and quantity != parsed:
            raise invalid(f"{name} and {name}_fp differ", rejections.INVALID_ORDER_SIZE)
        quantity = parsed
    return quantity


def positive_quantity(text: str) -> int:
    """Hundredths of a contract from a decimal string. Raises ``ApiError``."""
    try:
        quantity = parse_count(text)
    except ValueError as error:
        raise invalid(f"count: {error}", rejections.INVALID_ORDER_SIZE) from None
    if not 0 < quantity <= LARGEST_COUNT * QUANTITY_ONE:
        raise invalid("the count must be positive", rejections.INVALID_ORDER_SIZE)
    return quantity


def expiration_of(name: str, seconds: int | None, time_in_force: str) -> int:
    """Nanoseconds; 0 means none. A time in the past stays one, so that the core can say so.

    Raises ``ApiError`` for orders that never rest.
    """
    if seconds is None:
        return 0
    if time_in_force != GOOD_TILL_CANCELED:
        raise invalid(f"Cannot specify both {time_in_force} and {name}", INVALID_ORDER)
    if seconds > LATEST_SECONDS:
        raise invalid(f"{name} must be Unix time in seconds")
    return max(1, nanos(seconds))


def checked_post_only(post_only: bool, time_in_force: str) -> bool:
    """Raises ``ApiError`` when an order is to rest and not to rest."""
    if post_only and time_in_force != GOOD_TILL_CANCELED:
        raise invalid("post_only cannot be combined with an order that never rests", INVALID_ORDER)
    return post_only


def group_id(text: str | None) -> int:
    """The order group that is named, or 0. Raises ``ApiError``."""
    if not text:
        return 0
    number = parse_id("group", text)
    if number is None:
        raise ApiError(404, rejections.ORDER_GROUP_NOT_FOUND, "order group not found")
    return number


def _far_price(state: Exchange, body: CreateOrderRequest) -> int:
    """The most expensive price of the market's grid for this buy, as a YES price."""
    market = state.markets.get(body.ticker)
    if market is None:
        raise ApiError(404, rejections.MARKET_NOT_FOUND, "market not found", body.ticker)
    step_at_the_end = market.price_ranges[-1][2]
    highest = PRICE_ONE - step_at_the_end
    return highest if direction_of(body.action, body.side) == BID else PRICE_ONE - highest
