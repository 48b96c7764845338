"""The syntax tree of an expression.

Two trees are equal when they mean the same text; offsets and static types do not count.

Source: expr-lang 1.17.8 ast/node.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freightway.expr.natures import Nature


@dataclass(slots=True)
class Node:
    """Base of all nodes.

    Attributes:
        offset: 0-based character offset of the place that errors point at.
        nature: static type, set by the checker; None where it was never looked at.
    """

    offset: int = field(default=0, compare=False, kw_only=True)
    nature: Nature | None = field(default=None, compare=False, kw_only=True, repr=False)


@dataclass(slots=True)
class Nil(Node):
    """``nil``."""


@dataclass(slots=True)
class Identifier(Node):
    """A name from the environment, a variable, or ``$env``."""

    name: str


@dataclass(slots=True)
class Integer(Node):
    """An integer literal."""

    value: int


@dataclass(slots=True)
class Float(Node):
    """A floating-point literal."""

    value: float


@dataclass(slots=True)
class Bool(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(slots=True)
class String(Node):
    """A string literal; also a field's name after a dot."""

    value: str


@dataclass(slots=True)
class Bytes(Node):
    """A bytes literal."""

    value: bytes


@dataclass(slots=True)
class Constant(Node):
    """A value computed while compiling."""

    value: object


@dataclass(slots=True)
class Unary(Node):
    """An operator before an operand."""

    operator: str
    operand: Node


@dataclass(slots=True)
class Binary(Node):
    """An operator between two operands."""

    operator: str
    left: Node
    right: Node


@dataclass(slots=True)
class Chain(Node):
    """The extent of an optional chain: what ``?.`` skips when it meets nil."""

    node: Node


@dataclass(slots=True)
class Member(Node):
    """``base.name``, ``base[property]`` and their optional forms."""

    base: Node
    property: Node
    optional: bool = False
    method: bool = False


@dataclass(slots=True)
class Slice(Node):
    """``base[start:stop]``."""

    base: Node
    start: Node | None
    stop: Node | None


@dataclass(slots=True)
class Call(Node):
    """A call of a function that is no builtin, or of a method."""

    callee: Node
    arguments: list[Node]


@dataclass(slots=True)
class Builtin(Node):
    """A call of a builtin.

    Attributes:
        mapped: what ``filter`` or ``find`` gives instead of the element (set by the optimizer).
        throws: whether ``find`` fails when nothing is found (set by the optimizer).
        threshold: number of matches at which ``count`` stops, 0 for never (set by the optimizer).
    """

    name: str
    arguments: list[Node]
    mapped: Node | None = None
    throws: bool = False
    threshold: int = 0


@dataclass(slots=True)
class Predicate(Node):
    """The expression that a builtin evaluates for each element."""

    node: Node


@dataclass(slots=True)
class Pointer(Node):
    """``#`` (empty name), ``#index`` or ``#acc``."""

    name: str


@dataclass(slots=True)
class Let(Node):
    """``let name = value; body``."""

    name: str
    value: Node
    body: Node


@dataclass(slots=True)
class Sequence(Node):
    """``a; b``: the value is that of the last one."""

    nodes: list[Node]


@dataclass(slots=True)
class Conditional(Node):
    """``c ? a : b`` or ``if c { a } else { b }``."""

    ternary: bool
    condition: Node
    then: Node
    otherwise: Node


@dataclass(slots=True)
class Array(Node):
    """A list literal."""

    nodes: list[Node]


@dataclass(slots=True)
class Pair(Node):
    """One entry of a map literal."""

    key: Node
    value: Node


@dataclass(slots=True)
class Map(Node):
    """A map literal."""

    pairs: list[Node]


Rewrite = Callable[[Node], Node]


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below ``node``, in evaluation order of the text."""
    for name in _CHILD_FIELDS[type(node)]:
        value = getattr(node, name)
        if name == "then" and isinstance(node, Conditional) and value is node.condition:
            continue  # `c ?: b` holds `c` twice
        if isinstance(value, Node):
            yield value
        elif isinstance(value, list):
            yield from value


def rewrite(node: Node, visit: Rewrite) -> Node:
    """Return the tree with ``visit`` applied to every node, children first, to a shared node once."""
    return _rewrite(node, visit, {})


def _rewrite(node: Node, visit: Rewrite, done: dict[int, tuple[Node, Node]]) -> Node:
    # Left operands are walked in a loop: a sum of thousands of terms is deep on the left only.
    spine: list[Binary] = []
    while isinstance(node, Binary) and id(node) not in done:
        spine.append(node)
        node = node.left
    result = _rewrite_node(node, visit, done)
    for binary in reversed(spine):
        binary.left = result
        binary.right = _rewrite(binary.right, visit, done)
        result = visit(binary)
        done[id(binary)] = binary, result  # the node is kept, so that its id stays its own
    return result


def _rewrite_node(node: Node, visit: Rewrite, done: dict[int, tuple[Node, Node]]) -> Node:
    if id(node) in done:
        return done[id(node)][1]
    for name in _CHILD_FIELDS[type(node)]:
        value = getattr(node, name)
        if isinstance(value, Node):
            setattr(node, name, _rewrite(value, visit, done))
        elif isinstance(value, list):
            value[:] = [_rewrite(item, visit, done) for item in value]
    result = visit(node)
    done[id(node)] = node, result
    return result


def contains(node: Node, test: Callable[[Node], bool]) -> bool:
    """Return whether a node of the tree passes the test."""
    return any(test(current) for current in walk(node))


def size(node: Node) -> int:
    """Return how many nodes the tree has."""
    return sum(1 for _ in walk(node))


def walk(node: Node) -> Iterator[Node]:
    """Yield every node of the tree once, a shared node too."""
    waiting = [node]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting.extend(children(current))


# The optimizer's ``mapped`` is not walked: a node moved there has been rewritten already.
_CHILD_FIELDS: dict[type[Node], tuple[str, ...]] = {
    Nil: (), Identifier: (), Integer: (), Float: (), Bool: (), String: (), Bytes: (), Constant: (), Pointer: (),
    Unary: ("operand",),
    Binary: ("left", "right"),
    Chain: ("node",),
    Member: ("base", "property"),
    Slice: ("base", "start", "stop"),
    Call: ("callee", "arguments"),
    Builtin: ("arguments",),
    Predicate: ("node",),
    Let: ("value", "body"),
    Sequence: ("nodes",),
    Conditional: ("condition", "then", "otherwise"),
    Array: ("nodes",),
    Pair: ("key", "value"),
    Map: ("pairs",),
}  # fmt: skip
