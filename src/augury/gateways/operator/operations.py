"""The operations of the operator API in one table, which drives dispatch and documentation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from augury.gateways.operator import (
    answers,
    clock,
    descriptive,
    lifecycle,
    listing,
    members,
    records,
    requests,
    terms,
)
from augury.gateways.operator.context import Call, Operator

PREFIX: Final = "/operator/v1"

Handler = Callable[[Operator, Call[Any, Any]], Awaitable[Struct]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the operator can do. ``path`` is relative to ``PREFIX``."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    handler: Handler
    answer: type[Struct]
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    status: int = 200


MEMBER: Final = "/members/{member}"
MARKET: Final = "/markets/{ticker}"

# fmt: off
OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("status", "GET", "/status", "server",
              "What runs here, how far it is, and how it is doing",
              records.show_status, answers.Status),

    Operation("list_members", "GET", "/members", "members",
              "Members in order of joining",
              members.list_members, answers.Members, query=requests.MembersQuery),
    Operation("create_member", "POST", "/members", "members",
              "Add a member, with opening money and a first key",
              members.create_member, answers.MemberCreated, requests.CreateMember, status=201),
    Operation("show_member", "GET", MEMBER, "members",
              "One member, by user id or e-mail",
              members.show_member, answers.MemberDetail),
    Operation("update_member", "PATCH", MEMBER, "members",
              "Change the tier; suspend or readmit",
              members.update_member, answers.MemberDetail, requests.UpdateMember),
    Operation("list_keys", "GET", MEMBER + "/keys", "members",
              "The member's API keys",
              members.list_keys, answers.Keys),
    Operation("add_key", "POST", MEMBER + "/keys", "members",
              "Let another public key sign for the member",
              members.add_key, answers.KeyAdded, requests.AddKey, status=201),
    Operation("remove_key", "DELETE", MEMBER + "/keys/{api_key}", "members",
              "Withdraw a key; its open streams are closed",
              members.remove_key, answers.Nothing),
    Operation("create_subaccount", "POST", MEMBER + "/subaccounts", "members",
              "Open the member's next subaccount",
              terms.create_subaccount, answers.Subaccount, status=201),
    Operation("list_subtraders", "GET", MEMBER + "/subtraders", "members",
              "The customers of a clearing member",
              terms.list_subtraders, answers.Subtraders),
    Operation("create_subtrader", "POST", MEMBER + "/subtraders", "members",
              "Open an account for a customer; the first makes the member a clearing member",
              terms.create_subtrader, answers.Subtrader, requests.CreateSubtrader, status=201),

    Operation("deposit", "POST", MEMBER + "/deposits", "money",
              "Credit a subaccount",
              members.deposit, answers.MoneyMoved, requests.MoveMoney, status=201),
    Operation("withdraw", "POST", MEMBER + "/withdrawals", "money",
              "Debit a subaccount, up to what is available",
              members.withdraw, answers.MoneyMoved, requests.MoveMoney, status=201),
    Operation("ledger", "GET", "/ledger", "money",
              "Totals of the double-entry books and the lines behind them",
              records.read_ledger, answers.LedgerAnswer, query=requests.LedgerQuery),

    Operation("list_series", "GET", "/series", "listing",
              "All series by ticker",
              listing.list_series, answers.SeriesList, query=requests.Page),
    Operation("create_series", "POST", "/series", "listing",
              "Create a series with its fees",
              listing.create_series, answers.SeriesDetail, requests.CreateSeries, status=201),
    Operation("show_series", "GET", "/series/{ticker}", "listing",
              "One series",
              listing.show_series, answers.SeriesDetail),
    Operation("update_series", "PATCH", "/series/{ticker}", "listing",
              "Change a series' descriptive data",
              listing.update_series, answers.SeriesDetail, requests.UpdateSeries),
    Operation("list_events", "GET", "/events", "listing",
              "All events by ticker, or those of one series",
              listing.list_events, answers.EventList, query=requests.EventsQuery),
    Operation("create_event", "POST", "/events", "listing",
              "Create an event in a series",
              listing.create_event, answers.EventDetail, requests.CreateEvent, status=201),
    Operation("show_event", "GET", "/events/{ticker}", "listing",
              "One event",
              listing.show_event, answers.EventDetail),
    Operation("update_event", "PATCH", "/events/{ticker}", "listing",
              "Change an event's descriptive data",
              listing.update_event, answers.EventDetail, requests.UpdateEvent),
    Operation("list_markets", "GET", "/markets", "listing",
              "All markets by ticker, those of one event, or those in one state",
              listing.list_markets, answers.MarketList, query=requests.MarketsQuery),
    Operation("create_market", "POST", "/markets", "listing",
              "List a market under an event",
              listing.create_market, answers.MarketDetail, requests.CreateMarket, status=201),
    Operation("show_market", "GET", MARKET, "listing",
              "One market",
              listing.show_market, answers.MarketDetail),
    Operation("update_market", "PATCH", MARKET, "listing",
              "Change a market's descriptive data, or move it to a finer price grid",
              listing.update_market, answers.MarketDetail, requests.UpdateMarket),
    Operation("set_strike_order", "PUT", "/events/{ticker}/strike-order", "listing",
              "Say how a directional event's markets are nested, when strikes do not tell",
              terms.set_strike_order, answers.EventDetail, requests.SetStrikeOrder),
    Operation("list_collections", "GET", "/collections", "listing",
              "Collections of events whose markets can be combined, by ticker",
              terms.list_collections, answers.CollectionList, query=requests.Page),
    Operation("create_collection", "POST", "/collections", "listing",
              "Let members combine markets of some events",
              terms.create_collection, answers.CollectionDetail, requests.CreateCollection,
              status=201),
    Operation("show_collection", "GET", "/collections/{ticker}", "listing",
              "One collection",
              terms.show_collection, answers.CollectionDetail),
    Operation("list_fee_changes", "GET", "/fee-changes", "listing",
              "Fee changes by time, past and to come",
              terms.list_fee_changes, answers.FeeChanges),
    Operation("schedule_fee_change", "POST", "/fee-changes", "listing",
              "Let a series charge by other terms from a time on",
              terms.schedule_fee_change, answers.FeeChange, requests.ScheduleFeeChange,
              status=201),

    Operation("pause_market", "POST", MARKET + "/pause", "lifecycle",
              "Stop trading in one market",
              lifecycle.pause_market, answers.MarketDetail),
    Operation("resume_market", "POST", MARKET + "/resume", "lifecycle",
              "Trade again; all its resting orders are cancelled",
              lifecycle.resume_market, answers.MarketDetail),
    Operation("change_close_time", "POST", MARKET + "/close-time", "lifecycle",
              "Close earlier or later; moving it ahead re-opens a closed market",
              lifecycle.change_close_time, answers.MarketDetail, requests.ChangeCloseTime),
    Operation("determine_market", "POST", MARKET + "/determine", "lifecycle",
              "Set the result, or amend or confirm a disputed one; the settlement timer starts",
              lifecycle.determine_market, answers.MarketDetail, requests.Determine),
    Operation("dispute_market", "POST", MARKET + "/dispute", "lifecycle",
              "Hold back settlement until the result is set again",
              lifecycle.dispute_market, answers.MarketDetail),

    Operation("show_exchange", "GET", "/exchange", "pauses",
              "Whether the exchange and trading are active",
              lifecycle.show_exchange, answers.ExchangeState),
    Operation("pause_trading", "POST", "/trading/pause", "pauses",
              "Accept only cancels and decreases",
              lifecycle.pause_trading, answers.ExchangeState),
    Operation("resume_trading", "POST", "/trading/resume", "pauses",
              "End a trading pause",
              lifecycle.resume_trading, answers.ExchangeState),
    Operation("pause_exchange", "POST", "/exchange/pause", "pauses",
              "Change nothing at all; reads go on",
              lifecycle.pause_exchange, answers.ExchangeState, requests.PauseExchange),
    Operation("resume_exchange", "POST", "/exchange/resume", "pauses",
              "End an exchange pause",
              lifecycle.resume_exchange, answers.ExchangeState),
    Operation("show_maintenance", "GET", "/maintenance", "pauses",
              "The maintenance windows to come",
              terms.show_maintenance, answers.Maintenance),
    Operation("set_maintenance", "PUT", "/maintenance", "pauses",
              "Replace the maintenance windows to come; trading pauses in each by itself",
              terms.set_maintenance, answers.Maintenance, requests.SetMaintenance),

    Operation("list_announcements", "GET", "/announcements", "information",
              "Announcements, newest first",
              descriptive.list_announcements, answers.Announcements),
    Operation("publish_announcement", "POST", "/announcements", "information",
              "Tell all members something",
              descriptive.publish_announcement, answers.Announcement,
              requests.PublishAnnouncement, status=201),
    Operation("show_schedule", "GET", "/schedule", "information",
              "The published schedule",
              descriptive.show_schedule, answers.Schedule),
    Operation("set_schedule", "PUT", "/schedule", "information",
              "Publish another schedule",
              descriptive.set_schedule, answers.Schedule, requests.SetSchedule),
    Operation("list_document_kinds", "GET", "/documents", "information",
              "Kinds of documents, such as milestones, and how many there are",
              descriptive.list_kinds, answers.Documents),
    Operation("list_documents", "GET", "/documents/{kind}", "information",
              "Documents of one kind by key",
              descriptive.list_documents, answers.DocumentList, query=requests.Page),
    Operation("show_document", "GET", "/documents/{kind}/{key}", "information",
              "One document",
              descriptive.show_document, answers.Document),
    Operation("put_document", "PUT", "/documents/{kind}/{key}", "information",
              "Create or replace a document",
              descriptive.put_document, answers.Document, requests.PutDocument),
    Operation("remove_document", "DELETE", "/documents/{kind}/{key}", "information",
              "Remove a document",
              descriptive.remove_document, answers.Nothing),

    Operation("audit_trail", "GET", "/audit", "records",
              "The log in readable form: every command ever given, with its outcome",
              records.read_audit_trail, answers.AuditTrail, query=requests.AuditQuery),
    Operation("state_hash", "GET", "/state-hash", "records",
              "The digest of the state; replicas and replays of the same log agree on it",
              records.show_state_hash, answers.StateHash),
    Operation("take_snapshot", "POST", "/snapshots", "records",
              "Write a snapshot now, from which the next start continues",
              records.take_snapshot, answers.SnapshotTaken, status=201),

    Operation("clock", "GET", "/clock", "clock",
              "The exchange's time",
              clock.show_clock, answers.Clock),
    Operation("advance_clock", "POST", "/clock/advance", "clock",
              "Move a virtual clock ahead; everything due on the way happens",
              clock.advance_clock, answers.ClockMoved, requests.AdvanceClock),
    Operation("advance_to_next_timer", "POST", "/clock/next", "clock",
              "Move a virtual clock to the next moment at which something is due",
              clock.advance_to_next_timer, answers.ClockMoved),
)
# fmt: on
