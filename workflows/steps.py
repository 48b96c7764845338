"""Running one step of a promotion: on which queue, in which workspace, and what a lost host means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutType,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as ActivityTimeout

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import promotion_details
    from freightway.entities.promotion import PromotionInput
    from freightway.promotion.model import (
        Answer,
        PromotionPlan,
        StepOutcome,
        StepRequest,
        StepStatus,
        WorkspaceRef,
    )
    from freightway.promotion.progress import Progress

from freightway.workflows import options


class StepStopped(Exception):
    """An attempt was cancelled or lost and gave no outcome."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class HostGone(Exception):
    """The host of the workspace, or the folder on it, is not there any more."""


class StepRunner:
    """Runs the steps of one promotion and looks after its workspace."""

    def __init__(self, plan: PromotionPlan, given: PromotionInput) -> None:
        self._plan = plan
        self._stage_metadata = dict(given.stage_metadata)
        self._freight_metadata = {name: dict(values) for name, values in given.freight_metadata.items()}
        self._freight_status = given.freight_status
        self._workspace: WorkspaceRef | None = None
        self._claims = 0

    async def attempt(
        self, progress: Progress, interrupted: Callable[[], bool], answers: tuple[Answer, ...]
    ) -> StepOutcome:
        """Run the current step once and give its outcome.

        Raises:
            StepStopped: if ``interrupted`` became true, or the worker was lost and the step must not be repeated.
        """
        step = progress.step
        assert step is not None
        while True:
            try:
                if step.facts.needs_files and self._workspace is None:
                    failed = await self._claim(progress)
                    if failed is not None:
                        return failed
                workspace = self._workspace if step.facts.needs_files else None
                request = progress.request(
                    workflow.now(),
                    workspace=workspace,
                    stage_metadata=self._stage_metadata,
                    freight_metadata=self._freight_metadata,
                    freight_status=self._freight_status,
                ).model_copy(update={"answers": answers})
                return await self._run(request, interrupted)
            except HostGone:
                workflow.logger.warning("the workspace is lost and will be rebuilt on another host")
                self._workspace = None

    def keep_metadata(self, outcome: StepOutcome) -> None:
        """Remember what a step wrote to metadata, for the steps after it."""
        for update in outcome.metadata:
            if update.kind == "Stage" and update.name == self._plan.stage:
                self._stage_metadata.update(update.values)
            elif update.kind == "Freight":
                self._freight_metadata.setdefault(update.name, {}).update(update.values)

    async def clean(self) -> None:
        """Remove the workspace; a host that is gone keeps its folder until its own sweeper finds it."""
        if self._workspace is None:
            return
        until = workflow.now() + options.CLEANED_WITHIN
        try:
            while not await self._removed(self._workspace):
                if workflow.now() >= until or not await _is_there(self._workspace.queue):
                    workflow.logger.warning("the workspace is left to the sweeper of its host")
                    return
        except FailureError as error:
            workflow.logger.warning("the workspace was not removed: %s", error)

    async def _removed(self, workspace: WorkspaceRef) -> bool:
        """Ask the host to remove the workspace; False if it has not begun to in time."""
        try:
            await workflow.execute_activity(
                contracts.remove_workspace,
                workspace,
                task_queue=workspace.queue,
                summary="remove the workspace",
                **options.CLEAN,
            )
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ActivityTimeout) and cause.type == TimeoutType.SCHEDULE_TO_START:
                return False
            raise
        return True

    async def _claim(self, progress: Progress) -> StepOutcome | None:
        """Claim a workspace; if the promotion had one before, repeat the steps that filled it."""
        request = contracts.ClaimRequest(
            project=self._plan.project,
            stage=self._plan.stage,
            promotion=self._plan.promotion,
            attempt=self._claims,
        )
        queue = names.shard_queue(self._plan.shard)
        # There is no limit to it: a worker may have to be started first. So it is shown.
        workflow.set_current_details(
            promotion_details(progress, f"a worker of queue {queue} to give it a workspace")
        )
        self._workspace = await workflow.execute_activity(
            contracts.claim_workspace,
            request,
            task_queue=queue,
            summary="claim a workspace",
            **options.CLAIM,
        )
        workflow.set_current_details(promotion_details(progress, ""))
        self._claims += 1
        for replay in progress.replays(workflow.now(), workspace=self._workspace):
            outcome = await self._run(replay, lambda: False, summary=f"rebuild {replay.step.alias}")
            if outcome.status not in (StepStatus.SUCCEEDED, StepStatus.SKIPPED):
                text = f'workspace could not be rebuilt: step "{replay.step.alias}": {outcome.message}'
                return StepOutcome(
                    status=StepStatus.ERRORED, message=text, error=True, terminal=True, ran=True
                )
        return None

    async def _run(
        self, request: StepRequest, interrupted: Callable[[], bool], summary: str = ""
    ) -> StepOutcome:
        step = request.step
        chosen = (options.STEP_ON_HOST if request.workspace else options.STEP_ANYWHERE).copy()
        if not step.facts.repeatable:
            chosen["retry_policy"] = RetryPolicy(maximum_attempts=1)
        queue = request.workspace.queue if request.workspace else names.shard_queue(self._plan.shard)
        while True:
            handle = workflow.start_activity(
                step.uses,
                request,
                result_type=StepOutcome,
                task_queue=queue,
                summary=summary or step.alias,
                **chosen,
            )
            await _until_done(handle, interrupted)
            if not handle.done():
                handle.cancel()
            try:
                outcome: StepOutcome = await handle
                return outcome
            except ActivityError as error:
                if is_cancelled_exception(error) and interrupted():
                    raise StepStopped("interrupted") from error
                await self._judge(error, request)

    async def _judge(self, error: ActivityError, request: StepRequest) -> None:
        """Decide what a lost attempt means: return to ask the same queue again, or raise."""
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == contracts.WORKSPACE_LOST:
            raise HostGone from error
        if isinstance(cause, ActivityTimeout) and cause.type == TimeoutType.SCHEDULE_TO_START:
            assert request.workspace is not None
            if not await _is_there(request.workspace.queue):
                raise HostGone from error
            return
        if isinstance(cause, ActivityTimeout) and not request.step.facts.repeatable:
            raise StepStopped("the worker was lost while the step ran") from error
        if is_cancelled_exception(error):
            raise error
        raise StepStopped(f"the attempt was lost: {cause or error}") from error


async def _is_there(queue: str) -> bool:
    """Whether the host of a queue answers."""
    try:
        await workflow.execute_activity(
            contracts.host_alive,
            task_queue=names.alive_queue(queue),
            summary="is the host there?",
            **options.ALIVE,
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return False
    return True


async def _until_done(handle: workflow.ActivityHandle[Any], interrupted: Callable[[], bool]) -> None:
    await workflow.wait_condition(lambda: handle.done() or interrupted())
