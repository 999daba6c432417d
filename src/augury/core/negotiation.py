"""What members negotiate before it trades: requests for quotes, quotes, block trades.

Part of the state, like everything in ``state``; the rules are in ``communications`` and
``block_trades``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augury.core.state import Account, Market


class Rfq:
    """An open request for quotes."""

    __slots__ = (
        "account",
        "client_rfq_id",
        "created_ns",
        "expires_ns",
        "id",
        "market",
        "origin",
        "quantity",
        "quotes",
        "rest_remainder",
        "target_cost",
    )

    def __init__(
        self,
        id: int,
        account: "Account",
        market: "Market",
        quantity: int,
        target_cost: int,
        rest_remainder: bool,
        created_ns: int,
    ) -> None:
        self.id = id
        self.account = account
        self.market = market
        self.quantity = quantity
        self.target_cost = target_cost
        self.rest_remainder = rest_remainder
        self.created_ns = created_ns
        self.expires_ns = 0
        self.client_rfq_id = ""
        self.origin = ""
        """The session that asked; empty for most gateways."""
        self.quotes: dict[int, Quote] = {}


class Quote:
    """A maker's answer to a request, until it is executed or cancelled."""

    __slots__ = (
        "accepted_ns",
        "accepted_quantity",
        "accepted_side",
        "account",
        "client_quote_id",
        "confirmed_ns",
        "created_ns",
        "due_ns",
        "executed_ns",
        "id",
        "maker_client_order_id",
        "maker_order_id",
        "no_bid",
        "origin",
        "post_only",
        "rest_remainder",
        "rfq",
        "rfq_client_order_id",
        "rfq_order_id",
        "rfq_order_origin",
        "status",
        "yes_bid",
    )

    def __init__(
        self,
        id: int,
        rfq: Rfq,
        account: "Account",
        yes_bid: int,
        no_bid: int,
        rest_remainder: bool,
        post_only: bool,
        created_ns: int,
    ) -> None:
        self.id = id
        self.rfq = rfq
        self.account = account
        self.yes_bid = yes_bid
        self.no_bid = no_bid
        self.rest_remainder = rest_remainder
        self.post_only = post_only
        self.created_ns = created_ns
        self.status = "open"
        self.due_ns = 0
        """When the confirmation window ends, or the execution timer."""
        self.accepted_side = ""
        self.accepted_quantity = 0
        self.accepted_ns = 0
        self.confirmed_ns = 0
        self.executed_ns = 0
        self.maker_order_id = 0
        self.maker_client_order_id = ""
        self.rfq_order_id = 0
        self.client_quote_id = ""
        self.origin = ""
        """The session that answered; empty for most gateways."""
        self.rfq_client_order_id = ""
        self.rfq_order_origin = ""
        """The session that accepted, and the name that it gave the order to come."""


class BlockProposal:
    """A trade that two members may agree on. Kept for a while after it has ended.

    The market is named, not held, because a provisional one may disappear before that.
    """

    __slots__ = (
        "buyer",
        "buyer_accepted_ns",
        "buyer_order_id",
        "created_ns",
        "due_ns",
        "executed_ns",
        "expiration_ns",
        "id",
        "maker_side",
        "market_ticker",
        "price",
        "proposer_id",
        "quantity",
        "seller",
        "seller_accepted_ns",
        "seller_order_id",
        "status",
        "updated_ns",
    )

    def __init__(
        self,
        id: int,
        proposer_id: int,
        buyer: "Account",
        seller: "Account",
        market_ticker: str,
        price: int,
        quantity: int,
        maker_side: str,
        expiration_ns: int,
        created_ns: int,
    ) -> None:
        self.id = id
        self.proposer_id = proposer_id
        self.buyer = buyer
        self.seller = seller
        self.market_ticker = market_ticker
        self.price = price
        self.quantity = quantity
        self.maker_side = maker_side
        self.expiration_ns = expiration_ns
        self.created_ns = created_ns
        self.updated_ns = created_ns
        self.due_ns = expiration_ns
        """When it expires, or when it is forgotten."""
        self.status = "pending"
        self.buyer_accepted_ns = 0
        self.seller_accepted_ns = 0
        self.executed_ns = 0
        self.buyer_order_id = 0
        self.seller_order_id = 0
