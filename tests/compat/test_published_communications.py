"""Requests for quotes with the clients 3.2.0 that people have installed: every method they have.

Their models know the accepted side as ``'true'`` or ``'false'``, both in what they send and in
what they take.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.published_clients import ASYNC, SYNC, load, published_client
from tests.rest_harness import RAIN, RAIN_MORE, SECOND, RestExchange, running


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    directory: Path = tmp_path_factory.mktemp("published_communications")
    with running(directory) as exchange:
        yield exchange


@pytest.fixture(params=[SYNC, ASYNC])
def package(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    load(name)
    return name


@pytest.fixture
def parties(
    exchange: RestExchange, package: str, request: pytest.FixtureRequest
) -> Iterator[tuple[Any, Any]]:
    """A requester's and a maker's client."""
    story = request.node.name
    asker, maker = (exchange.member(f"{name}-{story}") for name in ("asker", "maker"))
    with published_client(package, asker) as one, published_client(package, maker) as other:
        yield one, other


def test_a_request_lives_through_every_method(
    exchange: RestExchange, parties: tuple[Any, Any], package: str
) -> None:
    asker, maker = parties
    errors = load(package)
    own_id = asker.get_communications_id().communications_id
    assert own_id != maker.get_communications_id().communications_id

    rfq_id = asker.create_rfq(market_ticker=RAIN, contracts=10, rest_remainder=False).id
    with pytest.raises(errors.ConflictException):
        asker.create_rfq(market_ticker=RAIN, contracts=5, rest_remainder=False)
    request = maker.get_rfq(rfq_id).rfq
    assert (request.contracts, request.creator_id, request.status) == (10, "", "open")
    assert [rfq.id for rfq in maker.get_rfqs(market_ticker=RAIN, status="open").rfqs] == [rfq_id]

    first = maker.create_quote(
        rfq_id=rfq_id, yes_bid="0.4000", no_bid="0.5500", rest_remainder=True
    ).id
    maker.delete_quote(first)
    assert maker.get_quote(first).quote.cancellation_reason == "user_deleted"
    quote_id = maker.create_quote(
        rfq_id=rfq_id, yes_bid="0.4100", no_bid="0.0000", rest_remainder=True
    ).id
    page = asker.get_quotes(rfq_id=rfq_id, limit=1)
    assert [quote.id for quote in page.quotes] == [quote_id]
    page = asker.get_quotes(rfq_id=rfq_id, limit=1, cursor=page.cursor)
    assert ([quote.id for quote in page.quotes], page.cursor) == ([first], "")

    asker.accept_quote(quote_id, accepted_side="true")
    assert maker.get_quote(quote_id).quote.accepted_side == "true"
    maker.confirm_quote(quote_id, {})
    exchange.advance(15 * SECOND)
    executed = maker.get_quote(quote_id).quote
    assert (executed.status, executed.rfq_creator_id) == ("executed", own_id)
    assert maker.get_order(executed.creator_order_id).order.fill_count == 10
    assert asker.get_rfq(rfq_id).rfq.cancellation_reason == "executed"
    assert [p.position for p in asker.get_positions(ticker=RAIN).market_positions] == [-10]


def test_a_request_by_cost_is_replaced_and_taken_back(
    parties: tuple[Any, Any], package: str
) -> None:
    asker, maker = parties
    errors = load(package)
    wanted = {"market_ticker": RAIN_MORE, "target_cost_centi_cents": 100_000}
    first = asker.create_rfq(**wanted, rest_remainder=True).id
    second = asker.create_rfq(**wanted, rest_remainder=True, replace_existing=True).id
    request = asker.get_rfq(second).rfq
    assert (request.contracts, request.target_cost_centi_cents) == (0, 100_000)
    assert asker.get_rfq(first).rfq.cancellation_reason == "replaced"
    quote_id = maker.create_quote(
        rfq_id=second, yes_bid="0.5000", no_bid="0.5000", rest_remainder=False
    ).id
    assert maker.get_quote(quote_id).quote.rfq_target_cost_centi_cents == 100_000
    asker.delete_rfq(second)
    assert asker.get_quote(quote_id).quote.status == "cancelled"
    with pytest.raises(errors.NotFoundException):
        asker.delete_rfq(second)
    with pytest.raises(errors.BadRequestException) as caught:
        maker.create_quote(rfq_id=second, yes_bid="0.5000", no_bid="0", rest_remainder=False)
    assert caught.value.data.code == "RFQ_CLOSED"
