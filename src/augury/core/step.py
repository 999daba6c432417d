"""The bookkeeping of one step: what a command (or a batch of timers) touched so far.

Owns the list of events being built. Rules change the state and note here what they touched;
``flush`` then reports every order, holding, price level and market once, in the order that
``events`` documents. One ``Step`` is reused for all commands.
"""

from typing import Final

from augury.core import collateral, netting
from augury.core.book import Level
from augury.core.events import (
    Event,
    LevelChanged,
    OrderUpdated,
    PositionChanged,
    TickerChanged,
)
from augury.core.state import Exchange, Holding, LevelChange, Market, Order, OwnSide
from augury.core.units import PRICE_ONE

TRADE_INDEX_BITS: Final = 20
"""A trade's id is the sequence shifted by this, plus the trade's index in the record."""


class Step:
    """``sequence`` and ``time_ns`` are those of the record being applied."""

    __slots__ = (
        "events",
        "group_events",
        "holdings",
        "late_events",
        "markets",
        "orders",
        "rested",
        "sequence",
        "side_holdings",
        "sides",
        "state",
        "time_ns",
        "trades",
    )

    def __init__(self, state: Exchange) -> None:
        self.state = state
        self.sequence = 0
        self.time_ns = 0
        self.events: list[Event] = []
        self.group_events: list[Event] = []
        self.orders: list[Order] = []
        self.holdings: list[Holding] = []
        self.sides: list[OwnSide] = []
        self.side_holdings: list[Holding] = []
        self.markets: list[Market] = []
        self.late_events: list[Event] = []
        self.trades = 0
        self.rested = 0

    def begin(self, sequence: int, time_ns: int) -> None:
        self.sequence = sequence
        self.time_ns = time_ns
        self.trades = 0
        self.rested = 0
        self.events = []

    def next_trade_id(self) -> int:
        trade_id = (self.sequence << TRADE_INDEX_BITS) | self.trades
        self.trades += 1
        return trade_id

    def next_priority(self) -> int:
        """Larger than that of every order that went to rest before."""
        self.rested += 1
        return (self.sequence << TRADE_INDEX_BITS) | self.rested

    def touch_order(self, order: Order, reason: str) -> None:
        """The order is reported at the end of the step, with the last reason given."""
        if not order.reason:
            self.orders.append(order)
        order.reason = reason
        order.updated_ns = self.time_ns

    def touch_holding(self, holding: Holding) -> None:
        """The position moved: it is reported, and both its sides' reserves brought up to date."""
        if not holding.moved:
            holding.moved = True
            self.holdings.append(holding)

    def touch_side(self, order: Order) -> None:
        """The reserve for the order's side is brought up to date at the end of the step."""
        holding = order.holding
        side = collateral.own_side(holding, order.direction)
        if not side.touched:
            side.touched = True
            self.sides.append(side)
            self.side_holdings.append(holding)

    def touch_market(self, market: Market) -> None:
        """The market's levels, quotes and counts are looked at at the end of the step."""
        if not market.touched:
            market.touched = True
            self.markets.append(market)

    def touch_level(self, order: Order, level: Level, delta: int) -> LevelChange:
        """A level's resting total moves by ``delta`` because of ``order``."""
        change = level.change
        if change is None:
            change = LevelChange(level, order.direction)
            self._note(order.market, change)
        change.delta += delta
        account = order.account
        change.owners.append((account.member.id, account.number, order.client_order_id))
        return change

    def touch_new_level(self, order: Order, level: Level) -> None:
        """``order`` rests alone at ``level``; another one at that price may have gone before."""
        market = order.market
        for change in market.level_changes:
            if change.level.price == level.price and change.direction == order.direction:
                change.level = level
                level.change = change
                break
        self.touch_level(order, level, order.remaining)

    def _note(self, market: Market, change: LevelChange) -> None:
        change.level.change = change
        market.level_changes.append(change)
        if not market.touched:
            market.touched = True
            self.markets.append(market)

    def flush(self) -> None:
        """Report everything touched and forget it."""
        events = self.events
        if self.orders:
            for order in self.orders:
                events.append(order_updated(order))
                order.reason = ""
                order.reduced = 0
            self.orders = []
        if self.sides:
            for index, side in enumerate(self.sides):
                side.touched = False
                collateral.refresh_side(self.side_holdings[index], side)
            self.sides = []
            self.side_holdings = []
        if self.holdings:
            for holding in self.holdings:
                holding.moved = False
                holding.updated_ns = self.time_ns
                collateral.refresh(holding)
                events.append(position_changed(holding))
                if holding.account.netting and holding.market.event.collateral_return_type:
                    netting.adjust(self.state, holding.account, holding.market.event, events)
            self.holdings = []
        if self.group_events:
            events.extend(self.group_events)
            self.group_events = []
        if self.markets:
            for market in self.markets:
                self._report_market(market)
            self.markets = []
        if self.late_events:
            events.extend(self.late_events)
            self.late_events = []

    def _report_market(self, market: Market) -> None:
        events = self.events
        market.touched = False
        ticker = market.ticker
        for change in market.level_changes:
            level = change.level
            level.change = None
            if change.delta:
                events.append(
                    LevelChanged(
                        ticker,
                        change.direction,
                        level.price,
                        change.delta,
                        level.quantity,
                        change.owners,
                    )
                )
        market.level_changes = []
        best_bid = market.bids.best
        best_ask = market.asks.best
        bid, bid_quantity = (0, 0) if best_bid is None else (best_bid.price, best_bid.quantity)
        ask, ask_quantity = (
            (PRICE_ONE, 0) if best_ask is None else (best_ask.price, best_ask.quantity)
        )
        if (
            market.traded
            or bid != market.quoted_bid
            or ask != market.quoted_ask
            or bid_quantity != market.quoted_bid_quantity
            or ask_quantity != market.quoted_ask_quantity
        ):
            market.traded = False
            market.quoted_bid = bid
            market.quoted_bid_quantity = bid_quantity
            market.quoted_ask = ask
            market.quoted_ask_quantity = ask_quantity
            events.append(
                TickerChanged(
                    ticker,
                    bid,
                    bid_quantity,
                    ask,
                    ask_quantity,
                    market.last_price,
                    market.last_quantity,
                    market.volume,
                    market.open_interest,
                )
            )


def order_updated(order: Order) -> OrderUpdated:
    """The whole order as an event."""
    account = order.account
    group = order.group
    return OrderUpdated(
        order.id,
        account.member.id,
        account.number,
        order.market.ticker,
        order.client_order_id,
        order.action,
        order.side,
        order.price,
        order.initial_quantity,
        order.filled,
        order.remaining,
        order.status,
        order.reason,
        order.reduced,
        order.taker_cost,
        order.maker_cost,
        order.taker_fees,
        order.maker_fees,
        order.created_ns,
        order.updated_ns,
        order.expiration_ns,
        0 if group is None else group.id,
        order.self_trade_prevention,
        order.cancel_on_pause,
        order.origin,
    )


def position_changed(holding: Holding) -> PositionChanged:
    """The whole holding as an event."""
    account = holding.account
    return PositionChanged(
        account.member.id,
        account.number,
        holding.market.ticker,
        holding.quantity,
        holding.cost,
        holding.realized_pnl,
        holding.fees_paid,
        holding.traded_cost,
        holding.traded_quantity,
    )
