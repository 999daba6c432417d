"""What is read from disk: logs, their records, snapshots and world files."""

import sqlite3
import tempfile
import zlib
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from augury.app.auditing import audit
from augury.app.world import WorldError
from augury.app.world.loading import find_world, parse_world
from augury.audit.reading import Unreadable, decode, read_log
from augury.codec.commands import CodecError, decode_command, encode_command
from augury.codec.snapshots import decode_state, encode_state
from augury.core.snapshot import dump_state, state_hash
from augury.log.records import GENESIS, decode_batch, encode_batch, seal_of
from augury.log.sqlite import SqliteLog, salvage
from augury.ports.log import LogError, Record
from augury.testing.invariants import check
from tests.core_flow import WIDTH, Flow
from tests.flow import START_NS, listing, trading
from tests.properties.test_audit import steps


@cache
def records() -> list[Record]:
    """A short log of everything."""
    flow = Flow.listed()
    for _ in flow.run(bytes(range(256)) * 12):
        pass
    return [Record(a.sequence, a.time_ns, 1, 1, encode_command(a.command)) for a in flow.applied]


def of_every_kind() -> list[bytes]:
    """One payload for each kind of command in ``records``."""
    return list({record.payload[:2]: record.payload for record in records()}.values())


def command(data: bytes) -> None:
    """A record's payload: a command that is written back as it was read, or ``CodecError``."""
    try:
        found = decode_command(data)
    except CodecError:
        return
    try:
        again = encode_command(found)
    except CodecError:
        return  # numbers beyond 64 bits, which nobody could have logged
    assert encode_command(decode_command(again)) == again
    try:
        decode(1, 1, 1, 1, again)
    except Unreadable as error:
        raise AssertionError(f"the auditor cannot read what the exchange can: {error}") from error


def batches() -> list[bytes]:
    return [encode_batch(records()[:count], 0, GENESIS)[0] for count in (1, 2, 30)]


def batch(data: bytes) -> None:
    """A batch of the log: whatever verifies is a prefix, and one end is named, never guessed."""
    decoded = decode_batch(data, 1, GENESIS)
    assert decoded.records or decoded.damage is not None
    for number, record in enumerate(decoded.records, 1):
        assert record.sequence == number
    if decoded.damage is not None:
        assert decoded.damage.sequence == len(decoded.records) + 1
    if decoded.records and decoded.damage is None:
        again, chain = encode_batch(decoded.records, 0, GENESIS)
        assert (again, chain) == (data, decoded.chain)
    # A seal that was made for these bytes vouches for the frames, not for their form.
    sealed = decode_batch(data, 1, GENESIS, seal_of(data, GENESIS))
    assert sealed.records or sealed.damage is not None


@cache
def log_files() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.sqlite"
        with closing(SqliteLog(path)) as log:
            start = listing()
            for n, entry in enumerate([*start, *islice(trading(5, len(start) + 1), 40)], 1):
                log.append([Record(n, START_NS + n, 1, 1, encode_command(entry))])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        return [path.read_bytes()]


def log_file(data: bytes) -> None:
    """The whole file: it opens, or says why not; the first input bytes say where it is damaged.

    Input: triples of a place (three bytes) and the bytes to write there.
    """
    whole = bytearray(log_files()[0])
    for start in range(0, len(data) - 3, 4):
        place = int.from_bytes(data[start : start + 3], "big") % len(whole)
        whole[place] = data[start + 3]
    if len(data) % 4 == 1:
        del whole[int.from_bytes(data[-1:], "big") * len(whole) // 256 :]
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        path = Path(folder) / "log.sqlite"
        path.write_bytes(whole)
        found: list[Record] = []
        try:
            with closing(SqliteLog(path, read_only=True)) as log:
                found.extend(log.read())
        except LogError:
            pass
        try:
            kept = list(salvage(path))
        except LogError:
            kept = []
        assert [record.sequence for record in kept] == list(range(1, len(kept) + 1))
        assert found[: len(kept)] == kept[: len(found)]
        try:
            audited = [entry.sequence for entry in read_log(path)]
            assert audited == list(range(1, len(audited) + 1))
        except Unreadable:
            pass


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@cache
def snapshots() -> list[bytes]:
    """The blocks of a snapshot, before they are squeezed."""
    flow = Flow.listed()
    for _ in flow.run(bytes(range(256)) * 20):
        pass
    return [zlib.decompress(encode_state(flow.engine.state, bytes(32)))]


def snapshot(data: bytes) -> None:
    """A snapshot's payload: the state that was saved, or ``CodecError``."""
    try:
        state = decode_state(data, "").state
    except CodecError:
        pass
    else:
        raise AssertionError(f"a state with the hash of nothing: {state_hash(state)}")
    try:
        # Squeezed anew, so that the rows inside are reached.
        decode_state(zlib.compress(data, 1), "")
    except CodecError:
        pass


def snapshot_rows(data: bytes) -> None:
    """Rows that are well-formed but not a state: read as something that reads back, or refused."""
    try:
        rows: Any = msgspec.msgpack.decode(data)
    except Exception:
        return
    block = msgspec.msgpack.encode([1, 1, bytes(32)])
    framed = b"".join(
        len(part).to_bytes(8, "big") + part for part in (block, msgspec.msgpack.encode(rows))
    )
    try:
        decode_state(zlib.compress(framed, 1), "")
    except CodecError:
        pass


def some_rows() -> list[bytes]:
    flow = Flow.listed()
    for _ in flow.run(bytes(range(256)) * 4):
        pass
    rows = list(dump_state(flow.engine.state))
    return [msgspec.msgpack.encode(rows), *(msgspec.msgpack.encode([row]) for row in rows[:40])]


SMALL_WORLD = b"""\
world: small
start: now
series:
  - ticker: KXRAIN
    title: Rain
    category: Climate and Weather
    fee_type: quadratic
    events:
      - ticker: KXRAIN-TODAY
        title: Rain today
        close_time: +2d
        mutually_exclusive: true
        markets:
          - ticker: KXRAIN-TODAY-NYC
            title: Will it rain?
            strike_type: greater
            floor_strike: 1.5
members:
  - email: maker@example.com
    deposit: 1000.00
"""


def worlds() -> list[bytes]:
    return [SMALL_WORLD, find_world("demo").read_bytes()]


def world(data: bytes) -> None:
    """A world file: a world, or ``WorldError`` with places in it."""
    try:
        parse_world(data.decode("utf-8", "replace"))
    except WorldError as error:
        if not error.problems or not str(error):
            raise AssertionError("an error without a reason") from error


def flow(data: bytes) -> None:
    """A stream of commands for the core: every invariant holds, and the auditor agrees."""
    story = Flow.listed()
    for _ in story.run(data[: WIDTH * 40]):
        pass
    check(story.engine.state)
    findings = audit(steps([(a.time_ns, a.command) for a in story.applied]))
    assert findings.difference is None, str(findings.difference)
