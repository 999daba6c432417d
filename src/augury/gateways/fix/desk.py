"""The application above the sessions: who handles which message, and what hears of records.

Owns the wiring of order entry, quotes, drop copy and reports, and what keys may do. The session
layer has checked form, rate and the kind of session before a message comes here.
"""

import asyncio
import logging
from typing import Final

from augury.core.applied import Applied
from augury.core.state import Exchange
from augury.gateways.auth import TRADE
from augury.gateways.fix import reasons
from augury.gateways.fix.codec import Message
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.drop_copy import DropCopy
from augury.gateways.fix.order_entry import OrderEntry
from augury.gateways.fix.order_index import OrderIndex
from augury.gateways.fix.publisher import Publisher
from augury.gateways.fix.quote_entry import QuoteEntry
from augury.gateways.fix.quotes import QuoteReports
from augury.gateways.fix.registry import Sessions
from augury.gateways.fix.session import NOT_AUTHORIZED, UNSUPPORTED_MESSAGE_TYPE, Session
from augury.gateways.fix.store import FixStore
from augury.gateways.profiles import CURRENT
from augury.ports.exchange import ExchangeGate, Unavailable

EVENT_RESEND_REQUEST: Final = "U1"

logger = logging.getLogger("augury.fix")


class Desk:
    """Implements ``application.Application`` for one exchange."""

    def __init__(
        self, gate: ExchangeGate, sessions: Sessions, store: FixStore, profile: str = CURRENT
    ) -> None:
        """``profile`` is that of keys which have none of their own."""
        self._gate = gate
        self._sessions = sessions
        index = self._index = OrderIndex()
        self._quotes = QuoteReports(sessions)
        self._drop_copy = DropCopy(gate, store)
        self._orders = OrderEntry(gate, index)
        self._quote_entry = QuoteEntry(gate, self._quotes)
        self._publisher = Publisher(sessions, index, self._drop_copy, self._quotes, profile)
        self._to_cancel: dict[int, tuple[Session, int]] = {}
        """API key -> a lost session whose orders could not be canceled when its connection went,
        and the record up to which orders are meant: what was entered since then stays."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._drop_copy.restore()

    @property
    def wants_every_record(self) -> bool:
        """Whether records that the store may lack have to be read again at a start."""
        return bool(self._drop_copy.members)

    def logged_on(self, session: Session) -> None:
        state = self._gate.state
        member_id = session.principal.member_id
        self._drop_copy.follow(member_id)
        self._index.know(state, state.members[member_id])
        if session.kind is Kind.RFQ:
            self._quotes.greet(session, state)

    async def received(self, session: Session, message: Message) -> None:
        kind = message.type
        if kind == EVENT_RESEND_REQUEST:
            await self._drop_copy.resend(session, message)
        elif TRADE not in session.principal.scopes:
            session.business_reject(message, NOT_AUTHORIZED, reasons.NOT_AUTHORIZED)
        elif kind in self._orders.handlers:
            await self._orders.handle(session, message)
        elif kind in self._quote_entry.types:
            await self._quote_entry.handle(session, message)
        else:
            session.business_reject(message, UNSUPPORTED_MESSAGE_TYPE, "Unsupported message type")

    async def disconnected(self, session: Session, clean: bool) -> None:
        """Cancel what the session entered, where its client asked for that: however the
        connection ended, and whoever changed the orders since.

        Raises ``Unavailable`` when that is not possible now; it is done when the exchange takes
        commands again, or at the next start.
        """
        if session.options.cancel_on_disconnect and session.kind in (Kind.NR, Kind.RT):
            if not await self._orders.cancel_on_disconnect(session):
                lost = (session, self._gate.state.sequence)
                self._to_cancel[session.principal.api_key_id] = lost
                raise Unavailable("paused")

    def applied(self, applied: Applied, state: Exchange) -> None:
        self._publisher.publish(applied, state)
        if self._to_cancel and not state.exchange_paused:
            # A pause is over, or the disk takes records again.
            self._cancel_what_is_left()

    async def clean(self) -> None:
        if self._drop_copy.members:
            await self._drop_copy.purge()

    def _cancel_what_is_left(self) -> None:
        left, self._to_cancel = self._to_cancel, {}
        for session, newest in left.values():
            task = asyncio.get_running_loop().create_task(self._cancel(session, newest))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _cancel(self, session: Session, newest: int) -> None:
        try:
            done = await self._orders.cancel_on_disconnect(session, newest)
        except Exception:
            logger.exception("orders of a lost FIX session could not be canceled")
            return
        if not done:
            # The next pause was quicker.
            self._to_cancel.setdefault(session.principal.api_key_id, (session, newest))
