"""The files of a recording: blocks of records, and the index beside them (docs/recordings.md).

A block is one member of a gzip file, so ``zcat`` shows a whole recording, and a file that a
killed recorder leaves behind is whole up to its last block. The member's header tells the size
and the number of the block, so that blocks are found without the index, which only makes it
quick. Nothing here keeps anything open.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

VERSION: Final = 1

MESSAGE: Final = "message"
OPENED: Final = "opened"
CLOSED: Final = "closed"
GAP: Final = "gap"
FILE: Final = "file"
STATE: Final = "state"

KINDS: Final = frozenset({MESSAGE, OPENED, CLOSED, GAP, FILE, STATE})
"""What a record can be: something that was received, or a note of the recorder in JSON."""

_HEAD: Final = struct.Struct("<4sIBBH2sHII")
"""gzip's fixed header (magic, method and flags; time; two bytes of hints), the length of its
extra field, and the one subfield in it: its name, its length, the block's size and number."""

HEAD_SIZE: Final = _HEAD.size
_GZIP: Final = b"\x1f\x8b\x08\x04"
_NAME: Final = b"Au"
_LEVEL: Final = 6


class RecordingError(Exception):
    """A recording cannot be written or read; the text says which, and why."""


class RecordingDamaged(RecordingError):
    """A file is not as it was written. ``block`` counts from 1 within ``file``."""

    def __init__(self, file: Path, block: int, reason: str) -> None:
        super().__init__(f"{file}: block {block}: {reason}")
        self.file = file
        self.block = block
        self.reason = reason


class Record(NamedTuple):
    """One line of a recording. ``data`` is what was received, or the note's JSON."""

    kind: str
    received_ns: int
    connection: int
    data: bytes


class Entry(msgspec.Struct, omit_defaults=True):
    """What the index says about one block. Times are Unix nanoseconds."""

    block: int
    offset: int
    size: int
    first_ns: int
    last_ns: int
    messages: int = 0
    notes: int = 0
    """How many records are not messages."""
    markets: list[str] = []
    seqs: dict[str, tuple[int, int]] = {}
    """``connection/sid`` -> first and last ``seq`` in the block."""

    @property
    def end(self) -> int:
        return self.offset + self.size


def data_name(number: int) -> str:
    """The name of a recording's n-th file, counting from 1."""
    return f"feed-{number:06d}.gz"


def index_path(data: Path) -> Path:
    return data.with_suffix(".index")


def data_files(directory: Path) -> list[tuple[int, Path]]:
    """(number, path) of the files of a recording, in order."""
    found = []
    for path in directory.glob("feed-*.gz"):
        digits = path.name[5:-3]
        if digits.isdigit():
            found.append((int(digits), path))
    return sorted(found)


# --- records -----------------------------------------------------------------------------------


def pack_record(record: Record) -> bytes:
    """A line that says what follows and how long it is, the bytes, and the end of the line."""
    kind, received_ns, connection, data = record
    return b"%b %d %d %d\n%b\n" % (kind.encode(), received_ns, connection, len(data), data)


def parse_records(content: bytes) -> Iterator[Record]:
    """The records of a block. Raises ``ValueError`` for content that is none."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start, start + 100)
        words = content[start:end].decode("ascii", "replace").split(" ") if end >= 0 else []
        if len(words) != 4 or words[0] not in KINDS or not all(map(str.isdigit, words[1:])):
            raise ValueError(f"no record at byte {start} of its content")
        size = int(words[3])
        data = content[end + 1 : end + 1 + size]
        start = end + 1 + size + 1
        if start > len(content) or content[start - 1] != 0x0A:
            raise ValueError("a record has not the length that it tells")
        yield Record(words[0], int(words[1]), int(words[2]), data)


# --- blocks ------------------------------------------------------------------------------------


def pack_block(number: int, content: bytes) -> bytes:
    """One gzip member."""
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(content) + squeeze.flush()
    size = HEAD_SIZE + len(body) + 8
    head = _HEAD.pack(_GZIP, 0, 0, 255, 12, _NAME, 8, size, number)
    return head + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def block_size(head: bytes, number: int) -> int:
    """The size of block ``number``, which begins with ``head``. Raises ``ValueError``."""
    magic, _, _, _, extra, name, length, size, found = _HEAD.unpack(head)
    if (magic, extra, name, length) != (_GZIP, 12, _NAME, 8) or size <= HEAD_SIZE:
        raise ValueError("these bytes do not begin a block")
    if found != number:
        raise ValueError(f"this is block {found} of some file")
    return int(size)


def unpack_block(block: bytes, number: int) -> bytes:
    """The content of a block, checked against its checksum. Raises ``ValueError``."""
    if len(block) < HEAD_SIZE or block_size(block[:HEAD_SIZE], number) != len(block):
        raise ValueError("it has not the size that its header tells")
    expand = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = expand.decompress(block)
    except zlib.error as error:
        raise ValueError(f"its content is damaged ({error})") from None
    if not expand.eof or expand.unused_data:
        raise ValueError("its content ends too early or too late")
    return content
