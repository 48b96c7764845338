"""Turns tokens into a syntax tree by precedence climbing.

The nesting of the text is bounded here, so that no later walk over the tree runs out of stack; a left-deep chain
of binary operators counts as one level.

Source: expr-lang 1.17.8 parser/parser.go.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from freightway.expr import nodes as n
from freightway.expr.failure import Failure
from freightway.expr.grammar import (
    BINARY,
    BUILTINS,
    COMPARISONS,
    NEGATABLE,
    PIPE,
    PREDICATE_BUILTINS,
    RIGHT_ASSOCIATIVE,
    UNARY,
)
from freightway.expr.lexer import Kind, Token, is_identifier, tokenize
from freightway.expr.limits import DEFAULT_LIMITS, Limits

MAX_INT = (1 << 63) - 1
TOO_DEEP = "the expression is nested too deeply"
TOO_MANY_NODES = "compilation failed: expression exceeds maximum allowed nodes"


def parse(source: str, *, functions: Collection[str] = (), limits: Limits = DEFAULT_LIMITS) -> n.Node:
    """Return the syntax tree of an expression.

    Args:
        functions: names of functions that take the place of builtins of the same name.
        limits: ``max_nodes`` and ``max_depth`` apply.
    Raises:
        Failure: if the text is no expression.
    """
    return _Parser(source, functions, limits).parse()


class _Parser:
    def __init__(self, source: str, functions: Collection[str], limits: Limits) -> None:
        self.tokens = tokenize(source)
        self.functions = functions
        self.limits = limits
        self.position = -1
        self.node_count = 0
        self.depth = 0
        self.predicate_depth = 0
        self.current: Token = self.tokens[0]
        self.next()

    def parse(self) -> n.Node:
        node = self.sequence()
        if self.current.kind is not Kind.EOF:
            self.unexpected()
        return node

    # Tokens

    def next(self) -> None:
        if self.position + 1 >= len(self.tokens):
            raise Failure("unexpected end of expression", self.current.offset)
        self.position += 1
        self.current = self.tokens[self.position]
        if self.current.kind is Kind.ERROR:
            raise Failure(self.current.value, self.current.offset)

    def at_operator(self, value: str) -> bool:
        return self.current.kind is Kind.OPERATOR and self.current.value == value

    def at_bracket(self, value: str) -> bool:
        return self.current.kind is Kind.BRACKET and self.current.value == value

    def expect(self, kind: Kind, value: str | None = None) -> Token:
        token = self.current
        if token.kind is not kind or (value is not None and token.value != value):
            self.unexpected()
        self.next()
        return token

    def unexpected(self) -> None:
        raise Failure(f"unexpected token {self.current}", self.current.offset)

    # Limits

    def count(self, nodes: int = 1) -> None:
        self.node_count += nodes
        if self.node_count > self.limits.max_nodes:
            raise Failure(TOO_MANY_NODES, self.current.offset)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > self.limits.max_depth:
            raise Failure(TOO_DEEP, self.current.offset)

    # Expressions

    def sequence(self) -> n.Node:
        nodes = [self.expression(0)]
        while self.at_operator(";"):
            self.next()
            if self.current.kind is Kind.EOF:
                break
            nodes.append(self.expression(0))
        if len(nodes) == 1:
            return nodes[0]
        self.count()
        return n.Sequence(nodes, offset=nodes[0].offset)

    def expression(self, precedence: int) -> n.Node:
        self.enter()
        if precedence == 0 and self.at_operator("let"):
            node = self.let()
        elif precedence == 0 and self.at_operator("if"):
            node = self.conditional_if()
        else:
            node = self.binary(self.primary(), precedence)
            if precedence == 0:
                node = self.ternary(node)
        self.depth -= 1
        return node

    def binary(self, left: n.Node, precedence: int) -> n.Node:
        previous = ""
        depth = self.depth
        while self.current.kind is Kind.OPERATOR:
            negated = self.at_operator("not")
            if negated and not self.enter_negated(precedence):
                break
            token = self.current
            binding = BINARY.get(token.value, -1)
            if binding < precedence:
                break
            self.next()
            if negated or token.value == PIPE:
                self.enter()  # these nest on the left without being binary operators
            if token.value == PIPE:
                left = self.call(self.expect(Kind.IDENTIFIER), [left])
            elif previous == "??" and token.value != "??":
                message = f"Operator ({token.value}) and coalesce expressions (??) cannot be mixed. "
                raise Failure(message + "Wrap either by parentheses.", token.offset)
            elif token.value in COMPARISONS:
                left = self.comparison(left, token, binding)
            else:
                right = self.expression(binding + (token.value not in RIGHT_ASSOCIATIVE))
                self.count()
                left = n.Binary(token.value, left, right, offset=token.offset)
                if negated:
                    self.count()
                    left = n.Unary("not", left, offset=token.offset)
            previous = token.value
        self.depth = depth
        return left

    def enter_negated(self, precedence: int) -> bool:
        """Step over ``not`` if an operator such as ``in`` follows that binds strongly enough."""
        self.next()
        if self.current.value not in NEGATABLE:
            self.unexpected()
        if BINARY[self.current.value] >= precedence:
            return True
        self.position -= 1
        self.current = self.tokens[self.position]
        return False

    def comparison(self, left: n.Node, token: Token, binding: int) -> n.Node:
        """Parse ``a < b < c`` as ``a < b && b < c``."""
        root: n.Node | None = None
        while True:
            right = self.expression(binding + 1)
            self.count()
            pair = n.Binary(token.value, left, right, offset=token.offset)
            if root is None:
                root = pair
            else:
                self.count()
                root = n.Binary("&&", root, pair, offset=token.offset)
            left, token = right, self.current
            if token.kind is not Kind.OPERATOR or token.value not in COMPARISONS:
                return root
            self.next()

    def let(self) -> n.Node:
        self.next()
        name = self.expect(Kind.IDENTIFIER)
        self.expect(Kind.OPERATOR, "=")
        value = self.expression(0)
        self.expect(Kind.OPERATOR, ";")
        body = self.sequence()
        self.count()
        return n.Let(name.value, value, body, offset=name.offset)

    def conditional_if(self) -> n.Node:
        self.enter()
        offset = self.current.offset
        self.next()
        condition = self.expression(0)
        then = self.block()
        self.expect(Kind.OPERATOR, "else")
        otherwise = self.conditional_if() if self.at_operator("if") else self.block()
        self.depth -= 1
        return n.Conditional(False, condition, then, otherwise, offset=offset)

    def block(self) -> n.Node:
        self.expect(Kind.BRACKET, "{")
        node = self.sequence()
        self.expect(Kind.BRACKET, "}")
        return node

    def ternary(self, node: n.Node) -> n.Node:
        while self.at_operator("?"):
            offset = self.current.offset
            self.next()
            if self.at_operator(":"):
                self.next()
                then = node
            else:
                then = self.expression(0)
                self.expect(Kind.OPERATOR, ":")
            otherwise = self.expression(0)
            self.count()
            node = n.Conditional(True, node, then, otherwise, offset=offset)
        return node

    def primary(self) -> n.Node:
        token = self.current
        if token.kind is Kind.OPERATOR:
            if token.value in UNARY:
                self.next()
                operand = self.expression(UNARY[token.value])
                self.count()
                return self.postfix(n.Unary(token.value, operand, offset=token.offset))
            if self.predicate_depth and token.value in {"#", "."}:
                return self.postfix(self.pointer(token))
            if token.value == "::":
                self.next()
                name = self.expect(Kind.IDENTIFIER)
                return self.postfix(self.call(name, [], allow_override=False))
        if self.at_bracket("("):
            self.next()
            node = self.sequence()
            self.expect(Kind.BRACKET, ")")
            return self.postfix(node)
        return self.secondary()

    def pointer(self, token: Token) -> n.Node:
        name = ""
        if token.value == "#":
            self.next()
            if self.current.kind is Kind.IDENTIFIER:
                name = self.current.value
                self.next()
        self.count()
        return n.Pointer(name, offset=token.offset)

    def secondary(self) -> n.Node:
        token = self.current
        node: n.Node
        if token.kind is Kind.IDENTIFIER:
            self.next()
            if token.value in {"true", "false"}:
                self.count()
                return n.Bool(token.value == "true", offset=token.offset)
            if token.value == "nil":
                self.count()
                return n.Nil(offset=token.offset)
            if self.at_bracket("("):
                node = self.call(token, [])
            else:
                self.count()
                node = n.Identifier(token.value, offset=token.offset)
        elif token.kind is Kind.NUMBER:
            self.next()
            self.count()
            return number(token)
        elif token.kind is Kind.STRING:
            self.next()
            self.count()
            node = n.String(token.value, offset=token.offset)
        elif token.kind is Kind.BYTES:
            self.next()
            self.count()
            node = n.Bytes(token.value.encode("latin-1"), offset=token.offset)
        elif self.at_bracket("["):
            node = self.array(token)
        elif self.at_bracket("{"):
            node = self.map(token)
        else:
            raise Failure(f"unexpected token {token}", token.offset)
        return self.postfix(node)

    # Calls

    def call(self, token: Token, arguments: list[n.Node], *, allow_override: bool = True) -> n.Node:
        overridden = allow_override and token.value in self.functions
        if token.value in PREDICATE_BUILTINS and not overridden:
            arguments = self.predicate_arguments(token.value, arguments)
        else:
            arguments = self.arguments(arguments)
        if token.value in BUILTINS and not overridden:
            self.count()
            return n.Builtin(token.value, arguments, offset=token.offset)
        self.count(2)
        callee = n.Identifier(token.value, offset=token.offset)
        return n.Call(callee, arguments, offset=token.offset)

    def predicate_arguments(self, name: str, arguments: list[n.Node]) -> list[n.Node]:
        self.expect(Kind.BRACKET, "(")
        expected = PREDICATE_BUILTINS[name][len(arguments) :]
        for index, kind in enumerate(expected):
            if self.at_bracket(")"):
                if kind.startswith("optional"):
                    break
                raise Failure(f"expected at least {len(expected)} arguments", self.current.offset)
            if index > 0:
                self.expect(Kind.OPERATOR, ",")
            arguments.append(self.predicate() if kind.endswith("predicate") else self.expression(0))
        if self.at_operator(","):
            self.next()
        self.expect(Kind.BRACKET, ")")
        return arguments

    def arguments(self, arguments: list[n.Node]) -> list[n.Node]:
        self.expect(Kind.BRACKET, "(")
        first = True
        while not self.at_bracket(")"):
            if not first:
                self.expect(Kind.OPERATOR, ",")
                if self.at_bracket(")"):
                    break
            arguments.append(self.expression(0))
            first = False
        self.expect(Kind.BRACKET, ")")
        return arguments

    def predicate(self) -> n.Node:
        offset = self.current.offset
        braces = self.at_bracket("{")
        if braces:
            self.next()
        self.predicate_depth += 1
        node = self.sequence() if braces else self.expression(0)
        if not braces and self.at_operator(";"):
            raise Failure("wrap predicate with brackets { and }", self.current.offset)
        self.predicate_depth -= 1
        if braces:
            self.expect(Kind.BRACKET, "}")
        self.count()
        return n.Predicate(node, offset=offset)

    # Literals of lists and maps

    def array(self, token: Token) -> n.Node:
        self.next()
        items: list[n.Node] = []
        while not self.at_bracket("]"):
            if items:
                self.expect(Kind.OPERATOR, ",")
                if self.at_bracket("]"):
                    break
            items.append(self.expression(0))
        self.next()
        self.count()
        return n.Array(items, offset=token.offset)

    def map(self, token: Token) -> n.Node:
        self.next()
        pairs: list[n.Node] = []
        while not self.at_bracket("}"):
            if pairs:
                self.expect(Kind.OPERATOR, ",")
                if self.at_bracket("}"):
                    break
            key = self.map_key()
            self.expect(Kind.OPERATOR, ":")
            value = self.expression(0)
            self.count()
            pairs.append(n.Pair(key, value, offset=token.offset))
        self.next()
        self.count()
        return n.Map(pairs, offset=token.offset)

    def map_key(self) -> n.Node:
        token = self.current
        if token.kind in {Kind.NUMBER, Kind.STRING, Kind.IDENTIFIER}:
            self.count()
            self.next()
            return n.String(token.value, offset=token.offset)
        if self.at_bracket("("):
            return self.expression(0)
        message = "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses"
        raise Failure(f"{message} (unexpected token {token})", token.offset)

    # What follows a primary expression

    def postfix(self, node: n.Node) -> n.Node:
        depth = self.depth
        while self.current.kind in {Kind.OPERATOR, Kind.BRACKET}:
            token = self.current
            if token.value == "?." or (token.value == "." and token.kind is Kind.OPERATOR):
                self.next()
                if token.value == "?." and self.at_bracket("["):
                    node = self.index(node, optional=True)
                else:
                    node = self.field(node, optional=token.value == "?.")
            elif token.value == "[":
                node = self.index(node, optional=False)
            else:
                break
            self.enter()  # a chain of members is deep on the left
        self.depth = depth
        return node

    def field(self, base: n.Node, *, optional: bool) -> n.Node:
        token = self.current
        self.next()
        if token.kind is not Kind.IDENTIFIER and not (
            token.kind is Kind.OPERATOR and is_identifier(token.value)
        ):
            raise Failure("expected name", self.current.offset)
        in_chain = isinstance(base, n.Chain)
        if isinstance(base, n.Chain):
            base = base.node
        self.count(2)
        name = n.String(token.value, offset=token.offset)
        member = n.Member(base, name, optional, offset=token.offset)
        node: n.Node = member
        if self.at_bracket("("):
            member.method = True
            node = n.Call(member, self.arguments([]), offset=token.offset)
            self.count()
        if in_chain or optional:
            self.count()
            node = n.Chain(node, offset=token.offset)
        return node

    def index(self, base: n.Node, *, optional: bool) -> n.Node:
        offset = self.current.offset
        self.next()
        start: n.Node | None = None
        if not self.at_operator(":"):
            start = self.expression(0)
        if start is not None and not self.at_operator(":"):
            self.count()
            node: n.Node = n.Member(base, start, optional, offset=offset)
            if optional:
                self.count()
                node = n.Chain(node, offset=offset)
        else:
            self.next()
            stop = None if self.at_bracket("]") else self.expression(0)
            self.count()
            node = n.Slice(base, start, stop, offset=offset)
        self.expect(Kind.BRACKET, "]")
        return node


def number(token: Token) -> n.Node:
    """Return the literal that a number token stands for.

    Raises:
        Failure: if it is malformed or out of range.
    """
    text = token.value.replace("_", "").lower()
    is_hex = text.startswith("0x")
    if not is_hex and ("." in text or "e" in text):
        try:
            value = float(text)
        except ValueError:
            raise Failure(f'invalid float literal: "{text}"', token.offset) from None
        if math.isinf(value):
            raise Failure(f'float literal out of range: "{text}"', token.offset)
        return n.Float(value, offset=token.offset)
    radix = {"0x": 16, "0b": 2, "0o": 8}.get(text[:2], 10)
    digits = text[2:] if radix != 10 else text
    if len(digits) > 64 and digits.strip("0"):
        digits = digits.lstrip("0")
    try:
        integer = int(digits[:70] or "-", radix)
    except ValueError:
        raise Failure(f'invalid integer literal: "{text}"', token.offset) from None
    if integer > MAX_INT or len(digits) > 70:
        raise Failure(f'integer literal out of range: "{text[:70]}"', token.offset)
    return n.Integer(integer, offset=token.offset)
