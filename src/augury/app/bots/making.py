"""What a market maker wants: quotes around a fair value, and the fewest changes to get there.

Pure functions: the same seed, fair value, position and resting orders give the same actions.
Prices are ten-thousandths of a dollar, quantities hundredths of a contract, all priced in YES.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from augury.app.bots.grid import ONE_DOLLAR, Grid

_SKEW_STEPS: Final = 3
"""How many level gaps a maker with a full position moves its quotes away from it."""
_FINE_STEP: Final = 100
"""Below a cent between prices a maker quotes closer."""
_HYSTERESIS: Final = 0.7
"""Share of a gap that the fair value must move before quotes follow; less would be fidgeting."""


class MakerHabits(NamedTuple):
    """How a maker quotes one market. ``spread`` is the distance between best bid and ask."""

    levels: int
    size: int
    spread: int
    gap: int
    max_position: int

    def adapted(self, activity: str) -> "MakerHabits":
        """Quiet markets have wide, thin quotes that follow the fair value slowly."""
        if activity == "busy":
            return self._replace(size=self.size * 3 // 2)
        if activity == "quiet":
            return self._replace(
                levels=min(self.levels, 2),
                size=max(self.size // 2, 100),
                spread=self.spread * 3,
                gap=self.gap * 2,
            )
        return self

    def on(self, grid: Grid, price: int) -> "MakerHabits":
        """Closer together where prices finer than a cent are allowed."""
        step = grid.step_at(price)
        if step >= _FINE_STEP:
            return self._replace(gap=max(self.gap, step))
        return self._replace(
            spread=max(self.spread * 2 // 5, 2 * step), gap=max(self.gap * 2 // 5, step)
        )


class Quote(NamedTuple):
    is_bid: bool
    price: int
    quantity: int


class OwnOrder(NamedTuple):
    """An order of the maker in the book. ``filled`` counts towards an amended size."""

    order_id: str
    is_bid: bool
    price: int
    remaining: int
    filled: int


class Place(NamedTuple):
    is_bid: bool
    price: int
    quantity: int


class Amend(NamedTuple):
    """Move ``order`` to a price, with ``quantity`` left to trade there."""

    order: OwnOrder
    price: int
    quantity: int


class Cancel(NamedTuple):
    order: OwnOrder


Action = Place | Amend | Cancel


def follow(center: int | None, fair: float, gap: int) -> int:
    """Where to center quotes: the old center until the fair value has clearly left it."""
    target = fair * ONE_DOLLAR
    if center is not None and abs(target - center) <= _HYSTERESIS * gap:
        return center
    return round(target / gap) * gap


def wanted_quotes(
    seed: int, ticker: str, habits: MakerHabits, grid: Grid, lot: int, center: int, position: int
) -> list[Quote]:
    """The quotes a maker would like to have, bids and asks each best first.

    A position moves all quotes so that it gets smaller again; a full one stops the side that
    would add to it.
    """
    half = habits.spread // 2
    full = max(habits.max_position, 1)
    skew = round(_SKEW_STEPS * max(-1.0, min(1.0, position / full)))
    center -= skew * habits.gap
    # Even a market that is as good as decided has a bid and an offer.
    center = min(max(center, grid.lowest + half), grid.highest - half)
    quotes: dict[tuple[bool, int], Quote] = {}
    for is_bid in (True, False):
        if position >= full if is_bid else position <= -full:
            continue
        for level in range(habits.levels):
            away = half + level * habits.gap
            price = grid.down(center - away) if is_bid else grid.up(center + away)
            if 0 < price < ONE_DOLLAR and (is_bid, price) not in quotes:
                quantity = _size(seed, ticker, habits.size, is_bid, level, lot)
                quotes[is_bid, price] = Quote(is_bid, price, quantity)
    return list(quotes.values())


def _size(seed: int, ticker: str, size: int, is_bid: bool, level: int, lot: int) -> int:
    """Sizes differ from level to level, as if many members stood behind them."""
    digest = blake2b(f"{seed}/{ticker}/{is_bid}/{level}".encode(), digest_size=4).digest()
    share = int.from_bytes(digest, "big") / (1 << 32)
    quantity = size * (0.6 + 0.8 * share) * (1 + 0.5 * level)
    return max(round(quantity / lot), 1) * lot


def changes(wanted: Sequence[Quote], resting: Sequence[OwnOrder]) -> list[Action]:
    """The fewest actions that turn the resting orders into the wanted quotes.

    Orders that stand right stay, and keep their place in the queue, unless half of them is
    traded away; others are moved before new ones are placed. The side that makes room comes
    first, so that a maker never meets its own order.
    """
    sides: dict[bool, list[Action]] = {}
    for is_bid in (True, False):
        missing = {quote.price: quote for quote in wanted if quote.is_bid == is_bid}
        free: list[OwnOrder] = []
        actions: list[Action] = []
        for order in sorted(
            (order for order in resting if order.is_bid == is_bid),
            key=lambda order: (order.price, order.order_id),
            reverse=not is_bid,
        ):
            quote = missing.pop(order.price, None)
            if quote is None:
                free.append(order)
            elif order.remaining * 2 < quote.quantity:
                actions.append(Amend(order, quote.price, quote.quantity))
        for quote, order in zip(missing.values(), free, strict=False):
            actions.append(Amend(order, quote.price, quote.quantity))
        actions += [Cancel(order) for order in free[len(missing) :]]
        actions += [Place(*quote) for quote in list(missing.values())[len(free) :]]
        sides[is_bid] = actions
    best_bid = max((quote.price for quote in wanted if quote.is_bid), default=0)
    upwards = any(not order.is_bid and order.price <= best_bid for order in resting)
    return sides[not upwards] + sides[upwards]
