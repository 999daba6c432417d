"""kalshi-py 2.0.6.6, unmodified, through every function it has, with a key of profile ``latest``.

Its model of the book fails on arrays in ``yes_dollars``, which the clients 3.2.0 need; only
``latest`` leaves them out. A function that gets another status than it knows answers None.
"""

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from augury.core import commands as c
from tests.compat.published_clients import load
from tests.rest_harness import (
    HOUR,
    RAIN,
    RAIN_MORE,
    SECOND,
    SUN,
    Caller,
    RestExchange,
    key_pair,
    running,
)

PACKAGE = "kalshi_py"
MILESTONE = (
    '{"category": "Weather", "type": "storm", "start_date": "2026-03-01T00:00:00Z",'
    ' "related_event_tickers": ["RAIN-26MAR01"], "primary_event_tickers": ["RAIN-26MAR01"],'
    ' "title": "A storm", "notification_message": "It rains.", "details": {}}'
)
TARGET = '{"name": "New York", "type": "city", "details": {}, "source_id": "nyc"}'
STORM = "0b0e8a52-2f53-4b2f-8d61-0d7a2d4be7b1"
CITY = "5f7e2f5e-8a64-4f0d-9a3d-3c58a5a4b0f2"


def functions() -> dict[str, ModuleType]:
    """Every function of the client: the modules in the folders of its ``api`` package."""
    api = load(f"{PACKAGE}.api")
    found = {}
    for folder in pkgutil.iter_modules(api.__path__):
        package = importlib.import_module(f"{PACKAGE}.api.{folder.name}")
        for module in pkgutil.iter_modules(package.__path__):
            name = f"{PACKAGE}.api.{folder.name}.{module.name}"
            found[module.name] = importlib.import_module(name)
    return found


class KalshiPy:
    """Calls functions by name, through the blocking or the asynchronous half of the client."""

    def __init__(self, caller: Caller, asynchronous: bool) -> None:
        assert caller.signer is not None
        self.modules = functions()
        self.models = load(f"{PACKAGE}.models")
        self.asynchronous = asynchronous
        self.client = load(f"{PACKAGE}.auth").KalshiAuthenticatedClient(
            caller.signer.key_id,
            key_pair().private_pem,
            base_url=f"{str(caller.client.base_url).rstrip('/')}/trade-api/v2",
        )

    def detailed(self, name: str, *args: Any, **more: Any) -> Any:
        module = self.modules[name]
        if not self.asynchronous:
            return module.sync_detailed(*args, client=self.client, **more)

        async def call() -> Any:
            self.client._async_client = None
            async with self.client:
                return await module.asyncio_detailed(*args, client=self.client, **more)

        return asyncio.run(call())

    def __getattr__(self, name: str) -> Any:
        """The parsed answer, which must be there."""

        def call(*args: Any, **more: Any) -> Any:
            response = self.detailed(name, *args, **more)
            assert response.status_code < 300, response.content
            assert response.parsed is not None or not response.content
            return response.parsed

        return call


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    load(PACKAGE)
    with running(tmp_path_factory.mktemp("kalshi_py")) as exchange:
        exchange.do(c.PutDocument("milestone", STORM, MILESTONE))
        exchange.do(c.PutDocument("structured_target", CITY, TARGET))
        now = exchange.gate.now_ns()
        exchange.do(c.PublishAnnouncement("info", "Good morning.", "active", now))
        exchange.do(c.CreateSeries("KXMVE", "quadratic", 1_000_000, '{"title": "Combos"}'))
        events = (("RAIN-26MAR01", False, 0, 1), ("SUN-26MAR01-E", False, 0, 1))
        exchange.do(
            c.CreateCollection(
                "KXMVE-R", "KXMVE", now, now + HOUR, 2, 2, False, events, '{"title": "Both"}'
            )
        )
        yield exchange


@pytest.fixture(params=[False, True], ids=["blocking", "asynchronous"])
def maker(exchange: RestExchange, request: pytest.FixtureRequest) -> Iterator[Caller]:
    caller = exchange.member(f"maker-{request.node.name}", profile="latest")
    yield caller
    for order in caller.get("/portfolio/orders", status="resting")["orders"]:
        caller.expect(200, "DELETE", f"/portfolio/orders/{order['order_id']}")


@pytest.fixture
def taker(exchange: RestExchange, request: pytest.FixtureRequest) -> Caller:
    return exchange.member(f"taker-{request.node.name}", profile="latest")


@pytest.fixture
def kalshi(maker: Caller, request: pytest.FixtureRequest) -> KalshiPy:
    return KalshiPy(maker, "asynchronous" in request.node.name)


def test_everything_public_can_be_read(kalshi: KalshiPy, maker: Caller, taker: Caller) -> None:
    maker.order("buy", "yes", 40, 10)
    taker.order("buy", "no", 60, 4)
    assert kalshi.get_exchange_status().trading_active
    assert kalshi.get_exchange_schedule().schedule
    assert [row.message for row in kalshi.get_exchange_announcements().announcements]
    assert kalshi.get_user_data_timestamp().as_of_time
    # These two have no model for what they get.
    assert kalshi.detailed("get_series_list", category="Climate and Weather").status_code == 200
    assert kalshi.detailed("get_series", "RAIN").status_code == 200
    events = kalshi.get_events(with_nested_markets=True, limit=5).events
    assert {event.event_ticker for event in events} >= {"RAIN-26MAR01"}
    assert len(kalshi.get_event("RAIN-26MAR01").markets) == 2
    assert kalshi.get_event_metadata("RAIN-26MAR01")["market_details"]
    first = kalshi.get_markets(limit=2)
    second = kalshi.get_markets(limit=2, cursor=first.cursor)
    assert len({market.ticker for market in first.markets + second.markets}) == 4
    assert kalshi.get_market(RAIN).market.yes_bid == 40
    assert kalshi.get_market_orderbook(RAIN).orderbook.yes == [[40, 6]]
    assert kalshi.get_market_orderbook(RAIN, depth=1).orderbook.no == []
    assert kalshi.get_trades(ticker=RAIN, limit=1).trades[0].count == 4
    start = 1_772_373_600
    candles = kalshi.get_market_candlesticks(
        "RAIN", RAIN, start_ts=start - 60, end_ts=start + 3600, period_interval=60
    )
    assert candles.ticker == RAIN
    assert [row.id for row in kalshi.get_milestones(limit=5).milestones] == [STORM]
    assert kalshi.get_milestone(STORM).milestone.title == "A storm"
    targets = kalshi.get_structured_targets(page_size=5).structured_targets
    assert [row.id for row in targets] == [CITY]
    assert kalshi.get_structured_target(CITY).structured_target.name == "New York"


def test_an_order_lives_through_all_its_operations(
    kalshi: KalshiPy, maker: Caller, taker: Caller
) -> None:
    models = kalshi.models
    body = models.ModelCreateOrderRequest(
        ticker=RAIN,
        action=models.ModelCreateOrderRequestAction.BUY,
        side=models.ModelCreateOrderRequestSide.YES,
        type_=models.ModelCreateOrderRequestType.LIMIT,
        count=10,
        yes_price=40,
        client_order_id="mine-1",
    )
    order_id = kalshi.create_order(body=body).order.order_id
    resting = kalshi.get_portfolio_resting_order_total_value()
    assert resting["total_resting_order_value"] == 417
    assert kalshi.get_balance().balance == 1_000_000 - 417
    assert kalshi.get_order_queue_position(order_id).queue_position == 0
    rows = kalshi.get_order_queue_positions(market_tickers=RAIN).queue_positions
    assert [row.order_id for row in rows] == [order_id]
    amend = models.ModelAmendOrderRequest(
        ticker=RAIN,
        action=models.ModelAmendOrderRequestAction.BUY,
        side=models.ModelAmendOrderRequestSide.YES,
        client_order_id="mine-1",
        updated_client_order_id="mine-2",
        count=8,
        yes_price=45,
    )
    assert kalshi.amend_order(order_id, body=amend).order.yes_price == 45
    decreased = kalshi.decrease_order(order_id, body=models.ModelDecreaseOrderRequest(reduce_by=3))
    assert decreased.order.remaining_count == 5
    taker.order("buy", "no", 55, 2)
    assert kalshi.get_fills(order_id=order_id).fills[0].count == 2
    assert kalshi.get_positions(ticker=RAIN).market_positions[0].position == 2
    assert kalshi.get_order(order_id).order.status == "resting"
    assert kalshi.cancel_order(order_id).reduced_by == 3
    assert [row.order_id for row in kalshi.get_orders(status="canceled").orders] == [order_id]
    assert kalshi.detailed("get_order", "unknown").status_code == 404


def test_batches_groups_and_keys(kalshi: KalshiPy) -> None:
    models = kalshi.models
    group = kalshi.create_order_group(body=models.ModelCreateOrderGroupRequest(contracts_limit=9))
    group_id = group.order_group_id
    item = models.ModelCreateOrderRequest(
        ticker=RAIN,
        action=models.ModelCreateOrderRequestAction.BUY,
        side=models.ModelCreateOrderRequestSide.NO,
        count=1,
        no_price=5,
        order_group_id=group_id,
    )
    made = kalshi.batch_create_orders(body=models.ModelBatchCreateOrdersRequest(orders=[item] * 2))
    ids = [row.order.order_id for row in made.orders]
    assert kalshi.get_order_group(group_id).orders == ids
    assert [row.id for row in kalshi.get_order_groups().order_groups] == [group_id]
    canceled = kalshi.batch_cancel_orders(body=models.ModelBatchCancelOrdersRequest(ids=ids[:1]))
    assert [row.reduced_by for row in canceled.orders] == [1]
    kalshi.reset_order_group(group_id)
    kalshi.delete_order_group(group_id)
    assert kalshi.get_order(ids[1]).order.status == "canceled"

    body = models.ModelUserCreateApiKeyRequest(name="second", public_key=key_pair().public_pem)
    second = kalshi.create_api_key(body=body).api_key_id
    third = kalshi.generate_api_key(body=models.ModelUserGenerateApiKeyRequest(name="third"))
    assert "PRIVATE KEY" in third.private_key
    for key_id in (second, third.api_key_id):
        kalshi.delete_api_key(key_id)
    assert [key.name for key in kalshi.get_api_keys().api_keys] == ["test"]


def test_quotes_are_asked_for_given_and_taken(
    exchange: RestExchange, kalshi: KalshiPy, taker: Caller
) -> None:
    models = kalshi.models
    other = KalshiPy(taker, kalshi.asynchronous)
    assert kalshi.get_communications_id().communications_id
    ask = models.ModelCreateRFQRequest(market_ticker=RAIN_MORE, contracts=3, rest_remainder=False)
    rfq_id = kalshi.create_rfq(body=ask).id
    assert kalshi.get_rfq(rfq_id).rfq.contracts == 3
    assert rfq_id in [row.id for row in kalshi.get_rf_qs().rfqs]
    # The model says a list of numbers; a user of the client gives what the service takes.
    offer = models.ModelCreateQuoteRequest(
        rfq_id=rfq_id,
        yes_bid="0.3000",
        no_bid="0.6000",
        rest_remainder=False,
    )
    first = other.create_quote(body=offer).id
    other.delete_quote(first)
    quote_id = other.create_quote(body=offer).id
    assert kalshi.get_quote(quote_id).quote.id == quote_id
    assert quote_id in [row.id for row in other.get_quotes().quotes]
    side = models.ModelAcceptQuoteRequestAcceptedSide
    accept = models.ModelAcceptQuoteRequest(accepted_side=side.YES)
    kalshi.accept_quote(quote_id, body=accept)
    other.confirm_quote(quote_id)
    exchange.advance(60 * SECOND)
    assert kalshi.get_quote(quote_id).quote.status == "executed"
    kalshi.delete_rfq(kalshi.create_rfq(body=ask).id)


def test_combos_are_created_and_found(kalshi: KalshiPy) -> None:
    models = kalshi.models
    rows = kalshi.get_multivariate_event_collections().multivariate_contracts
    assert [row.collection_ticker for row in rows] == ["KXMVE-R"]
    assert kalshi.get_multivariate_event_collection("KXMVE-R").multivariate_contract
    side = models.ModelTickerPairSide
    legs = [
        models.ModelTickerPair(event_ticker="RAIN-26MAR01", market_ticker=RAIN, side=side.NO),
        models.ModelTickerPair(event_ticker="SUN-26MAR01-E", market_ticker=SUN, side=side.YES),
    ]
    create = models.ModelCreateMarketInMultivariateEventCollectionRequest(selected_markets=legs)
    made = kalshi.create_market_in_multivariate_event_collection("KXMVE-R", body=create)
    look = models.ModelLookupTickersForMarketInMultivariateEventCollectionRequest(
        selected_markets=legs
    )
    found = kalshi.lookup_tickers_for_market_in_multivariate_event_collection("KXMVE-R", body=look)
    assert found.market_ticker == made.market_ticker
    history = kalshi.get_multivariate_event_collection_lookup_history("KXMVE-R")
    assert [row.market_ticker for row in history.lookup_points] == [made.market_ticker]


def test_winnings_arrive_to_the_cent(
    exchange: RestExchange, kalshi: KalshiPy, maker: Caller, taker: Caller
) -> None:
    ticker = f"RAIN-PAYS-{'ASYNC' if kalshi.asynchronous else 'SYNC'}"
    exchange.list_market(ticker, "RAIN-26MAR01")
    maker.order("buy", "yes", 40, 10, ticker)
    taker.order("sell", "yes", 40, 10, ticker)
    exchange.do(c.DetermineMarket(ticker, "yes"))
    exchange.advance(HOUR)
    assert kalshi.get_market(ticker).market.status == "finalized"
    settlement = kalshi.get_settlements(ticker=ticker).settlements[0]
    assert (settlement.revenue, settlement.market_result.value) == (1000, "yes")


def test_without_the_profile_its_model_of_the_book_fails(
    exchange: RestExchange, maker: Caller, request: pytest.FixtureRequest
) -> None:
    """Should this work one day, the advice on profiles can be simpler."""
    maker.order("buy", "yes", 30, 1)
    usual = KalshiPy(
        exchange.caller(maker.member_id, profile="3.6"), "asynchronous" in request.node.name
    )
    with pytest.raises((ValueError, TypeError)):
        usual.get_market_orderbook(RAIN)


def test_no_function_is_left_out() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    direct = re.findall(r"(?:kalshi|other)\.(\w+)\(", source)
    assert set(functions()) <= {*direct, *re.findall(r'detailed\(\s*"(\w+)"', source)}
