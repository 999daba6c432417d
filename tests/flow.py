"""A small busy exchange as a stream of commands, the same for the same seed.

For tests that need many records of every trading kind and do not care which.
"""

import random
from collections.abc import Iterator
from typing import Final

from augury.core import commands as c
from augury.core.commands import Command
from augury.core.prices import PRICE_LEVEL_STRUCTURES

START_NS: Final = 1_760_000_000_000_000_000
DAY_NS: Final = 86_400_000_000_000

MARKETS: Final = ("RAIN-MON", "RAIN-TUE", "RAIN-WED")
MEMBERS: Final = 5


def listing(close_ns: int = START_NS + DAY_NS) -> list[Command]:
    """Members with money (their ids are 1 to ``MEMBERS``), then a series with its markets."""
    commands: list[Command] = [
        c.CreateMember(f"member{number}@example.com") for number in range(1, MEMBERS + 1)
    ]
    commands += [c.Deposit(member, 0, 10_000_000_000) for member in range(1, MEMBERS + 1)]
    commands.append(c.CreateSeries("RAIN", "quadratic", 1_000_000, '{"title":"Rain"}'))
    commands.append(c.CreateEvent("RAIN-WEEK", "RAIN", False, "", '{"title":"This week"}'))
    commands += [
        c.CreateMarket(
            ticker=ticker,
            event_ticker="RAIN-WEEK",
            market_type="binary",
            open_ns=START_NS,
            close_ns=close_ns,
            expected_expiration_ns=0,
            latest_expiration_ns=close_ns + DAY_NS,
            settlement_timer_seconds=60,
            can_close_early=True,
            price_level_structure="linear_cent",
            price_ranges=PRICE_LEVEL_STRUCTURES["linear_cent"],
            fractional_trading_enabled=False,
            is_provisional=False,
            fee_waiver_expiration_ns=0,
            details="{}",
        )
        for ticker in MARKETS
    ]
    return commands


def trading(seed: int, first_sequence: int) -> Iterator[Command]:
    """Endless orders, cancels, decreases and amends; the first gets ``first_sequence``."""
    chance = random.Random(seed)
    sequence = first_sequence
    recent: list[tuple[int, int]] = []
    while True:
        kind = chance.random()
        if kind < 0.6 or not recent:
            member = chance.randint(1, MEMBERS)
            recent = [*recent[-50:], (sequence, member)]
            yield c.PlaceOrder(
                member,
                0,
                chance.choice(MARKETS),
                f"order-{sequence}",
                chance.choice(("buy", "sell")),
                chance.choice(("yes", "no")),
                100 * chance.randint(40, 60),
                100 * chance.randint(1, 20),
                "good_till_canceled",
                START_NS + chance.randint(1, DAY_NS) if chance.random() < 0.1 else 0,
            )
        else:
            order_id, member = chance.choice(recent)
            if kind < 0.85:
                yield c.CancelOrder(member, order_id)
            elif kind < 0.92:
                yield c.DecreaseOrder(member, order_id, reduce_by=100)
            else:
                yield c.AmendOrder(member, order_id, price=100 * chance.randint(40, 60))
        sequence += 1
