"""Reads a recording, also one that is being written or whose recorder was killed.

Blocks that the index names must be there, whole; whole blocks behind it are found by their
headers; an incomplete one at the very end of a file was never flushed and is passed over. Anything
else is damage, and an error that names the file and the block: never a guess.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from augury.client.recording.format import (
    CLOSED,
    FILE,
    GAP,
    HEAD_SIZE,
    MESSAGE,
    OPENED,
    STATE,
    VERSION,
    Entry,
    Record,
    RecordingDamaged,
    RecordingError,
    block_size,
    data_files,
    index_path,
    parse_records,
    unpack_block,
)
from augury.client.recording.state import FeedState

Moment = int | datetime | None
"""A time: Unix nanoseconds, or a ``datetime`` that knows its zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_entries: Final = msgspec.json.Decoder(Entry)


class Message:
    """One received message. ``data`` are its bytes, exactly."""

    __slots__ = ("__dict__", "connection", "data", "received_ns")

    def __init__(self, received_ns: int, connection: int, data: bytes) -> None:
        self.received_ns = received_ns
        self.connection = connection
        self.data = data

    @property
    def received(self) -> datetime:
        """When it was received, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.received_ns // 1000)

    @cached_property
    def json(self) -> dict[str, Any]:
        """The message decoded; empty when it is no JSON object."""
        try:
            found = msgspec.json.decode(self.data)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def type(self) -> str:
        return str(self.json.get("type", ""))

    @property
    def sid(self) -> int | None:
        return self.json.get("sid")

    @property
    def seq(self) -> int | None:
        return self.json.get("seq")

    @property
    def msg(self) -> dict[str, Any]:
        found = self.json.get("msg")
        return found if isinstance(found, dict) else {}

    @property
    def market(self) -> str:
        return str(self.msg.get("market_ticker") or self.msg.get("ticker") or "")


class Gap(NamedTuple):
    """A span in which messages may be missing, of everything or of one subscription."""

    from_ns: int
    to_ns: int
    """When messages came again; the recording's last moment when they did not."""
    connection: int
    reason: str
    sid: int | None = None


@dataclass
class RecordedFile:
    """One file, and where its blocks are."""

    number: int
    path: Path
    entries: list[Entry] = field(default_factory=list)
    incomplete_bytes: int = 0
    """What follows the last block: the beginning of one that was never finished."""

    def content(self, entry: Entry) -> bytes:
        """The records of a block as they are written. Raises ``RecordingDamaged``."""
        try:
            with self.path.open("rb") as file:
                file.seek(entry.offset)
                block = file.read(entry.size)
            return unpack_block(block, entry.block)
        except OSError as error:
            raise RecordingDamaged(self.path, entry.block, f"{error.strerror}") from None
        except ValueError as error:
            raise RecordingDamaged(self.path, entry.block, str(error)) from None

    def records(self, entry: Entry) -> Iterator[Record]:
        content = self.content(entry)
        try:
            yield from parse_records(content)
        except ValueError as error:
            raise RecordingDamaged(self.path, entry.block, str(error)) from None


class Recording:
    """The recording in ``directory``, as it is at this moment.

    Opening reads the indexes only. Raises ``RecordingError`` when there is no such directory and
    ``RecordingDamaged`` for files that are not as they were written.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise RecordingError(f"{self.directory}: there is no such directory")
        self.files: list[RecordedFile] = []
        for number, path in data_files(self.directory):
            file = _look(RecordedFile(number, path))
            # A recorder that was killed as it began a file leaves one without a block.
            if file.entries:
                self.files.append(file)

    # --- what there is -----------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return not self.files

    @property
    def first_ns(self) -> int:
        """When the recording begins; 0 when there is nothing in it."""
        return self.files[0].entries[0].first_ns if self.files else 0

    @property
    def last_ns(self) -> int:
        """When the last of it was received; 0 when there is nothing in it."""
        return self.files[-1].entries[-1].last_ns if self.files else 0

    @property
    def message_count(self) -> int:
        return sum(entry.messages for file in self.files for entry in file.entries)

    @cached_property
    def markets(self) -> frozenset[str]:
        """Every market that a message is about, and every book that was known at the start."""
        found = {
            market for file in self.files for entry in file.entries for market in entry.markets
        }
        for file in self.files[:1]:
            found.update(self._state_at_start_of(file).books)
        return frozenset(found)

    @property
    def last_connection(self) -> int:
        """The number of the newest connection."""
        for file in reversed(self.files):
            newest = 0
            for record in file.records(file.entries[-1]):
                newest = record.connection
            return newest
        return 0

    # --- reading -----------------------------------------------------------------------------

    def records(self, start: Moment = None, end: Moment = None) -> Iterator[Record]:
        """Everything from ``start`` to ``end`` (exclusive), notes included, in order."""
        first, last = _ns(start, 0), _ns(end, None)
        for file, entry in self._blocks(first, last):
            for record in file.records(entry):
                if record.received_ns < first:
                    continue
                if last is not None and record.received_ns >= last:
                    return
                yield record

    def messages(
        self, start: Moment = None, end: Moment = None, markets: Iterable[str] | None = None
    ) -> Iterator[Message]:
        """What was received from ``start`` to ``end`` (exclusive), in order.

        ``markets`` leaves only messages about these; blocks without any are not even read.
        """
        first, last = _ns(start, 0), _ns(end, None)
        wanted = None if markets is None else frozenset(markets)
        for file, entry in self._blocks(first, last):
            if not entry.messages or (wanted is not None and wanted.isdisjoint(entry.markets)):
                continue
            for kind, received_ns, connection, data in file.records(entry):
                if kind != MESSAGE or received_ns < first:
                    continue
                if last is not None and received_ns >= last:
                    return
                message = Message(received_ns, connection, data)
                if wanted is None or message.market in wanted:
                    yield message

    def from_seq(self, connection: int, sid: int, seq: int) -> Iterator[Message]:
        """The messages of one subscription from ``seq`` on, found by the index."""
        key = f"{connection}/{sid}"
        for file in self.files:
            for entry in file.entries:
                span = entry.seqs.get(key)
                if span is None or span[1] < seq:
                    continue
                for record in file.records(entry):
                    if record.kind != MESSAGE or record.connection != connection:
                        continue
                    message = Message(record.received_ns, connection, record.data)
                    if message.sid == sid and message.seq is not None and message.seq >= seq:
                        yield message

    def state_at(self, moment: Moment = None) -> FeedState:
        """Books, tickers and subscriptions after everything received before ``moment``.

        Without a moment: after everything. Reads from the beginning of one file, which holds the
        state of that time.
        """
        last = _ns(moment, None)
        base = None
        for file in self.files:
            if last is None or file.entries[0].first_ns < last:
                base = file
        if base is None:
            return FeedState()
        state = self._state_at_start_of(base)
        for entry in base.entries:
            for record in base.records(entry):
                if last is not None and record.received_ns >= last:
                    return state
                advance(state, record)
        return state

    def gaps(self) -> list[Gap]:
        """Where messages are missing or may be, in order. Reads only blocks with notes."""
        found: list[Gap] = []
        open_gap: Gap | None = None
        latest = 0
        for file in self.files:
            for entry in file.entries:
                if not entry.notes:
                    latest = entry.last_ns
                    continue
                for record in file.records(entry):
                    if record.kind == OPENED:
                        if open_gap is None and record.connection > 1:
                            # Killed: the connection before this one has no end.
                            open_gap = Gap(latest, 0, record.connection - 1, "the recorder died")
                        if open_gap is not None:
                            found.append(open_gap._replace(to_ns=record.received_ns))
                            open_gap = None
                    elif record.kind == CLOSED:
                        reason = str(msgspec.json.decode(record.data)["reason"])
                        open_gap = open_gap or Gap(record.received_ns, 0, record.connection, reason)
                    elif record.kind == GAP:
                        note = msgspec.json.decode(record.data)
                        reason = f"seq {note['received_seq']} came after {note['expected_seq'] - 1}"
                        when = record.received_ns
                        found.append(Gap(when, when, record.connection, reason, note["sid"]))
                    if record.kind not in (FILE, STATE):
                        # A new file tells nothing of the exchange.
                        latest = record.received_ns
        if open_gap is not None and open_gap.from_ns < latest:
            found.append(open_gap._replace(to_ns=latest))
        return found

    def check(self) -> None:
        """Read everything. Raises ``RecordingDamaged`` at the first thing that is wrong."""
        state = FeedState()
        for file, entry in self._blocks(0, None):
            for record in file.records(entry):
                if record.kind == STATE:
                    state = self._read_state(file, entry, record)
                else:
                    advance(state, record)

    # --- inside ------------------------------------------------------------------------------

    def _blocks(self, first: int, last: int | None) -> Iterator[tuple[RecordedFile, Entry]]:
        before: RecordedFile | None = None
        for file in self.files:
            touched = False
            for entry in file.entries:
                if last is not None and entry.first_ns >= last:
                    return
                if entry.last_ns >= first:
                    if not touched:
                        self._check_succession(before, file)
                        touched = True
                    yield file, entry
            before = file

    def _check_succession(self, before: RecordedFile | None, file: RecordedFile) -> None:
        """Each file says how long the one before it was when it ended."""
        head = next(iter(file.records(file.entries[0])), None)
        if head is None or head.kind != FILE:
            raise RecordingDamaged(file.path, 1, "it does not say which file this is")
        note = msgspec.json.decode(head.data)
        if note.get("version") != VERSION:
            raise RecordingDamaged(
                file.path, 1, f"format {note.get('version')}; this program reads {VERSION}"
            )
        if note.get("number") != file.number:
            raise RecordingDamaged(file.path, 1, f"this was file {note.get('number')}")
        previous = note.get("previous")
        # Whoever needs the room removes the oldest files.
        if previous is None or before is None:
            return
        if before.path.name != previous["file"]:
            missing = self.directory / str(previous["file"])
            raise RecordingDamaged(missing, 1, "the file is missing")
        if len(before.entries) < previous["blocks"]:
            raise RecordingDamaged(
                before.path,
                len(before.entries) + 1,
                f"it is missing; the next file says there were {previous['blocks']}",
            )

    def _state_at_start_of(self, file: RecordedFile) -> FeedState:
        entry = file.entries[0]
        for record in file.records(entry):
            if record.kind == STATE:
                return self._read_state(file, entry, record)
        raise RecordingDamaged(file.path, 1, "the state at its beginning is missing")

    def _read_state(self, file: RecordedFile, entry: Entry, record: Record) -> FeedState:
        try:
            return FeedState.from_json(record.data)
        except ValueError as error:
            raise RecordingDamaged(file.path, entry.block, str(error)) from None


def advance(state: FeedState, record: Record) -> None:
    """Take one record into a state."""
    if record.kind == MESSAGE:
        state.apply(record.data)
    elif record.kind == OPENED:
        state.opened(record.connection)
    elif record.kind == CLOSED:
        state.closed()


# --- finding blocks ----------------------------------------------------------------------------


def _look(file: RecordedFile) -> RecordedFile:
    """Find the blocks of a file, by its index as far as that goes."""
    try:
        size = file.path.stat().st_size
    except OSError as error:
        raise RecordingError(f"{file.path}: {error.strerror}") from None
    file.entries = _read_index(index_path(file.path))
    for entry in file.entries:
        if entry.end > size:
            at = "in the middle of it" if entry.offset < size else "before it"
            raise RecordingDamaged(file.path, entry.block, f"the file ends {at}")
    offset = file.entries[-1].end if file.entries else 0
    with file.path.open("rb") as opened:
        while offset < size:
            number = len(file.entries) + 1
            opened.seek(offset)
            head = opened.read(HEAD_SIZE)
            if len(head) < HEAD_SIZE:
                break
            try:
                block = block_size(head, number)
            except ValueError as error:
                raise RecordingDamaged(file.path, number, str(error)) from None
            if offset + block > size:
                break
            file.entries.append(_describe(file, Entry(number, offset, block, 0, 0)))
            offset += block
    file.incomplete_bytes = size - offset
    return file


def _read_index(path: Path) -> list[Entry]:
    """The entries up to the first that cannot be read or does not follow the one before it.

    The index only repeats what the blocks say, so a bad one costs time and nothing else.
    """
    found: list[Entry] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return found
    offset = 0
    # What follows the last newline is an entry that was never finished.
    for line in lines[:-1]:
        try:
            entry = _entries.decode(line)
        except (msgspec.MsgspecError, UnicodeError):
            break
        if entry.block != len(found) + 1 or entry.offset != offset or entry.size <= HEAD_SIZE:
            break
        found.append(entry)
        offset = entry.end
    return found


def _describe(file: RecordedFile, entry: Entry) -> Entry:
    """What the index would say about a block that it does not name."""
    markets: dict[str, None] = {}
    seqs: dict[str, tuple[int, int]] = {}
    for record in file.records(entry):
        entry.first_ns = entry.first_ns or record.received_ns
        entry.last_ns = record.received_ns
        if record.kind != MESSAGE:
            entry.notes += 1
            continue
        entry.messages += 1
        message = Message(record.received_ns, record.connection, record.data)
        if message.market:
            markets[message.market] = None
        if isinstance(message.sid, int) and isinstance(message.seq, int):
            key = f"{record.connection}/{message.sid}"
            seqs[key] = (seqs.get(key, (message.seq, 0))[0], message.seq)
    entry.markets = list(markets)
    entry.seqs = seqs
    return entry


def _ns(moment: Moment, default: Any) -> Any:
    if moment is None:
        return default
    if isinstance(moment, int):
        return moment
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
