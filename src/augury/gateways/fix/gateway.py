"""The gateway as a whole: connections find their sessions, messages their application, and the
records of the log the clients whom they concern.

Owns who is connected and what is stored about it. The rules of a session are in ``session.py``,
those of a Logon in ``logon.py``, and what messages ask for is the application's.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from functools import partial
from typing import Final

import msgspec

from augury.core.applied import Applied
from augury.core.state import Exchange
from augury.gateways.auth import Authenticator, Principal, principal_of
from augury.gateways.fix.application import Application
from augury.gateways.fix.codec import Message, body_of, frame, timestamp
from augury.gateways.fix.connection import Connection
from augury.gateways.fix.dictionary import BEGIN_STRING, Kind
from augury.gateways.fix.logon import LogonRefused, check_logon
from augury.gateways.fix.registry import Sessions
from augury.gateways.fix.session import (
    APPLICATION_NOT_AVAILABLE,
    NANOS,
    NOT_AUTHORIZED,
    OTHER,
    RATE_LIMIT_EXCEEDED,
    LogonOptions,
    Sent,
    Session,
    State,
)
from augury.gateways.fix.store import FixStore, StoredSession
from augury.gateways.rate_limits import REQUEST, TOKEN, WRITE_BUCKET, RateLimiter, TokenLimiter
from augury.gateways.settings import FixSettings
from augury.ports.exchange import ExchangeGate, Unavailable

logger = logging.getLogger("augury.fix")

TICK_SECONDS: Final = 0.5
PURGE_SECONDS: Final = 60.0
REPLAYED_AT_ONCE: Final = 500
"""Messages read and sent in one go; between two goes the client has to have read them."""
WAITING_REPLAYS: Final = 8
STOP_SECONDS: Final = 3.0

_CHEAP: Final = frozenset({"F"})
"""What costs 2 tokens instead of 10 where tokens are counted, as cancels do by REST."""


class FixGateway:
    """The sessions of all kinds. It is the ``Surroundings`` of each of them.

    Order of calls: ``restore``, then ``catch_up`` for each record that the log has beyond
    ``store.position``, then ``start``; from then on ``feed`` every applied record. ``stop`` ends
    the connections; records may still be fed afterwards. All on the event loop.
    """

    def __init__(
        self,
        gate: ExchangeGate,
        authenticator: Authenticator,
        limiter: RateLimiter,
        store: FixStore,
        sessions: Sessions,
        application: Application,
        settings: FixSettings,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.sessions = sessions
        self._gate = gate
        self._authenticator = authenticator
        self._limiter = limiter
        self._store = store
        self._application = application
        self._wall_ns = wall_ns
        self._sender = "Kalshi" if settings.sender == "Kalshi" else ""
        self._connections: set[Connection] = set()
        self._live: dict[int, Connection] = {}
        """The connection of each API key that has one, of any kind."""
        self._leaving: dict[int, asyncio.Task[None]] = {}
        """What is still to be done for keys whose connection is gone."""
        self._ids: dict[tuple[Kind, int], int] = {}
        """Sessions' ids in the store."""
        self._armed: set[tuple[Kind, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: list[asyncio.Task[None]] = []
        self._in_maintenance = False
        self._stopping = False

    # --- before anybody is connected -------------------------------------------------------------

    def restore(self, stored: list[StoredSession], state: Exchange) -> None:
        """Bring back the sessions of the store; those whose API key is gone are forgotten."""
        self._in_maintenance = state.in_maintenance
        for row in stored:
            key = state.api_keys.get(row.api_key_id)
            kind = Kind[row.kind]
            if key is None:
                self._store.remove(row.id)
                continue
            options = LogonOptions(**msgspec.json.decode(row.options))
            session = self._session(kind, row.comp_id, principal_of(key), options)
            session.next_out, session.next_in = row.next_out, row.next_in
            session.purged_through = row.purged_through
            self._ids[(kind, key.id)] = row.id
            if row.armed:
                self._armed.add((kind, key.id))
            self.sessions.add(session)

    @property
    def wants_every_record(self) -> bool:
        """Whether records that nobody was connected for have to be read again at a start."""
        return self._application.wants_every_record or any(
            session.retains for session in self.sessions
        )

    def catch_up(self, applied: Applied, state: Exchange) -> None:
        """Produce what a record that was applied before a crash has to say."""
        self._take(applied, state)

    async def start(self) -> None:
        """Finish what a crash has interrupted, and let time pass."""
        self._in_maintenance = self._gate.state.in_maintenance
        for kind, key_id in sorted(self._armed, key=lambda armed: (armed[0].name, armed[1])):
            session = self.sessions.get(kind, key_id)
            if session is not None:
                self._leaving[key_id] = self._spawn(self._depart(session, clean=False))
        loop = asyncio.get_running_loop()
        self._running = [
            loop.create_task(self._keep_time(), name="FIX heartbeats"),
            loop.create_task(self._keep_clean(), name="FIX retention"),
        ]

    # --- records of the log ----------------------------------------------------------------------

    def feed(self, applied: Applied) -> None:
        """A record was applied. Never raises."""
        self._take(applied, self._gate.state)

    def _take(self, applied: Applied, state: Exchange) -> None:
        try:
            self._application.applied(applied, state)
        except Exception:
            logger.exception("record %d could not be reported over FIX", applied.sequence)
        if state.in_maintenance != self._in_maintenance:
            self._in_maintenance = state.in_maintenance
            if state.in_maintenance:
                self._begin_maintenance()
        self._store.advance(applied.sequence, applied.time_ns)

    def _begin_maintenance(self) -> None:
        """Everybody has to log on again; only order entry with retransmission keeps its numbers."""
        for session in self.sessions:
            session.log_out("MAINTENANCE")
            if session.kind is Kind.RFQ:
                session.next_in = session.next_out = 1
                session.purged_through = 0
                self.restarted(session)

    @property
    def connected_sessions(self) -> int:
        return len(self._live)

    # --- connections -----------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        if self._stopping or len(self._connections) >= self.settings.connections:
            connection.abort()
            return
        connection.opened_at = time.monotonic()
        self._connections.add(connection)

    def received(self, connection: Connection, message: Message) -> None:
        """A message that is not garbled."""
        session = connection.session
        if session is None:
            self._first(connection, message)
            return
        wanted = session.receive(message)
        if session.retains and session.state is not State.OFFLINE:
            self._note(session, soon=False)
        if wanted is not None:
            self._dispatch(connection, session, wanted)

    def _first(self, connection: Connection, message: Message) -> None:
        if message.type != "A" or message.begin_string != BEGIN_STRING or message.sequence < 0:
            # Whoever does not even try to log on learns nothing.
            connection.abort()
            return
        try:
            principal, options = check_logon(
                message,
                connection.kind,
                self._authenticator,
                self._wall_ns(),
                self.settings.sending_time_tolerance,
            )
        except LogonRefused as refusal:
            self._refuse(connection, message, str(refusal))
            return
        key_id = principal.api_key_id
        departing = self._leaving.get(key_id)
        if departing is not None:
            # The same client is back before its orders were canceled: it waits for that.
            connection.early = [message]
            self._spawn(self._later(connection, departing))
            return
        if key_id in self._live:
            self._refuse(connection, message, "already exists")
            return
        self._live[key_id] = connection
        session = self.sessions.get(connection.kind, key_id)
        if session is None:
            session = self._session(connection.kind, message.get(49) or "", principal, options)
            self.sessions.add(session)
        session.principal = principal
        session.comp_id = message.get(49) or ""
        connection.session = session
        must_be_stored = session.retains or options.cancel_on_disconnect
        if must_be_stored:
            # Should the process end now, the next one has to know what it owes to this client.
            connection.hold()
        connection.accepted = session.log_on(message, options)
        connection.under_way = session.under_way
        if connection.accepted:
            self._arm(session)
        if must_be_stored:
            self._note(session)
            self._store.when_stored(connection.release)
        if connection.accepted:
            logger.info(
                "FIX logon",
                extra={"session": session.kind.comp_id, "api_key": session.comp_id},
            )
            self._application.logged_on(session)

    def _arm(self, session: Session) -> None:
        """Note whether the session's orders are to end with its connection; what an earlier
        connection wished, and could not have in a pause, is no longer asked for."""
        place = (session.kind, session.principal.api_key_id)
        if session.options.cancel_on_disconnect:
            self._armed.add(place)
        elif place in self._armed:
            self._armed.discard(place)
            if not session.retains:
                self._forget(session)

    async def _later(self, connection: Connection, departing: "asyncio.Task[None]") -> None:
        await asyncio.wait([departing])
        early, connection.early = connection.early or [], None
        for message in early:
            if not connection.closing:
                self.received(connection, message)

    def _refuse(self, connection: Connection, message: Message, text: str) -> None:
        """A Logout outside of any session's numbers."""
        logger.info("FIX logon refused", extra={"session": connection.kind.comp_id, "reason": text})
        connection.write(
            frame(
                "5",
                1,
                self._sender or message.get(56) or connection.kind.comp_id,
                message.get(49) or "?",
                timestamp(self._wall_ns()),
                body_of([(58, text)]),
            )
        )
        connection.close()

    def lost(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        session, connection.session = connection.session, None
        if session is None:
            return
        session.lost()
        key_id = session.principal.api_key_id
        del self._live[key_id]
        if connection.accepted:
            work = set(connection.work)
            self._leaving[key_id] = self._spawn(self._depart(session, session.clean, work))
        elif not session.retains:
            self.sessions.remove(session)
            self._forget(session)

    def _forget(self, session: Session) -> None:
        """A session without retransmission leaves nothing behind."""
        place = (session.kind, session.principal.api_key_id)
        if place in self._ids and place not in self._armed:
            self._store.remove(self._ids.pop(place))

    async def _depart(
        self, session: Session, clean: bool, work: AbstractSet["asyncio.Task[None]"] = frozenset()
    ) -> None:
        """Do what a session leaves behind, then let its key log on again."""
        key_id = session.principal.api_key_id
        place = (session.kind, key_id)
        try:
            if work:
                # An order that is on its way must be there before the orders are canceled.
                await asyncio.wait(work)
            await self._application.disconnected(session, clean)
        except Unavailable as problem:
            # It stays armed: the next start tries again.
            logger.warning("orders of a FIX session cannot be canceled now: %s", problem)
            return
        except Exception:
            logger.exception("a FIX session's end failed")
        finally:
            self._leaving.pop(key_id, None)
            if not session.retains and self.sessions.get(*place) is session:
                self.sessions.remove(session)
        self._armed.discard(place)
        if session.retains:
            self._note(session)
        else:
            self._forget(session)

    # --- messages for the application ------------------------------------------------------------

    def _dispatch(self, connection: Connection, session: Session, message: Message) -> None:
        principal = session.principal
        state = self._gate.state
        if principal.api_key_id not in state.api_keys:
            session.log_out("the API key was removed")
            return
        if session.options.listener:
            session.business_reject(message, NOT_AUTHORIZED, "LISTENER_SESSION")
            return
        cost = REQUEST
        if message.type in _CHEAP and isinstance(self._limiter, TokenLimiter):
            cost = 2 * TOKEN
        tier = state.members[principal.member_id].usage_tier
        if not self._limiter.take(principal.member_id, tier, WRITE_BUCKET, cost):
            session.business_reject(message, RATE_LIMIT_EXCEEDED, "RATE_LIMIT_EXCEEDED")
            return
        session.under_way.add(message.sequence)
        connection.throttle()
        work = self._spawn(self._run(connection, session, message, session.under_way))
        connection.work.add(work)
        work.add_done_callback(connection.work.discard)

    async def _run(
        self, connection: Connection, session: Session, message: Message, under_way: set[int]
    ) -> None:
        try:
            await self._application.received(session, message)
        except Unavailable as problem:
            text = "EXCHANGE_UNAVAILABLE" if problem.reason != "overloaded" else "OVERLOADED"
            session.business_reject(message, APPLICATION_NOT_AVAILABLE, text)
        except Exception:
            logger.exception("a FIX message of type %s failed", message.type)
            session.business_reject(message, OTHER, "INTERNAL_ERROR")
        finally:
            under_way.discard(message.sequence)
            connection.throttle()
            if session.retains:
                self._note(session, soon=False)

    # --- what sessions ask for (Surroundings) ----------------------------------------------------

    def transmit(self, session: Session, data: bytes, sent: Sent) -> None:
        connection = self._live.get(session.principal.api_key_id)
        if not session.retains:
            if data and connection is not None and connection.session is session:
                connection.write(data)
            return
        self._store.keep(self._id(session), sent)
        self._note(session)
        if data and connection is not None and connection.session is session:
            self._store.when_stored(partial(connection.write, data, sent.sequence))

    def close(self, session: Session) -> None:
        connection = self._live.get(session.principal.api_key_id)
        if connection is None or connection.session is not session:
            return
        if session.retains:
            connection.closing = True
            self._store.when_stored(connection.close)
        else:
            connection.close()

    def replay(self, session: Session, begin: int, end: int) -> None:
        connection = self._live.get(session.principal.api_key_id)
        if connection is None or len(connection.replays) >= WAITING_REPLAYS:
            return
        connection.replays.append((begin, end))
        connection.replayed.append((begin, end))
        if connection.replaying is None:
            connection.hold()
            connection.replaying = self._spawn(self._replay(connection, session))

    async def _replay(self, connection: Connection, session: Session) -> None:
        identity = self._id(session)
        try:
            while connection.replays:
                begin, end = connection.replays.popleft()
                while begin <= end and not connection.closing:
                    kept = await self._store.read(identity, begin, end, REPLAYED_AT_ONCE)
                    through = end if len(kept) < REPLAYED_AT_ONCE else kept[-1].sequence
                    for data in session.resent(kept, begin, through):
                        connection.write_through(data)
                    await connection.drained()
                    begin = through + 1
        except Exception:
            # What is held counts as replayed; back again, the client asks for all of it.
            logger.exception("messages of a FIX session could not be sent again")
            connection.abort()
        finally:
            connection.replaying = None
            connection.release()

    async def drained(self, session: Session) -> None:
        connection = self._live.get(session.principal.api_key_id)
        if connection is not None and connection.session is session:
            await connection.drained()

    def restarted(self, session: Session) -> None:
        if session.retains:
            self._store.restart(self._id(session))
            self._note(session)

    # --- what is stored --------------------------------------------------------------------------

    def _session(
        self, kind: Kind, comp_id: str, principal: Principal, options: LogonOptions
    ) -> Session:
        return Session(
            kind,
            comp_id,
            principal,
            options,
            self,
            clock=self._wall_ns,
            elapsed=time.monotonic_ns,
            sender=self._sender,
            tolerance_seconds=self.settings.sending_time_tolerance,
        )

    def _id(self, session: Session) -> int:
        place = (session.kind, session.principal.api_key_id)
        found = self._ids.get(place)
        if found is None:
            found = self._ids[place] = self._store.new_id()
        return found

    def _note(self, session: Session, *, soon: bool = True) -> None:
        identity = self._id(session)
        self._store.note(identity, partial(self._row, identity, session), soon=soon)

    def _row(self, identity: int, session: Session) -> StoredSession:
        key_id = session.principal.api_key_id
        return StoredSession(
            identity,
            session.kind.name,
            key_id,
            session.comp_id,
            msgspec.json.encode(asdict(session.options)).decode(),
            session.next_out,
            # What was not worked off when the process ends is asked for again.
            min(session.under_way, default=session.next_in),
            session.purged_through,
            (session.kind, key_id) in self._armed,
        )

    # --- time ------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            state = self._gate.state
            late = time.monotonic() - self.settings.logon_timeout
            for connection in list(self._connections):
                session = connection.session
                if session is None:
                    if connection.opened_at < late:
                        connection.abort()
                    continue
                try:
                    if session.principal.api_key_id not in state.api_keys:
                        session.log_out("the API key was removed")
                    session.tick()
                    connection.tick()
                except Exception:
                    # One session's failure must not stop the time of all.
                    logger.exception("time could not pass for a FIX session")
                    connection.abort()
            self._store.flush()

    async def _keep_clean(self) -> None:
        while True:
            await asyncio.sleep(PURGE_SECONDS)
            try:
                await self._application.clean()
            except Exception as error:
                logger.warning("old executions cannot be dropped: %s", error)
            now_ns = self._wall_ns()
            sessions = {self._id(found): found for found in self.sessions if found.retains}
            limits = [
                (identity, now_ns - session.options.retention_hours * 3600 * NANOS)
                for identity, session in sessions.items()
            ]
            while limits:
                try:
                    dropped = await self._store.purge(limits)
                except Exception as error:
                    logger.warning("old FIX messages cannot be dropped: %s", error)
                    break
                for identity, last in dropped.items():
                    session = sessions[identity]
                    if last < session.next_out:
                        session.purged_through = max(session.purged_through, last)
                # A busy session may have more than one go takes away.
                limits = [limit for limit in limits if limit[0] in dropped]

    def _spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Take leave of everybody, and finish what their leaving asks for."""
        self._stopping = True
        for task in self._running:
            task.cancel()
        for connection in list(self._connections):
            if connection.session is None:
                connection.abort()
            else:
                connection.session.log_out("the exchange is stopping")
        deadline = time.monotonic() + STOP_SECONDS
        while self._connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            for connection in list(self._connections):
                if connection.session is not None:
                    connection.session.tick()
        for connection in list(self._connections):
            connection.abort()
        for _ in range(3):
            # Connections that are aborted are lost in the loop's next turn.
            await asyncio.sleep(0)
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.wait(list(self._tasks))
