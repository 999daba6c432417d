"""What history should hold, worked out the slow and obvious way, and what it does hold."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, select

from augury.core import events as e
from augury.core.applied import Applied
from augury.projections import rows as r
from augury.projections.database import HistoryDatabase
from augury.projections.ledger import VIEW_NAME, ledger_entries
from augury.projections.tables import metadata

Table = list[tuple[Any, ...]]
Tables = dict[str, Table]

POSTGRES_URL = os.environ.get("AUGURY_TEST_POSTGRES_URL", "")
"""An empty PostgreSQL database; with it the suite of the history runs on both databases."""

BACKENDS = ["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"]


def fresh_url(backend: str, folder: Path) -> str:
    """The URL of a database without tables."""
    if backend == "sqlite":
        return f"sqlite:///{folder / 'history.sqlite'}"
    engine = create_engine(POSTGRES_URL)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return POSTGRES_URL


def stored(database: HistoryDatabase) -> Tables:
    """Every table, in the order of its key, and the ledger."""
    with database.engine.begin() as connection:
        tables = {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }
        entries = select(ledger_entries).order_by(ledger_entries.c.entry_id, ledger_entries.c.line)
        tables[VIEW_NAME] = [tuple(row) for row in connection.execute(entries)]
    return tables


def expected_events(applied: Sequence[Applied]) -> Tables:
    """Trades, fills, orders, settlements and money, straight from the events by field name.

    Of requests for quotes and quotes, what was last said of each.
    """
    found: Tables = defaultdict(list)
    changing: dict[str, dict[int, tuple[Any, ...]]] = {"rfqs": {}, "quotes": {}}

    def values(row: type[Any], event: e.Event, **other: Any) -> tuple[Any, ...]:
        return tuple(
            other[field.name] if field.name in other else getattr(event, field.name)
            for field in fields(row)
        )

    def put(table: str, row: type[Any], event: e.Event, **other: Any) -> None:
        found[table].append(values(row, event, **other))

    for record in applied:
        for index, event in enumerate(record.events):
            own_id = record.sequence * 2**20 + index
            time = {"time_ns": record.time_ns}
            if isinstance(event, e.TradeExecuted):
                put("trades", r.TradeRow, event, **time)
            elif isinstance(event, e.OrderFilled):
                put("fills", r.FillRow, event, **time)
            elif isinstance(event, e.OrderUpdated) and event.status != "resting":
                put("orders", r.OrderRow, event)
            elif isinstance(event, e.PositionSettled):
                settled = {"settlement_id": own_id, "settled_ns": record.time_ns}
                put("settlements", r.SettlementRow, event, **settled)
            elif isinstance(event, e.Deposited):
                movement = {"movement_id": own_id, "kind": "deposit", **time}
                put("cash_movements", r.CashMovementRow, event, **movement)
            elif isinstance(event, e.Withdrawn):
                movement = {"movement_id": own_id, "kind": "withdrawal", **time}
                put("cash_movements", r.CashMovementRow, event, **movement)
            elif isinstance(event, e.Transferred):
                put("transfers", r.TransferRow, event, **time)
            elif isinstance(event, e.RfqUpdated):
                changing["rfqs"][event.rfq_id] = values(r.RfqRow, event)
            elif isinstance(event, e.QuoteUpdated):
                changing["quotes"][event.quote_id] = values(r.QuoteRow, event)
    for name, latest in changing.items():
        found[name] = list(latest.values())
    return {name: sorted(table) for name, table in found.items()}


def minute_of(time_ns: int) -> int:
    return -(-time_ns // 60_000_000_000) * 60


def hour_of(time_ns: int) -> int:
    return -(-time_ns // 3_600_000_000_000) * 3600


def day_of(time_ns: int) -> int:
    """The midnight in New York that ends the day."""
    moment = datetime.fromtimestamp((time_ns - 1) // 1_000_000_000, ZoneInfo("America/New_York"))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int((midnight + timedelta(days=1)).timestamp())


PERIODS = {1: minute_of, 60: hour_of, 1440: day_of}


def expected_candles(applied: Sequence[Applied], period: int = 1) -> Table:
    """Every market's candles, from its trades and quotes grouped by period."""
    changes: dict[str, list[tuple[int, e.TickerChanged | e.TradeExecuted]]] = defaultdict(list)
    for record in applied:
        for event in record.events:
            if isinstance(event, e.TickerChanged | e.TradeExecuted):
                end_ts = PERIODS[period](record.time_ns)
                changes[event.market_ticker].append((end_ts, event))
    table: Table = []
    for ticker in sorted(changes):
        table.extend(_candles_of(ticker, changes[ticker]))
    return table


def _candles_of(
    ticker: str, changes: list[tuple[int, e.TickerChanged | e.TradeExecuted]]
) -> Iterator[tuple[Any, ...]]:
    bid, ask, last, interest = 0, 10_000, 0, 0
    for minute in sorted({minute for minute, _ in changes}):
        bids, asks, trades = [bid], [ask], []
        before = (bid, ask, interest)
        previous = last
        for at, event in changes:
            if at != minute:
                continue
            interest = event.open_interest
            if isinstance(event, e.TradeExecuted):
                trades.append((event.price, event.quantity))
                last = event.price
            else:
                bids.append(event.bid_price)
                asks.append(event.ask_price)
        bid, ask = bids[-1], asks[-1]
        moved = len(set(bids)) > 1 or len(set(asks)) > 1
        if not trades and not moved and (bid, ask, interest) == before:
            continue
        prices = [price for price, _ in trades] or [0]
        yield (
            ticker,
            minute,
            *(bids[0], max(bids), min(bids), bids[-1]),
            *(asks[0], max(asks), min(asks), asks[-1]),
            *(prices[0], max(prices), min(prices), prices[-1]),
            previous,
            last,
            sum(quantity for _, quantity in trades),
            sum(price * quantity for price, quantity in trades),
            interest,
        )
