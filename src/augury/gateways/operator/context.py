"""What the handlers of the operator API work with, and how they find what a request names."""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from augury.codec.ids import parse_id
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.state import ApiKey, Exchange, ListedEvent, Market, Member, Series
from augury.gateways.operator.errors import not_found, raise_for_rejection
from augury.gateways.operator.outcomes import Outcomes
from augury.ports.exchange import ExchangeGate, VirtualTime
from augury.ports.log import Log
from augury.projections.history import History
from augury.projections.queries import HistoryQueries

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What ``status`` tells about the process and never changes while it runs."""

    version: str
    started_ns: int
    profile: str
    rate_limits: bool
    core: str
    """``compiled`` or ``interpreted``."""
    fix_ports: Mapping[str, int] = field(default_factory=dict)
    """By TargetCompID; empty without FIX."""
    fix_certificate: str = ""
    """Path of what clients of FIX have to trust; empty for plain TCP."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts of a running exchange that the operator's handlers use.

    ``virtual_time`` is None with a real clock. ``take_snapshot`` returns the (sequence, state
    hash) of a snapshot of at least the present sequence.
    """

    gate: ExchangeGate
    log: Log
    history: History
    queries: HistoryQueries
    outcomes: Outcomes
    facts: ServerFacts
    virtual_time: VirtualTime | None
    take_snapshot: Callable[[], Awaitable[tuple[int, str]]]

    @property
    def state(self) -> Exchange:
        return self.gate.state

    def next_timer_ns(self) -> int | None:
        """When time itself will change something next; None when nothing waits for time."""
        if self.virtual_time is not None:
            return self.virtual_time.next_timer_ns()
        timers = self.state.timers
        return timers[0][0] if timers and not self.state.exchange_paused else None

    async def submit(self, command: Command) -> Applied:
        """Carry out one command; raises ``OperatorError`` when the core refuses it."""
        return raise_for_rejection(await self.gate.submit(command))

    def member(self, name: str) -> Member:
        """By user id or by e-mail address."""
        member_id = parse_id("member", name)
        if member_id is None:
            member_id = self.state.member_ids_by_email.get(name)
        member = self.state.members.get(member_id) if member_id is not None else None
        if member is None:
            raise not_found("member", name)
        return member

    def api_key(self, member: Member, name: str) -> ApiKey:
        key_id = parse_id("api_key", name)
        if key_id is None or key_id not in member.api_key_ids:
            raise not_found("api key", name)
        return self.state.api_keys[key_id]

    def series(self, ticker: str) -> Series:
        return _find(self.state.series, "series", ticker)

    def event(self, ticker: str) -> ListedEvent:
        return _find(self.state.events, "event", ticker)

    def market(self, ticker: str) -> Market:
        return _find(self.state.markets, "market", ticker)


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """One request, decoded: ``path`` holds the parts of the address that name something."""

    path: dict[str, str]
    body: BodyT
    query: QueryT


ThingT = TypeVar("ThingT")


def _find(things: dict[str, ThingT], what: str, ticker: str) -> ThingT:
    thing = things.get(ticker)
    if thing is None:
        raise not_found(what, ticker)
    return thing


def page(keys: list[str], cursor: str, limit: int) -> tuple[list[str], str]:
    """The keys after ``cursor``, at most ``limit``, and the cursor of the page that follows.

    ``keys`` must be sorted. A cursor is the last key of the page before, so pages stay whole while
    other keys come and go, the cursor's own included.
    """
    start = bisect_right(keys, cursor) if cursor else 0
    found = keys[start : start + limit]
    more = start + limit < len(keys)
    return found, found[-1] if more and found else ""
