"""How often somebody may ask (rules, section 15).

Owns the counting over a sliding second, per account and bucket; unauthenticated callers are
counted per address. Costs are in thousandths of a request, because a batched cancel costs a
fifth of one. A refused request costs nothing.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from augury.gateways.settings import TIERS, TierLimits

READ_BUCKET: Final = "read"
WRITE_BUCKET: Final = "write"

REQUEST: Final = 1000
"""The cost of one ordinary request."""

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
