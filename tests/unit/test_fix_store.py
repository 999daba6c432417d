"""The store of FIX sessions: what was handed over is there afterwards, as a whole or not at all."""

import asyncio
from pathlib import Path

import pytest

from augury.gateways.fix.session import Sent
from augury.gateways.fix.store import FixStore, StoredSession, StoreError

pytestmark = pytest.mark.anyio


def row(identity: int, next_out: int, purged: int = 0) -> StoredSession:
    return StoredSession(identity, "RT", 40 + identity, "key", "{}", next_out, 1, purged, False)


def report(number: int, sent_ns: int = 0) -> Sent:
    return Sent(number, sent_ns, "8", f"11=order-{number}\x01")


async def stored(store: FixStore) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    store.when_stored(lambda: done.set_result(None))
    await asyncio.wait_for(done, 10)


async def test_messages_numbers_and_position_come_back(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    assert store.open() == []
    first, second = store.new_id(), store.new_id()
    for number in (1, 2, 4):
        store.keep(first, report(number))
    store.keep(first, Sent(3, 0, "0", None))
    store.keep(second, report(1))
    store.note(first, lambda: row(first, 5))
    store.note(second, lambda: row(second, 2))
    store.advance(77, 1_000)
    await stored(store)
    # Nothing was closed: this is what a process that was killed leaves.
    again = FixStore(tmp_path / "fix.sqlite")
    assert again.open() == [row(first, 5), row(second, 2)]
    assert (again.position, again.time_ns) == (77, 1_000)
    assert await again.read(first, 1, 9, 100) == [report(1), report(2), report(4)]
    assert await again.read(first, 2, 3, 100) == [report(2)]
    assert await again.read(first, 1, 9, 2) == [report(1), report(2)]
    assert again.new_id() not in (first, second)
    await again.close()
    await store.close()


async def test_a_session_that_begins_anew_keeps_only_what_follows(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    store.open()
    identity = store.new_id()
    store.keep(identity, report(1))
    store.keep(identity, report(2))
    await stored(store)
    store.keep(identity, report(3))
    store.restart(identity)
    store.keep(identity, report(1, sent_ns=5))
    await stored(store)
    assert await store.read(identity, 1, 9, 100) == [report(1, sent_ns=5)]
    store.remove(identity)
    await stored(store)
    assert await store.read(identity, 1, 9, 100) == []
    await store.close()


async def test_what_is_read_includes_what_still_waits_for_the_disk(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    store.open()
    identity = store.new_id()
    store.keep(identity, report(1))
    store.note(identity, lambda: row(identity, 2))
    await asyncio.sleep(0)
    # The first one is on its way to the disk, so the second has to wait for a batch of its own.
    store.keep(identity, report(2))
    store.note(identity, lambda: row(identity, 3))
    assert await store.read(identity, 1, 9, 100) == [report(1), report(2)]
    await store.close()


async def test_what_is_too_old_is_dropped_and_remembered_as_dropped(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    store.open()
    identity = store.new_id()
    for number in range(1, 6):
        store.keep(identity, report(number, sent_ns=number * 10))
    store.note(identity, lambda: row(identity, 6))
    await stored(store)
    assert await store.purge([(identity, 30)]) == {identity: 2}
    assert await store.purge([(identity, 30)]) == {}
    assert [sent.sequence for sent in await store.read(identity, 1, 9, 100)] == [3, 4, 5]
    await store.close()
    again = FixStore(tmp_path / "fix.sqlite")
    assert again.open() == [row(identity, 6, purged=2)]
    await again.close()


async def test_the_position_alone_is_stored_at_the_end(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    store.open()
    store.advance(5, 50)
    await store.close()
    again = FixStore(tmp_path / "fix.sqlite")
    again.open()
    assert (again.position, again.time_ns) == (5, 50)
    again.forget_everything()
    assert again.position == 0
    again.abandon()


async def test_while_the_disk_refuses_nothing_is_said_to_be_stored(tmp_path: Path) -> None:
    store = FixStore(tmp_path / "fix.sqlite")
    store.open()
    other = FixStore(tmp_path / "fix.sqlite")
    other.open()
    # Somebody holds the file; to the store that is a disk that does not take anything.
    store._database.execute("PRAGMA busy_timeout=1")
    other._database.execute("BEGIN IMMEDIATE")
    identity = store.new_id()
    store.keep(identity, report(1))
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    store.when_stored(lambda: done.set_result(None))
    for _ in range(200):
        if store.is_failing:
            break
        await asyncio.sleep(0.01)
    assert store.is_failing
    assert not done.done()
    other._database.execute("ROLLBACK")
    await asyncio.wait_for(done, 10)
    assert not store.is_failing
    assert await store.read(identity, 1, 9, 100) == [report(1)]
    await other.close()
    await store.close()


def test_a_file_that_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "fix.sqlite"
    path.write_bytes(b"this is no database" * 100)
    store = FixStore(path)
    with pytest.raises(StoreError, match="fix"):
        store.open()
