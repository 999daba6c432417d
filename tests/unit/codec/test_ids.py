"""Ids are permanent: a client may keep one for years, so the mapping may never change."""

import random
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.codec.ids import MAX_ID, format_id, parse_id

KINDS = ["order", "trade", "member", "api_key", "market", "group", "transfer"]
numbers = st.integers(min_value=0, max_value=MAX_ID)


@given(st.sampled_from(KINDS), numbers)
def test_an_id_comes_back_as_its_number(kind: str, n: int) -> None:
    assert parse_id(kind, format_id(kind, n)) == n


@given(st.sampled_from(KINDS), numbers)
def test_an_id_is_a_version_4_uuid_in_canonical_form(kind: str, n: int) -> None:
    text = format_id(kind, n)
    parsed = UUID(text)
    assert str(parsed) == text
    assert parsed.version == 4
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), numbers)
def test_an_id_of_another_kind_is_nobody(kind: str, other: str, n: int) -> None:
    if kind != other:
        assert parse_id(other, format_id(kind, n)) is None


@given(numbers, st.integers(0, 35), st.sampled_from("0123456789abcdef"))
def test_an_id_with_one_wrong_digit_is_nobody(n: int, position: int, digit: str) -> None:
    text = format_id("order", n)
    changed = text[:position] + digit + text[position + 1 :]
    assert parse_id("order", changed) == (n if changed == text else None)


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    assert parse_id("order", text) is None


@pytest.mark.parametrize("wrong", ["+", "-", "_", " ", "\n", "x", "٣"])
def test_what_python_would_forgive_in_a_number_is_not_forgiven(wrong: str) -> None:
    text = format_id("order", 7)
    for position in range(36):
        assert parse_id("order", text[:position] + wrong + text[position + 1 :]) in (
            {7} if text[position] == wrong else {None}
        )


def test_capital_letters_mean_the_same_id() -> None:
    assert parse_id("order", format_id("order", 12).upper()) == 12


def test_neighbours_do_not_look_like_neighbours() -> None:
    texts = [format_id("order", n) for n in range(1, 2001)]
    assert len(set(texts)) == 2000
    for position in (0, 9, 15, 24, 35):
        assert {text[position] for text in texts} == set("0123456789abcdef")


def test_random_uuids_are_not_taken_for_ids() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        assert parse_id("order", str(UUID(int=chance.getrandbits(128), version=4))) is None


def test_the_mapping_never_changes() -> None:
    assert format_id("order", 1) == "7b2ca072-077c-4b32-a1e7-171b4f07babd"
    assert format_id("trade", 123456 << 20 | 3) == "bcf5369a-7770-42f3-bc7f-01db36e3df6f"
    assert format_id("member", MAX_ID) == "f1b5a296-876f-429f-b289-5221d2e8a24c"


def test_a_number_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(OverflowError):
        format_id("order", MAX_ID + 1)
    with pytest.raises(OverflowError):
        format_id("order", -1)
