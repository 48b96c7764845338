"""The values a promotion is made of: its frozen plan, the request for one step and the outcome that comes back.

They cross the boundary between workflow and activity, so they are plain JSON in every field.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator

from freightway.resources.meta import Duration, Model, Variable, parse_duration

Effect = Literal["none", "files", "outside"]
"""What a step touches: nothing, files of its workspace, or the outside world."""


class Phase(StrEnum):
    """A promotion's phase. ``Superseded`` and ``Parked`` are our own."""

    PENDING = "Pending"
    RUNNING = "Running"
    PARKED = "Parked"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERRORED = "Errored"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"

    @property
    def is_terminal(self) -> bool:
        """Whether the promotion has ended."""
        return self not in (Phase.PENDING, Phase.RUNNING, Phase.PARKED)


class StepStatus(StrEnum):
    """A step's status, as Kargo names them."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    SKIPPED = "Skipped"
    ABORTED = "Aborted"
    FAILED = "Failed"
    ERRORED = "Errored"

    @property
    def severity(self) -> int:
        """Rank from harmless to worst: Succeeded 0, Skipped 1, Running 2, Aborted 3, Failed 4, Errored 5."""
        return _SEVERITY[self]


_SEVERITY = {
    StepStatus.SUCCEEDED: 0,
    StepStatus.SKIPPED: 1,
    StepStatus.RUNNING: 2,
    StepStatus.ABORTED: 3,
    StepStatus.FAILED: 4,
    StepStatus.ERRORED: 5,
}


class Retry(Model):
    """A step's retry settings; ``None`` and 0 mean the step kind's default."""

    timeout: Duration | None = None
    error_threshold: int = Field(default=0, ge=0)

    @field_validator("timeout", mode="before")
    @classmethod
    def _keep_tiny(cls, value: Any) -> Any:
        """Round a length below a microsecond up: as zero it would mean no limit."""
        if (
            isinstance(value, str)
            and not parse_duration(value)
            and any(digit in value for digit in "123456789")
        ):
            return timedelta(microseconds=1)
        return value


class KindFacts(Model):
    """What the engine must know of a step kind; read from the registry when a plan is made, then frozen."""

    known: bool = True
    needs_files: bool = False
    effect: Effect = "none"
    repeatable: bool = True
    """False: a repetition is not safe and cannot be recognised; a lost attempt ends or parks the promotion."""
    timeout: Duration | None = None
    """Soft limit from the step's first start; ``None`` for no limit."""
    error_threshold: int = 1


class PlannedStep(Model):
    """One step of a frozen plan.

    Attributes:
        task: a task reference found inside a task; it is never followed and a plan that holds one is refused.
    """

    alias: str
    uses: str
    if_: str = Field(default="", alias="if")
    continue_on_error: bool = False
    retry: Retry = Field(default_factory=Retry)
    vars: tuple[Variable, ...] = ()
    config: dict[str, Any] | None = None
    task: dict[str, Any] | None = None
    facts: KindFacts = Field(default_factory=KindFacts)


class Origin(Model):
    """Where Freight comes from."""

    kind: str = "Warehouse"
    name: str

    @property
    def key(self) -> str:
        """The form used as a map key: ``Warehouse/<name>``."""
        return f"{self.kind}/{self.name}"


class FreightReference(Model):
    """A snapshot of one Freight: its name and its artifacts in Kargo's JSON form."""

    name: str
    alias: str = ""
    origin: Origin
    commits: tuple[dict[str, Any], ...] = ()
    images: tuple[dict[str, Any], ...] = ()
    charts: tuple[dict[str, Any], ...] = ()
    artifacts: tuple[dict[str, Any], ...] = ()


class PromotionPlan(Model):
    """Everything a promotion needs, frozen when it was asked for; later edits of its Stage do not change it.

    Attributes:
        freight: the Freight being promoted.
        collection: all Freight the steps see: ``freight`` and, for a Stage with several origins, what the
            other origins last brought.
        requested: the Stage's ``requestedFreight`` in Kargo's JSON form (for the ambiguity rules of
            ``imageFrom`` and its like).
        warehouses: specification of each requested Warehouse by name, in Kargo's JSON form.
        on_failure: ``fail`` as in Kargo, or ``park``: stop at the failed step and wait for a person.
    """

    project: str
    stage: str
    promotion: str
    freight: FreightReference
    collection: tuple[FreightReference, ...] = ()
    requested: tuple[dict[str, Any], ...] = ()
    warehouses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    vars: tuple[Variable, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    actor: str = ""
    rollback: bool = False
    ui_base_url: str = ""
    shard: str = ""
    on_failure: Literal["fail", "park"] = "fail"
    created_at: datetime


class StepMeta(Model):
    """What is recorded of one step, as in Kargo's ``stepExecutionMetadata``."""

    alias: str
    uses: str = ""
    status: StepStatus | None = None
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_count: int = 0
    continue_on_error: bool = False


class HealthCheck(Model):
    """A health check that a succeeded step registers for its Stage."""

    uses: str
    config: dict[str, Any] = Field(default_factory=dict)


class MetadataUpdate(Model):
    """A value that ``set-metadata`` writes to a Freight or a Stage."""

    kind: Literal["Freight", "Stage"]
    name: str
    values: dict[str, Any]


class StepRecord(Model):
    """What is needed to run a step again with the same result in a new workspace.

    Attributes:
        config: the evaluated configuration; a leaf that held a secret is ``{"$template": <raw text>}``.
        resolved: what the step looked up (commit ids, digests, versions), pinned on a repetition.
        tree: hash of the workspace's content after the step, empty if it was not taken.
        evaluated_at: the instant that ``now()`` gave.
    """

    config: dict[str, Any] = Field(default_factory=dict)
    resolved: dict[str, Any] = Field(default_factory=dict)
    tree: str = ""
    evaluated_at: datetime | None = None


class WorkspaceRef(Model):
    """A claimed workspace: the host that owns it, that host's task queue and the folder's name."""

    host: str
    queue: str
    folder: str


class Answer(Model):
    """A person's answer to a step that waits for an approval."""

    target: str = ""
    actor: str = ""
    approve: bool = True
    reason: str = ""
    groups: tuple[str, ...] = ()
    at: datetime | None = None


class StepRequest(Model):
    """What one attempt of a step is given. Configuration is raw: expressions are evaluated beside the secrets.

    Attributes:
        outputs: alias -> output of every step that ran before (task outputs under the task's alias included).
        metas: what is recorded of the steps so far, this one included.
        freight_status: Freight name -> its status in Kargo's JSON form without metadata.
        begun: the step has started before (its ``if`` was decided and is not asked again).
        poll: number of completed polls and counted attempts of this step, 0 for the first.
        replay: set when the step is repeated to rebuild a lost workspace.
        overrides: variables a person changed when repairing a parked promotion; each replaces every
            definition of its name.
        deadline: when the step's soft limit ends, None without limit; a waiting attempt answers then.
    """

    project: str
    stage: str
    promotion: str
    freight: FreightReference
    collection: tuple[FreightReference, ...] = ()
    requested: tuple[dict[str, Any], ...] = ()
    warehouses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    actor: str = ""
    rollback: bool = False
    ui_base_url: str = ""
    created_at: datetime
    step: PlannedStep
    vars: tuple[Variable, ...] = ()
    overrides: tuple[Variable, ...] = ()
    outputs: dict[str, Any] = Field(default_factory=dict)
    metas: tuple[StepMeta, ...] = ()
    stage_metadata: dict[str, Any] = Field(default_factory=dict)
    freight_metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freight_status: dict[str, dict[str, Any]] = Field(default_factory=dict)
    begun: bool = False
    poll: int = 0
    last_wait: str = ""
    answers: tuple[Answer, ...] = ()
    deadline: datetime | None = None
    workspace: WorkspaceRef | None = None
    replay: StepRecord | None = None


class StepOutcome(Model):
    """What one attempt of a step gave. An error is a value, never an exception.

    Attributes:
        ran: False if the step never started (its ``if`` was false or broken, or its kind is unknown).
        error: the attempt broke or said no with an error; counts to the threshold.
        terminal: a further attempt is pointless; without ``error`` the message stands as it is.
        counted: False for errors that Kargo neither counts nor retries (configuration that does not evaluate).
        retry_after: seconds until the next poll of a waiting step, None for the default.
        task_output: the output is also merged into the output of the step's task (``compose-output``).
        error_text: what the promotion shows while the step is retried; empty for the message itself.
        polls: polls before this one that found nothing new, so that each has a number of its own.
    """

    status: StepStatus
    message: str = ""
    error_text: str = ""
    output: dict[str, Any] | None = None
    ran: bool = True
    error: bool = False
    terminal: bool = False
    counted: bool = True
    retry_after: float | None = None
    task_output: bool = False
    health_check: HealthCheck | None = None
    metadata: tuple[MetadataUpdate, ...] = ()
    record: StepRecord | None = None
    polls: int = 0


MINIMUM_POLL = timedelta(seconds=1)
"""Shortest pause between two polls of a waiting step. Kargo's is 10 s; a poll that found nothing costs less here."""

DEFAULT_POLL = timedelta(minutes=5)
"""Kargo's interval between two polls when the step suggests none."""
