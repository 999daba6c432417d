"""Limits per account over a sliding second (rules, section 15)."""

from augury.gateways.rate_limits import (
    READ_BUCKET,
    REQUEST,
    TOKEN,
    WRITE_BUCKET,
    RateLimiter,
    TokenLimiter,
)
from augury.gateways.settings import TierLimits


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_second_slides() -> None:
    watch = Watch()
    limiter = RateLimiter(clock=watch)
    for step in range(10):
        watch.now = 100 + step / 100
        assert limiter.take(1, "basic", WRITE_BUCKET)
    assert not limiter.take(1, "basic", WRITE_BUCKET)
    watch.now = 100.999
    assert not limiter.take(1, "basic", WRITE_BUCKET)
    watch.now = 101.0
    assert limiter.take(1, "basic", WRITE_BUCKET)
    assert not limiter.take(1, "basic", WRITE_BUCKET)


def test_accounts_and_buckets_are_apart() -> None:
    limiter = RateLimiter({"basic": TierLimits(1, 1)}, clock=Watch())
    assert limiter.take(1, "basic", READ_BUCKET)
    assert limiter.take(1, "basic", WRITE_BUCKET)
    assert limiter.take(2, "basic", WRITE_BUCKET)
    assert limiter.take(("address", "127.0.0.1"), "basic", READ_BUCKET)
    assert not limiter.take(1, "basic", READ_BUCKET)


def test_a_batch_counts_its_items_or_nothing() -> None:
    limiter = RateLimiter(clock=Watch())
    assert limiter.take(1, "basic", WRITE_BUCKET, 8 * REQUEST)
    assert not limiter.take(1, "basic", WRITE_BUCKET, 3 * REQUEST)
    assert limiter.take(1, "basic", WRITE_BUCKET, 2 * REQUEST)


def test_a_batched_cancel_costs_a_fifth() -> None:
    limiter = RateLimiter(clock=Watch())
    fifth = REQUEST // 5
    assert limiter.take(1, "basic", WRITE_BUCKET, 20 * fifth)
    assert limiter.take(1, "basic", WRITE_BUCKET, 20 * fifth)
    assert limiter.take(1, "basic", WRITE_BUCKET, 10 * fifth)
    assert not limiter.take(1, "basic", WRITE_BUCKET, fifth)


def test_a_higher_tier_is_felt_at_once_and_an_unknown_one_is_the_lowest() -> None:
    limiter = RateLimiter(clock=Watch())
    assert limiter.limits("prime") == (400, 400)
    assert limiter.limits("nobility") == (20, 10)
    assert limiter.take(1, "basic", WRITE_BUCKET, 10 * REQUEST)
    assert not limiter.take(1, "basic", WRITE_BUCKET)
    assert limiter.take(1, "advanced", WRITE_BUCKET, 20 * REQUEST)


def test_addresses_that_come_and_go_are_forgotten() -> None:
    watch = Watch()
    limiter = RateLimiter(clock=watch)
    for number in range(20_000):
        watch.now += 0.001
        assert limiter.take(("address", str(number)), "basic", READ_BUCKET)
    assert len(limiter._windows) < 10_000


def test_switched_off_everything_is_allowed() -> None:
    limiter = RateLimiter(enabled=False)
    assert all(limiter.take(1, "basic", WRITE_BUCKET, 20 * REQUEST) for _ in range(1000))


# --- tokens ----------------------------------------------------------------------------------


def test_tokens_come_back_without_pause() -> None:
    watch = Watch()
    limiter = TokenLimiter(clock=watch)
    for _ in range(10):
        assert limiter.take(1, "basic", WRITE_BUCKET)
    assert not limiter.take(1, "basic", WRITE_BUCKET, 2 * TOKEN)
    watch.now += 0.021
    assert limiter.take(1, "basic", WRITE_BUCKET, 2 * TOKEN)
    assert not limiter.take(1, "basic", WRITE_BUCKET, TOKEN)
    watch.now += 3600
    # Never more than the bucket holds.
    for _ in range(10):
        assert limiter.take(1, "basic", WRITE_BUCKET)
    assert not limiter.take(1, "basic", WRITE_BUCKET, TOKEN)


def test_some_buckets_hold_two_seconds() -> None:
    limiter = TokenLimiter(clock=Watch())
    sizes = {tier: limiter.buckets(tier) for tier in ("basic", "advanced", "premier", "unheard of")}
    assert sizes == {
        "basic": ((200, 400), (100, 100)),
        "advanced": ((300, 600), (300, 600)),
        "premier": ((1000, 1000), (1000, 2000)),
        "unheard of": ((200, 400), (100, 100)),
    }
    assert sum(limiter.take(2, "basic", READ_BUCKET) for _ in range(50)) == 40
    assert limiter.limits("premier") == TierLimits(100, 100)
