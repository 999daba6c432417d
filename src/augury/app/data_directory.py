"""Where everything of one exchange lies in its data directory.

    log.sqlite       the exchange itself: every command ever applied (and ``-wal``, ``-shm`` beside)
    log.head         who writes the log, and the newest record that was acknowledged
    snapshots/       states to start from; may be deleted, the next start replays more of the log
    history.sqlite   a projection; may be deleted, the next start rebuilds it
    fix.sqlite       numbers and messages of FIX sessions that can be asked for again
    tls/             the own certificate authority, when it is used
    operator.token   the operator's token

Only the log cannot be rebuilt, so it is what a backup holds; without fix.sqlite FIX clients have to
log on with new sequence numbers. Token and certificates are secrets and
are never in a backup.
"""

from pathlib import Path


def log_path(data: Path) -> Path:
    return data / "log.sqlite"


def snapshots_path(data: Path) -> Path:
    return data / "snapshots"


def fix_store_path(data: Path) -> Path:
    return data / "fix.sqlite"


def history_path(data: Path) -> Path:
    return data / "history.sqlite"
