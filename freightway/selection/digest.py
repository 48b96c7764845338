"""Strategy Digest: one mutable tag, followed to the digest that it names now."""

from __future__ import annotations

from freightway.errors import InvalidResource
from freightway.selection.images import Image, Platform


def digest_tag(constraint: str) -> str:
    """Return the tag to follow.

    Raises:
        InvalidResource: if the subscription names none.
    """
    if not constraint:
        raise InvalidResource("strategy Digest needs the tag to follow in constraint")
    return constraint


def select_digest(image: Image | None, platform: Platform | None = None) -> list[Image]:
    """Return at most one image: none if the tag does not exist or is not for the platform.

    Source: Kargo pkg/image digest selector.
    """
    return [image] if image is not None and image.runs_on(platform) else []
