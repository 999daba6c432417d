"""The demo's own operator: keeps a world alive while time goes by.

Lists the next occurrence of rolling events, determines markets whose truth the world knows, and
tops up bots that have lost their money. It acts through the same commands as a human operator and
decides by exchange time alone, so it works the same with a virtual clock.
"""

import asyncio
import json
import logging
from typing import Final

from augury.app.world.apply import due_occurrences, listing_commands
from augury.app.world.fair_value import MarketFacts, Outcome, outcomes
from augury.app.world.live_data import live_commands, next_due
from augury.app.world.model import World
from augury.app.world.outlook import EventOutlook, outlook_of
from augury.core import rejections as reject
from augury.core.applied import Applied
from augury.core.commands import ChangeCloseTime, Command, Deposit, DetermineMarket
from augury.core.events import MarketStatusChanged
from augury.core.state import ACTIVE, CLOSED, INACTIVE, INITIALIZED, Exchange, Market
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE
from augury.ports.exchange import ExchangeGate, Unavailable

log = logging.getLogger("augury.world")

_RETRY_NS: Final = 5 * NANOS_PER_SECOND
_TOP_UP_NS: Final = 600 * NANOS_PER_SECOND
_LONGEST_WAIT: Final = 30.0
_SHORTEST_WAIT: Final = 0.05
_UNFINISHED: Final = (INITIALIZED, ACTIVE, INACTIVE)


class WorldKeeper:
    """Runs beside the exchange: ``run`` until it is cancelled.

    It listens from its making on; who never calls ``run`` must call ``close``.
    """

    def __init__(self, world: World, gate: ExchangeGate, start_ns: int) -> None:
        self._world = world
        self._gate = gate
        self._start_ns = start_ns
        self._outlook = outlook_of(world, start_ns)
        self._wake = asyncio.Event()
        self._due_ns = 0
        self._top_up_ns = 0
        self._given_up: set[str] = set()
        self._taken: set[str] = set()
        self._closed: set[str] = {
            market.ticker for market in gate.state.markets.values() if market.status == CLOSED
        }
        self.close = gate.listen(self._notice)

    @property
    def has_work(self) -> bool:
        """Whether the world has anything that needs a keeper at all."""
        truths = [*self._outlook.events.values(), *self._outlook.series.values()]
        return (
            bool(self._world.rolling)
            or bool(self._world.bots)
            or bool(self._world.live_data)
            or any(truth.determined_by_truth for truth in truths)
        )

    async def run(self) -> None:
        """Do what is due, sleep until the next thing is; until cancelled."""
        try:
            while True:
                self._wake.clear()
                try:
                    self._due_ns = await self.step()
                except Unavailable:
                    self._due_ns = self._gate.now_ns() + _RETRY_NS
                seconds = (self._due_ns - self._gate.now_ns()) / NANOS_PER_SECOND
                wait = min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)
                try:
                    await asyncio.wait_for(self._wake.wait(), wait)
                except TimeoutError:
                    continue
        finally:
            self.close()

    def _notice(self, applied: Applied) -> None:
        command = applied.command
        if isinstance(command, ChangeCloseTime):
            # Whoever moves the close has taken the market in hand, its result included.
            self._taken.add(command.ticker)
        for event in applied.events:
            if isinstance(event, MarketStatusChanged):
                if event.status == CLOSED:
                    self._closed.add(event.ticker)
                    self._wake.set()
                else:
                    self._closed.discard(event.ticker)
        # A virtual clock jumps: then nobody's timer runs out, but a record arrives.
        if applied.time_ns >= self._due_ns:
            self._wake.set()

    async def step(self) -> int:
        """Do everything that is due now; returns when something will be due next.

        Raises ``Unavailable`` when commands cannot be logged.
        """
        due = self._gate.now_ns() + 24 * 3600 * NANOS_PER_SECOND
        for part in (self._list_occurrences, self._determine, self._tell, self._top_up):
            due = min(due, await part())
        return due

    # --- rolling events -----------------------------------------------------------------------

    async def _list_occurrences(self) -> int:
        now_ns = self._gate.now_ns()
        due = now_ns + 24 * 3600 * NANOS_PER_SECOND
        for rolling in self._world.rolling:
            plans, next_ns = due_occurrences(self._world, rolling, self._gate.state, now_ns)
            due = min(due, next_ns)
            for plan in plans:
                if not await self._submit(listing_commands(plan, self._gate.state)):
                    due = min(due, now_ns + _RETRY_NS)
        return due

    # --- determination ------------------------------------------------------------------------

    async def _determine(self) -> int:
        now_ns = self._gate.now_ns()
        due = now_ns + 24 * 3600 * NANOS_PER_SECOND
        state = self._gate.state
        for ticker in sorted(self._closed):
            market = state.markets.get(ticker)
            if market is None or market.status != CLOSED:
                self._closed.discard(ticker)
                continue
            truth = self._outlook.of(market.event.ticker, market.event.series.ticker)
            if not truth.determined_by_truth or ticker in self._given_up:
                continue
            together = _decided_with(market, state)
            if any(other.ticker in self._taken for other in together):
                continue
            if any(other.status in _UNFINISHED for other in together):
                continue  # the close of the last one wakes the keeper again
            close_ns = max(other.close_ns for other in together)
            ready_ns = close_ns + truth.determine_after_seconds * NANOS_PER_SECOND
            if ready_ns > now_ns:
                due = min(due, ready_ns)
                continue
            outcome = _outcome(truth, market, together, close_ns)
            if not await self._submit([_determination(outcome)]):
                due = min(due, now_ns + _RETRY_NS)
        return due

    # --- live data ----------------------------------------------------------------------------

    async def _tell(self) -> int:
        now_ns = self._gate.now_ns()
        due = next_due(self._world, now_ns)
        if due is None:
            return now_ns + 24 * 3600 * NANOS_PER_SECOND
        await self._submit(live_commands(self._world, self._gate.state, self._start_ns, now_ns))
        return due

    # --- bots ---------------------------------------------------------------------------------

    async def _top_up(self) -> int:
        """A bot that lost three quarters of its money gets its first deposit again."""
        now_ns = self._gate.now_ns()
        if now_ns < self._top_up_ns:
            return self._top_up_ns
        self._top_up_ns = now_ns + _TOP_UP_NS
        state = self._gate.state
        commands: list[Command] = []
        for spec in self._world.members:
            member_id = state.member_ids_by_email.get(spec.email) if spec.is_bot else None
            if member_id is None:
                continue
            if state.members[member_id].accounts[0].available < spec.deposit // 4:
                commands.append(Deposit(member_id, 0, spec.deposit, "top-up"))
        await self._submit(commands)
        return self._top_up_ns

    async def _submit(self, commands: list[Command]) -> bool:
        """False when the exchange is paused and it should be tried again."""
        for applied in await self._gate.submit_all(commands) if commands else []:
            rejection = applied.rejection
            if rejection is None:
                continue
            if rejection.code == reject.EXCHANGE_PAUSED:
                return False
            command = applied.command
            text = f"{type(command).__name__}: {rejection.code} {rejection.detail}".rstrip()
            log.warning("the exchange refused the keeper of the world", extra={"reason": text})
            if isinstance(command, DetermineMarket):
                self._given_up.add(command.ticker)
        return True


def _decided_with(market: Market, state: Exchange) -> list[Market]:
    """The markets that are decided at the same moment: of a mutually exclusive event all."""
    event = market.event
    if not event.mutually_exclusive:
        return [market]
    return [state.markets[ticker] for ticker in event.market_tickers if ticker in state.markets]


def _outcome(truth: EventOutlook, market: Market, together: list[Market], at_ns: int) -> Outcome:
    """How a closed market ends. A result that the operator gave to another one stands."""
    if market.event.mutually_exclusive and any(other.result == "yes" for other in together):
        return Outcome(market.ticker, "no", 0.0, "")
    facts = [truth.facts(market.event.ticker, market_facts(other)) for other in together]
    found = outcomes(truth.fair_value, facts, at_ns / NANOS_PER_SECOND)
    outcome = next(outcome for outcome in found if outcome.ticker == market.ticker)
    for other in together:
        if outcome.observed == other.ticker:
            # People read "Blue", not the ticker of the market that Blue has won.
            title = json.loads(other.details or "{}").get("yes_sub_title")
            outcome = outcome._replace(observed=str(title or other.ticker))
    return outcome


def market_facts(market: Market) -> MarketFacts:
    """What the truth needs to know, from the exchange's own state."""
    details = json.loads(market.details) if market.details else {}
    return MarketFacts(
        ticker=market.ticker,
        open_time=market.open_ns / NANOS_PER_SECOND,
        close_time=market.close_ns / NANOS_PER_SECOND,
        market_type=market.market_type,
        strike_type=str(details.get("strike_type", "")),
        floor=details.get("floor_strike"),
        cap=details.get("cap_strike"),
    )


def _determination(outcome: Outcome) -> DetermineMarket:
    return DetermineMarket(
        outcome.ticker, outcome.result, round(outcome.value * PRICE_ONE), outcome.observed
    )
