"""Markets from listing to payment, combos, and everything that happens by itself at a time."""

from fractions import Fraction
from hashlib import blake2b
from heapq import heappop, heappush

from augury.audit import block_trades, quotes
from augury.audit.ledger import (
    CENT,
    CONTRACT,
    DOLLAR,
    SECOND,
    Account,
    Books,
    Collection,
    Event,
    Fees,
    Leg,
    Market,
    Movement,
    Refused,
    Series,
    is_grid,
    on_grid,
    prices_of,
)
from augury.audit.reading import Entry
from augury.audit.trading import (
    EXPIRE_ORDER,
    adjust,
    cancel_until_affordable,
    changed,
    drop,
    empty_book,
    refuse_if,
    return_collateral,
)

# What happens at one instant happens in this order.
OPEN_MARKET = 1
CLOSE_MARKET = 3
SETTLE_MARKET = 4
CHANGE_FEES = 8
END_MAINTENANCE = 9
BEGIN_MAINTENANCE = 10

FEE_KINDS = (
    "quadratic",
    "quadratic_with_maker_fees",
    "quadratic_with_combo_maker_fees",
    "flat",
)
BEFORE_CLOSE = ("initialized", "active", "inactive")
TWO_WEEKS = 14 * 24 * 3600 * SECOND


# --- what happens by itself ------------------------------------------------------------------


def let_time_pass(books: Books) -> None:
    """Everything that is due, in order; an exchange pause makes it wait."""
    while not books.exchange_paused and books.alarms and books.alarms[0][0] <= books.time_ns:
        due_ns, kind, number, ticker = heappop(books.alarms)
        if kind == EXPIRE_ORDER:
            if number in books.orders:
                drop(books, books.orders[number])
        elif kind in (OPEN_MARKET, CLOSE_MARKET, SETTLE_MARKET):
            market_alarm(books, kind, due_ns, ticker)
        elif kind == CHANGE_FEES:
            change_fees(books, number)
        elif kind == BEGIN_MAINTENANCE:
            if any(start == number for start, _ in books.windows) and not books.trading_paused:
                books.in_maintenance = True
                pause_trading(books)
        elif kind == END_MAINTENANCE:
            if number == 0 or any(end == number for _, end in books.windows):
                books.windows = [w for w in books.windows if w[1] > books.time_ns]
                if books.in_maintenance:
                    books.in_maintenance = books.trading_paused = False
        else:
            quotes.alarm(books, kind, due_ns, number)
        return_collateral(books)


def market_alarm(books: Books, kind: int, due_ns: int, ticker: str) -> None:
    """An alarm that was set before times moved means nothing."""
    market = books.markets.get(ticker)
    if market is None:
        return
    if kind == OPEN_MARKET:
        if market.status == "initialized" and market.open_ns <= due_ns:
            market.status = "active"
    elif kind == CLOSE_MARKET:
        if market.status in BEFORE_CLOSE and market.close_ns <= due_ns:
            close(books, market)
    elif market.status in ("determined", "amended") and market.due_ns <= due_ns:
        pay(books, market)


def pause_trading(books: Books) -> None:
    books.trading_paused = True
    cancel_on_pause(books)
    quotes.void_running(books)


def cancel_on_pause(books: Books) -> None:
    for order in [order for order in books.orders.values() if order.cancel_on_pause]:
        drop(books, order)


def change_fees(books: Books, number: int) -> None:
    """Market by market: what orders reserve, then whether their members can still pay."""
    ticker, fees = books.fee_changes.pop(number)
    series = books.series[ticker]
    series.fees = fees
    for event in series.events:
        for market in event.markets:
            market.reserve_fees = fees
            reprice(market)
            for account in list(market.holders.values()):
                cancel_until_affordable(books, account)


def reprice(market: Market) -> None:
    for account in market.holders.values():
        changed(account, market)


def close(books: Books, market: Market) -> None:
    market.status = "closed"
    empty_book(books, market)
    for rfq in list(market.rfqs.values()):
        quotes.close_rfq(books, rfq)
    block_trades.cancel_of_market(books, market)


def pay(books: Books, market: Market) -> None:
    """Settle every position and finalize; then see what that makes certain elsewhere."""
    netting = []
    if market.event.returns:
        seen: dict[tuple[int, int], Account] = {}
        for other in market.event.markets:
            seen.update({key: a for key, a in other.holders.items() if a.netting})
        netting = list(seen.values())
    for account in market.holders.values():
        position = account.positions.pop(market.ticker)
        changed(account, market)
        if position.quantity == 0:
            continue
        if market.result == "void":
            owed = paid = position.cost
        else:
            worth = market.value if position.quantity > 0 else DOLLAR - market.value
            owed = abs(position.quantity) * worth
            paid = owed // CENT * CENT
        account.cash += paid
        market.escrow -= owed
        books.fees += owed - paid
        books.movements.append(
            Movement(
                "settlement",
                *account.key,
                market.ticker,
                paid,
                price=market.value,
                quantity=abs(position.quantity),
            )
        )
    market.holders.clear()
    # Only a void market leaves anything: costs need not add up to a dollar a pair.
    books.house += market.escrow
    market.escrow = 0
    market.status = "finalized"
    for account in netting:
        adjust(books, account, market.event.ticker)
        cancel_until_affordable(books, account)
    if market.provisional and not (market.ever_used or market.combos or market.event.returns):
        unlist(books, market)


# --- commands --------------------------------------------------------------------------------


def create_series(books: Books, entry: Entry) -> None:
    check_ticker(entry.ticker)
    refuse_if(entry.ticker in books.series, "exists")
    fees = terms(entry)
    books.series[entry.ticker] = Series(entry.ticker, fees)


def terms(entry: Entry) -> Fees:
    refuse_if(entry.fee_type not in FEE_KINDS, "fee type")
    refuse_if(not 0 <= entry.fee_multiplier_ppm <= 10_000_000, "fee multiplier")
    return Fees(entry.fee_type, entry.fee_multiplier_ppm)


def create_event(books: Books, entry: Entry) -> None:
    check_ticker(entry.ticker)
    refuse_if(entry.series_ticker not in books.series, "no such series")
    refuse_if(entry.ticker in books.events, "exists")
    refuse_if(entry.collateral_return_type not in ("", "MECNET", "DIRECNET"), "return type")
    series = books.series[entry.series_ticker]
    event = Event(entry.ticker, series, entry.mutually_exclusive, entry.collateral_return_type)
    books.events[entry.ticker] = event
    series.events.append(event)


def create_market(books: Books, entry: Entry) -> None:
    check_ticker(entry.ticker)
    refuse_if(entry.event_ticker not in books.events, "no such event")
    refuse_if(entry.ticker in books.markets, "exists")
    refuse_if(entry.market_type not in ("binary", "scalar"), "market type")
    refuse_if(entry.close_ns <= entry.open_ns, "closes before it opens")
    refuse_if(0 < entry.latest_expiration_ns < entry.close_ns, "latest expiration")
    refuse_if(entry.latest_expiration_ns < 0, "latest expiration")
    refuse_if(entry.settlement_timer_seconds < 0, "settlement timer")
    refuse_if(not is_grid(entry.price_ranges), "price ranges")
    event = books.events[entry.event_ticker]
    add_market(
        books,
        Market(
            entry.ticker,
            event,
            entry.market_type == "scalar",
            entry.open_ns,
            entry.close_ns,
            entry.latest_expiration_ns,
            entry.settlement_timer_seconds * SECOND,
            entry.can_close_early,
            entry.price_ranges,
            1 if entry.fractional_trading_enabled else CONTRACT,
            entry.is_provisional,
            entry.fee_waiver_expiration_ns,
            event.series.fees,
        ),
    )


def add_market(books: Books, market: Market) -> None:
    books.markets[market.ticker] = market
    market.event.markets.append(market)
    heappush(books.alarms, (market.open_ns, OPEN_MARKET, 0, market.ticker))
    heappush(books.alarms, (market.close_ns, CLOSE_MARKET, 0, market.ticker))


def set_grid(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status == "finalized", "over")
    refuse_if(not is_grid(entry.price_ranges), "price ranges")
    kept = all(on_grid(entry.price_ranges, price) for price in prices_of(market.bands))
    refuse_if(not kept, "coarser than before")
    market.bands = entry.price_ranges
    reprice(market)


def change_close(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status not in (*BEFORE_CLOSE, "closed"), "over")
    too_early = entry.close_ns < market.open_ns or (
        entry.close_ns == market.open_ns > books.time_ns
    )
    refuse_if(too_early, "closes before it opens")
    refuse_if(entry.close_ns < market.close_ns and not market.can_close_early, "close early")
    refuse_if(0 != market.latest_ns < entry.close_ns, "after its expiration")
    if market.legs:
        refuse_if(entry.close_ns > first_close(books, market), "after its legs")
    move_close(books, market, entry.close_ns)


def move_close(books: Books, market: Market, close_ns: int) -> None:
    market.close_ns = close_ns
    if market.status == "closed" and close_ns > books.time_ns:
        market.status = "active"
    if market.status != "closed":
        heappush(books.alarms, (close_ns, CLOSE_MARKET, 0, market.ticker))
    close_combos_with(books, market)


def close_combos_with(books: Books, leg: Market) -> None:
    for combo in combos_of(books, leg):
        if combo.status in (*BEFORE_CLOSE, "closed"):
            close_ns = first_close(books, combo)
            if close_ns != combo.close_ns:
                move_close(books, combo, close_ns)


def pause_market(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status != "active", market.status)
    market.status = "inactive"


def reactivate_market(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status != "inactive", market.status)
    market.status = "active"
    empty_book(books, market)


def determine(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status in ("determined", "amended", "finalized"), market.status)
    value = {"yes": DOLLAR, "no": 0, "void": 0, "scalar": entry.settlement_value}
    if entry.result not in value:
        raise Refused("result")
    if entry.result == "scalar":
        refuse_if(not market.scalar, "not a scalar market")
        refuse_if(not 0 <= entry.settlement_value <= DOLLAR, "settlement value")
    refuse_if(bool(market.legs), "a combo follows its legs")
    set_result(books, market, entry.result, value[entry.result])


def set_result(books: Books, market: Market, result: str, value: int) -> None:
    before = market.status
    if before in BEFORE_CLOSE:
        if market.close_ns > books.time_ns:
            market.close_ns = books.time_ns
            close_combos_with(books, market)
        close(books, market)
    confirmed = (result, value) == (market.result, market.value)
    market.result, market.value = result, value
    market.due_ns = books.time_ns + market.timer_ns
    if market.legs:
        market.due_ns = max(market.due_ns, final_ns(books, market))
    again = before in ("disputed", "determined", "amended")
    market.status = "amended" if again and not confirmed else "determined"
    heappush(books.alarms, (market.due_ns, SETTLE_MARKET, 0, market.ticker))
    tell_combos(books, market)


def dispute(books: Books, entry: Entry) -> None:
    market = books.market(entry.ticker)
    refuse_if(market.status not in ("determined", "amended"), market.status)
    refuse_if(bool(market.legs), "a combo follows its legs")
    market.status = "disputed"
    tell_combos(books, market)


def set_trading_pause(books: Books, entry: Entry) -> None:
    if entry.paused == books.trading_paused:
        if entry.paused:
            books.in_maintenance = False
    elif entry.paused:
        pause_trading(books)
    else:
        books.in_maintenance = books.trading_paused = False


def set_exchange_pause(books: Books, entry: Entry) -> None:
    begins = entry.paused and not books.exchange_paused
    books.exchange_paused = entry.paused
    if begins:
        cancel_on_pause(books)
        quotes.void_running(books)


def schedule_fees(books: Books, entry: Entry) -> None:
    refuse_if(entry.series_ticker not in books.series, "no such series")
    fees = terms(entry)
    refuse_if(entry.scheduled_ns < books.time_ns, "in the past")
    books.fee_changes[entry.sequence] = (entry.series_ticker, fees)
    heappush(books.alarms, (entry.scheduled_ns, CHANGE_FEES, entry.sequence, ""))


def set_windows(books: Books, entry: Entry) -> None:
    windows = sorted((start, end) for start, end in entry.windows)
    reached = 0
    for start, end in windows:
        refuse_if(end <= start or start < reached, "windows")
        reached = end
    now = books.time_ns
    books.windows = [window for window in windows if window[1] > now]
    for start, end in books.windows:
        heappush(books.alarms, (start, BEGIN_MAINTENANCE, start, ""))
        heappush(books.alarms, (end, END_MAINTENANCE, end, ""))
    if books.in_maintenance and not any(start <= now < end for start, end in books.windows):
        heappush(books.alarms, (now, END_MAINTENANCE, 0, ""))


def set_strikes(books: Books, entry: Entry) -> None:
    refuse_if(entry.event_ticker not in books.events, "no such event")
    event = books.events[entry.event_ticker]
    refuse_if(event.returns != "DIRECNET", "not directional")
    tickers = list(entry.market_tickers)
    known = [market.ticker for market in event.markets]
    refuse_if(len(set(tickers)) < len(tickers) or not set(tickers) <= set(known), "markets")
    held = any(
        account.positions[market.ticker].quantity
        for market in event.markets
        for account in market.holders.values()
    )
    refuse_if(held, "open positions")
    event.strikes, event.below = tickers, entry.below


# --- combos ----------------------------------------------------------------------------------


def create_collection(books: Books, entry: Entry) -> None:
    check_ticker(entry.ticker)
    refuse_if(entry.ticker in books.collections, "exists")
    refuse_if(entry.series_ticker not in books.series, "no such series")
    refuse_if(entry.close_ns <= entry.open_ns, "closes before it opens")
    refuse_if(entry.size_min < 2, "size")
    refuse_if(entry.size_max != 0 and entry.size_max < entry.size_min, "size")
    tickers = [ticker for ticker, _, _, _ in entry.associated_events]
    refuse_if(len(set(tickers)) < len(tickers), "an event twice")
    for ticker, _, least, most in entry.associated_events:
        refuse_if(ticker not in books.events, "no such event")
        refuse_if(least < 0 or (most != 0 and most < max(1, least)), "size")
    books.collections[entry.ticker] = Collection(
        entry.ticker,
        books.series[entry.series_ticker],
        entry.open_ns,
        entry.close_ns,
        entry.size_min,
        entry.size_max,
        entry.is_ordered,
        entry.associated_events,
    )


def create_combo(books: Books, entry: Entry) -> None:
    """List the market over some legs unless it is there already."""
    refuse_if(entry.collection_ticker not in books.collections, "no such collection")
    collection = books.collections[entry.collection_ticker]
    legs: tuple[Leg, ...] = tuple((event, market, side) for event, market, side in entry.legs)
    key = legs if collection.ordered else tuple(sorted(legs))
    if key in collection.combos:
        return
    member = books.members.get(entry.member_id)
    refuse_if(member is not None and member.suspended, "member suspended")
    refuse_if(not collection.open_ns <= books.time_ns < collection.close_ns, "not open")
    check_legs(books, collection, legs)
    if member is not None and entry.weekly_limit:
        week = [when for when in member.combos if when > books.time_ns - TWO_WEEKS // 2]
        refuse_if(len(week) >= entry.weekly_limit, "too many combos")
        member.combos = [*week, books.time_ns]
    # The name is part of the format: later commands refer to the market by it.
    name = blake2b(repr((collection.ticker, key)).encode(), digest_size=16).hexdigest().upper()
    event = Event(f"{collection.series.ticker}-S{name[:16]}", collection.series, False, "")
    markets = [books.markets[ticker] for _, ticker, _ in legs]
    combo = Market(
        f"{event.ticker}-{name[16:27]}",
        event,
        False,
        books.time_ns,
        min(market.close_ns for market in markets),
        max(market.latest_ns or market.close_ns for market in markets) + TWO_WEEKS,
        60 * SECOND,
        True,
        [[0, DOLLAR, 100]],
        CONTRACT,
        True,
        0,
        collection.series.fees,
        collection=collection,
        legs=legs,
    )
    books.events[event.ticker] = event
    collection.series.events.append(event)
    collection.combos[key] = combo.ticker
    for market in markets:
        market.combos.append(combo.ticker)
    add_market(books, combo)


def check_legs(books: Books, collection: Collection, legs: tuple[Leg, ...]) -> None:
    refuse_if(len(legs) < collection.size_min, "too few legs")
    refuse_if(0 < collection.size_max < len(legs), "too many legs")
    yes_only = {entry[0]: entry[1] for entry in collection.allowed}
    for event_ticker, ticker, side in legs:
        refuse_if(event_ticker not in yes_only, "event not allowed")
        market = books.market(ticker)
        refuse_if(market.event.ticker != event_ticker, "another event's market")
        refuse_if(side != "yes" and (side != "no" or bool(yes_only[event_ticker])), "side")
        refuse_if(market.status != "active" or bool(market.legs), "leg is not open")
        winners = [leg for leg in legs if leg[0] == event_ticker and leg[2] == "yes"]
        refuse_if(market.event.exclusive and len(winners) > 1, "both cannot win")
    refuse_if(len({ticker for _, ticker, _ in legs}) < len(legs), "a market twice")
    for event_ticker, _, least, most in collection.allowed:
        number = sum(1 for leg in legs if leg[0] == event_ticker)
        refuse_if(number < least or 0 < most < number, "number of legs")


def unlist(books: Books, market: Market) -> None:
    """A provisional market that nobody used disappears, and a combo's event with it."""
    del books.markets[market.ticker]
    market.event.markets.remove(market)
    if market.collection is not None:
        key = market.legs if market.collection.ordered else tuple(sorted(market.legs))
        del market.collection.combos[key]
        for _, ticker, _ in market.legs:
            if ticker in books.markets:
                books.markets[ticker].combos.remove(market.ticker)
        market.event.series.events.remove(market.event)
        del books.events[market.event.ticker]


def combos_of(books: Books, leg: Market) -> list[Market]:
    return [books.markets[ticker] for ticker in leg.combos if ticker in books.markets]


def legs_of(books: Books, combo: Market) -> list[tuple[Market, str]]:
    return [(books.markets[ticker], side) for _, ticker, side in combo.legs]


def first_close(books: Books, combo: Market) -> int:
    return min(leg.close_ns for leg, _ in legs_of(books, combo))


def outcome(books: Books, combo: Market) -> tuple[str, int] | None:
    """The product of the legs; a lost leg decides at once, then an open one, then a void one."""
    product = Fraction(1)
    undecided = void = False
    for leg, side in legs_of(books, combo):
        if not leg.result or leg.status == "disputed":
            undecided = True
        elif leg.result == "void":
            void = True
        else:
            value = leg.value if side == "yes" else DOLLAR - leg.value
            if value == 0:
                return "no", 0
            product *= Fraction(value, DOLLAR)
    if undecided:
        return None
    if void:
        return "void", 0
    value = int(product * DOLLAR)
    return ("yes" if value == DOLLAR else "scalar" if value else "no"), value


def final_ns(books: Books, combo: Market) -> int:
    """When the combo's result can no longer change: with its first lost leg, or with the last."""
    legs = legs_of(books, combo)
    losses = [
        leg.due_ns
        for leg, side in legs
        if leg.result not in ("", "void")
        and leg.status != "disputed"
        and leg.value == (0 if side == "yes" else DOLLAR)
    ]
    return min(losses) if losses else max(leg.due_ns for leg, _ in legs)


def tell_combos(books: Books, leg: Market) -> None:
    """A leg's result came, changed, or is in dispute."""
    for combo in combos_of(books, leg):
        if combo.status == "finalized":
            continue
        found = outcome(books, combo)
        if found is None:
            if combo.result:
                combo.result, combo.value, combo.due_ns = "", 0, 0
                combo.status = "closed"
        elif found != (combo.result, combo.value):
            set_result(books, combo, *found)
        elif final_ns(books, combo) > combo.due_ns:
            combo.due_ns = final_ns(books, combo)
            heappush(books.alarms, (combo.due_ns, SETTLE_MARKET, 0, combo.ticker))


def check_ticker(ticker: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    refuse_if(not 0 < len(ticker) <= 200 or ticker[0] not in alphabet, "ticker")
    refuse_if(any(letter not in alphabet + ".-" for letter in ticker), "ticker")
