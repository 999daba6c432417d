"""A socket whose key is for one subaccount hears of that one, and what everybody hears."""

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from augury.client.signing import Signer
from augury.codec.ids import format_id
from augury.core import commands as c
from tests.rest_harness import key_pair
from tests.ws_harness import (
    RAIN,
    DirectGate,
    NetworkClient,
    serve,
    weather_gate,
)

PRIVATE = ("fill", "user_orders", "market_positions", "order_group_updates")


def key_for(gate: DirectGate, member_id: int, subaccount: int, *scopes: str) -> Signer:
    command = c.AddApiKey(
        member_id, "locked", key_pair().public_pem, scopes or ("read",), "", subaccount
    )
    key_id = gate.must(command).sequence
    return Signer(format_id("api_key", key_id), key_pair().private_pem)


def order(member_id: int, subaccount: int, side: str, price: int) -> c.PlaceOrder:
    name = f"{member_id}-{subaccount}-{side}-{price}"
    return c.PlaceOrder(member_id, subaccount, RAIN, name, "buy", side, price, 100)


async def everything(client: NetworkClient) -> list[dict[str, Any]]:
    """What came up to now: the reply to a command is behind all of it."""
    await client.send({"id": 99, "cmd": "list_subscriptions"})
    found = []
    while (message := await client.receive()).get("id") != 99:
        found.append(message)
    return found


async def test_what_is_private_to_other_subaccounts_is_not_told() -> None:
    gate = weather_gate()
    member, signer = gate.add_member("several@example.com")
    gate.must(c.CreateSubaccount(member))
    gate.must(c.Deposit(member, 1, 100_000_000))
    other, _ = gate.add_member("other@example.com")
    locked = key_for(gate, member, 1)
    async with (
        serve(gate) as server,
        server.connect(locked) as restricted,
        server.connect(signer) as unrestricted,
    ):
        for client in (restricted, unrestricted):
            for channel in PRIVATE:
                await client.subscribe(channel)
            await client.subscribe("orderbook_delta", market_ticker=RAIN)
        gate.must(c.CreateOrderGroup(member, 0, 500))
        gate.must(order(member, 0, "yes", 4000))
        gate.must(order(other, 0, "no", 4000))
        gate.must(order(member, 0, "yes", 3000))
        heard = await everything(restricted)
        assert {message["type"] for message in heard} == {
            "orderbook_snapshot",
            "orderbook_delta",
        }
        assert not any("client_order_id" in message["msg"] for message in heard)
        heard = await everything(unrestricted)
        assert {message["type"] for message in heard} >= {
            "fill",
            "user_order",
            "market_position",
            "order_group_updates",
        }
        assert any("client_order_id" in message["msg"] for message in heard)

        gate.must(c.CreateOrderGroup(member, 1, 500))
        gate.must(order(member, 1, "yes", 4100))
        gate.must(order(other, 0, "no", 4100))
        heard = await everything(restricted)
        assert {message["type"] for message in heard} >= {
            "fill",
            "user_order",
            "market_position",
            "order_group_updates",
        }
        own = [message["msg"] for message in heard if message["type"] == "orderbook_delta"]
        assert own[0]["client_order_id"] == f"{member}-1-yes-4100"


async def test_a_key_that_may_not_read_opens_no_socket() -> None:
    gate = weather_gate()
    member, _ = gate.add_member("trader@example.com")
    trader = key_for(gate, member, -1, "write::trade")
    async with serve(gate) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connect(trader):
                pass
    response = refused.value.response
    assert response.status_code == 403
    assert json.loads(bytes(response.body or b""))["code"] == "insufficient_scope"
