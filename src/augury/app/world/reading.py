"""From YAML to checked values, keeping for each where it stands in the file.

Owns the errors a reader of world files sees: all of them at once, each with file, line and
field. Works on PyYAML's node tree, because the plain objects it builds no longer know their
lines, and because a ticker such as ``NO`` or a date would change its type on the way.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from augury.app.world.times import WorldTime, parse_duration, parse_time

T = TypeVar("T")

_TRUE: Final = frozenset({"true", "yes", "on"})
_FALSE: Final = frozenset({"false", "no", "off"})
_NULL: Final = frozenset({"", "~", "null"})
_LARGEST_FILE: Final = 64 << 20
_DEEPEST: Final = 40

TICKER: Final = re.compile(r"[A-Z0-9][A-Z0-9.-]*")
LONGEST_TICKER: Final = 200


class Problem(NamedTuple):
    """One thing that is wrong. ``line`` counts from 1; ``field`` may be empty."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {field}{self.message}"


class WorldError(Exception):
    """The file cannot be used; ``problems`` holds everything that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Place(NamedTuple):
    """Where something stands, for problems that show only when the whole file is known."""

    line: int
    field: str


class Problems:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Problem] = []

    def add(self, place: Place, message: str) -> None:
        self.found.append(Problem(self.file, place.line, place.field, message))

    def drop_consequences(self, after: int) -> None:
        """Of what was found from index ``after`` on, forget what follows from what came before.

        A close time that could not be read must not be called missing as well, neither in its own
        mapping nor in those inside it that would inherit it.
        """
        broken = [_split(problem.field) for problem in self.found[:after]]
        kept = self.found[:after]
        for problem in self.found[after:]:
            path, name = _split(problem.field)
            if not any(
                other == name and (path == above or path.startswith(above + "."))
                for above, other in broken
            ):
                kept.append(problem)
        self.found = kept

    def check(self) -> None:
        """Raise ``WorldError`` when anything was found."""
        if self.found:
            raise WorldError(self.found)


def read_nodes(text: str, problems: Problems) -> MappingNode:
    """Parse YAML into its node tree. Raises ``WorldError`` when it is not a mapping."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        parts = [part for part in (error.context, error.problem) if part]
        problems.add(Place(line, ""), "is not YAML: " + ", ".join(parts))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        problems.add(Place(1, ""), f"is not YAML: {error}")
    else:
        if isinstance(node, MappingNode):
            return node
        problems.add(Place(1, ""), "expected a mapping such as `series:`")
    raise WorldError(problems.found)


def read_text(path: Path, problems: Problems) -> str:
    """The text of a file. Raises ``WorldError`` when it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            problems.add(Place(1, ""), "is larger than 64 MiB")
        else:
            return path.read_text(encoding="utf-8")
    except OSError as error:
        problems.add(Place(1, ""), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        problems.add(Place(1, ""), "is not UTF-8 text")
    raise WorldError(problems.found)


class Fields:
    """The fields of one mapping. Each reader takes a field away; ``finish`` reports the rest.

    A field that cannot be read is noted and its default returned, so that reading goes on and
    finds the next mistake.
    """

    def __init__(self, node: Node, path: str, problems: Problems) -> None:
        self.problems = problems
        self.path = path
        self.line = node.start_mark.line + 1
        self._nodes: dict[str, tuple[Node, int]] = {}
        self._known: set[str] = set()
        if not isinstance(node, MappingNode):
            problems.add(self.place(), f"expected a mapping, not {_kind(node)}")
            return
        self._check_duplicates(node)
        try:
            # Resolves the merge key `<<`, whose fields give way to those written beside it.
            SafeConstructor().flatten_mapping(node)
        except ConstructorError as error:
            problems.add(self.place(), str(error.problem))
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                # Later ones win: merged fields come first.
                self._nodes[key.value] = (value, key.start_mark.line + 1)

    def _check_duplicates(self, node: MappingNode) -> None:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.problems.add(Place(line, self.path), "a field's name must be plain text")
                continue
            if key.value in seen and key.value != "<<":
                self.problems.add(
                    Place(line, self._join(key.value)),
                    f"is given twice, first in line {seen[key.value]}",
                )
            seen.setdefault(key.value, line)

    def place(self, name: str = "") -> Place:
        """Where a field stands, or the mapping itself when the field is missing."""
        if name in self._nodes:
            return Place(self._nodes[name][1], self._join(name))
        return Place(self.line, self._join(name) if name else self.path)

    def add(self, name: str, message: str) -> None:
        self.problems.add(self.place(name), message)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null; asking makes the name a known one."""
        self._known.add(name)
        node = self._nodes.get(name)
        return node is not None and not _is_null(node[0])

    # --- single values ------------------------------------------------------------------------

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        node = self._take(name, required)
        if node is None:
            return default
        if not isinstance(node, ScalarNode):
            self.add(name, f"expected text, not {_kind(node)}")
            return default
        if required and not node.value.strip():
            self.add(name, "must not be empty")
        return str(node.value)

    def parsed(
        self, name: str, parser: Callable[[str], T], default: T, *, required: bool = False
    ) -> T:
        """Text through ``parser``, whose ``ValueError`` becomes the problem."""
        if not self.has(name):
            self.text(name, required=required)
            return default
        text = self.text(name)
        try:
            return parser(text)
        except ValueError as error:
            self.add(name, f"{error}, not {_shorten(text)}")
            return default

    def ticker(self, name: str = "ticker", *, required: bool = True) -> str:
        """A ticker, which may hold placeholders that are filled in later."""
        text = self.text(name, required=required).strip()
        outline = re.sub(r"\{[^{}]*\}", "X", text)
        if text and (TICKER.fullmatch(outline) is None or len(text) > LONGEST_TICKER):
            self.add(
                name,
                f"expected capital letters, digits, dots and hyphens, not {_shorten(text)}",
            )
        return text

    def flag(self, name: str, default: bool = False) -> bool:
        return self.parsed(name, _flag, default)

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        return self.parsed(name, lambda text: _choice(text, choices), default)

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 10**12) -> int:
        return self.parsed(name, lambda text: _whole(text, least, most), default)

    def decimal(
        self,
        name: str,
        default: Decimal | None = None,
        *,
        least: str | None = None,
        most: str | None = None,
        decimals: int = 6,
    ) -> Decimal | None:
        return self.parsed(name, lambda text: _decimal(text, least, most, decimals), default)

    def number(
        self, name: str, default: float | None = None, *, above: float | None = None
    ) -> float | None:
        """A number for models and descriptions, where exactness does not matter."""
        return self.parsed(name, lambda text: _number(text, above), default)

    def time(self, name: str, default: WorldTime | None = None) -> WorldTime | None:
        return self.parsed(name, parse_time, default)

    def duration(self, name: str, default: int, *, least: int = 0) -> int:
        """Seconds of a duration such as ``15m``."""
        seconds = self.parsed(name, parse_duration, default)
        if seconds < least:
            self.add(name, f"must be at least {least} seconds")
            return default
        return seconds

    # --- structures ---------------------------------------------------------------------------

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        node = self._take(name)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.add(name, f"expected a list, not {_kind(node)}")
            return []
        found = []
        for index, item in enumerate(node.value):
            if isinstance(item, ScalarNode):
                found.append(item.value)
            else:
                place = Place(item.start_mark.line + 1, f"{self._join(name)}[{index}]")
                self.problems.add(place, f"expected text, not {_kind(item)}")
        return found

    def each(self, name: str) -> Iterator["Fields"]:
        """The mappings of a list."""
        node = self._take(name)
        if node is None:
            return
        if not isinstance(node, SequenceNode):
            self.add(name, f"expected a list, not {_kind(node)}")
            return
        for index, item in enumerate(node.value):
            yield Fields(item, f"{self._join(name)}[{index}]", self.problems)

    def mapping(self, name: str) -> "Fields | None":
        node = self._take(name)
        if node is None:
            return None
        return Fields(node, self._join(name), self.problems)

    def is_list(self, name: str) -> bool:
        node = self._nodes.get(name)
        return node is not None and isinstance(node[0], SequenceNode)

    def raw(self, name: str) -> Any:
        """Any JSON value, as the API carries it; None when absent."""
        node = self._take(name)
        if node is None:
            return None
        return self._plain(node, self._join(name), 0)

    def rest(self) -> dict[str, Any]:
        """All fields that nobody has taken, as JSON values."""
        return {
            name: self._plain(node, self._join(name), 0)
            for name, (node, _) in list(self._nodes.items())
            if self._take_known(name) is not None
        }

    def finish(self) -> None:
        """Report fields that nobody asked for. ``x-...`` is left to anchors for reuse."""
        for name, (_, line) in self._nodes.items():
            if name in self._known or name.startswith("x-"):
                continue
            similar = get_close_matches(name, self._known, n=1)
            hint = f"; did you mean `{similar[0]}`?" if similar else ""
            place = Place(line, self._join(name))
            self.problems.add(place, f"there is no such field{hint}")

    # --- inside -------------------------------------------------------------------------------

    def _take(self, name: str, required: bool = False) -> Node | None:
        self._known.add(name)
        found = self._nodes.get(name)
        if found is not None and not _is_null(found[0]):
            return found[0]
        if required:
            self.problems.add(self.place(), f"`{name}` is missing")
        return None

    def _take_known(self, name: str) -> Node | None:
        if name in self._known:
            return None
        self._known.add(name)
        return self._nodes[name][0]

    def _join(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _plain(self, node: Node, path: str, depth: int) -> Any:
        place = Place(node.start_mark.line + 1, path)
        if depth > _DEEPEST:
            self.problems.add(place, "is nested too deeply")
            return None
        if isinstance(node, SequenceNode):
            return [
                self._plain(item, f"{path}[{index}]", depth + 1)
                for index, item in enumerate(node.value)
            ]
        if isinstance(node, MappingNode):
            return {
                str(key.value): self._plain(value, f"{path}.{key.value}", depth + 1)
                for key, value in node.value
            }
        return _plain_scalar(node)


def _split(field: str) -> tuple[str, str]:
    """The mapping and the name of a field. Times are one name, because they depend on another."""
    path, _, name = field.rpartition(".")
    return path, "_time" if name.endswith("_time") else name


def _plain_scalar(node: Node) -> Any:
    """JSON has no dates: what YAML would read as one stays text."""
    text = str(node.value)
    tag = node.tag.rpartition(":")[2]
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in _TRUE
    if tag == "int" and re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if tag == "float":
        try:
            number = float(text)
        except ValueError:
            return text
        return number if abs(number) < 1e300 else text
    return text


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag.endswith(":null")


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return f"the value {_shorten(str(node.value))}"


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("expected true or false")


def _choice(text: str, choices: Collection[str]) -> str:
    if text in choices:
        return text
    similar = get_close_matches(text, choices, n=1)
    hint = f" (did you mean `{similar[0]}`?)" if similar else ""
    raise ValueError(f"expected one of {', '.join(choices)}{hint}")


def _whole(text: str, least: int, most: int) -> int:
    digits = text.replace("_", "")
    if re.fullmatch(r"[+-]?[0-9]{1,18}", digits) is None:
        raise ValueError("expected a whole number")
    value = int(digits)
    if not least <= value <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return value


def _decimal(text: str, least: str | None, most: str | None, decimals: int) -> Decimal:
    try:
        value = Decimal(text.removeprefix("$").replace("_", "").replace(",", ""))
    except InvalidOperation:
        raise ValueError("expected a number") from None
    if not value.is_finite():
        raise ValueError("expected a number")
    if least is not None and value < Decimal(least):
        raise ValueError(f"expected at least {least}")
    if most is not None and value > Decimal(most):
        raise ValueError(f"expected at most {most}")
    if value != round(value, decimals):
        raise ValueError(f"expected at most {decimals} decimals")
    return value


def _number(text: str, above: float | None) -> float:
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        raise ValueError("expected a number") from None
    if not abs(value) < 1e15:
        raise ValueError("expected a number of reasonable size")
    if above is not None and value <= above:
        raise ValueError(f"expected a number above {above:g}")
    return value
