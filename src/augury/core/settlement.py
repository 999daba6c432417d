"""Paying a determined market (rules, section 13).

YES pays the settlement value, NO the rest of the dollar; a void market returns what positions
cost. Afterwards the market's escrow is empty and nobody holds anything in it.
"""

from augury.core import combos, netting, terms
from augury.core.book import BookSide
from augury.core.events import MarketSettled, MarketStatusChanged, PositionSettled
from augury.core.state import FINALIZED, Market
from augury.core.step import Step, position_changed
from augury.core.units import ASK, BID, MICROS_PER_CENT, PRICE_ONE, floor_to


def settle_market(step: Step, market: Market) -> None:
    """Pay every holding and finalize. The book is empty since the close."""
    state = step.state
    ledger = state.ledger
    void = market.result == "void"
    value = market.settlement_value
    netting_accounts = netting.accounts_in(state, market.event)
    for holding in market.holdings.values():
        account = holding.account
        quantity = holding.quantity
        if quantity:
            if void:
                owed = holding.cost
                paid = owed
            else:
                owed = quantity * value if quantity > 0 else -quantity * (PRICE_ONE - value)
                paid = floor_to(owed, MICROS_PER_CENT)
            account.cash += paid
            ledger.cash += paid
            ledger.escrow[market.ticker] -= owed
            ledger.fees += owed - paid
            holding.realized_pnl += paid - holding.cost
            yes = quantity > 0
            step.events.append(
                PositionSettled(
                    account.member.id,
                    account.number,
                    market.ticker,
                    market.event.ticker,
                    market.result,
                    quantity if yes else 0,
                    holding.cost if yes else 0,
                    0 if yes else -quantity,
                    0 if yes else holding.cost,
                    paid,
                    value,
                    holding.fees_paid,
                    holding.realized_pnl,
                    holding.traded_cost,
                    holding.traded_quantity,
                )
            )
            holding.quantity = 0
            holding.cost = 0
            holding.updated_ns = step.time_ns
            step.events.append(position_changed(holding))
        del account.holdings[market.ticker]
    market.holdings = {}
    # Empty, but as large as they ever were.
    market.bids = BookSide(BID)
    market.asks = BookSide(ASK)
    market.open_interest = 0
    step.touch_market(market)
    market.traded = True
    # Only a void market leaves a difference: costs need not add up to a dollar per pair.
    ledger.house += ledger.escrow.pop(market.ticker)
    previous = market.status
    market.status = FINALIZED
    market.settled_ns = step.time_ns
    market.updated_ns = step.time_ns
    for account in netting_accounts:
        netting.adjust(state, account, market.event, step.events)
        # A result that contradicts the event, or void, may have taken what orders hold back.
        terms.release_until_affordable(step, account)
    # A leg stays, because its combos look at its result; collateral return looks at results too.
    removed = (
        market.is_provisional
        and not market.was_active
        and not market.combo_tickers
        and not market.event.collateral_return_type
    )
    step.events.append(MarketStatusChanged(market.ticker, FINALIZED, previous, "settled"))
    step.events.append(
        MarketSettled(market.ticker, market.event.ticker, market.result, value, removed)
    )
    if removed:
        del state.markets[market.ticker]
        market.event.market_tickers.remove(market.ticker)
        if market.legs:
            combos.unlist(state, market)
