"""The ``msg`` objects of the ``orderbook_delta`` channel (websocket.md, section 4).

Both sides are bids: a resting ask at the YES price p shows as a NO bid at $1 - p, or at p where
a subscription asked for ``use_yes_price``. Levels ascend by price.

The integer twins stand for whole contracts. Each level is rounded down before equal cents are
merged, and an integer delta is the difference of rounded totals, so a client that adds integer
deltas to an integer snapshot arrives at the next integer snapshot.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from augury.codec.text import (
    count_floor,
    count_fp,
    milliseconds,
    price_cents,
    price_dollars,
    rfc3339,
)
from augury.core.events import LevelChanged
from augury.core.state import Market
from augury.core.units import BID, PRICE_ONE
from augury.gateways.ws.fields import (
    Cents,
    ClientOrderId,
    Count,
    CountFp,
    MarketId,
    MarketTicker,
    Maybe,
    Milliseconds,
    PriceDollars,
    Side,
    SignedCount,
    SignedCountFp,
    Subaccount,
    Time,
    about,
)

_encode: Final = msgspec.json.Encoder().encode


class Snapshot(msgspec.Struct):
    """A whole book. Levels ascend by price; the keys of a side without orders are absent.

    Both sides are bids: an offer to sell YES at 0.47 is a NO bid at 0.53, or is shown at 0.47 when
    the subscription asked for `use_yes_price`.
    """

    market_ticker: MarketTicker
    market_id: MarketId
    yes: Maybe[Annotated[list[tuple[Cents, Count]], about("YES bids: cents, contracts.")]] = UNSET
    yes_dollars: Maybe[
        Annotated[list[tuple[PriceDollars, Count]], about("YES bids: dollars, whole contracts.")]
    ] = UNSET
    yes_dollars_fp: Maybe[
        Annotated[list[tuple[PriceDollars, CountFp]], about("YES bids: dollars, contracts. Exact.")]
    ] = UNSET
    no: Maybe[Annotated[list[tuple[Cents, Count]], about("NO bids: cents, contracts.")]] = UNSET
    no_dollars: Maybe[
        Annotated[list[tuple[PriceDollars, Count]], about("NO bids: dollars, whole contracts.")]
    ] = UNSET
    no_dollars_fp: Maybe[
        Annotated[list[tuple[PriceDollars, CountFp]], about("NO bids: dollars, contracts. Exact.")]
    ] = UNSET


def snapshot(market: Market, market_id: str, use_yes_price: bool) -> bytes:
    """The whole book of a market; the keys of an empty side are absent."""
    bids, asks = market.bids.depth(), market.asks.depth()
    return snapshot_of(market.ticker, market_id, bids, asks, use_yes_price)


def snapshot_of(
    ticker: str,
    market_id: str,
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    use_yes_price: bool,
) -> bytes:
    """The same for a book that is given as (YES price, quantity), ascending by price."""
    if not use_yes_price:
        asks = [(PRICE_ONE - price, quantity) for price, quantity in reversed(asks)]
    return _encode(
        Snapshot(
            ticker,
            market_id,
            _cents(bids),
            _dollars(bids),
            _fixed_point(bids),
            _cents(asks),
            _dollars(asks),
            _fixed_point(asks),
        )
    )


def _cents(levels: list[tuple[int, int]]) -> list[tuple[int, int]] | UnsetType:
    merged: dict[int, int] = {}
    for price, quantity in levels:
        whole = count_floor(quantity)
        if whole:
            cents = price_cents(price)
            merged[cents] = merged.get(cents, 0) + whole
    return list(merged.items()) or UNSET


def _dollars(levels: list[tuple[int, int]]) -> list[tuple[str, int]] | UnsetType:
    found = [
        (price_dollars(price), whole)
        for price, quantity in levels
        if (whole := count_floor(quantity))
    ]
    return found or UNSET


def _fixed_point(levels: list[tuple[int, int]]) -> list[tuple[str, str]] | UnsetType:
    found = [(price_dollars(price), count_fp(quantity)) for price, quantity in levels]
    return found or UNSET


class Delta(msgspec.Struct):
    """The resting total of one price level has changed; added to the book it gives the new one."""

    market_ticker: MarketTicker
    market_id: MarketId
    price: Annotated[Cents, about("The level in cents.")]
    price_dollars: Annotated[PriceDollars, about("The level, in the price of its side.")]
    delta: Annotated[SignedCount, about("Change of the rounded total; may be 0.")]
    delta_fp: Annotated[SignedCountFp, about("Change of the total, never 0.")]
    side: Annotated[Side, about("Side of the book.")]
    ts: Time
    ts_ms: Milliseconds
    client_order_id: Maybe[
        Annotated[ClientOrderId, about("Only when an own order caused the change.")]
    ] = UNSET
    subaccount: Maybe[
        Annotated[Subaccount, about("Only when an own order in a subaccount caused it.")]
    ] = UNSET


def delta(event: LevelChanged, market_id: str, time_ns: int, use_yes_price: bool) -> bytes:
    """One level's change, without what only its owners may see."""
    is_bid = event.direction == BID
    price = event.price if is_bid or use_yes_price else PRICE_ONE - event.price
    return _encode(
        Delta(
            event.market_ticker,
            market_id,
            price_cents(price),
            price_dollars(price),
            count_floor(event.quantity) - count_floor(event.quantity - event.delta),
            count_fp(event.delta),
            "yes" if is_bid else "no",
            rfc3339(time_ns),
            milliseconds(time_ns),
        )
    )


def with_owner(message: bytes, subaccount: int, client_order_id: str) -> bytes:
    """The same delta as the owner of an order that caused it sees it."""
    own: dict[str, Any] = {}
    if client_order_id:
        own["client_order_id"] = client_order_id
    if subaccount:
        own["subaccount"] = subaccount
    return message[:-1] + b"," + _encode(own)[1:] if own else message
