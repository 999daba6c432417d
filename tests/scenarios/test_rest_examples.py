"""The examples in the API's description are requests that were sent, and what was answered."""

from pathlib import Path

from augury.gateways.rest.operations import BUILT
from augury.gateways.rest.reference import examples
from tests.examples import play


def test_every_example_is_carried_out_and_answered_as_shown(tmp_path: Path) -> None:
    """Sends them all to a fresh exchange with the demo world, in an order that makes sense."""
    told = play(tmp_path)
    assert set(told) == {operation.id for operation in BUILT}
    for operation_id, shown in examples().items():
        assert told[operation_id] == shown, (
            f"{operation_id} is answered otherwise; `python -m tests.examples --write` writes the"
            " examples anew"
        )
