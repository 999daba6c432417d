"""The pytest plugin: installed with Augury, it offers an exchange to whoever asks for one.

    def test_my_bot(augury_exchange):
        ticker = augury_exchange.list_market()
        ...

    @pytest.mark.augury(clock="real", world="demo")
    def test_in_the_demo_world(augury_exchange): ...

Nothing of the exchange is imported before a test asks for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from augury.testing.exchange import RunningExchange


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "augury(**options): options of running_exchange for the fixture augury_exchange"
    )


@pytest.fixture
def augury_exchange(request: pytest.FixtureRequest) -> "Iterator[RunningExchange]":
    """An exchange of the test's own, on a free port, with a virtual clock that stands still."""
    from augury.testing.exchange import running_exchange

    marker = request.node.get_closest_marker("augury")
    with running_exchange(**(marker.kwargs if marker else {})) as exchange:
        yield exchange
