"""What happened: the past-tense half of the core's vocabulary.

An event says everything a projection needs, so that projections never look at the state. Its
sequence and time are those of the record that caused it. Units as in ``commands``: prices are
YES prices, money micro-dollars, quantities hundredths of a contract, times nanoseconds.

Order of the events of one command: timers that were due, then for each match one
``TradeExecuted`` followed by the maker's and the taker's ``OrderFilled``; then one
``OrderUpdated`` per order touched, ``PositionChanged`` per holding touched,
``OrderGroupUpdated``, ``LevelChanged`` per price level touched (best first),
``TickerChanged`` per market touched.
"""

from dataclasses import dataclass

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Event:
    """Base of all events."""

    __slots__ = ()


@dataclass(slots=True)
class CommandRejected(Event):
    """The command changed nothing. ``code`` is one of ``rejections``."""

    code: str
    detail: str


# --- trading ---------------------------------------------------------------------------------


@mypyc_attr(acyclic=True, free_list_len=1)
class TradeExecuted(Event):
    """One maker order met one taker order, at the maker's price.

    ``taker_direction`` is BID (1) when the taker bought YES exposure, ASK (-1) otherwise.
    """

    __slots__ = (
        "maker_order_id",
        "market_ticker",
        "open_interest",
        "price",
        "quantity",
        "taker_direction",
        "taker_order_id",
        "trade_id",
        "volume",
    )

    def __init__(
        self,
        trade_id: int,
        market_ticker: str,
        price: int,
        quantity: int,
        taker_direction: int,
        maker_order_id: int,
        taker_order_id: int,
        volume: int,
        open_interest: int,
    ) -> None:
        self.trade_id = trade_id
        self.market_ticker = market_ticker
        self.price = price
        self.quantity = quantity
        self.taker_direction = taker_direction
        self.maker_order_id = maker_order_id
        self.taker_order_id = taker_order_id
        self.volume = volume
        self.open_interest = open_interest


@mypyc_attr(acyclic=True, free_list_len=1)
class OrderFilled(Event):
    """One side of a trade. ``fee`` = ``trade_fee + rounding_fee - rebate``.

    ``cash_change`` is what the fill did to the subaccount's cash, fee included.
    ``position`` is the signed holding after the fill.
    """

    __slots__ = (
        "action",
        "cash_change",
        "client_order_id",
        "fee",
        "is_taker",
        "market_ticker",
        "member_id",
        "order_id",
        "position",
        "price",
        "quantity",
        "rebate",
        "rounding_fee",
        "side",
        "subaccount",
        "trade_fee",
        "trade_id",
    )

    def __init__(
        self,
        trade_id: int,
        order_id: int,
        member_id: int,
        subaccount: int,
        market_ticker: str,
        client_order_id: str,
        action: str,
        side: str,
        price: int,
        quantity: int,
        is_taker: bool,
        fee: int,
        trade_fee: int,
        rounding_fee: int,
        rebate: int,
        cash_change: int,
        position: int,
    ) -> None:
        self.trade_id = trade_id
        self.order_id = order_id
        self.member_id = member_id
        self.subaccount = subaccount
        self.market_ticker = market_ticker
        self.client_order_id = client_order_id
        self.action = action
        self.side = side
        self.price = price
        self.quantity = quantity
        self.is_taker = is_taker
        self.fee = fee
        self.trade_fee = trade_fee
        self.rounding_fee = rounding_fee
        self.rebate = rebate
        self.cash_change = cash_change
        self.position = position


@mypyc_attr(acyclic=True, free_list_len=1)
class OrderUpdated(Event):
    """An order after everything one command did to it; the whole order, not a difference.

    ``status`` is ``resting``, ``executed`` or ``canceled``. ``reason`` is ``placed``,
    ``filled``, ``amended``, ``decreased``, ``canceled``, ``expired``, ``market_closed``,
    ``market_reactivated``, ``paused``, ``order_group``, ``self_trade_prevention``,
    ``immediate_or_cancel``, ``fill_or_kill``, ``reduce_only`` or ``member_suspended``.
    Quantities: ``initial_quantity`` as entered or last amended, ``filled_quantity``,
    ``remaining_quantity`` still in the book. Costs are own-side price times quantity.
    ``origin`` names the session that entered the order, if a session did.
    """

    __slots__ = (
        "action",
        "cancel_on_pause",
        "client_order_id",
        "created_ns",
        "expiration_ns",
        "filled_quantity",
        "initial_quantity",
        "maker_cost",
        "maker_fees",
        "market_ticker",
        "member_id",
        "order_group_id",
        "order_id",
        "origin",
        "price",
        "reason",
        "reduced_quantity",
        "remaining_quantity",
        "self_trade_prevention",
        "side",
        "status",
        "subaccount",
        "taker_cost",
        "taker_fees",
        "updated_ns",
    )

    def __init__(
        self,
        order_id: int,
        member_id: int,
        subaccount: int,
        market_ticker: str,
        client_order_id: str,
        action: str,
        side: str,
        price: int,
        initial_quantity: int,
        filled_quantity: int,
        remaining_quantity: int,
        status: str,
        reason: str,
        reduced_quantity: int,
        taker_cost: int,
        maker_cost: int,
        taker_fees: int,
        maker_fees: int,
        created_ns: int,
        updated_ns: int,
        expiration_ns: int,
        order_group_id: int,
        self_trade_prevention: str,
        cancel_on_pause: bool,
        origin: str,
    ) -> None:
        self.order_id = order_id
        self.member_id = member_id
        self.subaccount = subaccount
        self.market_ticker = market_ticker
        self.client_order_id = client_order_id
        self.action = action
        self.side = side
        self.price = price
        self.initial_quantity = initial_quantity
        self.filled_quantity = filled_quantity
        self.remaining_quantity = remaining_quantity
        self.status = status
        self.reason = reason
        self.reduced_quantity = reduced_quantity
        self.taker_cost = taker_cost
        self.maker_cost = maker_cost
        self.taker_fees = taker_fees
        self.maker_fees = maker_fees
        self.created_ns = created_ns
        self.updated_ns = updated_ns
        self.expiration_ns = expiration_ns
        self.order_group_id = order_group_id
        self.self_trade_prevention = self_trade_prevention
        self.cancel_on_pause = cancel_on_pause
        self.origin = origin


@dataclass(slots=True)
class OrderAmended(Event):
    """What an order was before an amend; first of the events that the amend causes."""

    order_id: int
    before: OrderUpdated


@mypyc_attr(acyclic=True, free_list_len=1)
class PositionChanged(Event):
    """A subaccount's holding in one market after a command.

    ``quantity`` is signed (YES positive). ``cost`` is the cost basis of what is open,
    ``realized_pnl`` excludes fees, ``traded_cost`` is own-side price times quantity over all
    fills, ``traded_quantity`` the contracts traded.
    """

    __slots__ = (
        "cost",
        "fees_paid",
        "market_ticker",
        "member_id",
        "quantity",
        "realized_pnl",
        "subaccount",
        "traded_cost",
        "traded_quantity",
    )

    def __init__(
        self,
        member_id: int,
        subaccount: int,
        market_ticker: str,
        quantity: int,
        cost: int,
        realized_pnl: int,
        fees_paid: int,
        traded_cost: int,
        traded_quantity: int,
    ) -> None:
        self.member_id = member_id
        self.subaccount = subaccount
        self.market_ticker = market_ticker
        self.quantity = quantity
        self.cost = cost
        self.realized_pnl = realized_pnl
        self.fees_paid = fees_paid
        self.traded_cost = traded_cost
        self.traded_quantity = traded_quantity


@mypyc_attr(acyclic=True, free_list_len=1)
class LevelChanged(Event):
    """The resting total of one price level changed by ``delta`` (never 0) to ``quantity``.

    ``direction`` is BID or ASK; ``price`` is the YES price. ``owners`` are the
    (member id, subaccount, client order id) of the orders that caused it, taker included. Nearly
    always it is one, which stands in fields of its own.
    """

    __slots__ = (
        "client_order_id",
        "delta",
        "direction",
        "market_ticker",
        "member_id",
        "other_owners",
        "price",
        "quantity",
        "subaccount",
    )

    def __init__(
        self,
        market_ticker: str,
        direction: int,
        price: int,
        delta: int,
        quantity: int,
        member_id: int,
        subaccount: int,
        client_order_id: str,
    ) -> None:
        self.market_ticker = market_ticker
        self.direction = direction
        self.price = price
        self.delta = delta
        self.quantity = quantity
        self.member_id = member_id
        self.subaccount = subaccount
        self.client_order_id = client_order_id
        self.other_owners: list[tuple[int, int, str]] | None = None

    @property
    def owners(self) -> list[tuple[int, int, str]]:
        """All of them, in the order in which they touched the level."""
        first = (self.member_id, self.subaccount, self.client_order_id)
        return [first] if self.other_owners is None else [first, *self.other_owners]

    def add_owner(self, member_id: int, subaccount: int, client_order_id: str) -> None:
        owner = (member_id, subaccount, client_order_id)
        if self.other_owners is None:
            self.other_owners = [owner]
        else:
            self.other_owners.append(owner)


@mypyc_attr(acyclic=True, free_list_len=1)
class TickerChanged(Event):
    """Best prices, their sizes, last trade, volume or open interest of a market changed.

    With an empty side ``bid_price`` is 0 or ``ask_price`` is 10,000, and the size is 0.
    """

    __slots__ = (
        "ask_price",
        "ask_quantity",
        "bid_price",
        "bid_quantity",
        "last_price",
        "last_quantity",
        "market_ticker",
        "open_interest",
        "volume",
    )

    def __init__(
        self,
        market_ticker: str,
        bid_price: int,
        bid_quantity: int,
        ask_price: int,
        ask_quantity: int,
        last_price: int,
        last_quantity: int,
        volume: int,
        open_interest: int,
    ) -> None:
        self.market_ticker = market_ticker
        self.bid_price = bid_price
        self.bid_quantity = bid_quantity
        self.ask_price = ask_price
        self.ask_quantity = ask_quantity
        self.last_price = last_price
        self.last_quantity = last_quantity
        self.volume = volume
        self.open_interest = open_interest


@dataclass(slots=True)
class OrderGroupUpdated(Event):
    """``kind`` is ``created``, ``triggered``, ``reset``, ``deleted`` or ``limit_updated``."""

    kind: str
    order_group_id: int
    member_id: int
    subaccount: int
    contracts_limit: int


# --- members and money -----------------------------------------------------------------------


@dataclass(slots=True)
class MemberCreated(Event):
    member_id: int
    email: str
    usage_tier: str
    balance_precision: int


@dataclass(slots=True)
class MemberUpdated(Event):
    member_id: int
    usage_tier: str
    suspended: bool


@dataclass(slots=True)
class ApiKeyAdded(Event):
    api_key_id: int
    member_id: int
    name: str
    scopes: tuple[str, ...]
    profile: str
    subaccount: int = -1


@dataclass(slots=True)
class ApiKeyRemoved(Event):
    api_key_id: int
    member_id: int


@dataclass(slots=True)
class SubaccountCreated(Event):
    member_id: int
    subaccount: int


@dataclass(slots=True)
class Deposited(Event):
    member_id: int
    subaccount: int
    amount: int
    reference: str


@dataclass(slots=True)
class Withdrawn(Event):
    member_id: int
    subaccount: int
    amount: int
    reference: str


@dataclass(slots=True)
class Transferred(Event):
    """``transfer_id`` is the sequence number of the command."""

    transfer_id: int
    member_id: int
    from_subaccount: int
    to_subaccount: int
    amount: int
    client_transfer_id: str


# --- listing and lifecycle -------------------------------------------------------------------


@dataclass(slots=True)
class SeriesCreated(Event):
    ticker: str


@dataclass(slots=True)
class SeriesUpdated(Event):
    ticker: str


@dataclass(slots=True)
class EventCreated(Event):
    ticker: str
    series_ticker: str
    collateral_return_type: str
    details: str


@dataclass(slots=True)
class EventUpdated(Event):
    ticker: str


@dataclass(slots=True)
class MarketCreated(Event):
    ticker: str
    event_ticker: str
    open_ns: int
    close_ns: int
    details: str


@dataclass(slots=True)
class MarketUpdated(Event):
    ticker: str


@dataclass(slots=True)
class PriceLevelStructureChanged(Event):
    ticker: str
    price_level_structure: str


@dataclass(slots=True)
class MarketStatusChanged(Event):
    """``status`` and ``previous`` are lifecycle states of rules, section 2.

    ``reason`` is ``opened``, ``paused``, ``reactivated``, ``closed``, ``reopened``,
    ``determined``, ``disputed``, ``amended``, ``confirmed``, ``settled``, or ``undecided`` when
    a combo lost its result because a leg is in dispute.
    """

    ticker: str
    status: str
    previous: str
    reason: str


@dataclass(slots=True)
class MarketCloseTimeChanged(Event):
    ticker: str
    close_ns: int


@dataclass(slots=True)
class MarketDetermined(Event):
    """Also sent for an amended result. ``settlement_value`` is the YES payout, price units."""

    ticker: str
    result: str
    settlement_value: int
    determined_ns: int


@dataclass(slots=True)
class MarketSettled(Event):
    """All positions are paid; terminal. ``removed`` when a provisional market vanished."""

    ticker: str
    event_ticker: str
    result: str
    settlement_value: int
    removed: bool


@dataclass(slots=True)
class PositionSettled(Event):
    """What one holding received. ``revenue`` is the payout, ``result`` may be ``void``."""

    member_id: int
    subaccount: int
    market_ticker: str
    event_ticker: str
    result: str
    yes_quantity: int
    yes_cost: int
    no_quantity: int
    no_cost: int
    revenue: int
    settlement_value: int
    fees_paid: int
    realized_pnl: int
    traded_cost: int
    traded_quantity: int


@dataclass(slots=True)
class TradingPauseChanged(Event):
    paused: bool


@dataclass(slots=True)
class ExchangePauseChanged(Event):
    paused: bool
    estimated_resume_ns: int


# --- descriptive data ------------------------------------------------------------------------


@dataclass(slots=True)
class AnnouncementPublished(Event):
    kind: str
    message: str
    status: str
    delivery_ns: int


@dataclass(slots=True)
class ScheduleSet(Event):
    details: str


@dataclass(slots=True)
class DocumentPut(Event):
    kind: str
    key: str


@dataclass(slots=True)
class DocumentRemoved(Event):
    kind: str
    key: str


# --- requests for quotes ---------------------------------------------------------------------


@dataclass(slots=True)
class RfqUpdated(Event):
    """A request for quotes after a command; the whole request.

    ``kind`` is ``created`` or ``closed``; ``status`` is ``open`` or ``closed``. ``reason`` of
    a close is ``user_deleted``, ``replaced``, ``expired``, ``market_closed``, ``executed`` or
    ``member_suspended``. ``client_rfq_id`` and ``origin`` are as the request came with.
    """

    kind: str
    rfq_id: int
    member_id: int
    subaccount: int
    market_ticker: str
    event_ticker: str
    quantity: int
    target_cost: int
    rest_remainder: bool
    status: str
    reason: str
    created_ns: int
    updated_ns: int
    client_rfq_id: str = ""
    origin: str = ""


@dataclass(slots=True)
class QuoteUpdated(Event):
    """A quote after a command; the whole quote.

    ``kind`` is ``created``, ``accepted``, ``confirmed``, ``executed`` or ``cancelled``;
    ``status`` is ``open``, ``accepted``, ``confirmed``, ``executed`` or ``cancelled``.
    ``yes_quantity`` and ``no_quantity`` are what the quote offers on each side.
    ``client_quote_id`` and ``origin`` are as the quote came with, ``rfq_origin`` is the request's.
    ``rfq_client_order_id`` and ``rfq_order_origin`` are as the acceptance came with.
    """

    kind: str
    quote_id: int
    rfq_id: int
    member_id: int
    subaccount: int
    rfq_member_id: int
    rfq_subaccount: int
    market_ticker: str
    event_ticker: str
    yes_bid: int
    no_bid: int
    yes_quantity: int
    no_quantity: int
    rfq_quantity: int
    rfq_target_cost: int
    rest_remainder: bool
    post_only: bool
    status: str
    reason: str
    accepted_side: str
    accepted_quantity: int
    created_ns: int
    updated_ns: int
    accepted_ns: int
    confirmed_ns: int
    executed_ns: int
    maker_order_id: int
    rfq_order_id: int
    client_quote_id: str = ""
    origin: str = ""
    rfq_origin: str = ""
    rfq_client_order_id: str = ""
    rfq_order_origin: str = ""


@dataclass(slots=True)
class BlockTradeUpdated(Event):
    """A proposal is ``pending``, ``executed``, ``expired`` or ``cancelled`` now."""

    proposal_id: int
    buyer_member_id: int
    seller_member_id: int
    market_ticker: str
    status: str


# --- combos ----------------------------------------------------------------------------------


@dataclass(slots=True)
class CollectionCreated(Event):
    ticker: str
    series_ticker: str


@dataclass(slots=True)
class ComboLookedUp(Event):
    """Somebody asked for a combo, or created it. ``legs``: (event, market, side)."""

    member_id: int
    collection_ticker: str
    event_ticker: str
    market_ticker: str
    legs: list[tuple[str, str, str]]


# --- netting, fees, maintenance, clearing members --------------------------------------------


@dataclass(slots=True)
class NettingChanged(Event):
    member_id: int
    subaccount: int
    enabled: bool


@dataclass(slots=True)
class CollateralReturned(Event):
    """Cash that cannot be lost across an event moved; negative when it is taken back.

    ``total`` is what the subaccount has received for the event and not given back. ``house`` is
    what the exchange's house account bore because too little was left to take back.
    """

    member_id: int
    subaccount: int
    event_ticker: str
    amount: int
    total: int
    house: int


@dataclass(slots=True)
class StrikeOrderSet(Event):
    event_ticker: str
    market_tickers: list[str]
    below: bool


@dataclass(slots=True)
class FeeChangeScheduled(Event):
    fee_change_id: int
    series_ticker: str
    fee_type: str
    fee_multiplier_ppm: int
    scheduled_ns: int


@dataclass(slots=True)
class FeesChanged(Event):
    series_ticker: str
    fee_type: str
    fee_multiplier_ppm: int


@dataclass(slots=True)
class MaintenanceWindowsSet(Event):
    windows: list[tuple[int, int]]


@dataclass(slots=True)
class SubtraderCreated(Event):
    member_id: int
    subaccount: int
    subtrader_id: str


@dataclass(slots=True)
class PositionTransferred(Event):
    transfer_id: int
    member_id: int
    from_subaccount: int
    to_subaccount: int
    market_ticker: str
    quantity: int
    price: int
    from_cash_change: int
    to_cash_change: int
    client_transfer_id: str
