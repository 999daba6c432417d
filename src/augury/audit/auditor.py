"""The auditor: carries out one entry of the log after another and keeps the books.

What no money depends on (API keys, descriptions, announcements, lookups) is passed over.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from augury.audit import block_trades, lifecycle, quotes, trading
from augury.audit.fees import available, certain
from augury.audit.ledger import (
    DOLLAR,
    Account,
    Books,
    Member,
    Movement,
    Position,
    Refused,
)
from augury.audit.reading import Entry
from augury.audit.trading import changed, closable, move, refuse_if

MOST_MONEY: Final = 10**17
"""Micro-dollars that the exchange may hold altogether."""

FIRST_CUSTOMER: Final = 1000
LAST_SUBACCOUNT: Final = 63


class Figures(NamedTuple):
    """What an exchange says that everybody has. Money in micro-dollars."""

    accounts: dict[tuple[int, int], tuple[int, int, int]]
    """(member, subaccount) -> (cash, available, collateral returned)"""
    positions: dict[tuple[int, int, str], tuple[int, int, int, int]]
    """(member, subaccount, market) -> (quantity, cost, realized profit, fees); not all zeros"""
    escrow: dict[str, int]
    """Market -> what its escrow holds; not zero"""
    orders: dict[int, tuple[int, int]]
    """Resting order -> (price, remaining quantity)"""
    fees: int
    house: int
    outside: int


class Verdict(NamedTuple):
    """What one entry did. ``refused`` is None where no money depends on the answer."""

    refused: bool | None
    movements: list[Movement]


class Auditor:
    """Feed it every entry in order; ``figures`` are what it works out."""

    def __init__(self) -> None:
        self.books = Books()

    def carry_out(self, entry: Entry) -> Verdict:
        """Raises ``ValueError`` when the entry does not follow the one before."""
        books = self.books
        if entry.sequence != books.sequence + 1 or entry.time_ns < books.time_ns:
            raise ValueError(f"record {entry.sequence} does not follow {books.sequence}")
        books.sequence, books.time_ns = entry.sequence, entry.time_ns
        books.movements = []
        lifecycle.let_time_pass(books)
        refused: bool | None = False
        handler = HANDLERS[entry.command]
        try:
            if books.exchange_paused and entry.command not in ("Tick", "SetExchangePause"):
                raise Refused("exchange paused")
            if handler is None:
                refused = None
            else:
                handler(books, entry)
        except Refused:
            refused = True
        trading.return_collateral(books)
        lifecycle.let_time_pass(books)
        return Verdict(refused, books.movements)

    def figures(self) -> Figures:
        """Everything that everybody has now."""
        books = self.books
        accounts = {}
        positions = {}
        for member in books.members.values():
            for account in member.accounts.values():
                accounts[account.key] = (
                    account.cash,
                    available(books, account),
                    sum(account.returned.values()),
                )
                for ticker, p in account.positions.items():
                    held = (p.quantity, p.cost, p.realized, p.fees)
                    if any(held):
                        positions[(*account.key, ticker)] = held
        return Figures(
            accounts,
            positions,
            {ticker: m.escrow for ticker, m in books.markets.items() if m.escrow},
            {order.id: (order.price, order.remaining) for order in books.orders.values()},
            books.fees,
            books.house,
            books.outside,
        )

    def check_conservation(self) -> None:
        """No cent is made or lost. Raises ``ArithmeticError``."""
        books = self.books
        cash = returned = 0
        for member in books.members.values():
            for account in member.accounts.values():
                if account.cash < 0:
                    raise ArithmeticError(f"{account.key} has {account.cash} micro-dollars")
                cash += account.cash
                returned += sum(account.returned.values())
        escrow = sum(market.escrow for market in books.markets.values())
        total = cash + escrow + books.fees + books.house + books.outside - returned
        if total:
            raise ArithmeticError(f"{total} micro-dollars came from nowhere")
        for market in books.markets.values():
            held = [a.positions[market.ticker].quantity for a in market.holders.values()]
            pairs = sum(quantity for quantity in held if quantity > 0)
            if sum(held) or market.escrow != pairs * DOLLAR:
                raise ArithmeticError(f"{market.ticker}: {pairs} pairs, {market.escrow} in escrow")


# --- members and money -----------------------------------------------------------------------


def create_member(books: Books, entry: Entry) -> None:
    refuse_if(not entry.email or entry.email in books.emails, "e-mail")
    refuse_if(entry.balance_precision not in (10_000, 100), "precision")
    member = Member(entry.sequence, entry.email, entry.balance_precision)
    member.accounts[0] = Account(member, 0)
    books.members[member.id] = member
    books.emails.add(member.email)


def find_member(books: Books, member_id: int) -> Member:
    if member_id not in books.members:
        raise Refused("no such member")
    return books.members[member_id]


def update_member(books: Books, entry: Entry) -> None:
    member = find_member(books, entry.member_id)
    if entry.suspended and not member.suspended:
        for order in [o for o in books.orders.values() if o.account.member is member]:
            trading.drop(books, order)
        quotes.withdraw_member(books, member.id)
        block_trades.cancel_of_member(books, member.id)
    member.suspended = entry.suspended


def create_subaccount(books: Books, entry: Entry) -> None:
    member = find_member(books, entry.member_id)
    number = len(member.accounts) - len(member.customers)
    refuse_if(number > min(entry.limit, LAST_SUBACCOUNT), "too many")
    member.accounts[number] = Account(member, number, netting=member.accounts[0].netting)


def create_customer(books: Books, entry: Entry) -> None:
    member = find_member(books, entry.member_id)
    refuse_if(not entry.subtrader_id or entry.subtrader_id in member.customers, "customer")
    number = FIRST_CUSTOMER + len(member.customers)
    member.accounts[number] = Account(member, number, entry.subtrader_id)
    member.customers.add(entry.subtrader_id)


def deposit(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    refuse_if(entry.amount <= 0, "amount")
    cash = sum(a.cash for member in books.members.values() for a in member.accounts.values())
    refuse_if(cash + entry.amount > MOST_MONEY, "too much")
    account.cash += entry.amount
    books.outside -= entry.amount


def withdraw(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    refuse_if(entry.amount <= 0, "amount")
    refuse_if(entry.amount > available(books, account), "available balance too low")
    account.cash -= entry.amount
    books.outside += entry.amount


def transfer(books: Books, entry: Entry) -> None:
    source = books.account(entry.member_id, entry.from_subaccount)
    target = books.account(entry.member_id, entry.to_subaccount)
    refuse_if(entry.client_transfer_id in source.member.transfers, "duplicate")
    refuse_if(source is target, "to itself")
    refuse_if(source.customer != "" and target.customer != "", "between customers")
    refuse_if(entry.amount <= 0, "amount")
    refuse_if(entry.amount > available(books, source), "available balance too low")
    source.cash -= entry.amount
    target.cash += entry.amount
    remember_transfer(source.member, entry.client_transfer_id)


def remember_transfer(member: Member, name: str) -> None:
    if name:
        member.transfers.add(name)


def transfer_position(books: Books, entry: Entry) -> None:
    """The source closes at the price, the target takes over at it."""
    source = books.account(entry.member_id, entry.from_subaccount)
    target = books.account(entry.member_id, entry.to_subaccount)
    market = books.market(entry.market_ticker)
    refuse_if(entry.client_transfer_id in source.member.transfers, "duplicate")
    refuse_if(source is target or source.customer != "" or target.customer != "", "accounts")
    refuse_if(market.status == "finalized", "over")
    refuse_if(not 0 <= entry.price <= DOLLAR, "price")
    given = source.positions.get(market.ticker)
    if given is None or not 0 < entry.quantity <= abs(given.quantity):
        raise Refused("no such position")
    refuse_if(entry.quantity % market.lot != 0, "size")
    was_there = market.ticker in target.positions
    taken = target.positions.setdefault(market.ticker, Position())
    before = [(p, p.quantity, p.cost, p.realized) for p in (given, taken)]
    direction = 1 if given.quantity > 0 else -1
    own_price = entry.price if direction > 0 else DOLLAR - entry.price
    closing = min(entry.quantity, closable(target, market, direction))
    proceeds = move(source, market, -direction, entry.quantity, entry.quantity, DOLLAR - own_price)
    payment = move(target, market, direction, entry.quantity, closing, own_price)
    for account, amount in ((source, proceeds), (target, payment)):
        # Collateral that would be returned does not count, what would be taken back does.
        due = certain(account, market.event) - account.returned.get(market.event.ticker, 0)
        if available(books, account) + amount + min(0, due) < 0:
            for position, quantity, cost, realized in before:
                position.quantity, position.cost, position.realized = quantity, cost, realized
            if not was_there:
                del target.positions[market.ticker]
            changed(source, market)
            changed(target, market)
            raise Refused("available balance too low")
    market.holders[target.key] = target
    source.cash += proceeds
    target.cash += payment
    market.escrow -= proceeds + payment
    books.unsettled[(*source.key, market.ticker)] = None
    books.unsettled[(*target.key, market.ticker)] = None
    remember_transfer(source.member, entry.client_transfer_id)


def set_netting(books: Books, entry: Entry) -> None:
    account = books.account(entry.member_id, entry.subaccount)
    if account.netting == entry.enabled:
        return
    had = available(books, account)
    events = {books.markets[ticker].event.ticker for ticker in account.positions}
    returning = [event for event in sorted(events) if books.events[event].returns]
    account.netting = entry.enabled
    due = sum(certain(account, books.events[event]) for event in returning)
    change = due - sum(account.returned.values())
    if available(books, account) + change < min(0, had):
        account.netting = not entry.enabled
        raise Refused("available balance too low")
    for event in returning:
        trading.adjust(books, account, event)


def tick(books: Books, entry: Entry) -> None:
    """Time passes, and that is all."""


HANDLERS: Final[dict[str, Callable[[Books, Entry], None] | None]] = {
    "PlaceOrder": trading.place,
    "CancelOrder": trading.cancel,
    "AmendOrder": trading.amend,
    "DecreaseOrder": trading.decrease,
    "CreateOrderGroup": trading.create_group,
    "ResetOrderGroup": trading.reset_group,
    "TriggerOrderGroup": trading.trigger_group,
    "SetOrderGroupLimit": trading.limit_group,
    "DeleteOrderGroup": trading.delete_group,
    "CreateMember": create_member,
    "UpdateMember": update_member,
    "AddApiKey": None,
    "RemoveApiKey": None,
    "CreateSubaccount": create_subaccount,
    "Deposit": deposit,
    "Withdraw": withdraw,
    "TransferBetweenSubaccounts": transfer,
    "CreateSeries": lifecycle.create_series,
    "UpdateSeries": None,
    "CreateEvent": lifecycle.create_event,
    "UpdateEvent": None,
    "CreateMarket": lifecycle.create_market,
    "UpdateMarket": None,
    "SetPriceLevelStructure": lifecycle.set_grid,
    "ChangeCloseTime": lifecycle.change_close,
    "PauseMarket": lifecycle.pause_market,
    "ReactivateMarket": lifecycle.reactivate_market,
    "DetermineMarket": lifecycle.determine,
    "DisputeMarket": lifecycle.dispute,
    "SetTradingPause": lifecycle.set_trading_pause,
    "SetExchangePause": lifecycle.set_exchange_pause,
    "Tick": tick,
    "PublishAnnouncement": None,
    "SetSchedule": None,
    "PutDocument": None,
    "RemoveDocument": None,
    "CreateRfq": quotes.create_rfq,
    "DeleteRfq": quotes.delete_rfq,
    "CreateQuote": quotes.create_quote,
    "DeleteQuote": quotes.delete_quote,
    "AcceptQuote": quotes.accept,
    "ConfirmQuote": quotes.confirm,
    "ProposeBlockTrade": block_trades.propose,
    "AcceptBlockTrade": block_trades.accept,
    "CreateCollection": lifecycle.create_collection,
    "CreateCombo": lifecycle.create_combo,
    "LookUpCombo": None,
    "SetNetting": set_netting,
    "ScheduleFeeChange": lifecycle.schedule_fees,
    "SetMaintenanceWindows": lifecycle.set_windows,
    "CreateSubtrader": create_customer,
    "TransferPosition": transfer_position,
    "SetStrikeOrder": lifecycle.set_strikes,
}
"""Every command that a log can hold; None for those that no money depends on."""
