"""Finding one's way: milestones, live data, targets, search, incentives, fee changes."""

import json
from collections.abc import Iterator

import pytest

from augury.core import commands as c
from tests.rest_harness import HOUR, RAIN, START_NS, Caller, RestExchange, running

MILESTONES = {
    "m-1": {"title": "Opening day", "type": "football_game", "start_date": "2026-03-02T12:00:00Z"},
    "m-2": {"title": "Second day", "type": "football_game", "start_date": "2026-03-03T12:00:00Z"},
    "m-3": {"title": "A vote", "type": "election", "start_date": "2026-03-03T12:00:00Z"},
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    with running(tmp_path_factory.mktemp("rest_discovery")) as exchange:
        for key, details in MILESTONES.items():
            full = {
                "category": "Sports" if "game" in details["type"] else "Politics",
                "related_event_tickers": ["RAIN-26MAR01"],
                "primary_event_tickers": ["RAIN-26MAR01"],
                "details": {"league": "Isles League"},
                "source_id": f"source-{key}",
                **details,
            }
            exchange.do(c.PutDocument("milestone", key, json.dumps(full)))
        score = {"type": "football_game", "details": {"home_points": 3}}
        exchange.do(c.PutDocument("live_data", "m-1", json.dumps(score)))
        for name in ("Gulls", "Foxes", "Herons"):
            target = {"name": name, "type": "football_team", "details": {"competition": "Isles"}}
            exchange.do(c.PutDocument("structured_target", f"t-{name}", json.dumps(target)))
        for key, start, end, paid in (
            ("i-past", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", False),
            ("i-paid", "2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z", True),
            ("i-now", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", False),
            ("i-next", "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z", False),
        ):
            program = {
                "market_ticker": RAIN,
                "incentive_type": "liquidity",
                "start_date": start,
                "end_date": end,
                "period_reward": 200_000,
                "paid_out": paid,
                "target_size": 300,
            }
            exchange.do(c.PutDocument("incentive_program", key, json.dumps(program)))
        yield exchange


@pytest.fixture
def anyone(exchange: RestExchange) -> Caller:
    return exchange.stranger()


def found(caller: Caller, path: str, key: str, **params: object) -> list[str]:
    return [row["id"] for row in caller.get(path, **params)[key]]


def test_milestones_come_in_the_order_of_their_start_page_by_page(anyone: Caller) -> None:
    first = anyone.get("/milestones", limit=2)
    assert [row["id"] for row in first["milestones"]] == ["m-1", "m-2"]
    second = anyone.get("/milestones", limit=2, cursor=first["cursor"])
    assert [row["id"] for row in second["milestones"]] == ["m-3"]
    assert second["cursor"] == ""


@pytest.mark.parametrize(
    "filters, expected",
    [
        ({"type": "election"}, ["m-3"]),
        ({"category": "sports"}, ["m-1", "m-2"]),
        ({"competition": "isles league"}, ["m-1", "m-2", "m-3"]),
        ({"source_id": "source-m-2"}, ["m-2"]),
        ({"minimum_start_date": "2026-03-03T00:00:00Z"}, ["m-2", "m-3"]),
        ({"related_event_ticker": "RAIN-26MAR01", "type": "election"}, ["m-3"]),
        ({"related_event_ticker": "NOWHERE"}, []),
    ],
)
def test_filters_of_milestones(
    anyone: Caller, filters: dict[str, str], expected: list[str]
) -> None:
    assert found(anyone, "/milestones", "milestones", **filters) == expected


def test_a_start_date_that_is_no_time_is_refused(anyone: Caller) -> None:
    answer = anyone.send("GET", "/milestones", params={"minimum_start_date": "soon"})
    assert answer.status_code == 400


def test_live_data_is_found_by_its_type_only_and_in_batches(anyone: Caller) -> None:
    path = "/live_data/football_game/milestone/m-1"
    assert anyone.get(path)["live_data"]["details"] == {"home_points": 3}
    assert anyone.get("/live_data/milestone/m-1") == anyone.get(path)
    wrong_type = anyone.send("GET", "/live_data/election/milestone/m-1")
    assert wrong_type.status_code == 404
    batch = anyone.get("/live_data/batch", milestone_ids=["m-1", "m-2", "unknown"])
    assert [row["milestone_id"] for row in batch["live_datas"]] == ["m-1"]


def test_structured_targets_come_by_name(anyone: Caller) -> None:
    key = "structured_targets"
    assert found(anyone, "/structured_targets", key, page_size=2) == ["t-Foxes", "t-Gulls"]
    assert found(anyone, "/structured_targets", key, ids="t-Herons") == ["t-Herons"]
    assert anyone.get("/structured_targets/t-Gulls")["structured_target"]["name"] == "Gulls"
    assert anyone.send("GET", "/structured_targets/t-Swans").status_code == 404


@pytest.mark.parametrize(
    "status, expected",
    [
        ("all", ["i-past", "i-paid", "i-now", "i-next"]),
        ("active", ["i-now"]),
        ("upcoming", ["i-next"]),
        ("closed", ["i-past"]),
        ("paid_out", ["i-paid"]),
    ],
)
def test_incentives_are_where_the_clock_says(
    anyone: Caller, status: str, expected: list[str]
) -> None:
    answer = anyone.get("/incentive_programs", status=status)
    assert [row["id"] for row in answer["incentive_programs"]] == expected


def test_a_fee_change_is_listed_until_it_happens(exchange: RestExchange, anyone: Caller) -> None:
    due = START_NS + 5 * HOUR
    exchange.do(c.ScheduleFeeChange("RAIN", "quadratic_with_maker_fees", 500_000, due))
    (change,) = anyone.get("/series/fee_changes", series_ticker="RAIN")["series_fee_change_arr"]
    assert change["fee_multiplier"] == 0.5
    assert change["scheduled_ts"] == "2026-03-01T19:00:00Z"
    assert anyone.get("/series/RAIN")["series"]["fee_type"] == "quadratic"
    exchange.advance(6 * HOUR)
    assert anyone.get("/series/fee_changes")["series_fee_change_arr"] == []
    history = anyone.get("/series/fee_changes", show_historical="true")["series_fee_change_arr"]
    assert [row["id"] for row in history] == [change["id"]]
    assert anyone.get("/series/RAIN")["series"]["fee_type"] == "quadratic_with_maker_fees"


def test_tags_and_sports_follow_from_the_series(anyone: Caller) -> None:
    tags = anyone.get("/search/tags_by_categories")["tags_by_categories"]
    assert all(names == sorted(names) for names in tags.values())
    assert tags
    filters = anyone.get("/search/filters_by_sport")
    assert set(filters["sport_ordering"]) == set(filters["filters_by_sports"])
