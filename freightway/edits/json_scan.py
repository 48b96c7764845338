"""Walk JSON text by position: where values, members and items start and end.

Comments (``//`` and ``/* */``) and trailing commas are taken in stride, as in configuration files that carry them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from freightway.edits.errors import EditError

STRING = r'"(?:[^"\\]|\\.)*"'
COMMENT = r"//[^\n]*|/\*.*?\*/"
GAP = re.compile(rf"(?:[ \t\r\n\f\v\ufeff]+|{COMMENT})*", re.DOTALL)
TOKEN = re.compile(rf"{STRING}|{COMMENT}|[\[\]{{}}]", re.DOTALL)
STRING_OR_COMMENT = re.compile(rf"({STRING})|{COMMENT}", re.DOTALL)
STRING_OR_TRAILING_COMMA = re.compile(rf"({STRING})|,(?=\s*[\]}}])", re.DOTALL)
WHOLE_STRING = re.compile(STRING, re.DOTALL)
SCALAR = re.compile(r"[^\s,\]}/]+")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object or item of an array.

    Attributes:
        gap_start: the character after the ``{``, ``[`` or ``,`` before it.
        start: its first character (of the key, if it has one).
        key: its name, None for an item.
        key_end: the character after the key.
        value_start: first character of the value.
        value_end: the character after the value.
    """

    gap_start: int
    start: int
    key: str | None
    key_end: int
    value_start: int
    value_end: int


def check_json(text: str) -> None:
    """Raise EditError with the line unless a text is JSON, possibly with comments and trailing commas."""
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        bare = STRING_OR_COMMENT.sub(
            lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), text.replace("\ufeff", " ", 1)
        )
        bare = STRING_OR_TRAILING_COMMA.sub(lambda m: m[1] or " ", bare)
        try:
            json.loads(bare, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            raise EditError(
                f"the file is not JSON: line {error.lineno}: {error.msg[0].lower()}{error.msg[1:]}"
            ) from error
    except RecursionError as error:
        raise EditError("the file is nested too deeply") from error


def skip_gap(text: str, at: int) -> int:
    """Return the position of the next character that is neither white space nor comment."""
    match = GAP.match(text, at)
    return match.end() if match else at


def value_end(text: str, at: int) -> int:
    """Return the position after the value that starts at ``at``."""
    if text[at] == '"':
        string = WHOLE_STRING.match(text, at)
        return string.end() if string else len(text)
    if text[at] not in "[{":
        scalar = SCALAR.match(text, at)
        return scalar.end() if scalar else at + 1
    depth = 0
    for token in TOKEN.finditer(text, at):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)


def members(text: str, at: int) -> Iterator[Member]:
    """Yield the members of the object, or the items of the array, that opens at ``at``."""
    is_object = text[at] == "{"
    gap_start = at + 1
    start = skip_gap(text, gap_start)
    while text[start] not in "}]":
        key, key_end, value_start = None, start, start
        if is_object:
            key_end = value_end(text, start)
            key = json.loads(text[start:key_end], strict=False)
            value_start = skip_gap(text, skip_gap(text, key_end) + 1)
        end = value_end(text, value_start)
        yield Member(gap_start, start, key, key_end, value_start, end)
        comma = skip_gap(text, end)
        if text[comma] != ",":
            return
        gap_start = comma + 1
        start = skip_gap(text, gap_start)
