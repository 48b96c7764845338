"""Health of a Stage, from the checks that its last promotion registered.

Source: Kargo pkg/health, pkg/health/checker/builtin/argocd.go.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from freightway.adapters.argocd import ArgoCD, ArgoCDServers
from freightway.adapters.argocd_app import Application, describe, operation_of, sources_of
from freightway.errors import AdapterError, FreightwayError
from freightway.promotion.model import HealthCheck
from freightway.resources.meta import Model

State = Literal["Healthy", "NotApplicable", "Progressing", "Unknown", "Unhealthy"]
_ORDER: tuple[State, ...] = ("Healthy", "NotApplicable", "Progressing", "Unknown", "Unhealthy")
_SIDE_BY_SIDE = 16
_BAD_CONDITIONS = ("ComparisonError", "InvalidSpecError")


class Health(Model):
    """How a Stage is: the worst of its checks, with every issue and what each check saw."""

    status: State = "Healthy"
    issues: tuple[str, ...] = ()
    output: tuple[dict[str, Any], ...] = Field(default=())

    def merge(self, other: Health) -> Health:
        """Return the worse of two, with the issues and outputs of both."""
        worse = max(self.status, other.status, key=_ORDER.index)
        return Health(
            status=worse, issues=(*self.issues, *other.issues), output=(*self.output, *other.output)
        )


async def check_health(project: str, checks: Sequence[HealthCheck], servers: ArgoCDServers) -> Health:
    """Run health checks in order and return the whole; no check at all is Healthy. Never raises for a check."""
    health = Health()
    for check in checks:
        if check.uses != "argocd-update":
            issue = f'no health checker registered for health check kind "{check.uses}"'
            health = health.merge(Health(status="Unknown", issues=(issue,)))
        else:
            health = health.merge(await _check_applications(project, check, servers))
    return health


async def _check_applications(project: str, check: HealthCheck, servers: ArgoCDServers) -> Health:
    try:
        client = servers.client(project)
    except FreightwayError as error:
        return Health(status="Unknown", issues=(str(error),))
    slots = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def look(wanted: Mapping[str, Any]) -> tuple[Health, dict[str, Any]]:
        async with slots:
            return await _check_application(client, wanted, servers.namespace)

    # Side by side: an Argo CD that does not answer must not cost its time limit once per Application.
    looked = await asyncio.gather(*map(look, check.config.get("apps") or []))
    health = Health()
    for one, _ in looked:
        health = health.merge(one)
    statuses = [status for _, status in looked]
    return health.model_copy(update={"output": ({"applicationStatuses": statuses},)})


async def _check_application(
    client: ArgoCD, wanted: Mapping[str, Any], default_namespace: str
) -> tuple[Health, dict[str, Any]]:
    name = str(wanted.get("name") or "")
    namespace = str(wanted.get("namespace") or default_namespace)
    missing = f'unable to find Argo CD Application "{name}" in namespace "{namespace}"'
    shown: dict[str, Any] = {"Namespace": namespace, "Name": name}
    try:
        app = await client.get(name, namespace)
        if app is None:
            return _unknown(missing), shown
        if not _is_reconciled(app):
            await client.refresh(app)
    except AdapterError as error:
        return _unknown(f"{missing}: {error}"), shown
    return _judge(app, wanted.get("desiredRevisions") or []), {**shown, **_stable_status(app)}


def _unknown(issue: str) -> Health:
    return Health(status="Unknown", issues=(issue,))


def _judge(app: Application, desired: Sequence[str]) -> Health:
    if not _is_reconciled(app):
        return _unknown(
            f"{describe(app)} was not reconciled after its most recent operation completed; "
            "Application health status not trusted"
        )
    status = app.get("status") or {}
    errors = [one for one in status.get("conditions") or [] if one.get("type") in _BAD_CONDITIONS]
    if errors:
        issues = tuple(
            f'{describe(app)} has "{one["type"]}" condition: {one.get("message", "")}' for one in errors
        )
        return Health(status="Unhealthy", issues=issues)
    if any(desired):
        synced = _judge_revisions(app, desired)
        if synced.status != "Healthy":
            return synced
    state = str((status.get("health") or {}).get("status") or "")
    if state == "Healthy":
        return Health()
    if state in ("Progressing", "Suspended", ""):
        return Health(
            status="Progressing", issues=(f"{describe(app)} has health state {state or 'unknown yet'}",)
        )
    return Health(status="Unhealthy", issues=(f"{describe(app)} has health state {state}",))


def _judge_revisions(app: Application, desired: Sequence[str]) -> Health:
    operation = operation_of(app)
    if operation is None or not operation.finished_at:
        return _unknown(f"{describe(app)} is being synced")
    sources = sources_of(app)
    if len(sources) != len(desired):
        return _unknown(
            f"{describe(app)} has {len(sources)} sources but {len(desired)} desired revisions are known"
        )
    sync = (app.get("status") or {}).get("sync") or {}
    observed = sync.get("revisions") or [sync.get("revision") or ""]
    if len(observed) != len(desired):
        return _unknown(
            f"{describe(app)} has {len(sources)} sources but tells {len(observed)} observed revisions"
        )
    wrong = [
        f"source {index} with repoURL {source.get('repoURL', '')} is at revision {seen or 'none'} "
        f"instead of {wanted}"
        for index, (source, wanted, seen) in enumerate(zip(sources, desired, observed, strict=True))
        if wanted and wanted != seen
    ]
    if wrong:
        issue = f"Not all sources of {describe(app)} are synced to the desired revisions. Issues: {'; '.join(wrong)}"
        return Health(status="Unhealthy", issues=(issue,))
    return Health()


def _is_reconciled(app: Application) -> bool:
    """Whether Argo CD has looked at the Application since its last operation ended."""
    operation = operation_of(app)
    if operation is None or not operation.finished_at:
        return True
    reconciled = _time((app.get("status") or {}).get("reconciledAt"))
    finished = _time(operation.finished_at)
    return reconciled is not None and (finished is None or reconciled >= finished)


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def _stable_status(app: Application) -> dict[str, Any]:
    """The part of the status worth keeping, without times that change though nothing else does."""
    status = app.get("status") or {}
    kept = {
        key: copy.deepcopy(status[key])
        for key in ("health", "sync", "conditions", "operationState")
        if key in status
    }
    for condition in kept.get("conditions") or []:
        condition.pop("lastTransitionTime", None)
    return kept
