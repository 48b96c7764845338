"""``commitFrom``, ``imageFrom``, ``chartFrom`` and ``artifactFrom`` of Freight creation criteria.

They look at what a Warehouse has just discovered; the newest artifact counts, missing ones are nil.

Source: Kargo pkg/expressions/function/functions.go at 1c764767 (DiscoveredArtifactsOperations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from freightway.expr.natures import STRING, Signature
from freightway.expr.structs import (
    ARTIFACT,
    CHART,
    DISCOVERED_COMMIT,
    DISCOVERED_IMAGE,
    make_struct,
)
from freightway.expr.values import Function, Struct
from freightway.urls import normalize_chart, normalize_git, normalize_image

Json = Mapping[str, object]

_COMMIT = (Signature((STRING,), DISCOVERED_COMMIT),)
_IMAGE = (Signature((STRING,), DISCOVERED_IMAGE),)
_CHART = (Signature((STRING, STRING), CHART), Signature((STRING,), CHART))
_ARTIFACT = (Signature((STRING,), ARTIFACT),)


def _list(owner: Json, field: str) -> list[Json]:
    value = owner.get(field)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, Sequence) else []


def _newest(results: list[Json], field: str, repo_url: str, normalize: Callable[[str], str]) -> Json | None:
    """Return the first artifact of the first result for a repository that has any."""
    url = normalize(repo_url)
    for result in results:
        if normalize(str(result.get("repoURL") or "")) == url:
            for artifact in _list(result, field):
                return artifact
    return None


def criteria_functions(discovered: Json | None) -> dict[str, Function]:
    """Return the functions for ``freightCreationCriteria.expression``.

    Args:
        discovered: a Warehouse's ``discoveredArtifacts`` in Kargo's JSON form: ``git``, ``images``, ``charts`` and
            ``results``.
    """
    found: Json = discovered or {}

    def commit_from(repo_url: str) -> Struct | None:
        commit = _newest(_list(found, "git"), "commits", repo_url, normalize_git)
        return None if commit is None else make_struct(DISCOVERED_COMMIT, commit)

    def image_from(repo_url: str) -> Struct | None:
        image = _newest(_list(found, "images"), "references", repo_url, normalize_image)
        return None if image is None else make_struct(DISCOVERED_IMAGE, image)

    def chart_from(repo_url: str, name: str = "") -> Struct | None:
        url = normalize_chart(repo_url)
        for result in _list(found, "charts"):
            chart = str(result.get("name") or "")
            if normalize_chart(str(result.get("repoURL") or "")) != url or name not in {"", chart}:
                continue
            versions = result.get("versions")
            if isinstance(versions, Sequence) and versions:
                return make_struct(CHART, {"repoURL": url, "name": chart, "version": versions[0]})
        return None

    def artifact_from(name: str) -> Struct | None:
        artifact: Json | None = None
        for result in _list(found, "results"):
            # The last result wins, as in Kargo.
            if str(result.get("name") or "") == name:
                artifact = next(iter(_list(result, "artifactReferences")), artifact)
        return None if artifact is None else make_struct(ARTIFACT, artifact)

    return {
        "commitFrom": Function("commitFrom", commit_from, _COMMIT),
        "imageFrom": Function("imageFrom", image_from, _IMAGE),
        "chartFrom": Function("chartFrom", chart_from, _CHART),
        "artifactFrom": Function("artifactFrom", artifact_from, _ARTIFACT),
    }
