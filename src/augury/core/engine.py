"""The engine: applies one record after another to the state.

``apply`` is the whole contract: a function of the state, the record's sequence and time, and
the command. It fires due timers, carries out the command, and fires what the command made due.
"""

from collections.abc import Callable
from typing import Any, Final

from augury.core import (
    block_trades,
    combos,
    communications,
    lifecycle,
    listing,
    members,
    orders,
    terms,
    transfers,
)
from augury.core import commands as c
from augury.core import rejections as reject
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.events import CommandRejected
from augury.core.rejections import Rejection
from augury.core.state import Exchange
from augury.core.step import Step
from augury.core.timers import next_due

RULES_VERSION: Final = 1
"""Version of the rules below; it is stored with every record of the log."""


def tick(step: Step, command: c.Tick) -> None:
    """Nothing beyond letting time pass."""


HANDLERS: Final[dict[type[Any], Callable[[Step, Any], None]]] = {
    c.CreateOrderGroup: members.create_order_group,
    c.ResetOrderGroup: members.reset_order_group,
    c.TriggerOrderGroup: members.trigger_order_group,
    c.SetOrderGroupLimit: members.set_order_group_limit,
    c.DeleteOrderGroup: members.delete_order_group,
    c.CreateMember: members.create_member,
    c.UpdateMember: members.update_member,
    c.AddApiKey: members.add_api_key,
    c.RemoveApiKey: members.remove_api_key,
    c.CreateSubaccount: members.create_subaccount,
    c.Deposit: members.deposit,
    c.Withdraw: members.withdraw,
    c.TransferBetweenSubaccounts: transfers.transfer,
    c.CreateSeries: listing.create_series,
    c.UpdateSeries: listing.update_series,
    c.CreateEvent: listing.create_event,
    c.UpdateEvent: listing.update_event,
    c.CreateMarket: listing.create_market,
    c.UpdateMarket: listing.update_market,
    c.SetPriceLevelStructure: listing.set_price_level_structure,
    c.ChangeCloseTime: lifecycle.change_close_time,
    c.PauseMarket: lifecycle.pause_market,
    c.ReactivateMarket: lifecycle.reactivate_market,
    c.DetermineMarket: lifecycle.determine_market,
    c.DisputeMarket: lifecycle.dispute_market,
    c.SetTradingPause: lifecycle.set_trading_pause,
    c.SetExchangePause: lifecycle.set_exchange_pause,
    c.Tick: tick,
    c.CreateRfq: communications.create_rfq,
    c.DeleteRfq: communications.delete_rfq,
    c.CreateQuote: communications.create_quote,
    c.DeleteQuote: communications.delete_quote,
    c.AcceptQuote: communications.accept_quote,
    c.ConfirmQuote: communications.confirm_quote,
    c.ProposeBlockTrade: block_trades.propose,
    c.AcceptBlockTrade: block_trades.accept,
    c.CreateCollection: combos.create_collection,
    c.CreateCombo: combos.create_combo,
    c.LookUpCombo: combos.look_up_combo,
    c.SetNetting: terms.set_netting,
    c.SetStrikeOrder: terms.set_strike_order,
    c.ScheduleFeeChange: terms.schedule_fee_change,
    c.SetMaintenanceWindows: terms.set_maintenance_windows,
    c.CreateSubtrader: members.create_subtrader,
    c.TransferPosition: transfers.transfer_position,
    c.PublishAnnouncement: listing.publish_announcement,
    c.SetSchedule: listing.set_schedule,
    c.PutDocument: listing.put_document,
    c.RemoveDocument: listing.remove_document,
}

ALLOWED_IN_EXCHANGE_PAUSE: Final = (c.Tick, c.SetExchangePause)


class Engine:
    """Owns a state and changes it, one record at a time."""

    __slots__ = ("_step", "state")

    def __init__(self, state: Exchange | None = None) -> None:
        self.state = Exchange() if state is None else state
        self._step = Step(self.state)

    def apply(self, sequence: int, time_ns: int, command: Command) -> Applied:
        """Apply one record; ``sequence`` must follow the last, ``time_ns`` not precede it.

        A refused command changes nothing and yields ``CommandRejected``. Any exception other
        than the ``ValueError`` for a record out of order is a defect: the state is then void.
        """
        state = self.state
        if sequence != state.sequence + 1 or time_ns < state.time_ns:
            raise ValueError(f"record {sequence} does not follow {state.sequence}")
        state.sequence = sequence
        state.time_ns = time_ns
        step = self._step
        step.begin(sequence, time_ns)
        timers = state.timers
        if timers and timers[0][0] <= time_ns:
            lifecycle.fire_timers(step)
            step.flush()
        events = step.events
        own_from = len(events)
        try:
            if state.exchange_paused and not isinstance(command, ALLOWED_IN_EXCHANGE_PAUSE):
                raise Rejection(reject.EXCHANGE_PAUSED)
            # The four that make up nearly all of a log are called without a detour.
            if isinstance(command, c.PlaceOrder):
                orders.place_order(step, command)
            elif isinstance(command, c.CancelOrder):
                orders.cancel_order(step, command)
            elif isinstance(command, c.AmendOrder):
                orders.amend_order(step, command)
            elif isinstance(command, c.DecreaseOrder):
                orders.decrease_order(step, command)
            else:
                HANDLERS[type(command)](step, command)
        except Rejection as rejection:
            events.append(CommandRejected(rejection.code, rejection.detail))
        step.flush()
        timers = state.timers
        if timers and timers[0][0] <= time_ns:
            lifecycle.fire_timers(step)
            step.flush()
        return Applied(sequence, time_ns, command, events, own_from)

    def next_timer_ns(self) -> int | None:
        """When something is due next; None when nothing is, or while the exchange is paused."""
        return None if self.state.exchange_paused else next_due(self.state)
