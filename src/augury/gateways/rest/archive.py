"""Where the archive begins: what is older is served by the ``/historical`` operations only.

The operator lays it down as a document of kind ``historical_cutoff`` with key ``all``, whose
fields are those of ``GetHistoricalCutoffResponse``. Without it everything is live and the archive
is empty. Nothing is moved or deleted: the same history answers on both sides.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from augury.codec.text import parse_rfc3339
from augury.core.state import FINALIZED, Exchange, Market
from augury.gateways.documents import EVERYTHING, HISTORICAL_CUTOFF
from augury.gateways.rest.descriptions import description, text


class Cutoff(NamedTuple):
    """What happened before these times (nanoseconds) is archived; 0: nothing is."""

    market_settled_ns: int
    trades_created_ns: int
    orders_updated_ns: int
    positions_updated_ns: int


NOTHING_ARCHIVED: Final = Cutoff(0, 0, 0, 0)


def cutoff(state: Exchange) -> Cutoff:
    """A time that is missing or malformed archives nothing."""
    stored = state.documents.get(HISTORICAL_CUTOFF)
    if not stored or EVERYTHING not in stored:
        return NOTHING_ARCHIVED
    return _cutoff(stored[EVERYTHING])


@lru_cache(maxsize=4)
def _cutoff(document: str) -> Cutoff:
    """Cached, because every request for a list asks."""
    found = description(document)
    settled_ns = _time(text(found, "market_settled_ts"))
    return Cutoff(
        settled_ns,
        _time(text(found, "trades_created_ts")),
        _time(text(found, "orders_updated_ts")),
        _time(text(found, "market_positions_last_updated_ts")) or settled_ns,
    )


def is_archived(state: Exchange, market: Market) -> bool:
    """Whether a market was settled before the cutoff."""
    return market.status == FINALIZED and market.settled_ns < cutoff(state).market_settled_ns


def _time(value: str) -> int:
    try:
        return max(0, parse_rfc3339(value))
    except ValueError:
        return 0
