"""The rules of FIX sessions, played from ``session.txt`` in virtual time."""

from pathlib import Path

import pytest

from augury.gateways.fix.dictionary import Kind
from tests.fix_stage import Case, cases, play

SCRIPT = Path(__file__).with_name("session.txt")
PLAYED = [(case, kind) for case in cases(SCRIPT) for kind in case.kinds]


@pytest.mark.parametrize(
    "case, kind", PLAYED, ids=[f"{case.name} ({kind.name})" for case, kind in PLAYED]
)
def test_session(case: Case, kind: Kind) -> None:
    play(case, kind)
