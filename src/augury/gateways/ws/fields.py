"""The kinds of fields that messages are made of: their units, their spelling, and what they mean.

Messages declare their fields with these, and ``asyncapi`` reads them from there, so that the
published description cannot differ from what is sent. At run time they are plain ``int`` and
``str``: nothing is checked when a message is encoded.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from msgspec import Meta, UnsetType

T = TypeVar("T")

Maybe: TypeAlias = T | UnsetType
"""A field that may be absent. It is never null: strict clients refuse null."""


def about(text: str) -> Any:
    """What one field of a message means beyond its kind."""
    return Meta(description=text)


def one_of(values: Sequence[str], text: str) -> Any:
    """A text out of a few."""
    return Meta(description=text, extra_json_schema={"enum": list(values)})


# --- names ---------------------------------------------------------------------------------------

MarketTicker = Annotated[str, Meta(description="Ticker of the market.")]
EventTicker = Annotated[str, Meta(description="Ticker of the event that the market belongs to.")]
CollectionTicker = Annotated[str, Meta(description="Ticker of the collection of combos.")]
Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
MarketId = Annotated[Id, Meta(description="The market's id, which never changes.")]
UserId = Annotated[Id, Meta(description="Whose it is: the member that the connection belongs to.")]
Pseudonym = Annotated[
    str, Meta(description="A pseudonym of the communications API; empty while it is not shown.")
]
Side = Annotated[str, one_of(("yes", "no"), "`yes` or `no`.")]
Action = Annotated[str, one_of(("buy", "sell"), "`buy` or `sell`.")]
BookSide = Annotated[
    str, one_of(("bid", "ask"), "Direction in terms of YES: `bid` buys YES or sells NO.")
]
ClientOrderId = Annotated[str, Meta(description="The name that the order was given by its owner.")]
Subaccount = Annotated[
    int, Meta(ge=0, description="Subaccount that it concerns; absent for the primary one, 0.")
]
ExchangeIndex = Annotated[
    int, Meta(ge=0, description="Shard of the exchange. There is one, number 0.")
]

EXCHANGE_INDEX = 0

# --- prices and money ----------------------------------------------------------------------------

Cents = Annotated[int, Meta(ge=0, le=100, description="Whole cents, rounded down.")]
PriceDollars = Annotated[
    str, Meta(pattern=r"^[01]\.[0-9]{4}$", description="Dollars with four decimals.")
]
Dollars = Annotated[
    str,
    Meta(pattern=r"^-?[0-9]+\.[0-9]{4}([0-9]{2})?$", description="Dollars, four or six decimals."),
]
CentiCents = Annotated[int, Meta(description="Ten-thousandths of a dollar, rounded down.")]
HalfDollars = Annotated[
    int, Meta(ge=0, description="Whole dollars, counting half a dollar per contract.")
]

# --- quantities ----------------------------------------------------------------------------------

Count = Annotated[int, Meta(ge=0, description="Whole contracts, rounded down.")]
CountFp = Annotated[
    str, Meta(pattern=r"^[0-9]+\.[0-9]{2}$", description="Contracts with two decimals.")
]
SignedCount = Annotated[int, Meta(description="Whole contracts, rounded towards zero.")]
SignedCountFp = Annotated[
    str, Meta(pattern=r"^-?[0-9]+\.[0-9]{2}$", description="Contracts with two decimals.")
]

# --- times ---------------------------------------------------------------------------------------

Seconds = Annotated[int, Meta(description="Unix time in seconds.")]
Milliseconds = Annotated[int, Meta(description="Unix time in milliseconds.")]
Time = Annotated[
    str, Meta(description="RFC 3339 time in UTC.", extra_json_schema={"format": "date-time"})
]

# --- of the protocol -----------------------------------------------------------------------------

Sid = Annotated[int, Meta(ge=1, description="Number of the subscription on this connection.")]
Seq = Annotated[
    int,
    Meta(
        ge=1, description="Counts the messages of the subscription from 1. A gap would be a loss."
    ),
]
CommandId = Annotated[
    int, Meta(description="Chosen by the client and repeated in the reply; 0 counts as none.")
]
