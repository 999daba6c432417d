"""Everything at once: orders, quotes, combos, netting, fees, windows, disputes and settlements.

Where the other flows mostly trade, this one mostly does everything else, with a few hard-driven
markets whose results come, are disputed, and change. Followed by a replica that starts from a
snapshot somewhere on the way.
"""

import random
from collections.abc import Callable, Iterator
from typing import Final

from augury.core import events as e
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.snapshot import Row, dump_state, load_state, state_hash
from augury.core.state import ACTIVE
from augury.core.units import NANOS_PER_SECOND
from augury.testing.invariants import check
from augury.testing.simulation.workload import Workload, foundation, new_day
from tests.core_digest import digest_of

START_NS: Final = 1_760_000_000 * NANOS_PER_SECOND


class Storm:
    """What members and operators of the simulator want, on a core alone, all of it at once."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.engine = Engine()
        self.time_ns = START_NS
        self.records: list[Applied] = []
        self.digests: list[str] = []
        self.before: list[Row] = []
        """The state before the last command of ``rage``."""
        while (commands := foundation(self.state, self.chance, self.time_ns)) is not None:
            for command in commands:
                self.apply(command)
        self.days = 1

    def apply(self, command: Command, after_ns: int = 1) -> Applied:
        self.time_ns += after_ns
        applied = self.engine.apply(self.engine.state.sequence + 1, self.time_ns, command)
        self.records.append(applied)
        self.digests.append(digest_of(applied))
        return applied

    def rage(self, count: int) -> Iterator[Applied]:
        chance = self.chance
        for _ in range(count):
            wish = Workload(chance, self.state, self.time_ns, f"{self.state.sequence}")
            if not any(market.status == ACTIVE for market in self.state.markets.values()):
                self.days += 1
                for command in new_day(chance, self.time_ns, str(self.days)):
                    self.apply(command)
            kinds: list[Callable[[], Command]] = [
                *([wish.order] * 35),
                *([wish.change_order] * 5),
                *([wish.rfq] * 8),
                *([wish.quote] * 8),
                *([wish.next_step] * 14),
                *([wish.combo] * 4),
                *([wish.agree_off_the_book] * 6),
                *([wish.result] * 8),
                *([wish.operate] * 5),
                *([wish.terms] * 4),
                *([wish.money] * 9),
            ]
            pause = chance.choice((0, 0, 0, 0, 10**6, NANOS_PER_SECOND, 5 * NANOS_PER_SECOND))
            self.before = timeless(list(dump_state(self.state)))
            yield self.apply(chance.choice(kinds)(), pause)

    @property
    def state(self):
        return self.engine.state


def timeless(rows: list[Row]) -> list[Row]:
    """Without sequence, time and maintenance windows: a window that passes under a pause by hand
    is forgotten without a word."""
    return [[*rows[0][:2], *rows[0][4:14]], *rows[1:]]


def test_nothing_breaks_in_a_storm(seed: int) -> None:
    happened: set[tuple[str, str]] = set()
    for run in range(6):
        storm = Storm(seed + run)
        for applied in storm.rage(350):
            check(storm.engine.state, fixed_terms=False)
            for member in storm.state.members.values():
                for account in member.accounts.values():
                    assert account.available >= 0
            if applied.rejection is not None and applied.own_from == 0:
                assert timeless(list(dump_state(storm.state))) == storm.before
                assert len(applied.events) == 1
            for event in applied.events:
                if isinstance(event, e.QuoteUpdated):
                    happened.add(("quote", event.kind))
                elif isinstance(event, e.MarketStatusChanged) and event.ticker.startswith("S-"):
                    happened.add(("combo", event.reason))
    assert ("quote", "executed") in happened
    assert ("combo", "determined") in happened


def test_a_replica_that_joins_in_a_storm_sees_the_same(seed: int) -> None:
    for run in range(3):
        storm = Storm(seed + 1000 + run)
        for _ in storm.rage(400):
            pass
        again = Engine()
        replicas = [again]
        joins = sorted(storm.chance.sample(range(len(storm.records)), 6))
        for index, record in enumerate(storm.records):
            if index in joins:
                replicas.append(Engine(load_state(list(dump_state(again.state)))))
            for replica in replicas:
                told = digest_of(replica.apply(record.sequence, record.time_ns, record.command))
                assert told == storm.digests[index], f"record {record.sequence} differs"
                assert replica.next_timer_ns() == again.next_timer_ns()
        hashes = {state_hash(replica.state) for replica in replicas}
        assert hashes == {state_hash(storm.engine.state)}
