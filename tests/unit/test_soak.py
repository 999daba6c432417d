"""The soak's verdict: what counts as growth, and what is the log's."""

import pytest

from scripts.soak import COLUMNS, OWNERS, growth_of, verdict

RUN = 120
"""Samples, five seconds apart."""


def samples(**changes: float) -> list[dict[str, float]]:
    """A run that is well: a hundred records a second, every other one an order with a name."""
    leaves = changes.pop("bytes_per_record", 75.0)
    settled = changes.pop("settled_markets", 5.0)
    slower = changes.pop("slower", 1.0)
    rows = []
    for number in range(RUN):
        row = dict.fromkeys(COLUMNS, 0.0)
        row["records"] = number * 500.0
        row["client_order_ids"] = row["records"] / 2
        row["settled_markets"] = number * settled
        row["open_orders"] = 700.0
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
        ({"bytes_per_record": 1_500.0}, {}, "memory grew"),
        ({"settled_markets": 0.0}, {}, "no market was settled"),
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


def test_what_may_grow_is_what_the_log_has_left() -> None:
    """Between the middles of the first and the last third of what is judged: 60 samples."""
    growth = growth_of(samples())
    assert growth.records == 30_000
    assert growth.owners == {"client_order_ids": 15_000, "settled_markets": 300, "open_orders": 0}
    counted = sum(number * OWNERS[name] for name, number in growth.owners.items()) / 1e6
    assert growth.allowed == pytest.approx(24 + counted)
    assert "client order ids" in growth.table()
