"""The words of the audit trail: every number of the core's vocabulary is shown in its unit."""

import ast
from pathlib import Path

import pytest

from augury.codec.ids import format_id
from augury.core import commands, events
from augury.core.commands import Command
from augury.core.events import Event
from augury.gateways.operator.readable import (
    has_unit,
    name_of,
    readable_command,
    readable_event,
)


def whole_numbers(source: Path) -> set[tuple[str, str]]:
    """(class, field) of every field that is a whole number.

    Read from the source, because compiled classes do not tell the types of their fields.
    """
    found = set()
    for node in ast.parse(source.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                name, annotation = part.target.id, part.annotation
            elif isinstance(part, ast.arg) and part.annotation is not None:
                name, annotation = part.arg, part.annotation
            else:
                continue
            if ast.unparse(annotation) == "int":
                found.add((node.name, name))
    return found


@pytest.mark.parametrize("module", ["commands", "events"])
def test_no_whole_number_is_shown_without_its_unit(repository: Path, module: str) -> None:
    numbers = whole_numbers(repository / "src" / "augury" / "core" / f"{module}.py")
    assert len(numbers) > 40
    assert sorted(f"{owner}.{field}" for owner, field in numbers if not has_unit(field)) == []


def test_an_order_reads_as_a_person_would_write_it() -> None:
    command = commands.PlaceOrder(7, 0, "KXA-1", "mine", "buy", "no", 5950, 1250, buy_max_cost=0)
    assert name_of(command) == "place_order"
    shown = readable_command(command)
    assert shown["user_id"] == format_id("member", 7)
    assert (shown["price"], shown["quantity"]) == ("0.5950", "12.50")
    assert shown["buy_max_cost"] is None
    assert shown["order_group_id"] is None
    assert shown["expiration_time"] is None


@pytest.mark.parametrize(
    "command, shown",
    [
        (commands.DecreaseOrder(1, 2, reduce_by=150), {"reduce_by": "1.50", "reduce_to": None}),
        (commands.Deposit(1, 0, 12_340_000), {"amount": "12.3400"}),
        (
            commands.SetPriceLevelStructure("KXA-1", "linear_cent", ((0, 10_000, 100),)),
            {"price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]},
        ),
        (commands.CreateSeries("KXA", "flat", 1_500_000, '{"title": "A"}'),
         {"fee_multiplier": 1.5, "details": {"title": "A"}}),
        (commands.ChangeCloseTime("KXA-1", 1_772_373_600_000_000_000),
         {"close_time": "2026-03-01T14:00:00Z"}),
    ],
)  # fmt: skip
def test_units_of_commands(command: Command, shown: dict[str, object]) -> None:
    found = readable_command(command)
    assert {name: found[name] for name in shown} == shown


def test_events_use_the_same_words() -> None:
    event: Event = events.LevelChanged("KXA-1", -1, 6000, -250, 100, 7, 0, "mine")
    assert readable_event(event) == {
        "market_ticker": "KXA-1",
        "direction": "ask",
        "price": "0.6000",
        "delta": "-2.50",
        "quantity": "1.00",
        "owners": [{"user_id": format_id("member", 7), "subaccount": 0, "client_order_id": "mine"}],
    }
