"""The first tables: trading, money, listings, candles and the audit trail.

A migration is frozen: it does not read ``tables``, which goes on changing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def key(name: str) -> "sa.Column[int]":
    return sa.Column(name, ROW_ID, primary_key=True, autoincrement=False)


def big_key(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def text_key(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String, primary_key=True)


def numbers(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


def index(table: str, *columns: str) -> None:
    op.create_index("_".join(("ix", table, *columns)), table, list(columns))


def upgrade() -> None:
    position = op.create_table("position", key("id"), *numbers("sequence", "time_ns"))
    op.bulk_insert(position, [{"id": 1, "sequence": 0, "time_ns": 0}])

    op.create_table("timeline", key("sequence"), *numbers("time_ns"))
    index("timeline", "time_ns", "sequence")

    create_trading_tables()
    create_money_tables()

    op.create_table("markets", text_key("market_ticker"), *texts("event_ticker"))
    index("markets", "event_ticker")

    op.create_table(
        "market_lifecycle",
        key("lifecycle_id"),
        *texts("market_ticker", "kind", "status", "reason"),
        *numbers("close_ns"),
        *texts("result"),
        *numbers("settlement_value", "time_ns"),
    )
    index("market_lifecycle", "market_ticker", "lifecycle_id")

    op.create_table(
        "candles",
        text_key("market_ticker"),
        big_key("end_ts"),
        *numbers("bid_open", "bid_high", "bid_low", "bid_close"),
        *numbers("ask_open", "ask_high", "ask_low", "ask_close"),
        *numbers("price_open", "price_high", "price_low", "price_close"),
        *numbers("previous_price", "last_price", "volume", "traded_value", "open_interest"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "actions",
        key("sequence"),
        *numbers("time_ns"),
        *texts("command"),
        *numbers("member_id"),
        *texts("subject", "rejection", "details"),
    )
    index("actions", "member_id", "sequence")
    index("actions", "subject", "sequence")
    index("actions", "command", "sequence")


def create_trading_tables() -> None:
    op.create_table(
        "trades",
        key("trade_id"),
        *texts("market_ticker"),
        *numbers("price", "quantity", "taker_direction", "maker_order_id", "taker_order_id"),
        *numbers("time_ns"),
    )
    index("trades", "market_ticker", "trade_id")

    op.create_table(
        "fills",
        big_key("trade_id"),
        big_key("order_id"),
        *numbers("member_id", "subaccount"),
        *texts("market_ticker", "client_order_id", "action", "side"),
        *numbers("price", "quantity"),
        flag("is_taker"),
        *numbers("fee", "trade_fee", "rounding_fee", "rebate", "cash_change", "position"),
        *numbers("time_ns"),
        sqlite_with_rowid=False,
    )
    index("fills", "member_id", "trade_id")
    index("fills", "member_id", "market_ticker", "trade_id")
    index("fills", "order_id", "trade_id")

    op.create_table(
        "orders",
        key("order_id"),
        *numbers("member_id", "subaccount"),
        *texts("market_ticker", "client_order_id", "action", "side"),
        *numbers("price", "initial_quantity", "filled_quantity", "remaining_quantity"),
        *texts("status", "reason"),
        *numbers("taker_cost", "maker_cost", "taker_fees", "maker_fees"),
        *numbers("created_ns", "updated_ns", "expiration_ns", "order_group_id"),
        *texts("self_trade_prevention"),
        flag("cancel_on_pause"),
    )
    index("orders", "member_id", "order_id")
    index("orders", "member_id", "market_ticker", "order_id")
    op.create_index(
        "ix_orders_executed",
        "orders",
        ["member_id", "order_id"],
        sqlite_where=sa.text("status = 'executed'"),
        postgresql_where=sa.text("status = 'executed'"),
    )


def create_money_tables() -> None:
    op.create_table(
        "settlements",
        key("settlement_id"),
        *numbers("member_id", "subaccount"),
        *texts("market_ticker", "event_ticker", "result"),
        *numbers("yes_quantity", "yes_cost", "no_quantity", "no_cost", "revenue"),
        *numbers("settlement_value", "fees_paid", "realized_pnl"),
        *numbers("traded_cost", "traded_quantity", "settled_ns"),
    )
    index("settlements", "member_id", "settlement_id")
    index("settlements", "member_id", "market_ticker")
    index("settlements", "market_ticker", "settlement_id")

    op.create_table(
        "escrow_remainders",
        key("remainder_id"),
        *texts("market_ticker", "account"),
        *numbers("amount", "time_ns"),
    )

    op.create_table(
        "cash_movements",
        key("movement_id"),
        *texts("kind"),
        *numbers("member_id", "subaccount", "amount"),
        *texts("reference"),
        *numbers("time_ns"),
    )
    index("cash_movements", "member_id", "movement_id")

    op.create_table(
        "transfers",
        key("transfer_id"),
        *numbers("member_id", "from_subaccount", "to_subaccount", "amount"),
        *texts("client_transfer_id"),
        *numbers("time_ns"),
    )
    index("transfers", "member_id", "transfer_id")

    op.create_table(
        "position_transfers",
        key("transfer_id"),
        *numbers("member_id", "from_subaccount", "to_subaccount"),
        *texts("market_ticker"),
        *numbers("quantity", "price", "from_cash_change", "to_cash_change"),
        *texts("client_transfer_id"),
        *numbers("time_ns"),
    )
    index("position_transfers", "member_id", "transfer_id")

    op.create_table(
        "collateral_returns",
        key("return_id"),
        *numbers("member_id", "subaccount"),
        *texts("event_ticker"),
        *numbers("amount", "total", "house", "time_ns"),
    )
    index("collateral_returns", "member_id", "return_id")
