"""What clients receive: a superset of the fields of all generations (compat.md, sections 1, 2).

Owns names and types only. Optional fields are left out rather than sent as ``null``, because
strict clients refuse ``null`` where they do not expect it. Integer cents and counts stand beside
their exact twins, ``*_dollars`` and ``*_fp``.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from augury.gateways.rest.errors import ErrorBody

Number = int | float
"""An integer wherever the value is whole."""


class Answer(msgspec.Struct, gc=False):
    """Base of all answers."""


# --- exchange --------------------------------------------------------------------------------


class ExchangeStatus(Answer):
    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None
    intra_exchange_transfers_active: bool
    exchange_index_statuses: list["ExchangeIndexStatus"]


class ExchangeIndexStatus(Answer):
    """One shard. There is one, number 0."""

    exchange_index: int
    description: str
    exchange_active: bool
    trading_active: bool
    intra_exchange_transfers_active: bool


class Announcement(Answer):
    type: str
    message: str
    delivery_time: str
    status: str


class GetExchangeAnnouncementsResponse(Answer):
    announcements: list[Announcement]


class DailySchedule(Answer):
    """One session of a day, ``HH:MM`` Eastern Time; a close of ``00:00`` is midnight."""

    open_time: str
    close_time: str


class WeeklySchedule(Answer):
    start_time: str
    end_time: str
    monday: list[DailySchedule]
    tuesday: list[DailySchedule]
    wednesday: list[DailySchedule]
    thursday: list[DailySchedule]
    friday: list[DailySchedule]
    saturday: list[DailySchedule]
    sunday: list[DailySchedule]


class MaintenanceWindow(Answer):
    start_datetime: str
    end_datetime: str


class Schedule(Answer):
    standard_hours: list[WeeklySchedule]
    maintenance_windows: list[MaintenanceWindow]


class GetExchangeScheduleResponse(Answer):
    schedule: Schedule


class GetUserDataTimestampResponse(Answer):
    as_of_time: str


# --- series, events, markets -----------------------------------------------------------------


class SettlementSource(Answer):
    name: str
    url: str


class Series(Answer):
    ticker: str
    frequency: str
    title: str
    category: str
    tags: list[str]
    settlement_sources: list[SettlementSource]
    contract_url: str
    contract_terms_url: str
    fee_type: str
    fee_multiplier: Number
    additional_prohibitions: list[str]
    product_metadata: dict[str, Any] | UnsetType | None = UNSET
    volume: int | UnsetType = UNSET
    volume_fp: str | UnsetType = UNSET


class GetSeriesResponse(Answer):
    series: Series


class GetSeriesListResponse(Answer):
    series: list[Series]


class PriceRange(Answer):
    start: str
    end: str
    step: str


class MveSelectedLeg(Answer):
    event_ticker: str
    market_ticker: str
    side: str
    yes_settlement_value_dollars: str | UnsetType = UNSET


class MarketDescription(Answer):
    """What of a market trading does not change."""

    ticker: str
    event_ticker: str
    market_type: str
    title: str
    subtitle: str
    yes_sub_title: str
    no_sub_title: str
    created_time: str
    updated_time: str
    open_time: str
    close_time: str
    expiration_time: str
    latest_expiration_time: str
    settlement_timer_seconds: int
    status: str
    response_price_units: str
    notional_value: int
    notional_value_dollars: str
    liquidity: int
    liquidity_dollars: str
    result: str
    can_close_early: bool
    expiration_value: str
    category: str
    risk_limit_cents: int
    rules_primary: str
    rules_secondary: str
    tick_size: int
    price_level_structure: str
    price_ranges: list[PriceRange]
    fractional_trading_enabled: bool
    expected_expiration_time: str | UnsetType = UNSET
    settlement_value: int | UnsetType = UNSET
    settlement_value_dollars: str | UnsetType = UNSET
    settlement_ts: str | UnsetType = UNSET
    fee_waiver_expiration_time: str | UnsetType = UNSET
    early_close_condition: str | UnsetType = UNSET
    strike_type: str | UnsetType = UNSET
    floor_strike: Number | UnsetType = UNSET
    cap_strike: Number | UnsetType = UNSET
    functional_strike: str | UnsetType = UNSET
    custom_strike: dict[str, Any] | UnsetType = UNSET
    mve_collection_ticker: str | UnsetType = UNSET
    mve_selected_legs: list[MveSelectedLeg] | UnsetType = UNSET
    primary_participant_key: str | UnsetType = UNSET
    is_provisional: bool | UnsetType = UNSET
    exchange_index: int = 0


class Market(MarketDescription, kw_only=True):
    """A market with its best prices. ``*_24h`` and ``previous_*`` look back 24 hours."""

    yes_bid: Number
    yes_bid_dollars: str
    yes_bid_size_fp: str
    yes_ask: Number
    yes_ask_dollars: str
    yes_ask_size_fp: str
    no_bid: Number
    no_bid_dollars: str
    no_ask: Number
    no_ask_dollars: str
    last_price: Number
    last_price_dollars: str
    previous_yes_bid: int
    previous_yes_bid_dollars: str
    previous_yes_ask: int
    previous_yes_ask_dollars: str
    previous_price: int
    previous_price_dollars: str
    volume: int
    volume_fp: str
    volume_24h: int
    volume_24h_fp: str
    open_interest: int
    open_interest_fp: str


class GetMarketResponse(Answer):
    market: Market


class GetMarketsResponse(Answer):
    markets: list[Market]
    cursor: str


class EventData(Answer):
    event_ticker: str
    series_ticker: str
    sub_title: str
    title: str
    collateral_return_type: str
    mutually_exclusive: bool
    category: str
    available_on_brokers: bool
    product_metadata: dict[str, Any] | None
    strike_date: str | UnsetType = UNSET
    strike_period: str | UnsetType = UNSET
    markets: list[Market] | UnsetType = UNSET


class GetEventResponse(Answer):
    event: EventData
    markets: list[Market]


class Milestone(Answer):
    """Something in the real world that events are about, such as a game."""

    id: str
    category: str
    type: str
    start_date: str
    related_event_tickers: list[str]
    title: str
    notification_message: str
    details: dict[str, Any]
    primary_event_tickers: list[str]
    last_updated_ts: str
    end_date: str | UnsetType = UNSET
    source_id: str | UnsetType = UNSET


class GetEventsResponse(Answer):
    events: list[EventData]
    milestones: list[Milestone]
    cursor: str


class MarketMetadata(Answer):
    market_ticker: str
    image_url: str
    color_code: str


class GetEventMetadataResponse(Answer):
    image_url: str
    featured_image_url: str
    market_details: list[MarketMetadata]
    settlement_sources: list[SettlementSource]
    competition: str | UnsetType = UNSET
    competition_scope: str | UnsetType = UNSET


class Orderbook(Answer):
    """Bids of both sides, the best one last: (cents or dollars, contracts).

    Dollars are not there in the profile ``latest``: its clients read ``orderbook_fp``, and one
    published client cannot read arrays here (compat.md, section 3).
    """

    yes: list[tuple[Number, int]]
    no: list[tuple[Number, int]]
    yes_dollars: list[tuple[str, int | str]] | UnsetType = UNSET
    no_dollars: list[tuple[str, int | str]] | UnsetType = UNSET


class OrderbookCountFp(Answer):
    """Bids of both sides, the best one last: (dollars, exact contracts)."""

    yes_dollars: list[tuple[str, str]]
    no_dollars: list[tuple[str, str]]


class GetMarketOrderbookResponse(Answer):
    orderbook: Orderbook
    orderbook_fp: OrderbookCountFp


class Trade(Answer):
    """One match of a taker with a maker. ``price`` is the YES price in dollars."""

    trade_id: str
    ticker: str
    price: Number
    count: int
    count_fp: str
    yes_price: int
    no_price: int
    yes_price_dollars: str
    no_price_dollars: str
    taker_side: str
    taker_outcome_side: str
    taker_book_side: str
    is_block_trade: bool
    created_time: str


class GetTradesResponse(Answer):
    trades: list[Trade]
    cursor: str


# --- orders ----------------------------------------------------------------------------------


class Order(Answer):
    order_id: str
    user_id: str
    client_order_id: str
    ticker: str
    side: str
    action: str
    outcome_side: str
    book_side: str
    type: str
    status: str
    yes_price: int
    no_price: int
    yes_price_dollars: str
    no_price_dollars: str
    fill_count: int
    fill_count_fp: str
    remaining_count: int
    remaining_count_fp: str
    initial_count: int
    initial_count_fp: str
    taker_fees: int
    taker_fees_dollars: str
    maker_fees: int
    maker_fees_dollars: str
    taker_fill_cost: int
    taker_fill_cost_dollars: str
    maker_fill_cost: int
    maker_fill_cost_dollars: str
    queue_position: int
    self_trade_prevention_type: str
    cancel_order_on_pause: bool
    subaccount_number: int
    created_time: str
    last_update_time: str | UnsetType = UNSET
    expiration_time: str | UnsetType = UNSET
    order_group_id: str | UnsetType = UNSET
    exchange_index: int = 0


class GetOrdersResponse(Answer):
    orders: list[Order]
    cursor: str


class OrderResponse(Answer):
    order: Order


class CancelOrderResponse(Answer):
    order: Order
    reduced_by: int
    reduced_by_fp: str


class AmendOrderResponse(Answer):
    old_order: Order
    order: Order


class BatchCreateOrdersIndividualResponse(Answer):
    client_order_id: str | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class BatchCreateOrdersResponse(Answer):
    orders: list[BatchCreateOrdersIndividualResponse]


class BatchCancelOrdersIndividualResponse(Answer):
    order_id: str
    reduced_by: int
    reduced_by_fp: str
    order: Order | UnsetType = UNSET
    error: ErrorBody | UnsetType = UNSET


class BatchCancelOrdersResponse(Answer):
    orders: list[BatchCancelOrdersIndividualResponse]


class OrderQueuePosition(Answer):
    """Contracts that trade before the order: 0 when it is first."""

    order_id: str
    market_ticker: str
    queue_position: int
    queue_position_fp: str


class GetOrderQueuePositionsResponse(Answer):
    queue_positions: list[OrderQueuePosition]


class GetOrderQueuePositionResponse(Answer):
    queue_position: int
    queue_position_fp: str


# --- order groups ----------------------------------------------------------------------------


class OrderGroup(Answer):
    """``is_auto_cancel_enabled`` turns false once the group was triggered."""

    id: str
    is_auto_cancel_enabled: bool
    contracts_limit: int
    contracts_limit_fp: str
    subaccount: int


class GetOrderGroupsResponse(Answer):
    order_groups: list[OrderGroup]


class GetOrderGroupResponse(Answer):
    is_auto_cancel_enabled: bool
    contracts_limit: int
    contracts_limit_fp: str
    orders: list[str]


class CreateOrderGroupResponse(Answer):
    order_group_id: str
    subaccount: int


class EmptyResponse(Answer):
    """Nothing to say: it was done."""


# --- portfolio -------------------------------------------------------------------------------


class GetBalanceResponse(Answer):
    """``balance`` is free to use; ``portfolio_value`` is what the positions are worth."""

    balance: int
    balance_dollars: str
    portfolio_value: int
    portfolio_value_dollars: str
    updated_ts: int
    balance_breakdown: list["IndexedBalance"]


class IndexedBalance(Answer):
    """What is free to use on one shard, in dollars."""

    exchange_index: int
    balance: str


class MarketPosition(Answer):
    ticker: str
    total_traded: int
    total_traded_dollars: str
    position: int
    position_fp: str
    market_exposure: int
    market_exposure_dollars: str
    realized_pnl: int
    realized_pnl_dollars: str
    resting_orders_count: int
    fees_paid: int
    fees_paid_dollars: str
    last_updated_ts: str


class EventPosition(Answer):
    event_ticker: str
    total_cost: int
    total_cost_dollars: str
    total_cost_shares: int
    total_cost_shares_fp: str
    event_exposure: int
    event_exposure_dollars: str
    realized_pnl: int
    realized_pnl_dollars: str
    resting_orders_count: int
    fees_paid: int
    fees_paid_dollars: str


class GetPositionsResponse(Answer):
    market_positions: list[MarketPosition]
    event_positions: list[EventPosition]
    cursor: str


class Fill(Answer):
    """One side of a trade. ``price`` is the YES price in dollars, ``fee_cost`` in dollars."""

    fill_id: str
    trade_id: str
    order_id: str
    client_order_id: str
    ticker: str
    market_ticker: str
    side: str
    action: str
    outcome_side: str
    book_side: str
    count: int
    count_fp: str
    price: Number
    yes_price: int
    no_price: int
    yes_price_fixed: str
    no_price_fixed: str
    yes_price_dollars: str
    no_price_dollars: str
    is_taker: bool
    fee_cost: str
    subaccount_number: int
    created_time: str
    ts: int
    exchange_index: int = 0


class GetFillsResponse(Answer):
    fills: list[Fill]
    cursor: str


class Settlement(Answer):
    """``value`` is what one YES contract paid, ``revenue`` what the position paid, in cents."""

    ticker: str
    event_ticker: str
    market_result: str
    yes_count: int
    yes_count_fp: str
    yes_total_cost: int
    yes_total_cost_dollars: str
    no_count: int
    no_count_fp: str
    no_total_cost: int
    no_total_cost_dollars: str
    revenue: int
    settled_time: str
    fee_cost: str
    value: int
    subaccount_number: int


class GetSettlementsResponse(Answer):
    settlements: list[Settlement]
    cursor: str


class GetPortfolioRestingOrderTotalValueResponse(Answer):
    total_resting_order_value: int


class CreateSubaccountResponse(Answer):
    subaccount_number: int


class SubaccountBalance(Answer):
    """``balance`` in ten-thousandths of a dollar; a dollar string to the latest clients."""

    subaccount_number: int
    balance: int | str
    balance_dollars: str
    updated_ts: int
    exchange_index: int = 0


class GetSubaccountBalancesResponse(Answer):
    subaccount_balances: list[SubaccountBalance]


class SubaccountTransfer(Answer):
    transfer_id: str
    from_subaccount: int
    to_subaccount: int
    amount_cents: int
    created_ts: int


class GetSubaccountTransfersResponse(Answer):
    transfers: list[SubaccountTransfer]
    cursor: str


# --- account ---------------------------------------------------------------------------------


class ApiKey(Answer):
    api_key_id: str
    name: str
    scopes: list[str]
    subaccount: int | UnsetType = UNSET


class GetApiKeysResponse(Answer):
    api_keys: list[ApiKey]


class CreateApiKeyResponse(Answer):
    api_key_id: str


class GenerateApiKeyResponse(Answer):
    """``private_key`` is told this one time and kept nowhere."""

    api_key_id: str
    private_key: str


class Bucket(Answer):
    refill_rate: int
    bucket_capacity: int


class GetAccountApiLimitsResponse(Answer):
    """Requests per second, as plain numbers and, for later clients, as buckets."""

    usage_tier: str
    read_limit: int | UnsetType = UNSET
    write_limit: int | UnsetType = UNSET
    read: Bucket | UnsetType = UNSET
    write: Bucket | UnsetType = UNSET
    grants: list[dict[str, Any]] | UnsetType = UNSET


# --- communications --------------------------------------------------------------------------


class GetCommunicationsIDResponse(Answer):
    communications_id: str


class RFQ(Answer):
    """A request for quotes. ``creator_id`` is empty while it is open.

    ``creator_user_id`` and ``creator_subaccount`` are shown to the creator alone.
    """

    id: str
    creator_id: str
    market_ticker: str
    contracts: int
    contracts_fp: str
    status: str
    created_ts: str
    updated_ts: str
    rest_remainder: bool
    target_cost_centi_cents: int | UnsetType = UNSET
    target_cost_dollars: str | UnsetType = UNSET
    mve_collection_ticker: str | UnsetType = UNSET
    mve_selected_legs: list[MveSelectedLeg] | UnsetType = UNSET
    cancellation_reason: str | UnsetType = UNSET
    cancelled_ts: str | UnsetType = UNSET
    creator_user_id: str | UnsetType = UNSET
    creator_subaccount: int | UnsetType = UNSET


class GetRFQsResponse(Answer):
    rfqs: list[RFQ]
    cursor: str


class GetRFQResponse(Answer):
    rfq: RFQ


class CreateRFQResponse(Answer):
    id: str


class Quote(Answer):
    """A quote, as one of its two parties sees it.

    ``rfq_creator_id`` is empty before execution. Users, subaccounts and orders are shown to
    whom they belong. ``yes_contracts_fp`` and ``no_contracts_fp`` are what each side offers.
    """

    id: str
    rfq_id: str
    creator_id: str
    rfq_creator_id: str
    market_ticker: str
    contracts: int
    contracts_fp: str
    yes_contracts_fp: str
    no_contracts_fp: str
    yes_bid: int
    no_bid: int
    yes_bid_dollars: str
    no_bid_dollars: str
    created_ts: str
    updated_ts: str
    status: str
    rest_remainder: bool
    post_only: bool
    accepted_side: str | UnsetType = UNSET
    accepted_ts: str | UnsetType = UNSET
    confirmed_ts: str | UnsetType = UNSET
    executed_ts: str | UnsetType = UNSET
    cancelled_ts: str | UnsetType = UNSET
    cancellation_reason: str | UnsetType = UNSET
    rfq_target_cost_centi_cents: int | UnsetType = UNSET
    rfq_target_cost_dollars: str | UnsetType = UNSET
    creator_user_id: str | UnsetType = UNSET
    creator_subaccount: int | UnsetType = UNSET
    creator_order_id: str | UnsetType = UNSET
    rfq_creator_user_id: str | UnsetType = UNSET
    rfq_creator_subaccount: int | UnsetType = UNSET
    rfq_creator_order_id: str | UnsetType = UNSET


class GetQuotesResponse(Answer):
    quotes: list[Quote]
    cursor: str


class BlockTradeProposal(Answer):
    """A trade off the book, as its two parties see it. Prices are those of YES."""

    id: str
    proposer_user_id: str
    buyer_user_id: str
    seller_user_id: str
    market_ticker: str
    price_centi_cents: int
    centicount: int
    maker_side: str
    expiration_ts: str
    status: str
    created_ts: str
    updated_ts: str
    buyer_accepted: bool
    seller_accepted: bool
    buyer_subtrader_id: str | UnsetType = UNSET
    seller_subtrader_id: str | UnsetType = UNSET
    buyer_subaccount: int | UnsetType = UNSET
    seller_subaccount: int | UnsetType = UNSET
    buyer_accepted_ts: str | UnsetType = UNSET
    seller_accepted_ts: str | UnsetType = UNSET
    executed_ts: str | UnsetType = UNSET
    buyer_order_id: str | UnsetType = UNSET
    seller_order_id: str | UnsetType = UNSET


class GetBlockTradeProposalsResponse(Answer):
    block_trade_proposals: list[BlockTradeProposal]
    cursor: str


class ProposeBlockTradeResponse(Answer):
    block_trade_proposal_id: str


class GetQuoteResponse(Answer):
    quote: Quote


class CreateQuoteResponse(Answer):
    id: str
