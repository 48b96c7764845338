"""Splits the text of an expression into tokens.

A mistake becomes a token of kind ``ERROR``, so that the parser reports whatever comes first in the text.

Source: expr-lang 1.17.8 parser/lexer.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from freightway.expr.escapes import EscapeError, check_escape, unescape_bytes, unescape_text
from freightway.expr.failure import Failure

KEYWORDS = frozenset(
    {"not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"}
)
SPACES = frozenset("\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(code) for code in range(0x2000, 0x200B)
}
_ASCII_WORD = re.compile(r"[A-Za-z0-9_$]*")
DIGITS = "0123456789_"
RADIX_DIGITS = {"x": DIGITS + "abcdefABCDEF", "o": "01234567_", "b": "01_"}


class Kind(Enum):
    """Kinds of tokens."""

    IDENTIFIER = "Identifier"
    NUMBER = "Number"
    STRING = "String"
    BYTES = "Bytes"
    OPERATOR = "Operator"
    BRACKET = "Bracket"
    EOF = "EOF"
    ERROR = "Error"


class Token(NamedTuple):
    """One token; ``offset`` counts characters from 0. A bytes literal keeps one character per byte."""

    kind: Kind
    value: str
    offset: int

    def __str__(self) -> str:
        if not self.value:
            return self.kind.value
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.kind.value}("{escaped}")'


def is_letter(character: str) -> bool:
    """Return whether an identifier may start with the character."""
    return character in {"_", "$"} or character.isalpha()


def is_word(character: str) -> bool:
    """Return whether an identifier may contain the character."""
    return is_letter(character) or character.isdecimal()


def is_identifier(text: str) -> bool:
    """Return whether the text is one identifier (keywords included)."""
    return bool(text) and is_letter(text[0]) and all(is_word(character) for character in text)


def tokenize(source: str) -> list[Token]:
    """Return the tokens of an expression; the last one is ``EOF`` or ``ERROR``."""
    return _Lexer(source).run()


class _Lexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.start = 0
        self.end = 0
        self.tokens: list[Token] = []

    def run(self) -> list[Token]:
        try:
            while self.end < len(self.source):
                self.start = self.end
                if self.source[self.end] == " ":
                    self.end += 1
                else:
                    self.scan()
        except Failure as failure:
            self.tokens.append(Token(Kind.ERROR, failure.message, max(self.end - 1, 0)))
        else:
            self.tokens.append(Token(Kind.EOF, "", max(len(self.source) - 1, 0)))
        return self.tokens

    def peek(self) -> str:
        return self.source[self.end] if self.end < len(self.source) else ""

    def next(self) -> str:
        character = self.peek()
        self.end += 1
        return character

    def accept(self, valid: str) -> bool:
        character = self.peek()
        if character and character in valid:
            self.end += 1
            return True
        return False

    def accept_run(self, valid: str) -> None:
        while self.accept(valid):
            pass

    def emit(self, kind: Kind, value: str | None = None) -> None:
        text = self.source[self.start : self.end] if value is None else value
        self.tokens.append(Token(kind, text, self.start))
        self.start = self.end

    def scan(self) -> None:
        character = self.next()
        if character in SPACES:
            return
        if is_letter(character):
            self.word_or_bytes(character)
        elif character in "\"'":
            self.string(character)
        elif "0" <= character <= "9":
            self.end -= 1
            self.number()
        elif character == "`":
            self.raw_string()
        elif character == "/":
            self.slash()
        elif character == ".":
            self.dot()
        elif character == "#":
            self.pointer()
        elif character in "([{)]}":
            self.emit(Kind.BRACKET)
        else:
            self.operator(character)

    def operator(self, character: str) -> None:
        if character in ",;%+-^":
            pass
        elif character in "&!=*<>":
            self.accept("&=*")
        elif character in "|:":
            self.accept(character)
        elif character == "?":
            self.accept(".?")
        elif is_word(character):
            self.word_or_bytes(character)
            return
        else:
            raise Failure(f"unrecognized character: U+{ord(character):04X} '{character}'")
        self.emit(Kind.OPERATOR)

    def word_or_bytes(self, first: str) -> None:
        if first in "bB" and self.peek() and self.peek() in "\"'":
            quote = self.next()
            self.skip_string(quote)
            body = self.source[self.start + 2 : self.end - 1]
            self.emit(Kind.BYTES, self.unescape(body, raw=True))
            return
        self.skip_word()
        word = self.source[self.start : self.end]
        self.emit(Kind.OPERATOR if word in KEYWORDS else Kind.IDENTIFIER)

    def skip_word(self) -> None:
        match = _ASCII_WORD.match(self.source, self.end)
        assert match is not None
        self.end = match.end()
        while self.peek() and is_word(self.peek()):
            self.end += 1

    def string(self, quote: str) -> None:
        self.skip_string(quote)
        self.emit(Kind.STRING, self.unescape(self.source[self.start + 1 : self.end - 1], raw=False))

    def unescape(self, body: str, *, raw: bool) -> str:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
        try:
            return unescape_bytes(body).decode("latin-1") if raw else unescape_text(body)
        except EscapeError as error:
            raise Failure(str(error)) from None

    def skip_string(self, quote: str) -> None:
        while True:
            character = self.next()
            if character == quote:
                return
            if character in {"", "\n"}:
                raise Failure("literal not terminated")
            if character == "\\":
                length = check_escape(self.source, self.end, quote)
                if length < 0:
                    raise Failure("invalid char escape")
                self.end += length

    def raw_string(self) -> None:
        while True:
            closing = self.source.find("`", self.end)
            if closing < 0:
                self.end = len(self.source)
                raise Failure("literal not terminated")
            self.end = closing + 1
            if self.peek() != "`":
                break
            self.end += 1
        self.emit(Kind.STRING, self.source[self.start + 1 : self.end - 1].replace("``", "`"))

    def slash(self) -> None:
        if self.accept("/"):
            newline = self.source.find("\n", self.end)
            self.end = len(self.source) if newline < 0 else newline + 1
        elif self.accept("*"):
            closing = self.source.find("*/", self.end)
            if closing < 0:
                self.end = len(self.source)
                raise Failure("unclosed comment")
            self.end = closing + 2
        else:
            self.emit(Kind.OPERATOR)

    def dot(self) -> None:
        if self.peek() and self.peek() in "0123456789":
            self.number()
            return
        self.accept(".")
        self.emit(Kind.OPERATOR)

    def pointer(self) -> None:
        self.accept("#")
        self.emit(Kind.OPERATOR)
        self.skip_word()
        if self.end > self.start:
            self.emit(Kind.IDENTIFIER)

    def number(self) -> None:
        digits = DIGITS
        if self.accept("0"):
            for radix, allowed in RADIX_DIGITS.items():
                if self.accept(radix + radix.upper()):
                    digits = allowed
                    break
        self.accept_run(digits)
        before_dot = self.end
        if self.accept("."):
            if self.peek() == ".":  # `1..2` is a range
                self.end = before_dot
                self.emit(Kind.NUMBER)
                return
            self.accept_run(digits)
        if self.accept("eE"):
            self.accept("+-")
            self.accept_run(digits)
        if self.peek() and is_word(self.peek()):
            self.end += 1
            raise Failure(f'bad number syntax: "{self.source[self.start : self.end]}"')
        self.emit(Kind.NUMBER)
