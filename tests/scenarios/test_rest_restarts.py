"""Whoever reads a list page by page does not notice that the server was stopped and started again.

The lists are those of the table of operations that take a cursor. The data are filled by a gateway
in this process; then ``augury serve`` lives three times on them: on the log alone, on a snapshot,
and on the log again with a history that has to be written anew. Every list is read across these.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from augury.app.data_directory import history_path, log_path, snapshots_path
from augury.codec.text import rfc3339
from augury.core import commands as c
from augury.gateways.rest.operations import Operation
from augury.gateways.settings import RestSettings
from augury.log.sqlite import SqliteLog
from augury.testing.exchange import RunningExchange, running_exchange, wait_until
from tests.properties.test_rest_pages import AT_FIRST, FAR, PAGINATED, Desk, Reader
from tests.rest_harness import SECOND, Caller, running

PAGE: Final = 2
CUTOFF: Final = ("market_settled_ts", "trades_created_ts", "orders_updated_ts")

Rows = list[tuple[Any, ...]]


@dataclass
class Reading:
    """One list in the middle of being read."""

    operation: Operation
    whole: Rows = field(default_factory=list)
    """What it was before the first restart, in one page."""
    seen: Rows = field(default_factory=list)
    cursor: str = ""

    def next_page(self, reader: Reader) -> None:
        rows, self.cursor = reader.page(PAGE, self.cursor)
        self.seen += rows


def fill(data: Path) -> Caller:
    """At least ``AT_FIRST`` rows in every list, on both sides of the archive's cutoff."""
    data.mkdir()
    log = SqliteLog(log_path(data))
    with running(data.parent, RestSettings(rate_limits=False), log) as exchange:
        desk = Desk(exchange)

        def archive(before: str) -> None:
            text = json.dumps(dict.fromkeys(CUTOFF, before))
            exchange.do(c.PutDocument("historical_cutoff", "all", text))

        def grow(operations: list[Operation]) -> None:
            for operation in operations:
                reader = Reader(operation, desk.caller)
                while len(reader.everything(100)) < AT_FIRST:
                    reader.listing.add(desk)

        old = [one for one in PAGINATED if one.path.startswith("/historical")]
        archive(FAR)
        grow(old)
        exchange.advance(SECOND)
        archive(rfc3339(exchange.gate.now_ns()))
        grow([one for one in PAGINATED if one not in old])
        return desk.caller


def wait_for_history(exchange: RunningExchange) -> None:
    def has_come() -> bool:
        status = exchange.operator.get("status")
        return bool(status["history_sequence"] == status["sequence"])

    wait_until(has_come)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Reading]]:
    """All lists as they were read over three lives of the server."""
    data = tmp_path_factory.mktemp("restarts") / "data"
    caller = fill(data)
    readings = [Reading(operation) for operation in PAGINATED]
    with running_exchange(data=data, own_process=True) as server:
        for life in range(3):
            wait_for_history(server)
            here = Caller(server.url, caller.signer, caller.member_id)
            for reading in readings:
                reader = Reader(reading.operation, here)
                if life == 0:
                    reading.whole = reader.everything(100)
                reading.next_page(reader)
                while life == 2 and reading.cursor:
                    reading.next_page(reader)
            if life == 0:
                server.operator.post("snapshots")
            if life < 2:
                server.stop()
            if life == 1:
                for file in (*snapshots_path(data).iterdir(), *data.glob("history.sqlite*")):
                    file.unlink()
                assert not history_path(data).exists()
            if life < 2:
                server.restart()
        yield readings


@pytest.mark.parametrize("number", range(len(PAGINATED)), ids=[one.id for one in PAGINATED])
def test_a_list_is_read_on_after_restarts(readings: list[Reading], number: int) -> None:
    reading = readings[number]
    assert len(reading.whole) >= AT_FIRST
    assert reading.seen == reading.whole
