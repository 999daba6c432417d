"""A list of orders that is kept always equals one that is worked out from nothing.

The storm of the core's own tests rages in a real exchange: orders, amends, fills, quotes, combos,
block trades, closings, results and pauses. In between members ask for their orders in many ways,
again and again, and must be shown what the events of the log say, at once. Nothing here looks at
the live state or at history, where the gateway looks.
"""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from augury.codec.text import rfc3339
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.events import OrderUpdated
from augury.core.state import FIRST_SUBTRADER, RESTING, Exchange
from augury.core.units import NANOS_PER_SECOND
from augury.gateways.rest.order_rows import order_row
from augury.gateways.settings import RestSettings
from augury.testing.simulation.workload import Workload
from tests.properties.test_core_storm import START_NS, Storm
from tests.rest_harness import Caller, RestExchange

STEPS: Final = 400
QUESTIONS_PER_STEP: Final = 4
ORDERS: Final = "/portfolio/orders"


class LiveStorm(Storm):
    """The storm, in the exchange behind a gateway instead of an engine of its own."""

    def __init__(self, exchange: RestExchange, seed: int) -> None:
        self.exchange = exchange
        super().__init__(seed)

    @property
    def state(self) -> Exchange:
        return self.exchange.state

    def apply(self, command: Command, after_ns: int = 0) -> Applied:
        if after_ns:
            self.exchange.advance(after_ns)
        applied = self.exchange.call(self.exchange.gate.submit(command))
        self.time_ns = applied.time_ns
        return applied

    def order(self) -> Command:
        """One more order of somebody."""
        return Workload(self.chance, self.state, self.time_ns, f"{self.state.sequence}").order()


@dataclass
class Question:
    """One way of asking. ``cursor_of`` is the order behind which the page begins."""

    caller: Caller
    path: str
    query: dict[str, Any]
    subaccount: int | None = None
    """The only one whose orders are shown."""
    cursors: list[tuple[str, int]] = field(default_factory=list)
    """What was answered before, with the order that it stands for."""


class Told:
    """What the events of the log have told about orders."""

    def __init__(self) -> None:
        self.orders: dict[int, OrderUpdated] = {}
        self.archived_ns = 0

    def observe(self, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, OrderUpdated):
                self.orders[event.order_id] = event

    def answer(self, question: Question, before_id: int) -> list[OrderUpdated]:
        """All that a page of endless length would show, newest first."""
        query = question.query
        found = [
            order
            for order in self.orders.values()
            if order.member_id == question.caller.member_id
            and order.order_id < before_id
            and question.subaccount in (None, order.subaccount)
            and query.get("status", order.status) == order.status
            and query.get("ticker", order.market_ticker) == order.market_ticker
            and query.get("min_ts", 0) * NANOS_PER_SECOND <= order.created_ns
            and (order.status == RESTING or order.updated_ns >= self.archived_ns)
        ]
        return sorted(found, key=lambda order: order.order_id, reverse=True)


def rows_of(orders: list[OrderUpdated]) -> Any:
    return json.loads(msgspec.json.encode([order_row(order) for order in orders]))


class Desk:
    """Members who ask while the storm rages."""

    def __init__(self, exchange: RestExchange, seed: int) -> None:
        self.exchange = exchange
        self.told = Told()
        exchange.gate.listen(self.told.observe)
        self.storm = LiveStorm(exchange, seed)
        self.chance = random.Random(seed)
        self.questions = list(self.ways_of_asking())
        self.answered: set[str] = set()

    def ways_of_asking(self) -> Iterator[Question]:
        members = list(self.storm.state.members)
        for number in members:
            caller = self.exchange.caller(number)
            for query in (
                {},
                {"limit": 3},
                {"limit": 2, "status": "resting"},
                {"status": "executed", "limit": 4},
                {"status": "canceled"},
                {"ticker": next(iter(self.storm.state.markets))},
                {"min_ts": START_NS // NANOS_PER_SECOND + 60, "limit": 5},
                {"unknown": number},
            ):
                yield Question(caller, ORDERS, query)
            yield Question(caller, ORDERS, {"subaccount": 1, "limit": 3}, 1)
            yield Question(self.exchange.caller(number, subaccount=1), ORDERS, {"limit": 3}, 1)
        customer = {"subtrader_id": "customer", "limit": 3}
        firm = self.exchange.caller(members[-1])
        yield Question(firm, "/fcm/orders", customer, FIRST_SUBTRADER)

    def ask(self, question: Question) -> None:
        """Ask for the first page, or for one that an earlier answer led to."""
        cursor, before_id = "", 1 << 63
        if question.cursors and self.chance.random() < 0.4:
            cursor, before_id = self.chance.choice(question.cursors)
        query = {**question.query, **({"cursor": cursor} if cursor else {})}
        answer = question.caller.get(question.path, **query)
        found = self.told.answer(question, before_id)
        limit = question.query.get("limit", 100)
        assert answer["orders"] == rows_of(found[:limit]), (question.query, before_id)
        assert bool(answer["cursor"]) == (len(found) > limit)
        if answer["cursor"]:
            question.cursors.append((answer["cursor"], found[limit - 1].order_id))
        self.answered |= {order.status for order in found[:limit]}

    def ask_some(self) -> None:
        for question in self.chance.choices(self.questions, k=QUESTIONS_PER_STEP):
            self.ask(question)

    def archive(self) -> None:
        """Put the orders that were finished some seconds ago into the archive."""
        before_ns = self.exchange.gate.now_ns() - self.chance.randint(0, 30) * NANOS_PER_SECOND
        document = json.dumps({"orders_updated_ts": rfc3339(before_ns)})
        put = c.PutDocument("historical_cutoff", "all", document)
        # The storm may have paused the exchange, which then takes no documents.
        if self.exchange.call(self.exchange.gate.submit(put)).rejection is None:
            self.told.archived_ns = before_ns // 1_000 * 1_000


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RestExchange]:
    settings = RestSettings(rate_limits=False)
    exchange = RestExchange(tmp_path, settings, start_ns=START_NS)
    exchange.start()
    yield exchange
    exchange.stop()


def test_every_page_is_what_the_log_says(exchange: RestExchange, seed: int) -> None:
    desk = Desk(exchange, seed)
    for step, _ in enumerate(desk.storm.rage(STEPS)):
        desk.ask_some()
        if step % 40 == 39:
            desk.archive()
    assert desk.answered == {"resting", "executed", "canceled"}


def test_a_page_that_was_asked_for_during_a_change_is_not_shown_after_it(
    exchange: RestExchange, seed: int
) -> None:
    """Questions race with orders; once both are answered, everybody sees the order."""
    desk = Desk(exchange, seed)
    for _ in desk.storm.rage(60):
        pass
    readers = [question for question in desk.questions if question.path == ORDERS]
    callers = [Caller(exchange.url, one.caller.signer, one.caller.member_id) for one in readers]
    with ThreadPoolExecutor(8) as pool:
        for applied in desk.storm.rage(100):
            chosen = desk.chance.choices(range(len(readers)), k=4)
            racing = [
                pool.submit(callers[number].get, ORDERS, **readers[number].query)
                for number in set(chosen)
            ]
            desk.storm.apply(desk.storm.order())
            for future in racing:
                future.result(20)
            for number in chosen:
                desk.ask(readers[number])
            assert applied.sequence <= exchange.state.sequence
