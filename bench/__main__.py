"""Runs every benchmark, prints one table, and writes bench/results/latest.json.

A benchmark is a module of this folder with a function ``rows()``; each row is a ratio that was
taken in one run, because absolute figures say more about the machine than about the exchange. Each
module runs in a process of its own, with the compiled core where a C compiler exists. Names of
modules as arguments run only those, and then nothing is written.

    .venv/bin/python -m bench
    .venv/bin/python -m bench core memory
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from scripts import compile_core

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results" / "latest.json"
COLUMNS = ("name", "value", "unit", "against", "ratio", "goal", "holds")
TIME_LIMIT_SECONDS = 900


def modules() -> list[str]:
    """The benchmarks of this folder, by name."""
    found = sorted(FOLDER.glob("[a-z]*.py"))
    return [path.stem for path in found if "\ndef rows(" in path.read_text(encoding="utf-8")]


def run_module(name: str) -> list[dict[str, Any]]:
    """The rows of one benchmark, measured in a fresh process. Raises ``RuntimeError``."""
    source = compile_core.interpreted_source()
    if compile_core.missing_for_compilation() is None:
        source = compile_core.compiled_source()
    environment = {**os.environ, "PYTHONPATH": str(source)}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "bench", "--write", str(answer), name]
        result = subprocess.run(
            command, cwd=FOLDER.parent, env=environment, timeout=TIME_LIMIT_SECONDS, check=False
        )
        if result.returncode or not answer.exists():
            raise RuntimeError(f"benchmark {name} ended with status {result.returncode}")
        rows: list[dict[str, Any]] = json.loads(answer.read_text())
    for row in rows:
        if set(row) != set(COLUMNS):
            raise RuntimeError(f"benchmark {name} gave a row with {sorted(row)}")
    return rows


def shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) >= 1000):
        return f"{value:,.0f}"
    return str(value)


def table(rows: list[dict[str, Any]]) -> str:
    cells = [list(COLUMNS)] + [[shown(row[column]) for column in COLUMNS] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(COLUMNS))]
    numbers = {COLUMNS.index("value"), COLUMNS.index("ratio")}
    lines = [
        "  ".join(
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=" ".join(modules()))
    parser.add_argument("--write", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = modules()
    for name in arguments.modules:
        if name not in known:
            parser.error(f"no benchmark {name}; there are {', '.join(known)}")

    if arguments.write:
        measured = import_module(f"bench.{arguments.modules[0]}").rows()
        Path(arguments.write).write_text(json.dumps(measured))
        return

    rows = []
    failures = []
    for name in arguments.modules or known:
        began = time.monotonic()
        print(f"{name} ...", end=" ", flush=True)
        try:
            rows += run_module(name)
            print(f"{time.monotonic() - began:.0f} s")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failures.append(name)
            print(error)
    print(f"\n{table(rows)}\n")
    if failures:
        sys.exit(f"no result from {', '.join(failures)}")
    if not arguments.modules:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        print(f"written to {RESULTS.relative_to(FOLDER.parent)}")


if __name__ == "__main__":
    main()
