"""Markets, order books and public trades (rest.md, section 3)."""

from collections.abc import Iterable
from itertools import dropwhile, islice
from typing import Any, Final

from augury.codec.ids import format_id
from augury.codec.text import count_fp, price_dollars, rfc3339
from augury.core.state import FINALIZED
from augury.core.state import Market as LiveMarket
from augury.core.step import BLOCK_TRADE_BIT
from augury.core.units import BID, PRICE_ONE, PRICES_PER_CENT, QUANTITY_ONE
from augury.gateways.profiles import LATEST, LEGACY
from augury.gateways.rest import archive
from augury.gateways.rest.answers import (
    GetMarketOrderbookResponse,
    GetMarketResponse,
    GetTradesResponse,
    Orderbook,
    OrderbookCountFp,
    Trade,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.listings import STATUS_GROUPS
from augury.gateways.rest.market_rows import cents, is_multivariate, price_number
from augury.gateways.rest.parameters import (
    CURSOR,
    EVENT_TICKERS,
    MAX_TS,
    MIN_TS,
    SERIES_TICKER,
    TICKER,
    Parameter,
    choice,
    integer,
    limit,
    optional_flag,
    texts,
    time_seconds,
)
from augury.gateways.rest.request import Request, Services
from augury.projections.rows import TradeRow

MARKETS_LIMIT: Final = limit(1000)
MIN_CREATED_TS: Final = time_seconds("min_created_ts", "Not created before this Unix time.")
MAX_CREATED_TS: Final = time_seconds("max_created_ts", "Created before this Unix time.")
MIN_UPDATED_TS: Final = time_seconds(
    "min_updated_ts", "Changed after this Unix time, trading aside; oldest change first."
)
MIN_CLOSE_TS: Final = time_seconds("min_close_ts", "Not closing before this Unix time.")
MAX_CLOSE_TS: Final = time_seconds("max_close_ts", "Closing before this Unix time.")
MIN_SETTLED_TS: Final = time_seconds("min_settled_ts", "Not settled before this Unix time.")
MAX_SETTLED_TS: Final = time_seconds("max_settled_ts", "Settled before this Unix time.")
MARKET_STATUS: Final = choice("status", tuple(STATUS_GROUPS), "Only markets of this status.")
TICKERS: Final = texts("tickers", "Only these markets.")
MVE_FILTER: Final = choice("mve_filter", ("only", "exclude"), "Only combinations, or none.")
TRADES_LIMIT: Final = limit(1000)
IS_BLOCK_TRADE: Final = optional_flag(
    "is_block_trade", "Only trades agreed on off the book, or only the others."
)
DEPTH: Final = integer("depth", "Best levels per side; 0 or less for all.", maximum=100, default=0)

MARKETS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    MARKETS_LIMIT,
    CURSOR,
    EVENT_TICKERS,
    SERIES_TICKER,
    MIN_CREATED_TS,
    MAX_CREATED_TS,
    MIN_UPDATED_TS,
    MAX_CLOSE_TS,
    MIN_CLOSE_TS,
    MIN_SETTLED_TS,
    MAX_SETTLED_TS,
    MARKET_STATUS,
    TICKERS,
    MVE_FILTER,
)
TRADES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    IS_BLOCK_TRADE,
    TRADES_LIMIT,
    CURSOR,
    TICKER,
    MIN_TS,
    MAX_TS,
)

# Which status values go with which family of time filters.
_FAMILY_STATUS: Final = {
    "created": frozenset({"", "unopened", "open"}),
    "close": frozenset({"", "closed"}),
    "settled": frozenset({"", "settled"}),
}


class _MarketFilter:
    """The filters of one request, checked for what goes together."""

    def __init__(self, request: Request, archived_ns: int) -> None:
        self.archived_ns = archived_ns
        self.status = request.value(MARKET_STATUS)
        self.event_tickers = request.value(EVENT_TICKERS)
        self.series_ticker = request.value(SERIES_TICKER)
        self.tickers = request.value(TICKERS)
        self.mve = request.value(MVE_FILTER)
        self.min_updated_ns = request.value(MIN_UPDATED_TS)
        self.created = (request.value(MIN_CREATED_TS), request.value(MAX_CREATED_TS))
        self.close = (request.value(MIN_CLOSE_TS), request.value(MAX_CLOSE_TS))
        self.settled = (request.value(MIN_SETTLED_TS), request.value(MAX_SETTLED_TS))
        families = [
            name
            for name, times in (
                ("created", self.created),
                ("close", self.close),
                ("settled", self.settled),
            )
            if times != (None, None)
        ]
        if self.min_updated_ns is not None:
            self._check_updated(families)
        elif len(families) > 1:
            raise invalid(f"{families[0]} and {families[1]} times cannot be combined")
        elif families and self.status not in _FAMILY_STATUS[families[0]]:
            raise invalid(f"{families[0]} times cannot be combined with status {self.status}")
        self.statuses = STATUS_GROUPS[self.status] if self.status else None
        self.takes_all = not (
            (families or self.min_updated_ns is not None or self.archived_ns)
            or (self.status or self.event_tickers or self.series_ticker)
            or (self.tickers or self.mve)
        )
        """Every market matches, so that none has to be looked at for it."""

    def _check_updated(self, families: list[str]) -> None:
        if families or self.status or self.event_tickers or self.tickers or self.mve == "only":
            raise invalid("min_updated_ts cannot be combined with other filters")
        if self.series_ticker and self.mve != "exclude":
            raise invalid("min_updated_ts with series_ticker needs mve_filter=exclude")

    def candidates(self, services: Services) -> Iterable[LiveMarket]:
        """Markets that may match, newest first. The narrowest list decides where to look."""
        state = services.state
        if self.tickers:
            named = [state.markets[ticker] for ticker in self.tickers if ticker in state.markets]
        elif self.event_tickers:
            named = [
                state.markets[ticker]
                for event_ticker in self.event_tickers
                if event_ticker in state.events
                for ticker in state.events[event_ticker].market_tickers
            ]
        elif self.statuses is not None and FINALIZED not in self.statuses:
            return services.live_markets.newest_first()
        elif self.series_ticker:
            series = state.series.get(self.series_ticker)
            named = [
                state.markets[ticker]
                for event_ticker in ([] if series is None else series.event_tickers)
                for ticker in state.events[event_ticker].market_tickers
            ]
        else:
            # Markets are kept in the order of their creation.
            return reversed(state.markets.values())
        named.sort(key=lambda market: market.id, reverse=True)
        return named

    def matches(self, market: LiveMarket) -> bool:
        if market.status == FINALIZED and market.settled_ns < self.archived_ns:
            return False
        if self.statuses is not None and market.status not in self.statuses:
            return False
        if self.event_tickers and market.event.ticker not in self.event_tickers:
            return False
        if self.series_ticker and market.event.series.ticker != self.series_ticker:
            return False
        if self.min_updated_ns is not None and market.updated_ns <= self.min_updated_ns:
            return False
        if self.created != (None, None) and not _within(market.created_ns, self.created):
            return False
        if self.close != (None, None) and not _within(market.close_ns, self.close):
            return False
        if self.settled != (None, None):
            if market.status != FINALIZED or not _within(market.settled_ns, self.settled):
                return False
        return not self.mve or is_multivariate(market) == (self.mve == "only")


def _within(time_ns: int, bounds: tuple[int | None, int | None]) -> bool:
    """From the lower bound on, and before the upper one."""
    lower, upper = bounds
    return (lower is None or time_ns >= lower) and (upper is None or time_ns < upper)


async def get_markets(services: Services, request: Request) -> bytes:
    """Newest first; with ``min_updated_ts`` the oldest change first, to make polling simple."""
    rows = services.market_rows
    pages = rows.pages(services.state.sequence)
    question = (request.query_string, request.profile)
    answer = pages.get(question)
    if answer is None:
        filters = _MarketFilter(request, archive.cutoff(services.state).market_settled_ns)
        page = request.value(MARKETS_LIMIT)
        if filters.min_updated_ns is None:
            found, cursor = _by_creation(services, request, filters, page)
        else:
            found, cursor = _by_update(services, request, filters, page)
        answer = rows.page(found, request.profile, cursor)
        rows.keep(pages, question, answer)
    return answer


def _by_creation(
    services: Services, request: Request, filters: _MarketFilter, page: int
) -> tuple[list[LiveMarket], str]:
    position = services.position(request, tuple[int])
    candidates = filters.candidates(services)
    if position is not None:
        (last,) = position
        candidates = dropwhile(lambda market: market.id >= last, candidates)
    if not filters.takes_all:
        candidates = filter(filters.matches, candidates)
    found = list(islice(candidates, page + 1))
    if len(found) <= page:
        return found, ""
    found.pop()
    return found, services.next_cursor(request, (found[-1].id,))


def _by_update(
    services: Services, request: Request, filters: _MarketFilter, page: int
) -> tuple[list[LiveMarket], str]:
    position = services.position(request, tuple[int, int])
    after = (0, 0) if position is None else position
    found = [
        market
        for market in filters.candidates(services)
        if (market.updated_ns, market.id) > after and filters.matches(market)
    ]
    found.sort(key=lambda market: (market.updated_ns, market.id))
    if len(found) <= page:
        return found, ""
    last = found[page - 1]
    return found[:page], services.next_cursor(request, (last.updated_ns, last.id))


async def get_market(services: Services, request: Request) -> GetMarketResponse:
    market = _find_market(services, request)
    return GetMarketResponse(services.market_rows.row(market, request.profile))


async def get_orderbook(services: Services, request: Request) -> GetMarketOrderbookResponse:
    """Bids of both sides, the best one last. An ask at p is a bid for NO at $1 - p."""
    depth = request.value(DEPTH)
    market = _find_market(services, request)
    yes = market.bids.depth()
    no = [(PRICE_ONE - price, quantity) for price, quantity in reversed(market.asks.depth())]
    if depth > 0:
        yes, no = yes[-depth:], no[-depth:]
    book = Orderbook(
        [(cents(price), quantity // QUANTITY_ONE) for price, quantity in yes],
        [(cents(price), quantity // QUANTITY_ONE) for price, quantity in no],
    )
    if request.profile != LATEST:
        as_text = request.profile == LEGACY
        book.yes_dollars = _dollar_levels(yes, as_text)
        book.no_dollars = _dollar_levels(no, as_text)
    return GetMarketOrderbookResponse(
        book,
        OrderbookCountFp(
            [(price_dollars(price), count_fp(quantity)) for price, quantity in yes],
            [(price_dollars(price), count_fp(quantity)) for price, quantity in no],
        ),
    )


def _dollar_levels(levels: list[tuple[int, int]], as_text: bool) -> list[tuple[str, int | str]]:
    """Whole counts; as text for clients whose strict types want two strings."""
    if as_text:
        return [(price_dollars(price), str(quantity // QUANTITY_ONE)) for price, quantity in levels]
    return [(price_dollars(price), quantity // QUANTITY_ONE) for price, quantity in levels]


def _find_market(services: Services, request: Request) -> LiveMarket:
    market = services.state.markets.get(request.path_values[0])
    if market is None or archive.is_archived(services.state, market):
        raise not_found("market")
    return market


async def get_trades(services: Services, request: Request) -> GetTradesResponse:
    """Newest first, one row per maker that was met."""
    page = request.value(TRADES_LIMIT)
    ticker = request.value(TICKER)
    min_ns, max_ns = time_range(request)
    position = services.position(request, tuple[int])
    min_ns = max(min_ns, archive.cutoff(services.state).trades_created_ns)
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


def time_range(request: Request) -> tuple[int, int]:
    """``min_ts`` and ``max_ts`` as history wants them, where 0 means open."""
    lower = request.value(MIN_TS)
    upper = request.value(MAX_TS)
    # A range that ends at or before 1970 is empty, not open.
    return max(0, lower or 0), 0 if upper is None else max(1, upper)


def trade_row(row: TradeRow) -> Trade:
    no_price = PRICE_ONE - row.price
    bought_yes = row.taker_direction == BID
    return Trade(
        trade_id=format_id("trade", row.trade_id),
        ticker=row.market_ticker,
        price=price_number(row.price),
        count=row.quantity // QUANTITY_ONE,
        count_fp=count_fp(row.quantity),
        yes_price=row.price // PRICES_PER_CENT,
        no_price=no_price // PRICES_PER_CENT,
        yes_price_dollars=price_dollars(row.price),
        no_price_dollars=price_dollars(no_price),
        taker_side="yes" if bought_yes else "no",
        taker_outcome_side="yes" if bought_yes else "no",
        taker_book_side="bid" if bought_yes else "ask",
        is_block_trade=bool(row.trade_id & BLOCK_TRADE_BIT),
        created_time=rfc3339(row.time_ns),
    )
