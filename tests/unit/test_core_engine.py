"""What ``apply`` promises about records, their order, and what it answers."""

import pytest

from augury.core import commands as c
from augury.core import events as e
from augury.core.engine import Engine
from augury.core.snapshot import dump_state, load_state, state_hash
from tests.core_stage import START_NS, Stage


def test_records_follow_each_other_without_gaps() -> None:
    engine = Engine()
    engine.apply(1, 100, c.Tick())
    for sequence in (0, 1, 3):
        with pytest.raises(ValueError, match="does not follow 1"):
            engine.apply(sequence, 100, c.Tick())
    engine.apply(2, 100, c.Tick())


def test_time_may_stand_still_and_never_goes_back() -> None:
    engine = Engine()
    engine.apply(1, 100, c.Tick())
    engine.apply(2, 100, c.Tick())
    with pytest.raises(ValueError, match="record 3"):
        engine.apply(3, 99, c.Tick())
    assert engine.state.sequence == 2


def test_a_refused_command_is_a_result_like_any_other() -> None:
    engine = Engine()
    applied = engine.apply(1, 100, c.Deposit(5, 0, 100))
    assert applied.rejection is not None
    assert applied.rejection.code == "account_not_found"
    assert applied.events == [applied.rejection]
    assert engine.state.sequence == 1
    assert engine.state.time_ns == 100


def test_due_timers_fire_before_the_command_and_are_told_apart_from_it() -> None:
    stage = Stage({"ann": 100, "bob": 100})
    order = c.PlaceOrder(
        stage.members["ann"],
        0,
        "M",
        "",
        "buy",
        "yes",
        4000,
        500,
        expiration_ns=START_NS + 10**9,
    )
    stage.do(order)
    late = c.PlaceOrder(stage.members["bob"], 0, "M", "", "sell", "yes", 4000, 500)
    applied = stage.do(late, after=1)
    timers, own = applied.events[: applied.own_from], applied.events[applied.own_from :]
    assert [event.reason for event in timers if isinstance(event, e.OrderUpdated)] == ["expired"]
    assert [event.status for event in own if isinstance(event, e.OrderUpdated)] == ["resting"]
    assert not any(isinstance(event, e.TradeExecuted) for event in applied.events)


def test_a_refusal_after_timers_is_still_found() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500, expiration_ns=START_NS + 10**9))
    applied = stage.do(c.CancelOrder(ann, 12_345), after=1)
    assert applied.own_from > 0
    assert applied.rejection is not None
    assert applied.rejection.code == "not_found"


def test_events_of_a_match_come_in_the_documented_order() -> None:
    stage = Stage({"ann": 100, "bob": 100})
    ann, bob = stage.members["ann"], stage.members["bob"]
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500))
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 3900, 500))
    applied = stage.do(c.PlaceOrder(bob, 0, "M", "", "sell", "yes", 3900, 700))
    kinds = [type(event).__name__ for event in applied.events]
    assert kinds == [
        *("TradeExecuted", "OrderFilled", "OrderFilled") * 2,
        *("OrderUpdated",) * 3,
        *("PositionChanged",) * 2,
        *("LevelChanged",) * 2,
        "TickerChanged",
    ]
    fills = [event for event in applied.events if isinstance(event, e.OrderFilled)]
    assert [fill.is_taker for fill in fills] == [False, True, False, True]
    levels = [event for event in applied.events if isinstance(event, e.LevelChanged)]
    assert [(level.price, level.delta, level.quantity) for level in levels] == [
        (4000, -500, 0),
        (3900, -200, 300),
    ]


def test_trade_ids_are_made_of_the_sequence_and_an_index() -> None:
    stage = Stage({"ann": 100, "bob": 100})
    ann, bob = stage.members["ann"], stage.members["bob"]
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500))
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 3900, 500))
    applied = stage.do(c.PlaceOrder(bob, 0, "M", "", "sell", "yes", 3900, 700))
    ids = [event.trade_id for event in applied.events if isinstance(event, e.TradeExecuted)]
    assert ids == [applied.sequence << 20, (applied.sequence << 20) + 1]


def test_a_level_that_ends_as_it_began_is_not_told() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500))
    stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500))
    # Larger, so it goes to the back of its own level: the level leaves and returns in one step.
    applied = stage.do(c.AmendOrder(ann, stage.engine.state.sequence - 1, quantity=700))
    levels = [event for event in applied.events if isinstance(event, e.LevelChanged)]
    assert [(level.delta, level.quantity) for level in levels] == [(200, 1200)]


def test_an_order_alone_at_its_price_is_told_once_when_it_returns_there() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    order_id = stage.do(c.PlaceOrder(ann, 0, "M", "", "buy", "yes", 4000, 500)).sequence
    applied = stage.do(c.AmendOrder(ann, order_id, quantity=700))
    levels = [event for event in applied.events if isinstance(event, e.LevelChanged)]
    assert [(level.delta, level.quantity) for level in levels] == [(200, 700)]


def test_the_state_has_a_name_that_only_history_decides() -> None:
    def exchange(*emails: str) -> Engine:
        engine = Engine()
        for sequence, email in enumerate(emails, start=1):
            engine.apply(sequence, 100, c.CreateMember(email))
        return engine

    one = exchange("ann@example.com", "bob@example.com")
    assert state_hash(one.state) == state_hash(exchange("ann@example.com", "bob@example.com").state)
    assert state_hash(one.state) != state_hash(exchange("bob@example.com", "ann@example.com").state)


def test_a_snapshot_of_an_unknown_kind_is_not_guessed_at() -> None:
    rows = list(dump_state(Engine().state))
    with pytest.raises(ValueError, match="unknown snapshot row"):
        load_state([*rows, ["horoscope", 1]])
    rows[0][1] += 1
    with pytest.raises(ValueError, match="snapshot version"):
        load_state(rows)
