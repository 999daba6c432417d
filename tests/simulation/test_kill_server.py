"""The whole server is killed with SIGKILL under load, two hundred times.

Members trade through the real API from several connections; the process dies at a random moment,
sometimes while it is still starting. After every restart everything that was ever acknowledged
must be there: orders, fills, cancels and money to the cent. What was not acknowledged may or may
not be there, but whole, and a retry with the same client order id makes it one order.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from augury.app.auditing import audit_log
from augury.app.data_directory import log_path
from augury.codec.text import parse_dollars
from augury.core.snapshot import state_hash
from augury.log.sqlite import SqliteLog
from augury.sequencer.recovery import recover
from augury.testing import Member, RunningExchange, running_exchange
from scripts.results import record

KILLS = int(os.environ.get("AUGURY_KILLS", "200"))
KILLED_WHILE_STARTING = KILLS // 10
CONNECTIONS = 4
LONGEST_LIFE = 0.4
BASE = "/trade-api/v2"
ORDERS = f"{BASE}/portfolio/orders"
MARKETS = ("KXKILL-1-A", "KXKILL-1-B", "KXKILL-1-C")
OPENING_CENTS = 10_000_000

# The connection breaks off in one of these ways when the other side dies.
BROKEN = (httpx.TransportError, OSError)


@dataclass
class Known:
    """An order as it was last acknowledged."""

    member: Member
    client_order_id: str
    order: dict[str, Any]
    cancel_in_doubt: bool = False


@dataclass
class Memory:
    """What the members were told, and what they asked without an answer."""

    orders: dict[str, Known] = field(default_factory=dict)
    unanswered: list[tuple[Member, dict[str, Any]]] = field(default_factory=list)
    acknowledged: int = 0
    touched: set[str] = field(default_factory=set)
    """Orders to look at after the next restart."""

    def note(self, member: Member, order: dict[str, Any]) -> None:
        known = self.orders.get(order["order_id"])
        if known is None:
            known = Known(member, order["client_order_id"], order)
            self.orders[order["order_id"]] = known
        known.order = order
        self.acknowledged += 1
        self.touched.add(order["order_id"])


class Traders:
    """Members who place and cancel until the exchange is gone.

    Each buys one side only, so nobody ever closes a position and the cash of each follows from
    fills and fees alone.
    """

    def __init__(self, exchange: RunningExchange, chance: random.Random) -> None:
        self.exchange = exchange
        self.chance = chance
        self.memory = Memory()
        self.buyers = [exchange.add_member(deposit="100000.00") for _ in range(3)]
        self.sellers = [exchange.add_member(deposit="100000.00") for _ in range(3)]
        self.number = 0

    @property
    def members(self) -> list[Member]:
        return [*self.buyers, *self.sellers]

    async def trade(self) -> None:
        """Until the connection breaks."""
        async with httpx.AsyncClient(base_url=self.exchange.url, trust_env=False) as http:
            with contextlib.suppress(*BROKEN):
                while True:
                    if self.chance.random() < 0.25:
                        await self.cancel(http)
                    else:
                        await self.place(http)

    async def place(self, http: httpx.AsyncClient) -> None:
        self.number += 1
        buying = self.chance.random() < 0.5
        body = {
            "ticker": self.chance.choice(MARKETS),
            "action": "buy",
            "side": "yes" if buying else "no",
            "count": self.chance.randint(1, 20),
            "client_order_id": f"order-{self.number}",
            # Around the middle, so that about half of them meet somebody.
            "yes_price" if buying else "no_price": self.chance.randint(40, 60),
        }
        member = self.chance.choice(self.buyers if buying else self.sellers)
        self.memory.unanswered.append((member, body))
        answer = await self.send(http, member, "POST", ORDERS, body)
        assert answer.status_code == 201, answer.text
        self.memory.unanswered.remove((member, body))
        self.memory.note(member, answer.json()["order"])

    async def cancel(self, http: httpx.AsyncClient) -> None:
        resting = [k for k in self.memory.orders.values() if k.order["status"] == "resting"]
        if not resting:
            return
        known = self.chance.choice(resting[-50:])
        known.cancel_in_doubt = True
        self.memory.touched.add(known.order["order_id"])
        path = f"{ORDERS}/{known.order['order_id']}"
        answer = await self.send(http, known.member, "DELETE", path)
        if answer.status_code == 404:  # filled meanwhile
            known.order = {**known.order, "status": "unknown"}
            return
        assert answer.status_code == 200, answer.text
        self.memory.note(known.member, answer.json()["order"])

    async def send(
        self, http: httpx.AsyncClient, member: Member, method: str, path: str, body: Any = None
    ) -> httpx.Response:
        headers = member.signer.headers(method, path)
        return await http.request(method, path, json=body, headers=headers)

    # --- after a restart ---------------------------------------------------------------------

    def check(self, everything: bool = False) -> None:
        memory = self.memory
        for order_id in list(memory.orders) if everything else sorted(memory.touched):
            self.check_order(memory.orders[order_id])
        memory.touched.clear()
        for member, body in memory.unanswered:
            self.check_unanswered(member, body)
        memory.unanswered.clear()
        totals = self.exchange.operator.get("ledger", limit=1)["totals"]
        assert totals["sum"] == "0.0000"
        for member in self.members if everything else self.chance.sample(self.members, 1):
            self.check_cash(member)

    def check_order(self, known: Known) -> None:
        told = known.order
        found = known.member.get(f"/portfolio/orders/{told['order_id']}")["order"]
        for name in ("client_order_id", "ticker", "side", "action", "yes_price", "initial_count"):
            assert found[name] == told[name], f"{name} of an acknowledged order"
        assert found["fill_count"] >= told["fill_count"], "an acknowledged fill is gone"
        if told["status"] in {"executed", "canceled"}:
            assert found["status"] == told["status"]
            assert found["fill_count"] == told["fill_count"]
        elif found["status"] == "canceled":
            assert known.cancel_in_doubt, "an order was cancelled that nobody cancelled"
        known.order = found
        fills = known.member.get("/portfolio/fills", order_id=told["order_id"])["fills"]
        assert sum(fill["count"] for fill in fills) == found["fill_count"]

    def check_unanswered(self, member: Member, body: dict[str, Any]) -> None:
        """Asked again with the same id, it is one order, whichever of the two arrived."""
        answer = member.request("POST", "/portfolio/orders", body)
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 201:
            self.memory.note(member, answer.json()["order"])
            again = member.request("POST", "/portfolio/orders", body)
            assert (again.status_code, again.json()["code"]) == (409, "order_already_exists")
        orders = [
            order
            for order in pages(member, "/portfolio/orders", "orders", ticker=body["ticker"])
            if order["client_order_id"] == body["client_order_id"]
        ]
        assert len(orders) == 1
        assert orders[0]["initial_count"] == body["count"]
        self.memory.note(member, orders[0])

    def check_cash(self, member: Member) -> None:
        """Opening money, minus own-side price times count, minus fees: what is there, exactly."""
        spent = Decimal(0)
        for fill in pages(member, "/portfolio/fills", "fills"):
            price = fill["yes_price_fixed"] if fill["side"] == "yes" else fill["no_price_fixed"]
            spent += Decimal(price) * fill["count"] + Decimal(fill["fee_cost"])
        detail = self.exchange.operator.get("members", member.user_id)
        assert Decimal(detail["cash"]) == Decimal(OPENING_CENTS) / 100 - spent


def pages(member: Member, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        answer = member.get(path, limit=200, cursor=cursor, **query)
        yield from answer[key]
        cursor = answer["cursor"]
        if not cursor:
            return


def replayed_hash(data: Path) -> tuple[int, str]:
    """What an independent replay of the whole log comes to."""
    with closing(SqliteLog(log_path(data), read_only=True)) as log:
        engine, records = recover(log)
        for _ in records:
            pass
        return engine.state.sequence, state_hash(engine.state)


@pytest.mark.serial
@pytest.mark.slow
@pytest.mark.timeout(max(900, 5 * KILLS))
async def test_everything_acknowledged_survives_every_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    starting = set(chance.sample(range(KILLS), KILLED_WHILE_STARTING))
    with running_exchange(
        data=tmp_path / "data", forked=True, clock="real", snapshot_every_records=700
    ) as exchange:
        for ticker in MARKETS:
            exchange.list_market(ticker, series="KXKILL")
        traders = Traders(exchange, chance)
        for kill in range(KILLS):
            work = [asyncio.create_task(traders.trade()) for _ in range(CONNECTIONS)]
            # Short lives are the likeliest: much happens in the first moments after a start.
            await asyncio.sleep(LONGEST_LIFE * chance.random() ** 2)
            exchange.kill()
            await asyncio.gather(*work)
            if kill in starting:
                exchange.begin_restart()
                await asyncio.sleep(chance.random() * 0.3)
                exchange.kill()
            exchange.restart()
            traders.check()
        traders.check(everything=True)
        digest = exchange.operator.get("state-hash")
        exchange.kill()
        assert replayed_hash(tmp_path / "data") == (digest["sequence"], digest["state_hash"])
        exchange.restart()
        assert exchange.operator.get("state-hash") == digest
        print(f"{KILLS} kills, {traders.memory.acknowledged} acknowledgements", file=sys.stderr)
        # Only that the victims were at work; how much depends on the machine.
        assert traders.memory.acknowledged > 2 * KILLS
        findings = audit_log(log_path(tmp_path / "data"))
        assert findings.difference is None, str(findings.difference)
        if os.environ.get("AUGURY_RECORD"):
            record(
                "kills",
                {
                    "kills": KILLS,
                    "of them while starting": KILLED_WHILE_STARTING,
                    "acknowledgements": traders.memory.acknowledged,
                    "lost": 0,
                    "fills audited": findings.fills,
                },
            )
        assert parse_dollars(exchange.operator.get("ledger")["totals"]["escrow"]) > 0
