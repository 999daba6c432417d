"""What sessions hear about requests for quotes (fix.md, section 10).

Makers hear of every open request, and of what becomes of quotes that they made over FIX; whoever
asked over FIX hears of the quotes that answer. Answers to a client's own message are sent where
the message is handled.
"""

from collections import OrderedDict
from typing import Final

from augury.codec.ids import format_id
from augury.core.applied import Applied
from augury.core.events import QuoteUpdated, RfqUpdated
from augury.core.negotiation import Rfq
from augury.core.state import Exchange, Market, Member
from augury.core.units import PRICE_ONE
from augury.gateways.fix import reasons, values
from augury.gateways.fix.dictionary import Kind
from augury.gateways.fix.orders import may_see
from augury.gateways.fix.registry import Sessions
from augury.gateways.fix.reports import NO_EXEC_ID, NO_ORDER, Fields, account_fields
from augury.gateways.fix.session import Session
from augury.gateways.quoting import cancellation_reason, communications_id

ACCEPTED: Final = "0"
REJECTED: Final = "5"
PENDING: Final = "10"
CANCELED: Final = "17"

REMEMBERED: Final = 10_000
"""How many quotes that are over are known to have expired or not."""


class QuoteReports:
    """Sends to the sessions of makers and requesters; knows quotes by their clients' names."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._by_name: dict[tuple[int, str], int] | None = None
        self._over: OrderedDict[tuple[int, str], str] = OrderedDict()

    # --- names -------------------------------------------------------------------------------

    def quote_of(self, state: Exchange, member: Member, name: str) -> int | None:
        """Number of the member's open quote that its client calls ``name``."""
        return self._names(state).get((member.id, name))

    def why_over(self, member: Member, name: str) -> str | None:
        """The reason for which a quote of that name ended, if that is remembered."""
        return self._over.get((member.id, name))

    def _names(self, state: Exchange) -> dict[tuple[int, str], int]:
        if self._by_name is None:
            self._by_name = {
                (quote.account.member.id, quote.client_quote_id): quote.id
                for quote in state.quotes.values()
                if quote.client_quote_id
            }
        return self._by_name

    def _follow(self, event: QuoteUpdated) -> None:
        if not event.client_quote_id or self._by_name is None:
            return
        key = (event.member_id, event.client_quote_id)
        if event.kind in ("executed", "cancelled"):
            if self._by_name.get(key) == event.quote_id:
                del self._by_name[key]
            self._over[key] = event.reason or event.kind
            if len(self._over) > REMEMBERED:
                self._over.popitem(last=False)
        else:
            self._by_name[key] = event.quote_id

    # --- requests ----------------------------------------------------------------------------

    def greet(self, session: Session, state: Exchange) -> None:
        """Tell a maker who has just logged on of every request that is open."""
        for rfq in state.rfqs.values():
            if rfq.account.member.id != session.principal.member_id:
                session.send("R", _request_of(rfq))

    def rfq_updated(self, event: RfqUpdated, applied: Applied, state: Exchange) -> None:
        if event.kind == "created":
            rfq = state.rfqs.get(event.rfq_id)
            if rfq is None:
                return
            fields = _request_of(rfq)
            for session in self._makers(event.member_id):
                session.send("R", fields)
            return
        if event.reason != "executed":
            text = cancellation_reason(event.reason).upper()
            fields = [(131, format_id("rfq", event.rfq_id)), (658, "99"), (58, text)]
            for session in self._makers(event.member_id):
                session.send("AG", fields)
            self._tell_requester(event, text)

    def _tell_requester(self, event: RfqUpdated, text: str) -> None:
        """Of an end that the requester did not ask for."""
        session = self._session(event.origin)
        if session is None or event.reason == "user_deleted":
            return
        fields: Fields = [(131, event.client_rfq_id)]
        rfq_id = (21023, format_id("rfq", event.rfq_id))
        if event.reason in ("expired", "replaced"):
            code = "2" if event.reason == "expired" else "0"
            session.send("UB", [*fields, (21013, code), rfq_id, (58, text)])
        else:
            session.send("AG", [*fields, (658, "99"), (58, text), rfq_id])

    def _makers(self, requester_id: int) -> list[Session]:
        """Those who are there. A request is not kept for others: it is told at their Logon."""
        return [
            session
            for session in self._sessions.of_kind(Kind.RFQ)
            if session.connected and session.principal.member_id != requester_id
        ]

    # --- quotes ------------------------------------------------------------------------------

    def quote_updated(self, event: QuoteUpdated, applied: Applied, state: Exchange) -> None:
        self._follow(event)
        maker = self._session(event.origin)
        if maker is not None and event.client_quote_id:
            fields = status_report(event, maker, state)
            if fields is not None:
                maker.send("AI", fields)
        if event.kind == "cancelled" and event.rfq_client_order_id:
            requester = self._session(event.rfq_order_origin)
            if requester is not None:
                requester.send("8", _void_acceptance(event, applied.time_ns, requester))
        if event.kind == "created":
            requester = self._session(event.rfq_origin)
            if requester is not None and may_see(requester, event.rfq_subaccount):
                requester.send("S", _quote(event))

    def _session(self, origin: str) -> Session | None:
        kind, _, key = origin.partition("/")
        return self._sessions.get(Kind[kind], int(key)) if key else None


def status_report(event: QuoteUpdated, session: Session, state: Exchange) -> Fields | None:
    """A QuoteStatusReport about a quote of the session; None for steps that have other answers."""
    dollars = session.options.use_dollars
    quantity = event.rfq_quantity
    fields: Fields = [
        (117, event.client_quote_id),
        (131, format_id("rfq", event.rfq_id)),
        *[field for field in _account(event, state) if field[0] == 79],
    ]
    text: Fields = []
    if event.kind == "created":
        status = PENDING
    elif event.kind == "accepted":
        status = ACCEPTED
        quantity = event.accepted_quantity
        text = [(54, "1" if event.accepted_side == "yes" else "2")]
    elif event.kind == "cancelled":
        status = CANCELED
        text = [(58, cancellation_reason(event.reason).upper())]
    else:
        return None
    fields.append((297, status))
    fields.append((38, values.size_text(quantity)))
    fields.append((132, values.price_text(event.yes_bid, dollars)))
    fields.append((133, values.price_text(event.no_bid, dollars)))
    fields.append((134, values.quantity_text(event.yes_quantity)))
    fields.append((135, values.quantity_text(event.no_quantity)))
    return fields + text


def _void_acceptance(event: QuoteUpdated, time_ns: int, session: Session) -> Fields:
    """A rejection of the order that the requester named when accepting the quote."""
    takes_yes_bid = event.accepted_side == "yes"
    price = event.yes_bid if takes_yes_bid else PRICE_ONE - event.no_bid
    text, code = reasons.quote_refusal(event.reason)
    return [
        (6, "0"),
        (11, event.rfq_client_order_id),
        (14, "0.00"),
        (17, NO_EXEC_ID),
        (37, NO_ORDER),
        (38, values.size_text(event.accepted_quantity)),
        (39, "8"),
        (44, values.price_text(price, session.options.use_dollars)),
        (54, "2" if takes_yes_bid else "1"),
        (55, event.market_ticker),
        (58, text),
        (60, values.time_text(time_ns)),
        (103, str(code)),
        (150, "8"),
        (151, "0.00"),
    ]


def _account(event: QuoteUpdated, state: Exchange) -> Fields:
    return account_fields(state, event.member_id, event.subaccount)


def _request_of(rfq: Rfq) -> Fields:
    """An open request as makers are asked it. Who asks is told by pseudonym."""
    fields: Fields = [
        (131, format_id("rfq", rfq.id)),
        (146, "1"),
        (55, rfq.market.ticker),
        (38, values.size_text(rfq.quantity)),
    ]
    if rfq.target_cost:
        fields.append((152, values.amount_text(rfq.target_cost)))
    fields.append((453, "1"))
    fields.append((448, communications_id(rfq.account.member.id)))
    return fields + _legs(rfq.market)


def _legs(market: Market) -> Fields:
    if not market.collection_ticker:
        return []
    fields: Fields = [(20180, market.collection_ticker), (20181, str(len(market.legs)))]
    for event_ticker, market_ticker, side in market.legs:
        fields += [(20182, event_ticker), (20183, market_ticker), (20184, side)]
    return fields


def _quote(event: QuoteUpdated) -> Fields:
    """A maker's quote as the requester gets it: prices in dollars, absent where there is none."""
    fields: Fields = [
        (117, format_id("quote", event.quote_id)),
        (131, format_id("rfq", event.rfq_id)),
        (55, event.market_ticker),
    ]
    if event.yes_bid:
        fields.append((132, values.price_text(event.yes_bid, True)))
    if event.no_bid:
        fields.append((133, values.price_text(event.no_bid, True)))
    fields.append((38, values.size_text(event.rfq_quantity)))
    if event.yes_bid:
        fields.append((134, values.quantity_text(event.yes_quantity)))
    if event.no_bid:
        fields.append((135, values.quantity_text(event.no_quantity)))
    return [
        *fields,
        (453, "1"),
        (448, communications_id(event.member_id)),
        (452, "35"),
    ]
