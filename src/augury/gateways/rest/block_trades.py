"""Trades off the book that two members agree on (compat.md, section 5).

Proposals and what became of them are read from the live state, which keeps them for two weeks.
They are visible to their two parties, who know each other: a proposal names both by user id.
"""

from heapq import merge
from typing import Any, Final

from msgspec import UNSET, UnsetType

from augury.codec.ids import format_id, parse_id
from augury.codec.text import parse_rfc3339, rfc3339
from augury.core import rejections
from augury.core.commands import AcceptBlockTrade, ProposeBlockTrade
from augury.core.negotiation import BlockProposal
from augury.core.state import Account
from augury.gateways.rest.answers import (
    BlockTradeProposal,
    GetBlockTradeProposalsResponse,
    ProposeBlockTradeResponse,
)
from augury.gateways.rest.bodies import ACCEPT_BLOCK_TRADE, PROPOSE_BLOCK_TRADE
from augury.gateways.rest.errors import ApiError, invalid, locked_out, not_found
from augury.gateways.rest.order_entry import TICKER_LENGTH_LIMIT
from augury.gateways.rest.parameters import (
    CURSOR,
    LATEST_NS,
    Parameter,
    choice,
    limit,
    text,
)
from augury.gateways.rest.request import Request, Services
from augury.gateways.rest.subtraders import chosen_account

KIND: Final = "block_trade_proposal"

PROPOSALS_LIMIT: Final = limit(100)
MARKET_TICKER: Final = text("market_ticker", "Only this market.")
STATUS: Final = choice(
    "status",
    ("pending", "executed", "expired", "cancelled"),
    "Only proposals of this status.",
)
PROPOSALS_PARAMETERS: Final[tuple[Parameter[Any], ...]] = (
    CURSOR,
    MARKET_TICKER,
    PROPOSALS_LIMIT,
    STATUS,
)


async def get_proposals(services: Services, request: Request) -> GetBlockTradeProposalsResponse:
    """Newest first. A key for one subaccount sees what that one is party to."""
    ticker, status = request.value(MARKET_TICKER), request.value(STATUS)
    page = request.value(PROPOSALS_LIMIT)
    position = services.position(request, tuple[int])
    before = LATEST_NS if position is None else position[0]
    found: list[BlockTradeProposal] = []
    last = 0
    member = services.member(request)
    newest_first = merge(
        reversed(member.block_proposals.values()),
        reversed(member.block_offers.values()),
        key=lambda proposal: proposal.id,
        reverse=True,
    )
    for proposal in newest_first:
        if (
            proposal.id >= before
            or (ticker and proposal.market_ticker != ticker)
            or (status and proposal.status != status)
            or not (_is_own(request, proposal.buyer) or _is_own(request, proposal.seller))
        ):
            continue
        if len(found) == page:
            cursor = services.next_cursor(request, (last,))
            return GetBlockTradeProposalsResponse(found, cursor)
        found.append(_row(proposal, request))
        last = proposal.id
    return GetBlockTradeProposalsResponse(found, "")


async def propose(services: Services, request: Request) -> ProposeBlockTradeResponse:
    body = request.read(PROPOSE_BLOCK_TRADE)
    if not 0 < len(body.market_ticker) <= TICKER_LENGTH_LIMIT:
        raise ApiError(404, rejections.MARKET_NOT_FOUND, "market not found")
    try:
        expiration_ns = parse_rfc3339(body.expiration_ts)
    except ValueError as error:
        raise invalid(f"expiration_ts: {error}") from None
    if not 0 < expiration_ns < LATEST_NS:
        raise invalid("expiration_ts is out of range")
    buyer_id, buyer = _party(
        services, request, body.buyer_user_id, body.buyer_subaccount, body.buyer_subtrader_id
    )
    seller_id, seller = _party(
        services, request, body.seller_user_id, body.seller_subaccount, body.seller_subtrader_id
    )
    if request.member_id not in (buyer_id, seller_id):
        raise invalid("the caller must be the buyer or the seller")
    applied = await services.submit(
        ProposeBlockTrade(
            request.member_id,
            buyer_id,
            buyer,
            seller_id,
            seller,
            body.market_ticker,
            body.price_centi_cents,
            body.centicount,
            body.maker_side,
            expiration_ns,
        )
    )
    return ProposeBlockTradeResponse(format_id(KIND, applied.sequence))


def _party(
    services: Services,
    request: Request,
    user_id: str,
    subaccount: int | None,
    subtrader_id: str | None,
) -> tuple[int, int]:
    """Member and account of one side. Raises ``ApiError``."""
    member_id = parse_id("member", user_id)
    member = None if member_id is None else services.state.members.get(member_id)
    if member_id is None or member is None:
        raise invalid("no such user")
    if member_id == request.member_id:
        if request.only_subaccount >= 0:
            if subtrader_id or subaccount not in (None, request.only_subaccount):
                raise locked_out()
            return member_id, request.only_subaccount
        return member_id, chosen_account(services, request, subaccount, subtrader_id)
    if subtrader_id:
        number = None if subaccount is not None else member.subtraders.get(subtrader_id)
        if number is None:
            raise invalid("no such counterparty")
        return member_id, number
    return member_id, subaccount or 0


async def accept(services: Services, request: Request) -> None:
    body = request.read(ACCEPT_BLOCK_TRADE)
    proposal_id = parse_id(KIND, request.path_values[0])
    proposal = services.state.block_proposals.get(proposal_id or 0)
    if (
        proposal_id is None
        or proposal is None
        or not (_is_own(request, proposal.buyer) or _is_own(request, proposal.seller))
    ):
        raise not_found("block trade proposal")
    # A restricted key trades for its own account even where the other side is the same member's.
    subaccount = chosen_account(
        services, request, body.subaccount, body.subtrader_id, default=request.only_subaccount
    )
    await services.submit(AcceptBlockTrade(request.member_id, proposal_id, subaccount))


def _is_own(request: Request, account: Account) -> bool:
    return account.member.id == request.member_id and request.may_see(account.number)


def _row(proposal: BlockProposal, request: Request) -> BlockTradeProposal:
    """Which account the other side uses is its own business."""
    row = BlockTradeProposal(
        id=format_id(KIND, proposal.id),
        proposer_user_id=format_id("member", proposal.proposer_id),
        buyer_user_id=format_id("member", proposal.buyer.member.id),
        seller_user_id=format_id("member", proposal.seller.member.id),
        market_ticker=proposal.market_ticker,
        price_centi_cents=proposal.price,
        centicount=proposal.quantity,
        maker_side=proposal.maker_side,
        expiration_ts=rfc3339(proposal.expiration_ns),
        status=proposal.status,
        created_ts=rfc3339(proposal.created_ns),
        updated_ts=rfc3339(proposal.updated_ns),
        buyer_accepted=proposal.buyer_accepted_ns > 0,
        seller_accepted=proposal.seller_accepted_ns > 0,
        buyer_accepted_ts=_time(proposal.buyer_accepted_ns),
        seller_accepted_ts=_time(proposal.seller_accepted_ns),
        executed_ts=_time(proposal.executed_ns),
    )
    if _is_own(request, proposal.buyer):
        row.buyer_subtrader_id = proposal.buyer.subtrader or UNSET
        row.buyer_subaccount = UNSET if proposal.buyer.subtrader else proposal.buyer.number
        row.buyer_order_id = _order(proposal.buyer_order_id)
    if _is_own(request, proposal.seller):
        row.seller_subtrader_id = proposal.seller.subtrader or UNSET
        row.seller_subaccount = UNSET if proposal.seller.subtrader else proposal.seller.number
        row.seller_order_id = _order(proposal.seller_order_id)
    return row


def _time(ns: int) -> str | UnsetType:
    return rfc3339(ns) if ns else UNSET


def _order(order_id: int) -> str | UnsetType:
    return format_id("order", order_id) if order_id else UNSET
