"""How an execution reads: the fields of an ExecutionReport (fix.md, section 8.5).

What the client chose at logon decides about prices, sizes and which reports there are; ids never
depend on it. Pure but for the names of a clearing member's customers, which are the state's.
"""

from typing import Final

from augury.codec.ids import format_id
from augury.core.state import Exchange
from augury.core.units import BID, PRICE_ONE
from augury.gateways.fix import reasons
from augury.gateways.fix.executions import (
    CANCELED_,
    NEW,
    REJECTED,
    REPLACED,
    TRADE,
    Execution,
    Trade,
)
from augury.gateways.fix.session import LogonOptions
from augury.gateways.fix.values import (
    amount_text,
    average_text,
    price_text,
    quantity_text,
    size_text,
    time_text,
)
from augury.gateways.profiles import LATEST

Fields = list[tuple[int, str]]

NO_EXEC_ID: Final = "-1;-1"
NO_ORDER: Final = "NONE"

_EXEC_TYPE: Final = {NEW: "0", TRADE: "F", REPLACED: "5", CANCELED_: "4", REJECTED: "8"}


def exec_id(sequence: int, index: int) -> str:
    """ExecID: the record of the log, and the place among what it did to orders."""
    return f"{sequence};{index}"


def is_wanted(execution: Execution, options: LogonOptions) -> bool:
    """Whether a session with these options gets a report of it at all."""
    if execution.kind == NEW:
        return not execution.crossed or options.new_before_trade
    if execution.reason == "immediate_or_cancel" and execution.filled:
        return options.ioc_cancel_report
    return True


def execution_report(
    execution: Execution, options: LogonOptions, state: Exchange, profile: str = ""
) -> Fields:
    """The fields of a report, in the order of their tags but for groups.

    ``profile`` is that of the session's key; only the latest one makes a difference.
    """
    kind = execution.kind
    dollars = options.use_dollars
    exec_type = _EXEC_TYPE[kind]
    if kind == CANCELED_ and options.use_expired_status and execution.reason in reasons.EXPIRING:
        exec_type = "C"
    if kind in (CANCELED_, REJECTED):
        status = exec_type
    elif execution.leaves == 0:
        status = "2"
    else:
        status = "1" if execution.filled else "0"
    keeps_size = options.preserve_quantity or kind == REJECTED
    size = execution.size if keeps_size else execution.filled + execution.leaves
    order_id = format_id("order", execution.order_id)
    trade = execution.trade
    fields: Fields = [
        (6, average_text(execution.value, execution.filled, dollars)),
        (11, execution.client_order_id or order_id),
        (14, quantity_text(execution.filled)),
        (
            17,
            NO_EXEC_ID if kind == REJECTED else exec_id(execution.sequence, execution.index),
        ),
    ]
    if trade is not None:
        fields.append((31, price_text(trade.price, dollars)))
        fields.append((32, quantity_text(trade.quantity)))
    fields.append((37, NO_ORDER if kind == REJECTED else order_id))
    fields.append((38, size_text(size)))
    fields.append((39, status))
    if execution.original_id:
        fields.append((41, execution.original_id))
    if 0 < execution.price < PRICE_ONE:
        fields.append((44, price_text(execution.price, dollars)))
    fields.append((54, "1" if execution.direction == BID else "2"))
    fields.append((55, execution.market_ticker))
    text = execution.reason if kind == REJECTED else reasons.end_text(execution.reason)
    if text:
        fields.append((58, text))
    fields.append((60, time_text(execution.time_ns)))
    if kind == REJECTED:
        code = execution.code
        if profile == LATEST:
            code = reasons.LATER_ORDER_CODES.get(execution.reason, code)
        fields.append((103, str(code)))
    if execution.expiration_ns:
        fields.append((126, time_text(execution.expiration_ns)))
    fields.append((150, exec_type))
    fields.append((151, quantity_text(execution.leaves)))
    fields.extend(account_fields(state, execution.member_id, execution.subaccount))
    if trade is not None:
        fields.extend(_trade_fields(trade, execution.direction, options))
    return fields


def account_fields(state: Exchange, member_id: int, subaccount: int) -> Fields:
    """Whose account it is, where it is not the member's primary one."""
    if subaccount == 0:
        return []
    account = state.members[member_id].accounts.get(subaccount)
    if account is not None and account.subtrader:
        return [(453, "1"), (448, account.subtrader), (452, "24")]
    return [(79, str(subaccount))]


def _trade_fields(trade: Trade, direction: int, options: LogonOptions) -> Fields:
    position = trade.position
    before = position - direction * trade.quantity
    closing = min(trade.quantity, max(0, -direction * before))
    payout = (abs(position) - abs(before)) * PRICE_ONE
    fields = [
        (704, size_text(max(position, 0))),
        (705, size_text(max(-position, 0))),
        (136, "1"),
        (137, amount_text(trade.fee)),
        (138, "USD"),
        (139, "4"),
        (891, "0"),
        (880, format_id("trade", trade.trade_id)),
        (1057, "Y" if trade.is_taker else "N"),
        (1703, "2" if payout else "1"),
        (1704, amount_text(trade.cash_change + trade.returned)),
        (1705, "BALANCE"),
    ]
    if payout:
        fields.append((1704, amount_text(payout)))
        fields.append((1705, "PAYOUT"))
    if options.split_collateral:
        if closing:
            fields.append((21030, amount_text(closing * PRICE_ONE)))
        if trade.returned:
            fields.append((21031, amount_text(trade.returned)))
    return fields
