"""Brings a world into a running exchange, through commands like everybody else's.

Idempotent: what exists is left alone, so every start may apply its world again. The moment at
which a world was first applied is kept in the log, as a document of kind ``world``; relative
times and dates in tickers count from it for ever.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from augury.app.world.keys import keep_key_pair
from augury.app.world.listing import EventPlan, list_occurrence, list_world
from augury.app.world.live_data import live_commands
from augury.app.world.model import KeySpec, MemberSpec, RollingSpec, World
from augury.app.world.times import next_close
from augury.codec.ids import format_id
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.applied import Applied
from augury.core.commands import (
    AddApiKey,
    Command,
    CreateCollection,
    CreateMember,
    CreateSubaccount,
    CreateSubtrader,
    Deposit,
    PublishAnnouncement,
    PutDocument,
    ScheduleFeeChange,
    SetMaintenanceWindows,
    SetSchedule,
    SetStrikeOrder,
)
from augury.core.state import FIRST_SUBTRADER, Exchange, Member
from augury.core.units import NANOS_PER_SECOND
from augury.ports.exchange import ExchangeGate

log = logging.getLogger("augury.world")

DOCUMENT_KIND: Final = "world"
_BATCH: Final = 500


@dataclass(slots=True)
class KeyInHand:
    """An API key whose private half lies in ``private_key_file``."""

    email: str
    name: str
    api_key_id: str
    private_key_file: Path
    is_bot: bool


@dataclass(slots=True)
class WorldReport:
    """What applying a world did.

    ``refused`` holds what the exchange did not accept, ``notes`` what could not be asked for.
    """

    start_ns: int
    created: Counter[str] = field(default_factory=Counter)
    existing: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: list[KeyInHand] = field(default_factory=list)

    def key_of(self, email: str) -> KeyInHand | None:
        """The first key of a member, if its private half is at hand."""
        return next((key for key in self.keys if key.email == email), None)


async def apply_world(
    world: World, gate: ExchangeGate, *, keys_directory: Path | None = None
) -> WorldReport:
    """Create what ``world`` describes and the exchange behind ``gate`` lacks.

    Private keys are kept below ``keys_directory``; without one, keys that need a file are left
    out. Raises ``Unavailable`` when commands cannot be logged; applying again goes on from there.
    """
    work = _Application(world, gate, keys_directory)
    await work.run()
    return work.report


def start_of(world: World, state: Exchange, now_ns: int) -> int:
    """When the world starts: as the log remembers, as the file says, or now."""
    remembered = world_document(world, state).get("start")
    if isinstance(remembered, str):
        return parse_rfc3339(remembered)
    now_ns = now_ns // NANOS_PER_SECOND * NANOS_PER_SECOND
    return now_ns if world.start is None else world.start.resolve(now_ns)


def world_document(world: World, state: Exchange) -> dict[str, Any]:
    """What the log remembers about the world; empty before it was first applied."""
    text = state.documents.get(DOCUMENT_KIND, {}).get(world.name, "{}")
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def due_occurrences(
    world: World, rolling: RollingSpec, state: Exchange, now_ns: int
) -> tuple[list[EventPlan], int]:
    """Occurrences that should be listed and are not, and when the next one is due."""
    plans = []
    close_ns = next_close(now_ns, rolling.every_seconds, rolling.offset_seconds)
    ahead = (rolling.open_for_seconds + rolling.listed_before_seconds) * NANOS_PER_SECOND
    while close_ns - ahead <= now_ns:
        plan = list_occurrence(world, rolling, close_ns)
        if any(market.ticker not in state.markets for market in plan.markets):
            plans.append(plan)
        close_ns = next_close(close_ns, rolling.every_seconds, rolling.offset_seconds)
    return plans, close_ns - ahead


def listing_commands(plan: EventPlan, state: Exchange) -> list[Command]:
    """The commands that list what of an event is missing."""
    commands: list[Command] = []
    if plan.command.ticker not in state.events:
        commands.append(plan.command)
    commands += [market for market in plan.markets if market.ticker not in state.markets]
    if plan.strikes is not None and _needs_strikes(plan.strikes, state):
        commands.append(plan.strikes)
    return commands


def _needs_strikes(strikes: SetStrikeOrder, state: Exchange) -> bool:
    """An event that has an order keeps it: the operator may have given it another one."""
    event = state.events.get(strikes.event_ticker)
    if event is None:
        return True
    traded = any(state.markets[ticker].open_interest for ticker in event.market_tickers)
    return not event.strike_order and not traded


class _Application:
    """One run of ``apply_world``."""

    def __init__(self, world: World, gate: ExchangeGate, keys_directory: Path | None) -> None:
        self.world = world
        self.gate = gate
        self.keys_directory = keys_directory
        self.report = WorldReport(start_of(world, gate.state, gate.now_ns()))
        self.document = world_document(world, gate.state)

    async def run(self) -> None:
        if "start" not in self.document:
            # First of all: a crash in the middle must not give the rest another start.
            self.document["start"] = rfc3339(self.report.start_ns)
            await self.remember()
        await self.listing()
        for member in self.world.members:
            await self.member(member)
        done = [member.email for member in self.world.members]
        if not set(done) <= set(self.document.get("members", [])):
            known = self.document.get("members", [])
            self.document["members"] = [*known, *(email for email in done if email not in known)]
            await self.remember()

    async def remember(self) -> None:
        details = json.dumps(self.document, ensure_ascii=False, separators=(",", ":"))
        await self.submit([PutDocument(DOCUMENT_KIND, self.world.name, details)])

    # --- listing ------------------------------------------------------------------------------

    async def listing(self) -> None:
        state = self.gate.state
        listing = list_world(self.world, self.report.start_ns)
        commands: list[Command] = []
        for series in listing.series:
            if series.ticker in state.series:
                self.report.existing["series"] += 1
            else:
                commands.append(series)
        plans = list(listing.events)
        for rolling in self.world.rolling:
            plans += due_occurrences(self.world, rolling, state, self.gate.now_ns())[0]
        for plan in plans:
            self.found("events", plan.command.ticker in state.events)
            for market in plan.markets:
                self.found("markets", market.ticker in state.markets)
            commands += listing_commands(plan, state)
        commands += [
            command
            for command in [*listing.terms, *listing.descriptive]
            if not self.is_there(command, state)
        ]
        await self.submit(commands)
        await self.maintenance(listing.maintenance)
        if listing.combos and not self.document.get("combos"):
            await self.submit(listing.combos)
            self.document["combos"] = True
            await self.remember()
        await self.submit(
            live_commands(self.world, state, self.report.start_ns, self.gate.now_ns())
        )

    async def maintenance(self, windows: list[tuple[int, int]]) -> None:
        """Once: what the operator makes of the windows later on stands."""
        if not windows or self.document.get("maintenance"):
            return
        kept = self.gate.state.maintenance_windows
        await self.submit([SetMaintenanceWindows(tuple(sorted({*kept, *windows})))])
        self.document["maintenance"] = True
        await self.remember()

    def is_there(self, command: Command, state: Exchange) -> bool:
        match command:
            case PutDocument():
                kind = "documents"
                there = command.key in state.documents.get(command.kind, {})
            case PublishAnnouncement():
                kind = "announcements"
                there = any(
                    (item.kind, item.message) == (command.kind, command.message)
                    for item in state.announcements
                )
            case CreateCollection():
                kind = "collections"
                there = command.ticker in state.collections
            case ScheduleFeeChange():
                kind = "fee changes"
                # One whose time was over before the world came here has nothing to change.
                there = command.scheduled_ns < self.gate.now_ns() or any(
                    (change.series_ticker, change.scheduled_ns)
                    == (command.series_ticker, command.scheduled_ns)
                    for change in state.fee_changes.values()
                )
            case SetSchedule():
                kind = "schedule"
                there = state.schedule != ""
            case _:
                return False
        self.found(kind, there)
        return there

    def found(self, kind: str, there: bool) -> None:
        if there:
            self.report.existing[kind] += 1

    # --- members ------------------------------------------------------------------------------

    async def member(self, spec: MemberSpec) -> None:
        state = self.gate.state
        member_id = state.member_ids_by_email.get(spec.email)
        if member_id is None:
            (created,) = await self.submit(
                [CreateMember(spec.email, spec.usage_tier, spec.balance_precision)]
            )
            if created.rejection is not None:
                return
            member_id = created.sequence
        else:
            self.report.existing["members"] += 1
        member = self.gate.state.members[member_id]
        if spec.email not in self.document.get("members", []):
            await self.submit(self.opening(spec, member))
        for key in spec.keys:
            await self.key(spec, member_id, key)

    def opening(self, spec: MemberSpec, member: Member) -> list[Command]:
        """Subaccounts and money of a member that was not finished before."""
        commands: list[Command] = [
            CreateSubaccount(member.id)
            for _ in range(len(member.accounts) - 1, len(spec.subaccount_deposits))
        ]
        for number, amount in enumerate([spec.deposit, *spec.subaccount_deposits]):
            account = member.accounts.get(number)
            # A crash may have come between the deposit and the note that the member is done.
            untouched = account is None or (account.cash == 0 and not account.holdings)
            if amount and untouched:
                commands.append(Deposit(member.id, number, amount, f"world {self.world.name}"))
        number = FIRST_SUBTRADER + len(member.subtraders)
        for subtrader in spec.subtraders:
            if subtrader.name in member.subtraders:
                continue
            commands.append(CreateSubtrader(member.id, subtrader.name))
            if subtrader.deposit:
                note = f"world {self.world.name}"
                commands.append(Deposit(member.id, number, subtrader.deposit, note))
            number += 1
        return commands

    async def key(self, spec: MemberSpec, member_id: int, key: KeySpec) -> None:
        path = None
        public = key.public_key
        if key.private_key_file:
            if self.keys_directory is None:
                self.report.notes.append(
                    f"key {key.name} of {spec.email}: there is no directory to keep it in"
                )
                return
            path = self.keys_directory / key.private_key_file
            try:
                public = (await asyncio.to_thread(keep_key_pair, path)).public_pem
            except (OSError, ValueError) as error:
                self.report.refused.append(f"key {key.name} of {spec.email}: {path}: {error}")
                return
        state = self.gate.state
        number = next(
            (
                key_id
                for key_id in state.members[member_id].api_key_ids
                if state.api_keys[key_id].public_key_pem.strip() == public.strip()
            ),
            None,
        )
        if number is None:
            (added,) = await self.submit(
                [AddApiKey(member_id, key.name, public, key.scopes, key.profile)]
            )
            if added.rejection is not None:
                return
            number = added.sequence
        else:
            self.report.existing["keys"] += 1
        if path is not None:
            self.report.keys.append(
                KeyInHand(spec.email, key.name, format_id("api_key", number), path, spec.is_bot)
            )

    # --- submitting ---------------------------------------------------------------------------

    async def submit(self, commands: Sequence[Command]) -> list[Applied]:
        """Submit in order and note what became of it."""
        answers: list[Applied] = []
        for first in range(0, len(commands), _BATCH):
            answers += await self.gate.submit_all(commands[first : first + _BATCH])
        for applied in answers:
            rejection = applied.rejection
            name = type(applied.command).__name__
            if rejection is None:
                self.report.created[_WHAT.get(name, name)] += 1
            else:
                text = f"{name}: {rejection.code} {rejection.detail}".rstrip()
                self.report.refused.append(text)
                log.warning("the exchange refused a part of the world", extra={"reason": text})
        return answers


_WHAT: Final = {
    "CreateSeries": "series",
    "CreateEvent": "events",
    "CreateMarket": "markets",
    "CreateCollection": "collections",
    "CreateCombo": "combos",
    "ScheduleFeeChange": "fee changes",
    "SetMaintenanceWindows": "maintenance",
    "SetStrikeOrder": "strike orders",
    "CreateSubtrader": "subtraders",
    "CreateMember": "members",
    "AddApiKey": "keys",
    "CreateSubaccount": "subaccounts",
    "Deposit": "deposits",
    "PutDocument": "documents",
    "PublishAnnouncement": "announcements",
    "SetSchedule": "schedule",
}
