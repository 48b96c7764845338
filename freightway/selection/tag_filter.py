"""Which tags may be looked at: the allow and ignore expressions of a subscription.

One rule: a tag that an ignore expression matches is out, whatever the allow expressions say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from freightway.patterns.regex import Regex, compile_regex


@dataclass(frozen=True)
class TagFilter:
    """Compiled ``allowTagsRegexes`` and ``ignoreTagsRegexes``, both unanchored."""

    allow: tuple[Regex, ...] = ()
    ignore: tuple[Regex, ...] = ()

    @classmethod
    def parse(cls, allow: Iterable[str] = (), ignore: Iterable[str] = ()) -> TagFilter:
        """Return the filter for two lists of expressions.

        Raises:
            InvalidResource: if an expression does not parse.
        """
        return cls(tuple(map(compile_regex, allow)), tuple(map(compile_regex, ignore)))

    def passes(self, tag: str) -> bool:
        """Return whether a tag may be looked at."""
        if any(regex.search(tag) for regex in self.ignore):
            return False
        return not self.allow or any(regex.search(tag) for regex in self.allow)

    def keep(self, tags: Iterable[str]) -> list[str]:
        """Return the tags that pass, in the order given."""
        return [tag for tag in tags if self.passes(tag)]
