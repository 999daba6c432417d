"""Members, their keys, and money that comes and goes, as the operator handles them."""

import re
from bisect import bisect_right
from typing import Final

from augury.codec.ids import format_id, parse_id
from augury.codec.text import parse_dollars
from augury.core import commands
from augury.core.state import ANY_SUBACCOUNT, Account, Member
from augury.core.units import MICROS_PER_CENT, MICROS_PER_DOLLAR
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator
from augury.gateways.operator.errors import (
    FieldErrors,
    conflict,
    invalid,
    not_found,
    raise_for_rejection,
    unknown_cursor,
)
from augury.gateways.public_keys import check_public_key

LARGEST_MOVEMENT: Final = 100_000_000_000 * MICROS_PER_DOLLAR
"""Far above any use, and far below what a database column of 64 bits holds."""

_EMAIL: Final = re.compile(r"[^@\s/]+@[^@\s/]+")


async def list_members(
    operator: Operator, call: Call[None, requests.MembersQuery]
) -> answers.Members:
    state, query = operator.state, call.query
    if query.email:
        found = state.member_ids_by_email.get(query.email)
        numbers = [] if found is None else [found]
    else:
        numbers = sorted(state.members)
    start = 0
    if query.cursor:
        after = parse_id("member", query.cursor)
        if after is None:
            raise unknown_cursor()
        start = bisect_right(numbers, after)
    shown = numbers[start : start + query.limit]
    more = start + query.limit < len(numbers)
    return answers.Members(
        members=[answers.member_summary(state.members[number]) for number in shown],
        cursor=format_id("member", shown[-1]) if more else "",
    )


async def create_member(
    operator: Operator, call: Call[requests.CreateMember, None]
) -> answers.MemberCreated:
    """Everything is checked before the first command, so a refused request leaves no half member.

    The member's id exists only once its record is in the log, so key and deposit follow in a
    second step; a crash between the two leaves a member without money, which ``GET`` shows.
    """
    body = call.body
    errors = FieldErrors()
    errors.require(
        "email", _EMAIL.fullmatch(body.email) is not None, "expected an address such as a@b.example"
    )
    deposit = errors.parse("deposit", _whole_cents_or_zero, body.deposit, 0)
    if body.public_key:
        errors.parse("public_key", check_public_key, body.public_key, "")
        _check_scopes(errors, body.scopes)
    errors.check()
    if body.email in operator.state.member_ids_by_email:
        raise conflict("already_exists", f"there is a member {body.email!r} already")

    precision = parse_dollars(body.balance_precision)
    created = await operator.submit(
        commands.CreateMember(body.email, body.usage_tier, balance_precision=precision)
    )
    member_id = created.sequence
    following: list[commands.Command] = []
    if body.public_key:
        following.append(
            commands.AddApiKey(
                member_id, body.key_name, body.public_key, body.scopes, profile=body.profile
            )
        )
    if deposit:
        following.append(commands.Deposit(member_id, 0, deposit, "opening deposit"))
    key = ""
    for applied in await operator.gate.submit_all(following) if following else []:
        raise_for_rejection(applied)
        if isinstance(applied.command, commands.AddApiKey):
            key = format_id("api_key", applied.sequence)
    member = operator.state.members[member_id]
    return answers.MemberCreated(
        user_id=format_id("member", member_id),
        api_key_id=key,
        member=answers.member_detail(operator.state, member),
    )


async def show_member(operator: Operator, call: Call[None, None]) -> answers.MemberDetail:
    return answers.member_detail(operator.state, operator.member(call.path["member"]))


async def update_member(
    operator: Operator, call: Call[requests.UpdateMember, None]
) -> answers.MemberDetail:
    member = operator.member(call.path["member"])
    tier, suspended = call.body.usage_tier, call.body.suspended
    await operator.submit(
        commands.UpdateMember(
            member.id,
            tier if isinstance(tier, str) else member.usage_tier,
            suspended if isinstance(suspended, bool) else member.suspended,
        )
    )
    return answers.member_detail(operator.state, operator.member(call.path["member"]))


# --- keys ------------------------------------------------------------------------------------


async def list_keys(operator: Operator, call: Call[None, None]) -> answers.Keys:
    member = operator.member(call.path["member"])
    keys = operator.state.api_keys
    return answers.Keys(api_keys=[answers.key_of(keys[key]) for key in member.api_key_ids])


async def add_key(operator: Operator, call: Call[requests.AddKey, None]) -> answers.KeyAdded:
    member = operator.member(call.path["member"])
    body = call.body
    errors = FieldErrors()
    errors.parse("public_key", check_public_key, body.public_key, "")
    _check_scopes(errors, body.scopes)
    errors.check()
    subaccount = ANY_SUBACCOUNT
    if body.subaccount is not None:
        subaccount = _account(member, body.subaccount).number
    applied = await operator.submit(
        commands.AddApiKey(
            member.id, body.name, body.public_key, body.scopes, body.profile, subaccount
        )
    )
    return answers.KeyAdded(api_key_id=format_id("api_key", applied.sequence))


async def remove_key(operator: Operator, call: Call[None, None]) -> answers.Nothing:
    member = operator.member(call.path["member"])
    key = operator.api_key(member, call.path["api_key"])
    await operator.submit(commands.RemoveApiKey(member.id, key.id))
    return answers.Nothing()


def _check_scopes(errors: FieldErrors, scopes: tuple[str, ...]) -> None:
    errors.require("scopes", bool(scopes), "a key needs a scope")
    errors.require(
        "scopes", "write" not in scopes or "read" in scopes, "`write` needs `read` beside it"
    )
    errors.require("scopes", len(set(scopes)) == len(scopes), "names a scope twice")


# --- money -----------------------------------------------------------------------------------


async def deposit(operator: Operator, call: Call[requests.MoveMoney, None]) -> answers.MoneyMoved:
    member = operator.member(call.path["member"])
    amount = _amount(call.body)
    account = _money_account(member, call.body)
    applied = await operator.submit(
        commands.Deposit(member.id, account.number, amount, call.body.reference)
    )
    return _moved(operator, member.id, account.number, applied.sequence)


async def withdraw(operator: Operator, call: Call[requests.MoveMoney, None]) -> answers.MoneyMoved:
    """Refused with 409 when it exceeds what is available: resting orders keep their collateral."""
    member = operator.member(call.path["member"])
    amount = _amount(call.body)
    account = _money_account(member, call.body)
    applied = await operator.submit(
        commands.Withdraw(member.id, account.number, amount, call.body.reference)
    )
    return _moved(operator, member.id, account.number, applied.sequence)


def _amount(body: requests.MoveMoney) -> int:
    errors = FieldErrors()
    amount = errors.parse("amount", _whole_cents_or_zero, body.amount, 1)
    errors.require("amount", amount > 0, "must be more than zero")
    errors.check()
    return amount


def _money_account(member: Member, body: requests.MoveMoney) -> Account:
    """The account that money comes to or goes from: a subaccount, or a customer's."""
    if not body.subtrader_id:
        return _account(member, body.subaccount)
    if body.subaccount:
        raise invalid({"subtrader_id": "not together with a subaccount"})
    number = member.subtraders.get(body.subtrader_id)
    if number is None:
        raise not_found("subtrader", body.subtrader_id)
    return member.accounts[number]


def _account(member: Member, number: int) -> Account:
    account = member.accounts.get(number)
    if account is None:
        raise not_found("subaccount", str(number))
    return account


def _moved(operator: Operator, member_id: int, number: int, sequence: int) -> answers.MoneyMoved:
    account = operator.state.members[member_id].accounts[number]
    return answers.MoneyMoved(
        transfer_id=format_id("transfer", sequence), subaccount=answers.subaccount_of(account)
    )


def _whole_cents_or_zero(text: str) -> int:
    """Money comes and goes in cents: the outside world has no smaller coin."""
    amount = parse_dollars(text)
    if amount < 0:
        raise ValueError("must not be negative")
    if amount % MICROS_PER_CENT:
        raise ValueError("must be whole cents")
    if amount > LARGEST_MOVEMENT:
        raise ValueError("is more than the books can hold")
    return amount
