"""Snapshots, taken by a process that serves nobody.

The server starts this module as a child now and then. The child opens the log for reading, applies
what came after the newest snapshot, and saves the state it arrives at, with its hash. So no client
ever waits for a snapshot, and every snapshot proves again that replay works.

``Snapshotter`` is the server's side of it.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from augury.app.data_directory import log_path, snapshots_path
from augury.codec.snapshots import encode_state
from augury.core.snapshot import state_hash
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.log import LogError
from augury.ports.snapshots import Snapshot
from augury.sequencer.recovery import Progress, RecoveryError, recover

logger = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 60.0
_NICENESS: Final = 10
"""The child yields to the server where they share a processor."""


class SnapshotError(Exception):
    """No snapshot was taken; the text says why."""


def take_snapshot(data: Path, progress: Progress | None = None) -> Snapshot | None:
    """Save a snapshot of the end of the log in ``data``; None when the newest is that already.

    Raises ``LogError``, ``RecoveryError`` or ``OSError``.
    """
    store = DirectorySnapshots(snapshots_path(data))
    with contextlib.closing(SqliteLog(log_path(data), read_only=True)) as log:
        engine, catch_up = recover(log, store, verify_all=False, progress=progress)
        applied = 0
        for _ in catch_up:
            applied += 1
        state = engine.state
        if not applied:
            return None
        snapshot = Snapshot(
            state.sequence,
            state.time_ns,
            state_hash(state),
            encode_state(state, log.chain_hash(state.sequence)),
        )
    store.save(snapshot)
    return snapshot


class Snapshotter:
    """Takes a snapshot after so many records, or after so many minutes with any; 0 means never.

    ``sequence`` says how far the log is, ``start`` how far it was when the newest snapshot was
    taken. ``run`` is to be a task of the server; ``take`` may be called at any time, also after
    the log was closed.
    """

    def __init__(
        self,
        data: Path,
        sequence: Callable[[], int],
        *,
        every_records: int = 100_000,
        every_minutes: int = 10,
        start: int = 0,
    ) -> None:
        self._data = data
        self._sequence = sequence
        self._every_records = every_records
        self._every_seconds = every_minutes * 60
        self._newest = start
        self._newest_at = time.monotonic()
        self._not_before = 0.0
        self._one_at_a_time = asyncio.Lock()

    @property
    def newest(self) -> int:
        """The sequence of the newest snapshot that this process knows of."""
        return self._newest

    async def run(self) -> None:
        """Take snapshots when they are due, until cancelled. A failed one is tried again later."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if self._is_due():
                try:
                    await self.take()
                except SnapshotError as error:
                    # The log has everything; only the next start will take longer.
                    logger.error("no snapshot was taken: %s", error)
                    self._not_before = time.monotonic() + _RETRY_SECONDS

    def _is_due(self) -> bool:
        records = self._sequence() - self._newest
        if records <= 0 or time.monotonic() < self._not_before:
            return False
        if self._every_records and records >= self._every_records:
            return True
        waited = time.monotonic() - self._newest_at
        return bool(self._every_seconds) and waited >= self._every_seconds

    async def take(self) -> tuple[int, str]:
        """Take one now: the sequence it is of and its state hash. Raises ``SnapshotError``."""
        async with self._one_at_a_time:
            command = [sys.executable, "-m", "augury.app.snapshotter", "--data", str(self._data)]
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(),
            )
            try:
                output, complaint = await child.communicate()
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
                raise
            if child.returncode != 0:
                lines = complaint.decode(errors="replace").strip().splitlines()
                raise SnapshotError(lines[-1] if lines else f"exit code {child.returncode}")
            report: dict[str, Any] = json.loads(output)
            self._newest = report["sequence"]
            self._newest_at = time.monotonic()
            if report["taken"]:
                logger.info(
                    "snapshot of record %d taken in %.1f s, state %s",
                    report["sequence"],
                    report["seconds"],
                    report["state_hash"],
                )
            return self._newest, report["state_hash"]


def _environment() -> dict[str, str]:
    """The child must find the same package as this process, installed or not."""
    package = Path(__file__).resolve().parents[2]
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{path}" if path else str(package)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The child: one snapshot, one line of JSON about it."""
    parser = argparse.ArgumentParser(prog="python -m augury.app.snapshotter")
    parser.add_argument("--data", type=Path, required=True, help="the data directory")
    data = parser.parse_args(arguments).data
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    # The server's terminal sends Ctrl-C to all its children; the server decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.perf_counter()
    try:
        taken = take_snapshot(data)
        newest = taken or DirectorySnapshots(snapshots_path(data)).newest()
    except (LogError, RecoveryError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    report = {
        "sequence": 0 if newest is None else newest.sequence,
        "state_hash": "" if newest is None else newest.state_hash,
        "taken": taken is not None,
        "seconds": round(time.perf_counter() - began, 3),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
