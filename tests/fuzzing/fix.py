"""FIX bytes: the framer, the decoder and the check of a message's form."""

from augury.gateways.fix.codec import Framer, Garbled, Message, Overflow, decode, encode
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.validation import problem_of
from tests.fix_stage import Stage
from tests.properties.test_fix_fuzz import BODIES, facts, made_whole
from tests.properties.test_fix_fuzz import _check as check_conversation


def session(data: bytes) -> None:
    """A connection's bytes, whole and in small pieces: each frame is a message or garbled.

    What is well-formed can be read by whoever handles it, groups included.
    """
    for frame in [*frames_of(data, len(data) or 1), *frames_of(data, 7), *reframed(data)]:
        try:
            message = decode(frame)
        except Garbled:
            continue
        assert message.raw == frame
        if problem_of(message) is None:
            look_through(message)


def reframed(data: bytes) -> list[bytes]:
    """The same with length and checksum made right, so that what is inside gets looked at."""
    content = data.split(b"\x01", 2)[-1].rpartition(b"10=")[0]
    head = b"8=FIXT.1.1\x019=%d\x01" % len(content) + content
    return frames_of(head + b"10=%03d\x01" % (sum(head) % 256), len(head) + 7)


def frames_of(data: bytes, size: int) -> list[bytes]:
    framer = Framer()
    found: list[bytes] = []
    try:
        for start in range(0, len(data), size):
            found.extend(framer.feed(data[start : start + size]))
    except Overflow:
        pass
    return found


def conversation(data: bytes) -> None:
    """Messages to a session that is logged on, a line each, with a frame that is right: numbers
    never go back, and only what is well-formed is handed on."""
    kinds = list(Kind)
    stage = Stage(kinds[data[0] % len(kinds)] if data else kinds[0])
    for line in data[1:].split(b"\n")[:8]:
        if stage.is_closed:
            return
        was = facts(stage)
        whole = made_whole(stage, line)
        try:
            stage.receive(whole)
        except Overflow:
            return
        check_conversation(stage, was, whole)
        stage.next_number = stage.session.next_in


def conversation_seeds() -> list[bytes]:
    stage = Stage(next(iter(Kind)))
    messages = [stage.message(kind, fields) for kind, fields in BODIES.items()]
    return [b"\0" + message for message in messages] + [b"\1" + b"\n".join(messages)]


def look_through(message: Message) -> None:
    assert message.type
    assert isinstance(message.sequence, int)
    for tag in (453, 555, 146, 268, 295, 711):
        for entry in message.groups(tag):
            entry.get(448)
            entry.groups(802)


def seeds() -> list[bytes]:
    found = [
        encode(kind, 7, "CLIENT", "SERVER", "20260301-14:00:00.000", fields)
        for kind, fields in (
            ("A", [(98, "0"), (108, "30"), (1137, "9"), (96, "c2ln")]),
            ("0", []),
            ("2", [(7, "1"), (16, "0")]),
            ("D", [(11, "a"), (38, "5"), (40, "2"), (44, "41"), (54, "1"), (55, "RAIN")]),
            ("F", [(11, "b"), (41, "a"), (54, "1"), (55, "RAIN")]),
        )
    ]
    return [*found, b"".join(found)]
