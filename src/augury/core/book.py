"""The order book of one market: price-time priority over the unified YES book.

Owns the resting orders' places and the level totals; it knows nothing of money. Bids and asks
are both quoted in YES prices. Levels live in a dictionary with a sorted list of occupied prices
beside it, orders of a level in an intrusive linked list: every operation costs the same whether
a thousand orders rest or a million.
"""

from typing import TYPE_CHECKING

from augury.core.units import BID

if TYPE_CHECKING:
    from augury.core.events import LevelChanged
    from augury.core.state import Order


class Level:
    """All resting orders of one side at one price, oldest first."""

    __slots__ = ("change", "head", "next_changed", "price", "quantity", "tail", "taker_noted")

    def __init__(self, price: int) -> None:
        self.price = price
        self.quantity = 0
        self.head: Order | None = None
        self.tail: Order | None = None
        self.change: LevelChanged | None = None
        """What the running step did here, if anything; likewise the other two."""
        self.next_changed: Level | None = None
        self.taker_noted = False
        """Whether the change names the taker that traded here."""


class BookSide:
    """One side of the book. ``best`` is None when the side is empty."""

    __slots__ = ("best", "direction", "levels", "prices")

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.levels: dict[int, Level] = {}
        self.prices: list[int] = []
        """Occupied prices, ascending."""
        self.best: Level | None = None

    def append(self, order: "Order") -> Level:
        """Put ``order`` behind all others of its price; returns its level."""
        price = order.price
        level = self.levels.get(price)
        if level is None:
            level = Level(price)
            self.levels[price] = level
            self.prices.insert(place_of(self.prices, price), price)
            best = self.best
            if best is None or (
                price > best.price if self.direction == BID else price < best.price
            ):
                self.best = level
        tail = level.tail
        order.previous = tail
        order.next = None
        if tail is None:
            level.head = order
        else:
            tail.next = order
        level.tail = order
        order.level = level
        level.quantity += order.remaining
        return level

    def remove(self, order: "Order") -> None:
        """Take ``order`` out; its level's total drops by what it has remaining."""
        level = order.level
        assert level is not None
        before = order.previous
        after = order.next
        if before is None:
            level.head = after
        else:
            before.next = after
        if after is None:
            level.tail = before
        else:
            after.previous = before
        order.previous = None
        order.next = None
        order.level = None
        level.quantity -= order.remaining
        if level.head is None:
            self._drop(level)

    def next_worse(self, level: Level) -> Level | None:
        """The level that would be best if ``level`` were gone."""
        index = place_of(self.prices, level.price)
        if self.direction == BID:
            return self.levels[self.prices[index - 1]] if index > 0 else None
        index += 1
        return self.levels[self.prices[index]] if index < len(self.prices) else None

    def quantity_ahead(self, order: "Order") -> int:
        """Resting quantity that trades before ``order``: better prices, then earlier orders."""
        ahead = 0
        index = place_of(self.prices, order.price)
        better = self.prices[index + 1 :] if self.direction == BID else self.prices[:index]
        for price in better:
            ahead += self.levels[price].quantity
        other = order.previous
        while other is not None:
            ahead += other.remaining
            other = other.previous
        return ahead

    def quantity_at(self, price: int) -> int:
        """Resting total at ``price``; 0 when nobody is there."""
        level = self.levels.get(price)
        return 0 if level is None else level.quantity

    def depth(self) -> list[tuple[int, int]]:
        """(price, quantity) of every level, by ascending YES price."""
        return [(price, self.levels[price].quantity) for price in self.prices]

    def _drop(self, level: Level) -> None:
        del self.prices[place_of(self.prices, level.price)]
        del self.levels[level.price]
        if self.best is level:
            prices = self.prices
            if not prices:
                self.best = None
            else:
                self.best = self.levels[prices[-1] if self.direction == BID else prices[0]]


def place_of(prices: list[int], price: int) -> int:
    """Where ``price`` is, or would be, among ascending prices; compiled, quicker than a call."""
    low, high = 0, len(prices)
    while low < high:
        middle = (low + high) // 2
        if prices[middle] < price:
            low = middle + 1
        else:
            high = middle
    return low
