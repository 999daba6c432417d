"""What every store of snapshots promises, and what files add to that."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from augury.log.snapshots import DirectorySnapshots, MemorySnapshots
from augury.ports.snapshots import Snapshot, SnapshotStore


def snapshot(sequence: int, payload: bytes = b"state") -> Snapshot:
    return Snapshot(sequence, sequence * 10, "ab" * 32, payload)


class SnapshotContract:
    @pytest.fixture
    def store(self, tmp_path: Path) -> SnapshotStore:
        raise NotImplementedError

    def test_an_empty_store_has_none(self, store: SnapshotStore) -> None:
        assert store.newest() is None
        assert store.newest(10) is None

    def test_the_newest_comes_back_as_it_was(self, store: SnapshotStore) -> None:
        store.save(snapshot(5))
        store.save(snapshot(900, bytes(range(256)) * 1000))
        assert store.newest() == snapshot(900, bytes(range(256)) * 1000)

    def test_the_newest_before_a_sequence_is_found(self, store: SnapshotStore) -> None:
        for sequence in (5, 100, 1000):
            store.save(snapshot(sequence))
        assert store.newest(999) == snapshot(100)
        assert store.newest(1000) == snapshot(1000)
        assert store.newest(4) is None

    def test_three_are_kept(self, store: SnapshotStore) -> None:
        for sequence in range(1, 8):
            store.save(snapshot(sequence))
        assert store.newest(5) == snapshot(5)
        assert store.newest(4) is None

    def test_saving_again_replaces(self, store: SnapshotStore) -> None:
        store.save(snapshot(5, b"one"))
        store.save(snapshot(5, b"two"))
        assert store.newest() == snapshot(5, b"two")


class TestMemorySnapshots(SnapshotContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> MemorySnapshots:
        return MemorySnapshots()


class TestDirectorySnapshots(SnapshotContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DirectorySnapshots:
        return DirectorySnapshots(tmp_path / "snapshots")


def test_a_damaged_snapshot_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DirectorySnapshots(tmp_path)
    store.save(snapshot(1))
    store.save(snapshot(2))
    newest = tmp_path / f"{2:016d}.snapshot"
    whole = newest.read_bytes()
    for position in range(0, len(whole), 7):
        newest.write_bytes(
            whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
        )
        with caplog.at_level(logging.WARNING):
            assert store.newest() == snapshot(1)
    for length in (0, 1, 31, 32, 33, 100, len(whole) - 1):
        newest.write_bytes(whole[:length])
        assert store.newest() == snapshot(1)
    assert "passed over" in caplog.text


def test_a_snapshot_under_another_name_is_passed_over(tmp_path: Path) -> None:
    store = DirectorySnapshots(tmp_path)
    store.save(snapshot(1))
    (tmp_path / f"{1:016d}.snapshot").rename(tmp_path / f"{7:016d}.snapshot")
    assert store.newest() is None


def test_what_a_crash_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    abandoned = tmp_path / f"{3:016d}.{gone.pid}.tmp"
    in_use = tmp_path / f"{4:016d}.{os.getpid()}.tmp"
    abandoned.write_bytes(b"half")
    in_use.write_bytes(b"half")
    store = DirectorySnapshots(tmp_path)
    assert store.newest() is None
    store.save(snapshot(5))
    assert not abandoned.exists()
    assert in_use.exists()


def test_other_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "notes.snapshot").write_text("mine")
    assert DirectorySnapshots(tmp_path).newest() is None
