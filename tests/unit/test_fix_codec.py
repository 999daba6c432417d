"""FIX as bytes: frames, checksums, times, groups, and that a stream may be cut anywhere."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.gateways.fix.codec import (
    LARGEST_MESSAGE,
    Framer,
    Garbled,
    Overflow,
    checksum,
    decode,
    encode,
    parse_timestamp,
    timestamp,
)

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=40)
BODIES = st.lists(st.tuples(st.sampled_from([11, 37, 55, 58, 112]), TEXTS), max_size=8)


def a_message(number: int = 1, text: str = "hello") -> bytes:
    return encode("0", number, "a", "b", "20260301-14:00:00.000", [(112, text)])


@given(st.binary(max_size=3000))
def test_the_checksum_is_the_sum_of_the_bytes(data: bytes) -> None:
    assert checksum(data) == sum(data) % 256


@given(BODIES)
def test_what_was_encoded_is_decoded(fields: list[tuple[int, str]]) -> None:
    data = encode("8", 7, "KalshiNR", "key", "20260301-14:00:00.000", fields)
    message = decode(data)
    assert (message.type, message.sequence) == ("8", 7)
    assert [(int(tag), text) for tag, text in message.fields[7:-1]] == fields
    assert list(Framer().feed(data)) == [data]


@given(st.lists(TEXTS, min_size=1, max_size=5), st.lists(st.integers(0, 400), max_size=12))
def test_a_stream_may_be_cut_anywhere(texts: list[str], cuts: list[int]) -> None:
    frames = [a_message(number, text) for number, text in enumerate(texts, start=1)]
    stream = b"".join(frames)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    framer = Framer()
    found: list[bytes] = []
    for begin, end in pairwise(places):
        found += framer.feed(stream[begin:end])
    assert found == frames


@pytest.mark.parametrize(
    "garbage",
    [
        b"8=FIXT.1.1\x019=5\x01garbage\x0110=000\x01",
        b"8=FIXT.1.1\x019=99999\x0135=0\x0110=000\x01",
        b"8=FIXT.1.1\x019=\x0135=0\x0110=000\x01",
        b"no message at all\x01",
        b"\x01\x01\x01",
    ],
)
def test_a_garbled_message_costs_only_itself(garbage: bytes) -> None:
    framer = Framer()
    assert list(framer.feed(garbage + a_message())) == [a_message()]
    assert list(framer.feed(a_message(2))) == [a_message(2)]


def test_what_never_becomes_a_message_is_not_kept_for_ever() -> None:
    framer = Framer()
    pieces = [b"8=FIXT.1.1\x019=60000\x01", *(b"x" * 1000 for _ in range(100))]
    for piece in pieces[:-1]:
        assert list(framer.feed(piece)) == []
        assert framer.waiting_bytes <= LARGEST_MESSAGE
    # Whoever goes on like that is not worth a connection.
    with pytest.raises(Overflow):
        list(framer.feed(pieces[-1] * 60))


@pytest.mark.parametrize(
    "change, problem",
    [
        ((b"\x0110=", b"\x0110=9"), "CheckSum"),
        ((b"112=hello", b"112=hallo"), "CheckSum is wrong"),
        ((b"112=hello", b"112=hell"), "BodyLength"),
        ((b"\x0135=0\x0134=1", b"\x0134=1\x0135=0"), "BeginString, BodyLength and MsgType"),
        ((b"9=", b"9=\xb9"), "BodyLength"),
    ],
)
def test_a_wrong_frame_is_garbled(change: tuple[bytes, bytes], problem: str) -> None:
    with pytest.raises(Garbled, match=problem):
        decode(a_message().replace(*change))


def test_a_text_cannot_add_fields_of_its_own() -> None:
    data = encode("3", 1, "a", "b", "20260301-14:00:00.000", [(58, "a\x0135=A")])
    assert decode(data).get(58) == "a 35=A"


@given(st.integers(0, 253_402_300_799_999))
def test_times_are_read_as_they_are_written(milliseconds: int) -> None:
    text = timestamp(milliseconds * 1_000_000)
    if milliseconds >= 0:
        assert parse_timestamp(text) == milliseconds * 1_000_000
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
        assert text == f"{moment:%Y%m%d-%H:%M:%S}.{milliseconds % 1000:03d}"


@pytest.mark.parametrize(
    "text, nanoseconds",
    [
        ("20260301-14:00:00", 0),
        ("20260301-14:00:00.5", 500_000_000),
        ("20260301-14:00:00.123456789", 123_456_789),
        ("20260301-13:59:60", 0),
    ],
)
def test_times_may_have_any_precision(text: str, nanoseconds: int) -> None:
    start = int(datetime(2026, 3, 1, 14, tzinfo=UTC).timestamp())
    assert parse_timestamp(text) == start * 10**9 + nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "20260301", "20260230-00:00:00", "20260301-24:00:00", "20260301-14:00:00."),
        *("20260301 14:00:00", "20260301-14:00:00.¹", "00000101-00:00:00", "20260301-14:00:00Z"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert parse_timestamp(text) is None


def test_groups_are_read_with_the_groups_inside_them() -> None:
    fields = [
        *((20105, "r"), (55, "M"), (715, "20260301"), (20107, "yes"), (730, "100.00")),
        *((20108, "2"), (20109, "one"), (704, "1"), (1703, "2"), (1704, "1.00"), (1704, "2.00")),
        *((20109, "two"), (136, "1"), (137, "0.00"), (893, "Y")),
    ]
    data = encode("UMS", 1, "a", "b", "20260301-14:00:00.000", [(t, v) for t, v in fields])
    first, second = decode(data).groups(20108)
    assert (first.get(20109), second.get(20109)) == ("one", "two")
    assert [change.get(1704) for change in first.groups(1703)] == ["1.00", "2.00"]
    assert second.groups(1703) == []
    assert second.groups(136)[0].get(137) == "0.00"
