"""Series and events (rest.md, section 3)."""

from typing import Any, Final

from msgspec import UNSET

from augury.codec.text import count_fp
from augury.core.fees import QUADRATIC_WITH_COMBO_MAKER_FEES, QUADRATIC_WITH_MAKER_FEES
from augury.core.state import (
    ACTIVE,
    AMENDED,
    CLOSED,
    DETERMINED,
    DISPUTED,
    FINALIZED,
    INACTIVE,
    INITIALIZED,
    Exchange,
    ListedEvent,
)
from augury.core.state import Series as LiveSeries
from augury.core.units import PPM, QUANTITY_ONE
from augury.gateways import combos
from augury.gateways.rest import parameters
from augury.gateways.rest.answers import (
    EventData,
    GetEventMetadataResponse,
    GetEventResponse,
    GetEventsResponse,
    GetSeriesListResponse,
    GetSeriesResponse,
    Market,
    MarketMetadata,
    Milestone,
    Number,
    Series,
)
from augury.gateways.rest.descriptions import (
    Description,
    boolean,
    description,
    mapping,
    optional_text,
    settlement_sources,
    text,
    texts,
)
from augury.gateways.rest.errors import not_found
from augury.gateways.rest.parameters import (
    CURSOR,
    SERIES_TICKER,
    Parameter,
    choice,
    flag,
    limit,
    time_seconds,
)
from augury.gateways.rest.parameters import (
    texts as several,
)
from augury.gateways.rest.request import Request, Services

CATEGORY: Final = parameters.text("category", "Only series of this category.")
TAGS: Final = several("tags", "Only series with any of these tags.")
INCLUDE_PRODUCT_METADATA: Final = flag("include_product_metadata", "Add product_metadata.")
INCLUDE_VOLUME: Final = flag("include_volume", "Add the contracts traded in all its events.")
EVENTS_LIMIT: Final = limit(200, 200)
WITH_NESTED_MARKETS: Final = flag("with_nested_markets", "Put the markets into each event.")
WITH_MILESTONES: Final = flag("with_milestones", "Add the milestones related to these events.")
EVENT_STATUS: Final = choice(
    "status",
    ("unopened", "open", "closed", "settled"),
    "Only events with a market of this status.",
)
MIN_CLOSE_TS: Final = time_seconds(
    "min_close_ts", "Only events with a market that closes after this Unix time."
)
TICKERS: Final = several("tickers", "Only these events.")
SERIES_TICKERS: Final = several("tickers", "Only these series.")
MIN_UPDATED_TS: Final = time_seconds(
    "min_updated_ts", "Only what was changed after this Unix time, trading aside."
)

SERIES_LIST_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    CATEGORY,
    TAGS,
    INCLUDE_PRODUCT_METADATA,
    INCLUDE_VOLUME,
    SERIES_TICKERS,
    MIN_UPDATED_TS,
)
EVENTS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    EVENTS_LIMIT,
    CURSOR,
    WITH_NESTED_MARKETS,
    WITH_MILESTONES,
    EVENT_STATUS,
    SERIES_TICKER,
    MIN_CLOSE_TS,
    TICKERS,
    MIN_UPDATED_TS,
)

STATUS_GROUPS: Final = {
    "unopened": frozenset({INITIALIZED}),
    "open": frozenset({ACTIVE, INACTIVE}),
    "paused": frozenset({INACTIVE}),
    "closed": frozenset({CLOSED, DETERMINED, DISPUTED, AMENDED}),
    "settled": frozenset({FINALIZED}),
}
"""Values of the status filter and the lifecycle states they stand for."""


# --- series ----------------------------------------------------------------------------------


async def get_series_list(services: Services, request: Request) -> GetSeriesListResponse:
    """All that match, by ticker; categories and tags compare without regard to case."""
    state = services.state
    category = request.value(CATEGORY).casefold()
    tags = {tag.casefold() for tag in request.value(TAGS)}
    with_metadata = request.value(INCLUDE_PRODUCT_METADATA)
    with_volume = request.value(INCLUDE_VOLUME)
    tickers = request.value(SERIES_TICKERS)
    min_updated_ns = request.value(MIN_UPDATED_TS)
    rows = []
    for ticker in sorted(state.series.keys() & tickers if tickers else state.series):
        series = state.series[ticker]
        if min_updated_ns is not None and series.updated_ns <= min_updated_ns:
            continue
        found = description(series.details)
        if category and text(found, "category").casefold() != category:
            continue
        if tags and tags.isdisjoint(tag.casefold() for tag in texts(found, "tags")):
            continue
        rows.append(_series_row(state, series, with_metadata, with_volume))
    return GetSeriesListResponse(rows)


async def get_series(services: Services, request: Request) -> GetSeriesResponse:
    series = services.state.series.get(request.path_values[0])
    if series is None:
        raise not_found("series")
    return GetSeriesResponse(
        _series_row(services.state, series, True, request.value(INCLUDE_VOLUME))
    )


def _series_row(
    state: Exchange, series: LiveSeries, with_metadata: bool, with_volume: bool
) -> Series:
    found = description(series.details)
    row = Series(
        ticker=series.ticker,
        frequency=text(found, "frequency"),
        title=text(found, "title"),
        category=text(found, "category"),
        tags=texts(found, "tags"),
        settlement_sources=settlement_sources(found),
        contract_url=text(found, "contract_url"),
        contract_terms_url=text(found, "contract_terms_url"),
        fee_type=_fee_type(series.fees.fee_type),
        fee_multiplier=_multiplier(series.fees.multiplier_ppm),
        additional_prohibitions=texts(found, "additional_prohibitions"),
    )
    if with_metadata:
        row.product_metadata = mapping(found, "product_metadata")
    if with_volume:
        volume = sum(
            state.markets[ticker].volume
            for event in series.event_tickers
            for ticker in state.events[event].market_tickers
        )
        row.volume = volume // QUANTITY_ONE
        row.volume_fp = count_fp(volume)
    return row


def _fee_type(fee_type: str) -> str:
    """The combo rate came after the enumerations that strict clients check."""
    if fee_type == QUADRATIC_WITH_COMBO_MAKER_FEES:
        return QUADRATIC_WITH_MAKER_FEES
    return fee_type


def _multiplier(ppm: int) -> Number:
    whole, rest = divmod(ppm, PPM)
    return ppm / PPM if rest else whole


# --- events ----------------------------------------------------------------------------------


async def get_events(services: Services, request: Request) -> GetEventsResponse:
    """Newest first, without combinations; an event counts when any of its markets does."""
    state = services.state
    page = request.value(EVENTS_LIMIT)
    after = services.position(request, tuple[int])
    series_ticker = request.value(SERIES_TICKER)
    tickers = request.value(TICKERS)
    status = request.value(EVENT_STATUS)
    min_close_ns = request.value(MIN_CLOSE_TS)
    min_updated_ns = request.value(MIN_UPDATED_TS)
    if tickers:
        candidates = [state.events[ticker] for ticker in tickers if ticker in state.events]
    elif status and FINALIZED not in STATUS_GROUPS[status]:
        candidates = services.live_markets.events()
    elif series_ticker:
        series = state.series.get(series_ticker)
        candidates = [] if series is None else [state.events[t] for t in series.event_tickers]
    else:
        candidates = list(state.events.values())
    candidates.sort(key=lambda event: event.id, reverse=True)
    found: list[ListedEvent] = []
    for event in candidates:
        if after is not None and event.id >= after[0]:
            continue
        if combos.is_combo(event.ticker):
            continue
        if series_ticker and event.series.ticker != series_ticker:
            continue
        if min_updated_ns is not None and _updated_ns(state, event) <= min_updated_ns:
            continue
        if status or min_close_ns is not None:
            if not _has_market(state, event, status, min_close_ns):
                continue
        found.append(event)
        if len(found) > page:
            break
    cursor = ""
    if len(found) > page:
        del found[page:]
        cursor = services.next_cursor(request, (found[-1].id,))
    nested = request.value(WITH_NESTED_MARKETS)
    rows = [event_row(services, request, event, nested) for event in found]
    milestones: list[Milestone] = []
    if request.value(WITH_MILESTONES):
        milestones = _related_milestones(state, {event.ticker for event in found})
    return GetEventsResponse(rows, milestones, cursor)


def _updated_ns(state: Exchange, event: ListedEvent) -> int:
    """When the event or one of its markets was last changed, trading aside."""
    return max(
        event.updated_ns, *(state.markets[ticker].updated_ns for ticker in event.market_tickers), 0
    )


def _has_market(state: Exchange, event: ListedEvent, status: str, min_close_ns: int | None) -> bool:
    """Whether one market has the status, and one (perhaps another) closes late enough."""
    markets = [state.markets[ticker] for ticker in event.market_tickers]
    if status and not any(market.status in STATUS_GROUPS[status] for market in markets):
        return False
    return min_close_ns is None or any(market.close_ns > min_close_ns for market in markets)


def _related_milestones(state: Exchange, tickers: set[str]) -> list[Milestone]:
    """Milestones of any of the events, in the order of their start."""
    related = [
        milestone_row(key, found)
        for key, details in state.documents.get("milestone", {}).items()
        if not tickers.isdisjoint(texts(found := description(details), "related_event_tickers"))
    ]
    related.sort(key=lambda milestone: (milestone.start_date, milestone.id))
    return related


def milestone_row(key: str, found: Description) -> Milestone:
    start_date = text(found, "start_date")
    return Milestone(
        id=key,
        category=text(found, "category"),
        type=text(found, "type"),
        start_date=start_date,
        related_event_tickers=texts(found, "related_event_tickers"),
        title=text(found, "title"),
        notification_message=text(found, "notification_message"),
        details=mapping(found, "details") or {},
        primary_event_tickers=texts(found, "primary_event_tickers"),
        last_updated_ts=text(found, "last_updated_ts") or start_date,
        end_date=optional_text(found, "end_date"),
        source_id=optional_text(found, "source_id"),
    )


async def get_event(services: Services, request: Request) -> GetEventResponse:
    """The markets stand beside the event, and when nested also inside it."""
    event = _find_event(services, request)
    row = event_row(services, request, event, request.value(WITH_NESTED_MARKETS))
    return GetEventResponse(row, _market_rows(services, request, event))


async def get_event_metadata(services: Services, request: Request) -> GetEventMetadataResponse:
    event = _find_event(services, request)
    state = services.state
    found = description(event.details)
    sources = settlement_sources(found) or settlement_sources(description(event.series.details))
    return GetEventMetadataResponse(
        image_url=text(found, "image_url"),
        featured_image_url=text(found, "featured_image_url"),
        market_details=[
            MarketMetadata(
                ticker,
                text(of_market := description(state.markets[ticker].details), "image_url"),
                text(of_market, "color_code"),
            )
            for ticker in event.market_tickers
        ],
        settlement_sources=sources,
        competition=optional_text(found, "competition"),
        competition_scope=optional_text(found, "competition_scope"),
    )


def _find_event(services: Services, request: Request) -> ListedEvent:
    event = services.state.events.get(request.path_values[0])
    if event is None:
        raise not_found("event")
    return event


def event_row(services: Services, request: Request, event: ListedEvent, nested: bool) -> EventData:
    """The row of one event. Nobody describes combos, so they have a name in common."""
    found = description(event.details)
    combo = combos.is_combo(event.ticker)
    return EventData(
        event_ticker=event.ticker,
        series_ticker=event.series.ticker,
        sub_title=text(found, "sub_title") or (combos.EVENT_SUB_TITLE if combo else ""),
        title=text(found, "title") or (combos.EVENT_TITLE if combo else ""),
        collateral_return_type=event.collateral_return_type,
        mutually_exclusive=event.mutually_exclusive,
        category=text(found, "category") or text(description(event.series.details), "category"),
        available_on_brokers=boolean(found, "available_on_brokers"),
        product_metadata=mapping(found, "product_metadata"),
        strike_date=optional_text(found, "strike_date"),
        strike_period=optional_text(found, "strike_period"),
        markets=_market_rows(services, request, event) if nested else UNSET,
    )


def _market_rows(services: Services, request: Request, event: ListedEvent) -> list[Market]:
    markets = services.state.markets
    return services.market_rows.rows(
        [markets[ticker] for ticker in event.market_tickers], request.profile
    )
