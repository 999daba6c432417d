"""Exchanges with one mistake each, of the kind that tests with examples let through.

Each replaces one production part, or one function of it, by a version that is wrong. The simulator
has to notice every one of them; otherwise it looks at the wrong things.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from augury.codec.snapshots import DecodedSnapshot, decode_state
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.events import LevelChanged
from augury.gateways.ws.publisher import Publisher
from augury.log.head import Head
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogUnavailable, Record
from augury.projections.collector import Rows
from augury.projections.database import HistoryDatabase
from augury.projections.writer import HistoryWriter
from augury.sequencer import recovery
from augury.sequencer.appender import Finished
from augury.testing.simulation.node import Parts, SimulatedAppender

Mutant = Callable[[], Any]
"""A context in which the exchange is wrong; entering it gives the parts to use."""


@contextmanager
def answers_before_the_flush() -> Iterator[Parts]:
    """What is answered is on its way to the disk, and what if the power fails on the way?"""

    class Hasty(SimulatedAppender):
        def append(self, records: Sequence[Record], finished: Finished) -> None:
            self._loop.call_soon(finished, None, 0.0)
            super().append(records, lambda failure, seconds: None)

    yield Parts(appender=Hasty)


@contextmanager
def never_flushes() -> Iterator[Parts]:
    class Careless(SqliteLog):
        def _connect(self, mode: str) -> Any:
            connection = super()._connect(mode)
            connection.execute("PRAGMA synchronous = NORMAL")
            return connection

    yield Parts(log=Careless)


@contextmanager
def forgets_the_head() -> Iterator[Parts]:
    """A log that was cut looks like a shorter log."""
    with mock.patch.object(Head, "read", return_value=None):
        yield Parts()


@contextmanager
def trusts_what_a_start_finds() -> Iterator[Parts]:
    """A batch that only memory knows is built on. (This was a mistake of ours.)"""
    with mock.patch.object(SqliteLog, "_make_durable"):
        yield Parts()


@contextmanager
def denies_what_is_in_doubt() -> Iterator[Parts]:
    """A failed flush is answered with a clear no. (This was a mistake of ours.)"""

    def certain(self: LogUnavailable, message: str, in_doubt: bool = False) -> None:
        Exception.__init__(self, message)
        self.in_doubt = False

    with mock.patch.object(LogUnavailable, "__init__", certain):
        yield Parts()


@contextmanager
def forgets_names_over_a_start() -> Iterator[Parts]:
    """Whoever sends an order again after a restart gets two."""

    def forgetful(payload: bytes, expected_hash: str) -> DecodedSnapshot:
        decoded = decode_state(payload, expected_hash)
        for member in decoded.state.members.values():
            member.client_order_ids.clear()
            member.closed_client_order_ids.clear()
        return decoded

    with mock.patch.object(recovery, "decode_state", forgetful):
        yield Parts()


class _Wrapped:
    """An engine whose results somebody meddles with."""

    def __init__(self, engine: Engine, meddle: Callable[[Engine, Applied], None]) -> None:
        self._engine = engine
        self._meddle = meddle
        self.next_timer_ns = engine.next_timer_ns

    @property
    def state(self) -> Any:
        return self._engine.state

    def apply(self, *record: Any) -> Applied:
        applied = self._engine.apply(*record)
        self._meddle(self._engine, applied)
        return applied


@contextmanager
def loses_a_fee() -> Iterator[Parts]:
    """Now and then what a member paid arrives nowhere."""

    def meddle(engine: Engine, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, e.OrderFilled) and event.fee and event.trade_id % 5 == 0:
                engine.state.ledger.fees -= 1

    yield Parts(engine=lambda engine: _Wrapped(engine, meddle))


@contextmanager
def pays_from_the_wrong_pocket() -> Iterator[Parts]:
    """The sum is right and nothing is negative; only the accounts are not what they should be."""

    def meddle(engine: Engine, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, e.OrderFilled) and event.trade_id % 7 == 0:
                accounts = engine.state.members[event.member_id].accounts
                if accounts[0].available > 10_000:
                    accounts[0].cash -= 10_000
                    accounts[1].cash += 10_000

    yield Parts(engine=lambda engine: _Wrapped(engine, meddle))


@contextmanager
def pays_a_cent_too_little() -> Iterator[Parts]:
    """A holding is settled for a cent less, where an order rested beside it until the close."""
    rested: set[tuple[int, int, str]] = set()

    def meddle(engine: Engine, applied: Applied) -> None:
        for event in applied.events:
            if isinstance(event, e.OrderUpdated) and event.reason == "market_closed":
                rested.add((event.member_id, event.subaccount, event.market_ticker))
            elif isinstance(event, e.PositionSettled) and event.revenue:
                key = (event.member_id, event.subaccount, event.market_ticker)
                if key in rested:
                    engine.state.members[event.member_id].accounts[event.subaccount].cash -= 10_000
                    engine.state.ledger.cash -= 10_000
                    engine.state.ledger.fees += 10_000

    yield Parts(engine=lambda engine: _Wrapped(engine, meddle))


@contextmanager
def forgets_to_take_collateral_back() -> Iterator[Parts]:
    """What was returned across an event stays with the member when the event is settled."""

    def meddle(engine: Engine, applied: Applied) -> None:
        settled = {
            (event.member_id, event.subaccount, event.event_ticker)
            for event in applied.events
            if isinstance(event, e.PositionSettled)
        }
        for event in applied.events:
            if isinstance(event, e.CollateralReturned) and event.amount < 0:
                key = (event.member_id, event.subaccount, event.event_ticker)
                if key in settled:
                    account = engine.state.members[event.member_id].accounts[event.subaccount]
                    account.cash -= event.amount
                    engine.state.ledger.cash -= event.amount
                    engine.state.ledger.house += event.amount

    yield Parts(engine=lambda engine: _Wrapped(engine, meddle))


@contextmanager
def moves_the_position_later() -> Iterator[Parts]:
    """History's rows and its position are in two transactions."""
    insert = HistoryWriter._insert

    def two_transactions(self: HistoryWriter, cursor: Any, rows: Rows, candles: Any) -> None:
        insert(self, cursor, rows, candles)
        assert self._connection is not None
        self._connection.commit()
        cursor.execute("BEGIN IMMEDIATE")

    with mock.patch.object(HistoryWriter, "_insert", two_transactions):
        yield Parts()


@contextmanager
def folds_in_what_a_flush_lost() -> Iterator[Parts]:
    """History goes on with a write-ahead file that is not on the disk. (A mistake of ours.)"""
    with mock.patch.object(HistoryDatabase, "_make_durable"):
        yield Parts()


@contextmanager
def swallows_a_delta() -> Iterator[Parts]:
    """One change of a book in twenty is told to nobody."""
    level_changed = Publisher._level_changed
    count = [0]

    def swallow(self: Publisher, event: LevelChanged) -> None:
        count[0] += 1
        if count[0] % 20:
            level_changed(self, event)

    with mock.patch.object(Publisher, "_level_changed", swallow):
        yield Parts()


MUTANTS: list[Mutant] = [
    answers_before_the_flush,
    never_flushes,
    forgets_the_head,
    trusts_what_a_start_finds,
    denies_what_is_in_doubt,
    forgets_names_over_a_start,
    loses_a_fee,
    pays_from_the_wrong_pocket,
    pays_a_cent_too_little,
    forgets_to_take_collateral_back,
    moves_the_position_later,
    folds_in_what_a_flush_lost,
    swallows_a_delta,
]
