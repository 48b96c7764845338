"""An Argo CD API server that keeps state: Applications, operations, refreshes; it follows the published API.

What it does as the real one: PATCH applies to the whole object but only spec, labels, annotations and finalizers
are stored; POST …/sync refuses while an operation is under way and clears the last state; a missing Application is
403 without ``project`` in the query; every error is ``{error, code, message}``. In place of the controller, each
GET of an Application moves it on by one tick.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.servers.http_server import HttpServer, Reply, Request

TOKEN = "argocd-t0ken"
START = datetime(2026, 1, 1, tzinfo=UTC)
_HTTP = {3: 400, 5: 404, 7: 403, 9: 400, 13: 500, 14: 503, 16: 401, 2: 500}


@dataclass
class Plan:
    """How the next operations of an Application go.

    ``ticks`` GETs see it running; then it ends with ``phase`` and the revisions of the Application's sources, or
    ``revisions``. ``settle`` more GETs pass until the Application is reconciled and its health is ``health``.
    """

    ticks: int = 1
    phase: str = "Succeeded"
    message: str = "successfully synced"
    revisions: list[str] | None = None
    settle: int = 0
    health: str = "Healthy"


@dataclass
class _App:
    content: dict[str, Any]
    plan: Plan = field(default_factory=Plan)
    left: int = 0
    settling: int = -1


class ArgoServer:
    """``async with ArgoServer() as argo``; ``argo.add(...)`` makes an Application."""

    def __init__(self) -> None:
        self.apps: dict[tuple[str, str], _App] = {}
        self.server = HttpServer(self._answer)
        self.failures: list[tuple[str, Reply]] = []
        self.lose_answer_of: set[str] = set()
        self.before: dict[str, Any] = {}
        self._clock = START
        self._version = 0

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.__aexit__()

    @property
    def url(self) -> str:
        return self.server.url

    def add(
        self,
        name: str,
        *sources: dict[str, Any],
        namespace: str = "argocd",
        stage: str = "demo:dev",
        labels: dict[str, str] | None = None,
        plan: Plan | None = None,
        policy: dict[str, Any] | None = None,
        several: bool | None = None,
    ) -> dict[str, Any]:
        """Make an Application that was synced long ago; returns its stored content."""
        spec: dict[str, Any] = {"project": "default", "destination": {"name": "in-cluster"}}
        if several or (several is None and len(sources) > 1):
            spec["sources"] = list(sources)
        elif sources:
            spec["source"] = sources[0]
        if policy:
            spec["syncPolicy"] = policy
        annotations = {"kargo.akuity.io/authorized-stage": stage} if stage else {}
        metadata = {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations}
        content = {"metadata": metadata, "spec": spec, "status": {"health": {"status": "Healthy"}}}
        self.apps[(namespace, name)] = _App(content, plan or Plan())
        self._touch(self.apps[(namespace, name)])
        return content

    def content(self, name: str, namespace: str = "argocd") -> dict[str, Any]:
        return self.apps[(namespace, name)].content

    def plan(self, name: str, plan: Plan, namespace: str = "argocd") -> None:
        self.apps[(namespace, name)].plan = plan

    def fail_next(self, method: str, reply: Reply) -> None:
        """Answer the next request of this method with ``reply`` and do nothing."""
        self.failures.append((method, reply))

    def lose_next_answer(self, method: str) -> None:
        """Do what the next request of this method asks, but cut the connection instead of answering."""
        self.lose_answer_of.add(method)

    def writes(self) -> list[str]:
        """Requests that change something, in order."""
        return [line for line in self.server.paths() if not line.startswith("GET")]

    def begin(self, name: str, info: dict[str, str] | None = None, namespace: str = "argocd") -> None:
        """Start an operation as somebody else would."""
        self._begin(
            self.apps[(namespace, name)], [{"name": k, "value": v} for k, v in (info or {}).items()], {}
        )

    def _answer(self, request: Request) -> Reply:
        for index, (method, reply) in enumerate(self.failures):
            if method == request.method:
                del self.failures[index]
                return reply
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(16, "invalid session: token is malformed")
        if hook := self.before.pop(request.method, None):
            hook()
        reply = self._route(request)
        if request.method in self.lose_answer_of:
            self.lose_answer_of.discard(request.method)
            return Reply(200, "x" * 100, cut_after=0)
        return reply

    def _route(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        if parts[:3] != ["api", "v1", "applications"]:
            return _error(5, "Not Found")
        if len(parts) == 3:
            return self._list(request)
        body = json.loads(request.body) if request.body else {}
        namespace = body.get("appNamespace") or request.query.get("appNamespace") or "argocd"
        if request.method == "PUT":
            namespace = (body.get("metadata") or {}).get("namespace") or namespace
        app = self.apps.get((namespace, parts[3]))
        if app is None:
            known = "project" in body or "project" in request.query
            return _error(
                5 if known else 7, f'applications "{parts[3]}" not found' if known else "permission denied"
            )
        if request.method == "GET" and len(parts) == 4:
            self._tick(app)
            if request.query.get("refresh") in ("hard", "normal"):
                self._reconcile(app)
            return Reply(json=app.content)
        if request.method == "PATCH":
            return self._patch(app, body)
        if request.method == "PUT":
            self._store(app, body)
            return Reply(json=app.content)
        if request.method == "POST" and parts[4:] == ["sync"]:
            return self._sync(app, body)
        return _error(5, "Not Found")

    def _list(self, request: Request) -> Reply:
        namespace, selector = request.query.get("appNamespace", ""), request.query.get("selector", "")
        found = []
        for (place, _), app in self.apps.items():
            labels = app.content["metadata"]["labels"]
            if (not namespace or place == namespace) and _selects(selector, labels):
                self._tick(app)
                found.append(app.content)
        return Reply(json={"metadata": {}, "items": found or None})

    def _patch(self, app: _App, body: dict[str, Any]) -> Reply:
        patched = copy.deepcopy(app.content)
        patch = json.loads(body["patch"])
        if body.get("patchType") == "merge":
            patched = _merge(patched, patch)
        elif body.get("patchType") in ("json", "", None):
            for one in patch:
                problem = _apply(patched, one)
                if problem:
                    return _error(2, f"error applying patch: {problem}")
        else:
            return _error(3, f"Patch type '{body['patchType']}' is not supported")
        self._store(app, patched)
        return Reply(json=app.content)

    def _store(self, app: _App, new: dict[str, Any]) -> None:
        app.content["spec"] = copy.deepcopy(new["spec"])
        for key in ("labels", "annotations", "finalizers"):
            if key in new["metadata"]:
                app.content["metadata"][key] = copy.deepcopy(new["metadata"][key])
        self._touch(app)

    def _sync(self, app: _App, body: dict[str, Any]) -> Reply:
        state = app.content["status"].get("operationState") or {}
        if app.content.get("operation") or state.get("phase") in ("Running", "Terminating"):
            return _error(9, "another operation is already in progress")
        sync = {"revision": body.get("revision", "")}
        if body.get("syncOptions"):
            sync["syncOptions"] = body["syncOptions"]["items"]
        operation = {"sync": sync, "initiatedBy": {"username": "robot"}}
        if body.get("retryStrategy"):
            operation["retry"] = body["retryStrategy"]
        self._begin(app, body.get("infos") or [], operation)
        return Reply(json=app.content)

    def _begin(self, app: _App, info: list[dict[str, str]], operation: dict[str, Any]) -> None:
        app.content["operation"] = {"sync": {}, **operation, "info": info}
        app.content["status"]["operationState"] = None
        app.left = app.plan.ticks
        self._touch(app)

    def _tick(self, app: _App) -> None:
        """What the controller does between two looks at the Application."""
        status = app.content["status"]
        if app.content.get("operation"):
            operation = app.content.pop("operation")
            status["operationState"] = {"phase": "Running", "operation": operation, "startedAt": self._now()}
            self._touch(app)
            return
        state = status.get("operationState")
        if state and state["phase"] == "Running":
            app.left -= 1
            if app.left <= 0:
                self._finish(app, state)
            return
        if app.settling > 0:
            app.settling -= 1
        elif app.settling == 0 or app.content["metadata"]["annotations"].get("argocd.argoproj.io/refresh"):
            self._reconcile(app)

    def _finish(self, app: _App, state: dict[str, Any]) -> None:
        spec = app.content["spec"]
        sources = spec.get("sources") or [spec.get("source") or {}]
        revisions = app.plan.revisions or [source.get("targetRevision", "HEAD") for source in sources]
        result = {"revisions": revisions} if "sources" in spec else {"revision": revisions[0]}
        state.update(
            phase=app.plan.phase, message=app.plan.message, finishedAt=self._now(), syncResult=result
        )
        app.content["status"]["sync"] = {"status": "Synced", **result}
        app.settling = app.plan.settle
        if app.settling == 0:
            self._reconcile(app)
        self._touch(app)

    def _reconcile(self, app: _App) -> None:
        app.settling = -1
        app.content["metadata"]["annotations"].pop("argocd.argoproj.io/refresh", None)
        app.content["status"]["reconciledAt"] = self._now()
        app.content["status"]["health"] = {"status": app.plan.health}
        self._touch(app)

    def _now(self) -> str:
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _touch(self, app: _App) -> None:
        self._version += 1
        app.content["metadata"]["resourceVersion"] = str(self._version)


def _error(code: int, message: str) -> Reply:
    return Reply(_HTTP[code], json={"error": message, "code": code, "message": message})


def _selects(selector: str, labels: dict[str, str]) -> bool:
    """The forms ``a=b``, ``a in (b)``, ``a notin (b)``, ``a`` and ``!a``, one value each, joined by commas."""
    for part in filter(None, selector.split(",")):
        if " in (" in part or " notin (" in part:
            key, word, values = part.split(" ", 2)
            if (labels.get(key) in values.strip("()").split("|")) != (word == "in"):
                return False
        elif part.startswith("!"):
            if part[1:] in labels:
                return False
        elif "=" in part:
            key, value = part.split("=", 1)
            if labels.get(key) != value:
                return False
        elif part not in labels:
            return False
    return True


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _apply(document: dict[str, Any], one: dict[str, Any]) -> str:
    """Apply one operation of a JSON patch on maps; returns what is wrong."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
    place: Any = document
    for part in parents:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        return f"{one['op']} operation does not apply: doc is missing path: {one['path']}"
    if one["op"] == "test":
        return "" if place.get(last) == one["value"] else f"testing value {one['path']} failed: test failed"
    if one["op"] == "replace" and last not in place:
        return f"replace operation does not apply: doc is missing key: {one['path']}"
    if one["op"] in ("add", "replace"):
        place[last] = copy.deepcopy(one["value"])
        return ""
    return f"Unexpected kind: {one['op']}"
