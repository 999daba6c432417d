"""Members, their keys, subaccounts, order groups and money in and out."""

from augury.core import block_trades, communications, matching
from augury.core import rejections as reject
from augury.core.commands import (
    AddApiKey,
    CreateMember,
    CreateOrderGroup,
    CreateSubaccount,
    CreateSubtrader,
    DeleteOrderGroup,
    Deposit,
    RemoveApiKey,
    ResetOrderGroup,
    SetOrderGroupLimit,
    TriggerOrderGroup,
    UpdateMember,
    Withdraw,
)
from augury.core.events import (
    ApiKeyAdded,
    ApiKeyRemoved,
    Deposited,
    MemberCreated,
    MemberUpdated,
    SubaccountCreated,
    SubtraderCreated,
    Withdrawn,
)
from augury.core.groups import (
    MAX_GROUPS_PER_MEMBER,
    MAX_LIMIT,
    group_updated,
    prune,
    reset,
)
from augury.core.orders import find_account
from augury.core.rejections import Rejection
from augury.core.state import (
    ANY_SUBACCOUNT,
    API_KEY_SCOPES,
    FIRST_SUBTRADER,
    MAX_SUBACCOUNT,
    Account,
    ApiKey,
    Exchange,
    Member,
    OrderGroup,
)
from augury.core.step import Step
from augury.core.units import MICROS_PER_CENT, MICROS_PER_CENTICENT, QUANTITY_ONE

MONEY_LIMIT = 10**17
"""Micro-dollars on the whole exchange: a hundred billion dollars. Totals that grow with trading
then stay within the 64 bits of logs, snapshots and databases."""

BALANCE_PRECISIONS = (MICROS_PER_CENT, MICROS_PER_CENTICENT)


def create_member(step: Step, command: CreateMember) -> None:
    state = step.state
    if not command.email:
        raise Rejection(reject.INVALID_PARAMETERS, "email")
    if command.email in state.member_ids_by_email:
        raise Rejection(reject.ALREADY_EXISTS, command.email)
    if command.balance_precision not in BALANCE_PRECISIONS:
        raise Rejection(reject.INVALID_PARAMETERS, "balance_precision")
    member = Member(
        step.sequence, command.email, command.usage_tier, command.balance_precision, step.time_ns
    )
    state.members[member.id] = member
    state.member_ids_by_email[member.email] = member.id
    step.events.append(
        MemberCreated(member.id, member.email, member.usage_tier, member.balance_precision)
    )


def update_member(step: Step, command: UpdateMember) -> None:
    """A suspension also ends the member's resting orders, requests for quotes and quotes."""
    member = find_member(step.state, command.member_id)
    member.usage_tier = command.usage_tier
    suspending = command.suspended and not member.suspended
    member.suspended = command.suspended
    step.events.append(MemberUpdated(member.id, member.usage_tier, member.suspended))
    if suspending:
        for order_id in list(member.open_order_ids):
            order = step.state.orders.get(order_id)
            if order is not None:
                matching.remove(step, order, "member_suspended")
        communications.withdraw_member(step, member)
        block_trades.cancel_of_member(step, member)


def add_api_key(step: Step, command: AddApiKey) -> None:
    """``write`` needs ``read``, the finer scopes may be granted on their own."""
    member = find_member(step.state, command.member_id)
    scopes = command.scopes
    if not scopes or any(scope not in API_KEY_SCOPES for scope in scopes):
        raise Rejection(reject.INVALID_PARAMETERS, "scopes")
    if "write" in scopes and "read" not in scopes:
        raise Rejection(reject.INVALID_PARAMETERS, "scopes must contain read")
    if command.subaccount != ANY_SUBACCOUNT and command.subaccount not in member.accounts:
        raise Rejection(reject.ACCOUNT_NOT_FOUND)
    key = ApiKey(
        step.sequence,
        member.id,
        command.name,
        command.public_key_pem,
        tuple(scopes),
        command.profile,
        command.subaccount,
    )
    step.state.api_keys[key.id] = key
    member.api_key_ids.append(key.id)
    step.events.append(
        ApiKeyAdded(key.id, member.id, key.name, key.scopes, key.profile, key.subaccount)
    )


def remove_api_key(step: Step, command: RemoveApiKey) -> None:
    key = step.state.api_keys.get(command.api_key_id)
    if key is None or key.member_id != command.member_id:
        raise Rejection(reject.NOT_FOUND)
    del step.state.api_keys[key.id]
    step.state.members[key.member_id].api_key_ids.remove(key.id)
    step.events.append(ApiKeyRemoved(key.id, key.member_id))


def create_subaccount(step: Step, command: CreateSubaccount) -> None:
    """The next number; it takes over whether the primary nets."""
    member = find_member(step.state, command.member_id)
    number = len(member.accounts) - len(member.subtraders)
    if number > min(command.limit, MAX_SUBACCOUNT):
        raise Rejection(reject.INVALID_PARAMETERS, "no more subaccounts")
    account = Account(member, number)
    account.netting = member.accounts[0].netting
    member.accounts[number] = account
    step.events.append(SubaccountCreated(member.id, number))


def create_subtrader(step: Step, command: CreateSubtrader) -> None:
    """The first customer makes the member a clearing member."""
    member = find_member(step.state, command.member_id)
    if not command.subtrader_id:
        raise Rejection(reject.INVALID_PARAMETERS, "subtrader_id")
    if command.subtrader_id in member.subtraders:
        raise Rejection(reject.ALREADY_EXISTS, command.subtrader_id)
    number = FIRST_SUBTRADER + len(member.subtraders)
    member.accounts[number] = Account(member, number, command.subtrader_id)
    member.subtraders[command.subtrader_id] = number
    step.events.append(SubtraderCreated(member.id, number, command.subtrader_id))


def deposit(step: Step, command: Deposit) -> None:
    account = find_account(step.state, command.member_id, command.subaccount)
    if command.amount <= 0:
        raise Rejection(reject.INVALID_PARAMETERS, "amount must be positive")
    if step.state.ledger.cash + command.amount > MONEY_LIMIT:
        raise Rejection(reject.INVALID_PARAMETERS, "more money than the exchange can hold")
    account.cash += command.amount
    step.state.ledger.cash += command.amount
    step.state.ledger.outside -= command.amount
    step.events.append(
        Deposited(command.member_id, command.subaccount, command.amount, command.reference)
    )


def withdraw(step: Step, command: Withdraw) -> None:
    account = find_account(step.state, command.member_id, command.subaccount)
    if command.amount <= 0:
        raise Rejection(reject.INVALID_PARAMETERS, "amount must be positive")
    if command.amount > account.available:
        raise Rejection(reject.AVAILABLE_BALANCE_TOO_LOW)
    account.cash -= command.amount
    step.state.ledger.cash -= command.amount
    step.state.ledger.outside += command.amount
    step.events.append(
        Withdrawn(command.member_id, command.subaccount, command.amount, command.reference)
    )


def create_order_group(step: Step, command: CreateOrderGroup) -> None:
    account = find_account(step.state, command.member_id, command.subaccount)
    check_limit(command.contracts_limit)
    if account.member.order_groups >= MAX_GROUPS_PER_MEMBER:
        raise Rejection(reject.INVALID_PARAMETERS, "too many order groups")
    group = OrderGroup(step.sequence, account, command.contracts_limit)
    step.state.groups[group.id] = group
    account.member.order_groups += 1
    step.events.append(group_updated("created", group))


def reset_order_group(step: Step, command: ResetOrderGroup) -> None:
    group = find_group(step.state, command.member_id, command.order_group_id)
    reset(group)
    step.events.append(group_updated("reset", group))


def trigger_order_group(step: Step, command: TriggerOrderGroup) -> None:
    """Triggering twice is the same as once."""
    group = find_group(step.state, command.member_id, command.order_group_id)
    if not group.triggered:
        group.triggered = True
        matching.trigger_group(step, group)


def set_order_group_limit(step: Step, command: SetOrderGroupLimit) -> None:
    group = find_group(step.state, command.member_id, command.order_group_id)
    check_limit(command.contracts_limit)
    group.contracts_limit = command.contracts_limit
    step.group_events.append(group_updated("limit_updated", group))
    prune(group, step.time_ns)
    if not group.triggered and group.matched >= group.contracts_limit:
        group.triggered = True
        matching.trigger_group(step, group)


def delete_order_group(step: Step, command: DeleteOrderGroup) -> None:
    group = find_group(step.state, command.member_id, command.order_group_id)
    for order in list(group.orders.values()):
        matching.remove(step, order, "order_group")
    del step.state.groups[group.id]
    group.account.member.order_groups -= 1
    step.group_events.append(group_updated("deleted", group))


def check_limit(contracts_limit: int) -> None:
    if not 0 < contracts_limit <= MAX_LIMIT or contracts_limit % QUANTITY_ONE:
        raise Rejection(reject.INVALID_PARAMETERS, "contracts_limit")


def find_member(state: Exchange, member_id: int) -> Member:
    member = state.members.get(member_id)
    if member is None:
        raise Rejection(reject.ACCOUNT_NOT_FOUND)
    return member


def find_group(state: Exchange, member_id: int, order_group_id: int) -> OrderGroup:
    """The member's group. Somebody else's looks like a missing one."""
    group = state.groups.get(order_group_id)
    if group is None or group.account.member.id != member_id:
        raise Rejection(reject.ORDER_GROUP_NOT_FOUND)
    return group
