"""Stored logs of the core, and what replaying one of them leads to.

A log is a list of (time, command as the log stores it), packed and squeezed. Three things are said
of it: its outcome, which is what members would notice and what no later version may change; the
digest of its events; and the state's hash. The last two also change when events or the state learn
to say more, and are then written anew:

    python -m tests.replay.replaying --write     # digests of the logs that are there
    python -m tests.replay.replaying NAME        # print what a log leads to, as JSON
"""

import argparse
import json
import zlib
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from augury.codec.commands import decode_command, encode_command
from augury.core import events as e
from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.engine import Engine
from augury.core.snapshot import state_hash
from augury.core.state import Exchange
from tests.core_digest import EventDigest

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.log"))


def read_log(name: str) -> list[tuple[int, Command]]:
    rows = msgspec.msgpack.decode(zlib.decompress((FOLDER / f"{name}.log").read_bytes()))
    return [(time_ns, decode_command(payload)) for time_ns, payload in rows]


def write_log(name: str, records: Iterable[Applied]) -> None:
    rows = [(record.time_ns, encode_command(record.command)) for record in records]
    (FOLDER / f"{name}.log").write_bytes(zlib.compress(msgspec.msgpack.encode(rows), 9))


class Outcome:
    """What members notice: every trade with its fees, every end of an order, every payment."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=16)

    def say(self, *facts: object) -> None:
        self._digest.update(repr(facts).encode())

    def add(self, applied: Applied) -> None:
        for event in applied.events:
            match event:
                case e.CommandRejected():
                    self.say(applied.sequence, event.code)
                case e.OrderFilled():
                    self.say(event.trade_id, event.order_id, event.price, event.quantity)
                    self.say(event.fee, event.cash_change, event.position)
                case e.OrderUpdated():
                    self.say(event.order_id, event.status, event.reason)
                    self.say(event.filled_quantity, event.remaining_quantity)
                case e.PositionSettled():
                    self.say(event.member_id, event.subaccount, event.market_ticker, event.revenue)
                case e.MarketStatusChanged():
                    self.say(event.ticker, event.status, event.reason)

    def finish(self, state: Exchange) -> str:
        for member in state.members.values():
            for account in member.accounts.values():
                self.say(member.id, account.number, account.cash, account.available)
        for market in state.markets.values():
            self.say(market.ticker, market.volume, market.open_interest)
            self.say(market.bids.depth(), market.asks.depth())
        return self._digest.hexdigest()


def replay(name: str) -> dict[str, Any]:
    engine = Engine()
    outcome, digest = Outcome(), EventDigest()
    sequence = 0
    for sequence, (time_ns, command) in enumerate(read_log(name), start=1):
        applied = engine.apply(sequence, time_ns, command)
        outcome.add(applied)
        digest.add(applied)
    return {
        "records": sequence,
        "outcome": outcome.finish(engine.state),
        "events": digest.hexdigest(),
        "state": state_hash(engine.state),
        "next_timer_ns": engine.next_timer_ns(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=names())
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        found = {name: replay(name) for name in names()}
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    else:
        print(json.dumps(replay(arguments.name)))


if __name__ == "__main__":
    main()
