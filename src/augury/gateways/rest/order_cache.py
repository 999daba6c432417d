"""What is kept of the answers about members' orders: rows of open orders, and whole pages.

Whoever polls a list of orders mostly finds it as it was, and then costs one look-up. Everything
here is bytes that were true when they were made, and is forgotten before anybody can be told that
something in them has changed. It must not know how a row or a page is found.
"""

from typing import Final, NamedTuple, cast

import msgspec

from augury.core.applied import Applied
from augury.core.events import OrderUpdated
from augury.core.state import Order as LiveOrder
from augury.gateways.rest.answers import GetOrdersResponse, Order
from augury.gateways.rest.order_rows import live_order_row

_CACHED_ROWS: Final = 20_000
"""A row has about a kilobyte."""

_CACHED_BYTES: Final = 32 << 20
"""Of all pages together; a page of 100 orders has about 85,000."""

_ENTRY_BYTES: Final = 500
"""What a page costs beside its own bytes, so that many empty ones are counted as well."""


class Question(NamedTuple):
    """Everything but the orders that a page of a member's orders depends on."""

    operation_id: str
    query_string: bytes
    only_subaccount: int
    archived_ns: int
    """Finished orders that were updated before this are left out."""


Pages = dict[Question, bytes]


class OrderCache:
    """Kept rows and pages. Both are bounded: when there are too many, all are forgotten.

    A member that walks through hundreds of thousands of orders pays for building their rows.
    """

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._rows: dict[int, msgspec.Raw] = {}
        self._pages: dict[int, Pages] = {}
        self._bytes = 0
        """Of all pages."""

    def row(self, order: LiveOrder) -> Order:
        """An open order, encoded already. Reads as an ``Order`` in answers only."""
        row = self._rows.get(order.id)
        if row is None:
            if len(self._rows) >= _CACHED_ROWS:
                self._rows.clear()
            row = msgspec.Raw(self._encoder.encode(live_order_row(order)))
            self._rows[order.id] = row
        return cast(Order, row)

    def pages(self, member_id: int) -> Pages:
        """The member's pages, for ``keep``: take them before the first look at the orders."""
        pages = self._pages.get(member_id)
        if pages is None:
            pages = self._pages[member_id] = {}
            self._count(_ENTRY_BYTES)
        return pages

    def encode(self, answer: GetOrdersResponse) -> bytes:
        return self._encoder.encode(answer)

    def keep(self, member_id: int, pages: Pages, question: Question, page: bytes) -> None:
        """Keep a page, unless an order of the member has changed since ``pages`` were taken."""
        if self._pages.get(member_id) is pages and question not in pages:
            pages[question] = page
            self._count(_size(question, page))

    def observe(self, applied: Applied) -> None:
        """Forget what a record has changed; every change of an order is an ``OrderUpdated``.

        A new order and one that is finished change lists, too.
        """
        if self._rows or self._pages:
            for event in applied.events:
                if isinstance(event, OrderUpdated):
                    self._rows.pop(event.order_id, None)
                    pages = self._pages.pop(event.member_id, None)
                    if pages is not None:
                        self._bytes -= _ENTRY_BYTES + sum(
                            _size(question, page) for question, page in pages.items()
                        )

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > _CACHED_BYTES:
            self._pages.clear()
            self._bytes = 0


def _size(question: Question, page: bytes) -> int:
    return _ENTRY_BYTES + len(question.query_string) + len(page)
