"""An order book that is too simple to be wrong, to judge the real one by.

One list of orders, searched from end to end for everything. It knows price, time, self-trade
prevention and the ways to stay in force; it knows nothing of money.
"""

from dataclasses import dataclass

BID = 1


@dataclass
class Resting:
    order_id: int
    member: int
    direction: int
    price: int
    remaining: int
    filled: int
    time: int
    """When it took its place; smaller trades first."""
    maker_is_canceled: bool
    """Self-trade prevention: whether own resting orders give way to this one."""
    post_only: bool


@dataclass(frozen=True)
class Trade:
    maker_id: int
    taker_id: int
    price: int
    quantity: int


class Refused(Exception):
    """The order did not enter, or stayed as it was."""


class NaiveBook:
    """One market. Prices are YES prices; ``time`` is any number that grows."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []

    def place(
        self,
        order_id: int,
        member: int,
        direction: int,
        price: int,
        quantity: int,
        time_in_force: str = "good_till_canceled",
        *,
        post_only: bool = False,
        maker_is_canceled: bool = False,
    ) -> list[Trade]:
        """Enter an order and return its trades; what may rest of it rests."""
        order = Resting(
            order_id, member, direction, price, quantity, 0, order_id, maker_is_canceled, post_only
        )
        if post_only and self.crossed_by(order):
            raise Refused
        if time_in_force == "fill_or_kill":
            # Own orders count: such an order is stopped by them, not refused.
            if sum(other.remaining for other in self.crossed_by(order)) < quantity:
                raise Refused
        trades, stopped = self._match(order)
        if order.remaining and not stopped and time_in_force == "good_till_canceled":
            self.orders.append(order)
        return trades

    def cancel(self, order_id: int) -> None:
        self.orders.remove(self.order(order_id))

    def decrease(self, order_id: int, quantity: int) -> None:
        order = self.order(order_id)
        order.remaining -= quantity
        if order.remaining <= 0:
            self.orders.remove(order)

    def amend(self, order_id: int, price: int, total: int, time: int) -> list[Trade]:
        """``total`` counts what is filled. Smaller at the same price keeps its place."""
        order = self.order(order_id)
        remaining = total - order.filled
        if remaining <= 0:
            raise Refused
        if price == order.price and remaining <= order.remaining:
            order.remaining = remaining
            return []
        amended = Resting(
            order_id,
            order.member,
            order.direction,
            price,
            remaining,
            order.filled,
            time,
            order.maker_is_canceled,
            order.post_only,
        )
        if amended.post_only and self.crossed_by(amended):
            raise Refused
        if not amended.maker_is_canceled and self._would_meet_itself(amended):
            raise Refused
        self.orders.remove(order)
        trades, stopped = self._match(amended)
        if amended.remaining and not stopped:
            self.orders.append(amended)
        return trades

    def order(self, order_id: int) -> Resting:
        return next(order for order in self.orders if order.order_id == order_id)

    def crossed_by(self, order: Resting) -> list[Resting]:
        """Opposite orders that ``order`` would trade with, in price-time order."""
        crossed = [
            other
            for other in self.orders
            if other.direction != order.direction
            and (
                order.price >= other.price if order.direction == BID else order.price <= other.price
            )
        ]
        return sorted(crossed, key=lambda other: (other.price * order.direction, other.time))

    def depth(self, direction: int) -> dict[int, int]:
        """Price to resting quantity."""
        totals: dict[int, int] = {}
        for order in self.orders:
            if order.direction == direction:
                totals[order.price] = totals.get(order.price, 0) + order.remaining
        return totals

    def ahead_of(self, order_id: int) -> int:
        """Resting quantity that trades before an order."""
        order = self.order(order_id)
        return sum(
            other.remaining
            for other in self.orders
            if other.direction == order.direction
            and (-other.price * order.direction, other.time)
            < (-order.price * order.direction, order.time)
        )

    def _match(self, order: Resting) -> tuple[list[Trade], bool]:
        """Trade as far as possible; True when the order met an own one and has to go."""
        trades: list[Trade] = []
        for other in self.crossed_by(order):
            if not order.remaining:
                break
            if other.member == order.member:
                if not order.maker_is_canceled:
                    return trades, True
                self.orders.remove(other)
                continue
            quantity = min(order.remaining, other.remaining)
            trades.append(Trade(other.order_id, order.order_id, other.price, quantity))
            for party in (order, other):
                party.remaining -= quantity
                party.filled += quantity
            if not other.remaining:
                self.orders.remove(other)
        return trades, False

    def _would_meet_itself(self, order: Resting) -> bool:
        left = order.remaining
        for other in self.crossed_by(order):
            if left <= 0:
                return False
            if other.member == order.member:
                return True
            left -= other.remaining
        return False
