"""What the operator is shown: types, and how the live state is written into them.

Reading happens between two commands and copies everything, because the state goes on changing.
"""

from typing import Any

import msgspec
from msgspec import Struct

from augury.codec.ids import format_id
from augury.codec.text import count_fp, dollars, price_dollars, rfc3339
from augury.core.state import (
    Account,
    ApiKey,
    Collection,
    Exchange,
    ListedEvent,
    Market,
    Member,
    Series,
)
from augury.core.state import FeeChange as LiveFeeChange


class Answer(Struct):
    """Base of answers."""


class Subaccount(Answer):
    """``available`` = ``cash`` - ``reserved`` for resting orders."""

    subaccount: int
    cash: str
    reserved: str
    available: str


class Key(Answer):
    api_key_id: str
    name: str
    scopes: list[str]
    profile: str
    public_key: str
    subaccount: int | None
    """The only one that the key is for."""


class Subtrader(Subaccount):
    """A clearing member's account for one customer."""

    subtrader_id: str


class Subtraders(Answer):
    user_id: str
    subtraders: list[Subtrader]


class MemberSummary(Answer):
    user_id: str
    email: str
    usage_tier: str
    suspended: bool
    created_time: str
    cash: str
    available: str
    open_orders: int


class Position(Answer):
    """``position`` is signed: YES positive, NO negative."""

    subaccount: int
    market_ticker: str
    position: str
    cost: str
    realized_pnl: str
    fees_paid: str


class MemberDetail(MemberSummary):
    balance_precision: str
    subaccounts: list[Subaccount]
    positions: list[Position]
    api_keys: list[Key]


class MemberCreated(Answer):
    """``api_key_id`` is empty when no public key was sent."""

    user_id: str
    api_key_id: str
    member: MemberDetail


class KeyAdded(Answer):
    api_key_id: str


class Members(Answer):
    members: list[MemberSummary]
    cursor: str


class Keys(Answer):
    api_keys: list[Key]


class MoneyMoved(Answer):
    """``transfer_id`` is the id under which the ledger shows the movement."""

    transfer_id: str
    subaccount: Subaccount


class LedgerTotals(Answer):
    """Both sides of every movement; ``sum`` is zero or something is broken.

    ``outside`` is what was withdrawn minus what was deposited. ``escrow`` backs the open interest.
    """

    member_cash: str
    escrow: str
    fees: str
    house: str
    outside: str
    sum: str


class LedgerEntry(Answer):
    """One side of a movement; the lines of one ``entry_id`` sum to zero.

    Accounts are ``cash:<user id>:<subaccount>``, ``escrow:<market>``, ``fees``, ``house`` and
    ``outside``.
    """

    entry_id: str
    line: int
    time: str
    kind: str
    account: str
    counter_account: str
    amount: str
    market_ticker: str
    reference: str


class LedgerAnswer(Answer):
    totals: LedgerTotals
    entries: list[LedgerEntry]
    cursor: str


class SeriesDetail(Answer):
    ticker: str
    fee_type: str
    fee_multiplier: float
    created_time: str
    updated_time: str
    event_tickers: list[str]
    details: dict[str, Any]


class SeriesList(Answer):
    series: list[SeriesDetail]
    cursor: str


class EventDetail(Answer):
    ticker: str
    series_ticker: str
    mutually_exclusive: bool
    collateral_return_type: str
    created_time: str
    updated_time: str
    market_tickers: list[str]
    strike_order: list[str]
    strikes_below: bool
    details: dict[str, Any]


class EventList(Answer):
    events: list[EventDetail]
    cursor: str


class MarketDetail(Answer):
    """Prices are YES prices; ``yes_bid`` and ``yes_ask`` are null while that side is empty."""

    ticker: str
    event_ticker: str
    status: str
    result: str
    settlement_value: str | None
    expiration_value: str
    market_type: str
    open_time: str
    close_time: str
    expected_expiration_time: str | None
    latest_expiration_time: str
    determined_time: str | None
    settlement_due_time: str | None
    settled_time: str | None
    settlement_timer_seconds: int
    can_close_early: bool
    price_level_structure: str
    price_ranges: list[dict[str, str]]
    fractional_trading_enabled: bool
    is_provisional: bool
    fee_waiver_expiration_time: str | None
    yes_bid: str | None
    yes_ask: str | None
    last_price: str | None
    volume: str
    open_interest: str
    created_time: str
    updated_time: str
    details: dict[str, Any]


class MarketList(Answer):
    markets: list[MarketDetail]
    cursor: str


class AssociatedEvent(Answer):
    ticker: str
    is_yes_only: bool
    size_min: int
    size_max: int


class CollectionDetail(Answer):
    """``combos`` is how many were created and are still there."""

    ticker: str
    series_ticker: str
    open_date: str
    close_date: str
    size_min: int
    size_max: int
    is_ordered: bool
    associated_events: list[AssociatedEvent]
    combos: int
    created_time: str
    details: dict[str, Any]


class CollectionList(Answer):
    collections: list[CollectionDetail]
    cursor: str


class FeeChange(Answer):
    id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: float
    scheduled_time: str
    applied: bool


class FeeChanges(Answer):
    """By time, those that have happened included."""

    fee_changes: list[FeeChange]


class MaintenanceWindow(Answer):
    start_datetime: str
    end_datetime: str


class Maintenance(Answer):
    """The windows that are not over. ``in_maintenance``: trading is paused by one of them."""

    windows: list[MaintenanceWindow]
    in_maintenance: bool


class ExchangeState(Answer):
    exchange_active: bool
    trading_active: bool
    estimated_resume_time: str | None


class Announcement(Answer):
    id: str
    type: str
    message: str
    status: str
    delivery_time: str


class Announcements(Answer):
    announcements: list[Announcement]


class Schedule(Answer):
    """What was published, and the maintenance windows to come."""

    schedule: dict[str, Any]


class Document(Answer):
    kind: str
    key: str
    details: dict[str, Any]


class Documents(Answer):
    """How many documents there are of each kind."""

    kinds: dict[str, int]


class DocumentList(Answer):
    documents: list[Document]
    cursor: str


class AuditRecord(Answer):
    """One record of the log. ``outcome`` is ``applied`` or the code of the refusal; null for
    records from before the start of this process, which only a replay could tell."""

    sequence: int
    time: str
    command: str
    fields: dict[str, Any]
    outcome: str | None
    schema_version: int
    rules_version: int


class AuditTrail(Answer):
    """``next_after`` continues; ``complete`` says that the end of the log was reached."""

    records: list[AuditRecord]
    next_after: int
    complete: bool


class StateHash(Answer):
    sequence: int
    state_hash: str


class SnapshotTaken(Answer):
    sequence: int
    state_hash: str


class Clock(Answer):
    """``next_timer_time`` is when time itself will change something next."""

    mode: str
    time: str
    next_timer_time: str | None


class Happened(Answer):
    event: str
    fields: dict[str, Any]


class ClockMoved(Clock):
    """``events`` are those of the timers that fired, at most a hundred of ``event_count``."""

    event_count: int
    events: list[Happened]


class Status(Answer):
    version: str
    started_time: str
    clock: Clock
    exchange: ExchangeState
    storage_failed: bool
    sequence: int
    history_sequence: int
    members: int
    series: int
    events: int
    markets: int
    open_orders: int
    profile: str
    rate_limits: bool
    core: str
    fix_ports: dict[str, int]
    fix_certificate: str


class Nothing(Answer):
    """An empty object: it was done."""


def time_or_none(ns: int) -> str | None:
    return rfc3339(ns) if ns else None


def details_of(text: str) -> dict[str, Any]:
    found = msgspec.json.decode(text) if text else {}
    return found if isinstance(found, dict) else {}


def subaccount_of(account: Account) -> Subaccount:
    return Subaccount(
        subaccount=account.number,
        cash=dollars(account.cash),
        reserved=dollars(account.reserved),
        available=dollars(account.available),
    )


def subtrader_of(account: Account) -> Subtrader:
    return Subtrader(
        subtrader_id=account.subtrader, **msgspec.structs.asdict(subaccount_of(account))
    )


def collection_detail(collection: Collection) -> CollectionDetail:
    return CollectionDetail(
        ticker=collection.ticker,
        series_ticker=collection.series.ticker,
        open_date=rfc3339(collection.open_ns),
        close_date=rfc3339(collection.close_ns),
        size_min=collection.size_min,
        size_max=collection.size_max,
        is_ordered=collection.is_ordered,
        associated_events=[AssociatedEvent(*event) for event in collection.associated_events],
        combos=len(collection.combos),
        created_time=rfc3339(collection.created_ns),
        details=details_of(collection.details),
    )


def fee_change(change: LiveFeeChange) -> FeeChange:
    return FeeChange(
        id=format_id("fee_change", change.id),
        series_ticker=change.series_ticker,
        fee_type=change.fee_type,
        fee_multiplier=change.multiplier_ppm / 1_000_000,
        scheduled_time=rfc3339(change.scheduled_ns),
        applied=change.applied,
    )


def maintenance(state: Exchange) -> Maintenance:
    return Maintenance(
        windows=[
            MaintenanceWindow(rfc3339(start), rfc3339(end))
            for start, end in state.maintenance_windows
        ],
        in_maintenance=state.in_maintenance,
    )


def schedule(state: Exchange) -> Schedule:
    windows = msgspec.to_builtins(maintenance(state).windows)
    return Schedule(schedule={**details_of(state.schedule), "maintenance_windows": windows})


def key_of(key: ApiKey) -> Key:
    return Key(
        api_key_id=format_id("api_key", key.id),
        name=key.name,
        scopes=list(key.scopes),
        profile=key.profile,
        public_key=key.public_key_pem,
        subaccount=key.subaccount if key.subaccount >= 0 else None,
    )


def _summary_fields(member: Member) -> dict[str, Any]:
    accounts = member.accounts.values()
    return {
        "user_id": format_id("member", member.id),
        "email": member.email,
        "usage_tier": member.usage_tier,
        "suspended": member.suspended,
        "created_time": rfc3339(member.created_ns),
        "cash": dollars(sum(account.cash for account in accounts)),
        "available": dollars(sum(account.available for account in accounts)),
        "open_orders": member.open_orders,
    }


def member_summary(member: Member) -> MemberSummary:
    return MemberSummary(**_summary_fields(member))


def member_detail(state: Exchange, member: Member) -> MemberDetail:
    accounts = sorted(member.accounts.values(), key=lambda account: account.number)
    positions = [
        Position(
            subaccount=account.number,
            market_ticker=ticker,
            position=count_fp(holding.quantity),
            cost=dollars(holding.cost),
            realized_pnl=dollars(holding.realized_pnl),
            fees_paid=dollars(holding.fees_paid),
        )
        for account in accounts
        for ticker, holding in account.holdings.items()
        if holding.quantity
    ]
    return MemberDetail(
        **_summary_fields(member),
        balance_precision=dollars(member.balance_precision),
        subaccounts=[subaccount_of(account) for account in accounts],
        positions=positions,
        api_keys=[key_of(state.api_keys[key]) for key in member.api_key_ids],
    )


def ledger_totals(state: Exchange) -> LedgerTotals:
    ledger = state.ledger
    return LedgerTotals(
        member_cash=dollars(ledger.cash),
        escrow=dollars(sum(ledger.escrow.values())),
        fees=dollars(ledger.fees),
        house=dollars(ledger.house),
        outside=dollars(ledger.outside),
        sum=dollars(ledger.total()),
    )


def series_detail(series: Series) -> SeriesDetail:
    return SeriesDetail(
        ticker=series.ticker,
        fee_type=series.fees.fee_type,
        fee_multiplier=series.fees.multiplier_ppm / 1_000_000,
        created_time=rfc3339(series.created_ns),
        updated_time=rfc3339(series.updated_ns),
        event_tickers=list(series.event_tickers),
        details=details_of(series.details),
    )


def event_detail(event: ListedEvent) -> EventDetail:
    return EventDetail(
        ticker=event.ticker,
        series_ticker=event.series.ticker,
        mutually_exclusive=event.mutually_exclusive,
        collateral_return_type=event.collateral_return_type,
        created_time=rfc3339(event.created_ns),
        updated_time=rfc3339(event.updated_ns),
        market_tickers=list(event.market_tickers),
        strike_order=list(event.strike_order),
        strikes_below=event.below,
        details=details_of(event.details),
    )


def market_detail(market: Market) -> MarketDetail:
    return MarketDetail(
        ticker=market.ticker,
        event_ticker=market.event.ticker,
        status=market.status,
        result=market.result,
        settlement_value=price_dollars(market.settlement_value) if market.result else None,
        expiration_value=market.expiration_value,
        market_type=market.market_type,
        open_time=rfc3339(market.open_ns),
        close_time=rfc3339(market.close_ns),
        expected_expiration_time=time_or_none(market.expected_expiration_ns),
        latest_expiration_time=rfc3339(market.latest_expiration_ns),
        determined_time=time_or_none(market.determined_ns),
        settlement_due_time=time_or_none(market.settlement_due_ns),
        settled_time=time_or_none(market.settled_ns),
        settlement_timer_seconds=market.settlement_timer_ns // 1_000_000_000,
        can_close_early=market.can_close_early,
        price_level_structure=market.price_level_structure,
        price_ranges=[
            {"start": price_dollars(start), "end": price_dollars(end), "step": price_dollars(step)}
            for start, end, step in market.price_ranges
        ],
        fractional_trading_enabled=market.fractional_trading_enabled,
        is_provisional=market.is_provisional,
        fee_waiver_expiration_time=time_or_none(market.fee_waiver_expiration_ns),
        yes_bid=price_dollars(market.quoted_bid) if market.quoted_bid_quantity else None,
        yes_ask=price_dollars(market.quoted_ask) if market.quoted_ask_quantity else None,
        last_price=price_dollars(market.last_price) if market.last_price else None,
        volume=count_fp(market.volume),
        open_interest=count_fp(market.open_interest),
        created_time=rfc3339(market.created_ns),
        updated_time=rfc3339(market.updated_ns),
        details=details_of(market.details),
    )


def exchange_state(state: Exchange) -> ExchangeState:
    return ExchangeState(
        exchange_active=not state.exchange_paused,
        trading_active=not (state.trading_paused or state.exchange_paused),
        estimated_resume_time=time_or_none(
            state.estimated_resume_ns if state.exchange_paused else 0
        ),
    )
