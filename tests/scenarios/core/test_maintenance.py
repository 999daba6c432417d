"""Maintenance windows pause trading by themselves; the operator has the last word (section 16)."""

import pytest

from augury.core import commands as c
from tests.core_stage import Stage

DOLLARS = {"asker": 100, "maker": 100}

TABLES = {
    "a window pauses and resumes": """
        maker   buy yes 5 40            -> maker rests 5
        maker   buy yes 5 41 pausing    -> maker rests 5
        exchange windows 10-20          ->
        wait    9.999                   ->
        wait    0.001                   -> trading paused; maker order canceled paused
        asker   sell yes 5 40           -> refused trading_paused
        wait    9.999                   ->
        wait    0.001                   -> trading resumed
        asker   sell yes 5 40           -> 5 at 40: maker from asker
    """,
    "cancels go on in a window": """
        maker   buy yes 5 40            -> maker rests 5
        exchange windows 10-20          ->
        wait    10                      -> trading paused
        maker   cancel                  -> maker order canceled canceled
    """,
    "quotes on their way do not survive the beginning": """
        exchange windows 10-20          ->
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        wait    10                      -> trading paused; maker quote cancelled paused
    """,
    "an execution due as the window begins still happens": """
        exchange windows 15-20          ->
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15 -> maker rests 10; 10 at 40: maker from asker; maker quote executed; \
                      rfq closed executed; trading paused
    """,
    "a window that has begun already begins at once": """
        wait    15                      ->
        exchange windows 10-20          -> trading paused
        wait    5                       -> trading resumed
    """,
    "windows that touch leave no gap in which to trade": """
        exchange windows 10-20 20-30    ->
        wait    10                      -> trading paused
        wait    10                      -> trading resumed; trading paused
        maker   buy yes 5 40            -> refused trading_paused
        wait    10                      -> trading resumed
    """,
    "windows may be given in any order": """
        exchange windows 30-40 10-20    ->
        wait    10                      -> trading paused
        wait    10                      -> trading resumed
        wait    10                      -> trading paused
        wait    10                      -> trading resumed
    """,
    "windows must not overlap or be empty": """
        exchange windows 10-20 15-30    -> refused invalid_parameters
        exchange windows 10-10          -> refused invalid_parameters
        exchange windows 20-10          -> refused invalid_parameters
        wait    15                      ->
    """,
    "past windows do nothing": """
        wait    100                     ->
        exchange windows 10-20 30-40    ->
        wait    100                     ->
    """,
    "windows that passed while nothing happened pause and resume": """
        exchange windows 10-20          ->
        maker   buy yes 5 41 pausing    -> maker rests 5
        wait    100 -> trading paused; maker order canceled paused; trading resumed
    """,
    "a new list replaces what has not begun": """
        exchange windows 10-20          ->
        exchange windows 30-40          ->
        wait    15                      ->
        wait    15                      -> trading paused
        exchange windows                -> trading resumed
        wait    60                      ->
    """,
    "a running window can be made longer": """
        exchange windows 10-20          ->
        wait    15                      -> trading paused
        exchange windows 10-40          ->
        wait    10                      ->
        wait    15                      -> trading resumed
    """,
    "a running window can be made shorter": """
        exchange windows 10-20          ->
        wait    12                      -> trading paused
        exchange windows 10-15          ->
        wait    3                       -> trading resumed
        wait    10                      ->
    """,
    "a running window can be moved into the future": """
        exchange windows 10-20          ->
        wait    12                      -> trading paused
        exchange windows 15-20          -> trading resumed
        wait    3                       -> trading paused
        wait    5                       -> trading resumed
    """,
    "a pause by hand outlasts a window inside of it": """
        exchange pause                  -> trading paused
        exchange windows 10-20          ->
        wait    60                      ->
        exchange resume                 -> trading resumed
    """,
    "a pause by hand during a window outlasts it": """
        exchange windows 10-20          ->
        wait    15                      -> trading paused
        exchange pause                  ->
        wait    60                      ->
        maker   buy yes 5 40            -> refused trading_paused
        exchange resume                 -> trading resumed
    """,
    "a window cannot resume what was paused by hand, even when it is taken back": """
        exchange windows 10-20          ->
        wait    15                      -> trading paused
        exchange pause                  ->
        exchange windows                ->
        wait    60                      ->
        exchange resume                 -> trading resumed
    """,
    "the operator may resume early": """
        exchange windows 10-20 30-40    ->
        wait    15                      -> trading paused
        exchange resume                 -> trading resumed
        wait    5                       ->
        wait    9.999                   ->
        wait    0.001                   -> trading paused
        wait    10                      -> trading resumed
    """,
    "a resumption inside a window that began under a pause by hand holds": """
        exchange windows 10-20          ->
        exchange pause                  -> trading paused
        wait    15                      ->
        exchange resume                 -> trading resumed
        wait    2                       ->
        maker   buy yes 5 40            -> maker rests 5
    """,
    "an exchange pause during a window": """
        exchange windows 10-20          ->
        wait    15                      -> trading paused
        exchange halt                   -> exchange paused
        wait    60                      ->
        exchange unhalt                 -> exchange resumed; trading resumed
    """,
    "an exchange pause that ends inside a window": """
        exchange windows 10-20          ->
        exchange halt                   -> exchange paused
        wait    15                      ->
        exchange unhalt                 -> exchange resumed; trading paused
        wait    5                       -> trading resumed
    """,
    "an exchange pause over a whole window": """
        exchange windows 10-20          ->
        exchange halt                   -> exchange paused
        wait    25                      ->
        exchange unhalt                 -> exchange resumed; trading paused; trading resumed
    """,
    "windows wait for the end of an exchange pause": """
        exchange halt                   -> exchange paused
        exchange windows 10-20          -> refused exchange_paused
    """,
    "markets close in a window as planned": """
        maker   buy yes 5 40            -> maker rests 5
        exchange close M 15             ->
        exchange windows 10-20          ->
        wait    10                      -> trading paused
        wait    5                       -> M closed; maker order canceled market_closed
        exchange determine M yes        -> M determined; M is yes; M settled
        wait    5                       -> trading resumed
    """,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_windows(table: str) -> None:
    Stage(DOLLARS).play(table)


def test_only_windows_that_are_not_over_are_kept() -> None:
    stage = Stage(DOLLARS)
    stage.line("wait 15")
    stage.line("exchange windows 1-2 10-20 30-40")
    spans = [(stage.at(10), stage.at(20)), (stage.at(30), stage.at(40))]
    assert stage.engine.state.maintenance_windows == spans
    stage.line("wait 6")
    assert stage.engine.state.maintenance_windows == spans[1:]
    assert stage.engine.next_timer_ns() == stage.at(30)
    stage.do(c.SetMaintenanceWindows(()))
    assert stage.engine.state.maintenance_windows == []
