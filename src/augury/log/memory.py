"""A log that lives and dies with its process: for tests, benchmarks and exchanges of one evening.

It keeps the same bytes as the durable logs, so that everything but durability behaves the same.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from augury.log.records import GENESIS, chain_of, chain_of_last, decode_batch, encode_batch
from augury.ports.log import LogDamaged, LogError, Record


class MemoryLog:
    """Implements ``ports.log.Log``."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._batches: list[bytes] = []
        self._last_sequence = 0
        self._chain = GENESIS

    @property
    def last_sequence(self) -> int:
        return self._last_sequence

    def append(self, records: Sequence[Record]) -> None:
        if not records:
            return
        data, chain = encode_batch(records, self._last_sequence, self._chain)
        self._firsts.append(self._last_sequence + 1)
        self._batches.append(data)
        self._last_sequence += len(records)
        self._chain = chain

    def read(self, after: int = 0) -> Iterator[Record]:
        end = self._last_sequence
        if after >= end:
            return
        index = bisect_right(self._firsts, after + 1) - 1
        expected = self._firsts[index]
        chain = chain_of_last(self._batches[index - 1]) if index else GENESIS
        while expected <= end:
            if index == len(self._batches):
                raise LogDamaged(expected, "it is missing")
            records, chain, damage = decode_batch(self._batches[index], expected, chain)
            for record in records:
                if record.sequence > after:
                    yield record
            if damage is not None:
                raise damage
            expected += len(records)
            index += 1

    def chain_hash(self, sequence: int) -> bytes:
        if sequence == 0:
            return GENESIS
        if not 0 < sequence <= self._last_sequence:
            raise LogError(f"the log has no record {sequence}")
        index = bisect_right(self._firsts, sequence) - 1
        return chain_of(self._batches[index], self._firsts[index], sequence)

    def close(self) -> None:
        """Nothing to give back; the records stay readable."""
