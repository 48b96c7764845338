"""Finds calls of functions that do not exist.

An unknown name is nil in an expression, so the call of one compiles and fails only when it is evaluated; here it is
found before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from freightway.expr import nodes as n
from freightway.expr.failure import Failure, expression_error
from freightway.expr.parser import parse


class UnknownCall(NamedTuple):
    """The call of a name that is no function.

    Attributes:
        line: 1-based line in the expression.
        column: 1-based column in the expression.
    """

    name: str
    line: int
    column: int


def unknown_calls(source: str, functions: Collection[str]) -> list[UnknownCall]:
    """Return the calls by name of what is neither a function nor a variable of the expression, in order.

    Args:
        functions: names of the functions beside the builtins.
    Raises:
        ExpressionError: if the text is no expression.
    """
    try:
        tree = parse(source, functions=functions)
    except Failure as failure:
        raise expression_error(failure, source, "compile") from None
    nodes = list(n.walk(tree))
    known = {*functions, *(node.name for node in nodes if isinstance(node, n.Let))}
    callees = [node.callee for node in nodes if isinstance(node, n.Call)]
    unknown = [node for node in callees if isinstance(node, n.Identifier) and node.name not in known]
    found: list[UnknownCall] = []
    for node in sorted(unknown, key=lambda node: node.offset):
        place = expression_error(Failure("", node.offset), source, "compile")
        found.append(UnknownCall(node.name, place.line, place.column))
    return found
