"""Questions that history answers.

Lists come newest first, in pages: pass the id of the last row received as ``before_id`` to get
the next page (0 begins with the newest). Rows that arrive later never shift a page. Time ranges
include ``min_ns`` and exclude ``max_ns``; 0 leaves that end open. An empty string or sequence
and ``subaccount=None`` mean "any".

A reader that must see what it wrote awaits ``History.wait_for`` first. Everything here raises
``HistoryUnavailable`` when the database cannot be read.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Column,
    Select,
    Table,
    bindparam,
    desc,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import ColumnElement

from augury.core.step import BLOCK_TRADE_BIT
from augury.core.units import NANOS_PER_SECOND
from augury.projections import tables as t
from augury.projections.candles import DAY, HOUR, MINUTE, grouped, period_end, previous_end
from augury.projections.database import HistoryDatabase, HistoryUnavailable
from augury.projections.ledger import ledger_entries
from augury.projections.reader import HistoryReader
from augury.projections.rows import (
    ActionRow,
    CandleRow,
    CashMovementRow,
    FillRow,
    LedgerRow,
    LifecycleRow,
    OrderRow,
    QuoteRow,
    RfqRow,
    SettlementRow,
    TradeRow,
    TransferRow,
)
from augury.projections.statements import Prepared

__all__ = [
    "ActionRow",
    "CandleRow",
    "CashMovementRow",
    "FillRow",
    "HistoryQueries",
    "HistoryUnavailable",
    "LedgerRow",
    "LifecycleRow",
    "OrderRow",
    "QuoteRow",
    "RfqRow",
    "SettlementRow",
    "TradeRow",
    "TransferRow",
]

ID_OLDER_THAN_ORDER_NS: Final = 24 * 3600 * NANOS_PER_SECOND
"""An order that executes a quote got its id when the quote was accepted or confirmed."""

_TABLES: Final = {MINUTE: t.candles, HOUR: t.hour_candles, DAY: t.day_candles}
"""Where the candles of each period are stored once they are over."""

Condition = ColumnElement[bool]


class HistoryQueries:
    """Typed reads of a history database. Belongs to the event loop's thread."""

    _compiled: "ClassVar[dict[tuple[str, str], dict[tuple[Any, ...], Prepared]]]" = {}
    """Statements by kind of database and shape. Compiling one takes longer than most take to run,
    so all who read one kind of database share them."""

    def __init__(self, database: HistoryDatabase) -> None:
        self._reader = HistoryReader(database)
        self._dialect = database.engine.dialect
        kind = (self._dialect.name, self._dialect.paramstyle)
        self._prepared = self._compiled.setdefault(kind, {})

    def close(self) -> None:
        """Wait for reads that are under way, then disconnect."""
        self._reader.close()

    async def fills(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        subaccount: int | None = None,
        market_ticker: str = "",
        order_id: int = 0,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[FillRow]:
        """Fills of one member. The id of a row is its ``trade_id``."""
        c = t.fills.c
        filters = _Filters()
        filters.equal(c.member_id, member_id)
        filters.equal(c.subaccount, subaccount)
        filters.equal(c.market_ticker, market_ticker or None)
        filters.equal(c.order_id, order_id or None)
        filters.times(c.trade_id, c.time_ns, t.ID_SHIFT, min_ns, max_ns)
        rows = await self._page(t.fills, c.trade_id, filters, limit, before_id)
        return [_fill(row) for row in rows]

    async def trades(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        market_ticker: str = "",
        min_ns: int = 0,
        max_ns: int = 0,
        block: bool | None = None,
    ) -> list[TradeRow]:
        """Public trades of one market or of all. The id of a row is its ``trade_id``.

        ``block`` asks for those agreed on off the book, or for the others.
        """
        c = t.trades.c
        filters = _Filters()
        filters.equal(c.market_ticker, market_ticker or None)
        filters.times(c.trade_id, c.time_ns, t.ID_SHIFT, min_ns, max_ns)
        filters.bit(c.trade_id, BLOCK_TRADE_BIT, block)
        rows = await self._page(t.trades, c.trade_id, filters, limit, before_id)
        return [TradeRow(*row) for row in rows]

    async def orders(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        after_id: int = 0,
        subaccount: int | None = None,
        market_tickers: Sequence[str] = (),
        event_tickers: Sequence[str] = (),
        status: str = "",
        min_created_ns: int = 0,
        max_created_ns: int = 0,
        min_updated_ns: int = 0,
        max_updated_ns: int = 0,
    ) -> list[OrderRow]:
        """Finished orders of one member by ``order_id``; open ones live in the state.

        With both kinds of tickers an order must match both. An order was updated last when it
        was finished. Only orders with an id above ``after_id`` are looked for.
        """
        c = t.orders.c
        filters = _Filters()
        filters.equal(c.member_id, member_id)
        filters.after(c.order_id, after_id)
        filters.equal(c.subaccount, subaccount)
        filters.any_of(c.market_ticker, market_tickers)
        filters.any_of(t.markets.c.event_ticker, event_tickers, _in_markets(c.market_ticker))
        filters.literal(c.status, status, known=("executed", "canceled"))
        filters.times(
            c.order_id, c.created_ns, 0, min_created_ns, max_created_ns, ID_OLDER_THAN_ORDER_NS
        )
        filters.between(c.updated_ns, min_updated_ns, max_updated_ns)
        rows = await self._page(t.orders, c.order_id, filters, limit, before_id)
        return [_order(row) for row in rows]

    async def order(self, order_id: int) -> OrderRow | None:
        """One finished order, whoever owns it; None when it is unknown or still open."""
        filters = _Filters()
        filters.equal(t.orders.c.order_id, order_id)
        rows = await self._page(t.orders, t.orders.c.order_id, filters, 1, 0)
        return _order(rows[0]) if rows else None

    async def settlements(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        subaccount: int | None = None,
        market_ticker: str = "",
        event_tickers: Sequence[str] = (),
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[SettlementRow]:
        """Settled positions of one member by ``settlement_id``, newest settled first."""
        c = t.settlements.c
        filters = _Filters()
        filters.equal(c.member_id, member_id)
        filters.equal(c.subaccount, subaccount)
        filters.equal(c.market_ticker, market_ticker or None)
        filters.any_of(c.event_ticker, event_tickers)
        filters.times(c.settlement_id, c.settled_ns, t.ID_SHIFT, min_ns, max_ns)
        rows = await self._page(t.settlements, c.settlement_id, filters, limit, before_id)
        return [SettlementRow(*row) for row in rows]

    async def transfers(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[TransferRow]:
        """Transfers between a member's subaccounts by ``transfer_id``."""
        c = t.transfers.c
        filters = _Filters()
        filters.equal(c.member_id, member_id)
        filters.times(c.transfer_id, c.time_ns, 0, min_ns, max_ns)
        rows = await self._page(t.transfers, c.transfer_id, filters, limit, before_id)
        return [TransferRow(*row) for row in rows]

    async def cash_movements(
        self,
        member_id: int = 0,
        *,
        limit: int = 100,
        before_id: int = 0,
        kind: str = "",
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[CashMovementRow]:
        """Deposits and withdrawals by ``movement_id``, of one member or (0) of all."""
        c = t.cash_movements.c
        filters = _Filters()
        filters.equal(c.member_id, member_id or None)
        filters.equal(c.kind, kind or None)
        filters.times(c.movement_id, c.time_ns, t.ID_SHIFT, min_ns, max_ns)
        rows = await self._page(t.cash_movements, c.movement_id, filters, limit, before_id)
        return [CashMovementRow(*row) for row in rows]

    async def ledger(
        self,
        member_id: int = 0,
        *,
        limit: int = 100,
        before: tuple[int, int] = (0, 0),
        subaccount: int | None = None,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[LedgerRow]:
        """Ledger lines by (``entry_id``, ``line``), of one member's cash or (0) of all accounts.

        ``before`` is that pair of the last line received.
        """
        c = ledger_entries.c
        filters = _Filters()
        filters.equal(c.member_id, member_id or None)
        filters.equal(c.subaccount, subaccount)
        filters.times(c.entry_id, c.time_ns, t.ID_SHIFT, min_ns, max_ns)
        if before[0]:
            filters.before_pair(c.entry_id, c.line, before)
        prepared = self._prepare(
            ("ledger", filters.shape),
            lambda: filters.select(ledger_entries).order_by(desc(c.entry_id), desc(c.line)),
        )
        rows = await self._read(prepared, {**filters.values, "row_limit": limit})
        return [LedgerRow(*row) for row in rows]

    async def ledger_totals(self) -> dict[str, int]:
        """Sum of the lines per account name, micro-dollars. They sum to zero.

        Reads everything: for checks and reports, not for pages.
        """
        prepared = self._prepare(("ledger_totals",), _ledger_totals)
        rows = await self._read(prepared, {}, long=True)
        return {account: int(total) for account, total in rows}

    async def lifecycle(
        self, market_ticker: str = "", *, limit: int = 100, before_id: int = 0
    ) -> list[LifecycleRow]:
        """Steps in the life of one market or of all, by ``lifecycle_id``."""
        c = t.lifecycle.c
        filters = _Filters()
        filters.equal(c.market_ticker, market_ticker or None)
        rows = await self._page(t.lifecycle, c.lifecycle_id, filters, limit, before_id)
        return [LifecycleRow(*row) for row in rows]

    async def candles(
        self, market_ticker: str, start_ts: int, end_ts: int, period: int = MINUTE
    ) -> list[CandleRow]:
        """Periods with a change, ``start_ts <= candle.end_ts <= end_ts``, oldest first.

        ``period`` is 1, 60 or 1440 minutes. What is over is read as it is stored, so that an
        hour or a day costs the same however much was traded in it.
        """
        after_ts = previous_end(period, period_end(period, start_ts))
        last_ts = previous_end(period, period_end(period, end_ts + 1))
        found: list[CandleRow] = []
        # Days that are over, then the hours after them, then the minutes after those.
        for stored in (DAY, HOUR, MINUTE):
            if stored <= period:
                part = await self._candles_after(_TABLES[stored], market_ticker, after_ts, last_ts)
                found.extend(part)
                if part:
                    after_ts = part[-1].end_ts
        return found if period == MINUTE else grouped(period, found)

    async def _candles_after(
        self, table: Table, market_ticker: str, after_ts: int, end_ts: int
    ) -> list[CandleRow]:
        prepared = self._prepare((table.name,), lambda: _candles_after(table))
        values = {"market_ticker": market_ticker, "after_ts": after_ts, "end_ts": end_ts}
        rows = await self._read(prepared, values, long=True)
        return [CandleRow(*row) for row in rows]

    async def candle_before(self, market_ticker: str, start_ts: int) -> CandleRow | None:
        """The newest minute with a change that ended before ``start_ts``."""
        prepared = self._prepare(("candle_before",), _candle_before)
        values = {"market_ticker": market_ticker, "start_ts": start_ts}
        rows = await self._read(prepared, values)
        return CandleRow(*rows[0]) if rows else None

    async def candles_since(self, start_ts: int) -> list[CandleRow]:
        """For every market its newest candle with ``end_ts <= start_ts`` and all later ones.

        Ordered by market and time. Without markets that were settled by then.
        """
        prepared = self._prepare(("candles_since",), _candles_since)
        values = {"start_ts": start_ts, "start_ns": start_ts * NANOS_PER_SECOND}
        rows = await self._read(prepared, values, long=True)
        return [CandleRow(*row) for row in rows]

    async def actions(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        member_id: int = 0,
        command: str = "",
        subject: str = "",
    ) -> list[ActionRow]:
        """The audit trail by ``sequence``: every command that is not plain trading."""
        c = t.actions.c
        filters = _Filters()
        filters.equal(c.member_id, member_id or None)
        filters.equal(c.command, command or None)
        filters.equal(c.subject, subject or None)
        rows = await self._page(t.actions, c.sequence, filters, limit, before_id)
        return [ActionRow(*row) for row in rows]

    async def rfqs(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        member_id: int = 0,
        subaccount: int | None = None,
        market_ticker: str = "",
        event_tickers: Sequence[str] = (),
        status: str = "",
        kept_since_ns: int = 0,
    ) -> list[RfqRow]:
        """Requests for quotes by ``rfq_id``, of one member or (0) of all.

        Those that were closed before ``kept_since_ns`` count as forgotten.
        """
        c = t.rfqs.c
        filters = _Filters()
        filters.equal(c.member_id, member_id or None)
        filters.equal(c.subaccount, subaccount)
        filters.equal(c.market_ticker, market_ticker or None)
        filters.any_of(c.event_ticker, event_tickers)
        filters.literal(c.status, status, known=("open", "closed"))
        filters.kept(c.status, "closed", c.updated_ns, kept_since_ns)
        rows = await self._page(t.rfqs, c.rfq_id, filters, limit, before_id)
        return [_rfq(row) for row in rows]

    async def rfq(self, rfq_id: int, kept_since_ns: int = 0) -> RfqRow | None:
        """One request for quotes, whoever made it."""
        c = t.rfqs.c
        filters = _Filters()
        filters.equal(c.rfq_id, rfq_id)
        filters.kept(c.status, "closed", c.updated_ns, kept_since_ns)
        rows = await self._page(t.rfqs, c.rfq_id, filters, 1, 0)
        return _rfq(rows[0]) if rows else None

    async def quotes(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        member_id: int = 0,
        subaccount: int | None = None,
        rfq_member_id: int = 0,
        rfq_subaccount: int | None = None,
        rfq_id: int = 0,
        market_ticker: str = "",
        event_tickers: Sequence[str] = (),
        status: str = "",
        min_updated_ns: int = 0,
        max_updated_ns: int = 0,
        kept_since_ns: int = 0,
    ) -> list[QuoteRow]:
        """Quotes by ``quote_id``: those of a maker (``member_id``), or those that answer the
        requests of ``rfq_member_id``. Those cancelled before ``kept_since_ns`` are forgotten.
        """
        c = t.quotes.c
        filters = _Filters()
        filters.equal(c.member_id, member_id or None)
        filters.equal(c.subaccount, subaccount)
        filters.equal(c.rfq_member_id, rfq_member_id or None)
        filters.equal(c.rfq_subaccount, rfq_subaccount)
        filters.equal(c.rfq_id, rfq_id or None)
        filters.equal(c.market_ticker, market_ticker or None)
        filters.any_of(c.event_ticker, event_tickers)
        filters.equal(c.status, status or None)
        filters.between(c.updated_ns, min_updated_ns, max_updated_ns)
        filters.kept(c.status, "cancelled", c.updated_ns, kept_since_ns)
        rows = await self._page(t.quotes, c.quote_id, filters, limit, before_id)
        return [_quote(row) for row in rows]

    async def quote(self, quote_id: int, kept_since_ns: int = 0) -> QuoteRow | None:
        """One quote, whoever is party to it."""
        c = t.quotes.c
        filters = _Filters()
        filters.equal(c.quote_id, quote_id)
        filters.kept(c.status, "cancelled", c.updated_ns, kept_since_ns)
        rows = await self._page(t.quotes, c.quote_id, filters, 1, 0)
        return _quote(rows[0]) if rows else None

    # --- how -------------------------------------------------------------------------------------

    async def _page(
        self, table: Any, key: Column[int], filters: "_Filters", limit: int, before_id: int
    ) -> list[tuple[Any, ...]]:
        if before_id:
            filters.before(key, before_id)
        prepared = self._prepare(
            (table.name, filters.shape),
            lambda: filters.select(table).order_by(desc(key)),
        )
        return await self._read(prepared, {**filters.values, "row_limit": limit})

    def _prepare(self, shape: tuple[Any, ...], build: Callable[[], ClauseElement]) -> Prepared:
        """Statements are kept by shape: which filters are used, not their values."""
        prepared = self._prepared.get(shape)
        if prepared is None:
            prepared = self._prepared[shape] = Prepared(build(), self._dialect)
        return prepared

    async def _read(
        self, prepared: Prepared, values: dict[str, Any], *, long: bool = False
    ) -> list[tuple[Any, ...]]:
        return await self._reader.read(prepared.sql, prepared.parameters(**values), long=long)


def _ledger_totals() -> ClauseElement:
    c = ledger_entries.c
    return (
        select(c.account, func.cast(func.sum(c.amount), BigInteger))
        .group_by(c.account)
        .order_by(c.account)
    )


def _candles_after(table: Table) -> ClauseElement:
    c = table.c
    return (
        select(table)
        .where(c.market_ticker == bindparam("market_ticker"))
        .where(c.end_ts > bindparam("after_ts"))
        .where(c.end_ts <= bindparam("end_ts"))
        .order_by(c.end_ts)
    )


def _candle_before() -> ClauseElement:
    c = t.candles.c
    return (
        select(t.candles)
        .where(c.market_ticker == bindparam("market_ticker"))
        .where(c.end_ts < bindparam("start_ts"))
        .order_by(desc(c.end_ts))
        .limit(1)
    )


def _candles_since() -> ClauseElement:
    """The newest candle by ``start_ts`` and all later ones, of markets not over at ``start_ns``."""
    c, older = t.candles.c, t.candles.alias("older").c
    newest_older = (
        select(func.max(older.end_ts))
        .where(older.market_ticker == t.markets.c.market_ticker)
        .where(older.end_ts <= bindparam("start_ts"))
        .scalar_subquery()
    )
    # The last thing that happens to a market, unless it vanishes and is listed again.
    last, known = t.lifecycle.alias("last").c, t.lifecycle.alias("known").c
    newest_known = (
        select(func.max(known.lifecycle_id))
        .where(known.market_ticker == t.markets.c.market_ticker)
        .correlate(t.markets)
        .scalar_subquery()
    )
    is_over = (
        select(last.lifecycle_id)
        .where(last.lifecycle_id == newest_known)
        .where(last.kind == "settled")
        .where(last.time_ns <= bindparam("start_ns"))
        .exists()
    )
    return (
        select(t.candles)
        # By way of the markets, so that each market's candles are found by their key.
        .join_from(t.markets, t.candles, c.market_ticker == t.markets.c.market_ticker)
        .where(~is_over)
        .where(c.end_ts >= func.coalesce(newest_older, 0))
        .order_by(c.market_ticker, c.end_ts)
    )


class _Filters:
    """Conditions of one query with their values; ``shape`` identifies the statement."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._conditions: list[tuple[str, Callable[[], Condition]]] = []

    @property
    def shape(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self._conditions)

    def select(self, table: Any) -> Select[Any]:
        statement = select(table).where(*(condition() for _, condition in self._conditions))
        return statement.limit(bindparam("row_limit", type_=BigInteger))

    def equal(self, column: Column[Any], value: object | None) -> None:
        if value is not None:
            name = f"{column.name}_is"
            self.values[name] = value
            self._conditions.append((name, lambda: column == bindparam(name)))

    def literal(self, column: Column[str], value: str, *, known: Sequence[str]) -> None:
        """Equality with a value written into the statement, so that partial indexes fit."""
        if not value:
            return
        if value not in known:
            raise ValueError(f"{column.name} is one of {known}, not {value!r}")
        self._conditions.append(
            (f"{column.name}_{value}", lambda: column == literal_column(f"'{value}'"))
        )

    def any_of(
        self,
        column: Column[str],
        values: Sequence[str],
        wrap: Callable[[Condition], Condition] | None = None,
    ) -> None:
        if not values:
            return
        names = [f"{column.name}_{index}" for index in range(len(values))]
        self.values.update(zip(names, values, strict=True))

        def condition() -> Condition:
            found = column.in_([bindparam(name) for name in names])
            return found if wrap is None else wrap(found)

        self._conditions.append((f"{column.name}_in_{len(values)}", condition))

    def between(self, column: Column[int], minimum: int, maximum: int) -> None:
        """``minimum <= column < maximum``, for times that no id follows; 0 leaves an end open."""
        if minimum:
            name = f"{column.name}_from"
            self.values[name] = minimum
            self._conditions.append((name, lambda: column >= bindparam(name)))
        if maximum:
            end = f"{column.name}_before"
            self.values[end] = maximum
            self._conditions.append((end, lambda: column < bindparam(end)))

    def kept(self, status: Column[str], finished: str, updated: Column[int], since_ns: int) -> None:
        """Leaves out what has been ``finished`` since before ``since_ns``."""
        if since_ns:
            self.values["kept_since_ns"] = since_ns
            self._conditions.append(
                (
                    "kept_since_ns",
                    lambda: (status != finished) | (updated >= bindparam("kept_since_ns")),
                )
            )

    def before(self, key: Column[int], value: int) -> None:
        self.values["before_id"] = value
        self._conditions.append(("before_id", lambda: key < bindparam("before_id")))

    def bit(self, column: Column[int], bit: int, wanted: bool | None) -> None:
        """Whether ``bit`` of a number is set. Written out, as an index of such rows has it."""
        if wanted is not None:
            found = column.bitwise_and(literal_column(str(bit), BigInteger))
            none = literal_column("0", BigInteger)
            self._conditions.append(
                (f"bit {bit} {wanted}", lambda: found != none if wanted else found == none)
            )

    def after(self, key: Column[int], value: int) -> None:
        if value:
            self.values["after_id"] = value
            self._conditions.append(("after_id", lambda: key > bindparam("after_id")))

    def before_pair(self, first: Column[int], second: Column[int], pair: tuple[int, int]) -> None:
        self.values.update(before_first=pair[0], before_second=pair[1])
        self._conditions.append(
            (
                "before_pair",
                lambda: (
                    (first <= bindparam("before_first"))
                    & ((first < bindparam("before_first")) | (second < bindparam("before_second")))
                ),
            )
        )

    def times(
        self,
        key: Column[int],
        time: Column[int],
        shift: int,
        min_ns: int,
        max_ns: int,
        key_older_ns: int = 0,
    ) -> None:
        """``min_ns <= time < max_ns``, with the key bounded as well so that its index serves.

        Ids ascend with time: the newest mark before ``min_ns`` bounds them from below, the
        oldest mark from ``max_ns`` on from above. A row's id may have been given out up to
        ``key_older_ns`` before its time.
        """
        marks = t.timeline.c
        scale = 1 << shift
        if min_ns:
            self.values["min_ns"] = min_ns
            self.values["min_key_ns"] = min_ns - key_older_ns

            def lower() -> Condition:
                mark = (
                    select((marks.sequence + 1) * scale)
                    .where(marks.time_ns < bindparam("min_key_ns"))
                    .order_by(desc(marks.time_ns), desc(marks.sequence))
                    .limit(1)
                    .scalar_subquery()
                )
                return (time >= bindparam("min_ns")) & (key >= func.coalesce(mark, 0))

            self._conditions.append(("min_ns", lower))
        if max_ns:
            self.values["max_ns"] = max_ns

            def upper() -> Condition:
                mark = (
                    select(marks.sequence * scale)
                    .where(marks.time_ns >= bindparam("max_ns"))
                    .order_by(marks.time_ns, marks.sequence)
                    .limit(1)
                    .scalar_subquery()
                )
                return (time < bindparam("max_ns")) & (key < func.coalesce(mark, 2**63 - 1))

            self._conditions.append(("max_ns", upper))


def _in_markets(market_ticker: Column[str]) -> Callable[[Condition], Condition]:
    return lambda found: market_ticker.in_(select(t.markets.c.market_ticker).where(found))


def _fill(row: tuple[Any, ...]) -> FillRow:
    fill = FillRow(*row)
    # SQLite has no truth values.
    fill.is_taker = bool(fill.is_taker)
    return fill


def _order(row: tuple[Any, ...]) -> OrderRow:
    order = OrderRow(*row)
    order.cancel_on_pause = bool(order.cancel_on_pause)
    return order


def _rfq(row: tuple[Any, ...]) -> RfqRow:
    rfq = RfqRow(*row)
    rfq.rest_remainder = bool(rfq.rest_remainder)
    return rfq


def _quote(row: tuple[Any, ...]) -> QuoteRow:
    quote = QuoteRow(*row)
    quote.rest_remainder = bool(quote.rest_remainder)
    quote.post_only = bool(quote.post_only)
    return quote
