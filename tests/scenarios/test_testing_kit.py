"""What Augury offers to the test suites of others: the fixture, its mark, the exchange itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from augury.testing import Member, RunningExchange, Stopped, running_exchange, wait_until


def run_my_bot(api_url: str, api_key_id: str, private_key_pem: str, ticker: str) -> None:
    """A bot as somebody else would write it: it knows an address, an id and a key."""
    import httpx

    from augury.client import Signer

    path = "/trade-api/v2/portfolio/orders"
    signer = Signer(api_key_id, private_key_pem)
    body = {"ticker": ticker, "action": "buy", "side": "yes", "count": 10, "yes_price": 36}
    url = api_url.removesuffix("/trade-api/v2") + path
    httpx.post(url, json=body, headers=signer.headers("POST", path)).raise_for_status()


def test_the_example_of_the_documentation_is_true(augury_exchange: RunningExchange) -> None:
    ticker = augury_exchange.list_market()
    bot, other = augury_exchange.add_member(), augury_exchange.add_member(deposit="500.00")

    other.place(ticker, "buy", "no", count=10, cents=65)
    run_my_bot(augury_exchange.api_url, bot.api_key_id, bot.private_key_pem, ticker)

    assert bot.position(ticker) == 10
    augury_exchange.advance(days=8)
    augury_exchange.determine(ticker, "yes")
    augury_exchange.advance(seconds=1)
    assert bot.balance == 1_000_000 - 350 - 16 + 1000


@pytest.mark.augury(clock="real", rate_limits=True, profile="latest")
def test_a_mark_chooses_the_exchange(augury_exchange: RunningExchange) -> None:
    status = augury_exchange.operator.get("status")
    assert (status["clock"]["mode"], status["rate_limits"], status["profile"]) == (
        "real",
        True,
        "latest",
    )


def test_each_test_has_an_exchange_of_its_own(augury_exchange: RunningExchange) -> None:
    assert augury_exchange.operator.get("status")["sequence"] == 0


def test_another_project_finds_the_fixture_without_importing_anything(tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(
        "def test_bot(augury_exchange):\n"
        "    assert augury_exchange.add_member().balance == 1_000_000\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_bot.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_an_exchange_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(Stopped, match="no such file"),
        running_exchange(world="nowhere.yaml"),
    ):
        pass
    with (
        pytest.raises(Stopped, match="no such file"),
        running_exchange(world="nowhere.yaml", own_process=True),
    ):
        pass


def test_an_exchange_comes_back_at_its_address_with_what_it_had(tmp_path: Path) -> None:
    with running_exchange(data=tmp_path, own_process=True) as exchange:
        ticker, member = exchange.list_market(), exchange.add_member()
        order = member.place(ticker, "buy", "yes", 3, 40)
        url = exchange.url
        exchange.kill()
        with pytest.raises(Stopped):
            _ = exchange.process_id
        exchange.restart()
        assert exchange.url == url
        assert member.get(f"/portfolio/orders/{order['order_id']}")["order"] == order


def test_time_can_be_moved_to_the_next_thing_that_happens(
    augury_exchange: RunningExchange,
) -> None:
    ticker = augury_exchange.list_market(settlement_timer_seconds=90)
    member: Member = augury_exchange.add_member()
    expires = int(augury_exchange.now().timestamp()) + 60
    order = member.place(ticker, "buy", "yes", 3, 40, expiration_ts=expires)
    augury_exchange.next_timer()
    assert int(augury_exchange.now().timestamp()) == expires
    found = member.get(f"/portfolio/orders/{order['order_id']}")["order"]
    assert found["status"] == "canceled"
    augury_exchange.next_timer()
    assert augury_exchange.market(ticker)["status"] == "closed"
    augury_exchange.determine(ticker, "no")
    augury_exchange.next_timer()
    assert augury_exchange.market(ticker)["status"] == "finalized"


def test_waiting_has_an_end() -> None:
    with pytest.raises(TimeoutError, match="never"):
        wait_until(lambda: False, seconds=0.05, what="never")
