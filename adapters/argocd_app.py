"""An Argo CD Application, as the JSON its API gives, and what a promotion wants of it. Pure: no I/O.

Source: Kargo pkg/promotion/runner/builtin (argocd_updater, argocd_revisions, argocd_common).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from freightway.errors import FreightwayError
from freightway.urls import normalize_git

AUTHORIZED = "kargo.akuity.io/authorized-stage"
"""Annotation of an Application: ``<project>:<stage>``, several separated by commas."""

PROMOTION_INFO = "kargo.akuity.io/promotion"
REFRESH = "argocd.argoproj.io/refresh"
ENDED = ("Succeeded", "Failed", "Error")

_PAIR = re.compile(r"[^\s:,*]+:[^\s:,*]+")

Application = dict[str, Any]
Decision = Literal["sync", "wait", "done"]


@dataclass(frozen=True, slots=True)
class SourceUpdate:
    """What a promotion changes in one source of an Application.

    Attributes:
        kustomize_images: complete texts such as ``app=ghcr.io/team/app:v1``; None leaves the list alone.
        helm_parameters: values by name, added to those that are there.
    """

    repo_url: str
    chart: str = ""
    desired_revision: str = ""
    update_target_revision: bool = False
    kustomize_images: tuple[str, ...] | None = None
    helm_parameters: Mapping[str, str] = field(default_factory=dict)

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Whether this update is meant for a source: chart sources exactly, Git sources by the normal URL."""
        url, chart = str(source.get("repoURL") or ""), str(source.get("chart") or "")
        if self.chart or chart:
            return url == self.repo_url and chart == self.chart
        return normalize_git(url) == normalize_git(self.repo_url)


@dataclass(frozen=True, slots=True)
class Operation:
    """The last or current operation of an Application.

    Attributes:
        promotion: name of the promotion that asked for it, empty for any other.
        revisions: what was synced, one per source; None if there is no result.
    """

    phase: str
    message: str
    promotion: str
    revisions: tuple[str, ...] | None
    finished_at: str

    @property
    def has_ended(self) -> bool:
        """Whether its phase is Succeeded, Failed or Error."""
        return self.phase in ENDED


def describe(app: Application) -> str:
    """Return how messages name an Application."""
    metadata = app.get("metadata") or {}
    return f'Argo CD Application "{metadata.get("name", "")}" in namespace "{metadata.get("namespace", "")}"'


def sources_of(app: Application) -> list[dict[str, Any]]:
    """Return the sources of an Application, whether it has one or several."""
    spec = app.get("spec") or {}
    if spec.get("sources"):
        return list(spec["sources"])
    return [spec["source"]] if spec.get("source") else []


def is_authorized(app: Application, project: str, stage: str) -> bool:
    """Return whether a Stage may change an Application; one malformed entry makes the whole annotation void."""
    annotations = (app.get("metadata") or {}).get("annotations") or {}
    entries = [entry.strip() for entry in str(annotations.get(AUTHORIZED, "")).split(",")]
    if not all(_PAIR.fullmatch(entry) for entry in entries):
        return False
    return f"{project}:{stage}" in entries


def operation_of(app: Application) -> Operation | None:
    """Return the last or current operation, None if there never was one.

    An operation that Argo CD was asked for and has not begun counts as one that runs.
    """
    asked = app.get("operation")
    if asked:
        return Operation("Running", "", _promotion(asked), None, "")
    state = (app.get("status") or {}).get("operationState")
    if not state:
        return None
    result = state.get("syncResult")
    revisions = None
    if result is not None:
        several = result.get("revisions")
        revisions = tuple(several) if several else (str(result.get("revision") or ""),)
    return Operation(
        str(state.get("phase") or ""),
        str(state.get("message") or ""),
        _promotion(state.get("operation") or {}),
        revisions,
        str(state.get("finishedAt") or ""),
    )


def _promotion(operation: Mapping[str, Any]) -> str:
    for info in operation.get("info") or []:
        if info.get("name") == PROMOTION_INFO:
            return str(info.get("value") or "")
    return ""


def desired_revisions(app: Application, updates: Sequence[SourceUpdate]) -> list[str]:
    """Return the revision wanted of each source, empty where none is named.

    Source: Kargo argocd_revisions.go; differs: a Git source is found by its normal URL here too, so that a
    missing ``.git`` does not silently drop the revision.
    """
    found = []
    for source in sources_of(app):
        wanted = (one.desired_revision for one in updates if one.matches(source))
        found.append(next(wanted, ""))
    return found


def decide(app: Application, promotion: str, desired: Sequence[str]) -> Decision:
    """Return whether to sync an Application for a promotion, to wait for an operation, or that it is done.

    Raises:
        FreightwayError: if the operation of this very promotion failed; it is not tried again.
    """
    operation = operation_of(app)
    if operation is None:
        return "sync"
    if not operation.has_ended:
        return "wait"
    if operation.promotion != promotion or operation.revisions is None:
        return "sync"
    for index, wanted in enumerate(desired):
        seen = operation.revisions[index] if index < len(operation.revisions) else ""
        if wanted and seen != wanted:
            return "sync"
    if operation.phase != "Succeeded":
        raise FreightwayError(f"{describe(app)} failed with: {operation.message}")
    return "done"


def updated_sources(app: Application, updates: Sequence[SourceUpdate]) -> list[dict[str, Any]]:
    """Return the sources as the updates want them; each update goes to the first source that it matches.

    Raises:
        FreightwayError: if an update matches no source.
    """
    sources = copy.deepcopy(sources_of(app))
    for update in updates:
        source = next((one for one in sources if update.matches(one)), None)
        if source is None:
            chart = f' and chart "{update.chart}"' if update.chart else ""
            raise FreightwayError(
                f"no source of {describe(app)} matched update for source with repoURL {update.repo_url}{chart}"
            )
        if update.update_target_revision:
            source["targetRevision"] = update.desired_revision
        if update.kustomize_images is not None:
            source["kustomize"] = {**(source.get("kustomize") or {}), "images": list(update.kustomize_images)}
        if update.helm_parameters:
            helm = dict(source.get("helm") or {})
            helm["parameters"] = _with_parameters(helm.get("parameters") or [], update.helm_parameters)
            source["helm"] = helm
    return sources


def _with_parameters(present: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """Argo CD's list of parameters with these values; order and ``forceString`` of those there are kept."""
    left = dict(wanted)
    parameters = []
    for one in present:
        name = str(one.get("name") or "")
        parameters.append({**one, "value": left.pop(name)} if name in left else dict(one))
    return [*parameters, *({"name": name, "value": value} for name, value in left.items())]


def source_patch(app: Application, sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the JSON patch that sets the sources and asks for a hard refresh.

    It only applies if sources and authorization are still what was read: nobody's change is overwritten.
    """
    annotations = (app.get("metadata") or {}).get("annotations") or {}
    patch: list[dict[str, Any]] = []
    if AUTHORIZED in annotations:
        path = f"/metadata/annotations/{_escape(AUTHORIZED)}"
        patch.append({"op": "test", "path": path, "value": annotations[AUTHORIZED]})
    present = sources_of(app)
    if list(sources) != present:
        several = bool((app.get("spec") or {}).get("sources"))
        path = "/spec/sources" if several else "/spec/source"
        patch.append({"op": "test", "path": path, "value": present if several else present[0]})
        patch.append({"op": "replace", "path": path, "value": list(sources) if several else sources[0]})
    return [*patch, *refresh_patch(app)]


def refresh_patch(app: Application) -> list[dict[str, Any]]:
    """Return the JSON patch that asks Argo CD to look at Git and cluster anew."""
    if (app.get("metadata") or {}).get("annotations"):
        return [{"op": "add", "path": f"/metadata/annotations/{_escape(REFRESH)}", "value": "hard"}]
    return [{"op": "add", "path": "/metadata/annotations", "value": {REFRESH: "hard"}}]


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
