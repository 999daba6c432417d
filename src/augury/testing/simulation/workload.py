"""What members, makers and operators want: commands of every kind, chosen by chance with the
state of the moment in view, so that most are carried out and every kind of refusal occurs.

Whatever can be named by its sender has a name that no other command has, so that what became of it
can be told from the log.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from augury.core import commands as c
from augury.core.commands import Command
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.state import (
    ACTIVE,
    AMENDED,
    CLOSED,
    DETERMINED,
    DISPUTED,
    FINALIZED,
    FIRST_SUBTRADER,
    INACTIVE,
    Account,
    Exchange,
    Market,
    Order,
)
from augury.core.units import MICROS_PER_DOLLAR, NANOS_PER_SECOND, PPM, QUANTITY_ONE

MEMBERS: Final = 4
FOREVER_NS: Final = 10**6 * NANOS_PER_SECOND
FEES: Final = ("quadratic", "quadratic_with_maker_fees", "flat")

Commands = tuple[Command, ...]
"""Submitted together, in this order."""


def foundation(state: Exchange, chance: Random, now_ns: int) -> Commands | None:
    """What is missing before anybody can trade: members with money, a series, the first markets."""
    members = list(state.members)
    if len(members) < MEMBERS:
        number = len(members) + 1
        precision = 100 if number == 2 else 10_000
        return (c.CreateMember(f"m{number}@example.com", balance_precision=precision),)
    for number, member in enumerate(members, start=1):
        if len(state.members[member].accounts) == 1:
            amount = (50 + 9 * number) * MICROS_PER_DOLLAR
            return (
                c.CreateSubaccount(member),
                c.Deposit(member, 0, amount, f"first deposit of {number}"),
                c.Deposit(member, 1, amount, f"second deposit of {number}"),
                c.SetNetting(member, number % 2, True),
            )
    firm = members[-1]
    if FIRST_SUBTRADER not in state.members[firm].accounts:
        return (
            c.CreateSubtrader(firm, "customer"),
            c.Deposit(firm, FIRST_SUBTRADER, 40 * MICROS_PER_DOLLAR, "the customer's"),
        )
    if not state.series:
        return (c.CreateSeries("S", "quadratic_with_maker_fees", PPM, "{}"),)
    return None if state.events else new_day(chance, now_ns, "1")


def new_day(chance: Random, now_ns: int, day: str) -> Commands:
    """Two events that net, one that does not, and a collection over all of them."""
    listed: list[Command] = []
    events = ((f"X{day}", "MECNET", 3), (f"D{day}", "DIRECNET", 3), (f"P{day}", "", 2))
    for event, returns, count in events:
        listed.append(c.CreateEvent(event, "S", returns == "MECNET", returns, "{}"))
        tickers = tuple([f"{event}-{index}" for index in range(count)])
        for ticker in tickers:
            kind = "scalar" if ticker == f"P{day}-1" else "binary"
            listed.append(_market(chance, now_ns, event, ticker, kind))
        if returns == "DIRECNET":
            listed.append(c.SetStrikeOrder(event, tickers, chance.random() < 0.5))
    associated = tuple([(event, False, 0, 0) for event, _, _ in events])
    is_ordered = chance.random() < 0.5
    end_ns = now_ns + FOREVER_NS
    listed.append(
        c.CreateCollection(f"C{day}", "S", now_ns, end_ns, 2, 3, is_ordered, associated, "{}")
    )
    return tuple(listed)


def _market(chance: Random, now_ns: int, event: str, ticker: str, kind: str) -> c.CreateMarket:
    structure = chance.choice(("linear_cent", "deci_cent"))
    return c.CreateMarket(
        ticker=ticker,
        event_ticker=event,
        market_type=kind,
        open_ns=now_ns + chance.choice((0, 0, 0, 20 * NANOS_PER_SECOND)),
        close_ns=now_ns + chance.choice((chance.randint(20, 900), 1800)) * NANOS_PER_SECOND,
        expected_expiration_ns=0,
        latest_expiration_ns=0,
        settlement_timer_seconds=chance.choice((0, 1, 5, 60)),
        can_close_early=True,
        price_level_structure=structure,
        price_ranges=PRICE_LEVEL_STRUCTURES[structure],
        fractional_trading_enabled=chance.random() < 0.3,
        is_provisional=chance.random() < 0.3,
        fee_waiver_expiration_ns=0,
        details="{}",
    )


class Workload:
    """Commands for one moment. ``name`` begins every name that is given away."""

    def __init__(self, chance: Random, state: Exchange, now_ns: int, name: str) -> None:
        self.chance = chance
        self.state = state
        self.now_ns = now_ns
        self.name = name
        self._names = 0

    def member_wants(self) -> Commands:
        """What somebody who trades does next; now and then several things at once."""
        kinds: list[Callable[[], Command]] = [
            *([self.order] * 44),
            *([self.change_order] * 12),
            *([self.group] * 5),
            *([self.rfq] * 5),
            *([self.quote] * 7),
            *([self.next_step] * 12),
            *([self.agree_off_the_book] * 6),
            *([self.combo] * 4),
            *([self.money] * 9),
            *([self.key] * 2),
        ]
        kind = self.chance.random()
        if kind < 0.86:
            return (self.chance.choice(kinds)(),)
        if kind < 0.92:
            return self.spread()
        wish = self.chance.choice((self.order, self.order, self.change_order))
        return tuple([wish() for _ in range(self.chance.randint(2, 5))])

    def operator_wants(self) -> Commands:
        chance = self.chance
        if self.is_idle() and chance.random() < 0.7:
            return new_day(chance, self.now_ns, self.name)
        kinds: list[Callable[[], Command]] = [
            *([self.result] * 16),
            *([self.operate] * 7),
            *([self.terms] * 6),
            *([self.describe] * 4),
            *([self.payment] * 3),
        ]
        return (chance.choice(kinds)(),)

    def is_idle(self) -> bool:
        """Whether too little trades for much to happen."""
        markets = self.state.markets.values()
        return sum(market.status == ACTIVE and not market.legs for market in markets) < 3

    def new_name(self) -> str:
        self._names += 1
        return f"{self.name}.{self._names}"

    # --- who and where -----------------------------------------------------------------------

    def who(self) -> tuple[int, int]:
        member = self.member()
        if member == next(reversed(self.state.members), 0) and self.chance.random() < 0.4:
            return member, FIRST_SUBTRADER
        return member, self.chance.choice((0, 0, 1))

    def member(self) -> int:
        return self.chance.choice(list(self.state.members) or [1])

    def ticker(self) -> str:
        """Mostly a market that trades; combos count as much as all others together."""
        trading = [m.ticker for m in self.state.markets.values() if m.status == ACTIVE]
        combos = [ticker for ticker in trading if self.state.markets[ticker].legs]
        if combos and self.chance.random() < 0.3:
            return self.chance.choice(combos)
        return self.chance.choice(trading or self.listed() or ["NOWHERE"])

    def listed(self) -> list[str]:
        return [market.ticker for market in self.state.markets.values() if not market.legs]

    def open_order(self) -> Order | None:
        orders = self.state.orders
        return orders[self.chance.choice(list(orders))] if orders else None

    # --- trading -----------------------------------------------------------------------------

    def order(self) -> Command:
        chance = self.chance
        member, subaccount = self.who()
        ticker = self.ticker()
        market = self.state.markets.get(ticker)
        lot = QUANTITY_ONE if market is None else market.lot
        groups = [
            group
            for group in self.state.groups.values()
            if group.account.member.id == member and not group.triggered
        ]
        group_id = 0
        if groups and chance.random() < 0.6:
            group = chance.choice(groups)
            group_id, subaccount = group.id, group.account.number
        kind = chance.random()
        time_in_force = "good_till_canceled"
        if kind < 0.15:
            time_in_force = "immediate_or_cancel"
        elif kind < 0.22:
            time_in_force = "fill_or_kill"
        rests = time_in_force == "good_till_canceled"
        return c.PlaceOrder(
            member,
            subaccount,
            ticker,
            self.new_name(),
            chance.choice(("buy", "buy", "sell")),
            chance.choice(("yes", "no", "no")),
            100 * chance.choice((chance.randint(40, 60), chance.randint(1, 99))),
            chance.randint(1, 15) * (lot if chance.random() < 0.2 else QUANTITY_ONE),
            time_in_force,
            expiration_ns=self.now_ns + chance.randint(1, 20) * NANOS_PER_SECOND
            if rests and chance.random() < 0.15
            else 0,
            post_only=rests and chance.random() < 0.08,
            reduce_only=chance.random() < (0.3 if self.holds(member, subaccount, ticker) else 0.02),
            buy_max_cost=chance.randint(1, 900) * 10_000 if 0.15 < kind < 0.18 else 0,
            self_trade_prevention=chance.choice(("maker", "taker_at_cross")),
            order_group_id=group_id,
            cancel_on_pause=chance.random() < 0.1,
        )

    def holds(self, member: int, subaccount: int, ticker: str) -> bool:
        found = self.account(member, subaccount)
        holding = None if found is None else found.holdings.get(ticker)
        return holding is not None and holding.quantity != 0

    def account(self, member: int, subaccount: int) -> Account | None:
        found = self.state.members.get(member)
        return None if found is None else found.accounts.get(subaccount)

    def spread(self) -> Commands:
        """Positions across an event, all of which can hardly be lost: two members trade with each
        other in several of its markets, and leave a little in the books.
        """
        chance = self.chance
        events: dict[str, list[Market]] = {}
        for market in self.state.markets.values():
            if market.status == ACTIVE and market.event.collateral_return_type:
                events.setdefault(market.event.ticker, []).append(market)
        several = [markets for markets in events.values() if len(markets) > 1]
        one, other = self.who(), self.who()
        if not several or one == other:
            return (self.order(),)
        sides = ("yes", "no") if chance.random() < 0.5 else ("no", "yes")
        wanted: list[Command] = []
        for market in chance.choice(several):
            price = 100 * chance.randint(20, 60)
            size = chance.randint(1, 6) * QUANTITY_ONE
            rest = chance.choice((0, QUANTITY_ONE))
            for who, side, quantity in ((one, sides[0], size), (other, sides[1], size + rest)):
                wanted.append(
                    c.PlaceOrder(*who, market.ticker, self.new_name(), "buy", side, price, quantity)
                )
        return tuple(wanted)

    def change_order(self) -> Command:
        chance = self.chance
        order = self.open_order()
        if order is None:
            return self.order()
        member = order.account.member.id
        lot = order.market.lot
        kind = chance.random()
        if kind < 0.5:
            return c.CancelOrder(member, order.id)
        if kind < 0.65:
            return c.DecreaseOrder(member, order.id, reduce_by=chance.randint(0, 8) * lot)
        if kind < 0.75:
            return c.DecreaseOrder(member, order.id, reduce_to=chance.randint(0, 8) * lot)
        return c.AmendOrder(
            member,
            order.id,
            price=100 * chance.randint(30, 70) if chance.random() < 0.7 else 0,
            quantity=order.filled + chance.randint(0, 12) * lot if chance.random() < 0.5 else 0,
            updated_client_order_id=self.new_name() if chance.random() < 0.5 else "",
        )

    def group(self) -> Command:
        chance = self.chance
        limit = chance.choice((1, 2, 4, 8, 20)) * QUANTITY_ONE
        if not self.state.groups or chance.random() < 0.35:
            return c.CreateOrderGroup(*self.who(), limit)
        group = self.state.groups[chance.choice(list(self.state.groups))]
        member = group.account.member.id
        kind = chance.randrange(5)
        if kind == 0:
            return c.SetOrderGroupLimit(member, group.id, limit)
        if kind == 1:
            return c.TriggerOrderGroup(member, group.id)
        if kind == 2:
            return c.DeleteOrderGroup(member, group.id)
        return c.ResetOrderGroup(member, group.id)

    # --- requests for quotes, combos ---------------------------------------------------------

    def rfq(self) -> Command:
        chance = self.chance
        size = chance.randint(1, 10)
        quantity, cost = (size * QUANTITY_ONE, 0) if chance.random() < 0.6 else (0, size * 10**6)
        rest, replace = chance.random() < 0.5, chance.random() < 0.5
        return c.CreateRfq(*self.who(), self.ticker(), quantity, cost, rest, replace)

    def quote(self) -> Command:
        chance = self.chance
        if not self.state.rfqs:
            return self.rfq()
        unanswered = [rfq.id for rfq in self.state.rfqs.values() if not rfq.quotes]
        rfq = chance.choice(unanswered or list(self.state.rfqs))
        bid = 100 * chance.randint(0, 60)
        other = 100 * chance.randint(0, 45)
        rest, post = chance.random() < 0.5, chance.random() < 0.2
        return c.CreateQuote(*self.who(), rfq, bid, other, rest, post)

    def next_step(self) -> Command:
        """Push a quote on, or let one of the parties try to get away."""
        chance = self.chance
        quotes = list(self.state.quotes.values())
        if not quotes:
            return self.quote()
        going_on = [quote for quote in quotes if quote.status == "accepted"]
        quote = chance.choice(going_on if going_on and chance.random() < 0.8 else quotes)
        maker, asker = quote.account.member.id, quote.rfq.account.member.id
        if chance.random() < 0.15:
            return c.DeleteQuote(maker, quote.id)
        if chance.random() < 0.1:
            return c.DeleteRfq(asker, quote.rfq.id)
        if quote.status == "confirmed" and chance.random() < 0.9:
            return self.quote()
        if quote.status == "open":
            return c.AcceptQuote(asker, quote.id, chance.choice(("yes", "no")))
        return c.ConfirmQuote(maker, quote.id, self.new_name())

    def combo(self) -> Command:
        chance = self.chance
        if not self.state.collections:
            return self.order()
        # Of the older ones little still trades.
        collection = self.state.collections[chance.choice(list(self.state.collections)[-2:])]
        if collection.combos and chance.random() < 0.2:
            known = chance.choice(list(collection.combos))
            return c.LookUpCombo(self.member(), collection.ticker, known)
        markets = self.state.markets.values()
        legs = []
        for event, *_ in collection.associated_events:
            of_event = [m for m in markets if m.event.ticker == event]
            trading = [m for m in of_event if m.status == ACTIVE and m.market_type == "binary"]
            if not trading and chance.random() < 0.9:
                continue
            market = chance.choice(trading or of_event or list(markets))
            legs.append((event, market.ticker, chance.choice(("yes", "no"))))
        if len(legs) > 2 and chance.random() < 0.5:
            del legs[chance.randrange(len(legs))]
        kind = c.CreateCombo if chance.random() < 0.95 else c.LookUpCombo
        return kind(self.member(), collection.ticker, tuple(legs))

    # --- block trades ------------------------------------------------------------------------

    def agree_off_the_book(self) -> Command:
        """Propose to somebody, or accept what waits."""
        chance = self.chance
        pending = [one for one in self.state.block_proposals.values() if one.status == "pending"]
        if pending and chance.random() < 0.75:
            proposal = chance.choice(pending)
            waiting = proposal.seller if proposal.buyer_accepted_ns else proposal.buyer
            number = chance.choice((-1, -1, waiting.number))
            return c.AcceptBlockTrade(waiting.member.id, proposal.id, number)
        buyer, seller = self.who(), self.who()
        return c.ProposeBlockTrade(
            chance.choice((buyer[0], seller[0])),
            *(*buyer, *seller),
            *(self.ticker(), chance.randrange(1, 100) * 100, chance.randint(1, 15) * QUANTITY_ONE),
            *(chance.choice(("yes", "no")), self.now_ns + chance.randint(1, 600) * 10**9),
        )

    # --- money and keys ----------------------------------------------------------------------

    def money(self) -> Command:
        chance = self.chance
        member, subaccount = self.who()
        if chance.random() < 0.4:
            first, second = chance.choice(((0, 1), (1, 0)))
            amount = chance.randint(1, 2000) * 10_000
            return c.TransferBetweenSubaccounts(member, first, second, amount, self.new_name())
        if chance.random() < 0.3:
            return c.SetNetting(member, subaccount, chance.random() < 0.7)
        account = self.account(member, subaccount)
        held = [] if account is None else [h for h in account.holdings.values() if h.quantity]
        if not held:
            return self.payment()
        holding = chance.choice(held)
        quantity = abs(holding.quantity) if chance.random() < 0.5 else holding.market.lot
        ticker, other = holding.market.ticker, 1 - min(subaccount, 1)
        name = self.new_name()
        return c.TransferPosition(member, subaccount, other, ticker, quantity, 5_000, name)

    def payment(self) -> Command:
        member, subaccount = self.who()
        amount = self.chance.randint(1, 2000) * 10_000
        if self.chance.random() < 0.4:
            return c.Withdraw(member, subaccount, amount, self.new_name())
        return c.Deposit(member, subaccount, amount, self.new_name())

    def key(self) -> Command:
        chance = self.chance
        member = self.member()
        if self.state.api_keys and chance.random() < 0.4:
            return c.RemoveApiKey(member, chance.choice(list(self.state.api_keys)))
        return c.AddApiKey(member, self.new_name(), "not a key", ("read", "write"))

    # --- operators ---------------------------------------------------------------------------

    def result(self) -> Command:
        """Results, disputes and amendments; an event's results may well contradict each other."""
        chance = self.chance
        markets = self.state.markets
        unfinished = [t for t in self.listed() if markets[t].status != FINALIZED]
        if not unfinished:
            return c.Tick()
        held = [ticker for ticker in unfinished if markets[ticker].holdings]
        ticker = chance.choice(held if held and chance.random() < 0.8 else unfinished)
        return self.result_of(markets[ticker])

    def event_to_settle(self) -> str:
        """Mostly one in which somebody holds something."""
        events: dict[str, bool] = {}
        for market in self.state.markets.values():
            if market.status != FINALIZED and not market.legs:
                events[market.event.ticker] = bool(market.holdings) or events.get(
                    market.event.ticker, False
                )
        held = [ticker for ticker, is_held in events.items() if is_held]
        return self.chance.choice(held or list(events) or [""])

    def unfinished(self, event_ticker: str) -> list[Market]:
        markets = self.state.markets.values()
        return [m for m in markets if m.event.ticker == event_ticker and m.status != FINALIZED]

    def result_of(self, market: Market) -> Command:
        """The next step of one market towards its settlement, or back."""
        chance = self.chance
        ticker = market.ticker
        if market.status in (DETERMINED, AMENDED):
            return c.DisputeMarket(ticker) if chance.random() < 0.6 else c.Tick()
        if market.status == ACTIVE and chance.random() < 0.2:
            return c.ChangeCloseTime(ticker, self.now_ns)
        kinds = ["yes", "no", "no", "void"]
        if market.market_type == "scalar":
            kinds += ["scalar", "scalar"]
        return c.DetermineMarket(ticker, chance.choice(kinds), chance.randint(0, 10_000))

    def operate(self) -> Command:
        chance = self.chance
        if self.state.exchange_paused:
            return c.SetExchangePause(False)
        if self.state.trading_paused and chance.random() < 0.8:
            return c.SetTradingPause(False)
        ticker = chance.choice(self.listed() or ["NOWHERE"])
        market = self.state.markets.get(ticker)
        status = "" if market is None else market.status
        if status == INACTIVE:
            return c.ReactivateMarket(ticker)
        if status in (ACTIVE, CLOSED) and chance.random() < 0.5:
            later = chance.randint(1, 2000) * NANOS_PER_SECOND
            return c.ChangeCloseTime(ticker, self.now_ns + later)
        if status == DISPUTED:
            return c.DetermineMarket(ticker, chance.choice(("yes", "no")))
        kind = chance.randrange(7)
        if kind == 0:
            return c.SetExchangePause(True)
        if kind == 1:
            return c.SetTradingPause(chance.random() < 0.7)
        if kind <= 3:
            return c.PauseMarket(self.ticker())
        if kind == 4:
            suspended = [member.id for member in self.state.members.values() if member.suspended]
            if suspended and chance.random() < 0.7:
                return c.UpdateMember(chance.choice(suspended), "basic", False)
            return c.UpdateMember(self.member(), "basic", chance.random() < 0.6)
        if kind == 5:
            return c.SetPriceLevelStructure(
                ticker, "deci_cent", PRICE_LEVEL_STRUCTURES["deci_cent"]
            )
        return c.Tick()

    def terms(self) -> Command:
        chance = self.chance
        soon = self.now_ns + chance.randint(0, 40) * NANOS_PER_SECOND
        end = soon + chance.randint(1, 30) * NANOS_PER_SECOND
        if chance.random() < 0.4:
            after = (end, end + NANOS_PER_SECOND)
            return c.SetMaintenanceWindows(
                chance.choice(((), ((soon, end),), ((soon, end), after)))
            )
        return c.ScheduleFeeChange("S", chance.choice(FEES), chance.randint(0, 5 * PPM), soon)

    def describe(self) -> Command:
        chance = self.chance
        kind = chance.randrange(7)
        details = f'{{"n":"{self.name}"}}'
        if kind == 0:
            return c.PublishAnnouncement("info", self.new_name(), "active", self.now_ns)
        if kind == 1:
            return c.PutDocument("milestone", str(chance.randrange(3)), details)
        if kind == 2:
            known = list(self.state.documents.get("milestone", ()))
            return c.RemoveDocument("milestone", chance.choice(known or ["none"]))
        if kind == 3:
            return c.SetSchedule(details)
        if kind == 4:
            return c.UpdateSeries("S", details)
        if kind == 5:
            return c.UpdateEvent(chance.choice(list(self.state.events) or ["NOTHING"]), details)
        return c.UpdateMarket(chance.choice(self.listed() or ["NOWHERE"]), details)
