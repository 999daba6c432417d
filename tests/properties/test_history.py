"""Properties of history: it is what the events say, whatever happens to the process writing it."""

import asyncio
import random
from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.core.applied import Applied
from augury.projections.history import History
from augury.projections.queries import HistoryQueries
from augury.projections.writer import HistoryWriter
from tests.exchange_story import Story, batches, whole_life
from tests.history_tables import (
    BACKENDS,
    Tables,
    expected_candles,
    expected_events,
    fresh_url,
    stored,
)

SEEDS = st.integers(min_value=0, max_value=2**32)

BEGINNINGS = {
    "an ordinary day": 1_772_373_600,
    "before clocks go forward": 1_772_902_800,
    "before clocks go back": 1_793_466_000,
}
"""Unix seconds."""


def projected(backend: str, applied: list[Applied], batch_limit: int = 100) -> Tables:
    """What history holds after ``applied``, written in one go."""
    with TemporaryDirectory() as folder:
        history = History(fresh_url(backend, Path(folder)), batch_limit=batch_limit)
        assert history.open()
        history.load(applied)
        tables = stored(history.database)
        history.close()
    return tables


def check_money(story: Story, tables: Tables) -> None:
    """The double entries add up to zero, entry by entry, and to the exchange's own books."""
    per_entry: dict[int, int] = {}
    per_account: dict[str, int] = {}
    for entry_id, _, _, account, _, amount, *_ in tables["ledger_entries"]:
        per_entry[entry_id] = per_entry.get(entry_id, 0) + amount
        per_account[account] = per_account.get(account, 0) + amount
    assert set(per_entry.values()) <= {0}
    state = story.engine.state
    books = {"fees": state.ledger.fees, "house": state.ledger.house}
    books["outside"] = state.ledger.outside
    books["returned"] = state.ledger.returned
    books |= {f"escrow:{ticker}": amount for ticker, amount in state.ledger.escrow.items()}
    for member in state.members.values():
        for account in member.accounts.values():
            books[f"cash:{member.id}:{account.number}"] = account.cash
    nonzero = {account: total for account, total in per_account.items() if total}
    assert nonzero == {account: total for account, total in books.items() if total}


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=15)
@given(seed=SEEDS, paid=st.booleans())
def test_history_is_what_the_events_say(backend: str, seed: int, paid: bool) -> None:
    story = Story(seed)
    story.list_everything()
    story.trade(120)
    if paid:
        story.close_and_pay()

    tables = projected(backend, story.applied)

    for name, expected in expected_events(story.applied).items():
        assert tables[name] == expected, name
    assert tables["candles"] == expected_candles(story.applied)
    assert tables["position"] == [(1, len(story.applied), story.applied[-1].time_ns)]
    check_money(story, tables)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, start=st.sampled_from(sorted(BEGINNINGS)))
def test_candles_are_what_trades_and_quotes_say(seed: int, start: str) -> None:
    """Minutes, hours and days, also across the nights in which clocks change."""
    applied = stretched(whole_life(seed, steps=80).applied, BEGINNINGS[start], seed)
    with TemporaryDirectory() as folder:
        history = History(fresh_url("sqlite", Path(folder)), batch_limit=seed % 40 + 1)
        assert history.open()
        history.load(applied[: len(applied) // 2])
        history.close()
        history = History(fresh_url("sqlite", Path(folder)))
        assert history.open()
        history.load(applied)
        queries = HistoryQueries(history.database)
        expected = {period: expected_candles(applied, period) for period in (1, 60, 1440)}
        for period, table in expected.items():
            for ticker in sorted({row[0] for row in table}):
                mine = [row for row in table if row[0] == ticker]
                ends = [row[1] for row in mine]
                for first, last in ((0, ends[-1]), (ends[0] + 1, ends[-1] - 1)):
                    found = asyncio.run(queries.candles(ticker, first, last, period))
                    wanted = [row for row in mine if first <= row[1] <= last]
                    assert [astuple(candle) for candle in found] == wanted
        queries.close()
        history.close()


def stretched(applied: list[Applied], start: int, seed: int) -> list[Applied]:
    """The same records over some days, in bursts of unequal length."""
    chance = random.Random(seed)
    time_ns = start * 1_000_000_000
    records = []
    for record in applied:
        pause = chance.choice((0, 1, 17, 60, 600, 3_600, 40_000 if chance.random() < 0.1 else 5))
        time_ns += pause * 1_000_000_000 + chance.choice((0, 0, 1, 999_999_999))
        records.append(
            Applied(record.sequence, time_ns, record.command, record.events, record.own_from)
        )
    return records


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_killed_writer_neither_loses_nor_repeats_a_row(backend: str, seed: int) -> None:
    """Killed between transactions or inside of one, then started anew and fed from anywhere."""
    story = whole_life(seed, steps=80)
    chance = random.Random(seed)
    with TemporaryDirectory() as folder:
        url = fresh_url(backend, Path(folder))
        done = 0
        while done < len(story.applied):
            history = History(url, batch_limit=chance.randint(1, 30))
            assert history.open()
            assert history.position == done
            # Recovery replays from a snapshot, so it may begin with what history has already.
            start = chance.randint(0, done)
            end = min(len(story.applied), start + chance.randint(1, 120))
            history.load(story.applied[start:end])
            done = max(done, end)
            if chance.random() < 0.5 and done < len(story.applied):
                interrupt_inside_a_transaction(history, story.applied[done : done + 10])
            history.close()
        history = History(url)
        assert history.open()
        pieces = stored(history.database)
        history.close()

    assert pieces == projected(backend, story.applied)


def interrupt_inside_a_transaction(history: History, applied: list[Applied]) -> None:
    """Everything of a batch has been sent to the database, but the commit never comes."""

    class Interrupted(Exception):
        pass

    class Writer(HistoryWriter):
        def _insert(self, *arguments: object) -> None:
            super()._insert(*arguments)  # type: ignore[arg-type]
            raise Interrupted

    history.close()
    writer = Writer(history.database)
    writer.open()
    with pytest.raises(Interrupted):
        writer.write(applied)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_a_rebuild_gives_the_same_tables(seed: int) -> None:
    """However the records were cut into transactions, and however often."""
    story = whole_life(seed, steps=80)
    chance = random.Random(seed)
    with TemporaryDirectory() as folder:
        history = History(fresh_url("sqlite", Path(folder)))
        assert history.open()
        for batch in batches(story.applied, chance):
            history.load(batch)
        first = stored(history.database)
        history.reset()
        assert history.position == 0
        history.load(story.applied)
        again = stored(history.database)
        history.close()

    assert again == first
