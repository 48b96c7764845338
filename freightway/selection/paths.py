"""Which commits count by the paths that they changed: ``includePaths`` and ``excludePaths``.

One rule: a path that an exclude pattern matches is out, whatever the include patterns say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from freightway.patterns.pattern import PathPattern


@dataclass(frozen=True)
class PathFilter:
    """Which changed paths count: included (or no include patterns given), and not excluded."""

    include: tuple[PathPattern, ...] = ()
    exclude: tuple[PathPattern, ...] = ()

    @classmethod
    def parse(cls, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> PathFilter:
        """Return the filter for ``includePaths`` and ``excludePaths``.

        Raises:
            InvalidResource: if a pattern does not parse.
        """
        return cls(tuple(map(PathPattern, include)), tuple(map(PathPattern, exclude)))

    @property
    def is_empty(self) -> bool:
        """Whether there is no pattern, so that every commit passes and its paths need not be read."""
        return not self.include and not self.exclude

    def matches(self, path: str) -> bool:
        """Return whether one changed path counts."""
        included = not self.include or any(pattern.matches(path) for pattern in self.include)
        return included and not any(pattern.matches(path) for pattern in self.exclude)

    def selects(self, paths: Iterable[str]) -> bool:
        """Return whether a commit that changed exactly these paths is selected: one of them counts."""
        return self.is_empty or any(self.matches(path) for path in paths)
