"""Limits that protect the exchange: how much of a thing, how large, how long remembered."""

from augury.core import commands as c
from augury.core import state as limits
from augury.core.engine import Engine
from augury.core.groups import MAX_GROUPS_PER_MEMBER
from augury.core.members import MONEY_LIMIT
from augury.core.units import QUANTITY_ONE
from tests.core_stage import Stage


def code(stage: Stage, command: c.Command) -> str:
    """Why the command was refused; empty when it was carried out. Without the stage's checks,
    which look at everything from scratch."""
    engine = stage.engine
    applied = engine.apply(engine.state.sequence + 1, stage.time_ns, command)
    return "" if applied.rejection is None else applied.rejection.code


def order(member: int, client_order_id: str = "", time_in_force: str = "good_till_canceled"):
    return c.PlaceOrder(
        member, 0, "M", client_order_id, "buy", "yes", 100, QUANTITY_ONE, time_in_force
    )


def test_a_member_has_at_most_200_000_open_orders() -> None:
    stage = Stage({"ann": 1_000_000, "bob": 1_000})
    ann = stage.members["ann"]
    member = stage.engine.state.members[ann]
    first = 0
    while member.open_orders < limits.MAX_OPEN_ORDERS:
        assert code(stage, order(ann)) == ""
        first = first or stage.engine.state.sequence
    assert code(stage, order(ann)) == "exceeded_order_limit"
    assert code(stage, order(stage.members["bob"])) == ""
    assert code(stage, c.CancelOrder(ann, first)) == ""
    assert code(stage, order(ann)) == ""


def test_closed_client_order_ids_are_remembered_up_to_a_limit() -> None:
    stage = Stage({"ann": 1_000})
    ann = stage.members["ann"]
    many = limits.REMEMBERED_CLIENT_ORDER_IDS + limits.FORGOTTEN_AT_ONCE
    for number in range(many):
        assert code(stage, order(ann, f"id-{number}", "immediate_or_cancel")) == ""
    remembered = stage.engine.state.members[ann]
    assert len(remembered.client_order_ids) == limits.REMEMBERED_CLIENT_ORDER_IDS
    assert len(remembered.closed_client_order_ids) == limits.REMEMBERED_CLIENT_ORDER_IDS
    oldest = limits.FORGOTTEN_AT_ONCE
    assert code(stage, order(ann, f"id-{oldest}")) == "order_already_exists"
    assert code(stage, order(ann, f"id-{oldest - 1}")) == ""


def test_open_orders_keep_their_client_order_ids_however_many_close() -> None:
    stage = Stage({"ann": 1_000})
    ann = stage.members["ann"]
    assert code(stage, order(ann, "resting")) == ""
    for number in range(limits.REMEMBERED_CLIENT_ORDER_IDS + limits.FORGOTTEN_AT_ONCE):
        code(stage, order(ann, f"id-{number}", "immediate_or_cancel"))
    assert code(stage, order(ann, "resting")) == "order_already_exists"


def test_a_member_has_subaccounts_up_to_32() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    for _ in range(limits.MAX_SUBACCOUNT):
        assert code(stage, c.CreateSubaccount(ann)) == ""
    assert code(stage, c.CreateSubaccount(ann)) == "invalid_parameters"
    assert sorted(stage.engine.state.members[ann].accounts) == list(range(33))


def test_a_member_has_at_most_25_000_order_groups() -> None:
    stage = Stage({"ann": 100, "bob": 100})
    ann = stage.members["ann"]
    first = 0
    for _ in range(MAX_GROUPS_PER_MEMBER):
        assert code(stage, c.CreateOrderGroup(ann, 0, QUANTITY_ONE)) == ""
        first = first or stage.engine.state.sequence
    assert code(stage, c.CreateOrderGroup(ann, 0, QUANTITY_ONE)) == "invalid_parameters"
    assert code(stage, c.CreateOrderGroup(stage.members["bob"], 0, QUANTITY_ONE)) == ""
    assert code(stage, c.DeleteOrderGroup(ann, first)) == ""
    assert code(stage, c.CreateOrderGroup(ann, 0, QUANTITY_ONE)) == ""


def test_there_is_no_more_money_than_64_bits_can_count_the_trades_of() -> None:
    engine = Engine()
    engine.apply(1, 1, c.CreateMember("ann@example.com"))
    assert engine.apply(2, 1, c.Deposit(1, 0, MONEY_LIMIT)).rejection is None
    refused = engine.apply(3, 1, c.Deposit(1, 0, 1)).rejection
    assert refused is not None
    assert refused.code == "invalid_parameters"


def test_the_list_of_open_orders_does_not_grow_with_closed_ones() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    for _ in range(2_000):
        assert code(stage, order(ann)) == ""
        assert code(stage, c.CancelOrder(ann, stage.engine.state.sequence)) == ""
    assert len(stage.engine.state.members[ann].open_order_ids) <= 65
