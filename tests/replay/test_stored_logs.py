"""Old logs replay to what they led to when they were written."""

import json

import pytest

from tests.replay.replaying import EXPECTED, names, replay

STORED = json.loads(EXPECTED.read_text(encoding="utf-8"))


def test_every_stored_log_has_its_expectation() -> None:
    assert names() == sorted(STORED)
    assert names()


@pytest.mark.parametrize("name", names())
def test_a_stored_log_replays_to_the_same_state(name: str) -> None:
    found = replay(name)
    expected = STORED[name]
    assert found["records"] == expected["records"]
    assert found["outcome"] == expected["outcome"], (
        "an old log has another outcome: rules that change need a new RULES_VERSION, under which "
        "old records keep to the old ones"
    )
    assert found == expected, (
        "the outcome is the same, but events or state say something else: if they were meant to, "
        "`python -m tests.replay.replaying --write` renews the digests"
    )
