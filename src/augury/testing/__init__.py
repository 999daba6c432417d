"""Exchanges for tests: of Augury itself, and of the bots that trade on it.

    from augury.testing import running_exchange

    with running_exchange() as exchange:
        ticker = exchange.list_market()
        maker, taker = exchange.add_member(), exchange.add_member()
        maker.post("/portfolio/orders", {"ticker": ticker, "action": "buy", "side": "yes",
                                         "count": 5, "yes_price": 40, "client_order_id": "m-1"})
        exchange.advance(hours=1)

In pytest the fixture ``augury_exchange`` gives one to a test. See docs/operate/testing.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augury.testing.exchange import (
        Member,
        RunningExchange,
        Stopped,
        running_exchange,
        wait_until,
    )

__all__ = ["Member", "RunningExchange", "Stopped", "running_exchange", "wait_until"]


def __getattr__(name: str) -> Any:
    """Load the server only when somebody wants one: pytest imports this package at every start."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from augury.testing import exchange

    return getattr(exchange, name)
