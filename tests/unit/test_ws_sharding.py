"""Shards: the published hashes, an even share each, and few moves when connections are added."""

import pytest

from augury.gateways.ws.sharding import Shard, fnv1a, jump_hash, shard_of

TICKERS = [f"KXRAIN-26MAR{day:02d}-T{strike}" for day in range(1, 31) for strike in range(100)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", 0xCBF29CE484222325),
        ("a", 0xAF63DC4C8601EC8C),
        ("foobar", 0x85944171F73967E8),
    ],
)
def test_fnv1a_is_the_published_one(text: str, expected: int) -> None:
    assert fnv1a(text.encode()) == expected


@pytest.mark.parametrize(
    "key, buckets, expected",
    [(1, 1, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520)],
)
def test_jump_hash_is_the_published_one(key: int, buckets: int, expected: int) -> None:
    assert jump_hash(key, buckets) == expected


def test_every_market_has_exactly_one_shard_and_every_shard_its_share() -> None:
    shards = [Shard(4, key) for key in range(4)]
    counts = [sum(shard.holds(ticker) for ticker in TICKERS) for shard in shards]
    assert sum(counts) == len(TICKERS)
    assert all(600 < count < 900 for count in counts), counts
    assert all(Shard(1, 0).holds(ticker) for ticker in TICKERS)


def test_a_further_shard_takes_markets_and_moves_none_between_the_others() -> None:
    moved = [t for t in TICKERS if shard_of(t, 4) != shard_of(t, 5)]
    assert {shard_of(ticker, 5) for ticker in moved} == {4}
    assert 450 < len(moved) < 750, len(moved)
