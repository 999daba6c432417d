"""The order book channel: snapshot, deltas, prices of both sides, and what only owners see.

websocket.md, section 4.
"""

import pytest

from augury.core.commands import (
    CancelOrder,
    CreateSubaccount,
    DecreaseOrder,
    TransferBetweenSubaccounts,
)
from tests.ws_harness import (
    FINE,
    RAIN,
    SNOW,
    ClientBooks,
    DirectGate,
    MemoryClient,
    MemoryGateway,
    engine_book,
    engine_whole_book,
    weather_gate,
)


@pytest.fixture
def gate() -> DirectGate:
    return weather_gate()


@pytest.fixture
def maker(gate: DirectGate) -> int:
    return gate.add_member("maker@example.com")[0]


@pytest.fixture
def taker(gate: DirectGate) -> int:
    return gate.add_member("taker@example.com")[0]


@pytest.fixture
def gateway(gate: DirectGate) -> MemoryGateway:
    return MemoryGateway(gate)


@pytest.fixture
def client(gateway: MemoryGateway) -> MemoryClient:
    """Somebody who only watches."""
    return gateway.connect(999)


async def test_the_snapshot_shows_both_sides_as_bids(
    gate: DirectGate, maker: int, client: MemoryClient
) -> None:
    gate.order(maker, RAIN, "buy", "yes", 41, 10)
    gate.order(maker, RAIN, "buy", "yes", 40, 25)
    gate.order(maker, RAIN, "buy", "no", 55, 7)
    gate.order(maker, RAIN, "sell", "yes", 47, 3)  # a NO bid at 53
    _, snapshot = await client.subscribe("orderbook_delta", market_ticker=RAIN)
    market_id = snapshot["msg"].pop("market_id")
    assert len(market_id) == 36
    assert snapshot == {
        "type": "orderbook_snapshot",
        "sid": 1,
        "seq": 1,
        "msg": {
            "market_ticker": RAIN,
            "yes": [[40, 25], [41, 10]],
            "yes_dollars": [["0.4000", 25], ["0.4100", 10]],
            "yes_dollars_fp": [["0.4000", "25.00"], ["0.4100", "10.00"]],
            "no": [[53, 3], [55, 7]],
            "no_dollars": [["0.5300", 3], ["0.5500", 7]],
            "no_dollars_fp": [["0.5300", "3.00"], ["0.5500", "7.00"]],
        },
    }


async def test_the_keys_of_an_empty_side_are_absent(
    gate: DirectGate, maker: int, client: MemoryClient
) -> None:
    gate.order(maker, RAIN, "buy", "no", 55, 7)
    _, snapshot = await client.subscribe("orderbook_delta", market_ticker=RAIN)
    assert set(snapshot["msg"]) == {
        "market_ticker",
        "market_id",
        "no",
        "no_dollars",
        "no_dollars_fp",
    }


async def test_each_market_has_its_snapshot_before_its_deltas(
    gate: DirectGate, maker: int, client: MemoryClient
) -> None:
    replies = await client.subscribe("orderbook_delta", market_tickers=[RAIN, SNOW])
    assert [(m["type"], m["msg"].get("market_ticker")) for m in replies] == [
        ("subscribed", None),
        ("orderbook_snapshot", RAIN),
        ("orderbook_snapshot", SNOW),
    ]
    gate.order(maker, SNOW, "buy", "yes", 40, 1)
    gate.order(maker, RAIN, "buy", "no", 40, 1)
    deltas = await client.receive()
    # One counter for all markets of the subscription.
    assert [(m["seq"], m["msg"]["market_ticker"], m["msg"]["side"]) for m in deltas] == [
        (3, SNOW, "yes"),
        (4, RAIN, "no"),
    ]


async def test_a_sweep_is_one_delta_per_level_best_first(
    gate: DirectGate, maker: int, taker: int, client: MemoryClient
) -> None:
    """The taker takes three asks, the last one in part, and leaves nothing behind."""
    for cents in (43, 41, 42):
        gate.order(maker, RAIN, "sell", "yes", cents, 10)
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    gate.order(taker, RAIN, "buy", "yes", 45, 25)
    assert [
        (m["msg"]["side"], m["msg"]["price"], m["msg"]["delta"]) for m in await client.receive()
    ] == [("no", 59, -10), ("no", 58, -10), ("no", 57, -5)]


async def test_every_way_to_change_an_order_moves_its_level(
    gate: DirectGate, maker: int, taker: int, client: MemoryClient
) -> None:
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    order_id = gate.order(maker, RAIN, "buy", "yes", 40, 10).sequence
    gate.order(taker, RAIN, "sell", "yes", 40, 2)
    gate.must(DecreaseOrder(maker, order_id, reduce_by=300))
    gate.must(CancelOrder(maker, order_id))
    deltas = [m["msg"] for m in await client.receive()]
    assert [(d["price"], d["delta"], d["delta_fp"], d["price_dollars"]) for d in deltas] == [
        (40, 10, "10.00", "0.4000"),
        (40, -2, "-2.00", "0.4000"),
        (40, -3, "-3.00", "0.4000"),
        (40, -5, "-5.00", "0.4000"),
    ]
    assert all(d["ts_ms"] and d["ts"].endswith("Z") for d in deltas)


async def test_only_those_whose_orders_caused_it_see_client_order_ids(
    gate: DirectGate, gateway: MemoryGateway, maker: int, taker: int, client: MemoryClient
) -> None:
    maker_client = gateway.connect(maker)
    taker_client = gateway.connect(taker)
    anonymous = [client, maker_client, taker_client]
    for one in anonymous:
        await one.subscribe("orderbook_delta", market_ticker=RAIN)
    gate.order(maker, RAIN, "buy", "yes", 40, 10, client_order_id='my-7 "quoted" \u00e9')
    gate.order(taker, RAIN, "sell", "yes", 40, 4, client_order_id="theirs")
    seen = [[m["msg"].get("client_order_id") for m in await one.receive()] for one in anonymous]
    mine = 'my-7 "quoted" \u00e9'
    assert seen == [[None, None], [mine, mine], [None, "theirs"]]


async def test_an_order_in_a_subaccount_says_so_to_its_owner(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    gate.must(CreateSubaccount(maker))
    gate.must(TransferBetweenSubaccounts(maker, 0, 1, 1_000_000_000, "t-1"))
    client = gateway.connect(maker)
    await client.subscribe("orderbook_delta", market_ticker=RAIN)
    gate.order(maker, RAIN, "buy", "yes", 40, 1, subaccount=1)
    gate.order(maker, RAIN, "buy", "yes", 40, 1)
    assert [m["msg"].get("subaccount") for m in await client.receive()] == [1, None]


async def test_yes_prices_for_both_sides_on_request(
    gate: DirectGate, gateway: MemoryGateway, maker: int
) -> None:
    client = gateway.connect(maker)
    gate.order(maker, RAIN, "sell", "yes", 47, 3)
    gate.order(maker, RAIN, "sell", "yes", 45, 2)
    _, snapshot = await client.subscribe("orderbook_delta", market_ticker=RAIN, use_yes_price=True)
    assert snapshot["msg"]["no_dollars_fp"] == [["0.4500", "2.00"], ["0.4700", "3.00"]]
    gate.order(maker, RAIN, "buy", "no", 60, 1)
    (delta,) = await client.receive()
    assert (delta["msg"]["side"], delta["msg"]["price"]) == ("no", 40)


async def test_integer_arrays_merge_what_is_below_a_cent(
    gate: DirectGate, maker: int, client: MemoryClient
) -> None:
    """0.401 and 0.409 are both 40 cents; half a contract is no whole one."""
    gate.order(maker, FINE, "buy", "yes", 40.1, 10)
    gate.order(maker, FINE, "buy", "yes", 40.9, 5)
    gate.order(maker, FINE, "buy", "yes", 41.5, 0.5)
    gate.order(maker, FINE, "buy", "no", 55.5, 2.75)
    _, snapshot = await client.subscribe("orderbook_delta", market_ticker=FINE)
    msg = snapshot["msg"]
    assert msg["yes"] == [[40, 15]]
    assert msg["yes_dollars"] == [["0.4010", 10], ["0.4090", 5]]
    assert msg["yes_dollars_fp"] == [["0.4010", "10.00"], ["0.4090", "5.00"], ["0.4150", "0.50"]]
    assert msg["no"] == [[55, 2]]
    assert msg["no_dollars_fp"] == [["0.5550", "2.75"]]


async def test_integer_deltas_add_up_to_the_next_integer_snapshot(
    gate: DirectGate, maker: int, taker: int, client: MemoryClient
) -> None:
    books = ClientBooks()
    for message in await client.subscribe("orderbook_delta", market_ticker=FINE):
        books.read(message)
    for quantity in (0.5, 0.5, 1.75, 0.25):
        gate.order(maker, FINE, "buy", "yes", 40.1, quantity)
    gate.order(taker, FINE, "sell", "yes", 40.1, 1.01)
    deltas = await client.receive()
    assert [(m["msg"]["delta"], m["msg"]["delta_fp"]) for m in deltas] == [
        (0, "0.50"),
        (1, "0.50"),
        (1, "1.75"),
        (1, "0.25"),
        (-2, "-1.01"),
    ]
    for message in deltas:
        books.read(message)
    market = gate.state.markets[FINE]
    assert books.exact[FINE] == engine_book(market)
    assert books.whole[FINE] == engine_whole_book(market)
