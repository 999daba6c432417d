"""The double-entry ledger as a view over the tables it follows from.

Every movement of money is in one of those tables already, so the ledger costs nothing to write
and cannot disagree with them. Accounts are those of ``core.state.Ledger``: the cash of each
subaccount, the escrow of each market, fees, house, outside, returned. Every movement is two
lines, so the lines of an entry, and of the whole ledger, sum to zero.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    MetaData,
    Select,
    String,
    Table,
    case,
    cast,
    literal,
    select,
    union_all,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from augury.core.units import PRICE_ONE
from augury.projections.tables import (
    ID_SHIFT,
    cash_movements,
    collateral_returns,
    escrow_remainders,
    fills,
    position_transfers,
    settlements,
    transfers,
)

Expression = ColumnElement[Any]

VIEW_NAME: Final = "ledger_entries"

ledger_entries = Table(
    VIEW_NAME,
    # Not the metadata of the tables: a view is neither created nor migrated with them.
    MetaData(),
    TableColumn("entry_id", BigInteger),
    TableColumn("line", BigInteger),
    TableColumn("kind", String),
    TableColumn("account", String),
    TableColumn("counter_account", String),
    TableColumn("amount", BigInteger),
    TableColumn("member_id", BigInteger),
    TableColumn("subaccount", BigInteger),
    TableColumn("market_ticker", String),
    TableColumn("reference", String),
    TableColumn("time_ns", BigInteger),
)

# A record can do several of these things under one id; each has lines of its own. A trade has the
# lines 0-7, the others begin with these.
SETTLEMENT_LINE: Final = 8
REMAINDER_LINE: Final = 12
CASH_LINE: Final = 14
TRANSFER_LINE: Final = 16
POSITION_TRANSFER_LINE: Final = 18
RETURN_LINE: Final = 22


def _text(value: str) -> Expression:
    return cast(literal(value, String, literal_execute=True), String)


def _number(value: int) -> Expression:
    return literal(value, BigInteger, literal_execute=True)


class _Account(NamedTuple):
    """One side of a movement; ``subaccount`` is None where no member owns the account."""

    name: Expression
    subaccount: Expression | None = None


def _cash(table: Table, subaccount: Expression) -> _Account:
    member_id = cast(table.c.member_id, String)
    name = _text("cash:") + member_id + _text(":") + cast(subaccount, String)
    return _Account(name, subaccount)


def _escrow(table: Table) -> _Account:
    return _Account(_text("escrow:") + table.c.market_ticker)


FEES: Final = _Account(_text("fees"))
HOUSE: Final = _Account(_text("house"))
RETURNED: Final = _Account(_text("returned"))
OUTSIDE: Final = _Account(_text("outside"))


def _movement(
    table: Table,
    entry_id: Expression,
    line: Expression,
    kind: Expression,
    gives: _Account,
    takes: _Account,
    amount: Expression,
    reference: Expression,
    where: ColumnElement[bool] | None = None,
) -> list[Select[Any]]:
    """``amount`` leaves ``gives`` in line ``line`` and reaches ``takes`` in the next.

    Every column has one type in all arms of the view: only then does SQLite merge the arms in
    the order of their indexes instead of sorting all of them.
    """
    time_ns = table.c.settled_ns if table is settlements else table.c.time_ns
    has_market = "market_ticker" in table.c
    arms = []
    for offset, account, counter, change in (
        (0, gives, takes, -amount),
        (1, takes, gives, amount),
    ):
        owned = account.subaccount is not None
        arm = select(
            entry_id.label("entry_id"),
            cast(line + offset, BigInteger).label("line"),
            kind.label("kind"),
            cast(account.name, String).label("account"),
            cast(counter.name, String).label("counter_account"),
            cast(change, BigInteger).label("amount"),
            (table.c.member_id if owned else cast(_number(0), BigInteger)).label("member_id"),
            cast(
                _number(0) if account.subaccount is None else account.subaccount, BigInteger
            ).label("subaccount"),
            (table.c.market_ticker if has_market else _text("")).label("market_ticker"),
            reference.label("reference"),
            time_ns.label("time_ns"),
        )
        arms.append(arm if where is None else arm.where(where))
    return arms


def ledger_lines() -> CompoundSelect[Any]:
    """What the view selects."""
    return union_all(
        *_fill_lines(),
        *_settlement_lines(),
        *_cash_movement_lines(),
        *_transfer_lines(),
        *_position_transfer_lines(),
        *_collateral_return_lines(),
    )


def _fill_lines() -> list[Select[Any]]:
    t = fills.c
    cash, escrow = _cash(fills, t.subaccount), _escrow(fills)
    order = cast(t.order_id, String)
    # A maker's lines are 0-3, the taker's 4-7: both belong to the entry of the trade.
    line = case((t.is_taker, _number(4)), else_=_number(0))
    cost = -(t.cash_change + t.fee)
    return [
        *_movement(fills, t.trade_id, line, _text("fill"), cash, escrow, cost, order),
        *_movement(fills, t.trade_id, line + 2, _text("fee"), cash, FEES, t.fee, order, t.fee != 0),
    ]


def _settlement_lines() -> list[Select[Any]]:
    t = settlements.c
    cash, escrow = _cash(settlements, t.subaccount), _escrow(settlements)
    # What was owed exactly: the payout is that, rounded down to whole cents, except where a
    # void market returned the cost.
    owed = t.yes_quantity * t.settlement_value + t.no_quantity * (PRICE_ONE - t.settlement_value)
    rounding = owed - t.revenue
    rounded = (t.result != _text("void")) & (rounding != 0)
    kept = _text("settlement_rounding")
    left = escrow_remainders.c
    return [
        *_movement(
            settlements,
            t.settlement_id,
            _number(SETTLEMENT_LINE),
            _text("settlement"),
            escrow,
            cash,
            t.revenue,
            t.result,
            t.revenue != 0,
        ),
        *_movement(
            settlements,
            t.settlement_id,
            _number(SETTLEMENT_LINE + 2),
            kept,
            escrow,
            FEES,
            rounding,
            t.result,
            rounded,
        ),
        *_movement(
            escrow_remainders,
            left.remainder_id,
            _number(REMAINDER_LINE),
            kept,
            _escrow(escrow_remainders),
            _Account(left.account),
            left.amount,
            _text(""),
        ),
    ]


def _cash_movement_lines() -> list[Select[Any]]:
    t = cash_movements.c
    cash = _cash(cash_movements, t.subaccount)
    amount = case((t.kind == _text("withdrawal"), -t.amount), else_=t.amount)
    line = _number(CASH_LINE)
    return _movement(
        cash_movements, t.movement_id, line, t.kind, OUTSIDE, cash, amount, t.reference
    )


def _transfer_lines() -> list[Select[Any]]:
    t = transfers.c
    source, target = _cash(transfers, t.from_subaccount), _cash(transfers, t.to_subaccount)
    return _movement(
        transfers,
        _entry_of_sequence(t.transfer_id),
        _number(TRANSFER_LINE),
        _text("transfer"),
        source,
        target,
        t.amount,
        t.client_transfer_id,
    )


def _position_transfer_lines() -> list[Select[Any]]:
    table, t = position_transfers, position_transfers.c
    arms = []
    # By way of the escrow, which keeps a dollar less for each pair that met its opposite.
    for line, subaccount, change in (
        (POSITION_TRANSFER_LINE, t.from_subaccount, t.from_cash_change),
        (POSITION_TRANSFER_LINE + 2, t.to_subaccount, t.to_cash_change),
    ):
        arms += _movement(
            table,
            _entry_of_sequence(t.transfer_id),
            _number(line),
            _text("position_transfer"),
            _escrow(table),
            _cash(table, subaccount),
            change,
            t.client_transfer_id,
            change != 0,
        )
    return arms


def _collateral_return_lines() -> list[Select[Any]]:
    table, t = collateral_returns, collateral_returns.c
    cash, kind = _cash(table, t.subaccount), _text("collateral_return")
    change = t.amount - t.house
    return [
        *_movement(
            table,
            t.return_id,
            _number(RETURN_LINE),
            kind,
            RETURNED,
            cash,
            change,
            t.event_ticker,
            change != 0,
        ),
        *_movement(
            table,
            t.return_id,
            _number(RETURN_LINE + 2),
            kind,
            HOUSE,
            cash,
            t.house,
            t.event_ticker,
            t.house != 0,
        ),
    ]


def _entry_of_sequence(sequence: Expression) -> Expression:
    return cast(sequence * (1 << ID_SHIFT), BigInteger)


def view_statements(dialect: Dialect) -> tuple[str, str]:
    """(drop, create) of the view. It is made anew at every start, so it needs no migration."""
    statements = _view_statements.get(dialect.name)
    if statements is None:
        # Compiling takes longer than everything else in opening a small history.
        body = ledger_lines().compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        statements = (f"DROP VIEW IF EXISTS {VIEW_NAME}", f"CREATE VIEW {VIEW_NAME} AS {body}")
        _view_statements[dialect.name] = statements
    return statements


_view_statements: Final[dict[str, tuple[str, str]]] = {}
"""By the name of the dialect."""
