"""The rules of the house that a machine can read from the sources.

Who may know whom among the packages, and what the core must not do.
"""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SOURCE / "augury"

# Who may import whom, among the packages of the exchange. A package may always import from itself.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "codec": {"core"},
    "ports": {"core"},
    # Functions of a few lines on top of the operating system's; no more may come in here.
    "files": set(),
    "log": {"core", "ports", "codec", "files"},
    "sequencer": {"core", "ports", "codec"},
    "projections": {"core", "ports", "codec", "files"},
    "gateways": {"core", "ports", "codec", "projections"},
    # The client speaks the public protocol from outside; it works against any exchange that does.
    "client": set(),
    # The auditor does the exchange's sums a second time and may share nothing with it.
    "audit": set(),
    "app": {
        "audit",
        "client",
        "codec",
        "core",
        "files",
        "gateways",
        "log",
        "ports",
        "projections",
        "sequencer",
    },
    # Exchanges for tests stand outside, too: they start the application and speak its protocols;
    # the simulator puts the parts together as the application does.
    "testing": {
        "app",
        "client",
        "codec",
        "core",
        "gateways",
        "log",
        "ports",
        "projections",
        "sequencer",
    },
    # World files, which are data.
    "worlds": set(),
    # `python -m augury` is a door to the command line and nothing else.
    "__main__": {"app"},
    "__init__": set(),
}

# The core may know nothing that could answer differently on another machine or at another time: no
# clock, chance, environment, input or output. What is not named here is forbidden to it.
CORE_MAY_IMPORT = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "mypy_extensions",
    "operator",
    "struct",
    "typing",
}

# Of `math` only what is whole numbers in and whole numbers out.
CORE_MAY_USE_OF_MATH = {"gcd", "isqrt", "lcm"}

# Built-in functions that reach outside, or whose answer differs between two runs.
CORE_MUST_NOT_CALL = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "globals",
    "hash",
    "id",
    "input",
    "open",
    "print",
}


def modules() -> dict[str, ast.Module]:
    """Read every module of the package, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


def owner(module: str) -> str:
    """Name the package that a module belongs to: `core` for `augury.core.book`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(module: str, tree: ast.Module, known: set[str]) -> Iterator[tuple[str, int]]:
    """Yield what a module imports, with the line.

    `from package import submodule` names the submodule.

    Imports inside functions and under TYPE_CHECKING count: knowing somebody late, or only by type,
    is knowing them.
    """
    is_package = any(other.startswith(module + ".") for other in known)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (1 if is_package else 0)
                base = ".".join(parts[:keep] + ([node.module] if node.module else []))
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield (submodule if submodule in known else base), node.lineno


def wrong_directions(sources: dict[str, ast.Module]) -> list[str]:
    wrong = []
    for module, tree in sources.items():
        package = owner(module)
        if package not in MAY_IMPORT:
            wrong.append(f"{module}: package `{package}` is not in the table of who may know whom")
            continue
        for target, line in imports(module, tree, set(sources)):
            top = target.split(".")[0]
            if top == "augury":
                other = owner(target)
                if other not in {package, "__init__"} | MAY_IMPORT[package]:
                    wrong.append(f"{module}:{line}: `{package}` must not know `{other}` ({target})")
            elif package == "core" and top not in CORE_MAY_IMPORT:
                wrong.append(f"{module}:{line}: the core must not import {target}")
    return wrong


class _WithoutTypeChecking(ast.NodeTransformer):
    """Drops what is imported for annotations only."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        test = node.test
        return None if isinstance(test, ast.Name) and test.id == "TYPE_CHECKING" else node


def import_cycles(sources: dict[str, ast.Module]) -> list[str]:
    """Find groups of modules that import each other (Tarjan's strongly connected components).

    Within a package, two modules whose types refer to each other (an order stands in a level, a
    level holds orders) may say so under TYPE_CHECKING: nothing runs in a circle.
    """
    known = set(sources)

    def targets(module: str, tree: ast.Module) -> set[str]:
        runs = ast.Module(
            body=[kept for node in tree.body if (kept := _WithoutTypeChecking().visit(node))],
            type_ignores=[],
        )
        inside = {target for target, _ in imports(module, runs, known)}
        outside = {
            target
            for target, _ in imports(module, tree, known)
            if target in known and owner(target) != owner(module)
        }
        return ((inside | outside) & known) - {module}

    edges = {module: sorted(targets(module, tree)) for module, tree in sources.items()}
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    cycles = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for target in edges[module]:
            if target not in index:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], index[target])
        if lowest[module] == index[module]:
            position = stack.index(module)
            component = stack[position:]
            del stack[position:]
            if len(component) > 1:
                cycles.append(" <-> ".join(sorted(component)))

    for module in edges:
        if module not in index:
            visit(module)
    return cycles


class DeterminismCheck(ast.NodeVisitor):
    """Collects what would make two replicas differ.

    Sets are recognised where their kind is plain to see: a literal, a call of `set`, a name or
    attribute that is annotated as a set or assigned one. Sorting, counting, comparing and
    membership are fine; walking in order is not.
    """

    SET_TYPES = frozenset({"set", "frozenset", "Set", "AbstractSet", "MutableSet"})
    # Functions that hand on the order of what they are given.
    KEEP_ORDER = frozenset(
        {"list", "tuple", "iter", "enumerate", "next", "zip", "map", "filter", "reversed", "join"}
    )

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module = module
        self.found: list[str] = []
        self.sets: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.AnnAssign) and self.is_set_type(node.annotation):
                self.sets.add(ast.unparse(node.target).removeprefix("self."))
            elif isinstance(node, ast.Assign) and self.is_set(node.value):
                self.sets.update(
                    ast.unparse(target).removeprefix("self.") for target in node.targets
                )
            elif (
                isinstance(node, ast.arg)
                and node.annotation is not None
                and self.is_set_type(node.annotation)
            ):
                self.sets.add(node.arg)
        self.visit(tree)

    def is_set_type(self, annotation: ast.expr) -> bool:
        text = ast.unparse(annotation).strip("'\"")
        return text.split("[")[0].split(".")[-1] in self.SET_TYPES

    def is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id in {"set", "frozenset"}
        if isinstance(node, ast.Name):
            return node.id in self.sets
        if isinstance(node, ast.Attribute):
            return node.attr in self.sets
        if isinstance(node, ast.BinOp) and isinstance(
            node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
        ):
            return self.is_set(node.left) or self.is_set(node.right)
        return False

    def report(self, node: ast.expr | ast.stmt, message: str) -> None:
        self.found.append(f"{self.module}:{node.lineno}: {message}")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self.report(node, f"float literal {node.value!r}")

    def visit_Name(self, node: ast.Name) -> None:
        # `float` is wrong even as an annotation.
        if node.id in {"float", "complex"}:
            self.report(node, f"use of `{node.id}`")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id == "math"
            and node.attr not in CORE_MAY_USE_OF_MATH
        ):
            self.report(node, f"math.{node.attr} works with floats")
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if node.module == "math" and alias.name not in CORE_MAY_USE_OF_MATH:
                self.report(node, f"math.{alias.name} works with floats")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self.report(node, "true division gives a float; use //")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self.report(node, "true division gives a float; use //=")
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.check_iteration(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.check_iteration(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        # A set made from a set has lost nothing: only its conditions can be wrong.
        for generator in node.generators:
            self.generic_visit(generator)
        self.visit(node.elt)

    def visit_Starred(self, node: ast.Starred) -> None:
        self.check_iteration(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        # Only calls count: a field may well be named `id` or `hash`.
        if isinstance(node.func, ast.Name) and name in CORE_MUST_NOT_CALL:
            self.report(node, f"call of `{name}`")
        if name in self.KEEP_ORDER:
            for argument in node.args:
                self.check_iteration(argument)
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "pop"
            and self.is_set(node.func.value)
        ):
            self.report(node, "pop() of a set takes any element")
        self.generic_visit(node)

    def check_iteration(self, node: ast.expr) -> None:
        if self.is_set(node):
            self.report(
                node, f"the order of a set differs between runs: {ast.unparse(node)}; sort it"
            )


def test_every_package_knows_only_whom_it_may() -> None:
    assert wrong_directions(modules()) == []


def test_there_are_no_import_cycles() -> None:
    assert import_cycles(modules()) == []


def test_core_is_deterministic_as_far_as_its_syntax_shows() -> None:
    found = [
        line
        for module, tree in modules().items()
        if owner(module) == "core"
        for line in DeterminismCheck(module, tree).found
    ]
    assert found == []


def test_everything_imported_is_declared() -> None:
    """A library that is there only because another needs it may be gone with the next version."""
    text = (SOURCE.parent / "requirements" / "run.in").read_text(encoding="utf-8")
    declared = {
        re.split(r"[<>=!~;\[ ]", line)[0].lower().replace("_", "-")
        for line in text.splitlines()
        if line and not line.startswith("#")
    }
    sources = modules()
    providers = importlib.metadata.packages_distributions()
    missing = []
    for module, tree in sources.items():
        for target, line in imports(module, tree, set(sources)):
            top = target.split(".")[0]
            if top == "augury" or top in sys.stdlib_module_names:
                continue
            if module == "augury.testing.plugin" and top == "pytest":
                continue  # whoever loads a plugin of pytest has pytest
            names = {name.lower().replace("_", "-") for name in providers.get(top, [top])}
            if not names & declared:
                missing.append(f"{module}:{line}: {top} is not in requirements/run.in")
    assert missing == []


def test_tables_name_only_what_exists() -> None:
    assert CORE_MAY_IMPORT - sys.stdlib_module_names == {"msgspec", "mypy_extensions"}
    assert all(allowed <= MAY_IMPORT.keys() for allowed in MAY_IMPORT.values())


# The checks themselves must be able to fail.


@pytest.mark.parametrize(
    "module, line",
    [
        ("augury.core.book", "import time"),
        ("augury.core.book", "from datetime import datetime"),
        ("augury.core.book", "from augury.ports import log"),
        ("augury.core.book", "def f():\n    import random"),
        ("augury.gateways.rest.orders", "from augury.log import sqlite"),
        ("augury.gateways.rest.orders", "from augury import sequencer"),
        ("augury.gateways.rest.orders", "from ...app import cli"),
        ("augury.projections.history", "import augury.gateways.rest"),
        ("augury.log.sqlite", "from augury.app.settings import Settings"),
        ("augury.audit.fees", "from augury.core import fees"),
        ("augury.audit.reading", "from augury.log import records"),
        ("augury.newcomer.thing", "import augury.core"),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str) -> None:
    sources = {
        name: ast.parse("")
        for name in ("augury.ports.log", "augury.log.sqlite", "augury.sequencer", "augury.app.cli")
    }
    assert len(wrong_directions({**sources, module: ast.parse(line)})) == 1


def test_a_cycle_is_found() -> None:
    sources = {
        "augury.core": ast.parse(""),
        "augury.core.a": ast.parse("from augury.core import b"),
        "augury.core.b": ast.parse("from .c import thing"),
        "augury.core.c": ast.parse("def f():\n    from augury.core.a import thing"),
        "augury.core.d": ast.parse("import augury.core.a"),
    }
    assert import_cycles(sources) == ["augury.core.a <-> augury.core.b <-> augury.core.c"]


def test_types_may_refer_to_each_other_within_a_package_only() -> None:
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {} import Thing"
    within = {
        "augury.core.book": ast.parse(typed.format("augury.core.state")),
        "augury.core.state": ast.parse("from augury.core import book"),
    }
    across = {
        "augury.log.book": ast.parse(typed.format("augury.codec.state")),
        "augury.codec.state": ast.parse("from augury.log import book"),
    }
    assert import_cycles(within) == []
    assert import_cycles(across) == ["augury.codec.state <-> augury.log.book"]


@pytest.mark.parametrize(
    "text",
    [
        "price = 0.5",
        "price = float(1)",
        "def f(price: float): ...",
        "half = total / 2",
        "total /= 2",
        "for x in {1, 2}: ...",
        "names = list(set(names))",
        "class A:\n  def f(self):\n    self.a: set[int] = set()\n    return [x for x in self.a]",
        "def f(ids: frozenset[str]):\n    return tuple(ids)",
        "ids = set()\nids.pop()",
        "ids = set()\nfirst = [*ids]",
        "text = ','.join({a, b})",
        "key = hash(name)",
        "up = math.ceil(total)",
        "from math import sqrt",
        "print(1)",
    ],
)
def test_a_source_of_differences_is_found(text: str) -> None:
    assert len(DeterminismCheck("augury.core.example", ast.parse(text)).found) == 1


@pytest.mark.parametrize(
    "text",
    [
        "half = total // 2",
        "ids = set()\nfor x in sorted(ids): ...",
        "ids = set()\nfound = 3 in ids and len(ids) > 1",
        "ids = {x for x in {1, 2}}",
        "for x in {1: 2}: ...",
    ],
)
def test_what_is_deterministic_passes(text: str) -> None:
    assert DeterminismCheck("augury.core.example", ast.parse(text)).found == []
