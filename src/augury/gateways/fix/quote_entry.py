"""What makers and requesters ask: quotes, confirmations, requests for quotes (fix.md, section 10).

The same commands that REST sends. Refusals are answered here; what is carried out is told by
``quotes``, from the events, except where a message has an answer of its own.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from augury.codec.ids import format_id, parse_id
from augury.core import rejections
from augury.core.applied import Applied
from augury.core.commands import (
    AcceptQuote,
    ConfirmQuote,
    CreateCombo,
    CreateQuote,
    CreateRfq,
    DeleteQuote,
    DeleteRfq,
)
from augury.core.events import ComboLookedUp
from augury.core.negotiation import Quote, Rfq
from augury.core.state import Exchange, Member
from augury.gateways.fix import reasons, values
from augury.gateways.fix.codec import Entry, Message
from augury.gateways.fix.orders import (
    Malformed,
    Refused,
    check_ticker,
    may_see,
    origin_of,
    own_account,
)
from augury.gateways.fix.quotes import REJECTED, QuoteReports
from augury.gateways.fix.reports import Fields
from augury.gateways.fix.session import CONDITIONALLY_REQUIRED_FIELD_MISSING, Session
from augury.gateways.quoting import maker_client_order_id
from augury.ports.exchange import ExchangeGate

UNKNOWN_SYMBOL: Final = "1"
EXCEEDS_LIMIT: Final = "3"
INSUFFICIENT_CREDIT: Final = "11"
OTHER: Final = "99"

RFQ_NOT_FOUND: Final = "RFQ_NOT_FOUND"
QUOTE_NOT_FOUND: Final = "QUOTE_NOT_FOUND"
DUPLICATE_QUOTE_ID: Final = "DUPLICATE_QUOTE_ID"
INVALID_QUOTE: Final = "INVALID_QUOTE"

REQUIRED_TAG_MISSING: Final = 1
VALUE_IS_INCORRECT: Final = 5
MOST_LEGS: Final = 100
LONGEST_NAME: Final = 64


class QuoteEntry:
    """Handles S, Z and U7 of makers, R, UA and UE of requesters."""

    def __init__(self, gate: ExchangeGate, quotes: QuoteReports) -> None:
        self._gate = gate
        self._quotes = quotes
        self._handlers: dict[str, Callable[[Session, Message], Awaitable[None]]] = {
            "S": self._quote,
            "Z": self._cancel_quote,
            "U7": self._confirm_quote,
            "R": self._request,
            "UA": self._accept_quote,
            "UE": self._cancel_request,
        }
        self.types = frozenset(self._handlers)

    async def handle(self, session: Session, message: Message) -> None:
        try:
            await self._handlers[message.type](session, message)
        except Malformed as error:
            session.reject(message, error.reason, error.tag, error.text)

    @property
    def _state(self) -> Exchange:
        return self._gate.state

    def _member(self, session: Session) -> Member:
        return self._gate.state.members[session.principal.member_id]

    # --- makers ------------------------------------------------------------------------------

    async def _quote(self, session: Session, message: Message) -> None:
        member = self._member(session)
        name = message.get(117) or ""
        for tag in (131, 55):
            # Required of makers only: the exchange sends quotes as well.
            if tag not in message:
                raise Malformed(REQUIRED_TAG_MISSING, tag, "Required tag missing")
        if len(name) > LONGEST_NAME:
            raise Malformed(VALUE_IS_INCORRECT, 117, "QuoteID is limited to 64 characters")
        known = self._quotes.quote_of(self._state, member, name) is not None
        if message.is_possible_duplicate and (known or self._quotes.why_over(member, name)):
            # It came again after a crash; what became of it is told from the log.
            return
        try:
            rfq = self._open_rfq(message)
            if known:
                raise Refused(DUPLICATE_QUOTE_ID, 0)
            if message.get(55) != rfq.market.ticker:
                raise Refused("MARKET_NOT_FOUND", 0)
            command = CreateQuote(
                member.id,
                own_account(session, message, member),
                rfq.id,
                _bid(session, message, 132),
                _bid(session, message, 133),
                message.is_yes(21015),
                message.get(18) == "6",
                name,
                origin_of(session),
            )
        except Refused as refused:
            _refuse_quote(session, message, refused.text)
            return
        text = _refusal(await self._gate.submit(command))
        if text:
            _refuse_quote(session, message, text)

    def _open_rfq(self, message: Message) -> Rfq:
        rfq = self._state.rfqs.get(parse_id("rfq", message.get(131) or "") or 0)
        if rfq is None:
            raise Refused(RFQ_NOT_FOUND, 0)
        return rfq

    async def _cancel_quote(self, session: Session, message: Message) -> None:
        name = message.get(117) or ""
        member = self._member(session)
        quote = self._own_quote(session, member, name)
        text = self._why_over(member, name)
        if quote is not None:
            text = _refusal(await self._gate.submit(DeleteQuote(member.id, quote.id)))
        if text:
            session.send("U9", [(117, name), (298, "1"), (58, text)])
        else:
            session.send("U9", [(117, name), (298, "0")])

    async def _confirm_quote(self, session: Session, message: Message) -> None:
        name = message.get(117) or ""
        member = self._member(session)
        quote = self._own_quote(session, member, name)
        text = self._why_over(member, name)
        if quote is not None:
            command = ConfirmQuote(member.id, quote.id, maker_client_order_id(quote.id))
            text = _refusal(await self._gate.submit(command))
            if text == QUOTE_NOT_FOUND:
                text = self._why_over(member, name)
        if text:
            session.send("U8", [(117, name), (21010, "1"), (297, "1"), (58, text)])
        else:
            session.send("U8", [(117, name), (21010, "0"), (297, "0")])

    def _own_quote(self, session: Session, member: Member, name: str) -> Quote | None:
        """The member's open quote by the client's name, or by the exchange's."""
        number = self._quotes.quote_of(self._state, member, name)
        if number is None:
            number = parse_id("quote", name)
        quote = None if number is None else self._state.quotes.get(number)
        if quote is None or quote.account.member is not member:
            return None
        return quote if may_see(session, quote.account.number) else None

    def _why_over(self, member: Member, name: str) -> str:
        reason = self._quotes.why_over(member, name)
        return reasons.EXPIRED if reason == "expired" else QUOTE_NOT_FOUND

    # --- requesters --------------------------------------------------------------------------

    async def _request(self, session: Session, message: Message) -> None:
        member = self._member(session)
        entries = message.groups(146)
        if len(entries) != 1:
            raise Malformed(VALUE_IS_INCORRECT, 146, "one instrument per request")
        entry = entries[0]
        size, cost = entry.get(38), entry.get(152)
        quantity = target_cost = 0
        try:
            if size is not None and size.strip("0.") != "":
                quantity = values.parse_quantity(size)
            if cost is not None and cost.strip("0.") != "":
                target_cost = values.parse_amount(cost)
        except ValueError:
            _refuse_request(session, message, "INVALID_ORDER_SIZE", OTHER)
            return
        if (quantity > 0) == (target_cost > 0):
            _refuse_request(session, message, "INVALID_ORDER_SIZE", OTHER)
            return
        try:
            subaccount = own_account(session, message, member)
            if entry.groups(453):
                subaccount = _customer(session, entry, member)
            ticker, is_combo = await self._instrument(session, message, entry)
        except Refused as refused:
            code = UNKNOWN_SYMBOL if refused.text == "MARKET_NOT_FOUND" else OTHER
            _refuse_request(session, message, refused.text, code)
            return
        applied = await self._gate.submit(
            CreateRfq(
                member.id,
                subaccount,
                ticker,
                quantity,
                target_cost,
                message.is_yes(21015),
                message.is_yes(21016),
                message.get(131) or "",
                origin_of(session),
            )
        )
        text = _refusal(applied)
        if text:
            _refuse_request(session, message, text, _request_code(applied))
            return
        fields: Fields = [
            (131, message.get(131) or ""),
            (303, "1"),
            (21023, format_id("rfq", applied.sequence)),
        ]
        if is_combo:
            fields.append((55, ticker))
        session.send("b", fields)

    async def _instrument(
        self, session: Session, message: Message, entry: Entry
    ) -> tuple[str, bool]:
        """The market that is meant, made on demand when legs say so. Raises ``Refused``."""
        ticker = entry.get(55)
        collection = entry.get(20180) or message.get(20180)
        legs = entry.groups(20181) or message.groups(20181)
        if collection is None:
            if ticker is None:
                raise Malformed(1, 55, "Symbol or the legs of a combination are required")
            check_ticker(ticker)
            return ticker, False
        if not 0 < len(legs) <= MOST_LEGS:
            raise Malformed(VALUE_IS_INCORRECT, 20181, "a combination has 1 to 100 legs")
        for name in (collection, *(leg.get(tag) or "" for leg in legs for tag in (20182, 20183))):
            check_ticker(name)
        chosen = tuple(
            (leg.get(20182) or "", leg.get(20183) or "", leg.get(20184) or "") for leg in legs
        )
        applied = await self._gate.submit(
            CreateCombo(session.principal.member_id, collection, chosen)
        )
        text = _refusal(applied)
        if text:
            raise Refused(text, 0)
        for event in applied.events:
            if isinstance(event, ComboLookedUp):
                return event.market_ticker, True
        raise AssertionError("a combo was looked up without saying so")

    async def _accept_quote(self, session: Session, message: Message) -> None:
        member = self._member(session)
        name = message.get(117) or ""
        # Who buys YES takes the maker's bid for NO.
        side = "no" if message.get(54) == "1" else "yes"
        order_name = message.get(11) or ""
        quote = self._state.quotes.get(parse_id("quote", name) or 0)
        text = ""
        if quote is None or quote.rfq.account.member is not member:
            text = QUOTE_NOT_FOUND
        elif not may_see(session, quote.rfq.account.number) or not _of_rfq(quote, message):
            text = QUOTE_NOT_FOUND
        elif order_name in member.client_order_ids:
            text = reasons.ORDER_ALREADY_EXISTS
        else:
            if message.is_yes(21022):
                quote = _best(quote, side)
            name = format_id("quote", quote.id)
            command = AcceptQuote(member.id, quote.id, side, order_name, origin_of(session))
            text = _refusal(await self._gate.submit(command))
        fields: Fields = [(117, message.get(117) or ""), (21025, "1" if text else "0")]
        if not text:
            fields.append((21024, name))
        if order_name:
            fields.append((11, order_name))
        if text:
            fields.append((58, text))
        session.send("UC", fields)

    async def _cancel_request(self, session: Session, message: Message) -> None:
        member = self._member(session)
        name, public = message.get(131), message.get(21023)
        if name is None and public is None:
            reason = CONDITIONALLY_REQUIRED_FIELD_MISSING
            session.business_reject(message, reason, "QuoteReqID or RfqID is required", "-")
            return
        number = parse_id("rfq", public) if public is not None else None
        rfq = None
        for open_rfq in member.rfqs.values():
            if open_rfq.id == number or (public is None and open_rfq.client_rfq_id == name):
                rfq = open_rfq
        text = RFQ_NOT_FOUND
        fields: Fields = []
        shown = name
        if rfq is not None and may_see(session, rfq.account.number):
            shown = rfq.client_rfq_id or name
            public = format_id("rfq", rfq.id)
            text = _refusal(await self._gate.submit(DeleteRfq(member.id, rfq.id)))
        if shown:
            fields.append((131, shown))
        fields.append((21013, "1" if text else "0"))
        if public is not None:
            fields.append((21023, public))
        if text:
            fields.append((58, text))
        session.send("UB", fields)


def _bid(session: Session, message: Message, tag: int) -> int:
    """A price of the bid's own side; 0 stands for none. Raises ``Refused``."""
    text = message.get(tag)
    if text is None or text.strip("0.") == "":
        return 0
    try:
        return values.parse_price(text, session.options.use_dollars)
    except ValueError:
        raise Refused(reasons.INVALID_PRICE, 0) from None


def _customer(session: Session, entry: Entry, member: Member) -> int:
    """The account of a clearing member's customer, named in the instrument. Raises ``Refused``."""
    parties = entry.groups(453)
    if not member.subtraders:
        raise Refused(reasons.PERMISSION_DENIED, 0)
    number = member.subtraders.get(parties[0].get(448) or "")
    if number is None:
        raise Refused(reasons.CUSTOMER_ACCOUNT_NOT_FOUND, 0)
    if not may_see(session, number):
        raise Refused(reasons.PERMISSION_DENIED, 0)
    return number


def _of_rfq(quote: Quote, message: Message) -> bool:
    public = message.get(21023)
    return public is None or parse_id("rfq", public) == quote.rfq.id


def _best(named: Quote, side: str) -> Quote:
    """The open quote of the request that is best for the requester; the named one among equals."""
    best = named
    for quote in named.rfq.quotes.values():
        bid, best_bid = (
            (quote.yes_bid, best.yes_bid) if side == "yes" else (quote.no_bid, best.no_bid)
        )
        if quote.status == "open" and bid > best_bid:
            best = quote
    return best


def _refusal(applied: Applied) -> str:
    """The Text of a refusal, empty when there is none."""
    rejection = applied.rejection
    if rejection is None:
        return ""
    if rejection.code == rejections.NOT_FOUND:
        return QUOTE_NOT_FOUND if "Quote" in type(applied.command).__name__ else RFQ_NOT_FOUND
    if rejection.code == rejections.INVALID_PARAMETERS:
        return INVALID_QUOTE
    return reasons.text_of(rejection.code, rejection.detail)


def _request_code(applied: Applied) -> str:
    rejection = applied.rejection
    assert rejection is not None
    if rejection.code == rejections.MARKET_NOT_FOUND:
        return UNKNOWN_SYMBOL
    if rejection.code == rejections.INVALID_PARAMETERS:
        return EXCEEDS_LIMIT
    if rejection.code == rejections.AVAILABLE_BALANCE_TOO_LOW:
        return INSUFFICIENT_CREDIT
    return OTHER


def _refuse_quote(session: Session, message: Message, text: str) -> None:
    session.send("AI", [(131, message.get(131) or ""), (297, REJECTED), (58, text)])


def _refuse_request(session: Session, message: Message, text: str, code: str) -> None:
    session.send("AG", [(131, message.get(131) or ""), (658, code), (58, text)])
