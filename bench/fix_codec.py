"""FIX messages: taking apart and putting together a report of 25 fields, against the least that
Python needs to split and join one (no checksum, no length, no check of anything)."""

import time
from collections.abc import Callable
from typing import Any, Final

from augury.gateways.fix.codec import decode, encode

FIELDS: Final = (
    (6, "41"),
    (11, "c0ffee01-0000-4000-8000-000000000001"),
    (14, "10.00"),
    (17, "1204;97"),
    (31, "41"),
    (32, "10.00"),
    (37, "5d1c1e0a-3a5e-4b7e-9f1c-7f4c2f0f3e21"),
    (38, "25"),
    (39, "1"),
    (44, "41"),
    (54, "1"),
    (55, "RAIN-26MAR01-T1"),
    (60, "20260301-14:00:09.401"),
    (150, "F"),
    (151, "15.00"),
    (704, "10"),
    (705, "0"),
)
"""With the eight of header and trailer: 25."""

HEADER: Final = (
    "8",
    4,
    "KalshiNR",
    "7a1f8a8e-59a0-4c49-8a2f-1d5a0d1f9b11",
    "20260301-14:00:09.402",
)
ROUNDS: Final = 40_000
RUNS: Final = 7
GOAL: Final = 2.0

DATA: Final = encode(*HEADER, FIELDS)


def split_only() -> dict[str, str]:
    return dict([field.split("=", 1) for field in DATA[:-1].decode().split("\x01")])


def join_only() -> bytes:
    kind, number, sender, target, moment = HEADER
    header = (
        (8, "FIXT.1.1"),
        (9, "300"),
        (35, kind),
        (34, str(number)),
        (49, sender),
        (56, target),
    )
    fields = (*header, (52, moment), *FIELDS, (10, "000"))
    return "".join([f"{tag}={text}\x01" for tag, text in fields]).encode()


def seconds(work: Callable[[], object]) -> float:
    """Of one call; the best run, because other work on the machine can only make it slower."""
    best = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        for _ in range(ROUNDS):
            work()
        best = min(best, time.process_time() - started)
    return best / ROUNDS


def rows() -> list[dict[str, Any]]:
    found = []
    for name, floor, work in (
        ("FIX decode, 25 fields", split_only, lambda: decode(DATA)),
        ("FIX encode, 25 fields", join_only, lambda: encode(*HEADER, FIELDS)),
    ):
        least, taken = seconds(floor), seconds(work)
        ratio = taken / least
        found.append(
            {
                "name": name,
                "value": round(taken * 1e6, 2),
                "unit": "us CPU",
                "against": f"bare split or join, {least * 1e6:.2f} us",
                "ratio": round(ratio, 2),
                "goal": f"<= {GOAL}",
                "holds": ratio <= GOAL,
            }
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(row)
