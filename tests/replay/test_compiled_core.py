"""The compiled core and the interpreted one are the same exchange."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import compile_core
from tests.conftest import require_external
from tests.replay.replaying import names

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def replay_with(source: Path, name: str, repository: Path) -> dict[str, Any]:
    """Replay in a fresh process that imports the package from ``source``."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.replay.replaying", name],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def is_compiled(source: Path, repository: Path) -> bool:
    code = "import augury.core.book as book; print(book.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return not result.stdout.strip().endswith(".py")


@pytest.fixture(scope="module")
def compiled() -> Path:
    missing = compile_core.missing_for_compilation()
    require_external(f"the compiled core ({missing})", missing is None)
    return compile_core.compiled_source()


def test_the_two_forms_are_what_they_say(compiled: Path, repository: Path) -> None:
    assert is_compiled(compiled, repository)
    assert not is_compiled(compile_core.interpreted_source(), repository)


@pytest.mark.parametrize("name", names())
def test_both_forms_tell_the_same_events(name: str, compiled: Path, repository: Path) -> None:
    interpreted = replay_with(compile_core.interpreted_source(), name, repository)
    assert replay_with(compiled, name, repository) == interpreted
