"""Strategy Lexical: the tag that sorts last by bytes comes first."""

from __future__ import annotations

from collections.abc import Iterable

from freightway.selection.tag_filter import TagFilter


def order_lexical(tags: Iterable[str], tag_filter: TagFilter | None = None) -> list[str]:
    """Return the tags that pass a filter, in descending byte order.

    Source: Kargo pkg/image lexical selector.
    """
    return sorted((tag_filter or TagFilter()).keep(tags), reverse=True)
