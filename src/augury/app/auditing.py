"""The exchange beside its auditor: the same log through the core and through ``augury.audit``.

Owns how the core's state and events are put into the auditor's terms. After every record the two
must have moved the same money; now and then, and at the end, everybody must have the same. What a
snapshot holds is compared as well, for that is what the next start would believe.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augury.audit.auditor import Auditor, Figures
from augury.audit.comparing import Difference, first_difference, movement_difference
from augury.audit.ledger import Movement
from augury.audit.reading import Entry, read_log
from augury.codec.commands import decode_command
from augury.codec.snapshots import decode_state
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.state import Exchange
from augury.log.snapshots import DirectorySnapshots
from augury.log.sqlite import SqliteLog

RECORDS_PER_CHECKPOINT: Final = 5_000

Step = tuple[Entry, Applied, Exchange]
"""A record as the auditor reads it, what it did in the exchange, and the exchange's state then."""


@dataclass
class Findings:
    """What was compared, and the first difference, if any."""

    records: int = 0
    fills: int = 0
    settlements: int = 0
    accounts: int = 0
    snapshots: int = 0
    difference: Difference | None = None


def replayed(file: Path, to: int | None = None) -> Iterator[Step]:
    """The records of a log or backup, each carried out by the core.

    The auditor's entries come from its own reader, which verifies the chain a second time. Raises
    ``LogError`` and ``Unreadable``.
    """
    log = SqliteLog(file, read_only=True)
    try:
        engine = Engine()
        for entry, record in zip(read_log(file), log.read(), strict=False):
            if to is not None and entry.sequence > to:
                return
            command = decode_command(record.payload, record.schema_version)
            yield entry, engine.apply(record.sequence, record.time_ns, command), engine.state
    finally:
        log.close()


def audit(
    steps: Iterable[Step],
    snapshots: DirectorySnapshots | None = None,
    progress: Callable[[int], None] | None = None,
    checkpoint: int = RECORDS_PER_CHECKPOINT,
) -> Findings:
    """Compare until something differs. ``checkpoint``: records between two full comparisons.

    A difference that only a checkpoint shows is somewhere in the records since the last one; the
    caller may come back with ``checkpoint=1`` to learn where.
    """
    auditor = Auditor()
    findings = Findings()
    state: Exchange | None = None
    kept = stored_sequences(snapshots)
    for entry, applied, state in steps:
        sequence = entry.sequence
        verdict = auditor.carry_out(entry)
        refused = applied.rejection is not None
        if verdict.refused is not None and verdict.refused != refused:
            what = f"{entry.command} was refused (1) or not (0)"
            findings.difference = Difference(sequence, what, verdict.refused, refused)
            break
        findings.difference = movement_difference(
            sequence, verdict.movements, movements_of(applied)
        )
        if findings.difference is None and sequence in kept and snapshots is not None:
            findings.difference = snapshot_difference(auditor, snapshots, sequence)
            findings.snapshots += 1
        if findings.difference is None and sequence % checkpoint == 0:
            findings.difference = state_difference(auditor, state)
        if findings.difference is not None:
            break
        findings.records = sequence
        findings.fills += sum(m.kind == "fill" for m in verdict.movements)
        findings.settlements += sum(m.kind == "settlement" for m in verdict.movements)
        if progress is not None and sequence % 256 == 0:
            progress(sequence)
    if findings.difference is None and state is not None:
        findings.difference = state_difference(auditor, state)
        findings.accounts = sum(len(member.accounts) for member in state.members.values())
    return findings


def audit_log(
    file: Path,
    snapshots: DirectorySnapshots | None = None,
    to: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Findings:
    """Audit a log or backup; a difference is followed to the very record that made it."""
    findings = audit(replayed(file, to), snapshots, progress)
    if findings.difference is not None:
        closer = audit(replayed(file, findings.difference.sequence), None, progress, checkpoint=1)
        findings.difference = closer.difference or findings.difference
    return findings


def state_difference(auditor: Auditor, state: Exchange) -> Difference | None:
    """Raises ``ArithmeticError`` when the auditor's own books do not add up."""
    auditor.check_conservation()
    return first_difference(state.sequence, auditor.figures(), figures_of(state))


def stored_sequences(snapshots: DirectorySnapshots | None) -> set[int]:
    """The records of which there are intact snapshots."""
    found: set[int] = set()
    snapshot = snapshots.newest() if snapshots is not None else None
    while snapshot is not None and snapshots is not None:
        found.add(snapshot.sequence)
        snapshot = snapshots.newest(snapshot.sequence - 1)
    return found


def snapshot_difference(
    auditor: Auditor, snapshots: DirectorySnapshots, sequence: int
) -> Difference | None:
    """What a stored snapshot says otherwise. One that was tidied away meanwhile says nothing."""
    snapshot = snapshots.newest(sequence)
    if snapshot is None or snapshot.sequence != sequence:
        return None
    state = decode_state(snapshot.payload, snapshot.state_hash).state
    found = state_difference(auditor, state)
    return found and found._replace(what=f"snapshot: {found.what}")


def figures_of(state: Exchange) -> Figures:
    """What the exchange says that everybody has."""
    accounts = {}
    positions = {}
    for member in state.members.values():
        for account in member.accounts.values():
            key = (member.id, account.number)
            returned = sum(account.returned.values())
            accounts[key] = (account.cash, account.available, returned)
            for ticker, h in account.holdings.items():
                held = (h.quantity, h.cost, h.realized_pnl, h.fees_paid)
                if any(held):
                    positions[(*key, ticker)] = held
    ledger = state.ledger
    return Figures(
        accounts,
        positions,
        {ticker: amount for ticker, amount in ledger.escrow.items() if amount},
        {order.id: (order.price, order.remaining) for order in state.orders.values()},
        ledger.fees,
        ledger.house,
        ledger.outside,
    )


def movements_of(applied: Applied) -> list[Movement]:
    """The money that a record moved, according to the exchange's events."""
    found = []
    for event in applied.events:
        match event:
            case e.OrderFilled():
                found.append(
                    Movement(
                        "fill",
                        event.member_id,
                        event.subaccount,
                        event.market_ticker,
                        event.cash_change,
                        event.fee,
                        event.price,
                        event.quantity,
                        event.position,
                    )
                )
            case e.PositionSettled():
                found.append(
                    Movement(
                        "settlement",
                        event.member_id,
                        event.subaccount,
                        event.market_ticker,
                        event.revenue,
                        price=event.settlement_value,
                        quantity=event.yes_quantity + event.no_quantity,
                    )
                )
            case e.CollateralReturned():
                found.append(
                    Movement(
                        "collateral",
                        event.member_id,
                        event.subaccount,
                        event.event_ticker,
                        event.amount,
                    )
                )
    return found
