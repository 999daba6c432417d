"""The client's own parts: signatures, numbers, and books that never lie about being complete."""

import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from augury.client import (
    ApiError,
    Book,
    Books,
    Client,
    ConnectionFailed,
    Disconnected,
    Received,
    Signer,
    Stream,
    count_text,
    count_units,
    dollars_text,
    generate_key_pair,
    price_units,
)

# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, units", [("0.4150", 4150), ("1.0000", 10_000), ("0.5", 5000), ("0", 0), ("1e-2", 100)]
)
def test_prices_are_whole_numbers(text, units):
    assert price_units(text) == units
    assert price_units(dollars_text(units)) == units


@pytest.mark.parametrize("text, units", [("25.00", 2500), ("0.01", 1), ("-3.50", -350), ("7", 700)])
def test_counts_are_whole_numbers(text, units):
    assert count_units(text) == units
    assert count_units(count_text(units)) == units


@pytest.mark.parametrize("text", ["", "abc", "0.41505", "nan", "inf"])
def test_what_is_no_price_is_refused(text):
    with pytest.raises(ValueError, match=r"not a number|decimals"):
        price_units(text)


# --- signatures ----------------------------------------------------------------------------------


def test_a_signature_covers_time_method_and_path_without_the_query():
    pair = generate_key_pair()
    headers = Signer("key-1", pair.private_pem).headers("get", "/trade-api/v2/x?limit=5", 1234)
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    key: Any = load_pem_public_key(pair.public_pem.encode())
    key.verify(
        base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]),
        b"1234GET/trade-api/v2/x",
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )


def test_another_kind_of_key_is_refused():
    with pytest.raises(ValueError, match=r"."):
        Signer("k", "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")


# --- requests ------------------------------------------------------------------------------------


def answering(handler: Any) -> Client:
    return Client("http://exchange.test", transport=httpx.MockTransport(handler))


async def test_lists_are_read_page_by_page():
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.query, "ascii"))
        cursor = request.url.params.get("cursor")
        following = {None: "b", "b": "c", "c": ""}[cursor]
        return httpx.Response(200, json={"markets": [{"ticker": cursor}], "cursor": following})

    async with answering(handler) as client:
        tickers = [
            market["ticker"] async for market in client.markets(status="open", tickers=["A", "B"])
        ]
    assert tickers == [None, "b", "c"]
    assert asked[0] == "status=open&tickers=A%2CB"


@pytest.mark.parametrize(
    "body, code, message",
    [
        ({"code": "not_found", "message": "no such order"}, "not_found", "no such order"),
        ({"error": {"code": "x", "message": "nested"}}, "x", "nested"),
        ({"error": "too many requests"}, "Bad Request", "too many requests"),
        ("plain text", "Bad Request", '"plain text"'),
    ],
)
async def test_refusals_of_every_shape_become_one_error(body, code, message):
    async with answering(lambda request: httpx.Response(400, json=body)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/portfolio/balance")
    assert (caught.value.status, caught.value.code, caught.value.message) == (400, code, message)


async def test_no_answer_is_not_a_refusal():
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    async with answering(handler) as client:
        with pytest.raises(ConnectionFailed, match="nobody there"):
            await client.get("/exchange/status")


# --- books ---------------------------------------------------------------------------------------


def snapshot(ticker: str, yes: list[list[str]], no: list[list[str]]) -> dict[str, Any]:
    return {"market_ticker": ticker, "yes_dollars_fp": yes, "no_dollars_fp": no}


def delta(ticker: str, side: str, price: str, change: str) -> dict[str, Any]:
    return {"market_ticker": ticker, "side": side, "price_dollars": price, "delta_fp": change}


def test_a_book_is_a_snapshot_and_what_came_after():
    book = Book("A")
    assert book.stale
    book.replace(snapshot("A", [["0.4000", "25.00"]], [["0.5500", "7.50"]]))
    book.change(delta("A", "yes", "0.4100", "3.00"))
    book.change(delta("A", "no", "0.5500", "-7.50"))
    book.change(delta("A", "no", "0.5400", "1.00"))
    assert book.bids() == [(4100, 300), (4000, 2500)]
    assert book.asks() == [(4600, 100)]
    assert (book.best_bid, book.best_ask) == (4100, 4600)


def test_an_empty_side_has_the_prices_that_nobody_trades_at():
    book = Book("A")
    book.replace({"market_ticker": "A"})
    assert (book.best_bid, book.best_ask) == (0, 10_000)


class Socketless(Stream):
    """A stream that notes what it would send."""

    def __init__(self) -> None:
        super().__init__("ws://exchange.test")
        self.sent: list[tuple[str, dict[str, Any] | None]] = []

    async def send(self, command: str, params: dict[str, Any] | None = None) -> int:
        self.sent.append((command, params))
        return len(self.sent)


def received(kind: str, seq: int | None, msg: dict[str, Any], sid: int = 1) -> Received:
    return Received(kind, sid, seq, msg, {})


async def test_a_gap_makes_books_stale_until_a_new_snapshot():
    stream = Socketless()
    books = Books(stream, ["A"])
    await books.start()
    subscription = stream._subscriptions[0]
    subscription.sids["orderbook_delta"] = 1
    await books.feed(received("subscribed", None, {}))
    await books.feed(received("orderbook_snapshot", 1, snapshot("A", [["0.4000", "5.00"]], [])))
    await books.feed(received("orderbook_delta", 2, delta("A", "yes", "0.4000", "1.00")))
    assert books.books["A"].yes == {4000: 600}
    assert not books.books["A"].stale

    await books.feed(received("orderbook_delta", 4, delta("A", "yes", "0.4000", "1.00")))
    assert books.gaps == 1
    assert books.books["A"].stale
    assert [command for command, _ in stream.sent] == ["subscribe", "unsubscribe", "subscribe"]

    # What still arrives under the old number must not touch the book.
    await books.feed(received("orderbook_delta", 5, delta("A", "yes", "0.4000", "1.00")))
    subscription.sids["orderbook_delta"] = 2
    await books.feed(received("subscribed", None, {}, sid=2))
    await books.feed(
        received("orderbook_snapshot", 1, snapshot("A", [["0.4000", "7.00"]], []), sid=2)
    )
    assert books.books["A"].yes == {4000: 700}
    assert not books.books["A"].stale


async def test_a_lost_connection_makes_books_stale():
    stream = Socketless()
    books = Books(stream, ["A"])
    await books.start()
    stream._subscriptions[0].sids["orderbook_delta"] = 1
    await books.feed(received("orderbook_snapshot", 1, snapshot("A", [["0.4000", "5.00"]], [])))
    await books.feed(Disconnected("gone"))
    assert books.books["A"].stale


def test_frames_are_read_as_the_exchange_writes_them():
    stream = Stream("https://exchange.test/trade-api/v2")
    assert stream._url == "wss://exchange.test/trade-api/ws/v2"
    frame = {"type": "fill", "sid": 3, "msg": {"trade_id": "t"}}
    text = json.dumps(frame)
    event = stream._read(text)
    assert event == Received("fill", 3, None, {"trade_id": "t"}, frame, text.encode())
