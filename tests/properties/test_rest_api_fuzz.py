"""schemathesis against the exchange's own OpenAPI document: whatever is sent, what comes back is
documented.

The exchange holds the demo world, in which everything has happened that the examples of the API
tell. Usually some thousand requests are sent, in less than a minute of work; ``make fuzz-api
TIMES=20`` sends more. A failing run prints its seed and the requests that show what is wrong.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.app.world.apply import apply_world
from augury.app.world.loading import find_world, load_world
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.gateways.settings import RestSettings
from tests.examples import COLLECTION, EVENT, FERRY, GULLS, LAUNCH, MAYOR, Story, tell
from tests.rest_harness import SECOND, RestExchange, key_pair

ROOT = Path(__file__).resolve().parents[2]
TIMES = int(os.environ.get("AUGURY_API_FUZZ_TIMES", "1"))
"""How many times as many requests as usual. A number, not a time: a busy machine sends as many."""

CHECKS = (
    "as_documented",
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What is promised. The others judge what the document leaves open: unknown fields and empty
parameters are ignored here, and well-formed requests may be refused for what they say."""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestExchange]:
    running = RestExchange(tmp_path_factory.mktemp("fuzz"), RestSettings(rate_limits=False))
    running.start()
    try:
        running.call(apply_world(load_world(find_world("demo")), running.gate))
        tell(running)
        yield running
    finally:
        running.stop()


def facts_about(exchange: RestExchange) -> dict[str, Any]:
    """Keys of all kinds, and what there is to be named: things that live and things that ended."""
    story = Story(exchange)
    you, maker = story.you, story.maker
    # What an earlier run has left under way comes to an end.
    exchange.advance(60 * SECOND)
    for member in (you, maker):
        exchange.do(c.Deposit(member.member_id, 0, 10**11))
    group = you.post("/portfolio/order_groups/create", {"contracts_limit": 1000})["order_group_id"]
    orders = [
        you.order("buy", "yes", price, 3, MAYOR, order_group_id=group)["order_id"]
        for price in (21, 22, 23)
    ]
    orders += [you.order("buy", "yes", 20, 1, MAYOR, subaccount=1)["order_id"]]
    maker.order("sell", "yes", 45, 10_000, MAYOR)
    maker.order("buy", "yes", 15, 10_000, MAYOR)
    finished = [
        row["order_id"] for row in you.get("/portfolio/orders", status="executed")["orders"]
    ]
    wish: dict[str, Any] = {"market_ticker": MAYOR, "contracts": 20, "rest_remainder": True}
    wish["replace_existing"] = True
    rfqs = [caller.post("/communications/rfqs", wish)["id"] for caller in (you, maker)]
    bid = {"yes_bid": "0.3000", "no_bid": "0.5000", "rest_remainder": False}
    quotes = [
        caller.post("/communications/quotes", {"rfq_id": rfq, **bid})["id"]
        for caller, rfq in zip((maker, you), rfqs, strict=True)
    ]
    spare = you.post("/api_keys/generate", {"name": "spare"})["api_key_id"]
    markets = [MAYOR, FERRY, *exchange.state.events[EVENT].market_tickers]
    narrow = exchange.do(
        c.AddApiKey(you.member_id, "one", key_pair().public_pem, ("read", "write"), "", 1)
    ).sequence
    callers = [
        you,
        exchange.caller(you.member_id, ("read",)),
        exchange.caller(you.member_id, ("read", "write"), "latest"),
        exchange.caller(you.member_id, ("read", "write"), "legacy"),
        maker,
        story.clearing,
    ]
    keys = [caller.signer.key_id for caller in callers if caller.signer is not None]
    events = [EVENT, FERRY, "KXISLECHAMP-26"]
    return {
        "private_key": key_pair().private_pem,
        "keys": [*keys, format_id("api_key", narrow)],
        "known": {
            "ticker": markets + events,
            "tickers": markets,
            "market_ticker": markets,
            "market_tickers": markets,
            "event_ticker": events,
            "series_ticker": ["KXMAYOR", "KXFERRY", "KXMERCPI"],
            "order_id": orders + finished[:3],
            "order_ids": orders,
            "ids": orders,
            "order_group_id": [group],
            "rfq_id": rfqs,
            "quote_id": quotes,
            "api_key": [spare],
            "collection_ticker": [COLLECTION],
            "milestone_id": [LAUNCH],
            "milestone_ids": [LAUNCH],
            "type": ["launch", "limit"],
            "structured_target_id": [GULLS],
            "subtrader_id": ["customer-1"],
            "cursor": [you.get("/portfolio/orders", limit=1)["cursor"]],
            "user_id": [you.user_id],
            "public_key": [key_pair().public_pem],
            "client_transfer_id": ["0b8ad5a1-6f7c-4a3e-9c5b-2d8e1f4a7c10"],
            "price": ["0.4500", "0.4100", "0.2000"],
            "yes_price_dollars": ["0.4500", "0.2000"],
            "count_fp": ["1.00", "2.50"],
        },
    }


@pytest.mark.parametrize(
    "who, phases, requests_each, at_least",
    [
        # The phase "coverage" does not count: it tries every boundary of every parameter once.
        pytest.param("members", "examples,coverage,fuzzing", 2, 3000, id="members"),
        pytest.param("members", "stateful", 10, 20, id="members-one-thing-after-another"),
        pytest.param("strangers", "fuzzing", 2, 150, id="strangers"),
    ],
)
@pytest.mark.timeout(700 * TIMES)
def test_every_answer_is_documented(
    exchange: RestExchange,
    tmp_path: Path,
    seed: int,
    who: str,
    phases: str,
    requests_each: int,
    at_least: int,
) -> None:
    facts = facts_about(exchange)
    if who == "strangers":
        facts["keys"] = []
    place = tmp_path / "facts.json"
    place.write_text(json.dumps(facts))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "AUGURY_FUZZ_FACTS": str(place),
        "SCHEMATHESIS_HOOKS": "tests.api_fuzz_hooks",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{exchange.url}/trade-api/v2/openapi.json",
            *("--phases", phases, "--max-examples", str(TIMES * requests_each)),
            *("--checks", ",".join(CHECKS), "--seed", str(seed % 2**32)),
            *("--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure"),
            *("--request-timeout", "20", "--no-shrink"),
        ],
        cwd=tmp_path,  # it leaves files behind
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600 * TIMES,
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-12_000:]}\n{done.stderr[-2000:]}"
    sent = re.search(r"(\d+) generated", done.stdout)
    assert sent is not None
    assert int(sent[1]) >= at_least
