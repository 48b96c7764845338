"""The grammar of Kubernetes' JSONPath templates: text with ``{...}`` actions becomes a list of nodes.

Source: k8s.io/client-go ``util/jsonpath`` parser.go; differs: nothing that changes a result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from freightway.errors import InvalidResource

_DICT_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_TERMINATORS = frozenset(".,[]$@{}")
_LINE_ENDS = frozenset("\r\n")


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a boolean."""

    value: str | float | bool
    is_integer: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a key."""

    name: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """``range`` or ``end``; any other word is refused when it is evaluated."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Every element or value."""


@dataclass(frozen=True, slots=True)
class Recursive:
    """Everything below."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an array; ``is_index`` marks a single index, whose end was derived from its start."""

    start: int | None
    end: int | None
    step: int | None
    is_index: bool


@dataclass(frozen=True, slots=True)
class Union:
    """Several subscripts, their results one after the other."""

    parts: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """The elements of an array for which a comparison holds; the operator ``exists`` compares nothing."""

    left: Sequence
    operator: str
    right: Sequence


@dataclass(frozen=True, slots=True)
class Sequence:
    """Nodes that are applied one after the other."""

    nodes: list[Node] = field(default_factory=list)


Node = Literal | Field | Identifier | Wildcard | Recursive | Slice | Union | Filter | Sequence


def parse(text: str) -> list[Node]:
    """Return the texts and actions of a JSONPath template.

    Raises:
        InvalidResource: if the template does not parse.
    """
    return _Parser(text).run()


class _Parser:
    """One left-to-right reading of a template; ``start`` and ``pos`` bound the token being read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = 0
        self.pos = 0
        self.root: list[Node] = []

    def run(self) -> list[Node]:
        while self.pos < len(self.text):
            if self.text.startswith("{", self.pos):
                self._emit_text()
                self.pos += 1
                self._take()
                action = Sequence()
                self.root.append(action)
                self._read_action(action.nodes)
            else:
                self.pos += 1
        self._emit_text()
        return self.root

    def _emit_text(self) -> None:
        if self.pos > self.start:
            self.root.append(Literal(self._take()))

    def _read_action(self, nodes: list[Node]) -> None:
        while True:
            if self.text.startswith("}", self.pos):
                self.pos += 1
                self._take()
                return
            if self.text.startswith("[?(", self.pos):
                self._read_filter(nodes)
            elif self.text.startswith("..", self.pos):
                self._read_recursive(nodes)
            else:
                self._read_token(nodes)

    def _read_token(self, nodes: list[Node]) -> None:
        char = self._next()
        if char == "" or char in _LINE_ENDS:
            raise InvalidResource("unclosed action")
        if char in " @$":
            self._take()
        elif char == "[":
            self._read_array(nodes)
        elif char in "\"'":
            self._read_quoted(nodes, char)
        elif char == ".":
            self._read_field(nodes)
        elif char in "+-" or char.isdigit():
            self.pos -= 1
            self._read_number(nodes)
        elif char.isalnum() or char == "_":
            self.pos -= 1
            self._read_word(nodes)
        else:
            raise InvalidResource(f"unrecognized character in action: U+{ord(char):04X} '{char}'")

    def _read_word(self, nodes: list[Node]) -> None:
        while not self._at_terminator():
            self.pos += 1
        word = self._take()
        nodes.append(Literal(word == "true") if word in ("true", "false") else Identifier(word))

    def _read_recursive(self, nodes: list[Node]) -> None:
        if nodes and isinstance(nodes[-1], Recursive):
            raise InvalidResource("invalid multiple recursive descent")
        self.pos += 2
        self._take()
        nodes.append(Recursive())
        char = self._peek()
        if char.isalnum() or char == "_":
            self._read_field(nodes)

    def _read_number(self, nodes: list[Node]) -> None:
        if self._peek() in ("+", "-"):
            self.pos += 1
        while self._peek() == "." or self._peek().isdigit():
            self.pos += 1
        text = self._take()
        try:
            if re.fullmatch(r"[-+]?[0-9]+", text):
                nodes.append(Literal(float(text), is_integer=True))
            else:
                nodes.append(Literal(float(text)))
        except ValueError as error:
            raise InvalidResource(f"cannot parse number {text}") from error

    def _read_array(self, nodes: list[Node]) -> None:
        while (char := self._next()) != "]":
            if char in ("", "\n"):
                raise InvalidResource("unterminated array")
        text = self._take()[1:-1]
        text = ":" if text == "*" else text
        parts = text.split(",")
        key = _DICT_KEY.fullmatch(text)
        if len(parts) > 1:
            nodes.append(Union(tuple(_parse_action(f"[{part.strip(' ')}]") for part in parts)))
        elif key is not None:
            nodes.extend(_parse_action(f".{key.group(1)}").nodes)
        else:
            nodes.append(_parse_slice(text))

    def _read_filter(self, nodes: list[Node]) -> None:
        self.pos += len("[?(")
        self._take()
        begun = ended = False
        pair = ""
        while True:
            char = self._next()
            if char in ("", "\n"):
                raise InvalidResource("unterminated filter")
            if char in "\"'":
                if not begun:
                    begun, pair = True, char
                elif self.text[self.pos - 2] != "\\" and char == pair:
                    ended = True
            elif char == ")" and begun == ended:
                break
        if self._next() != "]":
            raise InvalidResource("unclosed array expect ]")
        text = self._take()[:-2]
        match = _COMPARISON.fullmatch(text)
        if match is None:
            nodes.append(Filter(_parse_action(text), "exists", Sequence()))
        else:
            nodes.append(Filter(_parse_action(match.group(1)), match.group(2), _parse_action(match.group(3))))

    def _read_quoted(self, nodes: list[Node], quote: str) -> None:
        while True:
            char = self._next()
            if char in ("", "\n"):
                raise InvalidResource("unterminated quoted string")
            if char == quote and self.text[self.pos - 2] != "\\":
                break
        nodes.append(Literal(_unquote(self._take())))

    def _read_field(self, nodes: list[Node]) -> None:
        self._take()
        while not self._at_terminator():
            self.pos += 2 if self._peek() == "\\" else 1
        self.pos = min(self.pos, len(self.text))
        name = self._take()
        nodes.append(Wildcard() if name == "*" else Field(name.replace("\\", "")))

    def _at_terminator(self) -> bool:
        char = self._peek()
        return char == "" or char.isspace() or char in _TERMINATORS

    def _peek(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def _next(self) -> str:
        char = self._peek()
        self.pos += 1
        return char

    def _take(self) -> str:
        taken = self.text[self.start : self.pos]
        self.start = self.pos
        return taken


def _parse_action(text: str) -> Sequence:
    first = parse(f"{{{text}}}")[0]
    assert isinstance(first, Sequence)
    return first


def _parse_slice(text: str) -> Slice:
    match = _SLICE.fullmatch(text)
    if match is None:
        raise InvalidResource(f"invalid array index {text}")
    start, end, step = match.groups()
    first = _slice_number(start)
    each = _slice_number(step and step[1:])
    if end:
        return Slice(first, _slice_number(end[1:]), each, is_index=False)
    return Slice(first, (first or 0) + 1, each, is_index=True)


def _slice_number(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InvalidResource(f"array index {text} is not a number") from error


def _unquote(text: str) -> str:
    """The value of a quoted text; an escape that is none keeps the character."""
    escapes = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match.group(1), match.group(1)), text[1:-1])
