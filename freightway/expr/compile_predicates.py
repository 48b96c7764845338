"""Closures of the builtins that evaluate a predicate for each element.

Each loop puts its own scope into the run and pays for its predicate before it starts, or element by element where it
may stop early.

Source: expr-lang 1.17.8 compiler/compiler.go, BuiltinNode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from freightway.expr import nodes as n
from freightway.expr import operators as ops
from freightway.expr.builtins_list import sorted_indexes
from freightway.expr.compile_operators import Evaluate, not_a_bool, placed
from freightway.expr.compile_strays import take
from freightway.expr.failure import Failure
from freightway.expr.run import Run, Scope
from freightway.expr.values import NATIVE, NO_ELEMENT, AnyMap, NilList, adopt, elements

Compile = Callable[[n.Node], Evaluate]
Body = Callable[[Run, Scope, list[object]], object]


def compile_predicate_builtin(
    compile_node: Compile, node: n.Builtin, leaving: frozenset[int] = frozenset()
) -> Evaluate:
    """Return the closure of a builtin with a predicate.

    Args:
        leaving: ids of the nodes that leave something on the stack, see ``compile_strays.py``.
    """
    collection = compile_node(node.arguments[0])
    build = _BODIES[node.name]
    if node.name in STACK_BODIES and any(
        id(part) in leaving for part in (node, node.mapped, *node.arguments)
    ):
        build = STACK_BODIES[node.name]
    body = build(compile_node, node)
    offset = node.offset

    def evaluate(run: Run) -> object:
        source = collection(run)
        outer = run.scope
        scope = run.scope = Scope()
        try:
            items = elements(source)
            if items:
                scope.item = _pointed(items[0])
            return body(run, scope, items)
        except Failure as failure:
            raise placed(failure, offset) from failure.__cause__
        finally:
            run.scope = outer

    return evaluate


def _adopted(item: object) -> object:
    return item if type(item) in NATIVE else adopt(item)


def _pointed(item: object) -> object:
    return item if type(item) in NATIVE or item is NO_ELEMENT else adopt(item)


def _walk(scope: Scope, items: list[object]) -> Iterator[object]:
    """Yield the elements, each after the scope points at it."""
    for index, item in enumerate(items):
        scope.index = index
        scope.item = item if type(item) in NATIVE else _pointed(item)
        yield scope.item


def _walk_paying(
    run: Run, scope: Scope, items: list[object], cost: int, indexes: Iterable[int]
) -> Iterator[object]:
    for index in indexes:
        run.step(cost)
        scope.index = index
        scope.item = _pointed(items[index])
        yield scope.item


def _is_true(value: object) -> bool:
    if value is True:
        return True
    if value is False:
        return False
    raise not_a_bool(value, -1)


def _predicate(compile_node: Compile, node: n.Builtin) -> tuple[Evaluate, int]:
    """Return the predicate, or the element itself where it is left out, and what it costs."""
    if len(node.arguments) == 1:
        return lambda run: _adopted(run.scope.item), 1
    return compile_node(node.arguments[1]), n.size(node.arguments[1])


def _search(*, stop: bool) -> Callable[[Compile, n.Builtin], Body]:
    """``any`` stops at true, ``all`` at false."""

    def build(compile_node: Compile, node: n.Builtin) -> Body:
        test, cost = _predicate(compile_node, node)

        def body(run: Run, scope: Scope, items: list[object]) -> object:
            for _ in _walk_paying(run, scope, items, cost, range(len(items))):
                if _is_true(test(run)) is stop:
                    return stop
            return not stop

        return body

    return build


def _none(compile_node: Compile, node: n.Builtin) -> Body:
    body = _search(stop=True)(compile_node, node)
    return lambda run, scope, items: not body(run, scope, items)


def _one(compile_node: Compile, node: n.Builtin) -> Body:
    body = _count(compile_node, node)
    return lambda run, scope, items: body(run, scope, items) == 1


def _count(compile_node: Compile, node: n.Builtin) -> Body:
    test, cost = _predicate(compile_node, node)
    threshold = node.threshold

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        matches = 0
        for _ in _walk_paying(run, scope, items, cost, range(len(items))):
            if _is_true(test(run)):
                matches += 1
                if matches == threshold:
                    break
        return matches

    return body


def _filter_on_stack(compile_node: Compile, node: n.Builtin) -> Body:
    """``filter`` whose parts leave bools between the elements it gathers: it takes as many values as it kept."""
    test, cost = _predicate(compile_node, node)
    mapped = compile_node(node.mapped) if node.mapped is not None else None
    cost += n.size(node.mapped) if node.mapped is not None else 0

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        count = 0
        for item in _walk(scope, items):
            if _is_true(test(run)):
                value = _adopted(item) if mapped is None else mapped(run)
                run.stack.append(value)
                count += 1
        run.grow(count)
        return take(run, count)

    return body


def _filter(compile_node: Compile, node: n.Builtin) -> Body:
    test, cost = _predicate(compile_node, node)
    mapped = compile_node(node.mapped) if node.mapped is not None else None
    cost += n.size(node.mapped) if node.mapped is not None else 0

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        result = []
        for item in _walk(scope, items):
            value = test(run)
            if value is True:
                result.append(_adopted(item) if mapped is None else mapped(run))
            elif value is not False:
                raise not_a_bool(value, -1)
        run.grow(len(result))
        return result

    return body


def _map(compile_node: Compile, node: n.Builtin) -> Body:
    change, cost = _predicate(compile_node, node)

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        result = [change(run) for _ in _walk(scope, items)]
        run.grow(len(result))
        return result

    return body


def _map_on_stack(compile_node: Compile, node: n.Builtin) -> Body:
    """``map`` whose predicate leaves bools between the values it gathers."""
    change, cost = _predicate(compile_node, node)

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        for _ in _walk(scope, items):
            value = change(run)
            run.stack.append(value)
        run.grow(len(items))
        return take(run, len(items))

    return body


def _sum(compile_node: Compile, node: n.Builtin) -> Body:
    term, cost = _predicate(compile_node, node)

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        total: object = 0
        for _ in _walk(scope, items):
            total = ops.add(term(run), total)
        return total

    return body


def _find(*, last: bool, index: bool) -> Callable[[Compile, n.Builtin], Body]:
    def build(compile_node: Compile, node: n.Builtin) -> Body:
        test, cost = _predicate(compile_node, node)
        mapped = compile_node(node.mapped) if node.mapped is not None else None
        throws = node.throws

        def body(run: Run, scope: Scope, items: list[object]) -> object:
            order = range(len(items) - 1, -1, -1) if last else range(len(items))
            for item in _walk_paying(run, scope, items, cost, order):
                if _is_true(test(run)):
                    if index:
                        return scope.index
                    return _adopted(item) if mapped is None else mapped(run)
            if throws:
                raise Failure("reflect: slice index out of range")
            return None

        return body

    return build


def _find_last_on_stack(*, index: bool) -> Callable[[Compile, n.Builtin], Body]:
    """Search from the end, and leave a bool for each look at whether there is another element."""

    def build(compile_node: Compile, node: n.Builtin) -> Body:
        test, cost = _predicate(compile_node, node)
        mapped = compile_node(node.mapped) if node.mapped is not None else None
        throws = node.throws

        def body(run: Run, scope: Scope, items: list[object]) -> object:
            for position in range(len(items) - 1, -1, -1):
                run.stack.append(True)
                run.step(cost)
                scope.index, scope.item = position, _pointed(items[position])
                if _is_true(test(run)):
                    if index:
                        return position
                    return _adopted(items[position]) if mapped is None else mapped(run)
            if throws:
                raise Failure("reflect: slice index out of range")
            run.stack.append(False)
            return None

        return body

    return build


def _group_by(compile_node: Compile, node: n.Builtin) -> Body:
    key_of, cost = _predicate(compile_node, node)

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step((cost + 4) * len(items))
        groups = AnyMap(of_lists=True)
        for item in _walk(scope, items):
            key = key_of(run)
            group = groups.get(key)
            if isinstance(group, NilList):
                group = []
                groups.set(key, group)
            assert isinstance(group, list)
            group.append(_adopted(item))
        return groups

    return body


def _sort_by(compile_node: Compile, node: n.Builtin) -> Body:
    key_of, cost = _predicate(compile_node, node)
    order = compile_node(node.arguments[2]) if len(node.arguments) > 2 else None

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        direction = "asc" if order is None else order(run)
        if type(direction) is not str:
            raise Failure("sortBy order argument must be a string")
        if direction not in {"asc", "desc"}:
            raise Failure("unknown order, use asc or desc")
        run.step(cost * len(items))
        keys = [key_of(run) for _ in _walk(scope, items)]
        indexes = sorted_indexes(run, keys, descending=direction == "desc")
        run.grow(len(items))
        return [_adopted(items[index]) for index in indexes]

    return body


def _reduce(compile_node: Compile, node: n.Builtin) -> Body:
    step, cost = _predicate(compile_node, node)
    initial = compile_node(node.arguments[2]) if len(node.arguments) > 2 else None

    def body(run: Run, scope: Scope, items: list[object]) -> object:
        run.step(cost * len(items))
        first = 0
        if initial is not None:
            scope.acc = initial(run)
        elif items:
            scope.acc = _adopted(items[0])
            first = 1
        else:
            raise Failure("reduce of empty array with no initial value")
        for index in range(first, len(items)):
            scope.index = index
            scope.item = _pointed(items[index])
            scope.acc = step(run)
        return scope.acc

    return body


_BODIES: dict[str, Callable[[Compile, n.Builtin], Body]] = {
    "all": _search(stop=False),
    "any": _search(stop=True),
    "none": _none,
    "one": _one,
    "count": _count,
    "filter": _filter,
    "map": _map,
    "sum": _sum,
    "find": _find(last=False, index=False),
    "findLast": _find(last=True, index=False),
    "findIndex": _find(last=False, index=True),
    "findLastIndex": _find(last=True, index=True),
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}

STACK_BODIES: dict[str, Callable[[Compile, n.Builtin], Body]] = {
    "filter": _filter_on_stack,
    "map": _map_on_stack,
    "findLast": _find_last_on_stack(index=False),
    "findLastIndex": _find_last_on_stack(index=True),
}
