"""Order groups: a limit of contracts matched in a rolling 15 seconds (rules, section 8).

Owns the window and the triggered state. Cancelling a group's orders belongs to ``matching``.
"""

from typing import Final

from augury.core.events import OrderGroupUpdated
from augury.core.state import OrderGroup
from augury.core.units import NANOS_PER_SECOND, QUANTITY_ONE, floor_to

WINDOW_NS: Final = 15 * NANOS_PER_SECOND
MAX_LIMIT: Final = 1_000_000 * QUANTITY_ONE
MAX_GROUPS_PER_MEMBER: Final = 25_000


def window_total(group: OrderGroup, time_ns: int) -> int:
    """Quantity matched inside the window that ends now. Changes nothing."""
    oldest_kept = time_ns - WINDOW_NS
    total = group.matched
    for matched_ns, quantity in group.fills:
        if matched_ns > oldest_kept:
            break
        total -= quantity
    return total


def capacity(group: OrderGroup, time_ns: int, lot: int) -> int:
    """How many whole lots, as a quantity, the group may still match before it triggers.

    Zero for an untriggered group only where fractional fills left less than a lot. Changes
    nothing, so that it can be asked before it is known whether a command will be carried out.
    """
    return floor_to(group.contracts_limit - window_total(group, time_ns), lot)


def prune(group: OrderGroup, time_ns: int) -> None:
    """Forget matches that have left the window."""
    oldest_kept = time_ns - WINDOW_NS
    fills = group.fills
    gone = 0
    while gone < len(fills) and fills[gone][0] <= oldest_kept:
        group.matched -= fills[gone][1]
        gone += 1
    if gone:
        del fills[:gone]


def record_fill(group: OrderGroup, quantity: int, time_ns: int) -> bool:
    """Count a match; True when it triggers the group."""
    if group.triggered:
        return False
    prune(group, time_ns)
    if group.fills and group.fills[-1][0] == time_ns:
        group.fills[-1] = (time_ns, group.fills[-1][1] + quantity)
    else:
        group.fills.append((time_ns, quantity))
    group.matched += quantity
    if group.matched >= group.contracts_limit:
        group.triggered = True
    return group.triggered


def reset(group: OrderGroup) -> None:
    """Clear the counter and the triggered state."""
    group.fills = []
    group.matched = 0
    group.triggered = False


def group_updated(kind: str, group: OrderGroup) -> OrderGroupUpdated:
    return OrderGroupUpdated(
        kind, group.id, group.account.member.id, group.account.number, group.contracts_limit
    )
