"""Signatures of requests: RSA-PSS over timestamp, method and path.

The string that is signed has no separators; the path starts at ``/trade-api`` and excludes the
host and the query (rest, section 1).
"""

import base64
import time
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_PADDING = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_HASH = hashes.SHA256()


class KeyPair(NamedTuple):
    """Both halves as PEM text; the private one is PKCS#8 without a passphrase."""

    private_pem: str
    public_pem: str


def generate_key_pair(bits: int = 2048) -> KeyPair:
    """A new RSA key. Takes about a tenth of a second."""
    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def read_key_pair(private_pem: str | bytes) -> KeyPair:
    """Both halves of a key that exists. Raises ``ValueError`` when it is no RSA private key."""
    return _pair(_load(private_pem))


class Signer:
    """Makes the three headers that prove who sends a request."""

    def __init__(self, key_id: str, private_key: str | bytes | rsa.RSAPrivateKey) -> None:
        self.key_id = key_id
        self._key = (
            private_key if isinstance(private_key, rsa.RSAPrivateKey) else _load(private_key)
        )

    @classmethod
    def from_file(cls, key_id: str, path: str | Path) -> "Signer":
        """Read the private key from a PEM file."""
        return cls(key_id, Path(path).read_bytes())

    def headers(self, method: str, path: str, now_ms: int | None = None) -> dict[str, str]:
        """Headers for one request; ``path`` may carry a query, which is not signed."""
        timestamp = str(int(time.time() * 1000) if now_ms is None else now_ms)
        message = timestamp + method.upper() + path.partition("?")[0]
        signature = self._key.sign(message.encode(), _PADDING, _HASH)
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def _load(private_pem: str | bytes) -> rsa.RSAPrivateKey:
    data = private_pem.encode() if isinstance(private_pem, str) else private_pem
    key = serialization.load_pem_private_key(data, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the private key is not an RSA key")
    return key


def _pair(key: rsa.RSAPrivateKey) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(private.decode(), public.decode())
