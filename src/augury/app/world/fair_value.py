"""What a demo market is worth: a hidden truth that drifts, as a function of seed and time.

The bots that trade and the keeper that determines results must agree without talking to each
other, after a restart too. So a fair value is no running process but can be computed for any
moment: the drift is a sum of seeded noises of different speeds, rough like a random walk over
minutes and steady over days, so that prices move all the time and never run away for good.

Pure. Times are seconds since the epoch. These are models, not money: floats are fine here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, NamedTuple

_NORMAL: Final = NormalDist()
_FINEST_PERIOD: Final = 15.0
"""Seconds; nothing moves faster than this."""
_SLOWDOWN: Final = 4.0
"""How much longer the period of each slower noise is."""
_SHARPEN_SHARE: Final = 0.25
"""The last part of a market's life in which its outcome becomes clear."""
_SHARPEN_LONGEST: Final = 86_400.0
_SHARPEST: Final = 0.08

NUMERIC_STRIKES: Final = ("greater", "greater_or_equal", "less", "less_or_equal", "between")


@dataclass(frozen=True, slots=True)
class FairValue:
    """How the truth behind one event moves.

    With a ``start`` the truth is a number (a temperature, an index) around it, that strays by
    ``swing`` (its standard deviation); strikes decide what each market is worth. Without one
    every market has its own chance around its ``start_price``, and ``swing`` counts in log-odds;
    in a mutually exclusive event the chances add up to one.
    """

    seed: int
    name: str
    """Whatever has the same seed and name moves alike."""
    swing: float
    pace: float
    """Seconds that a whole swing takes, roughly."""
    start: float | None = None
    decimals: int = 0
    """Of the number that is observed in the end."""
    mutually_exclusive: bool = False
    converges: bool = True
    """Whether the outcome becomes clear towards the close; only if the truth decides it."""


class MarketFacts(NamedTuple):
    """What the truth needs to know about one market; the public API tells all of it."""

    ticker: str
    open_time: float
    close_time: float
    market_type: str = "binary"
    strike_type: str = ""
    floor: float | None = None
    cap: float | None = None
    start_price: float = 0.5


class Outcome(NamedTuple):
    """How a market ends. ``value`` is what YES pays in dollars."""

    ticker: str
    result: str
    value: float
    observed: str


def drift(seed: int, name: str, pace: float, at: float) -> float:
    """Noise with mean 0 and standard deviation of about 1; a pure function of its arguments."""
    total = weight = 0.0
    period = max(pace, _FINEST_PERIOD)
    while period >= _FINEST_PERIOD:
        index, share = divmod(at / period, 1.0)
        before = _lattice(seed, name, round(period), int(index))
        after = _lattice(seed, name, round(period), int(index) + 1)
        # Variance grows in proportion to time, as in a random walk.
        total += math.sqrt(period) * (before + (after - before) * share)
        weight += period
        period /= _SLOWDOWN
    # A straight line between two independent points has two thirds of their variance on average.
    return total / math.sqrt(weight * 2 / 3)


@lru_cache(maxsize=16_384)
def _lattice(seed: int, name: str, period: int, index: int) -> float:
    """An independent standard normal number for each argument tuple."""
    digest = blake2b(f"{seed}/{name}/{period}/{index}".encode(), digest_size=7).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / (1 << 56)
    return _NORMAL.inv_cdf(uniform)


def observed_number(model: FairValue, at: float) -> float:
    """The hidden number at a moment; ``model`` must have a start."""
    assert model.start is not None
    return model.start + model.swing * drift(model.seed, model.name, model.pace, at)


def observed_text(model: FairValue, at: float) -> str:
    """The number as it will be reported, rounded to the model's decimals."""
    return f"{observed_number(model, at):.{model.decimals}f}"


def fair_prices(model: FairValue, markets: Sequence[MarketFacts], at: float) -> dict[str, float]:
    """What YES is worth in each market of one event at a moment: dollars in [0, 1]."""
    if model.start is not None:
        number = observed_number(model, at)
        return {market.ticker: _numeric_price(model, market, number, at) for market in markets}
    scores = {market.ticker: _score(model, market, at) for market in markets}
    if not model.mutually_exclusive:
        return {ticker: _logistic(score) for ticker, score in scores.items()}
    weights = _shares(model, markets, scores, at)
    return {market.ticker: weights[market.ticker] for market in markets}


def outcomes(model: FairValue, markets: Sequence[MarketFacts], at: float) -> list[Outcome]:
    """How all markets of an event end when the truth is read at ``at``."""
    if model.start is not None:
        text = observed_text(model, at)
        return [_numeric_outcome(market, float(text), text) for market in markets]
    scores = {market.ticker: _score(model, market, at) for market in markets}
    if not model.mutually_exclusive:
        return [_own_outcome(market, scores[market.ticker]) for market in markets]
    rest = _rest_score(markets)
    winner = max(scores, key=lambda ticker: (scores[ticker], ticker), default="")
    if winner and rest is not None and rest > scores[winner]:
        winner = ""
    return [
        Outcome(
            market.ticker,
            "yes" if market.ticker == winner else "no",
            1.0 if market.ticker == winner else 0.0,
            winner,
        )
        for market in markets
    ]


# --- numbers and strikes -------------------------------------------------------------------------


def _numeric_price(model: FairValue, market: MarketFacts, number: float, at: float) -> float:
    """The chance that the number, still straying until the close, ends where YES wins."""
    if market.market_type == "scalar":
        return _scalar_value(market, number)
    low, high = _yes_range(model, market)
    left = max(market.close_time - at, 0.0) if model.converges else model.pace
    spread = model.swing * math.sqrt(2 * (1 - math.exp(-left / model.pace)))
    spread = max(spread, 0.25 * 10.0**-model.decimals)
    return _NORMAL.cdf((high - number) / spread) - _NORMAL.cdf((low - number) / spread)


def _yes_range(model: FairValue, market: MarketFacts) -> tuple[float, float]:
    """Where the unrounded number must end for YES. Half a unit either way rounds to the same."""
    half = 0.5 * 10.0**-model.decimals
    floor = -math.inf if market.floor is None else market.floor
    cap = math.inf if market.cap is None else market.cap
    match market.strike_type:
        case "greater":
            return floor + half, math.inf
        case "greater_or_equal":
            return floor - half, math.inf
        case "less":
            return -math.inf, cap - half
        case "less_or_equal":
            return -math.inf, cap + half
        case _:
            return floor - half, cap + half


def _numeric_outcome(market: MarketFacts, number: float, text: str) -> Outcome:
    if market.market_type == "scalar":
        return Outcome(market.ticker, "scalar", round(_scalar_value(market, number), 2), text)
    wins = strike_holds(market.strike_type, market.floor, market.cap, number)
    return Outcome(market.ticker, "yes" if wins else "no", float(wins), text)


def strike_holds(strike_type: str, floor: float | None, cap: float | None, number: float) -> bool:
    """Whether YES wins at an observed number (rules, section 1; ``between`` is inclusive)."""
    low = -math.inf if floor is None else floor
    high = math.inf if cap is None else cap
    match strike_type:
        case "greater":
            return number > low
        case "greater_or_equal":
            return number >= low
        case "less":
            return number < high
        case "less_or_equal":
            return number <= high
        case _:
            return low <= number <= high


def _scalar_value(market: MarketFacts, number: float) -> float:
    """Where the number lies between floor and cap, as a share."""
    floor = 0.0 if market.floor is None else market.floor
    cap = floor + 1.0 if market.cap is None else market.cap
    return min(max((number - floor) / (cap - floor), 0.0), 1.0)


# --- chances -------------------------------------------------------------------------------------


def _score(model: FairValue, market: MarketFacts, at: float) -> float:
    """Log-odds (log-weights in a mutually exclusive event), sharper towards the close."""
    chance = min(max(market.start_price, 0.002), 0.998)
    base = math.log(chance) if model.mutually_exclusive else math.log(chance / (1 - chance))
    name = f"{model.name}/{market.ticker}"
    score = base + model.swing * drift(model.seed, name, model.pace, at)
    if model.mutually_exclusive or market.market_type == "scalar":
        return score
    return score / _haziness(model, market, at)


def _haziness(model: FairValue, market: MarketFacts, at: float) -> float:
    """1 during most of a market's life, then falling; divides scores."""
    if not model.converges:
        return 1.0
    whole = min(
        (market.close_time - market.open_time) * _SHARPEN_SHARE,
        _SHARPEN_LONGEST,
    )
    left = market.close_time - at
    if whole <= 0 or left >= whole:
        return 1.0
    return max(left / whole, _SHARPEST)


def _shares(
    model: FairValue, markets: Sequence[MarketFacts], scores: dict[str, float], at: float
) -> dict[str, float]:
    """Chances that add up to one; what the start prices leave belongs to nobody listed."""
    haziness = min(_haziness(model, market, at) for market in markets)
    rest = _rest_score(markets)
    top = max([*scores.values(), *([] if rest is None else [rest])])
    weights = {ticker: math.exp((score - top) / haziness) for ticker, score in scores.items()}
    total = sum(weights.values())
    if rest is not None:
        total += math.exp((rest - top) / haziness)
    return {ticker: weight / total for ticker, weight in weights.items()}


def _rest_score(markets: Sequence[MarketFacts]) -> float | None:
    rest = 1.0 - sum(market.start_price for market in markets)
    return math.log(rest) if rest > 0.015 else None


def _own_outcome(market: MarketFacts, score: float) -> Outcome:
    if market.market_type == "scalar":
        value = round(_logistic(score), 2)
        return Outcome(market.ticker, "scalar", value, f"{value:.2f}")
    return Outcome(market.ticker, "yes" if score > 0 else "no", float(score > 0), "")


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-min(max(score, -40.0), 40.0)))
