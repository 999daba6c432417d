"""The clients that people have installed trade here: list, place, change, cancel, get paid.

They check types and enumerations strictly, so every answer that they parse is also a check of
its shape. They know neither ``finalized`` nor ``scalar``; the ``legacy`` profile is for them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.core import commands as c
from tests.compat.published_clients import ASYNC, SYNC, load, published_client
from tests.rest_harness import HOUR, RAIN, RAIN_MORE, SUN, Caller, RestExchange, running


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    directory: Path = tmp_path_factory.mktemp("published_clients")
    with running(directory) as exchange:
        yield exchange


@pytest.fixture(params=[SYNC, ASYNC])
def package(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    load(name)
    return name


@pytest.fixture
def maker(exchange: RestExchange, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Somebody with a legacy key and 10,000 dollars, and nothing in the books afterwards."""
    caller = exchange.member(f"maker-{request.node.name}", profile="legacy")
    yield caller
    for order in caller.get("/portfolio/orders", status="resting")["orders"]:
        caller.expect(200, "DELETE", f"/portfolio/orders/{order['order_id']}")


@pytest.fixture
def taker(exchange: RestExchange, request: pytest.FixtureRequest) -> Caller:
    return exchange.member(f"taker-{request.node.name}", profile="legacy")


@pytest.fixture
def client(package: str, maker: Caller) -> Iterator[Any]:
    with published_client(package, maker) as client:
        yield client


def test_everything_public_can_be_read(client: Any) -> None:
    assert client.get_exchange_status().trading_active
    assert client.get_exchange_schedule().schedule.maintenance_windows == []
    assert client.get_exchange_announcements().announcements == []
    assert client.get_user_data_timestamp().as_of_time.tzinfo is not None
    assert {series.ticker for series in client.get_series_list().series} >= {"RAIN", "SUN"}
    assert client.get_series("RAIN").series.title == "Rain"
    events = client.get_events(with_nested_markets=True, with_milestones=True).events
    assert {event.event_ticker for event in events} >= {"RAIN-26MAR01"}
    event = client.get_event("RAIN-26MAR01")
    assert [market.ticker for market in event.markets] == [RAIN, RAIN_MORE]
    assert client.get_event_metadata("RAIN-26MAR01").market_details[0].color_code == "#00AAFF"
    first = client.get_markets(limit=2)
    second = client.get_markets(limit=2, cursor=first.cursor)
    assert len({market.ticker for market in first.markets + second.markets}) == 4
    market = client.get_market(RAIN).market
    assert (market.floor_strike, market.strike_type) == (1.5, "greater")
    assert client.get_trades(limit=10).cursor == ""


def test_an_order_lives_through_all_its_operations(
    client: Any, package: str, maker: Caller, taker: Caller
) -> None:
    placed = client.create_order(
        ticker=RAIN, side="yes", action="buy", count=10, yes_price=40, client_order_id="mine-1"
    ).order
    assert (placed.status.value, placed.remaining_count, placed.no_price) == ("resting", 10, 60)
    # 4 dollars for the contracts and 17 cents for the fee that they could cost at worst.
    assert client.get_portfolio_resting_order_total_value().total_resting_order_value == 417
    assert client.get_balance().balance == 1_000_000 - 417

    book = client.get_market_orderbook(RAIN).orderbook
    assert book.yes_dollars == [["0.4000", "10"]]
    assert client.get_order_queue_position(placed.order_id).queue_position == 0
    assert [
        (row.order_id, row.market_ticker)
        for row in client.get_order_queue_positions(market_tickers=RAIN).queue_positions
    ] == [(placed.order_id, RAIN)]

    amended = client.amend_order(
        placed.order_id,
        ticker=RAIN,
        side="yes",
        action="buy",
        client_order_id="mine-1",
        updated_client_order_id="mine-2",
        yes_price=45,
        count=8,
    )
    assert amended.old_order.yes_price_dollars == "0.4000"
    assert (amended.order.yes_price, amended.order.remaining_count) == (45, 8)
    assert amended.order.client_order_id == "mine-2"

    decreased = client.decrease_order(placed.order_id, reduce_by=3).order
    assert (decreased.remaining_count, decreased.initial_count) == (5, 8)

    taker.order("buy", "no", 55, 2)
    fill = client.get_fills(order_id=placed.order_id).fills[0]
    assert (fill.count, fill.yes_price, fill.is_taker, fill.action) == (2, 45, False, "buy")
    assert client.get_order(placed.order_id).order.fill_count == 2

    canceled = client.cancel_order(placed.order_id)
    assert (canceled.reduced_by, canceled.order.status.value) == (3, "canceled")
    assert client.get_orders(status="canceled").orders[0].order_id == placed.order_id
    with pytest.raises(load(package).NotFoundException) as caught:
        client.cancel_order(placed.order_id)
    assert caught.value.status == 404


def test_batches(client: Any) -> None:
    answer = client.batch_create_orders(
        orders=[
            {"ticker": RAIN, "side": "yes", "action": "buy", "count": 1, "yes_price": 5},
            {"ticker": "NO-SUCH", "side": "yes", "action": "buy", "count": 1, "yes_price": 5},
            {"ticker": RAIN, "side": "no", "action": "buy", "count": 2, "no_price": 6},
        ]
    )
    first, failed, third = answer.orders
    assert failed.error.code == "market_not_found"
    assert (first.order.yes_price, third.order.no_price) == (5, 6)
    canceled = client.batch_cancel_orders(ids=[first.order.order_id, third.order.order_id])
    assert [item.reduced_by for item in canceled.orders] == [1, 2]


def test_order_groups_and_keys(client: Any) -> None:
    group_id = client.create_order_group(contracts_limit=10).order_group_id
    order = client.create_order(
        ticker=RAIN, side="yes", action="buy", count=1, yes_price=5, order_group_id=group_id
    ).order
    assert client.get_order_group(group_id).orders == [order.order_id]
    assert [group.id for group in client.get_order_groups().order_groups] == [group_id]
    client.reset_order_group(group_id)
    client.delete_order_group(group_id)
    assert client.get_order(order.order_id).order.status.value == "canceled"

    generated = client.generate_api_key(name="second")
    assert "PRIVATE KEY" in generated.private_key
    assert [key.name for key in client.get_api_keys().api_keys] == ["test", "second"]
    client.delete_api_key(generated.api_key_id)
    assert len(client.get_api_keys().api_keys) == 1


def test_combos_are_created_found_and_traded(
    exchange: RestExchange, client: Any, package: str, taker: Caller
) -> None:
    """The models know the sides as ``true`` and ``false``, in what is sent and what is read."""
    models = load(package)
    ticker = f"KXMVE{package.upper().replace('_', '')}"
    now = exchange.gate.now_ns()
    exchange.do(c.CreateSeries(ticker, "quadratic", 1_000_000, '{"title": "Combos"}'))
    events = (("RAIN-26MAR01", False, 0, 1), ("SUN-26MAR01-E", False, 0, 1))
    exchange.do(
        c.CreateCollection(
            f"{ticker}-R", ticker, now, now + HOUR, 2, 2, False, events, '{"title": "Both"}'
        )
    )
    found = client.get_multivariate_event_collections(status="open", series_ticker=ticker)
    assert [row.collection_ticker for row in found.multivariate_contracts] == [f"{ticker}-R"]
    collection = client.get_multivariate_event_collection(f"{ticker}-R").multivariate_contract
    assert collection.associated_event_tickers == ["RAIN-26MAR01", "SUN-26MAR01-E"]
    legs = [
        models.TickerPair(market_ticker=RAIN, event_ticker="RAIN-26MAR01", side="false"),
        models.TickerPair(market_ticker=SUN, event_ticker="SUN-26MAR01-E", side="true"),
    ]
    created = client.create_market_in_multivariate_event_collection(
        f"{ticker}-R", selected_markets=legs
    )
    looked_up = client.lookup_tickers_for_market_in_multivariate_event_collection(
        f"{ticker}-R", selected_markets=legs
    )
    assert looked_up.market_ticker == created.market_ticker
    (point,) = client.get_multivariate_event_collection_lookup_history(
        f"{ticker}-R", lookback_seconds=60
    ).lookup_points
    assert [leg.side for leg in point.selected_markets] == ["false", "true"]
    (event,) = client.get_multivariate_events(collection_ticker=f"{ticker}-R").events
    assert event.event_ticker == created.event_ticker
    client.create_order(
        ticker=created.market_ticker, side="yes", action="buy", count=2, yes_price=20
    )
    taker.order("sell", "yes", 20, 2, created.market_ticker)
    assert client.get_market(created.market_ticker).market.volume == 2


def test_errors_arrive_as_the_exceptions_of_the_client(client: Any, package: str) -> None:
    errors = load(package)
    with pytest.raises(errors.BadRequestException) as caught:
        client.create_order(ticker=RAIN, side="yes", action="buy", count=1)
    assert caught.value.data.code == "invalid_parameters"
    assert caught.value.data.details == ""
    with pytest.raises(errors.BadRequestException) as caught:
        client.create_order(ticker=RAIN, side="yes", action="buy", count=999_999, yes_price=50)
    assert caught.value.data.code == "available_balance_too_low"
    twice = {"ticker": RAIN, "side": "yes", "action": "buy", "count": 1, "yes_price": 2}
    client.create_order(**twice, client_order_id="twice")
    with pytest.raises(errors.ConflictException):
        client.create_order(**twice, client_order_id="twice")


def test_winnings_arrive_to_the_cent(
    exchange: RestExchange, client: Any, maker: Caller, taker: Caller, package: str
) -> None:
    """Buy 10 at 40 cents, be right: the payout is 10 dollars, the market reads as settled."""
    ticker = f"RAIN-PAYS-{package.upper().replace('_', '-')}"
    exchange.list_market(ticker, "RAIN-26MAR01")
    client.create_order(ticker=ticker, side="yes", action="buy", count=10, yes_price=40)
    taker.order("sell", "yes", 40, 10, ticker)
    assert client.get_balance().balance == 1_000_000 - 400
    position = client.get_positions(ticker=ticker).market_positions[0]
    assert (position.position, position.market_exposure_dollars) == (10, "4.0000")

    exchange.do(c.DetermineMarket(ticker, "yes"))
    assert client.get_market(ticker).market.status == "determined"
    exchange.advance(HOUR)
    market = client.get_market(ticker).market
    assert (market.status, market.result, market.settlement_value) == ("settled", "yes", 100)
    assert client.get_balance().balance == 1_000_000 + 600
    settlement = client.get_settlements(ticker=ticker).settlements[0]
    assert (settlement.revenue, settlement.value, settlement.yes_count) == (1000, 100, 10)
    assert client.get_positions(ticker=ticker).market_positions == []
    assert client.get_balance().portfolio_value == 0


def test_states_that_the_client_does_not_know_are_translated(
    exchange: RestExchange, client: Any, package: str
) -> None:
    ticker = f"SCORE-{package.upper().replace('_', '-')}"
    exchange.list_market(ticker, "SCORE-26MAR01-E", market_type="scalar")
    exchange.do(c.PauseMarket(ticker))
    assert client.get_market(ticker).market.status == "active"
    exchange.do(c.ReactivateMarket(ticker))
    exchange.do(c.DetermineMarket(ticker, "scalar", 2500))
    exchange.do(c.DisputeMarket(ticker))
    assert client.get_market(ticker).market.status == "determined"
    exchange.do(c.DetermineMarket(ticker, "scalar", 3000))
    market = client.get_market(ticker).market
    assert (market.status, market.result, market.settlement_value) == ("determined", "", 30)
