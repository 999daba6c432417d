"""Moving money and positions between the subaccounts of one member (rules, section 14)."""

from augury.core import collateral, matching, netting
from augury.core import rejections as reject
from augury.core.commands import TransferBetweenSubaccounts, TransferPosition
from augury.core.events import PositionTransferred, Transferred
from augury.core.orders import find_account
from augury.core.rejections import Rejection
from augury.core.state import FINALIZED, Holding
from augury.core.step import Step
from augury.core.units import ASK, BID, PRICE_ONE


def transfer(step: Step, command: TransferBetweenSubaccounts) -> None:
    source = find_account(step.state, command.member_id, command.from_subaccount)
    target = find_account(step.state, command.member_id, command.to_subaccount)
    member = source.member
    if command.client_transfer_id in member.transfer_ids:
        raise Rejection(reject.DUPLICATE_TRANSFER, command.client_transfer_id)
    if source is target:
        raise Rejection(reject.INVALID_PARAMETERS, "the subaccounts must differ")
    if source.subtrader and target.subtrader:
        raise Rejection(reject.INVALID_PARAMETERS, "customers do not pay each other")
    if command.amount <= 0:
        raise Rejection(reject.INVALID_PARAMETERS, "amount must be positive")
    if command.amount > source.available:
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)
    source.cash -= command.amount
    target.cash += command.amount
    if command.client_transfer_id:
        member.transfer_ids[command.client_transfer_id] = step.sequence
    step.events.append(
        Transferred(
            step.sequence,
            member.id,
            command.from_subaccount,
            command.to_subaccount,
            command.amount,
            command.client_transfer_id,
        )
    )


def transfer_position(step: Step, command: TransferPosition) -> None:
    """The source closes at the price, the target takes over at it; no fee, no print.

    Where the target holds the opposite side, pairs are destroyed as in any match.
    """
    state = step.state
    source = find_account(state, command.member_id, command.from_subaccount)
    target = find_account(state, command.member_id, command.to_subaccount)
    member = source.member
    market = state.markets.get(command.market_ticker)
    if market is None:
        raise Rejection(reject.MARKET_NOT_FOUND, command.market_ticker)
    if command.client_transfer_id in member.transfer_ids:
        raise Rejection(reject.DUPLICATE_TRANSFER, command.client_transfer_id)
    if source is target or source.subtrader or target.subtrader:
        raise Rejection(reject.INVALID_PARAMETERS, "the subaccounts must differ")
    if market.status == FINALIZED:
        raise Rejection(reject.MARKET_INACTIVE, market.status)
    if not 0 <= command.price <= PRICE_ONE:
        raise Rejection(reject.INVALID_PARAMETERS, "price")
    giving = source.holdings.get(market.ticker)
    held = 0 if giving is None else abs(giving.quantity)
    if giving is None or not 0 < command.quantity <= held or command.quantity % market.lot:
        raise Rejection(reject.INVALID_ORDER_SIZE, "no such position")
    direction = BID if giving.quantity > 0 else ASK
    known = target.holdings.get(market.ticker)
    taking = Holding(target, market) if known is None else known
    own_price = command.price if direction == BID else PRICE_ONE - command.price

    before = [(h.quantity, h.cost, h.realized_pnl) for h in (giving, taking)]
    closing = min(command.quantity, collateral.closable(taking, direction))
    proceeds = matching.move_position(
        giving, -direction, command.quantity, command.quantity, PRICE_ONE - own_price
    )
    payment = matching.move_position(taking, direction, command.quantity, closing, own_price)
    for holding in (giving, taking):
        collateral.refresh(holding)
    event = market.event
    # What is returned on top may be held back at once, so only what is taken back counts.
    left = source.available + proceeds + min(0, netting.change_due(state, source, event))
    target_left = target.available + payment + min(0, netting.change_due(state, target, event))
    if left < 0 or target_left < 0:
        for holding, (quantity, cost, realized) in zip((giving, taking), before, strict=True):
            holding.quantity, holding.cost, holding.realized_pnl = quantity, cost, realized
            collateral.refresh(holding)
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)

    if known is None:
        target.holdings[market.ticker] = taking
        market.holdings[(member.id, target.number)] = taking
    source.cash += proceeds
    target.cash += payment
    state.ledger.cash += proceeds + payment
    state.ledger.escrow[market.ticker] -= proceeds + payment
    market.open_interest -= closing
    if command.client_transfer_id:
        member.transfer_ids[command.client_transfer_id] = step.sequence
    step.touch_holding(giving)
    step.touch_holding(taking)
    if closing:
        # Pairs were destroyed, so the open interest that the ticker tells is another.
        step.touch_market(market)
        market.traded = True
    step.events.append(
        PositionTransferred(
            step.sequence,
            member.id,
            source.number,
            target.number,
            market.ticker,
            direction * command.quantity,
            command.price,
            proceeds,
            payment,
            command.client_transfer_id,
        )
    )
