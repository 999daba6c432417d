"""Fuzz for a while: ``python -m tests.fuzzing [TARGET ...] [--seconds 60] [--seed 1]``.

Each target runs in a process of its own. Where atheris is installed it is guided by the coverage
of the sources (so the core should not be compiled); elsewhere seeds are varied blindly. An input
that fails is kept in ``tests/fuzzing/corpus/TARGET``, where every test run will try it again, and
the run ends with code 1. The figures go to results/fuzzing.json.
"""

import argparse
import contextlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from scripts.results import record
from tests.fuzzing.mutating import vary

GUIDED = importlib.util.find_spec("atheris") is not None


def main() -> int:
    if "--child" not in sys.argv:
        # A child must not have imported anything before coverage is looked at.
        from tests.fuzzing.targets import CORPUS, TARGETS
    else:
        CORPUS, TARGETS = Path(), {}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    guided = GUIDED and not arguments.blind
    if arguments.child:
        (_guided if guided else _blind)(arguments.child, arguments.seconds, arguments.seed)
        return 0
    names = arguments.targets or list(TARGETS)
    for name in names:
        if name not in TARGETS:
            parser.error(f"there is no target {name}; there are {', '.join(TARGETS)}")
    cases: dict[str, int] = {}
    failed = []
    for name in names:
        print(f"{name:16}", end=" ", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            line = [sys.executable, "-m", "tests.fuzzing", "--child", name]
            line += ["--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
            line += ["--blind"] if arguments.blind else []
            output = Path(folder) / "output"
            with output.open("wb") as file:
                code = subprocess.run(
                    line,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=_environment(),
                    check=False,
                ).returncode
            said = output.read_text(encoding="utf-8", errors="replace")
            counts = re.findall(
                r"(?:number_of_executed_units:|^cases:|^#)\s*(\d+)", said, re.MULTILINE
            )
            cases[name] = max(map(int, counts), default=0)
            found = [*Path(folder).glob("crash-*"), *Path(folder).glob("timeout-*")]
            for path in found:
                kept = CORPUS / name / sha256(path.read_bytes()).hexdigest()[:12]
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(path.read_bytes())
                print(f"\n  kept as {kept}")
            print(f"{cases[name]:>10} cases", "" if code == 0 else f"FAILED ({code})", flush=True)
            if code:
                failed.append(name)
                print(said[-3000:])
    if not failed and set(names) == set(TARGETS):
        figures = {
            "guided by coverage": "yes" if guided else "no",
            "cases": sum(cases.values()),
            **{f"cases of {name}": number for name, number in cases.items()},
            "seconds per target": arguments.seconds,
            "seed": str(arguments.seed),
        }
        record("fuzzing", figures)
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    """The child works in a folder of its own and still has to find the project."""
    import os

    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}


def _guided(name: str, seconds: int, seed: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["augury"], enable_loader_override=False):
        from tests.fuzzing.targets import TARGETS, corpus_of
    target = TARGETS[name]
    seeds = Path("seeds")
    seeds.mkdir()
    for number, data in enumerate([*target.seeds(), *(p.read_bytes() for p in corpus_of(name))]):
        (seeds / str(number)).write_bytes(data)
    options = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        "-max_len=16384",
        "-timeout=30",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        str(seeds),
    ]

    def check(data: bytes) -> None:
        # What the exchange says on its own does not belong between the fuzzer's lines.
        with contextlib.redirect_stdout(None):
            target.check(data)

    atheris.Setup(options, check)
    atheris.Fuzz()


def _blind(name: str, seconds: int, seed: int) -> None:
    import random

    from tests.fuzzing.targets import TARGETS, corpus_of

    target = TARGETS[name]
    seeds = [*target.seeds(), *(path.read_bytes() for path in corpus_of(name))]
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        data = seeds[number] if number < len(seeds) else vary(chance, chance.choice(seeds), seeds)
        try:
            target.check(data)
        except BaseException:
            Path(f"crash-{sha256(data).hexdigest()[:12]}").write_bytes(data)
            print(f"cases: {number}")
            raise
        number += 1
    print(f"cases: {number}")


if __name__ == "__main__":
    sys.exit(main())
