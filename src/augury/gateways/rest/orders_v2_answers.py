"""Answers of the order operations in their later form. Counts and prices are decimal strings.

``average_fill_price`` (YES) and ``average_fee_paid`` are per contract, in dollars, and there
when the request traded. ``ts_ms`` is when the exchange carried the request out.
"""

from msgspec import UNSET, UnsetType

from augury.gateways.rest.answers import Answer
from augury.gateways.rest.errors import ErrorBody


class CreateOrderV2Response(Answer):
    order_id: str
    fill_count: str
    remaining_count: str
    ts_ms: int
    client_order_id: str | UnsetType = UNSET
    average_fill_price: str | UnsetType = UNSET
    average_fee_paid: str | UnsetType = UNSET


class CancelOrderV2Response(Answer):
    order_id: str
    reduced_by: str
    ts_ms: int
    client_order_id: str | UnsetType = UNSET


class AmendOrderV2Response(Answer):
    order_id: str
    ts_ms: int
    client_order_id: str | UnsetType = UNSET
    fill_count: str | UnsetType = UNSET
    remaining_count: str | UnsetType = UNSET
    average_fill_price: str | UnsetType = UNSET
    average_fee_paid: str | UnsetType = UNSET


class DecreaseOrderV2Response(Answer):
    order_id: str
    remaining_count: str
    ts_ms: int
    client_order_id: str | UnsetType = UNSET


class BatchCreateOrdersV2Individual(Answer):
    """What ``CreateOrderV2Response`` has, or ``error``."""

    order_id: str | UnsetType = UNSET
    client_order_id: str | UnsetType = UNSET
    fill_count: str | UnsetType = UNSET
    remaining_count: str | UnsetType = UNSET
    average_fill_price: str | UnsetType = UNSET
    average_fee_paid: str | UnsetType = UNSET
    ts_ms: int | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class BatchCreateOrdersV2Response(Answer):
    orders: list[BatchCreateOrdersV2Individual]


class BatchCancelOrdersV2Individual(Answer):
    order_id: str
    reduced_by: str
    client_order_id: str | UnsetType = UNSET
    ts_ms: int | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class BatchCancelOrdersV2Response(Answer):
    orders: list[BatchCancelOrdersV2Individual]
