"""Milestones, live data, structured targets, search, incentives, fee changes (rest.md, sections 2
and 10).

All of it is descriptive data that world files and the operator put into the log as documents;
fee changes are commands. Documents that lack what an answer needs are left out, never answered
with a fault.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from augury.codec.ids import format_id
from augury.codec.text import count_fp, parse_rfc3339, rfc3339
from augury.core.units import PPM, QUANTITY_ONE
from augury.gateways.rest import parameters
from augury.gateways.rest.answers import Milestone
from augury.gateways.rest.descriptions import (
    Description,
    boolean,
    description,
    integer,
    mapping,
    optional_text,
    text,
    texts,
)
from augury.gateways.rest.discovery_answers import (
    GetFiltersBySportsResponse,
    GetIncentiveProgramsResponse,
    GetLiveDataResponse,
    GetLiveDatasResponse,
    GetMilestoneResponse,
    GetMilestonesResponse,
    GetSeriesFeeChangesResponse,
    GetStructuredTargetResponse,
    GetStructuredTargetsResponse,
    GetTagsForSeriesCategoriesResponse,
    IncentiveProgram,
    LiveData,
    ScopeList,
    SeriesFeeChange,
    SportFilterDetails,
    StructuredTarget,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.listings import MIN_UPDATED_TS, milestone_row
from augury.gateways.rest.parameters import (
    CURSOR,
    SERIES_TICKER,
    Parameter,
    choice,
    flag,
    limit,
)
from augury.gateways.rest.request import Request, Services

MILESTONE: Final = "milestone"
LIVE_DATA: Final = "live_data"
STRUCTURED_TARGET: Final = "structured_target"
INCENTIVE_PROGRAM: Final = "incentive_program"
SPORTS_FILTERS: Final = "sports_filters"
"""Kinds of documents. Live data has its milestone's id as key; sports filters have ``all``."""

MILESTONES_LIMIT: Final = limit(500)
MINIMUM_START_DATE: Final = parameters.text(
    "minimum_start_date",
    "Only milestones that start at this time (RFC 3339) or later.",
    format="date-time",
)
CATEGORY: Final = parameters.text("category", "Only of this category.")
COMPETITION: Final = parameters.text("competition", "Only of this competition.")
SOURCE_ID: Final = parameters.text("source_id", "Only with this id at the source.")
TYPE: Final = parameters.text("type", "Only of this type.")
RELATED_EVENT_TICKER: Final = parameters.text(
    "related_event_ticker", "Only milestones related to this event."
)
MILESTONE_IDS: Final = parameters.texts(
    "milestone_ids", "Of these milestones.", maximum=100, repeated=True
)
PAGE_SIZE: Final = parameters.integer(
    "page_size", "How many rows one page has at most.", minimum=1, maximum=2000, default=100
)
TARGET_IDS: Final = parameters.texts("ids", "Only these targets.")
INCENTIVES_LIMIT: Final = limit(10_000)
INCENTIVE_STATUS: Final = choice(
    "status", ("all", "active", "upcoming", "closed", "paid_out"), "Only in this state."
)
INCENTIVE_TYPE: Final = choice("type", ("all", "liquidity", "volume"), "Only of this type.")
SHOW_HISTORICAL: Final = flag("show_historical", "Add the changes that have happened already.")

MILESTONES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    MILESTONES_LIMIT,
    CURSOR,
    MINIMUM_START_DATE,
    CATEGORY,
    COMPETITION,
    SOURCE_ID,
    TYPE,
    RELATED_EVENT_TICKER,
    MIN_UPDATED_TS,
)
TARGETS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    TYPE,
    COMPETITION,
    PAGE_SIZE,
    CURSOR,
    TARGET_IDS,
)
INCENTIVES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    INCENTIVE_STATUS,
    INCENTIVE_TYPE,
    INCENTIVES_LIMIT,
    CURSOR,
)
FEE_CHANGES_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (SERIES_TICKER, SHOW_HISTORICAL)


class Place(NamedTuple):
    """Where a row stands in its list."""

    sort: str
    id: str


# --- milestones and live data ----------------------------------------------------------------


async def get_milestones(services: Services, request: Request) -> GetMilestonesResponse:
    """In the order of their start."""
    after = services.position(request, Place)
    earliest = _time(request.value(MINIMUM_START_DATE), MINIMUM_START_DATE.name)
    category = request.value(CATEGORY).casefold()
    competition = request.value(COMPETITION).casefold()
    min_updated_ns = request.value(MIN_UPDATED_TS)
    found: list[Milestone] = []
    for key, document in _documents(services, MILESTONE):
        row = milestone_row(key, document)
        if (
            (earliest is None or _start(row.start_date) >= earliest)
            and (min_updated_ns is None or _start(row.last_updated_ts) > min_updated_ns)
            and (not category or row.category.casefold() == category)
            and (not competition or _competition(row.details).casefold() == competition)
            and _matches(request.value(SOURCE_ID), row.source_id)
            and _matches(request.value(TYPE), row.type)
            and (
                not (event := request.value(RELATED_EVENT_TICKER))
                or event in row.related_event_tickers
            )
            and follows(row.start_date, row.id, after)
        ):
            found.append(row)
    found.sort(key=lambda row: (row.start_date, row.id))
    size = request.value(MILESTONES_LIMIT)
    cursor = ""
    if len(found) > size:
        del found[size:]
        cursor = services.next_cursor(request, (found[-1].start_date, found[-1].id))
    return GetMilestonesResponse(found, cursor)


async def get_milestone(services: Services, request: Request) -> GetMilestoneResponse:
    key = request.path_values[0]
    document = services.state.documents.get(MILESTONE, {}).get(key)
    if document is None:
        raise not_found("milestone")
    return GetMilestoneResponse(milestone_row(key, description(document)))


async def get_live_data(services: Services, request: Request) -> GetLiveDataResponse:
    """The type in the path must be that of the data."""
    kind, key = request.path_values
    row = _live_data(services, key)
    if row is None or row.type != kind:
        raise not_found("live data")
    return GetLiveDataResponse(row)


async def get_live_data_of_milestone(services: Services, request: Request) -> GetLiveDataResponse:
    """The later form, without the type."""
    row = _live_data(services, request.path_values[0])
    if row is None:
        raise not_found("live data")
    return GetLiveDataResponse(row)


async def get_live_datas(services: Services, request: Request) -> GetLiveDatasResponse:
    """Unknown milestones are left out."""
    rows = (_live_data(services, key) for key in request.value(MILESTONE_IDS))
    return GetLiveDatasResponse([row for row in rows if row is not None])


def _live_data(services: Services, key: str) -> LiveData | None:
    document = services.state.documents.get(LIVE_DATA, {}).get(key)
    if document is None:
        return None
    found = description(document)
    return LiveData(text(found, "type"), mapping(found, "details") or {}, key)


# --- structured targets ----------------------------------------------------------------------


async def get_structured_targets(
    services: Services, request: Request
) -> GetStructuredTargetsResponse:
    """By name."""
    after = services.position(request, Place)
    competition = request.value(COMPETITION).casefold()
    wanted = request.value(TARGET_IDS)
    found: list[StructuredTarget] = []
    for key, document in _documents(services, STRUCTURED_TARGET):
        row = _target_row(key, document)
        if (
            _matches(request.value(TYPE), row.type)
            and (not competition or _competition(row.details).casefold() == competition)
            and (not wanted or row.id in wanted)
            and follows(row.name, row.id, after)
        ):
            found.append(row)
    found.sort(key=lambda row: (row.name, row.id))
    size = request.value(PAGE_SIZE)
    cursor = ""
    if len(found) > size:
        del found[size:]
        cursor = services.next_cursor(request, (found[-1].name, found[-1].id))
    return GetStructuredTargetsResponse(found, cursor)


async def get_structured_target(
    services: Services, request: Request
) -> GetStructuredTargetResponse:
    key = request.path_values[0]
    document = services.state.documents.get(STRUCTURED_TARGET, {}).get(key)
    if document is None:
        raise not_found("structured target")
    return GetStructuredTargetResponse(_target_row(key, description(document)))


def _target_row(key: str, found: Description) -> StructuredTarget:
    return StructuredTarget(
        id=key,
        name=text(found, "name"),
        type=text(found, "type"),
        details=mapping(found, "details") or {},
        last_updated_ts=text(found, "last_updated_ts") or rfc3339(0),
        source_id=optional_text(found, "source_id"),
    )


# --- search ----------------------------------------------------------------------------------


async def get_tags_by_categories(
    services: Services, request: Request
) -> GetTagsForSeriesCategoriesResponse:
    """The tags in use, by the category of the series that bear them."""
    tags: dict[str, set[str]] = {}
    for series in services.state.series.values():
        found = description(series.details)
        tags.setdefault(text(found, "category"), set()).update(texts(found, "tags"))
    return GetTagsForSeriesCategoriesResponse(
        {category: sorted(tags[category]) for category in sorted(tags) if category}
    )


async def get_filters_by_sports(services: Services, request: Request) -> GetFiltersBySportsResponse:
    """What the operator laid down; without that, what series and events of sports say."""
    stored = services.state.documents.get(SPORTS_FILTERS, {}).get("all")
    if stored is not None:
        found = description(stored)
        sports = mapping(found, "filters_by_sports") or {}
        return GetFiltersBySportsResponse(
            {
                name: _filter_row(details)
                for name, details in sports.items()
                if isinstance(details, dict)
            },
            texts(found, "sport_ordering") or list(sports),
        )
    return _derived_filters(services)


def _filter_row(found: Description) -> SportFilterDetails:
    competitions = mapping(found, "competitions") or {}
    return SportFilterDetails(
        texts(found, "scopes"),
        {
            name: ScopeList(texts(details, "scopes"))
            for name, details in competitions.items()
            if isinstance(details, dict)
        },
    )


def _derived_filters(services: Services) -> GetFiltersBySportsResponse:
    """A sport is a tag of a sports series; its competitions and scopes are its events'."""
    sports: dict[str, dict[str, set[str]]] = {}
    for event in services.state.events.values():
        of_series = description(event.series.details)
        if text(of_series, "category") != "Sports":
            continue
        of_event = description(event.details)
        for sport in texts(of_series, "tags"):
            competitions = sports.setdefault(sport, {})
            scopes = competitions.setdefault(text(of_event, "competition"), set())
            if scope := text(of_event, "competition_scope"):
                scopes.add(scope)
    rows = {
        sport: SportFilterDetails(
            sorted(set().union(*competitions.values())),
            {name: ScopeList(sorted(competitions[name])) for name in sorted(competitions) if name},
        )
        for sport, competitions in sorted(sports.items())
    }
    return GetFiltersBySportsResponse(rows, list(rows))


# --- incentives and fees ---------------------------------------------------------------------


async def get_incentive_programs(
    services: Services, request: Request
) -> GetIncentiveProgramsResponse:
    """In the order of their start."""
    after = services.position(request, Place)
    status = request.value(INCENTIVE_STATUS)
    kind = request.value(INCENTIVE_TYPE)
    now = services.gate.now_ns()
    found: list[IncentiveProgram] = []
    for key, document in _documents(services, INCENTIVE_PROGRAM):
        row = _incentive_row(services, key, document)
        if (
            status in ("", "all", _incentive_status(row, now))
            and kind in ("", "all", row.incentive_type)
            and follows(row.start_date, row.id, after)
        ):
            found.append(row)
    found.sort(key=lambda row: (row.start_date, row.id))
    size = request.value(INCENTIVES_LIMIT)
    cursor = ""
    if len(found) > size:
        del found[size:]
        cursor = services.next_cursor(request, (found[-1].start_date, found[-1].id))
    return GetIncentiveProgramsResponse(found, cursor)


def _incentive_row(services: Services, key: str, found: Description) -> IncentiveProgram:
    ticker = text(found, "market_ticker")
    market = services.state.markets.get(ticker)
    size = integer(found, "target_size")
    discount = integer(found, "discount_factor_bps")
    return IncentiveProgram(
        id=key,
        market_id=format_id("market", market.id) if market is not None else "",
        market_ticker=ticker,
        series_ticker=market.event.series.ticker if market is not None else "",
        incentive_type=text(found, "incentive_type"),
        start_date=text(found, "start_date"),
        end_date=text(found, "end_date"),
        period_reward=integer(found, "period_reward"),
        paid_out=boolean(found, "paid_out"),
        discount_factor_bps=discount or UNSET,
        target_size=size or UNSET,
        target_size_fp=count_fp(size * QUANTITY_ONE) if size else UNSET,
    )


def _incentive_status(row: IncentiveProgram, now_ns: int) -> str:
    if row.paid_out:
        return "paid_out"
    if _start(row.start_date) > now_ns:
        return "upcoming"
    return "closed" if _start(row.end_date) <= now_ns else "active"


async def get_series_fee_changes(
    services: Services, request: Request
) -> GetSeriesFeeChangesResponse:
    """In the order of their time; only those to come, unless all are asked for."""
    ticker = request.value(SERIES_TICKER)
    everything = request.value(SHOW_HISTORICAL)
    changes = [
        change
        for change in services.state.fee_changes.values()
        if (everything or not change.applied) and (not ticker or change.series_ticker == ticker)
    ]
    changes.sort(key=lambda change: (change.scheduled_ns, change.id))
    return GetSeriesFeeChangesResponse(
        [
            SeriesFeeChange(
                format_id("fee_change", change.id),
                change.series_ticker,
                change.fee_type,
                _multiplier(change.multiplier_ppm),
                rfc3339(change.scheduled_ns),
            )
            for change in changes
        ]
    )


def _multiplier(ppm: int) -> int | float:
    return ppm // PPM if ppm % PPM == 0 else ppm / PPM


# --- shared ----------------------------------------------------------------------------------


def _documents(services: Services, kind: str) -> Iterator[tuple[str, Description]]:
    for key, document in services.state.documents.get(kind, {}).items():
        yield key, description(document)


def follows(sort: str, key: str, after: Place | None) -> bool:
    """Whether a row comes after the last one of the page before."""
    return after is None or (sort, key) > (after.sort, after.id)


def _competition(details: dict[str, Any]) -> str:
    return text(details, "competition") or text(details, "league")


def _matches(wanted: str, value: object) -> bool:
    return not wanted or value == wanted


def _start(value: str) -> int:
    """The time in a document, or the beginning of time where it holds none."""
    try:
        return parse_rfc3339(value)
    except ValueError:
        return 0


def _time(value: str, name: str) -> int | None:
    if not value:
        return None
    try:
        return parse_rfc3339(value)
    except ValueError:
        raise invalid(f"{name} must be an RFC 3339 time") from None
