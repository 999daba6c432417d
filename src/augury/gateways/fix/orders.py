"""From NewOrderSingle and its kin to commands (fix.md, section 8).

The same commands that REST sends, and as there nothing is checked that the core checks. What can
be wrong with a well-formed message alone is a number beyond the units of the exchange or an account
that the session may not use: ``Refused`` says so in the words of the report that follows.
"""

from typing import Final

from augury.codec.ids import parse_id
from augury.core import rejections
from augury.core.commands import AcceptQuote, PlaceOrder
from augury.core.communications import OPEN, offered, yes_price
from augury.core.state import ANY_SUBACCOUNT, Exchange, Member
from augury.gateways.fix import reasons
from augury.gateways.fix.codec import Message
from augury.gateways.fix.session import Session
from augury.gateways.fix.values import (
    end_of_day,
    parse_amount,
    parse_price,
    parse_quantity,
    parse_time,
)

DAY: Final = "0"
GOOD_TILL_CANCEL: Final = "1"
IMMEDIATE_OR_CANCEL: Final = "3"
FILL_OR_KILL: Final = "4"
GOOD_TILL_DATE: Final = "6"

LATEST_NS: Final = 9_000_000_000_000_000_000
"""In the 23rd century; later times do not fit into the log and mean the same."""

LONGEST_TICKER: Final = 200
"""What cannot be a ticker at all is not worth a record of the log."""

NO_GROUP: Final = -1
"""Stands for a group that cannot exist, so that the core refuses it where it would any other."""


class Refused(Exception):
    """The exchange would not take this. ``text`` and ``code`` are 58 and 103 (or 102)."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text, code)
        self.text = text
        self.code = code


class Malformed(Exception):
    """The message contradicts itself in a way that no table of fields tells; becomes 35=3."""

    def __init__(self, reason: int, tag: int, text: str) -> None:
        super().__init__(reason, tag, text)
        self.reason = reason
        self.tag = tag
        self.text = text


def origin_of(session: Session) -> str:
    """How the log names a session: its kind and the number of its API key."""
    return f"{session.kind.name}/{session.principal.api_key_id}"


def account_of(session: Session, message: Message, member: Member) -> int:
    """The account that parties or AllocAccount name. Raises ``Refused`` and ``Malformed``.

    A key for one subaccount means that one, and may name no other.
    """
    only = session.principal.subaccount
    parties = message.groups(453)
    number = message.get(79)
    chosen = ANY_SUBACCOUNT
    if parties:
        if number is not None:
            raise Malformed(5, 453, "NoPartyIDs and AllocAccount exclude each other")
        if len(parties) != 1 or parties[0].get(452) != "24":
            raise Malformed(5, 453, "one party with PartyRole 24 is supported")
        if not member.subtraders:
            raise Refused(reasons.PERMISSION_DENIED, reasons.UNKNOWN_ACCOUNT)
        found = member.subtraders.get(parties[0].get(448) or "")
        if found is None:
            raise Refused(reasons.CUSTOMER_ACCOUNT_NOT_FOUND, reasons.UNKNOWN_ACCOUNT)
        chosen = found
    elif number is not None:
        chosen = int(number)
        account = member.accounts.get(chosen)
        if account is None or account.subtrader:
            raise Refused(reasons.CUSTOMER_ACCOUNT_NOT_FOUND, reasons.UNKNOWN_ACCOUNT)
    if only >= 0 and chosen not in (ANY_SUBACCOUNT, only):
        raise Refused(reasons.PERMISSION_DENIED, reasons.UNKNOWN_ACCOUNT)
    return chosen


def own_account(session: Session, message: Message, member: Member) -> int:
    """``account_of``, with the account that is meant when none is named."""
    chosen = account_of(session, message, member)
    return chosen if chosen >= 0 else max(0, session.principal.subaccount)


def place_order(session: Session, message: Message, member: Member, now_ns: int) -> PlaceOrder:
    """The order that a NewOrderSingle describes. Raises ``Refused`` and ``Malformed``.

    ``54=2`` becomes the purchase of NO, so that MaxExecutionCost can cap either side.
    """
    time_in_force, expiration_ns = _lifetime(message, now_ns)
    if message.get(100) not in (None, "0"):
        # There is one exchange.
        raise Refused(reasons.INVALID_ORDER, reasons.UNSUPPORTED)
    check_ticker(message.get(55) or "")
    subaccount = own_account(session, message, member)
    cost = message.get(21009)
    max_cost = 0
    if cost is not None:
        try:
            max_cost = parse_amount(cost)
        except ValueError:
            raise Refused(reasons.INVALID_ORDER, reasons.UNSUPPORTED) from None
        if expiration_ns or message.get(18) == "6":
            raise Refused(reasons.INVALID_ORDER, reasons.UNSUPPORTED)
        time_in_force = "fill_or_kill"
    group_text = message.get(526)
    group_id = 0
    if group_text is not None:
        group_id = parse_id("group", group_text) or NO_GROUP
    return PlaceOrder(
        member.id,
        subaccount,
        message.get(55) or "",
        message.get(11) or "",
        "buy",
        "yes" if message.get(54) == "1" else "no",
        price_of(session, message),
        quantity_of(message),
        time_in_force,
        expiration_ns,
        message.get(18) == "6",
        False,
        max_cost,
        "maker" if message.get(2964) == "2" else "taker_at_cross",
        group_id,
        message.is_yes(21006),
        origin_of(session),
    )


def accept_quote(
    session: Session, message: Message, member: Member, state: Exchange
) -> AcceptQuote:
    """The acceptance that a NewOrderSingle with a QuoteID is. Raises ``Refused``.

    Whoever buys YES takes the maker's bid for NO. The order's price is a limit as any other, its
    size that of the quote.
    """
    quote = state.quotes.get(parse_id("quote", message.get(117) or "") or 0)
    rfq_text = message.get(21023)
    if (
        quote is None
        or quote.rfq.account.member is not member
        or not may_see(session, quote.rfq.account.number)
        or (rfq_text is not None and parse_id("rfq", rfq_text) != quote.rfq.id)
        or quote.status != OPEN
    ):
        raise Refused(reasons.EXPIRED, reasons.STALE_ORDER)
    if message.get(55) != quote.rfq.market.ticker:
        raise Refused(reasons.INVALID_ORDER, reasons.UNSUPPORTED)
    name = message.get(11) or ""
    if name in member.client_order_ids:
        raise Refused(reasons.ORDER_ALREADY_EXISTS, reasons.DUPLICATE_ORDER)
    buys = message.get(54) == "1"
    side = "no" if buys else "yes"
    limit, price = price_of(session, message), yes_price(quote, side)
    if (limit < price) if buys else (limit > price):
        raise Refused(reasons.INVALID_PRICE, reasons.OTHER)
    if quantity_of(message) != offered(quote, side):
        raise Refused(reasons.INVALID_ORDER, reasons.INCORRECT_QUANTITY)
    return AcceptQuote(member.id, quote.id, side, name, origin_of(session))


def check_ticker(ticker: str) -> None:
    """Raises ``Refused``."""
    if len(ticker) > LONGEST_TICKER:
        text, code = reasons.order_refusal(rejections.MARKET_NOT_FOUND)
        raise Refused(text, code)


def price_of(session: Session, message: Message) -> int:
    """The YES price, 0 when there is none. Raises ``Refused``."""
    text = message.get(44)
    if text is None:
        return 0
    try:
        return parse_price(text, session.options.use_dollars)
    except ValueError:
        raise Refused(reasons.INVALID_PRICE, reasons.OTHER) from None


def quantity_of(message: Message) -> int:
    """OrderQty in hundredths of a contract. Raises ``Refused``."""
    try:
        return parse_quantity(message.get(38) or "0")
    except ValueError:
        code = reasons.order_refusal(rejections.INVALID_ORDER_SIZE)[1]
        raise Refused(reasons.INVALID_ORDER, code) from None


def _lifetime(message: Message, now_ns: int) -> tuple[str, int]:
    """Time in force and expiration. A GTD order whose date is over takes what it can and goes."""
    kind = message.get(59) or GOOD_TILL_CANCEL
    if kind == IMMEDIATE_OR_CANCEL:
        return "immediate_or_cancel", 0
    if kind == FILL_OR_KILL:
        return "fill_or_kill", 0
    if kind == DAY:
        return "good_till_canceled", end_of_day(now_ns)
    if kind == GOOD_TILL_DATE:
        text = message.get(126)
        if text is None:
            raise Malformed(1, 126, "ExpireTime is required for TimeInForce 6")
        try:
            expires_ns = parse_time(text)
        except ValueError:
            raise Malformed(6, 126, "no such time") from None
        if expires_ns <= now_ns:
            return "immediate_or_cancel", 0
        return "good_till_canceled", min(expires_ns, LATEST_NS)
    return "good_till_canceled", 0


def may_see(session: Session, subaccount: int) -> bool:
    """Whether something of this account exists for the session's key."""
    return session.principal.subaccount in (-1, subaccount)
