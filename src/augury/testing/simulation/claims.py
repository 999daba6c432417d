"""What clients were told, and whether the log agrees.

A client that was answered claims a record and what it did. One that was refused claims that
nothing was logged. One that heard nothing claims nothing, but what it sent is in the log as a
whole or not at all. After every crash the log alone must bear out all of them.

``Reference`` is a replica that follows the log from its first record, in one life, whatever
happens to the others; it is what the claims, the other replicas and the projections are compared
with.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from augury.codec.commands import decode_command, encode_command
from augury.codec.readable import event_dict
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.core.state import Exchange
from augury.ports.log import Log
from augury.testing.invariants import check

WAITING, ACKNOWLEDGED, REFUSED, UNKNOWN = "waiting", "acknowledged", "refused", "unknown"


def digest_of(applied: Applied) -> bytes:
    """A name for everything that a record did."""
    text = [f"{applied.sequence} {applied.time_ns} {applied.own_from}"]
    text += [
        repr(sorted(event_dict(event).items(), key=lambda item: item[0]))
        for event in applied.events
    ]
    return blake2b("".join(text).encode(), digest_size=16).digest()


@dataclass(slots=True)
class Claim:
    """One attempt to have commands carried out, and what was heard of it."""

    commands: tuple[Command, ...]
    payloads: tuple[bytes, ...]
    fate: str = WAITING
    checked: bool = False


@dataclass(slots=True)
class Claims:
    """Everything that was ever tried."""

    open: list[Claim] = field(default_factory=list)
    unknown: list[Claim] = field(default_factory=list)
    promised: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """Sequence -> (payload, digest) of what was acknowledged and not yet found in the log."""
    newest: int = 0
    """The newest sequence that was acknowledged."""
    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[bytes] = field(default_factory=Counter)
    possible: Counter[bytes] = field(default_factory=Counter)
    """How often each payload may be in the log: acknowledged or without an answer."""

    def begin(self, commands: Sequence[Command]) -> Claim:
        claim = Claim(tuple(commands), tuple(encode_command(command) for command in commands))
        self.open.append(claim)
        self.possible.update(claim.payloads)
        return claim

    def acknowledge(self, claim: Claim, results: Sequence[Applied]) -> None:
        self._end(claim, ACKNOWLEDGED)
        self.acknowledged.update(claim.payloads)
        for payload, applied in zip(claim.payloads, results, strict=True):
            assert applied.sequence not in self.promised, f"record {applied.sequence} twice"
            self.promised[applied.sequence] = (payload, digest_of(applied))
            self.newest = max(self.newest, applied.sequence)

    def refuse(self, claim: Claim) -> None:
        self._end(claim, REFUSED)
        self.possible.subtract(claim.payloads)

    def doubt(self, claim: Claim) -> None:
        """The exchange itself could not say what will become of it."""
        self._end(claim, UNKNOWN)
        self.unknown.append(claim)

    def lose(self) -> list[Claim]:
        """The process died: nobody who still waits will ever be answered."""
        lost, self.open = self.open, []
        for claim in lost:
            claim.fate = UNKNOWN
            self.counts[UNKNOWN] += 1
        self.unknown.extend(lost)
        return lost

    def _end(self, claim: Claim, fate: str) -> None:
        claim.fate = fate
        self.counts[fate] += 1
        self.open.remove(claim)


class Reference:
    """Follows the log, keeps what it needs to judge it, and judges."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.applied: list[Applied] = []
        self.payloads: list[bytes] = []
        self.chain = bytes(32)
        self._logged: Counter[bytes] = Counter()
        self._places: dict[bytes, int] = {}
        """Payload -> the last sequence it was found at."""
        self._accepted: Counter[tuple[str, int, str]] = Counter()
        self.census: Counter[str] = Counter()

    @property
    def state(self) -> Exchange:
        return self.engine.state

    @property
    def position(self) -> int:
        return self.engine.state.sequence

    def follow(self, log: Log, claims: Claims) -> None:
        """Apply what is new in ``log``; fails when the log contradicts a claim or its own past."""
        end = log.last_sequence
        assert end >= self.position, f"the log ends with {end}, it had {self.position} records"
        assert end >= claims.newest, f"the log ends with {end}, {claims.newest} was acknowledged"
        assert log.chain_hash(self.position) == self.chain, "the log has another past"
        for record in log.read(self.position):
            if record.sequence > end:
                break
            command = decode_command(record.payload, record.schema_version)
            applied = self.engine.apply(record.sequence, record.time_ns, command)
            self.applied.append(applied)
            self.payloads.append(record.payload)
            self._logged[record.payload] += 1
            self._places[record.payload] = record.sequence
            self._note_names(applied)
            self.census.update(kinds_of(applied))
        self.chain = log.chain_hash(self.position)
        for sequence, (payload, digest) in claims.promised.items():
            assert self.payloads[sequence - 1] == payload, f"record {sequence} is another command"
            outcome = digest_of(self.applied[sequence - 1])
            assert outcome == digest, f"record {sequence} has another outcome"
        claims.promised.clear()

    def judge(self, claims: Claims) -> None:
        """Compare what is in the log with what was tried. Nothing may be under way."""
        assert not claims.open
        for payload, count in self._logged.items():
            most = claims.possible[payload]
            assert count <= most or _is_tick(payload), f"{count} times in the log, not {most}"
        for payload, count in claims.acknowledged.items():
            assert self._logged[payload] >= count, "an acknowledged command is not in the log"
        for claim in claims.unknown:
            if not claim.checked:
                claim.checked = True
                self._check_whole(claim, claims)
        for (kind, member, given), count in self._accepted.items():
            assert count == 1, f"{kind} {given} of member {member} was carried out {count} times"
        check(self.state, fixed_terms=False)

    def hash(self) -> str:
        return state_hash(self.state)

    def _check_whole(self, claim: Claim, claims: Claims) -> None:
        """Commands that were sent together are all there, side by side, or none is."""
        mine = [
            (index, self._places.get(payload))
            for index, payload in enumerate(claim.payloads)
            if claims.possible[payload] == 1
        ]
        starts = {place - index if place is not None else None for index, place in mine}
        assert len(starts) <= 1, "a part of what was sent together is in the log"

    def _note_names(self, applied: Applied) -> None:
        """Whoever sends the same order again under the same name must not get two."""
        command = applied.command
        if applied.rejection is not None:
            return
        if isinstance(command, c.PlaceOrder) and command.client_order_id:
            self._accepted["order", command.member_id, command.client_order_id] += 1
        elif isinstance(command, c.TransferBetweenSubaccounts | c.TransferPosition):
            self._accepted["transfer", command.member_id, command.client_transfer_id] += 1


def kinds_of(applied: Applied) -> Iterator[str]:
    """The command of a record and the events that it caused, by kind; refusals by reason."""
    rejection = applied.rejection
    outcome = "carried out" if rejection is None else f"refused: {rejection.code}"
    yield f"command {type(applied.command).__name__} {outcome}"
    for event in applied.events:
        details = [getattr(event, name, "") for name in ("kind", "status", "reason", "result")]
        if getattr(event, "removed", False):
            details.append("removed")
        if getattr(event, "house", 0):
            details.append("by the house")
        yield " ".join(["event", type(event).__name__, *filter(None, details)])


def _is_tick(payload: bytes) -> bool:
    return payload == _TICK


_TICK = encode_command(c.Tick())
