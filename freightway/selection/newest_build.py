"""Strategy NewestBuild: the image that was built last comes first; every manifest must be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from freightway.selection.images import Image, Platform

_NEVER = datetime.min.replace(tzinfo=UTC)


def select_newest_build(images: Iterable[Image], limit: int, platform: Platform | None = None) -> list[Image]:
    """Return the images that pass the platform filter, newest first, equal times by descending tag.

    Args:
        images: the metadata of every tag that passed the tag filter.
        limit: most images to return.
    Source: Kargo pkg/image newest build selector; an image that tells no time sorts last.
    """
    kept = [image for image in images if image.runs_on(platform)]
    kept.sort(key=lambda image: (image.created_at or _NEVER, image.tag), reverse=True)
    return kept[:limit]
