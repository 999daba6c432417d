"""Every row of FIX's tables of reasons, and that no refusal of the core is without one."""

from pathlib import Path

import pytest

from augury.core import rejections
from augury.gateways.fix import reasons
from augury.gateways.fix.fields import FIELDS
from augury.gateways.fix.reasons import (
    change_refusal,
    end_text,
    order_refusal,
    quote_refusal,
    text_of,
)

ALL_CODES = sorted(
    value for name, value in vars(rejections).items() if name.isupper() and isinstance(value, str)
)


@pytest.mark.parametrize(
    "code,detail,text,number",
    [
        ("market_already_closed", "", "MARKET_ALREADY_CLOSED", 2),
        ("market_inactive", "", "MARKET_INACTIVE", 2),
        ("market_inactive", "inactive", "MARKET_INACTIVE", 2),
        ("market_inactive", "initialized", "MARKET_INACTIVE", 2),
        ("market_inactive", "closed", "MARKET_ALREADY_CLOSED", 2),
        ("market_inactive", "finalized", "MARKET_ALREADY_CLOSED", 2),
        ("exchange_paused", "", "EXCHANGE_PAUSED", 2),
        ("trading_paused", "", "TRADING_PAUSED", 2),
        ("market_not_found", "X", "MARKET_NOT_FOUND", 1),
        ("not_found", "", "NOT_FOUND", 1),
        ("order_already_exists", "a1", "ORDER_ALREADY_EXISTS", 6),
        ("available_balance_too_low", "", "INSUFFICIENT_BALANCE", 99),
        ("exceeded_order_group_risk_limit", "", "EXCEEDED_ORDER_GROUP_RISK_LIMIT", 3),
        ("exceeded_order_limit", "", "EXCEEDED_PER_MARKET_RISK_LIMIT", 3),
        ("exceeded_sell_position_floor", "", "EXCEEDED_SELL_POSITION_FLOOR", 3),
        ("invalid_order", "", "INVALID_ORDER", 11),
        ("invalid_order_size", "", "INVALID_ORDER", 13),
        ("order_group_not_found", "", "ORDER_GROUP_NOT_FOUND", 11),
        ("account_not_found", "", "CUSTOMER_ACCOUNT_NOT_FOUND", 15),
        ("post_only_cross", "", "POST_ONLY_CROSS", 99),
        ("invalid_price", "", "INVALID_PRICE", 99),
        ("fill_or_kill_insufficient_resting_volume", "", "FOK_INSUFFICIENT_VOLUME", 0),
    ],
)
def test_a_refused_order(code: str, detail: str, text: str, number: int) -> None:
    assert order_refusal(code, detail) == (text, number)


@pytest.mark.parametrize(
    "code,text,number",
    [
        ("not_found", "NOT_FOUND", 1),
        ("order_side_mismatch", "NOT_FOUND", 1),
        ("order_ticker_mismatch", "NOT_FOUND", 1),
        ("order_id_and_client_order_id_mismatch", "NOT_FOUND", 1),
        ("invalid_amend_qty_for_order", "INVALID_AMEND_QTY_FOR_ORDER", 2),
        ("cannot_update_filled_order", "CANNOT_UPDATE_FILLED_ORDER", 2),
        ("order_already_exists", "ORDER_ALREADY_EXISTS", 6),
        ("self_cross_attempt", "SELF_CROSS_ATTEMPT", 18),
        ("invalid_price", "INVALID_PRICE", 99),
        ("market_not_found", "MARKET_NOT_FOUND", 99),
        ("market_inactive", "MARKET_INACTIVE", 99),
        ("exchange_paused", "EXCHANGE_PAUSED", 99),
        ("available_balance_too_low", "INSUFFICIENT_BALANCE", 99),
        ("post_only_cross", "POST_ONLY_CROSS", 99),
    ],
)
def test_a_refused_change(code: str, text: str, number: int) -> None:
    assert text_of(code) == text
    assert change_refusal(text) == number


@pytest.mark.parametrize(
    "reason,text",
    [
        ("canceled", ""),
        ("expired", ""),
        ("market_closed", "MARKET_ALREADY_CLOSED"),
        ("market_reactivated", "MARKET_INACTIVE"),
        ("paused", "TRADING_PAUSED"),
        ("order_group", "ORDER_GROUP_CANCEL"),
        ("immediate_or_cancel", "IMMEDIATE_OR_CANCELLED"),
        ("fill_or_kill", "FOK_INSUFFICIENT_VOLUME"),
        ("reduce_only", "EXCEEDED_SELL_POSITION_FLOOR"),
        ("member_suspended", "MEMBER_SUSPENDED"),
        ("insufficient_balance", "INSUFFICIENT_BALANCE"),
        ("TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION", "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"),
    ],
)
def test_the_end_of_an_order(reason: str, text: str) -> None:
    assert end_text(reason) == text


@pytest.mark.parametrize("code", ALL_CODES)
def test_every_refusal_of_the_core_has_numbers_that_the_dictionary_knows(code: str) -> None:
    text, number = order_refusal(code)
    assert text == text.upper()
    assert number == 0 or str(number) in FIELDS[103].values
    assert str(change_refusal(text)) in FIELDS[102].values


@pytest.mark.parametrize(
    "reason,text,number",
    [
        ("expired", "EXPIRED", 8),
        ("replaced", "EXPIRED", 8),
        ("invalid_state", "EXPIRED", 8),
        ("available_balance_too_low", "INSUFFICIENT_BALANCE", 99),
        ("paused", "TRADING_PAUSED", 2),
        ("market_closed", "MARKET_ALREADY_CLOSED", 2),
    ],
)
def test_an_acceptance_that_came_to_nothing(reason: str, text: str, number: int) -> None:
    assert quote_refusal(reason) == (text, number)


def test_every_text_is_on_the_page_that_explains_them() -> None:
    page = Path(__file__).parents[2] / "docs" / "api" / "fix-messages.md"
    told = page.read_text(encoding="utf-8")
    texts = {
        value
        for name, value in vars(reasons).items()
        if name.isupper() and isinstance(value, str) and value == value.upper()
    }
    texts |= {end_text(reason) for reason in ("order_group", "paused", "market_closed")}
    texts -= {"EXCHANGE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED", "NOT_AUTHORIZED"}
    assert [text for text in sorted(texts) if f"`{text}`" not in told] == []
