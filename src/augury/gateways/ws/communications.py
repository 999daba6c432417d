"""The ``msg`` objects of the channel ``communications`` (websocket.md, section 12).

Requests are shown to everybody, without saying whose they are while they are open. Quotes are
shown to their two parties, each of which sees its own subaccount and order and no other.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from augury.codec.text import (
    centicents,
    count_floor,
    count_fp,
    dollars,
    price_cents,
    price_dollars,
    rfc3339,
)
from augury.core.events import QuoteUpdated, RfqUpdated
from augury.core.state import FIRST_SUBTRADER, Market
from augury.gateways.quoting import communications_id, maker_client_order_id
from augury.gateways.ws.messages import public_id

_encode: Final = msgspec.json.Encoder().encode


class _Leg(msgspec.Struct):
    event_ticker: str
    market_ticker: str
    side: str


class _Rfq(msgspec.Struct):
    id: str
    creator_id: str
    market_ticker: str
    event_ticker: str
    contracts: int | UnsetType = UNSET
    contracts_fp: str | UnsetType = UNSET
    target_cost: int | UnsetType = UNSET
    target_cost_dollars: str | UnsetType = UNSET
    created_ts: str | UnsetType = UNSET
    deleted_ts: str | UnsetType = UNSET
    mve_collection_ticker: str | UnsetType = UNSET
    mve_selected_legs: list[_Leg] | UnsetType = UNSET


def rfq_created(event: RfqUpdated, market: Market | None) -> bytes:
    """``rfq_created``; ``market`` is there to tell the legs of a combo."""
    message = _rfq(event, "")
    message.created_ts = rfc3339(event.created_ns)
    if market is not None and market.collection_ticker:
        message.mve_collection_ticker = market.collection_ticker
        message.mve_selected_legs = [_Leg(*leg) for leg in market.legs]
    return _encode(message)


def rfq_deleted(event: RfqUpdated) -> bytes:
    """``rfq_deleted``, for whatever reason the request is over."""
    message = _rfq(event, communications_id(event.member_id))
    message.deleted_ts = rfc3339(event.updated_ns)
    return _encode(message)


def _rfq(event: RfqUpdated, creator_id: str) -> _Rfq:
    message = _Rfq(
        public_id("rfq", event.rfq_id), creator_id, event.market_ticker, event.event_ticker
    )
    if event.quantity:
        message.contracts = count_floor(event.quantity)
        message.contracts_fp = count_fp(event.quantity)
    if event.target_cost:
        message.target_cost = centicents(event.target_cost)
        message.target_cost_dollars = dollars(event.target_cost)
    return message


class _Quote(msgspec.Struct):
    quote_id: str
    rfq_id: str
    quote_creator_id: str
    rfq_creator_id: str
    market_ticker: str
    event_ticker: str
    yes_bid: int
    no_bid: int
    yes_bid_dollars: str
    no_bid_dollars: str
    yes_contracts_offered: int
    no_contracts_offered: int
    yes_contracts_offered_fp: str
    no_contracts_offered_fp: str
    rfq_target_cost: int | UnsetType = UNSET
    rfq_target_cost_dollars: str | UnsetType = UNSET
    accepted_side: str | UnsetType = UNSET
    contracts_accepted: int | UnsetType = UNSET
    contracts_accepted_fp: str | UnsetType = UNSET
    created_ts: str | UnsetType = UNSET
    subaccount: int | UnsetType = UNSET


def quote_created(event: QuoteUpdated, subaccount: int) -> bytes:
    """``quote_created`` for the party whose ``subaccount`` is meant."""
    message = _quote(event, subaccount)
    message.created_ts = rfc3339(event.created_ns)
    return _encode(message)


def quote_accepted(event: QuoteUpdated, subaccount: int) -> bytes:
    """``quote_accepted``; how many contracts it is about, when the request said so."""
    message = _quote(event, subaccount)
    message.accepted_side = event.accepted_side
    if event.rfq_quantity:
        message.contracts_accepted = count_floor(event.accepted_quantity)
        message.contracts_accepted_fp = count_fp(event.accepted_quantity)
    return _encode(message)


def _quote(event: QuoteUpdated, subaccount: int) -> _Quote:
    message = _Quote(
        public_id("quote", event.quote_id),
        public_id("rfq", event.rfq_id),
        communications_id(event.member_id),
        "",
        event.market_ticker,
        event.event_ticker,
        price_cents(event.yes_bid),
        price_cents(event.no_bid),
        price_dollars(event.yes_bid),
        price_dollars(event.no_bid),
        count_floor(event.yes_quantity),
        count_floor(event.no_quantity),
        count_fp(event.yes_quantity),
        count_fp(event.no_quantity),
    )
    if event.rfq_target_cost:
        message.rfq_target_cost = centicents(event.rfq_target_cost)
        message.rfq_target_cost_dollars = dollars(event.rfq_target_cost)
    message.subaccount = _shown(subaccount)
    return message


class _Executed(msgspec.Struct):
    quote_id: str
    rfq_id: str
    quote_creator_id: str
    rfq_creator_id: str
    order_id: str
    client_order_id: str
    market_ticker: str
    executed_ts: str
    subaccount: int | UnsetType = UNSET


def quote_executed_for_maker(event: QuoteUpdated) -> bytes:
    """``quote_executed`` with the order of the quote's creator."""
    return _executed(
        event, event.maker_order_id, maker_client_order_id(event.quote_id), event.subaccount
    )


def quote_executed_for_requester(event: QuoteUpdated) -> bytes:
    """``quote_executed`` with the order of the request's creator, which has no name."""
    return _executed(event, event.rfq_order_id, "", event.rfq_subaccount)


def _executed(event: QuoteUpdated, order_id: int, client_order_id: str, subaccount: int) -> bytes:
    return _encode(
        _Executed(
            public_id("quote", event.quote_id),
            public_id("rfq", event.rfq_id),
            communications_id(event.member_id),
            communications_id(event.rfq_member_id),
            public_id("order", order_id),
            client_order_id,
            event.market_ticker,
            rfc3339(event.executed_ns),
            _shown(subaccount),
        )
    )


def _shown(subaccount: int) -> int | UnsetType:
    """Neither the primary account nor a clearing member's customer goes by a number."""
    return subaccount if 0 < subaccount < FIRST_SUBTRADER else UNSET
