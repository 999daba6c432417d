"""Writes records into history, a batch and the new position in one transaction.

Knows nothing of threads, queues or retries: whoever holds a writer calls it from one thread at a
time, and after an error opens it again.
"""

import time
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, ClassVar, Final

from sqlalchemy import Table, bindparam, desc, select
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import PoolProxiedConnection

from augury.core.applied import Applied
from augury.projections import tables as t
from augury.projections.candles import (
    DAY,
    HOUR,
    CandleBook,
    Changed,
    Resumed,
    period_end,
    previous_end,
)
from augury.projections.collector import Collector, Rows
from augury.projections.database import HistoryDatabase
from augury.projections.rows import CandleRow
from augury.projections.statements import Inserts, Prepared, Upserts, move_position

INSERTED: Final[dict[str, Table]] = {
    "trades": t.trades,
    "fills": t.fills,
    "orders": t.orders,
    "settlements": t.settlements,
    "escrow_remainders": t.escrow_remainders,
    "cash_movements": t.cash_movements,
    "transfers": t.transfers,
    "position_transfers": t.position_transfers,
    "collateral_returns": t.collateral_returns,
    "lifecycle": t.lifecycle,
    "timeline": t.timeline,
    "actions": t.actions,
}
"""Attribute of ``Rows`` -> table it is appended to."""

RECORDS_PER_BREATH: Final = 100
BREATH_SECONDS: Final = 0.000_05
"""A thread that only computes keeps the interpreter's lock for five milliseconds at a time, and
whoever waits for an order feels it. Sleeping for a moment lets the event loop have the lock."""

candle_values = attrgetter(*(field.name for field in fields(CandleRow)))


class PositionMoved(Exception):
    """Another writer works on the same history, or its position row is gone."""


class _Statements:
    """What a writer runs, compiled for one kind of database; every writer of that kind shares it.

    Compiling takes longer than writing a small history does.
    """

    _compiled: "ClassVar[dict[tuple[str, str], _Statements]]" = {}

    def __init__(self, dialect: Dialect) -> None:
        self.inserts = {name: Inserts(table, dialect) for name, table in INSERTED.items()}
        self.candles = Upserts(t.candles, dialect)
        self.hour_candles = Upserts(t.hour_candles, dialect)
        self.day_candles = Upserts(t.day_candles, dialect)
        # A provisional market may vanish and be listed again under its ticker.
        self.markets = Upserts(t.markets, dialect)
        self.rfqs = Upserts(t.rfqs, dialect)
        self.quotes = Upserts(t.quotes, dialect)
        self.move = move_position(dialect)
        self.newest_candle = _newest_candle(dialect)
        self.minutes_between = _candles_between(t.candles, dialect)
        self.hours_between = _candles_between(t.hour_candles, dialect)

    @classmethod
    def of(cls, dialect: Dialect) -> "_Statements":
        key = (dialect.name, dialect.paramstyle)
        found = cls._compiled.get(key)
        if found is None:
            found = cls._compiled[key] = cls(dialect)
        return found


class HistoryWriter:
    """A connection, the position it stands at, and the open candles."""

    def __init__(self, database: HistoryDatabase) -> None:
        self.database = database
        self.in_background = False
        """Whether another thread of this process has more urgent things to do."""
        self.position = 0
        self.time_ns = 0
        self._statements = _Statements.of(database.engine.dialect)
        self._connection: PoolProxiedConnection | None = None
        self._cursor: Any = None
        self._collector: Collector | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> None:
        """Prepare the tables, connect, and find the position. Raises ``database.errors``."""
        self.close()
        self.database.prepare()
        connection = self.database.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT sequence, time_ns FROM position")
            position = cursor.fetchone()
            assert position is not None, "prepare() makes sure of it"
            cursor.execute("SELECT max(time_ns) FROM timeline")
            last_mark = cursor.fetchone()
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self.position, self.time_ns = position
        self._connection, self._cursor = connection, cursor
        last_mark_ns = (last_mark[0] if last_mark else None) or 0
        self._collector = Collector(CandleBook(self._read_open_candles), last_mark_ns)

    def write(self, records: Sequence[Applied]) -> None:
        """Project ``records``, which follow the position without a gap, or nothing of them.

        Raises ``PositionMoved`` or one of ``database.errors``; the writer is closed then.
        """
        connection, cursor, collector = self._connection, self._cursor, self._collector
        assert connection is not None
        assert collector is not None
        last = records[-1]
        try:
            if self.database.is_sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            for count, applied in enumerate(records, start=1):
                collector.add(applied)
                if self.in_background and count % RECORDS_PER_BREATH == 0:
                    time.sleep(BREATH_SECONDS)
            self._insert(cursor, collector.take(), collector.candles.take_changed())
            values = {"old": self.position, "sequence": last.sequence, "time_ns": last.time_ns}
            cursor.execute(self._statements.move.sql, self._statements.move.parameters(**values))
            if cursor.rowcount != 1:
                raise PositionMoved(f"history is not at {self.position} any more")
            connection.commit()
        except BaseException:
            self.close()
            raise
        self.position, self.time_ns = last.sequence, last.time_ns

    def close(self) -> None:
        """Undo what is not committed, disconnect, and forget what memory mirrored."""
        connection = self._connection
        self._connection = self._cursor = self._collector = None
        if connection is not None:
            try:
                connection.rollback()
            except self.database.errors:
                # The connection is gone, and so is the transaction.
                connection.invalidate()
            connection.close()

    def _insert(self, cursor: Any, rows: Rows, candles: Changed) -> None:
        for name, inserts in self._statements.inserts.items():
            new = getattr(rows, name)
            if new:
                inserts.run(cursor, new)
        if rows.markets:
            self._statements.markets.run(cursor, rows.markets)
        if rows.rfqs:
            self._statements.rfqs.run(cursor, rows.rfqs.values())
        if rows.quotes:
            self._statements.quotes.run(cursor, rows.quotes.values())
        if candles.minutes:
            self._statements.candles.run(cursor, map(candle_values, candles.minutes))
        if candles.hours:
            self._statements.hour_candles.run(cursor, map(candle_values, candles.hours))
        if candles.days:
            self._statements.day_candles.run(cursor, map(candle_values, candles.days))

    def _read_open_candles(self, market_ticker: str) -> Resumed | None:
        cursor = self._cursor
        cursor.execute(
            self._statements.newest_candle.sql,
            self._statements.newest_candle.parameters(market_ticker=market_ticker),
        )
        row = cursor.fetchone()
        if row is None:
            return None
        minute = CandleRow(*row)
        hour_end = period_end(HOUR, minute.end_ts)
        hour_start = previous_end(HOUR, hour_end)
        day_start = previous_end(DAY, period_end(DAY, hour_end))
        return Resumed(
            minute,
            self._read_between(
                self._statements.minutes_between, market_ticker, hour_start, minute.end_ts
            ),
            self._read_between(self._statements.hours_between, market_ticker, day_start, hour_end),
        )

    def _read_between(
        self, prepared: Prepared, market_ticker: str, after_ts: int, before_ts: int
    ) -> list[CandleRow]:
        cursor = self._cursor
        values = {"market_ticker": market_ticker, "after_ts": after_ts, "before_ts": before_ts}
        cursor.execute(prepared.sql, prepared.parameters(**values))
        return [CandleRow(*row) for row in cursor.fetchall()]


def _newest_candle(dialect: Dialect) -> Prepared:
    candles = t.candles.c
    statement = (
        select(t.candles)
        .where(candles.market_ticker == bindparam("market_ticker"))
        .order_by(desc(candles.end_ts))
        .limit(1)
    )
    return Prepared(statement, dialect)


def _candles_between(table: Table, dialect: Dialect) -> Prepared:
    """Candles of a market that end after ``after_ts`` and before ``before_ts``."""
    candles = table.c
    statement = (
        select(table)
        .where(candles.market_ticker == bindparam("market_ticker"))
        .where(candles.end_ts > bindparam("after_ts"))
        .where(candles.end_ts < bindparam("before_ts"))
        .order_by(candles.end_ts)
    )
    return Prepared(statement, dialect)
