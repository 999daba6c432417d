"""Listing series, events and markets, and the descriptive data beside them."""

from typing import Final

from augury.core import collateral
from augury.core import rejections as reject
from augury.core.commands import (
    CreateEvent,
    CreateMarket,
    CreateSeries,
    PublishAnnouncement,
    PutDocument,
    RemoveDocument,
    SetPriceLevelStructure,
    SetSchedule,
    UpdateEvent,
    UpdateMarket,
    UpdateSeries,
)
from augury.core.events import (
    AnnouncementPublished,
    DocumentPut,
    DocumentRemoved,
    EventCreated,
    EventUpdated,
    MarketCreated,
    MarketUpdated,
    PriceLevelStructureChanged,
    ScheduleSet,
    SeriesCreated,
    SeriesUpdated,
)
from augury.core.fees import FEE_TYPES, MAX_MULTIPLIER_PPM, FeeSchedule
from augury.core.lifecycle import find_market, open_at_listing
from augury.core.prices import Band, common_step, is_valid_grid, refines, single_step
from augury.core.rejections import Rejection
from augury.core.state import FINALIZED, Announcement, ListedEvent, Market, Series
from augury.core.step import Step
from augury.core.tickers import check_ticker
from augury.core.units import NANOS_PER_SECOND

COLLATERAL_RETURN_TYPES: Final = ("", "MECNET", "DIRECNET")
MARKET_TYPES: Final = ("binary", "scalar")


def create_series(step: Step, command: CreateSeries) -> None:
    check_ticker(command.ticker)
    if command.ticker in step.state.series:
        raise Rejection(reject.ALREADY_EXISTS, command.ticker)
    if command.fee_type not in FEE_TYPES:
        raise Rejection(reject.INVALID_PARAMETERS, "fee_type")
    if not 0 <= command.fee_multiplier_ppm <= MAX_MULTIPLIER_PPM:
        raise Rejection(reject.INVALID_PARAMETERS, "fee_multiplier")
    fees = FeeSchedule(command.fee_type, command.fee_multiplier_ppm)
    step.state.series[command.ticker] = Series(command.ticker, fees, command.details, step.time_ns)
    step.events.append(SeriesCreated(command.ticker))


def update_series(step: Step, command: UpdateSeries) -> None:
    series = step.state.series.get(command.ticker)
    if series is None:
        raise Rejection(reject.NOT_FOUND, command.ticker)
    series.details = command.details
    series.updated_ns = step.time_ns
    step.events.append(SeriesUpdated(command.ticker))


def create_event(step: Step, command: CreateEvent) -> None:
    check_ticker(command.ticker)
    series = step.state.series.get(command.series_ticker)
    if series is None:
        raise Rejection(reject.NOT_FOUND, command.series_ticker)
    if command.ticker in step.state.events:
        raise Rejection(reject.ALREADY_EXISTS, command.ticker)
    if command.collateral_return_type not in COLLATERAL_RETURN_TYPES:
        raise Rejection(reject.INVALID_PARAMETERS, "collateral_return_type")
    step.state.events[command.ticker] = ListedEvent(
        step.sequence,
        command.ticker,
        series,
        command.mutually_exclusive,
        command.collateral_return_type,
        command.details,
        step.time_ns,
    )
    series.event_tickers.append(command.ticker)
    step.events.append(
        EventCreated(
            command.ticker,
            command.series_ticker,
            command.collateral_return_type,
            command.details,
        )
    )


def update_event(step: Step, command: UpdateEvent) -> None:
    event = step.state.events.get(command.ticker)
    if event is None:
        raise Rejection(reject.NOT_FOUND, command.ticker)
    event.details = command.details
    event.updated_ns = step.time_ns
    step.events.append(EventUpdated(command.ticker))


def create_market(step: Step, command: CreateMarket) -> None:
    state = step.state
    check_ticker(command.ticker)
    event = state.events.get(command.event_ticker)
    if event is None:
        raise Rejection(reject.NOT_FOUND, command.event_ticker)
    if command.ticker in state.markets:
        raise Rejection(reject.ALREADY_EXISTS, command.ticker)
    if command.market_type not in MARKET_TYPES:
        raise Rejection(reject.INVALID_PARAMETERS, "market_type")
    if command.close_ns <= command.open_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "close_time must be after open_time")
    if command.latest_expiration_ns and command.latest_expiration_ns < command.close_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "latest_expiration_time is before close_time")
    if command.settlement_timer_seconds < 0:
        raise Rejection(reject.INVALID_PARAMETERS, "settlement_timer_seconds")
    price_ranges = bands(command.price_ranges)
    market = Market(
        step.sequence,
        command.ticker,
        event,
        command.market_type,
        command.open_ns,
        command.close_ns,
        command.expected_expiration_ns,
        command.latest_expiration_ns,
        command.settlement_timer_seconds * NANOS_PER_SECOND,
        command.can_close_early,
        command.price_level_structure,
        price_ranges,
        command.fractional_trading_enabled,
        command.is_provisional,
        command.fee_waiver_expiration_ns,
        command.details,
        step.time_ns,
    )
    state.markets[market.ticker] = market
    state.ledger.escrow[market.ticker] = 0
    event.market_tickers.append(market.ticker)
    step.events.append(
        MarketCreated(market.ticker, event.ticker, market.open_ns, market.close_ns, market.details)
    )
    open_at_listing(step, market)


def update_market(step: Step, command: UpdateMarket) -> None:
    market = find_market(step.state, command.ticker)
    market.details = command.details
    market.updated_ns = step.time_ns
    step.events.append(MarketUpdated(market.ticker))


def set_price_level_structure(step: Step, command: SetPriceLevelStructure) -> None:
    market = find_market(step.state, command.ticker)
    if market.status == FINALIZED:
        raise Rejection(reject.INVALID_STATE, f"market is {market.status}")
    price_ranges = bands(command.price_ranges)
    if not refines(price_ranges, market.price_ranges):
        raise Rejection(reject.INVALID_PARAMETERS, "the new grid must contain the old one")
    market.price_ranges = price_ranges
    market.price_step = single_step(price_ranges)
    market.money_step = market.lot * common_step(price_ranges)
    market.price_level_structure = command.price_level_structure
    collateral.reprice(market)
    market.updated_ns = step.time_ns
    step.events.append(PriceLevelStructureChanged(market.ticker, command.price_level_structure))


def bands(price_ranges: tuple[tuple[int, int, int], ...]) -> tuple[Band, ...]:
    """The bands as tuples, whatever sequence the command arrived with."""
    result = tuple((band[0], band[1], band[2]) for band in price_ranges)
    if not is_valid_grid(result):
        raise Rejection(reject.INVALID_PARAMETERS, "price_ranges")
    return result


def publish_announcement(step: Step, command: PublishAnnouncement) -> None:
    step.state.announcements.append(
        Announcement(
            step.sequence, command.kind, command.message, command.status, command.delivery_ns
        )
    )
    step.events.append(
        AnnouncementPublished(command.kind, command.message, command.status, command.delivery_ns)
    )


def set_schedule(step: Step, command: SetSchedule) -> None:
    step.state.schedule = command.details
    step.events.append(ScheduleSet(command.details))


def put_document(step: Step, command: PutDocument) -> None:
    if not command.kind or not command.key:
        raise Rejection(reject.INVALID_PARAMETERS, "kind and key")
    step.state.documents.setdefault(command.kind, {})[command.key] = command.details
    step.events.append(DocumentPut(command.kind, command.key))


def remove_document(step: Step, command: RemoveDocument) -> None:
    documents = step.state.documents.get(command.kind)
    if documents is None or command.key not in documents:
        raise Rejection(reject.NOT_FOUND, command.key)
    del documents[command.key]
    step.events.append(DocumentRemoved(command.kind, command.key))
