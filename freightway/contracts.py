"""What workflows and activities agree on: the activities' names, arguments and answers, as typed stubs.

Workflows import this file and never an activity; ``tests/workflows/test_contracts.py`` holds each real activity to
its stub. Steps have no stub: each is called by its kind's name with a StepRequest and gives a StepOutcome.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field
from temporalio import activity

from freightway import search_attributes
from freightway.promotion.model import HealthCheck, KindFacts, WorkspaceRef
from freightway.resources.meta import Model
from freightway.verification.run import MeasurementRequest, MeasurementResult

PROJECT_ATTRIBUTE = search_attributes.PROJECT_ATTRIBUTE
WAREHOUSE_ATTRIBUTE = search_attributes.WAREHOUSE_ATTRIBUTE
STAGE_ATTRIBUTE = search_attributes.STAGE_ATTRIBUTE
PHASE_ATTRIBUTE = search_attributes.PHASE_ATTRIBUTE
FREIGHT_ATTRIBUTE = search_attributes.FREIGHT_ATTRIBUTE
SEARCH_ATTRIBUTES = search_attributes.SEARCH_ATTRIBUTES

WORKSPACE_LOST = "WorkspaceLost"
"""Type of the failure with which a step says that its workspace is not on this host any more."""


class KindsRequest(Model):
    """Ask for the facts of step kinds."""

    kinds: tuple[str, ...] = ()


class ClaimRequest(Model):
    """Ask for a folder for a promotion; ``attempt`` counts the workspaces it has had."""

    project: str
    stage: str
    promotion: str
    attempt: int = 0


class Message(Model):
    """A signal to an entity, which is started if it does not run.

    Attributes:
        workflow: the workflow type, started with ``start`` as its argument.
        also: ids of other entities of the type that get the same signal, if they run.
        signal: the signal's name; empty to start the entity only.
        memo: what it shows of itself until it says otherwise; the same holds for the attributes.
    """

    workflow: str
    workflow_id: str
    also: tuple[str, ...] = ()
    signal: str = ""
    payload: dict[str, Any] = Field(default_factory=dict)
    start: dict[str, Any] = Field(default_factory=dict)
    summary: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    memo: dict[str, Any] = Field(default_factory=dict)


class TellRequest(Model):
    """Deliver messages: in order for each entity, and to one type of entity after the other, as they come first.

    Attributes:
        only_running: do not start entities; a message to one that does not run is dropped.
    """

    messages: tuple[Message, ...] = ()
    only_running: bool = False


class CommandRequest(Model):
    """Send a Workflow Update to an entity."""

    workflow_id: str
    update: str
    payload: dict[str, Any] = Field(default_factory=dict)
    id: str = ""


class CommandAnswer(Model):
    """What came back: the update's result, or the sentence with which it was refused."""

    result: dict[str, Any] = Field(default_factory=dict)
    refused: str = ""


class ScheduleRequest(Model):
    """Make the Schedule of a Warehouse's discovery or of a project's health checks be as described.

    Attributes:
        every: seconds between two runs.
        jitter: most seconds by which a run is put off.
        workflow: workflow type that the Schedule starts with ``argument``.
        delete: remove the Schedule.
        trigger: run once now, whatever else.
    """

    schedule_id: str
    workflow: str = ""
    workflow_id: str = ""
    argument: dict[str, Any] = Field(default_factory=dict)
    queue: str = ""
    every: float = 300.0
    jitter: float = 0.0
    attributes: dict[str, str] = Field(default_factory=dict)
    summary: str = ""
    delete: bool = False
    trigger: bool = False


class RunningRequest(Model):
    """Ask which promotions and verifications of a Stage run."""

    project: str
    stage: str


class RunningWorkflow(Model):
    """A workflow that runs, or, asked for by id, how it stands."""

    workflow_id: str
    type: str = ""
    status: str = ""
    result: dict[str, Any] | None = None
    message: str = ""


class StatusRequest(Model):
    """Ask how workflows stand."""

    workflow_ids: tuple[str, ...] = ()


class DiscoverRequest(Model):
    """One look at all subscriptions of a Warehouse.

    Attributes:
        previous: what the last look found, for shortcuts; None after a change of the specification.
    """

    project: str
    warehouse: str
    spec: dict[str, Any]
    previous: dict[str, Any] | None = None


class DiscoveryError(Model):
    """A subscription that could not be looked at."""

    subscription: int
    name: str = ""
    message: str = ""


class DiscoveryResult(Model):
    """What one look found, in the form of Kargo's ``discoveredArtifacts``."""

    discovered_at: datetime
    artifacts: dict[str, Any] = Field(default_factory=dict)
    errors: tuple[DiscoveryError, ...] = ()


class ArgumentsRequest(Model):
    """Evaluate the expressions in the arguments of a Stage's verification, beside the Secrets."""

    project: str
    stage: str
    args: tuple[dict[str, str], ...] = ()
    vars: tuple[dict[str, str], ...] = ()
    collection: tuple[dict[str, Any], ...] = ()
    requested: tuple[dict[str, Any], ...] = ()
    warehouses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    stage_metadata: dict[str, Any] = Field(default_factory=dict)
    freight_metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freight_status: dict[str, dict[str, Any]] = Field(default_factory=dict)


class ArgumentsAnswer(Model):
    """The evaluated arguments, or why they do not evaluate."""

    args: tuple[dict[str, Any], ...] = ()
    error: str = ""


class StageHealthRequest(Model):
    """The health checks that a Stage's last succeeded promotion registered."""

    stage: str
    checks: tuple[HealthCheck, ...] = ()


class HealthRequest(Model):
    """Look at the health of Stages.

    Attributes:
        stages: the Stages and their checks; empty for every Stage of the project that has any, of which only
            those are given back whose health changed.
    """

    project: str
    stages: tuple[StageHealthRequest, ...] = ()


class StageHealth(Model):
    """A Stage's health: the worst of its checks, Healthy if it has none."""

    stage: str
    status: str = "Healthy"
    issues: tuple[str, ...] = ()
    output: tuple[dict[str, Any], ...] = ()


class HealthAnswer(Model):
    """The health of each Stage that was asked for."""

    stages: tuple[StageHealth, ...] = ()


class KindsAnswer(Model):
    """The facts of each kind asked for."""

    facts: dict[str, KindFacts] = Field(default_factory=dict)


class RunningAnswer(Model):
    """Workflows that run or were asked for."""

    workflows: tuple[RunningWorkflow, ...] = ()


class Told(Model):
    """How many messages were delivered, and the ids of entities that did not run."""

    delivered: int = 0
    absent: tuple[str, ...] = ()


@activity.defn(name="step-kinds")
async def step_kinds(request: KindsRequest) -> KindsAnswer:
    """Read what the engine must know of step kinds from the registry."""
    raise NotImplementedError


@activity.defn(name="claim-workspace")
async def claim_workspace(request: ClaimRequest) -> WorkspaceRef:
    """Make a folder for a promotion on the host that runs this."""
    raise NotImplementedError


@activity.defn(name="remove-workspace")
async def remove_workspace(ref: WorkspaceRef) -> None:
    """Remove a promotion's folder from this host."""
    raise NotImplementedError


@activity.defn(name="host-alive")
async def host_alive() -> None:
    """Answer: a host that runs this is there."""
    raise NotImplementedError


@activity.defn(name="tell")
async def tell(request: TellRequest) -> Told:
    """Deliver signals to entities, starting those that do not run."""
    raise NotImplementedError


@activity.defn(name="command")
async def command(request: CommandRequest) -> CommandAnswer:
    """Send a Workflow Update to an entity and give its answer or its refusal."""
    raise NotImplementedError


@activity.defn(name="set-schedule")
async def set_schedule(request: ScheduleRequest) -> None:
    """Create, change, trigger or delete a Temporal Schedule."""
    raise NotImplementedError


@activity.defn(name="running-workflows")
async def running_workflows(request: RunningRequest) -> RunningAnswer:
    """List the promotions and verifications of a Stage that run."""
    raise NotImplementedError


@activity.defn(name="workflow-status")
async def workflow_status(request: StatusRequest) -> RunningAnswer:
    """Tell how workflows stand and, for those that ended, how."""
    raise NotImplementedError


@activity.defn(name="discover")
async def discover(request: DiscoverRequest) -> DiscoveryResult:
    """Look at all subscriptions of a Warehouse."""
    raise NotImplementedError


@activity.defn(name="measure")
async def measure(request: MeasurementRequest) -> MeasurementResult:
    """Take, resume or end one measurement."""
    raise NotImplementedError


@activity.defn(name="verification-arguments")
async def verification_arguments(request: ArgumentsRequest) -> ArgumentsAnswer:
    """Evaluate the arguments of a Stage's verification."""
    raise NotImplementedError


@activity.defn(name="check-health")
async def check_health(request: HealthRequest) -> HealthAnswer:
    """Look at the health checks of Stages."""
    raise NotImplementedError


STUBS = (
    step_kinds,
    claim_workspace,
    remove_workspace,
    host_alive,
    tell,
    command,
    set_schedule,
    running_workflows,
    workflow_status,
    discover,
    measure,
    verification_arguments,
    check_health,
)
"""Every activity that is not a step."""
