"""Recorded answers become a world in which a bot finds the tickers it knows."""

import json
from pathlib import Path

import pytest

from augury.app.world import parse_world
from augury.app.world.importing import ImportFailed, import_recordings
from augury.app.world.listing import list_world
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core.commands import CreateMarket

RECORDINGS = Path(__file__).resolve().parents[1] / "data" / "recordings"
START = parse_rfc3339("2027-05-01T12:00:00Z")


def imported(**options):
    return import_recordings(sorted(RECORDINGS.glob("*.json")), **options)


def markets_at(text: str, start_ns: int = START) -> dict[str, CreateMarket]:
    listing = list_world(parse_world(text), start_ns)
    return {market.ticker: market for plan in listing.events for market in plan.markets}


def test_everything_that_was_recorded_is_there():
    result = imported()
    assert result.found == {"series": 3, "events": 3, "markets": 4, "milestones": 1}
    world = parse_world(result.text)
    assert world.series["HURCAT"].fee_multiplier_ppm == 500_000
    assert world.series["HURCAT"].fee_type == "quadratic_with_maker_fees"
    assert world.series["KXSNOWALB"].details["title"] == "Snow in Albany {daily}"
    assert world.events["HURCAT-26"].mutually_exclusive
    assert world.documents[0].details["details"]["session"] == "2026-01-16"


def test_parents_that_were_not_recorded_are_made_up_and_told():
    result = imported()
    assert set(result.synthesized) == {
        "event KXMVEPAIR-S1F00D",
        "event KXSNOWALB-26JAN12",
        "series KXMVEPAIR",
    }
    world = parse_world(result.text)
    assert world.events["KXSNOWALB-26JAN12"].series_ticker == "KXSNOWALB"


def test_what_cannot_be_listed_is_left_out_and_told():
    skipped = imported().skipped
    assert any("not a ticker" in line for line in skipped)
    assert any("HURCAT-26-OLD is finalized" in line for line in skipped)


def test_the_moment_of_recording_becomes_the_start():
    markets = markets_at(imported().text)
    snow = markets["KXSNOWALB-26JAN12-T0.1"]
    # Recorded at 22:00, closing at 04:59 the next morning: seven hours later, less a minute.
    assert rfc3339(snow.close_ns) == "2027-05-01T18:59:00Z"
    # The year 1 stands for an unknown time of opening: open now.
    assert markets["HURCAT-26-C5"].open_ns == START
    (milestone,) = parse_world(imported().text).documents
    assert rfc3339(milestone.times["start_date"].resolve(START)) == "2027-05-02T18:00:00Z"


def test_times_may_be_kept():
    markets = markets_at(imported(keep_times=True).text, parse_rfc3339("2026-01-12T22:00:00Z"))
    assert rfc3339(markets["KXSNOWALB-26JAN12-T0.1"].close_ns) == "2026-01-13T04:59:00Z"
    assert rfc3339(markets["HURCAT-26-C5"].latest_expiration_ns) == "2026-12-08T15:00:00Z"


def test_price_grids_come_along_and_default_to_cents():
    markets = markets_at(imported().text)
    assert markets["HURCAT-26-C5"].price_level_structure == "deci_cent"
    assert markets["HURCAT-26-C4"].price_level_structure == "linear_cent"
    novel = markets["KXMVEPAIR-S1F00D-0A1B"]
    assert novel.price_level_structure == "novel_grid"
    assert novel.price_ranges == ((0, 10_000, 200),)


def test_details_reach_the_public_api_as_they_were():
    markets = markets_at(imported().text)
    hurricane = json.loads(markets["HURCAT-26-C5"].details)
    assert hurricane["rules_primary"] == "If {category} is 5, then Yes."
    assert hurricane["floor_strike"] == 5
    assert hurricane["color_code"] == "#AA00FF"
    # The recording says "between" but no strikes; a strike type alone would be a lie.
    assert "strike_type" not in json.loads(markets["HURCAT-26-C4"].details)
    combo = json.loads(markets["KXMVEPAIR-S1F00D-0A1B"].details)
    assert combo["mve_selected_legs"][1]["side"] == "no"
    assert combo["custom_strike"] == {"Associated Markets": "KXGAMEA-1-X,KXGAMEB-1-Y"}


def test_bots_start_at_the_recorded_prices():
    world = parse_world(imported(bots=True).text)
    prices = {market.ticker: market.start_price for market in world.events["HURCAT-26"].markets}
    assert prices == {"HURCAT-26-C5": 0.31, "HURCAT-26-C4": 0.4}
    assert [bot.kind for bot in world.bots] == ["maker", "taker", "noise"]


def test_a_bare_response_will_do(tmp_path):
    recording = json.loads((RECORDINGS / "series_list.json").read_text())
    path = tmp_path / "bare.json"
    path.write_text(json.dumps(recording["response"]))
    assert import_recordings([path]).found["series"] == 2


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "is not JSON"),
        ("[1]", "expected a JSON object"),
        ('{"response": 5}', "the response is not a JSON object"),
        ('{"response": {}, "recorded_at": "yesterday"}', "recorded_at: expected an RFC 3339 time"),
        ('{"response": {"series": [{"title": "x"}]}}', "not in the shape of the API"),
        ('{"response": {"market": {"ticker": "A", "event_ticker": "B"}}}', "not in the shape"),
    ],
)
def test_a_recording_that_cannot_be_read_is_named(tmp_path, text, reason):
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(ImportFailed, match=r"odd\.json") as caught:
        import_recordings([path])
    assert reason in str(caught.value)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(ImportFailed, match=r"none\.json: cannot be read"):
        import_recordings([tmp_path / "none.json"])
