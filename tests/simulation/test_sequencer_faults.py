"""A seeded life of an exchange with a bad disk, a jumping clock, impatient clients and crashes.

The clients keep their own account of what they were told. After every crash the log alone must
agree with all of them: what was acknowledged is there, in its place and with the same outcome; what
was refused is not there; time and sequence only ever went forward.
"""

import asyncio
import random
from collections.abc import Sequence

import pytest

from augury.codec.commands import encode_command
from augury.codec.readable import applied_dict
from augury.codec.snapshots import encode_state
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.snapshot import state_hash
from augury.log.memory import MemoryLog
from augury.log.snapshots import MemorySnapshots
from augury.ports.exchange import Unavailable
from augury.ports.log import LogUnavailable, Record
from augury.ports.snapshots import Snapshot
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock
from augury.sequencer.recovery import engine_at, recover
from tests.flow import MEMBERS, START_NS, listing, trading

SECOND = 1_000_000_000


class BadDisk(MemoryLog):
    """Refuses some flushes; survives the exchanges that write to it."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.healthy = True
        self.refusals = 0

    def append(self, records: Sequence[Record]) -> None:
        if not self.healthy and self._chance.random() < 0.5:
            self.refusals += 1
            raise LogUnavailable("simulated")
        super().append(records)

    def close(self) -> None:
        """The simulation owns the disk."""


class JumpingClock:
    """A machine's clock that mostly runs, and sometimes is set forward or back."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now = START_NS

    def __call__(self) -> int:
        self._now += self._chance.randint(0, SECOND // 100)
        if self._chance.random() < 0.01:
            self._now += self._chance.randint(-600, 900) * SECOND
        return self._now


class Ledger:
    """What the clients were told."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, tuple[bytes, str]] = {}
        self.refused: set[bytes] = set()
        self.unknown: set[bytes] = set()

    def note(self, payload: bytes, applied: Applied) -> None:
        assert applied.sequence not in self.acknowledged
        self.acknowledged[applied.sequence] = (payload, str(applied_dict(applied)))


class World:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.disk = BadDisk(self.chance)
        self.clock = JumpingClock(self.chance)
        self.ledger = Ledger()
        self.snapshots = MemorySnapshots()
        self.number = 0

    async def client(self, exchange: Sequencer, commands: int) -> None:
        flow = trading(self.chance.randrange(2**32), self.chance.randrange(1, 400))
        for _ in range(commands):
            self.number += 1
            command = next(flow)
            if self.chance.random() < 0.3:
                # Something that is unique, so that a refusal can be checked against the log.
                member = self.chance.randint(1, MEMBERS)
                command = c.Deposit(member, 0, 100, f"deposit {self.number}")
            await self.one(exchange, command)

    async def one(self, exchange: Sequencer, command: c.Command) -> None:
        payload = encode_command(command)
        patience = 0.0005 if self.chance.random() < 0.05 else 10
        try:
            async with asyncio.timeout(patience):
                applied = await exchange.submit(command)
            self.ledger.note(payload, applied)
        except Unavailable:
            if isinstance(command, c.Deposit):
                self.ledger.refused.add(payload)
            await asyncio.sleep(0.001)
        except (TimeoutError, asyncio.CancelledError):
            self.ledger.unknown.add(payload)

    async def life(self) -> None:
        """From a start to a crash or a graceful stop."""
        engine, catch_up = recover(self.disk, self.snapshots)
        for _ in catch_up:
            pass
        exchange = Sequencer(
            engine,
            self.disk,
            RealClock(self.clock),
            batch_limit=self.chance.choice((1, 3, 1000)),
            waiting_limit=self.chance.choice((5, 1000)),
        )
        await exchange.start()
        if not self.ledger.acknowledged:
            self.disk.healthy = True
            for command in listing():
                self.ledger.note(encode_command(command), await exchange.submit(command))
        self.disk.healthy = self.chance.random() < 0.5
        clients = [
            asyncio.ensure_future(self.client(exchange, self.chance.randint(1, 30)))
            for _ in range(20)
        ]
        if self.chance.random() < 0.5:
            # A crash: from one moment to the next nobody is there any more.
            for _ in range(self.chance.randint(1, 60)):
                await asyncio.sleep(0)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            exchange._accepting = False
            exchange._cancel_timers()
            await asyncio.to_thread(exchange._appender.close)
        else:
            await asyncio.gather(*clients)
            await exchange.stop()
            assert exchange.state.sequence == self.disk.last_sequence
        if self.chance.random() < 0.5:
            self.save_snapshot()

    def save_snapshot(self) -> None:
        state = engine_at(self.disk, self.snapshots, self.disk.last_sequence).state
        self.snapshots.save(
            Snapshot(
                state.sequence,
                state.time_ns,
                state_hash(state),
                encode_state(state, self.disk.chain_hash(state.sequence)),
            )
        )

    def check(self) -> None:
        records = list(self.disk.read())
        assert [entry.sequence for entry in records] == list(range(1, len(records) + 1))
        times = [entry.time_ns for entry in records]
        assert times == sorted(times)
        engine, catch_up = recover(self.disk)
        outcomes = {applied.sequence: str(applied_dict(applied)) for applied in catch_up}
        logged = {entry.sequence: entry.payload for entry in records}
        for sequence, (payload, outcome) in self.ledger.acknowledged.items():
            assert logged[sequence] == payload
            assert outcomes[sequence] == outcome
        assert not self.ledger.refused & set(logged.values())
        again, rest = recover(self.disk, self.snapshots)
        for _ in rest:
            pass
        assert state_hash(again.state) == state_hash(engine.state)
        assert engine.state.ledger.total() == 0


@pytest.mark.parametrize("run", range(5))
async def test_the_log_agrees_with_everybody_after_every_crash(seed: int, run: int) -> None:
    world = World(seed + run)
    for _ in range(12):
        await world.life()
        world.check()
    assert len(world.ledger.acknowledged) > 50
    assert world.ledger.refused
    assert world.disk.refusals
