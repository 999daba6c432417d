"""The tables of history. Owns names, columns and indexes; it runs nothing.

Columns stand in the order of the fields of the classes in ``rows``. Two ideas keep the tables
cheap to write: ids ascend with time, so no table needs an index on time (``timeline`` translates
a time into an id once), and the ledger is a view over what it is derived from (``ledger``).
``migrations`` builds the same tables step by step; a test compares the two.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, text

from augury.core.step import BLOCK_TRADE_BIT

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

ID_SHIFT: Final = 20
"""Ids derived from a record are ``sequence << ID_SHIFT | index``."""

# SQLite stores a table in the order of its key, without a second index, only when a single key
# column is called INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, String, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, RowId, primary_key=True, autoincrement=False)


position = Table(
    "position",
    metadata,
    # Always 1: there is one position, and the key keeps it so.
    Column("id", RowId, primary_key=True, autoincrement=False),
    _number("sequence"),
    _number("time_ns"),
)

timeline = Table(
    "timeline",
    metadata,
    _key("sequence"),
    _number("time_ns"),
    Index(None, "time_ns", "sequence"),
)
"""The first record of (at most) every second: translates times into sequences."""

_IS_BLOCK: Final = text(f"trade_id & {BLOCK_TRADE_BIT} <> 0")

trades = Table(
    "trades",
    metadata,
    _key("trade_id"),
    _text("market_ticker"),
    _number("price"),
    _number("quantity"),
    _number("taker_direction"),
    _number("maker_order_id"),
    _number("taker_order_id"),
    _number("time_ns"),
    Index(None, "market_ticker", "trade_id"),
    # Trades agreed on off the book are rare: a page of them would read the whole tape.
    Index("ix_trades_block", "trade_id", sqlite_where=_IS_BLOCK, postgresql_where=_IS_BLOCK),
    Index(
        "ix_trades_block_of_market",
        "market_ticker",
        "trade_id",
        sqlite_where=_IS_BLOCK,
        postgresql_where=_IS_BLOCK,
    ),
)

fills = Table(
    "fills",
    metadata,
    Column("trade_id", BigInteger, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    _number("member_id"),
    _number("subaccount"),
    _text("market_ticker"),
    _text("client_order_id"),
    _text("action"),
    _text("side"),
    _number("price"),
    _number("quantity"),
    _flag("is_taker"),
    _number("fee"),
    _number("trade_fee"),
    _number("rounding_fee"),
    _number("rebate"),
    _number("cash_change"),
    _number("position"),
    _number("time_ns"),
    Index(None, "member_id", "trade_id"),
    Index(None, "member_id", "market_ticker", "trade_id"),
    Index(None, "order_id", "trade_id"),
    sqlite_with_rowid=False,
)

orders = Table(
    "orders",
    metadata,
    _key("order_id"),
    _number("member_id"),
    _number("subaccount"),
    _text("market_ticker"),
    _text("client_order_id"),
    _text("action"),
    _text("side"),
    _number("price"),
    _number("initial_quantity"),
    _number("filled_quantity"),
    _number("remaining_quantity"),
    _text("status"),
    _text("reason"),
    _number("taker_cost"),
    _number("maker_cost"),
    _number("taker_fees"),
    _number("maker_fees"),
    _number("created_ns"),
    _number("updated_ns"),
    _number("expiration_ns"),
    _number("order_group_id"),
    _text("self_trade_prevention"),
    _flag("cancel_on_pause"),
    Index(None, "member_id", "order_id"),
    Index(None, "member_id", "market_ticker", "order_id"),
    # A market maker cancels a thousand orders for one that trades; without this index a page of
    # the traded ones would read all of them.
    Index(
        "ix_orders_executed",
        "member_id",
        "order_id",
        sqlite_where=text("status = 'executed'"),
        postgresql_where=text("status = 'executed'"),
    ),
)

settlements = Table(
    "settlements",
    metadata,
    _key("settlement_id"),
    _number("member_id"),
    _number("subaccount"),
    _text("market_ticker"),
    _text("event_ticker"),
    _text("result"),
    _number("yes_quantity"),
    _number("yes_cost"),
    _number("no_quantity"),
    _number("no_cost"),
    _number("revenue"),
    _number("settlement_value"),
    _number("fees_paid"),
    _number("realized_pnl"),
    _number("traded_cost"),
    _number("traded_quantity"),
    _number("settled_ns"),
    Index(None, "member_id", "settlement_id"),
    Index(None, "member_id", "market_ticker"),
    Index(None, "market_ticker", "settlement_id"),
)

cash_movements = Table(
    "cash_movements",
    metadata,
    _key("movement_id"),
    _text("kind"),
    _number("member_id"),
    _number("subaccount"),
    _number("amount"),
    _text("reference"),
    _number("time_ns"),
    Index(None, "member_id", "movement_id"),
)

transfers = Table(
    "transfers",
    metadata,
    _key("transfer_id"),
    _number("member_id"),
    _number("from_subaccount"),
    _number("to_subaccount"),
    _number("amount"),
    _text("client_transfer_id"),
    _number("time_ns"),
    Index(None, "member_id", "transfer_id"),
)

position_transfers = Table(
    "position_transfers",
    metadata,
    _key("transfer_id"),
    _number("member_id"),
    _number("from_subaccount"),
    _number("to_subaccount"),
    _text("market_ticker"),
    _number("quantity"),
    _number("price"),
    _number("from_cash_change"),
    _number("to_cash_change"),
    _text("client_transfer_id"),
    _number("time_ns"),
    Index(None, "member_id", "transfer_id"),
)
"""Positions moved between subaccounts, and what that did to the cash of both."""

collateral_returns = Table(
    "collateral_returns",
    metadata,
    _key("return_id"),
    _number("member_id"),
    _number("subaccount"),
    _text("event_ticker"),
    _number("amount"),
    _number("total"),
    _number("house"),
    _number("time_ns"),
    Index(None, "member_id", "return_id"),
)
"""Collateral returned across an event. ``amount`` reached the cash, of it ``house`` from the
house; ``total`` is what stays returned after it."""

markets = Table(
    "markets",
    metadata,
    Column("market_ticker", String, primary_key=True),
    _text("event_ticker"),
    Index(None, "event_ticker"),
)
"""Which market belongs to which event, also of markets that have vanished."""

lifecycle = Table(
    "market_lifecycle",
    metadata,
    _key("lifecycle_id"),
    _text("market_ticker"),
    _text("kind"),
    _text("status"),
    _text("reason"),
    _number("close_ns"),
    _text("result"),
    _number("settlement_value"),
    _number("time_ns"),
    Index(None, "market_ticker", "lifecycle_id"),
)

escrow_remainders = Table(
    "escrow_remainders",
    metadata,
    _key("remainder_id"),
    _text("market_ticker"),
    _text("account"),
    _number("amount"),
    _number("time_ns"),
)
"""What a market's escrow held beyond its payouts, and the account that took it."""


def _candles(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("market_ticker", String, primary_key=True),
        Column("end_ts", BigInteger, primary_key=True, autoincrement=False),
        _number("bid_open"),
        _number("bid_high"),
        _number("bid_low"),
        _number("bid_close"),
        _number("ask_open"),
        _number("ask_high"),
        _number("ask_low"),
        _number("ask_close"),
        _number("price_open"),
        _number("price_high"),
        _number("price_low"),
        _number("price_close"),
        _number("previous_price"),
        _number("last_price"),
        _number("volume"),
        _number("traded_value"),
        _number("open_interest"),
        sqlite_with_rowid=False,
    )


candles = _candles("candles")
hour_candles = _candles("hour_candles")
day_candles = _candles("day_candles")
"""Hours and days that are over, put together from the minutes of ``candles``. The open ones of a
market are not stored: its newest minutes, and hours, stand for them."""

actions = Table(
    "actions",
    metadata,
    _key("sequence"),
    _number("time_ns"),
    _text("command"),
    _number("member_id"),
    _text("subject"),
    _text("rejection"),
    _text("details"),
    Index(None, "member_id", "sequence"),
    Index(None, "subject", "sequence"),
    Index(None, "command", "sequence"),
)

rfqs = Table(
    "rfqs",
    metadata,
    _key("rfq_id"),
    _number("member_id"),
    _number("subaccount"),
    _text("market_ticker"),
    _text("event_ticker"),
    _number("quantity"),
    _number("target_cost"),
    _flag("rest_remainder"),
    _text("status"),
    _text("reason"),
    _number("created_ns"),
    _number("updated_ns"),
    Index(None, "member_id", "rfq_id"),
    Index(None, "market_ticker", "rfq_id"),
    # Makers ask all the time for what is open, which is little among all that ever was.
    Index(
        "ix_rfqs_open",
        "rfq_id",
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

quotes = Table(
    "quotes",
    metadata,
    _key("quote_id"),
    _number("rfq_id"),
    _number("member_id"),
    _number("subaccount"),
    _number("rfq_member_id"),
    _number("rfq_subaccount"),
    _text("market_ticker"),
    _text("event_ticker"),
    _number("yes_bid"),
    _number("no_bid"),
    _number("yes_quantity"),
    _number("no_quantity"),
    _number("rfq_quantity"),
    _number("rfq_target_cost"),
    _flag("rest_remainder"),
    _flag("post_only"),
    _text("status"),
    _text("reason"),
    _text("accepted_side"),
    _number("accepted_quantity"),
    _number("created_ns"),
    _number("updated_ns"),
    _number("accepted_ns"),
    _number("confirmed_ns"),
    _number("executed_ns"),
    _number("maker_order_id"),
    _number("rfq_order_id"),
    Index(None, "member_id", "quote_id"),
    Index(None, "rfq_member_id", "quote_id"),
    Index(None, "rfq_id", "quote_id"),
)
