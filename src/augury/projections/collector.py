"""Turns what happened into rows: the one place that knows which event belongs in which table.

It computes nothing that the events do not say, so history cannot disagree with the exchange.
Trading events come by the thousand and are handled first and by hand; the rest by a table.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from augury.codec.readable import command_dict
from augury.core import commands as c
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.state import RESTING
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE
from augury.projections.candles import CandleBook, minute_end
from augury.projections.rows import QuoteRow, RfqRow
from augury.projections.tables import ID_SHIFT

Row = tuple[Any, ...]

PLAIN_TRADING: Final = frozenset(
    {
        c.PlaceOrder,
        c.CancelOrder,
        c.AmendOrder,
        c.DecreaseOrder,
        c.CreateRfq,
        c.DeleteRfq,
        c.CreateQuote,
        c.DeleteQuote,
        c.AcceptQuote,
        c.ConfirmQuote,
        c.LookUpCombo,
        c.Tick,
    }
)
"""Commands that the audit trail leaves out: their trace is the orders and trades themselves."""

rfq_values = attrgetter(*(field.name for field in dataclasses.fields(RfqRow)))
quote_values = attrgetter(*(field.name for field in dataclasses.fields(QuoteRow)))
"""The events have a field of the same name for every column."""


class Rows:
    """Rows of one transaction, by table. Lists are in the order of the log.

    Requests for quotes and quotes change: only the last state of each is written, by its id.
    """

    __slots__ = (
        "actions",
        "cash_movements",
        "collateral_returns",
        "escrow_remainders",
        "fills",
        "lifecycle",
        "markets",
        "orders",
        "position_transfers",
        "quotes",
        "rfqs",
        "settlements",
        "timeline",
        "trades",
        "transfers",
    )

    def __init__(self) -> None:
        self.actions: list[Row] = []
        self.cash_movements: list[Row] = []
        self.collateral_returns: list[Row] = []
        self.escrow_remainders: list[Row] = []
        self.fills: list[Row] = []
        self.lifecycle: list[Row] = []
        self.markets: list[Row] = []
        self.orders: list[Row] = []
        self.position_transfers: list[Row] = []
        self.quotes: dict[int, Row] = {}
        self.rfqs: dict[int, Row] = {}
        self.settlements: list[Row] = []
        self.timeline: list[Row] = []
        self.trades: list[Row] = []
        self.transfers: list[Row] = []


class Collector:
    """Collects records, which must come in order and each once, until ``take``.

    ``last_mark_ns`` is the time of the newest stored row of ``timeline``.
    """

    def __init__(self, candles: CandleBook, last_mark_ns: int) -> None:
        self.candles = candles
        self.rows = Rows()
        self._last_mark_ns = last_mark_ns
        self._paid: dict[str, int] = {}
        self._owed: dict[str, int] = {}

    def take(self) -> Rows:
        rows = self.rows
        self.rows = Rows()
        return rows

    def add(self, applied: Applied) -> None:
        rows = self.rows
        time_ns = applied.time_ns
        if time_ns >= self._last_mark_ns + NANOS_PER_SECOND:
            self._last_mark_ns = time_ns
            rows.timeline.append((applied.sequence, time_ns))
        end_ts = minute_end(time_ns)
        candles = self.candles
        for index, event in enumerate(applied.events):
            if isinstance(event, e.TickerChanged):
                candles.quoted(
                    event.market_ticker,
                    end_ts,
                    event.bid_price,
                    event.ask_price,
                    event.open_interest,
                )
            elif isinstance(event, e.OrderUpdated):
                if event.status != RESTING:
                    rows.orders.append(_order_row(event))
            elif isinstance(event, e.OrderFilled):
                rows.fills.append(_fill_row(event, time_ns))
            elif isinstance(event, e.TradeExecuted):
                rows.trades.append(_trade_row(event, time_ns))
                candles.traded(
                    event.market_ticker,
                    end_ts,
                    event.price,
                    event.quantity,
                    event.open_interest,
                )
            else:
                handler = HANDLERS.get(type(event))
                if handler is not None:
                    handler(self, applied, index, event)
        if type(applied.command) not in PLAIN_TRADING:
            rows.actions.append(_action_row(applied))

    # --- the rarer events ------------------------------------------------------------------------

    def _deposited(self, applied: Applied, index: int, event: e.Deposited) -> None:
        self._cash_movement(applied, index, "deposit", event)

    def _withdrawn(self, applied: Applied, index: int, event: e.Withdrawn) -> None:
        self._cash_movement(applied, index, "withdrawal", event)

    def _cash_movement(
        self, applied: Applied, index: int, kind: str, event: e.Deposited | e.Withdrawn
    ) -> None:
        self.rows.cash_movements.append(
            (
                _id(applied, index),
                kind,
                event.member_id,
                event.subaccount,
                event.amount,
                event.reference,
                applied.time_ns,
            )
        )

    def _transferred(self, applied: Applied, _index: int, event: e.Transferred) -> None:
        self.rows.transfers.append(
            (
                event.transfer_id,
                event.member_id,
                event.from_subaccount,
                event.to_subaccount,
                event.amount,
                event.client_transfer_id,
                applied.time_ns,
            )
        )

    def _position_transferred(
        self, applied: Applied, _index: int, event: e.PositionTransferred
    ) -> None:
        self.rows.position_transfers.append(
            (
                event.transfer_id,
                event.member_id,
                event.from_subaccount,
                event.to_subaccount,
                event.market_ticker,
                event.quantity,
                event.price,
                event.from_cash_change,
                event.to_cash_change,
                event.client_transfer_id,
                applied.time_ns,
            )
        )

    def _collateral_returned(
        self, applied: Applied, index: int, event: e.CollateralReturned
    ) -> None:
        self.rows.collateral_returns.append(
            (
                _id(applied, index),
                event.member_id,
                event.subaccount,
                event.event_ticker,
                event.amount,
                event.total,
                event.house,
                applied.time_ns,
            )
        )

    def _position_settled(self, applied: Applied, index: int, event: e.PositionSettled) -> None:
        ticker = event.market_ticker
        owed = (event.yes_quantity + event.no_quantity) * PRICE_ONE
        self._owed[ticker] = self._owed.get(ticker, 0) + owed
        self._paid[ticker] = self._paid.get(ticker, 0) + event.revenue
        self.rows.settlements.append(
            (
                _id(applied, index),
                event.member_id,
                event.subaccount,
                ticker,
                event.event_ticker,
                event.result,
                event.yes_quantity,
                event.yes_cost,
                event.no_quantity,
                event.no_cost,
                event.revenue,
                event.settlement_value,
                event.fees_paid,
                event.realized_pnl,
                event.traded_cost,
                event.traded_quantity,
                applied.time_ns,
            )
        )

    def _market_settled(self, applied: Applied, index: int, event: e.MarketSettled) -> None:
        ticker = event.ticker
        # A pair of contracts has a dollar of escrow, so half of all that was held.
        held = self._owed.pop(ticker, 0) // 2
        remainder = held - self._paid.pop(ticker, 0)
        if event.result == "void" and remainder:
            self.rows.escrow_remainders.append(
                (_id(applied, index), ticker, "house", remainder, applied.time_ns)
            )
        self._lifecycle(
            applied,
            index,
            ticker,
            "settled",
            result=event.result,
            settlement_value=event.settlement_value,
        )
        self.candles.ended(ticker)

    def _market_created(self, applied: Applied, index: int, event: e.MarketCreated) -> None:
        self.rows.markets.append((event.ticker, event.event_ticker))
        self._lifecycle(
            applied,
            index,
            event.ticker,
            "created",
            close_ns=event.close_ns,
        )

    def _status_changed(self, applied: Applied, index: int, event: e.MarketStatusChanged) -> None:
        self._lifecycle(
            applied, index, event.ticker, "status", status=event.status, reason=event.reason
        )

    def _close_time_changed(
        self, applied: Applied, index: int, event: e.MarketCloseTimeChanged
    ) -> None:
        self._lifecycle(applied, index, event.ticker, "close_time", close_ns=event.close_ns)

    def _determined(self, applied: Applied, index: int, event: e.MarketDetermined) -> None:
        self._lifecycle(
            applied,
            index,
            event.ticker,
            "determined",
            result=event.result,
            settlement_value=event.settlement_value,
        )

    def _grid_changed(
        self, applied: Applied, index: int, event: e.PriceLevelStructureChanged
    ) -> None:
        self._lifecycle(
            applied,
            index,
            event.ticker,
            "price_level_structure",
            reason=event.price_level_structure,
        )

    def _rfq_updated(self, _applied: Applied, _index: int, event: e.RfqUpdated) -> None:
        self.rows.rfqs[event.rfq_id] = rfq_values(event)

    def _quote_updated(self, _applied: Applied, _index: int, event: e.QuoteUpdated) -> None:
        self.rows.quotes[event.quote_id] = quote_values(event)

    def _lifecycle(
        self,
        applied: Applied,
        index: int,
        ticker: str,
        kind: str,
        *,
        status: str = "",
        reason: str = "",
        close_ns: int = 0,
        result: str = "",
        settlement_value: int = 0,
    ) -> None:
        self.rows.lifecycle.append(
            (
                _id(applied, index),
                ticker,
                kind,
                status,
                reason,
                close_ns,
                result,
                settlement_value,
                applied.time_ns,
            )
        )


HANDLERS: Final[dict[type[Any], Callable[[Collector, Applied, int, Any], None]]] = {
    e.Deposited: Collector._deposited,
    e.Withdrawn: Collector._withdrawn,
    e.Transferred: Collector._transferred,
    e.PositionTransferred: Collector._position_transferred,
    e.CollateralReturned: Collector._collateral_returned,
    e.PositionSettled: Collector._position_settled,
    e.MarketSettled: Collector._market_settled,
    e.MarketCreated: Collector._market_created,
    e.MarketStatusChanged: Collector._status_changed,
    e.MarketCloseTimeChanged: Collector._close_time_changed,
    e.MarketDetermined: Collector._determined,
    e.PriceLevelStructureChanged: Collector._grid_changed,
    e.RfqUpdated: Collector._rfq_updated,
    e.QuoteUpdated: Collector._quote_updated,
}


def _id(applied: Applied, index: int) -> int:
    return applied.sequence << ID_SHIFT | index


def _trade_row(event: e.TradeExecuted, time_ns: int) -> Row:
    return (
        event.trade_id,
        event.market_ticker,
        event.price,
        event.quantity,
        event.taker_direction,
        event.maker_order_id,
        event.taker_order_id,
        time_ns,
    )


def _fill_row(event: e.OrderFilled, time_ns: int) -> Row:
    return (
        event.trade_id,
        event.order_id,
        event.member_id,
        event.subaccount,
        event.market_ticker,
        event.client_order_id,
        event.action,
        event.side,
        event.price,
        event.quantity,
        event.is_taker,
        event.fee,
        event.trade_fee,
        event.rounding_fee,
        event.rebate,
        event.cash_change,
        event.position,
        time_ns,
    )


def _order_row(event: e.OrderUpdated) -> Row:
    return (
        event.order_id,
        event.member_id,
        event.subaccount,
        event.market_ticker,
        event.client_order_id,
        event.action,
        event.side,
        event.price,
        event.initial_quantity,
        event.filled_quantity,
        event.remaining_quantity,
        event.status,
        event.reason,
        event.taker_cost,
        event.maker_cost,
        event.taker_fees,
        event.maker_fees,
        event.created_ns,
        event.updated_ns,
        event.expiration_ns,
        event.order_group_id,
        event.self_trade_prevention,
        event.cancel_on_pause,
    )


def _action_row(applied: Applied) -> Row:
    """What the audit trail says of a command. It holds no secret: keys in the log are public."""
    fields = command_dict(applied.command)
    name = fields.pop("command")
    created = next((ev for ev in applied.events if isinstance(ev, e.MemberCreated)), None)
    member_id = fields.get("member_id", 0) if created is None else created.member_id
    subject = next(
        (str(fields[key]) for key in ("ticker", "key", "email", "name") if key in fields), ""
    )
    rejection = applied.rejection
    return (
        applied.sequence,
        applied.time_ns,
        name,
        member_id,
        subject,
        "" if rejection is None else rejection.code,
        msgspec.json.encode(fields).decode(),
    )
