"""Local order books, rebuilt from a snapshot and the deltas after it.

A sequence number that is not the next one means that something was lost. The books of that
subscription are then stale until a new snapshot arrives; they are never patched by guess.
"""

from typing import Any

from augury.client.stream import Disconnected, Received, Stream, StreamEvent, Subscription
from augury.client.units import count_units, price_units

ONE_DOLLAR = 10_000


class Book:
    """Resting bids of one market, YES and NO, each priced in its own side.

    Prices are ten-thousandths of a dollar, quantities hundredths of a contract.
    """

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}
        self.stale = True
        """True before the first snapshot and after a gap; do not trade on a stale book."""

    @property
    def best_bid(self) -> int:
        """Highest YES bid, 0 when there is none."""
        return max(self.yes, default=0)

    @property
    def best_ask(self) -> int:
        """Lowest price at which YES is offered, one dollar when nothing is."""
        return ONE_DOLLAR - max(self.no, default=0)

    def bids(self) -> list[tuple[int, int]]:
        """(YES price, quantity), best first."""
        return sorted(self.yes.items(), reverse=True)

    def asks(self) -> list[tuple[int, int]]:
        """(YES price, quantity), best first."""
        return sorted((ONE_DOLLAR - price, quantity) for price, quantity in self.no.items())

    def replace(self, message: dict[str, Any]) -> None:
        """Take over the body of an ``orderbook_snapshot``."""
        self.yes = _levels(message, "yes")
        self.no = _levels(message, "no")
        self.stale = False

    def change(self, message: dict[str, Any]) -> None:
        """Apply the body of an ``orderbook_delta``."""
        levels = self.yes if message["side"] == "yes" else self.no
        price = price_units(message["price_dollars"])
        if "delta_fp" in message:
            delta = count_units(message["delta_fp"])
        else:
            delta = int(message["delta"]) * 100
        quantity = levels.get(price, 0) + delta
        if quantity > 0:
            levels[price] = quantity
        else:
            levels.pop(price, None)


def _levels(message: dict[str, Any], side: str) -> dict[int, int]:
    exact = message.get(f"{side}_dollars_fp")
    if exact is not None:
        return {price_units(price): count_units(count) for price, count in exact}
    rows = message.get(f"{side}_dollars") or []
    return {price_units(price): int(count) * 100 for price, count in rows}


class Books:
    """The books of one subscription to ``orderbook_delta``, kept right across losses.

    Hand every event of the stream to ``feed``. After a gap the subscription is renewed, which
    brings fresh snapshots; ``gaps`` counts how often that happened.
    """

    def __init__(self, stream: Stream, tickers: list[str]) -> None:
        self._stream = stream
        self._tickers = tickers
        self._subscription: Subscription | None = None
        self._last_seq: int | None = None
        self.books = {ticker: Book(ticker) for ticker in tickers}
        self.gaps = 0

    async def start(self) -> None:
        self._subscription = await self._stream.subscribe(
            "orderbook_delta", market_tickers=self._tickers
        )

    async def feed(self, event: StreamEvent) -> Book | None:
        """The book that the event changed, or None when it changed none."""
        if isinstance(event, Disconnected):
            self._lose_track()
            return None
        if not isinstance(event, Received) or self._subscription is None:
            return None
        if event.sid is None or event.sid != self._subscription.sids.get("orderbook_delta"):
            return None
        if event.type == "subscribed":
            self._last_seq = None
            return None
        if event.seq is not None:
            if self._last_seq is not None and event.seq != self._last_seq + 1:
                self.gaps += 1
                self._lose_track()
                await self._stream.renew(self._subscription)
                return None
            self._last_seq = event.seq
        book = self.books.get(event.msg.get("market_ticker", ""))
        if book is None:
            return None
        if event.type == "orderbook_snapshot":
            book.replace(event.msg)
        elif event.type == "orderbook_delta" and not book.stale:
            book.change(event.msg)
        return book

    def _lose_track(self) -> None:
        self._last_seq = None
        for book in self.books.values():
            book.stale = True
