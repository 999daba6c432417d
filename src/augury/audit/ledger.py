"""What the auditor knows of the exchange: members, accounts, positions, orders and markets.

Plain records without behaviour beyond what follows from their own fields. Units are those of the
log: micro-dollars, ten-thousandths of a dollar, hundredths of a contract, nanoseconds.
"""

from dataclasses import dataclass, field
from typing import Any, Final

DOLLAR: Final = 10_000
"""As a price. Price times quantity is micro-dollars."""

CENT: Final = 10_000
"""As money, micro-dollars."""

CONTRACT: Final = 100
SECOND: Final = 1_000_000_000

YES, NO = 1, -1
"""The direction of an order or a position: what it gains by."""

Leg = tuple[str, str, str]
"""(event ticker, market ticker, side)"""


@dataclass(eq=False)
class Member:
    id: int
    email: str
    precision: int
    """Micro-dollars to which changes of cash are floored."""
    suspended: bool = False
    accounts: dict[int, "Account"] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Client order ids that are taken."""
    old_names: list[str] = field(default_factory=list)
    """Those of closed orders, oldest first."""
    transfers: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    combos: list[int] = field(default_factory=list)
    """When it listed combos under a limit."""
    groups: int = 0
    resting: int = 0


@dataclass(eq=False)
class Account:
    member: Member
    number: int
    customer: str = ""
    cash: int = 0
    netting: bool = False
    returned: dict[str, int] = field(default_factory=dict)
    """Event ticker -> collateral that was returned and not taken back."""
    positions: dict[str, "Position"] = field(default_factory=dict)
    sides: dict[tuple[str, int], dict[int, "Order"]] = field(default_factory=dict)
    """(market ticker, direction) -> orders that reserve collateral, by id."""
    costs: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """What was worked out for a side and has not changed since; see ``reserves``."""

    @property
    def key(self) -> tuple[int, int]:
        return self.member.id, self.number


@dataclass(eq=False)
class Position:
    """``quantity`` is signed: YES positive, NO negative."""

    quantity: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0


@dataclass(eq=False)
class Order:
    id: int
    account: Account
    market: "Market"
    name: str
    action: str
    side: str
    direction: int
    price: int
    remaining: int
    expiration_ns: int
    post_only: bool
    reduce_only: bool
    cancels_resting: bool
    """When it meets an own order: whether that one goes, or this one."""
    group: "Group | None"
    cancel_on_pause: bool
    filled: int = 0
    rounding: int = 0
    """Rounding fees paid and not given back."""
    in_book: bool = False

    @property
    def own_price(self) -> int:
        return self.price if self.direction == YES else DOLLAR - self.price


@dataclass(eq=False)
class Group:
    id: int
    account: Account
    limit: int
    fills: list[tuple[int, int]] = field(default_factory=list)
    """(time, quantity), oldest first."""
    triggered: bool = False
    orders: dict[int, Order] = field(default_factory=dict)

    def room(self, time_ns: int) -> int:
        """What may still be matched in the 15 seconds that end now."""
        return self.limit - sum(q for when, q in self.fills if when > time_ns - 15 * SECOND)


@dataclass(frozen=True)
class Fees:
    kind: str
    multiplier_ppm: int


@dataclass(eq=False)
class Series:
    ticker: str
    fees: Fees
    events: list["Event"] = field(default_factory=list)


@dataclass(eq=False)
class Event:
    ticker: str
    series: Series
    exclusive: bool
    returns: str
    """``MECNET``, ``DIRECNET`` or empty: how collateral is returned."""
    markets: list["Market"] = field(default_factory=list)
    strikes: list[str] = field(default_factory=list)
    below: bool = False


@dataclass(eq=False)
class Market:
    ticker: str
    event: Event
    scalar: bool
    open_ns: int
    close_ns: int
    latest_ns: int
    timer_ns: int
    can_close_early: bool
    bands: list[list[int]]
    lot: int
    provisional: bool
    waiver_ns: int
    reserve_fees: Fees
    """What orders reserve by; a change of fees reaches one market after the other."""
    status: str = "initialized"
    ever_used: bool = False
    result: str = ""
    value: int = 0
    """What a YES contract pays, as a price."""
    due_ns: int = 0
    escrow: int = 0
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    """Both best first: by price, then by age."""
    holders: dict[tuple[int, int], Account] = field(default_factory=dict)
    collection: "Collection | None" = None
    legs: tuple[Leg, ...] = ()
    combos: list[str] = field(default_factory=list)
    rfqs: dict[int, "Rfq"] = field(default_factory=dict)


@dataclass(eq=False)
class Collection:
    ticker: str
    series: Series
    open_ns: int
    close_ns: int
    size_min: int
    size_max: int
    ordered: bool
    allowed: list[list[Any]]
    combos: dict[tuple[Leg, ...], str] = field(default_factory=dict)


@dataclass(eq=False)
class Rfq:
    id: int
    account: Account
    market: Market
    quantity: int
    target_cost: int
    rest_remainder: bool
    expires_ns: int = 0
    quotes: dict[int, "Quote"] = field(default_factory=dict)


@dataclass(eq=False)
class Quote:
    id: int
    rfq: Rfq
    account: Account
    yes_bid: int
    no_bid: int
    rest_remainder: bool
    post_only: bool
    status: str = "open"
    due_ns: int = 0
    accepted_side: str = ""
    quantity: int = 0
    taker_id: int = 0
    taker_name: str = ""
    maker_id: int = 0
    maker_name: str = ""


class Refused(Exception):
    """The exchange's rules do not allow the command; nothing has changed."""


@dataclass(frozen=True, order=True)
class Movement:
    """One movement of an account's money, as the auditor or the exchange reports it."""

    kind: str
    """``fill``, ``settlement``, ``collateral``"""
    member: int
    subaccount: int
    subject: str
    """Ticker of the market, or of the event whose collateral was returned."""
    cash: int
    """What the account's cash changed by."""
    fee: int = 0
    price: int = 0
    quantity: int = 0
    position: int = 0


@dataclass(eq=False)
class Proposal:
    """A trade off the book that waits for its second side."""

    id: int
    proposer_id: int
    market: Market
    sides: dict[int, Account]
    """Direction -> account."""
    waits_for: int
    """Direction of the side that has not agreed."""
    price: int
    quantity: int
    maker: int
    """Direction of the maker."""
    expiration_ns: int


@dataclass
class Books:
    """Everything together."""

    sequence: int = 0
    time_ns: int = 0
    members: dict[int, Member] = field(default_factory=dict)
    emails: set[str] = field(default_factory=set)
    series: dict[str, Series] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    markets: dict[str, Market] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    rfqs: dict[int, Rfq] = field(default_factory=dict)
    quotes: dict[int, Quote] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    fee_changes: dict[int, tuple[str, Fees]] = field(default_factory=dict)
    """Those to come: (series ticker, terms)."""
    windows: list[tuple[int, int]] = field(default_factory=list)
    in_maintenance: bool = False
    trading_paused: bool = False
    exchange_paused: bool = False
    fees: int = 0
    house: int = 0
    outside: int = 0
    alarms: list[tuple[int, int, int, str]] = field(default_factory=list)
    """A heap of (time, kind, id, ticker); see ``lifecycle``."""
    movements: list[Movement] = field(default_factory=list)
    """Of the entry that was carried out last."""
    unsettled: dict[tuple[int, int, str], None] = field(default_factory=dict)
    """(member, account, market) whose position moved since collateral was last looked at."""

    def account(self, member_id: int, number: int) -> Account:
        member = self.members.get(member_id)
        if member is None or number not in member.accounts:
            raise Refused("no such account")
        return member.accounts[number]

    def market(self, ticker: str) -> Market:
        if ticker not in self.markets:
            raise Refused("no such market")
        return self.markets[ticker]


def same_owner(one: Account, other: Account) -> bool:
    """Accounts of one member do not trade with each other, but its customers stand alone."""
    if one is other:
        return True
    return one.member is other.member and not one.customer and not other.customer


def on_grid(bands: list[list[int]], price: int) -> bool:
    return 0 < price < DOLLAR and any(
        start <= price <= end and (price - start) % step == 0 for start, end, step in bands
    )


def prices_of(bands: list[list[int]]) -> list[int]:
    """Every valid price."""
    found = {p for start, end, step in bands for p in range(start, end + 1, step)}
    return sorted(found - {0, DOLLAR})


def is_grid(bands: list[list[int]]) -> bool:
    """Bands join from $0 to $1 and the complement of each price is a price as well."""
    reached = 0
    for start, end, step in bands:
        if start != reached or end <= start or step <= 0 or (end - start) % step:
            return False
        reached = end
    prices = prices_of(bands)
    return reached == DOLLAR and prices == [DOLLAR - price for price in reversed(prices)]
