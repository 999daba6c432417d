"""The messages of the FIX dialect: who sends them on which session, with which fields.

One table for the codec's checks, the dictionary that clients load, and the documentation. Changing
a line here changes all three.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from augury.gateways.fix.fields import FIELDS

BEGIN_STRING: Final = "FIXT.1.1"
APPLICATION_VERSION: Final = "9"
"""DefaultApplVerID of FIX 5.0 SP2."""


class Kind(Enum):
    """The kinds of sessions. Each has a port of its own, so many ports above the first one.

    On a kind with ``retransmission`` sequence numbers go on over connections, and what was sent
    can be asked for again.
    """

    NR = ("KalshiNR", 0, False)
    DC = ("KalshiDC", 1, False)
    RT = ("KalshiRT", 2, True)
    PT = ("KalshiPT", 3, False)
    RFQ = ("KalshiRFQ", 4, True)

    def __init__(self, comp_id: str, port_offset: int, retransmission: bool) -> None:
        self.comp_id = comp_id
        self.port_offset = port_offset
        self.retransmission = retransmission


BY_COMP_ID: Final[Mapping[str, Kind]] = MappingProxyType({kind.comp_id: kind for kind in Kind})
ALL: Final = frozenset(Kind)
RETRANSMITTING: Final = frozenset(kind for kind in Kind if kind.retransmission)
NOBODY: Final[frozenset[Kind]] = frozenset()


@dataclass(frozen=True, slots=True)
class Use:
    """A field in a message, or the group that it counts."""

    tag: int
    required: bool
    group: "Group | None" = None


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that repeat. ``uses[0]`` begins each entry."""

    count_tag: int
    uses: tuple[Use, ...]

    @property
    def delimiter(self) -> int:
        return self.uses[0].tag


@dataclass(frozen=True, slots=True)
class MessageType:
    """``from_client`` and ``from_server`` are the sessions on which each side may send it.

    ``ignored`` are fields that are checked for their form and have no effect.
    """

    type: str
    name: str
    is_admin: bool
    uses: tuple[Use, ...]
    ignored: tuple[int, ...] = ()
    from_client: frozenset[Kind] = NOBODY
    from_server: frozenset[Kind] = NOBODY


def walk(uses: tuple[Use, ...]) -> Iterator[Use]:
    """All uses, those inside groups included, in their order."""
    for use in uses:
        yield use
        if use.group is not None:
            yield from walk(use.group.uses)


_GROUPS: dict[int, Group] = {}


def _uses(text: str) -> tuple[Use, ...]:
    """``11! 18 @453``: tags in order; ``!`` is required, ``@`` a group that is known already."""
    found = []
    for word in text.split():
        required = word.endswith("!")
        tag = int(word.strip("@!"))
        assert tag in FIELDS, word
        found.append(Use(tag, required, _GROUPS[tag] if word.startswith("@") else None))
    return tuple(found)


def _group(count_tag: int, text: str) -> None:
    _GROUPS[count_tag] = Group(count_tag, _uses(text))


_group(453, "448! 447 452")
_group(136, "137! 138 139 891")
_group(1703, "1704! 1705")
_group(20181, "20182! 20183! 20184!")
_group(20185, "20186!")
_group(146, "55 38 152 @453 20180 @20181")
_group(20108, "20109! 20110 704 705 @1703 @136")

HEADER: Final = _uses("8! 9! 35! 1128 1129 1156 34! 49! 56! 43 97 52! 122 50 57 142 115 128 369")
TRAILER: Final = _uses("10!")

_ORDERS: Final = frozenset((Kind.NR, Kind.RT))
_CLIENTS_REPORTS: Final = frozenset((Kind.NR, Kind.RT, Kind.DC))
_MAKERS: Final = frozenset((Kind.RFQ,))
_CREATORS: Final = frozenset((Kind.RT,))

_HABITS: Final = (
    "1 15 21 22 48 58 60 63 64 65 77 107 109 110 111 167 168 200 207 423 432 460 461 528 529 541 "
    "581 582 583 660 854 1028 1031"
)
"""What engines add to orders by habit."""


def _message(
    type: str,
    name: str,
    fields: str,
    *,
    admin: bool = False,
    client: frozenset[Kind] = NOBODY,
    server: frozenset[Kind] = NOBODY,
    ignored: str = "",
) -> MessageType:
    uses = _uses(fields)
    own = {use.tag for use in walk(uses)}
    spare = tuple(tag for tag in map(int, ignored.split()) if tag not in own)
    return MessageType(type, name, admin, uses, spare, client, server)


_TABLE: Final = (
    _message("0", "Heartbeat", "112", admin=True, client=ALL, server=ALL),
    _message("1", "TestRequest", "112!", admin=True, client=ALL, server=ALL),
    _message(
        "2", "ResendRequest", "7! 16!", admin=True, client=RETRANSMITTING, server=RETRANSMITTING
    ),
    _message("3", "Reject", "45! 371 372 373 58", admin=True, client=ALL, server=ALL),
    _message(
        "4", "SequenceReset", "123 36!", admin=True, client=RETRANSMITTING, server=RETRANSMITTING
    ),
    _message("5", "Logout", "58", admin=True, client=ALL, server=ALL),
    _message(
        "A",
        "Logon",
        "98! 108! 95 96 141 1137! 8013 20126 20127 20200 21005 21007 21008 21011 21012 21026 21027",
        admin=True,
        client=ALL,
        server=ALL,
        ignored="383 464 553 554 789 1407 1408 58",
    ),
    _message(
        "D",
        "NewOrderSingle",
        "11! 18 38! 40! 44! 54! 55! 59 126 @453 79 526 2964 21006 21009 117 21023 100",
        client=_ORDERS,
        ignored=_HABITS,
    ),
    _message(
        "G",
        "OrderCancelReplaceRequest",
        "11! 37 38! 40! 41! 44 54! 55! 59 126 18 @453 79 100",
        client=_ORDERS,
        ignored=_HABITS + " 526 2964 21006",
    ),
    _message(
        "F",
        "OrderCancelRequest",
        "11! 37 38 41! 54! 55! @453 79 100",
        client=_ORDERS,
        ignored=_HABITS + " 40 44 59",
    ),
    _message(
        "q",
        "OrderMassCancelRequest",
        "11! 530!",
        client=_ORDERS,
        ignored="60 55 54 58 100",
    ),
    _message("r", "OrderMassCancelReport", "11! 37! 530 531! 532 58 60", server=_ORDERS),
    _message(
        "8",
        "ExecutionReport",
        "6! 11! 14! 17! 18 30 31 32 37! 38! 39! 40 41 44 54! 55! 58 59 60! 103 126 150! 151! @453 "
        "79 526 704 705 @136 880 1057 @1703 2964 21006 21030 21031",
        server=_CLIENTS_REPORTS,
    ),
    _message("9", "OrderCancelReject", "11! 37! 39! 41! 102 434! 58 60", server=_ORDERS),
    _message(
        "j",
        "BusinessMessageReject",
        "45 371 372! 379 380! 58",
        server=ALL,
    ),
    _message("UOG", "OrderGroupRequest", "20131! 20130 20132 79", client=_ORDERS),
    _message("UOH", "OrderGroupResponse", "20130! 20132 79", server=_ORDERS),
    _message(
        "R",
        "QuoteRequest",
        "131! @146 20180 @20181 79 21015 21016 100",
        client=_CREATORS,
        server=_MAKERS,
        ignored="58 60 537",
    ),
    _message(
        "b",
        "QuoteRequestAck",
        "131! 303 21023 55 100",
        server=_CREATORS,
    ),
    _message(
        "S",
        "Quote",
        "117! 131 55 132 133 38 134 135 79 18 21015 @453",
        client=_MAKERS,
        server=_CREATORS,
        ignored="58 60 537 693",
    ),
    _message(
        "AI",
        "QuoteStatusReport",
        "117 131! 79 297! 38 132 133 134 135 54 55 58",
        server=_MAKERS,
    ),
    _message("Z", "QuoteCancel", "117! 21023", client=_MAKERS, ignored="131 298 58"),
    _message("U9", "QuoteCancelStatus", "117! 298! 58", server=_MAKERS),
    _message("U7", "QuoteConfirm", "117! 21023", client=_MAKERS),
    _message("U8", "QuoteConfirmStatus", "117! 21010! 297 58", server=_MAKERS),
    _message(
        "AG",
        "QuoteRequestReject",
        "131! 658! 58 21023 20187 @20185",
        server=frozenset((Kind.RFQ, Kind.RT)),
    ),
    _message("UA", "AcceptQuote", "117! 21023 54! 38 11 21022 @453 79", client=_CREATORS),
    _message("UC", "AcceptQuoteStatus", "117! 21025! 21024 11 58", server=_CREATORS),
    _message("UE", "RFQCancel", "131 21023 @453 79", client=_CREATORS),
    _message("UB", "RFQCancelStatus", "131 21013! 21023 58", server=_CREATORS),
    _message("U1", "EventResendRequest", "21001! 21002", client=frozenset((Kind.DC,))),
    _message("U2", "EventResendComplete", "45! 21003!", server=frozenset((Kind.DC,))),
    _message("U3", "EventResendReject", "45! 21004! 58", server=frozenset((Kind.DC,))),
    _message(
        "UMS",
        "MarketSettlementReport",
        "20105! 55! 715! 20106 20107! 730! @20108! 893",
        server=frozenset((Kind.PT, Kind.RT)),
    ),
)

MESSAGES: Final[Mapping[str, MessageType]] = MappingProxyType({row.type: row for row in _TABLE})
"""All messages by MsgType."""
