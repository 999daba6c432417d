"""What every log promises, whatever it is built on. Backends subclass ``LogContract``."""

import random
from collections.abc import Callable
from hashlib import sha256

import pytest

from augury.ports.log import Log, LogDamaged, LogError, Record


def record(sequence: int, payload: bytes | None = None) -> Record:
    return Record(
        sequence, 1_000 + sequence // 3, 1, 1, b"%d" % sequence if payload is None else payload
    )


def records(first: int, last: int) -> list[Record]:
    return [record(sequence) for sequence in range(first, last + 1)]


class LogContract:
    """``log`` is an empty log; ``damage`` flips one byte of a stored record, found by its text."""

    @pytest.fixture
    def log(self) -> Log:
        raise NotImplementedError

    @pytest.fixture
    def damage(self) -> Callable[[bytes], None]:
        raise NotImplementedError

    def test_an_empty_log_has_no_records(self, log: Log) -> None:
        assert log.last_sequence == 0
        assert list(log.read()) == []
        assert log.chain_hash(0) == bytes(32)

    def test_records_come_back_as_they_were(self, log: Log) -> None:
        written = [
            Record(1, 5, 1, 1, b""),
            Record(2, 5, 1, 2, b"\x00\xff" * 100),
            Record(3, 2**62, 7, 1, bytes(range(256)) * 300),
        ]
        log.append(written)
        assert list(log.read()) == written
        assert log.last_sequence == 3

    def test_reading_starts_after_any_record(self, log: Log) -> None:
        chance = random.Random(3)
        last = 0
        while last < 300:
            first, last = last + 1, last + chance.randint(1, 40)
            log.append(records(first, last))
        for after in [*range(45), last - 1, last, last + 1, last + 1000]:
            assert list(log.read(after)) == records(after + 1, last)

    def test_a_long_log_is_read_whole(self, log: Log) -> None:
        for sequence in range(1, 501):
            log.append([record(sequence)])
        assert [r.sequence for r in log.read()] == list(range(1, 501))

    def test_reading_ends_where_the_log_ended_when_it_began(self, log: Log) -> None:
        log.append(records(1, 10))
        reading = log.read()
        assert next(reading).sequence == 1
        log.append(records(11, 20))
        assert [r.sequence for r in reading] == list(range(2, 11))

    @pytest.mark.parametrize("wrong", [[1], [3], [5, 6], [4, 6], [4, 4], [0]])
    def test_a_gap_or_a_repetition_is_refused(self, log: Log, wrong: list[int]) -> None:
        log.append(records(1, 3))
        with pytest.raises(LogError):
            log.append([record(sequence) for sequence in wrong])
        assert log.last_sequence == 3
        log.append(records(4, 6))
        assert list(log.read()) == records(1, 6)

    def test_appending_nothing_changes_nothing(self, log: Log) -> None:
        log.append([])
        assert log.last_sequence == 0

    def test_the_chain_does_not_depend_on_how_records_were_flushed(self, log: Log) -> None:
        log.append(records(1, 7))
        log.append(records(8, 8))
        log.append(records(9, 20))
        expected = bytes(32)
        for entry in records(1, 20):
            frame = (
                len(entry.payload).to_bytes(4, "little")
                + entry.sequence.to_bytes(8, "little")
                + entry.time_ns.to_bytes(8, "little")
                + entry.schema_version.to_bytes(4, "little")
                + entry.rules_version.to_bytes(4, "little")
                + entry.payload
            )
            expected = sha256(expected + frame).digest()
            assert log.chain_hash(entry.sequence) == expected

    def test_there_is_no_chain_beyond_the_end(self, log: Log) -> None:
        log.append(records(1, 2))
        with pytest.raises(LogError):
            log.chain_hash(3)

    @pytest.mark.parametrize("damaged", [1, 2, 50, 51, 60, 99, 100])
    def test_a_damaged_record_is_named(
        self, log: Log, damage: Callable[[bytes], None], damaged: int
    ) -> None:
        text = b"the damaged one"
        for first in range(1, 100, 10):
            log.append(
                [record(s, text if s == damaged else None) for s in range(first, first + 10)]
            )
        damage(text)
        seen: list[int] = []
        with pytest.raises(LogDamaged, match=f"record {damaged} ") as caught:
            seen.extend(entry.sequence for entry in log.read())
        assert caught.value.sequence == damaged

    def test_what_stands_before_the_damage_can_be_read(
        self, log: Log, damage: Callable[[bytes], None]
    ) -> None:
        log.append([record(s, b"the damaged one" if s == 8 else None) for s in range(1, 11)])
        damage(b"the damaged one")
        reading = log.read()
        assert [next(reading).sequence for _ in range(7)] == list(range(1, 8))
        with pytest.raises(LogDamaged):
            next(reading)
