"""Combos: markets over several legs, made on demand from a collection (rules, section 12).

A combo pays YES if every leg resolves as selected. Its result follows from its legs: one lost leg
decides it at once, otherwise the last leg does.
"""

from hashlib import blake2b
from typing import Final

from augury.core import rejections as reject
from augury.core.commands import CreateCollection, CreateCombo, LookUpCombo
from augury.core.events import (
    CollectionCreated,
    ComboLookedUp,
    EventCreated,
    MarketCreated,
)
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.rejections import Rejection
from augury.core.state import (
    ACTIVE,
    DISPUTED,
    Collection,
    Exchange,
    Leg,
    ListedEvent,
    Market,
    Member,
)
from augury.core.step import Step
from augury.core.tickers import check_ticker
from augury.core.timers import CLOSE_MARKET, OPEN_MARKET, schedule
from augury.core.units import NANOS_PER_SECOND, PRICE_ONE

COMBO_STRUCTURE: Final = "linear_cent"
SETTLEMENT_TIMER_NS: Final = 60 * NANOS_PER_SECOND
WEEK_NS: Final = 7 * 24 * 3600 * NANOS_PER_SECOND
EXPIRATION_GRACE_NS: Final = 14 * 24 * 3600 * NANOS_PER_SECOND
"""A combo may be decided so long after its last leg closes."""


def create_collection(step: Step, command: CreateCollection) -> None:
    state = step.state
    check_ticker(command.ticker)
    if command.ticker in state.collections:
        raise Rejection(reject.ALREADY_EXISTS, command.ticker)
    series = state.series.get(command.series_ticker)
    if series is None:
        raise Rejection(reject.NOT_FOUND, command.series_ticker)
    if command.close_ns <= command.open_ns:
        raise Rejection(reject.INVALID_PARAMETERS, "close_date must be after open_date")
    if command.size_min < 2 or (command.size_max and command.size_max < command.size_min):
        raise Rejection(reject.INVALID_PARAMETERS, "size_min and size_max")
    seen: set[str] = set()
    for ticker, _, size_min, size_max in command.associated_events:
        if ticker not in state.events:
            raise Rejection(reject.NOT_FOUND, ticker)
        if ticker in seen or size_min < 0 or (size_max and size_max < max(1, size_min)):
            raise Rejection(reject.INVALID_PARAMETERS, f"associated event {ticker}")
        seen.add(ticker)
    state.collections[command.ticker] = Collection(
        command.ticker,
        series,
        command.open_ns,
        command.close_ns,
        command.size_min,
        command.size_max,
        command.is_ordered,
        tuple([(e[0], e[1], e[2], e[3]) for e in command.associated_events]),
        command.details,
        step.time_ns,
    )
    step.events.append(CollectionCreated(command.ticker, command.series_ticker))


def create_combo(step: Step, command: CreateCombo) -> None:
    """Creating the same combo again only looks it up."""
    state = step.state
    collection = find_collection(state, command.collection_ticker)
    legs = as_legs(command.legs)
    key = identity(collection, legs)
    ticker = collection.combos.get(key)
    if ticker is None:
        member = state.members.get(command.member_id)
        if member is not None and member.suspended:
            raise Rejection(reject.MEMBER_SUSPENDED)
        if not collection.open_ns <= step.time_ns < collection.close_ns:
            raise Rejection(reject.INVALID_PARAMETERS, "the collection is not open")
        check_legs(state, collection, legs)
        if member is not None and command.weekly_limit:
            count_combo(member, command.weekly_limit, step.time_ns)
        ticker = list_combo(step, collection, legs, key)
    looked_up(step, command.member_id, collection, ticker, legs)


def count_combo(member: Member, weekly_limit: int, time_ns: int) -> None:
    """Refuse one more than ``weekly_limit`` within seven days."""
    since = time_ns - WEEK_NS
    listed = member.combos_listed_ns
    if listed and listed[0] <= since:
        listed = [listed_ns for listed_ns in listed if listed_ns > since]
    if len(listed) >= weekly_limit:
        raise Rejection(reject.TOO_MANY_COMBOS, f"{weekly_limit} new combos within seven days")
    listed.append(time_ns)
    member.combos_listed_ns = listed


def look_up_combo(step: Step, command: LookUpCombo) -> None:
    collection = find_collection(step.state, command.collection_ticker)
    legs = as_legs(command.legs)
    ticker = collection.combos.get(identity(collection, legs))
    if ticker is None:
        raise Rejection(reject.MARKET_NOT_FOUND, "this combination was never created")
    looked_up(step, command.member_id, collection, ticker, legs)


def looked_up(
    step: Step, member_id: int, collection: Collection, ticker: str, legs: tuple[Leg, ...]
) -> None:
    collection.lookups[ticker] = step.time_ns
    event_ticker = step.state.markets[ticker].event.ticker
    step.late_events.append(
        ComboLookedUp(member_id, collection.ticker, event_ticker, ticker, list(legs))
    )


def list_combo(
    step: Step, collection: Collection, legs: tuple[Leg, ...], key: tuple[Leg, ...]
) -> str:
    """List the event and the market of new legs; returns the market's ticker."""
    state = step.state
    digest = blake2b(repr((collection.ticker, key)).encode(), digest_size=16).hexdigest().upper()
    event_ticker = f"{collection.series.ticker}-S{digest[:16]}"
    ticker = f"{event_ticker}-{digest[16:27]}"
    leg_markets = [state.markets[leg[1]] for leg in legs]
    close_ns = min(market.close_ns for market in leg_markets)
    event = ListedEvent(
        step.sequence, event_ticker, collection.series, False, "", "{}", step.time_ns
    )
    market = Market(
        step.sequence,
        ticker,
        event,
        "binary",
        step.time_ns,
        close_ns,
        max(market.expected_expiration_ns for market in leg_markets),
        max(market.latest_expiration_ns or market.close_ns for market in leg_markets)
        + EXPIRATION_GRACE_NS,
        SETTLEMENT_TIMER_NS,
        True,
        COMBO_STRUCTURE,
        PRICE_LEVEL_STRUCTURES[COMBO_STRUCTURE],
        False,
        True,
        0,
        "{}",
        step.time_ns,
    )
    market.collection_ticker = collection.ticker
    market.legs = legs
    for leg_market in leg_markets:
        leg_market.combo_tickers.append(ticker)
    collection.combos[key] = ticker
    collection.series.event_tickers.append(event_ticker)
    state.events[event_ticker] = event
    event.market_tickers.append(ticker)
    state.markets[ticker] = market
    state.ledger.escrow[ticker] = 0
    step.events.append(EventCreated(event_ticker, collection.series.ticker, "", "{}"))
    step.events.append(MarketCreated(ticker, event_ticker, step.time_ns, close_ns, "{}"))
    schedule(state, market.open_ns, OPEN_MARKET, 0, ticker)
    schedule(state, market.close_ns, CLOSE_MARKET, 0, ticker)
    return ticker


def unlist(state: Exchange, combo: Market) -> None:
    """Forget a combo that nobody ever traded, so that its legs can be combined anew."""
    collection = state.collections[combo.collection_ticker]
    del collection.combos[identity(collection, combo.legs)]
    collection.lookups.pop(combo.ticker, None)
    for _, market_ticker, _ in combo.legs:
        leg = state.markets.get(market_ticker)
        if leg is not None:
            leg.combo_tickers.remove(combo.ticker)
    collection.series.event_tickers.remove(combo.event.ticker)
    del state.events[combo.event.ticker]


def check_legs(state: Exchange, collection: Collection, legs: tuple[Leg, ...]) -> None:
    """Refuse a selection that the collection does not allow or that contradicts itself."""
    most = collection.size_max or len(legs)
    if not collection.size_min <= len(legs) <= most:
        raise Rejection(reject.INVALID_MARKET_COMBINATION, "number of legs")
    allowed = {entry[0]: entry for entry in collection.associated_events}
    seen: dict[str, str] = {}
    per_event: dict[str, int] = {}
    winners: dict[str, int] = {}
    for event_ticker, market_ticker, side in legs:
        entry = allowed.get(event_ticker)
        if entry is None:
            raise Rejection(reject.INVALID_MARKET_COMBINATION, event_ticker)
        market = state.markets.get(market_ticker)
        if market is None or market.event.ticker != event_ticker:
            raise Rejection(reject.MARKET_NOT_FOUND, market_ticker)
        if side not in ("yes", "no") or (entry[1] and side == "no"):
            raise Rejection(reject.INVALID_MARKET_COMBINATION, f"{market_ticker}: side")
        if market.status != ACTIVE or market.legs:
            raise Rejection(reject.INVALID_MARKET_COMBINATION, f"{market_ticker} is not open")
        earlier = seen.get(market_ticker)
        if earlier == side:
            raise Rejection(reject.DUPLICATED_LEGS, market_ticker)
        if earlier is not None:
            raise Rejection(reject.CONFLICTING_LEG_OUTCOMES, market_ticker)
        seen[market_ticker] = side
        per_event[event_ticker] = per_event.get(event_ticker, 0) + 1
        if side == "yes" and market.event.mutually_exclusive:
            winners[event_ticker] = winners.get(event_ticker, 0) + 1
            if winners[event_ticker] > 1:
                raise Rejection(reject.CONFLICTING_LEG_OUTCOMES, event_ticker)
    for event_ticker, _, size_min, size_max in collection.associated_events:
        count = per_event.get(event_ticker, 0)
        if count < size_min or (size_max and count > size_max):
            raise Rejection(reject.INVALID_MARKET_COMBINATION, f"{event_ticker}: number of legs")


def outcome(state: Exchange, combo: Market) -> tuple[str, int] | None:
    """(result, YES value in price units) that the legs give now; None while they leave it open.

    A leg counts while it has a result that nobody disputes. A void leg makes the combo void,
    unless another is lost.
    """
    numerator = 1
    denominator = 1
    void = False
    is_open = False
    for _, market_ticker, side in combo.legs:
        leg = state.markets[market_ticker]
        if not leg.result or leg.status == DISPUTED:
            is_open = True
        elif leg.result == "void":
            void = True
        else:
            value = leg.settlement_value if side == "yes" else PRICE_ONE - leg.settlement_value
            if value == 0:
                return "no", 0
            numerator *= value
            denominator *= PRICE_ONE
    if is_open:
        return None
    if void:
        return "void", 0
    value = numerator * PRICE_ONE // denominator
    if value == PRICE_ONE:
        return "yes", value
    return ("scalar", value) if value else ("no", 0)


def first_close(state: Exchange, combo: Market) -> int:
    """When the first of the legs closes, or has closed."""
    return min([state.markets[market_ticker].close_ns for _, market_ticker, _ in combo.legs])


def final_ns(state: Exchange, combo: Market) -> int:
    """When the combo's present result can no longer change, as far as is known now.

    The first lost leg that is final makes a loss final; otherwise it takes all legs.
    """
    first_loss = 0
    last = 0
    for _, market_ticker, side in combo.legs:
        leg = state.markets[market_ticker]
        due_ns = leg.settlement_due_ns
        last = max(last, due_ns)
        if leg.result in ("", "void") or leg.status == DISPUTED:
            continue
        if leg.settlement_value == (0 if side == "yes" else PRICE_ONE):
            first_loss = min(first_loss, due_ns) if first_loss else due_ns
    return first_loss or last


def identity(collection: Collection, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """What makes two selections the same combo."""
    return legs if collection.is_ordered else tuple(sorted(legs))


def as_legs(rows: tuple[tuple[str, str, str], ...]) -> tuple[Leg, ...]:
    return tuple([(row[0], row[1], row[2]) for row in rows])


def find_collection(state: Exchange, ticker: str) -> Collection:
    collection = state.collections.get(ticker)
    if collection is None:
        raise Rejection(reject.NOT_FOUND, ticker)
    return collection
