"""From what is on disk back to a running exchange: the newest fitting snapshot, then the log.

Recovery reads and never writes. It starts from a snapshot only if it is sure: the snapshot is
intact, belongs to this very log, and restores to the state hash it was saved with. Otherwise an
older one does, or the whole log; the state is the same. What does not verify stops the start.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Final

from augury.codec.commands import CodecError, decode_command
from augury.codec.snapshots import decode_state
from augury.core.applied import Applied
from augury.core.engine import RULES_VERSION, Engine
from augury.core.state import Exchange
from augury.ports.log import Log
from augury.ports.snapshots import SnapshotStore

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called now and then with the records read so far and their number."""

_RECORDS_PER_REPORT: Final = 4096


class RecoveryError(Exception):
    """The exchange cannot be brought back from what is there; the text says what to do."""


def recover(
    log: Log,
    snapshots: SnapshotStore | None = None,
    history_position: int | None = None,
    *,
    verify_all: bool = True,
    progress: Progress | None = None,
) -> tuple[Engine, Iterator[Applied]]:
    """An engine, and the iterator that brings it up to the end of the log.

    The iterator must be used up before the engine is; each item is a record and what it did. It
    begins after a snapshot that is not newer than ``history_position``, so history can be fed from
    it: items up to that position are known to history already. None means that nobody needs to be
    fed.

    With ``verify_all`` the part of the log that a snapshot covers is verified as well. Raises
    ``RecoveryError`` and ``LogDamaged``, here or while iterating.
    """
    end = log.last_sequence
    if history_position is not None and history_position > end:
        raise RecoveryError(
            f"the history knows record {history_position}, but the log ends with {end}; "
            "if the log is the right one, rebuild the history"
        )
    state = _newest_state(log, snapshots, end, history_position) or Exchange()
    engine = Engine(state)
    return engine, _replay(log, engine, end, verify_all, progress)


def engine_at(
    log: Log,
    snapshots: SnapshotStore | None,
    sequence: int,
    progress: Progress | None = None,
) -> Engine:
    """An engine in the state after record ``sequence``. Raises as ``recover`` does."""
    engine = Engine(_newest_state(log, snapshots, log.last_sequence, sequence) or Exchange())
    for _ in _replay(log, engine, sequence, False, progress):
        pass
    return engine


def _newest_state(
    log: Log, snapshots: SnapshotStore | None, end: int, not_after: int | None
) -> Exchange | None:
    if snapshots is None:
        return None
    snapshot = snapshots.newest()
    if snapshot is not None and snapshot.sequence > end:
        raise RecoveryError(
            f"there is a snapshot of record {snapshot.sequence}, but the log ends with {end}; "
            "the log is incomplete, or the snapshots belong to another one"
        )
    if snapshot is not None and not_after is not None and snapshot.sequence > not_after:
        snapshot = snapshots.newest(not_after)
    while snapshot is not None:
        try:
            state, chain_hash = decode_state(snapshot.payload, snapshot.state_hash)
            if chain_hash == log.chain_hash(snapshot.sequence):
                return state
            reason = "it belongs to another log"
        except CodecError as error:
            reason = str(error)
        logger.warning("the snapshot of record %d is passed over: %s", snapshot.sequence, reason)
        snapshot = snapshots.newest(snapshot.sequence - 1)
    return None


def _replay(
    log: Log, engine: Engine, end: int, verify_all: bool, progress: Progress | None
) -> Iterator[Applied]:
    start = engine.state.sequence
    first = 0 if verify_all else start
    apply = engine.apply
    # Nearly everything that replay creates is there to stay. The automatic collector would walk it
    # again and again as it grows; looking once at what is new is enough.
    automatic = gc.isenabled()
    gc.disable()
    try:
        for sequence, time_ns, schema_version, rules_version, payload in log.read(first):
            if sequence > end:
                break
            if sequence > start:
                try:
                    if rules_version != RULES_VERSION:
                        raise CodecError(
                            f"rules version {rules_version} is not known; "
                            f"this version of Augury follows {RULES_VERSION}"
                        )
                    applied = apply(sequence, time_ns, decode_command(payload, schema_version))
                except Exception as error:
                    raise RecoveryError(f"record {sequence} cannot be applied: {error}") from error
                yield applied
            if sequence % _RECORDS_PER_REPORT == 0:
                gc.collect(1)
                if progress is not None:
                    progress(sequence - first, end - first)
    finally:
        if automatic:
            gc.enable()
    if engine.state.sequence != end:
        raise RecoveryError(f"the log ended after record {engine.state.sequence}, not {end}")
    if progress is not None:
        progress(end - first, end - first)
