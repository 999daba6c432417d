"""What all tests share: markers, seeds that can be repeated, and honest skipping.

It must not hold fixtures that start parts of the exchange; those live next to the tests that
need them.
"""

import os
import random
import shlex
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts import compile_core

NOT_TESTED = "NOT TESTED HERE: "
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}

# Deadlines measure the machine, not the code: another process on the same core would fail a test
# that is right.
settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    max_examples=150,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("ci"), max_examples=5000)
settings.load_profile(os.environ.get("AUGURY_HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def require_external(name: str, available: bool) -> None:
    """Leave a test out when a part outside the project is missing, and say so loudly.

    Where CI is set, the missing part is a failure: there, a test that quietly did not run would
    count as one that passed. May be called inside a test, inside a fixture, or while a module is
    collected.
    """
    if available:
        return
    if IN_CI:
        pytest.fail(f"{name} is missing, and CI must run every test", pytrace=False)
    pytest.skip(f"{NOT_TESTED}{name} is missing", allow_module_level=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run, for tests that make random choices; a failing test prints it."""
    return int(os.environ["AUGURY_SEED"])


# --- One seed for everything ----------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "serial: measures time or kills processes, so it runs alone, after the parallel tests",
        "slow: takes more than a few seconds",
        "external: needs a program or service from outside the project; see require_external",
    ):
        config.addinivalue_line("markers", marker)
    if compile_core.is_stale():
        raise pytest.UsageError(
            "The compiled core does not belong to the present sources and would shadow them.\n"
            "`make compile` rebuilds it; `make clean-compiled` removes it."
        )
    given = config.getoption("hypothesis_seed", None)
    if given is not None and str(given).isdigit():
        os.environ["AUGURY_SEED"] = str(given)
    # A seed in CI that changed by itself would make a build fail for no reason of its own.
    # Processes of a parallel run inherit the choice through the environment.
    chosen = os.environ.setdefault("AUGURY_SEED", "1" if IN_CI else str(random.randrange(1, 2**31)))
    if given is None:
        config.option.hypothesis_seed = chosen


def pytest_report_header(config: pytest.Config) -> str:
    core = "compiled" if compile_core.compiled_modules() else "interpreted"
    return f"augury: core {core}, seed {os.environ['AUGURY_SEED']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        seeded = f"AUGURY_SEED={os.environ['AUGURY_SEED']} .venv/bin/python -m pytest"
        command = f"{seeded} {shlex.quote(item.nodeid)}"
        report.sections.append(("run this test again with", command))
    return report


# --- Serial tests ---------------------------------------------------------------------------------
# `pytest -n 2` spreads the tests over processes. Tests marked `serial` would disturb the others,
# and be disturbed, so the worker processes leave them out and the controlling process runs them
# itself when the workers are done. That way one run has one report and one closing line.


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("dsession")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_worker(config):
        items[:] = [item for item in items if item.get_closest_marker("serial") is None]
    elif is_controller(config):
        items[:] = [item for item in items if item.get_closest_marker("serial") is not None]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    if not is_controller(session.config) or session.config.option.collectonly:
        return result
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line("")
    parallel = session.testscollected
    items = list(session.perform_collect())
    # The progress shown is that of the whole run.
    session.testscollected = parallel + len(items)
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return result


# --- What was left out ----------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NOT_TESTED in reason:
            text = reason.split(NOT_TESTED, 1)[1]
            reasons[text] = reasons.get(text, 0) + 1
    if not reasons:
        return
    terminalreporter.section("NOT TESTED HERE", yellow=True, bold=True)
    for text, count in sorted(reasons.items()):
        terminalreporter.line(f"{text}: {count} left out", yellow=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the project, for tests that start its commands."""
    return Path(__file__).resolve().parent.parent
