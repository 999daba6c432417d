"""A small exchange under a stream of commands of every kind, made from plain bytes.

Every eight bytes are one command, chosen with the state of the moment in view, so that most are
carried out and every kind of refusal occurs. Bytes can come from Hypothesis, which then finds the
shortest stream that breaks a rule, or from a seed.
"""

from collections.abc import Iterator
from typing import Final

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES, is_on_grid
from augury.core.state import (
    ACTIVE,
    AMENDED,
    CLOSED,
    DETERMINED,
    DISPUTED,
    FINALIZED,
    FIRST_SUBTRADER,
    INACTIVE,
)
from augury.core.units import MICROS_PER_DOLLAR, NANOS_PER_SECOND, QUANTITY_ONE

START_NS: Final = 1_760_000_000 * NANOS_PER_SECOND
LATER_NS: Final = START_NS + 86_400 * NANOS_PER_SECOND
WIDTH: Final = 8
"""Bytes per command."""

# (series, fee type, fee multiplier in parts per million, collateral return, price structure,
# whether fractions trade, names of the markets)
EVENTS: Final = (
    ("PLAIN", "quadratic", 1_000_000, "", "linear_cent", False, ("PLAIN-M",)),
    ("MAKER", "quadratic_with_maker_fees", 2_336_000, "", "linear_cent", False, ("MAKER-M",)),
    (
        *("FINE", "quadratic_with_maker_fees", 1_000_000, "MECNET", "tapered_deci_cent", True),
        ("FINE-A", "FINE-B", "FINE-C"),
    ),
    ("FLAT", "flat", 10_000_000, "DIRECNET", "deci_cent", True, ("FLAT-LOW", "FLAT-HIGH")),
)
COLLECTION: Final = "PAIRS"
# (e-mail, balance precision, deposit in dollars)
MEMBERS: Final = (
    ("rich@example.com", 10_000, 100_000),
    ("poor@example.com", 10_000, 9),
    ("exact@example.com", 100, 7),
    ("thrifty@example.com", 10_000, 40),
)


class Flow:
    """An engine, the members and markets listed above, and what was done to it."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = Engine() if engine is None else engine
        self.time_ns = START_NS
        self.applied: list[Applied] = []
        """Every record and what it did, in order."""

    def apply(self, command: Command, after_ns: int = 1_000_000) -> Applied:
        self.time_ns += after_ns
        sequence = self.engine.state.sequence + 1
        self.applied.append(self.engine.apply(sequence, self.time_ns, command))
        return self.applied[-1]

    @classmethod
    def listed(cls) -> "Flow":
        """A flow that is ready to trade."""
        flow = cls()
        flow.list_everything()
        return flow

    def list_everything(self) -> None:
        self.members = []
        for email, precision, dollars in MEMBERS:
            self.apply(c.CreateMember(email, balance_precision=precision))
            member_id = self.engine.state.sequence
            self.members.append(member_id)
            self.apply(c.CreateSubaccount(member_id))
            self.apply(c.Deposit(member_id, 0, dollars * MICROS_PER_DOLLAR))
            self.apply(c.Deposit(member_id, 1, dollars * MICROS_PER_DOLLAR // 2))
        self.apply(c.CreateSubtrader(self.members[0], "customer"))
        self.apply(c.Deposit(self.members[0], FIRST_SUBTRADER, 30 * MICROS_PER_DOLLAR))
        self.tickers: list[str] = []
        for series, fee_type, multiplier, returns, structure, fractional, tickers in EVENTS:
            self.apply(c.CreateSeries(series, fee_type, multiplier, "{}"))
            self.apply(c.CreateEvent(f"{series}-E", series, returns == "MECNET", returns, "{}"))
            for ticker in tickers:
                self.list_market(f"{series}-E", ticker, structure, fractional, bool(returns))
        self.apply(c.SetStrikeOrder("FLAT-E", ("FLAT-LOW", "FLAT-HIGH"), False))
        legs = (("PLAIN-E", False, 0, 0), ("FINE-E", False, 0, 2), ("MAKER-E", True, 0, 1))
        self.apply(
            c.CreateCollection(COLLECTION, "PLAIN", START_NS, LATER_NS, 2, 3, False, legs, "{}")
        )
        self.grids = {
            ticker: [p for p in range(1, 10_000) if is_on_grid(market.price_ranges, p)]
            for ticker, market in self.engine.state.markets.items()
        }

    def list_market(
        self, event: str, ticker: str, structure: str, fractional: bool, binary: bool
    ) -> None:
        self.tickers.append(ticker)
        self.apply(
            c.CreateMarket(
                ticker=ticker,
                event_ticker=event,
                market_type="binary" if binary else "scalar",
                open_ns=START_NS,
                close_ns=START_NS + 600 * NANOS_PER_SECOND,
                expected_expiration_ns=0,
                latest_expiration_ns=0,
                settlement_timer_seconds=20,
                can_close_early=True,
                price_level_structure=structure,
                price_ranges=PRICE_LEVEL_STRUCTURES[structure],
                fractional_trading_enabled=fractional,
                is_provisional=False,
                fee_waiver_expiration_ns=0,
                details="{}",
            )
        )

    def run(self, data: bytes) -> Iterator[Applied]:
        """Apply the commands that ``data`` stands for, one at a time."""
        for start in range(0, len(data) - WIDTH + 1, WIDTH):
            word = data[start : start + WIDTH]
            # Mostly a millisecond passes; sometimes seconds, so that windows and timers move.
            after_ns = 1_000_000 if word[7] < 240 else (word[7] - 239) * NANOS_PER_SECOND
            yield self.apply(self.command(word), after_ns)

    def command(self, word: bytes) -> Command:
        kind = word[0]
        member = self.members[word[1] % len(self.members)]
        subaccount = 1 if word[1] >= 192 else 0
        if word[1] == 0:
            subaccount = FIRST_SUBTRADER
        ticker = self.ticker(word[2])
        state = self.engine.state
        if (state.exchange_paused or state.trading_paused) and word[7] % 4 == 0:
            return self.lifecycle(word, ticker)
        if kind < 120:
            return self.place(word, member, subaccount, ticker)
        if kind < 180:
            return self.manage(word, member, subaccount, ticker)
        if kind < 190:
            return self.group(word, member, subaccount)
        if kind < 204:
            return self.money(word, member, subaccount, ticker)
        if kind < 228:
            return self.communicate(word, member, subaccount, ticker)
        if kind < 234:
            return self.terms(word, member, subaccount)
        if kind < 246:
            return self.lifecycle(word, ticker)
        return self.nonsense(word, member, ticker)

    def ticker(self, byte: int) -> str:
        """Mostly a market that trades, as long as there is one."""
        markets = self.engine.state.markets
        trading = [ticker for ticker, market in markets.items() if market.status == ACTIVE]
        if not trading or byte >= 236:
            trading = list(markets)
        return trading[byte % len(trading)]

    def manage(self, word: bytes, member: int, subaccount: int, ticker: str) -> Command:
        """Cancel, decrease or amend one of the member's orders."""
        orders = self.engine.state.orders.values()
        mine = [order for order in orders if order.account.member.id == member]
        if not mine:
            return self.place(word, member, subaccount, ticker)
        order = mine[word[3] % len(mine)]
        lot = order.market.lot
        if word[0] < 136:
            return c.CancelOrder(member, order.id)
        if word[0] < 144:
            return c.DecreaseOrder(member, order.id, reduce_by=word[4] % 8 * lot)
        if word[0] < 150:
            return c.DecreaseOrder(member, order.id, reduce_to=word[4] % 8 * lot)
        return c.AmendOrder(
            member,
            order.id,
            price=self.price(order.market.ticker, word[4]) if word[6] & 1 else 0,
            quantity=order.filled + word[5] % 12 * lot if word[6] & 2 else 0,
            updated_client_order_id=f"c{word[5] % 64}" if word[6] & 12 == 12 else "",
        )

    def money(self, word: bytes, member: int, subaccount: int, ticker: str) -> Command:
        amount = (1 + word[4]) * 10_000
        kind = word[3] % 6
        if kind == 0:
            return c.Withdraw(member, subaccount, amount)
        if kind == 1 and word[1] % len(self.members) == 0:
            return c.Deposit(member, subaccount, amount)
        if kind <= 2:
            return c.TransferBetweenSubaccounts(member, 0, 1, amount, f"t{word[5]}")
        if kind == 3:
            return c.SetNetting(member, subaccount, word[5] % 3 > 0)
        account = self.engine.state.members[member].accounts[subaccount]
        holdings = [holding for holding in account.holdings.values() if holding.quantity]
        if not holdings:
            return c.SetNetting(member, subaccount, word[5] % 3 > 0)
        holding = holdings[word[5] % len(holdings)]
        return c.TransferPosition(
            member,
            subaccount,
            1 - subaccount,
            holding.market.ticker,
            min(abs(holding.quantity), (1 + word[6] % 4) * holding.market.lot),
            word[4] * 10_000 // 255,
            "",
        )

    def communicate(self, word: bytes, member: int, subaccount: int, ticker: str) -> Command:
        """Whatever is the next step of a request for quotes, most of the time."""
        state = self.engine.state
        rfqs = list(state.rfqs.values())
        quotes = list(state.quotes.values())
        many = (1 + word[5] % 20) * QUANTITY_ONE
        if not rfqs or word[3] < 40:
            if word[3] % 4 == 0:
                legs = (
                    ("PLAIN-E", "PLAIN-M", "yes"),
                    ("FINE-E", f"FINE-{'ABC'[word[4] % 3]}", "no"),
                )
                return c.CreateCombo(member, COLLECTION, legs)
            quantity, cost = (many, 0) if word[6] & 1 else (0, many * 3_000)
            return c.CreateRfq(
                member, subaccount, ticker, quantity, cost, word[6] & 2 != 0, word[6] & 4 != 0
            )
        rfq = rfqs[word[4] % len(rfqs)]
        if not quotes or word[3] < 90:
            price = self.price(rfq.market.ticker, word[5])
            return c.CreateQuote(
                member, subaccount, rfq.id, price, 10_000 - price - 100 * (word[6] % 3), True
            )
        quote = quotes[word[4] % len(quotes)]
        if word[3] < 100:
            return c.DeleteQuote(quote.account.member.id, quote.id)
        if word[3] < 105:
            return c.DeleteRfq(rfq.account.member.id, rfq.id)
        if quote.status == "accepted":
            return c.ConfirmQuote(quote.account.member.id, quote.id, f"c{word[5] % 64}")
        side = "yes" if word[6] & 1 else "no"
        return c.AcceptQuote(quote.rfq.account.member.id, quote.id, side)

    def terms(self, word: bytes, member: int, subaccount: int) -> Command:
        soon = self.time_ns + (1 + word[4] % 30) * NANOS_PER_SECOND
        if word[3] % 3 == 0:
            end = soon + (1 + word[5] % 20) * NANOS_PER_SECOND
            start = self.time_ns if word[6] & 1 else soon
            return c.SetMaintenanceWindows(
                ((start, end), (end, end + word[5] * NANOS_PER_SECOND // 32)) if word[5] else ()
            )
        if word[3] % 3 == 1:
            kinds = ("quadratic", "quadratic_with_maker_fees", "flat")
            series = EVENTS[word[5] % len(EVENTS)][0]
            return c.ScheduleFeeChange(series, kinds[word[6] % 3], word[4] * 20_000, soon)
        return c.SetNetting(member, subaccount, word[5] % 3 > 0)

    def price(self, ticker: str, byte: int) -> int:
        """Mostly near the middle, where orders meet; sometimes anywhere on the grid."""
        grid = self.grids.get(ticker, self.grids["PLAIN-M"])
        if byte < 192:
            return grid[len(grid) * 9 // 20 + byte % max(2, len(grid) // 10)]
        return grid[(byte - 192) * (len(grid) - 1) // 63]

    def place(self, word: bytes, member: int, subaccount: int, ticker: str) -> Command:
        flags = word[6]
        kind = word[3] >> 2 & 15
        time_in_force = "good_till_canceled"
        if kind in (0, 1):
            time_in_force = "immediate_or_cancel"
        elif kind in (2, 3):
            time_in_force = "fill_or_kill"
        lot = self.engine.state.markets[ticker].lot
        many = 1 + word[5] % 24 if word[5] < 224 else word[5]
        groups = [
            group
            for group in self.engine.state.groups.values()
            if group.account.member.id == member and (not group.triggered or flags & 128)
        ]
        if groups and flags & 8:
            subaccount = groups[flags % len(groups)].account.number
        return c.PlaceOrder(
            member,
            subaccount,
            ticker,
            f"c{word[5] % 64}" if flags & 96 == 96 else "",
            "buy" if word[3] & 1 else "sell",
            "yes" if word[3] & 2 else "no",
            self.price(ticker, word[4]),
            many * (lot if flags & 1 else QUANTITY_ONE),
            time_in_force,
            expiration_ns=self.time_ns + word[5] * 50_000_000 if kind == 4 else 0,
            post_only=kind == 5,
            reduce_only=kind in (6, 7) or (kind == 0 and flags & 2 != 0),
            buy_max_cost=word[5] * 40_000 if kind == 8 and flags & 2 else 0,
            self_trade_prevention="maker" if flags & 4 else "taker_at_cross",
            order_group_id=groups[flags % len(groups)].id if groups and flags & 8 else 0,
            cancel_on_pause=flags & 16 != 0,
        )

    def group(self, word: bytes, member: int, subaccount: int) -> Command:
        groups = [g for g in self.engine.state.groups.values() if g.account.member.id == member]
        limit = (1 + word[4] % 20) * QUANTITY_ONE
        if not groups or word[3] < 80:
            return c.CreateOrderGroup(member, subaccount, limit)
        group = groups[word[5] % len(groups)]
        kinds = (c.ResetOrderGroup, c.TriggerOrderGroup, c.DeleteOrderGroup)
        if word[3] < 130:
            return c.SetOrderGroupLimit(member, group.id, limit)
        return kinds[word[3] % 3](member, group.id)

    def lifecycle(self, word: bytes, ticker: str) -> Command:
        """Mostly a step back to trading when something stands still, seldom one away from it."""
        state = self.engine.state
        if state.exchange_paused:
            return c.SetExchangePause(False)
        if state.trading_paused:
            return c.SetTradingPause(False)
        market = state.markets[ticker]
        if market.status == INACTIVE:
            return c.ReactivateMarket(ticker)
        if market.status == CLOSED:
            if word[4] < 230:
                return c.ChangeCloseTime(ticker, self.time_ns + 300 * NANOS_PER_SECOND)
        if market.status in (CLOSED, DISPUTED):
            return self.determine(ticker, word)
        if market.status in (DETERMINED, AMENDED):
            return c.DisputeMarket(ticker) if word[4] < 80 else c.Tick()
        if market.status == FINALIZED or word[4] < 120:
            return c.Tick()
        if word[4] < 160:
            return c.PauseMarket(ticker)
        if word[4] < 190:
            return c.ChangeCloseTime(ticker, self.time_ns + word[5] * NANOS_PER_SECOND)
        if word[4] < 210:
            return c.SetTradingPause(True)
        if word[4] < 225:
            return c.SetExchangePause(True)
        if word[4] < 245:
            return c.UpdateMember(self.members[1], "basic", word[5] % 4 == 0)
        return self.determine(ticker, word)

    def determine(self, ticker: str, word: bytes) -> Command:
        kinds = ("yes", "no", "void")
        if self.engine.state.markets[ticker].market_type == "scalar":
            kinds = ("yes", "no", "scalar")
        result = kinds[word[5] % 3] if word[5] < 240 else "void"
        return c.DetermineMarket(ticker, result, word[6] * 39)

    def nonsense(self, word: bytes, member: int, ticker: str) -> Command:
        """What a confused or hostile client sends."""
        order_id = word[4]
        quantity = word[5] - 128
        choices: tuple[Command, ...] = (
            c.PlaceOrder(member, 0, "NOWHERE", "", "buy", "yes", 5000, 100),
            c.PlaceOrder(member, 7, ticker, "", "buy", "yes", 5000, 100),
            c.PlaceOrder(10**9, 0, ticker, "", "buy", "yes", 5000, 100),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5003, 100),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", quantity, 100),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5000, quantity),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5000, 10**17),
            c.PlaceOrder(member, 0, ticker, "", "steal", "yes", 5000, 100),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5000, 100, "forever"),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5000, 100, expiration_ns=quantity),
            c.PlaceOrder(member, 0, ticker, "", "buy", "yes", 5000, 100, order_group_id=order_id),
            c.CancelOrder(member, order_id),
            c.AmendOrder(member, order_id, price=5000, quantity=quantity),
            c.DecreaseOrder(member, order_id, reduce_by=quantity, reduce_to=quantity),
            c.Deposit(member, 0, quantity - 200),
            c.Withdraw(member, 0, 10**15),
        )
        return choices[word[3] % len(choices)]
