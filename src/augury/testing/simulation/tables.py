"""The tables of a history, for comparing two of them."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from augury.projections.history import History
from augury.projections.tables import metadata

_empty_history: bytes = b""


def make_empty_history() -> None:
    """An empty history costs a tenth of a second to make, so it is made once and copied.

    Before the simulation begins: it must not matter which seed is the first.
    """
    global _empty_history
    if not _empty_history:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "history.sqlite"
            history = History(f"sqlite:///{place}")
            history.open()
            history.close()
            _empty_history = place.read_bytes()


def copy_empty_history(path: Path) -> None:
    path.write_bytes(_empty_history)


_ALL_ROWS: Final = {
    table.name: str(select(table).order_by(*table.primary_key.columns))
    for table in metadata.sorted_tables
}


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a history, in the order of its key."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
        return {name: connection.execute(sql).fetchall() for name, sql in _ALL_ROWS.items()}
