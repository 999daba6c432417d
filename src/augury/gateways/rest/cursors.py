"""Pagination cursors: opaque to clients, checked on the way back.

A cursor holds the sort key of the last row that was sent, so rows that arrive later never shift
a page, and it works after a restart. It is bound to the operation, the caller and the filters: a
cursor from another list, with other filters, or changed by hand is refused.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, TypeVar

import msgspec

from augury.gateways.rest.errors import INVALID_CURSOR, ApiError

_CHECK_BYTES: Final = 9
_LONGEST: Final = 512

T = TypeVar("T")


class Cursors:
    """Writes and reads cursors with a checksum under ``key``."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]

    def write(self, scope: str, position: Sequence[int | str]) -> str:
        """A cursor that continues after ``position`` within ``scope``.

        ``scope`` names the operation, the caller and the filters; ``position`` is the sort key
        of the last row.
        """
        payload = msgspec.msgpack.encode(position)
        return _text(self._check(scope, payload) + payload)

    def read(self, scope: str, cursor: str, shape: type[T]) -> T:
        """The position in ``cursor``. Raises ``ApiError`` unless written for ``scope``."""
        try:
            if len(cursor) > _LONGEST:
                raise ValueError
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            check, payload = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
            # Encoding again refuses what the decoder forgives, such as characters in between.
            if not compare_digest(check, self._check(scope, payload)) or _text(raw) != cursor:
                raise ValueError
            return msgspec.msgpack.decode(payload, type=shape)
        except (Base64Error, ValueError, msgspec.MsgspecError):
            raise ApiError(
                400, INVALID_CURSOR, "the cursor does not belong to this list and these filters"
            ) from None

    def _check(self, scope: str, payload: bytes) -> bytes:
        digest = blake2b(scope.encode(), key=self._key, digest_size=_CHECK_BYTES)
        digest.update(b"\0" + payload)
        return digest.digest()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
