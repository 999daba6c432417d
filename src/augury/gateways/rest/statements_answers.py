"""Answers of the later operations around the portfolio: payments, netting, the archive, costs."""

from augury.gateways.rest.answers import Answer, OrderbookCountFp


class GetHistoricalCutoffResponse(Answer):
    """What happened before these times is archived; 1970 says that nothing is."""

    market_settled_ts: str
    trades_created_ts: str
    orders_updated_ts: str
    market_positions_last_updated_ts: str


class Payment(Answer):
    """Money that came or went. Times are Unix seconds."""

    id: str
    status: str
    type: str
    amount_cents: int
    fee_cents: int
    created_ts: int
    finalized_ts: int


class GetDepositsResponse(Answer):
    deposits: list[Payment]
    cursor: str


class GetWithdrawalsResponse(Answer):
    withdrawals: list[Payment]
    cursor: str


class NettingConfig(Answer):
    subaccount_number: int
    enabled: bool


class GetSubaccountNettingResponse(Answer):
    netting_configs: list[NettingConfig]


class ApplySubaccountPositionTransferResponse(Answer):
    position_transfer_id: str


class MarketOrderbook(Answer):
    ticker: str
    orderbook_fp: OrderbookCountFp


class GetMarketOrderbooksResponse(Answer):
    orderbooks: list[MarketOrderbook]


class EndpointTokenCost(Answer):
    method: str
    path: str
    cost: int


class GetAccountEndpointCostsResponse(Answer):
    """Operations that cost something else than ``default_cost`` tokens; batches count per item."""

    default_cost: int
    endpoint_costs: list[EndpointTokenCost]
