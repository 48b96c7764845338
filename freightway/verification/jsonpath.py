"""Kubernetes' JSONPath templates, applied to decoded JSON.

A template yields a list of result lists, one for each text or action; the metric takes the first value of the first
list that is not empty. A path that leads nowhere is an error, but through a wildcard or ``..`` it may lead to nothing.

Source: k8s.io/client-go ``util/jsonpath`` jsonpath.go; differs: the values of an object come in document order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from freightway.errors import InvalidResource, NotFound
from freightway.verification.jsonpath_parser import (
    Field,
    Filter,
    Identifier,
    Literal,
    Node,
    Recursive,
    Sequence,
    Slice,
    Union,
    Wildcard,
    parse,
)

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Integer(int):
    """An integer literal of a template; JSON numbers are floats, and the two do not compare."""


class JSONPath:
    """A compiled template.

    Raises:
        InvalidResource: if the template does not parse.
    """

    def __init__(self, template: str) -> None:
        self._nodes = parse(template)

    def find(self, data: Any) -> list[list[Any]]:
        """Return the result list of every text and action of the template.

        Raises:
            InvalidResource: if a step does not fit the data.
        """
        return _Evaluation().run(self._nodes, data)[0]

    def first(self, data: Any) -> Any:
        """Return the first value of the first result list that is not empty.

        Raises:
            InvalidResource: if a step does not fit the data.
            NotFound: if the template yields no value.
        """
        for results in self.find(data):
            for value in results:
                return int(value) if isinstance(value, _Integer) else value
        raise NotFound("value", "jsonPath", "the template yields none")


class _Evaluation:
    """One application of a template; counts the open ``range`` blocks."""

    def __init__(self) -> None:
        self.depth = 0
        self.opens_range = False
        self.closes_range = False

    def run(self, nodes: list[Node], data: Any) -> tuple[list[list[Any]], int]:
        """Return the results of the nodes and the place of the ``end`` that stopped them."""
        full: list[list[Any]] = []
        index = 0
        while index < len(nodes):
            results = self.walk([data], nodes[index])
            if self.closes_range:
                self.closes_range = False
                return full, index
            if self.opens_range:
                self.opens_range = False
                inner, used = self._run_range(nodes[index + 1 :], results)
                full.extend(inner)
                index += 1 + used
            else:
                full.append(results)
            index += 1
        return full, index

    def _run_range(self, nodes: list[Node], values: list[Any]) -> tuple[list[list[Any]], int]:
        self.depth += 1
        full: list[list[Any]] = []
        used = 0
        for value in values:
            results, used = self.run(nodes, value)
            full.extend(results)
        if not values:
            used = self._skip(nodes)
        self.depth -= 1
        return full, used

    def _skip(self, nodes: list[Node]) -> int:
        """The place of the ``end`` of a range over nothing."""
        depth = 0
        for index, node in enumerate(nodes):
            words = [part.name for part in _parts(node) if isinstance(part, Identifier)]
            if "range" in words:
                depth += 1
            elif "end" in words:
                if depth == 0:
                    return index
                depth -= 1
        return len(nodes)

    def walk(self, values: list[Any], node: Node) -> list[Any]:
        match node:
            case Sequence():
                for part in node.nodes:
                    values = self.walk(values, part)
                return values
            case Literal():
                return self._literal(values, node)
            case Identifier():
                return self._word(values, node)
            case Field():
                return _field(values, node)
            case Wildcard():
                return [child for value in values for child in _children(value)]
            case Recursive():
                return _descend(values)
            case Slice():
                return [item for value in values if value is not None for item in _slice(value, node)]
            case Union():
                return [item for part in node.parts for item in self.walk(values, part)]
            case Filter():
                return self._filter(values, node)

    def _literal(self, values: list[Any], node: Literal) -> list[Any]:
        if isinstance(node.value, str):
            return [node.value]
        literal = _Integer(node.value) if node.is_integer else node.value
        return [literal for _ in values]

    def _word(self, values: list[Any], node: Identifier) -> list[Any]:
        if node.name == "range":
            self.opens_range = True
        elif node.name == "end":
            if not self.depth:
                raise InvalidResource("not in range, nothing to end")
            self.closes_range = True
        else:
            raise InvalidResource(f"unrecognized identifier {node.name}")
        return values

    def _filter(self, values: list[Any], node: Filter) -> list[Any]:
        kept: list[Any] = []
        for value in values:
            if not isinstance(value, list):
                raise InvalidResource(f"{value} is not array or slice and cannot be filtered")
            kept.extend(item for item in value if self._passes(item, node))
        return kept

    def _passes(self, item: Any, node: Filter) -> bool:
        if node.operator == "exists":
            try:
                return bool(self.walk([item], node.left))
            except InvalidResource:
                return False
        sides = self.walk([item], node.left), self.walk([item], node.right)
        if not all(sides):
            return False
        if any(len(side) > 1 for side in sides):
            raise InvalidResource("can only compare one element at a time")
        return _compare(sides[0][0], node.operator, sides[1][0])


def _parts(node: Node) -> list[Node]:
    return node.nodes if isinstance(node, Sequence) else [node]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _descend(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        children = _children(value)
        if children:
            found.append(value)
            found.extend(_descend(children))
    return found


def _field(values: list[Any], node: Field) -> list[Any]:
    if not values:
        return []
    found = [value[node.name] for value in values if isinstance(value, dict) and node.name in value]
    if not found:
        raise InvalidResource(f"{node.name} is not found")
    return found


def _slice(value: Any, node: Slice) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidResource(f"{_kind(value)} is not array or slice")
    length = len(value)
    start = node.start or 0
    start = start + length if start < 0 else start
    end = length if node.end is None else node.end
    if end < 0 or (end == 0 and node.is_index):
        end += length
    if start == end:
        return []
    if not 0 <= start < length:
        raise InvalidResource(f"array index out of bounds: index {start}, length {length}")
    if not 0 <= end <= length:
        raise InvalidResource(f"array index out of bounds: index {end - 1}, length {length}")
    if start > end:
        raise InvalidResource(f"starting index {start} is greater than ending index {end}")
    if node.step is not None and node.step <= 0:
        raise InvalidResource("step must be > 0")
    return value[start : end : node.step or 1]


def _compare(left: Any, sign: str, right: Any) -> bool:
    if sign not in _OPERATORS:
        raise InvalidResource(f"unrecognized filter operator {sign}")
    kinds = _kind(left), _kind(right)
    if not all(kind in ("bool", "int", "float64", "string") for kind in kinds):
        raise InvalidResource("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise InvalidResource("incompatible types for comparison")
    if kinds[0] == "bool" and sign not in ("==", "!="):
        raise InvalidResource("invalid type for comparison")
    return _OPERATORS[sign](left, right)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case _Integer():
            return "int"
        case int() | float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"
