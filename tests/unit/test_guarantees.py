"""What the documentation claims to be tested is, and its figures are those of the latest runs."""

import ast
import json
import re
from pathlib import Path

from scripts import audit_dependencies, guarantees, results


def names_in(path: Path) -> set[str]:
    """The functions that a file defines at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_the_page_is_what_the_generator_makes_of_the_results() -> None:
    """When this fails: `make guarantees`."""
    assert guarantees.PAGE.read_text(encoding="utf-8") == guarantees.page()


def test_every_promise_names_tests_that_exist(repository: Path) -> None:
    for promise in guarantees.PROMISES:
        assert promise.tests
        for test in promise.tests:
            assert (repository / test).is_file(), test


def test_every_row_of_the_threat_model_names_a_test_that_exists(repository: Path) -> None:
    page = (repository / "docs" / "operate" / "threat-model.md").read_text(encoding="utf-8")
    threats = page.partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 30
    for row in rows:
        named = re.findall(r"`(tests/[^`:]+)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert test in names_in(repository / file), f"{file}::{test}"


def test_a_run_leaves_its_figures_and_the_page_shows_them(tmp_path: Path) -> None:
    results.record("fuzzing", {"cases": 1_234_567, "seconds": 1.5, "guided": "yes"}, tmp_path)
    written = json.loads((tmp_path / "fuzzing.json").read_text(encoding="utf-8"))
    assert written["figures"]["cases"] == 1_234_567
    found = results.recorded("fuzzing", tmp_path)
    assert found == written
    assert results.recorded("soak", tmp_path) is None
    text = guarantees.page(tmp_path)
    assert "| cases | 1,234,567 |" in text
    assert "| seconds | 1.50 |" in text
    assert "again with `make fuzz SECONDS=600`" in text


def test_the_audit_of_dependencies_knows_every_lock(repository: Path) -> None:
    """And says what it could not ask, rather than that all is well."""
    locks = set((repository / "requirements").glob("*.txt"))
    assert set(audit_dependencies.LOCKS) == locks
    assert len(locks) >= 3
