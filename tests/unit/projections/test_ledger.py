"""The ledger, worked out by hand for single events: which account gives what to which."""

from pathlib import Path

import pytest

from augury.core import events as e
from augury.core.applied import Applied
from augury.core.commands import Tick
from augury.projections.history import History
from tests.history_tables import stored

Line = tuple[str, str, str, int]


def ledger_of(path: Path, *records: list[e.Event]) -> list[Line]:
    """(kind, account, counter account, amount) in the order of the ledger.

    Each record is written by a writer of its own, as if the exchange had been restarted.
    """
    for sequence, events in enumerate(records, start=1):
        history = History(f"sqlite:///{path}")
        assert history.open()
        history.load([Applied(sequence, sequence, Tick(), events, 0)])
        assert history.position == sequence
        lines = stored(history.database)["ledger_entries"]
        history.close()
    return [(kind, account, counter, amount) for _, _, kind, account, counter, amount, *_ in lines]


def both(kind: str, gives: str, takes: str, amount: int) -> list[Line]:
    return [(kind, gives, takes, -amount), (kind, takes, gives, amount)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def filled(member_id: int, is_taker: bool, cash_change: int, fee: int) -> e.OrderFilled:
    side = "yes" if is_taker else "no"
    return e.OrderFilled(
        1 << 20, member_id, member_id, 0, "M", "", "buy", side, 6_000, 100,
        is_taker, fee, fee, 0, 0, cash_change, 100,
    )  # fmt: skip


def test_both_sides_of_a_trade_pay_into_escrow_and_for_fees(path: Path) -> None:
    assert ledger_of(path, [filled(7, False, -400_000, 0), filled(8, True, -620_000, 20_000)]) == [
        *both("fill", "cash:7:0", "escrow:M", 400_000),
        *both("fill", "cash:8:0", "escrow:M", 600_000),
        *both("fee", "cash:8:0", "fees", 20_000),
    ]


def test_money_from_outside_across_and_out_again(path: Path) -> None:
    assert ledger_of(
        path,
        [e.Deposited(7, 0, 500, "cheque")],
        [e.Transferred(2, 7, 0, 1, 300, "t")],
        [e.Withdrawn(7, 1, 100, "rent")],
    ) == [
        *both("deposit", "outside", "cash:7:0", 500),
        *both("transfer", "cash:7:0", "cash:7:1", 300),
        *both("withdrawal", "outside", "cash:7:1", -100),
    ]


def settled(
    member_id: int, result: str, yes: int, no: int, revenue: int, value: int
) -> e.PositionSettled:
    return e.PositionSettled(
        member_id, 0, "M", "E", result, yes, 0, no, 0, revenue, value, 0, 0, 0, 0
    )


def test_a_payout_rounded_down_leaves_the_rest_with_the_fees(path: Path) -> None:
    lines = ledger_of(
        path,
        [
            settled(7, "scalar", 100, 0, 330_000, 3_333),
            settled(8, "scalar", 0, 100, 660_000, 3_333),
            e.MarketSettled("M", "E", "scalar", 3_333, False),
        ],
    )
    assert lines == [
        *both("settlement", "escrow:M", "cash:7:0", 330_000),
        *both("settlement_rounding", "escrow:M", "fees", 3_300),
        *both("settlement", "escrow:M", "cash:8:0", 660_000),
        *both("settlement_rounding", "escrow:M", "fees", 6_700),
    ]


def test_what_a_void_market_does_not_return_goes_to_the_house(path: Path) -> None:
    """Costs need not add up to a dollar per pair: somebody else may have made the difference."""
    lines = ledger_of(
        path,
        [
            settled(7, "void", 100, 0, 550_000, 0),
            settled(8, "void", 0, 100, 300_000, 0),
            e.MarketSettled("M", "E", "void", 0, False),
        ],
    )
    assert lines == [
        *both("settlement", "escrow:M", "cash:7:0", 550_000),
        *both("settlement", "escrow:M", "cash:8:0", 300_000),
        *both("settlement_rounding", "escrow:M", "house", 150_000),
    ]


def test_a_moved_position_is_paid_by_way_of_the_escrow(path: Path) -> None:
    """40 of 100 YES contracts meet as many NO contracts where they go: 40 dollars come free."""
    assert ledger_of(
        path, [e.PositionTransferred(1, 7, 0, 1, "M", 10_000, 4_000, 40_000_000, 0, "p")]
    ) == both("position_transfer", "escrow:M", "cash:7:0", 40_000_000)
    path.unlink()
    assert ledger_of(
        path, [e.PositionTransferred(1, 7, 0, 1, "M", 100, 4_000, 400_000, -400_000, "p")]
    ) == [
        *both("position_transfer", "escrow:M", "cash:7:0", 400_000),
        *both("position_transfer", "escrow:M", "cash:7:1", -400_000),
    ]


def test_the_house_bears_what_a_member_cannot_give_back(path: Path) -> None:
    assert ledger_of(
        path,
        [e.CollateralReturned(7, 0, "E", 1_000, 1_000, 0)],
        [e.CollateralReturned(7, 0, "E", -250, 750, 0)],
        [e.CollateralReturned(7, 0, "E", -50, 0, 700)],
    ) == [
        *both("collateral_return", "returned", "cash:7:0", 1_000),
        *both("collateral_return", "returned", "cash:7:0", -250),
        *both("collateral_return", "returned", "cash:7:0", -750),
        *both("collateral_return", "house", "cash:7:0", 700),
    ]
