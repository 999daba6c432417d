"""Requests for quotes, and the quotes that answer them.

No request could be made before these tables came, so they begin empty wherever the position is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def key(name: str) -> "sa.Column[int]":
    return sa.Column(name, ROW_ID, primary_key=True, autoincrement=False)


def numbers(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


def index(table: str, *columns: str) -> None:
    op.create_index("_".join(("ix", table, *columns)), table, list(columns))


def upgrade() -> None:
    op.create_table(
        "rfqs",
        key("rfq_id"),
        *numbers("member_id", "subaccount"),
        *texts("market_ticker", "event_ticker"),
        *numbers("quantity", "target_cost"),
        flag("rest_remainder"),
        *texts("status", "reason"),
        *numbers("created_ns", "updated_ns"),
    )
    index("rfqs", "member_id", "rfq_id")
    index("rfqs", "market_ticker", "rfq_id")
    is_open = sa.text("status = 'open'")
    op.create_index(
        "ix_rfqs_open", "rfqs", ["rfq_id"], sqlite_where=is_open, postgresql_where=is_open
    )

    op.create_table(
        "quotes",
        key("quote_id"),
        *numbers("rfq_id", "member_id", "subaccount", "rfq_member_id", "rfq_subaccount"),
        *texts("market_ticker", "event_ticker"),
        *numbers("yes_bid", "no_bid", "yes_quantity", "no_quantity"),
        *numbers("rfq_quantity", "rfq_target_cost"),
        flag("rest_remainder"),
        flag("post_only"),
        *texts("status", "reason", "accepted_side"),
        *numbers("accepted_quantity", "created_ns", "updated_ns"),
        *numbers("accepted_ns", "confirmed_ns", "executed_ns"),
        *numbers("maker_order_id", "rfq_order_id"),
    )
    index("quotes", "member_id", "quote_id")
    index("quotes", "rfq_member_id", "quote_id")
    index("quotes", "rfq_id", "quote_id")
