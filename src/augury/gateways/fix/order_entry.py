"""What clients ask of their orders: new, replace, cancel, mass cancel, groups (fix.md, 8 and 9).

Sends commands to the gate and answers what the exchange refuses. What it carries out is reported
by ``publisher``, from the events, so that it is reported alike whoever asked for it.

Messages of one session are handled side by side, or an order would wait for the disk before the
next one could set out. Each takes its place before it first waits; what names an order that is
still under way waits for it, and what concerns many orders waits for all before it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from augury.codec.ids import format_id, parse_id
from augury.core import queries, rejections
from augury.core.applied import Applied
from augury.core.commands import (
    AcceptQuote,
    AmendOrder,
    CancelOrder,
    Command,
    CreateOrderGroup,
    DeleteOrderGroup,
    ResetOrderGroup,
    SetOrderGroupLimit,
    TriggerOrderGroup,
)
from augury.core.state import Member, Order
from augury.core.units import BID, QUANTITY_ONE
from augury.gateways.fix import reasons, values
from augury.gateways.fix.codec import Message
from augury.gateways.fix.order_index import OrderIndex
from augury.gateways.fix.orders import (
    Malformed,
    Refused,
    accept_quote,
    account_of,
    own_account,
    place_order,
    price_of,
    quantity_of,
)
from augury.gateways.fix.reports import NO_EXEC_ID, NO_ORDER, Fields, account_fields
from augury.gateways.fix.session import (
    CONDITIONALLY_REQUIRED_FIELD_MISSING,
    OTHER,
    UNKNOWN_ID,
    Session,
)
from augury.ports.exchange import ExchangeGate, Unavailable

CANCELS_AT_ONCE: Final = 500
RETRY_SECONDS: Final = 0.5
RETRIES: Final = 240
LARGEST_GROUP_LIMIT: Final = 1_000_000

VALUE_IS_INCORRECT: Final = 5
TAG_NOT_DEFINED_HERE: Final = 2

logger = logging.getLogger("augury.fix")


class Underway:
    """The messages of one session that are not answered yet, in their order."""

    __slots__ = ("_all", "_barrier", "_by_name")

    def __init__(self) -> None:
        self._all: dict[asyncio.Future[None], None] = {}
        self._by_name: dict[str, asyncio.Future[None]] = {}
        self._barrier: asyncio.Future[None] | None = None

    def begin(self, name: str, exclusive: bool) -> "asyncio.Future[None]":
        """Take a place. ``name`` is the ClOrdID that others may wait for; may be empty."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._all[done] = None
        if name:
            self._by_name[name] = done
        if exclusive:
            self._barrier = done
        return done

    def end(self, name: str, done: "asyncio.Future[None]") -> None:
        del self._all[done]
        if self._by_name.get(name) is done:
            del self._by_name[name]
        if self._barrier is done:
            self._barrier = None
        done.set_result(None)

    def before(self, name: str, exclusive: bool) -> "list[asyncio.Future[None]]":
        """What has to be over before a message that names ``name`` may go on."""
        if exclusive:
            return list(self._all)
        found = [] if self._barrier is None else [self._barrier]
        if name in self._by_name:
            found.append(self._by_name[name])
        return found

    async def drained(self) -> None:
        """Return when everything that is under way now is over."""
        if self._all:
            await asyncio.wait(list(self._all))


def underway_of(session: Session) -> Underway:
    data = session.application_data
    if not isinstance(data, Underway):
        data = session.application_data = Underway()
    return data


class OrderEntry:
    """Handles D, G, F, q and UOG."""

    def __init__(self, gate: ExchangeGate, index: OrderIndex) -> None:
        self._gate = gate
        self._index = index
        self.handlers: dict[str, Callable[[Session, Message], Awaitable[None]]] = {
            "D": self.new_order,
            "G": self.replace_order,
            "F": self.cancel_order,
            "q": self.mass_cancel,
            "UOG": self.order_group,
        }

    def _member(self, session: Session) -> Member:
        return self._gate.state.members[session.principal.member_id]

    async def handle(self, session: Session, message: Message) -> None:
        """Bring a message into its place among the others of its session, then handle it."""
        exclusive = message.type in ("q", "UOG")
        underway = underway_of(session)
        waits = underway.before(message.get(41) or "", exclusive)
        name = message.get(11) or ""
        done = underway.begin(name, exclusive)
        try:
            if waits:
                await asyncio.wait(waits)
            await self.handlers[message.type](session, message)
        except Malformed as error:
            session.reject(message, error.reason, error.tag, error.text)
        finally:
            underway.end(name, done)

    # --- new orders --------------------------------------------------------------------------

    async def new_order(self, session: Session, message: Message) -> None:
        now_ns = self._gate.now_ns()
        if self._is_repeated(session, message):
            return
        member = self._member(session)
        command: Command
        try:
            if 117 in message:
                command = accept_quote(session, message, member, self._gate.state)
            else:
                command = place_order(session, message, member, now_ns)
        except Refused as refused:
            self._pending_new(session, message, now_ns)
            session.send("8", _refused_order(message, now_ns, refused.text, refused.code))
            return
        self._pending_new(session, message, now_ns)
        applied = await self._gate.submit(command)
        # What becomes of an order, refusal included, is in the log, and reported from there.
        rejection = applied.rejection
        if rejection is not None and isinstance(command, AcceptQuote):
            text, code = reasons.quote_refusal(rejection.code)
            session.send("8", _refused_order(message, now_ns, text, code))

    def _is_repeated(self, session: Session, message: Message) -> bool:
        """Whether a message came again, as possible duplicates do when the exchange asks for them
        after a crash, and the log has it: what is to be said of it is said from there."""
        names = self._member(session).client_order_ids
        return message.is_possible_duplicate and message.get(11) in names

    def _pending_new(self, session: Session, message: Message, now_ns: int) -> None:
        if not session.options.skip_pending:
            session.send("8", _unborn_order(message, now_ns, "A", []))

    # --- changes -----------------------------------------------------------------------------

    async def replace_order(self, session: Session, message: Message) -> None:
        member = self._member(session)
        order = None
        if self._is_repeated(session, message):
            return
        try:
            order = self._find(session, message, member)
            name = message.get(11) or ""
            if name in member.client_order_ids:
                raise Refused(reasons.ORDER_ALREADY_EXISTS, reasons.DUPLICATE_CLIENT_ID)
            price, quantity = price_of(session, message), quantity_of(message)
        except Refused as refused:
            self._refuse_change(session, message, order, refused.text)
            return
        self._pending_change(session, message, order, "E")
        command: Command
        if quantity == order.filled:
            command = CancelOrder(member.id, order.id, -1, name)
        else:
            command = AmendOrder(
                member.id,
                order.id,
                price=price,
                quantity=quantity,
                client_order_id=order.client_order_id,
                updated_client_order_id=name,
            )
        await self._change(session, message, order, command)

    async def cancel_order(self, session: Session, message: Message) -> None:
        member = self._member(session)
        order = None
        try:
            order = self._find(session, message, member)
            name = message.get(11) or ""
            if name in member.client_order_ids:
                raise Refused(reasons.ORDER_ALREADY_EXISTS, reasons.DUPLICATE_CLIENT_ID)
        except Refused as refused:
            self._refuse_change(session, message, order, refused.text)
            return
        self._pending_change(session, message, order, "6")
        await self._change(session, message, order, CancelOrder(member.id, order.id, -1, name))

    async def _change(
        self, session: Session, message: Message, order: Order, command: Command
    ) -> None:
        order_id = order.id
        applied = await self._gate.submit(command)
        rejection = applied.rejection
        if rejection is None:
            return
        text = reasons.text_of(rejection.code, rejection.detail)
        if rejection.code == rejections.INVALID_ORDER_SIZE:
            text = reasons.INVALID_AMEND_QUANTITY
        if rejection.code == rejections.NOT_FOUND:
            text = self._why_gone(session, message)
        self._refuse_change(session, message, self._gate.state.orders.get(order_id), text)

    def _find(self, session: Session, message: Message, member: Member) -> Order:
        """The open order that a change names in all the ways it names it. Raises ``Refused``."""
        state = self._gate.state
        name = message.get(41) or ""
        text = message.get(37)
        if text is not None:
            order = state.orders.get(parse_id("order", text) or 0)
        else:
            # An order without a name of its own is reported by its id, so it goes by that.
            order = self._index.open_order(state, member, name) or state.orders.get(
                parse_id("order", name) or 0
            )
        if (
            order is None
            or order.account.member is not member
            or name not in (order.client_order_id, format_id("order", order.id))
            or session.principal.subaccount not in (-1, order.account.number)
        ):
            raise Refused(self._why_gone(session, message), reasons.UNKNOWN_ORDER)
        account = account_of(session, message, member)
        if (
            message.get(55) != order.market.ticker
            or (message.get(54) == "1") != (order.direction == BID)
            or account not in (-1, order.account.number)
        ):
            raise Refused(reasons.NOT_FOUND, reasons.UNKNOWN_ORDER)
        return order

    def _why_gone(self, session: Session, message: Message) -> str:
        """Why there is no such open order: it was filled, or nothing is known of it."""
        closed = self._index.closed_order(
            self._gate.state, self._member(session), message.get(41) or ""
        )
        filled = closed is not None and closed[1]
        return reasons.CANNOT_UPDATE_FILLED_ORDER if filled else reasons.NOT_FOUND

    def _pending_change(
        self, session: Session, message: Message, order: Order, status: str
    ) -> None:
        """A Pending Replace or Pending Cancel report, with the order as it is."""
        options = session.options
        if options.skip_pending:
            return
        account = order.account
        value = order.maker_cost + order.taker_cost
        if order.side == "no":
            value = values.complement(order.filled, value)
        whole = (
            order.initial_quantity if options.preserve_quantity else order.filled + order.remaining
        )
        fields: Fields = [
            (6, values.average_text(value, order.filled, options.use_dollars)),
            (11, message.get(11) or ""),
            (14, values.quantity_text(order.filled)),
            (17, NO_EXEC_ID),
            (37, format_id("order", order.id)),
            (38, values.size_text(whole)),
            (39, status),
            (41, message.get(41) or ""),
            (44, values.price_text(order.price, options.use_dollars)),
            (54, "1" if order.direction == BID else "2"),
            (55, order.market.ticker),
            (60, values.time_text(self._gate.now_ns())),
            (150, status),
            (151, values.quantity_text(order.remaining)),
            *account_fields(self._gate.state, account.member.id, account.number),
        ]
        session.send("8", fields)

    def _refuse_change(
        self, session: Session, message: Message, order: Order | None, text: str
    ) -> None:
        """An OrderCancelReject. The order itself is as it was."""
        is_cancel = message.type == "F"
        code = reasons.change_refusal(text)
        order_id, status = NO_ORDER, "8"
        if order is not None:
            order_id = format_id("order", order.id)
            status = "1" if order.filled else "0"
        else:
            closed = self._index.closed_order(
                self._gate.state, self._member(session), message.get(41) or ""
            )
            if closed is not None:
                order_id, status = format_id("order", closed[0]), "2" if closed[1] else "4"
        if is_cancel and text == reasons.CANNOT_UPDATE_FILLED_ORDER:
            code = reasons.TOO_LATE
        fields: Fields = [
            (11, message.get(11) or ""),
            (37, order_id),
            (39, status),
            (41, message.get(41) or ""),
            (58, text),
            (60, values.time_text(self._gate.now_ns())),
            (102, str(code)),
            (434, "1" if is_cancel else "2"),
        ]
        session.send("9", fields)

    # --- many at once ------------------------------------------------------------------------

    async def mass_cancel(self, session: Session, message: Message) -> None:
        """Cancel what rests and was entered with the session's key. The answer goes first."""
        kind = message.get(530) or ""
        fields: Fields = [(11, message.get(11) or ""), (37, str(uuid4())), (530, kind)]
        time = (60, values.time_text(self._gate.now_ns()))
        if kind != "6":
            session.send("r", [*fields, (531, "0"), (532, "0"), time])
            return
        if self._gate.state.exchange_paused or self._gate.storage_failed:
            text = (58, "EXCHANGE_PAUSED")
            session.send("r", [*fields, (531, "0"), (532, "99"), text, time])
            return
        session.send("r", [*fields, (531, "6"), time])
        await self.cancel_all(session)

    async def cancel_all(self, session: Session, newest: int | None = None) -> bool:
        """Cancel every open order of the session's key; False when the exchange is paused.

        Those with numbers above ``newest`` stay. Raises ``Unavailable``.
        """
        key = str(session.principal.api_key_id)
        member = self._member(session)
        commands = [
            CancelOrder(member.id, order.id)
            for order in queries.open_orders(self._gate.state, member)
            if order.origin
            and order.origin.partition("/")[2] == key
            and (newest is None or order.id <= newest)
        ]
        done = True
        for start in range(0, len(commands), CANCELS_AT_ONCE):
            for applied in await self._gate.submit_all(commands[start : start + CANCELS_AT_ONCE]):
                rejection = applied.rejection
                if rejection is not None and rejection.code == rejections.EXCHANGE_PAUSED:
                    done = False
        return done

    async def cancel_on_disconnect(self, session: Session, newest: int | None = None) -> bool:
        """``cancel_all`` as often as it takes; False when a pause has to end first.

        An exchange that cannot log a cancel cannot log a trade either, so nothing is lost by
        waiting. Messages that were under way when the connection went down count as well.
        """
        await underway_of(session).drained()
        for _ in range(RETRIES):
            try:
                return await self.cancel_all(session, newest)
            except Unavailable as error:
                if error.reason == "stopping":
                    return False
                await asyncio.sleep(RETRY_SECONDS)
        logger.error("orders of a lost session could not be canceled")
        return False

    # --- order groups ------------------------------------------------------------------------

    async def order_group(self, session: Session, message: Message) -> None:
        action = message.get(20131)
        member = self._member(session)
        text = message.get(20130)
        limit = 0
        if action in ("1", "5"):
            limit = _group_limit(session, message)
            if limit == 0:
                return
        if action == "1":
            if text is not None:
                raise Malformed(TAG_NOT_DEFINED_HERE, 20130, "a new group has no OrderGroupID yet")
            await self._create_group(session, message, member, limit)
            return
        if text is None:
            reason = CONDITIONALLY_REQUIRED_FIELD_MISSING
            session.business_reject(message, reason, "OrderGroupID is required")
            return
        group_id = parse_id("group", text) or 0
        try:
            account = account_of(session, message, member)
        except Refused as refused:
            session.business_reject(message, UNKNOWN_ID, refused.text)
            return
        group = self._gate.state.groups.get(group_id)
        number = -1 if group is None else group.account.number
        only = session.principal.subaccount
        if group is None or only not in (-1, number) or account not in (-1, number):
            session.business_reject(message, UNKNOWN_ID, reasons.ORDER_GROUP_NOT_FOUND)
            return
        command: Command
        if action == "2":
            command = ResetOrderGroup(member.id, group_id)
        elif action == "3":
            command = DeleteOrderGroup(member.id, group_id)
        elif action == "4":
            command = TriggerOrderGroup(member.id, group_id)
        else:
            command = SetOrderGroupLimit(member.id, group_id, limit * QUANTITY_ONE)
        if _refuse_group(session, message, await self._gate.submit(command)):
            return
        session.send("UOH", _group_fields(text, limit, number))

    async def _create_group(
        self, session: Session, message: Message, member: Member, limit: int
    ) -> None:
        try:
            subaccount = own_account(session, message, member)
        except Refused as refused:
            session.business_reject(message, UNKNOWN_ID, refused.text)
            return
        command = CreateOrderGroup(member.id, subaccount, limit * QUANTITY_ONE)
        applied = await self._gate.submit(command)
        if not _refuse_group(session, message, applied):
            group_id = format_id("group", applied.sequence)
            session.send("UOH", _group_fields(group_id, limit, subaccount))


def _group_limit(session: Session, message: Message) -> int:
    """Contracts; 0 when it is missing, which has been answered. Raises ``Malformed``."""
    text = message.get(20132)
    if text is None:
        reason = CONDITIONALLY_REQUIRED_FIELD_MISSING
        session.business_reject(message, reason, "OrderGroupContractsLimit is required")
        return 0
    limit = int(text)
    if not 1 <= limit <= LARGEST_GROUP_LIMIT:
        raise Malformed(VALUE_IS_INCORRECT, 20132, "the limit is 1 to 1000000 contracts")
    return limit


def _group_fields(group_id: str, limit: int, subaccount: int) -> Fields:
    fields: Fields = [(20130, group_id)]
    if limit:
        fields.append((20132, str(limit)))
    if subaccount:
        fields.append((79, str(subaccount)))
    return fields


def _refuse_group(session: Session, message: Message, applied: Applied) -> bool:
    rejection = applied.rejection
    if rejection is None:
        return False
    unknown = rejection.code in (rejections.NOT_FOUND, rejections.ORDER_GROUP_NOT_FOUND)
    text = reasons.ORDER_GROUP_NOT_FOUND if unknown else reasons.text_of(rejection.code)
    session.business_reject(message, UNKNOWN_ID if unknown else OTHER, text)
    return True


def _unborn_order(message: Message, now_ns: int, status: str, reason: Fields) -> Fields:
    """A report about an order that the exchange does not know, from the request alone."""
    size = message.get(38) or "0"
    leaves = "0.00"
    if not reason:
        with contextlib.suppress(ValueError):
            leaves = values.quantity_text(values.parse_quantity(size))
    fields: Fields = [
        (6, "0"),
        (11, message.get(11) or ""),
        (14, "0.00"),
        (17, NO_EXEC_ID),
        (37, NO_ORDER),
        (38, size),
        (39, status),
    ]
    price = message.get(44)
    if price is not None:
        fields.append((44, price))
    fields.append((54, message.get(54) or ""))
    fields.append((55, message.get(55) or ""))
    fields.extend((tag, text) for tag, text in reason if tag < 60)
    fields.append((60, values.time_text(now_ns)))
    fields.extend((tag, text) for tag, text in reason if tag > 60)
    fields.append((150, status))
    fields.append((151, leaves))
    parties = message.groups(453)
    if parties:
        fields.append((453, "1"))
        fields.extend((tag, text) for tag in (448, 452) if (text := parties[0].get(tag)))
    elif message.get(79) is not None:
        fields.append((79, message.get(79) or ""))
    return fields


def _refused_order(message: Message, now_ns: int, text: str, code: int) -> Fields:
    return _unborn_order(message, now_ns, "8", [(58, text), (103, str(code))])
