"""Bytes that nobody would send: the codec and the session survive them, and change nothing.

``AUGURY_FIX_FUZZ`` sets how many mutated messages are tried; ``make fuzz`` tries millions.
"""

import gc
import os
import random
import sys

from augury.gateways.fix.codec import Framer, Garbled, Overflow, decode
from augury.gateways.fix.dictionary import MESSAGES, Kind
from augury.gateways.fix.session import State
from tests.fix_stage import Stage

TRIES = int(os.environ.get("AUGURY_FIX_FUZZ", "30000"))
LARGEST_GROWTH = 5_000
"""Blocks of memory. A leak of one small thing in each try would be beyond."""

BODIES = {
    "0": {},
    "1": {"112": "x"},
    "2": {"7": "1", "16": "0"},
    "3": {"45": "1", "373": "5", "58": "text"},
    "4": {"123": "Y", "36": "9"},
    "5": {"58": "bye"},
    "D": {"11": "a", "38": "1", "40": "2", "44": "50", "54": "1", "55": "M", "59": "1"},
    "G": {"11": "b", "41": "a", "38": "1", "40": "2", "44": "50", "54": "1", "55": "M"},
    "F": {"11": "c", "41": "a", "54": "1", "55": "M", "453": "1", "448": "p", "452": "24"},
    "UOG": {"20131": "1", "20132": "500"},
    "S": {"117": "q", "131": "r", "55": "M", "132": "40", "133": "57"},
    "U1": {"21001": "1;2"},
}
NASTY = (
    *(b"\x01", b"=", b"8=FIXT.1.1\x01", b"9=", b"10=000\x01", b"\x00", b"\xff", b"-1", b"999999"),
    *(b"9" * 30, b"453=9999999\x01", b"34=", b"43=Y\x01", b"\x01\x01", b"35=A\x01", b"|" * 50),
)


def mutated(data: bytes, choose: random.Random) -> bytes:
    """A few changes; sometimes length and checksum are made right again afterwards."""
    piece = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 3, 8))):
        place = choose.randrange(len(piece) + 1)
        what = choose.randrange(6)
        if what == 0 and piece:
            piece[place % len(piece)] = choose.randrange(256)
        elif what == 1:
            del piece[place : place + choose.randrange(1, 12)]
        elif what == 2:
            piece[place:place] = choose.choice(NASTY)
        elif what == 3:
            piece[place:place] = bytes(choose.randrange(256) for _ in range(choose.randrange(20)))
        elif what == 4:
            fields = bytes(piece).split(b"\x01")
            choose.shuffle(fields)
            piece = bytearray(b"\x01".join(fields))
        else:
            piece += piece[: choose.randrange(len(piece) + 1)]
    return bytes(piece)


def made_whole(stage: Stage, data: bytes) -> bytes:
    """With a frame that is right, so that what is inside gets as far as it can."""
    start = data.find(b"\x0135=")
    end = data.rfind(b"\x0110=")
    body = data[start + 1 : end + 1] if 0 <= start < end else data
    return stage.framed("FIXT.1.1", str(len(body)), body.decode("latin-1"), "")


def facts(stage: Stage) -> tuple[object, ...]:
    session = stage.session
    return (session.next_in, session.state, len(stage.handed), stage.is_closed)


def test_mutated_messages(seed: int) -> None:
    choose = random.Random(seed)
    kinds = list(Kind)
    stage = Stage(kinds[0])
    before = 0
    for number in range(TRIES):
        if stage.is_closed or number % 500 == 0:
            stage = Stage(choose.choice(kinds))
        msg_type = choose.choice(list(BODIES))
        data = mutated(stage.message(msg_type, BODIES[msg_type]), choose)
        if choose.random() < 0.7:
            data = made_whole(stage, data)
        was, left_over = facts(stage), stage.framer.waiting_bytes
        cut = choose.randrange(len(data) + 1)
        try:
            stage.receive(data[:cut])
            stage.receive(data[cut:])
        except Overflow:
            stage.is_closed = True
        _check(stage, was, data, alone=not left_over)
        if number % 50 == 0:
            # What was cut off would wait for the rest; a new connection begins with nothing.
            stage.framer = Framer()
        stage.sent.clear()
        stage.handed.clear()
        stage.next_number = stage.session.next_in
        if number == TRIES // 2:
            gc.collect()
            before = sys.getallocatedblocks()
    # The last stage and what it holds is not a leak.
    del stage
    gc.collect()
    assert sys.getallocatedblocks() - before < LARGEST_GROWTH


def _check(stage: Stage, was: tuple[object, ...], data: bytes, *, alone: bool = True) -> None:
    """Numbers never go back; what is garbled changes nothing; what is taken is well-formed."""
    session = stage.session
    assert session.next_in >= int(str(was[0])), data
    frames = list(Framer().feed(data)) if len(data) < 60_000 else []
    whole = []
    for frame in frames:
        try:
            whole.append(decode(frame))
        except Garbled:
            continue
    if alone and not whole and not stage.framer.waiting_bytes:
        assert facts(stage) == was, data
    for message in stage.handed:
        assert message.get(49) is not None
        assert stage.kind in _allowed(message.type)
    assert stage.session.state in State


def _allowed(msg_type: str) -> frozenset[Kind]:
    return MESSAGES[msg_type].from_client


def test_noise(seed: int) -> None:
    """No structure at all, in pieces of any size: memory stays bounded, and nothing is taken."""
    choose = random.Random(seed)
    framer = Framer(largest=4096)
    for _ in range(TRIES // 30):
        piece = choose.randbytes(choose.randrange(1, 2000))
        if choose.random() < 0.3:
            piece = b"8=FIXT.1.1\x019=" + piece
        try:
            for frame in framer.feed(piece):
                try:
                    decode(frame)
                except Garbled:
                    continue
                raise AssertionError(frame)
        except Overflow:
            framer = Framer(largest=4096)
        assert framer.waiting_bytes <= 2 * 4096
