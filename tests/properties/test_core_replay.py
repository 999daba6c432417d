"""The state is a function of the log: replayed, or continued from any snapshot, it is the same."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from augury.codec.snapshots import decode_state, encode_state
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.snapshot import dump_state, load_state, state_hash
from tests.core_digest import digest_of
from tests.core_flow import WIDTH, Flow

streams = st.binary(min_size=WIDTH, max_size=WIDTH * 80)


def replay(engine: Engine, records: Sequence[Applied]) -> list[str]:
    """Apply the same records to another engine; returns the digest of what each did."""
    return [
        digest_of(engine.apply(record.sequence, record.time_ns, record.command))
        for record in records
    ]


def flow_of(data: bytes) -> tuple[Flow, list[str]]:
    flow = Flow.listed()
    for _ in flow.run(data):
        pass
    return flow, [digest_of(record) for record in flow.applied]


@given(data=streams)
def test_the_same_log_gives_the_same_events_and_the_same_state(data: bytes) -> None:
    flow, digests = flow_of(data)
    again = Engine()
    assert replay(again, flow.applied) == digests
    assert state_hash(again.state) == state_hash(flow.engine.state)
    assert again.next_timer_ns() == flow.engine.next_timer_ns()


@given(data=streams, cut=st.integers(min_value=0))
def test_a_snapshot_taken_anywhere_continues_like_the_original(data: bytes, cut: int) -> None:
    flow, digests = flow_of(data)
    cut %= len(flow.applied) + 1
    first = Engine()
    replay(first, flow.applied[:cut])
    rows = list(dump_state(first.state))
    second = Engine(load_state(rows))
    assert list(dump_state(second.state)) == rows
    assert second.next_timer_ns() == first.next_timer_ns()
    assert replay(second, flow.applied[cut:]) == digests[cut:]
    assert state_hash(second.state) == state_hash(flow.engine.state)
    assert second.next_timer_ns() == flow.engine.next_timer_ns()


def test_snapshots_of_a_long_day_survive_their_encoding(seed: int) -> None:
    """Through bytes, again and again on the way, with every reserve as it was."""
    chance = random.Random(seed)
    flow = Flow.listed()
    copy = flow.engine
    for _ in range(8):
        for applied in flow.run(chance.randbytes(WIDTH * 120)):
            if copy is not flow.engine:
                twin = copy.apply(applied.sequence, applied.time_ns, applied.command)
                assert digest_of(twin) == digest_of(applied)
        payload = encode_state(flow.engine.state, b"chain")
        copy = Engine(decode_state(payload, state_hash(flow.engine.state)).state)
        for member_id, member in flow.engine.state.members.items():
            for number, account in member.accounts.items():
                restored = copy.state.members[member_id].accounts[number]
                assert restored.exact_reserve == account.exact_reserve
                assert restored.reserved == account.reserved
