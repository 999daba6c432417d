"""From applied records to the sessions whom they concern (fix.md, sections 6, 8.5, 10 and 12).

Called once per record, in log order, and again at a start for those whose reports a crash may have
kept from being stored; so everything it needs is in the record, in the state right after it, or in
what the store keeps of a session. It never asks the gate for anything.
"""

from collections.abc import Callable
from typing import Any, Final

from augury.core.applied import Applied
from augury.core.events import (
    Event,
    MarketSettled,
    PositionSettled,
    QuoteUpdated,
    RfqUpdated,
)
from augury.core.state import Exchange
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.drop_copy import DropCopy
from augury.gateways.fix.executions import REJECTED, Execution, concerns, executions
from augury.gateways.fix.order_index import OrderIndex
from augury.gateways.fix.orders import may_see
from augury.gateways.fix.quotes import QuoteReports
from augury.gateways.fix.registry import Sessions
from augury.gateways.fix.reports import execution_report, is_wanted
from augury.gateways.fix.session import Session
from augury.gateways.fix.settlements import settlement_reports

_ORDER_ENTRY: Final = (Kind.NR, Kind.RT)


class Publisher:
    """Turns events into messages of sessions, and into rows of the drop copy."""

    def __init__(
        self,
        sessions: Sessions,
        index: OrderIndex,
        drop_copy: DropCopy,
        quotes: QuoteReports,
        profile: str,
    ) -> None:
        self._profile = profile
        self._sessions = sessions
        self._index = index
        self._drop_copy = drop_copy
        self._handlers: dict[type[Event], Callable[[Any, Applied, Exchange], None]] = {
            MarketSettled: self._market_settled,
            QuoteUpdated: quotes.quote_updated,
            RfqUpdated: quotes.rfq_updated,
        }

    def publish(self, applied: Applied, state: Exchange) -> None:
        """Send what ``applied`` means. ``state`` is the one right after it."""
        followed = self._drop_copy.members
        if not followed:
            # Nobody has ever used FIX; the order path pays for one look.
            return
        self._index.follow(applied)
        if concerns(applied, followed):
            self._report(applied, state, followed)
        handlers = self._handlers
        for event in applied.events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event, applied, state)

    def _report(self, applied: Applied, state: Exchange, followed: set[int]) -> None:
        for execution in executions(applied, lambda ticker: state.markets[ticker].event.ticker):
            member_id = execution.member_id
            if member_id not in followed:
                continue
            if execution.kind != REJECTED:
                self._drop_copy.keep(execution)
            sessions = self._sessions.of_member(member_id)
            entering = _entering(execution, sessions)
            for session in sessions:
                if session is entering or _listens(session, execution):
                    if is_wanted(execution, session.options):
                        profile = session.principal.profile or self._profile
                        fields = execution_report(execution, session.options, state, profile)
                        session.send("8", fields)

    def _market_settled(self, event: MarketSettled, applied: Applied, state: Exchange) -> None:
        wanting = [
            session
            for session in self._sessions
            if session.options.settlement_reports and session.kind in (Kind.PT, Kind.RT)
        ]
        if not wanting:
            return
        paid: dict[int, list[PositionSettled]] = {}
        for other in applied.events:
            if isinstance(other, PositionSettled) and other.market_ticker == event.ticker:
                paid.setdefault(other.member_id, []).append(other)
        place = applied.events.index(event)
        for session in wanting:
            member = state.members[session.principal.member_id]
            own = [row for row in paid.get(member.id, ()) if may_see(session, row.subaccount)]
            for fields in settlement_reports(
                applied.sequence, applied.time_ns, place, event, own, member
            ):
                session.send("UMS", fields)


def _entering(execution: Execution, sessions: tuple[Session, ...]) -> Session | None:
    """The session that entered the order: the one that is connected with its key, or the one that
    keeps messages for a client that is away."""
    kind, _, key = execution.origin.partition("/")
    away = None
    for session in sessions:
        if session.kind in _ORDER_ENTRY and str(session.principal.api_key_id) == key:
            if session.options.listener:
                continue
            if session.connected:
                return session
            if session.retains and session.kind.name == kind:
                away = session
    return away


def _listens(session: Session, execution: Execution) -> bool:
    return (
        session.options.listener
        and session.kind in _ORDER_ENTRY
        and execution.kind != REJECTED
        and may_see(session, execution.subaccount)
    )
