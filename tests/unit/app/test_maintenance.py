"""Weekly maintenance: kept coming, never a surprise, and the operator's word stands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from augury.app.maintenance import DOCUMENT_KEY, DOCUMENT_KIND, WeeklyMaintenance, due_commands
from augury.app.settings import Settings
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.commands import PutDocument, SetMaintenanceWindows
from augury.core.engine import Engine
from augury.gateways.maintenance import is_weekly, weekly_windows
from augury.log.memory import MemoryLog
from augury.sequencer import Sequencer
from augury.sequencer.clocks import VirtualClock

SUNDAY = "2026-03-01T14:00:00Z"
WEEK_NS = 7 * 86_400 * 10**9


@asynccontextmanager
async def exchange(at: str = SUNDAY) -> AsyncIterator[Sequencer]:
    gate = Sequencer(Engine(), MemoryLog(), VirtualClock(parse_rfc3339(at)))
    await gate.start()
    try:
        yield gate
    finally:
        await gate.stop()


def starts(gate: Sequencer) -> list[str]:
    return [rfc3339(start) for start, _ in gate.state.maintenance_windows]


def test_windows_follow_daylight_saving() -> None:
    """03:00 Eastern is 08:00 UTC in winter and 07:00 UTC in summer."""
    windows = weekly_windows(parse_rfc3339(SUNDAY), 3)
    assert [rfc3339(start) for start, _ in windows] == [
        "2026-03-05T08:00:00Z",
        "2026-03-12T07:00:00Z",
        "2026-03-19T07:00:00Z",
    ]
    assert all(end - start == 2 * 3600 * 10**9 for start, end in windows)
    assert all(is_weekly(start) for start, _ in windows)
    assert not is_weekly(parse_rfc3339("2026-03-05T09:00:00Z"))


def test_with_a_virtual_clock_nothing_pauses_unless_it_is_asked_for() -> None:
    assert Settings().maintains
    assert not Settings(clock="virtual").maintains
    assert Settings(clock="virtual", maintenance=True).maintains
    assert not Settings(maintenance=False).maintains


async def test_the_next_weeks_are_there_and_pause_trading() -> None:
    async with exchange() as gate:
        keeper = WeeklyMaintenance(gate)
        await keeper.step()
        assert len(gate.state.maintenance_windows) == 8
        before = gate.state.sequence
        await keeper.step()
        assert gate.state.sequence == before
        await gate.advance_to(parse_rfc3339("2026-03-05T08:30:00Z"))
        assert gate.state.trading_paused
        # Not while a window runs: setting windows would begin it anew.
        assert due_commands(gate.state, gate.now_ns()) == []
        await gate.advance_to(parse_rfc3339("2026-03-05T10:00:00Z"))
        assert not gate.state.trading_paused
        await keeper.step()
        assert len(starts(gate)) == 8
        keeper.close()


async def test_a_new_exchange_does_not_pause_right_away() -> None:
    for at in ("2026-03-05T08:30:00Z", "2026-03-05T07:30:00Z"):
        async with exchange(at) as gate:
            await WeeklyMaintenance(gate).step()
            assert starts(gate)[0] == "2026-03-12T07:00:00Z"
            assert not gate.state.trading_paused


async def test_what_the_operator_gives_up_does_not_come_back() -> None:
    async with exchange() as gate:
        keeper = WeeklyMaintenance(gate)
        await keeper.step()
        kept = gate.state.maintenance_windows[1:]
        own = (parse_rfc3339("2026-04-30T06:00:00Z"), parse_rfc3339("2026-04-30T08:00:00Z"))
        await gate.submit(SetMaintenanceWindows((*kept, own)))
        await gate.advance_to(gate.now_ns() + WEEK_NS)
        assert not gate.state.trading_paused
        await keeper.step()
        # The week that came into view overlaps with a window of the operator's.
        assert starts(gate)[0] == "2026-03-12T07:00:00Z"
        assert starts(gate)[-1] == "2026-04-30T06:00:00Z"
        assert len(starts(gate)) == 8


async def test_a_memory_that_cannot_be_read_counts_as_none() -> None:
    async with exchange() as gate:
        await gate.submit(PutDocument(DOCUMENT_KIND, DOCUMENT_KEY, '["soon"]'))
        await WeeklyMaintenance(gate).step()
        assert len(gate.state.maintenance_windows) == 8
