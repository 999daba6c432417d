"""The examples of the AsyncAPI document, as an exchange sends them.

    python -m tests.ws_examples --write

``story`` plays one short day on the real engine and keeps the first message of every kind. Ids
and times follow from the commands, so a day that is played again says the same.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from augury.core.commands import (
    AcceptQuote,
    ConfirmQuote,
    CreateCollection,
    CreateCombo,
    CreateOrderGroup,
    CreateQuote,
    CreateRfq,
    CreateSeries,
    Tick,
)
from augury.gateways import ws
from tests.ws_harness import RAIN, SECOND, SNOW, MemoryClient, MemoryGateway, weather_gate

FILE = Path(ws.__file__).parent / "examples.json"


class Day:
    """Three members, each with a connection; what is sent to them is kept, once per kind."""

    def __init__(self) -> None:
        self.gate = weather_gate()
        self.gateway = MemoryGateway(self.gate)
        self.maker, self.taker = (
            self.gate.add_member(f"{name}@example.com")[0] for name in ("maker", "taker")
        )
        self.found: dict[str, Any] = {}
        self.next_id = 0

    async def ask(self, client: MemoryClient, cmd: str, **params: Any) -> None:
        self.next_id += 1
        frame: dict[str, Any] = {"id": self.next_id, "cmd": cmd}
        if params:
            frame["params"] = params
        self.found.setdefault(cmd, frame)
        client.send(frame)
        await self.hear(client)

    async def hear(self, client: MemoryClient) -> None:
        for message in await client.receive():
            kind = message["type"]
            if kind == "ok":
                kind = "subscriptions" if "subscriptions" in message else "updated"
            self.found.setdefault(kind, message)


async def story() -> dict[str, Any]:
    day = Day()
    gate, maker, taker = day.gate, day.maker, day.taker
    gate.order(maker, RAIN, "buy", "yes", 40, 25)
    gate.order(maker, RAIN, "buy", "yes", 41, 10)
    gate.order(maker, RAIN, "buy", "no", 55, 7)

    client = day.gateway.connect(taker)
    await day.ask(client, "subscribe", channels=["orderbook_delta"], market_ticker=RAIN)
    await day.ask(client, "list_subscriptions")
    await day.ask(client, "update_subscription", sid=1, action="add_markets", market_tickers=[SNOW])
    await day.ask(client, "subscribe", channels=["trade"], market_ticker="RAIN-26MAR01-T9")
    await day.ask(
        client,
        "subscribe",
        channels=[
            "ticker",
            "ticker_v2",
            "trade",
            "fill",
            "user_orders",
            "market_positions",
            "order_group_updates",
            "communications",
            "market_lifecycle_v2",
            "multivariate",
            "multivariate_market_lifecycle",
        ],
    )
    group = gate.must(CreateOrderGroup(taker, 0, 100_00)).sequence
    gate.order(taker, RAIN, "buy", "no", 60, 4, client_order_id="my-7", order_group_id=group)
    await day.hear(client)

    rfq = gate.must(CreateRfq(taker, 0, SNOW, 10_00, 0, False)).sequence
    quote = gate.must(CreateQuote(maker, 0, rfq, 4000, 5500, False)).sequence
    gate.must(AcceptQuote(taker, quote, "no"))
    gate.must(ConfirmQuote(maker, quote))
    gate.time_ns += 20 * SECOND
    gate.must(Tick())
    await day.hear(client)

    gate.add_market(
        "HAIL-26MAR02-T1",
        details=(
            '{"title":"Will it hail?","yes_sub_title":"Hail","no_sub_title":"No hail",'
            '"rules_primary":"Yes if hail of 5 mm or more is measured.","strike_type":"greater",'
            '"floor_strike":5}'
        ),
    )
    now = gate.now_ns()
    gate.must(CreateSeries("KXMVEWEATHER", "quadratic", 1_000_000, "{}"))
    events = (("RAIN-26MAR01", False, 0, 0), ("SNOW-26MAR01", False, 0, 0))
    gate.must(
        CreateCollection(
            "KXMVEWEATHER-R", "KXMVEWEATHER", now, now + 3600 * SECOND, 2, 2, False, events, "{}"
        )
    )
    legs = (("RAIN-26MAR01", RAIN, "no"), ("SNOW-26MAR01", SNOW, "yes"))
    gate.must(CreateCombo(taker, "KXMVEWEATHER-R", legs))
    await day.hear(client)
    await day.ask(client, "unsubscribe", sids=[1])
    return day.found


def played() -> dict[str, Any]:
    return asyncio.run(story())


def text(found: dict[str, Any]) -> str:
    """One example per line, so that a change shows which."""
    lines = [f"{json.dumps(kind)}: {json.dumps(found[kind])}" for kind in found]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(text(played()), encoding="utf-8")
    else:
        print(text(played()), end="")
