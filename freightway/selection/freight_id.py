"""Names of Freight and of collections of Freight: hashes of what is in them.

One rule: the same artifacts of the same Warehouse have the same name, whatever their order.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from freightway.urls import normalize_chart, normalize_git


def freight_id(freight: Mapping[str, Any]) -> str:
    """Return the name of a piece of Freight: 40 hexadecimal digits.

    Args:
        freight: the JSON form of Freight; ``origin``, ``commits``, ``images``, ``charts`` and ``artifacts``
            are read, all else (alias, branch, message, annotations, metadata) does not matter.
    Source: Kargo pkg/api GenerateFreightID.
    """
    origin = freight.get("origin") or {}
    parts = [_named(_commit_part(commit), commit) for commit in freight.get("commits") or ()]
    parts += [_named(_image_part(image), image) for image in freight.get("images") or ()]
    parts += [_named(_chart_part(chart), chart) for chart in freight.get("charts") or ()]
    parts += [_artifact_part(artifact) for artifact in freight.get("artifacts") or ()]
    head = f"{_text(origin, 'kind')}/{_text(origin, 'name')}:"
    # Go sorts bytes; Python's order of code points is the same order for UTF-8.
    return _sha1(head + "|".join(sorted(parts)))


def collection_id(names: Iterable[str]) -> str:
    """Return the id of a collection of Freight, the hash of the sorted names.

    Source: Kargo api/v1alpha1 FreightCollection.
    """
    return _sha1(",".join(sorted(names)))


def _commit_part(commit: Mapping[str, Any]) -> str:
    tag = _text(commit, "tag")
    url = normalize_git(_text(commit, "repoURL"))
    return f"{url}:{tag}:{_text(commit, 'id')}" if tag else f"{url}:{_text(commit, 'id')}"


def _image_part(image: Mapping[str, Any]) -> str:
    # The repository is taken as written: two spellings of one repository are two images here.
    return f"{_text(image, 'repoURL')}:{_text(image, 'tag')}@{_text(image, 'digest')}"


def _chart_part(chart: Mapping[str, Any]) -> str:
    place = _join(normalize_chart(_text(chart, "repoURL")), _text(chart, "name"))
    return f"{place}:{_text(chart, 'version')}"


def _artifact_part(artifact: Mapping[str, Any]) -> str:
    return ":".join(_text(artifact, key) for key in ("artifactType", "subscriptionName", "version"))


def _named(part: str, artifact: Mapping[str, Any]) -> str:
    subscription = _text(artifact, "subscriptionName")
    return f"{part}:{subscription}" if subscription else part


def _join(*elements: str) -> str:
    """Join as Go's ``path.Join``: double slashes collapse, so ``https://h`` becomes ``https:/h``."""
    path = "/".join(element for element in elements if element)
    if not path:
        return ""
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned


def _text(mapping: Mapping[str, Any], key: str) -> str:
    return str(mapping.get(key) or "")


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest()
