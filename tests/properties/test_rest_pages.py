"""Pages of every list while it changes: nothing that was there all along is lost or shown twice.

The lists are those of the table of operations that take a cursor, so that a new one cannot be
forgotten. Between any two pages rows arrive, and where rows can leave, some leave.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from uuid import uuid4

import pytest

from augury.core import commands as c
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.gateways.rest.operations import BUILT, Operation
from augury.gateways.rest.parameters import CURSOR
from tests.rest_harness import HOUR, RAIN, SECOND, SUN, Caller, RestExchange, running

PAGINATED: Final = [one for one in BUILT if CURSOR in one.parameters]
AT_FIRST: Final = 7
"""Rows of each list before anybody pages."""

COLLECTION: Final = "/multivariate_event_collections/KXMVE-R"
EVENT: Final = "RAIN-26MAR01"
FAR: Final = "2030-01-01T00:00:00Z"


class Desk:
    """Two members and an operator who can make one more of everything."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        self.caller, self.other = exchange.member("caller", 10**8), exchange.member("other", 10**8)
        self.chance = random.Random(7)
        self.numbers = iter(range(1, 10_000))
        self.caller.post("/portfolio/subaccounts")
        exchange.do(c.CreateSubtrader(self.caller.member_id, "alpha"))
        exchange.do(c.Deposit(self.caller.member_id, 1000, 10**11))
        exchange.do(c.CreateSeries("KXMVE", "quadratic", 1_000_000, "{}"))
        self.collection("KXMVE-R")

    def market(self, event: str = EVENT) -> str:
        ticker = f"{event}-N{next(self.numbers)}"
        self.exchange.list_market(ticker, event)
        return ticker

    def event(self) -> None:
        ticker = f"RAIN-N{next(self.numbers)}"
        self.exchange.do(c.CreateEvent(ticker, "RAIN", False, "", '{"title": "Rain"}'))
        self.market(ticker)

    def trade(self, ticker: str = RAIN) -> None:
        self.other.order("sell", "yes", 40, 1, ticker)
        self.caller.order("buy", "yes", 40, 1, ticker)

    def rest(self, **more: Any) -> None:
        self.caller.order("buy", "yes", 1 + next(self.numbers) % 9, 1, **more)

    def cancel(self) -> None:
        mine = [o.id for o in self.exchange.state.orders.values() if o.price < 1_000]
        if mine:
            self.exchange.do(c.CancelOrder(self.caller.member_id, self.chance.choice(mine)))

    def position(self, **more: Any) -> None:
        ticker = self.market()
        self.other.order("sell", "yes", 40, 1, ticker)
        self.caller.order("buy", "yes", 40, 1, ticker, **more)

    def settlement(self) -> None:
        """In an event of its own, because the archive takes whole events."""
        event = f"SUN-N{next(self.numbers)}"
        self.exchange.do(c.CreateEvent(event, "SUN", False, "", '{"title": "Sun"}'))
        now = self.exchange.gate.now_ns()
        grid = PRICE_LEVEL_STRUCTURES["linear_cent"]
        times = (now, now + HOUR, 0, now + 2 * HOUR, 1)
        self.exchange.do(
            c.CreateMarket(
                *(f"{event}-T1", event, "binary", *times, True, "linear_cent", grid),
                *(False, False, 0, '{"title": "Sun"}'),
            )
        )
        self.trade(f"{event}-T1")
        self.exchange.do(c.DetermineMarket(f"{event}-T1", "yes"))
        self.exchange.advance(2 * SECOND)

    def transfer(self) -> None:
        self.caller.post(
            "/portfolio/subaccounts/transfer",
            {
                "client_transfer_id": str(uuid4()),
                "from_subaccount": 0,
                "to_subaccount": 1,
                "amount_cents": 1,
            },
            200,
        )

    def rfq(self, by: Caller) -> str:
        wish = {"market_ticker": self.market(), "contracts": 1, "rest_remainder": False}
        rfq: str = by.post("/communications/rfqs", wish)["id"]
        return rfq

    def end_rfq(self) -> None:
        rfqs = self.exchange.state.rfqs
        chosen = self.chance.choice(list(rfqs.values()))
        self.exchange.do(c.DeleteRfq(chosen.account.member.id, chosen.id))

    def quote(self) -> None:
        self.caller.post(
            "/communications/quotes",
            {
                "rfq_id": self.rfq(self.other),
                "yes_bid": "0.4000",
                "no_bid": "0.5000",
                "rest_remainder": False,
            },
        )

    def proposal(self) -> None:
        self.caller.post(
            "/communications/block-trade-proposals",
            {
                "buyer_user_id": self.caller.user_id,
                "seller_user_id": self.other.user_id,
                "market_ticker": RAIN,
                "price_centi_cents": 4_100,
                "centicount": 1_000,
                "maker_side": "yes",
                "expiration_ts": FAR,
            },
        )

    def combo(self) -> None:
        legs = [
            {"event_ticker": EVENT, "market_ticker": self.market(), "side": "yes"},
            {"event_ticker": "SUN-26MAR01-E", "market_ticker": SUN, "side": "yes"},
        ]
        self.caller.post(COLLECTION, {"selected_markets": legs}, 200)

    def collection(self, ticker: str = "") -> None:
        now = self.exchange.gate.now_ns()
        events = ((EVENT, False, 0, 0), ("SUN-26MAR01-E", False, 0, 0))
        ticker = ticker or f"KXMVE-N{next(self.numbers)}"
        arguments = (now, now + 1000 * HOUR, 2, 0, False, events, '{"title": "Both"}')
        self.exchange.do(c.CreateCollection(ticker, "KXMVE", *arguments))

    def document(self, kind: str, details: dict[str, Any], varying: str) -> None:
        """``varying`` decides the place in the list, which may be anywhere."""
        number = self.chance.randint(1, 28)
        value = f"2026-03-{number:02d}T00:00:00Z" if "date" in varying else f"Name {number % 5}"
        text = json.dumps({**details, varying: value})
        self.exchange.do(c.PutDocument(kind, f"{kind}-{next(self.numbers)}", text))

    def forget(self, kind: str) -> None:
        keys = list(self.exchange.state.documents[kind])
        self.exchange.do(c.RemoveDocument(kind, self.chance.choice(keys)))


@dataclass(frozen=True)
class Listing:
    """How a list grows and shrinks, under which key it comes, and what names a row."""

    key: str
    name: tuple[str, ...]
    add: Callable[[Desk], object]
    remove: Callable[[Desk], object] | None = None
    query: tuple[tuple[str, str], ...] = ()


MILESTONE: Final = {
    "title": "The game",
    "category": "Sports",
    "type": "football_game",
    "related_event_tickers": [EVENT],
    "primary_event_tickers": [EVENT],
    "notification_message": "",
    "details": {},
}
PROGRAM: Final = {
    "market_ticker": RAIN,
    "incentive_type": "liquidity",
    "end_date": "2027-01-01T00:00:00Z",
    "period_reward": 1,
    "paid_out": False,
}
TARGET: Final = {"type": "team", "details": {}, "source_id": "1"}
CUSTOMER: Final = (("subtrader_id", "alpha"),)
ALPHA: Final = {"subtrader_id": "alpha"}

LISTS: Final[dict[str, Listing]] = {
    "GetEvents": Listing("events", ("event_ticker",), Desk.event),
    "GetMarkets": Listing("markets", ("ticker",), Desk.market),
    "GetTrades": Listing("trades", ("trade_id",), Desk.trade),
    "GetOrders": Listing("orders", ("order_id",), Desk.rest, Desk.cancel),
    "GetPositions": Listing("market_positions", ("ticker",), Desk.position),
    "GetFills": Listing("fills", ("fill_id",), Desk.trade),
    "GetSettlements": Listing("settlements", ("ticker",), Desk.settlement),
    "GetSubaccountTransfers": Listing("transfers", ("transfer_id",), Desk.transfer),
    "GetRFQs": Listing("rfqs", ("id",), lambda desk: desk.rfq(desk.caller), Desk.end_rfq),
    "GetQuotes": Listing("quotes", ("id",), Desk.quote, Desk.end_rfq),
    "GetBlockTradeProposals": Listing("block_trade_proposals", ("id",), Desk.proposal),
    "GetFCMOrders": Listing(
        "orders", ("order_id",), lambda desk: desk.rest(**ALPHA), Desk.cancel, CUSTOMER
    ),
    "GetFCMPositions": Listing(
        "market_positions",
        ("ticker",),
        lambda desk: desk.position(**ALPHA),
        query=(*CUSTOMER, ("settlement_status", "all")),
    ),
    "GetMultivariateEvents": Listing("events", ("event_ticker",), Desk.combo),
    "GetMultivariateEventCollections": Listing(
        "multivariate_contracts", ("collection_ticker",), Desk.collection
    ),
    "GetMilestones": Listing(
        "milestones",
        ("id",),
        lambda desk: desk.document("milestone", MILESTONE, "start_date"),
        lambda desk: desk.forget("milestone"),
    ),
    "GetStructuredTargets": Listing(
        "structured_targets",
        ("id",),
        lambda desk: desk.document("structured_target", TARGET, "name"),
        lambda desk: desk.forget("structured_target"),
    ),
    "GetIncentivePrograms": Listing(
        "incentive_programs",
        ("id",),
        lambda desk: desk.document("incentive_program", PROGRAM, "start_date"),
        lambda desk: desk.forget("incentive_program"),
    ),
    "GetHistoricalMarkets": Listing("markets", ("ticker",), Desk.settlement),
    "GetHistoricalTrades": Listing("trades", ("trade_id",), Desk.trade),
    "GetHistoricalFills": Listing("fills", ("fill_id",), Desk.trade),
    "GetHistoricalOrders": Listing("orders", ("order_id",), Desk.trade),
    "GetHistoricalPositions": Listing("market_positions", ("ticker",), Desk.settlement),
    "GetDeposits": Listing(
        "deposits",
        ("id",),
        lambda desk: desk.exchange.do(c.Deposit(desk.caller.member_id, 0, 10_000)),
    ),
    "GetWithdrawals": Listing(
        "withdrawals",
        ("id",),
        lambda desk: desk.exchange.do(c.Withdraw(desk.caller.member_id, 0, 10_000)),
    ),
}


def test_every_list_is_here() -> None:
    assert {one.id for one in PAGINATED} == set(LISTS)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("live")) as exchange:
        yield Desk(exchange)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Where everything that is over belongs to the archive."""
    with running(tmp_path_factory.mktemp("archive")) as exchange:
        names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts")
        until = json.dumps(dict.fromkeys(names, FAR))
        exchange.do(c.PutDocument("historical_cutoff", "all", until))
        yield Desk(exchange)


class Reader:
    """Reads one list, page by page."""

    def __init__(self, operation: Operation, caller: Caller) -> None:
        self.operation = operation
        self.listing = LISTS[operation.id]
        self.caller = caller
        names = {parameter.name for parameter in operation.parameters}
        self.size = "page_size" if "page_size" in names else "limit"

    def send(self, size: int, cursor: str, **more: Any) -> Any:
        query = {self.size: size, **dict(self.listing.query), **more}
        if cursor:
            query["cursor"] = cursor
        return self.caller.send(self.operation.method, self.operation.path, params=query)

    def page(self, size: int, cursor: str) -> tuple[list[tuple[Any, ...]], str]:
        """Names of the rows, and the next cursor."""
        response = self.send(size, cursor)
        assert response.status_code == 200, response.text
        answer = response.json()
        rows = [tuple(row[part] for part in self.listing.name) for row in answer[self.listing.key]]
        return rows, answer.get("next_cursor", answer.get("cursor"))

    def everything(self, size: int) -> list[tuple[Any, ...]]:
        rows, cursor = self.page(size, "")
        while cursor:
            more, cursor = self.page(size, cursor)
            assert more, "a cursor leads to something"
            rows += more
        return rows


def reader_of(operation: Operation, desk: Desk, archive: Desk) -> tuple[Reader, Desk]:
    place = archive if operation.path.startswith("/historical") else desk
    reader = Reader(operation, place.caller)
    while len(reader.everything(100)) < AT_FIRST:
        reader.listing.add(place)
    return reader, place


@pytest.mark.parametrize("operation", PAGINATED, ids=lambda operation: operation.id)
def test_a_list_that_changes_while_it_is_read(
    desk: Desk, archive: Desk, operation: Operation
) -> None:
    reader, place = reader_of(operation, desk, archive)
    before = reader.everything(100)
    seen, cursor = reader.page(2, "")
    steps = 0
    while cursor:
        steps += 1
        if steps <= AT_FIRST:
            reader.listing.add(place)
            if reader.listing.remove is not None and steps % 2:
                reader.listing.remove(place)
        rows, cursor = reader.page(2, cursor)
        seen += rows
    after = reader.everything(3)
    assert len(seen) == len(set(seen)), "a row was shown twice"
    stayed = [row for row in before if row in set(after)]
    assert [row for row in seen if row in set(stayed)] == stayed, "a row was lost or moved"
    # Sizes of pages do not matter, and order does not depend on them.
    assert after == reader.everything(1) == reader.everything(100)
    for earlier, later in pairwise([row for row in after if row in set(stayed)]):
        assert stayed.index(earlier) < stayed.index(later)


@pytest.mark.parametrize("operation", PAGINATED, ids=lambda operation: operation.id)
def test_a_cursor_is_good_for_its_list_and_nothing_else(
    desk: Desk, archive: Desk, operation: Operation
) -> None:
    reader, place = reader_of(operation, desk, archive)
    _, cursor = reader.page(2, "")
    assert cursor

    def refused(response: Any) -> None:
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")

    for place_of_change in (0, len(cursor) // 2, len(cursor) - 1):
        letter = "A" if cursor[place_of_change] != "A" else "B"
        changed = cursor[:place_of_change] + letter + cursor[place_of_change + 1 :]
        refused(reader.send(2, changed))
    for nonsense in (cursor + "A", cursor[:-1], "null", "=", "7", "\u00e9", "x" * 600):
        refused(reader.send(2, nonsense))
    others = [one for one in PAGINATED if one.id != operation.id]
    for other in (others[0], others[len(others) // 2], others[-1]):
        refused(Reader(other, place.caller).send(2, cursor))
    if operation.scope:
        # A clearing member's lists are refused before anybody looks at the cursor.
        response = Reader(operation, place.other).send(2, cursor)
        assert response.status_code in ((403,) if "fcm" in operation.path else (400,))
    # The size of a page is no filter.
    assert reader.page(1, cursor)[0] == reader.page(3, cursor)[0][:1]


@pytest.mark.parametrize("operation", PAGINATED, ids=lambda operation: operation.id)
def test_limits_at_their_edges(desk: Desk, archive: Desk, operation: Operation) -> None:
    reader, _ = reader_of(operation, desk, archive)
    (size,) = [one for one in operation.parameters if one.name == reader.size]
    largest = size.schema["maximum"]
    assert len(reader.page(1, "")[0]) == 1
    assert len(reader.page(largest, "")[0]) >= AT_FIRST
    for wrong in (0, -1, largest + 1, 10**30, "ten", "1.5"):
        response = reader.send(wrong, "")  # type: ignore[arg-type]
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameters")
    default = size.schema["default"]
    assert 1 <= default <= largest
