"""What the operator may send: bodies and queries as types, which also write the documentation.

Only the form is checked here; whether a thing exists or may be done is for the handlers and the
core. Unknown fields are refused, so that a misspelt one is noticed. Money and prices are dollar
strings, times RFC 3339.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from augury.core.state import MAX_SUBACCOUNT

Ticker = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z0-9][A-Z0-9.-]*$",
        max_length=200,
        description="Capital letters, digits, dots and hyphens.",
        examples=["KXRAIN-26MAR01-NYC"],
    ),
]
Money = Annotated[
    str, Meta(max_length=24, description="Dollars, 0 to 6 decimals.", examples=["10000.00"])
]
Price = Annotated[
    str, Meta(max_length=12, description="Dollars, 0 to 4 decimals.", examples=["0.4100"])
]
Time = Annotated[
    str, Meta(max_length=40, description="RFC 3339.", examples=["2026-03-01T14:00:00Z"])
]
Text = Annotated[str, Meta(max_length=20_000)]
Name = Annotated[str, Meta(max_length=200)]
Details = dict[str, Any]
Scope = Literal[
    "read",
    "write",
    "read::portfolio_balance",
    "read::block_trade_accept",
    "write::trade",
    "write::transfer",
    "write::block_trade_accept",
]
Profile = Literal["", "legacy", "3.6", "latest"]
Subaccount = Annotated[int, Meta(ge=0, le=MAX_SUBACCOUNT)]
Limit = Annotated[int, Meta(ge=1, le=1000)]


class Request(Struct, forbid_unknown_fields=True):
    """Base of bodies. A field that may be left out is ``UNSET`` then."""


class Query(Struct, forbid_unknown_fields=True):
    """Base of queries; values arrive as text."""


class Page(Query):
    limit: Limit = 100
    cursor: Annotated[str, Meta(max_length=300)] = ""


# --- members ---------------------------------------------------------------------------------


class CreateMember(Request):
    """``deposit`` goes to the primary subaccount. A key is added when a public key is given."""

    email: Annotated[str, Meta(max_length=254, examples=["maker@example.com"])]
    usage_tier: Annotated[str, Meta(min_length=1, max_length=40)] = "basic"
    balance_precision: Literal["0.01", "0.0001"] = "0.01"
    deposit: Money = "0"
    public_key: Text = ""
    key_name: Name = "first key"
    scopes: tuple[Scope, ...] = ("read", "write")
    profile: Profile = ""


class UpdateMember(Request):
    usage_tier: Annotated[str, Meta(min_length=1, max_length=40)] | UnsetType = UNSET
    suspended: bool | UnsetType = UNSET


class AddKey(Request):
    """``public_key`` is an RSA key of at least 2048 bits, PEM. The private one stays away."""

    public_key: Text
    name: Name = "key"
    scopes: tuple[Scope, ...] = ("read", "write")
    profile: Profile = ""
    subaccount: Subaccount | None = None
    """The only one that the key is for."""


class MoveMoney(Request):
    """``subtrader_id`` names a customer of a clearing member, in place of a subaccount."""

    amount: Money
    subaccount: Subaccount = 0
    subtrader_id: Name = ""
    reference: Name = ""


class CreateSubtrader(Request):
    """The first customer makes the member a clearing member."""

    subtrader_id: Annotated[str, Meta(min_length=1, max_length=64, examples=["customer-1"])]


class MembersQuery(Page):
    email: Annotated[str, Meta(max_length=254)] = ""


class LedgerQuery(Page):
    member: Annotated[str, Meta(max_length=254, description="A user id or an e-mail.")] = ""


# --- listing ---------------------------------------------------------------------------------


class SeriesDetails(Request):
    """What the exchange's rules do not depend on; the public API shows it as it is."""

    title: Text | UnsetType = UNSET
    category: Name | UnsetType = UNSET
    tags: list[Name] | UnsetType = UNSET
    frequency: Name | UnsetType = UNSET
    settlement_sources: list[dict[str, str]] | UnsetType = UNSET
    contract_url: Text | UnsetType = UNSET
    contract_terms_url: Text | UnsetType = UNSET
    additional_prohibitions: list[Text] | UnsetType = UNSET
    product_metadata: Details | UnsetType | None = UNSET


class CreateSeries(SeriesDetails, kw_only=True):
    """``fee_multiplier`` scales the fees of ``fee_type`` (rules, section 10)."""

    ticker: Ticker
    fee_type: Literal[
        "quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"
    ] = "quadratic"
    fee_multiplier: Annotated[float, Meta(ge=0, le=1000)] = 1


class UpdateSeries(SeriesDetails):
    """Fields that are given replace the old ones; the others stay."""


class EventDetails(Request):
    title: Text | UnsetType = UNSET
    sub_title: Text | UnsetType = UNSET
    category: Name | UnsetType = UNSET
    strike_date: Time | UnsetType | None = UNSET
    strike_period: Name | UnsetType | None = UNSET
    available_on_brokers: bool | UnsetType = UNSET
    product_metadata: Details | UnsetType | None = UNSET
    image_url: Text | UnsetType = UNSET
    featured_image_url: Text | UnsetType = UNSET
    settlement_sources: list[dict[str, str]] | UnsetType = UNSET
    competition: Name | UnsetType | None = UNSET
    competition_scope: Name | UnsetType | None = UNSET


class CreateEvent(EventDetails, kw_only=True):
    ticker: Ticker
    series_ticker: Ticker
    mutually_exclusive: bool = False
    collateral_return_type: Literal["", "MECNET", "DIRECNET"] = ""


class UpdateEvent(EventDetails):
    """Fields that are given replace the old ones; the others stay."""


class MarketDetails(Request):
    title: Text | UnsetType = UNSET
    subtitle: Text | UnsetType = UNSET
    yes_sub_title: Text | UnsetType = UNSET
    no_sub_title: Text | UnsetType = UNSET
    rules_primary: Text | UnsetType = UNSET
    rules_secondary: Text | UnsetType = UNSET
    strike_type: (
        Literal[
            "greater",
            "greater_or_equal",
            "less",
            "less_or_equal",
            "between",
            "functional",
            "custom",
            "structured",
        ]
        | UnsetType
    ) = UNSET
    floor_strike: int | float | UnsetType | None = UNSET
    cap_strike: int | float | UnsetType | None = UNSET
    functional_strike: Text | UnsetType | None = UNSET
    custom_strike: Details | UnsetType | None = UNSET
    primary_participant_key: Name | UnsetType | None = UNSET
    early_close_condition: Text | UnsetType | None = UNSET
    category: Name | UnsetType = UNSET
    risk_limit_cents: int | UnsetType = UNSET
    image_url: Text | UnsetType = UNSET
    color_code: Name | UnsetType = UNSET
    mve_collection_ticker: Ticker | UnsetType = UNSET
    mve_selected_legs: list[dict[str, Any]] | UnsetType = UNSET


class PriceRange(Request):
    """Prices from ``start`` to ``end`` in steps of ``step``."""

    start: Price
    end: Price
    step: Price


class CreateMarket(MarketDetails, kw_only=True):
    """Without ``open_time`` the market opens at once. ``latest_expiration_time`` defaults to a
    week after the close. ``price_ranges`` are needed only for a structure of one's own."""

    ticker: Ticker
    event_ticker: Ticker
    close_time: Time
    market_type: Literal["binary", "scalar"] = "binary"
    open_time: Time | None = None
    expected_expiration_time: Time | None = None
    latest_expiration_time: Time | None = None
    settlement_timer_seconds: Annotated[int, Meta(ge=0, le=31_536_000)] = 0
    can_close_early: bool = True
    price_level_structure: Name = "linear_cent"
    price_ranges: list[PriceRange] = []
    fractional_trading_enabled: bool = False
    is_provisional: bool = False
    fee_waiver_expiration_time: Time | None = None


class UpdateMarket(MarketDetails):
    """Fields that are given replace the old ones; the others stay. A new price level structure
    must contain every price of the old one."""

    price_level_structure: Name | UnsetType = UNSET
    price_ranges: list[PriceRange] | UnsetType = UNSET


class MarketsQuery(Page):
    event_ticker: Annotated[str, Meta(max_length=200)] = ""
    status: Literal[
        "",
        "initialized",
        "active",
        "inactive",
        "closed",
        "determined",
        "disputed",
        "amended",
        "finalized",
    ] = ""


class EventsQuery(Page):
    series_ticker: Annotated[str, Meta(max_length=200)] = ""


class AssociatedEvent(Request):
    """An event whose markets may be legs; 0 is no limit to how many."""

    ticker: Ticker
    is_yes_only: bool = False
    size_min: Annotated[int, Meta(ge=0, le=100)] = 0
    size_max: Annotated[int, Meta(ge=0, le=100)] = 0


class CreateCollection(Request, kw_only=True):
    """Which markets members may combine. Without ``open_date`` it is open at once."""

    ticker: Ticker
    series_ticker: Ticker
    close_date: Time
    open_date: Time | None = None
    size_min: Annotated[int, Meta(ge=2, le=100)] = 2
    size_max: Annotated[int, Meta(ge=0, le=100)] = 0
    is_ordered: bool = False
    associated_events: Annotated[list[AssociatedEvent], Meta(min_length=1, max_length=1000)]
    title: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    functional_description: Text | UnsetType = UNSET


COLLECTION_DETAILS: Final = ("title", "description", "functional_description")


class SetStrikeOrder(Request):
    """The markets of a directional event from the lowest strike to the highest. ``below``: a
    market is YES when the value is under its strike."""

    market_tickers: Annotated[list[Ticker], Meta(min_length=1, max_length=1000)]
    below: bool = False


class ScheduleFeeChange(Request):
    """What the series charges by from ``scheduled_time`` on."""

    series_ticker: Ticker
    fee_type: Literal[
        "quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"
    ]
    fee_multiplier: Annotated[float, Meta(ge=0, le=1000)]
    scheduled_time: Time


# --- lifecycle -------------------------------------------------------------------------------


class ChangeCloseTime(Request):
    close_time: Time


class Determine(Request):
    """``settlement_value`` is what one YES contract pays; needed for scalar results only. On a
    disputed market this confirms or amends the earlier result."""

    result: Literal["yes", "no", "scalar", "void"]
    settlement_value: Price | None = None
    expiration_value: Annotated[
        str, Meta(max_length=200, description="The observed value, as text.")
    ] = ""


class PauseExchange(Request):
    estimated_resume_time: Time | None = None


# --- descriptive data ------------------------------------------------------------------------


class PublishAnnouncement(Request):
    message: Annotated[str, Meta(min_length=1, max_length=20_000)]
    type: Literal["info", "warning", "error"] = "info"
    status: Literal["active", "inactive"] = "active"
    delivery_time: Time | None = None


class Session(Request):
    """Times of day in US Eastern Time, ``HH:MM``."""

    open_time: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    close_time: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class WeeklySchedule(Request):
    start_time: Time
    end_time: Time
    monday: list[Session] = []
    tuesday: list[Session] = []
    wednesday: list[Session] = []
    thursday: list[Session] = []
    friday: list[Session] = []
    saturday: list[Session] = []
    sunday: list[Session] = []


class MaintenanceWindow(Request):
    start_datetime: Time
    end_datetime: Time


class SetMaintenance(Request):
    """All windows to come. Trading pauses by itself in each; one that runs now ends as given."""

    windows: Annotated[list[MaintenanceWindow], Meta(max_length=1000)]


class SetSchedule(Request):
    """The schedule that ``GET /exchange/schedule`` shows. Standard hours inform; maintenance
    windows, when they are given, replace all windows, and trading pauses in them."""

    standard_hours: list[WeeklySchedule]
    maintenance_windows: Annotated[list[MaintenanceWindow], Meta(max_length=1000)] | UnsetType = (
        UNSET
    )


class PutDocument(Request):
    """``details`` has the shape of the public API's answer, for example of a milestone. Kinds that
    the public API reads are checked; when a milestone or target changed last is filled in."""

    details: Details


# --- records and time ------------------------------------------------------------------------


class AuditQuery(Query):
    """``after`` is a sequence number; without it the newest records are shown."""

    after: Annotated[int, Meta(ge=0)] | None = None
    limit: Limit = 100
    command: Annotated[str, Meta(max_length=60, examples=["place_order"])] = ""
    member: Annotated[str, Meta(max_length=254)] = ""
    market: Annotated[str, Meta(max_length=200)] = ""


class AdvanceClock(Request):
    """Exactly one of the two."""

    by_seconds: Annotated[float, Meta(gt=0, le=3_200_000_000)] | None = None
    to: Time | None = None


def as_json(values: dict[str, Any]) -> str:
    """Descriptive data as the log keeps it."""
    return msgspec.json.encode(values).decode()


def given(request: Struct, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields among ``names`` that the request carries."""
    return {
        name: msgspec.to_builtins(value)
        for name in names
        if (value := getattr(request, name)) is not UNSET
    }
