"""What the bots see: the exchange's markets, their best prices, and what they are worth.

One board serves all bots of a process. It reads lists by REST, then follows the public channels;
it knows the truth behind the markets from the outlook that the world gave it.
"""

import fnmatch
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from augury.app.bots.config import BotConfig
from augury.app.bots.grid import ONE_DOLLAR, Grid
from augury.app.world.fair_value import MarketFacts, fair_prices
from augury.app.world.model import ACTIVITIES
from augury.app.world.outlook import EventOutlook, Outlook
from augury.client import ApiError, Client, Received
from augury.client.units import count_units, price_units

log = logging.getLogger("augury.bots")

_REFRESH_SECONDS: Final = 60.0
_FAIR_SECONDS: Final = 0.5
"""How long a computed fair value is good for."""


class Market:
    """One market as the bots know it. Times are seconds since the epoch."""

    __slots__ = (
        "activity",
        "ask",
        "ask_quantity",
        "bid",
        "bid_quantity",
        "event_ticker",
        "facts",
        "grid",
        "legs",
        "lot",
        "paused",
        "series_ticker",
        "ticker",
    )

    def __init__(self, facts: MarketFacts, event_ticker: str, series_ticker: str) -> None:
        self.ticker = facts.ticker
        self.facts = facts
        self.event_ticker = event_ticker
        self.series_ticker = series_ticker
        self.grid = Grid(())
        self.legs: list[tuple[str, str, float | None]] = []
        """Of a combo: market, side, and what YES pays there once that is known."""
        self.lot = 100
        self.activity = "normal"
        self.paused = False
        self.bid = 0
        self.bid_quantity = 0
        self.ask = ONE_DOLLAR
        self.ask_quantity = 0

    def is_open(self, now: float) -> bool:
        return not self.paused and self.facts.open_time <= now < self.facts.close_time


class Board:
    """Keeps the markets; ``refresh`` and ``feed`` bring news, everything else reads."""

    def __init__(self, client: Client, outlook: Outlook, *, virtual_clock: bool = False) -> None:
        self._client = client
        self._outlook = outlook
        self._virtual_clock = virtual_clock
        self._virtual_now = 0.0
        self._events: dict[str, tuple[str, EventOutlook]] = {}
        self._by_event: dict[str, list[Market]] = {}
        self._fair: dict[str, tuple[float, dict[str, float]]] = {}
        self._news: set[str] = set()
        self._refreshed = float("-inf")
        self.markets: dict[str, Market] = {}

    # --- time ---------------------------------------------------------------------------------

    def now(self) -> float:
        """Exchange time in seconds."""
        return self._virtual_now if self._virtual_clock else time.time()

    async def read_clock(self) -> None:
        """With a virtual clock only the exchange knows what time it is."""
        if self._virtual_clock:
            self._virtual_now = parse_seconds(await self._client.exchange_time())

    # --- news ---------------------------------------------------------------------------------

    async def refresh(self, *, force: bool = False) -> None:
        """Read what has changed; everything, when the last time was long ago.

        Raises ``ApiError`` or ``ConnectionFailed``.
        """
        await self.read_clock()
        now = time.monotonic()
        if force or now - self._refreshed >= _REFRESH_SECONDS:
            # One list answers for all events; those it lacks are asked for one by one.
            async for event in self._client.events(status="open", limit=200):
                self._know(event)
            seen: set[str] = set()
            for status in ("open", "unopened"):
                async for data in self._client.markets(status=status, limit=1000):
                    seen.add(data["ticker"])
                    await self._take(data)
            for ticker in set(self.markets) - seen:
                self._forget(ticker)
            self._news.clear()
            self._refreshed = now
            return
        while self._news:
            ticker = self._news.pop()
            try:
                await self._take(await self._client.market(ticker))
            except ApiError as error:
                if error.status != 404:
                    raise

    def expire(self) -> None:
        """Something may have been missed: the next refresh reads everything."""
        self._refreshed = float("-inf")

    def feed(self, message: Received) -> None:
        """Take over one message of the public channels."""
        ticker = str(message.msg.get("market_ticker", ""))
        market = self.markets.get(ticker)
        if message.type == "ticker" and market is not None:
            _quote(market, message.msg)
        elif message.type == "market_lifecycle_v2":
            kind = message.msg.get("event_type")
            if kind in {"created", "close_date_updated", "activated"}:
                self._news.add(ticker)
            elif kind == "deactivated" and market is not None:
                market.paused = True
            elif kind in {"determined", "settled"}:
                self._forget(ticker)

    def doubt(self, ticker: str) -> None:
        """The exchange says that a market is not what it seems: look again."""
        market = self.markets.get(ticker)
        if market is not None:
            market.paused = True
            self._news.add(ticker)

    async def _take(self, data: dict[str, Any]) -> None:
        ticker, event_ticker = data["ticker"], data["event_ticker"]
        if data["status"] not in {"initialized", "active", "inactive"}:
            self._forget(ticker)
            return
        if event_ticker not in self._events:
            self._know(await self._client.event(event_ticker))
        series_ticker, truth = self._events[event_ticker]
        facts = truth.facts(event_ticker, market_facts(data))
        market = self.markets.get(ticker)
        if market is None:
            market = Market(facts, event_ticker, series_ticker)
            self.markets[ticker] = market
            self._by_event.setdefault(event_ticker, []).append(market)
        # Where a market without a known truth was first seen stays the middle of its moves;
        # else the bots would run after their own prices.
        market.facts = facts._replace(start_price=market.facts.start_price)
        market.legs = _legs(data)
        market.grid = Grid.from_api(data.get("price_ranges"))
        market.lot = 1 if data.get("fractional_trading_enabled") else 100
        market.activity = truth.activity(event_ticker, ticker)
        market.paused = data["status"] == "inactive"
        _quote(market, data)

    def _know(self, event: dict[str, Any]) -> None:
        ticker, series_ticker = event["event_ticker"], event["series_ticker"]
        if ticker not in self._events:
            exclusive = bool(event["mutually_exclusive"])
            truth = self._outlook.of(ticker, series_ticker, exclusive)
            self._events[ticker] = (series_ticker, truth)

    def _forget(self, ticker: str) -> None:
        market = self.markets.pop(ticker, None)
        if market is None:
            return
        others = self._by_event[market.event_ticker]
        others.remove(market)
        if not others:
            del self._by_event[market.event_ticker]
            self._fair.pop(market.event_ticker, None)
            self._events.pop(market.event_ticker, None)

    # --- reading ------------------------------------------------------------------------------

    def fair(self, market: Market) -> float:
        """What YES is worth now, in dollars. A combo is worth what its legs make together."""
        if market.legs:
            return self._fair_of_legs(market)
        now = self.now()
        known = self._fair.get(market.event_ticker)
        if known is None or not 0 <= now - known[0] < _FAIR_SECONDS:
            _, truth = self._events[market.event_ticker]
            facts = [other.facts for other in self._by_event[market.event_ticker]]
            known = (now, fair_prices(truth.fair_value, facts, now))
            self._fair[market.event_ticker] = known
        return known[1].get(market.ticker, 0.5)

    def _fair_of_legs(self, combo: Market) -> float:
        worth = 1.0
        for ticker, side, value in combo.legs:
            leg = self.markets.get(ticker)
            if value is None:
                value = 0.5 if leg is None else self.fair(leg)
            worth *= value if side == "yes" else 1.0 - value
        return worth

    def open_markets(self, bot: BotConfig) -> list[Market]:
        """The markets a bot trades in and that are open now, busy ones first."""
        now = self.now()
        found = [
            market
            for market in self.markets.values()
            if market.activity != "none" and market.is_open(now) and chosen(bot, market)
        ]
        return sorted(found, key=lambda market: (ACTIVITIES.index(market.activity), market.ticker))


def chosen(bot: BotConfig, market: Market) -> bool:
    """Whether a bot trades in a market: patterns match its ticker, event's or series'."""
    names = (market.ticker, market.event_ticker, market.series_ticker)
    return _matches(bot.include, names) and not _matches(bot.exclude, names)


def _matches(patterns: Iterable[str], names: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def market_facts(data: dict[str, Any]) -> MarketFacts:
    """What the truth needs to know, from a market of the public API."""
    price = count_price(data.get("last_price_dollars"))
    if not price:
        bid = count_price(data.get("yes_bid_dollars"))
        ask = count_price(data.get("yes_ask_dollars")) or ONE_DOLLAR
        price = (bid + ask) // 2
    return MarketFacts(
        ticker=data["ticker"],
        open_time=parse_seconds(data["open_time"]),
        close_time=parse_seconds(data["close_time"]),
        market_type=data.get("market_type", "binary"),
        strike_type=data.get("strike_type") or "",
        floor=data.get("floor_strike"),
        cap=data.get("cap_strike"),
        start_price=min(max(price / ONE_DOLLAR, 0.05), 0.95),
    )


def _legs(data: dict[str, Any]) -> list[tuple[str, str, float | None]]:
    found = []
    for leg in data.get("mve_selected_legs") or []:
        value = leg.get("yes_settlement_value_dollars")
        found.append((leg["market_ticker"], leg["side"], float(value) if value else None))
    return found


def parse_seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def count_price(text: str | None) -> int:
    return price_units(text) if text else 0


def _quote(market: Market, data: dict[str, Any]) -> None:
    market.bid = count_price(data.get("yes_bid_dollars"))
    market.ask = count_price(data.get("yes_ask_dollars")) or ONE_DOLLAR
    bid_quantity, ask_quantity = data.get("yes_bid_size_fp"), data.get("yes_ask_size_fp")
    market.bid_quantity = count_units(bid_quantity) if bid_quantity else 0
    market.ask_quantity = count_units(ask_quantity) if ask_quantity else 0
