"""A process that appends is killed with SIGKILL, at a random moment, hundreds of times.

Whatever it reported as durable must be there afterwards, and what is there must be whole.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from augury.log.sqlite import SqliteLog
from augury.ports.log import Record

KILLS = 200


def record(sequence: int) -> Record:
    chance = random.Random(sequence)
    return Record(sequence, sequence, 1, 1, chance.randbytes(chance.randint(20, 600)))


def append_until_killed(path: Path, report: int) -> None:
    """The victim: appends batches of many sizes and reports the sequence after each."""
    chance = random.Random(os.getpid())
    log = SqliteLog(path)
    while True:
        first = log.last_sequence + 1
        log.append([record(s) for s in range(first, first + chance.choice((1, 1, 5, 40)))])
        os.write(report, log.last_sequence.to_bytes(8, "big"))


def kill_one(path: Path, delay: float) -> int:
    """Fork a victim, kill it after ``delay`` seconds; the last sequence that it reported."""
    reading, writing = os.pipe()
    victim = os.fork()
    if victim == 0:
        try:
            os.close(reading)
            append_until_killed(path, writing)
        finally:
            os._exit(1)
    os.close(writing)
    time.sleep(delay)
    os.kill(victim, signal.SIGKILL)
    _, status = os.waitpid(victim, 0)
    assert os.WIFSIGNALED(status), "the victim ended by itself"
    data = b""
    while more := os.read(reading, 65536):
        data += more
    os.close(reading)
    whole = len(data) // 8 * 8
    return int.from_bytes(data[whole - 8 : whole], "big") if whole else 0


def nursery(path: Path) -> None:
    """A process without threads, which may fork: one victim per line with its time to live."""
    for line in sys.stdin:
        print(kill_one(path, float(line)), flush=True)


@pytest.mark.serial
@pytest.mark.slow
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "log.sqlite"
    acknowledged = 0
    checked = 0
    program = (
        "import pathlib, sys\n"
        "from tests.simulation.test_log_kills import nursery\n"
        "nursery(pathlib.Path(sys.argv[1]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(KILLS):
            delay = chance.choice((0.002, 0.01, 0.03)) * chance.random()
            print(delay, file=process.stdin, flush=True)
            acknowledged = max(acknowledged, int(process.stdout.readline()))
            if not acknowledged:
                # Killed while the file was being made, perhaps: whoever comes next makes it anew.
                SqliteLog(path).close()
            with closing(SqliteLog(path, read_only=True)) as log:
                assert log.last_sequence >= acknowledged
                for entry in log.read(checked):
                    assert entry == record(entry.sequence)
                    checked = entry.sequence
                assert checked >= acknowledged
        process.stdin.close()
    with closing(SqliteLog(path)) as log:
        assert [entry.sequence for entry in log.read()] == list(range(1, log.last_sequence + 1))
        log.append([record(log.last_sequence + 1)])
    assert acknowledged > KILLS, "the victims were killed before they could do anything"
