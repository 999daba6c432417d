"""Candles of hours and days beside those of minutes.

What was written before has none of them, so history begins anew and is filled from the log.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBERS = (
    *("bid_open", "bid_high", "bid_low", "bid_close"),
    *("ask_open", "ask_high", "ask_low", "ask_close"),
    *("price_open", "price_high", "price_low", "price_close"),
    *("previous_price", "last_price", "volume", "traded_value", "open_interest"),
)

FILLED = (
    *("timeline", "trades", "fills", "orders", "settlements", "cash_movements", "transfers"),
    *("position_transfers", "collateral_returns", "markets", "market_lifecycle"),
    *("escrow_remainders", "candles", "actions", "rfqs", "quotes"),
)


def upgrade() -> None:
    for name in ("hour_candles", "day_candles"):
        op.create_table(
            name,
            sa.Column("market_ticker", sa.String, primary_key=True),
            sa.Column("end_ts", sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(number, sa.BigInteger, nullable=False) for number in NUMBERS),
            sqlite_with_rowid=False,
        )
    written = op.get_bind().scalar(sa.text("SELECT count(*) FROM candles"))
    if written:
        for name in FILLED:
            op.execute(sa.delete(sa.table(name)))
        op.execute("UPDATE position SET sequence = 0, time_ns = 0")
