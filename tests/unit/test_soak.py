"""The soak's verdict: what counts as growth, and what is the log's."""

import pytest

from scripts.soak import COLUMNS, verdict

RUN = 120
"""Samples, five seconds apart."""


def samples(**changes: float) -> list[dict[str, float]]:
    """A run that is well: a hundred records a second, each leaving 400 bytes."""
    leaves = changes.pop("bytes_per_record", 400.0)
    slower = changes.pop("slower", 1.0)
    rows = []
    for number in range(RUN):
        row = dict.fromkeys(COLUMNS, 0.0)
        row["records"] = number * 500.0
        row["memory_mb"] = 120 + row["records"] * leaves / 1e6
        row["median_ms"] = 10.0 * (slower if number > RUN // 2 else 1.0)
        row["files"], row["threads"] = 60.0, 8.0
        rows.append(row)
    return rows


IDLE = {"files": 42.0, "threads": 6.0}


def test_a_run_that_is_well_is_said_to_be_so() -> None:
    assert verdict(samples(), IDLE, {"files": 47.0, "threads": 7.0}) == []


@pytest.mark.parametrize(
    "changes, after, complaint",
    [
        ({"bytes_per_record": 4_000.0}, {}, "memory grew"),
        ({"slower": 5.0}, {}, "times as long"),
        ({}, {"files": 300.0}, "300 files are open"),
        ({}, {"threads": 40.0}, "40 threads run"),
    ],
)
def test_what_grows_is_named(
    changes: dict[str, float], after: dict[str, float], complaint: str
) -> None:
    (found,) = verdict(samples(**changes), IDLE, {**IDLE, **after})
    assert complaint in found
