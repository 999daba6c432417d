"""Variations of seeds, the same for the same number: what stands in for a guided fuzzer."""

import random
from collections.abc import Iterator, Sequence

INTERESTING = (
    b"\x00", b"\xff", b"\r\n", b"\n", b"\x01", b"-1", b"0", b"1e999", b"NaN", b"null", b"true",
    b'"', b"\\u0000", b"\xf0\x9f\x8e\xb2", b"\xc3\x28", b"[", b"{", b"]", b"}", b"../", b"%2e%2f",
    b"9" * 40, b"A" * 300, b"'", b";", b"\x7f", b"&", b"=", b"\x80\x00\x00\x00",
)  # fmt: skip


def variations(seeds: Sequence[bytes], number: int, seed: int) -> Iterator[bytes]:
    """``number`` inputs made from ``seeds``, beginning with the seeds themselves."""
    chance = random.Random(seed)
    yield from seeds[:number]
    for _ in range(number - len(seeds)):
        yield vary(chance, chance.choice(seeds), seeds)


def vary(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A few changes: bytes flipped, parts removed, repeated, replaced, or taken from another."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        start = chance.randint(0, len(result))
        end = min(len(result), start + chance.choice((1, 2, 4, 16, 64)))
        kind = chance.randint(0, 6)
        if kind == 0 and end > start:
            result[start] ^= 1 << chance.randint(0, 7)
        elif kind == 1:
            del result[start:end]
        elif kind == 2:
            result[start:start] = result[start:end] * chance.choice((1, 2, 20))
        elif kind == 3:
            result[start:end] = chance.choice(INTERESTING)
        elif kind == 4:
            result[start:start] = chance.choice(INTERESTING)
        elif kind == 5:
            other = chance.choice(others)
            place = chance.randint(0, len(other))
            result[start:end] = other[place : place + chance.choice((1, 8, 64))]
        else:
            result[start:end] = chance.randbytes(end - start)
    return bytes(result[:65_536])
