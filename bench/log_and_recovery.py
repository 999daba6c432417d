"""What the log costs beyond the disk, and what recovery costs beyond applying the commands.

Both ratios are taken in turns, round by round, because a shared disk and a shared processor change
from second to second; the median of the rounds counts.
"""

import gc
import os
import statistics
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


def time_log(directory: Path, work: list[list[Record]]) -> float:
    """Records per second."""
    with closing(SqliteLog(directory / "log.sqlite")) as log:
        began = time.perf_counter()
        for batch in work:
            log.append(batch)
        return len(work) * BATCH / (time.perf_counter() - began)


def time_file(directory: Path, work: list[bytes]) -> float:
    """Records per second when the same bytes go into a bare file."""
    file = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.perf_counter()
    for data in work:
        os.write(file, data)
        os.fdatasync(file)
    seconds = time.perf_counter() - began
    os.close(file)
    return len(work) * BATCH / seconds


def measure_append() -> dict[str, Any]:
    work = batches()
    frames = []
    chain = GENESIS
    for batch in work:
        data, chain = encode_batch(batch, batch[0].sequence - 1, chain)
        frames.append(data)
    ours, bare, ratios = [], [], []
    for _ in range(APPEND_ROUNDS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
            bare.append(time_file(Path(directory), frames))
            ours.append(time_log(Path(directory), work))
            ratios.append(ours[-1] / bare[-1])
    ratio = statistics.median(ratios)
    return {
        "name": f"log append at batch {BATCH}",
        "value": round(statistics.median(ours)),
        "unit": "records/s",
        "against": f"bare file + fdatasync: {statistics.median(bare):.0f}",
        "ratio": round(ratio, 2),
        "goal": f">= {APPEND_GOAL}",
        "holds": ratio >= APPEND_GOAL,
    }


# --- recovery --------------------------------------------------------------------------------


def apply_in_memory(commands: list[Command]) -> tuple[float, str]:
    """As quick as it gets: without the automatic collector, as a running server works."""
    engine = Engine()
    apply = engine.apply
    gc.disable()
    began = time.perf_counter()
    for sequence, command in enumerate(commands, 1):
        apply(sequence, START_NS + sequence, command)
    seconds = time.perf_counter() - began
    gc.enable()
    return seconds, state_hash(engine.state)


def recover_from(path: Path) -> tuple[float, str]:
    with closing(SqliteLog(path)) as log:
        began = time.perf_counter()
        engine, catch_up = recover(log)
        for _ in catch_up:
            pass
        return time.perf_counter() - began, state_hash(engine.state)


def measure_recovery() -> dict[str, Any]:
    start = listing()
    commands = [*start, *islice(trading(1, len(start) + 1), COMMANDS)]
    memory, replayed, ratios = [], [], []
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
            memory.append(len(commands) / seconds)
            gc.collect()
            seconds, found = recover_from(path)
            replayed.append(len(commands) / seconds)
            if found != expected:
                raise AssertionError("recovery led to another state")
            ratios.append(replayed[-1] / memory[-1])
    ratio = statistics.median(ratios)
    return {
        "name": "recovery: replay from the log, every record verified",
        "value": round(statistics.median(replayed)),
        "unit": "commands/s",
        "against": f"applying the same commands in memory: {statistics.median(memory):.0f}",
        "ratio": round(ratio, 2),
        "goal": f">= {RECOVERY_GOAL}",
        "holds": ratio >= RECOVERY_GOAL,
    }


def rows() -> list[dict[str, Any]]:
    return [measure_append(), measure_recovery()]


if __name__ == "__main__":
    for row in rows():
        print(row)
