"""Turns recorded answers of a real service into a world file, so that a bot sees tickers it knows.

A recording is a JSON file ``{endpoint, parameters, recorded_at, response}``, or just a response.
Times are moved so that the moment of recording becomes the start of the world, unless they are to
be kept. What a recording does not say is filled in: parents that are missing, price grids that
did not exist yet.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from augury.app.world.loading import STRIKE_TYPES, parse_world
from augury.app.world.reading import LONGEST_TICKER, TICKER
from augury.codec.text import parse_price, parse_rfc3339, rfc3339
from augury.core.fees import FEE_TYPES, MAX_MULTIPLIER_PPM, QUADRATIC
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.units import NANOS_PER_SECOND, PPM, PRICE_ONE

Json = dict[str, Any]

_LARGEST_RECORDING: Final = 256 << 20
_OVER: Final = frozenset({"settled", "finalized", "determined", "disputed", "amended"})
_LONGEST_SHIFT: Final = 150 * 365 * 86_400
"""Seconds. The service writes the year 1 where it knows no time."""

_SERIES_TEXTS: Final = ("title", "category", "frequency", "contract_url", "contract_terms_url")
_EVENT_TEXTS: Final = (
    "title",
    "sub_title",
    "category",
    "strike_period",
    "image_url",
    "featured_image_url",
    "competition",
    "competition_scope",
)
_MARKET_TEXTS: Final = (
    "title",
    "subtitle",
    "yes_sub_title",
    "no_sub_title",
    "rules_primary",
    "rules_secondary",
    "early_close_condition",
    "primary_participant_key",
    "category",
    "functional_strike",
    "mve_collection_ticker",
)
_MARKET_TIMES: Final = (
    "expected_expiration_time",
    "latest_expiration_time",
    "fee_waiver_expiration_time",
)

BOTS: Final[list[Json]] = [
    {"kind": "maker", "name": "imported-maker", "seed": 1, "deposit": "10000000.00"},
    {"kind": "taker", "name": "imported-taker", "seed": 2},
    {"kind": "noise", "name": "imported-noise", "seed": 3},
]


class ImportFailed(Exception):
    """A recording cannot be read; the text names the file."""


@dataclass(slots=True)
class Imported:
    """``text`` is the world file. ``synthesized`` and ``skipped`` say what was not recorded."""

    text: str = ""
    found: Counter[str] = field(default_factory=Counter)
    synthesized: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def import_recordings(
    paths: Iterable[Path], *, name: str = "imported", keep_times: bool = False, bots: bool = False
) -> Imported:
    """Make one world of many recordings; where they overlap, the later file of ``paths`` wins.

    Raises ``ImportFailed``, and ``WorldError`` should the result not be a valid world.
    """
    work = _Import(keep_times)
    for path in paths:
        work.read(path)
    result = work.result
    result.text = work.write(name, bots)
    parse_world(result.text, f"{name}.yaml")
    return result


class _Import:
    def __init__(self, keep_times: bool) -> None:
        self.keep_times = keep_times
        self.recorded_ns = 0
        self.series: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.markets: dict[str, Json] = {}
        self.documents: dict[str, dict[str, Json]] = {}
        self.schedule: Json | None = None
        self.pictures: list[tuple[str, Json]] = []
        self.result = Imported()

    # --- reading ------------------------------------------------------------------------------

    def read(self, path: Path) -> None:
        recording = _load(path)
        response = recording.get("response", recording)
        if not isinstance(response, dict):
            raise ImportFailed(f"{path}: the response is not a JSON object")
        try:
            recorded = str(recording.get("recorded_at", ""))
            self.recorded_ns = parse_rfc3339(recorded) if recorded else _written_ns(path)
        except ValueError as error:
            raise ImportFailed(f"{path}: recorded_at: {error}") from None
        parameters = recording.get("parameters")
        about = parameters.get("event_ticker") if isinstance(parameters, dict) else None
        try:
            self.take(response, str(about or ""))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ImportFailed(f"{path}: not in the shape of the API: {error!r}") from None

    def take(self, response: Json, event_ticker: str) -> None:
        """Whatever a response holds is recognised by the names the API gives it."""
        for row in _rows(response, "series"):
            self.take_series(row)
        for row in _rows(response, "events", "event"):
            self.take_event(row)
        for row in _rows(response, "markets", "market"):
            # Candlesticks come in a list of the same name.
            if "ticker" in row and "event_ticker" in row:
                self.take_market(row)
        for row in _rows(response, "milestones", "milestone"):
            self.take_document("milestones", row)
        for row in _rows(response, "structured_targets", "structured_target"):
            self.take_document("structured_targets", row)
        if "market_details" in response and event_ticker:
            self.pictures.append((event_ticker, response))
        schedule = response.get("schedule")
        if isinstance(schedule, dict) and schedule.get("standard_hours"):
            self.schedule = schedule

    def take_series(self, row: Json) -> None:
        ticker = row["ticker"]
        if not self.acceptable("series", ticker):
            return
        found: Json = {"ticker": ticker, **_texts(row, _SERIES_TEXTS)}
        if row.get("tags"):
            found["tags"] = list(row["tags"])
        fee_type = row.get("fee_type")
        found["fee_type"] = fee_type if fee_type in FEE_TYPES else QUADRATIC
        multiplier = row.get("fee_multiplier", 1)
        if isinstance(multiplier, int | float) and 0 <= multiplier * PPM <= MAX_MULTIPLIER_PPM:
            found["fee_multiplier"] = multiplier
        found |= _sources(row)
        if row.get("additional_prohibitions"):
            found["additional_prohibitions"] = list(row["additional_prohibitions"])
        if row.get("product_metadata"):
            found["product_metadata"] = row["product_metadata"]
        self.series[ticker] = found

    def take_event(self, row: Json) -> None:
        ticker = row["event_ticker"]
        if not self.acceptable("event", ticker):
            return
        found: Json = {"ticker": ticker, "series_ticker": row["series_ticker"]}
        found |= _texts(row, _EVENT_TEXTS, escape=True)
        found["mutually_exclusive"] = bool(row.get("mutually_exclusive"))
        returns = row.get("collateral_return_type")
        found["collateral_return_type"] = returns if returns in {"MECNET", "DIRECNET"} else ""
        if row.get("available_on_brokers"):
            found["available_on_brokers"] = True
        if row.get("strike_date"):
            found["strike_date"] = self.moved(row["strike_date"])
        if row.get("product_metadata"):
            found["product_metadata"] = row["product_metadata"]
        self.events[ticker] = found
        for market in row.get("markets") or []:
            self.take_market(market)

    def take_market(self, row: Json) -> None:
        ticker = row["ticker"]
        if not self.acceptable("market", ticker):
            return
        if row.get("status") in _OVER:
            self.result.skipped.append(f"market {ticker} is {row['status']}")
            self.markets.pop(ticker, None)
            return
        found: Json = {"ticker": ticker, **_texts(row, _MARKET_TEXTS, escape=True)}
        if row.get("market_type") == "scalar":
            found["market_type"] = "scalar"
        opens, closes = self.moved(row["open_time"]), self.moved(row["close_time"])
        if opens is not None:
            found["open_time"] = opens
        found["close_time"] = closes
        times = {"latest_expiration_time": row.get("expiration_time"), **row}
        for name in _MARKET_TIMES:
            moved = self.moved(times[name]) if times.get(name) else None
            if moved is not None:
                found[name] = moved
        found["settlement_timer_seconds"] = int(row.get("settlement_timer_seconds") or 0)
        found["can_close_early"] = bool(row.get("can_close_early"))
        for name in ("fractional_trading_enabled", "is_provisional"):
            if row.get(name):
                found[name] = True
        found |= _grid(row)
        found |= _strikes(row)
        for name in ("mve_selected_legs", "risk_limit_cents"):
            if row.get(name):
                found[name] = row[name]
        price = _last_seen_price(row)
        if price:
            found["start_price"] = price
        found["event_ticker"] = row["event_ticker"]
        self.markets[ticker] = found

    def take_document(self, section: str, row: Json) -> None:
        found = {name: value for name, value in row.items() if value is not None}
        for name in ("start_date", "end_date", "last_updated_ts"):
            if name in found:
                found[name] = self.moved(found[name]) or "now"
        self.documents.setdefault(section, {})[row["id"]] = found

    def acceptable(self, what: str, ticker: Any) -> bool:
        good = (
            isinstance(ticker, str)
            and TICKER.fullmatch(ticker) is not None
            and len(ticker) <= LONGEST_TICKER
        )
        if not good:
            self.result.skipped.append(f"{what} {ticker!r} has no usable ticker")
        return good

    def moved(self, text: str) -> str | None:
        """A recorded time as the world file has it; None when it is none in particular."""
        then = parse_rfc3339(text)
        seconds = (then - self.recorded_ns) // NANOS_PER_SECOND
        if abs(seconds) > _LONGEST_SHIFT:
            return None
        return rfc3339(then) if self.keep_times else _relative(seconds)

    # --- writing ------------------------------------------------------------------------------

    def write(self, name: str, bots: bool) -> str:
        self.add_pictures()
        self.add_parents()
        for row in self.markets.values():
            event = self.events[row.pop("event_ticker")]
            event.setdefault("markets", []).append(row)
        world: Json = {"world": name}
        for section, rows in (("series", self.series), ("events", self.events)):
            if rows:
                world[section] = list(rows.values())
        for section, documents in self.documents.items():
            world[section] = list(documents.values())
        if self.schedule is not None:
            world["schedule"] = self.schedule
        if bots:
            world["bots"] = BOTS
        self.result.found.update(
            {
                "series": len(self.series),
                "events": len(self.events),
                "markets": len(self.markets),
                **{section: len(rows) for section, rows in self.documents.items()},
            }
        )
        times = (
            "Times are those of the recording."
            if self.keep_times
            else "Times count from the first start; the moment of recording is the start."
        )
        body = yaml.dump(world, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        return f"# Made by `augury world import`. {times}\n{body}"

    def add_pictures(self) -> None:
        """Images and colors are told separately from what they belong to."""
        for event_ticker, answer in self.pictures:
            event = self.events.get(event_ticker)
            if event is not None:
                event |= _texts(answer, ("image_url", "featured_image_url"), escape=True)
                event |= _texts(answer, ("competition", "competition_scope"), escape=True)
                event |= _sources(answer)
            for row in answer.get("market_details") or []:
                market = self.markets.get(row.get("market_ticker", ""))
                if market is not None:
                    market |= _texts(row, ("image_url", "color_code"), escape=True)

    def add_parents(self) -> None:
        """Make events and series that were not recorded from what belongs to them."""
        for market in self.markets.values():
            ticker = market["event_ticker"]
            if ticker not in self.events:
                self.events[ticker] = {
                    "ticker": ticker,
                    "series_ticker": self.guess_series(ticker),
                    "title": market.get("title", ticker),
                    "mutually_exclusive": False,
                }
                self.result.synthesized.append(f"event {ticker}")
        for event in self.events.values():
            ticker = event["series_ticker"]
            if ticker not in self.series:
                title = str(event.get("title", ticker))
                self.series[ticker] = {
                    "ticker": ticker,
                    "title": title.replace("{{", "{").replace("}}", "}"),
                    "category": event.get("category") or "Other",
                }
                self.result.synthesized.append(f"series {ticker}")

    def guess_series(self, event_ticker: str) -> str:
        """The longest recorded series that the ticker starts with, else its first part.

        Tickers usually nest; only where nothing better is known may one rely on it.
        """
        parts = event_ticker.split("-")
        for length in range(len(parts) - 1, 0, -1):
            ticker = "-".join(parts[:length])
            if ticker in self.series:
                return ticker
        return parts[0]


# --- parts of rows -----------------------------------------------------------------------------


def _load(path: Path) -> Json:
    try:
        if path.stat().st_size > _LARGEST_RECORDING:
            raise ImportFailed(f"{path}: is larger than 256 MiB")
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportFailed(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ImportFailed(f"{path}: is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ImportFailed(f"{path}: expected a JSON object")
    return data


def _written_ns(path: Path) -> int:
    """A bare response was recorded, as far as anyone knows, when its file was written."""
    return path.stat().st_mtime_ns


def _rows(response: Json, *names: str) -> list[Json]:
    """The rows under any of ``names``, whether one thing or a list of them."""
    rows: list[Json] = []
    for name in names:
        value = response.get(name)
        if isinstance(value, dict):
            rows.append(value)
        elif isinstance(value, list):
            rows += [row for row in value if isinstance(row, dict)]
    return rows


def _texts(row: Json, names: Iterable[str], *, escape: bool = False) -> Json:
    """The texts that are there and not empty. Braces would be placeholders in a world file."""
    found: Json = {}
    for name in names:
        text = row.get(name)
        if isinstance(text, str) and text:
            found[name] = text.replace("{", "{{").replace("}", "}}") if escape else text
    return found


def _sources(row: Json) -> Json:
    sources = [
        {"name": str(source.get("name") or source.get("url")), "url": str(source.get("url") or "")}
        for source in row.get("settlement_sources") or []
        if source.get("name") or source.get("url")
    ]
    return {"settlement_sources": sources} if sources else {}


def _grid(row: Json) -> Json:
    """The price grid; before grids were published every market had steps of one cent."""
    bands = tuple(
        tuple(parse_price(str(band[part])) for part in ("start", "end", "step"))
        for band in row.get("price_ranges") or []
    )
    name = row.get("price_level_structure") or ""
    known = PRICE_LEVEL_STRUCTURES.get(name)
    if not bands or bands == known:
        return {} if known is None or name == "linear_cent" else {"price_level_structure": name}
    for other, grid in PRICE_LEVEL_STRUCTURES.items():
        if bands == grid:
            return {} if other == "linear_cent" else {"price_level_structure": other}
    return {
        "price_level_structure": "recorded" if known is not None or not name else name,
        "price_ranges": [
            {part: str(band[part]) for part in ("start", "end", "step")}
            for band in row["price_ranges"]
        ],
    }


def _strikes(row: Json) -> Json:
    """The strikes, and their type only when it fits them."""
    found: Json = {}
    for name in ("floor_strike", "cap_strike"):
        if isinstance(row.get(name), int | float) and not isinstance(row[name], bool):
            found[name] = row[name]
    if row.get("custom_strike"):
        found["custom_strike"] = row["custom_strike"]
    kind = row.get("strike_type")
    needs = {
        "greater": {"floor_strike"},
        "greater_or_equal": {"floor_strike"},
        "less": {"cap_strike"},
        "less_or_equal": {"cap_strike"},
        "between": {"floor_strike", "cap_strike"},
        "custom": {"custom_strike"},
        "structured": {"custom_strike"},
        "functional": set(),
    }
    if kind in STRIKE_TYPES and needs[kind] <= set(found):
        if kind != "functional" or row.get("functional_strike"):
            found["strike_type"] = kind
    return found


def _last_seen_price(row: Json) -> float | None:
    """Where the bots start: the last trade, else the middle of a real spread."""

    def price(name: str) -> int:
        text = row.get(f"{name}_dollars")
        return parse_price(text) if isinstance(text, str) else int(row.get(name) or 0) * 100

    last, bid, ask = price("last_price"), price("yes_bid"), price("yes_ask")
    if 0 < last < PRICE_ONE:
        return last / PRICE_ONE
    if 0 < bid < ask < PRICE_ONE:
        return (bid + ask) / 2 / PRICE_ONE
    return None


def _relative(seconds: int) -> str:
    """3700 is ``+1h1m40s``."""
    if seconds == 0:
        return "now"
    sign, left = ("+", seconds) if seconds > 0 else ("-", -seconds)
    text = ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            text += f"{count}{unit}"
    return sign + text


class _Dumper(yaml.SafeDumper):
    """Writes every row out, without references from one to another."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
