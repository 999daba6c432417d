"""Worlds on an exchange: applied once however often, and kept alive while time goes by."""

import asyncio
import contextlib
import json
import stat
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

from augury.app.world import WorldKeeper, apply_world, parse_world
from augury.app.world.apply import WorldReport
from augury.app.world.model import World
from augury.client.signing import read_key_pair
from augury.codec.text import parse_rfc3339
from augury.core.commands import (
    ChangeCloseTime,
    CreateMember,
    DetermineMarket,
    SetExchangePause,
    SetMaintenanceWindows,
    Withdraw,
)
from augury.core.engine import Engine
from augury.core.state import Exchange
from augury.core.units import MICROS_PER_DOLLAR
from augury.log.memory import MemoryLog
from augury.sequencer import Sequencer
from augury.sequencer.clocks import VirtualClock
from augury.sequencer.recovery import recover

START = parse_rfc3339("2026-01-15T15:30:00Z")
MINUTE = 60 * 10**9


class NoSnapshots:
    def save(self, snapshot) -> None: ...

    def newest(self, not_after=None):
        return None


@contextlib.asynccontextmanager
async def exchange(log: MemoryLog | None = None, at: int = START) -> AsyncIterator[Sequencer]:
    log = log or MemoryLog()
    engine = Engine()
    if log.last_sequence:
        engine, records = recover(log, NoSnapshots(), None)
        for _ in records:
            pass
    sequencer = Sequencer(engine, log, VirtualClock(at))
    await sequencer.start()
    try:
        yield sequencer
    finally:
        await sequencer.stop()


def world(text: str) -> World:
    return parse_world(textwrap.dedent(text).lstrip(), "small.yaml")


RICH = """
    series:
      - ticker: KXMVEALL
      - ticker: KXNUM
        rolling:
          - every: 10m
            event:
              ticker: "KXNUM-{close:%H%M}"
              fair_value: {name: depth, start: 50, swing: 9, pace: 1h, decimals: 1}
              ladder: {shape: above, count: 2, step: 2}
      - ticker: KXA
        events:
          - ticker: "KXA-{close:%b%d}"
            close_time: +1d
            collateral_return_type: DIRECNET
            markets:
              - {ticker: "{event}-HIGH", strike_type: greater, floor_strike: 20}
              - {ticker: "{event}-LOW", strike_type: greater, floor_strike: 10}
          - ticker: KXB-1
            close_time: +2d
            collateral_return_type: DIRECNET
            strike_order: [KXB-1-X, KXB-1-Y]
            strikes_below: true
            markets: [{ticker: KXB-1-Y}, {ticker: KXB-1-X}]
    collections:
      - ticker: KXMVEALL-R
        series_ticker: KXMVEALL
        title: All of it
        close_date: +12h
        events: [{ticker: "KXA-{close:%b%d}", size_max: 1}, {ticker: KXB-1}]
        combos:
          - legs: [{market: "KXA-{close:%b%d}-LOW"}, {market: KXB-1-X, side: "no"}]
    fee_changes:
      - {series_ticker: KXA, fee_type: flat, fee_multiplier: 2, scheduled_time: +1h}
    schedule:
      maintenance_windows: [{start_datetime: +2h, end_datetime: +3h}]
    milestones:
      - title: Depth
        type: gauge
        category: Science
        start_date: now
        end_date: +1h
        primary_event_tickers: ["KXA-{close:%b%d}"]
        related_series: [KXNUM]
        live_data: {every: 1m, details: {unit: m}, follows: {depth: depth}}
    incentive_programs:
      - market_ticker: "KXA-{close:%b%d}-LOW"
        start_date: now
        end_date: +1d
        period_reward: 100
    sports_filters: {filters_by_sports: {Chess: {scopes: [Games], competitions: {}}}}
    members:
      - email: fcm@example.com
        subtraders: [{id: one, deposit: 5.00}, {id: two}]
"""


async def test_terms_documents_and_customers_arrive_once():
    log = MemoryLog()
    async with exchange(log) as gate:
        report = await apply_world(world(RICH), gate)
        state = gate.state
        assert not report.refused
        assert state.events["KXA-JAN16"].strike_order == ["KXA-JAN16-LOW", "KXA-JAN16-HIGH"]
        assert state.events["KXB-1"].strike_order == ["KXB-1-X", "KXB-1-Y"]
        assert (state.events["KXA-JAN16"].below, state.events["KXB-1"].below) == (False, True)
        collection = state.collections["KXMVEALL-R"]
        assert collection.associated_events[0] == ("KXA-JAN16", False, 0, 1)
        (legs,) = collection.combos
        assert legs == (("KXA-JAN16", "KXA-JAN16-LOW", "yes"), ("KXB-1", "KXB-1-X", "no"))
        assert [change.series_ticker for change in state.fee_changes.values()] == ["KXA"]
        assert state.maintenance_windows == [(START + 120 * MINUTE, START + 180 * MINUTE)]
        (milestone,) = (json.loads(text) for text in state.documents["milestone"].values())
        assert milestone["primary_event_tickers"] == ["KXA-JAN16"]
        assert milestone["related_event_tickers"] == ["KXA-JAN16", "KXNUM-1040"]
        (incentive,) = (json.loads(text) for text in state.documents["incentive_program"].values())
        assert incentive["market_ticker"] == "KXA-JAN16-LOW"
        fcm = state.members[state.member_ids_by_email["fcm@example.com"]]
        assert list(fcm.subtraders) == ["one", "two"]
        assert fcm.accounts[fcm.subtraders["one"]].cash == 5 * MICROS_PER_DOLLAR
        # What the operator makes of the windows stands, however often the world is applied.
        await gate.submit(SetMaintenanceWindows(()))
        before = state.sequence
    async with exchange(log) as gate:
        report = await apply_world(world(RICH), gate)
        assert not report.refused
        assert not report.created
        assert gate.state.sequence == before


async def test_live_data_follows_the_truth_while_the_world_lives():
    async with exchange() as gate:
        described = world(RICH)
        report = await apply_world(described, gate)
        keeper = WorldKeeper(described, gate, report.start_ns)
        (key,) = gate.state.documents["milestone"]

        def live():
            return json.loads(gate.state.documents["live_data"][key])["details"]

        seen = {live()["depth"]}
        for minute in range(1, 21):
            await gate.advance_to(START + minute * MINUTE)
            assert await keeper.step() <= START + (minute + 1) * MINUTE
            assert live()["last_updated_ts"] == (START + minute * MINUTE) // 10**9
            seen.add(live()["depth"])
        assert len(seen) > 5
        assert (live()["status"], live()["unit"]) == ("live", "m")
        milestone = json.loads(gate.state.documents["milestone"][key])
        assert "KXNUM-1040" not in milestone["related_event_tickers"]
        await gate.advance_to(START + 61 * MINUTE)
        await keeper.step()
        assert live()["status"] == "ended"
        ended = live()
        await gate.advance_to(START + 65 * MINUTE)
        await keeper.step()
        assert live() == ended
        keeper.close()


SMALL = """
    series:
      - ticker: KXA
        title: A
        events:
          - ticker: "KXA-{close:%b%d}"
            close_time: +1d
            markets: [{ticker: "{event}-T"}]
    announcements: [{message: Hello.}]
    schedule: {standard_hours: [{monday: [{open_time: "08:00", close_time: "00:00"}]}]}
    milestones: [{title: Vote, start_date: +2d, primary_event_tickers: [KXA-1]}]
    members:
      - email: a@example.com
        deposit: 100.00
        usage_tier: premier
        subaccounts: [{deposit: 5.00}, {}]
        keys: [{name: main, private_key_file: a.pem}]
"""


async def test_a_world_arrives_as_it_is_described(tmp_path):
    async with exchange() as gate:
        report = await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        state = gate.state
        assert not report.refused
        assert state.markets["KXA-JAN16-T"].close_ns == START + 24 * 60 * MINUTE
        assert state.announcements[0].message == "Hello."
        schedule = json.loads(state.schedule)
        assert schedule["standard_hours"][0]["monday"][0]["open_time"] == "08:00"
        (milestone,) = (json.loads(text) for text in state.documents["milestone"].values())
        assert milestone["start_date"] == "2026-01-17T15:30:00Z"
        assert milestone["related_event_tickers"] == ["KXA-1"]
        member = state.members[state.member_ids_by_email["a@example.com"]]
        cash = [account.cash for account in member.accounts.values()]
        assert cash == [100 * MICROS_PER_DOLLAR, 5 * MICROS_PER_DOLLAR, 0]
        assert member.usage_tier == "premier"
        key = report.key_of("a@example.com")
        assert key is not None
        assert stat.S_IMODE(key.private_key_file.stat().st_mode) == 0o600
        public = state.api_keys[member.api_key_ids[0]].public_key_pem
        assert read_key_pair(key.private_key_file.read_bytes()).public_pem == public


async def test_applying_again_changes_nothing_even_days_later(tmp_path):
    log = MemoryLog()
    async with exchange(log) as gate:
        first = await apply_world(world(SMALL), gate, keys_directory=tmp_path)
    length = log.last_sequence
    async with exchange(log, at=START + 5 * 24 * 60 * MINUTE) as gate:
        again = await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        assert not again.created
        assert again.existing["markets"] == 1
        assert again.start_ns == first.start_ns
        assert again.key_of("a@example.com") == first.key_of("a@example.com")
    # At most the tick that closes what was due; nothing of the world.
    assert log.last_sequence <= length + 1


async def test_money_that_was_spent_is_not_given_again(tmp_path):
    async with exchange() as gate:
        await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        member_id = gate.state.member_ids_by_email["a@example.com"]
        await gate.submit(Withdraw(member_id, 0, 100 * MICROS_PER_DOLLAR))
        await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        assert gate.state.members[member_id].accounts[0].cash == 0


async def test_a_member_left_half_made_by_a_crash_is_finished(tmp_path):
    async with exchange() as gate:
        await gate.submit(CreateMember("a@example.com", "premier"))
        await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        member = gate.state.members[gate.state.member_ids_by_email["a@example.com"]]
        assert member.accounts[0].cash == 100 * MICROS_PER_DOLLAR
        assert len(member.accounts) == 3
        assert len(member.api_key_ids) == 1


async def test_what_was_added_to_the_file_is_added_to_the_exchange(tmp_path):
    async with exchange() as gate:
        await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        longer = SMALL + "\n      - {email: b@example.com, deposit: 7.00}\n"
        report = await apply_world(world(longer), gate, keys_directory=tmp_path)
        assert report.created == {"members": 1, "deposits": 1, "documents": 1}


async def test_an_unusable_key_file_is_reported_and_the_rest_goes_on(tmp_path):
    (tmp_path / "a.pem").write_text("not a key")
    async with exchange() as gate:
        report = await apply_world(world(SMALL), gate, keys_directory=tmp_path)
        assert len(report.refused) == 1
        assert "a.pem" in report.refused[0]
        assert "KXA-JAN16-T" in gate.state.markets


# --- the keeper ----------------------------------------------------------------------------------


LIVING = """
    world: living
    series:
      - ticker: KXF
        rolling:
          - every: 5m
            open_for: 5m
            listed_before: 1m
            event:
              ticker: "KXF-{close:%H%M}"
              settlement_timer_seconds: 30
              determine_after: 5s
              fair_value: {start: 100, swing: 10, pace: 20m, decimals: 1}
              ladder: {shape: above, count: 3, step: 2}
      - ticker: KXR
        events:
          - ticker: KXR-1
            mutually_exclusive: true
            determined_by: fair_value
            markets:
              - {ticker: KXR-1-A, close_time: +10m, yes_sub_title: Alpha}
              - {ticker: KXR-1-B, close_time: +20m, yes_sub_title: Beta}
      - ticker: KXO
        events:
          - {ticker: KXO-1, close_time: +10m, markets: [{ticker: KXO-1-T}]}
"""


async def living(gate: Sequencer, text: str = LIVING) -> tuple[WorldKeeper, WorldReport]:
    found = world(text)
    report = await apply_world(found, gate, keys_directory=Path("/nonexistent"))
    return WorldKeeper(found, gate, report.start_ns), report


async def pass_time(gate: Sequencer, keeper: WorldKeeper, minutes: float) -> None:
    """Second by second would be long: stop wherever the keeper has something to do."""
    end = gate.now_ns() + round(minutes * MINUTE)
    while True:
        due = await keeper.step()
        if due > end:
            break
        await gate.advance_to(max(due, gate.now_ns()))
    await gate.advance_to(end)
    await keeper.step()


def status(state: Exchange, prefix: str) -> dict[str, str]:
    return {
        ticker: market.status
        for ticker, market in state.markets.items()
        if ticker.startswith(prefix)
    }


async def test_rolling_events_come_close_and_pay_without_end():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 31)
        events = {ticker for ticker in gate.state.events if ticker.startswith("KXF-")}
        # Half past ten in New York, and half an hour later; the next one opens at 11:00.
        closes = ["1035", "1040", "1045", "1050", "1055", "1100", "1105"]
        assert events == {f"KXF-{close}" for close in closes}
        statuses = status(gate.state, "KXF-")
        assert {statuses[t] for t in statuses if not t.startswith("KXF-1105")} == {"finalized"}
        assert {statuses[t] for t in statuses if t.startswith("KXF-1105")} == {"active"}
        values = {market.expiration_value for market in gate.state.markets.values()}
        assert len(values) > 5


async def test_the_next_occurrence_is_listed_before_it_opens():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 4.5)
        statuses = status(gate.state, "KXF-1040")
        assert set(statuses.values()) == {"initialized"}


async def test_results_agree_with_the_observed_number():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 20)
        decided = [
            m for m in gate.state.markets.values() if m.ticker.startswith("KXF") and m.result
        ]
        assert len(decided) >= 9
        for market in decided:
            strike = json.loads(market.details)["floor_strike"]
            assert (market.result == "yes") == (float(market.expiration_value) > strike)


async def test_markets_that_exclude_each_other_are_decided_together():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 15)
        assert status(gate.state, "KXR") == {"KXR-1-A": "closed", "KXR-1-B": "active"}
        await pass_time(gate, keeper, 10)
        results = {gate.state.markets[ticker].result for ticker in ("KXR-1-A", "KXR-1-B")}
        assert results == {"yes", "no"}
        assert gate.state.markets["KXR-1-A"].expiration_value in {"Alpha", "Beta"}


async def test_a_result_that_the_operator_gave_binds_the_others():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 12)
        await gate.submit(DetermineMarket("KXR-1-A", "yes"))
        await pass_time(gate, keeper, 10)
        assert gate.state.markets["KXR-1-B"].result == "no"


async def test_other_markets_are_left_to_the_operator():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 30)
        assert status(gate.state, "KXO") == {"KXO-1-T": "closed"}


async def test_a_market_that_the_operator_closed_early_is_the_operators():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 2)
        for event in ("KXF-1035", "KXR-1"):
            ticker = gate.state.events[event].market_tickers[0]
            applied = await gate.submit(ChangeCloseTime(ticker, gate.now_ns()))
            assert applied.rejection is None
        await pass_time(gate, keeper, 25)
        left = {t for t, m in gate.state.markets.items() if m.status == "closed"}
        # Of markets that exclude each other, one in the operator's hands leaves all to them.
        assert {t[:5] for t in left} == {"KXF-1", "KXR-1", "KXO-1"}
        assert len([t for t in left if t.startswith("KXF")]) == 1
        assert {t for t in left if t.startswith("KXR")} == {"KXR-1-A", "KXR-1-B"}


async def test_a_restart_goes_on_where_the_world_was():
    log = MemoryLog()
    async with exchange(log) as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 5.01)
        closed = status(gate.state, "KXF-1035")
        assert set(closed.values()) == {"closed"}
    async with exchange(log, at=gate.now_ns()) as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 5)
        assert set(status(gate.state, "KXF-1035").values()) == {"finalized"}


async def test_the_same_world_has_the_same_results_every_time():
    hashes = []
    for _ in range(2):
        async with exchange() as gate:
            keeper, _ = await living(gate)
            await pass_time(gate, keeper, 12)
            markets = gate.state.markets.values()
            hashes.append([(m.ticker, m.result, m.expiration_value) for m in markets])
    assert hashes[0] == hashes[1]


async def test_the_keeper_waits_out_an_exchange_pause():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        await pass_time(gate, keeper, 5.01)
        await gate.submit(SetExchangePause(True))
        due = await keeper.step()
        assert due - gate.now_ns() <= 10 * 10**9
        await gate.submit(SetExchangePause(False))
        await pass_time(gate, keeper, 3)
        assert set(status(gate.state, "KXF-1035").values()) == {"finalized"}


async def test_the_running_keeper_follows_a_clock_that_jumps():
    async with exchange() as gate:
        keeper, _ = await living(gate)
        running = asyncio.create_task(keeper.run())
        try:
            for minute in (1, 5.1, 5.3, 6.1):
                await gate.advance_to(START + round(minute * MINUTE))
                await asyncio.wait_for(_settles_down(gate, keeper), 5)
            assert set(status(gate.state, "KXF-1035").values()) == {"finalized"}
            assert set(status(gate.state, "KXF-1040").values()) == {"active"}
        finally:
            running.cancel()


async def _settles_down(gate: Sequencer, keeper: WorldKeeper) -> None:
    """Until a keeper that was woken has nothing left to do now."""
    while True:
        sequence = gate.state.sequence
        for _ in range(20):
            await asyncio.sleep(0)
        due = await keeper.step()
        if due > gate.now_ns() and gate.state.sequence == sequence:
            return


async def test_bots_that_lost_their_money_get_more(tmp_path):
    text = "world: w\nbots: [{kind: maker, name: m, deposit: 1000.00}]"
    async with exchange() as gate:
        found = world(text)
        report = await apply_world(found, gate, keys_directory=tmp_path)
        keeper = WorldKeeper(found, gate, report.start_ns)
        member_id = gate.state.member_ids_by_email["m@bots.example.com"]
        await gate.submit(Withdraw(member_id, 0, 800 * MICROS_PER_DOLLAR))
        await keeper.step()
        assert gate.state.members[member_id].accounts[0].cash == 1200 * MICROS_PER_DOLLAR
        assert gate.state.ledger.total() == 0
