"""FIX messages as bytes: cutting them out of a stream, taking them apart, putting them together.

Owns the frame (begin string, length, checksum) and nothing of what messages mean. What arrives is
not trusted: a piece that is no whole message is ``Garbled`` and, as the standard wants it, ignored.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zlib import adler32

from augury.gateways.fix.dictionary import BEGIN_STRING, MESSAGES, Group
from augury.gateways.fix.fields import FIELDS

SOH: Final = "\x01"
LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes. A client's longest message has a few hundred."""

_TAG_TEXT: Final = {tag: str(tag) for tag in FIELDS}
_FRAME_START: Final = re.compile(rb"8=([^\x01]{1,16})\x019=(\d{1,9})\x01")
_PARTIAL_START: Final = re.compile(
    rb"8(?:=(?:[^\x01]{0,16}|[^\x01]{1,16}\x01(?:9(?:=\d{0,9})?)?))?"
)
_TRAILER: Final = re.compile(rb"10=\d{3}\x01")
_TRAILER_LENGTH: Final = 7
_ANY_TRAILER: Final = re.compile(rb"\x0110=[^\x01]{0,8}\x01")
_NEXT_START: Final = re.compile(rb"\x01(?=8=FIX)")
_LONGEST_MARK: Final = 16
"""Bytes of the longest of the last two."""


class Garbled(Exception):
    """The bytes are no message; the text says what is wrong. They are to be ignored."""


class Overflow(Exception):
    """What arrives has been no message for so long that the connection is not worth keeping."""


class Message:
    """A message that arrived, in the order and with the texts in which it was sent.

    ``fields`` holds (tag, text) with the tag as text, from BeginString to CheckSum. A tag that
    appears more than once, in a group, has its first text in ``get``.
    """

    __slots__ = ("_values", "fields", "raw")

    def __init__(self, fields: list[list[str]], values: dict[str, str], raw: bytes) -> None:
        self.fields = fields
        self._values = values
        self.raw = raw

    @property
    def type(self) -> str:
        return self._values.get("35", "")

    @property
    def begin_string(self) -> str:
        return self.fields[0][1]

    @property
    def sequence(self) -> int:
        """MsgSeqNum, or -1 when there is none that could be one."""
        text = self._values.get("34", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else -1

    @property
    def is_possible_duplicate(self) -> bool:
        return self._values.get("43") == "Y"

    def get(self, tag: int) -> str | None:
        """The text of a field, None when the message has none."""
        return self._values.get(_TAG_TEXT.get(tag) or str(tag))

    def __contains__(self, tag: int) -> bool:
        return (_TAG_TEXT.get(tag) or str(tag)) in self._values

    def get_all(self) -> dict[str, str]:
        """All fields by tag, as text. Not to be changed."""
        return self._values

    def is_yes(self, tag: int, default: bool = False) -> bool:
        """A field of type BOOLEAN."""
        text = self.get(tag)
        return default if text is None else text == "Y"

    def groups(self, count_tag: int) -> "list[Entry]":
        """The entries of a group, none when the message lacks it.

        Only for messages that were checked (``validation.py``): the form is taken for granted.
        """
        known = MESSAGES.get(self.type)
        if known is None or count_tag not in self:
            return []
        return _entries(self.fields, str(count_tag), [use.group for use in known.uses if use.group])

    def __repr__(self) -> str:
        return self.raw.decode("latin-1").replace(SOH, "|")


class Entry:
    """One entry of a repeating group, read as a message is."""

    __slots__ = ("_fields", "_groups", "_values")

    def __init__(self, fields: Sequence[Sequence[str]], groups: list[Group]) -> None:
        self._fields = fields
        self._groups = groups
        self._values: dict[str, str] = {}
        for tag, text in fields:
            self._values.setdefault(tag, text)

    def get(self, tag: int) -> str | None:
        return self._values.get(_TAG_TEXT.get(tag) or str(tag))

    def groups(self, count_tag: int) -> "list[Entry]":
        if str(count_tag) not in self._values:
            return []
        return _entries(self._fields, str(count_tag), self._groups)


def _entries(
    fields: Sequence[Sequence[str]], count_tag: str, groups: Iterable[Group]
) -> list[Entry]:
    group = next((known for known in groups if str(known.count_tag) == count_tag), None)
    if group is None:
        return []
    start = next(place for place, pair in enumerate(fields) if pair[0] == count_tag) + 1
    members = {str(tag) for tag in _tags_of(group)}
    end = start
    while end < len(fields) and fields[end][0] in members:
        end += 1
    if start == end:
        return []
    # Where the first field of an entry may be left out, there is one entry only.
    delimiter = fields[start][0]
    nested = [use.group for use in group.uses if use.group is not None]
    starts = [place for place in range(start, end) if fields[place][0] == delimiter]
    return [
        Entry(fields[begin:finish], nested)
        for begin, finish in zip(starts, [*starts[1:], end], strict=True)
    ]


def _tags_of(group: Group) -> Iterator[int]:
    for use in group.uses:
        yield use.tag
        if use.group is not None:
            yield from _tags_of(use.group)


# --- reading -------------------------------------------------------------------------------------


def checksum(data: bytes) -> int:
    """The sum of all bytes modulo 256.

    Adler-32 holds the sum modulo a prime that 256 bytes cannot reach, and is four times as fast
    as adding in Python.
    """
    total = 0
    for start in range(0, len(data), 256):
        total += (adler32(data[start : start + 256]) & 0xFFFF) - 1
    return total & 255


def decode(frame: bytes) -> Message:
    """Take one whole frame apart. Raises ``Garbled``.

    Checked: the first three fields, the length, the checksum, and that each field has a tag.
    """
    fields = [field.split("=", 1) for field in frame[:-1].decode("latin-1").split(SOH)]
    try:
        values = dict(fields)
    except ValueError:
        fields, values = _without_tags(fields)
    if len(fields) < 4 or fields[0][0] != "8" or fields[1][0] != "9" or fields[2][0] != "35":
        raise Garbled("the message does not begin with BeginString, BodyLength and MsgType")
    tag, given = fields[-1]
    if tag != "10" or len(given) != 3 or frame[-1] != 1:
        raise Garbled("the message does not end with a CheckSum")
    length = fields[1][1]
    # Some engines reserve room for the length and fill it up with zeros.
    if not _is_number(length) or int(length) != len(frame) - 13 - len(fields[0][1]) - len(length):
        raise Garbled("BodyLength is wrong")
    if not _is_number(given) or int(given) != checksum(frame[:-7]):
        raise Garbled("CheckSum is wrong")
    if len(values) != len(fields):
        values = {}
        for tag, text in fields:
            values.setdefault(tag, text)
    return Message(fields, values, frame)


def _is_number(text: str) -> bool:
    # Other alphabets have digits, too.
    return text.isascii() and text.isdigit()


def _without_tags(fields: list[list[str]]) -> tuple[list[list[str]], dict[str, str]]:
    """A piece without a tag is part of a text that held a delimiter; validation refuses it."""
    whole = [pair if len(pair) == 2 else ["", pair[0]] for pair in fields]
    values: dict[str, str] = {}
    for tag, text in whole:
        values.setdefault(tag, text)
    return whole, values


class Framer:
    """Cuts frames out of the bytes of one connection; holds at most one message's worth.

    What is garbled is skipped up to its CheckSum or the next BeginString, so that one bad message
    does not take the next one with it.
    """

    __slots__ = ("_buffer", "_largest", "_searched", "_skipped")

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._buffer = b""
        self._largest = largest
        self._searched = 0
        """How far the buffer was searched for a message that follows an unfinished one."""
        self._skipped = 0
        """Bytes that were dropped since the last message."""

    @property
    def waiting_bytes(self) -> int:
        """What has arrived of a message that is not whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields every whole frame; garbled pieces are dropped.

        Raises ``Overflow`` after twice the longest message without any.
        """
        buffer = self._buffer + data if self._buffer else data
        place = 0
        try:
            while place < len(buffer):
                frame, following = self._next(buffer, place)
                if following == place:
                    break
                if frame is None:
                    self._skipped += following - place
                else:
                    self._skipped = 0
                place = following
                self._searched = 0
                if frame is not None:
                    yield frame
        finally:
            self._buffer = buffer[place:]
        if self._skipped > 2 * self._largest:
            raise Overflow

    def _next(self, buffer: bytes, place: int) -> tuple[bytes | None, int]:
        """The next frame and where to go on; (None, ``place``) when more bytes are needed."""
        start = _FRAME_START.match(buffer, place)
        if start is None:
            if _PARTIAL_START.fullmatch(buffer, place):
                return None, place
            return None, self._skip(buffer, place)
        length = int(start[2])
        trailer = start.end() + length
        if length > self._largest:
            return None, self._skip(buffer, place)
        if len(buffer) >= trailer + _TRAILER_LENGTH:
            if _TRAILER.match(buffer, trailer) and buffer[trailer - 1] == 1:
                return buffer[place : trailer + _TRAILER_LENGTH], trailer + _TRAILER_LENGTH
            return None, self._skip(buffer, place)
        # A length that is too large would swallow the messages that follow.
        following = _NEXT_START.search(buffer, max(start.end(), place + self._searched))
        if following is not None:
            return None, following.end()
        self._searched = max(0, len(buffer) - place - _LONGEST_MARK)
        return None, place

    def _skip(self, buffer: bytes, place: int) -> int:
        """Behind the garbled piece that begins at ``place``."""
        end = _ANY_TRAILER.search(buffer, place)
        following = _NEXT_START.search(buffer, place + 1)
        if end is not None and (following is None or end.end() <= following.end()):
            return end.end()
        if following is not None:
            return following.end()
        # Nothing to hold on to yet: keep as much as might be the beginning of it.
        return max(place, len(buffer) - _LONGEST_MARK)


# --- writing -------------------------------------------------------------------------------------


def timestamp(time_ns: int) -> str:
    """``YYYYMMDD-HH:MM:SS.mmm`` in UTC."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    global _last_second, _last_text
    if seconds != _last_second:
        _last_text = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")
        _last_second = seconds
    return f"{_last_text}.{rest // 1_000_000:03d}"


_last_second = -1
_last_text = ""


_TIMESTAMP: Final = re.compile(
    r"(\d{8})-([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,9}))?", re.ASCII
)


def parse_timestamp(text: str) -> int | None:
    """Nanoseconds since 1970 of a UTCTIMESTAMP with up to nine decimals; None when it is none.

    A leap second, which the standard allows, is the first moment of the next minute.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, hours, minutes, seconds, decimals = found.groups()
    midnight = _midnight(day)
    if midnight is None:
        return None
    moment = midnight + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return moment * 1_000_000_000 + (int(decimals.ljust(9, "0")) if decimals else 0)


@lru_cache(maxsize=64)
def _midnight(day: str) -> int | None:
    try:
        return int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def body_of(fields: Iterable[tuple[int, str]]) -> str:
    """The fields of a message behind its header, ready for ``frame``.

    A delimiter inside a text becomes a blank, so that no text can add fields of its own.
    """
    parts = [f"{tag}={text}\x01" for tag, text in fields]
    body = "".join(parts)
    if body.count(SOH) != len(parts):
        return "".join([part[:-1].replace(SOH, " ") + SOH for part in parts])
    return body


def frame(
    msg_type: str,
    sequence: int,
    sender: str,
    target: str,
    sending_time: str,
    body: str,
    original_time: str = "",
) -> bytes:
    """A whole message; a resent one when ``original_time`` is given. Characters that Latin-1
    lacks become question marks."""
    again = f"43=Y\x01122={original_time}\x01" if original_time else ""
    content = (
        f"35={msg_type}\x0134={sequence}\x0149={sender}\x0156={target}\x01"
        f"{again}52={sending_time}\x01{body}"
    )
    data = f"8={BEGIN_STRING}\x019={len(content)}\x01{content}".encode("latin-1", "replace")
    return b"%s10=%03d\x01" % (data, checksum(data))


def encode(
    msg_type: str,
    sequence: int,
    sender: str,
    target: str,
    sending_time: str,
    fields: Iterable[tuple[int, str]],
) -> bytes:
    """``frame`` of ``body_of`` the fields."""
    return frame(msg_type, sequence, sender, target, sending_time, body_of(fields))
