"""What a stream has said so far: the books, the newest tickers, and who is subscribed to what.

A fold over received messages, used when a recording is written (each file begins with the state,
so that it can be read without the files before it), read (the book at a moment) and played back
(a client that connects in the middle). It believes only what was received: after a gap a book is
stale until its next snapshot.
"""

from typing import Any, Final, NamedTuple

import msgspec

from augury.client.book import Book
from augury.client.units import count_text, dollars_text

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode

_MALFORMED: Final = (KeyError, ValueError, TypeError, AttributeError)


class Seen(NamedTuple):
    """One received message as far as it could be understood."""

    type: str = ""
    sid: int | None = None
    seq: int | None = None
    channel: str = ""
    """Empty for replies, and for a sid that no ``subscribed`` has announced."""
    market: str = ""
    msg: dict[str, Any] = {}
    expected_seq: int | None = None
    """The ``seq`` that should have come; None when nothing is missing."""


class FeedState:
    """Feed it every message of one recorder, in order."""

    def __init__(self) -> None:
        self.connection = 0
        self.channels: dict[int, str] = {}
        self.seqs: dict[int, int] = {}
        self.books: dict[str, Book] = {}
        self.market_ids: dict[str, str] = {}
        self.tickers: dict[str, bytes] = {}
        """The newest ``ticker`` message of each market, as it was received."""

    def opened(self, connection: int) -> None:
        """A new connection: nothing is subscribed, and what came in between was missed."""
        self.connection = connection
        self.closed()

    def closed(self) -> None:
        """The connection is gone. What is known of books is from now on of the past."""
        self.channels.clear()
        self.seqs.clear()
        self._make_stale()

    def lost(self, sid: int) -> None:
        """Messages of a subscription are missing."""
        if self.channels.get(sid) == "orderbook_delta":
            self._make_stale()

    def apply(self, data: bytes) -> Seen:
        """Take in one message. What cannot be understood changes nothing."""
        try:
            raw = _decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return Seen()
        if not isinstance(raw, dict):
            return Seen()
        kind = str(raw.get("type", ""))
        msg = raw.get("msg")
        if not isinstance(msg, dict):
            msg = {}
        if kind == "subscribed":
            sid = msg.get("sid")
            if isinstance(sid, int):
                self.channels[sid] = str(msg.get("channel", ""))
                self.seqs.pop(sid, None)
            return Seen(kind, sid if isinstance(sid, int) else None, msg=msg)
        sid, seq = raw.get("sid"), raw.get("seq")
        if not isinstance(sid, int):
            return Seen(kind, msg=msg)
        seq = seq if isinstance(seq, int) else None
        expected = self._expected(sid, seq)
        if kind == "unsubscribed":
            self._unsubscribed(sid)
            return Seen(kind, sid, seq, msg=msg)
        channel = self.channels.get(sid, "")
        market = str(msg.get("market_ticker") or msg.get("ticker") or "")
        self._change(kind, channel, market, msg, data)
        return Seen(kind, sid, seq, channel, market, msg, expected)

    def _expected(self, sid: int, seq: int | None) -> int | None:
        """What was expected instead of ``seq``, after which the subscription is in doubt."""
        if seq is None:
            return None
        last = self.seqs.get(sid)
        self.seqs[sid] = seq
        if last is None or seq == last + 1:
            return None
        self.lost(sid)
        return last + 1

    def _unsubscribed(self, sid: int) -> None:
        self.lost(sid)
        self.channels.pop(sid, None)
        self.seqs.pop(sid, None)

    def _change(
        self, kind: str, channel: str, market: str, msg: dict[str, Any], data: bytes
    ) -> None:
        if market and isinstance(msg.get("market_id"), str):
            self.market_ids[market] = msg["market_id"]
        if kind == "ticker" and market:
            self.tickers[market] = data
        elif kind == "market_lifecycle_v2" and msg.get("event_type") == "settled":
            # Nothing more comes; a recorder that runs for months must not keep every market.
            self.books.pop(market, None)
            self.tickers.pop(market, None)
        elif channel == "orderbook_delta" and market:
            book = self.books.get(market)
            if book is None:
                book = self.books[market] = Book(market)
            try:
                if kind == "orderbook_snapshot":
                    book.replace(msg)
                elif kind == "orderbook_delta" and not book.stale:
                    book.change(msg)
            except _MALFORMED:
                book.stale = True

    def _make_stale(self) -> None:
        for book in self.books.values():
            book.stale = True

    # --- as a note in a recording ------------------------------------------------------------

    def to_json(self) -> bytes:
        """The state as one JSON object (docs/recordings.md)."""
        return _encode(
            {
                "connection": self.connection,
                "channels": [
                    {"sid": sid, "channel": channel, "seq": self.seqs.get(sid)}
                    for sid, channel in self.channels.items()
                ],
                "books": [
                    {
                        "market_ticker": book.ticker,
                        "stale": book.stale,
                        "yes_dollars_fp": _levels(book.yes),
                        "no_dollars_fp": _levels(book.no),
                    }
                    for book in self.books.values()
                ],
                "market_ids": self.market_ids,
                "tickers": [msgspec.Raw(data) for data in self.tickers.values()],
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> "FeedState":
        """The state that ``to_json`` wrote. Raises ``ValueError``."""
        state = cls()
        try:
            raw = _decode(data)
            state.connection = int(raw["connection"])
            for item in raw["channels"]:
                state.channels[item["sid"]] = item["channel"]
                if item["seq"] is not None:
                    state.seqs[item["sid"]] = item["seq"]
            for item in raw["books"]:
                book = state.books[item["market_ticker"]] = Book(item["market_ticker"])
                book.replace(item)
                book.stale = item["stale"]
            state.market_ids.update(raw["market_ids"])
            for item in msgspec.json.decode(data, type=_Tickers).tickers:
                message = bytes(item)
                state.tickers[_decode(message)["msg"]["market_ticker"]] = message
        except (*_MALFORMED, msgspec.MsgspecError) as error:
            raise ValueError(f"the state at its beginning cannot be read ({error})") from None
        return state


class _Tickers(msgspec.Struct):
    tickers: list[msgspec.Raw]


def _levels(levels: dict[int, int]) -> list[tuple[str, str]]:
    return [(dollars_text(price), count_text(count)) for price, count in sorted(levels.items())]
