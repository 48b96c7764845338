"""The images that kustomize-set-image is to set: from its configuration, or from the Freight of the promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from freightway.edits.errors import EditError

KEEP = "*"


@dataclass(frozen=True, slots=True)
class Image:
    """One entry of ``images`` in a kustomization file; empty fields are left out of the file.

    Attributes:
        name: the name as the manifests have it.
    """

    name: str
    new_name: str = ""
    tag_suffix: str = ""
    new_tag: str = ""
    digest: str = ""

    @property
    def reference(self) -> str:
        """The image as people write it, ``name:tag@digest``."""
        tag = f":{self.new_tag}" if self.new_tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.new_name or self.name}{tag}{digest}"


def images_from_config(images: Sequence[Mapping[str, object]]) -> dict[str, Image]:
    """Return the images that the step's ``images`` asks for, by name; the last entry of a name wins.

    Args:
        images: valid entries with ``image``, ``tag`` or ``digest``, and perhaps ``name`` and ``newName``.
    Source: Kargo pkg/promotion/runner/builtin/kustomize_image_setter.go at 1c764767a.
    """
    wanted: dict[str, Image] = {}
    for entry in images:
        field = {key: str(value or "") for key, value in entry.items()}
        digest = field.get("digest", "")
        name = field.get("name") or field["image"]
        tag = "" if digest else field.get("tag", "")
        wanted[name] = Image(name, new_name=field.get("newName", ""), new_tag=tag, digest=digest)
    return wanted


def images_from_freight(
    freight: Sequence[Mapping[str, object]],
    requests: Sequence[Mapping[str, object]],
    warehouses: Mapping[str, Mapping[str, object]],
    *,
    project: str,
) -> dict[str, Image]:
    """Return the images of all Freight in a promotion, by repository; the last one of a repository wins.

    Args:
        freight: Freight references with ``images``, as in the promotion.
        requests: the Stage's ``requestedFreight``.
        warehouses: ``spec`` of the Warehouses by name.
        project: for the message.
    Raises:
        EditError: if two subscriptions could provide the same repository, or a Warehouse is unknown.
    Source: Kargo pkg/controller/freight/finder.go HasAmbiguousImageRequest at 1c764767a.
    """
    _refuse_ambiguous(requests, warehouses, project)
    wanted: dict[str, Image] = {}
    for reference in freight:
        for image in _mappings(reference.get("images")):
            name = str(image["repoURL"])
            wanted[name] = Image(
                name, new_tag=str(image.get("tag") or ""), digest=str(image.get("digest") or "")
            )
    return wanted


def _refuse_ambiguous(
    requests: Sequence[Mapping[str, object]], warehouses: Mapping[str, Mapping[str, object]], project: str
) -> None:
    advice = "list the images in the step's configuration"
    seen: set[str] = set()
    for request in requests:
        origin = request.get("origin")
        name = str(origin.get("name")) if isinstance(origin, Mapping) else ""
        if name not in warehouses:
            raise EditError(f"the Warehouse {name!r} does not exist in project {project!r}; {advice}")
        for subscription in _mappings(warehouses[name].get("subscriptions")):
            image = subscription.get("image")
            if not isinstance(image, Mapping):
                continue
            repository = str(image.get("repoURL"))
            if repository in seen:
                raise EditError(f"more than one subscription could provide images of {repository}; {advice}")
            seen.add(repository)


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, Sequence) else []


def merge_images(current: Sequence[Image], wanted: Mapping[str, Image]) -> dict[str, Image]:
    """Return what the file's images and the wanted ones are together, by name and sorted by name.

    A wanted image replaces the entry of its name; ``*`` takes a field over from that entry, and stays ``*`` if
    there is none (see ``without_keep``). Of two entries with the same name in the file the first one stays.

    Source: Kargo kustomize_image_setter.go mergeImages at 1c764767a.
    """
    merged = dict(wanted)
    for image in current:
        target = merged.get(image.name)
        merged[image.name] = image if target is None else _taken_over(target, image)
    return {name: merged[name] for name in sorted(merged, key=str.encode)}


def _taken_over(target: Image, image: Image) -> Image:
    new_name = image.new_name if target.new_name == KEEP else target.new_name
    new_tag = image.new_tag if target.new_tag == KEEP else target.new_tag
    digest = image.digest if target.digest == KEEP else target.digest
    has_keep = KEEP in (target.new_name, target.new_tag, target.digest)
    suffix = "" if has_keep else target.tag_suffix
    return Image(target.name, new_name=new_name, tag_suffix=suffix, new_tag=new_tag, digest=digest)


def without_keep(image: Image) -> Image:
    """Return an image for the file: a ``*`` for which there was nothing to keep becomes empty."""
    fields = {"new_name": image.new_name, "new_tag": image.new_tag, "digest": image.digest}
    if KEEP not in fields.values():
        return image
    cleared = {name: "" if value == KEEP else value for name, value in fields.items()}
    return replace(image, tag_suffix="", **cleared)
