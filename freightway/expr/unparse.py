"""Prints a syntax tree as an expression that parses to the same tree.

Parentheses stand where an operand is no simple term; a pipe comes out as a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from freightway.expr import nodes as n
from freightway.expr.grammar import BINARY, COMPARISONS, RIGHT_ASSOCIATIVE
from freightway.expr.lexer import KEYWORDS, is_identifier

_ATOMS = (
    n.Nil, n.Identifier, n.Integer, n.Float, n.Bool, n.String, n.Bytes, n.Chain, n.Member, n.Slice, n.Call,
    n.Builtin, n.Pointer, n.Array, n.Map,
)  # fmt: skip
_CONTROL = re.compile('["\\\\\x00-\x1f\x7f]')
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def unparse(node: n.Node) -> str:
    """Return an expression for the tree."""
    return _sequence(node)


def _sequence(node: n.Node) -> str:
    """Print where ``a; b`` may stand."""
    if not isinstance(node, n.Sequence):
        return _expression(node)
    parts = [_bracketed_let(part) for part in node.nodes[:-1]]
    return "; ".join([*parts, _expression(node.nodes[-1])])


def _bracketed_let(node: n.Node) -> str:
    return f"({_sequence(node)})" if isinstance(node, n.Let) else _expression(node)


def _expression(node: n.Node) -> str:
    """Print where any expression but a sequence may stand."""
    return f"({_sequence(node)})" if isinstance(node, n.Sequence) else _PRINTERS[type(node)](node)


def _operand(node: n.Node) -> str:
    """Print a simple term."""
    return _expression(node) if isinstance(node, _ATOMS) else f"({_sequence(node)})"


def _base(node: n.Node) -> str:
    """Print what a member, an index or a slice may follow."""
    if isinstance(node, (n.Integer, n.Float, n.Bool, n.Nil)):
        return f"({_expression(node)})"
    return _operand(node)


def _text(value: str) -> str:
    if _SURROGATE.search(value):
        return "`" + value.replace("`", "``") + "`"
    escaped = _CONTROL.sub(lambda match: _SHORT.get(match[0]) or f"\\x{ord(match[0]):02x}", value)
    return f'"{escaped}"'


def _bytes(node: n.Bytes) -> str:
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in node.value
    )
    return f'b"{"".join(plain)}"'


def _unary(node: n.Unary) -> str:
    space = " " if node.operator == "not" else ""
    return f"{node.operator}{space}{_operand(node.operand)}"


def _binary(node: n.Binary) -> str:
    parts: list[str] = []
    current = node
    while True:
        parts.append(f" {current.operator} {_operand(current.right)}")
        if not isinstance(current.left, n.Binary) or not _may_stay_bare(current.left, current):
            break
        current = current.left
    return _operand(current.left) + "".join(reversed(parts))


def _may_stay_bare(left: n.Binary, parent: n.Binary) -> bool:
    if parent.operator in RIGHT_ASSOCIATIVE or (left.operator == "??") != (parent.operator == "??"):
        return False
    if left.operator in COMPARISONS and parent.operator in COMPARISONS:
        return False
    return BINARY[left.operator] >= BINARY[parent.operator]


def _member(node: n.Member) -> str:
    base = _base(node.base)
    prop = node.property
    # After an optional chain `.name` would belong to the chain, `["name"]` does not.
    if isinstance(prop, n.String) and is_identifier(prop.value) and not isinstance(node.base, n.Chain):
        return f"{base}{'?.' if node.optional else '.'}{prop.value}"
    return f"{base}{'?.' if node.optional else ''}[{_expression(prop)}]"


def _slice(node: n.Slice) -> str:
    start = "" if node.start is None else _operand(node.start)
    stop = "" if node.stop is None else _operand(node.stop)
    return f"{_base(node.base)}[{start}:{stop}]"


def _arguments(arguments: list[n.Node]) -> str:
    return ", ".join(_expression(argument) for argument in arguments)


def _predicate(node: n.Predicate) -> str:
    text = _sequence(node.node)
    needs_braces = isinstance(node.node, n.Sequence) or text.startswith("{")
    return f"{{ {text} }}" if needs_braces else text


def _let(node: n.Let) -> str:
    return f"let {node.name} = {_bracketed_let(node.value)}; {_sequence(node.body)}"


def _conditional(node: n.Conditional) -> str:
    if node.ternary:
        then, otherwise = _expression(node.then), _expression(node.otherwise)
        return f"{_operand(node.condition)} ? {then} : {otherwise}"
    blocks = f"{{ {_sequence(node.then)} }} else {{ {_sequence(node.otherwise)} }}"
    return f"if {_operand(node.condition)} {blocks}"


def _pair(node: n.Pair) -> str:
    key = node.key
    if not isinstance(key, n.String):
        name = f"({_sequence(key)})"
    elif is_identifier(key.value) and key.value not in KEYWORDS:
        name = key.value
    else:
        name = _text(key.value)
    return f"{name}: {_expression(node.value)}"


_PRINTERS: Mapping[type[n.Node], Callable[[Any], str]] = cast(
    "Mapping[type[n.Node], Callable[[Any], str]]",
    {
        n.Nil: lambda _node: "nil",
        n.Identifier: lambda node: node.name,
        n.Integer: lambda node: str(node.value),
        n.Float: lambda node: repr(node.value),
        n.Bool: lambda node: "true" if node.value else "false",
        n.String: lambda node: _text(node.value),
        n.Bytes: _bytes,
        n.Unary: _unary,
        n.Binary: _binary,
        n.Chain: lambda node: _expression(node.node),
        n.Member: _member,
        n.Slice: _slice,
        n.Call: lambda node: f"{_operand(node.callee)}({_arguments(node.arguments)})",
        n.Builtin: lambda node: f"{node.name}({_arguments(node.arguments)})",
        n.Predicate: _predicate,
        n.Pointer: lambda node: f"#{node.name}",
        n.Let: _let,
        n.Sequence: _sequence,
        n.Conditional: _conditional,
        n.Array: lambda node: f"[{_arguments(node.nodes)}]",
        n.Pair: _pair,
        n.Map: lambda node: f"{{{_arguments(node.pairs)}}}",
    },
)
