"""How several connections share the messages of a channel by market (websocket.md, section 12).

A market belongs to one of ``factor`` shards: FNV-1a (64 bits) of its ticker, then jump consistent
hashing, so that a change of the factor moves as few markets as possible. Clients that compute the
same know which connection will tell them of a market.
"""

from functools import lru_cache
from typing import Final, NamedTuple

LARGEST_FACTOR: Final = 100

_OFFSET: Final = 0xCBF2_9CE4_8422_2325
_PRIME: Final = 0x0000_0100_0000_01B3
_STEP: Final = 2_862_933_555_777_941_757
_MASK: Final = (1 << 64) - 1


class Shard(NamedTuple):
    """One of ``factor`` shards, numbered from 0."""

    factor: int
    key: int

    def holds(self, market_ticker: str) -> bool:
        return shard_of(market_ticker, self.factor) == self.key


@lru_cache(maxsize=65_536)
def shard_of(market_ticker: str, factor: int) -> int:
    """The shard of a market, 0 to ``factor`` - 1."""
    return jump_hash(fnv1a(market_ticker.encode()), factor)


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash."""
    found = _OFFSET
    for byte in data:
        found = (found ^ byte) * _PRIME & _MASK
    return found


def jump_hash(key: int, buckets: int) -> int:
    """The bucket of a 64-bit key by Lamping and Veach's jump consistent hash."""
    bucket, jump = -1, 0
    while jump < buckets:
        bucket = jump
        key = (key * _STEP + 1) & _MASK
        # In floating point, as published: other implementations round in the same places.
        jump = int((bucket + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return bucket
