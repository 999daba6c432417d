"""Writes docs/operate/guarantees.md: what is promised, how it is tested, and the latest figures.

    python -m scripts.guarantees            # write the page
    python -m scripts.guarantees --check    # exit 1 when the page is not the latest

The figures are those of results/*.json, which long runs write; see ``scripts/results.py``.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from scripts.results import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operate" / "guarantees.md"


class Promise(NamedTuple):
    """One row: what is promised, what may go wrong meanwhile, and where that is tried."""

    text: str
    faults: str
    tests: tuple[str, ...]


PROMISES = (
    Promise(
        "What was acknowledged is never lost.",
        "the process is killed anywhere, also while it starts; power is lost; writes are torn, "
        "the disk is full or refuses to flush",
        (
            "tests/simulation/test_simulator.py",
            "tests/simulation/test_kill_server.py",
            "tests/simulation/test_log_kills.py",
            "tests/simulation/test_sequencer_faults.py",
            "tests/simulation/test_disk_full.py",
        ),
    ),
    Promise(
        "What was not acknowledged happened whole or not at all; a retry makes it one order.",
        "the same, and connections that break at any byte",
        (
            "tests/simulation/test_simulator.py",
            "tests/simulation/test_kill_server.py",
            "tests/simulation/test_fix_kills.py",
        ),
    ),
    Promise(
        "No cent is made or lost: all accounts, escrow, fees and the outside world sum to zero, "
        "and each market's escrow is its open interest times one dollar.",
        "any sequence of commands of all kinds",
        (
            "tests/properties/test_core_invariants.py",
            "tests/properties/test_core_storm.py",
            "tests/properties/test_audit.py",
            "tests/simulation/test_simulator.py",
        ),
    ),
    Promise(
        "Nobody owes more than they have: what orders could cost is held back.",
        "fills in any order, changed fees, netting, results that contradict each other",
        ("tests/properties/test_core_collateral.py", "tests/properties/test_core_storm.py"),
    ),
    Promise(
        "Every balance can be worked out again by somebody who shares no code with the exchange.",
        "errors planted in state, fees, positions and snapshots are found with account and record",
        ("tests/properties/test_audit.py", "tests/unit/app/test_audit_commands.py"),
    ),
    Promise(
        "The same log leads to the same state, on any machine, compiled or not, in every version.",
        "replicas that join late, restarts from snapshots anywhere, logs of earlier versions",
        (
            "tests/simulation/test_simulator.py",
            "tests/replay/test_stored_logs.py",
            "tests/replay/test_upgrade.py",
            "tests/properties/test_core_replay.py",
        ),
    ),
    Promise(
        "Damage is noticed and named, never guessed around.",
        "flipped bytes, cut, exchanged and missing files, foreign and forged snapshots",
        (
            "tests/simulation/test_log_damage.py",
            "tests/contract/test_snapshots.py",
            "tests/simulation/test_simulator.py",
        ),
    ),
    Promise(
        "Trading does not need the history database; history catches up by itself.",
        "it is removed, damaged, or of another past",
        ("tests/simulation/test_server_failures.py", "tests/simulation/test_simulator.py"),
    ),
    Promise(
        "A book or account rebuilt from the stream is the exchange's own.",
        "reconnects, slow readers, crashes between two messages",
        ("tests/properties/test_ws_books.py", "tests/scenarios/test_ws_trading.py"),
    ),
    Promise(
        "Bad input gets the documented error and changes nothing.",
        "bytes of every kind into everything that reads bytes",
        ("tests/fuzzing/test_fuzzing.py", "tests/scenarios/test_rest_bad_input.py"),
    ),
    Promise(
        "Nobody sees or changes what is somebody else's.",
        "what [the threat model](threat-model.md) lists",
        ("tests/scenarios/test_security.py", "tests/scenarios/test_http_limits.py"),
    ),
    Promise(
        "Nothing grows that is not the log's: memory, files, threads and answer times hold still "
        "under load.",
        "an hour of mixed load by REST, WebSocket and FIX, with clients that vanish",
        ("scripts/soak.py",),
    ),
)

COMMANDS = {
    "simulation": "make sim SECONDS=600 RECORD=1",
    "kills": "make kills KILLS=1000",
    "fuzzing": "make fuzz SECONDS=600",
    "soak": "make soak",
}
"""What runs a kind again; kinds that are not named here are listed all the same."""

HEAD = """\
# Guarantees

What Augury promises, what may go wrong while it keeps the promise, and where that is tried. The
figures below are those of the latest long runs; this page is written by `make guarantees` from what
the runs leave in `results/`.

## Promises

"""

TAIL = """\
## What is not promised

- Speed. There are benchmarks (`make bench`), no promises.
- That finalized markets leave memory: they stay, with what the API must still tell of them, about
  5 MB for a day of the demo world. Client order ids of closed orders stay taken, up to 100,000 for
  each member.
- Anything about a disk that says it has flushed and has not.
"""


def page(folder: Path = RESULTS) -> str:
    """The whole page, from the promises above and the figures in ``folder``."""
    lines = ["| Promise | Under | Tried in |", "|---|---|---|"]
    for promise in PROMISES:
        tests = ", ".join(f"`{test}`" for test in promise.tests)
        lines.append(f"| {promise.text} | {promise.faults} | {tests} |")
    lines += ["", "## The latest long runs", ""]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    for result in found:
        again = COMMANDS.get(result["what"])
        command = f"; again with `{again}`" if again else ""
        lines += [f"### {result['what'].capitalize()}", ""]
        lines += [f"{result['date']}, {result['machine']}{command}.", ""]
        lines += ["| | |", "|---|---:|"]
        lines += [f"| {name} | {_figure(value)} |" for name, value in result["figures"].items()]
        lines.append("")
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _figure(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = page()
    if arguments.check:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
