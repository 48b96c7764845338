"""Turns a checked tree into closures: one Python function per node, called with the state of the run.

The optional chain ``a?.b.c`` is compiled as one: a member that meets nil gives ``SKIP``, which every later member of
the chain passes on.

Source: expr-lang 1.17.8 compiler/compiler.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from freightway.expr import nodes as n
from freightway.expr.access import fetch, slice_value
from freightway.expr.calls import invoke
from freightway.expr.compile_operators import (
    SKIP,
    Evaluate,
    binary_closure,
    not_a_bool,
    placed,
    unary_closure,
)
from freightway.expr.compile_predicates import compile_predicate_builtin
from freightway.expr.compile_strays import JUMPING, call_closure, gather, length_of_top, tracked, with_stack
from freightway.expr.failure import Failure
from freightway.expr.library import LIBRARY
from freightway.expr.run import Run
from freightway.expr.values import NATIVE, NO_ELEMENT, adopt, is_nil, type_name

# Longest run of left operands that is nested closure in closure; longer ones are cut into pieces.
SPINE_PIECE = 40
_LEAVES = (n.Nil, n.Identifier, n.Integer, n.Float, n.Bool, n.String, n.Bytes, n.Constant, n.Pointer)


def compile_tree(node: n.Node, functions: Collection[str]) -> tuple[Evaluate, int]:
    """Return the closure of a checked tree, and how many variables a run needs.

    Args:
        functions: names of the functions that are called by name.
    Raises:
        Failure: if a part that the checker does not look at makes no sense.
    """
    compiler = _Compiler(functions, tracked(node, functions, LIBRARY))
    closure = compiler.compile(node)
    return with_stack(closure) if compiler.leaving else closure, compiler.variables


class _Compiler:
    """One compilation.

    Attributes:
        leaving: ids of the nodes that leave something on the stack; empty where that makes no difference.
    """

    def __init__(self, functions: Collection[str], leaving: frozenset[int]) -> None:
        self.functions = functions
        self.leaving = leaving
        self.scopes: list[tuple[str, int]] = []
        self.variables = 0
        self.done: dict[int, Evaluate] = {}

    def compile(self, node: n.Node) -> Evaluate:
        """Return the closure of a node; a shared node is compiled once and pays for each further run."""
        known = self.done.get(id(node))
        if known is not None:
            return known if isinstance(node, _LEAVES) else _charged(known, n.size(node))
        closure: Evaluate = _COMPILERS[type(node)](self, node)
        self.done[id(node)] = closure
        return closure

    def slot(self) -> int:
        """Return the index of a new variable."""
        self.variables += 1
        return self.variables - 1

    def operands(
        self,
        nodes: Sequence[n.Node],
        closures: list[Evaluate],
        skips: Callable[[object], bool] | None = None,
    ) -> list[Evaluate]:
        """Return the closures of operands: the given ones, unless a later one leaves something on the stack."""
        if not self.leaving or not any(id(node) in self.leaving for node in nodes[1:]):
            return closures
        return gather(closures, [self.slot() for _ in closures], skips)

    # Leaves

    def constant(self, node: n.Node) -> Evaluate:
        value = getattr(node, "value", None)
        if type(value) is list:
            return lambda _run: list(value)  # the caller may change what it is given
        return lambda _run: value

    def identifier(self, node: n.Identifier) -> Evaluate:
        name, offset = node.name, node.offset
        for variable, index in reversed(self.scopes):
            if variable == name:
                return lambda run: run.variables[index]
        if name == "$env":
            return lambda run: run.env

        def load(run: Run) -> object:
            value = run.env.get(name)
            if type(value) in NATIVE:
                return value
            try:
                return adopt(value)
            except Failure as failure:
                raise placed(failure, offset) from None

        return load

    def pointer(self, node: n.Pointer) -> Evaluate:
        if node.name == "":

            def element(run: Run) -> object:
                item = run.scope.item
                if item is NO_ELEMENT:
                    raise Failure("reflect: call of reflect.Value.Index on map Value", node.offset)
                return item

            return element
        if node.name == "index":
            return lambda run: run.scope.index
        if node.name == "acc":
            return lambda run: run.scope.acc
        raise Failure(f"unknown pointer #{node.name}", node.offset)

    # Operators

    def unary(self, node: n.Unary) -> Evaluate:
        return unary_closure(node, self.compile(node.operand))

    def binary(self, node: n.Binary) -> Evaluate:
        spine: list[n.Binary] = []
        leftmost: n.Node = node
        while isinstance(leftmost, n.Binary) and id(leftmost) not in self.done:
            spine.append(leftmost)
            leftmost = leftmost.left
        closure = self.compile(leftmost)
        pieces: list[Evaluate] = []
        slot = self.slot() if len(spine) > SPINE_PIECE else -1
        for count, binary in enumerate(reversed(spine), 1):
            sides = [closure, self.compile(binary.right)]
            if binary.operator not in JUMPING:
                sides = self.operands((binary.left, binary.right), sides)
            closure = binary_closure(binary, *sides)
            self.done[id(binary)] = closure
            if slot >= 0 and count % SPINE_PIECE == 0:
                pieces.append(closure)
                closure = _load(slot)
        if not pieces:
            return closure
        return _piecewise([*pieces, closure], slot)

    def conditional(self, node: n.Conditional) -> Evaluate:
        condition, otherwise = self.compile(node.condition), self.compile(node.otherwise)
        offset = node.condition.offset
        if node.then is node.condition:  # `c ?: b`

            def elvis(run: Run) -> object:
                value = condition(run)
                if value is True:
                    return value
                if value is False:
                    return otherwise(run)
                raise not_a_bool(value, offset)

            return elvis
        then = self.compile(node.then)

        def choose(run: Run) -> object:
            value = condition(run)
            if value is True:
                return then(run)
            if value is False:
                return otherwise(run)
            raise not_a_bool(value, offset)

        return choose

    # Members

    def chain(self, node: n.Chain) -> Evaluate:
        inner = self.compile(node.node)

        def evaluate(run: Run) -> object:
            value = inner(run)
            return None if value is SKIP or is_nil(value) else value

        return evaluate

    def member(self, node: n.Member) -> Evaluate:
        base, offset, optional = self.compile(node.base), node.offset, node.optional
        if isinstance(node.property, n.String):
            key = node.property.value
            if not optional:
                return _field(base, key, offset)
            prop: Evaluate = lambda _run: key  # noqa: E731
        else:
            base, prop = self.operands(
                (node.base, node.property),
                [base, self.compile(node.property)],
                lambda value: value is SKIP or (node.optional and is_nil(value)),
            )
            optional = optional and id(node.property) not in self.leaving

        def evaluate(run: Run) -> object:
            value = base(run)
            if value is SKIP or (optional and is_nil(value)):
                return SKIP
            try:
                return fetch(value, prop(run))
            except Failure as failure:
                raise placed(failure, offset) from None

        return evaluate

    def slice(self, node: n.Slice) -> Evaluate:
        base, start, stop = self.slice_parts(node)
        offset = node.offset

        def evaluate(run: Run) -> object:
            value = base(run)
            last = stop(run) if stop is not None else None
            first = start(run) if start is not None else 0
            try:
                if stop is not None and last is None:
                    raise Failure("invalid operation: int(<nil>)")
                return slice_value(value, first, last)
            except Failure as failure:
                raise placed(failure, offset) from None

        return evaluate

    def slice_parts(self, node: n.Slice) -> tuple[Evaluate, Evaluate | None, Evaluate | None]:
        base = self.compile(node.base)
        start = self.compile(node.start) if node.start is not None else None
        stop = self.compile(node.stop) if node.stop is not None else None
        if stop is None and id(node.start) in self.leaving:
            stop = length_of_top
        nodes = [part for part in (node.base, node.stop, node.start) if part is not None]
        closures = self.operands(nodes, [part for part in (base, stop, start) if part is not None])
        rest = closures[1:]
        stop = rest.pop(0) if stop is not None else None
        return closures[0], rest[0] if rest else None, stop

    def call(self, node: n.Call) -> Evaluate:
        arguments = [self.compile(argument) for argument in node.arguments]
        offset = node.offset
        if isinstance(node.callee, n.Identifier) and node.callee.name in self.functions:
            name = node.callee.name
            callee: Evaluate = lambda run: run.functions[name]  # noqa: E731
        else:
            callee = self.compile(node.callee)
        if id(node) in self.leaving and arguments:
            return call_closure(arguments, callee, offset)

        def evaluate(run: Run) -> object:
            values = [argument(run) for argument in arguments]
            function = callee(run)
            if function is SKIP:
                return SKIP
            try:
                run.step()
                return invoke(function, values)
            except Failure as failure:
                raise placed(failure, offset) from failure.__cause__

        return evaluate

    # Builtins

    def builtin(self, node: n.Builtin) -> Evaluate:
        if node.name not in LIBRARY:
            return compile_predicate_builtin(self.compile, node, self.leaving)
        function, offset = LIBRARY[node.name], node.offset
        arguments = self.operands(node.arguments, [self.compile(argument) for argument in node.arguments])
        if len(arguments) == 1:
            return _one_argument(function, arguments[0], offset)

        def evaluate(run: Run) -> object:
            values = [argument(run) for argument in arguments]
            try:
                run.step()
                return function(run, *values)
            except Failure as failure:
                raise placed(failure, offset) from None

        return evaluate

    def predicate(self, node: n.Predicate) -> Evaluate:
        return self.compile(node.node)

    # Statements

    def let(self, node: n.Let) -> Evaluate:
        value = self.compile(node.value)
        index = self.slot()
        self.scopes.append((node.name, index))
        body = self.compile(node.body)
        self.scopes.pop()

        def evaluate(run: Run) -> object:
            run.variables[index] = value(run)
            return body(run)

        return evaluate

    def sequence(self, node: n.Sequence) -> Evaluate:
        parts = [self.compile(part) for part in node.nodes]

        def evaluate(run: Run) -> object:
            result: object = None
            for part in parts:
                result = part(run)
            return result

        return evaluate

    # Lists and maps

    def array(self, node: n.Array) -> Evaluate:
        items = self.operands(node.nodes, [self.compile(item) for item in node.nodes])
        count, offset = len(items), node.offset

        def evaluate(run: Run) -> object:
            result = [item(run) for item in items]
            try:
                run.grow(count)
            except Failure as failure:
                raise placed(failure, offset) from None
            return result

        return evaluate

    def map(self, node: n.Map) -> Evaluate:
        parts = [part for pair in node.pairs for part in n.children(pair)]
        closures = self.operands(parts, [self.compile(part) for part in parts])
        offsets = [key.offset for key in parts[::2]]
        pairs = list(zip(closures[::2], closures[1::2], offsets, strict=True))
        count = len(pairs)

        def evaluate(run: Run) -> object:
            run.grow(count)
            result: dict[str, object] = {}
            # The first of two equal keys wins, as in expr-lang, which fills the map from the end.
            for key, value, offset in pairs:
                name, item = key(run), value(run)
                if type(name) is not str:
                    raise Failure(f"a map key must be a string, not {type_name(name)}", offset)
                result.setdefault(name, item)
            return result

        return evaluate


def _field(base: Evaluate, key: str, offset: int) -> Evaluate:
    """Return the closure of ``base.key``, the most frequent member."""

    def evaluate(run: Run) -> object:
        value = base(run)
        if type(value) is dict:
            found = value.get(key)
            if type(found) in NATIVE:
                return found
        elif value is SKIP:
            return SKIP
        try:
            return fetch(value, key)
        except Failure as failure:
            raise placed(failure, offset) from None

    return evaluate


def _one_argument(function: Callable[..., object], argument: Evaluate, offset: int) -> Evaluate:
    def evaluate(run: Run) -> object:
        value = argument(run)
        try:
            run.step()
            return function(run, value)
        except Failure as failure:
            raise placed(failure, offset) from None

    return evaluate


def _charged(closure: Evaluate, cost: int) -> Evaluate:
    def evaluate(run: Run) -> object:
        run.step(cost)
        return closure(run)

    return evaluate


def _load(slot: int) -> Evaluate:
    return lambda run: run.variables[slot]


def _piecewise(pieces: list[Evaluate], slot: int) -> Evaluate:
    def evaluate(run: Run) -> object:
        for piece in pieces:
            run.variables[slot] = piece(run)
        return run.variables[slot]

    return evaluate


_COMPILERS: Mapping[type[n.Node], Any] = cast(
    "Mapping[type[n.Node], Any]",
    {
        **dict.fromkeys(
            (n.Nil, n.Integer, n.Float, n.Bool, n.String, n.Bytes, n.Constant), _Compiler.constant
        ),
        n.Identifier: _Compiler.identifier,
        n.Pointer: _Compiler.pointer,
        n.Unary: _Compiler.unary,
        n.Binary: _Compiler.binary,
        n.Conditional: _Compiler.conditional,
        n.Chain: _Compiler.chain,
        n.Member: _Compiler.member,
        n.Slice: _Compiler.slice,
        n.Call: _Compiler.call,
        n.Builtin: _Compiler.builtin,
        n.Predicate: _Compiler.predicate,
        n.Let: _Compiler.let,
        n.Sequence: _Compiler.sequence,
        n.Array: _Compiler.array,
        n.Map: _Compiler.map,
    },
)
