"""Combos over REST: collections, creating, finding, trading and paying (rest.md, section 9)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from augury.core import commands as c
from augury.gateways.settings import RestSettings
from tests.rest_harness import HOUR, SECOND, Caller, RestExchange, running

SERIES = "KXMVEDUO"
COLLECTION = "KXMVEDUO-26MAR01"
PATH = f"/multivariate_event_collections/{COLLECTION}"


class Legs:
    """Two events of their own for each test, so that results of one do not decide another's."""

    def __init__(self, exchange: RestExchange) -> None:
        self.exchange = exchange
        exchange.advance(SECOND)
        number = uuid4().hex[:6].upper()
        self.rain, self.sun = f"RAIN-L{number}", f"SUN-L{number}"
        exchange.do(c.CreateEvent(self.rain, "RAIN", True, "MECNET", '{"title": "Rain"}'))
        exchange.do(c.CreateEvent(self.sun, "SUN", False, "", '{"title": "Sun"}'))
        for ticker, event in (
            (f"{self.rain}-A", self.rain),
            (f"{self.rain}-B", self.rain),
            (f"{self.sun}-A", self.sun),
            (f"{self.sun}-B", self.sun),
        ):
            exchange.list_market(
                ticker, event, details=f'{{"title": "T", "yes_sub_title": "Case {ticker[-1]}"}}'
            )
        self.collection = f"{SERIES}-{number}"
        self.path = f"/multivariate_event_collections/{self.collection}"
        now = exchange.gate.now_ns()
        exchange.do(
            c.CreateCollection(
                self.collection,
                SERIES,
                now,
                now + 9 * HOUR,
                2,
                3,
                False,
                ((self.rain, False, 0, 1), (self.sun, True, 0, 0)),
                '{"title": "Weather of a day", "description": "Rain and sun."}',
            )
        )

    def leg(self, which: str, side: Any = "yes") -> dict[str, Any]:
        """``rain A`` is the market A of the event about rain."""
        name, market = which.split()
        event = self.rain if name == "rain" else self.sun
        return {"event_ticker": event, "market_ticker": f"{event}-{market}", "side": side}

    def body(self, *legs: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"selected_markets": list(legs), **more}

    def determine(self, which: str, result: str, value: int = 0) -> None:
        self.exchange.do(c.DetermineMarket(self.leg(which)["market_ticker"], result, value))


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_multivariate")) as exchange:
        exchange.do(
            c.CreateSeries(SERIES, "quadratic", 1_000_000, '{"title": "Duo", "category": "Sky"}')
        )
        yield exchange


@pytest.fixture
def caller(exchange: RestExchange) -> Caller:
    return exchange.member(f"caller-{uuid4()}")


@pytest.fixture
def other(exchange: RestExchange) -> Caller:
    return exchange.member(f"other-{uuid4()}")


@pytest.fixture
def legs(exchange: RestExchange) -> Legs:
    return Legs(exchange)


def create(caller: Caller, legs: Legs, body: dict[str, Any]) -> Any:
    return caller.post(legs.path, body, status=200)


# --- collections -----------------------------------------------------------------------------


def test_a_collection_says_what_may_be_combined(caller: Caller, legs: Legs) -> None:
    row = caller.get(legs.path)["multivariate_contract"]
    assert row["title"] == "Weather of a day"
    assert row["associated_event_tickers"] == [legs.rain, legs.sun]
    rain, sun = row["associated_events"]
    assert (rain["is_yes_only"], rain["size_min"], rain["size_max"]) == (False, None, 1)
    assert (sun["is_yes_only"], sun["size_min"], sun["size_max"]) == (True, None, None)
    assert (row["size_min"], row["size_max"], row["is_ordered"]) == (2, 3, False)
    assert (row["is_single_market_per_event"], row["is_all_yes"]) == (False, False)
    assert row["functional_description"]
    assert caller.refused(404, "GET", "/multivariate_event_collections/NONE") == "not_found"


def test_collections_are_found_by_status_event_and_series_in_pages(
    exchange: RestExchange, caller: Caller
) -> None:
    newest_first = [Legs(exchange) for _ in range(3)][::-1]
    now = exchange.gate.now_ns()
    later = f"{SERIES}-LATER-{uuid4().hex[:6].upper()}"
    event = newest_first[0].rain
    exchange.do(
        c.CreateCollection(
            later, SERIES, now + HOUR, now + 2 * HOUR, 2, 0, True, ((event, False, 0, 0),), "{}"
        )
    )

    def found(**filters: Any) -> list[str]:
        answer = caller.get("/multivariate_event_collections", **filters)
        return [row["collection_ticker"] for row in answer["multivariate_contracts"]]

    assert found(series_ticker=SERIES)[:2] == [later, newest_first[0].collection]
    assert later not in found(status="open")
    assert found(status="unopened", series_ticker=SERIES)[0] == later
    assert found(associated_event_ticker=event) == [later, newest_first[0].collection]
    assert found(series_ticker="RAIN") == found(status="closed") == []
    read, cursor = [], ""
    for _ in range(50):
        page = caller.get("/multivariate_event_collections", limit=1, cursor=cursor)
        read += [row["collection_ticker"] for row in page["multivariate_contracts"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert read == found()
    list_path = "/multivariate_event_collections"
    assert caller.refused(400, "GET", f"{list_path}?status=asleep") == "invalid_parameters"
    assert caller.refused(400, "GET", f"{list_path}?limit=201") == "invalid_parameters"


# --- creating and looking up -----------------------------------------------------------------


def test_the_same_selection_is_the_same_market(caller: Caller, other: Caller, legs: Legs) -> None:
    rain, sun = legs.leg("rain A", "no"), legs.leg("sun B")
    assert caller.refused(404, "PUT", f"{legs.path}/lookup", legs.body(rain, sun)) == (
        "market_not_found"
    )
    created = caller.expect(200, "POST", legs.path, legs.body(rain, sun))
    assert set(created) == {"event_ticker", "market_ticker"}
    assert created["market_ticker"].startswith(created["event_ticker"] + "-")
    assert created["event_ticker"].startswith(f"{SERIES}-S")
    again = other.expect(200, "POST", legs.path, legs.body(sun, rain, with_market_payload=True))
    assert again["market"]["ticker"] == again["market_ticker"] == created["market_ticker"]
    looked_up = other.expect(200, "PUT", f"{legs.path}/lookup", legs.body(sun, rain))
    assert looked_up == created


def test_older_clients_send_true_and_false_for_the_sides(caller: Caller, legs: Legs) -> None:
    by_name = caller.expect(
        200, "POST", legs.path, legs.body(legs.leg("rain A", "no"), legs.leg("sun A", "yes"))
    )
    for no, yes in (("false", "true"), (False, True)):
        body = legs.body(legs.leg("rain A", no), legs.leg("sun A", yes))
        assert caller.expect(200, "POST", legs.path, body) == by_name
        assert caller.expect(200, "PUT", f"{legs.path}/lookup", body) == by_name
    for side in ("maybe", "", 1, None):
        body = legs.body(legs.leg("rain A", side), legs.leg("sun A"))
        assert caller.refused(400, "POST", legs.path, body) == "invalid_parameters"


def test_selections_that_cannot_be(caller: Caller, legs: Legs) -> None:
    def refused(*selected: dict[str, Any]) -> str:
        return caller.refused(400, "POST", legs.path, legs.body(*selected))

    rain, sun = legs.leg("rain A"), legs.leg("sun A")
    assert refused() == refused(rain) == "invalid_market_combination"
    assert refused(rain, rain) == "duplicated_legs"
    assert refused(legs.leg("sun A", "no"), rain) == "invalid_market_combination"
    assert refused(rain, legs.leg("rain A", "no"), sun) == "conflicting_leg_outcomes"
    assert refused(rain, legs.leg("rain B"), sun) == "conflicting_leg_outcomes"
    assert refused(rain, legs.leg("rain B", "no"), sun) == "invalid_market_combination"
    assert refused(*[sun] * 101) == "invalid_parameters"
    elsewhere = {**sun, "event_ticker": "RAIN-26MAR01"}
    assert refused(rain, elsewhere) == "invalid_market_combination"
    unknown = {**sun, "market_ticker": "NONE"}
    body = legs.body(rain, unknown)
    assert caller.refused(404, "POST", legs.path, body) == "market_not_found"
    legs.determine("sun B", "yes")
    assert refused(rain, legs.leg("sun B")) == "invalid_market_combination"
    nowhere = "/multivariate_event_collections/NONE"
    assert caller.refused(404, "POST", nowhere, legs.body(rain, sun)) == "not_found"
    assert caller.refused(404, "PUT", f"{nowhere}/lookup", legs.body(rain, sun)) == "not_found"
    # No half market was left behind.
    assert caller.get("/events/multivariate", collection_ticker=legs.collection)["events"] == []


def test_only_signed_writers_create_and_look_up(
    exchange: RestExchange, caller: Caller, legs: Legs
) -> None:
    body = legs.body(legs.leg("rain A"), legs.leg("sun A"))
    reader = exchange.caller(caller.member_id, ("read",))
    for method, path in (("POST", legs.path), ("PUT", f"{legs.path}/lookup")):
        exchange.stranger().expect(401, method, path, body)
        reader.expect(403, method, path, body)


def test_the_history_of_lookups_looks_back_so_far(
    exchange: RestExchange, caller: Caller, legs: Legs
) -> None:
    first = create(caller, legs, legs.body(legs.leg("rain A"), legs.leg("sun A")))
    exchange.advance(30 * SECOND)
    second = create(caller, legs, legs.body(legs.leg("rain B"), legs.leg("sun A")))

    def found(seconds: int, by: Caller = caller) -> list[Any]:
        rows: list[Any] = by.get(f"{legs.path}/lookup", lookback_seconds=seconds)["lookup_points"]
        return rows

    assert [row["market_ticker"] for row in found(10)] == [second["market_ticker"]]
    both = found(60)
    assert [row["market_ticker"] for row in both] == [
        second["market_ticker"],
        first["market_ticker"],
    ]
    assert both[0]["selected_markets"] == [legs.leg("rain B"), legs.leg("sun A")]
    # Looked up anew, it comes first, and still once.
    exchange.advance(SECOND)
    caller.expect(
        200, "PUT", f"{legs.path}/lookup", legs.body(legs.leg("rain A"), legs.leg("sun A"))
    )
    assert [row["market_ticker"] for row in found(3600)] == [
        first["market_ticker"],
        second["market_ticker"],
    ]
    legacy = exchange.caller(caller.member_id, profile="legacy")
    assert found(10, legacy)[0]["selected_markets"][0]["side"] == "true"
    for query in ("?lookback_seconds=20", "?lookback_seconds=x"):
        assert caller.refused(400, "GET", f"{legs.path}/lookup{query}") == "invalid_parameters"


# --- lists of markets and events -------------------------------------------------------------


def test_combos_have_titles_strikes_and_places_of_their_own(
    exchange: RestExchange, caller: Caller, legs: Legs
) -> None:
    body = legs.body(legs.leg("rain A", "no"), legs.leg("sun A"), with_market_payload=True)
    market = create(caller, legs, body)["market"]
    assert market["title"] == market["yes_sub_title"] == "no Case A,yes Case A"
    assert market["custom_strike"] == {
        "Associated Events": f"{legs.rain},{legs.sun}",
        "Associated Market Sides": "no,yes",
        "Associated Markets": f"{legs.rain}-A,{legs.sun}-A",
        "Multivariate Event Ticker": legs.collection,
    }
    assert (market["strike_type"], market["category"]) == ("custom", "Sky")
    assert market["mve_collection_ticker"] == legs.collection
    assert market["mve_selected_legs"] == [legs.leg("rain A", "no"), legs.leg("sun A")]

    ticker, event = market["ticker"], market["event_ticker"]
    assert caller.get(f"/markets/{ticker}")["market"] == market
    for mve_filter, there in (({}, True), ({"mve_filter": "only"}, True)):
        found = [m["ticker"] for m in caller.get("/markets", limit=1000, **mve_filter)["markets"]]
        assert (ticker in found) is there
    without = caller.get("/markets", limit=1000, mve_filter="exclude")["markets"]
    assert ticker not in [m["ticker"] for m in without]
    assert all("mve_collection_ticker" not in m for m in without)

    assert event not in [e["event_ticker"] for e in caller.get("/events")["events"]]
    (row,) = caller.get(
        "/events/multivariate", collection_ticker=legs.collection, with_nested_markets=True
    )["events"]
    assert (row["event_ticker"], row["title"], row["sub_title"]) == (event, "Combo", "MVE")
    assert row["markets"] == [market]
    assert caller.get(f"/events/{event}")["markets"] == [market]


def test_multivariate_events_come_in_pages_and_by_series_or_collection(
    caller: Caller, legs: Legs
) -> None:
    made = [
        create(caller, legs, legs.body(legs.leg(f"rain {rain}"), legs.leg(f"sun {sun}")))
        for rain in "AB"
        for sun in "AB"
    ]
    newest_first = [one["event_ticker"] for one in made][::-1]
    read, cursor = [], ""
    for _ in range(10):
        page = caller.get(
            "/events/multivariate", collection_ticker=legs.collection, limit=3, cursor=cursor
        )
        read += [row["event_ticker"] for row in page["events"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert read == newest_first
    assert [
        row["event_ticker"]
        for row in caller.get("/events/multivariate", series_ticker=SERIES)["events"]
    ][:4] == newest_first
    assert caller.get("/events/multivariate", series_ticker="RAIN")["events"] == []
    assert caller.get("/events/multivariate", collection_ticker="NONE")["events"] == []
    both = f"/events/multivariate?series_ticker={SERIES}&collection_ticker={legs.collection}"
    assert caller.refused(400, "GET", both) == "invalid_parameters"


# --- from creation to payment ----------------------------------------------------------------


def test_a_combo_trades_and_is_paid_by_its_legs(
    exchange: RestExchange, caller: Caller, other: Caller, legs: Legs
) -> None:
    """Ten contracts at 30 cents pay a dollar each once both legs have gone as selected."""
    body = legs.body(legs.leg("rain A", "no"), legs.leg("sun A"))
    ticker = create(caller, legs, body)["market_ticker"]
    other.order("sell", "yes", 30, 10, ticker)
    caller.order("buy", "yes", 30, 10, ticker)
    fee = 1_000_000 - 300 - caller.get("/portfolio/balance")["balance"]
    legs.determine("sun A", "yes")
    row = caller.get(f"/markets/{ticker}")["market"]
    values = [leg.get("yes_settlement_value_dollars") for leg in row["mve_selected_legs"]]
    assert (values, row["result"]) == ([None, "1.0000"], "")
    legs.determine("rain A", "no")
    row = caller.get(f"/markets/{ticker}")["market"]
    values = [leg.get("yes_settlement_value_dollars") for leg in row["mve_selected_legs"]]
    assert (values, row["result"], row["status"]) == (["0.0000", "1.0000"], "yes", "determined")
    exchange.advance(2 * HOUR)
    assert caller.get(f"/markets/{ticker}")["market"]["status"] == "finalized"
    assert caller.get("/portfolio/balance")["balance"] == 1_000_000 - 300 - fee + 1000


def test_one_lost_leg_decides_at_once(caller: Caller, legs: Legs) -> None:
    lost = create(caller, legs, legs.body(legs.leg("rain A"), legs.leg("sun A")))
    legs.determine("rain A", "no")
    row = caller.get(f"/markets/{lost['market_ticker']}")["market"]
    assert (row["result"], row["settlement_value"]) == ("no", 0)


def test_a_member_lists_so_many_combos_in_a_week(tmp_path: Path) -> None:
    with running(tmp_path, RestSettings(rate_limits=False, combos_per_week=2)) as exchange:
        exchange.do(c.CreateSeries(SERIES, "quadratic", 1_000_000, "{}"))
        legs = Legs(exchange)
        caller, other = exchange.member("caller"), exchange.member("other")
        bodies = [
            legs.body(legs.leg(f"rain {one}"), legs.leg(f"sun {two}"))
            for one, two in ("AA", "AB", "BA")
        ]
        for body in (*bodies[:2], *bodies[:2]):
            caller.expect(200, "POST", legs.path, body)
        assert caller.refused(429, "POST", legs.path, bodies[2]) == "too_many_requests"
        # What is there already is not new, and others have their own limit.
        caller.expect(200, "POST", legs.path, bodies[0])
        other.expect(200, "POST", legs.path, bodies[2])
        caller.expect(200, "POST", legs.path, bodies[2])
        exchange.advance(7 * 24 * HOUR)
        later = Legs(exchange)
        fresh = later.body(later.leg("rain A"), later.leg("sun A"))
        caller.expect(200, "POST", later.path, fresh)
