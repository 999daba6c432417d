"""World files with mistakes: all of them are found, with file, line and field."""

import textwrap
from pathlib import Path

import pytest

from augury.app.world import WorldError, load_world, parse_world, shipped_worlds
from augury.client import generate_key_pair
from augury.core.prices import PRICE_LEVEL_STRUCTURES


def problems(text: str, directory: Path | None = None) -> list[str]:
    with pytest.raises(WorldError) as caught:
        parse_world(textwrap.dedent(text).lstrip(), "w.yaml", directory)
    return [str(problem) for problem in caught.value.problems]


GOOD = """
    series:
      - ticker: KXA
        events:
          - ticker: KXA-1
            close_time: +1d
            markets:
              - ticker: KXA-1-T
"""


def good(text: str = GOOD):
    return parse_world(textwrap.dedent(text).lstrip(), "w.yaml")


def test_a_small_world_needs_little():
    world = good()
    assert list(world.series) == ["KXA"]
    assert [market.ticker for market in world.events["KXA-1"].markets] == ["KXA-1-T"]


def test_nested_and_flat_files_mean_the_same():
    flat = good(
        """
        series: [{ticker: KXA}]
        events: [{ticker: KXA-1, series_ticker: KXA, close_time: +1d}]
        markets: [{ticker: KXA-1-T, event_ticker: KXA-1}]
        """
    )
    nested = good()
    assert flat.events.keys() == nested.events.keys()
    assert flat.events["KXA-1"].markets[0].ticker == nested.events["KXA-1"].markets[0].ticker


def test_all_mistakes_are_told_at_once_with_their_lines():
    found = problems(
        """
        series:
          - ticker: KXA
            fee_typ: flat
            fee_multiplier: lots
            events:
              - ticker: KXA-1
                mutualy_exclusive: yes
                close_time: +2q
                markets:
                  - ticker: kx-lower
                    strike_type: grater
        bots:
          - kind: makr
            name: x
        surprise: 1
        """
    )
    assert [line.partition(" not ")[0] for line in found] == [
        "w.yaml:3: series[0].fee_typ: there is no such field; did you mean `fee_type`?",
        "w.yaml:4: series[0].fee_multiplier: expected a number,",
        (
            "w.yaml:7: series[0].events[0].mutualy_exclusive: there is no such field; "
            "did you mean `mutually_exclusive`?"
        ),
        (
            "w.yaml:8: series[0].events[0].close_time: expected a time such as "
            "2026-01-31T12:00:00Z, now, +2h, -1d or tomorrow 16:00 ET,"
        ),
        (
            "w.yaml:10: series[0].events[0].markets[0].ticker: "
            "expected capital letters, digits, dots and hyphens,"
        ),
        (
            "w.yaml:11: series[0].events[0].markets[0].strike_type: expected one of greater, "
            "greater_or_equal, less, less_or_equal, between, functional, custom, structured "
            "(did you mean `greater`?),"
        ),
        "w.yaml:13: bots[0].kind: expected one of maker, taker, noise (did you mean `maker`?),",
        "w.yaml:15: surprise: there is no such field",
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a: [b", "w.yaml:1: is not YAML"),
        ("- a\n- b", "w.yaml:1: expected a mapping"),
        ("", "w.yaml:1: expected a mapping"),
        ("series: 5", "w.yaml:1: series: expected a list, not the value '5'"),
        ("series: [5]", "w.yaml:1: series[0]: expected a mapping"),
        ("series: [{}]", "w.yaml:1: series[0]: `ticker` is missing"),
        ("world: a\nworld: b", "w.yaml:2: world: is given twice, first in line 1"),
        ("seed: -1", "w.yaml:1: seed: expected a whole number"),
        ("a: &x [*x]", "w.yaml:1: "),
    ],
)
def test_files_that_are_no_worlds(text, expected):
    with pytest.raises(WorldError) as caught:
        parse_world(text, "w.yaml")
    assert str(caught.value.problems[0]).startswith(expected)


def event(lines: str) -> str:
    """A world with one event and one market that has further fields, from line 7 on."""
    head = """
        series: [{ticker: KXA}]
        events:
          - ticker: KXA-1
            series_ticker: KXA
            markets:
            - ticker: KXA-1-T
    """
    return textwrap.dedent(head).lstrip() + textwrap.indent(textwrap.dedent(lines), " " * 6)


@pytest.mark.parametrize(
    "lines, expected",
    [
        (
            "title: x",
            "w.yaml:6: events[0].markets[0].close_time: is missing, here and at the event",
        ),
        ("close_time: -1h", "7: events[0].markets[0].close_time: must be after open_time"),
        (
            "close_time: +2h\nlatest_expiration_time: +1h",
            "8: events[0].markets[0].latest_expiration_time: is before close_time",
        ),
        (
            "close_time: +1h\ntitle: '{shut}'",
            "8: events[0].markets[0].title: nothing is called {shut}",
        ),
        ("close_time: +1h\nstrike_type: between\nfloor_strike: 1", "`between` needs `cap_strike`"),
        ("close_time: +1h\nfloor_strike: 2\ncap_strike: 1", "must not be below `floor_strike`"),
        ("close_time: +1h\nstart_price: 1.5", "expected dollars between 0 and 1"),
        ("close_time: +1h\nprice_level_structure: deci_sent", "did you mean deci_cent?"),
        (
            "close_time: +1h\nprice_ranges: [{start: 0, end: 0.9, step: 0.01}]",
            "must join from 0 to 1",
        ),
        (
            (
                "close_time: +1h\nprice_level_structure: deci_cent\n"
                "price_ranges: [{start: 0, end: 1, step: 0.01}]"
            ),
            "differ from those of deci_cent",
        ),
        ("close_time: +1h\nevent_ticker: KXB-1", "is nested in KXA-1"),
    ],
)
def test_mistakes_in_markets(lines, expected):
    assert any(expected in problem for problem in problems(event(lines)))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("events: [{ticker: KXA-1, series_ticker: KXAA}]", "no series KXAA in this file"),
        (
            "series: [{ticker: KXA}]\nmarkets: [{ticker: KXA-1-T, event_ticker: KXA-1}]",
            "no event KXA-1 in this file",
        ),
        ("series: [{ticker: KXA}, {ticker: KXA}]", "KXA is listed twice"),
        (
            (
                "series: [{ticker: KXA, events: [{ticker: KXA-1, close_time: +1d, markets: "
                "[{ticker: KXA-1-T}, {ticker: KXA-1-T}]}]}]"
            ),
            "KXA-1-T is listed twice",
        ),
        ("series: [{ticker: KXA, rolling: [{event: {ticker: KXA-1}}]}]", "`every` is missing"),
        (
            (
                "series: [{ticker: KXA, events: [{ticker: KXA-1, close_time: +1d, "
                "ladder: {shape: above}}]}]"
            ),
            "needs `fair_value` with a `start`",
        ),
        ("members: [{email: nobody}]", "expected an address"),
        ("members: [{email: a@b.example}, {email: a@b.example}]", "a@b.example is used twice"),
        ("members: [{email: a@b.example, deposit: 1.234}]", "at most 2 decimals"),
        ("members: [{email: a@b.example, subaccounts: 64}]", "from 0 to 63"),
        ("members: [{email: a@b.example, usage_tier: gold}]", "expected one of basic"),
        ("members: [{email: a@b.example, keys: [{name: x}]}]", "give exactly one of `public_key`"),
        (
            "members: [{email: a@b.example, keys: [{public_key: nonsense}]}]",
            "expected an RSA public key",
        ),
        (
            "members: [{email: a@b.example, keys: [{private_key_file: k, scopes: [write]}]}]",
            "`write` needs `read` beside it",
        ),
        ("milestones: [{title: Vote}]", "`start_date` is missing"),
        (
            "milestones: [{title: Vote, start_date: now, live_data: {follows: {x: nothing}}}]",
            "no truth called nothing is a number",
        ),
        (
            "milestones: [{title: Vote, start_date: now, related_series: [KXA]}]",
            "needs `live_data`",
        ),
        (
            "incentive_programs: [{market_ticker: A, start_date: now, end_date: -1d}]",
            "is before start_date",
        ),
        (
            "incentive_programs: [{market_ticker: A, start_date: now, end_date: +1d}]",
            "expected a whole number",
        ),
        ("sports_filters: {filters_by_sports: {Golf: {}}}", "expected a list of texts"),
        (
            "collections: [{ticker: C, series_ticker: KXA, close_date: +1d}]",
            "must begin with KXMVE",
        ),
        (
            (
                "series: [{ticker: KXMVEA}]\n"
                "collections: [{ticker: C, series_ticker: KXMVEA, close_date: +1d, "
                "events: [{ticker: NONE}]}]"
            ),
            "no event NONE in this file",
        ),
        (
            "fee_changes: [{series_ticker: KXZ, scheduled_time: +1d}]",
            "no series KXZ in this file",
        ),
        (
            "members: [{email: a@b.example, subtraders: [{id: a}, {id: a}]}]",
            "an id is used twice",
        ),
        ("bots: [{kind: maker, name: m, levels: 99}]", "from 1 to 10"),
    ],
)
def test_mistakes_elsewhere(text, expected):
    assert any(expected in problem for problem in problems(text))


def test_what_follows_from_a_mistake_is_not_told_again():
    found = problems(
        """
        series:
          - ticker: KXA
            events:
              - ticker: KXA-1
                close_time: whenever
                markets: [{ticker: KXA-1-T}, {ticker: KXA-1-U}]
        """
    )
    assert len(found) == 1


def test_anchors_and_merged_mappings_work():
    world = good(
        """
        x-shared: &shared
          close_time: +1d
          settlement_timer_seconds: 7
        series:
          - ticker: KXA
            events:
              - ticker: KXA-1
                markets:
                  - {<<: *shared, ticker: KXA-1-T}
                  - {<<: *shared, ticker: KXA-1-U, settlement_timer_seconds: 9}
        """
    )
    timers = [market.terms.settlement_timer_seconds for market in world.events["KXA-1"].markets]
    assert timers == [7, 9]


def test_words_that_yaml_would_turn_into_something_else_stay_words():
    world = good(
        """
        series:
          - ticker: NO
            title: 2026-01-01
            events: [{ticker: ON, title: yes, close_time: +1d, markets: [{ticker: 1E3}]}]
        """
    )
    assert list(world.series) == ["NO"]
    assert world.series["NO"].details["title"] == "2026-01-01"
    assert world.events["ON"].details["title"] == "yes"
    assert world.events["ON"].markets[0].ticker == "1E3"


def test_a_public_key_may_lie_beside_the_world(tmp_path):
    pair = generate_key_pair()
    (tmp_path / "key.pub").write_text(pair.public_pem)
    text = "members: [{email: a@b.example, keys: [{public_key_file: key.pub}]}]"
    assert parse_world(text, "w.yaml", tmp_path).members[0].keys[0].public_key == pair.public_pem
    text = text.replace("key.pub", "missing.pub")
    assert "missing.pub cannot be read" in problems(text, tmp_path)[0]


def test_a_missing_file_names_the_shipped_worlds():
    with pytest.raises(WorldError, match=r"no such file; shipped worlds: .*demo"):
        load_world("nowhere.yaml")


@pytest.mark.parametrize("name", shipped_worlds())
def test_shipped_worlds_are_without_mistakes(name):
    load_world(name)


def test_the_examples_of_the_documentation_are_worlds(repository, tmp_path):
    (tmp_path / "laptop.pub").write_text(generate_key_pair().public_pem)
    text = (repository / "docs" / "worlds.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    whole = [block for block in blocks if not block.startswith("fair_value")]
    assert len(whole) == 5
    for block in whole:
        parse_world(block, "worlds.md", tmp_path)


def test_the_documentation_names_every_price_level_structure(repository):
    text = (repository / "docs" / "worlds.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in PRICE_LEVEL_STRUCTURES)
