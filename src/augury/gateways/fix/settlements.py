"""Market settlement reports (35=UMS): what a market paid to each account (fix.md, section 12).

Pure: from the events of one record to the pages for one member.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from augury.codec.ids import format_id
from augury.core.events import MarketSettled, PositionSettled
from augury.core.state import Member
from augury.core.units import PRICE_ONE
from augury.gateways.fix.reports import Fields
from augury.gateways.fix.values import amount_text, business_date, cents_text, size_text

PARTIES_PER_PAGE: Final = 50


class _Party:
    """What the accounts of one party had and were paid."""

    __slots__ = ("fee", "long", "payout", "short")

    def __init__(self) -> None:
        self.long = 0
        self.short = 0
        self.payout = 0
        self.fee = 0


def settlement_reports(
    sequence: int,
    time_ns: int,
    place: int,
    market: MarketSettled,
    positions: Iterable[PositionSettled],
    member: Member,
) -> Iterator[Fields]:
    """The pages about ``market`` for ``member``, none when it held nothing.

    ``positions`` are the member's own. ``place`` tells the markets of one record apart. Numbered
    subaccounts count together; each customer of a clearing member is a party of its own.
    """
    parties: dict[str, _Party] = {}
    for position in positions:
        account = member.accounts.get(position.subaccount)
        customer = "" if account is None else account.subtrader
        party = parties.setdefault(customer or format_id("member", member.id), _Party())
        party.long += position.yes_quantity
        party.short += position.no_quantity
        party.payout += position.revenue
        if position.result != "void":
            value = position.settlement_value
            owed = position.yes_quantity * value + position.no_quantity * (PRICE_ONE - value)
            # What scalar results leave beyond whole cents stays with the exchange.
            party.fee += owed - position.revenue
    rows = list(parties.items())
    pages = [rows[at : at + PARTIES_PER_PAGE] for at in range(0, len(rows), PARTIES_PER_PAGE)]
    for number, page in enumerate(pages, start=1):
        fields: Fields = [
            (20105, f"{sequence}-{place}-{number}"),
            (55, market.ticker),
            (715, business_date(time_ns)),
            (20106, str(len(pages))),
            (20107, market.result),
            (730, cents_text(market.settlement_value)),
            (20108, str(len(page))),
        ]
        for name, party in page:
            fields += [
                (20109, name),
                (20110, "24"),
                (704, size_text(party.long)),
                (705, size_text(party.short)),
                (1703, "1"),
                (1704, amount_text(party.payout)),
                (1705, "PAYOUT"),
                (136, "1"),
                (137, amount_text(party.fee)),
                (138, "USD"),
                (139, "4"),
                (891, "0"),
            ]
        if number == len(pages):
            fields.append((893, "Y"))
        yield fields
