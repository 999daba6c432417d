"""The examples of the API's description: a story that is really told to a running exchange.

    python -m tests.examples --write

plays it and writes ``src/augury/gateways/rest/examples.json``, which the OpenAPI document and the
reference page show. The test beside it plays it again and compares everything. The exchange holds
the demo world as it is on its first day; its clock stands still unless the story moves it, so that
ids, times and cursors come out the same each time.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from augury.app.world.apply import apply_world
from augury.app.world.loading import find_world, load_world
from augury.core import commands as c
from augury.gateways.rest.operations import BUILT
from augury.gateways.rest.reference import Example
from augury.gateways.settings import RestSettings
from tests.rest_harness import HOUR, SECOND, START_NS, Caller, RestExchange

FILE: Final = Path(__file__).resolve().parent.parent / "src/augury/gateways/rest/examples.json"

MAYOR: Final = "KXMAYOR-NEXT-HU"
EVENT: Final = "KXMAYOR-NEXT"
FERRY: Final = "KXFERRY-ALL"
COLLECTION: Final = "KXMVEMERIDIAN-R"
ELECTION: Final = "0e6a6a0e-0d5c-4f57-8f0b-6a1f5f3f2a01"
LAUNCH: Final = "0e6a6a0e-0d5c-4f57-8f0b-6a1f5f3f2a02"
GULLS: Final = "5b1f6f0e-6a55-4d1c-9c58-0e0f3f0a1c01"
NOW: Final = START_NS // SECOND

PUBLIC_KEY: Final = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsw0V4MUzKQUZhn1NCChf\n"
    "tVxrlyahKflMmxiwZfrcIhcO8Txy03t7IlGmaXIJ6QI+V+a5h7NHbb+qiBKDvAFo\n"
    "MwQBJ2WJjqO620P2q2UgzU/EhWIdw1Xp+UhM0Z4LuSThzEdvaMF4uV7nru0ic+wq\n"
    "pO77/xw4AtEPW8+/+W1PTvP7XiyOxM0DUgEKBygD9rWp15Rk3c2WU6adhMj/KTZ0\n"
    "SWn5j8vu1ezzrZJUI4+TqTB74avdRSJk5AYZRn1r1P+LNWd0R8Ugueu/1NBe4Zsm\n"
    "KAoCegtm3jFSODUWpcKvNjFvgvXvBHY8xqplocHG09Qcq1fxVlJBDgLliYki9tE2\n"
    "wwIDAQAB\n"
    "-----END PUBLIC KEY-----\n"
)
"""Of a pair whose private half was thrown away."""

SHOWN_ONCE: Final = "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"
"""In place of a private key, which is another one each time."""


class Story:
    """Asks, and remembers the first answer of every operation."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.told: dict[str, Example] = {}
        members = {member.email: member.id for member in exchange.state.members.values()}
        self.you = exchange.caller(members["demo@example.com"])
        self.clearing = exchange.caller(members["clearing@example.com"])
        known = members.get("maker@example.com")
        self.maker = exchange.member("maker") if known is None else exchange.caller(known)

    def ask(
        self,
        operation_id: str,
        *,
        by: Caller | None = None,
        body: Any = None,
        query: dict[str, Any] | None = None,
        **path: str,
    ) -> Any:
        """One request of ``operation_id``, by the reader unless somebody else is named."""
        operation = next(one for one in BUILT if one.id == operation_id)
        response = (by or self.you).send(
            operation.method, operation.path.format(**path), body, params=query
        )
        assert response.status_code == operation.status, f"{operation_id}: {response.text}"
        answer: Any = response.json() if response.content else None
        if operation_id == "GenerateApiKey":
            answer["private_key"] = SHOWN_ONCE
        example = Example(operation.status, path, query or {}, body, answer)
        self.told.setdefault(operation_id, example)
        return answer


def tell(exchange: RestExchange) -> dict[str, Example]:
    """The whole story, in the order of the table."""
    story = Story(exchange)
    _look_around(story)
    _trade(story)
    _group(story)
    _quote(story)
    _keep_accounts(story)
    _combine(story)
    _chart(story)
    _archive(story)
    return {one.id: story.told[one.id] for one in BUILT if one.id in story.told}


def _look_around(story: Story) -> None:
    ask = story.ask
    ask("GetExchangeStatus")
    ask("GetExchangeAnnouncements")
    ask("GetExchangeSchedule")
    ask("GetSeriesList", query={"category": "Politics", "tags": "Local elections"})
    ask("GetSeries", series_ticker="KXMAYOR", query={"include_volume": True})
    ask("GetEvents", query={"series_ticker": "KXMAYOR", "status": "open", "limit": 1})
    ask("GetEvent", event_ticker="KXFERRY-ALL")
    ask("GetEventMetadata", event_ticker=EVENT)
    ask("GetMarkets", query={"event_ticker": EVENT, "status": "open", "limit": 2})
    ask("GetMarket", ticker=MAYOR)
    ask("GetMilestones", query={"limit": 1, "category": "Politics"})
    ask("GetMilestone", milestone_id=ELECTION)
    ask("GetStructuredTargets", query={"type": "football_team", "page_size": 10})
    ask("GetStructuredTarget", structured_target_id=GULLS)
    ask("GetTagsForSeriesCategories")
    ask("GetFiltersForSports")
    ask("GetIncentivePrograms", query={"status": "active", "limit": 2})
    ask("GetSeriesFeeChanges", query={"series_ticker": "KXMERCPI"})
    details = msgspec.json.encode(
        {"type": "launch", "details": {"phase": "integration", "holds": 0}}
    ).decode()
    story.exchange.do(c.PutDocument("live_data", LAUNCH, details))
    ask("GetLiveData", type="launch", milestone_id=LAUNCH)
    ask("GetLiveDataOfMilestone", milestone_id=LAUNCH)
    ask("GetLiveDatas", query={"milestone_ids": [LAUNCH]})


def _trade(story: Story) -> None:
    ask, maker = story.ask, story.maker
    maker.order("sell", "yes", 41, 25, MAYOR, client_order_id="offer-1")
    maker.order("buy", "yes", 36, 40, MAYOR)
    order = {
        "ticker": MAYOR,
        "action": "buy",
        "side": "yes",
        "type": "limit",
        "count": 10,
        "yes_price": 37,
        "client_order_id": "my-first-order",
    }
    first = ask("CreateOrder", body=order)["order"]["order_id"]
    ask("GetOrder", order_id=first)
    ask("GetOrderQueuePosition", order_id=first)
    ask("GetOrderQueuePositions", query={"market_tickers": MAYOR})
    ask("PostOrderQueuePositions", body={"order_ids": [first]})
    same = {"ticker": MAYOR, "action": "buy", "side": "yes"}
    ask("AmendOrder", order_id=first, body={**same, "yes_price": 38, "count": 12})
    ask("DecreaseOrder", order_id=first, body={"reduce_to": 8})
    ask("GetPortfolioRestingOrderTotalValue")
    ask("CancelOrder", order_id=first)
    batch = ask(
        "BatchCreateOrders",
        body={
            "orders": [
                {**same, "count": 5, "yes_price_dollars": "0.3500"},
                {**same, "count": 5, "yes_price_dollars": "0.3550"},
            ]
        },
    )
    ask("BatchCancelOrders", body={"ids": [batch["orders"][0]["order"]["order_id"]]})
    later = {
        "ticker": MAYOR,
        "side": "bid",
        "count": "4.00",
        "price": "0.4100",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    ask("CreateOrderV2", body={**later, "client_order_id": "my-second-order"})
    resting = {**later, "price": "0.3300"}
    orders = ask("BatchCreateOrdersV2", body={"orders": [resting, {**resting, "count": "2.00"}]})
    one, other = (row["order_id"] for row in orders["orders"])
    amended = {"ticker": MAYOR, "side": "bid", "price": "0.3400", "count": "6.00"}
    ask("AmendOrderV2", order_id=one, body=amended)
    ask("DecreaseOrderV2", order_id=one, body={"reduce_by": "1.00"})
    ask("CancelOrderV2", order_id=one)
    ask("BatchCancelOrdersV2", body={"orders": [{"order_id": other}]})
    ask("GetOrders", query={"ticker": MAYOR, "status": "executed", "limit": 1})
    maker.order("sell", "yes", 42, 3, FERRY)
    story.you.order("buy", "yes", 42, 3, FERRY)
    ask("GetMarketOrderbook", ticker=MAYOR, query={"depth": 2})
    ask("GetMarketOrderbooks", query={"tickers": MAYOR})
    ask("GetTrades", query={"ticker": MAYOR, "limit": 1})
    ask("GetFills", query={"ticker": MAYOR, "limit": 1})
    ask("GetPositions", query={"ticker": MAYOR})
    ask("GetBalance")
    ask("GetUserDataTimestamp")


def _group(story: Story) -> None:
    ask = story.ask
    group = ask("CreateOrderGroup", body={"contracts_limit": 100})["order_group_id"]
    story.you.order("buy", "yes", 30, 5, MAYOR, order_group_id=group)
    ask("GetOrderGroups")
    ask("GetOrderGroup", order_group_id=group)
    ask("UpdateOrderGroupLimit", order_group_id=group, body={"contracts_limit": 50})
    ask("TriggerOrderGroup", order_group_id=group)
    ask("ResetOrderGroup", order_group_id=group)
    ask("DeleteOrderGroup", order_group_id=group)


def _quote(story: Story) -> None:
    ask, maker = story.ask, story.maker
    ask("GetCommunicationsID")
    wish = {"market_ticker": MAYOR, "contracts": 20, "rest_remainder": False}
    rfq = ask("CreateRFQ", body=wish)["id"]
    ask("GetRFQ", rfq_id=rfq)
    ask("GetRFQs", query={"status": "open", "market_ticker": MAYOR})

    def quote(rfq_id: str) -> str:
        body = {"rfq_id": rfq_id, "yes_bid": "0.3600", "no_bid": "0.5900", "rest_remainder": False}
        quote_id: str = ask("CreateQuote", by=maker, body=body)["id"]
        return quote_id

    first = quote(rfq)
    ask("GetQuote", quote_id=first)
    ask("GetRFQQuote", rfq_id=rfq, quote_id=first)
    ask("GetQuotes", query={"rfq_user_filter": "self", "status": "open"})
    ask("AcceptQuote", quote_id=first, body={"accepted_side": "no"})
    ask("ConfirmQuote", by=maker, quote_id=first)
    story.exchange.advance(60 * SECOND)
    ask("DeleteQuote", by=maker, quote_id=quote(ask("CreateRFQ", body=wish)["id"]))
    rfq = ask("GetRFQs", query={"status": "open", "user_filter": "self"})["rfqs"][0]["id"]
    ask("DeleteRFQQuote", by=maker, rfq_id=rfq, quote_id=quote(rfq))
    second = quote(rfq)
    ask("AcceptRFQQuote", rfq_id=rfq, quote_id=second, body={"accepted_side": "no"})
    ask("ConfirmRFQQuote", by=maker, rfq_id=rfq, quote_id=second)
    story.exchange.advance(60 * SECOND)
    ask("DeleteRFQ", rfq_id=ask("CreateRFQ", body=wish)["id"])
    proposal = ask(
        "ProposeBlockTrade",
        body={
            "buyer_user_id": story.you.user_id,
            "seller_user_id": maker.user_id,
            "market_ticker": MAYOR,
            "price_centi_cents": 4_100,
            "centicount": 2_000,
            "maker_side": "yes",
            "expiration_ts": "2026-03-02T14:00:00Z",
        },
    )["block_trade_proposal_id"]
    ask("AcceptBlockTradeProposal", by=maker, block_trade_proposal_id=proposal)
    ask("GetBlockTradeProposals", query={"status": "executed"})


def _keep_accounts(story: Story) -> None:
    ask = story.ask
    ask("CreateSubaccount")
    transfer = {
        "client_transfer_id": "0b8ad5a1-6f7c-4a3e-9c5b-2d8e1f4a7c10",
        "from_subaccount": 0,
        "to_subaccount": 2,
    }
    ask("ApplySubaccountTransfer", body={**transfer, "amount_cents": 10_000})
    position = {"market_ticker": MAYOR, "side": "yes", "count": 2, "price_cents": 41}
    moved = {**transfer, "client_transfer_id": "0b8ad5a1-6f7c-4a3e-9c5b-2d8e1f4a7c11"}
    ask("ApplySubaccountPositionTransfer", body={**moved, **position})
    ask("GetSubaccountBalances")
    ask("GetSubaccountTransfers", query={"limit": 1})
    ask("UpdateSubaccountNetting", body={"subaccount_number": 2, "enabled": True})
    ask("GetSubaccountNetting")
    ask("GetDeposits", query={"limit": 1})
    story.exchange.do(c.Withdraw(story.you.member_id, 0, 50_000_000, "to the bank"))
    ask("GetWithdrawals", query={"limit": 1})
    ask("GetApiKeys")
    ask("CreateApiKey", body={"name": "laptop", "public_key": PUBLIC_KEY, "scopes": ["read"]})
    made = ask("GenerateApiKey", body={"name": "bot", "scopes": ["read", "write::trade"]})
    ask("DeleteApiKey", api_key=made["api_key_id"])
    ask("GetAccountApiLimits")
    ask("GetAccountEndpointCosts")
    story.clearing.order("buy", "yes", 35, 4, MAYOR, subtrader_id="customer-1")
    story.maker.order("sell", "yes", 35, 1, MAYOR)
    customer = {"subtrader_id": "customer-1"}
    ask("GetFCMOrders", by=story.clearing, query=customer)
    ask("GetFCMPositions", by=story.clearing, query=customer)


def _combine(story: Story) -> None:
    ask = story.ask
    ask("GetMultivariateEventCollections", query={"status": "open", "limit": 1})
    collection = ask("GetMultivariateEventCollection", collection_ticker=COLLECTION)
    events = collection["multivariate_contract"]["associated_event_tickers"]
    champion = story.exchange.state.events[events[-1]].market_tickers[0]
    legs = [
        {"event_ticker": EVENT, "market_ticker": MAYOR, "side": "yes"},
        {"event_ticker": events[-1], "market_ticker": champion, "side": "yes"},
    ]
    body = {"selected_markets": legs}
    ask("CreateMarketInMultivariateEventCollection", collection_ticker=COLLECTION, body=body)
    ask(
        "LookupTickersForMarketInMultivariateEventCollection",
        collection_ticker=COLLECTION,
        body=body,
    )
    ask(
        "GetMultivariateEventCollectionLookupHistory",
        collection_ticker=COLLECTION,
        query={"lookback_seconds": 60},
    )
    ask("GetMultivariateEvents", query={"collection_ticker": COLLECTION, "limit": 1})


def _chart(story: Story) -> None:
    ask, maker = story.ask, story.maker
    state = story.exchange.state
    strikes = state.events[state.series["KXMERCPI"].event_tickers[0]]
    for price, ticker in zip((70, 40), strikes.market_tickers, strict=False):
        maker.order("buy", "yes", price - 2, 5, ticker)
        maker.order("sell", "yes", price + 2, 5, ticker)
    story.exchange.advance(2 * HOUR)
    hour = {"start_ts": NOW, "end_ts": NOW + 3600, "period_interval": 60}
    ask("GetMarketCandlesticks", series_ticker="KXMAYOR", ticker=MAYOR, query=hour)
    ask("BatchGetMarketCandlesticks", query={"market_tickers": MAYOR, **hour})
    ask("GetMarketCandlesticksByEvent", series_ticker="KXFERRY", ticker=FERRY, query=hour)
    ask(
        "GetEventForecastPercentilesHistory",
        series_ticker="KXMERCPI",
        ticker=strikes.ticker,
        query={"percentiles": [2500, 5000, 7500], **hour},
    )


def _archive(story: Story) -> None:
    ask, exchange = story.ask, story.exchange
    exchange.do(c.DetermineMarket(FERRY, "yes"))
    exchange.advance(6 * HOUR)
    ask("GetSettlements", query={"limit": 1})
    cutoff = "2026-03-02T00:00:00Z"
    details = {
        "market_settled_ts": cutoff,
        "trades_created_ts": cutoff,
        "orders_updated_ts": cutoff,
    }
    text = msgspec.json.encode(details).decode()
    exchange.do(c.PutDocument("historical_cutoff", "all", text))
    ask("GetHistoricalCutoff")
    ask("GetHistoricalMarkets", query={"tickers": FERRY})
    ask("GetHistoricalMarket", ticker=FERRY)
    hour = {"start_ts": NOW, "end_ts": NOW + 3600, "period_interval": 60}
    ask("GetMarketCandlesticksHistorical", ticker=FERRY, query=hour)
    ask("GetHistoricalTrades", query={"ticker": FERRY})
    ask("GetHistoricalFills", query={"ticker": FERRY})
    ask("GetHistoricalOrders", query={"ticker": FERRY})
    ask("GetHistoricalPositions", query={"ticker": FERRY})


def play(directory: Path) -> dict[str, Example]:
    """The story, told to an exchange that holds the demo world and nothing else."""
    exchange = RestExchange(directory, RestSettings(rate_limits=False))
    exchange.start()
    try:
        exchange.call(apply_world(load_world(find_world("demo")), exchange.gate))
        return tell(exchange)
    finally:
        exchange.stop()


def encoded(told: dict[str, Example]) -> bytes:
    """As the file has it: one operation per line, so that changes can be read."""
    lines = [f"{msgspec.json.encode(one).decode()}: " for one in told]
    lines = [
        line + msgspec.json.encode(example).decode()
        for line, example in zip(lines, told.values(), strict=True)
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.examples --write")
    with tempfile.TemporaryDirectory() as place:
        FILE.write_bytes(encoded(play(Path(place))))
