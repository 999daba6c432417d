"""A stage on which tables of trading are played, one line per action, the expected result last.

    asker   rfq 10                 -> rfq created
    maker   quote 40 55            -> maker quote created
    asker   accept maker yes       -> maker quote accepted
    maker   confirm                -> maker quote confirmed
    wait    15                     -> 10 at 40: maker from asker; maker quote executed; ...

Every line is also checked against all invariants, played a second time by an exchange that has
just been read from a snapshot, and, when it is refused, shown to have changed nothing. Prices are
cents of the YES side unless the line says otherwise; ``...`` skips the rest of the results.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from augury.core import commands as c
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.snapshot import Row, dump_state, load_state
from augury.core.state import Account
from augury.core.units import (
    MICROS_PER_DOLLAR,
    NANOS_PER_SECOND,
    PPM,
    PRICES_PER_CENT,
    QUANTITY_ONE,
)
from augury.testing.invariants import check
from tests.core_digest import digest_of

START_NS: Final = 1_760_000_000 * NANOS_PER_SECOND
CLOSE_SECONDS: Final = 7_200

FLAGS: Final[dict[str, dict[str, object]]] = {
    "ioc": {"time_in_force": "immediate_or_cancel"},
    "fok": {"time_in_force": "fill_or_kill"},
    "post": {"post_only": True},
    "reduce": {"reduce_only": True},
    "stp-maker": {"self_trade_prevention": "maker"},
    "pausing": {"cancel_on_pause": True},
}


class Stage:
    """An exchange with members known by name. Nothing costs a fee unless the stage says so."""

    def __init__(
        self,
        dollars: Mapping[str, float],
        *,
        fee_type: str = "quadratic",
        fee_multiplier: float = 0,
        structure: str = "linear_cent",
        fractional: bool = False,
        settlement_timer: int = 0,
        events: dict[str, tuple[str, ...]] | None = None,
        returns: str = "",
    ) -> None:
        self.engine = Engine()
        self.time_ns = START_NS
        self.members: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.subaccounts: dict[str, int] = {}
        """Name -> account that its lines use; 0 unless ``as_subaccount`` was called."""
        self.orders: dict[str, int] = {}
        self.rfqs: dict[str, int] = {}
        self.quotes: dict[str, int] = {}
        self.combos: dict[str, str] = {}
        """Short name -> ticker of the combo's market."""
        for name, amount in dollars.items():
            member_id = self.do(c.CreateMember(f"{name}@example.com")).sequence
            self.members[name] = member_id
            self.names[member_id] = name
            if amount:
                self.do(c.Deposit(member_id, 0, round(amount * MICROS_PER_DOLLAR)))
        self.do(c.CreateSeries("S", fee_type, round(fee_multiplier * PPM), "{}"))
        for event, markets in (events or {"E": ("M",)}).items():
            self.do(c.CreateEvent(event, "S", returns == "MECNET", returns, "{}"))
            for ticker in markets:
                self.list_market(event, ticker, structure, fractional, settlement_timer)
            if returns == "DIRECNET":
                self.do(c.SetStrikeOrder(event, markets, False))

    def list_market(
        self,
        event: str,
        ticker: str,
        structure: str = "linear_cent",
        fractional: bool = False,
        settlement_timer: int = 0,
        close_seconds: int = CLOSE_SECONDS,
        market_type: str = "binary",
        is_provisional: bool = False,
    ) -> None:
        self.do(
            c.CreateMarket(
                ticker=ticker,
                event_ticker=event,
                market_type=market_type,
                open_ns=START_NS,
                close_ns=START_NS + close_seconds * NANOS_PER_SECOND,
                expected_expiration_ns=0,
                latest_expiration_ns=0,
                settlement_timer_seconds=settlement_timer,
                can_close_early=True,
                price_level_structure=structure,
                price_ranges=PRICE_LEVEL_STRUCTURES[structure],
                fractional_trading_enabled=fractional,
                is_provisional=is_provisional,
                fee_waiver_expiration_ns=0,
                details="{}",
            )
        )

    def do(self, command: Command, after: float = 0) -> Applied:
        """Apply a command to the exchange and to a copy out of a snapshot, and compare."""
        self.time_ns += round(after * NANOS_PER_SECOND)
        before = list(dump_state(self.engine.state))
        copy = Engine(load_state(before))
        assert copy.next_timer_ns() == self.engine.next_timer_ns()
        applied = self.engine.apply(self.engine.state.sequence + 1, self.time_ns, command)
        twin = copy.apply(applied.sequence, self.time_ns, command)
        assert digest_of(twin) == digest_of(applied)
        rows = list(dump_state(self.engine.state))
        assert list(dump_state(copy.state)) == rows
        if applied.rejection is not None and applied.own_from == 0:
            assert len(applied.events) == 1
            assert timeless(rows) == timeless(before), "a refused command changed something"
        check(self.engine.state)
        return applied

    def account(self, who: str, subaccount: int | None = None) -> Account:
        number = self.subaccounts.get(who, 0) if subaccount is None else subaccount
        return self.engine.state.members[self.members[who]].accounts[number]

    def cash(self, who: str, subaccount: int | None = None) -> float:
        """Dollars."""
        return self.account(who, subaccount).cash / MICROS_PER_DOLLAR

    def position(self, who: str, ticker: str = "M", subaccount: int | None = None) -> float:
        """Contracts; NO is negative."""
        holding = self.account(who, subaccount).holdings.get(ticker)
        return 0 if holding is None else holding.quantity / QUANTITY_ONE

    def play(self, table: str) -> None:
        """Play every line; fails with all results in view at the first that differs."""
        played: list[str] = []
        for line in table.strip().splitlines():
            action, _, expected = line.partition("->")
            if not action.strip():
                continue
            result = self.line(action)
            played.append(f"{action.rstrip():40} -> {result}")
            wanted = " ".join(expected.split())
            if wanted.endswith("..."):
                matches = result.startswith(wanted[:-3].strip().rstrip(";"))
            else:
                matches = result == wanted
            assert matches, "\n".join(("", *played, f"{'instead of':>40} -> {wanted}"))

    def line(self, action: str) -> str:
        """Play one action; returns what came of it."""
        who, verb, *words = [*action.split(), ""]
        words = [word for word in words if word]
        if who == "wait":
            return self.tell(self.do(c.Tick(), float(verb)))
        if who == "exchange":
            return self.tell(self.do(self.operate(verb, words)))
        command = PLAYS[verb](self, who, words)
        applied = self.do(command)
        if verb in ("combo", "find") and applied.rejection is None:
            (found,) = [event for event in applied.events if isinstance(event, e.ComboLookedUp)]
            self.combos[words[0]] = found.market_ticker
        if applied.rejection is None:
            for kind, known in (
                (c.PlaceOrder, self.orders),
                (c.CreateRfq, self.rfqs),
                (c.CreateQuote, self.quotes),
            ):
                if isinstance(command, kind):
                    known[who] = applied.sequence
        return self.tell(applied)

    def tell(self, applied: Applied) -> str:
        return "; ".join(self.sentences(applied))

    def sentences(self, applied: Applied) -> Iterator[str]:
        """What a trader would notice, in the order of the events."""
        fills: list[e.OrderFilled] = []
        for event in applied.events:
            if isinstance(event, e.OrderFilled):
                fills.append(event)
                if len(fills) == 2:
                    buys = [(fill.action == "buy") == (fill.side == "yes") for fill in fills]
                    buyer, seller = fills if buys[0] else fills[::-1]
                    yield (
                        f"{number(event.quantity / QUANTITY_ONE)} at {cents(event.price)}: "
                        f"{self.names[buyer.member_id]} from {self.names[seller.member_id]}"
                    )
                    fills = []
                continue
            sentence = self.sentence(event)
            if sentence:
                yield sentence

    def short(self, ticker: str) -> str:
        """The name that the table gave a combo, or the ticker itself."""
        for name, known in self.combos.items():
            if known == ticker:
                return name
        return ticker

    def sentence(self, event: e.Event) -> str:
        match event:
            case e.CommandRejected():
                return f"refused {event.code}"
            case e.OrderUpdated(status="resting", reason="placed"):
                rests = number(event.remaining_quantity / QUANTITY_ONE)
                return f"{self.names[event.member_id]} rests {rests}"
            case e.OrderUpdated(status="canceled"):
                return f"{self.names[event.member_id]} order canceled {event.reason}"
            case e.RfqUpdated():
                return f"rfq {event.kind} {event.reason}".rstrip()
            case e.QuoteUpdated():
                return f"{self.names[event.member_id]} quote {event.kind} {event.reason}".rstrip()
            case e.TradingPauseChanged():
                return "trading paused" if event.paused else "trading resumed"
            case e.ExchangePauseChanged():
                return "exchange paused" if event.paused else "exchange resumed"
            case e.MarketCreated():
                return f"{self.short(event.ticker)} listed"
            case e.ComboLookedUp():
                return f"{self.short(event.market_ticker)} found"
            case e.MarketSettled(removed=True):
                return f"{self.short(event.ticker)} vanishes"
            case e.MarketStatusChanged():
                return f"{self.short(event.ticker)} {event.reason}"
            case e.MarketDetermined():
                value = f" {cents(event.settlement_value)}" if event.result == "scalar" else ""
                return f"{self.short(event.ticker)} is {event.result}{value}"
            case e.PositionSettled():
                revenue = number(event.revenue / MICROS_PER_DOLLAR)
                return f"{self.names[event.member_id]} is paid ${revenue}"
            case e.CollateralReturned():
                amount = number(event.amount / MICROS_PER_DOLLAR)
                return f"{self.names[event.member_id]} gets back ${amount}"
            case e.FeesChanged():
                return f"fees {event.fee_type} x{number(event.fee_multiplier_ppm / PPM)}"
            case _:
                return ""

    def operate(self, verb: str, words: list[str]) -> Command:
        """The operator's lines, and those of nobody in particular."""
        if verb in ("pause", "resume"):
            return c.SetTradingPause(verb == "pause")
        if verb in ("halt", "unhalt"):
            return c.SetExchangePause(verb == "halt")
        if verb in ("suspend", "readmit"):
            return c.UpdateMember(self.members[words[0]], "basic", verb == "suspend")
        if verb == "windows":
            # Seconds since the stage was set up.
            spans = [[float(end) for end in word.split("-")] for word in words]
            return c.SetMaintenanceWindows(
                tuple([(self.at(span[0]), self.at(span[1])) for span in spans])
            )
        if verb == "fees":
            when = self.at(float(words[2])) if len(words) > 2 else self.time_ns
            return c.ScheduleFeeChange("S", words[0], round(float(words[1]) * PPM), when)
        ticker = self.combos.get(words[0], words[0])
        if verb == "close":
            close_ns = self.at(float(words[1])) if len(words) > 1 else self.time_ns
            return c.ChangeCloseTime(ticker, close_ns)
        if verb in ("deactivate", "reactivate"):
            return (c.PauseMarket if verb == "deactivate" else c.ReactivateMarket)(ticker)
        if verb == "dispute":
            return c.DisputeMarket(ticker)
        assert verb == "determine", verb
        if words[1] in ("yes", "no", "void"):
            return c.DetermineMarket(ticker, words[1])
        return c.DetermineMarket(ticker, "scalar", price(words[1]))

    @staticmethod
    def at(seconds: float) -> int:
        return START_NS + round(seconds * NANOS_PER_SECOND)


def timeless(rows: list[Row]) -> list[Row]:
    """The state without its first row's sequence and time, which every record moves."""
    return [[*rows[0][:2], *rows[0][4:]], *rows[1:]]


def number(value: float) -> str:
    return f"{value:g}"


def price(word: str) -> int:
    return round(float(word) * PRICES_PER_CENT)


def cents(value: int) -> str:
    return number(value / PRICES_PER_CENT)


def contracts(word: str) -> int:
    return round(float(word) * QUANTITY_ONE)


def option(words: list[str], name: str, default: str) -> str:
    """The word after ``name``."""
    return words[words.index(name) + 1] if name in words else default


def market(stage: Stage, words: list[str]) -> str:
    """The ticker that follows ``in``; M without."""
    name = option(words, "in", "M")
    return stage.combos.get(name, name)


def legs(stage: Stage, words: list[str]) -> tuple[tuple[str, str, str], ...]:
    """yes:MARKET or no:MARKET, each under its own event or the one that ``@EVENT`` claims."""
    found = []
    for word in words:
        side, _, rest = word.partition(":")
        ticker, _, claimed = rest.partition("@")
        known = stage.engine.state.markets.get(ticker)
        found.append((claimed or ("E" if known is None else known.event.ticker), ticker, side))
    return tuple(found)


def place(stage: Stage, who: str, action: str, words: list[str]) -> Command:
    """buy|sell yes|no COUNT PRICE [in MARKET] [sub N] [flags]; the price is that of the side."""
    side, count, own_price = words[:3]
    yes_price = price(own_price) if side == "yes" else 10_000 - price(own_price)
    arguments: dict[str, object] = {}
    for word in words[3:]:
        arguments |= FLAGS.get(word, {})
    return c.PlaceOrder(
        stage.members[who],
        int(option(words, "sub", str(stage.subaccounts.get(who, 0)))),
        market(stage, words),
        "",
        action,
        side,
        yes_price,
        contracts(count),
        **arguments,  # type: ignore[arg-type]
    )


def ask(stage: Stage, who: str, words: list[str]) -> Command:
    """rfq COUNT|$COST [in MARKET] [rest] [replace]"""
    size = words[0]
    by_cost = size.startswith("$")
    return c.CreateRfq(
        stage.members[who],
        int(option(words, "sub", str(stage.subaccounts.get(who, 0)))),
        market(stage, words),
        0 if by_cost else contracts(size),
        round(float(size[1:]) * MICROS_PER_DOLLAR) if by_cost else 0,
        "rest" in words,
        "replace" in words,
    )


def quote(stage: Stage, who: str, words: list[str]) -> Command:
    """quote YES_BID NO_BID [to ASKER] [rest] [post]"""
    return c.CreateQuote(
        stage.members[who],
        int(option(words, "sub", str(stage.subaccounts.get(who, 0)))),
        stage.rfqs[option(words, "to", "asker")],
        price(words[0]),
        price(words[1]),
        "rest" in words,
        "post" in words,
    )


def move(stage: Stage, who: str, words: list[str]) -> Command:
    """move COUNT PRICE from N to N [in MARKET]"""
    return c.TransferPosition(
        stage.members[who],
        int(option(words, "from", "0")),
        int(option(words, "to", "1")),
        market(stage, words),
        contracts(words[0]),
        price(words[1]),
        option(words, "as", ""),
    )


def money(word: str) -> int:
    return round(float(word.removeprefix("$")) * MICROS_PER_DOLLAR)


PLAYS: Final[dict[str, Callable[[Stage, str, list[str]], Command]]] = {
    "buy": lambda stage, who, words: place(stage, who, "buy", words),
    "sell": lambda stage, who, words: place(stage, who, "sell", words),
    "cancel": lambda stage, who, words: c.CancelOrder(stage.members[who], stage.orders[who]),
    "rfq": ask,
    "unrfq": lambda stage, who, words: c.DeleteRfq(
        stage.members[who], stage.rfqs[words[0] if words else who]
    ),
    "quote": quote,
    "unquote": lambda stage, who, words: c.DeleteQuote(
        stage.members[who], stage.quotes[words[0] if words else who]
    ),
    "accept": lambda stage, who, words: c.AcceptQuote(
        stage.members[who], stage.quotes[words[0]], words[1]
    ),
    "confirm": lambda stage, who, words: c.ConfirmQuote(
        stage.members[who], stage.quotes[words[0] if words else who]
    ),
    "deposit": lambda stage, who, words: c.Deposit(stage.members[who], 0, money(words[0])),
    "withdraw": lambda stage, who, words: c.Withdraw(
        stage.members[who], stage.subaccounts.get(who, 0), money(words[0])
    ),
    "netting": lambda stage, who, words: c.SetNetting(
        stage.members[who], stage.subaccounts.get(who, 0), words[0] == "on"
    ),
    "move": move,
    # combo NAME LEG LEG ...: the name is how later lines speak of it.
    "combo": lambda stage, who, words: c.CreateCombo(
        stage.members[who], "PAIRS", legs(stage, words[1:])
    ),
    "find": lambda stage, who, words: c.LookUpCombo(
        stage.members[who], "PAIRS", legs(stage, words[1:])
    ),
}
