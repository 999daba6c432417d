"""``augury world``: what an operator types, and what comes out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from augury.client import Signer
from augury.testing import RunningExchange, running_exchange

RECORDINGS = Path(__file__).resolve().parents[1] / "data" / "recordings"

WORLD = """\
world: small
series:
  - ticker: KXA
    title: A series
    fee_type: flat
    settlement_sources: [{name: Source, url: "https://source.example"}]
    events:
      - ticker: KXA-1
        title: An event
        mutually_exclusive: true
        strike_date: +1d
        competition: Cup
        markets:
          - {ticker: KXA-1-A, close_time: +1d, strike_type: greater, floor_strike: 60.5}
          - ticker: KXA-1-B
            close_time: +2d
            market_type: scalar
            price_level_structure: tapered_deci_cent
            fractional_trading_enabled: true
            fee_waiver_expiration_time: +1h
            mve_collection_ticker: KXMVE-R
            mve_selected_legs: [{event_ticker: KXB-1, market_ticker: KXB-1-X, side: "yes"}]
    rolling:
      - every: 1h
        event:
          ticker: "KXA-{close:%H}"
          fair_value: {start: 10, swing: 2, pace: 1h}
          ladder: {count: 3}
announcements: [{message: Welcome.}]
schedule: {standard_hours: [{monday: [{open_time: "08:00", close_time: "12:00"}]}]}
milestones: [{title: Final, start_date: +2d, primary_event_tickers: [KXA-1]}]
members:
  - email: a@example.com
    deposit: 123.00
    keys: [{name: main, private_key_file: a.pem, profile: legacy}]
bots: [{kind: maker, name: m}]
"""


def augury(*arguments: object, code: int = 0) -> str:
    line = [sys.executable, "-m", "augury", "world", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(WORLD)
    return path


def test_check_counts_what_is_good_and_lists_what_is_not(tmp_path, world):
    assert "is a good world: 1 series, 1 events, 2 markets" in augury("check", world)
    assert json.loads(augury("check", "demo", "--json"))["valid"]
    bad = tmp_path / "bad.yaml"
    bad.write_text("series:\n  - tikker: KXA\nwurld: x\n")
    told = augury("check", bad, code=1)
    assert f"{bad}:2: series[0]: `ticker` is missing" in told
    assert f"{bad}:2: series[0].tikker: there is no such field; did you mean `ticker`?" in told
    assert f"{bad}:3: wurld: there is no such field; did you mean `world`?" in told
    problems = json.loads(augury("check", bad, "--json", code=1))["problems"]
    assert [problem["line"] for problem in problems] == [2, 2, 3]


def test_the_shipped_worlds_are_named():
    assert augury("list").split() == ["demo"]


def test_apply_brings_a_world_into_a_running_exchange_once(tmp_path, world):
    with running_exchange() as exchange:
        keys = tmp_path / "keys"
        first = json.loads(apply(exchange, world, "--keys", keys, "--json"))
        assert first["refused"] == []
        assert first["created"]["markets"] == 5
        assert any("1 bots" in note for note in first["notes"])
        check_listed(exchange)

        (key,) = first["keys"]
        signer = Signer.from_file(key["api_key_id"], key["private_key_file"])
        path = "/trade-api/v2/portfolio/balance"
        answer = exchange.http.get(path, headers=signer.headers("GET", path))
        assert answer.json()["balance"] == 12_300

        exchange.advance(hours=5)
        again = json.loads(apply(exchange, world, "--keys", keys, "--json"))
        assert again["keys"] == first["keys"]
        # Only the rolling event's next occurrence is new, five hours later.
        assert again["created"] == {"events": 1, "markets": 3}
        assert "already there:" in apply(exchange, world, "--keys", keys)


TERMS = """
series:
  - ticker: KXMVEALL
  - ticker: KXA
    events:
      - ticker: KXA-1
        close_time: +9d
        collateral_return_type: DIRECNET
        strike_order: [KXA-1-X, KXA-1-Y]
        strikes_below: true
        markets: [{ticker: KXA-1-Y}, {ticker: KXA-1-X}]
collections:
  - ticker: KXMVEALL-R
    series_ticker: KXMVEALL
    close_date: +5d
    events: [{ticker: KXA-1, size_max: 2}]
    combos: [{legs: [{market: KXA-1-X}, {market: KXA-1-Y, side: "no"}]}]
fee_changes:
  - {series_ticker: KXA, fee_type: flat, fee_multiplier: 0.25, scheduled_time: +1d}
schedule:
  maintenance_windows: [{start_datetime: +1d, end_datetime: +1d2h}]
milestones:
  - id: m1
    title: Final
    type: game
    category: Sports
    start_date: +2d
    live_data: {details: {score: 0}}
incentive_programs:
  - {market_ticker: KXA-1-X, start_date: now, end_date: +1d, period_reward: 100}
members:
  - email: fcm@example.com
    subaccounts: [{deposit: 3.00}]
    subtraders: [{id: one, deposit: 5.00}]
"""


def test_terms_and_customers_arrive_over_the_operator_api_once(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text(TERMS)
    with running_exchange() as exchange:
        first = json.loads(apply(exchange, path, "--json"))
        assert first["refused"] == []
        assert any("1 combos" in note for note in first["notes"])

        def get(path: str) -> Any:
            return exchange.http.get(f"/trade-api/v2{path}").json()

        (collection,) = get("/multivariate_event_collections")["multivariate_contracts"]
        assert collection["associated_events"][0]["size_max"] == 2
        (change,) = get("/series/fee_changes")["series_fee_change_arr"]
        assert (change["series_ticker"], change["fee_multiplier"]) == ("KXA", 0.25)
        assert len(get("/exchange/schedule")["schedule"]["maintenance_windows"]) == 1
        assert get("/live_data/game/milestone/m1")["live_data"]["details"]["score"] == 0
        assert len(get("/incentive_programs")["incentive_programs"]) == 1
        event = exchange.operator.get("events", "KXA-1")
        assert (event["strike_order"], event["strikes_below"]) == (["KXA-1-X", "KXA-1-Y"], True)
        member = exchange.operator.get("members", "fcm@example.com")
        assert [account["cash"] for account in member["subaccounts"]] == [
            "0.0000",
            "3.0000",
            "5.0000",
        ]
        again = json.loads(apply(exchange, path, "--json"))
        assert (again["created"], again["refused"]) == ({}, [])


def check_listed(exchange: RunningExchange) -> None:
    def get(path: str) -> Any:
        return exchange.http.get(f"/trade-api/v2{path}").json()

    market = get("/markets/KXA-1-B")["market"]
    assert market["market_type"] == "scalar"
    assert market["price_level_structure"] == "tapered_deci_cent"
    assert market["mve_collection_ticker"] == "KXMVE-R"
    assert get("/markets/KXA-1-A")["market"]["floor_strike"] == 60.5
    assert get("/events/KXA-1/metadata")["competition"] == "Cup"
    assert get("/series/KXA")["series"]["fee_type"] == "flat"
    assert get("/exchange/announcements")["announcements"][0]["message"] == "Welcome."
    hours = get("/exchange/schedule")["schedule"]["standard_hours"][0]
    assert hours["monday"] == [{"open_time": "08:00", "close_time": "12:00"}]
    assert exchange.operator.get("documents", "milestone")["documents"]


def apply(exchange: RunningExchange, world: Path, *more: object) -> str:
    token = exchange.settings.token_path
    return augury("apply", world, "--url", exchange.url, "--operator-token-file", token, *more)


def test_recordings_become_a_world_that_serves(tmp_path):
    out = tmp_path / "imported.yaml"
    told = augury("import", RECORDINGS, "--out", out)
    assert "3 series, 3 events, 4 markets" in told
    assert "event KXMVEPAIR-S1F00D" in told
    with running_exchange(world=str(out)) as exchange:
        tickers = {
            market["ticker"]
            for market in exchange.http.get("/trade-api/v2/markets").json()["markets"]
        }
        assert tickers == {
            "HURCAT-26-C4",
            "HURCAT-26-C5",
            "KXMVEPAIR-S1F00D-0A1B",
            "KXSNOWALB-26JAN12-T0.1",
        }
        member = exchange.add_member()
        assert member.place("HURCAT-26-C5", "buy", "yes", 3, 31)["status"] == "resting"


def test_a_recording_that_is_none_is_refused_in_one_line(tmp_path):
    odd = tmp_path / "odd.json"
    odd.write_text("{")
    told = augury("import", odd, "--out", tmp_path / "w.yaml", code=1)
    assert f"error: {odd}: is not JSON" in told
    assert "Traceback" not in told
