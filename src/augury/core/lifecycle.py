"""The life of a market from listing to payment (rules, section 2).

Time-driven transitions arrive through ``fire_timers``; the rest are operator commands. Paying
out belongs to ``settlement``.
"""

from collections.abc import Callable
from typing import Final

from augury.core import block_trades, combos, communications, matching, terms
from augury.core import rejections as reject
from augury.core.commands import (
    ChangeCloseTime,
    DetermineMarket,
    DisputeMarket,
    PauseMarket,
    ReactivateMarket,
    SetExchangePause,
    SetTradingPause,
)
from augury.core.events import (
    ExchangePauseChanged,
    MarketCloseTimeChanged,
    MarketDetermined,
    MarketStatusChanged,
    TradingPauseChanged,
)
from augury.core.rejections import Rejection
from augury.core.settlement import settle_market
from augury.core.state import (
    ACTIVE,
    AMENDED,
    CLOSED,
    DETERMINED,
    DISPUTED,
    FINALIZED,
    INACTIVE,
    INITIALIZED,
    Exchange,
    Market,
)
from augury.core.step import Step
from augury.core.timers import (
    BEGIN_MAINTENANCE,
    CHANGE_FEES,
    CLOSE_MARKET,
    CONFIRM_QUOTE,
    END_BLOCK_PROPOSAL,
    END_MAINTENANCE,
    EXECUTE_QUOTE,
    EXPIRE_ORDER,
    EXPIRE_RFQ,
    OPEN_MARKET,
    SETTLE_MARKET,
    pop_due,
    schedule,
)
from augury.core.units import PRICE_ONE

RESULT_VALUES = {"yes": PRICE_ONE, "no": 0, "void": 0}


def fire_timers(step: Step) -> None:
    """Carry out everything that is due, in order of time; waits in an exchange pause."""
    state = step.state
    while not state.exchange_paused:
        timer = pop_due(state, step.time_ns)
        if timer is None:
            return
        _, kind, order_id, ticker = timer
        if kind == EXPIRE_ORDER:
            matching.remove(step, state.orders[order_id], "expired")
            continue
        step.flush()
        other = TIMER_HANDLERS.get(kind)
        if other is not None:
            other(step, order_id)
            continue
        market = state.markets[ticker]
        if kind == OPEN_MARKET:
            set_status(step, market, ACTIVE, "opened")
        elif kind == CLOSE_MARKET:
            close_market(step, market)
        else:
            settle_market(step, market)


def open_at_listing(step: Step, market: Market) -> None:
    """Schedule a new market's opening and closing; those already due happen in this step."""
    schedule(step.state, market.open_ns, OPEN_MARKET, 0, market.ticker)
    schedule(step.state, market.close_ns, CLOSE_MARKET, 0, market.ticker)


def set_status(step: Step, market: Market, status: str, reason: str) -> None:
    previous = market.status
    market.status = status
    market.updated_ns = step.time_ns
    step.events.append(MarketStatusChanged(market.ticker, status, previous, reason))


def close_market(step: Step, market: Market) -> None:
    """Trading ends and every resting order is cancelled in the same step."""
    set_status(step, market, CLOSED, "closed")
    matching.cancel_all(step, market, "market_closed")
    communications.close_rfqs_of_market(step, market)
    block_trades.cancel_of_market(step, market)


def pause_market(step: Step, command: PauseMarket) -> None:
    market = find_market(step.state, command.ticker)
    if market.status != ACTIVE:
        raise Rejection(reject.INVALID_STATE, f"market is {market.status}")
    set_status(step, market, INACTIVE, "paused")


def reactivate_market(step: Step, command: ReactivateMarket) -> None:
    """Resting orders do not survive a reactivation."""
    market = find_market(step.state, command.ticker)
    if market.status != INACTIVE:
        raise Rejection(reject.INVALID_STATE, f"market is {market.status}")
    set_status(step, market, ACTIVE, "reactivated")
    matching.cancel_all(step, market, "market_reactivated")


def change_close_time(step: Step, command: ChangeCloseTime) -> None:
    market = find_market(step.state, command.ticker)
    if market.status not in (INITIALIZED, ACTIVE, INACTIVE, CLOSED):
        raise Rejection(reject.INVALID_STATE, f"market is {market.status}")
    # A market that opened this very instant can close at once, as it can be determined at once.
    opened = market.open_ns <= step.time_ns
    if command.close_ns < market.open_ns or (command.close_ns == market.open_ns and not opened):
        raise Rejection(reject.INVALID_PARAMETERS, "close_time must be after open_time")
    if command.close_ns < market.close_ns and not market.can_close_early:
        raise Rejection(reject.INVALID_STATE, "market cannot close early")
    if market.latest_expiration_ns and command.close_ns > market.latest_expiration_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "close_time is after latest expiration")
    if market.legs and command.close_ns > combos.first_close(step.state, market):
        raise Rejection(reject.INVALID_PARAMETERS, "a combo closes with the first of its legs")
    move_close(step, market, command.close_ns)


def move_close(step: Step, market: Market, close_ns: int) -> None:
    """Close the market, and its combos, at another time; what has closed may re-open."""
    market.close_ns = close_ns
    market.updated_ns = step.time_ns
    step.events.append(MarketCloseTimeChanged(market.ticker, close_ns))
    if market.status == CLOSED and close_ns > step.time_ns:
        set_status(step, market, ACTIVE, "reopened")
    if market.status != CLOSED:
        schedule(step.state, close_ns, CLOSE_MARKET, 0, market.ticker)
    move_close_of_combos(step, market)


def move_close_of_combos(step: Step, leg: Market) -> None:
    """A combo closes with the first of its legs (rules, section 12)."""
    markets = step.state.markets
    for ticker in leg.combo_tickers:
        combo = markets.get(ticker)
        if combo is None or combo.status not in (INITIALIZED, ACTIVE, INACTIVE, CLOSED):
            continue
        close_ns = combos.first_close(step.state, combo)
        if close_ns != combo.close_ns:
            move_close(step, combo, close_ns)


def determine_market(step: Step, command: DetermineMarket) -> None:
    """Set the result, or amend the one under dispute; the settlement timer starts anew."""
    market = find_market(step.state, command.ticker)
    status = market.status
    if status in (DETERMINED, AMENDED, FINALIZED):
        raise Rejection(reject.INVALID_STATE, f"market is {status}")
    if command.result == "scalar":
        if market.market_type != "scalar":
            raise Rejection(reject.INVALID_PARAMETERS, "only a scalar market has a scalar result")
        if not 0 <= command.settlement_value <= PRICE_ONE:
            raise Rejection(reject.INVALID_PARAMETERS, "settlement_value")
        value = command.settlement_value
    elif command.result in RESULT_VALUES:
        value = RESULT_VALUES[command.result]
    else:
        raise Rejection(reject.INVALID_PARAMETERS, "result")
    if market.legs:
        raise Rejection(reject.INVALID_STATE, "a combo is determined by its legs")
    set_result(step, market, command.result, value, command.expiration_value)


def set_result(step: Step, market: Market, result: str, value: int, expiration_value: str) -> None:
    """Close the market if need be, record the result and start the settlement timer."""
    status = market.status
    if status in (INITIALIZED, ACTIVE, INACTIVE):
        if market.close_ns > step.time_ns:
            market.close_ns = step.time_ns
            step.events.append(MarketCloseTimeChanged(market.ticker, step.time_ns))
            move_close_of_combos(step, market)
        close_market(step, market)
        # Whoever listens hears that trading is over before hearing the result.
        step.flush()
    confirmed = result == market.result and value == market.settlement_value
    market.result = result
    market.settlement_value = value
    market.expiration_value = expiration_value
    market.determined_ns = step.time_ns
    market.settlement_due_ns = step.time_ns + market.settlement_timer_ns
    if market.legs:
        final_ns = combos.final_ns(step.state, market)
        market.settlement_due_ns = max(market.settlement_due_ns, final_ns)
    if status not in (DISPUTED, DETERMINED, AMENDED):
        set_status(step, market, DETERMINED, "determined")
    elif confirmed:
        set_status(step, market, DETERMINED, "confirmed")
    else:
        set_status(step, market, AMENDED, "amended")
    step.events.append(MarketDetermined(market.ticker, result, value, step.time_ns))
    schedule(step.state, market.settlement_due_ns, SETTLE_MARKET, 0, market.ticker)
    follow_leg(step, market)


def follow_leg(step: Step, leg: Market) -> None:
    """Let the combos of a market know that its result came, changed, or is in dispute."""
    for ticker in leg.combo_tickers:
        combo = step.state.markets.get(ticker)
        if combo is not None and combo.status != FINALIZED:
            follow_legs(step, combo)


def follow_legs(step: Step, combo: Market) -> None:
    """Give a combo the result of its legs, amend it, or take it back while they leave it open."""
    state = step.state
    found = combos.outcome(state, combo)
    if found is None:
        if combo.result:
            withdraw_result(step, combo)
    elif found != (combo.result, combo.settlement_value):
        set_result(step, combo, found[0], found[1], "")
    else:
        # Another leg may now be what decides; nobody is paid before that one is final.
        final_ns = combos.final_ns(state, combo)
        if final_ns > combo.settlement_due_ns:
            combo.settlement_due_ns = final_ns
            schedule(state, final_ns, SETTLE_MARKET, 0, combo.ticker)


def withdraw_result(step: Step, combo: Market) -> None:
    """A leg that had decided the combo is in dispute: it waits, closed, for what comes of that."""
    combo.result = ""
    combo.settlement_value = 0
    combo.determined_ns = 0
    combo.settlement_due_ns = 0
    set_status(step, combo, CLOSED, "undecided")


def dispute_market(step: Step, command: DisputeMarket) -> None:
    market = find_market(step.state, command.ticker)
    if market.status not in (DETERMINED, AMENDED):
        raise Rejection(reject.INVALID_STATE, f"market is {market.status}")
    if market.legs:
        raise Rejection(reject.INVALID_STATE, "a combo is determined by its legs")
    set_status(step, market, DISPUTED, "disputed")
    follow_leg(step, market)


def begin_maintenance(step: Step, window_start: int) -> None:
    """Trading pauses, unless the operator has paused it before."""
    state = step.state
    state.maintenance_begun_ns = max(state.maintenance_begun_ns, window_start)
    if not state.trading_paused:
        state.in_maintenance = True
        pause_trading(step)


def end_maintenance(step: Step, window_end: int) -> None:
    """Trading resumes, unless the operator had paused it before the window began."""
    state = step.state
    state.maintenance_windows = [
        window for window in state.maintenance_windows if window[1] > step.time_ns
    ]
    if state.in_maintenance:
        state.in_maintenance = False
        state.trading_paused = False
        step.events.append(TradingPauseChanged(False))


def pause_trading(step: Step) -> None:
    step.state.trading_paused = True
    step.events.append(TradingPauseChanged(True))
    cancel_on_pause(step)
    communications.void_running_quotes(step)


TIMER_HANDLERS: Final[dict[int, Callable[[Step, int], None]]] = {
    CONFIRM_QUOTE: communications.confirmation_missed,
    EXECUTE_QUOTE: communications.execute_quote,
    EXPIRE_RFQ: communications.expire_rfq,
    CHANGE_FEES: terms.change_fees,
    END_BLOCK_PROPOSAL: block_trades.end,
    BEGIN_MAINTENANCE: begin_maintenance,
    END_MAINTENANCE: end_maintenance,
}


def set_trading_pause(step: Step, command: SetTradingPause) -> None:
    state = step.state
    if command.paused == state.trading_paused:
        if command.paused:
            # The operator's pause outlasts the window that is running.
            state.in_maintenance = False
        return
    if command.paused:
        pause_trading(step)
    else:
        state.in_maintenance = False
        state.trading_paused = False
        step.events.append(TradingPauseChanged(False))


def set_exchange_pause(step: Step, command: SetExchangePause) -> None:
    state = step.state
    changed = command.paused != state.exchange_paused
    if not changed and command.estimated_resume_ns == state.estimated_resume_ns:
        return
    state.estimated_resume_ns = command.estimated_resume_ns if command.paused else 0
    state.exchange_paused = command.paused
    step.events.append(ExchangePauseChanged(command.paused, state.estimated_resume_ns))
    if command.paused and changed:
        cancel_on_pause(step)
        communications.void_running_quotes(step)


def cancel_on_pause(step: Step) -> None:
    # By id, so that a state read from a snapshot does it in the same order.
    for _, order in sorted(step.state.orders.items()):
        if order.cancel_on_pause:
            matching.remove(step, order, "paused")


def find_market(state: Exchange, ticker: str) -> Market:
    market = state.markets.get(ticker)
    if market is None:
        raise Rejection(reject.MARKET_NOT_FOUND, ticker)
    return market
