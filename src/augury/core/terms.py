"""Terms that change with time: fees of a series, maintenance windows, netting, strike order."""

from augury.core import collateral, matching, netting
from augury.core import rejections as reject
from augury.core.commands import (
    ScheduleFeeChange,
    SetMaintenanceWindows,
    SetNetting,
    SetStrikeOrder,
)
from augury.core.events import (
    FeeChangeScheduled,
    FeesChanged,
    MaintenanceWindowsSet,
    NettingChanged,
    StrikeOrderSet,
)
from augury.core.fees import FEE_TYPES, MAX_MULTIPLIER_PPM, FeeSchedule
from augury.core.orders import find_account
from augury.core.rejections import Rejection
from augury.core.state import Account, Exchange, FeeChange
from augury.core.step import Step
from augury.core.timers import BEGIN_MAINTENANCE, CHANGE_FEES, END_MAINTENANCE, schedule


def schedule_fee_change(step: Step, command: ScheduleFeeChange) -> None:
    state = step.state
    if command.series_ticker not in state.series:
        raise Rejection(reject.NOT_FOUND, command.series_ticker)
    if command.fee_type not in FEE_TYPES:
        raise Rejection(reject.INVALID_PARAMETERS, "fee_type")
    if not 0 <= command.fee_multiplier_ppm <= MAX_MULTIPLIER_PPM:
        raise Rejection(reject.INVALID_PARAMETERS, "fee_multiplier")
    if command.scheduled_ns < step.time_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "scheduled_ts is in the past")
    change = FeeChange(
        step.sequence,
        command.series_ticker,
        command.fee_type,
        command.fee_multiplier_ppm,
        command.scheduled_ns,
    )
    state.fee_changes[change.id] = change
    schedule(state, change.scheduled_ns, CHANGE_FEES, change.id, "")
    step.events.append(
        FeeChangeScheduled(
            change.id,
            change.series_ticker,
            change.fee_type,
            change.multiplier_ppm,
            change.scheduled_ns,
        )
    )


def change_fees(step: Step, change_id: int) -> None:
    """The new terms apply from now on, to fills and to what resting orders hold back.

    Orders whose member cannot hold back more are canceled, the newest first.
    """
    state = step.state
    change = state.fee_changes[change_id]
    change.applied = True
    series = state.series[change.series_ticker]
    series.fees = FeeSchedule(change.fee_type, change.multiplier_ppm)
    series.updated_ns = step.time_ns
    step.events.append(FeesChanged(series.ticker, change.fee_type, change.multiplier_ppm))
    for event_ticker in series.event_tickers:
        for ticker in state.events[event_ticker].market_tickers:
            market = state.markets[ticker]
            collateral.reprice(market)
            for holding in list(market.holdings.values()):
                release_until_affordable(step, holding.account)


def release_until_affordable(step: Step, account: Account) -> None:
    """Cancel the account's newest orders until it can hold back what the others need."""
    if account.available >= 0:
        return
    for order_id in list(reversed(account.member.open_order_ids)):
        order = step.state.orders.get(order_id)
        if order is None or order.account is not account:
            continue
        matching.remove(step, order, "insufficient_balance")
        step.flush()
        if account.available >= 0:
            return


def set_maintenance_windows(step: Step, command: SetMaintenanceWindows) -> None:
    """Replaces the windows that are to come; one that is running ends as the new list says."""
    state = step.state
    windows = sorted([(window[0], window[1]) for window in command.windows])
    end_before = 0
    for start, end in windows:
        if end <= start or start < end_before:
            raise Rejection(reject.INVALID_PARAMETERS, "windows must be ordered and apart")
        end_before = end
    state.maintenance_windows = [window for window in windows if window[1] > step.time_ns]
    # Every window of the new list begins anew; one that is running does so in this very step.
    state.maintenance_begun_ns = 0
    for start, end in state.maintenance_windows:
        schedule(state, start, BEGIN_MAINTENANCE, start, "")
        schedule(state, end, END_MAINTENANCE, end, "")
    if state.in_maintenance and not in_window(state, step.time_ns):
        schedule(state, step.time_ns, END_MAINTENANCE, 0, "")
    step.events.append(MaintenanceWindowsSet(list(state.maintenance_windows)))


def in_window(state: Exchange, time_ns: int) -> bool:
    return any(start <= time_ns < end for start, end in state.maintenance_windows)


def set_netting(step: Step, command: SetNetting) -> None:
    """Refused when the subaccount could not hold back what the change asks for."""
    state = step.state
    account = find_account(state, command.member_id, command.subaccount)
    if account.netting == command.enabled:
        return
    # By ticker: the order of an account's holdings is not part of the state.
    tickers = sorted(
        {
            holding.market.event.ticker
            for holding in account.holdings.values()
            if holding.market.event.collateral_return_type
        }
    )
    events = [state.events[ticker] for ticker in tickers]
    free = account.available
    switch(account, command.enabled)
    due = 0
    if command.enabled:
        due = sum(netting.guaranteed(state, account, event) for event in events)
    change = due - sum(account.returned.values())
    if account.available + change < min(0, free):
        switch(account, not command.enabled)
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)
    step.events.append(NettingChanged(command.member_id, command.subaccount, command.enabled))
    for event in events:
        netting.adjust(state, account, event, step.events)


def switch(account: Account, enabled: bool) -> None:
    """Turn netting on or off and hold back accordingly, without moving cash."""
    account.netting = enabled
    for holding in account.holdings.values():
        collateral.refresh(holding)


def set_strike_order(step: Step, command: SetStrikeOrder) -> None:
    """Only while nobody holds a position in the event, because it decides what is returned."""
    state = step.state
    event = state.events.get(command.event_ticker)
    if event is None:
        raise Rejection(reject.NOT_FOUND, command.event_ticker)
    if event.collateral_return_type != "DIRECNET":
        raise Rejection(reject.INVALID_STATE, "the event is not directional")
    tickers = list(command.market_tickers)
    for ticker in tickers:
        if ticker not in event.market_tickers or tickers.count(ticker) > 1:
            raise Rejection(reject.INVALID_PARAMETERS, ticker)
    if any(state.markets[ticker].open_interest for ticker in event.market_tickers):
        raise Rejection(reject.INVALID_STATE, "the event has open positions")
    event.strike_order = tickers
    event.below = command.below
    event.updated_ns = step.time_ns
    step.events.append(StrikeOrderSet(event.ticker, tickers, command.below))
