"""The thread that writes history: what members may rely on, and what it survives."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from augury.core.applied import Applied
from augury.log.memory import MemoryLog
from augury.ports.log import Record
from augury.projections.history import History
from augury.projections.queries import HistoryQueries, HistoryUnavailable
from tests.exchange_story import whole_life
from tests.history_tables import stored

PATIENCE_SECONDS = 20.0

APPLIED = whole_life(seed=7, steps=150).applied
END = APPLIED[-1].sequence


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def expected(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """The tables of a history that nothing ever happened to."""
    history = History(url_of(folder / "undisturbed.sqlite"))
    assert history.open()
    history.load(APPLIED)
    tables = stored(history.database)
    history.close()
    return tables


class ReplayedLog:
    """Stands for the log: counts how often somebody had to go back to it."""

    def __init__(self) -> None:
        self.reads: list[int] = []

    def __call__(self, position: int) -> Iterator[Applied]:
        self.reads.append(position)
        # As recovery does: from a snapshot at or before the position.
        return iter(APPLIED[max(0, position - 5) :])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)


class Away:
    """Takes the folder of a history database away, as a lost mount would, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder.with_name("elsewhere")

    def leave(self) -> None:
        self.folder.rename(self.kept)
        # A file of that name keeps anybody from simply making the folder again.
        self.folder.write_text("not a folder")

    def come_back(self) -> None:
        self.folder.unlink()
        self.kept.rename(self.folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "history"
    place.mkdir()
    return place


async def test_members_read_what_they_wrote(folder: Path) -> None:
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.start()
    queries = HistoryQueries(history.database)
    for applied in APPLIED:
        history.feed(applied)
        if applied.sequence % 20 == 0:
            assert await history.wait_for(applied.sequence, PATIENCE_SECONDS)
            assert history.position >= applied.sequence
    assert await history.wait_for(END, PATIENCE_SECONDS)

    last_trade = (await queries.trades(limit=1))[0]
    assert history.status() == (END, END, APPLIED[-1].time_ns, "")
    queries.close()
    history.close()
    assert last_trade.trade_id == stored(history.database)["trades"][-1][0]


async def test_a_read_waits_for_its_own_record_only_and_not_forever(folder: Path) -> None:
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.start()
    early = asyncio.ensure_future(history.wait_for(10, PATIENCE_SECONDS))
    late = asyncio.ensure_future(history.wait_for(11, 0.2))
    await asyncio.sleep(0)
    for applied in APPLIED[:10]:
        history.feed(applied)

    assert await early
    assert not await late
    # Nobody is left behind who would be told about later records.
    assert history._waiters == []
    history.close()


async def test_a_stop_stores_what_was_fed(folder: Path) -> None:
    history = History(url_of(folder / "h.sqlite"), linger_seconds=PATIENCE_SECONDS)
    assert history.open()
    history.start()
    for applied in APPLIED:
        history.feed(applied)
    history.close()

    assert history.position == END


def test_records_that_are_fed_twice_count_once(folder: Path, tmp_path: Path) -> None:
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.load(APPLIED[:100])
    history.start()
    for applied in APPLIED[40:]:
        history.feed(applied)
    wait_until(lambda: history.position == END)
    tables = stored(history.database)
    history.close()

    assert tables == expected(tmp_path)


def test_trading_goes_on_while_the_database_is_away(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """History lags and says so, once; it catches up by itself from what was queued."""
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.load(APPLIED[:50])
    history.start()
    away = Away(folder)
    away.leave()
    with caplog.at_level(logging.WARNING, "augury"):
        for applied in APPLIED[50:]:
            history.feed(applied)
        wait_until(lambda: history.status().last_error != "")
        assert history.status().lag == END - 50
        away.come_back()
        wait_until(lambda: history.position == END)
        wait_until(lambda: history.status().last_error == "")
    tables = stored(history.database)
    history.close()

    assert tables == expected(tmp_path)
    not_moving = [r for r in caplog.records if "not moving" in r.message]
    assert len(not_moving) == 1


def test_what_the_queue_cannot_hold_is_read_from_the_log(folder: Path, tmp_path: Path) -> None:
    log = ReplayedLog()
    history = History(url_of(folder / "h.sqlite"), catch_up=log, queue_limit=10, batch_limit=7)
    assert history.open()
    history.load(APPLIED[:50])
    history.start()
    away = Away(folder)
    away.leave()
    for applied in APPLIED[50:]:
        history.feed(applied)
        assert len(history._queue) <= 10
    wait_until(lambda: history.status().last_error != "")
    away.come_back()
    wait_until(lambda: history.position == END)
    tables = stored(history.database)
    history.close()

    assert tables == expected(tmp_path)
    assert log.reads


def test_the_exchange_starts_without_its_history_database(folder: Path, tmp_path: Path) -> None:
    away = Away(folder)
    away.leave()
    history = History(url_of(folder / "h.sqlite"), catch_up=ReplayedLog())
    assert not history.open()
    assert not history.is_open
    history.expect(END - 20)
    history.start()
    for applied in APPLIED[END - 20 :]:
        history.feed(applied)
    away.come_back()
    wait_until(lambda: history.position == END)
    tables = stored(history.database)
    history.close()

    assert tables == expected(tmp_path)


async def test_a_removed_history_is_made_anew_while_running(folder: Path, tmp_path: Path) -> None:
    """Also when nothing happens on the exchange, and readers see the new tables."""
    path = folder / "h.sqlite"
    history = History(url_of(path), catch_up=ReplayedLog())
    assert history.open()
    history.load(APPLIED)
    history.start()
    queries = HistoryQueries(history.database)
    trades = await queries.trades(limit=1000)
    generation = history.database.generation
    path.unlink()
    wait_until(lambda: history.database.generation > generation and history.position == END)

    assert await queries.trades(limit=1000) == trades
    tables = stored(history.database)
    queries.close()
    history.close()
    assert tables == expected(tmp_path)


def test_lost_tables_are_made_anew_while_running(folder: Path, tmp_path: Path) -> None:
    path = folder / "h.sqlite"
    history = History(url_of(path), catch_up=ReplayedLog())
    assert history.open()
    history.load(APPLIED[:100])
    history.start()
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE settlements")
        other.execute("DROP TABLE trades")
    for applied in APPLIED[100:]:
        history.feed(applied)
    wait_until(lambda: history.position == END)
    tables = stored(history.database)
    history.close()

    assert tables == expected(tmp_path)


def test_a_damaged_file_is_set_aside(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "h.sqlite"
    path.write_bytes(b"this was a database once " * 1000)
    history = History(url_of(path))
    with caplog.at_level(logging.WARNING, "augury"):
        assert history.open()
    history.load(APPLIED)
    history.close()

    assert history.position == END
    assert path.with_name("h.sqlite.damaged").read_bytes().startswith(b"this was")
    assert any("damaged" in record.message for record in caplog.records)


@pytest.mark.parametrize("noticed_by", ["the writer", "a reader"])
async def test_damage_that_shows_while_running_is_repaired(
    folder: Path, tmp_path: Path, noticed_by: str
) -> None:
    path = folder / "h.sqlite"
    first = History(url_of(path))
    assert first.open()
    first.load(APPLIED[:-1])
    first.close()
    with sqlite3.connect(path) as other:
        (page,) = other.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?",
            ("market_lifecycle" if noticed_by == "the writer" else "trades",),
        ).fetchone()
        (page_size,) = other.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(b"\xff" * page_size)

    history = History(url_of(path), catch_up=ReplayedLog())
    assert history.open()
    assert history.position == END - 1
    history.start()
    queries = HistoryQueries(history.database)
    if noticed_by == "a reader":
        with pytest.raises(HistoryUnavailable):
            await queries.trades()
        wait_until(lambda: history.database.generation > 1)
    history.feed(APPLIED[-1])
    wait_until(lambda: history.position == END)
    tables = stored(history.database)
    queries.close()
    history.close()

    assert tables == expected(tmp_path)


def test_two_writers_do_not_write_anything_twice(folder: Path, tmp_path: Path) -> None:
    """The position moves only from where its writer believes it to be."""
    path = folder / "h.sqlite"
    writers = [History(url_of(path), batch_limit=9) for _ in range(2)]
    for history in writers:
        assert history.open()
        history.start()
    for applied in APPLIED:
        for history in writers:
            history.feed(applied)
    for history in writers:
        wait_until(lambda history=history: history.position == END)  # type: ignore[misc]
    tables = stored(writers[0].database)
    for history in writers:
        history.close()

    assert tables == expected(tmp_path)


def test_a_gap_without_a_log_stops_history_and_says_why(folder: Path) -> None:
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.start()
    history.feed(APPLIED[0])
    wait_until(lambda: history.position == 1)
    history.feed(APPLIED[2])
    wait_until(lambda: "record 2" in history.status().last_error)
    history.close()

    assert history.position == 1


def test_history_of_another_past_is_recognised(folder: Path) -> None:
    """After a restore the log may be shorter, or as long and tell another story."""

    def log_of(times: list[int]) -> MemoryLog:
        log = MemoryLog()
        log.append([Record(n, time_ns, 1, 1, b"x") for n, time_ns in enumerate(times, start=1)])
        return log

    times = [applied.time_ns for applied in APPLIED[:30]]
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    assert history.belongs_to(log_of(times))
    history.load(APPLIED[:30])

    assert history.belongs_to(log_of(times))
    assert history.belongs_to(log_of([*times, times[-1] + 1]))
    assert not history.belongs_to(log_of(times[:-1]))
    assert not history.belongs_to(log_of([*times[:-1], times[-1] + 1]))
    history.reset()
    assert history.position == 0
    assert history.belongs_to(log_of(times))
    history.close()


def test_a_reader_of_a_missing_history_is_told_so(folder: Path) -> None:
    history = History(url_of(folder / "never_made.sqlite"))
    queries = HistoryQueries(history.database)
    with pytest.raises(HistoryUnavailable):
        asyncio.run(queries.trades())
    queries.close()
    history.close()

    assert not (folder / "never_made.sqlite").exists()


def test_the_ledger_is_readable_with_any_tool(folder: Path) -> None:
    history = History(url_of(folder / "h.sqlite"))
    assert history.open()
    history.load(APPLIED)
    with history.database.engine.begin() as connection:
        total = connection.execute(text("SELECT sum(amount) FROM ledger_entries")).scalar()
    history.close()

    assert total == 0
