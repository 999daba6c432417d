"""Order groups (rest.md, section 5)."""

from augury.codec.ids import format_id, parse_id
from augury.codec.text import count_fp
from augury.core.commands import (
    CreateOrderGroup,
    DeleteOrderGroup,
    ResetOrderGroup,
    SetOrderGroupLimit,
    TriggerOrderGroup,
)
from augury.core.state import OrderGroup as LiveGroup
from augury.core.units import QUANTITY_ONE
from augury.gateways.rest.answers import (
    CreateOrderGroupResponse,
    EmptyResponse,
    GetOrderGroupResponse,
    GetOrderGroupsResponse,
    OrderGroup,
)
from augury.gateways.rest.bodies import CREATE_ORDER_GROUP, EMPTY, UPDATE_ORDER_GROUP_LIMIT
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.order_entry import LARGEST_GROUP_LIMIT, contracts_limit
from augury.gateways.rest.parameters import SUBACCOUNT
from augury.gateways.rest.request import Request, Services


async def get_order_groups(services: Services, request: Request) -> GetOrderGroupsResponse:
    """All of the caller's groups, newest first."""
    member = services.member(request)
    subaccount = request.value(SUBACCOUNT)
    return GetOrderGroupsResponse(
        [
            OrderGroup(
                format_id("group", group.id),
                not group.triggered,
                group.contracts_limit // QUANTITY_ONE,
                count_fp(group.contracts_limit),
                group.account.number,
            )
            for group in reversed(services.state.groups.values())
            if group.account.member is member
            and (subaccount is None or group.account.number == subaccount)
        ]
    )


async def create_order_group(services: Services, request: Request) -> CreateOrderGroupResponse:
    body = request.read(CREATE_ORDER_GROUP)
    limit = contracts_limit(body)
    if limit is None:
        # The earliest clients know no limit; the largest one is as good as none.
        limit = LARGEST_GROUP_LIMIT * QUANTITY_ONE
    subaccount = body.subaccount if body.subaccount is not None else request.value(SUBACCOUNT) or 0
    applied = await services.submit(CreateOrderGroup(request.member_id, subaccount, limit))
    return CreateOrderGroupResponse(format_id("group", applied.sequence), subaccount)


async def get_order_group(services: Services, request: Request) -> GetOrderGroupResponse:
    """``orders`` are those that rest."""
    group = _find(services, request)
    return GetOrderGroupResponse(
        not group.triggered,
        group.contracts_limit // QUANTITY_ONE,
        count_fp(group.contracts_limit),
        [format_id("order", order_id) for order_id in group.orders],
    )


async def delete_order_group(services: Services, request: Request) -> EmptyResponse:
    await services.submit(DeleteOrderGroup(request.member_id, _own_group(services, request)))
    return EmptyResponse()


async def reset_order_group(services: Services, request: Request) -> EmptyResponse:
    request.read(EMPTY)
    await services.submit(ResetOrderGroup(request.member_id, _own_group(services, request)))
    return EmptyResponse()


async def trigger_order_group(services: Services, request: Request) -> EmptyResponse:
    request.read(EMPTY)
    await services.submit(TriggerOrderGroup(request.member_id, _own_group(services, request)))
    return EmptyResponse()


async def update_order_group_limit(services: Services, request: Request) -> EmptyResponse:
    limit = contracts_limit(request.read(UPDATE_ORDER_GROUP_LIMIT))
    if limit is None:
        raise invalid("contracts_limit or contracts_limit_fp is required")
    group_id = _own_group(services, request)
    await services.submit(SetOrderGroupLimit(request.member_id, group_id, limit))
    return EmptyResponse()


def _group_id(request: Request) -> int:
    group_id = parse_id("group", request.path_values[0])
    if group_id is None:
        raise not_found("order group")
    return group_id


def _own_group(services: Services, request: Request) -> int:
    """Id of a group to change; whether it is the member's is checked when it is changed."""
    group_id = _group_id(request)
    group = services.state.groups.get(group_id)
    if group is not None and not request.may_see(group.account.number):
        raise not_found("order group")
    return group_id


def _find(services: Services, request: Request) -> LiveGroup:
    group = services.state.groups.get(_group_id(request))
    if (
        group is None
        or group.account.member.id != request.member_id
        or not request.may_see(group.account.number)
    ):
        raise not_found("order group")
    return group
