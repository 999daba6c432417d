"""The ``msg`` objects of the channel ``communications`` (websocket.md, section 12).

Requests are shown to everybody, without saying whose they are while they are open. Quotes are
shown to their two parties, each of which sees its own subaccount and order and no other.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET

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
from augury.gateways.ws.fields import (
    CentiCents,
    Cents,
    ClientOrderId,
    CollectionTicker,
    Count,
    CountFp,
    Dollars,
    EventTicker,
    Id,
    MarketTicker,
    Maybe,
    PriceDollars,
    Pseudonym,
    Side,
    Subaccount,
    Time,
    about,
)
from augury.gateways.ws.lifecycle import Leg
from augury.gateways.ws.messages import public_id

_encode: Final = msgspec.json.Encoder().encode


class Rfq(msgspec.Struct):
    """A request for quotes, when it is made and when it is over, for whatever reason."""

    id: Annotated[Id, about("The request.")]
    creator_id: Annotated[Pseudonym, about("Empty while it is open, then whose it was.")]
    market_ticker: MarketTicker
    event_ticker: EventTicker
    contracts: Maybe[Annotated[Count, about("How many contracts it asks for.")]] = UNSET
    contracts_fp: Maybe[Annotated[CountFp, about("How many contracts it asks for.")]] = UNSET
    target_cost: Maybe[Annotated[CentiCents, about("What it wants to spend instead.")]] = UNSET
    target_cost_dollars: Maybe[Annotated[Dollars, about("What it wants to spend instead.")]] = UNSET
    created_ts: Maybe[Annotated[Time, about("On `rfq_created`.")]] = UNSET
    deleted_ts: Maybe[Annotated[Time, about("On `rfq_deleted`.")]] = UNSET
    mve_collection_ticker: Maybe[
        Annotated[CollectionTicker, about("Collection of a combo; on `rfq_created`.")]
    ] = UNSET
    mve_selected_legs: Maybe[Annotated[list[Leg], about("Legs of a combo; on `rfq_created`.")]] = (
        UNSET
    )


def rfq_created(event: RfqUpdated, market: Market | None) -> bytes:
    """``rfq_created``; ``market`` is there to tell the legs of a combo."""
    message = _rfq(event, "")
    message.created_ts = rfc3339(event.created_ns)
    if market is not None and market.collection_ticker:
        message.mve_collection_ticker = market.collection_ticker
        message.mve_selected_legs = [Leg(*leg) for leg in market.legs]
    return _encode(message)


def rfq_deleted(event: RfqUpdated) -> bytes:
    """``rfq_deleted``, for whatever reason the request is over."""
    message = _rfq(event, communications_id(event.member_id))
    message.deleted_ts = rfc3339(event.updated_ns)
    return _encode(message)


def _rfq(event: RfqUpdated, creator_id: str) -> Rfq:
    message = Rfq(
        public_id("rfq", event.rfq_id), creator_id, event.market_ticker, event.event_ticker
    )
    if event.quantity:
        message.contracts = count_floor(event.quantity)
        message.contracts_fp = count_fp(event.quantity)
    if event.target_cost:
        message.target_cost = centicents(event.target_cost)
        message.target_cost_dollars = dollars(event.target_cost)
    return message


class Quote(msgspec.Struct):
    """An answer to a request, shown to its maker and to whoever asked."""

    quote_id: Annotated[Id, about("The quote.")]
    rfq_id: Annotated[Id, about("The request that it answers.")]
    quote_creator_id: Annotated[Pseudonym, about("Whose quote it is.")]
    rfq_creator_id: Annotated[Pseudonym, about("Empty until the quote is executed.")]
    market_ticker: MarketTicker
    event_ticker: EventTicker
    yes_bid: Annotated[Cents, about("What the maker pays for YES, in cents; 0 for nothing.")]
    no_bid: Annotated[Cents, about("What the maker pays for NO, in cents; 0 for nothing.")]
    yes_bid_dollars: Annotated[PriceDollars, about("What the maker pays for YES.")]
    no_bid_dollars: Annotated[PriceDollars, about("What the maker pays for NO.")]
    yes_contracts_offered: Annotated[Count, about("Contracts at the YES bid.")]
    no_contracts_offered: Annotated[Count, about("Contracts at the NO bid.")]
    yes_contracts_offered_fp: Annotated[CountFp, about("Contracts at the YES bid.")]
    no_contracts_offered_fp: Annotated[CountFp, about("Contracts at the NO bid.")]
    rfq_target_cost: Maybe[
        Annotated[CentiCents, about("When the request named what to spend.")]
    ] = UNSET
    rfq_target_cost_dollars: Maybe[
        Annotated[Dollars, about("When the request named what to spend.")]
    ] = UNSET
    accepted_side: Maybe[
        Annotated[Side, about("The bid that was accepted; on `quote_accepted`.")]
    ] = UNSET
    contracts_accepted: Maybe[
        Annotated[Count, about("On `quote_accepted`, when the request was for contracts.")]
    ] = UNSET
    contracts_accepted_fp: Maybe[
        Annotated[CountFp, about("On `quote_accepted`, when the request was for contracts.")]
    ] = UNSET
    created_ts: Maybe[Annotated[Time, about("On `quote_created`.")]] = UNSET
    subaccount: Maybe[Annotated[Subaccount, about("The receiver's own, unless it is 0.")]] = UNSET


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


def _quote(event: QuoteUpdated, subaccount: int) -> Quote:
    message = Quote(
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


class ExecutedQuote(msgspec.Struct):
    """A quote became a trade. Each party is told its own order."""

    quote_id: Annotated[Id, about("The quote.")]
    rfq_id: Annotated[Id, about("The request that it answered.")]
    quote_creator_id: Annotated[Pseudonym, about("Whose quote it was.")]
    rfq_creator_id: Annotated[Pseudonym, about("Whose request it was.")]
    order_id: Annotated[Id, about("The receiver's own order, as in its fills.")]
    client_order_id: Annotated[ClientOrderId, about("Of that order; empty for who asked.")]
    market_ticker: MarketTicker
    executed_ts: Time
    subaccount: Maybe[Annotated[Subaccount, about("The receiver's own, unless it is 0.")]] = UNSET


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
        ExecutedQuote(
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


def _shown(subaccount: int) -> Maybe[int]:
    """Neither the primary account nor a clearing member's customer goes by a number."""
    return subaccount if 0 < subaccount < FIRST_SUBTRADER else UNSET
