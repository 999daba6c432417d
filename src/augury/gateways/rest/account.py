"""API keys and the limits of an account (rest.md, section 7)."""

import asyncio
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import UNSET

from augury.codec.ids import format_id, parse_id
from augury.core.commands import AddApiKey, RemoveApiKey
from augury.core.state import ANY_SUBACCOUNT, API_KEY_SCOPES
from augury.gateways.auth import READ, WRITE
from augury.gateways.profiles import LATEST, LEGACY
from augury.gateways.public_keys import check_public_key
from augury.gateways.rest.answers import (
    ApiKey,
    Bucket,
    CreateApiKeyResponse,
    GenerateApiKeyResponse,
    GetAccountApiLimitsResponse,
    GetApiKeysResponse,
)
from augury.gateways.rest.bodies import (
    CREATE_API_KEY,
    GENERATE_API_KEY,
    CreateApiKeyRequest,
    GenerateApiKeyRequest,
)
from augury.gateways.rest.errors import invalid, not_found
from augury.gateways.rest.request import Request, Services

GENERATED_KEY_BITS: Final = 2048
LONGEST_NAME: Final = 200


async def get_api_keys(services: Services, request: Request) -> GetApiKeysResponse:
    """In the order of their creation."""
    known = services.state.api_keys
    keys = [known[key_id] for key_id in services.member(request).api_key_ids]
    return GetApiKeysResponse(
        [
            ApiKey(
                format_id("api_key", key.id),
                key.name,
                list(key.scopes),
                key.subaccount if key.subaccount >= 0 else UNSET,
            )
            for key in keys
        ]
    )


async def create_api_key(services: Services, request: Request) -> CreateApiKeyResponse:
    body = request.read(CREATE_API_KEY)
    name, scopes = _name(body.name), _scopes(body.scopes)
    try:
        pem = check_public_key(body.public_key)
    except ValueError as error:
        raise invalid(f"public_key: {error}") from None
    return CreateApiKeyResponse(
        await _add(services, request, name, pem, scopes, _subaccount(services, request, body))
    )


async def generate_api_key(services: Services, request: Request) -> GenerateApiKeyResponse:
    """Makes the pair in a thread, because finding primes takes a while."""
    body = request.read(GENERATE_API_KEY)
    name, scopes = _name(body.name), _scopes(body.scopes)
    subaccount = _subaccount(services, request, body)
    private_pem, public_pem = await asyncio.to_thread(_generate)
    api_key_id = await _add(services, request, name, public_pem, scopes, subaccount)
    return GenerateApiKeyResponse(api_key_id, private_pem)


async def delete_api_key(services: Services, request: Request) -> None:
    """A key may delete itself."""
    api_key_id = parse_id("api_key", request.path_values[0])
    if api_key_id is None:
        raise not_found("API key")
    await services.submit(RemoveApiKey(request.member_id, api_key_id))


async def get_account_limits(services: Services, request: Request) -> GetAccountApiLimitsResponse:
    """As plain numbers, as buckets, or as both, depending on the profile."""
    tier = services.member(request).usage_tier
    limits = services.limiter.limits(tier)
    answer = GetAccountApiLimitsResponse(tier)
    if request.profile != LATEST:
        answer.read_limit = limits.read
        answer.write_limit = limits.write
    if request.profile != LEGACY:
        read, write = services.limiter.buckets(tier)
        answer.read = Bucket(read.refill_rate, read.capacity)
        answer.write = Bucket(write.refill_rate, write.capacity)
        answer.grants = []
    return answer


async def _add(
    services: Services,
    request: Request,
    name: str,
    pem: str,
    scopes: tuple[str, ...],
    subaccount: int,
) -> str:
    # The new key speaks for the same kind of client as the key that made it.
    profile = request.principal.profile
    applied = await services.submit(
        AddApiKey(request.member_id, name, pem, scopes, profile, subaccount)
    )
    return format_id("api_key", applied.sequence)


def _name(name: str) -> str:
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise invalid(f"name must have 1 to {LONGEST_NAME} printable characters")
    return name


def _scopes(scopes: list[str] | None) -> tuple[str, ...]:
    """``read`` and ``write`` by default. ``write`` needs ``read``, finer scopes need nothing."""
    if scopes is None:
        return (READ, WRITE)
    chosen = set(scopes)
    if not chosen or not chosen <= set(API_KEY_SCOPES):
        raise invalid(f"scopes are {', '.join(API_KEY_SCOPES)}")
    if WRITE in chosen and READ not in chosen:
        raise invalid("scopes with write must contain read")
    return tuple(scope for scope in API_KEY_SCOPES if scope in chosen)


def _subaccount(
    services: Services, request: Request, body: CreateApiKeyRequest | GenerateApiKeyRequest
) -> int:
    """The subaccount that the new key is for, or all of them. Raises ``ApiError``."""
    if body.subaccount is None:
        return ANY_SUBACCOUNT
    return services.account(request, body.subaccount).number


def _generate() -> tuple[str, str]:
    """A new private key and its public key, both as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=GENERATED_KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()
