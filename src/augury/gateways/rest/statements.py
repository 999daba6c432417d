"""Later operations around the portfolio (compat.md, section 5): payments in and out, netting,
moved positions, several order books at once, and what requests cost.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from augury.codec.ids import format_id
from augury.codec.text import (
    cents_floor,
    count_fp,
    parse_count,
    parse_price,
    price_dollars,
    seconds,
)
from augury.core.commands import SetNetting, TransferPosition
from augury.core.rejections import INVALID_ORDER_SIZE
from augury.core.state import Market
from augury.core.units import PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE
from augury.gateways.rate_limits import REQUEST
from augury.gateways.rest import archive, parameters
from augury.gateways.rest.answers import EmptyResponse, OrderbookCountFp
from augury.gateways.rest.bodies import (
    POSITION_TRANSFER,
    SUBACCOUNT_NETTING,
    ApplySubaccountPositionTransferRequest,
)
from augury.gateways.rest.errors import invalid, refusal
from augury.gateways.rest.orders import BATCHED_CANCEL_COST
from augury.gateways.rest.parameters import CURSOR, Parameter, limit
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.statements_answers import (
    ApplySubaccountPositionTransferResponse,
    EndpointTokenCost,
    GetAccountEndpointCostsResponse,
    GetDepositsResponse,
    GetMarketOrderbooksResponse,
    GetSubaccountNettingResponse,
    GetWithdrawalsResponse,
    MarketOrderbook,
    NettingConfig,
    Payment,
)
from augury.gateways.settings import BASE_PATH

DEFAULT_COST: Final = 10
"""Tokens of a request that costs what requests usually cost (rules, section 15)."""

BOOKS_LIMIT: Final = 100
LARGEST_COUNT: Final = 1_000_000_000

PAYMENTS_LIMIT: Final = limit(500)
PAYMENTS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (PAYMENTS_LIMIT, CURSOR)
BOOK_TICKERS: Final = parameters.texts(
    "tickers", "Of these markets, 1 to 100.", maximum=BOOKS_LIMIT, required=True
)


# --- payments --------------------------------------------------------------------------------


async def get_deposits(services: Services, request: Request) -> GetDepositsResponse:
    """Newest first."""
    return GetDepositsResponse(*await _payments(services, request, "deposit"))


async def get_withdrawals(services: Services, request: Request) -> GetWithdrawalsResponse:
    """Newest first."""
    return GetWithdrawalsResponse(*await _payments(services, request, "withdrawal"))


async def _payments(services: Services, request: Request, kind: str) -> tuple[list[Payment], str]:
    """The operator books payments when they are done, so all of them count as wired and applied."""
    page = request.value(PAYMENTS_LIMIT)
    position = services.position(request, tuple[int])
    await services.catch_up()
    rows = await services.queries.cash_movements(
        request.member_id,
        limit=page + 1,
        before_id=0 if position is None else position[0],
        kind=kind,
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].movement_id,))
    payments = [
        Payment(
            format_id(kind, row.movement_id),
            "applied",
            "wire",
            cents_floor(row.amount),
            0,
            seconds(row.time_ns),
            seconds(row.time_ns),
        )
        for row in rows
    ]
    return payments, cursor


# --- netting and positions of subaccounts ----------------------------------------------------


async def get_netting(services: Services, request: Request) -> GetSubaccountNettingResponse:
    """One row per subaccount, the primary one first."""
    accounts = services.member(request).accounts
    return GetSubaccountNettingResponse(
        [
            NettingConfig(number, account.netting)
            for number, account in sorted(accounts.items())
            if not account.subtrader
        ]
    )


async def update_netting(services: Services, request: Request) -> EmptyResponse:
    """Switching it off is refused while the money that was returned is not there."""
    body = request.read(SUBACCOUNT_NETTING)
    request_account = services.account(request, body.subaccount_number)
    await services.submit(SetNetting(request.member_id, request_account.number, body.enabled))
    return EmptyResponse()


async def transfer_position(
    services: Services, request: Request
) -> ApplySubaccountPositionTransferResponse:
    """Once per ``client_transfer_id``; using one again is answered with 409."""
    body = request.read(POSITION_TRANSFER)
    try:
        transfer_id = str(UUID(body.client_transfer_id))
    except ValueError:
        raise invalid("client_transfer_id must be a UUID") from None
    quantity, price = _quantity(body), _price(body)
    source = services.account(request, body.from_subaccount)
    services.account(request, body.to_subaccount)
    holding = source.holdings.get(body.market_ticker)
    if holding is not None and (holding.quantity > 0) != (body.side == "yes"):
        # What was moved already is told apart from what was never there.
        if transfer_id not in services.member(request).transfer_ids:
            raise refusal(INVALID_ORDER_SIZE, "no such position")
    applied = await services.submit(
        TransferPosition(
            request.member_id,
            body.from_subaccount,
            body.to_subaccount,
            body.market_ticker,
            quantity,
            price,
            transfer_id,
        )
    )
    return ApplySubaccountPositionTransferResponse(format_id("transfer", applied.sequence))


def _quantity(body: ApplySubaccountPositionTransferRequest) -> int:
    """Hundredths of a contract. Raises ``ApiError``."""
    counts = set()
    if body.count is not None:
        counts.add(body.count * QUANTITY_ONE)
    if body.count_fp is not None:
        try:
            counts.add(parse_count(body.count_fp))
        except ValueError as error:
            raise invalid(f"count_fp: {error}") from None
    if len(counts) != 1:
        raise invalid("exactly one count is required")
    (quantity,) = counts
    if not 0 < quantity <= LARGEST_COUNT * QUANTITY_ONE:
        raise invalid("count must be positive")
    return quantity


def _price(body: ApplySubaccountPositionTransferRequest) -> int:
    """The YES price. Raises ``ApiError``."""
    prices = set()
    if body.price_cents is not None:
        prices.add(body.price_cents * PRICES_PER_CENT)
    if body.price is not None:
        try:
            prices.add(parse_price(body.price))
        except ValueError as error:
            raise invalid(f"price: {error}") from None
    if len(prices) != 1:
        raise invalid("exactly one price is required")
    (price,) = prices
    if not 0 <= price <= PRICE_ONE:
        raise invalid("price must be from 0 to 1 dollar")
    return price


# --- order books -----------------------------------------------------------------------------


async def get_orderbooks(services: Services, request: Request) -> GetMarketOrderbooksResponse:
    """In the order of the request; unknown markets are left out."""
    tickers = request.value(BOOK_TICKERS)
    if not tickers:
        raise invalid("tickers is required")
    state = services.state
    known = (state.markets.get(ticker) for ticker in tickers)
    return GetMarketOrderbooksResponse(
        [
            MarketOrderbook(market.ticker, book_of(market))
            for market in known
            if market is not None and not archive.is_archived(state, market)
        ]
    )


def book_of(market: Market) -> OrderbookCountFp:
    """Bids of both sides, the best one last. An ask at p is a bid for NO at $1 - p."""
    return OrderbookCountFp(
        [(price_dollars(price), count_fp(size)) for price, size in market.bids.depth()],
        [
            (price_dollars(PRICE_ONE - price), count_fp(size))
            for price, size in reversed(market.asks.depth())
        ],
    )


# --- what requests cost ----------------------------------------------------------------------

ITEM_COSTS: Final = {
    "BatchCreateOrders": REQUEST,
    "BatchCancelOrders": BATCHED_CANCEL_COST,
    "BatchCreateOrdersV2": REQUEST,
    "BatchCancelOrdersV2": BATCHED_CANCEL_COST,
}
"""Batches charge for their items themselves."""


def endpoint_costs(
    operations: Iterable[tuple[str, str, str, int]],
) -> GetAccountEndpointCostsResponse:
    """From (id, method, path, cost) of every operation. A usual request is ten tokens."""
    costs = []
    for operation_id, method, path, request_cost in operations:
        cost = ITEM_COSTS.get(operation_id, request_cost)
        if cost != REQUEST:
            route = BASE_PATH + path.replace("{", ":").replace("}", "")
            costs.append(EndpointTokenCost(method, route, cost * DEFAULT_COST // REQUEST))
    return GetAccountEndpointCostsResponse(DEFAULT_COST, costs)
