"""A state survives being written down, and what is not that state is recognised."""

from itertools import islice

import pytest

from augury.codec.commands import CodecError
from augury.codec.snapshots import decode_state, encode_state
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.core.state import Exchange
from tests.flow import START_NS, listing, trading

CHAIN = bytes(range(32))


def busy_engine(records: int = 2000) -> Engine:
    engine = Engine()
    start = listing()
    commands = [*start, *islice(trading(2, len(start) + 1), records)]
    for sequence, command in enumerate(commands, 1):
        engine.apply(sequence, START_NS + sequence, command)
    return engine


def test_a_state_comes_back_with_the_same_hash_and_behaves_the_same() -> None:
    engine = busy_engine()
    payload = encode_state(engine.state, CHAIN)
    decoded = decode_state(payload, state_hash(engine.state))
    assert decoded.chain_hash == CHAIN
    again = Engine(decoded.state)
    assert again.next_timer_ns() == engine.next_timer_ns()
    first = engine.state.sequence + 1
    for sequence, command in enumerate(islice(trading(9, first), 500), first):
        engine.apply(sequence, START_NS + sequence, command)
        again.apply(sequence, START_NS + sequence, command)
    assert state_hash(again.state) == state_hash(engine.state)


def test_an_empty_state_comes_back() -> None:
    empty = Exchange()
    assert decode_state(encode_state(empty, CHAIN), state_hash(empty)).state.sequence == 0


def test_the_same_state_gives_the_same_bytes() -> None:
    engine = busy_engine(300)
    assert encode_state(engine.state, CHAIN) == encode_state(engine.state, CHAIN)


def test_a_state_with_another_hash_is_refused() -> None:
    engine = busy_engine(300)
    with pytest.raises(CodecError, match="state hash"):
        decode_state(encode_state(engine.state, CHAIN), "00" * 32)


def test_bytes_that_are_no_state_are_refused() -> None:
    engine = busy_engine(300)
    payload = encode_state(engine.state, CHAIN)
    digest = state_hash(engine.state)
    for wrong in (b"", b"x", payload[:-1], payload[: len(payload) // 2], payload[1:]):
        with pytest.raises(CodecError):
            decode_state(wrong, digest)
