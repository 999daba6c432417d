"""What each channel says about the same few happenings, field by field.

websocket.md, sections 5 to 15. Values are chosen so that a swapped side, unit or sign shows.
"""

from typing import Any

import pytest

from augury.codec.ids import format_id
from augury.core.commands import (
    AmendOrder,
    CancelOrder,
    ChangeCloseTime,
    CreateCollection,
    CreateCombo,
    CreateOrderGroup,
    CreateSeries,
    CreateSubaccount,
    DeleteOrderGroup,
    DetermineMarket,
    DisputeMarket,
    LookUpCombo,
    PauseMarket,
    ReactivateMarket,
    ResetOrderGroup,
    SetOrderGroupLimit,
    SetPriceLevelStructure,
    Tick,
    TransferBetweenSubaccounts,
    TriggerOrderGroup,
    UpdateMarket,
)
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.gateways.settings import WebSocketSettings
from tests.ws_harness import (
    FINE,
    RAIN,
    SECOND,
    SNOW,
    START_NS,
    DirectGate,
    MemoryGateway,
    weather_gate,
)

EVERYTHING = [
    "orderbook_delta",
    "ticker",
    "ticker_v2",
    "trade",
    "fill",
    "user_orders",
    "market_positions",
    "order_group_updates",
    "market_lifecycle_v2",
]


@pytest.fixture
def gate() -> DirectGate:
    return weather_gate()


@pytest.fixture
def gateway(gate: DirectGate) -> MemoryGateway:
    return MemoryGateway(gate)


@pytest.fixture
def maker(gate: DirectGate) -> int:
    return gate.add_member("maker@example.com")[0]


@pytest.fixture
def taker(gate: DirectGate) -> int:
    return gate.add_member("taker@example.com")[0]


def bodies(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message["msg"] for message in messages if message["type"] == kind]


def fields(body: dict[str, Any], *names: str) -> list[Any]:
    return [body[name] for name in names]


# --- one trade, seen by everybody ---------------------------------------------------------------


async def test_one_trade_on_every_channel_in_the_decided_order(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    """The maker bids 41 for YES; the taker buys NO at 60 and gets 59."""
    gate.order(maker, RAIN, "buy", "yes", 41, 10, client_order_id="rest")
    client = gateway.connect(taker)
    await client.subscribe(*EVERYTHING, market_ticker=RAIN)
    group = gate.must(CreateOrderGroup(taker, 0, 100_00)).sequence
    await client.receive()
    applied = gate.order(
        taker, RAIN, "buy", "no", 60, 4, client_order_id="take", order_group_id=group
    )
    messages = await client.receive()
    assert [message["type"] for message in messages] == [
        "fill",
        "user_order",
        "market_position",
        "trade",
        "orderbook_delta",
        "ticker",
        "ticker_v2",
    ]
    trade_id = format_id("trade", applied.sequence << 20)
    assert bodies(messages, "fill") == [
        {
            "trade_id": trade_id,
            "order_id": format_id("order", applied.sequence),
            "market_ticker": RAIN,
            "is_taker": True,
            "side": "no",
            "action": "buy",
            "yes_price": 41,
            "yes_price_dollars": "0.4100",
            "count": 4,
            "count_fp": "4.00",
            "post_position": -4,
            "post_position_fp": "-4.00",
            "purchased_side": "no",
            "outcome_side": "no",
            "book_side": "ask",
            "fee_cost": "0.0700",
            "exchange_index": 0,
            "ts": applied.time_ns // SECOND,
            "ts_ms": applied.time_ns // 1_000_000,
            "client_order_id": "take",
        }
    ]
    assert bodies(messages, "trade") == [
        {
            "trade_id": trade_id,
            "market_ticker": RAIN,
            "yes_price": 41,
            "yes_price_dollars": "0.4100",
            "no_price": 59,
            "no_price_dollars": "0.5900",
            "count": 4,
            "count_fp": "4.00",
            "taker_side": "no",
            "taker_outcome_side": "no",
            "taker_book_side": "ask",
            "is_block_trade": False,
            "ts": applied.time_ns // SECOND,
            "ts_ms": applied.time_ns // 1_000_000,
        }
    ]
    (order,) = bodies(messages, "user_order")
    assert order == {
        "order_id": format_id("order", applied.sequence),
        "user_id": format_id("member", taker),
        "ticker": RAIN,
        "status": "executed",
        "action": "buy",
        "side": "no",
        "is_yes": False,
        "outcome_side": "no",
        "book_side": "ask",
        "yes_price_dollars": "0.4000",
        "fill_count_fp": "4.00",
        "remaining_count_fp": "0.00",
        "initial_count_fp": "4.00",
        "taker_fill_cost_dollars": "2.3600",
        "maker_fill_cost_dollars": "0.0000",
        "taker_fees_dollars": "0.0700",
        "maker_fees_dollars": "0.0000",
        "client_order_id": "take",
        "order_group_id": format_id("group", group),
        "self_trade_prevention_type": "taker_at_cross",
        "subaccount_number": 0,
        "created_time": order["created_time"],
        "created_ts_ms": applied.time_ns // 1_000_000,
        "last_update_time": order["created_time"],
        "last_updated_ts_ms": applied.time_ns // 1_000_000,
    }
    assert bodies(messages, "market_position") == [
        {
            "user_id": format_id("member", taker),
            "market_ticker": RAIN,
            "position": -4,
            "position_fp": "-4.00",
            "position_cost": 23_600,
            "position_cost_dollars": "2.3600",
            "realized_pnl": 0,
            "realized_pnl_dollars": "0.0000",
            "fees_paid": 700,
            "fees_paid_dollars": "0.0700",
            "position_fee_cost": 700,
            "position_fee_cost_dollars": "0.0700",
            "volume": 4,
            "volume_fp": "4.00",
        }
    ]
    (ticker,) = bodies(messages, "ticker")
    market_id = format_id("market", gate.state.markets[RAIN].id)
    assert ticker == {
        "market_ticker": RAIN,
        "market_id": market_id,
        "price": 41,
        "yes_bid": 41,
        "yes_ask": 100,
        "price_dollars": "0.4100",
        "yes_bid_dollars": "0.4100",
        "yes_ask_dollars": "1.0000",
        "no_bid_dollars": "0.0000",
        "yes_bid_size_fp": "6.00",
        "yes_ask_size_fp": "0.00",
        "last_trade_size_fp": "4.00",
        "volume": 4,
        "volume_fp": "4.00",
        "open_interest": 4,
        "open_interest_fp": "4.00",
        "dollar_volume": 2,
        "dollar_open_interest": 2,
        "ts": applied.time_ns // SECOND,
        "ts_ms": applied.time_ns // 1_000_000,
        "time": ticker["time"],
    }
    assert ticker["time"].startswith("2026-03-01T14:00:00.")
    assert bodies(messages, "ticker_v2") == [
        {
            "market_ticker": RAIN,
            "market_id": market_id,
            "price": 41,
            "price_dollars": "0.4100",
            "volume_delta": 4,
            "volume_delta_fp": "4.00",
            "open_interest_delta": 4,
            "open_interest_delta_fp": "4.00",
            "dollar_volume_delta": 2,
            "dollar_open_interest_delta": 2,
            "ts": applied.time_ns // SECOND,
        }
    ]


async def test_the_maker_gets_a_fill_of_their_own(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("fill", "user_orders", "market_positions")
    gate.order(maker, RAIN, "sell", "yes", 45, 10, client_order_id="ask")
    gate.order(taker, RAIN, "buy", "yes", 50, 4)
    messages = await client.receive()
    assert [m["type"] for m in messages] == [
        "user_order",
        "fill",
        "user_order",
        "market_position",
    ]
    (fill,) = bodies(messages, "fill")
    assert fields(
        fill, "is_taker", "action", "side", "purchased_side", "yes_price", "post_position"
    ) == [False, "sell", "yes", "no", 45, -4]
    # A seller without a position opens the other side, at 55 cents.
    (position,) = bodies(messages, "market_position")
    assert fields(position, "position", "position_cost") == [-4, 22_000]
    placed, filled = bodies(messages, "user_order")
    assert fields(placed, "status", "remaining_count_fp", "fill_count_fp") == [
        "resting",
        "10.00",
        "0.00",
    ]
    assert fields(filled, "status", "remaining_count_fp", "fill_count_fp") == [
        "resting",
        "6.00",
        "4.00",
    ]


async def test_a_sweep_is_one_trade_per_maker_order_in_match_order(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    for cents in (42, 41, 41):
        gate.order(maker, RAIN, "sell", "yes", cents, 2)
    client = gateway.connect(taker)
    await client.subscribe("trade", "fill", "user_orders", "market_positions", "ticker")
    applied = gate.order(taker, RAIN, "buy", "yes", 45, 5)
    messages = await client.receive()
    assert [(m["type"]) for m in messages] == [
        "fill",
        "fill",
        "fill",
        "user_order",
        "market_position",
        "trade",
        "trade",
        "trade",
        "ticker",
    ]
    trades = bodies(messages, "trade")
    assert [(t["yes_price"], t["count"]) for t in trades] == [(41, 2), (41, 2), (42, 1)]
    assert [t["trade_id"] for t in trades] == [
        format_id("trade", (applied.sequence << 20) + index) for index in range(3)
    ]
    assert [f["post_position"] for f in bodies(messages, "fill")] == [2, 4, 5]


async def test_private_messages_go_to_their_member_only(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    stranger = gateway.connect(12345)
    watched = [gateway.connect(maker), gateway.connect(maker)]
    for client in (stranger, *watched):
        await client.subscribe("fill", "user_orders", "market_positions", "order_group_updates")
    gate.order(maker, RAIN, "buy", "yes", 41, 1)
    gate.order(taker, RAIN, "sell", "yes", 41, 1)
    gate.must(CreateOrderGroup(maker, 0, 1_00))
    assert await stranger.receive() == []
    first = await watched[0].receive()
    assert len(first) == 5
    assert await watched[1].receive() == first


async def test_filters_are_honoured_on_private_channels(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("fill", "user_orders", "market_positions", market_ticker=SNOW)
    for ticker in (RAIN, SNOW):
        gate.order(maker, ticker, "buy", "yes", 41, 1)
        gate.order(taker, ticker, "sell", "yes", 41, 1)
    messages = await client.receive()
    assert {m["msg"].get("market_ticker") or m["msg"]["ticker"] for m in messages} == {SNOW}
    assert len(messages) == 4


async def test_fills_and_positions_name_their_subaccount(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    gate.must(CreateSubaccount(maker))
    gate.must(TransferBetweenSubaccounts(maker, 0, 1, 100_000_000, "t-1"))
    client = gateway.connect(maker)
    await client.subscribe("fill", "market_positions", "user_orders")
    gate.order(maker, RAIN, "buy", "yes", 41, 1)
    gate.order(maker, RAIN, "buy", "yes", 41, 1, subaccount=1)
    gate.order(taker, RAIN, "sell", "yes", 41, 2)
    messages = await client.receive()
    assert [f.get("subaccount") for f in bodies(messages, "fill")] == [None, 1]
    assert [p.get("subaccount") for p in bodies(messages, "market_position")] == [None, 1]
    assert [o["subaccount_number"] for o in bodies(messages, "user_order")] == [0, 1, 0, 1]


# --- orders ------------------------------------------------------------------------------------


async def test_every_change_of_an_order_is_told(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("user_orders")
    order = gate.order(maker, RAIN, "buy", "yes", 41, 10).sequence
    gate.must(AmendOrder(maker, order, price=4000, quantity=8_00))
    gate.must(CancelOrder(maker, order))
    gate.order(maker, RAIN, "buy", "yes", 41, 1, expiration_ns=gate.time_ns + 2 * SECOND)
    gate.time_ns += 3 * SECOND
    gate.must(Tick())
    orders = bodies(await client.receive(), "user_order")
    assert [
        fields(o, "status", "yes_price_dollars", "remaining_count_fp", "initial_count_fp")
        for o in orders
    ] == [
        ["resting", "0.4100", "10.00", "10.00"],
        ["resting", "0.4000", "8.00", "8.00"],
        ["canceled", "0.4000", "0.00", "8.00"],
        ["resting", "0.4100", "1.00", "1.00"],
        ["canceled", "0.4100", "0.00", "1.00"],
    ]
    assert "expiration_time" not in orders[0]
    assert orders[4]["expiration_ts_ms"] == orders[3]["expiration_ts_ms"]


async def test_an_order_cancelled_at_entry_is_told_once_and_a_refused_one_never(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("user_orders")
    gate.order(maker, RAIN, "buy", "yes", 41, 1, time_in_force="immediate_or_cancel")
    assert [o["status"] for o in bodies(await client.receive(), "user_order")] == ["canceled"]
    assert gate.order(maker, "NOPE", "buy", "yes", 41, 1).rejection is not None
    assert gate.order(maker, RAIN, "buy", "yes", 99, 10_000_000).rejection is not None
    assert await client.receive() == []


# --- ticker ------------------------------------------------------------------------------------


async def test_a_change_of_size_alone_is_a_ticker(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    client = gateway.connect()
    await client.subscribe("ticker", "ticker_v2", market_ticker=RAIN)
    gate.order(maker, RAIN, "buy", "yes", 40, 10)
    gate.order(maker, RAIN, "buy", "yes", 40, 5)
    gate.order(maker, RAIN, "buy", "yes", 39, 5)
    messages = await client.receive()
    assert [t["yes_bid_size_fp"] for t in bodies(messages, "ticker")] == ["10.00", "15.00"]
    # ticker_v2 knows prices only.
    (quote,) = bodies(messages, "ticker_v2")
    assert fields(quote, "yes_bid", "yes_bid_dollars") == [40, "0.4000"]
    assert "yes_ask" not in quote
    assert "price" not in quote


async def test_prices_between_cents_are_exact_in_dollars_and_rounded_down_in_cents(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    client = gateway.connect(taker)
    await client.subscribe("ticker", "trade", "fill", market_ticker=FINE)
    gate.order(maker, FINE, "buy", "no", 58.7, 3.5)  # an ask at 41.3
    gate.order(taker, FINE, "buy", "yes", 41.3, 0.75)
    messages = await client.receive()
    last = bodies(messages, "ticker")[-1]
    assert fields(last, "yes_ask", "yes_ask_dollars", "no_bid_dollars", "yes_ask_size_fp") == [
        41,
        "0.4130",
        "0.5870",
        "2.75",
    ]
    assert fields(last, "volume", "volume_fp", "dollar_volume") == [0, "0.75", 0]
    (trade,) = bodies(messages, "trade")
    assert fields(trade, "yes_price", "no_price", "no_price_dollars", "count", "count_fp") == [
        41,
        59,
        "0.5870",
        0,
        "0.75",
    ]


async def test_initial_snapshots_only_for_markets_that_are_named(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    gate.order(maker, RAIN, "buy", "yes", 40, 10)
    named = gateway.connect()
    replies = await named.subscribe(
        "ticker", "ticker_v2", market_tickers=[RAIN, SNOW], send_initial_snapshot=True
    )
    assert [(m["type"], m["msg"].get("market_ticker")) for m in replies] == [
        ("subscribed", None),
        ("subscribed", None),
        ("ticker", RAIN),
        ("ticker", SNOW),
        ("ticker_v2", RAIN),
        ("ticker_v2", SNOW),
    ]
    assert fields(replies[2]["msg"], "yes_bid", "yes_ask", "price") == [40, 100, 0]
    assert fields(replies[4]["msg"], "yes_bid", "yes_ask", "volume_delta") == [40, 100, 0]
    everything = gateway.connect()
    replies = await everything.subscribe("ticker", send_initial_snapshot=True)
    assert [m["type"] for m in replies] == ["subscribed"]
    # Added markets get theirs as well.
    await everything.ask({"id": 1, "cmd": "unsubscribe", "params": {"sids": [1]}})
    await everything.subscribe("ticker", market_ticker=RAIN)
    update = {"sid": 2, "action": "add_markets", "market_ticker": SNOW}
    replies = await everything.ask(
        {
            "id": 2,
            "cmd": "update_subscription",
            "params": {**update, "send_initial_snapshot": True},
        }
    )
    assert [m["type"] for m in replies] == ["ok", "ticker"]


async def test_ticker_v2_deltas_add_up_whoever_joins_when(
    gate: DirectGate, maker: int, taker: int
) -> None:
    """Also after a restart, when the first deltas are relative to what the state holds."""
    gate.order(maker, RAIN, "buy", "yes", 40, 100)
    gate.order(taker, RAIN, "sell", "yes", 40, 7)
    gateway = MemoryGateway(gate)
    client = gateway.connect()
    await client.subscribe("ticker_v2")
    gate.order(taker, RAIN, "sell", "yes", 40, 4)
    gate.order(taker, RAIN, "buy", "yes", 50, 2)
    gate.order(maker, RAIN, "sell", "yes", 50, 2)
    messages = bodies(await client.receive(), "ticker_v2")
    assert [
        (m["volume_delta"], m["open_interest_delta"]) for m in messages if "volume_delta" in m
    ] == [(4, 4), (2, -2)]


# --- order groups ------------------------------------------------------------------------------


async def test_the_life_of_an_order_group_is_numbered(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("order_group_updates", "user_orders")
    group = gate.must(CreateOrderGroup(maker, 0, 10_00)).sequence
    gate.order(maker, RAIN, "buy", "yes", 41, 1, order_group_id=group)
    gate.must(SetOrderGroupLimit(maker, group, 20_00))
    gate.must(TriggerOrderGroup(maker, group))
    gate.must(ResetOrderGroup(maker, group))
    gate.must(DeleteOrderGroup(maker, group))
    messages = await client.receive()
    updates = [m for m in messages if m["type"] == "order_group_updates"]
    assert [(m["seq"], m["msg"]["event_type"]) for m in updates] == [
        (1, "created"),
        (2, "limit_updated"),
        (3, "triggered"),
        (4, "reset"),
        (5, "deleted"),
    ]
    assert [m["msg"].get("contracts_limit_fp") for m in updates] == [
        "10.00",
        "20.00",
        None,
        None,
        None,
    ]
    assert {m["msg"]["order_group_id"] for m in updates} == {format_id("group", group)}
    # What the trigger cancels is told on user_orders, before the trigger itself.
    kinds = [m["type"] for m in messages]
    assert kinds.index("order_group_updates", kinds.index("user_order", 2)) > 2
    assert bodies(messages, "user_order")[-1]["status"] == "canceled"


# --- lifecycle ---------------------------------------------------------------------------------


async def lifecycle(client: Any) -> list[dict[str, Any]]:
    return bodies(await client.receive(), "market_lifecycle_v2")


async def test_a_market_is_announced_with_its_metadata(
    gate: DirectGate, gateway: MemoryGateway
) -> None:
    client = gateway.connect()
    await client.subscribe("market_lifecycle_v2")
    gate.add_market(
        "HAIL-26MAR02-B5.5",
        expected_expiration_ns=START_NS + 90_000 * SECOND,
        details=(
            '{"title":"Hail?","yes_sub_title":"Hail","no_sub_title":"No hail",'
            '"rules_primary":"If it hails","rules_secondary":"Anywhere","strike_type":"between",'
            '"floor_strike":5.5,"cap_strike":6,"custom_strike":{"city":"NY"},"subtitle":null}'
        ),
    )
    event, market = await client.receive()
    assert event == {
        "type": "event_lifecycle",
        "sid": 1,
        "msg": {
            "event_ticker": "HAIL-26MAR02",
            "title": "Weather tomorrow",
            "sub_title": "On Mar 1",
            "subtitle": "On Mar 1",
            "collateral_return_type": "",
            "series_ticker": "HAIL",
        },
    }
    assert market["msg"] == {
        "event_type": "created",
        "market_ticker": "HAIL-26MAR02-B5.5",
        "open_ts": START_NS // SECOND,
        "close_ts": START_NS // SECOND + 86_400,
        "exchange_index": 0,
        "additional_metadata": {
            "name": "Weather tomorrow",
            "title": "Hail?",
            "yes_sub_title": "Hail",
            "no_sub_title": "No hail",
            "rules_primary": "If it hails",
            "rules_secondary": "Anywhere",
            "event_ticker": "HAIL-26MAR02",
            "can_close_early": True,
            "expected_expiration_ts": START_NS // SECOND + 90_000,
            "strike_type": "between",
            "floor_strike": 5.5,
            "cap_strike": 6,
            "custom_strike": {"city": "NY"},
        },
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }


async def test_operators_are_announced_and_time_is_not(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int
) -> None:
    client = gateway.connect(maker)
    await client.subscribe("market_lifecycle_v2", "market_positions")
    gate.order(maker, RAIN, "buy", "yes", 41, 4)
    gate.order(taker, RAIN, "sell", "yes", 41, 4)
    await client.receive()

    gate.must(PauseMarket(RAIN))
    gate.must(ReactivateMarket(RAIN))
    assert [fields(m, "event_type", "is_deactivated") for m in await lifecycle(client)] == [
        ["deactivated", True],
        ["activated", False],
    ]

    gate.time_ns = START_NS + 86_401 * SECOND
    gate.must(Tick())
    assert gate.state.markets[RAIN].status == "closed"
    assert await lifecycle(client) == []

    later = gate.time_ns + 3600 * SECOND
    gate.must(ChangeCloseTime(RAIN, later))
    reopened = await lifecycle(client)
    assert [m["event_type"] for m in reopened] == ["close_date_updated", "activated"]
    assert reopened[0]["close_ts"] == later // SECOND

    determined = gate.must(DetermineMarket(RAIN, "yes"))
    early, result = await lifecycle(client)
    assert fields(early, "event_type", "close_ts") == [
        "close_date_updated",
        determined.time_ns // SECOND,
    ]
    assert result == {
        "event_type": "determined",
        "market_ticker": RAIN,
        "result": "yes",
        "determination_ts": determined.time_ns // SECOND,
        "settlement_value": "1.0000",
    }

    gate.must(DisputeMarket(RAIN))
    gate.must(DetermineMarket(RAIN, "no"))
    (amended,) = await lifecycle(client)
    assert fields(amended, "event_type", "result", "settlement_value") == [
        "determined",
        "no",
        "0.0000",
    ]

    gate.time_ns += 61 * SECOND
    gate.must(Tick())
    messages = await client.receive()
    (position,) = bodies(messages, "market_position")
    assert fields(position, "position", "position_cost", "realized_pnl") == [0, 0, -16_400]
    (settled,) = bodies(messages, "market_lifecycle_v2")
    assert fields(settled, "event_type", "settled_ts") == ["settled", gate.time_ns // SECOND]


async def test_a_void_market_shows_no_result(gate: DirectGate, gateway: MemoryGateway) -> None:
    client = gateway.connect()
    await client.subscribe("market_lifecycle_v2")
    gate.must(DetermineMarket(RAIN, "void"))
    result = (await lifecycle(client))[-1]
    assert result["result"] == ""
    assert "settlement_value" not in result


async def test_later_kinds_of_lifecycle_messages_are_for_the_latest_profile(
    gate: DirectGate, gateway: MemoryGateway
) -> None:
    clients = {profile: gateway.connect(profile=profile) for profile in ("legacy", "3.6", "latest")}
    for client in clients.values():
        await client.subscribe("market_lifecycle_v2")
    gate.must(SetPriceLevelStructure(RAIN, "deci_cent", PRICE_LEVEL_STRUCTURES["deci_cent"]))
    gate.must(UpdateMarket(RAIN, '{"title":"Rain!"}'))
    assert await lifecycle(clients["legacy"]) == []
    assert await lifecycle(clients["3.6"]) == []
    assert [m["event_type"] for m in await lifecycle(clients["latest"])] == [
        "price_level_structure_updated",
        "metadata_updated",
    ]


async def test_combo_markets_have_a_lifecycle_channel_of_their_own(
    gate: DirectGate, gateway: MemoryGateway
) -> None:
    client = gateway.connect()
    await client.subscribe("market_lifecycle_v2", "multivariate_market_lifecycle")
    gate.add_market("KXMVETEST-S1-M1")
    (message,) = await client.receive()
    assert message["type"] == "multivariate_market_lifecycle"
    assert message["sid"] == 2
    assert message["msg"]["event_type"] == "created"


async def test_lookups_of_combos_are_told_to_whoever_listens(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    """Creating counts as a lookup; a subscription to one combo hears of no other."""
    now = gate.now_ns()
    gate.must(CreateSeries("KXMVETEST", "quadratic", 1_000_000, "{}"))
    events = (("RAIN-26MAR01", False, 0, 0), ("SNOW-26MAR01", False, 0, 0))
    gate.must(
        CreateCollection(
            "KXMVETEST-R", "KXMVETEST", now, now + 3600 * SECOND, 2, 2, False, events, "{}"
        )
    )
    everything = gateway.connect()
    await everything.subscribe("multivariate", "market_lifecycle_v2")
    rain, snow = ("RAIN-26MAR01", RAIN, "no"), ("SNOW-26MAR01", SNOW, "yes")
    gate.must(CreateCombo(maker, "KXMVETEST-R", (rain, snow)))
    gate.must(CreateCombo(maker, "KXMVETEST-R", (rain, ("SNOW-26MAR01", SNOW, "no"))))
    # The lifecycle of combos, their events included, is not told there.
    messages = await everything.receive()
    assert {message["type"] for message in messages} == {"multivariate_lookup"}
    created, other = bodies(messages, "multivariate_lookup")
    assert created["collection_ticker"] == "KXMVETEST-R"
    assert created["market_ticker"].startswith(created["event_ticker"])
    assert created["selected_markets"] == [
        {"event_ticker": "RAIN-26MAR01", "market_ticker": RAIN, "side": "no"},
        {"event_ticker": "SNOW-26MAR01", "market_ticker": SNOW, "side": "yes"},
    ]
    one = gateway.connect()
    await one.subscribe("multivariate", market_ticker=other["market_ticker"])
    gate.must(LookUpCombo(maker, "KXMVETEST-R", (rain, snow)))
    assert await one.receive() == []
    gate.must(LookUpCombo(maker, "KXMVETEST-R", (rain, ("SNOW-26MAR01", SNOW, "no"))))
    assert bodies(await one.receive(), "multivariate_lookup") == [other]
    assert len(bodies(await everything.receive(), "multivariate_lookup")) == 2


async def test_a_new_combo_is_announced_with_the_names_of_its_legs(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    now = gate.now_ns()
    gate.must(CreateSeries("KXMVETEST", "quadratic", 1_000_000, "{}"))
    events = (("RAIN-26MAR01", False, 0, 0), ("SNOW-26MAR01", False, 0, 0))
    gate.must(
        CreateCollection(
            "KXMVETEST-R", "KXMVETEST", now, now + 3600 * SECOND, 2, 2, False, events, "{}"
        )
    )
    client = gateway.connect()
    await client.subscribe("multivariate_market_lifecycle")
    legs = (("RAIN-26MAR01", RAIN, "no"), ("SNOW-26MAR01", SNOW, "yes"))
    gate.must(CreateCombo(maker, "KXMVETEST-R", legs))
    (created,) = bodies(await client.receive(), "multivariate_market_lifecycle")
    metadata = created["additional_metadata"]
    assert metadata["title"] == "no Rain,yes Rain"
    assert metadata["custom_strike"]["Associated Markets"] == f"{RAIN},{SNOW}"


async def test_descriptions_that_are_no_json_objects_do_no_harm(
    gate: DirectGate, gateway: MemoryGateway
) -> None:
    client = gateway.connect()
    await client.subscribe("market_lifecycle_v2")
    for index, details in enumerate(("", "[]", "nonsense", "[" * 100_000, '{"title":null}')):
        gate.add_market(f"ODD-{index}-1", details=details)
    messages = await client.receive()
    created = bodies(messages, "market_lifecycle_v2")
    assert [m["additional_metadata"]["title"] for m in created] == [""] * 5


async def test_a_defect_in_publishing_stops_nobody_but_is_not_hidden(
    gate: DirectGate, maker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that missed a message without knowing would trade on a wrong book."""
    gateway = MemoryGateway(gate, WebSocketSettings())
    client = gateway.connect(maker)
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    monkeypatch.setattr("augury.gateways.ws.books.delta", lambda *_: 1 / 0)
    assert gate.order(maker, RAIN, "buy", "yes", 41, 1).rejection is None
    assert gateway.failures == 1
