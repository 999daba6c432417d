"""What a world file says, as checked values: the vocabulary between reading and applying.

Times are still relative to the start of the world and texts may hold placeholders; ``listing``
turns them into commands once the start is known. ``source`` remembers where a thing stands in
the file, for mistakes that show only then.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from augury.app.world.reading import Fields
from augury.app.world.times import WorldTime
from augury.core.prices import Band

Json = dict[str, Any]

ACTIVITIES: Final = ("busy", "normal", "quiet", "none")
"""How much the bots do in a market, most first."""


@dataclass(slots=True)
class SeriesSpec:
    """``details`` are the public API's fields that no rule depends on."""

    ticker: str
    fee_type: str
    fee_multiplier_ppm: int
    details: Json
    activity: str
    source: Fields


@dataclass(slots=True)
class FairValueSpec:
    """How an event's truth moves, if it is known; see ``fair_value.FairValue``."""

    swing: float | None = None
    pace_seconds: int = 6 * 3600
    start: float | None = None
    decimals: int = 0
    name: str = ""


@dataclass(slots=True)
class Terms:
    """What markets may inherit from their event; None means not given here."""

    market_type: str | None = None
    open_time: WorldTime | None = None
    close_time: WorldTime | None = None
    expected_expiration_time: WorldTime | None = None
    latest_expiration_time: WorldTime | None = None
    fee_waiver_expiration_time: WorldTime | None = None
    settlement_timer_seconds: int | None = None
    can_close_early: bool | None = None
    price_level_structure: str | None = None
    price_ranges: tuple[Band, ...] | None = None
    fractional_trading_enabled: bool | None = None
    is_provisional: bool | None = None
    activity: str | None = None


@dataclass(slots=True)
class MarketSpec:
    ticker: str
    event_ticker: str
    terms: Terms
    details: Json
    start_price: float | None
    source: Fields


@dataclass(slots=True)
class LadderSpec:
    """Markets made from evenly spaced strikes around where the truth stands at the open."""

    shape: str
    count: int
    step: float
    decimals: int
    unit: str
    market: MarketSpec


@dataclass(slots=True)
class EventSpec:
    """``determined_by`` is ``operator`` or ``fair_value``."""

    ticker: str
    series_ticker: str
    mutually_exclusive: bool
    collateral_return_type: str
    details: Json
    terms: Terms
    markets: list[MarketSpec]
    ladder: LadderSpec | None
    fair_value: FairValueSpec | None
    determined_by: str
    determine_after_seconds: int
    source: Fields
    strike_order: list[str] = field(default_factory=list)
    strikes_below: bool = False


@dataclass(slots=True)
class RollingSpec:
    """An event that happens again and again. The times of ``event`` come from the clock."""

    every_seconds: int
    offset_seconds: int
    open_for_seconds: int
    listed_before_seconds: int
    event: EventSpec
    source: Fields


@dataclass(slots=True)
class KeySpec:
    """``public_key`` is PEM; empty means that the pair is kept in ``private_key_file``."""

    name: str
    public_key: str
    private_key_file: str
    scopes: tuple[str, ...]
    profile: str


@dataclass(slots=True)
class SubtraderSpec:
    """A customer of a clearing member; ``deposit`` in micro-dollars."""

    name: str
    deposit: int


@dataclass(slots=True)
class MemberSpec:
    """``subaccount_deposits`` has one amount per numbered subaccount; micro-dollars."""

    email: str
    usage_tier: str
    balance_precision: int
    deposit: int
    subaccount_deposits: list[int]
    keys: list[KeySpec]
    source: Fields
    is_bot: bool = False
    subtraders: list[SubtraderSpec] = field(default_factory=list)


@dataclass(slots=True)
class BotSpec:
    """One trader of the demo. ``options`` are checked fields of its kind."""

    kind: str
    name: str
    email: str
    seed: int
    include: list[str]
    exclude: list[str]
    options: Json
    source: Fields


@dataclass(slots=True)
class AnnouncementSpec:
    kind: str
    message: str
    status: str
    delivery_time: WorldTime
    source: Fields


@dataclass(slots=True)
class DocumentSpec:
    """``times`` are fields of ``details`` that are times and still to be resolved."""

    kind: str
    key: str
    details: Json
    times: dict[str, WorldTime]
    source: Fields


@dataclass(slots=True)
class LiveDataSpec:
    """Facts about a milestone that change while the world lives.

    ``follows`` maps fields to the names of truths that are numbers. Events of ``related_series``
    that are open belong to the milestone.
    """

    key: str
    type: str
    details: Json
    every_seconds: int
    follows: dict[str, str]
    related_series: list[str]
    starts: WorldTime
    ends: WorldTime | None
    source: Fields


@dataclass(slots=True)
class CollectionSpec:
    """``events`` are (ticker as written, is_yes_only, size_min, size_max).

    ``combos`` are there from the start, each as (market as written, side).
    """

    ticker: str
    series_ticker: str
    open_date: WorldTime
    close_date: WorldTime
    size_min: int
    size_max: int
    is_ordered: bool
    events: list[tuple[str, bool, int, int]]
    combos: list[list[tuple[str, str]]]
    details: Json
    source: Fields


@dataclass(slots=True)
class FeeChangeSpec:
    series_ticker: str
    fee_type: str
    fee_multiplier_ppm: int
    scheduled_time: WorldTime
    source: Fields


@dataclass(slots=True)
class World:
    """A whole world file. ``start`` is None when the world starts when it is first applied."""

    name: str
    file: str
    directory: Path
    seed: int
    start: WorldTime | None
    series: dict[str, SeriesSpec] = field(default_factory=dict)
    events: dict[str, EventSpec] = field(default_factory=dict)
    rolling: list[RollingSpec] = field(default_factory=list)
    members: list[MemberSpec] = field(default_factory=list)
    bots: list[BotSpec] = field(default_factory=list)
    announcements: list[AnnouncementSpec] = field(default_factory=list)
    documents: list[DocumentSpec] = field(default_factory=list)
    schedule: Json | None = None
    maintenance: list[tuple[WorldTime, WorldTime]] = field(default_factory=list)
    live_data: list[LiveDataSpec] = field(default_factory=list)
    collections: list[CollectionSpec] = field(default_factory=list)
    fee_changes: list[FeeChangeSpec] = field(default_factory=list)
