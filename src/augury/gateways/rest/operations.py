"""The trading API in one table, which drives dispatch, authentication, scopes, rate limits, the
OpenAPI document and the coverage page.

Operations of the specification that are not built are in the table too; they have no handler and
are answered with 501.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from augury.gateways.auth import (
    ACCEPT_BLOCK_TRADES,
    PORTFOLIO_BALANCE,
    READ,
    READ_BLOCK_TRADES,
    TRADE,
    TRANSFER,
    WRITE,
)
from augury.gateways.rate_limits import (
    READ_BUCKET,
    REQUEST,
    TOKEN,
    TOKENS_PER_REQUEST,
    WRITE_BUCKET,
)
from augury.gateways.rest import (
    account,
    answers,
    block_trades,
    bodies,
    candlesticks,
    communications,
    discovery,
    exchange,
    fcm,
    forecast,
    historical,
    listings,
    markets,
    multivariate,
    order_groups,
    orders,
    orders_v2,
    portfolio,
    statements,
)
from augury.gateways.rest import candlesticks_answers as charted
from augury.gateways.rest import discovery_answers as found
from augury.gateways.rest import multivariate_answers as combined
from augury.gateways.rest import orders_v2_answers as slim
from augury.gateways.rest import statements_answers as stated
from augury.gateways.rest.bodies import Body
from augury.gateways.rest.parameters import (
    NEW_FOR_SUBACCOUNT,
    OWNING_SUBACCOUNT,
    OWNING_SUBACCOUNT_V2,
    SUBACCOUNT,
    SUBACCOUNT_OR_PRIMARY,
    Parameter,
)
from augury.gateways.rest.request import Request, Services

PUBLIC: Final = ""
"""Scope of operations that need no signature."""

Handler = Callable[[Services, Request], Awaitable[msgspec.Struct | bytes | None]]
"""Returns the answer, which may be encoded already; None for an empty one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` is relative to the base path; ``{...}`` is one segment.

    ``scope`` is what a key must have, or ``PUBLIC``. ``cost`` is taken from ``bucket`` before the
    handler runs; batches cost nothing here and charge for their items themselves. An operation
    without an ``answer`` is answered with an empty body. ``extension``: not in the specification.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    handler: Handler | None
    answer: type[msgspec.Struct] | None = None
    scope: str = PUBLIC
    body: Body[Any] | None = None
    parameters: tuple[Parameter[Any], ...] = ()
    status: int = 200
    bucket: str = READ_BUCKET
    cost: int = REQUEST
    aliases: tuple[tuple[str, str], ...] = ()
    """Further (method, path) pairs under which early clients know it."""
    extension: bool = False
    one_subaccount: bool = False
    """It keeps to the subaccount of a restricted key though it has no such parameter."""

    @property
    def tokens(self) -> int:
        """What it costs where tokens are counted; 0 for batches, which charge for their items."""
        return 0 if not self.cost else 2 if self.id in CHEAP else TOKENS_PER_REQUEST

    @property
    def token_bucket(self) -> str:
        """Where tokens are counted, everything about trading is paid from the write bucket."""
        return WRITE_BUCKET if self.scope == TRADE else self.bucket

    @property
    def for_one_subaccount(self) -> bool:
        """Whether keys restricted to one subaccount may use it."""
        return (
            self.scope == PUBLIC
            or self.one_subaccount
            or any(parameter.name == SUBACCOUNT.name for parameter in self.parameters)
        )


CHEAP: Final = frozenset(
    {
        "CancelOrder",
        "CancelOrderV2",
        "CreateQuote",
        "DeleteQuote",
        "GetQuote",
        "DeleteRFQQuote",
        "GetRFQQuote",
    }
)
"""They cost two tokens (rules, section 15)."""

ORDER: Final = "/portfolio/orders/{order_id}"
ORDERS_V2: Final = "/portfolio/events/orders"
ORDER_V2: Final = ORDERS_V2 + "/{order_id}"
GROUP: Final = "/portfolio/order_groups/{order_group_id}"
EVENT: Final = "/events/{event_ticker}"
MARKET: Final = "/markets/{ticker}"
RFQ: Final = "/communications/rfqs/{rfq_id}"
QUOTE: Final = "/communications/quotes/{quote_id}"
RFQ_QUOTE: Final = RFQ + "/quotes/{quote_id}"
COLLECTIONS: Final = "/multivariate_event_collections"
COLLECTION: Final = COLLECTIONS + "/{collection_ticker}"
_SUBACCOUNT: Final = (SUBACCOUNT,)
_NEW_FOR: Final = (NEW_FOR_SUBACCOUNT,)
_OWNER: Final = (OWNING_SUBACCOUNT,)
_OWNER_V2: Final = (OWNING_SUBACCOUNT_V2,)


async def _get_endpoint_costs(
    _services: Services, _request: Request
) -> stated.GetAccountEndpointCostsResponse:
    # Only this module can see the whole table.
    return statements.endpoint_costs(
        (one.id, one.method, one.path, one.tokens * TOKEN) for one in BUILT
    )


# fmt: off
BUILT: Final[tuple[Operation, ...]] = (
    Operation("GetExchangeStatus", "GET", "/exchange/status", "exchange",
              "Whether the exchange works and trades",
              exchange.get_status, answers.ExchangeStatus),
    Operation("GetExchangeAnnouncements", "GET", "/exchange/announcements", "exchange",
              "What the exchange has to say",
              exchange.get_announcements, answers.GetExchangeAnnouncementsResponse),
    Operation("GetExchangeSchedule", "GET", "/exchange/schedule", "exchange",
              "Trading hours and coming maintenance",
              exchange.get_schedule, answers.GetExchangeScheduleResponse),
    Operation("GetUserDataTimestamp", "GET", "/exchange/user_data_timestamp", "exchange",
              "Up to when portfolio data is complete",
              exchange.get_user_data_timestamp, answers.GetUserDataTimestampResponse),

    Operation("GetSeriesList", "GET", "/series", "listings",
              "All series that match",
              listings.get_series_list, answers.GetSeriesListResponse,
              parameters=listings.SERIES_LIST_PARAMETERS),
    Operation("GetSeries", "GET", "/series/{series_ticker}", "listings",
              "One series",
              listings.get_series, answers.GetSeriesResponse,
              parameters=(listings.INCLUDE_VOLUME,)),
    Operation("GetEvents", "GET", "/events", "listings",
              "Events, newest first",
              listings.get_events, answers.GetEventsResponse,
              parameters=listings.EVENTS_PARAMETERS),
    Operation("GetEvent", "GET", EVENT, "listings",
              "One event with its markets",
              listings.get_event, answers.GetEventResponse,
              parameters=(listings.WITH_NESTED_MARKETS,)),
    Operation("GetEventMetadata", "GET", EVENT + "/metadata", "listings",
              "Pictures, colors and sources of an event",
              listings.get_event_metadata, answers.GetEventMetadataResponse),
    Operation("GetMarkets", "GET", "/markets", "markets",
              "Markets, newest first",
              markets.get_markets, answers.GetMarketsResponse,
              parameters=markets.MARKETS_PARAMETERS),
    Operation("GetTrades", "GET", "/markets/trades", "markets",
              "Public trades, newest first",
              markets.get_trades, answers.GetTradesResponse,
              parameters=markets.TRADES_PARAMETERS),
    Operation("GetMarket", "GET", MARKET, "markets",
              "One market",
              markets.get_market, answers.GetMarketResponse),
    Operation("GetMarketOrderbook", "GET", MARKET + "/orderbook", "markets",
              "Resting bids of both sides",
              markets.get_orderbook, answers.GetMarketOrderbookResponse,
              parameters=(markets.DEPTH,)),

    Operation("GetOrders", "GET", "/portfolio/orders", "orders",
              "One's own orders, newest first",
              orders.get_orders, answers.GetOrdersResponse, READ,
              parameters=orders.ORDERS_PARAMETERS),
    Operation("CreateOrder", "POST", "/portfolio/orders", "orders",
              "Enter an order",
              orders.create_order, answers.OrderResponse, TRADE, bodies.CREATE_ORDER,
              _NEW_FOR, 201, WRITE_BUCKET),
    Operation("BatchCreateOrders", "POST", "/portfolio/orders/batched", "orders",
              "Enter up to 20 orders",
              orders.batch_create_orders, answers.BatchCreateOrdersResponse, TRADE,
              bodies.BATCH_CREATE_ORDERS, _NEW_FOR, 201, WRITE_BUCKET, 0),
    Operation("BatchCancelOrders", "DELETE", "/portfolio/orders/batched", "orders",
              "Cancel up to 20 orders",
              orders.batch_cancel_orders, answers.BatchCancelOrdersResponse, TRADE,
              bodies.BATCH_CANCEL_ORDERS, (), 200, WRITE_BUCKET, 0, one_subaccount=True),
    Operation("GetOrderQueuePositions", "GET", "/portfolio/orders/queue_positions", "orders",
              "How much trades before one's own orders",
              orders.get_queue_positions, answers.GetOrderQueuePositionsResponse, READ,
              parameters=orders.QUEUE_PARAMETERS),
    Operation("PostOrderQueuePositions", "POST", "/portfolio/orders/queue_positions", "orders",
              "The early form of GetOrderQueuePositions",
              orders.post_queue_positions, answers.GetOrderQueuePositionsResponse, READ,
              bodies.QUEUE_POSITIONS, extension=True, one_subaccount=True),
    Operation("GetOrder", "GET", ORDER, "orders",
              "One of one's own orders",
              orders.get_order, answers.OrderResponse, READ, one_subaccount=True),
    Operation("CancelOrder", "DELETE", ORDER, "orders",
              "Take a resting order out of the book",
              orders.cancel_order, answers.CancelOrderResponse, TRADE, None,
              _OWNER, 200, WRITE_BUCKET),
    Operation("AmendOrder", "POST", ORDER + "/amend", "orders",
              "Change price or size of a resting order",
              orders.amend_order, answers.AmendOrderResponse, TRADE, bodies.AMEND_ORDER,
              _OWNER, 200, WRITE_BUCKET),
    Operation("DecreaseOrder", "POST", ORDER + "/decrease", "orders",
              "Make a resting order smaller without losing its place",
              orders.decrease_order, answers.OrderResponse, TRADE, bodies.DECREASE_ORDER,
              _OWNER, 200, WRITE_BUCKET),
    Operation("GetOrderQueuePosition", "GET", ORDER + "/queue_position", "orders",
              "How much trades before a resting order",
              orders.get_queue_position, answers.GetOrderQueuePositionResponse, READ,
              one_subaccount=True),

    Operation("CreateOrderV2", "POST", ORDERS_V2, "orders in their later form",
              "Enter an order, seen from the YES side",
              orders_v2.create_order, slim.CreateOrderV2Response, TRADE, bodies.CREATE_ORDER_V2,
              _NEW_FOR, 201, WRITE_BUCKET, extension=True),
    Operation("BatchCreateOrdersV2", "POST", ORDERS_V2 + "/batched", "orders in their later form",
              "Enter as many orders as a second's budget pays for",
              orders_v2.batch_create_orders, slim.BatchCreateOrdersV2Response, TRADE,
              bodies.BATCH_CREATE_ORDERS_V2, _NEW_FOR, 201, WRITE_BUCKET, 0, extension=True),
    Operation("BatchCancelOrdersV2", "DELETE", ORDERS_V2 + "/batched",
              "orders in their later form", "Cancel many orders",
              orders_v2.batch_cancel_orders, slim.BatchCancelOrdersV2Response, TRADE,
              bodies.BATCH_CANCEL_ORDERS_V2, _OWNER_V2, 200, WRITE_BUCKET, 0, extension=True),
    Operation("CancelOrderV2", "DELETE", ORDER_V2, "orders in their later form",
              "Take a resting order out of the book",
              orders_v2.cancel_order, slim.CancelOrderV2Response, TRADE, None,
              _OWNER_V2, 200, WRITE_BUCKET, extension=True),
    Operation("AmendOrderV2", "POST", ORDER_V2 + "/amend", "orders in their later form",
              "Change price and size of a resting order",
              orders_v2.amend_order, slim.AmendOrderV2Response, TRADE, bodies.AMEND_ORDER_V2,
              _OWNER_V2, 200, WRITE_BUCKET, extension=True),
    Operation("DecreaseOrderV2", "POST", ORDER_V2 + "/decrease", "orders in their later form",
              "Make a resting order smaller without losing its place",
              orders_v2.decrease_order, slim.DecreaseOrderV2Response, TRADE,
              bodies.DECREASE_ORDER_V2, _OWNER_V2, 200, WRITE_BUCKET, extension=True),

    Operation("GetOrderGroups", "GET", "/portfolio/order_groups", "order groups",
              "One's own order groups",
              order_groups.get_order_groups, answers.GetOrderGroupsResponse, READ,
              parameters=_SUBACCOUNT),
    Operation("CreateOrderGroup", "POST", "/portfolio/order_groups/create", "order groups",
              "Limit what a group of orders trades within 15 seconds",
              order_groups.create_order_group, answers.CreateOrderGroupResponse, TRADE,
              bodies.CREATE_ORDER_GROUP, _NEW_FOR, 201),
    Operation("GetOrderGroup", "GET", GROUP, "order groups",
              "An order group and its resting orders",
              order_groups.get_order_group, answers.GetOrderGroupResponse, READ,
              one_subaccount=True),
    Operation("DeleteOrderGroup", "DELETE", GROUP, "order groups",
              "Cancel the orders of a group and remove it",
              order_groups.delete_order_group, answers.EmptyResponse, TRADE, one_subaccount=True),
    Operation("ResetOrderGroup", "PUT", GROUP + "/reset", "order groups",
              "Let a triggered group trade again",
              order_groups.reset_order_group, answers.EmptyResponse, TRADE, bodies.EMPTY,
              aliases=(("POST", GROUP + "/reset"),), one_subaccount=True),
    Operation("TriggerOrderGroup", "PUT", GROUP + "/trigger", "order groups",
              "Cancel the orders of a group and refuse new ones until it is reset",
              order_groups.trigger_order_group, answers.EmptyResponse, TRADE, bodies.EMPTY,
              one_subaccount=True),
    Operation("UpdateOrderGroupLimit", "PUT", GROUP + "/limit", "order groups",
              "Change the limit of a group",
              order_groups.update_order_group_limit, answers.EmptyResponse, TRADE,
              bodies.UPDATE_ORDER_GROUP_LIMIT, one_subaccount=True),

    Operation("GetBalance", "GET", "/portfolio/balance", "portfolio",
              "Money that is free to use, and the worth of positions",
              portfolio.get_balance, answers.GetBalanceResponse, PORTFOLIO_BALANCE,
              parameters=(SUBACCOUNT_OR_PRIMARY,)),
    Operation("GetPositions", "GET", "/portfolio/positions", "portfolio",
              "Unsettled positions by market and by event",
              portfolio.get_positions, answers.GetPositionsResponse, READ,
              parameters=portfolio.POSITIONS_PARAMETERS),
    Operation("GetFills", "GET", "/portfolio/fills", "portfolio",
              "One's own trades, newest first",
              portfolio.get_fills, answers.GetFillsResponse, READ,
              parameters=portfolio.FILLS_PARAMETERS),
    Operation("GetSettlements", "GET", "/portfolio/settlements", "portfolio",
              "What positions paid in the end, newest first",
              portfolio.get_settlements, answers.GetSettlementsResponse, READ,
              parameters=portfolio.SETTLEMENTS_PARAMETERS),
    Operation("GetPortfolioRestingOrderTotalValue", "GET",
              "/portfolio/summary/total_resting_order_value", "portfolio",
              "Money held for resting orders",
              portfolio.get_total_resting_order_value,
              answers.GetPortfolioRestingOrderTotalValueResponse, READ, one_subaccount=True),
    Operation("CreateSubaccount", "POST", "/portfolio/subaccounts", "portfolio",
              "Open the next subaccount",
              portfolio.create_subaccount, answers.CreateSubaccountResponse, WRITE, status=201),
    Operation("ApplySubaccountTransfer", "POST", "/portfolio/subaccounts/transfer", "portfolio",
              "Move money between two of one's own subaccounts",
              portfolio.transfer, answers.EmptyResponse, TRANSFER, bodies.SUBACCOUNT_TRANSFER),
    Operation("GetSubaccountBalances", "GET", "/portfolio/subaccounts/balances", "portfolio",
              "What each subaccount has free to use",
              portfolio.get_subaccount_balances, answers.GetSubaccountBalancesResponse,
              PORTFOLIO_BALANCE,
              one_subaccount=True),
    Operation("GetSubaccountTransfers", "GET", "/portfolio/subaccounts/transfers", "portfolio",
              "Transfers between one's own subaccounts, newest first",
              portfolio.get_subaccount_transfers, answers.GetSubaccountTransfersResponse, READ,
              parameters=portfolio.TRANSFERS_PARAMETERS),

    Operation("GetCommunicationsID", "GET", "/communications/id", "communications",
              "The pseudonym under which others meet the caller",
              communications.get_communications_id, answers.GetCommunicationsIDResponse, READ,
              one_subaccount=True),
    Operation("GetRFQs", "GET", "/communications/rfqs", "communications",
              "Requests for quotes, newest first",
              communications.get_rfqs, answers.GetRFQsResponse, READ,
              parameters=communications.RFQS_PARAMETERS),
    Operation("CreateRFQ", "POST", "/communications/rfqs", "communications",
              "Ask for quotes on a market",
              communications.create_rfq, answers.CreateRFQResponse, TRADE, bodies.CREATE_RFQ,
              _NEW_FOR, 201),
    Operation("GetRFQ", "GET", RFQ, "communications",
              "One request for quotes",
              communications.get_rfq, answers.GetRFQResponse, READ,
              one_subaccount=True),
    Operation("DeleteRFQ", "DELETE", RFQ, "communications",
              "Close one's own request, and with it the quotes that answer it",
              communications.delete_rfq, None, TRADE, status=204,
              one_subaccount=True),
    Operation("GetQuotes", "GET", "/communications/quotes", "communications",
              "Quotes that one has made or received, newest first",
              communications.get_quotes, answers.GetQuotesResponse, READ,
              parameters=communications.QUOTES_PARAMETERS),
    Operation("CreateQuote", "POST", "/communications/quotes", "communications",
              "Answer a request for quotes; an earlier answer is replaced",
              communications.create_quote, answers.CreateQuoteResponse, TRADE,
              bodies.CREATE_QUOTE, _NEW_FOR, 201),
    Operation("GetQuote", "GET", QUOTE, "communications",
              "One quote that one has made or received",
              communications.get_quote, answers.GetQuoteResponse, READ,
              one_subaccount=True),
    Operation("DeleteQuote", "DELETE", QUOTE, "communications",
              "Take back an open quote",
              communications.delete_quote, None, TRADE, status=204,
              one_subaccount=True),
    Operation("AcceptQuote", "PUT", QUOTE + "/accept", "communications",
              "Take one side of a quote; its maker then has to confirm in time",
              communications.accept_quote, None, TRADE, bodies.ACCEPT_QUOTE, status=204,
              one_subaccount=True),
    Operation("ConfirmQuote", "PUT", QUOTE + "/confirm", "communications",
              "Stand by an accepted quote; the orders follow after the execution timer",
              communications.confirm_quote, None, TRADE, bodies.EMPTY, status=204,
              one_subaccount=True),
    Operation("GetRFQQuote", "GET", RFQ_QUOTE, "communications",
              "GetQuote by request and quote",
              communications.get_quote, answers.GetQuoteResponse, READ,
              one_subaccount=True, extension=True),
    Operation("DeleteRFQQuote", "DELETE", RFQ_QUOTE, "communications",
              "DeleteQuote by request and quote",
              communications.delete_quote, None, TRADE, status=204,
              one_subaccount=True, extension=True),
    Operation("AcceptRFQQuote", "PUT", RFQ_QUOTE + "/accept", "communications",
              "AcceptQuote by request and quote",
              communications.accept_quote, None, TRADE, bodies.ACCEPT_QUOTE, status=204,
              one_subaccount=True, extension=True),
    Operation("ConfirmRFQQuote", "PUT", RFQ_QUOTE + "/confirm", "communications",
              "ConfirmQuote by request and quote",
              communications.confirm_quote, None, TRADE, bodies.EMPTY, status=204,
              one_subaccount=True, extension=True),

    Operation("GetBlockTradeProposals", "GET", "/communications/block-trade-proposals",
              "communications", "Trades off the book to which the caller is party, newest first",
              block_trades.get_proposals, answers.GetBlockTradeProposalsResponse,
              READ_BLOCK_TRADES, parameters=block_trades.PROPOSALS_PARAMETERS,
              one_subaccount=True, extension=True),
    Operation("ProposeBlockTrade", "POST", "/communications/block-trade-proposals",
              "communications", "Propose a trade off the book to another member",
              block_trades.propose, answers.ProposeBlockTradeResponse, TRADE,
              bodies.PROPOSE_BLOCK_TRADE, status=201, one_subaccount=True, extension=True),
    Operation("AcceptBlockTradeProposal", "POST",
              "/communications/block-trade-proposals/{block_trade_proposal_id}/accept",
              "communications", "Agree to a trade off the book, which happens at once",
              block_trades.accept, None, ACCEPT_BLOCK_TRADES, bodies.ACCEPT_BLOCK_TRADE,
              status=204, one_subaccount=True, extension=True),

    Operation("GetFCMOrders", "GET", "/fcm/orders", "clearing members",
              "Orders of a customer, newest first",
              fcm.get_fcm_orders, answers.GetOrdersResponse, READ,
              parameters=fcm.FCM_ORDERS_PARAMETERS),
    Operation("GetFCMPositions", "GET", "/fcm/positions", "clearing members",
              "Positions of a customer, unsettled ones first",
              fcm.get_fcm_positions, answers.GetPositionsResponse, READ,
              parameters=fcm.FCM_POSITIONS_PARAMETERS),

    Operation("GetApiKeys", "GET", "/api_keys", "account",
              "One's own API keys",
              account.get_api_keys, answers.GetApiKeysResponse, READ),
    Operation("CreateApiKey", "POST", "/api_keys", "account",
              "Let a public key sign",
              account.create_api_key, answers.CreateApiKeyResponse, WRITE,
              bodies.CREATE_API_KEY, status=201),
    Operation("GenerateApiKey", "POST", "/api_keys/generate", "account",
              "Have a key pair made; the private key is shown once",
              account.generate_api_key, answers.GenerateApiKeyResponse, WRITE,
              bodies.GENERATE_API_KEY, status=201),
    Operation("DeleteApiKey", "DELETE", "/api_keys/{api_key}", "account",
              "Withdraw an API key",
              account.delete_api_key, None, WRITE, status=204),
    Operation("GetAccountApiLimits", "GET", "/account/limits", "account",
              "How many requests per second are allowed",
              account.get_account_limits, answers.GetAccountApiLimitsResponse, READ,
              one_subaccount=True),

    Operation("GetMultivariateEvents", "GET", "/events/multivariate", "multivariate",
              "Combos as events, newest first",
              multivariate.get_multivariate_events, combined.GetMultivariateEventsResponse,
              parameters=multivariate.EVENTS_PARAMETERS),
    Operation("GetMultivariateEventCollections", "GET", COLLECTIONS, "multivariate",
              "Collections of events whose markets can be combined, newest first",
              multivariate.get_collections, combined.GetMultivariateEventCollectionsResponse,
              parameters=multivariate.COLLECTIONS_PARAMETERS),
    Operation("GetMultivariateEventCollection", "GET", COLLECTION, "multivariate",
              "One collection",
              multivariate.get_collection, combined.GetMultivariateEventCollectionResponse),
    Operation("CreateMarketInMultivariateEventCollection", "POST", COLLECTION, "multivariate",
              "List the market that combines some legs, unless it is there already",
              multivariate.create_combo,
              combined.CreateMarketInMultivariateEventCollectionResponse, TRADE,
              bodies.CREATE_COMBO),
    Operation("LookupTickersForMarketInMultivariateEventCollection", "PUT",
              COLLECTION + "/lookup", "multivariate",
              "The market that combines some legs",
              multivariate.look_up_combo,
              combined.LookupTickersForMarketInMultivariateEventCollectionResponse, TRADE,
              bodies.LOOK_UP_COMBO),
    Operation("GetMultivariateEventCollectionLookupHistory", "GET", COLLECTION + "/lookup",
              "multivariate", "Combos that were looked up of late",
              multivariate.get_lookup_history,
              combined.GetMultivariateEventCollectionLookupHistoryResponse,
              parameters=(multivariate.LOOKBACK_SECONDS,)),

    Operation("GetMilestones", "GET", "/milestones", "discovery",
              "Happenings that events are about, by their start",
              discovery.get_milestones, found.GetMilestonesResponse,
              parameters=discovery.MILESTONES_PARAMETERS),
    Operation("GetMilestone", "GET", "/milestones/{milestone_id}", "discovery",
              "One milestone",
              discovery.get_milestone, found.GetMilestoneResponse),
    Operation("GetLiveDatas", "GET", "/live_data/batch", "discovery",
              "Live data of several milestones",
              discovery.get_live_datas, found.GetLiveDatasResponse,
              parameters=(discovery.MILESTONE_IDS,)),
    Operation("GetLiveDataOfMilestone", "GET", "/live_data/milestone/{milestone_id}", "discovery",
              "Live data of a milestone, whatever its type",
              discovery.get_live_data_of_milestone, found.GetLiveDataResponse, extension=True),
    Operation("GetLiveData", "GET", "/live_data/{type}/milestone/{milestone_id}", "discovery",
              "Live data of a milestone",
              discovery.get_live_data, found.GetLiveDataResponse),
    Operation("GetStructuredTargets", "GET", "/structured_targets", "discovery",
              "Entities that markets refer to, by name",
              discovery.get_structured_targets, found.GetStructuredTargetsResponse,
              parameters=discovery.TARGETS_PARAMETERS),
    Operation("GetStructuredTarget", "GET", "/structured_targets/{structured_target_id}",
              "discovery", "One entity",
              discovery.get_structured_target, found.GetStructuredTargetResponse),
    Operation("GetTagsForSeriesCategories", "GET", "/search/tags_by_categories", "discovery",
              "The tags in use, by category",
              discovery.get_tags_by_categories, found.GetTagsForSeriesCategoriesResponse),
    Operation("GetFiltersForSports", "GET", "/search/filters_by_sport", "discovery",
              "Competitions and scopes, by sport",
              discovery.get_filters_by_sports, found.GetFiltersBySportsResponse),
    Operation("GetIncentivePrograms", "GET", "/incentive_programs", "discovery",
              "Rewards for liquidity and volume",
              discovery.get_incentive_programs, found.GetIncentiveProgramsResponse,
              parameters=discovery.INCENTIVES_PARAMETERS),
    Operation("GetSeriesFeeChanges", "GET", "/series/fee_changes", "discovery",
              "Fee terms that will change, by time",
              discovery.get_series_fee_changes, found.GetSeriesFeeChangesResponse,
              parameters=discovery.FEE_CHANGES_PARAMETERS),

    Operation("GetMarketCandlesticks", "GET",
              "/series/{series_ticker}/markets/{ticker}/candlesticks", "candlesticks",
              "Prices of a market, period by period",
              candlesticks.get_market_candlesticks, charted.GetMarketCandlesticksResponse,
              parameters=candlesticks.CANDLESTICKS_PARAMETERS),
    Operation("BatchGetMarketCandlesticks", "GET", "/markets/candlesticks", "candlesticks",
              "Prices of several markets, period by period",
              candlesticks.batch_get_market_candlesticks,
              charted.BatchGetMarketCandlesticksResponse,
              parameters=candlesticks.BATCH_PARAMETERS),
    Operation("GetMarketCandlesticksByEvent", "GET",
              "/series/{series_ticker}/events/{ticker}/candlesticks", "candlesticks",
              "Prices of all markets of an event, period by period",
              candlesticks.get_event_candlesticks, charted.GetEventCandlesticksResponse,
              parameters=candlesticks.EVENT_PARAMETERS),
    Operation("GetEventForecastPercentilesHistory", "GET",
              "/series/{series_ticker}/events/{ticker}/forecast_percentile_history",
              "candlesticks", "What the markets of an event expected of a number, over time",
              forecast.get_event_forecast_percentile_history,
              charted.GetEventForecastPercentilesHistoryResponse, READ,
              parameters=forecast.FORECAST_PARAMETERS),

    Operation("GetHistoricalCutoff", "GET", "/historical/cutoff", "archive",
              "Before which times everything is archived",
              historical.get_cutoff, stated.GetHistoricalCutoffResponse, extension=True),
    Operation("GetHistoricalMarkets", "GET", "/historical/markets", "archive",
              "Archived markets, newest first",
              historical.get_markets, answers.GetMarketsResponse,
              parameters=historical.MARKETS_PARAMETERS, extension=True),
    Operation("GetHistoricalMarket", "GET", "/historical/markets/{ticker}", "archive",
              "One archived market",
              historical.get_market, answers.GetMarketResponse, extension=True),
    Operation("GetMarketCandlesticksHistorical", "GET",
              "/historical/markets/{ticker}/candlesticks", "archive",
              "Prices of an archived market, period by period",
              historical.get_candlesticks, charted.GetMarketCandlesticksHistoricalResponse,
              parameters=historical.CANDLESTICKS_PARAMETERS, extension=True),
    Operation("GetHistoricalTrades", "GET", "/historical/trades", "archive",
              "Archived public trades, newest first",
              historical.get_trades, answers.GetTradesResponse,
              parameters=historical.TRADES_PARAMETERS, extension=True),
    Operation("GetHistoricalFills", "GET", "/historical/fills", "archive",
              "One's own archived trades, newest first",
              historical.get_fills, answers.GetFillsResponse, READ,
              parameters=historical.FILLS_PARAMETERS, extension=True),
    Operation("GetHistoricalOrders", "GET", "/historical/orders", "archive",
              "One's own archived orders, newest first",
              historical.get_orders, answers.GetOrdersResponse, READ,
              parameters=historical.ORDERS_PARAMETERS, extension=True),
    Operation("GetHistoricalPositions", "GET", "/historical/positions", "archive",
              "One's own settled positions in archived events, newest settled first",
              historical.get_positions, answers.GetPositionsResponse, READ,
              parameters=historical.POSITIONS_PARAMETERS, extension=True),

    Operation("GetDeposits", "GET", "/portfolio/deposits", "portfolio",
              "Money that came in, newest first",
              statements.get_deposits, stated.GetDepositsResponse, READ,
              parameters=statements.PAYMENTS_PARAMETERS, extension=True),
    Operation("GetWithdrawals", "GET", "/portfolio/withdrawals", "portfolio",
              "Money that went out, newest first",
              statements.get_withdrawals, stated.GetWithdrawalsResponse, READ,
              parameters=statements.PAYMENTS_PARAMETERS, extension=True),
    Operation("GetSubaccountNetting", "GET", "/portfolio/subaccounts/netting", "portfolio",
              "Which subaccounts have collateral returned across the markets of an event",
              statements.get_netting, stated.GetSubaccountNettingResponse, READ,
              extension=True),
    Operation("UpdateSubaccountNetting", "PUT", "/portfolio/subaccounts/netting", "portfolio",
              "Switch the return of collateral for a subaccount",
              statements.update_netting, answers.EmptyResponse, WRITE,
              bodies.SUBACCOUNT_NETTING, extension=True),
    Operation("ApplySubaccountPositionTransfer", "POST",
              "/portfolio/subaccounts/positions/transfer", "portfolio",
              "Move a position between two of one's own subaccounts",
              statements.transfer_position, stated.ApplySubaccountPositionTransferResponse,
              TRANSFER, bodies.POSITION_TRANSFER, extension=True),
    Operation("GetMarketOrderbooks", "GET", "/markets/orderbooks", "markets",
              "Resting bids of several markets",
              statements.get_orderbooks, stated.GetMarketOrderbooksResponse,
              parameters=(statements.BOOK_TICKERS,), extension=True),
    Operation("GetAccountEndpointCosts", "GET", "/account/endpoint_costs", "account",
              "Which requests cost more or less tokens than others",
              _get_endpoint_costs, stated.GetAccountEndpointCostsResponse,
              extension=True),
)
# fmt: on


class SpecifiedField(msgspec.Struct, array_like=True):
    """A parameter or a field. ``kind`` is its JSON type, with ``?`` where it may be null.

    Fields inside others have dotted paths; ``[]`` stands for the items of a list. ``values`` are
    all it can have, or nothing.
    """

    path: str
    kind: str
    required: bool
    values: list[Any]


class SpecifiedOperation(msgspec.Struct):
    """An operation of the specification: facts only, derived by a script."""

    id: str
    method: str
    path: str
    signed: bool
    parameters: list[SpecifiedField]
    request_fields: list[SpecifiedField]
    answer_fields: list[SpecifiedField]


class Specification(msgspec.Struct):
    version: str
    operations: list[SpecifiedOperation]


@cache
def specification() -> Specification:
    """What the API should have."""
    raw = files("augury.gateways.rest").joinpath("specification.json").read_bytes()
    return msgspec.json.decode(raw, type=Specification)


def _missing() -> tuple[Operation, ...]:
    """The operations of the specification that are not built."""
    built = {operation.id for operation in BUILT}
    return tuple(
        Operation(
            specified.id,
            specified.method,
            specified.path,
            "not built",
            "Not built yet",
            None,
            scope=PUBLIC if not specified.signed else READ if specified.method == "GET" else WRITE,
        )
        for specified in specification().operations
        if specified.id not in built
    )


OPERATIONS: Final[tuple[Operation, ...]] = BUILT + _missing()
