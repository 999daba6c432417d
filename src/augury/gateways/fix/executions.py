"""What a record of the log did to orders, one execution after another (fix.md, section 8.5).

Pure: the same record gives the same executions with the same ids on every machine, whoever is
connected and whatever they chose at logon. How an execution reads for a session is ``reports``'
business. Units are those of the core.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from augury.core.applied import Applied
from augury.core.commands import CancelOrder, PlaceOrder
from augury.core.events import (
    CollateralReturned,
    CommandRejected,
    OrderAmended,
    OrderFilled,
    OrderUpdated,
    QuoteUpdated,
)
from augury.core.state import CANCELED
from augury.core.units import PRICE_ONE, direction_of
from augury.gateways.fix.reasons import MAKER_CANCEL, TAKER_CANCEL, order_refusal

NEW: Final = "new"
TRADE: Final = "trade"
REPLACED: Final = "replaced"
CANCELED_: Final = "canceled"
REJECTED: Final = "rejected"

SELF_TRADE: Final = "self_trade_prevention"


class Trade(msgspec.Struct, array_like=True, frozen=True):
    """One fill. ``cash_change`` includes the fee; ``returned`` is collateral that came back
    because of other markets of the event (rules, section 9), on top of it."""

    trade_id: int
    price: int
    quantity: int
    is_taker: bool
    fee: int
    cash_change: int
    position: int
    returned: int


class Execution(msgspec.Struct, array_like=True, frozen=True):
    """One thing that happened to an order, and the order right after it.

    ``kind`` is one of the constants above. ``original_id`` is the client order id that was valid
    before a replace, or before a cancel that has an id of its own. ``price`` is a YES price,
    ``value`` the sum of YES price times quantity of all fills. ``reason`` is that of
    ``OrderUpdated``, or the Text of a refusal, whose OrdRejReason is ``code``. ``crossed`` says of
    a new or replaced order that it traded at once.
    """

    sequence: int
    index: int
    time_ns: int
    kind: str
    member_id: int
    subaccount: int
    origin: str
    order_id: int
    client_order_id: str
    original_id: str
    market_ticker: str
    direction: int
    price: int
    size: int
    filled: int
    leaves: int
    value: int
    expiration_ns: int
    reason: str = ""
    code: int = 0
    crossed: bool = False
    trade: Trade | None = None


def concerns(applied: Applied, members: set[int]) -> bool:
    """Whether ``executions`` would find anything for one of these members."""
    for event in applied.events:
        if isinstance(event, OrderUpdated) and event.member_id in members:
            return True
    command = applied.command
    return (
        isinstance(command, PlaceOrder)
        and command.origin != ""
        and command.member_id in members
        and applied.rejection is not None
    )


def executions(applied: Applied, event_of: Callable[[str], str]) -> list[Execution]:
    """All executions of a record in the order of their index.

    ``event_of`` tells the event of a market; it is asked only where collateral was returned.
    Each order tells its own story whole before the next one does: that it is new or replaced, its
    fills, its end.
    """
    command = applied.command
    rejection = applied.rejection
    found: list[Execution] = []
    if rejection is not None and isinstance(command, PlaceOrder) and command.origin:
        found.append(_refused(applied, command, rejection))
    new = _entered(applied)
    returned = _returned(applied, event_of)
    fills: dict[int, list[tuple[int, OrderFilled]]] = {}
    amended: dict[int, OrderUpdated] = {}
    for place, event in enumerate(applied.events):
        if isinstance(event, OrderFilled):
            fills.setdefault(event.order_id, []).append((place, event))
        elif isinstance(event, OrderAmended):
            amended[event.order_id] = event.before
        elif isinstance(event, OrderUpdated):
            order_id = event.order_id
            own = [(fill, returned.get(at, 0)) for at, fill in fills.pop(order_id, ())]
            _tell(found, applied, event, own, order_id in new, amended.pop(order_id, None))
            new.discard(order_id)
    return found


def _tell(
    found: list[Execution],
    applied: Applied,
    order: OrderUpdated,
    fills: list[tuple[OrderFilled, int]],
    is_new: bool,
    before: OrderUpdated | None,
) -> None:
    """Append what happened to one order in one step of a record."""
    filled = order.filled_quantity - sum(fill.quantity for fill, _ in fills)
    # What was taken away without a fill goes last, so it was there until then.
    ended = order.status == CANCELED
    taken = order.reduced_quantity if ended else 0
    leaves = order.remaining_quantity + taken + sum(fill.quantity for fill, _ in fills)
    cost = order.maker_cost + order.taker_cost
    in_all = order.filled_quantity
    value = cost if order.side == "yes" else in_all * PRICE_ONE - cost
    value -= sum(fill.price * fill.quantity for fill, _ in fills)

    def add(
        kind: str,
        *,
        client_order_id: str = order.client_order_id,
        original_id: str = "",
        leaves: int,
        reason: str = "",
        trade: Trade | None = None,
    ) -> None:
        found.append(
            Execution(
                applied.sequence,
                len(found),
                applied.time_ns,
                kind,
                order.member_id,
                order.subaccount,
                order.origin,
                order.order_id,
                client_order_id,
                original_id,
                order.market_ticker,
                direction_of(order.action, order.side),
                order.price,
                order.initial_quantity,
                filled,
                leaves,
                value,
                order.expiration_ns,
                reason,
                0,
                bool(fills),
                trade,
            )
        )

    if is_new and (fills or not ended):
        add(NEW, leaves=leaves)
    if before is not None:
        add(REPLACED, original_id=before.client_order_id, leaves=leaves)
    elif order.reason == "decreased":
        add(REPLACED, original_id=order.client_order_id, leaves=leaves)
    for fill, returned in fills:
        filled += fill.quantity
        leaves -= fill.quantity
        value += fill.price * fill.quantity
        trade = Trade(
            fill.trade_id,
            fill.price,
            fill.quantity,
            fill.is_taker,
            fill.fee,
            fill.cash_change,
            fill.position,
            returned,
        )
        add(TRADE, leaves=leaves, trade=trade)
    if ended:
        reason = order.reason
        if reason == SELF_TRADE:
            entering = is_new or before is not None
            reason = TAKER_CANCEL if entering else MAKER_CANCEL
        request = applied.command
        if (
            isinstance(request, CancelOrder)
            and request.request_id
            and request.order_id == order.order_id
            and reason == CANCELED
        ):
            add(
                CANCELED_,
                client_order_id=request.request_id,
                original_id=order.client_order_id,
                leaves=0,
            )
        else:
            add(CANCELED_, leaves=0, reason=reason)


def _entered(applied: Applied) -> set[int]:
    """Orders that this record entered. Only ever asked, never listed."""
    new = {applied.sequence} if isinstance(applied.command, PlaceOrder) else set()
    for event in applied.events:
        # Orders of a quote have the numbers of its acceptance and its confirmation.
        if isinstance(event, QuoteUpdated) and event.kind in ("executed", "cancelled"):
            new.add(event.maker_order_id)
            new.add(event.rfq_order_id)
    return new


def _returned(applied: Applied, event_of: Callable[[str], str]) -> dict[int, int]:
    """Place of a fill among the events -> collateral that came back in its wake.

    The core settles returns once per event and step; the last fill there is told of them.
    """
    found: dict[int, int] = {}
    last: dict[tuple[int, int, str], int] = {}
    if not any(isinstance(event, CollateralReturned) for event in applied.events):
        return found
    for place, event in enumerate(applied.events):
        if isinstance(event, OrderFilled):
            last[(event.member_id, event.subaccount, event_of(event.market_ticker))] = place
        elif isinstance(event, CollateralReturned):
            at = last.get((event.member_id, event.subaccount, event.event_ticker))
            if at is not None:
                found[at] = found.get(at, 0) + event.amount
    return found


def _refused(applied: Applied, command: PlaceOrder, rejection: CommandRejected) -> Execution:
    """An order of a session that never was, or that was killed on the spot."""
    text, code = order_refusal(rejection.code, rejection.detail)
    return Execution(
        applied.sequence,
        0,
        applied.time_ns,
        REJECTED if code else CANCELED_,
        command.member_id,
        command.subaccount,
        command.origin,
        applied.sequence,
        command.client_order_id,
        "",
        command.market_ticker,
        direction_of(command.action, command.side),
        command.price,
        command.quantity,
        0,
        0,
        0,
        command.expiration_ns,
        text,
        code,
    )
