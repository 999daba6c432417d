"""The rows of history as readers get them.

Units are those of the core: money in micro-dollars, prices are YES prices in ten-thousandths of
a dollar, quantities in hundredths of a contract, times in nanoseconds, candles in Unix seconds.
The fields of each class stand in the order of the columns of its table. An id that has no maker
of its own is ``sequence << 20 | index`` of the record that caused it, like the ids of trades, so
ids of every kind ascend with time.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class TradeRow:
    """One public print. ``taker_direction`` is 1 when the taker bought YES exposure, else -1."""

    trade_id: int
    market_ticker: str
    price: int
    quantity: int
    taker_direction: int
    maker_order_id: int
    taker_order_id: int
    time_ns: int


@dataclass(slots=True)
class FillRow:
    """One side of a trade. ``fee`` = ``trade_fee + rounding_fee - rebate``.

    ``action`` and ``side`` are those of the order. ``cash_change`` is what the fill did to the
    subaccount's cash, fee included; ``position`` the signed holding after it.
    """

    trade_id: int
    order_id: int
    member_id: int
    subaccount: int
    market_ticker: str
    client_order_id: str
    action: str
    side: str
    price: int
    quantity: int
    is_taker: bool
    fee: int
    trade_fee: int
    rounding_fee: int
    rebate: int
    cash_change: int
    position: int
    time_ns: int


@dataclass(slots=True)
class OrderRow:
    """A finished order: ``status`` is ``executed`` or ``canceled``, ``reason`` says why.

    Fields as in ``events.OrderUpdated``. ``remaining_quantity`` is always 0.
    """

    order_id: int
    member_id: int
    subaccount: int
    market_ticker: str
    client_order_id: str
    action: str
    side: str
    price: int
    initial_quantity: int
    filled_quantity: int
    remaining_quantity: int
    status: str
    reason: str
    taker_cost: int
    maker_cost: int
    taker_fees: int
    maker_fees: int
    created_ns: int
    updated_ns: int
    expiration_ns: int
    order_group_id: int
    self_trade_prevention: str
    cancel_on_pause: bool


@dataclass(slots=True)
class SettlementRow:
    """What one holding received. Fields as in ``events.PositionSettled``.

    ``settlement_value`` is what one YES contract paid, in price units.
    """

    settlement_id: int
    member_id: int
    subaccount: int
    market_ticker: str
    event_ticker: str
    result: str
    yes_quantity: int
    yes_cost: int
    no_quantity: int
    no_cost: int
    revenue: int
    settlement_value: int
    fees_paid: int
    realized_pnl: int
    traded_cost: int
    traded_quantity: int
    settled_ns: int


@dataclass(slots=True)
class CashMovementRow:
    """Money that entered or left. ``kind`` is ``deposit`` or ``withdrawal``, ``amount`` > 0."""

    movement_id: int
    kind: str
    member_id: int
    subaccount: int
    amount: int
    reference: str
    time_ns: int


@dataclass(slots=True)
class TransferRow:
    """Money between two subaccounts. ``transfer_id`` is the sequence of the command."""

    transfer_id: int
    member_id: int
    from_subaccount: int
    to_subaccount: int
    amount: int
    client_transfer_id: str
    time_ns: int


@dataclass(slots=True)
class LedgerRow:
    """One line of the double-entry ledger; the lines of one ``entry_id`` sum to zero.

    ``account`` and ``counter_account`` are ``cash:<member>:<subaccount>``, ``escrow:<market>``,
    ``fees``, ``house``, ``outside`` or ``returned``. ``kind`` is ``deposit``, ``withdrawal``,
    ``transfer``, ``fill``, ``fee``, ``settlement``, ``settlement_rounding``,
    ``position_transfer`` or ``collateral_return``. Every movement of ``amount``
    appears twice, once per account, with opposite signs. ``line`` orders the lines of one entry.
    ``member_id`` is 0 on the lines of accounts that belong to no member.
    """

    entry_id: int
    line: int
    kind: str
    account: str
    counter_account: str
    amount: int
    member_id: int
    subaccount: int
    market_ticker: str
    reference: str
    time_ns: int


@dataclass(slots=True)
class LifecycleRow:
    """One step in the life of a market.

    ``kind`` is ``created``, ``status``, ``close_time``, ``price_level_structure``,
    ``determined`` or ``settled``. ``status`` and ``reason`` are set for ``status``; ``result``
    and ``settlement_value`` for the last two; ``close_ns`` for ``created`` and ``close_time``.
    """

    lifecycle_id: int
    market_ticker: str
    kind: str
    status: str
    reason: str
    close_ns: int
    result: str
    settlement_value: int
    time_ns: int


@dataclass(slots=True)
class CandleRow:
    """One minute of one market in which something changed.

    The minute ends at ``end_ts`` (Unix seconds, inclusive) and excludes its first instant.
    The quotes' ``open`` is the quote the minute began with. ``price_*`` are 0 when nothing
    traded; ``previous_price`` is the last traded price before the minute, 0 when there was none.
    ``traded_value`` is the sum of price x quantity (micro-dollars), so the mean price is
    ``traded_value / volume``. ``volume`` is the contracts traded in the minute,
    ``open_interest`` that of its end. ``last_price`` is the last traded price at its end.
    """

    market_ticker: str
    end_ts: int
    bid_open: int
    bid_high: int
    bid_low: int
    bid_close: int
    ask_open: int
    ask_high: int
    ask_low: int
    ask_close: int
    price_open: int
    price_high: int
    price_low: int
    price_close: int
    previous_price: int
    last_price: int
    volume: int
    traded_value: int
    open_interest: int


@dataclass(slots=True)
class ActionRow:
    """One command that was not plain trading, for the audit trail.

    ``command`` is the class name, ``member_id`` whom it concerns (0: nobody in particular),
    ``subject`` a ticker, key or address, ``rejection`` why it was refused (empty: it was done),
    ``details`` its fields as a JSON object.
    """

    sequence: int
    time_ns: int
    command: str
    member_id: int
    subject: str
    rejection: str
    details: str


@dataclass(slots=True)
class RfqRow:
    """A request for quotes as it stands or ended. Fields as in ``events.RfqUpdated``.

    ``rfq_id`` is the sequence of the command. One of ``quantity`` and ``target_cost`` is 0.
    """

    rfq_id: int
    member_id: int
    subaccount: int
    market_ticker: str
    event_ticker: str
    quantity: int
    target_cost: int
    rest_remainder: bool
    status: str
    reason: str
    created_ns: int
    updated_ns: int


@dataclass(slots=True)
class QuoteRow:
    """A quote as it stands or ended. Fields as in ``events.QuoteUpdated``.

    ``yes_bid`` and ``no_bid`` are prices of their own side. Times are 0 until they come.
    """

    quote_id: int
    rfq_id: int
    member_id: int
    subaccount: int
    rfq_member_id: int
    rfq_subaccount: int
    market_ticker: str
    event_ticker: str
    yes_bid: int
    no_bid: int
    yes_quantity: int
    no_quantity: int
    rfq_quantity: int
    rfq_target_cost: int
    rest_remainder: bool
    post_only: bool
    status: str
    reason: str
    accepted_side: str
    accepted_quantity: int
    created_ns: int
    updated_ns: int
    accepted_ns: int
    confirmed_ns: int
    executed_ns: int
    maker_order_id: int
    rfq_order_id: int
