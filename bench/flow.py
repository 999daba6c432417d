"""The mixed flow of the core's benchmarks, and the clock that times it.

45% orders that rest, 35% cancels, 15% orders that cross, 5% amends, over 50 markets and 500
members with collateral, fees and client order ids. The flow reacts to what happened, as traders
do (few cancel what has been filled), so an engine runs along while it is made up. The same seed
gives the same commands.
"""

import random
import time
from collections.abc import Iterator

from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.events import OrderUpdated
from augury.core.prices import PRICE_LEVEL_STRUCTURES

MARKETS = 50
MEMBERS = 500
START_NS = 1_760_000_000_000_000_000
FOREVER_NS = START_NS + 10**18
CHUNK = 100
"""The flow looks at what happened after so many commands."""


def listing() -> Iterator[Command]:
    """Members 1 to 500 with money, and the markets."""
    for number in range(1, MEMBERS + 1):
        yield c.CreateMember(f"member{number}@example.com")
    for number in range(1, MEMBERS + 1):
        yield c.Deposit(number, 0, 10**12)
    for number in range(5):
        fee_type = ("quadratic", "quadratic_with_maker_fees")[number % 2]
        yield c.CreateSeries(f"SERIES{number}", fee_type, 1_000_000, "{}")
    for number in range(MARKETS):
        event = f"SERIES{number % 5}-{number}"
        yield c.CreateEvent(event, f"SERIES{number % 5}", False, "", "{}")
        yield c.CreateMarket(
            ticker=ticker(number),
            event_ticker=event,
            market_type="binary",
            open_ns=START_NS,
            close_ns=FOREVER_NS,
            expected_expiration_ns=0,
            latest_expiration_ns=0,
            settlement_timer_seconds=60,
            can_close_early=True,
            price_level_structure="linear_cent",
            price_ranges=PRICE_LEVEL_STRUCTURES["linear_cent"],
            fractional_trading_enabled=False,
            is_provisional=False,
            fee_waiver_expiration_ns=0,
            details="{}",
        )


def ticker(number: int) -> str:
    return f"SERIES{number % 5}-{number}-M"


class MixedFlow:
    """Makes the commands and knows which orders are still open."""

    def __init__(self, engine: Engine, seed: int = 1) -> None:
        self.engine = engine
        self.chance = random.Random(seed)
        self.middle = [50] * MARKETS
        self.open: list[tuple[int, int, int]] = []
        """(order id, member, market number) in no order."""
        self.place_of: dict[int, int] = {}
        self.sequence = engine.state.sequence

    def chunk(self, size: int = CHUNK) -> list[Command]:
        """The next commands. ``take_in`` what they did before asking for more."""
        return [self.command() for _ in range(size)]

    def command(self) -> Command:
        chance = self.chance
        self.sequence += 1
        kind = chance.random()
        market = chance.randrange(MARKETS)
        member = chance.randint(1, MEMBERS)
        if kind >= 0.6 and self.open:
            order_id, owner, of_market = chance.choice(self.open)
            if kind < 0.95:
                return c.CancelOrder(owner, order_id)
            away = chance.randint(1, 9)
            order = self.engine.state.orders[order_id]
            price = self.middle[of_market] + (-away if order.direction > 0 else away)
            return c.AmendOrder(
                owner, order_id, price=100 * price, quantity=order.filled + 100 * away
            )
        if chance.random() < 0.01:
            self.middle[market] = min(80, max(20, self.middle[market] + chance.choice((-1, 1))))
        buys = chance.random() < 0.5
        if kind < 0.45:
            away = 1 + min(18, int(chance.expovariate(0.3)))
            price = self.middle[market] + (-away if buys else away)
            as_yes = chance.random() < 0.5
            action = "buy" if buys == as_yes else "sell"
            side = "yes" if as_yes else "no"
            many, time_in_force = chance.randint(1, 50), "good_till_canceled"
        else:
            price = self.middle[market] + (6 if buys else -6)
            action, side = ("buy" if buys else "sell"), "yes"
            many, time_in_force = chance.randint(1, 40), "immediate_or_cancel"
        client_order_id = f"order-{self.sequence}"
        return c.PlaceOrder(
            member,
            0,
            ticker(market),
            client_order_id,
            action,
            side,
            100 * price,
            100 * many,
            time_in_force,
        )

    def take_in(self, applied: list[Applied]) -> None:
        for record in applied:
            for event in record.events:
                if isinstance(event, OrderUpdated):
                    self.follow(event)

    def follow(self, event: OrderUpdated) -> None:
        place = self.place_of.get(event.order_id)
        if event.status == "resting":
            if place is None:
                self.place_of[event.order_id] = len(self.open)
                market = int(event.market_ticker.split("-")[1])
                self.open.append((event.order_id, event.member_id, market))
        elif place is not None:
            del self.place_of[event.order_id]
            last = self.open.pop()
            if last[0] != event.order_id:
                self.open[place] = last
                self.place_of[last[0]] = place


def listed_engine() -> Engine:
    engine = Engine()
    for sequence, command in enumerate(listing(), start=1):
        engine.apply(sequence, START_NS, command)
    return engine


def made_up(commands: int) -> list[Command]:
    """The first so many commands of the flow, to be applied after ``listing``."""
    engine = listed_engine()
    flow = MixedFlow(engine)
    made: list[Command] = []
    while len(made) < commands:
        chunk = flow.chunk()
        made += chunk
        first = engine.state.sequence + 1
        flow.take_in(
            [
                engine.apply(sequence, START_NS + sequence, command)
                for sequence, command in enumerate(chunk, start=first)
            ]
        )
    return made


def apply_all(engine: Engine, commands: list[Command]) -> float:
    """Apply them one after another; returns the processor seconds that took."""
    apply = engine.apply
    sequence = engine.state.sequence
    began = time.process_time()
    for command in commands:
        sequence += 1
        apply(sequence, START_NS + sequence, command)
    return time.process_time() - began


def run(engine: Engine, flow: MixedFlow, commands: int) -> float:
    """Make up that many commands and apply them; returns the processor seconds of the latter."""
    seconds = 0.0
    for _ in range(commands // CHUNK):
        chunk = flow.chunk()
        applied: list[Applied] = []
        apply = engine.apply
        sequence = engine.state.sequence
        began = time.process_time()
        for command in chunk:
            sequence += 1
            applied.append(apply(sequence, START_NS + sequence, command))
        seconds += time.process_time() - began
        flow.take_in(applied)
    return seconds
