"""Tables of trading in text files: one action per line, the expected result last.

A file holds scenarios. Each begins with a line ``== what it shows``, may say what is given, and
then plays on a ``Stage``, so that every line is also checked against all invariants and against a
copy out of a snapshot. Prices are cents of the side that is named, quantities contracts, times
seconds since the stage was set up. What a line can say is the table ``ACTIONS`` below; ``exchange``
lines are those of the stage.

    == The oldest order of a price trades first
    given members ann bob cat
    ann buy yes 5 at 40 as a1      -> a1 rests 5
    bob buy yes 5 at 40 as b1      -> b1 rests 5
    cat sell yes 6 at 40 as c1     -> 5 at 40 with a1; 1 at 40 with b1; c1 executed; a1 executed; \
                                      b1 rests 4
    book                           -> bids 40x4; asks -
    ann has                        -> cash $998, free $998, M +5

Nothing costs a fee unless the scenario says so.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from augury.core import commands as c
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.book import BookSide
from augury.core.commands import Command
from augury.core.queries import queue_position
from augury.core.units import ASK, MICROS_PER_DOLLAR, NANOS_PER_SECOND, PPM, QUANTITY_ONE
from tests.core_stage import START_NS, Stage, cents, contracts, money, number, option, price

FLAGS: Final[dict[str, dict[str, object]]] = {
    "ioc": {"time_in_force": "immediate_or_cancel"},
    "fok": {"time_in_force": "fill_or_kill"},
    "post-only": {"post_only": True},
    "reduce-only": {"reduce_only": True},
    "stp-maker": {"self_trade_prevention": "maker"},
    "cancel-on-pause": {"cancel_on_pause": True},
}


class Scenario:
    """The name and the lines of one table."""

    def __init__(self, source: str, name: str) -> None:
        self.source = source
        self.name = name
        self.lines: list[str] = []

    def __repr__(self) -> str:
        return f"{self.source}: {self.name}"

    def play(self) -> None:
        """Play every line; fails with the results so far at the first that differs."""
        given = [line.split()[1:] for line in self.lines if line.startswith("given ")]
        desk = Desk(given)
        played: list[str] = []
        for line in self.lines:
            if line.startswith("given "):
                continue
            action, arrow, expected = line.partition("->")
            assert arrow, f"no expected result: {line}"
            result = desk.line(action)
            played.append(f"{action.rstrip():50} -> {result}")
            wanted = " ".join(expected.split())
            assert result == wanted, "\n".join(("", *played, f"{'but expected':>50} -> {wanted}"))


def scenarios(path: Path) -> list[Scenario]:
    """The scenarios of a file. A line that ends in a backslash goes on in the next."""
    found: list[Scenario] = []
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("== "):
            found.append(Scenario(path.stem, line[3:]))
        elif line and not line.startswith("#"):
            found[-1].lines.append(line)
    return found


class Desk(Stage):
    """A stage whose orders and order groups have names of their own."""

    def __init__(self, given: list[list[str]]) -> None:
        facts = {words[0]: words[1:] for words in given}
        dollars: dict[str, float] = {}
        for word in facts.get("members", ["ann", "bob", "cat"]):
            if word.startswith("$"):
                dollars[next(reversed(dollars))] = float(word[1:])
            else:
                dollars[word] = 1000
        fees = facts.get("fees", ["quadratic", "0"])
        super().__init__(
            dollars,
            fee_type=fees[0],
            fee_multiplier=float(fees[1]),
            structure=facts.get("structure", ["linear_cent"])[0],
            fractional="fractional" in facts,
            settlement_timer=int(facts.get("timer", ["0"])[0]),
        )
        self.labels: dict[int, str] = {}
        """Order id -> name; orders without one are called by their member."""
        self.groups: dict[str, int] = {}
        self.group_names: dict[int, str] = {}
        self.fills: dict[int, list[e.OrderFilled]] = {}
        self.last: dict[int, e.OrderUpdated] = {}
        self.tickers = ["M"]

    def line(self, action: str) -> str:
        words = action.split()
        if words[0] == "wait":
            return self.tell(self.do(c.Tick(), float(words[1])))
        if words[0] == "exchange":
            return self.tell(self.do(self.operate(words[1], words[2:])))
        if words[0] in QUESTIONS:
            return QUESTIONS[words[0]](self, words[1:])
        who, verb, *rest = words
        if verb == "has":
            return self.holdings(who, rest)
        command = ACTIONS[verb](self, who, rest, verb)
        if isinstance(command, c.CreateMarket):
            self.tickers.append(command.ticker)
        applied = self.do(command)
        name = option(rest, "as", "")
        if applied.rejection is None and isinstance(command, c.PlaceOrder):
            self.orders[name or who] = applied.sequence
            self.labels[applied.sequence] = name or who
        elif applied.rejection is None and isinstance(command, c.CreateOrderGroup):
            self.groups[name] = applied.sequence
            self.group_names[applied.sequence] = name
        return self.tell(applied)

    def sentences(self, applied: Applied) -> Iterator[str]:
        for event in applied.events:
            if isinstance(event, e.OrderFilled):
                self.fills.setdefault(event.order_id, []).append(event)
            elif isinstance(event, e.OrderUpdated):
                self.last[event.order_id] = event
            sentence = self.sentence(event)
            if sentence:
                yield sentence

    def sentence(self, event: e.Event) -> str:
        match event:
            case e.TradeExecuted():
                size = number(event.quantity / QUANTITY_ONE)
                return f"{size} at {cents(event.price)} with {self.labels[event.maker_order_id]}"
            case e.OrderUpdated():
                name = self.labels[event.order_id]
                if event.status == "resting":
                    return f"{name} rests {number(event.remaining_quantity / QUANTITY_ONE)}"
                if event.status == "executed":
                    return f"{name} executed"
                after = number(event.filled_quantity / QUANTITY_ONE)
                return f"{name} canceled {event.reason}" + (
                    f" after {after}" if after != "0" else ""
                )
            case e.OrderGroupUpdated():
                return f"{self.group_names.get(event.order_group_id, 'group')} {event.kind}"
            case e.MarketCloseTimeChanged():
                seconds = number((event.close_ns - START_NS) / NANOS_PER_SECOND)
                return f"{event.ticker} closes at {seconds}"
            case e.MarketSettled(removed=True):
                return f"{event.ticker} vanishes"
            case e.MarketCreated() | e.EventCreated():
                return ""
            case e.SubaccountCreated():
                return f"subaccount {event.subaccount}"
            case _:
                return super().sentence(event)

    def holdings(self, who: str, words: list[str]) -> str:
        """WHO has [in SUBACCOUNT]"""
        account = self.account(who, int(option(words, "in", "0")))
        parts = [f"cash {dollars(account.cash)}", f"free {dollars(account.available)}"]
        for ticker, holding in sorted(account.holdings.items()):
            if holding.quantity:
                position = number(holding.quantity / QUANTITY_ONE)
                parts.append(f"{ticker} {'+' if holding.quantity > 0 else ''}{position}")
        return ", ".join(parts)

    def order_id(self, name: str) -> int:
        return self.orders.get(name, 999_999)


def dollars(micros: int) -> str:
    return f"${number(micros / MICROS_PER_DOLLAR)}"


def book(desk: Desk, words: list[str]) -> str:
    """book [in MARKET]: levels, best first, as PRICExCOUNT."""
    market = desk.engine.state.markets[option(words, "in", "M")]
    return f"bids {side(market.bids)}; asks {side(market.asks)}"


def side(levels: BookSide) -> str:
    depth = levels.depth() if levels.direction == ASK else reversed(levels.depth())
    return " ".join(f"{cents(p)}x{number(q / QUANTITY_ONE)}" for p, q in depth) or "-"


def market_facts(desk: Desk, words: list[str]) -> str:
    """market [TICKER]"""
    market = desk.engine.state.markets.get(words[0] if words else "M")
    if market is None:
        return "gone"
    return (
        f"{market.status}, last {cents(market.last_price)}, "
        f"volume {number(market.volume / QUANTITY_ONE)}, "
        f"open {number(market.open_interest / QUANTITY_ONE)}"
    )


def queue(desk: Desk, words: list[str]) -> str:
    """queue ORDER: contracts that trade before it."""
    order = desk.engine.state.orders[desk.orders[words[0]]]
    return number(queue_position(order) / QUANTITY_ONE)


def fees(desk: Desk, words: list[str]) -> str:
    """fees ORDER: the net fee of each fill."""
    fills = desk.fills.get(desk.orders[words[0]], [])
    return " ".join(f"${fill.fee / MICROS_PER_DOLLAR:.6f}" for fill in fills)


def rounding(desk: Desk, words: list[str]) -> str:
    """rounding ORDER: trade fee, rounding fee and rebate of each fill."""
    fills = desk.fills.get(desk.orders[words[0]], [])
    return " ".join(
        f"{fill.trade_fee / PPM:.4f}+{fill.rounding_fee / PPM:.6f}-{fill.rebate / PPM:g}"
        for fill in fills
    )


def order_facts(desk: Desk, words: list[str]) -> str:
    """order NAME: as it was last told."""
    event = desk.last[desk.orders[words[0]]]
    count = [
        number(quantity / QUANTITY_ONE)
        for quantity in (event.filled_quantity, event.remaining_quantity, event.initial_quantity)
    ]
    return f"{event.status}, filled {count[0]}, left {count[1]}, initial {count[2]}"


def ledger(desk: Desk, words: list[str]) -> str:
    """ledger: what the exchange itself has taken."""
    books = desk.engine.state.ledger
    return f"fees {dollars(books.fees)}, house {dollars(books.house)}"


QUESTIONS: Final[dict[str, Callable[[Desk, list[str]], str]]] = {
    "book": book,
    "market": market_facts,
    "queue": queue,
    "fees": fees,
    "rounding": rounding,
    "order": order_facts,
    "ledger": ledger,
}


def place(desk: Desk, who: str, words: list[str], action: str) -> Command:
    """WHO buy|sell yes|no COUNT at PRICE [as NAME] [id CLIENT_ORDER_ID] [until SECONDS]
    [max $COST] [group NAME] [in MARKET] [sub N] [flags]"""
    own_price = price(words[3])
    arguments: dict[str, object] = {}
    for word in words:
        arguments |= FLAGS.get(word, {})
    if "until" in words:
        arguments["expiration_ns"] = desk.at(float(option(words, "until", "")))
    return c.PlaceOrder(
        desk.members[who],
        int(option(words, "sub", "0")),
        option(words, "in", "M"),
        option(words, "id", ""),
        action,
        words[0],
        own_price if words[0] == "yes" else 10_000 - own_price,
        contracts(words[1]),
        buy_max_cost=money(option(words, "max", "0")),
        order_group_id=desk.groups.get(option(words, "group", ""), 0),
        **arguments,  # type: ignore[arg-type]
    )


def amend(desk: Desk, who: str, words: list[str], _: str) -> Command:
    """WHO amend ORDER [to PRICE] [size TOTAL] [id CLIENT_ORDER_ID]; the price is a YES price."""
    return c.AmendOrder(
        desk.members[who],
        desk.order_id(words[0]),
        price=price(option(words, "to", "0")),
        quantity=contracts(option(words, "size", "0")),
        updated_client_order_id=option(words, "id", ""),
    )


def decrease(desk: Desk, who: str, words: list[str], _: str) -> Command:
    """WHO decrease ORDER by COUNT | to COUNT"""
    size = contracts(words[2])
    by, to = (size, -1) if words[1] == "by" else (-1, size)
    return c.DecreaseOrder(desk.members[who], desk.order_id(words[0]), by, to)


def cancel(desk: Desk, who: str, words: list[str], _: str) -> Command:
    """WHO cancel ORDER [sub N]"""
    return c.CancelOrder(
        desk.members[who], desk.order_id(words[0]), int(option(words, "sub", "-1"))
    )


def transfer(desk: Desk, who: str, words: list[str], _: str) -> Command:
    """WHO transfer $AMOUNT from N to N [id CLIENT_TRANSFER_ID]"""
    return c.TransferBetweenSubaccounts(
        desk.members[who],
        int(option(words, "from", "0")),
        int(option(words, "to", "0")),
        money(words[0]),
        option(words, "id", ""),
    )


def move_money(desk: Desk, who: str, words: list[str], verb: str) -> Command:
    """WHO deposit|withdraw $AMOUNT [sub N]"""
    command = c.Deposit if verb == "deposit" else c.Withdraw
    return command(desk.members[who], int(option(words, "sub", "0")), money(words[0]))


def group(desk: Desk, who: str, words: list[str], verb: str) -> Command:
    """WHO group LIMIT as NAME [sub N] | reset NAME | trigger NAME | delete NAME | limit NAME N"""
    member = desk.members[who]
    if verb == "group":
        return c.CreateOrderGroup(member, int(option(words, "sub", "0")), contracts(words[0]))
    group_id = desk.groups[words[0]]
    if verb == "limit":
        return c.SetOrderGroupLimit(member, group_id, contracts(words[1]))
    kinds = {"reset": c.ResetOrderGroup, "trigger": c.TriggerOrderGroup}
    return kinds.get(verb, c.DeleteOrderGroup)(member, group_id)


def list_market(desk: Desk, who: str, words: list[str], _: str) -> Command:
    """operator lists TICKER [type] [opens SECONDS] [closes SECONDS] [timer SECONDS] [provisional]
    [waives-fees-until SECONDS] [fixed-close]"""
    return c.CreateMarket(
        ticker=words[0],
        event_ticker="E",
        market_type="scalar" if "scalar" in words else "binary",
        open_ns=desk.at(float(option(words, "opens", "0"))),
        close_ns=desk.at(float(option(words, "closes", "7200"))),
        expected_expiration_ns=0,
        latest_expiration_ns=desk.at(9_000),
        settlement_timer_seconds=int(option(words, "timer", "0")),
        can_close_early="fixed-close" not in words,
        price_level_structure="linear_cent",
        price_ranges=((0, 10_000, 100),),
        fractional_trading_enabled=False,
        is_provisional="provisional" in words,
        fee_waiver_expiration_ns=desk.at(float(option(words, "waives-fees-until", "0"))),
        details="{}",
    )


ACTIONS: Final[dict[str, Callable[[Desk, str, list[str], str], Command]]] = {
    "buy": place,
    "sell": place,
    "amend": amend,
    "decrease": decrease,
    "cancel": cancel,
    "transfer": transfer,
    "deposit": move_money,
    "withdraw": move_money,
    "subaccount": lambda desk, who, words, verb: c.CreateSubaccount(desk.members[who]),
    "group": group,
    "reset": group,
    "trigger": group,
    "delete": group,
    "limit": group,
    "lists": list_market,
}
