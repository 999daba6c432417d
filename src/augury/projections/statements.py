"""SQL as the drivers take it: compiled once with SQLAlchemy, run many times without it.

A row of history costs about as much in SQLAlchemy's result and parameter handling as in the
database itself, and the history runs in the process that serves clients. So statements are
written with SQLAlchemy Core, compiled for the database at hand, and kept as text with the order
of their parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import ClauseElement, Table, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from augury.projections.tables import position

Parameters = Sequence[Any] | Mapping[str, Any]

ROWS_PER_STATEMENT: Final = 64
"""Rows that one statement inserts. The driver gives up the interpreter's lock once per statement
rather than once per row, so a busy writer and a busy event loop do not wait for each other."""


class Prepared:
    """A statement as text, and how its named values become the driver's parameters."""

    __slots__ = ("_fixed", "_names", "sql")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        names: Sequence[str] | None = getattr(compiled, "positiontup", None)
        self._names = names
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def parameters(self, **values: Any) -> Parameters:
        merged = {**self._fixed, **values}
        if self._names is None:
            return merged
        return [merged[name] for name in self._names]


class Inserts:
    """Adds rows to one table. Rows are tuples in the order of the columns."""

    __slots__ = ("_many", "_one")

    def __init__(self, table: Table, dialect: Dialect) -> None:
        columns = [column.name for column in table.columns]
        statement = insert(table).values({name: bindparam(name) for name in columns})
        prepared = Prepared(statement, dialect)
        self._one = prepared.sql
        head, separator, values = prepared.sql.rpartition("VALUES ")
        self._many = head + separator + ", ".join([values] * ROWS_PER_STATEMENT)

    def run(self, cursor: Any, rows: Sequence[Sequence[Any]]) -> None:
        whole = len(rows) - len(rows) % ROWS_PER_STATEMENT
        for start in range(0, whole, ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            cursor.execute(self._many, list(chain.from_iterable(part)))
        if whole < len(rows):
            cursor.executemany(self._one, rows[whole:])


class Upserts:
    """Adds rows to one table or replaces those with the same key."""

    __slots__ = ("_sql",)

    def __init__(self, table: Table, dialect: Dialect) -> None:
        keys = [column.name for column in table.primary_key.columns]
        columns = [column.name for column in table.columns]
        binds: dict[str, Any] = {name: bindparam(name) for name in columns}
        statement: sqlite.Insert | postgresql.Insert
        if dialect.name == "sqlite":
            statement = sqlite.insert(table).values(binds)
        else:
            statement = postgresql.insert(table).values(binds)
        replaced = {name: statement.excluded[name] for name in columns if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
        self._sql = Prepared(statement, dialect).sql

    def run(self, cursor: Any, rows: Iterable[Sequence[Any]]) -> None:
        cursor.executemany(self._sql, list(rows))


def move_position(dialect: Dialect) -> Prepared:
    """Moves the position from ``old`` to ``sequence``; touches no row when it is elsewhere.

    So two writers cannot both project the same records.
    """
    statement = (
        update(position)
        .where(position.c.id == 1, position.c.sequence == bindparam("old"))
        .values(sequence=bindparam("sequence"), time_ns=bindparam("time_ns"))
    )
    return Prepared(statement, dialect)
