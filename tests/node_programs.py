"""Programs from outside the project that tests run: Node.js with its packages, and Chromium.

``scripts/install-test-programs`` brings them; where it could not, tests that ask for one here are
left out loudly, and fail under CI.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from tests.conftest import require_external

PACKAGES = Path(__file__).resolve().parent / "node"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def node() -> str:
    """Path of Node.js, with the packages of ``tests/node`` installed as the lock file says."""
    found = shutil.which("node")
    require_external("Node.js", found is not None)
    # What the installing script leaves once everything is there.
    stamp = PACKAGES / "node_modules" / ".installed"
    lock = PACKAGES / "package-lock.json"
    installed = stamp.is_file() and stamp.read_bytes() == lock.read_bytes()
    require_external("node_modules (scripts/install-test-programs)", installed)
    return str(found)


def chromium() -> str:
    """Path of Chromium, or of a browser that is built on it."""
    names = [os.environ.get("AUGURY_CHROMIUM") or _CHROMIUM_NAMES[0], *_CHROMIUM_NAMES]
    found = next(filter(None, map(shutil.which, names)), None)
    require_external("Chromium", found is not None)
    return str(found)


class Program:
    """A program that runs, seen by its output: one line after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        self._complaints = threading.Thread(
            target=self._errors.extend, args=(process.stderr,), daemon=True
        )
        self._complaints.start()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._lines.put(line)
        self._lines.put(None)

    def send(self, line: str) -> None:
        """A line of input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def line(self, *, seconds: float = 30.0) -> str:
        """The next line. Fails with what the program wrote to stderr when there is none."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no line in {seconds} s: {''.join(self._errors)}") from None
        if line is None:
            self._complaints.join(timeout=5)
            raise AssertionError(f"the program has ended: {''.join(self._errors)}")
        return line

    def read_until(self, condition: Callable[[str], object], *, limit: int = 100_000) -> str:
        """Lines up to the first for which ``condition`` holds; returns that one."""
        for _ in range(limit):
            line = self.line()
            if condition(line):
                return line
        raise AssertionError(f"not in {limit} lines")


@contextlib.contextmanager
def running(*command: str, environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """A program of ``tests/node`` for the length of a ``with`` block."""
    with subprocess.Popen(
        command,
        cwd=PACKAGES,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
