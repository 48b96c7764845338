"""One promotion as a value: which step is next, and what an outcome changes.

Phases of a promotion and what moves it:

    phase    event                                             new phase  current step
    -------  ------------------------------------------------  ---------  ---------------------------
    Running  record: the attempt does not end the step         Running    stays, after ``pause``
    Running  record: the step ended, others follow             Running    the next that may run
    Running  record: the step ended, it was the last           by phase   last
    Running  record: the step failed, ``on_failure`` is park   Parked     stays at the failed step
    Running  lost: the step may be repeated                    Running    stays
    Running  lost: the step may not be repeated                as a step that failed
    Running  abort                                             Aborted    stays, Aborted if it ran
    Parked   retry (with other variables or not)               Running    stays, starts anew
    Parked   skip                                              as a step that was skipped
    Parked   abort                                             Aborted    stays
    ended    anything                                          unchanged

"Failed" is Failed or Errored without ``continueOnError``. The next step that may run is the next one that has
an ``if`` of its own or, without one, no failed step before it; the others are Skipped on the way. An ``if`` is
decided where the step runs, beside the secrets. Every function here is pure: the caller says what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from freightway.promotion.completion import deadline, error_backoff, judge, poll_interval
from freightway.promotion.model import (
    HealthCheck,
    Phase,
    PlannedStep,
    PromotionPlan,
    StepMeta,
    StepOutcome,
    StepRecord,
    StepRequest,
    StepStatus,
    WorkspaceRef,
)
from freightway.promotion.phase import final_phase, has_failed
from freightway.promotion.plan import split_alias
from freightway.resources.meta import Duration, Model, Variable


@dataclass(frozen=True, slots=True)
class RunStep:
    """The step at ``index`` is to be run (or asked again)."""

    index: int
    step: PlannedStep


@dataclass(frozen=True, slots=True)
class Parked:
    """The promotion waits for a person at the step at ``index``."""

    index: int
    step: PlannedStep
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The promotion has ended."""

    phase: Phase
    message: str


class Repair(Model):
    """What a person did to a parked promotion."""

    action: str
    alias: str
    actor: str = ""
    reason: str = ""
    variables: tuple[str, ...] = ()
    at: datetime


class Progress(Model):
    """How far a promotion has come; plain JSON, so that a workflow can keep and hand it on.

    Attributes:
        current: index of the current step; of the last one when ended, -1 without steps.
        metas: what is recorded of each step that was visited, by alias, in order.
        outputs: alias -> output. Null values are kept; Kargo loses them when a promotion yields.
        records: index -> how to repeat a step for its files.
        pause: how long to wait before the current step is asked again, None for not at all.
        attempt_at: when the attempt under way began, None between attempts.
        polls: attempts of the current step that were recorded.
        errors_in_row: errors of the current step without another answer between them.
        last_wait: what the current step last waited for.
        overrides: variables a person changed; they replace every definition of their names from there on.
    """

    plan: PromotionPlan
    phase: Phase = Phase.RUNNING
    message: str = ""
    started_at: datetime
    finished_at: datetime | None = None
    current: int = 0
    metas: tuple[StepMeta, ...] = ()
    outputs: dict[str, Any] = Field(default_factory=dict)
    health_checks: tuple[HealthCheck, ...] = ()
    records: dict[int, StepRecord] = Field(default_factory=dict)
    pause: Duration | None = None
    attempt_at: datetime | None = None
    polls: int = 0
    errors_in_row: int = 0
    last_wait: str = ""
    overrides: tuple[Variable, ...] = ()
    repairs: tuple[Repair, ...] = ()

    @classmethod
    def start(cls, plan: PromotionPlan, now: datetime) -> Progress:
        """Return the progress of a promotion that starts now, at its first step."""
        return _enter(cls(plan=plan, started_at=now), 0, now)

    @property
    def step(self) -> PlannedStep | None:
        """The current step, None without steps."""
        return self.plan.steps[self.current] if 0 <= self.current < len(self.plan.steps) else None

    def meta(self, alias: str) -> StepMeta | None:
        """Return what is recorded of the step with this alias, None if it was not visited."""
        return next((meta for meta in self.metas if meta.alias == alias), None)

    def next(self) -> RunStep | Parked | Finished:
        """Return what is to be done: run a step (after ``pause``), wait for a person, or nothing."""
        if self.phase.is_terminal:
            return Finished(self.phase, self.message)
        step = self.plan.steps[self.current]
        if self.phase is Phase.PARKED:
            return Parked(self.current, step, self.message)
        return RunStep(self.current, step)

    def request(
        self,
        now: datetime,
        *,
        workspace: WorkspaceRef | None = None,
        stage_metadata: Mapping[str, Any] | None = None,
        freight_metadata: Mapping[str, dict[str, Any]] | None = None,
        freight_status: Mapping[str, dict[str, Any]] | None = None,
        index: int | None = None,
        replay: StepRecord | None = None,
    ) -> StepRequest:
        """Return the request for one attempt of the current step, or of the step at ``index`` to repeat it."""
        plan = self.plan
        step = plan.steps[self.current if index is None else index]
        meta = self.meta(step.alias)
        started_at = meta.started_at if meta else None
        return StepRequest(
            project=plan.project,
            stage=plan.stage,
            promotion=plan.promotion,
            freight=plan.freight,
            collection=plan.collection or (plan.freight,),
            requested=plan.requested,
            warehouses=plan.warehouses,
            actor=plan.actor,
            rollback=plan.rollback,
            ui_base_url=plan.ui_base_url,
            created_at=plan.created_at,
            step=step,
            vars=plan.vars,
            overrides=self.overrides,
            outputs=self.outputs,
            metas=self.metas,
            stage_metadata=dict(stage_metadata or {}),
            freight_metadata=dict(freight_metadata or {}),
            freight_status=dict(freight_status or {}),
            begun=started_at is not None,
            poll=self.polls if index is None else 0,
            last_wait=self.last_wait if index is None else "",
            deadline=deadline(step, started_at or now) if replay is None else None,
            workspace=workspace,
            replay=replay,
        )

    def replays(
        self, now: datetime, *, workspace: WorkspaceRef, through: int | None = None
    ) -> tuple[StepRequest, ...]:
        """Return the requests that rebuild a lost workspace: every recorded step before the current one.

        Args:
            through: also repeat recorded steps up to this index.
        """
        end = self.current if through is None else through + 1
        return tuple(
            self.request(now, workspace=workspace, index=index, replay=self.records[index])
            for index in sorted(self.records)
            if index < end
        )

    def begin(self, now: datetime) -> Progress:
        """Note that an attempt of the current step is under way."""
        return _with(self, attempt_at=now, pause=None) if self.phase is Phase.RUNNING else self

    def record(self, outcome: StepOutcome, now: datetime) -> Progress:
        """Return the progress after an attempt of the current step gave this outcome.

        An outcome that arrives after the promotion ended or was parked changes nothing.
        """
        step = self.step
        if self.phase is not Phase.RUNNING or step is None:
            return self
        if not outcome.ran:
            return _finish_step(self, step, {"status": outcome.status, "message": outcome.message}, now)
        meta = self.meta(step.alias) or _new_meta(step)
        started = {"started_at": meta.started_at or self.attempt_at or now}
        if not outcome.counted:
            changes = {**started, "status": outcome.status, "message": outcome.message}
            return _finish_step(self, step, changes, now)
        written = _with(self, **_written(self, step, outcome))
        return _judged(written, step, started, outcome, now)

    def lost(self, reason: str, now: datetime) -> Progress:
        """Return the progress after an attempt whose answer will never come.

        A step that may be repeated is repeated; any other counts as failed, and nothing is tried again.
        """
        step = self.step
        if self.phase is not Phase.RUNNING or step is None:
            return self
        if step.facts.repeatable:
            return _with(self, attempt_at=None, pause=None)
        text = f'step "{step.alias}": {reason}; it may have taken effect and is not repeated'
        return self.record(StepOutcome(status=StepStatus.ERRORED, message=text, terminal=True), now)

    def pass_over(self, reason: str, now: datetime) -> Progress:
        """Return the progress with the current step counted as Skipped for this reason, at the step after it."""
        step = self.step
        if self.phase is not Phase.RUNNING or step is None:
            return self
        return _finish_step(
            self, step, {"status": StepStatus.SKIPPED, "message": reason, "finished_at": now}, now
        )

    def abort(self, now: datetime, actor: str = "") -> Progress:
        """Return the progress of a promotion that a person ended; no further step runs, whatever its ``if``."""
        if self.phase.is_terminal:
            return self
        by = f"by {actor}" if actor else "per user request"
        message = f"Promotion terminated {by}"
        metas = self.metas
        step = self.step
        if step is not None and self.phase is Phase.RUNNING:
            meta = self.meta(step.alias) or _new_meta(step)
            if self.attempt_at is not None or meta.status is StepStatus.RUNNING:
                changes = {
                    "status": StepStatus.ABORTED,
                    "started_at": meta.started_at or self.attempt_at,
                    "finished_at": now,
                }
                metas = _put(self.metas, meta.model_copy(update=changes))
        return _ended(self, Phase.ABORTED, message, now, metas=metas)


def _written(progress: Progress, step: PlannedStep, outcome: StepOutcome) -> dict[str, Any]:
    """What an attempt that ran leaves behind whether or not it ends the step."""
    outputs = {**progress.outputs, step.alias: outcome.output}
    task, _ = split_alias(step.alias)
    if outcome.task_output and task and outcome.output:
        outputs[task] = {**(outputs.get(task) or {}), **outcome.output}
    records = progress.records
    if outcome.record is not None:
        records = {**records, progress.current: outcome.record}
    return {"outputs": outputs, "records": records, "polls": progress.polls + outcome.polls + 1}


def _judged(
    progress: Progress, step: PlannedStep, started: dict[str, datetime], outcome: StepOutcome, now: datetime
) -> Progress:
    meta = (progress.meta(step.alias) or _new_meta(step)).model_copy(update=started)
    verdict = judge(step, meta, outcome, now)
    changes = {
        **started,
        "status": verdict.status,
        "message": verdict.message,
        "error_count": verdict.error_count,
    }
    if verdict.finished:
        health: tuple[HealthCheck, ...] = ()
        if verdict.status is StepStatus.SUCCEEDED and outcome.health_check:
            health = (outcome.health_check,)
        advanced = _with(progress, health_checks=(*progress.health_checks, *health))
        return _finish_step(advanced, step, {**changes, "finished_at": now}, now)
    until = deadline(step, started["started_at"])
    if outcome.error:
        in_row = progress.errors_in_row + 1
        pause = error_backoff(in_row, now, until, at_least=outcome.retry_after)
    else:
        in_row = 0
        pause = poll_interval(outcome.retry_after, now, until)
    return _with(
        progress,
        metas=_put(progress.metas, meta.model_copy(update=changes)),
        pause=pause,
        attempt_at=None,
        errors_in_row=in_row,
        message=verdict.error,
        last_wait="" if outcome.error else outcome.message,
    )


def _finish_step(
    progress: Progress, step: PlannedStep, changes: Mapping[str, Any], now: datetime
) -> Progress:
    """The current step is over: park at a failed one if so wished, else go on."""
    meta = (progress.meta(step.alias) or _new_meta(step)).model_copy(update=dict(changes))
    done = _with(progress, metas=_put(progress.metas, meta), pause=None, attempt_at=None, message="")
    if progress.plan.on_failure == "park" and has_failed([meta]):
        return _with(done, phase=Phase.PARKED, message=meta.message)
    return _enter(done, progress.current + 1, now)


def _enter(progress: Progress, index: int, now: datetime) -> Progress:
    """Go to the next step that may run, from ``index`` on; without one the promotion ends."""
    metas = progress.metas
    for position in range(index, len(progress.plan.steps)):
        step = progress.plan.steps[position]
        meta = next((meta for meta in metas if meta.alias == step.alias), None) or _new_meta(step)
        # A second step with the alias of one that started shares its entry and is not asked, as in Kargo.
        if not (step.if_ == "" and meta.started_at is None and has_failed(metas)):
            return _with(
                progress, metas=_put(metas, meta), current=position, polls=0, errors_in_row=0, last_wait=""
            )
        metas = _put(metas, meta.model_copy(update={"status": StepStatus.SKIPPED}))
    phase, message = final_phase(metas)
    last = _with(progress, current=len(progress.plan.steps) - 1)
    return _ended(last, phase, message, now, metas=metas)


def _ended(
    progress: Progress, phase: Phase, message: str, now: datetime, *, metas: tuple[StepMeta, ...]
) -> Progress:
    return _with(
        progress, phase=phase, message=message, finished_at=now, pause=None, attempt_at=None, metas=metas
    )


def _with(progress: Progress, **changes: Any) -> Progress:
    return progress.model_copy(update=changes)


def _new_meta(step: PlannedStep) -> StepMeta:
    return StepMeta(alias=step.alias, uses=step.uses, continue_on_error=step.continue_on_error)


def _put(metas: tuple[StepMeta, ...], meta: StepMeta) -> tuple[StepMeta, ...]:
    """Replace the entry of the same alias, or append one."""
    if any(known.alias == meta.alias for known in metas):
        return tuple(meta if known.alias == meta.alias else known for known in metas)
    return (*metas, meta)
