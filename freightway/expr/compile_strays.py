"""What some operations of expr-lang leave on its stack, and the operations that read it in place of their operands.

expr-lang runs on a stack. ``findLast`` and ``findLastIndex`` forget one bool there for each element they look at (and
``filter(...)[-1]`` becomes a ``findLast``), a call of a method of an optional chain that met nil forgets its
arguments. What takes several values from the stack then takes those: ``[1, findLast([2], true)]`` is ``[true, 2]``.

Closures have no such stack, so one is kept here, and only for an expression where an operation has a later operand,
or a loop a predicate, that leaves something. Below the value of each such operand lies what it left.

Source: expr-lang 1.17.8 compiler/compiler.go (emitLoopBackwards, CallNode), vm/vm.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from freightway.expr import builtins_list as lists
from freightway.expr import nodes as n
from freightway.expr.calls import invoke
from freightway.expr.compile_operators import SKIP, Evaluate, placed
from freightway.expr.failure import Failure
from freightway.expr.run import Run

LEAVING_BUILTINS = frozenset({"findLast", "findLastIndex"})
GATHERING_BUILTINS = frozenset({"filter", "map"})
JUMPING = frozenset({"and", "&&", "or", "||", "??"})


def tracked(root: n.Node, functions: Collection[str], plain: Collection[str]) -> frozenset[int]:
    """Return the ids of the nodes that leave something on the stack; empty if no operation notices.

    Args:
        functions: names of the functions that are called by name.
        plain: names of the builtins without a predicate.
    """
    nodes = list(_walk(root))
    leaving = {id(node) for node in nodes if _leaves(node, functions)}
    if not leaving:
        return frozenset()
    grown = True
    while grown:  # a shared node may stand before one of its parents
        grown = False
        for node in reversed(nodes):
            if id(node) not in leaving and any(id(part) in leaving for part in _parts(node)):
                leaving.add(id(node))
                grown = True
    noticed = any(id(operand) in leaving for node in nodes for operand in _later_operands(node, plain))
    return frozenset(leaving) if noticed else frozenset()


def _parts(node: n.Node) -> Iterator[n.Node]:
    yield from n.children(node)
    if isinstance(node, n.Builtin) and node.mapped is not None:
        yield node.mapped


def _walk(root: n.Node) -> Iterator[n.Node]:
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting.extend(_parts(node))


def _leaves(node: n.Node, functions: Collection[str]) -> bool:
    if isinstance(node, n.Builtin):
        return node.name in LEAVING_BUILTINS
    return isinstance(node, n.Call) and bool(node.arguments) and _may_skip(node.callee, functions)


def _may_skip(callee: n.Node, functions: Collection[str]) -> bool:
    """Whether a ``?.`` before the call can jump over it."""
    if isinstance(callee, n.Identifier) and callee.name in functions:
        return False
    node = callee
    while isinstance(node, (n.Member, n.Slice, n.Call)):
        if isinstance(node, n.Member) and node.optional:
            return True
        node = node.callee if isinstance(node, n.Call) else node.base
    return False


def _later_operands(node: n.Node, plain: Collection[str]) -> Iterable[n.Node]:
    """Return the parts that are evaluated while the node has something of its own on the stack."""
    if isinstance(node, n.Binary):
        return () if node.operator in JUMPING else (node.right,)
    if isinstance(node, n.Builtin):
        if node.name in GATHERING_BUILTINS:
            return list(_parts(node))[1:]
        return node.arguments[1:] if node.name in plain else ()
    if isinstance(node, n.Map):
        return [part for pair in node.pairs for part in n.children(pair)][1:]
    if isinstance(node, n.Call):
        return [*node.arguments, node.callee][1:]
    if isinstance(node, (n.Array, n.Member, n.Slice)):
        return list(n.children(node))[1:]
    return ()


def gather(
    operands: Sequence[Evaluate], slots: Sequence[int], skips: Callable[[object], bool] | None = None
) -> list[Evaluate]:
    """Return closures that stand for the operands: the first evaluates all of them, the others read what it took.

    Args:
        operands: closures in the order of evaluation.
        slots: one variable for each.
        skips: tells of the first value whether ``?.`` jumps over the operation.
    """
    count = len(operands)

    def first(run: Run) -> object:
        stack = run.stack
        value = operands[0](run)
        if skips is not None and skips(value):
            return SKIP
        stack.append(value)
        for operand in operands[1:]:
            value = operand(run)
            stack.append(value)
        for slot, value in zip(slots, take(run, count), strict=True):
            run.variables[slot] = value
        return run.variables[slots[0]]

    return [first, *(_read(slot) for slot in slots[1:])]


def take(run: Run, count: int) -> list[object]:
    """Remove and return the uppermost values of the stack, the deepest first."""
    start = len(run.stack) - count
    values = run.stack[start:]
    del run.stack[start:]
    return values


def _read(slot: int) -> Evaluate:
    return lambda run: run.variables[slot]


def length_of_top(run: Run) -> object:
    """Return the length of what lies on top: the end of a slice that names none."""
    return lists.length(run, run.stack[-1])


def call_closure(arguments: Sequence[Evaluate], callee: Evaluate, offset: int) -> Evaluate:
    """Return the closure of a call; where ``?.`` jumps over it, its arguments stay on the stack."""
    count = len(arguments)

    def evaluate(run: Run) -> object:
        for argument in arguments:
            value = argument(run)
            run.stack.append(value)
        function = callee(run)
        if function is SKIP:
            return SKIP
        try:
            run.step()
            return invoke(function, take(run, count))
        except Failure as failure:
            raise placed(failure, offset) from failure.__cause__

    return evaluate


def with_stack(closure: Evaluate) -> Evaluate:
    """Return the closure of a whole expression that keeps a stack."""

    def evaluate(run: Run) -> object:
        run.stack = []
        return closure(run)

    return evaluate
