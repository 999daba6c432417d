"""States as bytes, and back. Owns the encoding of a snapshot's payload.

The payload is zlib over msgpack: a head with versions and the log's chain hash, then the rows of
``core.snapshot``. The chain hash ties a snapshot to one log: a snapshot of another exchange, or of
another past of this one, is recognised before anything is built on it.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from augury.codec.commands import CodecError
from augury.core.engine import RULES_VERSION
from augury.core.snapshot import dump_state, load_state, state_hash
from augury.core.state import Exchange

FORMAT_VERSION: Final = 1

_LEVEL: Final = 1
"""Rows repeat themselves: the quickest level already takes away four fifths."""

_ROWS_PER_BLOCK: Final = 4096


class DecodedSnapshot(NamedTuple):
    """``chain_hash`` is the log's fingerprint at the state's sequence."""

    state: Exchange
    chain_hash: bytes


def encode_state(state: Exchange, chain_hash: bytes) -> bytes:
    """The payload of a snapshot of ``state``."""
    pack = msgspec.msgpack.Encoder().encode
    squeeze = zlib.compressobj(_LEVEL)
    parts = [squeeze.compress(_framed(pack([FORMAT_VERSION, RULES_VERSION, chain_hash])))]
    block: list[Any] = []
    for row in dump_state(state):
        block.append(row)
        if len(block) == _ROWS_PER_BLOCK:
            parts.append(squeeze.compress(_framed(pack(block))))
            block.clear()
    parts.append(squeeze.compress(_framed(pack(block))))
    parts.append(squeeze.flush())
    return b"".join(parts)


def decode_state(payload: bytes, expected_hash: str) -> DecodedSnapshot:
    """The state in a payload, checked against its hash. Raises ``CodecError``."""
    try:
        blocks = _blocks(zlib.decompress(payload))
        head = next(blocks)
        if head[0] != FORMAT_VERSION:
            raise CodecError(f"snapshot format {head[0]} is not known; {FORMAT_VERSION} is")
        if head[1] > RULES_VERSION:
            raise CodecError(f"the snapshot follows rules {head[1]}; {RULES_VERSION} are known")
        state = load_state(row for block in blocks for row in block)
        found = state_hash(state)
    except CodecError:
        raise
    except Exception as error:
        # Old or foreign rows can fail anywhere in the loader, or not before the state is hashed;
        # each such failure means the same.
        raise CodecError(f"the snapshot cannot be read: {error}") from error
    if found != expected_hash:
        raise CodecError(f"the snapshot's state hash is {found}, not {expected_hash}")
    return DecodedSnapshot(state, head[2])


def _framed(block: bytes) -> bytes:
    return len(block).to_bytes(8, "big") + block


def _blocks(data: bytes) -> Iterator[Any]:
    """Decode one block at a time, so that the rows of a large state never exist all at once."""
    unpack = msgspec.msgpack.Decoder().decode
    view = memoryview(data)
    position = 0
    while position < len(data):
        size = int.from_bytes(view[position : position + 8], "big")
        position += 8
        yield unpack(view[position : position + size])
        position += size
