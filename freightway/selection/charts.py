"""Versions of charts: highest first, by the rules of the two kinds of chart repository."""

from __future__ import annotations

from collections.abc import Iterable

from freightway.selection import semver
from freightway.selection.semver_tags import order_semver


def select_http_charts(versions: Iterable[str], constraint: str = "", limit: int = 20) -> list[str]:
    """Return versions of an ``index.yaml``, highest first; ``1.2`` and ``v1.2.3`` count as versions.

    Raises:
        InvalidResource: if the constraint does not parse.
    Source: Kargo pkg/helm/chart http selector.
    """
    return order_semver(versions, constraint, strict=False)[:limit]


def select_oci_charts(tags: Iterable[str], constraint: str = "", limit: int = 20) -> list[str]:
    """Return versions of an OCI repository, highest first.

    A tag cannot hold ``+``, so that ``_`` stands for it; only full versions without ``v`` count.

    Raises:
        InvalidResource: if the constraint does not parse.
    Source: Kargo pkg/helm/chart oci selector.
    """
    versions = (tag.replace("_", "+") for tag in tags)
    full = [version for version in versions if not version.startswith("v") and semver.parse(version, True)]
    return order_semver(full, constraint)[:limit]
