"""Orders and positions of a clearing member's customers (rest.md, section 11)."""

from typing import Any, Final

from augury.gateways.rest.answers import GetPositionsResponse
from augury.gateways.rest.errors import invalid
from augury.gateways.rest.orders import ORDER_STATUS, ORDERS_LIMIT, list_orders
from augury.gateways.rest.parameters import (
    CURSOR,
    EVENT_TICKERS,
    MAX_TS,
    MIN_TS,
    TICKER,
    Parameter,
    choice,
    text,
)
from augury.gateways.rest.portfolio import (
    COUNT_FILTER,
    POSITIONS_LIMIT,
    PositionFilter,
    settled_positions,
    unsettled_positions,
)
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.subtraders import subtrader_account

SUBTRADER_ID: Final = text("subtrader_id", "Whose orders or positions.", required=True)
SETTLEMENT_STATUS: Final = choice(
    "settlement_status",
    ("all", "unsettled", "settled"),
    "Positions in markets that are settled, not settled, or all; unsettled by default.",
)

FCM_ORDERS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    SUBTRADER_ID,
    CURSOR,
    EVENT_TICKERS,
    TICKER,
    MIN_TS,
    MAX_TS,
    ORDER_STATUS,
    ORDERS_LIMIT,
)
FCM_POSITIONS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    SUBTRADER_ID,
    TICKER,
    EVENT_TICKERS,
    COUNT_FILTER,
    SETTLEMENT_STATUS,
    POSITIONS_LIMIT,
    CURSOR,
)

UNSETTLED: Final = 0
SETTLED: Final = 1


async def get_fcm_orders(services: Services, request: Request) -> bytes:
    """As ``GetOrders``, for one customer."""
    return await list_orders(services, request, _account)


async def get_fcm_positions(services: Services, request: Request) -> GetPositionsResponse:
    """Unsettled positions come before settled ones, each of them newest first.

    A cursor says in which of the two parts it is, so that a position that settles while
    somebody pages is at worst shown as both, never left out.
    """
    number = _account(services, request)
    page = request.value(POSITIONS_LIMIT)
    status = request.value(SETTLEMENT_STATUS) or "unsettled"
    chosen = PositionFilter.of(request)
    position = services.position(request, tuple[int, int])
    part, after = (UNSETTLED, None) if position is None else position
    answer = GetPositionsResponse([], [], "")
    if status != "settled" and part == UNSETTLED:
        account = services.account(request, number)
        last = unsettled_positions(account, chosen, page, after, answer)
        if last is not None:
            answer.cursor = services.next_cursor(request, (UNSETTLED, last))
            return answer
    if status != "unsettled":
        left = page - len(answer.market_positions)
        last = await settled_positions(
            services, request, number, chosen, left, after if part == SETTLED else None, answer
        )
        if last is not None:
            answer.cursor = services.next_cursor(request, (SETTLED, last))
    return answer


def _account(services: Services, request: Request) -> int:
    """Number of the customer's account. Raises ``ApiError``."""
    subtrader_id = request.value(SUBTRADER_ID)
    if not subtrader_id:
        raise invalid("subtrader_id is required")
    return subtrader_account(services, request, subtrader_id)
