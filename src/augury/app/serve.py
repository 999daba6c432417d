"""One server process: everything that runs, wired together, from the first line to the last.

The order matters. Starting: address, log, state, history, sequencer, gateways, world, and only
then does the port answer, so whoever gets an answer gets the whole exchange. Stopping goes the
other way round: no new connections, finish what is under way, close the log, write a snapshot.
A process that is killed instead loses nothing but time: the next start replays the log.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

import uvicorn

from augury import __version__
from augury.app.data_directory import history_path, log_path
from augury.app.fix import FixPart, FixStartError
from augury.app.front import Front
from augury.app.garbage import Collector
from augury.app.health import Health
from augury.app.maintenance import WeeklyMaintenance
from augury.app.metrics import Metrics
from augury.app.recovering import CatchUp, bring_back, open_history
from augury.app.settings import Settings
from augury.app.snapshotter import SnapshotError, Snapshotter, take_snapshot
from augury.app.tls import Certificate, TlsError, certificate
from augury.app.tokens import (
    COMFORTABLE_LENGTH,
    TokenError,
    read_or_create_token,
    readable_by_others,
)
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core import engine as core_engine
from augury.core.engine import Engine
from augury.gateways.auth import Authenticator
from augury.gateways.http import Doorkeeper, HttpLimits, OneWriteProtocol
from augury.gateways.operator.app import operator_app
from augury.gateways.operator.context import Operator, ServerFacts
from augury.gateways.operator.errors import OperatorError
from augury.gateways.operator.outcomes import Outcomes
from augury.gateways.rest.app import RestGateway
from augury.gateways.settings import RestSettings, WebSocketSettings
from augury.gateways.ws.app import WebSocketGateway
from augury.gateways.ws.protocol import WebSocketProtocol
from augury.log.sqlite import SqliteLog
from augury.ports.clock import Clock
from augury.ports.exchange import Unavailable
from augury.ports.log import LogError
from augury.projections.history import History
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries, HistoryUnavailable
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock, VirtualClock
from augury.sequencer.recovery import RecoveryError

if TYPE_CHECKING:
    from augury.app.living import WorldInForce
    from augury.app.world import World

logger = logging.getLogger("augury.server")

BACKLOG: Final = 2048
MOST_OPEN_FILES: Final = 65_536


class StartError(Exception):
    """The server cannot start; the text says why, in words for the operator."""


class Server:
    """A running exchange. ``start``, then ``stop``; between the two ``url`` answers."""

    def __init__(self, settings: Settings, *, own_process: bool = True) -> None:
        """``own_process``: whether garbage collection and the like are this server's to rule."""
        self.settings = settings
        self.url = ""
        self.token = ""
        self.certificate: Certificate | None = None
        self._tls_context: ssl.SSLContext | None = None
        self.world: WorldInForce | None = None
        self._own_process = own_process
        self._closing = contextlib.AsyncExitStack()

    # --- starting ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when the port answers. Raises ``StartError``; nothing is left open then."""
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise

    async def _start(self) -> None:
        settings = self.settings
        self._world_read = self._read_world()
        listening = self._bind()
        try:
            self.fix = FixPart(settings)
        except FixStartError as error:
            raise StartError(str(error)) from None
        self._closing.callback(self.fix.close_ports)
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.token = self._read_token()
            if settings.tls:
                self.certificate = certificate(settings)
                self._tls_context = self.certificate.context()
            self.fix.read_certificate(self.certificate)
            self.log = SqliteLog(log_path(settings.data))
        except (OSError, TlsError, TokenError, LogError) as error:
            raise StartError(str(error)) from None
        # Until the sequencer runs, which then closes the log itself.
        before_sequencer = self._closing.enter_context(contextlib.ExitStack())
        before_sequencer.callback(self.log.close)
        engine = self._recover()
        self.gate = Sequencer(engine, self.log, self._clock(engine))
        await self._start_parts(before_sequencer)
        await self._apply_world()
        await self._keep_maintenance()
        await self._serve(listening)
        if self._own_process:
            _allow_many_connections()
            self._rule_garbage()

    def _read_world(self) -> "World | None":
        """First of all, because mistakes in a world file are the likeliest ones."""
        if not self.settings.world:
            return None
        # Only here: the machinery of worlds is of no use to a server without one.
        from augury.app.world import WorldError, load_world

        try:
            return load_world(self.settings.world)
        except WorldError as error:
            raise StartError(str(error)) from None

    def _bind(self) -> socket.socket:
        """Take the port first: a mistake there should not cost a recovery. It answers later."""
        settings = self.settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        self._closing.callback(listening.close)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((settings.host, settings.port))
        except (OSError, UnicodeError) as error:
            place = f"{settings.host}:{settings.port}"
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"cannot listen on {place}: {reason}") from None
        host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
        self.port: int = listening.getsockname()[1]
        self.url = f"{settings.scheme}://{host}:{self.port}"
        return listening

    @property
    def near_url(self) -> str:
        """Where this machine reaches the server, also when it listens on all addresses."""
        for everywhere, near in (("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):
            if f"//{everywhere}:" in self.url:
                return self.url.replace(everywhere, near)
        return self.url

    def _read_token(self) -> str:
        path = self.settings.token_path
        token = read_or_create_token(path)
        if len(token) < COMFORTABLE_LENGTH:
            if not self.settings.on_this_machine_only:
                raise StartError(
                    f"the token in {path} is too short to be reachable from other machines; "
                    f"use {COMFORTABLE_LENGTH} characters, or remove the file to get a new one"
                )
            logger.warning("the operator's token is short; good enough for this machine only")
        if readable_by_others(path):
            logger.warning("other users of this machine can read %s", path)
        return token

    def _recover(self) -> Engine:
        """Bring the state back from snapshot and log, and history along with it."""
        began = time.perf_counter()
        self.history = self._open_history()
        try:
            engine, self._recovered_from = bring_back(
                self.settings.data,
                self.log,
                self.history,
                verify_log=self.settings.verify_log,
                progress=_ProgressLines(),
            )
        except (LogError, RecoveryError) as error:
            raise StartError(str(error)) from None
        logger.info(
            "recovered",
            extra={
                "sequence": engine.state.sequence,
                "from_snapshot": self._recovered_from,
                "seconds": round(time.perf_counter() - began, 3),
            },
        )
        return engine

    def _open_history(self) -> History:
        settings = self.settings
        url = settings.history_url or f"sqlite:///{history_path(settings.data).absolute()}"
        try:
            history = History(url, catch_up=CatchUp(settings.data))
        except Exception as error:
            # Whatever SQLAlchemy makes of an address that is none.
            raise StartError(f"history cannot be kept at {url!r}: {error}") from None
        self._closing.callback(history.close)
        open_history(history, self.log)
        return history

    def _clock(self, engine: Engine) -> Clock:
        settings, state = self.settings, engine.state
        if settings.clock == "real":
            ahead = (state.time_ns - time.time_ns()) / 1e9
            if ahead > 1:
                logger.warning(
                    "the log ends in the future, where the exchange's time stands still for now",
                    extra={"seconds": round(ahead)},
                )
            return RealClock()
        if state.sequence:
            return VirtualClock(state.time_ns)
        try:
            start = settings.clock_start
            return VirtualClock(parse_rfc3339(start) if start else time.time_ns())
        except ValueError as error:
            raise StartError(f"clock_start: {error}") from None

    async def _start_parts(self, before_sequencer: contextlib.ExitStack) -> None:
        settings, gate, history = self.settings, self.gate, self.history
        self.queries = HistoryQueries(history.database)
        self._closing.callback(self.queries.close)
        statistics = MarketStats()
        # Statistics begin with what history knows, and take in the rest once it has caught up.
        await history.wait_for(gate.state.sequence, 0.0)
        with contextlib.suppress(HistoryUnavailable):
            await statistics.load(self.queries, gate.now_ns())
        outcomes = Outcomes(gate.state.sequence)
        authenticator = Authenticator(gate, window_seconds=settings.signature_window_seconds)
        websocket_settings = WebSocketSettings(
            profile=settings.profile,
            anonymous=settings.websocket_anonymous,
            public_orderbook=settings.websocket_public_orderbook,
            ticker_v2=settings.websocket_ticker_v2,
            connections_per_member=settings.websocket_connections,
            connections_per_address=settings.websocket_connections,
            queue_bytes=settings.websocket_queue_bytes,
            queue_messages=settings.websocket_queue_messages,
            ping_interval=settings.websocket_ping_seconds,
            idle_timeout=settings.websocket_idle_seconds,
            markets_per_connection=settings.websocket_markets,
            commands_per_second=settings.websocket_commands_per_second,
        )
        self.websocket = WebSocketGateway(gate, authenticator, websocket_settings)
        self.metrics = Metrics(gate, lambda: history.position, self.websocket)
        self.health = Health(gate, lambda: history.position)
        self._closing.callback(self.websocket.stop)
        for listener in (
            history.feed,
            statistics.observe,
            outcomes.listen,
            self.metrics.records.listen,
        ):
            gate.listen(listener)
        self.rest = RestGateway(
            gate,
            history,
            self.queries,
            statistics,
            authenticator,
            RestSettings(
                profile=settings.profile,
                rate_limits=settings.rate_limits,
                rate_limit_model=settings.rate_limit_model,
                signature_window_seconds=settings.signature_window_seconds,
            ),
            observe=self._observe_rest,
        )
        try:
            self.fix.prepare(gate, self.log, authenticator, self.rest.limiter, self._closing)
        except FixStartError as error:
            raise StartError(str(error)) from None
        self.metrics.fix_sessions = self.fix.connected
        self.snapshotter = Snapshotter(
            settings.data,
            lambda: gate.state.sequence,
            every_records=settings.snapshot_every_records,
            every_minutes=settings.snapshot_every_minutes,
            start=self._recovered_from,
        )
        operator = Operator(
            gate=gate,
            log=self.log,
            history=history,
            queries=self.queries,
            outcomes=outcomes,
            facts=ServerFacts(
                version=__version__,
                started_ns=time.time_ns(),
                profile=settings.profile,
                rate_limits=settings.rate_limits,
                core=core_kind(),
                fix_ports=self.fix.port_numbers,
                fix_certificate=self._fix_trust(),
            ),
            virtual_time=gate if settings.clock == "virtual" else None,
            take_snapshot=self._snapshot_now,
        )
        self.front = Front(
            rest=self.rest,
            websocket=self.websocket,
            operator=operator_app(operator, self.token),
            health=self.health,
            metrics=self.metrics,
            access_log=settings.access_log,
        )
        history.start()
        await gate.start()
        before_sequencer.pop_all()
        self._closing.push_async_callback(gate.stop)
        if history.position < gate.state.sequence:
            later = statistics.load_later(self.queries, history, gate.state.sequence, gate.now_ns)
            self._spawn(later, "statistics")
        self._spawn(self._housekeeping(), "housekeeping")
        self._spawn(self.snapshotter.run(), "snapshots")

    def _fix_trust(self) -> str:
        """Path of what clients of FIX trust; empty for plain TCP."""
        found = self.fix.certificate
        return "" if found is None else str((found.authority or found.chain).absolute())

    def _observe_rest(self, operation: str, status: int, seconds: float) -> None:
        self.metrics.requests.observe("rest", status, seconds)

    async def _apply_world(self) -> None:
        if self._world_read is None:
            return
        from augury.app.living import WorldInForce

        try:
            self.world = await WorldInForce.apply(self._world_read, self.settings, self.gate)
        except Unavailable as error:
            raise StartError(f"the world cannot be applied: {error}") from None

    async def _keep_maintenance(self) -> None:
        """The windows are there before anybody can ask for them."""
        if not self.settings.maintains:
            return
        keeper = WeeklyMaintenance(self.gate)
        try:
            await keeper.step()
        except Unavailable as error:
            logger.warning("maintenance windows have to wait: %s", error)
        self._spawn(keeper.run(), "maintenance")

    async def _serve(self, listening: socket.socket) -> None:
        settings = self.settings
        doorkeeper = Doorkeeper(
            HttpLimits(
                request_seconds=settings.request_timeout_seconds,
                connections=settings.connections,
                connections_per_address=settings.connections_per_address,
            )
        )
        config = uvicorn.Config(
            self.front,
            # The access log is written by the front, which sees what comes through ASGI.
            http=OneWriteProtocol.of_server(
                doorkeeper, None if settings.access_log else self.rest.answer
            ),
            ws=WebSocketProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            backlog=BACKLOG,
            # Who says that somebody else is calling must be known to say the truth.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=settings.stop_timeout_seconds,
        )
        config.load()
        config.ssl = self._tls_context
        self._uvicorn = _Listener(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        await self._uvicorn.startup([listening])
        self._closing.push_async_callback(self._stop_listening, listening)
        self._spawn(self._uvicorn.main_loop(), "listener")
        self._spawn(doorkeeper.watch(), "doorkeeper")
        await self.fix.start()
        self._closing.push_async_callback(self.fix.stop)
        if settings.lives and self.world is not None:
            authority = self.certificate.authority if self.certificate else None
            await self.world.live(self.gate, self.near_url, authority, self._closing, self._spawn)

    async def _stop_listening(self, listening: socket.socket) -> None:
        self._uvicorn.should_exit = True
        await self._uvicorn.shutdown([listening])

    def _rule_garbage(self) -> None:
        def note(seconds: float) -> None:
            self.metrics.garbage_pause_seconds = max(self.metrics.garbage_pause_seconds, seconds)

        collector = Collector(lambda: self.gate.state.sequence, note)
        collector.take_over()
        self._spawn(collector.run(), "garbage")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_tell_of_failure)
        self._closing.push_async_callback(_cancel, task)

    async def _housekeeping(self) -> None:
        while True:
            self.health.sample()
            await asyncio.sleep(1.0)

    async def _snapshot_now(self) -> tuple[int, str]:
        try:
            return await self.snapshotter.take()
        except SnapshotError as error:
            raise OperatorError(500, "snapshot_failed", str(error)) from None

    # --- stopping ----------------------------------------------------------------------------

    async def stop(self) -> None:
        """Finish what is under way, close everything, and leave a snapshot for the next start."""
        logger.info("stopping")
        await self._closing.aclose()
        sequence = self.gate.state.sequence
        if self.settings.snapshot_every_records or self.settings.snapshot_every_minutes:
            if sequence > self.snapshotter.newest:
                await asyncio.to_thread(self._final_snapshot)
        logger.info("stopped", extra={"sequence": sequence})

    def _final_snapshot(self) -> None:
        try:
            take_snapshot(self.settings.data)
        except (LogError, RecoveryError, OSError) as error:
            logger.error("no snapshot was taken: %s; the next start replays the log", error)


class _Listener(uvicorn.Server):
    """uvicorn's server without its signal handling: ``run`` below owns the signals."""


class _ProgressLines:
    """Says every few seconds how far a long recovery is."""

    def __init__(self, every_seconds: float = 2.0) -> None:
        self._every_seconds = every_seconds
        self._next = time.monotonic() + every_seconds

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next and done < total:
            self._next = now + self._every_seconds
            logger.info("recovering", extra={"records": done, "of": total})


def _tell_of_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error(
            "a part of the server has ended",
            extra={"part": task.get_name()},
            exc_info=task.exception(),
        )


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def _allow_many_connections() -> None:
    """Every stream is an open file, and the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def core_kind() -> str:
    return "interpreted" if str(core_engine.__file__).endswith(".py") else "compiled"


# --- the process -----------------------------------------------------------------------------


async def serve_until_signalled(settings: Settings, announce: Callable[[Server], None]) -> None:
    """Run a server until SIGTERM or SIGINT. A second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    server = Server(settings)
    await server.start()
    stopped = asyncio.Event()

    def on_signal() -> None:
        if stopped.is_set():
            # Nothing is lost: everything that was acknowledged is in the log.
            logger.warning("stopped at once")
            os._exit(130)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    announce(server)
    logger.info(
        "serving",
        extra={
            "url": server.url,
            "version": __version__,
            "core": core_kind(),
            "sequence": server.gate.state.sequence,
            "exchange_time": rfc3339(server.gate.now_ns()),
        },
    )
    await stopped.wait()
    await server.stop()


def run(settings: Settings, announce: Callable[[Server], None]) -> int:
    """The whole life of a server process; returns its exit code."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve_until_signalled(settings, announce))
        except StartError as error:
            logger.error("the server cannot start: %s", error)
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0
