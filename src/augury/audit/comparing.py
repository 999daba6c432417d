"""Two sets of figures side by side, and the first that differs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from augury.audit.auditor import Figures
from augury.audit.ledger import Movement

ACCOUNT_FIGURES = ("cash", "available", "collateral returned")
POSITION_FIGURES = ("quantity", "cost", "realized profit", "fees paid")
ORDER_FIGURES = ("price", "remaining quantity")


class Difference(NamedTuple):
    """``what`` names account and figure; the amounts are in the figure's own unit."""

    sequence: int
    what: str
    audited: int
    reported: int

    def __str__(self) -> str:
        off = self.reported - self.audited
        return (
            f"record {self.sequence}: {self.what}: the exchange says {self.reported}, "
            f"the audit says {self.audited} ({off:+d})"
        )


def first_difference(sequence: int, audited: Figures, reported: Figures) -> Difference | None:
    """The first figure that differs after record ``sequence``, members in order; or None."""
    if audited == reported:
        return None
    for names, label, mine, theirs in (
        (ACCOUNT_FIGURES, "member {}, subaccount {}: {}", audited.accounts, reported.accounts),
        (
            POSITION_FIGURES,
            "member {}, subaccount {}, market {}: {}",
            audited.positions,
            reported.positions,
        ),
        (ORDER_FIGURES, "order {}: {}", audited.orders, reported.orders),
        (("escrow",), "market {}: {}", _rows(audited.escrow), _rows(reported.escrow)),
    ):
        found = _first(sequence, names, label, mine, theirs)
        if found is not None:
            return found
    for name in ("fees", "house", "outside"):
        mine_total, their_total = getattr(audited, name), getattr(reported, name)
        if mine_total != their_total:
            return Difference(sequence, f"exchange: {name}", mine_total, their_total)
    return None


def movement_difference(
    sequence: int, audited: Iterable[Movement], reported: Iterable[Movement]
) -> Difference | None:
    """The first fill, settlement or return of collateral that only one side knows, or None."""
    mine, theirs = Counter(audited), Counter(reported)
    if mine == theirs:
        return None
    alone, opposite = sorted(mine - theirs), sorted(theirs - mine)
    one = (alone or opposite)[0]
    where = (one.kind, one.member, one.subaccount, one.subject)
    what = f"member {one.member}, subaccount {one.subaccount}, {one.kind} on {one.subject}"
    pair = [m for m in opposite if (m.kind, m.member, m.subaccount, m.subject) == where]
    if alone and pair:
        for figure in ("fee", "price", "quantity", "position", "cash"):
            a, b = getattr(one, figure), getattr(pair[0], figure)
            if a != b:
                return Difference(sequence, f"{what}: {figure}", a, b)
    return Difference(sequence, f"{what}: cash", *((one.cash, 0) if alone else (0, one.cash)))


def _rows(amounts: Mapping[str, int]) -> dict[str, tuple[int]]:
    return {name: (amount,) for name, amount in amounts.items()}


def _first(
    sequence: int,
    names: tuple[str, ...],
    label: str,
    mine: Mapping[Any, tuple[int, ...]],
    theirs: Mapping[Any, tuple[int, ...]],
) -> Difference | None:
    nothing = (0,) * len(names)
    for key in sorted(mine.keys() | theirs.keys()):
        a, b = mine.get(key, nothing), theirs.get(key, nothing)
        for name, audited, reported in zip(names, a, b, strict=True):
            if audited != reported:
                where = key if isinstance(key, tuple) else (key,)
                return Difference(sequence, label.format(*where, name), audited, reported)
    return None
