"""Descriptive documents that operations of the public API read: what they must hold.

The log keeps any JSON as a document; of these kinds it keeps only what can be answered with. Both
ways in, the operator API and world files, check here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.state import Exchange

Json = dict[str, Any]
Problems = dict[str, str]
"""Field -> what is wrong with it."""

MILESTONE: Final = "milestone"
LIVE_DATA: Final = "live_data"
STRUCTURED_TARGET: Final = "structured_target"
INCENTIVE_PROGRAM: Final = "incentive_program"
SPORTS_FILTERS: Final = "sports_filters"
EVERY_SPORT: Final = "all"
"""The only key of sports filters."""
HISTORICAL_CUTOFF: Final = "historical_cutoff"
EVERYTHING: Final = "all"
"""The only key of a cutoff."""

_DATED: Final = frozenset({MILESTONE, STRUCTURED_TARGET})
"""Kinds that tell when they were last changed."""


def completed(kind: str, key: str, details: Mapping[str, Any], now_ns: int) -> Json:
    """The details with what may be left out filled in, and the time of the change."""
    found: Json = {**_DEFAULTS.get(kind, {}), **details}
    if kind in (MILESTONE, STRUCTURED_TARGET, INCENTIVE_PROGRAM):
        found["id"] = found.get("id", key)
    if kind == MILESTONE:
        found.setdefault("related_event_tickers", list(found["primary_event_tickers"]))
    if kind == SPORTS_FILTERS and isinstance(found.get("filters_by_sports"), dict):
        found.setdefault("sport_ordering", list(found["filters_by_sports"]))
    if kind in _DATED:
        found["last_updated_ts"] = rfc3339(now_ns)
    return found


_DEFAULTS: Final[dict[str, Json]] = {
    MILESTONE: {"notification_message": "", "details": {}, "primary_event_tickers": []},
    STRUCTURED_TARGET: {"details": {}},
    INCENTIVE_PROGRAM: {"paid_out": False},
}


def problems(kind: str, key: str, details: Mapping[str, Any], state: Exchange | None) -> Problems:
    """What is wrong with a completed document; empty when it can be kept.

    Without a ``state`` the things that it refers to are not looked for.
    """
    check = _CHECKS.get(kind)
    if check is None:
        return {}
    fields = _Fields(details)
    if fields.details.get("id", key) != key:
        fields.found["id"] = "must be the key of the document"
    check(fields, key, state)
    return fields.found


class _Fields:
    """Checks of single fields; ``found`` collects what is wrong."""

    def __init__(self, details: Mapping[str, Any], place: str = "") -> None:
        self.details = details
        self.found: Problems = {}
        self._place = place

    def _wrong(self, name: str, message: str) -> None:
        self.found.setdefault(f"{self._place}{name}", message)

    def text(self, name: str, *, required: bool = True) -> str:
        value = self.details.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value):
            self._wrong(name, "expected text" if value is not None else "required")
            return ""
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> None:
        if self.details.get(name) not in choices:
            self._wrong(name, f"expected one of {', '.join(choices)}")

    def time(self, name: str, *, required: bool = True) -> int | None:
        value = self.details.get(name)
        if value is None and not required:
            return None
        try:
            return parse_rfc3339(value if isinstance(value, str) else "")
        except ValueError:
            self._wrong(name, "expected an RFC 3339 time" if value is not None else "required")
            return None

    def period(self, start: str, end: str, *, required: bool) -> None:
        begins, ends = self.time(start), self.time(end, required=required)
        if begins is not None and ends is not None and ends < begins:
            self._wrong(end, f"is before {start}")

    def whole(self, name: str, least: int, most: int, *, required: bool) -> None:
        value = self.details.get(name)
        if value is None and not required:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._wrong(name, f"expected a whole number from {least} to {most}")

    def flag(self, name: str) -> None:
        if not isinstance(self.details.get(name), bool):
            self._wrong(name, "expected true or false")

    def mapping(self, name: str) -> Json:
        value = self.details.get(name)
        if not isinstance(value, dict):
            self._wrong(name, "expected an object")
            return {}
        return value

    def texts(self, name: str) -> list[str]:
        value = self.details.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(name, "expected a list of texts")
            return []
        return value

    def refer(self, name: str, known: Mapping[str, object], what: str) -> None:
        value = self.details.get(name)
        if isinstance(value, str) and value not in known:
            self._wrong(name, f"there is no {what} {value!r}")


def _check_milestone(fields: _Fields, key: str, state: Exchange | None) -> None:
    for name in ("title", "type", "category"):
        fields.text(name)
    for name in ("notification_message", "source_id"):
        fields.text(name, required=False)
    fields.period("start_date", "end_date", required=False)
    fields.mapping("details")
    fields.texts("primary_event_tickers")
    fields.texts("related_event_tickers")


def _check_live_data(fields: _Fields, key: str, state: Exchange | None) -> None:
    fields.text("type")
    fields.mapping("details")
    if state is not None and key not in state.documents.get(MILESTONE, {}):
        fields.found["key"] = "there is no milestone of this id"


def _check_target(fields: _Fields, key: str, state: Exchange | None) -> None:
    fields.text("name")
    fields.text("type")
    fields.text("source_id", required=False)
    fields.mapping("details")


def _check_incentive(fields: _Fields, key: str, state: Exchange | None) -> None:
    fields.text("market_ticker")
    if state is not None:
        fields.refer("market_ticker", state.markets, "market")
    fields.choice("incentive_type", ("liquidity", "volume"))
    fields.period("start_date", "end_date", required=True)
    fields.whole("period_reward", 1, 10**12, required=True)
    fields.flag("paid_out")
    fields.whole("discount_factor_bps", 0, 10_000, required=False)
    fields.whole("target_size", 1, 10**9, required=False)


def _check_filters(fields: _Fields, key: str, state: Exchange | None) -> None:
    if key != EVERY_SPORT:
        fields.found["key"] = f"must be `{EVERY_SPORT}`"
    sports = fields.mapping("filters_by_sports")
    for sport in fields.texts("sport_ordering"):
        if sport not in sports:
            fields.found["sport_ordering"] = f"{sport!r} is not among filters_by_sports"
    for sport, details in sports.items():
        _check_scopes(fields, f"filters_by_sports.{sport}", details, with_competitions=True)


def _check_cutoff(fields: _Fields, key: str, state: Exchange | None) -> None:
    if key != EVERYTHING:
        fields.found["key"] = f"must be `{EVERYTHING}`"
    for name in ("market_settled_ts", "trades_created_ts", "orders_updated_ts"):
        fields.time(name)
    fields.time("market_positions_last_updated_ts", required=False)


def _check_scopes(fields: _Fields, place: str, details: Any, *, with_competitions: bool) -> None:
    if not isinstance(details, dict):
        fields.found[place] = "expected an object"
        return
    inside = _Fields(details, f"{place}.")
    inside.texts("scopes")
    competitions = inside.mapping("competitions") if with_competitions else {}
    fields.found.update(inside.found)
    for name, competition in competitions.items():
        _check_scopes(fields, f"{place}.competitions.{name}", competition, with_competitions=False)


_CHECKS: Final[dict[str, Callable[[_Fields, str, Exchange | None], None]]] = {
    MILESTONE: _check_milestone,
    LIVE_DATA: _check_live_data,
    STRUCTURED_TARGET: _check_target,
    INCENTIVE_PROGRAM: _check_incentive,
    SPORTS_FILTERS: _check_filters,
    HISTORICAL_CUTOFF: _check_cutoff,
}
