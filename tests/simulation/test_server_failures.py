"""What a whole server does when its disk is full or its history is taken away.

Nothing is acknowledged that is not safe, reads keep working, and it goes on by itself.
"""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.testing import Member, RunningExchange, running_exchange, wait_until
from tests.conftest import NOT_TESTED

MEBIBYTE = 1 << 20
BULK = {"details": {"text": "x" * 20_000}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four mebibytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    mounted = mount is not None and (
        subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    if not mounted:
        # The test below does without the right to mount, so nothing is left untested in CI.
        pytest.skip(f"{NOT_TESTED}the right to mount a small file system is missing")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class Crowd:
    """A market with two members, of whom one goes on placing orders."""

    def __init__(self, exchange: RunningExchange) -> None:
        self.exchange = exchange
        self.ticker = exchange.list_market()
        self.buyer = exchange.add_member()
        self.seller = exchange.add_member()
        self.seller.place(self.ticker, "buy", "no", 500, 60)
        self.acknowledged: list[dict[str, Any]] = []
        self.number = 0

    def order(self) -> int:
        """Place an order that trades; returns the status of the answer."""
        self.number += 1
        body = {
            "ticker": self.ticker,
            "action": "buy",
            "side": "yes",
            "count": 1,
            "yes_price": 40,
            "client_order_id": f"order-{self.number}",
        }
        answer = self.buyer.request("POST", "/portfolio/orders", body)
        if answer.status_code == 201:
            self.acknowledged.append(answer.json()["order"])
        else:
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "exchange_unavailable"
        return answer.status_code

    def bulk(self) -> int:
        """Write twenty kilobytes into the log; returns the status of the answer."""
        self.number += 1
        token = self.exchange.settings.token_path.read_text().strip()
        answer = self.exchange.http.put(
            f"/operator/v1/documents/bulk/{self.number}",
            json=BULK,
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code

    def refused_until_full(self) -> None:
        """Trade on until the log refuses."""
        wait_until(lambda: self.bulk() == 503, seconds=60, pause=0)
        wait_until(lambda: self.order() == 503)

    def check_reads(self) -> None:
        """Everything that is known in memory can be read while nothing can be written."""
        http = self.exchange.http
        assert self.buyer.balance > 0
        assert self.buyer.position(self.ticker) == len(self.acknowledged)
        book = http.get(f"/trade-api/v2/markets/{self.ticker}/orderbook").json()["orderbook"]
        assert book["no"] == [[60, 500 - len(self.acknowledged)]]
        assert http.get("/healthz").status_code == 200
        ready = http.get("/readyz")
        assert ready.status_code == 503
        assert "the log cannot be written" in ready.json()["problems"][0]
        status = http.get("/trade-api/v2/exchange/status").json()
        assert (status["exchange_active"], status["trading_active"]) == (False, False)

    def check_acknowledged(self) -> None:
        """Exactly what was acknowledged is there: the refused orders never were."""
        exchange = self.exchange
        wait_until(
            lambda: (s := exchange.operator.get("status"))["history_sequence"] == s["sequence"],
            seconds=30,
        )
        for order in self.acknowledged:
            assert self.buyer.get(f"/portfolio/orders/{order['order_id']}")["order"] == order
        found = all_orders(self.buyer)
        assert {o["order_id"] for o in found} == {o["order_id"] for o in self.acknowledged}
        assert self.buyer.position(self.ticker) == len(self.acknowledged)


def all_orders(member: Member) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = member.get("/portfolio/orders", limit=200, cursor=cursor)
        found += answer["orders"]
        cursor = answer["cursor"]
        if not cursor:
            return found


def fill_up(ballast: Path) -> None:
    """Take all the space that is left."""
    with ballast.open("ab", buffering=0) as file:
        for size in (65_536, 4_096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


@pytest.mark.serial
def test_a_full_disk_stops_orders_not_reads_and_is_forgotten_when_there_is_room(
    small_disk: Path,
) -> None:
    with running_exchange(
        data=small_disk / "data", own_process=True, log_level="error"
    ) as exchange:
        crowd = Crowd(exchange)
        assert crowd.order() == 201
        ballast = small_disk / "ballast"
        fill_up(ballast)
        crowd.refused_until_full()
        crowd.check_reads()
        ballast.unlink()
        wait_until(lambda: crowd.order() == 201, seconds=30, pause=0.1)
        wait_until(lambda: exchange.http.get("/readyz").is_success, seconds=30, pause=0.1)
        crowd.check_acknowledged()
        exchange.kill()
        exchange.restart()
        crowd.check_acknowledged()


@pytest.mark.serial
def test_files_that_may_not_grow_are_like_a_full_disk(tmp_path: Path) -> None:
    """The kernel refuses to let any file of the server grow, as a quota would."""
    with running_exchange(data=tmp_path / "data", own_process=True, log_level="error") as exchange:
        crowd = Crowd(exchange)
        assert crowd.order() == 201
        largest = max(file.stat().st_size for file in (tmp_path / "data").glob("*"))
        unlimited = resource.prlimit(exchange.process_id, resource.RLIMIT_FSIZE)
        limit = (largest + MEBIBYTE, unlimited[1])
        resource.prlimit(exchange.process_id, resource.RLIMIT_FSIZE, limit)
        crowd.refused_until_full()
        crowd.check_reads()
        resource.prlimit(exchange.process_id, resource.RLIMIT_FSIZE, unlimited)
        wait_until(lambda: crowd.order() == 201, seconds=30, pause=0.1)
        crowd.check_acknowledged()


@pytest.mark.serial
def test_a_server_killed_on_a_full_disk_comes_back_with_what_it_acknowledged(
    small_disk: Path,
) -> None:
    with running_exchange(
        data=small_disk / "data", own_process=True, log_level="error"
    ) as exchange:
        crowd = Crowd(exchange)
        ballast = small_disk / "ballast"
        fill_up(ballast)
        crowd.refused_until_full()
        exchange.kill()
        ballast.unlink()
        exchange.restart()
        assert crowd.order() == 201
        crowd.check_acknowledged()


# --- history ---------------------------------------------------------------------------------


def remove_history(data: Path) -> None:
    for path in data.glob("history.sqlite*"):
        path.unlink()


def fills_of(member: Member) -> int:
    answer = member.request("GET", "/portfolio/fills", limit=200)
    return len(answer.json()["fills"]) if answer.is_success else -1


def test_history_that_is_removed_while_the_exchange_runs_comes_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_exchange(data=data) as exchange:
        crowd = Crowd(exchange)
        for _ in range(5):
            assert crowd.order() == 201
        assert fills_of(crowd.buyer) == 5
        remove_history(data)
        # Trading goes on meanwhile, and later reads know both what was before and after.
        assert crowd.order() == 201
        wait_until((data / "history.sqlite").exists, seconds=20)
        wait_until(lambda: fills_of(crowd.buyer) == 6, seconds=20, pause=0.1)
        crowd.check_acknowledged()
        wait_until(lambda: exchange.http.get("/readyz").is_success, seconds=20, pause=0.1)


def test_history_that_was_removed_while_the_exchange_stood_still_is_made_anew(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with running_exchange(data=data, own_process=True, snapshot_every_minutes=10) as exchange:
        crowd = Crowd(exchange)
        for _ in range(5):
            assert crowd.order() == 201
        exchange.stop()
        remove_history(data)
        exchange.restart()
        assert fills_of(crowd.buyer) == 5
        crowd.check_acknowledged()


def test_history_of_another_past_is_replaced(tmp_path: Path) -> None:
    """As after restoring a backup beside an old history database."""
    data = tmp_path / "data"
    with running_exchange(data=data, own_process=True) as exchange:
        crowd = Crowd(exchange)
        for _ in range(5):
            assert crowd.order() == 201
        exchange.stop()
        for path in data.glob("log.*"):
            path.rename(path.with_name(f"old-{path.name}"))
        exchange.restart()
        crowd = Crowd(exchange)
        assert crowd.order() == 201
        assert fills_of(crowd.buyer) == 1
        crowd.check_acknowledged()


@pytest.mark.serial
def test_a_server_is_stopped_on_a_full_disk_and_comes_back(small_disk: Path) -> None:
    """No room for a snapshot is no reason not to stop in order."""
    with running_exchange(
        data=small_disk / "data", own_process=True, snapshot_every_minutes=10
    ) as exchange:
        crowd = Crowd(exchange)
        ballast = small_disk / "ballast"
        fill_up(ballast)
        crowd.refused_until_full()
        exchange.stop()
        ballast.unlink()
        exchange.restart()
        assert crowd.order() == 201
        crowd.check_acknowledged()
