"""What all gateways say alike about requests for quotes: pseudonyms and names of orders.

The parties of a quote know each other by a communications id only, which says nothing about the
member behind it and stays the same for good.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from augury.codec.ids import format_id
from augury.core import rejections

INSUFFICIENT_BALANCE: Final = "INSUFFICIENT_BALANCE"
"""What lack of money is called in everything about quotes (rules, section 11)."""


@lru_cache(maxsize=65_536)
def communications_id(member_id: int) -> str:
    """The pseudonym of a member."""
    return format_id("communications", member_id)


def maker_client_order_id(quote_id: int) -> str:
    """The name of the order by which a maker's quote enters the book, 51 characters.

    Known before the order is there; the eight digits are a hash of the quote's id.
    """
    public_id = format_id("quote", quote_id)
    return f"quote:{blake2b(public_id.encode(), digest_size=4).hexdigest()}:{public_id}"


def cancellation_reason(reason: str) -> str:
    """Why a request or a quote ended, as clients are told."""
    return INSUFFICIENT_BALANCE if reason == rejections.AVAILABLE_BALANCE_TOO_LOW else reason
