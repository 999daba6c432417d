"""What an operator types, from the first member to the last payment, against a real exchange."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner, Result

from augury.app.cli import application
from augury.testing import RunningExchange, running_exchange

SERIES = "KXRAIN"
EVENT = "KXRAIN-26MAR01"
MARKET = "KXRAIN-26MAR01-NYC"


class Terminal:
    """The ``augury`` command with the exchange's address in its environment."""

    def __init__(self, exchange: RunningExchange, directory: Path) -> None:
        self.exchange = exchange
        self.directory = directory
        self.environment: dict[str, str | None] = {
            "AUGURY_URL": exchange.url,
            "AUGURY_OPERATOR_TOKEN_FILE": str(exchange.settings.token_path),
            # Rich would otherwise fold and colour by what it finds around the tests.
            "COLUMNS": "300",
            "TERM": "dumb",
        }
        self._runner = CliRunner()

    def type(self, line: str) -> Result:
        return self._runner.invoke(application, shlex.split(line), env=self.environment)

    def done(self, line: str) -> str:
        """Type a line that must succeed; returns what was printed."""
        result = self.type(line)
        assert result.exit_code == 0, f"{line}\n{result.output}"
        return result.stdout

    def answer(self, line: str) -> Any:
        """The same with ``--json``: standard output is one JSON document and nothing else."""
        return json.loads(self.done(f"{line} --json"))

    def refused(self, line: str, code: int = 1) -> str:
        """Type a line that must fail; nothing is on standard output, the reason on the other."""
        result = self.type(line)
        assert result.exit_code == code, f"{line}\n{result.output}"
        assert result.stdout == ""
        return result.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with running_exchange(data=tmp_path / "data") as exchange:
        yield Terminal(exchange, tmp_path)


def list_market(terminal: Terminal, *more: str) -> None:
    close = terminal.exchange.now().replace(microsecond=0).isoformat()
    terminal.done(f"series create {SERIES} --title 'Rain in New York' --category Weather")
    terminal.done(f"event create {EVENT} --series {SERIES} --title 'Rain on March 1'")
    terminal.done(
        f"market create {MARKET} --event {EVENT} --close-time {close[:4]}-12-31T23:59:59Z "
        f"--title 'Will it rain?' {' '.join(more)}"
    )


# --- members ---------------------------------------------------------------------------------


def test_a_new_member_gets_a_key_that_only_its_owner_can_read(terminal: Terminal) -> None:
    key_file = terminal.directory / "keys" / "trader.pem"
    answer = terminal.answer(
        f"member add trader@example.com --deposit 10000.00 --private-key-file {key_file}"
    )
    assert sorted(answer) == ["api_key_id", "user_id"]
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048

    shown = json.loads(
        terminal.done(
            f"request GET /portfolio/balance --key-id {answer['api_key_id']} --key-file {key_file}"
        )
    )
    assert shown["balance"] == 1_000_000
    # The server has been told the public half only.
    log = (terminal.exchange.settings.data / "log.sqlite-wal").read_bytes()
    assert b"BEGIN PUBLIC KEY" in log
    assert b"PRIVATE" not in log


def test_a_private_key_is_never_overwritten_and_never_left_without_its_member(
    terminal: Terminal,
) -> None:
    key_file = terminal.directory / "trader.pem"
    terminal.done(f"member add a@example.com --private-key-file {key_file}")
    before = key_file.read_bytes()
    assert "never overwritten" in terminal.refused(
        f"member add b@example.com --private-key-file {key_file}"
    )
    assert key_file.read_bytes() == before
    other = terminal.directory / "other.pem"
    assert "already" in terminal.refused(f"member add a@example.com --private-key-file {other}")
    assert not other.exists()


def test_members_are_listed_shown_suspended_and_readmitted(terminal: Terminal) -> None:
    terminal.done("member add a@example.com --deposit 25.50 --tier premier --precision 0.0001")
    assert "25.5000" in terminal.done("member list")
    assert "premier" in terminal.done("member show a@example.com")
    assert "suspended" in terminal.done("member suspend a@example.com")
    assert terminal.answer("member show a@example.com")["suspended"] is True
    terminal.done("member readmit a@example.com")
    assert "prime" in terminal.done("member tier a@example.com prime")
    assert "nobody@example.com" in terminal.refused("member show nobody@example.com")


def test_keys_are_added_listed_and_removed(terminal: Terminal) -> None:
    terminal.done("member add a@example.com")
    key_file = terminal.directory / "second.pem"
    key = terminal.answer(
        f"key add a@example.com --private-key-file {key_file} --name ro --scope read"
    )["api_key_id"]
    assert key in terminal.done("key list a@example.com")
    terminal.done(f"key remove a@example.com {key}")
    assert terminal.answer("key list a@example.com") == {"api_keys": []}
    terminal.done(
        f"key add a@example.com --private-key-file {terminal.directory / 'third.pem'}"
        " --scope read --scope write::trade --subaccount 0"
    )
    (listed,) = terminal.answer("key list a@example.com")["api_keys"]
    assert (listed["scopes"], listed["subaccount"]) == (["read", "write::trade"], 0)
    assert "--private-key-file" in terminal.refused("key add a@example.com", code=2)


def test_money_comes_and_goes_and_the_ledger_tells(terminal: Terminal) -> None:
    terminal.done("member add a@example.com")
    terminal.done("deposit a@example.com 100.00 --reference 'wire 1'")
    assert "60.0000" in terminal.done("withdraw a@example.com 40.00")
    assert "available balance too low" in terminal.refused("withdraw a@example.com 60.01")
    assert "whole cents" in terminal.refused("deposit a@example.com 0.001")
    ledger = terminal.answer("ledger --member a@example.com")
    assert [line["amount"] for line in ledger["entries"]] == ["-40.0000", "100.0000"]
    assert ledger["totals"]["sum"] == "0.0000"
    assert "wire 1" in terminal.done("ledger")


# --- listing and life ------------------------------------------------------------------------


def test_a_market_is_listed_traded_determined_and_paid(terminal: Terminal) -> None:
    list_market(terminal, "--settlement-timer 60")
    buyer, seller = terminal.exchange.add_member(), terminal.exchange.add_member()
    buyer.place(MARKET, "buy", "yes", 10, 40)
    seller.place(MARKET, "buy", "no", 10, 60)
    assert "0.4000" in terminal.done(f"market show {MARKET}")

    assert "inactive" in terminal.done(f"market pause {MARKET}")
    assert "active" in terminal.done(f"market resume {MARKET}")
    terminal.done("clock advance 1h")
    assert "closed" in terminal.done(f"market close-time {MARKET} now")
    assert "determined" in terminal.done(f"market determine {MARKET} yes --expiration-value 4in")
    assert "disputed" in terminal.done(f"market dispute {MARKET}")
    assert "determined" in terminal.done(f"market determine {MARKET} yes")
    assert "market_settled" in terminal.done("clock advance 1m")
    assert terminal.answer("market list --status finalized")["markets"][0]["result"] == "yes"
    # Ten contracts bought at 40 cents pay a dollar each.
    assert buyer.balance == 1_000_000 - 400 + 1000


def test_series_events_and_markets_are_updated_and_listed(terminal: Terminal) -> None:
    list_market(terminal)
    terminal.done(f"series update {SERIES} --tag Rain --tag 'New York'")
    assert terminal.answer(f"series show {SERIES}")["details"]["tags"] == ["Rain", "New York"]
    terminal.done(f"event update {EVENT} --sub-title 'In the park'")
    assert "In the park" in terminal.done(f"event show {EVENT}")
    terminal.done(f"market update {MARKET} --price-level-structure deci_cent --rules 'It rains.'")
    shown = terminal.answer(f"market show {MARKET}")
    assert shown["price_level_structure"] == "deci_cent"
    assert shown["details"]["rules_primary"] == "It rains."
    assert SERIES in terminal.done("series list")
    assert MARKET in terminal.done(f"event list --series {SERIES}")
    assert MARKET in terminal.done(f"market list --event {EVENT}")


def test_what_has_no_option_comes_from_a_file(terminal: Terminal) -> None:
    list_market(terminal)
    file = terminal.directory / "scalar.yaml"
    file.write_text(
        "close_time: 2031-01-01T00:00:00Z\n"
        "strike_type: between\nfloor_strike: 2\ncap_strike: 3.5\n"
        "price_level_structure: own\n"
        'price_ranges: [{start: "0", end: "1", step: "0.05"}]\n'
    )
    made = terminal.answer(
        f"market create {MARKET}-S --event {EVENT} --scalar --fractional --from {file}"
    )
    assert (made["market_type"], made["fractional_trading_enabled"]) == ("scalar", True)
    assert made["close_time"] == "2031-01-01T00:00:00Z"
    assert made["details"]["cap_strike"] == 3.5
    assert made["price_ranges"][0]["step"] == "0.0500"
    assert "scalar" in terminal.done(f"market determine {MARKET}-S scalar --value 0.25 --json")
    file.write_text("- not\n- fields\n")
    assert "expected named fields" in terminal.refused(f"series update {SERIES} --from {file}")


def test_pauses_of_trading_and_of_the_exchange(terminal: Terminal) -> None:
    assert "trading paused" in terminal.done("trading pause")
    assert "trading active" in terminal.done("trading resume")
    terminal.done("exchange pause --resume-time 2031-01-01T00:00:00Z")
    assert "exchange paused" in terminal.refused("member add a@example.com")
    assert "exchange active" in terminal.done("exchange resume")


def test_information_for_members(terminal: Terminal) -> None:
    terminal.done("announce 'Back at noon' --type warning")
    status = json.loads(terminal.done("request GET /exchange/announcements"))
    assert status["announcements"][0]["message"] == "Back at noon"
    schedule = terminal.directory / "schedule.yaml"
    schedule.write_text(
        "standard_hours:\n"
        "  - start_time: 2026-01-01T00:00:00Z\n    end_time: 2027-01-01T00:00:00Z\n"
        '    monday: [{open_time: "00:00", close_time: "00:00"}]\n'
    )
    terminal.done(f"schedule {schedule}")
    assert "2027-01-01" in terminal.done("schedule")
    milestone = terminal.directory / "milestone.json"
    milestone.write_text(
        '{"title": "A game", "type": "game", "category": "Sports",'
        ' "start_date": "2026-03-01T12:00:00Z"}'
    )
    terminal.done(f"document put milestone m1 {milestone}")
    assert "milestone" in terminal.done("document list")
    (kept,) = terminal.answer("document list milestone")["documents"]
    assert kept["details"]["title"] == "A game"
    terminal.done("document remove milestone m1")
    assert "no milestone" in terminal.refused("document remove milestone m1")


def test_terms_are_set_and_shown(terminal: Terminal) -> None:
    list_market(terminal)
    terminal.done("series create KXMVEDUO")
    terminal.done(
        f"collection create KXMVEDUO-R --series KXMVEDUO --event {EVENT}"
        " --close-date 2099-01-01T00:00:00Z --title Duos"
    )
    assert "Duos" in terminal.done("collection list")
    assert EVENT in terminal.done("collection show KXMVEDUO-R")
    terminal.done(f"fees schedule {SERIES} flat 0.5 2099-01-01T00:00:00Z")
    assert "2099-01-01T00:00:00Z" in terminal.done("fees list")

    assert "no maintenance" in terminal.done("maintenance list")
    window = "2099-01-01T08:00:00Z"
    terminal.done(f"maintenance add {window} 2099-01-01T10:00:00Z")
    schedule = json.loads(terminal.done("request GET /exchange/schedule"))["schedule"]
    assert schedule["maintenance_windows"] == [
        {"start_datetime": window, "end_datetime": "2099-01-01T10:00:00Z"}
    ]
    assert "no window" in terminal.refused("maintenance remove 2099-02-01T00:00:00Z")
    assert "no maintenance" in terminal.done(f"maintenance remove {window}")

    terminal.done("member add fcm@example.com")
    terminal.done("subtrader add fcm@example.com customer-1")
    terminal.done("deposit fcm@example.com 12.00 --subtrader customer-1")
    assert "12.0000" in terminal.done("subtrader list fcm@example.com")


def test_the_virtual_clock_is_read_and_moved(terminal: Terminal) -> None:
    before = terminal.answer("clock show")
    assert before["mode"] == "virtual"
    moved = terminal.answer("clock advance 2h30m")
    assert moved["time"] > before["time"]
    terminal.done("clock advance --to 2031-01-01T00:00:00Z")
    assert "2031-01-01T00:00:00Z" in terminal.done("clock show")
    assert "never goes back" in terminal.refused("clock advance --to 2030-01-01T00:00:00Z")
    assert "span of time" in terminal.refused("clock advance soon", code=2)
    assert "say how far" in terminal.refused("clock advance", code=2)
    assert "nothing is waiting" in terminal.refused("clock next")


def test_records_of_the_exchange(terminal: Terminal) -> None:
    list_market(terminal)
    assert "virtual" in terminal.done("status")
    assert "create_market" in terminal.done("records")
    only = terminal.answer(f"records --market {MARKET} --after 0")
    assert [record["command"] for record in only["records"]] == ["create_market"]
    digest = terminal.done("state-hash").split()[0]
    assert "snapshot of record 3" in terminal.done("snapshot")
    replayed = terminal.done(f"replay --data {terminal.exchange.settings.data}")
    assert digest in replayed


def test_the_coverage_of_the_trading_api(terminal: Terminal) -> None:
    rows = terminal.answer("coverage")
    assert len(rows) == 77
    assert rows[0]["parameters"]["missing"] == []
    assert "77 of 77 operations work" in " ".join(terminal.done("coverage").split())


# --- when something is wrong -----------------------------------------------------------------


def test_an_unreachable_exchange_is_said_to_be_so(terminal: Terminal) -> None:
    terminal.environment["AUGURY_URL"] = "http://127.0.0.1:9"
    assert "http://127.0.0.1:9 does not answer" in terminal.refused("status")
    terminal.environment["AUGURY_URL"] = "127.0.0.1"
    assert "is not an address" in terminal.refused("status")


def test_a_missing_or_wrong_token_is_said_to_be_so(terminal: Terminal) -> None:
    wrong = terminal.directory / "wrong"
    wrong.write_text("not-the-token")
    assert "token is missing or wrong" in terminal.refused(f"status --operator-token-file {wrong}")
    missing = terminal.directory / "missing"
    assert "--operator-token-file" in terminal.refused(f"status --operator-token-file {missing}")


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("member add nobody", "expected an address"),
        ("market determine KXNONE yes", "no market"),
        ("market create lower --event KXE --close-time soon", "ticker"),
        ("series create KXA --fee-type free", "fee_type"),
        ("member add a@example.com --scope admin", "scopes"),
        ("request GET /nowhere", "404"),
        ("request GET /portfolio/balance", "401"),
    ],
)
def test_a_refusal_names_what_is_wrong(terminal: Terminal, line: str, complaint: str) -> None:
    result = terminal.type(line)
    assert result.exit_code == 1
    assert complaint in result.stderr


def test_every_command_explains_itself(terminal: Terminal) -> None:
    for line in ("", "member", "key", "series", "event", "market", "clock", "document"):
        assert "Usage" in terminal.type(f"{line} --help").stdout
    for line in ("serve", "demo", "request", "member add", "market create"):
        assert "--url" in (out := terminal.done(f"{line} --help")) or "--port" in out
