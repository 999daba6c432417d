"""Times of world files: what people write, and what it means on the clock."""

from datetime import UTC, datetime

import pytest

from augury.app.world.times import (
    EASTERN,
    fill_in,
    next_close,
    parse_duration,
    parse_time,
)


def at(text: str) -> int:
    """Nanoseconds of an ISO time, Eastern unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or EASTERN).timestamp()) * 10**9


START = at("2026-01-15T10:30:15")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("now", "2026-01-15T10:30:15"),
        ("+2h", "2026-01-15T12:30:15"),
        ("+1d2h30m15s", "2026-01-16T13:00:30"),
        ("-1w", "2026-01-08T10:30:15"),
        ("today", "2026-01-15T00:00:00"),
        ("today 16:00", "2026-01-15T16:00:00"),
        ("tomorrow 09:30 ET", "2026-01-16T09:30:00"),
        ("tomorrow at 09:30 UTC", "2026-01-16T09:30:00+00:00"),
        ("+3d 20:00", "2026-01-18T20:00:00"),
        # 12 hours after 10:30 PM Eastern is another day there.
        ("+14h 08:00 ET", "2026-01-16T08:00:00"),
        ("2026-03-01T14:00:00Z", "2026-03-01T14:00:00+00:00"),
        ("2026-03-01T14:00:00-05:00", "2026-03-01T14:00:00"),
    ],
)
def test_times_count_from_the_start_or_stand_for_themselves(text, expected):
    assert parse_time(text).resolve(START) == at(expected)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "+2", "+2x", "2h", "+h", "tomorrow 25:00", "+1d 9:5", "2026-02-30", "now ET"],
)
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(ValueError, match=r"expected a time|no such time|duration"):
        parse_time(text)


def test_wall_clock_times_survive_the_change_of_clocks():
    saturday = at("2026-03-07T12:00:00")
    assert parse_time("+1d 16:00 ET").resolve(saturday) == at("2026-03-08T16:00:00")
    # 23 hours later, because one hour of that Sunday is missing.
    assert at("2026-03-08T12:00:00") - saturday == 23 * 3600 * 10**9


@pytest.mark.parametrize(
    "text, seconds",
    [("90s", 90), ("15m", 900), ("2h30m", 9000), ("3d", 259_200), ("1w1s", 604_801)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "1.5h", "5 m", "9999999s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


# --- placeholders --------------------------------------------------------------------------------


def test_placeholders_write_times_in_eastern_time():
    values: dict[str, int | str] = {"close": at("2026-01-05T16:05:00"), "range": "above 60°"}
    assert fill_in("KXHIGH-{close:%y%b%d}", values) == "KXHIGH-26Jan05"
    assert fill_in("by {close:%B %-d, %-I:%M %p}", values) == "by January 5, 4:05 PM"
    assert fill_in("{range} on {close}", values) == "above 60° on Jan 5, 2026"
    assert fill_in("{{range}} }}", values) == "{range} }"


def test_an_unknown_placeholder_names_the_known_ones():
    with pytest.raises(ValueError, match=r"\{clos\}.*did you mean \{close\}.*known: close, open"):
        fill_in("{clos}", {"close": 0, "open": 0})


# --- repetition ----------------------------------------------------------------------------------


def test_hourly_events_close_on_the_hour_and_never_at_the_present_moment():
    assert next_close(at("2026-01-15T10:30:00"), 3600, 0) == at("2026-01-15T11:00:00")
    assert next_close(at("2026-01-15T11:00:00"), 3600, 0) == at("2026-01-15T12:00:00")
    assert next_close(at("2026-01-15T11:29:59"), 3600, 1800) == at("2026-01-15T11:30:00")


def test_daily_events_close_at_the_same_time_on_the_wall_all_year():
    close = at("2026-03-06T10:00:00")
    closes = []
    for _ in range(4):
        close = next_close(close, 86_400, 16 * 3600)
        closes.append(datetime.fromtimestamp(close / 1e9, EASTERN).strftime("%a %H:%M"))
    assert closes == ["Fri 16:00", "Sat 16:00", "Sun 16:00", "Mon 16:00"]


def test_weekly_events_keep_their_day():
    first = next_close(at("2026-01-15T10:00:00"), 7 * 86_400, 12 * 3600)
    second = next_close(first, 7 * 86_400, 12 * 3600)
    days = [datetime.fromtimestamp(ns / 1e9, EASTERN).strftime("%A %H") for ns in (first, second)]
    assert days[0] == days[1]
    assert second - first == 7 * 86_400 * 10**9


def test_repetition_goes_on_forever_without_gap_or_repeat():
    for every, offset in ((180, 0), (7 * 60, 30), (86_400, 86_340), (3 * 86_400, 0)):
        close = int(datetime(2026, 10, 30, tzinfo=UTC).timestamp()) * 10**9
        for _ in range(60):
            following = next_close(close, every, offset)
            assert 0 < (following - close) / 1e9 <= every + 3600
            assert next_close(following - 1, every, offset) == following
            close = following
