"""What the reads of the API get: the right rows, in order, page by page, without holding up others.

Every answer is compared with the same filter applied by hand to all rows.
"""

# Every lambda here is called before its loop goes on.
# ruff: noqa: B023

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from augury.projections.history import History
from augury.projections.queries import (
    CandleRow,
    CashMovementRow,
    FillRow,
    HistoryQueries,
    LedgerRow,
    OrderRow,
    SettlementRow,
    TradeRow,
    TransferRow,
)
from augury.projections.reader import HistoryReader
from augury.projections.statements import Prepared
from tests.exchange_story import MARKETS, MEMBERS, START_NS, whole_life
from tests.history_tables import BACKENDS, Tables, fresh_url, stored

STORY = whole_life(seed=11, steps=400)
TIMES = sorted({applied.time_ns for applied in STORY.applied})


class Filled:
    """A history with a long past."""

    def __init__(self, url: str) -> None:
        self.history = History(url)
        assert self.history.open()
        self.history.load(STORY.applied)
        self.tables: Tables = stored(self.history.database)
        self.queries = HistoryQueries(self.history.database)

    def newest_first(self, table: str, row: type[Any], keep: Callable[[Any], bool]) -> list[Any]:
        return [found for found in map(row_of(row), reversed(self.tables[table])) if keep(found)]

    def close(self) -> None:
        self.queries.close()
        self.history.close()


def row_of(row: type[Any]) -> Callable[[tuple[Any, ...]], Any]:
    return lambda values: row(*values)


@pytest.fixture(params=BACKENDS)
async def filled(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filled]:
    filled = Filled(fresh_url(request.param, tmp_path))
    yield filled
    filled.close()


async def paged(
    ask: Callable[[int], Awaitable[Sequence[Any]]], id_of: Callable[[Any], int], limit: int
) -> list[Any]:
    """All pages, one after the other."""
    rows: list[Any] = []
    before_id = 0
    while True:
        page = await ask(before_id)
        assert len(page) <= limit
        rows.extend(page)
        if len(page) < limit:
            return rows
        before_id = id_of(page[-1])


async def test_fills_by_every_filter(filled: Filled) -> None:
    middle, late = TIMES[len(TIMES) // 2], TIMES[-len(TIMES) // 4]
    for member_id, subaccount, ticker, (min_ns, max_ns) in itertools.product(
        MEMBERS, (None, 0, 1), ("", "SKY-NO"), ((0, 0), (middle, 0), (0, late), (middle, late))
    ):
        found = await paged(
            lambda before_id: filled.queries.fills(
                member_id,
                limit=7,
                before_id=before_id,
                subaccount=subaccount,
                market_ticker=ticker,
                min_ns=min_ns,
                max_ns=max_ns,
            ),
            lambda row: row.trade_id,
            7,
        )
        assert found == filled.newest_first(
            "fills",
            FillRow,
            lambda row: (
                row.member_id == member_id
                and subaccount in (None, row.subaccount)
                and ticker in ("", row.market_ticker)
                and row.time_ns >= min_ns
                and (not max_ns or row.time_ns < max_ns)
            ),
        )
        assert all(type(row.is_taker) is bool for row in found)


async def test_fills_of_one_order(filled: Filled) -> None:
    order_ids = {row[1] for row in filled.tables["fills"]}
    for order_id in sorted(order_ids)[:20]:
        expected = filled.newest_first(
            "fills",
            FillRow,
            lambda row: row.order_id == order_id,
        )
        owner = expected[0].member_id
        assert await filled.queries.fills(owner, order_id=order_id) == expected
        other = owner % 4 + 1
        assert await filled.queries.fills(other, order_id=order_id) == []


async def test_trades_of_a_market_and_of_a_time(filled: Filled) -> None:
    first, last = TIMES[len(TIMES) // 3], TIMES[2 * len(TIMES) // 3]
    everything = filled.newest_first("trades", TradeRow, lambda _: True)
    assert (
        await paged(
            lambda before_id: filled.queries.trades(limit=9, before_id=before_id),
            lambda row: row.trade_id,
            9,
        )
        == everything
    )
    for ticker in MARKETS:
        assert await filled.queries.trades(
            limit=1000, market_ticker=ticker, min_ns=first, max_ns=last
        ) == [
            row for row in everything if row.market_ticker == ticker and first <= row.time_ns < last
        ]


async def test_a_time_range_is_exact_at_both_ends(filled: Filled) -> None:
    """The lower end belongs to it, the upper does not, wherever the marks of time lie."""
    everything = filled.newest_first("trades", TradeRow, lambda _: True)
    trade_times = sorted({row.time_ns for row in everything})
    for min_ns, max_ns in itertools.product(trade_times[::7], repeat=2):
        for shift in (-1, 0, 1):
            found = await filled.queries.trades(
                limit=1000, min_ns=min_ns + shift, max_ns=max_ns + shift
            )
            assert found == [
                row for row in everything if min_ns + shift <= row.time_ns < max_ns + shift
            ]
    assert await filled.queries.trades(min_ns=TIMES[-1] + 1) == []
    assert await filled.queries.trades(max_ns=START_NS - 1) == []


async def test_finished_orders_by_every_filter(filled: Filled) -> None:
    middle = TIMES[len(TIMES) // 2]
    filters: list[dict[str, Any]] = [
        {},
        {"status": "executed"},
        {"status": "canceled", "subaccount": 0},
        {"market_tickers": ["SKY-NO", "SKY-YES"], "min_created_ns": middle},
        {"event_tickers": ["SKY-DAY"], "max_created_ns": middle},
        {"event_tickers": ["SKY-DAY", "NO-SUCH"], "market_tickers": ["SKY-VOID"]},
        {"event_tickers": ["NO-SUCH"]},
    ]
    for member_id, chosen in itertools.product(MEMBERS, filters):
        found = await paged(
            lambda before_id: filled.queries.orders(
                member_id,
                limit=6,
                before_id=before_id,
                **chosen,
            ),
            lambda row: row.order_id,
            6,
        )
        events = chosen.get("event_tickers", ["SKY-DAY"])
        assert found == filled.newest_first(
            "orders",
            OrderRow,
            lambda row: (
                row.member_id == member_id
                and chosen.get("status", row.status) == row.status
                and chosen.get("subaccount", row.subaccount) == row.subaccount
                and row.market_ticker in chosen.get("market_tickers", MARKETS)
                and "SKY-DAY" in events
                and row.created_ns >= chosen.get("min_created_ns", 0)
                and row.created_ns < chosen.get("max_created_ns", 2**63)
            ),
        )
    with pytest.raises(ValueError, match="resting"):
        await filled.queries.orders(1, status="resting")


async def test_one_order(filled: Filled) -> None:
    (first, *_) = filled.newest_first("orders", OrderRow, lambda _: True)
    assert await filled.queries.order(first.order_id) == first
    assert await filled.queries.order(2**40) is None


async def test_settlements_transfers_and_cash(filled: Filled) -> None:
    queries = filled.queries
    for member_id in MEMBERS:
        mine = filled.newest_first(
            "settlements",
            SettlementRow,
            lambda row: row.member_id == member_id,
        )
        assert mine
        assert (
            await paged(
                lambda before_id: queries.settlements(member_id, limit=2, before_id=before_id),
                lambda row: row.settlement_id,
                2,
            )
            == mine
        )
        assert await queries.settlements(member_id, market_ticker="SKY-NO") == [
            row for row in mine if row.market_ticker == "SKY-NO"
        ]
        assert await queries.settlements(member_id, event_tickers=["SKY-DAY"]) == mine
        assert await queries.settlements(member_id, max_ns=mine[0].settled_ns) == []
        moved = filled.newest_first(
            "cash_movements",
            CashMovementRow,
            lambda row: row.member_id == member_id,
        )
        assert await queries.cash_movements(member_id) == moved
        assert await queries.cash_movements(member_id, kind="withdrawal") == [
            row for row in moved if row.kind == "withdrawal"
        ]
    transfers = filled.newest_first("transfers", TransferRow, lambda _: True)
    assert (
        await paged(
            lambda before_id: queries.transfers(1, limit=3, before_id=before_id),
            lambda row: row.transfer_id,
            3,
        )
        == transfers
    )
    assert await queries.transfers(2) == []


async def test_the_ledger_page_by_page(filled: Filled) -> None:
    for member_id, subaccount in ((0, None), (1, None), (1, 1), (3, 0)):
        lines: list[LedgerRow] = []
        before = (0, 0)
        while page := await filled.queries.ledger(
            member_id, limit=5, before=before, subaccount=subaccount
        ):
            lines.extend(page)
            before = (page[-1].entry_id, page[-1].line)
        assert lines == filled.newest_first(
            "ledger_entries",
            LedgerRow,
            lambda row: member_id in (0, row.member_id) and subaccount in (None, row.subaccount),
        )
    totals = await filled.queries.ledger_totals()
    assert sum(totals.values()) == 0
    assert totals["fees"] == STORY.engine.state.ledger.fees


async def test_lifecycle_and_actions_tell_what_was_done(filled: Filled) -> None:
    steps = [row.status or row.kind for row in await filled.queries.lifecycle("SKY-NO", limit=1000)]
    assert steps == [
        "settled",
        "finalized",
        "determined",
        "amended",
        "disputed",
        "determined",
        "determined",
        "closed",
        "active",
        "created",
    ]
    actions = await filled.queries.actions(subject="SKY-NO")
    assert [row.command for row in actions] == [
        "DetermineMarket",
        "DisputeMarket",
        "DetermineMarket",
        "CreateMarket",
    ]
    deposits = await filled.queries.actions(member_id=2, command="Deposit", limit=1000)
    assert {row.rejection for row in deposits} == {""}
    assert '"amount":5000000000' in deposits[-1].details


async def test_candles_of_a_range(filled: Filled) -> None:
    for ticker in MARKETS:
        everything = [CandleRow(*row) for row in filled.tables["candles"] if row[0] == ticker]
        first, last = everything[2].end_ts, everything[-2].end_ts
        assert await filled.queries.candles(ticker, first, last) == everything[2:-1]
        assert await filled.queries.candle_before(ticker, first) == everything[1]
        assert await filled.queries.candle_before(ticker, everything[0].end_ts) is None


async def test_a_page_does_not_shift_when_rows_arrive(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    history.load(STORY.applied[:300])
    queries = HistoryQueries(history.database)
    first = await queries.trades(limit=5)
    history.load(STORY.applied)
    second = await queries.trades(limit=5, before_id=first[-1].trade_id)
    everything = await queries.trades(limit=1000)
    queries.close()
    history.close()

    start = everything.index(first[0])
    assert everything[start : start + 10] == first + second
    assert start > 0


async def test_a_long_read_does_not_hold_up_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken off the loop's thread: while it stands still there, others are answered."""
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    history.load(STORY.applied)
    connect = history.database.connect_reader
    threads: list[int] = []
    loop, reached, answered = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def stand_still() -> bool:
        threads.append(threading.get_ident())
        loop.call_soon_threadsafe(reached.set)
        return answered.wait(60)

    def connect_with_a_stop() -> Any:
        connection = connect()
        connection.create_function("stand_still", 0, stand_still)
        return connection

    monkeypatch.setattr(history.database, "connect_reader", connect_with_a_stop)
    reader = HistoryReader(history.database)
    # So much counting comes before the stop that it is never reached on the loop's own thread.
    long = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
        " SELECT stand_still() FROM (SELECT count(*) AS counted FROM n) WHERE counted > 0"
    )
    reading = asyncio.ensure_future(reader.read(long, ()))
    async with asyncio.timeout(60):
        await reached.wait()
        short = await reader.read("SELECT sequence FROM position", ())
        answered.set()
        result = await reading
    reader.close()
    history.close()

    assert short == [(len(STORY.applied),)]
    assert result == [(1,)]
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


@pytest.mark.parametrize(
    "ask, index",
    [
        (lambda q: q.fills(1, before_id=9), "ix_fills_member_id_trade_id"),
        (
            lambda q: q.fills(1, market_ticker="A"),
            "ix_fills_member_id_market_ticker_trade_id",
        ),
        (lambda q: q.fills(1, order_id=5), "ix_fills_order_id_trade_id"),
        (lambda q: q.fills(1, min_ns=5, max_ns=9), "ix_fills_member_id_trade_id"),
        (lambda q: q.trades(before_id=5), "INTEGER PRIMARY KEY"),
        (lambda q: q.trades(market_ticker="A"), "ix_trades_market_ticker_trade_id"),
        (lambda q: q.trades(min_ns=5, max_ns=9), "INTEGER PRIMARY KEY"),
        (lambda q: q.orders(1), "ix_orders_member_id_order_id"),
        (lambda q: q.orders(1, status="executed"), "ix_orders_executed"),
        (
            lambda q: q.orders(1, market_tickers=["A"]),
            "ix_orders_member_id_market_ticker_order_id",
        ),
        (lambda q: q.order(1), "INTEGER PRIMARY KEY"),
        (lambda q: q.settlements(1, before_id=9), "ix_settlements_member_id_settlement_id"),
        (lambda q: q.settlements(1, market_ticker="A"), "ix_settlements_member_id"),
        (lambda q: q.transfers(1), "ix_transfers_member_id_transfer_id"),
        (lambda q: q.cash_movements(1), "ix_cash_movements_member_id_movement_id"),
        (lambda q: q.lifecycle("A"), "ix_market_lifecycle_market_ticker_lifecycle_id"),
        (lambda q: q.candles("A", 1, 2), "PRIMARY KEY"),
        (lambda q: q.candles("A", 1, 2, 1440), "PRIMARY KEY"),
        (lambda q: q.candle_before("A", 1), "PRIMARY KEY"),
        (lambda q: q.rfqs(before_id=9, kept_since_ns=5), "INTEGER PRIMARY KEY"),
        (lambda q: q.rfqs(status="open", kept_since_ns=5), "ix_rfqs_open"),
        (lambda q: q.rfqs(member_id=1), "ix_rfqs_member_id_rfq_id"),
        (lambda q: q.rfqs(market_ticker="A"), "ix_rfqs_market_ticker_rfq_id"),
        (lambda q: q.rfq(1, 5), "INTEGER PRIMARY KEY"),
        (lambda q: q.quotes(member_id=1, status="open"), "ix_quotes_member_id_quote_id"),
        (
            lambda q: q.quotes(rfq_member_id=1, min_updated_ns=5, kept_since_ns=5),
            "ix_quotes_rfq_member_id_quote_id",
        ),
        (lambda q: q.quotes(rfq_id=1), "ix_quotes_rfq_id_quote_id"),
        (lambda q: q.quote(1), "INTEGER PRIMARY KEY"),
        (lambda q: q.trades(block=True), "ix_trades_block"),
        (lambda q: q.trades(block=True, market_ticker="M"), "ix_trades_block_of_market"),
        (lambda q: q.trades(block=False), "trades"),
        (lambda q: q.actions(member_id=1), "ix_actions_member_id_sequence"),
    ],
)
async def test_every_page_is_found_by_an_index_and_never_sorted(
    ask: Callable[[HistoryQueries], Awaitable[object]],
    index: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = History(f"sqlite:///{tmp_path / 'h.sqlite'}")
    assert history.open()
    queries = HistoryQueries(history.database)
    asked: list[tuple[str, Any]] = []

    async def remember(prepared: Prepared, values: dict[str, Any], *, long: bool = False) -> Any:
        asked.append((prepared.sql, prepared.parameters(**values)))
        return []

    monkeypatch.setattr(queries, "_read", remember)
    await ask(queries)
    reader = history.database.connect_reader()
    plan = [
        row[3]
        for sql, parameters in asked
        for row in reader.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
    ]
    reader.close()
    queries.close()
    history.close()

    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
