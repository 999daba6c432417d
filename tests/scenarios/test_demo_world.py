"""The demo world as a newcomer meets it: books on both sides, trades, results, and no end to it."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import psutil
import pytest

from augury.app.auditing import audit_log
from augury.app.data_directory import log_path
from augury.client import Books, Connected, Disconnected
from augury.testing import RunningExchange, running_exchange, wait_until

EMPTY_BID, EMPTY_ASK = "0.0000", "1.0000"


def open_markets(exchange: RunningExchange) -> list[dict[str, Any]]:
    answer = exchange.http.get("/trade-api/v2/markets", params={"status": "open", "limit": 1000})
    return list(answer.json()["markets"])


def one_sided(exchange: RunningExchange) -> list[str]:
    return [
        market["ticker"]
        for market in open_markets(exchange)
        if market["yes_bid_dollars"] == EMPTY_BID or market["yes_ask_dollars"] == EMPTY_ASK
    ]


def trades(exchange: RunningExchange, **query: Any) -> list[dict[str, Any]]:
    answer = exchange.http.get("/trade-api/v2/markets/trades", params={"limit": 1000, **query})
    return list(answer.json()["trades"])


def bots_of(exchange: RunningExchange) -> list[psutil.Process]:
    children = psutil.Process(exchange.process_id).children()
    return [child for child in children if "augury.app.bots" in " ".join(child.cmdline())]


def wait_for_depth(exchange: RunningExchange) -> None:
    wait_until(
        lambda: open_markets(exchange) and not one_sided(exchange),
        seconds=60,
        pause=0.25,
        what="books stay one-sided",
    )


@pytest.mark.slow
@pytest.mark.serial
def test_minutes_after_its_start_the_demo_lives():
    with running_exchange(
        own_process=True, world="demo", clock="real", rate_limits=True
    ) as exchange:
        wait_for_depth(exchange)
        wait_until(lambda: len(trades(exchange)) >= 5, seconds=60, pause=0.25, what="no trades")

        # At least one of everything that the engine knows.
        markets = open_markets(exchange)
        structures = {market["price_level_structure"] for market in markets}
        assert {"linear_cent", "deci_cent", "tapered_deci_cent"} <= structures
        assert {market["market_type"] for market in markets} == {"binary", "scalar"}
        strikes = {market.get("strike_type") for market in markets}
        assert {"greater", "less", "between", "custom", "structured"} <= strikes
        assert 30 <= len(markets) <= 80
        series = exchange.http.get("/trade-api/v2/series").json()["series"]
        assert {row["fee_type"] for row in series} == {
            "quadratic",
            "quadratic_with_maker_fees",
            "flat",
        }
        spreads = sorted(
            round((float(m["yes_ask_dollars"]) - float(m["yes_bid_dollars"])) * 100, 1)
            for m in markets
        )
        assert spreads[0] <= 2
        assert spreads[-1] >= 5

        # Prices move by themselves.
        before = {market["ticker"]: market["yes_bid_dollars"] for market in markets}
        wait_until(
            lambda: (
                sum(
                    before.get(market["ticker"]) not in {None, market["yes_bid_dollars"]}
                    for market in open_markets(exchange)
                )
                >= 5
            ),
            seconds=60,
            pause=0.5,
            what="prices stand still",
        )

        # Killed without warning, it leaves no bots behind, and lives again.
        (bots,) = bots_of(exchange)
        exchange.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            bots.wait(10)
        exchange.restart()
        count = len(trades(exchange))
        wait_for_depth(exchange)
        wait_until(
            lambda: len(trades(exchange)) > count, seconds=60, pause=0.25, what="no new trades"
        )

        # And somebody who reads nothing but the log comes to the same figures, to the last cent.
        findings = audit_log(log_path(exchange.settings.data))
        assert findings.difference is None, str(findings.difference)
        assert findings.fills >= 2 * count


@pytest.mark.slow
@pytest.mark.serial
def test_fast_markets_go_through_their_whole_life():
    """With a virtual clock, so that twelve minutes of the demo take seconds."""
    with running_exchange(own_process=True, world="demo", live=True) as exchange:
        wait_for_depth(exchange)
        settled: set[str] = set()
        for _ in range(12):
            exchange.advance(minutes=1)
            wait_for_depth(exchange)
            answer = exchange.http.get(
                "/trade-api/v2/markets", params={"status": "settled", "limit": 1000}
            )
            settled |= {market["ticker"] for market in answer.json()["markets"]}
        beacons = {ticker for ticker in settled if ticker.startswith("KXBEACON")}
        pulses = {ticker for ticker in settled if ticker.startswith("KXPULSE")}
        assert len(beacons) >= 6
        assert len(pulses) >= 3
        results = {
            market["ticker"]: market["result"]
            for market in exchange.http.get(
                "/trade-api/v2/markets", params={"tickers": ",".join(sorted(beacons))}
            ).json()["markets"]
        }
        for event in {ticker.rpartition("-")[0] for ticker in beacons}:
            of_event = [result for ticker, result in results.items() if ticker.startswith(event)]
            assert sorted(of_event) == ["no", "no", "yes"]


@pytest.mark.serial
def test_bots_keep_still_in_a_pause_and_go_on_after_it():
    with running_exchange(own_process=True, world="demo", clock="real") as exchange:
        wait_for_depth(exchange)
        (bots,) = bots_of(exchange)
        exchange.operator.post("exchange", "pause")
        paused_at = exchange.operator.get("status")["sequence"]
        ticker = open_markets(exchange)[0]["ticker"]
        exchange.operator.post("exchange", "resume")
        # A reactivated market has lost all its orders; the makers bring them back.
        exchange.operator.post("markets", ticker, "pause")
        exchange.operator.post("markets", ticker, "resume")
        wait_for_depth(exchange)
        wait_until(
            lambda: exchange.operator.get("status")["sequence"] > paused_at + 20,
            seconds=60,
            what="the bots do not go on",
        )
        assert bots.is_running()


@pytest.mark.serial
def test_a_stream_survives_the_death_of_its_exchange(tmp_path):
    """Subscriptions come back, and the book is right again although much was missed."""
    with running_exchange(own_process=True, data=tmp_path, clock="real") as exchange:
        ticker = exchange.list_market()
        member = exchange.add_member()
        member.place(ticker, "buy", "yes", 5, 40)

        async def story() -> list[str]:
            seen = []
            stream = member.stream()
            books = Books(stream, [ticker])
            await books.start()
            book = books.books[ticker]
            async with contextlib.aclosing(stream.events()) as events:
                async for event in events:
                    await books.feed(event)
                    if isinstance(event, Connected | Disconnected):
                        seen.append(type(event).__name__)
                    if isinstance(event, Disconnected) and seen.count("Disconnected") == 1:
                        assert book.stale
                        await asyncio.to_thread(exchange.restart)
                        await asyncio.to_thread(member.place, ticker, "buy", "no", 7, 50)
                    elif not book.stale and book.yes == {4000: 500} and not book.no:
                        await asyncio.to_thread(exchange.kill)
                    elif not book.stale and book.no == {5000: 700}:
                        return seen
            raise AssertionError("the stream ended")

        seen = asyncio.run(asyncio.wait_for(story(), 60))
        assert seen[0] == seen[-1] == "Connected"
        assert "Disconnected" in seen


@pytest.mark.slow
@pytest.mark.serial
def test_a_fresh_demo_has_something_real_for_every_question():
    """Lists that are empty teach a newcomer nothing; live data that stands still, little."""
    with running_exchange(own_process=True, world="demo", clock="real") as exchange:

        def get(path: str, **query: Any) -> Any:
            answer = exchange.http.get(f"/trade-api/v2{path}", params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        (collection,) = get("/multivariate_event_collections", status="open")[
            "multivariate_contracts"
        ]
        ticker = collection["collection_ticker"]
        path = f"/multivariate_event_collections/{ticker}"
        assert get(path)["multivariate_contract"] == collection
        assert len(get(f"{path}/lookup", lookback_seconds=3600)["lookup_points"]) == 2
        events = get("/events/multivariate", with_nested_markets=True)["events"]
        assert len(events) == 2
        for event in events:
            for leg in event["markets"][0]["mve_selected_legs"]:
                assert get(f"/markets/{leg['market_ticker']}")["market"]["status"] == "active"

        milestones = get("/milestones", limit=100)["milestones"]
        assert len(milestones) >= 5
        listed = {event["event_ticker"] for event in get("/events")["events"]}
        for milestone in milestones:
            assert get(f"/milestones/{milestone['id']}")["milestone"]["title"]
            assert milestone["related_event_tickers"]
            assert set(milestone["related_event_tickers"]) <= listed
        ids = [milestone["id"] for milestone in milestones]
        before = get("/live_data/batch", milestone_ids=",".join(ids))["live_datas"]
        assert len(before) >= 4
        for row in before:
            assert get(f"/live_data/{row['type']}/milestone/{row['milestone_id']}")
        wait_until(
            lambda: before != get("/live_data/batch", milestone_ids=",".join(ids))["live_datas"],
            seconds=40,
            pause=0.5,
            what="live data stands still",
        )

        assert get("/structured_targets")["structured_targets"]
        kinds = {row["incentive_type"] for row in get("/incentive_programs")["incentive_programs"]}
        assert kinds == {"liquidity", "volume"}
        assert get("/incentive_programs", status="upcoming")["incentive_programs"]
        assert get("/series/fee_changes")["series_fee_change_arr"]
        assert get("/exchange/announcements")["announcements"]
        assert len(get("/exchange/schedule")["schedule"]["maintenance_windows"]) == 8
        assert get("/search/filters_by_sport")["sport_ordering"] == ["All sports", "Football"]
        assert "Politics" in get("/search/tags_by_categories")["tags_by_categories"]


def test_maintenance_pauses_a_server_for_two_hours_every_thursday():
    """Only where it is asked for, when the clock is virtual."""
    with running_exchange(clock_start="2026-03-01T14:00:00Z") as exchange:
        schedule = exchange.http.get("/trade-api/v2/exchange/schedule").json()["schedule"]
        assert schedule["maintenance_windows"] == []
        assert len(schedule["standard_hours"][0]["thursday"]) == 1
    with running_exchange(clock_start="2026-03-01T14:00:00Z", maintenance=True) as exchange:

        def trades() -> bool:
            answer = exchange.http.get("/trade-api/v2/exchange/status")
            return bool(answer.json()["trading_active"])

        schedule = exchange.http.get("/trade-api/v2/exchange/schedule").json()["schedule"]
        assert len(schedule["standard_hours"][0]["thursday"]) == 2
        assert schedule["maintenance_windows"][0] == {
            "start_datetime": "2026-03-05T08:00:00Z",
            "end_datetime": "2026-03-05T10:00:00Z",
        }
        assert trades()
        exchange.advance_to(datetime.fromisoformat("2026-03-05T09:00:00Z"))
        assert not trades()
        exchange.stop()
        exchange.restart()
        assert not trades()
        exchange.advance_to(datetime.fromisoformat("2026-03-05T10:00:00Z"))
        assert trades()
