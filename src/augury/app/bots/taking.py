"""What takers and noise traders want, at their regular moments.

Pure functions of seed, moment and view. A moment is the number of a time slot, so a bot that was
away goes on where it would be by now, and two runs over the same time do the same.
"""

from collections.abc import Mapping
from random import Random
from typing import Final, NamedTuple

from augury.app.bots.grid import ONE_DOLLAR

_WEIGHTS: Final = {"busy": 8.0, "normal": 2.0, "quiet": 0.5, "none": 0.0}
_WIDEST_FOR_NOISE: Final = 1_500
"""Even noise does not pay a spread of more than this."""
_TRIES: Final = 5


class TakerHabits(NamedTuple):
    """``edge`` is what must be gained, ``error`` how wrong the private view may be; dollars.

    Noise traders have no view: their ``error`` is 0 and they do not look at the fair value.
    """

    size: int
    trades_per_minute: float
    edge: float = 0.0
    error: float = 0.0


class Touch(NamedTuple):
    """Best prices of one market and what the bot knows about it."""

    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int
    fair: float
    activity: str
    lot: int


class Take(NamedTuple):
    """An immediate order: buy YES at up to ``price``, or sell YES down to it."""

    ticker: str
    buy: bool
    price: int
    quantity: int


def slot_at(habits: TakerHabits, now: float) -> int:
    """The number of the present slot; a bot acts once in each."""
    return int(now * habits.trades_per_minute / 60)


def takers_choice(
    seed: int, slot: int, habits: TakerHabits, markets: Mapping[str, Touch]
) -> Take | None:
    """Trade where the book is on the wrong side of a private view of the fair value."""
    rng = Random(f"taker/{seed}/{slot}")
    for ticker in _candidates(rng, markets):
        touch = markets[ticker]
        view = (touch.fair + rng.gauss(0, habits.error)) * ONE_DOLLAR
        edge = habits.edge * ONE_DOLLAR
        quantity = _quantity(rng, habits.size, touch.lot)
        if touch.ask < ONE_DOLLAR and touch.ask <= view - edge:
            return Take(ticker, True, touch.ask, _at_most(quantity, touch.ask_quantity, touch.lot))
        if touch.bid > 0 and touch.bid >= view + edge:
            return Take(ticker, False, touch.bid, _at_most(quantity, touch.bid_quantity, touch.lot))
    return None


def noise_choice(
    seed: int, slot: int, habits: TakerHabits, markets: Mapping[str, Touch]
) -> Take | None:
    """Trade anywhere in any direction, where somebody quotes a bearable spread."""
    rng = Random(f"noise/{seed}/{slot}")
    for ticker in _candidates(rng, markets):
        touch = markets[ticker]
        buy = rng.random() < 0.5
        quantity = _quantity(rng, habits.size, touch.lot)
        if touch.bid <= 0 or touch.ask >= ONE_DOLLAR or touch.ask - touch.bid > _WIDEST_FOR_NOISE:
            continue
        if buy:
            return Take(ticker, True, touch.ask, _at_most(quantity, touch.ask_quantity, touch.lot))
        return Take(ticker, False, touch.bid, _at_most(quantity, touch.bid_quantity, touch.lot))
    return None


def _candidates(rng: Random, markets: Mapping[str, Touch]) -> list[str]:
    """A few markets, busy ones more often."""
    tickers = sorted(markets)
    weights = [_WEIGHTS[markets[ticker].activity] for ticker in tickers]
    if not any(weights):
        return []
    return list(dict.fromkeys(rng.choices(tickers, weights, k=_TRIES)))


def _quantity(rng: Random, size: int, lot: int) -> int:
    """Mostly small, sometimes several times the usual size."""
    quantity = size * min(rng.expovariate(1.0) + 0.1, 5.0)
    return max(round(quantity / lot), 1) * lot


def _at_most(quantity: int, available: int, lot: int) -> int:
    """Takes up to twice what stands at the best price, so that levels are eaten sometimes."""
    if available <= 0:
        return quantity
    return max(min(quantity, available * 2) // lot, 1) * lot
