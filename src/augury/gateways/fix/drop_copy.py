"""The drop copy: executions of the last hours, to be asked for again (fix.md, section 11).

Accounts are followed from the first time one of their keys logs on over FIX; the order path of
everybody else pays nothing for it. Executions are kept with their ids, not their texts, and read
as the asking session wants them. The rows lie in the store of the sessions and are committed
together with the record's sequence, so none is missing after a crash and none is there twice.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from augury.core.units import NANOS_PER_SECOND
from augury.gateways.fix.codec import Message
from augury.gateways.fix.executions import Execution
from augury.gateways.fix.orders import may_see
from augury.gateways.fix.reports import Fields, execution_report, is_wanted
from augury.gateways.fix.session import Session
from augury.gateways.fix.store import FixStore
from augury.ports.exchange import ExchangeGate

LOOKBACK_NS: Final = 3 * 3600 * NANOS_PER_SECOND
REQUEST_SECONDS: Final = 1.0
ROWS_AT_ONCE: Final = 500

TOO_MANY_REQUESTS: Final = "1"
SERVER_ERROR: Final = "2"
BEGIN_TOO_SMALL: Final = "3"
END_TOO_LARGE: Final = "4"

LAST: Final = 10**15
"""Above every sequence and every index."""

Place = tuple[int, int]
"""(sequence, index): an ExecID."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Execution).decode

logger = logging.getLogger("augury.fix")


class DropCopy:
    """``members`` are those who are followed. Valid once ``restore`` was called."""

    def __init__(
        self, gate: ExchangeGate, store: FixStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.members: set[int] = set()
        self._gate = gate
        self._store = store
        self._clock = clock
        self._asked: dict[int, float] = {}
        """API key -> when it last asked."""

    def restore(self) -> None:
        """Take up what the store knows."""
        self.members = set(self._store.followed())

    def follow(self, member_id: int) -> None:
        """Keep the executions of a member from the next record on."""
        if member_id not in self.members:
            self.members.add(member_id)
            self._store.follow(member_id, self._gate.state.sequence)

    def keep(self, execution: Execution) -> None:
        self._store.keep_execution(
            execution.member_id,
            execution.sequence,
            execution.index,
            execution.time_ns,
            _encode(execution),
        )

    async def purge(self) -> None:
        """Let go of what is over the lookback."""
        await self._store.purge_executions(self._gate.now_ns() - LOOKBACK_NS)

    async def resend(self, session: Session, message: Message) -> None:
        """Answer an EventResendRequest."""
        number = (45, str(message.sequence))
        now = self._clock()
        key = session.principal.api_key_id
        asked = self._asked.get(key)
        if asked is not None and now - asked < REQUEST_SECONDS:
            session.send("U3", [number, (21004, TOO_MANY_REQUESTS)])
            return
        self._asked[key] = now
        begin = _place(message.get(21001) or "")
        end_text = message.get(21002)
        newest = self._gate.state.sequence
        end = (newest, LAST) if end_text is None else _place(end_text)
        if end[0] > newest:
            session.send("U3", [number, (21004, END_TOO_LARGE)])
            return
        member_id = session.principal.member_id
        since_ns = self._gate.now_ns() - LOOKBACK_NS
        try:
            if begin[0] <= await self._store.executions_floor(member_id, since_ns):
                session.send("U3", [number, (21004, BEGIN_TOO_SMALL)])
                return
            count = 0
            while begin <= end:
                rows = await self._store.executions(member_id, begin, end, ROWS_AT_ONCE)
                for row in rows:
                    fields = self._report(session, _decode(row))
                    if fields is not None:
                        session.send("8", fields)
                        count += 1
                if len(rows) < ROWS_AT_ONCE:
                    break
                last = _decode(rows[-1])
                begin = (last.sequence, last.index + 1)
                await session.drained()
        except Exception:
            # The store is a database on a disk; the client is told and may ask again.
            logger.exception("a drop copy could not be read")
            session.send("U3", [number, (21004, SERVER_ERROR)])
            return
        session.send("U2", [number, (21003, str(count))])

    def _report(self, session: Session, execution: Execution) -> Fields | None:
        if not may_see(session, execution.subaccount) or not is_wanted(execution, session.options):
            return None
        return execution_report(execution, session.options, self._gate.state)


def _place(text: str) -> Place:
    """An ExecID that the dictionary has let through; the exchange index at its end is 0."""
    sequence, index = text.split(";")[:2]
    return int(sequence), int(index)
