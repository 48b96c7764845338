"""Patterns for paths and names: ``glob:``, ``regex:`` or ``regexp:``, and plain text.

One rule: plain text means "this or beneath it" for a path and equality for a name.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from functools import cached_property

from freightway.errors import InvalidResource
from freightway.patterns.glob import check_glob, match_glob
from freightway.patterns.regex import Regex, compile_regex

_REGEX_PREFIXES = ("regex:", "regexp:")


@dataclass(frozen=True)
class _Pattern:
    """Text with an optional prefix; compiled, and so checked, when it is made.

    Raises:
        InvalidResource: if the glob or the expression does not parse.
    """

    text: str
    _glob: str | None = field(init=False, default=None, repr=False)
    _regex: Regex | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        prefix, _, body = self.text.partition(":")
        if prefix == "glob" and ":" in self.text:
            problem = check_glob(body)
            if problem is not None:
                raise InvalidResource(f"{self.text!r} is not a glob: {problem}")
            object.__setattr__(self, "_glob", body)
        elif self.text.startswith(_REGEX_PREFIXES):
            object.__setattr__(self, "_regex", compile_regex(body))

    def __str__(self) -> str:
        return self.text

    def matches(self, candidate: str) -> bool:
        """Return whether the pattern matches a candidate."""
        if self._glob is not None:
            return match_glob(self._glob, candidate)
        if self._regex is not None:
            return self._regex.search(candidate) is not None
        return self._matches_plain(candidate)

    def _matches_plain(self, candidate: str) -> bool:
        raise NotImplementedError


class NamePattern(_Pattern):
    """A pattern for a name; without a prefix it matches that name only.

    Source: Kargo pkg/pattern ParseNamePattern.
    """

    def _matches_plain(self, candidate: str) -> bool:
        return candidate == self.text


class PathPattern(_Pattern):
    """A pattern for a path of a repository; without a prefix it matches a file, or a folder and what is in it.

    Source: Kargo pkg/pattern ParsePathPattern.
    """

    def _matches_plain(self, candidate: str) -> bool:
        path = _clean(candidate)
        if path == self._folder:
            return True
        beneath = "" if self._folder == "." else self._folder.rstrip("/") + "/"
        if not path.startswith(beneath) or path.startswith("/") != beneath.startswith("/"):
            return False
        # Kargo refuses every relative path with two dots in it, also in a file's name.
        return ".." not in path[len(beneath) :]

    @cached_property
    def _folder(self) -> str:
        return _clean(self.text)


def _clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned
