"""Series, events and markets: creating them, describing them, finding them."""

from typing import Any, Final

import msgspec

from augury.codec.text import parse_price, parse_rfc3339
from augury.core import commands
from augury.core.prices import PRICE_LEVEL_STRUCTURES, Band
from augury.core.units import NANOS_PER_SECOND, PPM
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator, page
from augury.gateways.operator.errors import FieldErrors
from augury.gateways.operator.terms import order_strikes

WEEK_NS: Final = 7 * 86_400 * NANOS_PER_SECOND

SERIES_DETAILS: Final = requests.SeriesDetails.__struct_fields__
EVENT_DETAILS: Final = requests.EventDetails.__struct_fields__
MARKET_DETAILS: Final = requests.MarketDetails.__struct_fields__


def _details(values: dict[str, Any]) -> str:
    return msgspec.json.encode(values).decode()


def _merged(old: str, changes: dict[str, Any]) -> str:
    return _details({**answers.details_of(old), **changes})


# --- series ----------------------------------------------------------------------------------


async def list_series(operator: Operator, call: Call[None, requests.Page]) -> answers.SeriesList:
    tickers, cursor = page(sorted(operator.state.series), call.query.cursor, call.query.limit)
    found = [answers.series_detail(operator.series(ticker)) for ticker in tickers]
    return answers.SeriesList(series=found, cursor=cursor)


async def show_series(operator: Operator, call: Call[None, None]) -> answers.SeriesDetail:
    return answers.series_detail(operator.series(call.path["ticker"]))


async def create_series(
    operator: Operator, call: Call[requests.CreateSeries, None]
) -> answers.SeriesDetail:
    body = call.body
    await operator.submit(
        commands.CreateSeries(
            body.ticker,
            body.fee_type,
            round(body.fee_multiplier * PPM),
            _details(requests.given(body, SERIES_DETAILS)),
        )
    )
    return answers.series_detail(operator.series(body.ticker))


async def update_series(
    operator: Operator, call: Call[requests.UpdateSeries, None]
) -> answers.SeriesDetail:
    series = operator.series(call.path["ticker"])
    changes = requests.given(call.body, SERIES_DETAILS)
    await operator.submit(commands.UpdateSeries(series.ticker, _merged(series.details, changes)))
    return answers.series_detail(operator.series(series.ticker))


# --- events ----------------------------------------------------------------------------------


async def list_events(
    operator: Operator, call: Call[None, requests.EventsQuery]
) -> answers.EventList:
    wanted = call.query.series_ticker
    tickers = operator.series(wanted).event_tickers if wanted else operator.state.events
    chosen, cursor = page(sorted(tickers), call.query.cursor, call.query.limit)
    found = [answers.event_detail(operator.event(ticker)) for ticker in chosen]
    return answers.EventList(events=found, cursor=cursor)


async def show_event(operator: Operator, call: Call[None, None]) -> answers.EventDetail:
    return answers.event_detail(operator.event(call.path["ticker"]))


async def create_event(
    operator: Operator, call: Call[requests.CreateEvent, None]
) -> answers.EventDetail:
    body = call.body
    errors = FieldErrors()
    if isinstance(body.strike_date, str):
        errors.parse("strike_date", parse_rfc3339, body.strike_date, 0)
    errors.check()
    await operator.submit(
        commands.CreateEvent(
            body.ticker,
            body.series_ticker,
            body.mutually_exclusive,
            body.collateral_return_type,
            _details(requests.given(body, EVENT_DETAILS)),
        )
    )
    return answers.event_detail(operator.event(body.ticker))


async def update_event(
    operator: Operator, call: Call[requests.UpdateEvent, None]
) -> answers.EventDetail:
    event = operator.event(call.path["ticker"])
    changes = requests.given(call.body, EVENT_DETAILS)
    errors = FieldErrors()
    if isinstance(changes.get("strike_date"), str):
        errors.parse("strike_date", parse_rfc3339, changes["strike_date"], 0)
    errors.check()
    await operator.submit(commands.UpdateEvent(event.ticker, _merged(event.details, changes)))
    return answers.event_detail(operator.event(event.ticker))


# --- markets ---------------------------------------------------------------------------------


async def list_markets(
    operator: Operator, call: Call[None, requests.MarketsQuery]
) -> answers.MarketList:
    query = call.query
    tickers = (
        operator.event(query.event_ticker).market_tickers
        if query.event_ticker
        else operator.state.markets
    )
    chosen, cursor = page(
        sorted(
            ticker
            for ticker in tickers
            if not query.status or operator.market(ticker).status == query.status
        ),
        query.cursor,
        query.limit,
    )
    found = [answers.market_detail(operator.market(ticker)) for ticker in chosen]
    return answers.MarketList(markets=found, cursor=cursor)


async def show_market(operator: Operator, call: Call[None, None]) -> answers.MarketDetail:
    return answers.market_detail(operator.market(call.path["ticker"]))


async def create_market(
    operator: Operator, call: Call[requests.CreateMarket, None]
) -> answers.MarketDetail:
    body = call.body
    errors = FieldErrors()
    now = operator.gate.now_ns()
    close = errors.parse("close_time", parse_rfc3339, body.close_time, now + 1)
    bands = _price_ranges(errors, body.price_level_structure, body.price_ranges)
    command = commands.CreateMarket(
        ticker=body.ticker,
        event_ticker=body.event_ticker,
        market_type=body.market_type,
        open_ns=_optional_time(errors, "open_time", body.open_time, now),
        close_ns=close,
        expected_expiration_ns=_optional_time(
            errors, "expected_expiration_time", body.expected_expiration_time, 0
        ),
        latest_expiration_ns=_optional_time(
            errors, "latest_expiration_time", body.latest_expiration_time, close + WEEK_NS
        ),
        settlement_timer_seconds=body.settlement_timer_seconds,
        can_close_early=body.can_close_early,
        price_level_structure=body.price_level_structure,
        price_ranges=bands,
        fractional_trading_enabled=body.fractional_trading_enabled,
        is_provisional=body.is_provisional,
        fee_waiver_expiration_ns=_optional_time(
            errors, "fee_waiver_expiration_time", body.fee_waiver_expiration_time, 0
        ),
        details=_details(requests.given(body, MARKET_DETAILS)),
    )
    errors.require("close_time", command.open_ns < close, "must be after open_time")
    errors.require(
        "latest_expiration_time", command.latest_expiration_ns >= close, "is before close_time"
    )
    errors.check()
    await operator.submit(command)
    await order_strikes(operator, operator.event(body.event_ticker))
    return answers.market_detail(operator.market(body.ticker))


async def update_market(
    operator: Operator, call: Call[requests.UpdateMarket, None]
) -> answers.MarketDetail:
    """Both changes are adjacent in the log; the finer grid first, because it can be refused."""
    market = operator.market(call.path["ticker"])
    body = call.body
    changes = requests.given(body, MARKET_DETAILS)
    details = _merged(market.details, changes)
    if isinstance(body.price_level_structure, str):
        errors = FieldErrors()
        ranges = body.price_ranges if isinstance(body.price_ranges, list) else []
        bands = _price_ranges(errors, body.price_level_structure, ranges)
        errors.check()
        await operator.submit(
            commands.SetPriceLevelStructure(market.ticker, body.price_level_structure, bands)
        )
    elif isinstance(body.price_ranges, list):
        errors = FieldErrors()
        errors.add("price_level_structure", "required with price_ranges")
        errors.check()
    if changes:
        await operator.submit(commands.UpdateMarket(market.ticker, details))
        await order_strikes(operator, market.event)
    return answers.market_detail(operator.market(market.ticker))


def _optional_time(errors: FieldErrors, field: str, text: str | None, otherwise: int) -> int:
    return otherwise if text is None else errors.parse(field, parse_rfc3339, text, otherwise)


def _price_ranges(
    errors: FieldErrors, structure: str, ranges: list[requests.PriceRange]
) -> tuple[Band, ...]:
    """The bands of a known structure, or those that were given for one of the operator's own.

    Whether bands make a whole grid is the core's to check.
    """
    known = PRICE_LEVEL_STRUCTURES.get(structure)
    if not ranges:
        if known is None:
            names = ", ".join(PRICE_LEVEL_STRUCTURES)
            errors.add("price_level_structure", f"give price_ranges, or use one of {names}")
        return known or ()
    bands = []
    for number, band in enumerate(ranges):
        bands.append(
            (
                errors.parse(f"price_ranges[{number}].start", parse_price, band.start, 0),
                errors.parse(f"price_ranges[{number}].end", parse_price, band.end, 0),
                errors.parse(f"price_ranges[{number}].step", parse_price, band.step, 0),
            )
        )
    given = tuple(bands)
    if known is not None and given != known:
        errors.add("price_ranges", f"differ from those of {structure}; choose another name")
    return given
