"""How the markets of a directional event are nested, as far as strikes tell."""

from augury.gateways.strikes import strike_order


def above(ticker: str, strike: object, kind: str = "greater") -> tuple[str, dict[str, object]]:
    return ticker, {"strike_type": kind, "floor_strike": strike}


def below(ticker: str, strike: object, kind: str = "less") -> tuple[str, dict[str, object]]:
    return ticker, {"strike_type": kind, "cap_strike": strike}


def test_markets_stand_from_the_lowest_strike_to_the_highest() -> None:
    assert strike_order([above("C", 30), above("A", -1.5), above("B", 2)]) == (
        ("A", "B", "C"),
        False,
    )
    assert strike_order([below("B", 7), below("A", 0)]) == (("A", "B"), True)


def test_at_the_same_strike_the_bound_itself_decides() -> None:
    """At 5, "5 or more" wins where "more than 5" does not, and likewise below."""
    over = [above("MORE", 5), above("AT-LEAST", 5, "greater_or_equal")]
    assert strike_order(over) == (("AT-LEAST", "MORE"), False)
    under = [below("AT-MOST", 5, "less_or_equal"), below("LESS", 5)]
    assert strike_order(under) == (("LESS", "AT-MOST"), True)


def test_what_is_not_nested_has_no_order() -> None:
    assert strike_order([]) is None
    assert strike_order([above("A", 1), below("B", 2)]) is None
    assert strike_order([above("A", 1), ("B", {})]) is None
    assert strike_order([above("A", 1), above("B", True)]) is None
    assert strike_order([above("A", "1"), above("B", 2)]) is None
    between = {"strike_type": "between", "floor_strike": 1, "cap_strike": 2}
    assert strike_order([("A", between)]) is None
