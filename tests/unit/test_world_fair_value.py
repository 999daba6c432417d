"""The hidden truth of demo markets: the same for everyone who knows the seed, and well-behaved."""

import itertools
import math
import statistics

import pytest

from augury.app.world.fair_value import (
    FairValue,
    MarketFacts,
    drift,
    fair_prices,
    observed_number,
    observed_text,
    outcomes,
    strike_holds,
)

HOUR = 3600.0
DRIFT_AT_A_MILLION = 0.758232938
OPEN, CLOSE = 1_000_000.0, 1_000_000.0 + HOUR


def market(ticker: str, **fields) -> MarketFacts:
    return MarketFacts(ticker, OPEN, CLOSE, **fields)


def ladder(*strikes: float) -> list[MarketFacts]:
    return [market(f"T{strike}", strike_type="greater", floor=strike) for strike in strikes]


INDEX = FairValue(seed=3, name="index", swing=40, pace=6 * HOUR, start=4000, decimals=2)
RACE = FairValue(seed=3, name="race", swing=0.5, pace=HOUR, mutually_exclusive=True)
RUNNERS = [
    market(name, start_price=price) for name, price in (("RED", 0.4), ("BLUE", 0.3), ("TEAL", 0.2))
]


def test_the_same_seed_gives_the_same_truth_in_every_process():
    # Written down once: a change here changes every running demo world's prices and results.
    assert round(drift(1, "a", HOUR, 1_000_000.0), 9) == DRIFT_AT_A_MILLION
    assert drift(1, "a", HOUR, OPEN) != drift(2, "a", HOUR, OPEN)
    assert drift(1, "a", HOUR, OPEN) != drift(1, "b", HOUR, OPEN)


def test_drift_has_the_promised_mean_and_spread():
    values = [drift(7, "x", HOUR, 977.0 * step) for step in range(20_000)]
    assert abs(statistics.fmean(values)) < 0.1
    assert 0.9 < statistics.pstdev(values) < 1.1


def test_drift_moves_every_minute_but_never_jumps():
    values = [drift(7, "x", 6 * HOUR, OPEN + step) for step in range(600)]
    steps = [abs(after - before) for before, after in itertools.pairwise(values)]
    assert max(steps) < 0.05
    assert len({round(value, 4) for value in values[::60]}) == 10


def test_chances_of_a_race_add_up_to_one_with_what_is_left_for_others():
    for at in range(int(OPEN), int(CLOSE), 300):
        prices = fair_prices(RACE, RUNNERS, at)
        assert 0.5 < sum(prices.values()) < 1.0  # the rest belongs to runners that are not listed
    full = [*RUNNERS, market("PINK", start_price=0.1)]
    assert math.isclose(sum(fair_prices(RACE, full, OPEN).values()), 1.0)


def test_higher_strikes_are_never_worth_more():
    strikes = ladder(3900, 3960, 3990, 4010, 4050, 4100)
    for at in range(int(OPEN), int(CLOSE) + 1, 200):
        prices = list(fair_prices(INDEX, strikes, at).values())
        assert prices == sorted(prices, reverse=True)


@pytest.mark.parametrize("model, markets", [(INDEX, ladder(3960, 4000, 4040)), (RACE, RUNNERS)])
def test_what_the_market_knows_at_the_close_is_what_it_pays(model, markets):
    prices = fair_prices(model, markets, CLOSE)
    for outcome in outcomes(model, markets, CLOSE):
        assert abs(prices[outcome.ticker] - outcome.value) < 0.15


def test_ranges_leave_no_gap_and_no_overlap():
    model = FairValue(seed=5, name="heat", swing=6, pace=HOUR, start=70, decimals=0)
    ranges = [
        market("LOW", strike_type="less", cap=68),
        market("A", strike_type="between", floor=68, cap=69),
        market("B", strike_type="between", floor=70, cap=71),
        market("HIGH", strike_type="greater", floor=71),
    ]
    for at in range(0, 400_000, 7_000):
        results = [outcome.result for outcome in outcomes(model, ranges, at)]
        assert results.count("yes") == 1
        assert math.isclose(sum(fair_prices(model, ranges, at).values()), 1.0)


@pytest.mark.parametrize(
    "strike_type, number, wins",
    [
        ("greater", 60, False),
        ("greater_or_equal", 60, True),
        ("less", 60, False),
        ("less_or_equal", 60, True),
        ("between", 60, True),
        ("between", 65, True),
        ("between", 65.5, False),
    ],
)
def test_strikes_at_their_edges(strike_type, number, wins):
    floor, cap = (60, 65) if strike_type == "between" else (60, 60)
    assert strike_holds(strike_type, floor, cap, number) is wins


def test_a_scalar_market_pays_its_share_of_the_range():
    model = FairValue(seed=5, name="wind", swing=10, pace=HOUR, start=40)
    (outcome,) = outcomes(model, [market("W", market_type="scalar", floor=0, cap=100)], CLOSE)
    assert outcome.result == "scalar"
    assert outcome.value == float(outcome.observed) / 100
    assert outcome.observed == f"{observed_number(model, CLOSE):.0f}"


def test_a_number_goes_on_from_one_event_of_a_series_to_the_next():
    # Both know it by its name alone: where one closes the other opens.
    assert observed_text(INDEX, CLOSE) == observed_text(INDEX, CLOSE)
    evening = FairValue(seed=3, name="index", swing=40, pace=6 * HOUR, start=4000, decimals=2)
    assert observed_number(evening, CLOSE) == observed_number(INDEX, CLOSE)


def test_markets_that_the_operator_decides_do_not_give_their_result_away():
    open_ended = FairValue(seed=9, name="vote", swing=0.5, pace=HOUR, converges=False)
    prices = [
        fair_prices(open_ended, [market("V", start_price=0.5)], at)["V"]
        for at in range(int(CLOSE) - 600, int(CLOSE), 30)
    ]
    assert all(0.02 < price < 0.98 for price in prices)
