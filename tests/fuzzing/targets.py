"""All targets by name. Whoever writes a reader of bytes adds a line here."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fuzzing import doors, fix, storage

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that once failed, by target: each is tried by every test run, for good."""


class Target(NamedTuple):
    """``check`` raises for a defect; ``seeds`` are honest inputs to begin with."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    tries: int
    """How many variations a test run tries; a second or two."""


TARGETS: dict[str, Target] = {
    "http": Target(doors.http, lambda: doors.HTTP_SEEDS, 400),
    "rest": Target(doors.rest, doors.rest_seeds, 1_000),
    "operator": Target(doors.operator, doors.operator_seeds, 250),
    "websocket": Target(doors.websocket, doors.websocket_command_seeds, 500),
    "websocket-bytes": Target(doors.websocket_bytes, doors.websocket_seeds, 120),
    "fix": Target(fix.session, fix.seeds, 2_000),
    "fix-session": Target(fix.conversation, fix.conversation_seeds, 1_500),
    "world": Target(storage.world, storage.worlds, 30),
    "snapshot": Target(storage.snapshot, storage.snapshots, 150),
    "snapshot-rows": Target(storage.snapshot_rows, storage.some_rows, 1_000),
    "log-record": Target(storage.command, storage.of_every_kind, 10_000),
    "log-batch": Target(storage.batch, storage.batches, 3_000),
    "log-file": Target(storage.log_file, lambda: [b"", b"\0\0\x10\x41" * 3], 100),
    "core": Target(storage.flow, lambda: [bytes(range(256)), b"\x07" * 256], 25),
}


def corpus_of(name: str) -> list[Path]:
    """The stored inputs of a target."""
    return sorted(CORPUS.glob(f"{name}/*"))
