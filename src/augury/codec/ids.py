"""Public ids: the numbers of the core as UUIDs, and back. Owns the mapping; keeps no state.

Inside the exchange an id is a small integer, the sequence number of the record that created the
thing. Clients of the public API expect UUIDs, so the number is wrapped: 58 bits of check over kind
and number, then the number masked by the check, in the shape of a random (version 4) UUID.

The wrapping hides nothing. It keeps clients from guessing structure into ids, catches an id of the
wrong kind or one that was mistyped, and stays the same over restarts, replicas and rebuilds without
a table. Who may see an object is decided elsewhere, never by knowing its id.
"""

from hashlib import blake2b
from typing import Final

MAX_ID: Final = (1 << 64) - 1
"""Trade ids need the room: they are ``sequence << 20 | index``."""

_MASK_48: Final = (1 << 48) - 1
_MASK_62: Final = (1 << 62) - 1
_MASK_64: Final = MAX_ID
_SPREAD: Final = 0x9E37_79B9_7F4A_7C15
"""2**64 divided by the golden ratio: an odd number whose multiples look random."""


def format_id(kind: str, n: int) -> str:
    """The public id of number ``n`` of a ``kind`` such as ``order``, ``trade`` or ``member``.

    The same (kind, n) always gives the same text. Raises ``OverflowError`` outside 0..``MAX_ID``.
    """
    check = (
        int.from_bytes(blake2b(n.to_bytes(8, "big") + kind.encode(), digest_size=8).digest(), "big")
        >> 6
    )
    masked = n ^ (check * _SPREAD & _MASK_64)
    whole = check >> 10 << 80 | 4 << 76 | (check & 1023) << 66
    whole |= masked >> 62 << 64 | 1 << 63 | masked & _MASK_62
    text = whole.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(kind: str, text: str) -> int | None:
    """The number behind a public id; None when ``text`` is not an id of that ``kind``.

    Capital letters are accepted, as everywhere with UUIDs; any other deviation is not.
    """
    if len(text) != 36:
        return None
    try:
        whole = int(text.replace("-", ""), 16)
    except ValueError:
        return None
    check = (whole >> 80 & _MASK_48) << 10 | whole >> 66 & 1023
    masked = (whole >> 64 & 3) << 62 | whole & _MASK_62
    n = masked ^ (check * _SPREAD & _MASK_64)
    # Formatting again settles it all at once: check, version digits, hyphens, odd characters.
    return n if format_id(kind, n) == text.lower() else None
