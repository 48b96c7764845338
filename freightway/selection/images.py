"""What selection knows of an image, and how it is read from manifests.

One rule: with no platform asked for nothing is filtered; with one, only an index that names exactly it passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from freightway.errors import InvalidResource
from freightway.resources.meta import Model

_CREATED_KEYS = ("org.opencontainers.image.created", "org.label-schema.build-date")


class Platform(Model):
    """Operating system, architecture and variant, compared exactly: ``linux/arm64`` is not ``linux/arm64/v8``."""

    os: str
    arch: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.arch, self.variant) if part)


def parse_platform(text: str) -> Platform | None:
    """Return the platform written as ``os/arch`` or ``os/arch/variant``, None for an empty text.

    Raises:
        InvalidResource: if there are fewer than two or more than three parts.
    """
    if not text:
        return None
    parts = text.split("/")
    if not 2 <= len(parts) <= 3:
        raise InvalidResource(f"{text!r} is not a platform; write for example linux/amd64 or linux/arm/v7")
    return Platform(os=parts[0], arch=parts[1], variant=parts[2] if len(parts) == 3 else "")


class ManifestEntry(Model):
    """One image of an index: its descriptor and, if it was looked at, when it was built."""

    platform: Platform | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    created_at: AwareDatetime | None = None


class Image(Model):
    """A tag of an image repository with what its manifest says.

    Attributes:
        platforms: what an index offers; empty for a single image, which names no platform.
    """

    tag: str
    digest: str
    created_at: AwareDatetime | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    platforms: tuple[Platform, ...] = ()

    def runs_on(self, platform: Platform | None) -> bool:
        """Return whether the image passes the platform filter of a subscription."""
        return platform is None or platform in self.platforms


class ImagePick:
    """Takes candidates in order, looks at one manifest at a time, and stops at the limit.

    Ask ``next_tag``, fetch that tag's manifest, ``offer`` it (None if the tag is gone), until ``next_tag`` is None.
    """

    def __init__(self, tags: Sequence[str], limit: int, platform: Platform | None = None) -> None:
        self._tags = iter(tags)
        self._limit = limit
        self._platform = platform
        self.chosen: list[Image] = []

    def next_tag(self) -> str | None:
        """Return the tag whose manifest is wanted next, None if there are enough or no more."""
        return None if len(self.chosen) >= self._limit else next(self._tags, None)

    def offer(self, image: Image | None) -> None:
        """Take an image if it passes the platform filter."""
        if image is not None and image.runs_on(self._platform):
            self.chosen.append(image)


def usable_entries(entries: Iterable[ManifestEntry]) -> list[ManifestEntry]:
    """Return the entries of an index that are images, not attestations and the like.

    Raises:
        InvalidResource: if none is left.
    """
    kept = [entry for entry in entries if _is_known(entry.platform)]
    if not kept:
        raise InvalidResource("the image index names no platform")
    return kept


def _is_known(platform: Platform | None) -> bool:
    return platform is not None and not {platform.os, platform.arch} & {"", "unknown"}


def index_created_at(annotations: Mapping[str, str], entries: Iterable[ManifestEntry]) -> datetime | None:
    """Return when an index was built: its own annotation, else its newest image.

    Source: Kargo pkg/image; an image of an index counts with its descriptor's annotation, else its own time.
    """
    own = created_annotation(annotations)
    if own is not None:
        return own
    times = [created_annotation(entry.annotations) or entry.created_at for entry in entries]
    return max((time for time in times if time is not None), default=None)


def image_created_at(
    annotations: Mapping[str, str], labels: Mapping[str, str], config_created: datetime | None
) -> datetime | None:
    """Return when a single image was built: its annotation, else the later of its label and its config."""
    own = created_annotation(annotations)
    if own is not None:
        return own
    times = [time for time in (created_annotation(labels), config_created) if time is not None]
    return max(times, default=None)


def created_annotation(annotations: Mapping[str, str]) -> datetime | None:
    """Return the build time that annotations or labels name, None if they name none that is readable."""
    for key in _CREATED_KEYS:
        try:
            time = datetime.fromisoformat(annotations.get(key, ""))
        except ValueError:
            continue
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None


def merge_annotations(
    descriptor: Mapping[str, str],
    manifest: Mapping[str, str],
    entries: Iterable[ManifestEntry] = (),
    platform: Platform | None = None,
) -> dict[str, str]:
    """Return what Freight records of an image: the descriptor's, under the manifest's, under the platform's."""
    merged = {**descriptor, **manifest}
    if platform is not None:
        for entry in entries:
            if entry.platform == platform:
                merged.update(entry.annotations)
    return merged
