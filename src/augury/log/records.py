"""How records stand in a batch: framing, chain and seal. Owns the bytes of the log.

A batch is what one flush made durable: the frames of its records, one after another.

    length of payload | sequence | time | schema version | rules version | payload | chain

``chain`` is sha256 over the chain of the record before it and all of this record. It is the
record's checksum and its link to the whole past in one: a flipped bit, a missing record, a changed
order and a rewritten history all show up at the first record that they concern. The first record
is chained to ``GENESIS``. Where batches begin and end leaves no trace in the chain, so replicas
agree on it however they flushed.

A batch also has a ``seal``: one sha256 over the chain before it and all its bytes. It says nothing
that the chain does not say, but hashing a batch at once is several times as quick as hashing its
records one by one, and replay reads every record there is. Only where a seal does not match are
the records looked at one by one, to find the one that is damaged.
"""

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

from augury.ports.log import LogDamaged, LogError, Record

GENESIS: Final = bytes(32)

CHAIN_SIZE: Final = 32

_HEAD: Final = Struct("<IQQII")


def encode_batch(
    records: Sequence[Record], last_sequence: int, chain: bytes
) -> tuple[bytes, bytes]:
    """The bytes of a batch that follows ``last_sequence``, and the chain after it.

    Raises ``LogError`` when the sequences do not continue the log.
    """
    parts: list[bytes] = []
    add = parts.append
    pack = _HEAD.pack
    sequence = last_sequence
    for number, time_ns, schema_version, rules_version, payload in records:
        sequence += 1
        if number != sequence:
            raise LogError(f"record {number} does not follow record {sequence - 1}")
        frame = pack(len(payload), sequence, time_ns, schema_version, rules_version) + payload
        chain = sha256(chain + frame).digest()
        add(frame)
        add(chain)
    return b"".join(parts), chain


class Decoded(NamedTuple):
    """What verified of a batch, in order, and the damage that ended it, if any."""

    records: list[Record]
    chain: bytes
    """The chain after the last record that verified."""
    damage: LogDamaged | None


def seal_of(data: bytes, chain: bytes) -> bytes:
    """The seal of a batch that follows ``chain``."""
    seal = sha256(chain)
    seal.update(data)
    return seal.digest()


def decode_batch(data: bytes, first: int, chain: bytes, seal: bytes | None = None) -> Decoded:
    """The records of a batch that should begin with sequence ``first``.

    ``chain`` is the chain before the batch. With a ``seal`` that matches, every byte is known to
    be what was written and the records' own links are taken as they stand.
    """
    sealed = seal is not None and seal_of(data, chain) == seal
    records: list[Record] = []
    add = records.append
    unpack = _HEAD.unpack_from
    head_size = _HEAD.size
    make = tuple.__new__
    digest = sha256
    position = 0
    end = len(data)
    sequence = first
    reason = ""
    while position < end:
        if end - position < head_size:
            reason = "it is cut short"
            break
        length, number, time_ns, schema_version, rules_version = unpack(data, position)
        payload_start = position + head_size
        payload_end = payload_start + length
        next_position = payload_end + CHAIN_SIZE
        if not sealed:
            found = data[payload_end:next_position]
            if digest(chain + data[position:payload_end]).digest() != found:
                reason = "its bytes do not match its checksum"
                break
            chain = found
        if number != sequence:
            reason = f"record {number} stands in its place"
            break
        payload = data[payload_start:payload_end]
        add(make(Record, (number, time_ns, schema_version, rules_version, payload)))
        sequence += 1
        position = next_position
    if sealed:
        chain = chain_of_last(data)
    if not reason and not records:
        reason = "it is missing"
    return Decoded(records, chain, LogDamaged(sequence, reason) if reason else None)


def chain_of_last(data: bytes) -> bytes:
    """The chain after a whole batch, without verifying it."""
    return data[-CHAIN_SIZE:]


def chain_of(data: bytes, first: int, sequence: int) -> bytes:
    """The chain after record ``sequence`` of a batch that begins with ``first``, unverified.

    Raises ``LogDamaged`` when the frames do not lead there.
    """
    position = 0
    for number in range(first, sequence + 1):
        if len(data) - position < _HEAD.size:
            raise LogDamaged(number, "it is missing")
        position += _HEAD.size + _HEAD.unpack_from(data, position)[0] + CHAIN_SIZE
    found = data[position - CHAIN_SIZE : position]
    if len(found) != CHAIN_SIZE:
        raise LogDamaged(sequence, "it is cut short")
    return found
