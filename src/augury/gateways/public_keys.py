"""Which public keys the exchange accepts to check signatures with (rest, section 7)."""

from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SMALLEST_KEY_BITS: Final = 2048
LARGEST_KEY_BITS: Final = 8192
"""Larger ones would let a stranger's request cost the server milliseconds."""

LONGEST_PEM: Final = 8_000


@lru_cache(maxsize=256)
def load_public_key(pem: str) -> RSAPublicKey:
    """The key in ``pem``. Raises ``ValueError`` with a message fit for an answer."""
    if len(pem) > LONGEST_PEM:
        raise ValueError("the text is too long for a public key")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("expected an RSA public key in PEM") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("only RSA keys can sign requests")
    if not SMALLEST_KEY_BITS <= key.key_size <= LARGEST_KEY_BITS:
        raise ValueError(
            f"the key has {key.key_size} bits; "
            f"{SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS} are accepted"
        )
    return key


def check_public_key(pem: str) -> str:
    """``pem`` itself when it holds an acceptable key. Raises ``ValueError`` otherwise."""
    load_public_key(pem)
    return pem
