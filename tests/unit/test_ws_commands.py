"""The command protocol: who gets which error, in which order faults are found, and replies.

websocket.md, section 2. One connection, no sockets; the engine behind it is the real one.
"""

import json
from typing import Any

import pytest

from augury.codec.ids import format_id
from augury.gateways.settings import WebSocketSettings
from tests.ws_harness import RAIN, SNOW, MemoryClient, MemoryGateway, weather_gate

MEMBER = 1
ALL_CHANNELS = [
    "orderbook_delta",
    "ticker",
    "ticker_v2",
    "trade",
    "fill",
    "user_orders",
    "market_positions",
    "order_group_updates",
    "communications",
    "market_lifecycle_v2",
    "multivariate_market_lifecycle",
]
PRIVATE_CHANNELS = [
    "orderbook_delta",
    "fill",
    "user_orders",
    "market_positions",
    "order_group_updates",
    "communications",
]


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway(weather_gate())


@pytest.fixture
def client(gateway: MemoryGateway) -> MemoryClient:
    return gateway.connect(MEMBER)


async def error_of(client: MemoryClient, frame: object) -> tuple[int, str]:
    replies = await client.ask(frame)
    assert [reply["type"] for reply in replies] == ["error"], replies
    return replies[0]["msg"]["code"], replies[0]["msg"]["msg"]


def command(cmd: object = "subscribe", **params: Any) -> dict[str, Any]:
    return {"id": 1, "cmd": cmd, "params": params}


# One row per fault: the frame, the code and the text that answer it. The subscriptions 1
# (orderbook_delta, one market), 2 (ticker, all markets), 3 (market_lifecycle_v2) and 4 (trade,
# one market) exist.
FAULTS: list[tuple[object, int, str]] = [
    ("", 1, "Unable to process message"),
    ("hello", 1, "Unable to process message"),
    ("[]", 1, "Unable to process message"),
    ("null", 1, "Unable to process message"),
    ("7", 1, "Unable to process message"),
    ('{"id":1,"cmd":"subscribe"', 1, "Unable to process message"),
    ('{"id":1,"cmd":"list_subscriptions"} {}', 1, "Unable to process message"),
    ('{"id":NaN,"cmd":"list_subscriptions"}', 1, "Unable to process message"),
    ("[" * 100_000, 1, "Unable to process message"),
    ('{"a":' * 50_000, 1, "Unable to process message"),
    ('{"id":' + "9" * 5000 + "}", 1, "Unable to process message"),
    ({"id": "1", "cmd": "list_subscriptions"}, 1, "Unable to process message"),
    ({"id": 1.5, "cmd": "list_subscriptions"}, 1, "Unable to process message"),
    ({"id": 2**80, "cmd": "list_subscriptions"}, 1, "Unable to process message"),
    (command(["subscribe"]), 1, "Unable to process message"),
    ({"id": 1, "cmd": "subscribe", "params": []}, 1, "Unable to process message"),
    ({"id": 1, "cmd": "subscribe", "params": "ticker"}, 1, "Unable to process message"),
    (command(channels="ticker"), 1, "Unable to process message"),
    (command(channels=["ticker", 2]), 1, "Unable to process message"),
    (command(channels=["ticker"], market_ticker=5), 1, "Unable to process message"),
    (command(channels=["ticker"], market_tickers=RAIN), 1, "Unable to process message"),
    (command(channels=["ticker"], send_initial_snapshot="yes"), 1, "Unable to process message"),
    (command("unsubscribe", sids=["1"]), 1, "Unable to process message"),
    (command("unsubscribe", sids=1), 1, "Unable to process message"),
    ({"id": 1, "cmd": "subscribe"}, 2, "Params required"),
    ({"id": 1, "cmd": "subscribe", "params": None}, 2, "Params required"),
    ({"id": 1, "cmd": "unsubscribe"}, 2, "Params required"),
    ({"id": 1, "cmd": "update_subscription"}, 2, "Params required"),
    (command(), 3, "Channels required"),
    (command(channels=[]), 3, "Channels required"),
    (command(channels=None), 3, "Channels required"),
    (command("unsubscribe"), 4, "Subscription IDs required"),
    (command("unsubscribe", sids=[]), 4, "Subscription IDs required"),
    ({"id": 1}, 5, "Unknown command"),
    ({"id": 1, "cmd": ""}, 5, "Unknown command"),
    ({"id": 1, "cmd": "ok"}, 5, "Unknown command"),
    ({"id": 1, "cmd": "Subscribe", "params": {}}, 5, "Unknown command"),
    ({}, 5, "Unknown command"),
    (command("unsubscribe", sids=[9]), 7, "Unknown subscription ID"),
    (command("unsubscribe", sids=[0]), 7, "Unknown subscription ID"),
    (command("unsubscribe", sids=[-1]), 7, "Unknown subscription ID"),
    (
        command("update_subscription", sid=9, action="add_markets", market_ticker=RAIN),
        7,
        "Unknown subscription ID",
    ),
    (command(channels=["orderbook"], market_ticker=RAIN), 8, "Unknown channel name"),
    (command(channels=["communication"]), 8, "Unknown channel name"),
    (command(channels=["multiverse"]), 8, "Unknown channel name"),
    (command(channels=["trade", ""]), 8, "Unknown channel name"),
    (
        command(channels=["trade"], market_ticker=RAIN, market_tickers=[RAIN]),
        11,
        "Invalid parameter",
    ),
    (command(channels=["trade"], market_ids=["x"]), 11, "Invalid parameter"),
    (
        command(channels=["orderbook_delta"], market_ticker=RAIN, use_yes_price=True),
        11,
        "Invalid parameter",
    ),
    (
        command("update_subscription", sid=2, action="delete_markets", market_ticker=RAIN),
        11,
        "Invalid parameter",
    ),
    (
        command("update_subscription", sid=1, action="get_snapshot", market_ticker=SNOW),
        11,
        "Invalid parameter",
    ),
    (
        command("update_subscription", action="add_markets", market_ticker=SNOW),
        12,
        "Exactly one subscription ID is required",
    ),
    (
        command("update_subscription", sids=[], action="add_markets", market_ticker=SNOW),
        12,
        "Exactly one subscription ID is required",
    ),
    (
        command("update_subscription", sids=[1, 2], action="add_markets", market_ticker=SNOW),
        12,
        "Exactly one subscription ID is required",
    ),
    (
        command("update_subscription", sid=1, sids=[1], action="add_markets", market_ticker=SNOW),
        12,
        "Exactly one subscription ID is required",
    ),
    (
        command("update_subscription", sid=1, action="replace_markets", market_ticker=SNOW),
        13,
        "Unsupported action",
    ),
    (
        command("update_subscription", sid=3, action="add_markets", market_ticker=SNOW),
        13,
        "Unsupported action",
    ),
    (
        command("update_subscription", sid=4, action="get_snapshot", market_ticker=RAIN),
        13,
        "Unsupported action",
    ),
    (command(channels=["orderbook_delta"]), 14, "Market Ticker required"),
    (command(channels=["orderbook_delta"], market_tickers=[]), 14, "Market Ticker required"),
    (command(channels=["orderbook_delta"], market_ids=["x"]), 14, "Market Ticker required"),
    (
        command("update_subscription", sid=1, action="add_markets"),
        14,
        "Market Ticker required",
    ),
    (
        command("update_subscription", sid=2, action="add_markets"),
        14,
        "Market Ticker required",
    ),
    (command("update_subscription", sid=1, market_ticker=SNOW), 15, "Action required"),
    (
        command("update_subscription", sid=1, action="", market_ticker=SNOW),
        15,
        "Action required",
    ),
    (
        command(channels=["communications"], shard_factor="4"),
        1,
        "Unable to process message",
    ),
    (command(channels=["communications"], shard_factor=0), 19, "shard_factor must be > 0"),
    (
        command(channels=["communications"], shard_factor=-1, shard_key=0),
        19,
        "shard_factor must be > 0",
    ),
    (
        command(channels=["communications"], shard_key=0),
        20,
        "shard_factor is required when shard_key is set",
    ),
    (
        command(channels=["communications"], shard_factor=4, shard_key=4),
        21,
        "shard_key must be >= 0 and < shard_factor",
    ),
    (
        command(channels=["ticker", "communications"], shard_factor=4, shard_key=-1),
        21,
        "shard_key must be >= 0 and < shard_factor",
    ),
    (
        command(channels=["communications"], shard_factor=101, shard_key=0),
        22,
        "shard_factor must be <= 100",
    ),
    (command(channels=["trade"], market_ticker="NOPE-1"), 16, "Market not found"),
    (command(channels=["trade"], market_tickers=[RAIN, ""]), 16, "Market not found"),
    (command(channels=["ticker"], market_id="nonsense"), 16, "Market not found"),
    (
        command("update_subscription", sid=1, action="add_markets", market_ticker="NOPE-1"),
        16,
        "Market not found",
    ),
]


@pytest.mark.parametrize(
    "frame, code, text", FAULTS, ids=[f"{f[1]}-{str(f[0])[:60]}" for f in FAULTS]
)
async def test_each_fault_has_its_code_and_changes_nothing(
    client: MemoryClient, frame: object, code: int, text: str
) -> None:
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    await client.subscribe("ticker")
    await client.subscribe("market_lifecycle_v2")
    await client.subscribe("trade", market_ticker=RAIN)
    before = await client.ask({"id": 2, "cmd": "list_subscriptions"})

    assert await error_of(client, frame) == (code, text)

    assert await client.ask({"id": 2, "cmd": "list_subscriptions"}) == before
    assert client.socket.closed is None


async def test_faults_are_found_in_the_documented_order(client: MemoryClient) -> None:
    """A frame with everything wrong is repaired step by step: 1, 5, 2, then 3, 8, 11, 16."""
    frame: dict[str, Any] = {"id": 1, "cmd": "bogus", "params": 5}
    assert (await error_of(client, frame))[0] == 1
    del frame["params"]
    assert (await error_of(client, frame))[0] == 5
    frame["cmd"] = "subscribe"
    assert (await error_of(client, frame))[0] == 2
    frame["params"] = {"market_ticker": "NOPE", "market_tickers": ["NOPE"]}
    assert (await error_of(client, frame))[0] == 3
    frame["params"]["channels"] = ["fill", "bogus"]
    assert (await error_of(client, frame))[0] == 8
    frame["params"]["channels"] = ["fill"]
    assert (await error_of(client, frame))[0] == 11
    del frame["params"]["market_ticker"]
    assert (await error_of(client, frame))[0] == 16
    frame["params"]["market_tickers"] = [RAIN]
    assert [reply["type"] for reply in await client.ask(frame)] == ["subscribed"]


async def test_an_error_names_the_unknown_market_and_carries_the_id(client: MemoryClient) -> None:
    replies = await client.ask(
        {"id": 8, "cmd": "subscribe", "params": {"channels": ["trade"], "market_ticker": "NOPE-1"}}
    )
    assert replies == [
        {
            "id": 8,
            "type": "error",
            "msg": {"code": 16, "msg": "Market not found", "market_ticker": "NOPE-1"},
        }
    ]
    stranger = format_id("market", 999)
    replies = await client.subscribe("ticker", market_ids=[stranger])
    assert replies[0]["msg"]["market_id"] == stranger


async def test_a_frame_of_the_wrong_shape_is_answered_with_its_id(client: MemoryClient) -> None:
    replies = await client.ask({"id": 41, "cmd": "subscribe", "params": {"channels": 5}})
    assert replies[0]["id"] == 41


async def test_without_an_id_replies_carry_none(client: MemoryClient) -> None:
    """0 counts as absent, like null."""
    for frame in (
        '{"id":0,"cmd":"list_subscriptions"}',
        '{"id":null,"cmd":"list_subscriptions"}',
        '{"cmd":"list_subscriptions"}',
        '{"id":0,"cmd":"bogus"}',
    ):
        replies = await client.ask(frame)
        assert len(replies) == 1
        assert "id" not in replies[0]


async def test_a_binary_frame_is_an_error_and_nothing_worse(client: MemoryClient) -> None:
    client.session.handle(None)
    assert [reply["msg"]["code"] for reply in await client.receive()] == [1]


@pytest.mark.parametrize("channel", PRIVATE_CHANNELS)
async def test_private_channels_need_a_signed_handshake(
    gateway: MemoryGateway, channel: str
) -> None:
    anonymous = gateway.connect()
    code, text = await error_of(anonymous, command(channels=[channel], market_ticker=RAIN))
    assert (code, text) == (9, "Authentication required")


async def test_one_private_channel_fails_the_whole_command(gateway: MemoryGateway) -> None:
    anonymous = gateway.connect()
    assert (await error_of(anonymous, command(channels=["ticker", "fill"])))[0] == 9
    replies = await anonymous.ask({"id": 1, "cmd": "list_subscriptions"})
    assert replies[0]["subscriptions"] == []


async def test_public_channels_are_open_to_everybody(gateway: MemoryGateway) -> None:
    anonymous = gateway.connect()
    public = [channel for channel in ALL_CHANNELS if channel not in PRIVATE_CHANNELS]
    replies = await anonymous.subscribe(*public)
    assert [reply["msg"]["channel"] for reply in replies] == public


async def test_a_setting_opens_the_book_to_everybody() -> None:
    gateway = MemoryGateway(weather_gate(), WebSocketSettings(public_orderbook=True))
    replies = await gateway.connect().subscribe("orderbook_delta", market_ticker=RAIN)
    assert [reply["type"] for reply in replies] == ["subscribed", "orderbook_snapshot"]


async def test_a_setting_removes_ticker_v2() -> None:
    gateway = MemoryGateway(weather_gate(), WebSocketSettings(ticker_v2=False))
    assert (await error_of(gateway.connect(), command(channels=["ticker_v2"])))[0] == 8


# --- subscribe -------------------------------------------------------------------------------


async def test_each_channel_gets_its_own_sid_in_the_order_named(client: MemoryClient) -> None:
    replies = await client.ask(
        {"id": 7, "cmd": "subscribe", "params": {"channels": ALL_CHANNELS, "market_ticker": RAIN}}
    )
    subscribed = [reply for reply in replies if reply["type"] == "subscribed"]
    assert subscribed == [
        {"id": 7, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}
        for sid, channel in enumerate(ALL_CHANNELS, start=1)
    ]
    # Replies come before the first data, so that a client which counts replies is not surprised.
    assert replies[: len(subscribed)] == subscribed
    assert [reply["type"] for reply in replies[len(subscribed) :]] == ["orderbook_snapshot"]


async def test_ignored_filters_cause_no_error(client: MemoryClient) -> None:
    for channel in ("market_lifecycle_v2", "order_group_updates"):
        replies = await client.subscribe(channel, market_ticker="NOPE-1")
        assert [reply["type"] for reply in replies] == ["subscribed"]


async def test_sids_are_not_used_again(client: MemoryClient) -> None:
    await client.subscribe("ticker")
    await client.ask(command("unsubscribe", sids=[1]))
    replies = await client.subscribe("ticker")
    assert replies[0]["msg"]["sid"] == 2


async def test_subscribing_again_adds_the_new_markets(client: MemoryClient) -> None:
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    same = await client.ask(
        {
            "id": 2,
            "cmd": "subscribe",
            "params": {"channels": ["orderbook_delta"], "market_ticker": RAIN},
        }
    )
    assert same == [{"id": 2, "sid": 1, "seq": 2, "type": "ok", "market_tickers": [RAIN]}]
    more = await client.ask(
        {
            "id": 3,
            "cmd": "subscribe",
            "params": {"channels": ["orderbook_delta"], "market_tickers": [RAIN, SNOW]},
        }
    )
    assert more[0] == {"id": 3, "sid": 1, "seq": 3, "type": "ok", "market_tickers": [RAIN, SNOW]}
    assert [(m["type"], m["seq"], m["msg"]["market_ticker"]) for m in more[1:]] == [
        ("orderbook_snapshot", 4, SNOW)
    ]


async def test_subscribing_again_without_markets_means_all_of_them(
    gateway: MemoryGateway, client: MemoryClient
) -> None:
    await client.subscribe("ticker", market_ticker=RAIN)
    assert await client.subscribe("ticker") == [{"id": 1, "sid": 1, "type": "ok"}]
    member, _ = gateway.gate.add_member("maker@example.com")
    gateway.gate.order(member, SNOW, "buy", "yes", 40, 1)
    assert [m["msg"]["market_ticker"] for m in await client.receive()] == [SNOW]


async def test_markets_can_be_named_by_id_on_ticker_channels(
    gateway: MemoryGateway, client: MemoryClient
) -> None:
    state = gateway.gate.state
    ids = [format_id("market", state.markets[ticker].id) for ticker in (SNOW, RAIN)]
    replies = await client.subscribe("ticker", market_ids=ids, send_initial_snapshot=True)
    assert [(m["type"], m["msg"].get("market_ticker")) for m in replies] == [
        ("subscribed", None),
        ("ticker", SNOW),
        ("ticker", RAIN),
    ]
    assert [m["msg"]["market_id"] for m in replies[1:]] == ids
    replies = await client.subscribe("ticker_v2", market_id=ids[0])
    assert [m["type"] for m in replies] == ["subscribed"]
    # Also one that was listed later.
    gateway.gate.add_market("HAIL-26MAR01-T1")
    later = format_id("market", state.markets["HAIL-26MAR01-T1"].id)
    assert (await client.subscribe("ticker", market_id=later))[0]["market_tickers"][-1] == (
        "HAIL-26MAR01-T1"
    )


# --- list and unsubscribe ---------------------------------------------------------------------


async def test_the_list_shows_what_is_subscribed(client: MemoryClient) -> None:
    assert await client.ask({"id": 1, "cmd": "list_subscriptions"}) == [
        {"id": 1, "type": "ok", "subscriptions": []}
    ]
    await client.subscribe("ticker", "fill")
    assert await client.ask({"id": 7, "cmd": "list_subscriptions", "params": {}}) == [
        {
            "id": 7,
            "type": "ok",
            "subscriptions": [{"channel": "ticker", "sid": 1}, {"channel": "fill", "sid": 2}],
        }
    ]


async def test_unsubscribe_answers_each_sid_and_ends_the_known_ones(
    gateway: MemoryGateway, client: MemoryClient
) -> None:
    """Only sequenced channels number the reply."""
    await client.subscribe("orderbook_delta", "ticker", market_ticker=RAIN)
    replies = await client.ask({"id": 5, "cmd": "unsubscribe", "params": {"sids": [1, 9, 2]}})
    assert replies == [
        {"id": 5, "sid": 1, "seq": 2, "type": "unsubscribed"},
        {
            "id": 5,
            "sid": 9,
            "type": "error",
            "msg": {"code": 7, "msg": "Unknown subscription ID"},
        },
        {"id": 5, "sid": 2, "type": "unsubscribed"},
    ]
    member, _ = gateway.gate.add_member("maker@example.com")
    gateway.gate.order(member, RAIN, "buy", "yes", 40, 1)
    assert await client.receive() == []


# --- update_subscription -----------------------------------------------------------------------


async def test_added_markets_get_a_snapshot_and_the_full_list_is_answered(
    client: MemoryClient,
) -> None:
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    for one_sid in ({"sid": 1}, {"sids": [1]}):
        replies = await client.ask(
            {
                "id": 6,
                "cmd": "update_subscription",
                "params": {**one_sid, "action": "add_markets", "market_tickers": [SNOW]},
            }
        )
        assert replies[0]["type"] == "ok"
        assert replies[0]["market_tickers"] == [RAIN, SNOW]
        assert [m["msg"]["market_ticker"] for m in replies[1:]] == (
            [SNOW] if one_sid == {"sid": 1} else []
        )


async def test_deleted_markets_fall_silent(gateway: MemoryGateway, client: MemoryClient) -> None:
    """An emptied list leaves a living subscription that sends nothing."""
    gate = gateway.gate
    member, _ = gate.add_member("maker@example.com")
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    replies = await client.ask(
        command("update_subscription", sid=1, action="delete_markets", market_ticker=RAIN)
    )
    assert replies == [{"id": 1, "sid": 1, "seq": 2, "type": "ok", "market_tickers": []}]
    gate.order(member, RAIN, "buy", "yes", 40, 1)
    assert await client.receive() == []
    replies = await client.ask(
        command("update_subscription", sid=1, action="add_markets", market_ticker=RAIN)
    )
    assert [m["type"] for m in replies] == ["ok", "orderbook_snapshot"]
    assert replies[1]["msg"]["yes"] == [[40, 1]]


async def test_a_market_that_vanished_can_still_be_deleted(
    gateway: MemoryGateway, client: MemoryClient
) -> None:
    await client.subscribe("trade", market_tickers=[RAIN, SNOW])
    del gateway.gate.state.markets[SNOW]
    replies = await client.ask(
        command("update_subscription", sid=1, action="delete_markets", market_ticker=SNOW)
    )
    assert replies[0]["market_tickers"] == [RAIN]


async def test_adding_to_all_markets_changes_nothing(client: MemoryClient) -> None:
    await client.subscribe("ticker")
    replies = await client.ask(
        command("update_subscription", sid=1, action="add_markets", market_ticker=RAIN)
    )
    assert replies == [{"id": 1, "sid": 1, "type": "ok"}]


async def test_one_unknown_market_leaves_the_subscription_as_it_was(client: MemoryClient) -> None:
    await client.subscribe("trade", market_ticker=RAIN)
    code, _ = await error_of(
        client,
        command("update_subscription", sid=1, action="add_markets", market_tickers=[SNOW, "NOPE"]),
    )
    assert code == 16
    replies = await client.subscribe("trade", market_ticker=RAIN)
    assert replies[0]["market_tickers"] == [RAIN]


async def test_skip_ticker_ack_leaves_out_the_list(client: MemoryClient) -> None:
    await client.subscribe("ticker", market_ticker=RAIN, skip_ticker_ack=True)
    replies = await client.ask(
        command("update_subscription", sid=1, action="add_markets", market_ticker=SNOW)
    )
    assert replies == [{"id": 1, "sid": 1, "type": "ok"}]


async def test_a_snapshot_on_demand_continues_the_sequence(
    gateway: MemoryGateway, client: MemoryClient
) -> None:
    member, _ = gateway.gate.add_member("maker@example.com")
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    gateway.gate.order(member, RAIN, "buy", "yes", 40, 1)
    replies = await client.ask(
        command("update_subscription", sid=1, action="get_snapshot", market_ticker=RAIN)
    )
    # The delta was queued before the command came in.
    assert [(m["type"], m["seq"]) for m in replies] == [
        ("orderbook_delta", 2),
        ("ok", 3),
        ("orderbook_snapshot", 4),
    ]
    gateway.gate.order(member, RAIN, "buy", "yes", 40, 1)
    assert [m["seq"] for m in await client.receive()] == [5]


# --- limits ------------------------------------------------------------------------------------


async def test_too_many_commands_are_refused_until_the_budget_refills() -> None:
    gateway = MemoryGateway(weather_gate(), WebSocketSettings(commands_per_second=10))
    client = gateway.connect()
    for number in range(15):
        client.send({"id": number + 1, "cmd": "list_subscriptions"})
    replies = await client.receive()
    assert [reply["type"] for reply in replies] == ["ok"] * 10 + ["error"] * 5
    assert replies[-1]["msg"] == {"code": 27, "msg": "Too many requests"}
    gateway.clock += 0.5
    for number in range(6):
        client.send({"id": number + 1, "cmd": "list_subscriptions"})
    assert [reply["type"] for reply in await client.receive()] == ["ok"] * 5 + ["error"]


async def test_markets_of_one_connection_are_limited() -> None:
    gateway = MemoryGateway(weather_gate(), WebSocketSettings(markets_per_connection=3))
    client = gateway.connect(MEMBER)
    await client.subscribe("trade", market_tickers=[RAIN, SNOW])
    assert (await error_of(client, command(channels=["ticker"], market_tickers=[RAIN, SNOW])))[
        0
    ] == 26
    # Naming a market twice costs nothing more, and giving one up makes room.
    assert (await client.subscribe("trade", market_tickers=[SNOW]))[0]["type"] == "ok"
    await client.ask(
        command("update_subscription", sid=1, action="delete_markets", market_ticker=RAIN)
    )
    replies = await client.subscribe("ticker", market_tickers=[RAIN, SNOW])
    assert replies[0]["type"] == "subscribed"
    await client.ask(command("unsubscribe", sids=[1]))
    replies = await client.subscribe("trade", market_ticker=RAIN)
    assert replies[0]["type"] == "subscribed"


async def test_a_defect_in_a_command_is_an_error_17_and_the_connection_lives(
    gateway: MemoryGateway, client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(client.session, "_list", fail)
    assert await error_of(client, {"id": 1, "cmd": "list_subscriptions"}) == (17, "Internal error")
    assert (await client.subscribe("ticker"))[0]["type"] == "subscribed"


async def test_replies_have_the_published_shapes(client: MemoryClient) -> None:
    """Byte for byte, keys in the published order."""
    client.send(
        {
            "id": 1,
            "cmd": "subscribe",
            "params": {"channels": ["orderbook_delta"], "market_ticker": RAIN},
        }
    )
    client.send(
        {
            "id": 6,
            "cmd": "update_subscription",
            "params": {"sid": 1, "action": "add_markets", "market_ticker": SNOW},
        }
    )
    client.send({"id": 7, "cmd": "list_subscriptions"})
    client.send({"id": 5, "cmd": "unsubscribe", "params": {"sids": [1]}})
    messages = await client.receive()
    assert [m["seq"] for m in messages if "seq" in m] == [1, 2, 3, 4]
    assert [
        json.dumps(message, separators=(",", ":"))
        for message in messages
        if message["type"] != "orderbook_snapshot"
    ] == [
        '{"id":1,"type":"subscribed","msg":{"channel":"orderbook_delta","sid":1}}',
        f'{{"id":6,"sid":1,"seq":2,"type":"ok","market_tickers":["{RAIN}","{SNOW}"]}}',
        '{"id":7,"type":"ok","subscriptions":[{"channel":"orderbook_delta","sid":1}]}',
        '{"id":5,"sid":1,"seq":4,"type":"unsubscribed"}',
    ]
