"""What is archived: markets, candles, trades, orders and positions before the cutoff.

The archive is the same history seen from the other side of the cutoff (``archive``), so nothing
is in both and nothing in neither. Without a cutoff everything here is empty.
"""

from typing import Any, Final

from augury.codec.text import count_fp, price_dollars, rfc3339
from augury.core.state import FINALIZED, Market
from augury.gateways.rest import archive
from augury.gateways.rest.answers import (
    GetFillsResponse,
    GetMarketResponse,
    GetMarketsResponse,
    GetOrdersResponse,
    GetPositionsResponse,
    GetTradesResponse,
)
from augury.gateways.rest.candlesticks import (
    END_TS,
    PERIOD_INTERVAL,
    START_TS,
    Wanted,
    mean_price,
    read_candles,
)
from augury.gateways.rest.candlesticks_answers import (
    BidAskDistributionHistorical,
    GetMarketCandlesticksHistoricalResponse,
    MarketCandlestickHistorical,
    PriceDistributionHistorical,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.market_rows import is_multivariate
from augury.gateways.rest.markets import (
    IS_BLOCK_TRADE,
    MARKETS_LIMIT,
    TICKERS,
    TRADES_LIMIT,
    time_range,
    trade_row,
)
from augury.gateways.rest.order_rows import order_row
from augury.gateways.rest.orders import ORDERS_LIMIT
from augury.gateways.rest.parameters import (
    CURSOR,
    LATEST_NS,
    MAX_TS,
    MIN_TS,
    SERIES_TICKER,
    SUBACCOUNT,
    SUBACCOUNT_OR_PRIMARY,
    TICKER,
    Parameter,
    choice,
    text,
)
from augury.gateways.rest.portfolio import (
    FILLS_LIMIT,
    POSITIONS_LIMIT,
    fills_page,
    settled_position,
)
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.statements_answers import GetHistoricalCutoffResponse
from augury.projections.rows import CandleRow, SettlementRow

EVENT_TICKER: Final = text("event_ticker", "Only this event.")
MVE_FILTER: Final = choice("mve_filter", ("exclude",), "Leave out combinations.")

MARKETS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    MARKETS_LIMIT,
    CURSOR,
    TICKERS,
    EVENT_TICKER,
    SERIES_TICKER,
    MVE_FILTER,
)
CANDLESTICKS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (START_TS, END_TS, PERIOD_INTERVAL)
FILLS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    MIN_TS,
    MAX_TS,
    FILLS_LIMIT,
    CURSOR,
    SUBACCOUNT,
)
ORDERS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    MIN_TS,
    MAX_TS,
    ORDERS_LIMIT,
    CURSOR,
    SUBACCOUNT,
)
TRADES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    MIN_TS,
    MAX_TS,
    IS_BLOCK_TRADE,
    TRADES_LIMIT,
    CURSOR,
)
POSITIONS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TICKER,
    EVENT_TICKER,
    POSITIONS_LIMIT,
    CURSOR,
    SUBACCOUNT_OR_PRIMARY,
)


async def get_cutoff(services: Services, request: Request) -> GetHistoricalCutoffResponse:
    cutoff = archive.cutoff(services.state)
    return GetHistoricalCutoffResponse(
        rfc3339(cutoff.market_settled_ns),
        rfc3339(cutoff.trades_created_ns),
        rfc3339(cutoff.orders_updated_ns),
        rfc3339(cutoff.positions_updated_ns),
    )


# --- markets ---------------------------------------------------------------------------------


async def get_markets(services: Services, request: Request) -> GetMarketsResponse:
    """Newest first. At most one of the three kinds of tickers may be given."""
    tickers = request.value(TICKERS)
    event_ticker = request.value(EVENT_TICKER)
    series_ticker = request.value(SERIES_TICKER)
    if sum(map(bool, (tickers, event_ticker, series_ticker))) > 1:
        raise invalid("tickers, event_ticker and series_ticker exclude each other")
    without_combos = bool(request.value(MVE_FILTER))
    page = request.value(MARKETS_LIMIT)
    position = services.position(request, tuple[int])
    before = LATEST_NS if position is None else position[0]
    settled_before = archive.cutoff(services.state).market_settled_ns
    found: list[Market] = []
    cursor = ""
    for market in reversed(services.state.markets.values()):
        if (
            market.id < before
            and market.status == FINALIZED
            and market.settled_ns < settled_before
            and (not tickers or market.ticker in tickers)
            and (not event_ticker or market.event.ticker == event_ticker)
            and (not series_ticker or market.event.series.ticker == series_ticker)
            and not (without_combos and is_multivariate(market))
        ):
            if len(found) == page:
                cursor = services.next_cursor(request, (found[-1].id,))
                break
            found.append(market)
    return GetMarketsResponse(services.market_rows.rows(found, request.profile), cursor)


async def get_market(services: Services, request: Request) -> GetMarketResponse:
    market = _archived_market(services, request)
    return GetMarketResponse(services.market_rows.row(market, request.profile))


async def get_candlesticks(
    services: Services, request: Request
) -> GetMarketCandlesticksHistoricalResponse:
    """As those of live markets, in texts."""
    wanted = Wanted.of(request)
    market = _archived_market(services, request)
    (candles,) = await read_candles(services, [market], wanted)
    return GetMarketCandlesticksHistoricalResponse(
        market.ticker, [_candlestick(candle) for candle in candles]
    )


def _archived_market(services: Services, request: Request) -> Market:
    market = services.state.markets.get(request.path_values[0])
    if market is None or not archive.is_archived(services.state, market):
        raise not_found("archived market")
    return market


def _candlestick(candle: CandleRow) -> MarketCandlestickHistorical:
    traded = candle.volume > 0

    def paid(price: int) -> str | None:
        return price_dollars(price) if traded else None

    return MarketCandlestickHistorical(
        candle.end_ts,
        BidAskDistributionHistorical(
            price_dollars(candle.bid_open),
            price_dollars(candle.bid_low),
            price_dollars(candle.bid_high),
            price_dollars(candle.bid_close),
        ),
        BidAskDistributionHistorical(
            price_dollars(candle.ask_open),
            price_dollars(candle.ask_low),
            price_dollars(candle.ask_high),
            price_dollars(candle.ask_close),
        ),
        PriceDistributionHistorical(
            paid(candle.price_open),
            paid(candle.price_low),
            paid(candle.price_high),
            paid(candle.price_close),
            price_dollars(mean_price(candle)) if traded else None,
            price_dollars(candle.previous_price) if candle.previous_price else None,
        ),
        count_fp(candle.volume),
        count_fp(candle.open_interest),
    )


# --- trading ---------------------------------------------------------------------------------


async def get_trades(services: Services, request: Request) -> GetTradesResponse:
    """Newest first."""
    page = request.value(TRADES_LIMIT)
    ticker = request.value(TICKER)
    min_ns, max_ns = _times_before(request, archive.cutoff(services.state).trades_created_ns)
    position = services.position(request, tuple[int])
    if not max_ns:
        return GetTradesResponse([], "")
    await services.catch_up()
    rows = await services.queries.trades(
        limit=page + 1,
        before_id=0 if position is None else position[0],
        market_ticker=ticker,
        min_ns=min_ns,
        max_ns=max_ns,
        block=request.value(IS_BLOCK_TRADE),
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].trade_id,))
    return GetTradesResponse([trade_row(row) for row in rows], cursor)


async def get_fills(services: Services, request: Request) -> GetFillsResponse:
    """Newest first."""
    min_ns, max_ns = _times_before(request, archive.cutoff(services.state).trades_created_ns)
    return await fills_page(services, request, min_ns, max_ns, 0 if max_ns else None)


async def get_orders(services: Services, request: Request) -> GetOrdersResponse:
    """Finished ones, newest first; resting orders are never archived."""
    page = request.value(ORDERS_LIMIT)
    ticker = request.value(TICKER)
    subaccount = request.value(SUBACCOUNT)
    updated_before = archive.cutoff(services.state).orders_updated_ns
    # What was finished before the cutoff was created before it: that bounds where to look.
    min_ns, max_ns = _times_before(request, updated_before)
    position = services.position(request, tuple[int])
    if not max_ns:
        return GetOrdersResponse([], "")
    await services.catch_up()
    rows = await services.queries.orders(
        request.member_id,
        limit=page + 1,
        before_id=0 if position is None else position[0],
        subaccount=subaccount,
        market_tickers=(ticker,) if ticker else (),
        min_created_ns=min_ns,
        max_created_ns=max_ns,
        max_updated_ns=updated_before,
    )
    cursor = ""
    if len(rows) > page:
        del rows[page:]
        cursor = services.next_cursor(request, (rows[-1].order_id,))
    return GetOrdersResponse([order_row(row) for row in rows], cursor)


async def get_positions(services: Services, request: Request) -> GetPositionsResponse:
    """Settled positions of one subaccount, newest settled first.

    An event is archived as a whole, once all its markets were settled before the cutoff.
    """
    page = request.value(POSITIONS_LIMIT)
    ticker, event_ticker = request.value(TICKER), request.value(EVENT_TICKER)
    subaccount = request.value(SUBACCOUNT_OR_PRIMARY)
    settled_before = archive.cutoff(services.state).positions_updated_ns
    position = services.position(request, tuple[int])
    if not settled_before:
        return GetPositionsResponse([], [], "")
    await services.catch_up()
    archived: dict[str, bool] = {}
    found: list[SettlementRow] = []
    before_id = 0 if position is None else position[0]
    more = True
    while more and len(found) <= page:
        rows = await services.queries.settlements(
            request.member_id,
            limit=page + 1,
            before_id=before_id,
            subaccount=subaccount,
            market_ticker=ticker,
            event_tickers=(event_ticker,) if event_ticker else (),
            max_ns=settled_before,
        )
        for row in rows:
            before_id = row.settlement_id
            if row.event_ticker not in archived:
                archived[row.event_ticker] = _is_settled(services, row.event_ticker, settled_before)
            if archived[row.event_ticker]:
                found.append(row)
        more = len(rows) > page
    cursor = ""
    if len(found) > page:
        del found[page:]
        cursor = services.next_cursor(request, (found[-1].settlement_id,))
    return GetPositionsResponse([settled_position(row) for row in found], [], cursor)


def _is_settled(services: Services, event_ticker: str, before_ns: int) -> bool:
    event = services.state.events.get(event_ticker)
    if event is None:
        return True
    markets = [services.state.markets[ticker] for ticker in event.market_tickers]
    return all(market.status == FINALIZED and market.settled_ns < before_ns for market in markets)


def _times_before(request: Request, cutoff_ns: int) -> tuple[int, int]:
    """The range asked for, up to the cutoff. An end of 0 says that nothing is left of it."""
    min_ns, max_ns = time_range(request)
    return min_ns, min(max_ns, cutoff_ns) if max_ns else cutoff_ns
