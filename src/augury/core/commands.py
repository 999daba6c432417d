"""What somebody wants: the imperative half of the core's vocabulary.

A command is data. It carries no time and no id of its own: the log record that holds it has
both. Ids of members, orders, keys, groups and transfers are the sequence number of the record
that created them. Prices are YES prices, money is micro-dollars, quantities are hundredths of a
contract, times are nanoseconds; zero or an empty string stands for "not given".

The commands of the trading path are written out by hand because the constructor of a compiled
hand-written class is five times as fast as a dataclass's.
"""

from dataclasses import dataclass

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Command:
    """Base of all commands."""

    __slots__ = ()


# --- trading ---------------------------------------------------------------------------------


@mypyc_attr(acyclic=True)
class PlaceOrder(Command):
    """Enter an order. ``price`` is the YES price whatever ``side`` the member named.

    ``time_in_force`` is ``good_till_canceled``, ``immediate_or_cancel`` or ``fill_or_kill``.
    ``buy_max_cost`` > 0 caps the cost of the fills, fees excluded, and implies fill-or-kill.
    ``self_trade_prevention`` is ``taker_at_cross`` or ``maker``. ``origin`` names the session that
    entered the order, in the words of its gateway; no rule depends on it.
    """

    __slots__ = (
        "action",
        "buy_max_cost",
        "cancel_on_pause",
        "client_order_id",
        "expiration_ns",
        "market_ticker",
        "member_id",
        "order_group_id",
        "origin",
        "post_only",
        "price",
        "quantity",
        "reduce_only",
        "self_trade_prevention",
        "side",
        "subaccount",
        "time_in_force",
    )

    def __init__(
        self,
        member_id: int,
        subaccount: int,
        market_ticker: str,
        client_order_id: str,
        action: str,
        side: str,
        price: int,
        quantity: int,
        time_in_force: str = "good_till_canceled",
        expiration_ns: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        buy_max_cost: int = 0,
        self_trade_prevention: str = "taker_at_cross",
        order_group_id: int = 0,
        cancel_on_pause: bool = False,
        origin: str = "",
    ) -> None:
        self.member_id = member_id
        self.subaccount = subaccount
        self.market_ticker = market_ticker
        self.client_order_id = client_order_id
        self.action = action
        self.side = side
        self.price = price
        self.quantity = quantity
        self.time_in_force = time_in_force
        self.expiration_ns = expiration_ns
        self.post_only = post_only
        self.reduce_only = reduce_only
        self.buy_max_cost = buy_max_cost
        self.self_trade_prevention = self_trade_prevention
        self.order_group_id = order_group_id
        self.cancel_on_pause = cancel_on_pause
        self.origin = origin


@mypyc_attr(acyclic=True)
class CancelOrder(Command):
    """Remove a resting order. ``subaccount`` must be the order's own; -1 accepts any.

    ``request_id`` is the client's name for the cancel itself, for those who report it.
    """

    __slots__ = ("member_id", "order_id", "request_id", "subaccount")

    def __init__(
        self, member_id: int, order_id: int, subaccount: int = -1, request_id: str = ""
    ) -> None:
        self.member_id = member_id
        self.order_id = order_id
        self.subaccount = subaccount
        self.request_id = request_id


@mypyc_attr(acyclic=True)
class AmendOrder(Command):
    """Change price, total fillable quantity, or client order id of a resting order.

    ``quantity`` counts what is already filled; 0 keeps it. ``price`` 0 keeps the price.
    ``market_ticker``, ``action``, ``side`` and ``client_order_id`` are checked when given.
    """

    __slots__ = (
        "action",
        "client_order_id",
        "market_ticker",
        "member_id",
        "order_id",
        "price",
        "quantity",
        "side",
        "subaccount",
        "updated_client_order_id",
    )

    def __init__(
        self,
        member_id: int,
        order_id: int,
        market_ticker: str = "",
        action: str = "",
        side: str = "",
        price: int = 0,
        quantity: int = 0,
        client_order_id: str = "",
        updated_client_order_id: str = "",
        subaccount: int = -1,
    ) -> None:
        self.member_id = member_id
        self.order_id = order_id
        self.market_ticker = market_ticker
        self.action = action
        self.side = side
        self.price = price
        self.quantity = quantity
        self.client_order_id = client_order_id
        self.updated_client_order_id = updated_client_order_id
        self.subaccount = subaccount


@mypyc_attr(acyclic=True)
class DecreaseOrder(Command):
    """Shrink a resting order, keeping its place. Exactly one of the two is not negative."""

    __slots__ = ("member_id", "order_id", "reduce_by", "reduce_to", "subaccount")

    def __init__(
        self,
        member_id: int,
        order_id: int,
        reduce_by: int = -1,
        reduce_to: int = -1,
        subaccount: int = -1,
    ) -> None:
        self.member_id = member_id
        self.order_id = order_id
        self.reduce_by = reduce_by
        self.reduce_to = reduce_to
        self.subaccount = subaccount


@dataclass(slots=True)
class CreateOrderGroup(Command):
    """``contracts_limit``: hundredths of a contract matched in a rolling 15 seconds."""

    member_id: int
    subaccount: int
    contracts_limit: int


@dataclass(slots=True)
class ResetOrderGroup(Command):
    member_id: int
    order_group_id: int


@dataclass(slots=True)
class TriggerOrderGroup(Command):
    member_id: int
    order_group_id: int


@dataclass(slots=True)
class SetOrderGroupLimit(Command):
    member_id: int
    order_group_id: int
    contracts_limit: int


@dataclass(slots=True)
class DeleteOrderGroup(Command):
    member_id: int
    order_group_id: int


# --- members and money -----------------------------------------------------------------------


@dataclass(slots=True)
class CreateMember(Command):
    """``balance_precision``: micro-dollars to which cash moves are floored (10,000 or 100)."""

    email: str
    usage_tier: str = "basic"
    balance_precision: int = 10_000


@dataclass(slots=True)
class UpdateMember(Command):
    """Change a member's tier or standing. A suspended member may only cancel and read."""

    member_id: int
    usage_tier: str
    suspended: bool


@dataclass(slots=True)
class AddApiKey(Command):
    """``scopes``: a non-empty selection of ``state.API_KEY_SCOPES``; ``profile`` may be empty.

    ``subaccount`` is the only one that the key is for; -1 leaves it open.
    """

    member_id: int
    name: str
    public_key_pem: str
    scopes: tuple[str, ...]
    profile: str = ""
    subaccount: int = -1


@dataclass(slots=True)
class RemoveApiKey(Command):
    member_id: int
    api_key_id: int


@dataclass(slots=True)
class CreateSubaccount(Command):
    """Opens the next subaccount, if its number is not above ``limit``."""

    member_id: int
    limit: int = 32


@dataclass(slots=True)
class Deposit(Command):
    member_id: int
    subaccount: int
    amount: int
    reference: str = ""


@dataclass(slots=True)
class Withdraw(Command):
    member_id: int
    subaccount: int
    amount: int
    reference: str = ""


@dataclass(slots=True)
class TransferBetweenSubaccounts(Command):
    """Idempotent by ``client_transfer_id``: a reuse is refused as a duplicate."""

    member_id: int
    from_subaccount: int
    to_subaccount: int
    amount: int
    client_transfer_id: str


# --- listing ---------------------------------------------------------------------------------


@dataclass(slots=True)
class CreateSeries(Command):
    """``details`` is a JSON object with what the core does not interpret (title, tags, ...)."""

    ticker: str
    fee_type: str
    fee_multiplier_ppm: int
    details: str


@dataclass(slots=True)
class UpdateSeries(Command):
    ticker: str
    details: str


@dataclass(slots=True)
class CreateEvent(Command):
    """``collateral_return_type`` is ``MECNET``, ``DIRECNET`` or empty."""

    ticker: str
    series_ticker: str
    mutually_exclusive: bool
    collateral_return_type: str
    details: str


@dataclass(slots=True)
class UpdateEvent(Command):
    ticker: str
    details: str


@dataclass(slots=True)
class CreateMarket(Command):
    """List a market. ``price_ranges`` are (start, end, step) bands in price units.

    ``market_type`` is ``binary`` or ``scalar``. ``expected_expiration_ns`` may be 0.
    """

    ticker: str
    event_ticker: str
    market_type: str
    open_ns: int
    close_ns: int
    expected_expiration_ns: int
    latest_expiration_ns: int
    settlement_timer_seconds: int
    can_close_early: bool
    price_level_structure: str
    price_ranges: tuple[tuple[int, int, int], ...]
    fractional_trading_enabled: bool
    is_provisional: bool
    fee_waiver_expiration_ns: int
    details: str


@dataclass(slots=True)
class UpdateMarket(Command):
    """Replace what the core does not interpret."""

    ticker: str
    details: str


@dataclass(slots=True)
class SetPriceLevelStructure(Command):
    """Move to a grid that contains every valid price of the old one."""

    ticker: str
    price_level_structure: str
    price_ranges: tuple[tuple[int, int, int], ...]


# --- lifecycle -------------------------------------------------------------------------------


@dataclass(slots=True)
class ChangeCloseTime(Command):
    """Move the close earlier or later; a closed market whose close moves ahead re-opens."""

    ticker: str
    close_ns: int


@dataclass(slots=True)
class PauseMarket(Command):
    ticker: str


@dataclass(slots=True)
class ReactivateMarket(Command):
    ticker: str


@dataclass(slots=True)
class DetermineMarket(Command):
    """``result`` is ``yes``, ``no``, ``scalar`` or ``void``.

    ``settlement_value`` is what one YES contract pays in price units; it is read for scalar
    results only. On a disputed market this command amends or confirms the earlier result.
    ``expiration_value`` is the observed value as text.
    """

    ticker: str
    result: str
    settlement_value: int = 0
    expiration_value: str = ""


@dataclass(slots=True)
class DisputeMarket(Command):
    ticker: str


@dataclass(slots=True)
class SetTradingPause(Command):
    """While paused only cancels and decreases are accepted."""

    paused: bool


@dataclass(slots=True)
class SetExchangePause(Command):
    """While paused nothing changes state, and time-driven transitions wait."""

    paused: bool
    estimated_resume_ns: int = 0


@dataclass(slots=True)
class Tick(Command):
    """Lets time pass: due timers fire before any command, and this one does nothing else."""


# --- descriptive data ------------------------------------------------------------------------


@dataclass(slots=True)
class PublishAnnouncement(Command):
    """``kind`` is ``info``, ``warning`` or ``error``; ``status`` ``active`` or ``inactive``."""

    kind: str
    message: str
    status: str
    delivery_ns: int


@dataclass(slots=True)
class SetSchedule(Command):
    """``details`` is the JSON object that the schedule operation answers with."""

    details: str


@dataclass(slots=True)
class PutDocument(Command):
    """Create or replace descriptive data that no rule depends on, such as a milestone."""

    kind: str
    key: str
    details: str


@dataclass(slots=True)
class RemoveDocument(Command):
    kind: str
    key: str


# --- requests for quotes ---------------------------------------------------------------------


@dataclass(slots=True)
class CreateRfq(Command):
    """Ask for quotes. Exactly one of ``quantity`` and ``target_cost`` is positive.

    With ``replace_existing`` the member's open request on the market is closed first.
    ``client_rfq_id`` is the client's own name for it, ``origin`` that of the session.
    """

    member_id: int
    subaccount: int
    market_ticker: str
    quantity: int
    target_cost: int
    rest_remainder: bool
    replace_existing: bool = False
    client_rfq_id: str = ""
    origin: str = ""


@dataclass(slots=True)
class DeleteRfq(Command):
    member_id: int
    rfq_id: int


@dataclass(slots=True)
class CreateQuote(Command):
    """Answer a request. ``yes_bid`` and ``no_bid`` are own-side prices; one may be 0.

    ``client_quote_id`` is the client's own name for the quote, ``origin`` that of the session.
    """

    member_id: int
    subaccount: int
    rfq_id: int
    yes_bid: int
    no_bid: int
    rest_remainder: bool
    post_only: bool = False
    client_quote_id: str = ""
    origin: str = ""


@dataclass(slots=True)
class DeleteQuote(Command):
    member_id: int
    quote_id: int


@dataclass(slots=True)
class AcceptQuote(Command):
    """``accepted_side`` ``yes`` takes the maker's YES bid: the requester gets NO.

    ``client_order_id`` and ``origin`` are those of the requester's order to come.
    """

    member_id: int
    quote_id: int
    accepted_side: str
    client_order_id: str = ""
    origin: str = ""


@dataclass(slots=True)
class ConfirmQuote(Command):
    """``client_order_id`` is the name under which the maker's order will be known."""

    member_id: int
    quote_id: int
    client_order_id: str = ""


@dataclass(slots=True)
class ProposeBlockTrade(Command):
    """Propose a trade off the book. The proposer is one of the two, and has agreed by proposing.

    ``price`` is the YES price. With ``maker_side`` ``yes`` the buyer is the maker.
    """

    member_id: int
    buyer_member_id: int
    buyer_subaccount: int
    seller_member_id: int
    seller_subaccount: int
    market_ticker: str
    price: int
    quantity: int
    maker_side: str
    expiration_ns: int


@dataclass(slots=True)
class AcceptBlockTrade(Command):
    """Agree to a proposal, which trades at once. ``subaccount`` -1 is the one proposed."""

    member_id: int
    proposal_id: int
    subaccount: int = -1


# --- combos ----------------------------------------------------------------------------------


@dataclass(slots=True)
class CreateCollection(Command):
    """Define which legs may be combined.

    ``associated_events`` are (event ticker, is_yes_only, size_min, size_max) with 0 for a
    missing size; 0 as ``size_max`` of the collection is no limit, too. ``is_ordered`` makes the
    order of legs part of a combo's identity.
    """

    ticker: str
    series_ticker: str
    open_ns: int
    close_ns: int
    size_min: int
    size_max: int
    is_ordered: bool
    associated_events: tuple[tuple[str, bool, int, int], ...]
    details: str


@dataclass(slots=True)
class CreateCombo(Command):
    """List the market of some legs, (event ticker, market ticker, side), unless it exists.

    With a ``weekly_limit`` the member may have listed at most so many within seven days.
    """

    member_id: int
    collection_ticker: str
    legs: tuple[tuple[str, str, str], ...]
    weekly_limit: int = 0


@dataclass(slots=True)
class LookUpCombo(Command):
    """Ask for an existing combo; the lookup is remembered and told to listeners."""

    member_id: int
    collection_ticker: str
    legs: tuple[tuple[str, str, str], ...]


# --- netting, fees, maintenance, clearing members --------------------------------------------


@dataclass(slots=True)
class SetNetting(Command):
    """Switch collateral return for a subaccount; new subaccounts take over the primary's."""

    member_id: int
    subaccount: int
    enabled: bool


@dataclass(slots=True)
class SetStrikeOrder(Command):
    """Say how a directional event's markets are nested, for collateral return.

    ``market_tickers`` go from the lowest strike to the highest. With ``below`` a market is YES
    when the value is under its strike, otherwise when it is over.
    """

    event_ticker: str
    market_tickers: tuple[str, ...]
    below: bool


@dataclass(slots=True)
class ScheduleFeeChange(Command):
    """From ``scheduled_ns`` on the series charges by other terms."""

    series_ticker: str
    fee_type: str
    fee_multiplier_ppm: int
    scheduled_ns: int


@dataclass(slots=True)
class SetMaintenanceWindows(Command):
    """Trading pauses by itself in each (start, end). Replaces all windows not yet over."""

    windows: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class CreateSubtrader(Command):
    """Open a clearing member's account for one of its customers."""

    member_id: int
    subtrader_id: str


@dataclass(slots=True)
class TransferPosition(Command):
    """Move ``quantity`` of a position between own subaccounts at YES price ``price``."""

    member_id: int
    from_subaccount: int
    to_subaccount: int
    market_ticker: str
    quantity: int
    price: int
    client_transfer_id: str
