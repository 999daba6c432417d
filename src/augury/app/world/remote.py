"""Brings a world into an exchange that is already running, through its operator API.

The same rule as at a start: what exists is left alone. What only the exchange's own process can
do stays undone and is said: bots do not trade and rolling events are listed once, not again.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from augury.app.operator_client import OperatorClient, OperatorRefused
from augury.app.world.apply import DOCUMENT_KIND, KeyInHand, WorldReport
from augury.app.world.keys import keep_key_pair
from augury.app.world.listing import EventPlan, list_occurrence, list_world
from augury.app.world.model import KeySpec, MemberSpec, SubtraderSpec, World
from augury.app.world.times import next_close
from augury.codec.text import dollars, parse_rfc3339, price_dollars, rfc3339
from augury.core.commands import (
    Command,
    CreateCollection,
    CreateMarket,
    CreateSeries,
    PublishAnnouncement,
    PutDocument,
    ScheduleFeeChange,
    SetSchedule,
)
from augury.core.units import NANOS_PER_SECOND, PPM

Json = dict[str, Any]

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


def apply_remotely(
    world: World,
    api: OperatorClient,
    *,
    keys_directory: Path | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> WorldReport:
    """Create what ``world`` describes and the exchange lacks; ``progress`` hears of each thing.

    Raises ``OperatorUnreachable``; what the exchange refuses goes into the report.
    """
    return _Remote(world, api, keys_directory, progress).run()


class _Remote:
    def __init__(
        self,
        world: World,
        api: OperatorClient,
        keys_directory: Path | None,
        progress: Callable[[str], None],
    ) -> None:
        self.world = world
        self.api = api
        self.keys_directory = keys_directory
        self.progress = progress
        self.now_ns = parse_rfc3339(api.get("clock")["time"])
        self.document = self.find("documents", DOCUMENT_KIND, world.name).get("details", {})
        self.report = WorldReport(self.start_ns())

    def start_ns(self) -> int:
        remembered = self.document.get("start")
        if isinstance(remembered, str):
            return parse_rfc3339(remembered)
        now_ns = self.now_ns // NANOS_PER_SECOND * NANOS_PER_SECOND
        return now_ns if self.world.start is None else self.world.start.resolve(now_ns)

    def run(self) -> WorldReport:
        world = self.world
        self.remember(start=rfc3339(self.report.start_ns))
        listing = list_world(world, self.report.start_ns)
        for series in listing.series:
            self.create("series", series.ticker, "series", _series_body(series))
        plans = list(listing.events)
        for rolling in world.rolling:
            close_ns = next_close(self.now_ns, rolling.every_seconds, rolling.offset_seconds)
            plans.append(list_occurrence(world, rolling, close_ns))
        for plan in plans:
            self.create("events", plan.command.ticker, "events", _event_body(plan))
            for market in plan.markets:
                self.create("markets", market.ticker, "markets", _market_body(market))
            self.nest(plan)
        for command in [*listing.terms, *listing.descriptive]:
            self.describe(command)
        self.maintain(listing.maintenance)
        for member in world.members:
            if not member.is_bot:
                self.member(member)
        self.remember(members=[member.email for member in world.members if not member.is_bot])
        for count, text in (
            (len(world.bots), "bots"),
            (len(world.rolling), "rolling events"),
            (len(world.live_data), "milestones with live data"),
        ):
            if count:
                self.report.notes.append(
                    f"{count} {text}: they live only where the exchange is started with this world"
                )
        if listing.combos:
            self.report.notes.append(
                f"{len(listing.combos)} combos: over the operator API only members make them"
            )
        return self.report

    def nest(self, plan: EventPlan) -> None:
        """Strikes tell by themselves; an order that was written has to be said."""
        strikes = plan.strikes
        if strikes is None or not plan.spec.strike_order:
            return
        if self.api.get("events", strikes.event_ticker)["strike_order"]:
            self.report.existing["strike orders"] += 1
            return
        body = {"market_tickers": list(strikes.market_tickers), "below": strikes.below}
        path = ("events", strikes.event_ticker, "strike-order")
        self.send("strike orders", strikes.event_ticker, lambda: self.api.put(*path, body=body))

    def maintain(self, windows: list[tuple[int, int]]) -> None:
        """Once: what the operator makes of the windows later on stands."""
        if not windows or self.document.get("maintenance"):
            return
        known = self.api.get("maintenance")["windows"]
        added = [
            {"start_datetime": rfc3339(start), "end_datetime": rfc3339(end)}
            for start, end in windows
        ]
        body = {"windows": known + [window for window in added if window not in known]}
        self.send("maintenance", "windows", lambda: self.api.put("maintenance", body=body))
        self.remember(maintenance=True)

    def remember(self, **news: Any) -> None:
        if news.items() <= self.document.items():
            return
        self.document.update(news)
        self.api.put("documents", DOCUMENT_KIND, self.world.name, body={"details": self.document})

    # --- what is described --------------------------------------------------------------------

    def describe(self, command: Command) -> None:
        match command:
            case PutDocument():
                if self.find("documents", command.kind, command.key):
                    self.report.existing["documents"] += 1
                    return
                self.send(
                    "documents",
                    command.key,
                    lambda: self.api.put(
                        "documents",
                        command.kind,
                        command.key,
                        body={"details": json.loads(command.details)},
                    ),
                )
            case PublishAnnouncement():
                known = self.api.get("announcements")["announcements"]
                if any(row["message"] == command.message for row in known):
                    self.report.existing["announcements"] += 1
                    return
                body = {
                    "type": command.kind,
                    "message": command.message,
                    "status": command.status,
                    "delivery_time": rfc3339(command.delivery_ns),
                }
                self.create("announcements", command.message, "announcements", body)
            case CreateCollection():
                if self.find("collections", command.ticker):
                    self.report.existing["collections"] += 1
                    return
                body = _collection_body(command)
                self.create("collections", command.ticker, "collections", body)
            case ScheduleFeeChange():
                change: Json = {
                    "series_ticker": command.series_ticker,
                    "fee_type": command.fee_type,
                    "fee_multiplier": command.fee_multiplier_ppm / PPM,
                    "scheduled_time": rfc3339(command.scheduled_ns),
                }
                rows = self.api.get("fee-changes")["fee_changes"]
                over = command.scheduled_ns < self.now_ns
                if over or any(change.items() <= row.items() for row in rows):
                    self.report.existing["fee changes"] += 1
                    return
                self.create("fee changes", command.series_ticker, "fee-changes", change)
            case SetSchedule():
                if self.api.get("schedule")["schedule"].get("standard_hours"):
                    self.report.existing["schedule"] += 1
                    return
                body = {"standard_hours": json.loads(command.details)["standard_hours"]}
                self.send("schedule", "", lambda: self.api.put("schedule", body=body))

    # --- members ------------------------------------------------------------------------------

    def member(self, spec: MemberSpec) -> None:
        precision = "0.01" if spec.balance_precision == 10_000 else "0.0001"
        body = {
            "email": spec.email,
            "usage_tier": spec.usage_tier,
            "balance_precision": precision,
            "deposit": dollars(spec.deposit),
        }
        if self.create("members", spec.email, "members", body):
            self.accounts(spec)
        for key in spec.keys:
            self.key(spec, key)

    def accounts(self, spec: MemberSpec) -> None:
        """Subaccounts and customers of a new member, with their money."""
        path = ("members", spec.email)
        for amount in spec.subaccount_deposits:
            made = self.send(
                "subaccounts", spec.email, lambda: self.api.post(*path, "subaccounts", body=None)
            )
            if made and amount:
                self.deposit(spec, amount, {"subaccount": made["subaccount"]})
        for customer in spec.subtraders:
            made = self.send("subtraders", customer.name, partial(self.customer, spec, customer))
            if made and customer.deposit:
                self.deposit(spec, customer.deposit, {"subtrader_id": customer.name})

    def customer(self, spec: MemberSpec, customer: SubtraderSpec) -> Any:
        body = {"subtrader_id": customer.name}
        return self.api.post("members", spec.email, "subtraders", body=body)

    def deposit(self, spec: MemberSpec, amount: int, account: Json) -> None:
        body = {"amount": dollars(amount), "reference": f"world {self.world.name}", **account}
        self.send(
            "deposits",
            spec.email,
            lambda: self.api.post("members", spec.email, "deposits", body=body),
        )

    def key(self, spec: MemberSpec, key: KeySpec) -> None:
        public, path = key.public_key, None
        if key.private_key_file:
            if self.keys_directory is None:
                self.report.notes.append(
                    f"key {key.name} of {spec.email}: say where to keep it (--keys)"
                )
                return
            path = self.keys_directory / key.private_key_file
            try:
                public = keep_key_pair(path).public_pem
            except (OSError, ValueError) as error:
                self.report.refused.append(f"key {key.name} of {spec.email}: {path}: {error}")
                return
        rows = self.api.get("members", spec.email, "keys")["api_keys"]
        known = next((row for row in rows if row["public_key"].strip() == public.strip()), None)
        if known is not None:
            self.report.existing["keys"] += 1
        else:
            body = {
                "public_key": public,
                "name": key.name,
                "scopes": list(key.scopes),
                "profile": key.profile,
            }
            known = self.send(
                "keys", key.name, lambda: self.api.post("members", spec.email, "keys", body=body)
            )
        if known is not None and path is not None:
            key_id = str(known["api_key_id"])
            self.report.keys.append(KeyInHand(spec.email, key.name, key_id, path, is_bot=False))

    # --- calls --------------------------------------------------------------------------------

    def create(self, kind: str, name: str, path: str, body: Json) -> bool:
        """Whether it is there only now."""
        return self.send(kind, name, lambda: self.api.post(path, body=body)) is not None

    def send(self, kind: str, name: str, call: Callable[[], Any]) -> Json | None:
        """The answer; None when the thing was there or was refused."""
        try:
            answer = call()
        except OperatorRefused as error:
            if error.status == _CONFLICT and error.code == "already_exists":
                self.report.existing[kind] += 1
            else:
                self.report.refused.append(f"{kind} {name}: {error.message}")
            return None
        self.report.created[kind] += 1
        self.progress(f"{kind} {name}")
        return answer if isinstance(answer, dict) else {}

    def find(self, *path: str) -> Json:
        """What is at ``path``; empty when nothing is."""
        try:
            answer = self.api.get(*path)
        except OperatorRefused as error:
            if error.status == _NOT_FOUND:
                return {}
            raise
        return answer if isinstance(answer, dict) else {}


def _collection_body(collection: CreateCollection) -> Json:
    return {
        "ticker": collection.ticker,
        "series_ticker": collection.series_ticker,
        "open_date": rfc3339(collection.open_ns),
        "close_date": rfc3339(collection.close_ns),
        "size_min": collection.size_min,
        "size_max": collection.size_max,
        "is_ordered": collection.is_ordered,
        "associated_events": [
            {"ticker": ticker, "is_yes_only": yes_only, "size_min": least, "size_max": most}
            for ticker, yes_only, least, most in collection.associated_events
        ],
        **json.loads(collection.details),
    }


def _series_body(series: CreateSeries) -> Json:
    return {
        "ticker": series.ticker,
        "fee_type": series.fee_type,
        "fee_multiplier": series.fee_multiplier_ppm / PPM,
        **json.loads(series.details),
    }


def _event_body(plan: EventPlan) -> Json:
    event = plan.command
    return {
        "ticker": event.ticker,
        "series_ticker": event.series_ticker,
        "mutually_exclusive": event.mutually_exclusive,
        "collateral_return_type": event.collateral_return_type,
        **json.loads(event.details),
    }


def _market_body(market: CreateMarket) -> Json:
    body: Json = {
        "ticker": market.ticker,
        "event_ticker": market.event_ticker,
        "market_type": market.market_type,
        "open_time": rfc3339(market.open_ns),
        "close_time": rfc3339(market.close_ns),
        "expected_expiration_time": rfc3339(market.expected_expiration_ns),
        "latest_expiration_time": rfc3339(market.latest_expiration_ns),
        "settlement_timer_seconds": market.settlement_timer_seconds,
        "can_close_early": market.can_close_early,
        "price_level_structure": market.price_level_structure,
        "price_ranges": [
            {"start": price_dollars(start), "end": price_dollars(end), "step": price_dollars(step)}
            for start, end, step in market.price_ranges
        ],
        "fractional_trading_enabled": market.fractional_trading_enabled,
        "is_provisional": market.is_provisional,
        **json.loads(market.details),
    }
    if market.fee_waiver_expiration_ns:
        body["fee_waiver_expiration_time"] = rfc3339(market.fee_waiver_expiration_ns)
    return body
