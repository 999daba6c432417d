"""What the log costs beyond the disk, and what recovery costs beyond applying the commands.

A shared disk and a shared processor change from one moment to the next, so both sides take turns:
the log and the file batch by batch, of whose rounds the median counts; recovery and applying round
by round, of which the best of each side counts. Recovery does not wait for anything, so there the
processor's time is taken.
"""

import gc
import os
import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from augury.codec.commands import SCHEMA_VERSION, encode_command
from augury.core.commands import Command
from augury.core.engine import RULES_VERSION, Engine
from augury.core.snapshot import state_hash
from augury.log.records import GENESIS, encode_batch
from augury.log.sqlite import SqliteLog
from augury.ports.log import Record
from augury.sequencer.recovery import recover
from tests.flow import START_NS, listing, trading

BATCH = 100
BATCHES = 300
PAYLOAD = 150
APPEND_ROUNDS = 9
APPEND_GOAL = 0.5

COMMANDS = 40_000
RECOVERY_ROUNDS = 5
RECOVERY_GOAL = 0.5


# --- append ----------------------------------------------------------------------------------


def batches() -> list[list[Record]]:
    payloads = [os.urandom(PAYLOAD) for _ in range(BATCH)]
    return [
        [
            Record(first + n, START_NS + first + n, SCHEMA_VERSION, RULES_VERSION, payload)
            for n, payload in enumerate(payloads, 1)
        ]
        for first in range(0, BATCHES * BATCH, BATCH)
    ]


def time_both(
    directory: Path, work: list[list[Record]], frames: list[bytes]
) -> tuple[float, float]:
    """Seconds that the log and the file took for the same bytes."""
    file = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ours = bare = 0.0
    with closing(SqliteLog(directory / "log.sqlite")) as log:
        for batch, data in zip(work, frames, strict=True):
            began = time.perf_counter()
            os.write(file, data)
            os.fdatasync(file)
            between = time.perf_counter()
            log.append(batch)
            bare += between - began
            ours += time.perf_counter() - between
    os.close(file)
    return ours, bare


def measure_append() -> dict[str, Any]:
    work = batches()
    frames = []
    chain = GENESIS
    for batch in work:
        data, chain = encode_batch(batch, batch[0].sequence - 1, chain)
        frames.append(data)
    rounds = []
    for _ in range(APPEND_ROUNDS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
            rounds.append(time_both(Path(directory), work, frames))
    ours, bare = sorted(rounds, key=lambda both: both[1] / both[0])[APPEND_ROUNDS // 2]
    records = BATCH * BATCHES
    return {
        "name": f"log append at batch {BATCH}",
        "value": round(records / ours),
        "unit": "records/s",
        "against": f"bare file + fdatasync: {records / bare:.0f}",
        "ratio": round(bare / ours, 2),
        "goal": f">= {APPEND_GOAL}",
        "holds": bare / ours >= APPEND_GOAL,
    }


# --- recovery --------------------------------------------------------------------------------


def apply_in_memory(commands: list[Command]) -> tuple[float, str]:
    """As quick as it gets: without the automatic collector, as a running server works."""
    engine = Engine()
    apply = engine.apply
    gc.disable()
    began = time.process_time()
    for sequence, command in enumerate(commands, 1):
        apply(sequence, START_NS + sequence, command)
    seconds = time.process_time() - began
    gc.enable()
    return seconds, state_hash(engine.state)


def recover_from(path: Path) -> tuple[float, str]:
    with closing(SqliteLog(path)) as log:
        began = time.process_time()
        engine, catch_up = recover(log)
        for _ in catch_up:
            pass
        return time.process_time() - began, state_hash(engine.state)


def measure_recovery() -> dict[str, Any]:
    start = listing()
    commands = [*start, *islice(trading(1, len(start) + 1), COMMANDS)]
    memory, replayed = 0.0, 0.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        path = Path(directory) / "log.sqlite"
        with closing(SqliteLog(path)) as log:
            for first in range(0, len(commands), BATCH):
                log.append(
                    [
                        Record(
                            *(n, START_NS + n, SCHEMA_VERSION, RULES_VERSION),
                            encode_command(command),
                        )
                        for n, command in enumerate(commands[first : first + BATCH], first + 1)
                    ]
                )
        for _ in range(RECOVERY_ROUNDS):
            gc.collect()
            seconds, expected = apply_in_memory(commands)
            memory = max(memory, len(commands) / seconds)
            gc.collect()
            seconds, found = recover_from(path)
            replayed = max(replayed, len(commands) / seconds)
            if found != expected:
                raise AssertionError("recovery led to another state")
    return {
        "name": "recovery: replay from the log, every record verified",
        "value": round(replayed),
        "unit": "commands/s",
        "against": f"applying the same commands in memory: {memory:.0f}",
        "ratio": round(replayed / memory, 2),
        "goal": f">= {RECOVERY_GOAL}",
        "holds": replayed / memory >= RECOVERY_GOAL,
    }


def rows() -> list[dict[str, Any]]:
    return [measure_append(), measure_recovery()]


if __name__ == "__main__":
    for row in rows():
        print(row)
