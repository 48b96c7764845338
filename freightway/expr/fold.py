"""Computes constant parts while compiling.

This is not only for speed: ``x and false`` is false without looking at ``x``, and ``1 % 0`` does not compile.

Source: expr-lang 1.17.8 optimizer/fold.go and optimizer/in_array.go.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr import nodes as n
from freightway.expr.failure import Failure
from freightway.expr.natures import BOOL, FLOAT, INT, LIST, STRING, Nature
from freightway.expr.operators import add, divide, modulo, multiply, power, subtract
from freightway.expr.values import wrap

MAX_FOLDED_TEXT = 100_000
_ARITHMETIC: dict[str, Callable[[object, object], object]] = {
    "+": add, "-": subtract, "*": multiply, "/": divide, "**": power, "^": power,
}  # fmt: skip
_LITERALS = (n.Integer, n.Float, n.String, n.Bool)


class IntSet(frozenset[int]):
    """A list of integers on the right of ``in``."""


class StringSet(frozenset[str]):
    """A list of strings on the right of ``in``."""


def membership(node: n.Node) -> n.Node:
    """Turn a list literal on the right of ``in`` into a set."""
    if not isinstance(node, n.Binary) or node.operator != "in":
        return node
    if not isinstance(node.right, n.Array) or not node.right.nodes:
        return node
    items = node.right.nodes
    members: IntSet | StringSet
    nature = node.left.nature
    if nature is not None and nature.kind == "int" and all(isinstance(item, n.Integer) for item in items):
        members = IntSet(item.value for item in items if isinstance(item, n.Integer))
    elif all(isinstance(item, n.String) for item in items):
        members = StringSet(item.value for item in items if isinstance(item, n.String))
    else:
        return node
    right = n.Constant(members, offset=node.right.offset)
    return n.Binary("in", node.left, right, offset=node.offset, nature=node.nature)


def fold(node: n.Node) -> n.Node:
    """Return the constant for a node whose parts are constant, else the node.

    Raises:
        Failure: if an integer is divided by zero.
    """
    if isinstance(node, n.Unary):
        return _fold_unary(node)
    if isinstance(node, n.Binary):
        return _fold_binary(node)
    if isinstance(node, n.Array) and node.nodes and all(isinstance(item, _LITERALS) for item in node.nodes):
        values = [item.value for item in node.nodes if isinstance(item, _LITERALS)]
        return n.Constant(values, offset=node.offset, nature=LIST)
    return node


def _fold_unary(node: n.Unary) -> n.Node:
    operand = node.operand
    if node.operator in {"!", "not"}:
        return _bool(not operand.value, node) if isinstance(operand, n.Bool) else node
    sign = -1 if node.operator == "-" else 1
    if isinstance(operand, n.Integer):
        return n.Integer(wrap(sign * operand.value), offset=node.offset, nature=INT)
    if isinstance(operand, n.Float):
        return n.Float(sign * operand.value, offset=node.offset, nature=FLOAT)
    return node


def _fold_binary(node: n.Binary) -> n.Node:
    left, right, operator = node.left, node.right, node.operator
    if operator in _ARITHMETIC:
        return _fold_arithmetic(node)
    if operator == "%" and isinstance(left, n.Integer) and isinstance(right, n.Integer):
        if right.value == 0:
            raise Failure("integer divide by zero", node.offset)
        return n.Integer(modulo(left.value, right.value), offset=node.offset, nature=INT)
    if operator in {"and", "&&", "or", "||"}:
        return _fold_logical(node, neutral=operator in {"and", "&&"})
    if operator == "==":
        for kind in (n.Integer, n.String, n.Bool):
            if isinstance(left, kind) and isinstance(right, kind):
                return _bool(left.value == right.value, node)
    return node


def _fold_arithmetic(node: n.Binary) -> n.Node:
    left, right = node.left, node.right
    if isinstance(left, n.String) and isinstance(right, n.String) and node.operator == "+":
        if len(left.value) + len(right.value) > MAX_FOLDED_TEXT:
            return node  # left to the evaluation, which counts text
        return n.String(str(add(left.value, right.value)), offset=node.offset, nature=STRING)
    if not isinstance(left, (n.Integer, n.Float)) or not isinstance(right, (n.Integer, n.Float)):
        return node
    value = _ARITHMETIC[node.operator](left.value, right.value)
    if isinstance(value, float):
        return n.Float(value, offset=node.offset, nature=FLOAT)
    assert isinstance(value, int)
    return n.Integer(value, offset=node.offset, nature=INT)


def _fold_logical(node: n.Binary, *, neutral: bool) -> n.Node:
    for literal, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(literal, n.Bool) and literal.value == neutral:
            return _with_nature(other, node.nature)
    if isinstance(node.left, n.Bool) or isinstance(node.right, n.Bool):
        return _bool(not neutral, node)
    return node


def _with_nature(node: n.Node, nature: Nature | None) -> n.Node:
    node.nature = nature
    return node


def _bool(value: bool, node: n.Node) -> n.Bool:
    return n.Bool(value, offset=node.offset, nature=BOOL)
