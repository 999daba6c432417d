"""The files of a recording: what was received comes back, and damage is told, never guessed."""

import contextlib
import gzip
import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from augury.client.recording import (
    FeedState,
    Recording,
    RecordingDamaged,
    RecordingError,
    RecordingWriter,
)
from augury.client.recording.format import index_path

SECOND = 1_000_000_000
START = 1_772_373_600 * SECOND


class Clock:
    """A second per message."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += SECOND
        return self.now


def subscribed(sid: int = 1, channel: str = "orderbook_delta") -> bytes:
    return json.dumps(
        {"id": 1, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}
    ).encode()


def snapshot(seq: int, ticker: str, yes: list[list[str]], sid: int = 1) -> bytes:
    msg = {"market_ticker": ticker, "yes_dollars_fp": yes}
    return json.dumps({"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": msg}).encode()


def delta(seq: int, ticker: str, price: str, change: str, sid: int = 1) -> bytes:
    msg = {"market_ticker": ticker, "side": "yes", "price_dollars": price, "delta_fp": change}
    return json.dumps({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": msg}).encode()


def write(directory: Path, count: int = 60, **options: Any) -> list[bytes]:
    """A recording of two books in several blocks; returns what was received."""
    messages = [subscribed(), snapshot(1, "A", [["0.4000", "10.00"]]), snapshot(2, "B", [])]
    for number in range(count):
        ticker = "AB"[number // 20 % 2]
        messages.append(delta(number + 3, ticker, f"0.{10 + number}00", f"{number + 1}.00"))
    with RecordingWriter(directory, now_ns=Clock(), block_bytes=1500, **options) as writer:
        writer.opened({"url": "ws://exchange.test"})
        for message in messages:
            writer.message(message)
    return messages


def texts(directory: Path, **selection: Any) -> list[bytes]:
    return [message.data for message in Recording(directory).messages(**selection)]


# --- what was received comes back ------------------------------------------------------------


def test_what_was_received_comes_back_byte_for_byte(tmp_path: Path) -> None:
    odd = [b"", b"not json", b'{"a":1}\n{"b":2}', "Zürich".encode(), b"[]", b'{"sid":"x"}']
    messages = write(tmp_path)
    with RecordingWriter(tmp_path, now_ns=Clock()) as writer:
        writer.opened({})
        for message in odd:
            writer.message(message)
    recording = Recording(tmp_path)
    recording.check()
    assert texts(tmp_path) == messages + odd
    assert recording.message_count == len(messages + odd)
    assert recording.markets == {"A", "B"}
    connections = [message.connection for message in recording.messages()]
    assert connections == [1] * len(messages) + [2] * len(odd)
    # Anybody can read it without us.
    plain = b"".join(gzip.decompress(file.path.read_bytes()) for file in recording.files)
    assert all(message in plain for message in messages)


def test_messages_are_found_by_time_market_and_seq(tmp_path: Path) -> None:
    messages = write(tmp_path)
    recording = Recording(tmp_path)
    assert len(recording.files[0].entries) > 5
    every = list(recording.messages())
    some = every[10:20]
    assert texts(tmp_path, start=some[0].received_ns, end=every[20].received_ns) == messages[10:20]
    moment = datetime.fromtimestamp(some[0].received_ns // SECOND, UTC)
    assert texts(tmp_path, start=moment) == messages[10:]
    assert texts(tmp_path, markets=["B"]) == [m for m in messages if b'"B"' in m]
    assert [message.seq for message in recording.from_seq(1, 1, 40)] == list(range(40, 63))


def test_a_book_is_known_at_every_moment(tmp_path: Path) -> None:
    write(tmp_path, rotate_bytes=700)
    recording = Recording(tmp_path)
    assert len(recording.files) > 2
    folded = FeedState()
    for message in recording.messages():
        before = recording.state_at(message.received_ns)
        if "A" in before.books:
            assert before.books["A"].yes == folded.books["A"].yes
            assert before.seqs == folded.seqs
        folded.apply(message.data)
    assert recording.state_at().books["B"].bids()[0] == (4900, 4000)


def test_each_file_can_be_read_without_those_before_it(tmp_path: Path) -> None:
    write(tmp_path, rotate_seconds=20)
    whole = Recording(tmp_path)
    assert len(whole.files) > 2
    end = whole.state_at()
    for file in whole.files[:-1]:
        file.path.unlink()
        index_path(file.path).unlink()
    rest = Recording(tmp_path)
    rest.check()
    assert rest.state_at().books["A"].yes == end.books["A"].yes
    assert rest.markets == {"A", "B"}


def test_a_clock_that_is_set_back_does_not_turn_the_order(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path) as writer:
        writer.opened({})
        for received_ns in (START + 5, START, START + 7):
            writer.message(b"{}", received_ns + 10**18)
    times = [message.received_ns - START - 10**18 for message in Recording(tmp_path).messages()]
    assert times == [5, 5, 7]


# --- gaps ------------------------------------------------------------------------------------


def test_gaps_are_recorded_and_make_books_stale(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path, now_ns=Clock()) as writer:
        writer.opened({})
        for message in (subscribed(), snapshot(1, "A", [["0.4000", "10.00"]])):
            writer.message(message)
        seen = writer.message(delta(3, "A", "0.4000", "1.00"))
        assert (seen.expected_seq, seen.seq) == (2, 3)
        assert writer.state.books["A"].stale
        writer.message(snapshot(4, "A", [["0.4100", "2.00"]]))
        assert not writer.state.books["A"].stale
        writer.closed("closed: 1006")
        assert writer.state.books["A"].stale
        writer.opened({})
        writer.message(subscribed())
        writer.closed("the recorder stopped")
    lost, away = Recording(tmp_path).gaps()
    assert (lost.sid, lost.reason) == (1, "seq 3 came after 1")
    assert (away.sid, away.connection, away.reason) == (None, 1, "closed: 1006")
    assert away.to_ns - away.from_ns == SECOND


def test_a_recorder_that_died_left_a_gap(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path, now_ns=Clock()) as writer:
        writer.opened({})
        writer.message(subscribed())
    with RecordingWriter(tmp_path) as writer:
        writer.opened({})
    (gap,) = Recording(tmp_path).gaps()
    assert (gap.connection, gap.reason) == (1, "the recorder died")


# --- the end of a file that nobody finished --------------------------------------------------


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "without index"])
def test_a_file_is_whole_up_to_the_last_block_wherever_it_was_cut(
    tmp_path: Path, indexed: bool
) -> None:
    """A killed recorder has written any part of a block, and no entry for it."""
    whole = tmp_path / "whole"
    messages = write(whole)
    (file,) = Recording(whole).files
    index = index_path(file.path).read_bytes().splitlines(keepends=True)
    data = file.path.read_bytes()
    for cut in range(file.entries[2].end, len(data), 37):
        blocks = sum(entry.end <= cut for entry in file.entries)
        torn = tmp_path / f"cut-{cut}"
        torn.mkdir()
        (torn / file.path.name).write_bytes(data[:cut])
        if indexed:
            # The entry is written after its block, so the last one may be missing or torn, too.
            (torn / index_path(file.path).name).write_bytes(
                b"".join(index[: blocks - 1]) + index[blocks - 1][: cut % 50]
            )
        recording = Recording(torn)
        recording.check()
        assert len(recording.files[0].entries) == blocks
        assert recording.files[0].entries[-1].markets == file.entries[blocks - 1].markets
        assert recording.files[0].incomplete_bytes == cut - file.entries[blocks - 1].end
        found = texts(torn)
        assert found == messages[: len(found)]
        assert len(found) == sum(entry.messages for entry in file.entries[:blocks])
        # And a new recorder goes on behind it.
        with RecordingWriter(torn) as writer:
            writer.opened({})
            writer.message(b'{"more":true}')
        Recording(torn).check()
        assert texts(torn) == [*found, b'{"more":true}']
        shutil.rmtree(torn)


def test_a_file_without_a_block_is_passed_over(tmp_path: Path) -> None:
    messages = write(tmp_path)
    (tmp_path / "feed-000002.gz").write_bytes(b"\x1f\x8b")
    assert texts(tmp_path) == messages
    with RecordingWriter(tmp_path) as writer:
        writer.opened({})
        assert writer.path.name == "feed-000003.gz"
    Recording(tmp_path).check()


@pytest.mark.parametrize("index", [None, b"", b"garbage\n", b'{"block":2,"offset":0}\n'])
def test_the_index_is_only_a_help(tmp_path: Path, index: bytes | None) -> None:
    messages = write(tmp_path)
    before = Recording(tmp_path).files[0].entries
    path = index_path(Recording(tmp_path).files[0].path)
    path.unlink()
    if index is not None:
        path.write_bytes(index)
    assert Recording(tmp_path).files[0].entries == before
    assert texts(tmp_path) == messages


# --- damage ----------------------------------------------------------------------------------


def damaged(directory: Path) -> RecordingDamaged:
    with pytest.raises(RecordingDamaged) as caught:
        Recording(directory).check()
    return caught.value


def test_a_changed_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    write(tmp_path, count=20)
    (file,) = Recording(tmp_path).files
    data = bytearray(file.path.read_bytes())
    # gzip's time, hints and system mean nothing to anybody.
    meaningless = {entry.offset + byte for entry in file.entries for byte in range(4, 10)}
    for position in range(0, len(data), 7):
        if position in meaningless:
            continue
        data[position] ^= 0x10
        file.path.write_bytes(data)
        error = damaged(tmp_path)
        (hit,) = [e.block for e in file.entries if e.offset <= position < e.end]
        assert (error.file, error.block) == (file.path, hit), position
        assert str(error).startswith(f"{file.path}: block {hit}: ")
        data[position] ^= 0x10
    file.path.write_bytes(data)
    Recording(tmp_path).check()


def test_a_file_that_lost_its_end_is_told_by_its_index(tmp_path: Path) -> None:
    write(tmp_path)
    (file,) = Recording(tmp_path).files
    third = file.entries[2]
    with file.path.open("r+b") as opened:
        opened.truncate(third.offset + third.size // 2)
    error = damaged(tmp_path)
    assert str(error) == f"{file.path}: block 3: the file ends in the middle of it"


def test_a_file_that_lost_its_end_and_its_index_is_told_by_the_next_one(tmp_path: Path) -> None:
    write(tmp_path, rotate_bytes=900)
    first, *_ = Recording(tmp_path).files
    index_path(first.path).unlink()
    with first.path.open("r+b") as opened:
        opened.truncate(first.entries[-1].offset)
    error = damaged(tmp_path)
    assert (error.file, error.block) == (first.path, len(first.entries))
    assert f"the next file says there were {len(first.entries)}" in str(error)


def test_a_missing_file_is_told_unless_it_is_the_oldest(tmp_path: Path) -> None:
    write(tmp_path, rotate_bytes=700)
    first, second, *_ = Recording(tmp_path).files
    first.path.unlink()
    index_path(first.path).unlink()
    Recording(tmp_path).check()
    shutil.copy(second.path, first.path)
    assert str(damaged(tmp_path)) == f"{first.path}: block 1: this was file 2"
    first.path.unlink()
    third = Recording(tmp_path).files[1]
    third.path.unlink()
    assert str(damaged(tmp_path)) == f"{third.path}: block 1: the file is missing"


def test_bytes_behind_the_last_block_are_damage(tmp_path: Path) -> None:
    write(tmp_path)
    (file,) = Recording(tmp_path).files
    with file.path.open("ab") as opened:
        opened.write(b"x" * 100)
    error = damaged(tmp_path)
    assert error.block == len(file.entries) + 1


# --- writing ---------------------------------------------------------------------------------


def test_only_one_recorder_writes_into_a_directory(tmp_path: Path) -> None:
    with (
        RecordingWriter(tmp_path),
        pytest.raises(RecordingError, match="another recorder writes here"),
    ):
        RecordingWriter(tmp_path)
    RecordingWriter(tmp_path).close()


@contextlib.contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """What a full disk does: a part of a write is taken, the rest refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_what_was_written_stays_readable(tmp_path: Path) -> None:
    messages = [b'{"n":%d,"x":"%b"}' % (n, b"%x" % (n**40)) for n in range(200)]
    writer = RecordingWriter(tmp_path, block_bytes=1500)
    writer.opened({})

    def record() -> None:
        for message in messages:
            writer.message(message)

    with file_size_limit(2500), pytest.raises(RecordingError, match=r"gz: block \d+ cannot be"):
        record()
    writer.close()
    recording = Recording(tmp_path)
    recording.check()
    found = texts(tmp_path)
    assert found == messages[: len(found)]
    assert len(found) > 5


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such directory"):
        Recording(tmp_path / "nothing")
    assert Recording(tmp_path).is_empty
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError):
        RecordingWriter(tmp_path / "file")


def test_the_documented_way_to_read_one_runs_as_it_is_written(
    repository: Path, tmp_path: Path
) -> None:
    page = (repository / "docs" / "recordings.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    write(tmp_path / "recordings" / "monday")
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "63 messages about 2 markets"
    # The first minute without its last message, and two books.
    assert len(lines) == 1 + 60 + 2
