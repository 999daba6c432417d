"""What can be chosen about the gateways. Plain data, so that they know nothing of ``app``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

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

BASE_PATH: Final = "/trade-api/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """Choices of the REST gateway."""

    profile: str = CURRENT
    """Compatibility profile of requests that name none."""
    rate_limits: bool = True
    tiers: Mapping[str, TierLimits] = field(default_factory=lambda: TIERS)
    """Members of a tier that is not listed have the limits of ``basic``."""
    signature_window_seconds: int = 30
    """How far a request's timestamp may be from real time, either way."""
    body_limit_bytes: int = 1 << 20
    history_wait_seconds: float = 2.0
    """How long a read waits for history to reach what the exchange has already applied."""
    cursor_key: bytes = b"augury"
    """Key of the checksum in pagination cursors. Changing it invalidates cursors in use."""
