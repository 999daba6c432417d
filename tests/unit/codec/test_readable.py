"""The audit trail: everything that was logged and happened, as JSON that people can read."""

import json
from itertools import islice

from augury.codec.readable import applied_dict, event_dict
from augury.core import commands as c
from augury.core import events
from augury.core.engine import Engine
from tests.flow import START_NS, listing, trading


def test_everything_of_a_busy_exchange_can_be_written_as_json() -> None:
    engine = Engine()
    seen = set()
    start = listing()
    for n, command in enumerate([*start, *islice(trading(8, len(start) + 1), 1500)], 1):
        entry = applied_dict(engine.apply(n, START_NS + n, command))
        again = json.loads(json.dumps(entry))
        assert again["sequence"] == n
        assert again["command"] == type(command).__name__
        seen |= {event["event"] for event in again["events"]}
    assert {"OrderUpdated", "OrderAmended", "TradeExecuted", "CommandRejected"} <= seen


def test_an_entry_shows_the_command_and_what_it_did() -> None:
    engine = Engine()
    engine.apply(1, START_NS, c.CreateMember("a@example.com"))
    applied = engine.apply(2, START_NS + 1_500_000_000, c.Deposit(1, 0, 5_000_000, "wire 7"))
    assert applied_dict(applied) == {
        "sequence": 2,
        "time": "2025-10-09T08:53:21.5Z",
        "command": "Deposit",
        "member_id": 1,
        "subaccount": 0,
        "amount": 5_000_000,
        "reference": "wire 7",
        "events": [
            {
                "event": "Deposited",
                "member_id": 1,
                "subaccount": 0,
                "amount": 5_000_000,
                "reference": "wire 7",
            }
        ],
    }


def test_an_event_inside_an_event_is_shown_as_well() -> None:
    changed = events.LevelChanged("RAIN-MON", 1, 4000, 100, 100, 1, 0, "mine")
    assert event_dict(changed)["owners"] == [(1, 0, "mine")]
    engine = Engine()
    for n, command in enumerate(listing(), 1):
        engine.apply(n, START_NS, command)
    n = engine.state.sequence
    engine.apply(n + 1, START_NS, c.PlaceOrder(1, 0, "RAIN-MON", "", "buy", "yes", 4000, 100))
    amended = engine.apply(n + 2, START_NS, c.AmendOrder(1, n + 1, price=4100))
    shown = applied_dict(amended)["events"][0]
    assert shown["event"] == "OrderAmended"
    assert shown["before"]["event"] == "OrderUpdated"
    assert shown["before"]["price"] == 4000
