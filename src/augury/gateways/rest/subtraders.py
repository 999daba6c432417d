"""Whose account a clearing member means: a numbered subaccount or that of a customer.

Customers, which the API calls subtraders, have accounts of their own with a clearing member
(rules, section 17). The operator opens them.
"""

from augury.gateways.rest.errors import ApiError, invalid, not_found
from augury.gateways.rest.request import Request, Services

FCM_ONLY = "fcm_only"


def subtrader_account(services: Services, request: Request, subtrader_id: str) -> int:
    """Number of a customer's account. Raises ``ApiError``: 403 for members without customers."""
    subtraders = services.member(request).subtraders
    if not subtraders:
        raise ApiError(403, FCM_ONLY, "only clearing members have customers")
    number = subtraders.get(subtrader_id)
    if number is None:
        raise not_found("subtrader")
    return number


def chosen_account(
    services: Services,
    request: Request,
    subaccount: int | None,
    subtrader_id: str | None,
    default: int = 0,
) -> int:
    """The account that a request names in one of the two ways, or ``default``."""
    if not subtrader_id:
        return default if subaccount is None else subaccount
    if subaccount is not None:
        raise invalid("subaccount and subtrader_id exclude each other")
    return subtrader_account(services, request, subtrader_id)
