"""The reference of the trading API as a reader meets it: whole, linked, and its commands run."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from augury.app.reference_page import SIGNED, curl, reference_page
from augury.gateways.rest.openapi import document
from augury.gateways.rest.operations import BUILT
from augury.testing import RunningExchange, running_exchange
from tests.conftest import require_external


class Page(HTMLParser):
    """What a page names, links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        self.loaded += [str(found[name]) for name in ("src", "srcset", "data") if name in found]
        if tag == "link":
            self.loaded.append(str(found.get("href")))


def test_every_operation_and_type_has_its_place_and_every_link_leads_there() -> None:
    page = Page(reference_page())
    assert len(page.ids) == len(set(page.ids))
    assert {operation.id for operation in BUILT} <= set(page.ids)
    assert {f"type-{name}" for name in document()["components"]["schemas"]} <= set(page.ids)
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    served = {"/", "/coverage", "/docs/websocket", "/openapi.yaml", "/openapi.json"}
    assert {link for link in page.links if not link.startswith("#")} <= served


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(reference_page())
    assert page.loaded == []
    style = re.search("<style>(.*?)</style>", reference_page(), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_what_an_operation_can_answer_is_on_the_page() -> None:
    """For an operation with many refusals: each code, each field, each value of a choice."""
    page = reference_page()
    begin = page.index('id="CreateOrder"', page.index("<main>"))
    section = page[begin : page.index("</section>", begin)]
    for word in (
        "write::trade",
        "fill_or_kill_insufficient_resting_volume",
        "immediate_or_cancel",
        "self_trade_prevention_type",
        "type-OrderResponse",
        "my-first-order",
    ):
        assert word in section, word


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(world="demo") as running:
        yield running


def test_the_documents_are_served_at_the_root_and_below_the_api(exchange: RunningExchange) -> None:
    for path in ("/openapi.yaml", "/trade-api/v2/openapi.yaml"):
        answer = exchange.http.get(path)
        assert answer.headers["content-type"] == "application/yaml"
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        assert yaml.load(answer.content, loader) == document()
    for path in ("/openapi.json", "/trade-api/v2/openapi.json"):
        assert exchange.http.get(path).json() == document()
    answer = exchange.http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == reference_page()
    assert exchange.http.post("/docs").status_code == 405


def test_its_commands_run_as_they_stand_in_a_fresh_demo(
    exchange: RunningExchange, tmp_path: Path
) -> None:
    """Two of each kind, pasted into a shell: public and signed, with a query and with a body."""
    for tool in ("bash", "curl", "openssl"):
        require_external(tool, shutil.which(tool) is not None)
    member = exchange.add_member("reader@example.com", deposit="100.00")
    key = tmp_path / "key.pem"
    key.write_text(member.private_key_pem)
    script = SIGNED.replace("URL=http://127.0.0.1:8080", f"URL={exchange.url}")
    script = script.replace("KEY_ID=...", f"KEY_ID={member.api_key_id}")
    script = script.replace("KEY_FILE=...", f"KEY_FILE={key}")
    named = {
        operation["operationId"]: curl(method, path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }

    def run(operation_id: str) -> dict[str, object]:
        done = subprocess.run(
            ["bash", "-euc", script + named[operation_id]],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        answer: dict[str, object] = json.loads(done.stdout)
        assert "error" not in answer, answer
        return answer

    assert run("GetMarkets")["markets"]
    assert run("GetMarket")["market"]
    assert run("GetBalance")["balance"] == 10_000
    order = run("CreateOrder")["order"]
    assert isinstance(order, dict)
    assert order["client_order_id"] == "my-first-order"
    assert run("GetOrders")["orders"] == []
    assert run("GetOrderQueuePositions")["queue_positions"]
