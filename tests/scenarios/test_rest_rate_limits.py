"""Who has used up a limit is told so by every operation of the table, in both ways of counting.

The limiters are the real ones, with a watch that only moves when a test says so: what is left of a
limit stays left, however slow the machine is.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from augury.gateways.rate_limits import (
    READ_BUCKET,
    REQUEST,
    TOKEN,
    WRITE_BUCKET,
    RateLimiter,
    TokenLimiter,
)
from augury.gateways.rest.operations import BUILT, PUBLIC, Operation
from augury.gateways.rest.reference import examples
from augury.gateways.settings import RestSettings
from tests.rest_harness import Caller, RestExchange, running

ADDRESS: Final = ("address", "127.0.0.1")
TIER: Final = "basic"
REFUSAL: Final = {
    "code": "too_many_requests",
    "message": "too many requests",
    "details": "",
    "service": "augury",
}

BATCH_ITEM: Final = {
    "BatchCreateOrders": REQUEST,
    "BatchCreateOrdersV2": REQUEST,
    "BatchCancelOrders": REQUEST // 5,
    "BatchCancelOrdersV2": REQUEST // 5,
}
"""What one item of a batch costs; batches are charged by what is in them."""


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counter:
    """An exchange that counts in one of the two ways."""

    def __init__(self, exchange: RestExchange, limiter: RateLimiter, watch: Watch) -> None:
        self.exchange = exchange
        self.limiter = limiter
        self.watch = watch
        self.in_tokens = isinstance(limiter, TokenLimiter)
        self.caller = exchange.member("caller", tier=TIER)

    def bucket(self, operation: Operation) -> str:
        return operation.token_bucket if self.in_tokens else operation.bucket

    def cost(self, operation: Operation) -> int:
        """Of the operation's example."""
        if operation.id in BATCH_ITEM:
            body: Any = examples()[operation.id].body
            return BATCH_ITEM[operation.id] * len(body.get("orders") or body["ids"])
        return operation.tokens * TOKEN if self.in_tokens else operation.cost

    def leave(self, who: object, bucket: str, left: int) -> None:
        """Use up a fresh limit but for ``left``."""
        self.watch.now += 100
        size = self.limiter.buckets(TIER)[bucket == WRITE_BUCKET]
        used = size.capacity * (TOKEN if self.in_tokens else REQUEST) - left
        assert self.take(who, bucket, used)

    def take(self, who: object, bucket: str, cost: int) -> bool:
        async def take() -> bool:
            return self.limiter.take(who, TIER, bucket, cost)

        return self.exchange.call(take())


@pytest.fixture(scope="module", params=["requests", "tokens"])
def counter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counter]:
    watch = Watch()
    limiter = TokenLimiter(clock=watch) if request.param == "tokens" else RateLimiter(clock=watch)
    settings = RestSettings(rate_limit_model=request.param)
    with running(tmp_path_factory.mktemp("limits"), settings, limiter=limiter) as exchange:
        yield Counter(exchange, limiter, watch)


def ask(caller: Caller, operation: Operation, place: tuple[str, str]) -> Any:
    """The operation's example, by one of the operation's methods and paths."""
    example = examples()[operation.id]
    method, path = place
    return caller.send(method, path.format(**example.path), example.body, params=example.query)


def places(operation: Operation) -> list[tuple[str, str]]:
    """All methods and paths under which the operation is known."""
    return [(operation.method, operation.path), *operation.aliases]


def check_refusal(response: Any) -> None:
    assert response.status_code == 429, response.text
    assert response.json() == {**REFUSAL, "error": REFUSAL}


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_a_member_whose_limit_is_used_up(counter: Counter, operation: Operation) -> None:
    before = counter.exchange.state.sequence
    for place in places(operation):
        counter.leave(counter.caller.member_id, counter.bucket(operation), 0)
        check_refusal(ask(counter.caller, operation, place))
    assert counter.exchange.state.sequence == before, "a refused request reaches no log"


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_what_it_costs_is_enough_and_less_is_not(counter: Counter, operation: Operation) -> None:
    cost, bucket = counter.cost(operation), counter.bucket(operation)
    place = places(operation)[0]
    counter.leave(counter.caller.member_id, bucket, cost - 1)
    check_refusal(ask(counter.caller, operation, place))
    counter.leave(counter.caller.member_id, bucket, cost)
    assert ask(counter.caller, operation, place).status_code not in (429, 500, 503)
    assert not counter.take(counter.caller.member_id, bucket, 1), "it was paid in full"
    # Neither the other bucket nor that of strangers is asked.
    counter.leave(ADDRESS, READ_BUCKET, 0)
    other = READ_BUCKET if bucket == WRITE_BUCKET else WRITE_BUCKET
    counter.leave(counter.caller.member_id, other, 0)
    assert ask(counter.caller, operation, place).status_code not in (429, 500, 503)


@pytest.mark.parametrize("operation", BUILT, ids=lambda operation: operation.id)
def test_an_address_whose_limit_is_used_up(counter: Counter, operation: Operation) -> None:
    """Also for what needs a key: guessing keys is limited by that."""
    stranger = counter.exchange.stranger()
    counter.leave(ADDRESS, READ_BUCKET, REQUEST)
    allowed = ask(stranger, operation, places(operation)[0])
    if operation.scope != PUBLIC:
        assert (allowed.status_code, allowed.json()["code"]) == (401, "unauthorized")
    assert allowed.status_code != 429
    check_refusal(ask(stranger, operation, places(operation)[0]))


def test_the_later_profile_says_it_without_the_service(counter: Counter) -> None:
    counter.leave(counter.caller.member_id, READ_BUCKET, 0)
    headers = {"KALSHI-API-PROFILE": "latest"}
    response = counter.caller.send("GET", "/portfolio/balance", headers=headers)
    assert response.status_code == 429
    refusal = {name: text for name, text in REFUSAL.items() if name != "service"}
    assert response.json() == {**refusal, "error": refusal}
