"""Well-formed messages that mean nothing in particular: each is answered, none is a defect.

Made from the tables of the dictionary, with values that are allowed and names that sometimes exist.
``AUGURY_FIX_NONSENSE`` sets how many there are of each kind of session.
"""

import os
import random
from collections.abc import Iterator
from uuid import UUID

import pytest

from augury.gateways.fix.dictionary import MESSAGES, Kind, MessageType, Use
from augury.gateways.fix.fields import FIELDS
from augury.gateways.fix.validation import problem_of
from augury.testing import RunningExchange, running_exchange
from tests.fix_desk import Floor, another_key

MESSAGES_OF_EACH_KIND = int(os.environ.get("AUGURY_FIX_NONSENSE", "120"))


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


class Nonsense:
    """Makes messages. ``known`` are ids, names and tickers that have been seen."""

    def __init__(self, chance: random.Random, known: list[str]) -> None:
        self.chance = chance
        self.known = known

    def message(self, kind: MessageType) -> str:
        return "|".join(self._fields(kind.uses))

    def _fields(self, uses: tuple[Use, ...]) -> Iterator[str]:
        for number, use in enumerate(uses):
            # An entry of a group begins with its first field.
            if use.required or number == 0 or self.chance.random() < 0.4:
                if use.group is not None:
                    count = self.chance.choice((1, 1, 2))
                    yield f"{use.tag}={count}"
                    for _ in range(count):
                        yield from self._fields(use.group.uses)
                else:
                    yield f"{use.tag}={self._value(use.tag)}"

    def _value(self, tag: int) -> str:
        chance, field = self.chance, FIELDS[tag]
        if field.values:
            return chance.choice(list(field.values))
        if tag in (20130, 526, 21023):
            uuids = [text for text in self.known if len(text) == 36]
            return chance.choice([*uuids, str(UUID(int=chance.getrandbits(128)))])
        if tag in (21001, 21002):
            return f"{chance.randrange(0, 10**6)};{chance.randrange(9)}"
        match field.type:
            case "BOOLEAN":
                return chance.choice("YN")
            case "CHAR":
                return chance.choice("16x")
            case "CURRENCY":
                return "USD"
            case "INT" | "SEQNUM" | "LENGTH":
                return chance.choice(("0", "1", "5", "63", "999"))
            case "PRICE" | "QTY" | "AMT":
                numbers = ("0", "1", "10", "41", "0.41", "72.50", "99.999", "999999999999999")
                return chance.choice(numbers)
            case "UTCTIMESTAMP":
                return chance.choice(
                    ("20260301-14:00:00", "99990231-23:59:60.999", "20990101-00:00:00")
                )
            case "LOCALMKTDATE":
                return "20260301"
        return chance.choice([*self.known, "nonsense", "x" * 64])


@pytest.mark.parametrize("target", [kind.comp_id for kind in Kind])
def test_nonsense_is_answered(exchange: RunningExchange, seed: int, target: str) -> None:
    chance = random.Random(f"{seed} {target}")
    kind = next(kind for kind in Kind if kind.comp_id == target)
    with Floor(exchange) as floor:
        one = floor.join("one", target)
        maker = floor.member("maker")
        maker.place(floor.market, "sell", "yes", 1000, 60)
        body = {"market_ticker": floor.market, "contracts": 5, "rest_remainder": False}
        rfq_id = maker.post("/communications/rfqs", body)["id"]
        makers = floor.join("makers", "KalshiRFQ")
        makers.client.send("S", f"117=q1|131={rfq_id}|55={floor.market}|132=40|133=40")
        known = [floor.market, rfq_id, "q1", "a1", "1"]
        nonsense = Nonsense(chance, known)
        types = [known for known in MESSAGES.values() if kind in known.from_client]
        types = [known for known in types if not known.is_admin] or [MESSAGES["D"]]
        for _ in range(MESSAGES_OF_EACH_KIND):
            chosen = chance.choice(types)
            one.client.send(chosen.type, nonsense.message(chosen))
            if chance.random() < 0.1:
                one.quiet()
                known += [text for m in one.heard[-3:] if (text := m.get(37) or m.get(20130))]
        one.quiet()
        assert [m for m in one.heard if problem_of(m) is not None] == []
        assert {m.type for m in one.heard} - {"3"}
        wrong = [m for m in one.heard if "INTERNAL_ERROR" in (m.get(58) or "")]
        assert wrong == []
        # It lives, and so does the session; a stranger is not disturbed.
        other = floor.join("other", member=another_key(exchange, maker, "read", "write"))
        other.do("buy 1 @ 5 alive")
        assert [other.hear().get(150), other.hear().get(150)] == ["A", "0"]
        floor.traders.clear()
