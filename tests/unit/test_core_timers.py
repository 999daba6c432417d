"""What is due next, and that timers without meaning have no effect."""

from augury.core import commands as c
from augury.core import events as e
from augury.core.engine import Engine
from augury.core.snapshot import dump_state, load_state
from augury.core.units import NANOS_PER_SECOND
from tests.core_digest import digest_of
from tests.core_stage import CLOSE_SECONDS, START_NS, Stage

CLOSE_NS = START_NS + CLOSE_SECONDS * NANOS_PER_SECOND


def at(seconds: float) -> int:
    return START_NS + round(seconds * NANOS_PER_SECOND)


def resting(stage: Stage, seconds: float) -> int:
    """Rest an order of ann's until then; returns its id."""
    ann = stage.members["ann"]
    order = c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500, expiration_ns=at(seconds))
    return stage.do(order).sequence


def test_nothing_is_due_in_an_empty_exchange() -> None:
    assert Engine().next_timer_ns() is None


def test_the_earliest_of_orders_and_markets_is_next() -> None:
    stage = Stage({"ann": 100})
    assert stage.engine.next_timer_ns() == CLOSE_NS
    resting(stage, 20)
    resting(stage, 10)
    assert stage.engine.next_timer_ns() == at(10)
    stage.do(c.Tick(), after=10)
    assert stage.engine.next_timer_ns() == at(20)


def test_a_canceled_order_is_due_no_more() -> None:
    stage = Stage({"ann": 100})
    order_id = resting(stage, 10)
    stage.do(c.CancelOrder(stage.members["ann"], order_id))
    assert stage.engine.next_timer_ns() == CLOSE_NS


def test_a_close_that_was_moved_is_due_at_its_new_time_only() -> None:
    stage = Stage({"ann": 100})
    stage.do(c.ChangeCloseTime("M", at(9_000)))
    assert stage.engine.next_timer_ns() == at(9_000)
    stage.do(c.ChangeCloseTime("M", at(50)))
    assert stage.engine.next_timer_ns() == at(50)


def test_nothing_is_due_in_an_exchange_pause() -> None:
    stage = Stage({"ann": 100})
    stage.do(c.SetExchangePause(True))
    assert stage.engine.next_timer_ns() is None
    stage.do(c.SetExchangePause(False))
    assert stage.engine.next_timer_ns() == CLOSE_NS


def test_a_timer_without_meaning_does_not_even_divide_the_events_of_others() -> None:
    """A replica from a snapshot has no such timers, and must tell the same events."""
    stage = Stage({"ann": 100})
    first = resting(stage, 10)
    stage.do(c.ChangeCloseTime("M", at(20)))
    stage.do(c.ChangeCloseTime("M", at(9_000)))
    second = resting(stage, 30)
    copy = Engine(load_state(list(dump_state(stage.engine.state))))
    # Both orders expire in one step; between their times lies that of the close that moved.
    applied = stage.engine.apply(stage.engine.state.sequence + 1, at(40), c.Tick())
    assert digest_of(copy.apply(applied.sequence, at(40), c.Tick())) == digest_of(applied)
    expired = [event.order_id for event in applied.events if isinstance(event, e.OrderUpdated)]
    assert expired == [first, second]
    levels = [event for event in applied.events if isinstance(event, e.LevelChanged)]
    assert [level.delta for level in levels] == [-1000]


def test_canceled_orders_do_not_pile_up_as_timers() -> None:
    stage = Stage({"ann": 100})
    engine = stage.engine
    ann = stage.members["ann"]
    for _ in range(3_000):
        sequence = engine.state.sequence + 1
        order = c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 100, 100, expiration_ns=at(100))
        engine.apply(sequence, stage.time_ns, order)
        engine.apply(sequence + 1, stage.time_ns, c.CancelOrder(ann, sequence))
    assert len(engine.state.timers) <= 1_025
