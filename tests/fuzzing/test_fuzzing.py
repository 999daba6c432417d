"""A few hundred bad inputs of every kind, always the same, and all that ever failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzzing.doors import street
from tests.fuzzing.mutating import variations
from tests.fuzzing.targets import CORPUS, TARGETS, corpus_of

SEED = 20_260_301


@pytest.fixture(scope="module", autouse=True)
def no_traces() -> Iterator[None]:
    yield
    street().close()


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_it(name: str) -> None:
    target = TARGETS[name]
    for number, data in enumerate(variations(target.seeds(), target.tries, SEED)):
        try:
            target.check(data)
        except Exception as error:
            raise AssertionError(f"case {number}: {data!r}") from error


@pytest.mark.parametrize("path", [path for name in TARGETS for path in corpus_of(name)])
def test_what_once_broke_it_does_not_any_more(path: Path) -> None:
    TARGETS[path.parent.name].check(path.read_bytes())


def test_every_stored_input_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.glob("*") if path.is_dir()} <= set(TARGETS)
