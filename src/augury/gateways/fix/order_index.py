"""Orders by the names that clients give them.

The core knows open orders by number; FIX clients name them by ClOrdID. The index of a member is
built from the state when it is first asked for and follows the events from then on, so it costs
nothing for members who do not use FIX, and nothing of it needs to survive a restart.
"""

from collections import OrderedDict
from typing import Final

from augury.core import queries
from augury.core.applied import Applied
from augury.core.events import OrderAmended, OrderUpdated
from augury.core.state import EXECUTED, RESTING, Exchange, Member, Order

REMEMBERED: Final = 10_000
"""How many closed orders of a member are known to have been filled or canceled."""


class _Names:
    __slots__ = ("closed", "open")

    def __init__(self, state: Exchange, member: Member) -> None:
        self.open: dict[str, int] = {
            order.client_order_id: order.id
            for order in queries.open_orders(state, member)
            if order.client_order_id
        }
        self.closed: OrderedDict[str, tuple[int, bool]] = OrderedDict()


class OrderIndex:
    """Answers for one exchange; ``follow`` every record."""

    def __init__(self) -> None:
        self._members: dict[int, _Names] = {}

    def know(self, state: Exchange, member: Member) -> None:
        """Begin with a member, if its orders are not known already."""
        self._of(state, member)

    def follow(self, applied: Applied) -> None:
        """Take note of what a record did to orders of known members."""
        members = self._members
        if not members:
            return
        for event in applied.events:
            if isinstance(event, OrderAmended):
                names = members.get(event.before.member_id)
                if names is not None:
                    names.open.pop(event.before.client_order_id, None)
            elif isinstance(event, OrderUpdated):
                names = members.get(event.member_id)
                name = event.client_order_id
                if names is None or not name:
                    continue
                if event.status == RESTING:
                    names.open[name] = event.order_id
                else:
                    names.open.pop(name, None)
                    names.closed[name] = (event.order_id, event.status == EXECUTED)
                    if len(names.closed) > REMEMBERED:
                        names.closed.popitem(last=False)

    def open_order(self, state: Exchange, member: Member, client_order_id: str) -> Order | None:
        """The member's open order of that name."""
        order_id = self._of(state, member).open.get(client_order_id)
        return None if order_id is None else state.orders.get(order_id)

    def closed_order(
        self, state: Exchange, member: Member, client_order_id: str
    ) -> tuple[int, bool] | None:
        """Number of a recently closed order of that name, and whether it was filled."""
        return self._of(state, member).closed.get(client_order_id)

    def _of(self, state: Exchange, member: Member) -> _Names:
        names = self._members.get(member.id)
        if names is None:
            names = self._members[member.id] = _Names(state, member)
        return names
