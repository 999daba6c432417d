"""Who is asking: signed requests (rest.md, section 1).

Owns the check of key, timestamp and signature, for REST and for the WebSocket handshake. It does
not decide what the caller may do; scopes are checked where operations are known.
"""

import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from augury.codec.ids import parse_id
from augury.core.state import ANY_SUBACCOUNT, API_KEY_SCOPES, ApiKey, Exchange
from augury.gateways.public_keys import load_public_key
from augury.ports.exchange import ExchangeGate

KEY_HEADER: Final = b"kalshi-access-key"
TIMESTAMP_HEADER: Final = b"kalshi-access-timestamp"
SIGNATURE_HEADER: Final = b"kalshi-access-signature"

READ: Final = "read"
WRITE: Final = "write"
PORTFOLIO_BALANCE: Final = "read::portfolio_balance"
TRADE: Final = "write::trade"
TRANSFER: Final = "write::transfer"
READ_BLOCK_TRADES: Final = "read::block_trade_accept"
ACCEPT_BLOCK_TRADES: Final = "write::block_trade_accept"
"""Scopes as they are demanded. A key that was granted ``read`` or ``write`` has all that begin
with it (rules, section 15)."""

_KNOWN_KEYS_LIMIT: Final = 100_000
"""Above this all are forgotten and decoded anew; ids may be written in small or capital letters."""

_HASH: Final = hashes.SHA256()
# Documented signers use a salt as long as the digest; others are tolerated.
_PADDING: Final = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=padding.PSS.AUTO)


class AuthenticationError(Exception):
    """The caller is not who they claim to be; answered with 401.

    ``code`` is ``unauthorized``, ``invalid_signature`` or ``header_timestamp_expired``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. ``profile`` is the key's compatibility profile or empty.

    ``scopes`` are all that the key may do: those it was granted and the finer ones in them.
    ``subaccount`` is the only one that the key is for, or -1.
    """

    member_id: int
    api_key_id: int
    scopes: frozenset[str]
    profile: str
    subaccount: int = ANY_SUBACCOUNT


class _KnownKey:
    """An API key with its public key decoded. The PEM of a key never changes."""

    __slots__ = ("principal", "public_key")

    def __init__(self, key: ApiKey) -> None:
        self.public_key = load_public_key(key.public_key_pem)
        self.principal = principal_of(key)


def principal_of(key: ApiKey) -> Principal:
    """Who signs with ``key``, and what they may do."""
    return Principal(key.member_id, key.id, _granted(key.scopes), key.profile, key.subaccount)


def _is_signed(known: _KnownKey, signature_text: bytes, content: bytes) -> bool:
    try:
        signature = b64decode(signature_text, validate=True)
        known.public_key.verify(signature, content, _PADDING, _HASH)
    except (Base64Error, InvalidSignature, ValueError):
        return False
    return True


def _granted(scopes: Iterable[str]) -> frozenset[str]:
    """``scopes`` with the finer ones that they contain."""
    granted = set(scopes)
    granted.update(scope for scope in API_KEY_SCOPES if scope.split("::")[0] in granted)
    return frozenset(granted)


class Authenticator:
    """Checks signatures against the API keys of the exchange.

    Timestamps are compared with real time even when the exchange's clock is virtual, because
    clients sign with the clock of their own machine. ``wall_ns`` replaces it in tests.
    """

    def __init__(
        self,
        gate: ExchangeGate,
        *,
        window_seconds: int = 30,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._gate = gate
        self._window_ms = window_seconds * 1000
        self._wall_ns = wall_ns
        self._known: dict[bytes, _KnownKey] = {}
        """By the key's id as it was sent, so that a known key costs one look-up."""

    def authenticate(self, headers: Mapping[bytes, bytes], method: str, path: str) -> Principal:
        """Who signed this request. Raises ``AuthenticationError``.

        ``headers`` has lower-case names. ``path`` is the path as it was sent, from
        ``/trade-api`` on and without the query. Verifying holds the event loop for about 25
        microseconds, less than handing it to a thread would cost.
        """
        key_text = headers.get(KEY_HEADER)
        timestamp = headers.get(TIMESTAMP_HEADER)
        signature_text = headers.get(SIGNATURE_HEADER)
        if not key_text or not timestamp or not signature_text:
            raise AuthenticationError(
                "unauthorized",
                "the headers KALSHI-ACCESS-KEY, KALSHI-ACCESS-TIMESTAMP and"
                " KALSHI-ACCESS-SIGNATURE are required",
            )
        # bytes.isdigit is true for ASCII digits only, and the length bounds the conversion.
        if not timestamp.isdigit() or len(timestamp) > 15:
            raise AuthenticationError(
                "unauthorized", "KALSHI-ACCESS-TIMESTAMP must be Unix time in milliseconds"
            )
        known = self._find(key_text)
        if abs(self._wall_ns() // 1_000_000 - int(timestamp)) > self._window_ms:
            raise AuthenticationError(
                "header_timestamp_expired",
                f"the timestamp is more than {self._window_ms // 1000} seconds away from the"
                " server's time",
            )
        if not _is_signed(known, signature_text, timestamp + method.encode() + path.encode()):
            raise AuthenticationError(
                "invalid_signature",
                "the signature does not match the timestamp, the method and the path",
            )
        return known.principal

    def principal(self, key_text: bytes) -> Principal:
        """Whose key this is. Raises ``AuthenticationError``; proves nothing about the caller."""
        return self._find(key_text).principal

    def has_signed(self, key_text: bytes, signature_text: bytes, content: bytes) -> bool:
        """Whether the owner of a known key has signed ``content`` (base64, RSA-PSS, SHA-256)."""
        return _is_signed(self._find(key_text), signature_text, content)

    def _find(self, key_text: bytes) -> _KnownKey:
        state: Exchange = self._gate.state
        known = self._known.get(key_text)
        if known is not None:
            if known.principal.api_key_id in state.api_keys:
                return known
            del self._known[key_text]
        key_id = parse_id("api_key", key_text.decode("latin-1"))
        key = None if key_id is None else state.api_keys.get(key_id)
        if key is None:
            raise AuthenticationError("unauthorized", "unknown API key")
        try:
            known = _KnownKey(key)
        except ValueError:
            raise AuthenticationError(
                "unauthorized", "the public key of this API key cannot be used"
            ) from None
        if len(self._known) >= _KNOWN_KEYS_LIMIT:
            self._known.clear()
        self._known[key_text] = known
        return known
