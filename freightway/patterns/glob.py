"""Globs over a whole path: ``*``, ``?``, ``[class]``, ``{a,b}`` and ``**`` for any number of folders.

Follows doublestar 4.10.0, its corner cases included: where a pattern may take several ways, the first way that
fits decides, a class may match the separator, and an alternative starts as if at the start of a folder.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

_MAX_BRACES = 100
_MAX_ALTERNATIVES = 10_000


class _Retry(NamedTuple):
    """Where to go on in pattern and name when what follows a star does not fit."""

    pattern_at: int
    name_at: int


def check_glob(pattern: str) -> str | None:
    """Return what is wrong with a glob, or None if it is well formed."""
    depth = at = 0
    alternatives: list[int] = []
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
            if at >= len(pattern):
                return "it ends in a lone backslash"
        elif char == "[":
            at = _class_end(pattern, at)
            if at < 0:
                return "a [class] is empty or not closed"
        elif char == "{":
            depth += 1
            alternatives.append(1)
        elif char == "}":
            depth -= 1
            if depth < 0:
                return "it closes a brace that it did not open"
        elif char == "," and depth:
            alternatives[-1] += 1
        at += 1
    if depth:
        return "it does not close a brace"
    if len(alternatives) > _MAX_BRACES or prod(alternatives) > _MAX_ALTERNATIVES:
        return f"it stands for more than {_MAX_ALTERNATIVES} alternatives"
    return None


def _class_end(pattern: str, at: int) -> int:
    """Return where the class that opens at a place is closed, -1 if it is empty or open."""
    at += 1
    if pattern[at : at + 1] in {"^", "!"}:
        at += 1
    return -1 if pattern[at : at + 1] == "]" else _find(pattern, "]", at)


def _find(pattern: str, char: str, at: int) -> int:
    """Return the place of an unescaped character at or after a place, -1 if there is none."""
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == char:
            return at
        at += 1
    return -1


def match_glob(pattern: str, name: str) -> bool:
    """Return whether a well-formed glob matches a whole name."""
    return _match(pattern, 0, name, 0, None, None)


def _match(
    pattern: str, at: int, name: str, name_at: int, star: _Retry | None, folders: _Retry | None
) -> bool:
    at_folder_start = True
    while name_at < len(name):
        char = pattern[at : at + 1]
        if char == "*":
            after = at + 2 if pattern[at + 1 : at + 2] == "*" else at + 1
            if after == at + 2 and at_folder_start:
                if after == len(pattern):
                    return True
                if pattern[after] == "/":
                    at = after + 1
                    star, folders = None, _Retry(at, name_at)
                    continue
            at_folder_start = False
            at = after
            star = _Retry(at, name_at)
            continue
        if char == "{":
            return _match_alternatives(pattern, at, name, name_at, star, folders)
        end = _match_one(pattern, at, name[name_at]) if char else -1
        if end >= 0:
            at_folder_start = char != "[" and name[name_at] == "/"
            at, name_at = end, name_at + 1
        elif star is not None and name[star.name_at] != "/":
            star = _Retry(star.pattern_at, star.name_at + 1)
            at, name_at = star
            at_folder_start = False
        elif folders is not None and (slash := name.find("/", folders.name_at)) >= 0:
            folders = _Retry(folders.pattern_at, slash + 1)
            at, name_at = folders
            at_folder_start = True
        else:
            return False
    return _matches_nothing(pattern[at:])


def _match_one(pattern: str, at: int, char: str) -> int:
    """Return where the pattern goes on after one character of the name, -1 if it does not match it."""
    if pattern[at] == "?":
        return at + 1 if char != "/" else -1
    if pattern[at] == "[":
        return _match_class(pattern, at, char)
    if pattern[at] == "\\":
        at += 1
    return at + 1 if pattern[at : at + 1] == char else -1


def _match_class(pattern: str, at: int, char: str) -> int:
    at += 1
    negated = pattern[at] in "^!"
    at += negated
    found = False
    previous = ""
    while at < len(pattern) and pattern[at] != "]" and not found:
        is_range = previous != "" and pattern[at] == "-" and pattern[at + 1 : at + 2] not in {"", "]"}
        at += is_range
        if pattern[at] == "\\":
            at += 1
        member = pattern[at : at + 1]
        at += 1
        found = previous <= char <= member if is_range else member == char
        previous = "" if is_range else member
    return _find(pattern, "]", at) + 1 if found != negated else -1


def _alternatives(pattern: str, at: int) -> tuple[list[str], str]:
    """Return what stands between the commas of the brace that opens at a place, and what follows it."""
    depth, start, found = 0, at + 1, []
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        if (char == "," and depth == 1) or depth == 0:
            found.append(pattern[start:at])
            start = at + 1
        if depth == 0:
            break
        at += 1
    return found, pattern[at + 1 :]


def _match_alternatives(
    pattern: str, at: int, name: str, name_at: int, star: _Retry | None, folders: _Retry | None
) -> bool:
    found, rest = _alternatives(pattern, at)
    for alternative in found:
        if _match(pattern[:at] + alternative + rest, at, name, name_at, star, folders):
            return True
    return False


def _matches_nothing(pattern: str) -> bool:
    """Return whether what is left of a pattern matches the end of a name."""
    if pattern in {"", "*", "**", "/**", "**/", "/**/"}:
        return True
    if not pattern.startswith("{"):
        return False
    found, rest = _alternatives(pattern, 0)
    return any(_matches_nothing(alternative + rest) for alternative in found)
