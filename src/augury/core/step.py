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
from augury.core.state import Exchange, Holding, Market, Order, OwnSide
from augury.core.units import PRICE_ONE

TRADE_INDEX_BITS: Final = 20
"""A trade's id is the sequence shifted by this, plus the trade's index in the record."""

BLOCK_TRADE_BIT: Final = 1 << (TRADE_INDEX_BITS - 1)
"""Set in the id of a trade that was agreed on off the book. No record matches so many others."""


class Step:
    """``sequence`` and ``time_ns`` are those of the record being applied.

    What is touched is chained through the objects themselves: most commands touch one order, one
    side and one level, and a list for each would cost more than the rest of the bookkeeping.
    """

    __slots__ = (
        "events",
        "first_holding",
        "first_market",
        "first_order",
        "first_side",
        "group_events",
        "last_holding",
        "last_market",
        "last_order",
        "last_side",
        "late_events",
        "rested",
        "sequence",
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
        self.late_events: list[Event] = []
        self.first_order: Order | None = None
        self.last_order: Order | None = None
        self.first_holding: Holding | None = None
        self.last_holding: Holding | None = None
        self.first_side: OwnSide | None = None
        self.last_side: OwnSide | None = None
        self.first_market: Market | None = None
        self.last_market: Market | None = None
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
            last = self.last_order
            if last is None:
                self.first_order = order
            else:
                last.next_touched = order
            self.last_order = order
        order.reason = reason
        order.updated_ns = self.time_ns

    def touch_holding(self, holding: Holding) -> None:
        """The position moved: it is reported, and both its sides' reserves brought up to date."""
        if not holding.moved:
            holding.moved = True
            last = self.last_holding
            if last is None:
                self.first_holding = holding
            else:
                last.next_moved = holding
            self.last_holding = holding

    def touch_side(self, order: Order) -> None:
        """The reserve for the order's side is brought up to date at the end of the step."""
        holding = order.holding
        side = collateral.own_side(holding, order.direction)
        if side.touched_in is None:
            side.touched_in = holding
            last = self.last_side
            if last is None:
                self.first_side = side
            else:
                last.next_touched = side
            self.last_side = side

    def touch_market(self, market: Market) -> None:
        """The market's levels, quotes and counts are looked at at the end of the step."""
        if not market.touched:
            market.touched = True
            last = self.last_market
            if last is None:
                self.first_market = market
            else:
                last.next_touched = market
            self.last_market = market

    def touch_level(self, order: Order, level: Level, delta: int) -> None:
        """A level's resting total moves by ``delta`` because of ``order``."""
        account = order.account
        change = level.change
        if change is not None:
            change.delta += delta
            change.add_owner(account.member.id, account.number, order.client_order_id)
            return
        market = order.market
        level.change = LevelChanged(
            market.ticker,
            order.direction,
            level.price,
            delta,
            0,
            account.member.id,
            account.number,
            order.client_order_id,
        )
        last = market.last_changed
        if last is None:
            market.first_changed = level
        else:
            last.next_changed = level
        market.last_changed = level
        self.touch_market(market)

    def touch_traded_level(self, maker: Order, taker: Order, level: Level, quantity: int) -> None:
        """``quantity`` of ``maker`` trades away; the taker caused that too, told once per level."""
        self.touch_level(maker, level, -quantity)
        change = level.change
        if change is not None and not level.taker_noted:
            level.taker_noted = True
            account = taker.account
            change.add_owner(account.member.id, account.number, taker.client_order_id)

    def touch_new_level(self, order: Order, level: Level) -> None:
        """``order`` rests alone at ``level``; another one at that price may have gone before."""
        market = order.market
        before: Level | None = None
        gone = market.first_changed
        while gone is not None:
            change = gone.change
            if gone.price == level.price and change and change.direction == order.direction:
                # The new level takes the old one's place and goes on with its change.
                level.change = change
                level.taker_noted = gone.taker_noted
                level.next_changed = gone.next_changed
                if before is None:
                    market.first_changed = level
                else:
                    before.next_changed = level
                if market.last_changed is gone:
                    market.last_changed = level
                gone.change = None
                gone.next_changed = None
                break
            before = gone
            gone = gone.next_changed
        self.touch_level(order, level, order.remaining)

    def flush(self) -> None:
        """Report everything touched and forget it."""
        events = self.events
        order = self.first_order
        if order is not None:
            self.first_order = self.last_order = None
            while order is not None:
                events.append(order_updated(order))
                order.reason = ""
                order.reduced = 0
                next_order = order.next_touched
                order.next_touched = None
                order = next_order
        side = self.first_side
        if side is not None:
            self.first_side = self.last_side = None
            while side is not None:
                touched_in = side.touched_in
                assert touched_in is not None
                side.touched_in = None
                collateral.refresh_side(touched_in, side)
                next_side = side.next_touched
                side.next_touched = None
                side = next_side
        holding = self.first_holding
        if holding is not None:
            self.first_holding = self.last_holding = None
            while holding is not None:
                self._report_holding(holding)
                next_holding = holding.next_moved
                holding.next_moved = None
                holding = next_holding
        if self.group_events:
            events.extend(self.group_events)
            self.group_events = []
        market = self.first_market
        if market is not None:
            self.first_market = self.last_market = None
            while market is not None:
                self._report_market(market)
                next_market = market.next_touched
                market.next_touched = None
                market = next_market
        if self.late_events:
            events.extend(self.late_events)
            self.late_events = []

    def _report_holding(self, holding: Holding) -> None:
        events = self.events
        holding.moved = False
        holding.updated_ns = self.time_ns
        collateral.refresh(holding)
        events.append(position_changed(holding))
        account = holding.account
        event = holding.market.event
        if account.netting and event.collateral_return_type:
            netting.adjust(self.state, account, event, events)

    def _report_market(self, market: Market) -> None:
        events = self.events
        market.touched = False
        ticker = market.ticker
        level = market.first_changed
        if level is not None:
            market.first_changed = market.last_changed = None
            while level is not None:
                change = level.change
                assert change is not None
                level.change = None
                level.taker_noted = False
                if change.delta:
                    change.quantity = level.quantity
                    events.append(change)
                next_level = level.next_changed
                level.next_changed = None
                level = next_level
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
