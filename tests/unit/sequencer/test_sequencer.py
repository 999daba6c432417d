"""What everybody who submits may rely on: order, durability, fairness, and honest refusals."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import pytest

from augury.codec.commands import decode_command
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.log.memory import MemoryLog
from augury.ports.clock import Clock
from augury.ports.exchange import Unavailable
from augury.ports.log import Log, LogUnavailable, Record
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock, VirtualClock
from augury.sequencer.recovery import recover
from tests.flow import DAY_NS, START_NS, listing, trading

SECOND = 1_000_000_000


class HeldLog(MemoryLog):
    """A log whose flushes wait for the test, and fail when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_flush = threading.Event()
        self.may_flush.set()
        self.full = False
        self.in_doubt = False
        self.batches: list[list[Record]] = []
        self.attempts = 0
        self.busy = False
        self.closed = False

    def append(self, records: Sequence[Record]) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.busy = True
        assert self.may_flush.wait(10)
        self.busy = False
        self.attempts += 1
        if self.full:
            raise LogUnavailable("the disk is full", self.in_doubt)
        super().append(records)
        self.batches.append(list(records))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log() -> HeldLog:
    return HeldLog()


@asynccontextmanager
async def running(
    log: MemoryLog, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Sequencer]:
    sequencer = Sequencer(Engine(), log, clock or VirtualClock(START_NS), **settings)
    await sequencer.start()
    try:
        yield sequencer
    finally:
        await sequencer.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the conditions are not events
            await asyncio.sleep(0.001)


def kinds(records: Sequence[Record]) -> list[str]:
    return [type(decode_command(record.payload)).__name__ for record in records]


# --- order and durability --------------------------------------------------------------------


async def test_an_answer_comes_after_the_record_is_durable(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.may_flush.clear()
        waiting = asyncio.ensure_future(exchange.submit(c.CreateMember("a@example.com")))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert exchange.state.sequence == 0
        log.may_flush.set()
        applied = await waiting
        assert applied.sequence == log.last_sequence == 1
        assert 1 in exchange.state.members


async def test_a_rejected_command_is_in_the_log_like_any_other(log: HeldLog) -> None:
    async with running(log) as exchange:
        applied = await exchange.submit(c.CancelOrder(1, 99))
        assert applied.rejection is not None
        assert log.last_sequence == 1


async def test_commands_that_arrive_together_share_a_flush(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.may_flush.clear()
        first = asyncio.ensure_future(exchange.submit(c.CreateMember("first@example.com")))
        await until(lambda: log.busy)
        others = [
            asyncio.ensure_future(exchange.submit(c.CreateMember(f"m{n}@example.com")))
            for n in range(40)
        ]
        await asyncio.sleep(0)
        log.may_flush.set()
        answers = await asyncio.gather(first, *others)
        assert [answer.sequence for answer in answers] == list(range(1, 42))
        assert [len(batch) for batch in log.batches] == [1, 40]


class Disk:
    """In place of the log's thread: a flush ends when the test says so and takes a millisecond."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        self.log = log
        self.now = 0.0
        self.sizes: list[int] = []
        self.under_way: Callable[[BaseException | None, float], None] | None = None
        # Time passes only here, so that no busy machine can close a batch early.
        loop.time = lambda: self.now  # type: ignore[method-assign]

    def append(
        self, records: Sequence[Record], finished: Callable[[BaseException | None, float], None]
    ) -> None:
        assert self.under_way is None
        self.log.append(records)
        self.sizes.append(len(records))
        self.under_way = finished

    async def flush(self) -> None:
        """The flush under way ends; then the loop turns until nobody has anything to do."""
        assert self.under_way is not None
        finished, self.under_way = self.under_way, None
        self.now += 0.001
        finished(None, 0.001)
        await turns(10)

    def close(self) -> None:
        self.log.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def with_disk(log: MemoryLog) -> tuple[Sequencer, Disk]:
    disks: list[Disk] = []

    def make(log: Log, loop: asyncio.AbstractEventLoop) -> Any:
        disks.append(Disk(log, loop))
        return disks[0]

    exchange = Sequencer(Engine(), log, VirtualClock(START_NS), appender=make)
    await exchange.start()
    return exchange, disks[0]


async def test_callers_who_come_back_after_their_answers_share_the_next_flush() -> None:
    """One is out of step with nineteen. Flushed at once, it would stay so for ever."""
    exchange, disk = await with_disk(MemoryLog())

    async def caller(name: str) -> None:
        for number in range(3):
            await exchange.submit(c.CreateMember(f"{name}{number}@example.com"))

    callers = [asyncio.ensure_future(caller("first"))]
    await turns(10)
    callers += [asyncio.ensure_future(caller(f"m{n}-")) for n in range(19)]
    await turns(10)
    for _ in range(4):
        await disk.flush()
    await asyncio.gather(*callers)
    assert disk.sizes == [1, 19, 20, 20]
    await exchange.stop()


async def test_who_comes_alone_does_not_wait_for_others() -> None:
    exchange, disk = await with_disk(MemoryLog())
    for number in range(3):
        alone = asyncio.ensure_future(exchange.submit(c.CreateMember(f"m{number}@example.com")))
        await turns(5)
        assert len(disk.sizes) == number + 1
        await disk.flush()
        await alone
    await exchange.stop()


async def test_a_stream_of_commands_does_not_keep_a_batch_open() -> None:
    """Longer than the last flush took."""
    exchange, disk = await with_disk(MemoryLog())
    first = asyncio.ensure_future(exchange.submit(c.CreateMember("first@example.com")))
    await turns(5)
    await disk.flush()
    await first
    waiting = []
    for number in range(20):
        waiting.append(
            asyncio.ensure_future(exchange.submit(c.CreateMember(f"m{number}@example.com")))
        )
        disk.now += 0.0003
        await turns(1)
    assert len(disk.sizes) == 2
    assert 3 <= disk.sizes[1] <= 6
    await disk.flush()
    await disk.flush()
    await asyncio.gather(*waiting)
    assert sum(disk.sizes) == 21
    await exchange.stop()


async def test_a_batch_has_a_limit(log: HeldLog) -> None:
    async with running(log, batch_limit=10) as exchange:
        await asyncio.gather(
            *(exchange.submit(c.CreateMember(f"m{n}@example.com")) for n in range(35))
        )
        assert [len(batch) for batch in log.batches] == [10, 10, 10, 5]


async def test_large_commands_fill_a_batch_earlier(log: HeldLog) -> None:
    async with running(log, batch_bytes_limit=1000) as exchange:
        await asyncio.gather(
            *(exchange.submit(c.PutDocument("note", str(n), "x" * 400)) for n in range(6))
        )
        assert [len(batch) for batch in log.batches] == [3, 3]


async def test_commands_submitted_as_one_stay_together_and_in_order(log: HeldLog) -> None:
    async with running(log, batch_limit=4) as exchange:
        await exchange.submit_all(listing())
        singles = [asyncio.ensure_future(exchange.submit(c.CancelOrder(1, n))) for n in range(3)]
        group = [c.PlaceOrder(1, 0, "RAIN-MON", f"g{n}", "buy", "yes", 4000, 100) for n in range(9)]
        answers = await exchange.submit_all(group)
        await asyncio.gather(*singles)
        sequences = [answer.sequence for answer in answers]
        assert sequences == list(range(sequences[0], sequences[0] + 9))
        assert [answer.command for answer in answers] == group


async def test_nothing_submitted_is_nothing_logged(log: HeldLog) -> None:
    async with running(log) as exchange:
        assert await exchange.submit_all([]) == []
    assert log.last_sequence == 0


async def test_the_log_alone_leads_to_the_same_state(log: HeldLog) -> None:
    async with running(log) as exchange:
        start = listing()
        await exchange.submit_all(start)
        flow = trading(5, len(start) + 1)
        for _ in range(20):
            await asyncio.gather(*(exchange.submit(command) for command in islice(flow, 50)))
        expected = state_hash(exchange.state)
        assert exchange.state.sequence == len(start) + 1000
    engine, catch_up = recover(log)
    assert sum(1 for _ in catch_up) == len(start) + 1000
    assert state_hash(engine.state) == expected


async def test_a_state_that_is_not_where_the_log_ends_is_refused(log: HeldLog) -> None:
    MemoryLog.append(log, [Record(1, 1, 1, 1, b"x")])
    with pytest.raises(ValueError, match="state is at record 0, the log at 1"):
        Sequencer(Engine(), log, RealClock())


# --- who goes first, and who is refused ------------------------------------------------------


async def test_cancels_and_decreases_overtake_what_waits(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.may_flush.clear()
        submitted = [asyncio.ensure_future(exchange.submit(c.Tick()))]
        await until(lambda: log.busy)
        submitted += [
            asyncio.ensure_future(exchange.submit(command))
            for command in (
                c.PlaceOrder(1, 0, "RAIN-MON", "x", "buy", "yes", 4000, 100),
                c.CreateSubaccount(1),
                c.DecreaseOrder(1, 7, reduce_by=100),
                c.AmendOrder(1, 7, price=4000),
                c.CancelOrder(1, 7),
            )
        ]
        await asyncio.sleep(0)
        log.may_flush.set()
        await asyncio.gather(*submitted)
        assert kinds(log.batches[1]) == [
            "DecreaseOrder",
            "CancelOrder",
            "PlaceOrder",
            "CreateSubaccount",
            "AmendOrder",
        ]


async def test_a_flood_of_cancels_does_not_stop_the_others(log: HeldLog) -> None:
    async with running(log, batch_limit=8) as exchange:
        log.may_flush.clear()
        submitted = [asyncio.ensure_future(exchange.submit(c.Tick()))]
        await until(lambda: log.busy)
        submitted += [
            asyncio.ensure_future(exchange.submit(c.CancelOrder(1, n))) for n in range(100)
        ]
        submitted.append(asyncio.ensure_future(exchange.submit(c.CreateSubaccount(1))))
        await asyncio.sleep(0)
        log.may_flush.set()
        await asyncio.gather(*submitted)
        assert "CreateSubaccount" in kinds(log.batches[1])


async def test_when_too_many_wait_new_orders_are_refused_but_cancels_are_not(
    log: HeldLog,
) -> None:
    async with running(log, waiting_limit=20) as exchange:
        log.may_flush.clear()
        submitted = [asyncio.ensure_future(exchange.submit(c.Tick()))]
        await until(lambda: log.busy)
        submitted += [
            asyncio.ensure_future(exchange.submit(c.CreateSubaccount(1))) for _ in range(20)
        ]
        await asyncio.sleep(0)
        assert exchange.waiting == 20
        with pytest.raises(Unavailable) as caught:
            await exchange.submit(c.CreateSubaccount(1))
        assert caught.value.reason == "overloaded"
        submitted += [
            asyncio.ensure_future(exchange.submit(c.CancelOrder(1, n))) for n in range(20)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="overloaded"):
            await exchange.submit(c.CancelOrder(1, 99))
        log.may_flush.set()
        await asyncio.gather(*submitted)
        assert log.last_sequence == 41
        assert exchange.waiting == 0


async def test_a_client_that_gives_up_disturbs_nobody(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.may_flush.clear()
        impatient = asyncio.ensure_future(exchange.submit(c.CreateMember("a@example.com")))
        patient = asyncio.ensure_future(exchange.submit(c.CreateMember("b@example.com")))
        await until(lambda: log.busy)
        impatient.cancel()
        log.may_flush.set()
        assert (await patient).sequence == 2
        assert impatient.cancelled()
        assert set(exchange.state.members) == {1, 2}


# --- listeners -------------------------------------------------------------------------------


async def test_listeners_hear_of_a_record_before_anyone_who_waits_for_it(log: HeldLog) -> None:
    async with running(log) as exchange:
        story: list[str] = []
        exchange.listen(lambda applied: story.append(f"heard {applied.sequence}"))

        async def member(name: str) -> None:
            applied = await exchange.submit(c.CreateMember(f"{name}@example.com"))
            story.append(f"answered {applied.sequence}")

        await asyncio.gather(*(member(f"m{n}") for n in range(30)))
        heard = [line for line in story if line.startswith("heard")]
        assert heard == [f"heard {n}" for n in range(1, 31)]
        for n in range(1, 31):
            assert story.index(f"heard {n}") < story.index(f"answered {n}")


async def test_a_listener_can_leave_even_while_it_is_called(log: HeldLog) -> None:
    async with running(log) as exchange:
        heard: list[int] = []

        def once(applied: Applied) -> None:
            heard.append(applied.sequence)
            leave()

        leave = exchange.listen(once)
        exchange.listen(lambda applied: heard.append(-applied.sequence))
        await exchange.submit_all([c.Tick(), c.Tick()])
        assert heard == [1, -1, -2]


async def test_a_listener_that_fails_does_not_take_the_exchange_with_it(
    log: HeldLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(log) as exchange:
        heard: list[int] = []

        def broken(applied: Applied) -> None:
            raise LookupError("a defect of the listener")

        exchange.listen(broken)
        exchange.listen(lambda applied: heard.append(applied.sequence))
        assert (await exchange.submit(c.Tick())).sequence == 1
        assert heard == [1]
        assert "listener failed at record 1" in caplog.text


# --- time ------------------------------------------------------------------------------------


class Wall:
    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


async def test_exchange_time_does_not_go_back_with_the_machines_clock(log: HeldLog) -> None:
    wall = Wall(START_NS)
    async with running(log, RealClock(wall)) as exchange:
        first = await exchange.submit(c.Tick())
        wall.now_ns -= 3600 * SECOND
        second = await exchange.submit(c.Tick())
        assert exchange.now_ns() == second.time_ns == first.time_ns == START_NS
        wall.now_ns = START_NS + 5
        assert (await exchange.submit(c.Tick())).time_ns == START_NS + 5


async def test_exchange_time_does_not_go_back_over_a_restart(log: HeldLog) -> None:
    async with running(log, RealClock(Wall(START_NS))) as exchange:
        await exchange.submit(c.Tick())
    engine, catch_up = recover(log)
    assert len(list(catch_up)) == 1
    again = Sequencer(engine, log, RealClock(Wall(START_NS - DAY_NS)))
    await again.start()
    assert again.now_ns() == START_NS
    assert (await again.submit(c.Tick())).time_ns == START_NS
    await again.stop()


async def test_a_timer_fires_by_itself_when_it_is_due(log: HeldLog) -> None:
    async with running(log, RealClock()) as exchange:
        close_ns = exchange.now_ns() + SECOND // 5
        await exchange.submit_all(listing(close_ns))
        assert exchange.state.markets["RAIN-MON"].status == "active"
        await until(lambda: exchange.state.markets["RAIN-MON"].status == "closed")
        assert exchange.state.time_ns >= close_ns
        assert kinds(log.batches[-1]) == ["Tick"]


async def test_a_timer_that_was_due_while_nobody_ran_fires_at_the_start(log: HeldLog) -> None:
    wall = Wall(START_NS)
    async with running(log, RealClock(wall)) as exchange:
        await exchange.submit_all(listing())
    engine, catch_up = recover(log)
    assert len(list(catch_up)) == len(listing())
    again = Sequencer(engine, log, RealClock(Wall(START_NS + 2 * DAY_NS)))
    await again.start()
    await until(lambda: again.state.markets["RAIN-MON"].status == "closed")
    await again.stop()


async def test_virtual_time_stands_still_until_it_is_moved(log: HeldLog) -> None:
    async with running(log) as exchange:
        await exchange.submit_all(listing())
        assert exchange.now_ns() == START_NS
        assert (await exchange.submit(c.Tick())).time_ns == START_NS
        applied = await exchange.advance_to(START_NS + SECOND)
        assert applied.time_ns == exchange.now_ns() == START_NS + SECOND
        with pytest.raises(ValueError, match="back"):
            await exchange.advance_to(START_NS)


async def test_virtual_time_stops_at_each_timer_on_its_way(log: HeldLog) -> None:
    async with running(log) as exchange:
        await exchange.submit_all(listing())
        times: list[int] = []
        exchange.listen(lambda applied: times.append(applied.time_ns))
        for n, delay in enumerate((10, 20, 30)):
            await exchange.submit(
                c.PlaceOrder(
                    *(1, 0, "RAIN-MON", f"gtd{n}", "buy", "yes", 4000, 100),
                    expiration_ns=START_NS + delay * SECOND,
                )
            )
        del times[:]
        assert exchange.next_timer_ns() == START_NS + 10 * SECOND
        await exchange.advance_to(START_NS + 25 * SECOND)
        assert times == [START_NS + seconds * SECOND for seconds in (10, 20, 25)]
        assert len(exchange.state.orders) == 1


async def test_a_real_clock_cannot_be_moved(log: HeldLog) -> None:
    async with running(log, RealClock()) as exchange:
        with pytest.raises(RuntimeError, match="cannot be moved"):
            await exchange.advance_to(exchange.now_ns() + SECOND)


# --- the log refuses -------------------------------------------------------------------------


async def test_when_the_disk_is_full_nobody_is_told_yes_and_reads_go_on(log: HeldLog) -> None:
    async with running(log) as exchange:
        await exchange.submit(c.CreateMember("a@example.com"))
        log.full = True
        log.may_flush.clear()
        refused = [
            asyncio.ensure_future(exchange.submit(c.CreateMember(f"m{n}@example.com")))
            for n in range(5)
        ]
        await until(lambda: log.busy)
        refused.append(asyncio.ensure_future(exchange.submit(c.CancelOrder(1, 1))))
        await asyncio.sleep(0)
        log.may_flush.set()
        for outcome in await asyncio.gather(*refused, return_exceptions=True):
            assert isinstance(outcome, Unavailable)
            assert outcome.reason == "storage"
        assert exchange.storage_failed
        with pytest.raises(Unavailable, match="storage"):
            await exchange.submit(c.Tick())
        assert list(exchange.state.members) == [1]
        assert exchange.state.sequence == log.last_sequence == 1


async def test_what_may_yet_come_back_is_not_said_to_be_refused(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.full = log.in_doubt = True
        log.may_flush.clear()
        written = asyncio.ensure_future(exchange.submit(c.CreateMember("a@example.com")))
        await until(lambda: log.busy)
        queued = asyncio.ensure_future(exchange.submit(c.CreateMember("b@example.com")))
        await asyncio.sleep(0)
        log.may_flush.set()
        answers = await asyncio.gather(written, queued, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["unknown", "storage"]
        assert not exchange.state.members


async def test_when_the_disk_has_room_again_the_exchange_goes_on_by_itself(
    log: HeldLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(log) as exchange:
        log.full = True
        with pytest.raises(Unavailable, match="storage"):
            await exchange.submit(c.CreateMember("a@example.com"))
        await until(lambda: log.attempts >= 3)
        assert exchange.storage_failed
        log.full = False
        await until(lambda: not exchange.storage_failed)
        applied = await exchange.submit(c.CreateMember("a@example.com"))
        assert applied.rejection is None
        assert applied.sequence == log.last_sequence == 2
        assert "cannot be written" in caplog.text
        assert "goes on" in caplog.text


async def test_a_clock_does_not_move_for_a_record_that_is_not_there(log: HeldLog) -> None:
    async with running(log) as exchange:
        log.full = True
        with pytest.raises(Unavailable):
            await exchange.advance_to(START_NS + SECOND)
        assert exchange.now_ns() == START_NS


async def test_timers_fire_after_the_disk_has_room_again(log: HeldLog) -> None:
    async with running(log, RealClock()) as exchange:
        close_ns = exchange.now_ns() + SECOND // 5
        await exchange.submit_all(listing(close_ns))
        log.full = True
        await until(lambda: exchange.storage_failed)
        log.full = False
        await until(lambda: exchange.state.markets["RAIN-MON"].status == "closed")


# --- the end ---------------------------------------------------------------------------------


async def test_a_graceful_stop_finishes_what_waits_and_takes_nothing_new(log: HeldLog) -> None:
    exchange = Sequencer(Engine(), log, VirtualClock(START_NS), batch_limit=7)
    await exchange.start()
    log.may_flush.clear()
    waiting = [
        asyncio.ensure_future(exchange.submit(c.CreateMember(f"m{n}@example.com")))
        for n in range(60)
    ]
    await until(lambda: log.busy)
    stopping = asyncio.ensure_future(exchange.stop())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="stopping"):
        await exchange.submit(c.Tick())
    log.may_flush.set()
    await stopping
    assert [(await answer).sequence for answer in waiting] == list(range(1, 61))
    assert log.closed
    assert log.last_sequence == 60


async def test_a_stop_does_not_wait_for_a_disk_that_is_full(log: HeldLog) -> None:
    exchange = Sequencer(Engine(), log, VirtualClock(START_NS))
    await exchange.start()
    log.full = True
    with pytest.raises(Unavailable):
        await exchange.submit(c.Tick())
    async with asyncio.timeout(10):
        await exchange.stop()
    assert log.closed


async def test_before_the_start_nothing_is_accepted(log: HeldLog) -> None:
    exchange = Sequencer(Engine(), log, VirtualClock(START_NS))
    with pytest.raises(Unavailable, match="stopping"):
        await exchange.submit(c.Tick())


async def test_a_defect_of_the_core_stops_the_process_rather_than_letting_it_diverge(
    log: HeldLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class DefectiveEngine:
        """Applies two records and then fails, as only a defect could make it."""

        def __init__(self) -> None:
            self.engine = Engine()
            self.state = self.engine.state

        def next_timer_ns(self) -> int | None:
            return None

        def apply(self, sequence: int, time_ns: int, command: c.Command) -> Applied:
            if sequence == 3:
                raise ZeroDivisionError("a defect of the core")
            return self.engine.apply(sequence, time_ns, command)

    ends: list[BaseException] = []
    exchange = Sequencer(
        DefectiveEngine(),  # type: ignore[arg-type]
        log,
        VirtualClock(START_NS),
        on_defect=ends.append,
    )
    await exchange.start()
    outcomes = await asyncio.gather(
        *(exchange.submit(c.CreateMember(f"m{n}@example.com")) for n in range(5)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Applied] * 2 + [Unavailable] * 3
    assert len(ends) == 1
    assert isinstance(ends[0], ZeroDivisionError)
    assert "record 3" in caplog.text
    with pytest.raises(Unavailable):
        await exchange.submit(c.Tick())
    log.close()
