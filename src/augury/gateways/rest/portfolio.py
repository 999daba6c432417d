"""Balance, positions, fills, settlements, subaccounts (rest.md, section 6)."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from augury.codec.ids import format_id, parse_id
from augury.codec.text import (
    centicents,
    cents_ceil,
    cents_floor,
    count_floor,
    count_fp,
    dollars,
    price_dollars,
    rfc3339,
    seconds,
)
from augury.core import queries
from augury.core.commands import CreateSubaccount, TransferBetweenSubaccounts
from augury.core.events import SubaccountCreated
from augury.core.state import FINALIZED, MAX_SUBACCOUNT, Account, Holding
from augury.core.units import BID, MICROS_PER_CENT, PRICE_ONE, PRICES_PER_CENT, direction_of
from augury.gateways.profiles import LATEST
from augury.gateways.rest import archive
from augury.gateways.rest.answers import (
    CreateSubaccountResponse,
    EmptyResponse,
    EventPosition,
    Fill,
    GetBalanceResponse,
    GetFillsResponse,
    GetPortfolioRestingOrderTotalValueResponse,
    GetPositionsResponse,
    GetSettlementsResponse,
    GetSubaccountBalancesResponse,
    GetSubaccountTransfersResponse,
    IndexedBalance,
    MarketPosition,
    Settlement,
    SubaccountBalance,
    SubaccountTransfer,
)
from augury.gateways.rest.bodies import SUBACCOUNT_TRANSFER
from augury.gateways.rest.errors import invalid
from augury.gateways.rest.market_rows import price_number
from augury.gateways.rest.markets import time_range
from augury.gateways.rest.order_entry import LARGEST_CENTS
from augury.gateways.rest.parameters import (
    CURSOR,
    EVENT_TICKERS,
    LATEST_NS,
    MAX_TS,
    MIN_TS,
    SUBACCOUNT,
    SUBACCOUNT_OR_PRIMARY,
    TICKER,
    Parameter,
    limit,
    text,
    texts,
)
from augury.gateways.rest.request import Request, Services
from augury.projections.rows import FillRow, SettlementRow

EARLIER_MAX_SUBACCOUNT: Final = 32
"""Clients of 3.6 know no larger number."""

POSITIONS_LIMIT: Final = limit(1000)
FILLS_LIMIT: Final = limit(1000)
SETTLEMENTS_LIMIT: Final = limit(1000)
TRANSFERS_LIMIT: Final = limit(200)
COUNT_FILTER: Final = texts(
    "count_filter", "Only rows where one of these is not zero: position, total_traded."
)
ORDER_ID: Final = text("order_id", "Only fills of this order.")

POSITIONS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    CURSOR,
    POSITIONS_LIMIT,
    COUNT_FILTER,
    TICKER,
    EVENT_TICKERS,
    SUBACCOUNT_OR_PRIMARY,
)
FILLS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    ORDER_ID,
    MIN_TS,
    MAX_TS,
    FILLS_LIMIT,
    CURSOR,
    SUBACCOUNT,
)
SETTLEMENTS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    SETTLEMENTS_LIMIT,
    CURSOR,
    TICKER,
    EVENT_TICKERS,
    MIN_TS,
    MAX_TS,
    SUBACCOUNT,
)
TRANSFERS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (TRANSFERS_LIMIT, CURSOR)

_COUNT_FILTERS: Final = frozenset({"position", "total_traded"})


# --- balance ---------------------------------------------------------------------------------


async def get_balance(services: Services, request: Request) -> GetBalanceResponse:
    """What is free to use, and what the positions are worth at the mark."""
    account = services.account(request, request.value(SUBACCOUNT_OR_PRIMARY))
    value = queries.portfolio_value(account)
    return GetBalanceResponse(
        cents_floor(account.available),
        dollars(account.available),
        cents_floor(value),
        dollars(value),
        seconds(services.state.time_ns),
        [IndexedBalance(0, dollars(account.available))],
    )


async def get_total_resting_order_value(
    services: Services, request: Request
) -> GetPortfolioRestingOrderTotalValueResponse:
    """Collateral held for all resting orders of the member."""
    held = sum(
        queries.resting_value(account)
        for number, account in services.member(request).accounts.items()
        if request.may_see(number)
    )
    return GetPortfolioRestingOrderTotalValueResponse(cents_floor(held))


# --- positions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PositionFilter:
    """Which positions a client asks for. Empty means any."""

    ticker: str
    event_tickers: tuple[str, ...]
    counts: frozenset[str]

    @classmethod
    def of(cls, request: Request) -> "PositionFilter":
        """Raises ``ApiError``."""
        names = request.value(COUNT_FILTER)
        counts = frozenset(names)
        if not counts <= _COUNT_FILTERS:
            raise invalid("count_filter takes position and total_traded")
        return cls(request.value(TICKER), request.value(EVENT_TICKERS), counts)


async def get_positions(services: Services, request: Request) -> GetPositionsResponse:
    """Unsettled positions of one subaccount, newest market first, and their events."""
    page = request.value(POSITIONS_LIMIT)
    account = services.account(request, request.value(SUBACCOUNT_OR_PRIMARY))
    chosen = PositionFilter.of(request)
    position = services.position(request, tuple[int])
    answer = GetPositionsResponse([], [], "")
    last = unsettled_positions(
        account, chosen, page, None if position is None else position[0], answer
    )
    if last is not None:
        answer.cursor = services.next_cursor(request, (last,))
    return answer


def unsettled_positions(
    account: Account,
    chosen: PositionFilter,
    page: int,
    after: int | None,
    answer: GetPositionsResponse,
) -> int | None:
    """Add a page of positions and their events to ``answer``, newest market first.

    ``after`` is where the page before ended. Returns where this one does, or None when no more
    follow.
    """
    unsettled = [
        holding for holding in account.holdings.values() if holding.market.status != FINALIZED
    ]
    found = [
        holding
        for holding in unsettled
        if (after is None or holding.market.id < after)
        and (not chosen.ticker or holding.market.ticker == chosen.ticker)
        and (not chosen.event_tickers or holding.market.event.ticker in chosen.event_tickers)
        and _counts(holding, chosen.counts)
    ]
    found.sort(key=lambda holding: holding.market.id, reverse=True)
    last = None
    if len(found) > page:
        del found[page:]
        last = found[-1].market.id
    # An event's row sums all its unsettled markets, whatever the page shows of them.
    by_event: dict[str, list[Holding]] = {holding.market.event.ticker: [] for holding in found}
    for holding in unsettled:
        if holding.market.event.ticker in by_event:
            by_event[holding.market.event.ticker].append(holding)
    answer.market_positions += [_market_position(holding) for holding in found]
    answer.event_positions += [
        _event_position(ticker, holdings) for ticker, holdings in by_event.items()
    ]
    return last


async def settled_positions(
    services: Services,
    request: Request,
    subaccount: int,
    chosen: PositionFilter,
    page: int,
    after: int | None,
    answer: GetPositionsResponse,
) -> int | None:
    """Add a page of settled positions to ``answer``, newest settled first.

    Returns as ``unsettled_positions`` does. Nothing is held in a settled market, so that only
    what was traded can be counted; events of settled markets are not summed.
    """
    if chosen.counts == {"position"}:
        return None
    await services.catch_up()
    rows = await services.queries.settlements(
        request.member_id,
        limit=page + 1,
        before_id=after or 0,
        subaccount=subaccount,
        market_ticker=chosen.ticker,
        event_tickers=chosen.event_tickers,
    )
    last = None
    if len(rows) > page:
        del rows[page:]
        last = rows[-1].settlement_id if rows else LATEST_NS
    answer.market_positions += [settled_position(row) for row in rows]
    return last


def settled_position(row: SettlementRow) -> MarketPosition:
    return MarketPosition(
        ticker=row.market_ticker,
        total_traded=cents_floor(row.traded_cost),
        total_traded_dollars=dollars(row.traded_cost),
        position=0,
        position_fp=count_fp(0),
        market_exposure=0,
        market_exposure_dollars=dollars(0),
        realized_pnl=cents_floor(row.realized_pnl),
        realized_pnl_dollars=dollars(row.realized_pnl),
        resting_orders_count=0,
        fees_paid=cents_ceil(row.fees_paid),
        fees_paid_dollars=dollars(row.fees_paid),
        last_updated_ts=rfc3339(row.settled_ns),
    )


def _counts(holding: Holding, count_filter: frozenset[str]) -> bool:
    """Whether the row says something, or something that was asked for."""
    if count_filter:
        return ("position" in count_filter and holding.quantity != 0) or (
            "total_traded" in count_filter and holding.traded_cost != 0
        )
    return holding.quantity != 0 or holding.traded_cost != 0 or _resting(holding) != 0


def _resting(holding: Holding) -> int:
    return holding.bids.resting_quantity + holding.asks.resting_quantity


def _market_position(holding: Holding) -> MarketPosition:
    """``resting_orders_count`` has its old meaning: resting contracts."""
    return MarketPosition(
        ticker=holding.market.ticker,
        total_traded=cents_floor(holding.traded_cost),
        total_traded_dollars=dollars(holding.traded_cost),
        position=count_floor(holding.quantity),
        position_fp=count_fp(holding.quantity),
        market_exposure=cents_floor(holding.cost),
        market_exposure_dollars=dollars(holding.cost),
        realized_pnl=cents_floor(holding.realized_pnl),
        realized_pnl_dollars=dollars(holding.realized_pnl),
        resting_orders_count=count_floor(_resting(holding)),
        fees_paid=cents_ceil(holding.fees_paid),
        fees_paid_dollars=dollars(holding.fees_paid),
        last_updated_ts=rfc3339(holding.updated_ns or holding.market.created_ns),
    )


def _event_position(event_ticker: str, holdings: list[Holding]) -> EventPosition:
    cost = sum(holding.traded_cost for holding in holdings)
    shares = sum(holding.traded_quantity for holding in holdings)
    exposure = sum(holding.cost for holding in holdings)
    realized = sum(holding.realized_pnl for holding in holdings)
    fees = sum(holding.fees_paid for holding in holdings)
    return EventPosition(
        event_ticker=event_ticker,
        total_cost=cents_floor(cost),
        total_cost_dollars=dollars(cost),
        total_cost_shares=count_floor(shares),
        total_cost_shares_fp=count_fp(shares),
        event_exposure=cents_floor(exposure),
        event_exposure_dollars=dollars(exposure),
        realized_pnl=cents_floor(realized),
        realized_pnl_dollars=dollars(realized),
        resting_orders_count=count_floor(sum(_resting(holding) for holding in holdings)),
        fees_paid=cents_ceil(fees),
        fees_paid_dollars=dollars(fees),
    )


# --- fills and settlements -------------------------------------------------------------------


async def get_fills(services: Services, request: Request) -> GetFillsResponse:
    """Newest first. ``side`` and ``action`` are those of the order."""
    min_ns, max_ns = time_range(request)
    order_text = request.value(ORDER_ID)
    order_id = parse_id("order", order_text) if order_text else 0
    min_ns = max(min_ns, archive.cutoff(services.state).trades_created_ns)
    return await fills_page(services, request, min_ns, max_ns, order_id)


async def fills_page(
    services: Services, request: Request, min_ns: int, max_ns: int, order_id: int | None = 0
) -> GetFillsResponse:
    """Fills of these times and, unless that is 0, of this order; None is an order that is not."""
    page = request.value(FILLS_LIMIT)
    position = services.position(request, tuple[int])
    if order_id is None:
        return GetFillsResponse([], "")
    await services.catch_up()
    rows = await services.queries.fills(
        request.member_id,
        limit=page + 1,
        before_id=0 if position is None else position[0],
        subaccount=request.value(SUBACCOUNT),
        market_ticker=request.value(TICKER),
        order_id=order_id,
        min_ns=min_ns,
        max_ns=max_ns,
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].trade_id,))
    return GetFillsResponse([fill_row(row) for row in rows], cursor)


def fill_row(row: FillRow) -> Fill:
    trade_id = format_id("trade", row.trade_id)
    yes_price = price_dollars(row.price)
    no_price = price_dollars(PRICE_ONE - row.price)
    bid = direction_of(row.action, row.side) == BID
    return Fill(
        fill_id=trade_id,
        trade_id=trade_id,
        order_id=format_id("order", row.order_id),
        client_order_id=row.client_order_id,
        ticker=row.market_ticker,
        market_ticker=row.market_ticker,
        side=row.side,
        action=row.action,
        outcome_side="yes" if bid else "no",
        book_side="bid" if bid else "ask",
        count=count_floor(row.quantity),
        count_fp=count_fp(row.quantity),
        price=price_number(row.price),
        yes_price=row.price // PRICES_PER_CENT,
        no_price=(PRICE_ONE - row.price) // PRICES_PER_CENT,
        yes_price_fixed=yes_price,
        no_price_fixed=no_price,
        yes_price_dollars=yes_price,
        no_price_dollars=no_price,
        is_taker=row.is_taker,
        fee_cost=dollars(row.fee),
        subaccount_number=row.subaccount,
        created_time=rfc3339(row.time_ns),
        ts=seconds(row.time_ns),
    )


async def get_settlements(services: Services, request: Request) -> GetSettlementsResponse:
    """Newest settled first."""
    page = request.value(SETTLEMENTS_LIMIT)
    ticker = request.value(TICKER)
    event_tickers = request.value(EVENT_TICKERS)
    subaccount = request.value(SUBACCOUNT)
    min_ns, max_ns = time_range(request)
    position = services.position(request, tuple[int])
    await services.catch_up()
    rows = await services.queries.settlements(
        request.member_id,
        limit=page + 1,
        before_id=0 if position is None else position[0],
        subaccount=subaccount,
        market_ticker=ticker,
        event_tickers=event_tickers,
        min_ns=min_ns,
        max_ns=max_ns,
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].settlement_id,))
    return GetSettlementsResponse([_settlement_row(row) for row in rows], cursor)


def _settlement_row(row: SettlementRow) -> Settlement:
    return Settlement(
        ticker=row.market_ticker,
        event_ticker=row.event_ticker,
        market_result=row.result,
        yes_count=count_floor(row.yes_quantity),
        yes_count_fp=count_fp(row.yes_quantity),
        yes_total_cost=cents_floor(row.yes_cost),
        yes_total_cost_dollars=dollars(row.yes_cost),
        no_count=count_floor(row.no_quantity),
        no_count_fp=count_fp(row.no_quantity),
        no_total_cost=cents_floor(row.no_cost),
        no_total_cost_dollars=dollars(row.no_cost),
        revenue=cents_floor(row.revenue),
        settled_time=rfc3339(row.settled_ns),
        fee_cost=dollars(row.fees_paid),
        value=row.settlement_value // PRICES_PER_CENT,
        subaccount_number=row.subaccount,
    )


# --- subaccounts -----------------------------------------------------------------------------


async def create_subaccount(services: Services, request: Request) -> CreateSubaccountResponse:
    last = MAX_SUBACCOUNT if request.profile == LATEST else EARLIER_MAX_SUBACCOUNT
    applied = await services.submit(CreateSubaccount(request.member_id, last))
    created = next(
        event
        for event in applied.events[applied.own_from :]
        if isinstance(event, SubaccountCreated)
    )
    return CreateSubaccountResponse(created.subaccount)


async def transfer(services: Services, request: Request) -> EmptyResponse:
    """Once per ``client_transfer_id``; using one again is answered with 409."""
    body = request.read(SUBACCOUNT_TRANSFER)
    try:
        transfer_id = str(UUID(body.client_transfer_id))
    except ValueError:
        raise invalid("client_transfer_id must be a UUID") from None
    if not 0 < body.amount_cents <= LARGEST_CENTS:
        raise invalid("amount_cents must be positive")
    for number in (body.from_subaccount, body.to_subaccount):
        services.account(request, number)
    await services.submit(
        TransferBetweenSubaccounts(
            request.member_id,
            body.from_subaccount,
            body.to_subaccount,
            body.amount_cents * MICROS_PER_CENT,
            transfer_id,
        )
    )
    return EmptyResponse()


async def get_subaccount_balances(
    services: Services, request: Request
) -> GetSubaccountBalancesResponse:
    """One row per subaccount, the primary one first; customers' accounts are none."""
    as_dollars = request.profile == LATEST
    updated = seconds(services.state.time_ns)
    return GetSubaccountBalancesResponse(
        [
            SubaccountBalance(
                number,
                dollars(account.available) if as_dollars else centicents(account.available),
                dollars(account.available),
                updated,
            )
            for number, account in sorted(services.member(request).accounts.items())
            if not account.subtrader and request.may_see(number)
        ]
    )


async def get_subaccount_transfers(
    services: Services, request: Request
) -> GetSubaccountTransfersResponse:
    """Newest first."""
    page = request.value(TRANSFERS_LIMIT)
    position = services.position(request, tuple[int])
    await services.catch_up()
    rows = await services.queries.transfers(
        request.member_id, limit=page + 1, before_id=0 if position is None else position[0]
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].transfer_id,))
    return GetSubaccountTransfersResponse(
        [
            SubaccountTransfer(
                format_id("transfer", row.transfer_id),
                row.from_subaccount,
                row.to_subaccount,
                cents_floor(row.amount),
                seconds(row.time_ns),
            )
            for row in rows
        ],
        cursor,
    )
