"""Derives, from recorded answers of the real service, which fields they have and how values look.

    python scripts/derive_recorded_shapes.py path/to/recorded

Only shapes are taken: dotted paths, types and styles (a dollar string, a time, a UUID). Nothing
that was recorded goes into ``tests/compat/data/recorded_shapes.json``.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ROOT / "tests/compat/data/recorded_shapes.json"

OPERATIONS = {
    "candlesticks_batch": "BatchGetMarketCandlesticks",
    "event_candlesticks": "GetMarketCandlesticksByEvent",
    "event_metadata": "GetEventMetadata",
    "event_single": "GetEvent",
    "events_list": "GetEvents",
    "events_multivariate_list": "GetMultivariateEvents",
    "exchange_announcements": "GetExchangeAnnouncements",
    "exchange_schedule": "GetExchangeSchedule",
    "exchange_status": "GetExchangeStatus",
    "filters_by_sport": "GetFiltersForSports",
    "incentive_programs": "GetIncentivePrograms",
    "live_data_batch": "GetLiveDatas",
    "live_data_milestone": "GetLiveData",
    "market_single": "GetMarket",
    "markets_list": "GetMarkets",
    "milestone_single": "GetMilestone",
    "milestones_list": "GetMilestones",
    "multivariate_event_collection_single": "GetMultivariateEventCollection",
    "multivariate_event_collections_list": "GetMultivariateEventCollections",
    "orderbook": "GetMarketOrderbook",
    "series_candlesticks": "GetMarketCandlesticks",
    "series_fee_changes": "GetSeriesFeeChanges",
    "series_list": "GetSeriesList",
    "series_single": "GetSeries",
    "structured_target_single": "GetStructuredTarget",
    "structured_targets_list": "GetStructuredTargets",
    "tags_by_categories": "GetTagsForSeriesCategories",
    "trades_list": "GetTrades",
}
OPEN = frozenset(
    {"details", "product_metadata", "custom_strike", "tags_by_categories", "filters_by_sports"}
)
"""Fields whose insides depend on what they are about."""

STYLES = (
    ("empty", re.compile("")),
    ("dollars", re.compile(r"-?\d+\.\d{4}(\d\d)?")),
    ("count", re.compile(r"-?\d+\.\d{2}")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")),
    ("uuid", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
)


def style(value: Any) -> str:
    """What a value looks like."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "list"
    return next((name for name, pattern in STYLES if pattern.fullmatch(value)), "text")


def styles(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every path in ``value`` with the style of what is there; ``[]`` stands for items."""
    if path:
        yield path, style(value)
    if path.rpartition(".")[2] in OPEN:
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from styles(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from styles(part, path + "[]")


def main(source: Path) -> None:
    found: dict[str, dict[str, list[str]]] = {}
    for endpoint, operation_id in OPERATIONS.items():
        answer = json.loads((source / f"{endpoint}.json").read_text(encoding="utf-8"))["response"]
        seen: dict[str, set[str]] = {}
        for path, name in styles(answer):
            seen.setdefault(path, set()).add(name)
        found[operation_id] = {path: sorted(seen[path]) for path in sorted(seen)}
    lines = [f" {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    SHAPES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(found)} operations")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: derive_recorded_shapes.py path/to/recorded")
    main(Path(sys.argv[1]))
