"""Random damage to the files of a log: every record comes back as it was, or the start stops.

What must never happen is a log that opens and says less, more, or something else than was written.
"""

import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from augury.log.sqlite import SqliteLog, salvage
from augury.ports.log import LogDamaged, LogError, Record

RECORDS = 1200


def record(sequence: int) -> Record:
    chance = random.Random(sequence)
    return Record(sequence, 10_000 + sequence, 1, 1, chance.randbytes(chance.randint(0, 400)))


ALL = [record(sequence) for sequence in range(1, RECORDS + 1)]


def write(path: Path, first: int, last: int, batch: int) -> SqliteLog:
    log = SqliteLog(path)
    for start in range(first, last + 1, batch):
        log.append([record(s) for s in range(start, min(start + batch, last + 1))])
    return log


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log as a killed process leaves it: part in the database, part in the write-ahead file."""
    directory = tmp_path_factory.mktemp("killed")
    working = tmp_path_factory.mktemp("working") / "log.sqlite"
    write(working, 1, 700, 9).close()
    with closing(write(working, 701, RECORDS, 4)):
        for file in working.parent.iterdir():
            if not file.name.endswith("-shm"):
                shutil.copy(file, directory)
    assert {f.name for f in directory.iterdir()} == {"log.head", "log.sqlite", "log.sqlite-wal"}
    return directory


@pytest.fixture(scope="module")
def stopped(killed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same log as a graceful stop leaves it: everything in the database."""
    directory = tmp_path_factory.mktemp("stopped")
    shutil.copytree(killed, directory, dirs_exist_ok=True)
    SqliteLog(directory / "log.sqlite").close()
    assert {f.name for f in directory.iterdir()} == {"log.head", "log.sqlite"}
    return directory


class Copies:
    """Fresh copies of a directory, one after another in the same place."""

    def __init__(self, original: Path, place: Path) -> None:
        self._original = original
        self._place = place

    def __call__(self) -> Path:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._original, self._place)
        return self._place / "log.sqlite"


@pytest.fixture
def copy(killed: Path, tmp_path: Path) -> Copies:
    return Copies(killed, tmp_path / "copy")


@pytest.fixture
def stopped_copy(stopped: Path, tmp_path: Path) -> Copies:
    return Copies(stopped, tmp_path / "copy")


def outcome(path: Path) -> str:
    """``intact``, or how the damage was reported; anything else fails the test."""
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    try:
        with closing(SqliteLog(path, read_only=True)) as log:
            assert list(log.read()) == ALL
        with closing(SqliteLog(path)) as log:
            assert list(log.read()) == ALL
            log.append([record(RECORDS + 1)])
            assert log.last_sequence == RECORDS + 1
        return "intact"
    except LogDamaged as damaged:
        sequence = damaged.sequence
    except LogError:
        sequence = 0
    assert 0 <= sequence <= RECORDS
    # The writer must refuse as well, and leave every byte for those who will look into it.
    if "log.sqlite" in before:
        with pytest.raises(LogError), closing(SqliteLog(path)) as log:
            list(log.read())
    assert list(salvage(path)) == ALL[: sum(1 for _ in salvage(path))]
    return f"record {sequence}" if sequence else "no log"


def test_the_copy_of_a_killed_log_is_whole(copy: Copies) -> None:
    assert outcome(copy()) == "intact"


@pytest.mark.parametrize("name", ["log.sqlite", "log.sqlite-wal", "log.head"])
def test_flipped_bytes_are_harmless_or_reported(copy: Copies, name: str, seed: int) -> None:
    chance = random.Random(seed)
    seen = set()
    for _ in range(60):
        path = copy()
        file = path.with_name(name)
        data = bytearray(file.read_bytes())
        for _ in range(chance.choice((1, 1, 1, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        seen.add(outcome(path))
    assert len(seen) > 5 or name == "log.head"


def test_every_byte_of_the_first_page_may_be_damaged(stopped_copy: Copies) -> None:
    chance = random.Random(1)
    for position in range(200):
        path = stopped_copy()
        data = bytearray(path.read_bytes())
        data[position] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert outcome(path)


def test_a_database_that_was_cut_is_reported(stopped_copy: Copies, seed: int) -> None:
    chance = random.Random(seed)
    size = stopped_copy().stat().st_size
    for length in (0, 1, 100, 4096, size - 1, *(chance.randrange(size) for _ in range(15))):
        path = stopped_copy()
        path.write_bytes(path.read_bytes()[:length])
        result = outcome(path)
        # The last few bytes may be unused, or a seal, which the records can do without.
        assert result != "intact" or length > size - 4096, f"cut to {length} of {size}"


def test_a_write_ahead_file_that_was_cut_is_reported(copy: Copies, seed: int) -> None:
    chance = random.Random(seed)
    size = copy().with_name("log.sqlite-wal").stat().st_size
    for length in (0, 1, 31, 32, 33, 4096, size - 1, *(chance.randrange(size) for _ in range(15))):
        path = copy()
        file = path.with_name("log.sqlite-wal")
        file.write_bytes(file.read_bytes()[:length])
        assert outcome(path) != "intact", f"cut to {length} of {size}"


@pytest.mark.parametrize("name", ["log.sqlite", "log.sqlite-wal"])
def test_a_file_that_is_gone_is_reported(copy: Copies, name: str) -> None:
    path = copy()
    path.with_name(name).unlink()
    with pytest.raises(LogError):
        SqliteLog(path)


def test_pages_that_were_exchanged_or_overwritten_are_reported(
    stopped_copy: Copies, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        path = stopped_copy()
        whole = path.read_bytes()
        pages = [whole[start : start + 4096] for start in range(0, len(whole), 4096)]
        one, other = chance.sample(range(1, len(pages)), 2)
        kind = chance.randrange(4)
        if kind == 0:
            pages[one], pages[other] = pages[other], pages[one]
        elif kind == 1:
            pages[one] = bytes(4096)
        elif kind == 2:
            pages[one] = chance.randbytes(4096)
        else:
            pages[one] = pages[other]
        path.write_bytes(b"".join(pages))
        assert outcome(path) != "intact"


@pytest.mark.parametrize("name", ["log.sqlite", "log.sqlite-wal", "log.head"])
def test_what_a_torn_write_left_behind_the_end_does_no_harm(
    copy: Copies, name: str, seed: int
) -> None:
    chance = random.Random(seed)
    for length in (1, 100, 4096, 10_000):
        path = copy()
        with path.with_name(name).open("ab") as file:
            file.write(chance.randbytes(length))
        assert outcome(path) == "intact"


# --- a write that was torn -------------------------------------------------------------------


def test_a_torn_write_leaves_no_trace(tmp_path: Path, seed: int) -> None:
    """Power fails during a flush: any part of its bytes, in any order, may have arrived."""
    chance = random.Random(seed)
    working = tmp_path / "working" / "log.sqlite"
    working.parent.mkdir()
    acknowledged = 300
    with closing(write(working, 1, acknowledged, 7)) as log:
        before = {file.name: file.read_bytes() for file in working.parent.iterdir()}
        log.append([record(s) for s in range(acknowledged + 1, acknowledged + 41)])
        after = working.with_name("log.sqlite-wal").read_bytes()
    wal = before["log.sqlite-wal"]
    start = next(
        n for n, (a, b) in enumerate(zip(wal + bytes(len(after)), after, strict=False)) if a != b
    )
    for round_number in range(80):
        directory = tmp_path / f"torn-{round_number}"
        directory.mkdir()
        for name, content in before.items():
            if not name.endswith("-shm"):
                (directory / name).write_bytes(content)
        torn = bytearray(wal.ljust(len(after), b"\0"))
        if round_number % 2:
            # A prefix arrived.
            end = chance.randrange(start, len(after))
            torn[start:end] = after[start:end]
            if chance.random() < 0.5:
                del torn[max(end, len(wal)) :]
        else:
            # Some blocks of the disk arrived and others did not.
            for block in range(start - start % 512, len(after), 512):
                if chance.random() < 0.7:
                    torn[block : block + 512] = after[block : block + 512]
        (directory / "log.sqlite-wal").write_bytes(torn)
        with closing(SqliteLog(directory / "log.sqlite")) as log:
            found = list(log.read())
            assert len(found) in (acknowledged, acknowledged + 40)
            assert found == ALL[: len(found)]
            log.append([record(log.last_sequence + 1)])
        with closing(SqliteLog(directory / "log.sqlite")) as log:
            assert list(log.read()) == ALL[: len(found) + 1]
