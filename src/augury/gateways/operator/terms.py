"""Collections of events, fees that will change, maintenance windows, nested strikes."""

from itertools import pairwise

from augury.codec.ids import format_id
from augury.codec.text import parse_rfc3339
from augury.core import commands
from augury.core import rejections as reject
from augury.core.state import MAX_SUBACCOUNT, ListedEvent
from augury.core.units import PPM
from augury.gateways import combos
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator, page
from augury.gateways.operator.errors import FieldErrors, not_found, raise_for_rejection
from augury.gateways.strikes import strike_order

# --- collections -----------------------------------------------------------------------------


async def list_collections(
    operator: Operator, call: Call[None, requests.Page]
) -> answers.CollectionList:
    known = operator.state.collections
    tickers, cursor = page(sorted(known), call.query.cursor, call.query.limit)
    found = [answers.collection_detail(known[ticker]) for ticker in tickers]
    return answers.CollectionList(collections=found, cursor=cursor)


async def show_collection(operator: Operator, call: Call[None, None]) -> answers.CollectionDetail:
    ticker = call.path["ticker"]
    collection = operator.state.collections.get(ticker)
    if collection is None:
        raise not_found("collection", ticker)
    return answers.collection_detail(collection)


async def create_collection(
    operator: Operator, call: Call[requests.CreateCollection, None]
) -> answers.CollectionDetail:
    """The series is one of combos, whose tickers tell them from everything else."""
    body = call.body
    errors = FieldErrors()
    open_ns = operator.gate.now_ns()
    if body.open_date is not None:
        open_ns = errors.parse("open_date", parse_rfc3339, body.open_date, open_ns)
    close_ns = errors.parse("close_date", parse_rfc3339, body.close_date, open_ns + 1)
    errors.require("close_date", open_ns < close_ns, "must be after open_date")
    errors.require(
        "series_ticker",
        combos.is_combo(body.series_ticker),
        f"must begin with {combos.PREFIX}, like those of all combos",
    )
    errors.require(
        "size_max",
        not body.size_max or body.size_max >= body.size_min,
        "is below size_min; 0 is no limit",
    )
    errors.check()
    await operator.submit(
        commands.CreateCollection(
            body.ticker,
            body.series_ticker,
            open_ns,
            close_ns,
            body.size_min,
            body.size_max,
            body.is_ordered,
            tuple(
                (event.ticker, event.is_yes_only, event.size_min, event.size_max)
                for event in body.associated_events
            ),
            requests.as_json(requests.given(body, requests.COLLECTION_DETAILS)),
        )
    )
    return await show_collection(operator, Call({"ticker": body.ticker}, None, None))


# --- fees ------------------------------------------------------------------------------------


async def list_fee_changes(operator: Operator, call: Call[None, None]) -> answers.FeeChanges:
    changes = sorted(
        operator.state.fee_changes.values(), key=lambda change: (change.scheduled_ns, change.id)
    )
    return answers.FeeChanges(fee_changes=[answers.fee_change(change) for change in changes])


async def schedule_fee_change(
    operator: Operator, call: Call[requests.ScheduleFeeChange, None]
) -> answers.FeeChange:
    body = call.body
    errors = FieldErrors()
    now = operator.gate.now_ns()
    scheduled_ns = errors.parse("scheduled_time", parse_rfc3339, body.scheduled_time, now)
    errors.require("scheduled_time", scheduled_ns >= now, "is in the past")
    errors.check()
    applied = await operator.submit(
        commands.ScheduleFeeChange(
            body.series_ticker, body.fee_type, round(body.fee_multiplier * PPM), scheduled_ns
        )
    )
    return answers.fee_change(operator.state.fee_changes[applied.sequence])


# --- maintenance -----------------------------------------------------------------------------


async def show_maintenance(operator: Operator, call: Call[None, None]) -> answers.Maintenance:
    return answers.maintenance(operator.state)


async def set_maintenance(
    operator: Operator, call: Call[requests.SetMaintenance, None]
) -> answers.Maintenance:
    """Trading pauses in each window by itself."""
    errors = FieldErrors()
    windows = window_bounds(errors, "windows", call.body.windows)
    errors.check()
    await operator.submit(commands.SetMaintenanceWindows(windows))
    return answers.maintenance(operator.state)


def window_bounds(
    errors: FieldErrors, field: str, windows: list[requests.MaintenanceWindow]
) -> tuple[tuple[int, int], ...]:
    """(start, end) of each window, by time; what is wrong goes into ``errors``."""
    found: list[tuple[int, int]] = []
    for number, window in enumerate(windows):
        place = f"{field}[{number}]"
        start = errors.parse(f"{place}.start_datetime", parse_rfc3339, window.start_datetime, 0)
        end = errors.parse(f"{place}.end_datetime", parse_rfc3339, window.end_datetime, start + 1)
        errors.require(f"{place}.end_datetime", start < end, "must be after the start")
        found.append((start, end))
    found.sort()
    for earlier, later in pairwise(found):
        errors.require(field, earlier[1] <= later[0], "must not overlap")
    return tuple(found)


# --- nested strikes --------------------------------------------------------------------------


async def set_strike_order(
    operator: Operator, call: Call[requests.SetStrikeOrder, None]
) -> answers.EventDetail:
    event = operator.event(call.path["ticker"])
    body = call.body
    await operator.submit(
        commands.SetStrikeOrder(event.ticker, tuple(body.market_tickers), body.below)
    )
    return answers.event_detail(operator.event(event.ticker))


async def order_strikes(operator: Operator, event: ListedEvent) -> None:
    """Nest the markets of a directional event by their strikes, as far as that can be.

    An event that has positions already keeps its order: it decides what was returned on them.
    """
    if event.collateral_return_type != "DIRECNET":
        return
    found = strike_order(
        (ticker, answers.details_of(operator.market(ticker).details))
        for ticker in event.market_tickers
    )
    if found is None or (list(found[0]), found[1]) == (event.strike_order, event.below):
        return
    applied = await operator.gate.submit(commands.SetStrikeOrder(event.ticker, *found))
    rejection = applied.rejection
    if rejection is not None and rejection.code != reject.INVALID_STATE:
        raise_for_rejection(applied)


# --- clearing members ------------------------------------------------------------------------


async def list_subtraders(operator: Operator, call: Call[None, None]) -> answers.Subtraders:
    member = operator.member(call.path["member"])
    return answers.Subtraders(
        user_id=format_id("member", member.id),
        subtraders=[
            answers.subtrader_of(account)
            for account in sorted(member.accounts.values(), key=lambda account: account.number)
            if account.subtrader
        ],
    )


async def create_subtrader(
    operator: Operator, call: Call[requests.CreateSubtrader, None]
) -> answers.Subtrader:
    member = operator.member(call.path["member"])
    await operator.submit(commands.CreateSubtrader(member.id, call.body.subtrader_id))
    accounts = operator.state.members[member.id].accounts.values()
    return next(
        answers.subtrader_of(account)
        for account in accounts
        if account.subtrader == call.body.subtrader_id
    )


async def create_subaccount(operator: Operator, call: Call[None, None]) -> answers.Subaccount:
    """The next number, as when the member opens it."""
    member = operator.member(call.path["member"])
    before = set(member.accounts)
    await operator.submit(commands.CreateSubaccount(member.id, MAX_SUBACCOUNT))
    (number,) = set(operator.state.members[member.id].accounts) - before
    return answers.subaccount_of(operator.state.members[member.id].accounts[number])
