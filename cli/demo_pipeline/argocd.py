"""A stand-in for Argo CD: the part of its API that promotions use, over Applications that follow a Git branch.

It reads the branch for real: a sync ends at the commit that the branch has then, and an Application runs the images
that the manifests of that commit name. There is no cluster behind it.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from freightway.cli.demo_pipeline.git_server import BareRepository
from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request
from freightway.errors import FreightwayError

NAMESPACE = "argocd"
MANIFESTS = "manifests.yaml"
"""File on each environment's branch that holds what runs there."""

_SYNC_SECONDS = 0.2
_STATUS = {3: 400, 5: 404, 7: 403, 9: 400, 13: 500, 16: 401, 2: 500}
"""HTTP status by the code of gRPC that Argo CD's errors carry."""


@dataclass(slots=True)
class _Application:
    content: dict[str, Any]
    ends_at: float = 0.0
    version: int = 0


@dataclass(slots=True)
class ArgoCD:
    """The server and its Applications.

    Attributes:
        token: what a client must show.
        repository: where the Applications' branches are.
    """

    token: str
    repository: BareRepository
    _applications: dict[str, _Application] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _server: LoopbackServer | None = None

    def start(self) -> str:
        """Listen, and return address and port."""
        self._server = LoopbackServer(self._answer)
        return self._server.host

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def add(self, name: str, *, stage: str, repo_url: str, branch: str) -> None:
        """Make an Application that follows a branch and that one Stage (``project:stage``) may change."""
        self._applications[name] = _Application(
            {
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": {},
                    "annotations": {"kargo.akuity.io/authorized-stage": stage},
                    "resourceVersion": "1",
                },
                "spec": {
                    "project": "default",
                    "source": {"repoURL": repo_url, "targetRevision": branch, "path": "."},
                    "destination": {"name": "in-cluster", "namespace": stage.partition(":")[2]},
                },
                "status": {"health": {"status": "Missing"}, "sync": {"status": "OutOfSync"}},
            }
        )

    def images(self, name: str) -> list[str]:
        """Return the images that an Application runs."""
        with self._lock:
            summary = self._applications[name].content["status"].get("summary") or {}
            return list(summary.get("images") or [])

    # -- the API ---------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(16, "invalid session: token is malformed")
        parts = request.path.strip("/").split("/")
        if parts[:3] != ["api", "v1", "applications"] or len(parts) > 5:
            return _error(5, "Not Found")
        try:
            body = request.json()
        except ValueError:
            return _error(3, "the body is not JSON")
        with self._lock:
            return self._route(request, parts[3:], body)

    def _route(self, request: Request, parts: list[str], body: Any) -> Reply:
        if not parts:
            return self._list(request)
        app = self._applications.get(parts[0])
        namespace = body.get("appNamespace") or request.parameters.get("appNamespace") or NAMESPACE
        if app is None or namespace != NAMESPACE:
            # To a token that may not see everything, Argo CD says so of what does not exist.
            return _error(7, "permission denied")
        self._settle(app)
        if parts[1:] == ["sync"] and request.method == "POST":
            return self._sync(app, body)
        if parts[1:]:
            return _error(5, "Not Found")
        if request.method == "GET":
            return Reply.of(app.content)
        if request.method == "PATCH":
            return self._patch(app, body)
        return _error(3, f"{request.method} is not part of this stand-in")

    def _list(self, request: Request) -> Reply:
        wanted = [part for part in request.parameters.get("selector", "").split(",") if part]
        if not all("=" in part for part in wanted):
            return _error(3, "this stand-in knows selectors of the form label=value")
        pairs = {tuple(part.split("=", 1)) for part in wanted}
        found = []
        for app in self._applications.values():
            self._settle(app)
            if pairs <= set(app.content["metadata"]["labels"].items()):
                found.append(app.content)
        return Reply.of({"metadata": {}, "items": found or None})

    def _patch(self, app: _Application, body: dict[str, Any]) -> Reply:
        if body.get("patchType") not in ("json", "", None):
            return _error(3, f"Patch type '{body['patchType']}' is not supported")
        patched = copy.deepcopy(app.content)
        for operation in json.loads(body["patch"]):
            problem = _apply(patched, operation)
            if problem:
                return _error(2, f"error applying patch: {problem}")
        app.content["spec"] = patched["spec"]
        for key in ("labels", "annotations"):
            app.content["metadata"][key] = patched["metadata"].get(key) or {}
        self._reconcile(app)
        return Reply.of(app.content)

    def _sync(self, app: _Application, body: dict[str, Any]) -> Reply:
        if app.content.get("operation"):
            return _error(9, "another operation is already in progress")
        operation = {"sync": {}, "info": body.get("infos") or [], "initiatedBy": {"username": "freightway"}}
        app.content["operation"] = operation
        app.content["status"]["operationState"] = {
            "operation": operation,
            "phase": "Running",
            "startedAt": _now(),
        }
        app.ends_at = time.monotonic() + _SYNC_SECONDS
        self._touch(app)
        return Reply.of(app.content)

    # -- what the controller does ----------------------------------------------------------------------------------

    def _settle(self, app: _Application) -> None:
        """End an operation whose time has come, and do the refresh that was asked for."""
        if app.content.get("operation") and time.monotonic() >= app.ends_at:
            operation = app.content.pop("operation")
            revision, images = self._read(app)
            state = {
                "operation": operation,
                "phase": "Succeeded" if images else "Failed",
                "message": "successfully synced" if images else "there are no manifests on the branch",
                "finishedAt": _now(),
                "syncResult": {"revision": revision},
            }
            status = app.content["status"]
            status["operationState"] = {**status["operationState"], **state}
            if images:
                status.update(sync={"status": "Synced", "revision": revision}, summary={"images": images})
                status["health"] = {"status": "Healthy"}
            self._reconcile(app)

    def _reconcile(self, app: _Application) -> None:
        app.content["metadata"]["annotations"].pop("argocd.argoproj.io/refresh", None)
        app.content["status"]["reconciledAt"] = _now()
        self._touch(app)

    def _read(self, app: _Application) -> tuple[str, list[str]]:
        """Return the commit of an Application's branch and the images its manifests name."""
        commit = self.repository.head(app.content["spec"]["source"]["targetRevision"])
        if not commit:
            return "", []
        try:
            return commit, images_in(self.repository.show(commit, MANIFESTS))
        except FreightwayError:
            return commit, []

    def _touch(self, app: _Application) -> None:
        app.version += 1
        app.content["metadata"]["resourceVersion"] = str(app.version)


def images_in(manifests: str) -> list[str]:
    """Return the images that the workloads of a YAML file name, sorted."""
    found = set()
    for document in yaml.safe_load_all(manifests):
        pod = (((document or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
        found |= {container["image"] for container in pod.get("containers") or [] if container.get("image")}
    return sorted(found)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(code: int, message: str) -> Reply:
    return Reply.of({"error": message, "code": code, "message": message}, _STATUS[code])


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> str:
    """Apply one operation of a JSON patch on maps; returns what is wrong."""
    path = operation["path"]
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    place: Any = document
    for part in parents:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        return f"{operation['op']} operation does not apply: doc is missing path: {path}"
    match operation["op"]:
        case "test":
            return (
                "" if place.get(last) == operation["value"] else f"testing value {path} failed: test failed"
            )
        case "add" | "replace":
            place[last] = copy.deepcopy(operation["value"])
            return ""
        case "remove":
            place.pop(last, None)
            return ""
    return f"Unexpected kind: {operation['op']}"
