"""Questions that history answers.

Lists come newest first, in pages: pass the id of the last row received as ``before_id`` to get
the next page (0 begins with the newest). Rows that arrive later never shift a page. Time ranges
include ``min_ns`` and exclude ``max_ns``; 0 leaves that end open. An empty string or sequence
and ``subaccount=None`` mean "any".

A reader that must see what it wrote awaits ``History.wait_for`` first. Raises
``HistoryUnavailable`` when the database cannot be read.
"""

from collections.abc import Sequence

from augury.projections.rows import (
    ActionRow,
    CandleRow,
    CashMovementRow,
    FillRow,
    LedgerRow,
    LifecycleRow,
    OrderRow,
    SettlementRow,
    TradeRow,
    TransferRow,
)

__all__ = [
    "ActionRow",
    "CandleRow",
    "CashMovementRow",
    "FillRow",
    "HistoryQueries",
    "HistoryUnavailable",
    "LedgerRow",
    "LifecycleRow",
    "OrderRow",
    "SettlementRow",
    "TradeRow",
    "TransferRow",
]


class HistoryUnavailable(Exception):
    """The history database cannot be read at the moment; trading goes on."""


class HistoryQueries:
    """Typed reads of the history database at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def fills(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        subaccount: int | None = None,
        market_ticker: str = "",
        order_id: int = 0,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[FillRow]:
        """Fills of one member. The id of a row is its ``trade_id``."""
        raise NotImplementedError

    async def trades(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        market_ticker: str = "",
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[TradeRow]:
        """Public trades of one market or of all. The id of a row is its ``trade_id``."""
        raise NotImplementedError

    async def orders(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        subaccount: int | None = None,
        market_tickers: Sequence[str] = (),
        event_tickers: Sequence[str] = (),
        status: str = "",
        min_created_ns: int = 0,
        max_created_ns: int = 0,
    ) -> list[OrderRow]:
        """Finished orders of one member by ``order_id``; open ones live in the state.

        With both kinds of tickers an order must match both.
        """
        raise NotImplementedError

    async def order(self, order_id: int) -> OrderRow | None:
        """One finished order, whoever owns it; None when it is unknown or still open."""
        raise NotImplementedError

    async def settlements(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        subaccount: int | None = None,
        market_ticker: str = "",
        event_tickers: Sequence[str] = (),
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[SettlementRow]:
        """Settled positions of one member by ``settlement_id``, newest settled first."""
        raise NotImplementedError

    async def transfers(
        self,
        member_id: int,
        *,
        limit: int = 100,
        before_id: int = 0,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[TransferRow]:
        """Transfers between a member's subaccounts by ``transfer_id``."""
        raise NotImplementedError

    async def cash_movements(
        self,
        member_id: int = 0,
        *,
        limit: int = 100,
        before_id: int = 0,
        kind: str = "",
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[CashMovementRow]:
        """Deposits and withdrawals by ``movement_id``, of one member or (0) of all."""
        raise NotImplementedError

    async def ledger(
        self,
        member_id: int = 0,
        *,
        limit: int = 100,
        before: tuple[int, int] = (0, 0),
        subaccount: int | None = None,
        min_ns: int = 0,
        max_ns: int = 0,
    ) -> list[LedgerRow]:
        """Ledger lines by (``entry_id``, ``line``), of one member's cash or (0) of all accounts.

        ``before`` is that pair of the last line received.
        """
        raise NotImplementedError

    async def ledger_totals(self) -> dict[str, int]:
        """Sum of the lines per account name, micro-dollars. They sum to zero.

        Reads everything: for checks and reports, not for pages.
        """
        raise NotImplementedError

    async def lifecycle(
        self, market_ticker: str = "", *, limit: int = 100, before_id: int = 0
    ) -> list[LifecycleRow]:
        """Steps in the life of one market or of all, by ``lifecycle_id``."""
        raise NotImplementedError

    async def candles(self, market_ticker: str, start_ts: int, end_ts: int) -> list[CandleRow]:
        """Minutes with a change, ``start_ts <= candle.end_ts <= end_ts``, oldest first."""
        raise NotImplementedError

    async def candle_before(self, market_ticker: str, start_ts: int) -> CandleRow | None:
        """The newest minute with a change that ended before ``start_ts``."""
        raise NotImplementedError

    async def actions(
        self,
        *,
        limit: int = 100,
        before_id: int = 0,
        member_id: int = 0,
        command: str = "",
        subject: str = "",
    ) -> list[ActionRow]:
        """The audit trail by ``sequence``: every command that is not plain trading."""
        raise NotImplementedError
