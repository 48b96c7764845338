"""Strategy SemVer: tags that are versions and satisfy a constraint, highest first."""

from __future__ import annotations

from collections.abc import Iterable

from freightway.errors import InvalidResource
from freightway.selection import semver
from freightway.selection.tag_filter import TagFilter


def order_semver(
    tags: Iterable[str],
    constraint: str = "",
    *,
    strict: bool = True,
    tag_filter: TagFilter | None = None,
) -> list[str]:
    """Return the tags that are versions and satisfy a constraint, highest first, equal ones by descending text.

    Args:
        tags: candidates in any order.
        constraint: semver constraint, e.g. ``^1.2``; empty means every version, pre-releases included.
        strict: whether a version needs all three numbers.
        tag_filter: allow and ignore expressions, applied first.
    Raises:
        InvalidResource: if the constraint does not parse.
    Source: Kargo pkg/image semver selector, pkg/controller/git/commit semver selector.
    """
    try:
        return semver.select((tag_filter or TagFilter()).keep(tags), constraint, strict)
    except ValueError as error:
        raise InvalidResource(str(error)) from error
