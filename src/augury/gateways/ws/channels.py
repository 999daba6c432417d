"""The channels that can be subscribed to (websocket.md, section 3). Owns the table of them."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Channel:
    """What the command protocol needs to know of a channel."""

    name: str
    private: bool = False
    """Only for authenticated connections."""
    own: bool = False
    """Messages are about one member and go to nobody else."""
    markets: Literal["required", "optional", "ignored"] = "optional"
    """Whether a subscription is limited to the markets it names."""
    by_id: bool = False
    """Whether markets may be named by ``market_id`` as well."""
    sequenced: bool = False
    """Whether messages, and replies about the subscription, carry ``seq``."""
    snapshots: bool = False
    """Whether there is a message that shows the present of one market."""
    sharded: bool = False
    """Whether a subscription may ask for the messages of a share of all markets."""
    changeable: bool = True
    """Whether the markets of a subscription can be changed with ``update_subscription``."""

    @property
    def actions(self) -> tuple[str, ...]:
        """What ``update_subscription`` can do."""
        if self.markets == "ignored" or not self.changeable:
            return ()
        changes = ("add_markets", "delete_markets")
        return (*changes, "get_snapshot") if self.snapshots else changes


ORDERBOOK_DELTA: Final = Channel(
    "orderbook_delta", private=True, markets="required", sequenced=True, snapshots=True
)
TICKER: Final = Channel("ticker", by_id=True, snapshots=True)
TICKER_V2: Final = Channel("ticker_v2", by_id=True, snapshots=True)
TRADE: Final = Channel("trade")
FILL: Final = Channel("fill", private=True, own=True)
USER_ORDERS: Final = Channel("user_orders", private=True, own=True)
MARKET_POSITIONS: Final = Channel("market_positions", private=True, own=True)
ORDER_GROUP_UPDATES: Final = Channel(
    "order_group_updates", private=True, own=True, markets="ignored", sequenced=True
)
COMMUNICATIONS: Final = Channel("communications", private=True, markets="ignored", sharded=True)
MARKET_LIFECYCLE: Final = Channel("market_lifecycle_v2", markets="ignored")
MULTIVARIATE: Final = Channel("multivariate", changeable=False)
MULTIVARIATE_LIFECYCLE: Final = Channel("multivariate_market_lifecycle", markets="ignored")

CHANNELS: Final[dict[str, Channel]] = {
    channel.name: channel
    for channel in (
        ORDERBOOK_DELTA,
        TICKER,
        TICKER_V2,
        TRADE,
        FILL,
        USER_ORDERS,
        MARKET_POSITIONS,
        ORDER_GROUP_UPDATES,
        COMMUNICATIONS,
        MARKET_LIFECYCLE,
        MULTIVARIATE,
        MULTIVARIATE_LIFECYCLE,
    )
}
