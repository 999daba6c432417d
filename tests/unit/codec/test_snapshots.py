"""A state survives being written down, and what is not that state is recognised."""

from itertools import islice

import pytest

from augury.codec.commands import CodecError
from augury.codec.snapshots import decode_state, encode_state
from augury.core import commands as c
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


def test_what_sessions_call_their_orders_requests_and_quotes_survives() -> None:
    engine = busy_engine(0)
    state = engine.state
    requester, maker = list(state.members)[:2]
    market = next(ticker for ticker, m in state.markets.items() if m.status == "active")

    def do(command: c.Command) -> int:
        sequence = state.sequence + 1
        assert engine.apply(sequence, START_NS + sequence, command).rejection is None
        return sequence

    order = do(c.PlaceOrder(maker, 0, market, "rest", "buy", "yes", 100, 100, origin="NR/7"))
    rfq = do(c.CreateRfq(requester, 0, market, 100, 0, False, False, "ask-1", "RT/8"))
    quote = do(c.CreateQuote(maker, 0, rfq, 4000, 5000, False, False, "answer-1", "RFQ/9"))
    do(c.AcceptQuote(requester, quote, "yes", "order-1", "RT/8"))

    again = decode_state(encode_state(state, CHAIN), state_hash(state)).state
    assert again.orders[order].origin == "NR/7"
    assert (again.rfqs[rfq].client_rfq_id, again.rfqs[rfq].origin) == ("ask-1", "RT/8")
    found = again.quotes[quote]
    assert (found.client_quote_id, found.origin) == ("answer-1", "RFQ/9")
    assert (found.rfq_client_order_id, found.rfq_order_origin) == ("order-1", "RT/8")


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
