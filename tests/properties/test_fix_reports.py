"""Whoever keeps books from execution reports alone keeps the same as the exchange (fix.md, 8.5).

Three members trade two markets of an event that nets, by FIX and sometimes by REST. From nothing
but the reports of its session each keeps its open orders, positions and money; a listener keeps the
same for all orders of its account, and the drop copy tells the whole of it again.
"""

import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from augury.gateways.fix.codec import Message
from augury.testing import RunningExchange, running_exchange
from tests.fix_desk import Floor, Trader, another_key, say

ACTIONS = 60
DEPOSIT = Decimal("10000.00")


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    with running_exchange(fix=True, fix_plain=True) as running:
        yield running


class Books:
    """What reports say, added up."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Decimal | str]] = {}
        """Open orders by OrderID."""
        self.positions: dict[str, Decimal] = {}
        self.cash = DEPOSIT
        self.filled: dict[str, Decimal] = {}

    def enter(self, report: Message) -> None:
        kind, order_id = report.get(150) or "", report.get(37) or ""
        if kind in "AE68":
            return
        done, left = Decimal(report.get(14) or ""), Decimal(report.get(151) or "")
        assert Decimal(report.get(38) or "") == done + left
        if kind == "F":
            quantity = Decimal(report.get(32) or "")
            self.filled[order_id] = self.filled.get(order_id, Decimal(0)) + quantity
            long, short = Decimal(report.get(704) or ""), Decimal(report.get(705) or "")
            assert long == 0 or short == 0
            self.positions[report.get(55) or ""] = long - short
            for entry in report.groups(1703):
                if entry.get(1705) == "BALANCE":
                    self.cash += Decimal(entry.get(1704) or "")
        assert self.filled.get(order_id, Decimal(0)) == done, report
        if left:
            self.orders[order_id] = {
                "client_order_id": report.get(11) or "",
                "price": Decimal(report.get(44) or ""),
                "left": left,
                "filled": done,
            }
        else:
            self.orders.pop(order_id, None)


class Player:
    """One member with a session, and its books."""

    def __init__(self, name: str, trader: Trader) -> None:
        self.name = name
        self.trader = trader
        self.books = Books()
        self.numbers = 0

    def listen(self) -> None:
        """Enter everything that has come."""
        heard = len(self.trader.heard)
        self.trader.quiet()
        for message in self.trader.heard[heard:]:
            if message.type == "8":
                self.books.enter(message)

    def next_name(self) -> str:
        self.numbers += 1
        return f"{self.name}-{self.numbers}"

    def act(self, chance: random.Random, markets: list[str]) -> None:
        choice = chance.random()
        own = sorted(self.books.orders.items())
        if choice < 0.7 or not own:
            side = chance.choice("12")
            price, size = chance.randint(40, 60), chance.randint(1, 9)
            more = chance.choice(["", "", "", "|59=3", "|59=4", "|18=6", "|2964=2", "|21009=2.00"])
            ticker = chance.choice(markets)
            fields = f"11={self.next_name()}|38={size}|40=2|44={price}|54={side}|55={ticker}{more}"
            self.trader.client.send("D", fields)
            return
        order_id, order = chance.choice(own)
        heard = next(m for m in reversed(self.trader.heard) if m.get(37) == order_id)
        fields = f"11={self.next_name()}|41={order['client_order_id']}"
        fields += f"|54={heard.get(54)}|55={heard.get(55)}"
        if choice < 0.9:
            size, price = chance.randint(1, 12), chance.randint(40, 60)
            self.trader.client.send("G", f"{fields}|38={size}|40=2|44={price}")
        else:
            self.trader.client.send("F", fields)


@pytest.mark.parametrize("round_", range(3))
def test_books_kept_from_reports_are_those_of_the_exchange(
    exchange: RunningExchange, seed: int, round_: int
) -> None:
    chance = random.Random(f"{seed} {round_}")
    series, event = f"KXBOOKS{round_}", f"KXBOOKS{round_}-1"
    exchange.operator.post("series", body={"ticker": series, "title": "Books"})
    exchange.operator.post(
        "events",
        body={
            "ticker": event,
            "series_ticker": series,
            "title": "Books",
            "mutually_exclusive": True,
            "collateral_return_type": "MECNET",
        },
    )
    markets = [exchange.list_market(f"{event}-T{n}", event=event, series=series) for n in (1, 2)]
    with Floor(exchange, markets[0]) as floor:
        players = []
        for name in ("maya", "theo", "ines"):
            trader = floor.join(name, t21011="Y", t21026="Y", t21007="Y", t21027="Y")
            players.append(Player(name, trader))
        maya = floor.member("maya")
        maya.put("/portfolio/subaccounts/netting", {"subaccount_number": 0, "enabled": True})
        key = another_key(exchange, maya, "read")
        listening = floor.join("ear", member=key, t20126="Y", t21011="Y", t21026="Y", t21007="Y")
        ear = Player("ear", listening)
        for _ in range(ACTIONS):
            player = chance.choice(players)
            player.act(chance, markets)
            if chance.random() < 0.1:
                by_rest(chance, player, floor)
            # Who acted first: then all that this did to others has been told to them.
            player.listen()
            for other in players:
                other.listen()
        for player in players:
            agree(player, floor)
        ear.listen()
        assert ear.books.orders == players[0].books.orders
        assert ear.books.cash == players[0].books.cash
        told_again(exchange, floor, ear)


def by_rest(chance: random.Random, player: Player, floor: Floor) -> None:
    """A change of one of the player's orders by the other door."""
    if player.books.orders:
        order_id = chance.choice(sorted(player.books.orders))
        path = f"/portfolio/orders/{order_id}"
        member = floor.member(player.name)
        if chance.random() < 0.5:
            member.request("DELETE", path)
        else:
            member.request("POST", f"{path}/decrease", {"reduce_by": 1})


def agree(player: Player, floor: Floor) -> None:
    """Compare with what REST says, first with open orders, then with all money free again."""
    member, books = floor.member(player.name), player.books
    shown = member.get("/portfolio/orders", status="resting", limit=1000)["orders"]
    assert books.orders == {
        row["order_id"]: {
            "client_order_id": row["client_order_id"],
            "price": Decimal(row["yes_price"]),
            "left": Decimal(row["remaining_count_fp"]),
            "filled": Decimal(row["fill_count_fp"]),
        }
        for row in shown
    }
    rows = member.get("/portfolio/positions", limit=1000)["market_positions"]
    positions = {row["ticker"]: Decimal(row["position_fp"]) for row in rows}
    assert {ticker: n for ticker, n in books.positions.items() if n} == {
        ticker: n for ticker, n in positions.items() if n
    }
    player.trader.do(f"cancel all as {player.next_name()}")
    player.listen()
    assert books.orders == {}
    assert int(books.cash * 100) == member.balance


def told_again(exchange: RunningExchange, floor: Floor, ear: Player) -> None:
    heard = [message for message in ear.trader.heard if message.type == "8"]
    copy = floor.join(
        "copy",
        "KalshiDC",
        member=another_key(exchange, floor.member("maya"), "read"),
        t21026="Y",
        t21007="Y",
    )
    if not heard:
        return
    copy.client.send("U1", f"21001={heard[0].get(17)}")
    again = [copy.hear() for _ in range(len(heard) + 1)]
    assert again[-1].get(21003) == str(len(heard))
    assert [(m.get(17), say(m)) for m in again[:-1]] == [(m.get(17), say(m)) for m in heard]
