"""What clients send: the union of the request forms of all generations (compat.md, section 4).

Unknown fields are ignored, because newer clients send fields of newer versions. ``null`` counts
as absent. Types are strict: a count is a JSON integer, a dollar amount is a string.
"""

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from augury.core.state import MAX_SUBACCOUNT
from augury.gateways.rest.errors import invalid

T = TypeVar("T")

Side = Literal["yes", "no"]
Action = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
SelfTradePrevention = Literal["taker_at_cross", "maker"]

Dollars = Annotated[str, Meta(description="US dollars as a decimal string.", examples=["0.5600"])]
Count = Annotated[
    str,
    Meta(description="Contracts as a decimal string with up to 2 decimals.", examples=["10.00"]),
]
Subaccount = Annotated[int, Meta(ge=0, le=MAX_SUBACCOUNT)]
BookSide = Literal["bid", "ask"]
ExchangeIndex = Annotated[
    int,
    Meta(ge=-1, le=0, description="The shard; there is one, number 0. -1 lets the server choose."),
]


class CreateOrderRequest(msgspec.Struct):
    """An order. The price may be given for either side; a count in either form."""

    ticker: str
    side: Side
    action: Action
    client_order_id: str | None = None
    count: int | None = None
    count_fp: Count | None = None
    type: OrderType | None = None
    yes_price: int | None = None
    no_price: int | None = None
    yes_price_dollars: Dollars | None = None
    no_price_dollars: Dollars | None = None
    expiration_ts: int | None = None
    time_in_force: TimeInForce | None = None
    buy_max_cost: int | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    sell_position_floor: int | None = None
    self_trade_prevention_type: SelfTradePrevention | None = None
    order_group_id: str | None = None
    cancel_order_on_pause: bool | None = None
    subaccount: Subaccount | None = None
    subtrader_id: str | None = None
    exchange_index: ExchangeIndex | None = None


class BatchCreateOrdersRequest(msgspec.Struct):
    """Up to 20 orders, carried out in this order, each for itself."""

    orders: list[CreateOrderRequest]


class RawBatch(msgspec.Struct):
    """A batch whose items are read one by one, so that a bad one does not spoil the others."""

    orders: list[msgspec.Raw]


class CancelItem(msgspec.Struct):
    order_id: str
    subaccount: Subaccount | None = None
    exchange_index: ExchangeIndex | None = None


class BatchCancelOrdersRequest(msgspec.Struct):
    """Up to 20 orders, named in one of three ways; plain ids are of the primary subaccount."""

    ids: list[str] | None = None
    orders: list[CancelItem] | None = None
    order_ids: list[str] | None = None


class AmendOrderRequest(msgspec.Struct):
    """The new price or size of a resting order. ``count`` includes what is filled already."""

    ticker: str
    side: Side
    action: Action
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    yes_price: int | None = None
    no_price: int | None = None
    yes_price_dollars: Dollars | None = None
    no_price_dollars: Dollars | None = None
    count: int | None = None
    count_fp: Count | None = None
    subaccount: Subaccount | None = None
    exchange_index: ExchangeIndex | None = None


class DecreaseOrderRequest(msgspec.Struct):
    """Either by how much or to what; both forms of one number must agree."""

    reduce_by: int | None = None
    reduce_by_fp: Count | None = None
    reduce_to: int | None = None
    reduce_to_fp: Count | None = None
    subaccount: Subaccount | None = None
    exchange_index: ExchangeIndex | None = None


class CreateOrderV2Request(msgspec.Struct):
    """An order seen from the YES side: ``bid`` buys YES at ``price``, ``ask`` sells it."""

    ticker: str
    side: BookSide
    count: Count
    price: Dollars
    time_in_force: TimeInForce
    self_trade_prevention_type: SelfTradePrevention
    client_order_id: str | None = None
    expiration_time: int | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    order_group_id: str | None = None
    cancel_order_on_pause: bool | None = None
    subaccount: Subaccount | None = None
    subtrader_id: str | None = None
    exchange_index: ExchangeIndex | None = None


class BatchCreateOrdersV2Request(msgspec.Struct):
    """Orders carried out in this order, each for itself."""

    orders: list[CreateOrderV2Request]


class CancelItemV2(msgspec.Struct):
    order_id: str
    subaccount: Subaccount | None = None
    exchange_index: ExchangeIndex | None = None


class BatchCancelOrdersV2Request(msgspec.Struct):
    """Orders to cancel; those that name no subaccount are of the primary one."""

    orders: list[CancelItemV2]


class AmendOrderV2Request(msgspec.Struct):
    """New price and size of a resting order. ``count`` includes what is filled already."""

    ticker: str
    side: BookSide
    price: Dollars
    count: Count
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    exchange_index: ExchangeIndex | None = None


class DecreaseOrderV2Request(msgspec.Struct):
    """Either by how much or to what."""

    reduce_by: Count | None = None
    reduce_to: Count | None = None
    exchange_index: ExchangeIndex | None = None


class QueuePositionsRequest(msgspec.Struct):
    """The early form of asking for queue positions."""

    order_ids: list[str]


class CreateOrderGroupRequest(msgspec.Struct):
    """The limit of contracts matched within 15 seconds; 1,000,000 when not given."""

    contracts_limit: int | None = None
    contracts_limit_fp: Count | None = None
    subaccount: Subaccount | None = None
    exchange_index: ExchangeIndex | None = None


class UpdateOrderGroupLimitRequest(msgspec.Struct):
    """The new limit of contracts matched within 15 seconds."""

    contracts_limit: int | None = None
    contracts_limit_fp: Count | None = None


class ApplySubaccountTransferRequest(msgspec.Struct):
    """Move cents between two of one's own subaccounts, once per ``client_transfer_id``."""

    client_transfer_id: str
    from_subaccount: Subaccount
    to_subaccount: Subaccount
    amount_cents: int


class ApplySubaccountPositionTransferRequest(msgspec.Struct):
    """Move contracts between two of one's own subaccounts, once per ``client_transfer_id``.

    ``price`` is that of YES, whichever ``side`` is moved: the one closes at it, the other opens.
    """

    client_transfer_id: str
    from_subaccount: Subaccount
    to_subaccount: Subaccount
    market_ticker: str
    side: Side
    count: int | None = None
    count_fp: Count | None = None
    price: Dollars | None = None
    price_cents: int | None = None


class UpdateSubaccountNettingRequest(msgspec.Struct):
    """Whether collateral is returned across the markets of an event."""

    subaccount_number: Subaccount
    enabled: bool


class CreateApiKeyRequest(msgspec.Struct):
    """An RSA public key in PEM. ``scopes`` are ``read`` and ``write`` by default.

    With ``subaccount`` the key is for that one only.
    """

    name: str
    public_key: str
    scopes: list[str] | None = None
    subaccount: Subaccount | None = None


class GenerateApiKeyRequest(msgspec.Struct):
    """Ask the server to make the key pair."""

    name: str
    scopes: list[str] | None = None
    subaccount: Subaccount | None = None


class CreateRFQRequest(msgspec.Struct):
    """Ask for quotes on either a number of contracts or what they may cost."""

    market_ticker: str
    rest_remainder: bool
    contracts: int | None = None
    contracts_fp: Count | None = None
    target_cost_centi_cents: int | None = None
    target_cost_dollars: Dollars | None = None
    replace_existing: bool | None = None
    subtrader_id: str | None = None
    subaccount: Subaccount | None = None


class CreateQuoteRequest(msgspec.Struct):
    """Answer a request with a bid for YES, for NO or for both; 0 is no bid.

    Bids are dollar strings; integers above 1 are read as cents.
    """

    rfq_id: str
    yes_bid: Dollars | int
    no_bid: Dollars | int
    rest_remainder: bool
    post_only: bool | None = None
    subtrader_id: str | None = None
    subaccount: Subaccount | None = None


class AcceptQuoteRequest(msgspec.Struct):
    """The side of the maker's bid that is taken."""

    accepted_side: Side


class AnyAcceptQuoteRequest(msgspec.Struct):
    """Clients up to 3.2 send ``true`` and ``false`` for YES and NO."""

    accepted_side: Literal["yes", "no", "true", "false"] | bool


class TickerPair(msgspec.Struct):
    """One leg: a market, its event, and the side that has to win."""

    market_ticker: str
    event_ticker: str
    side: Side


class CreateMarketInMultivariateEventCollectionRequest(msgspec.Struct):
    """The legs of a combo. ``with_market_payload`` asks for the whole market in the answer."""

    selected_markets: list[TickerPair]
    with_market_payload: bool | None = None


class LookupTickersForMarketInMultivariateEventCollectionRequest(msgspec.Struct):
    """The legs of a combo that was created before."""

    selected_markets: list[TickerPair]


class AnyTickerPair(msgspec.Struct):
    """Clients up to 3.2 send ``true`` and ``false`` for YES and NO."""

    market_ticker: str
    event_ticker: str
    side: Literal["yes", "no", "true", "false"] | bool


class AnyComboRequest(msgspec.Struct):
    """Both requests about combos, in the form of any generation."""

    selected_markets: list[AnyTickerPair]
    with_market_payload: bool | None = None


class EmptyRequest(msgspec.Struct):
    """Nothing needs to be sent; an empty body will do."""


class ProposeBlockTradeRequest(msgspec.Struct):
    """A trade off the book. The caller is its buyer or its seller, and agrees by proposing it.

    ``price_centi_cents`` is the price of YES in 1/10,000 dollar, ``centicount`` the size in
    hundredths of a contract. With ``maker_side`` ``yes`` the buyer is the maker.
    """

    buyer_user_id: str
    seller_user_id: str
    market_ticker: str
    price_centi_cents: Annotated[int, msgspec.Meta(ge=1, le=9_999)]
    centicount: Annotated[int, msgspec.Meta(ge=1, le=10**15)]
    maker_side: Side
    expiration_ts: str
    buyer_subtrader_id: str | None = None
    buyer_subaccount: Subaccount | None = None
    seller_subtrader_id: str | None = None
    seller_subaccount: Subaccount | None = None


class AcceptBlockTradeProposalRequest(msgspec.Struct):
    """The account of the caller that trades, if not the one that was proposed."""

    subtrader_id: str | None = None
    subaccount: Subaccount | None = None


# --- reading ---------------------------------------------------------------------------------

DECODING_ERRORS: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What a hostile body can raise: bad JSON, bad UTF-8, bad types, endless nesting."""


class Body(Generic[T]):
    """One kind of request body, for reading and for the OpenAPI document.

    ``optional`` bodies may be absent and are then read as an empty object.
    """

    def __init__(self, documented: type[Any], reads: type[T], *, optional: bool = False) -> None:
        self.documented = documented
        self.optional = optional
        self._decoder = msgspec.json.Decoder(reads)

    def read(self, raw: bytes | memoryview | msgspec.Raw) -> T:
        """Raises ``ApiError``."""
        if self.optional and not raw:
            raw = b"{}"
        try:
            return self._decoder.decode(raw)
        except DECODING_ERRORS as error:
            raise invalid(_explain(error)) from None


def _explain(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    return "the body is not valid JSON"


def body(type_: type[T], *, optional: bool = False) -> Body[T]:
    return Body(type_, type_, optional=optional)


CREATE_ORDER: Final = body(CreateOrderRequest)
BATCH_CREATE_ORDERS: Final = Body(BatchCreateOrdersRequest, RawBatch)
BATCH_CANCEL_ORDERS: Final = body(BatchCancelOrdersRequest)
AMEND_ORDER: Final = body(AmendOrderRequest)
DECREASE_ORDER: Final = body(DecreaseOrderRequest)
CREATE_ORDER_V2: Final = body(CreateOrderV2Request)
BATCH_CREATE_ORDERS_V2: Final = Body(BatchCreateOrdersV2Request, RawBatch)
BATCH_CANCEL_ORDERS_V2: Final = body(BatchCancelOrdersV2Request)
AMEND_ORDER_V2: Final = body(AmendOrderV2Request)
DECREASE_ORDER_V2: Final = body(DecreaseOrderV2Request)
QUEUE_POSITIONS: Final = body(QueuePositionsRequest)
CREATE_ORDER_GROUP: Final = body(CreateOrderGroupRequest, optional=True)
UPDATE_ORDER_GROUP_LIMIT: Final = body(UpdateOrderGroupLimitRequest)
SUBACCOUNT_TRANSFER: Final = body(ApplySubaccountTransferRequest)
POSITION_TRANSFER: Final = body(ApplySubaccountPositionTransferRequest)
SUBACCOUNT_NETTING: Final = body(UpdateSubaccountNettingRequest)
CREATE_API_KEY: Final = body(CreateApiKeyRequest)
GENERATE_API_KEY: Final = body(GenerateApiKeyRequest)
CREATE_RFQ: Final = body(CreateRFQRequest)
CREATE_QUOTE: Final = body(CreateQuoteRequest)
ACCEPT_QUOTE: Final = Body(AcceptQuoteRequest, AnyAcceptQuoteRequest)
CREATE_COMBO: Final = Body(CreateMarketInMultivariateEventCollectionRequest, AnyComboRequest)
LOOK_UP_COMBO: Final = Body(
    LookupTickersForMarketInMultivariateEventCollectionRequest, AnyComboRequest
)
PROPOSE_BLOCK_TRADE: Final = body(ProposeBlockTradeRequest)
ACCEPT_BLOCK_TRADE: Final = body(AcceptBlockTradeProposalRequest, optional=True)
EMPTY: Final = body(EmptyRequest, optional=True)
