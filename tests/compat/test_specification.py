"""Every operation that works answers in the shape of the published specification 3.6.0.

The schemas hold its types, enumerations and required fields; ``scripts/derive_specification.py``
writes them. Operations that are not built say so.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from augury.codec.text import parse_rfc3339
from augury.core import commands as c
from augury.gateways.rest.operations import BUILT, OPERATIONS, specification
from tests.rest_harness import (
    HOUR,
    RAIN,
    SCORE,
    SECOND,
    SUN,
    Caller,
    RestExchange,
    key_pair,
    order,
    running,
)

SPECIFICATION: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data/specification.json").read_text()
)
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    return not isinstance(value, str) or parse_rfc3339(value) is not None


DAYS = "start_ts=1772326800&end_ts=1772499600"
"""The two days around what happened."""
LATER = "start_ts=1772377201&end_ts=1772380800&include_latest_before_start=true"
FORECAST = "/series/RAIN/events/RAIN-26MAR01/forecast_percentile_history"
GROUP = "/portfolio/order_groups/{group}"
ORDER = "/portfolio/orders/{order}"
COLLECTION = "/multivariate_event_collections/KXMVE-R"
LEG = {"event_ticker": "RAIN-26MAR01", "market_ticker": RAIN, "side": "no"}
KNOWN_LEG = {
    "event_ticker": "SUN-26MAR01-E",
    "market_ticker": "SUN-26MAR01-X",
    "side": "yes",
}
OPEN_LEG = {**KNOWN_LEG, "market_ticker": SUN}


class World:
    """An exchange in which something of everything has happened to one member."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.caller = exchange.member("somebody")
        self.other = other = exchange.member("other")
        caller = self.caller
        self.order = caller.order("buy", "yes", 40, 10, client_order_id="first")["order_id"]
        other.order("sell", "yes", 40, 4)
        fractional = {"count_fp": "2.50", "yes_price_dollars": "0.3050"}
        caller.post(
            "/portfolio/orders", {"ticker": SUN, "side": "yes", "action": "buy", **fractional}
        )
        other.post(
            "/portfolio/orders",
            {
                "ticker": SUN,
                "side": "no",
                "action": "buy",
                "count_fp": "1.25",
                "no_price_dollars": "0.6950",
            },
        )
        caller.order("buy", "yes", 30, 3, SCORE)
        other.order("sell", "yes", 30, 3, SCORE)
        exchange.do(c.DetermineMarket(SCORE, "scalar", 4250))
        exchange.advance(HOUR)
        self.group = caller.post("/portfolio/order_groups/create", {"contracts_limit": 5})[
            "order_group_id"
        ]
        caller.post("/portfolio/subaccounts")
        exchange.do(c.CreateSubtrader(caller.member_id, "alpha"))
        exchange.do(c.Deposit(caller.member_id, 1000, 100_000_000))
        caller.order("buy", "yes", 7, 5, SUN, subtrader_id="alpha")
        self.combine()
        self.describe()
        self.quotes_of_all_kinds()
        exchange.do(
            c.PublishAnnouncement("info", "Good morning.", "active", exchange.gate.now_ns())
        )
        exchange.do(
            c.PutDocument(
                "milestone",
                "m-1",
                json.dumps(
                    {
                        "category": "Weather",
                        "type": "storm",
                        "start_date": "2026-03-01T00:00:00Z",
                        "related_event_tickers": ["RAIN-26MAR01"],
                        "title": "A storm",
                        "notification_message": "",
                        "details": {},
                        "primary_event_tickers": [],
                    }
                ),
            )
        )

    def describe(self) -> None:
        """What there is to find beside markets."""
        milestone = {
            "title": "The game",
            "category": "Sports",
            "type": "football_game",
            "start_date": "2026-03-02T12:00:00Z",
            "related_event_tickers": ["RAIN-26MAR01"],
            "primary_event_tickers": ["RAIN-26MAR01"],
            "notification_message": "Who wins?",
            "details": {"league": "Isles"},
        }
        score = {"type": "football_game", "details": {"home_points": 3}}
        team = {"name": "Gulls", "type": "football_team", "details": {}, "source_id": "g-1"}
        program = {
            "market_ticker": RAIN,
            "incentive_type": "liquidity",
            "start_date": "2026-01-01T00:00:00Z",
            "end_date": "2027-01-01T00:00:00Z",
            "period_reward": 200_000,
            "paid_out": False,
            "target_size": 300,
            "discount_factor_bps": 5000,
        }
        scopes = {"scopes": ["Games"], "competitions": {"Isles": {"scopes": ["Games"]}}}
        filters = {"filters_by_sports": {"Football": scopes}, "sport_ordering": ["Football"]}
        for kind, key, details in (
            ("milestone", "game", milestone),
            ("live_data", "game", score),
            ("structured_target", "gulls", team),
            ("incentive_program", "makers", program),
            ("sports_filters", "all", filters),
        ):
            self.exchange.do(c.PutDocument(kind, key, json.dumps(details)))
        due = self.exchange.gate.now_ns() + HOUR
        self.exchange.do(c.ScheduleFeeChange("SUN", "flat", 1_500_000, due))

    def combine(self) -> None:
        """A collection with one combo, of which one leg is known."""
        now = self.exchange.gate.now_ns()
        self.exchange.do(c.CreateSeries("KXMVE", "quadratic", 1_000_000, '{"category": "Sky"}'))
        self.exchange.do(
            c.CreateCollection(
                "KXMVE-R",
                "KXMVE",
                now,
                now + HOUR,
                2,
                0,
                False,
                (("RAIN-26MAR01", False, 0, 1), ("SUN-26MAR01-E", True, 0, 0)),
                '{"title": "Both", "description": "Rain and sun"}',
            )
        )
        self.exchange.list_market("SUN-26MAR01-X", "SUN-26MAR01-E")
        self.caller.post(COLLECTION, {"selected_markets": [LEG, KNOWN_LEG]}, status=200)
        self.exchange.do(c.DetermineMarket("SUN-26MAR01-X", "yes"))

    def fresh_rfq(self, by: Caller | None = None) -> str:
        """A request of the caller's, or of another's, in place of any earlier one."""
        body = {"market_ticker": RAIN, "contracts": 3, "rest_remainder": False}
        body["replace_existing"] = True
        rfq_id: str = (by or self.caller).post("/communications/rfqs", body)["id"]
        return rfq_id

    def fresh_quote(self, maker: Caller, requester: Caller) -> str:
        body = {"rfq_id": self.fresh_rfq(requester), "yes_bid": "0.3000", "no_bid": "0.6000"}
        quote_id: str = maker.post("/communications/quotes", {**body, "rest_remainder": True})["id"]
        return quote_id

    def quotes_of_all_kinds(self) -> None:
        """One executed, one replaced, one taken back, one not confirmed in time."""
        executed = f"/communications/quotes/{self.fresh_quote(self.other, self.caller)}"
        self.caller.expect(204, "PUT", f"{executed}/accept", {"accepted_side": "no"})
        self.other.expect(204, "PUT", f"{executed}/confirm")
        self.exchange.advance(60 * SECOND)
        self.fresh_quote(self.caller, self.other)
        self.caller.expect(
            204, "DELETE", f"/communications/quotes/{self.fresh_quote(self.caller, self.other)}"
        )
        self.caller.expect(
            204,
            "PUT",
            f"/communications/quotes/{self.fresh_quote(self.other, self.caller)}/accept",
            {"accepted_side": "yes"},
        )
        self.exchange.advance(60 * SECOND)

    def accepted_quote(self) -> str:
        quote_id = self.fresh_quote(self.caller, self.other)
        path = f"/communications/quotes/{quote_id}/accept"
        self.other.expect(204, "PUT", path, {"accepted_side": "yes"})
        return quote_id

    def fresh_order(self) -> str:
        order_id: str = self.caller.order("buy", "yes", 10, 5)["order_id"]
        return order_id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("specification")) as exchange:
        yield World(exchange)


Call = tuple[str, Callable[[World], Any] | Any]
"""A path, which may name what the world has, and a body or how to make one."""

SELL: dict[str, Any] = order("buy", "no", 20, 1)
AMEND = {"ticker": RAIN, "side": "yes", "action": "buy", "yes_price": 11, "count": 4}

CALLS: dict[str, list[Call]] = {
    "GetExchangeStatus": [("/exchange/status", None)],
    "GetExchangeAnnouncements": [("/exchange/announcements", None)],
    "GetExchangeSchedule": [("/exchange/schedule", None)],
    "GetUserDataTimestamp": [("/exchange/user_data_timestamp", None)],
    "GetSeriesList": [
        ("/series", None),
        ("/series?category=climate%20and%20weather&include_product_metadata=true", None),
        ("/series?tags=new%20york&include_volume=true", None),
    ],
    "GetSeries": [("/series/RAIN?include_volume=true", None), ("/series/SCORE", None)],
    "GetEvents": [
        ("/events", None),
        ("/events?with_nested_markets=true&with_milestones=true", None),
        ("/events?status=settled&limit=1", None),
    ],
    "GetEvent": [
        ("/events/RAIN-26MAR01", None),
        ("/events/SCORE-26MAR01-E?with_nested_markets=true", None),
    ],
    "GetEventMetadata": [("/events/RAIN-26MAR01/metadata", None)],
    "GetMultivariateEvents": [
        ("/events/multivariate", None),
        ("/events/multivariate?collection_ticker=KXMVE-R&with_nested_markets=true", None),
    ],
    "GetMultivariateEventCollections": [
        ("/multivariate_event_collections", None),
        ("/multivariate_event_collections?status=open&associated_event_ticker=NONE", None),
    ],
    "GetMultivariateEventCollection": [(COLLECTION, None)],
    "CreateMarketInMultivariateEventCollection": [
        (COLLECTION, {"selected_markets": [LEG, OPEN_LEG]}),
        (COLLECTION, {"selected_markets": [LEG, OPEN_LEG], "with_market_payload": True}),
    ],
    "LookupTickersForMarketInMultivariateEventCollection": [
        (COLLECTION + "/lookup", {"selected_markets": [LEG, KNOWN_LEG]}),
    ],
    "GetMultivariateEventCollectionLookupHistory": [
        (COLLECTION + "/lookup?lookback_seconds=3600", None)
    ],
    "GetMarkets": [
        ("/markets", None),
        ("/markets?status=settled", None),
        ("/markets?mve_filter=only", None),
    ],
    "GetMarket": [(f"/markets/{ticker}", None) for ticker in (RAIN, SUN, SCORE)],
    "GetMarketOrderbook": [
        (f"/markets/{RAIN}/orderbook", None),
        (f"/markets/{SUN}/orderbook?depth=1", None),
    ],
    "GetTrades": [("/markets/trades?limit=2", None), (f"/markets/trades?ticker={SUN}", None)],
    "GetOrders": [("/portfolio/orders", None), ("/portfolio/orders?status=executed", None)],
    "CreateOrder": [("/portfolio/orders", SELL)],
    "BatchCreateOrders": [
        ("/portfolio/orders/batched", {"orders": [SELL, {"ticker": RAIN}]}),
    ],
    "BatchCancelOrders": [
        ("/portfolio/orders/batched", lambda world: {"ids": [world.fresh_order(), "unknown"]}),
    ],
    "GetOrderQueuePositions": [
        (f"/portfolio/orders/queue_positions?market_tickers={RAIN},{SUN}", None)
    ],
    "GetOrder": [(ORDER, None)],
    "CancelOrder": [("/portfolio/orders/{fresh}", None)],
    "AmendOrder": [("/portfolio/orders/{fresh}/amend", AMEND)],
    "DecreaseOrder": [("/portfolio/orders/{fresh}/decrease", {"reduce_to": 2})],
    "GetOrderQueuePosition": [(ORDER + "/queue_position", None)],
    "GetOrderGroups": [("/portfolio/order_groups", None)],
    "CreateOrderGroup": [("/portfolio/order_groups/create", {"contracts_limit_fp": "7.00"})],
    "GetOrderGroup": [(GROUP, None)],
    "ResetOrderGroup": [(GROUP + "/reset", {}), (GROUP + "/reset", None)],
    "TriggerOrderGroup": [(GROUP + "/trigger", {})],
    "UpdateOrderGroupLimit": [(GROUP + "/limit", {"contracts_limit": 9})],
    "DeleteOrderGroup": [(GROUP, None)],
    "GetFCMOrders": [("/fcm/orders?subtrader_id=alpha", None)],
    "GetFCMPositions": [
        ("/fcm/positions?subtrader_id=alpha", None),
        ("/fcm/positions?subtrader_id=alpha&settlement_status=all", None),
    ],
    "GetBalance": [("/portfolio/balance", None)],
    "GetPositions": [("/portfolio/positions", None)],
    "GetFills": [("/portfolio/fills", None)],
    "GetSettlements": [("/portfolio/settlements", None)],
    "GetPortfolioRestingOrderTotalValue": [("/portfolio/summary/total_resting_order_value", None)],
    "CreateSubaccount": [("/portfolio/subaccounts", None)],
    "ApplySubaccountTransfer": [
        (
            "/portfolio/subaccounts/transfer",
            lambda world: {
                "client_transfer_id": str(uuid4()),
                "from_subaccount": 0,
                "to_subaccount": 1,
                "amount_cents": 100,
            },
        )
    ],
    "GetSubaccountBalances": [("/portfolio/subaccounts/balances", None)],
    "GetSubaccountTransfers": [("/portfolio/subaccounts/transfers", None)],
    "GetApiKeys": [("/api_keys", None)],
    "CreateApiKey": [("/api_keys", {"name": "k", "public_key": key_pair().public_pem})],
    "GenerateApiKey": [("/api_keys/generate", {"name": "k", "scopes": ["read"]})],
    "DeleteApiKey": [("/api_keys/{key}", None)],
    "GetAccountApiLimits": [("/account/limits", None)],
    "GetMarketCandlesticks": [
        (f"/series/RAIN/markets/{RAIN}/candlesticks?{DAYS}&period_interval=60", None),
        (f"/series/SUN/markets/{SUN}/candlesticks?{DAYS}&period_interval=1440", None),
        (
            f"/series/SCORE/markets/{SCORE}/candlesticks?{LATER}&period_interval=1",
            None,
        ),
    ],
    "BatchGetMarketCandlesticks": [
        (f"/markets/candlesticks?market_tickers={RAIN},{SCORE}&{DAYS}&period_interval=1", None),
    ],
    "GetMarketCandlesticksByEvent": [
        (f"/series/RAIN/events/RAIN-26MAR01/candlesticks?{DAYS}&period_interval={period}", None)
        for period in (1, 60, 1440)
    ],
    "GetEventForecastPercentilesHistory": [
        (
            f"{FORECAST}?percentiles=1000&percentiles=5000&{DAYS}&period_interval={period}",
            None,
        )
        for period in (1, 60, 1440)
    ],
    "GetMilestones": [("/milestones?limit=10", None), ("/milestones?category=none", None)],
    "GetMilestone": [("/milestones/game", None)],
    "GetLiveData": [("/live_data/football_game/milestone/game", None)],
    "GetLiveDatas": [("/live_data/batch?milestone_ids=game&milestone_ids=none", None)],
    "GetStructuredTargets": [("/structured_targets?page_size=5", None)],
    "GetStructuredTarget": [("/structured_targets/gulls", None)],
    "GetTagsForSeriesCategories": [("/search/tags_by_categories", None)],
    "GetFiltersForSports": [("/search/filters_by_sport", None)],
    "GetIncentivePrograms": [("/incentive_programs?status=active&type=liquidity", None)],
    "GetSeriesFeeChanges": [("/series/fee_changes?show_historical=true", None)],
    "GetCommunicationsID": [("/communications/id", None)],
    "GetRFQs": [
        ("/communications/rfqs", None),
        ("/communications/rfqs?status=closed&limit=1", None),
        (f"/communications/rfqs?user_filter=self&market_ticker={RAIN}", None),
    ],
    "CreateRFQ": [
        (
            "/communications/rfqs",
            {
                "market_ticker": SUN,
                "target_cost_centi_cents": 50_000,
                "rest_remainder": True,
                "replace_existing": True,
            },
        )
    ],
    "GetRFQ": [("/communications/rfqs/{rfq}", None)],
    "DeleteRFQ": [("/communications/rfqs/{rfq}", None)],
    "GetQuotes": [
        ("/communications/quotes", None),
        ("/communications/quotes?status=executed", None),
        ("/communications/quotes?rfq_user_filter=self&limit=1", None),
    ],
    "CreateQuote": [
        (
            "/communications/quotes",
            lambda world: {
                "rfq_id": world.fresh_rfq(world.other),
                "yes_bid": "0.1000",
                "no_bid": "0",
                "rest_remainder": False,
            },
        )
    ],
    "GetQuote": [("/communications/quotes/{quote}", None)],
    "DeleteQuote": [("/communications/quotes/{quote}", None)],
    "AcceptQuote": [("/communications/quotes/{received}/accept", {"accepted_side": "yes"})],
    "ConfirmQuote": [("/communications/quotes/{accepted}/confirm", None)],
}

BY_ID = {operation.id: operation for operation in OPERATIONS}
WORKING = [operation for operation in BUILT if not operation.extension]


def test_all_operations_of_the_specification_are_in_the_table() -> None:
    assert {operation.id for operation in WORKING} == set(CALLS)
    assert len(specification().operations) == 77
    for specified in specification().operations:
        operation = BY_ID[specified.id]
        assert (operation.method, operation.path) == (specified.method, specified.path)
        # The order book needs a signature there; here, as in practice, it is public.
        if operation.id != "GetMarketOrderbook":
            assert bool(operation.scope) == specified.signed, operation.id


# In the order of the calls above, because the last operation on a group deletes it.
@pytest.mark.parametrize("operation_id", CALLS)
def test_answers_have_the_specified_shape(world: World, operation_id: str) -> None:
    operation = BY_ID[operation_id]
    schemas = SPECIFICATION["answers"][operation_id]
    for path, body in CALLS[operation_id]:
        path = path.replace("{order}", world.order).replace("{group}", world.group)
        if "{fresh}" in path:
            path = path.replace("{fresh}", world.fresh_order())
        if "{rfq}" in path:
            path = path.replace("{rfq}", world.fresh_rfq())
        if "{quote}" in path:
            path = path.replace("{quote}", world.fresh_quote(world.caller, world.other))
        if "{received}" in path:
            path = path.replace("{received}", world.fresh_quote(world.other, world.caller))
        if "{accepted}" in path:
            path = path.replace("{accepted}", world.accepted_quote())
        if "{key}" in path:
            made = world.caller.post("/api_keys/generate", {"name": "short-lived"})
            path = path.replace("{key}", made["api_key_id"])
        response = world.caller.send(
            operation.method, path, body(world) if callable(body) else body
        )
        schema = schemas[str(response.status_code)]
        if schema is None:
            assert response.content == b""
            continue
        jsonschema.Draft202012Validator(
            {**schema, "schemas": SPECIFICATION["schemas"]}, format_checker=FORMATS
        ).validate(response.json())


@pytest.mark.parametrize("profile", ["legacy", "3.6", "latest"])
def test_errors_have_the_shape_of_their_generation(world: World, profile: str) -> None:
    response = world.caller.send("GET", "/markets/NOWHERE", headers={"KALSHI-API-PROFILE": profile})
    error = response.json()
    assert (response.status_code, error["code"]) == (404, "not_found")
    assert error["error"]["message"] == error["message"]
    assert ("service" in error) == (profile != "latest")


def test_a_series_without_description_has_every_required_field(world: World) -> None:
    series = world.caller.get("/series/SCORE")["series"]
    assert series["tags"] == series["settlement_sources"] == series["additional_prohibitions"] == []
