"""What can be chosen about the gateways. Plain data, so that they know nothing of ``app``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from augury.gateways.profiles import CURRENT


class TierLimits(NamedTuple):
    """Requests per second of one usage tier."""

    read: int
    write: int


TIERS: Final[Mapping[str, TierLimits]] = MappingProxyType(
    {
        "basic": TierLimits(20, 10),
        "advanced": TierLimits(30, 30),
        "premier": TierLimits(100, 100),
        "prime": TierLimits(400, 400),
    }
)
"""The tiers of February 2026 (rules, section 15)."""

TOKEN_TIERS: Final[Mapping[str, TierLimits]] = MappingProxyType(
    {
        "basic": TierLimits(200, 100),
        "advanced": TierLimits(300, 300),
        "expert": TierLimits(600, 600),
        "premier": TierLimits(1_000, 1_000),
        "paragon": TierLimits(2_000, 2_000),
        "prime": TierLimits(4_000, 4_000),
        "prestige": TierLimits(10_000, 8_000),
    }
)
"""The later tiers, in tokens per second (rules, section 15). A usual request costs ten."""

BASE_PATH: Final = "/trade-api/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """Choices of the REST gateway."""

    profile: str = CURRENT
    """Compatibility profile of requests that name none."""
    rate_limits: bool = True
    rate_limit_model: Literal["requests", "tokens"] = "requests"
    """Requests over a sliding second, or the later buckets of tokens."""
    tiers: Mapping[str, TierLimits] = field(default_factory=lambda: TIERS)
    token_tiers: Mapping[str, TierLimits] = field(default_factory=lambda: TOKEN_TIERS)
    """Members of a tier that is not listed have the limits of ``basic``."""
    signature_window_seconds: int = 30
    """How far a request's timestamp may be from real time, either way."""
    body_limit_bytes: int = 1 << 20
    combos_per_week: int = 5_000
    """How many new combos a member may have listed within seven days."""
    history_wait_seconds: float = 2.0
    """How long a read waits for history to reach what the exchange has already applied."""
    cursor_key: bytes = b"augury"
    """Key of the checksum in pagination cursors. Changing it invalidates cursors in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketSettings:
    """Choices of the WebSocket gateway; the defaults are those of websocket.md, section 1.

    Times are seconds, sizes bytes.
    """

    profile: str = CURRENT
    """Compatibility profile of connections that name none."""
    anonymous: bool = True
    """Whether a handshake without any KALSHI header is let in, for public channels only."""
    public_orderbook: bool = False
    """Whether ``orderbook_delta`` is open to anonymous connections."""
    ticker_v2: bool = True
    """Off mimics the service after it removed the channel: error 8."""
    connections_per_member: int = 200
    connections_per_address: int = 200
    """For anonymous connections, which belong to nobody else that could be counted."""
    ping_interval: float = 10.0
    idle_timeout: float = 30.0
    """A connection that sent no frame for so long, not even a Pong, is closed with 1001."""
    close_timeout: float = 5.0
    """How long the peer may take to answer a Close before the connection is cut."""
    queue_messages: int = 20_000
    queue_bytes: int = 8 * 1024 * 1024
    """What may wait for a slow reader, beyond what the operating system buffers."""
    commands_per_second: int = 10_000
    """Budget of one connection; each market that a command names costs as much as a command."""
    markets_per_connection: int = 500_000
    """Explicitly named markets over all subscriptions of one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixSettings:
    """Choices of the FIX gateway; the defaults are those of fix.md. Times are seconds."""

    sender: Literal["target", "Kalshi"] = "target"
    """SenderCompID of the server's messages: the client's TargetCompID, or the later constant."""
    sending_time_tolerance: int = 120
    """How far SendingTime may be from real time; the later service allows 30."""
    logon_timeout: float = 10.0
    """How long a connection may stay without a Logon."""
    connections: int = 2_000
    """Connections at once over all kinds of sessions."""
    queue_bytes: int = 8 * 1024 * 1024
    """What may wait for a slow reader, beyond what the operating system buffers."""
    messages_under_way: int = 1_000
    """Application messages of one connection that may wait for the exchange at once."""
