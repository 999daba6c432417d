"""From a world's descriptions to the commands that list it, once its start is known.

Pure: resolves relative times, fills in placeholders, lays out ladders of strikes, and checks what
only then can be checked. Creates nothing and knows no exchange.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from augury.app.world.fair_value import (
    FairValue,
    MarketFacts,
    observed_number,
    observed_text,
)
from augury.app.world.model import (
    EventSpec,
    Json,
    LadderSpec,
    LiveDataSpec,
    MarketSpec,
    RollingSpec,
    Terms,
    World,
)
from augury.app.world.reading import LONGEST_TICKER, TICKER, Fields
from augury.app.world.times import WorldTime, fill_in, next_close
from augury.codec.text import rfc3339
from augury.core.commands import (
    Command,
    CreateCollection,
    CreateCombo,
    CreateEvent,
    CreateMarket,
    CreateSeries,
    PublishAnnouncement,
    PutDocument,
    ScheduleFeeChange,
    SetSchedule,
    SetStrikeOrder,
)
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.units import NANOS_PER_SECOND
from augury.gateways import documents
from augury.gateways.strikes import strike_order

WEEK_NS: Final = 7 * 86_400 * NANOS_PER_SECOND
DEFAULT_SWING: Final = 0.5
"""Log-odds; prices around 50 cents then stray by about 12 cents."""


@dataclass(slots=True)
class EventPlan:
    """One event with its markets, ready to be listed."""

    spec: EventSpec
    command: CreateEvent
    markets: list[CreateMarket] = field(default_factory=list)
    facts: list[MarketFacts] = field(default_factory=list)
    activity: dict[str, str] = field(default_factory=dict)
    """Market ticker -> how busy the bots make it."""
    strikes: SetStrikeOrder | None = None
    """How the markets of a directional event are nested."""

    @property
    def closes_ns(self) -> int:
        return max((market.close_ns for market in self.markets), default=0)


@dataclass(slots=True)
class WorldListing:
    """Everything of a world that does not repeat, in the order in which it can be created."""

    series: list[CreateSeries]
    events: list[EventPlan]
    terms: list[Command]
    """Collections and fee changes."""
    descriptive: list[Command]
    maintenance: list[tuple[int, int]]
    combos: list[CreateCombo]
    """Made by nobody in particular, once, when all the rest is there."""


def list_world(world: World, start_ns: int) -> WorldListing:
    """Lay out a world that starts at ``start_ns``.

    What turns out to be wrong is noted where it was read from, see ``reading.Problems``; a world
    that came through ``load_world`` has no such mistakes.
    """
    series = [
        CreateSeries(spec.ticker, spec.fee_type, spec.fee_multiplier_ppm, _json(spec.details))
        for spec in world.series.values()
    ]
    events = [list_event(world, spec, start_ns) for spec in world.events.values()]
    for rolling in world.rolling:
        close_ns = next_close(start_ns, rolling.every_seconds, rolling.offset_seconds)
        sample = list_occurrence(world, rolling, close_ns)
        _check_tickers([*events, sample])
    _check_tickers(events)
    names = _names(world, events)
    return WorldListing(
        series,
        events,
        _terms(world, names, start_ns),
        _descriptive(world, names, start_ns),
        _maintenance(world, start_ns),
        _combos(world, events, names, start_ns),
    )


def list_occurrence(world: World, rolling: RollingSpec, close_ns: int) -> EventPlan:
    """The occurrence of a rolling event that closes at ``close_ns``.

    Relative times inside it count from the close.
    """
    open_ns = close_ns - rolling.open_for_seconds * NANOS_PER_SECOND
    return list_event(world, rolling.event, close_ns, open_ns, close_ns)


def list_event(
    world: World,
    spec: EventSpec,
    start_ns: int,
    open_ns: int | None = None,
    close_ns: int | None = None,
) -> EventPlan:
    """One event and its markets. Opening and closing times given here go before written ones."""
    terms = spec.terms
    opens = _resolve(terms.open_time, start_ns) if open_ns is None else open_ns
    closes = _resolve(terms.close_time, start_ns) if close_ns is None else close_ns
    values: dict[str, int | str] = {"start": start_ns}
    if opens is not None:
        values["open"] = opens
    if closes is not None:
        values["close"] = closes
    ticker = _ticker(spec.source, spec.ticker, values)
    values["event"] = ticker
    details = _filled(spec.source, spec.details, values, start_ns)
    details.setdefault("category", _category(world, spec))
    plan = EventPlan(
        spec,
        CreateEvent(
            ticker,
            spec.series_ticker,
            spec.mutually_exclusive,
            spec.collateral_return_type,
            _json(details),
        ),
    )
    rungs: list[tuple[MarketSpec, Json, dict[str, int | str]]] = [
        (market, {}, values) for market in spec.markets
    ]
    model = fair_value_of(world, spec, ticker)
    if spec.ladder is not None and model.start is not None:
        moment = opens if opens is not None else start_ns
        rungs += _rungs(spec.ladder, model, moment, values)
    for market, extra, market_values in rungs:
        _list_market(world, plan, market, extra, market_values, start_ns, opens, closes)
    if spec.collateral_return_type == "DIRECNET":
        plan.strikes = _strikes(plan, values)
    return plan


def truth_named(world: World, name: str) -> FairValue | None:
    """The truth of that name, or that of the series of that ticker, if it is a number."""
    for spec in [*world.events.values(), *(rolling.event for rolling in world.rolling)]:
        given = spec.fair_value
        if given is not None and given.start is not None:
            if name == (given.name or spec.series_ticker):
                return fair_value_of(world, spec, spec.ticker)
    return None


def fair_value_of(world: World, spec: EventSpec, event_ticker: str) -> FairValue:
    """The hidden truth behind an event. Numbers go on from one event of a series to the next."""
    given = spec.fair_value
    name = given.name if given else ""
    if given is None:
        return FairValue(
            seed=world.seed,
            name=event_ticker,
            swing=DEFAULT_SWING,
            pace=6 * 3600,
            mutually_exclusive=spec.mutually_exclusive,
            converges=spec.determined_by == "fair_value",
        )
    return FairValue(
        seed=world.seed,
        name=name or (event_ticker if given.start is None else spec.series_ticker),
        swing=given.swing or DEFAULT_SWING,
        pace=float(given.pace_seconds),
        start=given.start,
        decimals=given.decimals,
        mutually_exclusive=spec.mutually_exclusive,
        converges=spec.determined_by == "fair_value",
    )


# --- markets ---------------------------------------------------------------------------------


def _list_market(
    world: World,
    plan: EventPlan,
    market: MarketSpec,
    extra: Json,
    values: dict[str, int | str],
    start_ns: int,
    event_open_ns: int | None,
    event_close_ns: int | None,
) -> None:
    source, own, shared = market.source, market.terms, plan.spec.terms
    opens = _first(_resolve(own.open_time, start_ns), event_open_ns, start_ns)
    closes = _first(_resolve(own.close_time, start_ns), event_close_ns)
    assert opens is not None
    if closes is None:
        source.add("close_time", "is missing, here and at the event")
        return
    if closes <= opens:
        source.add("close_time", f"must be after open_time, which is {rfc3339(opens)}")
    latest = _first(
        _resolve(own.latest_expiration_time, start_ns),
        _resolve(shared.latest_expiration_time, start_ns),
        closes + WEEK_NS,
    )
    assert latest is not None
    if latest < closes:
        source.add("latest_expiration_time", f"is before close_time, which is {rfc3339(closes)}")
    values = {**values, "open": opens, "close": closes}
    ticker = str(values["ticker"]) if "ticker" in values else market.ticker
    ticker = _ticker(source, ticker, values)
    details = _filled(source, {**market.details, **extra}, values, start_ns)
    details.setdefault("title", json.loads(plan.command.details).get("title", ticker))
    details.setdefault("subtitle", "")
    details.setdefault("yes_sub_title", str(values.get("range", "")))
    details.setdefault("no_sub_title", details["yes_sub_title"])
    details.setdefault("rules_primary", "")
    details.setdefault("rules_secondary", "")
    structure, ranges = own.price_level_structure, own.price_ranges
    if structure is None or ranges is None:
        structure, ranges = shared.price_level_structure, shared.price_ranges
    if structure is None or ranges is None:
        structure, ranges = "linear_cent", PRICE_LEVEL_STRUCTURES["linear_cent"]
    market_type = own.market_type or shared.market_type or "binary"
    plan.markets.append(
        CreateMarket(
            ticker=ticker,
            event_ticker=plan.command.ticker,
            market_type=market_type,
            open_ns=opens,
            close_ns=closes,
            expected_expiration_ns=_first(
                _resolve(own.expected_expiration_time, start_ns),
                _resolve(shared.expected_expiration_time, start_ns),
                closes,
            )
            or 0,
            latest_expiration_ns=latest,
            settlement_timer_seconds=_given(own, shared, "settlement_timer_seconds", 0),
            can_close_early=bool(_given(own, shared, "can_close_early", 1)),
            price_level_structure=structure,
            price_ranges=ranges,
            fractional_trading_enabled=bool(_given(own, shared, "fractional_trading_enabled", 0)),
            is_provisional=bool(_given(own, shared, "is_provisional", 0)),
            fee_waiver_expiration_ns=_first(
                _resolve(own.fee_waiver_expiration_time, start_ns),
                _resolve(shared.fee_waiver_expiration_time, start_ns),
            )
            or 0,
            details=_json(details),
        )
    )
    plan.facts.append(
        MarketFacts(
            ticker=ticker,
            open_time=opens / NANOS_PER_SECOND,
            close_time=closes / NANOS_PER_SECOND,
            market_type=market_type,
            strike_type=str(details.get("strike_type", "")),
            floor=details.get("floor_strike"),
            cap=details.get("cap_strike"),
            start_price=_start_price(plan.spec, market),
        )
    )
    plan.activity[ticker] = own.activity or event_activity(world, plan.spec)


def event_activity(world: World, spec: EventSpec) -> str:
    """How busy the bots make an event's markets, unless a market says otherwise."""
    series = world.series.get(spec.series_ticker)
    return spec.terms.activity or (series.activity if series else "normal")


def _start_price(spec: EventSpec, market: MarketSpec) -> float:
    """What was written; otherwise even chances."""
    if market.start_price is not None:
        return market.start_price
    if not spec.mutually_exclusive or len(spec.markets) < 2:
        return 0.5
    left = 1.0 - sum(other.start_price or 0.0 for other in spec.markets)
    unnamed = sum(1 for other in spec.markets if other.start_price is None)
    return max(left / unnamed, 0.01)


def _rungs(
    ladder: LadderSpec, model: FairValue, open_ns: int, values: dict[str, int | str]
) -> list[tuple[MarketSpec, Json, dict[str, int | str]]]:
    """The ladder's markets, evenly spaced around where the truth stands when they open."""
    step = Decimal(str(ladder.step))
    unit = Decimal(1).scaleb(-ladder.decimals)
    number = Decimal(str(round(observed_number(model, open_ns / NANOS_PER_SECOND), 9)))
    middle = round(number / step) * step
    strikes: list[tuple[str, Decimal | None, Decimal | None]] = []
    if ladder.shape == "ranges":
        between = ladder.count - 2
        low = middle - between // 2 * step
        strikes.append(("less", None, low))
        for index in range(between):
            bottom = low + index * step
            strikes.append(("between", bottom, bottom + step - unit))
        strikes.append(("greater", low + between * step - unit, None))
    else:
        for index in range(ladder.count):
            strike = middle + (index - (ladder.count - 1) // 2) * step
            if ladder.shape == "above":
                strikes.append(("greater", strike, None))
            else:
                strikes.append(("less", None, strike))
    rungs = []
    for kind, floor, cap in strikes:
        shown = floor if floor is not None else cap or Decimal(0)
        extra: Json = {"strike_type": kind}
        if floor is not None:
            extra["floor_strike"] = _number(floor)
        if cap is not None:
            extra["cap_strike"] = _number(cap)
        if floor is not None and cap is not None:
            center = floor + step / 2 if ladder.decimals else (floor + cap) / 2
            code = f"B{_plain(center)}"
            text = f"{_spelled(floor, ladder)} to {_spelled(cap, ladder)}"
        else:
            code = f"T{_plain(shown)}"
            text = f"{'above' if cap is None else 'below'} {_spelled(shown, ladder)}"
        own: dict[str, int | str] = {
            **values,
            "range": text,
            "strike": _spelled(shown, ladder),
            "ticker": f"{values['event']}-{code}",
        }
        rungs.append((ladder.market, extra, own))
    return rungs


def _plain(value: Decimal) -> str:
    text = format(value.normalize(), "f")
    return text if text != "-0" else "0"


def _spelled(value: Decimal, ladder: LadderSpec) -> str:
    return f"{value:,.{ladder.decimals}f}{ladder.unit}"


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _strikes(plan: EventPlan, values: dict[str, int | str]) -> SetStrikeOrder | None:
    """As written, or as the strikes say; None when neither tells."""
    spec = plan.spec
    listed = {market.ticker for market in plan.markets}
    written = [_ticker(spec.source, text, values) for text in spec.strike_order]
    for ticker in written:
        if ticker not in listed:
            spec.source.add("strike_order", f"the event has no market {ticker}")
            return None
    if written:
        return SetStrikeOrder(plan.command.ticker, tuple(written), spec.strikes_below)
    found = strike_order((market.ticker, json.loads(market.details)) for market in plan.markets)
    return None if found is None else SetStrikeOrder(plan.command.ticker, *found)


# --- terms -----------------------------------------------------------------------------------


def _names(world: World, plans: list[EventPlan]) -> dict[str, str]:
    """Tickers of events and markets as they are written -> as they are listed."""
    names: dict[str, str] = {}
    for spec, plan in zip(world.events.values(), plans, strict=True):
        names[spec.ticker] = plan.command.ticker
        for market, command in zip(spec.markets, plan.markets, strict=False):
            names[market.ticker.replace("{event}", spec.ticker)] = command.ticker
        for command in plan.markets:
            names.setdefault(command.ticker, command.ticker)
        names.setdefault(plan.command.ticker, plan.command.ticker)
    return names


def _terms(world: World, names: dict[str, str], start_ns: int) -> list[Command]:
    found: list[Command] = []
    for spec in world.collections:
        opens, closes = spec.open_date.resolve(start_ns), spec.close_date.resolve(start_ns)
        if closes <= opens:
            spec.source.add("close_date", f"must be after open_date, which is {rfc3339(opens)}")
        for event in spec.events:
            if event[0] not in names:
                spec.source.add("events", f"no event {event[0]} in this file")
        events = tuple(
            (names.get(ticker, ticker), yes_only, least, most)
            for ticker, yes_only, least, most in spec.events
        )
        values: dict[str, int | str] = {"start": start_ns, "open": opens, "close": closes}
        found.append(
            CreateCollection(
                _ticker(spec.source, spec.ticker, values),
                spec.series_ticker,
                opens,
                closes,
                spec.size_min,
                spec.size_max,
                spec.is_ordered,
                events,
                _json(_filled(spec.source, spec.details, values, start_ns)),
            )
        )
    found += [
        ScheduleFeeChange(
            change.series_ticker,
            change.fee_type,
            change.fee_multiplier_ppm,
            change.scheduled_time.resolve(start_ns),
        )
        for change in world.fee_changes
    ]
    return found


def _combos(
    world: World, plans: list[EventPlan], names: dict[str, str], start_ns: int
) -> list[CreateCombo]:
    events = {market.ticker: plan.command.ticker for plan in plans for market in plan.markets}
    found: list[CreateCombo] = []
    for spec in world.collections:
        opens, closes = spec.open_date.resolve(start_ns), spec.close_date.resolve(start_ns)
        values: dict[str, int | str] = {"start": start_ns, "open": opens, "close": closes}
        for combo in spec.combos:
            legs = []
            for written, side in combo:
                ticker = names.get(written, written)
                if ticker not in events:
                    spec.source.add("combos", f"no market {written} in this file")
                legs.append((events.get(ticker, ""), ticker, side))
            found.append(CreateCombo(0, _ticker(spec.source, spec.ticker, values), tuple(legs)))
    return found


def _maintenance(world: World, start_ns: int) -> list[tuple[int, int]]:
    return sorted(
        (start.resolve(start_ns), end.resolve(start_ns)) for start, end in world.maintenance
    )


# --- descriptive data ------------------------------------------------------------------------


def live_details(world: World, spec: LiveDataSpec, start_ns: int, now_ns: int) -> Json:
    """The live data of a milestone at a moment of a world that started at ``start_ns``."""
    begins = spec.starts.resolve(start_ns)
    ends = None if spec.ends is None else spec.ends.resolve(start_ns)
    status = "upcoming" if now_ns < begins else "live"
    if ends is not None and now_ns >= ends:
        status = "ended"
    found: Json = {"status": status, **spec.details}
    for field_name, truth in spec.follows.items():
        model = truth_named(world, truth)
        if model is not None:
            number = Decimal(observed_text(model, now_ns / NANOS_PER_SECOND))
            found[field_name] = _number(number)
    found["last_updated_ts"] = now_ns // NANOS_PER_SECOND
    return found


def _descriptive(world: World, names: dict[str, str], start_ns: int) -> list[Command]:
    found: list[Command] = []
    if world.schedule is not None:
        found.append(SetSchedule(_json(_with_times(world.schedule, start_ns))))
    found += [
        PublishAnnouncement(
            announcement.kind,
            announcement.message,
            announcement.status,
            announcement.delivery_time.resolve(start_ns),
        )
        for announcement in world.announcements
    ]
    for document in world.documents:
        details = dict(document.details)
        for name, when in document.times.items():
            details[name] = rfc3339(when.resolve(start_ns))
        for name in ("primary_event_tickers", "related_event_tickers"):
            if isinstance(details.get(name), list):
                details[name] = [names.get(ticker, ticker) for ticker in details[name]]
        if "market_ticker" in details:
            details["market_ticker"] = names.get(details["market_ticker"], details["market_ticker"])
        whole = documents.completed(document.kind, document.key, details, start_ns)
        if "last_updated_ts" in details:
            whole["last_updated_ts"] = details["last_updated_ts"]
        problems = documents.problems(document.kind, document.key, whole, None)
        for name, message in problems.items():
            if message == "required":
                document.source.add("", f"`{name}` is missing")
            else:
                document.source.add(name, message)
        found.append(PutDocument(document.kind, document.key, _json(whole)))
    found += [
        PutDocument(documents.LIVE_DATA, live.key, live_document(world, live, start_ns, start_ns))
        for live in world.live_data
    ]
    return found


def live_document(world: World, spec: LiveDataSpec, start_ns: int, now_ns: int) -> str:
    """The document of a milestone's live data at a moment."""
    details = live_details(world, spec, start_ns, now_ns)
    return _json({"type": spec.type, "details": details, "milestone_id": spec.key})


def _with_times(value: object, start_ns: int) -> object:
    """A copy in which every time is spelled out."""
    if isinstance(value, WorldTime):
        return rfc3339(value.resolve(start_ns))
    if isinstance(value, dict):
        return {key: _with_times(inner, start_ns) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_times(inner, start_ns) for inner in value]
    return value


# --- helpers -----------------------------------------------------------------------------------


def _resolve(time: WorldTime | None, start_ns: int) -> int | None:
    return None if time is None else time.resolve(start_ns)


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _given(own: Terms, shared: Terms, name: str, default: int) -> int:
    found = _first(getattr(own, name), getattr(shared, name), default)
    return default if found is None else int(found)


def _category(world: World, spec: EventSpec) -> str:
    series = world.series.get(spec.series_ticker)
    return str(series.details["category"]) if series else "Other"


def _filled(source: Fields, details: Json, values: dict[str, int | str], start_ns: int) -> Json:
    """Details with times spelled out and placeholders replaced."""
    filled: Json = {}
    for name, value in details.items():
        if isinstance(value, WorldTime):
            filled[name] = rfc3339(value.resolve(start_ns))
        elif isinstance(value, str):
            try:
                filled[name] = fill_in(value, values)
            except ValueError as error:
                source.add(name, str(error))
        else:
            filled[name] = value
    return filled


def _ticker(source: Fields, text: str, values: dict[str, int | str]) -> str:
    try:
        ticker = fill_in(text, values).upper()
    except ValueError as error:
        source.add("ticker", str(error))
        return text
    if text and (TICKER.fullmatch(ticker) is None or len(ticker) > LONGEST_TICKER):
        source.add("ticker", f"becomes {ticker!r}, which is no ticker")
    return ticker


def _check_tickers(plans: list[EventPlan]) -> None:
    """Two things of one kind must not share a ticker."""
    events: set[str] = set()
    markets: set[str] = set()
    for plan in plans:
        if plan.command.ticker in events:
            plan.spec.source.add("ticker", f"{plan.command.ticker} is listed twice")
        events.add(plan.command.ticker)
        for market in plan.markets:
            if market.ticker in markets:
                plan.spec.source.add("markets", f"{market.ticker} is listed twice")
            markets.add(market.ticker)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
