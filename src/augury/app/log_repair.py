"""Giving up the end of a damaged log: the last resort, and only on an operator's word.

Nothing is thrown away: the damaged files and the snapshots that stand on them are moved aside, and
a new log is written from the records that verify.
"""

import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path

from augury.app.data_directory import log_path, snapshots_path
from augury.files import flush_directory
from augury.log.backup import Progress, copy_records
from augury.log.head import Head
from augury.log.sqlite import SqliteLog, salvage

_SUFFIXES = ("", "-wal", "-shm")


class LogRepair:
    """Holds the right to write the log of ``data``; raises ``LogInUse`` while somebody else does.

    ``acknowledged`` is the newest record that the exchange promised to keep, 0 when unknown.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = log_path(data)
        self._head = Head(self._path.with_suffix(".head"))
        head = self._head.read()
        self.acknowledged = 0 if head is None else head.sequence

    def close(self) -> None:
        self._head.close()

    def count_intact(self, progress: Progress | None = None) -> int:
        """How many records verify, from the first on."""
        count = 0
        for _ in salvage(self._path):
            count += 1
            if progress is not None and count % 4096 == 0:
                progress(count, max(self.acknowledged, count))
        return count

    def cut(self, keep: int, progress: Progress | None = None) -> Path:
        """Keep the first ``keep`` records; where the old files are now."""
        aside = Path(tempfile.mkdtemp(prefix="damaged-", dir=self._data))
        new = aside / "log.sqlite"
        with closing(SqliteLog(new)) as log:
            copy_records(islice(salvage(self._path), keep), log, keep, progress)
        old = aside / "before"
        old.mkdir()
        for path in snapshots_path(self._data).glob("*.snapshot"):
            if path.stem.isdecimal() and int(path.stem) > keep:
                path.rename(old / path.name)
        for suffix in _SUFFIXES:
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                path.rename(old / path.name)
        # The head changes last: until then the old promise stands, and a start in between is
        # refused rather than begun with less.
        head = self._path.with_suffix(".head")
        (old / head.name).write_bytes(head.read_bytes())
        new.rename(self._path)
        flush_directory(self._data)
        new.with_suffix(".head").replace(head)
        return old
