"""Combos: what may be combined, what is the same combo, and who is paid in the end (section 12)."""

from typing import Any

import pytest

from augury.core import commands as c
from augury.core.units import NANOS_PER_SECOND
from tests.core_stage import CLOSE_SECONDS, START_NS, Stage


def stage_of(
    *,
    is_ordered: bool = False,
    sizes: tuple[int, int] = (2, 3),
    exclusive: bool = True,
    timer: int = 600,
    close_seconds: int = CLOSE_SECONDS + 60,
) -> Stage:
    """Three events: A with A1 and A2, of which one at most is YES; B with B1; N with a scalar."""
    stage = Stage(
        {"maker": 100, "taker": 100},
        events={"A": ("A1", "A2")},
        returns="MECNET" if exclusive else "",
        settlement_timer=timer,
    )
    for event in ("B", "N", "Z"):
        stage.do(c.CreateEvent(event, "S", False, "", "{}"))
    stage.list_market("B", "B1", settlement_timer=timer, close_seconds=close_seconds)
    stage.list_market("B", "B2", settlement_timer=timer, close_seconds=close_seconds)
    stage.list_market("N", "N1", settlement_timer=timer, market_type="scalar")
    stage.list_market("Z", "Z1")
    associated = (("A", False, 0, 2), ("B", False, 0, 0), ("N", True, 0, 1))
    until = START_NS + 5_000 * NANOS_PER_SECOND
    least, most = sizes
    stage.do(
        c.CreateCollection("PAIRS", "S", START_NS, until, least, most, is_ordered, associated, "{}")
    )
    return stage


VALIDATION = {
    "two legs of different events": ("yes:A1 yes:B1", "X listed; X found; X opened"),
    "two legs of one event": ("yes:B1 no:B2", "X listed; X found; X opened"),
    "one cannot win and both be there": (
        "yes:A1 yes:A2 yes:B1",
        "refused conflicting_leg_outcomes",
    ),
    "that neither wins is possible": ("no:A1 no:A2", "X listed; X found; X opened"),
    "too few legs": ("yes:A1", "refused invalid_market_combination"),
    "no legs": ("", "refused invalid_market_combination"),
    "too many legs": ("yes:A1 no:A2 yes:B1 yes:B2", "refused invalid_market_combination"),
    "the same leg twice": ("yes:A1 yes:B1 yes:A1", "refused duplicated_legs"),
    "both sides of a market": ("yes:B1 no:B1", "refused conflicting_leg_outcomes"),
    "an event outside of the collection": ("yes:A1 yes:Z1", "refused invalid_market_combination"),
    "a market that is not there": ("yes:A1 yes:B9@B", "refused market_not_found"),
    "a market of another event": ("yes:A1 yes:B1@A", "refused market_not_found"),
    "a side that is none": ("yes:A1 maybe:B1", "refused invalid_market_combination"),
    "NO where only YES may be chosen": ("yes:A1 no:N1", "refused invalid_market_combination"),
    "YES where only YES may be chosen": ("yes:A1 yes:N1", "X listed; X found; X opened"),
}


@pytest.mark.parametrize("legs, expected", VALIDATION.values(), ids=list(VALIDATION))
def test_what_may_be_combined(legs: str, expected: str) -> None:
    stage = stage_of()
    told = stage.line(f"taker combo X {legs}")
    assert told == expected


def test_a_selection_must_be_made_while_collection_and_legs_are_open() -> None:
    stage = stage_of()
    stage.play("""
        exchange deactivate B1          -> B1 paused
        taker   combo X yes:A1 yes:B1   -> refused invalid_market_combination
        exchange reactivate B1          -> B1 reactivated
        taker   find X yes:A1 yes:B1    -> refused market_not_found
        taker   combo X yes:A1 yes:B1   -> X listed; X found; X opened
        wait    5000                    ->
        maker   combo X yes:A1 yes:B1   -> X found
        maker   find X yes:A1 yes:B1    -> X found
        maker   combo Y yes:A2 yes:B1   -> refused invalid_parameters
    """)


def test_a_suspended_member_lists_nothing() -> None:
    stage_of().play("""
        exchange suspend taker          ->
        taker   combo X yes:A1 yes:B1   -> refused member_suspended
    """)


@pytest.mark.parametrize(
    "is_ordered, other_order",
    [(False, "X found"), (True, "X listed; X found; X opened")],
    ids=["unordered", "ordered"],
)
def test_order_of_legs_matters_only_where_the_collection_says_so(
    is_ordered: bool, other_order: str
) -> None:
    stage = stage_of(is_ordered=is_ordered)
    stage.line("taker combo X yes:A1 yes:B1")
    first = stage.combos["X"]
    assert stage.line("taker combo X yes:A1 yes:B1") == "X found"
    assert stage.combos["X"] == first
    assert stage.line("taker combo X yes:B1 yes:A1") == other_order
    assert (stage.combos["X"] == first) == (not is_ordered)


def test_a_combo_is_named_after_its_legs_and_closes_with_the_first_of_them() -> None:
    stage = stage_of()
    stage.line("taker combo X yes:A1 yes:B1")
    ticker = stage.combos["X"]
    market = stage.engine.state.markets[ticker]
    event, _, suffix = ticker.rpartition("-")
    assert market.event.ticker == event
    assert event.startswith("S-S")
    assert len(event) == len("S-S") + 16
    assert len(suffix) == 11
    assert market.close_ns == START_NS + CLOSE_SECONDS * NANOS_PER_SECOND
    assert market.event.market_tickers == [ticker]
    again = stage_of()
    again.line("maker combo X yes:B1 yes:A1")
    assert again.combos["X"] == ticker, "the same legs give the same name everywhere"


# What the legs become, in order, and what is told of the combo of yes:A1 and no:B1.
RESULTS = {
    "both as selected": ("A1 yes, B1 no", "X is yes"),
    "the first is lost": ("A1 no", "X is no"),
    "the second is lost": ("B1 yes", "X is no"),
    "won first, lost then": ("A1 yes, B1 yes", "X is no"),
    "a void leg": ("A1 void, B1 no", "X is void"),
    "a void leg with a lost one": ("A1 void, B1 yes", "X is no"),
    "one is still open": ("A1 yes", ""),
    "void and still open": ("A1 void", ""),
}


@pytest.mark.parametrize("results, expected", RESULTS.values(), ids=list(RESULTS))
def test_the_result_follows_from_the_legs(results: str, expected: str) -> None:
    stage = stage_of()
    stage.line("taker combo X yes:A1 no:B1")
    told = ""
    for result in results.split(", "):
        told = stage.line(f"exchange determine {result}")
    sentences = [sentence for sentence in told.split("; ") if sentence.startswith("X is ")]
    assert sentences == ([expected] if expected else [])


# What the scalar leg pays per contract in cents, what the combo becomes, what ten contracts pay.
SHARES = [
    ("40", "X is scalar 40", "maker is paid $6; taker is paid $4"),
    ("0.01", "X is scalar 0.01", "maker is paid $9.99; taker is paid $0"),
    ("0", "X is no", "maker is paid $10; taker is paid $0"),
    ("100", "X is yes", "maker is paid $0; taker is paid $10"),
]


@pytest.mark.parametrize("value, expected, paid", SHARES)
def test_a_scalar_leg_pays_its_share(value: str, expected: str, paid: str) -> None:
    stage = stage_of(timer=0)
    stage.play("""
        taker   combo X yes:N1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine B1 yes               -> B1 closed; B1 determined; B1 is yes; ...
    """)
    assert expected in stage.line(f"exchange determine N1 {value}").split("; ")
    assert stage.line("wait 60") == f"{paid}; X settled"


def test_a_lost_leg_ends_the_combo_at_once_and_pays_when_it_is_final() -> None:
    stage_of(timer=600).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 4 50 in X               -> 4 at 50: taker from maker
        maker   rfq 5 in X                      -> rfq created
        exchange determine A1 no -> A1 closed; A1 determined; A1 is no; X closed; \
              maker order canceled market_closed; rfq closed market_closed; X determined; X is no
        taker   buy yes 4 50 in X               -> refused market_inactive
        wait    599.999                         ->
        wait    0.001  -> A1 settled; maker is paid $4; taker is paid $0; X settled
    """)


def test_a_combo_pays_a_minute_after_legs_that_are_final_at_once() -> None:
    stage_of(timer=0).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 yes -> A1 closed; A1 determined; A1 is yes; X closed; A1 settled
        exchange determine B1 yes -> B1 closed; B1 determined; B1 is yes; X determined; \
                                     X is yes; B1 settled
        wait    59.999                          ->
        wait    0.001           -> maker is paid $0; taker is paid $10; X settled
    """)


def test_a_disputed_leg_takes_the_result_back_until_it_is_decided() -> None:
    stage_of(timer=600).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 no                -> A1 closed; A1 determined; A1 is no; ...
        exchange dispute X                      -> refused invalid_state
        exchange determine X yes                -> refused invalid_state
        exchange dispute A1                     -> A1 disputed; X undecided
        wait    3600                            ->
        exchange determine A1 yes               -> A1 amended; A1 is yes
        exchange determine B1 yes -> B1 closed; B1 determined; B1 is yes; X determined; X is yes
        wait    600 -> A1 settled; B1 settled; maker is paid $0; taker is paid $10; X settled
    """)


def test_a_dispute_that_changes_nothing_ends_with_the_same_result() -> None:
    stage_of(timer=600).play(
        """
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 no                -> A1 closed; A1 determined; A1 is no; ...
        wait    599                             ->
        exchange dispute A1                     -> A1 disputed; X undecided
        exchange determine A1 no -> A1 determined; A1 confirmed; A1 is no; X determined; X is no
        wait    599.999                         ->
        wait    0.001  -> A1 settled; maker is paid $10; taker is paid $0; X settled
    """.replace("A1 determined; A1 confirmed", "A1 confirmed")
    )


def test_another_lost_leg_keeps_the_result_but_pays_only_when_that_one_is_final() -> None:
    stage_of(timer=600).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 no                -> A1 closed; A1 determined; A1 is no; ...
        wait    500                             ->
        exchange determine B1 no                -> B1 closed; B1 determined; B1 is no
        exchange dispute A1                     -> A1 disputed
        wait    599.999                         ->
        wait    0.001  -> B1 settled; maker is paid $10; taker is paid $0; X settled
        exchange determine A1 yes               -> A1 amended; A1 is yes
        wait    600                             -> A1 settled
    """)


def test_what_the_other_legs_become_does_not_delay_a_loss() -> None:
    stage_of(timer=600).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 no                -> A1 closed; A1 determined; A1 is no; ...
        wait    500                             ->
        exchange determine B1 yes               -> B1 closed; B1 determined; B1 is yes
        wait    100 -> A1 settled; maker is paid $10; taker is paid $0; X settled
    """)


def test_an_amended_leg_amends_its_combo() -> None:
    stage_of(timer=600).play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        maker   buy no 10 50 in X               -> maker rests 10
        taker   buy yes 10 50 in X              -> 10 at 50: taker from maker
        exchange determine A1 yes               -> A1 closed; A1 determined; A1 is yes; X closed
        exchange determine B1 yes               -> B1 closed; B1 determined; B1 is yes; X ...
        exchange dispute B1                     -> B1 disputed; X undecided
        exchange determine B1 void              -> B1 amended; B1 is void; X determined; X is void
        wait    600 -> A1 settled; B1 settled; maker is paid $5; taker is paid $5; X settled
    """)


def test_a_combo_closes_and_reopens_with_its_legs() -> None:
    stage_of().play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        wait    10                              ->
        exchange close B1 20                    ->
        exchange close X 21                     -> refused invalid_parameters
        wait    10                              -> B1 closed; X closed
        exchange close X 21                     -> refused invalid_parameters
        maker   buy no 10 50 in X               -> refused market_inactive
        exchange close B1 100                   -> B1 reopened; X reopened
        maker   buy no 10 50 in X               -> maker rests 10
        exchange close A1 90                    ->
        wait    70  -> A1 closed; X closed; maker order canceled market_closed
        wait    10                              -> B1 closed
    """)


def test_a_combo_that_nobody_traded_vanishes_and_can_be_made_again() -> None:
    stage = stage_of(timer=600)
    stage.play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        taker   combo Y no:A2 yes:B1            -> Y listed; Y found; Y opened
        maker   buy no 1 50 in Y                -> maker rests 1
        maker   rfq 1 in X                      -> rfq created
        exchange close A1 30                    ->
        wait    30                              -> A1 closed; X closed; rfq closed market_closed
        exchange determine A1 no                -> A1 determined; A1 is no; X determined; X is no
        wait    600                             -> A1 settled; X settled; X vanishes
        maker   find Z yes:A1 yes:B1            -> refused market_not_found
        maker   combo Z yes:A1 yes:B1           -> refused invalid_market_combination
    """)
    state = stage.engine.state
    assert stage.combos["X"] not in state.markets
    assert stage.combos["X"].rpartition("-")[0] not in state.events
    assert state.markets["B1"].combo_tickers == [stage.combos["Y"]]
    assert state.markets["A1"].combo_tickers == []


def test_what_vanished_comes_back_under_its_old_name() -> None:
    """A leg that was re-opened may be combined again; the name follows from the legs."""
    stage = stage_of(timer=0)
    stage.line("taker combo X yes:A1 yes:B1 no:B2")
    first = stage.combos["X"]
    stage.line("exchange determine B2 yes")
    assert stage.line("wait 60") == "X settled; X vanishes"
    stage.line("taker combo Y yes:A1 yes:B1")
    assert stage.combos["Y"] != first
    assert stage.line("taker find Y yes:B1 yes:A1") == "Y found"


def test_combos_use_the_fast_timers() -> None:
    stage_of().play("""
        taker   combo X yes:A1 yes:B1           -> X listed; X found; X opened
        taker   rfq 10 in X                     -> rfq created
        maker   quote 30 60 to taker            -> maker quote created
        taker   accept maker no                 -> maker quote accepted
        wait    2.999                           ->
        wait    0.001                           -> maker quote cancelled expired
        maker   quote 30 60 to taker            -> maker quote created
        taker   accept maker no                 -> maker quote accepted
        wait    2.999                           ->
        maker   confirm                         -> maker quote confirmed
        wait    0.999                           ->
        wait    0.001  -> maker rests 10; 10 at 40: taker from maker; maker quote executed; ...
    """)


COLLECTIONS = {
    "as good as any": ({}, ""),
    "twice": ({"ticker": "PAIRS"}, "already_exists"),
    "a ticker in small letters": ({"ticker": "pairs"}, "invalid_parameters"),
    "an unknown series": ({"series_ticker": "T"}, "not_found"),
    "an unknown event": ({"associated_events": (("Q", False, 0, 0),)}, "not_found"),
    "an event twice": (
        {"associated_events": (("A", False, 0, 0), ("A", True, 0, 0))},
        "invalid_parameters",
    ),
    "sizes upside down": ({"associated_events": (("A", False, 3, 2),)}, "invalid_parameters"),
    "a size below zero": ({"associated_events": (("A", False, -1, 2),)}, "invalid_parameters"),
    "closing before it opens": ({"close_ns": START_NS}, "invalid_parameters"),
    "more legs at least than at most": ({"size_min": 4}, "invalid_parameters"),
    "single legs": ({"size_min": 1}, "invalid_parameters"),
}


@pytest.mark.parametrize("change, expected", COLLECTIONS.values(), ids=list(COLLECTIONS))
def test_what_a_collection_may_be(change: dict[str, object], expected: str) -> None:
    stage = stage_of()
    fields: dict[str, Any] = {
        "ticker": "OTHERS",
        "series_ticker": "S",
        "open_ns": START_NS,
        "close_ns": START_NS + 1,
        "size_min": 2,
        "size_max": 3,
        "is_ordered": False,
        "associated_events": (("A", False, 0, 0),),
        "details": "{}",
    } | change
    applied = stage.do(c.CreateCollection(**fields))
    assert (applied.rejection.code if applied.rejection else "") == expected
