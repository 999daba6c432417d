"""The bots themselves: they look at the board, decide, and act through the public API.

Each runs as one task. Whatever the exchange answers (paused, closed, too fast, gone) a bot
waits a moment and looks again; nothing it can be told ends it.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from augury.app.bots.board import Board, Market
from augury.app.bots.config import BotConfig
from augury.app.bots.grid import ONE_DOLLAR
from augury.app.bots.making import (
    Action,
    Amend,
    Cancel,
    MakerHabits,
    OwnOrder,
    Place,
    changes,
    follow,
    wanted_quotes,
)
from augury.app.bots.taking import (
    Take,
    TakerHabits,
    Touch,
    noise_choice,
    slot_at,
    takers_choice,
)
from augury.client import (
    ApiError,
    Client,
    Connected,
    ConnectionFailed,
    Disconnected,
    Received,
    Stream,
)
from augury.client.units import count_text, count_units, dollars_text, price_units

log = logging.getLogger("augury.bots")

_BEAT_SECONDS: Final = 0.5
_BATCH: Final = 20
_RECONCILE_SECONDS: Final = 300.0
_REMEMBERED: Final = 5_000
_REQUESTS_AT_ONCE: Final = 80.0
_WRITES_PER_SECOND: Final = 150.0
"""Well below what the tier of a bot allows, which is 400."""
_LONGEST_REST: Final = 10.0
_MARKET_REST: Final = 2.0


class Rest:
    """How long a bot keeps still after trouble; longer when trouble goes on."""

    def __init__(self) -> None:
        self._until = 0.0
        self._seconds = 0.0

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    def take(self, least: float = 0.5) -> None:
        self._seconds = min(max(self._seconds * 2, least), _LONGEST_REST)
        self._until = time.monotonic() + self._seconds

    def wake(self) -> None:
        self._seconds = 0.0


class Budget:
    """Lets ``rate`` a second pass, and up to ``most`` at once after a pause."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._left = self._most
        self._at = time.monotonic()

    def take(self, cost: float) -> bool:
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self._rate, self._most)
        self._at = now
        if self._left < min(cost, self._most):
            return False
        self._left -= cost
        return True


class Trader:
    """What all bots share: a beat, and patience."""

    def __init__(self, config: BotConfig, board: Board, client: Client) -> None:
        self.config = config
        self.board = board
        self.client = client
        self.rest = Rest()

    async def run(self) -> None:
        """Trade until cancelled."""
        while True:
            if self.rest.over:
                try:
                    await self.beat()
                except ConnectionFailed as error:
                    self.trouble(error, 1.0)
                except ApiError as error:
                    self.trouble(error, 2.0 if error.status in {429, 503} else 1.0)
                except (KeyError, TypeError, ValueError) as error:
                    # An answer in a shape nobody expects must not end the bot.
                    self.trouble(error, 5.0)
                else:
                    self.rest.wake()
            await asyncio.sleep(_BEAT_SECONDS)

    async def beat(self) -> None:
        raise NotImplementedError

    def trouble(self, error: Exception, least: float) -> None:
        self.rest.take(least)
        log.debug("bot rests", extra={"bot": self.config.name, "reason": str(error)})


class Maker(Trader):
    """Quotes every market it was given, around its fair value."""

    def __init__(self, config: BotConfig, board: Board, client: Client, stream: Stream) -> None:
        super().__init__(config, board, client)
        options = config.options
        self._habits = MakerHabits(
            levels=options["levels"],
            size=count_units(options["size"]),
            spread=round(options["spread"] * ONE_DOLLAR),
            gap=max(round(options["level_gap"] * ONE_DOLLAR), 1),
            max_position=count_units(options["max_position"]),
        )
        self._requests = Budget(options["rate"], _REQUESTS_AT_ONCE)
        self._writes = Budget(_WRITES_PER_SECOND, _WRITES_PER_SECOND)
        self._stream = stream
        self._orders: dict[str, dict[str, OwnOrder]] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._positions: dict[str, int] = {}
        self._centers: dict[str, int] = {}
        self._resting_until: dict[str, float] = {}
        self._reconciled = False
        self._reconcile_at = 0.0
        self._held_back: list[Received] | None = None

    # --- knowing its own orders ---------------------------------------------------------------

    async def follow_account(self) -> None:
        """Keep up with its own orders and positions; until cancelled."""
        async with aclosing(self._stream.events()) as events:
            async for event in events:
                if isinstance(event, Connected):
                    self._reconcile_at = 0.0
                elif isinstance(event, Disconnected):
                    self._reconciled = False
                elif self._held_back is not None:
                    self._held_back.append(event)
                else:
                    self._feed(event)

    def _feed(self, message: Received) -> None:
        if message.type == "user_order":
            self._note_order(message.msg)
        elif message.type == "market_position":
            ticker = message.msg["market_ticker"]
            self._positions[ticker] = _position(message.msg)

    def _note_order(self, data: dict[str, Any]) -> None:
        """Take over the state of one order. The stream's word counts more than an answer's."""
        ticker, order_id = data["ticker"], data["order_id"]
        own = self._orders.setdefault(ticker, {})
        remaining = count_units(data["remaining_count_fp"])
        if data["status"] == "resting" and remaining > 0:
            own[order_id] = OwnOrder(
                order_id,
                (data["side"] == "yes") == (data.get("action", "buy") == "buy"),
                price_units(data["yes_price_dollars"]),
                remaining,
                count_units(data["fill_count_fp"]),
            )
        else:
            own.pop(order_id, None)
            self._closed[order_id] = None
            if len(self._closed) > _REMEMBERED:
                self._closed.popitem(last=False)

    async def _reconcile(self) -> None:
        """Read everything anew: after a connection was lost, and now and then."""
        self._held_back = []
        try:
            orders = [
                order
                async for order in self.client.orders(status="resting", subaccount=0, limit=200)
            ]
            positions = [row async for row in self.client.positions(limit=1000)]
        finally:
            held_back, self._held_back = self._held_back, None
        self._orders.clear()
        for order in orders:
            self._note_order(order)
        self._positions = {row["ticker"]: _position(row) for row in positions}
        # They happened while the lists were read; what the lists know already does no harm.
        for message in held_back:
            self._feed(message)
        self._forget_old_markets()
        self._reconciled = True
        self._reconcile_at = time.monotonic() + _RECONCILE_SECONDS

    def _forget_old_markets(self) -> None:
        """Markets come and go all day long; what is over must not pile up."""
        known = self.board.markets
        self._centers = {t: center for t, center in self._centers.items() if t in known}
        self._resting_until = {t: until for t, until in self._resting_until.items() if t in known}

    # --- quoting ------------------------------------------------------------------------------

    async def beat(self) -> None:
        if not self._stream.connected:
            return
        if not self._reconciled or time.monotonic() >= self._reconcile_at:
            await self._reconcile()
        for market in self.board.open_markets(self.config):
            if self._resting_until.get(market.ticker, 0.0) > time.monotonic():
                continue
            actions = self.decide(market)
            if not actions:
                continue
            groups = _groups(actions)
            if self._writes.take(len(actions)) and self._requests.take(len(groups)):
                await self._act(market, groups)

    def decide(self, market: Market) -> list[Action]:
        """What to do in one market now."""
        fair = self.board.fair(market)
        habits = self._habits.adapted(market.activity)
        habits = habits.on(market.grid, round(fair * ONE_DOLLAR))
        center = follow(self._centers.get(market.ticker), fair, habits.gap)
        self._centers[market.ticker] = center
        wanted = wanted_quotes(
            self.config.seed,
            market.ticker,
            habits,
            market.grid,
            market.lot,
            center,
            self._positions.get(market.ticker, 0),
        )
        return changes(wanted, list(self._orders.get(market.ticker, {}).values()))

    async def _act(self, market: Market, groups: Sequence[Sequence[Action]]) -> None:
        """Carry out actions in order, one request for each group."""
        for group in groups:
            first = group[0]
            if isinstance(first, Amend):
                await self._amend(market, first)
            elif isinstance(first, Cancel):
                ids = [action.order.order_id for action in group if isinstance(action, Cancel)]
                for row in await self.client.cancel_orders(ids):
                    self._note_answer(market, row)
            else:
                orders = [
                    _order_body(market, action) for action in group if isinstance(action, Place)
                ]
                for row in await self.client.place_orders(orders):
                    self._note_answer(market, row)

    async def _amend(self, market: Market, action: Amend) -> None:
        order = action.order
        try:
            await self.client.amend_order(
                order.order_id,
                ticker=market.ticker,
                side="yes",
                action="buy" if order.is_bid else "sell",
                yes_price_dollars=dollars_text(action.price),
                count_fp=count_text(order.filled + action.quantity),
            )
        except ApiError as error:
            self._note_refusal(market, error.status, error.code)
            if error.status == 404:
                self._orders.get(market.ticker, {}).pop(order.order_id, None)
        # What it has become arrives on the stream.

    def _note_answer(self, market: Market, row: dict[str, Any]) -> None:
        error = row.get("error")
        order = row.get("order")
        if error:
            self._note_refusal(market, 400, str(error.get("code", "")))
        if isinstance(order, dict) and order.get("order_id"):
            known = order["order_id"] in self._orders.get(market.ticker, {})
            if order.get("status") != "resting" or not (known or order["order_id"] in self._closed):
                self._note_order(order)
        elif error and row.get("order_id"):
            self._orders.get(market.ticker, {}).pop(row["order_id"], None)

    def _note_refusal(self, market: Market, status: int, code: str) -> None:
        """Decide how long to leave a market, or everything, alone."""
        if status in {429, 503} or code in {"trading_paused", "exchange_paused"}:
            self.rest.take(2.0)
        elif code == "available_balance_too_low":
            self.rest.take(_LONGEST_REST)
        elif code.startswith("market_"):
            self.board.doubt(market.ticker)
        self._resting_until[market.ticker] = time.monotonic() + _MARKET_REST


class Taker(Trader):
    """Takes from the book at its own moments: towards the fair value, or at random."""

    def __init__(self, config: BotConfig, board: Board, client: Client) -> None:
        super().__init__(config, board, client)
        options = config.options
        self._habits = TakerHabits(
            size=count_units(options["size"]),
            trades_per_minute=options["trades_per_minute"],
            edge=options.get("edge", 0.0),
            error=options.get("error", 0.0),
        )
        self._choose = takers_choice if config.kind == "taker" else noise_choice
        self._slot = -1

    async def beat(self) -> None:
        slot = slot_at(self._habits, self.board.now())
        if slot == self._slot:
            return
        self._slot = slot
        take = self._choose(self.config.seed, slot, self._habits, self.view())
        if take is not None:
            await self._act(take)

    def view(self) -> dict[str, Touch]:
        """What it sees of the markets it was given."""
        return {
            market.ticker: Touch(
                market.bid,
                market.bid_quantity,
                market.ask,
                market.ask_quantity,
                self.board.fair(market),
                market.activity,
                market.lot,
            )
            for market in self.board.open_markets(self.config)
        }

    async def _act(self, take: Take) -> None:
        try:
            await self.client.place_order(
                ticker=take.ticker,
                side="yes",
                action="buy" if take.buy else "sell",
                count_fp=count_text(take.quantity),
                yes_price_dollars=dollars_text(take.price),
                time_in_force="immediate_or_cancel",
            )
        except ApiError as error:
            if error.code.startswith("market_"):
                self.board.doubt(take.ticker)
            else:
                raise


def _groups(actions: Sequence[Action]) -> list[list[Action]]:
    """Neighbouring places and cancels together, up to a batch; amends alone."""
    groups: list[list[Action]] = []
    for action in actions:
        last = groups[-1] if groups else None
        if (
            last is not None
            and not isinstance(action, Amend)
            and type(last[0]) is type(action)
            and len(last) < _BATCH
        ):
            last.append(action)
        else:
            groups.append([action])
    return groups


def _order_body(market: Market, action: Place) -> dict[str, Any]:
    return {
        "ticker": market.ticker,
        "side": "yes",
        "action": "buy" if action.is_bid else "sell",
        "count_fp": count_text(action.quantity),
        "yes_price_dollars": dollars_text(action.price),
    }


def _position(data: dict[str, Any]) -> int:
    exact = data.get("position_fp")
    return count_units(exact) if exact else int(data.get("position", 0)) * 100
