"""Indexes of the trades agreed on off the book.

They are rare; without these a page of them would read the whole tape.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    is_block = sa.text("trade_id & 524288 <> 0")
    for name, columns in (
        ("ix_trades_block", ["trade_id"]),
        ("ix_trades_block_of_market", ["market_ticker", "trade_id"]),
    ):
        op.create_index(name, "trades", columns, sqlite_where=is_block, postgresql_where=is_block)
