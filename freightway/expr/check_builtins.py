"""Static rules of the builtins that take a predicate, and the checks of the others.

Source: expr-lang 1.17.8 checker/checker.go, builtinNode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from freightway.expr import nodes as n
from freightway.expr.failure import Failure
from freightway.expr.natures import ANY, BOOL, GROUPS, INT, LIST, UNKNOWN, Nature, Signature, list_of
from freightway.expr.signatures import SIGNATURES, VALIDATORS, InvalidArguments

BAD_PREDICATE = "predicate should has one input and one output param"
INDEXED = frozenset({"map", "reduce"})
BOOLEAN_PREDICATES = frozenset(
    {"all", "none", "any", "one", "filter", "count", "find", "findLast", "findIndex", "findLastIndex"}
)


@dataclass(slots=True)
class PredicateScope:
    """What ``#`` and its kin mean inside a predicate."""

    collection: Nature
    pointers: Mapping[str, Nature] = field(default_factory=dict)


class BuiltinChecks:
    """The part of the checker that knows the builtins."""

    def __init__(self) -> None:
        self.scopes: list[PredicateScope] = []

    def visit(self, node: n.Node) -> Nature:
        """Return the type of a node."""
        raise NotImplementedError

    def check_overloads(
        self, name: str, overloads: tuple[Signature, ...], arguments: list[n.Node], node: n.Node
    ) -> Nature:
        """Return the result of the first signature that fits the arguments."""
        raise NotImplementedError

    def builtin(self, node: n.Builtin) -> Nature:
        """Return the type of a builtin's result."""
        if node.name in VALIDATORS:
            return self._validated(node)
        if node.name in SIGNATURES:
            return self.check_overloads(node.name, SIGNATURES[node.name], node.arguments, node)
        if node.name == "get":
            return self._get(node)
        return self._with_predicate(node)

    def _validated(self, node: n.Builtin) -> Nature:
        natures = [self.visit(argument) for argument in node.arguments]
        try:
            return VALIDATORS[node.name]([ANY if nature.is_unknown else nature for nature in natures])
        except InvalidArguments as error:
            raise Failure(str(error), node.offset) from None

    def _get(self, node: n.Builtin) -> Nature:
        if len(node.arguments) != 2:
            message = f"invalid number of arguments (expected 2, got {len(node.arguments)})"
            raise Failure(message, node.offset)
        base, prop = self.visit(node.arguments[0]), self.visit(node.arguments[1]).deref()
        if base.is_unknown:
            return UNKNOWN
        if base.is_array:
            if not prop.is_integer and not prop.is_unknown:
                raise Failure(f"non-integer slice index {prop}", node.arguments[1].offset)
            return base.items()
        if base.is_map:
            if not prop.assignable_to(base.key or UNKNOWN) and not prop.is_unknown:
                message = f"cannot use {prop} to get an element from {base}"
                raise Failure(message, node.arguments[1].offset)
            return base.items()
        raise Failure(f"type {base} does not support indexing", node.arguments[0].offset)

    def _with_predicate(self, node: n.Builtin) -> Nature:
        collection = self.visit(node.arguments[0]).deref()
        if not collection.is_array and not collection.is_unknown:
            message = f"builtin {node.name} takes only array (got {collection})"
            raise Failure(message, node.arguments[0].offset)
        result = self._predicate_result(node, collection) if len(node.arguments) > 1 else None
        if len(node.arguments) > 2:
            extra = self.visit(node.arguments[2])
            if node.name == "sortBy" and not extra.is_string and not extra.is_unknown:
                message = f"sortBy order argument must be a string (got {extra})"
                raise Failure(message, node.arguments[2].offset)
        return _result(node.name, collection, result)

    def _predicate_result(self, node: n.Builtin, collection: Nature) -> Nature:
        pointers: dict[str, Nature] = {}
        if node.name in INDEXED:
            pointers["index"] = INT
        if node.name == "reduce":
            pointers["acc"] = UNKNOWN
        self.scopes.append(PredicateScope(collection, pointers))
        result = self.visit(node.arguments[1]).items()
        self.scopes.pop()
        if result.is_nil:
            raise Failure(BAD_PREDICATE, node.arguments[1].offset)
        if node.name in BOOLEAN_PREDICATES and not result.is_bool and not result.is_unknown:
            message = f"predicate should return boolean (got {result})"
            raise Failure(message, node.arguments[1].offset)
        return result


def _result(name: str, collection: Nature, predicate: Nature | None) -> Nature:
    if name in {"all", "none", "any", "one"}:
        return BOOL
    if name in {"count", "findIndex", "findLastIndex"}:
        return INT
    if name == "filter":
        return LIST if collection.is_unknown else list_of(collection.items())
    if name in {"find", "findLast"}:
        return collection.items()
    if name == "groupBy":
        return GROUPS
    if name == "sortBy":
        return collection
    if name == "map":
        return list_of(predicate or UNKNOWN)
    if name == "sum":
        return collection.items() if predicate is None else predicate
    return predicate or UNKNOWN  # reduce
