"""Finds the mistakes that can be seen without running: wrong types, unknown methods, wrong argument counts.

Each node is visited once and keeps its type; parts that expr-lang does not look at (the bounds of a slice of
something unknown) stay unvisited here too, so that the same expressions compile.

Source: expr-lang 1.17.8 checker/checker.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from freightway.expr import nodes as n
from freightway.expr.check_builtins import BuiltinChecks
from freightway.expr.check_operators import binary_nature, unary_nature
from freightway.expr.failure import Failure
from freightway.expr.natures import (
    BOOL,
    BYTES,
    FLOAT,
    INT,
    LIST,
    MAP,
    NIL,
    STRING,
    UNKNOWN,
    Nature,
    Signature,
    list_of,
    predicate_of,
)
from freightway.expr.signatures import BUILTIN_NATURES


def check(node: n.Node, functions: Mapping[str, Nature]) -> Nature:
    """Return the static type of the expression, after checking all of it.

    Raises:
        Failure: if the types cannot work out.
    """
    return _Checker(functions).visit(node)


class _Checker(BuiltinChecks):
    """One check of one tree."""

    def __init__(self, functions: Mapping[str, Nature]) -> None:
        super().__init__()
        self.functions = functions
        self.variables: list[tuple[str, Nature]] = []

    def visit(self, node: n.Node) -> Nature:
        """Return the type of a node; the second visit of a shared node costs nothing."""
        if node.nature is None:
            if isinstance(node, n.Binary):
                return self.visit_spine(node)
            node.nature = _VISITORS[type(node)](self, node)
        return node.nature

    def visit_spine(self, node: n.Binary) -> Nature:
        spine: list[n.Binary] = []
        left: n.Node = node
        while isinstance(left, n.Binary) and left.nature is None:
            spine.append(left)
            left = left.left
        nature = self.visit(left)
        for binary in reversed(spine):
            nature = binary_nature(binary, nature, self.visit(binary.right))
            binary.nature = nature
        return nature

    def unary(self, node: n.Unary) -> Nature:
        return unary_nature(node, self.visit(node.operand))

    def identifier(self, node: n.Identifier) -> Nature:
        for name, nature in reversed(self.variables):
            if name == node.name:
                return nature
        return self.functions.get(node.name) or BUILTIN_NATURES.get(node.name) or UNKNOWN

    def chain(self, node: n.Chain) -> Nature:
        return self.visit(node.node)

    def member(self, node: n.Member) -> Nature:
        if isinstance(node.base, n.Identifier) and node.base.name == "$env":
            return UNKNOWN
        base = self.visit(node.base)
        prop = self.visit(node.property)
        if base.is_unknown:
            return UNKNOWN
        name = node.property.value if isinstance(node.property, n.String) else None
        if name is not None:
            if base.is_nil:
                raise Failure(f"type nil has no field {name}", node.offset)
            method = base.methods.get(name)
            if method is not None:
                return Nature(str(method), "func", function=(method,))
        base = base.deref()
        if base.is_map:
            key = base.key or UNKNOWN
            if not prop.assignable_to(key) and not prop.is_unknown:
                raise Failure(f"cannot use {prop} to get an element from {base}", node.property.offset)
            return base.items()
        if base.is_array:
            if not prop.is_integer and not prop.is_unknown:
                message = f"array elements can only be selected using an integer (got {prop})"
                raise Failure(message, node.property.offset)
            return base.items()
        if name is None:
            raise Failure(f"type {base}[{prop}] is undefined", node.offset)
        if base.kind == "struct" and name in base.fields:
            return base.fields[name]
        raise Failure(f"type {base} has no {'method' if node.method else 'field'} {name}", node.offset)

    def slice(self, node: n.Slice) -> Nature:
        base = self.visit(node.base)
        if base.is_unknown:
            return UNKNOWN
        if base.kind != "string" and not base.is_array:
            raise Failure(f"cannot slice {base}", node.offset)
        for bound in (node.start, node.stop):
            if bound is not None:
                nature = self.visit(bound)
                if not nature.is_integer and not nature.is_unknown:
                    raise Failure(f"non-integer slice index {nature}", bound.offset)
        return base

    def call(self, node: n.Call) -> Nature:
        if isinstance(node.callee, n.Identifier) and node.callee.name == "$env":
            raise Failure("$env is not callable", node.offset)
        callee = self.visit(node.callee)
        if callee.is_unknown:
            return UNKNOWN  # the arguments stay unvisited, as in expr-lang
        name = "function"
        if isinstance(node.callee, n.Identifier):
            name = node.callee.name
        elif isinstance(node.callee, n.Member) and isinstance(node.callee.property, n.String):
            name = node.callee.property.value
        if callee.kind != "func" or not callee.function:
            raise Failure(f"{callee} is not callable", node.offset)
        return self.check_overloads(name, callee.function, node.arguments, node)

    def check_overloads(
        self, name: str, overloads: tuple[Signature, ...], arguments: list[n.Node], node: n.Node
    ) -> Nature:
        natures = [self.visit(argument) for argument in arguments]
        failure: Failure | None = None
        for signature in overloads:
            failure = _mismatch(name, signature, natures, arguments, node)
            if failure is None:
                return signature.result
        assert failure is not None
        raise failure

    def predicate(self, node: n.Predicate) -> Nature:
        return predicate_of(self.visit(node.node))

    def pointer(self, node: n.Pointer) -> Nature:
        if not self.scopes:
            raise Failure("cannot use pointer accessor outside predicate", node.offset)
        scope = self.scopes[-1]
        if node.name == "":
            return UNKNOWN if scope.collection.is_unknown else scope.collection.items()
        if node.name not in scope.pointers:
            raise Failure(f"unknown pointer #{node.name}", node.offset)
        return scope.pointers[node.name]

    def let(self, node: n.Let) -> Nature:
        for kind, names in (("function", self.functions), ("builtin", BUILTIN_NATURES)):
            if node.name in names:
                raise Failure(f"cannot redeclare {kind} {node.name}", node.offset)
        if any(name == node.name for name, _ in self.variables):
            raise Failure(f"cannot redeclare variable {node.name}", node.offset)
        self.variables.append((node.name, self.visit(node.value)))
        body = self.visit(node.body)
        self.variables.pop()
        return body

    def sequence(self, node: n.Sequence) -> Nature:
        return [self.visit(part) for part in node.nodes][-1]

    def conditional(self, node: n.Conditional) -> Nature:
        condition = self.visit(node.condition).deref()
        if not condition.is_bool and not condition.is_unknown:
            raise Failure(f"non-bool expression (type {condition}) used as condition", node.condition.offset)
        then, otherwise = self.visit(node.then), self.visit(node.otherwise)
        if then.is_nil:
            return otherwise
        if otherwise.is_nil:
            return then
        if not then.assignable_to(otherwise):
            return UNKNOWN
        if then.is_array and otherwise.is_array:
            one, two = then.items(), otherwise.items()
            if not one.assignable_to(two) or not two.assignable_to(one):
                return LIST
        return then

    def array(self, node: n.Array) -> Nature:
        natures = [self.visit(item) for item in node.nodes]
        if not natures:
            return list_of(UNKNOWN)
        same = all(nature.kind == natures[0].kind for nature in natures)
        return list_of(natures[-1]) if same else LIST

    def map(self, node: n.Map) -> Nature:
        for pair in node.pairs:
            self.visit(pair)
        return MAP

    def pair(self, node: n.Pair) -> Nature:
        self.visit(node.key)
        self.visit(node.value)
        return NIL


def _mismatch(
    name: str, signature: Signature, natures: list[Nature], arguments: list[n.Node], node: n.Node
) -> Failure | None:
    if signature.results > 2:
        return Failure(f"func {name} returns more then two values", node.offset)
    expected = len(signature.parameters)
    if len(natures) < expected - signature.variadic:
        return Failure(f"not enough arguments to call {name}", node.offset)
    if len(natures) > expected and not signature.variadic:
        return Failure(f"too many arguments to call {name}", node.offset)
    for index, nature in enumerate(natures):
        parameter = signature.parameter(index)
        if nature.is_integer and (parameter.is_float or parameter.is_integer):
            continue
        if nature.is_nil:
            if parameter.kind in {"ptr", "interface"}:
                continue
            message = f"cannot use nil as argument (type {parameter}) to call {name}"
            return Failure(message, arguments[index].offset)
        assignable = nature.assignable_to(parameter) or nature.deref().assignable_to(parameter)
        if not assignable and not nature.is_unknown:
            message = f"cannot use {nature} as argument (type {parameter}) to call {name}"
            return Failure(message, arguments[index].offset)
    return None


def _always(nature: Nature) -> Any:
    return lambda _checker, _node: nature


_VISITORS: Mapping[type[n.Node], Any] = cast(
    "Mapping[type[n.Node], Any]",
    {
        n.Nil: _always(NIL),
        n.Integer: _always(INT),
        n.Float: _always(FLOAT),
        n.Bool: _always(BOOL),
        n.String: _always(STRING),
        n.Bytes: _always(BYTES),
        n.Identifier: _Checker.identifier,
        n.Unary: _Checker.unary,
        n.Chain: _Checker.chain,
        n.Member: _Checker.member,
        n.Slice: _Checker.slice,
        n.Call: _Checker.call,
        n.Builtin: _Checker.builtin,
        n.Predicate: _Checker.predicate,
        n.Pointer: _Checker.pointer,
        n.Let: _Checker.let,
        n.Sequence: _Checker.sequence,
        n.Conditional: _Checker.conditional,
        n.Array: _Checker.array,
        n.Map: _Checker.map,
        n.Pair: _Checker.pair,
    },
)
