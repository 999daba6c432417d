"""The FIX gateway as a part of the server: ports, certificate, store, and catching up.

On by default. Because it is, ports of the default range that are taken cost FIX and a line of
warning, not the start; ports that were asked for are another matter.
"""

import contextlib
import logging
import socket
import ssl
from pathlib import Path
from typing import Final

from augury.app.data_directory import fix_store_path, log_path, snapshots_path
from augury.app.settings import Settings
from augury.app.tls import Certificate, TlsError, certificate
from augury.gateways.auth import Authenticator
from augury.gateways.fix.acceptor import Acceptor, PortsTaken, take_ports
from augury.gateways.fix.desk import Desk
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.gateway import FixGateway
from augury.gateways.fix.registry import Sessions
from augury.gateways.fix.store import FixStore, StoreError
from augury.gateways.rate_limits import RateLimiter
from augury.gateways.settings import FixSettings
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.exchange import ExchangeGate
from augury.ports.log import Log, LogError
from augury.sequencer.recovery import RecoveryError, recover

logger = logging.getLogger("augury.server")

FIRST_PORT: Final = 8228


class FixStartError(Exception):
    """FIX cannot start, and was asked for in a way that this stops the server."""


class FixPart:
    """FIX in a server. Ports are taken at once; ``prepare``, then ``start``, then ``stop``."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``FixStartError``."""
        self._settings = settings
        self.ports: dict[Kind, socket.socket] = {}
        self.certificate: Certificate | None = None
        self.warning = ""
        """Why there is no FIX though it is on."""
        self._context: ssl.SSLContext | None = None
        self.sessions = Sessions()
        if not settings.fix:
            return
        base = FIRST_PORT if settings.fix_port is None else settings.fix_port
        try:
            self.ports = take_ports(settings.host, base)
        except PortsTaken as problem:
            if settings.fix_port is not None:
                raise FixStartError(f"FIX: {problem}") from None
            self.warning = (
                f"FIX is not served: {problem}; choose other ports with --fix-port, or --no-fix"
            )
            logger.warning(self.warning)

    @property
    def is_on(self) -> bool:
        return bool(self.ports)

    def connected(self) -> int:
        """Sessions with a client logged on."""
        return self.gateway.connected_sessions if self.is_on else 0

    @property
    def port_numbers(self) -> dict[str, int]:
        """By TargetCompID; empty without FIX."""
        return {kind.comp_id: int(port.getsockname()[1]) for kind, port in self._open_ports()}

    def _open_ports(self) -> list[tuple[Kind, socket.socket]]:
        return [(kind, port) for kind, port in self.ports.items() if port.fileno() >= 0]

    def read_certificate(self, of_https: Certificate | None) -> None:
        """Raises ``TlsError``. The certificate given for FIX, or that of HTTPS, or an own one."""
        settings = self._settings
        if not self.is_on or settings.fix_plain:
            return
        if settings.fix_certificate is not None and settings.fix_key is not None:
            found = Certificate(settings.fix_certificate, settings.fix_key, None)
        else:
            found = of_https or certificate(settings)
        self.certificate = found
        self._context = found.context(protocol=None)

    def prepare(
        self,
        gate: ExchangeGate,
        log: Log,
        authenticator: Authenticator,
        limiter: RateLimiter,
        closing: contextlib.AsyncExitStack,
    ) -> None:
        """Open the store and bring it to the end of the log; from then on follow the gate.

        Raises ``FixStartError``.
        """
        if not self.is_on:
            return
        store = FixStore(fix_store_path(self._settings.data))
        try:
            stored = store.open()
            if not _belongs_to(store, log):
                logger.warning("the store of FIX tells of another past than the log; it is emptied")
                store.forget_everything()
                stored = []
        except (StoreError, LogError) as problem:
            raise FixStartError(f"FIX: {problem}") from None
        closing.push_async_callback(store.close)
        self.gateway = FixGateway(
            gate,
            authenticator,
            limiter,
            store,
            self.sessions,
            Desk(gate, self.sessions, store, self._settings.profile),
            FixSettings(
                sender=self._settings.fix_sender,
                sending_time_tolerance=self._settings.fix_sending_time_tolerance,
            ),
        )
        self.gateway.restore(stored, gate.state)
        if store.position < gate.state.sequence:
            if self.gateway.wants_every_record:
                self._catch_up(store.position)
            store.advance(gate.state.sequence, gate.state.time_ns)
        gate.listen(self.gateway.feed)
        self._acceptor = Acceptor(self.gateway, self.ports, self._context)

    def _catch_up(self, position: int) -> None:
        """Read again what the last process did not come to report."""
        data = self._settings.data
        try:
            with contextlib.closing(SqliteLog(log_path(data), read_only=True)) as log:
                snapshots = DirectorySnapshots(snapshots_path(data))
                engine, records = recover(log, snapshots, position, verify_all=False)
                for applied in records:
                    if applied.sequence > position:
                        self.gateway.catch_up(applied, engine.state)
        except (LogError, RecoveryError) as problem:
            raise FixStartError(f"FIX: {problem}") from None

    async def start(self) -> None:
        """Let clients in."""
        if self.is_on:
            await self.gateway.start()
            await self._acceptor.start()

    async def stop(self) -> None:
        """Let nobody in any more, and take leave of those who are."""
        if self.is_on:
            await self._acceptor.stop()
            await self.gateway.stop()

    def lines(self) -> list[str]:
        """What whoever starts the server should know."""
        if not self.is_on:
            return []
        host = self._settings.host
        ports = ", ".join(f"{name} {number}" for name, number in self.port_numbers.items())
        manner = "plain TCP" if self.certificate is None else f"TLS, {self._trust()}"
        return [f"FIX on {host}: {ports} ({manner})"]

    def _trust(self) -> Path | str:
        assert self.certificate is not None
        if self.certificate.authority is not None:
            return f"clients trust {self.certificate.authority}"
        return f"certificate {self.certificate.chain}"

    def close_ports(self) -> None:
        for port in self.ports.values():
            port.close()


def _belongs_to(store: FixStore, log: Log) -> bool:
    """Whether the stored position is a record of this log, by its time.

    After a restore from a backup the store may be ahead of the log or tell of another past.
    """
    position = store.position
    if position == 0:
        return True
    if position > log.last_sequence:
        return False
    record = next(iter(log.read(position - 1)), None)
    return record is not None and record.time_ns == store.time_ns


__all__ = ["FIRST_PORT", "FixPart", "FixStartError", "TlsError"]
