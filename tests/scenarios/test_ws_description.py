"""The stream describes itself: an AsyncAPI document and a page, both of what is really sent.

``tests.ws_schemas.check_shape`` holds every message of the other tests against the document.
"""

import json
import re
import subprocess
from html import unescape
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from augury.gateways.ws import asyncapi
from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.errors import CAUSES, TEXTS
from augury.testing import RunningExchange
from tests import ws_examples
from tests.node_programs import PACKAGES, node
from tests.ws_schemas import check_shape, documented, published

MESSAGES = {kind for content in asyncapi.CONTENTS.values() for kind in content.messages}


def test_the_official_parser_finds_nothing_wrong() -> None:
    """It checks the document, its references, and the examples against their schemas."""
    result = subprocess.run(
        [node(), "validate_asyncapi.mjs"],
        cwd=PACKAGES,
        input=asyncapi.document_yaml(),
        capture_output=True,
        timeout=120,
        check=True,
    )
    report = json.loads(result.stdout)
    # 0 is an error, 1 a warning, 2 a hint: there is one, about a newer version of AsyncAPI.
    assert [problem for problem in report["problems"] if problem["severity"] < 2] == []
    assert report["channels"] == ["commands", *CHANNELS]
    assert set(report["messages"]) == {*MESSAGES, *asyncapi.COMMANDS, *asyncapi.REPLIES}
    assert set(asyncapi.COMMANDS) <= set(report["operations"])


def test_nothing_that_can_be_sent_is_missing() -> None:
    assert list(asyncapi.CONTENTS) == list(CHANNELS)
    replies = {kind for kind, _ in asyncapi.REPLIES.values()} | {"list"}
    # Both descriptions that messages are held against know the same messages.
    assert set(published()) == MESSAGES | replies
    assert set(documented()) == MESSAGES | replies | set(asyncapi.COMMANDS)
    assert list(CAUSES) == list(TEXTS)


def test_the_examples_are_what_an_exchange_sends() -> None:
    """`python -m tests.ws_examples --write` renews them after a change of messages."""
    played = ws_examples.played()
    assert set(played) == {*MESSAGES, *asyncapi.COMMANDS, *asyncapi.REPLIES}
    assert asyncapi.examples() == played
    for kind, example in played.items():
        if kind in asyncapi.COMMANDS:
            documented()[kind].validate(example)
        else:
            check_shape(example)


@pytest.mark.parametrize(
    "kind, change",
    [
        ("trade", {"count_fp": 4}),
        ("trade", {"taker_side": "maybe"}),
        ("fill", {"fee_cost": 7}),
        ("fill", {"unheard_of": 1}),
        ("ticker_v2", {"ts": None}),
        ("user_order", {"status": "pending"}),
        ("market_lifecycle_v2", {"event_type": "opened"}),
    ],
)
def test_what_would_be_wrong_is_noticed(kind: str, change: dict[str, Any]) -> None:
    """The checks of shapes can fail, in both descriptions."""
    message = asyncapi.examples()[kind]
    wrong = {**message, "msg": {**message["msg"], **change}}
    assert documented()[kind].is_valid(message)
    assert not documented()[kind].is_valid(wrong)
    assert not published()[kind].is_valid(wrong)


def test_a_message_without_what_must_be_there_is_noticed() -> None:
    for kind in MESSAGES:
        schema = documented()[kind]
        message = asyncapi.examples()[kind]
        for field in message:
            assert not schema.is_valid({k: v for k, v in message.items() if k != field}), kind
    created = asyncapi.examples()["rfq_created"]
    without = {k: v for k, v in created["msg"].items() if k != "created_ts"}
    assert not documented()["rfq_created"].is_valid({**created, "msg": without})


def test_the_server_shows_the_document_and_a_page(augury_exchange: RunningExchange) -> None:
    http = augury_exchange.http
    as_json, as_yaml = http.get("/asyncapi.json"), http.get("/asyncapi.yaml")
    assert as_json.headers["content-type"] == "application/json"
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == as_json.json() == asyncapi.document()
    assert http.post("/asyncapi.json").status_code == 405

    page = http.get("/docs/websocket")
    assert page.headers["content-type"].startswith("text/html")
    assert 'href="/docs/websocket"' in http.get("/").text
    text = unescape(re.sub("<[^>]*>", "", page.text))
    for code, cause in CAUSES.items():
        assert f"{code}{TEXTS[code]}{cause.replace('`', '')}" in text
    for kind, example in asyncapi.examples().items():
        assert f">{kind}<" in page.text or kind in asyncapi.REPLIES
        assert json.dumps(example) in text
    for name, schema in as_json.json()["components"]["schemas"].items():
        Draft7Validator.check_schema(schema)
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in page.text or name not in shown_types(), (name, field)


def shown_types() -> set[str]:
    """The page has a table for the body of every message."""
    return {
        message.body.__name__
        for content in asyncapi.CONTENTS.values()
        for message in content.messages.values()
    }
