"""What the exchange has recorded: status, ledger, audit trail, state hash, snapshots."""

import asyncio
from typing import Final

from augury.codec.commands import decode_command
from augury.codec.ids import format_id
from augury.codec.text import dollars, rfc3339
from augury.core.commands import Command
from augury.core.snapshot import state_hash
from augury.gateways.operator import answers, requests
from augury.gateways.operator.clock import clock_of
from augury.gateways.operator.context import Call, Operator
from augury.gateways.operator.errors import invalid, unknown_cursor
from augury.gateways.operator.outcomes import APPLIED
from augury.gateways.operator.readable import name_of, readable_command
from augury.ports.log import Record

MOST_RECORDS_SCANNED: Final = 50_000
"""How far one request for the audit trail looks for what its filters want."""

HISTORY_PATIENCE: Final = 2.0
"""Seconds that a read of the ledger waits for history to catch up."""


async def show_status(operator: Operator, call: Call[None, None]) -> answers.Status:
    state, facts = operator.state, operator.facts
    return answers.Status(
        version=facts.version,
        started_time=rfc3339(facts.started_ns),
        clock=clock_of(operator),
        exchange=answers.exchange_state(state),
        storage_failed=operator.gate.storage_failed,
        sequence=state.sequence,
        history_sequence=operator.history.position,
        members=len(state.members),
        series=len(state.series),
        events=len(state.events),
        markets=len(state.markets),
        open_orders=len(state.orders),
        profile=facts.profile,
        rate_limits=facts.rate_limits,
        core=facts.core,
        fix_ports=dict(facts.fix_ports),
        fix_certificate=facts.fix_certificate,
    )


async def show_state_hash(operator: Operator, call: Call[None, None]) -> answers.StateHash:
    """Digests the whole state between two commands: on a large exchange, everybody waits."""
    state = operator.state
    return answers.StateHash(sequence=state.sequence, state_hash=state_hash(state))


async def take_snapshot(operator: Operator, call: Call[None, None]) -> answers.SnapshotTaken:
    """A separate process replays the log and writes it, so nobody waits but the caller."""
    sequence, digest = await operator.take_snapshot()
    return answers.SnapshotTaken(sequence=sequence, state_hash=digest)


# --- ledger ----------------------------------------------------------------------------------


async def read_ledger(
    operator: Operator, call: Call[None, requests.LedgerQuery]
) -> answers.LedgerAnswer:
    """Totals of the live books, and the lines behind them from history, newest first."""
    query = call.query
    member_id = operator.member(query.member).id if query.member else 0
    before = _ledger_cursor(query.cursor)
    totals = answers.ledger_totals(operator.state)
    await operator.history.wait_for(operator.state.sequence, HISTORY_PATIENCE)
    rows = await operator.queries.ledger(member_id, limit=query.limit + 1, before=before)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return answers.LedgerAnswer(
        totals=totals,
        entries=[
            answers.LedgerEntry(
                entry_id=str(row.entry_id),
                line=row.line,
                time=rfc3339(row.time_ns),
                kind=row.kind,
                account=_account_name(row.account),
                counter_account=_account_name(row.counter_account),
                amount=dollars(row.amount),
                market_ticker=row.market_ticker,
                reference=row.reference,
            )
            for row in shown
        ],
        cursor=f"{shown[-1].entry_id}-{shown[-1].line}" if more else "",
    )


def _ledger_cursor(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    entry, _, line = text.partition("-")
    if not (entry.isascii() and entry.isdigit() and line.isascii() and line.isdigit()):
        raise unknown_cursor()
    return int(entry), int(line)


def _account_name(account: str) -> str:
    """Members are named by the id that the outside knows."""
    kind, _, rest = account.partition(":")
    if kind != "cash":
        return account
    member, _, subaccount = rest.partition(":")
    return f"cash:{format_id('member', int(member))}:{subaccount}"


# --- audit trail -----------------------------------------------------------------------------


async def read_audit_trail(
    operator: Operator, call: Call[None, requests.AuditQuery]
) -> answers.AuditTrail:
    """The log, oldest first. Without ``after`` the page ends at the newest record."""
    query = call.query
    wanted = _Wanted(
        command=query.command,
        member_id=operator.member(query.member).id if query.member else 0,
        market=query.market,
    )
    last = operator.state.sequence
    after = query.after
    if after is None:
        reach = MOST_RECORDS_SCANNED if wanted.anything else query.limit
        after = max(0, last - reach)
    if after > last:
        raise invalid({"after": f"the newest record is {last}"})
    found, reached = await asyncio.to_thread(
        _scan, operator, wanted, after, last, query.limit, query.after is None
    )
    known = await _known_refusals(operator, found)
    return answers.AuditTrail(
        records=[_audit_record(operator, record, command, known) for record, command in found],
        next_after=reached,
        complete=reached >= last,
    )


class _Wanted:
    """The filters of one request."""

    def __init__(self, command: str, member_id: int, market: str) -> None:
        self.command = command
        self.member_id = member_id
        self.market = market
        self.anything = bool(command or member_id or market)

    def matches(self, command: Command) -> bool:
        if self.command and name_of(command) != self.command:
            return False
        if self.member_id and getattr(command, "member_id", 0) != self.member_id:
            return False
        return not self.market or self.market in {
            getattr(command, "market_ticker", ""),
            getattr(command, "ticker", ""),
        }


def _scan(
    operator: Operator, wanted: _Wanted, after: int, last: int, limit: int, newest: bool
) -> tuple[list[tuple[Record, Command]], int]:
    """Runs in a thread: reading the log blocks. Returns what matches and how far it looked."""
    found: list[tuple[Record, Command]] = []
    reached = after
    for record in operator.log.read(after):
        # Records after ``last`` are durable but not applied yet: nobody has been told of them.
        if record.sequence > last or record.sequence > after + MOST_RECORDS_SCANNED:
            break
        reached = record.sequence
        command = decode_command(record.payload, record.schema_version)
        if wanted.matches(command):
            found.append((record, command))
            if newest and len(found) > limit:
                del found[0]
            elif len(found) == limit and not newest:
                break
    return found, reached


async def _known_refusals(
    operator: Operator, found: list[tuple[Record, Command]]
) -> dict[int, str]:
    """Outcomes from before this process started, as far as history has kept them."""
    unknown = [
        record.sequence for record, _ in found if operator.outcomes.of(record.sequence) is None
    ]
    if not unknown:
        return {}
    rows = await operator.queries.actions(limit=len(found), before_id=unknown[-1] + 1)
    return {row.sequence: row.rejection or APPLIED for row in rows}


def _audit_record(
    operator: Operator, record: Record, command: Command, known: dict[int, str]
) -> answers.AuditRecord:
    outcome = operator.outcomes.of(record.sequence)
    return answers.AuditRecord(
        sequence=record.sequence,
        time=rfc3339(record.time_ns),
        command=name_of(command),
        fields=readable_command(command),
        outcome=known.get(record.sequence) if outcome is None else outcome,
        schema_version=record.schema_version,
        rules_version=record.rules_version,
    )
