"""Every activity of a worker, made from one home folder and one Temporal client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from temporalio import activity
from temporalio.client import Client

from freightway import contracts
from freightway.activities import health, steps
from freightway.activities.arguments import evaluate_arguments
from freightway.activities.beating import beating
from freightway.activities.discovery import DiscoveryServices
from freightway.activities.discovery import discover as look
from freightway.activities.entities import EntityActivities
from freightway.activities.metrics.registry import MetricContext, load_providers, take
from freightway.activities.services import Services, make_services
from freightway.activities.step_activities import kinds_activity, step_activities
from freightway.activities.steps.registry import REGISTRY
from freightway.activities.workspace import workspace_activities
from freightway.adapters.argocd import ArgoCDServers
from freightway.adapters.charts import Charts
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.data import FolderData
from freightway.adapters.git import GitHost
from freightway.adapters.http import Http
from freightway.adapters.oci import Oci
from freightway.adapters.processes import ProcessRunner
from freightway.errors import NotFound
from freightway.resources.analysis import SecretKeyRef
from freightway.verification.run import MeasurementRequest, MeasurementResult

_BEAT_SECONDS = 2.0


def load_steps() -> None:
    """Import every step of ours and of installed packages, so that they are registered; again does nothing."""
    for module in iter_modules(steps.__path__):
        import_module(f"{steps.__name__}.{module.name}")
    REGISTRY.load_entry_points()


@dataclass(frozen=True)
class Catalogue:
    """The activities of one worker host.

    Attributes:
        services: what steps are given.
        anywhere: activities that need no files: those of the common queue and of shards.
        host: activities of this host's own queue.
    """

    services: Services
    anywhere: list[Callable[..., Any]]
    host: list[Callable[..., Any]]
    http: Http

    @property
    def host_queue(self) -> str:
        """Task queue of this host."""
        return self.services.workspaces.task_queue

    async def aclose(self) -> None:
        """Close what the activities hold open."""
        await self.http.aclose()


def make_catalogue(home: Path, client: Client, *, files: bool = True) -> Catalogue:
    """Return the activities of a worker.

    Args:
        home: Freightway's folder on this host: secrets, mirrors, workspaces.
        client: for the activities that speak to Temporal.
        files: whether this worker offers workspaces; False for one that only runs steps without files.
    """
    load_steps()
    load_providers()
    http = Http()
    credentials = CredentialStore(home, http)
    git = GitHost.from_environment(home, os.environ)
    servers = ArgoCDServers(http, credentials)
    services = make_services(home, http=http, credentials=credentials)
    services = services.provide(GitHost, lambda _: git).provide(ArgoCDServers, lambda _: servers)
    oci = Oci(http)
    outside = OutsideActivities(
        home,
        client,
        http,
        servers,
        DiscoveryServices(
            credentials=credentials, oci=oci, charts=Charts(http, oci), git=git, processes=ProcessRunner()
        ),
    )
    run_steps = step_activities(services)
    claim, remove = workspace_activities(services.workspaces)
    anywhere = [
        *run_steps,
        kinds_activity(services.registry),
        *EntityActivities(client).all(),
        *outside.all(),
        *([claim] if files else []),
    ]
    return Catalogue(services, anywhere, [*run_steps, remove], http)


class OutsideActivities:
    """Discovery, measurements, health and the arguments of verifications: no files, no steps."""

    def __init__(
        self,
        home: Path,
        client: Client,
        http: Http,
        servers: ArgoCDServers,
        discovery: DiscoveryServices,
    ) -> None:
        self._home = home
        self._client = client
        self._http = http
        self._servers = servers
        self._discovery = discovery

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, to be registered on a worker."""
        return [self.discover, self.measure, self.check_health, self.verification_arguments]

    @activity.defn(name="discover")
    async def discover(self, request: contracts.DiscoverRequest) -> contracts.DiscoveryResult:
        """Look at all subscriptions of a Warehouse."""
        async with beating(_BEAT_SECONDS):
            found = await look(request.spec, request.project, self._discovery, request.previous)
        subscriptions = request.spec.get("subscriptions") or ()
        errors = tuple(
            contracts.DiscoveryError(
                subscription=error["subscription"],
                name=_subscription_name(subscriptions[error["subscription"]]),
                message=error["message"],
            )
            for error in found.pop("errors")
        )
        at = datetime.fromisoformat(found.pop("discoveredAt"))
        return contracts.DiscoveryResult(discovered_at=at, artifacts=found, errors=errors)

    @activity.defn(name="measure")
    async def measure(self, request: MeasurementRequest) -> MeasurementResult:
        """Take, resume or end one measurement."""
        context = MetricContext(
            http=self._http, now=datetime.now(UTC), environment=os.environ, request=request
        )
        async with beating(_BEAT_SECONDS):
            return await take(request, context, self._read_secret)

    async def _read_secret(self, project: str, reference: SecretKeyRef) -> str:
        values = FolderData(self._home).secret(project, reference.name)
        if reference.key not in values:
            raise NotFound("Secret", f"{reference.name}/{reference.key}", f"project {project!r}")
        return values[reference.key]

    @activity.defn(name="verification-arguments")
    async def verification_arguments(self, request: contracts.ArgumentsRequest) -> contracts.ArgumentsAnswer:
        """Evaluate the arguments of a Stage's verification."""
        return evaluate_arguments(request, FolderData(self._home))

    @activity.defn(name="check-health")
    async def check_health(self, request: contracts.HealthRequest) -> contracts.HealthAnswer:
        """Look at the health checks of Stages; of all Stages of the project, give back those that changed."""
        async with beating(_BEAT_SECONDS):
            if request.stages:
                return contracts.HealthAnswer(
                    stages=tuple([await self._health(request.project, stage) for stage in request.stages])
                )
            changed = []
            async for name, known in self._stages_with_checks(request.project):
                handle = self._client.get_workflow_handle(name)
                asked = await handle.query("health_request", result_type=contracts.StageHealthRequest)
                seen = await self._health(request.project, asked)
                if seen.status != known:
                    changed.append(seen)
            return contracts.HealthAnswer(stages=tuple(changed))

    async def _stages_with_checks(self, project: str) -> AsyncIterator[tuple[str, str]]:
        query = f'WorkflowType = "Stage" AND FreightwayProject = "{project}" AND ExecutionStatus = "Running"'
        async for found in self._client.list_workflows(query):
            memo = (await found.memo()).get("freightway") or {}
            if memo.get("healthChecks") and not memo.get("current"):
                yield found.id, str(memo.get("health"))

    async def _health(self, project: str, request: contracts.StageHealthRequest) -> contracts.StageHealth:
        seen = await health.check_health(project, request.checks, self._servers)
        return contracts.StageHealth(
            stage=request.stage, status=seen.status, issues=seen.issues, output=seen.output
        )


def _subscription_name(subscription: dict[str, Any]) -> str:
    """How people know a subscription: its name, or its repository."""
    kind = next((kind for kind in ("git", "image", "chart") if kind in subscription), "")
    return str(subscription.get("name") or (subscription.get(kind) or {}).get("repoURL") or kind)
