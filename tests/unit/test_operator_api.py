"""The operator API against a real core, log and history, without the network between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from augury.client import generate_key_pair
from augury.codec.text import parse_rfc3339
from augury.core.commands import PlaceOrder
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.gateways.operator.app import operator_app
from augury.gateways.operator.context import Operator, ServerFacts
from augury.gateways.operator.operations import OPERATIONS, PREFIX
from augury.gateways.operator.outcomes import Outcomes
from augury.log.memory import MemoryLog
from augury.projections.history import History
from augury.projections.queries import HistoryQueries
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock, VirtualClock

TOKEN = "a-token-of-the-tests"
START = "2026-03-01T12:00:00Z"
CLOSE = "2026-03-02T12:00:00Z"
PUBLIC_KEY = generate_key_pair().public_pem


class House:
    """An exchange with the operator's door and nothing else."""

    def __init__(self, client: httpx.AsyncClient, gate: Sequencer) -> None:
        self.client = client
        self.gate = gate

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Succeed, or fail the test with what was answered."""
        response = await self.refused(method, path, body, **query)
        assert response.is_success, response.text
        return response.json()

    async def refused(
        self, method: str, path: str, body: Any = None, **query: Any
    ) -> httpx.Response:
        return await self.client.request(method, PREFIX + path, json=body, params=query)

    async def list_market(self, ticker: str = "KXA-1", **fields: Any) -> Any:
        if "KXA" not in self.gate.state.series:
            await self.call("POST", "/series", {"ticker": "KXA", "title": "A series"})
            await self.call("POST", "/events", {"ticker": "KXA-EVENT", "series_ticker": "KXA"})
        body = {"ticker": ticker, "event_ticker": "KXA-EVENT", "close_time": CLOSE, **fields}
        return await self.call("POST", "/markets", body)

    async def member(self, email: str, deposit: str = "100.00") -> str:
        answer = await self.call("POST", "/members", {"email": email, "deposit": deposit})
        return str(answer["user_id"])

    def member_number(self, email: str) -> int:
        return self.gate.state.member_ids_by_email[email]

    async def trade(self, ticker: str, price: int = 4000, quantity: int = 1000) -> None:
        """Ten contracts between a buyer and a seller."""
        for email, side, own in (
            ("buyer@example.com", "yes", price),
            ("seller@example.com", "no", price),
        ):
            if email not in self.gate.state.member_ids_by_email:
                await self.member(email)
            applied = await self.gate.submit(
                PlaceOrder(self.member_number(email), 0, ticker, "", "buy", side, own, quantity)
            )
            assert applied.rejection is None


@asynccontextmanager
async def house(tmp_path: Path, virtual: bool = True) -> AsyncIterator[House]:
    log = MemoryLog()
    engine = Engine()
    clock = VirtualClock(parse_rfc3339(START)) if virtual else RealClock()
    gate = Sequencer(engine, log, clock)
    history = History(f"sqlite:///{tmp_path / 'history.db'}")
    assert history.open()
    queries = HistoryQueries(history.database)
    outcomes = Outcomes(0)
    gate.listen(history.feed)
    gate.listen(outcomes.listen)
    history.start()
    await gate.start()

    async def take_snapshot() -> tuple[int, str]:
        return gate.state.sequence, state_hash(gate.state)

    operator = Operator(
        gate=gate,
        log=log,
        history=history,
        queries=queries,
        outcomes=outcomes,
        facts=ServerFacts("0.test", 0, "3.6", True, "interpreted"),
        virtual_time=gate if virtual else None,
        take_snapshot=take_snapshot,
    )
    transport = httpx.ASGITransport(app=operator_app(operator, TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://exchange", headers=headers
        ) as client:
            yield House(client, gate)
    finally:
        await gate.stop()
        await asyncio.to_thread(history.close)
        queries.close()


# --- the door --------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
async def test_without_the_token_nothing_is_answered(tmp_path: Path, header: str) -> None:
    async with house(tmp_path) as h:
        h.client.headers["Authorization"] = header
        for operation in OPERATIONS:
            response = await h.refused(operation.method, operation.path)
            assert response.status_code == 401, operation.name
        assert h.gate.state.sequence == 0


async def test_the_documentation_is_open_and_describes_every_operation(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        del h.client.headers["Authorization"]
        document = (await h.client.get(PREFIX + "/openapi.json")).json()
        described = {
            (method.upper(), path)
            for path, methods in document["paths"].items()
            for method in methods
        }
        assert described == {(op.method, PREFIX + op.path) for op in OPERATIONS}
        page = await h.client.get(PREFIX)
        assert page.headers["content-type"].startswith("text/html")
        for operation in OPERATIONS:
            assert operation.summary.split(",")[0].split(";")[0] in page.text.replace("&#x27;", "'")


async def test_every_reference_of_the_document_leads_somewhere(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        text = (await h.client.get(PREFIX + "/openapi.json")).text
        document = msgspec.json.decode(text)
        known = document["components"]["schemas"]
        for part in text.split('"$ref":"')[1:]:
            assert part.split('"')[0].rsplit("/", 1)[-1] in known


async def test_an_operator_api_without_a_token_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a token"):
        operator_app(None, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body, status, field",
    [
        (b"{", 400, "body"),
        (b"[]", 400, "body"),
        (b'{"email": 1}', 400, "email"),
        (b'{"email": "a@example.com", "emial": 1}', 400, "emial"),
        (b'{"email": "a@example.com", "deposit": 10}', 400, "deposit"),
        (b'{"email": "a@example.com", "deposit": "NaN"}', 400, "deposit"),
        (b'{"email": "a@example.com", "deposit": "-1"}', 400, "deposit"),
        (b'{"email": "a@example.com", "deposit": "0.001"}', 400, "deposit"),
        (b'{"email": "a@example.com", "deposit": "9999999999999"}', 400, "deposit"),
        (b'{"email": "nobody"}', 400, "email"),
        (b'{"email": "a@example.com", "public_key": "PEM"}', 400, "public_key"),
        (b'{"email": "a@example.com", "scopes": ["trade"]}', 400, "scopes[0]"),
        (b"[" * 100_000, 400, "body"),
        (b"\xff", 400, "body"),
        (b" " * 1_000_001, 413, None),
    ],
)
async def test_a_wrong_body_is_named_and_changes_nothing(
    tmp_path: Path, body: bytes, status: int, field: str | None
) -> None:
    async with house(tmp_path) as h:
        response = await h.client.post(PREFIX + "/members", content=body)
        assert response.status_code == status, response.text
        if field is not None:
            assert list(response.json()["fields"]) == [field]
        assert h.gate.state.sequence == 0


async def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        body = {"email": "nobody", "deposit": "1.001", "public_key": "PEM", "scopes": ["write"]}
        response = await h.refused("POST", "/members", body)
        assert sorted(response.json()["fields"]) == ["deposit", "email", "public_key", "scopes"]


async def test_what_is_not_there_is_404_and_what_is_not_meant_405(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        for path in (
            "/members/nobody@example.com",
            "/members/6a7d3b0e-0000-4000-8000-000000000000",
            "/series/KXA",
            "/events/KXA",
            "/markets/KXA",
            "/documents/milestone/x",
            "/nowhere",
        ):
            assert (await h.refused("GET", path)).status_code == 404, path
        assert (await h.refused("DELETE", "/members")).status_code == 405
        assert (await h.refused("GET", "/members", limit="many")).status_code == 400
        assert (await h.refused("GET", "/members", limit=0)).status_code == 400
        assert (await h.refused("GET", "/members", colour="red")).status_code == 400


# --- members and money -----------------------------------------------------------------------


async def test_a_member_arrives_with_money_and_a_key(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        body = {"email": "a@example.com", "deposit": "10000.00", "public_key": PUBLIC_KEY}
        answer = await h.call("POST", "/members", body)
        shown = await h.call("GET", f"/members/{answer['user_id']}")
        assert shown == answer["member"] == await h.call("GET", "/members/a@example.com")
        assert shown["cash"] == "10000.0000"
        assert [key["api_key_id"] for key in shown["api_keys"]] == [answer["api_key_id"]]
        assert shown["api_keys"][0]["scopes"] == ["read", "write"]


async def test_an_email_is_taken_only_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.member("a@example.com")
        sequence = h.gate.state.sequence
        response = await h.refused("POST", "/members", {"email": "a@example.com"})
        assert (response.status_code, response.json()["code"]) == (409, "already_exists")
        assert h.gate.state.sequence == sequence


async def test_members_are_listed_in_pages_that_stay_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        emails = [f"m{number}@example.com" for number in range(5)]
        for email in emails:
            await h.member(email)
        first = await h.call("GET", "/members", limit=2)
        second = await h.call("GET", "/members", limit=2, cursor=first["cursor"])
        third = await h.call("GET", "/members", limit=2, cursor=second["cursor"])
        found = [m["email"] for page in (first, second, third) for m in page["members"]]
        assert found == emails
        assert third["cursor"] == ""
        assert (await h.refused("GET", "/members", cursor="x")).status_code == 400
        only = await h.call("GET", "/members", email="m3@example.com")
        assert [m["email"] for m in only["members"]] == ["m3@example.com"]


async def test_money_comes_and_goes_up_to_what_is_available(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.member("a@example.com", "100.00")
        moved = await h.call("POST", "/members/a@example.com/deposits", {"amount": "5.50"})
        assert moved["subaccount"]["available"] == "105.5000"
        too_much = await h.refused(
            "POST", "/members/a@example.com/withdrawals", {"amount": "105.51"}
        )
        assert too_much.status_code == 409
        assert too_much.json()["code"] == "available_balance_too_low"
        left = await h.call("POST", "/members/a@example.com/withdrawals", {"amount": "105.50"})
        assert left["subaccount"]["cash"] == "0.0000"
        missing = await h.refused(
            "POST", "/members/a@example.com/deposits", {"amount": "1", "subaccount": 3}
        )
        assert missing.status_code == 404
        zero = await h.refused("POST", "/members/a@example.com/deposits", {"amount": "0"})
        assert list(zero.json()["fields"]) == ["amount"]


async def test_the_ledger_balances_and_shows_both_sides(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        await h.trade("KXA-1")
        answer = await h.call("GET", "/ledger", limit=500)
        assert answer["totals"]["sum"] == "0.0000"
        assert answer["totals"]["escrow"] == "10.0000"
        assert answer["totals"]["outside"] == "-200.0000"
        kinds = {entry["kind"] for entry in answer["entries"]}
        assert {"deposit", "fill"} <= kinds
        user_id = (await h.call("GET", "/members/buyer@example.com"))["user_id"]
        mine = await h.call("GET", "/ledger", member="buyer@example.com")
        assert {entry["account"] for entry in mine["entries"]} == {f"cash:{user_id}:0"}


async def test_ledger_pages_join_without_gap_or_overlap(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        for number in range(4):
            await h.member(f"m{number}@example.com", f"{number + 1}.00")
        whole = (await h.call("GET", "/ledger", limit=100))["entries"]
        paged: list[Any] = []
        cursor = ""
        for _ in range(20):
            page = await h.call("GET", "/ledger", limit=3, cursor=cursor)
            paged += page["entries"]
            cursor = page["cursor"]
            if not cursor:
                break
        assert paged == whole
        assert (await h.refused("GET", "/ledger", cursor="1")).status_code == 400


async def test_a_suspended_member_loses_resting_orders_and_may_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        await h.member("a@example.com")
        number = h.member_number("a@example.com")
        await h.gate.submit(PlaceOrder(number, 0, "KXA-1", "", "buy", "yes", 4000, 100))
        answer = await h.call("PATCH", "/members/a@example.com", {"suspended": True})
        assert answer["suspended"] is True
        assert answer["open_orders"] == 0
        again = await h.call("PATCH", "/members/a@example.com", {"usage_tier": "prime"})
        assert (again["suspended"], again["usage_tier"]) == (True, "prime")
        back = await h.call("PATCH", "/members/a@example.com", {"suspended": False})
        assert back["suspended"] is False


async def test_keys_come_and_go(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.member("a@example.com")
        body = {"public_key": PUBLIC_KEY, "scopes": ["read"], "profile": "legacy", "name": "ro"}
        key = (await h.call("POST", "/members/a@example.com/keys", body))["api_key_id"]
        listed = (await h.call("GET", "/members/a@example.com/keys"))["api_keys"]
        assert [(k["api_key_id"], k["scopes"], k["profile"]) for k in listed] == [
            (key, ["read"], "legacy")
        ]
        await h.member("b@example.com")
        foreign = await h.refused("DELETE", f"/members/b@example.com/keys/{key}")
        assert foreign.status_code == 404
        await h.call("DELETE", f"/members/a@example.com/keys/{key}")
        assert (await h.call("GET", "/members/a@example.com/keys"))["api_keys"] == []


# --- listing ---------------------------------------------------------------------------------


async def test_series_event_and_market_are_listed_and_described(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        market = await h.list_market(
            title="Will it rain?", strike_type="greater", floor_strike=3, rules_primary="Rain."
        )
        assert market["status"] == "active"
        assert market["details"]["floor_strike"] == 3
        assert market["price_ranges"] == [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
        assert market["latest_expiration_time"] == "2026-03-09T12:00:00Z"
        changed = await h.call("PATCH", "/markets/KXA-1", {"title": "Will it pour?"})
        assert changed["details"]["title"] == "Will it pour?"
        assert changed["details"]["rules_primary"] == "Rain."
        series = await h.call("PATCH", "/series/KXA", {"tags": ["Rain", "New York"]})
        assert series["details"] == {"title": "A series", "tags": ["Rain", "New York"]}
        event = await h.call("PATCH", "/events/KXA-EVENT", {"sub_title": "On a day"})
        assert event["market_tickers"] == ["KXA-1"]
        assert event["details"] == {"sub_title": "On a day"}
        found = await h.call("GET", "/markets", event_ticker="KXA-EVENT", status="active")
        assert [m["ticker"] for m in found["markets"]] == ["KXA-1"]
        assert (await h.call("GET", "/markets", status="closed"))["markets"] == []


async def test_a_price_grid_can_only_become_finer(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        finer = await h.call("PATCH", "/markets/KXA-1", {"price_level_structure": "deci_cent"})
        assert finer["price_ranges"][0]["step"] == "0.0010"
        coarser = await h.refused(
            "PATCH", "/markets/KXA-1", {"price_level_structure": "linear_cent"}
        )
        assert coarser.status_code == 400
        unknown = await h.refused("PATCH", "/markets/KXA-1", {"price_level_structure": "own"})
        assert list(unknown.json()["fields"]) == ["price_level_structure"]


@pytest.mark.parametrize(
    "fields, wrong",
    [
        ({"ticker": "lower"}, "ticker"),
        ({"close_time": "tomorrow"}, "close_time"),
        ({"open_time": CLOSE}, "close_time"),
        ({"latest_expiration_time": START}, "latest_expiration_time"),
        ({"settlement_timer_seconds": -1}, "settlement_timer_seconds"),
        ({"market_type": "categorical"}, "market_type"),
        ({"price_level_structure": "own"}, "price_level_structure"),
        (
            {
                "price_level_structure": "own",
                "price_ranges": [{"start": "0", "end": "one", "step": "0.01"}],
            },
            "price_ranges[0].end",
        ),
    ],
)
async def test_a_market_that_makes_no_sense_is_refused(
    tmp_path: Path, fields: dict[str, Any], wrong: str
) -> None:
    async with house(tmp_path) as h:
        await h.list_market("KXA-0")
        body = {"ticker": "KXA-1", "event_ticker": "KXA-EVENT", "close_time": CLOSE, **fields}
        response = await h.refused("POST", "/markets", body)
        assert response.status_code == 400
        assert wrong in response.json()["fields"]


async def test_listing_twice_or_under_nothing_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        twice = {"ticker": "KXA-1", "event_ticker": "KXA-EVENT", "close_time": CLOSE}
        refused = await h.refused("POST", "/markets", twice)
        assert (refused.status_code, refused.json()["message"]) == (409, "already exists: KXA-1")
        orphan = {**twice, "ticker": "KXA-2", "event_ticker": "KXB"}
        refused = await h.refused("POST", "/markets", orphan)
        assert (refused.status_code, refused.json()["message"]) == (404, "not found: KXB")


# --- lifecycle and time ----------------------------------------------------------------------


async def test_a_market_can_close_at_the_moment_at_which_it_opened(tmp_path: Path) -> None:
    """A clock that stands still must not keep an operator from closing what just opened."""
    async with house(tmp_path) as h:
        await h.list_market("KXA-1", open_time=START)
        closed = await h.call("POST", "/markets/KXA-1/close-time", {"close_time": START})
        assert closed["status"] == "closed"
        await h.list_market("KXA-2", open_time="2026-03-01T13:00:00Z")
        never = {"close_time": "2026-03-01T13:00:00Z"}
        refused = await h.refused("POST", "/markets/KXA-2/close-time", never)
        assert refused.json()["message"] == "close_time must be after open_time"


async def test_a_market_lives_from_pause_to_payment(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market(settlement_timer_seconds=60)
        await h.trade("KXA-1")
        assert (await h.call("POST", "/markets/KXA-1/pause"))["status"] == "inactive"
        assert (await h.refused("POST", "/markets/KXA-1/pause")).status_code == 409
        assert (await h.call("POST", "/markets/KXA-1/resume"))["status"] == "active"

        moved = await h.call("POST", "/clock/next")
        assert moved["time"] == CLOSE
        assert (await h.call("GET", "/markets/KXA-1"))["status"] == "closed"
        later = {"close_time": "2026-03-02T18:00:00Z"}
        assert (await h.call("POST", "/markets/KXA-1/close-time", later))["status"] == "active"
        await h.call("POST", "/clock/advance", {"to": "2026-03-02T18:00:00Z"})

        body = {"result": "yes", "expiration_value": "4.2 inches"}
        determined = await h.call("POST", "/markets/KXA-1/determine", body)
        assert determined["status"] == "determined"
        assert determined["settlement_due_time"] == "2026-03-02T18:01:00Z"
        assert (await h.call("POST", "/markets/KXA-1/dispute"))["status"] == "disputed"
        amended = await h.call("POST", "/markets/KXA-1/determine", {"result": "no"})
        assert (amended["status"], amended["result"]) == ("amended", "no")
        paid = await h.call("POST", "/clock/advance", {"by_seconds": 60})
        assert "market_settled" in [event["event"] for event in paid["events"]]
        assert (await h.call("GET", "/markets/KXA-1"))["status"] == "finalized"
        assert (await h.call("GET", "/ledger"))["totals"]["escrow"] == "0.0000"


async def test_a_scalar_market_needs_its_value_and_others_refuse_one(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market("KXA-S", market_type="scalar")
        await h.list_market("KXA-1")
        missing = await h.refused("POST", "/markets/KXA-S/determine", {"result": "scalar"})
        assert list(missing.json()["fields"]) == ["settlement_value"]
        too_much = {"result": "scalar", "settlement_value": "1.01"}
        wrong = await h.refused("POST", "/markets/KXA-S/determine", too_much)
        assert list(wrong.json()["fields"]) == ["settlement_value"]
        odd = {"result": "yes", "settlement_value": "1"}
        assert (await h.refused("POST", "/markets/KXA-1/determine", odd)).status_code == 400
        body = {"result": "scalar", "settlement_value": "0.3725"}
        done = await h.call("POST", "/markets/KXA-S/determine", body)
        assert done["settlement_value"] == "0.3725"


async def test_a_step_tells_everything_that_happened_on_the_way(tmp_path: Path) -> None:
    """Advancing far fires several timers, each at its own time; the answer names all of them."""
    async with house(tmp_path) as h:
        await h.list_market("KXA-1", close_time="2026-03-01T13:00:00Z")
        await h.list_market("KXA-2", close_time="2026-03-01T14:00:00Z")
        moved = await h.call("POST", "/clock/advance", {"by_seconds": 3 * 3600})
        closed = [e["fields"]["ticker"] for e in moved["events"]]
        assert closed == ["KXA-1", "KXA-2"]
        assert moved["event_count"] == 2
        assert moved["time"] == "2026-03-01T15:00:00Z"
        assert moved["next_timer_time"] is None
        nothing = await h.refused("POST", "/clock/next")
        assert (nothing.status_code, nothing.json()["code"]) == (409, "no_timer")


@pytest.mark.parametrize(
    "body",
    [{}, {"by_seconds": 1, "to": CLOSE}, {"to": "2026-01-01T00:00:00Z"}, {"by_seconds": -1}],
)
async def test_the_clock_is_not_moved_by_nonsense(tmp_path: Path, body: dict[str, Any]) -> None:
    async with house(tmp_path) as h:
        assert (await h.refused("POST", "/clock/advance", body)).status_code == 400
        assert (await h.call("GET", "/clock"))["time"] == START


async def test_a_real_clock_cannot_be_moved(tmp_path: Path) -> None:
    async with house(tmp_path, virtual=False) as h:
        assert (await h.call("GET", "/clock"))["mode"] == "real"
        response = await h.refused("POST", "/clock/next")
        assert (response.status_code, response.json()["code"]) == (409, "real_clock")


async def test_an_exchange_pause_refuses_everything_but_its_end(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.member("a@example.com")
        trading = await h.call("POST", "/trading/pause")
        assert (trading["exchange_active"], trading["trading_active"]) == (True, False)
        await h.call("POST", "/trading/resume")
        paused = await h.call("POST", "/exchange/pause", {"estimated_resume_time": CLOSE})
        assert paused == {
            "exchange_active": False,
            "trading_active": False,
            "estimated_resume_time": CLOSE,
        }
        refused = await h.refused("POST", "/members/a@example.com/deposits", {"amount": "1"})
        assert (refused.status_code, refused.json()["code"]) == (409, "exchange_paused")
        resumed = await h.call("POST", "/exchange/resume")
        assert resumed["exchange_active"]
        assert (await h.call("GET", "/exchange")) == resumed


# --- information -----------------------------------------------------------------------------


async def test_announcements_schedule_and_documents_are_kept(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.call("POST", "/announcements", {"message": "first"})
        await h.call("POST", "/announcements", {"message": "second", "type": "warning"})
        found = (await h.call("GET", "/announcements"))["announcements"]
        assert [item["message"] for item in found] == ["second", "first"]

        week = {"start_time": START, "end_time": CLOSE, "monday": [
            {"open_time": "00:00", "close_time": "00:00"}]}  # fmt: skip
        schedule = await h.call("PUT", "/schedule", {"standard_hours": [week]})
        assert schedule["schedule"]["standard_hours"][0]["monday"] == week["monday"]
        backwards = {"standard_hours": [{"start_time": CLOSE, "end_time": START}]}
        wrong = await h.refused("PUT", "/schedule", backwards)
        assert list(wrong.json()["fields"]) == ["standard_hours[0].end_time"]

        game = {"title": "A game", "type": "game", "category": "Sports", "start_date": START}
        await h.call("PUT", "/documents/milestone/m1", {"details": game})
        assert (await h.call("GET", "/documents"))["kinds"] == {"milestone": 1}
        assert (await h.call("GET", "/documents/milestone/m1"))["details"]["title"] == "A game"
        assert len((await h.call("GET", "/documents/milestone"))["documents"]) == 1
        await h.call("DELETE", "/documents/milestone/m1")
        assert (await h.refused("GET", "/documents/milestone/m1")).status_code == 404
        assert (await h.refused("DELETE", "/documents/milestone/m1")).status_code == 404


async def test_documents_that_the_public_api_reads_are_checked(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()

        async def wrong(kind: str, key: str, details: dict[str, Any]) -> list[str]:
            answer = await h.refused("PUT", f"/documents/{kind}/{key}", {"details": details})
            assert answer.status_code == 400, answer.text
            return sorted(answer.json()["fields"])

        assert await wrong("milestone", "m", {"title": "A"}) == ["category", "start_date", "type"]
        game = {"title": "A game", "type": "game", "category": "Sports", "start_date": START}
        assert await wrong("milestone", "m", {**game, "id": "n"}) == ["id"]
        assert await wrong("milestone", "m", {**game, "end_date": "2026-02-01T00:00:00Z"}) == [
            "end_date"
        ]
        assert await wrong("milestone", "m", {**game, "related_event_tickers": [1]}) == [
            "related_event_tickers"
        ]
        live = {"type": "game", "details": {"home": 1}}
        assert await wrong("live_data", "m", live) == ["key"]
        kept = await h.call("PUT", "/documents/milestone/m", {"details": game})
        assert kept["details"]["last_updated_ts"] == START
        assert kept["details"]["primary_event_tickers"] == []
        await h.call("PUT", "/documents/live_data/m", {"details": live})
        assert await wrong("live_data", "m", {"type": "game", "details": []}) == ["details"]

        assert await wrong("structured_target", "t", {"name": "T"}) == ["type"]
        await h.call(
            "PUT", "/documents/structured_target/t", {"details": {"name": "T", "type": "x"}}
        )

        reward = {"market_ticker": "KXA-1", "incentive_type": "volume", "period_reward": 10_000,
                  "start_date": START, "end_date": CLOSE}  # fmt: skip
        assert await wrong("incentive_program", "i", {**reward, "market_ticker": "NONE"}) == [
            "market_ticker"
        ]
        bad = {**reward, "period_reward": 1.5, "incentive_type": "luck", "end_date": None}
        assert await wrong("incentive_program", "i", bad) == [
            "end_date",
            "incentive_type",
            "period_reward",
        ]
        await h.call("PUT", "/documents/incentive_program/i", {"details": reward})

        sports = {"filters_by_sports": {"Football": {"scopes": ["Games"], "competitions": {}}}}
        assert await wrong("sports_filters", "some", sports) == ["key"]
        assert await wrong("sports_filters", "all", {**sports, "sport_ordering": ["Chess"]}) == [
            "sport_ordering"
        ]
        odd = {"filters_by_sports": {"Golf": {"scopes": "all", "competitions": {"Open": 1}}}}
        assert await wrong("sports_filters", "all", odd) == [
            "filters_by_sports.Golf.competitions.Open",
            "filters_by_sports.Golf.scopes",
        ]
        kept = await h.call("PUT", "/documents/sports_filters/all", {"details": sports})
        assert kept["details"]["sport_ordering"] == ["Football"]


# --- terms -----------------------------------------------------------------------------------


async def test_maintenance_windows_pause_trading_by_themselves(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        first = {"start_datetime": "2026-03-01T13:00:00Z", "end_datetime": "2026-03-01T14:00:00Z"}
        later = {"start_datetime": "2026-03-03T00:00:00Z", "end_datetime": "2026-03-03T01:00:00Z"}
        answer = await h.call("PUT", "/maintenance", {"windows": [later, first]})
        assert answer == {"windows": [first, later], "in_maintenance": False}
        assert (await h.call("GET", "/schedule"))["schedule"]["maintenance_windows"] == [
            first,
            later,
        ]
        overlapping = {**later, "start_datetime": "2026-03-01T13:30:00Z"}
        wrong = await h.refused("PUT", "/maintenance", {"windows": [first, overlapping]})
        assert wrong.json()["fields"] == {"windows": "must not overlap"}
        wrong = await h.refused(
            "PUT", "/maintenance", {"windows": [{**first, "end_datetime": START}]}
        )
        assert list(wrong.json()["fields"]) == ["windows[0].end_datetime"]

        await h.call("POST", "/clock/advance", {"to": "2026-03-01T13:30:00Z"})
        assert (await h.call("GET", "/exchange"))["trading_active"] is False
        assert (await h.call("GET", "/maintenance"))["in_maintenance"] is True
        await h.call("POST", "/clock/advance", {"to": "2026-03-01T14:00:00Z"})
        assert (await h.call("GET", "/exchange"))["trading_active"] is True
        assert (await h.call("GET", "/maintenance"))["windows"] == [later]

        # A published schedule may bring its windows along; without any, those in force stay.
        await h.call("PUT", "/schedule", {"standard_hours": []})
        assert (await h.call("GET", "/maintenance"))["windows"] == [later]
        await h.call("PUT", "/schedule", {"standard_hours": [], "maintenance_windows": []})
        assert (await h.call("GET", "/maintenance"))["windows"] == []


async def test_fees_change_at_their_time(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        change = {"series_ticker": "KXA", "fee_type": "flat", "fee_multiplier": 0.5}
        late = await h.refused(
            "POST", "/fee-changes", {**change, "scheduled_time": "2026-02-01T00:00:00Z"}
        )
        assert late.json()["fields"] == {"scheduled_time": "is in the past"}
        unknown = {**change, "series_ticker": "KXB", "scheduled_time": CLOSE}
        assert (await h.refused("POST", "/fee-changes", unknown)).status_code == 404
        made = await h.call("POST", "/fee-changes", {**change, "scheduled_time": CLOSE})
        assert (await h.call("GET", "/fee-changes"))["fee_changes"] == [made]
        assert (await h.call("GET", "/series/KXA"))["fee_type"] == "quadratic"
        await h.call("POST", "/clock/advance", {"to": CLOSE})
        assert (await h.call("GET", "/series/KXA"))["fee_type"] == "flat"
        assert (await h.call("GET", "/fee-changes"))["fee_changes"] == [{**made, "applied": True}]


async def test_collections_are_created_listed_and_shown(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        await h.call("POST", "/series", {"ticker": "KXMVEA"})
        body = {
            "ticker": "KXMVEA-R",
            "series_ticker": "KXMVEA",
            "close_date": CLOSE,
            "title": "Anything",
            "associated_events": [{"ticker": "KXA-EVENT", "is_yes_only": True, "size_max": 2}],
        }
        wrong = await h.refused("POST", "/collections", {**body, "series_ticker": "KXA"})
        assert list(wrong.json()["fields"]) == ["series_ticker"]
        wrong = await h.refused("POST", "/collections", {**body, "size_min": 3, "size_max": 2})
        assert list(wrong.json()["fields"]) == ["size_max"]
        wrong = await h.refused("POST", "/collections", {**body, "close_date": START})
        assert list(wrong.json()["fields"]) == ["close_date"]
        nowhere = {**body, "associated_events": [{"ticker": "KXB-EVENT"}]}
        assert (await h.refused("POST", "/collections", nowhere)).status_code == 404
        made = await h.call("POST", "/collections", body)
        assert (made["open_date"], made["size_min"], made["size_max"]) == (START, 2, 0)
        assert made["details"] == {"title": "Anything"}
        assert (await h.refused("POST", "/collections", body)).status_code == 409
        assert (await h.call("GET", "/collections"))["collections"] == [made]
        assert await h.call("GET", "/collections/KXMVEA-R") == made
        assert (await h.refused("GET", "/collections/NONE")).status_code == 404


async def test_nested_strikes_are_read_from_the_markets(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.call("POST", "/series", {"ticker": "KXN"})
        event = {"ticker": "KXN-E", "series_ticker": "KXN", "collateral_return_type": "DIRECNET"}
        await h.call("POST", "/events", event)
        for ticker, strike in (("KXN-30", 30), ("KXN-10", 10), ("KXN-20", 20.5)):
            body = {"ticker": ticker, "event_ticker": "KXN-E", "close_time": CLOSE}
            await h.call(
                "POST", "/markets", {**body, "strike_type": "greater", "floor_strike": strike}
            )
        shown = await h.call("GET", "/events/KXN-E")
        assert shown["strike_order"] == ["KXN-10", "KXN-20", "KXN-30"]
        assert shown["strikes_below"] is False
        order = {"market_tickers": ["KXN-20", "KXN-10", "KXN-30"], "below": True}
        shown = await h.call("PUT", "/events/KXN-E/strike-order", order)
        assert (shown["strike_order"], shown["strikes_below"]) == (order["market_tickers"], True)
        await h.call("PATCH", "/markets/KXN-10", {"floor_strike": 40})
        shown = await h.call("GET", "/events/KXN-E")
        assert shown["strike_order"] == ["KXN-20", "KXN-30", "KXN-10"]
        # Once somebody holds a position, the order decides what was returned: it stays.
        await h.trade("KXN-10")
        await h.call("PATCH", "/markets/KXN-10", {"floor_strike": 10})
        assert (await h.call("GET", "/events/KXN-E"))["strike_order"] == shown["strike_order"]
        assert (await h.refused("PUT", "/events/KXN-E/strike-order", order)).status_code == 409


async def test_clearing_members_and_subaccounts(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.member("fcm@example.com")
        base = "/members/fcm@example.com"
        assert (await h.call("GET", base + "/subtraders"))["subtraders"] == []
        made = await h.call("POST", base + "/subtraders", {"subtrader_id": "customer-1"})
        assert (made["subtrader_id"], made["cash"]) == ("customer-1", "0.0000")
        twice = await h.refused("POST", base + "/subtraders", {"subtrader_id": "customer-1"})
        assert twice.status_code == 409
        await h.call("POST", base + "/deposits", {"amount": "5.00", "subtrader_id": "customer-1"})
        (row,) = (await h.call("GET", base + "/subtraders"))["subtraders"]
        assert row["cash"] == "5.0000"
        both = {"amount": "5.00", "subtrader_id": "customer-1", "subaccount": 1}
        assert (await h.refused("POST", base + "/deposits", both)).status_code == 400
        nobody = {"amount": "5.00", "subtrader_id": "nobody"}
        assert (await h.refused("POST", base + "/deposits", nobody)).status_code == 404
        assert (await h.call("POST", base + "/subaccounts"))["subaccount"] == 1
        assert (await h.call("POST", base + "/subaccounts"))["subaccount"] == 2


# --- records ---------------------------------------------------------------------------------


async def test_the_audit_trail_tells_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        user_id = await h.member("a@example.com")
        number = h.member_number("a@example.com")
        await h.gate.submit(PlaceOrder(number, 0, "KXA-1", "mine", "buy", "no", 6000, 150))
        trail = await h.call("GET", "/audit", after=0)
        assert [record["command"] for record in trail["records"]] == [
            "create_series",
            "create_event",
            "create_market",
            "create_member",
            "deposit",
            "place_order",
        ]
        assert trail["complete"]
        order = trail["records"][-1]
        assert order["outcome"] == "invalid_order_size"  # fractions are off in this market
        assert order["fields"]["user_id"] == user_id
        assert order["fields"]["price"] == "0.6000"
        assert order["fields"]["quantity"] == "1.50"
        assert order["fields"]["expiration_time"] is None
        assert order["time"] == START
        assert trail["records"][4]["outcome"] == "applied"
        assert trail["records"][4]["fields"]["amount"] == "100.0000"


async def test_the_audit_trail_can_be_filtered_and_paged(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        for number in range(5):
            await h.member(f"m{number}@example.com")
        newest = await h.call("GET", "/audit", limit=2)
        assert [r["sequence"] for r in newest["records"]] == [12, 13]
        first = await h.call("GET", "/audit", after=0, limit=4)
        assert (first["next_after"], first["complete"]) == (4, False)
        second = await h.call("GET", "/audit", after=first["next_after"], limit=500)
        assert second["records"][0]["sequence"] == 5
        deposits = await h.call("GET", "/audit", command="deposit", limit=3)
        assert [r["sequence"] for r in deposits["records"]] == [9, 11, 13]
        mine = await h.call("GET", "/audit", member="m1@example.com")
        assert [r["command"] for r in mine["records"]] == ["deposit"]
        market = await h.call("GET", "/audit", market="KXA-1")
        assert [r["command"] for r in market["records"]] == ["create_market"]
        assert (await h.refused("GET", "/audit", after=99)).status_code == 400


async def test_status_hash_and_snapshot_agree_on_where_the_exchange_is(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.list_market()
        await h.member("a@example.com")
        status = await h.call("GET", "/status")
        assert (status["sequence"], status["markets"], status["members"]) == (5, 1, 1)
        assert status["clock"] == {"mode": "virtual", "time": START, "next_timer_time": CLOSE}
        digest = await h.call("GET", "/state-hash")
        assert digest["sequence"] == 5
        assert await h.call("POST", "/snapshots") == digest


async def test_a_stopping_exchange_says_so_instead_of_failing(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.gate.stop()
        response = await h.refused("POST", "/members", {"email": "a@example.com"})
        assert (response.status_code, response.json()["code"]) == (503, "stopping")
        assert (await h.refused("GET", "/status")).status_code == 200
