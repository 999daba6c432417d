"""Limits that protect the exchange: how much of a thing, how large, how long remembered."""

from augury.core import commands as c
from augury.core import state as limits
from augury.core.block_trades import KEPT_NS, MAX_KEPT, MAX_PENDING
from augury.core.engine import Engine
from augury.core.groups import MAX_GROUPS_PER_MEMBER
from augury.core.members import MONEY_LIMIT
from augury.core.snapshot import dump_state, load_state, state_hash
from augury.core.units import NANOS_PER_SECOND as SECOND
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


def test_a_member_has_subaccounts_up_to_32_and_up_to_63_if_it_knows_so_many() -> None:
    stage = Stage({"ann": 100})
    ann = stage.members["ann"]
    for _ in range(32):
        assert code(stage, c.CreateSubaccount(ann)) == ""
    assert code(stage, c.CreateSubaccount(ann)) == "invalid_parameters"
    for _ in range(32, limits.MAX_SUBACCOUNT):
        assert code(stage, c.CreateSubaccount(ann, 1_000)) == ""
    assert code(stage, c.CreateSubaccount(ann, 1_000)) == "invalid_parameters"
    assert sorted(stage.engine.state.members[ann].accounts) == list(range(64))


def test_a_member_has_100_pending_block_proposals_and_keeps_1_000() -> None:
    """However fast it makes them: the rest would wait in memory for two weeks."""
    stage = Stage({"ann": 1_000, "bob": 1_000})
    ann, bob = stage.members["ann"], stage.members["bob"]

    def propose() -> str:
        until = stage.time_ns + SECOND
        proposal = c.ProposeBlockTrade(ann, ann, 0, bob, 0, "M", 4_000, QUANTITY_ONE, "yes", until)
        return code(stage, proposal)

    def accept() -> str:
        return code(stage, c.AcceptBlockTrade(bob, state.sequence))

    state = stage.engine.state
    assert (propose(), accept()) == ("", "")
    executed = state.sequence - 1
    for _ in range(MAX_KEPT // MAX_PENDING - 1):
        assert [propose() for _ in range(MAX_PENDING)] == [""] * MAX_PENDING
        assert propose() == "invalid_parameters"
        stage.time_ns += SECOND
    for _ in range(MAX_PENDING - 1):
        assert propose() == ""
    kept = list(state.block_proposals)
    assert (len(kept), kept[0]) == (MAX_KEPT, executed)
    again = load_state(dump_state(state))
    for one in (state, again):
        assert list(one.members[ann].block_proposals) == kept == list(one.members[bob].block_offers)
        assert list(one.markets["M"].block_proposals) == kept[-MAX_PENDING + 1 :]
    assert state_hash(again) == state_hash(state)

    assert propose() == ""
    assert list(state.block_proposals) == [*kept[1:], state.sequence]
    assert list(state.members[bob].block_offers) == list(state.block_proposals)
    assert code(stage, c.DetermineMarket("M", "yes", 10_000, "")) == ""
    assert not state.markets["M"].block_proposals
    assert {one.status for one in state.block_proposals.values()} == {"expired", "cancelled"}
    stage.time_ns += KEPT_NS
    assert propose() == "market_inactive"
    assert not state.block_proposals
    assert not state.members[bob].block_offers


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
