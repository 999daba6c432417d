"""The memory log keeps the promises of every log."""

from collections.abc import Callable

import pytest

from augury.log.memory import MemoryLog
from tests.contract.log_contract import LogContract


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> MemoryLog:
        return MemoryLog()

    @pytest.fixture
    def damage(self, log: MemoryLog) -> Callable[[bytes], None]:
        def flip(text: bytes) -> None:
            for index, data in enumerate(log._batches):
                if text in data:
                    log._batches[index] = data.replace(text, text.swapcase())
                    return
            raise AssertionError("the text to damage is not in the log")

        return flip
