"""Closures of the operators.

Source: expr-lang 1.17.8 compiler/compiler.go, BinaryNode.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr import nodes as n
from freightway.expr import operators as ops
from freightway.expr.failure import Failure
from freightway.expr.fold import IntSet, StringSet
from freightway.expr.regex import check_pattern, matches
from freightway.expr.run import Run
from freightway.expr.values import MAX_INT, MIN_INT, is_nil, type_name, wrap

Evaluate = Callable[[Run], object]

# What a member of an optional chain that met nil gives; the rest of the chain passes it on.
SKIP = object()
LONG_TEXT = 1_024
MAX_MATCH_COST = 50_000_000


def placed(failure: Failure, offset: int) -> Failure:
    """Return the failure with its place, unless it has one already."""
    if failure.offset < 0:
        failure.offset = offset
    return failure


def not_a_bool(value: object, offset: int) -> Failure:
    """Return the failure for a value where a bool is needed."""
    shown = "nil" if value is None else type_name(value)
    return Failure(f"interface conversion: interface {{}} is {shown}, not bool", offset)


def unary_closure(node: n.Unary, operand: Evaluate) -> Evaluate:
    """Return the closure of a unary operation."""
    offset = node.offset
    if node.operator == "+":
        return operand
    if node.operator == "-":

        def negate(run: Run) -> object:
            try:
                return ops.negate(operand(run))
            except Failure as failure:
                raise placed(failure, offset) from failure.__cause__

        return negate

    def invert(run: Run) -> object:
        value = operand(run)
        if value is True:
            return False
        if value is False:
            return True
        raise not_a_bool(value, offset)

    return invert


def binary_closure(node: n.Binary, left: Evaluate, right: Evaluate) -> Evaluate:
    """Return the closure of a binary operation."""
    operator = node.operator
    if operator in {"and", "&&"}:
        return _logical(left, right, node.offset, stop=False)
    if operator in {"or", "||"}:
        return _logical(left, right, node.offset, stop=True)
    if operator == "??":
        return _coalesce(left, right)
    if operator in {"==", "!="}:
        return _equality(node, left, right)
    if operator == "+":
        return _addition(left, right, node.offset)
    if operator == "in":
        return _membership(node, left, right)
    if operator == "matches" and isinstance(node.right, n.String):
        check_pattern(node.right.value, node.offset)
    return _plain(_OPERATIONS[operator], left, right, node.offset)


def _plain(
    operation: Callable[[Run, object, object], object], left: Evaluate, right: Evaluate, offset: int
) -> Evaluate:
    def evaluate(run: Run) -> object:
        one, two = left(run), right(run)
        try:
            return operation(run, one, two)
        except Failure as failure:
            raise placed(failure, offset) from None

    return evaluate


def _logical(left: Evaluate, right: Evaluate, offset: int, *, stop: bool) -> Evaluate:
    go_on = not stop

    def evaluate(run: Run) -> object:
        value = left(run)
        if value is go_on:
            return right(run)
        if value is stop:
            return value
        raise not_a_bool(value, offset)

    return evaluate


def _coalesce(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(run: Run) -> object:
        value = left(run)
        return right(run) if is_nil(value) else value

    return evaluate


def _addition(left: Evaluate, right: Evaluate, offset: int) -> Evaluate:
    def evaluate(run: Run) -> object:
        one, two = left(run), right(run)
        kind = type(one)
        if kind is int and type(two) is int:
            total = one + two  # type: ignore[operator]
            if MIN_INT <= total <= MAX_INT:
                return total
        elif kind is str and type(two) is str:
            text: str = one + two  # type: ignore[operator]
            if len(text) < LONG_TEXT and text.isascii():
                return text
        try:
            if kind is str and type(two) is str:
                run.text(len(one) + len(two))  # type: ignore[arg-type]
            return ops.add(one, two)
        except Failure as failure:
            raise placed(failure, offset) from None

    return evaluate


def _equality(node: n.Binary, left: Evaluate, right: Evaluate) -> Evaluate:
    expected = node.operator == "=="
    offset = node.offset
    kind = _simple_kind(node.left)
    if kind is not None and kind is _simple_kind(node.right):
        return _typed_equality(kind, left, right, offset, expected=expected)

    def evaluate(run: Run) -> object:
        one, two = left(run), right(run)
        if type(one) is type(two) is str:
            return (one == two) is expected
        try:
            return ops.equal(one, two, run.step) is expected
        except Failure as failure:
            raise placed(failure, offset) from None

    return evaluate


def _simple_kind(node: n.Node) -> type | None:
    if node.nature is None:
        return None
    return {"int": int, "string": str}.get(node.nature.name)


def _typed_equality(kind: type, left: Evaluate, right: Evaluate, offset: int, *, expected: bool) -> Evaluate:
    """Compare two values that the checker takes for integers, or for strings; others are an error."""
    name = "int" if kind is int else "string"

    def evaluate(run: Run) -> object:
        one, two = left(run), right(run)
        for value in (two, one):
            if type(value) is not kind:
                shown = "nil" if value is None else type_name(value)
                raise Failure(f"interface conversion: interface {{}} is {shown}, not {name}", offset)
        return (one == two) is expected

    return evaluate


def _membership(node: n.Binary, left: Evaluate, right: Evaluate) -> Evaluate:
    offset = node.offset
    members = node.right.value if isinstance(node.right, n.Constant) else None
    if not isinstance(members, (IntSet, StringSet)):
        return _plain(lambda run, one, two: ops.contained(one, two, run.step), left, right, offset)
    kind, empty = (int, 0) if isinstance(members, IntSet) else (str, "")

    def evaluate(run: Run) -> object:
        value = left(run)
        if value is None:
            value = empty
        if type(value) is not kind:
            message = f"reflect.Value.MapIndex: value of type {type_name(value)} is not assignable to type "
            raise Failure(message + ("int" if kind is int else "string"), offset)
        return value in members

    return evaluate


def _range(run: Run, first: object, last: object) -> object:
    start, stop = ops.to_int(first), ops.to_int(last)
    run.grow(max(wrap(stop - start + 1), 0))
    return ops.make_range(start, stop)


def _text_test(name: str) -> Callable[[Run, object, object], object]:
    def test(run: Run, text: object, part: object) -> object:
        if is_nil(text) or is_nil(part):
            return False
        for value in (part, text):
            if type(value) is not str:
                raise Failure(f"interface conversion: interface {{}} is {type_name(value)}, not string")
        assert isinstance(text, str)
        assert isinstance(part, str)
        run.text(len(text))
        if name == "contains":
            return part in text
        return text.startswith(part) if name == "startsWith" else text.endswith(part)

    return test


def _matches(run: Run, text: object, pattern: object) -> object:
    if is_nil(text) or is_nil(pattern):
        return False
    if type(pattern) is not str:
        raise Failure(f"interface conversion: interface {{}} is {type_name(pattern)}, not string")
    if not isinstance(text, (str, bytes)):
        raise Failure(f"interface conversion: interface {{}} is {type_name(text)}, not []uint8")
    run.text(len(text))
    if len(text) * len(pattern) > MAX_MATCH_COST:
        raise Failure("the text is too long for the pattern")
    run.step(len(text) * len(pattern) // 256)
    return matches(pattern, text)


_OPERATIONS: dict[str, Callable[[Run, object, object], object]] = {
    "<": lambda _run, one, two: ops.less(one, two),
    ">": lambda _run, one, two: ops.more(one, two),
    "<=": lambda _run, one, two: ops.less_or_equal(one, two),
    ">=": lambda _run, one, two: ops.more_or_equal(one, two),
    "-": lambda _run, one, two: ops.subtract(one, two),
    "*": lambda _run, one, two: ops.multiply(one, two),
    "/": lambda _run, one, two: ops.divide(one, two),
    "%": lambda _run, one, two: ops.modulo(one, two),
    "**": lambda _run, one, two: ops.power(one, two),
    "^": lambda _run, one, two: ops.power(one, two),
    "..": _range,
    "matches": _matches,
    "contains": _text_test("contains"),
    "startsWith": _text_test("startsWith"),
    "endsWith": _text_test("endsWith"),
}
