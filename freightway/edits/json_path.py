"""Keys of json-update: the path syntax of sjson, with the wildcards of gjson where sjson hands over to it.

Source: github.com/tidwall/sjson v1.2.5 parsePath, gjson v1.19.0; queries ``#(…)`` are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from freightway.edits.errors import EditError
from freightway.edits.json_scan import members

SPECIAL = frozenset("|#@*?")
DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a key.

    Attributes:
        text: the name or number, without escapes.
        is_name: whether a colon said that it is a name even if it looks like a number.
    """

    text: str
    is_name: bool = False

    @property
    def index(self) -> int | None:
        """The index for a place that does not exist yet; an empty part counts as 0, as in sjson."""
        if self.is_name or not (self.text == "" or DIGITS.fullmatch(self.text)):
            return None
        return int(self.text or "0")

    @property
    def appends(self) -> bool:
        """Whether it stands for the place after the last item."""
        return self.text == "-1" and not self.is_name


@dataclass(frozen=True, slots=True)
class Pattern:
    """One part of a key with wildcards: a matcher for names, and the text for indexes and ``#``."""

    text: str
    names: re.Pattern[str]


def parse_path(key: str) -> tuple[Part, ...] | None:
    r"""Return the parts of a key; None if it holds ``*``, ``?``, ``|``, ``#`` or ``@`` without a backslash."""
    parts: list[Part] = []
    text, is_name, at_start = "", False, True
    chars = iter(key)
    for char in chars:
        if at_start and char == ":":
            is_name, at_start = True, False
            continue
        at_start = False
        if char == ".":
            parts.append(Part(text, is_name))
            text, is_name, at_start = "", False, True
        elif char in SPECIAL:
            return None
        else:
            text += next(chars, "") if char == "\\" else char
    return (*parts, Part(text, is_name))


def parse_patterns(key: str) -> tuple[Pattern, ...] | None:
    """Return the parts of a key with wildcards; None if it holds a modifier, which changes no place in the file.

    Raises:
        EditError: if the key holds a query.
    """
    patterns: list[Pattern] = []
    text = names = ""
    chars = iter(key)
    for char in chars:
        if char in ".|":
            patterns.append(Pattern(text, re.compile(names, re.DOTALL)))
            text = names = ""
        elif char == "\\":
            escaped = next(chars, "")
            text, names = text + escaped, names + re.escape(escaped)
        elif char == "@" and not text:
            return None
        elif char == "(" and text == "#":
            raise EditError(f"key {key!r}: queries are not supported, give the index of the item")
        else:
            text += char
            names += {"*": ".*", "?": "."}.get(char, re.escape(char))
    return (*patterns, Pattern(text, re.compile(names, re.DOTALL)))


def find_matches(text: str, at: int, patterns: tuple[Pattern, ...]) -> Iterator[tuple[int, int]]:
    """Yield start and end of the values that a key with wildcards addresses below the value at ``at``."""
    if text[at] not in "[{":
        return
    first, rest = patterns[0], patterns[1:]
    every = text[at] == "[" and first.text == "#"
    if every and not rest:
        return  # the number of items is no place in the file
    for number, member in enumerate(members(text, at)):
        if member.key is None:
            found = every or (first.text.isdecimal() and int(first.text) == number)
        else:
            found = first.names.fullmatch(member.key) is not None
        if not found:
            continue
        if rest:
            yield from find_matches(text, member.value_start, rest)
        else:
            yield member.value_start, member.value_end
        if not every:
            return
