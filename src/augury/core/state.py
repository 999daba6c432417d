"""The state of the exchange: plain objects, changed only by the engine.

Gateways may read them between two commands and must never write. Everything here can be
rebuilt by replaying the log; ``snapshot`` writes it out and reads it back.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from augury.core.book import BookSide, Level
from augury.core.fees import FeeSchedule
from augury.core.prices import Band, common_step, is_on_grid, single_step
from augury.core.units import ASK, BID, PRICE_ONE, QUANTITY_ONE, floor_to

if TYPE_CHECKING:
    from augury.core.negotiation import BlockProposal, Quote, Rfq

# Market states, rules section 2.
INITIALIZED: Final = "initialized"
ACTIVE: Final = "active"
INACTIVE: Final = "inactive"
CLOSED: Final = "closed"
DETERMINED: Final = "determined"
DISPUTED: Final = "disputed"
AMENDED: Final = "amended"
FINALIZED: Final = "finalized"

# Order states.
RESTING: Final = "resting"
EXECUTED: Final = "executed"
CANCELED: Final = "canceled"

MAX_SUBACCOUNT: Final = 63
"""The largest number that a subaccount can have; the API of 3.6 opens half as many."""
FIRST_SUBTRADER: Final = 1_000
"""Accounts of a clearing member's customers are numbered from here."""
ANY_SUBACCOUNT: Final = -1
"""Stands for no restriction to one subaccount."""
API_KEY_SCOPES: Final = (
    "read",
    "write",
    "read::portfolio_balance",
    "read::block_trade_accept",
    "write::trade",
    "write::transfer",
    "write::block_trade_accept",
)
"""What a key may be granted; a scope contains those that begin with it (rules, section 15)."""
MAX_OPEN_ORDERS: Final = 200_000
REMEMBERED_CLIENT_ORDER_IDS: Final = 100_000
"""How many closed orders of a member still count as duplicates of a client order id."""
FORGOTTEN_AT_ONCE: Final = 1_000
"""The oldest are forgotten in lots, which costs less than one by one."""


Timer = tuple[int, int, int, str]
"""(due, kind, order id or 0, market ticker or empty); see ``timers``."""


class ApiKey:
    """A public key that signs for a member. ``id`` is the creating sequence number.

    ``subaccount`` is the only one that the key is for, or ``ANY_SUBACCOUNT``.
    """

    __slots__ = ("id", "member_id", "name", "profile", "public_key_pem", "scopes", "subaccount")

    def __init__(
        self,
        id: int,
        member_id: int,
        name: str,
        public_key_pem: str,
        scopes: tuple[str, ...],
        profile: str,
        subaccount: int = ANY_SUBACCOUNT,
    ) -> None:
        self.id = id
        self.member_id = member_id
        self.name = name
        self.public_key_pem = public_key_pem
        self.scopes = scopes
        self.profile = profile
        self.subaccount = subaccount


class Member:
    """A member of the exchange with its subaccounts and open orders."""

    __slots__ = (
        "accounts",
        "api_key_ids",
        "balance_precision",
        "block_offers",
        "block_proposals",
        "client_order_ids",
        "closed_client_order_ids",
        "combos_listed_ns",
        "created_ns",
        "email",
        "id",
        "open_order_ids",
        "open_orders",
        "order_groups",
        "primary",
        "rfqs",
        "subtraders",
        "suspended",
        "transfer_ids",
        "usage_tier",
    )

    def __init__(
        self, id: int, email: str, usage_tier: str, balance_precision: int, created_ns: int
    ) -> None:
        self.id = id
        self.email = email
        self.usage_tier = usage_tier
        self.balance_precision = balance_precision
        self.created_ns = created_ns
        self.suspended = False
        self.primary = Account(self, 0)
        self.accounts: dict[int, Account] = {0: self.primary}
        self.api_key_ids: list[int] = []
        self.client_order_ids: set[str] = set()
        """Those of open orders and of remembered closed ones. Only ever asked, never listed."""
        self.closed_client_order_ids: list[str] = []
        """The remembered ones whose order has closed, oldest first."""
        self.transfer_ids: dict[str, int] = {}
        self.combos_listed_ns: list[int] = []
        """When it listed combos, oldest first, as far as a limit still counts them."""
        self.open_orders = 0
        self.open_order_ids: list[int] = []
        """Ascending; may still hold ids of closed orders, which readers skip."""
        self.order_groups = 0
        self.rfqs: dict[int, Rfq] = {}
        """Open requests for quotes by id; likewise in ``Market``."""
        self.block_proposals: dict[int, BlockProposal] = {}
        """Those it made, by id, ascending; ``block_offers`` are those that others made to it."""
        self.block_offers: dict[int, BlockProposal] = {}
        self.subtraders: dict[str, int] = {}
        """Customer -> number of its account, for a clearing member."""

    def remember_closed(self, client_order_id: str) -> None:
        """Keep a closed order's client id as taken; forget the oldest beyond the limit."""
        closed = self.closed_client_order_ids
        closed.append(client_order_id)
        if len(closed) >= REMEMBERED_CLIENT_ORDER_IDS + FORGOTTEN_AT_ONCE:
            for name in closed[:FORGOTTEN_AT_ONCE]:
                self.client_order_ids.discard(name)
            del closed[:FORGOTTEN_AT_ONCE]


class Account:
    """One subaccount: isolated cash and holdings."""

    __slots__ = (
        "cash",
        "event_reserves",
        "exact_reserve",
        "holdings",
        "member",
        "netting",
        "number",
        "ragged_levels",
        "returned",
        "subtrader",
    )

    def __init__(self, member: Member, number: int, subtrader: str = "") -> None:
        self.member = member
        self.number = number
        self.subtrader = subtrader
        """Name of the clearing member's customer whose account this is; usually empty."""
        self.cash = 0
        self.netting = False
        """Whether collateral that cannot be lost across an event is returned."""
        self.returned: dict[str, int] = {}
        """Event ticker -> collateral returned and not taken back, where that is not zero."""
        self.event_reserves: dict[str, EventReserve] = {}
        """By event ticker; what orders hold back in events that net, while this account nets."""
        self.exact_reserve = 0
        """What resting orders could cost, micro-dollars."""
        self.ragged_levels = 0
        """How many own price levels could move cash by a fraction of the member's precision."""
        self.holdings: dict[str, Holding] = {}
        """By market ticker; exists while there is a position, a resting order, or a past."""

    @property
    def reserved(self) -> int:
        """What is held back for resting orders.

        Where every fill moves cash by whole steps of the member's precision, a fraction of a
        step can never be spent, and holding it would refuse an order that can be paid.
        """
        if self.ragged_levels:
            return self.exact_reserve
        return floor_to(self.exact_reserve, self.member.balance_precision)

    @property
    def available(self) -> int:
        """Cash that is free to use, micro-dollars."""
        return self.cash - self.reserved


class EventReserve:
    """What a netting subaccount's resting orders in one event hold back, micro-dollars.

    See ``collateral`` for the two bounds and why the smaller one suffices.
    """

    __slots__ = ("closing_first", "full", "held")

    def __init__(self) -> None:
        self.full = 0
        """As if every order opened a position."""
        self.closing_first = 0
        """As for an account that does not net; to it comes what was returned."""
        self.held = 0
        """Part of ``Account.exact_reserve``."""


@mypyc_attr(acyclic=True, free_list_len=1)
class OwnLevel:
    """What one subaccount has resting at one price of one side."""

    __slots__ = (
        "orders",
        "price",
        "quantity",
        "ragged",
        "reduce_only_orders",
        "reduce_only_quantity",
        "reduce_only_rounding",
        "rounding",
        "slack",
        "unit",
    )

    def __init__(self, price: int) -> None:
        self.price = price
        self.unit = 0
        """Micro-dollars to hold per lot that would open a position, worst-case fee included."""
        self.slack = 0
        """Micro-dollars that the rounding of one order's fills may cost; 0 if nothing rounds."""
        self.ragged = False
        """Whether a fill could move cash by a fraction of the member's precision."""
        self.quantity = 0
        """Resting quantity that may open a position."""
        self.orders = 0
        """How many orders that quantity is spread over."""
        self.rounding = 0
        """What those orders have paid of their slack."""
        self.reduce_only_quantity = 0
        self.reduce_only_orders = 0
        self.reduce_only_rounding = 0


class OwnSide:
    """A subaccount's resting orders on one side of one market, as far as collateral goes.

    It does not know its holding: a cycle would outlive the market in a process that, like the
    server, does without the cycle collector.
    """

    __slots__ = (
        "closing_first",
        "direction",
        "full",
        "gross",
        "levels",
        "next_touched",
        "reserve",
        "resting_quantity",
        "touched_in",
    )

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.levels: list[OwnLevel] = []
        """Best price first, which is the order in which they would trade."""
        self.gross = 0
        """What this side would hold back if no order closed a position."""
        self.reserve = 0
        """What this side holds back now; part of ``Account.exact_reserve``. 0 where it nets."""
        self.full = 0
        self.closing_first = 0
        """This side's parts of an ``EventReserve``; 0 where it does not net."""
        self.resting_quantity = 0
        self.touched_in: Holding | None = None
        """Its holding while the running step has it noted, and what it noted next."""
        self.next_touched: OwnSide | None = None


class Holding:
    """Position and resting orders of one subaccount in one market."""

    __slots__ = (
        "account",
        "asks",
        "bids",
        "cost",
        "fees_paid",
        "market",
        "moved",
        "next_moved",
        "quantity",
        "realized_pnl",
        "traded_cost",
        "traded_quantity",
        "updated_ns",
    )

    def __init__(self, account: Account, market: "Market") -> None:
        self.account = account
        self.market = market
        self.quantity = 0
        """Signed: YES positive, NO negative."""
        self.cost = 0
        self.realized_pnl = 0
        self.fees_paid = 0
        self.traded_cost = 0
        self.traded_quantity = 0
        self.updated_ns = 0
        self.bids = OwnSide(BID)
        self.asks = OwnSide(ASK)
        self.moved = False
        """Whether the position changed in the running step; the step's next one follows."""
        self.next_moved: Holding | None = None


class Order:
    """An order that rests, or that is being entered. Dropped once it is closed."""

    __slots__ = (
        "account",
        "action",
        "cancel_on_pause",
        "client_order_id",
        "created_ns",
        "direction",
        "expiration_ns",
        "filled",
        "group",
        "holding",
        "id",
        "initial_quantity",
        "level",
        "listed",
        "maker_cost",
        "maker_fees",
        "market",
        "next",
        "origin",
        "next_touched",
        "own_level",
        "post_only",
        "previous",
        "price",
        "priority",
        "reason",
        "reduce_only",
        "reduced",
        "remaining",
        "rounding",
        "self_trade_prevention",
        "side",
        "status",
        "taker_cost",
        "taker_fees",
        "updated_ns",
    )

    def __init__(
        self,
        id: int,
        account: Account,
        market: "Market",
        holding: Holding,
        client_order_id: str,
        action: str,
        side: str,
        direction: int,
        price: int,
        quantity: int,
        expiration_ns: int,
        post_only: bool,
        reduce_only: bool,
        self_trade_prevention: str,
        group: "OrderGroup | None",
        cancel_on_pause: bool,
        created_ns: int,
    ) -> None:
        self.id = id
        self.account = account
        self.market = market
        self.holding = holding
        self.client_order_id = client_order_id
        self.action = action
        self.side = side
        self.direction = direction
        self.price = price
        self.initial_quantity = quantity
        self.remaining = quantity
        self.filled = 0
        self.expiration_ns = expiration_ns
        self.post_only = post_only
        self.reduce_only = reduce_only
        self.self_trade_prevention = self_trade_prevention
        self.group = group
        self.cancel_on_pause = cancel_on_pause
        self.created_ns = created_ns
        self.origin = ""
        """The session that entered it; empty for most gateways."""
        self.updated_ns = 0
        self.taker_cost = 0
        self.maker_cost = 0
        self.taker_fees = 0
        self.maker_fees = 0
        self.rounding = 0
        """Rounding fees collected and not yet rebated, micro-dollars."""
        self.listed = False
        """Whether it is one of ``Exchange.orders``."""
        self.priority = id
        """Grows whenever the order loses its place; orders of a level ascend by it."""
        self.status = RESTING
        self.reason = ""
        """What the running step did to the order; empty when it was not touched."""
        self.next_touched: Order | None = None
        self.reduced = 0
        """Quantity that the running step removed without a fill."""
        self.own_level: OwnLevel | None = None
        """Where the remaining quantity is counted as collateral."""
        self.level: Level | None = None
        self.previous: Order | None = None
        self.next: Order | None = None


class OrderGroup:
    """Orders that share a limit of contracts matched in a rolling 15 seconds."""

    __slots__ = (
        "account",
        "contracts_limit",
        "fills",
        "id",
        "matched",
        "orders",
        "triggered",
    )

    def __init__(self, id: int, account: Account, contracts_limit: int) -> None:
        self.id = id
        self.account = account
        self.contracts_limit = contracts_limit
        self.matched = 0
        """Sum of ``fills``."""
        self.fills: list[tuple[int, int]] = []
        """(time, quantity) of the matches still inside the window, oldest first."""
        self.triggered = False
        self.orders: dict[int, Order] = {}


class Series:
    """Template of events. ``details`` is JSON that the core does not interpret."""

    __slots__ = ("created_ns", "details", "event_tickers", "fees", "ticker", "updated_ns")

    def __init__(self, ticker: str, fees: FeeSchedule, details: str, created_ns: int) -> None:
        self.ticker = ticker
        self.fees = fees
        self.details = details
        self.created_ns = created_ns
        self.updated_ns = created_ns
        self.event_tickers: list[str] = []


class ListedEvent:
    """One occurrence that groups markets (the API's *event*)."""

    __slots__ = (
        "below",
        "strike_order",
        "collateral_return_type",
        "created_ns",
        "details",
        "id",
        "market_tickers",
        "mutually_exclusive",
        "series",
        "ticker",
        "updated_ns",
    )

    def __init__(
        self,
        id: int,
        ticker: str,
        series: Series,
        mutually_exclusive: bool,
        collateral_return_type: str,
        details: str,
        created_ns: int,
    ) -> None:
        self.id = id
        self.ticker = ticker
        self.series = series
        self.mutually_exclusive = mutually_exclusive
        self.collateral_return_type = collateral_return_type
        self.details = details
        self.created_ns = created_ns
        self.updated_ns = created_ns
        self.market_tickers: list[str] = []
        self.strike_order: list[str] = []
        """Market tickers of a directional event, lowest strike first; see ``SetStrikeOrder``."""
        self.below = False


class Market:
    """One tradable line with its book. ``id`` is the creating sequence number."""

    __slots__ = (
        "asks",
        "bids",
        "block_proposals",
        "can_close_early",
        "close_ns",
        "collection_ticker",
        "combo_tickers",
        "created_ns",
        "details",
        "determined_ns",
        "event",
        "expected_expiration_ns",
        "expiration_value",
        "fee_waiver_expiration_ns",
        "first_changed",
        "fractional_trading_enabled",
        "holdings",
        "id",
        "is_provisional",
        "last_changed",
        "last_price",
        "last_quantity",
        "latest_expiration_ns",
        "legs",
        "lot",
        "market_type",
        "money_step",
        "next_touched",
        "open_interest",
        "open_ns",
        "price_level_structure",
        "price_ranges",
        "price_step",
        "quoted_ask",
        "quoted_ask_quantity",
        "quoted_bid",
        "quoted_bid_quantity",
        "result",
        "rfqs",
        "settled_ns",
        "settlement_due_ns",
        "settlement_timer_ns",
        "settlement_value",
        "status",
        "ticker",
        "touched",
        "traded",
        "updated_ns",
        "volume",
        "was_active",
    )

    def __init__(
        self,
        id: int,
        ticker: str,
        event: ListedEvent,
        market_type: str,
        open_ns: int,
        close_ns: int,
        expected_expiration_ns: int,
        latest_expiration_ns: int,
        settlement_timer_ns: int,
        can_close_early: bool,
        price_level_structure: str,
        price_ranges: tuple[Band, ...],
        fractional_trading_enabled: bool,
        is_provisional: bool,
        fee_waiver_expiration_ns: int,
        details: str,
        created_ns: int,
    ) -> None:
        self.id = id
        self.ticker = ticker
        self.event = event
        self.market_type = market_type
        self.open_ns = open_ns
        self.close_ns = close_ns
        self.expected_expiration_ns = expected_expiration_ns
        self.latest_expiration_ns = latest_expiration_ns
        self.settlement_timer_ns = settlement_timer_ns
        self.can_close_early = can_close_early
        self.fractional_trading_enabled = fractional_trading_enabled
        self.price_level_structure = price_level_structure
        self.price_ranges = price_ranges
        self.lot = 1 if fractional_trading_enabled else QUANTITY_ONE
        """Smallest quantity that may be ordered."""
        self.price_step = single_step(price_ranges)
        """The step of a grid of one band; 0 where there are several."""
        self.money_step = self.lot * common_step(price_ranges)
        """Every trade is worth a multiple of this, micro-dollars."""
        self.is_provisional = is_provisional
        self.fee_waiver_expiration_ns = fee_waiver_expiration_ns
        self.details = details
        self.created_ns = created_ns
        self.updated_ns = created_ns
        """Last change of metadata or status; trading does not count."""
        self.status = INITIALIZED
        self.was_active = False
        """Whether an order was ever accepted; a provisional market without one vanishes."""
        self.result = ""
        self.settlement_value = 0
        self.expiration_value = ""
        self.determined_ns = 0
        self.settlement_due_ns = 0
        self.settled_ns = 0
        self.bids = BookSide(BID)
        self.asks = BookSide(ASK)
        self.holdings: dict[tuple[int, int], Holding] = {}
        """By (member id, subaccount)."""
        self.last_price = 0
        self.last_quantity = 0
        self.volume = 0
        self.open_interest = 0
        self.collection_ticker = ""
        """The collection that made this combo; empty for every other market."""
        self.legs: tuple[Leg, ...] = ()
        self.combo_tickers: list[str] = []
        """Combos of which this market is a leg."""
        self.rfqs: dict[int, Rfq] = {}
        self.block_proposals: dict[int, BlockProposal] = {}
        """The pending ones by id, ascending."""
        self.quoted_bid = 0
        self.quoted_bid_quantity = 0
        self.quoted_ask = PRICE_ONE
        self.quoted_ask_quantity = 0
        """What the last ``TickerChanged`` said."""
        self.touched = False
        """Noted in the running step; what follows is what it did here."""
        self.traded = False
        self.next_touched: Market | None = None
        self.first_changed: Level | None = None
        """The price levels that changed, in order, through ``Level.next_changed``."""
        self.last_changed: Level | None = None

    def has_price(self, price: int) -> bool:
        """Whether ``price`` is on the market's grid."""
        step = self.price_step
        if step:
            return 0 < price < PRICE_ONE and price % step == 0
        return is_on_grid(self.price_ranges, price)


Leg = tuple[str, str, str]
"""(event ticker, market ticker, side)"""


class Collection:
    """Which legs may be combined into combos."""

    __slots__ = (
        "associated_events",
        "close_ns",
        "combos",
        "created_ns",
        "details",
        "is_ordered",
        "lookups",
        "open_ns",
        "series",
        "size_max",
        "size_min",
        "ticker",
    )

    def __init__(
        self,
        ticker: str,
        series: Series,
        open_ns: int,
        close_ns: int,
        size_min: int,
        size_max: int,
        is_ordered: bool,
        associated_events: tuple[tuple[str, bool, int, int], ...],
        details: str,
        created_ns: int,
    ) -> None:
        self.ticker = ticker
        self.series = series
        self.open_ns = open_ns
        self.close_ns = close_ns
        self.size_min = size_min
        self.size_max = size_max
        self.is_ordered = is_ordered
        self.associated_events = associated_events
        self.details = details
        self.created_ns = created_ns
        self.combos: dict[tuple[Leg, ...], str] = {}
        """Legs, sorted unless the collection is ordered -> market ticker."""
        self.lookups: dict[str, int] = {}
        """Market ticker -> time of the last lookup."""


class FeeChange:
    """Terms that a series will charge by, or has charged by, from a time on."""

    __slots__ = (
        "applied",
        "fee_type",
        "id",
        "multiplier_ppm",
        "scheduled_ns",
        "series_ticker",
    )

    def __init__(
        self, id: int, series_ticker: str, fee_type: str, multiplier_ppm: int, scheduled_ns: int
    ) -> None:
        self.id = id
        self.series_ticker = series_ticker
        self.fee_type = fee_type
        self.multiplier_ppm = multiplier_ppm
        self.scheduled_ns = scheduled_ns
        self.applied = False


class Announcement:
    __slots__ = ("delivery_ns", "id", "kind", "message", "status")

    def __init__(self, id: int, kind: str, message: str, status: str, delivery_ns: int) -> None:
        self.id = id
        self.kind = kind
        self.message = message
        self.status = status
        self.delivery_ns = delivery_ns


class Ledger:
    """Double-entry totals. Member cash lives in the accounts; these are the other sides.

    The sum over member cash, ``escrow``, ``fees``, ``house``, ``outside`` and ``returned`` is
    always zero.
    """

    __slots__ = ("cash", "escrow", "fees", "house", "outside", "returned")

    def __init__(self) -> None:
        self.cash = 0
        """Sum of the cash of all subaccounts."""
        self.escrow: dict[str, int] = {}
        """Per market ticker: open interest times one dollar."""
        self.fees = 0
        self.house = 0
        """Takes the difference when a void market returns positions at cost."""
        self.outside = 0
        """Minus what was deposited, plus what was withdrawn."""
        self.returned = 0
        """Minus the collateral returned to members whose positions offset each other."""

    def total(self) -> int:
        """Zero, or a bug."""
        return (
            self.cash
            + sum(self.escrow.values())
            + self.fees
            + self.house
            + self.outside
            + self.returned
        )


class Exchange:
    """Everything. ``sequence`` and ``time_ns`` are those of the last applied record."""

    __slots__ = (
        "announcements",
        "api_keys",
        "block_proposals",
        "collections",
        "documents",
        "estimated_resume_ns",
        "events",
        "exchange_paused",
        "fee_changes",
        "groups",
        "in_maintenance",
        "ledger",
        "maintenance_begun_ns",
        "maintenance_windows",
        "markets",
        "member_ids_by_email",
        "members",
        "orders",
        "quotes",
        "rfqs",
        "schedule",
        "sequence",
        "series",
        "time_ns",
        "timers",
        "trading_paused",
    )

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ns = 0
        self.members: dict[int, Member] = {}
        self.member_ids_by_email: dict[str, int] = {}
        self.api_keys: dict[int, ApiKey] = {}
        self.series: dict[str, Series] = {}
        self.events: dict[str, ListedEvent] = {}
        self.markets: dict[str, Market] = {}
        self.orders: dict[int, Order] = {}
        """Open orders by id, in no particular order."""
        self.groups: dict[int, OrderGroup] = {}
        self.collections: dict[str, Collection] = {}
        self.rfqs: dict[int, Rfq] = {}
        self.quotes: dict[int, Quote] = {}
        self.block_proposals: dict[int, BlockProposal] = {}
        """By id, ascending; those that have ended are kept for a while. Changed by ``add_proposal``
        and its like, as members and markets know theirs."""
        self.fee_changes: dict[int, FeeChange] = {}
        """All of them, past and to come, in the order in which they were scheduled."""
        self.maintenance_windows: list[tuple[int, int]] = []
        """(start, end) of the pauses that are not over, by time."""
        self.maintenance_begun_ns = 0
        """Start of the last window that has begun; an exchange pause may delay the next."""
        self.in_maintenance = False
        """Whether the trading pause now in force was begun by a window."""
        self.ledger = Ledger()
        self.timers: list[Timer] = []
        """A heap."""
        self.trading_paused = False
        self.exchange_paused = False
        self.estimated_resume_ns = 0
        self.announcements: list[Announcement] = []
        self.schedule = ""
        """JSON object; empty means trading around the clock."""
        self.documents: dict[str, dict[str, str]] = {}
        """Kind -> key -> JSON object."""

    def add_proposal(self, proposal: "BlockProposal") -> None:
        """Note a proposal, pending or not, where it is looked for; ids must ascend."""
        self.block_proposals[proposal.id] = proposal
        proposer, other = self._parties(proposal)
        proposer.block_proposals[proposal.id] = proposal
        if other is not None:
            other.block_offers[proposal.id] = proposal
        if proposal.status == "pending":
            self.markets[proposal.market_ticker].block_proposals[proposal.id] = proposal

    def remove_proposal(self, proposal: "BlockProposal") -> None:
        """Forget one that has ended."""
        del self.block_proposals[proposal.id]
        proposer, other = self._parties(proposal)
        del proposer.block_proposals[proposal.id]
        if other is not None:
            del other.block_offers[proposal.id]

    def _parties(self, proposal: "BlockProposal") -> tuple[Member, Member | None]:
        """Who proposed, and to whom; None for a trade between two customers of one member."""
        buyer, seller = proposal.buyer.member, proposal.seller.member
        if buyer is seller:
            return buyer, None
        return (buyer, seller) if buyer.id == proposal.proposer_id else (seller, buyer)
