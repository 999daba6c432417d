"""Event collections and the combos made from them (rest.md, section 9; rules, section 12).

A collection says which markets may be combined. Creating a combo lists a market that trades like
any other; creating it again, or looking it up, only names it. Commands go to the core, which
checks the legs; everything that is read comes from the live state.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from augury.codec.text import rfc3339
from augury.core.commands import CreateCombo, LookUpCombo
from augury.core.events import ComboLookedUp
from augury.core.state import Collection, Exchange, ListedEvent
from augury.core.units import NANOS_PER_SECOND
from augury.gateways import combos
from augury.gateways.profiles import accepted_side
from augury.gateways.quoting import communications_id
from augury.gateways.rest import parameters
from augury.gateways.rest.bodies import (
    CREATE_COMBO,
    LOOK_UP_COMBO,
    AnyTickerPair,
)
from augury.gateways.rest.descriptions import description, text
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.listings import WITH_NESTED_MARKETS, event_row
from augury.gateways.rest.multivariate_answers import (
    AssociatedEvent,
    CreateMarketInMultivariateEventCollectionResponse,
    GetMultivariateEventCollectionLookupHistoryResponse,
    GetMultivariateEventCollectionResponse,
    GetMultivariateEventCollectionsResponse,
    GetMultivariateEventsResponse,
    LookupPoint,
    LookupTickersForMarketInMultivariateEventCollectionResponse,
    MultivariateEventCollection,
    SelectedMarket,
)
from augury.gateways.rest.parameters import CURSOR, SERIES_TICKER, Parameter, choice, limit
from augury.gateways.rest.request import Request, Services

MOST_LEGS: Final = 100
"""A selection beyond this is a mistake, whatever the collection allows."""

Quoters = dict[tuple[str, str], list[str]]
"""(collection, event) -> pseudonyms."""

EVENTS_LIMIT: Final = limit(200)
COLLECTIONS_LIMIT: Final = limit(200)
COLLECTION_TICKER: Final = parameters.text(
    "collection_ticker", "Only combos of this collection; not together with series_ticker."
)
COLLECTION_STATUS: Final = choice(
    "status", ("unopened", "open", "closed"), "Only collections of this status."
)
ASSOCIATED_EVENT_TICKER: Final = parameters.text(
    "associated_event_ticker", "Only collections that combine markets of this event."
)
LOOKBACKS: Final = (10, 60, 300, 3600)


def _lookback(values: Sequence[str]) -> int:
    if values[0] not in {str(seconds) for seconds in LOOKBACKS}:
        raise invalid("lookback_seconds must be one of 10, 60, 300, 3600")
    return int(values[0])


LOOKBACK_SECONDS: Final = Parameter(
    "lookback_seconds",
    _lookback,
    LOOKBACKS[-1],
    {"type": "integer", "enum": list(LOOKBACKS), "default": LOOKBACKS[-1]},
    "How many seconds to look back.",
)

EVENTS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    EVENTS_LIMIT,
    CURSOR,
    SERIES_TICKER,
    COLLECTION_TICKER,
    WITH_NESTED_MARKETS,
)
COLLECTIONS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    COLLECTION_STATUS,
    ASSOCIATED_EVENT_TICKER,
    SERIES_TICKER,
    COLLECTIONS_LIMIT,
    CURSOR,
)

_FUNCTIONAL_DESCRIPTION: Final = (
    "A combo resolves to YES if every selected market resolves as selected. Values of scalar "
    "markets are multiplied and rounded down."
)


class Place(NamedTuple):
    """Where a collection stands in its list."""

    created_ns: int
    ticker: str


# --- events ----------------------------------------------------------------------------------


async def get_multivariate_events(
    services: Services, request: Request
) -> GetMultivariateEventsResponse:
    """Combos only, newest first."""
    series_ticker = request.value(SERIES_TICKER)
    collection_ticker = request.value(COLLECTION_TICKER)
    if series_ticker and collection_ticker:
        raise invalid("series_ticker and collection_ticker cannot be combined")
    position = services.position(request, tuple[int])
    found = [
        event
        for event in _candidates(services, series_ticker, collection_ticker)
        if combos.is_combo(event.ticker) and (position is None or event.id < position[0])
    ]
    found.sort(key=lambda event: event.id, reverse=True)
    page = request.value(EVENTS_LIMIT)
    cursor = ""
    if len(found) > page:
        del found[page:]
        cursor = services.next_cursor(request, (found[-1].id,))
    nested = request.value(WITH_NESTED_MARKETS)
    return GetMultivariateEventsResponse(
        [event_row(services, request, event, nested) for event in found], cursor
    )


def _candidates(
    services: Services, series_ticker: str, collection_ticker: str
) -> Iterable[ListedEvent]:
    state = services.state
    if collection_ticker:
        collection = state.collections.get(collection_ticker)
        tickers = [] if collection is None else list(collection.combos.values())
        return [state.markets[ticker].event for ticker in tickers]
    if series_ticker:
        series = state.series.get(series_ticker)
        return [] if series is None else [state.events[t] for t in series.event_tickers]
    return state.events.values()


# --- collections -----------------------------------------------------------------------------


async def get_collections(
    services: Services, request: Request
) -> GetMultivariateEventCollectionsResponse:
    """Newest first."""
    after = services.position(request, Place)
    status = request.value(COLLECTION_STATUS)
    event_ticker = request.value(ASSOCIATED_EVENT_TICKER)
    series_ticker = request.value(SERIES_TICKER)
    now_ns = services.gate.now_ns()
    found = [
        collection
        for collection in services.state.collections.values()
        if (not status or _status(collection, now_ns) == status)
        and (not series_ticker or collection.series.ticker == series_ticker)
        and (not event_ticker or any(e[0] == event_ticker for e in collection.associated_events))
        and (after is None or _place(collection) < after)
    ]
    found.sort(key=_place, reverse=True)
    page = request.value(COLLECTIONS_LIMIT)
    cursor = ""
    if len(found) > page:
        del found[page:]
        cursor = services.next_cursor(request, _place(found[-1]))
    quoters = _active_quoters(services.state)
    return GetMultivariateEventCollectionsResponse(
        [_collection_row(collection, quoters) for collection in found], cursor
    )


async def get_collection(
    services: Services, request: Request
) -> GetMultivariateEventCollectionResponse:
    return GetMultivariateEventCollectionResponse(
        _collection_row(_find(services, request), _active_quoters(services.state))
    )


def _place(collection: Collection) -> Place:
    return Place(collection.created_ns, collection.ticker)


def _status(collection: Collection, now_ns: int) -> str:
    if now_ns < collection.open_ns:
        return "unopened"
    return "open" if now_ns < collection.close_ns else "closed"


def _find(services: Services, request: Request) -> Collection:
    collection = services.state.collections.get(request.path_values[0])
    if collection is None:
        raise not_found("collection")
    return collection


def _collection_row(collection: Collection, quoters: Quoters) -> MultivariateEventCollection:
    found = description(collection.details)
    events = collection.associated_events
    return MultivariateEventCollection(
        collection_ticker=collection.ticker,
        series_ticker=collection.series.ticker,
        title=text(found, "title"),
        description=text(found, "description"),
        open_date=rfc3339(collection.open_ns),
        close_date=rfc3339(collection.close_ns),
        associated_events=[
            AssociatedEvent(
                ticker,
                is_yes_only,
                size_max or None,
                size_min or None,
                quoters.get((collection.ticker, ticker), []),
            )
            for ticker, is_yes_only, size_min, size_max in events
        ],
        associated_event_tickers=[event[0] for event in events],
        is_ordered=collection.is_ordered,
        is_single_market_per_event=all(event[3] == 1 for event in events),
        is_all_yes=all(event[1] for event in events),
        size_min=collection.size_min,
        size_max=collection.size_max,
        functional_description=text(found, "functional_description") or _FUNCTIONAL_DESCRIPTION,
    )


def _active_quoters(state: Exchange) -> Quoters:
    """Who has an open quote on a combo, by collection and event of a leg."""
    found: dict[tuple[str, str], set[str]] = {}
    for quote in state.quotes.values():
        market = quote.rfq.market
        for event_ticker, _, _ in market.legs:
            key = (market.collection_ticker, event_ticker)
            found.setdefault(key, set()).add(communications_id(quote.account.member.id))
    return {key: sorted(names) for key, names in found.items()}


# --- combos ----------------------------------------------------------------------------------


async def create_combo(
    services: Services, request: Request
) -> CreateMarketInMultivariateEventCollectionResponse:
    """List the market of a selection, or name it when it is listed already."""
    body = request.read(CREATE_COMBO)
    collection = _find(services, request)
    legs = _legs(body.selected_markets)
    weekly_limit = services.settings.combos_per_week
    applied = await services.submit(
        CreateCombo(request.member_id, collection.ticker, legs, weekly_limit)
    )
    found = _looked_up(applied.events)
    answer = CreateMarketInMultivariateEventCollectionResponse(
        found.event_ticker, found.market_ticker
    )
    if body.with_market_payload:
        market = services.state.markets.get(found.market_ticker)
        if market is not None:
            answer.market = services.market_rows.row(market, request.profile)
    return answer


async def look_up_combo(
    services: Services, request: Request
) -> LookupTickersForMarketInMultivariateEventCollectionResponse:
    """Name the market of a selection; 404 until somebody has created it."""
    body = request.read(LOOK_UP_COMBO)
    collection = _find(services, request)
    legs = _legs(body.selected_markets)
    applied = await services.submit(LookUpCombo(request.member_id, collection.ticker, legs))
    found = _looked_up(applied.events)
    return LookupTickersForMarketInMultivariateEventCollectionResponse(
        found.event_ticker, found.market_ticker
    )


def _looked_up(events: Iterable[object]) -> ComboLookedUp:
    return next(event for event in events if isinstance(event, ComboLookedUp))


def _legs(selected: list[AnyTickerPair]) -> tuple[tuple[str, str, str], ...]:
    if len(selected) > MOST_LEGS:
        raise invalid(f"at most {MOST_LEGS} markets can be selected")
    return tuple((leg.event_ticker, leg.market_ticker, side_of(leg.side)) for leg in selected)


def side_of(side: str | bool) -> str:
    """Clients up to 3.2 send ``true`` and ``false`` for YES and NO."""
    if side in ("true", True):
        return "yes"
    return "no" if side in ("false", False) else str(side)


async def get_lookup_history(
    services: Services, request: Request
) -> GetMultivariateEventCollectionLookupHistoryResponse:
    """What was created or looked up of late, newest first, each combo once."""
    seconds = request.value(LOOKBACK_SECONDS)
    collection = _find(services, request)
    oldest_ns = services.gate.now_ns() - seconds * NANOS_PER_SECOND
    recent = [
        (time_ns, services.state.markets[ticker])
        for ticker, time_ns in collection.lookups.items()
        if time_ns >= oldest_ns and ticker in services.state.markets
    ]
    recent.sort(key=lambda found: (found[0], found[1].id), reverse=True)
    return GetMultivariateEventCollectionLookupHistoryResponse(
        [
            LookupPoint(
                market.event.ticker,
                market.ticker,
                [
                    SelectedMarket(leg, event, accepted_side(side, request.profile))
                    for event, leg, side in market.legs
                ],
                rfc3339(time_ns),
            )
            for time_ns, market in recent
        ]
    )
