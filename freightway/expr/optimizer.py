"""Rewrites that change what is evaluated, and so which expressions fail.

``filter(a, p)[0]`` stops at the first match, ``len(map(filter(a, p), f))`` never evaluates ``f``, and so on: an
implementation without these rewrites would fail where expr-lang does not.

Source: expr-lang 1.17.8 optimizer, in the order of optimizer/optimizer.go.
"""

from __future__ import annotations

from freightway.expr import nodes as n
from freightway.expr.fold import fold, membership
from freightway.expr.natures import INT
from freightway.expr.values import wrap


def optimize(node: n.Node) -> n.Node:
    """Return the tree to evaluate.

    Raises:
        Failure: if a constant part cannot be computed.
    """
    names = {_name(part) for part in n.walk(node)}
    if "in" in names:
        node = n.rewrite(node, membership)
    node = n.rewrite(node, fold)
    for visit, needed in _REWRITES:
        if names.intersection(needed):
            node = n.rewrite(node, visit)
    return node


def _name(node: n.Node) -> str:
    """Return what tells whether a rewrite can apply: the name of a builtin, or ``in``."""
    if isinstance(node, n.Builtin):
        return node.name
    return node.operator if isinstance(node, n.Binary) and node.operator == "in" else ""


def _is_builtin(node: n.Node, name: str, arguments: int) -> bool:
    return isinstance(node, n.Builtin) and node.name == name and len(node.arguments) == arguments


def _range_test(node: n.Node) -> n.Node:
    """``i in 1..9`` compares with both ends."""
    if not isinstance(node, n.Binary) or node.operator != "in":
        return node
    bounds = node.right
    if node.left.nature is None or node.left.nature.kind != "int":
        return node
    if not isinstance(bounds, n.Binary) or bounds.operator != "..":
        return node
    if not isinstance(bounds.left, n.Integer) or not isinstance(bounds.right, n.Integer):
        return node
    above = n.Binary(">=", node.left, bounds.left, offset=node.offset)
    below = n.Binary("<=", node.left, bounds.right, offset=node.offset)
    return n.Binary("and", above, below, offset=node.offset, nature=node.nature)


def _filter_map(node: n.Node) -> n.Node:
    if not isinstance(node, n.Builtin) or not _is_builtin(node, "map", 2):
        return node
    inner, predicate = node.arguments
    if not isinstance(inner, n.Builtin) or inner.name != "filter" or inner.mapped is not None:
        return node
    if not isinstance(predicate, n.Predicate) or n.contains(predicate, _is_index):
        return node
    return n.Builtin("filter", inner.arguments, mapped=predicate.node, offset=node.offset, nature=node.nature)


def _is_index(node: n.Node) -> bool:
    return isinstance(node, n.Pointer) and node.name == "index"


def _filter_length(node: n.Node) -> n.Node:
    if isinstance(node, n.Builtin) and _is_builtin(node, "len", 1):
        inner = node.arguments[0]
        if isinstance(inner, n.Builtin) and _is_builtin(inner, "filter", 2):
            return n.Builtin("count", inner.arguments, offset=node.offset, nature=node.nature)
    return node


def _filter_end(node: n.Node, index: int, function: str, find: str) -> n.Node:
    inner: n.Node | None = None
    throws = False
    if isinstance(node, n.Member) and not node.optional:
        if isinstance(node.property, n.Integer) and node.property.value == index:
            inner, throws = node.base, True
    elif isinstance(node, n.Builtin) and _is_builtin(node, function, 1):
        inner = node.arguments[0]
    if not isinstance(inner, n.Builtin) or not _is_builtin(inner, "filter", 2):
        return node
    return n.Builtin(
        find, inner.arguments, mapped=inner.mapped, throws=throws, offset=node.offset, nature=node.nature
    )


def _filter_last(node: n.Node) -> n.Node:
    return _filter_end(node, -1, "last", "findLast")


def _filter_first(node: n.Node) -> n.Node:
    return _filter_end(node, 0, "first", "find")


_COMBINED = {
    ("all", "and"): "and", ("all", "&&"): "&&",
    ("any", "or"): "or", ("any", "||"): "||",
    ("none", "and"): "or", ("none", "&&"): "||",
}  # fmt: skip


def _combine_predicates(node: n.Node) -> n.Node:
    """``all(a, p) && all(a, q)`` walks over ``a`` once."""
    if not isinstance(node, n.Binary):
        return node
    left, right = node.left, node.right
    if not isinstance(left, n.Builtin) or not isinstance(right, n.Builtin) or left.name != right.name:
        return node
    operator = _COMBINED.get((left.name, node.operator))
    if operator is None or left.arguments[0] != right.arguments[0]:
        return node
    one, two = left.arguments[1], right.arguments[1]
    assert isinstance(one, n.Predicate)
    assert isinstance(two, n.Predicate)
    combined = _combine_predicates(n.Binary(operator, one.node, two.node, offset=node.offset))
    arguments = [left.arguments[0], n.Predicate(combined, offset=one.offset)]
    return n.Builtin(left.name, arguments, offset=node.offset, nature=node.nature)


def _sum_range(node: n.Node) -> n.Node:
    if not isinstance(node, n.Builtin) or node.name not in {"sum", "reduce"}:
        return node
    bounds = node.arguments[0]
    if not isinstance(bounds, n.Binary) or bounds.operator != "..":
        return node
    first, last = bounds.left, bounds.right
    if not isinstance(first, n.Integer) or not isinstance(last, n.Integer) or last.value < first.value:
        return node
    count = last.value - first.value + 1
    total = _half(wrap(count * (first.value + last.value)))
    result = total if len(node.arguments) == 1 else _sum_of(node, total, count)
    if result is None:
        return node
    return n.Integer(wrap(result), offset=node.offset, nature=INT)


def _half(value: int) -> int:
    return -(-value // 2) if value < 0 else value // 2


def _sum_of(node: n.Builtin, total: int, count: int) -> int | None:
    """Return the sum of a simple predicate over a range, None if it is not simple."""
    predicate = node.arguments[1]
    assert isinstance(predicate, n.Predicate)
    body = predicate.node
    if node.name == "reduce":
        return _reduced(node, body, total)
    if isinstance(body, n.Pointer) and body.name == "":
        return total
    if not isinstance(body, n.Binary):
        return None
    for pointer, constant, pointer_first in ((body.left, body.right, True), (body.right, body.left, False)):
        if isinstance(pointer, n.Pointer) and pointer.name == "" and isinstance(constant, n.Integer):
            shift = count * constant.value
            if body.operator == "*":
                return constant.value * total
            if body.operator == "+":
                return total + shift
            if body.operator == "-":
                return total - shift if pointer_first else shift - total
    return None


def _reduced(node: n.Builtin, body: n.Node, total: int) -> int | None:
    if not isinstance(body, n.Binary) or body.operator != "+":
        return None
    names = [part.name for part in (body.left, body.right) if isinstance(part, n.Pointer)]
    if sorted(names) != ["", "acc"]:
        return None
    if len(node.arguments) == 2:
        return total
    initial = node.arguments[2]
    return initial.value + total if isinstance(initial, n.Integer) else None


def _sum_list(node: n.Node) -> n.Node:
    """``sum([a, b, c])`` is ``a + (b + c)``."""
    if not isinstance(node, n.Builtin) or not _is_builtin(node, "sum", 1):
        return node
    items = node.arguments[0]
    if not isinstance(items, n.Array) or not 2 <= len(items.nodes) <= 50:
        return node
    total = items.nodes[-1]
    for item in reversed(items.nodes[:-1]):
        total = n.Binary("+", item, total, offset=node.offset)
    total.nature = node.nature
    return total


def _sum_map(node: n.Node) -> n.Node:
    if isinstance(node, n.Builtin) and _is_builtin(node, "sum", 1):
        inner = node.arguments[0]
        if isinstance(inner, n.Builtin) and _is_builtin(inner, "map", 2):
            return n.Builtin("sum", inner.arguments, offset=node.offset, nature=node.nature)
    return node


def _counted(node: n.Node) -> tuple[n.Binary, n.Builtin, int] | None:
    """Return the parts of ``count(a, p) <operator> number``."""
    if not isinstance(node, n.Binary) or not isinstance(node.right, n.Integer):
        return None
    count = node.left
    if not isinstance(count, n.Builtin) or not _is_builtin(count, "count", 2):
        return None
    return node, count, node.right.value


def _count_any(node: n.Node) -> n.Node:
    parts = _counted(node)
    if parts is None:
        return node
    binary, count, number = parts
    if (binary.operator, number) not in {(">", 0), (">=", 1)}:
        return node
    return n.Builtin("any", count.arguments, offset=node.offset, nature=node.nature)


def _count_threshold(node: n.Node) -> n.Node:
    parts = _counted(node)
    if parts is not None and parts[2] >= 0:
        binary, count, number = parts
        threshold = {">": number + 1, ">=": number, "<": number, "<=": number + 1}.get(binary.operator, 0)
        if threshold > 1:
            count.threshold = threshold
    return node


_REWRITES: tuple[tuple[n.Rewrite, set[str]], ...] = (
    (_range_test, {"in"}),
    (_filter_map, {"filter"}),
    (_filter_length, {"filter"}),
    (_filter_last, {"filter"}),
    (_filter_first, {"filter"}),
    (_combine_predicates, {"all", "any", "none"}),
    (_sum_range, {"sum", "reduce"}),
    (_sum_list, {"sum"}),
    (_sum_map, {"sum"}),
    # `len(filter(a, p))` has become a count by now.
    (_count_any, {"count", "filter"}),
    (_count_threshold, {"count", "filter"}),
)
