"""From method and path to an operation, by dictionary.

A path without variable segments is one look-up. The others walk a tree with one look-up per
segment, so the number of operations does not matter.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from augury.gateways.rest.operations import Operation

_VARIABLE: Final = "/"
"""No segment can be a slash, whatever a client sends."""


class _Node:
    """What may follow after some segments of a path."""

    __slots__ = ("children", "methods")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.methods: dict[str, Operation] = {}


class Route(NamedTuple):
    """The operations at a path by method, and the variable segments of the path."""

    methods: dict[str, Operation]
    path_values: tuple[str, ...]


class Router:
    """Finds operations. Paths are relative to the base path and begin with a slash."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.static: dict[str, Route] = {}
        """Routes at paths without variable segments."""
        self._root = _Node()
        for operation in operations:
            self._add(operation, operation.method, operation.path)
            for method, path in operation.aliases:
                self._add(operation, method, path)
        for path, route in self.static.items():
            self.static[path] = self._completed(path, route)

    def find(self, path: str) -> Route | None:
        """The route at ``path``; None when there is none."""
        return self.static.get(path) or self._walk(path)

    def _completed(self, path: str, route: Route) -> Route:
        """With the methods that only a path with variables has, such as GET of the order "batched".

        To them the name of the path is an id like any other, and one that nothing has.
        """
        wider = self._walk(path)
        if wider is None or wider.methods.keys() <= route.methods.keys():
            return route
        return Route({**wider.methods, **route.methods}, wider.path_values)

    def _walk(self, path: str) -> Route | None:
        """What a path with variables makes of ``path``."""
        node = self._root
        values: list[str] = []
        for segment in path.split("/")[1:]:
            child = node.children.get(segment)
            if child is None:
                child = node.children.get(_VARIABLE)
                if child is None or not segment:
                    return None
                values.append(segment)
            node = child
        return Route(node.methods, tuple(values)) if node.methods else None

    def _add(self, operation: Operation, method: str, path: str) -> None:
        segments = path.split("/")[1:]
        variable = any(segment.startswith("{") for segment in segments)
        if not variable:
            methods = self.static.setdefault(path, Route({}, ())).methods
        else:
            node = self._root
            for segment in segments:
                key = _VARIABLE if segment.startswith("{") else segment
                node = node.children.setdefault(key, _Node())
            methods = node.methods
        if method in methods:
            raise ValueError(f"two operations at {method} {path}")
        methods[method] = operation
