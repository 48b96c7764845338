"""What a Warehouse wants to know of an image: its digest, date and annotations, read from a registry.

The rules are those of :mod:`freightway.selection.images`; here they are fed with manifests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from freightway.adapters.oci import ManifestAnswer, OciRepository
from freightway.errors import AdapterError, InvalidResource
from freightway.selection.images import (
    Image,
    ManifestEntry,
    Platform,
    created_annotation,
    image_created_at,
    index_created_at,
    merge_annotations,
    usable_entries,
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a digest stands for, whatever the tag and the platform asked for."""

    digest: str
    created_at: datetime | None
    annotations: Mapping[str, str]
    entries: tuple[ManifestEntry, ...] = ()

    def image(self, tag: str, platform: Platform | None) -> Image:
        return Image(
            tag=tag,
            digest=self.digest,
            created_at=self.created_at,
            annotations=merge_annotations({}, self.annotations, self.entries, platform),
            platforms=tuple(entry.platform for entry in self.entries if entry.platform is not None),
        )


async def read_image(
    repository: OciRepository, tag: str, platform: Platform | None = None, *, cache_by_tag: bool = False
) -> Image:
    """Return what there is to know of the image behind a tag.

    Its digest is asked for each time, unless ``cache_by_tag`` says that tags never move; all else is remembered
    by digest.

    Raises:
        AdapterError: if the tag does not exist (status 404), or its manifests cannot be read.
    """
    cache = repository.oci.cache
    by_tag = f"{repository.name}:{tag}"
    known: _Known | None = cache.get(by_tag) if cache_by_tag else None
    if known is None:
        digest = await repository.digest(tag)
        known = cache.get(digest)
        if known is None:
            known = await _read(repository, tag, digest)
            repository.oci.remember(digest, known)
        if cache_by_tag:
            repository.oci.remember(by_tag, known)
    return known.image(tag, platform)


async def read_images(
    repository: OciRepository,
    tags: Sequence[str],
    platform: Platform | None = None,
    *,
    cache_by_tag: bool = False,
) -> list[Image | None]:
    """Return the images of many tags in their order, None for a tag that is gone; the first failure ends all.

    Raises:
        AdapterError: if one of them cannot be read.
    """

    async def read(tag: str) -> Image | None:
        try:
            return await read_image(repository, tag, platform, cache_by_tag=cache_by_tag)
        except AdapterError as error:
            if error.status == 404:
                return None
            raise

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(tag)) for tag in tags]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


async def _read(repository: OciRepository, tag: str, digest: str) -> _Known:
    # By digest: a tag that moves between the two requests must not mix two images.
    manifest = await repository.manifest(digest)
    annotations = _texts(manifest.content.get("annotations"))
    if not manifest.is_index:
        return _Known(digest, await _image_date(repository, manifest), annotations)
    listed = manifest.content.get("manifests") or []
    try:
        usable = usable_entries(_entry(descriptor) for descriptor in listed)
    except InvalidResource as error:
        raise AdapterError(f"{repository.name}:{tag}: {error}", host=repository.name.host) from error
    if created_annotation(annotations) is None:
        dated = [
            await _dated(repository, descriptor) for descriptor in listed if _entry(descriptor) in usable
        ]
        return _Known(digest, index_created_at(annotations, dated), annotations, tuple(usable))
    return _Known(digest, index_created_at(annotations, usable), annotations, tuple(usable))


def _entry(descriptor: Mapping[str, Any]) -> ManifestEntry:
    platform = descriptor.get("platform") or {}
    return ManifestEntry(
        platform=Platform(
            os=str(platform.get("os") or ""),
            arch=str(platform.get("architecture") or ""),
            variant=str(platform.get("variant") or ""),
        ),
        annotations=_texts(descriptor.get("annotations")),
    )


async def _dated(repository: OciRepository, descriptor: Mapping[str, Any]) -> ManifestEntry:
    """The entry with its image's own date, which is read only if the descriptor does not tell."""
    entry = _entry(descriptor)
    if created_annotation(entry.annotations) is not None:
        return entry
    manifest = await repository.manifest(str(descriptor.get("digest")))
    date = None if manifest.is_index else await _image_date(repository, manifest)
    return entry.model_copy(update={"created_at": date})


async def _image_date(repository: OciRepository, manifest: ManifestAnswer) -> datetime | None:
    annotations = _texts(manifest.content.get("annotations"))
    if created_annotation(annotations) is not None:
        return image_created_at(annotations, {}, None)
    digest = (manifest.content.get("config") or {}).get("digest")
    if not isinstance(digest, str):
        return None
    config = await repository.json_blob(digest)
    inner = config.get("config")
    labels = _texts(inner.get("Labels")) if isinstance(inner, dict) else {}
    return image_created_at(annotations, labels, _date(config.get("created")))


def _date(text: object) -> datetime | None:
    try:
        date = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return date if date is None or date.tzinfo else date.replace(tzinfo=UTC)


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
