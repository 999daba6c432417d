"""What a body of an order means, and which bodies mean nothing (rest.md, section 4)."""

from typing import Any

import msgspec
import pytest

from augury.codec.ids import format_id
from augury.core.commands import PlaceOrder
from augury.core.engine import Engine
from augury.gateways.rest.bodies import (
    AMEND_ORDER,
    CREATE_ORDER,
    CREATE_ORDER_GROUP,
    DECREASE_ORDER,
)
from augury.gateways.rest.errors import ApiError
from augury.gateways.rest.order_entry import (
    amend_order,
    contracts_limit,
    decrease_order,
    place_order,
)

STATE = Engine().state


def body(text: str) -> dict[str, Any]:
    """``"buy yes 10 @40 post_only"`` with further fields as name=JSON."""
    action, side, count, price, *rest = text.split()
    fields: dict[str, Any] = {"ticker": "T", "action": action, "side": side}
    if count != "-":
        fields["count"] = int(count)
    if price != "-":
        fields[f"{side}_price"] = int(price.removeprefix("@"))
    for item in rest:
        name, _, value = item.partition("=")
        fields[name] = msgspec.json.decode(value) if value else True
    return fields


def place(text: str) -> PlaceOrder:
    return place_order(CREATE_ORDER.read(msgspec.json.encode(body(text))), 7, 0, STATE)


@pytest.mark.parametrize(
    "text, price, quantity",
    [
        ("buy yes 10 @40", 4000, 1000),
        ("buy no 10 @40", 6000, 1000),
        ("sell no 1 @1", 9900, 100),
        ('buy yes - - count_fp="2.5" yes_price_dollars="0.4005"', 4005, 250),
        ('buy yes 2 - no_price_dollars="0.25"', 7500, 200),
        ('buy yes 2 @40 count_fp="2.00" no_price=60 yes_price_dollars="0.400000"', 4000, 200),
        ("buy yes 2 @40 count_fp=null no_price=null", 4000, 200),
    ],
)
def test_prices_and_counts_of_all_generations(text: str, price: int, quantity: int) -> None:
    command = place(text)
    assert (command.price, command.quantity) == (price, quantity)


@pytest.mark.parametrize(
    "text, time_in_force",
    [
        ("buy yes 1 @40", "good_till_canceled"),
        ("buy yes 1 @40 expiration_ts=9000000000", "good_till_canceled"),
        ('buy yes 1 @40 type="market"', "immediate_or_cancel"),
        ('buy yes 1 @40 type="market" time_in_force="fill_or_kill"', "fill_or_kill"),
        ('buy yes 1 @40 type="limit" time_in_force="immediate_or_cancel"', "immediate_or_cancel"),
        ("buy yes 1 @40 buy_max_cost=50", "fill_or_kill"),
    ],
)
def test_time_in_force(text: str, time_in_force: str) -> None:
    assert place(text).time_in_force == time_in_force


def test_a_sell_position_floor_of_zero_means_reduce_only() -> None:
    assert place("sell yes 1 @40 sell_position_floor=0").reduce_only
    assert not place("buy yes 1 @40 sell_position_floor=0").reduce_only


def test_an_expiration_in_the_past_stays_one() -> None:
    """Zero means "none" to the core, so 1970 must not become it."""
    assert place("buy yes 1 @40 expiration_ts=0").expiration_ns == 1
    assert place("buy yes 1 @40 expiration_ts=-5").expiration_ns == 1


@pytest.mark.parametrize(
    "text, code",
    [
        ("buy yes - @40", "invalid_order_size"),
        ("buy yes 0 @40", "invalid_order_size"),
        ("buy yes -1 @40", "invalid_order_size"),
        ("buy yes 99999999999999999999 @40", "invalid_order_size"),
        ('buy yes 2 @40 count_fp="3.00"', "invalid_order_size"),
        ('buy yes - @40 count_fp="1.005"', "invalid_order_size"),
        ('buy yes - @40 count_fp="1e2"', "invalid_order_size"),
        ('buy yes - @40 count_fp="NaN"', "invalid_order_size"),
        ("buy yes 1 -", "invalid_parameters"),
        ("buy yes 1 @0", "invalid_parameters"),
        ("buy yes 1 @100", "invalid_parameters"),
        ("buy yes 1 @40 no_price=61", "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars="1.0000"', "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars="0"', "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars="-0.4"', "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars="0.40001"', "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars="Infinity"', "invalid_parameters"),
        ('buy yes 1 - yes_price_dollars=".4"', "invalid_parameters"),
        ('buy yes 1 - type="market"', "invalid_parameters"),
        ("buy yes 1 - buy_max_cost=50", "invalid_parameters"),
        ("sell yes 1 @40 buy_max_cost=50", "invalid_order"),
        ("buy yes 1 @40 buy_max_cost=50 post_only", "invalid_order"),
        ("buy yes 1 @40 buy_max_cost=0", "invalid_parameters"),
        ('buy yes 1 @40 post_only time_in_force="immediate_or_cancel"', "invalid_order"),
        ('buy yes 1 @40 post_only time_in_force="fill_or_kill"', "invalid_order"),
        (
            'buy yes 1 @40 expiration_ts=9000000000 time_in_force="immediate_or_cancel"',
            "invalid_order",
        ),
        ("buy yes 1 @40 expiration_ts=90000000000", "invalid_parameters"),
        ("sell yes 1 @40 sell_position_floor=1", "invalid_parameters"),
        ('buy yes 1 @40 client_order_id="a.b"', "invalid_parameters"),
        ('buy yes 1 @40 client_order_id="ä"', "invalid_parameters"),
        (f'buy yes 1 @40 client_order_id="{"x" * 65}"', "invalid_parameters"),
        ('buy yes 1 @40 order_group_id="nothing"', "order_group_not_found"),
        (f'buy yes 1 @40 order_group_id="{format_id("order", 4)}"', "order_group_not_found"),
        ('buy yes 1 @40 time_in_force="day"', "invalid_parameters"),
        ('buy yes 1 @40 type="stop"', "invalid_parameters"),
        ('buy yes 1 @40 self_trade_prevention_type="none"', "invalid_parameters"),
        ("buy maybe 1 @40", "invalid_parameters"),
        ("hold yes 1 @40", "invalid_parameters"),
        ("buy yes 1 @40 post_only=1", "invalid_parameters"),
        ('buy yes 1 @40 count="1"', "invalid_parameters"),
        ("buy yes 1 @40 count=1.0", "invalid_parameters"),
        ("buy yes 1 @40 subaccount=64", "invalid_parameters"),
        ("buy yes 1 @40 subaccount=-1", "invalid_parameters"),
    ],
)
def test_orders_that_mean_nothing(text: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        place(text)
    assert caught.value.code == code


def test_the_documented_text_of_a_contradiction() -> None:
    with pytest.raises(ApiError, match="Cannot specify both immediate_or_cancel and expiration_ts"):
        place('buy yes 1 @40 expiration_ts=9000000000 time_in_force="immediate_or_cancel"')


def test_client_order_ids_are_like_those_of_fix() -> None:
    client_order_id = "Az09-_:+=/" * 6
    assert place(f'buy yes 1 @40 client_order_id="{client_order_id}"').client_order_id == (
        client_order_id
    )
    assert place('buy yes 1 @40 client_order_id=""').client_order_id == ""


def test_later_fields_are_ignored() -> None:
    assert place("buy yes 1 @40 exchange_index=0 something_new={}").quantity == 100


# --- amend, decrease, groups -----------------------------------------------------------------

AMEND = {"ticker": "T", "side": "yes", "action": "buy"}


def amend(**fields: Any) -> tuple[int, int]:
    command = amend_order(AMEND_ORDER.read(msgspec.json.encode({**AMEND, **fields})), 7, 9, -1)
    return command.price, command.quantity


def test_an_amend_keeps_what_it_does_not_name() -> None:
    assert amend() == (0, 0)
    assert amend(no_price=30) == (7000, 0)
    assert amend(count=3, count_fp="3.00") == (0, 300)
    for wrong in ({"count": 0}, {"yes_price": 40, "no_price": 59}, {"count_fp": "x"}):
        with pytest.raises(ApiError):
            amend(**wrong)


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"reduce_by": 3}, (300, -1)),
        ({"reduce_by_fp": "0.5"}, (50, -1)),
        ({"reduce_to": 0}, (-1, 0)),
        ({"reduce_to": 2, "reduce_to_fp": "2.0"}, (-1, 200)),
        ({}, None),
        ({"reduce_by": 1, "reduce_to": 1}, None),
        ({"reduce_by": 0}, None),
        ({"reduce_to": -1}, None),
        ({"reduce_by": 2, "reduce_by_fp": "2.5"}, None),
    ],
)
def test_decrease_takes_exactly_one(
    fields: dict[str, Any], expected: tuple[int, int] | None
) -> None:
    read = DECREASE_ORDER.read(msgspec.json.encode(fields))
    if expected is None:
        with pytest.raises(ApiError):
            decrease_order(read, 7, 9, -1)
    else:
        command = decrease_order(read, 7, 9, -1)
        assert (command.reduce_by, command.reduce_to) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        (b"", None),
        (b'{"name": "mine"}', None),
        (b'{"contracts_limit": 5}', 500),
        (b'{"contracts_limit_fp": "5.00"}', 500),
        (b'{"contracts_limit": 0}', "refused"),
        (b'{"contracts_limit": 1000001}', "refused"),
        (b'{"contracts_limit_fp": "0.50"}', "refused"),
        (b'{"contracts_limit": 5, "contracts_limit_fp": "6"}', "refused"),
    ],
)
def test_limits_of_order_groups(text: bytes, expected: object) -> None:
    read = CREATE_ORDER_GROUP.read(text)
    if expected == "refused":
        with pytest.raises(ApiError):
            contracts_limit(read)
    else:
        assert contracts_limit(read) == expected


# --- hostile bodies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"NaN",
        b'{"ticker": NaN}',
        b'{"ticker": "T", "side": "yes", "action": "buy", "count": 1e400}',
        b'{"ticker": "\xff"}',
        b'{"ticker": "\\ud800"}',
        b'{"ticker": "T"',
        b'{"ticker": "T"} trailing',
        b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"other": ' + b'{"a":' * 100_000,
        b'{"ticker": ["T"]}',
        b"\x00\x01\x02",
    ],
    ids=range(15),
)
def test_hostile_bodies_are_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        CREATE_ORDER.read(raw)
    assert (caught.value.status, caught.value.code) == (400, "invalid_parameters")
