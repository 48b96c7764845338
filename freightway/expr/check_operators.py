"""Static rules of the operators.

Source: expr-lang 1.17.8 checker/checker.go, binaryNode and unaryNode.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr import nodes as n
from freightway.expr.failure import Failure
from freightway.expr.gotime_natures import DURATION, TIME
from freightway.expr.natures import BOOL, FLOAT, INT, NIL, STRING, UNKNOWN, Nature, list_of
from freightway.expr.regex import check_pattern

Rule = Callable[[Nature, Nature], Nature | None]


def unary_nature(node: n.Unary, operand: Nature) -> Nature:
    """Return the type of a unary operation.

    Raises:
        Failure: if the operand does not fit.
    """
    operand = operand.deref()
    if node.operator in {"!", "not"}:
        if operand.is_bool or operand.is_unknown:
            return BOOL
    elif operand.is_number:
        return operand
    elif operand.is_unknown:
        return UNKNOWN
    raise Failure(f"invalid operation: {node.operator} (mismatched type {operand})", node.offset)


def binary_nature(node: n.Binary, left: Nature, right: Nature) -> Nature:
    """Return the type of a binary operation.

    Raises:
        Failure: if the operands do not fit, or a constant pattern is malformed.
    """
    left, right = left.deref(), right.deref()
    if node.operator == "in":
        return _in(node, left, right)
    if node.operator == "matches" and isinstance(node.right, n.String):
        check_pattern(node.right.value, node.offset)
    result = _RULES[node.operator](left, right)
    if result is None:
        message = f"invalid operation: {node.operator} (mismatched types {left} and {right})"
        raise Failure(message, node.offset)
    return result


def _is_kind(nature: Nature, kinds: str) -> bool:
    return any(_KINDS[kind](nature) for kind in kinds.split())


_KINDS: dict[str, Callable[[Nature], bool]] = {
    "bool": lambda nature: nature.is_bool,
    "string": lambda nature: nature.is_string,
    "integer": lambda nature: nature.is_integer,
    "number": lambda nature: nature.is_number,
    "time": lambda nature: nature.is_time,
    "duration": lambda nature: nature.is_duration,
}


def _may_fit(left: Nature, right: Nature, kinds: str) -> bool:
    """Return whether unknown operands may turn out to be of the kinds."""
    if left.is_unknown:
        return right.is_unknown or _is_kind(right, kinds)
    return right.is_unknown and _is_kind(left, kinds)


def _promoted(left: Nature, right: Nature) -> Nature:
    return FLOAT if left.is_float or right.is_float else INT


def _equal(left: Nature, right: Nature) -> Nature | None:
    return BOOL if left.comparable_to(right) else None


def _logical(left: Nature, right: Nature) -> Nature | None:
    return BOOL if (left.is_bool and right.is_bool) or _may_fit(left, right, "bool") else None


def _ordered(left: Nature, right: Nature) -> Nature | None:
    kinds = "number string time duration"
    same = any(_is_kind(left, kind) and _is_kind(right, kind) for kind in kinds.split())
    return BOOL if same or _may_fit(left, right, kinds) else None


def _add(left: Nature, right: Nature) -> Nature | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if left.is_string and right.is_string:
        return STRING
    if (left.is_time and right.is_duration) or (left.is_duration and right.is_time):
        return TIME
    if left.is_duration and right.is_duration:
        return DURATION
    return UNKNOWN if _may_fit(left, right, "number string time duration") else None


def _subtract(left: Nature, right: Nature) -> Nature | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if left.is_time and right.is_duration:
        return TIME
    if (left.is_time and right.is_time) or (left.is_duration and right.is_duration):
        return DURATION
    return UNKNOWN if _may_fit(left, right, "number time duration") else None


def _multiply(left: Nature, right: Nature) -> Nature | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if (left.is_duration and _is_kind(right, "number duration")) or (left.is_number and right.is_duration):
        return DURATION
    return UNKNOWN if _may_fit(left, right, "number duration") else None


def _to_float(left: Nature, right: Nature) -> Nature | None:
    return FLOAT if (left.is_number and right.is_number) or _may_fit(left, right, "number") else None


def _modulo(left: Nature, right: Nature) -> Nature | None:
    return INT if (left.is_integer and right.is_integer) or _may_fit(left, right, "integer") else None


def _range(left: Nature, right: Nature) -> Nature | None:
    fits = (left.is_integer and right.is_integer) or _may_fit(left, right, "integer")
    return list_of(INT) if fits else None


def _text(left: Nature, right: Nature) -> Nature | None:
    return BOOL if (left.is_string and right.is_string) or _may_fit(left, right, "string") else None


def _matches(left: Nature, right: Nature) -> Nature | None:
    if left.name == "[]uint8" and right.is_string:
        return BOOL
    return _text(left, right)


def _coalesce(left: Nature, right: Nature) -> Nature | None:
    if left.is_nil:
        return NIL if right.is_nil else right
    if right.is_nil:
        return left
    return left if right.assignable_to(left) else UNKNOWN


def _in(node: n.Binary, left: Nature, right: Nature) -> Nature:
    if right.kind == "struct" and (left.is_string or left.is_unknown):
        return BOOL
    if right.is_map:
        key = right.key or UNKNOWN
        if not left.is_unknown and not left.assignable_to(key):
            raise Failure(f"cannot use {left} as type {key} in map key", node.offset)
        return BOOL
    if right.is_array:
        if not left.comparable_to(right.items()):
            raise Failure(f"cannot use {left} as type {right.items()} in array", node.offset)
        return BOOL
    if right.is_unknown or (left.is_unknown and right.is_string):
        return BOOL
    raise Failure(f"invalid operation: in (mismatched types {left} and {right})", node.offset)


_RULES: dict[str, Rule] = {
    "==": _equal, "!=": _equal,
    "or": _logical, "||": _logical, "and": _logical, "&&": _logical,
    "<": _ordered, ">": _ordered, "<=": _ordered, ">=": _ordered,
    "+": _add, "-": _subtract, "*": _multiply, "/": _to_float, "%": _modulo, "**": _to_float, "^": _to_float,
    "..": _range, "matches": _matches, "contains": _text, "startsWith": _text, "endsWith": _text,
    "??": _coalesce,
}  # fmt: skip
