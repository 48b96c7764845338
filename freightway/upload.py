"""How an ``apply`` is sent: by project, in parts that a server takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

PART_BYTES = 1_000_000
"""Largest part of an ``apply``; the payload limit of a server is two megabytes."""


def project_of(document: Mapping[str, Any]) -> str:
    """Return the project that a resource belongs to, empty for one of the cluster."""
    # What a command that only reads need not wait for.
    from freightway.entities.project import CLUSTER_KINDS

    metadata = document.get("metadata") or {}
    if document.get("kind") in CLUSTER_KINDS:
        return ""
    if document.get("kind") == "Project":
        return str(metadata.get("name") or "")
    return str(metadata.get("namespace") or "")


def parts_of(documents: list[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the documents in order, in parts of at most ``PART_BYTES``; at least one part, which may be empty."""
    part: list[Mapping[str, Any]] = []
    size = 0
    for document in documents:
        length = len(json.dumps(document).encode())
        if part and size + length > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(document)
        size += length
    yield part
