"""Two implementations of the rules agree on every cent; and where one is bent, that is found."""

import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.app.auditing import Findings, Step, audit
from augury.audit.comparing import Difference
from augury.audit.reading import decode
from augury.codec.commands import encode_command
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.state import Exchange
from tests.core_flow import WIDTH, Flow
from tests.properties.test_core_storm import Storm
from tests.replay.replaying import names, read_log

streams = st.binary(min_size=WIDTH, max_size=WIDTH * 80)


def steps(commands: Iterable[tuple[int, Command]]) -> Iterator[Step]:
    """A log of (time, command) through the core, beside what the auditor reads of it."""
    engine = Engine()
    for sequence, (time_ns, command) in enumerate(commands, 1):
        entry = decode(sequence, time_ns, 1, 1, encode_command(command))
        yield entry, engine.apply(sequence, time_ns, command), engine.state


def commands_of(records: Iterable[Applied]) -> list[tuple[int, Command]]:
    return [(record.time_ns, record.command) for record in records]


def assert_agrees(findings: Findings) -> None:
    assert findings.difference is None, str(findings.difference)


@pytest.mark.parametrize("name", names())
def test_the_audit_agrees_with_every_stored_log(name: str) -> None:
    findings = audit(steps(read_log(name)), checkpoint=250)
    assert_agrees(findings)
    assert findings.records == len(read_log(name))
    assert findings.fills > 100


@given(data=streams)
def test_the_audit_agrees_whatever_is_asked_of_the_exchange(data: bytes) -> None:
    flow = Flow.listed()
    for _ in flow.run(data):
        pass
    assert_agrees(audit(steps(commands_of(flow.applied)), checkpoint=1))


def test_the_audit_agrees_after_long_days_and_storms(seed: int) -> None:
    for run in range(4):
        flow = Flow.listed()
        for _ in flow.run(random.Random(seed + run).randbytes(WIDTH * 600)):
            pass
        assert_agrees(audit(steps(commands_of(flow.applied)), checkpoint=10))
        storm = Storm(seed + run)
        for _ in storm.rage(400):
            pass
        assert_agrees(audit(steps(commands_of(storm.records)), checkpoint=1))


# --- errors planted on the exchange's side ---------------------------------------------------


def caught(planted: Iterable[Step], checkpoint: int = 1) -> Difference:
    difference = audit(planted, checkpoint=checkpoint).difference
    assert difference is not None, "nobody noticed"
    return difference


def a_busy_log(seed: int) -> list[tuple[int, Command]]:
    flow = Flow.listed()
    for _ in flow.run(random.Random(seed).randbytes(WIDTH * 600)):
        pass
    return commands_of(flow.applied)


def test_one_micro_dollar_too_much_is_found_with_its_owner_and_its_record(seed: int) -> None:
    def planted() -> Iterator[Step]:
        for entry, applied, state in steps(a_busy_log(seed)):
            if entry.sequence == 200:
                lucky = list(state.members.values())[-1]
                lucky.accounts[1].cash += 1
            yield entry, applied, state

    found = caught(planted())
    assert found.sequence == 200
    assert found.reported == found.audited + 1
    assert "subaccount 1: cash" in found.what


def test_money_moved_between_two_accounts_is_found_though_the_sum_is_right(seed: int) -> None:
    def planted() -> Iterator[Step]:
        for entry, applied, state in steps(a_busy_log(seed)):
            if entry.sequence == 150:
                one, other, *_ = state.members.values()
                one.primary.cash -= 10_000
                other.primary.cash += 10_000
            yield entry, applied, state

    found = caught(planted(), checkpoint=50)
    assert found.sequence == 150
    assert found.reported == found.audited - 10_000


def test_an_altered_fee_is_found_at_the_fill_that_paid_it(seed: int) -> None:
    altered: list[int] = []

    def planted() -> Iterator[Step]:
        for entry, applied, state in steps(a_busy_log(seed)):
            fills = [v for v in applied.events if isinstance(v, e.OrderFilled) and v.fee]
            if fills and not altered and entry.sequence > 100:
                fills[0].fee += 100
                altered.append(entry.sequence)
            yield entry, applied, state

    found = caught(planted(), checkpoint=10_000)
    assert found.sequence == altered[0]
    assert found.what.endswith("fee")
    assert found.reported == found.audited + 100


def test_a_position_that_lost_a_contract_is_found(seed: int) -> None:
    changed: list[int] = []

    def planted() -> Iterator[Step]:
        for entry, applied, state in steps(a_busy_log(seed)):
            if not changed and entry.sequence > 100:
                holding = first_position(state)
                if holding is not None:
                    holding.quantity -= 100
                    changed.append(entry.sequence)
            yield entry, applied, state

    found = caught(planted())
    assert found.sequence == changed[0]
    assert "quantity" in found.what or "available" in found.what


def test_a_command_that_was_let_through_is_found(seed: int) -> None:
    """An order that the rules refuse, carried out all the same."""

    def planted() -> Iterator[Step]:
        for entry, applied, state in steps(a_busy_log(seed)):
            if applied.rejection is not None and entry.command == "PlaceOrder":
                del applied.events[applied.own_from]
            yield entry, applied, state

    assert "refused" in caught(planted()).what


def first_position(state: Exchange):
    for market in state.markets.values():
        for holding in market.holdings.values():
            if holding.quantity:
                return holding
    return None
