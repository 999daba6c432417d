"""World files: what an exchange lists when it starts, and who trades there.

``load_world`` reads a YAML file into a ``World`` or raises ``WorldError`` with everything that is
wrong, each with file, line and field. The format is described in docs/worlds.md. Applying a world
to an exchange is ``world_apply``'s work.
"""

import re
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, Final

from augury.app.world.listing import list_world, truth_named
from augury.app.world.model import (
    ACTIVITIES,
    CollectionSpec,
    EventSpec,
    FairValueSpec,
    FeeChangeSpec,
    Json,
    LadderSpec,
    MarketSpec,
    RollingSpec,
    SeriesSpec,
    Terms,
    World,
)
from augury.app.world.notices import (
    read_announcement,
    read_collection,
    read_described,
    read_document,
    read_fee_change,
    read_incentive,
    read_live_data,
    read_schedule,
    read_sports_filters,
)
from augury.app.world.people import read_bot, read_member, read_name
from augury.app.world.reading import (
    Fields,
    Place,
    Problems,
    WorldError,
    read_nodes,
    read_text,
)
from augury.core.fees import FEE_TYPES, QUADRATIC
from augury.core.prices import PRICE_LEVEL_STRUCTURES, Band, is_valid_grid
from augury.core.units import PRICE_ONE

SAMPLE_START_NS: Final = 1_769_522_400_000_000_000
"""A moment in January 2026 at which a file is tried out, so that its mistakes show on loading."""

BOT_KINDS: Final = ("maker", "taker", "noise")
STRIKE_TYPES: Final = (
    "greater",
    "greater_or_equal",
    "less",
    "less_or_equal",
    "between",
    "functional",
    "custom",
    "structured",
)
_EMAIL: Final = re.compile(r"[^@\s/]+@[^@\s/]+")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_DOLLARS: Final = "100000000000"

__all__ = [
    "ACTIVITIES",
    "BOT_KINDS",
    "World",
    "WorldError",
    "find_world",
    "load_world",
    "parse_world",
    "shipped_worlds",
]


def shipped_worlds() -> list[str]:
    """Names of the worlds that come with the package."""
    folder = resources.files("augury.worlds")
    return sorted(
        item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")
    )


def find_world(name: str) -> Path:
    """The file of a path, or of a shipped world's name such as ``demo``.

    Raises ``WorldError`` when there is neither.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    if name in shipped_worlds():
        return Path(str(resources.files("augury.worlds") / f"{name}.yaml"))
    problems = Problems(name)
    problems.add(Place(1, ""), f"no such file; shipped worlds: {', '.join(shipped_worlds())}")
    raise WorldError(problems.found)


def load_world(path: str | Path) -> World:
    """Read and check a world file, given by path or by a shipped name. Raises ``WorldError``."""
    found = find_world(str(path))
    text = read_text(found, Problems(str(found)))
    return parse_world(text, str(found), found.parent)


def parse_world(text: str, file: str = "world.yaml", directory: Path | None = None) -> World:
    """Read and check the text of a world file. Paths in it are relative to ``directory``."""
    problems = Problems(file)
    top = Fields(read_nodes(text, problems), "", problems)
    world = World(
        name=top.parsed("world", read_name, Path(file).stem),
        file=file,
        directory=directory or Path(),
        seed=top.whole("seed", 1),
        start=top.time("start"),
    )
    _Loader(world, problems).read(top)
    # What depends on times shows only when the world is laid out once.
    mistakes = len(problems.found)
    list_world(world, SAMPLE_START_NS)
    problems.drop_consequences(mistakes)
    problems.check()
    return world


class _Loader:
    """Fills a world section by section."""

    def __init__(self, world: World, problems: Problems) -> None:
        self.world = world
        self.problems = problems

    def read(self, top: Fields) -> None:
        world = self.world
        for fields in top.each("series"):
            self.series(fields)
        for fields in top.each("events"):
            self.event(fields, "")
        for fields in top.each("markets"):
            self.flat_market(fields)
        for fields in top.each("rolling"):
            world.rolling.append(self.rolling(fields, ""))
        for fields in top.each("members"):
            world.members.append(read_member(fields, world.directory))
        for fields in top.each("bots"):
            bot, member = read_bot(fields)
            world.bots.append(bot)
            world.members.append(member)
        for fields in top.each("announcements"):
            world.announcements.append(read_announcement(fields))
        for fields in top.each("milestones"):
            milestone = read_described(fields, "milestone", "title")
            world.documents.append(milestone)
            if (live := read_live_data(fields, milestone)) is not None:
                world.live_data.append(live)
        for fields in top.each("structured_targets"):
            world.documents.append(read_described(fields, "structured_target", "name"))
        for fields in top.each("incentive_programs"):
            world.documents.append(read_incentive(fields))
        if (filters := read_sports_filters(top)) is not None:
            world.documents.append(filters)
        for fields in top.each("documents"):
            world.documents.append(read_document(fields))
        for fields in top.each("collections"):
            world.collections.append(read_collection(fields))
        for fields in top.each("fee_changes"):
            world.fee_changes.append(read_fee_change(fields))
        world.schedule, world.maintenance = read_schedule(top)
        top.finish()
        self.check_names()

    # --- series, events, markets --------------------------------------------------------------

    def series(self, fields: Fields) -> None:
        ticker = fields.ticker()
        title = fields.text("title", ticker)
        multiplier = fields.decimal("fee_multiplier", Decimal(1), least="0", most="10")
        spec = SeriesSpec(
            ticker=ticker,
            fee_type=fields.choice("fee_type", FEE_TYPES, QUADRATIC),
            fee_multiplier_ppm=int((multiplier or Decimal(0)) * 1_000_000),
            details={
                "title": title,
                "category": fields.text("category", "Other"),
                "tags": fields.texts("tags"),
                "frequency": fields.text("frequency", "custom"),
                "settlement_sources": _sources(fields),
                "contract_url": fields.text("contract_url"),
                "contract_terms_url": fields.text("contract_terms_url"),
                "additional_prohibitions": fields.texts("additional_prohibitions"),
                **_present(fields, "product_metadata"),
            },
            activity=fields.choice("activity", ACTIVITIES, "normal"),
            source=fields,
        )
        if ticker in self.world.series:
            fields.add("ticker", f"{ticker} is listed twice")
        self.world.series.setdefault(ticker, spec)
        for nested in fields.each("events"):
            self.event(nested, ticker)
        for nested in fields.each("rolling"):
            self.world.rolling.append(self.rolling(nested, ticker))
        fields.finish()

    def event(self, fields: Fields, series_ticker: str) -> None:
        spec = self.event_spec(fields, series_ticker, rolling=False)
        if spec.ticker in self.world.events:
            fields.add("ticker", f"{spec.ticker} is listed twice")
        self.world.events.setdefault(spec.ticker, spec)

    def event_spec(self, fields: Fields, series_ticker: str, *, rolling: bool) -> EventSpec:
        ticker = fields.ticker()
        parent = _parent(fields, "series_ticker", series_ticker)
        exclusive = fields.flag("mutually_exclusive")
        fair_value = self.fair_value(fields)
        by = fields.choice(
            "determined_by", ("operator", "fair_value"), "fair_value" if rolling else "operator"
        )
        details: Json = {
            "title": fields.text("title", ticker),
            "sub_title": fields.text("sub_title"),
            **_texts_given(fields, "category", "strike_period", "image_url"),
            **_texts_given(fields, "featured_image_url", "competition", "competition_scope"),
            "available_on_brokers": fields.flag("available_on_brokers"),
            **_present(fields, "product_metadata"),
        }
        if fields.has("settlement_sources"):
            details["settlement_sources"] = _sources(fields)
        if (strike_date := fields.time("strike_date")) is not None:
            details["strike_date"] = strike_date
        spec = EventSpec(
            ticker=ticker,
            series_ticker=parent,
            mutually_exclusive=exclusive,
            collateral_return_type=fields.choice(
                "collateral_return_type", ("", "MECNET", "DIRECNET"), "MECNET" if exclusive else ""
            ),
            details=details,
            terms=_terms(fields, with_open_and_close=not rolling),
            markets=[],
            ladder=None,
            fair_value=fair_value,
            determined_by=by,
            determine_after_seconds=fields.duration("determine_after", 5),
            source=fields,
            strike_order=fields.texts("strike_order"),
            strikes_below=fields.flag("strikes_below"),
        )
        if spec.strike_order and spec.collateral_return_type != "DIRECNET":
            fields.add("strike_order", "is for `collateral_return_type: DIRECNET` only")
        for nested in fields.each("markets"):
            spec.markets.append(self.market(nested, ticker, with_close=not rolling))
        spec.ladder = self.ladder(fields, spec, with_close=not rolling)
        fields.finish()
        return spec

    def fair_value(self, fields: Fields) -> FairValueSpec | None:
        inside = fields.mapping("fair_value")
        if inside is None:
            return None
        spec = FairValueSpec(
            swing=inside.number("swing", above=0),
            pace_seconds=inside.duration("pace", 6 * 3600, least=15),
            start=inside.number("start"),
            decimals=inside.whole("decimals", 0, most=6),
            name=inside.text("name"),
        )
        if spec.start is not None and spec.swing is None and not inside.has("swing"):
            inside.add("swing", "is missing; how far does the number stray from its start?")
        inside.finish()
        return spec

    def market(self, fields: Fields, event_ticker: str, *, with_close: bool = True) -> MarketSpec:
        spec = MarketSpec(
            ticker=fields.ticker(),
            event_ticker=_parent(fields, "event_ticker", event_ticker),
            terms=_terms(fields, with_open_and_close=with_close),
            details=_market_details(fields),
            start_price=fields.number("start_price", above=0),
            source=fields,
        )
        if spec.start_price is not None and spec.start_price >= 1:
            fields.add("start_price", "expected dollars between 0 and 1, such as 0.35")
        fields.finish()
        return spec

    def flat_market(self, fields: Fields) -> None:
        spec = self.market(fields, "")
        event = self.world.events.get(spec.event_ticker)
        if event is not None:
            event.markets.append(spec)
        elif spec.event_ticker:
            fields.add(
                "event_ticker", f"no event {spec.event_ticker} in this file"
                + _similar(spec.event_ticker, list(self.world.events))
            )  # fmt: skip

    def ladder(self, fields: Fields, event: EventSpec, *, with_close: bool) -> LadderSpec | None:
        inside = fields.mapping("ladder")
        if inside is None:
            return None
        step = inside.number("step", 1.0, above=0) or 1.0
        # The ticker comes from the strikes, so the pattern for the markets must not name one.
        spec = LadderSpec(
            shape=inside.choice("shape", ("ranges", "above", "below"), "above"),
            count=inside.whole("count", 5, least=1, most=50),
            step=step,
            decimals=event.fair_value.decimals if event.fair_value else 0,
            unit=inside.text("unit"),
            market=MarketSpec(
                ticker="",
                event_ticker=event.ticker,
                terms=_terms(inside, with_open_and_close=with_close),
                details=_market_details(inside, with_strikes=False),
                start_price=None,
                source=inside,
            ),
        )
        if spec.shape == "ranges" and spec.count < 3:
            inside.add("count", "ranges need at least 3 markets: below, between, above")
        if event.fair_value is None or event.fair_value.start is None:
            inside.problems.add(
                inside.place(), "needs `fair_value` with a `start` beside it, to know its middle"
            )
        inside.finish()
        return spec

    def rolling(self, fields: Fields, series_ticker: str) -> RollingSpec:
        every = fields.duration("every", 3600, least=10)
        if not fields.has("every"):
            fields.add("", "`every` is missing; how often does the event happen?")
        offset = fields.duration("offset", 0)
        if offset >= every:
            fields.add("offset", "must be less than `every`")
        event_fields = fields.mapping("event")
        if event_fields is None:
            fields.add("", "`event` is missing")
            event_fields = fields
        parent = _parent(fields, "series_ticker", series_ticker)
        spec = RollingSpec(
            every_seconds=every,
            offset_seconds=offset,
            open_for_seconds=fields.duration("open_for", every, least=10),
            listed_before_seconds=fields.duration("listed_before", 0),
            event=(
                self.event_spec(event_fields, parent, rolling=True)
                if event_fields is not fields
                else _nothing(fields, parent)
            ),
            source=fields,
        )
        fields.finish()
        return spec

    # --- what must fit together ---------------------------------------------------------------

    def check_names(self) -> None:
        world = self.world
        tickers = list(world.series)
        for event in [*world.events.values(), *(rolling.event for rolling in world.rolling)]:
            if event.series_ticker and event.series_ticker not in world.series:
                source, name = event.source, "series_ticker"
                source.add(
                    name,
                    f"no series {event.series_ticker} in this file"
                    + _similar(event.series_ticker, tickers),
                )
        parts: list[CollectionSpec | FeeChangeSpec] = [*world.collections, *world.fee_changes]
        for part in parts:
            if part.series_ticker and part.series_ticker not in world.series:
                part.source.add(
                    "series_ticker",
                    f"no series {part.series_ticker} in this file"
                    + _similar(part.series_ticker, tickers),
                )
        for live in world.live_data:
            for name in live.follows.values():
                if truth_named(world, name) is None:
                    live.source.add("follows", f"no truth called {name} is a number")
            for series in live.related_series:
                if series not in world.series:
                    live.source.add(
                        "", f"no series {series} in this file" + _similar(series, tickers)
                    )
        self.check_unique([item.ticker for item in world.collections], world.collections, "ticker")
        self.check_unique(
            [rolling.event.series_ticker for rolling in world.rolling], world.rolling, ""
        )
        self.check_unique([member.email for member in world.members], world.members, "email")
        self.check_unique([bot.name for bot in world.bots], world.bots, "name")

    def check_unique(self, values: list[str], specs: list[Any], name: str) -> None:
        seen: set[str] = set()
        for value, spec in zip(values, specs, strict=True):
            if value and value in seen:
                message = f"{value} is used twice" if name else f"{value} rolls already"
                spec.source.add(name, message)
            seen.add(value)


# --- parts of the format -----------------------------------------------------------------------


def _terms(fields: Fields, *, with_open_and_close: bool) -> Terms:
    structure, ranges = _grid(fields)
    terms = Terms(
        market_type=_optional_choice(fields, "market_type", ("binary", "scalar")),
        expected_expiration_time=fields.time("expected_expiration_time"),
        latest_expiration_time=fields.time("latest_expiration_time"),
        fee_waiver_expiration_time=fields.time("fee_waiver_expiration_time"),
        price_level_structure=structure,
        price_ranges=ranges,
        activity=_optional_choice(fields, "activity", ACTIVITIES),
    )
    if with_open_and_close:
        terms.open_time = fields.time("open_time")
        terms.close_time = fields.time("close_time")
    if fields.has("settlement_timer_seconds"):
        terms.settlement_timer_seconds = fields.whole(
            "settlement_timer_seconds", 0, most=31_536_000
        )
    if fields.has("can_close_early"):
        terms.can_close_early = fields.flag("can_close_early")
    if fields.has("fractional_trading_enabled"):
        terms.fractional_trading_enabled = fields.flag("fractional_trading_enabled")
    if fields.has("is_provisional"):
        terms.is_provisional = fields.flag("is_provisional")
    return terms


def _grid(fields: Fields) -> tuple[str | None, tuple[Band, ...] | None]:
    """A structure by its name, or bands of one's own under a name of one's own."""
    name = fields.text("price_level_structure")
    bands: list[Band] = []
    for nested in fields.each("price_ranges"):
        band = tuple(
            int(
                (nested.decimal(part, Decimal(0), least="0", most="1", decimals=4) or 0) * PRICE_ONE
            )
            for part in ("start", "end", "step")
        )
        bands.append((band[0], band[1], band[2]))
        nested.finish()
    known = PRICE_LEVEL_STRUCTURES.get(name)
    if name and known is None and not bands:
        fields.add(
            "price_level_structure",
            f"unknown name {name!r}{_similar(name, list(PRICE_LEVEL_STRUCTURES))}; "
            "give `price_ranges` with a structure of your own",
        )
        return None, None
    if bands:
        grid = tuple(bands)
        if not is_valid_grid(grid):
            fields.add(
                "price_ranges",
                "must join from 0 to 1 in whole steps, and mirror themselves for the NO side",
            )
        elif known is not None and known != grid:
            fields.add("price_ranges", f"differ from those of {name}; use another name")
        return name or "custom", grid
    return (name, known) if known else (None, None)


_MARKET_TEXTS: Final = (
    "title",
    "subtitle",
    "yes_sub_title",
    "no_sub_title",
    "rules_primary",
    "rules_secondary",
    "early_close_condition",
    "primary_participant_key",
    "category",
    "image_url",
    "color_code",
    "mve_collection_ticker",
)


def _market_details(fields: Fields, *, with_strikes: bool = True) -> Json:
    details: Json = _texts_given(fields, *_MARKET_TEXTS)
    if fields.has("risk_limit_cents"):
        details["risk_limit_cents"] = fields.whole("risk_limit_cents", 0)
    details.update(_present(fields, "mve_selected_legs"))
    if not with_strikes:
        return details
    strike = fields.choice("strike_type", STRIKE_TYPES, "")
    if strike:
        details["strike_type"] = strike
    for name in ("floor_strike", "cap_strike"):
        value = fields.number(name)
        if value is not None:
            details[name] = int(value) if value == int(value) else value
    details.update(_texts_given(fields, "functional_strike"))
    details.update(_present(fields, "custom_strike"))
    _check_strikes(fields, strike, details)
    return details


def _check_strikes(fields: Fields, strike: str, details: Json) -> None:
    needs = {
        "greater": ("floor_strike",),
        "greater_or_equal": ("floor_strike",),
        "less": ("cap_strike",),
        "less_or_equal": ("cap_strike",),
        "between": ("floor_strike", "cap_strike"),
        "functional": ("functional_strike",),
        "custom": ("custom_strike",),
        "structured": ("custom_strike",),
    }
    for name in needs.get(strike, ()):
        if name not in details:
            fields.add("strike_type", f"`{strike}` needs `{name}`")
    floor, cap = details.get("floor_strike"), details.get("cap_strike")
    if floor is not None and cap is not None and floor > cap:
        fields.add("cap_strike", "must not be below `floor_strike`")


def _nothing(fields: Fields, series_ticker: str) -> EventSpec:
    """Stands in for an event that is missing, so that reading goes on."""
    return EventSpec(
        "", series_ticker, False, "", {}, Terms(), [], None, None, "operator", 0, fields
    )


def _parent(fields: Fields, name: str, around: str) -> str:
    """The ticker a thing belongs to: written beside it, or that of what it is nested in."""
    if not around:
        return fields.ticker(name)
    if fields.has(name) and fields.text(name) != around:
        fields.add(name, f"is nested in {around}, so it cannot belong to another")
    fields.text(name)
    return around


def _sources(fields: Fields) -> list[Json]:
    found = []
    for nested in fields.each("settlement_sources"):
        found.append({"name": nested.text("name", required=True), "url": nested.text("url")})
        nested.finish()
    return found


def _texts_given(fields: Fields, *names: str) -> Json:
    return {name: text for name in names if (text := fields.text(name)) or fields.has(name)}


def _present(fields: Fields, name: str) -> Json:
    value = fields.raw(name)
    return {} if value is None else {name: value}


def _optional_choice(fields: Fields, name: str, choices: tuple[str, ...]) -> str | None:
    return fields.choice(name, choices, "") or None


def _similar(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
