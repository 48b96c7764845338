"""Patterns for names of Stages and projects: exact, ``glob:`` or ``regex:``.

Source: Kargo pkg/pattern/matcher.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import re2

_REGEX_PREFIXES = ("regex:", "regexp:")
_GLOB_PREFIX = "glob:"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern for names.

    Attributes:
        kind: ``exact``, ``glob`` (whole name) or ``regex`` (anywhere in the name, RE2).
        text: the pattern without its prefix.
    """

    kind: Literal["exact", "glob", "regex"]
    text: str

    def matches(self, name: str) -> bool:
        """Tell whether a name fits the pattern."""
        if self.kind == "exact":
            return name == self.text
        if self.kind == "glob":
            return re2.fullmatch(glob_to_regex(self.text), name) is not None
        return re2.search(self.text, name) is not None


def parse_name_pattern(text: str) -> NamePattern:
    """Return the pattern that a text stands for.

    Raises:
        ValueError: if its prefix is unknown or the glob or regular expression does not parse.
    """
    for prefix in _REGEX_PREFIXES:
        if text.startswith(prefix):
            check_regex(text[len(prefix) :])
            return NamePattern("regex", text[len(prefix) :])
    if text.startswith(_GLOB_PREFIX):
        glob = text[len(_GLOB_PREFIX) :]
        check_regex(glob_to_regex(glob))
        return NamePattern("glob", glob)
    if ":" in text:
        prefix = text.split(":", 1)[0]
        raise ValueError(f"{text!r} has the unknown prefix {prefix!r}; use glob:, regex: or a plain name")
    return NamePattern("exact", text)


def check_regex(text: str) -> None:
    """Check that a text is a regular expression of RE2's syntax.

    Raises:
        ValueError: if it is not.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "syntax error"
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise ValueError(f"{text!r} is not a regular expression of RE2's syntax: {reason}") from None


def glob_to_regex(glob: str) -> str:
    """Return a glob with ``*``, ``**``, ``?``, ``[...]`` and ``{a,b}`` as a regular expression.

    Names hold no ``/``, yet the separator keeps its meaning: only ``**`` crosses it.

    Raises:
        ValueError: if a bracket or brace is not closed or the glob ends with a backslash.
    """
    result: list[str] = []
    braces, index = 0, 0
    while index < len(glob):
        char = glob[index]
        if glob.startswith("**", index):
            result.append(".*")
            index += 2
            continue
        if char == "[":
            end = glob.find("]", index + 2)
            if end < 0:
                raise ValueError(f"{glob!r} is not a glob: '[' is not closed")
            body = glob[index + 1 : end]
            negated = body[:1] in ("!", "^")
            body = body[1:] if negated else body
            result.append("[" + ("^" if negated else "") + body.replace("[", r"\[") + "]")
            index = end + 1
            continue
        if char == "\\":
            if index + 1 == len(glob):
                raise ValueError(f"{glob!r} is not a glob: it ends with a backslash")
            result.append(re2.escape(glob[index + 1]))
            index += 2
            continue
        braces += (char == "{") - (char == "}" and braces > 0)
        result.append(_glob_char(char, braces, glob))
        index += 1
    if braces:
        raise ValueError(f"{glob!r} is not a glob: '{{' is not closed")
    return "".join(result)


def _glob_char(char: str, braces: int, glob: str) -> str:
    match char:
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case "{":
            return "(?:"
        case "}":
            if glob.count("}") > glob.count("{"):
                raise ValueError(f"{glob!r} is not a glob: '}}' has no '{{'")
            return ")"
        case "," if braces:
            return "|"
        case _:
            return str(re2.escape(char))
