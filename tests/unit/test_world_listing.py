"""From descriptions to commands: times, inherited terms, ladders of strikes, rolling events."""

import json
import textwrap
from datetime import UTC, datetime

from augury.app.world import parse_world
from augury.app.world.listing import list_occurrence, list_world
from augury.app.world.outlook import Outlook, outlook_of
from augury.codec.text import parse_rfc3339, rfc3339

START = parse_rfc3339("2026-01-15T15:30:00Z")


def world(text: str):
    return parse_world(textwrap.dedent(text).lstrip(), "w.yaml")


def events(text: str):
    return list_world(world(text), START).events


def test_markets_inherit_from_their_event_what_they_do_not_say_themselves():
    (plan,) = events(
        """
        series: [{ticker: KXA, category: Weather}]
        events:
          - ticker: KXA-1
            series_ticker: KXA
            title: Rain?
            open_time: -1h
            close_time: +1d
            settlement_timer_seconds: 60
            price_level_structure: deci_cent
            fractional_trading_enabled: true
            can_close_early: false
            markets:
              - ticker: KXA-1-A
              - ticker: KXA-1-B
                close_time: +2d
                settlement_timer_seconds: 0
                price_level_structure: linear_cent
                fractional_trading_enabled: false
                can_close_early: true
        """
    )
    first, second = plan.markets
    assert rfc3339(first.open_ns) == rfc3339(second.open_ns) == "2026-01-15T14:30:00Z"
    assert rfc3339(first.close_ns) == "2026-01-16T15:30:00Z"
    assert rfc3339(first.latest_expiration_ns) == "2026-01-23T15:30:00Z"
    assert first.price_ranges == ((0, 10_000, 10),)
    assert (first.settlement_timer_seconds, second.settlement_timer_seconds) == (60, 0)
    assert (first.fractional_trading_enabled, second.fractional_trading_enabled) == (True, False)
    assert (first.can_close_early, second.can_close_early) == (False, True)
    assert rfc3339(second.close_ns) == "2026-01-17T15:30:00Z"
    assert second.price_ranges == ((0, 10_000, 100),)
    assert json.loads(first.details)["title"] == "Rain?"
    assert json.loads(plan.command.details)["category"] == "Weather"


def test_a_mutually_exclusive_event_returns_collateral_by_default():
    plans = events(
        """
        series: [{ticker: KXA}]
        events:
          - {ticker: KXA-1, series_ticker: KXA, mutually_exclusive: true}
          - {ticker: KXA-2, series_ticker: KXA}
        """
    )
    assert [plan.command.collateral_return_type for plan in plans] == ["MECNET", ""]


def test_what_was_written_reaches_the_public_api_as_it_is():
    (plan,) = events(
        """
        series: [{ticker: KXA}]
        events:
          - ticker: KXA-1
            series_ticker: KXA
            strike_date: +1d 16:00 ET
            competition: Cup
            markets:
              - ticker: KXA-1-T60.5
                close_time: +1h
                strike_type: between
                floor_strike: 60.5
                cap_strike: 62
                custom_strike: {team: a, day: 2026-01-01}
                yes_sub_title: 60.5 to 62
        """
    )
    assert json.loads(plan.command.details)["strike_date"] == "2026-01-16T21:00:00Z"
    details = json.loads(plan.markets[0].details)
    assert (details["floor_strike"], details["cap_strike"]) == (60.5, 62)
    assert details["custom_strike"] == {"team": "a", "day": "2026-01-01"}
    assert details["no_sub_title"] == "60.5 to 62"


ROLLING = """
    series:
      - ticker: KXT
        activity: busy
        rolling:
          - every: 1d
            offset: 16h
            open_for: 30h
            event:
              ticker: "KXT-{close:%y%b%d}"
              mutually_exclusive: true
              fair_value: {start: 70, swing: 5, pace: 2d}
              ladder:
                shape: SHAPE
                count: 5
                step: 2
                unit: °
                title: "{range} on {close:%b %-d}?"
"""


def test_an_occurrence_is_named_by_its_close_and_opens_before_it():
    found = world(ROLLING.replace("SHAPE", "ranges"))
    close = parse_rfc3339("2026-01-15T21:00:00Z")
    plan = list_occurrence(found, found.rolling[0], close)
    assert plan.command.ticker == "KXT-26JAN15"
    assert {market.close_ns for market in plan.markets} == {close}
    assert {rfc3339(market.open_ns) for market in plan.markets} == {"2026-01-14T15:00:00Z"}
    assert list_occurrence(found, found.rolling[0], close) == plan


def test_a_ladder_of_ranges_covers_every_number_once():
    found = world(ROLLING.replace("SHAPE", "ranges"))
    plan = list_occurrence(found, found.rolling[0], parse_rfc3339("2026-01-15T21:00:00Z"))
    details = [json.loads(market.details) for market in plan.markets]
    kinds = [detail["strike_type"] for detail in details]
    assert kinds == ["less", "between", "between", "between", "greater"]
    edge = details[0]["cap_strike"]
    for detail in details[1:4]:
        assert detail["floor_strike"] == edge
        assert detail["cap_strike"] == edge + 1
        edge += 2
    assert details[4]["floor_strike"] == edge - 1
    floor = details[1]["floor_strike"]
    assert plan.markets[1].ticker == f"KXT-26JAN15-B{floor}.5"
    assert details[1]["title"] == f"{floor}° to {floor + 1}° on Jan 15?"
    assert details[0]["yes_sub_title"] == f"below {floor}°"


def test_a_ladder_of_thresholds_stands_around_the_truth_at_the_open():
    found = world(ROLLING.replace("SHAPE", "above").replace("mutually_exclusive: true", ""))
    plan = list_occurrence(found, found.rolling[0], parse_rfc3339("2026-01-15T21:00:00Z"))
    floors = [json.loads(market.details)["floor_strike"] for market in plan.markets]
    assert floors == list(range(floors[0], floors[0] + 10, 2))
    assert floors[0] < 85
    assert floors[-1] > 55


def test_the_bots_outlook_survives_the_way_to_their_process():
    found = world(
        ROLLING.replace("SHAPE", "above")
        + """
      - ticker: KXE
        events:
          - ticker: KXE-1
            mutually_exclusive: true
            close_time: +9d
            markets:
              - {ticker: KXE-1-A, start_price: 0.6, activity: quiet}
              - {ticker: KXE-1-B}
    """
    )
    outlook = outlook_of(found, START)
    again = Outlook.from_json(json.loads(json.dumps(outlook.to_json())))
    assert again == outlook
    static = again.of("KXE-1", "KXE")
    assert static.start_prices == {"-A": 0.6, "-B": 0.4}
    assert static.activity("KXE-1", "KXE-1-A") == "quiet"
    assert not static.determined_by_truth
    rolling = again.of("KXT-26JAN20", "KXT")
    assert rolling.fair_value.name == "KXT"
    assert rolling.determined_by_truth
    assert rolling.activity("KXT-26JAN20", "KXT-26JAN20-T70") == "busy"
    unknown = again.of("KXU-1", "KXU", exclusive=True)
    assert unknown.fair_value.name == "KXU-1"
    assert not unknown.determined_by_truth


def test_relative_worlds_are_the_same_world_on_any_day():
    text = """
        series: [{ticker: KXA}]
        events:
          - ticker: "KXA-{close:%y%b}"
            series_ticker: KXA
            close_time: +40d
            markets: [{ticker: "{event}-T"}]
        """
    for day in ("2026-01-15", "2031-07-04"):
        start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9
        (plan,) = list_world(world(text), start).events
        assert plan.markets[0].close_ns == start + 40 * 86_400 * 10**9
        assert plan.markets[0].ticker == f"{plan.command.ticker}-T"
