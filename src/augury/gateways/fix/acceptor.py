"""The ports: one for each kind of session, with TLS unless plain TCP is asked for."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Final

from augury.gateways.fix.connection import Connection
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.gateway import FixGateway

BACKLOG: Final = 512
HANDSHAKE_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 2.0
IN_ORDER: Final = tuple(sorted(Kind, key=lambda kind: kind.port_offset))
ATTEMPTS: Final = 100


class PortsTaken(Exception):
    """Not all ports are free; the text names the one that is not."""


def take_ports(host: str, base: int) -> dict[Kind, socket.socket]:
    """A bound socket for each kind: five ports in a row from ``base`` on, or, when that is 0,
    somewhere free. Raises ``PortsTaken``; nothing stays open then."""
    if base:
        return _take(host, base)
    for _ in range(ATTEMPTS):
        with contextlib.suppress(PortsTaken), _bound(host, 0) as probe:
            first: int = probe.getsockname()[1]
            if first + len(IN_ORDER) <= 65_535:
                probe.close()
                return _take(host, first)
    raise PortsTaken(f"there are no five free ports in a row on {host}")


def _take(host: str, base: int) -> dict[Kind, socket.socket]:
    with contextlib.ExitStack() as stack:
        found = {
            kind: stack.enter_context(_bound(host, base + kind.port_offset)) for kind in IN_ORDER
        }
        stack.pop_all()
    return found


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
    )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Two sockets may be bound to a port that nobody listens on, and one of them fails later.
        listening.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise PortsTaken(f"cannot listen on {host}:{port}: {reason}") from None
    return listening


class Acceptor:
    """Lets clients in. ``start``, and ``stop`` to let in nobody any more."""

    def __init__(
        self,
        gateway: FixGateway,
        ports: Mapping[Kind, socket.socket],
        context: ssl.SSLContext | None,
    ) -> None:
        self._gateway = gateway
        self._ports = ports
        self._context = context
        self._servers: list[asyncio.Server] = []
        self.port_numbers = {
            kind.comp_id: int(listening.getsockname()[1]) for kind, listening in ports.items()
        }
        """By TargetCompID."""

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for kind, listening in self._ports.items():
            server = await loop.create_server(
                partial(Connection, self._gateway, kind),
                sock=listening,
                backlog=BACKLOG,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._context else None,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS if self._context else None,
            )
            self._servers.append(server)

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
