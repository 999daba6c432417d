"""How often somebody may ask (rules, section 15).

Owns the counting per account and bucket, over a sliding second or, as the service does it later,
in tokens that are refilled without pause; unauthenticated callers are counted per address. Costs
are in thousandths of a request, because a batched cancel costs a fifth of one. A refused request
costs nothing.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Final, NamedTuple

from augury.gateways.settings import TIERS, TOKEN_TIERS, TierLimits

READ_BUCKET: Final = "read"
WRITE_BUCKET: Final = "write"

REQUEST: Final = 1000
"""The cost of one ordinary request."""

TOKENS_PER_REQUEST: Final = 10
TOKEN: Final = REQUEST // TOKENS_PER_REQUEST

WINDOW_SECONDS: Final = 1.0
_SWEEP_ABOVE: Final = 4096


class _Window:
    """What one caller has used of one bucket within the last second."""

    __slots__ = ("entries", "used")

    def __init__(self) -> None:
        self.entries: deque[tuple[float, int]] = deque()
        self.used = 0

    def forget(self, before: float) -> None:
        entries = self.entries
        while entries and entries[0][0] <= before:
            self.used -= entries.popleft()[1]


class BucketSize(NamedTuple):
    """What comes in per second, and how much there can be at most."""

    refill_rate: int
    capacity: int


class RateLimiter:
    """Counts requests by caller. Time is that of the machine, never the exchange's clock."""

    def __init__(
        self,
        tiers: Mapping[str, TierLimits] = TIERS,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tiers = tiers
        self._lowest = tiers.get("basic") or TIERS["basic"]
        self._enabled = enabled
        self._clock = clock
        self._windows: dict[tuple[str, Hashable], _Window] = {}
        self._sweep_above = _SWEEP_ABOVE

    def limits(self, tier: str) -> TierLimits:
        """Requests per second of ``tier``; an unknown tier has the lowest."""
        return self._tiers.get(tier, self._lowest)

    def buckets(self, tier: str) -> tuple[BucketSize, BucketSize]:
        """The limits of ``tier`` as buckets: for reading, for writing."""
        read, write = self.limits(tier)
        return BucketSize(read, read), BucketSize(write, write)

    def take(self, caller: Hashable, tier: str, bucket: str, cost: int = REQUEST) -> bool:
        """Count ``cost`` against the caller's bucket; False, and nothing counted, when full."""
        if not self._enabled:
            return True
        limits = self.limits(tier)
        limit = (limits.write if bucket == WRITE_BUCKET else limits.read) * REQUEST
        now = self._clock()
        window = self._windows.get((bucket, caller))
        if window is None:
            if len(self._windows) >= self._sweep_above:
                self._sweep(now)
            window = self._windows[(bucket, caller)] = _Window()
        window.forget(now - WINDOW_SECONDS)
        if window.used + cost > limit:
            return False
        window.entries.append((now, cost))
        window.used += cost
        return True

    def _sweep(self, now: float) -> None:
        """Forget callers who were idle, so that addresses that come and go cost no memory."""
        for key, window in list(self._windows.items()):
            window.forget(now - WINDOW_SECONDS)
            if not window.entries:
                del self._windows[key]
        # Should all of them be busy, sweeping again for each newcomer would be the attack.
        self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._windows))


class _TokenBucket:
    """What is left in one bucket, in thousandths of a request, at some time."""

    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at


class TokenLimiter(RateLimiter):
    """Buckets of tokens that are refilled without pause.

    A bucket holds one second's budget; two seconds' for writing above the lowest tier, and for
    reading in the two lowest ones.
    """

    def __init__(
        self,
        tiers: Mapping[str, TierLimits] = TOKEN_TIERS,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(tiers, enabled=enabled, clock=clock)
        self._lowest = tiers.get("basic") or TOKEN_TIERS["basic"]
        self._buckets: dict[tuple[str, Hashable], _TokenBucket] = {}

    def limits(self, tier: str) -> TierLimits:
        """Usual requests per second."""
        read, write = self._tiers.get(tier, self._lowest)
        return TierLimits(read // TOKENS_PER_REQUEST, write // TOKENS_PER_REQUEST)

    def buckets(self, tier: str) -> tuple[BucketSize, BucketSize]:
        """In tokens."""
        limits = self._tiers.get(tier)
        if limits is None:
            tier, limits = "basic", self._lowest
        read, write = limits
        return (
            BucketSize(read, 2 * read if tier in ("basic", "advanced") else read),
            BucketSize(write, write if tier == "basic" else 2 * write),
        )

    def take(self, caller: Hashable, tier: str, bucket: str, cost: int = REQUEST) -> bool:
        if not self._enabled:
            return True
        size = self.buckets(tier)[bucket == WRITE_BUCKET]
        capacity = size.capacity * TOKEN
        now = self._clock()
        found = self._buckets.get((bucket, caller))
        if found is None:
            if len(self._buckets) >= self._sweep_above:
                self._forget_full(now)
            found = self._buckets[(bucket, caller)] = _TokenBucket(capacity, now)
        found.left = min(capacity, found.left + (now - found.at) * size.refill_rate * TOKEN)
        found.at = now
        if found.left < cost:
            return False
        found.left -= cost
        return True

    def _forget_full(self, now: float) -> None:
        """Forget callers who were idle long enough for any bucket to be full again."""
        for key, bucket in list(self._buckets.items()):
            if now - bucket.at > 2 * WINDOW_SECONDS:
                del self._buckets[key]
        self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._buckets))
