"""Lists: pages that neither repeat nor lose a row, and filters (rest.md, sections 1, 3, 4, 6)."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from augury.core import commands as c
from tests.rest_harness import (
    HOUR,
    RAIN,
    RAIN_MORE,
    SCORE,
    SECOND,
    START_NS,
    SUN,
    Caller,
    RestExchange,
    running,
)

START = START_NS // SECOND


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_lists")) as exchange:
        yield exchange


@pytest.fixture
def caller(exchange: RestExchange) -> Caller:
    return exchange.member(f"reader-{uuid4()}")


@pytest.fixture
def other(exchange: RestExchange) -> Caller:
    return exchange.member(f"other-{uuid4()}")


def pages(caller: Caller, path: str, key: str, **params: Any) -> Iterator[list[Any]]:
    """All pages of a list, one after another."""
    cursor = ""
    for _ in range(100):
        answer = caller.get(path, **params, **({"cursor": cursor} if cursor else {}))
        yield answer[key]
        cursor = answer["cursor"]
        if not cursor:
            return
    raise AssertionError("the list has no end")


def ids(rows: list[Any], name: str) -> list[str]:
    return [row[name] for row in rows]


# --- pages -----------------------------------------------------------------------------------


def test_orders_that_arrive_while_one_reads_shift_nothing(caller: Caller, other: Caller) -> None:
    """Open ones and finished ones mixed, with every change that can happen between two pages."""
    placed = [caller.order("buy", "yes", 10 + number, 1)["order_id"] for number in range(9)]
    for order_id in placed[::3]:
        caller.expect(200, "DELETE", f"/portfolio/orders/{order_id}")
    newest_first = placed[::-1]
    read: list[str] = []
    for page in pages(caller, "/portfolio/orders", "orders", limit=2):
        assert len(page) <= 2
        read += ids(page, "order_id")
        caller.order("buy", "yes", 5, 1)
        oldest_open = caller.get("/portfolio/orders", status="resting")["orders"][-1]["order_id"]
        caller.expect(200, "DELETE", f"/portfolio/orders/{oldest_open}")
    assert read == newest_first


def test_pages_of_fills_trades_and_transfers(
    exchange: RestExchange, caller: Caller, other: Caller
) -> None:
    for _ in range(5):
        caller.order("buy", "yes", 40, 1)
        other.order("sell", "yes", 40, 1)
    fills = [row for page in pages(caller, "/portfolio/fills", "fills", limit=2) for row in page]
    assert len({row["trade_id"] for row in fills}) == 5
    trades = [
        row
        for page in pages(caller, "/markets/trades", "trades", limit=2, ticker=RAIN)
        for row in page
    ]
    assert ids(trades, "trade_id")[:5] == ids(fills, "trade_id")
    caller.post("/portfolio/subaccounts")
    for _ in range(3):
        body = {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1}
        caller.post("/portfolio/subaccounts/transfer", {**body, "amount_cents": 7}, 200)
    transfers = pages(caller, "/portfolio/subaccounts/transfers", "transfers", limit=2)
    assert [len(page) for page in transfers] == [2, 1]


def test_pages_of_markets_events_and_positions(
    exchange: RestExchange, caller: Caller, other: Caller
) -> None:
    markets = [row for page in pages(caller, "/markets", "markets", limit=1) for row in page]
    assert ids(markets, "ticker")[-4:] == [SCORE, SUN, RAIN_MORE, RAIN]
    events = [row for page in pages(caller, "/events", "events", limit=1) for row in page]
    assert ids(events, "event_ticker")[-1] == "RAIN-26MAR01"
    for ticker in (RAIN, SUN, SCORE):
        caller.order("buy", "yes", 40, 2, ticker)
        other.order("sell", "yes", 40, 1, ticker)
    rows = list(pages(caller, "/portfolio/positions", "market_positions", limit=2))
    assert [ids(page, "ticker") for page in rows] == [[SCORE, SUN], [RAIN]]


def test_a_cursor_is_for_one_list_and_one_reader(caller: Caller, other: Caller) -> None:
    for person in (caller, other):
        for _ in range(3):
            person.order("buy", "yes", 10, 1)
    cursor = caller.get("/portfolio/orders", limit=1)["cursor"]
    assert caller.get("/portfolio/orders", limit=2, cursor=cursor)["orders"]
    for person, path, params in (
        (caller, "/portfolio/orders", {"status": "resting"}),
        (caller, "/portfolio/orders", {"ticker": RAIN}),
        (caller, "/portfolio/fills", {}),
        (other, "/portfolio/orders", {}),
        (caller, "/markets", {}),
    ):
        refused = person.refused(400, "GET", path, params={**params, "cursor": cursor})
        assert refused == "invalid_cursor"
    for bad in ("x", cursor[:-1], cursor + "AA", "null", "%00"):
        answer = caller.send("GET", "/portfolio/orders", params={"cursor": bad})
        assert answer.status_code == 400


# --- filters of one's own lists --------------------------------------------------------------


def test_orders_by_status_market_event_and_time(
    exchange: RestExchange, caller: Caller, other: Caller
) -> None:
    def listed(**params: Any) -> list[str]:
        return ids(caller.get("/portfolio/orders", **params)["orders"], "order_id")

    resting = caller.order("buy", "yes", 11, 1)["order_id"]
    canceled = caller.order("buy", "yes", 12, 1, RAIN_MORE)["order_id"]
    caller.expect(200, "DELETE", f"/portfolio/orders/{canceled}")
    exchange.advance(10 * SECOND)
    later = exchange.gate.now_ns() // SECOND
    executed = caller.order("buy", "yes", 90, 1, SCORE)["order_id"]
    other.order("sell", "yes", 90, 1, SCORE)
    everything = [executed, canceled, resting]
    assert listed() == everything
    assert listed(status="resting") == [resting]
    assert listed(status="canceled") == [canceled]
    assert listed(status="executed") == [executed]
    assert listed(ticker=RAIN_MORE) == [canceled]
    assert listed(ticker="NO-SUCH") == []
    assert listed(event_ticker="RAIN-26MAR01") == [canceled, resting]
    assert listed(event_ticker="RAIN-26MAR01,SCORE-26MAR01-E") == everything
    assert listed(event_ticker=["RAIN-26MAR01", "SCORE-26MAR01-E"]) == everything
    assert listed(min_ts=later) == [executed]
    assert listed(max_ts=later) == [canceled, resting]
    assert listed(max_ts=0) == []
    assert listed(min_ts=later, max_ts=later) == []
    assert listed(limit=1) == [executed]
    assert listed(unknown="1") == everything
    for wrong in (
        {"status": "pending"},
        {"limit": 0},
        {"limit": 1001},
        {"limit": "many"},
        {"min_ts": "yesterday"},
        {"subaccount": 64},
        {"event_ticker": ",".join(f"E{number}" for number in range(11))},
    ):
        assert caller.send("GET", "/portfolio/orders", params=wrong).status_code == 400, wrong


def test_fills_and_settlements_by_market_order_and_time(
    exchange: RestExchange, caller: Caller, other: Caller
) -> None:
    tickers = [f"RAIN-F{number}-{caller.member_id}" for number in range(2)]
    orders = []
    for ticker in tickers:
        exchange.list_market(ticker, "RAIN-26MAR01")
        orders.append(caller.order("buy", "yes", 40, 2, ticker)["order_id"])
        other.order("sell", "yes", 40, 2, ticker)
        exchange.advance(10 * SECOND)
    first = caller.get("/portfolio/fills", ticker=tickers[0])["fills"]
    assert [(row["ticker"], row["order_id"]) for row in first] == [(tickers[0], orders[0])]
    assert caller.get("/portfolio/fills", order_id=orders[1])["fills"][0]["ticker"] == tickers[1]
    assert caller.get("/portfolio/fills", order_id="nothing")["fills"] == []
    assert len(caller.get("/portfolio/fills", min_ts=first[0]["ts"] + 5)["fills"]) == 1
    assert caller.get("/portfolio/fills", subaccount=1)["fills"] == []
    for ticker in tickers:
        exchange.do(c.DetermineMarket(ticker, "no"))
        exchange.advance(HOUR)
    assert ids(caller.get("/portfolio/settlements")["settlements"], "ticker") == tickers[::-1]
    by_event = caller.get("/portfolio/settlements", event_ticker="RAIN-26MAR01", limit=1)
    assert ids(by_event["settlements"], "ticker") == [tickers[1]]
    assert by_event["cursor"]
    by_ticker = caller.get("/portfolio/settlements", ticker=tickers[0])["settlements"]
    assert (by_ticker[0]["revenue"], by_ticker[0]["yes_total_cost"]) == (0, 80)


# --- filters of markets and events -----------------------------------------------------------


def test_markets_by_everything(exchange: RestExchange, caller: Caller) -> None:
    exchange.advance(SECOND)
    now = exchange.gate.now_ns() // SECOND
    exchange.list_market("SUN-LATER", "SUN-26MAR01-E", open_in=HOUR)
    exchange.list_market("SUN-PAUSED", "SUN-26MAR01-E")
    exchange.do(c.PauseMarket("SUN-PAUSED"))
    exchange.list_market("SUN-CLOSED", "SUN-26MAR01-E")
    exchange.do(c.ChangeCloseTime("SUN-CLOSED", exchange.gate.now_ns() + SECOND))
    exchange.list_market("SUN-DONE", "SUN-26MAR01-E")
    exchange.do(c.DetermineMarket("SUN-DONE", "yes"))
    exchange.list_market("KXMVE-1-A", "SUN-26MAR01-E", details='{"mve_collection_ticker": "C"}')

    def listed(**params: Any) -> set[str]:
        return set(ids(caller.get("/markets", **params)["markets"], "ticker"))

    sun = {"series_ticker": "SUN"}
    exchange.advance(2 * SECOND)
    assert listed(**sun, status="unopened") == {"SUN-LATER"}
    assert listed(**sun, status="paused") == {"SUN-PAUSED"}
    assert listed(**sun, status="closed") == {"SUN-CLOSED", "SUN-DONE"}
    assert listed(**sun, status="open") == {SUN, "SUN-PAUSED", "KXMVE-1-A"}
    assert listed(mve_filter="only") == {"KXMVE-1-A"}
    assert "KXMVE-1-A" not in listed(mve_filter="exclude")
    assert listed(tickers=f"{RAIN},NO-SUCH,SUN-LATER") == {RAIN, "SUN-LATER"}
    assert listed(event_ticker="RAIN-26MAR01,SCORE-26MAR01-E") >= {RAIN, RAIN_MORE, SCORE}
    assert listed(event_ticker="RAIN-26MAR01", tickers=SUN) == set()
    assert listed(series_ticker="NO-SUCH") == set()
    assert listed(**sun, min_created_ts=now + 10) == set()
    assert listed(**sun, max_created_ts=now) == {SUN}
    assert listed(**sun, status="unopened", min_created_ts=now) == {"SUN-LATER"}
    assert listed(**sun, status="closed", max_close_ts=now + 2) == {"SUN-CLOSED", "SUN-DONE"}
    exchange.advance(2 * HOUR)
    settled = exchange.gate.now_ns() // SECOND
    assert listed(**sun, status="settled") == {"SUN-DONE"}
    assert listed(**sun, status="settled", max_settled_ts=settled) == {"SUN-DONE"}
    assert listed(**sun, min_settled_ts=settled) == set()


@pytest.mark.parametrize(
    "params",
    [
        {"status": "closed", "min_created_ts": 1},
        {"status": "open", "min_close_ts": 1},
        {"status": "settled", "max_close_ts": 1},
        {"status": "open", "max_settled_ts": 1},
        {"min_created_ts": 1, "max_close_ts": 1},
        {"min_close_ts": 1, "min_settled_ts": 1},
        {"min_updated_ts": 1, "status": "open"},
        {"min_updated_ts": 1, "tickers": RAIN},
        {"min_updated_ts": 1, "min_created_ts": 1},
        {"min_updated_ts": 1, "mve_filter": "only"},
        {"min_updated_ts": 1, "series_ticker": "RAIN"},
        {"status": "active"},
        {"status": "open,closed"},
        {"mve_filter": "yes"},
        {"limit": 1001},
    ],
)
def test_filters_that_do_not_go_together(caller: Caller, params: dict[str, Any]) -> None:
    assert caller.refused(400, "GET", "/markets", params=params) == "invalid_parameters"


def test_polling_by_update_sees_changes_but_no_trading(
    exchange: RestExchange, caller: Caller, other: Caller
) -> None:
    exchange.advance(10 * SECOND)
    since = exchange.gate.now_ns() // SECOND
    exchange.advance(SECOND)

    def changed(**params: Any) -> list[str]:
        polled = {"min_updated_ts": since, "mve_filter": "exclude", **params}
        return ids(caller.get("/markets", **polled)["markets"], "ticker")

    ticker = f"RAIN-U-{caller.member_id}"
    exchange.list_market(ticker, "RAIN-26MAR01")
    exchange.advance(SECOND)
    caller.order("buy", "yes", 40, 1, ticker)
    other.order("sell", "yes", 40, 1, ticker)
    assert changed() == [ticker]
    exchange.do(c.UpdateMarket(RAIN, '{"title": "Changed"}'))
    assert changed() == [ticker, RAIN]
    assert changed(series_ticker="RAIN") == [ticker, RAIN]
    two = list(pages(caller, "/markets", "markets", min_updated_ts=since, limit=1))
    assert [ids(page, "ticker") for page in two] == [[ticker], [RAIN]]
    assert caller.get(f"/markets/{RAIN}")["market"]["title"] == "Changed"


def test_changes_show_while_the_clock_stands_still(exchange: RestExchange, caller: Caller) -> None:
    """With a virtual clock several changes have the same time, and each must be seen."""
    ticker = f"RAIN-S-{caller.member_id}"
    exchange.list_market(ticker, "RAIN-26MAR01")

    def read(field: str) -> Any:
        return caller.get(f"/markets/{ticker}")["market"][field]

    for title in ("One", "Two"):
        exchange.do(c.UpdateMarket(ticker, f'{{"title": "{title}"}}'))
        assert read("title") == title
    for category in ("Weather", "World"):
        exchange.do(c.UpdateEvent("RAIN-26MAR01", f'{{"category": "{category}"}}'))
        assert read("category") == category
    before = read("close_time")
    close_ns = exchange.state.markets[ticker].close_ns
    exchange.do(c.ChangeCloseTime(ticker, close_ns - HOUR))
    assert read("close_time") < before
    caller.order("buy", "yes", 40, 1, ticker)
    assert (read("yes_bid"), read("yes_bid_size_fp")) == (40, "1.00")
    caller.order("buy", "yes", 40, 1, ticker)
    assert read("yes_bid_size_fp") == "2.00"


def test_events_by_status_series_and_close(exchange: RestExchange, caller: Caller) -> None:
    exchange.do(c.CreateEvent("LATE-E", "SCORE", False, "", "{}"))
    exchange.list_market("LATE-1", "LATE-E", open_in=HOUR)
    exchange.do(c.CreateEvent("EMPTY-E", "SCORE", False, "", "{}"))
    exchange.do(c.CreateEvent("KXMVE-E", "SCORE", False, "", "{}"))

    def listed(**params: Any) -> set[str]:
        found = caller.get("/events", series_ticker="SCORE", **params)["events"]
        return set(ids(found, "event_ticker"))

    close = exchange.state.markets["LATE-1"].close_ns // SECOND
    assert listed() >= {"LATE-E", "EMPTY-E", "SCORE-26MAR01-E"}
    assert "KXMVE-E" not in listed(), "combinations have a list of their own"
    assert listed(status="unopened") == {"LATE-E"}
    assert "LATE-E" not in listed(status="open")
    assert listed(min_close_ts=close - 1) == {"LATE-E"}
    assert listed(min_close_ts=close) == set()
    assert listed(tickers="LATE-E,RAIN-26MAR01") == {"LATE-E"}
    assert caller.get("/events/KXMVE-E")["event"]["event_ticker"] == "KXMVE-E"
    for wrong in ({"limit": 201}, {"status": "paused"}, {"with_nested_markets": "perhaps"}):
        assert caller.send("GET", "/events", params=wrong).status_code == 400


def test_series_by_category_and_tags(caller: Caller) -> None:
    def listed(**params: Any) -> list[str]:
        return ids(caller.get("/series", **params)["series"], "ticker")

    assert listed() == ["RAIN", "SCORE", "SUN"]
    assert listed(category="climate AND weather") == ["RAIN"]
    assert listed(tags="new york,unknown") == ["RAIN"]
    assert listed(tags="unknown") == []
    assert "product_metadata" not in caller.get("/series")["series"][0]
    row = caller.get("/series", include_product_metadata="1", include_volume="1")["series"][0]
    assert row["product_metadata"] == {"key": 1}
    assert isinstance(row["volume"], int)
    assert caller.get("/series/RAIN")["series"]["product_metadata"] == {"key": 1}
    assert "volume" not in caller.get("/series/RAIN")["series"]


@pytest.mark.parametrize(
    "path",
    ["/series/NO", "/events/NO", "/events/NO/metadata", "/markets/NO", "/markets/NO/orderbook"],
)
def test_unknown_tickers(caller: Caller, path: str) -> None:
    assert caller.refused(404, "GET", path) == "not_found"
