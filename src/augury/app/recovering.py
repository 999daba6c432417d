"""How a data directory comes back to life: history, state and log, brought to the same record.

The server does it at its start, and so does the simulator, thousands of times. It must not know
of gateways or sockets.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from augury.app.data_directory import log_path, snapshots_path
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog
from augury.ports.log import Log
from augury.projections.history import History
from augury.sequencer.recovery import Progress, recover

logger = logging.getLogger("augury.server")

HISTORY_BEHIND_LIMIT: Final = 20_000
"""History that lacks more records catches up while the exchange already trades."""


class CatchUp:
    """Reads the log for a history that cannot be fed: a second reader, a second engine."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def __call__(self, position: int) -> Iterator[Applied]:
        with contextlib.closing(SqliteLog(log_path(self._data), read_only=True)) as log:
            snapshots = DirectorySnapshots(snapshots_path(self._data))
            _, records = recover(log, snapshots, position, verify_all=False)
            for applied in records:
                if applied.sequence > position:
                    yield applied


def open_history(history: History, log: Log) -> None:
    """Open ``history``, and begin it anew when it tells of another past than ``log``.

    A database that is away is no reason not to start.
    """
    if history.open() and not history.belongs_to(log):
        logger.warning("history tells of another past than the log; it is written anew")
        history.reset()


def bring_back(
    data: Path,
    log: Log,
    history: History,
    *,
    verify_log: bool = True,
    progress: Progress | None = None,
) -> tuple[Engine, int]:
    """The engine at the end of ``log``, with ``history`` as near to it as it can be, and the
    sequence of the snapshot that this began with.

    Raises ``LogError`` and ``RecoveryError``.
    """
    position: int | None = history.position
    behind = log.last_sequence - history.position
    if not history.is_open or behind > HISTORY_BEHIND_LIMIT:
        position = None
        logger.info("history is %d records behind and catches up meanwhile", behind)
    engine, records = recover(
        log,
        DirectorySnapshots(snapshots_path(data)),
        position,
        verify_all=verify_log,
        progress=progress,
    )
    recovered_from = engine.state.sequence
    if position is None:
        for _ in records:
            pass
    else:
        history.load(records)
    history.expect(engine.state.sequence)
    return engine, recovered_from
