"""A small asynchronous client of the trading API: signed REST calls, a socket that stays up,
and a local order book.

It knows nothing of the server's inside: it works against any exchange that speaks the API. The
demo bots, the command line and the tests use it.

    from augury.client import Client, Signer

    signer = Signer.from_file("8f4d...", "key.pem")
    async with Client("http://127.0.0.1:8080", signer) as client:
        order = await client.place_order(
            ticker="KXRAIN-1", action="buy", side="yes", count=5, yes_price_dollars="0.4200"
        )
"""

from augury.client.book import Book, Books
from augury.client.rest import ApiError, Client, ConnectionFailed
from augury.client.signing import KeyPair, Signer, generate_key_pair
from augury.client.stream import (
    Connected,
    Disconnected,
    Received,
    Stream,
    StreamEvent,
    StreamRefused,
    Subscription,
)
from augury.client.units import count_text, count_units, dollars_text, price_units

__all__ = [
    "ApiError",
    "Book",
    "Books",
    "Client",
    "Connected",
    "ConnectionFailed",
    "Disconnected",
    "KeyPair",
    "Received",
    "Signer",
    "Stream",
    "StreamEvent",
    "StreamRefused",
    "Subscription",
    "count_text",
    "count_units",
    "dollars_text",
    "generate_key_pair",
    "price_units",
]
