"""Tables of what traders send over FIX and what they hear, for scenarios.

A line is ``who: action -> what they hear; and then``. Either side may be empty. Actions are those
of ``_ACTIONS`` below, ``|`` begins a raw message. What is heard is written by ``say``:

    pending a1 [0/10]           A            [filled/left]
    new a1 [0/10]               0
    fill a1 4 @ 41 [4/6]        F
    replaced a2 was a1 [4/8]    5
    canceled a3 was a2 [4/0]    4, with its Text when there is one
    rejected a1 2 MARKET_INACTIVE
    refused a3 1 NOT_FOUND      35=9
    business 6 NOT_AUTHORIZED   35=j
    malformed 5 tag 20132       35=3
"""

import contextlib
import re
from textwrap import dedent
from types import TracebackType
from typing import Self

from augury.gateways.fix.codec import Message
from augury.gateways.fix.validation import problem_of
from augury.testing import Member, RunningExchange
from augury.testing.exchange import shared_key_pair
from tests.fix_harness import FixClient, connect

NOBODYS_GROUP = "2f3c0d6b-9a5e-4c6c-8d1a-6f0b1e2d3c4b"

_STATES = {
    "A": "pending",
    "E": "pending replace",
    "6": "pending cancel",
    "0": "new",
    "5": "replaced",
    "4": "canceled",
    "C": "expired",
}
_TIMES = {"day": "0", "gtc": "1", "ioc": "3", "fok": "4", "gtd": "6"}
_ORDER = re.compile(r"(buy|sell) (\S+) @ (\S+) (\S+)((?: \S+)*)")
_REPLACE = re.compile(r"replace (\S+) by (\S+) (buy|sell) (\S+) @ (\S+)((?: \S+)*)")
_CANCEL = re.compile(r"cancel (\S+) by (\S+) (buy|sell)((?: \S+)*)")


def _count(message: Message, tag: int) -> str:
    text = message.get(tag) or "?"
    return text.removesuffix(".00")


def say(message: Message) -> str:
    """A message as a line of a table has it."""
    get = message.get
    match message.type:
        case "8":
            return _say_report(message)
        case "9":
            return f"refused {get(11)} {get(102)} {get(58)}"
        case "j":
            return f"business {get(380)} {get(58)}"
        case "3":
            return f"malformed {get(373)} tag {get(371)}"
        case "r":
            return f"mass {get(11)} {'done' if get(531) == '6' else 'refused ' + str(get(532))}"
        case "UOH":
            return f"group {get(20132) or ''}".strip()
        case other:
            return other


def _say_report(message: Message) -> str:
    get = message.get
    kind, name = get(150) or "?", get(11)
    if kind == "8":
        return f"rejected {name} {get(103)} {get(58)}"
    progress = f"[{_count(message, 14)}/{_count(message, 151)}]"
    if kind == "F":
        return f"fill {name} {_count(message, 32)} @ {get(31)} {progress}"
    was = f" was {get(41)}" if get(41) else ""
    text = f" {get(58)}" if get(58) else ""
    return f"{_STATES[kind]} {name}{was} {progress}{text}"


def another_key(
    exchange: RunningExchange, member: Member, *scopes: str, subaccount: int | None = None
) -> Member:
    """The same member with a second API key, which signs with the same pair."""
    pair = shared_key_pair()
    body = {"public_key": pair.public_pem, "scopes": list(scopes), "subaccount": subaccount}
    key = exchange.operator.post("members", member.user_id, "keys", body=body)
    return Member(exchange, member.email, member.user_id, key["api_key_id"], pair)


class Trader:
    """A member with one FIX connection. ``groups`` are ids of order groups by the table's names."""

    def __init__(self, client: FixClient, market: str) -> None:
        self.client = client
        self.market = market
        self.heard: list[Message] = []
        self.groups: dict[str, str] = {}

    def do(self, action: str) -> None:
        """Send what a line of a table says."""
        if action.startswith("|"):
            kind, _, fields = action[1:].partition("|")
            self.client.send(kind, fields.format(market=self.market, **self.groups))
        elif found := _ORDER.fullmatch(action):
            side, size, price, name, words = found.groups()
            self.client.send("D", self._order(side, size, price, name, words))
        elif found := _REPLACE.fullmatch(action):
            old, name, side, size, price, words = found.groups()
            self.client.send("G", self._order(side, size, price, name, words) + f"|41={old}")
        elif found := _CANCEL.fullmatch(action):
            old, name, side, words = found.groups()
            fields = f"11={name}|41={old}|55={self.market}|54={1 if side == 'buy' else 2}"
            self.client.send("F", fields + self._words(words))
        elif action.startswith("cancel all as "):
            self.client.send("q", f"11={action.rpartition(' ')[2]}|530=6")
        else:
            raise ValueError(f"no such action: {action}")

    def _order(self, side: str, size: str, price: str, name: str, words: str) -> str:
        fields = f"11={name}|38={size}|40=2|55={self.market}|54={1 if side == 'buy' else 2}"
        if price != "-":
            fields += f"|44={price}"
        return fields + self._words(words)

    def _words(self, words: str) -> str:
        fields = ""
        for word in words.split():
            if word in _TIMES:
                fields += f"|59={_TIMES[word]}"
            elif word == "post":
                fields += "|18=6"
            elif word.startswith("in="):
                fields += f"|526={self.groups[word[3:]]}"
            else:
                fields += f"|{word}"
        return fields

    def hear(self, *types: str) -> Message:
        """The next message but gap fills, kept for questions."""
        message = self.client.next(*types)
        while message.type == "4":
            message = self.client.next(*types)
        # What the exchange sends is held to the tables that it holds its clients to.
        assert problem_of(message) is None, (problem_of(message), message)
        self.heard.append(message)
        return message

    def quiet(self) -> list[str]:
        """What else has come, once everything on its way must have.

        On a session for orders the question is one that waits for all messages before it; what
        they did to others was sent before they were answered.
        """
        if self.client.target in ("KalshiNR", "KalshiRT"):
            number = str(self.client.send("UOG", f"20131=2|20130={NOBODYS_GROUP}"))
        else:
            number = ""
            self.client.send("1", "112=quiet?")
        found: list[str] = []
        while True:
            message = self.client.next()
            if message.get(45) == number if number else message.get(112) == "quiet?":
                return found
            self.heard.append(message)
            found.append(say(message))


class Floor:
    """Traders by name, who connect when a table first names them.

    Which session they open and how is said once: ``floor.join("maya", "KalshiRT", t21005="Y")``.
    """

    def __init__(self, exchange: RunningExchange, market: str = "") -> None:
        self.exchange = exchange
        self.market = market or exchange.list_market()
        self.members: dict[str, Member] = {}
        self.traders: dict[str, Trader] = {}
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    def member(self, name: str) -> Member:
        if name not in self.members:
            self.members[name] = self.exchange.add_member()
        return self.members[name]

    def join(
        self,
        name: str,
        target: str = "KalshiNR",
        member: Member | None = None,
        number: int = 1,
        **options: str | None,
    ) -> Trader:
        """Log on as ``name``, which may be a second session of another name's ``member``."""
        if member is not None:
            self.members[name] = member
        client = connect(self.exchange, self.member(name), target, first_number=number)
        self._closing.enter_context(client)
        answer = client.log_on(**options)
        assert answer.type == "A", answer
        trader = self.traders[name] = Trader(client, self.market)
        return trader

    def rejoin(self, name: str, target: str = "KalshiRT", **options: str | None) -> Trader:
        """Log on again and go on with the numbers of the last session of that name.

        A server that was killed may ask again for what it had just worked off; it is told that
        nothing of it matters any more.
        """
        number = self.traders[name].client.next_out
        trader = self.join(name, target, None, number, t141="N", **options)
        client = trader.client
        client.send("1", "112=back")
        answered = 0
        while (message := client.next("0", "2")).type == "2":
            begin = int(message.get(7) or "0")
            if begin > answered:
                answered = begin
                client.send("4", f"123=Y|36={client.next_out}", number=begin)
                client.send("1", "112=back")
        return trader

    def trader(self, name: str) -> Trader:
        return self.traders.get(name) or self.join(name, t21011="Y")

    def play(self, table: str, whole: bool = True) -> None:
        """Do line after line; fails where somebody hears something else, or more if ``whole``."""
        for line in dedent(table).strip().splitlines():
            if not line.strip():
                continue
            who, _, rest = line.partition(":")
            action, _, expected = rest.partition("->")
            trader = self.trader(who.strip())
            if action.strip():
                trader.do(action.strip())
            wanted = [part.strip() for part in expected.split(";") if part.strip()]
            heard = [say(trader.hear()) for _ in wanted]
            assert heard == wanted, line
        for name, trader in self.traders.items() if whole else ():
            assert trader.quiet() == [], f"{name} hears more"
