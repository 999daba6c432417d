"""Plays every table of this folder."""

from pathlib import Path

import pytest

from tests.core_desk import Scenario, scenarios

TABLES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize(
    "scenario", [scenario for path in TABLES for scenario in scenarios(path)], ids=repr
)
def test_table(scenario: Scenario) -> None:
    scenario.play()
