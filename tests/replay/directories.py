"""Stored data directories, as earlier versions left them, and what must be found in them.

Each is a zip of log, head, snapshot and history. They are never written again: what matters is that
later versions can read what earlier ones wrote. A new one is made when a format has changed:

    python -m tests.replay.directories --write format-2
"""

import argparse
import json
import random
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from augury.app.data_directory import history_path, log_path
from augury.app.snapshotter import take_snapshot
from augury.codec.commands import SCHEMA_VERSION, encode_command
from augury.core.applied import Applied
from augury.core.engine import RULES_VERSION
from augury.core.state import Exchange
from augury.log.sqlite import SqliteLog
from augury.ports.log import Record
from augury.projections import migrations
from augury.projections.history import History
from tests.core_flow import WIDTH, Flow

FOLDER = Path(__file__).parent
COMMANDS = 500
SEED = 20261122


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("format-*.zip"))


def unpack(name: str, place: Path) -> Path:
    """A copy of a stored directory that may be changed."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        archive.extractall(place)
    return place


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def summary(state: Exchange) -> dict[str, Any]:
    """What members would miss. Not the state's hash, which may change when states say more."""
    return {
        "sequence": state.sequence,
        "time_ns": state.time_ns,
        "money": {
            f"{member.email}/{account.number}": [account.cash, account.available]
            for member in state.members.values()
            for account in member.accounts.values()
        },
        "positions": {
            f"{member.email}/{account.number}/{ticker}": holding.quantity
            for member in state.members.values()
            for account in member.accounts.values()
            for ticker, holding in account.holdings.items()
            if holding.quantity
        },
        "markets": {
            market.ticker: [market.status, market.volume, market.open_interest]
            for market in state.markets.values()
        },
        "orders": {str(order.id): order.remaining for order in state.orders.values()},
        "fees": state.ledger.fees,
    }


# --- making one ----------------------------------------------------------------------------------


def write(name: str) -> None:
    if (FOLDER / f"{name}.zip").exists():
        raise SystemExit(f"{name} is there already; a stored directory is never written again")
    flow = Flow.listed()
    for _ in flow.run(random.Random(SEED).randbytes(WIDTH * COMMANDS)):
        pass
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with closing(SqliteLog(log_path(data))) as log:
            append(log, flow.applied[:400])
            take_snapshot(data)
            append(log, flow.applied[400:])
            chain = log.chain_hash(log.last_sequence)
        write_old_history(data, flow.applied)
        with zipfile.ZipFile(FOLDER / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(data.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(data))
    found = {"chain": chain.hex(), **summary(flow.engine.state)}
    text = json.dumps(found, indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def append(log: SqliteLog, records: list[Applied]) -> None:
    """In batches of unequal size, as they come from a server."""
    chance = random.Random(SEED)
    rest = [
        Record(r.sequence, r.time_ns, SCHEMA_VERSION, RULES_VERSION, encode_command(r.command))
        for r in records
    ]
    while rest:
        size = chance.randint(1, 9)
        log.append(rest[:size])
        rest = rest[size:]


def write_old_history(data: Path, records: list[Applied]) -> None:
    """History in its oldest revision: today's rows in the tables of then."""
    path = history_path(data)
    place = path.with_name("new.sqlite")
    history = History(f"sqlite:///{place}")
    assert history.open()
    history.load(records)
    history.close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, migrations.KNOWN[0])
    engine.dispose()
    with closing(sqlite3.connect(path)) as old:
        old.execute("ATTACH ? AS new", (str(place),))
        tables = old.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
        ).fetchall()
        for (table,) in tables:
            columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"DELETE FROM main.{table}")
            old.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
        old.commit()
        old.execute("DETACH new")
    for leftover in path.parent.glob("new.sqlite*"):
        leftover.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="NAME", required=True)
    write(parser.parse_args().write)


if __name__ == "__main__":
    main()
