"""Operators, their precedence, and the builtins whose second argument is a predicate.

Source: expr-lang 1.17.8 parser/operator/operator.go and parser/parser.go.
"""

from __future__ import annotations

from typing import Literal

PIPE = "|"
UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
BINARY = {
    "|": 0,
    "or": 10, "||": 10,
    "and": 15, "&&": 15,
    "==": 20, "!=": 20, "<": 20, ">": 20, ">=": 20, "<=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25,
    "+": 30, "-": 30,
    "*": 60, "/": 60, "%": 60,
    "**": 100, "^": 100,
    "??": 500,
}  # fmt: skip
RIGHT_ASSOCIATIVE = frozenset({"**", "^"})
COMPARISONS = frozenset({"<", ">", ">=", "<="})
NEGATABLE = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})

Argument = Literal["expression", "predicate", "optional predicate", "optional expression"]

_ELEMENTWISE: tuple[Argument, ...] = ("expression", "predicate")
PREDICATE_BUILTINS: dict[str, tuple[Argument, ...]] = {
    "all": _ELEMENTWISE,
    "none": _ELEMENTWISE,
    "any": _ELEMENTWISE,
    "one": _ELEMENTWISE,
    "filter": _ELEMENTWISE,
    "map": _ELEMENTWISE,
    "count": ("expression", "optional predicate"),
    "sum": ("expression", "optional predicate"),
    "find": _ELEMENTWISE,
    "findIndex": _ELEMENTWISE,
    "findLast": _ELEMENTWISE,
    "findLastIndex": _ELEMENTWISE,
    "groupBy": _ELEMENTWISE,
    "sortBy": ("expression", "predicate", "optional expression"),
    "reduce": ("expression", "predicate", "optional expression"),
}
FUNCTION_BUILTINS = frozenset({
    "len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix",
    "upper", "lower", "split", "splitAfter", "replace", "repeat", "join", "indexOf", "lastIndexOf", "hasPrefix",
    "hasSuffix", "max", "min", "mean", "median", "toJSON", "fromJSON", "toBase64", "fromBase64", "now", "duration",
    "date", "timezone", "first", "last", "get", "take", "keys", "values", "toPairs", "fromPairs", "reverse", "uniq",
    "concat", "flatten", "sort", "bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr", "bitnot",
})  # fmt: skip
BUILTINS = frozenset(PREDICATE_BUILTINS) | FUNCTION_BUILTINS
