"""Lines of a .gitignore, matched against paths below the folder they are for.

Source: gitignore(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    keeps: bool
    folders_only: bool


class IgnoreRules:
    """The rules of one text; of several that match a path the last one decides."""

    def __init__(self, text: str) -> None:
        self._rules = [rule for rule in map(_rule, text.splitlines()) if rule is not None]

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Return whether a path (relative, parts separated by ``/``) is ignored; its folders are not looked at."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                return not rule.keeps
        return False


def _rule(line: str) -> _Rule | None:
    line = line.rstrip("\r")
    stripped = line.rstrip(" ")
    line = stripped + " " if stripped.endswith("\\") and stripped != line else stripped
    if not line or line.startswith("#"):
        return None
    keeps = line.startswith("!")
    line = line[1:] if keeps else line
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    if not line:
        return None
    anchored = "/" in line
    source = glob_source(line.lstrip("/"))
    return _Rule(re.compile(source if anchored else f"(?:.*/)?{source}", re.DOTALL), keeps, folders_only)


def glob_source(pattern: str, *, braces: bool = False) -> str:
    """Return the regular expression for a glob: ``*``, ``?`` and ``[a-z]`` stay in one part, ``**`` crosses parts.

    Args:
        braces: whether ``{a,b}`` means either.
    Raises:
        ValueError: if a bracket or a brace is not closed, or the pattern ends in a backslash.
    """
    out: list[str] = []
    at = depth = 0
    while at < len(pattern):
        char = pattern[at]
        stars = re.match(r"(^|(?<=/))\*\*(/|$)", pattern[at:]) if _at_part(pattern, at) else None
        if stars:
            at += stars.end()
            if stars.group(2):
                out.append("(?:[^/]+/)*")
            elif out:  # a trailing ** also means the folder itself
                out[-1:] = [out[-1].removesuffix("/"), "(?:/.*)?"] if braces else [out[-1], ".+"]
            else:
                out.append(".+")
            continue
        if char == "[":
            at, source = _bracket(pattern, at)
            out.append(source)
            continue
        if char == "\\":
            at += 1
            if at == len(pattern):
                raise ValueError("the pattern ends in a backslash")
            out.append(re.escape(pattern[at]))
        elif braces and char in "{}" and (char == "{" or depth):
            depth += 1 if char == "{" else -1
            out.append("(?:" if char == "{" else ")")
        elif braces and depth and char == ",":
            out.append("|")
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
        at += 1
    if depth:
        raise ValueError("a brace is not closed")
    return "".join(out)


def _at_part(pattern: str, at: int) -> bool:
    return at == 0 or pattern[at - 1] == "/"


def _bracket(pattern: str, at: int) -> tuple[int, str]:
    """The end and the regular expression of the bracket that opens at ``at``."""
    end = at + 1
    negated = pattern[end : end + 1] in ("!", "^")
    end += negated
    start = end
    while end < len(pattern) and (pattern[end] != "]" or end == start):
        end += 2 if pattern[end] == "\\" else 1
    if end >= len(pattern):
        raise ValueError("a bracket is not closed")
    inside = re.sub(r"([\[&~|^])", r"\\\1", pattern[start:end])
    source = f"[{'^/' if negated else ''}{inside}]"
    try:
        re.compile(source)
    except re.error as error:
        raise ValueError(f"{pattern[at : end + 1]!r} is no range of characters") from error
    return end + 1, source if negated else f"(?!/){source}"
