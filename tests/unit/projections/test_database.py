"""The schema: migrations lead to the tables that the code uses, from wherever one starts."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from augury.projections import migrations
from augury.projections.database import HistoryDatabase, HistoryUnavailable
from augury.projections.ledger import view_statements
from augury.projections.statements import Inserts, Upserts, move_position
from augury.projections.tables import metadata
from tests.history_tables import BACKENDS, POSTGRES_URL, fresh_url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def database(path: Path) -> HistoryDatabase:
    return HistoryDatabase(f"sqlite:///{path}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_migrations_lead_to_the_tables_of_the_code(backend: str, tmp_path: Path) -> None:
    database = HistoryDatabase(fresh_url(backend, tmp_path))
    database.prepare()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        for name, table in metadata.tables.items():
            indexes = {index["name"] for index in inspect(connection).get_indexes(name)}
            assert indexes == {index.name for index in table.indexes}


def test_the_revisions_in_the_code_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    revisions = [script.revision for script in scripts.walk_revisions()]

    assert tuple(reversed(revisions)) == migrations.KNOWN
    assert scripts.get_current_head() == migrations.HEAD


def test_preparing_twice_changes_nothing(database: HistoryDatabase, path: Path) -> None:
    database.prepare()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE position SET sequence = 5")
    generation = database.generation
    database.prepare()

    assert database.stored_position() == (5, 0)
    assert database.generation == generation


def test_a_history_without_long_candles_is_filled_anew_from_the_log(
    database: HistoryDatabase, path: Path
) -> None:
    """As an exchange left it that ran before hours and days were stored."""
    database.prepare()
    with sqlite3.connect(path) as other:
        for name in ("hour_candles", "day_candles"):
            other.execute(f"DROP TABLE {name}")
        for name in ("ix_trades_block", "ix_trades_block_of_market"):
            other.execute(f"DROP INDEX {name}")
        other.execute("UPDATE alembic_version SET version_num = '0002'")
        other.execute(f"INSERT INTO candles VALUES ('M', 60{', 1' * 17})")
        other.execute("INSERT INTO trades VALUES (1, 'M', 1, 1, 1, 1, 1, 1)")
        other.execute("UPDATE position SET sequence = 5")
    database.prepare()

    assert database.stored_position() == (0, 0)
    with sqlite3.connect(path) as other:
        for name in ("candles", "hour_candles", "trades"):
            assert other.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)


@pytest.mark.parametrize(
    "harm",
    [
        "DROP TABLE fills",
        "DROP TABLE alembic_version",
        "DELETE FROM position",
        "UPDATE alembic_version SET version_num = '9999'",
    ],
)
def test_what_does_not_fit_is_replaced_by_empty_tables(
    database: HistoryDatabase, path: Path, harm: str
) -> None:
    database.prepare()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE position SET sequence = 5")
        other.execute(harm)
    database.prepare()

    assert database.stored_position() == (0, 0)
    assert database.generation == 2


def test_remains_of_a_removed_file_are_not_taken_for_its_continuation(
    database: HistoryDatabase, path: Path
) -> None:
    """A write-ahead log survives its database when only the one file is deleted."""
    database.prepare()
    writer = database.connect()
    cursor = writer.cursor()
    cursor.execute("UPDATE position SET sequence = 5")
    assert path.with_name(path.name + "-wal").exists()
    path.unlink()
    again = HistoryDatabase(f"sqlite:///{path}")
    again.prepare()
    writer.close()

    assert again.stored_position() == (0, 0)
    assert not database.is_present()
    assert again.is_present()


def test_history_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="file"):
        HistoryDatabase("sqlite://")


if POSTGRES_URL:

    def test_tables_of_another_application_are_left_alone(tmp_path: Path) -> None:
        database = HistoryDatabase(fresh_url("postgresql", tmp_path))
        with database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE orders (id int)")
        with pytest.raises(HistoryUnavailable, match="orders"):
            database.prepare()
        with database.engine.begin() as connection:
            assert inspect(connection).get_table_names() == ["orders"]


def test_everything_that_is_written_can_be_said_to_postgresql() -> None:
    """Without a server at hand: names, types and conflicts compile for its dialect."""
    dialect = postgresql.dialect(paramstyle="format")
    for table in metadata.sorted_tables:
        definition = str(CreateTable(table).compile(dialect=dialect))
        assert "ROWID" not in definition
        assert "INTEGER" not in definition.replace("BIGINTEGER", "")
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))
        assert "%s" in Inserts(table, dialect)._one
        assert "ON CONFLICT" in Upserts(table, dialect)._sql
    assert "%s" in move_position(dialect).sql
    assert "UNION ALL" in view_statements(dialect)[1]
