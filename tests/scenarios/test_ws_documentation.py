"""The reference page of the WebSocket API is true: its example runs, its tables are the code's."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from augury.gateways.ws.asyncapi import CONTENTS
from augury.gateways.ws.channels import CHANNELS
from augury.gateways.ws.errors import CAUSES, TEXTS
from augury.testing.exchange import RunningExchange
from tests.ws_schemas import check_shape


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "api" / "websocket.md").read_text(encoding="utf-8")


def table(page: str, name: str) -> list[list[str]]:
    between = page.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->", maxsplit=1)[0]
    rows = [line for line in between.strip().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_table_of_errors_is_complete(page: str) -> None:
    rows = table(page, "errors")
    assert {int(code): (text, when) for code, text, when in rows} == {
        code: (text, CAUSES[code]) for code, text in TEXTS.items()
    }


def test_the_table_of_channels_is_complete(page: str) -> None:
    rows = table(page, "channels")
    assert [name.strip("`") for name, *_ in rows] == list(CHANNELS)
    for name, messages, who, markets, changes, seq in rows:
        channel = CHANNELS[name.strip("`")]
        assert messages == ", ".join(f"`{kind}`" for kind in CONTENTS[channel.name].messages)
        actions = [action.removesuffix("_markets") for action in channel.actions]
        assert changes == ", ".join(action.removeprefix("get_") for action in actions)
        assert who == ("own" if channel.own else "signed" if channel.private else "everybody")
        assert markets == channel.markets
        assert bool(seq) == channel.sequenced


def test_the_messages_shown_have_the_published_shapes(page: str) -> None:
    shown = [
        json.loads(line)
        for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    answers = [message for message in shown if "cmd" not in message]
    assert len(answers) >= 5
    for message in answers:
        check_shape(message)


def test_the_signing_page_is_the_one_that_a_browser_runs(page: str, repository: Path) -> None:
    """``tests/compat/test_websocket_clients.py`` opens it in Chromium."""
    (shown,) = re.findall(r"```js\n(.*?)```", page, re.DOTALL)
    assert shown in (repository / "tests" / "node" / "page.mjs").read_text(encoding="utf-8")


def test_the_first_stream_runs_as_it_is_written(
    page: str, tmp_path: Path, augury_exchange: RunningExchange
) -> None:
    member = augury_exchange.add_member()
    ticker = augury_exchange.list_market()
    (tmp_path / "key.pem").write_text(member.private_key_pem)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "stream.py").write_text(code)
    environment = {
        **os.environ,
        "AUGURY_WS": augury_exchange.websocket_url,
        "AUGURY_KEY_ID": member.api_key_id,
        "AUGURY_KEY_FILE": str(tmp_path / "key.pem"),
    }
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "stream.py")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=collect, args=(process.stdout, lines), daemon=True).start()
        try:
            subscribed = [json.loads(lines.get(timeout=30)) for _ in range(2)]
            assert [m["msg"]["channel"] for m in subscribed] == ["ticker", "fill"]
            member.place(ticker, "buy", "yes", 1, 40)
            assert json.loads(lines.get(timeout=10))["msg"]["yes_bid"] == 40
        finally:
            process.terminate()


def collect(output: IO[str], lines: "queue.Queue[str]") -> None:
    for line in output:
        lines.put(line)
